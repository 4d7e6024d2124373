/**
 * Follows mw10013/cloudflare-openauth-stripe, `functions/app/src/Stripe.ts`.
 *
 * Kept: the SDK with its own defaults (so with its retries, and a key that it mints per call), bare `tryPromise` without
 * an error of its own or an abort signal, an answer that nobody validates, `getPrices`, `ensureStripeCustomerId` with
 * its look into the database before and its write after, `createCheckoutSession`. Left out: what only reads or writes
 * the database (the webhook), the billing portal, and parameters that decide nothing here. Ours: the program, which
 * does what the file's callers do when a user subscribes.
 */
import { Context, Effect, Layer, Option } from "effect"
import type { Variant } from "../Slice.ts"
import * as StripeSdk from "../Stripe.ts"
import {
  type Checkout,
  customerOf,
  customerParams,
  intent,
  lookupKeys,
  priceOf,
  saveCustomer,
  secretKey,
  sessionParams,
  type User
} from "./shared.ts"

class Stripe extends Context.Service<Stripe>()("app/Stripe", {
  make: Effect.gen(function* () {
    const stripe = yield* StripeSdk.make(secretKey)

    const getPrices = () => Effect.tryPromise(() => stripe.prices.list(lookupKeys))

    const ensureStripeCustomerId = Effect.fnUntraced(function* (user: User) {
      const known = yield* customerOf(user.userId)
      if (Option.isSome(known)) return known.value
      const customer = yield* Effect.tryPromise(() => stripe.customers.create(customerParams(user)))
      yield* saveCustomer(user.userId, customer.id)
      return customer.id
    })

    const createCheckoutSession = (checkout: Checkout) =>
      Effect.tryPromise(() => stripe.checkout.sessions.create(sessionParams(checkout)))

    return { getPrices, ensureStripeCustomerId, createCheckoutSession } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const recipe: Variant = Effect.gen(function* () {
  const { createCheckoutSession, ensureStripeCustomerId, getPrices } = yield* Stripe
  const price = yield* priceOf(yield* getPrices(), intent.plan)
  const customer = yield* ensureStripeCustomerId(intent)
  return yield* createCheckoutSession({ ...intent, customer, price: price.id })
}).pipe(Effect.provide(Stripe.layer))
