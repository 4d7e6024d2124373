import { assert, describe, it } from "@effect/vitest"
import { Deadline, Policy, Reason } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import { Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  between,
  callOf,
  failing,
  failureOf,
  names,
  oneOf,
  say,
  script,
  scripted,
  seed,
  seededly,
  settle,
  tries,
  world
} from "./properties/support.ts"

describe("Deadline", () => {
  it.effect("one inside another can only shorten it", () =>
    Effect.gen(function* () {
      const left = Effect.map(Deadline.remaining, (left) => left && Duration.toMillis(left))
      assert.isUndefined(yield* left)
      assert.strictEqual(yield* left.pipe(Deadline.within("2 seconds")), 2_000)
      assert.strictEqual(yield* left.pipe(Deadline.within("5 seconds"), Deadline.within("2 seconds")), 2_000)
      assert.strictEqual(yield* left.pipe(Deadline.within("1 second"), Deadline.within("2 seconds")), 1_000)
      assert.strictEqual(yield* left.pipe(Deadline.at(1_500), Deadline.within("2 seconds")), 1_500)
      assert.isUndefined(yield* left.pipe(Deadline.forget, Deadline.within("2 seconds")))
      assert.strictEqual(yield* Deadline.within(left, -5), 0)
    })
  )

  it.effect("is measured on Effect's clock, from where it is given", () =>
    Effect.gen(function* () {
      const program = Effect.andThen(Effect.sleep(300), Deadline.remaining).pipe(Deadline.within("2 seconds"))
      const fiber = yield* Effect.forkChild(program, { startImmediately: true })
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(yield* Fiber.join(fiber), Duration.millis(1_700))
    })
  )

  it.effect("a call that starts when no time is left sends nothing", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({ policy: Policy.standard(), send: () => Effect.succeed("ok") })
      const failure = failureOf(yield* settle(Effect.delay(call, 500).pipe(Deadline.within(500))))!
      assert.deepStrictEqual(sent, [])
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.attempts.length],
        ["DeadlineExceeded", "NotSent", 0]
      )
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
      assert.strictEqual(failure.reason.message, "no time was left: the caller's deadline of 0 ms had passed")
      assert.strictEqual(events[0]!.callOutcome, "timeout")
      assert.strictEqual(events[0]!.errorType, "not_started")
    }).pipe(seededly(1))
  )

  it.effect("clamps the attempt timeout, and the attempt takes the outcome of its phase", () =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({ policy: Policy.standard(), send: () => Effect.never })
      const failure = failureOf(yield* settle(call.pipe(Deadline.within("2 seconds"))))!
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["Timeout", "Unknown"])
      assert.include(failure.reason.message, "the caller's deadline of 2 s")
      assert.strictEqual(
        failure.attempts[0]!.message,
        "no answer in time; cut by the caller's deadline of 2 s".slice(19)
      )
      assert.strictEqual(events[0]!.latency, 2_000)
      assert.deepStrictEqual(
        events[0]!.decisions.map(({ decided, policy }) => [policy, decided]),
        [["totalDeadline", "cut"]]
      )
    }).pipe(seededly(1))
  )

  it.effect("a backoff that can't fit ends the call at once, with its last failure", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.standard({ schedule: Policy.backoff({ base: "1 minute", cap: "1 minute" }) }),
        send: () => say(Reason.unavailable())
      })
      const failure = failureOf(yield* settle(call.pipe(Deadline.within(50))))!
      assert.strictEqual(failure.reason._tag, "Unavailable")
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
      assert.deepStrictEqual([sent, events[0]!.latency], [[0], 0])
    }).pipe(seededly(1))
  )

  it.effect("so does a Retry-After", () =>
    Effect.gen(function* () {
      const { acme, events, provider } = yield* world({
        faults: [FaultInjection.status(429, { headers: { "retry-after": "3" } })]
      })
      const failure = yield* failing(callOf(acme, "get").pipe(Deadline.within("2 seconds")))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.stopped],
        ["Throttled", "no time is left for another attempt"]
      )
      assert.deepStrictEqual([provider.requests.length, events[0]!.latency], [1, 0])
    }).pipe(seededly(1))
  )

  it.effect("ends the wait for a permit", () =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({
        policy: Policy.stack(Policy.standard(), Policy.bulkhead({ concurrency: 1, queue: 5 })),
        send: () => Effect.never
      })
      const first = yield* Effect.forkChild(call, { startImmediately: true })
      const failure = failureOf(yield* settle(call.pipe(Deadline.within(700))))!
      assert.deepStrictEqual([failure.outcome, events[0]!.latency, events[0]!.queueWait], ["NotSent", 700, 700])
      yield* Fiber.interrupt(first)
    }).pipe(seededly(1))
  )

  it.effect("reaches calls in child fibers, and not those that were forked before", () =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({ policy: Policy.standard(), send: () => Effect.never })
      const before = yield* Effect.forkChild(call, { startImmediately: true })
      yield* settle(
        Effect.all([Effect.exit(call), Effect.exit(call)], { concurrency: 2 }).pipe(Deadline.within("1 second"))
      )
      assert.deepStrictEqual(events.map(({ latency }) => latency).slice(0, 2), [1_000, 1_000])
      yield* Fiber.interrupt(before)
    }).pipe(seededly(1))
  )

  it.effect.each(["observe", "off"] as const)("holds where the policy's total deadline is in mode %s", (mode) =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({
        policy: Policy.withMode(Policy.standard({ attemptTimeout: "1 second", totalDeadline: "1 second" }), mode),
        send: () => Effect.never
      })
      yield* settle(call.pipe(Deadline.within("3 seconds")))
      assert.strictEqual(events[0]!.latency, 3_000)
      assert.deepStrictEqual(
        events[0]!.decisions.map(({ at, decided, mode, policy }) => [policy, decided, mode, at]),
        mode === "observe"
          ? [
              ["attemptTimeout", "cut", "observe", 1_000],
              ["totalDeadline", "cut", "observe", 1_000]
            ]
          : []
      )
    }).pipe(seededly(1))
  )

  it.effect.prop(
    "no call outlives it, wherever the provider stalls, and none is sent after it",
    { faults: script(), within: between(1, 12_000), name: oneOf(names), seed },
    ({ faults, name, seed, within }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults,
          policy: Policy.standard({ attemptTimeout: "4 seconds", totalDeadline: "10 seconds" })
        })
        const exit = yield* settle(callOf(acme, name).pipe(Deadline.within(within)))
        assert.isAtMost(events[0]!.latency, Math.min(within, 10_000))
        for (const { at } of provider.requests) assert.isBelow(at, Math.min(within, 10_000))
        if (Exit.isFailure(exit)) assert.strictEqual(events.length, 1)
      }).pipe(Effect.scoped, seededly(seed)),
    tries(150)
  )
})
