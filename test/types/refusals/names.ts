// Groups and endpoints are those of the API.
import { HttpOperation } from "breakwater/http"
import { HttpApiGroup } from "effect/http-api"
import { Api } from "../contract.ts"

// expect: Argument of type '"refund"' is not assignable to parameter of type '"change" | "create" | "get" | "list" | "ping" | "remove" | "replace" | "search"'
HttpOperation.endpoint(Api, "charges", "refund")
// expect: Argument of type '"refunds"' is not assignable to parameter of type '"charges" | "odd" | "streams"'
HttpOperation.endpoint(Api, "refunds", "get")
// expect: Property '[TypeId]' is missing in type 'HttpApiGroup<"charges", never, false>' but required in type 'Constraint'
HttpOperation.endpoint(HttpApiGroup.make("charges"), "charges", "get")
