// What is behind `Auth`: where credentials come from, and what one of them does to one request.
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { CallRecord } from "../../internal/call.ts"
import type { PolicyError } from "../../PolicyError.ts"
import * as Reason from "../../Reason.ts"
import { NoCredential, NotSignable } from "./noCredential.ts"
import { Renewal } from "./renewal.ts"

type Request = HttpClientRequest.HttpClientRequest

/** One request with a credential. */
export interface Authorized {
  readonly request: Request
  /** Signs what is sent, when nothing changes it any more. */
  readonly sign?: ((request: Request) => Effect.Effect<Request>) | undefined
  /** Gets another credential after this one was refused. False if there is no other: the refusal stands. */
  readonly renew?: Effect.Effect<boolean, unknown> | undefined
  /** The statuses that refuse a credential. Default: 401. */
  readonly refusals?: ReadonlyArray<number> | undefined
}

/** Gives one request a credential. Runs for every attempt. */
export type Authorize = (request: Request) => Effect.Effect<Authorized, unknown>

/** Gives none. Whoever sees that it is this one need not ask it. */
export const unauthorized: Authorize = (request) => Effect.succeed({ request })

/** Where credentials are opened: once, when an integration's layer is built. */
export interface AuthSite {
  readonly integration: string
}

/** Opens credentials. What is kept of them lives as long as the layer. */
export type Open = (
  site: AuthSite
) => Effect.Effect<Authorize, Config.ConfigError | PolicyError, HttpClient.HttpClient | Scope.Scope>

/** The reason of an attempt that got no credential: nothing was sent. */
export const reasonOf = (cause: unknown): Reason.Reason =>
  cause instanceof NotSignable
    ? Reason.make("InvalidInput", { message: cause.message })
    : cause instanceof NoCredential
      ? Reason.make("NotAuthenticated", {
          message: cause.message,
          transient: cause.transient,
          retryAfter: cause.retryAfter,
          cause
        })
      : Reason.make("NotAuthenticated", { message: "the credentials could not be read", cause })

/** A value, a `Config`, or an effect that is run for every attempt. */
export type Source<A> = A | Config.Config<A> | Effect.Effect<A, unknown>

/** A credential that is there, or can be read. */
export interface Credential<A> {
  readonly read: Effect.Effect<A, unknown>
  /** Reads it again after `sent` was refused. False if it is still the same. */
  readonly renew: ((sent: A) => Effect.Effect<boolean, unknown>) | undefined
}

/** A failure or a defect of whoever keeps the secrets may hold them. */
export const unreadable = (cause: unknown) =>
  new NoCredential({ message: "the credentials could not be read", transient: true, cause })

/**
 * Opens a source. A `Config` is read at once, so that a missing one fails the build, and again when what it gave was
 * refused: a secret that was changed in the meantime is found without a restart.
 */
export const openSource = <A>(
  source: Source<A>,
  same: (a: A, b: A) => boolean
): Effect.Effect<Credential<A>, Config.ConfigError, Scope.Scope> =>
  Effect.gen(function* () {
    if (Config.isConfig(source)) {
      const config = source as Config.Config<A>
      const provider = yield* Effect.service(ConfigProvider.ConfigProvider)
      const renewal = new Renewal<A>({
        fetch: Effect.map(
          Effect.mapError(Effect.provideService(config, ConfigProvider.ConfigProvider, provider), unreadable),
          (value) => ({ value, lifetime: Infinity })
        ),
        same,
        early: () => 0,
        keepsRefused: true,
        initial: yield* config
      })
      yield* Effect.addFinalizer(() => renewal.close)
      return { read: renewal.read, renew: (sent) => renewal.renew(sent) }
    }
    if (Effect.isEffect(source) && !Redacted.isRedacted(source)) {
      const read = source as Effect.Effect<A, unknown>
      return { read, renew: (sent) => Effect.map(read, (now) => !same(now, sent)) }
    }
    return { read: Effect.succeed(source as A), renew: undefined }
  })

export const sameSecret = (a: Redacted.Redacted, b: Redacted.Redacted): boolean =>
  Redacted.value(a) === Redacted.value(b)

/** Whether an answer says that the credential was no good, and the request not carried out. */
export const isRefusal = (reason: Reason.Reason, { refusals }: Authorized): boolean =>
  reason.status !== undefined &&
  (refusals === undefined ? reason.status === 401 : refusals.includes(reason.status)) &&
  reason.outcome === "Refused" &&
  (reason._tag === "Rejected" || reason._tag === "Declared") &&
  !reason.replayed

/**
 * Sends once more if there is another credential. Whatever goes wrong on the way there: it was refused. What can be sent once
 * only is not, but the next call has the other credential.
 */
export const renewed = (
  refusal: Reason.Reason,
  renew: Effect.Effect<boolean, unknown>,
  call: CallRecord,
  once: ((again: boolean) => Effect.Effect<unknown, Reason.Reason>) | undefined
): Effect.Effect<unknown, Reason.Reason> =>
  Effect.matchCauseEffect(renew, {
    onFailure: (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      const { message, retryAfter, transient } = reasonOf(Cause.squash(cause))
      return Effect.fail({ ...refusal, message: `${refusal.message}; ${message}`, transient, retryAfter })
    },
    onSuccess: (another) => {
      if (!another) return Effect.fail(refusal)
      if (once === undefined) {
        return Effect.fail({
          ...refusal,
          message: `${refusal.message}; the credential was renewed, and this body can be sent once only`
        })
      }
      call.reauthenticate()
      return Effect.mapError(once(true), (reason) =>
        reason.outcome === "NotSent" ? { ...reason, outcome: "Refused" as const } : reason
      )
    }
  })
