// Asks for the state of a job until it has ended.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Deadline from "../Deadline.ts"
import type { Outcome } from "../Outcome.ts"
import { type Job, PollingError, type PollingReason } from "../PollingError.ts"
import { retryAfter as parseRetryAfter } from "./limits.ts"
import { urlOf } from "./links.ts"

/** When to ask next, as a provider says it: the header's text, seconds, or a duration. */
export type Hint = string | number | Duration.Duration | undefined

export const TypeId = "~breakwater/Polling"

/**
 * The job was accepted, under this reference.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started<out Ref> {
  readonly _tag: "Started"
  readonly ref: Ref
  readonly retryAfter: Hint
}

/**
 * A kind of job: how it is started, and how its end is found out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Polling<in In, in out Ref, out A, out E, out EStart, in out ES, out R> {
  readonly [TypeId]: Definition<Ref, A, E, ES, R> & {
    readonly job: Schema.Codec<Ref, Schema.Json>
    readonly start: (input: In) => Effect.Effect<Started<Ref> | Step<A, E>, EStart, R>
    readonly within: Duration.Input
  }
}

/**
 * What a status says of a job.
 *
 * @category models
 * @since 0.1.0
 */
export type Step<A, E> =
  | { readonly _tag: "Running"; readonly retryAfter: Hint }
  | { readonly _tag: "Succeeded"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: E; readonly outcome: FailedOutcome }
  | { readonly _tag: "Unexpected" }

/** What a failed job has done, as far as the provider says it. */
export type FailedOutcome = Exclude<Outcome, "NotSent">

export interface Definition<Ref, A, E, ES, R> {
  readonly name: string
  readonly status: (ref: Ref) => Effect.Effect<Step<A, E>, ES, R>
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly missing: (error: ES) => boolean
  readonly fatal: (error: ES) => boolean
  readonly grace: number
}

export const hintOf = (hint: Hint, now: number): Duration.Duration | undefined => {
  const found =
    typeof hint === "string"
      ? parseRetryAfter(hint, now)
      : typeof hint === "number"
        ? Number.isFinite(hint)
          ? Duration.seconds(hint)
          : undefined
        : hint
  // "At once" would be a loop without a pause.
  return found !== undefined && Duration.toMillis(found) > 0 ? found : undefined
}

/** How a job has ended. */
export type Ended<A, E> = Extract<Step<A, E>, { readonly _tag: "Succeeded" | "Failed" }>

/** What is stored of a job of which the provider has given this reference. */
export const jobOf = <In, Ref, A, E, EStart, ES, R>(
  polling: Polling<In, Ref, A, E, EStart, ES, R>[typeof TypeId],
  ref: Ref,
  startedAt: number
): Effect.Effect<Job> =>
  Effect.map(Effect.orDie(Schema.encodeEffect(polling.job)(ref)), (ref) => ({ polling: polling.name, ref, startedAt }))

/** The reference of a job, if it is one of this polling. */
export const refOf = <In, Ref, A, E, EStart, ES, R>(
  polling: Polling<In, Ref, A, E, EStart, ES, R>[typeof TypeId],
  job: Job
): Effect.Effect<Ref, PollingError> => {
  const other = new PollingError({ reason: "OtherJob", job, outcome: "Unknown", polls: 0 })
  return job.polling === polling.name
    ? Effect.mapError(Schema.decodeUnknownEffect(polling.job)(job.ref), () => other)
    : Effect.fail(other)
}

/** The end that an answer to the start is already, as with a `200` instead of a `202`. */
export const endOf = <A, E>(step: Step<A, E>): Effect.Effect<Ended<A, E>, PollingError> =>
  step._tag === "Succeeded" || step._tag === "Failed"
    ? Effect.succeed(step)
    : Effect.fail(new PollingError({ reason: "UnknownState", job: undefined, outcome: "Unknown", polls: 0 }))

