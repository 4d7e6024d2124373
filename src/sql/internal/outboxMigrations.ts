import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The tables of an outbox, which are named after its first. */
export const tablesOf = (table: string) => ({
  entries: table,
  lanes: `${table}_lanes`,
  audit: `${table}_audit`,
  pauses: `${table}_pauses`,
  migrations: `${table}_migrations`
})

/**
 * Entries that those behind them in their lane have to wait for. The index of lanes has the same text: SQLite uses a
 * partial index only for a query that repeats its condition.
 */
export const blocking =
  "(state IN ('Waiting', 'Pending', 'Leased') OR (on_dead = 'block' AND state IN ('Dead', 'NeedsReconcile')))"

/** Every version of the tables, oldest first. A released one never changes: databases have run it. */
export const migrations = (table: string) => ({
  "0001_outbox": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { audit, entries, lanes, pauses } = tablesOf(table)
    const big = sql.literal(sql.onDialectOrElse({ pg: () => "BIGINT", orElse: () => "INTEGER" }))
    // Ids are compared by their bytes, in every language of a server.
    const id = sql.literal(sql.onDialectOrElse({ pg: () => 'TEXT COLLATE "C"', orElse: () => "TEXT" }))
    // An index lies in the schema of its table, and is not named with it.
    const bare = table.slice(table.lastIndexOf(".") + 1)
    const index = (name: string) => sql(`${bare}_${name}`)
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(entries)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      operation TEXT NOT NULL,
      idem_key TEXT,
      fingerprint TEXT NOT NULL,
      origin TEXT NOT NULL,
      state TEXT NOT NULL,
      why TEXT,
      payload TEXT NOT NULL,
      result TEXT,
      answer TEXT,
      lane TEXT,
      lane_id ${id},
      on_dead TEXT,
      lane_position ${big},
      epoch ${big} NOT NULL,
      generation ${big} NOT NULL,
      attempts ${big} NOT NULL,
      tries ${big} NOT NULL,
      crashes ${big} NOT NULL,
      outcome TEXT NOT NULL,
      first_sent_at ${big},
      in_doubt_at ${big},
      due_at ${big} NOT NULL,
      lease_until ${big},
      ready_at ${big},
      created_at ${big} NOT NULL,
      changed_at ${big} NOT NULL,
      expires_at ${big},
      forget_at ${big},
      history TEXT NOT NULL,
      last_reason TEXT,
      correlation_id TEXT NOT NULL,
      traceparent TEXT
    )`
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(lanes)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      name TEXT NOT NULL,
      last_position ${big} NOT NULL,
      changes ${big} NOT NULL
    )`
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(audit)} (
      entry_id ${id} NOT NULL,
      place ${big} NOT NULL,
      at ${big} NOT NULL,
      action TEXT NOT NULL,
      by_whom TEXT NOT NULL,
      evidence TEXT NOT NULL,
      PRIMARY KEY (entry_id, place)
    )`
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(pauses)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      operation TEXT
    )`
    // What may be claimed: pending, or leased. What was delivered is not in it.
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("ready")} ON ${sql(entries)} (integration, operation, ready_at, id) WHERE ready_at IS NOT NULL`
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("lane")} ON ${sql(entries)} (lane_id, lane_position) WHERE lane_id IS NOT NULL AND ${sql.literal(blocking)}`
    // Whether a lane is in use, for the sweep.
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("lane_all")} ON ${sql(entries)} (lane_id) WHERE lane_id IS NOT NULL`
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("forget")} ON ${sql(entries)} (forget_at) WHERE forget_at IS NOT NULL`
    // For those who look: a page of each state, and a key.
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("state")} ON ${sql(entries)} (state, created_at, id)`
    yield* sql`CREATE INDEX IF NOT EXISTS ${index("key")} ON ${sql(entries)} (substr(idem_key, 1, 64)) WHERE idem_key IS NOT NULL`
  })
})
