// The record of one call: its history, and what is known of its effect.
import { assert, describe, it } from "@effect/vitest"
import { Reason } from "breakwater"
import { Duration, Effect, type Fiber } from "effect"
import { CallRecord } from "../src/internal/call.ts"

const record = (): CallRecord =>
  new CallRecord({
    id: "c-1",
    integration: "test/Bank",
    operation: "pay",
    repeat: "Idempotent",
    input: { order: "o-1" },
    startedAt: 1_000,
    correlationId: "corr-1"
  })

/** Runs one attempt that leaves this process, from `began` to `ended`. */
const attempt = (call: CallRecord, began: number, ended: number, end: Parameters<CallRecord["end"]>[0]) => {
  call.begin(began)
  call.sent(began)
  call.end(end, ended)
}

const lost = Reason.make("Unavailable")
const throttled = Reason.make("Throttled")
const unreachable = Reason.make("Unreachable")

describe("a new call", () => {
  it("has done nothing, and nothing bounds it", () => {
    const call = record()
    assert.deepStrictEqual(
      [call.id, call.integration, call.operation, call.repeat, call.input, call.startedAt, call.correlationId],
      ["c-1", "test/Bank", "pay", "Idempotent", { order: "o-1" }, 1_000, "corr-1"]
    )
    assert.deepStrictEqual([call.phase, call.attempt, call.attempts, call.outcome()], ["idle", 0, [], "NotSent"])
    assert.strictEqual(call.prior, "NotSent")
    assert.deepStrictEqual([call.deadline, call.attemptEndsBy, call.leaseUntil], [Infinity, Infinity, Infinity])
    assert.deepStrictEqual(
      [call.fellBack, call.resumed, call.draining, call.learns, call.hasFullLimit, call.abandoned],
      [false, false, false, false, false, false]
    )
    assert.strictEqual(call.deadlineOf, "total deadline")
  })
})

describe("an attempt", () => {
  it("begins with nothing of the one before it", () => {
    const call = record()
    call.deadline = 9_000
    call.begin(1_000)
    call.pending = lost
    call.requestId = "req_1"
    call.status = 503
    call.queued = 5
    call.queuedForRate = 3
    call.learns = true
    call.limit = { remaining: 1 }
    call.hasFullLimit = true
    call.attemptEndsBy = 2_000
    call.end(lost, 1_500)
    assert.strictEqual(call.phase, "idle")
    call.begin(3_000)
    assert.deepStrictEqual([call.attempt, call.phase, call.attemptStartedAt], [2, "waiting", 3_000])
    assert.deepStrictEqual(
      [call.pending, call.requestId, call.status, call.limit],
      [undefined, undefined, undefined, undefined]
    )
    assert.deepStrictEqual([call.queued, call.queuedForRate, call.learns, call.hasFullLimit], [0, 0, false, false])
    assert.strictEqual(call.attemptEndsBy, 9_000)
  })

  it("is written with its times, its waits, and what was answered", () => {
    const call = record()
    call.waiting = 40
    call.begin(1_100)
    call.queued = 30
    call.queuedForRate = 10
    call.sent(1_150)
    call.status = 200
    call.requestId = "req_1"
    call.end("Success", 1_400)
    call.waiting = 60
    call.begin(2_000)
    call.queued = 5
    call.queuedForRate = 2
    call.sent(2_000)
    call.end(Reason.make("Rejected", { message: "no", status: 422, requestId: "req_2" }), 2_010)
    assert.deepStrictEqual(call.attempts, [
      {
        number: 1,
        reason: "Success",
        message: "answered",
        status: 200,
        outcome: "Applied",
        resolves: true,
        startedAfter: 100,
        elapsed: 300,
        waited: 40,
        queued: 30,
        requestId: "req_1"
      },
      {
        number: 2,
        reason: "Rejected",
        message: "no",
        status: 422,
        outcome: "Refused",
        resolves: false,
        startedAfter: 1_000,
        elapsed: 10,
        waited: 60,
        queued: 5,
        requestId: "req_2"
      }
    ])
    assert.deepStrictEqual([call.waited, call.totalQueued, call.totalQueuedForRate, call.waiting], [100, 35, 12, 0])
    assert.strictEqual(call.lastReason?._tag, "Rejected")
  })

  it("has the provider's id that was read, where the reason has none", () => {
    const call = record()
    call.begin(1_000)
    call.requestId = "req_1"
    call.end(lost, 1_000)
    assert.strictEqual(call.attempts[0]!.requestId, "req_1")
  })

  it("that the caller gave up may have happened, unless it was not sent, or its status says what it did", () => {
    const call = record()
    call.begin(1_000)
    call.end("Interrupted", 1_000)
    attempt(call, 1_000, 1_000, "Interrupted")
    call.begin(1_000)
    call.sent(1_000)
    call.pending = Reason.make("BodyLost")
    call.end("Interrupted", 1_000)
    assert.deepStrictEqual(
      call.attempts.map(({ message, outcome, reason, resolves }) => [reason, message, outcome, resolves]),
      ["NotSent", "Unknown", "Applied"].map((outcome) => ["Interrupted", "given up by the caller", outcome, false])
    )
    assert.isUndefined(call.lastReason)
  })

  it("settles earlier ones by a stored answer, if it had a key to be stored under", () => {
    const declared = Reason.make("Declared", { resolves: true })
    const keyed = record()
    keyed.key = "k-1"
    attempt(keyed, 1_000, 1_000, lost)
    attempt(keyed, 1_000, 1_000, declared)
    const without = record()
    attempt(without, 1_000, 1_000, lost)
    attempt(without, 1_000, 1_000, declared)
    assert.deepStrictEqual([keyed.outcome(), without.outcome()], ["Refused", "Unknown"])
    assert.deepStrictEqual(
      keyed.attempts.map(({ resolves }) => resolves),
      [false, true]
    )
    assert.isFalse(without.attempts[1]!.resolves)
  })
})

