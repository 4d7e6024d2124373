/**
 * A deadline that travels with a program: every call inside it ends by then.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * When the calls of the running program must have ended, in epoch milliseconds of Effect's clock; `undefined` while no
 * deadline applies.
 *
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<number | undefined> = Context.Reference<number | undefined>(
  "breakwater/Deadline/Current",
  { defaultValue: () => undefined }
)

/**
 * Gives a program a deadline: every call that it makes, however deep, clamps its total deadline, attempt timeouts, waits
 * for a permit, backoff and `Retry-After` to the time that is left.
 *
 * **When to use**
 *
 * Use it at the edge, where it is known how long somebody will wait: around a request's handler, a job, a page. A wait
 * that can't fit fails at once, with the provider's last failure, instead of using up time that nobody waits for.
 *
 * **When not to use**
 *
 * It bounds calls, not computations: code between two calls is not interrupted. Add `Effect.timeout` where it should be.
 * What the outbox has stored is not bound by it: a stored call goes on in its worker.
 *
 * **Details**
 *
 * A deadline inside another can only shorten it. Time is Effect's clock, so that `TestClock` drives it. A call that
 * starts when no time is left fails as `DeadlineExceeded` and `NotSent`.
 *
 * **Example** (Two calls that share two seconds)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Deadline } from "breakwater"
 *
 * const program = Effect.gen(function* () {
 *   const left = yield* Deadline.remaining
 *   return left === undefined ? "no deadline" : "at most two seconds"
 * })
 *
 * Effect.runSync(program.pipe(Deadline.within("2 seconds"))) // => "at most two seconds"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const within: {
  (limit: Duration.Input): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.Input): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.Input): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => at(self, now + Duration.toMillis(Duration.fromInputUnsafe(limit))))
)

/**
 * Gives a program a deadline at a point of time, in epoch milliseconds: for one that another system handed on. A deadline
 * inside another can only shorten it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const at: {
  (time: number): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, time: number): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, time: number): Effect.Effect<A, E, R> =>
  Effect.updateService(self, Current, (outer) => (outer === undefined ? time : Math.min(outer, time)))
)

/**
 * Takes a program out of the deadline around it: for what must go on when nobody waits any more, such as an audit entry.
 *
 * @category combinators
 * @since 0.1.0
 */
export const forget = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, Current, undefined)

/**
 * How much time is left, never below zero; `undefined` while no deadline applies.
 *
 * @category getters
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration | undefined> = Effect.withFiber((fiber) => {
  const time = fiber.getRef(Current)
  return Effect.succeed(
    time === undefined
      ? undefined
      : Duration.millis(Math.max(0, time - fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()))
  )
})
