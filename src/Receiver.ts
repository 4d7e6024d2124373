/**
 * The receiving side: a handler that runs once per key, however often its message, request or job arrives.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as IdempotencyKey from "./IdempotencyKey.ts"
import { IdempotencyStore, type OnLostLease, type StoreError, TransactionalStore } from "./IdempotencyStore.ts"
import { fingerprintOf } from "./internal/fingerprint.ts"
import * as receive from "./internal/receive.ts"
import { Running } from "./internal/running.ts"

export { Running } from "./internal/running.ts"

// ---- modes

/**
 * The claim, what the handler writes and its record are one transaction of the application's database.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transactional {
  readonly _tag: "Transactional"
  readonly lockTimeout: Duration.Duration
}

/**
 * The claim commits first, and the handler runs under a lease.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leased {
  readonly _tag: "Leased"
  readonly lease: Duration.Duration
  readonly maxRun: Duration.Duration
  readonly onLostLease: OnLostLease
}

/**
 * How a handler is kept from running twice. There is no default: the two fail in different ways.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = Transactional | Leased

/**
 * Claim, business writes and completion in one transaction: a crash anywhere leaves nothing behind, and the next arrival
 * runs as if it were the first. The only mode in which a failed handler can always be repeated.
 *
 * **When to use**
 *
 * Use where all that the handler does is to write into the database of a `TransactionalStore`. It must not call another
 * service: a rollback can't undo a call. A handler that needs an integration does not compile; write to an outbox, or use
 * `leased`.
 *
 * **Details**
 *
 * A duplicate that arrives meanwhile waits for the transaction, `lockTimeout` at most (default: 5 seconds), and then fails
 * as `InProgress`. On SQLite transactions take turns: one handler runs at a time.
 *
 * @category modes
 * @since 0.1.0
 */
export const transactional = (options?: { readonly lockTimeout?: Duration.Input | undefined }): Transactional => ({
  _tag: "Transactional",
  lockTimeout: Duration.fromInputUnsafe(options?.lockTimeout ?? "5 seconds")
})

/**
 * The claim commits first; the handler runs under a lease that is renewed while its process lives.
 *
 * **When to use**
 *
 * Use where the handler calls other services. Say with `onLostLease` what becomes of a claim whose process died halfway:
 *
 * - `"rerun"`: run again from the start. Right only if every effect of the handler has a key of its own: derive those keys
 *   with `childKey`.
 * - `"resume"`: run again, but skip the steps that were saved with `step`.
 * - `"hold"`: don't run again; arrivals fail as `OutcomeUnknown` until a person has resolved the record.
 *
 * **Details**
 *
 * `lease` (default: 30 seconds) is how long after a crash the next arrival has to wait. `maxRun` (default: 10 minutes)
 * cuts a handler that hangs: without it a lease would be renewed for ever.
 *
 * @category modes
 * @since 0.1.0
 */
export const leased = (options: {
  readonly onLostLease: OnLostLease
  readonly lease?: Duration.Input | undefined
  readonly maxRun?: Duration.Input | undefined
}): Leased => ({
  _tag: "Leased",
  lease: Duration.fromInputUnsafe(options.lease ?? "30 seconds"),
  maxRun: Duration.fromInputUnsafe(options.maxRun ?? "10 minutes"),
  onLostLease: options.onLostLease
})

// ---- errors

/**
 * Why a receiver did not run the handler, or has no answer of it.
 *
 * | reason              | what is known                                   | what to do with the message              |
 * |---------------------|-------------------------------------------------|------------------------------------------|
 * | `InProgress`        | another arrival is at work                      | deliver it again, after `retryAfter`      |
 * | `KeyReused`         | the key was used with another input             | reject it: its sender has a bug           |
 * | `OutcomeUnknown`    | an earlier run may have happened                | park it until the record was resolved     |
 * | `ResponseNotStored` | it was done before; its answer was not kept     | acknowledge it                            |
 * | `InvalidKey`        | no key, or none that can be one                 | reject it                                 |
 * | `InvalidInput`      | the input does not match its schema             | reject it                                 |
 * | `LeaseLost`         | this run was cut: another may be at work        | deliver it again                          |
 * | `StoreUnavailable`  | the store failed; nothing ran                   | deliver it again, after `retryAfter`      |
 *
 * @category errors
 * @since 0.1.0
 */
