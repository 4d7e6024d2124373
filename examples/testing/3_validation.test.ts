/** Mistake 3: parsing instead of validating. An answer of another shape is a failure that says where. */
import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Effect } from "effect"
import { Cards, order, Payments, PaymentsTest } from "./payments.ts"

describe("what does not match the contract", () => {
  it.effect("a changed shape: the charge was made, and the error says so", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      // The provider's new version sends amounts as text.
      yield* cards.inject([FaultInjection.wrongShape({ id: "ch_1", amount: "42.00" })])

      const error = yield* IntegrationTest.settle(Effect.flip(payments.charge({ payload: order })))

      assert.deepInclude(error, { _tag: "PaymentsDown", outcome: "Applied" })
      expectOutcome(recording).of("charge", { attempts: ["InvalidResponse"], callOutcome: "decode_failed" })
      assert.include(recording.calls[0]?.attempts[0]?.message, "amount")
      expectExecuted(cards).once("charges.create")
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("a captive portal's page with status 200 proves nothing", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      yield* cards.inject([FaultInjection.wrongMediaType("text/html", "<title>Please sign in</title>")])

      const error = yield* IntegrationTest.settle(Effect.flip(payments.charge({ payload: order })))

      assert.deepInclude(error, { _tag: "PaymentsDown", outcome: "Unknown" })
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("our own mistake does not leave the process", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards

      const error = yield* Effect.flip(payments.charge({ payload: { ...order, amount: 42.5 } }))

      assert.deepInclude(error, { _tag: "PaymentsDown", outcome: "NotSent" })
      assert.strictEqual(cards.requests.length, 0)
    }).pipe(Effect.provide(PaymentsTest))
  )
})
