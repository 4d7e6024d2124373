/**
 * The rate limit: how many attempts may start in a time, and what the provider says of it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { Call, Site } from "./Call.ts"
import { reasonOf } from "./internal/boundary.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { describeKey, type Key, keyAt, kindOf } from "./internal/keyed.ts"
import { attemptLayer, fromLayers, type Policy } from "./internal/policy.ts"
import { type Bucket, Limiter, Ticket } from "./internal/rate.ts"
import { findStore } from "./internal/rateTokens.ts"
import { nowOf } from "./internal/timer.ts"
import { PolicyError } from "./PolicyError.ts"
import * as Reason from "./Reason.ts"
import * as Telemetry from "./Telemetry.ts"

type Attempt = (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>

/**
 * Options of `rateLimit`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimitOptions {
  /** How many attempts of cost 1 may start in a window; the size of the bucket. An integer of at least 1. */
  readonly limit: number
  /** The time in which they may, and in which an empty bucket is full again. */
  readonly window: Duration.Input
  /**
   * `token-bucket` (default): tokens come back one by one. `fixed-window`: all come back at multiples of `window` since the
   * epoch.
   */
  readonly algorithm?: "token-bucket" | "fixed-window" | undefined
  /** What has a limit of its own: the integration (default), each operation, each host, or what a function reads. */
  readonly key?: "integration" | "operation" | "host" | ((call: Call) => string) | undefined
  /** What one attempt costs, in the units of `limit`. Default: 1. */
  readonly cost?: number | ((call: Call) => number) | undefined
  /** How long an attempt may wait for its turn. Default: until an attempt would no longer fit into the deadline. */
  readonly maxWait?: Duration.Input | undefined
  /** Whether it adapts to what the provider tells. Default: true. */
  readonly learn?: boolean | undefined
  /** Where the tokens are: in the memory of the layer (default), or in the `RateLimiterStore` of the environment. */
  readonly store?: "memory" | "environment" | undefined
  readonly name?: string | undefined
}

interface Built {
  readonly limiter: Limiter
  readonly keyOf: string | ((call: Call) => string)
  readonly cost: number | ((call: Call) => number)
  readonly maxWait: number
  readonly site: Site
  readonly gauge: Metric.Gauge<number> | undefined
}

const guard = (built: Built, step: Attempt): Attempt => {
  const { cost, gauge, keyOf, limiter, maxWait, site } = built
  const room = site.limits.attemptTimeout ?? 0
  const { limit } = limiter.settings
  return (call) =>
    Effect.withFiber((fiber) => {
      const asked = nowOf(fiber)
      const observing = site.mode() === "observe"
      const price = typeof cost === "number" ? cost : cost(call)
      if (!(price >= 0 && price <= limit)) {
        site.decided(call, "rejected", asked)
        return observing ? step(call) : Effect.fail(tooDear(price, limit))
      }
      const key = typeof keyOf === "string" ? keyOf : keyOf(call)
      const bucket = limiter.bucket(observing ? `observe:${key}` : key, asked)
      // An attempt that begins in the last moment is no use: it gets its full limit, or half of what is left.
      const latest = call.deadline - Math.min(room, (call.deadline - asked) / 2)
      const ticket = new Ticket(price, Math.min(asked + maxWait, latest))
      const begin = () => {
        if (ticket.slept) {
          waited(call, fiber, asked)
          site.decided(call, "waited", nowOf(fiber))
        }
        gauge?.updateUnsafe(bucket.tokens.available(nowOf(fiber)), fiber.context)
        if (limiter.learn) call.learns = true
        return step(call)
      }
      const entered = observing
        ? Effect.flatMap(bucket.shadow(ticket), (decided) => {
            if (decided !== undefined) site.decided(call, decided, nowOf(fiber))
            return begin()
          })
        : Effect.flatMap(bucket.acquire(ticket), begin)
      return Effect.onExit(entered, (exit) => {
        if (!ticket.passed) {
          if (ticket.slept) waited(call, fiber, asked)
          if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) site.decided(call, "rejected", nowOf(fiber))
        }
        const sent = call.phase !== "waiting"
        if (!ticket.passed || !sent) return bucket.end(ticket, 0)
        return limiter.learn ? learn(bucket, ticket, call, exit, nowOf(fiber)) : bucket.end(ticket, undefined)
      })
    })
}

