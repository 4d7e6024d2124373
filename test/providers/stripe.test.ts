import { assert, describe, it } from "@effect/vitest"
import { Integration } from "breakwater"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Config, ConfigProvider, Effect, Fiber, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { version } from "../../examples/providers/stripe/api.ts"
import { connection, Payments } from "../../examples/providers/stripe/integration.ts"
import { FakeStripe, secretKey } from "../../examples/providers/stripe/upstream.ts"

const withKey = (key: string) =>
  IntegrationTest.layer(Payments, FakeStripe, connection).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { STRIPE_KEY: key } })))
  )
const stripe = withKey(secretKey)

const provider = Layer.provideMerge(FakeStripe.client, FakeStripe.layer)

const payload = {
  amount: 4200,
  currency: "eur",
  paymentMethod: "pm_card_visa",
  kind: "card",
  confirm: true,
  order: "order 42"
} as const
const paid = {
  id: "pi_1",
  amount: 4200,
  currency: "eur",
  status: "succeeded",
  metadata: { order: "order 42" }
} as const

const pay = (changes: Partial<{ amount: number; currency: string; paymentMethod: string; order: string }> = {}) =>
  Effect.flatMap(Payments, (payments) => IntegrationTest.settle(payments.pay({ payload: { ...payload, ...changes } })))

/** A request as anybody could send it, past the integration. */
const raw = (method: "POST" | "GET" | "DELETE", path: string, form: Record<string, string>, headers = {}) =>
  Effect.gen(function* () {
    const response = yield* HttpClient.execute(
      HttpClientRequest.make(method)(`https://stripe.test${path}`).pipe(
        method === "GET" ? (request) => request : HttpClientRequest.bodyUrlParams(form),
        HttpClientRequest.bearerToken(secretKey),
        HttpClientRequest.setHeaders(headers)
      )
    )
    return { status: response.status, headers: response.headers, body: yield* response.json }
  })

const form = {
  amount: "4200",
  currency: "eur",
  payment_method: "pm_card_visa",
  "allowed_payment_method_types[0]": "card",
  confirm: "true",
  "metadata[order]": "order 42"
}

describe("Stripe: a payment", () => {
  it.effect("is made, found and paid back in parts", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const payment = yield* pay()
      assert.deepStrictEqual(payment, paid)
      assert.deepStrictEqual(yield* payments.find({ params: { id: payment.id } }), paid)
      const back = { payment: payment.id, amount: 2000, returned: "return-1" }
      assert.deepStrictEqual(yield* payments.refund({ payload: back }), {
        id: "re_1",
        amount: 2000,
        payment_intent: "pi_1",
        status: "succeeded"
      })
      // The same return again is the same refund, and another one is another.
      assert.strictEqual((yield* payments.refund({ payload: back })).id, "re_1")
      assert.strictEqual((yield* payments.refund({ payload: { ...back, returned: "return-2" } })).id, "re_2")
      const stripe = yield* FakeStripe
      expectExecuted(stripe).inOrder(["paymentIntents.create", "refunds.create", "refunds.create"])
      // What is left is 200.
      const error = yield* Effect.flip(payments.refund({ payload: { ...back, returned: "return-3" } }))
      assert.deepInclude(error, { _tag: "PaymentRefused", code: "amount_too_large", param: "amount" })
      yield* payments.refund({ payload: { ...back, amount: 200, returned: "return-4" } })
      const nothingLeft = yield* Effect.flip(payments.refund({ payload: { ...back, returned: "return-5" } }))
      assert.deepInclude(nothingLeft, { _tag: "PaymentRefused", code: "charge_already_refunded" })
      const nothingPaid = yield* Effect.flip(payments.refund({ payload: { ...back, payment: "pi_404" } }))
      assert.deepInclude(nothingPaid, { _tag: "PaymentRefused", code: "resource_missing" })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("goes over the wire as Stripe reads it", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      yield* pay()
      yield* payments.find({ params: { id: "pi_1" } })
      yield* payments.refund({ payload: { payment: "pi_1", amount: 1, returned: "r" } })
      const [create, retrieve, refund] = (yield* FakeStripe).requests
      assert.strictEqual(create?.method, "POST")
      assert.strictEqual(new URL(create.url).pathname, "/v1/payment_intents")
      assert.strictEqual(
        create.text,
        "amount=4200&currency=eur&payment_method=pm_card_visa&allowed_payment_method_types%5B0%5D=card&confirm=true" +
          "&metadata%5Border%5D=order+42"
      )
      assert.strictEqual(create.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(create.headers["authorization"], `Bearer ${secretKey}`)
      assert.strictEqual(create.headers["stripe-version"], version)
      // One key for one intent. It shows neither the order nor the card.
      assert.match(create.headers["idempotency-key"] ?? "", /^[0-9a-f]{32}$/)
      assert.strictEqual(retrieve?.headers["idempotency-key"], undefined)
      assert.strictEqual(retrieve?.text, "")
      assert.strictEqual(refund?.text, "payment_intent=pi_1&amount=1&metadata%5Breturn%5D=r")
      assert.notStrictEqual(refund.headers["idempotency-key"], create.headers["idempotency-key"])
    }).pipe(Effect.provide(stripe))
  )

  it("says beforehand how a repeat is made safe", () => {
    const plan = Integration.planText(Payments)
    assert.include(plan, "pay  POST /v1/payment_intents  Idempotent")
    assert.include(plan, "key from the input, in header idempotency-key, kept for 24 h")
  })
})

