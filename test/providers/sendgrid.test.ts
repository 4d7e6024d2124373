import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Duration, Effect, Exit, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  allBounces,
  connection,
  MailNotAllowed,
  MailRefused,
  Mails,
  MailUnavailable
} from "../../examples/providers/sendgrid/integration.ts"
import { apiKey, FakeSendGrid, sender } from "../../examples/providers/sendgrid/upstream.ts"

const configured = (key: string) =>
  IntegrationTest.layer(Mails, FakeSendGrid, connection).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ SENDGRID_API_KEY: key }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(apiKey)

const mail = (changes: { readonly to?: string; readonly from?: string; readonly subject?: string } = {}) =>
  ({
    payload: {
      personalizations: [{ to: [{ email: changes.to ?? "ada@example.com" }] }],
      from: { email: changes.from ?? sender },
      subject: changes.subject ?? "Your order",
      content: [{ type: "text/plain", value: "It is on its way." }]
    }
  }) as const

describe("SendGrid: what goes well", () => {
  it.effect("202 with an empty body is an answer, and the mail's name is in a header", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSendGrid
      const recording = yield* IntegrationTest.Recording
      const { headers } = yield* (yield* Mails).send(mail())
      assert.strictEqual(headers["x-message-id"], "mail-1")
      const [request] = fake.requests
      assert.strictEqual(new URL(request!.url).pathname, "/v3/mail/send")
      assert.strictEqual(request?.headers["authorization"], `Bearer ${apiKey}`)
      assert.strictEqual(request.headers["accept"], "application/json")
      assert.isUndefined(request.headers["idempotency-key"])
      assert.deepStrictEqual(JSON.parse(request.text), mail().payload)
      expectExecuted(fake).once("mail.send")
      expectOutcome(recording).of("send", { outcome: "Applied", attempts: ["Success"] })
      assert.strictEqual(recording.calls[0]?.requestId, "mail-1")
      for (const hidden of [apiKey, "ada@example.com", "Your order"]) expectSpans(recording).without(hidden)
    }).pipe(Effect.provide(test))
  )

  it.effect("lists all bounces, page by page", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSendGrid
      for (let n = 0; n < 1_200; n++) {
        fake.state.bounces.push({ email: `a${n}@example.com`, reason: "550", status: "5.1.1", created: n })
      }
      const all = yield* Stream.runCollect(allBounces)
      assert.strictEqual(all.length, 1_200)
      assert.strictEqual(new Set(all.map(({ email }) => email)).size, 1_200)
      assert.deepStrictEqual(
        fake.requests.map(({ url }) => new URL(url).searchParams.get("offset")),
        ["0", "500", "1000"]
      )
    }).pipe(Effect.provide(test))
  )
})

describe("SendGrid: errors have types of the application's own", () => {
  it.effect("a mail that can't be sent names its fields, and not the address", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSendGrid
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip((yield* Mails).send(mail({ to: "nobody" })))
      assert.deepStrictEqual<unknown>(error, new MailRefused({ fields: ["personalizations.0.to"] }))
      expectOutcome(recording).of("send", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("a sender that was not verified", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Mails).send(mail({ from: "someone@example.com" })))
      assert.deepStrictEqual<unknown>(error, new MailNotAllowed())
    }).pipe(Effect.provide(test))
  )

  it.effect("a wrong key, which is shown nowhere", () =>
    Effect.gen(function* () {
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip((yield* Mails).send(mail()))
      assert.deepStrictEqual<unknown>(error, new MailNotAllowed())
      expectSpans(recording).without("SG.wrong")
    }).pipe(Effect.provide(configured("SG.wrong")))
  )

  it.effect("a mail that is too large is answered with a page: refused, and not repeated", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSendGrid
      // https://github.com/sendgrid/sendgrid-nodejs/issues/370
      const headers = { "content-type": "text/html" }
      yield* fake.inject([FaultInjection.status(413, { headers, body: "<h1>413 Request Entity Too Large</h1>" })])
      const error = yield* Effect.flip((yield* Mails).send(mail()))
      assert.deepStrictEqual<unknown>(error, new MailUnavailable({ outcome: "Refused", retryAfter: undefined }))
    }).pipe(Effect.provide(test))
  )
})

