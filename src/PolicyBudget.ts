/**
 * The retry budget: how many retries and hedges all calls of an integration may make together.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Site } from "./Call.ts"
import {
  Bucket,
  type BucketSettings,
  type Budget,
  Deposits,
  Draw,
  type RatioSettings,
  type Tokens
} from "./internal/budget.ts"
import type { CallFailure } from "./CallFailure.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { fusable } from "./internal/fusable.ts"
import { allowanceAround } from "./internal/nesting.ts"
import { callLayer, fromLayers, type Policy, type Tunable } from "./internal/policy.ts"
import { nowOf } from "./internal/timer.ts"
import { PolicyError } from "./PolicyError.ts"

/**
 * The numbers of a bucket of tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetOptions {
  /** Budgets of one integration with one name are one. Default: `"budget"`. */
  readonly name?: string | undefined
  /** How many tokens the bucket holds. It starts full. Default: 500. */
  readonly capacity?: number | undefined
  /** What a retry costs after a transient failure. Default: 14. */
  readonly transientCost?: number | undefined
  /** What a retry costs after being throttled, and while an earlier attempt with the same key is at work. Default: 5. */
  readonly throttledCost?: number | undefined
  /** What a hedge costs. It is never given back. Default: as much as a transient retry. */
  readonly hedgeCost?: number | undefined
  /** What the success of a call gives that was not retried. Default: 1. */
  readonly refund?: number | undefined
  /** Whether the success of a call that was retried gives back what its last retry cost, instead. Default: true. */
  readonly refundsLastRetry?: boolean | undefined
  /** No retry and no hedge that would leave this or less. Default: the last token may be taken. */
  readonly stopAt?: number | undefined
  /**
   * What is charged: `"retries"` (default), or every transient `"failures"` of an attempt, whether a retry follows or not.
   */
  readonly charges?: "retries" | "failures" | undefined
}

/**
 * A rate, written out.
 *
 * @category models
 * @since 0.1.0
 */
export type PerTime = `${number} per ${"second" | "minute" | "hour"}`

/**
 * The numbers of a budget that is a part of the calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetRatioOptions {
  /** Budgets of one integration with one name are one. Default: `"budget"`. */
  readonly name?: string | undefined
  /** Retries and hedges for each call. Default: 0.2. */
  readonly ratio?: number | undefined
  /** Retries, not hedges, that are allowed beside that, for quiet times. Default: `"10 per second"`. */
  readonly floor?: PerTime | undefined
  /** For how long a call counts. Default: 10 seconds. */
  readonly ttl?: Duration.Input | undefined
}

/**
 * A budget that a layer provides, by its name. Its numbers are the layer's.
 *
 * @category models
 * @since 0.1.0
 */
export type BudgetAcross = { readonly across: string } & {
  readonly [K in keyof BudgetOptions]?: "the numbers of a budget across integrations are given to Policy.layerBudget"
}

interface Form {
  readonly settings: object
  readonly problems: ReadonlyArray<string>
  readonly describe: string
  readonly extraLoad: number
  readonly make: () => Tokens
}

const bucketForm = (options: BudgetOptions): Form & { readonly settings: BucketSettings } => {
  const transientCost = options.transientCost ?? 14
  const settings: BucketSettings = {
    capacity: options.capacity ?? 500,
    transientCost,
    throttledCost: options.throttledCost ?? 5,
    hedgeCost: options.hedgeCost ?? transientCost,
    refund: options.refund ?? 1,
    refundsLastRetry: options.refundsLastRetry ?? true,
    stopAt: options.stopAt,
    charges: options.charges ?? "retries"
  }
  const { capacity, charges, hedgeCost, refund, refundsLastRetry, stopAt, throttledCost } = settings
  const problems: Array<string> = []
  if (!(capacity > 0 && Number.isFinite(capacity))) {
    problems.push(`the budget's capacity must be finite and more than 0, got ${capacity}`)
  }
  for (const [name, cost, least] of [
    ["transientCost", transientCost, 0.001],
    ["throttledCost", throttledCost, 0.001],
    ["hedgeCost", hedgeCost, 0]
  ] as const) {
    if (!(cost >= least && Number.isFinite(cost))) {
      problems.push(`the budget's ${name} must be finite and at least ${least}, got ${cost}`)
    } else if (cost > capacity - (stopAt ?? 0)) {
      problems.push(`the budget's ${name} of ${cost} is more than its capacity of ${capacity} has to give`)
    }
  }
  if (!(refund >= 0 && refund <= capacity)) {
    problems.push(`the budget's refund must be in [0, ${capacity}] (capacity), got ${refund}`)
  }
  if (stopAt !== undefined && !(stopAt >= 0 && stopAt < capacity)) {
    problems.push(`the budget's stopAt must be in [0, ${capacity}) (capacity), got ${stopAt}`)
  }
  const gives = refundsLastRetry ? `a success gives its last retry's cost back, else ${refund}` : `a success ${refund}`
  return {
    settings,
    problems,
    describe:
      `${capacity} tokens; ${charges === "failures" ? "a transient failure" : "a retry"} costs ${transientCost}, ` +
      `throttled ${throttledCost}, a hedge ${hedgeCost}; ${gives}` +
      (stopAt === undefined ? "" : `; none at ${stopAt} or less`),
    // Every extra attempt costs, and as long as no repeat succeeds only first tries give anything.
    extraLoad: refund / Math.min(transientCost, throttledCost),
    make: () => new Bucket(settings)
  }
}

