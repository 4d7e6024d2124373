/** prom-client: https://github.com/siimon/prom-client#readme, a counter and a histogram whose labels were named before. */
import { Counter, Histogram, Registry } from "prom-client"

export const docs = "https://github.com/siimon/prom-client#readme"

/** A counter by outcome, and a histogram of seconds, for every call. */
export const counted = (call: () => Promise<unknown>) => {
  const registers = [new Registry()]
  const labelNames = ["operation", "outcome"] as const
  const calls = new Counter({ name: "calls_total", help: "Calls", labelNames, registers })
  const seconds = new Histogram({ name: "call_seconds", help: "Seconds of a call", labelNames, registers })
  const ok = { operation: "call", outcome: "ok" } as const
  const failed = { operation: "call", outcome: "failed" } as const
  return {
    counted: async () => (await calls.get()).values.reduce((sum, { value }) => sum + value, 0),
    call: async () => {
      const began = performance.now()
      let outcome: typeof ok | typeof failed = failed
      try {
        const answer = await call()
        outcome = ok
        return answer
      } finally {
        calls.inc(outcome)
        seconds.observe(outcome, (performance.now() - began) / 1000)
      }
    }
  }
}
