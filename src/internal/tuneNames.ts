// How the numbers and modes of layers are named and written in a configuration.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Mode } from "../Call.ts"
import type { Slot } from "./order.ts"
import type * as P from "./policy.ts"

// ---- names

/** `createCharge` as `CREATE_CHARGE`. */
export const upperSnake = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .toUpperCase()

/** What the settings of the layers begin with of which several may stand in one place. */
export const prefixes: { readonly [K in Slot]?: string } = {
  circuitBreaker: "BREAKER",
  rateLimit: "RATE_LIMIT",
  bulkhead: "BULKHEAD"
}

/** Layers of one name share their state over the operations: the numbers of that state are one. */
const shared: ReadonlySet<Slot> = new Set<Slot>(["circuitBreaker", "rateLimit", "bulkhead", "budget"])
export const isShared = (layer: P.Layer, key: string): boolean => shared.has(layer.slot) || key === "STALE_MAX_ENTRIES"

const custom = (slot: Slot): boolean => slot === "call" || slot === "attempt"

/** The built-in places that a layer of a policy stands in. */
export const switchable: ReadonlyArray<Slot> = [
  "staleIfError",
  "totalDeadline",
  "coalesce",
  "budget",
  "retry",
  "hedge",
  "circuitBreaker",
  "rateLimit",
  "bulkhead",
  "attemptTimeout"
]

/** The names of all numbers of the library's layers, so that one of a layer that is not there is told. */
export const catalogue: ReadonlyArray<string> = [
  ["ATTEMPT_TIMEOUT", "TOTAL_DEADLINE", "MAX_ATTEMPTS"],
  ["BASE", "THROTTLED_BASE", "CAP"].map((name) => `BACKOFF_${name}`),
  ["CAPACITY", "TRANSIENT_COST", "THROTTLED_COST", "HEDGE_COST", "REFUND", "STOP_AT", "RATIO", "FLOOR", "TTL"].map(
    (name) => `BUDGET_${name}`
  ),
  ["CONSECUTIVE", "OPEN_FOR", "MAX_OPEN_FOR", "RATE_THRESHOLD", "RATE_SIZE", "RATE_MINIMUM_CALLS"].map(
    (name) => `BREAKER_${name}`
  ),
  ["AFTER", "RATE", "SIZE", "MINIMUM_CALLS"].map((name) => `BREAKER_SLOW_${name}`),
  ["CONCURRENCY", "QUEUE", "MAX_WAIT"].map((name) => `BULKHEAD_${name}`),
  ["RATE_LIMIT", "RATE_LIMIT_WINDOW", "RATE_LIMIT_MAX_WAIT"],
  ["AFTER", "PERCENTILE", "MINIMUM_CALLS", "FLOOR", "INITIALLY", "MAX", "MAX_EXTRA_LOAD"].map(
    (name) => `HEDGE_${name}`
  ),
  ["COALESCE_MAX_WAITERS", "STALE_FOR", "STALE_MAX_ENTRIES"]
].flat()

export const settingName = (layer: P.Layer, key: string, several: boolean): string => {
  const prefix = prefixes[layer.slot]
  if (!several || prefix === undefined) return key
  const name = upperSnake(layer.name)
  return key.startsWith(prefix) ? `${prefix}_${name}${key.slice(prefix.length)}` : `${name}_${key}`
}

export const modeName = (layer: P.Layer, several: boolean): string =>
  custom(layer.slot)
    ? `${upperSnake(layer.name)}_MODE`
    : `${upperSnake(layer.slot)}${several ? `_${upperSnake(layer.name)}` : ""}_MODE`

// ---- values

const units: Readonly<Record<string, number>> = Object.fromEntries(
  [
    [["ms", "milli", "millis", "millisecond", "milliseconds"], 1],
    [["s", "sec", "second", "seconds"], 1_000],
    [["m", "min", "minute", "minutes"], 60_000],
    [["h", "hour", "hours"], 3_600_000],
    [["d", "day", "days"], 86_400_000]
  ].flatMap(([names, millis]) => (names as ReadonlyArray<string>).map((name) => [name, millis as number]))
)

/** Milliseconds of `2s`, `500 ms`, `1.5 minutes`, or anything that Effect reads as a duration with its unit. */
const millisOf = (text: string): number | undefined => {
  const [, amount, unit] = /^([+-]?\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? []
  const known = unit === undefined ? undefined : units[unit.toLowerCase()]
  if (known !== undefined) return Number(amount) * known
  const decoded = Schema.decodeUnknownOption(Schema.DurationFromString)(text)
  return Option.getOrUndefined(Option.filter(Option.map(decoded, Duration.toMillis), Number.isFinite))
}

const modes: ReadonlyArray<string> = ["enforce", "observe", "off"] satisfies ReadonlyArray<Mode>

export const kinds: Record<
  P.Setting["kind"] | "mode",
  { readonly expected: string; readonly read: (text: string) => number | string | undefined }
> = {
  duration: { expected: "a duration with its unit, such as 2s, 500ms or 1 minute", read: millisOf },
  integer: {
    expected: "a whole number, such as 5",
    read: (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined)
  },
  number: {
    expected: "a number, such as 0.5",
    read: (text) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined)
  },
  mode: {
    expected: "enforce, observe or off",
    read: (text) => (modes.includes(text.toLowerCase()) ? text.toLowerCase() : undefined)
  }
}

export const shortened = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)

/** How many letters must be changed, added or left out to make one word of another, as far as `most` and one more. */
export const distance = (a: string, b: string, most: number): number => {
  if (Math.abs(a.length - b.length) > most) return most + 1
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
