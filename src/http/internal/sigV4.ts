// AWS Signature Version 4: what is signed of one request, and the signature. Names are those of AWS's documentation.
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted | undefined
}

/** A request as it goes over the wire. */
export interface Unsigned {
  readonly method: string
  readonly host: string
  /** As it is sent: encoded once. */
  readonly path: string
  readonly query: ReadonlyArray<readonly [string, string]>
  /** By lower-case name, without `host`. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array | "UNSIGNED-PAYLOAD"
}

export interface Scope {
  readonly service: string
  readonly region: string
}

/** S3 signs a path as it is sent, and wants the hash of the body in a header. */
export const isS3 = (service: string): boolean => service === "s3" || service.startsWith("s3-")

const utf8 = new TextEncoder()

/** RFC 3986, byte by byte: letters, digits and `-._~` stand for themselves. */
export const uriEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const byCodePoint = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The query as it is signed, and as it has to be sent. */
export const canonicalQuery = (query: ReadonlyArray<readonly [string, string]>): string =>
  query
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .toSorted(([a, x], [b, y]) => byCodePoint(a, b) || byCodePoint(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&")

/** A path without `.`, `..` and empty segments. */
const normalized = (path: string): string => {
  const kept: Array<string> = []
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop()
    else if (segment !== "" && segment !== ".") kept.push(segment)
  }
  const end = kept.length > 0 && /\/\.{0,2}$/.test(path) ? "/" : ""
  return `/${kept.join("/")}${end}`
}

/** Every service but S3 encodes the path that is sent once more. */
export const canonicalPath = (service: string, path: string): string =>
  isS3(service) ? path : normalized(path).split("/").map(uriEncode).join("/")

/** Header values without white space around them, and with one space where there were several. */
const folded = (value: string): string => value.trim().replace(/\s+/g, " ")

export const canonicalRequest = (scope: Scope, request: Unsigned, payloadHash: string) => {
  const headers = Object.entries({ ...request.headers, host: request.host }).toSorted(([a], [b]) => byCodePoint(a, b))
  const signedHeaders = headers.map(([name]) => name).join(";")
  return {
    signedHeaders,
    text: [
      request.method,
      canonicalPath(scope.service, request.path),
      canonicalQuery(request.query),
      ...headers.map(([name, value]) => `${name}:${folded(value)}`),
      "",
      signedHeaders,
      payloadHash
    ].join("\n")
  }
}

/** `20150830T123600Z` */
export const amzDate = (millis: number): string => new Date(millis).toISOString().replace(/[-:]|\.\d{3}/g, "")

const crypto = Layer.merge(Mac.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)), Digest.layerWebCrypto)

/** The headers that a request needs beside its own, the signature among them. */
export type Sign = (
  request: Unsigned,
  credentials: Credentials,
  millis: number
) => Effect.Effect<Readonly<Record<string, string>>>

/** Opens Effect's cryptography. A failure of WebCrypto itself is a defect. */
export const openSigner = (scope: Scope): Effect.Effect<Sign> =>
  Effect.map(Effect.scoped(Layer.build(crypto)), (services): Sign => {
    const mac = Context.get(services, Mac.Mac)
    const digest = Context.get(services, Digest.Digest)
    const hmac = (key: Uint8Array, text: string) =>
      Effect.flatMap(Mac.key(Mac.hmacSha256, key), (key) => mac.sign(key, utf8.encode(text)))
    return (request, credentials, millis) =>
      Effect.orDie(
        Effect.gen(function* () {
          const { payload } = request
          const hash = typeof payload === "string" ? payload : yield* digest.digestHex(Digest.sha256, payload)
          const date = amzDate(millis)
          const added: Record<string, string> = { "x-amz-date": date }
          if (isS3(scope.service)) added["x-amz-content-sha256"] = hash
          if (credentials.sessionToken !== undefined) {
            added["x-amz-security-token"] = Redacted.value(credentials.sessionToken)
          }
          const { signedHeaders, text } = canonicalRequest(
            scope,
            { ...request, headers: { ...request.headers, ...added } },
            hash
          )
          const day = date.slice(0, 8)
          const credentialScope = `${day}/${scope.region}/${scope.service}/aws4_request`
          const stringToSign = [
            "AWS4-HMAC-SHA256",
            date,
            credentialScope,
            yield* digest.digestHex(Digest.sha256, utf8.encode(text))
          ].join("\n")
          let key: Uint8Array = utf8.encode(`AWS4${Redacted.value(credentials.secretAccessKey)}`)
          for (const part of [day, scope.region, scope.service, "aws4_request"]) key = yield* hmac(key, part)
          const signature = Hex.encode(yield* hmac(key, stringToSign))
          return {
            ...added,
            authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${credentialScope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
          }
        })
      )
  })
