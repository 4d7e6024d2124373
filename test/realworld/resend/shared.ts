/**
 * What the three variants of the Resend slice share: the SDK as a service, the schemas, the application's error, and the
 * invitation that is to be sent by mail.
 */
import { Context, Layer, Redacted, Schema } from "effect"
import * as Sdk from "./sdk.ts"

// ---- the provider's SDK and contract

/** The SDK's instance, as the original file takes it from a service of this name. */
export class EmailConfig extends Context.Service<EmailConfig, Sdk.Resend>()("nimblers/EmailConfig") {
  static readonly layer = Layer.effect(EmailConfig, Sdk.make(Redacted.make("re_not_a_key")))
}

export const Sent = Schema.Struct({ id: Schema.NonEmptyString })

/** How Resend says that a request is not acceptable. */
export const Refusal = Schema.Struct({
  name: Schema.String,
  statusCode: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 499 })),
  message: Schema.String
})

export const isRefusal = Schema.is(Refusal)

// ---- the application

export class EmailError extends Schema.TaggedError<EmailError>()("EmailError", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  message: Schema.String
}) {}

const Address = Schema.String.check(Schema.isPattern(/^[^@\s]+@[^@\s]+\.[^@\s]+$/))

export const Email = Schema.Struct({
  /** The invitation that this mail is for. It is not sent. */
  invitation: Schema.String,
  from: Schema.String,
  to: Address,
  subject: Schema.String,
  body: Schema.String
})

export const email: typeof Email.Type = {
  invitation: "invitation-17",
  from: "Nimblers <invitations@nimblers.example>",
  to: "ada@nimblers.example",
  subject: "You are invited",
  body: "<p>Join us.</p>"
}
