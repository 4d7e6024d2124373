// A rate limit says how much in which time, and a verdict about an ordinary answer says its limit.
import { Operation, Policy, Reason } from "breakwater"
import { Effect, Schema } from "effect"

// expect: Property 'window' is missing in type
Policy.rateLimit({ limit: 5 })
// expect: Property 'limit' is missing in type
Policy.rateLimit({ window: "1 second" })
// expect: Type '"leaky-bucket"' is not assignable to type
Policy.rateLimit({ limit: 5, window: "1 second", algorithm: "leaky-bucket" })
// expect: Type '"tenant"' is not assignable to type
Policy.rateLimit({ limit: 5, window: "1 second", key: "tenant" })
// expect: Type '"redis"' is not assignable to type
Policy.rateLimit({ limit: 5, window: "1 second", store: "redis" })
// expect: Property 'limit' is missing in type '{}'
Reason.answered({})

// An error is no ordinary answer.
Operation.query("ask", {
  success: Schema.String,
  send: () => Effect.fail("down"),
  // expect: Type '"Answered"' is not assignable to type
  classify: () => Reason.answered({ limit: { remaining: 0 } })
})
