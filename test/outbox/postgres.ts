// A schema of PostgreSQL for one test, dropped at the end, and connections whose transactions have an isolation level.
import { PgClient } from "@effect/sql-pg"
import { SqlOutboxStore } from "breakwater/sql"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

export const isolations = ["read committed", "serializable"] as const

const url = process.env["DATABASE_URL"]
let schemas = 0

export const skip = url === undefined ? "DATABASE_URL is not set" : undefined

const clientOf = (address: string) =>
  Effect.map(Layer.build(PgClient.layer({ url: Redacted.make(address), maxConnections: 8 })), (context) =>
    Context.get(context, SqlClient.SqlClient)
  )

export const openPostgres = Effect.fnUntraced(function* (isolation: (typeof isolations)[number]) {
  const schema = `breakwater_outbox_${process.pid}_${++schemas}`
  const admin = yield* clientOf(url ?? "")
  // The isolation of every transaction is a setting of who connects.
  yield* Effect.acquireRelease(
    Effect.gen(function* () {
      yield* admin`CREATE SCHEMA ${admin(schema)}`
      yield* admin`CREATE ROLE ${admin(schema)} LOGIN SUPERUSER`
      yield* admin`ALTER ROLE ${admin(schema)} SET default_transaction_isolation = ${admin.literal(`'${isolation}'`)}`
    }),
    () =>
      Effect.orDie(
        Effect.gen(function* () {
          yield* admin`DROP SCHEMA ${admin(schema)} CASCADE`
          yield* admin`DROP OWNED BY ${admin(schema)}`
          yield* admin`DROP ROLE ${admin(schema)}`
        })
      )
  )
  const table = `${schema}.outbox`
  yield* Effect.provideService(SqlOutboxStore.migrate({ table }), SqlClient.SqlClient, admin)
  const client = Effect.gen(function* () {
    const address = new URL(url ?? "")
    address.username = schema
    const sql = yield* clientOf(address.href)
    const [row] = yield* sql<{ readonly transaction_isolation: string }>`SHOW transaction_isolation`
    if (row?.transaction_isolation !== isolation) return yield* Effect.die(new Error(JSON.stringify(row)))
    return sql
  })
  return { client, table, schema }
})
