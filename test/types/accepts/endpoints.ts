// What a contract can declare beside params, payload and success.
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, type Config, Effect, type Layer } from "effect"
import type { HttpClient } from "effect/http"
import type { HttpApiSchema } from "effect/http-api"
import { Api, CardDeclined, type Charge, PaymentsUnavailable, SignInAgain } from "../contract.ts"
import { expectType } from "../support.ts"

export class Cache extends Context.Service<Cache, { readonly last: Effect.Effect<null> }>()("Cache") {}

export class Odd extends Integration.Service<Odd>()(
  "Odd",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    upload: HttpOperation.endpoint(Api, "odd", "upload", { idempotency: Idempotency.atMostOnce("no key") }),
    withHeaders: HttpOperation.endpoint(Api, "odd", "withHeaders"),
    list: HttpOperation.endpoint(Api, "charges", "list"),
    guarded: HttpOperation.endpoint(Api, "odd", "guarded", {
      exhausted: Exhaustion.fallback("the last answer", () => Effect.flatMap(Cache, ({ last }) => last)),
      translate: {
        CardError: ({ code }) => new CardDeclined({ code }),
        TokenExpired: ({ at }) => {
          expectType<number>()(at)
          return new SignInAgain()
        }
      }
    }),
    unknown: HttpOperation.endpoint(Api, "odd", "unknown", { success: Operation.unvalidated("it is only logged") }),
    any: HttpOperation.endpoint(Api, "odd", "any", { success: Operation.unvalidated("it is only logged") }),
    unknownWithHeaders: HttpOperation.endpoint(Api, "odd", "unknownWithHeaders", {
      success: Operation.unvalidated("it is only logged")
    })
  }
) {}

type Charge = typeof Charge.Type
type Answer<A> = HttpApiSchema.withHeaders<A, { readonly etag: string }>

expectType<{
  readonly upload: (input: { readonly payload: FormData }) => Effect.Effect<Charge, PaymentsUnavailable>
  readonly withHeaders: (input: {
    readonly headers: { readonly "x-tenant": string }
  }) => Effect.Effect<Answer<Charge>, PaymentsUnavailable>
  readonly list: (input: {
    readonly query: { readonly page: number }
  }) => Effect.Effect<ReadonlyArray<Charge>, PaymentsUnavailable>
  readonly guarded: (input: void) => Effect.Effect<Charge | null, CardDeclined | SignInAgain | PaymentsUnavailable>
  readonly unknown: (input: void) => Effect.Effect<unknown, PaymentsUnavailable>
  readonly any: (input: void) => Effect.Effect<unknown, PaymentsUnavailable>
  readonly unknownWithHeaders: (input: void) => Effect.Effect<Answer<unknown>, PaymentsUnavailable>
}>()(null! as Odd["Service"])

expectType<Layer.Layer<Odd, Policy.PolicyError | Config.ConfigError, HttpClient.HttpClient | Cache>>()(
  HttpIntegration.layer(Odd, { baseUrl: "https://example.com" })
)
