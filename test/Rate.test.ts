// One key of a rate limit, and all keys of one: what is remembered, for how long, and what an end gives back.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { type Bucket, Limiter, Ticket } from "../src/internal/rate.ts"
import type { Settings, Store } from "../src/internal/rateTokens.ts"

const hour = 3_600_000

const limiterOf = (settings: Partial<Settings> = {}, shared?: Store) =>
  new Limiter("test", { limit: 100, window: 1_000, algorithm: "token-bucket", ...settings }, true, shared)

const start = (bucket: Bucket, ticket: Ticket) => Effect.forkChild(bucket.acquire(ticket), { startImmediately: true })

/** How long one that was turned away is told to wait. */
const told = (exit: Exit.Exit<void, { readonly retryAfter?: Duration.Duration | undefined }>) =>
  Option.getOrThrow(Exit.findErrorOption(exit)).retryAfter

describe("the keys of a rate limit", () => {
  it.each([
    ["a second", 1_000, 10_000],
    ["half a minute", 30_000, 30_000],
    ["an hour", hour, 60_000]
  ] as const)("a window of %s: those that nothing would be lost with are dropped now and then", (_, window, every) => {
    const limiter = limiterOf({ window })
    const bucket = limiter.bucket("a", 0)
    assert.strictEqual(limiter.bucket("a", every - 1), bucket)
    limiter.bucket("b", every - 1)
    assert.deepStrictEqual([...limiter.buckets.keys()], ["a", "b"])
    limiter.bucket("c", every)
    assert.deepStrictEqual([...limiter.buckets.keys()], ["c"])
    limiter.bucket("d", 2 * every - 1)
    limiter.bucket("e", 2 * every)
    assert.deepStrictEqual([...limiter.buckets.keys()], ["e"])
  })

  it.effect("one that has an attempt is kept, however long that takes", () =>
    Effect.gen(function* () {
      const limiter = limiterOf()
      const bucket = limiter.bucket("a", 0)
      const ticket = new Ticket(1, Infinity)
      yield* bucket.acquire(ticket)
      limiter.bucket("b", hour)
      assert.deepStrictEqual([...limiter.buckets.keys()], ["a", "b"])
      yield* bucket.end(ticket, undefined)
      limiter.bucket("b", 2 * hour)
      assert.deepStrictEqual([...limiter.buckets.keys()], ["b"])
    })
  )

  it.effect("one whose tokens have not all come back is kept", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 2 }).bucket("a", 0)
      const ticket = new Ticket(1, Infinity)
      yield* bucket.acquire(ticket)
      yield* bucket.end(ticket, undefined)
      assert.isFalse(bucket.isIdle(499))
      assert.isTrue(bucket.isIdle(500))
    })
  )

  it.effect("one that the provider paused is kept until the pause is over", () =>
    Effect.gen(function* () {
      const closed = limiterOf().bucket("a", 0)
      yield* closed.close(5_000, 0)
      assert.deepStrictEqual([closed.isIdle(4_999), closed.isIdle(5_000)], [false, true])
      const noted = limiterOf().bucket("a", 0)
      yield* noted.note(7, 5_000, 0)
      assert.deepStrictEqual([noted.isIdle(4_999), noted.isIdle(5_000)], [false, true])
    })
  )

  it.effect("one with something that would still wait in `observe` is kept until that had its window", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }).bucket("a", 0)
      const decided: Array<string | undefined> = []
      for (let n = 0; n < 5; n++) {
        const ticket = new Ticket(1, Infinity)
        decided.push(yield* bucket.shadow(ticket))
        yield* bucket.end(ticket, undefined)
      }
      assert.deepStrictEqual(decided, [undefined, undefined, "waited", "waited", "waited"])
      assert.deepStrictEqual(
        [999, 1_000, 1_999, 2_000].map((now) => bucket.isIdle(now)),
        [false, false, false, true]
      )
    })
  )
})

