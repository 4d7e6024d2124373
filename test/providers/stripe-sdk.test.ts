import { assert, describe, it } from "@effect/vitest"
import { Integration, Policy } from "breakwater"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { ConfigProvider, Context, type Duration, Effect, Layer, Result } from "effect"
import { Stripe } from "stripe"
import { abortable, StripeSdk, StripeSdkLive } from "../../examples/providers/stripe-sdk/client.ts"
import { classify, Payments } from "../../examples/providers/stripe-sdk/integration.ts"
import { FakeStripe, secretKey } from "../../examples/providers/stripe/upstream.ts"
import { quiet } from "../http/wire.ts"

// Time is real here: the SDK brings its own client, and timers that no TestClock moves.
const policyOf = (attemptTimeout: Duration.Input) =>
  Policy.standard({ attemptTimeout, schedule: Policy.backoff({ base: 1, throttledBase: 1 }) })

const order = { id: "order 42", amount: 4200, currency: "eur", paymentMethod: "pm_card_visa" }
const paid = { id: "pi_1", amount: 4200, currency: "eur", status: "succeeded", metadata: { order: "order 42" } }

interface Options {
  readonly key?: string
  readonly attemptTimeout?: Duration.Input
}

/** The SDK, pointed at the fake Stripe on a socket. */
const connect = ({ attemptTimeout = "5 seconds", key = secretKey }: Options = {}) =>
  Effect.gen(function* () {
    const stripe = Context.get(yield* Layer.build(FakeStripe.layer), FakeStripe)
    const { port, refusing, url } = yield* SocketServer.listen(stripe)
    const context = yield* Layer.build(
      IntegrationTest.record(
        Integration.layer(Payments, { policy: { pay: policyOf(attemptTimeout) } }).pipe(
          Layer.provideMerge(StripeSdkLive)
        )
      ).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { STRIPE_KEY: key, STRIPE_URL: url } }))))
    )
    const payments = Context.get(context, Payments)
    const within = Effect.provide(Layer.merge(Layer.succeedContext(context), quiet))
    return {
      stripe,
      port,
      refusing,
      sdk: Context.get(context, StripeSdk),
      recording: Context.get(context, IntegrationTest.Recording),
      pay: (changes: Partial<typeof order> = {}) => within(payments.pay({ ...order, ...changes })),
      find: (id: string) => within(payments.find(id))
    }
  })

describe("the stripe package: a payment", () => {
  it.live("is made and found, and stands on the wire as over HTTP", () =>
    Effect.gen(function* () {
      const { find, pay, recording, stripe } = yield* connect()
      assert.deepStrictEqual(yield* pay(), paid)
      assert.deepStrictEqual(yield* find("pi_1"), paid)
      const [create, retrieve] = stripe.requests
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(create?.text)), {
        amount: "4200",
        currency: "eur",
        payment_method: "pm_card_visa",
        "allowed_payment_method_types[0]": "card",
        confirm: "true",
        "metadata[order]": "order 42"
      })
      assert.strictEqual(create?.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(create.headers["authorization"], `Bearer ${secretKey}`)
      assert.match(create.headers["idempotency-key"] ?? "", /^[0-9a-f]{32}$/)
      assert.strictEqual(create.headers["x-stripe-client-telemetry"], undefined)
      assert.strictEqual(new URL(retrieve?.url ?? "").pathname, "/v1/payment_intents/pi_1")
      expectExecuted(stripe).once("paymentIntents.create", { payload: { order: "order 42" } })
      expectOutcome(recording).of("pay", { outcome: "Applied", attempts: ["Success"] })
    })
  )
})

