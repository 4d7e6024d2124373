import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Outcome, Policy, Reason, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import {
  Failed,
  failing,
  failureOf,
  say,
  scripted,
  type ScriptedOptions,
  seededly,
  settle
} from "./properties/support.ts"

const policy = Policy.standard({ attemptTimeout: "1 second", maxAttempts: 2, schedule: Policy.backoff({ base: 1 }) })

/** Calls with a fallback that counts itself. */
const falling = (
  repeat: ScriptedOptions["repeat"],
  send: ScriptedOptions["send"],
  fallback: Effect.Effect<string> = Effect.succeed("instead"),
  more: Policy.Policy<never, "any"> = Policy.noop
) =>
  Effect.gen(function* () {
    let fallbacks = 0
    const f = () => Effect.suspend(() => (fallbacks++, fallback))
    const made = yield* scripted({
      policy: Policy.stack(policy, more),
      repeat,
      send,
      exhausted: (repeat === "Safe"
        ? Exhaustion.fallback("a test", f)
        : Exhaustion.fallbackUnlessItHappened("a test", f)) as never
    })
    return { ...made, fallbacks: () => fallbacks }
  })

const kinds: ReadonlyArray<readonly [string, ScriptedOptions["send"], Outcome.Outcome, transient: boolean]> = [
  ["Unreachable", () => say(Reason.unreachable()), "NotSent", true],
  ["Throttled", () => say(Reason.throttled()), "Refused", true],
  ["NotProcessed", () => say(Reason.notProcessed()), "Refused", true],
  ["Unavailable", () => say(Reason.unavailable()), "Unknown", true],
  ["InProgress", () => say(Reason.inProgress()), "Unknown", true],
  ["Timeout", () => Effect.never, "Unknown", true],
  ["Rejected", () => say(Reason.rejected()), "Refused", false],
  ["KeyConflict", () => say(Reason.keyConflict()), "Unknown", false],
  ["Failed", () => say(Reason.failed()), "Unknown", false],
  ["Failed", () => Effect.die(new Error("a defect")), "Unknown", false],
  ["InvalidResponse", () => Effect.succeed(Symbol("no JSON")), "Applied", false]
]

