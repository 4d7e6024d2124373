// Bytes of requests and answers. An answer's body is an Effect stream, so that it stalls, is cut and is interrupted in
// virtual time, where a web stream would need the real event loop.
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import type { Reply } from "./model.ts"

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

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
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
export const respondWith = (
  request: Request,
  play: Extract<Play, { readonly _tag: "Answer" }>
): Response => {
  const { reply } = play
  const [mediaType, bytes] = encodeBody(reply.body)
  const chunked = reply.headers?.["transfer-encoding"] === "chunked"
  const headers = {
    ...(mediaType === undefined ? {} : { "content-type": mediaType }),
    ...(chunked ? {} : { "content-length": String(bytes.length) }),
    ...reply.headers
  }
  return responseOf(request, reply.status ?? 200, headers, (response) => {
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

const chunkSize = 64 * 1024

/** An answer with a body of spaces. */
export const huge = (request: Request, reply: Reply, bytes: number, announced: boolean) =>
  responseOf(
    request,
    reply.status ?? 200,
    {
      "content-type": "application/json",
      ...(announced ? { "content-length": String(bytes) } : {}),
      ...reply.headers
    },
    () => {
      const chunk = encoder.encode(" ".repeat(Math.min(chunkSize, bytes)))
      return Stream.map(Stream.range(1, Math.ceil(bytes / chunkSize)), (n) =>
        n * chunkSize <= bytes ? chunk : chunk.subarray(0, bytes - (n - 1) * chunkSize)
      )
    }
  )
