// A look-up may find more than the success asks for, or nothing at all.
import { Idempotency, Operation } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Option } from "effect"
import { Api, Charge } from "../contract.ts"

const settle = { settle: "5 seconds" } as const

HttpOperation.endpoint(Api, "charges", "change", {
  idempotency: Idempotency.reconcilable(
    ({ params }) => Effect.succeed(Option.some({ id: params.id, amount: 1, currency: "EUR" })),
    settle
  )
})
HttpOperation.endpoint(Api, "charges", "change", {
  idempotency: Idempotency.reconcilable(() => Effect.succeedNone, settle)
})
Operation.mutation("change", {
  success: Charge,
  send: () => Effect.succeed({}),
  idempotency: Idempotency.reconcilable(() => Effect.succeed(Option.some({ id: "1", amount: 1 })), settle)
})
