// An HttpApi as a provider: Effect's own server routes, decodes and encodes, so that a double speaks the contract's language.
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FindMyWay from "effect/http/FindMyWay"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { describeIssue } from "../../PolicyDecode.ts"
import type { Reply, WireRequest } from "./model.ts"
import { acceptorOf, byPath, type Seen, separated } from "./sharedPaths.ts"

/** One request on its way through Effect's server: what its handler says of it. */
export interface Exchange {
  readonly arrived: WireRequest
  input: unknown
  changed: boolean | undefined
}

const Current = Context.Reference<Exchange | undefined>("breakwater/testing/Upstream/Current", {
  defaultValue: () => undefined
})

export type Handle = (request: unknown, exchange: Exchange) => Effect.Effect<unknown, unknown>

export interface Route {
  readonly operation: string
  readonly group: string
  readonly endpoint: HttpApiEndpoint.Top
  readonly success: ReadonlyArray<Schema.Top>
}

/** The endpoints of an API, by `group.endpoint`. */
export const routesOf = (api: HttpApi.Top): ReadonlyArray<Route> => {
  const routes: Array<Route> = []
  HttpApi.reflect(api, {
    onGroup() {},
    onEndpoint({ endpoint, group }) {
      routes.push({
        operation: `${group.identifier}.${endpoint.identifier}`,
        group: group.identifier,
        endpoint,
        success: Array.from(endpoint.success as Iterable<Schema.Top>)
      })
    }
  })
  return routes
}

/** Which operation a request is for. Where several share its method and path, their schemas decide. */
export const matcher = (routes: ReadonlyArray<Route>, basePath: string): ((request: Seen) => string | undefined) => {
  type Candidate = { readonly operation: string; readonly accepts: (request: Seen) => boolean }
  const router = FindMyWay.make<ReadonlyArray<Candidate>>()
  for (const shared of byPath(routes)) {
    const { method, path } = shared[0].endpoint
    const candidates = shared.map(({ endpoint, operation }) => ({
      operation,
      accepts: shared.length === 1 ? () => true : acceptorOf(endpoint)
    }))
    router.on(method, path as FindMyWay.PathInput, candidates)
  }
  return (request) => {
    const path = below(basePath, new URL(request.url).pathname)
    if (path === undefined) return undefined
    const candidates = router.find(request.method as never, path as FindMyWay.PathInput)?.handler
    return candidates?.find(({ accepts }) => accepts(request))?.operation
  }
}

const below = (basePath: string, path: string): string | undefined =>
  basePath === ""
    ? path
    : path === basePath
      ? "/"
      : path.startsWith(`${basePath}/`)
        ? path.slice(basePath.length)
        : undefined

/** Builds the server once; the result carries one request out. */
export const serve = (
  api: HttpApi.Top,
  routes: ReadonlyArray<Route>,
  handlerOf: (route: Route) => Handle,
  options: { readonly basePath: string; readonly middleware: Layer.Layer<unknown> }
): Effect.Effect<(arrived: WireRequest) => Effect.Effect<Reply>, never, Scope.Scope> => {
  const { api: served, prefixes } = separated(api, routes)
  const groups = new Map<string, Array<Route>>()
  for (const route of routes) {
    groups.set(route.group, [...(groups.get(route.group) ?? []), route])
  }
  const handlers = Array.from(groups, ([group, own]) =>
    HttpApiBuilder.group(
      served as never,
      group as never,
      ((all: { handle: (name: string, f: (request: unknown) => Effect.Effect<unknown, unknown>) => unknown }) => {
        for (const route of own) {
          const handle = handlerOf(route)
          all = all.handle(route.endpoint.identifier, (request) =>
            Effect.flatMap(Effect.service(Current), (exchange) => {
              exchange!.input = inputOf(request)
              return Effect.tapError(handle(request, exchange!), () =>
                Effect.sync(() => {
                  exchange!.changed ??= false
                })
              )
            })
          ) as typeof all
        }
        return all
      }) as never
    )
  ) as unknown as ReadonlyArray<Layer.Layer<unknown>>
  const app = HttpApiBuilder.layer(served as never).pipe(
    Layer.provide(Layer.mergeAll(Layer.empty, ...handlers).pipe(Layer.provideMerge(options.middleware))),
    Layer.provide(HttpServer.layerServices)
  ) as unknown as Layer.Layer<never, never, HttpRouter.HttpRouter>

  return Effect.map(
    HttpRouter.toHttpEffect(app),
    (server) => (arrived: WireRequest) =>
      Effect.suspend(() => {
        const request = requestOf(arrived, options.basePath, prefixes.get(arrived.operation) ?? "")
        if (request === undefined) return Effect.succeed<Reply>({ status: 404, note: nowhere })
        const exchange: Exchange = { arrived, input: undefined, changed: undefined }
        return Effect.map(Effect.scoped(answered(server as never, request, exchange)), (reply): Reply => ({
          ...reply,
          ...(reply.note === nowhere && prefixes.size > 0 ? { note: unaccepted } : {}),
          ...(exchange.changed === undefined ? {} : { changed: exchange.changed }),
          ...(exchange.input === undefined ? {} : { input: exchange.input })
        }))
      })
  ) as never
}

