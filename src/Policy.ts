/**
 * Policies: the composable layers of a call, as values.
 *
 * An operation needs three decisions from its policy: the attempt timeout, the total deadline, and whether it is retried.
 * `standard` makes all three. Stateful layers (breaker, bulkhead) belong into an integration's `shared` options.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AttemptStep, CallStep, Mode, Site } from "./Call.ts"
import type { CallFailure } from "./CallFailure.ts"
import {
  type Any,
  attemptLayer,
  callLayer,
  fromLayers,
  type Policy,
  type Provides,
  type Says,
  TypeId
} from "./internal/policy.ts"
import type { PolicyError } from "./PolicyError.ts"
import { budget as makeBudget } from "./PolicyBudget.ts"
import { breaker as makeBreaker } from "./PolicyBreaker.ts"
import { bulkhead as makeBulkhead } from "./PolicyBulkhead.ts"
import { rateLimit as makeRateLimit, type RateLimitOptions } from "./PolicyRateLimit.ts"
import { backoff, retry } from "./PolicyRetry.ts"
import { attemptTimeout, totalDeadline } from "./PolicyTimeout.ts"
import * as Predicate from "effect/Predicate"

export type { Key } from "./internal/keyed.ts"
export type { Any, Complete, Layer, Policy, Provides, Says } from "./internal/policy.ts"
export type { AttemptStep, Call, CallStep, Decided, Limits, Mode, PolicyDecision, Site } from "./Call.ts"
export { PolicyError } from "./PolicyError.ts"
export { breaker, type BreakerOptions, type BreakerRate, type BreakerSlow, type BreakerState } from "./PolicyBreaker.ts"
export {
  budget,
  type BudgetAcross,
  type BudgetOptions,
  budgetRatio,
  type BudgetRatioOptions,
  layerBudget,
  type PerTime
} from "./PolicyBudget.ts"
export { bulkhead, type BulkheadOptions } from "./PolicyBulkhead.ts"
export {
  type AnswersOf,
  coalesce,
  type CoalesceOptions,
  type NeedsPrincipal,
  type Principal
} from "./PolicyCoalesce.ts"
export { decode } from "./PolicyDecode.ts"
export { hedge, type HedgeOptions, type HedgePercentile } from "./PolicyHedge.ts"
export { rateLimit, type RateLimitOptions } from "./PolicyRateLimit.ts"
export { backoff, retry, type Retry, retryNever } from "./PolicyRetry.ts"
export { span } from "./PolicySpan.ts"
export { staleIfError, type StaleOptions, withStaleAge } from "./PolicyStale.ts"
export { type Alone, attemptTimeout, totalDeadline } from "./PolicyTimeout.ts"
export { translate } from "./PolicyTranslate.ts"

/**
 * Returns whether a value is a `Policy`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPolicy = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

type ProvidesOf<T> = T extends Policy<infer P, infer _N> ? P : never
type NeedsOf<T> = T extends Policy<never, infer N> ? N : never

/** Whether a stack sends once: the last decision about retries is the one that stands. */
type OnceOf<T> = T extends readonly [...infer Outer, infer Last]
  ? "retry" extends ProvidesOf<Last>
    ? Extract<ProvidesOf<Last>, "once">
    : OnceOf<Outer>
  : never

/**
 * Puts layers together, outermost first.
 *
 * **Details**
 *
 * Built-in layers have their place in the one order that DESIGN gives; the order of arguments decides between layers of
 * the same place: the last one replaces earlier ones, so `stack(standard(), attemptTimeout("2 seconds"))` shortens the
 * standard's. Custom layers of `make` add up, outermost first.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stack = <const T extends readonly [Any, ...Array<Any>]>(
  ...outermostFirst: T
): Policy<Exclude<ProvidesOf<T[number]>, "once"> | OnceOf<T>, NeedsOf<T[number]>> =>
  fromLayers(outermostFirst.flatMap((policy) => policy.layers)) as never

/**
 * How the layers of a policy act: `enforce` (the default), `observe` or `off`.
 *
 * **When to use**
 *
 * Use `observe` before a new limit goes live: telemetry tells what it would have done (`breakwater.policy.decisions`, the
 * span's events, `CallObserved.decisions`), and no call is changed. A control changes it while the integration runs.
 *
 * **Details**
 *
 * A limit in `observe` or `off` bounds nothing: the total deadline included, but for the caller's own (`Deadline.within`).
 * A layer of `make` says with `observes` that it reads `site.mode`; else `observe` is a `PolicyError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withMode: {
  (mode: Mode): <P extends Says, N extends "any" | "safe">(self: Policy<P, N>) => Policy<P, N>
  <P extends Says, N extends "any" | "safe">(self: Policy<P, N>, mode: Mode): Policy<P, N>
} = dual(
  2,
  <P extends Says, N extends "any" | "safe">(self: Policy<P, N>, mode: Mode): Policy<P, N> =>
    fromLayers(self.layers.map((layer) => ({ ...layer, mode }))) as Policy<P, N>
)

/**
 * A policy that does nothing and decides nothing.
 *
 * @category layers
 * @since 0.1.0
 */
