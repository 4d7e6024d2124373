// The commands that change something: redrive, discard, resolve, pause, resume.
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Terminal from "effect/Terminal"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import type { State } from "../../OutboxEntry.ts"
import type { OutboxError } from "../../OutboxError.ts"
import type { Filter } from "../../OutboxStore.ts"
import { withOutbox } from "./database.ts"
import { inFlags, isPlain } from "./entry.ts"
import { type Failed, failed, wrongUsage } from "./failed.ts"
import { find, short } from "./find.ts"
import * as flags from "./flags.ts"
import { clean, count, json } from "./print.ts"

interface Which extends flags.Filters {
  readonly id: Option.Option<string>
  readonly table: string
  readonly yes: boolean
  readonly json: boolean
  readonly limit: Option.Option<number>
}

const many = {
  ...flags.place,
  id: flags.maybeOne,
  ...flags.filter,
  limit: flags.limit.pipe(Flag.optional),
  ...flags.signed,
  yes: flags.confirmed
}

/** The one that is named, or the filter; with how many entries it is for. */
const chosen = (
  given: Which
): Effect.Effect<
  { readonly which: string | Filter; readonly size: number },
  Failed | OutboxError | SqlError,
  OutboxAdmin.OutboxAdmin | SqlClient.SqlClient
> =>
  Effect.gen(function* () {
    const filter = flags.filterOf(given)
    if (Option.isNone(given.id)) return { which: filter, size: yield* sizeOf(filter, given) }
    if (!flags.isEmpty(filter)) return yield* wrongUsage("give an id or a filter, not both")
    const [first, ...rest] = yield* find(given.id.value, given.table)
    if (first !== undefined && rest.length === 0) return { which: first.entry.id, size: 1 }
    const same = { key: given.id.value }
    return { which: same, size: yield* sizeOf(same, given) }
  })

const sizeOf = (filter: Filter, { limit }: Which) =>
  Effect.gen(function* () {
    const admin = yield* OutboxAdmin.OutboxAdmin
    const groups = yield* admin.groups(filter)
    const size = groups.reduce((sum, { count }) => sum + count, 0)
    return Option.isSome(limit) ? Math.min(limit.value, size) : size
  })

/** More than one entry is changed only by who has said so. */
const confirm = (what: string, size: number, { yes }: Which): Effect.Effect<void, Failed, Terminal.Terminal> =>
  Effect.gen(function* () {
    if (size <= 1 || yes) return
    yield* Console.error(`${what} ${count(size, "entry")}? Type y for yes.`)
    const terminal = yield* Terminal.Terminal
    const answer = yield* Effect.orElseSucceed(terminal.readLine, () => "")
    if (!/^\s*y(?:es)?\s*$/i.test(answer)) return yield* failed("nothing was changed; --yes does not ask")
  })

const report = (
  past: string,
  { changed, refused }: OutboxAdmin.Changed,
  given: { readonly json: boolean },
  more: string = ""
): Effect.Effect<void, Failed> =>
  Effect.gen(function* () {
    if (given.json) {
      yield* Console.log(
        json({
          changed: changed.map(({ id }) => id),
          refused: refused.map(({ id, message, reason, state, why }) => ({
            id,
            reason,
            state,
            why,
            message: inFlags(message)
          }))
        })
      )
    } else if (changed.length > 0) {
      const [first] = changed
      const name =
        changed.length === 1 && first !== undefined
          ? ` (${short(first.id)}, ${first.integration} ${first.operation})`
          : ""
      yield* Console.log(`${past} ${count(changed.length, "entry")}${name}${more}`)
    }
    if (refused.length > 0) {
      const shown = refused.slice(0, 5).map(({ message }) => `  ${clean(inFlags(message))}`)
      const rest = refused.length > 5 ? [`  and ${refused.length - 5} more; --json has them all`] : []
      return yield* failed(
        [
          `${count(refused.length, "entry")} left as ${refused.length === 1 ? "it is" : "they are"}:`,
          ...shown,
          ...rest
        ].join("\n")
      )
    }
    if (changed.length === 0) return yield* failed("nothing matched: nothing was changed")
  })

const flagged = (error: OutboxError | Failed | SqlError): OutboxError | Failed | SqlError =>
  error._tag === "OutboxError" && error.reason === "NeedsNewKey" ? failed(inFlags(error.message)) : error

export const redrive = Command.make(
  "redrive",
  { ...many, rate: flags.rate, newKey: flags.newKey, again: flags.again },
  (given) =>
    withOutbox(
      given,
      "write",
      Effect.gen(function* () {
        const admin = yield* OutboxAdmin.OutboxAdmin
        const { size, which } = yield* chosen(given)
        yield* confirm(given.newKey ? "Redrive with a new key" : "Redrive", size, given)
        const rate = Option.getOrUndefined(given.rate)
        const done = yield* Effect.mapError(
          admin.redrive(which, {
            by: given.by,
            evidence: given.evidence,
            newKey: given.newKey,
            again: given.again,
            rate,
            limit: Option.getOrUndefined(given.limit)
          }),
          flagged
        )
        const seconds = rate === undefined ? 0 : Math.ceil((done.changed.length - 1) / rate)
        yield* report("redriven:", done, given, seconds > 0 ? `; the last is due in ${seconds} s` : "")
      })
    )
).pipe(
  Command.withDescription(
    "Make dead or unclear entries again, with the same key and bytes. Exit code 1 if any was left as it is"
  ),
  Command.withExamples([
    {
      command: 'breakwater outbox redrive 3f2a9c1e --evidence "the card was unblocked"',
      description: "One entry"
    },
    {
      command: 'breakwater outbox redrive --integration payments --reason Unavailable --rate 10 --evidence "INC-42"',
      description: "All that died in an outage, ten per second"
    }
  ])
)