const waited = (call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>, asked: number): void => {
  const wait = nowOf(fiber) - asked
  call.queued += wait
  call.queuedForRate += wait
}

const tooDear = (cost: number, limit: number): Reason.Reason =>
  Reason.make("RateLimited", {
    message:
      cost > limit
        ? `it costs ${cost}, and the limit is ${limit}: it could never start`
        : `\`cost\` returned ${cost}, no number of at least 0`,
    transient: false
  })

/** Ends an attempt and adapts to what its answer told: its cost, what is left, and whether to pause. */
const learn = (
  bucket: Bucket,
  ticket: Ticket,
  call: CallRecord,
  exit: Exit.Exit<unknown, Reason.Reason>,
  now: number
): Effect.Effect<void> => {
  const { limit } = call
  const reason = Exit.isFailure(exit) && !Exit.hasInterrupts(exit) ? reasonOf(exit.cause, call) : undefined
  const throttled = reason !== undefined && (reason._tag === "Throttled" || reason.status === 429)
  const { cost, remaining, resetAfter } = limit ?? {}
  // What was throttled was not done, whatever it would have cost.
  const ended = bucket.end(ticket, cost !== undefined && cost >= 0 && cost < Infinity && !throttled ? cost : undefined)
  const noted =
    remaining === undefined || !(remaining >= 0) || resetAfter === undefined
      ? ended
      : Effect.andThen(ended, bucket.note(remaining, Duration.toMillis(resetAfter), now))
  return throttled && reason.retryAfter !== undefined
    ? Effect.andThen(noted, bucket.close(Duration.toMillis(reason.retryAfter), now))
    : noted
}

