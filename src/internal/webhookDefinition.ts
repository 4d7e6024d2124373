// What a webhook is, and the constructors of the providers: `Webhook` exports all of it but what opens one.
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as providers from "./webhookProviders.ts"
import { failing, type Opening } from "./webhookScheme.ts"
import { addressOf, twilio as twilioScheme } from "./webhookTwilio.ts"

/** Where a webhook keeps how its provider signs. */
export const TypeId = "~breakwater/Webhook"

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
 * Options that all providers share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** One active secret, or all of them. Spelled out, so that the compiler's answer to a plain string names `Redacted`. */
  readonly secrets:
    | Redacted.Redacted
    | Config.Config<Redacted.Redacted | ReadonlyArray<Redacted.Redacted>>
    | Effect.Effect<Redacted.Redacted | ReadonlyArray<Redacted.Redacted>, unknown>
    | readonly [Secret, ...Array<Secret>]
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
 * public key `whpk_…`, or with the key pair's secret `whsk_…`. With `prefix: "svix"` the headers are `svix-id` and so on.
 *
 * The specification's example schedule goes on for 75 hours and 35 minutes; an id is remembered for 7 days. (Its advice to
 * keep ids for 5 minutes is for replays, and far too short for redeliveries.)
 *
 * **Gotchas**
 *
 * An id with a full stop is refused as `Malformed`, and there is no option for it. What is signed is `id.time.body`: if the
 * id may hold a full stop, one signature fits several ids, times and bodies, and a captured delivery can be cut in another
 * place, with a new time. The specification lets a sender use a full stop only in ids that no user has a say in, and a
 * receiver can't see whether that is so.
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
 * Stripe keeps it, which is 30 days: so long is its id remembered. Bodies are not compared, because Stripe does not promise
 * the same bytes twice: an event says how many of its deliveries are still open (`pending_webhooks`).
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
 * API it can be done for 3 days, with Enterprise Server for 7. Payloads may have 25 MB: raise `maxBytes` if you subscribe to
 * events of that size.
 *
 * **Gotchas**
 *
 * The signature covers the body alone: no time, no id and no `X-GitHub-Event`, so tell events apart by what stands in the
 * body, and take that header for a hint. What was captured once can be replayed for
 * ever, and the memory of ids is the only defence. So an id is remembered for ten years, in practice without end. A
 * replay under a made-up id is a new delivery to anyone who looks at ids: keep TLS on, and make handlers that do harm
 * twice look at the event's own identity (with `Receiver.once` and a key from the payload).
 *
 * @category providers
 * @since 0.1.0
 */
export const github = (options: Options): Webhook =>
  make("GitHub", options, "7 days", "3650 days", false, Effect.succeed(providers.github))

/**
 * Slack: `X-Slack-Signature`, with the app's signing secret; for events, commands and interactions.
 *
 * **Details**
 *
 * The id is `event_id`, else `trigger_id`, else the digest of what was signed. Slack repeats an event 3 times: at once, a
 * minute later and five minutes later. An id is remembered for at least 25 hours all the same. Its test of the address
 * (`url_verification`) is answered by `WebhookReceiver`. The payload of an interaction is the JSON within its form.
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
 * Without `publicUrl` the address is made from the `Host` header, which is the caller's: a delivery that was captured on
 * its way to another host of the same account verifies here too.
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
