import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"

/** The effect's own failure, past a transaction that fails with errors of its own. */
class Own<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/**
 * Runs an effect in a transaction, and tells its own failure from those of the database.
 *
 * Where the rollback fails too, because the connection was lost, Effect makes defects of both. But nothing was committed,
 * and what the effect failed with is still why: it fails with that, and the database undoes what is left of the rest.
 */
export const within = <A, E, R, E2>(
  transaction: <A2, E3, R2>(self: Effect.Effect<A2, E3, R2>) => Effect.Effect<A2, E3 | SqlError, R2>,
  self: Effect.Effect<A, E, R>,
  failed: (error: SqlError) => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.catchCause(transaction(Effect.mapError(self, (error) => new Own(error))), (cause) => {
    const own = Cause.hasInterrupts(cause)
      ? undefined
      : cause.reasons.map(defectOf).find((defect) => defect instanceof Own)
    return own === undefined
      ? Effect.failCause(Cause.map(cause, (error) => (error instanceof Own ? error.error : failed(error))))
      : Effect.andThen(
          Effect.logDebug("a rollback failed; the database undoes what was not committed", cause.reasons.map(defectOf)),
          Effect.fail(own.error as E)
        )
  })

const defectOf = (reason: Cause.Reason<unknown>): unknown => (reason._tag === "Die" ? reason.defect : undefined)
