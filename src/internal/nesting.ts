import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { Budget } from "./budget.ts"
import type { CallRecord } from "./call.ts"

/**
 * What the retries of one call, and of every call that is made inside it, are taken from. Without it a call that is
 * retried three times, and makes a call that is retried three times, sends nine requests.
 */
export class Allowance {
  /** How many retries are left, for all of them together. */
  left: number
  /** Whether the call has ended. What outlives it, such as a worker that it started, is not part of it. */
  ended = false
  /** Whether the call looks up what became of it: its look is meant to be made inside it, and to be tried again. */
  looking = false
  readonly name: string
  readonly attempts: number
  readonly hedges: number
  readonly budget: Budget | undefined

  constructor(name: string, attempts: number, hedges: number, budget: Budget | undefined) {
    this.name = name
    this.attempts = attempts
    this.left = attempts - 1
    this.hedges = hedges
    this.budget = budget
  }
}

/** The allowance of the outermost retried call that the fiber runs in. */
export const Current: Context.Reference<Allowance | undefined> = Context.Reference<Allowance | undefined>(
  "breakwater/Nesting/Current",
  { defaultValue: () => undefined }
)

/**
 * The allowance that a call has to share. A stored call that is made again is nobody's part, whoever's fiber makes it: its
 * caller has gone, and each of its tries is of its own.
 */
export const allowanceAround = (fiber: Fiber.Fiber<unknown, unknown>, call: CallRecord): Allowance | undefined => {
  const current = fiber.getRef(Current)
  return current === undefined || current.ended || call.resumed ? undefined : current
}

/** A retried call that was seen around another one. */
export interface Around {
  readonly name: string
  readonly attempts: number
  readonly hedges: number
}

// What the process has seen, for plans to tell. Nothing is decided by it.
const seen = new Map<string, Map<string, Around>>()

export const nameOf = (integration: string, operation: string): string => `${integration}.${operation}`

export const note = (inner: string, { attempts, hedges, name }: Allowance): void => {
  let around = seen.get(inner)
  if (around === undefined) seen.set(inner, (around = new Map()))
  around.set(name, { name, attempts, hedges })
}

export const seenAround = (inner: string): ReadonlyArray<Around> => [...(seen.get(inner)?.values() ?? [])]
