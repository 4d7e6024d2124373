// The options of a layer name operations that exist.
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import { Api, PaymentsUnavailable } from "../contract.ts"

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
}
class Shop extends Integration.Service<Shop>()("Shop", defaults, {
  find: HttpOperation.endpoint(Api, "charges", "get")
}) {}
class Local extends Integration.Service<Local>()("Local", defaults, {
  find: Operation.query("find", { success: Schema.String, send: () => Effect.succeed("a") })
}) {}

// expect: 'typo' does not exist in type
HttpIntegration.layer(Shop, { baseUrl: "https://example.com", policy: { typo: Policy.standard() } })
// expect: 'typo' does not exist in type
Integration.layer(Local, { policy: { typo: Policy.standard() } })
// expect: 'typo' does not exist in type
Shop.layerMock({ typo: () => Effect.succeed(1) })

// A policy given here is complete too.
// expect: is not assignable to type 'Policy<Provides, "any" | "safe">'
HttpIntegration.layer(Shop, { baseUrl: "https://example.com", policy: { find: Policy.attemptTimeout("1 second") } })
// expect: is not assignable to type 'Policy<Provides, "any" | "safe">'
Integration.layer(Local, { policy: { find: Policy.noop } })

// expect: Property 'baseUrl' is missing in type '{}'
HttpIntegration.layer(Shop, {})
