// The race between processes, scaled down. At full size: `node -C @breakwater/source test/idempotency/race.ts`.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { race } from "./racing/arena.ts"
import { kinds, missing } from "./racing/stores.ts"

describe("processes that race for the records of one store", () => {
  for (const store of kinds) {
    const why = missing(store)
    it.live.skipIf(why !== undefined)(
      `${store}: one winner per key, and an order for every key${why === undefined ? "" : ` (${why})`}`,
      () =>
        Effect.gen(function* () {
          const keys = store === "sqlite" ? 30 : 200
          const report = yield* race({
            store,
            keys,
            racers: 8,
            processes: 2,
            histories: store === "sqlite" ? 20 : 60,
            calls: 8,
            seed: process.env.PROPERTY_SEED ?? "breakwater"
          })
          assert.deepStrictEqual(report.examples, [])
          assert.strictEqual(report.violations, 0)
          assert.strictEqual(report.winners, keys)
          assert.strictEqual(report.takeOvers, keys)
          assert.strictEqual(report.histories.undecided, 0)
          // One process died with calls in flight.
          assert.isAbove(report.histories.open, 0)
        }),
      120_000
    )
  }

  it.live(
    "find out a store that overwrites on claim and knows no epoch",
    () =>
      Effect.gen(function* () {
        const report = yield* race({
          store: "sqlite",
          keys: 10,
          racers: 8,
          processes: 2,
          histories: 10,
          calls: 8,
          seed: process.env.PROPERTY_SEED ?? "breakwater",
          broken: true
        })
        const found = report.examples.join("\n")
        assert.match(found, /first claims: k\d+ has \d+ winners/, found)
        assert.match(found, /completions of those who were taken over/, found)
        assert.match(found, /histories: h\d+ has no order that the contract allows/, found)
      }),
    120_000
  )
})