describe("whether an attempt would pass at once", () => {
  it.effect("not while somebody waits, even where the tokens are back", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 1 }).bucket("a", 0)
      yield* bucket.acquire(new Ticket(1, Infinity))
      assert.deepStrictEqual([bucket.isClear(1, 999), bucket.isClear(1, 1_000)], [false, true])
      const waiting = yield* start(bucket, new Ticket(1, Infinity))
      assert.isFalse(bucket.isClear(1, 1_000))
      yield* Fiber.interrupt(waiting)
    })
  )

  it.effect("what the provider says is left bounds the cost until its reset, and an hour at most", () =>
    Effect.gen(function* () {
      for (const [resetAfter, until] of [
        [9_000, 9_000],
        [365 * 24 * hour, hour]
      ] as const) {
        const bucket = limiterOf().bucket("a", 0)
        yield* bucket.note(2, resetAfter, 0)
        assert.isTrue(bucket.isClear(2, 0))
        assert.isFalse(bucket.isClear(3, until - 1))
        assert.isTrue(bucket.isClear(3, until))
      }
    })
  )

  it.effect("a pause that is none closes nothing, and none takes an earlier one back", () =>
    Effect.gen(function* () {
      const bucket = limiterOf().bucket("a", 0)
      for (const pause of [0, -5, Number.NaN]) {
        yield* bucket.close(pause, 10)
        assert.isTrue(bucket.isClear(1, 0), String(pause))
      }
      yield* bucket.close(5_000, 0)
      yield* bucket.close(1_000, 0)
      assert.deepStrictEqual([bucket.isClear(1, 4_999), bucket.isClear(1, 5_000)], [false, true])
    })
  )
})

describe("the end of an attempt", () => {
  const noted = Effect.gen(function* () {
    const bucket = limiterOf().bucket("a", 0)
    yield* bucket.note(5, 9_000, 0)
    const ticket = new Ticket(2, Infinity)
    yield* bucket.acquire(ticket)
    assert.deepStrictEqual([bucket.isClear(3, 0), bucket.isClear(4, 0)], [true, false])
    return { bucket, ticket }
  })

  it.effect("gives what it took of the provider's account back where it was not sent", () =>
    Effect.gen(function* () {
      const { bucket, ticket } = yield* noted
      yield* bucket.end(ticket, 0)
      assert.deepStrictEqual([bucket.isClear(5, 0), bucket.isClear(6, 0)], [true, false])
    })
  )

  it.effect("gives nothing of it back where the provider has counted since, or where it was sent", () =>
    Effect.gen(function* () {
      const later = yield* noted
      yield* later.bucket.note(1, 9_000, 0)
      yield* later.bucket.end(later.ticket, 0)
      assert.deepStrictEqual([later.bucket.isClear(1, 0), later.bucket.isClear(2, 0)], [true, false])
      const cheap = yield* noted
      yield* cheap.bucket.end(cheap.ticket, 1)
      assert.deepStrictEqual([cheap.bucket.isClear(3, 0), cheap.bucket.isClear(4, 0)], [true, false])
      assert.strictEqual(cheap.bucket.tokens.available(0), 99)
    })
  )

  it.effect("of one that never passed changes nothing", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 1 }).bucket("a", 0)
      yield* bucket.acquire(new Ticket(1, Infinity))
      const late = new Ticket(1, 500)
      const exit = yield* Effect.exit(bucket.acquire(late))
      assert.deepStrictEqual(told(exit), Duration.seconds(1))
      yield* bucket.end(late, 0)
      assert.strictEqual(bucket.tokens.available(0), 0)
      // The one that runs is still counted.
      assert.isFalse(bucket.isIdle(hour))
    })
  )
})

describe("a wait that can't fit", () => {
  it.effect("is told the wait of those before and its own, and not of those behind", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 1, window: 10_000 }).bucket("a", 0)
      yield* bucket.acquire(new Ticket(1, Infinity))
      const first = yield* start(bucket, new Ticket(1, Infinity))
      const second = yield* start(bucket, new Ticket(1, 25_000))
      const third = yield* start(bucket, new Ticket(1, Infinity))
      yield* bucket.close(26_000, 0)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(told(yield* Fiber.await(second)), Duration.seconds(26))
      assert.isUndefined(first.pollUnsafe())
      assert.isUndefined(third.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      for (const fiber of [first, third]) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
    })
  )

  it.effect("is told in whole milliseconds, and never too early", () =>
    Effect.gen(function* () {
      const bucket = limiterOf().bucket("a", 0)
      yield* bucket.close(1_000, 0)
      yield* TestClock.adjust(0.25)
      const exit = yield* Effect.exit(bucket.acquire(new Ticket(1, 10)))
      assert.deepStrictEqual(told(exit), Duration.seconds(1))
    })
  )
})

