/**
 * A job as one operation of an integration.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { CallFailure } from "./CallFailure.ts"
import * as Deadline from "./Deadline.ts"
import type * as Exhaustion from "./Exhaustion.ts"
import type * as Idempotency from "./Idempotency.ts"
import type { CallRecord } from "./internal/call.ts"
import { Judged, openEffect } from "./internal/effectTransport.ts"
import { endOf, type Ended, follow, hintOf, jobOf, type Polling, refOf, TypeId } from "./internal/polling.ts"
import type * as P from "./internal/policy.ts"
import * as Operation from "./Operation.ts"
import * as Policy from "./Policy.ts"
import { type Job, PollingError } from "./PollingError.ts"
import type * as Reason from "./Reason.ts"

/**
 * `unknown` if a start can be repeated, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Resumable<M> = "AtMostOnce" extends M
  ? "a repeat of this start may start a second job, so the operation can't be resumed: give the start a key (Idempotency.keyed) or a look (Idempotency.reconcilable), or use Polling.run with onJob"
  : unknown

type Describes<A, S> = [S] extends [Schema.Constraint]
  ? [A] extends [S["Type"]]
    ? Operation.SaysSomething<S["Type"]> extends string
      ? "this success accepts anything: describe the value in Polling.succeeded"
      : unknown
    : "`success` does not describe what the polling succeeds with: give the schema of the value in Polling.succeeded"
  : never

/** What errors of the start mean has to be said if there are any. */
type StartErrors<EStart> = [EStart] extends [never]
  ? { readonly classify?: undefined }
  : {
      /**
       * What an error of the start means: the start's own integration knows its outcome, and here it is told. Without a
       * verdict it is `Failed`: there may be a job, and the start is not repeated.
       */
      readonly classify: (error: EStart) => Reason.Verdict | undefined
    }

type InputOf<I> = [I] extends [Schema.Constraint] ? I["Type"] : void
type Services<I> = [I] extends [Schema.Constraint] ? I["DecodingServices"] | I["EncodingServices"] : never

