/**
 * One named call to a service that you do not own: its input, its success, the errors that its contract declares, how a
 * repeat is made safe, and its decisions. A value: nothing runs until an integration's layer is built.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import { pipeArguments, type Pipeable } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Call } from "./Call.ts"
import type { CallFailure } from "./CallFailure.ts"
import type * as Exhaustion from "./Exhaustion.ts"
import type * as Idempotency from "./Idempotency.ts"
import type { Definition } from "./internal/definition.ts"
import { openEffect } from "./internal/effectTransport.ts"
import type * as P from "./internal/policy.ts"
import type { Cases, Decision, Decisions, OpenOf, Translated, Translation } from "./internal/fits.ts"
import type { OrElse, Tagged } from "./internal/leak.ts"
import type * as Reason from "./Reason.ts"

export type {
  Cases,
  Decision,
  Decisions,
  ExhaustionFits,
  OpenOf,
  PolicyFits,
  Storable,
  StreamDecisions,
  StreamExhaustionFits,
  StreamIdempotencyFits,
  StreamPolicyFits,
  Translated,
  Translation,
  UploadDecisions,
  UploadPolicyFits
} from "./internal/fits.ts"
export type { Leak, NoLeak, NoLeaks, OrElse, OrElseShape, Tagged } from "./internal/leak.ts"

const TypeId = "~breakwater/Operation"

/**
 * One operation. `Open` are the decisions that it leaves to its integration's defaults.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation<
  in In,
  out A,
  out E,
  out R,
  out M extends Idempotency.Kind,
  out Open extends Decision
> extends Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly definition: Definition
  readonly "~in": (_: In) => void
  readonly "~a": () => A
  readonly "~e": () => E
  readonly "~r": () => R
  readonly "~m": () => M
  readonly "~open": () => Open
}

/**
 * The mark of an operation whose answer is a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Streams {
  readonly "~streams": true
}

/**
 * An operation whose answer is a stream of `A`: its client method returns an Effect `Stream`, of which every run is a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Streaming<in In, out A, out E, out R, out M extends Idempotency.Kind, out Open extends Decision>
  extends Operation<In, A, E, R, M, Open>, Streams {}

/**
 * The mark of an operation whose body is a stream, and whether that can be made again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Uploads<out B extends "once" | "replayable"> {
  readonly "~uploads": B
}

/**
 * An operation whose body is a stream. One whose body can be sent once only is `AtMostOnce`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Uploading<
  in In,
  out A,
  out E,
  out R,
  out M extends Idempotency.Kind,
  out Open extends Decision,
  out B extends "once" | "replayable"
>
  extends Operation<In, A, E, R, M, Open>, Uploads<B> {}

/**
 * An operation of which nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Operation<never, unknown, unknown, unknown, Idempotency.Kind, Decision>

/**
 * Returns whether a value is an `Operation`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOperation = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/**
 * Creates an operation from its definition. For adapters of other protocols.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDefinition = (definition: Definition): Any => Object.assign(Object.create(Proto), { definition })

// ---- answers that are not validated

const UnvalidatedTypeId = "~breakwater/Operation/Unvalidated"

/**
 * The written-down choice not to validate an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unvalidated {
  readonly [UnvalidatedTypeId]: typeof UnvalidatedTypeId
  readonly reason: string
}

/**
 * Takes an answer as it is, of type `unknown`, and says why nobody checks it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unvalidated = (reason: string): Unvalidated => ({ [UnvalidatedTypeId]: UnvalidatedTypeId, reason })

/**
 * Returns whether a success is not validated.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUnvalidated = (u: unknown): u is Unvalidated => Predicate.hasProperty(u, UnvalidatedTypeId)

/**
 * `unknown` if a success schema says something about the answer, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type SaysSomething<A> = 0 extends 1 & A
  ? "this success accepts anything: describe the answer, or write Operation.unvalidated(reason)"
  : unknown extends A
    ? "this success accepts anything: describe the answer, or write Operation.unvalidated(reason)"
    : unknown

type SuccessOf<S> = S extends Unvalidated ? unknown : S extends Schema.Constraint ? S["Type"] : never
type SuccessFits<S> = S extends Unvalidated ? unknown : SaysSomething<SuccessOf<S>>
/** What the schemas of an operation need when its layer is built. */
type SchemaServices<I, S> =
  | ([I] extends [Schema.Constraint] ? I["EncodingServices"] : never)
  | (S extends Unvalidated ? never : S extends Schema.Constraint ? S["DecodingServices"] : never)
type InputOf<S> = [S] extends [Schema.Constraint] ? S["Type"] : void
type ErrorServices<X> = [X] extends [Schema.Constraint] ? X["DecodingServices"] | X["EncodingServices"] : never

