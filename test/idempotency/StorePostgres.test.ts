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
    const clientOf = (application: string) =>
      Effect.map(
        Layer.build(
          PgClient.layer({
            url: Redacted.make(url ?? ""),
            applicationName: application,
            maxConnections: 8,
            connectTimeout: "5 seconds"
          })
        ),
        (context) => Context.get(context, SqlClient.SqlClient)
      )
    const admin = yield* clientOf("breakwater admin")
    yield* Effect.acquireRelease(admin`CREATE SCHEMA ${admin(schema)}`, () =>
      Effect.orDie(admin`DROP SCHEMA ${admin(schema)} CASCADE`)
    )
    const handle = Effect.gen(function* () {
      const sql = yield* clientOf("breakwater store")
      const provided = Effect.provideService(SqlClient.SqlClient, sql)
      return yield* provided(SqlIdempotencyStore.make({ table: `${schema}.records` }))
    })
    yield* Effect.provideService(
      SqlIdempotencyStore.migrate({ table: `${schema}.records` }),
      SqlClient.SqlClient,
      admin
    )
    void isolation
    return { handles: [yield* handle, yield* handle] as const, time: { _tag: "Real" as const } }
  }),
  effort: { runs: 15, keys: 40 }
})

const skip = url === undefined ? "DATABASE_URL is not set" : undefined

storeSuite(harnessOf("read committed"), { live: true, skip })
