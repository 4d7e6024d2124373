// What an error of Redis or of its client says about a transition.
import * as Predicate from "effect/Predicate"
import { StoreError, type Store } from "../../IdempotencyStore.ts"

const store = "redis"

/**
 * Answers that a server gives before it runs a script, or where the first command of ours, a read, is refused: nothing was
 * written. An answer that is not listed may have come after a write.
 */
const refusals =
  /(?:^|[\s:])(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT|NOAUTH|NOPERM|WRONGPASS|MISCONF|NOREPLICAS|OOM|BUSY|NOSCRIPT|UNBLOCKED)\s/

/** Errors of clients that were given up before anything was sent. */
const unsent: ReadonlyArray<string> = ["ClientClosedError", "ClientOfflineError"]

const isUnsent = (cause: unknown): boolean =>
  Predicate.isError(cause) && unsent.includes((cause.constructor as { readonly name?: string } | undefined)?.name ?? "")

/** What the server said, or the client. */
const textOf = (cause: unknown): string =>
  Predicate.isError(cause) ? cause.message : typeof cause === "string" ? cause : ""

const reads: ReadonlyArray<keyof Store> = ["get", "held"]

/** `cause` is what the client failed with. */
export const failureOf = (operation: keyof Store, cause: unknown): StoreError => {
  const text = textOf(cause)
  if (/(?:^|[\s:])WRONGTYPE\s/.test(text)) return malformed(operation, cause)
  const unwritten = reads.includes(operation) || refusals.test(text) || isUnsent(cause)
  return new StoreError({ reason: "Unavailable", store, operation, tookEffect: unwritten ? "no" : "unknown", cause })
}

export const malformed = (operation: keyof Store, cause: unknown): StoreError =>
  new StoreError({ reason: "Malformed", store, operation, tookEffect: "no", cause })
