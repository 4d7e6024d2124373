/**
 * Where the receiving side keeps what it has done: one record per scope and key, and one atomic transition at a time.
 *
 * Two numbers are separate: the *lease*, after which a claim whose owner has died may be taken over, and the *time to
 * live*, after which a finished record is forgotten. Every write of an owner names the epoch of its claim, so that one who
 * was paused past its lease can change nothing. Both are measured by the store's own clock.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * What names a record. The scope is the service, the tenant or principal, and the operation; a key means nothing outside.
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  readonly scope: string
  readonly key: string
}

/**
 * What becomes of a claim whose owner lost its lease: run it again from the start, resume it after its last step, or hold
 * it until a person or a reconciler has said what happened.
 *
 * @category models
 * @since 0.1.0
 */
export type OnLostLease = "rerun" | "resume" | "hold"

/**
 * A step that was carried out and must not be repeated, with its result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly name: string
  readonly data: string
}

/**
 * Where a record stands. `Done` without a result is a tombstone: it was done, and its answer was not kept.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Running" | "Done" | "Held"

/**
 * One record. Times are epoch milliseconds of the store's clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface Record extends Address {
  readonly fingerprint: string
  readonly state: State
  /**
   * Greater than that of every earlier claim of this key, even if the record was forgotten in between: the fence of every
   * write. A store without a counter takes one more than the last, or the microseconds of its clock for a new record.
   */
  readonly epoch: number
  readonly onLostLease: OnLostLease
  readonly leaseUntil: number
  /** From when the record may be forgotten. */
  readonly expiresAt: number
  readonly steps: ReadonlyArray<Step>
  /** What the handler answered, as its receiver encoded it. */
  readonly result: string | undefined
  readonly createdAt: number
}

/**
 * What a claim found.
 *
 * - `Started`: it is yours, to run from the start, or after these steps.
 * - `InFlight`: another owner is at work, for this long at most.
 * - `Mismatch`: the key was used with another request.
 * - `Replay`: it was done; this was the answer, or it was not kept.
 * - `Held`: it is not known whether it was done.
 *
 * @category models
 * @since 0.1.0
 */
export type Claim =
  | {
      readonly _tag: "Started"
      readonly epoch: number
      readonly leaseUntil: number
      /** Whether a lease that had ended was taken over. */
      readonly takenOver: boolean
      readonly steps: ReadonlyArray<Step>
    }
  | { readonly _tag: "InFlight"; readonly retryAfter: Duration.Duration }
  | { readonly _tag: "Mismatch" }
  | { readonly _tag: "Replay"; readonly result: string | undefined }
  | { readonly _tag: "Held" }

/**
 * What a claim asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClaimOptions extends Address {
  /** What the request was, as text of at most 255 characters. */
  readonly fingerprint: string
  readonly lease: Duration.Duration
  readonly timeToLive: Duration.Duration
  readonly onLostLease: OnLostLease
}

/**
 * The owner of a claim.
 *
 * @category models
 * @since 0.1.0
 */
export interface Owner extends Address {
  readonly epoch: number
}

