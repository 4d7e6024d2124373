// What a control changes is named, and checked.
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { HttpControl } from "breakwater/http"
import { Effect, Schema } from "effect"
import { PaymentsUnavailable } from "../contract.ts"

class Local extends Integration.Service<Local>()(
  "Local",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  { find: Operation.query("find", { success: Schema.String, send: () => Effect.succeed("a") }) }
) {}

declare const control: Integration.Control<"find">

// expect: Type '"fnd"' is not assignable to type '"find"'
control.setMode({ policy: "retry", operation: "fnd", mode: "off" })
// expect: Type '"on"' is not assignable to type 'Mode'
control.setMode({ policy: "retry", operation: "find", mode: "on" })
// expect: Property 'mode' is missing in type
control.setMode({ policy: "retry" })

// Of the integration itself.
Effect.flatMap(Integration.control(Local), (local) =>
  // expect: Type '"fnd"' is not assignable to type '"find"'
  local.setMode({ policy: "retry", operation: "fnd", mode: "off" })
)

// A route that anybody may use.
// expect: Property 'authorize' is missing in type
HttpControl.layer({ path: "/admin", integrations: [Local] })
HttpControl.layer({
  path: "/admin",
  integrations: [Local],
  // expect: Type '"nobody"' is not assignable to type
  authorize: () => Effect.fail("nobody")
})
// expect: is not assignable to type '`/${string}`'
HttpControl.layer({ path: "admin", integrations: [Local], authorize: () => Effect.succeed("ops") })
