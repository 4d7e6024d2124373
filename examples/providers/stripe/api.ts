/**
 * A slice of Stripe's API as an Effect `HttpApi`: pay an order with a card, look at a payment, pay it back.
 *
 * - https://docs.stripe.com/api/payment_intents/create, …/retrieve, https://docs.stripe.com/api/refunds/create
 * - https://docs.stripe.com/api/errors
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

/** The version of the API that this contract was written for. Without it, the account's own version would answer. */
export const version = "2026-10-28.endive"

// ---- requests: Stripe reads forms, and nested parameters as `metadata[order]`

/** The names on the left are ours; `encodeKeys` gives those that Stripe reads. */
export const NewPayment = Schema.Struct({
  /** In the smallest unit of the currency, such as cents. */
  amount: Schema.Int,
  currency: Schema.String,
  paymentMethod: Schema.String,
  /** Cards alone: other kinds may send the customer to another page, and then `return_url` is required. */
  kind: Schema.Literal("card"),
  /** `true` charges the card at once. */
  confirm: Schema.Boolean,
  /** The order stands in the metadata, so that the payment is found in the dashboard. */
  order: Schema.String
}).pipe(
  Schema.encodeKeys({
    paymentMethod: "payment_method",
    kind: "allowed_payment_method_types[0]",
    order: "metadata[order]"
  }),
  HttpApiSchema.asFormUrlEncoded()
)

export const NewRefund = Schema.Struct({
  payment: Schema.String,
  amount: Schema.Int,
  /** What the customer returned: it tells two refunds of one payment apart. */
  returned: Schema.String
}).pipe(
  Schema.encodeKeys({ payment: "payment_intent", returned: "metadata[return]" }),
  HttpApiSchema.asFormUrlEncoded()
)

// ---- answers: what we use of them. The rest of an answer is not looked at, so Stripe may add to it.

export const PaymentIntent = Schema.Struct({
  id: Schema.String,
  amount: Schema.Int,
  currency: Schema.String,
  /** `succeeded`, `processing`, `requires_action` and others: Stripe may add one at any time, so the list is not closed. */
  status: Schema.String,
  metadata: Schema.Record(Schema.String, Schema.String)
})

export const Refund = Schema.Struct({
  id: Schema.String,
  amount: Schema.Int,
  payment_intent: Schema.String,
  status: Schema.NullOr(Schema.String)
})

// ---- errors: `{ error: { type, code, … } }`. The tag is ours, and not a part of the body.

const errorOf = <const Type extends string>(type: Type) =>
  Schema.Struct({
    type: Schema.Literal(type),
    code: Schema.optionalKey(Schema.String),
    decline_code: Schema.optionalKey(Schema.String),
    param: Schema.optionalKey(Schema.String),
    message: Schema.optionalKey(Schema.String)
  })

export class CardError extends Schema.Error<CardError>("CardError")(
  { _tag: Schema.tagDefaultOmit("CardError"), error: errorOf("card_error") },
  { httpApiStatus: 402 }
) {}

export class InvalidRequest extends Schema.Error<InvalidRequest>("InvalidRequest")(
  { _tag: Schema.tagDefaultOmit("InvalidRequest"), error: errorOf("invalid_request_error") },
  { httpApiStatus: 400 }
) {}

export class ResourceMissing extends Schema.Error<ResourceMissing>("ResourceMissing")(
  { _tag: Schema.tagDefaultOmit("ResourceMissing"), error: errorOf("invalid_request_error") },
  { httpApiStatus: 404 }
) {}

// ---- the contract

export class StripeApi extends HttpApi.make("stripe").add(
  HttpApiGroup.make("paymentIntents").add(
    HttpApiEndpoint.post("create", "/v1/payment_intents", {
      payload: NewPayment,
      success: PaymentIntent,
      error: [CardError, InvalidRequest]
    }),
    HttpApiEndpoint.get("retrieve", "/v1/payment_intents/:id", {
      params: { id: Schema.String },
      success: PaymentIntent,
      error: ResourceMissing
    })
  ),
  HttpApiGroup.make("refunds").add(
    HttpApiEndpoint.post("create", "/v1/refunds", {
      payload: NewRefund,
      success: Refund,
      error: InvalidRequest
    })
  )
) {}
