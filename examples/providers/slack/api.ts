/**
 * A slice of Slack's Web API as an Effect `HttpApi`: post a message, list channels. Slack answers everything with status
 * 200, but for its limits; `ok` says whether it went well.
 *
 * - https://docs.slack.dev/reference/methods/chat.postMessage, …/conversations.list
 * - https://docs.slack.dev/apis/web-api/#responses
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

export const Message = Schema.Struct({
  /** The id of a channel. */
  channel: Schema.String,
  text: Schema.NonEmptyString
})

export const Posted = Schema.Struct({
  ok: Schema.Literal(true),
  channel: Schema.String,
  /** The message's name within its channel, and its time in seconds. */
  ts: Schema.String,
  /** What Slack did otherwise than asked, such as `message_truncated`. */
  response_metadata: Schema.optionalKey(Schema.Struct({ warnings: Schema.optionalKey(Schema.Array(Schema.String)) }))
})

export const Channel = Schema.Struct({ id: Schema.String, name: Schema.String, is_member: Schema.Boolean })

export const Channels = Schema.Struct({
  ok: Schema.Literal(true),
  channels: Schema.Array(Channel),
  /** An empty cursor is the end of the list. */
  response_metadata: Schema.Struct({ next_cursor: Schema.String })
})

/** An error with status 200. The tag is ours, and not a part of the body. */
export class Refusal extends Schema.Error<Refusal>("Refusal")(
  { _tag: Schema.tagDefaultOmit("Refusal"), ok: Schema.Literal(false), error: Schema.String },
  { httpApiStatus: 200 }
) {}

export class SlackApi extends HttpApi.make("slack").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("postMessage", "/chat.postMessage", { payload: Message, success: Posted, error: Refusal })
  ),
  HttpApiGroup.make("conversations").add(
    HttpApiEndpoint.get("list", "/conversations.list", {
      query: { limit: Schema.FiniteFromString, cursor: Schema.optional(Schema.String) },
      success: Channels,
      error: Refusal
    })
  )
) {}
