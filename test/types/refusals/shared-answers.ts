// Answers that are shared or kept: for safe operations only, and never without saying whose they are.
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import { Api, Charge, PaymentsUnavailable } from "../contract.ts"

// Whose answer it is can't be left out.
// expect: Property 'principal' is missing
// expect: an answer of one user must never reach another: give `principal`, 'everyone' if the answer is the same for all
Policy.coalesce({})
// expect: an answer of one user must never reach another
Policy.coalesce({ maxWaiters: 10, key: (call) => call.operation })
// expect: is not assignable to
Policy.coalesce({ principal: undefined })
// expect: Type '"all"' is not assignable to type
Policy.coalesce({ principal: "all" })
// expect: Type 'number' is not assignable to type 'string'
Policy.coalesce({ principal: () => 7 })
// expect: is not assignable to type
Policy.coalesce({ principal: Effect.fail("nobody") })
// expect: an answer of one user must never reach another
Policy.staleIfError({ for: "1 minute" })
// expect: Property 'for' is missing in type
Policy.staleIfError({ principal: "everyone" })

// A name that is misspelt is no option.
// expect: 'maxWaiter' does not exist in type
Policy.coalesce({ principal: "everyone", maxWaiter: 10 })
// expect: 'maxEntry' does not exist in type
Policy.staleIfError({ principal: "everyone", for: "1 minute", maxEntry: 10 })

// What may change something has neither.
const shared = Policy.stack(Policy.standard(), Policy.coalesce({ principal: "everyone" }))
const kept = Policy.stack(Policy.standard(), Policy.staleIfError({ for: "1 minute", principal: "everyone" }))
const charge = { id: "1", amount: 1 }
// expect: only a safe operation can have it
HttpOperation.endpoint(Api, "charges", "replace", { policy: shared })
// expect: only a safe operation can have it
HttpOperation.endpoint(Api, "charges", "replace", { policy: kept })
Operation.mutation("change", {
  idempotency: Idempotency.inherent("an upsert"),
  success: Charge,
  send: () => Effect.succeed(charge),
  // expect: only a safe operation can have it
  policy: shared
})
class Shop extends Integration.Service<Shop>()(
  "Shop",
  { policy: kept, exhausted: Exhaustion.fail, orElse: () => new PaymentsUnavailable({ outcome: "Unknown" }) },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: only a safe operation can have it
    replace: HttpOperation.endpoint(Api, "charges", "replace")
  }
) {}
