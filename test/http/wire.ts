import { NodeHttpClient } from "@effect/platform-node"
import {
  type Call,
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Policy,
  type Reason
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { UndiciHttpClient } from "breakwater/undici"
import { Context, Data, type Duration, Effect, Exit, Fiber, Layer, Logger, Schema, type Scope } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { TestClock } from "effect/testing"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"

// ---- a provider with the socket in its hand

/** One request as it stood on the wire, its body read to the end, and the socket to do with what a test likes. */
export interface Exchange {
  readonly method: string
  readonly url: string
  readonly headers: Http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: Buffer
  readonly text: string
  /** Number of the connection, from 1. */
  readonly connection: number
  readonly socket: Socket
  readonly response: Http.ServerResponse
  /** Waits until the connection is closed. */
  readonly closed: Effect.Effect<void>
}

export type Script = (exchange: Exchange) => void

export interface Wire {
  readonly url: string
  readonly port: number
  readonly requests: ReadonlyArray<Exchange>
  readonly connections: () => number
  /** How the next arrivals are answered, in order; the last one stays. */
  readonly script: (...scripts: ReadonlyArray<Script>) => void
  /** Waits for the n-th request. */
  readonly arrived: (n?: number) => Effect.Effect<Exchange>
}

/** A server on 127.0.0.1 that answers as it is told. */
export const serve = (...first: ReadonlyArray<Script>): Effect.Effect<Wire, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ server: Http.Server; wire: Wire }>((resume) => {
        let scripts = first.length === 0 ? [json(200, thing)] : first
        const requests: Array<Exchange> = []
        const numbers = new WeakMap<Socket, number>()
        const closings = new WeakMap<Socket, Promise<void>>()
        const waiting: Array<() => void> = []
        let connections = 0
        const server = Http.createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
          const chunks: Array<Buffer> = []
          request.on("error", () => {})
          request.on("data", (chunk: Buffer) => chunks.push(chunk))
          request.on("end", () => {
            const body = Buffer.concat(chunks)
            const exchange: Exchange = {
              method: request.method!,
              url: request.url!,
              headers: request.headers,
              rawHeaders: request.rawHeaders,
              body,
              text: body.toString("utf8"),
              connection: numbers.get(request.socket)!,
              socket: request.socket,
              response,
              closed: Effect.promise(() => closings.get(request.socket)!)
            }
            const script = scripts[Math.min(requests.length, scripts.length - 1)]!
            requests.push(exchange)
            for (const wake of waiting.splice(0)) wake()
            script(exchange)
          })
        })
        server.on("connection", (socket) => {
          numbers.set(socket, ++connections)
          closings.set(
            socket,
            new Promise((resolve) => {
              socket.on("close", () => resolve())
            })
          )
          socket.on("error", () => {})
        })
        server.listen(0, "127.0.0.1", () => {
          const port = (server.address() as AddressInfo).port
          const arrived = (n = 1): Effect.Effect<Exchange> =>
            Effect.suspend(() =>
              requests.length >= n
                ? Effect.succeed(requests[n - 1]!)
                : Effect.flatMap(
                    Effect.promise(() => new Promise<void>((resolve) => waiting.push(resolve))),
                    () => arrived(n)
                  )
            )
          const wire: Wire = {
            url: `http://127.0.0.1:${port}`,
            port,
            requests,
            connections: () => connections,
            script: (...next) => {
              scripts = [...requests.map(() => json(200, thing)), ...next]
            },
            arrived
          }
          resume(Effect.succeed({ server, wire }))
        })
      }),
      ({ server }) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ wire }) => wire
  )

export const answer =
  (status: number, headers: Record<string, string | number> = {}, body: string | Uint8Array = ""): Script =>
  ({ response }) => {
    response.writeHead(status, headers)
    response.end(body)
  }

export const json = (status: number, value: unknown, headers: Record<string, string | number> = {}): Script =>
  answer(status, { "content-type": "application/json", ...headers }, JSON.stringify(value))

/** Writes to the socket, past the HTTP server: what stands here is what goes over the wire. */
export const raw =
  (...lines: ReadonlyArray<string>): Script =>
  ({ socket }) => {
    socket.write(lines.join("\r\n"))
  }

/** A head, then the start of a body, then silence. */
export const stalled = (status: number, ...headers: ReadonlyArray<string>): Script =>
  raw(`HTTP/1.1 ${status} X`, "content-type: application/json", "content-length: 100", ...headers, "", '{"id":')

