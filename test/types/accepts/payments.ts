// DESIGN's first definition: what a client method takes, gives and fails with.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, type Duration, Effect, type Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { Api, BadOrder, CardDeclined, type Charge } from "../contract.ts"
import { expectType } from "../support.ts"

class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  retryAfter: Schema.UndefinedOr(Schema.Duration)
}) {}

export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => {
      expectType<"NotSent" | "Refused" | "Unknown" | "Applied">()(failure.outcome)
      expectType<Duration.Duration | undefined>()(failure.retryAfter)
      return new PaymentsUnavailable({ outcome: failure.outcome, retryAfter: failure.retryAfter })
    }
  },
  {
    charge: HttpOperation.endpoint(Api, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
        lifetime: "24 hours"
      }),
      translate: {
        CardError: ({ code }) => new CardDeclined({ code }),
        InvalidRequest: ({ param }) => new BadOrder({ param })
      }
    }),
    find: HttpOperation.endpoint(Api, "charges", "get"),
    remove: HttpOperation.endpoint(Api, "charges", "remove"),
    ping: HttpOperation.endpoint(Api, "charges", "ping")
  }
) {
  static readonly layer = HttpIntegration.layer(this, {
    baseUrl: Config.URL("STRIPE_URL"),
    auth: Auth.bearer(Config.Redacted("STRIPE_KEY"))
  })
}

type Charge = typeof Charge.Type

export const program = Effect.gen(function* () {
  const payments = yield* Payments
  expectType<{
    readonly charge: (input: {
      readonly payload: { readonly order: string; readonly amount: number }
    }) => Effect.Effect<Charge, CardDeclined | BadOrder | PaymentsUnavailable>
    readonly find: (input: { readonly params: { readonly id: string } }) => Effect.Effect<Charge, PaymentsUnavailable>
    readonly remove: (input: { readonly params: { readonly id: string } }) => Effect.Effect<void, PaymentsUnavailable>
    readonly ping: (input: void) => Effect.Effect<{ readonly ok: boolean }, PaymentsUnavailable>
  }>()(payments)
  yield* payments.ping()
  return yield* payments
    .charge({ payload: { order: "1", amount: 2 } })
    .pipe(Effect.catchTag("CardDeclined", ({ code }) => Effect.succeed(code)))
})
expectType<Effect.Effect<Charge | string, BadOrder | PaymentsUnavailable, Payments>>()(program)

expectType<Layer.Layer<Payments, Policy.PolicyError | Config.ConfigError, HttpClient.HttpClient>>()(Payments.layer)
expectType<Layer.Layer<Payments>>()(Payments.layerMock({ find: () => Effect.succeed({ id: "1", amount: 2 }) }))
expectType<Layer.Layer<Payments>>()(Payments.layerMock({}))

// For a test, other numbers for one operation.
HttpIntegration.layer(Payments, {
  baseUrl: "http://localhost",
  drain: "1 second",
  policy: { charge: Policy.standard({ maxAttempts: 1 }) }
})
