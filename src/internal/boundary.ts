import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AttemptStep, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { format, formatBoth } from "./duration.ts"
import { nowOf } from "./timer.ts"

/**
 * Turns what an attempt ended with into a reason. A defect is `Failed`: no defect escapes where a failure is due. One
 * that struck before anything was sent is known not to have happened.
 */
export const reasonOf = (cause: Cause.Cause<Reason.Reason>, call: CallRecord): Reason.Reason => {
  for (const reason of cause.reasons) {
    if (Cause.isFailReason(reason)) return reason.error
  }
  const outcome = call.phase === "waiting" ? ("NotSent" as const) : undefined
  for (const reason of cause.reasons) {
    if (Cause.isDieReason(reason)) {
      return Reason.make("Failed", { message: `a defect: ${nameOf(reason.defect)}`, cause: reason.defect, outcome })
    }
  }
  return Reason.make("Failed", { message: "an empty cause", outcome })
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
      call.stream?.begin()
      const refusal = refuse(site, call, now)
      if (refusal !== undefined) {
        call.end(refusal, now)
        return Effect.fail(call.fail(refusal, "no time is left for another attempt", now))
      }
      return Effect.matchCauseEffect(
        // Written as the step ends and not after: an interruption in between must not lose an attempt that was sent.
        Effect.onExit(step(call), (exit) => {
          call.end(endOf(exit, call), nowOf(fiber))
          return Effect.void
        }),
        {
          onFailure: (cause) => {
            if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
            return Effect.fail(call.fail(call.lastReason!, "retries are switched off", nowOf(fiber)))
          },
          onSuccess: Effect.succeed
        }
      )
    })

/** What an attempt ended with, for the call's history. */
export const endOf = (
  exit: Exit.Exit<unknown, Reason.Reason>,
  call: CallRecord
): Reason.Reason | "Success" | "Interrupted" =>
  Exit.isSuccess(exit)
    ? "Success"
    : !Cause.hasInterruptsOnly(exit.cause)
      ? reasonOf(exit.cause, call)
      : call.cutBy === undefined
        ? "Interrupted"
        : call.cut(cutMessage(call))

const cutMessage = (call: CallRecord): string =>
  call.cutBy === "deadline"
    ? `cut by the ${call.deadlineOf} of ${format(call.deadline - call.deadlineFrom)}`
    : "cut because the integration shut down"

/** Why an attempt may not start at all. */
export const refuse = (site: Site, call: CallRecord, now: number): Reason.Reason | undefined => {
  if (call.draining) return Reason.make("Draining")
  if (now >= call.deadline) return Reason.make("DeadlineExceeded")
  if (now >= call.leaseUntil) {
    return Reason.make("DeadlineExceeded", { message: "the claim on the stored call has ended: another may make it" })
  }
  if (
    call.firstSentAt !== undefined &&
    // What goes on with a piece of work that has a name of its own sends no key.
    call.progress === undefined &&
    now + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime
  ) {
    const [age, lifetime] = formatBoth(now - call.firstSentAt, site.lifetime)
    return Reason.make("KeyExpired", {
      // What an earlier process sent may have happened.
      outcome: call.firstSentAt < call.startedAt ? "Unknown" : "NotSent",
      message: `the key was first sent ${age} ago and is remembered for ${lifetime}`
    })
  }
  return undefined
}
