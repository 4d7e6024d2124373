// Secrets by what the contract calls Redacted.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Body, Exchange, Request, Response } from "../Exchange.ts"
import { parseJson } from "./bodies.ts"
import { decoded, redacted } from "./redact.ts"
import { type Route, routesOf } from "./routes.ts"

type Mark = (secret: string) => void
type Pairs = ReadonlyArray<readonly [name: string, value: string]>

/** The redaction that a contract asks for. */
export const redactionOf = (api: HttpApi.Constraint): ((exchange: Exchange, mark: Mark) => Exchange) => {
  // The server may have the API below a prefix that the contract does not know. Too many routes only redact too much.
  const routes = routesOf(api).map((route) => ({ route, tail: new RegExp(`${route.pattern}/?$`) }))
  return (exchange, mark) =>
    routes.reduce((exchange, { route, tail }) => {
      if (route.method !== exchange.request.method) return exchange
      const match = tail.exec(pathOf(exchange.request.url))
      return match === null ? exchange : new Endpoint(route, mark).exchange(exchange, match)
    }, exchange)
}

// What `HttpApiSchema.encodeToWithHeaders` writes. Effect keeps its reader internal.
const withHeaders = SchemaAST.resolveAt<{ readonly bodyCodec: Schema.Top; readonly headersCodec: Schema.Top }>(
  "~httpApiWithHeaders"
)

