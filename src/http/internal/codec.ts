// What an endpoint's schemas come to where that is known at once: the common requests and answers, without Effect's encoder
// and decoder. Whatever is not known here, or does not match, goes Effect's own way, which has the last word.
import * as Context from "effect/Context"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpMethod from "effect/http/HttpMethod"
import type * as UrlParams from "effect/http/UrlParams"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { type AtOnce, atOnce, type Compile } from "../../internal/decoder.ts"

type Request = HttpClientRequest.HttpClientRequest

/** What an endpoint declares, as Effect reflects it. */
export interface Declared {
  readonly endpoint: HttpApiEndpoint.Top
  readonly annotations: Context.Context<never>
  readonly successes: ReadonlyMap<number, ReadonlyArray<Schema.Top>>
  readonly errors: ReadonlyMap<number, ReadonlyArray<Schema.Top>>
}

export interface Codec {
  /** The request of every call, where it has no input. */
  readonly constant: Request | undefined
  readonly encode: (input: unknown) => Request | undefined
  /** Reads the JSON body of a success, or of an error that is declared with another status than a 2xx. */
  readonly decode: (status: number) => ((body: unknown) => { readonly value: unknown } | undefined) | undefined
}

// The annotations that `HttpApiSchema.asText`, `withHeaders` and their like write. Effect keeps their readers internal.
const encodingOf = SchemaAST.resolveAt<{ readonly _tag: string; readonly contentType: string }>("~httpApiEncoding")
const headersOf = SchemaAST.resolveAt<unknown>("~httpApiWithHeaders")

const isSuccess = (status: number): boolean => status >= 200 && status < 300

const isStream = (schema: object): boolean => "mode" in schema && "contentTypes" in schema

export const codecOf = (
  { annotations, endpoint, errors, successes }: Declared,
  compile: Compile | undefined
): Codec => {
  const shared = Context.getOrUndefined(annotations, HttpApi.ParseOptions)
  const optionsOf = <I>(slot: Context.Key<I, SchemaAST.ParseOptions>): SchemaAST.ParseOptions | undefined =>
    Context.getOrUndefined(annotations as Context.Context<I>, slot) ?? shared
  const decoders = new Map<number, (body: unknown) => { readonly value: unknown } | undefined>()
  const streams = Array.from(endpoint.success).some(isStream)
  const add = (status: number, schemas: ReadonlyArray<Schema.Top>, options: SchemaAST.ParseOptions | undefined) => {
    if (isOneKindOfJson(schemas)) decoders.set(status, decoderOf(schemas, compile, options))
  }
  for (const [status, schemas] of successes) {
    if (!streams && isSuccess(status)) add(status, schemas, optionsOf(HttpApi.SuccessParseOptions))
  }
  for (const [status, schemas] of errors) {
    // Effect takes what is declared as both for a success.
    if (!isSuccess(status) && !successes.has(status)) add(status, schemas, optionsOf(HttpApi.ErrorParseOptions))
  }
  const encode = encoderOf(endpoint, compile, {
    params: optionsOf(HttpApi.ParamsParseOptions),
    query: optionsOf(HttpApi.QueryParseOptions),
    headers: optionsOf(HttpApi.HeadersParseOptions),
    payload: optionsOf(HttpApi.PayloadParseOptions)
  })
  return {
    constant: typeof encode === "function" ? undefined : encode,
    encode: typeof encode === "function" ? encode : () => encode,
    decode: (status) => decoders.get(status)
  }
}

/** Whether all answers of a status are JSON of one media type: then Effect does not look at the type that an answer has. */
const isOneKindOfJson = (schemas: ReadonlyArray<Schema.Top>): boolean => {
  const kinds = new Set(
    schemas.map((schema) => {
      if (HttpApiSchema.isWithHeaders(schema) || headersOf(schema.ast) !== undefined) return undefined
      const encoding = encodingOf(schema.ast)
      if (encoding !== undefined && encoding._tag !== "Json") return undefined
      return HttpApiSchema.isNoContent(schema.ast) ? "" : (encoding?.contentType ?? "application/json")
    })
  )
  return kinds.size === 1 && !kinds.has(undefined)
}

const decoderOf = (
  schemas: ReadonlyArray<Schema.Top>,
  compile: Compile | undefined,
  options: SchemaAST.ParseOptions | undefined
) => {
  const alternatives = schemas.map((schema) => ({
    decode: atOnce(schema, "decode", compile, options),
    // No body at all is what Effect gives to a schema of nothing.
    empty: SchemaAST.isNull(SchemaAST.toEncoded(schema.ast)) ? null : undefined
  }))
  return (body: unknown): { readonly value: unknown } | undefined => {
    for (const { decode, empty } of alternatives) {
      const exit = decode(body === undefined ? empty : body)
      if (exit !== undefined) return exit
    }
    return undefined
  }
}

interface Slots {
  readonly params: SchemaAST.ParseOptions | undefined
  readonly query: SchemaAST.ParseOptions | undefined
  readonly headers: SchemaAST.ParseOptions | undefined
  readonly payload: SchemaAST.ParseOptions | undefined
}

