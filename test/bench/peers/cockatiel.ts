/**
 * cockatiel: https://github.com/connor4312/cockatiel#readme, "wrap(...policies)", `timeout(…, TimeoutStrategy.Aggressive)`
 * with its signal passed on, `ConsecutiveBreaker`. A circuit that is open is not retried, as its page on `handleWhen` shows.
 */
import {
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  handleAll,
  handleWhen,
  isBrokenCircuitError,
  retry,
  timeout,
  TimeoutStrategy,
  wrap
} from "cockatiel"
import type { Feature, Leaf, Peer, Settings } from "../peer.ts"

export const docs = "https://github.com/connor4312/cockatiel#readme"

const layers = (settings: Settings) =>
  [
    retry(
      handleWhen((error) => !isBrokenCircuitError(error)),
      { maxAttempts: settings.retries }
    ),
    circuitBreaker(handleAll, {
      halfOpenAfter: settings.open,
      breaker: new ConsecutiveBreaker(settings.consecutive)
    }),
    bulkhead(settings.concurrency, settings.concurrency),
    timeout(settings.attempt, TimeoutStrategy.Aggressive)
  ] as const

export const wrapped = (leaf: Leaf, settings: Settings) => {
  const policy = wrap(...layers(settings))
  return () => policy.execute(({ signal }) => leaf(signal, undefined))
}

/** With the total timeout around all attempts. */
export const wrappedWithTotal = (leaf: Leaf, settings: Settings) => {
  const policy = wrap(timeout(settings.total, TimeoutStrategy.Aggressive), ...layers(settings))
  return () => policy.execute(({ signal }) => leaf(signal, undefined))
}

const has: ReadonlyArray<Feature> = ["retry", "attemptTimeout", "abort", "breaker", "bulkhead"]

export const cockatiel: Peer = {
  name: "cockatiel: retry, breaker, bulkhead, timeout",
  docs,
  has,
  lacks: ["total deadline", "retry budget", "span", "metrics", "key", "decode", "typed errors", "outcome"],
  make: (leaf, settings) => ({ call: wrapped(leaf, settings) })
}

export const cockatielTotal: Peer = {
  name: "cockatiel: the same and a total timeout",
  docs,
  has: [...has, "totalTimeout"],
  lacks: ["retry budget", "span", "metrics", "key", "decode", "typed errors", "outcome"],
  make: (leaf, settings) => ({ call: wrappedWithTotal(leaf, settings) })
}
