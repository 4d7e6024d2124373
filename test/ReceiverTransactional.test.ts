// The transactional mode over real databases: SQLite always, PostgreSQL where `DATABASE_URL` says where.
import { NodeFileSystem } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, Receiver } from "breakwater"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Data, Effect, Exit, Fiber, FileSystem, Layer, Redacted, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"

const url = process.env["DATABASE_URL"]
let schemas = 0

/** A database of its own, with a table of payments; a second client reaches the same one. */
interface Database {
  readonly client: Effect.Effect<SqlClient.SqlClient>
  readonly table: string
  readonly payments: string
}

const sqlite = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const scope = yield* Effect.scope
  const client = Effect.map(
    Layer.buildWithScope(SqliteClient.layer({ filename: `${folder}/shop.db`, synchronous: "normal" }), scope),
    (context) => Context.get(context, SqlClient.SqlClient)
  )
  return { client: Effect.orDie(client), table: "records", payments: "payments" }
}).pipe(Effect.provide(NodeFileSystem.layer))

const postgres = Effect.gen(function* () {
  const schema = `breakwater_once_${process.pid}_${++schemas}`
  const scope = yield* Effect.scope
  const client = Effect.map(
    Layer.buildWithScope(PgClient.layer({ url: Redacted.make(url ?? ""), maxConnections: 6 }), scope),
    (context): SqlClient.SqlClient => Context.get(context, PgClient.PgClient)
  )
  const admin = yield* client
  yield* Effect.acquireRelease(admin`CREATE SCHEMA ${admin(schema)}`, () =>
    Effect.orDie(admin`DROP SCHEMA ${admin(schema)} CASCADE`)
  )
  return { client: Effect.orDie(client), table: `${schema}.records`, payments: `${schema}.payments` }
})

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
class Broken extends Data.TaggedError("Broken")<{}> {}

const Payment = Schema.Struct({ id: Schema.String, amount: Schema.Int })
type Payment = typeof Payment.Type
const payment = { id: "p-1", amount: 42 }

type After = "ok" | "declined" | "broken" | "bug" | "slow"

/** Writes a payment, and then ends as it is told. */
const world = (database: Database, lockTimeout: "200 millis" | "10 seconds" = "10 seconds") =>
  Effect.gen(function* () {
    const sql = yield* database.client
    const other = yield* database.client
    yield* sql`CREATE TABLE ${sql(database.payments)} (id TEXT NOT NULL, amount INTEGER NOT NULL)`
    const options = { table: database.table }
    yield* Effect.provideService(SqlIdempotencyStore.migrate(options), SqlClient.SqlClient, sql)
    let runs = 0
    const pay = (after: After) =>
      Receiver.once({
        name: "pay",
        mode: Receiver.transactional({ lockTimeout }),
        input: Payment,
        key: ({ id }) => id,
        success: Schema.String,
        error: Declined
      })(({ amount, id }: Payment) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const run = ++runs
          yield* sql`INSERT INTO ${sql(database.payments)} ${sql.insert({ id, amount })}`
          switch (after) {
            case "declined":
              return yield* new Declined({ code: "limit" })
            case "broken":
              return yield* new Broken()
            case "bug":
              return yield* Effect.die(new Error("a bug"))
            case "slow":
              yield* Effect.sleep("1 second")
          }
          return `paid in run ${run}`
        })
      )(payment)
    const through =
      (client: SqlClient.SqlClient) =>
      <A, E>(self: Effect.Effect<A, E, SqlClient.SqlClient | IdempotencyStore.TransactionalStore>) =>
        Effect.provide(
          self,
          SqlIdempotencyStore.layer({ ...options, migrate: false }).pipe(
            Layer.provideMerge(Layer.succeed(SqlClient.SqlClient, client))
          )
        )
    const payments = Effect.map(sql`SELECT id FROM ${sql(database.payments)}`, (rows) => rows.length)
    const records = Effect.map(sql<{ readonly state: string }>`SELECT state FROM ${sql(database.table)}`, (rows) =>
      rows.map(({ state }) => state)
    )
    return { pay, here: through(sql), there: through(other), payments, records, runs: () => runs }
  })

