/**
 * `fetch` and a timer as promises, over the `HttpClient` and the clock of the run: what the SDK doubles are built of, and
 * what a recipe that calls `fetch` is given. It behaves as `fetch` does: it rejects where there is no answer, resolves
 * for every status, gives the body apart from the headers, and stops where its signal is aborted.
 */
import { Cause, Context, Effect, Exit, Predicate } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpMethod } from "effect/http"

export interface FetchInit {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FetchResponse {
  readonly ok: boolean
  readonly status: number
  readonly headers: { readonly get: (name: string) => string | null }
  readonly text: () => Promise<string>
  readonly json: () => Promise<unknown>
}

export interface PromiseClient {
  readonly fetch: (url: string, init?: FetchInit) => Promise<FetchResponse>
  /** Resolves after that many milliseconds of the run's clock. */
  readonly sleep: (millis: number) => Promise<void>
}

/** Takes the client and the clock of the run. */
export const make: Effect.Effect<PromiseClient, never, HttpClient.HttpClient> = Effect.gen(function* () {
  const context = yield* Effect.context<HttpClient.HttpClient>()
  // A request of `fetch` has no span of Effect's around it.
  const run = async <A>(
    effect: Effect.Effect<A, HttpClientError.HttpClientError>,
    signal?: AbortSignal | undefined
  ): Promise<A> => {
    const exit = await Effect.runPromiseExitWith(Context.add(context, HttpClient.TracerDisabledWhen, () => true))(
      effect,
      signal === undefined ? {} : { signal }
    )
    if (Exit.isSuccess(exit)) return exit.value
    if (Cause.hasInterruptsOnly(exit.cause)) throw new DOMException("This operation was aborted", "AbortError")
    const error = Cause.squash(exit.cause)
    throw new TypeError("fetch failed", { cause: Predicate.hasProperty(error, "reason") ? causeOf(error) : error })
  }
  const client = Context.get(context, HttpClient.HttpClient)
  return {
    fetch: async (url, init) => {
      const request = HttpClientRequest.make((init?.method ?? "GET") as HttpMethod.HttpMethod)(url).pipe(
        HttpClientRequest.setHeaders(init?.headers ?? {}),
        init?.body === undefined
          ? (unchanged) => unchanged
          : HttpClientRequest.bodyText(init.body, init.headers?.["content-type"] ?? "text/plain")
      )
      const response = await run(client.execute(request), init?.signal)
      const text = () => run(response.text, init?.signal)
      return {
        ok: response.status >= 200 && response.status < 300,
        status: response.status,
        headers: { get: (name) => response.headers[name.toLowerCase()] ?? null },
        text,
        json: async () => JSON.parse(await text()) as unknown
      }
    },
    sleep: (millis) => run(Effect.sleep(millis))
  }
})

const causeOf = (error: { readonly reason: unknown }): unknown =>
  Predicate.hasProperty(error.reason, "cause") ? error.reason.cause : error.reason