describe("Stripe: errors have types of the application's own", () => {
  it.effect.each([
    ["pm_card_visa_chargeDeclined", "generic_decline"],
    ["pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card"]
  ])("a declined card: %s", ([paymentMethod, code]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(pay({ paymentMethod }))
      assert.deepInclude(error, { _tag: "CardDeclined", code })
      const recording = yield* IntegrationTest.Recording
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Declared"], errorType: "402" })
      expectExecuted(yield* FakeStripe).never()
      // Another card is another intent: the stored answer to the first key is not asked for.
      assert.deepStrictEqual(yield* pay(), paid)
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a parameter that Stripe refuses, which is not stored", () =>
    Effect.gen(function* () {
      const small = yield* Effect.flip(pay({ amount: 49 }))
      assert.deepInclude(small, { _tag: "PaymentRefused", code: "amount_too_small", param: "amount" })
      const currency = yield* Effect.flip(pay({ currency: "euro" }))
      assert.deepInclude(currency, { _tag: "PaymentRefused", code: "invalid_request", param: "currency" })
      // The corrected request has the same key, and is carried out.
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(yield* FakeStripe).once("paymentIntents.create")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a payment that does not exist", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const error = yield* Effect.flip(payments.find({ params: { id: "pi_404" } }))
      assert.deepInclude(error, { _tag: "NoSuchPayment", id: "pi_404" })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a wrong secret key: nothing happened, and it is shown nowhere", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Refused", requestId: "req_0" })
      const recording = yield* IntegrationTest.Recording
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Rejected"] })
      expectSpans(recording).without("sk_test_wrong")
      expectExecuted(yield* FakeStripe).never()
    }).pipe(Effect.provide(withKey("sk_test_wrong")))
  )

  it.effect("a missing secret key is found when the layer is built", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(
          IntegrationTest.layer(Payments, FakeStripe, connection).pipe(
            Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
          )
        )
      )
      assert.instanceOf(error, Config.ConfigError)
    })
  )
})

