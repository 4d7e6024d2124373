// What an editor shows. A comment `hover NAME: text` holds what stands on NAME in the next line: at most three lines of
// types that the reader knows, and not the types that made them.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { BadOrder, CardDeclined, CardError, InvalidRequest, PaymentsUnavailable } from "../contract.ts"

class Order extends Schema.Class<Order>("Order")({ id: Schema.String, amount: Schema.Int }) {}
class Charge extends Schema.Class<Charge>("Charge")({ id: Schema.String }) {}
class Stripe extends HttpApi.make("stripe").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.post("create", "/charges", { payload: Order, success: Charge, error: [CardError, InvalidRequest] }),
    HttpApiEndpoint.get("ping", "/ping", { success: Schema.Boolean })
  )
) {}

// hover Payments: class Payments
export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    // hover failure: (parameter) failure: CallFailure
    orElse: (failure) => new PaymentsUnavailable({ outcome: failure.outcome })
  },
  {
    charge: HttpOperation.endpoint(Stripe, "charges", "create", {
      // hover payload: (parameter) payload: Order
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.id), {
        lifetime: "24 hours"
      }),
      translate: {
        // hover code: (parameter) code: string
        CardError: ({ code }) => new CardDeclined({ code }),
        InvalidRequest: ({ param }) => new BadOrder({ param })
      }
    }),
    // hover ping: (property) ping: HttpOperation.Operation<void, boolean, never, HttpClient | HttpIntegration.HttpTarget, "Safe", Decision>
    ping: HttpOperation.endpoint(Stripe, "charges", "ping")
  }
) {
  // hover layer: (property) Payments.layer: Layer<Payments, Policy.PolicyError | ConfigError, HttpClient>
  static readonly layer = HttpIntegration.layer(this, { baseUrl: "https://api.stripe.com" })
}

// hover program: const program: Effect.Effect<Charge, CardDeclined | BadOrder | PaymentsUnavailable, Payments>
const program = Effect.gen(function* () {
  const payments = yield* Payments
  // hover ping: (property) ping: (input: void) => Effect.Effect<boolean, PaymentsUnavailable, never>
  yield* payments.ping()
  // hover charge: (property) charge: (input: { readonly payload: Order; }) => Effect.Effect<Charge, CardDeclined | BadOrder | PaymentsUnavailable, never>
  return yield* payments.charge({ payload: new Order({ id: "1", amount: 2 }) })
})

export const main = program.pipe(Effect.provide(Payments.layer))
