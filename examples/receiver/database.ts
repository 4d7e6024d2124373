/**
 * One database for the orders and for the records of their keys, so that both commit together. PostgreSQL where
 * `DATABASE_URL` is set, else a SQLite file: `ORDERS_DB`, or `orders.db` in the working folder.
 */
import { PgClient } from "@effect/sql-pg"
import { IdempotencySweeper } from "breakwater"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Config, Effect, Layer, Option } from "effect"
import { Migrator, SqlClient } from "effect/sql"

const Sqlite = SqliteClient.layerConfig({
  filename: Config.String("ORDERS_DB").pipe(Config.withDefault("orders.db"))
})

const Client = Layer.unwrap(
  Effect.map(
    Config.option(Config.Redacted("DATABASE_URL")),
    Option.match({ onNone: () => Sqlite, onSome: (url) => PgClient.layer({ url }) })
  )
)

const migrate = Migrator.make({})({
  table: "orders_migrations",
  loader: Migrator.fromRecord({
    "0001_orders": Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE stock (sku TEXT PRIMARY KEY, remaining INTEGER NOT NULL)`
      yield* sql`CREATE TABLE orders (id TEXT PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL)`
      yield* sql`INSERT INTO stock ${sql.insert([
        { sku: "chair", remaining: 1000 },
        { sku: "lamp", remaining: 1 }
      ])}`
    }),
    "0002_paid": Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE orders ADD COLUMN status TEXT NOT NULL DEFAULT 'placed'`
    })
  })
})

/** The client, with all tables in place, and the store of the records. Old records are swept while it lives. */
export const Database = IdempotencySweeper.layer().pipe(
  // It creates its own table.
  Layer.provideMerge(SqlIdempotencyStore.layer()),
  Layer.provideMerge(Layer.effectDiscard(migrate)),
  Layer.provideMerge(Client)
)
