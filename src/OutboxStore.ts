/**
 * Where durable calls are kept: one entry per call, and one atomic transition at a time. The outbox decides, the store
 * remembers.
 *
 * A claim has a *lease*: when it has ended without a verdict, another worker may claim the entry. Every write of an owner
 * names the epoch of its claim, so that one who was paused past its lease can change nothing. Leases and due times are
 * measured by the store's own clock.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Outcome } from "./Outcome.ts"
import type { Audit, Entry, Lane, State, Try, Why } from "./OutboxEntry.ts"

/**
 * What is offered. All of it is stored as it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Offer extends Pick<
  Entry,
  "id" | "integration" | "operation" | "key" | "fingerprint" | "origin" | "payload" | "correlationId" | "traceparent"
> {
  readonly lane: Lane | undefined
  /** What is known of attempts that were made before it was stored. */
  readonly outcome: Outcome
  /** Milliseconds ago, by the caller's clock: the store's may differ. */
  readonly firstSentAgo: number | undefined
  readonly inDoubtAgo: number | undefined
  readonly attempts: number
  readonly history: ReadonlyArray<Try>
  /** How long until it is due. */
  readonly delay: Duration.Duration
  /** From now on. */
  readonly expiresAfter: Duration.Duration | undefined
  /**
   * Claim it at once, for the call that stores it. In a lane whose earlier entries have not ended, and while its operation
   * is paused, it is not.
   */
  readonly lease: Duration.Duration | undefined
}

/**
 * What an offer found.
 *
 * - `Stored`: it was written. With a `claim` it is the caller's, until the lease ends.
 * - `Exists`: this call was stored before, by the same bytes; nothing was written.
 * - `Mismatch`: the key was used before with another request; nothing was written.
 *
 * @category models
 * @since 0.1.0
 */
export type Offered =
  | { readonly _tag: "Stored"; readonly claim: Claimed | undefined }
  | { readonly _tag: "Exists"; readonly entry: Entry }
  | { readonly _tag: "Mismatch" }

/**
 * An entry that was claimed, as it is after the claim.
 *
 * **Details**
 *
 * `attempts` and `tries` count this claim already. Where the last claim ended without a verdict, `crashes` has grown, and
 * unless an `answer` was stored, the entry's `outcome` is `Unknown` at least, its `inDoubtAt` is now, and its `firstSentAt`
 * is the time of that claim, if it had none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claimed {
  readonly entry: Entry
  /** The store's clock at the claim: what the entry's times are compared with. */
  readonly now: number
}

/**
 * Who writes: the id, and the epoch of the claim.
 *
 * @category models
 * @since 0.1.0
 */
export interface Owner {
  readonly id: string
  readonly epoch: number
}

/**
 * What a claim has learned. `sent` and `inDoubt` are milliseconds before now; `undefined` leaves what is stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Learned {
  readonly outcome: Outcome
  readonly firstSentAgo: number | undefined
  readonly inDoubtAgo: number | undefined
  /** The whole history, the new tries included. */
  readonly history: ReadonlyArray<Try>
}

/**
 * How a claim ends.
 *
 * - `Delivered`: the payload is removed, the result is kept for `keep`, and the next of the lane becomes pending.
 * - `Dead`, `NeedsReconcile`: the payload stays. The next of the lane becomes pending if the lane skips.
 * - `Again`: it is pending again. `counts` says whether this try is one of its attempts; one that does not count is given
 *   back. `pausing` says whether it adds to the pause. An `answer` is kept for the next claim.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | { readonly _tag: "Delivered"; readonly result: string | undefined; readonly keep: Duration.Duration }
  | { readonly _tag: "Dead"; readonly why: Why }
  | { readonly _tag: "NeedsReconcile"; readonly why: Why }
  | {
      readonly _tag: "Again"
      readonly delay: Duration.Duration
      readonly counts: boolean
      readonly pausing: boolean
      readonly answer: string | undefined
    }

/**
 * Which entries. What is absent does not matter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  readonly states?: ReadonlyArray<State> | undefined
  readonly integration?: string | undefined
  readonly operation?: string | undefined
  readonly key?: string | undefined
  readonly lane?: string | undefined
  readonly why?: Why | undefined
  /** The reason of the last try, such as `Unavailable`. */
  readonly reason?: string | undefined
  /** Created before this, in epoch milliseconds. */
  readonly createdBefore?: number | undefined
  readonly createdAfter?: number | undefined
}

