/**
 * How a store is put on the bench of `StoreConformance`: how it is opened, and how its time passes.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Store } from "../IdempotencyStore.ts"

/**
 * How the store's time passes.
 *
 * **Details**
 *
 * `Settable` stands still until it is moved: `TestClock.adjust` for a store in memory, a clock of the test's own for a
 * database. Leases and times to live are then checked to the millisecond. `Real` is the time of a server: the kit waits
 * for it with `Effect.sleep`, so run it with the live clock (`it.live` in `@effect/vitest`). `lease` must be long enough
 * for a handful of calls, and is waited for about fifty times in all. Default: 500 milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Time =
  | { readonly _tag: "Settable"; readonly advance: (by: Duration.Duration) => Effect.Effect<void, unknown> }
  | { readonly _tag: "Real"; readonly lease?: Duration.Duration | undefined }

/**
 * An empty store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  /**
   * Two handles on one and the same store, as two processes would have them: with connections of their own where there
   * are connections, and the same value twice where there are none. The kit runs the second ten minutes ahead: every one
   * of its effects reads another `Clock`.
   */
  readonly handles: readonly [Store, Store]
  readonly time: Time
}

/**
 * How much is tried where chance takes part. Everything else is always tried.
 *
 * @category models
 * @since 0.1.0
 */
export interface Effort {
  /** What the random sequences are drawn from. Default: `"breakwater"`. */
  readonly seed?: string | undefined
  /** How many random histories. Default: 40. */
  readonly runs?: number | undefined
  /** How many keys are raced for. Default: 40. */
  readonly keys?: number | undefined
  /** How many racers per key. Default: 16. */
  readonly racers?: number | undefined
}

/**
 * A store on the bench.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness {
  /** What the store is called in messages. */
  readonly name: string
  /** Opens a new, empty store (a schema, a table, or a key prefix of its own), and drops it when its scope closes. */
  readonly open: Effect.Effect<Opened, unknown, Scope.Scope>
  /** Whether records are forgotten only by `sweep`, or by the store itself, so that `sweep` may find none. Default: `swept`. */
  readonly forgets?: "swept" | "itself" | undefined
  readonly effort?: Effort | undefined
}

/**
 * A store did something that its contract forbids, or failed where it must not.
 *
 * @category errors
 * @since 0.1.0
 */
export class Violation extends Data.TaggedError("StoreViolation")<{
  /** What was looked at. */
  readonly what: string
  readonly actual?: unknown
  readonly expected?: unknown
  /** The calls that led there, where chance chose them. */
  readonly history?: ReadonlyArray<string> | undefined
  /** What the store failed with, where it failed. */
  readonly cause?: unknown
  readonly store?: string | undefined
  readonly case?: string | undefined
}> {
  override get message(): string {
    const { actual, cause, expected, history = [], store, what } = this
    const where = store === undefined ? "" : `${store}: ${this.case}: `
    const difference =
      cause === undefined
        ? `: expected ${show(expected)}, got ${show(actual)}`
        : `: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : show(cause)}`
    return [`${where}${what}${difference}`, ...history.map((line) => `  ${line}`)].join("\n")
  }
}

const show = (value: unknown): string => {
  if (value === undefined) return "nothing"
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part))
  return text === undefined ? String(value) : text.length > 300 ? `${text.slice(0, 297)}…` : text
}
