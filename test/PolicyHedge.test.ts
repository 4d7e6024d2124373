import { assert, describe, it, vi } from "@effect/vitest"
import { type CallFailure, Deadline, Exhaustion, Integration, Policy, Reason } from "breakwater"
import type { Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schema, Scope, Tracer } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { HedgeState } from "../src/internal/hedge.ts"
import { Failed, failing, failureOf, quiet, say, scripted, seededly, settle, type Said } from "./properties/support.ts"

type Options = Parameters<typeof Policy.hedge>[0]

const once = Policy.stack(
  Policy.totalDeadline("60 seconds"),
  Policy.retryNever("each try is looked at"),
  Policy.attemptTimeout("20 seconds")
)

/** What the n-th request does: answers after some milliseconds, or as it is said. */
type Script = ReadonlyArray<number | Effect.Effect<unknown, Said>>

/** A read whose every call may hedge once, after 100 milliseconds, unless told otherwise. */
const hedging = (script: Script, options: Partial<Options> = {}, policy: Policy.Any = once) =>
  scripted({
    repeat: "Safe",
    policy: Policy.stack(
      policy,
      Policy.hedge({ after: 100, maxExtraLoad: options.max ?? 1, ...options })
    ) as Policy.Complete,
    send: (n) => {
      const what = script[n - 1] ?? 10
      return typeof what === "number" ? Effect.delay(Effect.succeed(n), what) : what
    }
  })

const after = <A, E>(millis: number, self: Effect.Effect<A, E>) => Effect.delay(self, millis)
const start = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })

/** A history as `number reason startedAfter+elapsed`. */
const history = (event: Telemetry.CallObserved | CallFailure.CallFailure) =>
  event.attempts.map(({ elapsed, number, reason, startedAfter }) => `${number} ${reason} ${startedAfter}+${elapsed}`)
const decisions = (event: Telemetry.CallObserved) =>
  event.decisions.map(
    ({ at, decided, leg, mode, policy }) => `${policy} ${decided}${leg === undefined ? "" : ` ${leg}`} ${mode} ${at}`
  )

describe("Policy.hedge", () => {
  it.effect("starts a second attempt when the first is slow, and gives the answer that comes first", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* hedging([5_000, 50])
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.deepStrictEqual(sent, [0, 100])
      assert.strictEqual(events[0]!.latency, 150)
      assert.deepStrictEqual(history(events[0]!), ["2 Success 100+50", "1 Interrupted 0+150"])
      assert.strictEqual(events[0]!.attempts[1]!.message, "another leg answered first")
      assert.strictEqual(events[0]!.attempts[1]!.outcome, "Unknown")
      assert.deepStrictEqual(decisions(events[0]!), ["hedge hedged 2 enforce 100", "hedge hedge_won 2 enforce 150"])
      assert.strictEqual(events[0]!.callOutcome, "ok")
      assert.strictEqual(events[0]!.outcome, "Applied")
    }).pipe(seededly(1))
  )

  it.effect("the first attempt may still win", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([120, 5_000])
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(1))
      assert.deepStrictEqual(history(events[0]!), ["1 Success 0+120", "2 Interrupted 100+20"])
      assert.deepStrictEqual(decisions(events[0]!), ["hedge hedged 2 enforce 100"])
      assert.strictEqual(events[0]!.latency, 120)
    }).pipe(seededly(1))
  )

  it.effect("does nothing while the first is fast enough, and leaves no timer that would", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* hedging([99, 99])
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(1))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(sent, [0])
      assert.deepStrictEqual(events[0]!.decisions, [])
    }).pipe(seededly(1))
  )

  it.effect("with max 2 a third attempt starts as long after the second", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* hedging([5_000, 5_000, 30, 1], { max: 2 })
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(3))
      assert.deepStrictEqual(sent, [0, 100, 200])
      assert.deepStrictEqual(decisions(events[0]!), [
        "hedge hedged 2 enforce 100",
        "hedge hedged 3 enforce 200",
        "hedge hedge_won 3 enforce 230"
      ])
      assert.deepStrictEqual(history(events[0]!).toSorted(), [
        "1 Interrupted 0+230",
        "2 Interrupted 100+130",
        "3 Success 200+30"
      ])
      const never = yield* hedging([5_000, 5_000, 5_000, 1], { max: 2 })
      assert.deepStrictEqual(yield* settle(never.call), Exit.succeed(1))
      assert.strictEqual(never.sent.length, 3)
    }).pipe(seededly(1))
  )
})

