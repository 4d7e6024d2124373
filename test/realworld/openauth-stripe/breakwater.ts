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

const sdk = {
  client: Sdk,
  classify: (error: unknown) => {
    if (!(error instanceof StripeSdk.StripeError) || error.statusCode === undefined) return Reason.disconnected()
    const retryAfter = Duration.seconds(Number(error.headers["retry-after"] ?? 0))
    return Reason.fromStatus(error.statusCode, { retryAfter }) ?? Reason.unavailable()
  }
}

class Stripe extends Integration.Service<Stripe>()(
  "app/Stripe",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ operation, outcome }) => new StripeUnavailable({ operation, outcome })
  },
  {
    listPrices: Operation.fromPromise("listPrices", {
      ...sdk,
      idempotency: Idempotency.readOnly("a GET"),
      success: Prices,
      call: (_input, _call, { prices }) => prices.list(lookupKeys)
    }),
    createCustomer: Operation.fromPromise("createCustomer", {
      ...sdk,
      input: User,
      idempotency: Idempotency.keyed(({ userId }: User) => IdempotencyKey.derive("customer", String(userId)), {
        lifetime: "24 hours"
      }),
      success: Customer,
      call: (user, { key: idempotencyKey }, { customers }) => customers.create(customerParams(user), { idempotencyKey })
    }),
    createSession: Operation.fromPromise("createSession", {
      ...sdk,
      input: Checkout,
      idempotency: Idempotency.keyed(({ checkoutId }: Checkout) => IdempotencyKey.derive("checkout", checkoutId), {
        lifetime: "24 hours"
      }),
      success: Session,
      call: (input, { key: idempotencyKey }, { checkout }) =>
        checkout.sessions.create(sessionParams(input), { idempotencyKey })
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