/**
 * `unknown` if a schema has all declared errors of an effect, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type ErrorsFit<E0, X> = [X] extends [Schema.Constraint]
  ? [Extract<E0, Tagged>] extends [X["Type"]]
    ? unknown
    : "this schema leaves out a declared error of `send`: make it a union of all that `translate` has a case for"
  : unknown

// ---- operations over any effect

/**
 * What `send` may need to know about the attempt that it carries out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sending extends Call {
  /** Aborted when the attempt is cut or given up. */
  readonly signal: AbortSignal
}

/**
 * Options of `query`.
 *
 * @category models
 * @since 0.1.0
 */
export type QueryOptions<I, S, E0, R0, C, A2, RX, NX extends Exhaustion.Needs, M, Pol, L, X = undefined> = {
  /** Validated before anything is sent. */
  readonly input?: I
  /** What the answer must look like. */
  readonly success: S & SuccessFits<S>
  /** Sends once. It must not retry by itself. */
  readonly send: (input: InputOf<I>, call: Call) => Effect.Effect<unknown, E0, R0>
  /** What an error of `send` means. Without a verdict it is `Failed`: it may have happened, and is not repeated. */
  readonly classify?: ((error: E0) => Reason.Verdict | undefined) | undefined
  /**
   * What an answer means that is an error all the same, for an SDK that succeeds with `{ data, error }`. An answer without
   * a verdict goes on to `success`; one that does not match it is then `Unknown`: it may have been an error.
   */
  readonly classifyAnswer?: ((answer: unknown) => Reason.Verdict | Reason.Answered | undefined) | undefined
  /**
   * The schema of the declared errors of `send`, all that have a case in `translate`. Required where calls may be stored
   * (`Outbox.writeAhead`, `Exhaustion.park`): what a call failed with is kept until a handler was told, which may be by
   * another process, and the layer fails without it. Elsewhere it is not used.
   */
  readonly error?: X & ErrorsFit<E0, X>
  // `Translation` asks for it, but is not known before `E0` is: the parameters of the cases get their types from here.
  readonly translate?: Cases<E0, InputOf<I>>
} & Translation<E0, C, InputOf<I>> &
  Decisions<InputOf<I>, A2, RX, NX, M, Pol, L>

/**
 * A call that changes nothing at the provider, over any effect.
 *
 * @category constructors
 * @since 0.1.0
 */
export const query = <
  S,
  E0,
  R0,
  I = undefined,
  C = {},
  A2 = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown,
  X = undefined
>(
  name: string,
  options: QueryOptions<I, S, E0, R0, C, A2, RX, NX, "Safe", Pol, L, X>
): Operation<
  InputOf<I>,
  SuccessOf<S> | A2,
  Translated<C> | OrElse<L>,
  R0 | RX | SchemaServices<I, S> | ErrorServices<X>,
  "Safe",
  OpenOf<Pol, NX, L>
> =>
  fromDefinition(
    define(name, options as never, { repeat: "Safe", strategy: { _tag: "Safe", reason: "a query" } }, "effect")
  ) as never

/**
 * A call that may change something at the provider, over any effect.
 *
 * **Details**
 *
 * `idempotency` says how a repeat is made safe. `send` receives the key, so that it can hand it to the provider.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mutation = <
  S,
  E0,
  R0,
  RI,
  M extends Idempotency.Kind,
  I = undefined,
  C = {},
  A2 = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown,
  X = undefined
>(
  name: string,
  options: {
    /** How a repeat is made safe. */
    readonly idempotency: Idempotency.Idempotency<InputOf<I>, SuccessOf<S>, RI, M>
  } & QueryOptions<I, S, E0, R0, C, A2, RX, NX, M, Pol, L, X>
): Operation<
  InputOf<I>,
  SuccessOf<S> | A2,
  Translated<C> | OrElse<L>,
  R0 | RI | RX | SchemaServices<I, S> | ErrorServices<X>,
  M,
  OpenOf<Pol, NX, L>
> =>
  fromDefinition(
    define(name, options as never, (options as { idempotency: Idempotency.Any }).idempotency, "effect")
  ) as never

