// Rule 6: an answer is validated, or the definition says why it is not.
import { Idempotency, Operation } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import { Api } from "../contract.ts"

const idempotency = Idempotency.atMostOnce("no key")
const send = () => Effect.succeed(1)
const call = () => Promise.resolve(1)

// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.query("look", { success: Schema.Unknown, send })
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.query("look", { success: Schema.Any, send })
// expect: Property 'success' is missing in type
Operation.query("look", { send })

// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.mutation("change", { idempotency, success: Schema.Unknown, send })
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.mutation("change", { idempotency, success: Schema.Any, send })
// expect: Property 'success' is missing in type
Operation.mutation("change", { idempotency, send })

// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.fromPromise("call", { idempotency, success: Schema.Unknown, call })
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
Operation.fromPromise("call", { idempotency, success: Schema.Any, call })
// expect: Property 'success' is missing in type
Operation.fromPromise("call", { idempotency, call })

// Endpoints: the contract gives the success.
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
HttpOperation.endpoint(Api, "odd", "unknown")
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
HttpOperation.endpoint(Api, "odd", "any")
// expect: this success accepts anything: describe the answer, or write Operation.unvalidated(reason)
HttpOperation.endpoint(Api, "odd", "unknownWithHeaders")
// expect: Property 'success' is missing in type '{}' but required in type '{ readonly success: Unvalidated; }'
HttpOperation.endpoint(Api, "odd", "unknown", {})
// A reason for not validating where the contract validates.
// expect: Type 'Unvalidated' is not assignable to type 'undefined'
HttpOperation.endpoint(Api, "charges", "get", { success: Operation.unvalidated("no time") })
