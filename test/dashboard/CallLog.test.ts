import { assert, describe, it } from "@effect/vitest"
import type { Telemetry } from "breakwater"
import { Arbitrary, Effect } from "effect"
import {
  CallLog,
  columns,
  heatBounds,
  IntegrationLog,
  mostFailures,
  Norm
} from "../../src/dashboard/internal/callLog.ts"
import { between, tries } from "../properties/support.ts"
import { attempt, event } from "./events.ts"

const log = (...events: ReadonlyArray<Telemetry.CallObserved>) => {
  const all = new IntegrationLog()
  for (const each of events) all.record(each)
  return all
}
const minute = (all: IntegrationLog, now: number) => all.operations.get("today")!.minute.count(now)

describe("what is counted", () => {
  const rejected = (callOutcome: Telemetry.CallOutcome, reason: "CircuitOpen" | "BulkheadFull" | "RateLimited") =>
    event(1_000, 1, { callOutcome, attempts: [attempt({ reason, outcome: "NotSent" })] })

  const rows: ReadonlyArray<readonly [Telemetry.CallObserved, timed: number, errors: number, attempts: number]> = [
    [event(1_000, 20), 1, 0, 1],
    [event(1_000, 20, { callOutcome: "ok_after_retry", attempts: [attempt(), attempt()] }), 1, 0, 2],
    [event(1_000, 20, { attempts: [] }), 1, 0, 0],
    [event(1_000, 20, { callOutcome: "timeout", attempts: [attempt({ reason: "Timeout" })] }), 1, 1, 1],
    [event(1_000, 20, { callOutcome: "timeout", attempts: [] }), 1, 1, 0],
    [event(1_000, 20, { callOutcome: "exhausted", attempts: [attempt({ reason: "Unavailable" })] }), 1, 1, 1],
    [event(1_000, 20, { callOutcome: "decode_failed", attempts: [attempt({ reason: "InvalidResponse" })] }), 1, 1, 1],
    [event(1_000, 20, { callOutcome: "failed", attempts: [] }), 0, 1, 0],
    [event(1_000, 20, { callOutcome: "fallback", attempts: [attempt({ reason: "Unavailable" })] }), 1, 0, 1],
    [event(1_000, 20, { callOutcome: "parked", attempts: [attempt({ reason: "Unavailable" })] }), 1, 0, 1],
    [event(1_000, 20, { callOutcome: "queued", attempts: [] }), 0, 0, 0],
    [event(1_000, 20, { callOutcome: "cancelled" }), 0, 0, 1],
    [rejected("rejected_breaker", "CircuitOpen"), 0, 1, 0],
    [rejected("rejected_bulkhead", "BulkheadFull"), 0, 1, 0],
    [rejected("rejected_ratelimit", "RateLimited"), 0, 1, 0],
    [rejected("fallback", "CircuitOpen"), 0, 0, 0]
  ]
  for (const [given, timed, errors, attempts] of rows) {
    it(`of ${given.callOutcome} with ${given.attempts.map(({ reason }) => reason).join(" and ") || "no attempt"}`, () => {
      const all = log(given)
      const sums = all.sums(1_000)
      assert.deepStrictEqual(
        [minute(all, 1_000), sums.timed, sums.errors, sums.attempts, sums.ended],
        [timed, timed, errors, attempts, 1]
      )
      assert.deepStrictEqual(sums.happened(), { [given.callOutcome]: 1 })
      assert.strictEqual(all.failures().length, errors)
    })
  }

  it("is what a breaker or a limit turned away, whatever became of the call", () => {
    const sums = log(
      rejected("rejected_breaker", "CircuitOpen"),
      rejected("fallback", "CircuitOpen"),
      rejected("parked", "RateLimited"),
      rejected("rejected_bulkhead", "BulkheadFull"),
      event(1_000, 5, {
        callOutcome: "exhausted",
        attempts: [attempt({ reason: "Unavailable" }), attempt({ reason: "CircuitOpen" })]
      })
    ).recent(1_000)
    assert.deepStrictEqual([sums.shut, sums.full, sums.ended], [2, 2, 5])
  })

  it("is a call that was given up, if it was older than nearly all others", () => {
    const all = log(...Array.from({ length: 50 }, () => event(1_000, 20)))
    all.record(event(1_000, 19, { callOutcome: "cancelled" }))
    assert.strictEqual(minute(all, 1_000), 50)
    all.record(event(1_000, 900, { callOutcome: "cancelled" }))
    assert.strictEqual(minute(all, 1_000), 51)
  })

  it("is how the time was spent, and never more than there was", () => {
    const all = log(
      event(1_000, 100, { queueWait: 20, retryDelay: 30 }),
      // Two legs that waited at once.
      event(1_000, 100, { queueWait: 180, retryDelay: 30 })
    )
    assert.deepStrictEqual(all.sums(1_000).spent(), { providerMs: 25, queueMs: 60, retriesMs: 15 })
  })
})

