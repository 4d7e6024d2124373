/**
 * GitHub's issues as an integration.
 *
 * `npx breakwater generate` wrote this file once, with a name that does not exist in the place of each decision. The
 * decisions are ours, and so is the file: no later run touches it. `api.ts` is generated.
 */
import { type CallFailure, Exhaustion, Idempotency, Integration, type Outcome, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Data, DateTime, type Duration, Effect, Layer, Option } from "effect"
import { GitHubApi } from "./api.ts"

// ---- the application's own errors

export class RepositoryMoved extends Data.TaggedError("RepositoryMoved") {}
export class NotAllowed extends Data.TaggedError("NotAllowed")<{ readonly why: string | undefined }> {}
/** The repository, or the issue in it. */
export class Missing extends Data.TaggedError("Missing")<{ readonly repository: string }> {}
export class IssuesDisabled extends Data.TaggedError("IssuesDisabled") {}
export class TextRefused extends Data.TaggedError("TextRefused")<{ readonly fields: ReadonlyArray<string> }> {}

/** It could not be asked, or not be understood. `outcome` says whether it happened all the same. */
export class GitHubUnavailable extends Data.TaggedError("GitHubUnavailable")<{
  readonly outcome: Outcome.Outcome
  readonly retryAfter: Duration.Duration | undefined
}> {}

// ---- what an error means, decided once for all operations that have it

interface Told {
  readonly message?: string
}
interface Asked {
  readonly params: { readonly owner: string; readonly repo: string }
}

const missing = (_: Told, { params }: Asked) => new Missing({ repository: `${params.owner}/${params.repo}` })
const moved = () => new RepositoryMoved()
const notAllowed = ({ message }: Told) => new NotAllowed({ why: message })
const disabled = () => new IssuesDisabled()
const refused = ({ errors = [] }: { readonly errors?: ReadonlyArray<{ readonly field?: string }> }) =>
  new TextRefused({ fields: errors.flatMap(({ field }) => field ?? []) })
/** A 503 of GitHub's does not say whether it happened before. */
const unavailable = () => new GitHubUnavailable({ outcome: "Unknown", retryAfter: undefined })
const neverAsked = () => new GitHubUnavailable({ outcome: "Refused", retryAfter: undefined })

/** "Not now" is a 403 too. examples/providers/github reads all of GitHub's limits. */
const classifyErrors: HttpIntegration.Classify = (status, headers) =>
  status === 403 && headers["retry-after"] !== undefined ? Reason.throttled() : undefined

const defaults = {
  policy: Policy.standard(),
  shared: Policy.shared({ breaker: Policy.breaker() }),
  exhausted: Exhaustion.fail,
  classifyErrors,
  orElse: ({ outcome, retryAfter }: CallFailure.CallFailure) => new GitHubUnavailable({ outcome, retryAfter })
}

// ---- reading

export class GitHubReads extends Integration.Service<GitHubReads>()("app/GitHubReads", defaults, {
  // GET /repos/{owner}/{repo}/issues List repository issues
  issuesListForRepo: HttpOperation.endpoint(GitHubApi, "issues", "listForRepo", {
    translate: { MovedPermanently: moved, NotFound: missing, ValidationFailed: refused }
  }),
  // GET /repos/{owner}/{repo}/issues/{issue_number} Get an issue
  issuesGet: HttpOperation.endpoint(GitHubApi, "issues", "get", {
    translate: { MovedPermanently: moved, NotModified: neverAsked, NotFound: missing, Gone: disabled }
  })
}) {}

// ---- writing

/** The last line of an issue's text says what it is for. GitHub has no key, so this is how an issue is found again. */
export const marked = (text: string, purpose: string): string =>
  `${text}\n\n<!-- for:${encodeURIComponent(purpose)} -->`

const markerOf = (body: string): string | undefined => /<!-- for:\S+ -->$/.exec(body)?.[0]

/** The issue with the marker of this text among the newest, if GitHub has opened it. */
const findIssue = ({ params }: Asked, body: string) =>
  Effect.gen(function* () {
    const marker = markerOf(body)
    // Nobody can look for it, so nobody can say that it is not there: without an answer nothing is repeated.
    if (marker === undefined) return yield* new TextRefused({ fields: ["body"] })
    const github = yield* GitHubReads
    const since = DateTime.formatIso(DateTime.subtract(yield* DateTime.now, { hours: 1 }))
    const query = { state: "all", sort: "created", direction: "desc", since, per_page: 100 } as const
    const issues = yield* github.issuesListForRepo({ params, query })
    return Option.fromUndefinedOr(issues.find((issue) => issue.body?.endsWith(marker) === true))
  })

export class GitHub extends Integration.Service<GitHub>()("app/GitHub", defaults, {
  // POST /repos/{owner}/{repo}/issues Create an issue
  issuesCreate: HttpOperation.endpoint(GitHubApi, "issues", "create", {
    // GitHub gives a request up after 10 seconds, and a list may lag behind.
    idempotency: Idempotency.reconcilable((input) => findIssue(input, input.payload.body ?? ""), {
      settle: "15 seconds"
    }),
    translate: {
      BadRequest: () => new TextRefused({ fields: [] }),
      BadRequestScimError: () => new TextRefused({ fields: [] }),
      Forbidden: notAllowed,
      NotFound: missing,
      Gone: disabled,
      ValidationFailed: refused,
      ServiceUnavailable: unavailable
    }
  }),
  // PATCH /repos/{owner}/{repo}/issues/{issue_number} Update an issue
  issuesUpdate: HttpOperation.endpoint(GitHubApi, "issues", "update", {
    idempotency: Idempotency.inherent("the fields that it names get the same values again"),
    translate: {
      MovedPermanently: moved,
      Forbidden: notAllowed,
      NotFound: missing,
      Gone: disabled,
      ValidationFailed: refused,
      ServiceUnavailable: unavailable
    }
  }),
  // POST /repos/{owner}/{repo}/issues/{issue_number}/comments Create an issue comment
  issuesCreateComment: HttpOperation.endpoint(GitHubApi, "issues", "createComment", {
    idempotency: Idempotency.atMostOnce("a comment has no key, and its readers would see a second one"),
    translate: { Forbidden: notAllowed, NotFound: missing, Gone: disabled, ValidationFailed: refused }
  }),
  // PUT /repos/{owner}/{repo}/issues/{issue_number}/lock Lock an issue
  issuesLock: HttpOperation.endpoint(GitHubApi, "issues", "lock", {
    translate: { Forbidden: notAllowed, NotFound: missing, Gone: disabled, ValidationFailed: refused }
  }),
  // DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock Unlock an issue
  issuesUnlock: HttpOperation.endpoint(GitHubApi, "issues", "unlock", {
    translate: { Forbidden: notAllowed, NotFound: missing }
  })
}) {}

// ---- layers

const connection = {
  baseUrl: Config.URL("GITHUB_URL").pipe(Config.withDefault(new URL("https://api.github.com"))),
  auth: Auth.bearer(Config.Redacted("GITHUB_TOKEN")),
  headers: {
    accept: "application/vnd.github+json",
    "user-agent": "breakwater-example",
    "x-github-api-version": "2022-11-28"
  },
  requestIdHeaders: ["x-github-request-id"]
}

/** It needs an `HttpClient`: `NodeHttpClient.layerUndici`, or `FetchHttpClient.layer`. */
export const GitHubLive = HttpIntegration.layer(GitHub, connection).pipe(
  Layer.provideMerge(HttpIntegration.layer(GitHubReads, connection))
)
