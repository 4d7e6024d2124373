/**
 * The limit: one function, written by hand, that does everything at the level of promises. Nobody's library, and no design:
 * it has no interruption, no schedule, no registry of metrics that could be replaced, and can be used for one call only.
 */
import { randomUUID } from "node:crypto"
import type { Peer } from "../peer.ts"

class TimedOut extends Error {}
class Rejected extends Error {}
class Failed extends Error {}
class Malformed extends Error {}

const bounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

export const hand: Peer = {
  name: "a promise function by hand that does the same",
  docs: "https://nodejs.org/api/globals.html#class-abortcontroller",
  has: ["retry", "attemptTimeout", "totalTimeout", "abort", "breaker", "bulkhead", "span", "metrics", "key", "decode"],
  lacks: ["interruption", "schedules", "half-open probe", "retry budget", "a tracer", "a registry", "typed errors"],
  make: (leaf, settings) => {
    const waiting: Array<() => void> = []
    const buckets = new Float64Array(bounds.length + 1)
    const counters = { ok: 0, error: 0 }
    let running = 0
    let failures = 0
    let openUntil = 0
    let spans = 0
    let sum = 0
    const observe = (value: number) => {
      let at = 0
      while (at < bounds.length && value > bounds[at]!) at++
      buckets[at]!++
      sum += value
    }
    const call = async (): Promise<unknown> => {
      const start = performance.now()
      const key = randomUUID()
      const span = { name: "call", start, end: 0, attributes: { service: "bench" }, failed: false, sum: 0 }
      const deadline = start + settings.total
      try {
        for (let attempt = 0; ; attempt++) {
          if (openUntil !== 0 && performance.now() < openUntil) throw new Rejected("open")
          if (running >= settings.concurrency) await new Promise<void>((resolve) => waiting.push(resolve))
          running++
          const millis = Math.max(0, Math.min(settings.attempt, deadline - performance.now()))
          try {
            const controller = new AbortController()
            const answer = await new Promise<unknown>((resolve, reject) => {
              const timer = setTimeout(() => {
                controller.abort()
                reject(new TimedOut())
              }, millis)
              leaf(controller.signal, key).then(
                (value) => {
                  clearTimeout(timer)
                  resolve(value)
                },
                (cause: unknown) => {
                  clearTimeout(timer)
                  reject(new Failed("the call failed", { cause }))
                }
              )
            })
            if (typeof answer !== "string") throw new Malformed("expected a string")
            failures = 0
            counters.ok++
            return answer
          } catch (error) {
            if (++failures >= settings.consecutive) openUntil = performance.now() + settings.open
            if (attempt >= settings.retries || performance.now() >= deadline || error instanceof Malformed) {
              counters.error++
              span.failed = true
              throw error
            }
          } finally {
            running--
            waiting.shift()?.()
          }
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt))
        }
      } finally {
        span.end = performance.now()
        observe(span.end - start)
        span.sum = sum
        spans++
      }
    }
    return { call, spans: () => spans, counted: () => counters.ok + counters.error }
  }
}