describe("windows", () => {
  it("forget after a minute, and what is now after 10 seconds", () => {
    const all = log(event(2_500, 20))
    const seen = (now: number) => [all.recent(now).ended, all.sums(now).ended, minute(all, now)]
    assert.deepStrictEqual(seen(2_500), [1, 1, 1])
    assert.deepStrictEqual(seen(11_999), [1, 1, 1])
    assert.deepStrictEqual(seen(12_000), [0, 1, 1])
    assert.deepStrictEqual(seen(59_999), [0, 1, 1])
    assert.deepStrictEqual(seen(60_000), [0, 0, 0])
  })

  it("go on in the newest slot when the clock is set back", () => {
    const all = log(event(100_000, 20), event(3_000, 20))
    assert.strictEqual(all.sums(100_000).ended, 2)
    assert.strictEqual(all.recent(3_000).ended, 2)
  })

  it("have a column for every 5 seconds, from the begin of the watch", () => {
    const all = log(event(12_000, 9), event(12_500, 10), event(13_000, 99_999), event(27_000, 20))
    const found = all.columns(27_500, 11_000)
    assert.deepStrictEqual(
      found.map(({ at }) => at),
      [10_000, 15_000, 20_000, 25_000]
    )
    const zeros = heatBounds.map(() => 0)
    assert.deepStrictEqual(found[0]!.counts, [1, 1, ...zeros.slice(2), 1])
    assert.deepStrictEqual(found[1]!.counts, [...zeros, 0])
    assert.strictEqual(all.columns(10_000_000, 0).length, columns)
    assert.isTrue(all.columns(10_000_000, 0).every(({ counts }) => counts.every((count) => count === 0)))
  })

  const calls = Arbitrary.array(Arbitrary.all([between(0, 9_000), between(1, 900)]), { minLength: 1, maxLength: 60 })
  it.effect.prop(
    "hold what a list of all calls would",
    { calls, later: between(0, 90_000) },
    ({ calls, later }) =>
      Effect.sync(() => {
        const all = new IntegrationLog()
        const ends: Array<number> = []
        let now = 0
        for (const [gap, latency] of calls as ReadonlyArray<readonly [number, number]>) {
          now += gap
          ends.push(now)
          all.record(event(now, latency))
        }
        now += later
        const within = (length: number, slots: number) =>
          ends.filter((end) => Math.floor(end / length) > Math.floor(now / length) - slots).length
        assert.strictEqual(all.recent(now).ended, within(1_000, 10))
        assert.strictEqual(all.sums(now).ended, within(5_000, 12))
        assert.strictEqual(minute(all, now), within(5_000, 12))
        const heat = all.columns(now, 0).flatMap(({ counts }) => counts)
        assert.strictEqual(
          heat.reduce((sum, count) => sum + count, 0),
          within(5_000, 24)
        )
      }),
    tries(100)
  )
})

