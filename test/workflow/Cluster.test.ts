/** The same activities on Effect Cluster: two runners over one PostgreSQL, of which one goes away. */
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey } from "breakwater"
import { Effect, Option } from "effect"
import { DurableDeferred } from "effect/workflow"
import { database, runner, url } from "./cluster.ts"
import { Agreed, keysOf, makeProvider, Sell } from "./shop.ts"

const orders = Array.from({ length: 16 }, (_, n) => `order-${n}`)
const each = <A, E, R>(f: (order: string) => Effect.Effect<A, E, R>) =>
  Effect.forEach(orders, f, { concurrency: "unbounded" })

const isSuspended = (order: string) =>
  Effect.flatMap(Sell.executionId({ order }), (id) =>
    Effect.map(Sell.poll(id), (state) => Option.isSome(state) && state.value._tag === "Suspended")
  )

describe.skipIf(url === undefined)("WorkflowActivity on two runners", () => {
  it.live(
    "goes on at the other runner when one goes away, without a second call, and with the same keys",
    () => {
      const worlds = [makeProvider(), makeProvider()] as const
      return Effect.gen(function* () {
        const address = yield* database
        const a = yield* runner(address, worlds[0])
        const b = yield* runner(address, worlds[1])
        yield* Effect.sleep("2 seconds")
        yield* a.run(each((order) => Sell.execute({ order }, { discard: true })))
        while (!(yield* b.run(each(isSuspended))).every((suspended) => suspended)) yield* Effect.sleep("100 millis")
        const [first, second] = [worlds[0].sent.length, worlds[1].sent.length]
        assert.strictEqual(first + second, orders.length)
        assert.isAbove(first, 0)
        assert.isAbove(second, 0)

        yield* a.close
        yield* b.run(
          each((order) =>
            Effect.flatMap(Sell.executionId({ order }), (executionId) => {
              const token = DurableDeferred.tokenFromExecutionId(Agreed, { workflow: Sell, executionId })
              return DurableDeferred.succeed(Agreed, { token, value: undefined })
            })
          )
        )
        const results = yield* b.run(each((order) => Sell.execute({ order })))
        for (const charges of results) assert.deepStrictEqual(charges, ["ch_40", "ch_2"])
        assert.strictEqual(worlds[0].sent.length, first)
        const expected = yield* each((order) =>
          Effect.map(Sell.executionId({ order }), (id) =>
            ["1", "2"].map((number) =>
              IdempotencyKey.toText(IdempotencyKey.derive("test/workflow/Payments/charge", id, number))
            )
          )
        )
        assert.deepStrictEqual([...keysOf(worlds[0]), ...keysOf(worlds[1])].toSorted(), expected.flat().toSorted())
      }).pipe(Effect.scoped)
    },
    120_000
  )
})
