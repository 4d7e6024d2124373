// One key of a rate limit, and all keys of one: what is remembered, for how long, and what an end gives back.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option, Scheduler } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { type Bucket, Limiter, Ticket } from "../src/internal/rate.ts"
import type { Settings, Store } from "../src/internal/rateTokens.ts"

const hour = 3_600_000

const limiterOf = (settings: Partial<Settings> = {}, shared?: Store) =>
  new Limiter("test", { limit: 100, window: 1_000, algorithm: "token-bucket", ...settings }, true, shared)

const start = (bucket: Bucket, ticket: Ticket) => Effect.forkChild(bucket.acquire(ticket), { startImmediately: true })

/** Starts attempts that give up at some time, and notes when each passes. */
const pass = (bucket: Bucket, giveUpAts: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const passed: Array<number> = []
    const passing = (giveUpAt: number) =>
      Effect.andThen(
        bucket.acquire(new Ticket(1, giveUpAt)),
        Effect.map(Clock.currentTimeMillis, (now) => passed.push(now))
      )
    for (const giveUpAt of giveUpAts) yield* Effect.forkChild(passing(giveUpAt), { startImmediately: true })
    return passed
  })

const memory = Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (context) =>
  Context.get(context, RateLimiter.RateLimiterStore)
)

/** A store for several processes whose answers take their time, and which token was asked for, and when. */
const watched = (millis = 0) =>
  Effect.map(memory, (store) => {
    const asked: Array<number> = []
    const slowly = <A, E>(self: Effect.Effect<A, E>) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        asked.push(now)
        return millis === 0 ? self : Effect.tap(self, () => Effect.sleep(millis))
      })
    const watched: Store = {
      ...store,
      tokenBucket: (options) => slowly(store.tokenBucket(options)),
      fixedWindow: (options) => slowly(store.fixedWindow(options))
    }
    return { store: watched, asked }
  })

const algorithms = ["token-bucket", "fixed-window"] as const

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

  it.effect("one that somebody waits for is kept, even where the tokens are back", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 1 }).bucket("a", 0)
      const ticket = new Ticket(1, Infinity)
      yield* bucket.acquire(ticket)
      yield* bucket.end(ticket, undefined)
      const waiting = new Ticket(1, Infinity)
      const fiber = yield* start(bucket, waiting)
      assert.isFalse(bucket.isIdle(1_000))
      yield* Fiber.interrupt(fiber)
      yield* bucket.end(waiting, 0)
      assert.isTrue(bucket.isIdle(1_000))
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
      yield* TestClock.adjust(10_000)
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }).bucket("a", 10_000)
      const decided: Array<string | undefined> = []
      for (let n = 0; n < 5; n++) {
        const ticket = new Ticket(1, Infinity)
        decided.push(yield* bucket.shadow(ticket))
        yield* bucket.end(ticket, undefined)
      }
      assert.deepStrictEqual(decided, [undefined, undefined, "waited", "waited", "waited"])
      // They have their turn in two windows, and half of the second is left for others.
      assert.deepStrictEqual(
        [999, 1_000, 1_999, 2_000, 2_999, 3_000].map((later) => bucket.isIdle(10_000 + later)),
        [false, false, false, false, false, true]
      )
      yield* TestClock.adjust(2_500)
      for (const expected of [undefined, "waited"]) {
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, Infinity)), expected)
      }
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

  it.effect("leaves nothing behind of it in the tokens", () =>
    Effect.gen(function* () {
      const bucket = limiterOf().bucket("a", 0)
      for (const cost of [0, 1, 2]) {
        const ticket = new Ticket(1, Infinity)
        yield* bucket.acquire(ticket)
        yield* bucket.end(ticket, cost)
      }
      // Each that is in there makes every later token dearer to take.
      assert.strictEqual((Reflect.get(bucket.tokens, "without") as ReadonlySet<unknown>).size, 0)
    })
  )

  it.effect("of one that never passed changes nothing", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        const bucket = limiterOf({ limit: 1, algorithm }).bucket("a", 0)
        yield* bucket.note(1, 9_000, 0)
        yield* bucket.acquire(new Ticket(1, Infinity))
        const late = new Ticket(1, 500)
        const exit = yield* Effect.exit(bucket.acquire(late))
        assert.deepStrictEqual(told(exit), Duration.seconds(9))
        yield* bucket.end(late, 0)
        assert.strictEqual(bucket.tokens.available(0), 0)
        assert.isFalse(bucket.isClear(1, 8_999))
        // The one that runs is still counted.
        assert.isFalse(bucket.isIdle(hour))
      }
    })
  )
})

