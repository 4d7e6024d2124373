import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Every version of the table, oldest first. A released one never changes: databases have run it. */
export const migrations = (table: string) => ({
  "0001_records": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const big = sql.literal(sql.onDialectOrElse({ pg: () => "BIGINT", orElse: () => "INTEGER" }))
    // An index lies in the schema of its table, and is not named with it.
    const bare = table.slice(table.lastIndexOf(".") + 1)
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(table)} (
      id CHAR(64) PRIMARY KEY,
      scope TEXT NOT NULL,
      idem_key TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      state CHAR(1) NOT NULL,
      epoch ${big} NOT NULL,
      takeovers ${big} NOT NULL,
      on_lost_lease TEXT NOT NULL,
      lease_until ${big} NOT NULL,
      expires_at ${big} NOT NULL,
      steps TEXT NOT NULL,
      result TEXT,
      created_at ${big} NOT NULL
    )`
    yield* sql`CREATE INDEX IF NOT EXISTS ${sql(`${bare}_expires`)} ON ${sql(table)} (expires_at)`
    // Few records are ever held; those that may be are found without a look at the rest.
    yield* sql`CREATE INDEX IF NOT EXISTS ${sql(`${bare}_held`)} ON ${sql(table)} (state, on_lost_lease, lease_until) WHERE state <> 'D'`
  })
})
