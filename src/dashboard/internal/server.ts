import type * as HttpServerRequest from "effect/http/HttpServerRequest"

/** What of Node's request tells that its server closes, over HTTP/1.1 and over HTTP/2. */
interface NodeRequest {
  readonly socket?: { readonly server?: { readonly listening?: unknown } | null } | null
  readonly stream?: { readonly session?: { readonly closed?: unknown } | null } | null
}

/**
 * Whether the server of a request has begun to close. It waits then for the requests that run, and closes nothing else before
 * they end: neither a layer's scope nor a fiber learns of it in time, so that Node's own state is read.
 */
export const isClosing = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const source = request.source as NodeRequest
  return source.socket?.server?.listening === false || source.stream?.session?.closed === true
}
