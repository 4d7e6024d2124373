// Waiting for a lock that another process holds, without stopping the event loop.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { LockTimeoutError, SqlError } from "effect/sql/SqlError"
import { format } from "../../../internal/duration.ts"
import { isBusy } from "./sqliteError.ts"

/** What a wait is wrapped in: it may be interruptible where the attempt is not. */
export type Sleeping = (sleep: Effect.Effect<void>) => Effect.Effect<void>

/** Tries again while a lock is held. */
export type Patience = <A>(attempt: Effect.Effect<A, SqlError>, sleeping?: Sleeping) => Effect.Effect<A, SqlError>

/** SQLite's own waits between two tries. Locks are short, so the first are. */
const delays: ReadonlyArray<number> = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50]
const longest = 100

/**
 * A statement that met a lock has done nothing, so it can be tried again as it is: outside of a transaction, at its BEGIN,
 * and at its COMMIT. Where waiting can't help, the code is another one (SQLITE_BUSY_SNAPSHOT, SQLITE_LOCKED).
 */
export const make =
  (millis: number): Patience =>
  <A>(attempt: Effect.Effect<A, SqlError>, sleeping: Sleeping = (sleep) => sleep) => {
    const after = (error: SqlError, tries: number, deadline: number): Effect.Effect<A, SqlError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now >= deadline
          ? Effect.fail(gaveUp(error, millis))
          : Effect.andThen(
              sleeping(Effect.sleep(Math.min(delays[tries] ?? longest, deadline - now))),
              Effect.catchIf(attempt, isBusy, (error) => after(error, tries + 1, deadline))
            )
      )
    return Effect.catchIf(attempt, isBusy, (error) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => after(error, 0, now + millis))
    )
  }

const gaveUp = ({ reason }: SqlError, millis: number): SqlError =>
  new SqlError({
    reason: new LockTimeoutError({
      cause: reason.cause,
      operation: reason.operation,
      message:
        `${reason.message}: another connection held the lock for all of ${format(millis)} (busyTimeout); ` +
        "run the statement or the whole transaction again"
    })
  })
