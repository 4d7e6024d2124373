// How the providers but Twilio sign. Each reads what a delivery claims, and says after the check what it is.
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import type { WebhookError } from "../WebhookError.ts"
import {
  type Arrival,
  concat,
  type Fail,
  failing,
  field,
  formOf,
  idOf,
  isForm,
  jsonOf,
  ofBase64,
  ofHex,
  parsed,
  required,
  type Scheme,
  type Seal,
  type Sealing,
  seconds
} from "./webhookScheme.ts"

/** So many signatures cover every rotation. More would let a stranger choose how much work a delivery is. */
const maxSignatures = 32

const present = <A>(values: ReadonlyArray<A | undefined>): ReadonlyArray<A> =>
  values.filter((value): value is A => value !== undefined)

/** What was signed with the first secret, for a provider that sends one signature. */
export const first = (fail: Fail, seal: Sealing, content: Uint8Array) =>
  Effect.flatMap(seal(content), (seals) =>
    seals[0] === undefined ? fail("Misconfigured", "no secret can sign") : Effect.succeed(seals[0].bytes)
  )

const all = (fail: Fail, seal: Sealing, content: Uint8Array): Effect.Effect<ReadonlyArray<Seal>, WebhookError> =>
  Effect.flatMap(seal(content), (seals) =>
    seals.length === 0 ? fail("Misconfigured", "no secret can sign") : Effect.succeed(seals)
  )

// ---- Standard Webhooks

/** `https://github.com/standard-webhooks/standard-webhooks`, version 1.0.0: `v1` (HMAC-SHA256) and `v1a` (ed25519). */
export const standard = (prefix: "webhook" | "svix"): Scheme => {
  const provider = prefix === "svix" ? "Svix" : "Standard Webhooks"
  const fail = failing(provider)
  const readId = (arrival: Arrival) =>
    Effect.flatMap(required(fail, arrival, `${prefix}-id`), (text) =>
      // The parts are joined by full stops: one within the id would let a captured delivery be cut elsewhere.
      text.includes(".")
        ? fail("Malformed", `${prefix}-id has a full stop, which the specification warns of`)
        : idOf(fail, `${prefix}-id`, text)
    )
  return {
    provider,
    hash: "sha256",
    secret: "standard",
    read: (arrival) =>
      Effect.gen(function* () {
        const id = yield* readId(arrival)
        const timestamp = yield* required(fail, arrival, `${prefix}-timestamp`)
        const at = yield* seconds(fail, `${prefix}-timestamp`, timestamp)
        const signatures = (yield* required(fail, arrival, `${prefix}-signature`)).split(/ +/)
        if (signatures.length > maxSignatures) return yield* fail("Malformed", "there are too many signatures")
        const of = (version: string) =>
          present(signatures.map((s) => (s.startsWith(version) ? ofBase64(s.slice(version.length)) : undefined)))
        const hmacs = of("v1,")
        const ed25519s = of("v1a,")
        if (hmacs.length + ed25519s.length === 0) {
          return yield* fail("Malformed", `${prefix}-signature holds no signature of a known version`)
        }
        return {
          body: arrival.body,
          contents: [concat(`${id}.${timestamp}.`, arrival.body)],
          hmacs,
          ed25519s,
          timestamp: at,
          bodySha256: undefined
        }
      }),
    identify: (arrival) => Effect.map(readId(arrival), (id) => ({ id, signed: true })),
    payload: ({ body }) => jsonOf(fail, body),
    sign: ({ body, id, timestamp }, seal) =>
      Effect.gen(function* () {
        if (!/^[\x21-\x2d\x2f-\x7e]{1,255}$/.test(id)) {
          return yield* fail("Misconfigured", "an id is 1 to 255 visible ASCII characters without a full stop")
        }
        const seals = yield* all(fail, seal, concat(`${id}.${timestamp}.`, body))
        return {
          [`${prefix}-id`]: id,
          [`${prefix}-timestamp`]: String(timestamp),
          [`${prefix}-signature`]: seals
            .map(({ _tag, bytes }) => `${_tag === "Hmac" ? "v1" : "v1a"},${Base64.encode(bytes)}`)
            .join(" ")
        }
      })
  }
}

// ---- Stripe

/** `https://docs.stripe.com/webhooks#verify-manually`: `t=…,v1=…` over `t.body`. `v0` is for tests only and does not count. */
export const stripe: Scheme = (() => {
  const fail = failing("Stripe")
  const name = "stripe-signature"
  return {
    provider: "Stripe",
    hash: "sha256" as const,
    secret: "utf8" as const,
    read: (arrival: Arrival) =>
      Effect.gen(function* () {
        const parts = (yield* required(fail, arrival, name)).split(",").map((part) => part.trim())
        const of = (key: string) => parts.filter((p) => p.startsWith(`${key}=`)).map((p) => p.slice(key.length + 1))
        const [timestamp, ...others] = of("t")
        const signatures = of("v1")
        if (timestamp === undefined || others.length > 0) return yield* fail("Malformed", `${name} has no one time`)
        const at = yield* seconds(fail, `the time of ${name}`, timestamp)
        if (signatures.length > maxSignatures) return yield* fail("Malformed", "there are too many signatures")
        const hmacs = present(signatures.map(ofHex))
        if (hmacs.length === 0) return yield* fail("Malformed", `${name} holds no signature of version v1`)
        return {
          body: arrival.body,
          contents: [concat(`${timestamp}.`, arrival.body)],
          hmacs,
          ed25519s: [],
          timestamp: at,
          bodySha256: undefined
        }
      }),
    identify: ({ body }: Arrival) =>
      Effect.flatMap(jsonOf(fail, body), (event) =>
        Effect.map(idOf(fail, "the event's id", field(event, "id")), (id) => ({ id, signed: true }))
      ),
    payload: ({ body }: Arrival) => jsonOf(fail, body),
    sign: ({ body, timestamp }, seal) =>
      Effect.map(all(fail, seal, concat(`${timestamp}.`, body)), (seals) => ({
        [name]: [`t=${timestamp}`, ...seals.map(({ bytes }) => `v1=${Hex.encode(bytes)}`)].join(",")
      }))
  } satisfies Scheme
})()

