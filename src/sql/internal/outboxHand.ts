// What a person does: changes with notes, pauses; and the sweep.
import * as Effect from "effect/Effect"
import type { Fragment } from "effect/sql/Statement"
import { hashOf } from "../../internal/fingerprint.ts"
import { keepDiscarded, millisOf } from "../../internal/outboxTimes.ts"
import type { Audit } from "../../OutboxEntry.ts"
import type { Change, Paused, Store } from "../../OutboxStore.ts"
import type { Names, Parts } from "./outboxLanes.ts"
import { refuse, type Row } from "./outboxRow.ts"

interface Note {
  readonly at: number | bigint
  readonly action: Audit["action"]
  readonly by_whom: string
  readonly evidence: string
}

const pauseId = ({ integration, operation }: Paused): string => hashOf(JSON.stringify([integration, operation ?? null]))

export const makeHand = (parts: Parts): Pick<Store, "change" | "audits" | "pause" | "resume" | "paused" | "sweep"> => {
  const { advance, audit, blocking, db, entries, lanes, lockLane, pauses, sql, wake } = parts
  const { number, text } = db

  const changeOf = (change: Change): Fragment => {
    const gone = (keep: Parameters<typeof millisOf>[0]) =>
      sql`payload = '', answer = NULL, ready_at = NULL, forget_at = ${db.now} + ${number(millisOf(keep))},`
    // An entry before it is in the way only in a lane whose entries do not all say the same.
    const behind = sql`on_dead = 'block' AND EXISTS (SELECT 1 FROM ${entries} AS other
      WHERE other.lane_id = entry.lane_id AND ${blocking} AND other.lane_position < entry.lane_position)`
    const revived = (due: Fragment) => sql`state = CASE WHEN ${behind} THEN 'Waiting' ELSE 'Pending' END,
      ready_at = CASE WHEN ${behind} THEN NULL ELSE ${due} END,
      due_at = ${due}, generation = generation + 1, attempts = 0, tries = 0, crashes = 0,`
    switch (change._tag) {
      case "Discard":
        return sql`state = 'Discarded', ${gone(change.keep ?? keepDiscarded)}`
      case "Resolve":
        return sql`state = 'Delivered', outcome = 'Applied', ${gone(change.keep)}`
      case "Answer":
        return sql`${revived(db.now)} outcome = 'Applied', answer = ${text(change.answer)},`
      case "Redrive": {
        const forgotten = sql`outcome = 'NotSent', first_sent_at = NULL, in_doubt_at = NULL,`
        return sql`${revived(sql`${db.now} + ${number(millisOf(change.delay))}`)} expires_at = NULL,
          ${change.newKey === undefined ? sql`` : sql`idem_key = ${text(change.newKey)},`}
          ${change.newKey === undefined && change.again !== true ? sql`` : forgotten}`
      }
    }
  }

  const change: Store["change"] = ({ generation, id }, change, { action, by, evidence }) => {
    const open =
      change._tag === "Discard" ? sql`'Dead', 'NeedsReconcile', 'Pending', 'Waiting'` : sql`'Dead', 'NeedsReconcile'`
    const body = Effect.gen(function* () {
      const lane = yield* lockLane(id)
      const rows = yield* sql<Row>`UPDATE ${entries} AS entry SET ${changeOf(change)} why = NULL, changed_at = ${db.now}
        WHERE id = ${id} AND generation = ${number(generation)} AND state IN (${open}) RETURNING *`
      const [row] = rows
      if (row === undefined) return undefined
      yield* sql`INSERT INTO ${audit} (entry_id, place, at, action, by_whom, evidence)
        SELECT ${text(id)}, (SELECT coalesce(max(place), 0) + 1 FROM ${audit} WHERE entry_id = ${text(id)}), ${db.now}, ${text(action)}, ${text(by)}, ${text(evidence)}`
      const due: ReadonlyArray<Names> = row.state === "Pending" ? [row] : []
      return [...due, ...(yield* advance(lane))]
    })
    const texts = [
      by,
      evidence,
      "newKey" in change ? change.newKey : undefined,
      "answer" in change ? change.answer : undefined
    ]
    const changed = Effect.gen(function* () {
      const due = yield* db.atomic("change", body)
      for (const names of due ?? []) yield* wake(names)
      return due !== undefined
    })
    return refuse(db.name, "change", texts, changed)
  }

  const resume: Store["resume"] = (what) =>
    Effect.gen(function* () {
      const { integration, operation } = what
      const rows = yield* db.writes("resume", sql`DELETE FROM ${pauses} WHERE id = ${pauseId(what)} RETURNING id`)
      if (rows.length === 0) return
      if (operation !== undefined) return yield* wake({ integration, operation })
      const due = sql<Names>`SELECT DISTINCT integration, operation FROM ${entries} WHERE integration = ${integration} AND ready_at IS NOT NULL`
      for (const names of yield* db.reads("resume", due)) yield* wake(names)
    })

  const sweep: Store["sweep"] = ({ limit }) => {
    const old = sql`SELECT id FROM ${entries} WHERE forget_at <= ${db.now} ORDER BY forget_at LIMIT ${number(limit)}`
    const body = Effect.gen(function* () {
      const rows = yield* sql<Pick<Row, "id" | "lane_id">>`DELETE FROM ${entries}
        WHERE ${db.isOneOf(old)} AND state IN ('Delivered', 'Discarded') RETURNING id, lane_id`
      if (rows.length === 0) return 0
      yield* sql`DELETE FROM ${audit} WHERE entry_id IN ${db.each(rows.map(({ id }) => id))}`
      const used = [...new Set(rows.flatMap(({ lane_id }) => (lane_id === null ? [] : [lane_id])))]
      if (used.length === 0) return rows.length
      // A lane that somebody has locked is in use. The others are looked at by a statement of its own, which sees what was
      // committed before they were locked.
      const locked = yield* sql<
        Pick<Row, "id">
      >`SELECT id FROM ${lanes} WHERE id IN ${db.each(used)} ${db.skippingLocked}`
      yield* sql`DELETE FROM ${lanes} WHERE id IN ${db.each(locked.map(({ id }) => id))}
        AND NOT EXISTS (SELECT 1 FROM ${entries} AS entry WHERE entry.lane_id = ${lanes}.id)`
      return rows.length
    })
    return db.atomic("sweep", body)
  }

  return {
    change,
    audits: (id) =>
      Effect.map(db.reads("audits", sql<Note>`SELECT * FROM ${audit} WHERE entry_id = ${id} ORDER BY place`), (notes) =>
        notes.map(({ action, at, by_whom, evidence }) => ({ at: Number(at), action, by: by_whom, evidence }))
      ),
    pause: (what) =>
      refuse(
        db.name,
        "pause",
        [what.integration, what.operation],
        Effect.asVoid(
          db.writes(
            "pause",
            sql`INSERT INTO ${pauses} (id, integration, operation) VALUES (${pauseId(what)}, ${what.integration}, ${text(what.operation)}) ON CONFLICT (id) DO NOTHING`
          )
        )
      ),
    resume,
    paused: Effect.map(
      db.reads(
        "paused",
        sql<{
          readonly integration: string
          readonly operation: string | null
        }>`SELECT integration, operation FROM ${pauses} ORDER BY integration, operation`
      ),
      (rows) => rows.map(({ integration, operation }) => ({ integration, operation: operation ?? undefined }))
    ),
    sweep
  }
}
