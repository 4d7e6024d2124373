/**
 * Verifies that a webhook delivery was made by its provider, before anything in it is believed.
 *
 * A `Webhook` value says how one provider signs and which secrets are active. `verify` checks the raw bytes and headers
 * of a delivery; `WebhookReceiver` of `breakwater/http` puts it before a handler that runs once per event.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as crypto from "./internal/webhookCrypto.ts"
import * as providers from "./internal/webhookProviders.ts"
import { failing, type HeadersInput, normalized, type Opening, type Scheme, utf8 } from "./internal/webhookScheme.ts"
import { addressOf, twilio as twilioScheme } from "./internal/webhookTwilio.ts"
import type { WebhookError } from "./WebhookError.ts"

export { WebhookError, type WebhookReason } from "./WebhookError.ts"

const TypeId = "~breakwater/Webhook"

// ---- models

/**
 * One active secret, or several: a value, a `Config` that is read when the verifier is made, or an effect that is run for
 * every delivery, so that a rotation needs no restart.
 *
 * @category models
 * @since 0.1.0
 */
export type Secret =
  | Redacted.Redacted
  | Config.Config<Redacted.Redacted | ReadonlyArray<Redacted.Redacted>>
  | Effect.Effect<Redacted.Redacted | ReadonlyArray<Redacted.Redacted>, unknown>

/**
 * All secrets that are active. While one is rotated, both the old and the new one are: a delivery that either has signed
 * is accepted, and none is lost.
 *
 * @category models
 * @since 0.1.0
 */
export type Secrets = Secret | readonly [Secret, ...Array<Secret>]

/**
 * How one provider signs, with the secrets that are active.
 *
 * @category models
 * @since 0.1.0
 */
export interface Webhook {
  readonly provider: string
  readonly secrets: Secrets
  /** How far apart signing and arrival may be. `undefined` where the provider signs no time. */
  readonly tolerance: Duration.Duration | undefined
  /** The largest body that is read, in bytes. */
  readonly maxBytes: number
  /** How long the provider goes on delivering an event that was not accepted. */
  readonly retryHorizon: Duration.Duration
  /** How long an id is remembered, unless the receiver says otherwise. */
  readonly timeToLive: Duration.Duration
  readonly [TypeId]: unknown
}

/**
 * What arrived, as it arrived.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /** Names in any case. A list, or two spellings of one name, is a header that came more than once. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The raw bytes of the body. One that was parsed and written again does not verify. */
  readonly body: Uint8Array
  /** The address that was called, with its query. Only Twilio signs it. */
  readonly url?: string | undefined
  /** When it arrived, in epoch milliseconds, for what was buffered before. Default: now, by Effect's clock. */
  readonly receivedAt?: number | undefined
}

/**
 * A delivery that its provider has made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verified {
  readonly provider: string
  /** The same every time this event is delivered: what a receiver takes as its key. */
  readonly id: string
  /**
   * What must be equal when the id comes again, as a receiver compares it. Empty where the signature covers the id. Where
   * it does not, the digest of the body: a captured body can't be passed off under the id of another event.
   */
  readonly fingerprint: string
  /** When it was signed, in epoch milliseconds. `undefined` where the provider signs no time. */
  readonly signedAt: number | undefined
  readonly receivedAt: number
  /** All headers, by lower-case name. The signature covers none of them but those of the scheme itself. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The body's JSON, or the parameters of a form. Fails as `Malformed`. */
  readonly payload: Effect.Effect<unknown, WebhookError>
  /** The text that Slack's test of the address (`url_verification`) is answered with. Such a delivery is no event. */
  readonly handshake: string | undefined
}

/**
 * Options that all providers share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly secrets: Secrets
  /** The largest body, in bytes. Default: 1 MiB. */
  readonly maxBytes?: number | undefined
}

/**
 * Options of the providers that sign a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimedOptions extends Options {
  /** How far apart signing and arrival may be, in either direction. Default: 5 minutes. */
  readonly tolerance?: Duration.Input | undefined
}

// ---- providers

const make = (
  provider: string,
  options: TimedOptions,
  horizon: Duration.Input,
  timeToLive: Duration.Input,
  timed: boolean,
  opening: Opening
): Webhook => ({
  provider,
  secrets: options.secrets,
  tolerance: timed ? Duration.fromInputUnsafe(options.tolerance ?? "5 minutes") : undefined,
  maxBytes: options.maxBytes ?? 1024 * 1024,
  retryHorizon: Duration.fromInputUnsafe(horizon),
  timeToLive: Duration.fromInputUnsafe(timeToLive),
  [TypeId]: opening
})