/** One look, as far as it says anything: `again` is a look that says nothing yet. */
export const look = <Ref, A, E, ES, R>(
  polling: Definition<Ref, A, E, ES, R>,
  ref: Ref,
  startedAt: number,
  fail: (reason: PollingReason, error?: unknown) => PollingError
): Effect.Effect<
  | { readonly _tag: "Again"; readonly retryAfter: Hint; readonly error: ES | undefined }
  | { readonly _tag: "Succeeded"; readonly value: A }
  | Ended<A, E>,
  PollingError,
  R
> =>
  Effect.gen(function* () {
    const found = yield* Effect.result(polling.status(ref))
    if (Result.isFailure(found)) {
      const error = found.failure
      if (polling.missing(error)) {
        const now = yield* Clock.currentTimeMillis
        // It may not be visible yet where it is asked for.
        if (now - startedAt > polling.grace) return yield* fail("Missing", error)
      } else if (polling.fatal(error)) return yield* fail("StatusFailed", error)
      return { _tag: "Again", retryAfter: undefined, error }
    }
    const step = found.success
    switch (step?._tag) {
      case "Running":
        return { _tag: "Again", retryAfter: step.retryAfter, error: undefined }
      case "Succeeded":
      case "Failed":
        return step
      default:
        return yield* fail("UnknownState")
    }
  })

/**
 * Asks until the job has ended, or the time has. `first` is when to ask first: as the provider has said, by the schedule,
 * or at once where somebody has waited already.
 */
export const follow = <Ref, A, E, ES, R>(
  polling: Definition<Ref, A, E, ES, R>,
  ref: Ref,
  job: Job,
  first: Hint | "at once"
): Effect.Effect<Ended<A, E>, PollingError, R> =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(polling.schedule)
    let polls = 0
    let last: ES | undefined
    let told = first
    const fail = (reason: PollingReason, error: unknown = last, retryAfter?: Duration.Duration) =>
      new PollingError({ reason, job, outcome: "Unknown", polls, error, retryAfter })
    while (true) {
      if (told !== "at once") {
        const now = yield* Clock.currentTimeMillis
        const pause = yield* Pull.catchDone(step(now, polls), () => Effect.undefined)
        if (pause === undefined) return yield* fail("Spent")
        const wait = hintOf(told, now) ?? pause[1]
        const left = (yield* Deadline.remaining) ?? Duration.infinity
        if (Duration.isGreaterThanOrEqualTo(wait, left)) return yield* fail("Deadline", last, wait)
        yield* Effect.sleep(wait)
      }
      const time = (yield* Deadline.remaining) ?? Duration.infinity
      polls++
      const found = yield* Effect.timeoutOption(look(polling, ref, job.startedAt, fail), time)
      if (Option.isNone(found)) return yield* fail("Deadline")
      const seen = found.value
      if (seen._tag !== "Again") return seen
      last = seen.error
      told = seen.retryAfter
    }
  })

/** The parts of an address that a template names, if it is one of ours. */
export const locate = (
  location: string | null | undefined,
  template: string,
  origins: ReadonlyArray<string>
): Record<string, string> | undefined => {
  const here = "http://relative.invalid"
  const url = Option.getOrUndefined(urlOf(location ?? "", `${here}/`))
  if (location === undefined || location === null || location === "" || url === undefined) return undefined
  if (url.username !== "" || url.password !== "") return undefined
  const allowed = origins.flatMap((origin) =>
    Option.getOrElse(
      Option.map(urlOf(origin), (found) => [found.origin]),
      () => []
    )
  )
  // A relative address stays where it was answered. One that spells the host out that no relative one has is none.
  const relative = url.origin === here && !location.toLowerCase().includes("relative.invalid")
  if (!relative && !allowed.includes(url.origin)) return undefined
  const parts = url.pathname.split("/")
  const names = template.split("/")
  if (parts.length !== names.length) return undefined
  const found: Record<string, string> = {}
  for (const [index, name] of names.entries()) {
    const part = parts[index]!
    if (!name.startsWith(":")) {
      if (name !== part) return undefined
      continue
    }
    const value = Result.getOrUndefined(Result.try(() => decodeURIComponent(part)))
    if (value === undefined || value === "") return undefined
    found[name.slice(1)] = value
  }
  return found
}
