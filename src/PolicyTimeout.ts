/**
 * The two limits on time: of one attempt, and of the whole call.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Site } from "./Call.ts"
import type { CallFailure } from "./CallFailure.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { attemptUntilAnswer, cutByDeadline, deadlineUntilFlow } from "./internal/streamLimits.ts"
import { attemptLayer, callLayer, type Policy, type Provides, standalone } from "./internal/policy.ts"
import { alone } from "./internal/alone.ts"
import { fusable } from "./internal/fusable.ts"
import { cutAfter, nowOf, withNow } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"

/**
 * A layer that can also stand alone in a pipe, around any effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Alone<in P extends Provides> extends Policy<P, "any"> {
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CallFailure, R>
}

/** Tells, when the effect has ended, that the limit would have cut it. */
const late = <A, E, R>(self: Effect.Effect<A, E, R>, call: CallRecord, limit: number, site: Site) =>
  Effect.onExit(self, () => withNow((now) => Effect.sync(() => now > limit && site.decided(call, "cut", limit))))

const deadlineOf = (call: CallRecord): string =>
  `the ${call.deadlineOf} of ${format(Math.max(0, call.deadline - call.startedAt))}`

/**
 * Bounds one attempt, from the first byte to the end of its body and decoding.
 *
 * **Details**
 *
 * An attempt that is cut takes the outcome of its phase: `NotSent` before it was sent, `Unknown` after, and what the
 * status says once one was read. Less time than this may be left until the total deadline; then that deadline cuts the
 * attempt and the breaker does not count it. Default in `standard`: 10 seconds (Polly's standard pipeline).
 *
 * **When not to use**
 *
 * A timeout on `HttpClient` ends at the response's headers, so a stalled body outlives it. Don't add one.
 *
 * @category layers
 * @since 0.1.0
 */
export const attemptTimeout = (limit: Duration.Input): Alone<"attemptTimeout"> => {
  const { millis, problem } = check("the attempt timeout", limit)
  const cut = (site: Site, call: CallRecord, at: number): Reason.Reason => {
    site.decided(call, "cut", at)
    return call.cut(`cut by the attempt timeout of ${format(millis)}`)
  }
  return standalone(
    attemptLayer({
      slot: "attemptTimeout",
      name: "attemptTimeout",
      describe: `each attempt ends within ${format(millis)}, body and decoding included`,
      limits: { attemptTimeout: millis },
      problems: problem === undefined ? [] : [problem],
      tunable: {
        settings: { ATTEMPT_TIMEOUT: { kind: "duration", value: millis } },
        tune: (values) => attemptTimeout(values.ATTEMPT_TIMEOUT!).layers[0]!
      },
      build: (site) =>
        Effect.succeed(
          fusable(
            (step) => (call) =>
              withNow((now) => {
                if (call.stream !== undefined) return attemptUntilAnswer(step, call, call.stream, millis, now, site)
                const left = call.deadline - now
                if (site.mode() === "observe") {
                  call.hasFullLimit = true
                  return late(step(call), call, now + millis, site)
                }
                call.attemptEndsBy = Math.min(call.deadline, now + millis)
                // With less time left than the limit, the total deadline is the one that cuts. Where both are equal, the
                // attempt has its limit all the same, but for what preparing took.
                call.hasFullLimit = left >= millis * 0.99
                return millis < left
                  ? cutAfter(step(call), millis, () => Effect.fail(cut(site, call, now + millis)))
                  : step(call)
              }),
            { kind: "timeout", millis, cut: (call, at) => cut(site, call, at) }
          )
        )
    }),
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CallFailure, R> =>
      Effect.withFiber((fiber) => {
        const call = alone("attemptTimeout", nowOf(fiber))
        call.begin(call.startedAt)
        call.sent(call.startedAt)
        return cutAfter<A, E | CallFailure, R>(self, millis, () => {
          const reason = call.cut(`cut by the attempt timeout of ${format(millis)}`)
          const now = nowOf(fiber)
          call.end(reason, now)
          return Effect.fail(call.fail(reason, "retries are switched off", now))
        })
      })
  ) as Alone<"attemptTimeout">
}

/**
 * Bounds the whole call: encoding, every attempt, every wait, the body and its decoding.
 *
 * **Details**
 *
 * Nothing is started that can't fit: a backoff longer than what is left ends the call at once with its last failure.
 * Default in `standard`: 30 seconds. More than 10 minutes needs `longRunning`, which says why.
 *
 * @category layers
 * @since 0.1.0
 */
export const totalDeadline = (
  limit: Duration.Input,
  options?: { readonly longRunning?: string | undefined }
): Alone<"totalDeadline"> => {
  const { millis, problem } = check("the total deadline", limit)
  const run = <A, E, R>(self: Effect.Effect<A, E, R>, call: CallRecord, site?: Site) =>
    Effect.withFiber<A, E | CallFailure, R>((fiber) => {
      if (call.stream !== undefined) {
        return deadlineUntilFlow(self as never, call, call.stream, millis, nowOf(fiber), site) as typeof self
      }
      const mode = site === undefined ? "enforce" : site.mode()
      const own = call.startedAt + millis
      // The caller's own deadline holds whatever becomes of the policy's.
      const callers = call.deadline
      const watched = mode === "observe" ? late(self, call, own, site!) : self
      if (callers <= own) call.deadlineOf = "caller's deadline"
      else if (mode === "enforce") call.deadline = own
      const began = nowOf(fiber)
      if (began >= call.deadline) {
        return Effect.fail(
          call.fail(
            Reason.make("DeadlineExceeded", { message: `no time was left: ${deadlineOf(call)} had passed` }),
            "no time is left for another attempt",
            began
          )
        )
      }
      return cutAfter<A, E | CallFailure, R>(watched, call.deadline - began, () => {
        call.cutBy = "deadline"
        if (mode === "enforce") site?.decided(call, "cut", call.deadline)
        return Effect.suspend(() => cutByDeadline(call))
      })
    })
  return standalone(
    callLayer({
      slot: "totalDeadline",
      name: "totalDeadline",
      describe: `the call ends within ${format(millis)}, whatever it waits for`,
      limits: { totalDeadline: millis },
      longRunning: options?.longRunning !== undefined,
      problems: problem === undefined ? [] : [problem],
      tunable: {
        settings: { TOTAL_DEADLINE: { kind: "duration", value: millis } },
        tune: (values) => totalDeadline(values.TOTAL_DEADLINE!, options).layers[0]!
      },
      build: (site) =>
        Effect.succeed(
          fusable((step) => (call) => run(step(call), call, site), {
            kind: "total",
            millis,
            cut: (call) => {
              call.cutBy = "deadline"
              site.decided(call, "cut", call.deadline)
            }
          })
        )
    }),
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CallFailure, R> =>
      withNow((now) => {
        const call = alone("totalDeadline", now)
        // Nothing is known about the effect: it may have sent something from its start.
        call.begin(now)
        call.sent(now)
        return run(self, call)
      })
  ) as Alone<"totalDeadline">
}