/**
 * Standard Webhooks (`standardwebhooks.com`), as OpenAI, Svix and many others send them.
 *
 * **Details**
 *
 * `v1` signatures are checked with secrets of the form `whsec_…` (the prefix may be missing), `v1a` signatures with the
 * public key `whpk_…`, or with the key pair's secret `whsk_…`. With `prefix: "svix"` the headers are `svix-id` and so on. An id
 * with a full stop is refused: the specification warns that it would let a captured delivery be cut in another place.
 *
 * The specification's example schedule goes on for 75 hours and 35 minutes; an id is remembered for 7 days. (Its advice to
 * keep ids for 5 minutes is for replays, and far too short for redeliveries.)
 *
 * **Example** (Signed here, verified there)
 *
 * ```ts
 * import { Webhook } from "breakwater"
 * import { Effect, Redacted } from "effect"
 *
 * const Events = Webhook.standard({ secrets: Redacted.make("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") })
 * const body = new TextEncoder().encode('{"type":"invoice.paid"}')
 *
 * const program = Effect.gen(function* () {
 *   const headers = yield* Webhook.sign(Events, { id: "msg_1", body })
 *   const { id } = yield* Webhook.verify(Events, { headers, body })
 *   return id
 * })
 *
 * await Effect.runPromise(program) // => "msg_1"
 * ```
 *
 * @category providers
 * @since 0.1.0
 */
export const standard = (options: TimedOptions & { readonly prefix?: "webhook" | "svix" | undefined }): Webhook => {
  const scheme = providers.standard(options.prefix ?? "webhook")
  return make(scheme.provider, options, "4536 minutes", "7 days", true, Effect.succeed(scheme))
}

/**
 * Stripe: `Stripe-Signature`, with the endpoint's signing secret (`whsec_…`, used as it is written).
 *
 * **Details**
 *
 * The id is the event's, from the body. Stripe delivers for 3 days, and an event can be sent again by hand for as long as
 * Stripe keeps it, which is 30 days: so long is its id remembered. The bodies of two deliveries of one event may differ (in
 * `pending_webhooks`), so they are not compared.
 *
 * @category providers
 * @since 0.1.0
 */
export const stripe = (options: TimedOptions): Webhook =>
  make("Stripe", options, "72 hours", "30 days", true, Effect.succeed(providers.stripe))

/**
 * GitHub: `X-Hub-Signature-256`, with the webhook's secret.
 *
 * **Details**
 *
 * The id is `X-GitHub-Delivery`, the same when a delivery is repeated. GitHub repeats nothing by itself; by hand or by its
 * API it can be done for 3 days. Payloads may have 25 MB: raise `maxBytes` if you subscribe to events of that size.
 *
 * **Gotchas**
 *
 * The signature covers the body alone: no time, no id and no `X-GitHub-Event`. What was captured once can be replayed for
 * ever, and the memory of ids is the only defence. So an id is remembered for ten years, in practice without end. A
 * replay under a made-up id is a new delivery to anyone who looks at ids: keep TLS on, and make handlers that do harm
 * twice look at the event's own identity (with `Receiver.once` and a key from the payload).
 *
 * @category providers
 * @since 0.1.0
 */
export const github = (options: Options): Webhook =>
  make("GitHub", options, "3 days", "3650 days", false, Effect.succeed(providers.github))

/**
 * Slack: `X-Slack-Signature`, with the app's signing secret; for events, commands and interactions.
 *
 * **Details**
 *
 * The id is `event_id`, else `trigger_id`, else the digest of what was signed. Slack repeats an event 3 times within
 * minutes, and hourly for a day where an app has asked for delayed events. Its test of the address (`url_verification`) is
 * answered by `WebhookReceiver`. The payload of an interaction is the JSON within its form.
 *
 * @category providers
 * @since 0.1.0
 */
export const slack = (options: TimedOptions): Webhook =>
  make("Slack", options, "25 hours", "7 days", true, Effect.succeed(providers.slack))

/**
 * Shopify: `X-Shopify-Hmac-SHA256`, with the app's client secret.
 *
 * **Details**
 *
 * The id is `X-Shopify-Webhook-Id`, of one delivery to one subscription; with `dedupe: "event"` it is `X-Shopify-Event-Id`,
 * which several subscriptions share: then subscribe once per route. Shopify repeats 8 times within 4 hours. After a
 * rotation it may sign with the old secret for an hour: keep both active.
 *
 * **Gotchas**
 *
 * The signature covers the body alone, no time and no id: see `github`. Give `WebhookReceiver` a longer `timeToLive` where
 * a replay after 7 days would do harm.
 *
 * @category providers
 * @since 0.1.0
 */
