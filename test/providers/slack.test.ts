import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Duration, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import {
  BotNotAllowed,
  connection,
  MessageTooLong,
  NoSuchChannel,
  NotInChannel,
  Slack,
  SlackRefused,
  SlackUnavailable
} from "../../examples/providers/slack/integration.ts"
import { botToken, FakeSlack } from "../../examples/providers/slack/upstream.ts"

const configured = (token: string) =>
  FakeSlack.client.pipe(
    Layer.provideMerge(IntegrationTest.layer(Slack, FakeSlack, connection)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ SLACK_BOT_TOKEN: token }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(botToken)

const hello = (text = "hello", channel = "C1") => ({ payload: { channel, text } })

const unavailable = (outcome: SlackUnavailable["outcome"], reason: string, retryAfter?: Duration.Duration) =>
  new SlackUnavailable({ outcome, reason, retryAfter })

describe("Slack: what goes well", () => {
  it.effect("posts a message, as JSON, with the token and without a key", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* slack.post(hello()), { ok: true, channel: "C1", ts: "0.000000" })
      const [sent] = fake.requests
      assert.strictEqual(sent?.method, "POST")
      assert.strictEqual(new URL(sent.url).pathname, "/api/chat.postMessage")
      assert.strictEqual(sent.headers["content-type"], "application/json")
      assert.strictEqual(sent.headers["authorization"], `Bearer ${botToken}`)
      assert.isUndefined(sent.headers["idempotency-key"])
      assert.deepStrictEqual(JSON.parse(sent.text), hello().payload)
      expectExecuted(fake).once("chat.postMessage", { payload: { channel: "C1", text: "hello" } })
      expectOutcome(recording).of("post", { callOutcome: "ok", outcome: "Applied", attempts: ["Success"] })
      assert.strictEqual(recording.calls[0]?.requestId, "slack-0")
      expectSpans(recording).of("post", { attempts: [{ name: "POST /chat.postMessage", failed: false }] })
      expectSpans(recording).without(botToken)
    }).pipe(Effect.provide(test))
  )

  it.effect("lists channels, page by page", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const first = yield* slack.channels({ query: { limit: 2 } })
      assert.deepStrictEqual(
        first.channels.map(({ name }) => name),
        ["general", "random"]
      )
      const second = yield* slack.channels({ query: { limit: 2, cursor: first.response_metadata.next_cursor } })
      assert.deepStrictEqual(
        second.channels.map(({ name }) => name),
        ["secret"]
      )
      assert.strictEqual(second.response_metadata.next_cursor, "")
      assert.strictEqual(new URL(fake.requests[1]!.url).search, "?limit=2&cursor=2")
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("a message that is too long is truncated, and says so", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const { state } = yield* FakeSlack
      const posted = yield* slack.post(hello("x".repeat(40_001)))
      assert.deepStrictEqual(posted.response_metadata, { warnings: ["message_truncated"] })
      assert.strictEqual(state.messages[0]?.text.length, 40_000)
    }).pipe(Effect.provide(test))
  )
})

describe("Slack: errors at 200", () => {
  const refuses = (error: string) => FaultInjection.status(200, { body: { ok: false, error } })

  it.effect("are the application's errors, and nothing was posted", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(
        yield* Effect.flip(slack.post(hello("hello", "C404"))),
        new NoSuchChannel({ channel: "C404" })
      )
      expectOutcome(recording).of("post", { outcome: "Refused", errorType: "declared", attempts: ["Declared"] })
      assert.deepStrictEqual(yield* Effect.flip(slack.post(hello("hello", "C3"))), new NotInChannel({ channel: "C3" }))
      yield* fake.inject([refuses("msg_too_long"), refuses("is_archived"), refuses("token_revoked")])
      assert.deepStrictEqual(yield* Effect.flip(slack.post(hello())), new MessageTooLong())
      assert.deepStrictEqual(yield* Effect.flip(slack.post(hello())), new SlackRefused({ code: "is_archived" }))
      assert.deepStrictEqual(yield* Effect.flip(slack.post(hello())), new BotNotAllowed({ code: "token_revoked" }))
      assert.deepStrictEqual(
        yield* Effect.flip(slack.channels({ query: { limit: 2, cursor: "no cursor" } })),
        new SlackRefused({ code: "invalid_cursor" })
      )
      expectExecuted(fake).never()
      // A provider that refuses is alive: the circuit is closed.
      yield* slack.post(hello())
      expectExecuted(fake).once("chat.postMessage")
    }).pipe(Effect.provide(test))
  )

  it.effect("a wrong token and none at all are told apart, with 200", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* Effect.flip(slack.post(hello())), new BotNotAllowed({ code: "invalid_auth" }))
      assert.deepStrictEqual(
        yield* Effect.flip(slack.channels({ query: { limit: 1 } })),
        new BotNotAllowed({ code: "invalid_auth" })
      )
      const client = yield* HttpClient.HttpClient
      const response = yield* client.execute(
        HttpClientRequest.post("https://slack.test/api/chat.postMessage").pipe(
          HttpClientRequest.bodyJsonUnsafe(hello().payload)
        )
      )
      assert.deepStrictEqual([response.status, yield* response.json], [200, { ok: false, error: "not_authed" }])
      expectExecuted(fake).never()
      expectSpans(recording).without("xoxb-of-another-bot")
    }).pipe(Effect.provide(configured("xoxb-of-another-bot")))
  )

  it.effect.each(["internal_error", "fatal_error"] as const)(
    "%s may have come after the fact: it is not repeated",
    (incident) =>
      Effect.gen(function* () {
        const slack = yield* Slack
        const fake = yield* FakeSlack
        const recording = yield* IntegrationTest.Recording
        fake.state.incidents.push(incident)
        assert.deepStrictEqual(
          yield* Effect.flip(IntegrationTest.settle(slack.post(hello()))),
          unavailable("Unknown", incident)
        )
        expectOutcome(recording).of("post", {
          outcome: "Unknown",
          errorType: "unavailable",
          attempts: ["Unavailable"]
        })
        expectExecuted(fake).once("chat.postMessage")
        // What only reads is asked again.
        yield* fake.inject([refuses(incident), refuses(incident)])
        yield* IntegrationTest.settle(slack.channels({ query: { limit: 1 } }))
        expectOutcome(recording).of("channels", { attempts: ["Unavailable", "Unavailable", "Success"] })
      }).pipe(Effect.provide(test))
  )

  it.effect("a request that arrived truncated was not processed: it is repeated", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([refuses("request_timeout")])
      yield* IntegrationTest.settle(slack.post(hello()))
      expectOutcome(recording).of("post", { outcome: "Applied", attempts: ["NotProcessed", "Success"] })
      expectExecuted(fake).once("chat.postMessage")
    }).pipe(Effect.provide(test))
  )
})

