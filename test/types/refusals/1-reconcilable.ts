// Rule 1: what a look-up finds becomes the success, so it has the success's type.
import { Idempotency, Operation } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Option } from "effect"
import { Api, Charge } from "../contract.ts"

const settle = { settle: "5 seconds" } as const

HttpOperation.endpoint(Api, "charges", "change", {
  // expect: Property 'amount' is missing in type '{ id: string; }'
  idempotency: Idempotency.reconcilable(({ params }) => Effect.succeed(Option.some({ id: params.id })), settle)
})
Operation.mutation("change", {
  success: Charge,
  send: () => Effect.succeed({}),
  // expect: Type 'string' is not assignable to type
  idempotency: Idempotency.reconcilable(() => Effect.succeed(Option.some("found")), settle)
})
