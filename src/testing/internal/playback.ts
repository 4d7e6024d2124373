// Requests as a cassette sees them, and answers as a client gives them.
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import type { Body, Failure, Request, Response } from "../Exchange.ts"
import { bodyOf, bytesOfBody, mediaTypeOf, multipartOf, open } from "./bodies.ts"

type ClientRequest = HttpClientRequest.HttpClientRequest
type ClientResponse = HttpClientResponse.HttpClientResponse

const encoder = new TextEncoder()

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

// ---- requests

/** What a cassette must not keep of a message: it belongs to the connection. */
const ofConnection: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"])

/** Why an exchange can't be kept. */
export class Unrecordable {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

const compressed = (message: string, coding: string): Unrecordable =>
  new Unrecordable(
    `the body of the ${message} is compressed with ${coding} and can't be looked into for secrets. Send another encoding, or ask for one: "accept-encoding: identity"`
  )

export interface Captured {
  readonly request: Request
  /** The request to send: its body can be read again. */
  readonly sendable: ClientRequest
}

export const capture = (
  request: ClientRequest,
  url: string
): Effect.Effect<Captured, Unrecordable | HttpClientError.HttpClientError> => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return Effect.succeed({ request: requestOf(request, url, undefined), sendable: request })
    case "FormData":
      return Effect.map(multipartOf(body.formData), (multipart) => ({
        request: requestOf(request, url, multipart, "multipart/form-data"),
        sendable: request
      }))
    case "Stream":
      return Effect.flatMap(
        Effect.mapError(
          Stream.runCollect(body.stream),
          (cause) =>
            new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
        ),
        (chunks) => {
          const bytes = concat(chunks)
          const sendable = HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, body.contentType))
          return ofBytes(request, url, bytes, sendable)
        }
      )
    case "Raw":
      return ofBytes(
        request,
        url,
        body.body instanceof Uint8Array ? body.body : encoder.encode(String(body.body)),
        request
      )
    case "Uint8Array":
      return ofBytes(request, url, body.body, request)
  }
}

const ofBytes = (request: ClientRequest, url: string, bytes: Uint8Array, sendable: ClientRequest) =>
  Effect.flatMap(open(bytes, request.headers["content-encoding"]), (opened) =>
    "closed" in opened
      ? Effect.fail(compressed("request", opened.closed))
      : Effect.map(bodyOf(opened.bytes, request.headers["content-type"]), (body) => ({
          request: requestOf(request, url, body),
          sendable
        }))
  )

const requestOf = (request: ClientRequest, url: string, body: Body | undefined, contentType?: string): Request => {
  const headers: Record<string, string> = { ...request.headers }
  const type = contentType ?? headers["content-type"]
  for (const name of ofConnection) delete headers[name]
  delete headers["content-encoding"]
  // The boundary changes with every request.
  if (type !== undefined)
    headers["content-type"] = mediaTypeOf(type) === "multipart/form-data" ? mediaTypeOf(type) : type
  return { method: request.method, url, headers, ...(body === undefined ? {} : { body }) }
}

// ---- answers

/** What came of a body: the bytes, and whether they are all of them. */
interface Received {
  readonly bytes: Uint8Array
  readonly cut: unknown
}

/** Reads a body to its end, or to where the connection was lost. */
export const receive = (response: ClientResponse): Effect.Effect<Received> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    return Effect.match(
      Stream.runForEach(response.stream, (chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
        })
      ),
      {
        onSuccess: (): Received => ({ bytes: concat(chunks), cut: undefined }),
        onFailure: (error): Received => ({
          bytes: concat(chunks),
          cut: error.reason._tag === "EmptyBodyError" ? undefined : error
        })
      }
    )
  })

/** An answer as it is kept. */
export const responseFrom = (response: ClientResponse, received: Received): Effect.Effect<Response, Unrecordable> =>
  Effect.flatMap(open(received.bytes, response.headers["content-encoding"]), (opened) => {
    const cut = received.cut === undefined ? {} : { cut: true }
    // Half of a compressed body can't be opened, and what nobody can read must not be kept.
    if ("closed" in opened && received.cut === undefined) {
      return Effect.fail(compressed("answer", opened.closed))
    }
    const bytes = "closed" in opened ? new Uint8Array(0) : opened.bytes
    const headers: Record<string, string> = { ...response.headers }
    // An answer without a body tells how long another would be.
    const { "content-length": length } = headers
    for (const name of ofConnection) delete headers[name]
    delete headers["content-encoding"]
    if (bodiless(response.request.method, response.status) && length !== undefined) headers["content-length"] = length
    return Effect.map(bodyOf(bytes, headers["content-type"]), (body) => ({
      status: response.status,
      headers,
      ...(body === undefined ? {} : { body }),
      ...cut
    }))
  })

