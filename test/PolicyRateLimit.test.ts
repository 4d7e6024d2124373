import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Clock, Context, Duration, Effect, Exit, Fiber, Latch, Layer, Logger, Metric, Schema } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import type { Call, Site } from "../src/Call.ts"
import { siteAlone } from "../src/internal/alone.ts"
import { CallRecord } from "../src/internal/call.ts"
import type { Bucket, Limiter } from "../src/internal/rate.ts"
import {
  Failed,
  failing,
  failureOf,
  interruptAtOnce,
  say,
  scripted,
  type ScriptedOptions,
  seededly,
  settle,
  spyOn
} from "./properties/support.ts"

const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

type Options = Policy.RateLimitOptions

/** A tenth where the suites meet every mutant of the limiter (scripts/mutation.ts). */
const keys = Number(process.env.PROPERTY_RUNS ?? 1) < 1 ? 1_000 : 10_000

const up = () => Effect.succeed("ok")

const limited = (options: Options, send: ScriptedOptions["send"] = up, policy: Policy.Complete = once) =>
  scripted({ policy: Policy.stack(policy, Policy.rateLimit(options)), send })

/** The state of a limiter that is built. */
const watched = (options: Options) => {
  const seen: { limiter: Limiter | undefined } = { limiter: undefined }
  const settings = {
    limit: options.limit,
    window: Duration.toMillis(Duration.fromInputUnsafe(options.window)),
    algorithm: options.algorithm ?? "token-bucket",
    key: typeof options.key === "function" ? "call" : (options.key ?? "integration"),
    cost: typeof options.cost === "function" ? "call" : (options.cost ?? 1),
    maxWait: options.maxWait === undefined ? null : Duration.toMillis(Duration.fromInputUnsafe(options.maxWait)),
    learn: options.learn ?? true,
    store: options.store ?? "memory"
  }
  return {
    policy: Policy.stack(
      Policy.rateLimit(options),
      spyOn<Limiter>("rateLimit rateLimit", settings, (limiter) => (seen.limiter = limiter))
    ),
    get limiter(): Limiter {
      return seen.limiter!
    },
    get bucket(): Bucket {
      return seen.limiter!.buckets.get("test/Scripted")!
    }
  }
}

const start = <A, E>(call: Effect.Effect<A, E>, times: number) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.forkChild(call, { startImmediately: true }))

/** The reason's tag of a failed call, `ok` for a success. */
const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? "ok"

/** The layer and nothing else: a send that is sent at once, or what it fails with. */
const alone = (options: Options, send: () => Reason.Reason | undefined = () => undefined, at: Partial<Site> = {}) =>
  Effect.gen(function* () {
    let mode: Policy.Mode = "enforce"
    let limiter: Limiter | undefined
    const site: Site = {
      ...siteAlone,
      integration: "test/Scripted",
      operation: "send",
      clear: [],
      mode: () => mode,
      ...at,
      shared: (_name, _options, make) => Effect.map(make, (state) => (limiter = state as Limiter) as never) as never
    }
    const call = new CallRecord({
      id: "1",
      integration: site.integration,
      operation: site.operation,
      repeat: "Safe",
      input: undefined,
      startedAt: 0,
      correlationId: "1"
    })
    const transform = yield* Policy.rateLimit(options).layers[0]!.build(site)
    const sending = Effect.suspend(() => {
      call.sent(0)
      const reason = send()
      return reason === undefined ? Effect.void : Effect.fail(reason)
    })
    const step = transform((() => sending) as never) as (call: Call) => Effect.Effect<void, Reason.Reason>
    const run = Effect.suspend(() => {
      call.begin(0)
      return step(call)
    })
    return { call, run, site, setMode: (next: Policy.Mode) => (mode = next), limiter: limiter! }
  })

