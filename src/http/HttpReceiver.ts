/**
 * The receiving side over HTTP: a route or an endpoint that is carried out once per idempotency key.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import type { Running } from "../internal/running.ts"
import type { Mode, StoreOf } from "../Receiver.ts"
import { headersToTell } from "./internal/receiverAnswer.ts"
import { ofEndpoint, ofRoute } from "./internal/receiverErrors.ts"
import { type Guard, make } from "./internal/receiverRun.ts"
import * as Problem from "./ReceiverProblem.ts"

export { problems } from "./Answer.ts"
export * from "./ReceiverProblem.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * What the two forms have in common.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommonOptions<M extends Mode, R> {
  /** How a handler is kept from running twice. There is no default: the two fail in different ways. */
  readonly mode: M
  /**
   * For whom a request is done: the tenant or account. Never the token: tokens are renewed, and the principal stands in
   * log lines. Keys of one principal never meet those of another. `"shared"` says that there is one for all.
   */
  readonly principal: "shared" | Effect.Effect<string, never, R>
  /** Whether a request that changes something and has no key is refused with 400, or just carried out. Default: true. */
  readonly required?: boolean | undefined
  /** The header of the key. Default: `Idempotency-Key`. */
  readonly header?: string | undefined
  /** How long a finished request is remembered: longer than its client goes on repeating it. Default: 24 hours. */
  readonly timeToLive?: Duration.Input | undefined
  /** How long a request waits for another with its key that is at work, before it gets 409. Default: not at all. */
  readonly wait?: Duration.Input | undefined
  /** What `Retry-After` says where it is to be repeated, in whole seconds. Default: 1 second. */
  readonly retryAfter?: Duration.Input | undefined
  /** The largest body of a request that has a key, in bytes; one that is larger gets 413. Default: 1 MiB. */
  readonly maxRequestSize?: number | undefined
  /** The largest body that is stored, in bytes; one that is larger is told once, and then as not stored. Default: 256 KiB. */
  readonly maxStoredSize?: number | undefined
  /** Headers that are replayed beside those that describe the answer. `Set-Cookie` never is. */
  readonly replayHeaders?: ReadonlyArray<string> | undefined
  /**
   * Other answers of 4xx and 5xx after which certainly nothing has happened: they free the key, so that a request that was
   * corrected may come with it again.
   */
  readonly releases?: ((response: { readonly status: number; readonly headers: Headers }) => boolean) | undefined
  /** How long a closing layer waits for what runs for clients that have left. Default: 10 seconds. */
  readonly drain?: Duration.Input | undefined
}

type Headers = Readonly<Record<string, string | undefined>>

/**
 * Options of `middleware`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<M extends Mode, R> extends CommonOptions<M, R> {
  /** The service, as the first part of every record's scope. Renaming it forgets what was done. */
  readonly name: string
}

/**
 * The middleware of `middleware`.
 *
 * @category models
 * @since 0.1.0
 */
export type Middleware<M extends Mode, R> = HttpRouter.Middleware<{
  provides: Running
  handles: never
  error: never
  requires: Exclude<R, HttpRouter.Provided>
  layerError: never
  layerRequires: StoreOf<M>
}>

