// Where an attempt begins and ends: whether it may start at all, and what is written of it.
import { assert, describe, it } from "@effect/vitest"
import { type CallFailure, Reason } from "breakwater"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Call, Site } from "../src/Call.ts"
import { alone, siteAlone } from "../src/internal/alone.ts"
import { boundary, margin, reasonOf } from "../src/internal/boundary.ts"
import type { CallRecord } from "../src/internal/call.ts"

const startedAt = 1_000

/** Runs one attempt, which begins now, and gives the record of its call beside its end. */
const run = (
  step: (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>,
  set: (call: CallRecord) => void = () => {},
  site: Partial<Site> = {}
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startedAt)
    const call = alone("pay", startedAt)
    set(call)
    let ran = false
    const attempt = boundary({ ...siteAlone, ...site }, (self: Call) =>
      Effect.suspend(() => {
        ran = true
        return step(self as CallRecord)
      })
    )(call)
    return { attempt, call, ran: () => ran }
  })

const sentThen =
  (end: Effect.Effect<unknown, Reason.Reason>) =>
  (call: CallRecord): Effect.Effect<unknown, Reason.Reason> =>
    Effect.suspend(() => {
      call.sent(startedAt)
      return end
    })

describe("the end of an attempt", () => {
  it.effect("a success is written, and goes on", () =>
    Effect.gen(function* () {
      const { attempt, call } = yield* run(sentThen(Effect.succeed("ok")))
      assert.strictEqual(yield* attempt, "ok")
      assert.deepStrictEqual(
        call.attempts.map(({ number, outcome, reason }) => [number, reason, outcome]),
        [[1, "Success", "Applied"]]
      )
      assert.isUndefined(call.lastReason)
    })
  )

  it.effect("a failure is written when it ends, and goes on as a CallFailure", () =>
    Effect.gen(function* () {
      const down = Reason.make("Unavailable", { message: "down" })
      const { attempt, call } = yield* run(sentThen(Effect.delay(Effect.fail(down), 30)))
      const fiber = yield* Effect.forkChild(Effect.flip(attempt), { startImmediately: true })
      yield* TestClock.adjust(30)
      const failure = yield* Fiber.join(fiber)
      assert.strictEqual(failure.reason, down)
      assert.deepStrictEqual([failure.stopped, failure.outcome], ["retries are switched off", "Unknown"])
      assert.deepStrictEqual(failure.attempts, call.attempts)
      assert.deepStrictEqual([call.attempts.length, call.attempts[0]!.elapsed], [1, 30])
    })
  )

  it.effect.each([
    ["before it was sent", false, "NotSent"],
    ["after", true, "Unknown"]
  ] as const)("a defect is a failure: %s", ([, sent, outcome]) =>
    Effect.gen(function* () {
      const bug = new TypeError("secret")
      const { attempt } = yield* run(sent ? sentThen(Effect.die(bug)) : () => Effect.die(bug))
      const failure = yield* Effect.flip(attempt)
      assert.deepStrictEqual(
        [failure.reason._tag, failure.reason.message, failure.reason.outcome, failure.outcome],
        ["Failed", "a defect: TypeError", outcome, outcome]
      )
      assert.strictEqual(failure.reason.cause, bug)
    })
  )

  const interrupted = (set: (call: CallRecord) => void, sent = true) =>
    Effect.gen(function* () {
      const { attempt, call } = yield* run(sent ? sentThen(Effect.never) : () => Effect.never)
      const fiber = yield* Effect.forkChild(attempt, { startImmediately: true })
      set(call)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      // An interruption stays one, whoever it came from: a limit turns it into a failure where it stands.
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.strictEqual(call.attempts.length, 1)
      const { message, outcome, reason } = call.attempts[0]!
      return [reason, message, outcome]
    })

  it.effect("an interruption is the caller's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* interrupted(() => {}), ["Interrupted", "given up by the caller", "Unknown"])
      assert.deepStrictEqual(yield* interrupted(() => {}, false), ["Interrupted", "given up by the caller", "NotSent"])
    })
  )

  it.effect("an interruption that comes from within stays one, though nobody interrupted the caller", () =>
    Effect.gen(function* () {
      const { attempt, call } = yield* run(sentThen(Effect.interrupt))
      const exit = yield* Effect.exit(attempt)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.deepStrictEqual(
        call.attempts.map(({ outcome, reason }) => [reason, outcome]),
        [["Interrupted", "Unknown"]]
      )
    })
  )

  it.effect("or a deadline's, or that of a layer that closes: then it is a failure, and says so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* interrupted((call) => {
          call.cutBy = "deadline"
          call.deadline = startedAt + 5_000
        }),
        ["Timeout", "cut by the total deadline of 5 s", "Unknown"]
      )
      assert.deepStrictEqual(
        yield* interrupted((call) => {
          call.cutBy = "deadline"
          call.deadlineOf = "caller's deadline"
          call.deadline = startedAt + 2_000
          call.pending = Reason.make("BodyLost", { message: "the body was not read" })
        }),
        ["BodyLost", "the body was not read; cut by the caller's deadline of 2 s", "Applied"]
      )
      assert.deepStrictEqual(
        yield* interrupted((call) => {
          call.cutBy = "drain"
        }),
        ["Timeout", "cut because the integration shut down", "Unknown"]
      )
    })
  )
})

