// Bodies as they are kept in a cassette, from bytes and back.
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Body, Part } from "../Exchange.ts"

const encoder = new TextEncoder()
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

/** What `JSON.parse` makes of a text, or `undefined` where it is no JSON. */
export const parseJson = (text: string): { readonly value: unknown } | undefined => {
  const exit = fromJson(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  return Exit.isSuccess(exit) ? { value: exit.value } : undefined
}

/** A text that is UTF-8, with its byte order mark, or `undefined`. */
export const textOf = (bytes: Uint8Array): string | undefined =>
  Result.getOrUndefined(Result.try({ try: () => strict.decode(bytes), catch: () => undefined }))

export const mediaTypeOf = (contentType: string | undefined): string =>
  contentType?.split(";", 1)[0]!.trim().toLowerCase() ?? ""

const isJson = (mediaType: string): boolean => /[/+.-]json\b/.test(mediaType)

/** Numbers that JSON can write and a JavaScript number can't hold. They would be changed by keeping them as JSON. */
const loses = (text: string): boolean => /(?:^|[\s:[,])-?(?:\d{16,}|\d+(?:\.\d+)?[eE]\+?\d{3})/.test(text)

/** The body of these bytes, which are not compressed. */
export const bodyOf = (bytes: Uint8Array, contentType: string | undefined): Effect.Effect<Body | undefined> => {
  if (bytes.length === 0) return Effect.succeed(undefined)
  const mediaType = mediaTypeOf(contentType)
  if (mediaType === "multipart/form-data") {
    const body: Uint8Array<ArrayBuffer> = new Uint8Array(bytes)
    const form = Effect.tryPromise(() =>
      new globalThis.Response(body, { headers: { "content-type": contentType! } }).formData()
    )
    return Effect.catch(Effect.flatMap(form, multipartOf), () => Effect.succeed(plain(bytes, mediaType)))
  }
  return Effect.succeed(plain(bytes, mediaType))
}

const plain = (bytes: Uint8Array, mediaType: string): Body => {
  const text = textOf(bytes)
  if (text === undefined) return { base64: Base64.encode(bytes) }
  if (mediaType === "application/x-www-form-urlencoded") {
    // A leading "?" is a part of the first name; URLSearchParams would drop it.
    return { form: Array.from(new URLSearchParams(text.replace(/^\?/, "%3F"))) }
  }
  const json = isJson(mediaType) && !loses(text) ? parseJson(text) : undefined
  return json === undefined ? { text } : { json: json.value }
}

/** The parts of a form. */
export const multipartOf = (form: FormData): Effect.Effect<Body> =>
  Effect.map(
    Effect.forEach(Array.from(form), ([name, value]): Effect.Effect<Part> => {
      if (typeof value === "string") return Effect.succeed(value === "" ? { name } : { name, body: { text: value } })
      return Effect.flatMap(
        Effect.promise(() => value.arrayBuffer()),
        (buffer) =>
          Effect.map(bodyOf(new Uint8Array(buffer), value.type), (body) => ({
            name,
            filename: value.name,
            ...(value.type === "" ? {} : { type: value.type }),
            ...(body === undefined ? {} : { body })
          }))
      )
    }),
    (multipart) => ({ multipart })
  )

interface Encoded {
  readonly bytes: Uint8Array
  readonly contentType?: string
}

/** The bytes of a body, and the content type that its boundary makes necessary. */
export const bytesOfBody = (body: Body | undefined): Effect.Effect<Encoded> => {
  if (body === undefined) return Effect.succeed({ bytes: new Uint8Array(0) })
  if (!("multipart" in body)) return Effect.succeed({ bytes: bytesOfPlain(body) })
  return formDataOf(body.multipart)
}

const bytesOfPlain = (body: Exclude<Body, { readonly multipart: unknown }>): Uint8Array => {
  if ("json" in body) return encoder.encode(JSON.stringify(body.json))
  if ("form" in body)
    return encoder.encode(
      new URLSearchParams(body.form.map(([name, value]): [string, string] => [name, value])).toString()
    )
  if ("text" in body) return encoder.encode(body.text)
  return Result.getOrElse(Base64.decode(body.base64), () => new Uint8Array(0))
}

const formDataOf = (parts: ReadonlyArray<Part>): Effect.Effect<Encoded> =>
  Effect.flatMap(
    Effect.forEach(parts, (part) => Effect.map(bytesOfBody(part.body), ({ bytes }) => ({ part, bytes }))),
    (parts) =>
      Effect.promise(async () => {
        const form = new FormData()
        for (const { bytes, part } of parts) {
          if (part.filename === undefined) form.append(part.name, textOf(bytes) ?? "")
          else {
            const options = part.type === undefined ? {} : { type: part.type }
            form.append(part.name, new Blob([new Uint8Array(bytes)], options), part.filename)
          }
        }
        const encoded = new globalThis.Response(form)
        return {
          bytes: new Uint8Array(await encoded.arrayBuffer()),
          contentType: encoded.headers.get("content-type")!
        }
      })
  )

// ---- compression

type Opened = { readonly bytes: Uint8Array } | { readonly closed: string }

const formats: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli"
}

const decompress = (bytes: Uint8Array, format: string): Effect.Effect<Uint8Array, unknown> => {
  const copy: Uint8Array<ArrayBuffer> = new Uint8Array(bytes)
  return Effect.tryPromise(async () => {
    const opened = new Blob([copy]).stream().pipeThrough(new DecompressionStream(format as "gzip"))
    return new Uint8Array(await new globalThis.Response(opened as ReadableStream).arrayBuffer())
  })
}

/**
 * The bytes as they were before they were compressed. Some clients have opened them already and leave the header; others
 * don't. So the bytes decide, and what can't be opened and is no text is reported: nobody could redact it.
 */
export const open = (bytes: Uint8Array, contentEncoding: string | undefined): Effect.Effect<Opened> => {
  const codings = (contentEncoding ?? "")
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity")
  if (codings.length === 0 || bytes.length === 0) return Effect.succeed({ bytes })
  const opened = Effect.reduce(
    codings.toReversed(),
    () => bytes,
    (bytes, coding) => {
      const format = formats[coding]
      return format === undefined ? Effect.fail(coding) : decompress(bytes, format)
    }
  )
  return Effect.match(opened, {
    onSuccess: (bytes): Opened => ({ bytes }),
    // Gzip and zstd are known by their first bytes. Without them, the client has opened the body.
    onFailure: (): Opened =>
      textOf(bytes) !== undefined || (/^(x-)?gzip$/.test(codings.at(-1)!) && !(bytes[0] === 0x1f && bytes[1] === 0x8b))
        ? { bytes }
        : { closed: codings.join(", ") }
  })
}
