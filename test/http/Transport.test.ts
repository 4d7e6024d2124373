import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "breakwater"
import { Auth, HttpIntegration } from "breakwater/http"
import { Duration, Effect, Exit, type Layer, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import { NodeHttpClient } from "@effect/platform-node"
import { gzipSync } from "node:zlib"
import {
  answer,
  clients,
  closedPort,
  connect,
  cut,
  cutAt,
  cutChunk,
  fin,
  flood,
  json,
  look,
  once,
  order,
  type Provider,
  type ProviderOptions,
  quiet,
  raw,
  reset,
  type Script,
  type Seen,
  serve,
  silence,
  stalled,
  thing,
  thrice,
  Told
} from "./wire.ts"

type Method = keyof Provider["Service"]
type Client = Layer.Layer<HttpClient.HttpClient>

/** Calls a method of the provider with an input that suits it. */
const call = (provider: Provider["Service"], method: Method): Effect.Effect<unknown, Seen | Told> => {
  switch (method) {
    case "get":
    case "head":
    case "remove":
      return provider[method]({ params: { id: "1" } })
    case "put":
      return provider.put({ params: { id: "1" }, payload: thing })
    case "create":
    case "strict":
    case "accept":
    case "search":
      return provider[method](order)
  }
}

/** One attempt against a server that is told what to do, cut by its timeout where the test says so. */
const attempt = (
  client: Client,
  method: Method,
  script: Script,
  options: ProviderOptions = {},
  cut?: "sent" | "answered"
) =>
  Effect.gen(function* () {
    const wire = yield* serve(script)
    const provider = yield* connect(client, wire.url, options)
    const result = yield* cut === undefined
      ? look(call(provider, method))
      : cutAt(cut, "5 seconds", wire, call(provider, method))
    return { ...result, wire }
  }).pipe(Effect.provide(quiet))

/** What of a reason the outcome table decides. */
const row = (reason: Reason.Reason | undefined) =>
  reason === undefined
    ? "a success"
    : [reason._tag, reason.outcome, reason.transient ? "transient" : "final", reason.health]

interface Row {
  readonly name: string
  readonly method: Method
  readonly script: Script
  readonly expected: readonly [Reason.Tag, string, "transient" | "final", Reason.Health] | "a success"
  readonly options?: ProviderOptions
  /** Where the attempt timeout cuts the attempt. */
  readonly cut?: "sent" | "answered"
  /** Requests that the provider saw, where a client is known to send more than it was asked to. */
  readonly requests?: Readonly<Record<string, number>>
}

const problem = (name: keyof typeof HttpIntegration.problems, status: number): Script =>
  answer(
    status,
    { "content-type": "application/problem+json" },
    JSON.stringify({ type: HttpIntegration.problems[name], title: name, status })
  )

const big = JSON.stringify({ id: "x".repeat(300), amount: 1 })

const table: ReadonlyArray<Row> = [
  // ---- before a status
  {
    name: "reset before the status",
    method: "create",
    script: reset,
    expected: ["Disconnected", "Unknown", "transient", "failure"]
  },
  {
    name: "end of the connection before the status",
    method: "create",
    script: fin,
    expected: ["Disconnected", "Unknown", "transient", "failure"]
  },
  {
    name: "silence until the attempt timeout",
    method: "create",
    script: silence,
    cut: "sent",
    expected: ["Timeout", "Unknown", "transient", "failure"]
  },
  {
    name: "garbage instead of HTTP",
    method: "create",
    script: raw("SSH-2.0-OpenSSH_9.6", "", ""),
    expected: ["Disconnected", "Unknown", "transient", "failure"]
  },
  // ---- a status, then trouble with the body
  {
    name: "200 and a stalled body",
    method: "create",
    script: stalled(200),
    cut: "answered",
    expected: ["BodyLost", "Applied", "transient", "failure"]
  },
  {
    name: "202 and a stalled body",
    method: "accept",
    script: stalled(202),
    cut: "answered",
    expected: ["BodyLost", "Unknown", "transient", "failure"]
  },
  {
    name: "200 and a stalled body, with a classify that reads bodies",
    method: "create",
    script: stalled(200),
    cut: "answered",
    options: { classify: () => undefined },
    expected: ["BodyLost", "Unknown", "transient", "failure"]
  },
  {
    name: "503 and a stalled body",
    method: "create",
    script: stalled(503),
    cut: "answered",
    expected: ["Unavailable", "Unknown", "transient", "failure"]
  },
  {
    name: "429 and a stalled body",
    method: "create",
    script: stalled(429),
    cut: "answered",
    expected: ["Throttled", "Refused", "transient", "probe"]
  },
  {
    name: "200 and a body cut short of its content-length",
    method: "create",
    script: cut(200),
    expected: ["BodyLost", "Applied", "transient", "failure"]
  },
  {
    name: "200 and a body cut in a chunk",
    method: "create",
    script: cutChunk(200),
    expected: ["BodyLost", "Applied", "transient", "failure"]
  },
  {
    name: "202 and a cut body",
    method: "accept",
    script: cut(202),
    expected: ["BodyLost", "Unknown", "transient", "failure"]
  },
  {
    name: "503 and a cut body",
    method: "create",
    script: cut(503),
    expected: ["Unavailable", "Unknown", "transient", "failure"]
  },
  {
    name: "404 and a body cut in a chunk",
    method: "create",
    script: cutChunk(404),
    expected: ["Rejected", "Refused", "final", "success"]
  },
  {
    name: "a declared 402 whose body is cut",
    method: "create",
    script: cut(402),
    expected: ["Rejected", "Refused", "final", "success"]
  },
  // ---- too large
  {
    name: "a content-length over the limit",
    method: "create",
    script: answer(200, { "content-type": "application/json", "content-length": big.length }, big),
    options: { maxBodySize: 100 },
    expected: ["BodyLost", "Applied", "transient", "failure"]
  },
  {
    name: "chunks over the limit",
    method: "create",
    script: answer(200, { "content-type": "application/json" }, big),
    options: { maxBodySize: 100 },
    expected: ["BodyLost", "Applied", "transient", "failure"]
  },
  {
    name: "a body of exactly the limit",
    method: "create",
    script: json(200, thing),
    options: { maxBodySize: JSON.stringify(thing).length },
    expected: "a success"
  },
  {
    name: "a 404 with a body over the limit",
    method: "create",
    script: answer(404, { "content-type": "text/html" }, big),
    options: { maxBodySize: 100 },
    expected: ["Rejected", "Refused", "final", "success"]
  },
  {
    name: "HEAD whose content-length, of a body that never comes, is over the limit",
    method: "head",
    script: answer(200, { "content-length": 6_000_000 }),
    options: { maxBodySize: 100 },
    expected: "a success"
  },
  // ---- 2xx
  { name: "a declared 202", method: "accept", script: json(202, thing), expected: "a success" },
  { name: "a declared 204", method: "remove", script: answer(204), expected: "a success" },
  {
    name: "a 202 of the wrong shape",
    method: "accept",
    script: json(202, { id: 1 }),
    expected: ["InvalidResponse", "Unknown", "final", "success"]
  },
  {
    name: "an undeclared 201",
    method: "create",
    script: json(201, thing),
    expected: ["InvalidResponse", "Applied", "final", "success"]
  },
  {
    name: "an undeclared 202",
    method: "create",
    script: json(202, thing),
    expected: ["InvalidResponse", "Unknown", "final", "success"]
  },
  {
    name: "an undeclared 204",
    method: "create",
    script: answer(204),
    expected: ["InvalidResponse", "Applied", "final", "success"]
  },
  {
    name: "200 of the wrong shape",
    method: "create",
    script: json(200, { id: "1", amount: "2" }),
    expected: ["InvalidResponse", "Applied", "final", "success"]
  },
  {
    name: "200 with JSON that ends too early",
    method: "create",
    script: answer(200, { "content-type": "application/json" }, '{"id":"1","am'),
    expected: ["InvalidResponse", "Applied", "final", "success"]
  },
  {
    name: "200 with an empty body",
    method: "create",
    script: answer(200, { "content-type": "application/json", "content-length": 0 }),
    expected: ["InvalidResponse", "Applied", "final", "success"]
  },
  {
    name: "200 with HTML",
    method: "create",
    script: answer(200, { "content-type": "text/html; charset=utf-8" }, "<html>Welcome to Airport Wi-Fi</html>"),
    expected: ["InvalidResponse", "Unknown", "final", "failure"]
  },
  {
    name: "200 with plain text",
    method: "create",
    script: answer(200, { "content-type": "text/plain" }, "OK"),
    expected: ["InvalidResponse", "Unknown", "final", "failure"]
  },
  {
    name: "200 with XML",
    method: "create",
    script: answer(200, { "content-type": "application/xml" }, "<thing/>"),
    expected: ["InvalidResponse", "Unknown", "final", "failure"]
  },
  {
    name: "200 of the wrong shape, with a classify that reads bodies",
    method: "create",
    script: json(200, { ok: false }),
    options: { classify: () => undefined },
    expected: ["InvalidResponse", "Unknown", "final", "success"]
  },
  // ---- declared errors
  {
    name: "a declared 402",
    method: "strict",
    script: json(402, { _tag: "CardError", code: "expired" }),
    expected: ["Declared", "Refused", "final", "success"]
  },
  {
    name: "a declared 409",
    method: "strict",
    script: json(409, { _tag: "Conflict", why: "taken" }),
    expected: ["Declared", "Unknown", "final", "success"]
  },
  {
    name: "a declared 429",
    method: "strict",
    script: json(429, { _tag: "Slower", why: "busy" }),
    expected: ["Declared", "Refused", "transient", "probe"]
  },
  {
    name: "a declared 503",
    method: "strict",
    script: json(503, { _tag: "Sick", why: "ill" }),
    expected: ["Declared", "Unknown", "transient", "failure"]
  },
  {
    name: "a declared 402 whose body is not as declared",
    method: "strict",
    script: json(402, { error: "?" }),
    expected: ["Rejected", "Refused", "final", "success"]
  },
  {
    name: "a declared 503 with HTML",
    method: "strict",
    script: answer(503, { "content-type": "text/html" }, "<h1>Bad day</h1>"),
    expected: ["Unavailable", "Unknown", "transient", "failure"]
  },
  // ---- undeclared errors
  ...[400, 401, 403, 404, 410, 422].map((status): Row => ({
    name: `an undeclared ${status}`,
    method: "create",
    script: json(status, {}),
    expected: ["Rejected", "Refused", "final", "success"]
  })),
  {
    name: "an undeclared 409",
    method: "create",
    script: json(409, {}),
    expected: ["Rejected", "Unknown", "final", "success"]
  },
  {
    name: "a 408",
    method: "create",
    script: json(408, {}),
    expected: ["Unavailable", "Unknown", "transient", "failure"]
  },
  {
    name: "a 425",
    method: "create",
    script: json(425, {}),
    expected: ["NotProcessed", "Refused", "transient", "probe"]
  },
  {
    // The Fetch standard (HTTP-network-or-cache fetch) repeats a 421 over a new connection, out of our sight.
    name: "a 421",
    method: "create",
    script: json(421, {}),
    expected: ["NotProcessed", "Refused", "transient", "probe"],
    requests: { fetch: 2 }
  },
  {
    name: "an undeclared 429",
    method: "create",
    script: json(429, {}),
    expected: ["Throttled", "Refused", "transient", "probe"]
  },
  ...[500, 502, 503, 504].map((status): Row => ({
    name: `an undeclared ${status}`,
    method: "create",
    script: json(status, {}),
    expected: ["Unavailable", "Unknown", "transient", "failure"]
  })),
  {
    name: "a 501, which no repeat will change",
    method: "create",
    script: json(501, {}),
    expected: ["Rejected", "Unknown", "final", "failure"]
  },
  // ---- problems of breakwater's receiver
  {
    name: "the problem: in flight",
    method: "create",
    script: problem("inProgress", 409),
    expected: ["InProgress", "Unknown", "transient", "success"]
  },
  {
    name: "the problem: key reused",
    method: "create",
    script: problem("keyReused", 422),
    expected: ["KeyConflict", "Unknown", "final", "success"]
  },
  {
    name: "the problem: outcome unknown",
    method: "create",
    script: problem("outcomeUnknown", 409),
    expected: ["OutcomeHeld", "Unknown", "final", "success"]
  },
  {
    name: "the problem: response not stored",
    method: "create",
    script: problem("responseNotStored", 409),
    expected: ["ResponseNotStored", "Applied", "final", "success"]
  },
  {
    name: "the problem: not processed",
    method: "create",
    script: problem("notProcessed", 503),
    expected: ["NotProcessed", "Refused", "transient", "probe"]
  },
  {
    name: "somebody else's problem with 409",
    method: "create",
    script: answer(409, { "content-type": "application/problem+json" }, JSON.stringify({ type: "about:blank" })),
    expected: ["Rejected", "Unknown", "final", "success"]
  },
  {
    name: "breakwater's problem under another media type",
    method: "create",
    script: json(409, { type: HttpIntegration.problems.inProgress }),
    expected: ["Rejected", "Unknown", "final", "success"]
  },
  // ---- replays
  {
    name: "a replayed 503, which never changes",
    method: "create",
    script: json(503, {}, { "idempotent-replayed": "true" }),
    expected: ["Unavailable", "Unknown", "final", "failure"]
  },
  {
    name: "a replay marked by the provider's own header",
    method: "create",
    script: json(500, {}, { "x-replay": "TRUE" }),
    options: { replayHeader: "X-Replay" },
    expected: ["Unavailable", "Unknown", "final", "failure"]
  }
]

describe.each(clients)("an attempt over $name", ({ client, name: over }) => {
  for (const { cut, expected, method, name, options, requests, script } of table) {
    const test = cut === undefined ? it.live : it.effect
    test(name, () =>
      Effect.gen(function* () {
        const { exit, reason, wire } = yield* attempt(client, method, script, options, cut)
        assert.deepStrictEqual<unknown>(row(reason), expected)
        assert.strictEqual(Exit.isSuccess(exit), expected === "a success")
        assert.strictEqual(wire.requests.length, requests?.[over] ?? 1)
      })
    )
  }

  it.live("refused: nothing listens", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const provider = yield* connect(client, `http://127.0.0.1:${port}`)
      const { reason } = yield* look(call(provider, "create"))
      assert.deepStrictEqual(row(reason), ["Unreachable", "NotSent", "transient", "failure"])
      assert.include(reason?.message, "ECONNREFUSED")
    }).pipe(Effect.provide(quiet))
  )

  it.live("a name that does not exist", () =>
    Effect.gen(function* () {
      const provider = yield* connect(client, "http://breakwater.invalid")
      const { reason } = yield* look(call(provider, "create"))
      assert.deepStrictEqual(row(reason), ["Unreachable", "NotSent", "transient", "failure"])
      assert.match(reason!.message, /ENOTFOUND|EAI_AGAIN/)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("closes the connection of an attempt that it cut, before the status and in the body", () =>
    Effect.gen(function* () {
      for (const [script, cut] of [
        [silence, "sent"],
        [stalled(200), "answered"],
        [stalled(503), "answered"]
      ] as const) {
        const { wire } = yield* attempt(client, "get", script, {}, cut)
        yield* (yield* wire.arrived()).closed
      }
    })
  )

  it.live("does so in real time too, and the next call goes over another connection", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(200, thing), stalled(200), json(200, thing))
      const provider = yield* connect(client, wire.url, { policy: { get: once("250 millis") } })
      yield* call(provider, "create")
      const { reason } = yield* look(call(provider, "get"))
      assert.deepStrictEqual(row(reason), ["BodyLost", "Applied", "transient", "failure"])
      yield* (yield* wire.arrived(2)).closed
      yield* call(provider, "create")
      assert.notStrictEqual(wire.requests[2]?.connection, wire.requests[1]?.connection)
    }).pipe(Effect.provide(quiet))
  )

  it.live("closes the connection of a call that its caller gave up", () =>
    Effect.gen(function* () {
      const wire = yield* serve(stalled(200))
      const provider = yield* connect(client, wire.url)
      const gaveUp = yield* Effect.exit(
        Effect.raceFirst(call(provider, "create"), Effect.andThen(wire.arrived(), Effect.succeed("given up")))
      )
      assert.deepStrictEqual(gaveUp, Exit.succeed("given up"))
      yield* (yield* wire.arrived()).closed
    }).pipe(Effect.provide(quiet))
  )

  it.live("reads nothing of a body whose content-length is over the limit", () =>
    Effect.gen(function* () {
      const head = ["HTTP/1.1 200 OK", "content-type: application/json", "content-length: 50000000", "", ""]
      const { reason, wire } = yield* attempt(client, "get", raw(...head), { maxBodySize: 1000 })
      assert.strictEqual(reason?.message, "status 200, but its body was larger than 1000 bytes")
      yield* (yield* wire.arrived()).closed
    })
  )

  it.live("stops reading a chunked body at the limit", () =>
    Effect.gen(function* () {
      const head = ["HTTP/1.1 200 OK", "content-type: application/json", "transfer-encoding: chunked", "", ""]
      const chunk = `400\r\n${"x".repeat(1024)}\r\n`
      const { reason, wire } = yield* attempt(client, "get", flood(head, chunk), { maxBodySize: 10_000 })
      assert.strictEqual(reason?.message, "status 200, but its body was larger than 10000 bytes")
      yield* (yield* wire.arrived()).closed
    })
  )

  it.live("reads 5 MiB and no more, unless told otherwise", () =>
    Effect.gen(function* () {
      const filled = (size: number) => {
        const rest = JSON.stringify({ id: "", amount: 1 }).length
        return JSON.stringify({ id: "x".repeat(size - rest), amount: 1 })
      }
      const limit = 5 * 1024 * 1024
      const type = { "content-type": "application/json" }
      const fits = yield* attempt(client, "get", answer(200, type, filled(limit)))
      assert.strictEqual(row(fits.reason), "a success")
      const over = yield* attempt(client, "get", answer(200, type, filled(limit + 1)))
      assert.strictEqual(over.reason?.message, `status 200, but its body was larger than ${limit} bytes`)
    })
  )

  it.effect("keeps what the head said when the body is lost", () =>
    Effect.gen(function* () {
      const { reason } = yield* attempt(
        client,
        "create",
        stalled(429, "retry-after: 7", "request-id: req_9"),
        {},
        "answered"
      )
      assert.deepStrictEqual(reason?.retryAfter, Duration.seconds(7))
      assert.strictEqual(reason?.requestId, "req_9")
      assert.strictEqual(reason?.status, 429)
    })
  )

  it.live("reads Retry-After in seconds and as a date", () =>
    Effect.gen(function* () {
      const seconds = yield* attempt(client, "create", json(503, {}, { "retry-after": "120" }))
      assert.deepStrictEqual(seconds.reason?.retryAfter, Duration.seconds(120))
      const date = new Date(Date.now() + 3_600_000).toUTCString()
      const dated = yield* attempt(client, "create", json(429, {}, { "retry-after": date }))
      const millis = Duration.toMillis(dated.reason!.retryAfter!)
      assert.isTrue(millis > 3_590_000 && millis <= 3_600_000, String(millis))
      const past = yield* attempt(client, "create", json(429, {}, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }))
      assert.deepStrictEqual(past.reason?.retryAfter, Duration.zero)
      const nonsense = yield* attempt(client, "create", json(429, {}, { "retry-after": "soon" }))
      assert.isUndefined(nonsense.reason?.retryAfter)
      const declared = yield* attempt(
        client,
        "strict",
        json(429, { _tag: "Slower", why: "busy" }, { "retry-after": "3" })
      )
      assert.deepStrictEqual(declared.reason?.retryAfter, Duration.seconds(3))
    })
  )

  it.live("finds the provider's id of the request, in failures of every kind", () =>
    Effect.gen(function* () {
      for (const script of [
        json(500, {}, { "x-request-id": "req_9" }),
        json(404, {}, { "request-id": "req_9", "x-request-id": "other" }),
        json(200, {}, { "x-amzn-requestid": "req_9" }),
        cut(200, "Request-Id: req_9")
      ]) {
        const { reason } = yield* attempt(client, "create", script)
        assert.strictEqual(reason?.requestId, "req_9")
      }
      const own = yield* attempt(client, "create", json(500, {}, { "x-trace": "t" }), { requestIdHeaders: ["X-Trace"] })
      assert.strictEqual(own.reason?.requestId, "t")
    })
  )

  it.live("decodes a body that came compressed, or says why it can't", () =>
    Effect.gen(function* () {
      const body = gzipSync(JSON.stringify(thing))
      const { exit, wire } = yield* attempt(client, "get", (exchange) =>
        // A provider compresses for those who ask for it.
        /gzip/.test(exchange.headers["accept-encoding"] ?? "")
          ? answer(200, { "content-type": "application/json", "content-encoding": "gzip" }, body)(exchange)
          : json(200, thing)(exchange)
      )
      assert.deepStrictEqual(exit, Exit.succeed(thing))
      assert.strictEqual(wire.requests.length, 1)
    })
  )

  it.live("counts the limit in decompressed bytes: a small body may be a bomb", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(JSON.stringify({ id: "x".repeat(1_000_000), amount: 1 }))
      assert.isBelow(bomb.length, 5_000)
      const { reason } = yield* attempt(
        client,
        "get",
        answer(200, { "content-type": "application/json", "content-encoding": "gzip" }, bomb),
        { maxBodySize: 10_000 }
      )
      assert.include(["BodyLost", "InvalidResponse"], reason?._tag)
    })
  )

  it.live("classifies answers whose status does not say it", () =>
    Effect.gen(function* () {
      // Slack and Shopify report errors with 200, GitHub limits with 403, Stripe says itself whether to try again.
      const classify: HttpIntegration.Classify = (status, headers, body) => {
        if (status === 200 && (body as { ok?: boolean }).ok === false) {
          return (body as { error?: string }).error === "ratelimited"
            ? { reason: "Throttled", retryAfter: Duration.seconds(30) }
            : { reason: "Rejected", message: `slack: ${(body as { error?: string }).error}` }
        }
        if (status === 403 && headers["x-ratelimit-remaining"] === "0") return { reason: "Throttled" }
        if (headers["stripe-should-retry"] === "true") return { reason: "NotProcessed" }
        if (headers["stripe-should-retry"] === "false") return { reason: "Rejected", outcome: "Unknown" }
        return undefined
      }
      const seen = (method: Method, script: Script) =>
        Effect.map(attempt(client, method, script, { classify }), ({ reason }) => reason)

      const slack = yield* seen("create", json(200, { ok: false, error: "channel_not_found" }))
      assert.deepStrictEqual(row(slack), ["Rejected", "Refused", "final", "success"])
      assert.strictEqual(slack?.message, "slack: channel_not_found")
      assert.strictEqual(slack?.status, 200)

      const limited = yield* seen("create", json(200, { ok: false, error: "ratelimited" }))
      assert.deepStrictEqual(row(limited), ["Throttled", "Refused", "transient", "probe"])
      assert.deepStrictEqual(limited?.retryAfter, Duration.seconds(30))

      const github = yield* seen("get", json(403, {}, { "x-ratelimit-remaining": "0", "retry-after": "60" }))
      assert.deepStrictEqual(row(github), ["Throttled", "Refused", "transient", "probe"])
      assert.deepStrictEqual(github?.retryAfter, Duration.seconds(60))
      assert.deepStrictEqual(row(yield* seen("get", json(403, {}))), ["Rejected", "Refused", "final", "success"])

      const again = yield* seen("create", json(409, {}, { "stripe-should-retry": "true" }))
      assert.deepStrictEqual(row(again), ["NotProcessed", "Refused", "transient", "probe"])
      const never = yield* seen("create", json(500, {}, { "stripe-should-retry": "false" }))
      assert.deepStrictEqual(row(never), ["Rejected", "Unknown", "final", "success"])

      // A declared error is classified before it is decoded, an ordinary answer passes.
      const declared = yield* seen("strict", json(402, { _tag: "CardError", code: "x" }))
      assert.deepStrictEqual(row(declared), ["Declared", "Refused", "final", "success"])
      assert.isUndefined(yield* seen("create", json(200, thing)))
    })
  )

  it.live("carries the decoded declared error to its case", () =>
    Effect.gen(function* () {
      const { exit, reason } = yield* attempt(client, "strict", json(402, { _tag: "CardError", code: "expired" }))
      assert.isTrue(reason?.resolves)
      const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
      assert.isTrue(error?._tag === "Some" && error.value instanceof Told)
      assert.propertyVal((error as { value: Told }).value.error, "code", "expired")
    })
  )

  describe("redirects", () => {
    const redirected = (method: Method, status: number, options?: ProviderOptions) =>
      Effect.gen(function* () {
        const other = yield* serve()
        const result = yield* attempt(client, method, answer(status, { location: `${other.url}/elsewhere` }), options)
        return { ...result, other }
      })

    for (const [status, outcome] of [
      [301, "Unknown"],
      [302, "Unknown"],
      [303, "Applied"],
      [307, "Refused"],
      [308, "Refused"]
    ] as const) {
      for (const method of ["create", "remove", "put"] as const) {
        it.live(`a mutation (${method}) that is answered ${status} is sent nowhere else`, () =>
          Effect.gen(function* () {
            const { other, reason } = yield* redirected(method, status)
            assert.deepStrictEqual(row(reason), ["Rejected", outcome, "final", "success"])
            assert.strictEqual(reason?.status, status)
            assert.strictEqual(other.requests.length, 0)
          })
        )
      }
    }

    for (const method of ["get", "search"] as const) {
      it.live(`nor is a ${method}, so that no credential gets to another host`, () =>
        Effect.gen(function* () {
          for (const status of [301, 302, 307, 308]) {
            const { other, reason } = yield* redirected(method, status, {
              auth: Auth.apiKey("x-api-key", Redacted.make("s3cret"))
            })
            assert.deepStrictEqual([reason?._tag, reason?.transient, reason?.status], ["Rejected", false, status])
            assert.strictEqual(reason?.message, `status ${status}: a redirect that was not followed, not declared`)
            assert.strictEqual(other.requests.length, 0)
          }
        })
      )
    }
  })
})