describe("what ends a hedged call", () => {
  const down = say(Reason.unavailable({ status: 503 }))
  const lost = say(Reason.disconnected())
  const gone = say(Reason.rejected({ status: 404 }))

  it.effect("a transient failure waits for the other attempt", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([after(120, down), 200])
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.deepStrictEqual(history(events[0]!), ["1 Unavailable 0+120", "2 Success 100+200"])
      // The other way round the first goes on.
      const second = yield* hedging([300, after(20, down)])
      assert.deepStrictEqual(yield* settle(second.call), Exit.succeed(1))
      assert.deepStrictEqual(
        decisions(second.events[0]!).map((text) => text.split(" ")[1]),
        ["hedged"]
      )
    }).pipe(seededly(1))
  )

  it.effect("a failure that another try would not change is the answer at once, whichever attempt met it", () =>
    Effect.gen(function* () {
      for (const [script, ends] of [
        [
          [after(120, gone), 5_000],
          ["1 Rejected 0+120", "2 Interrupted 100+20"]
        ],
        [
          [5_000, after(30, gone)],
          ["2 Rejected 100+30", "1 Interrupted 0+130"]
        ]
      ] as const) {
        const { call, events } = yield* hedging(script)
        const failure = yield* failing(call)
        assert.strictEqual(failure.reason._tag, "Rejected")
        assert.deepStrictEqual(history(events[0]!), [...ends])
        // The failure knows of the attempt that was given up for it.
        assert.deepStrictEqual(history(failure), [...ends])
        assert.strictEqual(failure.outcome, "Unknown")
      }
    }).pipe(seededly(1))
  )

  it.effect(
    "when all have failed, what tells most stands: an answer, then the network, then a rejection of our own",
    () =>
      Effect.gen(function* () {
        const cases = [
          [lost, down, "Unavailable"],
          [down, lost, "Unavailable"],
          [say(Reason.unreachable()), lost, "Unreachable"],
          [lost, say(Reason.unreachable()), "Disconnected"],
          [say(Reason.throttled({ status: 429 })), down, "Throttled"],
          [down, say(Reason.throttled({ status: 429 })), "Unavailable"],
          [lost, say({ reason: "Failed", transient: true }), "Disconnected"]
        ] as const
        for (const [first, second, stands] of cases) {
          const { call, events } = yield* hedging([after(150, first), after(200, second)])
          const failure = yield* failing(call)
          assert.strictEqual(failure.reason._tag, stands)
          assert.strictEqual(events[0]!.latency, 300)
          assert.strictEqual(failure.attempts.length, 2)
          assert.strictEqual(failure.stopped, "retries are switched off")
        }
        // A limit of time tells no more than a lost connection does.
        const cut = yield* hedging([after(150, lost), Effect.never], {}, Policy.stack(once, Policy.attemptTimeout(200)))
        const failure = yield* failing(cut.call)
        assert.strictEqual(failure.reason._tag, "Disconnected")
        assert.deepStrictEqual(history(failure), ["1 Disconnected 0+150", "2 Timeout 100+200"])
      }).pipe(seededly(1))
  )

  it.effect("a failed attempt starts no hedge early: that is what retry is for", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* hedging(
        [after(40, down), 10],
        {},
        Policy.standard({ schedule: Policy.backoff({ base: 0 }), budget: false })
      )
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.deepStrictEqual(sent, [0, 40])
      assert.deepStrictEqual(
        decisions(events[0]!).filter((text) => text.startsWith("hedge")),
        []
      )
    }).pipe(seededly(1))
  )

  /** Turns the named attempts away, after some time, where a bulkhead or a rate limit would. */
  const turnsAway = (tags: Readonly<Record<number, Reason.Tag>>, delay = 0) =>
    Policy.make({
      slot: "attempt",
      name: "turns away",
      build: () =>
        Effect.succeed((step) => (call) => {
          const tag = tags[call.attempt]
          return tag === undefined
            ? step(call)
            : after(delay, Effect.fail(Reason.make(tag, { message: `of ${call.attempt}` })))
        })
    })

  it.effect("an attempt that this process itself turned away is no answer", () =>
    Effect.gen(function* () {
      const policy = (tags: Readonly<Record<number, Reason.Tag>>, delay?: number) =>
        Policy.stack(once, turnsAway(tags, delay))
      for (const tag of ["RateLimited", "DeadlineExceeded", "KeyExpired", "CircuitOpen"] as const) {
        const { call } = yield* hedging([300], {}, policy({ 2: tag }))
        assert.deepStrictEqual(yield* settle(call), Exit.succeed(1), tag)
      }
      const first = yield* hedging([30], {}, policy({ 1: "RateLimited" }, 110))
      assert.deepStrictEqual(yield* settle(first.call), Exit.succeed(1))
      // All turned away: the first stands, whatever the other is.
      const all = yield* hedging([], {}, policy({ 1: "RateLimited", 2: "DeadlineExceeded" }, 150))
      const failure = yield* failing(all.call)
      assert.strictEqual(failure.reason._tag, "RateLimited")
      assert.deepStrictEqual(history(failure), ["1 RateLimited 0+150", "2 DeadlineExceeded 100+150"])
      // It tells less than anything else that a leg ended with.
      const both = yield* hedging([after(180, lost)], {}, policy({ 2: "RateLimited" }))
      assert.strictEqual((yield* failing(both.call)).reason._tag, "Disconnected")
    }).pipe(seededly(1))
  )

  it.effect("a hedge that was turned away is paid back", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(
        [150, 150, 150, 150, 150],
        { maxExtraLoad: 0.5 },
        Policy.stack(once, turnsAway({ 2: "RateLimited" }))
      )
      for (let n = 0; n < 3; n++) yield* settle(call)
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [1, 2, 2]
      )
    }).pipe(seededly(1))
  )

  it.effect("a hedge that was sent and failed is not", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([150, 150, after(30, down), 150, 150, 150], { maxExtraLoad: 0.5 })
      for (let n = 0; n < 4; n++) yield* settle(call)
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [1, 2, 1, 2]
      )
    }).pipe(seededly(1))
  )

  it.effect("a first attempt that was turned away pays for no hedge", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(
        Array.from({ length: 20 }, () => 150),
        { maxExtraLoad: 0.5 },
        Policy.stack(once, turnsAway({ 1: "RateLimited" }, 150))
      )
      for (let n = 0; n < 4; n++) yield* settle(Effect.exit(call))
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [1, 2, 1, 2]
      )
    }).pipe(seededly(1))
  )

  it.effect("a defect, and an attempt that interrupts itself, end the call as they do without a hedge", () =>
    Effect.gen(function* () {
      const dead = yield* hedging([5_000, after(20, Effect.die("no"))])
      assert.strictEqual((yield* failing(dead.call)).reason._tag, "Failed")
      const gone = yield* hedging([5_000, after(20, Effect.interrupt)])
      const exit = yield* settle(gone.call)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.deepStrictEqual(
        gone.events[0]!.decisions.map(({ decided }) => decided),
        ["hedged"]
      )
      assert.strictEqual(gone.events[0]!.callOutcome, "cancelled")
    }).pipe(seededly(1))
  )

  it.effect("an interruption of the caller ends all legs at once", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const running = (n: number) =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push(`released ${n}`)))
      const { call, events } = yield* hedging([running(1), running(2)])
      const fiber = yield* start(call)
      yield* TestClock.adjust(130)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log, ["released 1", "released 2"])
      assert.deepStrictEqual(history(events[0]!), ["1 Interrupted 0+130", "2 Interrupted 100+30"])
      assert.deepStrictEqual(
        new Set(events[0]!.attempts.map(({ message }) => message)),
        new Set(["given up by the caller"])
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(events.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("a deadline that cuts two legs writes both", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(once, Policy.totalDeadline("1 second"), Policy.attemptTimeout("1 second"))
      const { call, events } = yield* hedging([Effect.never, Effect.never], {}, policy)
      const failure = yield* failing(call)
      assert.strictEqual(events[0]!.latency, 1_000)
      assert.deepStrictEqual(history(failure), ["1 Timeout 0+1000", "2 Timeout 100+900"])
      assert.deepStrictEqual(
        failure.attempts.map(({ message, outcome }) => [message, outcome]),
        [1, 2].map(() => ["cut by the total deadline of 1 s", "Unknown"])
      )
    }).pipe(seededly(1))
  )

  it.effect("each leg has an attempt timeout of its own", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(once, Policy.attemptTimeout(150))
      const { call, events } = yield* hedging([Effect.never, 149], {}, policy)
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.deepStrictEqual(history(events[0]!), ["1 Timeout 0+150", "2 Success 100+149"])
    }).pipe(seededly(1))
  )

  it.effect("a backoff before the legs is counted once, at the first", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(
        [after(40, down), 5_000, 10],
        {},
        Policy.standard({ schedule: Policy.backoff({ base: 400, cap: 400 }), budget: false })
      )
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(3))
      const waited = Object.fromEntries(events[0]!.attempts.map((attempt) => [attempt.number, attempt.waited]))
      assert.isAbove(waited[2]!, 0)
      assert.strictEqual(waited[3], 0)
      assert.strictEqual(events[0]!.retryDelay, waited[2])
    }).pipe(seededly(1))
  )
})

