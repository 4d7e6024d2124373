/**
 * A provider's double on a real TCP socket: for SDKs that bring a client of their own, and for what only a real
 * connection shows.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import type * as HttpIntegration from "../../http/HttpIntegration.ts"
import type * as Integration from "../../Integration.ts"
import type { PolicyError } from "../../PolicyError.ts"
import type { Double } from "../FaultInjection.ts"
import * as IntegrationTest from "../IntegrationTest.ts"
import { ProviderId, RespondId } from "../internal/double.ts"
import type * as Upstream from "../Upstream.ts"
import { act, read } from "./internal/act.ts"
import { openDoor } from "./internal/door.ts"
import type { SocketError } from "./SocketError.ts"

export { type Reason, SocketError } from "./SocketError.ts"

/**
 * Options of `listen`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The port to listen on. Default: 0, any that is free; `Listening.port` says which. */
  readonly port?: number | undefined
}

/**
 * A provider that listens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening<D extends Double<never>> {
  /** The base URL to give to a client: `http://127.0.0.1:49152`, with the double's own path where it has one. */
  readonly url: string
  readonly port: number
  /**
   * Closes the port while an effect runs, so that connections are refused (`ECONNREFUSED`), and opens it again. Open
   * connections are dropped, those of requests on their way included, as when a server is restarted; what the provider
   * carries out goes on. The effect begins when the callers have noticed, or after a second of real time. Where several
   * such effects run at once, the port opens when the last has ended. Dies with a `SocketError` where another process
   * took the port meanwhile.
   */
  readonly refusing: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The same double, reached over the socket by this client: give it to `IntegrationTest.layer`. */
  readonly through: (client: Layer.Layer<HttpClient.HttpClient>) => D
}

/**
 * Puts a double, an `Upstream` or a `FaultInjection`, on a socket of 127.0.0.1 until the scope closes.
 *
 * **When to use**
 *
 * Use for an SDK that brings its own HTTP client, and to see what a client makes of a connection that really breaks. For
 * everything else the double in memory is faster, and needs no real time.
 *
 * **Details**
 *
 * Every fault is met on the wire: a lost answer is a reset, a cut body the end of a connection in the middle of it, a huge
 * body comes as fast as it is read. What memory can do and a socket can't:
 *
 * - `refused` is a reset: the connection stands before the request is known. `Listening.refusing` closes the port.
 * - `resetBeforeReading` resets when the request has been read, so that the double can record it. The caller can't tell.
 * - An answer that has no body (204, 304, to HEAD) arrives whole where its body was to stall or to be cut.
 *
 * A request is carried out to its end when its caller has gone. The end of the scope ends everything at once: requests,
 * connections that are idle, stalled or halfway through a body, and executions. Handlers run with the services, the clock
 * and the references of the effect that called `listen`. One that fails is logged and answered with 500.
 *
 * Time is real on a socket: use `it.live`, with short timeouts in the policy. Under a `TestClock` wait for `awaitRequest`
 * or `awaitFault` before you move the clock.
 *
 * **Example** (An answer that is lost on its way)
 *
 * ```ts
 * import { FaultInjection } from "breakwater/testing"
 * import { SocketServer } from "breakwater/testing/node"
 * import { Effect, Exit } from "effect"
 * import { FetchHttpClient, HttpClient } from "effect/http"
 *
 * const bank = FaultInjection.make({
 *   respond: () => ({ status: 201, body: { id: "ch_1" } }),
 *   faults: [FaultInjection.responseLost]
 * })
 *
 * const program = Effect.gen(function* () {
 *   const { url } = yield* SocketServer.listen(bank)
 *   const lost = yield* Effect.exit(HttpClient.post(`${url}/charges`))
 *   const { status } = yield* HttpClient.post(`${url}/charges`)
 *   return [Exit.isFailure(lost), status, bank.ledger.length]
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))) // => [true, 201, 2]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const listen = <D extends Double<never>>(
  double: D,
  options?: Options
): Effect.Effect<Listening<D>, SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const { [ProviderId]: provider, [RespondId]: building } = double
    const run = yield* FiberSet.makeRuntime<never>()
    const respond = yield* building
    const scope = yield* Effect.scope
    let origin = ""

    const onRequest: Http.RequestListener = (request, response) => {
      read(request, origin, (incoming) => {
        const fiber = run(
          Effect.exit(Effect.map(provider.receive(incoming, respond, scope), (play) => act(response, play))).pipe(
            Effect.flatMap((exit) => (Exit.isSuccess(exit) ? Effect.void : broken(response, exit.cause)))
          )
        )
        // Whoever waits for the answer has left; what is carried out goes on in the scope.
        response.on("close", () => fiber.interruptUnsafe())
      })
    }

    const door = yield* openDoor(options?.port ?? 0, onRequest)
    origin = `http://127.0.0.1:${door.port}`
    provider.arrivals.start(yield* Clock.currentTimeMillis)
    const url = origin + new URL(double.baseUrl).pathname.replace(/\/$/, "")
    return {
      url,
      port: door.port,
      refusing: door.refusing,
      through: (client) =>
        Object.create(double, {
          baseUrl: { value: url, enumerable: true },
          layer: { value: client, enumerable: true }
        }) as D
    }
  })

/**
 * Options of `layer`: those of `IntegrationTest.layer`, the client that sends, and the port.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions<Methods> extends Omit<HttpIntegration.Options<Methods>, "baseUrl">, Options {
  /** The client that the integration has in production: `NodeHttpClient.layerUndici`, `FetchHttpClient.layer`. */
  readonly client: Layer.Layer<HttpClient.HttpClient>
}

