// What a worker does: it claims, and it settles.
import * as Effect from "effect/Effect"
import type { Fragment } from "effect/sql/Statement"
import { lastReason, millisOf } from "../../internal/outboxTimes.ts"
import type { Learned, Owner, Store, Verdict } from "../../OutboxStore.ts"
import type { Names, Parts } from "./outboxLanes.ts"
import { entryOf, refuse, type Row } from "./outboxRow.ts"

export const makeWork = (parts: Parts): Pick<Store, "claim" | "settle"> => {
  const { advance, db, entries, isPaused, lockLane, sql, wake } = parts
  const { number, text } = db

  const claim: Store["claim"] = ({ integration, lease, limit, operation }) => {
    const lost = sql`entry.state = 'Leased'`
    // A stored answer says what happened, whatever became of its owner.
    const doubtful = sql`entry.state = 'Leased' AND entry.answer IS NULL`
    const until = sql`clock.now + ${number(millisOf(lease))}`
    const due = sql`SELECT id FROM ${entries}
      WHERE integration = ${text(integration)} AND operation = ${text(operation)} AND ready_at <= ${db.now}
        AND NOT ${isPaused({ integration, operation })}
      ORDER BY ready_at, id LIMIT ${number(limit)} ${db.skippingLocked}`
    // What was found is written down once: a join could look for it again, and claim more than the limit.
    const statement = sql<Row>`WITH due ${db.materialized} (${due}), clock ${db.materialized} (SELECT ${db.clock} AS now)
      UPDATE ${entries} AS entry SET
        state = 'Leased',
        epoch = entry.epoch + 1,
        attempts = entry.attempts + 1,
        tries = entry.tries + 1,
        crashes = CASE WHEN ${lost} THEN entry.crashes + 1 ELSE entry.crashes END,
        outcome = CASE WHEN ${doubtful} AND entry.outcome <> 'Applied' THEN 'Unknown' ELSE entry.outcome END,
        in_doubt_at = CASE WHEN ${doubtful} THEN clock.now ELSE entry.in_doubt_at END,
        first_sent_at = CASE WHEN ${doubtful} THEN coalesce(entry.first_sent_at, entry.changed_at) ELSE entry.first_sent_at END,
        due_at = entry.ready_at,
        lease_until = ${until},
        ready_at = ${until},
        changed_at = clock.now
      FROM clock WHERE entry.id IN (SELECT id FROM due)
      RETURNING *`
    return Effect.map(db.writes("claim", statement), (rows) =>
      rows
        .map(entryOf)
        .toSorted((a, b) => a.dueAt - b.dueAt)
        .map((entry) => ({ entry, now: entry.changedAt }))
    )
  }

  /** The state of an entry that its owner has ended, for who still owns it and meets a condition. */
  const write = ({ epoch, id }: Owner, verdict: Verdict, learned: Learned, condition: Fragment) => {
    const ago = (column: string, millis: number | undefined) =>
      millis === undefined ? sql`` : sql`${sql(column)} = clock.now - ${number(Math.max(0, Math.round(millis)))},`
    // One reading of the clock: what is told of before now is told from the moment that is written down.
    return sql<Row>`WITH clock ${db.materialized} (SELECT ${db.clock} AS now)
      UPDATE ${entries} SET
        ${changeOf(verdict)}
        outcome = ${learned.outcome},
        ${ago("first_sent_at", learned.firstSentAgo)}
        ${ago("in_doubt_at", learned.inDoubtAgo)}
        history = ${JSON.stringify(learned.history)},
        last_reason = ${text(lastReason(learned.history))},
        lease_until = NULL,
        changed_at = clock.now
      FROM clock WHERE id = ${id} AND epoch = ${number(epoch)} AND state = 'Leased' AND ${condition}
      RETURNING *`
  }
  const changeOf = (verdict: Verdict): Fragment => {
    switch (verdict._tag) {
      case "Delivered":
        return sql`state = 'Delivered', why = NULL, payload = '', answer = NULL, result = ${text(verdict.result)},
          ready_at = NULL, forget_at = clock.now + ${number(millisOf(verdict.keep))},`
      case "Dead":
      case "NeedsReconcile":
        return sql`state = ${verdict._tag}, why = ${verdict.why}, answer = NULL, ready_at = NULL,`
      case "Again": {
        const due = sql`clock.now + ${number(millisOf(verdict.delay))}`
        return sql`state = 'Pending', why = NULL, answer = ${text(verdict.answer)}, due_at = ${due}, ready_at = ${due},
          attempts = attempts - ${number(verdict.counts ? 0 : 1)}, tries = tries - ${number(verdict.pausing ? 0 : 1)},`
      }
    }
  }

  const settle: Store["settle"] = (owner, verdict, learned) => {
    const texts = [
      verdict._tag === "Delivered" ? verdict.result : verdict._tag === "Again" ? verdict.answer : undefined
    ]
    // Who is in no lane, or stays in the way of its lane, changes nothing but itself.
    const alone = {
      Again: sql`1 = 1`,
      Delivered: sql`lane_id IS NULL`,
      Dead: sql`(lane_id IS NULL OR on_dead = 'block')`,
      NeedsReconcile: sql`(lane_id IS NULL OR on_dead = 'block')`
    }[verdict._tag]
    const inLane = Effect.gen(function* () {
      const lane = yield* lockLane(owner.id)
      // Who has no lane was tried already, and owns nothing.
      if (lane === undefined) return { done: false, next: [] as ReadonlyArray<Names> }
      const rows = yield* write(owner, verdict, learned, sql`1 = 1`)
      return { done: rows.length > 0, next: rows.length > 0 ? yield* advance(lane) : [] }
    })
    const settled = Effect.gen(function* () {
      const [row] = yield* db.writes("settle", write(owner, verdict, learned, alone))
      if (row !== undefined) {
        if (verdict._tag === "Again" && millisOf(verdict.delay) === 0) yield* wake(row)
        return true
      }
      if (verdict._tag === "Again") return false
      const { done, next } = yield* db.atomic("settle", inLane)
      for (const names of next) yield* wake(names)
      return done
    })
    return refuse(db.name, "settle", texts, settled)
  }

  return { claim, settle }
}
