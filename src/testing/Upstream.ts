/**
 * A whole fake provider, made from an `HttpApi`: typed handlers where the test cares, generated answers where it does
 * not, a memory for keys, a plan of faults, and a ledger of what it carried out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as Layer from "effect/Layer"
import type { Endpoint, Groups } from "../http/HttpOperation.ts"
import { type Double, doubleOf } from "./FaultInjection.ts"
import type { Faults } from "./FaultPlan.ts"
import type { WireRequest } from "./internal/model.ts"
import { Provider, type Respond } from "./internal/provider.ts"
import { type Exchange, generate, matcher, replyOf, type Route, routesOf, serve } from "./internal/serve.ts"
import * as KeyWindow from "./KeyWindow.ts"

/**
 * The operations of an API, as `group.endpoint`.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Operations<G extends Groups> = {
  [Name in keyof G & string]: `${Name}.${keyof G[Name]["endpoints"] & string}`
}[keyof G & string]

/**
 * What a handler knows beside the decoded request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Received<S> {
  /** The provider's state: its own for every test. */
  readonly state: S
  /** The request as it stood on the wire: key, headers, number of its arrival. */
  readonly wire: WireRequest
  /**
   * Says whether the state was changed, where it is not as it seems: `false` for a POST that only reads, `true` for an
   * error after the fact. A handler that fails has changed nothing unless it says so, whatever the status of its error.
   */
  readonly changed: (changed: boolean) => Effect.Effect<void>
}

/**
 * Answers one endpoint: with its success, with an error that it declares, or with any response at all.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<T extends HttpApiEndpoint.Constraint, S> = (
  request: Parameters<HttpApiEndpoint.Handler<T, HttpApiEndpoint.MiddlewareError<T>, never>>[0],
  received: Received<S>
) => ReturnType<HttpApiEndpoint.Handler<T, HttpApiEndpoint.MiddlewareError<T>, never>>

/**
 * Handlers by group and endpoint. What is left out is generated.
 *
 * @category models
 * @since 0.1.0
 */
export type Handlers<G extends Groups, S> = {
  readonly [Name in keyof G]?: {
    readonly [E in keyof G[Name]["endpoints"]]?: Handler<Endpoint<G, Name, E>, S>
  }
}

type Endpoints<G extends Groups> = { [Name in keyof G]: G[Name]["endpoints"][keyof G[Name]["endpoints"]] }[keyof G]
type MiddlewareOf<G extends Groups> = HttpApiEndpoint.Middleware<Endpoints<G>>

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<G extends Groups, S> = {
  readonly handlers?: Handlers<G, S> | undefined
  /** Makes the provider's state. Called once per provider, and again by `reset`. */
  readonly state?: (() => S) | undefined
  /**
   * Looks at every request before its key and its handler: credentials, rate limits. What it answers is never stored
   * under the key; `undefined` lets the request pass.
   */
  readonly guard?:
    ((received: Received<S>) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined>) | undefined
  /**
   * Headers of every answer, such as the id of the request or what is left of a limit. A replayed answer has those of the
   * request that asked for it. What a handler sets itself goes before.
   */
  readonly headers?: ((received: Received<S>) => Readonly<Record<string, string>>) | undefined
  /** The provider's rules for keys. Default: as breakwater's own receiver, for ever, in the header `idempotency-key`. */
  readonly keys?: KeyWindow.KeyWindow | undefined
  readonly faults?: Faults | undefined
  /** From what generated answers are drawn. Default: 1. It is printed when an assertion fails. */
  readonly seed?: number | string | undefined
  /** The path of the provider's base URL, such as `/api/v3`. Default: none. */
  readonly basePath?: `/${string}` | undefined
} & ([MiddlewareOf<G>] extends [never]
  ? { readonly middleware?: undefined }
  : {
      /** The server side of the API's middleware. */
      readonly middleware: Layer.Layer<MiddlewareOf<G>>
    })

