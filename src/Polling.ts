/**
 * Jobs that a provider starts with one call (`202 Accepted`) and tells about in others: start, ask until the end, and give
 * that as the result.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { CallFailure } from "./CallFailure.ts"
import * as Deadline from "./Deadline.ts"
import {
  endOf,
  type Ended,
  type FailedOutcome,
  follow,
  type Hint,
  jobOf as jobOfRef,
  locate,
  look,
  type Polling,
  refOf,
  type Started,
  type Step,
  TypeId
} from "./internal/polling.ts"
import { type Job as StoredJob, PollingError } from "./PollingError.ts"

export type { Polling, Started, Step } from "./internal/polling.ts"
export { PollingError, type PollingReason } from "./PollingError.ts"
export { operation, type Resumable } from "./PollingOperation.ts"

/**
 * What is needed to ask for a job later, as plain JSON: store it where the job is waited for. It holds the reference that
 * the provider gave, and no credential.
 *
 * @category models
 * @since 0.1.0
 */
export type Job = StoredJob

/**
 * The schema of a job, for a store.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Job: Schema.Codec<Job> = Schema.Struct({
  /** The name of the polling that it belongs to. */
  polling: Schema.String,
  /** What the provider calls it. */
  ref: Schema.Json,
  /** When it was started, in epoch milliseconds. */
  startedAt: Schema.Finite
})

interface Told {
  /**
   * When the provider wants to be asked again: the text of a `Retry-After` header, seconds, or a `Duration`. It takes the
   * place of the schedule's pause; nothing, zero and what can't be read do not.
   */
  readonly retryAfter?: Hint
}

/**
 * A job was started.
 *
 * @category states
 * @since 0.1.0
 */
export const started = <Ref>(ref: Ref, told: Told = {}): Started<Ref> => ({
  _tag: "Started",
  ref,
  retryAfter: told.retryAfter
})

/**
 * The job has not ended.
 *
 * @category states
 * @since 0.1.0
 */
export const running = (told: Told = {}): Step<never, never> => ({ _tag: "Running", retryAfter: told.retryAfter })

/**
 * The job has ended well, with this.
 *
 * @category states
 * @since 0.1.0
 */
export const succeeded = <A>(value: A): Step<A, never> => ({ _tag: "Succeeded", value })

/**
 * The job has ended otherwise: it failed, was cancelled, has expired. The error is the application's own.
 *
 * **Details**
 *
 * For an `operation` it also says whether what was asked for happened: `Refused`, it did not, unless `outcome` says
 * otherwise. A job that may have done a part of its work before it failed is `Unknown`: a stored one needs to be reconciled
 * then, instead of being dead.
 *
 * @category states
 * @since 0.1.0
 */
export const failed = <E>(error: E, options?: { readonly outcome?: FailedOutcome | undefined }): Step<never, E> => ({
  _tag: "Failed",
  error,
  outcome: options?.outcome ?? "Refused"
})

/**
 * A state that the integration does not know. It ends the polling, as `UnknownState`: going on could go on for ever.
 *
 * @category states
 * @since 0.1.0
 */
export const unexpected: Step<never, never> = { _tag: "Unexpected" }

