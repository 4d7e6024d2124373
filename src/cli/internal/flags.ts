// What the commands ask for in the same way.
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import type { State, Why } from "../../OutboxEntry.ts"
import type { Filter } from "../../OutboxStore.ts"
import { flagged } from "./print.ts"

const states: ReadonlyArray<State> = [
  "Waiting",
  "Pending",
  "Leased",
  "Delivered",
  "Dead",
  "NeedsReconcile",
  "Discarded"
]
const whys: ReadonlyArray<Why> = ["rejected", "exhausted", "expired", "schema", "key expired", "sent once", "unclear"]

const maybe = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const whole = (name: string, metavar: string, description: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (n) => n > 0,
      (n) => `Expected a positive number, got ${n}`
    ),
    Flag.withMetavar(metavar),
    Flag.withDescription(description)
  )

const yes = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDescription(description), Flag.withDefault(false))

export const place = {
  database: Flag.Redacted("database").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("postgres://…, sqlite:FILE or the path of a file; default: DATABASE_URL"),
    Flag.withFallbackConfig(Config.Redacted("DATABASE_URL")),
    Flag.optional
  ),
  table: Flag.String("table").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("The table of the outbox"),
    Flag.withDefault("breakwater_outbox")
  ),
  json: yes("json", "Print JSON")
}

export const filter = {
  state: Flag.ChoiceWithValue(
    "state",
    states.map((state): readonly [string, State] => [flagged(state), state])
  ).pipe(Flag.withMetavar("STATE"), Flag.withDescription("In this state; can be given again"), Flag.between(0, 7)),
  integration: maybe("integration", "NAME", "Of this integration"),
  operation: maybe("operation", "NAME", "Of this operation"),
  key: maybe("key", "KEY", "With this idempotency key"),
  lane: maybe("lane", "NAME", "In this lane"),
  why: Flag.ChoiceWithValue(
    "why",
    whys.map((why): readonly [string, Why] => [flagged(why), why])
  ).pipe(Flag.withMetavar("WHY"), Flag.withDescription("Why it is dead or unclear"), Flag.optional),
  reason: maybe("reason", "REASON", "The reason of its last try, such as Unavailable"),
  before: Flag.Date("before").pipe(
    Flag.withMetavar("TIME"),
    Flag.withDescription("Stored before: 2026-11-24 or 2026-11-24T10:00:00Z"),
    Flag.optional
  ),
  after: Flag.Date("after").pipe(Flag.withMetavar("TIME"), Flag.withDescription("Stored after"), Flag.optional)
}

export interface Filters {
  readonly state: ReadonlyArray<State>
  readonly integration: Option.Option<string>
  readonly operation: Option.Option<string>
  readonly key: Option.Option<string>
  readonly lane: Option.Option<string>
  readonly why: Option.Option<Why>
  readonly reason: Option.Option<string>
  readonly before: Option.Option<Date>
  readonly after: Option.Option<Date>
}

export const filterOf = (given: Filters): Filter => {
  const get = Option.getOrUndefined
  return {
    states: given.state.length === 0 ? undefined : given.state,
    integration: get(given.integration),
    operation: get(given.operation),
    key: get(given.key),
    lane: get(given.lane),
    why: get(given.why),
    reason: get(given.reason),
    createdBefore: get(given.before)?.getTime(),
    createdAfter: get(given.after)?.getTime()
  }
}

export const isEmpty = (filter: Filter): boolean => Object.values(filter).every((value) => value === undefined)

export const limit = whole("limit", "N", "At most so many, the oldest first")

export const signed = {
  by: Flag.String("by").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Who does it; default: USER"),
    Flag.withFallbackConfig(Config.String("USER").pipe(Config.orElse(() => Config.String("USERNAME"))))
  ),
  evidence: Flag.String("evidence").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("Why, and how you know; it is kept in the audit trail"),
    Flag.filter(
      (text) => text.trim() !== "",
      () => "Expected a reason, got nothing"
    )
  )
}

export const confirmed = yes("yes", "Do not ask before more than one entry is changed").pipe(Flag.withAlias("y"))

export const newKey = yes("new-key", "Send it under a new key: only where it is known that it did not happen")
export const again = yes("again", "Send what has no key once more, though it may have happened")
export const rate = Flag.Finite("rate").pipe(
  Flag.filter(
    (n) => n > 0,
    (n) => `Expected a positive number, got ${n}`
  ),
  Flag.withMetavar("N"),
  Flag.withDescription("How many become due per second; default: all at once"),
  Flag.optional
)
export const payload = yes("payload", "Print the input too; what is Redacted stays masked")
export const groups = yes("groups", "Count them by what failed, and why")

export const one = Argument.String("id").pipe(Argument.withDescription("An id, the beginning of one, or a key"))
export const maybeOne = one.pipe(Argument.optional)
