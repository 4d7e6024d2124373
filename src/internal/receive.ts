// How something is run once per key: the two modes of a receiver, over the store's transitions. What a result looks like
// and what an answer means is the business of `Receiver` and of `HttpReceiver`.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import {
  type Address,
  type Claim,
  type ClaimOptions,
  isStoreError,
  type OnLostLease,
  type Owner,
  type Step,
  type Store,
  StoreError,
  type TransactionalStore
} from "../IdempotencyStore.ts"
import { differ } from "./fingerprint.ts"
import { Running } from "./running.ts"

/** What is to be kept of how the handler ended. */
export type Verdict =
  /** It is over: this is the answer, or one that is not kept. */
  | { readonly _tag: "Keep"; readonly result: string | undefined }
  /** Nothing happened: the key is free again. */
  | { readonly _tag: "Nothing" }
  /** It may have happened. */
  | { readonly _tag: "InDoubt" }

export interface Settings {
  readonly timeToLive: Duration.Duration
  /** How long a caller waits for another who is at work. */
  readonly wait: Duration.Duration
}

export interface LeasedSettings extends Settings {
  readonly lease: Duration.Duration
  readonly maxRun: Duration.Duration
  readonly onLostLease: OnLostLease
}

export interface TransactionalSettings extends Settings {
  readonly lockTimeout: Duration.Duration
}

/** One request for one key. */
export interface Work<A, E, R> {
  readonly address: Address
  readonly fingerprint: string
  readonly handler: Effect.Effect<A, E, R>
  readonly judge: (exit: Exit.Exit<A, E>) => Effect.Effect<Verdict>
}

/** How a request ended. */
export type Received<A, E> =
  /** The handler ran, and this is its exit. `recorded` is false where the store failed after the fact. */
  | { readonly _tag: "Ran"; readonly exit: Exit.Exit<A, E>; readonly recorded: boolean }
  | { readonly _tag: "Replay"; readonly result: string | undefined }
  | { readonly _tag: "InFlight"; readonly retryAfter: Duration.Duration }
  | { readonly _tag: "Mismatch" }
  | { readonly _tag: "Held" }
  /** The store failed before the handler ran, or it is not known whether a transaction was committed. */
  | { readonly _tag: "StoreFailed"; readonly error: StoreError }

const poll = Duration.millis(200)

/**
 * Claims. A store compares fingerprints as text. One that another version made in another way is no other request, so it
 * is claimed as what it was stored with: what is done is told, and nothing runs twice for a deploy.
 */
const claimIn = (store: Store, options: ClaimOptions): Effect.Effect<Claim, StoreError> =>
  Effect.flatMap(store.claim(options), (claimed) =>
    claimed._tag !== "Mismatch"
      ? Effect.succeed(claimed)
      : Effect.flatMap(store.get(options), (found) => {
          const fingerprint = Option.getOrUndefined(found)?.fingerprint
          return fingerprint === undefined || differ(fingerprint, options.fingerprint)
            ? Effect.succeed(claimed)
            : store.claim({ ...options, fingerprint })
        })
  )

/** Claims until it is clear whose turn it is, or the wait is over. */
const claiming = (claim: Effect.Effect<Claim, StoreError>, wait: Duration.Duration): Effect.Effect<Claim, StoreError> =>
  Effect.flatMap(Clock.currentTimeMillis, (started) => {
    const again: Effect.Effect<Claim, StoreError> = Effect.flatMap(claim, (claimed) => {
      if (claimed._tag !== "InFlight") return Effect.succeed(claimed)
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const left = started + Duration.toMillis(wait) - now
        return left <= 0
          ? Effect.succeed(claimed)
          : Effect.andThen(
              Effect.sleep(Duration.min(Duration.min(claimed.retryAfter, poll), Duration.millis(left))),
              again
            )
      })
    })
    return again
  })

// ---- leased

/**
 * The claim commits first, the handler runs under a lease that is renewed, and its end is written under the claim's epoch.
 */