/** What the caller asked for, without what belongs to the server. */
const inputOf = (request: unknown): unknown => {
  const { headers, params, payload, query } = request as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries({ params, query, headers, payload }).filter(([, value]) => value !== undefined)
  )
}

const nowhere = "no endpoint of the contract has this method and path"
/** Where several share a path, this is said of a request that none of them accepts. */
const unaccepted = "not accepted by any endpoint of the contract"

const requestOf = (
  arrived: WireRequest,
  basePath: string,
  prefix: string
): HttpClientRequest.HttpClientRequest | undefined => {
  const url = new URL(arrived.url)
  const path = below(basePath, url.pathname)
  if (path === undefined) return undefined
  url.pathname = `${prefix}${path}`
  const request = HttpClientRequest.make(arrived.method as "POST")(url, { headers: arrived.headers })
  return arrived.body.length === 0
    ? request
    : HttpClientRequest.setBody(request, HttpBody.uint8Array(arrived.body, arrived.headers["content-type"]))
}

const answered = (
  server: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    unknown,
    HttpServerRequest.HttpServerRequest | Scope.Scope
  >,
  request: HttpClientRequest.HttpClientRequest,
  exchange: Exchange
): Effect.Effect<Reply, never, Scope.Scope> =>
  server.pipe(
    Effect.flatMap(replyOf),
    Effect.catchCause((cause) =>
      Effect.flatMap(HttpServerError.causeResponse(cause), ([response]) =>
        Effect.map(replyOf(response), (reply): Reply => ({ ...reply, note: noteOf(cause) }))
      )
    ),
    Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
    Effect.provideService(Current, exchange)
  )

/** Why the server answered on its own: what a test's writer looks for when a call ends with 400 or 500. */
const noteOf = (cause: Cause.Cause<unknown>): string | undefined => {
  const error = Cause.squash(cause)
  if (HttpApiError.HttpApiSchemaError.is(error)) {
    return `the ${error.kind.toLowerCase()} does not match the contract: ${describeIssue(error.cause)}`
  }
  if (HttpServerResponse.isHttpServerResponse(error)) return undefined
  if (HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound") {
    return nowhere
  }
  return Cause.hasInterruptsOnly(cause) ? "the handler was interrupted" : `the handler died: ${String(error)}`
}

/** A server's response as it goes over the wire. */
export const replyOf = (response: HttpServerResponse.HttpServerResponse): Effect.Effect<Reply> => {
  const client = HttpServerResponse.toClientResponse(response)
  return Effect.orDie(
    Effect.map(client.arrayBuffer, (buffer): Reply => {
      // The length of a body that a fault replaces would be a lie.
      const { "content-length": _length, ...headers } = client.headers
      const bytes = new Uint8Array(buffer)
      return { status: client.status, headers, body: bytes.length === 0 ? undefined : bytes }
    })
  )
}

/** An answer that the contract allows, drawn from its first success. */
export const generate = (route: Route, seed: string): Effect.Effect<unknown> => {
  const [schema] = route.success
  if (schema === undefined) return Effect.void
  return Effect.suspend(() => Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 1, size: 6, seed })).pipe(
    Effect.map(([value]) => value),
    Effect.catchCause((cause) =>
      Effect.die(
        new Error(`${route.operation}: no answer can be generated from its schema; give it a handler`, {
          cause: Cause.squash(cause)
        })
      )
    )
  )
}
