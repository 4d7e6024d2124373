// The tokens of one key: what is there, how long it would take, and what a store is asked.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { type Settings, type Store, Tokens, Without } from "../src/internal/rateTokens.ts"

/** Three tokens; one comes back every 100 ms, or all of them every 300 ms. */
const tokensOf = (algorithm: Settings["algorithm"], shared?: Store, window = 300) =>
  new Tokens("k", { algorithm, limit: 3, window }, shared, 0)

const none = () => new Without()

describe("a bucket of tokens", () => {
  it.effect("has what is left and what came back, and never more than its limit", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      assert.strictEqual(tokens.available(0), 3)
      assert.strictEqual(yield* tokens.take(2), 0)
      assert.deepStrictEqual(
        [0, 99, 100, 199, 200, 10_000].map((now) => tokens.available(now)),
        [1, 1, 2, 2, 3, 3]
      )
    })
  )

  it.effect("refuses more than is there, says for how long, and takes nothing of it", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      yield* tokens.take(2)
      assert.strictEqual(yield* tokens.take(2), 100)
      assert.strictEqual(tokens.available(0), 1)
      yield* TestClock.adjust(30)
      assert.strictEqual(yield* tokens.take(3), 170)
      assert.strictEqual(yield* tokens.take(1), 0)
      assert.strictEqual(tokens.available(30), 0)
    })
  )

  it.effect("may owe what an attempt has cost more", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      yield* tokens.force(5)
      assert.strictEqual(tokens.available(0), -2)
      assert.strictEqual(tokens.estimate([1], 0), 300)
      assert.strictEqual(yield* tokens.take(1), 300)
    })
  )

  it.effect("knows how long several would take, one after the other", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      assert.deepStrictEqual(
        [[], [3], [1, 1, 1], [1, 1, 1, 1], [3, 2]].map((costs) => tokens.estimate(costs, 0)),
        [0, 0, 0, 100, 200]
      )
      // Of a bucket that has been full for long the next comes an interval after the last.
      assert.strictEqual(tokens.estimate([4], 1_050), 100)
      assert.strictEqual(tokens.estimate([3, 0.5], 0), 100)
      yield* tokens.take(3)
      assert.deepStrictEqual(
        [
          [[1], 0],
          [[1], 30],
          [[2], 30],
          [[1, 1], 130],
          [[1], 100],
          [[0.5], 30],
          [[4], 1_000]
        ].map(([costs, now]) => tokens.estimate(costs as Array<number>, now as number)),
        [100, 70, 170, 70, 0, 70, 100]
      )
    })
  )

  it.effect("knows that one who takes all of it begins the next interval, and those behind wait for that", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket", undefined, 1_000)
      yield* tokens.take(2)
      // The third token is there at 666.7 and taken at 667: the next comes 333.3 later, and not at 1,000.
      assert.deepStrictEqual(
        [[3], [3, 1], [2, 2], [3, 3], [3, 1, 3]].map((costs) => tokens.estimate(costs, 100)),
        [567, 901, 900, 1_567, 1_901]
      )
      yield* TestClock.adjust(667)
      assert.strictEqual(yield* tokens.take(3), 0)
      assert.strictEqual(yield* tokens.take(1), 334)
    })
  )

  it.effect("gets back what was not spent, and no more than it would have had", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const whole = none()
      yield* tokens.take(2, whole)
      yield* tokens.giveBack(2, 0, 0, whole)
      assert.strictEqual(tokens.available(0), 3)
      tokens.forget(whole)
      const half = none()
      yield* tokens.take(2, half)
      yield* tokens.giveBack(2, 1, 0, half)
      assert.strictEqual(tokens.available(0), 2)
      // It is full again by then, and would not have been fuller.
      const late = none()
      yield* TestClock.adjust(1_000)
      yield* tokens.take(1, late)
      yield* TestClock.adjust(100)
      yield* tokens.giveBack(1, 0, 0, late)
      assert.strictEqual(tokens.available(1_100), 3)
      assert.strictEqual(yield* tokens.take(3), 0)
      assert.strictEqual(yield* tokens.take(1), 100)
    })
  )

  it.effect("is as full again as it would have been, whose next interval begins with the next token", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const whole = none()
      yield* tokens.take(2, whole)
      yield* TestClock.adjust(50)
      yield* tokens.giveBack(2, 0, 0, whole)
      assert.strictEqual(tokens.available(50), 3)
    })
  )

  it.effect("gets all of it back within the interval in which it was taken", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const one = none()
      yield* tokens.take(2)
      yield* tokens.take(1, one)
      yield* TestClock.adjust(50)
      yield* tokens.giveBack(1, 0, 0, one)
      assert.deepStrictEqual(
        [50, 99, 100, 200].map((now) => tokens.available(now)),
        [1, 1, 2, 3]
      )
    })
  )

  it.effect("gets all of it back intervals later, if it would not have been full in between", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const one = none()
      yield* tokens.take(3)
      yield* TestClock.adjust(100)
      yield* tokens.take(1, one)
      yield* TestClock.adjust(150)
      yield* tokens.giveBack(1, 0, 0, one)
      assert.deepStrictEqual(
        [250, 299, 300].map((now) => tokens.available(now)),
        [2, 2, 3]
      )
    })
  )

  // The bucket was full until 30. Without the attempt its next token would come an interval after that, and not at 100.
  for (const [at, cost, more, expected] of [
    [50, 1, 2, [0, 0, 1, 2]],
    [50, 2, 1, [1, 1, 2, 3]],
    [150, 1, 2, [1, 1, 2, 3]]
  ] as const) {
    it.effect(`gets a token less back at ${at} where an interval began too early: of ${cost}`, () =>
      Effect.gen(function* () {
        const tokens = tokensOf("token-bucket")
        const early = none()
        yield* tokens.take(cost, early)
        yield* TestClock.adjust(30)
        yield* tokens.take(more)
        yield* TestClock.adjust(at - 30)
        yield* tokens.giveBack(cost, 0, 0, early)
        const next = Math.ceil(at / 100) * 100
        assert.deepStrictEqual(
          [at, next - 1, next, next + 100].map((now) => tokens.available(now)),
          [...expected]
        )
      })
    )
  }

  it.effect("gets back what pays off a part of a debt", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const one = none()
      yield* tokens.take(1, one)
      yield* tokens.force(4)
      assert.strictEqual(tokens.available(0), -2)
      yield* tokens.giveBack(1, 0, 0, one)
      assert.strictEqual(tokens.available(0), -1)
    })
  )

  it.effect("counts its intervals from the last token that came back", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      yield* tokens.take(3)
      yield* TestClock.adjust(130)
      yield* tokens.take(1)
      assert.deepStrictEqual(
        [130, 199, 200, 300].map((now) => tokens.available(now)),
        [0, 0, 1, 2]
      )
    })
  )

  it.effect("what others take is kept in mind for one that may give back, until it has ended", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("token-bucket")
      const running = none()
      const over = none()
      yield* tokens.take(1, running)
      yield* tokens.take(1, over)
      assert.deepStrictEqual([running.level, over.level], [2, 2])
      tokens.forget(over)
      yield* tokens.take(1)
      assert.deepStrictEqual([running.level, over.level], [1, 2])
      // What was refused was taken by nobody.
      yield* tokens.take(1)
      assert.deepStrictEqual([running.level, over.level], [1, 2])
    })
  )
})

