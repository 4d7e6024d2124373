/** What the tables of an outbox hold, as data: times are relative to the store's clock. */
import { Effect, type Scope } from "effect"
import { type Modules, outboxTableOf, sqlClient, type SqlKind } from "./open.ts"
import { sqlNow } from "./rows.ts"

type Field = string | number | null
type Row = { readonly [column: string]: Field }

/** A column that is not among `times` is as it was. */
export interface OutboxRows {
  readonly times: ReadonlyArray<string>
  readonly tables: { readonly [suffix: string]: ReadonlyArray<Row> }
}

const times = [
  "due_at",
  "lease_until",
  "ready_at",
  "created_at",
  "changed_at",
  "expires_at",
  "forget_at",
  "first_sent_at",
  "in_doubt_at",
  "at"
]

/** What a table is named by behind the name of the outbox, and what its rows are ordered by. */
const tables = { "": "created_at, id", _lanes: "integration, name", _audit: "entry_id, place", _pauses: "id" }

const shifted = (row: object, own: ReadonlyArray<string>, by: number): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]): [string, Field] => [
      name,
      value === null
        ? null
        : own.includes(name)
          ? Number(value) + by
          : typeof value === "bigint"
            ? Number(value)
            : (value as Field)
    ])
  )

/** Reads all that is in a place. */
export const dumpOutbox = (
  modules: Modules,
  kind: SqlKind,
  place: string
): Effect.Effect<{ readonly now: number; readonly rows: OutboxRows }, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* sqlClient(modules, kind, place)
    const now = yield* sqlNow(sql)
    const found: Record<string, ReadonlyArray<Row>> = {}
    for (const [suffix, order] of Object.entries(tables)) {
      const rows = yield* sql<object>`SELECT * FROM ${sql(`${outboxTableOf(kind, place)}${suffix}`)}
        ORDER BY ${sql.literal(order)}`
      found[suffix] = rows.map((row) => shifted(row, times, -now))
    }
    return { now, rows: { times, tables: found } }
  })

/** Puts rows into an empty place that has its tables, as if they had been written just now. Returns the store's clock. */
export const loadOutbox = (
  modules: Modules,
  kind: SqlKind,
  place: string,
  data: OutboxRows
): Effect.Effect<number, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* sqlClient(modules, kind, place)
    const now = yield* sqlNow(sql)
    for (const [suffix, rows] of Object.entries(data.tables)) {
      for (const row of rows) {
        yield* sql`INSERT INTO ${sql(`${outboxTableOf(kind, place)}${suffix}`)} ${sql.insert(shifted(row, data.times, now))}`
      }
    }
    return now
  })
