// What the types of an operation refuse, and what they say. `Operation` gives them to users.
import type { Pipeable } from "effect/Pipeable"
import type * as Exhaustion from "../Exhaustion.ts"
import type { NoLeak, NoLeaks, OrElseShape, Tagged } from "./leak.ts"
import type * as P from "./policy.ts"

/**
 * A decision that an operation may leave to its integration.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision = "policy" | "exhausted" | "orElse"

type Sentence<Missing> = "attemptTimeout" extends Missing
  ? "the policy has no attempt timeout: start from Policy.standard(), or add Policy.attemptTimeout(duration)"
  : "totalDeadline" extends Missing
    ? "the policy has no total deadline: start from Policy.standard(), or add Policy.totalDeadline(duration)"
    : "the policy does not decide about retries: add Policy.retry(schedule) or Policy.retryNever(reason)"

/**
 * `unknown` if a policy makes every decision and fits the operation, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type PolicyFits<Pol, M> =
  Pol extends P.Policy<infer X, infer N>
    ? [Exclude<P.Provides, X>] extends [never]
      ? "safe" extends N
        ? [M] extends ["Safe"]
          ? unknown
          : "this policy sends twice at once, or shares or keeps answers: only a safe operation can have it"
        : unknown
      : Sentence<Exclude<P.Provides, X>>
    : unknown

/**
 * `unknown` if a decision for exhausted retries fits the operation, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type ExhaustionFits<N, M, In> = "safe" extends N
  ? [M] extends ["Safe"]
    ? unknown
    : "this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened"
  : "storable" extends N
    ? "AtMostOnce" extends M
      ? "a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail"
      : "Inherent" extends M
        ? "sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })"
        : Storable<In>
    : "bounded" extends N
      ? "AtMostOnce" extends M
        ? "a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail"
        : Storable<In>
      : unknown

/**
 * `unknown` if a policy fits an operation whose answer is a stream and makes every decision, else the sentence
 * that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type StreamPolicyFits<Pol> =
  Pol extends P.Policy<infer X, infer N>
    ? [Exclude<P.Provides, X>] extends [never]
      ? "safe" extends N
        ? "this policy hedges, or shares or keeps answers: a stream can't have it, its elements are handed over once"
        : unknown
      : Sentence<Exclude<P.Provides, X>>
    : unknown

/**
 * `unknown` if a decision for exhausted retries fits an operation whose answer is a stream, else the sentence that refuses
 * it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type StreamExhaustionFits<A2> = [A2] extends [never]
  ? unknown
  : "a stream can't be replaced or parked when its retries are spent: use Exhaustion.fail, and Stream.catch at the call"

/**
 * `unknown` if a policy fits an operation whose body is a stream and makes every decision, else the sentence that refuses
 * it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type UploadPolicyFits<Pol, B> =
  Pol extends P.Policy<infer X, infer N>
    ? [Exclude<P.Provides, X>] extends [never]
      ? "safe" extends N
        ? "this policy hedges, or shares or keeps answers: an upload can't have it"
        : B extends "once"
          ? "once" extends X
            ? unknown
            : "this body can be sent once only: use Policy.retryNever(reason)"
          : unknown
      : Sentence<Exclude<P.Provides, X>>
    : unknown

/**
 * The decisions of an operation whose body is a stream: each may be left to the integration.
 *
 * @category models
 * @since 0.1.0
 */
export interface UploadDecisions<In, A2, RX, NX extends Exhaustion.Needs, M, Pol, L, B> {
  /** The call-shaped layers. The attempt timeout covers the whole upload. */
  readonly policy?: Pol & P.Any & UploadPolicyFits<Pol, B>
  /** What becomes of the call when the policy has done all it could. */
  readonly exhausted?: Exhaustion.Exhaustion<In, A2, RX, NX> & ExhaustionFits<NX, M, In>
  /** The application's error for every failure that is not declared. It gets the call's input too. */
  readonly orElse?: L & OrElseShape<In> & NoLeak<L>
}

