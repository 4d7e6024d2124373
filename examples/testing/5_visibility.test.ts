/** Mistake 5: no visibility. What a call did stands in its event and its spans, and no secret does. */
import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "breakwater"
import { expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Effect } from "effect"
import { apiKey, Cards, order, Payments, PaymentsTest } from "./payments.ts"

describe("what can be seen of a call", () => {
  it.effect("one event, one span, and one span for each attempt", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject([FaultInjection.status(503)])

      yield* IntegrationTest.settle(payments.charge({ payload: order })).pipe(
        Effect.provideService(Telemetry.CorrelationId, "request-7")
      )

      expectOutcome(recording).calls(1, "charge")
      expectOutcome(recording).of("charge", { callOutcome: "ok_after_retry", correlationId: "request-7" })
      expectSpans(recording).of("charge", {
        call: { name: "shop/Payments charge", failed: false, attributes: { [Telemetry.names.attempts]: 2 } },
        attempts: [
          { name: "POST /charges", failed: true, attributes: { [Telemetry.names.status]: 503 } },
          { name: "POST /charges", failed: false, attributes: { [Telemetry.names.status]: 200 } }
        ]
      })
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("no secret and no personal data", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject([FaultInjection.responseLost])

      const receipt = { orderId: order.orderId, email: "ada@example.com" }
      yield* IntegrationTest.settle(Effect.flip(payments.sendReceipt({ payload: receipt })))

      expectSpans(recording).without(apiKey)
      expectSpans(recording).without(receipt.email)
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("a timeline, which every failed claim prints", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject([FaultInjection.status(429, { retryAfter: 2 }), FaultInjection.latency("1 second")])

      yield* IntegrationTest.settle(payments.charge({ payload: order }))

      assert.deepStrictEqual(recording.timeline().split("\n").slice(0, 4), [
        "shop/Payments charge: ok_after_retry, Applied, in 3.00 s",
        "  #1   #                         +0 ms      0 ms     Throttled 429      Refused",
        "  wait ················                     2.00 s",
        "  #2                   ========  +2.00 s    1.00 s   Success 200        Applied"
      ])
      assert.throws(() => expectOutcome(recording).of("charge", { attempts: ["Success"] }), recording.timeline())
    }).pipe(Effect.provide(PaymentsTest))
  )
})
