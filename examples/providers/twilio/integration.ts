/**
 * Text messages by Twilio: the application's own words and errors, and what Twilio's codes mean.
 */
import { type CallFailure, Exhaustion, Idempotency, Integration, Policy } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Effect, Option, Schema, Stream } from "effect"
import { type BadRequest, type NewMessage, Place, TwilioApi } from "./api.ts"

// ---- the application's errors: nothing of Twilio's is left in them

/** They answered STOP. Until they answer START, nothing reaches them, and the law says that we stop trying. */
export class OptedOut extends Schema.TaggedError<OptedOut>()("OptedOut", { to: Schema.String }) {}

/** No number that can get a text: take it off the list. */
export class NoSuchNumber extends Schema.TaggedError<NoSuchNumber>()("NoSuchNumber", { to: Schema.String }) {}

/** Anything else that Twilio turned away, by its code. Nothing was sent. */
export class SmsRefused extends Schema.TaggedError<SmsRefused>()("SmsRefused", { code: Schema.Int }) {}

/** No answer that can be used. `outcome` says whether the message may be on its way all the same. */
export class SmsUnavailable extends Schema.TaggedError<SmsUnavailable>()("SmsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  retryAfter: Schema.UndefinedOr(Schema.Duration)
}) {}

const refused = ({ code }: { readonly code: number }) => new SmsRefused({ code })

/** https://www.twilio.com/docs/api/errors/21610, …/21211, …/21614 */
const notSent = ({ code }: BadRequest, { payload: { to } }: { readonly payload: typeof NewMessage.Type }) => {
  switch (code) {
    case 21_610:
      return new OptedOut({ to })
    case 21_211:
    case 21_614:
      return new NoSuchNumber({ to })
  }
  return refused({ code })
}

// ---- the integration

export class Sms extends Integration.Service<Sms>()(
  "shop/Sms",
  {
    policy: Policy.standard(),
    // Twilio limits how many requests of an account run at once, and says 429 (20429) above that: "this request is never
    // processed", so breakwater repeats it, whatever it would have sent.
    shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: { concurrency: 20, queue: 200 } }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, retryAfter }: CallFailure.CallFailure) => new SmsUnavailable({ outcome, retryAfter })
  },
  {
    send: HttpOperation.endpoint(TwilioApi, "messages", "create", {
      // The resource documents no key. `I-Twilio-Idempotency-Token` is what Twilio sends with webhooks.
      idempotency: Idempotency.atMostOnce("a message has no idempotency key, and nobody wants the same text twice"),
      translate: { BadRequest: notSent, Unauthorized: refused }
    }),
    list: HttpOperation.endpoint(TwilioApi, "messages", "list", {
      translate: { BadRequest: refused, Unauthorized: refused }
    })
  }
) {}

/** Only the query of the link is used: credentials must not be sent to whatever a body names. */
const placeIn = (uri: string): Option.Option<Place> =>
  Schema.decodeOption(Place)(Object.fromEntries(new URLSearchParams(uri.slice(uri.indexOf("?") + 1))))

/** Every message to a number, newest first, page by page, as far as the stream is pulled. */
export const messagesTo = (to: string) =>
  Stream.paginate({}, (place: Place) =>
    Effect.gen(function* () {
      const sms = yield* Sms
      const { messages, next_page_uri } = yield* sms.list({ query: { To: to, PageSize: 100, ...place } })
      return [messages, Option.flatMap(Option.fromNullOr(next_page_uri), placeIn)] as const
    })
  )

/** How every deployment reaches an account, and every test. */
export const connection = (accountSid: string) => ({
  auth: Auth.basic(accountSid, Config.Redacted("TWILIO_AUTH_TOKEN"))
})

export const smsLive = (accountSid: string) =>
  HttpIntegration.layer(Sms, {
    ...connection(accountSid),
    baseUrl: `https://api.twilio.com/2010-04-01/Accounts/${accountSid}`
  })