describe("Exhaustion", () => {
  describe("fallback, of an operation that is safe", () => {
    it.effect.each(kinds)("%s", ([tag, send, , transient]) =>
      Effect.gen(function* () {
        const { call, events, fallbacks } = yield* falling("Safe", send)
        const exit = yield* settle(call)
        assert.strictEqual(fallbacks(), transient ? 1 : 0)
        if (transient) assert.deepStrictEqual(exit, Exit.succeed("instead"))
        else assert.strictEqual(failureOf(exit)!.reason._tag, tag)
        assert.strictEqual(events[0]!.callOutcome === "fallback", transient)
      }).pipe(seededly(1))
    )
  })

  describe.each(["Idempotent", "AtMostOnce"] as const)("fallbackUnlessItHappened, of a mutation (%s)", (repeat) => {
    it.effect.each(kinds)("%s", ([tag, send, outcome, transient]) =>
      Effect.gen(function* () {
        const { call, events, fallbacks } = yield* falling(repeat, send)
        const exit = yield* settle(call)
        const runs = transient && Outcome.didNotHappen(outcome)
        assert.strictEqual(fallbacks(), runs ? 1 : 0)
        if (runs) assert.deepStrictEqual(exit, Exit.succeed("instead"))
        else assert.strictEqual(failureOf(exit)!.reason._tag, tag)
        // It is never counted as a success of the provider, and the event says that it did not happen there.
        assert.strictEqual(events[0]!.callOutcome === "fallback", runs)
        assert.strictEqual(events[0]!.outcome, outcome)
      }).pipe(seededly(1))
    )

    it.effect("looks at the call and not at its last attempt", () =>
      Effect.gen(function* () {
        const { call, fallbacks } = yield* falling(
          "Idempotent",
          (n) => say(n === 1 ? Reason.unavailable() : Reason.throttled()),
          undefined
        )
        const failure = yield* failing(call)
        assert.strictEqual(failure.reason._tag, "Throttled")
        assert.strictEqual(failure.outcome, "Unknown")
        assert.strictEqual(fallbacks(), 0)
      }).pipe(seededly(1))
    )

    it.effect("runs for what a breaker turned away", () =>
      Effect.gen(function* () {
        const { call, events, fallbacks, sent } = yield* falling(
          repeat,
          () => say(Reason.unavailable()),
          undefined,
          Policy.stack(Policy.retryNever("one attempt"), Policy.breaker({ consecutive: 1 }))
        )
        assert.strictEqual(failureOf(yield* Effect.exit(call))!.reason._tag, "Unavailable")
        assert.deepStrictEqual(yield* Effect.exit(call), Exit.succeed("instead"))
        assert.strictEqual(sent.length, 1)
        assert.strictEqual(fallbacks(), 1)
        assert.deepStrictEqual(
          events.map(({ callOutcome, outcome }) => [callOutcome, outcome]),
          [
            ["exhausted", "Unknown"],
            ["fallback", "NotSent"]
          ]
        )
      }).pipe(seededly(1))
    )
  })

  it.effect("a mutation whose types were forced falls back only while it did not happen", () =>
    Effect.gen(function* () {
      let fallbacks = 0
      const { call } = yield* scripted({
        policy,
        repeat: "AtMostOnce",
        send: () => say(Reason.unavailable()),
        exhausted: Exhaustion.fallback("forced", () => Effect.sync(() => ++fallbacks)) as never
      })
      assert.strictEqual((yield* failing(call)).outcome, "Unknown")
      assert.strictEqual(fallbacks, 0)
    }).pipe(seededly(1))
  )

  it.effect("gets the input and the failure", () =>
    Effect.gen(function* () {
      class Prices extends Integration.Service<Prices>()(
        "test/Prices",
        { policy, orElse: (failure) => new Failed({ failure }) },
        {
          price: Operation.query("price", {
            input: Schema.String,
            success: Schema.Json,
            send: () => Effect.never,
            exhausted: Exhaustion.fallback("the last price", (sku: string, failure) =>
              Effect.succeed(`${sku} ${failure.reason._tag} ${failure.attempts.length} ${failure.stopped}`)
            )
          })
        }
      ) {}
      const prices = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Prices))), Prices)
      assert.deepStrictEqual(yield* settle(prices.price("sku-1")), Exit.succeed("sku-1 Timeout 2 attempts are spent"))
    }).pipe(seededly(1))
  )

  it.effect("has 1 second, past which the call's own failure stands", () =>
    Effect.gen(function* () {
      const { call, events } = yield* falling(
        "Safe",
        () => say(Reason.throttled()),
        Effect.as(Effect.sleep("1001 millis"), "late"),
        Policy.retry(Policy.backoff({ throttledBase: 0 }))
      )
      assert.strictEqual((yield* failing(call)).reason._tag, "Throttled")
      assert.strictEqual(events[0]!.latency, 1_000)
      assert.strictEqual(events[0]!.callOutcome, "exhausted")
      const intime = yield* falling(
        "Safe",
        () => say(Reason.throttled()),
        Effect.as(Effect.sleep("999 millis"), "in time"),
        Policy.retry(Policy.backoff({ throttledBase: 0 }))
      )
      assert.deepStrictEqual(yield* settle(intime.call), Exit.succeed("in time"))
    }).pipe(seededly(1))
  )

  it.effect("one that dies leaves the call's own failure", () =>
    Effect.gen(function* () {
      const { call, events, fallbacks } = yield* falling(
        "Safe",
        () => say(Reason.unavailable()),
        Effect.die(new Error("a bug in the fallback"))
      )
      assert.strictEqual((yield* failing(call)).reason._tag, "Unavailable")
      assert.strictEqual(fallbacks(), 1)
      assert.strictEqual(events[0]!.callOutcome, "exhausted")
    }).pipe(seededly(1))
  )

  it.effect("is interrupted with the call", () =>
    Effect.gen(function* () {
      const { call, events } = yield* falling("Safe", () => say(Reason.unavailable()), Effect.never)
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(events[0]!.callOutcome, "cancelled")
      assert.isAtMost(events[0]!.latency, 500)
    }).pipe(seededly(1))
  )

  describe("never for what the contract declares", () => {
    class Sick extends Schema.TaggedError<Sick>()("Sick", {}, { httpApiStatus: 503 }) {}
    class Slower extends Schema.TaggedError<Slower>()("Slower", {}, { httpApiStatus: 429 }) {}
    class Missing extends Schema.TaggedError<Missing>()("Missing", {}, { httpApiStatus: 404 }) {}
    const Api = HttpApi.make("declared").add(
      HttpApiGroup.make("things").add(
        HttpApiEndpoint.get("get", "/thing", { success: Schema.String, error: [Sick, Slower, Missing] })
      )
    )
    class Told extends Schema.TaggedError<Told>()("Told", { tag: Schema.String }) {}
    const told = ({ _tag }: { readonly _tag: string }) => new Told({ tag: _tag })

    it.effect.each([
      [503, "Sick", 2],
      [429, "Slower", 2],
      [404, "Missing", 1]
    ] as const)("%i %s", ([status, tag, sent]) =>
      Effect.gen(function* () {
        let fallbacks = 0
        const events: Array<Telemetry.CallObserved> = []
        const fault = FaultInjection.status(status, { body: { _tag: tag } })
        const provider = FaultInjection.make({ respond: () => ({ body: "ok" }), faults: () => fault })
        class Things extends Integration.Service<Things>()(
          "test/Things",
          {
            policy,
            exhausted: Exhaustion.fallback("none", () => Effect.sync(() => String(++fallbacks))),
            orElse: (failure) => new Failed({ failure })
          },
          {
            get: HttpOperation.endpoint(Api, "things", "get", {
              translate: { Sick: told, Slower: told, Missing: told }
            })
          }
        ) {}
        const layer = HttpIntegration.layer(Things, { baseUrl: "https://acme.example" }).pipe(
          Layer.provide([provider.layer, Telemetry.layerObserver((event) => events.push(event))])
        )
        const things = Context.get(yield* Layer.build(layer), Things)
        assert.deepStrictEqual(yield* settle(things.get()), Exit.fail(new Told({ tag })))
        assert.strictEqual(fallbacks, 0)
        assert.strictEqual(provider.requests.length, sent)
        assert.notStrictEqual(events[0]!.callOutcome, "fallback")
      }).pipe(seededly(1))
    )
  })

  it("describes itself for plans", () => {
    assert.strictEqual(Exhaustion.describe(Exhaustion.fail), "fail loudly")
    assert.strictEqual(
      Exhaustion.describe(Exhaustion.fallback("an empty list", () => Effect.succeed([]))),
      "fall back: an empty list"
    )
    assert.strictEqual(
      Exhaustion.describe(Exhaustion.fallbackUnlessItHappened("the other provider", () => Effect.succeed(1))),
      "fall back, unless it may have happened: the other provider"
    )
  })
})
