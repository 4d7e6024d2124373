/**
 * Stale if error: the last good answer where there is no other.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { Call, Site } from "./Call.ts"
import type { CallFailure } from "./CallFailure.ts"
import { askedKey, problemsOf, withWhose } from "./internal/asked.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { LastGood } from "./internal/lastGood.ts"
import { callLayer, fromLayers, type Layer, type Policy } from "./internal/policy.ts"
import { cutAfter, nowOf } from "./internal/timer.ts"
import { type AnswersOf, type NeedsPrincipal, type Principal, refuseUnlessSafe } from "./PolicyCoalesce.ts"
import * as Reason from "./Reason.ts"
import * as Telemetry from "./Telemetry.ts"

/**
 * Options of `staleIfError`, beside the principal.
 *
 * @category models
 * @since 0.1.0
 */
export interface StaleOptions {
  /** How old an answer may be that is served. */
  readonly for: Duration.Input
  /** What is asked for, in place of what is sent. Two calls of one name get one answer. */
  readonly key?: ((call: Call) => string) | undefined
  /** How many answers are kept. Default: 1,000. */
  readonly maxEntries?: number | undefined
  /** Operations of an integration with one name share the room of `maxEntries`. Default: "staleIfError". */
  readonly name?: string | undefined
}

/** The name of a span's attribute: how old the answer was that was served, in seconds. */
const ageAttribute = Telemetry.names.staleAge

interface Noted {
  /** Milliseconds. */
  oldest: number | undefined
  readonly outer: Noted | undefined
}

/** Where the age of what is served is noted, for the program that asked to know. */
const Note: Context.Reference<Noted | undefined> = Context.Reference<Noted | undefined>(
  "breakwater/Telemetry/StaleAge",
  { defaultValue: () => undefined }
)

