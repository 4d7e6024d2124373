/**
 * Payments by Adyen: the application's own words and errors, and what Adyen's answers mean.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Schema } from "effect"
import { AdyenApi, type NotPaid, type Unprocessable } from "./api.ts"

// ---- the application's errors: nothing of Adyen's is left in them

/** No money moved. The reason is for the shop alone: "do not expose the details of the refusal reason to shoppers". */
export class PaymentRefused extends Schema.TaggedError<PaymentRefused>()("PaymentRefused", {
  reason: Schema.String
}) {}

/** We asked for something that can't be done. Nothing happened. */
export class InvalidPayment extends Schema.TaggedError<InvalidPayment>()("InvalidPayment", { code: Schema.String }) {}

/** The API key is wrong, or lacks a role: nothing for a caller to mend. */
export class NotAllowed extends Schema.TaggedError<NotAllowed>()("NotAllowed", {}) {}

/** Everything else. `outcome` says whether money moved. */
export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

const notPaid = ({ refusalReasonCode, resultCode }: NotPaid) =>
  new PaymentRefused({ reason: refusalReasonCode ?? resultCode })
const notAllowed = () => new NotAllowed()
const refused = {
  Unauthorized: notAllowed,
  Forbidden: notAllowed,
  Unprocessable: ({ errorCode }: Unprocessable) => new InvalidPayment({ code: errorCode })
}

// ---- what an answer other than 2xx means, where its status does not say it

const hasCode = Schema.is(Schema.Struct({ errorCode: Schema.String }))

/**
 * "If the API does not return a transient error header, or returns a header with a value of false, do not retry."
 * https://docs.adyen.com/development-resources/api-idempotency#error-handling
 */
export const classifyErrors: HttpIntegration.Classify = (status, headers, body) => {
  const transient = headers["transient-error"]?.toLowerCase() === "true"
  // "Request already processed or in progress", with 409 or 422.
  if (hasCode(body) && body.errorCode === "704") return Reason.inProgress({ transient })
  // "A temporary error that has no side effects."
  if (transient) return Reason.notProcessed()
  return status >= 500 ? Reason.unavailable({ transient: false }) : undefined
}

// ---- the integration

/** "Valid for a minimum period of 7 days", in the header `Idempotency-Key`, which is the default; at most 64 characters. */
const keptForAWeek = { lifetime: "7 days" } as const

export class Payments extends Integration.Service<Payments>()(
  "shop/AdyenPayments",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse: ({ outcome }) => new PaymentsUnavailable({ outcome })
  },
  {
    pay: HttpOperation.endpoint(AdyenApi, "payments", "create", {
      // Keys belong to the company account, so two shops of one company must not derive the same. The card is a part of
      // the intent: after `PaymentRefused` another one may be tried.
      idempotency: Idempotency.keyed(
        ({ payload }) =>
          IdempotencyKey.derive(
            "pay",
            payload.merchantAccount,
            payload.reference,
            payload.paymentMethod.storedPaymentMethodId
          ),
        keptForAWeek
      ),
      translate: { ...refused, NotPaid: notPaid }
    }),
    refund: HttpOperation.endpoint(AdyenApi, "payments", "refund", {
      // The reference says what the customer returned: it tells two refunds of one payment apart.
      idempotency: Idempotency.keyed(
        ({ params, payload }) => IdempotencyKey.derive("refund", params.pspReference, payload.reference),
        keptForAWeek
      ),
      translate: refused
    }),
    methods: HttpOperation.endpoint(AdyenApi, "payments", "methods", {
      idempotency: Idempotency.readOnly("a POST that lists how a shopper may pay"),
      translate: refused
    })
  }
) {}

/** How every deployment reaches Adyen, and every test. */
export const connection = { auth: Auth.apiKey("X-API-Key", Config.Redacted("ADYEN_API_KEY")) }

/** Live accounts have a host of their own: https://docs.adyen.com/development-resources/live-endpoints. */
export const PaymentsLive = HttpIntegration.layer(Payments, { ...connection, baseUrl: Config.String("ADYEN_URL") })