describe("a bucket of tokens that others share", () => {
  const memory = Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (context) =>
    Context.get(context, RateLimiter.RateLimiterStore)
  )

  /** A store that is asked some time before it looks, and answers some time after. */
  const far = (store: Store, way: { there: number; back: number }): Store => ({
    ...store,
    tokenBucket: (options) =>
      Effect.suspend(() =>
        Effect.andThen(
          Effect.sleep(way.there),
          Effect.tap(store.tokenBucket(options), () => Effect.sleep(way.back))
        )
      )
  })

  it.effect("counts what others took against one that may give back, where it is refused more too", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const [mine, theirs] = [tokensOf("token-bucket", store), tokensOf("token-bucket", store)]
      const running = none()
      yield* mine.take(1, running)
      yield* theirs.take(2)
      assert.strictEqual(yield* mine.take(3), 300)
      assert.strictEqual(running.level, 1)
      assert.strictEqual(yield* mine.take(1), 100)
      assert.strictEqual(running.level, 1)
    })
  )

  it.effect("gets all of it back though the store's clock is read later than it was asked", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const way = { there: 0, back: 0 }
      const mine = tokensOf("token-bucket", far(store, way))
      yield* tokensOf("token-bucket", store).take(2)
      yield* TestClock.adjust(30)
      const one = none()
      const taking = yield* Effect.forkChild(mine.take(1, one), { startImmediately: true })
      yield* TestClock.adjust(30)
      assert.strictEqual(yield* Fiber.join(taking), 0)
      way.there = 20
      const looking = yield* Effect.forkChild(mine.look, { startImmediately: true })
      yield* TestClock.adjust(20)
      yield* Fiber.join(looking)
      assert.strictEqual(mine.backOf(1, 0, one, 80), 1)
    })
  )

  it.effect("knows that a token that came back while the store's answer was on its way was taken by nobody", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const mine = tokensOf("token-bucket", far(store, { there: 0, back: 20 }))
      yield* tokensOf("token-bucket", store).take(1)
      const one = none()
      const taking = yield* Effect.forkChild(mine.take(1, one), { startImmediately: true })
      yield* TestClock.adjust(90)
      yield* Fiber.join(taking)
      const looking = yield* Effect.forkChild(mine.look, { startImmediately: true })
      yield* TestClock.adjust(20)
      yield* Fiber.join(looking)
      assert.strictEqual(one.level, 2)
      assert.strictEqual(mine.available(110), 2)
    })
  )

  it.effect("is stale while something was there that others may have taken", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const mine = tokensOf("token-bucket", store)
      yield* mine.take(2)
      assert.isTrue(mine.isStale(0))
      yield* mine.take(1)
      assert.deepStrictEqual(
        [0, 99, 100].map((now) => mine.isStale(now)),
        [false, false, true]
      )
      assert.isFalse(tokensOf("token-bucket").isStale(0))
      assert.isFalse(tokensOf("fixed-window", store).isStale(0))
    })
  )
})

