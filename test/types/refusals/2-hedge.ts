// Rule 2: what may send twice at once fits a safe operation only, however it got into the policy.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import { Api, Charge, PaymentsUnavailable } from "../contract.ts"

const charge = { id: "1", amount: 1 }
const policy = Policy.stack(Policy.standard(), Policy.hedge({ after: "200 millis" }))

// A PUT may be repeated; two at once are another matter.
// expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
HttpOperation.endpoint(Api, "charges", "replace", { policy })
HttpOperation.endpoint(Api, "charges", "search", {
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("search", payload.q), { lifetime: "1 day" }),
  // expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
  policy
})
Operation.mutation("change", {
  idempotency: Idempotency.inherent("an upsert"),
  success: Charge,
  send: () => Effect.succeed(charge),
  // expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
  policy
})
Operation.mutation("change", {
  idempotency: Idempotency.atMostOnce("no key"),
  success: Charge,
  send: () => Effect.succeed(charge),
  // expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
  policy: Policy.stack(Policy.hedge({ after: { percentile: 95 } }), Policy.withMode(Policy.standard(), "observe"))
})

// A mode changes nothing of it: a control could let it act.
Operation.mutation("change", {
  idempotency: Idempotency.inherent("an upsert"),
  success: Charge,
  send: () => Effect.succeed(charge),
  // expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
  policy: Policy.withMode(policy, "off")
})

// As the default of an integration it fits only the operations that are safe.
class Shop extends Integration.Service<Shop>()(
  "Shop",
  { policy, exhausted: Exhaustion.fail, orElse: () => new PaymentsUnavailable({ outcome: "Unknown" }) },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: this policy sends twice at once, or shares or keeps answers: only a safe operation can have it
    replace: HttpOperation.endpoint(Api, "charges", "replace")
  }
) {}

// What all operations share fits each of them.
class Shared extends Integration.Service<Shared>()(
  "Shared",
  {
    policy: Policy.standard(),
    // expect: Type 'Policy<never, "safe">' is not assignable to type 'Policy<never, "any">'
    shared: Policy.hedge({ after: "200 millis" }),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  { find: HttpOperation.endpoint(Api, "charges", "get") }
) {}

// Alone it decides nothing that an operation needs.
// expect: the policy has no attempt timeout: start from Policy.standard(), or add Policy.attemptTimeout(duration)
HttpOperation.endpoint(Api, "charges", "get", { policy: Policy.hedge({ after: "200 millis" }) })

// expect: Property 'after' is missing in type '{}' but required in type 'HedgeOptions'
Policy.hedge({})
