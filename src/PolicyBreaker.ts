/**
 * The circuit breaker: after enough failures, calls are turned away until one probe succeeds.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Random from "effect/Random"
// The one unstable module that the core loads: DESIGN wants Effect's breaker, built inside the integration's layer.
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type { Call, Site } from "./Call.ts"
import { reasonOf } from "./internal/boundary.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { attemptLayer, fromLayers, type Policy } from "./internal/policy.ts"
import * as Reason from "./Reason.ts"

/**
 * The state of one circuit, for tests, plans and dashboards.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerState {
  readonly key: string
  readonly state: "Closed" | "Open" | "HalfOpen"
}

type Attempt = (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>

interface Settings {
  readonly consecutive: number
  readonly rate: { readonly threshold: number; readonly size: number; readonly minimumCalls: number } | undefined
  readonly openFor: number
  readonly maxOpenFor: number
}

const never = { _tag: "Consecutive", failures: Number.MAX_SAFE_INTEGER } as const
const trip = { _tag: "Consecutive", failures: 1 } as const

/** Failures in a row, of the attempts that one generation of a circuit admitted. */
interface Streak {
  readonly generation: number
  readonly failures: number
}

/** State of a breaker: Effect's memory store, and the streaks that let one circuit follow two trip rules at once. */
const makeState = Effect.suspend(() =>
  // A layer of its own for every build: layers are memoised by reference, and one store would be everybody's.
  Effect.map(Layer.build(CircuitBreaker.layerStoreMemory()), (context) => ({
    store: Context.get(context, CircuitBreaker.CircuitBreakerStore),
    streaks: new Map<string, Streak>()
  }))
)

type State = Effect.Success<typeof makeState>

/** Full open time for the n-th opening in a row, before jitter. */
const openFor = (settings: Settings, openings: number): number =>
  Math.min(settings.maxOpenFor, settings.openFor * 2 ** (openings - 1))

const guard = (state: State, settings: Settings, keyOf: (call: Call) => string, step: Attempt): Attempt => {
  const record = (
    key: string,
    admission: CircuitBreaker.Admission,
    reason: Reason.Reason | undefined,
    exit: Exit.Exit<unknown, Reason.Reason>
  ) =>
    Effect.flatMap(Random.next, (random) => {
      const health =
        reason === undefined
          ? "success"
          : reason.health === "probe"
            ? admission.probe
              ? "success"
              : "ignored"
            : reason.health
      // An attempt that was admitted before the circuit last opened or closed says nothing about it now, as in the store.
      const { generation } = admission
      const known = state.streaks.get(key)
      const streak = health === "failure" ? (known?.generation === generation ? known.failures : 0) + 1 : 0
      if (known === undefined || known.generation <= generation) {
        if (health === "failure") state.streaks.set(key, { generation, failures: streak })
        else if (health === "success") state.streaks.delete(key)
      }
      const tripPolicy: CircuitBreaker.TripPolicy =
        streak >= settings.consecutive ? trip : settings.rate === undefined ? never : { _tag: "Rate", ...settings.rate }
      const longest = openFor(settings, admission.consecutiveOpenings + 1)
      // Equal jitter: a second process must not probe in the same instant. A hint is taken up to the own open time.
      const jittered = longest / 2 + (random * longest) / 2
      const hint = reason?.retryAfter === undefined ? 0 : Math.min(Duration.toMillis(reason.retryAfter), longest)
      const recorded = state.store.record({
        key,
        generation,
        outcome: health === "failure" ? "Failure" : health === "success" ? "Success" : "Ignored",
        tripPolicy,
        openFor: Duration.millis(Math.max(jittered, hint))
      })
      // A store that can't record must not change what the call ended with.
      return Effect.matchCauseEffect(recorded, { onFailure: () => exit, onSuccess: () => exit })
    })

  return (call) => {
    const key = keyOf(call)
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(Effect.scoped(state.store.admit(key))), (admitted) => {
        if (Exit.isFailure(admitted)) return Effect.fail(rejection(key, admitted))
        return Effect.flatMap(Effect.exit(restore(step(call))), (exit) => {
          if (Exit.isSuccess(exit)) return record(key, admitted.value, undefined, exit)
          return record(key, admitted.value, Exit.hasInterrupts(exit) ? cut(call) : reasonOf(exit.cause, call), exit)
        })
      })
    )
  }
}

const ignored = Reason.make("DeadlineExceeded")
const timedOut = Reason.make("Timeout")

/** A deadline that cuts an attempt short says nothing about the provider, unless the attempt had its full limit. */
const cut = (call: CallRecord): Reason.Reason => (call.cutBy === "deadline" && call.hasFullLimit ? timedOut : ignored)