describe("when a call may first have been sent", () => {
  it("is its first attempt that left this process", () => {
    const call = record()
    attempt(call, 1_000, 1_010, unreachable)
    assert.isUndefined(call.firstSentAt)
    attempt(call, 1_500, 1_510, throttled)
    assert.strictEqual(call.firstSentAt, 1_500)
    attempt(call, 2_000, 2_010, unreachable)
    attempt(call, 3_000, 3_010, lost)
    assert.strictEqual(call.firstSentAt, 1_500)
  })

  it("is an earlier process's send, or this call's where that lies in the future", () => {
    const earlier = record()
    earlier.firstSentAt = 400
    attempt(earlier, 1_000, 1_010, lost)
    assert.strictEqual(earlier.firstSentAt, 400)
    const future = record()
    future.firstSentAt = 5_000
    attempt(future, 1_000, 1_010, lost)
    assert.strictEqual(future.firstSentAt, 1_000)
  })
})

describe("when a call was last in doubt", () => {
  it("is the end of the last attempt that happened or may have", () => {
    const call = record()
    attempt(call, 1_000, 1_010, throttled)
    attempt(call, 1_100, 1_110, unreachable)
    assert.isUndefined(call.lastInDoubtAt)
    attempt(call, 1_200, 1_210, lost)
    attempt(call, 1_300, 1_310, throttled)
    assert.strictEqual(call.lastInDoubtAt, 1_210)
    attempt(call, 1_400, 1_410, "Success")
    assert.strictEqual(call.lastInDoubtAt, 1_410)
  })
})

describe("the outcome", () => {
  it("keeps what an earlier process did", () => {
    const call = record()
    call.prior = "Unknown"
    assert.strictEqual(call.outcome(), "Unknown")
    attempt(call, 1_000, 1_010, throttled)
    assert.strictEqual(call.outcome(), "Unknown")
    call.key = "k-1"
    attempt(call, 1_000, 1_010, Reason.make("Declared", { resolves: true }))
    assert.strictEqual(call.outcome(), "Refused")
  })
})