/**
 * Serves the last good answer to the same question when a call fails for a reason that passes: no answer in time, a
 * provider that is down or throttles, an open circuit, a full bulkhead.
 *
 * **When to use**
 *
 * Use it for reads where an old answer is better than none: prices, catalogues, feature flags, profiles.
 *
 * **When not to use**
 *
 * Not where an old answer is a wrong one: balances, stock that is sold from, permissions. It is no cache: every call is
 * sent. It does not compile on a call that changes something.
 *
 * **Details**
 *
 * The same question is: the same operation, the same principal, and the same request (or input, or what `key` says). An
 * answer is never served for what the provider has decided (declared errors, rejections), invalid input, defects or
 * interruption. 401, 403, 404 and 410 forget it. Telemetry counts it as `fallback`, never as `ok`; `withStaleAge` tells
 * the caller. Answers are kept in memory, by reference: don't change them.
 *
 * **Example** (The provider goes down)
 *
 * ```ts
 * import { Exhaustion, Integration, Operation, Policy, Reason } from "breakwater"
 * import { Data, Effect, Schema } from "effect"
 *
 * class Down extends Data.TaggedError("Down") {}
 * let healthy = true
 *
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   { exhausted: Exhaustion.fail, orElse: () => new Down() },
 *   {
 *     euro: Operation.query("euro", {
 *       policy: Policy.stack(
 *         Policy.standard({ maxAttempts: 1 }),
 *         Policy.staleIfError({ for: "10 minutes", principal: "everyone" })
 *       ),
 *       success: Schema.Number,
 *       classify: () => Reason.unavailable(),
 *       send: () => Effect.suspend(() => (healthy ? Effect.succeed(1.08) : Effect.fail("down")))
 *     })
 *   }
 * ) {}
 *
 * const program = Effect.gen(function* () {
 *   const rates = yield* Rates
 *   const fresh = yield* Policy.withStaleAge(rates.euro())
 *   healthy = false
 *   const stale = yield* Policy.withStaleAge(rates.euro())
 *   return [fresh.value, fresh.age === undefined, stale.value, stale.age === undefined]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Integration.layer(Rates))) // => [1.08, true, 1.08, false]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const staleIfError = (options: AnswersOf<NeedsPrincipal> & StaleOptions): Policy<never, "safe"> =>
  fromLayers([layerOf(options)]) as Policy<never, "safe">

const layerOf = (options: AnswersOf<NeedsPrincipal> & StaleOptions): Layer => {
  const name = options.name ?? "staleIfError"
  const { millis, problem } = check("the age of stale answers", options.for)
  const most = options.maxEntries ?? 1_000
  const problems = [...problemsOf("staleIfError", options.principal)]
  if (problem !== undefined) problems.push(problem)
  if (!Number.isInteger(most) || most < 1) {
    problems.push(`staleIfError's maxEntries must be an integer of at least 1, got ${most}`)
  }
  return callLayer({
    slot: "staleIfError",
    name,
    describe: `where there is no answer, the last good one of the last ${format(millis)}; ${most} are kept`,
    problems,
    tunable: {
      settings: {
        STALE_FOR: { kind: "duration", value: millis },
        STALE_MAX_ENTRIES: { kind: "integer", value: most }
      },
      tune: (values) =>
        layerOf({ ...options, for: values.STALE_FOR ?? millis, maxEntries: values.STALE_MAX_ENTRIES ?? most })
    },
    build: (site) =>
      Effect.gen(function* () {
        yield* refuseUnlessSafe(site, "staleIfError", "keeps answers")
        const kept = yield* site.shared(`staleIfError ${name}`, { maxEntries: most }, makeKept(most))
        const whose = options.principal
        return (step) => (call) => {
          if (call.resumed) return step(call)
          return Effect.withFiber((fiber) =>
            asking(whose, call, site, fiber, (who) =>
              Effect.matchEffect(step(call), {
                onFailure: (failure) => Effect.suspend(() => orStale(who, call, fiber, failure)),
                onSuccess: (answer) =>
                  Effect.suspend(() => {
                    const key = who === undefined ? undefined : askedKey(who, options.key, call)
                    if (key !== undefined) kept.keep(key, answer, nowOf(fiber), millis)
                    return Effect.succeed(answer)
                  })
              })
            )
          )
        }

        function orStale(
          who: string | undefined,
          call: CallRecord,
          fiber: Fiber.Fiber<unknown, unknown>,
          failure: CallFailure
        ) {
          const { reason } = failure
          const forgets = isGone(reason)
          if (who === undefined || !(forgets || passes(reason))) return Effect.fail(failure)
          // What had no time to be prepared has no request to look for.
          if (call.prepared === undefined && options.key === undefined) return Effect.fail(failure)
          const key = askedKey(who, options.key, call)
          if (key === undefined) return Effect.fail(failure)
          if (forgets) {
            kept.forget(key)
            return Effect.fail(failure)
          }
          const now = nowOf(fiber)
          const entry = kept.find(key, now, millis)
          if (entry === undefined) return Effect.fail(failure)
          site.decided(call, "served_stale", now)
          if (site.mode() === "observe") return Effect.fail(failure)
          call.fellBack = true
          tell(fiber, now - entry.at)
          return Effect.succeed(entry.answer)
        }
      })
  })
}

/**
 * Runs a program and says how old the oldest answer is that `staleIfError` served to it; `undefined` if all were fresh.
 *
 * **When to use**
 *
 * Use it where the age matters to whoever gets the answer: to show it, to send an `Age` header, or to refuse a write that
 * would rest on an old read.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withStaleAge = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly value: A; readonly age: Duration.Duration | undefined }, E, R> =>
  Effect.withFiber((fiber) => {
    const noted: Noted = { oldest: undefined, outer: fiber.getRef(Note) }
    return Effect.map(Effect.provideService(self, Note, noted), (value) => ({
      value,
      age: noted.oldest === undefined ? undefined : Duration.millis(noted.oldest)
    }))
  })

const makeKept = (most: number) =>
  Effect.acquireRelease(
    Effect.map(Effect.context<never>(), (context) => new LastGood(most, context)),
    (kept) => Effect.suspend(() => (kept.sweeper === undefined ? Effect.void : Fiber.interrupt(kept.sweeper)))
  )

/** Reads whose answer it is. The layer stands outside the total deadline, and its reading must not. */
const asking = <A, E>(
  whose: Principal,
  call: CallRecord,
  site: Site,
  fiber: Fiber.Fiber<unknown, unknown>,
  then: (who: string | undefined) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  if (!Effect.isEffect(whose)) return withWhose(whose, call, then)
  const ends = Math.min(call.deadline, call.startedAt + (site.limits.totalDeadline ?? Infinity))
  const read = withWhose(whose, call, (who) => Effect.succeed(who))
  return Effect.flatMap(
    cutAfter(read, Math.max(0, ends - nowOf(fiber)), () => Effect.succeed(undefined)),
    then
  )
}

/** A reason that may be over the next time. What the provider has decided stays, and so does a call that shuts down. */
const passes = (reason: Reason.Reason): boolean =>
  reason._tag !== "Declared" && reason._tag !== "Draining" && (reason.transient || Reason.isLocalRejection(reason))

/** That there is nothing, or nothing for this principal: what was kept must not come back. */
const isGone = ({ _tag, status }: Reason.Reason): boolean =>
  (_tag === "Declared" || _tag === "Rejected") && (status === 401 || status === 403 || status === 404 || status === 410)

const tell = (fiber: Fiber.Fiber<unknown, unknown>, age: number): void => {
  for (let noted = fiber.getRef(Note); noted !== undefined; noted = noted.outer) {
    noted.oldest = Math.max(noted.oldest ?? 0, age)
  }
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  if (span?._tag === "Span") span.attribute(ageAttribute, age / 1000)
}
