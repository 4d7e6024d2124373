/**
 * The clients that are compared: breakwater's standard stack, and models of what others do by default. A model is the
 * numbers and the order of its source, written with Effect's operators, so that all run on the same virtual time.
 */
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { Simulation } from "breakwater/testing"
import { Context, Data, Effect, Layer, Random, Schedule, Schema } from "effect"
import type { Scope } from "effect"

type Request = Effect.Effect<string, Simulation.ProviderFailure>
type Call = Effect.Effect<unknown, unknown>

/** A client: what one instance of it makes of the request to a provider. State belongs to the instance. */
export interface Client {
  readonly name: string
  readonly breakers: ReadonlyArray<"on" | "off">
  /** Where its numbers come from. */
  readonly source: string
  readonly make: (request: Request, breaker: "on" | "off") => Effect.Effect<Call, unknown, Scope.Scope>
}

class Upstream extends Context.Service<Upstream, { readonly request: Request }>()("simulation/Upstream") {}
class Failed extends Data.TaggedError("Failed") {}

const operations = {
  ask: Operation.mutation("ask", {
    idempotency: Idempotency.readOnly("a simulated question"),
    success: Schema.String,
    classify: Simulation.classify,
    translate: { ProviderFailure: () => new Failed() },
    send: () => Effect.flatMap(Upstream, ({ request }) => request)
  })
}
const decisions = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: () => new Failed()
}

class Guarded extends Integration.Service<Guarded>()(
  "simulation/Guarded",
  { ...decisions, shared: Policy.shared({ breaker: Policy.breaker() }) },
  operations
) {}
class Unguarded extends Integration.Service<Unguarded>()("simulation/Unguarded", decisions, operations) {}

const breakwater: Client = {
  name: "breakwater",
  breakers: ["on", "off"],
  source: "Policy.standard() and Policy.breaker(), nothing changed",
  make: (request, breaker) =>
    breaker === "on"
      ? Effect.map(
          Layer.build(Layer.fresh(Layer.provide(Integration.layer(Guarded), Layer.succeed(Upstream, { request })))),
          (context) => Context.get(context, Guarded).ask()
        )
      : Effect.map(
          Layer.build(Layer.fresh(Layer.provide(Integration.layer(Unguarded), Layer.succeed(Upstream, { request })))),
          (context) => Context.get(context, Unguarded).ask()
        )
}

const noRetries: Client = {
  name: "no retries",
  breakers: ["off"],
  source: "one attempt, 10 s",
  make: (request) => Effect.succeed(Effect.timeout(request, "10 seconds"))
}

const retryTransient: Client = {
  name: "retryTransient",
  breakers: ["off"],
  source: "Effect 4.1, ai-docs/src/50_http-client: Schedule.exponential(100), times: 3",
  make: (request) => Effect.succeed(Effect.retry(request, { schedule: Schedule.exponential(100), times: 3 }))
}

// ---- a breaker as the others have it: around each attempt, rejections are failures to the retry outside

interface Breaker {
  /** How long to be open from now on, if this end of an attempt opens it. */
  readonly ended: (ok: boolean, now: number) => boolean
  readonly reset: () => void
}

class Open extends Data.TaggedError("Open") {}

const guarded = (rule: Breaker, openFor: number, attempt: Effect.Effect<string, unknown>) => {
  let openUntil = 0
  let probing = false
  return Effect.flatMap(
    Effect.clockWith((clock) => clock.currentTimeMillis),
    (now): Effect.Effect<string, unknown> => {
      const probe = openUntil > 0
      if (now < openUntil || (probe && probing)) return Effect.fail(new Open())
      if (probe) probing = true
      return Effect.onExit(attempt, (exit) =>
        Effect.map(
          Effect.clockWith((clock) => clock.currentTimeMillis),
          (end) => {
            if (probe) probing = false
            if (exit._tag === "Success") {
              if (probe) {
                openUntil = 0
                rule.reset()
              } else rule.ended(true, end)
            } else if (probe || rule.ended(false, end)) openUntil = end + openFor
          }
        )
      )
    }
  )
}

