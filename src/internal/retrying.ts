import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type { Site } from "../Call.ts"
import type { CallFailure, Stopped } from "../CallFailure.ts"
import * as Outcome from "../Outcome.ts"
import * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import { margin } from "./boundary.ts"
import { kindOf } from "./budget.ts"
import type { CallRecord } from "./call.ts"
import { exitOf } from "./exit.ts"
import { fusable, type Retries } from "./fusable.ts"
import { Allowance, allowanceAround, Current, nameOf, note } from "./nesting.ts"
import { nowOf, withNow } from "./timer.ts"

/** A provider's hint is obeyed up to this much more than the policy's own delay. Source: AWS SDK retry behaviour. */
const hintAllowance = 5_000

type Driver = (now: number, failure: CallFailure) => Pull.Pull<[unknown, Duration.Duration], unknown, unknown>

/** The tries of one call. */
interface Run {
  readonly call: CallRecord
  /** What its retries are taken from; `undefined` where none are made. */
  readonly allowance: Allowance | undefined
  /** Whether that is the allowance of a call around it. */
  readonly nested: boolean
  /** Whether it repeats, or only tells that it would. */
  readonly acts: boolean
  /** Tries so far. Not `call.attempt`: a try may be several legs. */
  tries: number
  driver: Driver | undefined
}

