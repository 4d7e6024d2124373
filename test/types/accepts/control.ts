// What a control needs and gives.
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { HttpControl } from "breakwater/http"
import { Context, Effect, type Layer, Schema } from "effect"
import type { HttpRouter } from "effect/http"
import { PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
}
const find = Operation.query("find", { success: Schema.String, send: () => Effect.succeed("a") })

class One extends Integration.Service<One>()("One", defaults, { find, list: find }) {}
class Two extends Integration.Service<Two>()("Two", defaults, { find }) {}
class Users extends Context.Service<Users, { readonly admins: ReadonlyArray<string> }>()("Users") {}

expectType<Effect.Effect<Integration.Control<"find" | "list">, never, One>>()(Integration.control(One))

// One for any operation stands for one for these.
declare const any: Integration.Control<string>
export const narrower: Integration.Control<"find" | "list"> = any

// The route needs what is mounted, and what `authorize` needs.
expectType<Layer.Layer<never, never, HttpRouter.HttpRouter | One | Two | Users>>()(
  HttpControl.layer({
    path: "/admin",
    integrations: [One, { name: "second", control: Integration.control(Two) }],
    authorize: () => Effect.flatMap(Users, ({ admins }) => (admins.length > 0 ? Effect.void : Effect.fail("forbidden")))
  })
)

Integration.layer(One, { config: "ONE" })