describe("Slack: limits", () => {
  it.effect("one message a second for each channel; the next waits as long as Slack says", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      yield* slack.post(hello("one"))
      yield* slack.post(hello("elsewhere", "C2"))
      const fiber = yield* Effect.forkChild(slack.post(hello("two")), { startImmediately: true })
      yield* TestClock.adjust(999)
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(fake.requests.length, 3)
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      expectOutcome(recording).of("post", { outcome: "Applied", attempts: ["Throttled", "Success"] })
      expectSpans(recording).of("post", { attempts: [{ attributes: { "error.type": "429" } }, {}] })
      assert.deepStrictEqual(
        fake.state.messages.map(({ text }) => text),
        ["one", "elsewhere", "two"]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("a limit that is told with 200 is a limit", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.status(200, { body: { ok: false, error: "rate_limited" } })])
      yield* IntegrationTest.settle(slack.post(hello()))
      expectOutcome(recording).of("post", { outcome: "Applied", attempts: ["Throttled", "Success"] })
      expectExecuted(fake).once("chat.postMessage")
    }).pipe(Effect.provide(test))
  )

  it.effect("lists are limited by the minute: who has to wait for its end is told so", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      yield* TestClock.adjust("20 seconds")
      const list = slack.channels({ query: { limit: 1 } })
      yield* Effect.repeat(list, { times: 19 })
      assert.deepStrictEqual(yield* Effect.flip(list), unavailable("Refused", "ratelimited", Duration.seconds(40)))
      assert.strictEqual(fake.requests.length, 21)
      yield* TestClock.adjust("40 seconds")
      yield* list
    }).pipe(Effect.provide(test))
  )
})

describe("Slack: what the wire does", () => {
  it.effect.each([
    { name: "a lost answer", fault: FaultInjection.responseLost, attempt: "Disconnected" as const },
    { name: "no answer", fault: FaultInjection.stallBeforeHeaders({ executes: true }), attempt: "Timeout" as const },
    // A 200 may be an error, so its status alone says nothing.
    { name: "a stalled body", fault: FaultInjection.stallInBody, attempt: "BodyLost" as const },
    { name: "a cut body", fault: FaultInjection.cutBody, attempt: "BodyLost" as const },
    { name: "another shape", fault: FaultInjection.wrongShape(), attempt: "InvalidResponse" as const },
    { name: "a 503", fault: FaultInjection.status(503, { executes: true }), attempt: "Unavailable" as const }
  ])("after $name nobody knows, and it is not sent again", ({ attempt, fault }) =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([fault])
      const error = yield* Effect.flip(IntegrationTest.settle(slack.post(hello())))
      assert.deepInclude(error, { _tag: "SlackUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("post", { outcome: "Unknown", attempts: [attempt] })
      expectExecuted(fake).once("chat.postMessage")
      assert.strictEqual(fake.requests.length, 1)
      expectSpans(recording).without(botToken)
    }).pipe(Effect.provide(test))
  )

  it.effect("what certainly did not arrive is sent again", () =>
    Effect.gen(function* () {
      const slack = yield* Slack
      const fake = yield* FakeSlack
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.refused])
      yield* IntegrationTest.settle(slack.post(hello()))
      expectOutcome(recording).of("post", { outcome: "Applied", attempts: ["Unreachable", "Success"] })
      expectExecuted(fake).once("chat.postMessage")
    }).pipe(Effect.provide(test))
  )

  it.effect("no message stands there twice, and what is reported as not posted does not stand there", () =>
    FaultInjection.forSeeds({ runs: 60 }, (seed) =>
      Effect.gen(function* () {
        const slack = yield* Slack
        const fake = yield* FakeSlack
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.5 }))
        const ended = new Map<string, Exit.Exit<unknown, { readonly _tag: string; readonly outcome?: string }>>()
        for (let number = 1; number <= 4; number++) {
          const text = `message ${number}`
          ended.set(
            text,
            yield* Effect.exit(IntegrationTest.settle(slack.post(hello(text, number % 2 === 0 ? "C1" : "C2"))))
          )
        }
        // What is still on its way arrives now.
        yield* TestClock.adjust("1 minute")
        for (const [text, exit] of ended) {
          const match = { payload: { text } }
          const error = Exit.findErrorOption(exit)
          if (Exit.isSuccess(exit)) expectExecuted(fake).once("chat.postMessage", match)
          else if (error._tag === "Some" && error.value.outcome === "Unknown") {
            assert.isAtMost(fake.state.messages.filter((message) => message.text === text).length, 1)
          } else expectExecuted(fake).never("chat.postMessage", match)
        }
      }).pipe(Effect.provide(test))
    )
  )
})
