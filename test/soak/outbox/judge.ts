/**
 * The oracle of the outbox's soak: what every order has to have become, by its script, in the ledger of the provider, in
 * the rows of the handlers and in the outbox itself.
 */
import type { Outbox } from "breakwater"
import { lifetimeHours } from "./shop.ts"

/** What the provider does with an order for good: it says no, or it says no until it was revived by hand. */
export type Script = "accepted" | "declined" | "declined at first"

export interface Sent {
  readonly order: string
  readonly lane: string | undefined
  readonly script: Script
  readonly rollsBack: boolean
  /** A process said that COMMIT has returned. */
  acknowledged: boolean
}

export interface Facts {
  readonly orders: ReadonlyMap<string, Sent>
  /** What is committed. */
  readonly committed: ReadonlySet<string>
  /** The order in which the calls of a lane were committed. */
  readonly lanes: ReadonlyMap<string, ReadonlyArray<string>>
  readonly entries: ReadonlyArray<Outbox.Entry>
  readonly orderOf: (entry: Outbox.Entry) => string | undefined
  readonly ends: ReadonlyArray<{ readonly order_id: string; readonly kind: string }>
  readonly requests: ReadonlyArray<{ readonly at: number; readonly text: string; readonly key: string | undefined }>
  /** The orders that were carried out, in that order. */
  readonly executed: ReadonlyArray<string>
}

export interface Judgement {
  readonly delivered: number
  readonly dead: number
  readonly needsReconcile: number
  readonly lost: ReadonlyArray<string>
  readonly executedTwice: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
}

const countBy = <A>(all: Iterable<A>, keyOf: (one: A) => string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(keyOf(one), (counts.get(keyOf(one)) ?? 0) + 1)
  return counts
}

export const judge = (facts: Facts): Judgement => {
  const { committed, ends, entries, executed, lanes, orderOf, orders, requests } = facts
  const lost: Array<string> = []
  const executedTwice: Array<string> = []
  const unexpected: Array<string> = []
  const entryOf = new Map<string, Outbox.Entry>()
  for (const entry of entries) {
    const order = orderOf(entry)
    if (order === undefined) unexpected.push(`an entry that nobody ordered: ${entry.id}`)
    else if (entryOf.has(order)) unexpected.push(`two entries of one order: ${order}`)
    else entryOf.set(order, entry)
  }
  const executions = countBy(executed, (order) => order)
  const sends = countBy(requests, ({ text }) => (JSON.parse(text) as { readonly order: string }).order)
  const endsOf = countBy(ends, ({ kind, order_id }) => `${kind} ${order_id}`)
  const inState = countBy(entries, ({ state }) => state)

  for (const { acknowledged, order, rollsBack, script } of orders.values()) {
    const entry = entryOf.get(order)
    const done = executions.get(order) ?? 0
    const told = (kind: string) => endsOf.get(`${kind} ${order}`) ?? 0
    const line = `${order}: ${script}, ${entry?.state ?? "no entry"} ${entry?.why ?? ""}, ${entry?.crashes} crashes, ${
      entry?.generation
    } redrives, done ${done} times, sent ${sends.get(order) ?? 0} times`
    const wrong = (what: string) => unexpected.push(`${what}: ${line}`)

    if (done > 1) executedTwice.push(`done ${done} times: ${line}`)
    if (!committed.has(order)) {
      if (acknowledged) lost.push(`its commit was acknowledged, and it is not there: ${line}`)
      if (entry !== undefined) wrong("a call of a transaction that was not committed is stored")
      if (sends.has(order)) wrong("a call of a transaction that was not committed was sent")
      continue
    }
    if (rollsBack) wrong("a transaction that failed was committed")
    if (entry === undefined) {
      lost.push(`it was committed, and its call is not stored: ${line}`)
      continue
    }
    if (entry.state === "Waiting" || entry.state === "Pending" || entry.state === "Leased") {
      lost.push(`it did not end: ${line}`)
      continue
    }
    if (entry.state === "NeedsReconcile") {
      wrong("it needs to be reconciled")
      continue
    }
    const expected = script === "declined" ? "Dead" : "Delivered"
    if (entry.state !== expected) wrong(`it is not ${expected}`)
    if (done === 0 && expected === "Delivered") lost.push(`it was committed, and not done: ${line}`)
    if (done > 0 && expected === "Dead") wrong("it was done in spite of the provider's no")
    if (told("delivered") !== (entry.state === "Delivered" ? 1 : 0)) {
      wrong(`its delivery was told ${told("delivered")} times`)
    }
    // It dies once more than it is revived, or as often.
    const deaths = entry.generation + (entry.state === "Dead" ? 1 : 0)
    if (told("dead") !== deaths) wrong(`its death was told ${told("dead")} times, not ${deaths}`)
    if (told("unclear") > 0) wrong("it was told to be unclear")
  }
  for (const order of executions.keys()) {
    if (!orders.has(order)) unexpected.push(`something was done that nobody ordered: ${order}`)
  }

  for (const [lane, all] of lanes) {
    const commits = all.filter((order) => committed.has(order))
    const done = [...new Set(executed)].filter((order) => orders.get(order)?.lane === lane)
    const at = done.findIndex((order, n) => commits[n] !== order)
    if (at >= 0) unexpected.push(`not a prefix of what was committed: lane ${lane}: ${done[at]} before ${commits[at]}`)
    const places = commits.toSorted((a, b) => (entryOf.get(a)?.position ?? 0) - (entryOf.get(b)?.position ?? 0))
    const out = places.findIndex((order, n) => commits[n] !== order)
    if (out >= 0) unexpected.push(`places do not follow the commits: lane ${lane}: ${places[out]} and ${commits[out]}`)
  }

  const first = new Map<string, number>()
  for (const { at, key, text } of requests) {
    if (key === undefined) unexpected.push(`sent without a key: ${text}`)
    else if (!first.has(key)) first.set(key, at)
    else if (at - first.get(key)! > lifetimeHours * 3_600_000) unexpected.push(`sent after its key's life: ${text}`)
  }
  return {
    delivered: inState.get("Delivered") ?? 0,
    dead: inState.get("Dead") ?? 0,
    needsReconcile: inState.get("NeedsReconcile") ?? 0,
    lost,
    executedTwice,
    unexpected
  }
}
