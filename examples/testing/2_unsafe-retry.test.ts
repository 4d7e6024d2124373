/** Mistake 2: retrying what is not idempotent. What counts is what the provider carried out, not what it was sent. */
import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Cards, order, Payments, PaymentsTest } from "./payments.ts"

const receipt = { orderId: order.orderId, email: "ada@example.com" }

describe("an answer that is lost", () => {
  it.effect("a charge has a key: it is sent again, and made once", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      yield* cards.inject([FaultInjection.responseLost])

      const fiber = yield* Effect.forkChild(payments.charge({ payload: order }))
      yield* cards.awaitFault("ResponseLost")
      // The money has moved, and only the provider knows.
      expectExecuted(cards).once("charges.create", { payload: order })
      yield* TestClock.adjust("1 minute")

      assert.deepStrictEqual(yield* Fiber.join(fiber), { id: "ch_1", amount: 4200 })
      assert.strictEqual(cards.requests.length, 2)
      expectExecuted(cards).once("charges.create")
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("a charge that happens after its caller gave up is found by the next call for the same order", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      yield* cards.inject([FaultInjection.executesLate("2 minutes")])

      const error = yield* IntegrationTest.settle(Effect.flip(payments.charge({ payload: order })))
      assert.deepInclude(error, { _tag: "PaymentsDown", outcome: "Unknown" })
      yield* TestClock.adjust("2 minutes")
      yield* cards.awaitExecuted()

      assert.deepStrictEqual(yield* payments.charge({ payload: order }), { id: "ch_1", amount: 4200 })
      expectExecuted(cards).once("charges.create")
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("a receipt has no key: it is not sent again, and the error says that it may have been sent", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject([FaultInjection.responseLost, FaultInjection.refused])

      const error = yield* IntegrationTest.settle(Effect.flip(payments.sendReceipt({ payload: receipt })))
      assert.strictEqual(error.outcome, "Unknown")
      expectExecuted(cards).once("receipts.send")

      // Where nobody listens, nothing was sent: then a repeat is safe without a key.
      yield* IntegrationTest.settle(payments.sendReceipt({ payload: { ...receipt, orderId: "order-43" } }))
      expectOutcome(recording).of("sendReceipt", { attempts: ["Unreachable", "Success"] })
    }).pipe(Effect.provide(PaymentsTest))
  )
})