/** A head, then the start of a body, then the end of the connection. */
export const cut =
  (status: number, ...headers: ReadonlyArray<string>): Script =>
  (exchange) => {
    stalled(status, ...headers)(exchange)
    exchange.socket.end()
  }

/** The same in the middle of a chunk. */
export const cutChunk =
  (status: number): Script =>
  ({ socket }) => {
    socket.end(
      [
        `HTTP/1.1 ${status} X`,
        "content-type: application/json",
        "transfer-encoding: chunked",
        "",
        "64",
        '{"id":"1",'
      ].join("\r\n")
    )
  }

export const reset: Script = ({ socket }) => {
  socket.resetAndDestroy()
}

export const fin: Script = ({ socket }) => {
  socket.end()
}

export const silence: Script = () => {}

/** Endless data, until the other side closes the connection. */
export const flood =
  (head: ReadonlyArray<string>, chunk: string): Script =>
  ({ socket }) => {
    socket.write(head.join("\r\n"))
    const more = () => {
      while (!socket.destroyed && socket.write(chunk)) {}
    }
    socket.on("drain", more)
    more()
  }

/** A port on which nothing listens. */
export const closedPort = Effect.scoped(Effect.map(serve(), ({ port }) => port))

// ---- the ways to it

export const clients: ReadonlyArray<{
  readonly name: string
  readonly client: Layer.Layer<HttpClient.HttpClient>
}> = [
  { name: "undici", client: NodeHttpClient.layerUndici },
  { name: "breakwater/undici", client: UndiciHttpClient.layer() },
  { name: "node:http", client: NodeHttpClient.layerNodeHttp },
  { name: "fetch", client: FetchHttpClient.layer }
]

export const [undici, , nodeHttp, fetch] = clients.map(({ client }) => client) as [
  Layer.Layer<HttpClient.HttpClient>,
  Layer.Layer<HttpClient.HttpClient>,
  Layer.Layer<HttpClient.HttpClient>,
  Layer.Layer<HttpClient.HttpClient>
]

export const quiet = Logger.layer([])

// ---- an integration that shows everything

/** The failure behind a call, as `orElse` got it. */
export class Seen extends Data.TaggedError("Seen")<{ readonly failure: CallFailure.CallFailure }> {}

/** A declared error, translated: the reason behind it is what {@link look} reports. */
export class Told extends Data.TaggedError("Told")<{ readonly error: unknown }> {}

export const seen = (failure: CallFailure.CallFailure) => new Seen({ failure })
export const told = (error: unknown) => new Told({ error })

/** What a caller's attempts came to, and the record of each call. */
interface Watched {
  readonly reasons: Array<Reason.Reason>
  readonly calls: Array<Call.Call>
}
const Watch = Context.Reference<Watched>("test/Watch", { defaultValue: () => ({ reasons: [], calls: [] }) })

const recorder = Policy.make({
  slot: "attempt",
  name: "recorder",
  build: () =>
    Effect.succeed(
      (step) => (call) =>
        Effect.withFiber((fiber) => {
          const { calls, reasons } = fiber.getRef(Watch)
          calls.push(call)
          return Effect.tapError(step(call), (reason) => Effect.sync(() => reasons.push(reason)))
        })
    )
})

/** Runs one call and says what its last attempt came to: the reason of its failure, or what it succeeded with. */
export const look = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  watched: Watched = { reasons: [], calls: [] }
): Effect.Effect<{ readonly reason: Reason.Reason | undefined; readonly exit: Exit.Exit<A, E> }, never, R> =>
  Effect.map(Effect.exit(Effect.provideService(self, Watch, watched)), (exit) => ({
    reason: Exit.isSuccess(exit) ? undefined : watched.reasons.at(-1),
    exit
  }))

/** Waits, on the real event loop, until something holds. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds()
      ? Effect.void
      : Effect.flatMap(
          Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
          () => until(holds)
        )
  )

/**
 * Runs one call under the test's clock and lets the attempt timeout pass once the call stands where it should: sockets
 * are real here, time is not.
 */
export const cutAt = <A, E, R>(phase: Call.Phase, limit: Duration.Input, wire: Wire, self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const watched: Watched = { reasons: [], calls: [] }
    const already = wire.requests.length
    const fiber = yield* Effect.forkChild(look(self, watched))
    yield* until(() => wire.requests.length > already && watched.calls.at(-1)?.phase === phase)
    yield* TestClock.adjust(limit)
    return yield* Fiber.join(fiber)
  })

