// Rule 3: every declared error is translated.
import { Idempotency, Operation } from "breakwater"
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