describe("a loser that can't be interrupted", () => {
  const stubborn = (millis: number) => Effect.uninterruptible(Effect.delay(Effect.succeed("late"), millis))

  it.effect("holds the answer up for 20 milliseconds at most", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([stubborn(5_000), 50])
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.strictEqual(events[0]!.latency, 170)
      assert.deepStrictEqual(history(events[0]!), ["2 Success 100+50", "1 Interrupted 0+170"])
      assert.strictEqual(events[0]!.attempts[1]!.message, "another leg answered first; it could not be interrupted yet")
      // What it does when the call has been told of changes nothing that was told.
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(events[0]!.attempts.length, 2)
      // One that ends sooner is waited for no longer.
      const sooner = yield* hedging([stubborn(160), 50])
      yield* settle(sooner.call)
      assert.strictEqual(sooner.events[0]!.latency, 160)
      assert.deepStrictEqual(history(sooner.events[0]!), ["2 Success 100+50", "1 Interrupted 0+160"])
    }).pipe(seededly(1))
  )

  it.effect("is waited for with the others: the answer goes on when the last of them has ended", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([stubborn(210), stubborn(115), 5], { max: 2 })
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(3))
      assert.strictEqual(events[0]!.latency, 215)
      assert.deepStrictEqual(
        events[0]!.attempts.map(({ elapsed, message, number }) => [number, message, elapsed]),
        [
          [3, "answered", 5],
          [1, "another leg answered first", 210],
          [2, "another leg answered first", 115]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("costs no answer that came in time, and is not said to have been cut by a deadline", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([stubborn(5_000), 50])
      const fiber = yield* start(Deadline.within(call, 205))
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed(2))
      // It is answered at 150 and waits until 170; the next is answered at 195 and has 9 milliseconds.
      const late = yield* hedging([stubborn(5_000), 95])
      const second = yield* start(Deadline.within(late.call, 205))
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed(2))
      assert.strictEqual(late.events[0]!.latency, 204)
      assert.strictEqual(late.events[0]!.attempts[1]!.reason, "Interrupted")
      assert.strictEqual(events[0]!.latency, 170)
      // The layer waits for the losers, and nobody else moves the clock.
      yield* TestClock.adjust("1 minute")
    }).pipe(seededly(1))
  )

  it.effect("is never said not to have been sent, and has its permit until it ends", () =>
    Effect.gen(function* () {
      const held = Policy.make({
        slot: "attempt",
        name: "holds the first",
        build: () =>
          Effect.succeed(
            (step) => (call) =>
              call.attempt === 1 ? Effect.uninterruptible(Effect.delay(step(call), 5_000)) : step(call)
          )
      })
      const { call, events } = yield* hedging(
        [10],
        {},
        Policy.stack(once, held, Policy.bulkhead({ concurrency: 2, queue: 0 }))
      )
      const fiber = yield* start(call)
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(yield* Fiber.join(fiber), 1)
      assert.deepStrictEqual(events[0]!.attempts[1]!.outcome, "Unknown")
      const second = yield* start(call)
      const third = yield* Effect.exit(call)
      assert.strictEqual(failureOf(third)?.reason._tag, "BulkheadFull")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.await(second)
      assert.isTrue(Exit.isSuccess(yield* settle(call)))
    }).pipe(seededly(1))
  )

  it.effect("is known to a layer that closes: its scope ends when it has ended", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let ended = false
      const { call } = yield* Scope.provide(
        hedging([
          Effect.ensuring(
            stubborn(3_000),
            Effect.sync(() => (ended = true))
          ),
          50
        ]),
        scope
      )
      const fiber = yield* start(call)
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(yield* Fiber.join(fiber), 2)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(2_000)
      assert.isUndefined(closing.pollUnsafe())
      assert.isFalse(ended)
      yield* TestClock.adjust(800)
      assert.isTrue(ended)
      assert.isDefined(closing.pollUnsafe())
    }).pipe(seededly(1))
  )

  it.effect("is waited for when the caller gives up: nothing goes on behind the caller's back", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([stubborn(500), Effect.never])
      const fiber = yield* start(call)
      yield* TestClock.adjust(200)
      const interrupting = yield* start(Fiber.interrupt(fiber))
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(300)
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(history(events[0]!), ["2 Interrupted 100+100", "1 Interrupted 0+500"])
    }).pipe(seededly(1))
  )
})