describe("Stripe: the rules of the provider, broken by a request of its own", () => {
  it.effect("a bearer key is required, and every answer names its request", () =>
    Effect.gen(function* () {
      const answer = yield* raw("POST", "/v1/payment_intents", form, { authorization: "Bearer sk_test_wrong" })
      assert.strictEqual(answer.status, 401)
      assert.deepStrictEqual(answer.body, {
        error: { type: "invalid_request_error", message: "Invalid API Key provided" }
      })
      assert.strictEqual(answer.headers["request-id"], "req_0")
    }).pipe(Effect.provide(provider))
  )

  it.effect("a version that does not exist is refused", () =>
    Effect.gen(function* () {
      const answer = yield* raw("POST", "/v1/payment_intents", form, { "stripe-version": "2012-13-32" })
      assert.strictEqual(answer.status, 400)
    }).pipe(Effect.provide(provider))
  )

  it.effect("a key is stored for 24 hours, and then forgotten", () =>
    Effect.gen(function* () {
      const headers = { "idempotency-key": "k" }
      const first = yield* raw("POST", "/v1/payment_intents", form, headers)
      yield* TestClock.adjust("23 hours")
      const replayed = yield* raw("POST", "/v1/payment_intents", form, headers)
      assert.deepStrictEqual(replayed.body, first.body)
      assert.strictEqual(first.headers["idempotent-replayed"], undefined)
      assert.strictEqual(replayed.headers["idempotent-replayed"], "true")
      assert.strictEqual(replayed.headers["request-id"], "req_1")
      yield* TestClock.adjust("1 hour")
      const again = yield* raw("POST", "/v1/payment_intents", form, headers)
      assert.notDeepEqual(again.body, first.body)
      expectExecuted(yield* FakeStripe).times(2, "paymentIntents.create")
    }).pipe(Effect.provide(provider))
  )

  it.effect("a key has at most 255 characters", () =>
    Effect.gen(function* () {
      const longest = yield* raw("POST", "/v1/payment_intents", form, { "idempotency-key": "k".repeat(255) })
      const tooLong = yield* raw("POST", "/v1/payment_intents", form, { "idempotency-key": "k".repeat(256) })
      assert.deepStrictEqual([longest.status, tooLong.status], [200, 400])
    }).pipe(Effect.provide(provider))
  )

  it.effect("a key belongs to its parameters and its endpoint", () =>
    Effect.gen(function* () {
      const headers = { "idempotency-key": "k" }
      yield* raw("POST", "/v1/payment_intents", form, headers)
      const other = yield* raw("POST", "/v1/payment_intents", { ...form, amount: "4300" }, headers)
      const elsewhere = yield* raw("POST", "/v1/refunds", { payment_intent: "pi_1", amount: "1" }, headers)
      for (const { body, status } of [other, elsewhere]) {
        assert.strictEqual(status, 400)
        assert.deepNestedInclude(body, { "error.type": "idempotency_error" })
      }
      expectExecuted(yield* FakeStripe).once("paymentIntents.create")
    }).pipe(Effect.provide(provider))
  )

  it.effect("a key of a GET has no effect", () =>
    Effect.gen(function* () {
      const headers = { "idempotency-key": "k" }
      const before = yield* raw("GET", "/v1/payment_intents/pi_1", {}, headers)
      yield* raw("POST", "/v1/payment_intents", form, headers)
      const after = yield* raw("GET", "/v1/payment_intents/pi_1", {}, headers)
      assert.deepStrictEqual([before.status, after.status], [404, 200])
    }).pipe(Effect.provide(provider))
  )

  it.effect("a key at work is answered 409, and only one of the two is carried out", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      stripe.state.latency = 2_000
      const headers = { "idempotency-key": "k" }
      const first = yield* Effect.forkChild(raw("POST", "/v1/payment_intents", form, headers), {
        startImmediately: true
      })
      const second = yield* raw("POST", "/v1/payment_intents", form, headers)
      assert.strictEqual(second.status, 409)
      assert.deepNestedInclude(second.body, { "error.code": "idempotency_key_in_use" })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      expectExecuted(stripe).once("paymentIntents.create")
    }).pipe(Effect.provide(provider))
  )

  it.effect("25 requests a second, counted before the keys", () =>
    Effect.gen(function* () {
      const headers = { "idempotency-key": "k" }
      const statuses: Array<number> = []
      for (let i = 0; i < 26; i++) statuses.push((yield* raw("POST", "/v1/payment_intents", form, headers)).status)
      assert.deepStrictEqual(statuses, [...Array.from({ length: 25 }, () => 200), 429])
      yield* TestClock.adjust("1 second")
      const later = yield* raw("POST", "/v1/payment_intents", form, headers)
      assert.strictEqual(later.status, 200)
      expectExecuted(yield* FakeStripe).once("paymentIntents.create")
    }).pipe(Effect.provide(provider))
  )
})