export type ReceiverReason =
  | "InProgress"
  | "KeyReused"
  | "OutcomeUnknown"
  | "ResponseNotStored"
  | "InvalidKey"
  | "InvalidInput"
  | "LeaseLost"
  | "StoreUnavailable"

const next: { readonly [K in ReceiverReason]: readonly [what: string, todo: string] } = {
  InProgress: ["another arrival of this key is at work", "deliver it again later"],
  KeyReused: ["the key was used before with another input", "reject it; its sender has a bug"],
  OutcomeUnknown: ["an earlier run may have happened", "resolve the held record, then deliver it again"],
  ResponseNotStored: ["it was done before, and its answer was not kept", "acknowledge it"],
  InvalidKey: ["the key is none: 1 to 255 visible ASCII characters are", "reject it"],
  InvalidInput: ["the input does not match its schema", "reject it"],
  LeaseLost: ["this run lost its lease and was cut", "deliver it again"],
  StoreUnavailable: ["the idempotency store failed, so nothing was run", "deliver it again later"]
}

/**
 * The handler did not run for this arrival, or its answer is not there.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReceiverError extends Data.TaggedError("ReceiverError")<{
  readonly reason: ReceiverReason
  readonly scope: string
  readonly key: string
  readonly retryAfter: Duration.Duration | undefined
  readonly cause: StoreError | undefined
}> {
  override get message(): string {
    const [what, todo] = next[this.reason]
    const when = this.retryAfter === undefined ? "" : ` (in ${Duration.format(this.retryAfter)})`
    return `${this.scope} ${this.key}: ${what}; ${todo}${when}`
  }
}

// ---- once

type Codec<T> = Schema.Codec<T, unknown, never, never>

/**
 * The services of a handler that reach another party: no rollback undoes what they did.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Calls<R> = R extends { readonly "~breakwater/Integration": infer Id extends string } ? Id : never

/**
 * `unknown` for a handler that fits its mode, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type HandlerFits<M, R> = M extends Transactional
  ? [Calls<R>] extends [never]
    ? unknown
    : `a rollback can't undo a call to ${Calls<R>}: write it ahead through Outbox.queue, or use Receiver.leased`
  : unknown

/**
 * Options of `once`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<M extends Mode, In, A, E0> {
  /** What is done, as the first part of the record's scope. Renaming it forgets what was done. */
  readonly name: string
  readonly mode: M
  /** The message's own id, or a key derived from its business identity. */
  readonly key: (input: In) => string | IdempotencyKey.IdempotencyKey
  /** The tenant or principal for whom it is done. Keys of one never meet those of another. Default: all share one. */
  readonly scope?: ((input: In) => string) | undefined
  /** What arrives. Its encoded form is compared: a key that comes again with another input is a bug. */
  readonly input: Codec<In>
  /** What the handler succeeds with, as it is stored. */
  readonly success: Codec<A>
  /**
   * The failures that are an answer: they are stored, and the handler does not run again for this key. Any other failure,
   * and a defect, is not stored: see the modes.
   */
  readonly error?: Codec<E0> | undefined
  /** Failures after which certainly nothing has happened: the key is free again. */
  readonly nothingHappened?: ((error: unknown) => boolean) | undefined
  /** How long a finished record is kept. Longer than its sender goes on repeating. Default: 7 days. */
  readonly timeToLive?: Duration.Input | undefined
  /** How long an arrival waits for another that is at work. Default: not at all. */
  readonly wait?: Duration.Input | undefined
  /** The largest answer that is stored, in characters; one that is larger is done, but not kept. Default: 256 Ki. */
  readonly maxStored?: number | undefined
}

