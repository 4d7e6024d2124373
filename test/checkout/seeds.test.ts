import { assert, layer } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { breakwaterClient } from "../../examples/checkout/clients/breakwater.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"
import { runClient } from "../../examples/checkout/harness.ts"
import { Providers } from "../../examples/checkout/provider/handle.ts"

const seeds = Array.from({ length: 50 }, (_, i) => i + 1)
const orders = generateOrders(100)

/** Half of the seeds meet the demo's default rate, half twice as many faults. */
const rateOf = (seed: number) => (seed % 2 === 0 ? 0.15 : 0.3)

layer(Providers.layer, { excludeTestServices: true })("breakwater, whatever the seed", (it) => {
  it.effect(
    "50 seeds with 100 orders: nothing executed twice, nothing hung, nothing untyped",
    () =>
      Effect.forEach(
        seeds,
        (seed) =>
          Effect.map(
            runClient({
              client: breakwaterClient,
              orders,
              faults: { seed, rate: rateOf(seed) },
              concurrency: 16
            }),
            ({ figures: { executedTwice, hung, untyped }, samples }) => ({
              seed,
              executedTwice,
              hung,
              untyped,
              samples
            })
          ),
        { concurrency: 8 }
      ).pipe(
        Effect.map((results) =>
          assert.deepStrictEqual(
            results.filter(({ executedTwice, hung, untyped }) => executedTwice + hung + untyped > 0),
            [],
            "rerun one with: npm run demo -- --only breakwater --seed <seed> --fault-rate <0.15, or 0.3 if odd>"
          )
        ),
        Effect.provide(Logger.layer([]))
      ),
    60_000
  )
})