describe("what keeps a hedge back", () => {
  const slow = Array.from({ length: 500 }, () => 150)

  it.effect("load: hedges per call, saved up to ten of them, and none given", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(slow, { maxExtraLoad: 0.25 })
      const hedged = () => events.map((event) => (event.decisions.length > 0 ? 1 : 0))
      for (let n = 0; n < 12; n++) yield* settle(call)
      assert.deepStrictEqual(hedged(), [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])
      assert.isTrue(events.every(({ callOutcome }) => callOutcome === "ok"))
    }).pipe(seededly(1))
  )

  it("load: quiet times save up ten", () => {
    const settings = {
      after: 1,
      percentile: undefined,
      minimumCalls: 1,
      floor: 1,
      initially: undefined,
      max: 1,
      maxExtraLoad: 0.1
    }
    const state = new HedgeState(settings)
    for (let n = 0; n < 9; n++) state.earn()
    assert.isFalse(state.affords)
    state.earn()
    // Ten tenths are one.
    assert.isTrue(state.affords)
    for (let n = 0; n < 10_000; n++) state.earn()
    let hedges = 0
    for (; state.affords; hedges++) state.spend()
    assert.strictEqual(hedges, 10)
    for (let n = 0; n < 20; n++) state.giveBack()
    for (hedges = 0; state.affords; hedges++) state.spend()
    assert.strictEqual(hedges, 10)
  })

  it.effect("load: what others pay later buys no hedge of a try that could not afford one", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging([450], { max: 3, maxExtraLoad: 0.5 })
      const slowly = yield* start(call)
      yield* TestClock.adjust(110)
      for (let n = 0; n < 2; n++) {
        const other = yield* start(call)
        yield* TestClock.adjust(10)
        yield* Fiber.join(other)
      }
      yield* TestClock.adjust(400)
      yield* Fiber.join(slowly)
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [1, 1, 1]
      )
    }).pipe(seededly(1))
  )

  it.effect("a retry pays nothing: a call pays once", () =>
    Effect.gen(function* () {
      const down = after(150, say(Reason.unavailable()))
      const { call, events } = yield* hedging(
        [down, down, down, down],
        { maxExtraLoad: 0.5 },
        Policy.standard({ schedule: Policy.backoff({ base: 0 }), budget: false, maxAttempts: 4 })
      )
      yield* failing(call)
      assert.strictEqual(events[0]!.attempts.length, 4)
    }).pipe(seededly(1))
  )

  it.effect("the retry budget: an exhausted one keeps the hedge back and fails no call", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(once, Policy.budget({ capacity: 10, hedgeCost: 4, transientCost: 5, refund: 0 }))
      const { call, events, sent } = yield* hedging(slow, {}, policy)
      for (let n = 0; n < 5; n++) assert.isTrue(Exit.isSuccess(yield* settle(call)))
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [2, 2, 1, 1, 1]
      )
      assert.strictEqual(sent.length, 7)
    }).pipe(seededly(1))
  )

  it.effect("the retry budget: what comes back later buys no hedge of a try that found it empty", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(once, Policy.budget({ capacity: 5, hedgeCost: 5, transientCost: 5, refund: 5 }))
      const { call, events } = yield* hedging([160, 500, Effect.never], { max: 3 }, policy)
      const first = yield* start(call)
      yield* TestClock.adjust(50)
      const second = yield* start(call)
      yield* TestClock.adjust(600)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [1, 2])
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [2, 1]
      )
    }).pipe(seededly(1))
  )

  it.effect("a layer inside that would not let it through at once", () =>
    Effect.gen(function* () {
      let clear = true
      const asked: Array<number> = []
      const gate = Policy.make({
        slot: "attempt",
        name: "gate",
        build: (site) =>
          Effect.sync(() => {
            site.clear.push((_call, now) => (asked.push(now), clear))
            return (step) => step
          })
      })
      const { call, events } = yield* hedging(slow, {}, Policy.stack(once, gate))
      yield* settle(call)
      clear = false
      yield* settle(call)
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [2, 1]
      )
      assert.strictEqual(asked[0], 100)
      assert.strictEqual(asked.length, 2)
      // It was not paid for.
      clear = true
      yield* settle(call)
      assert.strictEqual(events[2]!.attempts.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("a full bulkhead, and an open circuit", () =>
    Effect.gen(function* () {
      const full = yield* hedging(slow, {}, Policy.stack(once, Policy.bulkhead({ concurrency: 1, queue: 5 })))
      yield* settle(full.call)
      assert.strictEqual(full.sent.length, 1)
      const roomy = yield* hedging(slow, {}, Policy.stack(once, Policy.bulkhead({ concurrency: 2, queue: 5 })))
      yield* settle(roomy.call)
      assert.strictEqual(roomy.sent.length, 2)
      const down = say(Reason.unavailable())
      const open = yield* hedging(
        [5_000, after(10, down), 10],
        { max: 1 },
        Policy.stack(
          once,
          Policy.breaker({ consecutive: 1, rate: false, openFor: "10 seconds", maxOpenFor: "10 seconds" })
        )
      )
      const first = yield* start(open.call)
      yield* TestClock.adjust(50)
      // Another call opens the circuit while the first waits.
      const second = yield* start(open.call)
      yield* TestClock.adjust(20)
      yield* Fiber.await(second)
      yield* TestClock.adjust(100)
      assert.strictEqual(open.sent.length, 2)
      assert.isUndefined(first.pollUnsafe())
      yield* Fiber.interrupt(first)
    }).pipe(seededly(1))
  )

  it.effect("a layer that would not let one through is asked no more for this try", () =>
    Effect.gen(function* () {
      let asked = 0
      const gate = Policy.make({
        slot: "attempt",
        name: "gate",
        build: (site) =>
          Effect.sync(() => {
            site.clear.push(() => (asked++, false))
            return (step) => step
          })
      })
      const { call } = yield* hedging([450], { max: 3 }, Policy.stack(once, gate))
      yield* settle(call)
      assert.strictEqual(asked, 1)
    }).pipe(seededly(1))
  )

  it.effect("each layer inside must let it through, not only one of them", () =>
    Effect.gen(function* () {
      const gate = (name: string, clear: boolean) =>
        Policy.make({
          slot: "attempt",
          name,
          build: (site) =>
            Effect.sync(() => {
              site.clear.push(() => clear)
              return (step) => step
            })
        })
      const { call, sent } = yield* hedging(slow, {}, Policy.stack(once, gate("a", true), gate("b", false)))
      assert.isTrue(Exit.isSuccess(yield* settle(call)))
      assert.strictEqual(sent.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("too little time left for a second hedge, where there was enough for the first", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(
        Array.from({ length: 20 }, () => Effect.never),
        { max: 2 }
      )
      yield* settle(Effect.exit(Deadline.within(call, 300)))
      yield* settle(Effect.exit(Deadline.within(call, 301)))
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [2, 3]
      )
    }).pipe(seededly(1))
  )

  it.effect("too little time left: a hedge must have as long as the first attempt was waited for", () =>
    Effect.gen(function* () {
      const { call, events } = yield* hedging(slow)
      yield* settle(Effect.exit(Deadline.within(call, 200)))
      yield* settle(Effect.exit(Deadline.within(call, 201)))
      assert.deepStrictEqual(
        events.map(({ attempts }) => attempts.length),
        [1, 2]
      )
    }).pipe(seededly(1))
  )
})

describe("a call without the time for a hedge", () => {
  it.effect("runs as it would without the policy: its attempt is no leg", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000)
      const { call } = yield* hedging([10, 10])
      const legsWithin = (millis: number) =>
        Effect.gen(function* () {
          const spans: Array<Tracer.Span> = []
          const exit = yield* Effect.withTracer(settle(Deadline.within(call, millis)), tracerOf(spans))
          assert.isTrue(Exit.isSuccess(exit))
          return spans.slice(1).map((span) => span.attributes.get("breakwater.hedge"))
        })
      assert.deepStrictEqual(yield* legsWithin(200), [undefined])
      assert.deepStrictEqual(yield* legsWithin(201), [1])
    }).pipe(seededly(1))
  )
})