/**
 * Where records are kept. Every method is one atomic transition; those of an owner answer `false` where the claim is no
 * longer its own, and have then changed nothing.
 *
 * **Details**
 *
 * A claim of what is absent, or done and past its time to live, starts (R1); one
 * with another fingerprint is a mismatch (R2), of a live lease in flight (R3), of a lease that has ended a take-over (R4)
 * or held (R5), of what is done a replay (R6, R7), of what is held held (R8). A claim that lost a race against a sweep
 * starts over by itself (R9). A lease that has ended, with `rerun` or `resume`, and a time to live that has passed too, is
 * absent: a sweep would have forgotten it. What was stored with a claim decides, not what the next one asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  readonly claim: (options: ClaimOptions) => Effect.Effect<Claim, StoreError>
  /** Moves the end of the lease to this long from now. Zero gives it up: the next claim takes over at once. */
  readonly renew: (owner: Owner, lease: Duration.Duration) => Effect.Effect<boolean, StoreError>
  /** Adds a step. A step of this name is replaced. */
  readonly saveStep: (owner: Owner, step: Step) => Effect.Effect<boolean, StoreError>
  /** Ends the claim with its answer; `undefined` for one that is not kept. */
  readonly complete: (
    owner: Owner,
    options: { readonly result: string | undefined; readonly timeToLive: Duration.Duration }
  ) => Effect.Effect<boolean, StoreError>
  /** Forgets the claim: nothing happened. */
  readonly release: (owner: Owner) => Effect.Effect<boolean, StoreError>
  /** Holds the claim: it is not known whether it happened. */
  readonly hold: (owner: Owner) => Effect.Effect<boolean, StoreError>
  /** Says what happened to a record that is held: it was done, with this answer, or it was not. `false` if none is held. */
  readonly resolve: (
    address: Address,
    resolution:
      | { readonly _tag: "Done"; readonly result: string | undefined; readonly timeToLive: Duration.Duration }
      | { readonly _tag: "Absent" }
  ) => Effect.Effect<boolean, StoreError>
  readonly get: (address: Address) => Effect.Effect<Option.Option<Record>, StoreError>
  /** Records that are held, oldest first, those whose lease has ended with `hold` included. */
  readonly held: (options: {
    readonly limit: number
    readonly scope?: string | undefined
  }) => Effect.Effect<ReadonlyArray<Record>, StoreError>
  /**
   * Forgets records whose time to live has passed, at most so many: those that are done, and those whose owner has gone
   * and that nobody claimed again. What runs under a live lease and what is held stays. Returns how many it forgot.
   */
  readonly sweep: (options: { readonly limit: number }) => Effect.Effect<number, StoreError>
}

/**
 * Why a store could not do it.
 *
 * @category errors
 * @since 0.1.0
 */
export type StoreReason =
  /** It can't be reached, or failed. Whether a write took place is not known. */
  | "Unavailable"
  /** Another transaction holds the record for longer than the limit. Nothing was written. */
  | "Busy"
  /** What it holds can't be read by this version. */
  | "Malformed"

/**
 * A store failed. `tookEffect` says whether the transition may have taken place.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreError extends Data.TaggedError("StoreError")<{
  readonly reason: StoreReason
  readonly store: string
  readonly operation: keyof Store
  readonly tookEffect: "no" | "unknown"
  readonly cause: unknown
}> {
  override get message(): string {
    const { operation, reason, store, tookEffect } = this
    const what =
      reason === "Busy"
        ? "another transaction holds the record"
        : reason === "Malformed"
          ? "a record can't be read by this version"
          : "the store failed or could not be reached"
    const next =
      tookEffect === "no"
        ? "nothing was written; try again"
        : "it may have been written; read the record before you answer"
    return `the idempotency store (${store}) could not ${operation}: ${what}; ${next}`
  }
}

/**
 * Returns whether a value is a `StoreError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStoreError = (u: unknown): u is StoreError => u instanceof StoreError

/**
 * The store of idempotency records.
 *
 * **When to use**
 *
 * Use `layerMemory` of `IdempotencyStoreMemory` for tests and for a single process that may forget on restart, the SQL
 * store of `breakwater/sql` where there is a database, and Redis of `breakwater/redis` for many processes without one.
 *
 * @category services
 * @since 0.1.0
 */
export class IdempotencyStore extends Context.Service<IdempotencyStore, Store>()("breakwater/IdempotencyStore") {}

/**
 * A store that can take part in a transaction of the application's own database: claim, business writes and completion
 * commit together or not at all. The SQL stores provide it beside `IdempotencyStore`; memory and Redis can't.
 *
 * @category services
 * @since 0.1.0
 */
export class TransactionalStore extends Context.Service<
  TransactionalStore,
  Store & {
    /**
     * Runs an effect in a transaction of the store's database, or in a savepoint where one is open. A record that another
     * transaction holds is waited for this long, and is then `Busy`. A failure or interruption rolls back.
     */
    readonly transaction: (options: {
      readonly lockTimeout: Duration.Duration
    }) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
    /** Runs an effect in a savepoint: its failure rolls back what it wrote, and nothing else. */
    readonly savepoint: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
  }
>()("breakwater/TransactionalStore") {}
