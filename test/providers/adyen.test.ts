import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Effect, Fiber, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import {
  connection,
  InvalidPayment,
  NotAllowed,
  PaymentRefused,
  Payments,
  PaymentsUnavailable
} from "../../examples/providers/adyen/integration.ts"
import { apiKey, FakeAdyen, merchantAccount } from "../../examples/providers/adyen/upstream.ts"

const configured = (key: string) =>
  IntegrationTest.layer(Payments, FakeAdyen, connection).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ ADYEN_API_KEY: key }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(apiKey)

const order = (changes: { readonly account?: string; readonly value?: number; readonly card?: string } = {}) =>
  ({
    payload: {
      merchantAccount: changes.account ?? merchantAccount,
      reference: "order 42",
      amount: { value: changes.value ?? 4200, currency: "EUR" },
      paymentMethod: { type: "scheme", storedPaymentMethodId: changes.card ?? "card-1" },
      shopperReference: "shopper 7"
    }
  }) as const

const paid = { pspReference: "PSP0000000000001", resultCode: "Authorised" }

const refundOf = (reference: string, value = 1000) => ({
  params: { pspReference: paid.pspReference },
  payload: { merchantAccount, amount: { value, currency: "EUR" }, reference }
})

const unavailable = (outcome: PaymentsUnavailable["outcome"]) => new PaymentsUnavailable({ outcome })

describe("Adyen: what goes well", () => {
  it.effect("a payment, with the API key and a key of at most 64 characters", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* (yield* Payments).pay(order()), paid)
      const [request] = fake.requests
      assert.strictEqual(new URL(request!.url).pathname, "/v72/payments")
      assert.strictEqual(request?.headers["x-api-key"], apiKey)
      assert.match(request.headers["idempotency-key"] ?? "", /^[0-9a-f]{32}$/)
      expectExecuted(fake).once("payments.create", { payload: { reference: "order 42" } })
      expectOutcome(recording).of("pay", { outcome: "Applied", attempts: ["Success"] })
      expectSpans(recording).without(apiKey)
      expectSpans(recording).without("order 42")
    }).pipe(Effect.provide(test))
  )

  it.effect("two refunds of one payment are two, and one refund twice is one", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const fake = yield* FakeAdyen
      yield* payments.pay(order())
      const first = yield* payments.refund(refundOf("shoes"))
      yield* payments.refund(refundOf("hat"))
      assert.deepStrictEqual(yield* payments.refund(refundOf("shoes")), first)
      expectExecuted(fake).times(2, "payments.refund")
    }).pipe(Effect.provide(test))
  )

  it.effect("a POST that only reads is repeated like any read, without a key", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const fake = yield* FakeAdyen
      yield* fake.inject([FaultInjection.responseLost])
      const input = { payload: { merchantAccount, countryCode: "NL" } }
      const found = yield* IntegrationTest.settle(payments.methods(input))
      assert.deepStrictEqual(found.paymentMethods, [{ type: "scheme", name: "Cards" }])
      assert.deepStrictEqual(
        fake.requests.map(({ key }) => key),
        [undefined, undefined]
      )
    }).pipe(Effect.provide(test))
  )
})

