/** The recipe with the five protections, added with Effect's operators. */
import { Context, Data, Duration, Effect, Layer, Metric, Option, Schedule, Schema } from "effect"
import type { Variant } from "../Slice.ts"
import * as StripeSdk from "../Stripe.ts"
import {
  type Checkout,
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
  type User
} from "./shared.ts"

/** What one attempt came to. */
class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: "Refused" | "Unknown"
  readonly transient: boolean
  readonly retryAfter?: Duration.Duration
}> {}

const inDoubt = new AttemptFailed({ outcome: "Unknown", transient: true })

const failureOf = (error: unknown): AttemptFailed => {
  const status = error instanceof StripeSdk.StripeError ? (error.statusCode ?? 0) : 0
  if (status < 400 || status >= 500) return inDoubt
  if (status !== 429) return new AttemptFailed({ outcome: "Refused", transient: false })
  const retryAfter = Duration.seconds(Number((error as StripeSdk.StripeError).headers["retry-after"] ?? 1))
  return new AttemptFailed({ outcome: "Refused", transient: true, retryAfter })
}

const duration = Metric.timer("stripe_call_duration")
const failures = Metric.counter("stripe_call_failures")

class Stripe extends Context.Service<Stripe>()("app/Stripe", {
  make: Effect.gen(function* () {
    const stripe = yield* StripeSdk.make(secretKey, { maxNetworkRetries: 0, timeout: 10_000 })

    /** Every call may be repeated: it reads, or its key stays the same. */
    const call = <A>(operation: string, success: Schema.ConstraintDecoder<A>, send: () => Promise<unknown>) =>
      Effect.tryPromise({ try: send, catch: failureOf }).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(success)),
        Effect.timeout("10 seconds"),
        Effect.mapError((error) => {
          if (error._tag === "AttemptFailed") return error
          return error._tag === "SchemaError" ? new AttemptFailed({ outcome: "Unknown", transient: false }) : inDoubt
        }),
        Effect.tapError(({ retryAfter }) => (retryAfter === undefined ? Effect.void : Effect.sleep(retryAfter))),
        Effect.retry({
          schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
          times: 2,
          while: ({ transient }) => transient
        }),
        Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.fail(inDoubt) }),
        Effect.mapError(({ outcome }) => new StripeUnavailable({ operation, outcome })),
        Effect.tapError((error) =>
          Effect.andThen(
            Metric.update(Metric.withAttributes(failures, { operation, outcome: error.outcome }), 1),
            Effect.logWarning("a call failed", error)
          )
        ),
        Effect.trackDuration(Metric.withAttributes(duration, { operation })),
        Effect.withSpan(`Stripe.${operation}`)
      )

    const getPrices = call("listPrices", Prices, () => stripe.prices.list(lookupKeys))

    const ensureStripeCustomerId = Effect.fnUntraced(function* (user: User) {
      const known = yield* customerOf(user.userId)
      if (Option.isSome(known)) return known.value
      const customer = yield* call("createCustomer", Customer, () =>
        stripe.customers.create(customerParams(user), { idempotencyKey: `customer-${user.userId}` })
      )
      yield* saveCustomer(user.userId, customer.id)
      return customer.id
    })

    const createCheckoutSession = (checkout: Checkout) =>
      call("createSession", Session, () =>
        stripe.checkout.sessions.create(sessionParams(checkout), { idempotencyKey: `checkout-${checkout.checkoutId}` })
      )

    return { getPrices, ensureStripeCustomerId, createCheckoutSession } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const byHand: Variant = Effect.gen(function* () {
  const { createCheckoutSession, ensureStripeCustomerId, getPrices } = yield* Stripe
  const price = yield* priceOf(yield* getPrices, intent.plan)
  const customer = yield* ensureStripeCustomerId(intent)
  return yield* createCheckoutSession({ ...intent, customer, price: price.id })
}).pipe(Effect.provide(Stripe.layer))
