/**
 * Everything that a step of the checkout may fail with. Each member says whether its effect happened (`outcome`), and
 * carries the status under which the checkout's own API reports it. An error outside this list is "untyped".
 */
import { type Duration, Option, Predicate, Schema, SchemaGetter } from "effect"

/** Did the effect happen? The same four words as breakwater's `Outcome`, as part of the checkout's own contract. */
export const Outcome = Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
export type Outcome = typeof Outcome.Type

/** A provider said no: the effect did not happen. */
const refused = Schema.tag("Refused")

export class OutOfStock extends Schema.TaggedError<OutOfStock>()(
  "OutOfStock",
  { sku: Schema.String, outcome: refused },
  { httpApiStatus: 409 }
) {
  override get message(): string {
    return `${this.sku} is out of stock`
  }
}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()(
  "CardDeclined",
  { code: Schema.String, outcome: refused },
  { httpApiStatus: 402 }
) {
  override get message(): string {
    return `the card was declined (${this.code})`
  }
}

export class AddressRejected extends Schema.TaggedError<AddressRejected>()(
  "AddressRejected",
  { reason: Schema.String, outcome: refused },
  { httpApiStatus: 422 }
) {
  override get message(): string {
    return `the receipt cannot be sent: ${this.reason}`
  }
}

/** Milliseconds on the wire, and left out there (not `null`) when the provider gave no hint. */
const retryAfter = Schema.optionalKey(Schema.DurationFromMillis).pipe(
  Schema.decodeTo(Schema.optional(Schema.Duration), {
    decode: SchemaGetter.passthrough(),
    encode: SchemaGetter.transformOptional<Duration.Duration, Duration.Duration | undefined>(
      Option.filter(Predicate.isNotUndefined)
    )
  })
)

/**
 * A provider failed us, whatever its own status or transport error was. 424 ("failed dependency") is ours alone: none
 * of the providers sends it.
 */
const unavailable = { outcome: Outcome, retryAfter }

export class InventoryUnavailable extends Schema.TaggedError<InventoryUnavailable>()(
  "InventoryUnavailable",
  unavailable,
  { httpApiStatus: 424 }
) {
  override get message(): string {
    return `the inventory did not answer as agreed; reservation: ${this.outcome}`
  }
}

export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", unavailable, {
  httpApiStatus: 424
}) {
  override get message(): string {
    return `the card provider did not answer as agreed; charge: ${this.outcome}`
  }
}

export class MailUnavailable extends Schema.TaggedError<MailUnavailable>()("MailUnavailable", unavailable, {
  httpApiStatus: 424
}) {
  override get message(): string {
    return `the mail provider did not answer as agreed; receipt: ${this.outcome}`
  }
}

export const CheckoutError = Schema.Union([
  OutOfStock,
  CardDeclined,
  AddressRejected,
  InventoryUnavailable,
  PaymentsUnavailable,
  MailUnavailable
])
export type CheckoutError = typeof CheckoutError.Type

export const isCheckoutError: (error: unknown) => error is CheckoutError = Schema.is(CheckoutError)