/**
 * The real policies of an integration over a provider on a socket: `IntegrationTest.layer`, with a real client and real
 * connections.
 *
 * **Details**
 *
 * `upstream` is an `Upstream`, a `FaultInjection`, or the class of an `Upstream.Service`: then every build of the layer
 * has a provider of its own, which is part of the layer's output. For `Listening.refusing`, or a client that is no
 * `HttpClient`, call `listen` yourself.
 *
 * **Example** (A read that meets a broken body, and succeeds at the second attempt)
 *
 * ```ts
 * import { Exhaustion, Integration, Policy } from "breakwater"
 * import { HttpOperation } from "breakwater/http"
 * import { expectOutcome, FaultInjection, IntegrationTest, Upstream } from "breakwater/testing"
 * import { SocketServer } from "breakwater/testing/node"
 * import { Data, Effect, Schema } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * class Bank extends HttpApi.make("bank").add(
 *   HttpApiGroup.make("rates").add(HttpApiEndpoint.get("euro", "/rates/euro", { success: Schema.Finite }))
 * ) {}
 * class RatesDown extends Data.TaggedError("RatesDown") {}
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new RatesDown() },
 *   { euro: HttpOperation.endpoint(Bank, "rates", "euro") }
 * ) {}
 *
 * const bank = Upstream.make(Bank, {
 *   faults: [FaultInjection.cutBody],
 *   handlers: { rates: { euro: () => Effect.succeed(1.25) } }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const euro = yield* (yield* Rates).euro()
 *   expectOutcome(yield* IntegrationTest.Recording).of("euro", { attempts: ["BodyLost", "Success"] })
 *   return euro
 * })
 *
 * const layer = SocketServer.layer(Rates, bank, { client: FetchHttpClient.layer })
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => 1.25
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  <Self, Id extends string, Methods, R, Up, UpId extends string, Operation extends string, S>(
    self: Integration.ServiceClass<Self, Id, Methods, R>,
    upstream: Upstream.ServiceClass<Up, UpId, Operation, S>,
    options: LayerOptions<Methods>
  ): Layer.Layer<Self | Up | IntegrationTest.Recording, SocketError | PolicyError | Config.ConfigError, Needs<R>>
  <Self, Id extends string, Methods, R, Operation extends string>(
    self: Integration.ServiceClass<Self, Id, Methods, R>,
    upstream: Double<Operation>,
    options: LayerOptions<Methods>
  ): Layer.Layer<Self | IntegrationTest.Recording, SocketError | PolicyError | Config.ConfigError, Needs<R>>
} = ((
  self: Integration.ServiceClass<unknown, string, unknown, unknown>,
  upstream: Double | (Context.Key<unknown, Double> & { readonly layer: Layer.Layer<unknown> }),
  { client, port, ...options }: LayerOptions<unknown>
) => {
  const integrationOver = (double: Double) =>
    Effect.map(listen(double, { port }), ({ through }) => IntegrationTest.layer(self, through(client), options))
  return Context.isKey(upstream)
    ? Layer.provideMerge(
        Layer.unwrap(Effect.flatMap(Effect.service(upstream as Context.Key<unknown, Double>), integrationOver)),
        upstream.layer
      )
    : Layer.unwrap(integrationOver(upstream))
}) as never

type Needs<R> = Exclude<R, HttpClient.HttpClient | HttpIntegration.HttpTarget>

/** A double that fails is a defect of the test: it is logged, and the caller gets no silence. */
const broken = (response: Http.ServerResponse, cause: Cause.Cause<never>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.sync(() => response.destroy())
  return Effect.andThen(
    Effect.logError("a double on a socket failed, and answers 500", cause),
    Effect.sync(() => {
      if (response.headersSent) response.destroy()
      else {
        response.writeHead(500, { "content-type": "text/plain" })
        response.end(`the double failed: ${Cause.prettyErrors(cause)[0]?.message ?? "unknown"}`)
      }
    })
  )
}
