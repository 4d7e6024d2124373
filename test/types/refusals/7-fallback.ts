// Rule 7: on a call that may change something, no fallback runs after it may have happened.
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import { Api, Charge, PaymentsUnavailable } from "../contract.ts"

const charge = { id: "1", amount: 1 }
const exhausted = Exhaustion.fallback("the other provider", () => Effect.succeed(charge))

// A PUT may be repeated, yet another provider's charge would be a second one.
// expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
HttpOperation.endpoint(Api, "charges", "replace", { exhausted })
HttpOperation.endpoint(Api, "charges", "search", {
  idempotency: Idempotency.atMostOnce("no key"),
  // expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
  exhausted: Exhaustion.fallback("none", () => Effect.succeed([]))
})
Operation.mutation("change", {
  idempotency: Idempotency.inherent("an upsert"),
  success: Charge,
  send: () => Effect.succeed(charge),
  // expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
  exhausted
})
Operation.fromPromise("change", {
  idempotency: Idempotency.inherent("an upsert"),
  success: Charge,
  call: () => Promise.resolve(charge),
  // expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
  exhausted
})

// As the default of an integration it fits only the operations that are safe.
class Shop extends Integration.Service<Shop>()(
  "Shop",
  { policy: Policy.standard(), exhausted, orElse: () => new PaymentsUnavailable({ outcome: "Unknown" }) },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
    replace: HttpOperation.endpoint(Api, "charges", "replace")
  }
) {}

// What runs while it certainly did not happen sees only such outcomes.
HttpOperation.endpoint(Api, "charges", "replace", {
  exhausted: Exhaustion.fallbackUnlessItHappened("the other provider", (_input, failure) => {
    // expect: This comparison appears to be unintentional because the types '"NotSent" | "Refused"' and '"Unknown"' have no overlap
    return Effect.succeed({ id: "1", amount: failure.outcome === "Unknown" ? 1 : 2 })
  })
})

// A fallback has no failure of its own.
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: Type 'string' is not assignable to type 'never'
  exhausted: Exhaustion.fallback("the cache", () => Effect.fail("empty"))
})
