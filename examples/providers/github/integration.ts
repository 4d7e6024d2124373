/**
 * GitHub as two integrations: what only reads, and what writes and needs the first to find out what became of a write.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { type CallFailure, Exhaustion, Idempotency, Integration, type Outcome, Pages, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Data, DateTime, Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import { GitHubApi, MarkedBody } from "./api.ts"

// ---- the application's own errors

export class RepositoryMissing extends Data.TaggedError("RepositoryMissing") {}
export class NotAllowed extends Data.TaggedError("NotAllowed")<{ readonly why: string }> {}
export class IssuesDisabled extends Data.TaggedError("IssuesDisabled") {}
export class TextRefused extends Data.TaggedError("TextRefused")<{ readonly fields: ReadonlyArray<string> }> {}

/** GitHub could not be asked, or has had enough of us. `outcome` says whether it happened all the same. */
export class GitHubUnavailable extends Data.TaggedError("GitHubUnavailable")<{
  readonly outcome: Outcome.Outcome
  readonly retryAfter: Duration.Duration | undefined
}> {}

const orElse = ({ outcome, retryAfter }: CallFailure.CallFailure) => new GitHubUnavailable({ outcome, retryAfter })

const missing = {
  Unauthorized: ({ message }: { readonly message: string }) => new NotAllowed({ why: message }),
  Forbidden: ({ message }: { readonly message: string }) => new NotAllowed({ why: message }),
  NotFound: () => new RepositoryMissing()
}

// ---- limits

/**
 * GitHub answers 403 for two things: "never" and "not now". Only the second may be repeated, and not before its time:
 * who goes on may be banned. https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export const classifyErrors: HttpIntegration.Classify = (status, headers, body) => {
  if (status !== 403 && status !== 429) return undefined
  // breakwater reads this header by itself.
  if (headers["retry-after"] !== undefined) return Reason.throttled()
  if (headers["x-ratelimit-remaining"] === "0") return Reason.throttled({ retryAfter: untilReset(headers) })
  // "Otherwise, wait for at least one minute."
  return status === 429 || isSecondary(body) ? Reason.throttled({ retryAfter: Duration.minutes(1) }) : undefined
}

/**
 * The reset is an epoch time of GitHub's clock, and so is the `date` of the same answer. The difference is right whatever
 * the clock of this machine says. Without a date it is a full window, which is an hour: too late, but never too early.
 */
const untilReset = (headers: Readonly<Record<string, string | undefined>>): Duration.Duration =>
  Option.match(
    Option.all([DateTime.make(headers["date"] ?? ""), DateTime.make(Number(headers["x-ratelimit-reset"]) * 1000)]),
    {
      onNone: () => Duration.hours(1),
      onSome: ([sent, reset]) => Duration.max(Duration.zero, DateTime.distance(sent, reset))
    }
  )

const hasMessage = Schema.is(Schema.Struct({ message: Schema.String }))
const isSecondary = (body: unknown): boolean => hasMessage(body) && /secondary rate limit/i.test(body.message)

// ---- reading

/** GitHub gives a request up after 10 seconds: who waits a little longer learns what became of it. */
const attemptTimeout = "12 seconds"

export class GitHubReads extends Integration.Service<GitHubReads>()(
  "github/Reads",
  {
    policy: Policy.standard({ attemptTimeout, totalDeadline: "40 seconds" }),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse
  },
  {
    repository: HttpOperation.endpoint(GitHubApi, "repos", "get", { translate: missing }),
    issues: HttpOperation.endpoint(GitHubApi, "issues", "list", { translate: missing })
  }
) {}

export interface Repository {
  readonly owner: string
  readonly repo: string
}

/**
 * Every issue of a repository, newest first, in pages of 100. Pull requests are issues too, for GitHub. An issue that is
 * opened meanwhile moves the others on to the next page: by their number they are given once all the same.
 */
export const issuesOf = (repository: Repository) =>
  Stream.unwrap(
    Effect.map(GitHubReads, (github) =>
      Pages.byLink({
        query: ["page", "after"],
        read: (place) =>
          github.issues({
            params: repository,
            query: { state: "all", sort: "created", direction: "desc", per_page: 100, ...place }
          }),
        items: ({ body }) => body,
        link: ({ headers }) => headers.link,
        key: ({ number }) => String(number)
      }).pipe(Pages.items)
    )
  )

// ---- writing

/** Ends a text with what it is for: the incident, the order, whatever the application would not open two issues for. */
export const marked = (text: string, purpose: string): MarkedBody =>
  MarkedBody.make(`${text}\n\n<!-- for:${encodeURIComponent(purpose)} -->`)

const markerOf = (body: MarkedBody): string => body.slice(body.lastIndexOf("<!-- for:"))

/**
 * The issue that has this marker, if GitHub has opened it. The newest come first, so that a look reads one page and no
 * more; it ends at what is older than any call can be, with room for clocks that disagree.
 */
const findIssue = (repository: Repository, marker: string) =>
  Effect.flatMap(DateTime.now, (now) =>
    issuesOf(repository).pipe(
      Stream.takeWhile((issue) => DateTime.isGreaterThan(issue.created_at, DateTime.subtract(now, { hours: 1 }))),
      Stream.filter((issue) => issue.body?.endsWith(marker) === true),
      Stream.runHead
    )
  )

const refused = {
  ...missing,
  Gone: () => new IssuesDisabled(),
  ValidationFailed: ({ errors = [] }: { readonly errors?: ReadonlyArray<{ readonly field?: string }> }) =>
    new TextRefused({ fields: errors.flatMap(({ field }) => field ?? []) })
}

export class GitHub extends Integration.Service<GitHub>()(
  "github/Writes",
  {
    policy: Policy.standard({ attemptTimeout, totalDeadline: "2 minutes" }),
    // "Make requests serially instead of concurrently."
    shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: { concurrency: 1, queue: 100 } }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse
  },
  {
    openIssue: HttpOperation.endpoint(GitHubApi, "issues", "create", {
      // GitHub terminates what takes longer than 10 seconds, so nothing happens later than that; 5 more for a list that
      // lags behind. The look goes through the reading integration, with policies and spans of its own. A job that may be
      // started again after a crash adds `lookFirst: true`, for one more request per issue.
      idempotency: Idempotency.reconcilable(({ params, payload }) => findIssue(params, markerOf(payload.body)), {
        settle: "15 seconds"
      }),
      translate: refused
    }),
    comment: HttpOperation.endpoint(GitHubApi, "issues", "comment", {
      idempotency: Idempotency.atMostOnce("a comment has no key, and its readers would see a second one"),
      translate: refused
    })
  }
) {}

// ---- layers

/** How every deployment reaches GitHub, and every test. */
export const connection = {
  auth: Auth.bearer(Config.Redacted("GITHUB_TOKEN")),
  headers: {
    accept: "application/vnd.github+json",
    "user-agent": "breakwater-example",
    "x-github-api-version": "2022-11-28"
  },
  requestIdHeaders: ["x-github-request-id"]
}

const github = { ...connection, baseUrl: "https://api.github.com" }

export const GitHubLive = HttpIntegration.layer(GitHub, github).pipe(
  Layer.provideMerge(HttpIntegration.layer(GitHubReads, github)),
  Layer.provide(NodeHttpClient.layerUndici)
)
