// All that this database knows of one key, in order of time.
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import type { Entry } from "../../OutboxEntry.ts"
import { withOutbox } from "./database.ts"
import { auditJson, commandsFor, entryJson, stateOf, tryText } from "./entry.ts"
import { failed } from "./failed.ts"
import { findRenamed, short } from "./find.ts"
import * as flags from "./flags.ts"
import { nextText, width } from "./look.ts"
import { age, clean, count, json, time, wrap } from "./print.ts"
import { received, type Received } from "./receiver.ts"

interface Event {
  readonly at: number
  readonly who: string
  readonly what: string
}

const defaultReceiver = "breakwater_idempotency"

export const explain = Command.make(
  "explain",
  {
    ...flags.place,
    key: Argument.String("key").pipe(Argument.withDescription("The idempotency key, or the id of an entry")),
    receiverTable: Flag.String("receiver-table").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Where a receiver in the same database keeps its records"),
      Flag.withDefault(defaultReceiver)
    )
  },
  (given) =>
    withOutbox(
      given,
      "read",
      Effect.gen(function* () {
        const { key } = given
        const admin = yield* OutboxAdmin.OutboxAdmin
        const columns = yield* width
        const now = yield* Clock.currentTimeMillis
        const named = yield* Effect.catchIf(
          admin.show(key),
          ({ reason }) => reason === "NotFound",
          () => Effect.succeed([])
        )
        const renamed = yield* findRenamed(key, given.table)
        const shown = [...named, ...renamed.filter(({ entry }) => named.every((own) => own.entry.id !== entry.id))]
        const keys = [...new Set([key, ...shown.flatMap(({ entry }) => (entry.key === undefined ? [] : [entry.key]))])]
        const records = yield* received(given.receiverTable, keys)
        if (records === undefined && given.receiverTable !== defaultReceiver) {
          return yield* failed(`there is no table ${given.receiverTable} in this database`)
        }
        if (shown.length === 0 && (records ?? []).length === 0) {
          return yield* failed(
            `nothing is known of ${clean(key)}: no entry has it as key or id${records === undefined ? "" : ", and the receiver has no record of it"}. What was delivered is forgotten after a while`
          )
        }
        if (given.json) {
          return yield* Console.log(
            json({
              key,
              entries: shown.map(({ audits, entry }) => ({ ...entryJson(entry), audits: audits.map(auditJson) })),
              receiver:
                records?.map((own) => ({
                  ...own,
                  createdAt: iso(own.createdAt),
                  leaseUntil: iso(own.leaseUntil),
                  expiresAt: iso(own.expiresAt)
                })) ?? null,
              events: eventsOf(shown, records ?? []).map((event) => ({ ...event, at: iso(event.at) })),
              commands: shown.flatMap(({ entry }) => commandsFor(entry, isDone(entry, records ?? [])))
            })
          )
        }
        const events = eventsOf(shown, records ?? [])
        const wide = Math.max(...events.map(({ who }) => who.length))
        const indent = 27 + wide
        const many = shown.length > 1
        yield* Console.log(
          [
            wrap(
              `${clean(key)}: ${shown.length === 0 ? "not in this outbox" : shown.map(({ entry }) => `${entry.integration} ${entry.operation}, ${stateOf(entry)}${many ? ` (${short(entry.id)})` : ""}`).join("; ")}`,
              columns,
              2
            ),
            "",
            ...events.map(
              ({ at, what, who }) => `${time(at)}  ${who.padEnd(wide)}  ${wrap(what, columns - indent, indent)}`
            ),
            "",
            ...(records === undefined
              ? []
              : records.length === 0
                ? ["The receiver has no record of it."]
                : records.map((own) => wrap(standing(own, now), columns, 2))),
            ...shown.flatMap(({ entry }) => [
              wrap(
                `Now: ${many ? `${short(entry.id)} is ` : ""}${stateOf(entry)}, for ${age(now - entry.changedAt)}; outcome ${entry.outcome}.`,
                columns,
                5
              ),
              nextText(entry, columns, isDone(entry, records ?? []))
            ])
          ].join("\n")
        )
      })
    )
).pipe(
  Command.withDescription("Tell all that is known of a key, in order of time, and what to do next"),
  Command.withExamples([{ command: "breakwater explain 3c6c393618ab536ca1c29741ce58cda7", description: "One key" }])
)

/** Whether a person has to decide about it, and the receiver knows that it happened. */
const isDone = (entry: Entry, records: ReadonlyArray<Received>): boolean =>
  OutboxAdmin.unwell.includes(entry.state) && records.some((own) => own.key === entry.key && own.state === "Done")

const iso = (millis: number): string => new Date(millis).toISOString()

const eventsOf = (shown: ReadonlyArray<OutboxAdmin.Shown>, records: ReadonlyArray<Received>): ReadonlyArray<Event> => {
  const entryEvents = ({ audits, entry }: OutboxAdmin.Shown): ReadonlyArray<Event> => [
    {
      at: entry.createdAt,
      who: "outbox",
      what: `stored by ${entry.origin}${entry.lane === undefined ? "" : `, in lane ${entry.lane.name}`}; correlation ${entry.correlationId}`
    },
    ...(entry.firstSentAt === undefined ? [] : [{ at: entry.firstSentAt, who: "outbox", what: "first sent" }]),
    ...entry.history.map((own) => ({ at: own.at, who: "try", what: tryText(own) })),
    ...audits.map(({ action, at, by, evidence }) => ({ at, who: "person", what: `${by}: ${action}: ${evidence}` })),
    { at: entry.changedAt, who: "outbox", what: arrival(entry) }
  ]
  const all = [
    ...shown.flatMap((one) =>
      entryEvents(one).map((event) =>
        shown.length > 1 ? { ...event, what: `[${one.entry.operation}] ${event.what}` } : event
      )
    ),
    ...records.map((own) => ({
      at: own.createdAt,
      who: "receiver",
      what: `began to handle it, in scope ${own.scope}${own.takeovers === 0 ? "" : `; taken over ${count(own.takeovers, "time")} since`}${own.steps.length === 0 ? "" : `; steps done: ${own.steps.join(", ")}`}`
    }))
  ]
  return all.toSorted((a, b) => a.at - b.at)
}

const arrival = (entry: Entry): string => {
  switch (entry.state) {
    case "Waiting":
      return "waits for those before it in its lane"
    case "Pending":
      return `pending, due at ${time(entry.dueAt)}`
    case "Leased":
      return `taken by a worker, until ${entry.leaseUntil === undefined ? "its lease ends" : time(entry.leaseUntil)}`
    default:
      return `became ${stateOf(entry)}`
  }
}

const standing = (own: Received, now: number): string => {
  switch (own.state) {
    case "Done":
      return `The receiver has done it; a repeat gets the same answer until ${time(own.expiresAt)}.`
    case "Running":
      return own.leaseUntil > now
        ? `The receiver is at it, until ${time(own.leaseUntil)} at most.`
        : "The receiver was interrupted, and goes on with the next request of this key."
    case "Held":
      return "The receiver holds it: it was interrupted and does not know whether it happened. Resolve it there first."
    case "Free":
      return "The receiver has let go of it: the next request of this key is handled as a new one."
  }
}
