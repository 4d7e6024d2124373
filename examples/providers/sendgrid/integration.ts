/**
 * Mails by SendGrid: the application's own words and errors, and what SendGrid's answers mean.
 */
import { Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, DateTime, Effect, Option, Schema, Stream } from "effect"
import { type BadRequest, SendGridApi } from "./api.ts"

// ---- the application's errors: nothing of SendGrid's is left in them

/** The mail can't be sent as it is. The fields are SendGrid's names; nothing of the mail stands in them. */
export class MailRefused extends Schema.TaggedError<MailRefused>()("MailRefused", {
  fields: Schema.Array(Schema.String)
}) {}

/** The key is wrong or lacks a scope, the sender is not verified, or we are blocked: nothing for a caller to mend. */
export class MailNotAllowed extends Schema.TaggedError<MailNotAllowed>()("MailNotAllowed", {}) {}

/** No answer that can be used. `outcome` says whether the mail may be on its way all the same. */
export class MailUnavailable extends Schema.TaggedError<MailUnavailable>()("MailUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  retryAfter: Schema.UndefinedOr(Schema.Duration)
}) {}

const notAllowed = () => new MailNotAllowed()
const refused = ({ errors }: BadRequest) => new MailRefused({ fields: errors.flatMap(({ field }) => field ?? []) })

// ---- limits

/**
 * A limit is told by `X-RateLimit-Reset`, an epoch in seconds, and not by `Retry-After`: "you will no longer be able to
 * make request against that endpoint for the duration of that refresh period".
 * https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
 */
export const classifyErrors: HttpIntegration.Classify = (status, headers) => {
  if (status !== 429 || headers["retry-after"] !== undefined) return undefined
  // Read against the provider's own clock. Without it the backoff alone must do.
  const sent = Option.getOrUndefined(DateTime.make(headers["date"] ?? ""))
  if (sent === undefined) return undefined
  return Reason.throttled({ retryAfter: Reason.limitFromHeaders(headers, DateTime.toEpochMillis(sent))?.resetAfter })
}

// ---- the integration

export class Mails extends Integration.Service<Mails>()(
  "shop/Mails",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse: ({ outcome, retryAfter }) => new MailUnavailable({ outcome, retryAfter })
  },
  {
    send: HttpOperation.endpoint(SendGridApi, "mail", "send", {
      // A mail that comes twice is worse than one that somebody has to ask for again. Where it is not, the event webhook
      // says what became of it.
      idempotency: Idempotency.atMostOnce("mail/send takes no idempotency key"),
      translate: { BadRequest: refused, Unauthorized: notAllowed, Forbidden: notAllowed }
    }),
    bounces: HttpOperation.endpoint(SendGridApi, "bounces", "list", {
      translate: { Unauthorized: notAllowed, Forbidden: notAllowed }
    })
  }
) {}

/** Where the next page begins: only the offset of `rel="next"` is used, for a key must not follow a link. */
const nextOf = (link: string | undefined): Option.Option<number> =>
  Option.map(Option.fromUndefinedOr(/<[^>]*[?&]offset=(\d+)[^>]*>;\s*rel="next"/.exec(link ?? "")?.[1]), Number)

/** Every address that bounced, page by page, as far as the stream is pulled. */
export const allBounces = Stream.paginate(0, (offset) =>
  Effect.gen(function* () {
    const mails = yield* Mails
    const { body, headers } = yield* mails.bounces({ query: { limit: 500, offset } })
    // A link that does not lead on would never end.
    return [body, Option.filter(nextOf(headers.link), (next) => next > offset)] as const
  })
)

/** How every deployment reaches SendGrid, and every test. */
export const connection = {
  auth: Auth.bearer(Config.Redacted("SENDGRID_API_KEY")),
  headers: { accept: "application/json" },
  requestIdHeaders: ["x-message-id"]
}

export const MailsLive = HttpIntegration.layer(Mails, { ...connection, baseUrl: "https://api.sendgrid.com" })
