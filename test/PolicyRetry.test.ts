import { assert, describe, it } from "@effect/vitest"
import { CallFailure, Policy, Reason } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import { Cause, Clock, Duration, Effect, Exit, Option, Schedule, Tracer } from "effect"
import { TestClock } from "effect/testing"
import type { Site } from "../src/Call.ts"
import { siteAlone } from "../src/internal/alone.ts"
import { boundary } from "../src/internal/boundary.ts"
import { CallRecord } from "../src/internal/call.ts"
import { Current } from "../src/internal/nesting.ts"
import { retrying as loop } from "../src/internal/retrying.ts"
import {
  between,
  callOf,
  failing,
  type Name,
  oneOf,
  say,
  scripted,
  type ScriptedOptions,
  seed,
  seededly,
  settle,
  tries,
  world
} from "./properties/support.ts"

const retrying = (
  options: Parameters<typeof Policy.standard>[0],
  send: ScriptedOptions["send"],
  repeat: ScriptedOptions["repeat"] = "Idempotent"
) => scripted({ policy: Policy.standard(options), send, repeat })

const spaced = (delay: Duration.Input) => Schedule.spaced(delay) as Schedule.Schedule<unknown, CallFailure.CallFailure>
const hinted = (verdict: (details: Reason.Details) => Reason.Verdict, hint: Duration.Input) =>
  say(verdict({ retryAfter: Duration.fromInputUnsafe(hint) }))

