/**
 * opossum: https://nodeshift.dev/opossum/. Its `timeout` covers the call and its circuit opens by a share of failures:
 * with a volume of `consecutive` and half of them it opens after that many failures in a row.
 */
import CircuitBreaker from "opossum"
import type { Peer } from "../peer.ts"

export const opossum: Peer = {
  name: "opossum: timeout, breaker",
  docs: "https://nodeshift.dev/opossum/",
  has: ["attemptTimeout", "breaker"],
  lacks: [
    "retry",
    "queue of the bulkhead",
    "abort signal per call",
    "total deadline",
    "span",
    "metrics",
    "key",
    "decode"
  ],
  make: (leaf, settings) => {
    const breaker = new CircuitBreaker(() => leaf(undefined, undefined), {
      timeout: settings.attempt,
      errorThresholdPercentage: 50,
      volumeThreshold: settings.consecutive,
      resetTimeout: settings.open,
      capacity: settings.concurrency
    })
    return { call: () => breaker.fire() }
  }
}
