// What may be done to a stored call, by what it is in, and what a person is told.
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as Outcome from "../Outcome.ts"
import type { Entry, State } from "../OutboxEntry.ts"
import { OutboxError } from "../OutboxError.ts"
import type { Group, Paused } from "../OutboxStore.ts"

/** What all changes have in common. */
export interface Given {
  readonly by: string
  readonly evidence: string
  readonly newKey?: boolean | undefined
  readonly again?: boolean | undefined
  readonly rate?: number | undefined
  readonly limit?: number | undefined
}

export type Wish = "redrive" | "discard" | "resolve"

const where = (integration: string, operation: string): string => `${integration} ${operation}`

export const failed = (
  reason: OutboxError["reason"],
  id: string,
  message: string,
  more?: Pick<Entry, "state" | "why"> | Error
): OutboxError =>
  more instanceof Error
    ? new OutboxError({ reason, id, state: undefined, why: undefined, message, cause: more })
    : new OutboxError({ reason, id, state: more?.state, why: more?.why, message })

/** What is wrong with a wish, whatever it is for. */
export const problemOf = ({ by, evidence, limit, rate }: Given): string | undefined =>
  by.trim() === ""
    ? "a change needs the name of who makes it: by"
    : evidence.trim() === ""
      ? "a change needs its reason, and on what evidence: evidence"
      : rate !== undefined && !(rate > 0 && Number.isFinite(rate))
        ? `rate is how many per second, and must be positive: got ${rate}`
        : limit !== undefined && !(Number.isInteger(limit) && limit > 0)
          ? `limit must be a positive integer: got ${limit}`
          : undefined

/** Whether a repeat under what it was sent with could do it twice. */
const isDoubtful = ({ outcome, state, why }: Entry): boolean =>
  state === "NeedsReconcile" && (why === "key expired" || why === "sent once") && !Outcome.didNotHappen(outcome)

const past: Readonly<Record<Wish, string>> = { redrive: "redriven", discard: "discarded", resolve: "resolved" }

/** It is not in a state for this. */
export const unlike = (what: Wish, entry: Entry): OutboxError =>
  failed(
    "WrongState",
    entry.id,
    `${entry.id} can't be ${past[what]}: it is ${entry.state}. ${capital(advice(entry))}`,
    entry
  )

/** Why an entry can't be changed so. */
export const refusal = (what: Wish, entry: Entry, { again, newKey }: Given): OutboxError | undefined => {
  const { id, key, outcome, state } = entry
  const unwell = state === "Dead" || state === "NeedsReconcile"
  if (!unwell && !(what === "discard" && (state === "Pending" || state === "Waiting"))) return unlike(what, entry)
  if (what !== "redrive") return undefined
  const anew = key === undefined ? again === true : newKey === true
  if (anew && outcome === "Applied") {
    return failed(
      "WrongState",
      id,
      `${id} has happened: ${key === undefined ? "sent once more" : "under a new key"} it would happen a second time. Resolve it`,
      entry
    )
  }
  return isDoubtful(entry) && !anew
    ? failed("NeedsNewKey", id, `${id} can't be sent again as it was: ${doubt(entry)}`, entry)
    : undefined
}

const doubt = ({ key, why }: Entry): string =>
  `${why === "sent once" ? "it may be sent once only, and it may have happened" : "the provider may have forgotten its key, and it may have happened"}. ` +
  `Ask the provider. If it happened, resolve it; if not, redrive it ${key === undefined ? "with again" : "with a new key (newKey)"}, and say how you know`

/** The same for the same wish: a second one that comes too late for the first can't make a second call. */
export const newKeyOf = ({ generation }: Pick<Entry, "generation">, old: string): string => {
  const key = IdempotencyKey.derive("redrive", old, String(generation))
  // A provider that takes a UUID takes nothing else.
  return isUuid.test(old) ? IdempotencyKey.toUuid(key) : IdempotencyKey.toText(key)
}
const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** What the audit trail keeps of a key that was replaced, at the end of the evidence. */
export const noteOf = (old: string): string => `(the key was ${old})`

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

