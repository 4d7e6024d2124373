/**
 * The names of the signals, and the one event of every call. Exporters are Effect's.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import type { PolicyDecision } from "./Call.ts"
import { labelsFor } from "./internal/series.ts"
import type { Attempt } from "./CallFailure.ts"
import type { Outcome } from "./Outcome.ts"
import { isLocalRejection } from "./Reason.ts"

/**
 * How a call ended, as a closed list. `ok_after_retry` needed more than one attempt; `exhausted` was transient to the
 * end; the `rejected_*` never left this process and are kept out of latency percentiles.
 *
 * @category models
 * @since 0.1.0
 */
export type CallOutcome =
  | "ok"
  | "ok_after_retry"
  | "fallback"
  | "parked"
  | "queued"
  | "failed"
  | "exhausted"
  | "timeout"
  | "decode_failed"
  | "rejected_breaker"
  | "rejected_ratelimit"
  | "rejected_bulkhead"
  | "cancelled"

/**
 * What is known about a call when it has ended. Exactly one per logical call: failures, rejections, interruptions and
 * defects included.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallObserved {
  readonly integration: string
  readonly operation: string
  readonly callOutcome: CallOutcome
  /** Whether the effect happened. */
  readonly outcome: Outcome
  /**
   * A status as text, or a word: `timeout`, `transport`, `decode`, `circuit_open`, `bulkhead_full`, `rate_limited`,
   * `truncated`, `not_started`, `not_authenticated`, `invalid_input`, `source_failed`, `_OTHER`, and for an error that is told with a 2xx its
   * reason, such as `throttled` or `declared`. Absent for successes and for calls that the caller gave up.
   */
  readonly errorType: string | undefined
  readonly attempts: ReadonlyArray<Attempt>
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** Milliseconds from the call to its end. */
  readonly latency: number
  /** Milliseconds spent in backoff, and in queues. */
  readonly retryDelay: number
  readonly queueWait: number
  /** What `queueWait` was for: a permit of the bulkhead, or the rate. */
  readonly queuedFor: { readonly bulkhead: number; readonly ratelimit: number }
  readonly correlationId: string
  readonly traceId: string | undefined
  readonly key: string | undefined
  readonly requestId: string | undefined
  /** How far a stream came. Absent for a call whose answer is none. */
  readonly stream?: StreamObserved | undefined
  /** What the layers decided, in order: retries, rejections, waits. In mode `observe`, what they would have. */
  readonly decisions: ReadonlyArray<PolicyDecision>
}

/**
 * How far a stream came, with times in milliseconds from the call. What it was waited for is `firstElement`; `latency` is
 * the whole, the consumer's own time included.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamObserved {
  readonly firstByte: number | undefined
  readonly firstElement: number | undefined
  readonly elements: number
  /** As the client gives them, which may have decompressed them. */
  readonly bytes: number
  /** How often it went on after a cut. */
  readonly resumed: number
}

/**
 * How many attempts of a call were made. Its history also has those that this process turned away before they were sent:
 * of a call that the breaker rejected it is 0.
 *
 * **Example** (A call that was rejected)
 *
 * ```ts
 * import { Telemetry } from "breakwater"
 *
 * Telemetry.attemptsMade({ attempts: [] }) // => 0
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const attemptsMade = (event: Pick<CallObserved, "attempts">): number => {
  let made = 0
  for (const { reason } of event.attempts) if (!isLocalRejection({ _tag: reason })) made++
  return made
}

/**
 * Names of spans' attributes, events and metrics. Tests and dashboards read them from here.
 *
 * @category constants
 * @since 0.1.0
 */
