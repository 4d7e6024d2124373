/**
 * A fake GitHub that holds a client to GitHub's documented rules. A test may set its state: use the limit up, take the
 * token's rights away, or let an hour pass.
 */
import { Upstream } from "breakwater/testing"
import { DateTime, Duration, Effect, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiSchema } from "effect/http-api"
import { GitHubApi, type Issue } from "./api.ts"

/** The token that it accepts. */
export const token = Redacted.make("ghp_a_token_that_nobody_must_see")

type Issues = Array<typeof Issue.Type>

const state = () => ({
  /** Issues by `owner/repo`, oldest first. */
  issues: new Map<string, Issues>([
    ["acme/shop", []],
    ["acme/archive", []]
  ]),
  comments: 0,
  /** Repositories that the token may read and not write. */
  readOnly: new Set(["acme/archive"]),
  disabled: new Set<string>(),
  /** What is left of the hour's requests, and when that hour ends, in epoch milliseconds. */
  remaining: 5_000,
  reset: 0,
  /** When content was made: the secondary limit counts it by the minute. */
  created: new Array<number>(),
  requests: 0
})

type State = ReturnType<typeof state>

/** An answer that is no success. All of them look the same, and say which request they answer. */
const refuse = (state: State, status: number, body: Readonly<Record<string, unknown>>, headers = {}) =>
  Effect.map(DateTime.now, (now) =>
    HttpServerResponse.jsonUnsafe(body, {
      status,
      headers: {
        date: DateTime.toDateUtc(now).toUTCString(),
        "x-github-request-id": `C0DE:${state.requests}`,
        "x-ratelimit-remaining": String(state.remaining),
        "x-ratelimit-reset": String(Math.ceil(state.reset / 1000)),
        ...headers
      }
    })
  )

const documentation_url = "https://docs.github.com/rest"
const versions = new Set(["2022-11-28"])

export class FakeGitHub extends Upstream.Service<FakeGitHub>()("test/GitHub", GitHubApi, {
  state,

  guard: ({ state, wire }) =>
    Effect.gen(function* () {
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      state.requests++

      // https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api#user-agent
      if (wire.headers["user-agent"] === undefined || wire.headers["user-agent"] === "") {
        return HttpServerResponse.text("Request forbidden by administrative rules.", { status: 403 })
      }
      // https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#not-a-supported-version
      const version = wire.headers["x-github-api-version"]
      if (version !== undefined && !versions.has(version)) {
        return yield* refuse(state, 400, { message: `${version} is not a supported version`, documentation_url })
      }
      // https://docs.github.com/rest/authentication/authenticating-to-the-rest-api
      if (wire.headers["authorization"] !== `Bearer ${Redacted.value(token)}`) {
        return yield* refuse(state, 401, { message: "Bad credentials", documentation_url })
      }

      // https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-primary-rate-limits
      if (now >= state.reset) {
        if (state.reset > 0) state.remaining = 5_000
        state.reset = now + Duration.toMillis("1 hour")
      }
      if (state.remaining === 0) {
        return yield* refuse(state, 403, { message: "API rate limit exceeded for user ID 1.", documentation_url })
      }
      state.remaining--

      // …#about-secondary-rate-limits: "no more than 80 content-generating requests per minute".
      if (wire.method === "POST") {
        state.created = state.created.filter((at) => at > now - 60_000)
        const [oldest] = state.created
        if (oldest !== undefined && state.created.length >= 80) {
          return yield* refuse(
            state,
            403,
            { message: "You have exceeded a secondary rate limit.", documentation_url },
            { "retry-after": String(Math.ceil((oldest + 60_000 - now) / 1000)) }
          )
        }
        state.created.push(now)
      }
      return undefined
    }),

  handlers: {
    repos: {
      get: ({ params }, { state }) => {
        const name = `${params.owner}/${params.repo}`
        return state.issues.has(name)
          ? Effect.succeed({ full_name: name, private: false, has_issues: !state.disabled.has(name) })
          : refuse(state, 404, notFound)
      }
    },
    issues: {
      // https://docs.github.com/rest/issues/issues#list-repository-issues
      list: ({ params, query }, { state, wire }) => {
        const all = state.issues.get(`${params.owner}/${params.repo}`)
        if (all === undefined) return refuse(state, 404, notFound)
        const found = all.filter((issue) => query.state === "all" || issue.state === query.state)
        if (query.direction === "desc") found.reverse()
        const page = Number(query.page ?? "1")
        const last = Math.max(1, Math.ceil(found.length / query.per_page))
        return Effect.succeed(
          HttpApiSchema.withHeaders({
            body: found.slice((page - 1) * query.per_page, page * query.per_page),
            headers: last === 1 ? {} : { link: linkTo(wire.url, page, last) }
          })
        )
      },
      // https://docs.github.com/rest/issues/issues#create-an-issue
      create: ({ params, payload }, { state }) =>
        Effect.gen(function* () {
          const name = `${params.owner}/${params.repo}`
          const all = state.issues.get(name)
          if (all === undefined) return yield* refuse(state, 404, notFound)
          if (state.readOnly.has(name)) return yield* refuse(state, 403, notAccessible)
          if (state.disabled.has(name)) return yield* refuse(state, 410, { message: "Issues are disabled" })
          if (payload.title === "") return yield* refuse(state, 422, blank("Issue", "title"))
          const created_at = yield* DateTime.now
          const issue = { ...payload, number: all.length + 1, state: "open" as const, created_at }
          all.push(issue)
          return issue
        }),
      // https://docs.github.com/rest/issues/comments#create-an-issue-comment
      comment: ({ params, payload }, { state }) => {
        const name = `${params.owner}/${params.repo}`
        if (state.issues.get(name)?.[params.number - 1] === undefined) return refuse(state, 404, notFound)
        if (state.readOnly.has(name)) return refuse(state, 403, notAccessible)
        if (payload.body === "") return refuse(state, 422, blank("IssueComment", "body"))
        return Effect.succeed({ id: ++state.comments, body: payload.body })
      }
    }
  }
}) {}

const notFound = { message: "Not Found", documentation_url }

// https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#resource-not-accessible
const notAccessible = { message: "Resource not accessible by personal access token", documentation_url }

const blank = (resource: string, field: string) => ({
  message: "Validation Failed",
  errors: [{ resource, field, code: "missing_field" }],
  documentation_url
})

/** A `Link` header as GitHub writes it: the repository's number instead of its name, and all of the request's query. */
const linkTo = (url: string, page: number, last: number): string => {
  const to = (page: number, rel: string) => {
    const { searchParams } = new URL(url)
    searchParams.set("page", String(page))
    return `<https://api.github.com/repositories/1/issues?${searchParams}>; rel="${rel}"`
  }
  return [
    ...(page > 1 ? [to(page - 1, "prev")] : []),
    ...(page < last ? [to(page + 1, "next"), to(last, "last")] : []),
    ...(page > 1 ? [to(1, "first")] : [])
  ].join(", ")
}
