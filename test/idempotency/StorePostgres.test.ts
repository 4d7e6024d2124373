// The contract over PostgreSQL, in a schema of its own that is dropped at the end. `DATABASE_URL` says where.
import { PgClient } from "@effect/sql-pg"
import { SqlIdempotencyStore } from "breakwater/sql"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type * as StoreConformance from "../../src/testing/StoreConformance.ts"
import { storeSuite } from "./StoreSuite.ts"

const url = process.env["DATABASE_URL"]
let schemas = 0

export const harnessOf = (isolation: "read committed" | "serializable"): StoreConformance.Harness => ({
  name: `PostgreSQL (${isolation})`,
  open: Effect.gen(function* () {
    const schema = `breakwater_test_${process.pid}_${++schemas}`
    const clientOf = (address: string) =>
      Effect.map(Layer.build(PgClient.layer({ url: Redacted.make(address), maxConnections: 8 })), (context) =>
        Context.get(context, SqlClient.SqlClient)
      )
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
    const table = `${schema}.records`
    const handle = Effect.gen(function* () {
      const address = new URL(url ?? "")
      address.username = schema
      const sql = yield* clientOf(address.href)
      const [row] = yield* sql<{ readonly transaction_isolation: string }>`SHOW transaction_isolation`
      if (row?.transaction_isolation !== isolation) return yield* Effect.die(new Error(JSON.stringify(row)))
      return yield* Effect.provideService(SqlIdempotencyStore.make({ table }), SqlClient.SqlClient, sql)
    })
    yield* Effect.provideService(SqlIdempotencyStore.migrate({ table }), SqlClient.SqlClient, admin)
    return { handles: [yield* handle, yield* handle] as const, time: { _tag: "Real" as const } }
  }),
  effort: { runs: 15, keys: 40 }
})

const skip = url === undefined ? "DATABASE_URL is not set" : undefined

for (const isolation of ["read committed", "serializable"] as const) {
  storeSuite(harnessOf(isolation), { live: true, skip })
}
