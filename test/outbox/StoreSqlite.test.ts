// The contract over SQLite: a file of its own, and two connections to it, as two processes would have them.
import { NodeFileSystem } from "@effect/platform-node"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Effect, FileSystem, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type * as OutboxConformance from "../../src/testing/OutboxConformance.ts"
import { storeSuite } from "./StoreSuite.ts"

export const harness: OutboxConformance.Harness = {
  name: "SQLite",
  open: Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const handle = Effect.gen(function* () {
      const database = yield* Layer.build(
        SqliteClient.layer({ filename: `${folder}/outbox.db`, synchronous: "normal" })
      )
      const provided = Effect.provideService(SqlClient.SqlClient, Context.get(database, SqlClient.SqlClient))
      yield* provided(SqlOutboxStore.migrate())
      return yield* provided(SqlOutboxStore.make())
    })
    return { handles: [yield* handle, yield* handle] as const, time: { _tag: "Real" as const } }
  }).pipe(Effect.provide(NodeFileSystem.layer)),
  effort: { runs: 15, keys: 20 }
}

storeSuite(harness, { live: true })
