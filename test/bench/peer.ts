/** What a peer is: a policy around a function that returns a promise, and what it claims to do. */

/** What is called: it gets the signal and the key of the attempt where the peer has them. */
export type Leaf = (signal: AbortSignal | undefined, key: string | undefined) => Promise<unknown>

/** What `check.ts` has a test for. */
export type Feature =
  "retry" | "attemptTimeout" | "totalTimeout" | "abort" | "breaker" | "bulkhead" | "span" | "metrics" | "key" | "decode"

/** The same numbers for everybody. */
export interface Settings {
  /** Milliseconds. */
  readonly attempt: number
  readonly total: number
  /** Repeats after the first attempt. */
  readonly retries: number
  /** Failures in a row that open the circuit, and milliseconds until it lets a probe through. */
  readonly consecutive: number
  readonly open: number
  readonly concurrency: number
  /** Whether spans are counted, for a check. What is measured has the tracer that a program has by default. */
  readonly observed: boolean
}

export const settings: Settings = {
  attempt: 10_000,
  total: 30_000,
  retries: 2,
  consecutive: 5,
  open: 1_000,
  concurrency: 1_000,
  observed: false
}

export interface Made {
  readonly call: () => Promise<unknown>
  /** How many spans have ended, and how many calls were counted, where it has spans and metrics. */
  readonly spans?: (() => number) | undefined
  readonly counted?: (() => number | Promise<number>) | undefined
}

export interface Peer {
  readonly name: string
  /** The page from which it is configured. */
  readonly docs: string
  readonly has: ReadonlyArray<Feature>
  /** What the others of the table do and this one does not, in words. */
  readonly lacks: ReadonlyArray<string>
  readonly make: (leaf: Leaf, settings: Settings) => Made | Promise<Made>
}
