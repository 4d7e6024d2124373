/**
 * The required decision: what becomes of a call when its policy has done all it could.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { CallFailure } from "./CallFailure.ts"
import type { Outcome } from "./Outcome.ts"
import type { OnDead, Parked } from "./OutboxEntry.ts"
import type { OutboxStore } from "./OutboxStore.ts"

/**
 * What a decision asks of an operation: nothing, that it changes nothing, or that it can be stored and sent again later,
 * `"bounded"` if the decision itself says for how long or in which order.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = "any" | "safe" | "storable" | "bounded"

/**
 * A decision as data. `N` is what it asks of an operation: `"safe"` operations may fall back after any failure, any
 * operation may fall back while it certainly did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exhaustion<in In, out A, out R, out N extends Needs> {
  readonly decision: Decision
  readonly "~in": (_: In) => void
  readonly "~a": () => A
  readonly "~r": () => R
  readonly "~n": () => N
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
  | { readonly _tag: "Park"; readonly bounds: Bounds<never> }

/**
 * In which order stored calls are made, and for how long. An operation without a key needs one of the two: sent late, it
 * may overwrite what is newer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bounds<in In> {
  /**
   * The name of a lane. Its calls are made one after the other: one that comes while an earlier one is stored is stored
   * behind it, without a try.
   */
  readonly lane?: ((input: In) => string) | undefined
  /** Whether a dead or unclear call of a lane stops those behind it. Default: `"block"`. */
  readonly onDead?: OnDead | undefined
  /** From when on a stored call is not made any more. */
  readonly expiresAfter?: Duration.Input | undefined
}

/**
 * A decision of which nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Exhaustion<never, unknown, unknown, Needs>

/**
 * A failure of a call that certainly did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface DidNotHappen extends CallFailure {
  readonly outcome: Extract<Outcome, "NotSent" | "Refused">
}

const make = <In, A, R, N extends Needs>(decision: Decision): Exhaustion<In, A, R, N> =>
  ({ decision }) as Exhaustion<In, A, R, N>

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
 * Store the call, so that an `OutboxWorker` makes it later: the call succeeds with `Parked`, which is not its result.
 *
 * **When to use**
 *
 * Use where the caller can go on without the answer, and losing the call in a crash of this process is bearable. Where it
 * must happen, use `Outbox.writeAhead`: that stores it before it is first sent.
 *
 * **Details**
 *
 * Parked is what was turned away here, did not reach the provider, was throttled, timed out, was cut off, or is in flight.
 * Invalid input, declared and rejected answers, key conflicts, held outcomes and answers that do not match their schema
 * fail as they would. A caller that gives up after the first byte was sent parks the call too. The stored call keeps its
 * key and its bytes. Storing has 1 second and is no part of the caller's transaction; if it fails, the call fails with its
 * own failure, whose `parkFailed` says so. Telemetry counts it as `parked`.
 *
 * It does not compile where a repeat is not safe, nor for an operation without a key: use `parkWith` there.
 *
 * **Example** (A mail for which nobody has to wait)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
 * import { Outbox, OutboxStoreMemory } from "breakwater"
 * import { Data, Effect, Layer, Schema } from "effect"
 *
 * class MailDown extends Data.TaggedError("MailDown") {}
 * class Mail extends Integration.Service<Mail>()(
 *   "shop/Mail",
 *   { policy: Policy.standard(), exhausted: Exhaustion.park, orElse: () => new MailDown() },
 *   {
 *     welcome: Operation.mutation("welcome", {
 *       input: Schema.String,
 *       success: Schema.Struct({ id: Schema.String }),
 *       idempotency: Idempotency.keyed((to: string) => IdempotencyKey.derive("welcome", to), { lifetime: "1 day" }),
 *       send: () => Effect.fail("nobody listens"),
 *       classify: () => Reason.unreachable()
 *     })
 *   }
 * ) {}
 *
 * const MailLive = Integration.layer(Mail).pipe(Layer.provide(OutboxStoreMemory.layer))
 * const program = Effect.gen(function* () {
 *   const sent = yield* (yield* Mail).welcome("ada@example.com")
 *   return Outbox.isParked(sent) ? `it will be sent: ${sent.outcome} so far` : sent.id
 * })
 *
 * await Effect.runPromise(Effect.provide(program, MailLive)) // => "it will be sent: NotSent so far"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const park: Exhaustion<unknown, Parked, OutboxStore, "storable"> = make({ _tag: "Park", bounds: {} })

/**
 * `park`, in a lane or for a limited time.
 *
 * **Details**
 *
 * A lane costs one read of the store per call, before it is first sent. If that read fails the call fails, unsent: what is
 * newer must not go before what is older.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parkWith = <In>(
  bounds: Bounds<In> & ({ readonly lane: (input: In) => string } | { readonly expiresAfter: Duration.Input })
): Exhaustion<In, Parked, OutboxStore, "bounded"> => make({ _tag: "Park", bounds: bounds as Bounds<never> })

/**
 * One sentence for plans.
 *
 * @category destructors
 * @since 0.1.0
 */
export const describe = (self: { readonly decision: Decision }): string =>
  self.decision._tag === "Fail"
    ? "fail loudly"
    : self.decision._tag === "Park"
      ? "park it in the outbox"
      : `fall back${self.decision.unlessItHappened ? ", unless it may have happened" : ""}: ${self.decision.reason}`
