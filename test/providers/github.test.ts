import { assert, describe, it } from "@effect/vitest"
import { Integration, Outcome } from "breakwater"
import { Auth } from "breakwater/http"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { DateTime, Duration, Effect, Exit, Fiber, Layer, Logger, Option, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import {
  classifyErrors,
  connection,
  GitHub,
  GitHubReads,
  GitHubUnavailable,
  issuesOf,
  marked,
  NotAllowed
} from "../../examples/providers/github/integration.ts"
import { FakeGitHub, token } from "../../examples/providers/github/upstream.ts"

const asked = { ...connection, auth: Auth.bearer(token) }

/** Both integrations over one fake GitHub, with the real policies. */
const provider = IntegrationTest.layer(GitHub, FakeGitHub, asked).pipe(
  Layer.provideMerge(IntegrationTest.layer(GitHubReads, FakeGitHub, asked))
)
const test = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provide(self, Layer.orDie(Layer.provideMerge(provider, Logger.layer([]))))

const wrongToken = {
  ...connection,
  auth: Auth.custom("another token", (request) =>
    Effect.succeed(HttpClientRequest.setHeader(request, "authorization", "Bearer ghp_other"))
  )
}

const shop = { owner: "acme", repo: "shop" }
const archive = { owner: "acme", repo: "archive" }
const incident = (number: number) => ({
  params: shop,
  payload: { title: `Checkout is down (${number})`, body: marked("Nobody can pay.", `incident-${number}`) }
})

/** Issues that others have opened, a day ago. */
const seeded = (count: number) =>
  Effect.gen(function* () {
    yield* TestClock.adjust("1 day")
    const created_at = DateTime.subtract(yield* DateTime.now, { days: 1 })
    const { state } = yield* FakeGitHub
    state.issues.set(
      "acme/shop",
      Array.from({ length: count }, (_, index) => ({
        number: index + 1,
        title: `${index + 1}`,
        body: null,
        state: "open",
        created_at
      }))
    )
  })

/** Chai compares errors by name and message alone, which all of these share. */
const isError = (actual: object, expected: object) => assert.deepStrictEqual({ ...actual }, { ...expected })

const openIssue = (number: number) =>
  Effect.flatMap(GitHub, (github) => IntegrationTest.settle(github.openIssue(incident(number))))

/** A request that no integration would send. */
const raw = (headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const client = yield* Effect.provide(HttpClient.HttpClient, FakeGitHub.client)
    const response = yield* client.execute(
      HttpClientRequest.get("https://github.test/repos/acme/shop", {
        headers: { "user-agent": "curl", authorization: "Bearer ghp_a_token_that_nobody_must_see", ...headers }
      })
    )
    return { status: response.status, text: yield* response.text, headers: response.headers }
  })

describe("GitHub: what goes well", () => {
  it.effect("opens an issue, comments on it, and reads both the repository and the list", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const reads = yield* GitHubReads
      const upstream = yield* FakeGitHub
      const recording = yield* IntegrationTest.Recording

      const issue = yield* openIssue(1)
      assert.deepStrictEqual([issue.number, issue.state], [1, "open"])
      const comment = yield* github.comment({ params: { ...shop, number: 1 }, payload: { body: "On it." } })
      assert.strictEqual(comment.body, "On it.")
      assert.strictEqual((yield* reads.repository({ params: shop })).full_name, "acme/shop")
      assert.deepStrictEqual(yield* Stream.runCollect(issuesOf(shop)), [issue])

      expectExecuted(upstream).inOrder(["issues.create", "issues.comment"])
      expectExecuted(upstream).once("issues.create", { params: shop, payload: { title: "Checkout is down (1)" } })
      expectOutcome(recording).of("openIssue", { callOutcome: "ok", outcome: "Applied", attempts: ["Success"] })
      expectSpans(recording).of("openIssue", { attempts: [{ name: "POST /repos/:owner/:repo/issues" }] })
      expectSpans(recording).without(token)
    }).pipe(test)
  )

  it.effect("on the wire: JSON, bearer token, user agent and version, the number in the path, and no key", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const { requests } = yield* FakeGitHub
      yield* openIssue(1)
      yield* github.comment({ params: { ...shop, number: 1 }, payload: { body: "On it." } })
      yield* Stream.runDrain(issuesOf(shop))
      assert.deepStrictEqual(
        requests.map(({ method, url }) => `${method} ${new URL(url).pathname}${new URL(url).search}`),
        [
          "POST /repos/acme/shop/issues",
          "POST /repos/acme/shop/issues/1/comments",
          "GET /repos/acme/shop/issues?state=all&sort=created&direction=desc&per_page=100"
        ]
      )
      for (const { headers, key } of requests) {
        assert.strictEqual(headers["authorization"], "Bearer ghp_a_token_that_nobody_must_see")
        assert.strictEqual(headers["user-agent"], "breakwater-example")
        assert.strictEqual(headers["x-github-api-version"], "2022-11-28")
        assert.strictEqual(headers["accept"], "application/vnd.github+json")
        assert.isUndefined(key)
      }
      assert.deepStrictEqual(JSON.parse(requests[0]!.text), {
        title: "Checkout is down (1)",
        body: "Nobody can pay.\n\n<!-- for:incident-1 -->"
      })
    }).pipe(test)
  )

  it("a purpose can't end the comment that holds it", () => {
    assert.strictEqual(marked("t", "a --> b"), "t\n\n<!-- for:a%20--%3E%20b -->")
  })

  it("the plan says how a repeat is made safe", () => {
    const plan = Integration.planText(GitHub)
    assert.include(plan, "looks before it repeats, 15 s after an unknown outcome")
    assert.include(plan, "at most once: a comment has no key")
  })
})