/**
 * Says how a job is started, and how its end is found out.
 *
 * **Details**
 *
 * `start` and `status` are methods of an integration: each call has its own policy, span and event. So `start` is a mutation
 * that says how a repeat is made safe, and `status` a query.
 *
 * - An error of `start` is the error of the whole, untouched: there may be no job.
 * - An error of `status` says nothing of the job, so it is asked again, unless `fatal` says otherwise.
 * - `missing` tells the error that means "no such job": right after the start it may only not be visible yet (`grace`).
 * - With a status that is a union of literals the compiler refuses a `switch` that forgets one; with any string, end it with
 *   `default: return Polling.unexpected`.
 *
 * **Example** (An export)
 *
 * ```ts
 * import { Polling } from "breakwater"
 * import { Data, Effect, Schema } from "effect"
 *
 * class ExportFailed extends Data.TaggedError("ExportFailed") {}
 *
 * // Two methods of an integration, in an application.
 * const start = (order: string) => Effect.succeed({ id: `job-${order}`, retryAfter: "1" })
 * const status = (_: { id: string }): Effect.Effect<{ state: "running" | "done" | "failed"; url?: string }> =>
 *   Effect.succeed({ state: "done", url: "/files/7" })
 *
 * const exports = Polling.make("shop/export", {
 *   job: Schema.Struct({ id: Schema.String }),
 *   start: (order: string) =>
 *     Effect.map(start(order), ({ id, retryAfter }) => Polling.started({ id }, { retryAfter })),
 *   status: (job) =>
 *     Effect.map(status(job), (answer) => {
 *       switch (answer.state) {
 *         case "running":
 *           return Polling.running()
 *         case "done":
 *           return Polling.succeeded(answer.url)
 *         case "failed":
 *           return Polling.failed(new ExportFailed())
 *       }
 *     }),
 *   within: "10 minutes"
 * })
 *
 * await Effect.runPromise(Polling.run(exports, "42")) // => "/files/7"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <In, Ref, A = never, E = never, EStart = never, ES = never, RStart = never, R = never>(
  name: string,
  options: {
    /** What is kept of a job to ask for it: its id. No credential, and nothing that only this process knows. */
    readonly job: Schema.Codec<Ref, Schema.Json>
    readonly start: (input: In) => Effect.Effect<Started<NoInfer<Ref>> | Step<A, E>, EStart, RStart>
    readonly status: (job: Ref) => Effect.Effect<Step<A, E>, ES, R>
    /** How long the whole may take, from the first byte of the start. A deadline around it shortens it. */
    readonly within: Duration.Input
    /** The pauses between two questions. Default: from 1 second, 1.5 times as long each time, up to 30 s, with jitter. */
    readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
    /** Which errors of `status` say that there is no such job. Default: none. */
    readonly missing?: ((error: ES) => boolean) | undefined
    /** How long after the start it may be missing. Default: 10 seconds. */
    readonly grace?: Duration.Input | undefined
    /** Which errors of `status` end the polling. Default: none. */
    readonly fatal?: ((error: ES) => boolean) | undefined
  }
): Polling<In, Ref, A, E, EStart, ES, R | RStart> => ({
  [TypeId]: {
    name,
    job: options.job,
    start: options.start,
    status: options.status,
    within: options.within,
    schedule: options.schedule ?? backoff,
    missing: options.missing ?? (() => false),
    fatal: options.fatal ?? (() => false),
    grace: Duration.toMillis(Duration.fromInputUnsafe(options.grace ?? "10 seconds"))
  }
})

const backoff: Schedule.Schedule<unknown, unknown> = Schedule.jittered(
  Schedule.min([Schedule.exponential("1 second", 1.5), Schedule.spaced("30 seconds")])
)

/**
 * Starts a job, and waits for its end.
 *
 * **Details**
 *
 * One deadline holds for all of it. When it ends, the job goes on: the `PollingError` says so, and carries the `job` that
 * `resume` takes. `onJob` is given the job before its status is asked for the first time, whatever the caller does meanwhile:
 * who stores it there can go on after a crash. A crash between the start and that loses the job's name, not the job: a start
 * with a key gives the same job once more.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <In, Ref, A, E, EStart, ES, R, EJob = never, RJob = never>(
  self: Polling<In, Ref, A, E, EStart, ES, R>,
  input: In,
  options: {
    readonly within?: Duration.Input | undefined
    readonly onJob?: ((job: Job) => Effect.Effect<unknown, EJob, RJob>) | undefined
  } = {}
): Effect.Effect<A, E | EStart | EJob | PollingError, R | RJob> => {
  const polling = self[TypeId]
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      const answer = yield* restore(polling.start(input))
      if (answer._tag !== "Started") return yield* Effect.flatMap(endOf(answer), given)
      const job = yield* jobOfRef(polling, answer.ref, startedAt)
      if (options.onJob !== undefined) yield* options.onJob(job)
      return yield* Effect.flatMap(restore(follow(polling, answer.ref, job, answer.retryAfter)), given)
    })
  ).pipe(Deadline.within(options.within ?? polling.within), Effect.withSpan(`polling ${polling.name}`))
}

const given = <A, E>(end: Ended<A, E>): Effect.Effect<A, E> =>
  end._tag === "Succeeded" ? Effect.succeed(end.value) : Effect.fail(end.error)

/**
 * The job of a reference, to be stored: for one that was started otherwise, such as by another system.
 *
 * @category running
 * @since 0.1.0
 */
