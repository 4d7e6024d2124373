/**
 * A slice of SendGrid's Web API v3 as an Effect `HttpApi`: send a mail, list what bounced.
 *
 * - https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
 * - https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

const Address = Schema.Struct({ email: Schema.String, name: Schema.optionalKey(Schema.String) })

export const Mail = Schema.Struct({
  personalizations: Schema.NonEmptyArray(Schema.Struct({ to: Schema.NonEmptyArray(Address) })),
  from: Address,
  subject: Schema.NonEmptyString,
  content: Schema.NonEmptyArray(
    Schema.Struct({ type: Schema.Literals(["text/plain", "text/html"]), value: Schema.NonEmptyString })
  )
})

/** 202, an empty body, and the mail's name in a header. */
export const Accepted = HttpApiSchema.WithHeaders(HttpApiSchema.Empty(202), { "x-message-id": Schema.String })

export const Bounce = Schema.Struct({
  email: Schema.String,
  reason: Schema.String,
  status: Schema.String,
  /** In seconds. */
  created: Schema.Int
})

// ---- errors: a list. The tag is ours, and not a part of the body.

const told = {
  errors: Schema.Array(
    Schema.Struct({ message: Schema.String, field: Schema.optionalKey(Schema.NullOr(Schema.String)) })
  )
}

export class BadRequest extends Schema.Error<BadRequest>("sendgrid/BadRequest")(
  { _tag: Schema.tagDefaultOmit("BadRequest"), ...told },
  { httpApiStatus: 400 }
) {}

export class Unauthorized extends Schema.Error<Unauthorized>("sendgrid/Unauthorized")(
  { _tag: Schema.tagDefaultOmit("Unauthorized"), ...told },
  { httpApiStatus: 401 }
) {}

/** The sender was not verified, or too many bad requests came before: "you are temporarily blocked". */
export class Forbidden extends Schema.Error<Forbidden>("sendgrid/Forbidden")(
  { _tag: Schema.tagDefaultOmit("Forbidden"), ...told },
  { httpApiStatus: 403 }
) {}

export class SendGridApi extends HttpApi.make("sendgrid").add(
  HttpApiGroup.make("mail").add(
    HttpApiEndpoint.post("send", "/v3/mail/send", {
      payload: Mail,
      success: Accepted,
      error: [BadRequest, Unauthorized, Forbidden]
    })
  ),
  HttpApiGroup.make("bounces").add(
    HttpApiEndpoint.get("list", "/v3/suppression/bounces", {
      query: { limit: Schema.FiniteFromString, offset: Schema.FiniteFromString },
      success: HttpApiSchema.WithHeaders(Schema.Array(Bounce), { link: Schema.optionalKey(Schema.String) }),
      error: [Unauthorized, Forbidden]
    })
  )
) {}