/**
 * A fake provider. Every layer that is built of it reaches the same state.
 *
 * @category models
 * @since 0.1.0
 */
export interface Upstream<Operation extends string, S> extends Double<Operation> {
  readonly state: S
}

/**
 * Makes a fake provider.
 *
 * **When to use**
 *
 * Use to test the real policies of an integration against a provider with rules, state and a memory for keys. For answers
 * alone, `layerMock` of the integration is less work.
 *
 * **Details**
 *
 * Effect's own server routes, decodes and encodes, so that what crosses the wire is what the contract says. An endpoint
 * without a handler answers with a value that is drawn from its success schema: the same seed and the same read give the
 * same answer. A handler that takes its time goes on when its caller leaves. The ledger holds what was changed: an answer
 * of 2xx to anything but a safe method, unless the handler says otherwise.
 *
 * Endpoints may share a method and a path, as GraphQL operations and RPC methods do, though a server of Effect's would
 * refuse them: a request is for the first, in the order of the contract, whose headers, query and payload accept it.
 *
 * **Example** (A charge whose answer is lost is done once)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
 * import { HttpOperation } from "breakwater/http"
 * import { FaultInjection, IntegrationTest, Upstream } from "breakwater/testing"
 * import { Data, Effect, Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * class Bank extends HttpApi.make("bank").add(
 *   HttpApiGroup.make("charges").add(
 *     HttpApiEndpoint.post("create", "/charges", {
 *       payload: Schema.Struct({ order: Schema.String }),
 *       success: Schema.Struct({ id: Schema.String })
 *     })
 *   )
 * ) {}
 * class PaymentsDown extends Data.TaggedError("PaymentsDown") {}
 * class Payments extends Integration.Service<Payments>()(
 *   "shop/Payments",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new PaymentsDown() },
 *   {
 *     charge: HttpOperation.endpoint(Bank, "charges", "create", {
 *       idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
 *         lifetime: "24 hours"
 *       })
 *     })
 *   }
 * ) {}
 *
 * const bank = Upstream.make(Bank, {
 *   faults: [FaultInjection.responseLost],
 *   handlers: { charges: { create: ({ payload }) => Effect.succeed({ id: `ch_${payload.order}` }) } }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const payments = yield* Payments
 *   return yield* payments.charge({ payload: { order: "42" } })
 * })
 *
 * await Effect.runPromise(Effect.provide(program, IntegrationTest.layer(Payments, bank))) // => { id: "ch_42" }
 * bank.requests.length // => 2
 * bank.ledger.length // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <G extends Groups, S = undefined>(
  api: HttpApi.Constraint & { readonly groups: G },
  ...args: [MiddlewareOf<G>] extends [never] ? [options?: Options<G, S>] : [options: Options<G, S>]
): Upstream<Operations<G>, S> => {
  const options = (args[0] ?? {}) as AnyOptions<S>
  // Any API is `HttpApi.Top` to whoever reflects it; a constraint can't be shown to be one.
  const top = api as unknown as HttpApi.Top
  const routes = routesOf(top)
  const basePath = (options.basePath ?? "").replace(/\/$/, "")
  const seed = options.seed ?? 1
  const operationOf = matcher(routes, basePath)
  let state = options.state?.() as S

  const received = (wire: WireRequest, exchange?: Exchange): Received<S> => ({
    state,
    wire,
    changed: (changed) =>
      Effect.sync(() => {
        if (exchange !== undefined) exchange.changed = changed
      })
  })
  const handlerOf = (route: Route) => {
    const own = options.handlers?.[route.group]?.[route.endpoint.identifier]
    return (request: unknown, exchange: Exchange) =>
      own === undefined
        ? generate(route, `${seed}|${route.operation}|${exchange.arrived.url}|${exchange.arrived.text}`)
        : own(request, received(exchange.arrived, exchange))
  }

  const provider = new Provider({
    faults: options.faults,
    keys: options.keys ?? KeyWindow.make(),
    operationOf: (request) => operationOf(request) ?? `${request.method} ${new URL(request.url).pathname}`,
    seed
  })
  const { guard, headers } = options
  const respond = Effect.map(
    serve(top, routes, handlerOf, {
      basePath,
      middleware: options.middleware ?? (Layer.empty as Layer.Layer<unknown>)
    }),
    (handle): Respond => ({
      handle,
      guard:
        guard === undefined
          ? undefined
          : (wire) =>
              Effect.flatMap(guard(received(wire)), (response) =>
                response === undefined ? Effect.undefined : replyOf(response)
              ),
      headers: headers === undefined ? undefined : (wire) => headers(received(wire))
    })
  )
  return Object.defineProperty(
    doubleOf(
      provider,
      respond,
      `https://${top.identifier.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.test${basePath}`,
      () => {
        state = options.state?.() as S
      }
    ),
    "state",
    { enumerable: true, get: () => state }
  ) as never
}

/**
 * The class of a fake provider as a service: each layer build has a fresh state.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, Operation extends string, S> extends Context.ServiceClass<
  Self,
  Id,
  Upstream<Operation, S>
> {
  /** A provider of its own for every build: for every test, where the test provides the layer. */
  readonly layer: Layer.Layer<Self>
  /** The client that reaches it. */
  readonly client: Layer.Layer<HttpClient.HttpClient, never, Self>
}