describe("GitHub: its rules, broken", () => {
  it.effect.each([
    ["no user agent", { "user-agent": "" }, 403, "Request forbidden by administrative rules"],
    ["another version", { "x-github-api-version": "1999-01-01" }, 400, "not a supported version"],
    ["another token", { authorization: "Bearer ghp_other" }, 401, "Bad credentials"]
  ] as const)("%s", ([, headers, status, text]) =>
    Effect.gen(function* () {
      const answer = yield* raw(headers)
      assert.strictEqual(answer.status, status)
      assert.include(answer.text, text)
    }).pipe(test)
  )

  it.effect("without a version the default one answers", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* raw({})).status, 200)
    }).pipe(test)
  )

  it.effect("a token that is not known: typed, not repeated, and not in the error", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const error = yield* Effect.flip(github.openIssue(incident(1)))
      isError(error, new NotAllowed({ why: "Bad credentials" }))
      expectExecuted(yield* FakeGitHub).never()
    }).pipe(
      Effect.provide(
        IntegrationTest.layer(GitHub, FakeGitHub, wrongToken).pipe(
          Layer.provideMerge(IntegrationTest.layer(GitHubReads, FakeGitHub, wrongToken)),
          Layer.provideMerge(Logger.layer([]))
        )
      )
    )
  )

  it.effect("403 without a limit is final: it did not happen, and is asked once", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      const error = yield* Effect.flip(github.openIssue({ ...incident(1), params: archive }))
      isError(error, new NotAllowed({ why: "Resource not accessible by personal access token" }))
      expectOutcome(yield* IntegrationTest.Recording).of("openIssue", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(upstream).never()
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(test)
  )

  it.effect("404, 410 and 422 are the application's own errors, and name the request to support", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      const recording = yield* IntegrationTest.Recording
      const refusals = [
        yield* Effect.flip(github.openIssue({ ...incident(1), params: { ...shop, repo: "none" } })),
        yield* Effect.flip(github.comment({ params: { ...shop, number: 7 }, payload: { body: "?" } })),
        yield* Effect.flip(
          github.openIssue({ ...incident(1), payload: { title: "", body: marked("Nobody can pay.", "incident-1") } })
        )
      ]
      upstream.state.disabled.add("acme/shop")
      refusals.push(yield* Effect.flip(github.openIssue(incident(1))))
      assert.deepStrictEqual(
        refusals.map((error): object => ({ ...error })),
        [
          { _tag: "RepositoryMissing" },
          { _tag: "RepositoryMissing" },
          { _tag: "TextRefused", fields: ["title"] },
          { _tag: "IssuesDisabled" }
        ]
      )
      assert.deepStrictEqual(
        recording.calls.map(({ outcome, requestId }) => [outcome, requestId]),
        [1, 2, 3, 4].map((request) => ["Refused", `C0DE:${request}`])
      )
      expectExecuted(upstream).never()
    }).pipe(test)
  )
})

