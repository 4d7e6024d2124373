/**
 * What a soak of the outbox is asked for, and what it found.
 */
import type { ByPoint, Wanted } from "./plan.ts"
import type { Isolation } from "../../idempotency/racing/stores.ts"
import type { Kind, Mutant } from "./protocol.ts"

export interface Options extends Wanted {
  /** Of PostgreSQL. Default: what the server does by itself. */
  readonly isolation?: Isolation | undefined
  readonly processes?: number | undefined
  /** The share of requests that meet a fault. Default: 0.2. */
  readonly faults?: number | undefined
  /** How long after the last strike entries have to end. Default: a minute. */
  readonly settleMillis?: number | undefined
  /** How long without a strike the soak goes on. Default: a minute. */
  readonly stallMillis?: number | undefined
  /** Of what is chosen: the time of a kill, and who is faster, it does not repeat. */
  readonly seed?: number | undefined
  readonly mutant?: Mutant | undefined
  readonly onProgress?: ((kills: number, stops: number) => void) | undefined
}

/** Transactions of orders, and verdicts of a worker, that had to start over. */
export interface Disturbed {
  readonly order: number
  readonly verdict: number
}

export interface Report {
  readonly store: Kind
  readonly isolation: Isolation | undefined
  readonly seed: number
  readonly seconds: number
  readonly kills: number
  readonly killsByPoint: ByPoint
  readonly stops: number
  readonly stopsByPoint: ByPoint
  /** Processes that have lost their connections to the database. */
  readonly cuts: number
  readonly cutsByPoint: ByPoint
  /** What failed in such a process, for that reason. */
  readonly cutOff: Disturbed
  /** What the database asked to start over: SERIALIZABLE only. */
  readonly conflicts: Disturbed
  /** Calls whose transaction was committed. */
  readonly offered: number
  readonly delivered: number
  readonly dead: number
  readonly needsReconcile: number
  /** Committed, and not stored, not ended or not done. */
  readonly lost: number
  readonly executedTwice: number
  readonly unexpected: number
  /** Transactions that were not committed: the business failed, or the process died. */
  readonly rolledBack: number
  readonly requests: number
  /** Claims that ended without a verdict. */
  readonly crashes: number
  readonly redriven: number
  /** Writes of a process that had lost its claim, which the store refused. */
  readonly fenced: number
  readonly swept: number
  /** The first of every kind. */
  readonly examples: ReadonlyArray<string>
}