/**
 * Defines a fake provider as a service, so that a layer is a constant and every test has its own state.
 *
 * **Example** (One definition, two tests)
 *
 * ```ts
 * import { Upstream } from "breakwater/testing"
 * import { Effect, Schema } from "effect"
 * import { HttpClient } from "effect/http"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * const Api = HttpApi.make("bank").add(
 *   HttpApiGroup.make("counter").add(HttpApiEndpoint.post("next", "/next", { success: Schema.Int }))
 * )
 * class Bank extends Upstream.Service<Bank>()("test/Bank", Api, {
 *   state: () => ({ count: 0 }),
 *   handlers: { counter: { next: (_, { state }) => Effect.succeed(++state.count) } }
 * }) {}
 *
 * const test = Effect.gen(function* () {
 *   const response = yield* HttpClient.post("https://bank.example/next")
 *   return [yield* response.json, (yield* Bank).state.count]
 * }).pipe(Effect.provide(Bank.client))
 *
 * await Effect.runPromise(Effect.provide(test, Bank.layer)) // => [1, 1]
 * await Effect.runPromise(Effect.provide(test, Bank.layer)) // => [1, 1]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, G extends Groups, S = undefined>(
    id: Id,
    api: HttpApi.Constraint & { readonly groups: G },
    ...args: [MiddlewareOf<G>] extends [never] ? [options?: Options<G, S>] : [options: Options<G, S>]
  ): ServiceClass<Self, Id, Operations<G>, S> => {
    const tag = Context.Service<Self, Upstream<Operations<G>, S>>()(id)
    return Object.assign(tag, {
      layer: Layer.sync(tag, () => make<G, S>(api, ...args)),
      client: Layer.unwrap(Effect.map(Effect.service(tag), (upstream) => upstream.layer))
    }) as never
  }

interface AnyOptions<S> {
  readonly handlers?: {
    readonly [group: string]: {
      readonly [endpoint: string]:
        ((request: unknown, received: Received<S>) => Effect.Effect<unknown, unknown>) | undefined
    }
  }
  readonly state?: () => S
  readonly guard?: (received: Received<S>) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined>
  readonly headers?: (received: Received<S>) => Readonly<Record<string, string>>
  readonly keys?: KeyWindow.KeyWindow
  readonly faults?: Faults
  readonly seed?: number | string
  readonly basePath?: string
  readonly middleware?: Layer.Layer<unknown>
}
