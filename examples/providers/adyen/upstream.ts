/**
 * Adyen's Checkout, as its documentation describes it: credentials, keys, transient errors and refusals.
 *
 * - keys: https://docs.adyen.com/development-resources/api-idempotency
 * - refusals: https://docs.adyen.com/development-resources/refusal-reasons
 * - errors: https://docs.adyen.com/development-resources/error-codes and …/response-handling
 *
 * Not documented, and so a guess: what becomes of a key that comes with another request (here 704, as for one that was
 * processed), and of one that is too long.
 */
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { AdyenApi, NotPaid, type Payment, type Refund, Unprocessable } from "./api.ts"

export const apiKey = "AQE-not-a-real-key"
export const merchantAccount = "ShopEU"

/** What befalls a payment: an error before or after money moved, and whether Adyen calls it transient. */
interface Incident {
  readonly paid: boolean
  readonly transient: boolean
}

const told = (status: number, errorCode: string, message: string, errorType: string) => ({
  status,
  errorCode,
  message,
  errorType
})

const refuse = (status: number, code: string, message: string, type: string, transient?: boolean) =>
  HttpServerResponse.jsonUnsafe(told(status, code, message, type), {
    status,
    headers: transient === undefined ? {} : { "transient-error": String(transient) }
  })

const invalid = (code: string, message: string) =>
  Effect.fail(new Unprocessable({ ...told(422, code, message, "validation"), pspReference: "F7WCWRG6JPHR8HG2" }))

const processed = told(409, "704", "request already processed or in progress", "validation")

export class FakeAdyen extends Upstream.Service<FakeAdyen>()("test/Adyen", AdyenApi, {
  basePath: "/v72",

  state: () => ({
    payments: new Map<string, typeof Payment.Type & { readonly value: number }>(),
    refunds: Array<typeof Refund.Type & { readonly value: number }>(),
    /** What befalls the next payments. */
    incidents: Array<Incident>(),
    /** How long a payment takes at the card's issuer. */
    latency: 0
  }),

  // "Check the idempotency-key HTTP header returned in the response." It is there the first time too.
  headers: ({ wire }): Record<string, string> => (wire.key === undefined ? {} : { "idempotency-key": wire.key }),

  guard: ({ wire }) =>
    Effect.sync(() => {
      if (wire.headers["x-api-key"] !== apiKey) {
        return refuse(401, "000", "HTTP Status Response - Unauthorized", "security")
      }
      return (wire.key ?? "").length > 64 ? refuse(422, "702", "The key is too long", "validation") : undefined
    }),

  keys: KeyWindow.make({
    // "Other request types such as GET, DELETE and PUT are idempotent by definition."
    methods: ["POST"],
    lifetime: "7 days",
    replayHeader: false,
    mismatch: { status: 422, body: { ...processed, status: 422 } },
    inFlight: { status: 409, headers: { "transient-error": "true" }, body: processed },
    // A transient error can be retried "using the same idempotency key", so it is not the key's answer.
    stores: ({ headers }) => headers?.["transient-error"] !== "true"
  }),

  handlers: {
    payments: {
      create: ({ payload }, { changed, state }) =>
        Effect.gen(function* () {
          if (payload.merchantAccount !== merchantAccount) return yield* invalid("901", "Invalid Merchant Account")
          if (payload.amount.value < 0) return yield* invalid("137", "Invalid amount specified")
          const incident = state.incidents.shift()
          if (incident?.paid === false) return broken(incident)
          yield* Effect.sleep(state.latency)
          const pspReference = `PSP${String(state.payments.size + 1).padStart(13, "0")}`
          // Test cards say by their name what becomes of them: https://docs.adyen.com/development-resources/testing
          if (payload.paymentMethod.storedPaymentMethodId === "card-without-money") {
            return yield* new NotPaid({ pspReference, resultCode: "Refused", refusalReasonCode: "12" })
          }
          const payment = { pspReference, resultCode: "Authorised" }
          state.payments.set(pspReference, { ...payment, value: payload.amount.value })
          if (incident === undefined) return payment
          yield* changed(true)
          return broken(incident)
        }),
      refund: ({ params, payload }, { state }) => {
        const payment = state.payments.get(params.pspReference)
        if (payment === undefined) return invalid("167", "Original pspReference required for this operation")
        const refunded = state.refunds
          .filter(({ paymentPspReference }) => paymentPspReference === params.pspReference)
          .reduce((sum, { value }) => sum + value, 0)
        // "By default the total refunded value cannot exceed the captured amount."
        if (refunded + payload.amount.value > payment.value) return invalid("137", "Invalid amount specified")
        const refund = {
          pspReference: `PSR${String(state.refunds.length + 1).padStart(13, "0")}`,
          paymentPspReference: params.pspReference,
          status: "received"
        } as const
        state.refunds.push({ ...refund, value: payload.amount.value })
        return Effect.succeed(refund)
      },
      methods: (_request, { changed }) =>
        Effect.as(changed(false), { paymentMethods: [{ type: "scheme", name: "Cards" }] })
    }
  }
}) {}

const broken = ({ paid, transient }: Incident) =>
  paid
    ? refuse(500, "905", "Payment details are not supported", "internal", transient)
    : refuse(503, "703", "required resource temporarily unavailable", "internal", transient)
