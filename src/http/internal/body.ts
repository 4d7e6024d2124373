// The body of an answer: read to its end or to a limit, and seen as data.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { collectorOf, tooLarge } from "./collect.ts"
import type { Reading } from "./streamRead.ts"

type Response = HttpClientResponse.HttpClientResponse

/** The media type of an answer, without its parameters. */
export const mediaTypeOf = (headers: Readonly<Record<string, string | undefined>>): string =>
  headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? ""

/** Whether a success is the stream that was asked for. Bytes may be of any type, but for an error that is told as JSON. */
export const holdsStream = ({ body }: Reading, mediaType: string): boolean =>
  body.mediaTypes.has(mediaType) || (body.kind === "uint8array" && !isJson(mediaType))

/** Reads a body to its end, or to the limit. A known length is read in one piece. */
export const readBody = (response: Response, limit: number): Effect.Effect<Uint8Array, unknown> => {
  const collect = collectorOf(response)
  if (collect !== undefined) return collect(limit)
  // These have no body, whatever length they speak of; it is read all the same, so that the connection is free again.
  const bodiless = response.request.method === "HEAD" || response.status === 204 || response.status === 304
  const length = bodiless ? 0 : Number(response.headers["content-length"] ?? NaN)
  if (length > limit) return Effect.andThen(abandon(response), Effect.fail(tooLarge))
  if (bodiless || (length >= 0 && response.headers["content-encoding"] === undefined)) {
    return Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer))
  }
  return Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Effect.map(
      Effect.catch(
        Stream.runForEach(response.stream, (chunk) => {
          size += chunk.length
          if (size > limit) return Effect.fail(tooLarge)
          chunks.push(chunk)
          return Effect.void
        }),
        (error): Effect.Effect<void, unknown> =>
          HttpClientError.isHttpClientError(error) && error.reason._tag === "EmptyBodyError"
            ? Effect.void
            : Effect.fail(error)
      ),
      () => {
        const body = new Uint8Array(size)
        let offset = 0
        for (const chunk of chunks) {
          body.set(chunk, offset)
          offset += chunk.length
        }
        return body
      }
    )
  })
}

/** Closes the connection of an answer that nobody reads: Effect does so when the reading of its body is interrupted. */
export const abandon = (response: Response): Effect.Effect<unknown> =>
  Effect.flatMap(Effect.forkChild(response.arrayBuffer, { startImmediately: true }), Fiber.interrupt)

/** The bytes as a buffer of their own length. */
export const toArrayBuffer = (bytes: Uint8Array): ArrayBuffer =>
  (bytes.byteLength === bytes.buffer.byteLength
    ? bytes.buffer
    : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)) as ArrayBuffer

const utf8 = new TextDecoder()

/** AWS names the version of its protocol in the media type. */
export const isJson = (mediaType: string): boolean =>
  /^application\/(?:(?:.+\+)?json|x-amz-json-\d+\.\d+)$/.test(mediaType)

/** What a body says, read once for all that look at it. */
export class Contents {
  private readonly body: Uint8Array
  private decoded: string | undefined
  private parsed: Result.Result<unknown, unknown> | undefined

  constructor(body: Uint8Array) {
    this.body = body
  }

  get text(): string {
    return (this.decoded ??= utf8.decode(this.body))
  }

  private get result(): Result.Result<unknown, unknown> {
    return (this.parsed ??= Result.try((): unknown => JSON.parse(this.text)))
  }

  /** The value of a JSON body, whatever its media type says: `undefined` for no body, and nothing for what is no JSON. */
  get json(): { readonly value: unknown } | undefined {
    if (this.text === "") return { value: undefined }
    return Result.isSuccess(this.result) ? { value: this.result.success } : undefined
  }

  /** A body as `classify` sees it. */
  seen(mediaType: string): unknown {
    return isJson(mediaType) && Result.isSuccess(this.result) ? this.result.success : this.text
  }
}