/**
 * Carries out the routes that it is provided to once per idempotency key.
 *
 * **When to use**
 *
 * Use for routes of `HttpRouter`. For the endpoints of an `HttpApi` use `Service` and `layer`, which also declare the
 * problems in the contract.
 *
 * **Details**
 *
 * The first request with a key is carried out and its answer stored; every later one gets that answer, byte for byte, with
 * `Idempotent-Replayed: true`. While the first is at work, others wait or get 409. The key with another request gets 422.
 * GET, HEAD, OPTIONS, QUERY and TRACE pass through.
 *
 * - *Order.* Whoever may not do it must not get to the records: authorise outside, `Idempotent.combine(Auth)`. With a
 *   principal that authorisation provides, another order does not compile.
 * - *Same request.* Method, route, parameters, query and body, before any schema reads them: JSON as a value, a form of
 *   parts by its parts, anything else byte by byte.
 * - *Stored.* 2xx, 3xx and 4xx. Not 401, 403, 408, 421, 425, 429, nor a request that does not match its schema (a
 *   `SchemaError` that a handler fails with counts as one): they free the key. A 5xx and a defect follow the mode: a
 *   transaction is rolled back; under a lease the next request runs again, or it is held.
 * - *Told again.* Status, body, and the headers that describe them: `Content-Type`, `Content-Language`, `Location`,
 *   `Content-Location`, `ETag`, `Last-Modified`, `Link`. An answer that is streamed or too large is not kept: its repeat is
 *   told so, or is sent to its `Location` with 303.
 * - *A client that leaves* interrupts nothing: handler and record go on in the scope of the layer.
 * - *The store.* One that can't be reached fails the request with 503 before anything runs. One that fails after the
 *   handler does not turn a success into an error: the answer has `Idempotency-Status: unrecorded`.
 * - *Other clients.* A problem says what it is by its status and type. The official `stripe` package looks at neither: it
 *   repeats a 409 and a 503 as often as it may, and then takes them, and a 422 at once, for a success, as any JSON without
 *   a field `error`. For such a client put a middleware outside that says problems in its words.
 * - *Transactions.* With `Receiver.transactional` a 4xx is recorded, and what its handler wrote is rolled back. Handlers
 *   must not call other services; the types can't see that here.
 *
 * A handler may use `Receiver.childKey` and `Receiver.step`. Every request with a key writes one log line with the
 * annotation `idempotency_key`, as its sender does, and counts in `breakwater.receiver.requests`.
 *
 * **Example** (A lost answer, and its repeat)
 *
 * ```ts
 * import { IdempotencyStoreMemory, Receiver } from "breakwater"
 * import { HttpReceiver } from "breakwater/http"
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 *
 * let charges = 0
 * const Idempotent = HttpReceiver.middleware({
 *   name: "shop",
 *   mode: Receiver.leased({ onLostLease: "hold" }),
 *   principal: "shared"
 * })
 *
 * const Charges = HttpRouter.add(
 *   "POST",
 *   "/charges",
 *   Effect.sync(() => HttpServerResponse.jsonUnsafe({ id: `ch_${++charges}` }, { status: 201 }))
 * ).pipe(Layer.provide(Idempotent.layer), Layer.provide(IdempotencyStoreMemory.layer))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Charges, { disableLogger: true })
 * const send = (amount: number) =>
 *   handler(
 *     new Request("http://shop.test/charges", {
 *       method: "POST",
 *       headers: { "idempotency-key": "order-42", "content-type": "application/json" },
 *       body: JSON.stringify({ amount })
 *     })
 *   )
 *
 * await (await send(5)).json() // => { id: "ch_1" }
 * const again = await send(5)
 * await again.json() // => { id: "ch_1" }
 * again.headers.get("idempotent-replayed") // => "true"
 * const other = await send(6)
 * other.status // => 422
 * await dispose()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const middleware = <M extends Mode, R = never>(options: Options<M, R>): Middleware<M, R> =>
  HttpRouter.middleware<{ provides: Running }>()(
    Effect.map(open(options.name, options), (guard) => (handler) => guard(handler, ofRoute) as Guarded<R>)
  )

type Guarded<R> = Effect.Effect<Response, Types.unhandled, R | HttpRouter.Provided>

const open = <M extends Mode, R>(
  name: string,
  options: CommonOptions<M, R>
): Effect.Effect<Guard, never, Scope.Scope | StoreOf<M>> =>
  make({
    name,
    mode: options.mode,
    principal: options.principal,
    required: options.required ?? true,
    header: (options.header ?? "idempotency-key").toLowerCase(),
    wait: Duration.fromInputUnsafe(options.wait ?? 0),
    retryAfter: Duration.fromInputUnsafe(options.retryAfter ?? "1 second"),
    timeToLive: Duration.fromInputUnsafe(options.timeToLive ?? "24 hours"),
    maxRequest: options.maxRequestSize ?? 1024 * 1024,
    rules: {
      maxStored: options.maxStoredSize ?? 256 * 1024,
      headers: headersToTell(options.replayHeaders ?? []),
      releases: options.releases ?? (() => false)
    },
    drain: Duration.fromInputUnsafe(options.drain ?? "10 seconds")
  }) as Effect.Effect<Guard, never, Scope.Scope | StoreOf<M>>

// ---- endpoints

/**
 * The class of a `Service`.
 *
 * @category models
 * @since 0.1.0
 */
