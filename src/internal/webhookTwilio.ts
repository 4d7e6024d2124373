// How Twilio signs: not the body, but the address that it calls.
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type { WebhookError } from "../WebhookError.ts"
import { first } from "./webhookProviders.ts"
import {
  type Arrival,
  failing,
  field,
  formOf,
  idOf,
  jsonOf,
  ofBase64,
  ofHex,
  optional,
  required,
  type Scheme,
  utf8
} from "./webhookScheme.ts"

/** An address in its parts, spelled as it was written. */
export interface Address {
  /** `https://` and the like. */
  readonly scheme: string
  /** `user:password@`, or nothing. */
  readonly user: string
  readonly host: string
  /** `:8443`, or nothing. */
  readonly port: string
  readonly path: string
  /** `?…`, or nothing. */
  readonly query: string
}

/** Reads an address without changing its spelling, as `URL` would: Twilio signs what is written. */
export const addressOf = (text: string): Address | undefined => {
  const found = /^(https?:\/\/)([^/?#@]*@)?(\[[^\]/?#]+\]|[^/?#:@\s]+)(:\d+)?(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/i.exec(text)
  if (found === null) return undefined
  const [, scheme = "", user = "", host = "", port = "", path = "", query = ""] = found
  return { scheme, user, host, port, path, query }
}

/**
 * `https://www.twilio.com/docs/usage/security#validating-requests`: SHA-1 over the address and the sorted parameters, or
 * over an address that holds the SHA-256 of the body.
 */
export const twilio = (publicUrl: Address | undefined): Scheme => {
  const fail = failing("Twilio")
  const name = "x-twilio-signature"

  const calledOf = (url: string | undefined): Effect.Effect<Address, WebhookError> => {
    if (url === undefined) return fail("Misconfigured", "Twilio signs the address: pass the delivery's `url`")
    const called = addressOf(url)
    if (called === undefined) return fail("Malformed", "the address that was called is no URL")
    if (publicUrl === undefined) return Effect.succeed(called)
    const path = publicUrl.path === "" || publicUrl.path === "/" ? called.path : publicUrl.path
    return Effect.succeed({ ...publicUrl, path, query: called.query })
  }

  /**
   * Twilio signs with and without the port, and is not consistent in it: its own libraries accept both. It signs an
   * apostrophe as it is (twilio-node#1183), which a `Request` of the Web platform has escaped.
   */
  const spellings = ({ host, path, port, query, scheme, user }: Address): ReadonlyArray<string> => {
    const named = port === "" ? (scheme.toLowerCase() === "https://" ? ":443" : ":80") : port
    return Array.from(new Set([query, query.replaceAll("%27", "'")])).flatMap((query) =>
      ["", named].map((port) => scheme + user + host + port + path + query)
    )
  }

  const hashOf = ({ query }: Address): string | null => new URLSearchParams(query).get("bodySHA256")
  const isJson = (called: Address): boolean => hashOf(called) !== null

  const parameters = (body: Uint8Array) =>
    Effect.map(formOf(fail, body), (form) =>
      Object.keys(form)
        .toSorted()
        .map((key) => {
          const value = form[key]!
          return typeof value === "string"
            ? key + value
            : Array.from(new Set(value))
                .toSorted()
                .map((one) => key + one)
                .join("")
        })
        .join("")
    )

  const contents = (called: Address, body: Uint8Array) =>
    Effect.map(isJson(called) ? Effect.succeed("") : parameters(body), (text) =>
      spellings(called).map((spelling) => utf8(spelling + text))
    )

  const payload = (arrival: Arrival) =>
    Effect.flatMap(calledOf(arrival.url), (called): Effect.Effect<unknown, WebhookError> =>
      isJson(called) ? jsonOf(fail, arrival.body) : formOf(fail, arrival.body)
    )

  return {
    provider: "Twilio",
    hash: "sha1",
    secret: "utf8",
    read: (arrival) =>
      Effect.gen(function* () {
        const hmac = ofBase64(yield* required(fail, arrival, name))
        if (hmac === undefined) return yield* fail("Malformed", `${name} holds no signature`)
        const called = yield* calledOf(arrival.url)
        const hash = hashOf(called)
        const bodySha256 = hash === null ? undefined : ofHex(hash)
        if (hash !== null && bodySha256 === undefined) return yield* fail("Malformed", "bodySHA256 is no SHA-256")
        return {
          body: arrival.body,
          contents: yield* contents(called, arrival.body),
          hmacs: [hmac],
          ed25519s: [],
          timestamp: undefined,
          bodySha256
        }
      }),
    identify: (arrival) =>
      Effect.gen(function* () {
        const event = yield* payload(arrival)
        // No part holds a colon, which joins them: so no two lists of parts look alike.
        const text = (key: string) => {
          const value = field(event, key)
          return typeof value === "string" && /^[\x21-\x39\x3b-\x7e]{1,80}$/.test(value) ? value : undefined
        }
        const message = [text("MessageSid") ?? text("SmsSid"), text("MessageStatus") ?? text("SmsStatus")]
        const call = [text("CallSid"), text("CallStatus"), text("SequenceNumber")]
        for (const parts of [message, call]) {
          if (!parts.includes(undefined)) return { id: parts.join(":"), signed: true }
        }
        const token = yield* optional(fail, arrival, "i-twilio-idempotency-token")
        if (token === undefined) return { id: undefined, signed: true }
        // The ids above and the digest have one. A token, which is not signed, must not take the place of such an id.
        if (token.includes(":")) return yield* fail("Malformed", "i-twilio-idempotency-token has a colon")
        return { id: yield* idOf(fail, "i-twilio-idempotency-token", token), signed: false }
      }),
    payload,
    sign: ({ body, id, url }, seal) =>
      Effect.gen(function* () {
        const [content] = yield* contents(yield* calledOf(url), body)
        return {
          [name]: Base64.encode(yield* first(fail, seal, content!)),
          "i-twilio-idempotency-token": id
        }
      })
  }
}
