/**
 * Credentials of an integration over HTTP: secrets, tokens that are renewed, signatures. `HttpIntegration.layer` takes one
 * as `auth`.
 *
 * **Details**
 *
 * Secrets are `Redacted`. No span, log line, event, stored entry or cassette holds one, nor a token, nor an
 * `Authorization` header.
 *
 * An answer of 401 says that the request was not carried out. If another credential can be got then, the request is sent
 * once more, at most once per call and within the same attempt, whatever the operation: see each constructor for what
 * "another" is.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as P from "../internal/policy.ts"
import { type Open, openSource, sameSecret } from "./internal/auth.ts"
import { notSignable, sameCredentials, signRequest } from "./internal/awsRequest.ts"
import { openGrant } from "./internal/grant.ts"
import { openSigner } from "./internal/sigV4.ts"

export type { Authorize, Authorized, AuthSite, Open } from "./internal/auth.ts"

type Request = HttpClientRequest.HttpClientRequest

// ---- models

const TypeId = "~breakwater/http/Auth"

/**
 * Credentials, as a value: nothing is read or fetched before an integration's layer is built. Two layers share nothing, a
 * token neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface Auth {
  readonly [TypeId]: typeof TypeId
  /** What kind of credentials, without a secret. */
  readonly describe: string
  readonly open: Open
}

/**
 * Returns whether a value is an `Auth`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isAuth = (u: unknown): u is Auth => Predicate.hasProperty(u, TypeId)

const make = (describe: string, open: Open): Auth => ({ [TypeId]: TypeId, describe, open })

/**
 * A secret.
 *
 * **Details**
 *
 * - A value never changes.
 * - A `Config` is read when the layer is built, so that a missing one is found then, and again when the provider has
 *   answered 401, at most once a second. If it has changed, the request is sent once more. So a secret that is rotated in a
 *   mounted file (`ConfigProvider.fromDir`) needs no restart.
 * - An effect is run for every attempt, and once more after a 401. Cache what is dear to read.
 *
 * @category models
 * @since 0.1.0
 */
export type Secret = Redacted.Redacted | Config.Config<Redacted.Redacted> | Effect.Effect<Redacted.Redacted, unknown>

// ---- secrets

const withSecret = (
  describe: string,
  secret: Secret,
  apply: (request: Request, secret: Redacted.Redacted) => Request
): Auth =>
  make(describe, () =>
    Effect.map(
      openSource(secret, sameSecret),
      ({ read, renew }) =>
        (request) =>
          Effect.map(read, (value) => ({ request: apply(request, value), renew: renew?.(value) }))
    )
  )

/**
 * `Authorization: Bearer …`.
 *
 * **Example** (A key from the configuration)
 *
 * ```ts
 * import { Auth } from "breakwater/http"
 * import { Config } from "effect"
 *
 * Auth.bearer(Config.Redacted("STRIPE_KEY")).describe // => "bearer token"
 * ```
 *
 * @category secrets
 * @since 0.1.0
 */
export const bearer = (token: Secret): Auth => withSecret("bearer token", token, HttpClientRequest.bearerToken)

/**
 * `Authorization: Basic …`.
 *
 * @category secrets
 * @since 0.1.0
 */
export const basic = (user: string, password: Secret): Auth =>
  withSecret("basic", password, (request, secret) => HttpClientRequest.basicAuth(request, user, secret))

/**
 * A key in a header of its own, such as `X-API-Key`.
 *
 * @category secrets
 * @since 0.1.0
 */
export const apiKey = (header: string, key: Secret): Auth =>
  withSecret(`header ${header.toLowerCase()}`, key, (request, secret) =>
    HttpClientRequest.setHeader(request, header, Redacted.value(secret))
  )

/**
 * A key in the query. No span or log line of breakwater shows a query, but a provider's own logs do: prefer a header.
 *
 * @category secrets
 * @since 0.1.0
 */
export const queryKey = (name: string, key: Secret): Auth =>
  withSecret(`query ${name}`, key, (request, secret) =>
    HttpClientRequest.setUrlParam(request, name, Redacted.value(secret))
  )

