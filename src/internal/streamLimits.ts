// The limits of a policy around a stream: they hold until it flows. What flows has limits of its own.
import * as Effect from "effect/Effect"
import type { CallStep, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { format } from "./duration.ts"
import { Alarm, cutBy, type StreamRecord } from "./streaming.ts"
import { cutAfter, withNow } from "./timer.ts"

/** The failure of a call that is cut now, by its deadline. */
export const cutByDeadline = (call: CallRecord): Effect.Effect<never, CallFailure> => {
  const message = `not done within the ${call.deadlineOf} of ${format(Math.max(0, call.deadline - call.deadlineFrom))}`
  return withNow((now) => {
    const last = call.attempts.at(-1)
    const cut = call.cut(message)
    return Effect.fail(
      call.fail(
        last === undefined ? cut : { ...cut, outcome: last.outcome },
        "no time is left for another attempt",
        now
      )
    )
  })
}

/** The attempt timeout: until the provider begins to answer. */
export const attemptUntilAnswer = (
  step: (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>,
  call: CallRecord,
  stream: StreamRecord,
  millis: number,
  now: number,
  site: Site
): Effect.Effect<unknown, Reason.Reason> => {
  const enforces = site.mode() !== "observe"
  call.hasFullLimit = !enforces || call.deadline - now >= millis * 0.99
  const alarm = new Alarm()
  if (enforces && millis < call.deadline - now) alarm.set(now + millis, now)
  stream.onAnswer = (at) => {
    // From here on no limit of the policy cuts it: what cuts it says nothing about the provider.
    call.hasFullLimit = false
    alarm.set(Infinity, at)
    if (!enforces && at > now + millis) site.decided(call, "cut", now + millis)
  }
  return cutBy(step(call), alarm, now, () => {
    site.decided(call, "cut", now + millis)
    return Effect.fail(call.cut(`cut by the attempt timeout of ${format(millis)}`))
  })
}

/** The total deadline: until the first element, and after a cut until the next. */
export const deadlineUntilFlow = <E>(
  self: Effect.Effect<unknown, E | CallFailure>,
  call: CallRecord,
  stream: StreamRecord,
  millis: number,
  now: number,
  site: Site | undefined
): Effect.Effect<unknown, E | CallFailure> => {
  const outer = call.deadline
  const outerOf = call.deadlineOf
  const alarm = new Alarm()
  const begin = (from: number, at: number) => {
    const own = from + millis
    if (own >= outer || site?.mode() !== "enforce") return
    call.deadline = own
    call.deadlineOf = "total deadline"
    call.deadlineFrom = from
    alarm.set(own, at)
  }
  stream.onFlow = (at) => {
    call.deadline = outer
    call.deadlineOf = outerOf
    call.deadlineFrom = call.startedAt
    alarm.set(Infinity, at)
  }
  stream.onStall = (at) => begin(at, at)
  begin(call.startedAt, now)
  return cutBy(self, alarm, now, () => {
    // Before the interruption, which reads it.
    call.cutBy = "deadline"
    site?.decided(call, "cut", call.deadline)
    return Effect.suspend(() => cutByDeadline(call))
  })
}

/** The limit of the whole stream, around all layers, and the caller's deadline. */
export const withTotal =
  (step: CallStep): CallStep =>
  (anyCall) =>
    withNow((now) => {
      const call = anyCall as CallRecord
      const own = call.startedAt + call.stream!.total
      if (call.deadline <= own) call.deadlineOf = "caller's deadline"
      else {
        call.deadline = own
        call.deadlineOf = "total limit of the stream"
      }
      const told = Effect.catch(step(call), (failure) => withNow((at) => Effect.fail(whole(call, failure, at))))
      return cutAfter(told, call.deadline - now, () => {
        call.cutBy = "deadline"
        return Effect.suspend(() => cutByDeadline(call))
      })
    })

/** What a stream failed with when it could not go on: that it was cut is what its consumer has to know. */
export const whole = (call: CallRecord, failure: CallFailure, now: number): CallFailure => {
  const { stream } = call
  const { reason } = failure
  if (stream === undefined || stream.elements === 0 || stream.progressed) return failure
  if (reason._tag === "Truncated" || reason._tag === "Declared") return failure
  return call.fail(
    {
      ...Reason.make("Truncated", { message: `${cutAt(stream)}, and it could not go on: ${reason.message}` }),
      transient: reason.transient,
      health: reason.health,
      status: reason.status,
      retryAfter: reason.retryAfter,
      requestId: reason.requestId,
      cause: reason.cause
    },
    failure.stopped,
    now
  )
}

/** How far it had come. */
export const cutAt = ({ bytes, elements }: StreamRecord): string =>
  `the stream was cut after ${elements} ${elements === 1 ? "element" : "elements"} (${bytes} ${bytes === 1 ? "byte" : "bytes"})`
