/**
 * What the five tests share: the contract of a card provider, the integration that calls it, and a fake provider. The
 * first two are an application's own code; a test adds the third and swaps one layer.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { Auth, HttpOperation } from "breakwater/http"
import { IntegrationTest, KeyWindow, Upstream } from "breakwater/testing"
import { Effect, Redacted, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

// ---- the provider's contract

export const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })

export class CardError extends Schema.TaggedError<CardError>()(
  "CardError",
  { code: Schema.String },
  { httpApiStatus: 402 }
) {}

export class CardsApi extends HttpApi.make("cards").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge }),
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ orderId: Schema.String, amount: Schema.Int }),
      success: Charge,
      error: CardError
    })
  ),
  HttpApiGroup.make("receipts").add(
    HttpApiEndpoint.post("send", "/receipts", {
      payload: Schema.Struct({ orderId: Schema.String, email: Schema.String }),
      success: Schema.Struct({ id: Schema.String })
    })
  )
) {}

// ---- the application's errors, and its integration

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}

export class PaymentsDown extends Schema.TaggedError<PaymentsDown>()("PaymentsDown", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome }) => new PaymentsDown({ outcome })
  },
  {
    find: HttpOperation.endpoint(CardsApi, "charges", "get"),
    charge: HttpOperation.endpoint(CardsApi, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.orderId), {
        lifetime: "24 hours"
      }),
      translate: { CardError: ({ code }) => new CardDeclined({ code }) }
    }),
    sendReceipt: HttpOperation.endpoint(CardsApi, "receipts", "send", {
      idempotency: Idempotency.atMostOnce("the provider takes no key for receipts")
    })
  }
) {}

// ---- the fake provider: rules where a test cares, and answers from the contract where it does not

export const apiKey = Redacted.make("key_only_the_provider_may_see")

export class Cards extends Upstream.Service<Cards>()("test/Cards", CardsApi, {
  state: () => ({ charges: 0 }),
  keys: KeyWindow.make({ lifetime: "24 hours" }),
  guard: ({ wire }) =>
    Effect.succeed(
      wire.headers["authorization"] === `Bearer ${Redacted.value(apiKey)}`
        ? undefined
        : HttpServerResponse.empty({ status: 401 })
    ),
  handlers: {
    charges: {
      create: ({ payload: { amount } }, { state }) =>
        amount > 100_000
          ? Effect.fail(new CardError({ code: "over_limit" }))
          : Effect.sync(() => ({ id: `ch_${++state.charges}`, amount }))
    }
  }
}) {}

/** The only swap: in production this is `HttpIntegration.layer(Payments, { baseUrl, auth })`. */
export const PaymentsTest = IntegrationTest.layer(Payments, Cards, { auth: Auth.bearer(apiKey) })

export const order = { orderId: "order-42", amount: 4200 }
