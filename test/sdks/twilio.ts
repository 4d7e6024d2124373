/**
 * `twilio`: reads a message, and sends one, for which Twilio takes no key.
 */
import { Idempotency, Integration, Operation, Reason } from "breakwater"
import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import twilio from "twilio"
import RequestClient from "twilio/lib/base/RequestClient.js"
import { abortable, currentSignal } from "./abortable.ts"
import { decided } from "./down.ts"

const { RestException } = twilio

type Client = ReturnType<typeof twilio>

export class TwilioSdk extends Context.Service<TwilioSdk, Client>()("test/TwilioSdk") {}

/** A limit, with the headers that a `RestException` has lost. */
class TooMany extends Error {
  readonly headers: Reason.HeadersLike
  constructor(headers: Reason.HeadersLike) {
    super("status 429")
    this.headers = headers
  }
}

/** The SDK's own client, to which the signal of the running call is given, and which keeps the headers of a 429. */
class AbortableClient extends RequestClient {
  constructor() {
    // `autoRetry` is off unless it is set. The time is longer than any deadline: the policy alone gives up.
    super({ autoRetry: false, timeout: 80_000 })
    this.axios.interceptors.request.use((config) => {
      const signal = currentSignal()
      return signal === undefined ? config : { ...config, signal }
    })
  }
  override async request<TData>(options: RequestClient.RequestOptions<TData>) {
    const response = await super.request<TData>(options)
    if (response.statusCode === 429) throw new TooMany(response.headers)
    return response
  }
}

export const TwilioSdkLive = Layer.effect(
  TwilioSdk,
  Effect.gen(function* () {
    const client = twilio(
      yield* Config.String("TWILIO_ACCOUNT_SID"),
      Redacted.value(yield* Config.Redacted("TWILIO_AUTH_TOKEN")),
      { httpClient: new AbortableClient() }
    )
    // No option of the constructor: every product of Twilio's has a host of its own.
    client.api.baseUrl = yield* Config.String("TWILIO_URL").pipe(Config.withDefault("https://api.twilio.com"))
    return client
  })
)

export const classify = (error: unknown): Reason.Verdict | undefined => {
  // "A request that is answered with 429 was never processed."
  if (error instanceof TooMany) return Reason.throttled({ status: 429, headers: error.headers })
  if (error instanceof RestException) {
    return Reason.fromStatus(error.status, {
      message: `status ${error.status}${error.code === undefined ? "" : ` (${error.code})`}`
    })
  }
  // The client inside is axios. Its error holds the whole request, the credentials too: it must not be logged.
  return error instanceof Error && "isAxiosError" in error ? Reason.fromConnection(error) : undefined
}

export class Sms extends Integration.Service<Sms>()("test/Sms", decided, {
  read: Operation.fromPromise("read", {
    client: TwilioSdk,
    input: Schema.String,
    success: Schema.Struct({ sid: Schema.String, status: Schema.String }),
    idempotency: Idempotency.readOnly("a GET"),
    call: (sid, { signal }, client) => abortable(signal, () => client.messages(sid).fetch()),
    classify
  }),
  write: Operation.fromPromise("write", {
    client: TwilioSdk,
    input: Schema.Struct({ from: Schema.String, to: Schema.String, body: Schema.String }),
    success: Schema.Struct({ sid: Schema.String, status: Schema.String }),
    idempotency: Idempotency.atMostOnce("Messages takes no idempotency key"),
    call: (message, { signal }, client) => abortable(signal, () => client.messages.create(message)),
    classify
  })
}) {}

export const SmsLive = Integration.layer(Sms).pipe(Layer.provide(TwilioSdkLive))
