// What a person, or a test, looks at.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type { State } from "../../OutboxEntry.ts"
import type { Filter, Group, Store } from "../../OutboxStore.ts"
import { laneIdOf, type Parts } from "./outboxLanes.ts"
import { entryOf, type Row } from "./outboxRow.ts"

interface GroupRow extends Pick<Row, "integration" | "operation" | "state" | "why"> {
  readonly last_reason: string | null
  readonly total: number | bigint
  readonly oldest: number | bigint
}

const states: ReadonlyArray<State> = [
  "Waiting",
  "Pending",
  "Leased",
  "Delivered",
  "Dead",
  "NeedsReconcile",
  "Discarded"
]

export const makeLook = (parts: Parts): Pick<Store, "get" | "list" | "groups" | "isBusy"> => {
  const { blocking, db, entries, sql } = parts
  const { number, text } = db

  const where = (filter: Filter): Fragment => {
    const is = (column: string, value: string | undefined): ReadonlyArray<Fragment> =>
      value === undefined ? [] : [sql`${sql(column)} = ${text(value)}`]
    return sql.and([
      sql`1 = 1`,
      ...is("integration", filter.integration),
      ...is("operation", filter.operation),
      ...is("lane", filter.lane),
      ...is("why", filter.why),
      ...is("last_reason", filter.reason),
      ...is("idem_key", filter.key),
      // What the index of keys holds of them: they may be longer than an index takes.
      ...(filter.key === undefined ? [] : [sql`substr(idem_key, 1, 64) = substr(${text(filter.key)}, 1, 64)`]),
      ...(filter.createdBefore === undefined ? [] : [sql`created_at < ${number(filter.createdBefore)}`]),
      ...(filter.createdAfter === undefined ? [] : [sql`created_at > ${number(filter.createdAfter)}`])
    ])
  }
  const asked = ({ states: some }: Filter): ReadonlyArray<State> =>
    some === undefined ? states : states.filter((state) => some.includes(state))

  const list: Store["list"] = (filter, { after, limit }) => {
    const past =
      after === undefined ? sql`1 = 1` : sql`(created_at, id) > (${number(after.createdAt)}, ${text(after.id)})`
    const among = asked(filter)
    if (among.length === 0 || limit <= 0) return Effect.succeed([])
    const page = sql`ORDER BY created_at, id LIMIT ${number(limit)}`
    // Each state is read in order from its part of the index, and no more of it than a page.
    const parts = among.map(
      (state, n) =>
        sql`SELECT * FROM (SELECT * FROM ${entries} WHERE state = ${sql.literal(`'${state}'`)} AND ${past} AND ${where(filter)} ${page}) AS ${sql.literal(`of_${n}`)}`
    )
    const all = parts.reduce((before, part) => sql`${before} UNION ALL ${part}`)
    return Effect.map(db.reads("list", sql<Row>`SELECT * FROM (${all}) AS pages ${page}`), (rows) => rows.map(entryOf))
  }

  const groups: Store["groups"] = (filter) => {
    const among = asked(filter)
    if (among.length === 0) return Effect.succeed([])
    const chosen =
      filter.states === undefined
        ? sql`1 = 1`
        : sql`state IN (${sql.literal(among.map((state) => `'${state}'`).join(", "))})`
    const statement = sql<GroupRow>`SELECT integration, operation, state, why, last_reason, count(*) AS total, min(created_at) AS oldest
      FROM ${entries} WHERE ${chosen} AND ${where(filter)} GROUP BY integration, operation, state, why, last_reason`
    return Effect.map(db.reads("groups", statement), (rows) =>
      rows.map(({ integration, last_reason, oldest, operation, state, total, why }): Group => ({
        integration,
        operation,
        state,
        why: why ?? undefined,
        reason: last_reason ?? undefined,
        count: Number(total),
        oldest: Number(oldest)
      }))
    )
  }

  return {
    list,
    groups,
    get: (id) =>
      Effect.map(db.reads("get", sql<Row>`SELECT * FROM ${entries} WHERE id = ${id}`), ([row]) =>
        row === undefined ? Option.none() : Option.some(entryOf(row))
      ),
    isBusy: ({ integration, name }) =>
      Effect.map(
        db.reads(
          "isBusy",
          sql`SELECT 1 AS busy FROM ${entries} WHERE lane_id = ${laneIdOf(integration, name)} AND ${blocking} LIMIT 1`
        ),
        (rows) => rows.length > 0
      )
  }
}
