/** One run of the three hostile servers: arrivals are counted, and each fault is acted out on the socket. */
import { Cause, Effect, Exit, type Fiber } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type Fault, faultFor, type FaultKind, type FaultPlan, type Operation } from "../faults.ts"
import type { Audit, ProviderUrls } from "./protocol.ts"
import { type Answer, problem, type ProviderRequest, ProviderState } from "./state.ts"

type Parse = (request: IncomingMessage, text: string) => ProviderRequest | undefined

export class HostileRun {
  #plan: FaultPlan
  readonly #state = new ProviderState()
  readonly #servers: Array<Server> = []
  readonly #arrivals = new Map<string, number>()
  readonly #arrived: Record<Operation, number> = { reserve: 0, charge: 0, receipt: 0 }
  readonly #faults: Partial<Record<FaultKind, number>> = {}
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #executions = new Set<Fiber.Fiber<void>>()
  #pending = 0
  #idle: Array<() => void> = []

  constructor(plan: FaultPlan) {
    this.#plan = plan
  }

  async start(): Promise<ProviderUrls> {
    const [inventory, cards, mail] = await Promise.all([
      this.#listen((request, text) => parsePut(request, text)),
      this.#listen((request, text) => parsePost(request, text, "/charges", "charge")),
      this.#listen((request, text) => parsePost(request, text, "/receipts", "receipt"))
    ])
    return { inventory, cards, mail }
  }

  /** Faults come by this plan from now on; answers that are under way keep theirs. */
  change(plan: FaultPlan): void {
    this.#plan = plan
  }

