// The two grants of RFC 6749 in which no person takes part, over one token endpoint.
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import { check } from "../../internal/duration.ts"
import type * as P from "../../internal/policy.ts"
import { cutAfter } from "../../internal/timer.ts"
import { PolicyError } from "../../PolicyError.ts"
import { type Open, sameSecret, type Source, unreadable } from "./auth.ts"
import { NoCredential } from "./noCredential.ts"
import { type Fetched, Renewal } from "./renewal.ts"
import { openTokenEndpoint } from "./tokenEndpoint.ts"

export interface Grant {
  readonly tokenUrl: string | URL | Config.Config<string> | Config.Config<URL>
  readonly clientId: string | Config.Config<string>
  readonly clientSecret: Source<Redacted.Redacted> | undefined
  readonly placement: "basic" | "body"
  readonly parameters: Readonly<Record<string, string>>
  readonly early: Duration.Input | undefined
  readonly policy: P.Policy<P.Provides, "any"> | undefined
  readonly refresh:
    | {
        readonly token: Source<Redacted.Redacted>
        readonly onRotated: (token: Redacted.Redacted) => Effect.Effect<unknown, unknown>
      }
    | undefined
}

/** How long the application has to store a new refresh token, in milliseconds. */
const storingLimit = 10_000

/** A tenth of the lifetime, five minutes at most: time for a few tries while the old token still serves. */
const shareOf = (lifetime: number): number => Math.min(lifetime / 10, 300_000)

export const openGrant =
  (grant: Grant): Open =>
  ({ integration }) =>
    Effect.gen(function* () {
      const provider = yield* Effect.service(ConfigProvider.ConfigProvider)
      const given = Config.isConfig(grant.tokenUrl)
        ? yield* grant.tokenUrl as Config.Config<string | URL>
        : grant.tokenUrl
      const early = grant.early === undefined ? undefined : check("early", grant.early, { zero: true })
      const problems = [...problemsOf(String(given)), ...(early?.problem === undefined ? [] : [early.problem])]
      if (problems.length > 0) return yield* new PolicyError({ integration, operation: "(auth)", problems })

      /** What a source gives at the moment. A `Config` that is missing or wrong fails the build. */
      const reader = <A>(source: Source<A>): Effect.Effect<Effect.Effect<A, NoCredential>, Config.ConfigError> => {
        if (Config.isConfig(source)) {
          const config = source as Config.Config<A>
          const again = Effect.provideService(config, ConfigProvider.ConfigProvider, provider)
          return Effect.as(config, Effect.mapError(again, unreadable))
        }
        return Effect.succeed(
          Effect.isEffect(source) && !Redacted.isRedacted(source)
            ? Effect.mapError(source as Effect.Effect<A, unknown>, unreadable)
            : Effect.succeed(source as A)
        )
      }
      const readId = yield* reader(grant.clientId)
      const readSecret = grant.clientSecret === undefined ? Effect.undefined : yield* reader(grant.clientSecret)
      const { refresh } = grant
      const ask = yield* openTokenEndpoint({
        integration,
        url: new URL(String(given)),
        policy: grant.policy,
        repeats: refresh === undefined ? "one access token more changes nothing" : undefined
      })
      const client = Effect.map(Effect.all([readId, readSecret]), ([id, secret]) => ({
        id,
        secret,
        placement: grant.placement
      }))

      const byCredentials: Effect.Effect<Fetched<Redacted.Redacted>, NoCredential> = Effect.flatMap(client, (client) =>
        Effect.map(ask(client, { ...grant.parameters, grant_type: "client_credentials" }), ({ access, lifetime }) => ({
          value: access,
          lifetime
        }))
      )

      const renewal = new Renewal<Redacted.Redacted>({
        fetch: refresh === undefined ? byCredentials : byRefresh(refresh, yield* reader(refresh.token)),
        same: sameSecret,
        early: early === undefined ? shareOf : () => early.millis
      })
      // A refresh token that is being replaced would be lost with its answer.
      yield* Effect.addFinalizer(() => (refresh === undefined ? renewal.close : renewal.settle))
      return (request) =>
        Effect.map(renewal.read, (token) => ({
          request: HttpClientRequest.bearerToken(request, token),
          renew: renewal.renew(token)
        }))

      function byRefresh(
        { onRotated, token: source }: NonNullable<Grant["refresh"]>,
        read: Effect.Effect<Redacted.Redacted, NoCredential>
      ): Effect.Effect<Fetched<Redacted.Redacted>, NoCredential> {
        // What an effect reads, another process may have replaced. A value and a `Config` are only the first.
        const isRead = Effect.isEffect(source) && !Config.isConfig(source) && !Redacted.isRedacted(source)
        let latest: Redacted.Redacted | undefined
        let unstored: Redacted.Redacted | undefined
        const store = Effect.suspend(() => {
          if (unstored === undefined) return Effect.void
          const token = unstored
          const failed = (cause: unknown) =>
            new NoCredential({ message: "the new refresh token could not be stored", transient: true, cause })
          return Effect.map(
            cutAfter(
              Effect.mapError(
                Effect.catchDefect(
                  Effect.suspend(() => onRotated(token)),
                  (defect) => Effect.fail(defect)
                ),
                failed
              ),
              storingLimit,
              () => Effect.fail(failed("no end in time"))
            ),
            () => {
              unstored = undefined
            }
          )
        })
        return Effect.gen(function* () {
          // The old one would be used a second time else, and the provider may take back all that came from it.
          yield* store
          const token = !isRead && latest !== undefined ? latest : yield* read
          const answer = yield* ask(yield* client, {
            ...grant.parameters,
            grant_type: "refresh_token",
            refresh_token: token
          })
          if (answer.refresh !== undefined && !sameSecret(answer.refresh, token)) {
            latest = unstored = answer.refresh
            yield* store
          }
          return { value: answer.access, lifetime: answer.lifetime }
        })
      }
    })

const problemsOf = (text: string): ReadonlyArray<string> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || !/^https?:$/.test(url.protocol)
    ? ["tokenUrl is not an http or https URL"]
    : url.username !== "" || url.password !== ""
      ? ["tokenUrl holds credentials: give them as clientId and clientSecret"]
      : url.hash !== ""
        ? ["tokenUrl must have no fragment"]
        : []
}
