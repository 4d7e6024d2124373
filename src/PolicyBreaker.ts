/**
 * The circuit breaker: after enough failures, calls are turned away until one probe succeeds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Site } from "./Call.ts"
import { BreakerMetrics } from "./internal/breakerMetrics.ts"
import { fusedGuard, guard } from "./internal/breakerGuard.ts"
import type { Rules } from "./internal/circuit.ts"
import { Circuits } from "./internal/circuits.ts"
import { guardStored, type Store, StoredCircuits } from "./internal/circuitStore.ts"
import { type BreakerOptions, rulesOf, tunableOf } from "./internal/breakerRules.ts"
import { format } from "./internal/duration.ts"
import { fusable } from "./internal/fusable.ts"
import { describeKey, keyAt, kindOf } from "./internal/keyed.ts"
import { attemptLayer, fromLayers, type Layer, type Policy } from "./internal/policy.ts"
import { PolicyError } from "./PolicyError.ts"

export type { BreakerState } from "./internal/breaker.ts"
export type { BreakerOptions, BreakerRate, BreakerSlow } from "./internal/breakerRules.ts"

// Effect's own tag by its name: an import would load its Redis, streams and schemas into every program.
const CircuitBreakerStore = Context.Service<Store>("effect/persistence/CircuitBreaker/CircuitBreakerStore")

/**
 * Turns attempts away while the provider is failing.
 *
 * **When to use**
 *
 * Once per integration, among its `shared` layers. It spares a provider that is down, and callers the wait for it.
 *
 * **When not to use**
 *
 * For a provider whose failures have nothing to do with each other, as where each tenant has a server of its own: there,
 * give a `key`. It is no limit of load: use a bulkhead or a rate limit.
 *
 * **Details**
 *
 * The circuit opens after `consecutive` failures in a row (default 5), when `rate` of the last `size` attempts failed
 * (default half of 20), or when a share of them was `slow` (not looked at by default). It stays open for `openFor` (default
 * 1 second), doubling to `maxOpenFor` (5 seconds), each less up to half of it by chance; then one probe decides. It counts
 * attempts, not calls: standing inside retry it opens after 3 attempts of one call where a breaker outside would need 3
 * calls. What counts as a failure is in the outcome table of `Reason`; local rejections never do. The time of an attempt
 * begins when it has its permits.
 *
 * `key` splits it into circuits, by operation, host, or what a function reads from the call; circuits that are idle for an
 * hour are forgotten. Breakers with one `name` are one breaker, for all operations of an integration.
 *
 * With `store: "environment"` circuits are in the `CircuitBreakerStore` of Effect that the integration's layer is given,
 * under `<integration>:<name>:<key>`. A store that fails never changes what a call ends with: attempts go on unrecorded,
 * and a warning says so once a minute.
 *
 * A rejection is `CircuitOpen`: `NotSent`, and with the time after which a probe is let through as its `retryAfter`. In
 * mode `observe` the circuits live as they would, and what would have been turned away goes on unrecorded.
 *
 * **Example** (A breaker that also opens for a slow provider)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * export const shared = Policy.shared({
 *   breaker: Policy.breaker({ consecutive: 10, slow: { after: "3 seconds", rate: 0.8 }, key: "operation" })
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const breaker = (options?: BreakerOptions): Policy<never, "any"> =>
  fromLayers([layer(options ?? {})]) as Policy<never, "any">

const layer = (options: BreakerOptions): Layer => {
  const name = options.name ?? "breaker"
  const { problems, rules } = rulesOf(options)
  const { rate, slow } = rules
  const stored = options.store === "environment"
  const onStoreError = options.onStoreError ?? "allow"
  const kind = kindOf(options.key)
  // Defaults are left out, so that what is written into a PolicyError is what was chosen.
  const settings = {
    ...rules,
    key: kind === "integration" ? undefined : kind,
    store: stored ? options.store : undefined,
    onStoreError: stored && onStoreError !== "allow" ? onStoreError : undefined
  }
  return attemptLayer({
    slot: "circuitBreaker",
    name,
    describe: `opens at ${rules.consecutive} failures in a row${
      rate === undefined ? "" : ` or ${rate.threshold * 100} % of ${rate.size}`
    }${
      slow === undefined ? "" : ` or ${slow.rate * 100} % of ${slow.size} slower than ${format(slow.after)}`
    }, for ${format(rules.openFor)} to ${format(rules.maxOpenFor)}${describeKey(options.key)}${
      stored ? ", in a store that processes share" : ""
    }`,
    problems,
    tunable: tunableOf(options, rules, layer),
    settings,
    build: (site) =>
      Effect.flatMap(keyAt("the breaker", options.key, site), (keyed) =>
        Effect.flatMap(stateOf(site, name, settings, rules, stored, kind !== "call"), (state) =>
          Effect.sync(() => {
            const circuits = state instanceof StoredCircuits ? state.local : state
            if (typeof keyed === "string") circuits.know(keyed)
            site.clear.push(
              (call, now) =>
                site.mode() !== "enforce" || circuits.isClosed(typeof keyed === "string" ? keyed : keyed(call), now)
            )
            return state instanceof StoredCircuits
              ? guardStored(state, site, keyed, onStoreError)
              : fusable(guard(state, site, keyed), fusedGuard(state, site, keyed))
          })
        )
      )
  })
}

const stateOf = (
  site: Site,
  name: string,
  settings: object,
  rules: Rules,
  stored: boolean,
  byKey: boolean
): Effect.Effect<Circuits | StoredCircuits, PolicyError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const store = stored ? Context.getOrUndefined(context as Context.Context<never>, CircuitBreakerStore) : undefined
    if (stored && store === undefined) {
      return Effect.fail(
        new PolicyError({
          integration: site.integration,
          operation: site.operation,
          problems: [
            "the breaker's circuits are to be in the environment's store, but there is none: provide " +
              "CircuitBreaker.layerStoreRedis() of effect/persistence, over a Redis, to this layer"
          ]
        })
      )
    }
    return site.shared<Circuits | StoredCircuits>(
      `breaker ${name}`,
      settings,
      Effect.sync(() => {
        const circuits = new Circuits(rules, new BreakerMetrics(site.integration, name, byKey), context as never)
        return store === undefined ? circuits : new StoredCircuits(store, circuits, site.integration, name)
      })
    )
  })