export const names = {
  integration: "breakwater.integration",
  operation: "breakwater.operation",
  outcome: "breakwater.outcome",
  effect: "breakwater.effect",
  attempts: "breakwater.attempts",
  key: "breakwater.idempotency_key",
  correlationId: "breakwater.correlation_id",
  retryDelay: "breakwater.retry_delay",
  retryAfter: "breakwater.retry_after",
  queueWait: "breakwater.queue_wait",
  streamElements: "breakwater.stream.elements",
  streamBytes: "breakwater.stream.bytes",
  streamFirstElement: "breakwater.stream.first_element",
  errorType: "error.type",
  peer: "service.peer.name",
  resendCount: "http.request.resend_count",
  reauthenticated: "breakwater.reauthenticated",
  hedge: "breakwater.hedge",
  method: "http.request.method",
  status: "http.response.status_code",
  template: "url.template",
  server: "server.address",
  port: "server.port",
  retryEvent: "breakwater.retry",
  staleAge: "breakwater.stale_age",
  policyEvent: "breakwater.policy",
  policy: "breakwater.policy",
  policyName: "breakwater.policy.name",
  decided: "breakwater.decision",
  mode: "breakwater.mode",
  policyDecisions: "breakwater.policy.decisions",
  callDuration: "breakwater.call.duration",
  callAttempts: "breakwater.call.attempts",
  callRetryDelay: "breakwater.call.retry_delay",
  callQueueWait: "breakwater.call.queue_wait",
  activeCalls: "breakwater.active_calls",
  rateLimiterRemaining: "breakwater.rate_limiter.remaining",
  breakerState: "breakwater.circuit_breaker.state",
  breakerKey: "breakwater.circuit_breaker.key",
  breakerTransitions: "breakwater.circuit_breaker.transitions",
  breakerFrom: "breakwater.circuit_breaker.from",
  breakerTo: "breakwater.circuit_breaker.to",
  breakerOpen: "breakwater.circuit_breaker.open_circuits",
  bulkheadRunning: "breakwater.bulkhead.running",
  bulkheadWaiting: "breakwater.bulkhead.waiting",
  httpDuration: "http.client.request.duration",
  attemptDuration: "breakwater.attempt.duration",
  overflow: "breakwater.telemetry.overflow",
  outboxDepth: "breakwater.outbox.depth",
  outboxOldestAge: "breakwater.outbox.oldest_age",
  outboxEnded: "breakwater.outbox.ended",
  receiver: "breakwater.receiver",
  receiverRequests: "breakwater.receiver.requests"
} as const

/**
 * What is known of a metric before anything was measured. `labels` are all that a series of it may have.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricInfo {
  readonly type: "counter" | "gauge" | "histogram"
  /** As UCUM writes it: `s`, and in braces what is counted. */
  readonly unit: string
  readonly labels: ReadonlyArray<string>
}

const ofOperation = [names.integration, names.operation]
const ofPolicy = [names.integration, names.policyName]

/**
 * Every metric of this package. Names for Prometheus, the dashboard of Grafana and its alerts are made from it.
 *
 * @category constants
 * @since 0.1.0
 */
export const metrics: Readonly<Record<string, MetricInfo>> = {
  [names.callDuration]: { type: "histogram", unit: "s", labels: [...ofOperation, names.outcome, names.errorType] },
  [names.callAttempts]: { type: "histogram", unit: "{attempt}", labels: [...ofOperation, names.outcome] },
  [names.callRetryDelay]: { type: "histogram", unit: "s", labels: ofOperation },
  [names.callQueueWait]: { type: "histogram", unit: "s", labels: [...ofOperation, "gate"] },
  [names.activeCalls]: { type: "gauge", unit: "{call}", labels: ofOperation },
  [names.policyDecisions]: {
    type: "counter",
    unit: "{decision}",
    labels: [...ofOperation, names.policy, names.decided, names.mode]
  },
  [names.httpDuration]: {
    type: "histogram",
    unit: "s",
    labels: [names.integration, names.method, names.server, names.port, names.status, names.errorType]
  },
  [names.attemptDuration]: { type: "histogram", unit: "s", labels: [...ofOperation, names.errorType] },
  [names.breakerState]: {
    type: "gauge",
    unit: "{circuit}",
    labels: [...ofPolicy, names.breakerKey, names.breakerState]
  },
  [names.breakerTransitions]: {
    type: "counter",
    unit: "{transition}",
    labels: [...ofPolicy, names.breakerFrom, names.breakerTo]
  },
  [names.breakerOpen]: { type: "gauge", unit: "{circuit}", labels: ofPolicy },
  [names.bulkheadRunning]: { type: "gauge", unit: "{attempt}", labels: ofPolicy },
  [names.bulkheadWaiting]: { type: "gauge", unit: "{attempt}", labels: ofPolicy },
  [names.rateLimiterRemaining]: {
    type: "gauge",
    unit: "{token}",
    labels: [...ofPolicy, names.operation, names.server]
  },
  [names.outboxDepth]: { type: "gauge", unit: "{call}", labels: [...ofOperation, "state"] },
  [names.outboxOldestAge]: { type: "gauge", unit: "s", labels: [...ofOperation, "state"] },
  [names.outboxEnded]: { type: "counter", unit: "{call}", labels: [...ofOperation, "state"] },
  [names.receiverRequests]: { type: "counter", unit: "{request}", labels: [names.receiver, names.outcome] },
  [names.overflow]: { type: "counter", unit: "{label_set}", labels: ["metric"] }
}

