import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Duration, Effect, Exit, Fiber, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  connection,
  messagesTo,
  NoSuchNumber,
  OptedOut,
  Sms,
  SmsRefused,
  SmsUnavailable
} from "../../examples/providers/twilio/integration.ts"
import { accountSid, authToken, FakeTwilio, numbers } from "../../examples/providers/twilio/upstream.ts"

const configured = (token: string) =>
  IntegrationTest.layer(Sms, FakeTwilio, connection(accountSid)).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ TWILIO_AUTH_TOKEN: token }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(authToken)

const to = "+15005550100"
const hello = (changes: { readonly to?: string; readonly from?: string; readonly body?: string } = {}) => ({
  payload: { to, from: numbers.from, body: "hello", ...changes }
})

describe("Twilio: what goes well", () => {
  it.effect("sends a text as a form, with basic auth and without a key", () =>
    Effect.gen(function* () {
      const sms = yield* Sms
      const fake = yield* FakeTwilio
      const recording = yield* IntegrationTest.Recording
      const sent = yield* sms.send(hello())
      assert.deepInclude(sent, { to, body: "hello", status: "queued" })
      const [request] = fake.requests
      assert.strictEqual(new URL(request!.url).pathname, `/2010-04-01/Accounts/${accountSid}/Messages.json`)
      assert.strictEqual(request?.headers["content-type"], "application/x-www-form-urlencoded")
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(request.text)), {
        To: to,
        From: numbers.from,
        Body: "hello"
      })
      assert.strictEqual(request.headers["authorization"], `Basic ${btoa(`${accountSid}:${authToken}`)}`)
      assert.isUndefined(request.headers["idempotency-key"])
      expectExecuted(fake).once("messages.create", { payload: { to } })
      expectOutcome(recording).of("send", { outcome: "Applied", attempts: ["Success"] })
      for (const hidden of [authToken, btoa(`${accountSid}:${authToken}`), to]) expectSpans(recording).without(hidden)
    }).pipe(Effect.provide(test))
  )

  it.effect("lists all messages to a number, page by page, newest first", () =>
    Effect.gen(function* () {
      const fake = yield* FakeTwilio
      for (let n = 0; n < 250; n++) {
        fake.state.messages.push({ sid: `SM${n}`, to, body: `${n}`, status: "sent", error_code: null })
      }
      fake.state.messages.push({ sid: "SMx", to: "+15005550199", body: "other", status: "sent", error_code: null })
      const all = yield* Stream.runCollect(messagesTo(to))
      assert.deepStrictEqual(
        all.map(({ body }) => body),
        Array.from({ length: 250 }, (_, n) => `${249 - n}`)
      )
      assert.deepStrictEqual(
        fake.requests.map(({ url }) => new URL(url).searchParams.get("PageToken")),
        [null, "PT1", "PT2"]
      )
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )
})

describe("Twilio: errors have types of the application's own", () => {
  it.effect.each([
    [numbers.optedOut, new OptedOut({ to: numbers.optedOut })],
    [numbers.invalid, new NoSuchNumber({ to: numbers.invalid })],
    [numbers.noMobile, new NoSuchNumber({ to: numbers.noMobile })]
  ] as const)("a number that gets nothing: %s", ([number, expected]) =>
    Effect.gen(function* () {
      const fake = yield* FakeTwilio
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip((yield* Sms).send(hello({ to: number })))
      assert.deepStrictEqual<unknown>(error, expected)
      expectOutcome(recording).of("send", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    [hello({ from: "+15005550007" }), 21_606],
    [hello({ body: "x".repeat(1_601) }), 21_617]
  ] as const)("what Twilio turns away keeps its code", ([input, code]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Sms).send(input))
      assert.deepStrictEqual<unknown>(error, new SmsRefused({ code }))
    }).pipe(Effect.provide(test))
  )

  it.effect("a wrong token, which is shown nowhere", () =>
    Effect.gen(function* () {
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip((yield* Sms).send(hello()))
      assert.deepStrictEqual<unknown>(error, new SmsRefused({ code: 20_003 }))
      expectSpans(recording).without("wrong-token")
    }).pipe(Effect.provide(configured("wrong-token")))
  )
})

