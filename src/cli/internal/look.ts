// The commands that look: list, show, stats.
import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Terminal from "effect/Terminal"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import type { Entry } from "../../OutboxEntry.ts"
import { withOutbox } from "./database.ts"
import { auditJson, commandsFor, entryFacts, entryJson, entryTable, nextOf, payloadOf, tryText } from "./entry.ts"
import { find } from "./find.ts"
import * as flags from "./flags.ts"
import { age, count, facts, flagged, json, table, time, wrap } from "./print.ts"

/** How wide a table may be: 80 columns where there is no terminal. */
export const width: Effect.Effect<number, never, Terminal.Terminal> = Effect.flatMap(
  Terminal.Terminal,
  ({ columns }) => columns
)

export const list = Command.make(
  "list",
  { ...flags.place, ...flags.filter, limit: flags.limit.pipe(Flag.withDefault(50)), groups: flags.groups },
  (given) =>
    withOutbox(
      given,
      "read",
      Effect.gen(function* () {
        const admin = yield* OutboxAdmin.OutboxAdmin
        const now = yield* Clock.currentTimeMillis
        const columns = yield* width
        const filter = flags.filterOf(given)
        if (given.groups) {
          const groups = yield* admin.groups(filter)
          if (given.json) {
            return yield* Console.log(
              json(groups.map((group) => ({ ...group, oldest: new Date(group.oldest).toISOString() })))
            )
          }
          if (groups.length === 0) return yield* Console.log("nothing found")
          return yield* Console.log(
            table(
              [
                { title: "COUNT", right: true },
                { title: "STATE" },
                { title: "WHY" },
                { title: "CALL", min: 10 },
                { title: "LAST", min: 6 },
                { title: "OLDEST", right: true }
              ],
              groups.map(({ count, integration, oldest, operation, reason, state, why }) => [
                String(count),
                flagged(state),
                why === undefined ? "" : flagged(why),
                `${integration} ${operation}`,
                reason ?? "",
                age(now - oldest)
              ]),
              columns
            )
          )
        }
        const { entries, next } = yield* admin.list(filter, { limit: given.limit })
        if (given.json) return yield* Console.log(json(entries.map(entryJson)))
        if (entries.length === 0) return yield* Console.log("nothing found")
        yield* Console.log(entryTable(entries, now, columns))
        if (next !== undefined) {
          yield* Console.log(`\nThese are the oldest ${given.limit}; for more: --limit, --after or a filter`)
        }
      })
    )
).pipe(
  Command.withDescription("List entries, oldest first"),
  Command.withExamples([
    { command: "breakwater outbox list --state dead --state needs-reconcile", description: "What waits for a person" },
    { command: "breakwater outbox list --groups", description: "The same, counted by what failed" }
  ])
)

export const show = Command.make("show", { ...flags.place, id: flags.one, payload: flags.payload }, (given) =>
  withOutbox(
    given,
    "read",
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const columns = yield* width
      const found = yield* find(given.id, given.table)
      if (given.json) {
        return yield* Console.log(
          json(
            found.map(({ audits, entry }) => ({
              ...entryJson(entry),
              ...(given.payload ? { payload: payloadOf(entry) } : {}),
              audits: audits.map(auditJson)
            }))
          )
        )
      }
      yield* Console.log(
        found
          .map(({ audits, entry }) => {
            const stamped = (at: number, text: string) => `  ${time(at)}  ${wrap(text, columns - 27, 27)}`
            return [
              facts(entryFacts(entry, now), columns),
              ...(entry.history.length === 0
                ? []
                : ["\nTries", ...entry.history.map((own) => stamped(own.at, tryText(own)))]),
              ...(audits.length === 0
                ? []
                : [
                    "\nBy hand",
                    ...audits.map(({ action, at, by, evidence }) => stamped(at, `${action} by ${by}: ${evidence}`))
                  ]),
              ...(given.payload ? [`\nInput\n${indented(payloadOf(entry))}`] : []),
              `\n${nextText(entry, columns)}`
            ].join("\n")
          })
          .join(`\n\n${"─".repeat(Math.min(columns, 80))}\n\n`)
      )
    })
  )
).pipe(
  Command.withDescription("Show an entry: what is known of it, and what people did to it"),
  Command.withExamples([{ command: "breakwater outbox show 3f2a9c1e --payload", description: "With its input" }])
)

const indented = (value: unknown): string =>
  (typeof value === "string" ? value : json(value))
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n")

/** What to do about it, and how. `done` says that the receiver has done it. */
export const nextText = (entry: Entry, columns: number, done = false): string =>
  [
    `Next: ${wrap(done ? "the receiver has done it: resolve it" : nextOf(entry), columns - 6, 6)}`,
    ...commandsFor(entry, done).map((command) => `      ${command}`)
  ].join("\n")

export const stats = Command.make("stats", { ...flags.place, integration: flags.filter.integration }, (given) =>
  withOutbox(
    given,
    "read",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const columns = yield* width
      const all = yield* admin.stats
      const isMine = (own: { readonly integration: string }) =>
        Option.isNone(given.integration) || given.integration.value === own.integration
      const operations = all.operations.filter(isMine)
      const paused = all.paused.filter(isMine)
      if (given.json) return yield* Console.log(json({ operations, paused }))
      const notes = paused.map(({ integration, operation }) => `paused: ${integration} ${operation ?? "(all of it)"}`)
      if (operations.length === 0) return yield* Console.log(["the outbox is empty", ...notes].join("\n"))
      const number = (n: number) => (n === 0 ? "" : String(n))
      const right = true
      yield* Console.log(
        table(
          [
            { title: "CALL", min: 10 },
            { title: "WAITING", right },
            { title: "PENDING", right },
            { title: "LEASED", right },
            { title: "DEAD", right },
            { title: "UNCLEAR", right },
            { title: "DONE", right },
            { title: "GONE", right },
            { title: "OLDEST", right },
            { title: "PAUSED", optional: true }
          ],
          operations.map(({ counts, integration, oldestAge, operation, paused }) => [
            `${integration} ${operation}`,
            number(counts.Waiting),
            number(counts.Pending),
            number(counts.Leased),
            number(counts.Dead),
            number(counts.NeedsReconcile),
            number(counts.Delivered),
            number(counts.Discarded),
            oldestAge === undefined ? "" : age(oldestAge),
            paused ? "yes" : ""
          ]),
          columns
        )
      )
      const sick = operations.reduce((sum, { counts }) => sum + counts.Dead + counts.NeedsReconcile, 0)
      const hints = [
        ...notes,
        ...(sick === 0 ? [] : [`${count(sick, "entry")} waiting for a person: breakwater outbox list --groups`])
      ]
      if (hints.length > 0) yield* Console.log(`\n${hints.join("\n")}`)
    })
  )
).pipe(Command.withDescription("Count entries: dead, unclear (needs-reconcile), done (delivered), gone (discarded)"))