describe("Adyen: errors have types of the application's own", () => {
  it.effect("a refusal has status 200 and is an error", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip((yield* Payments).pay(order({ card: "card-without-money" })))
      assert.deepStrictEqual<unknown>(error, new PaymentRefused({ reason: "12" }))
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("after a refusal another card is another intent", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const fake = yield* FakeAdyen
      yield* Effect.flip(payments.pay(order({ card: "card-without-money" })))
      yield* payments.pay(order({ card: "card-2" }))
      assert.strictEqual(new Set(fake.requests.map(({ key }) => key)).size, 2)
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    [order({ account: "ShopUS" }), "901"],
    [order({ value: -1 }), "137"]
  ] as const)("what Adyen calls invalid keeps its code", ([input, code]) =>
    Effect.gen(function* () {
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual<unknown>(yield* Effect.flip((yield* Payments).pay(input)), new InvalidPayment({ code }))
      expectOutcome(recording).of("pay", { outcome: "Refused", attempts: ["Declared"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("a wrong API key, which is shown nowhere", () =>
    Effect.gen(function* () {
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual<unknown>(yield* Effect.flip((yield* Payments).pay(order())), new NotAllowed())
      expectSpans(recording).without("AQE-wrong")
    }).pipe(Effect.provide(configured("AQE-wrong")))
  )
})

describe("Adyen: the transient-error header decides", () => {
  it.effect("true: it had no side effects, and is repeated with the same key", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      fake.state.incidents.push({ paid: false, transient: true })
      assert.deepStrictEqual(yield* IntegrationTest.settle((yield* Payments).pay(order())), paid)
      expectOutcome(recording).of("pay", { attempts: ["NotProcessed", "Success"] })
      assert.strictEqual(new Set(fake.requests.map(({ key }) => key)).size, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("true for ever: it did not happen", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      fake.state.incidents.push(...Array.from({ length: 3 }, () => ({ paid: false, transient: true })))
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(IntegrationTest.settle((yield* Payments).pay(order()))),
        unavailable("Refused")
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("false: no second request, whatever the status, and the outcome is unknown", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      fake.state.incidents.push({ paid: true, transient: false })
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(IntegrationTest.settle((yield* Payments).pay(order()))),
        unavailable("Unknown")
      )
      expectOutcome(recording).of("pay", { attempts: ["Unavailable"] })
      expectExecuted(fake).once("payments.create")
    }).pipe(Effect.provide(test))
  )

  it.effect("absent: the same", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      yield* fake.inject([FaultInjection.status(502)])
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(IntegrationTest.settle((yield* Payments).pay(order()))),
        unavailable("Unknown")
      )
      assert.strictEqual(fake.requests.length, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("704: the first is at work, and the repeat gets its answer", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      fake.state.latency = 2_000
      const both = yield* Effect.forkChild(
        Effect.all([payments.pay(order()), payments.pay(order())], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* Fiber.join(both), [paid, paid])
      expectExecuted(fake).once("payments.create")
      const second = recording.calls.find(({ attempts }) => attempts.length > 1)
      assert.deepStrictEqual(new Set(second?.attempts.map(({ reason }) => reason)), new Set(["InProgress", "Success"]))
    }).pipe(Effect.provide(test))
  )

  it.effect("704 without the header: a key that was processed with another request is not asked again", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const fake = yield* FakeAdyen
      yield* payments.pay(order())
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(IntegrationTest.settle(payments.pay(order({ value: 9900 })))),
        unavailable("Unknown")
      )
      assert.strictEqual(fake.requests.length, 2)
      expectExecuted(fake).once("payments.create")
    }).pipe(Effect.provide(test))
  )
})

describe("Adyen: when no answer comes", () => {
  it.effect("a lost answer: one repeat with the same key and the same bytes, and one payment", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.responseLost])
      assert.deepStrictEqual(yield* IntegrationTest.settle((yield* Payments).pay(order())), paid)
      expectExecuted(fake).once("payments.create")
      expectOutcome(recording).of("pay", { outcome: "Applied", attempts: ["Disconnected", "Success"] })
      assert.strictEqual(new Set(fake.requests.map(({ key, text }) => `${key} ${text}`)).size, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("a refusal whose answer was lost is known after the repeat", () =>
    Effect.gen(function* () {
      const fake = yield* FakeAdyen
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.responseLost])
      const error = yield* Effect.flip(
        IntegrationTest.settle((yield* Payments).pay(order({ card: "card-without-money" })))
      )
      assert.strictEqual(error._tag, "PaymentRefused")
      expectOutcome(recording).of("pay", { attempts: ["Disconnected", "Declared"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("over seeds: nothing is paid twice, and no error denies a payment", () =>
    FaultInjection.forSeeds({ runs: 80 }, (seed) =>
      Effect.gen(function* () {
        const payments = yield* Payments
        const fake = yield* FakeAdyen
        const faults = [...FaultInjection.all, FaultInjection.duplicateDelivery()]
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.6, faults }))
        const ended = yield* Effect.result(IntegrationTest.settle(payments.pay(order())))
        yield* TestClock.adjust("1 minute")
        const made = fake.state.payments.size
        assert.isAtMost(made, 1)
        if (Result.isSuccess(ended)) assert.strictEqual(made, 1)
        else if (made === 1) {
          const { failure } = ended
          assert.include(
            ["Unknown", "Applied"],
            failure._tag === "PaymentsUnavailable" ? failure.outcome : failure._tag
          )
        }
      }).pipe(Effect.provide(test))
    )
  )
})