export const noop: Policy<never, "any"> = /* @__PURE__ */ fromLayers([]) as Policy<never, "any">

/**
 * A layer of your own.
 *
 * **Details**
 *
 * With slot `"attempt"` it wraps every attempt, inside the bulkhead and around the attempt's span, and sees a `Reason`;
 * with slot `"call"` it wraps all attempts, outside retry and inside the total deadline, and sees a `CallFailure`.
 * `build` runs once per operation when the integration's layer is built; state belongs into `site.shared`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options:
    | {
        readonly slot: "attempt"
        readonly name: string
        readonly describe?: string | undefined
        readonly observes?: boolean | undefined
        readonly build: (site: Site) => Effect.Effect<(step: AttemptStep) => AttemptStep, PolicyError, Scope.Scope>
      }
    | {
        readonly slot: "call"
        readonly name: string
        readonly describe?: string | undefined
        readonly observes?: boolean | undefined
        readonly build: (site: Site) => Effect.Effect<(step: CallStep) => CallStep, PolicyError, Scope.Scope>
      }
): Policy<never, "any"> =>
  fromLayers([
    (options.slot === "call" ? callLayer : attemptLayer)({
      slot: options.slot,
      name: options.name,
      describe: options.describe ?? options.name,
      observes: options.observes ?? false,
      build: options.build as never
    })
  ]) as Policy<never, "any">

/**
 * The three decisions that every operation needs, with defaults: an attempt timeout of 10 seconds, a total deadline of
 * 30 seconds, and up to 3 attempts with full-jitter backoff; and a budget for the retries of all calls, of 500 tokens.
 *
 * **Details**
 *
 * All operations of an integration draw on one budget. One that has other numbers for its own needs another `name`, or
 * the build fails; `budget: false` leaves its retries unbounded.
 *
 * @category layers
 * @since 0.1.0
 */
export const standard = (options?: {
  readonly attemptTimeout?: Duration.Input | undefined
  readonly totalDeadline?: Duration.Input | undefined
  readonly maxAttempts?: number | undefined
  readonly schedule?: Schedule.Schedule<unknown, CallFailure> | undefined
  readonly budget?: Policy<never, "any"> | Parameters<typeof makeBudget>[0] | false | undefined
}): Policy<Provides, "any"> =>
  stack(
    totalDeadline(options?.totalDeadline ?? "30 seconds"),
    options?.budget === false ? noop : isPolicy(options?.budget) ? options.budget : makeBudget(options?.budget),
    retry(options?.schedule ?? backoff(), { maxAttempts: options?.maxAttempts }),
    attemptTimeout(options?.attemptTimeout ?? "10 seconds")
  )

/**
 * The stateful layers of an integration: one breaker, one rate limit and one bulkhead for all its operations, not one each.
 *
 * **Details**
 *
 * They stay when an operation replaces the integration's `policy`. Each layer that builds the integration has its own. A
 * `budget` here takes the place of the one that `standard` has.
 *
 * @category layers
 * @since 0.1.0
 */
export const shared = (options: {
  readonly budget?: Policy<never, "any"> | Parameters<typeof makeBudget>[0] | undefined
  readonly breaker?: Policy<never, "any"> | Parameters<typeof makeBreaker>[0] | undefined
  readonly rateLimit?: Policy<never, "any"> | RateLimitOptions | undefined
  readonly bulkhead?: Policy<never, "any"> | Parameters<typeof makeBulkhead>[0] | undefined
}): Policy<never, "any"> =>
  fromLayers([
    ...(options.budget === undefined
      ? []
      : (isPolicy(options.budget) ? options.budget : makeBudget(options.budget)).layers),
    ...(options.breaker === undefined
      ? []
      : (isPolicy(options.breaker) ? options.breaker : makeBreaker(options.breaker)).layers),
    ...(options.rateLimit === undefined
      ? []
      : (isPolicy(options.rateLimit) ? options.rateLimit : makeRateLimit(options.rateLimit)).layers),
    ...(options.bulkhead === undefined
      ? []
      : (isPolicy(options.bulkhead) ? options.bulkhead : makeBulkhead(options.bulkhead)).layers)
  ]) as Policy<never, "any">