/**
 * The name of a metric of this package in Prometheus, with its unit and `_total` as OpenTelemetry's rules have it, so that
 * it is the same by scrape and through a collector. Other names are left as they are.
 *
 * **When to use**
 *
 * Give it to Effect's `PrometheusMetrics` as `metricNameMapper`, which adds neither by itself.
 *
 * **Example** (Units and totals)
 *
 * ```ts
 * import { Telemetry } from "breakwater"
 *
 * Telemetry.prometheusName(Telemetry.names.callDuration) // => "breakwater_call_duration_seconds"
 * Telemetry.prometheusName(Telemetry.names.policyDecisions) // => "breakwater_policy_decisions_total"
 * Telemetry.prometheusName("my.metric") // => "my.metric"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const prometheusName = (name: string): string => {
  const info = Object.hasOwn(metrics, name) ? metrics[name]! : undefined
  if (info === undefined) return name
  return name.replaceAll(".", "_") + (info.unit === "s" ? "_seconds" : "") + (info.type === "counter" ? "_total" : "")
}

/**
 * Functions that are called with every `CallObserved`. They run synchronously at the end of a call; one that throws is
 * ignored, because an observer must not change what it observes.
 *
 * @category references
 * @since 0.1.0
 */
export const Observers: Context.Reference<ReadonlyArray<(event: CallObserved) => void>> = Context.Reference<
  ReadonlyArray<(event: CallObserved) => void>
>("breakwater/Telemetry/Observers", { defaultValue: () => [] })

/**
 * Adds an observer, for the integrations that it is provided to and for the calls made below it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerObserver = (observe: (event: CallObserved) => void): Layer.Layer<never> =>
  Layer.effectContext(
    Effect.map(Effect.service(Observers), (observers) => Context.make(Observers, [...observers, observe]))
  ) as Layer.Layer<never>

/**
 * The id that ties a call to the request that caused it. Without one, the trace's id is used.
 *
 * @category references
 * @since 0.1.0
 */
export const CorrelationId: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "breakwater/Telemetry/CorrelationId",
  { defaultValue: () => undefined }
)

/**
 * The levels of the one log line per call; `undefined` writes none.
 *
 * @category references
 * @since 0.1.0
 */
export const LogLevels: Context.Reference<{
  readonly ok: LogLevel.LogLevel | undefined
  readonly failed: LogLevel.LogLevel | undefined
}> = Context.Reference<{ readonly ok: LogLevel.LogLevel | undefined; readonly failed: LogLevel.LogLevel | undefined }>(
  "breakwater/Telemetry/LogLevels",
  { defaultValue: () => ({ ok: "Info", failed: "Warn" }) }
)

/** The ids that lead from a line to its trace and its request. What a line says itself, as that of a call does, counts. */
const idsOf = (fiber: Fiber.Fiber<unknown, unknown>): Readonly<Record<string, string>> => {
  const said = fiber.getRef(References.CurrentLogAnnotations)
  const span = fiber.cache.span
  const own = span === undefined || span.traceId === "noop" ? undefined : span
  const ids: Record<string, string> = {}
  const put = (name: string, id: unknown) => {
    if (typeof id === "string") ids[name] = id
  }
  put("trace_id", said["trace_id"] ?? own?.traceId)
  put("span_id", said["span_id"] ?? own?.spanId)
  put("correlation_id", said["correlation_id"] ?? fiber.getRef(CorrelationId) ?? own?.traceId)
  return ids
}