/**
 * Anything else. `sign` runs for every attempt, after all headers are set and before the client middleware of the
 * endpoint.
 *
 * **Details**
 *
 * What `sign` fails with is `NotAuthenticated`: nothing was sent, and another try is made. Its error and its message are
 * shown nowhere. `renew` runs after a 401: it says whether `sign` would now do something else, so that the request is worth
 * sending once more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const custom = (
  describe: string,
  sign: (request: Request) => Effect.Effect<Request, unknown>,
  options?: { readonly renew?: Effect.Effect<boolean, unknown> | undefined }
): Auth =>
  make(describe, () =>
    Effect.succeed((request) => Effect.map(sign(request), (request) => ({ request, renew: options?.renew })))
  )

// ---- tokens

/**
 * What both grants of OAuth 2.0 need.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenOptions {
  /** The token endpoint, as the provider documents it. */
  readonly tokenUrl: string | URL | Config.Config<string> | Config.Config<URL>
  readonly clientId: string | Config.Config<string>
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Whom the token is for, at providers that ask for it. */
  readonly audience?: string | undefined
  /** Other parameters of the token request. No secrets: they are written as they are. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** Where the client's id and secret are sent: `Authorization: Basic`, which RFC 6749 prefers, or the form. Default: `"basic"`. */
  readonly placement?: "basic" | "body" | undefined
  /**
   * How long before its end a token is fetched anew. It serves meanwhile: no call waits for that. Default: a tenth of its
   * lifetime, 5 minutes at most. At most half of the lifetime counts.
   */
  readonly early?: Duration.Input | undefined
  /** The limits of a token request. Default: attempts of 5 seconds, 15 seconds in all, 3 attempts where a repeat is safe. */
  readonly policy?: P.Policy<P.Provides, "any"> | undefined
}

const grantOf = ({ audience, clientId, early, parameters, placement, policy, scopes, tokenUrl }: TokenOptions) => ({
  tokenUrl,
  clientId,
  placement: placement ?? ("basic" as const),
  parameters: {
    ...parameters,
    ...(scopes === undefined || scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    ...(audience === undefined ? {} : { audience })
  },
  early,
  policy
})

/**
 * Access tokens by client credentials (RFC 6749 4.4): a service that acts for itself.
 *
 * **Details**
 *
 * A token is fetched by the first call that needs it and shared by all calls of the layer. However many need one at once,
 * one request is sent. It is an operation of its own, `<integration>/token`, with limits, retries, spans and a place on the
 * dashboard; it is nobody's part, so who waits for it may give up without ending it for the others.
 *
 * If it fails, each call that waited fails as `NotAuthenticated` and `NotSent`, with `retryAfter`. Nothing is fetched before
 * that time: 1 second after the first failure, doubling to 1 minute, or what the endpoint asked for.
 *
 * After a 401 the token that was sent is thrown away, one other is fetched, and the request is sent once more. If that is
 * refused too, the second answer counts, and no token is fetched for a refusal within the next second.
 *
 * **Example** (Orders of a shop, as the shop itself)
 *
 * ```ts
 * import { Auth } from "breakwater/http"
 * import { Config } from "effect"
 *
 * export const auth = Auth.clientCredentials({
 *   tokenUrl: "https://login.example/oauth/token",
 *   clientId: Config.String("SHOP_CLIENT_ID"),
 *   clientSecret: Config.Redacted("SHOP_CLIENT_SECRET"),
 *   scopes: ["orders:read"]
 * })
 * ```
 *
 * @category tokens
 * @since 0.1.0
 */
export const clientCredentials = (
  options: TokenOptions & {
    /** A `Config` is read again, and an effect run, for every token request. */
    readonly clientSecret: Secret
  }
): Auth =>
  make("client credentials", openGrant({ ...grantOf(options), clientSecret: options.clientSecret, refresh: undefined }))

/**
 * Access tokens by a refresh token (RFC 6749 6): a service that acts for somebody who has agreed once.
 *
 * **Details**
 *
 * As `clientCredentials`, and besides: a provider that answers with another refresh token has taken the old one back. The
 * new one is given to `onRotated`, and the access token is not used before that has succeeded; it has 10 seconds. If it
 * fails, the calls fail as `NotAuthenticated`, and it is tried again before anything else is sent. What was answered is
 * stored even when the layer closes.
 *
 * A refresh token that is used twice may make the provider take back all of its successors (RFC 9700 4.14). So a request of
 * which nobody knows what became of it is not repeated: not at all while the access token still serves, and with a new
 * request only when it does not.
 *
 * Processes that share a refresh token must not refresh at the same time: give it to one of them, or let the effect take a
 * lock.
 *
 * **Example** (A refresh token in a database)
 *
 * ```ts
 * import { Auth } from "breakwater/http"
 * import { Config, Effect, Redacted } from "effect"
 *
 * let row = Redacted.make("the one that the consent gave")
 *
 * export const auth = Auth.refreshToken({
 *   tokenUrl: "https://login.example/oauth/token",
 *   clientId: "shop",
 *   clientSecret: Config.Redacted("SHOP_CLIENT_SECRET"),
 *   refreshToken: Effect.sync(() => row),
 *   onRotated: (next) => Effect.sync(() => (row = next))
 * })
 * ```
 *
 * @category tokens
 * @since 0.1.0
 */
export const refreshToken = (
  options: TokenOptions & {
    /** Public clients have none. */
    readonly clientSecret?: Secret | undefined
    /** The first one, or an effect that reads the latest and is run for every token request. */
    readonly refreshToken: Secret
    /** Stores a new refresh token, so that the next process finds it. */
    readonly onRotated: (refreshToken: Redacted.Redacted) => Effect.Effect<unknown, unknown>
  }
): Auth =>
  make(
    "refresh token",
    openGrant({
      ...grantOf(options),
      clientSecret: options.clientSecret,
      refresh: { token: options.refreshToken, onRotated: options.onRotated }
    })
  )

// ---- signatures

/**
 * The credentials of an AWS identity.
 *
 * @category models
 * @since 0.1.0
 */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  /** Of temporary credentials. */
  readonly sessionToken?: Redacted.Redacted | undefined
}