describe("a window of tokens", () => {
  it.effect("has what is left of it, and all of them in the next", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("fixed-window")
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* tokens.take(2), 0)
      assert.deepStrictEqual(
        [200, 299, 300, 599].map((now) => tokens.available(now)),
        [1, 1, 3, 3]
      )
      assert.strictEqual(yield* tokens.take(2), 100)
      assert.strictEqual(tokens.available(200), 1)
      yield* tokens.force(4)
      assert.strictEqual(tokens.available(200), -3)
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* tokens.take(3), 0)
      assert.strictEqual(tokens.available(300), 0)
    })
  )

  it.effect("knows how long several would take, where none is split between two", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("fixed-window")
      assert.deepStrictEqual(
        [[], [3], [1, 2], [2, 2], [3, 3, 1], [2, 2, 1], [1, 3, 3, 3]].map((costs) => tokens.estimate(costs, 120)),
        [0, 0, 0, 180, 480, 180, 780]
      )
      yield* tokens.take(2)
      assert.deepStrictEqual(
        [[1], [2]].map((costs) => tokens.estimate(costs, 120)),
        [0, 180]
      )
      assert.strictEqual(tokens.estimate([3], 300), 0)
    })
  )

  it.effect("gets back what was not spent, as long as it lasts", () =>
    Effect.gen(function* () {
      const tokens = tokensOf("fixed-window")
      yield* tokens.take(3)
      yield* tokens.giveBack(2, 1, 0, none())
      assert.strictEqual(tokens.available(0), 1)
      yield* TestClock.adjust(300)
      yield* tokens.take(1)
      yield* tokens.giveBack(2, 0, 0, none())
      assert.strictEqual(tokens.available(300), 2)
      // A part of a debt, too.
      yield* tokens.force(5)
      assert.strictEqual(tokens.available(300), -3)
      yield* tokens.giveBack(1, 0, 1, none())
      assert.strictEqual(tokens.available(300), -2)
    })
  )
})

