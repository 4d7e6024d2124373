import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failureOf, say, scripted, seededly, settle } from "./properties/support.ts"

const patient = Policy.stack(
  Policy.totalDeadline("60 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("20 seconds")
)

/** Calls that take a second each, behind a bulkhead. */
const slowly = (options: Parameters<typeof Policy.bulkhead>[0], policy: Policy.Complete = patient) =>
  scripted({
    policy: Policy.stack(policy, Policy.bulkhead(options)),
    send: (n) => Effect.delay(Effect.succeed(n), "1 second")
  })

const start = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })
const startMany = <A, E>(call: Effect.Effect<A, E>, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => start(call))

describe("Policy.bulkhead", () => {
  it.effect("runs as many as it may at once, and the rest in the order in which they came", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 2, queue: 10 })
      const fibers = yield* startMany(call, 7)
      assert.strictEqual(sent.length, 2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(sent, [0, 0, 1_000, 1_000, 2_000, 2_000, 3_000])
      // The n-th to ask is the n-th to be sent.
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(answers, [1, 2, 3, 4, 5, 6, 7])
      assert.deepStrictEqual(
        events.map(({ queueWait }) => queueWait),
        [0, 0, 1_000, 1_000, 2_000, 2_000, 3_000]
      )
    }).pipe(seededly(1))
  )

  it.effect("turns away what does not fit into the queue, at once and unsent", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 2, queue: 1 })
      yield* startMany(call, 3)
      const failure = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(failure.reason._tag, "BulkheadFull")
      assert.strictEqual(failure.reason.message, "2 attempts are running and 1 waiting, the most allowed")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.strictEqual(events[0]!.callOutcome, "rejected_bulkhead")
      assert.strictEqual(events[0]!.latency, 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("the queue is as long as what may run, unless told otherwise; a queue of 0 is none", () =>
    Effect.gen(function* () {
      const equal = yield* slowly({ concurrency: 3 })
      const many = yield* startMany(equal.call, 7)
      assert.deepStrictEqual(
        many.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, false, false, false, false, false, true]
      )
      const none = yield* slowly({ concurrency: 1, queue: 0 })
      const two = yield* startMany(none.call, 2)
      assert.deepStrictEqual(
        two.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, true]
      )
      yield* TestClock.adjust("1 minute")
    }).pipe(seededly(1))
  )

  it.effect("who is interrupted in the queue leaves it, and is overtaken by nobody who was behind the others", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 1, queue: 3 })
      const fibers = yield* startMany(call, 4)
      yield* Fiber.interrupt(fibers[1]!)
      // Its place is free again.
      const fifth = yield* start(call)
      assert.isUndefined(fifth.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(sent, [0, 1_000, 2_000, 3_000])
      assert.deepStrictEqual(yield* Effect.forEach([0, 2, 3], (n) => Fiber.join(fibers[n]!)), [1, 2, 3])
      assert.strictEqual(yield* Fiber.join(fifth), 4)
      assert.strictEqual(events.find(({ callOutcome }) => callOutcome === "cancelled")!.outcome, "NotSent")
    }).pipe(seededly(1))
  )

  it.effect("who is interrupted while running gives the permit to the next at once", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* slowly({ concurrency: 1 })
      const [first, second] = yield* startMany(call, 2)
      yield* TestClock.adjust("300 millis")
      yield* Fiber.interrupt(first!)
      assert.deepStrictEqual(sent, [0, 300])
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(second!)))
    }).pipe(seededly(1))
  )

  it.effect("the wait ends with the total deadline, unsent, and is reported as a wait", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ attemptTimeout: "800 millis", totalDeadline: "800 millis" }),
          Policy.bulkhead({ concurrency: 1 })
        ),
        // Holds its permit longer than it should.
        send: () => Effect.uninterruptible(Effect.sleep("1 second"))
      })
      const [, second] = yield* startMany(call, 2)
      yield* TestClock.adjust("5 seconds")
      const failure = failureOf(yield* Fiber.await(second!))!
      assert.strictEqual(failure.reason._tag, "Timeout")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.strictEqual(sent.length, 1)
      const event = events.find(({ outcome }) => outcome === "NotSent")!
      assert.strictEqual(event.latency, 800)
      assert.strictEqual(event.queueWait, 800)
      assert.strictEqual(failure.attempts[0]!.queued, 800)
      assert.include(failure.message, "800 ms of it for a permit")
    }).pipe(seededly(1))
  )

  it.effect("the attempt timeout starts when the permit is there", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* slowly(
        { concurrency: 1, queue: 5 },
        Policy.stack(patient, Policy.attemptTimeout("1500 millis"))
      )
      const fibers = yield* startMany(call, 5)
      yield* TestClock.adjust("10 seconds")
      for (const fiber of fibers) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      assert.strictEqual(sent.length, 5)
    }).pipe(seededly(1))
  )

  it.effect("a permit is held by an attempt, never by a backoff", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ schedule: Policy.backoff({ base: "20 seconds" }) }),
          Policy.bulkhead({ concurrency: 1, queue: 0 })
        ),
        send: (n) => (n === 1 ? say(Reason.unavailable()) : Effect.succeed("ok"))
      })
      const waiting = yield* start(call)
      assert.isUndefined(waiting.pollUnsafe())
      // The first waits between two attempts; the second gets through meanwhile.
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(call)))
      assert.deepStrictEqual(sent, [0, 0])
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(waiting)))
    }).pipe(seededly(3))
  )

  it.effect("two bulkheads of an operation add up their waits", () =>
    Effect.gen(function* () {
      const { call, events, other } = yield* scripted({
        policy: Policy.stack(patient, Policy.bulkhead({ concurrency: 2, queue: 5, name: "own" })),
        shared: Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1, queue: 5 }) }),
        send: () => Effect.delay(Effect.succeed("ok"), "1 second")
      })
      yield* startMany(call, 2)
      yield* startMany(other, 2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        events.map(({ latency, queueWait }) => [latency, queueWait]),
        [
          [1_000, 0],
          [2_000, 1_000],
          [3_000, 2_000],
          [4_000, 3_000]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("bulkheads of one name are one for all operations; layers share nothing", () =>
    Effect.gen(function* () {
      const options = {
        policy: patient,
        shared: Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1, queue: 0 }) }),
        send: () => Effect.delay(Effect.succeed("ok"), "1 second")
      }
      const first = yield* scripted(options)
      const second = yield* scripted(options)
      yield* start(first.call)
      assert.strictEqual(failureOf(yield* Effect.exit(first.other))?.reason._tag, "BulkheadFull")
      assert.isTrue(Exit.isSuccess(yield* settle(second.other)))
    }).pipe(seededly(1))
  )
})
