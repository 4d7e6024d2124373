// A hedge fits what is safe: a GET, a query, what is declared to only read.
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import { Api, Charge, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

const charge = { id: "1", amount: 1 }
expectType<Policy.Policy<never, "safe">>()(Policy.hedge({ after: "200 millis" }))
const policy = Policy.stack(
  Policy.standard(),
  Policy.hedge({
    after: { percentile: 95, minimumCalls: 50, floor: 5, initially: "1 second" },
    max: 2,
    maxExtraLoad: 0.1
  })
)
expectType<Policy.Policy<Policy.Provides, "any" | "safe">>()(policy)

class Shop extends Integration.Service<Shop>()(
  "Shop",
  { policy, exhausted: Exhaustion.fail, orElse: () => new PaymentsUnavailable({ outcome: "Unknown" }) },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    search: HttpOperation.endpoint(Api, "charges", "search", {
      idempotency: Idempotency.readOnly("it reads"),
      policy: Policy.withMode(policy, "observe")
    }),
    query: Operation.query("query", { success: Charge, send: () => Effect.succeed(charge) }),
    // An operation of another kind has a policy of its own.
    replace: HttpOperation.endpoint(Api, "charges", "replace", { policy: Policy.standard() })
  }
) {}
expectType<Effect.Effect<typeof Charge.Type, PaymentsUnavailable>>()(null! as ReturnType<Shop["Service"]["find"]>)
