import * as Effect from "effect/Effect"
import { lastReason, millisOf } from "../../internal/outboxTimes.ts"
import type { Entry } from "../../OutboxEntry.ts"
import { type Offer, type Offered, type Store, StoreError } from "../../OutboxStore.ts"
import { laneIdOf, type Parts } from "./outboxLanes.ts"
import { entryOf, refuse, type Row } from "./outboxRow.ts"

/** An entry of this id is there already: what was written for this one is undone. */
class Taken {
  readonly _tag = "Taken"
}

export const makeOffer = ({ blocking, db, entries, isPaused, lanes, sql, wake }: Parts): Store["offer"] => {
  const { number, text } = db

  const read = (id: string) =>
    Effect.map(db.reads("offer", sql<Row>`SELECT * FROM ${entries} WHERE id = ${id}`), ([row]) => row && entryOf(row))
  const found = (offer: Offer, entry: Entry): Offered =>
    entry.fingerprint === offer.fingerprint ? { _tag: "Exists", entry } : { _tag: "Mismatch" }

  /** One row, which waits if there is somebody to wait for. Nothing if its id is taken. */
  const insert = (offer: Offer, lane: { readonly id: string; readonly position: number } | undefined) => {
    const lease = offer.lease && millisOf(offer.lease)
    const waits =
      lane === undefined
        ? sql`0 = 1`
        : sql`EXISTS (SELECT 1 FROM ${entries} WHERE lane_id = ${text(lane.id)} AND ${blocking})`
    const ago = (millis: number | undefined) =>
      millis === undefined ? number(undefined) : sql`now - ${number(Math.max(0, Math.round(millis)))}`
    const delay = number(millisOf(offer.delay))
    const whenLeased = (then: ReturnType<typeof number>, otherwise: ReturnType<typeof number>) =>
      sql`CASE WHEN state = 'Leased' THEN ${then} ELSE ${otherwise} END`
    const one = whenLeased(sql`1`, sql`0`)
    return sql<Row>`
      INSERT INTO ${entries} (
        id, integration, operation, idem_key, fingerprint, origin, state, payload,
        lane, lane_id, on_dead, lane_position, epoch, generation, attempts, tries, crashes,
        outcome, first_sent_at, in_doubt_at, due_at, lease_until, ready_at, created_at, changed_at, expires_at,
        history, last_reason, correlation_id, traceparent)
      SELECT
        ${text(offer.id)}, ${text(offer.integration)}, ${text(offer.operation)}, ${text(offer.key)},
        ${text(offer.fingerprint)}, ${text(offer.origin)}, state, ${text(offer.payload)},
        ${text(offer.lane?.name)}, ${text(lane?.id)}, ${text(offer.lane?.onDead)}, ${number(lane?.position)},
        ${one}, 0, ${number(offer.attempts)} + ${one}, ${one}, 0,
        ${text(offer.outcome)}, ${ago(offer.firstSentAgo)}, ${ago(offer.inDoubtAgo)}, now + ${delay},
        ${whenLeased(sql`now + ${number(lease ?? 0)}`, sql`NULL`)},
        CASE state WHEN 'Leased' THEN now + ${number(lease ?? 0)} WHEN 'Pending' THEN now + ${delay} END,
        now, now, ${offer.expiresAfter === undefined ? number(undefined) : sql`now + ${number(millisOf(offer.expiresAfter))}`},
        ${text(JSON.stringify(offer.history))}, ${text(lastReason(offer.history))},
        ${text(offer.correlationId)}, ${text(offer.traceparent)}
      FROM (SELECT ${db.now} AS now,
        CASE WHEN ${waits} THEN 'Waiting' ${lease === undefined ? sql`` : sql`WHEN NOT ${isPaused(offer)} THEN 'Leased'`} ELSE 'Pending' END AS state
      ) AS given WHERE 1 = 1
      ON CONFLICT (id) DO NOTHING
      RETURNING *`
  }
  /** The next place in a lane. Its row stays locked until the transaction ends: whoever comes later gets a later one. */
  const place = (id: string, integration: string, name: string) =>
    Effect.map(
      sql<{ readonly last_position: number | bigint }>`
        INSERT INTO ${lanes} AS lane (id, integration, name, last_position, changes) VALUES (${id}, ${integration}, ${name}, 1, 0)
        ON CONFLICT (id) DO UPDATE SET last_position = lane.last_position + 1
        RETURNING last_position`,
      ([row]) => ({ id, position: Number(row?.last_position) })
    )
  const inLane = (offer: Offer, lane: NonNullable<Offer["lane"]>) =>
    Effect.suspend(() => {
      const id = laneIdOf(offer.integration, lane.name)
      const body = Effect.flatMap(
        Effect.flatMap(place(id, offer.integration, lane.name), (lane) => insert(offer, lane)),
        (rows) => (rows.length === 0 ? Effect.fail(new Taken()) : Effect.succeed(rows))
      )
      return Effect.catchTag(db.atomic("offer", body), "Taken", () => Effect.succeed([]))
    })

  const stored = (row: Row): Effect.Effect<Offered> => {
    const entry = entryOf(row)
    if (entry.state === "Leased") {
      return Effect.succeed({ _tag: "Stored", claim: { entry, now: entry.createdAt } })
    }
    const offered: Offered = { _tag: "Stored", claim: undefined }
    return entry.state === "Pending" ? Effect.as(wake(entry), offered) : Effect.succeed(offered)
  }

  const attempt = (offer: Offer, left: number): Effect.Effect<Offered, StoreError> =>
    Effect.flatMap(
      offer.lane === undefined ? db.writes("offer", insert(offer, undefined)) : inLane(offer, offer.lane),
      ([row]) => {
        if (row !== undefined) return stored(row)
        return Effect.flatMap(read(offer.id), (entry) => {
          if (entry !== undefined) return Effect.succeed(found(offer, entry))
          // It was swept between the two statements.
          return left > 0
            ? attempt(offer, left - 1)
            : Effect.fail(
                new StoreError({
                  reason: "Busy",
                  store: db.name,
                  operation: "offer",
                  tookEffect: "no",
                  cause: undefined
                })
              )
        })
      }
    )

  return (offer) => {
    const { correlationId, fingerprint, id, integration, key, lane, operation, payload, traceparent } = offer
    const texts = [correlationId, fingerprint, id, integration, key, lane?.name, operation, payload, traceparent]
    const offered = Effect.suspend(() =>
      // A lane is not locked for what is there already.
      lane === undefined
        ? attempt(offer, 10)
        : Effect.flatMap(read(id), (entry) =>
            entry === undefined ? attempt(offer, 10) : Effect.succeed(found(offer, entry))
          )
    )
    return refuse(db.name, "offer", texts, offered)
  }
}
