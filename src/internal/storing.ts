// The two ways into the outbox: a call that is parked when its retries are spent, and one that is stored before it is sent.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { CallStep } from "../Call.ts"
import { CallFailure } from "../CallFailure.ts"
import type { Bounds } from "../Exhaustion.ts"
import * as Outcome from "../Outcome.ts"
import { parked, queued } from "../OutboxEntry.ts"
import type { Entry, Lane } from "../OutboxEntry.ts"
import type { Claimed, Offer, Offered, Store, StoreError } from "../OutboxStore.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { answerOf, decide, type Durable, idOf, learnedOf, payloadOf, progressOf, resultOf } from "./durable.ts"
import { withoutStack } from "./stack.ts"
import { nowOf } from "./timer.ts"

/** How long storing may take, past which the call's own result stands. */
const limit = 1_000

/** How long, after a call's own deadline, its owner has to write down what became of it. */
export const grace = 10_000

/** What is parked: what was turned away here, did not arrive, was throttled, or whose answer is not known. */
const parkable: ReadonlySet<Reason.Tag> = new Set([
  "CircuitOpen",
  "BulkheadFull",
  "RateLimited",
  "BudgetSpent",
  "DeadlineExceeded",
  "Draining",
  "Unreachable",
  "Disconnected",
  "Timeout",
  "Throttled",
  "NotProcessed",
  "Unavailable",
  "InProgress",
  "BodyLost"
])

const laneOf = (bounds: Bounds<never>, input: unknown): Lane | undefined =>
  bounds.lane === undefined ? undefined : { name: bounds.lane(input as never), onDead: bounds.onDead ?? "block" }