describe("the stripe package: errors have types of the application's own", () => {
  it.live.each([
    ["pm_card_visa_chargeDeclined", "generic_decline"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card"]
  ])("a declined card: %s", ([paymentMethod, code]) =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      const error = yield* Effect.flip(pay({ paymentMethod }))
      assert.deepInclude(error, { _tag: "CardDeclined", code })
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Rejected"] })
      expectExecuted(stripe).never()
    })
  )

  it.live("a parameter that Stripe refuses", () =>
    Effect.gen(function* () {
      const { pay, recording } = yield* connect()
      const error = yield* Effect.flip(pay({ amount: 49 }))
      assert.deepInclude(error, { _tag: "PaymentRefused", code: "amount_too_small", param: "amount" })
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Rejected"] })
    })
  )

  it.live("a payment that does not exist", () =>
    Effect.gen(function* () {
      const { find } = yield* connect()
      assert.deepInclude(yield* Effect.flip(find("pi_404")), { _tag: "NoSuchPayment", id: "pi_404" })
    })
  )

  it.live("a wrong secret key, which is shown nowhere", () =>
    Effect.gen(function* () {
      const { pay, recording } = yield* connect({ key: "sk_test_wrong" })
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Refused", requestId: "req_0" })
      expectSpans(recording).without("sk_test_wrong")
    })
  )

  it.live("a key with other parameters", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* pay()
      const error = yield* Effect.flip(pay({ amount: 4300 }))
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("pay", { attempts: ["KeyConflict"] })
      expectExecuted(stripe).once("paymentIntents.create")
    })
  )
})

