/** examples/generated-github over a socket, against who has read the same description. */
import { assert, describe, it } from "@effect/vitest"
import { NodeHttpClient } from "@effect/platform-node"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { readFileSync } from "node:fs"
import type { Document } from "openapi-backend"
import { GitHub, GitHubLive, GitHubReads, marked } from "../../examples/generated-github/integration.ts"
import { type Answer, type Judged, judgeOf, serve, type Served } from "./upstream.ts"

const description = JSON.parse(
  readFileSync(new URL("../../examples/generated-github/openapi.json", import.meta.url), "utf8")
) as Document

/** Ajv compiles every schema of the description before the first request: a busy machine takes its time for that. */
const seconds = 60_000

const judge = Effect.runSync(Effect.cached(judgeOf(description)))

const repository = { owner: "octocat", repo: "hello-world" }
const issue = { ...repository, issue_number: 1347 }

/** A test with the integration and an upstream that answers with its examples, unless `answer` says otherwise. */
const against = <A, E>(
  answer: (judged: Judged) => Answer | undefined,
  body: (upstream: Served) => Effect.Effect<A, E, GitHub | GitHubReads>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const upstream = yield* serve(yield* judge, answer)
      const config = ConfigProvider.layer(
        ConfigProvider.fromEnv({ env: { GITHUB_URL: upstream.url, GITHUB_TOKEN: "ghp_secret" } })
      )
      const live = GitHubLive.pipe(Layer.provide([NodeHttpClient.layerUndici, config]))
      yield* Effect.provide(body(upstream), Layer.orDie(Layer.provideMerge(live, Logger.layer([]))))
      assert.deepStrictEqual(upstream.wrong, [])
    })
  )

/** The description's example of this one operation is a reference where the value belongs. */
const examples = ({ operation }: Judged): Answer | undefined =>
  operation === "issues/get" ? { status: 200, body: exampleOf("issue") } : undefined

const exampleOf = (name: string): unknown => {
  const example = description.components?.examples?.[name]
  return example !== undefined && "value" in example ? example.value : undefined
}

/** The fields of the error that an effect fails with. */
const fails = <A, E extends object, R>(self: Effect.Effect<A, E, R>): Effect.Effect<object, A, R> =>
  Effect.map(Effect.flip(self), (error) => ({ ...error }))