const traceparent = (fiber: Fiber.Fiber<unknown, unknown>): string | undefined => {
  const span = fiber.cache.span
  return span === undefined || span.traceId === "noop"
    ? undefined
    : `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
}

const offer = (
  store: Store,
  durable: Durable,
  call: CallRecord,
  origin: Entry["origin"],
  options: Pick<Offer, "delay" | "lease" | "history">
): Effect.Effect<{ readonly id: string; readonly offered: Offered }, StoreError | Reason.Reason> =>
  Effect.withFiber((fiber) =>
    Effect.flatMap(payloadOf(durable.keep, durable.cipher, call), ({ fingerprint, payload }) =>
      Effect.flatMap(idOf(call.integration, call.operation, call.key), (id) => {
        const now = nowOf(fiber)
        const { expiresAfter } = durable.bounds
        const { firstSentAt, lastInDoubtAt } = call
        const outcome = call.outcome()
        return Effect.map(
          store.offer({
            id,
            integration: call.integration,
            operation: call.operation,
            key: call.key,
            fingerprint,
            origin,
            payload,
            correlationId: call.correlationId,
            traceparent: traceparent(fiber),
            lane: laneOf(durable.bounds, call.input),
            outcome,
            firstSentAgo: firstSentAt === undefined ? undefined : Math.max(0, now - firstSentAt),
            inDoubtAgo: lastInDoubtAt === undefined ? undefined : Math.max(0, now - lastInDoubtAt),
            attempts: Outcome.didNotHappen(outcome) ? 0 : 1,
            expiresAfter: expiresAfter === undefined ? undefined : Duration.fromInputUnsafe(expiresAfter),
            ...options
          }),
          (offered) => ({ id, offered })
        )
      })
    )
  )

const over: ReadonlySet<Entry["state"]> = new Set(["Dead", "NeedsReconcile", "Discarded"])

/**
 * How an effect ends that writes something down: within a second, whatever the caller does meanwhile, for what was sent is
 * not to be lost. Past that it is given up, and who waits for it is not held up if it does not heed that.
 */
export const bounded = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E | string>> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(self)), (fiber) => {
      let late = false
      const written = Effect.callback<Exit.Exit<A, E | string>>((resume) => {
        fiber.addObserver((exit) => {
          if (!late) resume(Effect.succeed(exit))
        })
      })
      const given = Effect.map(Effect.sleep(limit), () => {
        late = true
        fiber.interruptUnsafe()
        return Exit.fail(`the outbox took longer than ${limit} ms`)
      })
      return Effect.raceFirst(Effect.interruptible(written), Effect.interruptible(given))
    })
  )

// ---- park

/** Stores what the policy gave up. */
export const park = (store: Store, durable: Durable, prepare: CallStep, step: CallStep): CallStep => {
  const { bounds } = durable
  const attempt = (call: CallRecord, failure: CallFailure | undefined): Effect.Effect<unknown, unknown> =>
    Effect.withFiber((fiber) => {
      const now = nowOf(fiber)
      const settle = Outcome.didNotHappen(call.outcome()) ? 0 : durable.settle
      const hint = failure?.retryAfter === undefined ? 1_000 : Duration.toMillis(failure.retryAfter)
      const history =
        call.attempts.length === 0
          ? []
          : learnedOf(failure === undefined ? undefined : Exit.fail(failure), call, [], now).history
      return Effect.flatMap(
        offer(store, durable, call, "park", {
          delay: Duration.millis(Math.max(hint, settle)),
          lease: undefined,
          history
        }),
        ({ id, offered }): Effect.Effect<unknown, unknown> => {
          const is = () => {
            call.stored = "parked"
            return parked(id, call.outcome())
          }
          if (offered._tag === "Mismatch") {
            return Effect.fail("another call with this key is stored, and it asks for something else")
          }
          if (offered._tag === "Stored") return Effect.sync(is)
          const { entry } = offered
          // It was stored before and has been made since: this is the answer.
          if (entry.state === "Delivered") return resultOf(durable, entry)
          return over.has(entry.state)
            ? Effect.fail(`the same call is stored as ${id}, and is ${entry.state}: see to that`)
            : Effect.sync(is)
        }
      )
    })
  const stored = (call: CallRecord, failure: CallFailure | undefined) => bounded(store.outside(attempt(call, failure)))
  const instead = (call: CallRecord, failure: CallFailure): Effect.Effect<unknown, CallFailure> =>
    Effect.flatMap(stored(call, failure), (exit) =>
      Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.fail(notParked(failure, exit.cause))
    )

  const make: CallStep = (given) => {
    const call = given as CallRecord
    let interrupted = false
    return Effect.matchCauseEffect(
      Effect.onExit(step(call), (exit) => {
        // The caller gave up, or the process ends: what may have arrived is stored all the same.
        if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return Effect.void
        interrupted = true
        const sent = call.attempts.some(({ outcome }) => outcome !== "NotSent")
        return !sent || call.attempts.at(-1)?.reason === "Success"
          ? Effect.void
          : Effect.flatMap(stored(call, undefined), (exit) =>
              Exit.isSuccess(exit)
                ? Effect.void
                : Effect.logWarning(`${call.integration} ${call.operation} was given up and could not be parked`)
            )
      }),
      {
        onSuccess: Effect.succeed,
        onFailure: (cause) => {
          if (interrupted) return Effect.failCause(cause as Cause.Cause<never>)
          const failure = Cause.squash(cause)
          if (!(failure instanceof CallFailure) || call.prepared === undefined || !parkable.has(failure.reason._tag)) {
            return Effect.failCause(cause)
          }
          return instead(call, failure)
        }
      }
    )
  }
  if (bounds.lane === undefined) return make
  // What is newer goes behind what is older.
  return (given) =>
    Effect.flatMap(prepare(given), () => {
      const call = given as CallRecord
      const { name } = laneOf(bounds, call.input)!
      const failure = (message: string) =>
        Effect.withFiber<never, CallFailure>((fiber) =>
          Effect.fail(call.fail(Reason.make("NotStored", { message }), "not transient", nowOf(fiber)))
        )
      return Effect.matchEffect(store.outside(store.isBusy({ integration: call.integration, name })), {
        onFailure: (error) => failure(`whether its lane is free can't be told: ${error.message}`),
        onSuccess: (busy) =>
          busy
            ? Effect.catch(failure("an earlier call of its lane is stored"), (failed) => instead(call, failed))
            : make(call)
      })
    })
}

const notParked = (failure: CallFailure, cause: Cause.Cause<unknown>): CallFailure => {
  const error = Cause.squash(cause)
  const parkFailed =
    typeof error === "string"
      ? error
      : typeof error === "object" && error !== null && "message" in error
        ? String(error.message)
        : "the outbox failed"
  const copy = withoutStack(() => new CallFailure({ ...failure, parkFailed }))
  if (failure.stack !== undefined) copy.stack = failure.stack.replace(failure.message, copy.message)
  return copy
}

// ---- write-ahead

