/**
 * A bot in Slack: the application's own words and errors, and what Slack's answers mean.
 */
import { Exhaustion, Idempotency, Integration, Pages, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Effect, Schema, Stream } from "effect"
import { type Message, type Refusal, SlackApi } from "./api.ts"

// ---- the application's errors: nothing of Slack's is left in them

export class NoSuchChannel extends Schema.TaggedError<NoSuchChannel>()("NoSuchChannel", { channel: Schema.String }) {}

/** Somebody must invite the bot first. */
export class NotInChannel extends Schema.TaggedError<NotInChannel>()("NotInChannel", { channel: Schema.String }) {}

export class MessageTooLong extends Schema.TaggedError<MessageTooLong>()("MessageTooLong", {}) {}

/** The bot's token is wrong, revoked, or lacks a scope: nothing for a caller to mend. */
export class BotNotAllowed extends Schema.TaggedError<BotNotAllowed>()("BotNotAllowed", { code: Schema.String }) {}

/** Anything else that Slack turned away. */
export class SlackRefused extends Schema.TaggedError<SlackRefused>()("SlackRefused", { code: Schema.String }) {}

/** No answer that can be used. `outcome` says whether the message may stand in the channel all the same. */
export class SlackUnavailable extends Schema.TaggedError<SlackUnavailable>()("SlackUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  reason: Schema.String,
  retryAfter: Schema.UndefinedOr(Schema.Duration)
}) {}

const notAllowed: ReadonlySet<string> = new Set([
  "account_inactive",
  "invalid_auth",
  "missing_scope",
  "not_authed",
  "token_expired",
  "token_revoked"
])

const refused = ({ error }: Refusal) =>
  notAllowed.has(error) ? new BotNotAllowed({ code: error }) : new SlackRefused({ code: error })

/** Slack does not say which channel: that stands in the call's input. */
const notPosted = (refusal: Refusal, { payload: { channel } }: { readonly payload: typeof Message.Type }) => {
  switch (refusal.error) {
    case "channel_not_found":
      return new NoSuchChannel({ channel })
    case "not_in_channel":
      return new NotInChannel({ channel })
    case "msg_too_long":
      return new MessageTooLong()
  }
  return refused(refusal)
}

// ---- errors that are no refusal, with status 200 like all of them

const isRefusal = Schema.is(Schema.Struct({ ok: Schema.Literal(false), error: Schema.String }))

/** "It's possible some aspect of the operation succeeded before the error was raised", or nobody says that it did not. */
const inDoubt: ReadonlySet<string> = new Set([
  "fatal_error",
  "internal_error",
  "service_unavailable",
  "team_added_to_org"
])

const classify: HttpIntegration.Classify = (_status, _headers, body) => {
  if (!isRefusal(body)) return undefined
  const message = body.error
  // A limit has status 429 and `Retry-After` as a rule, which breakwater reads by itself.
  if (message === "ratelimited" || message === "rate_limited") return Reason.throttled({ message })
  // "The POST data was either missing or truncated."
  if (message === "request_timeout") return Reason.notProcessed({ message })
  if (inDoubt.has(message)) return Reason.unavailable({ message })
  // The contract declares the rest: Slack refused it.
  return undefined
}

// ---- the integration

export class Slack extends Integration.Service<Slack>()(
  "bot/Slack",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classify,
    orElse: ({ outcome, reason, retryAfter }) => new SlackUnavailable({ outcome, reason: reason.message, retryAfter })
  },
  {
    post: HttpOperation.endpoint(SlackApi, "chat", "postMessage", {
      // A message that was not posted is missed less than one that stands there twice.
      idempotency: Idempotency.atMostOnce("chat.postMessage takes no idempotency key"),
      translate: { Refusal: notPosted }
    }),
    channels: HttpOperation.endpoint(SlackApi, "conversations", "list", { translate: { Refusal: refused } })
  }
) {}

/** All channels, page by page, as far as the stream is pulled. "Recommended: no more than 200 results at a time." */
export const channels = Stream.unwrap(
  Effect.map(Slack, (slack) =>
    Pages.byCursor({
      read: (cursor) => slack.channels({ query: { limit: 200, cursor } }),
      items: (page) => page.channels,
      next: (page) => page.response_metadata.next_cursor
    }).pipe(Pages.items)
  )
)

/** How every deployment reaches Slack, and every test. */
export const connection = {
  auth: Auth.bearer(Config.Redacted("SLACK_BOT_TOKEN")),
  requestIdHeaders: ["x-slack-req-id"]
}

export const SlackLive = HttpIntegration.layer(Slack, { ...connection, baseUrl: "https://slack.com/api" })
