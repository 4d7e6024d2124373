// I9: every layer acts. Each place of the order has a check that passes with the layer and fails without it; a place
// without a check fails this file.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Cause,
  Context,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Schema,
  SchemaGetter,
  type Scope,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import type { CallStep, Site } from "../../src/Call.ts"
import { siteAlone } from "../../src/internal/alone.ts"
import { CallRecord } from "../../src/internal/call.ts"
import { order, type Slot } from "../../src/internal/order.ts"
import { fromLayers } from "../../src/internal/policy.ts"
import { catalog, patient } from "./askers.ts"
import { AcmeApi, Declined, Failed, say, scripted, seededly, settle, thing } from "./support.ts"

/** The standard stack with the stateful layers. */
const whole = Policy.stack(
  Policy.standard({ attemptTimeout: "1 second", totalDeadline: "20 seconds" }),
  Policy.breaker({ consecutive: 3, openFor: "5 seconds" }),
  Policy.bulkhead({ concurrency: 2, queue: 10 })
)

/** A policy whose layer at this place does nothing. Its numbers stay, so that nothing else changes. */
const idle = (slot: Slot, policy: Policy.Any = whole): Policy.Complete =>
  fromLayers(
    policy.layers.map((layer) =>
      layer.slot === slot ? { ...layer, build: () => Effect.succeed((step: never) => step) as never } : layer
    )
  ) as Policy.Complete

/** One request more while the first is slow. */
const hedged = Policy.stack(
  whole,
  Policy.retryNever("a retry would be a second request too"),
  Policy.hedge({ after: 100, maxExtraLoad: 1 })
) as Policy.Complete

/** A policy whose layer stands at another place, so that what the runner puts around its own place is gone. */
const moved = (from: Slot, to: "call" | "attempt"): Policy.Complete =>
  fromLayers(whole.layers.map((layer) => (layer.slot === from ? { ...layer, slot: to } : layer))) as Policy.Complete

interface Setup {
  readonly policy?: Policy.Complete
  readonly translate?: object
  readonly exhausted?: Exhaustion.Exhaustion<unknown, unknown, never, "any">
  readonly orElse?: (failure: never) => unknown
  readonly auth?: Auth.Auth | undefined
  readonly success?: object
  readonly mock?: boolean
}

interface Shop {
  readonly charge: Effect.Effect<unknown, unknown>
  readonly get: Effect.Effect<unknown, unknown>
  readonly provider: FaultInjection.FaultInjection
  readonly events: ReadonlyArray<Telemetry.CallObserved>
}

const shop = (faults: FaultInjection.Faults, setup: Setup): Effect.Effect<Shop, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const provider = FaultInjection.make({ respond: () => ({ body: thing }), faults })
    const events: Array<Telemetry.CallObserved> = []
    class Payments extends Integration.Service<Payments>()(
      "test/Payments",
      {
        policy: (setup.policy ?? whole) as Policy.Policy<Policy.Provides, "any">,
        exhausted: (setup.exhausted ?? Exhaustion.fail) as typeof Exhaustion.fail,
        orElse: (setup.orElse as undefined) ?? ((failure) => new Failed({ failure }))
      },
      {
        charge: HttpOperation.endpoint(AcmeApi, "acme", "charge", {
          idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
            lifetime: "1 day"
          }),
          translate: (setup.translate ?? {
            CardError: ({ code }: { readonly code: string }) => new Declined({ code })
          }) as {
            readonly CardError: () => Declined
          }
        }),
        get: Operation.query("get", {
          success: (setup.success ?? Schema.Struct({ id: Schema.String })) as typeof Schema.String,
          send: () => Effect.succeed({ id: 7 })
        })
      }
    ) {}
    const layer = setup.mock
      ? Payments.layerMock({ charge: () => Effect.succeed(thing) })
      : HttpIntegration.layer(Payments, {
          baseUrl: "https://acme.example",
          auth: "auth" in setup ? setup.auth : Auth.bearer(Redacted.make("token"))
        }).pipe(Layer.provide([provider.layer, Telemetry.layerObserver((event) => events.push(event))]))
    const payments = Context.get(yield* Layer.build(layer), Payments)
    return {
      charge: Effect.suspend(() => payments.charge({ payload: { order: "o-1", amount: 2 } })),
      get: Effect.suspend(() => payments.get()),
      provider,
      events
    }
  })

