import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Outcome from "../Outcome.ts"
import type { Entry, Why } from "../OutboxEntry.ts"
import { Undelivered } from "../OutboxError.ts"
import type { Claimed, Learned, Store, StoreError } from "../OutboxStore.ts"
import type * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import type { CallRecord } from "./call.ts"
import { servicesOf, withServices } from "./context.ts"
import {
  answerOf,
  decide,
  type Decided,
  type Durable,
  learnedOf,
  load,
  type Loaded,
  progressOf,
  readAnswer,
  saveResult,
  type Verdict
} from "./durable.ts"
import { upkeep } from "./outboxUpkeep.ts"
import { bounded } from "./storing.ts"
import { nowOf } from "./timer.ts"

export interface AnyHandlers {
  readonly onDelivered: (result: unknown, entry: unknown) => Effect.Effect<unknown, unknown>
  readonly onDead: (error: unknown, entry: unknown) => Effect.Effect<unknown, unknown>
  readonly onNeedsReconcile: (entry: unknown) => Effect.Effect<unknown, unknown>
}

export interface WorkerOptions {
  readonly concurrency: number
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly maxAttempts: number
  /** Milliseconds. */
  readonly poll: number
  readonly keep: number
  readonly grace: number
  readonly drain: number
}

/** The pause before the next try: that of the schedule after so many. A schedule that ends keeps its last pause. */
const pauseOf = (schedule: Schedule.Schedule<unknown, unknown>, tries: number): Effect.Effect<number> =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    let now = 0
    let pause = 0
    for (let n = 0; n < Math.min(tries, 64); n++) {
      const next = yield* Pull.catchDone(step(now, n + 1), () => Effect.undefined)
      if (next === undefined) break
      pause = Duration.toMillis(next[1])
      now += pause
    }
    return pause
  })

/** The history of an entry whose answer could not be read, once: the handler of that may have to run again. */
const unreadOf = ({ history, outcome }: Entry, { _tag, message }: Reason.Reason, at: number): Entry["history"] =>
  history.at(-1)?.message === message
    ? history
    : [
        ...history,
        { at, reason: _tag, message, outcome, status: undefined, attempts: 0, elapsed: 0, requestId: undefined }
      ].slice(-20)

/** The claim was taken over while its owner was away. */
class Stale {
  readonly _tag = "Stale"
}