/** One attempt, so that a test sees what it came to. */
export const once = (limit: `${number} millis` = "5000 millis") =>
  Policy.stack(
    Policy.totalDeadline("10 seconds"),
    Policy.retryNever("one attempt is looked at"),
    Policy.attemptTimeout(limit),
    recorder
  )

/** Up to three attempts without a wait between them. */
export const thrice = (limit: `${number} millis` = "5000 millis") =>
  Policy.stack(
    Policy.totalDeadline("10 seconds"),
    Policy.retry(Policy.backoff({ base: 0, throttledBase: 0 })),
    Policy.attemptTimeout(limit),
    recorder
  )

export const thing = { id: "1", amount: 2 }
export const Thing = Schema.Struct({ id: Schema.String, amount: Schema.Int })
const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int })

export class CardError extends Schema.TaggedError<CardError>()(
  "CardError",
  { code: Schema.String },
  { httpApiStatus: 402 }
) {}
class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { why: Schema.String }, { httpApiStatus: 409 }) {}
class Slower extends Schema.TaggedError<Slower>()("Slower", { why: Schema.String }, { httpApiStatus: 429 }) {}
class Sick extends Schema.TaggedError<Sick>()("Sick", { why: Schema.String }, { httpApiStatus: 503 }) {}

export class ProviderApi extends HttpApi.make("provider").add(
  HttpApiGroup.make("things").add(
    HttpApiEndpoint.get("get", "/things/:id", { params: { id: Schema.String }, success: Thing }),
    HttpApiEndpoint.head("head", "/things/:id", {
      params: { id: Schema.String },
      success: HttpApiSchema.Empty(200)
    }),
    HttpApiEndpoint.post("create", "/things", { payload: Order, success: Thing, error: CardError }),
    HttpApiEndpoint.post("strict", "/strict", {
      payload: Order,
      success: Thing,
      error: [CardError, Conflict, Slower, Sick]
    }),
    HttpApiEndpoint.post("accept", "/accepted", { payload: Order, success: Thing.pipe(HttpApiSchema.status(202)) }),
    HttpApiEndpoint.delete("remove", "/things/:id", {
      params: { id: Schema.String },
      success: HttpApiSchema.NoContent
    }),
    HttpApiEndpoint.put("put", "/things/:id", { params: { id: Schema.String }, payload: Thing, success: Thing }),
    HttpApiEndpoint.post("search", "/search", { payload: Order, success: Schema.Array(Thing) })
  )
) {}

const byOrder = Idempotency.keyed(
  ({ payload }: { readonly payload: { readonly order: string } }) => IdempotencyKey.derive("create", payload.order),
  { lifetime: "24 hours" }
)

export class Provider extends Integration.Service<Provider>()(
  "test/Provider",
  { policy: once(), exhausted: Exhaustion.fail, orElse: seen },
  {
    get: HttpOperation.endpoint(ProviderApi, "things", "get"),
    head: HttpOperation.endpoint(ProviderApi, "things", "head"),
    create: HttpOperation.endpoint(ProviderApi, "things", "create", {
      idempotency: byOrder,
      translate: { CardError: told }
    }),
    strict: HttpOperation.endpoint(ProviderApi, "things", "strict", {
      idempotency: byOrder,
      translate: { CardError: told, Conflict: told, Slower: told, Sick: told }
    }),
    accept: HttpOperation.endpoint(ProviderApi, "things", "accept", { idempotency: byOrder }),
    remove: HttpOperation.endpoint(ProviderApi, "things", "remove"),
    put: HttpOperation.endpoint(ProviderApi, "things", "put"),
    search: HttpOperation.endpoint(ProviderApi, "things", "search", { idempotency: Idempotency.readOnly("a search") })
  }
) {}

export type ProviderOptions = Partial<
  Parameters<typeof HttpIntegration.layer<Provider, "test/Provider", Provider["Service"], never>>[1]
>

/** The integration over one client, as a built service. */
export const connect = (
  client: Layer.Layer<HttpClient.HttpClient>,
  baseUrl: string,
  options: ProviderOptions = {}
): Effect.Effect<Provider["Service"], never, Scope.Scope> =>
  Effect.map(
    Layer.build(Layer.orDie(HttpIntegration.layer(Provider, { baseUrl, ...options }).pipe(Layer.provide(client)))),
    (context) => Context.get(context, Provider)
  )

export const order = { payload: { order: "o-1", amount: 2 } }
