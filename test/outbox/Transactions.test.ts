/** Calls that are stored in the application's own transactions, over a real SQLite file. */
import { assert, describe, it } from "@effect/vitest"
import { Outbox, OutboxStore, OutboxWorker, Receiver } from "breakwater"
import { SqlIdempotencyStore, SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Effect, Exit, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Order, Provider, Shop, ShopDown } from "./shop.ts"

const nothing = { onDelivered: () => Effect.void, onDead: () => Effect.void, onNeedsReconcile: () => Effect.void }

/** What the worker's handlers write, in the transaction that ends the entry. */
const Worker = OutboxWorker.layer(Shop, {
  park: nothing,
  once: nothing,
  lane: nothing,
  look: nothing,
  charge: {
    ...nothing,
    onDelivered: ({ id }, { input }) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO paid ${sql.insert({ id: input.order, charge: id })}`)
  }
})

const ShopTest = Shop.layer.pipe(
  Layer.provideMerge(Provider.layer),
  Layer.provideMerge(SqlOutboxStore.layer()),
  Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" })),
  Layer.orDie
)

type Has = Shop | Provider | OutboxStore.OutboxStore | SqlClient.SqlClient

const tables = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.andThen(
    sql`CREATE TABLE orders (id TEXT PRIMARY KEY)`,
    sql`CREATE TABLE paid (id TEXT NOT NULL, charge TEXT NOT NULL)`
  )
)

const effect = (name: string, body: Effect.Effect<void, unknown, Has>) =>
  it.live(name, () => Effect.provide(Effect.andThen(tables, body), ShopTest))

/** A worker, until nothing waits any more. The database has a clock of its own. */
const work = Effect.scoped(
  Effect.gen(function* () {
    const store = yield* OutboxStore.OutboxStore
    yield* Layer.build(Worker)
    while (true) {
      const open = yield* store.list({ states: ["Waiting", "Pending", "Leased"] }, { limit: 1 })
      if (open.length === 0) return
      yield* Effect.sleep("10 millis")
    }
  })
)

const order = { order: "o1", amount: 5 }
const placed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const shop = yield* Shop
  yield* sql`INSERT INTO orders ${sql.insert({ id: order.order })}`
  return yield* shop.charge(order)
})

describe("Outbox.writeAhead in a transaction", () => {
  effect(
    "is stored with it, sent after it, and ended together with the handler's writes",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const provider = yield* Provider
      const answer = yield* sql.withTransaction(
        Effect.tap(placed, () => Effect.sync(() => assert.strictEqual(provider.sent.length, 0)))
      )
      assert.isTrue(Outbox.isQueued(answer))
      assert.strictEqual(provider.sent.length, 0)
      yield* work
      assert.deepStrictEqual(yield* sql`SELECT id, charge FROM paid`, [{ id: "o1", charge: "ch_o1" }])
      assert.deepStrictEqual(yield* Outbox.await(Shop, "charge", answer as Outbox.Queued), { id: "ch_o1" })
      assert.strictEqual(provider.sent.length, 1)
    })
  )

  effect(
    "is gone when it is rolled back, and was never sent",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* OutboxStore.OutboxStore
      const provider = yield* Provider
      const exit = yield* Effect.exit(sql.withTransaction(Effect.andThen(placed, Effect.fail("no"))))
      assert.isTrue(Exit.isFailure(exit))
      yield* work
      assert.deepStrictEqual(yield* store.list({}, { limit: 10 }), [])
      assert.strictEqual(provider.sent.length, 0)
      assert.deepStrictEqual(yield* sql`SELECT id FROM orders`, [])
    })
  )

  effect(
    "follows a savepoint that is rolled back, while the rest is committed",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const shop = yield* Shop
      const provider = yield* Provider
      yield* sql.withTransaction(
        Effect.andThen(
          shop.charge({ order: "kept", amount: 1 }),
          Effect.exit(sql.withTransaction(Effect.andThen(shop.charge({ order: "gone", amount: 1 }), Effect.fail("no"))))
        )
      )
      yield* work
      assert.deepStrictEqual(
        provider.sent.map(({ order }) => order),
        ["kept"]
      )
    })
  )

  effect(
    "is refused in a transaction of another database",
    Effect.gen(function* () {
      const shop = yield* Shop
      const store = yield* OutboxStore.OutboxStore
      const failure = yield* Effect.flip(
        Effect.flatMap(SqlClient.SqlClient, (other) => other.withTransaction(shop.charge(order))).pipe(
          Effect.provide(SqliteClient.layer({ filename: ":memory:" }))
        )
      )
      assert.deepStrictEqual(failure, new ShopDown({ outcome: "NotSent", reason: "NotStored", parkFailed: undefined }))
      assert.deepStrictEqual(yield* store.list({}, { limit: 10 }), [])
    })
  )

  effect(
    "is called again when its handler failed, and not sent again",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const provider = yield* Provider
      yield* sql.withTransaction(placed)
      yield* sql`ALTER TABLE paid RENAME TO hidden`
      yield* Effect.scoped(Effect.andThen(Layer.build(Worker), Effect.sleep("300 millis")))
      const store = yield* OutboxStore.OutboxStore
      const [entry] = yield* store.list({}, { limit: 1 })
      assert.strictEqual(entry!.state, "Pending")
      assert.isDefined(entry!.answer)
      yield* sql`ALTER TABLE hidden RENAME TO paid`
      yield* work
      assert.deepStrictEqual(yield* sql`SELECT id, charge FROM paid`, [{ id: "o1", charge: "ch_o1" }])
      assert.strictEqual(provider.sent.length, 1)
    })
  )
})

describe("Outbox.queue", () => {
  const Shopping = Outbox.queue(Shop)
  /** What a receiver does once per key, in one transaction with its record: it has no integration to call. */
  const place = Receiver.once({
    name: "place",
    mode: Receiver.transactional(),
    input: Order,
    key: ({ order }) => order,
    success: Schema.String
  })((order) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { charge } = yield* Shopping
      yield* sql`INSERT INTO orders ${sql.insert({ id: order.order })}`
      return (yield* charge(order)) === undefined ? "" : "placed"
    })
  )

  effect(
    "lets a transactional receiver store calls: once per key, and sent after its commit",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const provider = yield* Provider
      assert.strictEqual(yield* place(order), "placed")
      assert.strictEqual(yield* place(order), "placed")
      assert.strictEqual(provider.sent.length, 0)
      yield* work
      assert.deepStrictEqual(yield* sql`SELECT id FROM orders`, [{ id: "o1" }])
      assert.deepStrictEqual(yield* sql`SELECT id, charge FROM paid`, [{ id: "o1", charge: "ch_o1" }])
    }).pipe(Effect.provide([Shopping.layer, SqlIdempotencyStore.layer()]), Effect.orDie)
  )
})

describe("Exhaustion.park in a transaction", () => {
  effect(
    "is no part of it: where that is the only connection, the call says that it was not parked",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const shop = yield* Shop
      const provider = yield* Provider
      provider.always = "Down"
      const failure = yield* Effect.flip(sql.withTransaction(shop.park(order)))
      assert.isTrue(failure instanceof ShopDown && failure.parkFailed !== undefined)
    })
  )
})