describe("a cut", () => {
  const cut = (phase: CallRecord["phase"], pending?: Reason.Reason) => {
    const call = record()
    call.phase = phase
    call.pending = pending
    const { _tag, message, outcome } = call.cut("cut by a test")
    return [_tag, message, outcome]
  }

  it("takes the outcome of the attempt's phase", () => {
    assert.deepStrictEqual(
      (["idle", "waiting", "sent", "answered"] as const).map((phase) => cut(phase)),
      ["NotSent", "NotSent", "Unknown", "Unknown"].map((outcome) => ["Timeout", "cut by a test", outcome])
    )
  })

  it("is what the status said, once one was read", () => {
    assert.deepStrictEqual(cut("answered", Reason.make("BodyLost", { message: "the body broke off" })), [
      "BodyLost",
      "the body broke off; cut by a test",
      "Applied"
    ])
  })
})

describe("what is told of the provider's limit", () => {
  it("goes before what is known, and what is left stays with its reset", () => {
    const call = record()
    const [soon, late] = [Duration.seconds(1), Duration.seconds(9)]
    call.tell({ cost: 2, limit: 100 })
    assert.deepStrictEqual(call.limit, { cost: 2, limit: 100, remaining: undefined, resetAfter: undefined })
    call.tell({ remaining: 7, resetAfter: soon })
    assert.deepStrictEqual(call.limit, { cost: 2, limit: 100, remaining: 7, resetAfter: soon })
    call.tell({ cost: 3 })
    assert.deepStrictEqual(call.limit, { cost: 3, limit: 100, remaining: 7, resetAfter: soon })
    call.tell({ resetAfter: late, limit: 50 })
    assert.deepStrictEqual(call.limit, { cost: 3, limit: 50, remaining: undefined, resetAfter: late })
    call.tell({ remaining: 0 })
    assert.deepStrictEqual(call.limit, { cost: 3, limit: 50, remaining: 0, resetAfter: undefined })
  })
})

describe("what is told first of the provider's limit", () => {
  it("may be what is left of it alone", () => {
    const call = record()
    call.tell({ remaining: 7 })
    assert.deepStrictEqual(call.limit, { cost: undefined, limit: undefined, remaining: 7, resetAfter: undefined })
  })
})

describe("a failure of the call", () => {
  it("has the outcome of all attempts, and a history that grows no more", () => {
    const call = record()
    call.key = "k-1"
    attempt(call, 1_000, 1_010, lost)
    attempt(call, 1_100, 1_110, throttled)
    const reason = Reason.make("CircuitOpen", { retryAfter: Duration.seconds(3) })
    const failure = call.fail(reason, "attempts are spent", 1_500)
    attempt(call, 1_200, 1_210, lost)
    assert.strictEqual(failure.reason, reason)
    assert.deepStrictEqual(
      [failure.integration, failure.operation, failure.repeat, failure.correlationId, failure.key, failure.stopped],
      ["test/Bank", "pay", "Idempotent", "corr-1", "k-1", "attempts are spent"]
    )
    assert.deepStrictEqual([failure.outcome, failure.attempts.length], ["Unknown", 2])
    assert.deepStrictEqual([failure.elapsed, failure.retryAfter], [Duration.millis(500), Duration.seconds(3)])
  })

  it("has the outcome of its reason and of an earlier process where there was no attempt", () => {
    const outcomeOf = (prior: CallRecord["prior"], reason: Reason.Reason) => {
      const call = record()
      call.prior = prior
      return call.fail(reason, "not transient", 1_000).outcome
    }
    assert.strictEqual(outcomeOf("NotSent", Reason.make("InvalidResponse")), "Applied")
    assert.strictEqual(outcomeOf("NotSent", Reason.make("CircuitOpen")), "NotSent")
    assert.strictEqual(outcomeOf("Unknown", Reason.make("CircuitOpen")), "Unknown")
    assert.strictEqual(outcomeOf("Unknown", throttled), "Unknown")
  })
})