export const leased = <A, E, R>(
  store: Store,
  settings: LeasedSettings,
  work: Work<A, E, R>
): Effect.Effect<Received<A, E>, never, Exclude<R, Running>> => {
  const { address, fingerprint } = work
  const { lease, onLostLease, timeToLive } = settings
  const claim = claimIn(store, { ...address, fingerprint, lease, timeToLive, onLostLease })
  const start = Effect.matchEffect(claiming(claim, settings.wait), {
    onFailure: (error) => Effect.succeed<Received<A, E>>({ _tag: "StoreFailed", error }),
    onSuccess: (claimed) =>
      claimed._tag === "Started"
        ? owning({ ...address, epoch: claimed.epoch }, claimed.steps)
        : Effect.succeed<Received<A, E>>(claimed)
  })

  const owning = (
    owner: Owner,
    steps: ReadonlyArray<Step>
  ): Effect.Effect<Received<A, E>, never, Exclude<R, Running>> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        let lost = false
        const running: Running["Service"] = {
          address,
          steps: new Map(steps.map(({ data, name }) => [name, data])),
          save: (step) =>
            Effect.flatMap(store.saveStep(owner, step), (own) => {
              if (own) return Effect.void
              lost = true
              return Effect.interrupt
            })
        }
        const handler = yield* Effect.forkChild(
          Effect.interruptible(
            Effect.timeoutOrElse(Effect.provideService(work.handler, Running, running), {
              duration: settings.maxRun,
              orElse: () =>
                Effect.die(new Error(`the handler was cut after ${Duration.format(settings.maxRun)} (maxRun)`))
            })
          ),
          { startImmediately: true }
        )
        const renewing = yield* Effect.forkChild(
          Effect.interruptible(
            Effect.flatMap(
              Effect.repeat(
                Effect.delay(
                  // A store that can't be reached has not taken the lease away: the next renewal may be in time.
                  Effect.catch(store.renew(owner, lease), () => Effect.succeed(true)),
                  Duration.times(lease, 1 / 3)
                ),
                { while: (own) => own }
              ),
              () => {
                lost = true
                return Fiber.interrupt(handler)
              }
            )
          )
        )
        const exit = yield* restore(Fiber.await(handler)).pipe(
          Effect.onInterrupt(() => Effect.andThen(Fiber.interrupt(handler), abandon(owner)))
        )
        yield* Fiber.interrupt(renewing)
        if (lost) return yield* Effect.flatMap(reread, (known) => Effect.succeed(known ?? ran(exit, false)))
        const verdict = yield* work.judge(exit)
        const written = yield* Effect.exit(settle(owner, verdict))
        if (Exit.isFailure(written)) return ran(exit, false)
        if (written.value) return ran(exit, true)
        // Fenced: another owner has taken over, and its record is the answer.
        return (yield* reread) ?? ran(exit, false)
      })
    ) as never

  const abandon = (owner: Owner) =>
    Effect.ignore(onLostLease === "hold" ? store.hold(owner) : store.renew(owner, Duration.zero))

  const settle = (owner: Owner, verdict: Verdict): Effect.Effect<boolean, StoreError> => {
    const write = Effect.suspend(() => {
      if (verdict._tag === "Keep") return store.complete(owner, { result: verdict.result, timeToLive })
      if (verdict._tag === "Nothing") return store.release(owner)
      return onLostLease === "hold" ? store.hold(owner) : store.renew(owner, Duration.zero)
    })
    // As long as the lease is ours, nobody else can have started.
    return Effect.retry(write, { times: 10, schedule: Schedule.spaced(Duration.times(lease, 1 / 20)) })
  }

  /** What another owner has left, if it is final. */
  const reread: Effect.Effect<Received<A, E> | undefined> = Effect.catch(
    Effect.map(store.get(address), (found): Received<A, E> | undefined => {
      const record = Option.getOrUndefined(found)
      if (record?.state === "Done") return { _tag: "Replay", result: record.result }
      if (record?.state === "Held") return { _tag: "Held" }
      if (record?.state === "Running") return { _tag: "InFlight", retryAfter: lease }
      return undefined
    }),
    () => Effect.succeed(undefined)
  )

  return start
}

const ran = <A, E>(exit: Exit.Exit<A, E>, recorded: boolean): Received<A, E> => ({ _tag: "Ran", exit, recorded })

// ---- transactional

/** Rolls the transaction back with what the handler ended with. */
class RolledBack<A, E> {
  readonly exit: Exit.Exit<A, E>
  constructor(exit: Exit.Exit<A, E>) {
    this.exit = exit
  }
}

