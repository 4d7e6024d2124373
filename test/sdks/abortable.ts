/**
 * What SDKs leave to be done by hand: a `fetch` that ends with the attempt, and follows no redirect.
 */
import { AsyncLocalStorage } from "node:async_hooks"

const signals = new AsyncLocalStorage<AbortSignal>()

/** Calls an SDK whose methods take no abort signal: `fetchOnce`, or whatever else sends, finds it by `currentSignal`. */
export const abortable = <A>(signal: AbortSignal, call: () => Promise<A>): Promise<A> => signals.run(signal, call)

export const currentSignal = (): AbortSignal | undefined => signals.getStore()

/**
 * Sends once, to the host that was asked for. `fetch` follows redirects by itself: it leaves `Authorization` behind at the
 * border of an origin, but not the body of a POST.
 */
export const fetchOnce: typeof fetch = (input, init) => {
  const all = [init?.signal, currentSignal()].filter((signal) => signal !== undefined && signal !== null)
  return fetch(input, { ...init, redirect: init?.redirect ?? "manual", signal: AbortSignal.any(all) })
}