describe("the stripe package: when Stripe does not answer as it should", () => {
  it.live("a lost answer: one repeat with the same key and the same bytes, and one charge", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.responseLost])
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create")
      expectOutcome(recording).of("pay", { outcome: "Applied", attempts: ["Disconnected", "Success"] })
      // As many requests as attempts: nothing is repeated out of sight.
      const [first, second] = stripe.requests
      assert.strictEqual(stripe.requests.length, 2)
      assert.strictEqual(first?.headers["idempotency-key"], second?.headers["idempotency-key"])
      assert.strictEqual(first?.text, second?.text)
      expectSpans(recording).without(secretKey)
      expectSpans(recording).without("order 42")
    })
  )

  it.live("the SDK's client for Node repeats after a reset, its retries off or not: the reason for the other one", () =>
    Effect.gen(function* () {
      const { port, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.responseLost])
      const sdk = new Stripe(secretKey, { protocol: "http", host: "127.0.0.1", port, maxNetworkRetries: 0 })
      yield* Effect.promise(() => sdk.paymentIntents.create({ amount: 4200, currency: "eur" }).catch(() => undefined))
      assert.strictEqual(stripe.requests.length, 2)
    })
  )

  it.live("a hang is cut by the attempt's timeout, and the repeat finds what was done", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect({ attemptTimeout: "400 millis" })
      yield* stripe.inject([FaultInjection.stallBeforeHeaders({ executes: true })])
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create")
      expectOutcome(recording).of("pay", { attempts: ["Timeout", "Success"] })
    })
  )

  it.live("a hang for ever ends with the policy's attempts: it may have happened", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect({ attemptTimeout: "400 millis" })
      yield* stripe.inject(FaultInjection.times(3, FaultInjection.stallBeforeHeaders({ executes: false })))
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("pay", { attempts: ["Timeout", "Timeout", "Timeout"] })
    })
  )

  it.live("the signal reaches the request that the SDK sends", () =>
    Effect.gen(function* () {
      const { sdk, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.stallBeforeHeaders({ executes: false })])
      const controller = new AbortController()
      const given = abortable(controller.signal, () => sdk.paymentIntents.retrieve("pi_1")).then(
        () => "an answer",
        (error: unknown) => error
      )
      yield* stripe.awaitFault("StallBeforeHeaders")
      controller.abort()
      // Long before the SDK's own 80 seconds.
      assert.instanceOf(yield* Effect.promise(() => given), Stripe.errors.StripeConnectionError)
    })
  )

  it.live("a body that stalls or is cut is asked for again", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect({ attemptTimeout: "400 millis" })
      yield* stripe.inject([FaultInjection.stallInBody, FaultInjection.cutBody])
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create")
      expectOutcome(recording).of("pay", { attempts: ["Timeout", "Disconnected", "Success"] })
    })
  )

  it.live("429 is waited for, as long as Retry-After says", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.status(429, { retryAfter: 1, body: { error: { code: "rate_limit" } } })])
      assert.deepStrictEqual(yield* pay(), paid)
      expectOutcome(recording).of("pay", { attempts: ["Throttled", "Success"] })
      assert.strictEqual(recording.calls[0]?.attempts[1]?.waited, 1_000)
    })
  )

  it.live("409 is an earlier attempt at work", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      const body = { error: { type: "idempotency_error", code: "idempotency_key_in_use" } }
      yield* stripe.inject([FaultInjection.status(409, { body })])
      assert.deepStrictEqual(yield* pay(), paid)
      expectOutcome(recording).of("pay", { attempts: ["InProgress", "Success"] })
    })
  )

  it.live("a stored 500: its replay ends the call, which may have happened", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      stripe.state.incidents.push({ charged: true })
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown", requestId: "req_1" })
      expectOutcome(recording).of("pay", { attempts: ["Unavailable", "Unavailable"] })
      expectExecuted(stripe).once("paymentIntents.create")
    })
  )

  it.live("Stripe-Should-Retry: false spares the second request", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      stripe.state.incidents.push({ charged: false, shouldRetry: "false" })
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("pay", { attempts: ["Unavailable"] })
    })
  )

  it.live("a declined card whose answer was lost is known to be declined after the repeat", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.responseLost])
      const error = yield* Effect.flip(pay({ paymentMethod: "pm_card_visa_chargeDeclined" }))
      assert.strictEqual(error._tag, "CardDeclined")
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Disconnected", "Rejected"] })
    })
  )

  it.live("an answer of another shape: it happened, and is not repeated", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.wrongShape({ id: "pi_1", object: "payment_intent" })])
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Applied" })
      expectOutcome(recording).of("pay", { attempts: ["InvalidResponse"] })
    })
  )

  it.live("a page instead of an answer: the SDK keeps no status of it, and the same key is asked again", () =>
    Effect.gen(function* () {
      const { pay, recording, stripe } = yield* connect()
      yield* stripe.inject([FaultInjection.wrongMediaType()])
      assert.deepStrictEqual(yield* pay(), paid)
      expectOutcome(recording).of("pay", { attempts: ["Unavailable", "Success"] })
      expectExecuted(stripe).once("paymentIntents.create")
    })
  )

  it("an error that never was a request gets no verdict", () => {
    assert.strictEqual(classify(new Error("no")), undefined)
    assert.strictEqual(classify(new Stripe.errors.StripeError({ type: "api_error", message: "no" })), undefined)
  })

  it.live("nobody listens: nothing was sent", () =>
    Effect.gen(function* () {
      const { pay, recording, refusing } = yield* connect()
      const error = yield* Effect.flip(refusing(pay()))
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "NotSent" })
      expectOutcome(recording).of("pay", { attempts: ["Unreachable", "Unreachable", "Unreachable"] })
    })
  )
})

describe("the stripe package: over seeds", () => {
  it.live("nothing is carried out twice, and no error denies what happened", () =>
    FaultInjection.forSeeds({ runs: 12 }, (seed) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { pay, stripe } = yield* connect({ attemptTimeout: "200 millis" })
          const faults = [...FaultInjection.all, FaultInjection.duplicateDelivery()]
          yield* stripe.inject(FaultInjection.seeded({ seed, rate: 0.7, faults }))
          const ended = yield* Effect.result(pay())
          const charged = stripe.state.payments.size
          assert.isAtMost(charged, 1)
          if (Result.isSuccess(ended)) assert.strictEqual(charged, 1)
          else if (charged === 1) {
            const { failure } = ended
            assert.include(
              ["Unknown", "Applied"],
              failure._tag === "PaymentsUnavailable" ? failure.outcome : failure._tag
            )
          }
        })
      )
    )
  )
})
