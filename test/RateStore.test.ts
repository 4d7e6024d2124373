// The tokens of one key in memory, beside Effect's store in memory: the same answers to the same questions.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Random } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { type KeyStore, makeKeyStore } from "../src/internal/rateStore.ts"
import { findStore } from "../src/internal/rateTokens.ts"

const effects = Effect.scoped(
  Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (built) =>
    Context.get(built, RateLimiter.RateLimiterStore)
  )
)

const pick = <A>(values: readonly [A, ...ReadonlyArray<A>]): Effect.Effect<A> =>
  Effect.map(Random.nextIntBetween(0, values.length - 1), (i) => values[i] ?? values[0])

/** Asks both stores the same questions, at the same times, and gives both lists of answers. */
const compare = <A>(seed: number, steps: number, ask: (store: KeyStore) => Effect.Effect<Effect.Effect<A, unknown>>) =>
  Effect.gen(function* () {
    const theirs = yield* effects
    const ours = makeKeyStore()
    const answers: { readonly theirs: Array<A>; readonly ours: Array<A> } = { theirs: [], ours: [] }
    for (let step = 0; step < steps; step++) {
      yield* TestClock.adjust(yield* pick([0, 0, 1, 7, 33.5, 100, 250, 1_000, 60_000]))
      // Whoever asks draws the question: with the same seed both get the same.
      const question = (store: KeyStore): Effect.Effect<A, unknown> =>
        Effect.flatten(Random.withSeed(ask(store), `${seed}/${step}`))
      answers.theirs.push(yield* Effect.orDie(question(theirs)))
      answers.ours.push(yield* Effect.orDie(question(ours)))
    }
    return answers
  }).pipe(Random.withSeed(`${seed}`))

describe("the tokens of one key in memory", () => {
  it.effect("come back and are counted as those of Effect's bucket", () =>
    Effect.gen(function* () {
      let refused = 0
      for (let seed = 0; seed < 100; seed++) {
        const { ours, theirs } = yield* compare(seed, 60, (store) =>
          Effect.gen(function* () {
            const limit = yield* pick([1, 3, 10, 1000])
            return store.tokenBucket({
              key: "k",
              tokens: yield* pick([1, 1, 2, 0.5, 0, -1, 12]),
              // A key's limit does not change, but nothing here may rely on that.
              limit,
              refillRate: Duration.millis(yield* pick([100, 1 / 3, 33.3])),
              allowOverflow: yield* pick([true, false, false])
            })
          })
        )
        assert.deepStrictEqual(ours, theirs, `seed ${seed}`)
        refused += ours.filter(([left]) => left < 0).length
      }
      assert.isAbove(refused, 500)
    })
  )

  it.effect("are counted as those of Effect's window", () =>
    Effect.gen(function* () {
      let refused = 0
      for (let seed = 0; seed < 100; seed++) {
        const { ours, theirs } = yield* compare(seed, 60, (store) =>
          Effect.gen(function* () {
            const limit = yield* pick([undefined, 1, 3, 10])
            const answer = store.fixedWindow({
              key: "k",
              tokens: yield* pick([1, 1, 2, 0.5, 0, -1]),
              refillRate: Duration.millis(yield* pick([0, 100, 1 / 3, 500])),
              limit
            })
            return Effect.map(answer, ([count, ttl]) => ({ count, ttl, refused: limit !== undefined && count > limit }))
          })
        )
        assert.deepStrictEqual(ours, theirs, `seed ${seed}`)
        refused += ours.filter((answer) => answer.refused).length
      }
      assert.isAbove(refused, 500)
    })
  )

  it.effect("are another key's in another store", () =>
    Effect.gen(function* () {
      const take = (store: KeyStore) =>
        store.tokenBucket({ key: "k", tokens: 1, limit: 3, refillRate: Duration.seconds(1), allowOverflow: false })
      const one = makeKeyStore()
      yield* take(one)
      assert.strictEqual((yield* take(one))[0], 1)
      assert.strictEqual((yield* take(makeKeyStore()))[0], 2)
    })
  )
})

describe("the store of the environment", () => {
  it.effect("is Effect's", () =>
    Effect.gen(function* () {
      const store = yield* effects
      assert.isTrue(Option.isNone(yield* findStore))
      const found = yield* Effect.provideService(findStore, RateLimiter.RateLimiterStore, store)
      assert.strictEqual(Option.getOrThrow(found), store)
    })
  )
})