const bodiless = (method: string, status: number): boolean => method === "HEAD" || status === 204 || status === 304

/** An answer that is handed on while it is recorded: its body has been read. */
export const passOn = (response: ClientResponse, { bytes, cut }: Received): ClientResponse =>
  answer(response.request, response.status, { ...response.headers }, bytes, cut)

/** A recorded answer. */
export const play = (request: ClientRequest, { body, cut, headers, status }: Response): Effect.Effect<ClientResponse> =>
  Effect.map(bytesOfBody(body), ({ bytes, contentType }) =>
    answer(
      request,
      status,
      {
        ...headers,
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...(cut === true || bodiless(request.method, status) ? {} : { "content-length": String(bytes.length) })
      },
      bytes,
      cut === true ? Object.assign(new Error("terminated"), { code: "UND_ERR_SOCKET" }) : undefined
    )
  )

/**
 * An answer whose body is an Effect stream, so that it needs no event loop. It may have a status or headers that a web
 * response refuses.
 */
const answer = (
  request: ClientRequest,
  status: number,
  headers: Readonly<Record<string, string>>,
  bytes: Uint8Array,
  cut: unknown
): ClientResponse => {
  const type = headers["content-type"]
  const web = new globalThis.Response(bytes.length === 0 ? null : new Uint8Array(bytes), {
    headers: type === undefined || /[^\t\x20-\x7e]/.test(type) ? {} : { "content-type": type }
  })
  const response: ClientResponse = Object.create(HttpClientResponse.fromWeb(request, web))
  const lost = () =>
    cut instanceof HttpClientError.HttpClientError
      ? cut
      : new HttpClientError.HttpClientError({
          reason: new HttpClientError.DecodeError({ request, response, cause: cut })
        })
  const whole = new Uint8Array(bytes).buffer
  const value = <T>(value: T) => ({ value, enumerable: true })
  return Object.defineProperties(response, {
    status: value(status),
    headers: value(Headers.fromInput(headers)),
    stream: value(
      cut === undefined
        ? bytes.length === 0
          ? Stream.empty
          : Stream.make(bytes)
        : Stream.concat(
            bytes.length === 0 ? Stream.empty : Stream.make(bytes),
            Stream.suspend(() => Stream.fail(lost()))
          )
    ),
    arrayBuffer: value(cut === undefined ? Effect.succeed(whole) : Effect.suspend(() => Effect.fail(lost()))),
    ...(cut === undefined ? {} : { formData: value(Effect.suspend(() => Effect.fail(lost()))) })
  })
}

// ---- lost connections

/** The codes of an error, read as `http/Answer.ts` reads them. */
export const failureFrom = (error: unknown): Failure => ({ codes: codesOf(error, 0) })

const codesOf = (error: unknown, depth: number): Failure["codes"] => {
  if (typeof error !== "object" || error === null || depth > 5) return []
  const { cause, code, errors, syscall } = error as {
    readonly cause?: unknown
    readonly code?: unknown
    readonly errors?: unknown
    readonly syscall?: unknown
  }
  const tried = Array.isArray(errors) ? errors.flatMap((error) => codesOf(error, depth + 1)) : []
  if (tried.length > 0) return tried
  return typeof code === "string"
    ? [{ code, ...(typeof syscall === "string" ? { syscall } : {}) }]
    : codesOf(cause, depth + 1)
}

/** A lost connection as a client reports it. */
export const lose = (request: ClientRequest, { codes }: Failure): HttpClientError.HttpClientError => {
  const errors = codes.map(({ code, syscall }) =>
    Object.assign(new Error([syscall, code].filter((word) => word !== undefined).join(" ")), { code, syscall })
  )
  const cause =
    errors.length > 1
      ? Object.assign(new Error("all addresses failed"), { errors })
      : (errors[0] ?? new Error("the connection was lost"))
  return new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
}
