/**
 * `openai`: reads a model, and makes a response, for which OpenAI documents no key.
 */
import { Idempotency, Integration, Operation, Reason } from "breakwater"
import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import { APIConnectionError, APIError, OpenAI } from "openai"
import { fetchOnce } from "./abortable.ts"
import { decided } from "./down.ts"

export class OpenAiSdk extends Context.Service<OpenAiSdk, OpenAI>()("test/OpenAiSdk") {}

export const OpenAiSdkLive = Layer.effect(
  OpenAiSdk,
  Effect.gen(function* () {
    return new OpenAI({
      apiKey: Redacted.value(yield* Config.Redacted("OPENAI_API_KEY")),
      baseURL: yield* Config.String("OPENAI_URL").pipe(Config.withDefault("https://api.openai.com/v1")),
      // The default is two, of POST too, and after a timeout.
      maxRetries: 0,
      // The SDK gives up after ten minutes, headers and body together: longer than any deadline here.
      fetch: fetchOnce
    })
  })
)

export const classify = (error: unknown): Reason.Verdict | undefined => {
  // A timeout of the connection is its child. What `fetch` failed with is the cause.
  if (error instanceof APIConnectionError) return Reason.fromConnection(error.cause)
  if (error instanceof APIError && error.status !== undefined) {
    const { code, headers, status } = error
    const details = { status, message: `status ${status}${typeof code === "string" ? ` (${code})` : ""}`, headers }
    // No money is left: another try ends the same, whatever the status says.
    return code === "insufficient_quota" ? Reason.rejected(details) : Reason.fromStatus(status, details)
  }
  // What breaks while the body is read is not wrapped. A body that is no JSON is a SyntaxError: nothing is known then.
  return error instanceof TypeError && error.cause !== undefined ? Reason.fromConnection(error) : undefined
}

export class Assistant extends Integration.Service<Assistant>()("test/Assistant", decided, {
  read: Operation.fromPromise("read", {
    client: OpenAiSdk,
    input: Schema.String,
    success: Schema.Struct({ id: Schema.String, owned_by: Schema.String }),
    idempotency: Idempotency.readOnly("a GET"),
    // The signal is an option of every request.
    call: (model, { signal }, openai) => openai.models.retrieve(model, { signal }),
    classify
  }),
  write: Operation.fromPromise("write", {
    client: OpenAiSdk,
    input: Schema.Struct({ model: Schema.String, input: Schema.String }),
    success: Schema.Struct({ id: Schema.String, status: Schema.String }),
    idempotency: Idempotency.atMostOnce("OpenAI documents no idempotency key"),
    call: (request, { signal }, openai) => openai.responses.create({ ...request, stream: false }, { signal }),
    classify
  })
}) {}

export const AssistantLive = Integration.layer(Assistant).pipe(Layer.provide(OpenAiSdkLive))