/** Stores a call before it is sent: within a transaction for later, else for now. */
export const writeAhead = (
  store: Store,
  durable: Durable,
  maxAttempts: number,
  prepare: CallStep,
  step: CallStep
): CallStep => {
  const refuse = (call: CallRecord, reason: Reason.Reason) =>
    Effect.withFiber<never, CallFailure>((fiber) => Effect.fail(call.fail(reason, "not transient", nowOf(fiber))))
  const failed = (call: CallRecord) => (error: StoreError | Reason.Reason) =>
    refuse(
      call,
      error._tag === "OutboxStoreError"
        ? Reason.make("NotStored", {
            message: error.message,
            error,
            transient: error.reason !== "OtherTransaction",
            cause: error.cause
          })
        : error
    )
  const later = (call: CallRecord, id: string) =>
    Effect.sync(() => {
      call.stored = "queued"
      return queued(id)
    })

  /** The try that follows at once, by the one who stored the call. */
  const now = (call: CallRecord, { entry }: Claimed): Effect.Effect<unknown, CallFailure> =>
    Effect.withFiber((fiber) => {
      call.leaseUntil = nowOf(fiber) + durable.limit + grace / 2
      call.durable = true
      return Effect.matchCauseEffect(
        Effect.onExit(step(call), (exit) => conclude(call, entry, exit, nowOf(fiber))),
        {
          onSuccess: Effect.succeed,
          onFailure: (cause) => {
            const failure = Cause.squash(cause)
            return failure instanceof CallFailure && isOpen(call, entry, Exit.fail(failure))
              ? later(call, entry.id)
              : Effect.failCause(cause)
          }
        }
      )
    })
  const decided = (call: CallRecord, entry: Entry, exit: Exit.Exit<unknown, CallFailure>) =>
    decide(durable, entry, exit, Outcome.fold(call.attempts), maxAttempts, call.progress !== undefined)
  const isOpen = (call: CallRecord, entry: Entry, exit: Exit.Exit<unknown, CallFailure>) =>
    decided(call, entry, exit)._tag === "Again"
  /** What became of it is written down for the worker, whose handlers run for it. */
  const conclude = (call: CallRecord, entry: Entry, exit: Exit.Exit<unknown, CallFailure>, at: number) => {
    const what = decided(call, entry, exit)
    const learned = learnedOf(exit, call, entry.history, at)
    const written =
      what._tag === "Again"
        ? Effect.flatMap(progressOf(durable, call), (answer) =>
            store.settle(
              entry,
              {
                _tag: "Again",
                delay: Duration.millis(Math.max(what.hint, what.pausing ? 1_000 : 0)),
                counts: what.counts,
                pausing: what.pausing,
                answer
              },
              learned
            )
          )
        : Effect.flatMap(answerOf(durable, what), (answer) =>
            store.settle(entry, { _tag: "Again", delay: Duration.zero, counts: true, pausing: false, answer }, learned)
          )
    // What the call came to is never turned into an error, nor held back: when the lease ends, a worker looks after the entry.
    return Effect.flatMap(bounded(written), (end) =>
      Exit.isSuccess(end)
        ? Effect.void
        : Effect.logWarning(
            `${call.integration} ${call.operation}: what became of the stored call ${entry.id} could not be written down; a worker will see to it`
          )
    )
  }

  return (given) =>
    Effect.flatMap(prepare(given), () => {
      const call = given as CallRecord
      return Effect.flatMap(store.openTransaction, (open): Effect.Effect<unknown, CallFailure> => {
        if (open === "other") {
          return refuse(
            call,
            Reason.make("NotStored", {
              message:
                "a transaction of another database is open: give the outbox the same SqlClient, or call outside of the transaction",
              transient: false
            })
          )
        }
        return Effect.matchEffect(
          offer(store, durable, call, "write-ahead", {
            delay: Duration.zero,
            lease: open === "own" ? undefined : Duration.millis(durable.limit + grace),
            history: []
          }),
          {
            onFailure: failed(call),
            onSuccess: ({ id, offered }): Effect.Effect<unknown, CallFailure> => {
              if (offered._tag === "Mismatch") return refuse(call, Reason.make("KeyConflict"))
              if (offered._tag === "Stored") {
                return offered.claim === undefined ? later(call, id) : now(call, offered.claim)
              }
              const { entry } = offered
              if (entry.state === "Delivered") {
                return Effect.catch(resultOf(durable, entry), (reason) =>
                  refuse(call, { ...reason, outcome: "Applied", message: `it was delivered before; ${reason.message}` })
                )
              }
              return over.has(entry.state)
                ? refuse(
                    call,
                    Reason.make("NotStored", {
                      message: `the same call is stored as ${id}, and is ${entry.state}: see to that`,
                      outcome: entry.outcome,
                      transient: false
                    })
                  )
                : later(call, id)
            }
          }
        )
      })
    })
}
