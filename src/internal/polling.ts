// Asks for the state of a job until it has ended.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Deadline from "../Deadline.ts"
import { type Job, PollingError, type PollingReason } from "../PollingError.ts"
import { retryAfter as parseRetryAfter } from "./limits.ts"
import { urlOf } from "./links.ts"

/** When to ask next, as a provider says it: the header's text, seconds, or a duration. */
export type Hint = string | number | Duration.Duration | undefined

export type Step<A, E> =
  | { readonly _tag: "Running"; readonly retryAfter: Hint }
  | { readonly _tag: "Succeeded"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Unexpected" }

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

/** One look, as far as it says anything: `again` is a look that says nothing yet. */
export const look = <Ref, A, E, ES, R>(
  polling: Definition<Ref, A, E, ES, R>,
  ref: Ref,
  startedAt: number,
  fail: (reason: PollingReason, error?: unknown) => PollingError
): Effect.Effect<
  | { readonly _tag: "Again"; readonly retryAfter: Hint; readonly error: ES | undefined }
  | { readonly _tag: "Succeeded"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: E },
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

/** Asks until the job has ended, or the time has. */
export const follow = <Ref, A, E, ES, R>(
  polling: Definition<Ref, A, E, ES, R>,
  ref: Ref,
  job: Job,
  first: Hint
): Effect.Effect<A, E | PollingError, R> =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(polling.schedule)
    let polls = 0
    let last: ES | undefined
    let told = first
    const fail = (reason: PollingReason, error: unknown = last) =>
      new PollingError({ reason, job, outcome: "Unknown", polls, error })
    while (true) {
      const now = yield* Clock.currentTimeMillis
      const pause = yield* Pull.catchDone(step(now, polls), () => Effect.undefined)
      if (pause === undefined) return yield* fail("Spent")
      const wait = hintOf(told, now) ?? pause[1]
      const left = (yield* Deadline.remaining) ?? Duration.infinity
      if (Duration.isGreaterThanOrEqualTo(wait, left)) return yield* fail("Deadline")
      yield* Effect.sleep(wait)
      const time = (yield* Deadline.remaining) ?? Duration.infinity
      polls++
      const found = yield* Effect.timeoutOption(look(polling, ref, job.startedAt, fail), time)
      if (Option.isNone(found)) return yield* fail("Deadline")
      const seen = found.value
      if (seen._tag === "Succeeded") return seen.value
      if (seen._tag === "Failed") return yield* Effect.fail(seen.error)
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
