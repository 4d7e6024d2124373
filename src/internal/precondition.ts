// Changes that the provider makes to one version only. A conflict says that this request changed nothing, and nothing of
// the attempts before it: the version may be another because one of them was applied.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AttemptStep, CallStep } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import type { Precondition } from "../Idempotency.ts"
import * as Outcome from "../Outcome.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { type Services, withServices } from "./context.ts"
import { nowOf } from "./timer.ts"

const isConflict = ({ conflicts }: Precondition, reason: Reason.Reason): boolean =>
  reason._tag === "PreconditionFailed" ||
  ((reason._tag === "Declared" || reason._tag === "Rejected") &&
    reason.status !== undefined &&
    conflicts.has(reason.status))

/** Reads the answers of one attempt: a conflict refuses it, whatever status tells of it, and settles nothing before it. */
export const judged =
  (condition: Precondition, step: AttemptStep): AttemptStep =>
  (call) =>
    Effect.mapError(step(call), (reason) => {
      if (reason._tag === "PreconditionFailed" || !isConflict(condition, reason)) return reason
      const { error, message, requestId, retryAfter, status } = reason
      return Reason.make(reason._tag === "Declared" ? "Declared" : "PreconditionFailed", {
        error,
        message,
        requestId,
        retryAfter,
        status
      })
    })

/** A refusal of this attempt. After one that may have been applied it says nothing of the call. */
const isRefusal = ({ _tag, status = 0, transient }: Reason.Reason): boolean =>
  !transient &&
  (_tag === "PreconditionFailed" || ((_tag === "Declared" || _tag === "Rejected") && status >= 400 && status < 500))

/**
 * Looks what a refusal means that follows an attempt which may have been applied, or says that it is not known. A
 * conflict may be with one's own work, and what a DELETE does not find it may have deleted.
 */
export const settled =
  (condition: Precondition, services: Services, step: CallStep): CallStep =>
  (call) =>
    Effect.suspend(() => {
      const record = call as CallRecord
      if (condition.mayHaveBeenSent && record.prior === "NotSent") record.prior = "Unknown"
      return Effect.catch(step(call), (failure) => {
        if (!isRefusal(failure.reason) || Outcome.didNotHappen(failure.outcome)) return Effect.fail(failure)
        const conflict = isConflict(condition, failure.reason)
        return condition.applied === undefined
          ? inDoubt(record, doubtOf(failure, conflict, "by an earlier attempt of this call or by somebody else"))
          : look(condition, condition.applied, services, record, failure, conflict)
      })
    })

/** A reason of which no case of `translate` knows: they speak of what did not happen. */
const doubtOf = ({ outcome, reason }: CallFailure, conflict: boolean, whose: string): Reason.Reason => {
  const said = reason.status === undefined ? "a conflict" : `status ${reason.status}`
  return Reason.make(conflict ? "PreconditionFailed" : "Rejected", {
    message:
      outcome === "Applied"
        ? `${said}, after an answer that said that it was applied`
        : conflict
          ? `${said}: the version has changed, ${whose}`
          : `${said}, which says nothing of the attempts before it`,
    outcome,
    status: reason.status,
    requestId: reason.requestId
  })
}

const inDoubt = (call: CallRecord, reason: Reason.Reason): Effect.Effect<never, CallFailure> =>
  Effect.withFiber((fiber) => Effect.fail(call.fail(reason, "not transient", nowOf(fiber))))

const look = (
  { conclusive }: Precondition,
  applied: NonNullable<Precondition["applied"]>,
  services: Services,
  call: CallRecord,
  failure: CallFailure,
  conflict: boolean
): Effect.Effect<unknown, CallFailure> =>
  Effect.withFiber((fiber) => {
    // Whoever makes the call again, such as the outbox, looks again.
    const unseen: Reason.Reason = {
      ...doubtOf(failure, conflict, "and it could not be looked up whether by this call"),
      transient: true
    }
    // What a deadline that ends the look says of it.
    call.pending = unseen
    return Effect.matchCauseEffect(
      Effect.provideContext(
        Effect.suspend(() => applied(call.input as never) as Effect.Effect<Option.Option<unknown>, unknown>),
        withServices(fiber.context, services)
      ),
      {
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.fail(
                call.fail(
                  { ...unseen, cause: Cause.squash(cause) },
                  "whether it happened could not be looked up",
                  nowOf(fiber)
                )
              ),
        onSuccess: (found) => {
          call.pending = undefined
          if (Option.isSome(found)) return Effect.succeed(found.value)
          // What was refused for another reason may still be on its way, and not to be seen yet.
          if (!conclusive || !conflict || failure.outcome === "Applied") {
            return inDoubt(call, doubtOf(failure, conflict, "and what is there now does not tell by whom"))
          }
          // The look settles every attempt before it, and what a process before this one did.
          const last = call.attempts.length - 1
          const attempt = call.attempts[last]!
          const message = `${attempt.message}; looked up afterwards: it did not happen`
          call.attempts[last] = { ...attempt, message, resolves: true }
          return Effect.fail(call.fail(failure.reason, failure.stopped, nowOf(fiber)))
        }
      }
    )
  })
