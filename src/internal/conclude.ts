import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type { PolicyDecision } from "../Call.ts"
import { type CallFailure, isCallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import type { CallRecord } from "./call.ts"
import type { Ticket } from "./drain.ts"
import { envOf } from "./env.ts"
import type { Hub } from "./hub.ts"
import { callOutcome, errorType, levelOf, log, notify, spanExit } from "./observe.ts"
import { nanosOf, setLazily } from "./span.ts"
import { nowOf } from "./timer.ts"

/** Whom the calls of an operation are told to, beside the fiber's own observers. */
export interface Told {
  readonly metrics: Telemetry.OperationMetrics
  readonly observers: ReadonlyArray<(event: Telemetry.CallObserved) => void>
  readonly hub: Hub
}

/** Ends a call for telemetry and for its layer, once. `undefined` if that is done and there is nothing left to run. */
export const conclude = (
  { hub, metrics, observers }: Told,
  call: CallRecord,
  exit: Exit.Exit<unknown, CallFailure>,
  fiber: Fiber.Fiber<unknown, unknown>,
  ticket: Ticket | undefined,
  /** Whether nothing stands between the end of its last try and its own. */
  atOnce: boolean
): Effect.Effect<void> | undefined => {
  const span = call.span!
  metrics.active(-1, fiber.context)
  const failure = failureOf(exit, call, fiber)
  const env = envOf(fiber)
  const seen = observe(call, failure, exit, (atOnce ? call.endedAt : undefined) ?? env.clock.currentTimeMillisUnsafe())
  metrics.update(seen, fiber.context)
  setAttributes(span, call, seen, failure)
  span.end(
    (atOnce ? call.endedAtNanos : undefined) ?? nanosOf(fiber),
    Exit.isSuccess(exit)
      ? Exit.void
      : failure === undefined
        ? Exit.failCause(exit.cause as Cause.Cause<never>)
        : spanExit(failure.reason._tag, failure.reason.message)
  )
  const own = env.observers
  const all = own.length === 0 ? observers : observers.length === 0 ? own : [...new Set([...observers, ...own])]
  const level = levelOf(env, seen.callOutcome)
  let told: Effect.Effect<void> | undefined
  if (all.length > 0 || hub.watchers.length > 0 || level !== undefined) {
    const event: Telemetry.CallObserved = { ...seen, traceId: call.traceId, correlationId: call.correlationId }
    if (all.length > 0) told = notify(all, event)
    if (hub.watchers.length > 0) told = then(told, notify(hub.watchers, event))
    if (level !== undefined) told = then(told, log(level, event, span, failure))
  }
  if (ticket === undefined) return told
  if (call.lingering !== undefined) return then(told, leaveLater(call, ticket))
  if (told !== undefined)
    return then(
      told,
      Effect.sync(() => ticket.leave())
    )
  ticket.leave()
  return undefined
}

/** What is to be told of a call, but for the ids of its trace, which are made when somebody wants them. */
type Seen = Omit<Telemetry.CallObserved, "traceId" | "correlationId">

const then = (
  first: Effect.Effect<void> | undefined,
  second: Effect.Effect<void> | undefined
): Effect.Effect<void> | undefined =>
  first === undefined ? second : second === undefined ? first : Effect.andThen(first, second)

const setAttributes = (span: Tracer.Span, call: CallRecord, event: Seen, failure: CallFailure | undefined): void => {
  span.attribute(names.outcome, event.callOutcome)
  span.attribute(names.effect, event.outcome)
  span.attribute(names.attempts, Telemetry.attemptsMade(event))
  setLazily(span, names.correlationId, () => call.correlationId)
  if (event.retryDelay > 0) span.attribute(names.retryDelay, event.retryDelay / 1000)
  if (event.queueWait > 0) span.attribute(names.queueWait, event.queueWait / 1000)
  if (event.stream !== undefined) streamAttributes(span, event.stream)
  if (event.key !== undefined) span.attribute(names.key, event.key)
  if (event.errorType !== undefined) span.attribute(names.errorType, event.errorType)
  const after = failure?.reason.retryAfter
  if (after !== undefined) span.attribute(names.retryAfter, Duration.toSeconds(after))
  for (const decision of event.decisions) spanEvent(span, decision)
}

const names = Telemetry.names

/** What the call gave up may still run when it has ended. Until then a closing layer waits for it. */
const leaveLater = (call: CallRecord, ticket: Ticket): Effect.Effect<void> =>
  Effect.sync(() => {
    call.over = true
    let running = call.lingering!.length
    for (const fiber of call.lingering!) {
      fiber.addObserver(() => {
        if (--running === 0) ticket.leave()
      })
    }
  })

/** The failure behind an exit. A defect of a custom layer becomes one, so that none escapes. */
export const failureOf = (
  exit: Exit.Exit<unknown, CallFailure>,
  call: CallRecord,
  fiber: Fiber.Fiber<unknown, unknown>
): CallFailure | undefined => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isFailReason(reason) && isCallFailure(reason.error)) return reason.error
  }
  const defect = Cause.squash(exit.cause)
  return call.fail(
    Reason.make("Failed", { message: "a layer of the policy died", cause: defect, outcome: call.outcome() }),
    "not transient",
    nowOf(fiber)
  )
}

const observe = (
  call: CallRecord,
  failure: CallFailure | undefined,
  exit: Exit.Exit<unknown, unknown>,
  now: number
): Seen => ({
  integration: call.integration,
  operation: call.operation,
  callOutcome: Exit.isFailure(exit) && failure === undefined ? "cancelled" : callOutcome(call, failure),
  outcome:
    failure === undefined
      ? Exit.isSuccess(exit) && !call.fellBack && call.stored === undefined
        ? "Applied"
        : call.outcome()
      : failure.outcome,
  errorType: failure === undefined ? undefined : errorType(failure.reason),
  attempts: call.attempts,
  startedAt: call.startedAt,
  latency: now - call.startedAt,
  retryDelay: call.waited,
  queueWait: call.totalQueued,
  queuedFor: { bulkhead: call.totalQueued - call.totalQueuedForRate, ratelimit: call.totalQueuedForRate },
  key: call.key,
  requestId: (call.attempts.findLast(({ reason }) => reason === "Success") ?? call.attempts.at(-1))?.requestId,
  decisions: call.decisions ?? nothing,
  ...(call.stream === undefined ? undefined : { stream: call.stream.observed(call.startedAt) })
})

const nothing: ReadonlyArray<PolicyDecision> = []

const streamAttributes = (span: Tracer.Span, { bytes, elements, firstElement }: Telemetry.StreamObserved): void => {
  span.attribute(Telemetry.names.streamElements, elements)
  span.attribute(Telemetry.names.streamBytes, bytes)
  if (firstElement !== undefined) span.attribute(Telemetry.names.streamFirstElement, firstElement / 1000)
}

/** What a layer decided, as an event of the call's span. A retry has one of its own, with its delay. */
const spanEvent = (span: Tracer.Span, decision: PolicyDecision): void => {
  if (decision.decided === "retried" && decision.mode === "enforce") return
  span.event(Telemetry.names.policyEvent, BigInt(Math.round(decision.at * 1e6)), {
    [Telemetry.names.policy]: decision.policy,
    [Telemetry.names.policyName]: decision.name,
    [Telemetry.names.decided]: decision.decided,
    [Telemetry.names.mode]: decision.mode
  })
}
