// What the providers' ways of signing have in common: how a delivery is read, and the steps that `Webhook` takes with it.
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import { WebhookError, type WebhookReason } from "../WebhookError.ts"

/** Header values by name, in any case. A list, or two spellings of one name, is a header that came more than once. */
export type HeadersInput = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** A delivery as a scheme reads it. */
export interface Arrival {
  readonly headers: Readonly<Record<string, ReadonlyArray<string>>>
  readonly body: Uint8Array
  readonly url: string | undefined
}

/** What a delivery says about itself, before anything of it is believed. */
export interface Claimed {
  readonly body: Uint8Array
  /** The bytes that may have been signed. More than one where a provider is not consistent. */
  readonly contents: ReadonlyArray<Uint8Array>
  readonly hmacs: ReadonlyArray<Uint8Array>
  readonly ed25519s: ReadonlyArray<Uint8Array>
  /** Seconds since 1970, where the signature covers a time. */
  readonly timestamp: number | undefined
  /** The SHA-256 of the body, where the signature covers that instead of the body. */
  readonly bodySha256: Uint8Array | undefined
}

/** What a delivery is, once its signature was checked. */
export interface Identity {
  /** `undefined` for one that carries no id: the digest of what was signed stands for it. */
  readonly id: string | undefined
  /** Whether the signature covers the id. */
  readonly signed: boolean
  /** The text that answers a provider's test of the address. */
  readonly handshake?: string | undefined
}

/** What `sign` is asked for. */
export interface Outgoing {
  readonly id: string
  readonly body: Uint8Array
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly url: string | undefined
}

export interface Seal {
  readonly _tag: "Hmac" | "Ed25519"
  readonly bytes: Uint8Array
}

export type Sealing = (content: Uint8Array) => Effect.Effect<ReadonlyArray<Seal>>

/** One provider's way of signing. */
export interface Scheme {
  readonly provider: string
  readonly hash: "sha1" | "sha256"
  /** How the text of a secret becomes a key. */
  readonly secret: "utf8" | "standard"
  readonly read: (arrival: Arrival) => Effect.Effect<Claimed, WebhookError>
  readonly identify: (arrival: Arrival) => Effect.Effect<Identity, WebhookError>
  readonly payload: (arrival: Arrival) => Effect.Effect<unknown, WebhookError>
  readonly sign: (outgoing: Outgoing, seal: Sealing) => Effect.Effect<Readonly<Record<string, string>>, WebhookError>
}

/** A scheme whose options are read from the configuration. */
export type Opening = Effect.Effect<Scheme, Config.ConfigError | WebhookError>

// ---- failures

export type Fail = (reason: WebhookReason, detail: string) => Effect.Effect<never, WebhookError>

export const failing =
  (provider: string): Fail =>
  (reason, detail) =>
    Effect.fail(new WebhookError({ reason, provider, detail }))

// ---- headers

export const normalized = (input: HeadersInput): Arrival["headers"] => {
  const headers: Record<string, Array<string>> = Object.create(null)
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue
    ;(headers[name.toLowerCase()] ??= []).push(...(typeof value === "string" ? [value] : value))
  }
  return headers
}

/** The one value of a header, or `undefined` where it is not there. */
export const optional = (
  fail: Fail,
  arrival: Arrival,
  name: string
): Effect.Effect<string | undefined, WebhookError> => {
  const values = arrival.headers[name] ?? []
  if (values.length > 1) return fail("Malformed", `the header ${name} came ${values.length} times`)
  const value = values[0]?.trim()
  return Effect.succeed(value === "" ? undefined : value)
}

/** The one value of a header that must be there. */
export const required = (fail: Fail, arrival: Arrival, name: string): Effect.Effect<string, WebhookError> =>
  Effect.flatMap(optional(fail, arrival, name), (value) =>
    value === undefined ? fail("MissingHeader", `the header ${name} is missing`) : Effect.succeed(value)
  )