describe("GitHub: its limits", () => {
  it.effect("the hour is used up: 403 is no refusal for ever, and the failure says when to come back", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      yield* TestClock.adjust("1 day")
      yield* openIssue(1)
      yield* TestClock.adjust("20 minutes")
      upstream.state.remaining = 0
      const error = yield* Effect.flip(github.openIssue(incident(2)))
      isError(error, new GitHubUnavailable({ outcome: "Refused", retryAfter: Duration.minutes(40) }))
      expectOutcome(yield* IntegrationTest.Recording).of("openIssue", { outcome: "Refused", attempts: ["Throttled"] })

      // Who comes back then is served.
      yield* TestClock.adjust("40 minutes")
      yield* openIssue(2)
      expectExecuted(upstream).times(2, "issues.create")
    }).pipe(test)
  )

  it.effect("an hour that ends soon is waited for, and a request never comes before its end", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      yield* openIssue(1)
      yield* TestClock.adjust(Duration.seconds(3_597))
      upstream.state.remaining = 0
      yield* openIssue(2)
      const [, refused, served] = upstream.requests
      assert.isAtLeast(served!.at, Duration.toMillis("1 hour"))
      assert.isBelow(refused!.at, Duration.toMillis("1 hour"))
      assert.strictEqual(upstream.requests.length, 3)
      expectOutcome(yield* IntegrationTest.Recording).of("openIssue", { attempts: ["Throttled", "Success"] })
    }).pipe(test)
  )

  it.effect("80 comments a minute: the next one is told to wait, waits, and is written once", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      yield* openIssue(1)
      const comment = (body: string) => github.comment({ params: { ...shop, number: 1 }, payload: { body } })
      yield* TestClock.adjust("58 seconds")
      for (let n = 1; n < 80; n++) yield* comment(`${n}`)
      const fiber = yield* Effect.forkChild(comment("80"), { startImmediately: true })
      yield* upstream.awaitRequest({ operation: "issues.comment", times: 80 })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      expectOutcome(yield* IntegrationTest.Recording).of("comment", {
        outcome: "Applied",
        attempts: ["Throttled", "Success"]
      })
      expectExecuted(upstream).once("issues.comment", { payload: { body: "80" } })
      assert.isAtLeast(upstream.requests.at(-1)!.at, 60_000)
    }).pipe(test)
  )

  it.effect("a secondary limit without a time is a minute, whatever its status", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      for (const status of [403, 429]) {
        yield* upstream.inject([
          FaultInjection.status(status, {
            headers: { "content-type": "application/json", "x-ratelimit-remaining": "12" },
            body: { message: "You have exceeded a secondary rate limit. Please wait a few minutes." }
          })
        ])
        const error = yield* Effect.flip(github.openIssue(incident(1)))
        isError(error, new GitHubUnavailable({ outcome: "Refused", retryAfter: Duration.minutes(1) }))
      }
      expectExecuted(upstream).never()
    }).pipe(test)
  )

  it("reads the reset against GitHub's own clock, and is never early where that is not told", () => {
    const retryAfter = (headers: Readonly<Record<string, string>>) =>
      classifyErrors(403, { "x-ratelimit-remaining": "0", ...headers }, {})?.retryAfter
    const date = "Tue, 20 Aug 2013 14:50:41 GMT"
    assert.deepStrictEqual(retryAfter({ date, "x-ratelimit-reset": "1377013266" }), Duration.seconds(3_025))
    assert.deepStrictEqual(retryAfter({ date, "x-ratelimit-reset": "1377010000" }), Duration.zero)
    assert.deepStrictEqual(retryAfter({ "x-ratelimit-reset": "1377013266" }), Duration.hours(1))
    assert.deepStrictEqual(retryAfter({ date }), Duration.hours(1))
    assert.isUndefined(classifyErrors(403, { "x-ratelimit-remaining": "7" }, { message: "Resource not accessible" }))
    assert.isUndefined(classifyErrors(422, { "x-ratelimit-remaining": "0" }, {}))
  })

  it.effect("writes go one after the other", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      yield* upstream.inject(FaultInjection.times(3, FaultInjection.latency("2 seconds")))
      yield* IntegrationTest.settle(
        Effect.forEach([1, 2, 3], (n) => github.openIssue(incident(n)), { concurrency: "unbounded" })
      )
      assert.deepStrictEqual(
        upstream.requests.map(({ at }) => at),
        [0, 2_000, 4_000]
      )
    }).pipe(test)
  )
})

