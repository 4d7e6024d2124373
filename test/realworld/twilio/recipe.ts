/**
 * nimblerscode/nimblers: `src/infrastructure/messaging/twilio/api-client.ts` (the version that calls `fetch`).
 *
 * Kept: the input is validated; a form is posted by a plain `fetch` that knows no signal; what is not 2xx is thrown with
 * Twilio's message; every rejection becomes one error of the application's, whatever it was; the answer is rebuilt field
 * by field, and the result validated; one span. The application's errors do not say whether the message was sent. Left
 * out: the optional fields of the form, and the other methods.
 */
import { Data, Effect, Redacted, Schema } from "effect"
import * as PromiseClient from "../PromiseClient.ts"
import { accountSid, authToken, baseUrl, NewMessage, notice } from "./shared.ts"

class MessageProviderError extends Data.TaggedError("MessageProviderError")<{
  readonly message: string
  readonly providerId: string
  readonly cause: unknown
}> {}

class MessageValidationError extends Data.TaggedError("MessageValidationError")<{ readonly message: string }> {}

const Output = Schema.Struct({
  sid: Schema.String,
  status: Schema.String,
  dateCreated: Schema.Date,
  price: Schema.optional(Schema.String)
})

// What the original has as `any`.
interface Json {
  readonly [field: string]: never
}

const handleTwilioResponse = async (response: PromiseClient.FetchResponse): Promise<Json> => {
  if (!response.ok) {
    const { code, message, more_info } = (await response.json().catch(() => ({}))) as Json
    throw new MessageProviderError({
      message: `Twilio API error ${response.status}: ${message}`,
      providerId: "twilio",
      cause: { status: response.status, code, message, moreInfo: more_info }
    })
  }
  return (await response.json()) as Json
}

const sendMessage = Effect.fn("TwilioApiClient.sendMessage")(function* (input: unknown) {
  const client = yield* PromiseClient.make
  const message = yield* Schema.decodeUnknownEffect(NewMessage)(input).pipe(
    Effect.mapError((error) => new MessageValidationError({ message: `Invalid input parameters: ${error.message}` }))
  )
  const result = yield* Effect.tryPromise({
    try: async () => {
      const response = await client.fetch(`${baseUrl}/Messages.json`, {
        method: "POST",
        headers: {
          authorization: `Basic ${btoa(`${accountSid}:${Redacted.value(authToken)}`)}`,
          "content-type": "application/x-www-form-urlencoded"
        },
        body: new URLSearchParams(message).toString()
      })
      return await handleTwilioResponse(response)
    },
    catch: (error) =>
      new MessageProviderError({
        message: `Twilio sendMessage failed: ${error instanceof Error ? error.message : String(error)}`,
        providerId: "twilio",
        cause: error
      })
  })
  return yield* Schema.decodeUnknownEffect(Output)({
    sid: result["sid"],
    status: result["status"],
    dateCreated: new Date(result["date_created"]!),
    price: result["price"] || undefined
  }).pipe(
    Effect.mapError((error) => new MessageValidationError({ message: `Invalid Twilio response: ${error.message}` }))
  )
})

export const recipe = sendMessage(notice)
