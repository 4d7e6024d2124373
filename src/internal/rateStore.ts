import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import { withNow } from "./timer.ts"

export type Store = RateLimiter.RateLimiterStore["Service"]

/** What the tokens of one key are taken from, in memory or in a store that processes share. */
export type KeyStore = Pick<Store, "fixedWindow" | "tokenBucket">

/**
 * The tokens of one key in memory. It counts as Effect's store in memory does, to the last bit, but for one key: whoever
 * has no use for the key any more drops the store. Effect's own comes with its Redis, its pools and its caches, which every
 * program that has a policy would load.
 */
export const makeKeyStore = (): KeyStore => {
  let bucket: { tokens: number; lastRefill: number } | undefined
  const counter = { count: 0, expiresAt: 0 }
  return {
    tokenBucket: ({ allowOverflow, limit, refillRate, tokens }) =>
      withNow((now) => {
        const refill = Duration.toMillis(refillRate)
        bucket ??= { tokens: limit, lastRefill: now }
        const cameBack = Math.floor((now - bucket.lastRefill) / refill)
        if (cameBack > 0) {
          bucket.tokens = Math.min(limit, bucket.tokens + cameBack)
          bucket.lastRefill += cameBack * refill
        }
        if (bucket.tokens >= limit) bucket.lastRefill = now
        const left = bucket.tokens - tokens
        if (allowOverflow || left >= 0) bucket.tokens = left
        return Effect.succeed([left, Math.max(0, now - bucket.lastRefill)] as const)
      }),
    fixedWindow: ({ limit, refillRate, tokens }) =>
      withNow((now) => {
        if (counter.expiresAt <= now) {
          counter.count = 0
          counter.expiresAt = now
        }
        const count = counter.count + tokens
        if (limit === undefined || count <= limit) {
          counter.count = count
          counter.expiresAt += Duration.toMillis(refillRate) * tokens
        }
        return Effect.succeed([count, counter.expiresAt - now] as const)
      })
  }
}