/**
 * `unknown` if a repeat of an operation whose answer is a stream can be made safe this way, else the sentence that refuses
 * it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type StreamIdempotencyFits<Found> = [Found] extends [never]
  ? unknown
  : "what a look finds is no stream: use Idempotency.keyed, or Idempotency.atMostOnce"

/**
 * The decisions of an operation whose answer is a stream: each may be left to the integration.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamDecisions<In, A2, NX extends Exhaustion.Needs, Pol, L> {
  /**
   * The call-shaped layers. Its limits on time hold until the stream flows: the attempt timeout to the first byte, the
   * total deadline to the first element.
   */
  readonly policy?: Pol & P.Any & StreamPolicyFits<Pol>
  /** What becomes of the call when the policy has done all it could: it fails. */
  readonly exhausted?: Exhaustion.Exhaustion<In, A2, never, NX> & StreamExhaustionFits<A2>
  /** The application's error for every failure that is not declared, a cut in the middle included. */
  readonly orElse?: L & OrElseShape<In> & NoLeak<L>
}

/** Values that have methods, and codecs: Effect's own data types are `Pipeable`. */
type Scalar = string | number | boolean | bigint | Date | Uint8Array | Pipeable

/** What no codec writes down. */
type Unwritable = FormData | ReadableStream | ((...args: never) => unknown) | symbol | Unreadable
/** The body of an upload: it is read while it is sent. */
interface Unreadable {
  readonly "~breakwater/Upload": unknown
}

/**
 * `unknown` if an input can be stored, else the sentence that refuses it. It looks at the parts of an HTTP request, and at
 * their fields.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Storable<In> = [In] extends [void | Scalar]
  ? unknown
  : unknown extends In
    ? NoCodec
    : true extends Written<In> | { [K in keyof In]: Written<In[K]> | Fields<In[K]> }[keyof In]
      ? NoCodec
      : unknown
type NoCodec =
  "this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions"
type Written<V> = 0 extends 1 & V
  ? true
  : unknown extends V
    ? true
    : Extract<V, Unwritable> extends never
      ? false
      : true
type Fields<V> = V extends Scalar
  ? false
  : V extends object
    ? { [K in keyof V]: Extract<V[K], FormData | ReadableStream> extends never ? false : true }[keyof V]
    : false

/**
 * A case for every declared error. It gets the call's input too, so that an error can name what it is about.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Cases<D, In> = {
  readonly [T in Extract<D, Tagged>["_tag"]]: (error: Extract<D, { readonly _tag: T }>, input: In) => unknown
}

/**
 * What the cases of `translate` return.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Translated<C> = [
  { [K in keyof C]: C[K] extends (...args: never) => infer X ? X : never }[keyof C]
] extends [infer E] // So that a hover shows the errors themselves.
  ? E
  : never

/**
 * The decisions that an options object leaves open.
 *
 * @category type-level
 * @since 0.1.0
 */
export type OpenOf<Pol, NX, L> = [
  | (unknown extends Pol ? "policy" : never)
  | ([NX] extends [never] ? "exhausted" : never)
  | (unknown extends L ? "orElse" : never)
] extends [infer Left extends Decision]
  ? Left
  : never

/**
 * The decisions of an operation: each may be left to the integration.
 *
 * @category type-level
 * @since 0.1.0
 */
export interface Decisions<In, A2, RX, NX extends Exhaustion.Needs, M, Pol, L> {
  /** The call-shaped layers. */
  readonly policy?: Pol & P.Any & PolicyFits<Pol, M>
  /** What becomes of the call when the policy has done all it could. */
  readonly exhausted?: Exhaustion.Exhaustion<In, A2, RX, NX> & ExhaustionFits<NX, M, In>
  /**
   * The application's error for every failure that is not declared. It gets the call's input too, as the caller gave it:
   * after `InvalidInput` it is not valid.
   */
  readonly orElse?: L & OrElseShape<In> & NoLeak<L>
}

/**
 * The translation of declared errors: required as soon as there are any. An `any` declares none.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Translation<D, C, In> = [Extract<D, Tagged>] extends [never]
  ? { readonly translate?: C }
  : 0 extends 1 & D
    ? { readonly translate?: C & NoLeaks<C> }
    : { readonly translate: C & Cases<D, In> & NoLeaks<C> }
