/**
 * Repeating a call: when another try may end differently, and a repeat is safe.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Site } from "./Call.ts"
import { type CallFailure, isCallFailure, type Stopped } from "./CallFailure.ts"
import { alone, siteAlone } from "./internal/alone.ts"
import { boundary, margin } from "./internal/boundary.ts"
import { CallRecord } from "./internal/call.ts"
import { callLayer, fromLayers, type Policy, standalone } from "./internal/policy.ts"
import { nowOf, withNow } from "./internal/timer.ts"
import * as Outcome from "./Outcome.ts"
import * as Reason from "./Reason.ts"
import * as Telemetry from "./Telemetry.ts"

/** A provider's hint is obeyed up to this much more than the policy's own delay. Source: AWS SDK retry behaviour. */
const hintAllowance = 5_000

/**
 * The delays between attempts: full jitter over an exponential base.
 *
 * **Details**
 *
 * The n-th delay is a random part of `min(cap, base · 2ⁿ)`. Default: 50 milliseconds after a transient failure, 1 second
 * after being throttled and while an earlier attempt with the same key is at work, at most 20 seconds (AWS SDKs, 2026).
 *
 * @category schedules
 * @since 0.1.0
 */
export const backoff = (options?: {
  readonly base?: Duration.Input | undefined
  readonly throttledBase?: Duration.Input | undefined
  readonly cap?: Duration.Input | undefined
}): Schedule.Schedule<Duration.Duration, CallFailure> => {
  const base = Duration.toMillis(Duration.fromInputUnsafe(options?.base ?? 50))
  const throttledBase = Duration.toMillis(Duration.fromInputUnsafe(options?.throttledBase ?? 1_000))
  const cap = Duration.toMillis(Duration.fromInputUnsafe(options?.cap ?? 20_000))
  return Schedule.fromStep(
    Effect.sync(() => {
      let n = 0
      return (_now: number, failure: CallFailure) =>
        Effect.map(Random.next, (random): [Duration.Duration, Duration.Duration] => {
          const { _tag, status } = failure.reason
          // Who is at work on this key needs time too: three looks within 150 milliseconds find it at work.
          const first = _tag === "Throttled" || _tag === "InProgress" || status === 429 ? throttledBase : base
          const delay = Duration.millis(random * Math.min(cap, first * 2 ** n++))
          return [delay, delay]
        })
    })
  )
}

type Driver = (now: number, failure: CallFailure) => Pull.Pull<[unknown, Duration.Duration], unknown, unknown>

const loop = (
  site: Site,
  maxAttempts: number,
  schedule: Schedule.Schedule<unknown, CallFailure>,
  step: (call: CallRecord) => Effect.Effect<unknown, CallFailure>
) => {
  const stop = (failure: CallFailure, stopped: Stopped, call: CallRecord) =>
    withNow((now) => Effect.fail(call.fail(failure.reason, stopped, now)))

  const once = (call: CallRecord, driver: Driver | undefined): Effect.Effect<unknown, CallFailure> =>
    Effect.catch(step(call), (failure) => again(call, failure, driver))

  const again = (
    call: CallRecord,
    failure: CallFailure,
    driver: Driver | undefined
  ): Effect.Effect<unknown, CallFailure> => {
    if (!failure.reason.transient) return stop(failure, "not transient", call)
    if (call.repeat === "AtMostOnce" && !Outcome.didNotHappen(call.outcome())) {
      return stop(failure, "a repeat is not safe", call)
    }
    if (call.attempt >= maxAttempts) return stop(failure, "attempts are spent", call)
    return driver === undefined
      ? Effect.flatMap(Schedule.toStep(schedule), (made) => wait(call, failure, made as Driver))
      : wait(call, failure, driver)
  }

  const wait = (call: CallRecord, failure: CallFailure, driver: Driver): Effect.Effect<unknown, CallFailure> =>
    Effect.withFiber((fiber) =>
      Pull.matchEffect(driver(nowOf(fiber), failure), {
        onDone: () => stop(failure, "the schedule ended", call),
        onFailure: (cause) => Effect.die(Cause.squash(cause)),
        onSuccess: ([, duration]) => {
          const now = nowOf(fiber)
          const delay = Duration.toMillis(duration)
          const hint = failure.retryAfter === undefined ? 0 : Duration.toMillis(failure.retryAfter)
          if (hint > delay + hintAllowance) {
            return stop(failure, "the provider asked to wait longer than the policy waits", call)
          }
          const reconcile = Outcome.didNotHappen(call.outcome()) ? undefined : site.reconcile
          const settled =
            reconcile === undefined ? 0 : (call.lastInDoubtAt ?? now) + Duration.toMillis(reconcile.settle) - now
          const waiting = Math.max(delay, hint, settled)
          if (now + waiting >= call.deadline) return stop(failure, "no time is left for another attempt", call)
          if (
            call.firstSentAt !== undefined &&
            site.lifetime !== Infinity &&
            now + waiting + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime
          ) {
            return stop(failure, "the provider may forget the key before another attempt ends", call)
          }
          call.waiting = waiting
          const span = fiber.cache.span
          if (span?._tag === "Span") {
            span.event(Telemetry.names.retryEvent, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), {
              reason: failure.reason._tag,
              delay: waiting / 1000,
              source: settled === waiting && settled > 0 ? "settle" : hint > delay ? "retry-after" : "backoff"
            })
          }
          const next = () => (reconcile === undefined ? once(call, driver) : look(call, failure, driver, reconcile))
          return waiting > 0 ? Effect.flatMap(Effect.sleep(waiting), next) : next()
        }
      })
    )

  /** Repeats only after a look that started late enough and found nothing. */
  const look = (
    call: CallRecord,
    failure: CallFailure,
    driver: Driver,
    reconcile: NonNullable<Site["reconcile"]>
  ): Effect.Effect<unknown, CallFailure> =>
    Effect.matchCauseEffect(reconcile.find(call.input), {
      onFailure: (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : stop(failure, "whether it happened could not be looked up", call),
      onSuccess: (found) =>
        Option.match(found as Option.Option<unknown>, {
          onSome: Effect.succeed,
          onNone: () => {
            // A 2xx was read: what can't be found is not to be seen yet.
            if (call.outcome() === "Applied") return stop(failure, "a repeat is not safe", call)
            // The look settles every attempt before it.
            const last = call.attempts.length - 1
            const attempt = call.attempts[last]!
            const message = `${attempt.message}; looked up afterwards: it did not happen`
            call.attempts[last] = { ...attempt, message, outcome: "NotSent", resolves: true }
            return once(call, driver)
          }
        })
    })

  return (call: CallRecord) => once(call, undefined)
}

