import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { pipeline, type Readable } from "node:stream"
import { collect } from "../../http/internal/collect.ts"
import { decompressors, inflate } from "./encoding.ts"
import type { Exchange } from "./exchange.ts"

const utf8 = new TextDecoder()

/** An answer of undici, as Effect's clients give it. */
export class Response extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  declare readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId
  declare readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  private readonly exchange: Exchange
  private readonly encoding: string | undefined
  /** Of the body as it comes, or NaN. */
  private readonly length: number

  constructor(exchange: Exchange, url: string, decompress: boolean) {
    super()
    this.exchange = exchange
    this.request = exchange.request
    this.url = url
    this.status = exchange.status
    this.headers = Headers.fromInput(exchange.raw)
    // These have no body, whatever their headers say of one.
    const bodiless = this.request.method === "HEAD" || this.status === 204 || this.status === 304
    this.encoding = decompress && !bodiless ? this.headers["content-encoding"] : undefined
    this.length = bodiless ? 0 : Number(this.headers["content-length"] ?? NaN)
  }

  get cookies(): Cookies.Cookies {
    const header = this.exchange.raw["set-cookie"]
    return header === undefined ? Cookies.empty : Cookies.fromSetCookie(header)
  }

  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  [collect](limit: number): Effect.Effect<Uint8Array, unknown> {
    if (this.length > limit) return this.exchange.refuse
    const bytes = this.exchange.collect(limit)
    return this.encoding === undefined ? bytes : Effect.flatMap(bytes, inflate(this.encoding, limit))
  }

  private get bytes(): Effect.Effect<Uint8Array, HttpClientError.HttpClientError> {
    return Effect.mapError(this[collect](Infinity), this.undecodable)
  }

  private readonly undecodable = (cause: unknown) =>
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError> {
    return Effect.map(this.bytes, (bytes) => {
      const copy = new ArrayBuffer(bytes.byteLength)
      new Uint8Array(copy).set(bytes)
      return copy
    })
  }

  get text(): Effect.Effect<string, HttpClientError.HttpClientError> {
    return Effect.map(this.bytes, (bytes) => utf8.decode(bytes))
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError.HttpClientError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => (text === "" ? null : (JSON.parse(text) as Schema.Json)),
        catch: this.undecodable
      })
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.HttpClientError> {
    // A leading "?" is a part of the form; it must not be taken for the mark of a query.
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text.replace(/^\?/, "%3F"))))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.HttpClientError> {
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new globalThis.Response(body, { headers: this.headers }).formData(),
        catch: this.undecodable
      })
    )
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    return Stream.suspend(() => {
      const steps = this.encoding === undefined ? [] : decompressors(this.encoding)
      if (steps instanceof Error) return Stream.fail(this.undecodable(steps))
      const body = this.exchange.stream()
      const last = steps.length === 0 ? body : pipeline([body, ...steps], () => {})
      // A readable's iterator that waits for more can't be ended before more has come: without this, whoever stops waiting
      // would leave the connection open.
      return Stream.ensuring(
        Stream.fromAsyncIterable(last as Readable, this.undecodable),
        Effect.sync(() => body.destroy())
      )
    })
  }

  get upgrade(): Effect.Effect<Socket.Socket, HttpClientError.HttpClientError> {
    return Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.StatusCodeError({
          request: this.request,
          response: this,
          description: "this client does not hand over connections: use NodeHttpClient.layerUndici for an upgrade"
        })
      })
    )
  }

  pipe() {
    return pipeArguments(this, arguments)
  }

  override toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

// On the prototype, where every answer finds them.
Object.assign(Response.prototype, {
  [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId,
  [HttpClientResponse.TypeId]: HttpClientResponse.TypeId
})