describe("SendGrid: limits", () => {
  // An epoch, and the beginning of a minute: what is far below one is a number of seconds.
  const noon = 1_800_000_000_000
  const limited = Effect.gen(function* () {
    const fake = yield* FakeSendGrid
    const mails = yield* Mails
    for (let n = 0; n < 100; n++) yield* mails.send(mail({ subject: `mail ${n}` }))
    return { fake, mails }
  })

  it.effect("a limit whose reset is near is waited for, as long as X-RateLimit-Reset says", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon + 58_000)
      const { fake, mails } = yield* limited
      const recording = yield* IntegrationTest.Recording
      yield* IntegrationTest.settle(mails.send(mail({ subject: "the last" })))
      const { attempts } = recording.calls.at(-1)!
      assert.deepStrictEqual(
        attempts.map(({ reason }) => reason),
        ["Throttled", "Success"]
      )
      assert.strictEqual(attempts[1]?.waited, 2_000)
      expectExecuted(fake).once("mail.send", { payload: { subject: "the last" } })
    }).pipe(Effect.provide(test))
  )

  it.effect("one that is far is carried: nothing was sent", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon)
      const { mails } = yield* limited
      const error = yield* Effect.flip(IntegrationTest.settle(mails.send(mail())))
      assert.deepStrictEqual<unknown>(
        error,
        new MailUnavailable({ outcome: "Refused", retryAfter: Duration.minutes(1) })
      )
    }).pipe(Effect.provide(test))
  )
})

describe("SendGrid: a mail is sent at most once", () => {
  const lost = [
    [FaultInjection.responseLost, "Disconnected"],
    [FaultInjection.stallBeforeHeaders({ executes: true }), "Timeout"],
    [FaultInjection.status(503), "Unavailable"],
    [FaultInjection.status(500, { executes: true }), "Unavailable"]
  ] as const
  for (const [fault, attempt] of lost) {
    it.effect(`${fault._tag} (${attempt}): one request, and Unknown`, () =>
      Effect.gen(function* () {
        const fake = yield* FakeSendGrid
        const recording = yield* IntegrationTest.Recording
        yield* fake.inject([fault])
        const error = yield* Effect.flip(IntegrationTest.settle((yield* Mails).send(mail())))
        assert.deepStrictEqual<unknown>(error, new MailUnavailable({ outcome: "Unknown", retryAfter: undefined }))
        expectOutcome(recording).of("send", { outcome: "Unknown", attempts: [attempt] })
        assert.strictEqual(fake.requests.length, 1)
      }).pipe(Effect.provide(test))
    )
  }

  it.effect("an error after it was accepted is no reason to send it again", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSendGrid
      fake.state.breaks = true
      const error = yield* Effect.flip(IntegrationTest.settle((yield* Mails).send(mail())))
      assert.deepInclude(error, { _tag: "MailUnavailable", outcome: "Unknown" })
      expectExecuted(fake).once("mail.send")
    }).pipe(Effect.provide(test))
  )

  it.effect("no mail is sent twice, and what is reported as not sent was not", () =>
    FaultInjection.forSeeds({ runs: 30 }, (seed) =>
      Effect.gen(function* () {
        const mails = yield* Mails
        const fake = yield* FakeSendGrid
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.5 }))
        const ended = new Map<string, Exit.Exit<unknown, { readonly _tag: string; readonly outcome?: string }>>()
        for (let number = 1; number <= 4; number++) {
          const subject = `mail ${number}`
          ended.set(subject, yield* Effect.exit(IntegrationTest.settle(mails.send(mail({ subject })))))
        }
        // What is still on its way arrives now.
        yield* TestClock.adjust("1 minute")
        for (const [subject, exit] of ended) {
          const error = Exit.findErrorOption(exit)
          const times = fake.state.mails.filter((mail) => mail.subject === subject).length
          if (Exit.isSuccess(exit)) assert.strictEqual(times, 1)
          else if (error._tag === "Some" && ["Unknown", "Applied"].includes(error.value.outcome ?? "")) {
            assert.isAtMost(times, 1)
          } else assert.strictEqual(times, 0)
        }
      }).pipe(Effect.provide(test))
    )
  )
})
