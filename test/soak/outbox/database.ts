/** The database of the outbox's soak, as each of its processes opens it. */
import type { Outbox, OutboxStore } from "breakwater"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
import { SqlOutboxStore } from "breakwater/sql"
import { type Kind, type Setup, tablesOf } from "./protocol.ts"

type Where = Pick<Setup, "kind" | "place" | "databaseUrl" | "isolation"> & { readonly application?: string }

/** Of the role that is named like the schema: the isolation of its transactions is a setting of its own. */
export const urlOf = (databaseUrl: string, schema: string): string => {
  const url = new URL(databaseUrl)
  url.username = schema
  return url.href
}

/** Loads what the database needs, and nothing else. */
export const openSql = Effect.fnUntraced(function* ({ application, databaseUrl, isolation, kind, place }: Where) {
  const layer =
    kind === "sqlite"
      ? (yield* Effect.promise(() => import("../../../src/sql/node/SqliteClient.ts"))).layer({
          filename: join(place, "records.db"),
          synchronous: "normal",
          // Whoever is stopped in a transaction keeps the lock of the file for as long.
          busyTimeout: "30 seconds"
        })
      : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({
          url: Redacted.make(databaseUrl!),
          maxConnections: 10,
          applicationName: application
        })
  const sql = Context.get(yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>), SqlClient.SqlClient)
  if (isolation !== undefined) {
    const [row] = yield* sql<{ readonly transaction_isolation: string }>`SHOW transaction_isolation`
    if (row?.transaction_isolation !== isolation) return yield* Effect.die(new Error(JSON.stringify(row)))
  }
  return sql
})

/** Ends all connections of a process, whatever they are at. How many it were. */
export const cutConnections = (sql: SqlClient.SqlClient, application: string) =>
  Effect.map(
    sql<{ readonly ended: boolean }>`SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = ${application}`,
    (rows) => rows.filter(({ ended }) => ended).length
  )

export const createTables = (sql: SqlClient.SqlClient, kind: Kind, place: string) => {
  const { ends, orders, outbox } = tablesOf(kind, place)
  return Effect.gen(function* () {
    yield* Effect.provideService(SqlOutboxStore.migrate({ table: outbox }), SqlClient.SqlClient, sql)
    yield* sql`CREATE TABLE ${sql(orders)} (order_id TEXT PRIMARY KEY)`
    yield* sql`CREATE TABLE ${sql(ends)} (order_id TEXT NOT NULL, kind TEXT NOT NULL, pad TEXT NOT NULL)`
  })
}

// ---- what is written there when all is over

export const integration = "soak/Shop"

export const entriesOf = Effect.fnUntraced(function* (
  store: OutboxStore.Store,
  states?: ReadonlyArray<Outbox.Entry["state"]>
) {
  const entries: Array<Outbox.Entry> = []
  while (true) {
    const page = yield* store.list({ integration, states }, { limit: 500, after: entries.at(-1) })
    if (page.length === 0) return entries
    entries.push(...page)
  }
})

type Tables = ReturnType<typeof tablesOf>

/** The orders whose transaction was committed. */
export const committedOf = (sql: SqlClient.SqlClient, { orders }: Tables) =>
  Effect.map(sql<{ readonly order_id: string }>`SELECT order_id FROM ${sql(orders)}`, (rows) =>
    rows.map(({ order_id }) => order_id)
  )

/** What the handlers have written. */
export const endsOf = (sql: SqlClient.SqlClient, { ends }: Tables) =>
  sql<{ readonly order_id: string; readonly kind: string }>`SELECT order_id, kind FROM ${sql(ends)}`
