import type * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Reason from "../../Reason.ts"

type Ending = Effect.Effect<unknown, Reason.Reason>

/** Whoever waits for an answer as a whole. */
export interface Awaiting {
  /** Told of an answer before its body comes, outside of any fiber. Gives how many bytes the body may have. */
  readonly head: (status: number, headers: Headers.Headers) => number
  /** What comes of its whole body, unpacked. */
  readonly body: (body: Uint8Array) => Ending
  /** What comes of an error before there was an answer. */
  readonly failed: (error: HttpClientError.HttpClientError) => Ending
  /** What comes of a body that was cut, or is {@link tooLarge}. */
  readonly cut: (cause: unknown) => Ending
}

/** Sends a request and reads its answer to the end in one step. An interruption closes the connection. */
export type Direct = (request: HttpClientRequest.HttpClientRequest, awaiting: Awaiting) => Ending

const known = new WeakMap<HttpClient.HttpClient, Direct>()

/**
 * Notes that a client can read an answer in one step, with no response, no effect per part and no context. It counts for
 * this very object: one that was made from it does what its maker wants, and is asked as any client is.
 */
export const withDirect = (client: HttpClient.HttpClient, direct: Direct): HttpClient.HttpClient => {
  known.set(client, direct)
  return client
}

export const directOf = (client: HttpClient.HttpClient): Direct | undefined => known.get(client)