/** So many failures in a row. */
const consecutive = (limit: number): Breaker => {
  let failures = 0
  return {
    ended: (ok) => (failures = ok ? 0 : failures + 1) >= limit,
    reset: () => (failures = 0)
  }
}

/** A share of failures in a time, once there were enough calls. */
const sampling = (ratio: number, minimum: number, window: number): Breaker => {
  let ends: Array<{ readonly at: number; readonly ok: boolean }> = []
  return {
    ended: (ok, now) => {
      ends.push({ at: now, ok })
      ends = ends.filter(({ at }) => at > now - window)
      return ends.length >= minimum && ends.filter((end) => !end.ok).length / ends.length >= ratio
    },
    reset: () => (ends = [])
  }
}

/** Repeats so many times after the first attempt, with these delays in milliseconds. */
const repeating = (
  attempt: Effect.Effect<string, unknown>,
  retries: number,
  delayOf: () => (n: number, random: number) => number
): Call =>
  Effect.suspend(() => {
    const delay = delayOf()
    const from = (n: number): Effect.Effect<string, unknown> =>
      Effect.catch(attempt, (error) =>
        n >= retries
          ? Effect.fail(error)
          : Effect.flatMap(Random.next, (random) => Effect.delay(from(n + 1), delay(n, random)))
      )
    return from(0)
  })

/** Decorrelated jitter, as cockatiel and Polly share it: 4 · exponential growth with a tanh-shaped spread. */
const decorrelated = (base: number, max: number) => () => {
  let previous = 0
  return (n: number, random: number) => {
    const t = n + random
    const next = 2 ** t * Math.tanh(Math.sqrt(4 * t))
    const delay = (next - previous) * (1 / 1.4) * base
    previous = next
    return Math.min(max, Math.max(0, delay))
  }
}

const cockatiel: Client = {
  name: "cockatiel README",
  breakers: ["on", "off"],
  source: "readme: retry(handleAll, 3, ExponentialBackoff: 128 ms to 30 s) around circuitBreaker(10 s, 5 in a row)",
  make: (request, breaker) =>
    Effect.sync(() =>
      repeating(breaker === "on" ? guarded(consecutive(5), 10_000, request) : request, 3, decorrelated(128, 30_000))
    )
}

const polly: Client = {
  name: "Polly standard",
  breakers: ["on", "off"],
  source:
    "Microsoft.Extensions.Http.Resilience: total 30 s, 3 retries from 2 s, 10 % of 100 in 30 s, 5 s, attempt 10 s",
  make: (request, breaker) =>
    Effect.sync(() => {
      const attempt = Effect.timeout(request, "10 seconds")
      return Effect.timeout(
        repeating(
          breaker === "on" ? guarded(sampling(0.1, 100, 30_000), 5_000, attempt) : attempt,
          3,
          decorrelated(2_000, Infinity)
        ),
        "30 seconds"
      )
    })
}

const aws: Client = {
  name: "AWS standard",
  breakers: ["off"],
  source: "AWS SDKs, 2026: 3 attempts, full jitter from 50 ms, a bucket of 500 tokens, 14 a retry",
  make: (request) =>
    Effect.sync(() => {
      let tokens = 500
      return Effect.suspend(() => {
        let spent = 0
        const from = (n: number): Effect.Effect<string, unknown> =>
          Effect.catch(request, (error) => {
            if (n >= 2 || tokens < 14) return Effect.fail(error)
            tokens -= 14
            spent = 14
            return Effect.flatMap(Random.next, (random) =>
              Effect.delay(from(n + 1), random * Math.min(20_000, 50 * 2 ** n))
            )
          })
        return Effect.tap(from(0), () =>
          Effect.sync(() => {
            tokens = Math.min(500, tokens + (spent === 0 ? 1 : spent))
          })
        )
      })
    })
}

export const clients: ReadonlyArray<Client> = [breakwater, noRetries, retryTransient, cockatiel, polly, aws]
