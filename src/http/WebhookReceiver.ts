/**
 * Routes that receive webhooks: verified, and handled once per event.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ByteSize from "effect/ByteSize"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as Scope from "effect/Scope"
import { check, formatBoth } from "../internal/duration.ts"
import * as Receiver from "../Receiver.ts"
import * as Webhook from "../Webhook.ts"

// So that the declarations of who exports a route can name its errors.
export type { WebhookError } from "../WebhookError.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * What the provider is answered with, where it reads the body of an answer (TwiML, a message for Slack). The value is
 * stored: a repeat of the event gets the same answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<A> {
  readonly success: Schema.Codec<A, unknown>
  readonly respond: (value: A) => Response
}

/**
 * Options of a receiver.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<M extends Receiver.Mode, Event, A> {
  /**
   * What a delivery holds. One that does not match is not accepted, and the provider goes on delivering it: give a union a
   * last member for the events that you don't handle, and do nothing for it.
   */
  readonly event: Schema.ConstraintDecoder<Event>
  /** How the handler is kept from running twice: see `Receiver`. */
  readonly mode: M
  /** The name of the records. Renaming it forgets what was done. Default of `post`: `POST` and the path. */
  readonly name?: string | undefined
  /** The account for which the event is handled. Ids of one never meet those of another. Default: all share one. */
  readonly scope?: ((event: Event, verified: Webhook.Verified) => string) | undefined
  /** Failures after which certainly nothing has happened: see `Receiver`. */
  readonly nothingHappened?: ((error: unknown) => boolean) | undefined
  /** How long an id is remembered. At least as long as the provider repeats. Default: the provider's own, see `Webhook`. */
  readonly timeToLive?: Duration.Input | undefined
  /** How long a repeat waits for a run that is at work, before it is told to come again. Default: not at all. */
  readonly wait?: Duration.Input | undefined
  /** Default: 200 with no body. */
  readonly answer?: Answer<A> | undefined
  /** What is done about a delivery that was not accepted. Default: a log line at level Warning with its message. */
  readonly onRejected?: ((error: Webhook.WebhookError | Receiver.ReceiverError) => Effect.Effect<void>) | undefined
}

/**
 * What handles an event. It also gets the delivery, for what only a header says. Signatures cover no such header (GitHub's
 * `X-GitHub-Event` is the caller's word): decide by the body.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<Event, A, E, R> = (event: Event, verified: Webhook.Verified) => Effect.Effect<A, E, R>

/**
 * What a receiver needs.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Requires<M, R> = Exclude<R, Receiver.Running | Scope.Scope> | Receiver.StoreOf<M>

// ---- answers

/** A provider has no use for a reason, and a stranger who guesses signatures gets none. */
const bare = (status: number, retryAfter?: Duration.Duration): Response =>
  HttpServerResponse.empty({
    status,
    ...(retryAfter === undefined
      ? {}
      : { headers: { "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(retryAfter)))) } })
  })

const refusals: { readonly [K in Webhook.WebhookReason]: number } = {
  TooLarge: 413,
  MissingHeader: 400,
  Malformed: 400,
  Stale: 401,
  BadSignature: 401,
  InvalidEvent: 422,
  SecretsUnavailable: 503,
  Misconfigured: 500
}

const refusalOf = (error: Webhook.WebhookError): Response =>
  bare(refusals[error.reason], error.reason === "SecretsUnavailable" ? Duration.seconds(30) : undefined)

const responseOf = (error: Receiver.ReceiverError): Response => {
  switch (error.reason) {
    case "ResponseNotStored":
      return bare(200)
    case "KeyReused":
      return bare(422)
    case "InvalidKey":
      return bare(400)
    case "InvalidInput":
      return bare(500)
    case "InProgress":
    case "LeaseLost":
    case "StoreUnavailable":
      return bare(503, error.retryAfter ?? Duration.seconds(1))
    // A person decides whether it was done. A 2xx would say that it was, a 4xx could end the repeats for good: so the
    // provider keeps the event, and its next repeat after the decision gets the answer.
    case "OutcomeUnknown":
      return bare(503, Duration.hours(1))
  }
}

// ---- once per event

interface Arrived<Event> {
  readonly event: Event
  readonly verified: Webhook.Verified
}

/** What a receiver compares of an arrival: the digest of its body where its id could have been made up. */
const arrivedCodec = <Event>() =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.declare((u): u is Arrived<Event> => typeof u === "object" && u !== null && "verified" in u),
      new SchemaTransformation.Transformation(
        SchemaGetter.forbidden<Arrived<Event>, string>(() => "an arrival is not read back"),
        SchemaGetter.transform(({ verified }: Arrived<Event>) => verified.fingerprint)
      )
    )
  )

/** Keeps a failure of the handler apart from one of the receiver around it. */
class HandlerFailure {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

const horizonProblem = (webhook: Webhook.Webhook, timeToLive: Duration.Input): string | undefined => {
  const { millis, problem } = check("`timeToLive`", timeToLive)
  if (problem !== undefined) return problem
  const horizon = Duration.toMillis(webhook.retryHorizon)
  if (millis >= horizon) return undefined
  const [kept, repeats] = formatBoth(millis, horizon)
  return `\`timeToLive\` (${kept}) is shorter than the provider repeats (${repeats}): the last repeats would run again`
}

const tooLarge = (webhook: Webhook.Webhook, size: string) =>
  new Webhook.WebhookError({
    reason: "TooLarge",
    provider: webhook.provider,
    detail: `the body has ${size} bytes, ${webhook.maxBytes} are allowed`
  })

/** The raw bytes, never more than allowed: a declared length is believed, one that is not declared is counted. */
const bodyOf = (webhook: Webhook.Webhook, request: HttpServerRequest.HttpServerRequest) => {
  const declared = Number(request.headers["content-length"])
  if (declared > webhook.maxBytes) return Effect.fail(tooLarge(webhook, String(declared)))
  return request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(webhook.maxBytes)),
    Effect.map((buffer) => new Uint8Array(buffer)),
    Effect.mapError((error) =>
      HttpServerError.isHttpServerError(error) &&
      error.reason._tag === "RequestParseError" &&
      error.reason.reason === "BodyTooLarge"
        ? tooLarge(webhook, `more than ${webhook.maxBytes}`)
        : new Webhook.WebhookError({
            reason: "Malformed",
            provider: webhook.provider,
            detail: "the body ended early or could not be read"
          })
    )
  )
}

