// Bytes of requests and answers. An answer's body is an Effect stream, so that it stalls, is cut and is interrupted in
// virtual time, where a web stream would need the real event loop.
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import type { Reply } from "./model.ts"
import type { Play } from "./provider.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

const encoder = new TextEncoder()
const none = new Uint8Array(0)

/** The bytes of a request as they would be sent. */
export const bytesOf = ({ body }: Request): Effect.Effect<Uint8Array> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(none)
    case "Uint8Array":
      return Effect.succeed(body.body.slice())
    case "Raw":
      return Effect.succeed(body.body instanceof Uint8Array ? body.body.slice() : encoder.encode(String(body.body)))
    case "FormData":
      return Effect.map(
        Effect.promise(() => new globalThis.Response(body.formData).arrayBuffer()),
        (buffer) => new Uint8Array(buffer)
      )
    case "Stream":
      return Effect.map(Effect.orDie(Stream.runCollect(body.stream)), concat)
  }
}

/** One array of many. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** The bytes of an answer, and their media type. */
export const encodeBody = (body: unknown): readonly [mediaType: string | undefined, bytes: Uint8Array] =>
  body === undefined
    ? [undefined, none]
    : body instanceof Uint8Array
      ? ["application/octet-stream", body]
      : typeof body === "string"
        ? ["text/plain", encoder.encode(body)]
        : ["application/json", encoder.encode(JSON.stringify(body))]

/** The status, the headers and the bytes of an answer, as they go over the wire. */
export const encodeReply = (reply: Reply) => {
  const [mediaType, bytes] = encodeBody(reply.body)
  const own = lowerCase(reply.headers)
  return {
    status: reply.status ?? 200,
    headers: {
      ...(mediaType === undefined ? {} : { "content-type": mediaType }),
      ...(own["transfer-encoding"] === "chunked" ? {} : { "content-length": String(bytes.length) }),
      ...own
    },
    bytes
  }
}

/** The same of an answer with a body of spaces, without its bytes. */
export const encodeHuge = (reply: Reply, bytes: number, announced: boolean) => ({
  status: reply.status ?? 200,
  headers: {
    "content-type": "application/json",
    ...(announced ? { "content-length": String(bytes) } : {}),
    ...lowerCase(reply.headers)
  }
})

/** Names of headers are the same in any case, and a header that is there twice is another header. */
const lowerCase = (headers: Reply["headers"]): Record<string, string> =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))

const chunkSize = 64 * 1024

/** The pieces of a body of spaces. */
export function* hugeChunks(bytes: number): Generator<Uint8Array> {
  const chunk = encoder.encode(" ".repeat(Math.min(chunkSize, bytes)))
  for (let left = bytes; left > 0; left -= chunk.length) yield left >= chunk.length ? chunk : chunk.subarray(0, left)
}

// ---- answers

/** A transport error as Node's clients report it: the code stands on its cause. */
export const lost = (request: Request, syscall: string, code: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      cause: Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
    })
  })

type Bytes = Stream.Stream<Uint8Array, HttpClientError.HttpClientError>

const responseOf = (
  request: Request,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: (response: Response) => Bytes
): Response => {
  const response = HttpClientResponse.fromWeb(request, new globalThis.Response(null, { status, headers }))
  const stream = body(response)
  return Object.create(response, {
    stream: { value: stream },
    arrayBuffer: { value: Effect.map(Stream.runCollect(stream), (chunks) => concat(chunks).buffer) }
  })
}

/** An answer whose body arrives whole, or whose second half never comes. */
export const respondWith = (request: Request, play: Extract<Play, { readonly _tag: "Answer" }>): Response => {
  const { bytes, headers, status } = encodeReply(play.reply)
  return responseOf(request, status, headers, (response) => {
    if (play.body === "whole") return Stream.make(bytes)
    const half = Stream.make(bytes.subarray(0, bytes.length >> 1))
    const then = Stream.fromEffect(Effect.sync(play.struck)).pipe(Stream.drain)
    return Stream.concat(
      Stream.concat(half, then),
      play.body === "stalls" ? Stream.never : Stream.fail(cutOff(request, response))
    )
  })
}

const cutOff = (request: Request, response: Response) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.DecodeError({
      request,
      response,
      cause: Object.assign(new Error("terminated"), { code: "UND_ERR_SOCKET" })
    })
  })

/** An answer with a body of spaces. */
export const huge = (request: Request, reply: Reply, bytes: number, announced: boolean): Response => {
  const { headers, status } = encodeHuge(reply, bytes, announced)
  return responseOf(request, status, headers, () => Stream.fromIterable({ [Symbol.iterator]: () => hugeChunks(bytes) }))
}
