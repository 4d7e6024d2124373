/**
 * GraphQL over HTTP: a document, the schema of its variables and that of its data are an operation.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { CallFailure } from "../CallFailure.ts"
import type * as Exhaustion from "../Exhaustion.ts"
import type * as Idempotency from "../Idempotency.ts"
import * as Operation from "../Operation.ts"
import type * as Reason from "../Reason.ts"
import type { Refused } from "./HttpOperation.ts"
import type { Classify, HttpTarget } from "./HttpTarget.ts"
import { classifyCodes, type Codes, Errors } from "./internal/graphql.ts"
import { type AnyOptions, defineGraphql } from "./internal/graphqlDefinition.ts"

export { type Codes, Errors } from "./internal/graphql.ts"
export type { Classify, HttpTarget } from "./HttpTarget.ts"
// So that the declarations of who exports an operation can name its type.
export type { Operation } from "../Operation.ts"

/**
 * One error of an answer, as the specification has it. Its message is for people, and may hold what was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Error {
  readonly message: string
  readonly path?: ReadonlyArray<string | number> | null
  readonly extensions?: Readonly<Record<string, Schema.Json>> | null
}

/**
 * Data that may be incomplete, and the errors that say why: fields that failed are `null`. Of an answer without errors the
 * list is empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Partial<A> {
  readonly data: A
  readonly errors: ReadonlyArray<Error>
}

type Ignored = " " | "\n" | "\t" | "\r" | ","
type Trimmed<D extends string> = D extends `${Ignored}${infer Rest}` ? Trimmed<Rest> : D

/**
 * `unknown` for a document of that kind, or one of which its type does not say enough, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Fits<Kind extends "query" | "mutation", D extends string> =
  Trimmed<D> extends `subscription${string}`
    ? Refused<"a subscription has no end that a deadline could wait for: it can't be an operation">
    : Kind extends "query"
      ? Trimmed<D> extends `mutation${string}`
        ? Refused<"this document is a mutation: give it to GraphQL.mutation, and say how a repeat is made safe">
        : unknown
      : Trimmed<D> extends `query${string}` | `{${string}`
        ? Refused<"this document is a query: give it to GraphQL.query, which needs no idempotency">
        : unknown

/**
 * How an application takes data with errors beside it.
 *
 * @category models
 * @since 0.1.0
 */
export type Partially = "fail" | "accept"

/**
 * What an operation succeeds with.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Success<A, P> = [P] extends ["accept"] ? Partial<A> : A

/**
 * The errors that `translate` covers: the operation's own, and where partial data is no success, those of its fields.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Declared<E, P> = (E extends Schema.Top ? E["Type"] : never) | ([P] extends ["accept"] ? never : Errors)

/**
 * What a query and a mutation have in common.
 *
 * @category models
 * @since 0.1.0
 */
export interface Document<V, VE, A, AE, P extends Partially, E extends Schema.Top> {
  /** Where the provider takes documents, below its `baseUrl`. Default: `/graphql`. */
  readonly path?: `/${string}` | undefined
  /** Without the key: `Idempotency.graphqlDirective` writes its variable. Default: the document has no variables. */
  readonly variables?: Schema.Codec<V, VE> | undefined
  /** What stands under `data`. */
  readonly data: Schema.Codec<A, AE>
  /** Refusals that stand in the data of a 200: `GraphQL.userErrors`, or a schema of status 200. They say that nothing happened. */
  readonly errors?: E | undefined
  /**
   * What becomes of data with errors beside it. `"fail"`: the call fails with `GraphqlErrors`, their codes and paths.
   * `"accept"`: it succeeds with `{ data, errors }`, and the schema of `data` must allow `null` wherever a field may fail.
   * Default: `"fail"`.
   */
  readonly partial?: P | undefined
  /** What an answer of any status means, before all else: see `GraphQL.codes`. Goes before the integration's. */
  readonly classify?: Classify | undefined
  /** The largest answer that is read, in bytes. Default: 5 MiB. */
  readonly maxBodySize?: number | undefined
}

/**
 * The endpoint that an operation calls, for an `HttpApi` of it: so `Upstream` of `breakwater/testing` can stand in for the
 * provider.
 *
 * @category models
 * @since 0.1.0
 */
export type Endpoint<
  Name extends string,
  V,
  VE,
  A,
  AE,
  P extends Partially,
  E extends Schema.Top
> = HttpApiEndpoint.HttpApiEndpoint<
  Name,
  "POST",
  `/${string}`,
  never,
  never,
  Schema.Codec<V, { readonly operationName: string; readonly query: string; readonly variables: VE }>,
  never,
  Schema.Codec<Success<A, P>, { readonly data: AE }>,
  E
>

