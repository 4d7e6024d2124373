// What the receiving side knows of a key, where it keeps its records in the same database.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { makeDialect } from "../../sql/internal/dialect.ts"
import { hasTable } from "./database.ts"

/** A record without its result, which is a payload. */
export interface Received {
  readonly scope: string
  readonly key: string
  /** `Free` is kept for its number alone: the key may be used. */
  readonly state: "Running" | "Done" | "Held" | "Free"
  readonly takeovers: number
  readonly steps: ReadonlyArray<string>
  readonly createdAt: number
  readonly leaseUntil: number
  readonly expiresAt: number
}

interface Row {
  readonly scope: string
  readonly idem_key: string
  readonly state: "R" | "D" | "H" | "A"
  readonly takeovers: number | bigint
  readonly on_lost_lease: string
  readonly lease_until: number | bigint
  readonly expires_at: number | bigint
  readonly created_at: number | bigint
  readonly steps: string
  readonly now: number | bigint
}

const decodeSteps = Schema.decodeUnknownExit(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ name: Schema.String })))
)

const recordOf = (row: Row): Received => {
  const steps = decodeSteps(row.steps)
  const lost = row.state === "R" && Number(row.lease_until) <= Number(row.now)
  return {
    scope: row.scope,
    key: row.idem_key,
    state:
      row.state === "A"
        ? "Free"
        : row.state === "D"
          ? "Done"
          : row.state === "H" || (lost && row.on_lost_lease === "hold")
            ? "Held"
            : "Running",
    takeovers: Number(row.takeovers),
    steps: Exit.isSuccess(steps) ? steps.value.map(({ name }) => name) : [],
    createdAt: Number(row.created_at),
    leaseUntil: Number(row.lease_until),
    expiresAt: Number(row.expires_at)
  }
}

/** The records of these keys in every scope; `undefined` if there is no such table. */
export const received = (
  table: string,
  keys: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Received> | undefined, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    if (!(yield* hasTable(table))) return undefined
    const sql = yield* SqlClient.SqlClient
    const { now } = makeDialect(sql)
    const rows = yield* sql<Row>`
      SELECT scope, idem_key, state, takeovers, on_lost_lease, lease_until, expires_at, created_at, steps, ${now} AS now
      FROM ${sql(table)} WHERE ${sql.in("idem_key", keys)} ORDER BY created_at, scope`
    return rows.map(recordOf)
  })
