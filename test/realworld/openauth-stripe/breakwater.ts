/** The slice in breakwater. */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, Duration, Effect, Layer, Option } from "effect"
import type { Variant } from "../Slice.ts"
import * as StripeSdk from "../Stripe.ts"
import {
  Checkout,
  Customer,
  customerOf,
  customerParams,
  intent,
  lookupKeys,
  priceOf,
  Prices,
  saveCustomer,
  secretKey,
  Session,
  sessionParams,
  StripeUnavailable,
  User
} from "./shared.ts"

class Sdk extends Context.Service<Sdk, StripeSdk.Stripe>()("app/Sdk") {
  static readonly layer = Layer.effect(Sdk, StripeSdk.make(secretKey, { maxNetworkRetries: 0 }))
}

const use = (send: (stripe: StripeSdk.Stripe) => Promise<unknown>) =>
  Effect.flatMap(Sdk, (stripe) =>
    Effect.tryPromise({ try: () => send(stripe), catch: (error) => error as StripeSdk.StripeError })
  )

const classify = ({ headers, statusCode: status = 0 }: StripeSdk.StripeError) => {
  if (status < 400 || status >= 500) return Reason.unavailable()
  if (status !== 429) return Reason.rejected({ status })
  return Reason.throttled({ retryAfter: Duration.seconds(Number(headers["retry-after"] ?? 1)) })
}

class Stripe extends Integration.Service<Stripe>()(
  "app/Stripe",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ operation, outcome }) => new StripeUnavailable({ operation, outcome })
  },
  {
    listPrices: Operation.query("listPrices", {
      success: Prices,
      send: () => use(({ prices }) => prices.list(lookupKeys)),
      classify
    }),
    createCustomer: Operation.mutation("createCustomer", {
      input: User,
      idempotency: Idempotency.keyed(({ userId }: User) => IdempotencyKey.derive("customer", String(userId)), {
        lifetime: "24 hours"
      }),
      success: Customer,
      send: (user, { key: idempotencyKey }) =>
        use(({ customers }) => customers.create(customerParams(user), { idempotencyKey })),
      classify
    }),
    createSession: Operation.mutation("createSession", {
      input: Checkout,
      idempotency: Idempotency.keyed(({ checkoutId }: Checkout) => IdempotencyKey.derive("checkout", checkoutId), {
        lifetime: "24 hours"
      }),
      success: Session,
      send: (input, { key: idempotencyKey }) =>
        use(({ checkout }) => checkout.sessions.create(sessionParams(input), { idempotencyKey })),
      classify
    })
  }
) {}

const ensureStripeCustomerId = Effect.fnUntraced(function* (user: User) {
  const known = yield* customerOf(user.userId)
  if (Option.isSome(known)) return known.value
  const customer = yield* Effect.flatMap(Stripe, ({ createCustomer }) => createCustomer(user))
  yield* saveCustomer(user.userId, customer.id)
  return customer.id
})

const layer = Integration.layer(Stripe).pipe(Layer.provide(Sdk.layer))

export const breakwater: Variant = Effect.gen(function* () {
  const { createSession, listPrices } = yield* Stripe
  const price = yield* priceOf(yield* listPrices(), intent.plan)
  const customer = yield* ensureStripeCustomerId(intent)
  return yield* createSession({ ...intent, customer, price: price.id })
}).pipe(Effect.provide(layer))