describe("modes", () => {
  it.effect("observe sends nothing and tells what it would have sent", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const { call, events, sent } = yield* hedging([450, 50], { max: 2 }, once)
      const observing = yield* scripted({
        repeat: "Safe",
        policy: Policy.withMode(
          Policy.stack(once, Policy.hedge({ after: 100, max: 2, maxExtraLoad: 2 })),
          "observe"
        ) as Policy.Complete,
        send: (n) => Effect.delay(Effect.succeed(n), 450)
      })
      yield* settle(call)
      assert.strictEqual(sent.length, 2)
      yield* Effect.withTracer(settle(observing.call), tracerOf(spans))
      assert.strictEqual(observing.sent.length, 1)
      assert.strictEqual(observing.events[0]!.latency, 450)
      assert.deepStrictEqual(
        decisions(observing.events[0]!).filter((text) => text.startsWith("hedge")),
        [100, 200].map((at) => `hedge hedged observe ${observing.events[0]!.startedAt + at}`)
      )
      assert.isTrue(spans.every((span) => !span.attributes.has("breakwater.hedge")))
      assert.strictEqual(events.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("observe leaves the retry budget whole", () =>
    Effect.gen(function* () {
      const { call, sent, events } = yield* scripted({
        repeat: "Safe",
        policy: Policy.stack(
          Policy.standard({ schedule: Policy.backoff({ base: 0 }), maxAttempts: 2, budget: false }),
          Policy.budget({ capacity: 10, hedgeCost: 10, transientCost: 10, refund: 0 }),
          Policy.withMode(Policy.hedge({ after: 100, maxExtraLoad: 1 }), "observe")
        ) as Policy.Complete,
        send: (n) => (n === 1 ? after(150, say(Reason.unavailable())) : Effect.succeed(n))
      })
      assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      assert.strictEqual(sent.length, 2)
      assert.include(decisions(events[0]!).join(), "hedge hedged observe")
    }).pipe(seededly(1))
  )

  it.effect("off stands aside", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        repeat: "Safe",
        policy: Policy.stack(
          once,
          Policy.withMode(Policy.hedge({ after: 100, maxExtraLoad: 1 }), "off")
        ) as Policy.Complete,
        send: (n) => Effect.delay(Effect.succeed(n), 450)
      })
      yield* settle(call)
      assert.strictEqual(sent.length, 1)
      assert.deepStrictEqual(events[0]!.decisions, [])
    }).pipe(seededly(1))
  )
})

const tracerOf = (spans: Array<Tracer.Span>) =>
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })

describe("where it stands", () => {
  it.effect("inside retry: each try may be hedged, and a hedge is no try", () =>
    Effect.gen(function* () {
      const down = (millis: number) => after(millis, say(Reason.unavailable()))
      const { call, events, sent } = yield* hedging(
        Array.from({ length: 20 }, () => down(150)),
        { maxExtraLoad: 1 },
        Policy.standard({ schedule: Policy.backoff({ base: 0 }), budget: false, maxAttempts: 3 })
      )
      // Saved up: one hedge for each try to come.
      for (let n = 0; n < 3; n++) yield* settle(Effect.exit(Deadline.within(call, 1)))
      const before = sent.length
      const failure = yield* failing(call)
      assert.strictEqual(failure.stopped, "attempts are spent")
      assert.strictEqual(sent.length - before, 6)
      assert.deepStrictEqual(history(events.at(-1)!), [
        "1 Unavailable 0+150",
        "2 Unavailable 100+150",
        "3 Unavailable 250+150",
        "4 Unavailable 350+150",
        "5 Unavailable 500+150",
        "6 Unavailable 600+150"
      ])
    }).pipe(seededly(1))
  )

  it.effect("outside the bulkhead and the breaker: each leg has a permit, and the breaker sees each", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const counts = Policy.make({
        slot: "attempt",
        name: "counts",
        build: () => Effect.succeed((step) => (call) => (seen.push(call.attempt), step(call)))
      })
      const down = (millis: number) => after(millis, say(Reason.unavailable()))
      const { call, events } = yield* hedging(
        [down(150), down(70), 1],
        {},
        Policy.stack(
          once,
          counts,
          Policy.breaker({ consecutive: 2, rate: false, openFor: "5 seconds" }),
          Policy.bulkhead({ concurrency: 2, queue: 0 })
        )
      )
      const fiber = yield* start(Effect.exit(call))
      yield* TestClock.adjust(120)
      const full = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(full.reason._tag, "BulkheadFull")
      yield* TestClock.adjust(100)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, [1, 2])
      // Two legs of one call were two failures in a row.
      assert.strictEqual(failureOf(yield* Effect.exit(call))!.reason._tag, "CircuitOpen")
      assert.strictEqual(events.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("each leg's span stands under the call's, and says which leg it is", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const { call } = yield* hedging([5_000, 50])
      yield* Effect.withTracer(settle(call), tracerOf(spans))
      const [whole, ...legs] = spans
      assert.deepStrictEqual(
        legs.map((span) => [
          span.kind,
          span.attributes.get("breakwater.hedge"),
          Option.getOrThrow(span.parent).spanId === whole!.spanId,
          span.status._tag === "Ended" && Exit.isSuccess(span.status.exit)
        ]),
        [
          ["client", 1, true, false],
          ["client", 2, true, true]
        ]
      )
    }).pipe(seededly(1))
  )
})

