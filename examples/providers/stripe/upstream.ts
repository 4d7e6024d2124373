/**
 * Stripe, as its documentation describes it: credentials, versions, limits, keys, cards and refunds.
 *
 * - keys: https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/error-low-level#idempotency
 * - limits: https://docs.stripe.com/rate-limits
 * - errors: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
 * - cards: https://docs.stripe.com/testing
 */
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import {
  CardError,
  InvalidRequest,
  type NewPayment,
  type PaymentIntent,
  type Refund,
  ResourceMissing,
  StripeApi,
  version
} from "./api.ts"

export const secretKey = "sk_test_not_a_secret"

type ErrorType = "api_error" | "idempotency_error" | "invalid_request_error"

const problem = (type: ErrorType, message: string, code?: string) => ({
  error: { type, message, ...(code === undefined ? {} : { code }) }
})

const refuse = (status: number, message: string, code?: string) =>
  HttpServerResponse.jsonUnsafe(problem("invalid_request_error", message, code), { status })

/** A 500, before or after the card was charged, and what Stripe says about another try. */
interface Incident {
  readonly charged: boolean
  readonly shouldRetry?: "true" | "false"
}

const invalid = (param: string, message: string, code?: string) =>
  Effect.fail(
    new InvalidRequest({
      error: { type: "invalid_request_error", param, message, ...(code === undefined ? {} : { code }) }
    })
  )

/** Stripe's test cards, `pm_card_visa` apart. */
const declined: Readonly<Record<string, { readonly code: string; readonly decline_code?: string }>> = {
  pm_card_visa_chargeDeclined: { code: "card_declined", decline_code: "generic_decline" },
  pm_card_visa_chargeDeclinedInsufficientFunds: { code: "card_declined", decline_code: "insufficient_funds" },
  pm_card_chargeDeclinedExpiredCard: { code: "expired_card" }
}

export class FakeStripe extends Upstream.Service<FakeStripe>()("test/Stripe", StripeApi, {
  state: () => ({
    payments: new Map<string, typeof PaymentIntent.Type>(),
    refunds: new Map<string, typeof Refund.Type>(),
    /** Requests in each second of the clock. */
    seconds: new Map<number, number>(),
    /** What befalls the next payments. */
    incidents: Array<Incident>(),
    /** How long a charge takes at the card's issuer. */
    latency: 0
  }),

  headers: ({ wire }) => ({ "request-id": `req_${wire.index}` }),

  guard: ({ state, wire }) =>
    Effect.sync(() => {
      if (wire.headers["authorization"] !== `Bearer ${secretKey}`) {
        return refuse(401, "Invalid API Key provided")
      }
      // 25 requests a second in test mode. The limiter runs before the keys: a repeat may be limited, and is not stored.
      const second = Math.floor(wire.at / 1_000)
      const count = (state.seconds.get(second) ?? 0) + 1
      state.seconds.set(second, count)
      if (count > 25) return refuse(429, "Too many requests hit the API too quickly", "rate_limit")
      // From memory: the documentation does not say how a version that does not exist is answered.
      const asked = wire.headers["stripe-version"]
      if (asked !== undefined && asked !== version) {
        return refuse(400, `Invalid Stripe API version: ${asked}`)
      }
      if ((wire.key ?? "").length > 255) return refuse(400, "The key is longer than 255 characters")
      return undefined
    }),

  keys: KeyWindow.make({
    // A key of a GET or DELETE has no effect: they are idempotent by definition.
    methods: ["POST"],
    // Keys are removed when they are at least 24 hours old.
    lifetime: "24 hours",
    mismatch: {
      status: 400,
      body: problem("idempotency_error", "This key was first used with other parameters")
    },
    inFlight: {
      status: 409,
      body: problem("idempotency_error", "Another request with this key is in progress", "idempotency_key_in_use")
    },
    // Whatever the answer is, 500s and declined cards too; but not where a parameter was invalid, so that nothing began.
    stores: ({ status }) => status !== 400
  }),

  handlers: {
    paymentIntents: {
      create: ({ payload }, { changed, state }) =>
        Effect.gen(function* () {
          if (payload.amount < 50) return yield* invalid("amount", "Amount is too small", "amount_too_small")
          if (!/^[a-z]{3}$/.test(payload.currency)) {
            return yield* invalid("currency", `Invalid currency: ${payload.currency}`)
          }
          const incident = state.incidents.shift()
          if (incident?.charged === false) return broken(incident)
          yield* Effect.sleep(state.latency)
          const why = declined[payload.paymentMethod]
          if (why !== undefined) {
            return yield* new CardError({ error: { type: "card_error", ...why, message: "Your card was declined." } })
          }
          const payment = paymentOf(`pi_${state.payments.size + 1}`, payload)
          state.payments.set(payment.id, payment)
          if (incident === undefined) return payment
          yield* changed(true)
          return broken(incident)
        }),
      retrieve: ({ params }, { state }) => {
        const payment = state.payments.get(params.id)
        return payment === undefined
          ? Effect.fail(new ResourceMissing({ error: { type: "invalid_request_error", code: "resource_missing" } }))
          : Effect.succeed(payment)
      }
    },
    refunds: {
      create: ({ payload }, { state }) => {
        const payment = state.payments.get(payload.payment)
        if (payment === undefined) return invalid("payment_intent", "No such payment_intent", "resource_missing")
        const known = [...state.refunds.values()].filter(({ payment_intent }) => payment_intent === payment.id)
        const left = payment.amount - known.reduce((sum, { amount }) => sum + amount, 0)
        if (left === 0) return invalid("payment_intent", "It was refunded", "charge_already_refunded")
        if (payload.amount > left) return invalid("amount", `Only ${left} are left`, "amount_too_large")
        const refund: typeof Refund.Type = {
          id: `re_${state.refunds.size + 1}`,
          amount: payload.amount,
          payment_intent: payment.id,
          status: "succeeded"
        }
        state.refunds.set(refund.id, refund)
        return Effect.succeed(refund)
      }
    }
  }
}) {}

const broken = ({ shouldRetry }: Incident) =>
  HttpServerResponse.jsonUnsafe(problem("api_error", "An unknown error occurred"), {
    status: 500,
    headers: shouldRetry === undefined ? {} : { "stripe-should-retry": shouldRetry }
  })

const paymentOf = (id: string, payload: typeof NewPayment.Type): typeof PaymentIntent.Type => ({
  id,
  amount: payload.amount,
  currency: payload.currency,
  status: payload.confirm ? "succeeded" : "requires_confirmation",
  metadata: { order: payload.order }
})