/**
 * An operation, and the endpoint that it calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface GraphqlOperation<
  in In,
  out A,
  out E,
  out R,
  out M extends Idempotency.Kind,
  out Open extends Operation.Decision,
  out Ep
> extends Operation.Operation<In, A, E, R, M, Open> {
  readonly endpoint: Ep
}

type Services = HttpClient.HttpClient | HttpTarget

const make = (kind: "query" | "mutation", name: string, options: AnyOptions): unknown => {
  const { definition, endpoint } = defineGraphql(kind, name, options)
  return Object.assign(Operation.fromDefinition(definition), { endpoint })
}

/**
 * A query: safe, though it is a POST, so it needs no idempotency.
 *
 * **Details**
 *
 * Its name is that of the operation in the document, and is sent as `operationName`. A document that is a mutation does not
 * compile; one whose type does not show it, or that has no query of this name, is a `PolicyError` when the layer is built.
 *
 * An answer is read by what it says, not by its status alone. Without `errors` it is a success. With errors and no data,
 * codes of throttling make it `Throttled`, until the provider's bucket holds what the query asks for; codes of parsing and
 * validation, and status 400, `Rejected`; `INTERNAL_SERVER_ERROR` and its like `Unavailable`; all others are final. Codes of
 * the provider's own are for `GraphQL.codes`. Errors beside data are what `partial` says.
 *
 * What an answer tells of cost (`extensions.cost`, as with Shopify; `data.rateLimit.cost`, as with GitHub) goes to
 * `Policy.rateLimit`. Messages of the provider, documents and variables are in no span and no log.
 *
 * **Example** (Who is asking)
 *
 * ```ts
 * import { Exhaustion, Integration, Policy } from "breakwater"
 * import { GraphQL } from "breakwater/http"
 * import { Data, Schema } from "effect"
 *
 * class GitHubFailed extends Data.TaggedError("GitHubFailed")<{ readonly why: string }> {}
 *
 * export class GitHub extends Integration.Service<GitHub>()(
 *   "app/GitHub",
 *   {
 *     policy: Policy.standard(),
 *     exhausted: Exhaustion.fail,
 *     orElse: ({ reason }) => new GitHubFailed({ why: reason.message })
 *   },
 *   {
 *     whoAmI: GraphQL.query("Viewer", {
 *       document: `query Viewer { viewer { login } }`,
 *       data: Schema.Struct({ viewer: Schema.Struct({ login: Schema.String }) }),
 *       translate: {
 *         GraphqlErrors: ({ errors }) => new GitHubFailed({ why: errors.map(({ code, path }) => `${code} at ${path}`).join() })
 *       }
 *     })
 *   }
 * ) {}
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const query = <
  const Name extends string,
  const D extends string,
  A,
  AE,
  V = void,
  VE = {},
  const P extends Partially = "fail",
  E extends Schema.Top = never,
  C = {},
  A2 = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown
>(
  name: Name,
  options: { readonly document: D & Fits<"query", D> } & Document<V, VE, A, AE, P, E> &
    Operation.Translation<Declared<E, P>, C, V> &
    Operation.Decisions<V, A2, RX, NX, "Safe", Pol, L>
): GraphqlOperation<
  V,
  Success<A, P> | A2,
  Operation.Translated<C> | Operation.OrElse<L>,
  Services | RX,
  "Safe",
  Operation.OpenOf<Pol, NX, L>,
  Endpoint<Name, V, VE, A, AE, P, E>
> => make("query", name, options as never) as never

/**
 * A mutation: it must say how a repeat is made safe.
 *
 * **Details**
 *
 * A key may stand in a header, or be the argument of a directive (`Idempotency.graphqlDirective`): then the document must
 * declare the variable and give it to a directive. One that does not is a `PolicyError` when the layer is built, and not an
 * error at the provider.
 *
 * That a mutation was refused is proven by a code of which it is known, in an answer without data or with one field of
 * `null`; by status 400 without data; and by the errors of its payload. After any other error it may have happened: it is
 * `Unknown`, `GraphqlErrors` included. Everything else is as with `query`.
 *
 * **Example** (A refund whose key is a directive's argument)
 *
 * ```ts
 * import { Idempotency, IdempotencyKey } from "breakwater"
 * import { GraphQL } from "breakwater/http"
 * import { Data, Schema } from "effect"
 *
 * class RefundRefused extends Data.TaggedError("RefundRefused")<{ readonly why: string }> {}
 * class RefundInDoubt extends Data.TaggedError("RefundInDoubt")<{}> {}
 *
 * export const refund = GraphQL.mutation("Refund", {
 *   document: `mutation Refund($order: ID!, $idempotencyKey: String!) {
 *     refundCreate(order: $order) @idempotent(key: $idempotencyKey) { refund { id } userErrors { field message } }
 *   }`,
 *   variables: Schema.Struct({ order: Schema.String }),
 *   data: Schema.Struct({ refundCreate: Schema.Struct({ refund: Schema.Struct({ id: Schema.String }) }) }),
 *   errors: GraphQL.userErrors("refundCreate"),
 *   idempotency: Idempotency.keyed(({ order }: { readonly order: string }) => IdempotencyKey.derive("refund", order), {
 *     lifetime: "24 hours",
 *     placement: Idempotency.graphqlDirective()
 *   }),
 *   translate: {
 *     UserErrors: ({ userErrors: [first] }) => new RefundRefused({ why: first.message }),
 *     GraphqlErrors: () => new RefundInDoubt()
 *   }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const mutation = <
  const Name extends string,
  const D extends string,
  A,
  AE,
  M extends Idempotency.Kind,
  V = void,
  VE = {},
  const P extends Partially = "fail",
  E extends Schema.Top = never,
  C = {},
  A2 = never,
  RI = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown
>(
  name: Name,
  options: { readonly document: D & Fits<"mutation", D> } & Document<V, VE, A, AE, P, E> & {
      /** How a repeat is made safe. */
      readonly idempotency: Idempotency.Idempotency<V, Success<A, P>, RI, M>
    } & Operation.Translation<Declared<E, P>, C, V> &
    Operation.Decisions<V, A2, RX, NX, M, Pol, L>
): GraphqlOperation<
  V,
  Success<A, P> | A2,
  Operation.Translated<C> | Operation.OrElse<L>,
  Services | RI | RX,
  M,
  Operation.OpenOf<Pol, NX, L>,
  Endpoint<Name, V, VE, A, AE, P, E>
