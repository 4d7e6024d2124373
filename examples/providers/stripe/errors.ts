/**
 * The application's errors: nothing of Stripe's is left in them, so they are the same whether Stripe is called over HTTP
 * (`integration.ts`) or through its SDK (`../stripe-sdk/`).
 */
import { Schema } from "effect"

/** The card was not charged. `code` says why, so that the customer can be told what to do. */
export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}

/** We asked for something that can't be done. Nothing happened. */
export class PaymentRefused extends Schema.TaggedError<PaymentRefused>()("PaymentRefused", {
  code: Schema.String,
  param: Schema.UndefinedOr(Schema.String)
}) {}

export class NoSuchPayment extends Schema.TaggedError<NoSuchPayment>()("NoSuchPayment", { id: Schema.String }) {}

/** Everything else. `outcome` says whether money moved; Stripe's support asks for `requestId`. */
export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  requestId: Schema.UndefinedOr(Schema.String)
}) {}