export type ServiceClass<Self, Id extends string, Requires> = HttpApiMiddleware.ServiceClass<
  Self,
  Id,
  {
    requires: Requires
    provides: Running
    error: typeof Problem.all
    clientError: never
    requiredForClient: false
    security: never
  }
>

/**
 * The receiver as a part of an `HttpApi` contract: its problems show in OpenAPI, and in the errors of Effect's client.
 *
 * **Details**
 *
 * Say with `requires` which service of a request its principal comes from. Middleware that is added later runs outside:
 * add the authorisation last.
 *
 * OpenAPI does not show the request header of the key by itself: a middleware of Effect declares errors and security, and
 * no headers. Declare it on the endpoint, with `headers: Schema.Struct({ "idempotency-key": Schema.String })`, or with
 * `Schema.optionalKey` where a key is not required. The receiver reads it first, so a request without a key gets the
 * receiver's problem, and not that of the schema.
 *
 * **Example** (A contract whose endpoint is carried out once per key)
 *
 * ```ts
 * import { HttpReceiver } from "breakwater/http"
 * import { Context, Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, OpenApi } from "effect/http-api"
 *
 * class CurrentUser extends Context.Service<CurrentUser, { readonly tenant: string }>()("shop/CurrentUser") {}
 * class Auth extends HttpApiMiddleware.Service<Auth, { provides: CurrentUser }>()("shop/Auth") {}
 * class Idempotent extends HttpReceiver.Service<Idempotent, { requires: CurrentUser }>()("shop/Idempotent") {}
 *
 * const Shop = HttpApi.make("shop").add(
 *   HttpApiGroup.make("charges").add(
 *     HttpApiEndpoint.post("create", "/charges", { payload: Schema.Struct({ amount: Schema.Int }) })
 *       .middleware(Idempotent)
 *       .middleware(Auth)
 *   )
 * )
 *
 * Object.keys(OpenApi.fromApi(Shop).paths["/charges"]!.post!.responses) // => ["204", "400", "409", "413", "422", "503"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self, Config extends { readonly requires?: unknown } = {}>() =>
  <const Id extends string>(
    id: Id
  ): ServiceClass<Self, Id, Config extends { readonly requires: infer R } ? R : never> =>
    HttpApiMiddleware.Service<Self>()(id, { error: Problem.all }) as never

/**
 * Carries out the endpoints of a `Service` once per key: see `middleware` for what that means.
 *
 * **Details**
 *
 * The id of the service is the first part of every record's scope. An error that an endpoint declares is encoded here, so
 * that its bytes can be stored; middleware outside sees an answer. A request that does not match its schema passes on as
 * the failure that it is.
 *
 * **Example** (The server of such a contract)
 *
 * ```ts
 * import { IdempotencyStoreMemory, Receiver } from "breakwater"
 * import { HttpReceiver } from "breakwater/http"
 * import { Context, Effect, Layer } from "effect"
 *
 * class CurrentUser extends Context.Service<CurrentUser, { readonly tenant: string }>()("shop/CurrentUser") {}
 * class Idempotent extends HttpReceiver.Service<Idempotent, { requires: CurrentUser }>()("shop/Idempotent") {}
 *
 * export const IdempotentLive = HttpReceiver.layer(Idempotent, {
 *   mode: Receiver.leased({ onLostLease: "rerun" }),
 *   principal: Effect.map(CurrentUser, (user) => user.tenant)
 * }).pipe(Layer.provide(IdempotencyStoreMemory.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Self, Id extends string, Requires, M extends Mode>(
  service: ServiceClass<Self, Id, Requires>,
  options: CommonOptions<M, Types.NoInfer<Requires> | HttpRouter.Provided>
): Layer.Layer<Self, never, StoreOf<M>> =>
  Layer.effect(
    service as never,
    Effect.map(
      open(service.key, options),
      (guard): HttpApiMiddleware.HttpApiMiddleware<Running, typeof Problem.all, Requires> =>
        (handler, { endpoint, group }) =>
          guard(handler, ofEndpoint(endpoint, group)) as never
    )
  ) as never
