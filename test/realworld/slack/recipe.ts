/**
 * PREreview/prereview.org: `src/ExternalApis/Slack/ChatPostMessage/{index,CreateRequest,HandleResponse}.ts`.
 *
 * Kept: one POST of the encoded message with the bot's token; the answer is decoded as the union of `ok: true` and
 * `ok: false`, whatever its status; `ok: false` becomes the application's own error; every other error passes through.
 * No limit on time, no retry, no span. Left out: the service and layer around it.
 */
import { Effect, flow, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { baseUrl, comment, Message, messageOf, Posted, Refusal, SlackError, token } from "./shared.ts"

const createRequest = (message: typeof Message.Type) =>
  HttpClientRequest.post(`${baseUrl}/api/chat.postMessage`).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.bearerToken(token),
    HttpClientRequest.schemaBodyJson(Message)(message)
  )

const handleResponse = flow(
  HttpClientResponse.schemaBodyJson(Schema.Union([Posted, Refusal])),
  Effect.flatMap((response) =>
    response.ok
      ? Effect.succeed({ channel: response.channel, ts: response.ts })
      : Effect.fail(new SlackError({ step: "post", outcome: "Refused", message: response.error }))
  )
)

const chatPostMessage = flow(createRequest, Effect.flatMap(HttpClient.execute), Effect.flatMap(handleResponse))

export const recipe = chatPostMessage(messageOf(comment))