> => make("mutation", name, options as never) as never

/**
 * What the error codes of a provider mean, as a `classify` for an operation, an integration or a layer.
 *
 * **Details**
 *
 * A code stands in `extensions.code` of an error, or in its `type` (GitHub). `refused` and `throttled` count where all errors
 * have such codes and the data shows that nothing ran: there is none, or the fields with the errors are all there are.
 * Otherwise something else in the document may have been executed.
 *
 * **Example** (Codes of Shopify's)
 *
 * ```ts
 * import { GraphQL } from "breakwater/http"
 *
 * const classify = GraphQL.codes({ refused: ["ACCESS_DENIED", "SHOP_INACTIVE"] })
 * const answer = { errors: [{ message: "…", extensions: { code: "ACCESS_DENIED" } }], data: { refundCreate: null } }
 *
 * classify(200, {}, answer)?.reason // => "Rejected"
 * classify(200, {}, { ...answer, data: { refundCreate: { refund: null } } })?.reason // => undefined
 * ```
 *
 * @category verdicts
 * @since 0.1.0
 */
export const codes = (codes: Codes): Reason.Classify => classifyCodes(codes)

/**
 * The codes and paths of the errors that a call failed with, for `orElse`; `undefined` if it failed for another reason.
 *
 * @category destructors
 * @since 0.1.0
 */
export const errorsOf = ({ reason }: CallFailure): Errors["errors"] | undefined =>
  reason.error instanceof Errors
    ? reason.error.errors
    : reason.cause instanceof Errors
      ? reason.cause.errors
      : undefined

/**
 * A refusal in the payload of a mutation, as Shopify and many others give it. Not all give a code.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UserError = Schema.Struct({
  code: Schema.optionalKey(Schema.NullOr(Schema.String)),
  field: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  message: Schema.String
})

/**
 * The refusals in the payload of a mutation: nothing happened. Its messages are for people; no span has them.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserErrors extends Schema.TaggedError<UserErrors>()("UserErrors", {
  userErrors: Schema.NonEmptyArray(UserError)
}) {}

/**
 * The declared error that a payload with refusals is, such as `{ data: { refundCreate: { userErrors: [{ message }] } } }`.
 * `translate` then has a case for `UserErrors`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const userErrors = (
  /** The field of the mutation in the document, or its alias. */
  field: string,
  options?: {
    /** The list in the payload. Default: `userErrors`. */
    readonly list?: string | undefined
  }
): Schema.Codec<UserErrors, unknown> => {
  const list = options?.list ?? "userErrors"
  const payload = Schema.Struct({ [list]: Schema.NonEmptyArray(UserError) })
  return Schema.Struct({ data: Schema.Struct({ [field]: payload }) })
    .pipe(
      Schema.decodeTo(
        Schema.toType(UserErrors),
        SchemaTransformation.transform({
          decode: ({ data }) => new UserErrors({ userErrors: data[field]![list]! }),
          encode: ({ userErrors }) => ({ data: { [field]: { [list]: userErrors } } })
        })
      )
    )
    .annotate({ httpApiStatus: 200 }) as never
}