describe("Policy.rateLimit: tokens", () => {
  it.effect("a bucket lets as many through as it holds, and then one for each token that comes back", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* limited({ limit: 5, window: "1 second" })
      const fibers = yield* start(call, 8)
      assert.strictEqual(sent.length, 5)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(sent, [0, 0, 0, 0, 0, 200, 400, 600])
      assert.deepStrictEqual(
        events.map(({ queuedFor, queueWait }) => [queuedFor.ratelimit, queuedFor.bulkhead, queueWait]),
        [0, 0, 0, 0, 0, 200, 400, 600].map((wait) => [wait, 0, wait])
      )
      assert.deepStrictEqual(
        events.flatMap(({ decisions }) =>
          decisions.map(({ at, decided, mode, policy }) => [policy, decided, mode, at])
        ),
        [200, 400, 600].map((at) => ["rateLimit", "waited", "enforce", at])
      )
    }).pipe(seededly(1))
  )

  it.effect("windows begin at multiples of their length, and let the limit through in each", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(700)
      const { call, events, sent } = yield* limited({ limit: 2, window: "1 second", algorithm: "fixed-window" })
      const fibers = yield* start(call, 5)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(sent, [700, 700, 1_000, 1_000, 2_000])
      assert.deepStrictEqual(
        events.map(({ queuedFor }) => queuedFor.ratelimit),
        [0, 0, 300, 300, 1_300]
      )
    }).pipe(seededly(1))
  )

  it.effect("a window that was not spent gives nothing to the next", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* limited({ limit: 3, window: "1 second", algorithm: "fixed-window" })
      // Effect's own windows end the earlier the fewer are taken: at 334 it would let three more through.
      yield* call
      yield* TestClock.adjust(500)
      const fibers = yield* start(call, 3)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(sent, [0, 500, 500, 1_000])
    }).pipe(seededly(1))
  )

  it.effect("an attempt costs what it is said to cost, and one that costs more than the limit never starts", () =>
    Effect.gen(function* () {
      const costs = [4, 4, 2, 11, Number.NaN]
      let n = 0
      const cost = () => costs[n++]!
      const { call, events, sent } = yield* limited({ limit: 10, window: "10 seconds", cost })
      const fibers = yield* start(Effect.exit(call), 5)
      const exits = yield* Fiber.joinAll(fibers)
      assert.strictEqual(sent.length, 3)
      assert.deepStrictEqual(exits.map(tagOf), ["ok", "ok", "ok", "RateLimited", "RateLimited"])
      const [dear, none] = exits.slice(3).map((exit) => failureOf(exit)!)
      assert.strictEqual(dear!.reason.message, "it costs 11, and the limit is 10: it could never start")
      assert.isFalse(dear!.reason.transient)
      assert.strictEqual(none!.reason.message, "`cost` returned NaN, no number of at least 0")
      assert.deepStrictEqual(
        events.map(({ decisions }) => decisions.map(({ decided }) => decided).join()),
        // In the order in which they end.
        ["", "", "", "rejected", "rejected"]
      )
    }).pipe(seededly(1))
  )

  it.effect("a cost that could never start goes through in `observe`, and is told", () =>
    Effect.gen(function* () {
      const costs = [11, -1, 10, 0]
      let n = 0
      const { call, events, sent } = yield* scripted({
        policy: Policy.stack(
          once,
          Policy.withMode(Policy.rateLimit({ limit: 10, window: "10 seconds", cost: () => costs[n++]! }), "observe")
        ),
        send: up
      })
      for (let times = 0; times < 4; times++) yield* call
      assert.strictEqual(sent.length, 4)
      assert.deepStrictEqual(
        events.map(({ decisions }) => decisions.map(({ decided, mode }) => `${decided} ${mode}`).join()),
        ["rejected observe", "rejected observe", "", ""]
      )
    }).pipe(seededly(1))
  )

  it.effect("limits of one name are one, whichever function says the cost", () =>
    Effect.gen(function* () {
      const state = watched({ limit: 10, window: "10 seconds", cost: () => 4 })
      const { call } = yield* scripted({ policy: Policy.stack(once, state.policy), send: up })
      yield* call
      assert.strictEqual(state.bucket.tokens.available(0), 6)
    }).pipe(seededly(1))
  )

  it.effect("a number as cost counts for every attempt", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* limited({ limit: 10, window: "10 seconds", cost: 5, maxWait: 0 })
      assert.deepStrictEqual(yield* Effect.forEach([1, 2, 3], () => Effect.map(Effect.exit(call), tagOf)), [
        "ok",
        "ok",
        "RateLimited"
      ])
      assert.strictEqual(sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("each key has its own, and `operation` is one of them", () =>
    Effect.gen(function* () {
      const byOperation = yield* limited({ limit: 1, window: "1 minute", key: "operation", maxWait: 0 })
      assert.strictEqual(tagOf(yield* Effect.exit(byOperation.call)), "ok")
      assert.strictEqual(tagOf(yield* Effect.exit(byOperation.other)), "ok")
      assert.strictEqual(tagOf(yield* Effect.exit(byOperation.call)), "RateLimited")
      const together = yield* limited({ limit: 1, window: "1 minute", maxWait: 0 })
      assert.strictEqual(tagOf(yield* Effect.exit(together.call)), "ok")
      assert.strictEqual(tagOf(yield* Effect.exit(together.other)), "RateLimited")
      const byCall = yield* limited({ limit: 1, window: "1 minute", key: ({ operation }) => operation, maxWait: 0 })
      assert.strictEqual(tagOf(yield* Effect.exit(byCall.call)), "ok")
      assert.strictEqual(tagOf(yield* Effect.exit(byCall.other)), "ok")
    }).pipe(seededly(1))
  )

  it.effect("two limits stand beside each other, and two layers share nothing", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(
        once,
        Policy.rateLimit({ limit: 2, window: "1 second", name: "burst" }),
        Policy.rateLimit({ limit: 3, window: "1 hour", name: "sustained", maxWait: 0 })
      )
      const first = yield* scripted({ policy, send: up })
      const second = yield* scripted({ policy, send: up })
      const fibers = yield* start(Effect.exit(first.call), 4)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.joinAll(fibers)).map(tagOf), ["ok", "ok", "ok", "RateLimited"])
      yield* second.call
    }).pipe(seededly(1))
  )
})

