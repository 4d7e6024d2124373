/**
 * The types of operations over endpoints that answer with a stream. `HttpOperation.stream` makes them.
 *
 * @since 0.1.0
 */
import type * as Sse from "effect/encoding/Sse"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as Schema from "effect/Schema"
import type * as Exhaustion from "../Exhaustion.ts"
import type * as Idempotency from "../Idempotency.ts"
import type * as Operation from "../Operation.ts"
import type * as Streaming from "../Streaming.ts"
import type { Classify } from "./HttpTarget.ts"

/**
 * A schema of a stream, as `HttpApiSchema` makes them.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyStream =
  | HttpApiSchema.StreamSse<Sse.EventCodec, Schema.Constraint, unknown>
  | HttpApiSchema.StreamNdjson<Schema.Constraint>
  | HttpApiSchema.StreamUint8Array

type Mark<S> = Pick<S, Extract<keyof S, `~effect/http-api/${string}`>>

/**
 * The stream that is read: what `answer` says, else what the endpoint declares.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Chosen<T extends HttpApiEndpoint.ConstraintRequest, S> = [S] extends [never]
  ? Extract<T["~Success"], Mark<HttpApiSchema.StreamUint8Array>>
  : S

/**
 * What the consumer of a stream gets, one by one.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Element<S> =
  S extends HttpApiSchema.StreamSse<infer _Events, infer _Error, infer Value>
    ? Value
    : S extends HttpApiSchema.StreamNdjson<infer Line>
      ? Line["Type"]
      : S extends HttpApiSchema.StreamUint8Array
        ? Uint8Array
        : never

/**
 * The errors of an operation that answers with a stream: those of the endpoint, and those that the stream may end with.
 *
 * @category type-level
 * @since 0.1.0
 */
export type StreamDeclared<D, S> =
  D | (S extends HttpApiSchema.StreamSse<infer _Events, infer Failure, infer _Value> ? Failure["Type"] : never)

/**
 * The services that the elements of a stream need to be decoded.
 *
 * @category type-level
 * @since 0.1.0
 */
export type ElementServices<S> = S extends {
  readonly _tag: "StreamSse" | "StreamNdjson"
  readonly DecodingServices: infer R
}
  ? R
  : never

type KindOf<S> = S extends { readonly mode: infer K } ? K : never
type RawOf<S> = KindOf<S> extends "sse" ? Streaming.SseEvent : KindOf<S> extends "ndjson" ? unknown : never
type MethodOf<T> = T extends { readonly method: infer M } ? M : never

/**
 * `unknown` for an endpoint that answers with a stream, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Streamed<T, S> = T extends HttpApiEndpoint.ConstraintRequest
  ? [Chosen<T, S>] extends [never]
    ? "this endpoint does not answer with a stream alone: use HttpOperation.endpoint, or describe the stream as { answer }"
    : [Extract<T["~Payload"], Mark<HttpApiSchema.StreamUint8Array>>] extends [never]
      ? unknown
      : "an endpoint that streams both ways can't be an operation: neither way could be repeated"
  : never

type ResumeFits<Of, K, Rep, Method> = [Of] extends [never]
  ? unknown
  : Rep extends "AtMostOnce"
    ? "a stream goes on by asking again, and a repeat of this operation is not safe: leave `resume` out"
    : Of extends K
      ? Of extends "uint8array"
        ? Method extends "GET"
          ? unknown
          : "only the answer to a GET has ranges: leave `resume` out"
        : unknown
      : "this is the way of another kind of stream: Streaming.lastEventId is for SSE, Streaming.range for bytes"

type Validated<S> =
  Operation.SaysSomething<Element<S>> extends string
    ? { readonly success: Operation.Unvalidated }
    : { readonly success?: undefined }

/**
 * Options of `HttpOperation.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamOptions<
  T extends HttpApiEndpoint.ConstraintRequest,
  S,
  In,
  D,
  Needs,
  Rep,
  C,
  A2,
  Found,
  RI,
  Of extends "sse" | "uint8array",
  M extends Idempotency.Kind,
  NX extends Exhaustion.Needs,
  Pol,
  L
> = (Needs extends true
  ? {
      /** How a repeat is made safe, as long as no element was handed over. A POST or PATCH must say it. */
      readonly idempotency: Idempotency.Idempotency<In, Found, RI, M> & Operation.StreamIdempotencyFits<Found>
    }
  : {
      /** How a repeat is made safe, where the method does not say it all. */
      readonly idempotency?: Idempotency.Idempotency<In, Found, RI, M> & Operation.StreamIdempotencyFits<Found>
    }) &
  Operation.Translation<StreamDeclared<D, Chosen<T, S>>, C, In> &
  Operation.StreamDecisions<In, A2, NX, Pol, L> &
  Validated<Chosen<T, S>> & {
    /** The stream's own limits on time. */
    readonly limits: Streaming.Limits
    /**
     * What comes, where the contract does not say it: a stream of `HttpApiSchema`. It goes before the endpoint's success.
     */
    readonly answer?: (S & AnyStream) | undefined
    /** What the end looks like, where the protocol's is not enough. Without it, the end of the answer is the end. */
    readonly end?: Streaming.End<RawOf<Chosen<T, S>>, Element<Chosen<T, S>>> | undefined
    /** How it goes on after a cut. Without it, a cut after the first element is a failure. */
    readonly resume?: Streaming.Resume<Of> & ResumeFits<Of, KindOf<Chosen<T, S>>, Rep, MethodOf<T>>
    /**
     * What an answer of any status means that is no stream, for a provider that reports errors with 200. Goes before the
     * integration's.
     */
    readonly classify?: Classify | undefined
    /** What an answer other than 2xx means, where its status does not say it. Goes before the integration's. */
    readonly classifyErrors?: Classify | undefined
    /** The largest element, and the largest error, in bytes. Bytes come in pieces of any size. Default: 5 MiB. */
    readonly maxBodySize?: number | undefined
  }
