import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failing, failureOf, say, scripted, type ScriptedOptions, seededly, settle } from "./properties/support.ts"

const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

/** One attempt per call behind a breaker, and a provider that a test switches. */
const breaking = (
  options: Parameters<typeof Policy.breaker>[0],
  send: ScriptedOptions["send"],
  policy: Policy.Complete = once
) => scripted({ policy: Policy.stack(policy, Policy.breaker(options)), send })

const down = () => say(Reason.unavailable())
const up = () => Effect.succeed("ok")

/** The reason's tag of a failed call, `ok` for a success. */
const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? "ok"

const callTimes = (call: Effect.Effect<unknown, unknown>, times: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: times }), () => Effect.exit(call)),
    (exits) => exits.map(tagOf)
  )

describe("Policy.breaker", () => {
  it.effect("opens after 5 failures in a row, and then turns attempts away without sending", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* breaking(undefined, down)
      assert.deepStrictEqual(yield* callTimes(call, 5), Array(5).fill("Unavailable"))
      assert.deepStrictEqual(yield* callTimes(call, 3), Array(3).fill("CircuitOpen"))
      assert.strictEqual(sent.length, 5)
      const failure = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(failure.outcome, "NotSent")
      assert.match(failure.reason.message, /^the circuit test\/Scripted is open for another \d+ ms$/)
      assert.isDefined(failure.retryAfter)
      assert.strictEqual(events.at(-1)!.callOutcome, "rejected_breaker")
    }).pipe(seededly(1))
  )

  it.effect("a success in between starts the count again", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking({ rate: false }, (n) => (n % 5 === 0 ? up() : down()))
      yield* callTimes(call, 20)
      assert.strictEqual(sent.length, 20)
    }).pipe(seededly(1))
  )

  it.effect("opens when half of the last 20 failed, and not before there were 20", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking(undefined, (n) => (n % 2 === 0 ? down() : up()))
      yield* callTimes(call, 25)
      assert.strictEqual(sent.length, 20)
    }).pipe(seededly(1))
  )

  it.effect("`rate` and `minimumCalls` are taken as given", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking(
        { consecutive: 100, rate: { threshold: 1, size: 10, minimumCalls: 3 } },
        down
      )
      yield* callTimes(call, 10)
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("sees every attempt of one call, since it stands inside retry", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* breaking(
        { consecutive: 3 },
        down,
        Policy.standard({ maxAttempts: 5, schedule: Policy.backoff({ base: 1 }) })
      )
      yield* failing(call)
      // The rejection says how long the circuit is open, so the last attempt comes as its probe.
      assert.deepStrictEqual(
        events[0]!.attempts.map(({ reason }) => reason),
        ["Unavailable", "Unavailable", "Unavailable", "CircuitOpen", "Unavailable"]
      )
      assert.strictEqual(sent.length, 4)
      assert.isAtLeast(sent[3]! - sent[2]!, 500)
    }).pipe(seededly(1))
  )

  it.effect("an open circuit does not turn what may have happened into what did not", () =>
    Effect.gen(function* () {
      const { call, events } = yield* breaking(
        { consecutive: 2, openFor: "5 seconds" },
        down,
        Policy.standard({ maxAttempts: 3, schedule: Policy.backoff({ base: 1 }) })
      )
      const failure = yield* failing(call)
      assert.strictEqual(failure.reason._tag, "CircuitOpen")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(events[0]!.outcome, "Unknown")
    }).pipe(seededly(1))
  )

  it.effect("lets one probe through when its time is up; a success closes it", () =>
    Effect.gen(function* () {
      let healthy = false
      const { call, sent } = yield* breaking({ consecutive: 1 }, () =>
        healthy ? Effect.delay(up(), "2 seconds") : down()
      )
      yield* callTimes(call, 1)
      healthy = true
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(call, { startImmediately: true })
      const second = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(second.reason._tag, "CircuitOpen")
      assert.strictEqual(second.reason.message, "the circuit test/Scripted is half-open and probing")
      assert.strictEqual(sent.length, 2)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(probe)))
      assert.strictEqual(tagOf(yield* settle(call)), "ok")
    }).pipe(seededly(1))
  )

  it.effect.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "stays open for half to all of 1, 2, 4, 5, 5 … seconds while probes fail (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const { call, sent } = yield* breaking({ consecutive: 1 }, down)
        for (const open of [1_000, 2_000, 4_000, 5_000, 5_000]) {
          yield* Effect.exit(call)
          const count = sent.length
          yield* TestClock.adjust(open / 2 - 1)
          assert.strictEqual(failureOf(yield* Effect.exit(call))!.reason._tag, "CircuitOpen", `at ${open / 2}`)
          assert.strictEqual(sent.length, count)
          yield* TestClock.adjust(open / 2 + 1)
        }
        yield* Effect.exit(call)
        assert.strictEqual(sent.length, 6)
      }).pipe(seededly(seed))
  )

  it.effect("being throttled is no failure: it neither opens nor starts the count again", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking({ rate: false }, (n) => (n <= 20 ? say(Reason.throttled()) : down()))
      yield* callTimes(call, 20)
      assert.strictEqual(sent.length, 20)
      yield* callTimes(call, 10)
      assert.strictEqual(sent.length, 25)
      // Between failures it changes nothing: four, a 429, and the fifth opens it.
      const other = yield* breaking({ rate: false }, (n) => (n === 5 ? say(Reason.throttled()) : down()))
      yield* callTimes(other.call, 10)
      assert.strictEqual(other.sent.length, 6)
    }).pipe(seededly(1))
  )

  it.effect.each([Reason.throttled, Reason.notProcessed])(
    "a probe that is throttled finds the provider alive",
    (verdict) =>
      Effect.gen(function* () {
        const { call, sent } = yield* breaking({ consecutive: 1 }, (n) =>
          n === 1 ? down() : n === 2 ? say(verdict()) : Effect.delay(up(), "1 second")
        )
        yield* Effect.exit(call)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(failureOf(yield* Effect.exit(call))!.outcome, "Refused")
        // The circuit has closed: more than one gets through at once.
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(call, { startImmediately: true }))
        assert.strictEqual(sent.length, 5)
        yield* TestClock.adjust("1 second")
        for (const fiber of fibers) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      }).pipe(seededly(1))
  )

  it.effect.each([
    ["Rejected", Reason.rejected, false],
    ["InProgress", Reason.inProgress, false],
    ["KeyConflict", Reason.keyConflict, false],
    ["Unavailable", Reason.unavailable, true],
    ["Unreachable", Reason.unreachable, true],
    ["Failed", Reason.failed, true]
  ] as const)("counts %s as the outcome table says", ([, verdict, opens]) =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking({ consecutive: 2 }, () => say(verdict()))
      yield* callTimes(call, 6)
      assert.strictEqual(sent.length, opens ? 2 : 6)
    }).pipe(seededly(1))
  )

  it.effect("local rejections inside it are ignored, and hand a probe back", () =>
    Effect.gen(function* () {
      let mode: "slow" | "down" | "up" = "slow"
      const { call, sent } = yield* scripted({
        policy: Policy.stack(once, Policy.breaker({ consecutive: 2 }), Policy.bulkhead({ concurrency: 1, queue: 0 })),
        send: () => (mode === "slow" ? Effect.delay(up(), "5 seconds") : mode === "down" ? down() : up())
      })
      const holder = yield* Effect.forkChild(call, { startImmediately: true })
      assert.deepStrictEqual(yield* callTimes(call, 10), Array(10).fill("BulkheadFull"))
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(holder)))
      mode = "down"
      yield* callTimes(call, 2)
      yield* TestClock.adjust("1 second")
      // The probe takes the permit; while it runs, the circuit is what turns others away.
      mode = "slow"
      const probe = yield* Effect.forkChild(call, { startImmediately: true })
      assert.deepStrictEqual(yield* callTimes(call, 2), ["CircuitOpen", "CircuitOpen"])
      yield* Fiber.interrupt(probe)
      mode = "up"
      assert.deepStrictEqual(yield* callTimes(call, 2), ["ok", "ok"])
      assert.strictEqual(sent.length, 6)
    }).pipe(seededly(1))
  )

  it.effect("a timeout counts if the attempt had its full limit, and not if the total deadline cut it short", () =>
    Effect.gen(function* () {
      const full = yield* breaking({ consecutive: 2 }, () => Effect.never)
      for (let n = 0; n < 2; n++) {
        const fiber = yield* Effect.forkChild(full.call, { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "Timeout")
      }
      assert.deepStrictEqual(yield* callTimes(full.call, 1), ["CircuitOpen"])

      const cut = yield* breaking(
        { consecutive: 2, openFor: "5 seconds" },
        (n) => (n % 2 === 1 ? Effect.delay(say(Reason.throttled()), "900 millis") : Effect.never),
        Policy.standard({
          attemptTimeout: "1 second",
          totalDeadline: "1500 millis",
          maxAttempts: 2,
          schedule: Policy.backoff({ throttledBase: 1 })
        })
      )
      for (let n = 0; n < 4; n++) {
        const fiber = yield* Effect.forkChild(cut.call, { startImmediately: true })
        yield* TestClock.adjust("1500 millis")
        const failure = failureOf(yield* Fiber.await(fiber))!
        assert.strictEqual(failure.reason._tag, "Timeout")
        assert.strictEqual(failure.outcome, "Unknown")
      }
      assert.strictEqual(cut.sent.length, 8)
    }).pipe(seededly(1))
  )

  it.effect("a timeout counts where the total deadline is no longer than the attempt's limit", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking(
        { consecutive: 2, openFor: "5 seconds" },
        () => Effect.never,
        Policy.stack(
          Policy.totalDeadline("2 seconds"),
          Policy.retryNever("one attempt has all the time there is"),
          Policy.attemptTimeout("2 seconds")
        )
      )
      for (let n = 0; n < 2; n++) {
        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "Timeout")
      }
      assert.deepStrictEqual(yield* callTimes(call, 1), ["CircuitOpen"])
      assert.strictEqual(sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("a hint is taken up to the own open time, never longer", () =>
    Effect.gen(function* () {
      for (const [hint, open] of [
        ["1 hour", 1_000],
        ["1 second", 1_000],
        ["999 millis", 999]
      ] as const) {
        const { call, sent } = yield* breaking({ consecutive: 1 }, () =>
          say(Reason.unavailable({ retryAfter: Duration.fromInputUnsafe(hint) }))
        )
        yield* Effect.exit(call)
        yield* TestClock.adjust(open - 1)
        yield* Effect.exit(call)
        assert.strictEqual(sent.length, 1, `${hint}: still open`)
        yield* TestClock.adjust(1)
        yield* Effect.exit(call)
        assert.strictEqual(sent.length, 2, `${hint}: open for ${open} ms`)
      }
    }).pipe(seededly(0))
  )

  it.effect.each([0, 1, 2, 3])(
    "says how long it is open in whole milliseconds, and a probe gets through then and not before (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const { call, sent } = yield* breaking({ consecutive: 1 }, down)
        yield* Effect.exit(call)
        // A clock that stands between two milliseconds, as after a backoff with jitter.
        yield* TestClock.adjust(0.25)
        const left = Duration.toMillis(failureOf(yield* Effect.exit(call))!.retryAfter!)
        assert.isTrue(Number.isInteger(left), String(left))
        yield* TestClock.adjust(left - 1)
        yield* Effect.exit(call)
        assert.strictEqual(sent.length, 1)
        yield* TestClock.adjust(1)
        yield* Effect.exit(call)
        assert.strictEqual(sent.length, 2)
      }).pipe(seededly(seed))
  )

  it.effect("an attempt that its caller gave up is ignored", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* breaking({ consecutive: 1 }, () => Effect.never)
      for (let n = 0; n < 3; n++) {
        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("attempts that were admitted before it opened say nothing about the circuit that closed again", () =>
    Effect.gen(function* () {
      let phase: "slow" | "down" | "up" = "slow"
      const { call, sent } = yield* breaking({ rate: false }, () =>
        phase === "slow" ? Effect.delay(down(), "8 seconds") : phase === "down" ? down() : up()
      )
      // Four that take long, then five that open the circuit, then a probe that closes it.
      const slow = yield* Effect.forEach(Array.from({ length: 4 }), () =>
        Effect.forkChild(call, { startImmediately: true })
      )
      phase = "down"
      yield* callTimes(call, 5)
      yield* TestClock.adjust("1 second")
      phase = "up"
      assert.deepStrictEqual(yield* callTimes(call, 1), ["ok"])
      // Now the four end, as failures of a time that is over.
      yield* TestClock.adjust("10 seconds")
      for (const fiber of slow) yield* Fiber.await(fiber)
      phase = "down"
      assert.deepStrictEqual(yield* callTimes(call, 6), [...Array(5).fill("Unavailable"), "CircuitOpen"])
      assert.strictEqual(sent.length, 4 + 5 + 1 + 5)
    }).pipe(seededly(1))
  )

  it.effect("failures more than an hour apart are no streak", () =>
    Effect.gen(function* () {
      const { call } = yield* breaking({ consecutive: 3, rate: false }, down)
      for (let n = 0; n < 4; n++) {
        yield* Effect.exit(call)
        yield* TestClock.adjust("61 minutes")
      }
      assert.deepStrictEqual(yield* callTimes(call, 4), ["Unavailable", "Unavailable", "Unavailable", "CircuitOpen"])
    }).pipe(seededly(1))
  )

  it.effect("`key` splits it", () =>
    Effect.gen(function* () {
      let tenant = "a"
      const { call, sent } = yield* breaking({ consecutive: 1, key: () => tenant }, () =>
        tenant === "a" ? down() : up()
      )
      assert.deepStrictEqual(yield* callTimes(call, 2), ["Unavailable", "CircuitOpen"])
      tenant = "b"
      assert.deepStrictEqual(yield* callTimes(call, 2), ["ok", "ok"])
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("operations share it, and two layers share nothing", () =>
    Effect.gen(function* () {
      const options: ScriptedOptions = {
        policy: once,
        shared: Policy.shared({ breaker: Policy.breaker({ consecutive: 1 }) }),
        send: down
      }
      const first = yield* scripted(options)
      const second = yield* scripted(options)
      yield* Effect.exit(first.call)
      assert.deepStrictEqual(yield* callTimes(first.other, 1), ["CircuitOpen"])
      assert.deepStrictEqual(yield* callTimes(second.other, 1), ["Unavailable"])
    }).pipe(seededly(1))
  )
})