/**
 * A job as one operation of an integration: it has a line in the plan, one event per call, typed errors, and it can be
 * stored (`Outbox.writeAhead`, `Exhaustion.park`) and resumed after a crash.
 *
 * **Details**
 *
 * Start and status are calls of another integration, with its policy and its credentials; their spans stand below the one
 * of this operation. The operation has one attempt, and the polling's `within` as its deadline. `idempotency` is that of
 * the start: a repeat with its key gives the same job. Use the same derivation for both.
 *
 * - A job that has failed is a declared error: `translate` has a case for it, and a stored call needs its schema (`error`).
 * - `classify` says what an error of the start means.
 * - Every other failure is `orElse`'s: that the time was up is `InProgress`, with outcome `Unknown`. `Polling.jobFrom` gives
 *   the job that goes on.
 *
 * **In an outbox**
 *
 * A stored call is made in deliveries. The first starts the job, and its reference is stored with the entry; the caller has
 * `Queued`. Each of the next waits `within` at most, and gives the entry back until the provider wants to be asked again.
 * The start is not repeated once the job is stored; a crash before that repeats it, with its key. A claim is held no longer
 * than `within` and the worker's `grace`: that is how late a crash is noticed, so `within` may be 10 minutes at most, and one
 * minute is a good choice. How long the job may take in all is `Outbox.writeAheadWith(operation, { expiresAfter })`.
 *
 * **Example** (An export that survives a crash)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, OutboxStoreMemory } from "breakwater"
 * import { OutboxWorker, Polling } from "breakwater"
 * import { Data, Effect, Layer, Schedule, Schema } from "effect"
 *
 * class ExportFailed extends Schema.TaggedError<ExportFailed>()("ExportFailed", { why: Schema.String }) {}
 * class ExportLate extends Data.TaggedError("ExportLate")<{ readonly job: Polling.Job | undefined }> {}
 * const Order = Schema.Struct({ order: Schema.String })
 *
 * const exports = Polling.make("shop/export", {
 *   job: Schema.String,
 *   // In an application: two methods of the integration that calls the provider.
 *   start: ({ order }: typeof Order.Type) => Effect.succeed(Polling.started(`job-${order}`)),
 *   status: (id) => Effect.succeed(id === "" ? Polling.failed(new ExportFailed({ why: "?" })) : Polling.succeeded(`/${id}`)),
 *   within: "1 minute",
 *   schedule: Schedule.spaced("20 millis")
 * })
 *
 * class Exports extends Integration.Service<Exports>()(
 *   "shop/Exports",
 *   { exhausted: Exhaustion.fail, orElse: (failure) => new ExportLate({ job: Polling.jobFrom(failure) }) },
 *   {
 *     make: Outbox.writeAheadWith(
 *       Polling.operation("make", {
 *         input: Order,
 *         success: Schema.String,
 *         polling: exports,
 *         idempotency: Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive("export", order), {
 *           lifetime: "1 day"
 *         }),
 *         error: ExportFailed,
 *         translate: { ExportFailed: (error) => error }
 *       }),
 *       { expiresAfter: "2 hours" }
 *     )
 *   }
 * ) {}
 *
 * const Worker = OutboxWorker.layer(Exports, {
 *   make: {
 *     onDelivered: (url, { input }) => Effect.log(`${input.order} is at ${url}`),
 *     onDead: (error) => Effect.logError(error._tag),
 *     onNeedsReconcile: ({ id }) => Effect.logError(`look what became of ${id}`)
 *   }
 * }, { pollInterval: "50 millis" })
 *
 * const program = Effect.gen(function* () {
 *   const queued = yield* (yield* Exports).make({ order: "42" })
 *   return Outbox.isQueued(queued) ? yield* Outbox.await(Exports, "make", queued) : queued
 * })
 * const Live = Worker.pipe(
 *   Layer.provideMerge(Integration.layer(Exports)),
 *   Layer.provideMerge(OutboxStoreMemory.layer)
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Live)) // => "/job-42"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const operation = <
  S extends Schema.Constraint,
  Ref,
  A,
  E,
  EStart,
  ES,
  R,
  RI,
  M extends Idempotency.Kind,
  I = undefined,
  C = {},
  A2 = never,
  RX = never,
  NX extends Exhaustion.Needs = never,
  L = unknown,
  X = undefined
>(
  name: string,
  options: {
    readonly polling: Polling<InputOf<I>, Ref, A, E, EStart, ES, R>
    /** How a repeat of the start is made safe. */
    readonly idempotency: Idempotency.Idempotency<InputOf<I>, S["Type"], RI, M> & Resumable<M>
    /** Validated before anything is sent, and stored where calls are. */
    readonly input?: I
    /** What the job succeeds with: the value of `Polling.succeeded`. */
    readonly success: S & Describes<A, S>
    /** The schema of the errors that a job fails with. Required where calls may be stored. */
    readonly error?: X & Operation.ErrorsFit<E, X>
    // `Translation` asks for it: the parameters of the cases get their types from here.
    readonly translate?: Operation.Cases<E, InputOf<I>>
    /** What becomes of a call whose time is up. */
    readonly exhausted?: Exhaustion.Exhaustion<InputOf<I>, A2, RX, NX> & Operation.ExhaustionFits<NX, M, InputOf<I>>
    /** The application's error for every failure but a failed job. */
    readonly orElse?: L & Operation.OrElseShape<InputOf<I>> & Operation.NoLeak<L>
  } & StartErrors<Exclude<EStart, PollingError>> &
    Operation.Translation<E, C, InputOf<I>>
): Operation.Operation<
  InputOf<I>,
  S["Type"] | A2,
  Operation.Translated<C> | Operation.OrElse<L>,
  R | RI | RX | Services<I> | Services<S> | Services<X>,
  M,
  Operation.OpenOf<P.Any, NX, L>
> => {
  // What depends on type parameters can't be shown to be what it will be: `Given` is what all of them come to.
  const given = options as unknown as Given<InputOf<I>, Ref, A, E, EStart, ES, R>
  const { idempotency, polling } = given
  const { name: job, within } = polling[TypeId]
  return Operation.fromDefinition({
    name,
    repeat: idempotency.repeat,
    strategy: idempotency.strategy,
    policy: Policy.stack(
      Policy.totalDeadline(within, { longRunning: `the job ${job} is waited for` }),
      Policy.retryNever(`start and status of ${job} are retried by their own integration`),
      Policy.attemptTimeout(within)
    ),
    exhausted: given.exhausted,
    orElse: given.orElse,
    translate: given.translate,
    about: { transport: "effect", attemptName: name, http: undefined },
    problems: [],
    inDeliveries: true,
    open: openEffect({
      input: given.input,
      success: given.success,
      decoded: true,
      error: given.error,
      send: (input, call) => wait(polling[TypeId], input as InputOf<I>, call as CallRecord, given.classify),
      client: undefined,
      call: undefined,
      classify: undefined,
      classifyAnswer: undefined
    })
  }) as never
}

