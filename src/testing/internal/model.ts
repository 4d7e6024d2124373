// The words of a provider's doubles: what arrives, what is answered, what has changed.
import type { Fault } from "../Fault.ts"

/**
 * A request as it is seen on the wire. A refused one is listed too, though it reached nobody.
 *
 * @category models
 * @since 0.1.0
 */
export interface WireRequest {
  /** Its place among all requests, from 0. */
  readonly index: number
  readonly operation: string
  /** Its place among the requests of its operation, from 1. */
  readonly arrival: number
  /** Epoch milliseconds. */
  readonly at: number
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The body as text. */
  readonly text: string
  /** The idempotency key, where the provider found one. */
  readonly key: string | undefined
  readonly fault: Fault | undefined
}

/**
 * One state change: the only thing that counts as executed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly operation: string
  readonly key: string | undefined
  /** Epoch milliseconds. */
  readonly at: number
  /** The `index` of the request that caused it. */
  readonly request: number
  /** What the caller asked for, decoded, where the provider is an `Upstream`. */
  readonly input?: unknown
}

/**
 * What the provider answers where nothing goes wrong. A body that is neither text nor bytes is sent as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  /** Default: 200. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
  /** Whether it changed the provider's state. Default: a 2xx to anything but GET, HEAD, OPTIONS, QUERY and TRACE. */
  readonly changed?: boolean | undefined
  /** What stands in the ledger as the change's input. */
  readonly input?: unknown
  /** Why it is so, for the timeline of a failed assertion. */
  readonly note?: string | undefined
}

/**
 * What is waited for.
 *
 * @category models
 * @since 0.1.0
 */
export interface AwaitOptions<Operation extends string = string> {
  readonly operation?: Operation | undefined
  /** How many of them there must have been. Default: 1. */
  readonly times?: number | undefined
}
