// I11: a repeat of a reconcilable call only after a look that started at least `settle` after the end of the last attempt
// that may have happened, and found nothing.
import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import { Effect, Exit, Option } from "effect"
import { TestClock } from "effect/testing"
import {
  between,
  callOf,
  certainlyNot,
  failureOf,
  script,
  seed,
  seededly,
  settle,
  settleTime,
  thing,
  transient,
  tries,
  world
} from "./support.ts"

const policy = Policy.standard({ maxAttempts: 5, totalDeadline: "9 minutes" })

/** Faults of a provider that keeps its word: what it has not done within `settle` of losing the caller, it never does. */
const honest = transient.filter((fault) => fault._tag !== "StallBeforeHeaders" || fault.after.toString() === "0 millis")

describe("I11: looking before repeating", () => {
  it.effect.prop(
    "a transfer is never done twice, and every repeat follows a look that came late enough",
    { seed, faults: script(honest) },
    ({ faults, seed }) =>
      Effect.gen(function* () {
        const { acme, events, lookups, provider } = yield* world({ faults, only: ["transfer"], policy })
        const exit = yield* settle(callOf(acme, "transfer"))
        assert.isAtMost(provider.ledger.length, 1)
        const [event] = events
        for (const [index, request] of provider.requests.entries()) {
          const last = provider.requests.slice(0, index).findLast(({ fault }) => !certainlyNot(fault))
          if (last === undefined) continue
          const doubtful = event!.attempts[last.index]!
          const ended = event!.startedAt + doubtful.startedAfter + doubtful.elapsed
          assert.isTrue(
            lookups.some((at) => at >= ended + settleTime - 1e-6 && at <= request.at),
            `no look between ${ended + settleTime} and ${request.at}: ${lookups.join()}`
          )
        }
        // What was done is found: the call succeeds, or says that it may have happened.
        if (provider.ledger.length === 1 && Exit.isFailure(exit)) {
          assert.isFalse(["NotSent", "Refused"].includes(failureOf(exit)!.outcome))
        }
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect("found: the call succeeds with what was found, and nothing is sent again", () =>
    Effect.gen(function* () {
      const { acme, events, lookups, provider } = yield* world({
        faults: [FaultInjection.responseLost],
        only: ["transfer"],
        policy
      })
      const exit = yield* settle(callOf(acme, "transfer"))
      assert.deepStrictEqual(exit, Exit.succeed(thing))
      assert.deepStrictEqual(lookups, [settleTime])
      assert.strictEqual(provider.requests.length, 1)
      assert.strictEqual(events[0]!.outcome, "Applied")
    }).pipe(seededly(1))
  )

  it.effect("not found: the call is sent again", () =>
    Effect.gen(function* () {
      const { acme, lookups, provider } = yield* world({
        faults: [FaultInjection.resetBeforeReading],
        only: ["transfer"],
        policy
      })
      const exit = yield* settle(callOf(acme, "transfer"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lookups, [settleTime])
      assert.strictEqual(provider.requests.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("could not look: the call is not sent again, and may have happened", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world({
        faults: [FaultInjection.responseLost],
        only: ["transfer"],
        policy,
        find: () => Effect.die(new Error("the lookup is down"))
      })
      const failure = failureOf(yield* settle(callOf(acme, "transfer")))!
      assert.strictEqual(failure.stopped, "whether it happened could not be looked up")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(provider.requests.length, 1)
    }).pipe(seededly(1))
  )

  it.effect.each([FaultInjection.cutBody, FaultInjection.stallInBody, FaultInjection.hugeBody(6_000_000)])(
    "a 2xx whose body was lost has happened: it is looked up, never sent again ($_tag)",
    (fault) =>
      Effect.gen(function* () {
        const { acme, lookups, provider } = yield* world({ faults: [fault, fault, fault], only: ["transfer"], policy })
        const exit = yield* settle(callOf(acme, "transfer"))
        assert.strictEqual(provider.ledger.length, 1)
        assert.strictEqual(provider.requests.length, 1)
        assert.strictEqual(lookups.length, 1)
        assert.deepStrictEqual(exit, Exit.succeed(thing))
      }).pipe(seededly(1))
  )

  it.effect("a 2xx that can't be found yet is not sent again either", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world({
        faults: [FaultInjection.cutBody],
        only: ["transfer"],
        policy,
        find: () => Effect.succeed(Option.none())
      })
      const failure = failureOf(yield* settle(callOf(acme, "transfer")))!
      assert.strictEqual(failure.outcome, "Applied")
      assert.strictEqual(provider.requests.length, 1)
    }).pipe(seededly(1))
  )

  it.effect.prop(
    "a slow look still counts from its start",
    { seed, slow: between(0, 5_000) },
    ({ seed, slow }) =>
      Effect.gen(function* () {
        const { acme, lookups, provider } = yield* world({
          faults: [FaultInjection.resetBeforeReading, FaultInjection.resetBeforeReading],
          only: ["transfer"],
          policy,
          find: () => Effect.as(Effect.sleep(slow), Option.none())
        })
        yield* settle(callOf(acme, "transfer"))
        assert.strictEqual(provider.requests.length, 3)
        assert.approximately(lookups[0]!, settleTime, 1e-6)
        assert.isAtLeast(provider.requests[1]!.at, settleTime + slow - 1e-6)
        assert.isAtLeast(lookups[1]!, provider.requests[1]!.at + settleTime - 1e-6)
        assert.isAtLeast(yield* TestClock.testClockWith((clock) => clock.currentTimeMillis), provider.requests[2]!.at)
      }).pipe(seededly(seed)),
    tries(40)
  )
})
