// What all transitions of a SQL outbox share: its tables, its lanes and who is told.
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { hashOf } from "../../internal/fingerprint.ts"
import { makeDatabase } from "./outboxDatabase.ts"
import { blocking as blockingText, tablesOf } from "./outboxMigrations.ts"

export interface Names {
  readonly integration: string
  readonly operation: string
}

/** What a lane is found by: an index does not take names of any length. */
export const laneIdOf = (integration: string, name: string): string =>
  hashOf(`${integration.length}:${integration}${name}`)

export const makeParts = (sql: SqlClient.SqlClient, table: string) => {
  const db = makeDatabase(sql)
  const names = tablesOf(table)
  const entries = sql(names.entries)
  const lanes = sql(names.lanes)
  const pauses = sql(names.pauses)
  const blocking = sql.literal(blockingText)
  const wakers = new Set<(what: Names) => void>()

  return {
    sql,
    db,
    entries,
    lanes,
    audit: sql(names.audit),
    pauses,
    blocking,
    wakers,
    /** Tells who waits for entries, after the outermost commit. */
    wake: ({ integration, operation }: Names): Effect.Effect<void> =>
      wakers.size === 0
        ? Effect.void
        : sql.afterCommit(
            Effect.sync(() => {
              for (const waker of wakers) waker({ integration, operation })
            })
          ),
    isPaused: ({ integration, operation }: Names) =>
      sql`EXISTS (SELECT 1 FROM ${pauses} WHERE integration = ${db.text(integration)} AND (operation IS NULL OR operation = ${db.text(operation)}))`,
    /**
     * Locks the lane of an entry, if it has one, until the transaction ends. The row is written rather than just locked: a
     * transaction that waited for it and can't see what was committed meanwhile (from REPEATABLE READ on) then has to start
     * over. A lane is always locked before its entries, so that two that change it do not wait for each other.
     */
    lockLane: (id: string): Effect.Effect<string | undefined, SqlError> =>
      Effect.map(
        sql<{ readonly id: string }>`UPDATE ${lanes} SET changes = changes + 1
          WHERE id = (SELECT lane_id FROM ${entries} WHERE id = ${id}) RETURNING id`,
        ([row]) => row?.id
      ),
    /** Makes the next of a lane pending, if it waits for nobody any more. The lane is locked. */
    advance: (laneId: string | undefined): Effect.Effect<ReadonlyArray<Names>, SqlError> =>
      laneId === undefined
        ? Effect.succeed([])
        : sql<Names>`UPDATE ${entries} SET state = 'Pending', ready_at = due_at, changed_at = ${db.now}
            WHERE id = (SELECT id FROM ${entries} WHERE lane_id = ${laneId} AND ${blocking} ORDER BY lane_position LIMIT 1)
              AND state = 'Waiting'
            RETURNING integration, operation`
  }
}

export type Parts = ReturnType<typeof makeParts>