describe("a leg", () => {
  const fiber = Effect.runFork(Effect.void) as Fiber.Fiber<unknown, unknown>

  it("writes into the call's one history, under numbers of the call's", () => {
    const call = record()
    attempt(call, 1_000, 1_010, throttled)
    call.waiting = 40
    const [first, second] = [call.leg(1), call.leg(2)]
    first.begin(1_100)
    second.begin(1_150)
    first.sent(1_110)
    second.sent(1_160)
    second.queued = 7
    second.queuedForRate = 3
    second.end("Success", 1_200)
    first.end(lost, 1_300)
    assert.deepStrictEqual([first.legNumber, second.legNumber, call.legNumber], [1, 2, undefined])
    assert.deepStrictEqual([call.attempt, first.attempt, second.attempt], [3, 2, 3])
    assert.deepStrictEqual(
      call.attempts.map(({ number, outcome, waited }) => [number, outcome, waited]),
      [
        [1, "Refused", 0],
        [3, "Applied", 0],
        // The wait before the legs is the first one's.
        [2, "Unknown", 40]
      ]
    )
    assert.deepStrictEqual([call.waiting, call.waited, call.totalQueued, call.totalQueuedForRate], [0, 40, 7, 3])
    assert.strictEqual(call.lastReason?._tag, "Unavailable")
    assert.deepStrictEqual([call.firstSentAt, call.lastInDoubtAt, call.outcome()], [1_000, 1_300, "Applied"])
    // What the attempt of a leg is at, is its own.
    assert.deepStrictEqual([call.phase, call.queued], ["idle", 0])
  })

  it("tells the call when it was first sent", () => {
    const call = record()
    const [first, second] = [call.leg(1), call.leg(2)]
    first.begin(1_000)
    second.begin(1_100)
    first.sent(1_010)
    assert.strictEqual(call.firstSentAt, 1_010)
    second.sent(1_110)
    assert.deepStrictEqual([call.firstSentAt, second.firstSentAt], [1_010, 1_010])
  })

  it("of a leg is one of the call's", () => {
    const call = record()
    const inner = call.leg(1).leg(2)
    assert.strictEqual(inner.root, call)
    attempt(inner, 1_000, 1_010, lost)
    assert.strictEqual(call.attempts.length, 1)
    assert.strictEqual(call.lastReason?._tag, "Unavailable")
  })

  it("that answered leaves no doubt of a later one that did nothing", () => {
    const call = record()
    attempt(call.leg(1), 1_000, 1_010, "Success")
    attempt(call.leg(2), 1_000, 1_020, throttled)
    assert.strictEqual(call.lastInDoubtAt, 1_010)
    assert.strictEqual(call.lastReason?._tag, "Throttled")
  })

  it("that was given up says why, and was not cut by what cuts the call later", () => {
    const call = record()
    const leg = call.leg(2)
    leg.begin(1_000)
    leg.sent(1_000)
    leg.giveUp("another leg answered first")
    call.cutBy = "deadline"
    leg.end("Interrupted", 1_010)
    assert.isUndefined(leg.cutBy)
    assert.deepStrictEqual(
      [call.attempts[0]!.message, call.attempts[0]!.outcome],
      ["another leg answered first", "Unknown"]
    )
  })

  it("that can't be interrupted is written once, as one that may yet be sent", () => {
    const call = record()
    const [first, second] = [call.leg(1), call.leg(2)]
    first.begin(1_000)
    first.giveUp("another leg answered first")
    first.abandon(fiber, 1_020)
    second.begin(1_000)
    second.phase = "answered"
    second.pending = Reason.make("BodyLost")
    second.giveUp("another leg answered first")
    second.abandon(fiber, 1_020)
    first.end(lost, 5_000)
    const message = "another leg answered first; it could not be interrupted yet"
    assert.deepStrictEqual(
      call.attempts.map(({ elapsed, message, outcome, reason }) => [reason, message, outcome, elapsed]),
      [
        ["Interrupted", message, "Unknown", 20],
        ["Interrupted", message, "Applied", 20]
      ]
    )
    assert.deepStrictEqual(call.lingering, [fiber, fiber])
    assert.deepStrictEqual([call.lastReason, call.lastInDoubtAt], [undefined, 1_020])
    assert.isFalse(call.abandoned)
  })

  it("is what it is to a call that stands alone", () => {
    const call = record()
    call.begin(1_000)
    call.giveUp("nobody waits for it")
    call.abandon(fiber, 1_010)
    assert.deepStrictEqual(call.lingering, [fiber])
  })
})
