// Rule 4, without `exactOptionalPropertyTypes`: a decision that may be undefined is not made. With it, such a property is
// refused by TypeScript's own words, which are the texts below.
import { Exhaustion, Integration, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Api, PaymentsUnavailable } from "../contract.ts"

const policy = Policy.standard()
const exhausted = Exhaustion.fail
const orElse = () => new PaymentsUnavailable({ outcome: "Unknown" })
const find = HttpOperation.endpoint(Api, "charges", "get")
const maybe = <A>(value: A): A | undefined => value

// expect: Types of property 'policy' are incompatible
Integration.Service<never>()("policy", { policy: maybe(policy), exhausted, orElse }, { find })
// expect: Types of property 'exhausted' are incompatible
Integration.Service<never>()("exhausted", { policy, exhausted: undefined, orElse }, { find })
// expect: Types of property 'orElse' are incompatible
Integration.Service<never>()("orElse", { policy, exhausted, orElse: maybe(orElse) }, { find })
