/**
 * Hedging: a second request while the first is slow, for what only reads.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { check, format } from "./internal/duration.ts"
import { buildHedge, type Settings } from "./internal/hedge.ts"
import { callLayer, fromLayers, type Policy } from "./internal/policy.ts"

/**
 * When to hedge by what the operation's own answers took lately.
 *
 * @category models
 * @since 0.1.0
 */
export interface HedgePercentile {
  /** Of a hundred: 95 hedges what is slower than 95 % of the attempts of the last minute. */
  readonly percentile: number
  /** How many attempts the last minute must have. Default: 100. */
  readonly minimumCalls?: number | undefined
  /** The shortest delay. Default: 1 millisecond. */
  readonly floor?: Duration.Input | undefined
  /** The delay while there are too few attempts. Default: nothing is hedged then. */
  readonly initially?: Duration.Input | undefined
}

/**
 * Options of `hedge`.
 *
 * @category models
 * @since 0.1.0
 */
export interface HedgeOptions {
  /** How long an attempt is waited for before another one starts beside it. */
  readonly after: Duration.Input | HedgePercentile
  /** How many more attempts one try of a call may have. Default: 1. */
  readonly max?: number | undefined
  /** Hedges per call, over all calls of the operation. Default: 0.05. */
  readonly maxExtraLoad?: number | undefined
  readonly name?: string | undefined
}

/**
 * Starts another attempt while one is slow, and takes the answer that comes first.
 *
 * **When to use**
 *
 * Use it for reads whose slowest few per cent are much slower than the rest, at a provider that has room: a request that
 * hit a slow machine is asked again, and the next one is probably fast.
 *
 * **When not to use**
 *
 * Not against a provider that is slow as a whole: more requests make that worse, and nothing faster comes of them. Not on
 * what changes something: the types refuse it there.
 *
 * **Details**
 *
 * `after` is a duration, or a percentile of what the operation's attempts took in the last minute. With the percentile
 * nothing is hedged before `minimumCalls` (100) attempts are known, unless `initially` gives a delay. `max` (1) bounds the
 * hedges of one try; `maxExtraLoad` (0.05) those of all calls of an operation: each call pays for that part of one, quiet
 * times save up 10 at most, and none is given. A retry budget around it is drawn on as well.
 *
 * A hedge starts only if a breaker, a rate limit and a bulkhead would let it through at once, and while more time than
 * the delay is left until the deadline. Where it may not, the call goes on without: a hedge fails no call.
 *
 * The first success is the answer, and so is the first failure that another try would not change. A transient failure
 * waits for the attempts that still run, and never starts a hedge early: that is what retry is for. The attempts that lost
 * are interrupted, and the answer waits for them for 20 milliseconds at most. One that can't be interrupted keeps its permit
 * until it ends, and a layer that closes waits for it.
 *
 * **Example** (Ask again what is slower than 95 % of the last minute)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * const policy = Policy.stack(Policy.standard(), Policy.hedge({ after: { percentile: 95 } }))
 * policy.layers.some(({ slot }) => slot === "hedge") // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const hedge = (options: HedgeOptions): Policy<never, "safe"> => {
  const name = options.name ?? "hedge"
  const problems: Array<string> = []
  const millis = (what: string, input: Duration.Input): number => {
    const { millis, problem } = check(what, input)
    if (problem !== undefined) problems.push(problem)
    return millis
  }
  const live = isPercentile(options.after) ? options.after : undefined
  const settings: Settings = {
    after: isPercentile(options.after) ? undefined : millis("the hedge's after", options.after),
    percentile: live?.percentile,
    minimumCalls: live?.minimumCalls ?? 100,
    floor: millis("the hedge's floor", live?.floor ?? 1),
    initially: live?.initially === undefined ? undefined : millis("the hedge's initially", live.initially),
    max: options.max ?? 1,
    maxExtraLoad: options.maxExtraLoad ?? 0.05
  }
  const { after, floor, initially, max, maxExtraLoad, minimumCalls, percentile } = settings
  if (percentile !== undefined && !(percentile >= 1 && percentile < 100)) {
    problems.push(`the hedge's percentile must be in [1, 100), got ${percentile}`)
  }
  if (!Number.isInteger(minimumCalls) || minimumCalls < 1) {
    problems.push(`the hedge's minimumCalls must be an integer of at least 1, got ${minimumCalls}`)
  }
  if (!Number.isInteger(max) || max < 1 || max > mostLegs) {
    problems.push(`the hedge's max must be an integer in [1, ${mostLegs}], got ${max}`)
  } else if (!(maxExtraLoad > 0 && maxExtraLoad <= max)) {
    problems.push(`the hedge's maxExtraLoad must be in (0, ${max}] (max), got ${maxExtraLoad}`)
  }
  const duration = (value: number | undefined) => ({ kind: "duration", value }) as const
  const wait =
    after !== undefined
      ? format(after)
      : `as long as ${percentile} % of the last minute's attempts took${initially === undefined ? "" : `, ${format(initially)} at first`}`
  return fromLayers([
    callLayer({
      slot: "hedge",
      name,
      describe: `up to ${max} more ${max === 1 ? "attempt" : "attempts"} without an answer after ${wait}, at most ${maxExtraLoad} per call`,
      limits: { hedges: max },
      problems,
      tunable: {
        settings: {
          ...(live === undefined
            ? { HEDGE_AFTER: duration(after) }
            : {
                HEDGE_PERCENTILE: { kind: "number", value: percentile },
                HEDGE_MINIMUM_CALLS: { kind: "integer", value: minimumCalls },
                HEDGE_FLOOR: duration(floor),
                HEDGE_INITIALLY: duration(initially)
              }),
          HEDGE_MAX: { kind: "integer", value: max },
          HEDGE_MAX_EXTRA_LOAD: { kind: "number", value: maxExtraLoad }
        },
        tune: (values) =>
          hedge({
            ...options,
            after:
              live === undefined
                ? (values.HEDGE_AFTER ?? options.after)
                : {
                    percentile: values.HEDGE_PERCENTILE ?? live.percentile,
                    minimumCalls: values.HEDGE_MINIMUM_CALLS ?? live.minimumCalls,
                    floor: values.HEDGE_FLOOR ?? live.floor,
                    initially: values.HEDGE_INITIALLY ?? live.initially
                  },
            max: values.HEDGE_MAX ?? max,
            maxExtraLoad: values.HEDGE_MAX_EXTRA_LOAD ?? maxExtraLoad
          }).layers[0]!
      },
      build: buildHedge(settings, name)
    })
  ]) as Policy<never, "safe">
}

/** More legs than that ask a provider to be down, and then none is faster. */
const mostLegs = 10

const isPercentile = (after: HedgeOptions["after"]): after is HedgePercentile =>
  Predicate.hasProperty(after, "percentile")
