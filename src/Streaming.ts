/**
 * What is decided about an answer that comes piece by piece: its limits on time, what its end looks like, and how it goes
 * on when the connection is cut.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

// ---- limits

/**
 * The written-down choice to wait as long as it takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unlimited {
  readonly unlimited: string
}

/**
 * A limit on time, or the reason why there is none.
 *
 * @category models
 * @since 0.1.0
 */
export type Limit = Duration.Input | Unlimited

/**
 * The limits of one stream.
 *
 * **Details**
 *
 * Only `total` counts the time that the consumer takes: `firstByte` and `idle` run while the provider is waited for.
 *
 * | limit       | from                     | to                      | default                           |
 * |-------------|--------------------------|-------------------------|-----------------------------------|
 * | `firstByte` | the start of an attempt  | the first byte it gets  | the attempt timeout of the policy |
 * | `idle`      | a byte, and demand       | the next byte           | 30 seconds                        |
 * | `total`     | the call                 | the end of the stream   | none: it must be given            |
 *
 * The total deadline of the policy bounds the time to the first element, retries included, and after a cut the time to the
 * next one. It never cuts a stream that flows: that is for `total`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** From the call to the end of the stream: as long as it holds its permit. */
  readonly total: Limit
  /** The longest silence of the provider. Default: 30 seconds. */
  readonly idle?: Limit | undefined
  /**
   * How long one attempt may take to its first byte; unlimited, to its status. It replaces the attempt timeout of the
   * policy, which it is by default.
   */
  readonly firstByte?: Limit | undefined
}

/**
 * No limit, and why. For a subscription that has no end, or a provider that sends no sign of life.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unlimited = (reason: string): Unlimited => ({ unlimited: reason })

/**
 * Returns whether a limit is none.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUnlimited = (u: unknown): u is Unlimited => Predicate.hasProperty(u, "unlimited")

// ---- the end

/**
 * One event of an SSE stream, as it stood on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface SseEvent {
  readonly id?: string | undefined
  readonly event: string
  readonly data: string
}

/**
 * What the end of a stream looks like. `Raw` is what comes over the wire, `A` an element.
 *
 * @category models
 * @since 0.1.0
 */
export interface End<in Raw, in A> {
  readonly end: EndData
  readonly "~raw": (_: Raw) => void
  readonly "~a": (_: A) => void
}

/**
 * The data behind an `End`.
 *
 * @category models
 * @since 0.1.0
 */
export type EndData =
  | { readonly _tag: "Marker"; readonly test: (raw: never) => boolean }
  | { readonly _tag: "LastElement"; readonly test: (element: never) => boolean }
  | { readonly _tag: "Endless" }

const makeEnd = <Raw, A>(end: EndData): End<Raw, A> => ({ end }) as End<Raw, A>

/**
 * A mark after the last element, which is no element itself and is not decoded: `data: [DONE]`. A stream that ends without
 * it was truncated. It gets an SSE event as it stood on the wire, or a line of NDJSON as parsed JSON.
 *
 * **Example** (OpenAI)
 *
 * ```ts
 * import { Streaming } from "breakwater"
 *
 * const end = Streaming.marker(({ data }: Streaming.SseEvent) => data === "[DONE]")
 *
 * end.end._tag // => "Marker"
 * ```
 *
 * @category ends
 * @since 0.1.0
 */
export const marker = <Raw>(test: (raw: Raw) => boolean): End<Raw, unknown> => makeEnd({ _tag: "Marker", test })

/**
 * An element that is the last one, such as `{ "done": true }`. A stream that ends without it was truncated.
 *
 * @category ends
 * @since 0.1.0
 */
export const lastElement = <A>(test: (element: A) => boolean): End<unknown, A> => makeEnd({ _tag: "LastElement", test })

/**
 * No end: a subscription. However it ends, it was cut, and goes on where it can be resumed.
 *
 * @category ends
 * @since 0.1.0
 */
export const endless: End<unknown, unknown> = /* @__PURE__ */ makeEnd({ _tag: "Endless" })

// ---- how it goes on

/**
 * How a stream goes on after a cut. `Of` is the kind of stream that can.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resume<out Of extends "sse" | "uint8array"> {
  readonly resume: "Last-Event-ID" | "Range"
  readonly "~of": () => Of
}

/**
 * Asks for what comes after the last event that the consumer got, by `Last-Event-ID`.
 *
 * **Details**
 *
 * Every event needs an id of its own. One without leaves no place to go on from: the stream is then truncated. An event
 * that comes again is dropped, and a provider that begins again from the start is a failure. `retry:` is the least wait.
 *
 * @category resuming
 * @since 0.1.0
 */
export const lastEventId: Resume<"sse"> = { resume: "Last-Event-ID" } as Resume<"sse">

/**
 * Asks for the bytes that are missing, by `Range` and `If-Range`.
 *
 * **Details**
 *
 * It needs a strong `ETag` in the first answer: without one, nothing says that the rest belongs to what came before. What
 * has changed meanwhile is a failure, unless nothing had come. Compression is asked to be off, or the bytes could not be
 * counted.
 *
 * @category resuming
 * @since 0.1.0
 */
export const range: Resume<"uint8array"> = { resume: "Range" } as Resume<"uint8array">
