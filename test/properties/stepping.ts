// Fibers that run one turn at a time, and a clock that stands still: for tests that interrupt at every point.
import { Telemetry } from "breakwater"
import { Clock, Context, Duration, Effect, Exit, type Fiber, Layer, Metric, Random, Scheduler, Scope } from "effect"
import { quiet } from "./support.ts"

/** Runs one task at a time, and makes every fiber yield before each of its operations. */
export class Stepper implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private tasks: Array<() => void> = []

  // The first two operations of a turn are those of the yield itself.
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= 3
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.tasks.push(task), flush: () => this.drain() }
  }

  /** Runs the next task; false if there is none. */
  step(): boolean {
    const task = this.tasks.shift()
    task?.()
    return task !== undefined
  }

  drain(): void {
    for (let n = 0; this.step(); n++) if (n > 200_000) throw new Error("the fibers do not come to rest")
  }
}

/** A clock that stands still until it is told to move. */
export class Standing implements Clock.Clock {
  now = 0
  private sleeping: Array<{ readonly at: number; readonly wake: () => void }> = []

  currentTimeMillisUnsafe = () => this.now
  currentTimeNanosUnsafe = () => BigInt(Math.round(this.now * 1_000_000))
  monotonicTimeNanosUnsafe = this.currentTimeNanosUnsafe
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const entry = { at: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleeping.push(entry)
      return Effect.sync(() => {
        this.sleeping = this.sleeping.filter((other) => other !== entry)
      })
    })
  }

  advance(millis: number): void {
    this.now += millis
    const due = this.sleeping.filter(({ at }) => at <= this.now)
    this.sleeping = this.sleeping.filter(({ at }) => at > this.now)
    for (const { wake } of due.toSorted((a, b) => a.at - b.at)) wake()
  }
}

export interface Time {
  readonly clock: Clock.Clock | undefined
  readonly advance: (millis: number) => void
}

/** A built integration, and the means to run its calls step by step. */
export const stage = <S>(time: Time, build: Effect.Effect<S, unknown, Scope.Scope>) => {
  const stepper = new Stepper()
  const registry: Metric.MetricRegistry = new Map()
  let context = Effect.runSync(Effect.scoped(Layer.build(quiet))) as Context.Context<never>
  context = Context.add(context, Metric.MetricRegistry, registry)
  if (time.clock !== undefined) context = Context.add(context, Clock.Clock, time.clock)
  const scope = Effect.runSync(Scope.make())
  const runnable = Random.withSeed(Scope.provide(build, scope) as Effect.Effect<S>, 1)
  const built = Effect.runSyncWith(context)(runnable)
  const stepping = Context.add(context, Scheduler.Scheduler, stepper)
  return {
    built,
    stepper,
    start: <A, E>(self: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
      Effect.runForkWith(stepping)(Random.withSeed(self, 1)),
    /** Runs a call to its end, without interruption. */
    run: <A, E>(self: Effect.Effect<A, E>): Exit.Exit<A, E> => {
      const fiber = Effect.runForkWith(stepping)(Random.withSeed(self, 1))
      stepper.drain()
      for (let n = 0; n < 100 && fiber.pollUnsafe() === undefined; n++) {
        time.advance(1_000)
        stepper.drain()
      }
      return fiber.pollUnsafe()!
    },
    /** Closes the scope of what was built. Returns whether it has ended. */
    close: () => {
      const fiber = Effect.runForkWith(stepping)(Scope.close(scope, Exit.void))
      stepper.drain()
      return fiber.pollUnsafe() !== undefined
    },
    active: () =>
      Effect.runSyncWith(context)(Metric.snapshot)
        .filter((metric) => metric.id === Telemetry.names.activeCalls)
        .reduce((sum, metric) => sum + (metric.state as { readonly value: number }).value, 0)
  }
}

export const ownClock = (): Time => {
  const clock = new Standing()
  return { clock, advance: (millis) => clock.advance(millis) }
}
