// The test kit speaks the contract's types: a fake provider can't answer what the contract does not say.
import { expectExecuted, FaultInjection, Upstream } from "breakwater/testing"
import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import { CardError, Charge, Order } from "../contract.ts"

const Api = HttpApi.make("shop").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge }),
    HttpApiEndpoint.post("create", "/charges", { payload: Order, success: Charge, error: CardError })
  )
)

// A success of another shape.
Upstream.make(Api, {
  handlers: {
    charges: {
      // expect: Type 'string' is not assignable to type 'number'
      get: () => Effect.succeed({ id: "ch_1", amount: "42" })
    }
  }
})

// An error that the contract does not declare.
class Surprise extends Schema.TaggedError<Surprise>()("Surprise", {}) {}
Upstream.make(Api, {
  handlers: {
    charges: {
      // expect: is not assignable to type
      create: () => Effect.fail(new Surprise())
    }
  }
})

// A declared one is welcome; an endpoint or a group that there is not is none.
Upstream.make(Api, { handlers: { charges: { create: () => Effect.fail(new CardError({ code: "limit" })) } } })
Upstream.make(Api, {
  handlers: {
    charges: {
      // expect: 'creat' does not exist in type
      creat: () => Effect.fail(new CardError({ code: "limit" }))
    }
  }
})
// expect: 'charge' does not exist in type
Upstream.make(Api, { handlers: { charge: {} } })

// Middleware without its server side.
class Guarded extends HttpApiMiddleware.Service<Guarded>()("test/Guarded") {}
const Protected = HttpApi.make("protected").add(
  HttpApiGroup.make("things")
    .add(HttpApiEndpoint.get("get", "/thing", { success: Schema.String }))
    .middleware(Guarded)
)
// expect: Expected 2 arguments, but got 1
Upstream.make(Protected)
// expect: Property 'middleware' is missing in type '{}'
Upstream.make(Protected, {})

// A claim about an operation that there is not.
// expect: Argument of type '"charges.creat"' is not assignable to parameter of type
expectExecuted(Upstream.make(Api)).once("charges.creat")

// A fault that is none.
Upstream.make(Api, {
  // expect: is not assignable to type
  faults: [FaultInjection.latency]
})
