/**
 * An `HttpClient` for Node over undici, without what a call of an integration does not need: no `URL`, no signal and no
 * stream of Node's per request.
 *
 * **When to use**
 *
 * For integrations of a service that makes many calls: a request costs about what `undici.request` costs. It needs the
 * package `undici` beside breakwater.
 *
 * **When not to use**
 *
 * For an upgrade of the connection (WebSocket), and where every request of a plain `HttpClient` is to have a span of its
 * own: breakwater's attempts have theirs, and this client makes none. `NodeHttpClient.layerUndici` of
 * `@effect/platform-node` does both. In a browser, Bun, Deno or a worker: `FetchHttpClient`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import { Agent, type Dispatcher, FormData as UndiciFormData } from "undici"
import * as CompiledSchemas from "../compiled/CompiledSchemas.ts"
import { type Direct, withDirect } from "../http/internal/direct.ts"
import { type Address, addressOf } from "./internal/address.ts"
import { accepted } from "./internal/encoding.ts"
import { Exchange } from "./internal/exchange.ts"
import { Response } from "./internal/response.ts"
import { Whole } from "./internal/whole.ts"

/**
 * Options of `make` and of the layers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Whether compressed answers are asked for (`accept-encoding: gzip, deflate, br`) and unpacked. Default: `true`. A limit
   * on the size of an answer counts what is unpacked.
   */
  readonly decompress?: boolean | undefined
}

/**
 * Creates a client over a dispatcher of undici. Whoever made the dispatcher closes it.
 *
 * **Details**
 *
 * It follows no redirect, repeats nothing and has no timeout but that of the connect: those are a policy's business. An
 * interrupted request closes its connection. An answer is there with its headers; its body is read when it is asked for,
 * and no more than 64 KiB of it before. Whatever breaks before the headers is a `TransportError` with undici's own error
 * as its cause, afterwards a `DecodeError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (dispatcher: Dispatcher, options: Options = {}): HttpClient.HttpClient => {
  const decompress = options.decompress ?? true
  const send = (request: Request): Effect.Effect<HttpClientResponse.HttpClientResponse, Failure> => {
    const address = addressOf(request)
    const problem = problemOf(request, address)
    if (problem !== undefined) return Effect.fail(problem)
    return Effect.callback((resume) => {
      const exchange = new Exchange(request, (exchange) => new Response(exchange, address!.url, decompress), resume)
      dispatcher.dispatch(dispatchOf(request, address!, decompress), exchange)
      return Effect.sync(() => exchange.abort())
    })
  }
  const direct: Direct = (request, awaiting) => {
    const address = addressOf(request)
    const problem = problemOf(request, address)
    if (problem !== undefined) return awaiting.failed(problem)
    return Effect.callback((resume) => {
      const whole = new Whole(request, awaiting, decompress, resume)
      dispatcher.dispatch(dispatchOf(request, address!, decompress), whole)
      return Effect.sync(() => whole.abort())
    })
  }
  return withDirect(
    HttpClient.makeWith<Failure, never, Failure, never>((request) => Effect.flatMap(request, send), Effect.succeed),
    direct
  )
}

type Request = HttpClientRequest.HttpClientRequest
type Failure = HttpClientError.HttpClientError

const problemOf = (request: Request, address: Address | undefined): Failure | undefined =>
  address === undefined
    ? new HttpClientError.HttpClientError({ reason: new HttpClientError.InvalidUrlError({ request }) })
    : request.headers["upgrade"] !== undefined
      ? new HttpClientError.HttpClientError({
          reason: new HttpClientError.EncodeError({
            request,
            description: "this client does not upgrade connections: use NodeHttpClient.layerUndici"
          })
        })
      : undefined

/** What undici is asked for. It does not throw: what it refuses, it tells the handler. */
const dispatchOf = (request: Request, address: Address, decompress: boolean): Dispatcher.DispatchOptions => ({
  origin: address.origin,
  path: address.path,
  method: request.method,
  headers: headersOf(request, decompress),
  body: bodyOf(request),
  // A policy's limits are the ones that count.
  headersTimeout: 0,
  bodyTimeout: 0
})

const headersOf = (request: HttpClientRequest.HttpClientRequest, decompress: boolean): Record<string, string> => {
  const offers = decompress && request.headers["accept-encoding"] === undefined
  // undici writes the boundary of a form itself.
  const isForm = request.body._tag === "FormData"
  if (!offers && !isForm) return request.headers
  const headers: Record<string, string> = { ...request.headers }
  if (offers) headers["accept-encoding"] = accepted
  if (isForm) delete headers["content-type"]
  return headers
}

const bodyOf = (
  request: HttpClientRequest.HttpClientRequest
): NonNullable<Dispatcher.DispatchOptions["body"]> | null => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return null
    case "Uint8Array":
      return body.body
    case "Raw":
      return body.body as Uint8Array
    case "FormData": {
      const form = new UndiciFormData()
      for (const [key, value] of body.formData) form.append(key, value)
      return form
    }
    case "Stream":
      return Readable.from(Stream.toAsyncIterable(body.stream), { objectMode: false })
  }
}

/**
 * The client over an agent of its own, with a pool of connections for every origin, which are closed with the layer.
 *
 * **Details**
 *
 * `agent` is what undici's `Agent` takes: `connections` (per origin, default: no limit), `connect` (TLS, a timeout of the
 * connect, a socket path), `keepAliveTimeout`, `pipelining`. A connect that times out is a call that was not sent.
 *
 * The integrations that the layer is given to decode by compiled schemas: it brings `CompiledSchemas.layer` of
 * `breakwater/compiled`. A client of `make` does not.
 *
 * **Example** (An integration over its own connections)
 *
 * ```ts
 * import { UndiciHttpClient } from "breakwater/undici"
 * import { Effect } from "effect"
 * import { HttpClient } from "effect/http"
 *
 * const ClientLive = UndiciHttpClient.layer({ agent: { connections: 64, connect: { timeout: 2_000 } } })
 *
 * const program = Effect.map(HttpClient.HttpClient, (client) => typeof client.execute)
 *
 * await Effect.runPromise(Effect.provide(program, ClientLive)) // => "function"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options & { readonly agent?: Agent.Options | undefined } = {}
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.merge(
    Layer.effect(
      HttpClient.HttpClient,
      Effect.map(agent(options.agent), (dispatcher) => make(dispatcher, options))
    ),
    CompiledSchemas.layer
  )

const agent = (options: Agent.Options | undefined): Effect.Effect<Agent, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Agent(options)),
    (agent) => Effect.promise(() => agent.destroy())
  )
