import type * as Duration from "effect/Duration"
import type { Rules } from "./circuit.ts"
import { check, formatBoth } from "./duration.ts"
import type { Key } from "./keyed.ts"
import type { Layer, Setting, Tunable } from "./policy.ts"

/**
 * When attempts in a window open the circuit: `threshold` is their share in (0, 1] (default 0.5) of the last `size`
 * (default 20), once `minimumCalls` of them are known (default `size`).
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerRate {
  readonly threshold?: number | undefined
  readonly size?: number | undefined
  readonly minimumCalls?: number | undefined
}

/**
 * When slow attempts open the circuit, successes included: at a share of `rate` in (0, 1] (default 0.5) of the last `size`
 * (default 20) that took longer than `after`, once `minimumCalls` of them are known (default `size`).
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerSlow {
  readonly after: Duration.Input
  readonly rate?: number | undefined
  readonly size?: number | undefined
  readonly minimumCalls?: number | undefined
}

/**
 * Options of a breaker.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerOptions {
  /** Breakers of one name are one. Default: `"breaker"`. */
  readonly name?: string | undefined
  /** Failures in a row that open it. Default: 5. */
  readonly consecutive?: number | undefined
  readonly rate?: BreakerRate | false | undefined
  /** Default: time is not looked at. */
  readonly slow?: BreakerSlow | undefined
  /** How long it stays open at first, less up to half of it. Default: 1 second. */
  readonly openFor?: Duration.Input | undefined
  /** What the open time doubles up to while probes fail. Default: 5 seconds. */
  readonly maxOpenFor?: Duration.Input | undefined
  /** By what it is split into circuits. Default: `"integration"`, which is one. */
  readonly key?: Key | undefined
  /**
   * Where the circuits are kept: in this process (default), or in the `CircuitBreakerStore` that the integration's layer is
   * given, for several processes.
   */
  readonly store?: "memory" | "environment" | undefined
  /** What becomes of an attempt when the store fails or does not answer within 100 ms. Default: `"allow"`. */
  readonly onStoreError?: "allow" | "reject" | undefined
}

const windowProblems = (what: string, share: string, value: number, size: number, minimumCalls: number) => [
  ...(value > 0 && value <= 1 ? [] : [`${what}.${share} must be in (0, 1], got ${value}`]),
  ...(Number.isInteger(size) && size >= 1 ? [] : [`${what}.size must be an integer of at least 1, got ${size}`]),
  ...(Number.isInteger(minimumCalls) && minimumCalls >= 1 && minimumCalls <= size
    ? []
    : [`${what}.minimumCalls must be in [1, ${size}] (${what.split(" ").at(-1)}.size), got ${minimumCalls}`])
]

const rateOf = ({ threshold = 0.5, size = 20, minimumCalls = size }: BreakerRate = {}) => ({
  threshold,
  size,
  minimumCalls
})

const slowOf = ({ after, rate = 0.5, size = 20, minimumCalls = size }: BreakerSlow) => ({
  after: check("the breaker's slow.after", after),
  rate,
  size,
  minimumCalls
})

/** The numbers with their defaults, and what is wrong with them. */
export const rulesOf = (
  options: BreakerOptions
): { readonly rules: Rules; readonly problems: ReadonlyArray<string> } => {
  const first = check("the breaker's openFor", options.openFor ?? 1_000)
  const max = check("the breaker's maxOpenFor", options.maxOpenFor ?? 5_000)
  const slow = options.slow === undefined ? undefined : slowOf(options.slow)
  const rules: Rules = {
    consecutive: options.consecutive ?? 5,
    rate: options.rate === false ? undefined : rateOf(options.rate),
    slow: slow === undefined ? undefined : { ...slow, after: slow.after.millis },
    openFor: first.millis,
    maxOpenFor: max.millis
  }
  const problems = [first.problem, max.problem, slow?.after.problem].filter((problem) => problem !== undefined)
  if (!Number.isInteger(rules.consecutive) || rules.consecutive < 1) {
    problems.push(`the breaker's consecutive must be an integer of at least 1, got ${rules.consecutive}`)
  }
  if (rules.rate !== undefined) {
    const { minimumCalls, size, threshold } = rules.rate
    problems.push(...windowProblems("the breaker's rate", "threshold", threshold, size, minimumCalls))
  }
  if (rules.slow !== undefined) {
    const { minimumCalls, rate, size } = rules.slow
    problems.push(...windowProblems("the breaker's slow", "rate", rate, size, minimumCalls))
  }
  if (rules.openFor > rules.maxOpenFor) {
    const [first, longest] = formatBoth(rules.openFor, rules.maxOpenFor)
    problems.push(`the breaker's openFor of ${first} is longer than its maxOpenFor of ${longest}`)
  }
  return { rules, problems }
}

/** The numbers by their names in a configuration. */
export const tunableOf = (
  options: BreakerOptions,
  { consecutive, maxOpenFor, openFor, rate, slow }: Rules,
  layer: (options: BreakerOptions) => Layer
): Tunable => {
  const setting = (kind: Setting["kind"], value: number | undefined): Setting => ({ kind, value })
  return {
    settings: {
      BREAKER_CONSECUTIVE: setting("integer", consecutive),
      BREAKER_OPEN_FOR: setting("duration", openFor),
      BREAKER_MAX_OPEN_FOR: setting("duration", maxOpenFor),
      BREAKER_RATE_THRESHOLD: setting("number", rate?.threshold),
      BREAKER_RATE_SIZE: setting("integer", rate?.size),
      BREAKER_RATE_MINIMUM_CALLS: setting("integer", rate?.minimumCalls),
      BREAKER_SLOW_AFTER: setting("duration", slow?.after),
      BREAKER_SLOW_RATE: setting("number", slow?.rate),
      BREAKER_SLOW_SIZE: setting("integer", slow?.size),
      BREAKER_SLOW_MINIMUM_CALLS: setting("integer", slow?.minimumCalls)
    },
    tune: (values: Readonly<Record<string, number>>): Layer => {
      const of = (window: BreakerRate | BreakerSlow | undefined, prefix: string) => ({
        size: values[`${prefix}_SIZE`] ?? window?.size,
        minimumCalls: values[`${prefix}_MINIMUM_CALLS`] ?? window?.minimumCalls
      })
      const given = (prefix: string) => Object.keys(values).some((key) => key.startsWith(prefix))
      const share = options.rate || undefined
      const after = values.BREAKER_SLOW_AFTER ?? options.slow?.after
      return layer({
        ...options,
        consecutive: values.BREAKER_CONSECUTIVE ?? options.consecutive,
        openFor: values.BREAKER_OPEN_FOR ?? options.openFor,
        maxOpenFor: values.BREAKER_MAX_OPEN_FOR ?? options.maxOpenFor,
        rate:
          options.rate === false && !given("BREAKER_RATE_")
            ? false
            : {
                ...of(share, "BREAKER_RATE"),
                threshold: values.BREAKER_RATE_THRESHOLD ?? share?.threshold
              },
        slow:
          after === undefined
            ? undefined
            : {
                ...of(options.slow, "BREAKER_SLOW"),
                after,
                rate: values.BREAKER_SLOW_RATE ?? options.slow?.rate
              }
      })
    }
  }
}