/** One sentence: what a person can do. */
export const advice = (entry: Entry): string => {
  const { answer, lane, outcome, state, why } = entry
  const told = answer !== undefined
  const begun = told && entry.history.at(-1)?.reason === "InProgress"
  switch (state) {
    case "Waiting":
      return `nothing is to be done: it goes when those before it in the lane ${lane?.name ?? ""} have ended; look for a dead one there`
    case "Pending":
      if (begun) {
        return "nothing is to be done: the provider has accepted it, and a worker goes on with it; see that one runs and that it is not paused"
      }
      return told
        ? "nothing is to be done: it is known how it ended, and a worker tells its handler; see that one runs and that it is not paused"
        : "nothing is to be done: a worker sends it when it is due; see that one runs and that it is not paused"
    case "Leased":
      return `nothing is to be done: ${begun ? "its end is waited for" : told ? "its handler is being told how it ended" : "it is being sent"}; if its process died, another worker takes it when the lease ends`
    case "Delivered":
      return "nothing is to be done: it happened"
    case "Discarded":
      return "nothing is to be done: it was given up, and its payload is gone; if it is wanted after all, make a new call"
    case "Dead":
    case "NeedsReconcile":
      if (outcome === "Applied") return "it happened, though its answer could not be used: resolve it"
      if (isDoubtful(entry)) return doubt(entry)
      switch (why) {
        case "schema":
          return "deploy what can read it, then redrive it"
        case "rejected":
          return "the provider said no, and will again: mend the cause, then redrive it; else discard it"
        case "exhausted":
          return "when the provider is well, redrive it"
        case "expired":
          return Outcome.didNotHappen(outcome)
            ? "if it is still wanted, redrive it, and it expires no more; else discard it"
            : "it may have happened: ask the provider, then resolve it; if it is still wanted, redrive it"
        case "key expired":
          return "its key is too old, and it did not happen: redrive it with a new key (newKey)"
        default:
          return "ask the provider whether it happened: if so resolve it; else redrive it"
      }
  }
}

// ---- stats

interface Counted {
  readonly integration: string
  readonly operation: string
  readonly counts: Readonly<Record<State, number>>
  readonly oldestAge: number | undefined
  readonly paused: boolean
}

const none: Readonly<Record<State, number>> = {
  Waiting: 0,
  Pending: 0,
  Leased: 0,
  Delivered: 0,
  Dead: 0,
  NeedsReconcile: 0,
  Discarded: 0
}
const open: ReadonlyArray<State> = ["Waiting", "Pending", "Leased"]

export const statsOf = (
  groups: ReadonlyArray<Group>,
  paused: ReadonlyArray<Paused>,
  now: number
): { readonly operations: ReadonlyArray<Counted>; readonly paused: ReadonlyArray<Paused> } => {
  const operations = new Map<string, Counted>()
  const start = (integration: string, operation: string): Counted => ({
    integration,
    operation,
    counts: none,
    oldestAge: undefined,
    paused: paused.some(
      (own) => own.integration === integration && (own.operation === undefined || own.operation === operation)
    )
  })
  // What is paused before anything was stored is paused all the same.
  for (const { integration, operation } of paused) {
    if (operation !== undefined) operations.set(where(integration, operation), start(integration, operation))
  }
  for (const { count, integration, oldest, operation, state } of groups) {
    const name = where(integration, operation)
    const known = operations.get(name) ?? start(integration, operation)
    const age = open.includes(state) ? Math.max(0, now - oldest) : undefined
    operations.set(name, {
      ...known,
      counts: { ...known.counts, [state]: known.counts[state] + count },
      oldestAge: age === undefined ? known.oldestAge : Math.max(age, known.oldestAge ?? 0)
    })
  }
  return {
    operations: Array.from(operations.values()).toSorted((a, b) =>
      where(a.integration, a.operation) < where(b.integration, b.operation) ? -1 : 1
    ),
    paused
  }
}