const suite = (name: string, open: typeof sqlite | typeof postgres, skip?: string) =>
  describe.skipIf(skip !== undefined)(
    `Receiver.once, transactional, on ${name}${skip === undefined ? "" : `: ${skip}`}`,
    () => {
      it.live("what it writes and its record commit together, and the second arrival gets the answer", () =>
        Effect.gen(function* () {
          const { here, pay, payments, records, runs, there } = yield* world(yield* open)
          assert.strictEqual(yield* here(pay("ok")), "paid in run 1")
          assert.strictEqual(yield* there(pay("ok")), "paid in run 1")
          assert.deepStrictEqual([yield* payments, yield* records, runs()], [1, ["D"], 1])
        })
      )

      it.live.each(["broken", "bug"] as const)(
        "one that ends %s leaves nothing, and the next one runs as if it were the first",
        (after) =>
          Effect.gen(function* () {
            const { here, pay, payments, records, there } = yield* world(yield* open)
            assert.isTrue(Exit.isFailure(yield* Effect.exit(here(pay(after)))))
            assert.deepStrictEqual([yield* payments, yield* records], [0, []])
            assert.strictEqual(yield* there(pay("ok")), "paid in run 2")
            assert.deepStrictEqual([yield* payments, yield* records], [1, ["D"]])
          })
      )

      it.live("a failure that is an answer rolls back what was written, and is kept", () =>
        Effect.gen(function* () {
          const { here, pay, payments, records, runs, there } = yield* world(yield* open)
          for (const client of [here, there]) {
            assert.deepStrictEqual(yield* Effect.flip(client(pay("declined"))), new Declined({ code: "limit" }))
          }
          assert.deepStrictEqual([yield* payments, yield* records, runs()], [0, ["D"], 1])
        })
      )

      it.live("one that is interrupted leaves nothing", () =>
        Effect.gen(function* () {
          const { here, pay, payments, records, runs, there } = yield* world(yield* open)
          const fiber = yield* Effect.forkChild(here(pay("slow")), { startImmediately: true })
          while (runs() === 0) yield* Effect.sleep("5 millis")
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual([yield* payments, yield* records], [0, []])
          assert.strictEqual(yield* there(pay("ok")), "paid in run 2")
        })
      )

      it.live("of many that arrive at once one runs, and the others get its answer", () =>
        Effect.gen(function* () {
          const { here, pay, payments, runs, there } = yield* world(yield* open)
          const arrivals = Array.from({ length: 12 }, (_, n) => Effect.result((n % 2 === 0 ? here : there)(pay("ok"))))
          const ended = yield* Effect.all(arrivals, { concurrency: "unbounded" })
          assert.deepStrictEqual(
            ended.map((result) => (Result.isSuccess(result) ? result.success : result.failure)),
            ended.map(() => "paid in run 1")
          )
          assert.deepStrictEqual([yield* payments, runs()], [1, 1])
        })
      )

      it.live("one that waits for another for too long is told that it is in progress, and nothing ran", () =>
        Effect.gen(function* () {
          const { here, pay, payments, runs, there } = yield* world(yield* open, "200 millis")
          const first = yield* Effect.forkChild(here(pay("slow")), { startImmediately: true })
          while (runs() === 0) yield* Effect.sleep("5 millis")
          const error = yield* Effect.flip(there(pay("ok")))
          assert.deepInclude(error, { _tag: "ReceiverError", reason: "InProgress" })
          assert.strictEqual(yield* Fiber.join(first), "paid in run 1")
          assert.deepStrictEqual([yield* payments, runs()], [1, 1])
        })
      )
    }
  )

suite("SQLite", sqlite)
suite("PostgreSQL", postgres, url === undefined ? "DATABASE_URL is not set" : undefined)

describe("a claim that is lost before it is completed", () => {
  it.effect("rolls the handler's writes back, and is no success", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE payments (id TEXT NOT NULL)`
      const store = yield* SqlIdempotencyStore.make()
      const lost = { ...store, complete: () => Effect.succeed(false) }
      const pay = Receiver.once({
        name: "pay",
        mode: Receiver.transactional(),
        input: Payment,
        key: ({ id }) => id,
        success: Schema.String
      })(({ id }) => Effect.as(sql`INSERT INTO payments ${sql.insert({ id })}`, "paid"))
      const failure = yield* Effect.flip(Effect.provideService(pay(payment), IdempotencyStore.TransactionalStore, lost))
      assert.isTrue(failure instanceof Receiver.ReceiverError && failure.reason === "StoreUnavailable")
      assert.deepStrictEqual(yield* sql`SELECT id FROM payments`, [])
    }).pipe(
      Effect.provide(SqlIdempotencyStore.layer().pipe(Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" }))))
    )
  )
})