describe("GitHub: an issue is opened once", () => {
  it.effect.each([
    ["its answer is lost", FaultInjection.responseLost, "Disconnected"],
    ["its answer never ends", FaultInjection.stallInBody, "BodyLost"],
    ["its answer is cut", FaultInjection.cutBody, "BodyLost"],
    ["GitHub fails after the fact", FaultInjection.status(502, { executes: true }), "Unavailable"],
    ["GitHub never answers", FaultInjection.stallBeforeHeaders({ executes: true }), "Timeout"],
    ["GitHub works on when we have left", FaultInjection.executesLate("25 seconds"), "Timeout"]
  ] as const)("%s: it is found, and not opened again", ([, fault, reason]) =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      const recording = yield* IntegrationTest.Recording
      yield* upstream.inject({ "issues.create": [fault] })
      const issue = yield* openIssue(1)
      assert.strictEqual(issue.number, 1)
      expectExecuted(upstream).once("issues.create")
      expectOutcome(recording).of("openIssue", { outcome: "Applied", attempts: [reason] })
      // The look is a call of its own, with its own span.
      expectOutcome(recording).of("issues", { callOutcome: "ok", attempts: ["Success"] })
      expectSpans(recording).of("issues", { attempts: [{ name: "GET /repos/:owner/:repo/issues" }] })
      expectSpans(recording).without(token)
    }).pipe(test)
  )

  it.effect("it did not happen: the look finds nothing, and it is sent again", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      yield* upstream.inject({ "issues.create": [FaultInjection.resetBeforeReading, FaultInjection.status(502)] })
      yield* openIssue(1)
      expectExecuted(upstream).once("issues.create")
      assert.deepStrictEqual(
        upstream.requests.map(({ operation }) => operation),
        ["issues.create", "issues.list", "issues.create", "issues.list", "issues.create"]
      )
      expectOutcome(yield* IntegrationTest.Recording).of("openIssue", {
        outcome: "Applied",
        attempts: ["Disconnected", "Unavailable", "Success"]
      })
    }).pipe(test)
  )

  it.effect("the look reads the newest page only, however long the list is", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      yield* seeded(350)
      yield* upstream.inject({ "issues.create": [FaultInjection.resetBeforeReading] })
      yield* openIssue(1)
      assert.strictEqual(upstream.requests.filter(({ operation }) => operation === "issues.list").length, 1)
    }).pipe(test)
  )

  it.effect("a look that fails: it is not sent again, and the error says that it may have happened", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      const recording = yield* IntegrationTest.Recording
      yield* upstream.inject({
        "issues.create": [FaultInjection.resetBeforeReading],
        "issues.list": FaultInjection.times(3, FaultInjection.status(503))
      })
      const error = yield* Effect.flip(IntegrationTest.settle(github.openIssue(incident(1))))
      isError(error, new GitHubUnavailable({ outcome: "Unknown", retryAfter: undefined }))
      expectOutcome(recording).of("openIssue", { outcome: "Unknown", attempts: ["Disconnected"] })
      // The look's retries are the call's: of its two, one was to be the repeat that the look is for.
      expectOutcome(recording).of("issues", { attempts: ["Unavailable", "Unavailable"] })
    }).pipe(test)
  )

  it.effect("an answer of another shape: it happened, and is neither repeated nor believed", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      yield* upstream.inject([FaultInjection.wrongShape({ number: "one" })])
      const error = yield* Effect.flip(IntegrationTest.settle(github.openIssue(incident(1))))
      isError(error, new GitHubUnavailable({ outcome: "Applied", retryAfter: undefined }))
      expectExecuted(upstream).once("issues.create")
      expectOutcome(yield* IntegrationTest.Recording).of("openIssue", { attempts: ["InvalidResponse"] })
    }).pipe(test)
  )

  it.effect("over 60 seeds of every fault: never two issues, and what was opened is never denied", () =>
    FaultInjection.forSeeds({ runs: 60 }, (seed) =>
      Effect.gen(function* () {
        const github = yield* GitHub
        const upstream = yield* FakeGitHub
        const faults = [...FaultInjection.all, FaultInjection.executesLate("25 seconds")]
        yield* upstream.inject(FaultInjection.seeded({ seed, rate: 0.5, faults }))
        for (let n = 1; n <= 4; n++) {
          const exit = yield* Effect.exit(IntegrationTest.settle(github.openIssue(incident(n))))
          const opened = upstream.ledger.filter(({ operation }) => operation === "issues.create").length
          const issues = upstream.state.issues.get("acme/shop") ?? []
          const own = issues.filter(({ title }) => title === `Checkout is down (${n})`).length
          assert.strictEqual(opened, issues.length)
          assert.isAtMost(own, 1)
          if (Exit.isSuccess(exit)) assert.strictEqual(own, 1)
          const error = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (own === 1 && error?._tag === "GitHubUnavailable") assert.isFalse(Outcome.didNotHappen(error.outcome))
        }
      }).pipe(test)
    )
  )
})

