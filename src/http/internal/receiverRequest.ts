// What a request is to the receiver: its key, its body read once, and its fingerprint.
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import { HttpServerError, RequestParseError } from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Multipart from "effect/http/Multipart"
import * as UrlParams from "effect/http/UrlParams"
import * as ByteSize from "effect/ByteSize"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { canonical } from "../../internal/fingerprint.ts"
import { sha256, toHex } from "../../internal/sha256.ts"

type Request = HttpServerRequest.HttpServerRequest
type Body = Uint8Array<ArrayBuffer>

/** Methods that change nothing (RFC 9110): they need no key, and one that they have means nothing. */
export const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])

// ---- the key

export type Key =
  | { readonly _tag: "Key"; readonly key: string }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Invalid"; readonly why: string }

const invalid = (why: string): Key => ({ _tag: "Invalid", why })
const visible = /^[\x21-\x7e]{1,255}$/

/**
 * Reads the key. A bare token and a quoted string (RFC 9651) are the same key. Servers join repeated headers with a comma
 * and a space, which no key may contain: so two keys are an invalid one.
 */
export const keyOf = (headers: Headers.Headers, name: string): Key => {
  const text = headers[name]?.trim()
  if (text === undefined) return { _tag: "Missing" }
  if (text === "") return invalid(`${name} is empty`)
  if (!text.startsWith('"')) {
    return visible.test(text)
      ? { _tag: "Key", key: text }
      : invalid(
          `${name} must be one key of 1 to 255 visible ASCII characters, bare or as a quoted string, and stand there once`
        )
  }
  const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text)?.[1]
  if (quoted === undefined) return invalid(`${name} is not one quoted string (RFC 9651)`)
  const key = quoted.replace(/\\(["\\])/g, "$1")
  return visible.test(key)
    ? { _tag: "Key", key }
    : invalid(`${name} must hold 1 to 255 visible ASCII characters between its quotes`)
}

// ---- the body

const tooLarge = (error: HttpServerError): boolean =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"

/** Reads the body to its end, or says that it is larger than it may be. A body that breaks off is the request's failure. */
export const readBody = (request: Request, max: number): Effect.Effect<Body | "TooLarge", HttpServerError> => {
  // Nothing is read of a body that says so itself.
  if (Number(request.headers["content-length"] ?? 0) > max) return Effect.succeed("TooLarge")
  return Effect.withFiber((fiber) => {
    const limit = fiber.getRef(HttpIncomingMessage.MaxBodySize)
    const lowest = limit === undefined || Number(limit) > max ? ByteSize.bytes(max) : limit
    return Effect.matchEffect(Effect.provideService(request.arrayBuffer, HttpIncomingMessage.MaxBodySize, lowest), {
      onFailure: (error) => (tooLarge(error) ? Effect.succeed("TooLarge" as const) : Effect.fail(error)),
      // Somebody before us may have read it, without a limit.
      onSuccess: (buffer) => Effect.succeed(buffer.byteLength > max ? ("TooLarge" as const) : new Uint8Array(buffer))
    })
  })
}

const parseJson = (text: string): Result.Result<unknown, unknown> =>
  Result.try({ try: () => JSON.parse(text) as unknown, catch: (error) => error })

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/**
 * The request with the body that was read: every way to read it works, as often as it likes. What a server offers besides
 * (`source`, `response`, …) is the original's.
 */
export const withBody = (request: Request, body: Body): Effect.Effect<Request> => {
  const broken = (cause: unknown) =>
    new HttpServerError({ reason: new RequestParseError({ request, reason: "Parse", cause }) })
  const text = Effect.sync(() => decoder.decode(body))
  const parts = partsOf(request, body)
  return Effect.map(Effect.cached(Multipart.toPersisted(parts)), (multipart) => {
    const readers: PropertyDescriptorMap = {
      stream: { value: streamOf(body) },
      arrayBuffer: { value: Effect.sync(() => body.slice().buffer) },
      text: { value: text },
      json: {
        value: Effect.flatMap(text, (json) =>
          json === "" ? Effect.succeed(null) : Effect.mapError(Effect.fromResult(parseJson(json)), broken)
        )
      },
      // A leading "?" is data, and `URLSearchParams` would drop it.
      urlParamsBody: {
        value: Effect.map(text, (form) => UrlParams.fromInput(new URLSearchParams(form.replace(/^\?/, "%3F"))))
      },
      multipartStream: { value: parts },
      multipart: { value: multipart }
    }
    const over = (inner: Request): Request =>
      Object.create(inner, {
        ...readers,
        modify: { value: (options: Parameters<Request["modify"]>[0]) => over(inner.modify(options)) }
      }) as Request
    return over(request)
  })
}

const streamOf = (body: Body): Stream.Stream<Uint8Array> =>
  body.byteLength === 0 ? Stream.empty : Stream.succeed(body)

const partsOf = (request: Request, body: Body): Stream.Stream<Multipart.Part, Multipart.MultipartError> =>
  Stream.pipeThroughChannel(streamOf(body), Multipart.makeChannel<never>(request.headers))

// ---- the fingerprint

/** What the router knows about a request. */
export interface Matched {
  readonly method: string
  readonly route: string
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
}

/**
 * What a request is, before any schema reads it: a default that a deploy adds does not make it another request. JSON counts
 * as a value, a form of parts by its parts, anything else byte by byte.
 */
export const fingerprintOf = (request: Request, matched: Matched, body: Body): Effect.Effect<string> => {
  const mediaType = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? ""
  const asBytes = Effect.map(digest(body), (bytes): object => ({ type: mediaType, bytes }))
  const content: Effect.Effect<object> =
    body.byteLength === 0
      ? Effect.succeed({})
      : /^application\/(?:.*\+)?json$/.test(mediaType)
        ? Result.match(parseJson(decoder.decode(body)), {
            onFailure: () => asBytes,
            onSuccess: (json) => Effect.succeed({ json })
          })
        : mediaType === "multipart/form-data"
          ? Effect.matchEffect(Stream.runCollect(Stream.mapEffect(partsOf(request, body), hashed)), {
              onFailure: () => asBytes,
              onSuccess: (parts) => Effect.succeed({ parts })
            })
          : asBytes
  const whole = Effect.flatMap(content, (content) =>
    Result.match(textOf({ ...matched, ...content }), {
      // Nested more deeply than can be walked through.
      onFailure: () => Effect.map(asBytes, (bytes) => canonical({ ...matched, ...bytes })),
      onSuccess: (text) => Effect.succeed(text)
    })
  )
  return Effect.map(
    Effect.flatMap(whole, (text) => digest(encoder.encode(text))),
    (hex) => `h1:${hex}`
  )
}

const textOf = (value: unknown): Result.Result<string, unknown> =>
  Result.try({ try: () => canonical(value), catch: (error) => error })

const hashed = (part: Multipart.Part): Effect.Effect<object, Multipart.MultipartError> =>
  part._tag === "Field"
    ? Effect.succeed({ key: part.key, type: part.contentType, value: part.value })
    : Effect.map(
        Effect.flatMap(part.contentEffect, (content) => digest(content.slice())),
        (file) => ({ key: part.key, type: part.contentType, name: part.name, file })
      )

/** SHA-256. Of much it is left to the platform, which does it elsewhere: other requests need not wait for it. */
const digest = (bytes: Body): Effect.Effect<string> =>
  bytes.byteLength <= 16 * 1024
    ? Effect.sync(() => toHex(sha256(bytes)))
    : Effect.map(
        Effect.promise(() => crypto.subtle.digest("SHA-256", bytes)),
        (buffer) => toHex(new Uint8Array(buffer))
      )
