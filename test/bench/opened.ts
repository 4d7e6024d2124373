/** The stores that `stores.ts` measures, each with an empty place of its own that is gone afterwards. */
import { PgClient } from "@effect/sql-pg"
import { type IdempotencyStore, IdempotencyStoreMemory } from "breakwater"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as redis from "../idempotency/redis.ts"

type Store = IdempotencyStore.Store
type Transactional = IdempotencyStore.TransactionalStore["Service"]

export interface Opened {
  readonly name: string
  readonly store: Store
  readonly transactional?: Transactional
  /** Pairs of claim and completion to time, so that a slow store does not take for ever. */
  readonly pairs: number
  /** What the figures depend on: versions, and whether a commit reaches a disk. */
  readonly about: string
  /** The least that a write can cost here: a round trip, or a write that reaches the disk. */
  readonly floor?: { readonly name: string; readonly run: Effect.Effect<unknown, unknown> }
  /** Writes this many records that are done and past their time to live, among as many others as `live` says. */
  readonly fill?: (expired: number, live: number) => Effect.Effect<void, unknown>
  /** Bytes of table and indices. */
  readonly size?: Effect.Effect<number, unknown>
}

type Open = Effect.Effect<Opened, unknown, Scope.Scope>

const memory: Open = Effect.map(IdempotencyStoreMemory.make, (store) => ({
  name: "memory",
  store,
  pairs: 200_000,
  about: `node ${process.version}`,
  fill: (expired, live) =>
    Effect.gen(function* () {
      const write = (key: string, timeToLive: Duration.Duration) =>
        Effect.gen(function* () {
          const address = { scope: "bench", key }
          const { zero: lease } = Duration
          const claim = yield* store.claim({ ...address, fingerprint: "", lease, timeToLive, onLostLease: "rerun" })
          if (claim._tag !== "Started") return yield* Effect.die(claim)
          return yield* store.complete({ ...address, epoch: claim.epoch }, { result: undefined, timeToLive })
        })
      for (let n = 0; n < live; n++) yield* write(`live-${n}`, Duration.days(1))
      for (let n = 0; n < expired; n++) yield* write(`expired-${n}`, Duration.zero)
    })
}))

// ---- SQL

const sqlOf = <E>(layer: Layer.Layer<SqlClient.SqlClient, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, SqlClient.SqlClient))

const storeOver = (sql: SqlClient.SqlClient, table: string) =>
  Effect.provideService(
    Effect.andThen(SqlIdempotencyStore.migrate({ table }), SqlIdempotencyStore.make({ table })),
    SqlClient.SqlClient,
    sql
  )

const columns =
  "id, scope, idem_key, fingerprint, state, epoch, takeovers, on_lost_lease, lease_until, expires_at, steps, result, created_at"

const sqlite = (synchronous: "full" | "normal"): Open =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-bench-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const sql = yield* sqlOf(SqliteClient.layer({ filename: join(folder, "records.db"), synchronous }))
    const store = yield* storeOver(sql, "records")
    const [version] = yield* sql<{ readonly v: string }>`SELECT sqlite_version() AS v`
    const file = yield* Effect.acquireRelease(
      Effect.sync(() => openSync(join(folder, "probe"), "w")),
      (file) => Effect.sync(() => closeSync(file))
    )
    const page = new Uint8Array(4096)
    return {
      name: `SQLite, synchronous ${synchronous}`,
      store,
      transactional: store,
      pairs: synchronous === "full" ? 2_000 : 5_000,
      about: `SQLite ${version?.v}, WAL, a file in ${tmpdir() === "/tmp" ? "the temporary folder" : tmpdir()}`,
      floor:
        synchronous === "full"
          ? { name: "4 KiB written and fsynced", run: Effect.sync(() => (writeSync(file, page), fsyncSync(file))) }
          : { name: "SELECT 1", run: sql`SELECT 1` },
      fill: (expired, live) =>
        sql`INSERT INTO records (${sql.literal(columns)})
          WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${expired + live})
          SELECT lower(hex(randomblob(32))), 'bench', 'key-' || n, lower(hex(randomblob(32))), 'D', 1, 0, 'rerun', 0,
            CASE WHEN n <= ${expired} THEN n ELSE 4000000000000 END, '[]', ${result}, 0 FROM n`,
      size: Effect.map(
        sql<{
          readonly bytes: number
        }>`SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()`,
        ([row]) => row?.bytes ?? 0
      )
    }
  })

const postgres: Open = Effect.gen(function* () {
  const sql = yield* sqlOf(
    PgClient.layer({ url: Redacted.make(process.env["DATABASE_URL"] ?? ""), maxConnections: 16 })
  )
  const schema = `breakwater_bench_${randomUUID().replaceAll("-", "")}`
  yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
    Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
  )
  const table = `${schema}.records`
  const store = yield* storeOver(sql, table)
  const setting = (name: string) =>
    Effect.map(sql<{ readonly v: string }>`SELECT current_setting(${name}) AS v`, ([row]) => row?.v)
  return {
    name: "PostgreSQL",
    store,
    transactional: store,
    pairs: 5_000,
    about: `PostgreSQL ${yield* setting("server_version")}, fsync ${yield* setting("fsync")}, synchronous_commit ${yield* setting("synchronous_commit")}`,
    floor: { name: "SELECT 1", run: sql`SELECT 1` },
    fill: (expired, live) =>
      Effect.andThen(
        sql`INSERT INTO ${sql(table)} (${sql.literal(columns)})
          SELECT md5(random()::text) || md5(random()::text), 'bench', 'key-' || n, md5(n::text) || md5(n::text), 'D', 1, 0, 'rerun', 0,
            CASE WHEN n <= ${expired}::bigint THEN n ELSE 4000000000000 END, '[]', ${result}, 0
          FROM generate_series(1, ${expired + live}::bigint) AS n`,
        sql`ANALYZE ${sql(table)}`
      ),
    size: Effect.map(
      sql<{ readonly bytes: number | bigint }>`SELECT pg_total_relation_size(${table}::regclass) AS bytes`,
      ([row]) => Number(row?.bytes ?? 0)
    )
  }
})

const redisStore: Open = Effect.gen(function* () {
  const client = yield* redis.connect
  const prefix = yield* redis.freshPrefix(client)
  const info = yield* client.send<string>("INFO")
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1]
  return {
    name: "Redis",
    store: yield* redis.storeOver(client, prefix),
    pairs: 20_000,
    about: `Redis ${field("redis_version")}, append-only file ${field("aof_enabled") === "1" ? "on" : "off"}`,
    floor: { name: "PING", run: client.send("PING") }
  }
})

/** What a handler of an API answers, as `HttpReceiver` stores it. */
export const resultOf = (id: string): string =>
  JSON.stringify({
    v: 1,
    status: 201,
    headers: { "content-type": "application/json", location: `/orders/${id}` },
    text: JSON.stringify({ id, sku: "chair", quantity: 2, status: "placed" })
  })

const result = resultOf(randomUUID())

export const stores: Readonly<Record<string, { readonly open: Open; readonly missing?: string | undefined }>> = {
  memory: { open: memory },
  "sqlite-full": { open: sqlite("full") },
  "sqlite-normal": { open: sqlite("normal") },
  postgres: { open: postgres, missing: process.env["DATABASE_URL"] === undefined ? "DATABASE_URL" : undefined },
  redis: { open: redisStore, missing: redis.url === undefined ? "REDIS_URL" : undefined }
}
