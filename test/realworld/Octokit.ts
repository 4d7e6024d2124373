/**
 * A double of Octokit: promise-shaped, over the provider of the run, with what matters here of the real packages.
 *
 * - It rejects with a `RequestError` whose `status` is the answer's, or 500 where there was no answer
 *   (`@octokit/request`). An aborted request rejects with the `AbortError`.
 * - A body that can't be read or parsed is no error: the answer's `data` is then the text that was read
 *   (`@octokit/request`). A body that never ends is waited for.
 * - The package `octokit` has `@octokit/plugin-retry` inside: whatever the method, a failure is repeated up to 3 times,
 *   after 1, 4 and 9 seconds, unless its status is 400, 401, 403, 404, 410, 422 or 451. `getOctokit` of
 *   `@actions/github` has it not.
 *
 * Left out: the throttling plugin, which asks once more after a rate limit when the retries are spent.
 */
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { type FetchResponse, make as makePromiseClient } from "./PromiseClient.ts"

export class RequestError extends Error {
  override readonly name = "HttpError"
  readonly status: number
  readonly response: { readonly headers: { readonly [name: string]: string | undefined } } | undefined

  constructor(message: string, status: number, response?: RequestError["response"], cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.response = response
  }
}

export interface OctokitResponse<A> {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly data: A
}

export interface RequestParameters {
  readonly request?: { readonly signal?: AbortSignal | undefined } | undefined
}

export interface Repository extends RequestParameters {
  readonly owner: string
  readonly repo: string
}

/** What GitHub promises about an issue, as far as it is used. Nothing checks that it keeps its promise. */
export interface Issue {
  readonly number: number
  readonly html_url: string
  readonly title: string
  readonly body: string
}

export interface PullRequest {
  readonly number: number
  readonly base: { readonly ref: string; readonly sha: string }
  readonly head: { readonly ref: string; readonly sha: string }
}

export interface PullRequestFile {
  readonly filename: string
  readonly status: string
}

export interface Rest {
  readonly issues: {
    readonly create: (
      parameters: Repository & { readonly title: string; readonly body: string }
    ) => Promise<OctokitResponse<Issue>>
    readonly listForRepo: (
      parameters: Repository & { readonly state: "all"; readonly creator: string; readonly per_page: number }
    ) => Promise<OctokitResponse<ReadonlyArray<Issue>>>
  }
  readonly pulls: {
    readonly get: (parameters: Repository & { readonly pull_number: number }) => Promise<OctokitResponse<PullRequest>>
    readonly listFiles: (
      parameters: Repository & { readonly pull_number: number; readonly per_page: number }
    ) => Promise<OctokitResponse<ReadonlyArray<PullRequestFile>>>
  }
}

export interface Octokit {
  readonly rest: Rest
}

interface Options {
  readonly auth: string
  /** The retry plugin's own options. */
  readonly retry?: { readonly enabled: boolean } | undefined
}

const doNotRetry: ReadonlySet<number> = new Set([400, 401, 403, 404, 410, 422, 451])

/** `new Octokit(options)` of the package `octokit`. */
export const make = (options: Options): Effect.Effect<Octokit, never, HttpClient.HttpClient> =>
  Effect.map(makePromiseClient, ({ fetch, sleep }) => {
    const once = async (method: string, path: string, signal: AbortSignal | undefined, body?: object) => {
      let response: FetchResponse
      try {
        response = await fetch(`https://api.github.com${path}`, {
          method,
          headers: {
            accept: "application/vnd.github+json",
            authorization: `token ${options.auth}`,
            ...(body === undefined ? {} : { "content-type": "application/json" })
          },
          body: body === undefined ? undefined : JSON.stringify(body),
          signal
        })
      } catch (error) {
        if (error instanceof Error && error.name === "AbortError") throw error
        throw new RequestError("fetch failed", 500, undefined, error)
      }
      const headers = { "retry-after": response.headers.get("retry-after") ?? undefined }
      const data = await dataOf(response)
      if (response.status >= 400) throw new RequestError(`status ${response.status}`, response.status, { headers })
      return { status: response.status, headers, data }
    }

    const request = async <A>(
      method: string,
      path: string,
      parameters: RequestParameters,
      body?: object
    ): Promise<OctokitResponse<A>> => {
      const retries = options.retry?.enabled === false ? 0 : 3
      for (let retry = 0; ; retry++) {
        try {
          return (await once(method, path, parameters.request?.signal, body)) as OctokitResponse<A>
        } catch (error) {
          if (!(error instanceof RequestError) || doNotRetry.has(error.status) || retry >= retries) throw error
          await sleep((retry + 1) ** 2 * 1_000)
        }
      }
    }

    return {
      rest: {
        issues: {
          create: ({ owner, repo, request: r, ...issue }) =>
            request("POST", `/repos/${owner}/${repo}/issues`, { request: r }, issue),
          listForRepo: ({ creator, owner, per_page, repo, request: r, state }) =>
            request("GET", `/repos/${owner}/${repo}/issues?state=${state}&creator=${creator}&per_page=${per_page}`, {
              request: r
            })
        },
        pulls: {
          get: ({ owner, pull_number, repo, request: r }) =>
            request("GET", `/repos/${owner}/${repo}/pulls/${pull_number}`, { request: r }),
          listFiles: ({ owner, per_page, pull_number, repo, request: r }) =>
            request("GET", `/repos/${owner}/${repo}/pulls/${pull_number}/files?per_page=${per_page}`, { request: r })
        }
      }
    }
  })

/** `getOctokit(token)` of `@actions/github`: the same without the retry plugin. */
export const getOctokit = (auth: string): Effect.Effect<Octokit, never, HttpClient.HttpClient> =>
  make({ auth, retry: { enabled: false } })

const dataOf = async (response: FetchResponse): Promise<unknown> => {
  let text = ""
  try {
    text = await response.text()
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") throw error
    return text
  }
}
