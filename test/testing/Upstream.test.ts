import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outcome, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import {
  expectExecuted,
  expectOutcome,
  expectSpans,
  FaultInjection,
  IntegrationTest,
  KeyWindow,
  Upstream
} from "breakwater/testing"
import { Data, Effect, Fiber, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}
const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })

class Bank extends HttpApi.make("bank").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge, error: CardError }),
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ order: Schema.String, amount: Schema.Int }),
      success: Charge.pipe(Schema.annotate({ httpApiStatus: 201 })),
      error: CardError
    })
  )
) {}

class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}
class Down extends Data.TaggedError("Down")<{ readonly outcome: Outcome.Outcome }> {}

class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ outcome }) => new Down({ outcome }) },
  {
    charge: HttpOperation.endpoint(Bank, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
        lifetime: "24 hours"
      }),
      translate: { CardError: ({ code }) => new Declined({ code }) }
    }),
    find: HttpOperation.endpoint(Bank, "charges", "get", {
      translate: { CardError: ({ code }) => new Declined({ code }) }
    })
  }
) {}

class FakeBank extends Upstream.Service<FakeBank>()("test/Bank", Bank, {
  state: () => ({ charges: new Map<string, typeof Charge.Type>() }),
  keys: KeyWindow.make({ lifetime: "24 hours" }),
  guard: ({ wire }) =>
    Effect.succeed(wire.headers["x-blocked"] === undefined ? undefined : HttpServerResponse.empty({ status: 401 })),
  handlers: {
    charges: {
      create: ({ payload }, { state }) => {
        if (payload.amount > 1_000) return Effect.fail(new CardError({ code: "limit" }))
        const charge = { id: `ch_${state.charges.size + 1}`, amount: payload.amount }
        state.charges.set(payload.order, charge)
        return Effect.succeed(charge)
      }
    }
  }
}) {}

const order = { order: "o-1", amount: 42 }
const test = IntegrationTest.layer(Payments, FakeBank)

describe("Upstream", () => {
  it.effect("answers, and knows what it did", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const bank = yield* FakeBank
      const recording = yield* IntegrationTest.Recording
      yield* bank.inject([FaultInjection.responseLost, FaultInjection.executesLate("2 seconds")])
      const fiber = yield* Effect.forkChild(payments.charge({ payload: order }))
      yield* bank.awaitFault("ResponseLost")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { id: "ch_1", amount: 42 })
      console.log(recording.timeline())
      expectExecuted(bank).once("charges.create", { payload: { order: "o-1" } })
      expectOutcome(recording).of("charge", { outcome: "Applied", attempts: ["Disconnected", "Timeout", "Success"] })
      expectSpans(recording).of("charge", { attempts: [{}, {}, { name: "POST /charges" }] })
      yield* IntegrationTest.settle(payments.find({ params: { id: "1" } }))
      expectExecuted(bank).once("charges.create", { payload: { order: "o-2" } })
    }).pipe(Effect.provide(test))
  )
})
