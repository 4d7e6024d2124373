/** Mistake 1: trusting the happy path. A provider that is slow, silent or down must cost a bounded time. */
import { assert, describe, it } from "@effect/vitest"
import { expectOutcome, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Effect, Exit } from "effect"
import { Cards, order, Payments, PaymentsTest } from "./payments.ts"

describe("a provider that does not answer as usual", () => {
  it.effect("sends half a body and then nothing: the deadline covers that too", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject(FaultInjection.times(3, FaultInjection.stallInBody))

      const error = yield* IntegrationTest.settle(Effect.flip(payments.find({ params: { id: "ch_1" } })))

      assert.strictEqual(error._tag, "PaymentsDown")
      assert.isAtMost(recording.calls[0]?.latency ?? Infinity, 30_000)
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("asks to be left alone for 3 seconds: it is", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      const recording = yield* IntegrationTest.Recording
      yield* cards.inject([FaultInjection.status(429, { retryAfter: 3 })])

      yield* IntegrationTest.settle(payments.charge({ payload: order }))

      expectOutcome(recording).of("charge", { attempts: ["Throttled", "Success"] })
      assert.isAtLeast(recording.calls[0]?.retryDelay ?? 0, 3_000)
    }).pipe(Effect.provide(PaymentsTest))
  )

  it.effect("is down for a minute: the circuit opens, and closes when it is back", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const cards = yield* Cards
      yield* cards.inject(FaultInjection.window({ to: "1 minute" }, FaultInjection.status(503)))

      // Customers keep coming, one a second, for two minutes.
      const customer = Effect.exit(payments.find({ params: { id: "ch_1" } }))
      const customers = Array.from({ length: 120 }, (_, second) => Effect.delay(customer, `${second} seconds`))
      const served = yield* IntegrationTest.settle(Effect.all(customers, { concurrency: "unbounded" }))

      const failed = cards.requests.filter(({ fault }) => fault !== undefined)
      assert.isAtMost(failed.length, 30, "three attempts for each of 60 customers would be 180")
      assert.isTrue(served.slice(70).every(Exit.isSuccess))
    }).pipe(Effect.provide(PaymentsTest))
  )
})
