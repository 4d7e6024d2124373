// Which endpoint of an HttpApi a request belongs to.
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as Schema from "effect/Schema"

export interface Route {
  readonly group: HttpApiGroup.Top
  readonly endpoint: HttpApiEndpoint.Top
  readonly method: string
  readonly path: string
  /** The template as the source of a regular expression, a group for each parameter. */
  readonly pattern: string
  readonly params: ReadonlyArray<string>
  readonly middleware: ReadonlySet<HttpApiMiddleware.AnyService>
  readonly successes: ReadonlyMap<number, ReadonlyArray<Schema.Top>>
  readonly errors: ReadonlyMap<number, ReadonlyArray<Schema.Top>>
}

/** All endpoints, in the order of the contract. */
export const routesOf = (api: HttpApi.Constraint): ReadonlyArray<Route> => {
  const routes: Array<Route> = []
  HttpApi.reflect(api as HttpApi.Top, {
    onGroup() {},
    onEndpoint({ endpoint, errors, group, middleware, successes }) {
      const { path, method } = endpoint
      routes.push({ group, endpoint, method, path, ...compile(path), middleware, successes, errors })
    }
  })
  return routes
}

/** Of the routes that match, the one that a router would take: what is written out goes before what is a parameter. */
export const mostSpecific = <R extends { readonly path: string }>(routes: ReadonlyArray<R>): R | undefined =>
  routes.toSorted((a, b) => (rank(a.path) < rank(b.path) ? -1 : 1))[0]

const rank = (path: string): string =>
  path
    .split("/")
    .map((segment) => (segment.includes("*") ? "2" : /(^|[^:]):\w/.test(segment) ? "1" : "0"))
    .join("")

const escaped = (text: string): string => encodeURI(text).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

const compile = (path: string): { readonly pattern: string; readonly params: ReadonlyArray<string> } => {
  const params: Array<string> = []
  let pattern = ""
  for (let i = 0; i < path.length;) {
    const rest = path.slice(i)
    const param = /^:(\w+)/.exec(rest)
    if (rest.startsWith("::")) {
      pattern += ":"
      i += 2
    } else if (param !== null) {
      i += param[0].length
      let inner = "[^/]+?"
      if (path[i] === "(") {
        const end = closing(path, i)
        // Its own groups must not be counted among the parameters.
        inner = path.slice(i + 1, end).replace(/\((?!\?)/g, "(?:")
        i = end + 1
      }
      const optional = path[i] === "?"
      if (optional) i++
      params.push(param[1]!)
      pattern =
        optional && pattern.endsWith("/")
          ? `${pattern.slice(0, -1)}(?:/(${inner}))?`
          : `${pattern}(${inner})${optional ? "?" : ""}`
    } else if (rest[0] === "*") {
      pattern += ".*"
      i++
    } else {
      pattern += escaped(rest[0]!)
      i++
    }
  }
  return { pattern, params }
}

const closing = (path: string, open: number): number => {
  let depth = 0
  for (let i = open; i < path.length; i++) {
    if (path[i] === "\\") i++
    else if (path[i] === "(") depth++
    else if (path[i] === ")" && --depth === 0) return i
  }
  return path.length - 1
}