describe("what is usual", () => {
  it("is known after 10 calls and 5 seconds", () => {
    const all = new IntegrationLog()
    for (let n = 0; n <= 10; n++) all.record(event(n * 499, 40))
    assert.strictEqual(all.operations.get("today")!.norm.get(4_990), undefined)
    assert.strictEqual(all.usual(4_990), null)
    all.record(event(5_000, 40))
    assert.closeTo(all.operations.get("today")!.norm.get(5_000)!, 40, 0.4)
    assert.deepStrictEqual(all.usual(5_000), { providerMs: 40, queueMs: 0, retriesMs: 0 })
  })

  it("does not follow an incident that takes less than three quarters of what is known", () => {
    const all = new IntegrationLog()
    const norm = (now: number) => all.operations.get("today")!.norm.get(now)!
    let now = 0
    for (; now < 60_000; now += 250) all.record(event(now, 40))
    for (; now < 150_000; now += 250) all.record(event(now, 4_000, { queueWait: 3_000 }))
    assert.closeTo(norm(now), 40, 0.4)
    assert.strictEqual(all.usual(now)!.queueMs, 0)
    for (; now < 1_200_000; now += 250) all.record(event(now, 4_000, { queueWait: 3_000 }))
    assert.closeTo(norm(now), 4_000, 40)
    assert.strictEqual(all.usual(now)!.queueMs, 3_000)
  })

  it("is forgotten after an hour", () => {
    const norm = new Norm()
    norm.add(40, 0)
    assert.strictEqual(norm.get(3_599_999), 40)
    assert.strictEqual(norm.get(3_599_999 + 10_000), undefined)
  })

  it("is of the newest pieces, however many there were", () => {
    const norm = new Norm()
    for (let n = 0; n < 1_000; n++) norm.add(n < 700 ? 1 : 2, 0)
    assert.strictEqual(norm.get(1), 2)
  })
})

describe("failures", () => {
  const failed = (n: number, given: Partial<Telemetry.CallObserved> = {}) =>
    event(n, 5, {
      callOutcome: "exhausted",
      outcome: "Unknown",
      errorType: "503",
      attempts: [attempt({ reason: "Unavailable", message: "token=s3cret" })],
      correlationId: `c-${n}`,
      ...given
    })

  it("are the last 50, newest first", () => {
    const all = new IntegrationLog()
    for (let n = 1; n <= 3; n++) all.record(failed(n))
    assert.deepStrictEqual(
      all.failures().map(({ at }) => at),
      [3, 2, 1]
    )
    for (let n = 4; n <= 120; n++) all.record(failed(n))
    assert.deepStrictEqual(
      all.failures().map(({ at }) => at),
      Array.from({ length: mostFailures }, (_, n) => 120 - n)
    )
  })

  it("say what is known of them, and nothing that a provider wrote", () => {
    const [only] = log(failed(7, { traceId: "t", key: "k", requestId: "req_1" })).failures()
    assert.deepStrictEqual(only, {
      at: 7,
      operation: "today",
      callOutcome: "exhausted",
      outcome: "Unknown",
      reason: "503 Unavailable",
      attempts: 1,
      latencyMs: 5,
      traceId: "t",
      correlationId: "c-7",
      key: "k",
      requestId: "req_1"
    })
    const reasons = [
      failed(1, { errorType: "_OTHER", attempts: [attempt({ reason: "Failed" })] }),
      failed(1, { errorType: "timeout", attempts: [attempt({ reason: "Unavailable" })] }),
      failed(1, { errorType: undefined, attempts: [] })
    ].map((each) => log(each).failures()[0]!.reason)
    assert.deepStrictEqual(reasons, ["Failed", "timeout", "exhausted"])
  })

  it("count the attempts that were made, and not those that were turned away", () => {
    const rejected = attempt({ reason: "CircuitOpen", outcome: "NotSent" })
    const [only] = log(failed(1, { callOutcome: "rejected_breaker", attempts: [rejected] })).failures()
    assert.strictEqual(only!.attempts, 0)
  })

  it("keep no long texts of others", () => {
    const long = "x".repeat(5_000)
    const [only] = log(failed(1, { correlationId: long, key: long, requestId: long, traceId: long })).failures()
    assert.deepStrictEqual(
      [only!.correlationId, only!.key, only!.requestId, only!.traceId].map((text) => text!.length),
      [200, 200, 200, 200]
    )
  })
})

describe("CallLog", () => {
  it("forgets an integration that is gone and has no calls any more", () => {
    const all = new CallLog()
    all.record(event(1_000, 5, { integration: "a" }))
    all.record(event(1_000, 5, { integration: "b" }))
    const names = (now: number) => {
      all.forget(now, (name) => name === "b")
      return [...all.integrations.keys()]
    }
    assert.deepStrictEqual(names(121_000), ["a", "b"])
    assert.deepStrictEqual(names(121_001), ["b"])
  })
})