describe("the percentile", () => {
  const byPercentile = (script: (n: number) => number, options: Partial<Policy.HedgePercentile> = {}, load = 1) =>
    scripted({
      repeat: "Safe",
      policy: Policy.stack(
        once,
        Policy.hedge({ after: { percentile: 90, minimumCalls: 20, ...options }, maxExtraLoad: load })
      ) as Policy.Complete,
      send: (n) => Effect.delay(Effect.succeed(n), script(n))
    })
  const hedgedAfter = (event: Telemetry.CallObserved) => {
    const decision = event.decisions.find(({ decided }) => decided === "hedged")
    return decision === undefined ? undefined : decision.at - event.startedAt
  }
  // `settle` moves an hour of time for every call that does not end at once: the window would forget all but the last.
  const quickly = <A, E>(call: Effect.Effect<A, E>, millis: number) =>
    Effect.gen(function* () {
      const fiber = yield* start(call)
      yield* TestClock.adjust(millis)
      return yield* Fiber.await(fiber)
    })

  it.effect("hedges nothing before enough is known, then what is slower than most", () =>
    Effect.gen(function* () {
      const { call, events } = yield* byPercentile((n) => (n % 20 === 0 ? 1_000 : 10))
      for (let n = 0; n < 19; n++) yield* quickly(call, 10)
      yield* quickly(call, 1_000)
      assert.isTrue(events.every((event) => hedgedAfter(event) === undefined))
      // The twenty-first knows of twenty.
      for (let n = 0; n < 20; n++) yield* quickly(call, 1_000)
      assert.strictEqual(events.length, 40)
      assert.isTrue(events.slice(20, 39).every((event) => hedgedAfter(event) === undefined))
      assert.strictEqual(hedgedAfter(events[39]!), 11)
    }).pipe(seededly(1))
  )

  it.effect("waits as long as told while too little is known, and never shorter than the floor", () =>
    Effect.gen(function* () {
      const first = yield* byPercentile(() => 100, { initially: 30 })
      yield* quickly(first.call, 200)
      assert.strictEqual(hedgedAfter(first.events[0]!), 30)
      const floor = yield* byPercentile((n) => (n <= 20 ? 1 : 100), { floor: 40 })
      for (let n = 0; n < 20; n++) yield* quickly(floor.call, 1)
      yield* quickly(floor.call, 200)
      assert.strictEqual(hedgedAfter(floor.events[20]!), 40)
    }).pipe(seededly(1))
  )

  it.effect("learns from calls that may be hedged: from answers and losers, not from failures", () =>
    Effect.gen(function* () {
      const answers = yield* byPercentile((n) => (n <= 20 ? 10 : 200), { initially: 30 })
      for (let n = 0; n < 20; n++) yield* quickly(answers.call, 10)
      yield* quickly(answers.call, 500)
      assert.strictEqual(hedgedAfter(answers.events[20]!), 11)
      // Every first request hangs, every hedge answers in 10 milliseconds: half of what is known took 60.
      const losers = yield* byPercentile((n) => (n % 2 === 1 ? 5_000 : 10), { initially: 50 })
      for (let n = 0; n < 11; n++) yield* quickly(losers.call, 500)
      assert.isAtLeast(hedgedAfter(losers.events[10]!)!, 60)
      const failures = yield* scripted({
        repeat: "Safe",
        policy: Policy.stack(
          once,
          Policy.hedge({ after: { percentile: 90, minimumCalls: 5, initially: 30 }, maxExtraLoad: 1 })
        ) as Policy.Complete,
        send: (n) => after(n <= 10 ? 1 : 200, n <= 10 ? say(Reason.unavailable()) : Effect.succeed(n))
      })
      for (let n = 0; n < 10; n++) yield* quickly(Effect.exit(failures.call), 1)
      yield* quickly(failures.call, 500)
      assert.strictEqual(hedgedAfter(failures.events[10]!), 30)
    }).pipe(seededly(1))
  )

  it.effect("forgets what is older than a minute", () =>
    Effect.gen(function* () {
      const { call, events } = yield* byPercentile((n) => (n <= 20 ? 10 : 200))
      for (let n = 0; n < 20; n++) yield* quickly(call, 10)
      yield* TestClock.adjust("1 minute")
      yield* quickly(call, 500)
      assert.strictEqual(hedgedAfter(events[20]!), undefined)
    }).pipe(seededly(1))
  )

  it.effect("counts a loser as long as it ran: a provider that slows down is not hedged ever sooner", () =>
    Effect.gen(function* () {
      // Every first request hangs, every hedge answers in 10 milliseconds. Without the losers all answers took 10.
      const { call, events } = yield* byPercentile((n) => (n <= 20 ? 50 : n % 2 === 1 ? 5_000 : 10), { percentile: 80 })
      for (let n = 0; n < 20; n++) yield* quickly(call, 50)
      for (let n = 0; n < 100; n++) yield* quickly(call, 500)
      const last = hedgedAfter(events.at(-1)!)!
      assert.isAtLeast(last, 49)
    }).pipe(seededly(1))
  )

  it.effect("rejections and failures do not count", () =>
    Effect.gen(function* () {
      const rejecting = Policy.make({
        slot: "attempt",
        name: "rejects",
        build: () => Effect.succeed((step) => (call) => (on ? Effect.fail(Reason.make("RateLimited")) : step(call)))
      })
      let on = true
      let slow = 100
      const { call, events } = yield* scripted({
        repeat: "Safe",
        policy: Policy.stack(
          once,
          rejecting,
          Policy.hedge({ after: { percentile: 50, minimumCalls: 5 }, maxExtraLoad: 1 })
        ) as Policy.Complete,
        send: (n) => (n <= 10 ? say(Reason.unavailable()) : Effect.delay(Effect.succeed(n), slow))
      })
      for (let n = 0; n < 10; n++) yield* quickly(Effect.exit(call), 1)
      on = false
      for (let n = 0; n < 10; n++) yield* quickly(Effect.exit(call), 1)
      for (let n = 0; n < 5; n++) yield* quickly(call, 100)
      assert.isTrue(events.every((event) => hedgedAfter(event) === undefined))
      yield* quickly(call, 300)
      // It has been told of five that took 100 milliseconds, and of nothing shorter.
      assert.strictEqual(hedgedAfter(events.at(-1)!), undefined)
      slow = 300
      yield* quickly(call, 300)
      assert.approximately(hedgedAfter(events.at(-1)!)!, 101, 1)
    }).pipe(seededly(1))
  )

  it.effect("belongs to one operation", () =>
    Effect.gen(function* () {
      const { call, events, other } = yield* byPercentile((n) => (n <= 20 ? 10 : 200))
      for (let n = 0; n < 20; n++) yield* quickly(call, 10)
      yield* quickly(other, 500)
      assert.strictEqual(hedgedAfter(events.at(-1)!), undefined)
      yield* quickly(call, 500)
      assert.strictEqual(hedgedAfter(events.at(-1)!), 11)
    }).pipe(seededly(1))
  )
})