/** Claims, makes and ends the stored calls of one operation, until the scope closes. */
export const run = (
  durable: Durable,
  handlers: AnyHandlers,
  store: Store,
  options: WorkerOptions
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { integration, operation } = durable
    const { grace } = options
    const name = `${integration} ${operation}`
    const services = servicesOf(yield* Effect.context<never>())
    const attributes = { [Telemetry.names.integration]: integration, [Telemetry.names.operation]: operation }
    const ended = (state: string) =>
      Metric.counter(Telemetry.names.outboxEnded, {
        description: "Stored calls that ended",
        attributes: { ...attributes, state, unit: "{call}" },
        incremental: true
      })
    const counters = {
      Delivered: ended("delivered"),
      Dead: ended("dead"),
      NeedsReconcile: ended("needs_reconcile")
    }
    const lease = Duration.millis(durable.limit + grace)

    const untilWritten = Schedule.upTo(Schedule.spaced("200 millis"), { duration: Duration.millis(grace / 2) })
    const settle = (entry: Entry, verdict: Parameters<Store["settle"]>[1], learned: Learned) =>
      store.settle(entry, verdict, learned)
    const again = (
      entry: Entry,
      what: { readonly counts: boolean; readonly pausing: boolean; readonly hint: number },
      answer: string | undefined,
      learned: Learned
    ) =>
      Effect.flatMap(what.pausing ? pauseOf(options.schedule, entry.tries) : Effect.succeed(0), (pause) =>
        Effect.retry(
          settle(
            entry,
            {
              _tag: "Again",
              delay: Duration.millis(Math.max(pause, what.hint)),
              counts: what.counts,
              pausing: what.pausing,
              answer
            },
            learned
          ),
          untilWritten
        )
      )

    const unchanged = (entry: Entry): Learned => ({
      outcome: entry.outcome,
      firstSentAgo: undefined,
      inDoubtAgo: undefined,
      history: entry.history
    })

    /** What can be said of an entry before it is sent. */
    const before = (entry: Entry, now: number): Decided | undefined => {
      const happenedNot = Outcome.didNotHappen(entry.outcome)
      const ends = (why: Why): Decided => ({ _tag: happenedNot ? "Dead" : "NeedsReconcile", why, failure: undefined })
      if (durable.repeat === "AtMostOnce" && !happenedNot) return ends("sent once")
      if (entry.expiresAt !== undefined && entry.expiresAt <= now) return ends("expired")
      // Claims whose process died.
      if (entry.attempts > options.maxAttempts) return { _tag: "Dead", why: "exhausted", failure: undefined }
      const settled = (entry.inDoubtAt ?? 0) + durable.settle - now
      return !happenedNot && settled > 0 ? { _tag: "Again", counts: false, pausing: false, hint: settled } : undefined
    }

    const view = (entry: Entry, input: unknown, why: Why | undefined, outcome: Outcome.Outcome) => ({
      id: entry.id,
      key: entry.key,
      outcome,
      attempts: entry.attempts,
      correlationId: entry.correlationId,
      createdAt: entry.createdAt,
      firstSentAt: entry.firstSentAt,
      history: entry.history,
      lane: entry.lane,
      why,
      input
    })

    const handle = (entry: Entry, input: unknown, verdict: Verdict, learned: Learned) =>
      Effect.suspend(() => {
        if (verdict._tag === "Delivered") {
          return handlers.onDelivered(
            verdict.value,
            view({ ...entry, ...learnedHistory(learned) }, input, undefined, "Applied")
          )
        }
        const seen = view({ ...entry, ...learnedHistory(learned) }, input, verdict.why, learned.outcome)
        if (verdict._tag === "NeedsReconcile") return handlers.onNeedsReconcile(seen)
        return handlers.onDead(
          verdict.failure === undefined
            ? new Undelivered({ id: entry.id, integration, operation, why: verdict.why, outcome: learned.outcome })
            : durable.translate(verdict.failure, input),
          seen
        )
      })
    const learnedHistory = ({ history }: Learned) => ({ history })

    /** Runs the handler and writes the end down, both or neither. */
    const conclude = (entry: Entry, input: unknown, verdict: Verdict, learned: Learned): Effect.Effect<void> => {
      const stored: Effect.Effect<Exclude<Parameters<Store["settle"]>[1], { readonly _tag: "Again" }>> =
        verdict._tag === "Delivered"
          ? Effect.map(
              // It was delivered, whether or not its result can be kept.
              Effect.catch(saveResult(durable, verdict.value), () => Effect.undefined),
              (result) => ({
                _tag: "Delivered" as const,
                result,
                keep: verdict.keep ?? Duration.millis(options.keep)
              })
            )
          : Effect.succeed({ _tag: verdict._tag, why: verdict.why })
      const written = Effect.flatMap(stored, (end) =>
        store.transaction(
          Effect.andThen(
            Effect.withFiber((fiber) =>
              Effect.provideContext(
                handle(entry, input, verdict, learned),
                withServices(fiber.context, services) as Context.Context<never>
              )
            ),
            Effect.flatMap(settle(entry, end, learned), (own) => (own ? Effect.void : Effect.fail(new Stale())))
          )
        )
      )
      return Effect.matchCauseEffect(written, {
        onSuccess: () =>
          Effect.andThen(
            Metric.update(counters[verdict._tag], 1),
            verdict._tag === "Delivered" ? Effect.void : tell(entry, verdict, learned)
          ),
        onFailure: (cause): Effect.Effect<unknown, StoreError> => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          if (cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof Stale)) {
            return Effect.logDebug(`${name}: the claim on ${entry.id} was taken over`)
          }
          return Effect.andThen(
            annotated(
              entry,
              Effect.logError(`${name}: the handler of ${verdict._tag} failed; it runs again later`, cause)
            ),
            Effect.flatMap(
              // An answer that is stored stays as it is: what could not be read of it now, another deploy may read.
              entry.answer === undefined
                ? Effect.catch(answerOf(durable, verdict), () => Effect.undefined)
                : Effect.succeed(entry.answer),
              (answer) => again(entry, { counts: true, pausing: true, hint: 0 }, answer, learned)
            )
          )
        }
      }).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : annotated(entry, Effect.logError(`${name}: what became of ${entry.id} could not be written down`, cause))
        )
      ) as Effect.Effect<void>
    }

    const annotated = <A>(entry: Entry, self: Effect.Effect<A>) =>
      Effect.annotateLogs(self, {
        integration,
        operation,
        entry: entry.id,
        correlation_id: entry.correlationId,
        ...(entry.key === undefined ? {} : { idempotency_key: entry.key })
      })
    const tell = (entry: Entry, verdict: Exclude<Verdict, { readonly _tag: "Delivered" }>, learned: Learned) =>
      annotated(
        entry,
        Effect.logWarning(
          verdict._tag === "Dead"
            ? `${name}: the stored call ${entry.id} is dead: ${verdict.why}; outcome ${learned.outcome}`
            : `${name}: the stored call ${entry.id} needs to be reconciled: ${verdict.why}`
        )
      )

    const one = ({ entry, now }: Claimed): Effect.Effect<void> =>
      Effect.withFiber((fiber) => {
        const here = nowOf(fiber)
        const local = (at: number | undefined) => (at === undefined ? undefined : at - now + here)
        const ends = (
          input: unknown,
          decided: Decided,
          learned: Learned,
          kept: Effect.Effect<string | undefined> = Effect.succeed(entry.answer)
        ): Effect.Effect<void> =>
          decided._tag === "Again"
            ? Effect.catchCause(
                Effect.asVoid(Effect.flatMap(kept, (answer) => again(entry, decided, answer, learned))),
                (cause) =>
                  Cause.hasInterruptsOnly(cause)
                    ? Effect.failCause(cause as Cause.Cause<never>)
                    : Effect.logWarning(`${name}: ${entry.id} could not be given back; its lease will end`)
              )
            : // How far it had come does not matter any more.
              conclude({ ...entry, answer: undefined }, input, decided, learned)
        const input = Effect.map(Effect.exit(load(durable, entry)), (exit) =>
          Exit.isSuccess(exit) ? exit.value : undefined
        )
        return Effect.flatMap(input, (loaded) => {
          if (entry.answer !== undefined) {
            return Effect.matchEffect(readAnswer(durable, entry, entry.answer), {
              onFailure: (reason) =>
                conclude(
                  entry,
                  loaded?.input,
                  {
                    _tag: Outcome.didNotHappen(entry.outcome) ? "Dead" : "NeedsReconcile",
                    why: "schema",
                    failure: undefined
                  },
                  { ...unchanged(entry), history: unreadOf(entry, reason, here) }
                ),
              onSuccess: (verdict) =>
                verdict._tag === "Progress"
                  ? deliver(loaded, verdict.progress)
                  : // A handler of a delivery is promised the input.
                    verdict._tag === "Delivered" && loaded === undefined
                    ? Effect.andThen(
                        annotated(
                          entry,
                          Effect.logError(
                            `${name}: ${entry.id} happened, but its input can't be read, so that its handler can't be told; it is tried again later`
                          )
                        ),
                        ends(undefined, { _tag: "Again", counts: true, pausing: true, hint: 0 }, unchanged(entry))
                      )
                    : conclude(entry, loaded?.input, verdict, unchanged(entry))
            })
          }
          return deliver(loaded, undefined)
        })

        /** Makes the call, or goes on with it from where an earlier delivery has left it. */
        function deliver(loaded: Loaded | undefined, progress: unknown): Effect.Effect<void> {
          const known = before(entry, now)
          if (known !== undefined) return ends(loaded?.input, known, unchanged(entry))
          if (loaded === undefined) {
            return ends(undefined, { _tag: "Dead", why: "schema", failure: undefined }, unchanged(entry))
          }
          let call: CallRecord | undefined
          return Effect.flatMap(
            Effect.onExit(
              durable.resume(
                loaded,
                entry,
                (made) => void (call = made),
                {
                  firstSentAt: local(entry.firstSentAt),
                  inDoubtAt: local(entry.inDoubtAt),
                  leaseUntil: here + durable.limit + grace / 2
                },
                progress
              ),
              (exit) => {
                // The process ends: what is known is written down, and the entry is free for another.
                if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return Effect.void
                const tried = call === undefined ? "NotSent" : Outcome.fold(call.attempts)
                return bounded(
                  Effect.flatMap(
                    call === undefined ? Effect.succeed(entry.answer) : progressOf(durable, call),
                    (answer) =>
                      again(
                        entry,
                        // One that waits for a piece of work to end spends nothing by being stopped.
                        {
                          counts: answer === undefined && !Outcome.didNotHappen(tried),
                          pausing: false,
                          hint: 0
                        },
                        answer,
                        call === undefined ? unchanged(entry) : learnedOf(undefined, call, entry.history, nowOf(fiber))
                      )
                  )
                )
              }
            ),
            ({ call, exit }) =>
              ends(
                loaded.input,
                decide(
                  durable,
                  entry,
                  exit,
                  Outcome.fold(call.attempts),
                  options.maxAttempts,
                  call.progress !== undefined
                ),
                learnedOf(exit, call, entry.history, nowOf(fiber)),
                progressOf(durable, call)
              )
          )
        }
      })

    // ---- the loop

    const awake = yield* Latch.make(false)
    yield* store.onOffer((what) => {
      if (what.integration === integration && what.operation === operation) awake.openUnsafe()
    })
    let running = 0
    let stopping = false
    let failing = false
    const fibers = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(fibers)<never>()
    const turn = Effect.suspend(() => {
      awake.closeUnsafe()
      const limit = options.concurrency - running
      if (limit === 0) return Effect.succeed(0)
      return Effect.flatMap(store.claim({ integration, operation, limit, lease }), (claimed) => {
        failing = false
        for (const each of claimed) {
          running++
          fork(
            Effect.ensuring(
              Effect.catchCause(one(each), (cause) =>
                Cause.hasInterruptsOnly(cause)
                  ? Effect.void
                  : Effect.logError(`${name}: a stored call was left to its lease`, cause)
              ),
              Effect.sync(() => {
                running--
                // There may be more than could run at once, and the next of a lane.
                awake.openUnsafe()
              })
            )
          )
        }
        return Effect.succeed(claimed.length)
      })
    })
    const loop: Effect.Effect<void> = Effect.suspend(() =>
      stopping
        ? Effect.void
        : Effect.flatMap(
            Effect.catch(
              // What was claimed is run: nothing may come between.
              Effect.uninterruptible(turn),
              (error) => {
                if (failing) return Effect.succeed(0)
                failing = true
                return Effect.as(Effect.logWarning(`${name}: stored calls can't be read`, error.message), 0)
              }
            ),
            () => Effect.andThen(Effect.raceFirst(awake.await, Effect.sleep(options.poll)), loop)
          )
    )
    yield* upkeep(durable, store)
    const looping = yield* Effect.forkScoped(loop)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        stopping = true
        looping.interruptUnsafe()
        return Effect.andThen(
          Effect.raceFirst(FiberSet.awaitEmpty(fibers), Effect.sleep(options.drain)),
          FiberSet.clear(fibers)
        )
      })
    )
  })
