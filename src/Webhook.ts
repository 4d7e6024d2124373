/**
 * Verifies that a webhook delivery was made by its provider, before anything in it is believed.
 *
 * A `Webhook` value says how one provider signs and which secrets are active. `verify` checks the raw bytes and headers
 * of a delivery; `WebhookReceiver` of `breakwater/http` puts it before a handler that runs once per event.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { check } from "./internal/duration.ts"
import * as crypto from "./internal/webhookCrypto.ts"
import { type Secret, TypeId, type Webhook } from "./internal/webhookDefinition.ts"
import { failing, type HeadersInput, normalized, type Opening, type Scheme, utf8 } from "./internal/webhookScheme.ts"
import type { WebhookError } from "./WebhookError.ts"

export {
  github,
  type Options,
  type Secret,
  type Secrets,
  shopify,
  slack,
  standard,
  stripe,
  type TimedOptions,
  twilio,
  type Webhook
} from "./internal/webhookDefinition.ts"
export { WebhookError, type WebhookReason } from "./WebhookError.ts"

// ---- models

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

/** A limit that is no number compares as false, and would let everything through. */
const limitProblem = ({ maxBytes, tolerance }: Webhook): string | undefined =>
  Number.isSafeInteger(maxBytes) && maxBytes > 0
    ? tolerance === undefined
      ? undefined
      : check("`tolerance`", tolerance).problem
    : `\`maxBytes\` must be a whole number of bytes above zero, got ${maxBytes}`

const opened = (self: Webhook) =>
  Effect.gen(function* () {
    const scheme: Scheme = yield* self[TypeId] as Opening
    const problem = limitProblem(self)
    if (problem !== undefined) return yield* failing(scheme.provider)("Misconfigured", problem)
    const { keys, seal, sha256, verify } = yield* crypto.open
    const listed: ReadonlyArray<Secret> = Array.isArray(self.secrets) ? self.secrets : [self.secrets as Secret]
    const sources = yield* Effect.forEach(listed, sourceOf)
    const read: Effect.Effect<ReadonlyArray<crypto.Key>, WebhookError> = Effect.forEach(sources, (source) =>
      source._tag === "Static"
        ? Effect.succeed(listOf(source.secret))
        : Effect.map(
            // What a secret store failed or died with may hold what must not be shown.
            Effect.catchCause(source.read, (cause) =>
              Cause.hasInterruptsOnly(cause)
                ? Effect.interrupt
                : failing(scheme.provider)("SecretsUnavailable", "the effect that reads the secrets failed")
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
 * `Misconfigured`, and not as a bad signature at every delivery. So does a `maxBytes` or a `tolerance` that limits nothing.
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
        if (!Number.isFinite(receivedAt)) return yield* fail("Misconfigured", "`receivedAt` is no time")
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

/** Where an event does not match, without what stands there. Names of a record are the sender's: they are kept short. */
const placesOf = (error: Schema.SchemaError): string => {
  const places = issuesOf(error.issue).issues.map(({ path }) => {
    const place = (path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".")
    return place.slice(0, 80).replace(/[^\x20-\x7e]/g, "?") + (place.length > 80 ? "…" : "")
  })
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
