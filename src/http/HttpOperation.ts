/**
 * Operations over any Effect `HttpApi`.
 *
 * @since 0.1.0
 */
import type { Brand } from "effect/Brand"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as Schema from "effect/Schema"
import type * as Exhaustion from "../Exhaustion.ts"
import type * as Idempotency from "../Idempotency.ts"
import * as Operation from "../Operation.ts"
import type { BodyKind, Uploaded, UploadInput, UploadOptions, UploadRepeat } from "./HttpUpload.ts"
import type { AnyStream, Chosen, Element, ElementServices, Streamed, StreamOptions } from "./HttpStream.ts"
import type { Classify, HttpTarget } from "./HttpTarget.ts"
import { type AnyOptions, define, defineStream } from "./internal/httpDefinition.ts"
import type { Understood } from "./ReceiverProblem.ts"

export type { Classify, HttpTarget } from "./HttpTarget.ts"
export type {
  AnyStream,
  Chosen,
  Element,
  ElementServices,
  Streamed,
  StreamDeclared,
  StreamOptions
} from "./HttpStream.ts"
export type { Body, BodyKind, Uploaded, UploadInput, UploadOptions, UploadRepeat } from "./HttpUpload.ts"
// So that the declarations of who exports an operation can name its type.
export type { Operation } from "../Operation.ts"

type SafeMethod = "GET" | "HEAD" | "OPTIONS" | "QUERY" | "TRACE"
type InherentMethod = "PUT" | "DELETE"

/**
 * The groups of an API, by name.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Groups = { readonly [name in string]: { readonly endpoints: object } }

/**
 * The endpoint of a group, by its name.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Endpoint<Api extends Groups, G extends keyof Api, E extends keyof Api[G]["endpoints"]> = Extract<
  Api[G]["endpoints"][E],
  HttpApiEndpoint.ConstraintRequest
>

type MethodOf<T> = T extends { readonly method: infer M } ? M : never
type Part<K extends string, V> = [V] extends [never] ? {} : { readonly [P in K]: V }
type Shown<T> = { readonly [K in keyof T]: T[K] } & {}

/**
 * What a client method takes: the params, query, headers and payload that the endpoint declares, `void` if none.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Input<T extends HttpApiEndpoint.ConstraintRequest> = Part<"params", T["~Params"]["Type"]> &
  Part<"query", T["~Query"]["Type"]> &
  Part<"headers", T["~Headers"]["Type"]> &
  Part<"payload", PayloadOf<T["~Payload"]["Type"]>> extends infer I
  ? keyof I extends never
    ? void
    : Shown<I>
  : never

type PayloadOf<P> = P extends Brand<HttpApiSchema.MultipartTypeId> | Brand<HttpApiSchema.MultipartStreamTypeId>
  ? FormData
  : P

/**
 * What a call succeeds with. `unknown` where the contract says `any`.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Success<T extends HttpApiEndpoint.ConstraintRequest> = unknown extends T["~Success"]["Type"]
  ? unknown
  : T["~Success"]["Type"]

/**
 * The errors that the contract declares, those of its middleware included. Not the problems of `HttpReceiver`: they are
 * read by their type, and say whether it happened.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Declared<T extends HttpApiEndpoint.ConstraintRequest> = Exclude<
  T["~Error"]["Type"] | HttpApiMiddleware.Error<T["~Middleware"]> | HttpApiMiddleware.ClientError<T["~Middleware"]>,
  Understood
>

/**
 * The services that an endpoint needs: a client, a target, and what its schemas and middleware ask for.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Services<T extends HttpApiEndpoint.ConstraintRequest> = [
  | HttpClient.HttpClient
  | HttpTarget
  | T["~Params"]["EncodingServices"]
  | T["~Query"]["EncodingServices"]
  | T["~Headers"]["EncodingServices"]
  | T["~Payload"]["EncodingServices"]
  | T["~Success"]["DecodingServices"]
  | T["~Error"]["DecodingServices"]
  | HttpApiMiddleware.MiddlewareClient<T["~Middleware"]>
] extends [infer R] // So that a hover shows the services themselves.
  ? R
  : never

/**
 * How a repeat of an endpoint counts: what `idempotency` says, else what RFC 9110 says of its method.
 *
 * @category type-level
 * @since 0.1.0
 */
