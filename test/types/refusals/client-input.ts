// A client method takes what the endpoint declares, no more and no less.
import { Exhaustion, Idempotency, Integration, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Api, BadOrder, CardDeclined, PaymentsUnavailable } from "../contract.ts"

class Shop extends Integration.Service<Shop>()(
  "Shop",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    ping: HttpOperation.endpoint(Api, "charges", "ping"),
    find: HttpOperation.endpoint(Api, "charges", "get"),
    list: HttpOperation.endpoint(Api, "charges", "list"),
    replace: HttpOperation.endpoint(Api, "charges", "replace"),
    withHeaders: HttpOperation.endpoint(Api, "odd", "withHeaders"),
    upload: HttpOperation.endpoint(Api, "odd", "upload", { idempotency: Idempotency.atMostOnce("no key") }),
    charge: HttpOperation.endpoint(Api, "charges", "create", {
      idempotency: Idempotency.atMostOnce("no key"),
      translate: {
        CardError: () => new CardDeclined({ code: "1" }),
        InvalidRequest: () => new BadOrder({ param: "a" })
      }
    })
  }
) {}
declare const shop: Shop["Service"]

// Nothing where nothing is declared.
// expect: Argument of type '{}' is not assignable to parameter of type 'void'
shop.ping({})

// Missing.
// expect: Expected 1 arguments, but got 0
shop.find()
// expect: Property 'params' is missing in type '{}'
shop.find({})
// expect: Property 'id' is missing in type '{}'
shop.find({ params: {} })
// expect: Property 'payload' is missing in type
shop.replace({ params: { id: "1" } })
// expect: Property 'query' is missing in type '{}'
shop.list({})
// expect: Property 'headers' is missing in type '{}'
shop.withHeaders({})

// Too much.
// expect: 'payload' does not exist in type '{ readonly params: { readonly id: string; }; }'
shop.find({ params: { id: "1" }, payload: {} })
// expect: 'responseMode' does not exist in type '{ readonly params: { readonly id: string; }; }'
shop.find({ params: { id: "1" }, responseMode: "response-only" })
// expect: 'currency' does not exist in type '{ readonly order: string; readonly amount: number; }'
shop.charge({ payload: { order: "1", amount: 2, currency: "EUR" } })

// Of another type.
// expect: Type 'string' is not assignable to type 'number'
shop.charge({ payload: { order: "1", amount: "2" } })
// expect: 'file' does not exist in type 'FormData'
shop.upload({ payload: { file: "a" } })

// A method that does not exist.
// expect: Property 'chrage' does not exist on type
shop.chrage({ payload: { order: "1", amount: 2 } })
