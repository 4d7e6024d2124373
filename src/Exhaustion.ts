/**
 * The required decision: what becomes of a call when its policy has done all it could.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { CallFailure } from "./CallFailure.ts"
import type { Outcome } from "./Outcome.ts"

/**
 * A decision as data. `Needs` is what it asks of an operation: `"safe"` operations may fall back after any failure, any
 * operation may fall back while it certainly did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exhaustion<in In, out A, out R, out Needs extends "any" | "safe"> {
  readonly decision: Decision
  readonly "~in": (_: In) => void
  readonly "~a": () => A
  readonly "~r": () => R
  readonly "~n": () => Needs
}

/**
 * The data behind an `Exhaustion`.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision =
  | { readonly _tag: "Fail" }
  | {
      readonly _tag: "Fallback"
      readonly reason: string
      readonly unlessItHappened: boolean
      readonly f: (input: never, failure: never) => Effect.Effect<unknown, never, unknown>
    }

/**
 * A decision of which nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Exhaustion<never, unknown, unknown, "any" | "safe">

/**
 * A failure of a call that certainly did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface DidNotHappen extends CallFailure {
  readonly outcome: Extract<Outcome, "NotSent" | "Refused">
}

const make = <In, A, R, Needs extends "any" | "safe">(decision: Decision): Exhaustion<In, A, R, Needs> =>
  ({ decision }) as Exhaustion<In, A, R, Needs>

/**
 * Fail loudly: the call fails with the application's own error, which says whether it happened.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fail: Exhaustion<unknown, never, never, "any"> = make({ _tag: "Fail" })

/**
 * Answer with something else: a cached price, an empty list, another provider. For operations that are safe.
 *
 * **Details**
 *
 * It runs only for failures that the policy would have retried, never for declared errors, rejections, invalid input or
 * defects. It can't fail, and it has 1 second, past which the call's own failure stands. Telemetry counts it as
 * `fallback`, never as `ok`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallback = <In, A, R = never>(
  reason: string,
  f: (input: In, failure: CallFailure) => Effect.Effect<A, never, R>
): Exhaustion<In, A, R, "safe"> =>
  make({
    _tag: "Fallback",
    reason,
    unlessItHappened: false,
    f: f as (input: never, failure: never) => Effect.Effect<unknown, never, unknown>
  })

/**
 * Answer with something else while the call certainly did not happen, for operations that change something. After
 * `Unknown` or `Applied` the failure stands: another provider would do it a second time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallbackUnlessItHappened = <In, A, R = never>(
  reason: string,
  f: (input: In, failure: DidNotHappen) => Effect.Effect<A, never, R>
): Exhaustion<In, A, R, "any"> =>
  make({
    _tag: "Fallback",
    reason,
    unlessItHappened: true,
    f: f as (input: never, failure: never) => Effect.Effect<unknown, never, unknown>
  })

/**
 * One sentence for plans.
 *
 * @category destructors
 * @since 0.1.0
 */
export const describe = (self: { readonly decision: Decision }): string =>
  self.decision._tag === "Fail"
    ? "fail loudly"
    : `fall back${self.decision.unlessItHappened ? ", unless it may have happened" : ""}: ${self.decision.reason}`
