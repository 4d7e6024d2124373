// A hundred thousand calls at once over ten thousand keys: when they have ended or were given up, nothing is left of them.
import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "breakwater"
import { Effect, Exit, Fiber, Logger } from "effect"
import { type Asked, type Fate, later, make, type Options, timers } from "./stack.ts"

/** A tenth where the suites meet every mutant (scripts/mutation.ts). */
const count = Number(process.env.PROPERTY_RUNS ?? 1) < 1 ? 10_000 : 100_000
const keys = count / 10

/** Each key has room for all of its calls, unless a test has another idea. */
const roomy: Options = {
  attemptTimeout: 60_000,
  totalDeadline: 120_000,
  rate: { limit: 10, window: 600_000 },
  bulkhead: { concurrency: 10, queue: 10 },
  takes: 60_000
}

const asked = (n: number, fate: Fate): Asked => ({ key: `key ${n % keys}`, fate })

const silently = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  self.pipe(
    Effect.provide(Logger.layer([])),
    Effect.provideService(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  )

const hours = 3_600_000
const minutes = 180_000

describe("a hundred thousand calls", () => {
  it.live.each<{ readonly where: string; readonly options: Partial<Options>; readonly fate: Fate }>([
    { where: "at the provider", options: {}, fate: "hangs" },
    { where: "for a permit", options: { bulkhead: { concurrency: 1, queue: 9 } }, fate: "hangs" },
    { where: "for a token", options: { rate: { limit: 1, window: 6_000 } }, fate: "hangs" }
  ])(
    "that wait $where and are given up leave no timer, no permit, and no key that is remembered for longer than it is idle",
    ({ fate, options }) =>
      Effect.gen(function* () {
        const before = timers()
        const stack = yield* make({ ...roomy, ...options })
        const fibers: Array<Fiber.Fiber<string, unknown>> = []
        for (let n = 0; n < count; n++) {
          fibers.push(yield* Effect.forkChild(stack.call(asked(n, fate)), { startImmediately: true }))
        }
        const pending = stack.known()
        assert.isTrue(fibers.every((fiber) => fiber.pollUnsafe() === undefined))
        assert.deepStrictEqual([pending.circuits, pending.buckets, pending.permits], [keys, keys, keys])
        assert.strictEqual(pending.running + pending.waiting, count)
        assert.isAbove(timers(), before)
        for (const fiber of fibers) fiber.interruptUnsafe()
        for (const fiber of fibers) yield* Fiber.await(fiber)
        assert.isAtMost(timers(), before)
        assert.strictEqual(stack.outcomes.cancelled, count)
        const { permits, running, waiting } = stack.known()
        assert.deepStrictEqual({ permits, running, waiting }, { permits: 0, running: 0, waiting: 0 })
        yield* later(stack.call({ key: "last", fate: "answers at once" }), 2 * hours)
        const { buckets, circuits } = stack.known()
        assert.deepStrictEqual({ buckets, circuits }, { buckets: 1, circuits: 1 })
      }).pipe(silently),
    minutes
  )

  it.live(
    "that end by themselves, well or not, leave none either",
    () =>
      Effect.gen(function* () {
        const before = timers()
        // A call may take two of its key's tokens.
        const stack = yield* make({ ...roomy, rate: { limit: 20, window: 600_000 }, takes: 0 })
        const fates = ["answers at once", "declines", "answers", "fails first"] satisfies ReadonlyArray<Fate>
        for (let n = 0; n < count; n += keys) {
          const fibers: Array<Fiber.Fiber<string, unknown>> = []
          for (let m = n; m < n + keys; m++) {
            const call = stack.call(asked(m, fates[m % fates.length]!))
            fibers.push(yield* Effect.forkChild(call, { startImmediately: true }))
          }
          for (const fiber of fibers) yield* Fiber.await(fiber)
        }
        // Node counts the timer whose callback runs: this may be the one that ended the last call.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        assert.isAtMost(timers(), before)
        assert.strictEqual(
          Object.values(stack.outcomes).reduce((sum, n) => sum + n, 0),
          count
        )
        assert.strictEqual(stack.outcomes.failed, count / fates.length)
        const { permits, running, waiting } = stack.known()
        assert.deepStrictEqual({ permits, running, waiting }, { permits: 0, running: 0, waiting: 0 })
        const last = yield* Effect.exit(later(stack.call({ key: "last", fate: "answers at once" }), 2 * hours))
        assert.deepStrictEqual(last, Exit.succeed("ok"))
        const { buckets, circuits } = stack.known()
        assert.deepStrictEqual({ buckets, circuits }, { buckets: 1, circuits: 1 })
      }).pipe(silently),
    minutes
  )
})
