// The contract over SQLite: a file of its own, and two connections to it, as two processes would have them.
import { NodeFileSystem } from "@effect/platform-node"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Effect, FileSystem, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type * as StoreConformance from "../../src/testing/StoreConformance.ts"
import { storeSuite } from "./StoreSuite.ts"

export const harness: StoreConformance.Harness = {
  name: "SQLite",
  open: Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const handle = Effect.gen(function* () {
      const database = yield* Layer.build(
        SqliteClient.layer({ filename: `${folder}/records.db`, synchronous: "normal" })
      )
      const provided = Effect.provideService(SqlClient.SqlClient, Context.get(database, SqlClient.SqlClient))
      yield* provided(SqlIdempotencyStore.migrate())
      return yield* provided(SqlIdempotencyStore.make())
    })
    return { handles: [yield* handle, yield* handle] as const, time: { _tag: "Real" as const } }
  }).pipe(Effect.provide(NodeFileSystem.layer)),
  effort: { runs: 15, keys: 20 }
}

storeSuite(harness, { live: true })
