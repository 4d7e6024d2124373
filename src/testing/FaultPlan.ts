/**
 * Which request meets which fault: scripts, rates and windows, as data or as pure functions of the arrival.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { all, type Fault } from "./Fault.ts"

/**
 * Where a fault may strike: the n-th request (from 1) of one operation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrival {
  readonly operation: string
  /** Its place among the requests of its operation, from 1. */
  readonly arrival: number
  /** Its place among all requests, from 0. */
  readonly index: number
  /** Milliseconds since the provider's layer was built or its server began to listen, or since its last `reset`. */
  readonly elapsed: number
}

/**
 * Which request meets which fault: a list for all requests in the order of their arrival, a list per operation, or a
 * function. Past the end of a list there is no fault.
 *
 * @category models
 * @since 0.1.0
 */
export type Faults =
  | ReadonlyArray<Fault | undefined>
  | { readonly [operation: string]: ReadonlyArray<Fault | undefined> }
  | ((at: Arrival) => Fault | undefined)

/**
 * A step of a script at which nothing goes wrong.
 *
 * @category scripts
 * @since 0.1.0
 */
export const none: undefined = undefined

/**
 * The same fault, several times in a row.
 *
 * @category scripts
 * @since 0.1.0
 */
export const times = (count: number, fault: Fault | undefined): ReadonlyArray<Fault | undefined> =>
  Array.from({ length: count }, () => fault)

/**
 * A script for all requests in the order of their arrival. After its last step nothing goes wrong.
 *
 * **Example** (Fail twice, then stall the body, then succeed)
 *
 * ```ts
 * import { FaultInjection } from "breakwater/testing"
 *
 * const faults = FaultInjection.script(
 *   FaultInjection.times(2, FaultInjection.status(503)),
 *   FaultInjection.stallInBody
 * )
 *
 * faults.map((fault) => fault?._tag) // => ["Status", "Status", "StallInBody"]
 * ```
 *
 * @category scripts
 * @since 0.1.0
 */
export const script = (
  ...steps: ReadonlyArray<Fault | undefined | ReadonlyArray<Fault | undefined>>
): ReadonlyArray<Fault | undefined> => steps.flatMap((step) => step as Fault | undefined)

/**
 * A script for the requests of one operation; the others meet nothing.
 *
 * @category scripts
 * @since 0.1.0
 */
export const only = (operation: string, faults: Faults): ((at: Arrival) => Fault | undefined) =>
  withSeedOf(faults, (at) =>
    at.operation === operation ? faultAt(faults, { ...at, index: at.arrival - 1 }) : undefined
  )

/**
 * An outage: every request that arrives in this window of time meets the fault. `from` and `to` are counted from the
 * moment at which the provider's layer was built, or its server began to listen.
 *
 * @category windows
 * @since 0.1.0
 */
export const window = (
  options: { readonly from?: Duration.Input | undefined; readonly to: Duration.Input },
  fault: Fault
): ((at: Arrival) => Fault | undefined) => {
  const from = Duration.toMillis(Duration.fromInputUnsafe(options.from ?? 0))
  const to = Duration.toMillis(Duration.fromInputUnsafe(options.to))
  return ({ elapsed }) => (elapsed >= from && elapsed < to ? fault : undefined)
}

/**
 * Several plans at once. The first that has a fault for a request decides.
 *
 * @category combinators
 * @since 0.1.0
 */
export const firstOf = (...plans: ReadonlyArray<Faults>): ((at: Arrival) => Fault | undefined) =>
  plans.reduce<(at: Arrival) => Fault | undefined>(
    (before, plan) =>
      withSeedOf(
        plan,
        withSeedOf(before, (at) => before(at) ?? faultAt(plan, at))
      ),
    () => undefined
  )

