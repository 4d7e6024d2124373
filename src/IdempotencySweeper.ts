/**
 * Forgets idempotency records whose time to live has passed, and tells when some are held.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdempotencyStore, type StoreError } from "./IdempotencyStore.ts"

/**
 * Options of a sweeper.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long it rests between two sweeps. Default: 1 minute. */
  readonly every?: Duration.Input | undefined
  /** How many records one statement forgets; a sweep repeats it until there are fewer. Default: 1,000. */
  readonly batch?: number | undefined
}

/**
 * What a sweep found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Swept {
  readonly forgotten: number
  /** How many records are held for a person to resolve: 100 at most are counted. */
  readonly held: number
}

/**
 * Sweeps once.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep = (options?: Options): Effect.Effect<Swept, StoreError, IdempotencyStore> =>
  Effect.flatMap(IdempotencyStore, (store) => {
    const limit = options?.batch ?? 1_000
    const batches = (forgotten: number): Effect.Effect<number, StoreError> =>
      Effect.flatMap(store.sweep({ limit }), (swept) =>
        swept < limit ? Effect.succeed(forgotten + swept) : batches(forgotten + swept)
      )
    return Effect.flatMap(batches(0), (forgotten) =>
      Effect.map(store.held({ limit: 100 }), (held) => ({ forgotten, held: held.length }))
    )
  })

/**
 * Sweeps for as long as the layer lives. Several processes may do so on one store.
 *
 * **Details**
 *
 * It tells with a warning how many records are held, whenever that number has changed: nobody but a person, with the
 * store's `held` and `resolve`, will end them. A store that fails is tried again at the next turn, and told once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, never, IdempotencyStore> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const every = Duration.fromInputUnsafe(options?.every ?? "1 minute")
      let held = 0
      let failing = false
      const turn = Effect.matchEffect(sweep(options), {
        onFailure: (error) => {
          if (failing) return Effect.void
          failing = true
          return Effect.logWarning("the sweep of idempotency records failed", error.message)
        },
        onSuccess: (swept) => {
          failing = false
          if (swept.held === held) return Effect.void
          held = swept.held
          return held === 0
            ? Effect.logInfo("no idempotency record is held any more")
            : Effect.logWarning(
                `${held}${held === 100 ? " or more" : ""} idempotency records are held: it is not known whether they happened; resolve them`
              )
        }
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(turn, Effect.sleep(every))))
    })
  )