/**
 * The store that a mode needs.
 *
 * @category type-level
 * @since 0.1.0
 */
export type StoreOf<M> = M extends Transactional ? TransactionalStore : IdempotencyStore

/**
 * Makes a handler that runs once per key.
 *
 * **Details**
 *
 * The first arrival of a key runs the handler and stores how it ended; every later one gets the stored answer. While the
 * first is at work, others wait or fail as `InProgress`. A store that fails before the handler ran fails the arrival:
 * nothing runs unprotected. One that fails afterwards does not turn a success into an error.
 *
 * **Example** (A message that arrives twice)
 *
 * ```ts
 * import { IdempotencyStoreMemory, Receiver } from "breakwater"
 * import { Effect, Schema } from "effect"
 *
 * let mails = 0
 * const welcome = Receiver.once({
 *   name: "welcome",
 *   mode: Receiver.leased({ onLostLease: "hold" }),
 *   input: Schema.Struct({ id: Schema.String, to: Schema.String }),
 *   key: ({ id }) => id,
 *   success: Schema.String
 * })(({ to }) => Effect.sync(() => `mail ${++mails} to ${to}`))
 *
 * const message = { id: "m-1", to: "a@shop.test" }
 * const program = Effect.all([welcome(message), welcome(message)])
 *
 * await Effect.runPromise(Effect.provide(program, IdempotencyStoreMemory.layer)) // => ["mail 1 to a@shop.test", "mail 1 to a@shop.test"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const once =
  <M extends Mode, In, A, E0 = never>(options: Options<M, In, A, E0>) =>
  <E, R>(
    handler: ((input: In) => Effect.Effect<A, E, R>) & HandlerFits<M, R>
  ): ((input: In) => Effect.Effect<A, E | E0 | ReceiverError, Exclude<R, Running> | StoreOf<M>>) => {
    const timeToLive = Duration.fromInputUnsafe(options.timeToLive ?? "7 days")
    const wait = Duration.fromInputUnsafe(options.wait ?? 0)
    const encodeInput = Schema.encodeEffect(options.input)
    const codec = resultCodec(options.success, options.error ?? Schema.Never)
    const max = options.maxStored ?? 256 * 1024
    const mode: Mode = options.mode

    const judge = (exit: Exit.Exit<A, E>): Effect.Effect<receive.Verdict> => {
      if (Exit.isSuccess(exit)) return Effect.orDie(Effect.map(codec.success(exit.value), kept(max)))
      const error = exit.cause.reasons.find(Cause.isFailReason)?.error
      if (error === undefined || exit.cause.reasons.some(Cause.isDieReason)) return inDoubt
      if (options.nothingHappened?.(error) === true) return Effect.succeed({ _tag: "Nothing" })
      return options.error === undefined
        ? inDoubt
        : Effect.matchEffect(codec.error(error), {
            onFailure: () => inDoubt,
            onSuccess: (text) => Effect.succeed(kept(max)(text))
          })
    }

    return (input) => {
      const key = options.key(input)
      const text = typeof key === "string" ? key : IdempotencyKey.toText(key)
      const address = { scope: scopeOf(options.name, options.scope?.(input)), key: text }
      const fail = (
        reason: ReceiverReason,
        more?: { readonly retryAfter?: Duration.Duration; readonly cause?: StoreError }
      ) => Effect.fail(new ReceiverError({ reason, ...address, retryAfter: more?.retryAfter, cause: more?.cause }))
      if (!/^[\x21-\x7e]{1,255}$/.test(text)) return fail("InvalidKey")
      const received = Effect.flatMap(encodeInput(input), (encoded) => {
        const work = {
          address,
          fingerprint: fingerprintOf(encoded),
          handler: Effect.suspend(() => handler(input)),
          judge
        }
        const settings = { timeToLive, wait }
        return (
          mode._tag === "Leased"
            ? Effect.flatMap(IdempotencyStore, (store) => receive.leased(store, { ...mode, ...settings }, work))
            : Effect.flatMap(TransactionalStore, (store) =>
                receive.transactional(store, { ...mode, ...settings }, work)
              )
        ) as Effect.Effect<receive.Received<A, E>>
      }).pipe(Effect.catchTag("SchemaError", () => fail("InvalidInput")))
      return Effect.flatMap(received, (ended): Effect.Effect<A, E | E0 | ReceiverError> => {
        switch (ended._tag) {
          case "Ran":
            return Exit.isFailure(ended.exit) && !ended.recorded && Cause.hasInterruptsOnly(ended.exit.cause)
              ? fail("LeaseLost")
              : ended.exit
          case "Replay":
            return ended.result === undefined
              ? fail("ResponseNotStored")
              : // What this version can't read was done all the same.
                Effect.flatten(Effect.catch(codec.decode(ended.result), () => fail("ResponseNotStored")))
          case "InFlight":
            return fail("InProgress", { retryAfter: ended.retryAfter })
          case "Mismatch":
            return fail("KeyReused")
          case "Held":
            return fail("OutcomeUnknown")
          case "StoreFailed":
            return fail("StoreUnavailable", { retryAfter: Duration.seconds(1), cause: ended.error })
        }
      }) as never
    }
  }

/** The scope of a record: what is done, and for whom. No name and principal together look like another name. */
const scopeOf = (name: string, principal: string | undefined): string => {
  const first = name.replace(/[%|]/g, encodeURIComponent)
  return principal === undefined ? first : `${first}|${principal}`
}

