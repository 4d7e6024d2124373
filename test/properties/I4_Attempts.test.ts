// I4: attempts never exceed their maximum, whatever fails, whoever else calls, and however long they wait.
import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import { Effect, Schedule } from "effect"
import { between, callOf, names, oneOf, script, seed, seededly, settle, transient, tries, world } from "./support.ts"

const schedules = [
  Policy.backoff(),
  Policy.backoff({ base: 0, throttledBase: 0 }),
  Schedule.forever,
  Schedule.spaced("3 seconds"),
  Schedule.exponential(10),
  Schedule.recurs(2)
] as ReadonlyArray<ReturnType<typeof Policy.backoff>>

describe("I4: attempts", () => {
  it.effect.prop(
    "a call makes at most maxAttempts, and no schedule makes them more",
    {
      seed,
      faults: script(transient, { minLength: 8, maxLength: 8 }),
      name: oneOf(names),
      max: between(1, 6),
      by: between(0, 5)
    },
    ({ by, faults, max, name, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults,
          only: [name],
          policy: Policy.standard({ maxAttempts: max, totalDeadline: "9 minutes", schedule: schedules[by]! })
        })
        yield* settle(callOf(acme, name))
        assert.isAtMost(provider.requests.length, max)
        assert.isAtMost(events[0]!.attempts.length, max)
        assert.deepStrictEqual(
          events[0]!.attempts.map((attempt) => attempt.number),
          events[0]!.attempts.map((_, index) => index + 1)
        )
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect.prop(
    "each of many calls at once, behind one breaker and one bulkhead, with waits between their attempts",
    { seed, rate: between(0, 10), callers: between(2, 12), max: between(1, 4), concurrency: between(1, 4) },
    ({ callers, concurrency, max, rate, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults: FaultInjection.seeded({ seed, rate: rate / 10, faults: transient }),
          only: ["charge"],
          policy: Policy.stack(
            Policy.standard({ maxAttempts: max, attemptTimeout: "1 second" }),
            Policy.breaker({ consecutive: 3 }),
            Policy.bulkhead({ concurrency, queue: 3 })
          )
        })
        yield* settle(
          Effect.forEach(
            Array.from({ length: callers }, (_, n) => n),
            (n) => Effect.exit(Effect.delay(callOf(acme, "charge", `o-${n}`), n * 20)),
            { concurrency: "unbounded" }
          )
        )
        assert.strictEqual(events.length, callers)
        for (const event of events) assert.isAtMost(event.attempts.length, max)
        assert.isAtMost(provider.requests.length, callers * max)
        // What was sent is what was recorded: no attempt that reached the wire is missing from a history.
        const local = ["CircuitOpen", "BulkheadFull", "BudgetSpent"]
        const sent = events.flatMap((event) => event.attempts.filter(({ reason }) => !local.includes(reason)))
        assert.strictEqual(provider.requests.length, sent.length)
      }).pipe(seededly(seed)),
    tries(80)
  )

  it.effect.prop(
    "retries of all calls together, with waits and callers who give up, are no more than their budget",
    { seed, rate: between(4, 10), callers: between(2, 16), max: between(2, 5), capacity: between(14, 90) },
    ({ callers, capacity, max, rate, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults: FaultInjection.seeded({ seed, rate: rate / 10, faults: transient }),
          only: ["charge", "get"],
          policy: Policy.standard({ maxAttempts: max, attemptTimeout: "1 second", budget: { capacity, name: "small" } })
        })
        yield* settle(
          Effect.forEach(
            Array.from({ length: callers }, (_, n) => n),
            (n) => {
              const call = Effect.delay(callOf(acme, n % 2 === 0 ? "charge" : "get", `o-${n}`), n * 20)
              return Effect.exit(n % 3 === 0 ? Effect.timeout(call, 150 + n * 40) : call)
            },
            { concurrency: "unbounded" }
          )
        )
        const made = events.flatMap(({ attempts }) => attempts.filter(({ reason }) => reason !== "BudgetSpent"))
        const begun = events.filter(({ attempts }) => attempts.length > 0).length
        const decided = events.flatMap(({ decisions }) => decisions.filter((one) => one.decided === "retried")).length
        assert.isAtMost(provider.requests.length, made.length)
        assert.isAtMost(made.length - begun, decided)
        for (const event of events) assert.isAtMost(event.attempts.length, max)
        // A success gives at most what a retry costs; the cheapest costs 5.
        const given = events.filter(
          ({ callOutcome }) => callOutcome === "ok" || callOutcome === "ok_after_retry"
        ).length
        assert.isAtMost(decided * 5, capacity + given * 14)
        const cheap = events.some(({ attempts }) =>
          attempts.some(({ reason, status }) => reason === "Throttled" || reason === "InProgress" || status === 429)
        )
        if (given === 0 && !cheap) assert.isAtMost(decided, Math.floor(capacity / 14))
      }).pipe(seededly(seed)),
    tries(120)
  )
})