describe("its numbers", () => {
  const problemsOf = (options: Options) => Policy.hedge(options).layers[0]!.problems

  it("that make no sense are named", () => {
    assert.deepStrictEqual(problemsOf({ after: 100 }), [])
    assert.deepStrictEqual(problemsOf({ after: { percentile: 99.9 } }), [])
    assert.deepStrictEqual(problemsOf({ after: 0 }), ["the hedge's after must be longer than zero, got 0 ms"])
    assert.deepStrictEqual(problemsOf({ after: "for ever" as never }), [
      "the hedge's after is not a duration: for ever"
    ])
    for (const percentile of [0.95, 100, NaN]) {
      assert.deepStrictEqual(problemsOf({ after: { percentile } }), [
        `the hedge's percentile must be in [1, 100), got ${percentile}`
      ])
    }
    assert.deepStrictEqual(problemsOf({ after: { percentile: 90, minimumCalls: 0.5, floor: 0, initially: -1 } }), [
      "the hedge's floor must be longer than zero, got 0 ms",
      "the hedge's initially must be longer than zero, got -1 ms",
      "the hedge's minimumCalls must be an integer of at least 1, got 0.5"
    ])
    for (const max of [0, 1.5, 11]) {
      assert.deepStrictEqual(problemsOf({ after: 100, max }), [
        `the hedge's max must be an integer in [1, 10], got ${max}`
      ])
    }
    for (const maxExtraLoad of [0, -1, 1.5, NaN]) {
      assert.deepStrictEqual(problemsOf({ after: 100, maxExtraLoad }), [
        `the hedge's maxExtraLoad must be in (0, 1] (max), got ${maxExtraLoad}`
      ])
    }
  })

  it("can be replaced by name", () => {
    const fixed = Policy.hedge({ after: 100, max: 2, name: "mine" }).layers[0]!
    assert.deepStrictEqual(fixed.tunable!.settings, {
      HEDGE_AFTER: { kind: "duration", value: 100 },
      HEDGE_MAX: { kind: "integer", value: 2 },
      HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: 0.05 }
    })
    const tuned = fixed.tunable!.tune({ HEDGE_AFTER: 70, HEDGE_MAX: 3, HEDGE_MAX_EXTRA_LOAD: 0.2 })
    assert.strictEqual(tuned.describe, "up to 3 more attempts without an answer after 70 ms, at most 0.2 per call")
    assert.strictEqual(tuned.name, "mine")
    assert.strictEqual(tuned.limits.hedges, 3)
    // What is not replaced stays.
    assert.deepStrictEqual(fixed.tunable!.tune({}).tunable!.settings, fixed.tunable!.settings)
    const live = Policy.hedge({ after: { percentile: 95, initially: "1 second" } }).layers[0]!
    assert.strictEqual(
      live.describe,
      "up to 1 more attempt without an answer after as long as 95 % of the last minute's attempts took, 1 s at first, at most 0.05 per call"
    )
    const percentile = live.tunable!.tune({ HEDGE_PERCENTILE: 90, HEDGE_MINIMUM_CALLS: 50, HEDGE_FLOOR: 5 })
    assert.deepStrictEqual(percentile.tunable!.settings, {
      HEDGE_PERCENTILE: { kind: "number", value: 90 },
      HEDGE_MINIMUM_CALLS: { kind: "integer", value: 50 },
      HEDGE_FLOOR: { kind: "duration", value: 5 },
      HEDGE_INITIALLY: { kind: "duration", value: 1_000 },
      HEDGE_MAX: { kind: "integer", value: 1 },
      HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: 0.05 }
    })
  })

  it("of a percentile can each be replaced, and what is not stays", () => {
    const layer = Policy.hedge({
      after: { percentile: 95, minimumCalls: 30, floor: 7, initially: "1 second" },
      max: 3,
      maxExtraLoad: 0.5
    }).layers[0]!
    assert.deepStrictEqual(layer.tunable!.tune({}).tunable!.settings, {
      HEDGE_PERCENTILE: { kind: "number", value: 95 },
      HEDGE_MINIMUM_CALLS: { kind: "integer", value: 30 },
      HEDGE_FLOOR: { kind: "duration", value: 7 },
      HEDGE_INITIALLY: { kind: "duration", value: 1_000 },
      HEDGE_MAX: { kind: "integer", value: 3 },
      HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: 0.5 }
    })
    assert.deepStrictEqual(
      layer.tunable!.tune({ HEDGE_INITIALLY: 40, HEDGE_MAX: 2, HEDGE_MAX_EXTRA_LOAD: 0.1 }).tunable!.settings,
      {
        HEDGE_PERCENTILE: { kind: "number", value: 95 },
        HEDGE_MINIMUM_CALLS: { kind: "integer", value: 30 },
        HEDGE_FLOOR: { kind: "duration", value: 7 },
        HEDGE_INITIALLY: { kind: "duration", value: 40 },
        HEDGE_MAX: { kind: "integer", value: 2 },
        HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: 0.1 }
      }
    )
  })

  it("has a name, and numbers where none are given", () => {
    const fixed = Policy.hedge({ after: "2 seconds" }).layers[0]!
    assert.deepStrictEqual([fixed.slot, fixed.name, fixed.limits.hedges], ["hedge", "hedge", 1])
    assert.strictEqual(fixed.describe, "up to 1 more attempt without an answer after 2 s, at most 0.05 per call")
    const live = Policy.hedge({ after: { percentile: 99 } }).layers[0]!
    assert.strictEqual(
      live.describe,
      "up to 1 more attempt without an answer after as long as 99 % of the last minute's attempts took, at most 0.05 per call"
    )
    assert.deepStrictEqual(live.tunable!.settings, {
      HEDGE_PERCENTILE: { kind: "number", value: 99 },
      HEDGE_MINIMUM_CALLS: { kind: "integer", value: 100 },
      HEDGE_FLOOR: { kind: "duration", value: 1 },
      HEDGE_INITIALLY: { kind: "duration", value: undefined },
      HEDGE_MAX: { kind: "integer", value: 1 },
      HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: 0.05 }
    })
    assert.deepStrictEqual(
      Policy.hedge({ after: { percentile: 1, minimumCalls: 1 }, max: 10, maxExtraLoad: 10 }).layers[0]!.problems,
      []
    )
    assert.deepStrictEqual(Policy.hedge({ after: { percentile: 50, minimumCalls: 0 } }).layers[0]!.problems, [
      "the hedge's minimumCalls must be an integer of at least 1, got 0"
    ])
  })

  it.effect("that contradict others, and an operation that is not safe, fail the build", () =>
    Effect.gen(function* () {
      const problems = (
        options: Options,
        repeat: "Safe" | "Idempotent",
        policy: Policy.Any = Policy.stack(once, Policy.attemptTimeout("2 seconds"))
      ) =>
        Effect.map(
          Effect.exit(
            scripted({
              repeat,
              policy: Policy.stack(policy, Policy.hedge(options)) as Policy.Complete,
              send: () => Effect.succeed(1)
            })
          ),
          (exit) => {
            const error = Option.getOrUndefined(Exit.findErrorOption(exit))
            return (error as Policy.PolicyError | undefined)?.problems
          }
        )
      assert.deepStrictEqual(yield* problems({ after: "2 seconds" }, "Safe"), [
        "the hedge's delay of 2 s is not shorter than the attempt timeout of 2 s: no attempt would be hedged"
      ])
      assert.deepStrictEqual(yield* problems({ after: { percentile: 90, floor: "3 seconds" } }, "Safe"), [
        "the hedge's delay of 3 s is not shorter than the attempt timeout of 2 s: no attempt would be hedged"
      ])
      assert.deepStrictEqual(yield* problems({ after: 2_001 }, "Safe"), [
        "the hedge's delay of 2001 ms is not shorter than the attempt timeout of 2000 ms: no attempt would be hedged"
      ])
      assert.isUndefined(yield* problems({ after: 1_999 }, "Safe"))
      const short = Policy.stack(once, Policy.totalDeadline("2 seconds"), Policy.attemptTimeout("2 seconds"))
      assert.deepStrictEqual(yield* problems({ after: "1 second" }, "Safe", short), [
        "the hedge's delay of 1 s leaves no more than that of the total deadline of 2 s: no attempt would be hedged"
      ])
      assert.isUndefined(yield* problems({ after: 999 }, "Safe", short))
      assert.deepStrictEqual(yield* problems({ after: 100 }, "Idempotent"), [
        "a hedge may send twice at once, and send is not safe: only a safe operation can have it"
      ])
    }).pipe(seededly(1))
  )
})