const rejection = (key: string, exit: Exit.Failure<unknown, CircuitBreaker.CircuitBreakerError>): Reason.Reason => {
  const error = Exit.findErrorOption(exit)
  const reason = error._tag === "Some" ? error.value.reason : undefined
  // Whole milliseconds, and never too early: the jitter leaves fractions, which nobody wants to read or to parse.
  const left = reason?._tag === "CircuitOpen" ? Math.ceil(Duration.toMillis(reason.retryAfter)) : undefined
  return Reason.make("CircuitOpen", {
    message:
      left === undefined
        ? `the circuit ${key} is half-open and probing`
        : `the circuit ${key} is open for another ${format(left)}`,
    retryAfter: left === undefined ? undefined : Duration.millis(left)
  })
}

/**
 * Turns attempts away while the provider is failing.
 *
 * **Details**
 *
 * Effect's `CircuitBreaker` store keeps the state, in memory and in the integration layer's scope. The circuit opens
 * after `consecutive` failures in a row (default 5), or when `rate` of the last `size` attempts failed (default half of
 * 20). It stays open for `openFor` (default 1 second), doubling to `maxOpenFor` (5 seconds), with jitter; then one probe
 * decides. It counts attempts, not calls: standing inside retry it opens after 3 attempts of one call where a breaker
 * outside would need 3 calls. What counts as a failure is in the outcome table of `Reason`; local rejections never do.
 *
 * `key` splits it, for example by host or tenant; keys that are idle for an hour are forgotten. Breakers with one `name`
 * are one breaker, for all operations of an integration.
 *
 * @category layers
 * @since 0.1.0
 */
export const breaker = (options?: {
  readonly name?: string | undefined
  readonly consecutive?: number | undefined
  readonly rate?:
    | {
        readonly threshold?: number | undefined
        readonly size?: number | undefined
        readonly minimumCalls?: number | undefined
      }
    | false
    | undefined
  readonly openFor?: Duration.Input | undefined
  readonly maxOpenFor?: Duration.Input | undefined
  readonly key?: ((call: Call) => string) | undefined
}): Policy<never, "any"> => {
  const name = options?.name ?? "breaker"
  const first = check("the breaker's openFor", options?.openFor ?? 1_000)
  const max = check("the breaker's maxOpenFor", options?.maxOpenFor ?? 5_000)
  const rate = options?.rate === false ? undefined : (options?.rate ?? {})
  const size = rate?.size ?? 20
  const settings: Settings = {
    consecutive: options?.consecutive ?? 5,
    rate:
      rate === undefined
        ? undefined
        : { threshold: rate.threshold ?? 0.5, size, minimumCalls: rate.minimumCalls ?? size },
    openFor: first.millis,
    maxOpenFor: max.millis
  }
  const problems = [first.problem, max.problem].filter((problem) => problem !== undefined)
  if (!Number.isInteger(settings.consecutive) || settings.consecutive < 1) {
    problems.push(`the breaker's consecutive must be an integer of at least 1, got ${settings.consecutive}`)
  }
  if (settings.rate !== undefined) {
    const { minimumCalls, threshold } = settings.rate
    if (!(threshold > 0 && threshold <= 1))
      problems.push(`the breaker's rate.threshold must be in (0, 1], got ${threshold}`)
    if (!Number.isInteger(size) || size < 1)
      problems.push(`the breaker's rate.size must be an integer of at least 1, got ${size}`)
    if (!Number.isInteger(minimumCalls) || minimumCalls < 1 || minimumCalls > size) {
      problems.push(`the breaker's rate.minimumCalls must be in [1, ${size}] (rate.size), got ${minimumCalls}`)
    }
  }
  if (settings.openFor > settings.maxOpenFor) {
    problems.push(
      `the breaker's openFor of ${format(settings.openFor)} is longer than its maxOpenFor of ${format(settings.maxOpenFor)}`
    )
  }
  return fromLayers([
    attemptLayer({
      slot: "circuitBreaker",
      name,
      describe: `opens at ${settings.consecutive} failures in a row${
        settings.rate === undefined ? "" : ` or ${settings.rate.threshold * 100} % of ${size}`
      }, for ${format(settings.openFor)} to ${format(settings.maxOpenFor)}`,
      problems,
      build: (site: Site) =>
        Effect.map(
          site.shared(`breaker ${name}`, settings, makeState),
          (state) => (step) => guard(state, settings, options?.key ?? (() => site.integration), step)
        )
    })
  ]) as Policy<never, "any">
}