/** Repeats a step while another try may end differently, a repeat is safe, and there is something left to repeat with. */
export const retrying = (
  site: Site,
  maxAttempts: number,
  schedule: Schedule.Schedule<unknown, CallFailure>,
  step: (call: CallRecord) => Effect.Effect<unknown, CallFailure>
) => {
  const warned = new Set<string>()

  const stop = (run: Run, failure: CallFailure, stopped: Stopped) =>
    run.acts ? withNow((now) => Effect.fail(run.call.fail(failure.reason, stopped, now))) : Effect.fail(failure)

  const once = (run: Run): Effect.Effect<unknown, CallFailure> =>
    Effect.catch(step(run.call), (failure) => again(run, failure))

  const again = (run: Run, failure: CallFailure): Effect.Effect<unknown, CallFailure> => {
    const { call } = run
    if (!failure.reason.transient) return stop(run, failure, "not transient")
    if (call.stream?.progressed === true) return withNow((now) => repeat(goOn(run, now), failure))
    return repeat(run, failure)
  }

  /** A stream that went on before it was cut again is as good as new. */
  const goOn = (run: Run, now: number): Run => {
    run.tries = 1
    run.driver = undefined
    if (run.allowance !== undefined && !run.nested) run.allowance.left = run.allowance.attempts - 1
    if (run.call.stream!.resumed > 0) run.call.budget?.giveBack(now)
    return run
  }

  const repeat = (run: Run, failure: CallFailure): Effect.Effect<unknown, CallFailure> => {
    const { call } = run
    call.budget?.failed(kindOf(failure.reason))
    if (call.repeat === "AtMostOnce" && !Outcome.didNotHappen(call.outcome())) {
      return stop(run, failure, "a repeat is not safe")
    }
    if (run.tries >= maxAttempts) return stop(run, failure, "attempts are spent")
    if (run.allowance !== undefined && run.allowance.left <= 0) {
      return withNow((now) => {
        site.decided(call, "stopped", now)
        return stop(run, failure, run.nested ? "the retries of the call around it are spent" : "attempts are spent")
      })
    }
    return run.driver === undefined
      ? Effect.flatMap(Schedule.toStep(schedule), (made) => {
          run.driver = made as Driver
          return wait(run, failure, run.driver)
        })
      : wait(run, failure, run.driver)
  }

  const wait = (run: Run, failure: CallFailure, driver: Driver): Effect.Effect<unknown, CallFailure> =>
    Effect.withFiber((fiber) =>
      Pull.matchEffect(driver(nowOf(fiber), failure), {
        onDone: () => stop(run, failure, "the schedule ended"),
        onFailure: (cause) => Effect.die(Cause.squash(cause)),
        onSuccess: ([, duration]) => {
          const { call } = run
          const now = nowOf(fiber)
          const delay = Duration.toMillis(duration)
          const hint = failure.retryAfter === undefined ? 0 : Duration.toMillis(failure.retryAfter)
          // How long a stream waits before it goes on is no sign of trouble.
          if (hint > delay + hintAllowance && failure.reason._tag !== "Truncated") {
            return stop(run, failure, "the provider asked to wait longer than the policy waits")
          }
          const reconcile = Outcome.didNotHappen(call.outcome()) ? undefined : site.reconcile
          const settled =
            reconcile === undefined ? 0 : (call.lastInDoubtAt ?? now) + Duration.toMillis(reconcile.settle) - now
          const waiting = Math.max(delay, hint, settled)
          if (now + waiting >= call.deadline) return stop(run, failure, "no time is left for another attempt")
          if (
            call.firstSentAt !== undefined &&
            now + waiting + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime
          ) {
            return stop(run, failure, "the provider may forget the key before another attempt ends")
          }
          // Paid before the wait, not after: else all who wait would find the budget full. Who is interrupted while it
          // waits gets nothing back, or impatient callers who come again would have retries for nothing.
          if (call.budget !== undefined && call.budget.withdraw(kindOf(failure.reason), now) === undefined) {
            return spent(run, failure, now)
          }
          site.decided(call, "retried", now)
          if (!run.acts) {
            call.budget?.giveBack(now)
            return Effect.fail(failure)
          }
          if (run.allowance !== undefined) run.allowance.left--
          run.tries++
          call.waiting = waiting
          const span = fiber.cache.span
          if (span?._tag === "Span") {
            span.event(Telemetry.names.retryEvent, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), {
              reason: failure.reason._tag,
              delay: waiting / 1000,
              source: settled === waiting && settled > 0 ? "settle" : hint > delay ? "retry-after" : "backoff"
            })
          }
          const next = () => (reconcile === undefined ? once(run) : look(run, failure, reconcile))
          return waiting > 0 ? Effect.flatMap(Effect.sleep(waiting), next) : next()
        }
      })
    )

  /** The attempt that is not made stands in the history; what the call failed with is still the provider's doing. */
  const spent = (run: Run, failure: CallFailure, now: number): Effect.Effect<never, CallFailure> => {
    const { call } = run
    site.decided(call, "stopped", now)
    if (!run.acts) return Effect.fail(failure)
    call.begin(now)
    call.end(Reason.make("BudgetSpent"), now)
    call.lastReason = failure.reason
    return Effect.fail(call.fail(failure.reason, "the retry budget is spent", now))
  }

  /** Repeats only after a look that started late enough and found nothing. */
  const look = (
    run: Run,
    failure: CallFailure,
    reconcile: NonNullable<Site["reconcile"]>
  ): Effect.Effect<unknown, CallFailure> =>
    Effect.suspend(() => {
      const { allowance, call } = run
      if (allowance !== undefined) allowance.looking = true
      return Effect.matchCauseEffect(reconcile.find(call.input), {
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : stop(run, failure, "whether it happened could not be looked up"),
        onSuccess: (found) => {
          if (allowance !== undefined) allowance.looking = false
          return Option.match(found as Option.Option<unknown>, {
            onSome: Effect.succeed,
            onNone: () => {
              // A 2xx was read: what can't be found is not to be seen yet.
              if (call.outcome() === "Applied") return stop(run, failure, "a repeat is not safe")
              // The look settles every attempt before it.
              const last = call.attempts.length - 1
              const attempt = call.attempts[last]!
              const message = `${attempt.message}; looked up afterwards: it did not happen`
              call.attempts[last] = { ...attempt, message, outcome: "NotSent", resolves: true }
              return once(run)
            }
          })
        }
      })
    })

  /** Tells, once for each call around it, that both retry. */
  const warn = (inner: string, around: Allowance): Effect.Effect<void> | undefined => {
    if (warned.has(around.name)) return undefined
    note(inner, around)
    // It is how a look is meant to be made, and there is nothing to do about it.
    if (around.looking) return undefined
    warned.add(around.name)
    return Effect.catchCause(
      Effect.logWarning(
        `${inner} is retried inside ${around.name}, which is retried too: together they make no more than the ` +
          `${around.attempts - 1} retries of ${around.name}. Let one of them retry: give the other ` +
          "Policy.retryNever(reason)"
      ),
      () => Effect.void
    )
  }

  const allowanceOf = (call: CallRecord): Allowance | undefined =>
    // What makes no retries of its own leaves those inside it theirs.
    maxAttempts === 1
      ? undefined
      : new Allowance(nameOf(call.integration, call.operation), maxAttempts, site.limits.hedges ?? 0, call.budget)

  /** Lets the retries inside be taken from an allowance until `self` ends. */
  const within = (allowance: Allowance, self: Effect.Effect<unknown, CallFailure>) =>
    Effect.onExit(Effect.provideService(self, Current, allowance), () => {
      allowance.ended = true
      return Effect.void
    })

  /** Goes on after a first try that was made elsewhere, with no other call around this one. */
  const afterFirst: Retries["goOn"] = (call, allowance, reason, now) => {
    if (!reason.transient) return Effect.fail(call.fail(reason, "not transient", now))
    const run: Run = { call, allowance, nested: false, acts: true, tries: 1, driver: undefined }
    const rest = again(run, call.fail(reason, "retries are switched off", now))
    return allowance === undefined || exitOf(rest) !== undefined ? rest : within(allowance, rest)
  }

  const retried = (call: CallRecord): Effect.Effect<unknown, CallFailure> =>
    Effect.withFiber((fiber) => {
      const around = allowanceAround(fiber, call)
      call.budget ??= around?.budget
      const acts = site.mode() !== "observe"
      if (around !== undefined) {
        const told = acts && maxAttempts > 1 ? warn(nameOf(call.integration, call.operation), around) : undefined
        const run = once({ call, allowance: around, nested: true, acts, tries: 1, driver: undefined })
        return told === undefined ? run : Effect.andThen(told, run)
      }
      const allowance = acts ? allowanceOf(call) : undefined
      const run = once({ call, allowance, nested: false, acts, tries: 1, driver: undefined })
      return allowance === undefined ? run : within(allowance, run)
    })

  return fusable(retried, { kind: "retries", allowance: allowanceOf, goOn: afterFirst })
}
