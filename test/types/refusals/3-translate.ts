// Rule 3: every declared error is translated.
import { Idempotency, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import { Api, BadOrder, CardDeclined, CardError, InvalidRequest, SignInAgain } from "../contract.ts"

const idempotency = Idempotency.atMostOnce("the provider has no key")

HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  // expect: Property 'InvalidRequest' is missing in type '{ CardError: () => CardDeclined; }'
  translate: { CardError: () => new CardDeclined({ code: "1" }) }
})

// expect: Property 'translate' is missing in type
HttpOperation.endpoint(Api, "charges", "create", { idempotency })

// An error of a middleware is declared too.
HttpOperation.endpoint(Api, "odd", "guarded", {
  // expect: Property 'TokenExpired' is missing in type '{ CardError: () => CardDeclined; }'
  translate: { CardError: () => new CardDeclined({ code: "1" }) }
})
HttpOperation.endpoint(Api, "odd", "guarded", {
  // expect: Property 'CardError' is missing in type '{ TokenExpired: () => SignInAgain; }'
  translate: { TokenExpired: () => new SignInAgain() }
})
// expect: this endpoint declares errors: give { translate }, with a case for each, as fourth argument
HttpOperation.endpoint(Api, "odd", "guarded")

// So are the errors of any other effect.
// expect: Property 'translate' is missing in type
Operation.query("look", { success: Schema.String, send: () => Effect.fail(new CardError({ code: "1" })) })
Operation.mutation("change", {
  idempotency,
  success: Schema.String,
  send: () => Effect.fail<CardError | InvalidRequest>(new CardError({ code: "1" })),
  // expect: Property 'CardError' is missing in type '{ InvalidRequest: () => BadOrder; }'
  translate: { InvalidRequest: () => new BadOrder({ param: "a" }) }
})

// A case has the type of its error.
HttpOperation.endpoint(Api, "odd", "guarded", {
  translate: {
    // expect: Property 'code' does not exist on type 'TokenExpired'
    TokenExpired: (error) => new CardDeclined({ code: error.code }),
    CardError: (error) => new CardDeclined({ code: error.code })
  }
})

// Nor is its input another one than the operation's.
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    // expect: Property 'order' does not exist on type '{ readonly payload: { readonly order: string; readonly amount: number; }; }'
    CardError: ({ code }, input) => new CardDeclined({ code: `${input.order}: ${code}` }),
    InvalidRequest: ({ param }) => new BadOrder({ param })
  }
})
HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    // expect: Type '{ readonly payload: { readonly order: string; readonly amount: number; }; }' is not assignable to type 'string'
    CardError: ({ code }, order: string) => new CardDeclined({ code: `${order}: ${code}` }),
    InvalidRequest: ({ param }) => new BadOrder({ param })
  }
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: Property 'payload' does not exist on type '{ readonly params: { readonly id: string; }; }'
  orElse: (_failure, { payload }) => new BadOrder({ param: String(payload) })
})
// Where it is not known, it can't be asked for.
Policy.translate(
  // expect: Target signature provides too few arguments. Expected 2 or more, but got 1.
  { CardError: (error: CardError, input: string) => new CardDeclined({ code: error.code + input }) },
  () => new BadOrder({ param: "a" })
)
