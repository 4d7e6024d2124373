/**
 * Read, change, write: what a conditional write is for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * Options of `update`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E, R, B, E2, R2> {
  /** Reads what is there, with its version. */
  readonly read: Effect.Effect<A, E, R>
  /** Writes what follows from what was read, under the version that was read. It runs anew for each version. */
  readonly write: (current: A) => Effect.Effect<B, E2, R2>
  /**
   * Whether an error of `write` says that somebody else was faster: what `translate` makes of the declared conflict. Any
   * other error ends it.
   */
  readonly changed: (error: E2) => boolean
  /** How often it is written, the first time included. Default: 5. */
  readonly maxAttempts?: number | undefined
}

/**
 * Reads and writes, and begins again where somebody else was faster, a bounded number of times.
 *
 * **When to use**
 *
 * Use where the change is made from what was read: append to a list, count up, rename if still unnamed. Where the new
 * state is known without reading, a plain PUT is less.
 *
 * **Details**
 *
 * A write under `Idempotency.conditional` (or `versioned`, with the status of the conflict) fails with the declared
 * conflict's own error only when this call has certainly changed nothing; a conflict in doubt is the error of `orElse`,
 * and ends the update. So nothing is ever changed twice. Before it reads again it waits a random time, up to 50 ms, then
 * 100, 200 and so on up to 1 s, for those who write at the same time would meet again. When the attempts are spent it
 * fails with the conflict. A `Deadline` around it bounds it in time.
 *
 * Don't read through `Policy.staleIfError`, or a cache: an old version is a conflict each time.
 *
 * **Example** (Somebody else is faster once)
 *
 * ```ts
 * import { Conditional } from "breakwater"
 * import { Data, Effect } from "effect"
 *
 * class DocumentChanged extends Data.TaggedError("DocumentChanged") {}
 *
 * const document = { version: 1, tags: ["draft"] }
 * let others = 1
 *
 * const tagged = Conditional.update({
 *   read: Effect.sync(() => ({ ...document })),
 *   write: ({ tags, version }) =>
 *     Effect.suspend(() => {
 *       if (others-- > 0) Object.assign(document, { version: 2, tags: ["draft", "urgent"] })
 *       if (version !== document.version) return Effect.fail(new DocumentChanged())
 *       return Effect.succeed(Object.assign(document, { version: version + 1, tags: [...tags, "read"] }).tags)
 *     }),
 *   changed: ({ _tag }) => _tag === "DocumentChanged"
 * })
 *
 * await Effect.runPromise(tagged) // => ["draft", "urgent", "read"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const update = <A, E, R, B, E2, R2>(options: Options<A, E, R, B, E2, R2>): Effect.Effect<B, E | E2, R | R2> => {
  const { changed, maxAttempts = 5, read, write } = options
  const attempt = (number: number): Effect.Effect<B, E | E2, R | R2> =>
    Effect.flatMap(read, (current) =>
      Effect.catch(write(current), (error): Effect.Effect<B, E | E2, R | R2> =>
        number < maxAttempts && changed(error)
          ? Effect.flatMap(Random.nextBetween(0, Math.min(1_000, 25 * 2 ** number)), (wait) =>
              Effect.andThen(Effect.sleep(wait), attempt(number + 1))
            )
          : Effect.fail(error)
      )
    )
  return attempt(1)
}
