// What becomes of an answer: which is kept, which frees the key, and how one is stored and told again.
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Verdict } from "../../internal/receive.ts"
import { problems } from "../Answer.ts"

type Response = HttpServerResponse.HttpServerResponse

/** Headers that belong to the answer itself. Cookies, dates, limits and traces belong to the exchange. */
const told: ReadonlyArray<string> = [
  "content-type",
  "content-language",
  "location",
  "content-location",
  "etag",
  "last-modified",
  "link"
]

// ---- which answer is kept

/** Statuses that say that nothing was done, or that say nothing about this key. */
const released: ReadonlySet<number> = new Set([401, 403, 408, 421, 425, 429])

/** Whether an answer goes with an effect: what a transaction commits. The others roll it back. */
export const isSuccess = (response: Response): boolean => response.status < 400

export const judge = (response: Response, rules: Rules): Verdict => {
  const { status } = response
  if (status < 400) return { _tag: "Keep", result: encode(response, rules) }
  if (rules.releases(response)) return { _tag: "Nothing" }
  if (status >= 500) return { _tag: "InDoubt" }
  return released.has(status) || (status === 409 && isInProgress(response.body))
    ? { _tag: "Nothing" }
    : { _tag: "Keep", result: encode(response, rules) }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const textOf = (bytes: Uint8Array): string | undefined =>
  Result.getOrUndefined(Result.try({ try: () => decoder.decode(bytes), catch: () => undefined }))

/** An answer of our kind, from a receiver behind this one. */
const isInProgress = (body: HttpBody.HttpBody): boolean =>
  body._tag === "Uint8Array" && textOf(body.body)?.includes(problems.inProgress) === true

// ---- how it is stored

export interface Rules {
  /** The largest body that is kept, in bytes. */
  readonly maxStored: number
  /** The names of the headers that are kept. */
  readonly headers: ReadonlySet<string>
  readonly releases: (response: Response) => boolean
}

export const headersToTell = (more: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set([...told, ...more.map((name) => name.toLowerCase())].filter((name) => name !== "set-cookie"))

const Stored = Schema.Struct({
  v: Schema.Literal(1),
  status: Schema.Int,
  headers: Schema.Record(Schema.String, Schema.String),
  /** `undefined` for an answer without a body. One that was not kept has none either, and says so. */
  text: Schema.optionalKey(Schema.String),
  base64: Schema.optionalKey(Schema.String),
  dropped: Schema.optionalKey(Schema.Literal(true))
})

const codec = Schema.fromJsonString(Stored)
const write = Schema.encodeSync(codec)
const readStored = Schema.decodeUnknownExit(codec)
const textEncoder = new TextEncoder()

const bytesOf = (body: HttpBody.HttpBody): Uint8Array | undefined => {
  if (body._tag === "Uint8Array") return body.body
  if (body._tag !== "Raw") return undefined
  if (typeof body.body === "string") return textEncoder.encode(body.body)
  return body.body instanceof Uint8Array ? body.body : undefined
}

/** An answer as text. A body that is streamed or too large is not kept; where it stands is, if it says so. */
export const encode = (response: Response, rules: Rules): string => {
  const { body, status } = response
  const headers = Object.fromEntries(Object.entries(response.headers).filter(([name]) => rules.headers.has(name)))
  if (body._tag === "Empty") return write({ v: 1, status, headers })
  const bytes = bytesOf(body)
  if (bytes === undefined || bytes.byteLength > rules.maxStored) {
    const { location } = headers
    return write({ v: 1, status, headers: location === undefined ? {} : { location }, dropped: true })
  }
  const text = textOf(bytes)
  return write({ v: 1, status, headers, ...(text === undefined ? { base64: Base64.encode(bytes) } : { text }) })
}

// ---- how it is told again

export type Told =
  | { readonly _tag: "Told"; readonly response: Response }
  /** It was done, and what was answered is not there, or can't be read by this version. */
  | { readonly _tag: "Dropped"; readonly location: string | undefined }

const dropped: Told = { _tag: "Dropped", location: undefined }

export const decode = (result: string | undefined): Told => {
  const exit = readStored(result)
  if (Exit.isFailure(exit)) return dropped
  const stored = exit.value
  if (stored.dropped === true) return { _tag: "Dropped", location: stored.headers["location"] }
  const headers = Headers.fromInput({ ...stored.headers, "idempotent-replayed": "true" })
  const options = { status: stored.status, headers, cookies: Cookies.empty }
  const contentType = stored.headers["content-type"]
  const whole = (bytes: Uint8Array): Told => ({
    _tag: "Told",
    response: HttpServerResponse.uint8Array(bytes, contentType === undefined ? options : { ...options, contentType })
  })
  if (stored.text !== undefined) return whole(textEncoder.encode(stored.text))
  if (stored.base64 === undefined) return { _tag: "Told", response: HttpServerResponse.empty(options) }
  return Result.match(Base64.decode(stored.base64), { onFailure: () => dropped, onSuccess: whole })
}
