/**
 * `@octokit/rest`: reads a repository, and opens an issue, for which GitHub takes no key.
 */
import { RequestError } from "@octokit/request-error"
import { Octokit } from "@octokit/rest"
import { Idempotency, Integration, Operation, Reason } from "breakwater"
import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import { fetchOnce } from "./abortable.ts"
import { decided } from "./down.ts"

export class OctokitSdk extends Context.Service<OctokitSdk, Octokit>()("test/OctokitSdk") {}

const silent = () => {}

export const OctokitSdkLive = Layer.effect(
  OctokitSdk,
  Effect.gen(function* () {
    return new Octokit({
      auth: Redacted.value(yield* Config.Redacted("GITHUB_TOKEN")),
      baseUrl: yield* Config.String("GITHUB_URL").pipe(Config.withDefault("https://api.github.com")),
      // Retries and waits for limits are plugins, `@octokit/plugin-retry` and `-throttling`, which this package does not
      // have. The package `octokit` does: there it is `{ retry: { enabled: false }, throttle: { enabled: false } }`.
      request: { fetch: fetchOnce },
      // The URL of every failed request otherwise goes to the console.
      log: { debug: silent, info: silent, warn: silent, error: silent }
    })
  })
)

/** A 403 that is a limit, in GitHub's words: nothing is left, or `Retry-After` says when. */
const isLimit = (headers: Readonly<Record<string, string | number | undefined>>) =>
  headers["retry-after"] !== undefined || String(headers["x-ratelimit-remaining"]) === "0"

export const classify = (error: unknown): Reason.Verdict | undefined => {
  if (!(error instanceof RequestError)) return undefined
  const { cause, response, status } = error
  // Status 500 is the SDK's own invention for "no answer": only a response is an answer.
  if (response === undefined) return Reason.fromConnection(cause)
  const headers: Reason.HeadersLike = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, value === undefined ? undefined : String(value)])
  )
  const details = { status, message: `status ${status}`, headers, requestId: response.headers["x-github-request-id"] }
  return status === 403 && isLimit(response.headers) ? Reason.throttled(details) : Reason.fromStatus(status, details)
}

const isAnswer = Schema.is(Schema.Struct({ status: Schema.Int, data: Schema.Unknown }))

/** What the SDK takes for a success: a redirect that was not followed, and a body that was lost on the way. */
export const classifyAnswer = (answer: unknown): Reason.Verdict | undefined => {
  if (!isAnswer(answer)) return undefined
  if (answer.status >= 300) return Reason.fromStatus(answer.status)
  // It reads a body that was cut as an empty text, and says nothing.
  return answer.data === "" ? Reason.disconnected({ status: answer.status }) : undefined
}

const Answer = <S extends Schema.Constraint>(data: S) => Schema.Struct({ data })

export class GitHub extends Integration.Service<GitHub>()("test/GitHub", decided, {
  read: Operation.fromPromise("read", {
    client: OctokitSdk,
    input: Schema.Struct({ owner: Schema.String, repo: Schema.String }),
    success: Answer(Schema.Struct({ full_name: Schema.String })),
    idempotency: Idempotency.readOnly("a GET"),
    // The signal is an option of every request.
    call: (repository, { signal }, octokit) => octokit.rest.repos.get({ ...repository, request: { signal } }),
    classify,
    classifyAnswer
  }),
  write: Operation.fromPromise("write", {
    client: OctokitSdk,
    input: Schema.Struct({ owner: Schema.String, repo: Schema.String, title: Schema.String }),
    success: Answer(Schema.Struct({ number: Schema.Int })),
    idempotency: Idempotency.atMostOnce("GitHub takes no idempotency key"),
    call: (issue, { signal }, octokit) => octokit.rest.issues.create({ ...issue, request: { signal } }),
    classify,
    classifyAnswer
  })
}) {}

export const GitHubLive = Integration.layer(GitHub).pipe(Layer.provide(OctokitSdkLive))
