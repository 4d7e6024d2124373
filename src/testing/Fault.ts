/**
 * What the wire does to one request, as data.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * One fault. `executes` says whether the provider carries the request out, which its caller can't see.
 *
 * | tag                  | executed?   | what the caller sees                                     |
 * |----------------------|-------------|----------------------------------------------------------|
 * | `Latency`            | yes, late   | the right answer, late                                   |
 * | `Refused`            | no          | no connection (`ECONNREFUSED`)                           |
 * | `ResetBeforeReading` | no          | a reset (`ECONNRESET`), no byte of an answer             |
 * | `ResponseLost`       | yes         | a reset (`ECONNRESET`), no byte of an answer             |
 * | `StallBeforeHeaders` | as it says  | nothing, for ever                                        |
 * | `StallInBody`        | yes         | status and headers, half a body, then nothing            |
 * | `CutBody`            | yes         | status and headers, half a body, then a lost connection  |
 * | `WrongShape`         | yes         | the right status with JSON of another shape              |
 * | `WrongMediaType`     | yes         | the right status with a page of HTML                     |
 * | `Status`             | as it says  | that status                                              |
 * | `HugeBody`           | yes         | the right status with a body of that many bytes          |
 * | `InProgress409`      | no          | 409: another request with this key is at work            |
 * | `DuplicateDelivery`  | as often    | the right answer; the request was delivered twice        |
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "Latency"; readonly duration: Duration.Duration }
  | { readonly _tag: "Refused" }
  | { readonly _tag: "ResetBeforeReading" }
  | { readonly _tag: "ResponseLost" }
  | { readonly _tag: "StallBeforeHeaders"; readonly executes: boolean; readonly after: Duration.Duration }
  | { readonly _tag: "StallInBody" }
  | { readonly _tag: "CutBody" }
  | { readonly _tag: "WrongShape"; readonly body: unknown }
  | { readonly _tag: "WrongMediaType"; readonly mediaType: string; readonly body: string }
  | {
      readonly _tag: "Status"
      readonly status: number
      readonly executes: boolean
      readonly headers: Readonly<Record<string, string>>
      readonly body: unknown
    }
  | { readonly _tag: "HugeBody"; readonly bytes: number; readonly announced: boolean }
  | { readonly _tag: "InProgress409" }
  | { readonly _tag: "DuplicateDelivery"; readonly after: Duration.Duration }

/**
 * The name of a kind of fault.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag = Fault["_tag"]

/**
 * The provider works for `duration` before it carries the request out and answers. It goes on when the caller leaves,
 * and a repeat with the same key is answered 409 meanwhile.
 *
 * @category constructors
 * @since 0.1.0
 */
export const latency = (duration: Duration.Input): Fault => ({
  _tag: "Latency",
  duration: Duration.fromInputUnsafe(duration)
})

/**
 * Nobody listens.
 *
 * @category constructors
 * @since 0.1.0
 */
export const refused: Fault = { _tag: "Refused" }

/**
 * The connection is reset before the request was read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resetBeforeReading: Fault = { _tag: "ResetBeforeReading" }

/**
 * The request is carried out, and then the connection is reset.
 *
 * @category constructors
 * @since 0.1.0
 */
export const responseLost: Fault = { _tag: "ResponseLost" }

/**
 * The request is read, and nothing comes back. Where it `executes`, it does so `after` a time, whether or not the caller
 * is still there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stallBeforeHeaders = (options: {
  readonly executes: boolean
  readonly after?: Duration.Input | undefined
}): Fault => ({
  _tag: "StallBeforeHeaders",
  executes: options.executes,
  after: Duration.fromInputUnsafe(options.after ?? 0)
})

/**
 * The provider answers nothing, and carries the request out `after` this time: the caller has given up, looked, and
 * found nothing, and then it happens.
 *
 * @category constructors
 * @since 0.1.0
 */
export const executesLate = (after: Duration.Input): Fault => stallBeforeHeaders({ executes: true, after })

/**
 * Half of the body arrives, and then nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stallInBody: Fault = { _tag: "StallInBody" }

/**
 * Half of the body arrives, and then the connection is lost.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutBody: Fault = { _tag: "CutBody" }

/**
 * The answer is JSON of another shape.
 *
 * @category constructors
 * @since 0.1.0
 */
export const wrongShape = (body: unknown = { data: { version: "2027-01" } }): Fault => ({ _tag: "WrongShape", body })

/**
 * The answer is not JSON: a proxy's or a captive portal's page.
 *
 * @category constructors
 * @since 0.1.0
 */
export const wrongMediaType = (
  mediaType = "text/html",
  body = "<!doctype html><title>Please sign in</title>"
): Fault => ({ _tag: "WrongMediaType", mediaType, body })

/**
 * The answer has this status. `executes` says whether the provider carried the request out all the same: default no.
 *
 * @category constructors
 * @since 0.1.0
 */
export const status = (
  status: number,
  options?: {
    readonly executes?: boolean | undefined
    /** The text of a `Retry-After` header: seconds, or an HTTP date. */
    readonly retryAfter?: string | number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly body?: unknown
  }
): Fault => ({
  _tag: "Status",
  status,
  executes: options?.executes ?? false,
  headers: {
    ...(options?.retryAfter === undefined ? {} : { "retry-after": String(options.retryAfter) }),
    ...options?.headers
  },
  body: options?.body ?? { error: `status ${status}` }
})

/**
 * The body has this many bytes. `announced` says whether `Content-Length` tells it: default no.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hugeBody = (bytes: number, options?: { readonly announced?: boolean | undefined }): Fault => ({
  _tag: "HugeBody",
  bytes,
  announced: options?.announced ?? false
})

/**
 * The provider says that another request with this key is still at work, in the words of its `KeyWindow`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inProgress409: Fault = { _tag: "InProgress409" }

/**
 * The network, or a proxy that retries, delivers the request twice. The caller gets the first answer.
 *
 * **When to use**
 *
 * Use against operations with a key, and those that are idempotent by nature: a client can't defend anything else
 * against it, which is why `all` leaves it out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const duplicateDelivery = (options?: {
  /** How long after the first the second arrives. Default: at once, when the first is answered. */
  readonly after?: Duration.Input | undefined
}): Fault => ({ _tag: "DuplicateDelivery", after: Duration.fromInputUnsafe(options?.after ?? 0) })

/**
 * One of each kind but `DuplicateDelivery`, and both of those that may or may not execute: what `seeded` draws from
 * unless told otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const all: ReadonlyArray<Fault> = [
  latency(200),
  refused,
  resetBeforeReading,
  responseLost,
  stallBeforeHeaders({ executes: false }),
  stallBeforeHeaders({ executes: true }),
  stallBeforeHeaders({ executes: true, after: 900 }),
  stallInBody,
  cutBody,
  wrongShape(),
  wrongMediaType(),
  status(500),
  status(500, { executes: true }),
  status(502),
  status(502, { executes: true }),
  status(503),
  status(503, { retryAfter: 1 }),
  status(504),
  status(504, { executes: true }),
  status(429),
  status(429, { retryAfter: 1 }),
  hugeBody(6 * 1024 * 1024),
  hugeBody(6 * 1024 * 1024, { announced: true }),
  inProgress409
]