export const discard = Command.make("discard", many, (given) =>
  withOutbox(
    given,
    "write",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const { size, which } = yield* chosen(given)
      yield* confirm("Discard", size, given)
      const { by, evidence } = given
      const done = yield* admin.discard(which, { by, evidence, limit: Option.getOrUndefined(given.limit) })
      yield* report("discarded:", done, given)
    })
  )
).pipe(
  Command.withDescription("Give entries up: dead or unclear ones; pending and waiting ones if named by id or --state"),
  Command.withExamples([
    { command: 'breakwater outbox discard order-42 --evidence "the order was cancelled"', description: "By its key" }
  ])
)

const decodeJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

export const resolve = Command.make(
  "resolve",
  {
    ...flags.place,
    id: flags.one,
    ...flags.signed,
    result: Flag.String("result").pipe(
      Flag.withMetavar("JSON"),
      Flag.withDescription(
        "What it succeeded with, as its schema encodes it: a worker runs the handler with it. Default: none is run"
      ),
      Flag.optional
    )
  },
  (given) =>
    withOutbox(
      given,
      "write",
      Effect.gen(function* () {
        const admin = yield* OutboxAdmin.OutboxAdmin
        const [first, ...rest] = yield* find(given.id, given.table)
        if (first === undefined || rest.length > 0) {
          return yield* failed(
            `several entries have this key; resolve each by its id: ${[first, ...rest].map((own) => own?.entry.id).join(", ")}`
          )
        }
        const result = Option.match(given.result, { onNone: () => undefined, onSome: (text) => decodeJson(text) })
        if (result !== undefined && Exit.isFailure(result)) return yield* wrongUsage("--result: this is not JSON")
        if (result !== undefined && !isPlain(first.entry)) {
          return yield* failed(
            "this outbox enciphers what it keeps, and a result from here would be in the clear: leave --result away, or use OutboxAdmin in the application"
          )
        }
        const { by, evidence } = given
        const done = yield* admin.resolve(first.entry.id, { by, evidence, result: result?.value })
        yield* report(
          "resolved:",
          done,
          given,
          result === undefined
            ? ". No handler is run for it: what the application does then is yours to do"
            : ". It is not sent again: a worker runs its handler with the result"
        )
      })
    )
).pipe(
  Command.withDescription("Write down that an entry happened, and with what answer"),
  Command.withExamples([
    {
      command: `breakwater outbox resolve 3f2a9c1e --result '{"id":"ch_1"}' --evidence "ch_1 is in the dashboard"`,
      description: "It happened, and this is the answer: a worker runs onDelivered with it"
    },
    {
      command: 'breakwater outbox resolve 3f2a9c1e --evidence "the letter has arrived"',
      description: "It happened, and there is nothing to tell"
    }
  ])
)

const what = {
  ...flags.place,
  integration: Argument.String("integration").pipe(Argument.withDescription("Its name")),
  operation: Argument.String("operation").pipe(
    Argument.withDescription("Its name; without it the whole integration"),
    Argument.optional
  )
}
const nameOf = (own: { readonly integration: string; readonly operation: string | undefined }) =>
  own.operation === undefined ? `all of ${own.integration}` : `${own.integration} ${own.operation}`

export const pause = Command.make("pause", what, (given) =>
  withOutbox(
    given,
    "write",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const { integration } = given
      const operation = Option.getOrUndefined(given.operation)
      yield* admin.pause({ integration, operation })
      if (given.json) return yield* Console.log(json({ paused: { integration, operation } }))
      yield* Console.log(`paused: ${nameOf({ integration, operation })}; calls that run now end as they would`)
      const known = yield* admin.groups({ integration, operation, states: allStates })
      if (known.length === 0) yield* Console.error(`note: nothing is stored of ${nameOf({ integration, operation })}`)
    })
  )
).pipe(Command.withDescription("Stop an operation, or a whole integration, in every process"))

const allStates: ReadonlyArray<State> | undefined = [
  "Waiting",
  "Pending",
  "Leased",
  "Delivered",
  "Dead",
  "NeedsReconcile",
  "Discarded"
]

export const resume = Command.make("resume", what, (given) =>
  withOutbox(
    given,
    "write",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const { integration } = given
      const operation = Option.getOrUndefined(given.operation)
      const done = yield* admin.resume({ integration, operation })
      if (!done) {
        const { paused } = yield* admin.stats
        return yield* failed(
          `${nameOf({ integration, operation })} is not paused; ${paused.length === 0 ? "nothing is" : `paused: ${paused.map(nameOf).join(", ")}`}`
        )
      }
      if (given.json) return yield* Console.log(json({ resumed: { integration, operation } }))
      yield* Console.log(`resumed: ${nameOf({ integration, operation })}`)
    })
  )
).pipe(Command.withDescription("Go on with what was paused"))
