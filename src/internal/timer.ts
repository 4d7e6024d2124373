import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

declare const setTimeout: (f: () => void, millis: number) => unknown
declare const clearTimeout: (timer: unknown) => void

const liveClock = Context.get(Context.empty(), Clock.Clock)
const longestTimer = 0x7fffffff

/**
 * Runs `self` for at most `millis`. When the time is up `onCut` runs first, then `self` is interrupted and waited for;
 * what `onCut` returned becomes the result unless `self` had ended by then. One child fiber and one timer, where
 * `Effect.timeout` takes two fibers; any clock but the live one takes Effect's own way.
 */
export const cutAfter = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onCut: () => Effect.Effect<A, E>
): Effect.Effect<A, E, R> =>
  millis === Infinity
    ? self
    : Effect.withFiber((fiber) =>
        fiber.getRef(Clock.Clock) !== liveClock || millis > longestTimer
          ? // The race yields the effect to go on with, so that `self` has ended before it runs.
            Effect.flatten(
              Effect.raceFirst(
                Effect.map(self, (value): Effect.Effect<A, E> => Effect.succeed(value)),
                Effect.map(Effect.sleep(millis), onCut)
              )
            )
          : Effect.callback<A, E>((resume) => {
              const child = Effect.runForkWith(fiber.context as Context.Context<R>)(self)
              const done = child.pollUnsafe()
              if (done !== undefined) return resume(done)
              let cut: Effect.Effect<A, E> | undefined
              const timer = setTimeout(() => {
                cut = onCut()
                child.interruptUnsafe(fiber.id)
              }, millis)
              child.addObserver((exit) => {
                clearTimeout(timer)
                resume(cut !== undefined && Exit.hasInterrupts(exit) ? cut : exit)
              })
              return Effect.suspend(() => {
                clearTimeout(timer)
                return Fiber.interrupt(child)
              })
            })
      )

/**
 * Runs `f` after `millis` in the context of a fiber, unless the returned function is called before. A defect of `f` stays
 * in a fiber of its own.
 */
export const later = (fiber: Fiber.Fiber<unknown, unknown>, millis: number, f: () => void): (() => void) => {
  const run = Effect.runForkWith(fiber.context)
  if (fiber.getRef(Clock.Clock) !== liveClock || millis > longestTimer) {
    const waiting = run(Effect.andThen(Effect.sleep(millis), Effect.sync(f)))
    return () => waiting.interruptUnsafe(fiber.id)
  }
  const timer = setTimeout(() => void run(Effect.sync(f)), millis)
  return () => clearTimeout(timer)
}

/** Epoch milliseconds of the current clock. */
export const withNow = <A, E, R>(f: (now: number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => f(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()))

/** Epoch milliseconds of the clock of a fiber. */
export const nowOf = (fiber: Fiber.Fiber<unknown, unknown>): number =>
  fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