describe("Stripe: when it does not answer as it should", () => {
  it.effect("a lost answer: the repeat is answered from memory, and the card is charged once", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      const recording = yield* IntegrationTest.Recording
      yield* stripe.inject([FaultInjection.responseLost])
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create", { payload: { order: "order 42" } })
      expectOutcome(recording).of("pay", { outcome: "Applied", attempts: ["Disconnected", "Success"] })
      const [first, second] = stripe.requests
      assert.strictEqual(first?.key, second?.key)
      assert.strictEqual(first?.text, second?.text)
      expectSpans(recording).of("pay", { attempts: [{ failed: true }, { name: "POST /v1/payment_intents" }] })
      expectSpans(recording).without(secretKey)
      expectSpans(recording).without("order 42")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a stalled body: cut, and read again with the same key", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* stripe.inject([FaultInjection.stallInBody, FaultInjection.cutBody])
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create")
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["BodyLost", "BodyLost", "Success"] })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a charge that takes longer than we wait is in flight at the repeat", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      // The attempt is cut after 10 seconds; the second finds the first at work, and the third its result.
      stripe.state.latency = 10_200
      assert.deepStrictEqual(yield* pay(), paid)
      expectExecuted(stripe).once("paymentIntents.create")
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["Timeout", "InProgress", "Success"] })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("409 says that an earlier attempt is at work", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      const conflict = { error: { type: "idempotency_error", code: "idempotency_key_in_use" } }
      yield* stripe.inject([FaultInjection.status(409, { body: conflict })])
      assert.deepStrictEqual(yield* pay(), paid)
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["InProgress", "Success"] })
    }).pipe(Effect.provide(stripe))
  )

  it.effect.each([
    { charged: true, label: "after the charge" },
    { charged: false, label: "before the charge" }
  ])("a 500 $label is stored: the replay ends the call, which may have happened", ({ charged }) =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      stripe.state.incidents.push({ charged })
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown", requestId: "req_1" })
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["Unavailable", "Unavailable"] })
      expectExecuted(stripe).times(charged ? 1 : 0, "paymentIntents.create")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("Stripe-Should-Retry: false spares the second request", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      stripe.state.incidents.push({ charged: true, shouldRetry: "false" })
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown", requestId: "req_0" })
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["Unavailable"] })
      assert.strictEqual(stripe.requests.length, 1)
    }).pipe(Effect.provide(stripe))
  )

  it.effect("Stripe-Should-Retry: true asks for another try where the status alone would not", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      const headers = { "stripe-should-retry": "true" }
      yield* stripe.inject([
        FaultInjection.status(424, { headers }),
        FaultInjection.status(500, { headers, executes: true })
      ])
      assert.deepStrictEqual(yield* pay(), paid)
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["Unavailable", "Unavailable", "Success"] })
      expectExecuted(stripe).once("paymentIntents.create")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("Stripe-Should-Retry: false is believed of a 429 too, and a decline stays a decline", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      const headers = { "stripe-should-retry": "false" }
      const decline = { error: { type: "card_error", code: "card_declined", decline_code: "fraudulent" } }
      yield* stripe.inject([
        FaultInjection.status(429, { headers }),
        FaultInjection.status(402, { headers, body: decline })
      ])
      const throttled = yield* Effect.flip(pay())
      assert.deepInclude(throttled, { _tag: "PaymentsUnavailable", outcome: "Refused" })
      const declined = yield* Effect.flip(pay())
      assert.deepInclude(declined, { _tag: "CardDeclined", code: "fraudulent" })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("the limiter is waited for, as long as it asks", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* stripe.inject([FaultInjection.status(429, { retryAfter: 3 })])
      assert.deepStrictEqual(yield* pay(), paid)
      const [limited, carriedOut] = stripe.requests
      assert.isAtLeast((carriedOut?.at ?? 0) - (limited?.at ?? 0), 3_000)
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["Throttled", "Success"] })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a limited call repeats itself in the next second", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      stripe.state.seconds.set(0, 25)
      assert.deepStrictEqual(yield* pay(), paid)
      const { calls } = yield* IntegrationTest.Recording
      assert.strictEqual(calls[0]?.attempts[0]?.reason, "Throttled")
      assert.strictEqual(calls[0]?.attempts.at(-1)?.reason, "Success")
      expectExecuted(stripe).once("paymentIntents.create")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a key with other parameters is a bug of ours, and no new key is made to get past it", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* pay()
      const error = yield* Effect.flip(pay({ amount: 4300 }))
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Unknown" })
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["KeyConflict"] })
      expectExecuted(stripe).once("paymentIntents.create", { payload: { amount: 4200 } })
    }).pipe(Effect.provide(stripe))
  )

  it.effect("an answer of another shape: it happened, and is not repeated", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* stripe.inject([FaultInjection.wrongShape({ id: "pi_1", object: "payment_intent", amount: "42.00" })])
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "Applied" })
      expectOutcome(yield* IntegrationTest.Recording).of("pay", { attempts: ["InvalidResponse"] })
      expectExecuted(stripe).once("paymentIntents.create")
    }).pipe(Effect.provide(stripe))
  )

  it.effect("a declined card whose answer was lost is known to be declined after the repeat", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* stripe.inject([FaultInjection.responseLost])
      const error = yield* Effect.flip(pay({ paymentMethod: "pm_card_visa_chargeDeclined" }))
      assert.strictEqual(error._tag, "CardDeclined")
      expectOutcome(yield* IntegrationTest.Recording).of("pay", {
        outcome: "Refused",
        attempts: ["Disconnected", "Declared"]
      })
      expectExecuted(stripe).never()
    }).pipe(Effect.provide(stripe))
  )

  it.effect("nobody listens: nothing was sent", () =>
    Effect.gen(function* () {
      const stripe = yield* FakeStripe
      yield* stripe.inject(FaultInjection.times(3, FaultInjection.refused))
      const error = yield* Effect.flip(pay())
      assert.deepInclude(error, { _tag: "PaymentsUnavailable", outcome: "NotSent" })
      expectExecuted(stripe).never()
    }).pipe(Effect.provide(stripe))
  )
})

describe("Stripe: over many seeds", () => {
  it.effect("nothing is carried out twice, and no error denies what happened", () =>
    FaultInjection.forSeeds({ runs: 60 }, (seed) =>
      Effect.gen(function* () {
        const stripe = yield* FakeStripe
        const payments = yield* Payments
        const faults = [...FaultInjection.all, FaultInjection.duplicateDelivery()]
        yield* stripe.inject(FaultInjection.seeded({ seed, rate: 0.6, faults }))
        for (let order = 1; order <= 3; order++) {
          const name = `order-${order}`
          const ended = yield* Effect.result(
            IntegrationTest.settle(payments.pay({ payload: { ...payload, order: name } }))
          )
          // By the order, not by the key: a key that changed on the way would charge the card again.
          const charged = [...stripe.state.payments.values()].filter(
            ({ metadata }) => metadata["order"] === name
          ).length
          assert.isAtMost(charged, 1)
          if (ended._tag === "Success") assert.strictEqual(charged, 1)
          else if (charged === 1) {
            const { failure } = ended
            assert.include(
              ["Unknown", "Applied"],
              failure._tag === "PaymentsUnavailable" ? failure.outcome : failure._tag
            )
          }
        }
      }).pipe(Effect.provide(stripe))
    )
  )
})
