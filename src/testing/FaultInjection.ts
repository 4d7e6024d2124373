/**
 * A provider that misbehaves on purpose, as an `HttpClient`: what it does to each request is data, what it was asked is
 * recorded as it would be seen on the wire, and what it carried out stands in a ledger.
 *
 * It waits by Effect's `Clock` only, so that a test moves its time with `TestClock`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Faults } from "./FaultPlan.ts"
import type { Tag } from "./Fault.ts"
import { ProviderId, RespondId } from "./internal/double.ts"
import { clientLayer } from "./internal/memory.ts"
import type { AwaitOptions, Change, Reply, WireRequest } from "./internal/model.ts"
import { Provider, type Respond } from "./internal/provider.ts"
import * as KeyWindow from "./KeyWindow.ts"

export {
  all,
  cutBody,
  duplicateDelivery,
  executesLate,
  type Fault,
  hugeBody,
  inProgress409,
  latency,
  refused,
  resetBeforeReading,
  responseLost,
  stallBeforeHeaders,
  stallInBody,
  status,
  type Tag,
  wrongMediaType,
  wrongShape
} from "./Fault.ts"
export { type Arrival, type Faults, firstOf, forSeeds, none, only, script, seeded, times, window } from "./FaultPlan.ts"
export { type EffectFaults, forEffect } from "./EffectFaults.ts"
export { ProviderId, RespondId } from "./internal/double.ts"
export type { AwaitOptions, Change, Reply, WireRequest } from "./internal/model.ts"

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Carries a request out. It is called once per execution: never for a replay, and not where a fault prevents it. An
   * effect may take its time; it goes on when the caller leaves.
   */
  readonly respond: (request: WireRequest) => Reply | Effect.Effect<Reply>
  readonly faults?: Faults | undefined
  /** The name under which arrivals are counted. Default: method and path. */
  readonly operationOf?: ((request: Pick<WireRequest, "method" | "url" | "text">) => string) | undefined
  /** Where the provider reads the key. Goes before `keys`. Default: the header `idempotency-key`. */
  readonly keyOf?: ((request: Pick<WireRequest, "headers" | "text">) => string | undefined) | undefined
  /** The provider's rules for keys. Default: as breakwater's own receiver, for ever. */
  readonly keys?: KeyWindow.KeyWindow | undefined
}

/**
 * What every double of a provider has, `Upstream` included.
 *
 * @category models
 * @since 0.1.0
 */
// Methods, so that a double of known operations is one of any: their names are a help for the writer, no more.
export interface Double<Operation extends string = string> {
  /** The provider behind it, for the clients of this package. */
  readonly [ProviderId]: Provider
  /** How it carries requests out, built once per client or server. */
  readonly [RespondId]: Effect.Effect<Respond, never, Scope.Scope>
  /** The provider in memory. `breakwater/testing/node` puts it on a socket. */
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** Where an `IntegrationTest` says that it is. */
  readonly baseUrl: string
  /** Every request that arrived, as it stood on the wire. */
  readonly requests: ReadonlyArray<WireRequest>
  /** Every state change, in order. */
  readonly ledger: ReadonlyArray<Change>
  /** Replaces the plan of faults. A script begins with the next request, a window of time now. */
  readonly inject: (faults: Faults | undefined) => Effect.Effect<void>
  /** Forgets everything: requests, ledger, keys, arrivals and state. The plan of faults begins anew. */
  readonly reset: Effect.Effect<void>
  /** Waits until a fault of this kind, or any, has struck. So tests need no sleep. */
  awaitFault(tag?: Tag, options?: AwaitOptions<Operation>): Effect.Effect<void>
  /** Waits until a request has arrived. */
  awaitRequest(options?: AwaitOptions<Operation>): Effect.Effect<void>
  /** Waits until a change stands in the ledger. */
  awaitExecuted(options?: AwaitOptions<Operation>): Effect.Effect<void>
}

/**
 * A provider, and what it saw and did. Every layer that is built of it reaches the same provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultInjection extends Double {}

/**
 * Creates a provider.
 *
 * **Details**
 *
 * It keeps a table of idempotency keys, as a good provider does: a repeat gets the stored answer with
 * `Idempotent-Replayed: true`, one that comes while the first is at work gets 409, and a key that comes again with
 * another body gets 422, the last two as the problem documents that breakwater recognises.
 *
 * An execution goes on when its caller has left. The end of the layer's scope ends it. `breakwater/testing/node` puts the
 * same provider on a socket.
 *
 * **Example** (A charge whose answer is lost)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HttpClient } from "effect/http"
 * import { FaultInjection } from "breakwater/testing"
 *
 * const provider = FaultInjection.make({
 *   respond: () => ({ status: 201, body: { id: "ch_1" } }),
 *   faults: [FaultInjection.responseLost]
 * })
 *
 * const program = Effect.exit(HttpClient.post("https://provider.example/charges"))
 *
 * const exit = await Effect.runPromise(Effect.provide(program, provider.layer))
 *
 * exit._tag // => "Failure"
 * provider.ledger.length // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): FaultInjection => {
  const keys = options.keys ?? KeyWindow.make()
  const provider = new Provider({
    faults: options.faults,
    keys: options.keyOf === undefined ? keys : { ...keys, keyOf: options.keyOf },
    operationOf: options.operationOf ?? (({ method, url }) => `${method} ${new URL(url).pathname}`),
    seed: undefined
  })
  const respond: Respond = { handle: options.respond, guard: undefined, headers: undefined }
  return doubleOf(provider, Effect.succeed(respond), "https://provider.test", () => {})
}

/** The part that all doubles share. */
export const doubleOf = (
  provider: Provider,
  respond: Effect.Effect<Respond, never, Scope.Scope>,
  baseUrl: string,
  onReset: () => void
): Double => ({
  [ProviderId]: provider,
  [RespondId]: respond,
  layer: clientLayer(provider, respond),
  baseUrl,
  requests: provider.requests,
  ledger: provider.ledger,
  inject: (faults) => Effect.map(Clock.currentTimeMillis, (now) => provider.arrivals.inject(faults, now)),
  reset: Effect.map(Clock.currentTimeMillis, (now) => {
    provider.reset(now)
    onReset()
  }),
  awaitFault: (tag, awaited) => provider.awaitFault(tag, awaited),
  awaitRequest: (awaited) => provider.awaitRequest(awaited),
  awaitExecuted: (awaited) => provider.awaitExecuted(awaited)
})