const pathOf = (url: string): string => url.replace(/[?#].*$/s, "")

class Endpoint {
  private readonly route: Route
  private readonly mark: Mark

  constructor(route: Route, mark: Mark) {
    this.route = route
    this.mark = mark
  }

  exchange(exchange: Exchange, match: RegExpExecArray): Exchange {
    return {
      ...exchange,
      request: this.request(exchange.request, match),
      ...(exchange.response === undefined ? {} : { response: this.response(exchange.response) })
    }
  }

  private request(request: Request, match: RegExpExecArray): Request {
    const { endpoint } = this.route
    const payload = Array.from(endpoint.payload.values()).flatMap(({ schemas }): ReadonlyArray<Schema.Top> => schemas)
    const secured = this.secured()
    // The payload of a request without a body is in its query.
    const queries = [...(endpoint.query === undefined ? [] : [endpoint.query]), ...payload]
    const headers = endpoint.headers === undefined ? [] : [endpoint.headers]
    return {
      ...request,
      url: this.path(request.url, match) + this.query(request.url, queries, secured.query),
      headers: this.headers(request.headers, headers, secured.header),
      ...(request.body === undefined ? {} : { body: this.body(request.body, payload) })
    }
  }

  private response(response: Response): Response {
    const { errors, successes } = this.route
    const schemas = [...(successes.get(response.status) ?? []), ...(errors.get(response.status) ?? [])]
    const bodies: Array<Schema.Constraint> = []
    const headers: Array<Schema.Constraint> = []
    for (const schema of schemas) {
      const annotation = withHeaders(schema.ast)
      if (HttpApiSchema.isWithHeaders(schema)) {
        bodies.push(schema.schema)
        headers.push(schema.headers)
      } else if (annotation !== undefined) {
        bodies.push(annotation.bodyCodec)
        headers.push(annotation.headersCodec)
      } else bodies.push(schema)
    }
    return {
      ...response,
      headers: this.headers(response.headers, headers, []),
      ...(response.body === undefined ? {} : { body: this.body(response.body, bodies) })
    }
  }

  /** Names of headers and of parameters of the query that carry credentials, as the contract's middleware says. */
  private secured(): { readonly header: ReadonlyArray<string>; readonly query: ReadonlyArray<string> } {
    const keys = Array.from(this.route.middleware).flatMap((middleware) =>
      HttpApiMiddleware.isSecurity(middleware) ? Object.values(middleware.security) : []
    )
    const named = (place: string) => keys.flatMap((key) => (key._tag === "ApiKey" && key.in === place ? [key.key] : []))
    return { header: named("header"), query: named("query") }
  }

  private path(url: string, match: RegExpExecArray): string {
    const { endpoint, params } = this.route
    const path = pathOf(url)
    if (endpoint.params === undefined) return path
    let tail = match[0]
    const values = Object.fromEntries(params.map((name, i) => [name, decoded(match[i + 1] ?? "")]))
    const clean = this.value(endpoint.params.ast, values) as Readonly<Record<string, unknown>>
    for (const [i, name] of params.entries()) {
      const value = match[i + 1]
      if (value !== undefined && clean[name] !== values[name]) tail = tail.replace(`/${value}`, `/${redacted}`)
    }
    return path.slice(0, match.index) + tail
  }

  private query(url: string, schemas: ReadonlyArray<Schema.Constraint>, secured: ReadonlyArray<string>): string {
    const query = url.slice(pathOf(url).length)
    const raw = Array.from(query.matchAll(/([?#&])([^=&#]+)=([^&#]*)/g))
    const pairs = raw.map(([, , name, value]) => [decoded(name!), decoded(value!)] as const)
    const clean = this.pairs(pairs, schemas, secured)
    let i = 0
    return query.replace(/([?#&])([^=&#]+)=([^&#]*)/g, (all, lead: string, name: string) => {
      const at = i++
      const value = clean[at]![1]
      return value === pairs[at]![1]
        ? all
        : `${lead}${name}=${encodeURIComponent(value).replaceAll(encodeURIComponent(redacted), redacted)}`
    })
  }

  private headers(
    headers: Readonly<Record<string, string>>,
    schemas: ReadonlyArray<Schema.Constraint>,
    secured: ReadonlyArray<string>
  ): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.pairs(
        Object.entries(headers),
        schemas,
        secured.map((name) => name.toLowerCase())
      )
    )
  }

  private body(body: Body, schemas: ReadonlyArray<Schema.Constraint>): Body {
    const clean = (value: unknown) => schemas.reduce((value, { ast }) => this.value(ast, value), value)
    if ("json" in body) return { json: clean(body.json) }
    if ("form" in body) return { form: this.pairs(body.form, schemas, []) }
    if ("text" in body) {
      const json = /^\s*[[{]/.test(body.text) ? parseJson(body.text) : undefined
      const value = json === undefined ? body.text : json.value
      const cleaned = clean(value)
      if (cleaned === value || JSON.stringify(cleaned) === JSON.stringify(value)) return body
      return { text: typeof cleaned === "string" ? cleaned : JSON.stringify(cleaned) }
    }
    if ("multipart" in body) {
      const texts = body.multipart.map((part): readonly [string, string] => [
        part.name,
        part.body !== undefined && "text" in part.body ? part.body.text : ""
      ])
      const cleaned = this.pairs(texts, schemas, [])
      return {
        multipart: body.multipart.map((part, i) =>
          cleaned[i]![1] === texts[i]![1] ? part : { ...part, body: { text: redacted } }
        )
      }
    }
    return schemas.some(({ ast }) => isRedacted(ast)) ? { text: redacted } : body
  }

  /** Fields by name, where a name that comes more than once is a list. */
  private pairs(pairs: Pairs, schemas: ReadonlyArray<Schema.Constraint>, secured: ReadonlyArray<string>): Pairs {
    const byName = new Map<string, Array<string>>()
    for (const [name, value] of pairs) byName.set(name, [...(byName.get(name) ?? []), value])
    const record = Object.fromEntries(
      Array.from(byName, ([name, values]) => [name, values.length === 1 ? values[0] : values])
    )
    const clean = schemas.reduce<unknown>((value, { ast }) => this.value(ast, value), record)
    const cleaned = typeof clean === "object" && clean !== null ? (clean as Readonly<Record<string, unknown>>) : {}
    const turn = new Map<string, number>()
    return pairs.map(([name, value]) => {
      const at = turn.get(name) ?? 0
      turn.set(name, at + 1)
      if (secured.includes(name)) return [name, this.hide(value) as string]
      const now = cleaned[name]
      return [name, String(Array.isArray(now) ? now[at] : (now ?? redacted))]
    })
  }

  private hide(value: unknown): unknown {
    if (value === null || value === undefined || value === "") return value
    leaves(value, this.mark)
    return redacted
  }

  /** Replaces what the schema calls Redacted in a value of its encoded side. */
  private value(ast: SchemaAST.AST, value: unknown): unknown {
    if (isRedacted(ast)) return this.hide(value)
    if (count(ast) === 0 || value === null || value === undefined) return value
    if (ast.encoding !== undefined) {
      const { to } = ast.encoding.at(-1)!
      const walked = this.value(to, value)
      // A transformation may have moved a secret to where the encoded side has no Redacted.
      return count(to) >= countType(ast) ? walked : this.byDecoding(ast, value, walked)
    }
    switch (ast._tag) {
      case "Suspend":
        return this.value(ast.thunk(), value)
      case "Union":
        return ast.types.reduce<unknown>(
          (value, type) => (conflicts(type, value) ? value : this.value(type, value)),
          value
        )
      case "Arrays":
        return Array.isArray(value)
          ? value.map((item, i) => {
              const type = ast.elements[i] ?? ast.rest[0]
              return type === undefined ? item : this.value(type, item)
            })
          : value
      case "Objects": {
        if (typeof value !== "object" || Array.isArray(value)) return value
        return Object.fromEntries(
          Object.entries(value).map(([key, field]) => {
            const own = ast.propertySignatures.find(({ name }) => name === key)
            const types = own === undefined ? ast.indexSignatures.map(({ type }) => type) : [own.type]
            return [key, types.reduce((field, type) => this.value(type, field), field as unknown)]
          })
        )
      }
    }
    return this.hide(value)
  }

  /** Finds the secrets by decoding, and replaces them wherever they stand. */
  private byDecoding(ast: SchemaAST.AST, value: unknown, walked: unknown): unknown {
    const decode = Schema.decodeUnknownEffect(Schema.make<Schema.Codec<unknown>>(ast))
    const exit = Effect.runSyncExit(Effect.suspend(() => decode(value)))
    // What can't be decoded can't be looked into: rather all of it than a secret.
    if (Exit.isFailure(exit)) return this.hide(value)
    const secrets: Array<string> = []
    collect(exit.value, (secret) => leaves(secret, (text) => secrets.push(text)), 0)
    for (const secret of secrets) this.mark(secret)
    return replaced(
      walked,
      secrets.filter((secret) => secret !== "").toSorted((a, b) => b.length - a.length)
    )
  }
}

const isRedacted = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isDeclaration(ast) &&
  (ast.annotations?.representation as { readonly id?: unknown } | undefined)?.id === "effect/schema/Redacted"

/** How many places of a schema are Redacted, on both sides of it. */
const count = (ast: SchemaAST.AST): number => countIn(ast, new Set())

const countType = (ast: SchemaAST.AST): number => countBelow(ast, new Set())

const countIn = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST>): number => {
  if (isRedacted(ast)) return 1
  if (ast.encoding === undefined) return countBelow(ast, seen)
  return Math.max(countBelow(ast, seen), ...ast.encoding.map(({ to }) => countIn(to, new Set(seen))))
}

const countBelow = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST>): number => {
  const sum = (asts: ReadonlyArray<SchemaAST.AST>) => asts.reduce((sum, ast) => sum + countIn(ast, seen), 0)
  switch (ast._tag) {
    case "Declaration":
      return sum(ast.typeParameters)
    case "Union":
      return sum(ast.types)
    case "Arrays":
      return sum([...ast.elements, ...ast.rest])
    case "Objects":
      return sum([...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type))
    case "Suspend": {
      const inner = ast.thunk()
      if (seen.has(inner)) return 0
      seen.add(inner)
      return countIn(inner, seen)
    }
  }
  return 0
}

/** Whether a value is of another case of a union, by a field that is a literal. */
const conflicts = (ast: SchemaAST.AST, value: unknown): boolean => {
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isObjects(encoded)) return false
  if (typeof value !== "object" || value === null) return true
  return encoded.propertySignatures.some(({ name, type }) => {
    const at = (value as Readonly<Record<PropertyKey, unknown>>)[name]
    return SchemaAST.isLiteral(type) && at !== undefined && at !== type.literal
  })
}

/** The primitives in a value, as texts. */
const leaves = (value: unknown, found: (text: string) => void): void => {
  if (typeof value === "object" && value !== null) Object.values(value).forEach((inner) => leaves(inner, found))
  else if (value !== undefined && value !== null && typeof value !== "function") found(String(value))
}

/** The contents of every `Redacted` in a decoded value. */
const collect = (value: unknown, found: (secret: unknown) => void, depth: number): void => {
  if (typeof value !== "object" || value === null || depth > 30) return
  if (Redacted.isRedacted(value)) return found(Redacted.value(value))
  const inner = Symbol.iterator in value ? Array.from(value as Iterable<unknown>) : Object.values(value)
  for (const item of inner) collect(item, found, depth + 1)
  // What Option, Exit and their like hold is on no own property of all of them.
  if ("value" in value) collect(value.value, found, depth + 1)
}

const replaced = (value: unknown, secrets: ReadonlyArray<string>): unknown => {
  switch (typeof value) {
    case "string":
      return secrets.reduce((text, secret) => text.replaceAll(secret, redacted), value)
    case "number":
    case "boolean":
      return secrets.includes(String(value)) ? redacted : value
    case "object":
      if (value === null) return null
      if (Array.isArray(value)) return value.map((item) => replaced(item, secrets))
      return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, replaced(field, secrets)]))
  }
  return value
}
