// The token endpoint of OAuth 2.0 (RFC 6749), as an integration of its own: it is a service that its caller does not own.
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { CallFailure } from "../../CallFailure.ts"
import * as Exhaustion from "../../Exhaustion.ts"
import * as Idempotency from "../../Idempotency.ts"
import * as Integration from "../../Integration.ts"
import type * as P from "../../internal/policy.ts"
import * as Outcome from "../../Outcome.ts"
import * as Policy from "../../Policy.ts"
import * as Reason from "../../Reason.ts"
import * as HttpOperation from "../HttpOperation.ts"
import { HttpTarget } from "../HttpTarget.ts"
import { NoCredential } from "./noCredential.ts"

const Secret = Schema.RedactedFromValue(Schema.NonEmptyString)

const Answer = Schema.Struct({
  access_token: Secret,
  // Who means bearer tokens does not always say so. What is no bearer token can't be used as one.
  token_type: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^bearer(token)?$/i))),
  expires_in: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Number, Schema.NumberFromString]))),
  refresh_token: Schema.optionalKey(Schema.NullOr(Secret))
})

/** What a token endpoint answered. */
export interface Token {
  readonly access: Redacted.Redacted
  readonly refresh: Redacted.Redacted | undefined
  /** Milliseconds; `Infinity` if it was not told. */
  readonly lifetime: number
}

/** The parameters of a request for a token. */
export type Parameters = Readonly<Record<string, Redacted.Redacted | string>>

/** Who asks for a token. */
export interface Client {
  readonly id: string
  readonly secret: Redacted.Redacted | undefined
  readonly placement: "basic" | "body"
}

/** What RFC 6749 lets a token endpoint say, and RFC 6750 and 8628 add. Anything else might be anything. */
const codes: ReadonlySet<unknown> = new Set([
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
  "server_error",
  "temporarily_unavailable",
  "slow_down"
])

const classifyErrors: Reason.Classify = (status, _headers, body) => {
  const code = typeof body === "object" && body !== null && "error" in body ? body.error : undefined
  if (!codes.has(code)) return undefined
  const message = `status ${status}, ${String(code)}`
  switch (code) {
    case "server_error":
    case "temporarily_unavailable":
      return Reason.unavailable({ message })
    case "slow_down":
      return Reason.throttled({ message })
  }
  return status < 500 ? Reason.rejected({ message }) : undefined
}

class NoToken extends Data.TaggedError("NoToken")<{ readonly failure: CallFailure }> {}

/** Asks for a token. */
export type Ask = (client: Client, parameters: Parameters) => Effect.Effect<Token, NoCredential>

/** The default policy of a token request: it must fit into an attempt of those who wait for it. */
export const defaultPolicy = Policy.standard({ attemptTimeout: "5 seconds", totalDeadline: "15 seconds" })

/** RFC 6749 2.3.1: the id and the secret are encoded as in a form before they are joined. */
const formEncoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)

const basic = ({ id, secret }: Client): string =>
  `Basic ${Base64.encode(new TextEncoder().encode(`${formEncoded(id)}:${formEncoded(secret === undefined ? "" : Redacted.value(secret))}`))}`

/**
 * Builds the integration of one token endpoint. It appears on the dashboard beside the one that it serves.
 */
export const openTokenEndpoint = (options: {
  readonly integration: string
  readonly url: URL
  readonly policy: P.Policy<P.Provides, "any"> | undefined
  /** Why a request may be repeated when nobody knows what became of it; `undefined` if it may not be. */
  readonly repeats: string | undefined
}) =>
  Effect.gen(function* () {
    const id = `${options.integration}/token`
    const { url } = options
    const Api = HttpApi.make("oauth").add(
      HttpApiGroup.make("oauth").add(
        // The path is for spans and plans only: `authorize` sets the address, with a query if it has one.
        HttpApiEndpoint.post("token", `/${url.pathname.slice(1).replaceAll(/[:*]/g, "_")}`, {
          headers: { authorization: Schema.optionalKey(Secret), accept: Schema.String },
          payload: Schema.Record(Schema.String, Schema.String).pipe(HttpApiSchema.asFormUrlEncoded()),
          success: Answer
        })
      )
    )
    const Endpoint = Integration.Service<{ readonly _: unique symbol }>()(
      id,
      {
        policy: options.policy ?? defaultPolicy,
        exhausted: Exhaustion.fail,
        orElse: (failure) => new NoToken({ failure })
      },
      {
        token: HttpOperation.endpoint(Api, "oauth", "token", {
          idempotency:
            options.repeats === undefined
              ? Idempotency.atMostOnce(
                  "a refresh token that was used may have been replaced by another (RFC 9700 4.14)"
                )
              : Idempotency.inherent(options.repeats),
          classifyErrors
        })
      }
    )
    const target = HttpTarget.of({
      baseUrl: url.origin,
      authorize: (request) => Effect.succeed({ request: HttpClientRequest.setUrl(request, url.href) }),
      classify: undefined,
      classifyErrors: undefined,
      headers: undefined,
      correlationHeader: undefined,
      propagate: "none",
      requestIdHeaders: ["request-id", "x-request-id"],
      maxBodySize: 64 * 1024,
      replayHeader: "idempotent-replayed",
      deadlineHeader: undefined
    })
    const built = yield* Layer.build(
      Layer.provide(
        Integration.layer(Endpoint as never as Integration.ServiceClass<object, string, Methods, HttpTarget>),
        Layer.succeed(HttpTarget, target)
      )
    )
    const endpoint = Context.get(built as Context.Context<object>, Endpoint as never) as never as Methods

    const ask: Ask = (client, parameters) => {
      const inBody = client.placement === "body" || client.secret === undefined
      const payload: Record<string, string> = {}
      for (const [name, value] of Object.entries(parameters)) {
        payload[name] = Redacted.isRedacted(value) ? Redacted.value(value) : value
      }
      if (inBody) {
        payload["client_id"] = client.id
        if (client.secret !== undefined) payload["client_secret"] = Redacted.value(client.secret)
      }
      return Effect.mapBoth(
        endpoint.token({
          headers: { accept: "application/json", ...(inBody ? {} : { authorization: Redacted.make(basic(client)) }) },
          payload
        }),
        {
          onSuccess: ({ access_token, expires_in, refresh_token }): Token => ({
            access: access_token,
            refresh: refresh_token ?? undefined,
            lifetime: expires_in === undefined || expires_in === null ? Infinity : Math.max(0, expires_in * 1000)
          }),
          onFailure: ({ failure }) =>
            new NoCredential({
              message: `no access token from ${url.host}: ${failure.reason.message}`,
              transient: failure.reason.transient,
              retryAfter: failure.retryAfter,
              inDoubt: options.repeats === undefined && !Outcome.didNotHappen(failure.outcome),
              cause: failure
            })
        }
      )
    }
    return ask
  })

interface Methods {
  readonly token: (input: {
    readonly headers: { readonly accept: string; readonly authorization?: Redacted.Redacted }
    readonly payload: Readonly<Record<string, string>>
  }) => Effect.Effect<typeof Answer.Type, NoToken>
}