export type RepeatOf<T, M extends Idempotency.Kind> = [M] extends [never]
  ? MethodOf<T> extends SafeMethod
    ? "Safe"
    : "Inherent"
  : M

type NeedsIdempotency<T> = MethodOf<T> extends SafeMethod | InherentMethod ? false : true

/**
 * What stands where an endpoint is refused. Its argument is the reason.
 *
 * @category type-level
 * @since 0.1.0
 */
export interface Refused<Why extends string> {
  readonly "~refused": Why
}

/** The property by which Effect marks a schema. A check against all members of a schema's type costs 20 times as much. */
type Mark<S> = Pick<S, Extract<keyof S, `~effect/http-api/${string}`>>
type Streaming = Mark<HttpApiSchema.StreamUint8Array> | Mark<HttpApiSchema.Upgrade>
type IsStreaming<S extends Schema.Constraint> = Extract<Bare<S>, Streaming> extends never ? false : true

/** The schema of a success without its headers. */
type Bare<S extends Schema.Constraint> = S extends {
  readonly [HttpApiSchema.WithHeadersTypeId]: HttpApiSchema.WithHeadersTypeId
  readonly schema: infer Body extends Schema.Constraint
}
  ? Body
  : S

/** `unknown` for an endpoint that an operation can carry, else the sentence that refuses it. */
type Carried<T> = T extends HttpApiEndpoint.ConstraintRequest
  ? IsStreaming<T["~Success"]> extends true
    ? Refused<"streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream">
    : IsStreaming<T["~Payload"]> extends true
      ? Refused<"a streamed payload must say whether it can be sent twice: use HttpOperation.upload">
      : unknown
  : never

/** `unknown` for an endpoint that takes a stream and answers with a value, else the sentence that refuses it. */
type UploadCarried<T> = T extends HttpApiEndpoint.ConstraintRequest
  ? IsStreaming<T["~Success"]> extends true
    ? Refused<"an endpoint that streams both ways can't be an operation: neither way could be repeated">
    : Uploaded<T> extends infer Why extends string
      ? Refused<Why>
      : unknown
  : never

/** `unknown` for an endpoint that needs no options, else the sentence that asks for them. */
type Plain<T> = T extends HttpApiEndpoint.ConstraintRequest
  ? NeedsIdempotency<T> extends true
    ? Refused<`a ${MethodOf<T> & string} must say how a repeat is made safe: give { idempotency } as fourth argument`>
    : [Extract<Declared<T>, Operation.Tagged>] extends [never]
      ? Answered<T> extends string
        ? Refused<Answered<T>>
        : unknown
      : Refused<"this endpoint declares errors: give { translate }, with a case for each, as fourth argument">
  : never

/** `unknown` for an endpoint that answers with a stream, else the sentence that refuses it. */
type StreamCarried<T, S> = Streamed<T, S> extends infer Why extends string ? Refused<Why> : unknown

type Answered<T extends HttpApiEndpoint.ConstraintRequest> = Operation.SaysSomething<Bare<T["~Success"]>["Type"]>

type Validated<T extends HttpApiEndpoint.ConstraintRequest> =
  Answered<T> extends string ? { readonly success: Operation.Unvalidated } : { readonly success?: undefined }

/**
 * Options of `endpoint`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<
  T extends HttpApiEndpoint.ConstraintRequest,
  C,
  A2,
  RI,
  RX,
  M extends Idempotency.Kind,
  NX extends Exhaustion.Needs,
  Pol,
  L
> = (NeedsIdempotency<T> extends true
  ? {
      /** How a repeat is made safe. A POST or PATCH must say it. */
      readonly idempotency: Idempotency.Idempotency<Input<T>, Success<T>, RI, M>
    }
  : {
      /** How a repeat is made safe, where the method does not say it all. */
      readonly idempotency?: Idempotency.Idempotency<Input<T>, Success<T>, RI, M>
    }) &
  Operation.Translation<Declared<T>, C, Input<T>> &
  Operation.Decisions<Input<T>, A2, RX, NX, RepeatOf<T, M>, Pol, L> &
  Validated<T> & {
    /**
     * What an answer of any status means, for a provider that reports errors with 200. A 2xx that can't be read is then
     * `Unknown`: it may have been an error. Goes before the integration's.
     */
    readonly classify?: Classify | undefined
    /** What an answer other than 2xx means, where its status does not say it. Goes before the integration's. */
    readonly classifyErrors?: Classify | undefined
    /** The largest answer that is read, in bytes. Default: 5 MiB. */
    readonly maxBodySize?: number | undefined
  }

