// What Signature Version 4 makes of a request of Effect's client.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { sameSecret } from "./auth.ts"
import { NotSignable } from "./noCredential.ts"
import { canonicalQuery, type Credentials, isS3, type Sign, type Unsigned, uriEncode } from "./sigV4.ts"

type Request = HttpClientRequest.HttpClientRequest

// What clients and proxies on the way set or change. A signature over it would not hold.
const unsigned: ReadonlySet<string> = new Set([
  "accept-encoding",
  "authorization",
  "b3",
  "cache-control",
  "connection",
  "content-length",
  "expect",
  "from",
  "host",
  "keep-alive",
  "max-forwards",
  "pragma",
  "proxy-authorization",
  "referer",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-amzn-trace-id"
])

export const sameCredentials = (a: Credentials, b: Credentials): boolean =>
  a.accessKeyId === b.accessKeyId &&
  sameSecret(a.secretAccessKey, b.secretAccessKey) &&
  (a.sessionToken === undefined || b.sessionToken === undefined
    ? a.sessionToken === b.sessionToken
    : sameSecret(a.sessionToken, b.sessionToken))

const utf8 = new TextEncoder()

const payloadOf = (service: string, { body }: Request): Unsigned["payload"] | undefined => {
  if (body._tag === "Empty") return new Uint8Array()
  if (body._tag === "Uint8Array") return body.body
  if (body._tag === "Raw" && typeof body.body === "string") return utf8.encode(body.body)
  return isS3(service) ? "UNSIGNED-PAYLOAD" : undefined
}

/** Why a request can't be signed. */
export const notSignable = (service: string, request: Request): NotSignable | undefined =>
  payloadOf(service, request) === undefined
    ? new NotSignable({ message: `a body that is no bytes can't be signed for ${service}` })
    : undefined

/** A segment as it is signed, so that what is sent is the same. */
const encodedOnce = (segment: string): string =>
  uriEncode(
    Result.getOrElse(
      Result.try(() => decodeURIComponent(segment)),
      () => segment
    )
  )

/** Signs a request, and writes its address as it is signed. One without an address is left for the client to refuse. */
export const signRequest = (
  sign: Sign,
  service: string,
  request: Request,
  credentials: Credentials
): Effect.Effect<Request> =>
  Option.match(HttpClientRequest.toUrl(request), {
    onNone: () => Effect.succeed(request),
    onSome: (url) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const query = Array.from(url.searchParams)
        const path = url.pathname.split("/").map(encodedOnce).join("/")
        const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !unsigned.has(name)))
        return Effect.map(
          sign(
            {
              method: request.method,
              host: url.host,
              path,
              query,
              headers,
              payload: payloadOf(service, request) ?? "UNSIGNED-PAYLOAD"
            },
            credentials,
            now
          ),
          (added) => {
            const search = canonicalQuery(query)
            const address = `${url.origin}${path}${search === "" ? "" : `?${search}`}`
            return HttpClientRequest.makeWith(
              request.method,
              address,
              UrlParams.empty,
              Option.none(),
              request.headers,
              request.body
            ).pipe(HttpClientRequest.setHeaders(added))
          }
        )
      })
  })