const seconds = { second: 1, minute: 60, hour: 3_600 } as const

const perSecond = (rate: string): number => {
  const [, count, unit] = /^(\d+(?:\.\d+)?(?:e-\d+)?) per (second|minute|hour)$/.exec(rate) ?? []
  // What does not match has no count, and `NaN` comes of it.
  return Number(count) / seconds[unit as keyof typeof seconds]
}

const ratioForm = (options: BudgetRatioOptions): Form & { readonly settings: RatioSettings } => {
  const ratio = options.ratio ?? 0.2
  const floor = options.floor ?? "10 per second"
  const ttl = check("the budget's ttl", options.ttl ?? 10_000)
  const settings: RatioSettings = { ratio, floorPerSecond: perSecond(floor), ttl: ttl.millis }
  const problems = ttl.problem === undefined ? [] : [ttl.problem]
  if (!(ratio >= 0 && Number.isFinite(ratio))) {
    problems.push(`the budget's ratio must be finite and at least 0, got ${ratio}`)
  }
  if (Number.isNaN(settings.floorPerSecond)) {
    problems.push(`the budget's floor must read like "10 per second", got ${JSON.stringify(floor)}`)
  }
  return {
    settings,
    problems,
    describe: `${ratio} retries and hedges for each call of the last ${format(ttl.millis)}, and ${floor} beside, no hedges`,
    extraLoad: ratio,
    make: () => new Deposits(settings)
  }
}

const layerOf = (
  name: string,
  form: Omit<Form, "make" | "extraLoad"> & { readonly extraLoad: number | undefined },
  tunable: Tunable | undefined,
  tokens: Effect.Effect<Tokens, PolicyError> | ((site: Site) => Effect.Effect<Tokens, PolicyError>)
): Policy<never, "any"> =>
  fromLayers([
    callLayer({
      slot: "budget",
      name,
      describe: form.describe,
      problems: form.problems,
      limits: form.extraLoad === undefined ? {} : { extraLoad: form.extraLoad },
      tunable,
      build: (site) =>
        Effect.map(
          // Asked for by name, so that two operations have one, and a dashboard finds it.
          Effect.flatMap(Effect.isEffect(tokens) ? tokens : tokens(site), (made) =>
            site.shared(`budget ${name}`, form.settings, Effect.succeed(made))
          ),
          (state) => {
            const begin = (call: CallRecord, around: Budget | undefined, now: number): Draw => {
              const draw = new Draw(state, around, site, call)
              call.budget = draw
              state.begin(now)
              return draw
            }
            return fusable(
              (step: (call: CallRecord) => Effect.Effect<unknown, CallFailure>) => (call: CallRecord) =>
                Effect.withFiber((fiber) => {
                  const draw = begin(call, allowanceAround(fiber, call)?.budget, nowOf(fiber))
                  return Effect.map(step(call), (value) => {
                    state.succeeded(draw.last)
                    return value
                  })
                }),
              {
                kind: "budget",
                begin: (call, now) => begin(call, undefined, now),
                succeeded: (draw) => state.succeeded((draw as Draw).last)
              }
            )
          }
        )
    })
  ]) as Policy<never, "any">

/** The budgets that layers provide. Each name is a service of its own, so that several can be provided together. */
const provided = (name: string): Context.Reference<Tokens | undefined> =>
  Context.Reference<Tokens | undefined>(`breakwater/Budget/${name}`, { defaultValue: () => undefined })

const across = (name: string): Policy<never, "any"> =>
  layerOf(
    `across ${name}`,
    {
      settings: { across: name },
      problems: [],
      describe: `the tokens of ${name}, together with other integrations`,
      extraLoad: undefined
    },
    undefined,
    (site) =>
      Effect.flatMap(Effect.service(provided(name)), (tokens) =>
        tokens === undefined
          ? Effect.fail(
              new PolicyError({
                integration: site.integration,
                operation: site.operation,
                problems: [
                  `the budget ${JSON.stringify(name)} is not there: provide Policy.layerBudget(${JSON.stringify(name)}) to this layer, and to every other that shares it`
                ]
              })
            )
          : Effect.succeed(tokens)
      )
  )

