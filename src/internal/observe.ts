import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as LogLevel from "effect/LogLevel"
import * as Result from "effect/Result"
import type * as Tracer from "effect/Tracer"
import type { Attempt, CallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import type { CallRecord } from "./call.ts"
import type { Env } from "./env.ts"
import { withoutStack } from "./stack.ts"

/**
 * The value of `error.type` for a reason: a status if one was read and is at fault, else a word of a closed list. A 2xx is
 * not at fault for the error that its body tells: there the word is the reason's own.
 */
export const errorType = (reason: Reason.Reason): string => {
  switch (reason._tag) {
    case "InvalidResponse":
      return "decode"
    case "Timeout":
      return "timeout"
    case "CircuitOpen":
      return "circuit_open"
    case "BulkheadFull":
      return "bulkhead_full"
    case "RateLimited":
      return "rate_limited"
    case "InvalidInput":
      return "invalid_input"
    case "SourceFailed":
      return "source_failed"
    case "NotAuthenticated":
      return "not_authenticated"
    case "Unreachable":
    case "Disconnected":
    case "BodyLost":
      return "transport"
    case "Truncated":
      return "truncated"
    case "DeadlineExceeded":
    case "KeyExpired":
    case "BudgetSpent":
    case "Draining":
    case "NotStored":
      return "not_started"
  }
  if (reason.status === undefined) return "_OTHER"
  return reason.status >= 200 && reason.status < 300
    ? reason._tag.replace(/\B[A-Z]/g, "_$&").toLowerCase()
    : String(reason.status)
}

/** Whether this process turned every attempt away. */
const sentNothing = ({ attempts }: CallFailure): boolean =>
  attempts.every((attempt) => Reason.isLocalRejection({ _tag: attempt.reason }))

/** A hedge that was given up, and the one that won, are no failures. */
const failed = (attempt: Attempt): boolean => attempt.reason !== "Success" && attempt.reason !== "Interrupted"

export const callOutcome = (call: CallRecord, failure: CallFailure | undefined): Telemetry.CallOutcome => {
  if (call.stored !== undefined) return call.stored
  if (failure === undefined) return call.fellBack ? "fallback" : call.attempts.some(failed) ? "ok_after_retry" : "ok"
  // It is well, and goes on with its next delivery.
  if (call.durable && call.progress !== undefined && failure.reason._tag === "InProgress") return "queued"
  switch (failure.reason._tag) {
    case "CircuitOpen":
      return sentNothing(failure) ? "rejected_breaker" : "exhausted"
    case "RateLimited":
      return sentNothing(failure) ? "rejected_ratelimit" : "exhausted"
    case "BulkheadFull":
      return sentNothing(failure) ? "rejected_bulkhead" : "exhausted"
    case "Timeout":
    case "DeadlineExceeded":
      return "timeout"
    case "InvalidResponse":
      return "decode_failed"
    case "Truncated":
      if (failure.stopped === "no time is left for another attempt") return "timeout"
  }
  return failure.reason.transient ? "exhausted" : "failed"
}

/** What a span's exit may show: a tag and a message, never a cause that holds a request or an answer. */
export const spanExit = (tag: string, message: string): Exit.Exit<never, Error> =>
  Exit.fail(
    withoutStack(() => {
      const error = new Error(message)
      error.name = tag
      return error
    })
  )

/** Calls every observer; one that throws is ignored. Gives what is to be logged of that. */
export const notify = (
  observers: ReadonlyArray<(event: Telemetry.CallObserved) => void>,
  event: Telemetry.CallObserved
): Effect.Effect<void> | undefined => {
  let failed: Effect.Effect<void> | undefined
  for (const observe of observers) {
    const told = Result.try(() => observe(event))
    if (Result.isSuccess(told)) continue
    const line = Effect.logDebug("an observer of breakwater failed and was ignored", Cause.die(told.failure))
    failed = failed === undefined ? line : Effect.andThen(failed, line)
  }
  return failed
}

/** At which level the line of a call is written; `undefined` if it is not. */
export const levelOf = (
  { levels, minimumLogLevel }: Env,
  outcome: Telemetry.CallOutcome
): LogLevel.LogLevel | undefined => {
  const good = outcome === "ok" || outcome === "ok_after_retry" || outcome === "cancelled"
  const level = good ? levels.ok : levels.failed
  return level === undefined || isBelow(level, minimumLogLevel) ? undefined : level
}

/** The one log line of a call. */
export const log = (
  level: LogLevel.LogLevel,
  event: Telemetry.CallObserved,
  span: Tracer.Span,
  failure: CallFailure | undefined
): Effect.Effect<void> => {
  const attempts = Telemetry.attemptsMade(event)
  const line = Effect.logWithLevel(level as never)(
    `${event.integration} ${event.operation} ${event.callOutcome}` +
      (failure === undefined ? "" : ` ${failure.reason._tag}`)
  )
  const annotated = Effect.annotateLogs(line, {
    integration: event.integration,
    operation: event.operation,
    outcome: event.callOutcome,
    effect: event.outcome,
    attempts,
    latency_ms: Math.round(event.latency * 10) / 10,
    ...(event.retryDelay > 0 ? { retry_delay_ms: Math.round(event.retryDelay) } : {}),
    ...(event.queueWait > 0 ? { queue_wait_ms: Math.round(event.queueWait) } : {}),
    correlation_id: event.correlationId,
    ...(event.traceId === undefined ? {} : { trace_id: event.traceId, span_id: span.spanId }),
    ...(event.key === undefined ? {} : { idempotency_key: event.key }),
    ...(event.requestId === undefined ? {} : { provider_request_id: event.requestId }),
    ...(failure === undefined
      ? {}
      : { error_type: event.errorType, reason: failure.reason.message, stopped: failure.stopped })
  })
  // Exporters of logs read the ids of the current span, which outside of the call is another's, or none.
  const placed =
    event.traceId === undefined ? annotated : Effect.withParentSpan(annotated, span, { captureStackTrace: false })
  // A logger that throws must not change the call's exit.
  return Effect.catchCause(placed, () => Effect.void)
}

const levels = ["All", "Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"]
export const isBelow = (level: string, minimum: string) => levels.indexOf(level) < levels.indexOf(minimum)