/** The same policies around the same send, folded by hand: everything but the runner that observes. */
const unobserved = (policy: Policy.Any) =>
  Effect.gen(function* () {
    const site: Site = {
      ...siteAlone,
      integration: "test/Payments",
      operation: "charge",
      repeat: "Idempotent",
      limits: { attemptTimeout: 1_000, totalDeadline: 20_000, maxAttempts: 3 },
      shared: (_name, _options, make) => make as never
    }
    let step = (() => Effect.succeed(thing)) as CallStep
    for (const layer of policy.layers.toReversed()) {
      const transform = yield* layer.build(site)
      step = transform(step as never) as CallStep
    }
    return step(
      new CallRecord({
        id: "1",
        integration: site.integration,
        operation: site.operation,
        repeat: site.repeat,
        input: undefined,
        startedAt: 0,
        correlationId: "1"
      })
    )
  })

type Check = (setup: Setup) => Effect.Effect<void, unknown, Scope.Scope>

const checks: Readonly<Record<Slot, readonly [name: string, check: Check, without: Setup]>> = {
  observe: [
    "a call leaves one event",
    (setup) =>
      Effect.gen(function* () {
        const events: Array<Telemetry.CallObserved> = []
        const made = yield* shop([], setup)
        const call = setup.policy === undefined ? made.charge : yield* unobserved(Policy.standard())
        yield* Effect.provideService(settle(call), Telemetry.Observers, [(event) => events.push(event)])
        assert.strictEqual(events.length, 1)
      }),
    { policy: whole }
  ],
  translate: [
    "a declared error arrives as the application's own",
    (setup) =>
      Effect.gen(function* () {
        const { charge } = yield* shop(
          () => FaultInjection.status(402, { body: { _tag: "CardError", code: "no_funds" } }),
          setup
        )
        assert.deepStrictEqual(
          Option.getOrUndefined(Exit.findErrorOption(yield* settle(charge))),
          new Declined({ code: "no_funds" })
        )
      }),
    { translate: {} }
  ],
  exhausted: [
    "a provider that throttles to the end is replaced by the fallback",
    (setup) =>
      Effect.gen(function* () {
        const { charge } = yield* shop(() => FaultInjection.status(429), {
          exhausted: Exhaustion.fallbackUnlessItHappened("a test", () => Effect.succeed("instead")),
          ...setup
        })
        assert.deepStrictEqual(yield* settle(charge), Exit.succeed("instead"))
      }),
    { exhausted: Exhaustion.fail }
  ],
  totalDeadline: [
    "a call ends in 20 seconds, wherever it stalls",
    (setup) =>
      Effect.gen(function* () {
        const { charge, events } = yield* shop([], {
          auth: Auth.custom("never", () => Effect.never),
          ...setup
        })
        const fiber = yield* Effect.forkChild(charge, { startImmediately: true })
        yield* TestClock.adjust("20 seconds")
        const ended = fiber.pollUnsafe() !== undefined
        yield* Fiber.interrupt(fiber)
        assert.isTrue(ended)
        assert.strictEqual(events.length, 1)
      }),
    // The attempt timeout would end it too: neither may act, so that the deadline is what is seen.
    { policy: idle("totalDeadline", idle("attemptTimeout")) }
  ],
  prepare: [
    "the key is on the wire",
    (setup) =>
      Effect.gen(function* () {
        const { charge, provider } = yield* shop([], setup)
        yield* settle(charge)
        assert.strictEqual(
          provider.requests[0]?.headers["idempotency-key"],
          IdempotencyKey.toText(IdempotencyKey.derive("charge", "o-1"))
        )
      }),
    { policy: moved("totalDeadline", "call") }
  ],
  staleIfError: [
    "a provider that goes down is replaced by its last good answer",
    (setup) =>
      Effect.gen(function* () {
        const stale = Policy.staleIfError({ for: "1 minute", principal: "everyone" })
        const { get } = yield* catalog({
          policy: idleIf(setup, "staleIfError", Policy.stack(patient, stale)),
          send: ({ n }) => (n === 1 ? Effect.void : say(Reason.unavailable()))
        })
        const first = yield* settle(get())
        assert.deepStrictEqual(yield* settle(get()), first)
      }),
    { policy: whole }
  ],
  coalesce: [
    "two that ask the same at once are one request",
    (setup) =>
      Effect.gen(function* () {
        const coalesce = Policy.coalesce({ principal: "everyone" })
        const { get, sent } = yield* catalog({
          policy: idleIf(setup, "coalesce", Policy.stack(patient, coalesce)),
          send: () => Effect.sleep(100)
        })
        yield* settle(Effect.all([get(), get()], { concurrency: "unbounded" }))
        assert.strictEqual(sent.length, 1)
      }),
    { policy: whole }
  ],
  call: [
    "a custom layer of a call runs once",
    (setup) =>
      Effect.gen(function* () {
        let runs = 0
        const custom = counting("call", () => runs++)
        const { charge } = yield* shop([FaultInjection.status(503)], {
          policy: idleIf(setup, "call", Policy.stack(whole, custom))
        })
        yield* settle(charge)
        assert.strictEqual(runs, 1)
      }),
    { policy: whole }
  ],
  budget: [
    "of three calls that fail, two retries are made",
    (setup) =>
      Effect.gen(function* () {
        const small = Policy.budget({ capacity: 28 })
        const { charge, provider } = yield* shop(() => FaultInjection.status(503), {
          policy: idleIf(setup, "budget", Policy.stack(whole, small))
        })
        for (let n = 0; n < 3; n++) {
          yield* settle(charge)
          yield* TestClock.adjust("1 minute")
        }
        // Three attempts, and then one each: the breaker, which is open by then, has been given the time to close.
        assert.isAtMost(provider.requests.length, 5)
      }),
    { policy: whole }
  ],
  retry: [
    "a 503 is followed by a success",
    (setup) =>
      Effect.gen(function* () {
        const { charge } = yield* shop([FaultInjection.status(503)], setup)
        assert.deepStrictEqual(yield* settle(charge), Exit.succeed(thing))
      }),
    { policy: idle("retry") }
  ],
  hedge: [
    "a read that hangs is answered by a second request",
    (setup) =>
      Effect.gen(function* () {
        const { call } = yield* scripted({
          repeat: "Safe",
          policy: setup.policy ?? hedged,
          send: (n) => (n === 1 ? Effect.never : Effect.succeed(n))
        })
        assert.deepStrictEqual(yield* settle(call), Exit.succeed(2))
      }),
    { policy: idle("hedge", hedged) }
  ],
  circuitBreaker: [
    "a provider that is down is left alone after three attempts",
    (setup) =>
      Effect.gen(function* () {
        const { charge, provider } = yield* shop(() => FaultInjection.status(500), setup)
        yield* Effect.forkChild(Effect.exit(charge), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        const sent = provider.requests.length
        assert.strictEqual(sent, 3)
        yield* Effect.forkChild(Effect.exit(charge), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(provider.requests.length, sent)
        yield* TestClock.adjust("1 minute")
      }),
    { policy: idle("circuitBreaker") }
  ],
  rateLimit: [
    "two attempts start in a minute, and no third",
    (setup) =>
      Effect.gen(function* () {
        const limited = Policy.stack(whole, Policy.rateLimit({ limit: 2, window: "1 minute", maxWait: 0 }))
        const { charge, provider } = yield* shop([], { policy: idleIf(setup, "rateLimit", limited) })
        for (let n = 0; n < 3; n++) yield* settle(charge)
        assert.strictEqual(provider.requests.length, 2)
      }),
    { policy: whole }
  ],
  bulkhead: [
    "two attempts run at once, and no third",
    (setup) =>
      Effect.gen(function* () {
        const { charge, provider } = yield* shop(() => FaultInjection.latency("500 millis"), setup)
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(charge, { startImmediately: true }))
        const running = provider.requests.length
        yield* TestClock.adjust("1 minute")
        for (const fiber of fibers) yield* Fiber.await(fiber)
        assert.strictEqual(running, 2)
      }),
    { policy: idle("bulkhead") }
  ],
  attempt: [
    "a custom layer of an attempt runs for each",
    (setup) =>
      Effect.gen(function* () {
        let runs = 0
        const custom = counting("attempt", () => runs++)
        const { charge } = yield* shop([FaultInjection.status(503)], {
          policy: idleIf(setup, "attempt", Policy.stack(whole, custom))
        })
        yield* settle(charge)
        assert.strictEqual(runs, 2)
      }),
    { policy: whole }
  ],
  attemptSpan: [
    "each attempt has a client span",
    (setup) =>
      Effect.gen(function* () {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const { charge } = yield* shop([FaultInjection.status(503)], setup)
        yield* Effect.withTracer(settle(charge), tracer)
        assert.deepStrictEqual(
          spans.filter(({ kind }) => kind === "client").map(({ name }) => name),
          ["POST /charges", "POST /charges"]
        )
      }),
    { policy: moved("attemptTimeout", "attempt") }
  ],
  attemptTimeout: [
    "a stalled body is cut after a second, and fetched again",
    (setup) =>
      Effect.gen(function* () {
        const { charge, events } = yield* shop([FaultInjection.stallInBody], setup)
        assert.deepStrictEqual(yield* settle(charge), Exit.succeed(thing))
        assert.isBelow(events[0]!.latency, 2_000)
      }),
    { policy: idle("attemptTimeout") }
  ],
  auth: [
    "the credentials are on the wire",
    (setup) =>
      Effect.gen(function* () {
        const { charge, provider } = yield* shop([], setup)
        yield* settle(charge)
        assert.strictEqual(provider.requests[0]?.headers["authorization"], "Bearer token")
      }),
    { auth: undefined }
  ],
  send: [
    "the provider has carried it out",
    (setup) =>
      Effect.gen(function* () {
        const { charge, provider } = yield* shop([], setup)
        yield* settle(charge)
        assert.strictEqual(provider.ledger.length, 1)
      }),
    { mock: true }
  ],
  decode: [
    "an answer of another shape is refused",
    (setup) =>
      Effect.gen(function* () {
        const { get } = yield* shop([], setup)
        const error = Option.getOrUndefined(Exit.findErrorOption(yield* settle(get)))
        assert.isTrue(error instanceof Failed && error.failure.reason._tag === "InvalidResponse")
      }),
    { success: Operation.unvalidated("to show what that means") }
  ]
}

const counting = (slot: "call" | "attempt", count: () => void): Policy.Policy<never, "any"> =>
  Policy.make({
    slot: slot as "call",
    name: "counting",
    build: () =>
      Effect.succeed(
        (step: Policy.CallStep): Policy.CallStep =>
          (call) =>
            Effect.andThen(Effect.sync(count), step(call))
      )
  })

/** The policy, idle at this place when the check is run without it. */
const idleIf = (setup: Setup, slot: Slot, policy: Policy.Any): Policy.Complete =>
  setup.policy === undefined ? (policy as Policy.Complete) : idle(slot, policy)

describe("I9: every layer acts", () => {
  it("every place of the order has a check", () => {
    assert.deepStrictEqual(Object.keys(checks).toSorted(), order.map(([slot]) => slot).toSorted())
  })

  for (const [slot, [name, check, without]] of Object.entries(checks)) {
    it.effect(`${slot}: ${name}`, () => check({}).pipe(seededly(1)))

    it.effect(`without ${slot}: not so`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Effect.scoped(check(without)))
        assert.isTrue(Exit.isFailure(exit), "the check passes without the layer: it checks nothing")
        // It fails for what it asserts, not for an accident of the set-up.
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.strictEqual((error as Error).name, "AssertionError", String(error))
      }).pipe(seededly(1))
    )
  }

  it.effect("orElse: the provider's failures stay inside", () =>
    Effect.gen(function* () {
      const seen = (setup: Setup) =>
        Effect.gen(function* () {
          const { charge } = yield* shop(() => FaultInjection.status(400), setup)
          const error = Option.getOrUndefined(Exit.findErrorOption(yield* settle(charge)))
          return (error as { readonly _tag: string })._tag
        })
      assert.strictEqual(yield* seen({}), "Failed")
      assert.strictEqual(yield* seen({ orElse: (failure) => failure }), "CallFailure")
    }).pipe(seededly(1))
  )

  it.effect("input: what is invalid is not sent", () =>
    Effect.gen(function* () {
      let sent = 0
      const build = (input: Schema.Codec<string, string>) =>
        Effect.gen(function* () {
          class Sms extends Integration.Service<Sms>()(
            "test/Sms",
            { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
            {
              send: Operation.query("send", {
                input,
                success: Schema.String,
                send: () => Effect.suspend(() => (sent++, Effect.succeed("ok")))
              })
            }
          ) {}
          const sms = Context.get(yield* Layer.build(Integration.layer(Sms)), Sms)
          return yield* settle(sms.send(""))
        })
      yield* build(Schema.String.check(Schema.isMinLength(1)))
      assert.strictEqual(sent, 0)
      yield* build(
        Schema.String.pipe(
          Schema.decodeTo(Schema.String, { decode: SchemaGetter.passthrough(), encode: SchemaGetter.passthrough() })
        )
      )
      assert.strictEqual(sent, 1)
    }).pipe(seededly(1))
  )
})
