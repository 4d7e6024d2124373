import { assert, describe, it, vi } from "@effect/vitest"
import { Deadline, Policy, Reason } from "breakwater"
import { Cause, Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { CallFailure } from "breakwater"
import { cutAfter } from "../src/internal/timer.ts"
import { failing, failureOf, say, scripted, seededly, settle, world, callOf } from "./properties/support.ts"
import { FaultInjection } from "breakwater/testing"

const fiberOf = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })

describe("Policy.attemptTimeout", () => {
  it.effect("cuts an attempt at its limit, to the millisecond", () =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({
        policy: Policy.stack(
          Policy.totalDeadline("30 seconds"),
          Policy.retryNever("once"),
          Policy.attemptTimeout("2 seconds")
        ),
        send: () => Effect.never
      })
      const fiber = yield* fiberOf(call)
      yield* TestClock.adjust(1_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const failure = failureOf(yield* Fiber.await(fiber))!
      assert.strictEqual(failure.reason._tag, "Timeout")
      assert.strictEqual(failure.reason.message, "cut by the attempt timeout of 2 s")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(events[0]!.latency, 2_000)
      assert.strictEqual(events[0]!.callOutcome, "timeout")
      assert.strictEqual(events[0]!.errorType, "timeout")
    }).pipe(seededly(1))
  )

  it.effect("each attempt has a limit of its own", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.standard({ attemptTimeout: "1 second", schedule: Policy.backoff({ base: 0 }) }),
        send: (n) => (n < 3 ? Effect.never : Effect.delay(Effect.succeed("ok"), 999))
      })
      assert.isTrue(Exit.isSuccess(yield* settle(call)))
      assert.deepStrictEqual(sent, [0, 1_000, 2_000])
      assert.strictEqual(events[0]!.callOutcome, "ok_after_retry")
    }).pipe(seededly(1))
  )

  it.effect.each([
    ["before the status", FaultInjection.stallBeforeHeaders({ executes: true }), "Timeout", "Unknown"],
    ["in the body of a 2xx", FaultInjection.stallInBody, "BodyLost", "Applied"]
  ] as const)("a cut attempt takes the outcome of its phase: %s", ([, fault, reason, outcome]) =>
    Effect.gen(function* () {
      const { acme } = yield* world({
        faults: [fault],
        only: ["charge"],
        policy: Policy.stack(
          Policy.totalDeadline("30 seconds"),
          Policy.retryNever("once"),
          Policy.attemptTimeout("2 seconds")
        )
      })
      const failure = yield* failing(callOf(acme, "charge"))
      assert.strictEqual(failure.reason._tag, reason)
      assert.strictEqual(failure.outcome, outcome)
      assert.include(failure.reason.message, "cut by the attempt timeout of 2 s")
    }).pipe(seededly(1))
  )

  it.effect.each([
    [2_000, []],
    [2_001, [["attemptTimeout", "cut", "observe", 2_000]]]
  ] as const)("in observe, an attempt of %s ms is told only when it outlived its limit", ([took, decisions]) =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({
        policy: Policy.stack(
          Policy.totalDeadline("30 seconds"),
          Policy.retryNever("once"),
          Policy.withMode(Policy.attemptTimeout("2 seconds"), "observe")
        ),
        send: () => Effect.delay(Effect.succeed("ok"), took)
      })
      assert.deepStrictEqual(yield* settle(call), Exit.succeed("ok"))
      assert.deepStrictEqual(
        events[0]!.decisions.map(({ at, decided, mode, policy }) => [policy, decided, mode, at]),
        decisions.map((decision) => [...decision])
      )
    }).pipe(seededly(1))
  )

  it.effect("what was cut is interrupted, and its finalizers have run before the call goes on", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { call } = yield* scripted({
        policy: Policy.standard({ attemptTimeout: "1 second", maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) }),
        send: (n) =>
          Effect.ensuring(
            Effect.andThen(
              Effect.sync(() => log.push(`send ${n}`)),
              Effect.never
            ),
            Effect.sync(() => log.push(`released ${n}`))
          )
      })
      yield* settle(call)
      assert.deepStrictEqual(log, ["send 1", "released 1", "send 2", "released 2"])
    }).pipe(seededly(1))
  )

  it.effect("alone in a pipe: cuts any effect, which may have happened", () =>
    Effect.gen(function* () {
      const exit = yield* settle(Effect.never.pipe(Policy.attemptTimeout("3 seconds")))
      const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(CallFailure.isCallFailure(failure))
      assert.strictEqual((failure as CallFailure.CallFailure).outcome, "Unknown")
      assert.deepStrictEqual(yield* settle(Effect.fail("no").pipe(Policy.attemptTimeout("3 seconds"))), Exit.fail("no"))
      assert.deepStrictEqual(yield* settle(Effect.succeed(1).pipe(Policy.attemptTimeout(1))), Exit.succeed(1))
    }).pipe(seededly(1))
  )
})

