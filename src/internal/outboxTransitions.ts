// The transitions of one entry, as functions of what it was; and what a look asks of one.
import type { Entry, Try } from "../OutboxEntry.ts"
import type { Change, Filter, Group, Learned, Offer, Verdict } from "../OutboxStore.ts"
import { inDoubt, lastReason, millisOf } from "./outboxTimes.ts"

/** From when it may be claimed. */
export const readyAt = ({ dueAt, leaseUntil, state }: Entry): number | undefined =>
  state === "Pending" ? dueAt : state === "Leased" ? leaseUntil : undefined

const agoOf = (ago: number | undefined, now: number): number | undefined =>
  ago === undefined ? undefined : now - Math.max(0, Math.round(ago))

const copyTry = (own: Try): Try => ({ ...own })

/** An entry as it is offered, pending. */
export const entryOf = (offer: Offer, now: number, position: number | undefined): Entry => ({
  id: offer.id,
  integration: offer.integration,
  operation: offer.operation,
  key: offer.key,
  fingerprint: offer.fingerprint,
  origin: offer.origin,
  state: "Pending",
  why: undefined,
  payload: offer.payload,
  result: undefined,
  answer: undefined,
  lane: offer.lane && { name: offer.lane.name, onDead: offer.lane.onDead },
  position,
  epoch: 0,
  generation: 0,
  attempts: offer.attempts,
  tries: 0,
  crashes: 0,
  outcome: offer.outcome,
  firstSentAt: agoOf(offer.firstSentAgo, now),
  inDoubtAt: agoOf(offer.inDoubtAgo, now),
  dueAt: now + millisOf(offer.delay),
  leaseUntil: undefined,
  createdAt: now,
  changedAt: now,
  expiresAt: offer.expiresAfter && now + millisOf(offer.expiresAfter),
  history: offer.history.map(copyTry),
  correlationId: offer.correlationId,
  traceparent: offer.traceparent
})

export const claimed = (entry: Entry, now: number, lease: number): Entry => {
  const lost = entry.state === "Leased"
  const doubt: Partial<Entry> =
    // A stored answer says what happened, whatever became of its owner.
    lost && entry.answer === undefined
      ? { outcome: inDoubt(entry.outcome), inDoubtAt: now, firstSentAt: entry.firstSentAt ?? entry.changedAt }
      : {}
  return {
    ...entry,
    ...doubt,
    state: "Leased",
    epoch: entry.epoch + 1,
    attempts: entry.attempts + 1,
    tries: entry.tries + 1,
    crashes: lost ? entry.crashes + 1 : entry.crashes,
    // What is due again because its lease has ended is due since then.
    dueAt: readyAt(entry) ?? entry.dueAt,
    leaseUntil: now + lease,
    changedAt: now
  }
}

export const settled = (entry: Entry, verdict: Verdict, learned: Learned, now: number): Entry => {
  const known: Entry = {
    ...entry,
    outcome: learned.outcome,
    firstSentAt: agoOf(learned.firstSentAgo, now) ?? entry.firstSentAt,
    inDoubtAt: agoOf(learned.inDoubtAgo, now) ?? entry.inDoubtAt,
    history: learned.history.map(copyTry),
    leaseUntil: undefined,
    changedAt: now,
    answer: undefined,
    why: undefined
  }
  switch (verdict._tag) {
    case "Delivered":
      return { ...known, state: "Delivered", payload: "", result: verdict.result }
    case "Dead":
    case "NeedsReconcile":
      return { ...known, state: verdict._tag, why: verdict.why }
    case "Again":
      return {
        ...known,
        state: "Pending",
        answer: verdict.answer,
        dueAt: now + millisOf(verdict.delay),
        attempts: verdict.counts ? entry.attempts : entry.attempts - 1,
        tries: verdict.pausing ? entry.tries : entry.tries - 1
      }
  }
}

/** `behind` says whether it has to wait for others of its lane when it is revived. */
export const changed = (entry: Entry, change: Change, behind: boolean, now: number): Entry => {
  const over: Entry = { ...entry, why: undefined, changedAt: now }
  const revived: Entry = {
    ...over,
    state: behind ? "Waiting" : "Pending",
    generation: entry.generation + 1,
    attempts: 0,
    tries: 0,
    crashes: 0,
    dueAt: now
  }
  switch (change._tag) {
    case "Redrive": {
      const forgets = change.newKey !== undefined || change.again === true
      return {
        ...revived,
        ...(forgets ? { outcome: "NotSent", firstSentAt: undefined, inDoubtAt: undefined } : {}),
        key: change.newKey ?? entry.key,
        dueAt: now + millisOf(change.delay),
        expiresAt: undefined
      }
    }
    case "Answer":
      return { ...revived, outcome: "Applied", answer: change.answer }
    case "Discard":
      return { ...over, state: "Discarded", payload: "", answer: undefined }
    case "Resolve":
      return { ...over, state: "Delivered", outcome: "Applied", payload: "" }
  }
}

export const matches = (filter: Filter, entry: Entry): boolean =>
  (filter.states?.includes(entry.state) ?? true) &&
  (filter.integration ?? entry.integration) === entry.integration &&
  (filter.operation ?? entry.operation) === entry.operation &&
  (filter.key ?? entry.key) === entry.key &&
  (filter.lane ?? entry.lane?.name) === entry.lane?.name &&
  (filter.why ?? entry.why) === entry.why &&
  (filter.reason === undefined || filter.reason === lastReason(entry.history)) &&
  (filter.createdBefore === undefined || entry.createdAt < filter.createdBefore) &&
  (filter.createdAfter === undefined || entry.createdAt > filter.createdAfter)

/** Oldest first. */
export const inOrder = (a: Pick<Entry, "createdAt" | "id">, b: Pick<Entry, "createdAt" | "id">): number =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

export const grouped = (entries: ReadonlyArray<Entry>): ReadonlyArray<Group> => {
  const groups = new Map<string, Group>()
  for (const { createdAt, history, integration, operation, state, why } of entries) {
    const reason = lastReason(history)
    const id = JSON.stringify([integration, operation, state, why ?? null, reason ?? null])
    const { count = 0, oldest = createdAt } = groups.get(id) ?? {}
    groups.set(id, {
      integration,
      operation,
      state,
      why,
      reason,
      count: count + 1,
      oldest: Math.min(oldest, createdAt)
    })
  }
  return Array.from(groups.values())
}
