import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { AttemptStep, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { format } from "./duration.ts"
import { nowOf } from "./timer.ts"

/** Turns what an attempt ended with into a reason. A defect is `Failed`: no defect escapes where a failure is due. */
export const reasonOf = (cause: Cause.Cause<Reason.Reason>): Reason.Reason => {
  for (const reason of cause.reasons) {
    if (Cause.isFailReason(reason)) return reason.error
  }
  for (const reason of cause.reasons) {
    if (Cause.isDieReason(reason)) {
      return Reason.make("Failed", { message: `a defect: ${nameOf(reason.defect)}`, cause: reason.defect })
    }
  }
  return Reason.make("Failed", { message: "an empty cause" })
}

const nameOf = (u: unknown): string => (u instanceof Error ? u.name : typeof u)

/** How long before the end of a key's life the last attempt must have ended. */
export const margin = (lifetime: number): number => Math.min(60_000, lifetime / 60)

/**
 * Begins and ends one attempt: checks that it may start at all, runs it, and writes it into the call's history whatever
 * happens. Everything inside fails with a `Reason`, everything outside with a `CallFailure`.
 */
export const boundary =
  (site: Site, step: AttemptStep) =>
  (call: CallRecord): Effect.Effect<unknown, CallFailure> =>
    Effect.withFiber((fiber) => {
      const now = nowOf(fiber)
      call.begin(now)
      const refusal = refuse(site, call, now)
      if (refusal !== undefined) {
        call.end(refusal, now)
        return Effect.fail(call.fail(refusal, "no time is left for another attempt", now))
      }
      return Effect.matchCauseEffect(
        Effect.onInterrupt(step(call), () =>
          Effect.sync(() => {
            const end = nowOf(fiber)
            call.end(
              call.cutBy === undefined
                ? "Interrupted"
                : call.cut(
                    call.cutBy === "deadline"
                      ? `cut by the total deadline of ${format(call.deadline - call.startedAt)}`
                      : "cut because the integration shut down"
                  ),
              end
            )
          })
        ),
        {
          onFailure: (cause) => {
            if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
            const end = nowOf(fiber)
            const reason = reasonOf(cause)
            call.end(reason, end)
            return Effect.fail(call.fail(reason, "retries are switched off", end))
          },
          onSuccess: (value) => {
            call.end("Success", nowOf(fiber))
            return Effect.succeed(value)
          }
        }
      )
    })

const refuse = (site: Site, call: CallRecord, now: number): Reason.Reason | undefined => {
  if (now >= call.deadline) return Reason.make("DeadlineExceeded")
  if (
    call.firstSentAt !== undefined &&
    site.lifetime !== Infinity &&
    now + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime
  ) {
    return Reason.make("KeyExpired", {
      message: `the key was first sent ${format(now - call.firstSentAt)} ago and is remembered for ${format(site.lifetime)}`
    })
  }
  return undefined
}