const attemptsProblem = (maxAttempts: number): ReadonlyArray<string> =>
  Number.isInteger(maxAttempts) && maxAttempts >= 1
    ? []
    : [`maxAttempts must be a finite integer of at least 1, got ${maxAttempts}`]

/**
 * A decision about retries that can also stand alone in a pipe, around any effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retry extends Policy<"retry", "any"> {
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R>
}

/**
 * Repeats a call while another try may end differently and a repeat is safe.
 *
 * **Details**
 *
 * Two questions are asked of every failure. Is it transient: the outcome table says so. Is a repeat safe: the operation
 * is safe or idempotent, or the call's outcome so far, over all attempts, is `NotSent` or `Refused`.
 *
 * `schedule` gives the delays; `maxAttempts` (default 3) counts the first attempt and bounds them all. A provider's
 * `Retry-After` is never undercut: a hint longer than the delay by more than 5 seconds, or longer than the time left,
 * ends the retries at once and is carried in the failure.
 *
 * Alone in a pipe nothing is known about the effect, so it is repeated only while it certainly did not happen, unless
 * `repeats` says why a repeat is safe; `classify` says which of its errors are transient.
 *
 * @category layers
 * @since 0.1.0
 */
export const retry = <E0 = never>(
  schedule: Schedule.Schedule<unknown, CallFailure> = backoff(),
  options?: {
    readonly maxAttempts?: number | undefined
    readonly repeats?: string | undefined
    readonly classify?: ((error: E0) => Reason.Verdict | undefined) | undefined
  }
): Retry => {
  const maxAttempts = options?.maxAttempts ?? 3
  return standalone(
    callLayer({
      slot: "retry",
      name: "retry",
      describe: `up to ${maxAttempts} attempts: transient failures, where safe to repeat`,
      limits: { maxAttempts },
      problems: attemptsProblem(maxAttempts),
      build: (site: Site) => Effect.succeed((step) => loop(site, maxAttempts, schedule, step))
    }),
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R> =>
      Effect.withFiber((fiber) => {
        const now = nowOf(fiber)
        const record = alone("retry", now)
        const call = new CallRecord({ ...record, repeat: options?.repeats === undefined ? "AtMostOnce" : "Idempotent" })
        const attempt = Effect.suspend(() => {
          call.sent(nowOf(fiber))
          return Effect.mapError(self, (error): Reason.Reason => {
            if (isCallFailure(error)) return error.reason
            const verdict = options?.classify?.(error as unknown as E0)
            return verdict === undefined
              ? Reason.make("Failed", { error, cause: error })
              : Reason.make(verdict.reason, { ...verdict, error, cause: error })
          })
        }) as Effect.Effect<unknown, Reason.Reason>
        return loop(
          siteAlone,
          maxAttempts,
          schedule,
          boundary(siteAlone, () => attempt)
        )(call) as Effect.Effect<A, CallFailure, R>
      })
  ) as never
}

/**
 * The decision not to repeat, with the reason for it.
 *
 * @category layers
 * @since 0.1.0
 */
export const retryNever = (reason: string): Policy<"retry", "any"> =>
  fromLayers([
    callLayer({
      slot: "retry",
      name: "retryNever",
      describe: `never repeated: ${reason}`,
      limits: { maxAttempts: 1 },
      build: () => Effect.succeed((step) => step)
    })
  ]) as Policy<"retry", "any">