/**
 * A logger that writes a line as JSON, like `Logger.formatJson`, with `trace_id`, `span_id` and `correlation_id` beside
 * its message. Effect's own leaves them out.
 *
 * **Details**
 *
 * It is for every line of a program, not for those of calls only. A line inside a span has the ids of that span. The one
 * line of a call has those of the call's span, whose children are the attempts.
 *
 * **Example** (One line of an application)
 *
 * ```ts
 * import { Telemetry } from "breakwater"
 * import { Effect, Logger } from "effect"
 *
 * const lines: Array<string> = []
 * const logger = Logger.map(Telemetry.formatJson, (line) => void lines.push(line))
 *
 * Effect.logInfo("an order came in").pipe(
 *   Effect.provideService(Telemetry.CorrelationId, "order-42"),
 *   Effect.provide(Logger.layer([logger])),
 *   Effect.runSync
 * )
 *
 * JSON.parse(lines[0]!).correlation_id // => "order-42"
 * ```
 *
 * @category loggers
 * @since 0.1.0
 */
export const formatJson: Logger.Logger<unknown, string> = Logger.make((options) => {
  const { annotations, cause, fiberId, level, message, spans, timestamp } = Logger.formatStructured.log(options)
  return Formatter.formatJson({
    timestamp,
    level,
    message,
    ...idsOf(options.fiber),
    cause,
    annotations,
    spans,
    fiberId
  })
})

/**
 * A logger that writes a line as logfmt, like `Logger.formatLogFmt`, with `trace_id`, `span_id` and `correlation_id`.
 *
 * @category loggers
 * @since 0.1.0
 */
export const formatLogFmt: Logger.Logger<unknown, string> = Logger.make((options) => {
  const said = options.fiber.getRef(References.CurrentLogAnnotations)
  let line = Logger.formatLogFmt.log(options)
  for (const [name, id] of Object.entries(idsOf(options.fiber))) {
    if (said[name] === undefined) line += ` ${name}=${/^[^\s"=]+$/.test(id) ? id : JSON.stringify(id)}`
  }
  return line
})

/**
 * Writes every log line to the console as JSON, with the ids of its trace and of its request.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLogJson: Layer.Layer<never> = Logger.layer([Logger.withConsoleLog(formatJson)])

/**
 * Writes every log line to the console as logfmt, with the ids of its trace and of its request.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLogFmt: Layer.Layer<never> = Logger.layer([Logger.withConsoleLog(formatLogFmt)])

/** OpenTelemetry's boundaries for durations in seconds, and four more for calls that retry. */
const seconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/**
 * The metrics of one operation. Handles are cached per outcome, so that an update costs no look-up by attributes.
 *
 * @category models
 * @since 0.1.0
 */
export interface OperationMetrics {
  readonly update: (event: Omit<CallObserved, "traceId" | "correlationId">, context: Context.Context<never>) => void
  readonly active: (delta: 1 | -1, context: Context.Context<never>) => void
  readonly attempt: (
    options: { readonly seconds: number; readonly status: number | undefined; readonly errorType: string | undefined },
    context: Context.Context<never>
  ) => void
}