export const jobOf = <In, Ref, A, E, EStart, ES, R>(
  self: Polling<In, Ref, A, E, EStart, ES, R>,
  ref: Ref,
  startedAt: number
): Effect.Effect<Job> => jobOfRef(self[TypeId], ref, startedAt)

/**
 * The job that a call of an `operation` has left unfinished, for `orElse`: what `resume` takes. `undefined` for a failure
 * that is about none.
 *
 * @category running
 * @since 0.1.0
 */
export const jobFrom = (failure: CallFailure): Job | undefined =>
  failure.reason.error instanceof PollingError ? failure.reason.error.job : undefined

/**
 * Goes on waiting for a job that was started before, in this process or another. It has as much time as a new one.
 *
 * @category running
 * @since 0.1.0
 */
export const resume = <In, Ref, A, E, EStart, ES, R>(
  self: Polling<In, Ref, A, E, EStart, ES, R>,
  job: Job,
  options: { readonly within?: Duration.Input | undefined } = {}
): Effect.Effect<A, E | PollingError, R> =>
  Effect.flatMap(refOf(self[TypeId], job), (ref) => follow(self[TypeId], ref, job, undefined)).pipe(
    Effect.flatMap(given),
    Deadline.within(options.within ?? self[TypeId].within),
    Effect.withSpan(`polling ${self[TypeId].name}`)
  )

/**
 * Asks once how a job stands, for who waits in a loop or a schedule of its own. `undefined` where it has not ended, or could
 * not be asked for.
 *
 * @category running
 * @since 0.1.0
 */
export const check = <In, Ref, A, E, EStart, ES, R>(
  self: Polling<In, Ref, A, E, EStart, ES, R>,
  job: Job
): Effect.Effect<{ readonly value: A } | undefined, E | PollingError, R> =>
  Effect.gen(function* () {
    const ref = yield* refOf(self[TypeId], job)
    const found = yield* look(
      self[TypeId],
      ref,
      job.startedAt,
      (reason, error) => new PollingError({ reason, job, outcome: "Unknown", polls: 1, error })
    )
    if (found._tag === "Failed") return yield* Effect.fail(found.error)
    return found._tag === "Succeeded" ? { value: found.value } : undefined
  })

/** The names of a path's parameters. */
type ParamsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamsOf<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never

/**
 * The parameters of the address where a job's status is (`Location`, `Operation-Location`), for the endpoint that reads it.
 *
 * **Details**
 *
 * The address itself is never called: it only has to fit the path of the endpoint, and the integration calls its own host.
 * An absolute address must be on one of `origins`, so that a job of another host is not asked for at this one. Everything
 * else is a `BadLocation`.
 *
 * **Example** (The id in a Location)
 *
 * ```ts
 * import { Polling } from "breakwater"
 * import { Effect } from "effect"
 *
 * const at = { path: "/v1/jobs/:id", origins: ["https://api.example.com"] } as const
 *
 * Effect.runSync(Polling.fromLocation("https://api.example.com/v1/jobs/7?v=2", at)) // => { id: "7" }
 * Effect.runSync(Effect.flip(Polling.fromLocation("https://evil.test/v1/jobs/7", at))).reason // => "BadLocation"
 * ```
 *
 * @category locations
 * @since 0.1.0
 */
export const fromLocation = <const Path extends string>(
  location: string | null | undefined,
  options: {
    /** The path of the status endpoint, from the host on. */
    readonly path: Path
    /** The origins of the integration, such as `https://api.example.com`. Default: none, the address must be relative. */
    readonly origins?: ReadonlyArray<string> | undefined
  }
): Effect.Effect<{ readonly [K in ParamsOf<Path>]: string }, PollingError> => {
  const found = locate(location, options.path, options.origins ?? [])
  return found === undefined
    ? Effect.fail(new PollingError({ reason: "BadLocation", job: undefined, outcome: "Unknown", polls: 0 }))
    : Effect.succeed(found as { readonly [K in ParamsOf<Path>]: string })
}