/**
 * An endpoint of an `HttpApi` as an operation.
 *
 * **Details**
 *
 * The input is what the endpoint declares, the success what it answers, and `translate` covers the errors it declares:
 * leaving one out does not compile, nor does a POST or PATCH without `idempotency`. A case gets the error and the call's
 * input, so that the application's error can name what it is about. The request is encoded once, before the first
 * attempt; client middleware and credentials are applied per attempt. The status is looked at before the body. Redirects
 * are not followed.
 *
 * An error that the contract declares with a 2xx (`httpApiStatus: 200`, as with Slack and GraphQL) is looked for before the
 * success of that status, and says that the call was refused. What else such an answer may mean is for `classify`, which
 * goes first. A 2xx of that endpoint that can't be read is `Unknown`: it may have been an error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const endpoint: {
  /** An endpoint of which the method and the contract say all there is to say. */
  <Api extends Groups, const G extends keyof Api & string, const E extends keyof Api[G]["endpoints"] & string>(
    api: HttpApi.Constraint & { readonly groups: Api },
    group: G,
    endpoint: E & Carried<Endpoint<Api, G, E>> & Plain<Endpoint<Api, G, E>>
  ): Operation.Operation<
    Input<Endpoint<Api, G, E>>,
    Success<Endpoint<Api, G, E>>,
    never,
    Services<Endpoint<Api, G, E>>,
    RepeatOf<Endpoint<Api, G, E>, never>,
    Operation.Decision
  >
  <
    Api extends Groups,
    const G extends keyof Api & string,
    const E extends keyof Api[G]["endpoints"] & string,
    C = {},
    A2 = never,
    RI = never,
    RX = never,
    M extends Idempotency.Kind = never,
    NX extends Exhaustion.Needs = never,
    Pol = unknown,
    L = unknown
  >(
    api: HttpApi.Constraint & { readonly groups: Api },
    group: G,
    endpoint: E & Carried<Endpoint<Api, G, E>>,
    options: Options<Endpoint<Api, G, E>, C, A2, RI, RX, M, NX, Pol, L>
  ): Operation.Operation<
    Input<Endpoint<Api, G, E>>,
    Success<Endpoint<Api, G, E>> | A2,
    Operation.Translated<C> | Operation.OrElse<L>,
    Services<Endpoint<Api, G, E>> | RI | RX,
    RepeatOf<Endpoint<Api, G, E>, M>,
    Operation.OpenOf<Pol, NX, L>
  >
} = (api: unknown, group: string, name: string, options: unknown = {}) =>
  Operation.fromDefinition(define(api as HttpApi.Top, group, name, options as AnyOptions)) as never

