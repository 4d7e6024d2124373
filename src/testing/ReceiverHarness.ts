/**
 * How an HTTP server is put on the bench of `ReceiverConformance`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Scope from "effect/Scope"

/**
 * A request that the receiver lets through, as the server saw it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrived {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

/**
 * What the handler answers with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array | undefined
}

/**
 * The handler of a case: what the server runs behind its receiver. A rejection is a handler that threw.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = (request: Arrived) => Promise<Reply>

/**
 * A server that is running.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  /** Where its routes begin, without a slash at the end. */
  readonly url: string
  /** A client that follows no redirects and repeats nothing. */
  readonly client: HttpClient.HttpClient
}

/**
 * A server on the bench.
 *
 * **Details**
 *
 * It serves `GET`, `POST` and `PUT` of `/things/:id`, in any framework and language: each asks the handler, and sends what
 * it answers (status, headers, body). In front of it stands the receiver, which wants a key, waits for nobody, and has the
 * limits of `HttpReceiver` unless `limits` says so; and in front of that an authorisation that answers 401 unless the
 * request has `Authorization: Bearer <tenant>`, and takes `<tenant>` as the principal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness {
  /** What the server is called in messages. */
  readonly name: string
  /** Starts a server with a store of its own in front of this handler, and stops it when its scope closes. */
  readonly open: (handler: Handler) => Effect.Effect<Opened, unknown, Scope.Scope>
  /**
   * What becomes of a key whose handler failed: the next request runs again, gets 409 until a person decides, or finds
   * nothing because a transaction was rolled back.
   */
  readonly onFailure: "rerun" | "hold" | "rollback"
  /** The largest bodies of a request and of a stored answer, in bytes. Default: 1 MiB and 256 KiB. */
  readonly limits?: { readonly request: number; readonly stored: number } | undefined
}

/**
 * A server did something that a receiver must not do, or failed where it must not.
 *
 * @category errors
 * @since 0.1.0
 */
export class Violation extends Data.TaggedError("ReceiverViolation")<{
  /** What was looked at. */
  readonly what: string
  readonly actual?: unknown
  readonly expected?: unknown
  /** What it failed with, where it failed. */
  readonly cause?: unknown
  readonly server?: string | undefined
  readonly case?: string | undefined
}> {
  override get message(): string {
    const { actual, cause, expected, server, what } = this
    const where = server === undefined ? "" : `${server}: ${this.case}: `
    return `${where}${what}: ${cause === undefined ? `expected ${show(expected)}, got ${show(actual)}` : String(cause)}`
  }
}

const show = (value: unknown): string => {
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value))
  return text.length > 300 ? `${text.slice(0, 297)}…` : text
}
