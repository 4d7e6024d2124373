// What the fused runner needs to know of the library's own layers. A layer says it beside the transform that it builds,
// which does the same with Effect's operators; a differential test compares the two.
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { CallFailure } from "../CallFailure.ts"
import type { Reason } from "../Reason.ts"
import type { Budget } from "./budget.ts"
import type { CallRecord } from "./call.ts"
import type { Definition } from "./definition.ts"
import type { Keyed } from "./keyed.ts"
import type { Layer } from "./policy.ts"
import type { Allowance } from "./nesting.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** A layer around an attempt, which lets it through at once or not at all. */
export interface Guard {
  readonly kind: "guard"
  readonly keyed: Keyed
  /** Whether what it lets through has to be told to it at the end. */
  readonly isStateful: boolean
  /** Whether an attempt of this key is sure to be let through, if it is entered in the same turn. */
  readonly isClear: (key: string, now: number) => boolean
  /** What `leave` is to be given. */
  readonly enter: (key: string, call: CallRecord, fiber: AnyFiber, now: number) => unknown
  readonly leave: (
    key: string,
    entered: unknown,
    call: CallRecord,
    exit: Exit.Exit<unknown, Reason>,
    fiber: AnyFiber,
    now: number
  ) => void
  /** Why it turns an attempt away that nothing else has let through yet; `undefined` where that takes more to find out. */
  readonly refuse?: (key: string, call: CallRecord, now: number) => Reason | undefined
}

/** The time limit of an attempt. */
export interface Timeout {
  readonly kind: "timeout"
  readonly millis: number
  /** Its reason, when it has ended at a time. */
  readonly cut: (call: CallRecord, at: number) => Reason
}

/** The time limit of a call. */
export interface Total {
  readonly kind: "total"
  readonly millis: number
  /** Notes that it has ended. */
  readonly cut: (call: CallRecord) => void
}

/** What retries are drawn on. */
export interface Budgeted {
  readonly kind: "budget"
  /** Begins a call, and gives what `succeeded` is to be given. */
  readonly begin: (call: CallRecord, now: number) => Budget
  readonly succeeded: (draw: Budget) => void
}

/** What becomes of a call whose first try has failed. */
export interface Retries {
  readonly kind: "retries"
  /** What all retries inside the call are taken from. */
  readonly allowance: (call: CallRecord) => Allowance | undefined
  readonly goOn: (
    call: CallRecord,
    allowance: Allowance | undefined,
    reason: Reason,
    now: number
  ) => Effect.Effect<unknown, CallFailure>
}

export type Fusable = Guard | Timeout | Total | Budgeted | Retries

const fusables = new WeakMap<object, Fusable>()

/** Says what the fused runner does for a transform. */
export const fusable = <T extends object>(transform: T, how: Fusable): T => {
  fusables.set(transform, how)
  return transform
}

export const fusableOf = (transform: object): Fusable | undefined => fusables.get(transform)

const fusedSlots: ReadonlySet<string> = new Set([
  "totalDeadline",
  "budget",
  "retry",
  "circuitBreaker",
  "bulkhead",
  "attemptTimeout"
])

/** Why the calls of an operation are not run by the fused runner; `undefined` if they are. */
export const composedBecause = (
  layers: ReadonlyArray<Layer>,
  { stream, strategy }: Pick<Definition, "stream" | "strategy">
): string | undefined => {
  if (stream !== undefined) return "its answer is a stream"
  if (strategy._tag === "Reconcilable") return "it may look before it sends"
  if (strategy._tag === "Conditional") return "its preconditions are looked at after it was sent"
  const other = layers.find(({ slot }) => !fusedSlots.has(slot))
  if (other !== undefined) return `${other.name} is a layer that is not fused`
  const stored = layers.find(
    ({ settings }) => (settings as { readonly store?: unknown } | undefined)?.store !== undefined
  )
  return stored === undefined ? undefined : `the state of ${stored.name} is in a store`
}
