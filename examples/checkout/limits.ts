/** The limits that every client of this demo gets, wherever its recipe has such an option. */
export const limits = {
  /** Sends per call, the first one included. */
  attempts: 5,
  attemptTimeoutMs: 500,
  totalTimeoutMs: 4_000,
  /** A circuit opens after this many failures in a row, for a time that doubles between these bounds. */
  breaker: { failures: 5, openMs: 1_000, maxOpenMs: 5_000 }
} as const

/** Orders in flight at the same time, for every client. */
export const concurrency = 32

/** A call that has not settled this long after its start is cut by the harness and counted as hung. */
export const hungAfterMs = 5_000
