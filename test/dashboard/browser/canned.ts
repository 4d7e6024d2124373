/** Snapshots by hand, and a server that sends them with the real page: what the page does with any of them can be tested. */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type {
  Cause,
  FailureSnapshot,
  HeatColumn,
  IntegrationSnapshot,
  OperationSnapshot,
  Snapshot
} from "../../../src/dashboard/Snapshot.ts"
import { page } from "../../../src/dashboard/internal/page.ts"
import type { OperationPlan } from "../../../src/internal/plan.ts"

export const heatBounds = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]

/** A moment that the 5 seconds of a heat strip divide. */
export const begin = Date.UTC(2026, 10, 24, 10, 0, 0)

/** Calls around one latency, over two minutes. `spread` says how many buckets lie beside it, `late` adds a slow tail. */
export const heat = (
  at: number,
  options: { readonly bucket: number; readonly calls: number; readonly late?: { bucket: number; since: number } }
): ReadonlyArray<HeatColumn> =>
  Array.from({ length: 24 }, (_, index) => {
    const counts = heatBounds.concat(0).map((_, bucket) => {
      const distance = Math.abs(bucket - options.bucket)
      const wave = 1 + Math.sin(index * 0.9 + bucket) / 4
      return distance > 2 ? 0 : Math.round((options.calls * wave) / 3 ** distance)
    })
    const late = options.late
    if (late !== undefined && index >= late.since) {
      counts[late.bucket]! += Math.round(options.calls / 2)
      counts[late.bucket - 1]! += Math.round(options.calls / 3)
      counts[options.bucket] = Math.round(counts[options.bucket]! / 4)
    }
    return { at: (Math.floor(at / 5_000) - 23 + index) * 5_000, counts }
  })

export const plan = (operation: string): OperationPlan => ({
  operation,
  via: "POST /v1/charges",
  repeat: "Idempotent",
  key: "keyed, derived from the input, kept for 1 day",
  layers: [
    { slot: "observe", describe: "one span, one event, one log line for each call" },
    { slot: "totalDeadline", describe: "30 s over everything" },
    { slot: "retry", describe: "at most 3 attempts, full jitter from 50 ms" },
    { slot: "breaker", describe: "opens after 5 failures in a row, for 1 s to 5 s" },
    { slot: "attemptTimeout", describe: "10 s for each attempt" }
  ],
  worstCaseAttempts: 3,
  worstCaseLoad: 3,
  outageLoad: 1.5,
  retriedInside: [],
  worstCaseTime: 30_000,
  exhausted: "fails"
})

export const operation = (name: string, more: Partial<OperationSnapshot> = {}): OperationSnapshot => ({
  name,
  rate: 12.5,
  errorRatio: 0,
  p50Ms: 41.5,
  p95Ms: 88,
  p99Ms: 120,
  attemptsPerCall: 1.01,
  active: 1,
  oldestActiveMs: 30,
  outcomes: { ok: 742, ok_after_retry: 8 },
  ...more
})

export const failure = (at: number, more: Partial<FailureSnapshot> = {}): FailureSnapshot => ({
  at,
  operation: "charge",
  callOutcome: "timeout",
  outcome: "Unknown",
  reason: "no answer within 10 s",
  attempts: 3,
  latencyMs: 30_000,
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  correlationId: "c0ffee00-1234-4321-8765-00000000beef",
  key: "charge:6f1d0c2e9a",
  requestId: "req_8HkQ2v",
  ...more
})

export const integration = (name: string, more: Partial<IntegrationSnapshot> = {}): IntegrationSnapshot => ({
  ...operation(name),
  slow: null,
  breaker: "closed",
  circuits: [],
  queue: null,
  time: { providerMs: 46, queueMs: 0.4, retriesMs: 1.2 },
  heat: heat(begin, { bucket: 2, calls: 40 }),
  operations: [operation("charge"), operation("find", { rate: 3.1 })],
  failures: [],
  plan: [plan("charge"), plan("find")],
  ...more
})

export const idle = (name: string): IntegrationSnapshot =>
  integration(name, {
    rate: 0,
    errorRatio: null,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
    attemptsPerCall: null,
    active: 0,
    oldestActiveMs: null,
    outcomes: {},
    breaker: null,
    time: null,
    heat: [],
    operations: [],
    plan: []
  })

export const slow = (name: string, cause: Cause, reason: string, more: Partial<IntegrationSnapshot> = {}) =>
  integration(name, {
    slow: { cause, reason },
    errorRatio: 0.041,
    p50Ms: 380,
    p95Ms: 4_200,
    p99Ms: 8_900,
    active: 14,
    oldestActiveMs: 9_100,
    heat: heat(begin, { bucket: 3, calls: 40, late: { bucket: 7, since: 16 } }),
    time: { providerMs: 1_610, queueMs: 12, retriesMs: 95 },
    failures: [failure(begin - 2_000), failure(begin - 9_000, { reason: "503 Unavailable", callOutcome: "exhausted" })],
    outcomes: { ok: 701, ok_after_retry: 22, timeout: 20, exhausted: 7 },
    ...more
  })

export const snapshot = (integrations: ReadonlyArray<IntegrationSnapshot>, more: Partial<Snapshot> = {}): Snapshot => {
  const first = integrations.find((one) => one.slow !== null)
  return {
    at: begin,
    since: begin - 3_600_000,
    headline:
      first === undefined || first.slow === null
        ? "No integration is slow right now."
        : `${first.name} is slow right now: ${first.slow.reason}.`,
    slowest: first === undefined || first.slow === null ? null : { integration: first.name, ...first.slow },
    heatBounds,
    integrations,
    ...more
  }
}

/** What the page is allowed to load: itself. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export interface Canned {
  readonly url: string
  readonly port: number
  /** Sends one to every page that is open, and to each that opens later. */
  readonly send: (snapshot: Snapshot) => void
  /** Resolves as soon as this many pages listen. */
  readonly listening: (pages: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Serves the page at `path`, with and without a slash at its end, on a free port or on this one. */
export const serve = async (first: Snapshot, options: { path?: string; port?: number } = {}): Promise<Canned> => {
  const path = options.path ?? "/integrations"
  const streams = new Set<ServerResponse>()
  let waiting: Array<{ readonly pages: number; readonly resolve: () => void }> = []
  const counted = () => {
    for (const { pages, resolve } of waiting) if (pages === streams.size) resolve()
    waiting = waiting.filter(({ pages }) => pages !== streams.size)
  }
  let last = first
  const event = () => `data: ${JSON.stringify(last)}\n\n`
  const server = createServer((request, response) => {
    const answer = (type: string, body: string) => {
      response.writeHead(200, { "content-type": type, "content-security-policy": policy, "cache-control": "no-store" })
      response.end(body)
    }
    switch (request.url) {
      case path:
      case `${path}/`:
        return answer("text/html; charset=utf-8", page.html.replaceAll("{{base}}", path))
      case `${path}/style.css`:
        return answer("text/css; charset=utf-8", page.css)
      case `${path}/app.js`:
        return answer("text/javascript; charset=utf-8", page.js)
      case `${path}/snapshot.json`:
        return answer("application/json", JSON.stringify(last))
      case `${path}/events`: {
        response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
        response.write(event())
        streams.add(response)
        counted()
        response.on("close", () => {
          streams.delete(response)
          counted()
        })
        return
      }
      default:
        response.writeHead(404)
        return response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${path}`,
    port,
    send: (next) => {
      last = next
      for (const stream of streams) stream.write(event())
    },
    listening: (pages) =>
      new Promise((resolve) => {
        waiting.push({ pages, resolve })
        counted()
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