const inDoubt: Effect.Effect<receive.Verdict> = Effect.succeed({ _tag: "InDoubt" })

const kept =
  (max: number) =>
  (text: string): receive.Verdict => ({ _tag: "Keep", result: text.length > max ? undefined : text })

const resultCodec = <A, E>(success: Codec<A>, error: Codec<E>) => {
  const ok = Schema.fromJsonString(Schema.Struct({ ok: Schema.toCodecJson(success) }))
  const failed = Schema.fromJsonString(Schema.Struct({ failed: Schema.toCodecJson(error) }))
  const either = Schema.decodeUnknownEffect(Schema.Union([ok, failed]))
  const encodeOk = Schema.encodeUnknownEffect(ok)
  const encodeFailed = Schema.encodeUnknownEffect(failed)
  return {
    success: (value: A) => encodeOk({ ok: value }),
    error: (value: unknown) => encodeFailed({ failed: value }),
    decode: (text: string) =>
      Effect.map(either(text), (found): Exit.Exit<A, E> =>
        "ok" in found ? Exit.succeed(found.ok as A) : Exit.fail(found.failed as E)
      )
  }
}

// ---- inside a handler

/**
 * A step that is carried out once per key, even if the handler runs again with `onLostLease: "resume"`: a saved step
 * answers with what it answered then.
 *
 * **Details**
 *
 * A crash between the step and its saving repeats it: give it a key of its own with `childKey`. Names are unique within
 * a handler. In a transaction, and with another `onLostLease`, a step just runs.
 *
 * @category steps
 * @since 0.1.0
 */
export const step =
  <A>(name: string, schema: Codec<A>) =>
  <E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R | Running> => {
    const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
    return Effect.flatMap(Running, (running) => {
      const saved = running.steps.get(name)
      if (saved !== undefined) return Effect.orDie(Schema.decodeEffect(codec)(saved)) as Effect.Effect<A>
      return Effect.tap(self, (value) =>
        Effect.flatMap(Effect.orDie(Schema.encodeEffect(codec)(value)), (data) => running.save({ name, data }))
      )
    })
  }

/**
 * A key for a call that a handler makes, derived from the handler's own: the same in every run for this message, and
 * another for every step.
 *
 * @category steps
 * @since 0.1.0
 */
export const childKey = (step: string): Effect.Effect<IdempotencyKey.IdempotencyKey, never, Running> =>
  Effect.map(Running, ({ address }) => IdempotencyKey.derive(step, address.scope, address.key))
