import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory, IdempotencySweeper } from "breakwater"
import { Duration, Effect, Layer, Logger, Option } from "effect"
import { TestClock } from "effect/testing"

const claim = (store: IdempotencyStore.Store, key: string, onLostLease: IdempotencyStore.OnLostLease = "rerun") =>
  Effect.map(
    store.claim({
      scope: "s",
      key,
      fingerprint: "f",
      lease: Duration.seconds(30),
      timeToLive: Duration.minutes(10),
      onLostLease
    }),
    (claimed) => {
      assert.strictEqual(claimed._tag, "Started")
      return { scope: "s", key, epoch: claimed._tag === "Started" ? claimed.epoch : 0 }
    }
  )

const done = (store: IdempotencyStore.Store, key: string) =>
  Effect.flatMap(claim(store, key), (owner) =>
    store.complete(owner, { result: "ok", timeToLive: Duration.minutes(10) })
  )

const lines: Array<string> = []
const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])

describe("IdempotencySweeper", () => {
  it.effect("forgets what is over, in as many batches as it takes, and leaves the rest", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.IdempotencyStore
      for (let n = 0; n < 25; n++) yield* done(store, `old-${n}`)
      yield* claim(store, "held", "hold")
      yield* TestClock.adjust("10 minutes")
      yield* done(store, "young")
      assert.deepStrictEqual(yield* IdempotencySweeper.sweep({ batch: 10 }), { forgotten: 25, held: 1 })
      assert.isTrue(Option.isSome(yield* store.get({ scope: "s", key: "young" })))
      assert.isTrue(Option.isSome(yield* store.get({ scope: "s", key: "held" })))
    }).pipe(Effect.provide(IdempotencyStoreMemory.layer))
  )

  it.effect("sweeps while its layer lives, tells what is held when that changes, and a failure once", () =>
    Effect.gen(function* () {
      lines.length = 0
      const store = yield* IdempotencyStoreMemory.make
      let down = false
      const flaky: IdempotencyStore.Store = {
        ...store,
        sweep: (options) =>
          down
            ? Effect.fail(
                new IdempotencyStore.StoreError({
                  reason: "Unavailable",
                  store: "test",
                  operation: "sweep",
                  tookEffect: "unknown",
                  cause: undefined
                })
              )
            : store.sweep(options)
      }
      yield* done(store, "old")
      const owner = yield* claim(store, "held", "hold")
      const sweeper = IdempotencySweeper.layer({ every: "1 minute" }).pipe(
        Layer.provide([Layer.succeed(IdempotencyStore.IdempotencyStore, flaky), logger])
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(sweeper)
          yield* TestClock.adjust("11 minutes")
          assert.isTrue(Option.isNone(yield* store.get({ scope: "s", key: "old" })))
          down = true
          yield* TestClock.adjust("5 minutes")
          down = false
          yield* store.resolve(owner, { _tag: "Absent" })
          yield* TestClock.adjust("2 minutes")
        })
      )
      assert.deepStrictEqual(
        lines.map((line) => line.split(":")[0]!.split(",")[0]),
        [
          "1 idempotency records are held",
          "the sweep of idempotency records failed",
          "no idempotency record is held any more"
        ]
      )
      const told = lines.length
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(lines.length, told)
    })
  )
})
