/** Real stores for the receiver's conformance kit: each build of a layer has a place of its own, which is gone afterwards. */
import { NodeFileSystem } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { IdempotencyStore } from "breakwater"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as redis from "../idempotency/redis.ts"

const url = process.env["DATABASE_URL"]
let schemas = 0

export interface StoreSetup {
  readonly name: string
  /** Why it can't run here. */
  readonly skip: string | undefined
  readonly layer: Layer.Layer<IdempotencyStore.IdempotencyStore, unknown>
}

export interface SqlSetup extends StoreSetup {
  readonly layer: Layer.Layer<IdempotencyStore.IdempotencyStore | IdempotencyStore.TransactionalStore, unknown>
}

const sqlite: SqlSetup = {
  name: "SQLite",
  skip: undefined,
  layer: Layer.unwrap(
    Effect.map(
      Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
      (folder) =>
        Layer.provide(
          SqlIdempotencyStore.layer(),
          SqliteClient.layer({ filename: `${folder}/records.db`, synchronous: "normal" })
        )
    )
  ).pipe(Layer.provide(NodeFileSystem.layer))
}

const postgres: SqlSetup = {
  name: "PostgreSQL",
  skip: url === undefined ? "DATABASE_URL is not set" : undefined,
  layer: Layer.unwrap(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = `breakwater_receiver_${process.pid}_${++schemas}`
      yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
        Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
      )
      return SqlIdempotencyStore.layer({ table: `${schema}.records` })
    })
  ).pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url ?? ""), maxConnections: 8 })))
}

const onRedis: StoreSetup = {
  name: "Redis",
  skip: redis.skip,
  layer: Layer.effect(
    IdempotencyStore.IdempotencyStore,
    Effect.gen(function* () {
      const service = yield* redis.connect
      return yield* redis.storeOver(service, yield* redis.freshPrefix(service))
    })
  )
}

/** For both modes. */
export const sqlStores: ReadonlyArray<SqlSetup> = [sqlite, postgres]
/** For leases alone. */
export const leasedStores: ReadonlyArray<StoreSetup> = [onRedis]