/**
 * A call through an SDK that returns promises.
 *
 * **Details**
 *
 * `call` receives the key, the attempt's number, the deadline and an abort signal: pass the signal to the SDK. Set the
 * SDK's own retries to 0, or attempts multiply out of sight of the deadline and the history.
 *
 * `client` names the service that holds the SDK's client: it is looked up when the layer is built, and `call` gets it as
 * its third argument. So credentials come from the configuration, and a test points the SDK elsewhere.
 *
 * **Example** (An SDK whose client is a service)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
 * import { Context, Data, Effect, Layer, Schema } from "effect"
 *
 * interface Mailer {
 *   readonly send: (to: string, options: { readonly idempotencyKey: string | undefined }) => Promise<unknown>
 * }
 * class MailerSdk extends Context.Service<MailerSdk, Mailer>()("shop/MailerSdk") {}
 * class MailDown extends Data.TaggedError("MailDown") {}
 *
 * class Mail extends Integration.Service<Mail>()(
 *   "shop/Mail",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new MailDown() },
 *   {
 *     welcome: Operation.fromPromise("welcome", {
 *       input: Schema.String,
 *       success: Schema.Struct({ id: Schema.String }),
 *       idempotency: Idempotency.keyed((to: string) => IdempotencyKey.derive("welcome", to), { lifetime: "1 day" }),
 *       client: MailerSdk,
 *       call: (to, { key }, mailer) => mailer.send(to, { idempotencyKey: key })
 *     })
 *   }
 * ) {}
 *
 * const MailLive = Integration.layer(Mail).pipe(
 *   Layer.provide(Layer.succeed(MailerSdk, { send: (to) => Promise.resolve({ id: `for ${to}` }) }))
 * )
 * const program = Effect.flatMap(Mail, (mail) => mail.welcome("ada@example.com"))
 *
 * await Effect.runPromise(Effect.provide(program, MailLive)) // => { id: "for ada@example.com" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPromise = <
  S,
  RI,
  M extends Idempotency.Kind,
  I = undefined,
  A2 = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  Pol = unknown,
  L = unknown,
  RC = never,
  Sdk = undefined
>(
  name: string,
  options: {
    /** How a repeat is made safe: `Idempotency.readOnly(reason)` for a call that changes nothing. */
    readonly idempotency: Idempotency.Idempotency<InputOf<I>, SuccessOf<S>, RI, M>
    readonly input?: I
    readonly success: S & SuccessFits<S>
    /** The service that holds the SDK's client, the third argument of `call`. */
    readonly client?: Context.Key<RC, Sdk> | undefined
    readonly call: (input: InputOf<I>, call: Sending, client: Sdk) => PromiseLike<unknown>
    /** What a rejection means. Without a verdict it is `Failed`: it may have happened, and is not repeated. */
    readonly classify?: ((error: unknown) => Reason.Verdict | undefined) | undefined
    /**
     * What an answer means that is an error all the same, for an SDK that resolves with `{ data, error }`. An answer
     * without a verdict goes on to `success`; one that does not match it is then `Unknown`: it may have been an error.
     */
    readonly classifyAnswer?: ((answer: unknown) => Reason.Verdict | Reason.Answered | undefined) | undefined
  } & Decisions<InputOf<I>, A2, RX, NX, M, Pol, L>
): Operation<InputOf<I>, SuccessOf<S> | A2, OrElse<L>, RI | RX | RC | SchemaServices<I, S>, M, OpenOf<Pol, NX, L>> =>
  fromDefinition(
    define(name, options as never, (options as { idempotency: Idempotency.Any }).idempotency, "promise")
  ) as never

const define = (
  name: string,
  options: {
    readonly policy?: P.Any
    readonly exhausted?: Exhaustion.Any
    readonly orElse?: (failure: CallFailure, input: never) => unknown
    readonly translate?: Readonly<Record<string, (error: never, input: never) => unknown>>
    readonly input?: Schema.Constraint
    readonly success: Schema.Constraint | Unvalidated
    readonly error?: Schema.Constraint
    readonly send?: (input: unknown, call: Call) => Effect.Effect<unknown, unknown, unknown>
    readonly client?: Context.Key<unknown, unknown>
    readonly call?: (input: unknown, call: Sending, client: unknown) => PromiseLike<unknown>
    readonly classify?: (error: unknown) => Reason.Verdict | undefined
    readonly classifyAnswer?: (answer: unknown) => Reason.Verdict | Reason.Answered | undefined
  },
  idempotency: { readonly repeat: Idempotency.Repeat; readonly strategy: Idempotency.Strategy },
  transport: "effect" | "promise"
): Definition => ({
  name,
  repeat: idempotency.repeat,
  strategy: idempotency.strategy,
  policy: options.policy,
  exhausted: options.exhausted,
  orElse: options.orElse,
  translate: options.translate,
  about: { transport, attemptName: name, http: undefined },
  problems:
    idempotency.strategy._tag === "Conditional" && idempotency.strategy.sends.header !== undefined
      ? [
          `${idempotency.strategy.sends.header} is a header of HTTP: pass the version to \`send\` yourself, and say Idempotency.versioned(reason)`
        ]
      : [],
  open: openEffect({
    input: options.input,
    success: isUnvalidated(options.success) ? undefined : options.success,
    error: options.error,
    send: options.send,
    client: options.client,
    call: options.call,
    classify: options.classify,
    classifyAnswer: options.classifyAnswer
  })
})