/**
 * Entries that ended, or wait, alike: what a person looks at first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group {
  readonly integration: string
  readonly operation: string
  readonly state: State
  readonly why: Why | undefined
  /** The reason of the last try. */
  readonly reason: string | undefined
  readonly count: number
  /** When the oldest was created. */
  readonly oldest: number
}

/**
 * What a person does to an entry.
 *
 * - `Redrive`: a dead or unclear entry is pending again, with the same key and bytes, or with a new key, which forgets what
 *   is known of the old one. Its attempts, tries and crashes count from zero, and it expires no more.
 * - `Discard`: it is given up, and kept for `keep`. Default: 30 days.
 * - `Answer`: it is known that it happened, and what the answer was: its outcome is `Applied`, and it is pending again with
 *   this `answer` at once, under the same key and with its payload. Attempts, tries and crashes count from zero. Whoever
 *   claims it tells the answer to its handler and sends nothing.
 * - `Resolve`: it is known that it happened, and nothing more. It is delivered, without a result, and kept for `keep`.
 *
 * `Redrive` and `Answer` begin another generation. In a lane whose earlier entries block it, the entry waits.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | {
      readonly _tag: "Redrive"
      readonly delay: Duration.Duration
      readonly newKey: string | undefined
      /** For an entry without a key: what is known of its earlier tries is forgotten, as with a new key. Default: false. */
      readonly again?: boolean | undefined
    }
  | { readonly _tag: "Discard"; readonly keep?: Duration.Duration | undefined }
  | { readonly _tag: "Answer"; readonly answer: string }
  | { readonly _tag: "Resolve"; readonly keep: Duration.Duration }

