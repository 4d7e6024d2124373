// I3: no call outlives its total deadline, wherever it stalls.
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Policy,
  Reason,
  type Telemetry
} from "breakwater"
import { Telemetry as T } from "breakwater"
import { Auth } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Cause, Clock, Context, Effect, Exit, Layer, Option, Schedule, Schema, SchemaGetter } from "effect"
import {
  between,
  callOf,
  Failed,
  failureOf,
  names,
  oneOf,
  script,
  seed,
  seededly,
  settle,
  settleTime,
  tries,
  world
} from "./support.ts"

/** A custom layer that waits for ever before or after what it wraps. */
const stalling = (slot: "call" | "attempt", when: "before" | "after") =>
  Policy.make({
    slot,
    name: `stalls ${when}`,
    build: () =>
      Effect.succeed(
        (step: (call: Policy.Call) => Effect.Effect<unknown, never>) => (call: Policy.Call) =>
          when === "before" ? Effect.never : Effect.flatMap(Effect.exit(step(call)), () => Effect.never)
      ) as never
  } as never)

const limits = { deadline: between(200, 5_000), attempt: between(100, 5_000) }
const policyOf = ({ attempt, deadline }: { readonly attempt: number; readonly deadline: number }) =>
  Policy.standard({ attemptTimeout: Math.min(attempt, deadline), totalDeadline: deadline, maxAttempts: 5 })

/** Sums of fractions of a millisecond, as jitter makes them, differ in the last bit. */
const epsilon = 1e-6

const within = (events: ReadonlyArray<Telemetry.CallObserved>, deadline: number) => {
  for (const event of events) assert.isAtMost(event.latency, deadline + epsilon, JSON.stringify(event))
}

/** Faults after which the provider says nothing more. */
const stalls = [
  FaultInjection.stallBeforeHeaders({ executes: false }),
  FaultInjection.stallBeforeHeaders({ executes: true }),
  FaultInjection.stallInBody,
  FaultInjection.latency("1 hour")
]