/** Whole seconds since 1970, written as nothing but digits. */
export const seconds = (fail: Fail, name: string, text: string): Effect.Effect<number, WebhookError> =>
  /^\d{1,12}$/.test(text) ? Effect.succeed(Number(text)) : fail("Malformed", `${name} is no time in seconds`)

/** An id that can be a key of the idempotency store. */
export const idOf = (fail: Fail, name: string, value: unknown): Effect.Effect<string, WebhookError> =>
  typeof value === "string" && /^[\x21-\x7e]{1,255}$/.test(value)
    ? Effect.succeed(value)
    : fail("Malformed", `${name} is no id of 1 to 255 visible ASCII characters`)

// ---- texts and bytes

const encoder = /* @__PURE__ */ new TextEncoder()

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** A text followed by the bytes as they arrived: decoding them first could change what was signed. */
export const concat = (text: string, bytes: Uint8Array): Uint8Array => {
  const prefix = utf8(text)
  const all = new Uint8Array(prefix.length + bytes.length)
  all.set(prefix)
  all.set(bytes, prefix.length)
  return all
}

/** Bytes of a Base64 text in its one canonical spelling, else `undefined`. Nothing is no text. */
export const ofBase64 = (text: string): Uint8Array | undefined => {
  const bytes = Base64.decode(text)
  return text !== "" && Result.isSuccess(bytes) && Base64.encode(bytes.success) === text ? bytes.success : undefined
}

/** Bytes of a lower-case hexadecimal text, else `undefined`. */
export const ofHex = (text: string): Uint8Array | undefined => {
  const bytes = /^[0-9a-f]+$/.test(text) ? Hex.decode(text) : undefined
  return bytes !== undefined && Result.isSuccess(bytes) ? bytes.success : undefined
}

export const textOf = (fail: Fail, body: Uint8Array): Effect.Effect<string, WebhookError> =>
  Effect.catch(
    Effect.try({ try: () => new TextDecoder("utf-8", { fatal: true }).decode(body), catch: () => "no UTF-8" }),
    () => fail("Malformed", "the body is no UTF-8")
  )

export const parsed = (fail: Fail, text: string): Effect.Effect<unknown, WebhookError> =>
  Effect.catch(Effect.try({ try: () => JSON.parse(text) as unknown, catch: () => "no JSON" }), () =>
    fail("Malformed", "the body is no JSON")
  )

export const jsonOf = (fail: Fail, body: Uint8Array): Effect.Effect<unknown, WebhookError> =>
  Effect.flatMap(textOf(fail, body), (text) => parsed(fail, text))

/** The parameters of a form. One that came more than once is a list. */
export const formOf = (
  fail: Fail,
  body: Uint8Array
): Effect.Effect<Readonly<Record<string, string | ReadonlyArray<string>>>, WebhookError> =>
  Effect.map(textOf(fail, body), (text) => {
    const parameters = new Map<string, Array<string>>()
    for (const [name, value] of new URLSearchParams(text)) {
      const values = parameters.get(name)
      // Twilio's form is read before its signature is checked: a name that comes often must not cost its square.
      if (values === undefined) parameters.set(name, [value])
      else values.push(value)
    }
    return Object.fromEntries(
      Array.from(parameters, ([name, values]) => [name, values.length === 1 ? values[0]! : values])
    )
  })

/**
 * Whether the body is a form. `Content-Type` is not signed, and JSON may hold `&payload=…` that somebody else has written:
 * so it never makes a form of a body that is JSON by its first character, which no form begins with.
 */
export const isForm = ({ body, headers }: Arrival): boolean =>
  /^application\/x-www-form-urlencoded\b/i.test(headers["content-type"]?.[0]?.trim() ?? "") &&
  !jsonStarts.has(body.find((byte) => !whiteSpace.has(byte)) ?? 0)

const whiteSpace: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20])
/** `{`, `[` and `"`: a form writes them as `%7B`, `%5B` and `%22`. */
const jsonStarts: ReadonlySet<number> = new Set([0x22, 0x5b, 0x7b])

export const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
