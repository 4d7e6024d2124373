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
 * The provider says that another request with this key is still at work.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inProgress409: Fault = { _tag: "InProgress409" }

/**
 * One of each kind, and both of those that may or may not execute: what `seeded` draws from unless told otherwise.
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

/**
 * Where a fault may strike: the n-th request (from 1) of one operation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrival {
  readonly operation: string
  readonly arrival: number
}

/**
 * Which request meets which fault: a list for all requests in the order of their arrival, a list per operation, or a
 * function. Past the end of a list there is no fault.
 *
 * @category models
 * @since 0.1.0
 */
export type Faults =
  | ReadonlyArray<Fault | undefined>
  | { readonly [operation: string]: ReadonlyArray<Fault | undefined> }
  | ((at: Arrival) => Fault | undefined)

/**
 * Faults as a pure function of the seed, the operation and the number of the arrival: whoever sends the same requests
 * meets the same faults, whatever the timing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seeded = (options: {
  readonly seed: number | string
  /** The share of requests that meet a fault, 0 to 1. Default: 0.15. */
  readonly rate?: number | undefined
  readonly faults?: ReadonlyArray<Fault> | undefined
}): ((at: Arrival) => Fault | undefined) => {
  const rate = options.rate ?? 0.15
  const faults = options.faults ?? all
  return ({ arrival, operation }) => {
    const draw = draws(`${options.seed}|${operation}|${arrival}`)
    return draw(0) < rate ? faults[Math.floor(draw(1) * faults.length)] : undefined
  }
}

/** Uniform numbers in [0, 1) from a text: two lanes over its characters, then murmur3's finaliser for each draw. */
const draws = (text: string): ((index: number) => number) => {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x5bd1e995)
    a ^= a >>> 15
    b = Math.imul(b ^ code, 0x1b873593)
    b ^= b >>> 13
  }
  const first = mix(a ^ Math.imul(b, 0x27d4eb2f))
  const second = mix(b ^ Math.imul(a, 0x165667b1))
  return (index) => mix(mix(first + Math.imul(index + 1, 0x9e3779b9)) ^ second) / 0x1_0000_0000
}

const mix = (x: number): number => {
  let h = x | 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}