/**
 * The address that was called, before a router took a prefix away, in the spelling of the caller: a provider that signs
 * the address signs what it has written. `xForwardedHeaders` of Effect's `HttpMiddleware` sets protocol and host.
 */
const urlOf = ({ headers, originalUrl, protocol }: HttpServerRequest.HttpServerRequest): string =>
  originalUrl.startsWith("/") ? `${protocol ?? "http"}://${headers["host"] ?? "localhost"}${originalUrl}` : originalUrl

/**
 * Makes the handler of a route, for a router that is not Effect's `HttpRouter` layer. `post` does the rest.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <M extends Receiver.Mode, Event, A, E, R>(
  webhook: Webhook.Webhook,
  options: Options<M, Event, A> & { readonly name: string },
  handler: Handler<Event, A, E, R> & Receiver.HandlerFits<M, R>
): Effect.Effect<
  Effect.Effect<Response, never, HttpServerRequest.HttpServerRequest | Requires<M, R>>,
  Config.ConfigError | Webhook.WebhookError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const timeToLive = options.timeToLive ?? webhook.timeToLive
    const problem = horizonProblem(webhook, timeToLive)
    if (problem !== undefined) {
      return yield* new Webhook.WebhookError({ reason: "Misconfigured", provider: webhook.provider, detail: problem })
    }
    const verify = yield* Webhook.verifier(webhook)
    const decode = Webhook.event(options.event)
    const scope = yield* Effect.scope
    const { answer, nothingHappened, onRejected = (error) => Effect.logWarning(error.message) } = options

    const once = Receiver.once({
      name: options.name,
      mode: options.mode as Receiver.Mode,
      key: ({ verified }: Arrived<Event>) => verified.id,
      scope: options.scope === undefined ? undefined : ({ event, verified }) => options.scope!(event, verified),
      input: arrivedCodec<Event>(),
      success: (answer?.success ?? Schema.Void) as Schema.Codec<unknown, unknown>,
      nothingHappened:
        nothingHappened === undefined
          ? undefined
          : (error) => error instanceof HandlerFailure && nothingHappened(error.error),
      timeToLive,
      wait: options.wait
    })
    // The call site has checked that the handler fits its mode, and `make` says what the store of that mode is.
    const receive = once(({ event, verified }) =>
      Effect.scoped(
        Effect.mapError(
          answer === undefined ? Effect.asVoid(handler(event, verified)) : handler(event, verified),
          (error) => new HandlerFailure(error)
        )
      )
    ) as (arrived: Arrived<Event>) => Effect.Effect<unknown, HandlerFailure | Receiver.ReceiverError, Requires<M, R>>

    const arrive = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const receivedAt = yield* Clock.currentTimeMillis
      const body = yield* bodyOf(webhook, request)
      const verified = yield* verify({ headers: request.headers, body, url: urlOf(request), receivedAt })
      // Slack's test of the address is no event: nobody may handle it.
      return { verified, event: verified.handshake === undefined ? yield* decode(verified) : undefined }
    })

    const run = (arrived: Arrived<Event>) =>
      Effect.matchCauseEffect(
        // In the receiver's own scope: a provider that hangs up has not called the event off, and comes again.
        Effect.flatMap(Effect.forkIn(receive(arrived), scope, { startImmediately: true }), Fiber.join),
        {
          onSuccess: (value) => Effect.succeed(answer === undefined ? bare(200) : answer.respond(value as A)),
          onFailure: (cause): Effect.Effect<Response> => {
            const error = cause.reasons.find(Cause.isFailReason)?.error
            if (error instanceof Receiver.ReceiverError) {
              const rejected = error.reason === "InProgress" ? Effect.void : onRejected(error)
              return error.reason === "ResponseNotStored"
                ? Effect.succeed(responseOf(error))
                : Effect.as(rejected, responseOf(error))
            }
            // The route fails with what the handler failed with, so that what observes the router sees it. The answer is
            // fixed: an error that answers for itself might do so with a 2xx.
            const own = cause.reasons.map((reason) =>
              Cause.isFailReason(reason) ? Cause.makeFailReason((reason.error as HandlerFailure).error) : reason
            )
            const response = Cause.hasInterruptsOnly(cause) ? bare(503, Duration.seconds(1)) : bare(500)
            return Effect.failCause(Cause.fromReasons([...own, Cause.makeDieReason(response)]) as Cause.Cause<never>)
          }
        }
      )

    return Effect.matchEffect(arrive, {
      onFailure: (error) => Effect.as(onRejected(error), refusalOf(error)),
      onSuccess: ({ event, verified }) =>
        verified.handshake === undefined
          ? run({ event: event as Event, verified })
          : Effect.succeed(HttpServerResponse.text(verified.handshake))
    })
  })

/**
 * A route that receives a provider's webhooks: the raw body is read up to `maxBytes`, the signature is checked, and the
 * handler runs once per event, however often it is delivered.
 *
 * **Details**
 *
 * | what happened                                      | answer                               |
 * |----------------------------------------------------|--------------------------------------|
 * | handled now, or before                             | 200, or what `answer` says           |
 * | the handler failed or died                         | 500; the next delivery runs it again |
 * | another delivery of it is at work                  | 503 with `Retry-After`               |
 * | the store, or what reads the secrets, failed       | 503 with `Retry-After`               |
 * | it may have been handled (`onLostLease: "hold"`)   | 503 with `Retry-After` of an hour    |
 * | header or body can't be read                       | 400                                  |
 * | bad signature, or signed at another time           | 401                                  |
 * | too large                                          | 413                                  |
 * | does not match the schema, or its id was used with another body | 422                     |
 *
 * There is no 2xx before the handler has succeeded. Providers wait for seconds (GitHub 10, Shopify 5, Slack 3): a handler
 * that takes longer writes the event to a queue or an outbox in a transaction, and that is what is acknowledged. One that
 * takes longer all the same runs on when the provider hangs up, and the next delivery finds what it did.
 *
 * Answers have no body but what `answer` gives. What the handler failed with is the failure of the route: loggers and
 * tracers of the router see it, the provider does not.
 *
 * **Example** (Stripe's events, each handled once)
 *
 * ```ts
 * import { IdempotencyStoreMemory, Receiver, Webhook } from "breakwater"
 * import { WebhookReceiver } from "breakwater/http"
 * import { Effect, Layer, Redacted, Schema } from "effect"
 * import { HttpRouter } from "effect/http"
 *
 * const StripeEvents = Webhook.stripe({ secrets: Redacted.make("whsec_example") })
 * const StripeEvent = Schema.Struct({ type: Schema.String, data: Schema.Struct({ object: Schema.Unknown }) })
 *
 * let handled = 0
 * const route = WebhookReceiver.post(
 *   "/webhooks/stripe",
 *   StripeEvents,
 *   { event: StripeEvent, mode: Receiver.leased({ onLostLease: "rerun" }) },
 *   (event) => Effect.sync(() => { if (event.type === "invoice.paid") handled++ })
 * )
 *
 * const app = route.pipe(HttpRouter.provideRequest(IdempotencyStoreMemory.layer))
 * const { handler } = HttpRouter.toWebHandler(app, { disableLogger: true })
 *
 * const body = JSON.stringify({ id: "evt_1", type: "invoice.paid", data: { object: {} } })
 * const deliver = Effect.gen(function* () {
 *   const headers = yield* Webhook.sign(StripeEvents, { id: "evt_1", body })
 *   const request = new Request("http://localhost/webhooks/stripe", { method: "POST", headers, body })
 *   return (yield* Effect.promise(() => handler(request))).status
 * })
 *
 * const statuses = await Effect.runPromise(Effect.all([deliver, deliver])) // => [200, 200]
 * const runs = handled // => 1
 * ```
 *
 * @category routes
 * @since 0.1.0
 */
export const post = <M extends Receiver.Mode, Event, A, E, R>(
  path: HttpRouter.PathInput,
  webhook: Webhook.Webhook,
  options: Options<M, Event, A>,
  handler: Handler<Event, A, E, R> & Receiver.HandlerFits<M, R>
): Layer.Layer<
  never,
  Config.ConfigError | Webhook.WebhookError,
  HttpRouter.HttpRouter | HttpRouter.Request.From<"Requires", Exclude<Requires<M, R>, HttpRouter.Provided>>
> =>
  HttpRouter.use((router) =>
    Effect.flatMap(make(webhook, { ...options, name: options.name ?? `POST ${path}` }, handler), (handle) =>
      router.add("POST", path, handle)
    )
  ) as never