describe("what would have been, in `observe`", () => {
  it.effect("while the provider asked for a pause: a wait where it fits, and a rejection where it does not", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        const bucket = limiterOf({ algorithm }).bucket("a", 0)
        yield* TestClock.adjust(1_000)
        const now = yield* Clock.currentTimeMillis
        yield* bucket.close(2_000, now)
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, now + 1_999)), "rejected", algorithm)
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, now + 2_000)), "waited", algorithm)
        yield* TestClock.adjust(2_000)
        assert.isUndefined(yield* bucket.shadow(new Ticket(1, 0)), algorithm)
      }
    })
  )

  it.effect("in windows: nobody overtakes, and the wait is that of those before and the own", () =>
    Effect.gen(function* () {
      const dear = limiterOf({ limit: 3, algorithm: "fixed-window" }).bucket("a", 0)
      assert.isUndefined(yield* dear.shadow(new Ticket(2, Infinity)))
      assert.strictEqual(yield* dear.shadow(new Ticket(2, Infinity)), "waited")
      // A token is left, but another was first.
      assert.strictEqual(yield* dear.shadow(new Ticket(1, Infinity)), "waited")
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }).bucket("a", 0)
      yield* TestClock.adjust(100)
      for (const [giveUpAt, expected] of [
        [100, undefined],
        [100, undefined],
        [999, "rejected"],
        [1_000, "waited"],
        [1_000, "waited"],
        [1_999, "rejected"],
        [2_000, "waited"]
      ] as const) {
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, giveUpAt)), expected, String(giveUpAt))
      }
      // In the third window one has gone on by then, and one of its tokens is left.
      yield* TestClock.adjust(2_000)
      assert.isUndefined(yield* bucket.shadow(new Ticket(1, 0)))
      assert.strictEqual(yield* bucket.shadow(new Ticket(1, Infinity)), "waited")
    })
  )

  it.effect("a window that nobody came in takes nothing of the next", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }).bucket("a", 0)
      for (const expected of [undefined, undefined, "waited", "waited"]) {
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, Infinity)), expected)
      }
      yield* TestClock.adjust(5_000)
      for (const expected of [undefined, undefined, "waited"]) {
        assert.strictEqual(yield* bucket.shadow(new Ticket(1, Infinity)), expected)
      }
    })
  )

  it.effect("an attempt is counted while it runs, and gives back what it took", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        const bucket = limiterOf({ limit: 2, algorithm }).bucket("a", 0)
        const tickets = [new Ticket(2, Infinity), new Ticket(1, Infinity)] as const
        assert.deepStrictEqual(
          [yield* bucket.shadow(tickets[0]), yield* bucket.shadow(tickets[1])],
          [undefined, "waited"]
        )
        assert.deepStrictEqual([tickets[0].passed, tickets[1].passed], [true, true])
        assert.isFalse(bucket.isIdle(hour))
        yield* bucket.end(tickets[1], 0)
        assert.isFalse(bucket.isIdle(hour))
        assert.strictEqual(bucket.tokens.available(0), 0)
        yield* bucket.end(tickets[0], 0)
        assert.strictEqual(bucket.tokens.available(0), 2)
        assert.isTrue(bucket.isIdle(hour))
      }
    })
  )

  it.effect("a store that does not answer is told of, and holds nobody", () =>
    Effect.gen(function* () {
      for (const [answer, took] of [
        [Effect.die("broken"), 0],
        [Effect.never, 100]
      ] as const) {
        const { store } = yield* watched()
        const limiter = limiterOf({}, { ...store, tokenBucket: () => answer })
        const began = yield* Clock.currentTimeMillis
        const shadow = yield* Effect.forkChild(limiter.bucket("a", 0).shadow(new Ticket(1, Infinity)), {
          startImmediately: true
        })
        yield* TestClock.adjust(100)
        assert.deepStrictEqual(shadow.pollUnsafe(), Exit.succeed(undefined), String(took))
        assert.isTrue(limiter.failing)
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 100)
      }
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

  it.effect("is turned away at once, where one before it takes all there is and begins a new interval", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 3 }).bucket("a", 0)
      yield* bucket.acquire(new Ticket(2, Infinity))
      yield* start(bucket, new Ticket(3, Infinity))
      // The one before goes on at 667, and the next token is there at 1,000.3.
      const late = yield* start(bucket, new Ticket(1, 1_000))
      const fits = yield* start(bucket, new Ticket(1, 1_001))
      assert.deepStrictEqual(told(yield* Fiber.await(late)), Duration.millis(1_001))
      yield* TestClock.adjust(1_001)
      assert.deepStrictEqual(fits.pollUnsafe(), Exit.void)
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

  it.effect(
    "is turned away when its time is up, and not before, where those before it wait longer than they would have",
    () =>
      Effect.gen(function* () {
        const bucket = limiterOf({ limit: 1 }).bucket("a", 0)
        const running = new Ticket(1, Infinity)
        yield* bucket.acquire(running)
        yield* start(bucket, new Ticket(1, Infinity))
        const next = yield* start(bucket, new Ticket(1, 2_000))
        // It cost more than it was said to: a debt that is paid first.
        yield* bucket.end(running, 6)
        yield* TestClock.adjust(2_000)
        assert.isUndefined(next.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.isTrue(Exit.isFailure(yield* Fiber.await(next)))
        assert.strictEqual(yield* Clock.currentTimeMillis, 2_001)
      })
  )

  it.effect("passes where it comes in the instant in which there is enough for those before and for it", () =>
    Effect.gen(function* () {
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }).bucket("a", 0)
      for (const ticket of [new Ticket(1, 0), new Ticket(1, 0)]) yield* bucket.acquire(ticket)
      // It comes before the one that waits has gone on.
      const late = yield* Effect.forkChild(Effect.delay(bucket.acquire(new Ticket(1, 1_000)), 1_000), {
        startImmediately: true
      })
      const first = yield* start(bucket, new Ticket(1, 1_000))
      yield* TestClock.adjust(1_000)
      for (const fiber of [first, late]) assert.deepStrictEqual(fiber.pollUnsafe(), Exit.void)
    })
  )

  it.effect("and is first is not overtaken by one that comes while it looks for its tokens", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1)
      // Wherever the fiber of the first makes room for others, once it has come.
      let came = 0
      for (let ops = 2; ops < 20; ops++) {
        for (const algorithm of algorithms) {
          const bucket = limiterOf({ limit: 2, algorithm }).bucket("a", 0)
          yield* bucket.acquire(new Ticket(1, Infinity))
          const ticket = new Ticket(2, Infinity)
          const dear = yield* Effect.forkChild(
            Effect.provideService(bucket.acquire(ticket), Scheduler.MaxOpsBeforeYield, ops),
            { startImmediately: true }
          )
          const isFirst = ticket.since === 1
          const cheap = yield* start(bucket, new Ticket(1, Infinity))
          yield* TestClock.adjust(0)
          if (isFirst) {
            came++
            assert.isUndefined(dear.pollUnsafe())
            assert.isUndefined(cheap.pollUnsafe(), `${algorithm}, ${ops} operations`)
          }
          for (const fiber of [dear, cheap]) yield* Fiber.interrupt(fiber)
        }
      }
      assert.isAbove(came, 20)
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
      const store = yield* memory
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

