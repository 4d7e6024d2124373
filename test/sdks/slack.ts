/**
 * `@slack/web-api`: lists channels, and posts a message, for which Slack takes no key.
 */
import {
  type Logger,
  LogLevel,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient
} from "@slack/web-api"
import { Idempotency, Integration, Operation, Reason } from "breakwater"
import { Config, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { abortable, fetchOnce } from "./abortable.ts"
import { decided } from "./down.ts"

export class SlackSdk extends Context.Service<SlackSdk, WebClient>()("test/SlackSdk") {}

const silent = () => {}
const quiet: Logger = {
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  setLevel: silent,
  setName: silent,
  getLevel: () => LogLevel.ERROR
}

export const SlackSdkLive = Layer.effect(
  SlackSdk,
  Effect.gen(function* () {
    return new WebClient(Redacted.value(yield* Config.Redacted("SLACK_BOT_TOKEN")), {
      slackApiUrl: yield* Config.String("SLACK_URL").pipe(Config.withDefault("https://slack.com/api/")),
      // The default is ten retries in half an hour, of every method, `chat.postMessage` too.
      retryConfig: { retries: 0 },
      // Otherwise a 429 is waited for without end, and all other calls of the client with it.
      rejectRateLimitedCalls: true,
      // The SDK's methods take no signal, so its `fetch` looks for the one of the running call. A queue would let one call
      // begin in another's context: `Policy.bulkhead` bounds how many run at once.
      fetch: fetchOnce,
      maxRequestConcurrency: Infinity,
      // It logs what it could not send.
      logger: quiet
    })
  })
)

/** A name of Slack's, such as `channel_not_found`. */
const isCode = Schema.is(Schema.String.check(Schema.isPattern(/^[a-z0-9_]+$/)))

const inDoubt: ReadonlySet<string> = new Set(["fatal_error", "internal_error", "service_unavailable"])

export const classify = (error: unknown): Reason.Verdict | undefined => {
  if (error instanceof WebAPIRateLimitedError) {
    return Reason.throttled({ status: 429, retryAfter: Duration.seconds(error.retryAfter) })
  }
  if (error instanceof WebAPIHTTPError) return Reason.fromStatus(error.statusCode, { headers: error.headers })
  if (error instanceof WebAPIRequestError) return Reason.fromConnection(error.original)
  if (error instanceof WebAPIPlatformError) {
    const code = error.data.error
    // A page that is no JSON arrives as an error too, with the page as its name.
    if (!isCode(code)) return Reason.unavailable({ message: "the answer is not JSON" })
    if (code === "ratelimited" || code === "rate_limited") return Reason.throttled({ message: code })
    return inDoubt.has(code) ? Reason.unavailable({ message: code }) : Reason.rejected({ message: code })
  }
  // What breaks while the body is read is not wrapped; nor is a 429 without `Retry-After`, of which nothing is known then.
  return error instanceof TypeError && error.cause !== undefined ? Reason.fromConnection(error) : undefined
}

export class Slack extends Integration.Service<Slack>()("test/Slack", decided, {
  read: Operation.fromPromise("read", {
    client: SlackSdk,
    success: Schema.Struct({ channels: Schema.Array(Schema.Struct({ id: Schema.String })) }),
    idempotency: Idempotency.readOnly("it lists"),
    call: (_, { signal }, slack) => abortable(signal, () => slack.conversations.list()),
    classify
  }),
  write: Operation.fromPromise("write", {
    client: SlackSdk,
    input: Schema.Struct({ channel: Schema.String, text: Schema.String }),
    success: Schema.Struct({ ts: Schema.String }),
    idempotency: Idempotency.atMostOnce("chat.postMessage takes no idempotency key"),
    call: (message, { signal }, slack) => abortable(signal, () => slack.apiCall("chat.postMessage", message)),
    classify
  })
}) {}

export const SlackLive = Integration.layer(Slack).pipe(Layer.provide(SlackSdkLive))
