/**
 * Makes the stored calls of an integration, and tells what became of each.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Integration from "./Integration.ts"
import { check } from "./internal/duration.ts"
import { durablesOf } from "./internal/durable.ts"
import { type AnyHandlers, run } from "./internal/outboxWorker.ts"
import { grace as defaultGrace } from "./internal/storing.ts"
import type { DurableName, Result } from "./Outbox.ts"
import type { Entry } from "./OutboxEntry.ts"
import type { Undelivered } from "./OutboxError.ts"
import { OutboxStore } from "./OutboxStore.ts"
import { PolicyError } from "./PolicyError.ts"

/**
 * A stored call that has ended, as its handler sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended<In> extends Pick<
  Entry,
  "id" | "key" | "outcome" | "attempts" | "correlationId" | "createdAt" | "firstSentAt" | "history" | "why" | "lane"
> {
  readonly input: In
}

type InputOf<Method> = Method extends (input: infer In) => unknown ? In : never
type ErrorOf<Method> = Method extends (input: never) => Effect.Effect<infer _A, infer E, infer _R> ? E : never

/**
 * What is done with the end of a stored call. Each runs in the transaction that writes the end down: with the same
 * `SqlClient` its own writes are committed with it, once. If it fails, nothing is written, the call is not made again, and
 * the handler runs again later.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handlers<Method> {
  /** It happened, and this is the answer. */
  readonly onDelivered: (
    result: Result<Method>,
    entry: Ended<InputOf<Method>>
  ) => Effect.Effect<unknown, unknown, unknown>
  /**
   * It will not be made any more, for this error: one of the application's own, or `Undelivered`. The input is absent where
   * it can't be read.
   */
  readonly onDead: (
    error: ErrorOf<Method> | Undelivered,
    entry: Ended<InputOf<Method> | undefined>
  ) => Effect.Effect<unknown, unknown, unknown>
  /** It may have happened, and a repeat is not safe: a person has to look. */
  readonly onNeedsReconcile: (entry: Ended<InputOf<Method> | undefined>) => Effect.Effect<unknown, unknown, unknown>
}

/**
 * Handlers for every operation of an integration that stores calls.
 *
 * @category models
 * @since 0.1.0
 */
export type AllHandlers<Methods> = { readonly [K in DurableName<Methods>]: Handlers<Methods[K]> }

/** Refuses handlers of operations that store nothing. */
type NoOthers<H, Methods> = {
  readonly [K in Exclude<keyof H, DurableName<Methods>>]: "no calls of this operation are stored: it has no handlers"
}

/**
 * What handlers need.
 *
 * @category type-level
 * @since 0.1.0
 */
export type HandlerServices<H> = {
  [K in keyof H]: {
    [F in keyof H[K]]: H[K][F] extends (...args: never) => Effect.Effect<infer _A, infer _E, infer R> ? R : never
  }[keyof H[K]]
}[keyof H]

/**
 * How an operation's stored calls are made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many calls of one operation run at once, in this process. Default: 8. */
  readonly concurrency?: number | undefined
  /**
   * The pauses between tries of one call; a `Retry-After` is never undercut. When it ends, its last pause goes on. Default:
   * from 1 second, doubled up to 5 minutes, with jitter.
   */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
  /**
   * How many tries may reach the provider; after that the call is dead. One that certainly did not arrive, or was throttled,
   * does not count: an outage of any length leaves calls pending. Default: 20.
   *
   * A claim whose process died before it wrote down what became of the call counts too, sent or not. So a call that kills
   * whoever makes it kills so many processes and no more: then it is dead, as `exhausted`, and the entry's `crashes` say how
   * often that was. (One that may be sent once only needs to be reconciled after the first.) A process that is stopped gives
   * back what it is at, and that counts only if it may have been sent. Runs of a handler from an answer that is stored do not
   * count: one that kills its process does so until it is mended.
   */
  readonly maxAttempts?: number | undefined
  /** How often the store is asked for calls that are due. A commit of this process wakes it at once. Default: 1 second. */
  readonly pollInterval?: Duration.Input | undefined
  /** How long a result is kept after the delivery. Default: 1 day. */
  readonly keepResults?: Duration.Input | undefined
  /**
   * How much longer than the total deadline a claim is held: the time in which its owner writes down what became of the
   * call, and runs its handler. That long after a crash nobody can make the call. Default: 10 seconds.
   */
  readonly grace?: Duration.Input | undefined
  /** How long running calls have to end when the layer closes; then they are interrupted and stored. Default: 10 seconds. */
  readonly drain?: Duration.Input | undefined
}

