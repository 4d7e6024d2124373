// Answers that are shared or kept, and the age of one that was kept.
import { Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Context, Duration, Effect } from "effect"
import { Api } from "../contract.ts"
import { expectType } from "../support.ts"

const CurrentUser = Context.Reference<string>("User", { defaultValue: () => "" })

expectType<Policy.Policy<never, "safe">>()(Policy.coalesce({ principal: "everyone" }))
expectType<Policy.Policy<never, "safe">>()(Policy.coalesce({ principal: (call) => call.operation, maxWaiters: 10 }))
expectType<Policy.Policy<never, "safe">>()(Policy.coalesce({ principal: CurrentUser, key: ({ input }) => `${input}` }))
expectType<Policy.Policy<never, "safe">>()(
  Policy.staleIfError({
    for: Duration.minutes(5),
    principal: Effect.map(CurrentUser, (user) => user),
    key: (call) => call.operation,
    maxEntries: 10,
    name: "prices"
  })
)

HttpOperation.endpoint(Api, "charges", "get", {
  policy: Policy.stack(
    Policy.standard(),
    Policy.coalesce({ principal: CurrentUser }),
    Policy.staleIfError({ for: "5 minutes", principal: CurrentUser })
  )
})

declare const find: Effect.Effect<number, "down", string>
expectType<Effect.Effect<{ readonly value: number; readonly age: Duration.Duration | undefined }, "down", string>>()(
  Policy.withStaleAge(find)
)