describe("what a store is asked", () => {
  const spied = (ttl: number) => {
    const asked: Array<unknown> = []
    let count = 0
    const store: Store = {
      fixedWindow: (options) =>
        Effect.sync(() => {
          asked.push({ ...options, refillRate: Duration.toMillis(options.refillRate) })
          count += options.tokens
          return [count, ttl] as const
        }) as never,
      tokenBucket: (options) =>
        Effect.sync(() => {
          asked.push({ ...options, refillRate: Duration.toMillis(options.refillRate) })
          return [options.limit - options.tokens, 0] as const
        }) as never,
      adaptiveConsume: (options) =>
        Effect.sync(() => {
          asked.push({ ...options, fallbackWindow: Duration.toMillis(options.fallbackWindow) })
          return { delay: Duration.millis(20.5), epoch: 7 }
        }) as never,
      adaptiveFeedback: (options) => Effect.sync(() => void asked.push(options))
    }
    return { store, asked }
  }

  it.effect("of a bucket: its rate, and whether it may owe", () =>
    Effect.gen(function* () {
      const { asked, store } = spied(0)
      const tokens = tokensOf("token-bucket", store)
      assert.isTrue(tokens.isKept(0))
      yield* tokens.take(1)
      yield* tokens.force(2)
      const asks = { key: "k", limit: 3, refillRate: 100 }
      assert.deepStrictEqual(asked, [
        { ...asks, tokens: 1, allowOverflow: false },
        { ...asks, tokens: 2, allowOverflow: true }
      ])
    })
  )

  it.effect("of a bucket that gets nothing back: nothing", () =>
    Effect.gen(function* () {
      const { asked, store } = spied(0)
      const tokens = tokensOf("token-bucket", store)
      const whole = none()
      yield* tokens.take(1, whole)
      yield* tokens.giveBack(1, 1, 0, whole)
      assert.strictEqual(asked.length, 1)
    })
  )

  it.effect("of a bucket whose interval began a token too early: nothing, for that token", () =>
    Effect.gen(function* () {
      const built = yield* Layer.build(Layer.fresh(RateLimiter.layerStoreMemory))
      const memory = Context.get(built, RateLimiter.RateLimiterStore)
      let asked = 0
      const tokens = tokensOf("token-bucket", {
        ...memory,
        tokenBucket: (options) => {
          asked++
          return memory.tokenBucket(options)
        }
      })
      const early = none()
      yield* tokens.take(1, early)
      yield* TestClock.adjust(30)
      yield* tokens.take(2)
      yield* TestClock.adjust(20)
      yield* tokens.giveBack(1, 0, 0, early)
      assert.strictEqual(asked, 2)
    })
  )

  it.effect("of a window: a key of its own, which lives a second longer and grows no older", () =>
    Effect.gen(function* () {
      const { asked, store } = spied(180)
      const tokens = tokensOf("fixed-window", store)
      yield* TestClock.adjust(420)
      assert.isFalse(tokens.isKept(420))
      yield* tokens.force(-1)
      yield* tokens.take(2)
      assert.isTrue(tokens.isKept(420))
      assert.isTrue(tokens.isKept(599))
      assert.isFalse(tokens.isKept(600))
      yield* tokens.take(1)
      yield* tokens.force(1)
      const asks = { key: "k:1", refillRate: 0 }
      assert.deepStrictEqual(asked, [
        { ...asks, tokens: -1, limit: undefined },
        { ...asks, tokens: 2, limit: 3 },
        { ...asks, tokens: 1, limit: 3 },
        { ...asks, tokens: 1, limit: undefined }
      ])
    })
  )

  it.effect("of a window whose key would die before it: to let it live", () =>
    Effect.gen(function* () {
      const { asked, store } = spied(179)
      const tokens = tokensOf("fixed-window", store)
      yield* TestClock.adjust(420)
      yield* tokens.force(0)
      yield* tokens.take(1)
      assert.isFalse(tokens.isKept(420))
      yield* tokens.take(2)
      assert.deepStrictEqual(asked, [
        { key: "k:1", tokens: 0, limit: undefined, refillRate: 0 },
        { key: "k:1", tokens: 1, limit: 3, refillRate: 1_180 },
        { key: "k:1", tokens: 2, limit: 3, refillRate: 590 }
      ])
    })
  )

  it.effect("of a window that was over before the store answered: the same of the next, if that has them", () =>
    Effect.gen(function* () {
      for (const [there, expected] of [
        [2, 0],
        [3, 200]
      ] as const) {
        const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const window = began / 300
        const counts = new Map([[`k:${window + 1}`, there as number]])
        let delay = 400
        const store: Store = {
          ...spied(0).store,
          fixedWindow: ({ key, tokens }) =>
            Effect.suspend(() => {
              const count = (counts.get(key) ?? 0) + tokens
              counts.set(key, count)
              const answer = Effect.delay(Effect.succeed([count, 1_000] as const), delay)
              delay = 0
              return answer
            }) as never
        }
        const tokens = tokensOf("fixed-window", store)
        const taken = yield* Effect.forkChild(tokens.take(1), { startImmediately: true })
        yield* TestClock.adjust(400)
        assert.strictEqual(yield* Fiber.join(taken), expected)
        assert.strictEqual(tokens.available(began + 400), 0)
        yield* TestClock.adjust(200)
      }
    })
  )

  it.effect("of a pause: none of its tokens, and the newest epoch goes with the next", () =>
    Effect.gen(function* () {
      const { asked, store } = spied(0)
      const tokens = tokensOf("token-bucket", store)
      assert.strictEqual(yield* tokens.readPause(store), 21)
      yield* tokens.tellPause(store, 500)
      const consume = { key: "k", tokens: 0, fallbackLimit: 3, fallbackWindow: 300 }
      assert.deepStrictEqual(asked, [
        consume,
        consume,
        { key: "k", epoch: 7, tokens: 0, status: 429, retryAfter: Duration.millis(500) }
      ])
    })
  )
})
