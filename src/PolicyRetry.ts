/**
 * Repeating a call: when another try may end differently, and a repeat is safe.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { type CallFailure, isCallFailure } from "./CallFailure.ts"
import { alone, siteAlone } from "./internal/alone.ts"
import { boundary } from "./internal/boundary.ts"
import { kindOf } from "./internal/budget.ts"
import { CallRecord } from "./internal/call.ts"
import { format } from "./internal/duration.ts"
import { fusable } from "./internal/fusable.ts"
import { allowanceAround } from "./internal/nesting.ts"
import { callLayer, fromLayers, type Policy, type Setting, standalone } from "./internal/policy.ts"
import { retrying } from "./internal/retrying.ts"
import { nowOf } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"

/** The numbers of the schedules that `backoff` made, in milliseconds: what a configuration may replace. */
const numbers = new WeakMap<object, { readonly base: number; readonly throttledBase: number; readonly cap: number }>()

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
  const schedule = Schedule.fromStep(
    Effect.sync(() => {
      let n = 0
      return (_now: number, failure: CallFailure) =>
        Effect.map(Random.next, (random): [Duration.Duration, Duration.Duration] => {
          // Who is at work on this key needs time too: three looks within 150 milliseconds find it at work.
          const first = kindOf(failure.reason) === "throttled" ? throttledBase : base
          const delay = Duration.millis(random * Math.min(cap, first * 2 ** n++))
          return [delay, delay]
        })
    })
  )
  numbers.set(schedule, { base, throttledBase, cap })
  return schedule
}

const problemsOf = (maxAttempts: number, schedule: object): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) {
    problems.push(`maxAttempts must be a finite integer of at least 1, got ${maxAttempts}`)
  }
  for (const [name, millis] of Object.entries(numbers.get(schedule) ?? {})) {
    if (!(millis >= 0 && Number.isFinite(millis))) {
      problems.push(`the backoff's ${name} must be finite and not negative, got ${format(millis)}`)
    }
  }
  return problems
}

const describeWaits = (schedule: object): string => {
  const known = numbers.get(schedule)
  return known === undefined
    ? "waits as its schedule says"
    : `waits a random part of ${format(known.base)}, throttled of ${format(known.throttledBase)}, doubling to ${format(known.cap)}`
}

const settingsOf = (maxAttempts: number, schedule: object): Readonly<Record<string, Setting>> => {
  const known = numbers.get(schedule)
  const attempts: Setting = { kind: "integer", value: maxAttempts }
  return known === undefined
    ? { MAX_ATTEMPTS: attempts }
    : {
        MAX_ATTEMPTS: attempts,
        BACKOFF_BASE: { kind: "duration", value: known.base },
        BACKOFF_THROTTLED_BASE: { kind: "duration", value: known.throttledBase },
        BACKOFF_CAP: { kind: "duration", value: known.cap }
      }
}

/**
 * A decision about retries that can also stand alone in a pipe, around any effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retry<in E0 = unknown> extends Policy<"retry", "any"> {
  /** `E0` is what `classify` can judge: an effect that may fail with more is refused. */
  <A, E extends E0 | CallFailure, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R>
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
 * A retry budget around it (`Policy.budget`) may end the retries of a call sooner. So does a retried call around it, whose
 * `send` makes this one: the retries of both come out of the outer one's attempts, so that they don't multiply.
 *
 * With mode `observe` nothing is repeated, and telemetry tells of the first retry that would have been made. It can't tell
 * of more: what a second attempt would have met is not known.
 *
 * Alone in a pipe nothing is known about the effect, so it is repeated only while it certainly did not happen, unless
 * `repeats` says why a repeat is safe; `classify` says which of its errors are transient.
 *
 * @category layers
 * @since 0.1.0
 */
export const retry = <E0 = unknown>(
  schedule: Schedule.Schedule<unknown, CallFailure> = backoff(),
  options?: {
    readonly maxAttempts?: number | undefined
    readonly repeats?: string | undefined
    readonly classify?: ((error: E0) => Reason.Verdict | undefined) | undefined
  }
): Retry<E0> => {
  const maxAttempts = options?.maxAttempts ?? 3
  return standalone(
    callLayer({
      slot: "retry",
      name: "retry",
      describe: `up to ${maxAttempts} attempts: transient failures, where safe to repeat; ${describeWaits(schedule)}`,
      limits: { maxAttempts },
      problems: problemsOf(maxAttempts, schedule),
      tunable: {
        settings: settingsOf(maxAttempts, schedule),
        tune: (values) => {
          const known = numbers.get(schedule)
          return retry(
            known === undefined
              ? schedule
              : backoff({
                  base: values.BACKOFF_BASE ?? known.base,
                  throttledBase: values.BACKOFF_THROTTLED_BASE ?? known.throttledBase,
                  cap: values.BACKOFF_CAP ?? known.cap
                }),
            { ...options, maxAttempts: values.MAX_ATTEMPTS ?? maxAttempts }
          ).layers[0]!
        }
      },
      build: (site) => Effect.succeed((step) => retrying(site, maxAttempts, schedule, step))
    }),
    <A, E extends E0 | CallFailure, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R> =>
      Effect.withFiber((fiber) => {
        const now = nowOf(fiber)
        const record = alone("retry", now)
        const call = new CallRecord({
          ...record,
          id: "",
          correlationId: "",
          repeat: options?.repeats === undefined ? "AtMostOnce" : "Idempotent"
        })
        const attempt = Effect.suspend(() => {
          call.sent(nowOf(fiber))
          return Effect.mapError(self, (error): Reason.Reason => {
            if (isCallFailure(error)) return error.reason
            // What is no `CallFailure` is an `E0`: a generic type is not narrowed that far.
            const verdict = options?.classify?.(error as E0)
            return verdict === undefined
              ? Reason.make("Failed", { error, cause: error })
              : Reason.make(verdict.reason, { ...verdict, error, cause: error })
          })
        }) as Effect.Effect<unknown, Reason.Reason>
        return retrying(
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
export const retryNever = (reason: string): Policy<"retry" | "once", "any"> =>
  fromLayers([
    callLayer({
      slot: "retry",
      name: "retryNever",
      describe: `never repeated: ${reason}`,
      limits: { maxAttempts: 1 },
      build: () =>
        Effect.succeed(
          fusable(
            (step) => (call) =>
              Effect.withFiber((fiber) => {
                // Its hedges are extra load of the call around it, as its retries would be.
                call.budget ??= allowanceAround(fiber, call)?.budget
                return step(call)
              }),
            {
              kind: "retries",
              allowance: () => undefined,
              goOn: (call, _allowance, reason, now) => Effect.fail(call.fail(reason, "retries are switched off", now))
            }
          )
        )
    })
  ]) as Policy<"retry" | "once", "any">
