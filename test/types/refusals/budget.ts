// A budget across integrations has the numbers of its layer, a floor is a rate, and a budget decides nothing else.
import { Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Api } from "../contract.ts"

// expect: is not assignable to type '"the numbers of a budget across integrations are given to Policy.layerBudget"'
Policy.budget({ across: "acme", capacity: 100 })

// expect: Type '"10 a second"' is not assignable to type
Policy.budgetRatio({ floor: "10 a second" })

// expect: Type '"attempts"' is not assignable to type
Policy.budget({ charges: "attempts" })

// expect: 'ratio' does not exist in type
Policy.budget({ ratio: 0.2 })

HttpOperation.endpoint(Api, "charges", "get", {
  // expect: the policy has no attempt timeout: start from Policy.standard(), or add Policy.attemptTimeout(duration)
  policy: Policy.stack(Policy.totalDeadline("9 seconds"), Policy.budget(), Policy.retry())
})
