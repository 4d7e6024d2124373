/** The stores of any version, over clients of today: what is given is that version's modules. Loads no breakwater itself. */
import { NodeRedis } from "@effect/platform-node"
import type { IdempotencyStore, OutboxStore } from "breakwater"
import type { RedisIdempotencyStore } from "breakwater/redis"
import type { SqlIdempotencyStore, SqlOutboxStore } from "breakwater/sql"
import type { SqliteClient } from "breakwater/sql/node"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Redis } from "effect/persistence"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export type Kind = "sqlite" | "postgres" | "redis"
export const kinds: ReadonlyArray<Kind> = ["sqlite", "postgres", "redis"]

/** Where an outbox may be. */
export type SqlKind = Exclude<Kind, "redis">
export const sqlKinds: ReadonlyArray<SqlKind> = ["sqlite", "postgres"]

const { DATABASE_URL, REDIS_URL } = process.env

/** Why a store can't be opened here. */
export const missing = (kind: Kind): string | undefined =>
  kind === "postgres" && DATABASE_URL === undefined
    ? "DATABASE_URL is not set"
    : kind === "redis" && REDIS_URL === undefined
      ? "REDIS_URL is not set"
      : undefined

/** What a version's bundle exports. */
export interface Modules {
  readonly SqlIdempotencyStore: Pick<typeof SqlIdempotencyStore, "make" | "migrate">
  readonly SqlOutboxStore: Pick<typeof SqlOutboxStore, "make" | "migrate">
  readonly SqliteClient: Pick<typeof SqliteClient, "layer">
  readonly RedisIdempotencyStore: Pick<typeof RedisIdempotencyStore, "make">
}

type Opening<A> = Effect.Effect<A, unknown, Scope.Scope>

export const redisClient: Opening<Redis.Redis["Service"]> = Effect.suspend(() =>
  Effect.map(Layer.build(NodeRedis.layer({ url: REDIS_URL! })), (context) => Context.get(context, Redis.Redis))
)

/** PostgreSQL's client is loaded where it is needed: it is slow to load. */
export const sqlClient = (modules: Modules, kind: "sqlite" | "postgres", place: string): Opening<SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const layer =
      kind === "sqlite"
        ? modules.SqliteClient.layer({
            filename: join(place, "records.db"),
            synchronous: "normal",
            busyTimeout: "30 seconds"
          })
        : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({
            url: Redacted.make(DATABASE_URL!),
            maxConnections: 8
          })
    return Context.get(yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>), SqlClient.SqlClient)
  })

export const tableOf = (kind: "sqlite" | "postgres", place: string): string =>
  kind === "sqlite" ? "breakwater_idempotency" : `${place}.breakwater_idempotency`

/** The store of these modules in that place, over connections of its own. */
export const openStore = (modules: Modules, kind: Kind, place: string): Opening<IdempotencyStore.Store> =>
  Effect.gen(function* () {
    if (kind === "redis") {
      const make = modules.RedisIdempotencyStore.make({ prefix: place })
      return yield* Effect.provideService(make, Redis.Redis, yield* redisClient)
    }
    const make = modules.SqlIdempotencyStore.make({ table: tableOf(kind, place) })
    return yield* Effect.provideService(make, SqlClient.SqlClient, yield* sqlClient(modules, kind, place))
  })

/** Runs the migrations of these modules; Redis has none. */
export const migrate = (modules: Modules, kind: Kind, place: string): Effect.Effect<unknown, unknown> =>
  kind === "redis"
    ? Effect.void
    : Effect.scoped(
        Effect.flatMap(sqlClient(modules, kind, place), (sql) =>
          Effect.provideService(
            modules.SqlIdempotencyStore.migrate({ table: tableOf(kind, place) }),
            SqlClient.SqlClient,
            sql
          )
        )
      )

export const outboxTableOf = (kind: SqlKind, place: string): string =>
  kind === "sqlite" ? "breakwater_outbox" : `${place}.breakwater_outbox`

/** The outbox of these modules over a client of that place. */
export const openOutbox = (
  modules: Modules,
  kind: SqlKind,
  place: string,
  sql: SqlClient.SqlClient
): Effect.Effect<OutboxStore.Store> =>
  Effect.provideService(modules.SqlOutboxStore.make({ table: outboxTableOf(kind, place) }), SqlClient.SqlClient, sql)

export const migrateOutbox = (modules: Modules, kind: SqlKind, place: string): Effect.Effect<unknown, unknown> =>
  Effect.scoped(
    Effect.flatMap(sqlClient(modules, kind, place), (sql) =>
      Effect.provideService(
        modules.SqlOutboxStore.migrate({ table: outboxTableOf(kind, place) }),
        SqlClient.SqlClient,
        sql
      )
    )
  )

/** An empty place: a folder, a schema, or a prefix, which is gone afterwards. It has no table yet. */
export const emptyPlace = (modules: Modules, kind: Kind): Opening<string> =>
  Effect.gen(function* () {
    const name = randomUUID().replaceAll("-", "")
    if (kind === "sqlite") {
      return yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-released-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
    }
    if (kind === "postgres") {
      const sql = yield* sqlClient(modules, kind, "")
      const schema = `breakwater_released_${name}`
      yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
        Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
      )
      return schema
    }
    const redis = yield* redisClient
    return yield* Effect.acquireRelease(Effect.succeed(`breakwater-released:${name}:`), (prefix) =>
      Effect.orDie(
        Effect.flatMap(redisKeys(prefix), (keys) => (keys.length > 0 ? redis.send("UNLINK", ...keys) : Effect.void))
      ).pipe(Effect.provideService(Redis.Redis, redis))
    )
  })

/** Every key under a prefix. */
export const redisKeys = (prefix: string): Effect.Effect<ReadonlyArray<string>, Redis.RedisError, Redis.Redis> =>
  Effect.gen(function* () {
    const redis = yield* Redis.Redis
    const found: Array<string> = []
    let cursor = "0"
    do {
      const scan = redis.send<[string, Array<string>]>("SCAN", cursor, "MATCH", `${prefix}*`, "COUNT", "1000")
      const [next, keys] = yield* scan
      found.push(...keys)
      cursor = next
    } while (cursor !== "0")
    return found.toSorted()
  })
