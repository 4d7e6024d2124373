/**
 * One durable call, as it is stored: what is to be sent, what is known of it so far, and what became of it.
 *
 * @since 0.1.0
 */
import type { Outcome } from "./Outcome.ts"

/**
 * Where an entry stands.
 *
 * - `Waiting`: an earlier entry of its lane has not ended.
 * - `Pending`: it is sent when it is due. With an `answer` it is not sent: a worker tells the answer to the handler, or
 *   goes on with what it has begun.
 * - `Leased`: a worker, or the call that stored it, is at it.
 * - `Delivered`: it happened, and its result is known. The payload is gone.
 * - `Dead`: it will not be sent again unless a person says so.
 * - `NeedsReconcile`: it may have happened, and a repeat is not safe. A person, or a look at the provider, has to say.
 * - `Discarded`: a person has given it up.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Waiting" | "Pending" | "Leased" | "Delivered" | "Dead" | "NeedsReconcile" | "Discarded"

/**
 * What became of the entries behind a dead or unclear one of the same lane: they stay (`"block"`), or they go on without it
 * (`"skip"`).
 *
 * @category models
 * @since 0.1.0
 */
export type OnDead = "block" | "skip"

/**
 * Entries of one lane are delivered one after the other, in the order in which they were committed. Lanes of different
 * integrations have nothing to do with each other.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lane {
  readonly name: string
  readonly onDead: OnDead
}

/**
 * Why an entry is dead, or why it is unclear.
 *
 * - `rejected`: the provider said no, for good.
 * - `exhausted`: all attempts are spent.
 * - `expired`: it was not delivered in the time that it had.
 * - `schema`: what is stored can't be read any more, as after a deploy that changed the input.
 * - `key expired`: the provider may have forgotten the key.
 * - `sent once`: it may be sent once only, and it may have been.
 * - `unclear`: the provider answered, and it can't be said whether or how it happened.
 *
 * @category models
 * @since 0.1.0
 */
export type Why = "rejected" | "exhausted" | "expired" | "schema" | "key expired" | "sent once" | "unclear"

/**
 * One line of an entry's history: a try, or what a person did. Newest last.
 *
 * @category models
 * @since 0.1.0
 */
export interface Try {
  /** Epoch milliseconds at which it ended. */
  readonly at: number
  /** The reason's tag, or `Success`. */
  readonly reason: string
  /** In one line, without a secret. */
  readonly message: string
  readonly outcome: Outcome
  readonly status: number | undefined
  /** How often the request was sent in this try. */
  readonly attempts: number
  /** Milliseconds. */
  readonly elapsed: number
  readonly requestId: string | undefined
}

/**
 * One entry. Times are epoch milliseconds of the store's clock. `payload`, `result` and `answer` are text that the outbox
 * has encoded, and enciphered where a cipher was given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** 32 hexadecimal digits: the same for the same integration, operation and key. */
  readonly id: string
  readonly integration: string
  readonly operation: string
  /** The key that is sent. Absent for an operation without one. */
  readonly key: string | undefined
  /** A hash of what was asked for: the same key with another one is a conflict. */
  readonly fingerprint: string
  readonly origin: "park" | "write-ahead"
  readonly state: State
  /** Why it is dead or unclear. */
  readonly why: Why | undefined
  /** Input and encoded request; empty once it is delivered or discarded. */
  readonly payload: string
  /** What it succeeded with. */
  readonly result: string | undefined
  /**
   * The verdict of a call that is over, or that a person has given, while its handler has not run to its end; or how far a
   * call has come that is made in several deliveries, such as a job that is waited for.
   */
  readonly answer: string | undefined
  readonly lane: Lane | undefined
  /** The place in its lane, from 1. */
  readonly position: number | undefined
  /** The fence of every write: it grows with every claim. */
  readonly epoch: number
  /** How often it was revived by a person: redriven, or resolved with an answer. */
  readonly generation: number
  /** How many tries count. One that certainly did not reach the provider, or was throttled, does not. */
  readonly attempts: number
  /** How many tries there were since the last one that got through, the base of the pause. */
  readonly tries: number
  /** How often a claim ended without a verdict: its process died, or was away for longer than the lease. */
  readonly crashes: number
  /** Whether it happened, as far as is known. */
  readonly outcome: Outcome
  /** From when the provider may have seen it. */
  readonly firstSentAt: number | undefined
  /** When the last try ended that happened or may have. */
  readonly inDoubtAt: number | undefined
  readonly dueAt: number
  readonly leaseUntil: number | undefined
  readonly createdAt: number
  /** When it came into the state that it is in. */
  readonly changedAt: number
  /** Past this it is not sent any more. */
  readonly expiresAt: number | undefined
  readonly history: ReadonlyArray<Try>
  readonly correlationId: string
  /** `00-<trace>-<span>-<flags>` of the call that stored it. */
  readonly traceparent: string | undefined
}

/**
 * A note about what a person did to an entry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Audit {
  readonly at: number
  readonly action: "redrive" | "redrive with a new key" | "discard" | "resolve"
  /** Who did it. */
  readonly by: string
  /** Why, and on what evidence. */
  readonly evidence: string
}

const ParkedTypeId = "~breakwater/Outbox/Parked"
const QueuedTypeId = "~breakwater/Outbox/Queued"

/**
 * The success of a call that could not be made now and was stored: it will be made. It has not succeeded. A crash between
 * its first attempt and the storing would have lost it: where that must not be, use `Outbox.writeAhead`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parked {
  readonly _tag: "Parked"
  readonly [ParkedTypeId]: typeof ParkedTypeId
  readonly id: string
  /** Whether it happened, as far as is known. */
  readonly outcome: Outcome
}

/**
 * The success of a call that is stored, and will be made after the transaction was committed, or by a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Queued {
  readonly _tag: "Queued"
  readonly [QueuedTypeId]: typeof QueuedTypeId
  readonly id: string
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const parked = (id: string, outcome: Outcome): Parked => ({
  _tag: "Parked",
  [ParkedTypeId]: ParkedTypeId,
  id,
  outcome
})

/**
 * @category constructors
 * @since 0.1.0
 */
export const queued = (id: string): Queued => ({ _tag: "Queued", [QueuedTypeId]: QueuedTypeId, id })

/**
 * Returns whether the success of a call says that it was parked.
 *
 * @category guards
 * @since 0.1.0
 */
export const isParked = (u: unknown): u is Parked => typeof u === "object" && u !== null && ParkedTypeId in u

/**
 * Returns whether the success of a call says that it was queued.
 *
 * @category guards
 * @since 0.1.0
 */
export const isQueued = (u: unknown): u is Queued => typeof u === "object" && u !== null && QueuedTypeId in u
