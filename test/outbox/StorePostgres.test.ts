// The contract over PostgreSQL, in a schema of its own that is dropped at the end. `DATABASE_URL` says where.
import { Effect } from "effect"
import { SqlOutboxStore } from "breakwater/sql"
import { SqlClient } from "effect/sql"
import type * as OutboxConformance from "../../src/testing/OutboxConformance.ts"
import { isolations, openPostgres, skip } from "./postgres.ts"
import { storeSuite } from "./StoreSuite.ts"

export const harnessOf = (isolation: (typeof isolations)[number]): OutboxConformance.Harness => ({
  name: `PostgreSQL (${isolation})`,
  open: Effect.gen(function* () {
    const { client, table } = yield* openPostgres(isolation)
    const handle = Effect.flatMap(client, (sql) =>
      Effect.provideService(SqlOutboxStore.make({ table }), SqlClient.SqlClient, sql)
    )
    return { handles: [yield* handle, yield* handle] as const, time: { _tag: "Real" as const } }
  }),
  effort: { runs: 10, keys: 24 }
})

for (const isolation of isolations) storeSuite(harnessOf(isolation), { live: true, skip })
