import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as Context from "effect/Context"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SchemaAST from "effect/SchemaAST"
import type { Declared } from "./codec.ts"
import { errorOf, inputOf, successOf } from "./kept.ts"
import { isUpload } from "../Upload.ts"

type Encode = (input: unknown) => Effect.Effect<HttpClientRequest.HttpClientRequest, unknown>

/** What the transport needs of an endpoint, found and built once, when the operation is defined. */
export interface Reflected {
  readonly group: HttpApiGroup.Top
  readonly endpoint: HttpApiEndpoint.Top
  readonly method: string
  readonly path: string
  /** Keys of the client middleware, outermost last, as Effect runs them. */
  readonly middleware: ReadonlyArray<string>
  readonly declaredErrors: ReadonlySet<number>
  /** The media types of each declared success, by status. */
  readonly declaredSuccesses: ReadonlyMap<number, ReadonlySet<string>>
  /** What a layer makes its own encoder and decoder of, which know the common cases. */
  readonly declared: Declared
  readonly encode: Encode
  readonly decode: Decode
  /** What an outbox writes down. */
  readonly schemas: {
    readonly input: Schema.Constraint | undefined
    readonly success: Schema.Constraint | undefined
    readonly error: Schema.Constraint | undefined
  }
  /** Decodes the errors that the contract declares with a 2xx, by status. */
  readonly decodeErrorIn2xx: ReadonlyMap<number, Decode>
}

type Decode = (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown, unknown>

/**
 * A client that sends nothing: it hands the request back. So Effect's own encoder builds the request, and what goes over
 * the wire later is what `HttpApiClient` would have sent.
 */
const capture = HttpClient.makeWith(
  (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
    Effect.map(request, (request) => HttpClientResponse.fromWeb(request, new Response())),
  Effect.succeed
)

// The annotation that `HttpApiSchema.asText` and its like write; JSON is the default. Effect keeps its reader internal.
const encodingOf = SchemaAST.resolveAt<{ readonly contentType: string }>("~httpApiEncoding")

const mediaTypeOf = (schema: Schema.Top): string => {
  const body = HttpApiSchema.isWithHeaders(schema) ? schema.schema : schema
  const encoding = encodingOf(schema.ast) ?? encodingOf(body.ast)
  return (encoding?.contentType ?? "application/json").split(";", 1)[0]!.trim().toLowerCase()
}

/** The input with the stream that Effect encodes, made anew whenever it is run. Nothing is read before an attempt. */
const streamed = (input: unknown): object | undefined => {
  const parts = input as { readonly payload?: unknown } | undefined
  const payload = parts?.payload
  return isUpload(payload) ? { ...parts, payload: Stream.suspend(payload.make) } : parts
}

/** A form gets another boundary each time that it is sent. Its bytes are made once, so that all attempts send the same. */
const fixed = (request: HttpClientRequest.HttpClientRequest, form: FormData) =>
  Effect.map(
    Effect.promise(async () => {
      const encoded = new Response(form)
      return HttpBody.uint8Array(new Uint8Array(await encoded.arrayBuffer()), encoded.headers.get("content-type")!)
    }),
    (body) => HttpClientRequest.setBody(request, body)
  )

/**
 * Errors that a contract declares with a 2xx. Effect's own decoder takes every 2xx that is declared for a success too as a
 * success, so these errors get an endpoint of their own.
 */
const decodersOfErrorsIn2xx = (
  errors: ReadonlyMap<number, readonly [Schema.Top, ...Array<Schema.Top>]>,
  annotations: Context.Context<never>
): ReadonlyMap<number, Decode> => {
  const decoders = new Map<number, Decode>()
  for (const [status, error] of errors) {
    if (status < 200 || status >= 300) continue
    const success = HttpApiSchema.Empty(status === 204 ? 205 : 204)
    const api = HttpApi.make("errors").add(
      HttpApiGroup.make("errors").add(HttpApiEndpoint.get("errors", "/", { success, error }).annotateMerge(annotations))
    )
    decoders.set(status, HttpApiClient.decodeResponse(api, { group: "errors", endpoint: "errors" }) as Decode)
  }
  return decoders
}

export const reflectEndpoint = (api: HttpApi.Top, groupName: string, endpointName: string): Reflected => {
  const isIt = (options: {
    readonly group: { readonly identifier: string }
    readonly endpoint: { readonly identifier: string }
  }) => options.group.identifier === groupName && options.endpoint.identifier === endpointName
  let found: Reflected | undefined
  HttpApi.reflect(api, {
    predicate: isIt,
    onGroup() {},
    onEndpoint({ endpoint, errors, group, mergedAnnotations, middleware, successes }) {
      // Run without a context, so that no client middleware is found: that runs per attempt.
      const call = Effect.runSync(
        HttpApiClient.endpoint(api, {
          group: groupName as never,
          endpoint: endpointName as never,
          httpClient: capture
        }) as Effect.Effect<unknown>
      ) as (input: unknown) => Effect.Effect<HttpClientResponse.HttpClientResponse, unknown>
      found = {
        group,
        endpoint,
        method: endpoint.method,
        path: endpoint.path,
        middleware: Array.from(middleware, (tag) => `${tag.key}/Client`),
        declared: { endpoint, annotations: mergedAnnotations, successes, errors },
        schemas: { input: inputOf(endpoint), success: successOf(endpoint), error: errorOf(errors) },
        declaredErrors: new Set(errors.keys()),
        declaredSuccesses: new Map(
          Array.from(successes, ([status, schemas]) => [status, new Set(schemas.map(mediaTypeOf))])
        ),
        encode: (input) =>
          Effect.flatMap(call({ ...streamed(input), responseMode: "response-only" }), ({ request }) =>
            request.body._tag === "FormData" ? fixed(request, request.body.formData) : Effect.succeed(request)
          ),
        decode: HttpApiClient.decodeResponse(api, {
          group: groupName as never,
          endpoint: endpointName as never
        }),
        decodeErrorIn2xx: decodersOfErrorsIn2xx(errors, mergedAnnotations)
      }
    }
  })
  if (found === undefined)
    throw new RangeError(`HttpOperation.endpoint: no endpoint "${endpointName}" in group "${groupName}"`)
  return found
}
