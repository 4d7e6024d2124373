/**
 * A slice of Twilio's API for messages as an Effect `HttpApi`: send an SMS, list what was sent. It stands below an
 * account, `https://api.twilio.com/2010-04-01/Accounts/{AccountSid}`.
 *
 * - https://www.twilio.com/docs/messaging/api/message-resource
 * - https://www.twilio.com/docs/usage/twilios-response
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

/** A form, with names in capitals. */
export const NewMessage = Schema.Struct({
  /** E.164: `+` and digits. */
  to: Schema.String,
  from: Schema.String,
  body: Schema.String
}).pipe(Schema.encodeKeys({ to: "To", from: "From", body: "Body" }), HttpApiSchema.asFormUrlEncoded())

export const Message = Schema.Struct({
  sid: Schema.String,
  to: Schema.String,
  body: Schema.String,
  /** `queued`, `sent`, `delivered`, `undelivered` and others: Twilio may add one, so the list is not closed. */
  status: Schema.String,
  /** Why it failed after it was accepted. */
  error_code: Schema.NullOr(Schema.Int)
})

/** Where a page of a list begins, in the query of `next_page_uri`. */
export const Place = Schema.Struct({
  Page: Schema.optionalKey(Schema.String),
  PageToken: Schema.optionalKey(Schema.String)
})
export type Place = typeof Place.Type

export const Messages = Schema.Struct({
  messages: Schema.Array(Message),
  /** Path and query, without the host. */
  next_page_uri: Schema.NullOr(Schema.String)
})

// ---- errors: one shape for all. The tag is ours, and not a part of the body.

const told = { code: Schema.Int, message: Schema.String, more_info: Schema.String, status: Schema.Int }

/** `code` says what is wrong: https://www.twilio.com/docs/api/errors */
export class BadRequest extends Schema.Error<BadRequest>("twilio/BadRequest")(
  { _tag: Schema.tagDefaultOmit("BadRequest"), ...told },
  { httpApiStatus: 400 }
) {}

export class Unauthorized extends Schema.Error<Unauthorized>("twilio/Unauthorized")(
  { _tag: Schema.tagDefaultOmit("Unauthorized"), ...told },
  { httpApiStatus: 401 }
) {}

export class TwilioApi extends HttpApi.make("twilio").add(
  HttpApiGroup.make("messages").add(
    HttpApiEndpoint.post("create", "/Messages.json", {
      payload: NewMessage,
      success: Message.pipe(HttpApiSchema.status(201)),
      error: [BadRequest, Unauthorized]
    }),
    HttpApiEndpoint.get("list", "/Messages.json", {
      query: {
        To: Schema.optionalKey(Schema.String),
        PageSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })),
        ...Place.fields
      },
      success: Messages,
      error: [BadRequest, Unauthorized]
    })
  )
) {}