const unknown = (): undefined => undefined

/** How the request of an input is put together, or the one request of an endpoint without input. */
const encoderOf = (
  endpoint: HttpApiEndpoint.Top,
  compile: Compile | undefined,
  options: Slots
): Codec["encode"] | Request => {
  const template = HttpClientRequest.make(endpoint.method as HttpMethod.HttpMethod)(endpoint.path)
  const upgrades = Array.from(endpoint.success).some((schema) => "protocol" in schema)
  const payload = payloadOf(endpoint)
  const url = urlOf(endpoint)
  if (upgrades || payload === "other" || url === undefined) return unknown
  const part = (schema: Schema.Top | undefined, options: SchemaAST.ParseOptions | undefined): AtOnce | undefined =>
    schema === undefined ? undefined : atOnce(schema, "encode", compile, options)
  const encodeParams = part(endpoint.params, options.params)
  const encodePayload = part(payload?.schema, options.payload)
  const encodeHeaders = part(endpoint.headers, options.headers)
  const encodeQuery = part(endpoint.query, options.query)
  if (
    encodeParams === undefined &&
    encodePayload === undefined &&
    encodeHeaders === undefined &&
    encodeQuery === undefined
  ) {
    return template
  }
  return (input) => {
    if (typeof input !== "object" || input === null) return undefined
    const given = input as { readonly [K in keyof Slots]?: unknown }
    let request = template
    if (encodeParams !== undefined) {
      const params = encodeParams(given.params)
      const path = params === undefined ? undefined : url(params.value as Record<string, unknown>)
      if (path === undefined) return undefined
      request = HttpClientRequest.setUrl(request, path)
    }
    if (encodePayload !== undefined) {
      if (given.payload instanceof FormData) return undefined
      const encoded = encodePayload(given.payload)
      const json = encoded === undefined ? undefined : jsonOf(encoded.value)
      if (json === undefined) return undefined
      request = HttpClientRequest.setBody(request, HttpBody.text(json, payload!.contentType))
    }
    if (encodeHeaders !== undefined) {
      const headers = encodeHeaders(given.headers)
      if (headers === undefined) return undefined
      request = HttpClientRequest.setHeaders(request, headers.value as Record<string, string>)
    }
    if (encodeQuery !== undefined) {
      const query = encodeQuery(given.query)
      if (query === undefined) return undefined
      request = HttpClientRequest.appendUrlParams(request, query.value as UrlParams.Input)
    }
    return request
  }
}

const jsonOf = (value: unknown): string | undefined =>
  Result.getOrUndefined(Result.try(() => JSON.stringify(value) as string | undefined))

/** The payload, if it is one schema as JSON in a body. */
const payloadOf = (
  endpoint: HttpApiEndpoint.Top
): { readonly schema: Schema.Top; readonly contentType: string } | "other" | undefined => {
  const [first, ...more] = Array.from(endpoint.payload.values())
  if (first === undefined) return undefined
  const [schema, ...others] = first.schemas as ReadonlyArray<Schema.Top>
  return more.length > 0 ||
    others.length > 0 ||
    schema === undefined ||
    first.encoding._tag !== "Json" ||
    isStream(schema) ||
    !HttpMethod.hasBody(endpoint.method)
    ? "other"
    : { schema, contentType: encodingOf(schema.ast)?.contentType ?? "application/json" }
}

/** Writes the parameters of a path that is made of names between slashes, dots and dashes. */
const urlOf = (
  endpoint: HttpApiEndpoint.Top
): ((params: Readonly<Record<string, unknown>>) => string | undefined) | undefined => {
  const { params, path } = endpoint
  if (params === undefined || !path.includes(":")) return () => path
  const ast = encodedOf(params.ast)
  if (!SchemaAST.isObjects(ast) || ast.indexSignatures.length > 0) return undefined
  const names = new Set(ast.propertySignatures.map(({ name }) => String(name)))
  const pieces = path.split(/:(\w+)(?=[/.-]|$)/)
  const fixed = pieces.filter((_, i) => i % 2 === 0)
  const named = pieces.filter((_, i) => i % 2 === 1)
  if (fixed.some((piece) => piece.includes(":")) || named.some((name) => !names.has(name))) return undefined
  return (params) => {
    let url = fixed[0]!
    for (let i = 0; i < named.length; i++) {
      const value = params[named[i]!]
      // Effect refuses the dots, and `encodeURIComponent` half of a surrogate pair.
      if (typeof value !== "string" || value === "." || value === ".." || /[\ud800-\udfff]/.test(value))
        return undefined
      url += encodeURIComponent(value) + fixed[i + 1]!
    }
    return url
  }
}

const encodedOf = (ast: SchemaAST.AST): SchemaAST.AST => {
  const { encoding } = ast
  return encoding === undefined || encoding.length === 0 ? ast : encodedOf(encoding[encoding.length - 1]!.to)
}
