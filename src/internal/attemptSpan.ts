import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { AttemptStep } from "../Call.ts"
import type * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import { reasonOf } from "./boundary.ts"
import type { CallRecord } from "./call.ts"
import type { About } from "./definition.ts"
import { errorType, spanExit } from "./observe.ts"
import { nowOf } from "./timer.ts"

const names = Telemetry.names

/** One CLIENT span per attempt. Retries stand under the call's span as siblings, with `http.request.resend_count`. */
export const attemptSpan = (
  about: About,
  server: { readonly address: string; readonly port: number } | undefined,
  metrics: Telemetry.OperationMetrics,
  step: AttemptStep
): ((call: CallRecord) => Effect.Effect<unknown, Reason.Reason>) => {
  const fixed: Record<string, unknown> =
    about.http === undefined
      ? {}
      : {
          [names.method]: about.http.method,
          [names.template]: about.http.template,
          ...(server === undefined ? {} : { [names.server]: server.address, [names.port]: server.port })
        }
  return (call) =>
    // A span that was begun is ended, wherever the attempt is given up.
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.makeSpan(about.attemptName, {
          kind: "client",
          attributes: {
            ...fixed,
            ...about.attributes,
            [names.integration]: call.integration,
            [names.operation]: call.operation,
            [names.peer]: call.integration,
            ...(call.legNumber === undefined ? {} : { [names.hedge]: call.legNumber }),
            ...(call.attempt > 1 && about.http !== undefined ? { [names.resendCount]: call.attempt - 1 } : {})
          }
        }),
        (span) =>
          Effect.withFiber((fiber) => {
            const started = nowOf(fiber)
            return Effect.onExit(
              restore(Effect.withParentSpan(step(call), span, { captureStackTrace: false })),
              (exit) =>
                Effect.sync(() => {
                  const reason = reasonAt(exit, call)
                  if (call.status !== undefined) span.attribute(names.status, call.status)
                  if (call.reauthenticated) span.attribute(names.reauthenticated, true)
                  if (call.requestId !== undefined) span.attribute("breakwater.provider_request_id", call.requestId)
                  if (reason !== undefined) span.attribute(names.errorType, errorType(reason))
                  metrics.attempt(
                    {
                      seconds: (nowOf(fiber) - started) / 1000,
                      status: call.status,
                      errorType: reason === undefined ? undefined : errorType(reason)
                    },
                    fiber.context
                  )
                  span.end(
                    nanos(fiber),
                    Exit.isSuccess(exit)
                      ? Exit.void
                      : reason === undefined
                        ? Exit.failCause(exit.cause as Cause.Cause<never>)
                        : spanExit(reason._tag, reason.message)
                  )
                })
            )
          })
      )
    )
}

/** Why the attempt failed; `undefined` for a success and for one that the caller gave up. */
const reasonAt = (exit: Exit.Exit<unknown, Reason.Reason>, call: CallRecord): Reason.Reason | undefined =>
  Exit.isSuccess(exit)
    ? undefined
    : !Cause.hasInterruptsOnly(exit.cause)
      ? reasonOf(exit.cause, call)
      : call.cutBy === undefined
        ? undefined
        : call.cut(`cut by the ${call.cutBy}`)

const nanos = (fiber: Fiber.Fiber<unknown, unknown>): bigint => fiber.getRef(Clock.Clock).currentTimeNanosUnsafe()