/**
 * The transitions of a store. Each is atomic, and fails only if the store does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  /** For messages: `memory`, `postgresql`, `sqlite`. */
  readonly name: string
  /**
   * Stores an entry. Within an open transaction of the same database it is part of that; nobody can claim it before the
   * outermost commit. Offers to one lane take turns until their transactions end, so that places in a lane follow the
   * order of commits.
   */
  readonly offer: (offer: Offer) => Effect.Effect<Offered, StoreError>
  /**
   * Whether an offer would be part of a transaction that is open: `"own"`. `"other"` if one is open that this store
   * can't be part of.
   */
  readonly openTransaction: Effect.Effect<"none" | "own" | "other">
  /** Runs an effect outside of the caller's transaction, so that what it stores stays if that is rolled back. */
  readonly outside: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Claims entries of one operation that are due, or whose lease has ended; the one that is due longest goes first. */
  readonly claim: (options: {
    readonly integration: string
    readonly operation: string
    readonly limit: number
    readonly lease: Duration.Duration
  }) => Effect.Effect<ReadonlyArray<Claimed>, StoreError>
  /** Ends a claim. False if the entry was claimed by another one since, or ended. */
  readonly settle: (owner: Owner, verdict: Verdict, learned: Learned) => Effect.Effect<boolean, StoreError>
  /**
   * Runs an effect in one transaction, with what it does to this store and to its database. Nested in one of the caller's
   * it is a part of that. A store without transactions runs it as it is.
   */
  readonly transaction: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
  /** Whether an entry of this lane has not ended, or blocks it. */
  readonly isBusy: (lane: { readonly integration: string; readonly name: string }) => Effect.Effect<boolean, StoreError>
  readonly get: (id: string) => Effect.Effect<Option.Option<Entry>, StoreError>
  /** Entries, oldest first, after the last of the page before. */
  readonly list: (
    filter: Filter,
    page: { readonly limit: number; readonly after?: Pick<Entry, "createdAt" | "id"> | undefined }
  ) => Effect.Effect<ReadonlyArray<Entry>, StoreError>
  readonly groups: (filter: Filter) => Effect.Effect<ReadonlyArray<Group>, StoreError>
  /**
   * Changes an entry by hand and writes the note, both or neither. False, and nothing is written, if the entry is not dead
   * or unclear any more, or is of another generation; a pending or waiting one can be discarded too.
   */
  readonly change: (
    entry: Pick<Entry, "id" | "generation">,
    change: Change,
    audit: Omit<Audit, "at">
  ) => Effect.Effect<boolean, StoreError>
  readonly audits: (id: string) => Effect.Effect<ReadonlyArray<Audit>, StoreError>
  /** Stops claims of an operation, or of a whole integration, in every process, until they are resumed. */
  readonly pause: (what: Paused) => Effect.Effect<void, StoreError>
  readonly resume: (what: Paused) => Effect.Effect<void, StoreError>
  readonly paused: Effect.Effect<ReadonlyArray<Paused>, StoreError>
  /** Forgets delivered and discarded entries that were kept long enough, `limit` at most. How many it were. */
  readonly sweep: (options: { readonly limit: number }) => Effect.Effect<number, StoreError>
  /** Calls `wake` whenever an entry of this process may be due: after the commit. */
  readonly onOffer: (
    wake: (what: { readonly integration: string; readonly operation: string }) => void
  ) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Paused {
  readonly integration: string
  readonly operation: string | undefined
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class OutboxStore extends Context.Service<OutboxStore, Store>()("breakwater/OutboxStore") {}

/**
 * Enciphers what is stored of a call: its input, its request and its result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cipher {
  readonly encrypt: (text: string) => Effect.Effect<string, unknown>
  readonly decrypt: (text: string) => Effect.Effect<string, unknown>
}

/**
 * The cipher of an outbox, read when the layer of an integration or of a worker is built. By default the text is stored as
 * it is. A text that can't be deciphered leaves its entry dead, with `schema` as reason: keep old keys as long as entries.
 *
 * @category references
 * @since 0.1.0
 */
export const Cipher: Context.Reference<Cipher> = Context.Reference<Cipher>("breakwater/OutboxStore/Cipher", {
  defaultValue: () => ({ encrypt: Effect.succeed, decrypt: Effect.succeed })
})

const TypeId = "~breakwater/OutboxStore/StoreError"

/**
 * A store failed.
 *
 * - `Unavailable`: it can't be reached, or it answered with an error.
 * - `Busy`: another transaction held what was needed for too long; nothing was written.
 * - `OtherTransaction`: a transaction is open that this store can't be part of; nothing was written.
 * - `Malformed`: a text holds NUL or half a surrogate pair, which a database can't keep; nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreError extends Data.TaggedError("OutboxStoreError")<{
  readonly reason: "Unavailable" | "Busy" | "OtherTransaction" | "Malformed"
  readonly store: string
  readonly operation: string
  /** Whether the write took effect. */
  readonly tookEffect: "no" | "unknown"
  /** The underlying error. It may hold what must not be logged. */
  readonly cause: unknown
}> {
  readonly [TypeId]: typeof TypeId = TypeId

  override get message(): string {
    const what =
      this.reason === "Busy"
        ? "another transaction held it for too long"
        : this.reason === "OtherTransaction"
          ? "a transaction of another database is open: give the outbox the same SqlClient, or call outside of the transaction"
          : this.reason === "Malformed"
            ? "a text is not well formed"
            : "it could not be reached, or failed"
    const effect = this.tookEffect === "no" ? "nothing was written" : "it is not known whether it was written"
    return `the outbox (${this.store}) could not ${this.operation}: ${what}; ${effect}`
  }
}