export const shopify = (options: Options & { readonly dedupe?: "webhook" | "event" | undefined }): Webhook =>
  make(
    "Shopify",
    options,
    "4 hours",
    "7 days",
    false,
    Effect.succeed(providers.shopify(`x-shopify-${options.dedupe ?? "webhook"}-id`))
  )

/**
 * Twilio: `X-Twilio-Signature`, with the account's auth token.
 *
 * **Details**
 *
 * Twilio signs the address that it calls, and the sorted parameters of a form; of JSON, the address holds the digest
 * (`bodySHA256`). Behind a proxy this process sees another address: say with `publicUrl` which one Twilio was given. An
 * origin alone (`https://shop.test`) keeps the path that was called; the query is always that of the call. Both spellings
 * of the port are accepted, as in Twilio's own libraries.
 *
 * The id is `MessageSid` and `MessageStatus`, or `CallSid`, `CallStatus` and `SequenceNumber`; else
 * `I-Twilio-Idempotency-Token`, which the signature does not cover; else the digest of what was signed.
 *
 * **Gotchas**
 *
 * Twilio signs no time: see `github`. Give `WebhookReceiver` a longer `timeToLive` where a replay after 7 days would do
 * harm.
 *
 * @category providers
 * @since 0.1.0
 */
export const twilio = (
  options: Options & { readonly publicUrl?: string | URL | Config.Config<string> | Config.Config<URL> | undefined }
): Webhook => {
  const { publicUrl } = options
  const read: Effect.Effect<string | URL | undefined, Config.ConfigError> = Config.isConfig(publicUrl)
    ? (publicUrl as Config.Config<string | URL>)
    : Effect.succeed(publicUrl)
  const opening: Opening = Effect.flatMap(read, (text) => {
    if (text === undefined) return Effect.succeed(twilioScheme(undefined))
    const url = addressOf(String(text))
    return url === undefined
      ? failing("Twilio")("Misconfigured", "`publicUrl` is no URL")
      : Effect.succeed(twilioScheme(url))
  })
  return make("Twilio", options, "1 hour", "7 days", false, opening)
}

// ---- verify

type Static = { readonly _tag: "Static"; readonly secret: Redacted.Redacted | ReadonlyArray<Redacted.Redacted> }
type Dynamic = { readonly _tag: "Dynamic"; readonly read: Effect.Effect<Static["secret"], unknown> }

const sourceOf = (secret: Secret): Effect.Effect<Static | Dynamic, Config.ConfigError> =>
  Redacted.isRedacted(secret)
    ? Effect.succeed({ _tag: "Static", secret })
    : Config.isConfig(secret)
      ? Effect.map(secret as Config.Config<Static["secret"]>, (read): Static => ({ _tag: "Static", secret: read }))
      : Effect.succeed({ _tag: "Dynamic", read: secret as Dynamic["read"] })

const listOf = (secret: Static["secret"]): ReadonlyArray<Redacted.Redacted> =>
  Redacted.isRedacted(secret) ? [secret] : secret

const opened = (self: Webhook) =>
  Effect.gen(function* () {
    const scheme: Scheme = yield* self[TypeId] as Opening
    const { keys, seal, sha256, verify } = yield* crypto.open
    const listed: ReadonlyArray<Secret> = Array.isArray(self.secrets) ? self.secrets : [self.secrets as Secret]
    const sources = yield* Effect.forEach(listed, sourceOf)
    const read: Effect.Effect<ReadonlyArray<crypto.Key>, WebhookError> = Effect.forEach(sources, (source) =>
      source._tag === "Static"
        ? Effect.succeed(listOf(source.secret))
        : Effect.map(
            // What a secret store failed with may hold what must not be shown.
            Effect.catch(source.read, () =>
              failing(scheme.provider)("SecretsUnavailable", "the effect that reads the secrets failed")
            ),
            listOf
          )
    ).pipe(Effect.flatMap((lists) => keys(scheme, lists.flat())))
    // Keys of secrets that don't change are made once, and a secret that is none is found before the first delivery.
    const active = sources.every(({ _tag }) => _tag === "Static") ? Effect.succeed(yield* read) : read
    return { active, scheme, seal, sha256, verify }
  })

