/** The stores that several processes can share, by name. */
import { RedisIdempotencyStore } from "breakwater/redis"
import { SqlIdempotencyStore } from "breakwater/sql"
import type { IdempotencyStore } from "breakwater"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Redis } from "effect/persistence"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as redis from "../redis.ts"

export type Kind = "redis" | "sqlite" | "postgres"
export const kinds: ReadonlyArray<Kind> = ["redis", "sqlite", "postgres"]

/** Why a store can't be raced for here. */
export const missing = (kind: Kind): string | undefined =>
  kind === "redis" ? redis.skip : kind === "postgres" && postgres === undefined ? "DATABASE_URL is not set" : undefined

const postgres = process.env.DATABASE_URL

/** Loads what the store needs, and nothing else: every process of a race begins with this. */
const sqlOf = Effect.fnUntraced(function* (kind: "sqlite" | "postgres", place: string) {
  const layer =
    kind === "sqlite"
      ? (yield* Effect.promise(() => import("breakwater/sql/node"))).SqliteClient.layer({
          filename: join(place, "records.db"),
          synchronous: "normal",
          busyTimeout: "30 seconds"
        })
      : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({
          url: Redacted.make(postgres!),
          maxConnections: 8
        })
  return Context.get(yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>), SqlClient.SqlClient)
})

const tableOf = (kind: "sqlite" | "postgres", place: string) => (kind === "sqlite" ? {} : { table: `${place}.records` })

/** A place of its own for one race, which is gone afterwards. */
export const prepare = (kind: Kind): Effect.Effect<string, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (kind === "redis") return yield* redis.freshPrefix(yield* redis.connect)
    if (kind === "sqlite") {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-race-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const sql = yield* sqlOf(kind, folder)
      yield* Effect.provideService(SqlIdempotencyStore.migrate(), SqlClient.SqlClient, sql)
      return folder
    }
    const sql = yield* sqlOf(kind, "")
    const schema = `breakwater_test_${randomUUID().replaceAll("-", "")}`
    yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
      Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
    )
    yield* Effect.provideService(SqlIdempotencyStore.migrate(tableOf(kind, schema)), SqlClient.SqlClient, sql)
    return schema
  })

/** The store in that place, over connections of this process. */
export const openStore = (kind: Kind, place: string): Effect.Effect<IdempotencyStore.Store, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (kind === "redis") {
      const store = RedisIdempotencyStore.make({ prefix: place })
      return yield* Effect.provideService(store, Redis.Redis, yield* redis.connect)
    }
    const store = SqlIdempotencyStore.make(tableOf(kind, place))
    return yield* Effect.provideService(store, SqlClient.SqlClient, yield* sqlOf(kind, place))
  })
