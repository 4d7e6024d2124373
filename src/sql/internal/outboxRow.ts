// An entry as a row of its table.
import * as Effect from "effect/Effect"
import type { Outcome } from "../../Outcome.ts"
import type { Entry, OnDead, State, Try, Why } from "../../OutboxEntry.ts"
import { StoreError } from "../../OutboxStore.ts"

type Big = number | bigint

export interface Row {
  readonly id: string
  readonly integration: string
  readonly operation: string
  readonly idem_key: string | null
  readonly fingerprint: string
  readonly origin: Entry["origin"]
  readonly state: State
  readonly why: Why | null
  readonly payload: string
  readonly result: string | null
  readonly answer: string | null
  readonly lane: string | null
  readonly lane_id: string | null
  readonly on_dead: OnDead | null
  readonly lane_position: Big | null
  readonly epoch: Big
  readonly generation: Big
  readonly attempts: Big
  readonly tries: Big
  readonly crashes: Big
  readonly outcome: Outcome
  readonly first_sent_at: Big | null
  readonly in_doubt_at: Big | null
  readonly due_at: Big
  readonly lease_until: Big | null
  readonly created_at: Big
  readonly changed_at: Big
  readonly expires_at: Big | null
  readonly history: string
  readonly correlation_id: string
  readonly traceparent: string | null
}

const maybe = (value: Big | null): number | undefined => (value === null ? undefined : Number(value))

export const entryOf = (row: Row): Entry => ({
  id: row.id,
  integration: row.integration,
  operation: row.operation,
  key: row.idem_key ?? undefined,
  fingerprint: row.fingerprint,
  origin: row.origin,
  state: row.state,
  why: row.why ?? undefined,
  payload: row.payload,
  result: row.result ?? undefined,
  answer: row.answer ?? undefined,
  lane: row.lane === null ? undefined : { name: row.lane, onDead: row.on_dead ?? "block" },
  position: maybe(row.lane_position),
  epoch: Number(row.epoch),
  generation: Number(row.generation),
  attempts: Number(row.attempts),
  tries: Number(row.tries),
  crashes: Number(row.crashes),
  outcome: row.outcome,
  firstSentAt: maybe(row.first_sent_at),
  inDoubtAt: maybe(row.in_doubt_at),
  dueAt: Number(row.due_at),
  leaseUntil: maybe(row.lease_until),
  createdAt: Number(row.created_at),
  changedAt: Number(row.changed_at),
  expiresAt: maybe(row.expires_at),
  history: triesOf(row.history),
  correlationId: row.correlation_id,
  traceparent: row.traceparent ?? undefined
})

/** What JSON leaves out is there again. */
const triesOf = (text: string): ReadonlyArray<Try> =>
  (JSON.parse(text) as ReadonlyArray<Try>).map((own) => ({ ...own, status: own.status, requestId: own.requestId }))

/** A text that a database gives back as it was. Half a surrogate pair would come back as another one. */
const isWritable = (text: string | undefined): boolean =>
  text === undefined || !/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)

/** Refuses what could not be given back as it was. */
export const refuse = <A>(
  store: string,
  operation: string,
  texts: ReadonlyArray<string | undefined>,
  self: Effect.Effect<A, StoreError>
): Effect.Effect<A, StoreError> =>
  texts.every(isWritable)
    ? self
    : Effect.fail(
        new StoreError({
          reason: "Malformed",
          store,
          operation,
          tookEffect: "no",
          cause: "texts must be well formed, without NUL"
        })
      )
