/**
 * The same payments through Stripe's official SDK: what its error classes mean, and which key it sends.
 */
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Policy,
  Reason
} from "breakwater"
import { Layer, Schema } from "effect"
import { Stripe } from "stripe"
import { PaymentIntent } from "../stripe/api.ts"
import { CardDeclined, NoSuchPayment, PaymentRefused, PaymentsUnavailable } from "../stripe/errors.ts"
import { abortable, StripeSdk, StripeSdkLive } from "./client.ts"

const { StripeAPIError, StripeCardError, StripeConnectionError, StripeError } = Stripe.errors
const { StripeIdempotencyError, StripeInvalidRequestError } = Stripe.errors

// ---- what an error of the SDK means

/**
 * Without a verdict an error may mean anything: it is not repeated, and its outcome is `Unknown`. The status and the
 * headers that the SDK read are in its errors.
 */
export const classify = (error: unknown): Reason.Verdict | undefined => {
  if (!(error instanceof StripeError)) return undefined
  // What `fetch` failed with: its codes say whether anything can have been sent.
  if (error instanceof StripeConnectionError) return Reason.fromConnection(error.detail)
  const { headers = {}, requestId, statusCode: status } = error
  const shouldRetry = headers["stripe-should-retry"]
  const details: Reason.Details = {
    message: `${error.type}${error.code === undefined ? "" : ` (${error.code})`}`,
    status,
    requestId,
    // `Retry-After`, and `Idempotent-Replayed`: an answer from the memory of the key never changes, so the library does not
    // ask for it again.
    headers,
    transient: shouldRetry === undefined ? undefined : shouldRetry === "true"
  }
  // A page that is no JSON, such as a gateway's: the SDK keeps no status of it. Under the same key another try is safe.
  if (error instanceof StripeAPIError && status === undefined) return Reason.unavailable(details)
  if (status === undefined) return undefined
  if (error instanceof StripeIdempotencyError) return Reason.keyConflict(details)
  if (status === 409) return Reason.inProgress(details)
  if (shouldRetry === "true" && status !== 429) return Reason.unavailable(details)
  // A declined card and an invalid parameter are answers to this key: they settle what became of an earlier attempt,
  // whose answer was lost.
  return Reason.fromStatus(status, { ...details, resolves: status === 400 || status === 402 })
}

// ---- the integration

export const Order = Schema.Struct({
  id: Schema.String,
  /** In the smallest unit of the currency. */
  amount: Schema.Int,
  currency: Schema.String,
  paymentMethod: Schema.String
})

const unavailable = ({ outcome, reason }: CallFailure.CallFailure) =>
  new PaymentsUnavailable({ outcome, requestId: reason.requestId })

export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: unavailable
  },
  {
    pay: Operation.fromPromise("pay", {
      client: StripeSdk,
      input: Order,
      // The SDK's types are a promise of Stripe's. What arrives is looked at all the same.
      success: PaymentIntent,
      idempotency: Idempotency.keyed(
        (order: typeof Order.Type) => IdempotencyKey.derive("pay", order.id, order.paymentMethod),
        { lifetime: "24 hours" }
      ),
      call: ({ amount, currency, id, paymentMethod }, { key, signal }, stripe) =>
        abortable(signal, () =>
          stripe.paymentIntents.create(
            {
              amount,
              currency,
              payment_method: paymentMethod,
              allowed_payment_method_types: ["card"],
              confirm: true,
              metadata: { order: id }
            },
            // Without a key of ours the SDK would mint one for every call, which is a new one for every attempt.
            key === undefined ? {} : { idempotencyKey: key }
          )
        ),
      classify,
      // A promise rejects with anything, so there is no `translate`: the SDK's classes are told apart here.
      orElse: (failure) => {
        const { error } = failure.reason
        if (error instanceof StripeCardError) {
          // The SDK gives "" where Stripe gives no decline code.
          return new CardDeclined({ code: error.decline_code || error.code || "card_declined" })
        }
        return error instanceof StripeInvalidRequestError
          ? new PaymentRefused({ code: error.code ?? "invalid_request", param: error.param })
          : unavailable(failure)
      }
    }),
    find: Operation.fromPromise("find", {
      client: StripeSdk,
      input: Schema.String,
      success: PaymentIntent,
      idempotency: Idempotency.readOnly("a GET"),
      call: (id, { signal }, stripe) => abortable(signal, () => stripe.paymentIntents.retrieve(id)),
      classify,
      orElse: (failure, id) => (failure.reason.status === 404 ? new NoSuchPayment({ id }) : unavailable(failure))
    })
  }
) {}

export const PaymentsLive = Integration.layer(Payments).pipe(Layer.provide(StripeSdkLive))
