/**
 * The layer of an integration over HTTP.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Integration from "../Integration.ts"
import { PolicyError } from "../PolicyError.ts"
import type { Auth } from "./Auth.ts"
import { type Classify, HttpTarget } from "./HttpTarget.ts"
import { unauthorized } from "./internal/auth.ts"

export { problems } from "./Answer.ts"
export { type Classify, HttpTarget } from "./HttpTarget.ts"
// So that the declarations of who exports a layer can name its errors.
export type { PolicyError } from "../PolicyError.ts"

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Methods> extends Integration.LayerOptions<Methods> {
  /** Where the provider is. */
  readonly baseUrl: string | URL | Config.Config<string> | Config.Config<URL>
  /** Credentials: `Auth.bearer`, `Auth.clientCredentials` and the like. Default: none are sent. */
  readonly auth?: Auth | undefined
  /**
   * Headers of every request, such as the pinned version of an API or a `User-Agent`. What an endpoint declares goes
   * before. Credentials are `auth`.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * What an answer of any status means, for a provider that reports errors with 200. A 2xx that can't be read is then
   * `Unknown`: it may have been an error. Those of the operation and of the definition go first: it belongs there.
   */
  readonly classify?: Classify | undefined
  /** What an answer other than 2xx means, where its status does not say it. The operation's and the definition's go first. */
  readonly classifyErrors?: Classify | undefined
  /** A header that carries the correlation id to the provider. Default: none is sent. */
  readonly correlationHeader?: string | undefined
  /** Whether the provider is told the trace. Default: `"none"`, for third parties. */
  readonly traceparent?: "none" | "w3c" | undefined
  /**
   * A header that tells the provider how long the attempt will be waited for, in milliseconds; `grpc-timeout` in gRPC's
   * form. `HttpDeadline.layer` reads it. Default: none is sent.
   */
  readonly deadlineHeader?: string | undefined
  /** Headers of an answer that may hold the provider's id of the request, the first that is there counts. */
  readonly requestIdHeaders?: ReadonlyArray<string> | undefined
  /** The largest answer that is read, in bytes. Default: 5 MiB. */
  readonly maxBodySize?: number | undefined
  /** The header by which the provider marks an answer from its memory of a key. Default: `Idempotent-Replayed`. */
  readonly replayHeader?: string | undefined
}

/**
 * Builds an integration whose operations are HTTP endpoints. Call it once and keep it: two calls share nothing.
 *
 * **Details**
 *
 * It needs an `HttpClient`: `NodeHttpClient.layerUndici` of `@effect/platform-node`, or `FetchHttpClient.layer`. Don't
 * give that client retries or timeouts of its own: they would multiply, out of sight of the deadline and the history.
 * Options of `fetch` (`FetchHttpClient.RequestInit`) count where they are provided to this layer too: a redirect is not
 * followed, and what only the client's layer has would be lost.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Self, Id extends string, Methods, R>(
  self: Integration.ServiceClass<Self, Id, Methods, R>,
  options: Options<Methods>
): Layer.Layer<Self, PolicyError | Config.ConfigError, Exclude<R, HttpTarget> | HttpClient.HttpClient> =>
  Layer.provide(Integration.layer(self, options), Layer.effect(HttpTarget, target(Integration.nameOf(self), options)))

/** A URL without what may be a secret in it. */
const publicly = (text: string): string => text.replace(/^(\w+:\/\/)?.*@/s, "$1…@").replace(/([?#]).*$/s, "$1…")

const baseUrlProblems = (text: string): ReadonlyArray<string> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return [`baseUrl is not an http or https URL: ${publicly(text)}`]
  }
  // The clients do different things with these: one sends them, one drops them, one fails.
  if (url.username !== "" || url.password !== "") return ["baseUrl holds credentials: give them as auth"]
  if (/[?#]/.test(text)) return [`baseUrl must have no query and no fragment: ${publicly(text)}`]
  return []
}

const target = (integration: string, options: Omit<Options<unknown>, keyof Integration.LayerOptions<unknown>>) =>
  Effect.gen(function* () {
    const { baseUrl } = options
    const given = Config.isConfig(baseUrl) ? yield* baseUrl as Config.Config<string | URL> : baseUrl
    const url = String(given)
    const limit = options.maxBodySize ?? 5 * 1024 * 1024
    const problems = [
      ...baseUrlProblems(url),
      ...(Number.isInteger(limit) && limit > 0 ? [] : [`maxBodySize must be a positive integer of bytes, got ${limit}`])
    ]
    if (problems.length > 0) return yield* new PolicyError({ integration, operation: "(layer)", problems })
    return HttpTarget.of({
      baseUrl: url.replace(/\/$/, ""),
      authorize: options.auth === undefined ? unauthorized : yield* options.auth.open({ integration }),
      classify: options.classify,
      classifyErrors: options.classifyErrors,
      headers: options.headers === undefined ? undefined : Headers.fromInput(options.headers),
      correlationHeader: options.correlationHeader?.toLowerCase(),
      propagate: options.traceparent ?? "none",
      requestIdHeaders: (options.requestIdHeaders ?? ["request-id", "x-request-id", "x-amzn-requestid"]).map((name) =>
        name.toLowerCase()
      ),
      maxBodySize: limit,
      deadlineHeader: options.deadlineHeader?.toLowerCase(),
      replayHeader: (options.replayHeader ?? "idempotent-replayed").toLowerCase()
    })
  })