/**
 * AWS Signature Version 4, for AWS and for what speaks its protocol (MinIO, R2, …).
 *
 * **Details**
 *
 * Every attempt is signed afresh, with the time of Effect's clock and the hash of the bytes that are sent. It is signed
 * last, after the endpoint's client middleware: whatever changes the request afterwards breaks the signature. All headers
 * are signed but those that proxies and clients change (`User-Agent`, `Content-Length`, `traceparent`, …). The query is
 * sent sorted and encoded as it is signed.
 *
 * `credentials` as an effect runs for every attempt: cache what a metadata service or STS gives. A `Config` is read again
 * after a 401 or 403, at most once a second, and the request is sent once more if they have changed.
 *
 * A body that is no bytes (a stream, a form of the browser's) can't be signed; S3 takes it as `UNSIGNED-PAYLOAD`, other
 * services not: there the call fails as `InvalidInput`.
 *
 * **Example** (A bucket)
 *
 * ```ts
 * import { Auth } from "breakwater/http"
 * import { Config } from "effect"
 *
 * export const auth = Auth.awsSigV4({
 *   service: "s3",
 *   region: "eu-central-1",
 *   credentials: Config.all({
 *     accessKeyId: Config.String("AWS_ACCESS_KEY_ID"),
 *     secretAccessKey: Config.Redacted("AWS_SECRET_ACCESS_KEY")
 *   })
 * })
 * ```
 *
 * @category signatures
 * @since 0.1.0
 */
export const awsSigV4 = (options: {
  /** As in the credential scope: `s3`, `dynamodb`, `execute-api`. */
  readonly service: string
  readonly region: string
  readonly credentials: AwsCredentials | Config.Config<AwsCredentials> | Effect.Effect<AwsCredentials, unknown>
}): Auth =>
  make("AWS Signature Version 4", () =>
    Effect.gen(function* () {
      const signer = yield* openSigner(options)
      const { read, renew } = yield* openSource(options.credentials, sameCredentials)
      return (request) => {
        const problem = notSignable(options.service, request)
        return problem !== undefined
          ? Effect.fail(problem)
          : Effect.map(read, (credentials) => ({
              request,
              sign: (request) => signRequest(signer, options.service, request, credentials),
              renew: renew?.(credentials),
              refusals: [401, 403]
            }))
      }
    })
  )