/**
 * Faults as a pure function of the seed, the operation and the number of the arrival: whoever sends the same requests
 * meets the same faults, whatever the timing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seeded = (options: {
  readonly seed: number | string
  /** The share of requests that meet a fault, 0 to 1. Default: 0.15. */
  readonly rate?: number | undefined
  readonly faults?: ReadonlyArray<Fault> | undefined
}): ((at: Pick<Arrival, "operation" | "arrival">) => Fault | undefined) => {
  const rate = options.rate ?? 0.15
  const faults = options.faults ?? all
  const plan = ({ arrival, operation }: { readonly operation: string; readonly arrival: number }) => {
    const draw = draws(`${options.seed}|${operation}|${arrival}`)
    return draw(0) < rate ? faults[Math.floor(draw(1) * faults.length)] : undefined
  }
  return Object.assign(plan, { [SeedId]: options.seed })
}

const SeedId = "~breakwater/testing/FaultPlan/seed"

/** The seed of a plan, if it draws. */
export const seedOf = (faults: Faults | undefined): number | string | undefined =>
  typeof faults === "function" ? (faults as { readonly [SeedId]?: number | string })[SeedId] : undefined

const withSeedOf = <A extends Faults>(faults: Faults, plan: A): A => {
  const seed = seedOf(faults)
  return seed === undefined ? plan : Object.assign(plan, { [SeedId]: seed })
}

const isScript = (faults: Faults): faults is ReadonlyArray<Fault | undefined> => Array.isArray(faults)

/** The fault that a plan has for one request. */
export const faultAt = (faults: Faults | undefined, at: Arrival): Fault | undefined => {
  if (faults === undefined) return undefined
  if (typeof faults === "function") return faults(at)
  return isScript(faults) ? faults[at.index] : faults[at.operation]?.[at.arrival - 1]
}

/**
 * Runs a test for many seeds, and says which seed failed.
 *
 * **Details**
 *
 * The seeds are 1 to `runs`, so that a run repeats itself. A failure dies with a message that names the seed and how to
 * replay it alone: `BREAKWATER_SEED=17 npx vitest run …`. A replay runs that seed once.
 *
 * @category running
 * @since 0.1.0
 */
export const forSeeds = <E, R>(
  options: { readonly runs: number },
  test: (seed: number | string) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, never, R> =>
  Effect.flatMap(replayedSeed, (replayed) => {
    const seeds: ReadonlyArray<number | string> =
      replayed._tag === "Some"
        ? [/^\d+$/.test(replayed.value) ? Number(replayed.value) : replayed.value]
        : Array.from({ length: options.runs }, (_, index) => index + 1)
    return Effect.forEach(
      seeds,
      (seed) =>
        Effect.catchCause(
          Effect.suspend(() => test(seed)),
          (cause) => (Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.die(failedSeed(seed, seeds, cause)))
        ),
      { discard: true }
    )
  })

const replayedSeed = Effect.orDie(
  Effect.gen(function* () {
    return yield* Config.option(Config.String("BREAKWATER_SEED"))
  })
)

const failedSeed = (
  seed: number | string,
  seeds: ReadonlyArray<number | string>,
  cause: Cause.Cause<unknown>
): Error => {
  const [first] = Cause.prettyErrors(cause)
  const error = new Error(
    `seed ${seed} failed (${seeds.indexOf(seed) + 1} of ${seeds.length}); ` +
      `replay it alone with BREAKWATER_SEED=${seed}\n\n${first?.message ?? Cause.pretty(cause)}`,
    { cause: Cause.squash(cause) }
  )
  error.name = "SeedFailure"
  return error
}

/** Uniform numbers in [0, 1) from a text: two lanes over its characters, then murmur3's finaliser for each draw. */
const draws = (text: string): ((index: number) => number) => {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x5bd1e995)
    a ^= a >>> 15
    b = Math.imul(b ^ code, 0x1b873593)
    b ^= b >>> 13
  }
  const first = mix(a ^ Math.imul(b, 0x27d4eb2f))
  const second = mix(b ^ Math.imul(a, 0x165667b1))
  return (index) => mix(mix(first + Math.imul(index + 1, 0x9e3779b9)) ^ second) / 0x1_0000_0000
}

const mix = (x: number): number => {
  let h = x | 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}