describe("connections", () => {
  const [undici, own, , fetch] = clients
  const keepAlive = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })

  it.live.each([undici!, own!, fetch!, { name: "node:http with keepAlive", client: keepAlive }])(
    "are used again after whole answers of every kind, over $name",
    ({ client }) =>
      Effect.gen(function* () {
        const wire = yield* serve(
          json(200, thing),
          answer(402, { "content-type": "text/html" }, "<p>"),
          json(503, {}),
          answer(204),
          json(500, {}),
          answer(302, { location: "/", "content-length": 2 }, "go"),
          json(200, { wrong: true }),
          json(200, thing)
        )
        const provider = yield* connect(client, wire.url)
        for (const method of ["create", "create", "create", "remove", "put", "get", "get"] as const) {
          yield* Effect.exit(call(provider, method))
        }
        for (let i = 0; i < 8; i++) yield* call(provider, "create")
        assert.strictEqual(wire.requests.length, 15)
        // A body ends a moment before its connection is free again: the next request may have opened a second one.
        assert.isAtMost(wire.connections(), 2)
      }).pipe(Effect.provide(quiet))
  )

  it.live("a retry after a reset comes over a new one", () =>
    Effect.gen(function* () {
      const wire = yield* serve(reset, json(503, {}), json(200, thing))
      const provider = yield* connect(undici!.client, wire.url, { policy: { create: thrice() } })
      assert.deepStrictEqual(yield* provider.create(order), thing)
      assert.strictEqual(wire.requests.length, 3)
      assert.strictEqual(new Set(wire.requests.map(({ headers }) => headers["idempotency-key"])).size, 1)
      assert.strictEqual(new Set(wire.requests.map(({ text }) => text)).size, 1)
    }).pipe(Effect.provide(quiet))
  )
})