describe("a store that others share", () => {
  it.effect("is asked by all who find nobody waiting, and by one for the first token of a window", () =>
    Effect.gen(function* () {
      for (const [algorithm, first, second] of [
        ["token-bucket", [0, 0, 0], [500, 500, 500]],
        ["fixed-window", [0, 50, 100], [500, 500, 500]]
      ] satisfies ReadonlyArray<[(typeof algorithms)[number], Array<number>, Array<number>]>) {
        const { asked, store } = yield* watched(50)
        const bucket = limiterOf({ algorithm, window: 10_000 }, store).bucket("a", 0)
        const began = yield* Clock.currentTimeMillis
        const passed = yield* pass(bucket, [Infinity, Infinity, Infinity])
        // Who asks does not wait for another.
        assert.strictEqual(bucket.waits().length, algorithm === "fixed-window" ? 2 : 0)
        yield* TestClock.adjust(500)
        assert.deepStrictEqual(
          asked.map((at) => at - began),
          first,
          algorithm
        )
        const later = yield* pass(bucket, [Infinity, Infinity, Infinity])
        yield* TestClock.adjust(500)
        assert.deepStrictEqual(
          asked.slice(3).map((at) => at - began),
          second,
          algorithm
        )
        // Each goes on when it is answered.
        assert.deepStrictEqual(
          [...passed, ...later],
          asked.map((at) => at + 50)
        )
        yield* TestClock.adjust(9_000)
      }
    })
  )

  it.effect("is asked though it had nothing left the last time: others give back what they took", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        const store = yield* memory
        const bucket = () => limiterOf({ limit: 1, algorithm }, store).bucket("a", 0)
        const [mine, theirs] = [bucket(), bucket()]
        const ticket = new Ticket(1, Infinity)
        yield* theirs.acquire(ticket)
        assert.deepStrictEqual(told(yield* Effect.exit(mine.acquire(new Ticket(1, 0)))), Duration.seconds(1))
        yield* theirs.end(ticket, 0)
        assert.deepStrictEqual(yield* Effect.exit(mine.acquire(new Ticket(1, 0))), Exit.void)
      }
    })
  )

  it.effect("has what is given back before anything else happens, and nobody waits for that", () =>
    Effect.gen(function* () {
      const { store } = yield* watched(50)
      const bucket = limiterOf({ limit: 1 }, store).bucket("a", 0)
      const ticket = new Ticket(1, Infinity)
      const taking = yield* start(bucket, ticket)
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(taking.pollUnsafe(), Exit.void)
      yield* bucket.end(ticket, 0)
      const look = { key: "{test:a}", tokens: 0, limit: 1, refillRate: Duration.seconds(1), allowOverflow: false }
      const looking = yield* Effect.forkChild(store.tokenBucket(look), { startImmediately: true })
      assert.strictEqual(yield* Clock.currentTimeMillis, 50)
      yield* TestClock.adjust(50)
      assert.deepStrictEqual((yield* Fiber.join(looking))[0], 1)
    })
  )

  it.effect("does not answer: all that come meanwhile go through, though one was let through before", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        let dead = false
        const { store } = yield* watched()
        const mortal = <A, E>(self: Effect.Effect<A, E>) => Effect.suspend(() => (dead ? Effect.never : self))
        const bucket = limiterOf(
          { limit: 1, window: 10_000, algorithm },
          {
            ...store,
            tokenBucket: (options) => mortal(store.tokenBucket(options)),
            fixedWindow: (options) => mortal(store.fixedWindow(options))
          }
        ).bucket("a", 0)
        const began = yield* Clock.currentTimeMillis
        const passed = yield* pass(bucket, [began])
        dead = true
        yield* TestClock.adjust(10_000)
        for (let n = 1; n < 3; n++) {
          const now = began + n * 10_000
          const more = yield* pass(bucket, [now, now + (n === 1 ? 20_000 : 0)])
          yield* TestClock.adjust(10_000)
          assert.deepStrictEqual(
            more,
            [now + 100, now + (n === 1 && algorithm === "fixed-window" ? 200 : 100)],
            algorithm
          )
        }
        assert.deepStrictEqual(passed, [began])
      }
    })
  )

  it.effect("is asked for the one before while the turn of the next ends: that one waits for the answer too", () =>
    Effect.gen(function* () {
      const { store } = yield* watched(50)
      const bucket = limiterOf({ limit: 2, algorithm: "fixed-window" }, store).bucket("a", 0)
      yield* pass(bucket, [Infinity, Infinity])
      yield* TestClock.adjust(500)
      const passed = yield* pass(bucket, [1_000, 1_000])
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(passed, [1_050, 1_100])
    })
  )

  it.effect("is not asked because of one that gives up behind another, or that cost what it took", () =>
    Effect.gen(function* () {
      for (const algorithm of algorithms) {
        const { asked, store } = yield* watched()
        const bucket = limiterOf({ limit: 1, algorithm }, store).bucket("a", 0)
        const running = new Ticket(1, Infinity)
        yield* bucket.acquire(running)
        const last = new Ticket(1, Infinity)
        yield* start(bucket, new Ticket(1, Infinity))
        const waiting = yield* start(bucket, last)
        assert.strictEqual(asked.length, 2)
        yield* Fiber.interrupt(waiting)
        yield* bucket.end(last, 0)
        yield* bucket.end(running, undefined)
        yield* TestClock.adjust(0)
        assert.strictEqual(asked.length, 2, algorithm)
        yield* TestClock.adjust(10_000)
      }
    })
  )

  /** What is there now of a bucket of three or so, of which one comes back every 100 ms or so. */
  const there = (store: Store, limit = 3, refill = 100) =>
    Effect.map(
      store.tokenBucket({
        key: "{test:a}",
        tokens: 0,
        limit,
        refillRate: Duration.millis(refill),
        allowOverflow: false
      }),
      ([remaining]) => remaining
    )

  const three = (store: Store, limit = 3, refill = 100) =>
    limiterOf({ limit, window: limit * refill }, store).bucket("a", 0)

  /** A store that looks when it is asked, and answers 20 ms later. */
  const behind = (store: Store): Store => ({
    ...store,
    tokenBucket: (options) => Effect.tap(store.tokenBucket(options), () => Effect.sleep(20))
  })

  it.effect("is asked what is there before a token goes back, where others may have taken", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const [mine, theirs] = [three(store), three(store)]
      const ticket = new Ticket(1, Infinity)
      yield* mine.acquire(ticket)
      yield* TestClock.adjust(50)
      yield* theirs.acquire(new Ticket(2, Infinity))
      yield* TestClock.adjust(30)
      yield* mine.end(ticket, 0)
      // Without the first the bucket would have been full until 50, and have one now: its second comes at 150.
      const seen: Array<number> = []
      for (const millis of [0, 20, 49]) {
        yield* TestClock.adjust(millis)
        seen.push(yield* there(store))
      }
      assert.deepStrictEqual(seen, [0, 1, 1])
    })
  )

  it.effect("gets a token back though others took, where it would not have been full", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const [mine, theirs] = [three(store, 5), three(store, 5)]
      yield* theirs.acquire(new Ticket(3, Infinity))
      yield* TestClock.adjust(10)
      const ticket = new Ticket(1, Infinity)
      yield* mine.acquire(ticket)
      yield* TestClock.adjust(10)
      yield* theirs.acquire(new Ticket(1, Infinity))
      yield* TestClock.adjust(30)
      yield* mine.end(ticket, 0)
      assert.strictEqual(yield* there(store, 5), 1)
    })
  )

  it.effect("has what came back taken again where others took while it was on its way", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const mine = three(behind(store))
      const ticket = new Ticket(1, Infinity)
      yield* start(mine, ticket)
      yield* TestClock.adjust(50)
      yield* mine.end(ticket, 0)
      // Two are there when it is asked at 50, and its answer is here at 70.
      yield* TestClock.adjust(10)
      yield* three(store).acquire(new Ticket(2, Infinity))
      const seen: Array<number> = []
      for (const millis of [0, 10, 19, 1, 9, 1]) {
        yield* TestClock.adjust(millis)
        seen.push(yield* there(store))
      }
      // Without the first there would have been one from 60, and the next at 160.
      assert.deepStrictEqual(seen, [0, 1, 1, 0, 0, 1])
    })
  )

  it.effect("is never fuller than full, where two attempts of one process give back at once", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const mine = three(behind(store))
      const tickets = [new Ticket(1, Infinity), new Ticket(1, Infinity)]
      for (const ticket of tickets) yield* start(mine, ticket)
      yield* TestClock.adjust(120)
      for (const ticket of tickets) yield* mine.end(ticket, 0)
      yield* TestClock.adjust(20)
      assert.strictEqual(yield* there(store), 3)
    })
  )

  it.effect("is as full as it can be soon after two processes gave back at once", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const [mine, theirs] = [three(behind(store)), three(behind(store))]
      const tickets = [new Ticket(1, Infinity), new Ticket(1, Infinity)] as const
      yield* start(mine, tickets[0])
      yield* start(theirs, tickets[1])
      yield* TestClock.adjust(30)
      // Each knows of the other.
      yield* start(mine, new Ticket(3, 0))
      yield* TestClock.adjust(110)
      yield* mine.end(tickets[0], 0)
      yield* theirs.end(tickets[1], 0)
      const seen: Array<number> = []
      for (const millis of [20, 20]) {
        yield* TestClock.adjust(millis)
        seen.push(yield* there(store))
      }
      assert.deepStrictEqual(seen, [4, 3])
    })
  )

  it.effect("that once never answered gets back what later attempts did not spend", () =>
    Effect.gen(function* () {
      const store = yield* memory
      let dead = false
      const mine = three(
        {
          ...store,
          tokenBucket: (options) => Effect.suspend(() => (dead ? Effect.never : store.tokenBucket(options)))
        },
        3,
        1_000
      )
      const ticket = new Ticket(1, Infinity)
      yield* mine.acquire(ticket)
      dead = true
      yield* mine.end(ticket, 0)
      yield* TestClock.adjust("1 minute")
      dead = false
      const next = new Ticket(2, Infinity)
      yield* mine.acquire(next)
      assert.strictEqual(yield* there(store, 3, 1_000), 1)
      yield* mine.end(next, 0)
      assert.strictEqual(yield* there(store, 3, 1_000), 3)
    })
  )

  it.effect("says how long others were told to pause, and that closes it here", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const bucket = () => limiterOf({}, store).bucket("a", 0)
      const [mine, theirs] = [bucket(), bucket()]
      yield* TestClock.adjust(1_000)
      yield* theirs.close(5_000, 1_000)
      const ticket = new Ticket(1, Infinity)
      const waiting = yield* start(mine, ticket)
      yield* TestClock.adjust(0)
      assert.isUndefined(waiting.pollUnsafe())
      yield* Fiber.interrupt(waiting)
      yield* mine.end(ticket, 0)
      assert.deepStrictEqual([mine.isClear(1, 5_999), mine.isClear(1, 6_000)], [false, true])
      assert.strictEqual(mine.tokens.available(1_000), 100)
    })
  )

  it.effect("is told of a pause, and nobody waits for that", () =>
    Effect.gen(function* () {
      const { store } = yield* watched()
      const bucket = limiterOf({}, { ...store, adaptiveFeedback: () => Effect.never }).bucket("a", 0)
      const telling = yield* Effect.forkChild(bucket.close(1_000, 0), { startImmediately: true })
      assert.deepStrictEqual(telling.pollUnsafe(), Exit.void)
    })
  )
})