describe("I3: no call outlives its deadline", () => {
  it.effect.prop(
    "whatever the provider does: before headers, in the body, between attempts",
    { seed, faults: script([...stalls, ...FaultInjection.all]), name: oneOf(names), ...limits },
    ({ attempt, deadline: limit, faults, name, seed }) =>
      Effect.gen(function* () {
        const deadline = name === "transfer" ? limit + settleTime : limit
        const { acme, events } = yield* world({ faults, only: [name], policy: policyOf({ attempt, deadline }) })
        yield* settle(callOf(acme, name))
        assert.strictEqual(events.length, 1)
        within(events, deadline)
        for (const made of events[0]!.attempts) {
          assert.isAtMost(made.elapsed, Math.min(attempt, deadline) + epsilon, "an attempt outlived its timeout")
        }
      }).pipe(seededly(seed)),
    tries(250)
  )

  it.effect.prop(
    "in the queue of a bulkhead",
    { seed, fault: oneOf(stalls), callers: between(2, 6), queue: between(0, 6), ...limits },
    ({ attempt, callers, deadline, fault, queue, seed }) =>
      Effect.gen(function* () {
        const { acme, events } = yield* world({
          faults: () => fault,
          only: ["charge"],
          policy: Policy.stack(policyOf({ attempt, deadline }), Policy.bulkhead({ concurrency: 1, queue }))
        })
        yield* settle(
          Effect.forEach(Array.from({ length: callers }), () => Effect.exit(callOf(acme, "charge")), {
            concurrency: "unbounded"
          })
        )
        assert.strictEqual(events.length, callers)
        within(events, deadline)
        // A call that waited until its deadline reports the wait.
        for (const event of events) {
          const waited = event.attempts.reduce((sum, { queued }) => sum + queued, 0)
          assert.approximately(event.queueWait, waited, epsilon)
          for (const made of event.attempts) {
            if (made.outcome === "NotSent" && made.reason === "Timeout")
              assert.approximately(made.queued, made.elapsed, epsilon)
          }
        }
      }).pipe(seededly(seed)),
    tries(80)
  )

  const at = [
    "prepare",
    "authorize",
    "schedule",
    "call before",
    "call after",
    "attempt before",
    "attempt after"
  ] as const

  it.effect.prop(
    "in prepare, in the credentials, in the schedule's step, and in a custom layer of either slot",
    { seed, place: oneOf(at), repeats: oneOf(["Safe", "Keyed", "AtMostOnce"] as const), ...limits },
    ({ attempt, deadline, place, repeats, seed }) =>
      Effect.gen(function* () {
        const events: Array<Telemetry.CallObserved> = []
        let sent = 0
        const Slow = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: place === "prepare" ? SchemaGetter.transformEffect(() => Effect.never) : SchemaGetter.passthrough()
          })
        )
        const [slot, when] = place.split(" ") as ["call" | "attempt", "before" | "after"]
        const schedule =
          place === "schedule"
            ? Schedule.fromStep(Effect.succeed(() => Effect.never))
            : Policy.backoff({ base: 1, throttledBase: 1 })
        const policy = Policy.stack(
          Policy.totalDeadline(deadline),
          Policy.retry(schedule, { maxAttempts: 3 }),
          Policy.attemptTimeout(Math.min(attempt, deadline)),
          when === undefined ? Policy.noop : stalling(slot, when)
        )
        class Slowly extends Integration.Service<Slowly>()(
          "test/Slowly",
          { policy, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
          {
            send: Operation.mutation("send", {
              input: Slow,
              idempotency: (repeats === "Safe"
                ? Idempotency.readOnly("reads")
                : repeats === "Keyed"
                  ? Idempotency.keyed((input: string) => IdempotencyKey.derive("send", input), { lifetime: "forever" })
                  : Idempotency.atMostOnce("no key")) as Idempotency.Idempotency<string, never, never, "Idempotent">,
              success: Schema.String,
              classify: () => Reason.throttled(),
              translate: {},
              send: () => {
                sent++
                return place === "authorize" ? Effect.never : Effect.fail("no")
              }
            })
          }
        ) {}
        const layer = Integration.layer(Slowly).pipe(
          Layer.provide(T.layerObserver((event) => events.push(event))),
          Layer.orDie
        )
        const slowly = Context.get(yield* Layer.build(layer), Slowly)
        const exit = yield* settle(slowly.send("x"))
        assert.strictEqual(events.length, 1)
        within(events, deadline)
        assert.isTrue(Exit.isFailure(exit))
        const failure = failureOf(exit)!
        if (place === "prepare" || place === "call before" || place === "attempt before") {
          assert.strictEqual(sent, 0)
          assert.strictEqual(failure.outcome, "NotSent")
        }
      }).pipe(seededly(seed)),
    tries(100)
  )

  it.effect.prop(
    "in the look whether it happened",
    { seed, faults: script(stalls), ...limits },
    ({ attempt, deadline, faults, seed }) =>
      Effect.gen(function* () {
        const { acme, events, lookups } = yield* world({
          faults: [...faults, FaultInjection.responseLost],
          policy: Policy.standard({ attemptTimeout: Math.min(attempt, deadline + 800), totalDeadline: deadline + 800 }),
          find: () => Effect.never
        })
        const exit = yield* settle(callOf(acme, "transfer"))
        within(events, deadline + 800)
        assert.isAtMost(lookups.length, 1)
        assert.strictEqual(failureOf(exit)!.outcome, events[0]!.attempts[0]!.outcome)
      }).pipe(seededly(seed)),
    tries(60)
  )

  it.effect.prop(
    "in credentials that never come",
    { seed, ...limits },
    ({ attempt, deadline, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          only: ["charge"],
          policy: policyOf({ attempt, deadline }),
          http: { auth: Auth.custom("never", () => Effect.never) }
        })
        const exit = yield* settle(callOf(acme, "charge"))
        within(events, deadline)
        assert.strictEqual(provider.requests.length, 0)
        assert.strictEqual(failureOf(exit)!.outcome, "NotSent")
      }).pipe(seededly(seed)),
    tries(40)
  )

  it.effect("a fallback that stalls costs its own second and no more", () =>
    Effect.gen(function* () {
      const events: Array<Telemetry.CallObserved> = []
      class Prices extends Integration.Service<Prices>()(
        "test/Prices",
        {
          policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "2 seconds" }),
          exhausted: Exhaustion.fallback("never", () => Effect.never),
          orElse: (failure) => new Failed({ failure })
        },
        { price: Operation.query("price", { success: Schema.Number, send: () => Effect.never }) }
      ) {}
      const layer = Layer.orDie(Integration.layer(Prices)).pipe(
        Layer.provide(T.layerObserver((event) => events.push(event)))
      )
      const prices = Context.get(yield* Layer.build(layer), Prices)
      const exit = yield* settle(prices.price())
      assert.strictEqual(failureOf(exit)!.reason._tag, "Timeout")
      assert.strictEqual(events[0]!.latency, 3_000)
    }).pipe(seededly(1))
  )

  it.effect("a promise that ignores its signal is not waited for", () =>
    Effect.gen(function* () {
      let aborted = false
      class Sdk extends Integration.Service<Sdk>()(
        "test/Sdk",
        {
          policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "2 seconds" }),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          call: Operation.fromPromise("call", {
            idempotency: Idempotency.atMostOnce("no key"),
            success: Schema.String,
            call: (_input, { signal }) => {
              signal.addEventListener("abort", () => (aborted = true))
              return new Promise(() => {})
            }
          })
        }
      ) {}
      const sdk = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Sdk))), Sdk)
      const before = yield* Clock.currentTimeMillis
      const exit = yield* settle(
        sdk.call().pipe(
          Effect.ensuring(
            Effect.map(Clock.currentTimeMillis, (now) => {
              assert.strictEqual(now - before, 1_000)
            })
          )
        )
      )
      assert.strictEqual(failureOf(exit)!.outcome, "Unknown")
      assert.isTrue(aborted)
      assert.isFalse(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.isTrue(Option.isSome(Exit.findErrorOption(exit)))
    }).pipe(seededly(1))
  )
})