describe("GitHub: a comment is written at most once", () => {
  it.effect("its answer is lost: it is not sent again, and the error says that it may have happened", () =>
    Effect.gen(function* () {
      const github = yield* GitHub
      const upstream = yield* FakeGitHub
      yield* openIssue(1)
      yield* upstream.inject({ "issues.comment": [FaultInjection.responseLost] })
      const call = github.comment({ params: { ...shop, number: 1 }, payload: { body: "On it." } })
      const error = yield* Effect.flip(IntegrationTest.settle(call))
      isError(error, new GitHubUnavailable({ outcome: "Unknown", retryAfter: undefined }))
      expectExecuted(upstream).once("issues.comment")
    }).pipe(test)
  )

  it.effect("over 60 seeds of every fault: never twice", () =>
    FaultInjection.forSeeds({ runs: 60 }, (seed) =>
      Effect.gen(function* () {
        const github = yield* GitHub
        const upstream = yield* FakeGitHub
        yield* openIssue(1)
        yield* upstream.inject(FaultInjection.only("issues.comment", FaultInjection.seeded({ seed, rate: 0.6 })))
        for (let n = 1; n <= 4; n++) {
          const body = `comment ${n}`
          const call = github.comment({ params: { ...shop, number: 1 }, payload: { body } })
          const exit = yield* Effect.exit(IntegrationTest.settle(call))
          const written = upstream.ledger.filter(({ input }) => JSON.stringify(input).includes(body)).length
          assert.isAtMost(written, 1)
          if (Exit.isSuccess(exit)) assert.strictEqual(written, 1)
        }
      }).pipe(test)
    )
  )
})

describe("GitHub: lists are streams of pages", () => {
  it.effect("all pages, each a call with retries of its own, in the order of the list", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      const recording = yield* IntegrationTest.Recording
      yield* seeded(250)
      yield* upstream.inject([undefined, FaultInjection.status(502), FaultInjection.cutBody])
      const issues = yield* IntegrationTest.settle(Stream.runCollect(issuesOf(shop)))
      assert.deepStrictEqual(
        issues.map(({ number }) => number),
        Array.from({ length: 250 }, (_, index) => 250 - index)
      )
      expectOutcome(recording).calls(3, "issues")
      assert.deepStrictEqual(
        upstream.requests.map(({ url }) => new URL(url).searchParams.get("page")),
        [null, "2", "2", "2", "3"]
      )
      assert.deepStrictEqual(
        recording.calls.map(({ attempts }) => attempts.map(({ reason }) => reason)),
        [["Success"], ["Unavailable", "BodyLost", "Success"], ["Success"]]
      )
    }).pipe(test)
  )

  it.effect("what is not pulled is not asked for", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      yield* seeded(250)
      yield* Stream.runDrain(Stream.take(issuesOf(shop), 150))
      assert.strictEqual(upstream.requests.length, 2)
    }).pipe(test)
  )

  it.effect("a page that fails ends the stream with the call's error, after the pages before it", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeGitHub
      yield* seeded(250)
      yield* upstream.inject([undefined, ...FaultInjection.times(3, FaultInjection.status(503))])
      const seen: Array<number> = []
      const error = yield* issuesOf(shop).pipe(
        Stream.runForEach(({ number }) => Effect.sync(() => seen.push(number))),
        IntegrationTest.settle,
        Effect.flip
      )
      isError(error, new GitHubUnavailable({ outcome: "Unknown", retryAfter: undefined }))
      assert.strictEqual(seen.length, 100)
    }).pipe(test)
  )

  it.effect("an issue that is opened between two pages moves the others, and none is given twice", () =>
    Effect.gen(function* () {
      yield* seeded(250)
      const { state } = yield* FakeGitHub
      const github = yield* GitHub
      const seen: Array<number> = []
      yield* issuesOf(shop).pipe(
        Stream.runForEach(({ number }) =>
          Effect.gen(function* () {
            seen.push(number)
            if (seen.length === 100) yield* github.openIssue(incident(1))
          })
        ),
        IntegrationTest.settle
      )
      assert.strictEqual(state.issues.get("acme/shop")!.length, 251)
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 250 }, (_, index) => 250 - index)
      )
    }).pipe(test)
  )
})