describe("Policy.totalDeadline", () => {
  it.effect("covers all attempts and waits, and never starts what can't fit", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.standard({
          attemptTimeout: "2 seconds",
          totalDeadline: "5 seconds",
          maxAttempts: 10,
          schedule: Policy.backoff({ base: 0 })
        }),
        send: () => Effect.never
      })
      const failure = yield* failing(call)
      assert.deepStrictEqual(sent, [0, 2_000, 4_000])
      assert.strictEqual(events[0]!.latency, 5_000)
      assert.strictEqual(failure.reason.message, "not done within the total deadline of 5 s")
      assert.strictEqual(failure.attempts.at(-1)!.message, "cut by the total deadline of 5 s")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
    }).pipe(seededly(1))
  )

  it.effect.each([
    ["the first of all", [], "Unknown"],
    ["after two that were refused", [Reason.throttled(), Reason.throttled()], "Unknown"]
  ] as const)("its reason has the outcome of the attempt that it cut: %s", ([, before, outcome]) =>
    Effect.gen(function* () {
      const { call } = yield* scripted({
        policy: Policy.standard({
          attemptTimeout: "5 seconds",
          totalDeadline: "5 seconds",
          schedule: Policy.backoff({ base: 0 })
        }),
        send: (n) => (n > before.length ? Effect.never : say(before[n - 1]!))
      })
      const failure = yield* failing(call)
      assert.deepStrictEqual([failure.attempts.length, failure.reason._tag], [before.length + 1, "Timeout"])
      assert.deepStrictEqual([failure.reason.outcome, failure.outcome], [outcome, "Unknown"])
    }).pipe(seededly(1))
  )

  it.effect("a caller's deadline at the same moment is the one that is named", () =>
    Effect.gen(function* () {
      const { call } = yield* scripted({
        policy: Policy.standard({ attemptTimeout: "5 seconds", totalDeadline: "5 seconds" }),
        send: () => Effect.never
      })
      const failure = yield* failing(call.pipe(Deadline.within("5 seconds")))
      assert.strictEqual(failure.reason.message, "not done within the caller's deadline of 5 s")
    }).pipe(seededly(1))
  )

  it.effect("a backoff that does not fit ends the call at once, with its last failure", () =>
    Effect.gen(function* () {
      const { call, events } = yield* scripted({
        policy: Policy.standard({
          attemptTimeout: "1 second",
          totalDeadline: "5 seconds",
          schedule: Policy.backoff({ base: "1 hour", cap: "1 hour" })
        }),
        send: () => say(Reason.unavailable())
      })
      const failure = yield* failing(call)
      assert.strictEqual(events[0]!.latency, 0)
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
      assert.strictEqual(failure.reason._tag, "Unavailable")
    }).pipe(seededly(1))
  )

  it.effect("alone in a pipe: what it cuts may have happened", () =>
    Effect.gen(function* () {
      const exit = yield* settle(Effect.never.pipe(Policy.totalDeadline("3 seconds")))
      const failure = (Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined) as CallFailure.CallFailure
      assert.isTrue(CallFailure.isCallFailure(failure))
      assert.strictEqual(failure.reason._tag, "Timeout")
      assert.strictEqual(failure.outcome, "Unknown", failure.message)
    }).pipe(seededly(1))
  )
})