/**
 * The claim, what the handler writes and its end are one transaction. A crash anywhere leaves nothing; a failure that is
 * an answer rolls back what the handler wrote and commits the record.
 */
export const transactional = <A, E, R>(
  store: TransactionalStore["Service"],
  settings: TransactionalSettings,
  work: Work<A, E, R>
): Effect.Effect<Received<A, E>, never, Exclude<R, Running>> => {
  const { address, fingerprint } = work
  const { lockTimeout, timeToLive } = settings
  const running: Running["Service"] = { address, steps: new Map(), save: () => Effect.void }

  const inside: Effect.Effect<Received<A, E>, RolledBack<A, E> | StoreError, R> = Effect.flatMap(
    // Nobody but this transaction sees the lease: it ends with the transaction.
    claimIn(store, { ...address, fingerprint, lease: Duration.minutes(10), timeToLive, onLostLease: "rerun" }),
    (claimed) => {
      if (claimed._tag !== "Started") return Effect.succeed<Received<A, E>>(claimed)
      const owner = { ...address, epoch: claimed.epoch }
      return Effect.flatMap(attempted, (exit) =>
        Effect.flatMap(work.judge(exit), (verdict): Effect.Effect<Received<A, E>, RolledBack<A, E> | StoreError> => {
          if (verdict._tag !== "Keep") return Effect.fail(new RolledBack(exit))
          return Effect.flatMap(
            store.complete(owner, { result: verdict.result, timeToLive }),
            (own): Effect.Effect<Received<A, E>, StoreError> =>
              own
                ? Effect.succeed(ran(exit, true))
                : // What the handler wrote is rolled back: its success must not be told.
                  Effect.fail(
                    new StoreError({
                      reason: "Unavailable",
                      store: "transactional",
                      operation: "complete",
                      tookEffect: "no",
                      cause: "the claim was lost before it was completed"
                    })
                  )
          )
        })
      )
    }
  )

  // The handler's own failure travels as a value past the savepoint that it rolls back.
  const attempted: Effect.Effect<Exit.Exit<A, E>, StoreError, R> = Effect.matchCauseEffect(
    store.savepoint(Effect.provideService(work.handler, Running, running) as Effect.Effect<A, E, R>),
    {
      onSuccess: (value) => Effect.succeed(Exit.succeed(value)),
      onFailure: (cause): Effect.Effect<Exit.Exit<A, E>, StoreError> => {
        const ofStore = cause.reasons.find((reason) => Cause.isFailReason(reason) && isStoreError(reason.error))
        return Cause.hasInterruptsOnly(cause) || ofStore !== undefined
          ? Effect.failCause(cause as Cause.Cause<StoreError>)
          : Effect.succeed(Exit.failCause(cause as Cause.Cause<E>))
      }
    }
  )

  const once = Effect.matchCauseEffect(store.transaction({ lockTimeout })(inside), {
    onSuccess: (received) => Effect.succeed(received),
    onFailure: (cause): Effect.Effect<Received<A, E>, StoreError> => {
      const error = cause.reasons.find(Cause.isFailReason)?.error
      if (error instanceof RolledBack) return Effect.succeed(ran(error.exit as Exit.Exit<A, E>, true))
      if (error !== undefined) return Effect.fail(error as StoreError)
      return Effect.failCause(cause as Cause.Cause<never>)
    }
  })

  return Effect.catch(once, (error): Effect.Effect<Received<A, E>> => {
    if (error.reason === "Busy") return Effect.succeed({ _tag: "InFlight", retryAfter: lockTimeout })
    if (error.tookEffect === "no") return Effect.succeed({ _tag: "StoreFailed", error })
    // Whether the commit took place is not known: the record says it, on a connection of its own.
    return Effect.match(store.get(address), {
      onFailure: () => ({ _tag: "StoreFailed", error }) as const,
      onSuccess: (found) => {
        const record = Option.getOrUndefined(found)
        return record?.state === "Done" && !differ(record.fingerprint, fingerprint)
          ? ({ _tag: "Replay", result: record.result } as const)
          : ({ _tag: "StoreFailed", error } as const)
      }
    })
  }) as never
}
