import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type { AttemptStep } from "../Call.ts"
import type * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import { reasonOf } from "./boundary.ts"
import type { CallRecord } from "./call.ts"
import type { About } from "./definition.ts"
import { errorType, spanExit } from "./observe.ts"
import { type Attributes, nanosOf, startSpan } from "./span.ts"
import { nowOf } from "./timer.ts"

const names = Telemetry.names

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The spans and the metrics of the attempts of one operation. */
export class AttemptSpans {
  private readonly name: string
  private readonly http: boolean
  private readonly attributes: Attributes
  private readonly metrics: Telemetry.OperationMetrics

  constructor(
    about: About,
    server: { readonly address: string; readonly port: number } | undefined,
    metrics: Telemetry.OperationMetrics,
    site: { readonly integration: string; readonly operation: string }
  ) {
    this.name = about.attemptName
    this.http = about.http !== undefined
    this.metrics = metrics
    this.attributes = Object.entries({
      ...(about.http === undefined ? {} : { [names.method]: about.http.method, [names.template]: about.http.template }),
      ...(about.http === undefined || server === undefined
        ? {}
        : { [names.server]: server.address, [names.port]: server.port }),
      ...about.attributes,
      [names.integration]: site.integration,
      [names.operation]: site.operation,
      [names.peer]: site.integration
    })
  }

  start(call: CallRecord, fiber: AnyFiber, around: Tracer.AnySpan | undefined, startTime: bigint): Tracer.Span {
    const span = startSpan(fiber, this.name, "client", around, this.attributes, none, startTime)
    if (call.legNumber !== undefined) span.attribute(names.hedge, call.legNumber)
    if (call.attempt > 1 && this.http) span.attribute(names.resendCount, call.attempt - 1)
    return span
  }

  /** Ends the span of an attempt that began and ended at these times. */
  end(
    span: Tracer.Span,
    call: CallRecord,
    exit: Exit.Exit<unknown, Reason.Reason>,
    fiber: AnyFiber,
    began: number,
    now: number,
    endTime: bigint
  ): void {
    const reason = Exit.isSuccess(exit) ? undefined : reasonAt(exit.cause, call)
    const type = reason === undefined ? undefined : errorType(reason)
    if (call.status !== undefined) span.attribute(names.status, call.status)
    if (call.reauthenticated) span.attribute(names.reauthenticated, true)
    if (call.requestId !== undefined) span.attribute("breakwater.provider_request_id", call.requestId)
    if (type !== undefined) span.attribute(names.errorType, type)
    this.metrics.attempt({ seconds: (now - began) / 1000, status: call.status, errorType: type }, fiber.context)
    span.end(
      endTime,
      Exit.isSuccess(exit)
        ? Exit.void
        : reason === undefined
          ? Exit.failCause(exit.cause as Cause.Cause<never>)
          : spanExit(reason._tag, reason.message)
    )
  }
}

const none: ReadonlyArray<Tracer.SpanLink> = []

/** One CLIENT span per attempt. Retries stand under the call's span as siblings, with `http.request.resend_count`. */
export const attemptSpan =
  (spans: AttemptSpans, step: AttemptStep): ((call: CallRecord) => Effect.Effect<unknown, Reason.Reason>) =>
  (call) =>
    Effect.withFiber((fiber) => {
      let span: Tracer.Span | undefined
      let began = 0
      // A span that was begun is ended, wherever the attempt is given up.
      return Effect.onExitPrimitive(
        Effect.suspend(() => {
          began = nowOf(fiber)
          span = spans.start(call, fiber, fiber.cache.span, nanosOf(fiber))
          return Effect.withParentSpan(step(call), span, { captureStackTrace: false })
        }),
        (exit) => {
          if (span !== undefined) spans.end(span, call, exit, fiber, began, nowOf(fiber), nanosOf(fiber))
          return undefined
        }
      )
    })

/** Why the attempt failed; `undefined` for one that the caller gave up. */
const reasonAt = (cause: Cause.Cause<Reason.Reason>, call: CallRecord): Reason.Reason | undefined =>
  !Cause.hasInterruptsOnly(cause)
    ? reasonOf(cause, call)
    : call.cutBy === undefined
      ? undefined
      : call.cut(`cut by the ${call.cutBy}`)
