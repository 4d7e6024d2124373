/** Mistake 4: leaking the provider's failures. Callers see the application's errors, whatever the wire did. */
import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Cause, Effect, Result } from "effect"
import { CardDeclined, Cards, order, Payments, PaymentsDown, PaymentsTest } from "./payments.ts"

describe("the provider's failures", () => {
  it.effect("an error that it declares becomes ours", () =>
    Effect.gen(function* () {
      const payments = yield* Payments

      const error = yield* Effect.flip(payments.charge({ payload: { ...order, amount: 100_001 } }))

      assert.deepStrictEqual(error, new CardDeclined({ code: "over_limit" }))
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("an error that it does not declare shows nothing of its inside", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const crash = { trace: "NullPointerException at cards-db-7.internal" }
      yield* cards.inject(FaultInjection.times(3, FaultInjection.status(500, { body: crash })))

      const cause = yield* IntegrationTest.settle(Effect.flip(Effect.sandbox(payments.charge({ payload: order }))))

      assert.deepStrictEqual(Cause.squash(cause), new PaymentsDown({ outcome: "Unknown" }))
      assert.notInclude(Cause.pretty(cause), "NullPointerException")
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect.each(FaultInjection.all)("whatever the wire does ($_tag), the error is ours, and does not lie", (fault) =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      yield* cards.inject(FaultInjection.times(3, fault))

      const result = yield* IntegrationTest.settle(Effect.result(payments.charge({ payload: order })))

      if (Result.isSuccess(result)) return expectExecuted(cards).once("charges.create")
      assert.instanceOf(result.failure, PaymentsDown)
      const { outcome } = result.failure
      if (outcome === "NotSent" || outcome === "Refused") expectExecuted(cards).never()
      if (outcome === "Applied") expectExecuted(cards).once("charges.create")
    }).pipe(Effect.provide(PaymentsTest))
  )
})
