// How a call over HTTP is written down: its input by the endpoint's own schemas, its request byte by byte.
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Reason from "../../Reason.ts"

const anyOf = (schemas: ReadonlyArray<Schema.Top>): Schema.Top | undefined =>
  schemas.length === 0 ? undefined : schemas.length === 1 ? schemas[0] : Schema.Union(schemas)

/** The input of a client method. */
export const inputOf = (endpoint: HttpApiEndpoint.Top): Schema.Constraint | undefined => {
  const payload = anyOf(
    Array.from(endpoint.payload.values()).flatMap(({ encoding, schemas }) =>
      encoding._tag === "Multipart" || encoding._tag === "Stream" ? [] : (schemas as ReadonlyArray<Schema.Top>)
    )
  )
  const parts = Object.entries({
    params: endpoint.params,
    query: endpoint.query,
    headers: endpoint.headers,
    payload
  }).filter((part): part is [string, Schema.Top] => part[1] !== undefined)
  return parts.length === 0 ? undefined : Schema.Struct(Object.fromEntries(parts))
}

/** The success of a call. One with headers is kept without the mark of Effect's, and gets it back when it is read. */
export const successOf = (endpoint: HttpApiEndpoint.Top): Schema.Constraint | undefined =>
  anyOf(
    Array.from(endpoint.success, (schema) =>
      HttpApiSchema.isWithHeaders(schema)
        ? Schema.Struct({
            [HttpApiSchema.WithHeadersValueTypeId]: Schema.Literal(HttpApiSchema.WithHeadersValueTypeId),
            body: schema.schema,
            headers: schema.headers
          })
        : schema
    )
  )

/** The errors that a contract declares. */
export const errorOf = (errors: ReadonlyMap<number, ReadonlyArray<Schema.Top>>): Schema.Constraint | undefined =>
  anyOf(Array.from(errors.values()).flat())

const Saved = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  query: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
  hash: Schema.NullOr(Schema.String),
  headers: Schema.Record(Schema.String, Schema.String),
  body: Schema.NullOr(Schema.Struct({ type: Schema.String, base64: Schema.String }))
})

/** A request as JSON. What an encoder made has a body in memory, or none. */
export const saveRequest = (request: HttpClientRequest.HttpClientRequest): unknown => {
  const body = request.body
  return {
    method: request.method,
    url: request.url,
    query: Array.from(
      request.urlParams,
      ([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value] as const
    ),
    hash: Option.getOrNull(request.hash),
    headers: { ...request.headers },
    body: body._tag === "Uint8Array" ? { type: body.contentType, base64: Base64.encode(body.body) } : null
  } satisfies typeof Saved.Type
}

/** The same request again. */
export const loadRequest = (saved: unknown): Effect.Effect<HttpClientRequest.HttpClientRequest, Reason.Reason> =>
  Effect.gen(function* () {
    const { body, hash, headers, method, query, url } = yield* Schema.decodeUnknownEffect(Saved)(saved)
    const request = HttpClientRequest.make(method as "POST")(url, {
      urlParams: UrlParams.fromInput(query),
      headers,
      ...(hash === null ? {} : { hash })
    })
    if (body === null) return request
    const bytes = yield* Result.match(Base64.decode(body.base64), {
      onFailure: Effect.fail,
      onSuccess: Effect.succeed
    })
    return HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, body.type))
  }).pipe(Effect.mapError(() => Reason.make("InvalidInput", { message: "the stored request can't be read any more" })))
