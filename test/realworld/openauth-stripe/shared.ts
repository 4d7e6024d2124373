/** What the three variants share: Stripe's shapes, the application's error and database, and the intent. */
import { Effect, Option, Schema } from "effect"
import { Store } from "../Slice.ts"

export const Customer = Schema.Struct({ id: Schema.String })

export const Prices = Schema.Struct({
  data: Schema.Array(Schema.Struct({ id: Schema.String, lookup_key: Schema.NullOr(Schema.String) }))
})

export const Session = Schema.Struct({ id: Schema.String, url: Schema.String, customer: Schema.String })

/** The application's error: which call failed, and whether it was carried out. */
export class StripeUnavailable extends Schema.TaggedError<StripeUnavailable>()("StripeUnavailable", {
  operation: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

export const secretKey = "sk_test_key"

export const User = Schema.Struct({ userId: Schema.Int, email: Schema.String })
export type User = typeof User.Type

export const Checkout = Schema.Struct({
  /** The application's own id of this checkout: a form that is sent twice has it twice. */
  checkoutId: Schema.String,
  userId: Schema.Int,
  customer: Schema.String,
  price: Schema.String
})
export type Checkout = typeof Checkout.Type

/** A user who has pressed "subscribe", once. */
export const intent = { checkoutId: "chk-2026-11-24-1", userId: 7, email: "ada@example.com", plan: "base" }

export const lookupKeys = { lookup_keys: ["base", "plus"] }

export const customerParams = ({ email, userId }: User) => ({ email, metadata: { userId: String(userId) } })

export const sessionParams = ({ customer, price, userId }: Checkout) => ({
  mode: "subscription" as const,
  customer,
  client_reference_id: String(userId),
  success_url: "https://app.example/api/stripe/checkout?sessionId={CHECKOUT_SESSION_ID}",
  cancel_url: "https://app.example/pricing",
  line_items: [{ price, quantity: 1 }]
})

/** The application's database: which customer of Stripe's a user is. */
export const customerOf = (userId: number) => Effect.flatMap(Store, ({ get }) => get(`customer of user ${userId}`))

export const saveCustomer = (userId: number, customer: string) =>
  Effect.flatMap(Store, ({ set }) => set(`customer of user ${userId}`, customer))

export const priceOf = (prices: typeof Prices.Type, plan: string) =>
  Effect.fromOption(Option.fromNullishOr(prices.data.find(({ lookup_key }) => lookup_key === plan))).pipe(Effect.orDie)