describe("Policy.rateLimit: waits that can't fit", () => {
  it.effect("fail at once, say how long, and take nothing", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* limited({ limit: 1, window: "10 seconds", maxWait: "4 seconds" })
      yield* call
      for (let n = 0; n < 20; n++) {
        const failure = failureOf(yield* Effect.exit(call))!
        assert.strictEqual(failure.reason._tag, "RateLimited")
        assert.strictEqual(failure.outcome, "NotSent")
        assert.deepStrictEqual(failure.retryAfter, Duration.seconds(10))
        assert.strictEqual(failure.reason.message, "the own rate limit is spent for another 10 s")
      }
      assert.strictEqual(events.at(-1)!.callOutcome, "rejected_ratelimit")
      assert.deepStrictEqual(
        events.at(-1)!.decisions.map(({ decided }) => decided),
        ["rejected"]
      )
      assert.strictEqual(events.at(-1)!.latency, 0)
      // Had one of them left a debt, this one would wait for it too.
      yield* TestClock.adjust("6 seconds")
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(sent, [0, 10_000])
    }).pipe(seededly(1))
  )

  it.effect("the wait of those before counts, in both algorithms", () =>
    Effect.gen(function* () {
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        const { call, sent } = yield* limited({ limit: 2, window: "2 seconds", algorithm, maxWait: "3 seconds" })
        const began = yield* Clock.currentTimeMillis
        const fibers = yield* start(Effect.exit(call), 8)
        const rejected = fibers.filter((fiber) => fiber.pollUnsafe() !== undefined).length
        yield* TestClock.adjust("20 seconds")
        const tags = (yield* Fiber.joinAll(fibers)).map(tagOf)
        const expected = algorithm === "token-bucket" ? [0, 0, 1_000, 2_000, 3_000] : [0, 0, 2_000, 2_000]
        assert.deepStrictEqual(
          sent.map((at) => at - began),
          expected
        )
        assert.deepStrictEqual(tags, [
          ...expected.map(() => "ok"),
          ...Array.from({ length: 8 - expected.length }, () => "RateLimited")
        ])
        // Two of them went through and are done; those that wait are not.
        assert.strictEqual(rejected, 2 + 8 - expected.length)
      }
    }).pipe(seededly(1))
  )

  it.effect("room for an attempt is left before the deadline: its timeout, or half of what is left", () =>
    Effect.gen(function* () {
      const tight = Policy.stack(
        Policy.totalDeadline("10 seconds"),
        Policy.retryNever("each attempt is looked at"),
        Policy.attemptTimeout("2 seconds")
      )
      const waits = (window: Duration.Input, policy: Policy.Complete) =>
        Effect.gen(function* () {
          const { call } = yield* limited({ limit: 1, window }, up, policy)
          yield* call
          return tagOf(yield* settle(call))
        })
      assert.strictEqual(yield* waits(8_000, tight), "ok")
      assert.strictEqual(yield* waits(8_001, tight), "RateLimited")
      const wide = Policy.stack(tight, Policy.attemptTimeout("10 seconds"))
      assert.strictEqual(yield* waits(5_000, wide), "ok")
      assert.strictEqual(yield* waits(5_001, wide), "RateLimited")
    }).pipe(seededly(1))
  )

  it.effect("a 429 and a rejection are ordinary reasons of the retry policy: it ends", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* limited(
        { limit: 100, window: "1 second" },
        () => say(Reason.throttled({ retryAfter: Duration.millis(10) })),
        Policy.standard({ maxAttempts: 4 })
      )
      const failure = yield* failing(call)
      assert.strictEqual(failure.reason._tag, "Throttled")
      assert.strictEqual(failure.stopped, "attempts are spent")
      assert.strictEqual(sent.length, 4)

      const own = yield* limited({ limit: 1, window: "1 hour" }, up, Policy.standard({ maxAttempts: 4 }))
      yield* own.call
      const rejected = yield* failing(own.call)
      assert.strictEqual(rejected.reason._tag, "RateLimited")
      assert.strictEqual(own.sent.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("a rejection whose time comes is retried, and goes through", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* limited(
        { limit: 1, window: "2 seconds", maxWait: 0 },
        up,
        Policy.standard({ maxAttempts: 3 })
      )
      yield* call
      assert.strictEqual(tagOf(yield* settle(call)), "ok")
      assert.deepStrictEqual(
        events[1]!.attempts.map(({ reason }) => reason),
        ["RateLimited", "Success"]
      )
      assert.strictEqual(sent.length, 2)
    }).pipe(seededly(1))
  )
})

describe("Policy.rateLimit: interruption", () => {
  it.effect("a wait that is given up takes nothing, and lets the next go on", () =>
    Effect.gen(function* () {
      const { policy } = watched({ limit: 1, window: "1 second" })
      const { call, events, sent } = yield* scripted({ policy: Policy.stack(once, policy), send: up })
      yield* call
      const [first, second, third] = yield* start(call, 3)
      yield* TestClock.adjust(400)
      yield* interruptAtOnce(first!)
      yield* interruptAtOnce(third!)
      yield* TestClock.adjust(600)
      yield* Fiber.join(second!)
      assert.deepStrictEqual(sent, [0, 1_000])
      const given = events.filter(({ callOutcome }) => callOutcome === "cancelled")
      assert.deepStrictEqual(
        given.map(({ queuedFor }) => queuedFor.ratelimit),
        [400, 400]
      )
      // Nobody turned them away.
      assert.deepStrictEqual(
        given.flatMap(({ decisions }) => decisions),
        []
      )
      yield* TestClock.adjust("1 second")
      yield* call
      assert.deepStrictEqual(sent, [0, 1_000, 2_000])
    }).pipe(seededly(1))
  )

  it.effect("an attempt that never left this process gives its token back", () =>
    Effect.gen(function* () {
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        const gate = yield* Latch.make()
        const { call, sent } = yield* scripted({
          policy: Policy.stack(
            once,
            Policy.rateLimit({ limit: 3, window: "1 minute", maxWait: 0, algorithm }),
            Policy.bulkhead({ concurrency: 1, queue: 1 })
          ),
          send: () => Effect.as(gate.await, "ok")
        })
        const running = yield* Effect.forkChild(call, { startImmediately: true })
        // One waits for the permit and is given up; the others find the bulkhead full.
        for (let n = 0; n < 5; n++) {
          const queued = yield* Effect.forkChild(call, { startImmediately: true })
          assert.strictEqual(tagOf(yield* Effect.exit(call)), "BulkheadFull")
          yield* interruptAtOnce(queued)
        }
        assert.strictEqual(sent.length, 1)
        yield* gate.open
        yield* Fiber.join(running)
        yield* call
        yield* call
        assert.strictEqual(tagOf(yield* Effect.exit(call)), "RateLimited")
        assert.strictEqual(sent.length, 3)
        yield* TestClock.adjust("1 minute")
      }
    }).pipe(seededly(1))
  )

  it.effect("what is given back is never more than the limit", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const { call } = yield* scripted({
        policy: Policy.stack(
          once,
          Policy.rateLimit({ limit: 2, window: "2 seconds", maxWait: 0 }),
          Policy.bulkhead({ concurrency: 1, queue: 1 })
        ),
        send: (n) => (n === 1 ? Effect.as(gate.await, "ok") : Effect.succeed("ok"))
      })
      const running = yield* Effect.forkChild(call, { startImmediately: true })
      const queued = yield* Effect.forkChild(call, { startImmediately: true })
      // Both tokens are back by themselves when the second attempt is given up.
      yield* TestClock.adjust("5 seconds")
      yield* interruptAtOnce(queued)
      yield* gate.open
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* Effect.forEach([1, 2, 3], () => Effect.map(Effect.exit(call), tagOf)), [
        "ok",
        "ok",
        "RateLimited"
      ])
    }).pipe(seededly(1))
  )

  it.effect(
    `${keys} keys that went idle are forgotten, and one that is closed is not`,
    () =>
      Effect.gen(function* () {
        for (const algorithm of ["token-bucket", "fixed-window"] as const) {
          let n = 0
          const { limiter, run } = yield* alone(
            { limit: 2, window: "20 seconds", algorithm, key: () => `tenant-${n++}` },
            () => (n === 7 ? Reason.make("Throttled", { retryAfter: Duration.minutes(10) }) : undefined)
          )
          for (let times = 0; times < keys; times++) yield* Effect.exit(run)
          assert.strictEqual(limiter.buckets.size, keys)
          yield* TestClock.adjust("1 minute")
          yield* run
          assert.deepStrictEqual([...limiter.buckets.keys()].toSorted(), [`tenant-${keys}`, "tenant-6"])
          yield* TestClock.adjust("10 minutes")
          yield* run
          assert.deepStrictEqual([...limiter.buckets.keys()], [`tenant-${keys + 1}`])
        }
      }),
    60_000
  )
})