  audit(): Audit {
    return { ledger: this.#state.ledger, arrivals: this.#arrived, faults: this.#faults, pending: this.#pending }
  }

  /**
   * Resolves when no execution is pending. A few turns of the event loop come first, so that requests whose bytes were
   * already in our sockets when the client gave up are read and counted.
   */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    for (const execution of this.#executions) execution.interruptUnsafe()
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #listen(parse: Parse): Promise<string> {
    // No timeout of ours may end a connection: whatever a client meets comes from the fault plan.
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("error", () => {})
      response.on("error", () => {})
      request.on("end", () => this.#arrive(parse, request, Buffer.concat(chunks).toString("utf8"), response))
    })
    server.on("clientError", (_error, socket) => socket.destroy())
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(0, "127.0.0.1", resolve)
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  #arrive(parse: Parse, message: IncomingMessage, text: string, response: ServerResponse): void {
    const request = parse(message, text)
    if (request === undefined) return send(response, problem(404, "not-found", "no such endpoint, or not JSON"))
    const pair = `${request.operation}|${request.order}`
    const arrival = (this.#arrivals.get(pair) ?? 0) + 1
    this.#arrivals.set(pair, arrival)
    this.#arrived[request.operation]++
    const fault = faultFor(this.#plan, request.operation, request.order, arrival)
    if (fault === undefined) return this.#execute(request, 0, (answer) => send(response, answer))
    this.#faults[fault.kind] = (this.#faults[fault.kind] ?? 0) + 1
    if (!fault.executes) return this.#deliver(fault, response, undefined)
    if (fault.kind === "stallBeforeHeaders") {
      // The client hears nothing either way; its effect happens later, even if the client has left by then.
      return this.#execute(request, fault.delayMs, () => {})
    }
    if (fault.kind === "duplicate") this.#later(fault.delayMs, () => this.#execute(request, 0, () => {}))
    this.#execute(request, 0, (answer) => this.#deliver(fault, response, answer))
  }

  /** `answer` is what the provider would have said, or `undefined` when the request never reached its handler. */
  #deliver(fault: Fault, response: ServerResponse, answer: Answer | undefined): void {
    const { socket } = response
    switch (fault.kind) {
      case "resetBeforeReading":
        // We did read, to know whose turn it is; nothing that the client can see differs from a reset before that.
        socket?.resetAndDestroy()
        return
      case "responseLost":
        socket?.destroy()
        return
      case "stallBeforeHeaders":
        return
      case "status500":
        return send(response, plain(500, "internal error"))
      case "status502":
        return send(response, plain(502, "bad gateway"))
      case "status503":
        return send(response, plain(503, "service unavailable"))
      case "status504":
        return send(response, plain(504, "gateway timeout"))
      case "status429":
        return send(response, plain(429, "too many requests"))
      case "status429RetryAfter":
        return send(response, { ...plain(429, "too many requests"), headers: { "retry-after": "1" } })
    }
    if (answer === undefined) return
    // A refusal (402, 409, 422 ...) has nothing to lose or to garble: it is delivered as it is.
    if (answer.status >= 300 || fault.kind === "duplicate") return send(response, answer)
    switch (fault.kind) {
      case "latency":
        return this.#timer(fault.delayMs, () => send(response, answer))
      case "wrongShape":
        return send(response, { ...answer, body: { data: { attributes: answer.body }, apiVersion: "2027-01" } })
      case "cutBody":
        return half(response, answer, () => socket?.destroy())
      case "stallInBody":
        return half(response, answer, () => {})
    }
  }

  /** Carries a request out, and counts it as pending until then. */
  #execute(request: ProviderRequest, delayMs: number, answered: (answer: Answer) => void): void {
    const delay = Effect.callback<void>((resume) => this.#timer(delayMs, () => resume(Effect.void)))
    const execution = Effect.map(this.#state.execute(request, delayMs === 0 ? Effect.void : delay), answered)
    this.#pending++
    const fiber = Effect.runFork(execution)
    this.#executions.add(fiber)
    fiber.addObserver((exit) => {
      this.#executions.delete(fiber)
      this.#ended()
      // A bug ends the process, as one in a callback of Node does: the harness says so.
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
        setImmediate(() => {
          throw Cause.squash(exit.cause)
        })
      }
    })
  }

  /** Runs `execution` later, and counts it as pending until then. */
  #later(delayMs: number, execution: () => void): void {
    this.#pending++
    this.#timer(delayMs, () => {
      execution()
      this.#ended()
    })
  }

  #ended(): void {
    this.#pending--
    if (this.#pending > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #timer(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, delayMs)
    this.#timers.add(timer)
  }
}

const plain = (status: number, error: string): Answer => ({ status, body: { error } })

const encode = (answer: Answer) => {
  const body = Buffer.from(JSON.stringify(answer.body))
  return { body, headers: { "content-type": "application/json", ...answer.headers, "content-length": body.length } }
}

const send = (response: ServerResponse, answer: Answer): void => {
  if (response.destroyed) return
  const { body, headers } = encode(answer)
  response.writeHead(answer.status, headers).end(body)
}

const half = (response: ServerResponse, answer: Answer, then: () => void): void => {
  if (response.destroyed) return
  const { body, headers } = encode(answer)
  response.writeHead(answer.status, headers).write(body.subarray(0, body.length >> 1), then)
}

const parsePut: Parse = (request, text) => {
  // An order id has no character that a URL would escape.
  const order = request.method === "PUT" ? /^\/reservations\/([\w-]+)$/.exec(request.url ?? "")?.[1] : undefined
  const payload = parseObject(text)
  return order === undefined || payload === undefined
    ? undefined
    : { operation: "reserve", order, text, payload, key: undefined }
}

const parsePost = (
  request: IncomingMessage,
  text: string,
  path: string,
  operation: Operation
): ProviderRequest | undefined => {
  const payload = request.method === "POST" && request.url === path ? parseObject(text) : undefined
  const order = payload?.["orderId"]
  const key = request.headers["idempotency-key"]
  return payload === undefined || typeof order !== "string"
    ? undefined
    : { operation, order, text, payload, key: Array.isArray(key) ? key[0] : key }
}

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
