// Every way to make a repeat safe, and what it makes of an operation.
import { Exhaustion, Idempotency, IdempotencyKey, type Operation } from "breakwater"
import { type HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Effect, Option } from "effect"
import type { HttpClient } from "effect/http"
import { Api, type Charge } from "../contract.ts"
import { expectType } from "../support.ts"

type Charge = typeof Charge.Type
type Q = { readonly payload: { readonly q: string } }
type Search<M extends Idempotency.Kind, R = never> = Operation.Operation<
  Q,
  ReadonlyArray<Charge>,
  never,
  HttpClient.HttpClient | HttpIntegration.HttpTarget | R,
  M,
  Operation.Decision
>
class Lookup extends Context.Service<Lookup, { readonly all: Effect.Effect<ReadonlyArray<Charge>> }>()("Lookup") {}

expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("search", payload.q), {
      lifetime: "forever",
      placement: Idempotency.header({ name: "X-Key", quoted: true }),
      issuedAt: ({ payload }) => payload.q.length
    })
  })
)
expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.fromStored(payload.q), {
      lifetime: { hours: 1 },
      placement: Idempotency.bodyField("key")
    })
  })
)
expectType<Search<"Inherent">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.inherent("the same answer") })
)
expectType<Search<"Idempotent", Lookup>>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.reconcilable(
      (input) => {
        expectType<Q>()(input)
        return Effect.map(
          Effect.flatMap(Lookup, ({ all }) => all),
          (all) => Option.some(all)
        )
      },
      { settle: "5 seconds" }
    )
  })
)
expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.conditional(({ payload }) => payload.q) })
)
expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.conditional(({ payload }) => payload.q, {
      weak: "send",
      mayHaveBeenSent: true,
      conflict: 409
    })
  })
)
expectType<Search<"Idempotent", Lookup>>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.conditional(({ payload }) => payload.q, {
      applied: (input) => {
        expectType<Q>()(input)
        return Effect.map(
          Effect.flatMap(Lookup, ({ all }) => all),
          (all) => Option.some(all)
        )
      },
      conclusive: true
    })
  })
)
// A look that knows less of the input leaves the tag its own.
const looks = (_: { readonly payload: { readonly q: string } }) => Effect.succeed(Option.none<ReadonlyArray<Charge>>())
expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.conditional(({ payload }) => payload.q, { applied: looks })
  })
)
expectType<Search<"Inherent">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.createOnly({ applied: looks }) })
)
expectType<Search<"Inherent">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.createOnly() })
)
expectType<Search<"Idempotent">>()(
  HttpOperation.endpoint(Api, "charges", "search", {
    idempotency: Idempotency.versioned("?version", { conflict: [409, 412] })
  })
)
// A PATCH, and what is sent late only changes the version it was made for: it may be parked as it is.
HttpOperation.endpoint(Api, "charges", "change", {
  idempotency: Idempotency.conditional(({ params }) => `"${params.id}"`),
  exhausted: Exhaustion.park
})
expectType<Search<"Safe">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.readOnly("a query with a body") })
)
expectType<Search<"AtMostOnce">>()(
  HttpOperation.endpoint(Api, "charges", "search", { idempotency: Idempotency.atMostOnce("no key") })
)

// Without a word, the method's own meaning; with one, that wins.
const meaning = <M extends Idempotency.Kind>(
  _operation: Operation.Operation<never, unknown, unknown, unknown, M, Operation.Decision>
): M => null!
expectType<"Safe">()(meaning(HttpOperation.endpoint(Api, "charges", "get")))
expectType<"Inherent">()(meaning(HttpOperation.endpoint(Api, "charges", "replace")))
expectType<"Inherent">()(meaning(HttpOperation.endpoint(Api, "charges", "remove")))
expectType<"AtMostOnce">()(
  meaning(HttpOperation.endpoint(Api, "charges", "replace", { idempotency: Idempotency.atMostOnce("it appends") }))
)