describe("Policy.retry", () => {
  describe("Retry-After", () => {
    const overHttp = (retryAfter: string | number, name: Name = "charge", status = 503) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults: [FaultInjection.status(status, { retryAfter })],
          policy: Policy.standard({ schedule: spaced("1 second") })
        })
        const exit = yield* settle(callOf(acme, name))
        return { exit, event: events[0]!, at: provider.requests.map((request) => request.at) }
      })

    it.effect.each([
      ["seconds", "3", 3_000],
      ["a fraction of a second", "2.5", 2_500],
      ["an HTTP date", "Thu, 01 Jan 1970 00:00:04 GMT", 4_000],
      ["a hint shorter than the delay", "0", 1_000],
      ["a date in the past", "Wed, 31 Dec 1969 23:00:00 GMT", 1_000],
      ["nonsense", "soon", 1_000],
      ["a negative number", "-5", 1_000],
      ["a number of another notation", "1e3", 1_000],
      ["exactly the delay and 5 seconds", "6", 6_000]
    ] as const)("waits for the longer of delay and hint: %s", ([, value, at]) =>
      Effect.gen(function* () {
        const done = yield* overHttp(value)
        assert.deepStrictEqual(done.at, [0, at])
        assert.isTrue(Exit.isSuccess(done.exit))
      }).pipe(seededly(1))
    )

    it.effect("ends the call at once where it is longer than the delay by more than 5 seconds, and carries it", () =>
      Effect.gen(function* () {
        const { call, events, sent } = yield* retrying({ schedule: spaced("1 second") }, () =>
          hinted(Reason.unavailable, 6_001)
        )
        const failure = yield* failing(call)
        assert.strictEqual(sent.length, 1)
        assert.strictEqual(events[0]!.latency, 0)
        assert.strictEqual(failure.stopped, "the provider asked to wait longer than the policy waits")
        assert.deepStrictEqual(failure.retryAfter, Duration.millis(6_001))
        assert.include(failure.message, "(asked to wait 6001 ms)")
      }).pipe(seededly(1))
    )

    it.effect("a day is a day: it is not slept through, and not ignored", () =>
      Effect.gen(function* () {
        const done = yield* overHttp(86_400, "charge", 429)
        assert.deepStrictEqual(done.at, [0])
        assert.strictEqual(done.event.latency, 0)
        assert.strictEqual(done.event.outcome, "Refused")
      }).pipe(seededly(1))
    )

    it.effect("ends the call where it lies beyond the total deadline", () =>
      Effect.gen(function* () {
        const { call, events, sent } = yield* retrying(
          { schedule: spaced("1 second"), totalDeadline: "4 seconds", attemptTimeout: "1 second" },
          () => hinted(Reason.throttled, "4 seconds")
        )
        const failure = yield* failing(call)
        assert.strictEqual(sent.length, 1)
        assert.strictEqual(events[0]!.latency, 0)
        assert.strictEqual(failure.stopped, "no time is left for another attempt")
        assert.deepStrictEqual(failure.retryAfter, Duration.seconds(4))
        assert.strictEqual(failure.outcome, "Refused")
      }).pipe(seededly(1))
    )

    it.effect.prop(
      "is never undercut, whatever the jitter",
      { seed, hint: between(0, 7_000), base: between(1, 4_000), throttled: oneOf([true, false]) },
      ({ base, hint, seed, throttled }) =>
        Effect.gen(function* () {
          const { call, sent } = yield* retrying({ schedule: Policy.backoff({ base, throttledBase: base }) }, (n) =>
            n === 1 ? hinted(throttled ? Reason.throttled : Reason.unavailable, hint) : Effect.succeed("ok")
          )
          yield* settle(call)
          if (sent.length > 1) assert.isAtLeast(sent[1]!, hint - 1e-6)
          else assert.isAbove(hint, 5_000)
        }).pipe(seededly(seed)),
      tries(60)
    )
  })

  describe("backoff", () => {
    it.effect.prop(
      "the n-th delay is a part of min(cap, base · 2ⁿ), by kind of failure",
      {
        seed,
        base: between(1, 500),
        throttledBase: between(1, 5_000),
        cap: between(1, 20_000),
        throttled: oneOf([true, false])
      },
      ({ base, cap, seed, throttled, throttledBase }) =>
        Effect.gen(function* () {
          const { call, events } = yield* retrying(
            { maxAttempts: 6, totalDeadline: "10 minutes", schedule: Policy.backoff({ base, throttledBase, cap }) },
            () => say(throttled ? Reason.throttled() : Reason.unavailable())
          )
          yield* failing(call)
          const [first, ...waits] = events[0]!.attempts.map(({ waited }) => waited)
          assert.strictEqual(first, 0)
          assert.strictEqual(waits.length, 5)
          for (const [n, wait] of waits.entries()) {
            assert.isAtLeast(wait, 0)
            assert.isBelow(wait, Math.min(cap, (throttled ? throttledBase : base) * 2 ** n))
          }
          assert.approximately(
            events[0]!.retryDelay,
            waits.reduce((sum, wait) => sum + wait, 0),
            1e-6
          )
        }).pipe(seededly(seed)),
      tries(80)
    )

    it.effect("fills that range: full jitter, not a part of it", () =>
      Effect.gen(function* () {
        const waits: Array<number> = []
        for (let seed = 0; seed < 300; seed++) {
          const { call, events } = yield* retrying({ maxAttempts: 2, schedule: Policy.backoff({ base: 1_000 }) }, () =>
            say(Reason.unavailable())
          )
          yield* failing(call).pipe(seededly(seed))
          waits.push(events[0]!.retryDelay)
        }
        assert.isBelow(Math.min(...waits), 30)
        assert.isAbove(Math.max(...waits), 970)
        assert.approximately(waits.reduce((sum, wait) => sum + wait, 0) / waits.length, 500, 60)
      })
    )

    it.effect("is 50 ms and 1 s by default, and starts anew for each call", () =>
      Effect.gen(function* () {
        for (const [verdict, base] of [
          [Reason.unavailable(), 50],
          [Reason.throttled(), 1_000]
        ] as const) {
          const { call, events } = yield* retrying({ maxAttempts: 3, budget: false }, () => say(verdict))
          for (let n = 0; n < 30; n++) yield* failing(call)
          const firsts = events.map((event) => event.attempts[1]!.waited)
          assert.isBelow(Math.max(...firsts), base)
          assert.isAbove(Math.max(...firsts), base * 0.8)
          assert.isAbove(Math.max(...events.map((event) => event.attempts[2]!.waited)), base)
        }
      }).pipe(seededly(5))
    )
  })

  describe("any schedule", () => {
    it.effect.each([
      ["spaced", spaced("2 seconds"), [0, 2_000, 4_000, 6_000]],
      ["exponential", Schedule.exponential("1 second"), [0, 1_000, 3_000, 7_000]],
      ["without a delay", Schedule.forever, [0, 0, 0, 0]],
      ["that ends", Schedule.recurs(2), [0, 0, 0]],
      ["fibonacci", Schedule.fibonacci("1 second"), [0, 1_000, 2_000, 4_000]]
    ] as ReadonlyArray<readonly [string, Schedule.Schedule<unknown, CallFailure.CallFailure>, ReadonlyArray<number>]>)(
      "%s",
      ([, schedule, at]) =>
        Effect.gen(function* () {
          const { call, sent } = yield* retrying({ maxAttempts: 4, schedule }, () => say(Reason.unavailable()))
          yield* failing(call)
          assert.deepStrictEqual(sent, at)
          // The next call starts the schedule from its beginning.
          const first = sent.length
          yield* failing(call)
          assert.deepStrictEqual(
            sent.slice(first).map((time) => time - sent[first]!),
            at
          )
        }).pipe(seededly(1))
    )

    it.effect("sees each failure", () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const schedule = Schedule.fromStep(
          Effect.succeed((_now: number, failure: CallFailure.CallFailure) =>
            Effect.sync((): [string, Duration.Duration] => {
              seen.push(`${failure.reason._tag} ${failure.outcome} ${failure.attempts.length}`)
              return ["", Duration.millis(10)]
            })
          )
        )
        const { call } = yield* retrying({ schedule }, (n) =>
          say(n === 1 ? Reason.throttled() : n === 2 ? Reason.unavailable() : Reason.rejected())
        )
        yield* failing(call)
        assert.deepStrictEqual(seen, ["Throttled Refused 1", "Unavailable Unknown 2"])
      }).pipe(seededly(1))
    )
  })

  describe("says why it stopped", () => {
    const cases: ReadonlyArray<
      readonly [
        stopped: CallFailure.Stopped,
        sent: number,
        options: Parameters<typeof Policy.standard>[0],
        send: ScriptedOptions["send"],
        repeat?: ScriptedOptions["repeat"]
      ]
    > = [
      ["not transient", 1, {}, () => say(Reason.rejected())],
      ["not transient", 1, {}, () => say(Reason.keyConflict())],
      ["not transient", 1, {}, () => say(Reason.failed())],
      ["not transient", 1, {}, () => Effect.succeed({ not: undefined } as never)],
      ["a repeat is not safe", 1, {}, () => say(Reason.unavailable()), "AtMostOnce"],
      ["a repeat is not safe", 1, {}, () => Effect.never, "AtMostOnce"],
      ["a repeat is not safe", 2, {}, (n) => say(n === 1 ? Reason.throttled() : Reason.unavailable()), "AtMostOnce"],
      ["attempts are spent", 3, {}, () => say(Reason.unavailable())],
      ["attempts are spent", 1, { maxAttempts: 1 }, () => say(Reason.unavailable())],
      ["attempts are spent", 3, {}, () => say(Reason.throttled()), "AtMostOnce"],
      ["attempts are spent", 3, {}, () => say(Reason.unreachable()), "AtMostOnce"],
      ["the schedule ended", 2, { schedule: Schedule.recurs(1) }, () => say(Reason.unavailable())],
      [
        "the provider asked to wait longer than the policy waits",
        1,
        { schedule: Schedule.forever },
        () => hinted(Reason.unavailable, "5001 millis")
      ],
      ["no time is left for another attempt", 1, { schedule: spaced("30 seconds") }, () => say(Reason.unavailable())]
    ]
    for (const [stopped, times, options, send, repeat] of cases) {
      it.effect(`${stopped} (${repeat ?? "Idempotent"}, ${times})`, () =>
        Effect.gen(function* () {
          const { call, sent } = yield* retrying({ attemptTimeout: "1 second", ...options }, send, repeat)
          const failure = yield* failing(call)
          assert.strictEqual(failure.stopped, stopped)
          assert.strictEqual(sent.length, times)
          assert.include(failure.message, `not repeated   ${stopped}`)
        }).pipe(seededly(1))
      )
    }

    it.effect("retries are switched off", () =>
      Effect.gen(function* () {
        const { call, sent } = yield* scripted({
          policy: Policy.stack(
            Policy.totalDeadline("9 seconds"),
            Policy.retryNever("slow and dear"),
            Policy.attemptTimeout("8 seconds")
          ),
          send: () => say(Reason.throttled())
        })
        const failure = yield* failing(call)
        assert.strictEqual(failure.stopped, "retries are switched off")
        assert.strictEqual(sent.length, 1)
      }).pipe(seededly(1))
    )
  })

  it.effect("at most once: goes on while nothing happened, and stops with the first doubt", () =>
    Effect.gen(function* () {
      const ends = [Reason.unreachable(), Reason.throttled(), Reason.notProcessed(), Reason.unavailable()]
      const { call, sent } = yield* retrying({ maxAttempts: 9 }, (n) => say(ends[n - 1]!), "AtMostOnce")
      const failure = yield* failing(call)
      assert.strictEqual(sent.length, 4)
      assert.strictEqual(failure.outcome, "Unknown")
      assert.deepStrictEqual(
        failure.attempts.map(({ outcome }) => outcome),
        ["NotSent", "Refused", "Refused", "Unknown"]
      )
    }).pipe(seededly(1))
  )

  describe("modes", () => {
    const inMode = (
      mode: Policy.Mode,
      send: ScriptedOptions["send"],
      budget: { readonly capacity: number } | false = false
    ) =>
      scripted({
        policy: Policy.stack(Policy.standard({ budget }), Policy.withMode(Policy.retry(), mode)),
        send
      })
    const told = ({ decisions }: { readonly decisions: ReadonlyArray<Policy.PolicyDecision> }) =>
      decisions.filter(({ policy }) => policy === "retry").map(({ decided, mode }) => `${mode} ${decided}`)

    it.effect("enforce: each retry is told", () =>
      Effect.gen(function* () {
        const { call, events } = yield* inMode("enforce", () => say(Reason.unavailable()))
        yield* failing(call)
        assert.deepStrictEqual(told(events[0]!), ["enforce retried", "enforce retried"])
      }).pipe(seededly(1))
    )

    it.effect("observe: nothing is repeated or changed, and the first retry is told", () =>
      Effect.gen(function* () {
        const { call, events, sent } = yield* inMode("observe", () => say(Reason.unavailable()))
        const failure = yield* failing(call)
        assert.deepStrictEqual(sent, [0])
        assert.strictEqual(failure.stopped, "retries are switched off")
        assert.strictEqual(events[0]!.latency, 0)
        assert.deepStrictEqual(told(events[0]!), ["observe retried"])
        assert.strictEqual(failure.attempts.length, 1)
      }).pipe(seededly(1))
    )

    it.effect.each([
      ["not transient", () => say(Reason.rejected())],
      ["no time", () => hinted(Reason.unavailable, "29 seconds")]
    ] as const)("observe: what would not be repeated is not told of: %s", ([, send]) =>
      Effect.gen(function* () {
        const { call, events } = yield* inMode("observe", send)
        yield* failing(call)
        assert.deepStrictEqual(told(events[0]!), [])
      }).pipe(seededly(1))
    )

    it.effect("observe: takes nothing from the budget, and tells when there would be nothing to take", () =>
      Effect.gen(function* () {
        const { call, events } = yield* inMode("observe", () => say(Reason.unavailable()), { capacity: 14 })
        for (let n = 0; n < 3; n++) yield* failing(call)
        assert.deepStrictEqual(events.flatMap(told), ["observe retried", "observe retried", "observe retried"])
        const spent = yield* inMode("observe", () => say(Reason.unavailable()), { capacity: 14 })
        yield* failing(spent.call)
        assert.strictEqual(spent.events[0]!.attempts.length, 1)
      }).pipe(seededly(1))
    )

    it.effect("off: nothing is repeated, and nothing told", () =>
      Effect.gen(function* () {
        const { call, events, sent } = yield* inMode("off", () => say(Reason.unavailable()))
        yield* failing(call)
        assert.strictEqual(sent.length, 1)
        assert.deepStrictEqual(events[0]!.decisions, [])
      }).pipe(seededly(1))
    )
  })

  describe("numbers by name", () => {
    const values = (policy: Policy.Any) =>
      Object.fromEntries(
        Object.entries(policy.layers[0]!.tunable!.settings).map(([name, { kind, value }]) => [name, [kind, value]])
      )

    it("of backoff, and of no other schedule", () => {
      assert.deepStrictEqual(values(Policy.retry()), {
        MAX_ATTEMPTS: ["integer", 3],
        BACKOFF_BASE: ["duration", 50],
        BACKOFF_THROTTLED_BASE: ["duration", 1_000],
        BACKOFF_CAP: ["duration", 20_000]
      })
      assert.deepStrictEqual(values(Policy.retry(spaced("1 second"), { maxAttempts: 5 })), {
        MAX_ATTEMPTS: ["integer", 5]
      })
    })

    it.effect("replace them, one by one", () =>
      Effect.gen(function* () {
        const { tune } = Policy.retry().layers[0]!.tunable!
        const waits = tune({ BACKOFF_BASE: 2_000, BACKOFF_THROTTLED_BASE: 3_000, BACKOFF_CAP: 4_000 })
        assert.include(waits.describe, "waits a random part of 2 s, throttled of 3 s, doubling to 4 s")
        assert.strictEqual(tune({ MAX_ATTEMPTS: 7 }).limits.maxAttempts, 7)
        assert.deepStrictEqual(tune({ MAX_ATTEMPTS: 0 }).problems, [
          "maxAttempts must be a finite integer of at least 1, got 0"
        ])
        const own = Policy.retry(spaced("1 second")).layers[0]!.tunable!.tune({ MAX_ATTEMPTS: 2 })
        const { call, sent } = yield* scripted({
          policy: Policy.stack(Policy.standard(), { ...Policy.retry(), layers: [own] } as never) as Policy.Complete,
          send: () => say(Reason.unavailable())
        })
        yield* failing(call)
        assert.deepStrictEqual(sent, [0, 1_000])
      }).pipe(seededly(1))
    )

    it("that make no sense are named", () => {
      assert.deepStrictEqual(Policy.retry(Policy.backoff({ cap: Infinity })).layers[0]!.problems, [
        "the backoff's cap must be finite and not negative, got for ever"
      ])
      assert.deepStrictEqual(Policy.retry(Policy.backoff({ base: -5 })).layers[0]!.problems, [
        "the backoff's base must be finite and not negative, got -5 ms"
      ])
    })
  })

  describe("what it says of itself", () => {
    const layerOf = (policy: Policy.Any) => policy.layers[0]!

    it("in a plan", () => {
      const layer = layerOf(Policy.retry())
      assert.deepStrictEqual([layer.slot, layer.name, layer.limits], ["retry", "retry", { maxAttempts: 3 }])
      assert.strictEqual(
        layer.describe,
        "up to 3 attempts: transient failures, where safe to repeat; waits a random part of 50 ms, throttled of 1 s, doubling to 20 s"
      )
      assert.strictEqual(
        layerOf(Policy.retry(Schedule.forever, { maxAttempts: 4 })).describe,
        "up to 4 attempts: transient failures, where safe to repeat; waits as its schedule says"
      )
      const never = layerOf(Policy.retryNever("slow and dear"))
      assert.deepStrictEqual(
        [never.slot, never.name, never.describe, never.limits],
        ["retry", "retryNever", "never repeated: slow and dear", { maxAttempts: 1 }]
      )
    })

    it("each number that a configuration leaves out stays", () => {
      const layer = layerOf(Policy.retry(Policy.backoff({ base: 7, throttledBase: 8, cap: 9 }), { maxAttempts: 4 }))
      const text = (base: number, throttled: number, cap: number) =>
        `up to 4 attempts: transient failures, where safe to repeat; waits a random part of ${base} ms, throttled of ${throttled} ms, doubling to ${cap} ms`
      const tuned = (values: Record<string, number>) => layer.tunable!.tune(values).describe
      assert.strictEqual(tuned({}), text(7, 8, 9))
      assert.strictEqual(tuned({ BACKOFF_BASE: 1 }), text(1, 8, 9))
      assert.strictEqual(tuned({ BACKOFF_THROTTLED_BASE: 1 }), text(7, 1, 9))
      assert.strictEqual(tuned({ BACKOFF_CAP: 1 }), text(7, 8, 1))
    })

    it("no wait at all is a number that makes sense", () => {
      assert.deepStrictEqual(layerOf(Policy.retry(Policy.backoff({ base: 0, cap: 0 }))).problems, [])
      assert.deepStrictEqual(layerOf(Policy.retry(undefined, { maxAttempts: 1 })).problems, [])
    })
  })

  describe("one call's tries", () => {
    /** The loop around a boundary, with a site of the test's own, and the span that its events go to. */
    const looped = (
      options: {
        readonly site?: Partial<Site>
        readonly schedule?: Schedule.Schedule<unknown, CallFailure.CallFailure>
        readonly deadline?: number
      },
      send: (n: number) => Effect.Effect<unknown, Reason.Reason>
    ) => {
      const told: Array<string> = []
      const sent: Array<number> = []
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (made) => {
          const span = new Tracer.NativeSpan(made)
          spans.push(span)
          return span
        }
      })
      const site: Site = { ...siteAlone, decided: (_call, decided) => void told.push(decided), ...options.site }
      const call = new CallRecord({
        id: "1",
        integration: "test/Looped",
        operation: "send",
        repeat: "Idempotent",
        input: "the input",
        startedAt: 0,
        correlationId: ""
      })
      if (options.deadline !== undefined) call.deadline = options.deadline
      const step = boundary(site, () =>
        Effect.flatMap(
          Effect.clockWith((clock) => clock.currentTimeMillis),
          (now) => {
            ;(call as CallRecord).sent(now)
            sent.push(now)
            return send(sent.length)
          }
        )
      )
      const run = loop(
        site,
        3,
        options.schedule ?? spaced("1 second"),
        step
      )(call).pipe(Effect.withSpan("call"), Effect.withTracer(tracer))
      return { run, call, told, sent, events: () => spans[0]!.events.map(([name, , event]) => [name, event]) }
    }
    const down = (details?: Reason.Details) => Effect.fail(Reason.make("Unavailable", details))
    const stoppedOf = (exit: Exit.Exit<unknown, CallFailure.CallFailure>) =>
      Exit.isFailure(exit) ? (Cause.squash(exit.cause) as CallFailure.CallFailure).stopped : undefined

    it.effect("each wait is an event of the span: for what, how long in seconds, and who decided it", () =>
      Effect.gen(function* () {
        const backoff = looped({}, (n) => (n < 3 ? down() : Effect.succeed("ok")))
        yield* settle(backoff.run)
        const event = { reason: "Unavailable", delay: 1, source: "backoff" }
        assert.deepStrictEqual(backoff.events(), [
          ["breakwater.retry", event],
          ["breakwater.retry", event]
        ])
        assert.deepStrictEqual(backoff.told, ["retried", "retried"])
        const hinted = looped({}, (n) =>
          n === 1
            ? down({ retryAfter: Duration.millis(1_500) })
            : n === 2
              ? down({ retryAfter: Duration.seconds(1) })
              : Effect.succeed("ok")
        )
        yield* settle(hinted.run)
        assert.deepStrictEqual(hinted.events(), [
          ["breakwater.retry", { reason: "Unavailable", delay: 1.5, source: "retry-after" }],
          ["breakwater.retry", event]
        ])
      }).pipe(seededly(1))
    )

    const reconcile = (find: NonNullable<Site["reconcile"]>["find"]) => ({
      reconcile: { find, settle: Duration.seconds(3) } as NonNullable<Site["reconcile"]>
    })

    it.effect("looks only when what is in doubt has settled, by the input, and repeats what it does not find", () =>
      Effect.gen(function* () {
        const asked: Array<unknown> = []
        const looks = looped(
          {
            site: reconcile((input) =>
              Effect.sync(() => {
                asked.push(input)
                return Option.none()
              })
            )
          },
          (n) => (n === 1 ? Effect.delay(down({ message: "503" }), 500) : Effect.succeed("ok"))
        )
        assert.deepStrictEqual(yield* settle(looks.run), Exit.succeed("ok"))
        assert.deepStrictEqual(looks.sent, [0, 3_500])
        assert.deepStrictEqual(asked, ["the input"])
        assert.deepStrictEqual(looks.events(), [
          ["breakwater.retry", { reason: "Unavailable", delay: 3, source: "settle" }]
        ])
        const [first] = looks.call.attempts
        assert.deepStrictEqual(
          [first!.message, first!.outcome, first!.resolves],
          ["503; looked up afterwards: it did not happen", "NotSent", true]
        )
      }).pipe(seededly(1))
    )

    it.effect("what it finds is the answer, and a look that fails ends the call", () =>
      Effect.gen(function* () {
        const found = looped({ site: reconcile(() => Effect.succeed(Option.some("found"))) }, () => down())
        assert.deepStrictEqual(yield* settle(found.run), Exit.succeed("found"))
        assert.strictEqual(found.sent.length, 1)
        const failed = looped({ site: reconcile(() => Effect.die("no")) }, () => down())
        assert.strictEqual(stoppedOf(yield* settle(failed.run)), "whether it happened could not be looked up")
        assert.strictEqual(failed.sent.length, 1)
        // What certainly did not happen is not looked for.
        const refused = looped({ site: reconcile(() => Effect.die("no")) }, (n) =>
          n === 1 ? Effect.fail(Reason.make("Throttled")) : Effect.succeed("ok")
        )
        assert.deepStrictEqual(yield* settle(refused.run), Exit.succeed("ok"))
        assert.strictEqual(refused.sent[1]! - refused.sent[0]!, 1_000)
      }).pipe(seededly(1))
    )

    it.effect("what an earlier process did is looked for as late as what this call did", () =>
      Effect.gen(function* () {
        const resumed = looped({ site: reconcile(() => Effect.succeed(Option.none())) }, (n) =>
          n === 1 ? Effect.fail(Reason.make("Throttled")) : Effect.succeed("ok")
        )
        resumed.call.prior = "Unknown"
        assert.deepStrictEqual(yield* settle(resumed.run), Exit.succeed("ok"))
        assert.deepStrictEqual(resumed.sent, [0, 3_000])
      }).pipe(seededly(1))
    )

    it.effect("what is in doubt settles from when it ended, and not from a refusal of another leg after it", () =>
      Effect.gen(function* () {
        const { call } = looped({}, () => Effect.succeed("ok"))
        const throttled = Reason.make("Throttled")
        const legs = Effect.gen(function* () {
          const [first, second] = [call.leg(1), call.leg(2)]
          for (const leg of [first, second]) {
            leg.begin(0)
            leg.sent(0)
          }
          yield* Effect.sleep(500)
          first.end(Reason.make("Unavailable"), 500)
          yield* Effect.sleep(1_000)
          second.end(throttled, 1_500)
          return yield* Effect.fail(call.fail(throttled, "retries are switched off", 1_500))
        })
        const sent: Array<number> = []
        const step = () =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => (sent.push(now) === 1 ? legs : Effect.succeed("ok")))
        const site = { ...siteAlone, ...reconcile(() => Effect.succeed(Option.none())) }
        assert.deepStrictEqual(yield* settle(loop(site, 3, spaced("1 second"), step)(call)), Exit.succeed("ok"))
        assert.deepStrictEqual(sent, [0, 3_500])
        assert.strictEqual(call.outcome(), "NotSent")
      }).pipe(seededly(1))
    )

    it.effect("what was answered and can't be found is not repeated: it is not to be seen yet", () =>
      Effect.gen(function* () {
        const lost = looped({ site: reconcile(() => Effect.succeed(Option.none())) }, () =>
          Effect.fail(Reason.make("BodyLost"))
        )
        assert.strictEqual(stoppedOf(yield* settle(lost.run)), "a repeat is not safe")
        assert.deepStrictEqual([lost.sent.length, lost.call.outcome()], [1, "Applied"])
      }).pipe(seededly(1))
    )

    it.effect("only its look is one: the attempt after it is none, and calls inside that are told of", () =>
      Effect.gen(function* () {
        const looking: Array<readonly [string, boolean | undefined]> = []
        const note = (who: string) => Effect.map(Current, (around) => void looking.push([who, around?.looking]))
        const site = reconcile(() => Effect.as(note("look"), Option.none()))
        const { run } = looped({ site }, (n) => Effect.andThen(note("send"), n === 1 ? down() : Effect.succeed("ok")))
        assert.deepStrictEqual(yield* settle(run), Exit.succeed("ok"))
        assert.deepStrictEqual(looking, [
          ["send", false],
          ["look", true],
          ["send", false]
        ])
      }).pipe(seededly(1))
    )

    it.effect("the longest of delay, hint and settling is the wait, and the event names it", () =>
      Effect.gen(function* () {
        const longer = looped(
          { site: reconcile(() => Effect.succeed(Option.none())), schedule: spaced("4 seconds") },
          (n) => (n === 1 ? down() : Effect.succeed("ok"))
        )
        yield* settle(longer.run)
        assert.deepStrictEqual(longer.events(), [
          ["breakwater.retry", { reason: "Unavailable", delay: 4, source: "backoff" }]
        ])
      }).pipe(seededly(1))
    )

    it.effect("without a wait it goes on at once, and never asks the clock to wake it", () =>
      Effect.gen(function* () {
        const { events, run, sent } = looped({ schedule: spaced(0) }, (n) => (n < 3 ? down() : Effect.succeed("ok")))
        const clock = yield* Clock.Clock
        const awake = { ...clock, sleep: () => Effect.die("it slept") }
        const exit = yield* Effect.exit(Effect.provideService(run, Clock.Clock, awake))
        assert.deepStrictEqual(exit, Exit.succeed("ok"))
        assert.strictEqual(sent.length, 3)
        const event = { reason: "Unavailable", delay: 0, source: "backoff" }
        assert.deepStrictEqual(events(), [
          ["breakwater.retry", event],
          ["breakwater.retry", event]
        ])
      }).pipe(seededly(1))
    )

    it.effect("a budget with nothing left is told of and nothing else, where the loop only observes", () =>
      Effect.gen(function* () {
        const empty = { withdraw: () => undefined, giveBack: () => {}, failed: () => {} }
        const inMode = (mode: Policy.Mode) => {
          const made = looped({ site: { mode: () => mode } }, () => down())
          made.call.budget = empty as never
          return Effect.map(settle(made.run), (exit) => [stoppedOf(exit), made.call.attempts.length, made.told])
        }
        assert.deepStrictEqual(yield* inMode("observe"), ["retries are switched off", 1, ["stopped"]])
        assert.deepStrictEqual(yield* inMode("enforce"), ["the retry budget is spent", 2, ["stopped"]])
      }).pipe(seededly(1))
    )

    it.effect("the key must be remembered until the next attempt has ended, with a margin; to the millisecond", () =>
      Effect.gen(function* () {
        // 60 s of life, of which a sixtieth is the margin, and 2 s are the next attempt's.
        const site = { lifetime: 60_000, limits: { ...siteAlone.limits, attemptTimeout: 2_000 } }
        const inTime = looped({ site, schedule: spaced("57 seconds") }, (n) =>
          n === 1 ? down() : Effect.succeed("ok")
        )
        assert.deepStrictEqual(yield* settle(inTime.run), Exit.succeed("ok"))
        const late = looped({ site, schedule: spaced(57_001) }, () => down())
        assert.strictEqual(
          stoppedOf(yield* settle(late.run)),
          "the provider may forget the key before another attempt ends"
        )
        assert.deepStrictEqual([late.sent.length, late.told], [1, []])
      }).pipe(seededly(1))
    )

    it.effect("no attempt begins at the deadline, one before it does", () =>
      Effect.gen(function* () {
        const at = looped({ deadline: 1_000 }, () => down())
        assert.strictEqual(stoppedOf(yield* settle(at.run)), "no time is left for another attempt")
        assert.strictEqual(at.sent.length, 1)
        yield* TestClock.setTime(0)
        const before = looped({ deadline: 1_001 }, (n) => (n === 1 ? down() : Effect.succeed("ok")))
        assert.deepStrictEqual(yield* settle(before.run), Exit.succeed("ok"))
      }).pipe(seededly(1))
    )

    it.effect("a schedule that dies takes the call with it, with what it died of", () =>
      Effect.gen(function* () {
        const schedule = Schedule.fromStep(Effect.succeed(() => Effect.die("the schedule is broken")))
        const exit = yield* Effect.exit(looped({ schedule: schedule as never }, () => down()).run)
        assert.strictEqual(Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined, "the schedule is broken")
      }).pipe(seededly(1))
    )
  })

  describe("alone in a pipe", () => {
    const failureIn = (exit: Exit.Exit<unknown, CallFailure.CallFailure>) => {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(CallFailure.isCallFailure(error))
      return error as CallFailure.CallFailure
    }
    const counted = (send: (n: number) => Effect.Effect<unknown, Reason.Verdict>) => {
      let n = 0
      return { effect: Effect.suspend(() => send(++n)), sent: () => n }
    }
    const classify = (verdict: Reason.Verdict) => verdict

    it.effect("repeats nothing of which it knows nothing", () =>
      Effect.gen(function* () {
        const { effect, sent } = counted(() => Effect.fail(Reason.unavailable()))
        const failure = failureIn(yield* settle(effect.pipe(Policy.retry())))
        assert.strictEqual(sent(), 1)
        assert.strictEqual(failure.stopped, "not transient")
        assert.strictEqual(failure.outcome, "Unknown")
      }).pipe(seededly(1))
    )

    it.effect("repeats what certainly did not happen, and with `repeats` what may have", () =>
      Effect.gen(function* () {
        const throttled = counted(() => Effect.fail(Reason.throttled()))
        failureIn(yield* settle(throttled.effect.pipe(Policy.retry(Policy.backoff(), { classify }))))
        assert.strictEqual(throttled.sent(), 3)
        const unsafe = counted(() => Effect.fail(Reason.unavailable()))
        const failure = failureIn(yield* settle(unsafe.effect.pipe(Policy.retry(Policy.backoff(), { classify }))))
        assert.strictEqual(unsafe.sent(), 1)
        assert.strictEqual(failure.stopped, "a repeat is not safe")
        const safe = counted((n) => (n < 3 ? Effect.fail(Reason.unavailable()) : Effect.succeed("ok")))
        const exit = yield* settle(safe.effect.pipe(Policy.retry(Policy.backoff(), { classify, repeats: "it reads" })))
        assert.deepStrictEqual(exit, Exit.succeed("ok"))
        assert.strictEqual(safe.sent(), 3)
      }).pipe(seededly(1))
    )

    it.effect("carries the error, what `classify` says of it, and the reason of a call inside it", () =>
      Effect.gen(function* () {
        const error = { _tag: "Mine" as const }
        const unknown = failureIn(yield* settle(Effect.fail(error).pipe(Policy.retry())))
        assert.strictEqual(unknown.reason._tag, "Failed")
        assert.strictEqual((unknown.reason as { readonly error?: unknown }).error, error)
        assert.strictEqual(unknown.reason.cause, error)
        const told = failureIn(
          yield* settle(
            Effect.fail(error).pipe(
              Policy.retry(Policy.backoff(), {
                maxAttempts: 1,
                classify: () => Reason.throttled({ retryAfter: Duration.seconds(2), message: "slowly" })
              })
            )
          )
        )
        assert.deepStrictEqual(
          [told.reason._tag, told.reason.message, told.retryAfter, told.reason.cause],
          ["Throttled", "slowly", Duration.seconds(2), error]
        )
        assert.strictEqual((told.reason as { readonly error?: unknown }).error, error)
        const inner = failureIn(
          yield* settle(Effect.fail(told).pipe(Policy.retry(Policy.backoff(), { maxAttempts: 2 })))
        )
        assert.strictEqual(inner.reason, told.reason)
        assert.strictEqual(inner.attempts.length, 2)
      }).pipe(seededly(1))
    )

    it.effect("runs a piped effect anew each time, with attempts and schedule of its own", () =>
      Effect.gen(function* () {
        const { effect, sent } = counted(() => Effect.fail(Reason.throttled()))
        const retried = effect.pipe(Policy.retry(Policy.backoff(), { classify, maxAttempts: 2 }))
        yield* settle(retried)
        yield* settle(retried)
        assert.strictEqual(sent(), 4)
      }).pipe(seededly(1))
    )
  })
})
