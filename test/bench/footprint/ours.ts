/** The endpoint as an operation of breakwater: all layers that `Policy.standard` has, and a breaker. */
import { Exhaustion, Integration, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Data, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { baseUrl, Stripe } from "./api.ts"

class PaymentsDown extends Data.TaggedError("PaymentsDown")<{ readonly outcome: string }> {}

class Payments extends Integration.Service<Payments>()(
  "bench/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.breaker(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome }) => new PaymentsDown({ outcome })
  },
  { find: HttpOperation.endpoint(Stripe, "charges", "get") }
) {}

const live = Layer.provide(HttpIntegration.layer(Payments, { baseUrl }), FetchHttpClient.layer)

export const find = (id: string) =>
  Effect.flatMap(Payments, (payments) => payments.find({ params: { id } })).pipe(Effect.provide(live))

export const main = () => Effect.runPromise(find("ch_1"))
