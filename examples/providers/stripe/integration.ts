/**
 * Payments by Stripe: the application's own words and errors, and what Stripe's answers mean.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Schema } from "effect"
import { type InvalidRequest, StripeApi, version } from "./api.ts"
import { CardDeclined, NoSuchPayment, PaymentRefused, PaymentsUnavailable } from "./errors.ts"

const refused = ({ error }: InvalidRequest) =>
  new PaymentRefused({ code: error.code ?? "invalid_request", param: error.param })

// ---- what an answer other than 2xx means, where its status does not say it

const isKeyReused = Schema.is(Schema.Struct({ error: Schema.Struct({ type: Schema.Literal("idempotency_error") }) }))

/**
 * Stripe stores the first answer to a key, a 500 too, and replays it: to ask again would change nothing. So it says
 * `Stripe-Should-Retry: false`, or `true` where another try is welcome; without the header the status decides
 * (https://docs.stripe.com/error-low-level).
 */
export const classifyErrors: HttpIntegration.Classify = (status, headers, body) => {
  // "The request conflicts with another request (perhaps due to using the same idempotent key)".
  if (status === 409) return Reason.inProgress()
  if (isKeyReused(body)) return Reason.keyConflict()
  const shouldRetry = headers["stripe-should-retry"]
  if (shouldRetry === undefined) return undefined
  const transient = shouldRetry === "true"
  if (status === 429) return Reason.throttled({ transient })
  return status >= 500 || transient ? Reason.unavailable({ transient }) : undefined
}

// ---- the integration

/** Stripe reads the header `Idempotency-Key`, which is the default, and forgets a key when it is at least 24 hours old. */
const keptForADay = { lifetime: "24 hours" } as const

export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse: ({ outcome, reason }) => new PaymentsUnavailable({ outcome, requestId: reason.requestId })
  },
  {
    pay: HttpOperation.endpoint(StripeApi, "paymentIntents", "create", {
      // The card is a part of the intent: after `CardDeclined` another one may be tried, and under the first key Stripe
      // would repeat its stored answer. After an outcome of `Unknown`, find out first: two cards may be charged.
      idempotency: Idempotency.keyed(
        ({ payload }) => IdempotencyKey.derive("pay", payload.order, payload.paymentMethod),
        keptForADay
      ),
      translate: {
        CardError: ({ error }) => new CardDeclined({ code: error.decline_code ?? error.code ?? "card_declined" }),
        InvalidRequest: refused
      }
    }),
    find: HttpOperation.endpoint(StripeApi, "paymentIntents", "retrieve", {
      // What the error is about stands in the call's input.
      translate: { ResourceMissing: (_error, { params }) => new NoSuchPayment({ id: params.id }) }
    }),
    refund: HttpOperation.endpoint(StripeApi, "refunds", "create", {
      idempotency: Idempotency.keyed(
        ({ payload }) => IdempotencyKey.derive("refund", payload.payment, payload.returned),
        keptForADay
      ),
      translate: { InvalidRequest: refused }
    })
  }
) {}

/** How every deployment reaches Stripe, and every test. */
export const connection = {
  auth: Auth.bearer(Config.Redacted("STRIPE_KEY")),
  headers: { "Stripe-Version": version }
}

export const PaymentsLive = HttpIntegration.layer(Payments, { ...connection, baseUrl: "https://api.stripe.com" })
