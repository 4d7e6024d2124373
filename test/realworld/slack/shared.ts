/**
 * What the three variants of the Slack slice share: the contract of `chat.postMessage` and `conversations.history`, the
 * application's error, and the comment that is to be announced in a channel.
 */
import { Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

// ---- the provider's contract

/** Slack keeps it with the message, and gives it back to the app that wrote it. */
const Metadata = Schema.Struct({
  event_type: Schema.String,
  event_payload: Schema.Record(Schema.String, Schema.String)
})

export const Message = Schema.Struct({
  channel: Schema.String,
  text: Schema.NonEmptyString,
  unfurl_links: Schema.optionalKey(Schema.Boolean),
  unfurl_media: Schema.optionalKey(Schema.Boolean),
  metadata: Schema.optionalKey(Metadata)
})

export const Posted = Schema.Struct({ ok: Schema.Literal(true), channel: Schema.String, ts: Schema.String })

export const History = Schema.Struct({
  ok: Schema.Literal(true),
  messages: Schema.Array(Schema.Struct({ ts: Schema.String, metadata: Schema.optionalKey(Metadata) }))
})

/** Slack reports errors with status 200. */
export const Refusal = Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })

export const isRefusal = Schema.is(Refusal)

/** Errors after which a message may or may not have been posted; after any other one it was not. */
export const inDoubt: ReadonlySet<string> = new Set([
  "fatal_error",
  "internal_error",
  "request_timeout",
  "service_unavailable"
])

/** Errors by which Slack asks to slow down. */
export const limits: ReadonlySet<string> = new Set(["ratelimited", "rate_limited"])

export class SlackApi extends HttpApi.make("slack").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("postMessage", "/api/chat.postMessage", { payload: Message, success: Posted })
  ),
  HttpApiGroup.make("conversations").add(
    HttpApiEndpoint.get("history", "/api/conversations.history", {
      query: {
        channel: Schema.String,
        oldest: Schema.String,
        limit: Schema.FiniteFromString,
        include_all_metadata: Schema.Literal("true")
      },
      success: History
    })
  )
) {}

export const baseUrl = "https://slack.com"
export const token = Redacted.make("xoxb-not-a-token")

// ---- the application

/** `step` is what was asked of Slack: `post` or `history`. */
export class SlackError extends Schema.TaggedError<SlackError>()("SlackError", {
  step: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  message: Schema.String
}) {}

export interface Comment {
  readonly id: string
  readonly channel: string
  readonly text: string
  /** Seconds since the epoch, as Slack's own timestamps are. */
  readonly writtenAt: string
}

export const comment: Comment = {
  id: "comment-17",
  channel: "C0COMMUNITY",
  text: "A new comment on *A review of something*",
  writtenAt: "0.000000"
}

/** The message, as the original file sends it. */
export const messageOf = ({ channel, text }: Comment): typeof Message.Type => ({
  channel,
  text,
  unfurl_links: true,
  unfurl_media: false
})

/** The message, with a mark by which it can be found again. */
export const markedMessageOf = (comment: Comment): typeof Message.Type => ({
  ...messageOf(comment),
  metadata: { event_type: "comment_shared", event_payload: { comment: comment.id } }
})

/** Where to look for it: among all that was said since the comment was written, up to the most that Slack gives at once. */
export const historyOf = ({ channel, writtenAt }: Comment) =>
  ({ channel, oldest: writtenAt, limit: 999, include_all_metadata: "true" }) as const

export const announcementOf = (history: typeof History.Type, comment: Comment) =>
  history.messages.find((message) => message.metadata?.event_payload["comment"] === comment.id)