describe("a generated slice of GitHub", { timeout: seconds }, () => {
  it.live("sends what the description asks for, in every operation, and reads the description's examples", () =>
    against(examples, ({ seen }) =>
      Effect.gen(function* () {
        const [reads, github] = [yield* GitHubReads, yield* GitHub]
        const [first] = yield* reads.issuesListForRepo({
          params: repository,
          query: {
            state: "all",
            labels: "bug,ui",
            sort: "updated",
            direction: "asc",
            since: "2026-11-24T10:00:00Z",
            per_page: 30,
            page: 2
          }
        })
        assert.strictEqual(first?.title, "Found a bug")
        assert.strictEqual((yield* reads.issuesGet({ params: issue })).number, 1347)
        const opened = yield* github.issuesCreate({
          params: repository,
          payload: {
            title: "Checkout is down",
            body: marked("Nobody can pay.", "incident 42"),
            assignee: null,
            milestone: 1,
            labels: ["bug", { name: "urgent", color: null }]
          }
        })
        assert.strictEqual(opened.user?.login, "octocat")
        const updated = yield* github.issuesUpdate({
          params: issue,
          payload: { state: "closed", state_reason: "completed", assignees: ["octocat"] }
        })
        assert.strictEqual(updated.state, "open")
        const comment = yield* github.issuesCreateComment({ params: issue, payload: { body: "Me too" } })
        assert.strictEqual(comment.body, "Me too")
        assert.isUndefined(yield* github.issuesLock({ params: issue, payload: { lock_reason: "too heated" } }))
        assert.isUndefined(yield* github.issuesUnlock({ params: issue }))

        assert.deepStrictEqual(
          seen.map(({ method, operation, problems }) => [method, operation, problems]),
          [
            ["GET", "issues/list-for-repo", []],
            ["GET", "issues/get", []],
            ["POST", "issues/create", []],
            ["PATCH", "issues/update", []],
            ["POST", "issues/create-comment", []],
            ["PUT", "issues/lock", []],
            ["DELETE", "issues/unlock", []]
          ]
        )
        assert.deepStrictEqual(seen[2]!.body, {
          title: "Checkout is down",
          body: "Nobody can pay.\n\n<!-- for:incident%2042 -->",
          assignee: null,
          milestone: 1,
          labels: ["bug", { name: "urgent", color: null }]
        })
        for (const { headers } of seen) assert.strictEqual(headers["authorization"], "Bearer ghp_secret")
      })
    )
  )

  it.live("turns the declared errors into the application's own", () => {
    const answers: Array<Answer> = [
      { status: 404, body: { message: "Not Found" } },
      { status: 410, body: { message: "Issues are disabled" } },
      {
        status: 422,
        body: {
          message: "Validation Failed",
          documentation_url: "https://docs.github.com",
          errors: [{ resource: "Issue", field: "title", code: "missing_field" }]
        }
      },
      { status: 403, body: { message: "Must have admin rights" } }
    ]
    return against(
      () => answers.shift(),
      ({ seen }) =>
        Effect.gen(function* () {
          const github = yield* GitHub
          const ask = fails(github.issuesCreate({ params: repository, payload: { title: "" } }))
          assert.deepStrictEqual(yield* ask, { _tag: "Missing", repository: "octocat/hello-world" })
          assert.deepStrictEqual(yield* ask, { _tag: "IssuesDisabled" })
          assert.deepStrictEqual(yield* ask, { _tag: "TextRefused", fields: ["title"] })
          assert.deepStrictEqual(yield* ask, { _tag: "NotAllowed", why: "Must have admin rights" })
          assert.deepStrictEqual(
            seen.map(({ problems }) => problems),
            [[], [], [], []]
          )
        })
    )
  })

  it.live("sends nothing that the description refuses", () =>
    against(examples, ({ seen }) =>
      Effect.gen(function* () {
        const { issuesListForRepo } = yield* GitHubReads
        // No such state: a cast gets it past the compiler.
        const state = "opened" as string as "open"
        const wrong = yield* fails(issuesListForRepo({ params: repository, query: { state } }))
        assert.deepInclude(wrong, { _tag: "GitHubUnavailable", outcome: "NotSent" })
        assert.lengthOf(seen, 0)
      })
    )
  )
})

describe("the validator", { timeout: seconds }, () => {
  const wrong: ReadonlyArray<readonly [what: string, path: string, init: RequestInit, problem: RegExp]> = [
    ["a query", "/repos/o/r/issues?state=opened", {}, /query\/state/],
    ["a number in the query", "/repos/o/r/issues?per_page=many", {}, /query\/per_page/],
    ["a time in the query", "/repos/o/r/issues?since=yesterday", {}, /query\/since/],
    ["a path", "/repos/o/r/issues/first", {}, /path\/issue_number/],
    ["a method", "/repos/o/r/issues", { method: "DELETE" }, /no such operation/],
    ["a body", "/repos/o/r/issues", { method: "POST", body: JSON.stringify({ body: "no title" }) }, /title/],
    ["no body", "/repos/o/r/issues", { method: "POST" }, /requestBody/],
    [
      "a media type",
      "/repos/o/r/issues",
      { method: "POST", body: JSON.stringify({ title: "a" }), headers: { "content-type": "text/plain" } },
      /text\/plain/
    ]
  ]
  it.live.each(wrong)("refuses %s that breaks the description", ([, path, init, problem]) =>
    against(examples, ({ url }) =>
      Effect.promise(async () => {
        const headers = init.body === undefined ? {} : { "content-type": "application/json" }
        const response = await fetch(url + path, { headers, ...init })
        assert.strictEqual(response.status, 400)
        assert.match(((await response.json()) as { readonly message: string }).message, problem)
      })
    )
  )
})
