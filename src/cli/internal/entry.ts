// An entry for a person, and for a program.
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Outcome from "../../Outcome.ts"
import type { Audit, Entry } from "../../OutboxEntry.ts"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import { short } from "./find.ts"
import { age, clean, type Column, count, flagged, table, time } from "./print.ts"

const Payload = Schema.fromJsonString(Schema.Struct({ shown: Schema.NullOr(Schema.String) }))
const Json = Schema.fromJsonString(Schema.Unknown)
const decodePayload = Schema.decodeUnknownExit(Payload)
const decodeJson = Schema.decodeUnknownExit(Json)

/** What may be shown of an input: masked where it is `Redacted`. */
export const payloadOf = ({ payload }: Entry): unknown => {
  if (payload === "") return "removed: it has ended"
  const saved = decodePayload(payload)
  if (Exit.isFailure(saved)) return "enciphered"
  const { shown } = saved.value
  if (shown === null) return "none"
  const input = decodeJson(shown)
  return Exit.isSuccess(input) ? input.value : shown
}

/** Whether it was written without a cipher, so that a result can be too. */
export const isPlain = ({ payload }: Entry): boolean => payload === "" || Exit.isSuccess(decodePayload(payload))

const iso = (millis: number | undefined): string | undefined =>
  millis === undefined ? undefined : new Date(millis).toISOString()

/** The flags for what the service asks for. */
export const inFlags = (text: string): string =>
  text.replace("(newKey)", "(--new-key)").replace("with again", "with --again")

/** What a person can do about it. */
export const nextOf = (entry: Entry): string => inFlags(OutboxAdmin.next(entry))

/** For `--json`: without what the outbox has encoded. */
export const entryJson = (entry: Entry) => {
  const { answer, payload, result, ...rest } = entry
  return {
    ...rest,
    firstSentAt: iso(entry.firstSentAt),
    inDoubtAt: iso(entry.inDoubtAt),
    dueAt: iso(entry.dueAt),
    leaseUntil: iso(entry.leaseUntil),
    createdAt: iso(entry.createdAt),
    changedAt: iso(entry.changedAt),
    expiresAt: iso(entry.expiresAt),
    history: entry.history.map((own) => ({ ...own, at: iso(own.at) })),
    hasResult: result !== undefined,
    next: nextOf(entry)
  }
}
export const auditJson = (audit: Audit) => ({ ...audit, at: iso(audit.at) })

export const stateOf = ({ state, why }: Entry): string =>
  why === undefined ? flagged(state) : `${flagged(state)} (${why})`

const columns: ReadonlyArray<Column> = [
  { title: "ID" },
  { title: "STATE" },
  { title: "WHY" },
  { title: "CALL", min: 10 },
  { title: "KEY", min: 8 },
  { title: "LAST", optional: true },
  { title: "AGE", right: true }
]

export const entryTable = (entries: ReadonlyArray<Entry>, now: number, width: number): string =>
  table(
    columns,
    entries.map((entry) => [
      short(entry.id),
      flagged(entry.state),
      entry.why === undefined ? "" : flagged(entry.why),
      `${entry.integration} ${entry.operation}`,
      entry.key ?? "",
      entry.history.at(-1)?.reason ?? "",
      age(now - entry.createdAt)
    ]),
    width
  )

/** One try in one line. */
export const tryText = (own: Entry["history"][number]): string =>
  [
    own.reason === "Success" ? "it was answered" : `${own.reason}: ${own.message}`,
    own.status === undefined ? undefined : `status ${own.status}`,
    `outcome ${own.outcome}`,
    own.attempts === 0 ? "not sent" : `sent ${own.attempts === 1 ? "once" : count(own.attempts, "time")}`,
    `${own.elapsed} ms`,
    own.requestId === undefined ? undefined : `request ${own.requestId}`
  ]
    .filter((part) => part !== undefined)
    .join("; ")

/** What to type next, where a person has to decide. `done` says that the receiver has done it. */
export const commandsFor = (entry: Entry, done = false): ReadonlyArray<string> => {
  if (entry.state !== "Dead" && entry.state !== "NeedsReconcile") return []
  const command = (what: string) => `breakwater outbox ${what} ${short(entry.id)}`
  const resolve = `${command("resolve")} --evidence "…"`
  if (entry.outcome === "Applied" || done) return [resolve]
  const fresh = entry.why === "key expired" || entry.why === "sent once"
  const happenedNot = Outcome.didNotHappen(entry.outcome)
  const flag = !fresh ? "" : entry.key !== undefined ? " --new-key" : happenedNot ? "" : " --again"
  return [
    ...(happenedNot ? [] : [resolve]),
    `${command("redrive")}${flag} --evidence "…"`,
    `${command("discard")} --evidence "…"`
  ]
}

/** The parts of an entry, by name. */
export const entryFacts = (entry: Entry, now: number): ReadonlyArray<readonly [string, string | undefined]> => {
  const at = (millis: number | undefined) => (millis === undefined ? undefined : time(millis))
  const { attempts, crashes, generation, lane, position } = entry
  return [
    ["id", entry.id],
    ["call", `${entry.integration} ${entry.operation}`],
    ["key", entry.key],
    ["state", `${stateOf(entry)} for ${age(now - entry.changedAt)}`],
    ["outcome", outcomes[entry.outcome]],
    [
      "tries",
      `${attempts}${crashes === 0 ? "" : `, ${count(crashes, "crash").replace("crashs", "crashes")}`}${generation === 0 ? "" : `, since it was redriven (${count(generation, "time")})`}`
    ],
    ["lane", lane === undefined ? undefined : `${clean(lane.name)}, place ${position}, ${lane.onDead} when dead`],
    ["stored", `${time(entry.createdAt)} by ${entry.origin}`],
    ["first sent", at(entry.firstSentAt)],
    ["in doubt", at(entry.inDoubtAt)],
    ["due", entry.state === "Pending" ? at(entry.dueAt) : undefined],
    ["lease until", entry.state === "Leased" ? at(entry.leaseUntil) : undefined],
    ["expires", at(entry.expiresAt)],
    ["correlation", entry.correlationId]
  ]
}

const outcomes: Readonly<Record<Outcome.Outcome, string>> = {
  NotSent: "it did not happen: it did not reach the provider",
  Refused: "it did not happen: the provider said so",
  Unknown: "it may have happened",
  Applied: "it happened"
}
