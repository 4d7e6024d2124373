// A GraphQL document as the definition of an operation: over an endpoint, as all operations over HTTP are.
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import { post } from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as Exhaustion from "../../Exhaustion.ts"
import type * as Idempotency from "../../Idempotency.ts"
import type { Definition } from "../../internal/definition.ts"
import type * as P from "../../internal/policy.ts"
import type { Classify } from "../HttpTarget.ts"
import { reflectEndpoint } from "./encoder.ts"
import { Errors, judge } from "./graphql.ts"
import { documentProblems } from "./graphqlDocument.ts"
import { openHttp } from "./transport.ts"

export interface AnyOptions {
  readonly document: string
  readonly path?: `/${string}`
  readonly variables?: Schema.Codec<unknown, unknown>
  readonly data: Schema.Codec<unknown, unknown>
  readonly errors?: Schema.Top
  readonly partial?: "fail" | "accept"
  readonly idempotency?: Idempotency.Any
  readonly translate?: Readonly<Record<string, (error: never, input: never) => unknown>>
  readonly policy?: P.Any
  readonly exhausted?: Exhaustion.Any
  readonly orElse?: (failure: never, input: never) => unknown
  readonly classify?: Classify
  readonly maxBodySize?: number
}

const Error = Schema.Struct({
  message: Schema.String,
  path: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Union([Schema.String, Schema.Int])))),
  extensions: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json)))
})

/** A caller gives the variables, and the wire has the document too. */
const requestOf = (name: string, document: string, variables: Schema.Codec<unknown, unknown> | undefined) =>
  variables === undefined
    ? Schema.Struct({ operationName: Schema.Literal(name), query: Schema.String, variables: Schema.Struct({}) }).pipe(
        Schema.decodeTo(
          Schema.Void,
          SchemaTransformation.transform({
            decode: (): void => undefined,
            encode: () => ({ operationName: name, query: document, variables: {} })
          })
        )
      )
    : Schema.Struct({ operationName: Schema.Literal(name), query: Schema.String, variables }).pipe(
        Schema.decodeTo(
          Schema.toType(variables),
          SchemaTransformation.transform({
            decode: (request) => request.variables,
            encode: (variables) => ({ operationName: name, query: document, variables })
          })
        )
      )

/** A caller gets what stands under `data`. Errors beside it are no answer, whatever else has looked at them. */
const wholeOf = (data: Schema.Codec<unknown, unknown>) =>
  Schema.Struct({ data, errors: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Never))) }).pipe(
    Schema.decodeTo(
      Schema.toType(data),
      SchemaTransformation.transform({ decode: (answer) => answer.data, encode: (data) => ({ data }) })
    )
  )

const partsOf = (data: Schema.Codec<unknown, unknown>) =>
  Schema.Struct({ data, errors: Schema.optionalKey(Schema.NullOr(Schema.Array(Error))) }).pipe(
    Schema.decodeTo(
      Schema.Struct({ data: Schema.toType(data), errors: Schema.Array(Schema.toType(Error)) }),
      SchemaTransformation.transform({
        decode: ({ data, errors }) => ({ data, errors: errors ?? [] }),
        encode: ({ data, errors }) => (errors.length === 0 ? { data } : { data, errors })
      })
    )
  )

/** A server that knows GraphQL's own media type then answers with statuses that say more than 200. */
const accept = "application/graphql-response+json, application/json;q=0.9"

export const defineGraphql = (
  kind: "query" | "mutation",
  name: string,
  options: AnyOptions
): { readonly definition: Definition; readonly endpoint: HttpApiEndpoint.Top } => {
  const { document, errors, partial = "fail", variables } = options
  const payload = requestOf(name, document, variables)
  const endpoint = post(name, options.path ?? "/graphql", {
    payload: payload as Schema.Codec<unknown, unknown>,
    success: (partial === "accept" ? partsOf : wholeOf)(options.data) as Schema.Codec<unknown, unknown>,
    ...(errors === undefined ? {} : { error: errors as Schema.Codec<unknown, unknown> })
  })
  const api = HttpApi.make("graphql").add(HttpApiGroup.make("graphql").add(endpoint))
  const plain = reflectEndpoint(api as never, "graphql", name)
  const { schemas } = plain
  const reflected = {
    ...plain,
    encode: (input: unknown) =>
      Effect.map(plain.encode({ payload: input }), HttpClientRequest.setHeader("accept", accept)),
    schemas: {
      input: variables,
      success: schemas.success,
      error: schemas.error === undefined ? Errors : Schema.Union([schemas.error as Schema.Top, Errors])
    }
  }
  const idempotency: { readonly repeat: Idempotency.Repeat; readonly strategy: Idempotency.Strategy } =
    kind === "query"
      ? { repeat: "Safe", strategy: { _tag: "Safe", reason: "a GraphQL query" } }
      : (options.idempotency ?? {
          repeat: "AtMostOnce",
          strategy: { _tag: "AtMostOnce", reason: "nobody has said how a repeat is made safe" }
        })
  return {
    endpoint: endpoint as never,
    definition: {
      name: `graphql.${name}`,
      repeat: idempotency.repeat,
      strategy: idempotency.strategy,
      policy: options.policy,
      exhausted: options.exhausted,
      orElse: options.orElse as Definition["orElse"],
      translate: options.translate,
      about: {
        transport: "http",
        attemptName: `POST ${plain.path}`,
        http: { method: "POST", template: plain.path },
        attributes: { "graphql.operation.name": name, "graphql.operation.type": kind }
      },
      problems: [
        // The types ask for it. Not everybody compiles.
        ...(kind === "mutation" && options.idempotency === undefined
          ? ["a mutation must say how a repeat is made safe: give idempotency"]
          : []),
        ...(options.maxBodySize !== undefined && !(Number.isInteger(options.maxBodySize) && options.maxBodySize > 0)
          ? [`maxBodySize must be a positive integer of bytes, got ${options.maxBodySize}`]
          : []),
        ...documentProblems({ document, kind, name, refusals: errors !== undefined }, idempotency.strategy)
      ],
      open: (site) =>
        openHttp(site, reflected, idempotency, {
          classify: options.classify,
          classifyErrors: undefined,
          classifyLast: judge(kind, partial),
          maxBodySize: options.maxBodySize
        }) as Effect.Effect<never>
    }
  }
}
