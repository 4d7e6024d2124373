// Rule 1: a call that may change something says how a repeat is made safe.
import { Exhaustion, Idempotency, IdempotencyKey, Operation } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Option } from "effect"
import { Api, BadOrder, Charge } from "../contract.ts"

const translate = {
  CardError: () => new BadOrder({ param: "card" }),
  InvalidRequest: () => new BadOrder({ param: "request" })
}

// A POST, with and without other options.
// expect: a POST must say how a repeat is made safe: give { idempotency } as fourth argument
HttpOperation.endpoint(Api, "charges", "create")
// expect: Property 'idempotency' is missing in type
HttpOperation.endpoint(Api, "charges", "create", { translate })

// A PATCH.
// expect: a PATCH must say how a repeat is made safe: give { idempotency } as fourth argument
HttpOperation.endpoint(Api, "charges", "change")
// expect: Property 'idempotency' is missing in type '{}'
HttpOperation.endpoint(Api, "charges", "change", {})

// A mutation over any effect, and a call through an SDK.
// expect: Property 'idempotency' is missing in type
Operation.mutation("charge", { success: Charge, send: () => Effect.succeed({}) })
// expect: Property 'idempotency' is missing in type
Operation.fromPromise("charge", { success: Charge, call: () => Promise.resolve({}) })

// A plain string is no key.
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Type 'string' is not assignable to type 'IdempotencyKey'
  idempotency: Idempotency.keyed(({ payload }) => payload.q, { lifetime: "24 hours" })
})

// A key without its lifetime, and a lifetime that is none.
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Expected 2 arguments, but got 1
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("search", payload.q))
})
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Property 'lifetime' is missing in type '{}'
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("search", payload.q), {})
})
HttpOperation.endpoint(Api, "charges", "search", {
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("search", payload.q), {
    // expect: Type '"a day"' is not assignable to type
    lifetime: "a day"
  })
})

const nothing = () => Effect.succeed(Option.none<ReadonlyArray<typeof Charge.Type>>())

// A look-up without the time after which it counts.
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Expected 2 arguments, but got 1
  idempotency: Idempotency.reconcilable(nothing)
})
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Property 'settle' is missing in type '{}'
  idempotency: Idempotency.reconcilable(nothing, {})
})

// A strategy for another input.
HttpOperation.endpoint(Api, "charges", "search", {
  // expect: Property 'order' is missing in type '{ readonly payload: { readonly q: string; }; }'
  idempotency: Idempotency.keyed((input: { readonly order: string }) => IdempotencyKey.derive("a", input.order), {
    lifetime: "24 hours"
  })
})

// An entity tag that may not have been read, and a look for another success.
HttpOperation.endpoint(Api, "charges", "change", {
  // expect: Type 'string | undefined' is not assignable to type 'string'
  idempotency: Idempotency.conditional(({ params }): string | undefined => params.id)
})
HttpOperation.endpoint(Api, "charges", "change", {
  // expect: Type 'number' is not assignable to type '{ readonly id: string; readonly amount: number; }'
  idempotency: Idempotency.conditional(({ params }) => params.id, { applied: () => Effect.succeed(Option.some(1)) })
})
// What is created late may have been deleted since.
HttpOperation.endpoint(Api, "charges", "change", {
  idempotency: Idempotency.createOnly(),
  // expect: sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })
  exhausted: Exhaustion.park
})
