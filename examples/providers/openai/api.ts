/**
 * A slice of OpenAI's API as an Effect `HttpApi`: a chat completion that comes token by token, and the models there are.
 *
 * - https://platform.openai.com/docs/api-reference/chat/create, …/chat-streaming
 * - https://platform.openai.com/docs/api-reference/models/list
 * - https://platform.openai.com/docs/guides/error-codes
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

export const Message = Schema.Struct({
  role: Schema.Literals(["developer", "user", "assistant"]),
  content: Schema.String
})

export const NewCompletion = Schema.Struct({
  model: Schema.String,
  messages: Schema.NonEmptyArray(Message),
  max_completion_tokens: Schema.optionalKey(Schema.Int),
  stream: Schema.Literal(true),
  /** One more chunk before the end tells how many tokens are paid for. It has no choices. */
  stream_options: Schema.Struct({ include_usage: Schema.Literal(true) })
})

// ---- answers: what we use of them. The rest is not looked at, so OpenAI may add to it.

export const Chunk = Schema.Struct({
  id: Schema.String,
  model: Schema.String,
  choices: Schema.Array(
    Schema.Struct({
      index: Schema.Int,
      delta: Schema.Struct({ content: Schema.optionalKey(Schema.NullOr(Schema.String)) }),
      /** `stop`, `length`, `content_filter` and others: OpenAI may add one at any time, so the list is not closed. */
      finish_reason: Schema.NullOr(Schema.String)
    })
  ),
  usage: Schema.optionalKey(Schema.NullOr(Schema.Struct({ prompt_tokens: Schema.Int, completion_tokens: Schema.Int })))
})

/** Models are not paged: the answer is the whole list. */
export const Models = Schema.Struct({
  data: Schema.Array(Schema.Struct({ id: Schema.String, owned_by: Schema.String }))
})

// ---- errors: `{ error: { message, type, param, code } }`. The tags are ours, and not a part of the body.

const told = Schema.Struct({
  message: Schema.String,
  type: Schema.String,
  param: Schema.optionalKey(Schema.NullOr(Schema.String)),
  code: Schema.optionalKey(Schema.NullOr(Schema.String))
})

export class InvalidRequest extends Schema.Error<InvalidRequest>("openai/InvalidRequest")(
  { _tag: Schema.tagDefaultOmit("InvalidRequest"), error: told },
  { httpApiStatus: 400 }
) {}

export class Unauthorized extends Schema.Error<Unauthorized>("openai/Unauthorized")(
  { _tag: Schema.tagDefaultOmit("Unauthorized"), error: told },
  { httpApiStatus: 401 }
) {}

export class Forbidden extends Schema.Error<Forbidden>("openai/Forbidden")(
  { _tag: Schema.tagDefaultOmit("Forbidden"), error: told },
  { httpApiStatus: 403 }
) {}

export class NotFound extends Schema.Error<NotFound>("openai/NotFound")(
  { _tag: Schema.tagDefaultOmit("NotFound"), error: told },
  { httpApiStatus: 404 }
) {}

/**
 * What went wrong after the status: the same object, as an event like any other. The reference does not describe it; this
 * is what OpenAI's own SDKs look for before they look for a chunk.
 */
export class Failure extends Schema.Error<Failure>("openai/Failure")({
  _tag: Schema.tagDefaultOmit("Failure"),
  error: told
}) {}

export class OpenAiApi extends HttpApi.make("openai").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("completions", "/v1/chat/completions", {
      payload: NewCompletion,
      success: HttpApiSchema.StreamSse({ data: Chunk, error: Failure }),
      error: [InvalidRequest, Unauthorized, Forbidden, NotFound]
    })
  ),
  HttpApiGroup.make("models").add(
    HttpApiEndpoint.get("list", "/v1/models", { success: Models, error: [Unauthorized, Forbidden] })
  )
) {}
