// Rule 5: a call site sees the application's own errors, each with a literal _tag.
import { type CallFailure, Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import type { HttpClientError } from "effect/http"
import { Api, BadOrder, PaymentsUnavailable } from "../contract.ts"

declare const httpError: HttpClientError.HttpClientError
declare const schemaError: Schema.SchemaError
declare const any: any
declare const unknown: unknown
declare const anyString: { readonly _tag: string }
declare const untagged: { readonly code: number }
declare const callFailure: CallFailure.CallFailure

// `orElse` of an operation.
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: CallFailure would leak to the call site: translate it into an error of your own
  orElse: (failure) => failure
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: HttpClientError would leak to the call site: translate it into an error of your own
  orElse: () => httpError
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: SchemaError would leak to the call site: translate it into an error of your own
  orElse: () => schemaError
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: a call site would see `any` as error: return an error of your own with a literal _tag
  orElse: () => any
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: a call site would see `unknown` as error: return an error of your own with a literal _tag
  orElse: () => unknown
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: an error without a literal _tag can't be caught by it: give it one
  orElse: () => anyString
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: an error without a literal _tag can't be caught by it: give it one
  orElse: () => untagged
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: an error without a literal _tag can't be caught by it: give it one
  orElse: () => new Error("no")
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: an error without a literal _tag can't be caught by it: give it one
  orElse: () => undefined
})
HttpOperation.endpoint(Api, "charges", "get", {
  // One good error does not hide a bad one.
  // expect: CallFailure would leak to the call site: translate it into an error of your own
  orElse: (failure) => (failure.outcome === "Unknown" ? failure : new PaymentsUnavailable({ outcome: "NotSent" }))
})
Operation.query("look", {
  success: Schema.String,
  send: () => Effect.succeed("a"),
  // expect: CallFailure would leak to the call site: translate it into an error of your own
  orElse: (failure) => failure
})

// `orElse` of an integration.
const policy = Policy.standard()
const exhausted = Exhaustion.fail
const find = HttpOperation.endpoint(Api, "charges", "get")
Integration.Service<never>()(
  "CallFailure",
  // expect: CallFailure would leak to the call site: translate it into an error of your own
  { policy, exhausted, orElse: (failure) => failure },
  { find }
)
Integration.Service<never>()(
  "HttpClientError",
  // expect: HttpClientError would leak to the call site: translate it into an error of your own
  { policy, exhausted, orElse: () => httpError },
  { find }
)
Integration.Service<never>()(
  "SchemaError",
  // expect: SchemaError would leak to the call site: translate it into an error of your own
  { policy, exhausted, orElse: () => schemaError },
  { find }
)
Integration.Service<never>()(
  "any",
  // expect: a call site would see `any` as error: return an error of your own with a literal _tag
  { policy, exhausted, orElse: () => any },
  { find }
)
Integration.Service<never>()(
  "unknown",
  // expect: a call site would see `unknown` as error: return an error of your own with a literal _tag
  { policy, exhausted, orElse: () => unknown },
  { find }
)
Integration.Service<never>()(
  "a string",
  // expect: an error without a literal _tag can't be caught by it: give it one
  { policy, exhausted, orElse: () => anyString },
  { find }
)
Integration.Service<never>()(
  "no tag",
  // expect: an error without a literal _tag can't be caught by it: give it one
  { policy, exhausted, orElse: () => untagged },
  { find }
)

// A case of `translate`.
const idempotency = Idempotency.atMostOnce("the provider has no key")
const CardError = () => new BadOrder({ param: "card" })
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: CallFailure would leak to the call site: translate it into an error of your own
    InvalidRequest: () => callFailure
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: HttpClientError would leak to the call site: translate it into an error of your own
    InvalidRequest: () => httpError
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: SchemaError would leak to the call site: translate it into an error of your own
    InvalidRequest: () => schemaError
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: a call site would see `any` as error: return an error of your own with a literal _tag
    InvalidRequest: () => any
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: a call site would see `unknown` as error: return an error of your own with a literal _tag
    InvalidRequest: () => unknown
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: an error without a literal _tag can't be caught by it: give it one
    InvalidRequest: () => anyString
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError,
    // expect: an error without a literal _tag can't be caught by it: give it one
    InvalidRequest: () => untagged
  }
})

// `translate` as a layer of its own.
Policy.translate(
  {},
  // expect: CallFailure would leak to the call site: translate it into an error of your own
  (failure) => failure
)
Policy.translate(
  {
    // expect: a call site would see `any` as error: return an error of your own with a literal _tag
    CardError: () => any
  },
  () => new PaymentsUnavailable({ outcome: "Unknown" })
)