// ---- GitHub

/** `https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries`: `sha256=` and hex over the body. */
export const github: Scheme = (() => {
  const fail = failing("GitHub")
  const name = "x-hub-signature-256"
  return {
    provider: "GitHub",
    hash: "sha256" as const,
    secret: "utf8" as const,
    read: (arrival: Arrival) =>
      Effect.flatMap(required(fail, arrival, name), (text) => {
        const hmac = text.startsWith("sha256=") ? ofHex(text.slice(7)) : undefined
        return hmac === undefined
          ? fail("Malformed", `${name} holds no signature`)
          : Effect.succeed({
              body: arrival.body,
              contents: [arrival.body],
              hmacs: [hmac],
              ed25519s: [],
              timestamp: undefined,
              bodySha256: undefined
            })
      }),
    identify: (arrival: Arrival) =>
      Effect.gen(function* () {
        const text = yield* required(fail, arrival, "x-github-delivery")
        return { id: yield* idOf(fail, "x-github-delivery", text), signed: false }
      }),
    payload: (arrival: Arrival) =>
      isForm(arrival)
        ? Effect.flatMap(formOf(fail, arrival.body), (form) => parsed(fail, String(form["payload"] ?? "")))
        : jsonOf(fail, arrival.body),
    sign: ({ body, id }, seal) =>
      Effect.map(first(fail, seal, body), (bytes) => ({
        [name]: `sha256=${Hex.encode(bytes)}`,
        "x-github-delivery": id
      }))
  } satisfies Scheme
})()

// ---- Slack

/** `https://docs.slack.dev/authentication/verifying-requests-from-slack`: `v0=` and hex over `v0:time:body`. */
export const slack: Scheme = (() => {
  const fail = failing("Slack")
  const payload = (arrival: Arrival): Effect.Effect<unknown, WebhookError> =>
    isForm(arrival)
      ? Effect.flatMap(formOf(fail, arrival.body), (form) => {
          const inner = form["payload"]
          return typeof inner === "string" ? parsed(fail, inner) : Effect.succeed(form)
        })
      : jsonOf(fail, arrival.body)
  return {
    provider: "Slack",
    hash: "sha256" as const,
    secret: "utf8" as const,
    read: (arrival: Arrival) =>
      Effect.gen(function* () {
        const timestamp = yield* required(fail, arrival, "x-slack-request-timestamp")
        const at = yield* seconds(fail, "x-slack-request-timestamp", timestamp)
        const text = yield* required(fail, arrival, "x-slack-signature")
        const hmac = text.startsWith("v0=") ? ofHex(text.slice(3)) : undefined
        if (hmac === undefined) return yield* fail("Malformed", "x-slack-signature holds no signature")
        return {
          body: arrival.body,
          contents: [concat(`v0:${timestamp}:`, arrival.body)],
          hmacs: [hmac],
          ed25519s: [],
          timestamp: at,
          bodySha256: undefined
        }
      }),
    identify: (arrival: Arrival) =>
      Effect.map(payload(arrival), (event) => {
        const id = field(event, "event_id") ?? field(event, "trigger_id")
        const challenge = field(event, "challenge")
        return {
          id: typeof id === "string" && /^[\x21-\x7e]{1,255}$/.test(id) ? id : undefined,
          signed: true,
          handshake:
            field(event, "type") === "url_verification" && typeof challenge === "string" ? challenge : undefined
        }
      }),
    payload,
    sign: ({ body, timestamp }, seal) =>
      Effect.map(first(fail, seal, concat(`v0:${timestamp}:`, body)), (bytes) => ({
        "x-slack-request-timestamp": String(timestamp),
        "x-slack-signature": `v0=${Hex.encode(bytes)}`
      }))
  } satisfies Scheme
})()

// ---- Shopify

/** `https://shopify.dev/docs/apps/build/webhooks/verify-deliveries`: Base64 over the body. */
export const shopify = (idHeader: "x-shopify-webhook-id" | "x-shopify-event-id"): Scheme => {
  const fail = failing("Shopify")
  const name = "x-shopify-hmac-sha256"
  return {
    provider: "Shopify",
    hash: "sha256",
    secret: "utf8",
    read: (arrival) =>
      Effect.flatMap(required(fail, arrival, name), (text) => {
        const hmac = ofBase64(text)
        return hmac === undefined
          ? fail("Malformed", `${name} holds no signature`)
          : Effect.succeed({
              body: arrival.body,
              contents: [arrival.body],
              hmacs: [hmac],
              ed25519s: [],
              timestamp: undefined,
              bodySha256: undefined
            })
      }),
    identify: (arrival) =>
      Effect.gen(function* () {
        const text = yield* required(fail, arrival, idHeader)
        return { id: yield* idOf(fail, idHeader, text), signed: false }
      }),
    payload: ({ body }) => jsonOf(fail, body),
    sign: ({ body, id }, seal) =>
      Effect.map(first(fail, seal, body), (bytes) => ({ [name]: Base64.encode(bytes), [idHeader]: id }))
  }
}
