/**
 * What the three variants of the Twilio slice share: the contract of the Messages resource, the application's error, and
 * the text message that is to be sent.
 */
import { Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// ---- the provider's contract

const PhoneNumber = Schema.String.check(Schema.isPattern(/^\+[1-9]\d{1,14}$/))

export const NewMessage = Schema.Struct({ To: PhoneNumber, From: PhoneNumber, Body: Schema.NonEmptyString })

export const Message = Schema.Struct({
  sid: Schema.String,
  status: Schema.String,
  to: Schema.String,
  body: Schema.String,
  date_created: Schema.String,
  price: Schema.NullOr(Schema.String)
})

export const Messages = Schema.Struct({ messages: Schema.Array(Message) })

/** How Twilio says that a request is not acceptable. */
export const Refusal = Schema.Struct({
  code: Schema.Int,
  message: Schema.String,
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 499 }))
})

export const isRefusal = Schema.is(Refusal)

export const accountSid = "AC00000000000000000000000000000017"
export const authToken = Redacted.make("not-a-token")
export const baseUrl = `https://api.twilio.com/2010-04-01/Accounts/${accountSid}`

export class TwilioApi extends HttpApi.make("twilio").add(
  HttpApiGroup.make("messages").add(
    HttpApiEndpoint.get("list", "/Messages.json", {
      query: { To: PhoneNumber, PageSize: Schema.FiniteFromString },
      success: Messages
    }),
    HttpApiEndpoint.post("create", "/Messages.json", {
      payload: NewMessage.pipe(HttpApiSchema.asFormUrlEncoded()),
      success: Message.pipe(HttpApiSchema.status(201))
    })
  )
) {}

// ---- the application

/** `step` is what was asked of Twilio: `find` or `send`. */
export class MessageError extends Schema.TaggedError<MessageError>()("MessageError", {
  step: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  message: Schema.String
}) {}

export const notice: typeof NewMessage.Type = {
  To: "+15005550006",
  From: "+15005550001",
  Body: "Your order 1042 has been shipped."
}

/** How long it takes until a message that was accepted is seen in the list. */
export const settle = "5 seconds"

/** Twilio has no key and keeps no mark of ours: a message is known by its receiver and its text, which names the order. */
export const queryOf = ({ To }: typeof NewMessage.Type) => ({ To, PageSize: 50 })

export const messageOf = ({ messages }: typeof Messages.Type, { Body }: typeof NewMessage.Type) =>
  messages.find(({ body }) => body === Body)
