/**
 * A slice: what one real, hand-rolled integration does with its provider, three times over: as its file does it
 * (`recipe.ts`), after the five protections were added with Effect's operators (`byHand.ts`), and in breakwater
 * (`breakwater.ts`). What all three share stands in `shared.ts`, and the slice itself in `index.ts`.
 *
 * ## What is counted
 *
 * A *scenario* is one fault of the script, which strikes the n-th request of the program, whatever that request is;
 * after it everything is healthy. n runs over all requests that the program makes in a run without a fault, so that its
 * own look-ups are struck too. Faults that a repeat can get past also strike twice in a row.
 *
 * One scenario is mixed: the request is carried out and its answer lost, and every request after it is answered 429. The
 * last attempt was refused then, and the step was done all the same. Who reports what the last attempt was told denies
 * it. Written by hand, only a slice that keeps its doubts from attempt to attempt gets this right; one (openauth-stripe)
 * does not, and its *untyped* is above 0 for this scenario alone. It stays as it is: an author who tests fault by fault
 * does not find it. Breakwater's variants must be right in all scenarios.
 *
 * The program performs one *intent*: create this issue, deposit and publish that work. In the scenario "crash" the
 * process dies when the provider has carried out the n-th request and before its answer was used: what was in memory is
 * gone, no finalizer runs, and 10 seconds later a new process performs the same intent from its start. Only the
 * provider and the application's `Store` survive.
 *
 * - *duplicates*: changes of the provider's state for one step of the intent beyond the first. A replay that the
 *   provider answers from its memory of a key is none, nor is a request that leaves the state as it was
 *   (`changed: false` in a `Reply`).
 * - *hangs*: the program has not ended 2 minutes of virtual time after its start.
 * - *untyped*: the program ended in a defect, or with an error for which `claimOf` knows no claim; with an error that
 *   claims what is not so (`NotSent` or `Refused`, but the step was carried out; `Applied`, but it was not); or with a
 *   success that is none (`isSuccess` refuses it, or a step of the intent was never carried out).
 * - *lines*: lines of the variant's file after prettier, without blank lines, imports and comments; and those of every
 *   declaration beside it, such as one in `shared.ts`, that no other variant uses.
 */
import type { FaultInjection } from "breakwater/testing"
import { Context, Effect, Layer, Option } from "effect"
import type { HttpClient } from "effect/http"

/** The three ways in which a slice is written, which are also the names of their files. */
export const variantNames = ["recipe", "byHand", "breakwater"] as const

export type VariantName = (typeof variantNames)[number]

/**
 * One run of the intent, from its start: it builds what it needs (layers, an SDK double) itself, so that a crash takes
 * all of it away.
 */
export type Variant = Effect.Effect<unknown, unknown, HttpClient.HttpClient | Store>

/** What an application's error says: whether this step of the intent was carried out. */
export interface Claim {
  /** The operation, as the provider's `operationOf` names it. */
  readonly step: string
  readonly outcome: "NotSent" | "Refused" | "Unknown" | "Applied"
}

/** How this provider looks when it fails: the bodies of the script's faults. Each has a default. */
export interface Wire {
  /** An error that comes with status 200. Nothing was carried out. */
  readonly errorIn200?: unknown
  /** The body of a 429. */
  readonly throttled?: unknown
  /** The body of a 503. */
  readonly unavailable?: unknown
  /** The success that changed its shape. It was carried out. */
  readonly changedShape?: unknown
}

export interface Slice {
  /** The folder's name. */
  readonly name: string
  /** The public file that the recipe follows, as `owner/repository: path`. */
  readonly source: string
  /** The operations that change something, as the provider's `operationOf` names them, each once per intent. */
  readonly steps: ReadonlyArray<string>
  /** A provider with fresh state. Give `operationOf` wherever a path holds an id. */
  readonly provider: () => Omit<FaultInjection.Options, "faults">
  readonly wire?: Wire | undefined
  /** Whether the program's success is the right one, judged by what a caller would use of it. */
  readonly isSuccess: (value: unknown) => boolean
  /** What an error of the application's own claims; `undefined` for every other error. */
  readonly claimOf: (error: unknown) => Claim | undefined
  readonly variants: { readonly [K in VariantName]: Variant }
}

/**
 * What the application keeps and a crash does not take: its database, as far as these programs need one. It never fails.
 * It knows of its own rows alone, not of the provider's.
 */
export class Store extends Context.Service<
  Store,
  {
    readonly get: (key: string) => Effect.Effect<Option.Option<string>>
    readonly set: (key: string, value: string) => Effect.Effect<void>
    /** Writes a row unless there is one: `false` if there was. The note "I am about to do this" of an at-most-once step. */
    readonly insert: (key: string, value: string) => Effect.Effect<boolean>
    readonly remove: (key: string) => Effect.Effect<void>
  }
>()("realworld/Store") {
  /** A store over these rows: they survive the process that the layer is built in. */
  static layer(rows: Map<string, string>): Layer.Layer<Store> {
    return Layer.succeed(Store, {
      get: (key) => Effect.sync(() => Option.fromNullishOr(rows.get(key))),
      set: (key, value) => Effect.sync(() => void rows.set(key, value)),
      insert: (key, value) => Effect.sync(() => !rows.has(key) && rows.set(key, value) === rows),
      remove: (key) => Effect.sync(() => void rows.delete(key))
    })
  }
}
