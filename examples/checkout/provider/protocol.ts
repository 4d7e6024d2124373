/** The messages between the harness and the provider process, over Node's IPC channel. */
import type { FaultKind, FaultPlan, Operation } from "../faults.ts"
import type { LedgerEntry } from "./state.ts"

export interface ProviderUrls {
  readonly inventory: string
  readonly cards: string
  readonly mail: string
}

/** What a run left behind at the providers. */
export interface Audit {
  readonly ledger: ReadonlyArray<LedgerEntry>
  /** Requests that arrived, by operation; the network's own duplicates are not in it. */
  readonly arrivals: Readonly<Record<Operation, number>>
  /** Faults that were met, by kind. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Executions that a client started and that have not ended yet. */
  readonly pending: number
}

export type Command =
  /** Opens three servers on ports of their own, with empty state. */
  | { readonly type: "start"; readonly run: number; readonly plan: FaultPlan }
  /** Faults come by this plan from now on. */
  | { readonly type: "change"; readonly run: number; readonly plan: FaultPlan }
  /** Answers once no execution is pending. */
  | { readonly type: "settle"; readonly run: number }
  | { readonly type: "audit"; readonly run: number }
  /** Closes the run's servers and every connection to them; stalled answers end here. */
  | { readonly type: "stop"; readonly run: number }

export interface Replies {
  readonly start: ProviderUrls
  readonly change: null
  readonly settle: null
  readonly audit: Audit
  readonly stop: null
}

export type CommandMessage = { readonly id: number; readonly command: Command }

export type ReplyMessage =
  { readonly id: number; readonly ok: Replies[keyof Replies] } | { readonly id: number; readonly error: string }