/** The options, when the types have checked them. */
interface Given<In, Ref, A, E, EStart, ES, R> {
  readonly polling: Polling<In, Ref, A, E, EStart, ES, R>
  readonly idempotency: Idempotency.Any
  readonly input?: Schema.Constraint
  readonly success: Schema.Constraint
  readonly error?: Schema.Constraint
  readonly translate?: Readonly<Record<string, (error: never, input: never) => unknown>>
  readonly exhausted?: Exhaustion.Any
  readonly orElse?: (failure: CallFailure, input: never) => unknown
  readonly classify?: (error: EStart) => Reason.Verdict | undefined
}

/** What is left of an attempt for telling how it ended, before its own limit would cut it. */
const margin = (left: number): number => Math.min(1_000, left / 20)

/** One delivery, or the whole where nothing is stored: the start unless there was one, and the wait. */
const wait = <In, Ref, A, E, EStart, ES, R>(
  polling: Polling<In, Ref, A, E, EStart, ES, R>[typeof TypeId],
  input: In,
  call: CallRecord,
  classify: ((error: EStart) => Reason.Verdict | undefined) | undefined
): Effect.Effect<A, Judged, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // The claim on a stored call ends too, whatever the policy's limits are set to.
      const end = Math.min(call.deadline, call.attemptEndsBy, call.leaseUntil)
      const bounded = <B, F, Q>(self: Effect.Effect<B, F, Q>) =>
        restore(end === Infinity ? self : Deadline.at(self, end - margin(end - now)))
      const known = call.progress as Job | undefined
      if (known !== undefined) {
        return yield* bounded(
          Effect.flatMap(refOf(polling, known), (ref) => follow(polling, ref, known, "at once"))
        ).pipe(Effect.mapError(judged), Effect.flatMap(told))
      }
      const started = yield* Effect.result(bounded(polling.start(input)))
      if (Result.isFailure(started)) return yield* Effect.fail(startFailed(started.failure, classify))
      const answer = started.success
      if (answer._tag !== "Started") return yield* Effect.flatMap(Effect.mapError(endOf(answer), judged), told)
      const job = yield* jobOf(polling, answer.ref, now)
      call.progress = job
      if (call.durable) return yield* Effect.fail(yield* accepted(polling.schedule, answer.retryAfter))
      return yield* bounded(follow(polling, answer.ref, job, answer.retryAfter)).pipe(
        Effect.mapError(judged),
        Effect.flatMap(told)
      )
    })
  ).pipe(Effect.withSpan(`polling ${polling.name}`))

const told = <A, E>(end: Ended<A, E>): Effect.Effect<A, Judged> => {
  if (end._tag === "Succeeded") return Effect.succeed(end.value)
  // The provider has said what became of the job: that settles every earlier try, and speaks for its health.
  return Effect.fail(
    new Judged(
      end.outcome === "Refused"
        ? { reason: "Rejected", message: "the job has failed", resolves: true }
        : { reason: "Failed", message: "the job has failed", outcome: end.outcome, health: "success" },
      end.error
    )
  )
}

/** That the job was started: it is stored before its end is waited for. */
const accepted = (schedule: Schedule.Schedule<unknown, unknown>, hint: Parameters<typeof hintOf>[0]) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const told = hintOf(hint, now)
    if (told !== undefined) return inProgress("the job was started", told)
    const step = yield* Schedule.toStep(schedule)
    const first = yield* Pull.catchDone(step(now, 0), () => Effect.undefined)
    return inProgress("the job was started", first?.[1])
  })

const inProgress = (message: string, retryAfter: Duration.Duration | undefined, error?: PollingError) =>
  new Judged({ reason: "InProgress", message, retryAfter }, error)

/** What it means that the end is not known. */
const judged = (error: PollingError): Judged =>
  error.reason === "Deadline" || error.reason === "Spent"
    ? inProgress(`the job has not ended (asked ${times(error.polls)})`, error.retryAfter, error)
    : new Judged({ reason: "Failed", message: error.message, outcome: error.outcome, health: "ignored" }, error)

const times = (n: number): string => (n === 1 ? "once" : `${n} times`)

/** An address that leads elsewhere is an answer to the start too, and no error of its integration. */
const startFailed = <EStart>(
  error: EStart,
  classify: ((error: EStart) => Reason.Verdict | undefined) | undefined
): Judged =>
  error instanceof PollingError ? judged(error) : new Judged(classify?.(error) ?? { reason: "Failed" }, error)
