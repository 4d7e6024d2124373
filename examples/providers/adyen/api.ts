/**
 * A slice of Adyen's Checkout API as an Effect `HttpApi`: make a payment, refund it, ask how a shopper may pay.
 *
 * - https://docs.adyen.com/api-explorer/Checkout/latest/post/payments
 * - https://docs.adyen.com/api-explorer/Checkout/latest/post/payments/(paymentPspReference)/refunds
 * - https://docs.adyen.com/api-explorer/Checkout/latest/post/paymentMethods
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

export const Amount = Schema.Struct({
  /** In the smallest unit of the currency. */
  value: Schema.Int,
  currency: Schema.String
})

export const NewPayment = Schema.Struct({
  merchantAccount: Schema.String,
  /** The order's name, up to 80 characters. Adyen does not refuse a second payment with the same one. */
  reference: Schema.String,
  amount: Amount,
  paymentMethod: Schema.Struct({ type: Schema.Literal("scheme"), storedPaymentMethodId: Schema.String }),
  shopperReference: Schema.String
})

const notPaid = Schema.Literals(["Refused", "Error", "Cancelled"])
const isNotPaid = Schema.is(notPaid)

/** `Authorised`, or one of those after which there is more to do. Adyen may add one at any time: the list is not closed. */
export const Payment = Schema.Struct({
  pspReference: Schema.String,
  resultCode: Schema.String.check(Schema.makeFilter((code) => !isNotPaid(code), { message: "the payment was refused" }))
})

export const Refund = Schema.Struct({
  pspReference: Schema.String,
  paymentPspReference: Schema.String,
  /** That it was accepted. What became of it is told by a webhook. */
  status: Schema.Literal("received")
})

export const PaymentMethods = Schema.Struct({
  paymentMethods: Schema.Array(Schema.Struct({ type: Schema.String, name: Schema.String }))
})

// ---- errors. The tags are ours, and not a part of the body.

/**
 * A payment that was not made, with status 200: "although an HTTP response status code of 200 means that the request was
 * submitted correctly […], it does not necessarily mean that the payment […] was successfully executed".
 * https://docs.adyen.com/development-resources/refusal-reasons
 */
export class NotPaid extends Schema.Error<NotPaid>("adyen/NotPaid")(
  {
    _tag: Schema.tagDefaultOmit("NotPaid"),
    pspReference: Schema.String,
    resultCode: notPaid,
    refusalReasonCode: Schema.optionalKey(Schema.String)
  },
  { httpApiStatus: 200 }
) {}

/** https://docs.adyen.com/development-resources/error-codes */
const told = {
  status: Schema.Int,
  errorCode: Schema.String,
  message: Schema.String,
  errorType: Schema.String,
  pspReference: Schema.optionalKey(Schema.String)
}

export class Unauthorized extends Schema.Error<Unauthorized>("adyen/Unauthorized")(
  { _tag: Schema.tagDefaultOmit("Unauthorized"), ...told },
  { httpApiStatus: 401 }
) {}

export class Forbidden extends Schema.Error<Forbidden>("adyen/Forbidden")(
  { _tag: Schema.tagDefaultOmit("Forbidden"), ...told },
  { httpApiStatus: 403 }
) {}

export class Unprocessable extends Schema.Error<Unprocessable>("adyen/Unprocessable")(
  { _tag: Schema.tagDefaultOmit("Unprocessable"), ...told },
  { httpApiStatus: 422 }
) {}

const refusals = [Unauthorized, Forbidden, Unprocessable] as const

export class AdyenApi extends HttpApi.make("adyen").add(
  HttpApiGroup.make("payments").add(
    HttpApiEndpoint.post("create", "/payments", {
      payload: NewPayment,
      success: Payment,
      error: [NotPaid, ...refusals]
    }),
    HttpApiEndpoint.post("refund", "/payments/:pspReference/refunds", {
      params: { pspReference: Schema.String },
      payload: Schema.Struct({ merchantAccount: Schema.String, amount: Amount, reference: Schema.String }),
      success: Refund.pipe(HttpApiSchema.status(201)),
      error: refusals
    }),
    HttpApiEndpoint.post("methods", "/paymentMethods", {
      payload: Schema.Struct({ merchantAccount: Schema.String, countryCode: Schema.String }),
      success: PaymentMethods,
      error: refusals
    })
  )
) {}