// The live clock takes another way than TestClock: a timer of Node's instead of a sleeping fiber.
describe("on the live clock", () => {
  it.live("hedges when its timer says so, and leaves none behind", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] })),
      () =>
        Effect.gen(function* () {
          const advance = (millis: number) =>
            Effect.promise(() => vi.advanceTimersByTimeAsync(millis).then(() => undefined))
          const { call, events, sent } = yield* hedging([20, 5_000, 50, Effect.never, Effect.never])
          const idle = vi.getTimerCount()
          const ended = (fiber: Fiber.Fiber<unknown, unknown>) =>
            assert.strictEqual(vi.getTimerCount(), idle, String(fiber.pollUnsafe()?._tag))
          const fast = yield* start(call)
          yield* advance(20)
          assert.strictEqual(yield* Fiber.join(fast), 1)
          ended(fast)
          const slow = yield* start(call)
          yield* advance(99)
          assert.strictEqual(sent.length, 2)
          yield* advance(1)
          assert.strictEqual(sent.length, 3)
          yield* advance(50)
          assert.strictEqual(yield* Fiber.join(slow), 3)
          ended(slow)
          assert.strictEqual(events[1]!.latency, 150)
          for (const after of [50, 150]) {
            const given = yield* start(call)
            yield* advance(after)
            yield* Fiber.interrupt(given)
            ended(given)
          }
        }),
      () => Effect.sync(() => vi.useRealTimers())
    ).pipe(Effect.scoped, seededly(1))
  )
})

describe("on the live clock, what is not hedged", () => {
  it.live("while too little is known of the latencies nothing is, however long it takes", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] })),
      () =>
        Effect.gen(function* () {
          const { call, sent } = yield* hedging([500], { after: { percentile: 90, minimumCalls: 20 } })
          const fiber = yield* start(call)
          yield* Effect.promise(() => vi.advanceTimersByTimeAsync(500).then(() => undefined))
          assert.strictEqual(yield* Fiber.join(fiber), 1)
          assert.strictEqual(sent.length, 1)
        }),
      () => Effect.sync(() => vi.useRealTimers())
    ).pipe(Effect.scoped, seededly(1))
  )
})

describe("on the live clock, what ends early", () => {
  it.live("an answer within a turn, and a loser that ends while it is waited for, leave no timer behind", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] })),
      () =>
        Effect.gen(function* () {
          const advance = (millis: number) =>
            Effect.promise(() => vi.advanceTimersByTimeAsync(millis).then(() => undefined))
          const stubborn = Effect.uninterruptible(Effect.delay(Effect.succeed("late"), 110))
          const script: Script = [
            Effect.succeed("at once"),
            5_000,
            Effect.succeed("hedge"),
            stubborn,
            Effect.succeed("x")
          ]
          const { call, events, sent } = yield* hedging(script, { max: 2 })
          const idle = vi.getTimerCount()
          assert.strictEqual(yield* call, "at once")
          assert.strictEqual(vi.getTimerCount(), idle)
          const hedged = yield* start(call)
          yield* advance(100)
          assert.strictEqual(yield* Fiber.join(hedged), "hedge")
          assert.strictEqual(vi.getTimerCount(), idle)
          const waited = yield* start(call)
          yield* advance(100)
          assert.isUndefined(waited.pollUnsafe())
          yield* advance(10)
          assert.strictEqual(yield* Fiber.join(waited), "x")
          assert.strictEqual(events[2]!.latency, 110)
          assert.strictEqual(vi.getTimerCount(), idle)
          assert.strictEqual(sent.length, 5)
        }),
      () => Effect.sync(() => vi.useRealTimers())
    ).pipe(Effect.scoped, seededly(1))
  )
})

describe("over HTTP", () => {
  const Thing = Schema.Struct({ id: Schema.String })
  class Api extends HttpApi.make("api").add(
    HttpApiGroup.make("things").add(HttpApiEndpoint.get("get", "/things", { success: Thing }))
  ) {}
  class Things extends Integration.Service<Things>()(
    "test/Things",
    {
      policy: Policy.stack(Policy.standard(), Policy.hedge({ after: 30, maxExtraLoad: 1 })),
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ failure })
    },
    { get: HttpOperation.endpoint(Api, "things", "get") }
  ) {}

  it.live("the loser's request is aborted on the wire: its socket is closed", () =>
    Effect.gen(function* () {
      let requests = 0
      const closed: Array<number> = []
      let onClose: () => void = () => {}
      const aborted = new Promise<void>((resolve) => (onClose = resolve))
      const server = createServer((request, response) => {
        const n = ++requests
        response.on("close", () => {
          if (response.writableEnded) return
          closed.push(n)
          onClose()
        })
        // The first request is never answered: only its caller can end it.
        if (n > 1) response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id: `t-${n}` }))
        request.resume()
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
        () =>
          Effect.promise(() => {
            server.closeAllConnections()
            return new Promise((resolve) => server.close(resolve))
          })
      )
      const { port } = server.address() as AddressInfo
      const context = yield* Layer.build(
        HttpIntegration.layer(Things, { baseUrl: `http://127.0.0.1:${port}` }).pipe(
          Layer.provide(FetchHttpClient.layer)
        )
      )
      assert.deepStrictEqual(yield* Context.get(context, Things).get(), { id: "t-2" })
      yield* Effect.promise(() => aborted)
      assert.deepStrictEqual([requests, closed], [2, [1]])
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )
})