describe("Policy.rateLimit: what the provider tells", () => {
  const told = (limit: Reason.Limit) => Reason.unavailable({ limit })

  it.effect("a 429 with Retry-After closes the key, for an hour at most", () =>
    Effect.gen(function* () {
      const { call, other, sent } = yield* limited({ limit: 100, window: "1 second" }, (n) =>
        n === 1 ? say(Reason.throttled({ retryAfter: Duration.seconds(3) })) : up()
      )
      yield* Effect.exit(call)
      const waiting = yield* Effect.forkChild(other, { startImmediately: true })
      yield* TestClock.adjust(2_999)
      assert.strictEqual(sent.length, 1)
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(sent, [0, 3_000])

      const long = yield* limited({ limit: 100, window: "1 second" }, (n) =>
        n === 1 ? say(Reason.throttled({ retryAfter: Duration.days(365) })) : up()
      )
      yield* Effect.exit(long.call)
      assert.deepStrictEqual(failureOf(yield* Effect.exit(long.call))!.retryAfter, Duration.hours(1))
      yield* TestClock.adjust("1 hour")
      yield* long.call
    }).pipe(seededly(1))
  )

  it.effect("without a time a 429 closes nothing, and with `learn: false` nothing does", () =>
    Effect.gen(function* () {
      const bare = yield* limited({ limit: 100, window: "1 second" }, (n) => (n === 1 ? say(Reason.throttled()) : up()))
      assert.strictEqual(tagOf(yield* Effect.exit(bare.call)), "Throttled")
      yield* bare.call
      const deaf = yield* limited({ limit: 100, window: "1 second", learn: false }, (n) =>
        n === 1 ? say(Reason.throttled({ retryAfter: Duration.hours(1), limit: { remaining: 0 } })) : up()
      )
      yield* Effect.exit(deaf.call)
      yield* deaf.call
      assert.strictEqual(deaf.sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("those that already wait are told too: they go on waiting, or fail at once", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const { call, sent } = yield* limited({ limit: 1, window: "1 second", maxWait: "3 seconds" }, (n) =>
        n === 1 ? Effect.andThen(gate.await, say(Reason.throttled({ retryAfter: Duration.seconds(2.5) }))) : up()
      )
      const first = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      const early = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust(900)
      const late = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      // Nobody may start before 3,400: the early one gives up at 3,000 and the late one at 3,900.
      yield* gate.open
      yield* Fiber.join(first)
      yield* Effect.yieldNow
      yield* TestClock.adjust(0)
      const exit = early.pollUnsafe()
      assert.isDefined(exit)
      assert.strictEqual(tagOf(yield* Fiber.join(early)), "RateLimited")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(tagOf(yield* Fiber.join(late)), "ok")
      assert.deepStrictEqual(sent, [0, 3_400])
    }).pipe(seededly(1))
  )

  it.effect("what is left bounds the attempts until the reset, and the newest answer counts", () =>
    Effect.gen(function* () {
      const limits: ReadonlyArray<Reason.Limit> = [
        { remaining: 2, resetAfter: Duration.seconds(4) },
        {},
        {},
        { remaining: 0, resetAfter: Duration.seconds(2) },
        { remaining: 50, resetAfter: Duration.seconds(60) }
      ]
      const { call, sent } = yield* limited({ limit: 100, window: "1 second" }, (n) =>
        n > 5 ? up() : say(told(limits[n - 1]!))
      )
      const fibers = yield* start(Effect.exit(call), 1)
      yield* Fiber.joinAll(fibers)
      const more = yield* start(Effect.exit(call), 5)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.joinAll(more)
      assert.deepStrictEqual(sent.slice(0, 4), [0, 0, 0, 4_000])
      assert.strictEqual(sent.length, 6)
    }).pipe(seededly(1))
  )

  it.effect("is read of an answer only where it learns", () =>
    Effect.gen(function* () {
      for (const learn of [true, false]) {
        const { call, run } = yield* alone({ limit: 1, window: "1 second", learn })
        assert.isFalse(call.learns)
        yield* run
        assert.strictEqual(call.learns, learn)
      }
    }).pipe(seededly(1))
  )

  it.effect("a cost other than estimated is corrected, up and down", () =>
    Effect.gen(function* () {
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        const left = (cost: number) =>
          Effect.gen(function* () {
            const options: Options = { limit: 100, window: "100 seconds", algorithm, cost: 10 }
            const state = watched(options)
            const { call } = yield* scripted({
              policy: Policy.stack(once, state.policy),
              send: () => say(told({ cost }))
            })
            yield* Effect.exit(call)
            return state.bucket.tokens.available(yield* Clock.currentTimeMillis)
          })
        assert.strictEqual(yield* left(10), 90)
        assert.strictEqual(yield* left(3), 97)
        assert.strictEqual(yield* left(60), 40)
        // A debt: the next one waits until it is paid.
        assert.strictEqual(yield* left(120), -20)
      }
    }).pipe(seededly(1))
  )

  it.effect("what it tells and is no number, or has no time, changes nothing", () =>
    Effect.gen(function* () {
      for (const limit of [
        { cost: Number.NaN },
        { cost: -1 },
        { cost: Infinity },
        { remaining: Number.NaN, resetAfter: Duration.seconds(9) },
        { remaining: -1, resetAfter: Duration.seconds(9) },
        { remaining: 0 },
        { resetAfter: Duration.seconds(9) }
      ]) {
        const state = watched({ limit: 100, window: "100 seconds", cost: 10 })
        const { call } = yield* scripted({ policy: Policy.stack(once, state.policy), send: () => say(told(limit)) })
        const at = JSON.stringify(limit)
        assert.strictEqual(tagOf(yield* Effect.exit(call)), "Unavailable", at)
        const now = yield* Clock.currentTimeMillis
        assert.strictEqual(state.bucket.tokens.available(now), 90, at)
        assert.isTrue(state.bucket.isClear(10, now), at)
      }
      // Nothing at all is left, which is a number.
      const state = watched({ limit: 100, window: "100 seconds" })
      const { call } = yield* scripted({
        policy: Policy.stack(once, state.policy),
        send: () => say(told({ remaining: 0, resetAfter: Duration.seconds(9) }))
      })
      yield* Effect.exit(call)
      assert.isFalse(state.bucket.isClear(1, yield* Clock.currentTimeMillis))
    }).pipe(seededly(1))
  )

  it.effect("what was throttled costs what was estimated; what costs nothing gives its tokens back", () =>
    Effect.gen(function* () {
      for (const [verdict, left] of [
        [Reason.throttled({ limit: { cost: 0 } }), 90],
        [Reason.rejected({ status: 429, limit: { cost: 0 } }), 90],
        [Reason.rejected({ status: 422, limit: { cost: 0 } }), 100]
      ] as const) {
        const state = watched({ limit: 100, window: "100 seconds", cost: 10 })
        const { call } = yield* scripted({ policy: Policy.stack(once, state.policy), send: () => say(verdict) })
        yield* Effect.exit(call)
        assert.strictEqual(state.bucket.tokens.available(yield* Clock.currentTimeMillis), left)
      }
    }).pipe(seededly(1))
  )

  it.effect("a 429 closes the key whatever it is read as, and no other status does", () =>
    Effect.gen(function* () {
      for (const [status, closed] of [
        [429, true],
        [503, false]
      ] as const) {
        const state = watched({ limit: 100, window: "1 second" })
        const { call } = yield* scripted({
          policy: Policy.stack(once, state.policy),
          send: () => say(Reason.unavailable({ status, retryAfter: Duration.seconds(3) }))
        })
        yield* Effect.exit(call)
        const now = yield* Clock.currentTimeMillis
        assert.strictEqual(state.bucket.isClear(1, now), !closed)
        assert.isTrue(state.bucket.isClear(1, now + 3_000))
      }
    }).pipe(seededly(1))
  )

  it.effect("`answered` leaves the answer as it is, and `classifyAnswer` may tell a limit with either", () =>
    Effect.gen(function* () {
      const make = (classifyAnswer?: (answer: unknown) => Reason.Verdict | Reason.Answered | undefined) =>
        Effect.gen(function* () {
          class Sdk extends Integration.Service<Sdk>()(
            "test/Sdk",
            {
              policy: Policy.stack(once, Policy.rateLimit({ limit: 100, window: "1 second" })),
              exhausted: Exhaustion.fail,
              orElse: (failure) => new Failed({ failure })
            },
            {
              ask: Operation.query("ask", {
                input: Schema.String,
                success: Schema.Struct({ id: Schema.String }),
                classifyAnswer,
                send: (id: string) => Effect.succeed(id === "" ? {} : { id })
              })
            }
          ) {}
          return Context.get(yield* Layer.build(Integration.layer(Sdk)), Sdk)
        })
      const limit = { remaining: 0, resetAfter: Duration.hours(1) }
      const plain = yield* make(() => undefined)
      const telling = yield* make(() => Reason.answered({ limit }))
      const judging = yield* make(() => Reason.rejected({ limit }))
      assert.deepStrictEqual(yield* telling.ask("a"), yield* plain.ask("a"))
      for (const client of [telling, judging]) {
        yield* Effect.exit(client.ask("a"))
        const failure = failureOf(yield* Effect.exit(client.ask("a")))!
        assert.deepStrictEqual([failure.reason._tag, failure.retryAfter], ["RateLimited", Duration.hours(1)])
      }
      const broken = [yield* make(() => undefined), yield* make(() => Reason.answered({ limit: {} }))]
      const [a, b] = yield* Effect.forEach(broken, (client) => Effect.map(Effect.exit(client.ask("")), failureOf))
      assert.deepStrictEqual([b!.reason, b!.outcome], [a!.reason, a!.outcome])
    }).pipe(seededly(1))
  )
})

describe("Policy.rateLimit: modes and telemetry", () => {
  it.effect("`observe` changes nothing, and tells the same decisions as `enforce`", () =>
    Effect.gen(function* () {
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        const decisions = (mode: Policy.Mode) =>
          Effect.gen(function* () {
            const options = { limit: 2, window: "2 seconds", algorithm, maxWait: "3 seconds" } as const
            const { call, events, sent } = yield* scripted({
              policy: Policy.stack(once, Policy.withMode(Policy.rateLimit(options), mode)),
              send: up
            })
            const began = yield* Clock.currentTimeMillis
            const fibers = yield* start(Effect.exit(call), 8)
            const atOnce = sent.length
            yield* TestClock.adjust("20 seconds")
            yield* Fiber.joinAll(fibers)
            const byStart = events.flatMap(({ decisions }) => decisions)
            assert.isTrue(byStart.every((decision) => decision.mode === mode && decision.policy === "rateLimit"))
            if (mode === "observe") {
              assert.isTrue(sent.every((at) => at === began))
              assert.isTrue(events.every(({ callOutcome, queueWait }) => callOutcome === "ok" && queueWait === 0))
            }
            return { atOnce, told: byStart.map(({ decided }) => decided).toSorted() }
          })
        const enforced = yield* decisions("enforce")
        const observed = yield* decisions("observe")
        assert.deepStrictEqual(observed.told, enforced.told)
        assert.strictEqual(enforced.atOnce, 2)
        assert.strictEqual(observed.atOnce, 8)
        assert.deepStrictEqual(yield* decisions("off"), { atOnce: 8, told: [] })
      }
    }).pipe(seededly(1))
  )

  it.effect("`observe` counts each key for itself, and takes nothing from what enforcing lets through", () =>
    Effect.gen(function* () {
      const options = { limit: 1, window: "1 minute" } as const
      const { call, events, other } = yield* scripted({
        policy: Policy.stack(once, Policy.withMode(Policy.rateLimit({ ...options, key: "operation" }), "observe")),
        send: up
      })
      yield* call
      yield* other
      yield* call
      assert.deepStrictEqual(
        events.map(({ decisions }) => decisions.map(({ decided }) => decided).join()),
        ["", "", "rejected"]
      )
      const { limiter, run, setMode } = yield* alone(options)
      setMode("observe")
      yield* run
      yield* run
      setMode("enforce")
      yield* run
      assert.deepStrictEqual([...limiter.buckets.keys()], ["observe:test/Scripted", "test/Scripted"])
    }).pipe(seededly(1))
  )

  it.effect("what waited in `observe` is not forgotten in the next window", () =>
    Effect.gen(function* () {
      const options = { limit: 2, window: "1 second", algorithm: "fixed-window" } as const
      const { call, events } = yield* scripted({
        policy: Policy.stack(once, Policy.withMode(Policy.rateLimit(options), "observe")),
        send: up
      })
      for (let n = 0; n < 5; n++) yield* call
      yield* TestClock.adjust("1 second")
      // Two of the three that waited are through, and the third has the first place of the window after.
      yield* call
      yield* TestClock.adjust("1 second")
      yield* call
      yield* TestClock.adjust("1 second")
      yield* call
      assert.deepStrictEqual(
        events.map(({ decisions }) => decisions.map(({ decided }) => decided).join()),
        ["", "", "waited", "waited", "waited", "waited", "waited", ""]
      )
    }).pipe(seededly(1))
  )

  it.effect("the gauge has what is left, and the wait is a wait at this gate", () =>
    Effect.gen(function* () {
      const { call } = yield* limited({ limit: 5, window: "1 second" })
      const fibers = yield* start(call, 6)
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
      const metrics = yield* Metric.snapshot
      const gauge = metrics.find(({ id }) => id === "breakwater.rate_limiter.remaining")!
      assert.deepInclude(gauge.attributes, {
        "breakwater.integration": "test/Scripted",
        "breakwater.policy.name": "rateLimit"
      })
      assert.deepInclude(gauge.state, { value: 0 })
      const waits = metrics.filter(({ id }) => id === "breakwater.call.queue_wait")
      assert.deepStrictEqual(
        waits.flatMap(({ attributes, state }) => {
          const { count, sum } = state as { readonly count: number; readonly sum: number }
          return count === 0 ? [] : [[attributes?.gate, count, sum]]
        }),
        [["ratelimit", 1, 0.2]]
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), seededly(1))
  )

  it.effect("the gauge says whose it is and in what unit, of each operation and of each host", () =>
    Effect.gen(function* () {
      for (const [key, more] of [
        ["integration", {}],
        ["operation", { "breakwater.operation": "send" }],
        ["host", { "server.address": "acme.example" }]
      ] as const) {
        const { run } = yield* alone({ limit: 5, window: "1 second", key, name: key }, undefined, {
          host: "acme.example"
        })
        yield* run
        const gauge = (yield* Metric.snapshot).find(({ attributes }) => attributes?.["breakwater.policy.name"] === key)!
        assert.strictEqual(gauge.id, "breakwater.rate_limiter.remaining")
        assert.strictEqual(gauge.description, "Tokens that are left of a rate limit, as of its last attempt")
        assert.deepStrictEqual(gauge.attributes, {
          "breakwater.integration": "test/Scripted",
          "breakwater.policy.name": key,
          unit: "{token}",
          ...more
        })
        assert.deepInclude(gauge.state, { value: 4 })
      }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), seededly(1))
  )

  it.effect("a key that is read from the call has no gauge", () =>
    Effect.gen(function* () {
      const { call } = yield* limited({ limit: 5, window: "1 second", key: ({ id }) => id })
      yield* call
      const metrics = yield* Metric.snapshot
      assert.isUndefined(metrics.find(({ id }) => id === "breakwater.rate_limiter.remaining"))
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), seededly(1))
  )

  it.effect("`site.clear` says whether an attempt would pass at once", () =>
    Effect.gen(function* () {
      const { call, run, site, setMode } = yield* alone({ limit: 2, window: "2 seconds" })
      const [clear] = site.clear
      assert.isTrue(clear!(call, 0))
      yield* run
      assert.isTrue(clear!(call, 0))
      yield* run
      assert.isFalse(clear!(call, 0))
      assert.isFalse(clear!(call, 999))
      assert.isTrue(clear!(call, 1_000))
      setMode("observe")
      assert.isTrue(clear!(call, 0))
    }).pipe(seededly(1))
  )
})

describe("Policy.rateLimit: whether an attempt would pass", () => {
  it.effect("is asked for its own key and its own cost", () =>
    Effect.gen(function* () {
      let price = 2
      const { call, run, site } = yield* alone({
        limit: 3,
        window: "3 seconds",
        key: ({ input }) => String(input),
        cost: () => price
      })
      const [clear] = site.clear
      const another = new CallRecord({ ...call, id: "2", input: "another", correlationId: "2" })
      assert.isTrue(clear!(call, 0))
      yield* run
      assert.isFalse(clear!(call, 0))
      assert.isTrue(clear!(another, 0))
      price = 1
      assert.isTrue(clear!(call, 0))
    }).pipe(seededly(1))
  )

  it.effect("is asked for the cost that all have", () =>
    Effect.gen(function* () {
      const { call, run, site } = yield* alone({ limit: 3, window: "3 seconds", cost: 2 })
      yield* run
      assert.isFalse(site.clear[0]!(call, 0))
    }).pipe(seededly(1))
  )
})

describe("Policy.rateLimit: numbers", () => {
  it("a plan says what may start, for whom, and where it is counted", () => {
    const layerOf = (options: Partial<Options>) =>
      Policy.rateLimit({ limit: 5, window: "1 second", ...options }).layers[0]!
    const { describe, name, slot } = layerOf({})
    assert.deepStrictEqual([slot, name], ["rateLimit", "rateLimit"])
    assert.strictEqual(describe, "at most 5 attempts start in 1 s (token-bucket)")
    assert.strictEqual(
      layerOf({ cost: 2, key: "operation", maxWait: "2 seconds", store: "environment" }).describe,
      "at most 5 tokens start in 1 s (token-bucket), for each operation, waiting 2 s at most, shared by all processes"
    )
    assert.strictEqual(
      layerOf({ cost: () => 1, key: ({ id }) => id }).describe,
      "at most 5 tokens start in 1 s (token-bucket), by a key of the call"
    )
  })

  it.effect("that make no sense fail the build, each by its name", () =>
    Effect.gen(function* () {
      const problemsOf = (options: Options) => Policy.rateLimit(options).layers[0]!.problems.join()
      const exit = yield* Effect.exit(Effect.scoped(limited({ limit: -1, window: "1 second" })))
      assert.match(String(Exit.isFailure(exit) && exit.cause), /must be an integer of at least 1, got -1/)
      assert.strictEqual(
        problemsOf({ limit: 0.5, window: "1 second" }),
        "the rate limit's limit must be an integer of at least 1, got 0.5"
      )
      assert.strictEqual(
        problemsOf({ limit: 1, window: 0 }),
        "the rate limit's window must be longer than zero, got 0 ms"
      )
      assert.strictEqual(
        problemsOf({ limit: 5, window: "1 second", cost: 6 }),
        "the rate limit's cost must be above 0 and at most its limit of 5, got 6"
      )
      for (const cost of [0, -1, Number.NaN]) {
        assert.strictEqual(
          problemsOf({ limit: 5, window: "1 second", cost }),
          `the rate limit's cost must be above 0 and at most its limit of 5, got ${cost}`
        )
      }
      assert.strictEqual(problemsOf({ limit: 5, window: "1 second", cost: 5 }), "")
      assert.strictEqual(problemsOf({ limit: 1, window: "1 second", cost: () => 7 }), "")
      assert.deepStrictEqual(Policy.rateLimit({ limit: 0, window: 0, maxWait: -1, cost: 2 }).layers[0]!.problems, [
        "the rate limit's window must be longer than zero, got 0 ms",
        "the rate limit's maxWait must be longer than zero, got -1 ms",
        "the rate limit's limit must be an integer of at least 1, got 0"
      ])
      assert.strictEqual(problemsOf({ limit: 5, window: "1 second", maxWait: 0 }), "")
    })
  )

  it.effect("are replaced by those of a configuration, and the rest stays", () =>
    Effect.gen(function* () {
      const layer = Policy.rateLimit({ limit: 5, window: "1 second", name: "x", algorithm: "fixed-window" }).layers[0]!
      assert.deepStrictEqual(layer.tunable!.settings, {
        RATE_LIMIT: { kind: "integer", value: 5 },
        RATE_LIMIT_WINDOW: { kind: "duration", value: 1_000 },
        RATE_LIMIT_MAX_WAIT: { kind: "duration", value: undefined }
      })
      const tuned = layer.tunable!.tune({ RATE_LIMIT: 7, RATE_LIMIT_WINDOW: 2_000, RATE_LIMIT_MAX_WAIT: 500 })
      assert.strictEqual(tuned.name, "x")
      assert.strictEqual(tuned.describe, "at most 7 attempts start in 2 s (fixed-window), waiting 500 ms at most")
      assert.strictEqual(
        layer.tunable!.tune({ RATE_LIMIT: 7 }).describe,
        "at most 7 attempts start in 1 s (fixed-window)"
      )
      yield* Effect.void
    })
  )

  it.effect("a host that the operation does not have, and a store that nobody provides", () =>
    Effect.gen(function* () {
      const build = (options: Options) => Effect.exit(Effect.scoped(limited(options)))
      const host = yield* build({ limit: 1, window: 1, key: "host" })
      assert.match(
        String(Exit.isFailure(host) && host.cause),
        /the rate limit is split by host, but the operation has none/
      )
      const store = yield* build({ limit: 1, window: 1, store: "environment" })
      assert.match(
        String(Exit.isFailure(store) && store.cause),
        /test\/Scripted send: rateLimit keeps its tokens in the environment, but there is no RateLimiterStore: provide one/
      )
    })
  )
})

describe("Policy.rateLimit: the environment's store", () => {
  type Store = RateLimiter.RateLimiterStore["Service"]

  const failed = Effect.fail(
    new RateLimiter.RateLimiterError({ reason: new RateLimiter.RateLimitStoreError({ message: "gone" }) })
  )

  const storeOf = (answer: Effect.Effect<never, RateLimiter.RateLimiterError>): Store => ({
    fixedWindow: () => answer,
    tokenBucket: () => answer,
    adaptiveConsume: () => answer,
    adaptiveFeedback: () => answer
  })

  const shared = (store: Store, options: Partial<Options> = {}, send: ScriptedOptions["send"] = up) =>
    Effect.provideService(
      limited({ limit: 1, window: "1 minute", store: "environment", maxWait: 0, ...options }, send),
      RateLimiter.RateLimiterStore,
      store
    )

  it.effect("is shared by two layers, tokens and pauses", () =>
    Effect.gen(function* () {
      const store = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)),
        RateLimiter.RateLimiterStore
      )
      const keys = new Set<string>()
      const spied: Store = {
        ...store,
        tokenBucket: (options) => {
          keys.add(options.key)
          return store.tokenBucket(options)
        }
      }
      const first = yield* shared(spied, { limit: 2 })
      const second = yield* shared(spied, { limit: 2 })
      yield* first.call
      yield* second.call
      assert.strictEqual(tagOf(yield* Effect.exit(first.call)), "RateLimited")
      assert.strictEqual(tagOf(yield* Effect.exit(second.call)), "RateLimited")
      assert.deepStrictEqual([...keys], ["{test%2FScripted:rateLimit:test/Scripted}"])

      const throttling = yield* shared(store, { limit: 9, name: "paused" }, () =>
        say(Reason.throttled({ retryAfter: Duration.seconds(30) }))
      )
      const other = yield* shared(store, { limit: 9, name: "paused" })
      yield* other.call
      yield* Effect.exit(throttling.call)
      yield* Effect.yieldNow
      const failure = failureOf(yield* Effect.exit(other.call))!
      assert.deepStrictEqual([failure.reason._tag, failure.retryAfter], ["RateLimited", Duration.seconds(30)])
      yield* TestClock.adjust("30 seconds")
      yield* other.call
    }).pipe(seededly(1))
  )

  it.effect("one that fails, dies or does not answer lets attempts through, and is told of once a minute", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") lines.push(message)
      })
      for (const [answer, word, took] of [
        [failed, "failed", 0],
        [Effect.die("broken"), "failed", 0],
        [Effect.never, "took longer than 100 ms", 100],
        [Effect.uninterruptible(Effect.never), "took longer than 100 ms", 100]
      ] as const) {
        lines.length = 0
        const { call, events } = yield* shared(storeOf(answer))
        const calls = Effect.forEach([1, 2, 3], () => call)
        yield* Effect.provide(settle(calls), Logger.layer([logger]))
        assert.deepStrictEqual(
          events.map(({ callOutcome, latency, queueWait }) => [callOutcome, latency, queueWait]),
          [1, 2, 3].map(() => ["ok", took, 0])
        )
        const about = lines.flat().filter((line) => String(line).includes("the store of the rate limit"))
        assert.strictEqual(about.length, 1)
        assert.include(String(about[0]), word)
        yield* TestClock.adjust("1 minute")
        yield* Effect.provide(settle(call), Logger.layer([logger]))
        assert.strictEqual(
          lines.flat().filter((line) => String(line).includes("the store of the rate limit")).length,
          2
        )
      }
    }).pipe(Effect.provideService(Telemetry.LogLevels, { ok: undefined, failed: undefined }), seededly(1))
  )

  it.effect("those that wait when the store dies go through together", () =>
    Effect.gen(function* () {
      const store = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)),
        RateLimiter.RateLimiterStore
      )
      let dead = false
      const mortal: Store = {
        ...store,
        fixedWindow: (options) => (dead ? Effect.never : store.fixedWindow(options)),
        tokenBucket: (options) => (dead ? Effect.never : store.tokenBucket(options))
      }
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        dead = false
        const { call, sent } = yield* shared(mortal, { algorithm, window: "1 second", maxWait: "1 minute" })
        const fibers = yield* start(call, 6)
        const began = yield* Clock.currentTimeMillis
        dead = true
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.joinAll(fibers)
        assert.deepStrictEqual(
          sent.map((at) => at - began),
          [0, 1_100, 1_200, 1_200, 1_200, 1_200]
        )
        yield* TestClock.adjust("1 minute")
      }
    }).pipe(seededly(1))
  )

  it.effect("what a slow store took for nobody goes back", () =>
    Effect.gen(function* () {
      const store = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)),
        RateLimiter.RateLimiterStore
      )
      const slow: Store = {
        ...store,
        tokenBucket: (options) => Effect.tap(store.tokenBucket(options), () => Effect.sleep(50))
      }
      const { call, events, sent } = yield* shared(slow, { learn: false })
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust(10)
      yield* interruptAtOnce(fiber)
      yield* TestClock.adjust(200)
      assert.strictEqual(sent.length, 0)
      // It waited for the store, and not for its turn.
      assert.deepStrictEqual(
        events.map(({ latency, queuedFor }) => [latency, queuedFor.ratelimit]),
        [[10, 0]]
      )
      const next = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust(200)
      assert.strictEqual(tagOf(yield* Fiber.join(next)), "ok")
    }).pipe(seededly(1))
  )
})