/**
 * Reads the secrets and makes a function that verifies deliveries.
 *
 * **Details**
 *
 * It checks, in this order: the size of the body; that headers are there and can be read; the time of signing against the
 * time of arrival; every signature against every active secret, all of them in constant time; the id. Nothing is believed
 * before all of it holds.
 *
 * A secret that is empty, has white space around it or is no Base64 where the provider writes Base64 fails here, as
 * `Misconfigured`, and not as a bad signature at every delivery.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifier = (
  self: Webhook
): Effect.Effect<(delivery: Delivery) => Effect.Effect<Verified, WebhookError>, Config.ConfigError | WebhookError> =>
  Effect.map(opened(self), ({ active, scheme, sha256, verify }) => {
    const { provider } = scheme
    const fail = failing(provider)
    const tolerance = self.tolerance === undefined ? Infinity : Duration.toSeconds(self.tolerance)
    return (delivery) =>
      Effect.gen(function* () {
        const { body } = delivery
        if (body.length > self.maxBytes) {
          return yield* fail("TooLarge", `the body has ${body.length} bytes, more than ${self.maxBytes}`)
        }
        const receivedAt = delivery.receivedAt ?? (yield* Clock.currentTimeMillis)
        const arrival = { headers: normalized(delivery.headers as HeadersInput), body, url: delivery.url }
        const claimed = yield* scheme.read(arrival)
        const age = claimed.timestamp === undefined ? 0 : Math.floor(receivedAt / 1000) - claimed.timestamp
        if (Math.abs(age) > tolerance) {
          return yield* fail("Stale", `it was signed ${Math.abs(age)} s ${age > 0 ? "before" : "after"} it arrived`)
        }
        if (!(yield* verify(yield* active, claimed))) {
          return yield* fail("BadSignature", "no active secret made any of its signatures")
        }
        const { handshake, id, signed } = yield* scheme.identify(arrival)
        const verified: Verified = {
          provider,
          id: id ?? `sha256:${yield* sha256(claimed.contents[0]!)}`,
          fingerprint: signed ? "" : yield* sha256(body),
          signedAt: claimed.timestamp === undefined ? undefined : claimed.timestamp * 1000,
          receivedAt,
          headers: Object.fromEntries(
            Object.entries(arrival.headers).map(([name, values]) => [name, values.join(", ")])
          ),
          body,
          payload: scheme.payload(arrival),
          handshake
        }
        return verified
      })
  })

/**
 * Verifies one delivery.
 *
 * **When to use**
 *
 * Use for a delivery that came by another way than HTTP, such as a queue that buffered it: pass the `receivedAt` of its
 * arrival. For more than a few make a `verifier` once, and for HTTP use `WebhookReceiver`.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verify = (self: Webhook, delivery: Delivery): Effect.Effect<Verified, Config.ConfigError | WebhookError> =>
  Effect.flatMap(verifier(self), (check) => check(delivery))

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** Where an event does not match, without what stands there. */
const placesOf = (error: Schema.SchemaError): string => {
  const places = issuesOf(error.issue).issues.map(({ path }) =>
    (path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".")
  )
  const named = Array.from(new Set(places.map((place) => (place === "" ? "its root" : place))))
  return named.slice(0, 5).join(", ") + (named.length > 5 ? ", …" : "")
}

/**
 * Makes a function that decodes the payload of a verified delivery. What does not match fails as `InvalidEvent`, with
 * the places that do not and nothing of what stands there.
 *
 * @category verifying
 * @since 0.1.0
 */
export const event = <A>(
  schema: Schema.ConstraintDecoder<A>
): ((verified: Verified) => Effect.Effect<A, WebhookError>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return ({ payload, provider }) =>
    Effect.flatMap(payload, (value) =>
      Effect.catch(decode(value) as Effect.Effect<A, Schema.SchemaError>, (error) =>
        failing(provider)("InvalidEvent", `the event does not match its schema at ${placesOf(error)}`)
      )
    )
}

// ---- sign

/**
 * Signs a delivery, as its provider does, and returns the headers to send it with.
 *
 * **When to use**
 *
 * Use `standard` webhooks to send events of your own, and all of them to test a receiver. Send the very bytes that were
 * signed.
 *
 * **Details**
 *
 * Standard Webhooks and Stripe carry a signature per secret, so a sender that rotates lists the old and the new one.
 * The others carry one, of the first secret. Sign with `whsk_…` for `v1a`. `at` (epoch milliseconds) is the time of the
 * attempt: a repeat has a new one and the same `id`. Stripe and Slack have their ids in the body, and Twilio needs the
 * `url`, which must hold `bodySHA256` for JSON.
 *
 * @category signing
 * @since 0.1.0
 */
export const sign = (
  self: Webhook,
  options: {
    readonly id: string
    readonly body: Uint8Array | string
    readonly at?: number | undefined
    readonly url?: string | undefined
  }
): Effect.Effect<Readonly<Record<string, string>>, Config.ConfigError | WebhookError> =>
  Effect.gen(function* () {
    const { active, scheme, seal } = yield* opened(self)
    const at = options.at ?? (yield* Clock.currentTimeMillis)
    const body = typeof options.body === "string" ? utf8(options.body) : options.body
    return yield* scheme.sign(
      { id: options.id, body, timestamp: Math.floor(at / 1000), url: options.url },
      seal(yield* active)
    )
  })
