/**
 * The types of operations over endpoints whose payload is a stream. `HttpOperation.upload` makes them.
 *
 * @since 0.1.0
 */
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as Exhaustion from "../Exhaustion.ts"
import type * as Idempotency from "../Idempotency.ts"
import type * as Operation from "../Operation.ts"
import type { Classify } from "./HttpTarget.ts"
import type * as Upload from "./Upload.ts"

/**
 * Whether a body can be made again.
 *
 * @category models
 * @since 0.1.0
 */
export type BodyKind = "once" | "replayable"

type Mark<S> = Pick<S, Extract<keyof S, `~effect/http-api/${string}`>>
type Streamed<T extends HttpApiEndpoint.ConstraintRequest> = Extract<
  T["~Payload"],
  Mark<HttpApiSchema.StreamUint8Array>
>

/** What a body consists of: pieces of bytes, or elements that become lines. */
type Piece<S> =
  S extends HttpApiSchema.StreamNdjson<infer Line>
    ? Line["Type"]
    : S extends HttpApiSchema.StreamUint8Array
      ? Uint8Array
      : never

/**
 * The body that a client method takes.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Body<T extends HttpApiEndpoint.ConstraintRequest, B extends BodyKind> = B extends "once"
  ? Upload.Once<Piece<Streamed<T>>>
  : Upload.Replayable<Piece<Streamed<T>>>

/**
 * What a client method takes: the params, query and headers that the endpoint declares, and the body.
 *
 * @category type-level
 * @since 0.1.0
 */
export type UploadInput<T extends HttpApiEndpoint.ConstraintRequest, In, B extends BodyKind> = [
  { readonly [K in Exclude<keyof In, "payload">]: In[K] } & { readonly payload: Body<T, B> }
] extends [infer I] // So that a hover shows the parts themselves.
  ? { readonly [K in keyof I]: I[K] }
  : never

/**
 * `unknown` for an endpoint whose payload is a stream, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Uploaded<T> = T extends HttpApiEndpoint.ConstraintRequest
  ? [Streamed<T>] extends [never]
    ? "the payload of this endpoint is no stream: use HttpOperation.endpoint"
    : unknown
  : never

/**
 * How a repeat of an upload counts: a body that can be sent once only is never sent again, whatever would be safe.
 *
 * @category type-level
 * @since 0.1.0
 */
export type UploadRepeat<Rep extends Idempotency.Kind, B extends BodyKind> = B extends "once" ? "AtMostOnce" : Rep

/**
 * Options of `HttpOperation.upload`.
 *
 * @category models
 * @since 0.1.0
 */
export type UploadOptions<
  B extends BodyKind,
  In,
  A,
  D,
  Needs,
  Rep extends Idempotency.Kind,
  Says,
  C,
  A2,
  RI,
  RX,
  M extends Idempotency.Kind,
  NX extends Exhaustion.Needs,
  Pol,
  L
> = {
  /** Whether its bodies can be made again: `Upload.replayable(() => stream)`, or not: `Upload.once(stream)`. */
  readonly body: B
} & (Needs extends true
  ? B extends "once"
    ? {
        /** What tells the provider that two calls are one, such as a key. This body is sent once whatever it says. */
        readonly idempotency?: Idempotency.Idempotency<In, A, RI, M>
      }
    : {
        /** How a repeat is made safe. A POST or PATCH must say it. */
        readonly idempotency: Idempotency.Idempotency<In, A, RI, M>
      }
  : {
      /** How a repeat is made safe, where the method does not say it all. */
      readonly idempotency?: Idempotency.Idempotency<In, A, RI, M>
    }) &
  Operation.Translation<D, C, In> &
  Operation.UploadDecisions<In, A2, RX, NX, UploadRepeat<Rep, B>, Pol, L, B> &
  (Says extends string ? { readonly success: Operation.Unvalidated } : { readonly success?: undefined }) & {
    /** What an answer of any status means, for a provider that reports errors with 200. Goes before the integration's. */
    readonly classify?: Classify | undefined
    /** What an answer other than 2xx means, where its status does not say it. Goes before the integration's. */
    readonly classifyErrors?: Classify | undefined
    /** The largest answer that is read, in bytes. It does not limit what is sent. Default: 5 MiB. */
    readonly maxBodySize?: number | undefined
  }
