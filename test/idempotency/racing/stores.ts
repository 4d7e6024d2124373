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

/** How PostgreSQL keeps transactions apart; undefined for what the server does by itself. */
export type Isolation = "read committed" | "serializable"
export const isolations: ReadonlyArray<Isolation> = ["read committed", "serializable"]

/** Loads what the store needs, and nothing else: every process of a race begins with this. */
const sqlOf = Effect.fnUntraced(function* (kind: "sqlite" | "postgres", place: string, isolation?: Isolation) {
  const layer =
    kind === "sqlite"
      ? (yield* Effect.promise(() => import("breakwater/sql/node"))).SqliteClient.layer({
          filename: join(place, "records.db"),
          synchronous: "normal",
          busyTimeout: "30 seconds"
        })
      : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({
          url: Redacted.make(isolation === undefined ? postgres! : ownUrl(place)),
          maxConnections: 8
        })
  const sql = Context.get(yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>), SqlClient.SqlClient)
  if (isolation !== undefined) {
    const [row] = yield* sql<{ readonly transaction_isolation: string }>`SHOW transaction_isolation`
    if (row?.transaction_isolation !== isolation) return yield* Effect.die(new Error(JSON.stringify(row)))
  }
  return sql
})

/** The isolation of every transaction is a setting of who connects: a role that is named like the schema. */
const ownUrl = (schema: string): string => {
  const url = new URL(postgres!)
  url.username = schema
  return url.href
}

const tableOf = (kind: "sqlite" | "postgres", place: string) => (kind === "sqlite" ? {} : { table: `${place}.records` })

/** A place of its own for one race, which is gone afterwards. */
export const prepare = (kind: Kind, isolation?: Isolation): Effect.Effect<string, unknown, Scope.Scope> =>
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
    if (isolation !== undefined) {
      const setting = sql.literal(`'${isolation}'`)
      yield* Effect.acquireRelease(sql`CREATE ROLE ${sql(schema)} LOGIN SUPERUSER`, () =>
        Effect.orDie(Effect.andThen(sql`DROP OWNED BY ${sql(schema)}`, sql`DROP ROLE ${sql(schema)}`))
      )
      yield* sql`ALTER ROLE ${sql(schema)} SET default_transaction_isolation = ${setting}`
    }
    yield* Effect.provideService(SqlIdempotencyStore.migrate(tableOf(kind, schema)), SqlClient.SqlClient, sql)
    return schema
  })

/** The store in that place, over connections of this process. */
export const openStore = (
  kind: Kind,
  place: string,
  isolation?: Isolation
): Effect.Effect<IdempotencyStore.Store, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (kind === "redis") {
      const store = RedisIdempotencyStore.make({ prefix: place })
      return yield* Effect.provideService(store, Redis.Redis, yield* redis.connect)
    }
    const store = SqlIdempotencyStore.make(tableOf(kind, place))
    return yield* Effect.provideService(store, SqlClient.SqlClient, yield* sqlOf(kind, place, isolation))
  })