describe("the reason of a cause", () => {
  const reason = Reason.make("Throttled")
  const of = (cause: Cause.Cause<Reason.Reason>, phase: CallRecord["phase"] = "sent") => {
    const call = alone("pay", startedAt)
    call.phase = phase
    return reasonOf(cause, call)
  }

  it("is what it failed with, whatever else went wrong", () => {
    assert.strictEqual(of(Cause.combine(Cause.die("a bug"), Cause.fail(reason))), reason)
    assert.strictEqual(of(Cause.combine(Cause.interrupt(1), Cause.fail(reason))), reason)
  })

  it("else its defect, by name and not by what it says", () => {
    const { _tag, cause, message } = of(Cause.combine(Cause.interrupt(1), Cause.die("a bug")))
    assert.deepStrictEqual([_tag, message, cause], ["Failed", "a defect: string", "a bug"])
    assert.strictEqual(of(Cause.die(new RangeError("secret"))).message, "a defect: RangeError")
  })

  it("is a failure even where there is none", () => {
    const { _tag, message } = of(Cause.empty)
    assert.deepStrictEqual([_tag, message], ["Failed", "an empty cause"])
    assert.strictEqual(of(Cause.interrupt(1)).message, "an empty cause")
  })

  it("did not happen before it was sent", () => {
    const causes = [Cause.die("a bug"), Cause.empty]
    assert.deepStrictEqual(
      causes.map((cause) => of(cause, "waiting").outcome),
      ["NotSent", "NotSent"]
    )
    for (const phase of ["sent", "answered"] as const) {
      assert.deepStrictEqual(
        causes.map((cause) => of(cause, phase).outcome),
        ["Unknown", "Unknown"]
      )
    }
  })
})

describe("an attempt that may not start", () => {
  const refused = (set: (call: CallRecord) => void, site: Partial<Site> = {}) =>
    Effect.gen(function* () {
      const { attempt, call, ran } = yield* run(sentThen(Effect.succeed("ok")), set, site)
      const exit = yield* Effect.exit(attempt)
      if (Exit.isSuccess(exit)) return "started" as const
      const failure = Cause.squash(exit.cause) as CallFailure.CallFailure
      assert.isFalse(ran())
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
      // It is an attempt of the history all the same.
      assert.deepStrictEqual(
        call.attempts.map(({ elapsed, number, outcome, reason }) => [number, reason, outcome, elapsed]),
        [[1, failure.reason._tag, failure.reason.outcome, 0]]
      )
      return [failure.reason._tag, failure.reason.message, failure.reason.outcome]
    })

  it.effect("its layer is closing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* refused((call) => {
          call.draining = true
        }),
        ["Draining", Reason.make("Draining").message, "NotSent"]
      )
    })
  )

  it.effect("its deadline has come", () =>
    Effect.gen(function* () {
      const at = (deadline: number) => refused((call) => void (call.deadline = deadline))
      assert.strictEqual(yield* at(startedAt + 1), "started")
      const late = ["DeadlineExceeded", Reason.make("DeadlineExceeded").message, "NotSent"]
      assert.deepStrictEqual([yield* at(startedAt), yield* at(startedAt - 1)], [late, late])
    })
  )

  it.effect("the claim on the stored call has ended", () =>
    Effect.gen(function* () {
      const at = (leaseUntil: number) => refused((call) => void (call.leaseUntil = leaseUntil))
      assert.strictEqual(yield* at(startedAt + 1), "started")
      assert.deepStrictEqual(yield* at(startedAt), [
        "DeadlineExceeded",
        "the claim on the stored call has ended: another may make it",
        "NotSent"
      ])
    })
  )

  // An attempt of 4 s has to end a second before the minute that the key lives is over.
  const lifetime = 60_000
  const limits = { attemptTimeout: 4_000, totalDeadline: undefined, maxAttempts: 1 }
  const sent = (ago: number, site: Partial<Site>) => refused((call) => void (call.firstSentAt = startedAt - ago), site)

  it.effect("the provider may forget the key before it ends", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* sent(55_000, { lifetime, limits }), "started")
      assert.deepStrictEqual(yield* sent(55_001, { lifetime, limits }), [
        "KeyExpired",
        "the key was first sent 55 s ago and is remembered for 1 min",
        "Unknown"
      ])
      // With rounded numbers it would read as if the time were exactly over.
      assert.deepStrictEqual(yield* sent(60_001, { lifetime, limits }), [
        "KeyExpired",
        "the key was first sent 60001 ms ago and is remembered for 60000 ms",
        "Unknown"
      ])
      const unlimited = { ...limits, attemptTimeout: undefined }
      assert.strictEqual(yield* sent(59_000, { lifetime, limits: unlimited }), "started")
      assert.include([...(yield* sent(59_001, { lifetime, limits: unlimited }))], "KeyExpired")
    })
  )

  it.effect("what this call itself sent is in its history; what an earlier process sent may have happened", () =>
    Effect.gen(function* () {
      const short = { lifetime: 3_000, limits }
      assert.include([...(yield* sent(0, short))], "NotSent")
      assert.include([...(yield* sent(1, short))], "Unknown")
    })
  )

  it.effect("a key that was never sent, or is never forgotten, does not expire", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* refused(() => {}, { lifetime: 3_000, limits }), "started")
      assert.strictEqual(yield* sent(1e12, { lifetime: Infinity, limits }), "started")
    })
  )
})

describe("the margin before a key is forgotten", () => {
  it("is a sixtieth of its life, and a minute at most", () => {
    assert.deepStrictEqual([6_000, 3_600_000, 3_660_000, 86_400_000].map(margin), [100, 60_000, 60_000, 60_000])
  })
})