/**
 * An endpoint that answers with a stream, as an operation: SSE, NDJSON or bytes. Its client method returns a `Stream`.
 *
 * **When to use**
 *
 * Use for completions, subscriptions, exports and downloads.
 *
 * **Details**
 *
 * Every run of the stream is one call, with one span and one `CallObserved`, from its first pull to its end: finished,
 * failed, cut, or left by its consumer. So long it holds its permit. Before its first element it is retried like any call.
 * Then it is not: a cut is a failure with the reason `Truncated`, through `orElse`, unless it can be resumed.
 *
 * It ends where its protocol says that it is complete, or with the mark given as `end`. Elements are read as fast as they
 * are taken, and one that does not match its schema fails in its place.
 *
 * **Example** (A completion, token by token)
 *
 * ```ts
 * import { Exhaustion, Idempotency, Integration, Policy, Streaming } from "breakwater"
 * import { HttpIntegration, HttpOperation } from "breakwater/http"
 * import { Data, Effect, Layer, Schema, Stream } from "effect"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
 *
 * class OpenAiApi extends HttpApi.make("openai").add(
 *   HttpApiGroup.make("chat").add(
 *     HttpApiEndpoint.post("completions", "/v1/chat/completions", {
 *       payload: Schema.Struct({ prompt: Schema.String }),
 *       success: HttpApiSchema.StreamSse({ data: Schema.Struct({ text: Schema.String }) })
 *     })
 *   )
 * ) {}
 *
 * class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly why: string }> {}
 *
 * class OpenAi extends Integration.Service<OpenAi>()(
 *   "shop/OpenAi",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ reason }) => new NoAnswer({ why: reason.message }) },
 *   {
 *     complete: HttpOperation.stream(OpenAiApi, "chat", "completions", {
 *       idempotency: Idempotency.atMostOnce("a completion is paid for each time"),
 *       limits: { firstByte: "20 seconds", idle: "15 seconds", total: "5 minutes" },
 *       end: Streaming.marker(({ data }) => data === "[DONE]")
 *     })
 *   }
 * ) {}
 *
 * const answer = 'data: {"text":"Hel"}\n\ndata: {"text":"lo"}\n\ndata: [DONE]\n\n'
 * const provider = HttpClient.make((request) =>
 *   Effect.succeed(
 *     HttpClientResponse.fromWeb(request, new Response(answer, { headers: { "content-type": "text/event-stream" } }))
 *   )
 * )
 * const OpenAiLive = HttpIntegration.layer(OpenAi, { baseUrl: "https://api.openai.com" }).pipe(
 *   Layer.provide(Layer.succeed(HttpClient.HttpClient, provider))
 * )
 * const program = Effect.gen(function* () {
 *   const openai = yield* OpenAi
 *   return yield* openai.complete({ payload: { prompt: "Hi" } }).pipe(Stream.map(({ text }) => text), Stream.mkString)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, OpenAiLive)) // => "Hello"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = <
  Api extends Groups,
  const G extends keyof Api & string,
  const E extends keyof Api[G]["endpoints"] & string,
  S extends AnyStream = never,
  C = {},
  A2 = never,
  Found = never,
  RI = never,
  Of extends "sse" | "uint8array" = never,
  M extends Idempotency.Kind = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown
>(
  api: HttpApi.Constraint & { readonly groups: Api },
  group: G,
  endpoint: E & StreamCarried<Endpoint<Api, G, E>, S>,
  options: StreamOptions<
    Endpoint<Api, G, E>,
    S,
    Input<Endpoint<Api, G, E>>,
    Declared<Endpoint<Api, G, E>>,
    NeedsIdempotency<Endpoint<Api, G, E>>,
    RepeatOf<Endpoint<Api, G, E>, M>,
    C,
    A2,
    Found,
    RI,
    Of,
    M,
    NX,
    Pol,
    L
  >
): Operation.Streaming<
  Input<Endpoint<Api, G, E>>,
  Element<Chosen<Endpoint<Api, G, E>, S>>,
  Operation.Translated<C> | Operation.OrElse<L>,
  Services<Endpoint<Api, G, E>> | ElementServices<S> | RI,
  RepeatOf<Endpoint<Api, G, E>, M>,
  Operation.OpenOf<Pol, NX, L>
> =>
  // `HttpApi.Top` is any API to whoever reflects it; a constraint that keeps the groups' names can't be shown to be one.
  Operation.fromDefinition(defineStream(api as unknown as HttpApi.Top, group, endpoint, options as never)) as never

/**
 * An endpoint whose payload is a stream, as an operation: an upload that says whether its body can be sent again.
 *
 * **When to use**
 *
 * Use for files, exports and recordings that should not stand in memory. What fits into memory is retried more simply as a
 * `Uint8Array` or a form, by `endpoint`.
 *
 * **Details**
 *
 * `body: "replayable"` takes `Upload.replayable(() => stream)`: every attempt makes its own, as far as `idempotency` allows
 * another. `body: "once"` takes `Upload.once(stream)`: it is sent once, whatever the method is. Such an operation is
 * `AtMostOnce`, and a policy that retries does not compile.
 *
 * The first piece is taken before anything is sent. The attempt timeout covers the whole upload, and `maxBodySize` the answer
 * only. A stream that fails by itself is `SourceFailed`, and none of the provider's failures.
 *
 * **Example** (A file, by a request that replaces)
 *
 * ```ts
 * import { Exhaustion, Integration, Policy } from "breakwater"
 * import { HttpIntegration, HttpOperation, Upload } from "breakwater/http"
 * import { Data, Effect, Layer, Schema, Stream } from "effect"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
 *
 * class StoreApi extends HttpApi.make("store").add(
 *   HttpApiGroup.make("files").add(
 *     HttpApiEndpoint.put("put", "/files/:name", {
 *       params: { name: Schema.String },
 *       payload: HttpApiSchema.StreamUint8Array(),
 *       success: Schema.Struct({ size: Schema.Int })
 *     })
 *   )
 * ) {}
 *
 * class NotUploaded extends Data.TaggedError("NotUploaded")<{ readonly why: string }> {}
 *
 * class Store extends Integration.Service<Store>()(
 *   "shop/Store",
 *   {
 *     policy: Policy.standard({ attemptTimeout: "1 minute", totalDeadline: "5 minutes" }),
 *     exhausted: Exhaustion.fail,
 *     orElse: ({ reason }) => new NotUploaded({ why: reason.message })
 *   },
 *   {
 *     put: HttpOperation.upload(StoreApi, "files", "put", { body: "replayable" }),
 *     pass: HttpOperation.upload(StoreApi, "files", "put", {
 *       body: "once",
 *       policy: Policy.stack(Policy.standard(), Policy.retryNever("what comes in is passed on, and gone"))
 *     })
 *   }
 * ) {}
 *
 * let requests = 0
 * const provider = HttpClient.make((request) =>
 *   Effect.map(
 *     request.body._tag === "Stream" ? Stream.runFold(request.body.stream, () => 0, (sum, piece) => sum + piece.length) : Effect.succeed(0),
 *     (size) => HttpClientResponse.fromWeb(request, Response.json({ size }, { status: ++requests === 1 ? 503 : 200 }))
 *   ).pipe(Effect.orDie)
 * )
 * const StoreLive = HttpIntegration.layer(Store, { baseUrl: "https://store.example" }).pipe(
 *   Layer.provide(Layer.succeed(HttpClient.HttpClient, provider))
 * )
 * const program = Effect.gen(function* () {
 *   const store = yield* Store
 *   const payload = Upload.replayable(() => Stream.succeed(new TextEncoder().encode("hello")))
 *   return yield* store.put({ params: { name: "a.txt" }, payload })
 * })
 *
 * await Effect.runPromise(Effect.provide(program, StoreLive)) // => { size: 5 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const upload = <
  Api extends Groups,
  const G extends keyof Api & string,
  const E extends keyof Api[G]["endpoints"] & string,
  const B extends BodyKind,
  C = {},
  A2 = never,
  RI = never,
  RX = never,
  M extends Idempotency.Kind = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown
>(
  api: HttpApi.Constraint & { readonly groups: Api },
  group: G,
  endpoint: E & UploadCarried<Endpoint<Api, G, E>>,
  options: UploadOptions<
    B,
    // Of either kind: `B` is not known yet where an argument of these options is a call, such as that of `keyed`.
    UploadInput<Endpoint<Api, G, E>, Input<Endpoint<Api, G, E>>, BodyKind>,
    Success<Endpoint<Api, G, E>>,
    Declared<Endpoint<Api, G, E>>,
    NeedsIdempotency<Endpoint<Api, G, E>>,
    RepeatOf<Endpoint<Api, G, E>, M>,
    Answered<Endpoint<Api, G, E>>,
    C,
    A2,
    RI,
    RX,
    M,
    NX,
    Pol,
    L
  >
): Operation.Uploading<
  UploadInput<Endpoint<Api, G, E>, Input<Endpoint<Api, G, E>>, B>,
  Success<Endpoint<Api, G, E>> | A2,
  Operation.Translated<C> | Operation.OrElse<L>,
  Services<Endpoint<Api, G, E>> | RI | RX,
  UploadRepeat<RepeatOf<Endpoint<Api, G, E>, M>, B>,
  Operation.OpenOf<Pol, NX, L>,
  B
> => {
  const { body, ...rest } = options as AnyOptions & { readonly body: BodyKind }
  // As with `stream`, any API is `HttpApi.Top` to whoever reflects it.
  return Operation.fromDefinition(
    define(api as unknown as HttpApi.Top, group, endpoint, rest, undefined, body)
  ) as never
}