// The live clock takes another way than TestClock: one timer of Node's instead of a race. Vitest's timers drive it.
describe("cutAfter on the live clock", () => {
  const withFakeTimers = <A, E>(self: (adjust: (millis: number) => Effect.Effect<void>) => Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] })),
      () => self((millis) => Effect.promise(() => vi.advanceTimersByTimeAsync(millis).then(() => undefined))),
      () => Effect.sync(() => vi.useRealTimers())
    )
  const cut = () => Effect.succeed("cut")

  it.live("cuts at its limit, after the finalizers of what it cut", () =>
    withFakeTimers((adjust) =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const fiber = yield* fiberOf(
          cutAfter(
            Effect.onInterrupt(Effect.never as Effect.Effect<string>, () =>
              Effect.andThen(
                Effect.sleep(50),
                Effect.sync(() => log.push("released"))
              )
            ),
            1_000,
            () => {
              log.push("onCut")
              return Effect.sync(() => {
                log.push("result")
                return "cut"
              })
            }
          )
        )
        yield* adjust(999)
        assert.deepStrictEqual(log, [])
        yield* adjust(1)
        assert.deepStrictEqual(log, ["onCut"])
        yield* adjust(50)
        assert.strictEqual(yield* Fiber.join(fiber), "cut")
        assert.deepStrictEqual(log, ["onCut", "released", "result"])
      })
    )
  )

  it.live("leaves no timer behind: success, failure, defect, interruption, synchronous end", () =>
    withFakeTimers((adjust) =>
      Effect.gen(function* () {
        const idle = vi.getTimerCount()
        assert.strictEqual(yield* cutAfter(Effect.succeed("now"), 1_000, cut), "now")
        assert.strictEqual(vi.getTimerCount(), idle)
        for (const end of [Effect.succeed("later"), Effect.fail("no"), Effect.die("dead")]) {
          const fiber = yield* fiberOf(Effect.exit(cutAfter(Effect.andThen(Effect.yieldNow, end), 1_000, cut as never)))
          yield* Fiber.join(fiber)
          assert.strictEqual(vi.getTimerCount(), idle)
        }
        const given = yield* fiberOf(cutAfter(Effect.never, 1_000, cut))
        assert.strictEqual(vi.getTimerCount(), idle + 1)
        yield* Fiber.interrupt(given)
        assert.strictEqual(vi.getTimerCount(), idle)
        yield* adjust(5_000)
      })
    )
  )

  it.live("an interruption from outside reaches what it runs, and waits for its finalizers", () =>
    withFakeTimers((adjust) =>
      Effect.gen(function* () {
        let released = false
        const fiber = yield* fiberOf(
          cutAfter(
            Effect.onInterrupt(Effect.never, () =>
              Effect.andThen(
                Effect.sleep(100),
                Effect.sync(() => (released = true))
              )
            ),
            1_000,
            cut
          )
        )
        const interrupting = yield* fiberOf(Fiber.interrupt(fiber))
        assert.isUndefined(fiber.pollUnsafe())
        yield* adjust(100)
        yield* Fiber.join(interrupting)
        assert.isTrue(released)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      })
    )
  )

  it.live("a limit longer than a timer can be is still a limit", () =>
    withFakeTimers(() =>
      Effect.gen(function* () {
        const fiber = yield* fiberOf(cutAfter(Effect.never, 0x7fffffff + 10, cut))
        yield* Effect.yieldNow
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
      })
    )
  )

  it.live("a whole call: deadline, attempts and waits are those of virtual time", () =>
    withFakeTimers((adjust) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { call, events, sent } = yield* scripted({
            policy: Policy.standard({
              attemptTimeout: "2 seconds",
              totalDeadline: "5 seconds",
              maxAttempts: 10,
              schedule: Policy.backoff({ base: 0 })
            }),
            send: () => Effect.never
          })
          const startedAt = yield* Clock.currentTimeMillis
          const fiber = yield* fiberOf(Effect.exit(call))
          for (let n = 0; n < 6; n++) yield* adjust(1_000)
          const failure = failureOf(yield* Fiber.join(fiber))!
          assert.deepStrictEqual(
            sent.map((at) => at - startedAt),
            [0, 2_000, 4_000]
          )
          assert.strictEqual(events[0]!.latency, 5_000)
          assert.strictEqual(failure.outcome, "Unknown")
        })
      ).pipe(seededly(1))
    )
  )
})