describe("who waits", () => {
  it.effect("is known with the time since when, of every key, until it goes on or gives up", () =>
    Effect.gen(function* () {
      const limiter = limiterOf({ limit: 1 })
      assert.deepStrictEqual(limiter.waits(), [])
      const [a, b] = [limiter.bucket("a", 0), limiter.bucket("b", 0)]
      for (const bucket of [a, b]) yield* bucket.acquire(new Ticket(1, Infinity))
      assert.deepStrictEqual(limiter.waits(), [])
      yield* start(a, new Ticket(1, Infinity))
      yield* TestClock.adjust(100)
      const second = yield* start(a, new Ticket(1, Infinity))
      yield* start(b, new Ticket(1, Infinity))
      assert.deepStrictEqual(a.waits(), [0, 100])
      assert.deepStrictEqual(limiter.waits(), [0, 100, 100])
      yield* TestClock.adjust(900)
      assert.deepStrictEqual(limiter.waits(), [100])
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(limiter.waits(), [])
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(second)))
    })
  )

  it.effect("is turned away at once where the provider says that its cost is more than is left for too long", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 10, window: 10_000 }).bucket("a", 0)
      yield* bucket.acquire(new Ticket(10, Infinity))
      const head = yield* start(bucket, new Ticket(2, Infinity))
      const dear = yield* start(bucket, new Ticket(5, 20_000))
      const cheap = yield* start(bucket, new Ticket(1, 20_000))
      const patient = yield* start(bucket, new Ticket(5, 60_000))
      yield* bucket.note(3, 60_000, 0)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(told((yield* Fiber.await(dear)) as Exit.Exit<void, object>), Duration.minutes(1))
      for (const waiting of [head, cheap, patient]) assert.isUndefined(waiting.pollUnsafe())
      // What is exactly as much as is left may go.
      const exact = limiterOf({ limit: 10, window: 10_000 }).bucket("b", 0)
      yield* exact.acquire(new Ticket(10, Infinity))
      yield* start(exact, new Ticket(1, Infinity))
      const fits = yield* start(exact, new Ticket(3, 20_000))
      yield* exact.note(3, 60_000, 0)
      yield* TestClock.adjust(0)
      assert.isUndefined(fits.pollUnsafe())
    })
  )

  it.effect("and is first goes on as soon as the provider says that there is more", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 10, window: 10_000 }).bucket("a", 0)
      yield* bucket.note(0, 60_000, 0)
      const head = yield* start(bucket, new Ticket(2, Infinity))
      const next = yield* start(bucket, new Ticket(2, Infinity))
      yield* TestClock.adjust(5_000)
      assert.isUndefined(head.pollUnsafe())
      yield* bucket.note(10, 60_000, 5_000)
      yield* TestClock.adjust(0)
      for (const fiber of [head, next]) assert.deepStrictEqual(fiber.pollUnsafe(), Exit.void)
    })
  )
})

describe("what other processes are told", () => {
  it.effect("each pause that is one, and nothing else", () =>
    Effect.gen(function* () {
      const store = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)),
        RateLimiter.RateLimiterStore
      )
      const pauses: Array<unknown> = []
      const spied: Store = {
        ...store,
        adaptiveFeedback: (options) => {
          pauses.push({ ...options, epoch: undefined })
          return store.adaptiveFeedback(options)
        }
      }
      const bucket = limiterOf({}, spied).bucket("a", 0)
      const feedback = (pause: number) => ({
        key: "{test:a}",
        epoch: undefined,
        tokens: 0,
        status: 429,
        retryAfter: Duration.millis(pause)
      })
      yield* bucket.close(0, 0)
      yield* bucket.note(0, 0, 0)
      yield* bucket.note(1, 1_000, 0)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(pauses, [])
      yield* bucket.note(0, 1_000, 0)
      yield* bucket.close(2 * hour, 0)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(pauses, [feedback(1_000), feedback(hour)])
    })
  )
})
