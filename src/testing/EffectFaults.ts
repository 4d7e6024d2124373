/**
 * Faults around any effect: an SDK's method, a queue, a `send` of `Operation.mutation`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Fault, Tag } from "./Fault.ts"
import type { Faults } from "./FaultPlan.ts"
import { Arrivals } from "./internal/arrivals.ts"
import type { AwaitOptions } from "./internal/model.ts"

/**
 * Faults around effects, and what they did.
 *
 * @category models
 * @since 0.1.0
 */
export interface EffectFaults<E> {
  /** Runs an effect under the next fault of the plan. */
  readonly around: <A, E2, R>(operation: string, self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R>
  /** Every run that ended in success, in order: what has happened. */
  readonly ledger: ReadonlyArray<{ readonly operation: string; readonly at: number }>
  readonly inject: (faults: Faults | undefined) => Effect.Effect<void>
  readonly awaitFault: (tag?: Tag, options?: AwaitOptions) => Effect.Effect<void>
}

/**
 * Puts faults around effects that are no HTTP request.
 *
 * **Details**
 *
 * `error` makes the failure that the caller sees where the fault is one: a lost connection, a status, a body that was cut.
 * What a fault means here:
 *
 * | fault                                             | the effect runs   | the caller sees       |
 * |---------------------------------------------------|-------------------|-----------------------|
 * | `Latency`                                         | after the time    | its exit              |
 * | `Refused`, `ResetBeforeReading`, `InProgress409`  | no                | `error(fault)`        |
 * | `ResponseLost`, `CutBody`, `WrongMediaType`, `HugeBody` | yes         | `error(fault)`        |
 * | `StallBeforeHeaders`                              | as it says        | nothing, for ever     |
 * | `StallInBody`                                     | yes               | nothing, for ever     |
 * | `WrongShape`                                      | yes               | the fault's body      |
 * | `Status`                                          | as it says        | `error(fault)`        |
 * | `DuplicateDelivery`                               | twice             | its first exit        |
 *
 * Under `Latency`, `StallBeforeHeaders` and a late `DuplicateDelivery` the effect runs on a fiber of its own, which goes on
 * when the caller has left, until the scope in which `forEffect` ran ends. Else it runs on the caller's, and is interrupted
 * with it. The ledger holds the runs that succeeded.
 *
 * **Example** (An SDK whose answer is lost)
 *
 * ```ts
 * import { FaultInjection } from "breakwater/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const faults = yield* FaultInjection.forEffect({
 *     faults: [FaultInjection.responseLost],
 *     error: (fault) => `lost: ${fault._tag}`
 *   })
 *   const error = yield* Effect.flip(faults.around("send", Effect.succeed("sent")))
 *   return [error, faults.ledger.length]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["lost: ResponseLost", 1]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const forEffect = <E>(options: {
  readonly faults?: Faults | undefined
  readonly error: (fault: Fault, operation: string) => E
}): Effect.Effect<EffectFaults<E>, never, Scope.Scope> =>
  Effect.map(Effect.zip(Effect.scope, Clock.currentTimeMillis), ([scope, now]) => {
    const arrivals = new Arrivals(options.faults)
    arrivals.start(now)
    const ledger: Array<{ readonly operation: string; readonly at: number }> = []

    const around = <A, E2, R>(operation: string, self: Effect.Effect<A, E2, R>): Effect.Effect<A, E | E2, R> => {
      const run = Effect.tap(self, () =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          ledger.push({ operation, at })
        })
      )
      const outlive = <A, E3>(self: Effect.Effect<A, E3, R>, after: Duration.Duration) =>
        Effect.forkIn(Effect.interruptible(Effect.delay(self, after)), scope, { startImmediately: true })
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { fault } = arrivals.arrive(operation, now)
        if (fault === undefined) return run
        const strike = Effect.sync(() => arrivals.strike(operation, fault))
        const failed = Effect.andThen(
          strike,
          Effect.suspend(() => Effect.fail(options.error(fault, operation)))
        )
        switch (fault._tag) {
          case "Latency":
            return Effect.andThen(strike, Effect.flatMap(outlive(run, fault.duration), Fiber.join))
          case "Refused":
          case "ResetBeforeReading":
          case "InProgress409":
            return failed
          case "ResponseLost":
          case "CutBody":
          case "WrongMediaType":
          case "HugeBody":
            return Effect.andThen(run, failed)
          case "StallBeforeHeaders":
            return Effect.andThen(
              strike,
              fault.executes ? Effect.andThen(outlive(run, fault.after), Effect.never) : Effect.never
            )
          case "StallInBody":
            return Effect.andThen(Effect.andThen(run, strike), Effect.never)
          case "WrongShape":
            // The caller's type speaks of the right shape, which is what it must not trust.
            return Effect.andThen(run, Effect.as(strike, fault.body as A))
          case "Status":
            return fault.executes ? Effect.andThen(run, failed) : failed
          case "DuplicateDelivery": {
            const again = Effect.andThen(Effect.exit(run), strike)
            return Effect.flatMap(Effect.exit(run), (first) =>
              Effect.andThen(Duration.isZero(fault.after) ? again : outlive(again, fault.after), first)
            )
          }
        }
      })
    }

    return {
      around,
      ledger,
      inject: (faults) => Effect.map(Clock.currentTimeMillis, (now) => arrivals.inject(faults, now)),
      awaitFault: (tag, awaited) =>
        arrivals.wait(
          () =>
            arrivals.struck.filter(
              (one) =>
                (tag === undefined || one.fault._tag === tag) &&
                (awaited?.operation === undefined || one.operation === awaited.operation)
            ).length >= (awaited?.times ?? 1)
        )
    }
  })