describe("Twilio: a text is sent at most once", () => {
  const lost = [
    [FaultInjection.responseLost, "Disconnected", "Unknown"],
    [FaultInjection.resetBeforeReading, "Disconnected", "Unknown"],
    [FaultInjection.stallBeforeHeaders({ executes: true }), "Timeout", "Unknown"],
    [FaultInjection.status(503), "Unavailable", "Unknown"],
    [FaultInjection.status(500, { executes: true }), "Unavailable", "Unknown"],
    [FaultInjection.cutBody, "BodyLost", "Applied"],
    [FaultInjection.wrongShape(), "InvalidResponse", "Applied"]
  ] as const
  for (const [fault, attempt, outcome] of lost) {
    it.effect(`${fault._tag}: one request, and ${outcome}`, () =>
      Effect.gen(function* () {
        const fake = yield* FakeTwilio
        const recording = yield* IntegrationTest.Recording
        yield* fake.inject([fault])
        const error = yield* Effect.flip(IntegrationTest.settle((yield* Sms).send(hello())))
        assert.deepStrictEqual<unknown>(error, new SmsUnavailable({ outcome, retryAfter: undefined }))
        expectOutcome(recording).of("send", { outcome, attempts: [attempt] })
        assert.strictEqual(fake.requests.length, 1)
      }).pipe(Effect.provide(test))
    )
  }

  it.effect("an error after it was accepted is no reason to send it again", () =>
    Effect.gen(function* () {
      const fake = yield* FakeTwilio
      fake.state.breaks = true
      const error = yield* Effect.flip(IntegrationTest.settle((yield* Sms).send(hello())))
      assert.deepInclude(error, { _tag: "SmsUnavailable", outcome: "Unknown" })
      expectExecuted(fake).once("messages.create")
    }).pipe(Effect.provide(test))
  )

  it.effect("429 was never processed: the third at once is sent when there is room", () =>
    Effect.gen(function* () {
      const sms = yield* Sms
      const fake = yield* FakeTwilio
      const recording = yield* IntegrationTest.Recording
      fake.state.latency = 100
      const fiber = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (n) => sms.send(hello({ body: `text ${n}` })), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 minute")
      const sent = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        sent.map(({ body }) => body),
        ["text 1", "text 2", "text 3"]
      )
      expectExecuted(fake).times(3, "messages.create")
      assert.include(
        recording.calls.map(({ attempts }) => attempts.map(({ reason }) => reason).join()),
        "Throttled,Success"
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("Retry-After is obeyed, and carried when it is too long", () =>
    Effect.gen(function* () {
      const sms = yield* Sms
      const fake = yield* FakeTwilio
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.status(429, { retryAfter: 2 })])
      yield* IntegrationTest.settle(sms.send(hello()))
      assert.strictEqual(recording.calls[0]?.attempts[1]?.waited, 2_000)
      yield* fake.inject([FaultInjection.status(429, { retryAfter: 600 })])
      const error = yield* Effect.flip(IntegrationTest.settle(sms.send(hello())))
      assert.deepStrictEqual<unknown>(
        error,
        new SmsUnavailable({ outcome: "Refused", retryAfter: Duration.minutes(10) })
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("no text is sent twice, and what is reported as not sent was not", () =>
    FaultInjection.forSeeds({ runs: 30 }, (seed) =>
      Effect.gen(function* () {
        const sms = yield* Sms
        const fake = yield* FakeTwilio
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.5 }))
        const ended = new Map<string, Exit.Exit<unknown, { readonly _tag: string; readonly outcome?: string }>>()
        for (let number = 1; number <= 4; number++) {
          const body = `text ${number}`
          ended.set(body, yield* Effect.exit(IntegrationTest.settle(sms.send(hello({ body })))))
        }
        // What is still on its way arrives now.
        yield* TestClock.adjust("1 minute")
        for (const [body, exit] of ended) {
          const error = Exit.findErrorOption(exit)
          const times = fake.state.messages.filter((message) => message.body === body).length
          if (Exit.isSuccess(exit)) assert.strictEqual(times, 1)
          else if (error._tag === "Some" && ["Unknown", "Applied"].includes(error.value.outcome ?? "")) {
            assert.isAtMost(times, 1)
          } else assert.strictEqual(times, 0)
        }
      }).pipe(Effect.provide(test))
    )
  )
})