/**
 * Bounds the retries and hedges of all calls together, so that a provider that fails is not asked three times as much.
 *
 * **When to use**
 *
 * `Policy.standard` has one. Give numbers of your own, or share one between integrations that load the same provider.
 *
 * **Details**
 *
 * A bucket of 500 tokens, full at the start (AWS SDKs, 2026). A retry takes 14, after being throttled 5, a hedge 14; the
 * success of a call gives back what its last retry cost, else 1. Tokens are taken before the backoff, so that who waits
 * counts; a retry that is interrupted while it waits gets nothing back.
 *
 * When there are too few, no retry is made: the call ends at once, with the reason of its last attempt, and the attempt
 * that was not made stands in its history as `BudgetSpent`. A hedge is left out, and its call goes on.
 *
 * The tokens belong to the layer that builds the integration, and all its operations draw on them. With `across` they are
 * those of `layerBudget`, which several integrations share.
 *
 * **Example** (A bucket for a provider of which little is asked)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * const policy = Policy.standard({ budget: { capacity: 100, refund: 2 } })
 *
 * policy.layers.map((layer) => layer.slot).includes("budget") // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const budget = (
  options: (BudgetOptions & { readonly across?: undefined }) | BudgetAcross = {}
): Policy<never, "any"> => {
  if (options.across !== undefined) return across(options.across)
  const form = bucketForm(options)
  const { settings } = form
  return layerOf(
    options.name ?? "budget",
    form,
    {
      settings: {
        BUDGET_CAPACITY: { kind: "number", value: settings.capacity },
        BUDGET_TRANSIENT_COST: { kind: "number", value: settings.transientCost },
        BUDGET_THROTTLED_COST: { kind: "number", value: settings.throttledCost },
        BUDGET_HEDGE_COST: { kind: "number", value: settings.hedgeCost },
        BUDGET_REFUND: { kind: "number", value: settings.refund },
        BUDGET_STOP_AT: { kind: "number", value: settings.stopAt }
      },
      tune: (values) =>
        budget({
          ...options,
          capacity: values.BUDGET_CAPACITY ?? settings.capacity,
          transientCost: values.BUDGET_TRANSIENT_COST ?? settings.transientCost,
          throttledCost: values.BUDGET_THROTTLED_COST ?? settings.throttledCost,
          hedgeCost: values.BUDGET_HEDGE_COST ?? settings.hedgeCost,
          refund: values.BUDGET_REFUND ?? settings.refund,
          stopAt: values.BUDGET_STOP_AT ?? settings.stopAt
        }).layers[0]!
    },
    Effect.sync(form.make)
  )
}

/**
 * A budget that is a part of the calls: each call allows a fifth of a retry for 10 seconds, and beside that 10 retries a
 * second are free (Finagle). A hedge may use what calls have brought, and nothing of what is free.
 *
 * **When to use**
 *
 * Use it where calls are many and steady: extra load never exceeds the ratio, whether the provider fails or is healed. The
 * bucket of `budget` lets more through while retries succeed, and next to nothing while they don't.
 *
 * @category layers
 * @since 0.1.0
 */
export const budgetRatio = (options: BudgetRatioOptions = {}): Policy<never, "any"> => {
  const form = ratioForm(options)
  const { settings } = form
  return layerOf(
    options.name ?? "budget",
    form,
    {
      settings: {
        BUDGET_RATIO: { kind: "number", value: settings.ratio },
        BUDGET_FLOOR: { kind: "number", value: settings.floorPerSecond },
        BUDGET_TTL: { kind: "duration", value: settings.ttl }
      },
      tune: (values) =>
        budgetRatio({
          ...options,
          ratio: values.BUDGET_RATIO ?? settings.ratio,
          floor: `${values.BUDGET_FLOOR ?? settings.floorPerSecond} per second`,
          ttl: values.BUDGET_TTL ?? settings.ttl
        }).layers[0]!
    },
    Effect.sync(form.make)
  )
}

/**
 * Tokens that several integrations share: each has `Policy.budget({ across: name })`, and this layer is provided to all.
 *
 * **When to use**
 *
 * Use it where two integrations load the same provider, for example with two credentials.
 *
 * **Details**
 *
 * One layer value is one bucket, two layers are two, as with every layer: keep it as a constant. An integration that names
 * a budget which is not provided fails its build with a `PolicyError`, and so do numbers that make no sense.
 *
 * **Example** (Two integrations, one bucket)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * const shared = Policy.shared({ budget: { across: "acme" } }) // for both integrations
 * const acmeBudget = Policy.layerBudget("acme", { capacity: 300 }) // Layer.provide(acmeBudget) for both layers
 *
 * shared.layers[0]!.describe // => "the tokens of acme, together with other integrations"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBudget = (
  name: string,
  options: Omit<BudgetOptions, "name"> | Omit<BudgetRatioOptions, "name"> = {}
): Layer.Layer<never, PolicyError> => {
  const form: Form =
    "ratio" in options || "floor" in options || "ttl" in options
      ? ratioForm(options as BudgetRatioOptions)
      : bucketForm(options as BudgetOptions)
  return Layer.effect(
    provided(name),
    form.problems.length === 0
      ? Effect.sync(form.make)
      : Effect.fail(
          new PolicyError({ integration: name, operation: "(layer of a budget)", problems: [...form.problems] })
        )
  )
}