const backoff: Schedule.Schedule<unknown, unknown> = Schedule.jittered(
  Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("5 minutes")])
)

/**
 * Makes the stored calls of an integration for as long as the layer lives. Several processes may do so on one store.
 *
 * **Details**
 *
 * Every try is a full call by the integration's own policy: to give stored calls another one, give the worker a layer of
 * the integration with `policy`. The lease of a claim is the total deadline and `grace`: that long after a crash the call is
 * made again, by any worker.
 *
 * **Example** (What becomes of a charge)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
 * import { Outbox, OutboxStoreMemory, OutboxWorker } from "breakwater"
 * import { Data, Deferred, Effect, Layer, Schema } from "effect"
 *
 * class BankDown extends Data.TaggedError("BankDown") {}
 * class Bank extends Integration.Service<Bank>()(
 *   "shop/Bank",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new BankDown() },
 *   {
 *     charge: Outbox.writeAhead(
 *       Operation.mutation("charge", {
 *         input: Schema.String,
 *         success: Schema.Struct({ id: Schema.String }),
 *         idempotency: Idempotency.keyed((order: string) => IdempotencyKey.derive("charge", order), { lifetime: "1 day" }),
 *         send: (order) => Effect.succeed({ id: `ch_${order}` })
 *       })
 *     )
 *   }
 * ) {}
 *
 * const paid = Deferred.makeUnsafe<string>()
 * const Worker = OutboxWorker.layer(Bank, {
 *   charge: {
 *     onDelivered: ({ id }, { input }) => Deferred.succeed(paid, `${input} is paid: ${id}`),
 *     onDead: (error, { id }) => Effect.logError(`${id} was not charged: ${error._tag}`),
 *     onNeedsReconcile: ({ id, why }) => Effect.logError(`look whether ${id} was charged: ${why}`)
 *   }
 * })
 *
 * const BankLive = Integration.layer(Bank).pipe(Layer.provideMerge(OutboxStoreMemory.layer))
 * const program = Effect.gen(function* () {
 *   yield* (yield* Bank).charge("o-1")
 *   return yield* Deferred.await(paid)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Layer.provideMerge(Worker, BankLive))) // => "o-1 is paid: ch_o-1"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Self, Id extends string, Methods, R, const H extends AllHandlers<Methods>>(
  integration: Integration.ServiceClass<Self, Id, Methods, R>,
  handlers: H & NoOthers<H, Methods>,
  options?: Options & { readonly operations?: { readonly [K in DurableName<Methods>]?: Options } | undefined }
): Layer.Layer<never, PolicyError, Self | OutboxStore | HandlerServices<H>> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const methods = yield* integration
      const durables = durablesOf(methods)
      if (durables === undefined) {
        return yield* Effect.die(
          new Error(
            `OutboxWorker: ${integration.key} is a mock, which stores nothing: give the worker Integration.layer or HttpIntegration.layer`
          )
        )
      }
      const store = yield* OutboxStore
      for (const [name, durable] of Object.entries(durables)) {
        const own: Options = {
          ...options,
          ...(options?.operations as Readonly<Record<string, Options>> | undefined)?.[name]
        }
        const poll = check("pollInterval", own.pollInterval ?? "1 second")
        const keep = check("keepResults", own.keepResults ?? "1 day")
        const drain = check("drain", own.drain ?? "10 seconds", { zero: true })
        const grace = check("grace", own.grace ?? defaultGrace)
        const concurrency = own.concurrency ?? 8
        const maxAttempts = own.maxAttempts ?? 20
        const problems = [
          ...[poll, keep, drain, grace].flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
          ...Object.entries({ concurrency, maxAttempts }).flatMap(([what, value]) =>
            Number.isInteger(value) && value > 0 ? [] : [`${what} must be a positive integer, got ${value}`]
          )
        ]
        if (problems.length > 0) {
          return yield* new PolicyError({ integration: durable.integration, operation: `${name} (worker)`, problems })
        }
        // The types have matched names and handlers; by name they are looked up.
        yield* run(durable, (handlers as Readonly<Record<string, AnyHandlers>>)[name]!, store, {
          concurrency,
          schedule: own.schedule ?? backoff,
          maxAttempts,
          poll: poll.millis,
          keep: keep.millis,
          grace: grace.millis,
          drain: drain.millis
        })
      }
    })
  ) as never
