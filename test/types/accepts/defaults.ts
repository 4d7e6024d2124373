// An operation's own decisions win over those of its integration, in the types too.
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Context, Effect, Schema } from "effect"
import { Api, BadOrder, type Charge, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

export class Cache extends Context.Service<Cache, { readonly last: Effect.Effect<"cached"> }>()("Cache") {}
export class Audit extends Context.Service<Audit, { readonly write: Effect.Effect<void> }>()("Audit") {}
type Charge = typeof Charge.Type

export class Shop extends Integration.Service<Shop>()(
  "Shop",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fallback("the last answer", () => Effect.flatMap(Cache, ({ last }) => last)),
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    byDefault: HttpOperation.endpoint(Api, "charges", "get"),
    fails: HttpOperation.endpoint(Api, "charges", "get", { exhausted: Exhaustion.fail }),
    falls: HttpOperation.endpoint(Api, "charges", "get", {
      exhausted: Exhaustion.fallback("nothing", (input, failure) => {
        expectType<{ readonly params: { readonly id: string } }>()(input)
        expectType<"NotSent" | "Refused" | "Unknown" | "Applied">()(failure.outcome)
        return Effect.as(
          Effect.flatMap(Audit, ({ write }) => write),
          null
        )
      })
    }),
    failsOtherwise: HttpOperation.endpoint(Api, "charges", "get", {
      exhausted: Exhaustion.fail,
      orElse: ({ outcome }) => new BadOrder({ param: outcome })
    }),
    unlessItHappened: HttpOperation.endpoint(Api, "charges", "replace", {
      exhausted: Exhaustion.fallbackUnlessItHappened("the other provider", (input, failure) => {
        expectType<"NotSent" | "Refused">()(failure.outcome)
        return Effect.succeed({ other: input.payload.amount })
      })
    }),
    neverTwice: HttpOperation.endpoint(Api, "charges", "replace", {
      exhausted: Exhaustion.fail,
      policy: Policy.stack(
        Policy.totalDeadline("9 seconds"),
        Policy.retryNever("slow"),
        Policy.attemptTimeout("8 seconds")
      )
    }),
    search: HttpOperation.endpoint(Api, "charges", "search", {
      idempotency: Idempotency.readOnly("a query with a body"),
      policy: Policy.stack(Policy.standard(), Policy.bulkhead({ concurrency: 5, name: "search" }))
    })
  }
) {}

type Id = { readonly params: { readonly id: string } }
type Replace = { readonly params: { readonly id: string }; readonly payload: Charge }
type Q = { readonly payload: { readonly q: string } }

expectType<{
  readonly byDefault: (input: Id) => Effect.Effect<Charge | "cached", PaymentsUnavailable>
  readonly fails: (input: Id) => Effect.Effect<Charge, PaymentsUnavailable>
  readonly falls: (input: Id) => Effect.Effect<Charge | null, PaymentsUnavailable>
  readonly failsOtherwise: (input: Id) => Effect.Effect<Charge, BadOrder>
  readonly unlessItHappened: (input: Replace) => Effect.Effect<Charge | { other: number }, PaymentsUnavailable>
  readonly neverTwice: (input: Replace) => Effect.Effect<Charge, PaymentsUnavailable>
  readonly search: (input: Q) => Effect.Effect<ReadonlyArray<Charge> | "cached", PaymentsUnavailable>
}>()(null! as Shop["Service"])

// Every decision by the operations: the integration has none to make.
export class Bare extends Integration.Service<Bare>()(
  "Bare",
  {},
  {
    look: Operation.query("look", {
      success: Schema.String,
      send: () => Effect.succeed("a"),
      policy: Policy.standard(),
      exhausted: Exhaustion.fail,
      orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
    })
  }
) {}
expectType<(input: void) => Effect.Effect<string, PaymentsUnavailable>>()((null! as Bare["Service"]).look)
