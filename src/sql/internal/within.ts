import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreError } from "../../IdempotencyStore.ts"

/** The effect's own failure, past a transaction that fails with errors of its own. */
class Own<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/** Runs an effect in a transaction, and tells its own failure from those of the database. */
export const within = <A, E, R>(
  transaction: <A2, E2, R2>(self: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2 | SqlError, R2>,
  self: Effect.Effect<A, E, R>,
  failed: (error: SqlError) => StoreError
): Effect.Effect<A, E | StoreError, R> =>
  Effect.mapError(transaction(Effect.mapError(self, (error) => new Own(error))), (error) =>
    error instanceof Own ? error.error : failed(error as SqlError)
  )
