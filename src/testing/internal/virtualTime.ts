import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

/** Something to do at a point of time. */
export interface Timer {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/**
 * A clock and a scheduler of their own: time passes only when nothing is left to do, and then at once to the next timer.
 * `TestClock` sorts all sleepers on every step, which a simulation with tens of thousands of them can't afford.
 */
export class VirtualTime implements Clock.Clock, Scheduler.Scheduler {
  readonly executionMode = "async"
  now = 0
  private order = 0
  /** A binary heap, the earliest timer first; those of one time in the order in which they were set. */
  private readonly timers: Array<Timer> = []
  private tasks: Array<() => void> = []

  // ---- the clock

  readonly currentTimeMillisUnsafe = (): number => this.now
  readonly currentTimeNanosUnsafe = (): bigint => BigInt(Math.round(this.now * 1_000_000))
  readonly monotonicTimeNanosUnsafe = this.currentTimeNanosUnsafe
  readonly currentTimeMillis = Effect.sync(this.currentTimeMillisUnsafe)
  readonly currentTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)
  readonly monotonicTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    return Effect.callback<void>((resume) => {
      if (millis === Infinity) return
      const timer = this.after(millis, () => resume(Effect.void))
      return Effect.sync(() => {
        timer.run = undefined
      })
    })
  }

  after(millis: number, run: () => void): Timer {
    const timer: Timer = { at: this.now + Math.max(0, millis), order: this.order++, run }
    this.push(timer)
    return timer
  }

  // ---- the scheduler

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => void this.tasks.push(task), flush: () => this.drain() }
  }

  // ---- the passing of time

  /** Does everything that is due until a point of time, and stands there. */
  advanceTo(time: number): void {
    this.drain()
    for (let next = this.timers[0]; next !== undefined && next.at <= time; next = this.timers[0]) {
      this.pop()
      const { run } = next
      if (run === undefined) continue
      this.now = next.at
      run()
      this.drain()
    }
    this.now = time
  }

  private drain(): void {
    for (let n = 0; n < this.tasks.length; n++) this.tasks[n]!()
    this.tasks = []
  }

  private push(timer: Timer): void {
    const heap = this.timers
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent]!, timer)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  private pop(): void {
    const heap = this.timers
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (before(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