/**
 * Bounds the attempts that start in a time.
 *
 * **When to use**
 *
 * Use it where the provider documents a limit, and where it tells what is left of one: attempts then wait for their turn
 * instead of being thrown away with a 429. One limit is for all operations of the integration (`shared`), or for each key.
 *
 * **When not to use**
 *
 * It does not bound what runs at once: that is `bulkhead`, which stands inside. It protects the provider, not this
 * process: for requests that come in, limit them where they come in.
 *
 * **Details**
 *
 * Attempts that come too early wait in the order of their arrival, as long as the wait fits into `maxWait` and leaves
 * room for an attempt before the deadline: its timeout, or half of what is left where that is less. What can't fit fails at
 * once as `RateLimited` with `retryAfter`: it did not happen, and the retry policy decides about it as about any other
 * reason. Neither a rejection nor a wait that is given up takes a token, and an attempt that never left this process (the
 * bulkhead was full, the credentials failed) gives its back.
 *
 * With `learn` it reads the headers that `Reason.limitFromHeaders` knows, and `limit` of a verdict: what is left until the
 * reset bounds the attempts until then, a 429 with `Retry-After` closes the key until then (an hour at most), and a cost
 * other than estimated is corrected.
 *
 * The tokens are in Effect's `RateLimiterStore`. In memory each layer has its own; `environment` shares those of a store
 * such as Redis between processes. A store that fails or takes longer than 100 milliseconds lets attempts through, with a
 * warning once a minute.
 *
 * **Example** (Fifty requests a second, and a wait of two seconds at most)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * export const shared = Policy.rateLimit({ limit: 50, window: "1 second", maxWait: "2 seconds" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const rateLimit = (options: RateLimitOptions): Policy<never, "any"> => {
  const name = options.name ?? "rateLimit"
  const { limit } = options
  const window = check("the rate limit's window", options.window)
  const maxWait =
    options.maxWait === undefined ? undefined : check("the rate limit's maxWait", options.maxWait, { zero: true })
  const algorithm = options.algorithm ?? "token-bucket"
  const cost = options.cost ?? 1
  const learns = options.learn ?? true
  const store = options.store ?? "memory"
  const problems = [window.problem, maxWait?.problem].filter((problem) => problem !== undefined)
  if (!Number.isInteger(limit) || limit < 1) {
    problems.push(`the rate limit's limit must be an integer of at least 1, got ${limit}`)
  } else if (typeof cost === "number" && !(cost > 0 && cost <= limit)) {
    problems.push(`the rate limit's cost must be above 0 and at most its limit of ${limit}, got ${cost}`)
  }
  const settings = {
    limit,
    window: window.millis,
    algorithm,
    key: kindOf(options.key),
    cost: typeof cost === "number" ? cost : "call",
    maxWait: maxWait?.millis ?? null,
    learn: learns,
    store
  }
  return fromLayers([
    attemptLayer({
      slot: "rateLimit",
      name,
      describe: `at most ${limit} ${cost === 1 ? "attempts" : "tokens"} start in ${format(window.millis)} (${algorithm})${describeKey(options.key)}${
        maxWait === undefined ? "" : `, waiting ${format(maxWait.millis)} at most`
      }${store === "memory" ? "" : ", shared by all processes"}`,
      problems,
      settings,
      tunable: {
        settings: {
          RATE_LIMIT: { kind: "integer", value: limit },
          RATE_LIMIT_WINDOW: { kind: "duration", value: window.millis },
          RATE_LIMIT_MAX_WAIT: { kind: "duration", value: maxWait?.millis }
        },
        tune: (values) =>
          rateLimit({
            ...options,
            limit: values.RATE_LIMIT ?? limit,
            window: values.RATE_LIMIT_WINDOW ?? options.window,
            maxWait: values.RATE_LIMIT_MAX_WAIT ?? options.maxWait
          }).layers[0]!
      },
      build: (site) =>
        Effect.flatMap(
          Effect.all([keyAt("the rate limit", options.key, site), storeAt(site, name, store)]),
          ([keyOf, found]) =>
            Effect.map(
              site.shared(
                `rateLimit ${name}`,
                settings,
                Effect.sync(() => {
                  const owner = `${encodeURIComponent(site.integration)}:${encodeURIComponent(name)}`
                  return new Limiter(owner, { limit, window: window.millis, algorithm }, learns, found)
                })
              ),
              (limiter) => {
                site.clear.push((call, now) => {
                  if (site.mode() !== "enforce") return true
                  const key = typeof keyOf === "string" ? keyOf : keyOf(call)
                  return limiter.buckets.get(key)?.isClear(typeof cost === "number" ? cost : cost(call), now) ?? true
                })
                const gauge = typeof keyOf === "string" ? gaugeOf(site, name, options.key) : undefined
                return (step) =>
                  guard({ limiter, keyOf, cost, maxWait: maxWait?.millis ?? Infinity, site, gauge }, step)
              }
            )
        )
    })
  ]) as Policy<never, "any">
}

const storeAt = (site: Site, name: string, store: "memory" | "environment") =>
  store === "memory"
    ? Effect.undefined
    : Effect.flatMap(findStore, (found) =>
        Option.isSome(found)
          ? Effect.succeed(found.value)
          : Effect.fail(
              new PolicyError({
                integration: site.integration,
                operation: site.operation,
                problems: [
                  `${name} keeps its tokens in the environment, but there is no RateLimiterStore: provide one to this layer, such as RateLimiter.layerStoreRedis()`
                ]
              })
            )
      )

/** A key of the call has no gauge: nobody knows how many there are. */
const gaugeOf = (site: Site, name: string, key: Key | undefined): Metric.Gauge<number> =>
  Metric.gauge(Telemetry.names.rateLimiterRemaining, {
    description: "Tokens that are left of a rate limit, as of its last attempt",
    attributes: {
      [Telemetry.names.integration]: site.integration,
      [Telemetry.names.policyName]: name,
      ...(key === "operation" ? { [Telemetry.names.operation]: site.operation } : {}),
      ...(key === "host" ? { [Telemetry.names.server]: site.host! } : {}),
      unit: "{token}"
    }
  })
