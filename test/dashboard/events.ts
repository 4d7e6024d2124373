import type { Telemetry } from "breakwater"
import type { Attempt } from "../../src/CallFailure.ts"

export const attempt = (given: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  reason: "Success",
  message: "answered",
  status: 200,
  outcome: "Applied",
  resolves: true,
  startedAfter: 0,
  elapsed: 0,
  waited: 0,
  queued: 0,
  requestId: undefined,
  ...given
})

/** What is known of a call that ended at a time. */
export const event = (
  endedAt: number,
  latency: number,
  given: Partial<Telemetry.CallObserved> = {}
): Telemetry.CallObserved => ({
  integration: "shop/Rates",
  operation: "today",
  callOutcome: "ok",
  outcome: "Applied",
  errorType: undefined,
  attempts: [attempt()],
  startedAt: endedAt - latency,
  latency,
  retryDelay: 0,
  queueWait: 0,
  queuedFor: { bulkhead: 0, ratelimit: 0 },
  correlationId: "c-1",
  traceId: undefined,
  key: undefined,
  requestId: undefined,
  decisions: [],
  ...given
})
