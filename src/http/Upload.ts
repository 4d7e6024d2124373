/**
 * The body of an upload: a stream of bytes or of elements, and whether it can be made again.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"

const TypeId = "~breakwater/Upload"

/**
 * Options of a body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How many bytes it has. It is sent as `content-length` by clients that can (`fetch` can't), and a body that turns out to
   * have more or less of them fails as `SourceFailed`.
   */
  readonly contentLength?: number | undefined
}

/**
 * A body that can be made again: every attempt makes its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replayable<out A> {
  readonly [TypeId]: "replayable"
  readonly make: () => Stream.Stream<A, unknown>
  readonly contentLength: number | undefined
}

/**
 * A body that can be sent once only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Once<out A> {
  readonly [TypeId]: "once"
  readonly make: () => Stream.Stream<A, unknown>
  readonly contentLength: number | undefined
}

/**
 * A body of either kind.
 *
 * @category models
 * @since 0.1.0
 */
export type Upload<A> = Replayable<A> | Once<A>

/**
 * Returns whether a value is the body of an upload.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUpload = (u: unknown): u is Upload<unknown> => Predicate.hasProperty(u, TypeId)

/**
 * Whether a body can be made again.
 *
 * @category destructors
 * @since 0.1.0
 */
export const kindOf = (self: Upload<unknown>): "once" | "replayable" => self[TypeId]

/**
 * A body that is made anew for every attempt: a file, an object of a store, rows of a query over a snapshot.
 *
 * **Details**
 *
 * `make` promises the same bytes each time. Nobody checks it, but for their number if `contentLength` is given: under
 * `Idempotency.keyed` a provider that compares what it gets answers a repeat with other bytes as `KeyConflict`, and one that
 * does not compare keeps what came first. What a stream acquires is released at the end of each attempt.
 *
 * **Example** (A file that is opened for each attempt)
 *
 * ```ts
 * import { Upload } from "breakwater/http"
 * import { Stream } from "effect"
 *
 * const bytes = new TextEncoder().encode("a,b\n1,2\n")
 * const body = Upload.replayable(() => Stream.succeed(bytes), { contentLength: bytes.length })
 *
 * Upload.kindOf(body) // => "replayable"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const replayable = <A>(make: () => Stream.Stream<A, unknown>, options?: Options): Replayable<A> => ({
  [TypeId]: "replayable",
  make,
  contentLength: options?.contentLength
})

/**
 * A body that is gone once it was read: the body of a request that is passed on, a pipe, a recording that runs.
 *
 * **Details**
 *
 * It belongs to one call. Its first piece is taken before anything is sent, and a second call with the same value fails,
 * with nothing sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const once = <A>(stream: Stream.Stream<A, unknown>, options?: Options): Once<A> => ({
  [TypeId]: "once",
  make: () => stream,
  contentLength: options?.contentLength
})