/**
 * Creates the metrics of one operation. `http` adds OpenTelemetry's `http.client.request.duration`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMetrics = (options: {
  readonly integration: string
  readonly operation: string
  readonly http?:
    { readonly method: string; readonly server: string | undefined; readonly port: number | undefined } | undefined
}): OperationMetrics => {
  const own = { [names.integration]: options.integration, [names.operation]: options.operation }
  const labels = (context: Context.Context<never>, metric: string, more: Readonly<Record<string, string>>) =>
    labelsFor(context, metric, more, { name: names.overflow })
  const make = (outcome: string, errorType: string | undefined, context: Context.Context<never>) => {
    const attributes = {
      ...own,
      [names.outcome]: outcome,
      ...(errorType === undefined ? {} : { [names.errorType]: errorType })
    }
    return {
      duration: Metric.histogram(names.callDuration, {
        description: "Duration of calls as the application sees them",
        boundaries: [...seconds, 15, 30, 60, 120],
        attributes: labels(context, names.callDuration, { ...attributes, unit: "s" })
      }),
      attempts: Metric.histogram(names.callAttempts, {
        description: "Attempts per call",
        boundaries: [1, 2, 3, 4, 5, 8],
        attributes: labels(context, names.callAttempts, { ...own, [names.outcome]: outcome, unit: "{attempt}" })
      })
    }
  }
  const handles = new Map<string, ReturnType<typeof make>>()
  const retryDelay = Metric.histogram(names.callRetryDelay, {
    description: "Time of a call during which it waited to try again",
    boundaries: seconds,
    attributes: { ...own, unit: "s" }
  })
  const queueWait = (gate: string) =>
    Metric.histogram(names.callQueueWait, {
      description: "Time of a call during which it waited for a permit",
      boundaries: seconds,
      attributes: { ...own, gate, unit: "s" }
    })
  const bulkheadWait = queueWait("bulkhead")
  const rateWait = queueWait("ratelimit")
  const active = Metric.gauge(names.activeCalls, {
    description: "Calls that are running",
    attributes: { ...own, unit: "{call}" }
  })
  const decisions = new Map<string, Metric.Counter<number>>()
  const http = options.http
  const attempts = new Map<string | number | undefined, Metric.Histogram<number>>()
  return {
    update(event, context) {
      // A text that is there already: most calls are of one outcome without an error.
      const id = event.errorType === undefined ? event.callOutcome : `${event.callOutcome} ${event.errorType}`
      let handle = handles.get(id)
      if (handle === undefined) handles.set(id, (handle = make(event.callOutcome, event.errorType, context)))
      handle.duration.updateUnsafe(event.latency / 1000, context)
      handle.attempts.updateUnsafe(attemptsMade(event), context)
      if (event.retryDelay > 0) retryDelay.updateUnsafe(event.retryDelay / 1000, context)
      const { bulkhead, ratelimit } = event.queuedFor
      if (bulkhead > 0) bulkheadWait.updateUnsafe(bulkhead / 1000, context)
      if (ratelimit > 0) rateWait.updateUnsafe(ratelimit / 1000, context)
      for (const { decided, mode, policy } of event.decisions) {
        const which = `${policy} ${decided} ${mode}`
        let counter = decisions.get(which)
        if (counter === undefined) {
          counter = Metric.counter(names.policyDecisions, {
            description: "What the layers of a policy did, or in mode observe would have done",
            incremental: true,
            attributes: labels(context, names.policyDecisions, {
              ...own,
              [names.policy]: policy,
              [names.decided]: decided,
              [names.mode]: mode,
              unit: "{decision}"
            })
          })
          decisions.set(which, counter)
        }
        counter.updateUnsafe(1, context)
      }
    },
    active(delta, context) {
      // Added and not set: another layer of the same integration writes to the same series.
      active.modifyUnsafe(delta, context)
    },
    attempt(attempt, context) {
      const id = attempt.errorType === undefined ? attempt.status : `${attempt.status} ${attempt.errorType}`
      let handle = attempts.get(id)
      if (handle === undefined) {
        const error: Record<string, string> =
          attempt.errorType === undefined ? {} : { [names.errorType]: attempt.errorType }
        const server: Record<string, string> = {}
        if (http?.server !== undefined) server[names.server] = http.server
        if (http?.port !== undefined) server[names.port] = String(http.port)
        if (attempt.status !== undefined) server[names.status] = String(attempt.status)
        handle =
          http === undefined
            ? // A transport with a convention of its own is measured by that alone, and not twice.
              Metric.histogram(names.attemptDuration, {
                description: "Duration of attempts other than HTTP requests",
                boundaries: seconds,
                attributes: labels(context, names.attemptDuration, { ...own, ...error, unit: "s" })
              })
            : Metric.histogram(names.httpDuration, {
                description: "Duration of HTTP client requests",
                boundaries: seconds,
                attributes: labels(context, names.httpDuration, {
                  [names.integration]: options.integration,
                  [names.method]: http.method,
                  ...server,
                  ...error,
                  unit: "s"
                })
              })
        attempts.set(id, handle)
      }
      handle.updateUnsafe(attempt.seconds, context)
    }
  }
}
