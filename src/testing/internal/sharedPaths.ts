// Endpoints that share a method and a path, as GraphQL operations and RPC methods do. Effect's server refuses them, so here
// each gets a path of its own inside the double; a request is for the first whose schemas accept it.
import * as Exit from "effect/Exit"
import * as HttpMethod from "effect/http/HttpMethod"
import * as UrlParams from "effect/http/UrlParams"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as Schema from "effect/Schema"
import type { WireRequest } from "./model.ts"

/** What an endpoint needs to see of a request to say whether it is its own. */
export type Seen = Pick<WireRequest, "method" | "url" | "headers" | "text">

type Test = (value: unknown) => boolean

const testOf = (schema: Schema.Constraint): Test => {
  const decode = Schema.decodeUnknownExit(schema as Schema.Decoder<unknown>)
  return (value) => Exit.isSuccess(decode(value))
}

const json = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

/** Whether a request is one that the schemas of an endpoint accept: its headers, its query, its payload. */
export const acceptorOf = (endpoint: HttpApiEndpoint.Top): ((request: Seen) => boolean) => {
  const headers = endpoint.headers === undefined ? undefined : testOf(endpoint.headers)
  const query = endpoint.query === undefined ? undefined : testOf(Schema.toCodecArrayFromSingle(endpoint.query))
  const payloads = new Map(
    Array.from(endpoint.payload, ([contentType, { encoding, schemas }]) => {
      const schema = Schema.Union(schemas)
      const test = testOf(encoding._tag === "FormUrlEncoded" ? Schema.toCodecArrayFromSingle(schema) : schema)
      return [contentType, { test, tag: encoding._tag }]
    })
  )
  return (request) => {
    const params = UrlParams.toRecord(UrlParams.fromInput(new URL(request.url).searchParams))
    if (headers?.(request.headers) === false || query?.(params) === false) return false
    if (payloads.size === 0) return true
    const inBody = HttpMethod.hasBody(request.method as "POST")
    const mediaType = (request.headers["content-type"] ?? "application/json").split(";", 1)[0]!.trim().toLowerCase()
    const payload = payloads.get(inBody ? mediaType : "application/x-www-form-urlencoded")
    switch (payload?.tag) {
      case undefined:
        return false
      case "Json": {
        const body = json(request.text)
        return Exit.isSuccess(body) && payload!.test(body.value)
      }
      case "FormUrlEncoded":
        return payload!.test(
          inBody ? UrlParams.toRecord(UrlParams.fromInput(new URLSearchParams(request.text))) : params
        )
      case "Text":
        return payload!.test(request.text)
      default:
        // What a stream, a form of parts or bytes hold is for the handler to say.
        return true
    }
  }
}

/** The endpoints by method and path, each list in the order of the contract. */
export const byPath = <R extends { readonly endpoint: HttpApiEndpoint.Top }>(
  routes: ReadonlyArray<R>
): ReadonlyArray<readonly [R, ...Array<R>]> => {
  const found = new Map<string, [R, ...Array<R>]>()
  for (const route of routes) {
    const key = `${route.endpoint.method} ${route.endpoint.path}`
    const known = found.get(key)
    if (known === undefined) found.set(key, [route])
    else known.push(route)
  }
  return Array.from(found.values())
}

/** The same object, but for what is given here. Annotations and middleware stay as they are. */
const varied = <A extends object>(self: A, own: Partial<Record<keyof A, unknown>>): A =>
  Object.create(
    self,
    Object.fromEntries(Object.entries(own).map(([name, value]) => [name, { value, enumerable: true }]))
  ) as A

/** The API with a path of its own for every endpoint, and what stands before those that are not at their own path. */
export const separated = (
  api: HttpApi.Top,
  routes: ReadonlyArray<{
    readonly operation: string
    readonly group: string
    readonly endpoint: HttpApiEndpoint.Top
  }>
): { readonly api: HttpApi.Top; readonly prefixes: ReadonlyMap<string, string> } => {
  const prefixes = new Map<string, string>()
  for (const shared of byPath(routes)) {
    if (shared.length === 1) continue
    for (const { operation } of shared) prefixes.set(operation, `/~${prefixes.size}`)
  }
  if (prefixes.size === 0) return { api, prefixes }
  const groups = Object.fromEntries(
    Object.entries(api.groups).map(([name, group]) => {
      const endpoints = Object.fromEntries(
        Object.entries(group.endpoints).map(([id, endpoint]) => {
          const prefix = prefixes.get(`${group.identifier}.${endpoint.identifier}`)
          return [id, prefix === undefined ? endpoint : varied(endpoint, { path: `${prefix}${endpoint.path}` })]
        })
      )
      return [name, varied(group, { endpoints })]
    })
  )
  return { api: varied(api, { groups }), prefixes }
}
