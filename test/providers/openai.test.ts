import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Context, Duration, Effect, Fiber, Layer, Logger, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Chunk } from "../../examples/providers/openai/api.ts"
import {
  answer,
  AnswerCut,
  AnswerFailed,
  connection,
  ConversationTooLong,
  ModelNotAllowed,
  ModelUnavailable,
  NoSuchModel,
  OpenAi,
  type Question,
  QuotaSpent,
  textOf
} from "../../examples/providers/openai/integration.ts"
import { account, apiKey, chunks, done, event, FakeOpenAi, words } from "../../examples/providers/openai/upstream.ts"
import { clients, type Exchange, quiet, type Script, serve, until } from "../http/wire.ts"

const key = (value: string) => ConfigProvider.layer(ConfigProvider.fromUnknown({ OPENAI_API_KEY: value }))

const configured = (value: string, project = account) =>
  IntegrationTest.layer(OpenAi, FakeOpenAi, connection(project)).pipe(
    Layer.provide(key(value)),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(apiKey)

const question: Question = { model: "gpt-4.1", messages: [{ role: "user", content: "Is water wet?" }] }

const expected = chunks.map((chunk) => Schema.decodeUnknownSync(Chunk)(chunk))

/** What a consumer gets, one by one, and how it ends. */
const consume = <A, E, R>(stream: Stream.Stream<A, E, R>, onElement: (count: number) => void = () => {}) => {
  const got: Array<A> = []
  return Effect.map(
    Effect.result(
      Stream.runForEach(stream, (element) =>
        Effect.sync(() => {
          got.push(element)
          onElement(got.length)
        })
      )
    ),
    (result) => ({ got, error: result._tag === "Failure" ? result.failure : undefined })
  )
}
const settled = <A, E, R>(stream: Stream.Stream<A, E, R>) => IntegrationTest.settle(consume(stream))

const unavailable = (changes: Partial<typeof ModelUnavailable.Type> = {}) =>
  new ModelUnavailable({ outcome: "Unknown", retryAfter: undefined, requestId: "req_0", ...changes })

describe("OpenAI: what goes well", () => {
  it.effect("every chunk in order, with the key and the account, and without an idempotency key", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      const recording = yield* IntegrationTest.Recording
      const { error, got } = yield* settled(answer(question))
      assert.isUndefined(error)
      assert.deepStrictEqual(got, expected)
      const [request] = fake.requests
      assert.strictEqual(request?.headers["authorization"], `Bearer ${apiKey}`)
      assert.strictEqual(request.headers["openai-project"], account.project)
      assert.strictEqual(request.headers["accept"], "text/event-stream")
      assert.isUndefined(request.key)
      assert.deepInclude(JSON.parse(request.text), { stream: true, stream_options: { include_usage: true } })
      expectExecuted(fake).once("chat.completions")
      expectOutcome(recording).of("complete", { outcome: "Applied", attempts: ["Success"] })
      assert.strictEqual(recording.calls[0]?.stream?.elements, chunks.length)
      for (const secret of [apiKey, "wet", account.organization]) expectSpans(recording).without(secret)
    }).pipe(Effect.provide(test))
  )

  it.effect("the text alone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* settled(textOf(question))).got, [...words])
    }).pipe(Effect.provide(test))
  )

  it.effect("nothing is sent, and paid for, before the first pull; each run is a request", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      const stream = textOf(question)
      assert.strictEqual(fake.requests.length, 0)
      yield* settled(stream)
      yield* settled(stream)
      expectExecuted(fake).times(2, "chat.completions")
    }).pipe(Effect.provide(test))
  )

  it.effect("the models, read again when the answer was lost", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      yield* fake.inject([FaultInjection.responseLost, FaultInjection.status(503)])
      const { data } = yield* IntegrationTest.settle((yield* OpenAi).models())
      assert.deepStrictEqual(
        data.map(({ id }) => id),
        ["gpt-4.1", "gpt-4.1-mini"]
      )
      expectOutcome(yield* IntegrationTest.Recording).of("models", {
        attempts: ["Disconnected", "Unavailable", "Success"]
      })
    }).pipe(Effect.provide(test))
  )
})

describe("OpenAI: errors have types of the application's own", () => {
  it.effect("a wrong key, which is shown nowhere", () =>
    Effect.gen(function* () {
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual<unknown>((yield* settled(answer(question))).error, new ModelNotAllowed())
      assert.deepStrictEqual<unknown>(yield* Effect.flip((yield* OpenAi).models()), new ModelNotAllowed())
      expectOutcome(recording).of("complete", { outcome: "Refused", attempts: ["Declared"] })
      expectSpans(recording).without("sk-wrong")
    }).pipe(Effect.provide(configured("sk-wrong")))
  )

  it.effect("an account that the key does not belong to", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual<unknown>((yield* settled(answer(question))).error, new ModelNotAllowed())
    }).pipe(Effect.provide(configured(apiKey, { ...account, organization: "org-other" })))
  )

  it.effect("a model that there is not, by its name", () =>
    Effect.gen(function* () {
      const { error } = yield* settled(answer({ ...question, model: "gpt-0" }))
      assert.deepStrictEqual<unknown>(error, new NoSuchModel({ model: "gpt-0" }))
    }).pipe(Effect.provide(test))
  )

  it.effect("a conversation that is too long, which is not asked again", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      const [first] = question.messages
      const messages: Question["messages"] = [first, ...Array.from({ length: 100 }, () => first)]
      assert.deepStrictEqual<unknown>(
        (yield* settled(answer({ ...question, messages }))).error,
        new ConversationTooLong()
      )
      assert.strictEqual(fake.requests.length, 1)
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )
})

describe("OpenAI: 429 is two things", () => {
  it.effect("no money left: one request, and an error that says so", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      fake.state.credits = false
      assert.deepStrictEqual<unknown>((yield* settled(answer(question))).error, new QuotaSpent())
      assert.strictEqual(fake.requests.length, 1)
      expectOutcome(yield* IntegrationTest.Recording).of("complete", { outcome: "Refused", attempts: ["Rejected"] })
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s" }, 1_500],
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms" }, 20],
    // The tokens are spent for longer than the requests.
    [
      {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "4s"
      },
      4_000
    ],
    // Read before the others.
    [{ "retry-after": "2", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s" }, 2_000]
  ] as const)("not so fast: %j is waited for, and the answer comes whole", ([headers, least]) =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      fake.state.limits.push({ by: "requests", headers })
      const { error, got } = yield* settled(answer(question))
      assert.isUndefined(error)
      assert.deepStrictEqual(got, expected)
      const [limited, carriedOut] = fake.requests
      assert.isAtLeast(carriedOut!.at - limited!.at, least)
      expectExecuted(fake).once("chat.completions")
      expectOutcome(yield* IntegrationTest.Recording).of("complete", { attempts: ["Throttled", "Success"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("longer than we wait: it ends at once, and says how long", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      const headers = { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" }
      fake.state.limits.push({ by: "tokens", headers })
      assert.deepStrictEqual<unknown>(
        (yield* settled(answer(question))).error,
        unavailable({ outcome: "Refused", retryAfter: Duration.minutes(6) })
      )
      assert.strictEqual(fake.requests.length, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("a reset of what is not spent says nothing: a request may be larger than what is left", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      const headers = { "x-ratelimit-remaining-tokens": "4337", "x-ratelimit-reset-tokens": "6m0s" }
      fake.state.limits.push({ by: "tokens", headers })
      assert.deepStrictEqual((yield* settled(answer(question))).got, expected)
    }).pipe(Effect.provide(test))
  )
})

describe("OpenAI: before the first chunk", () => {
  it.effect.each([
    ["the engine is overloaded", FaultInjection.status(503), "Unavailable"],
    ["the answer is lost", FaultInjection.responseLost, "Disconnected"]
  ] as const)("%s: it may be paid for, and is not asked again", ([, fault, reason]) =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      yield* fake.inject([fault])
      const { error, got } = yield* settled(answer(question))
      assert.deepStrictEqual(got, [])
      assert.deepInclude(error, { _tag: "ModelUnavailable", outcome: "Unknown" })
      expectOutcome(yield* IntegrationTest.Recording).of("complete", { attempts: [reason] })
      assert.strictEqual(fake.requests.length, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("nobody listens: nothing was sent, so it is", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      yield* fake.inject([FaultInjection.refused])
      assert.deepStrictEqual((yield* settled(answer(question))).got, expected)
      expectExecuted(fake).once("chat.completions")
    }).pipe(Effect.provide(test))
  )

  it.effect("no byte within the limit: it ends", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      yield* fake.inject([FaultInjection.stallBeforeHeaders({ executes: true })])
      const { error } = yield* settled(answer(question))
      assert.deepStrictEqual<unknown>(error, unavailable({ requestId: undefined }))
      expectOutcome(yield* IntegrationTest.Recording).of("complete", { attempts: ["Timeout"] })
    }).pipe(Effect.provide(test))
  )
})

describe("OpenAI: in the middle of an answer", () => {
  it.effect.each(Array.from({ length: chunks.length }, (_, index) => index + 1))(
    "ended well after %i chunks, but without [DONE]: what came, and then the truncation",
    (after) =>
      Effect.gen(function* () {
        const fake = yield* FakeOpenAi
        fake.state.breaks.push({ after, told: false })
        const { error, got } = yield* settled(answer(question))
        assert.deepStrictEqual(got, expected.slice(0, after))
        assert.instanceOf(error, AnswerCut)
        assert.match(error.why, new RegExp(`after ${after} elements? .* it ended without the mark of its end$`))
        assert.strictEqual(error.requestId, "req_0")
        const [call] = (yield* IntegrationTest.Recording).calls
        assert.deepInclude(call, { callOutcome: "failed", errorType: "truncated", outcome: "Unknown" })
        assert.strictEqual(fake.requests.length, 1)
      }).pipe(Effect.provide(test))
  )

  it.effect("silence: it ends by the idle limit, with what came before", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      yield* fake.inject([FaultInjection.stallInBody])
      const { error, got } = yield* settled(answer(question))
      assert.isAbove(got.length, 0)
      assert.deepStrictEqual(got, expected.slice(0, got.length))
      assert.instanceOf(error, AnswerCut)
      assert.match(error.why, /nothing came for 15 s/)
      const [call] = (yield* IntegrationTest.Recording).calls
      assert.deepInclude(call, { callOutcome: "failed", errorType: "truncated" })
    }).pipe(Effect.provide(test))
  )

  it.effect("the model fails: what came, and then its error", () =>
    Effect.gen(function* () {
      const fake = yield* FakeOpenAi
      fake.state.breaks.push({ after: 3, told: true })
      const { error, got } = yield* settled(answer(question))
      assert.deepStrictEqual(got, expected.slice(0, 3))
      assert.deepStrictEqual<unknown>(error, new AnswerFailed({ code: "server_error" }))
      const [call] = (yield* IntegrationTest.Recording).calls
      assert.deepInclude(call, { callOutcome: "failed", outcome: "Unknown" })
      assert.strictEqual(fake.requests.length, 1)
    }).pipe(Effect.provide(test))
  )
})

// ---- over a socket

const opened = (sent: string): { readonly script: Script; readonly exchange: () => Exchange } => {
  let exchange: Exchange | undefined
  return {
    script: (arrived) => {
      exchange = arrived
      arrived.response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "x-request-id": "req_wire"
      })
      arrived.response.write(sent)
    },
    exchange: () => exchange!
  }
}

const connect = (client: (typeof clients)[number]["client"], baseUrl: string) => {
  const calls: Array<Telemetry.CallObserved> = []
  const layer = HttpIntegration.layer(OpenAi, { ...connection(account), baseUrl }).pipe(
    Layer.provide(client),
    Layer.provide(Telemetry.layerObserver((call) => void calls.push(call))),
    Layer.provide(key(apiKey)),
    Layer.orDie
  )
  return Effect.map(Layer.build(layer), (context) => ({ openai: Context.pick(OpenAi)(context), calls }))
}

describe.each(clients)("OpenAI over a socket, by $name", ({ client }) => {
  it.live("a whole answer, written chunk by chunk", () =>
    Effect.gen(function* () {
      const { exchange, script } = opened(event(chunks[0]))
      const wire = yield* serve(script)
      const { calls, openai } = yield* connect(client, wire.url)
      // The next is written when the one before was taken, so that nothing but the stream can have handed it over.
      const { error, got } = yield* consume(Stream.provideContext(answer(question), openai), (count) => {
        const { response } = exchange()
        if (count < chunks.length) response.write(event(chunks[count]))
        else response.end(done)
      })
      assert.isUndefined(error)
      assert.deepStrictEqual(got, expected)
      assert.strictEqual(wire.requests[0]?.headers["openai-organization"], account.organization)
      assert.strictEqual(calls[0]?.callOutcome, "ok")
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )

  it.live("cut after any number of chunks: what came, and then the truncation", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      for (let after = 1; after <= chunks.length; after++) {
        // A layer for each: five truncations in a row would open the circuit.
        const { calls, openai } = yield* connect(client, wire.url)
        const half = event(chunks.at(-1)).slice(0, 20)
        const { exchange, script } = opened(chunks.slice(0, after).map(event).join("") + half)
        wire.script(script)
        // A client drops what it has read when the connection ends: the cut comes when what came before was taken.
        const { error, got } = yield* consume(Stream.provideContext(answer(question), openai), (count) => {
          if (count === after) exchange().socket.resetAndDestroy()
        })
        assert.deepStrictEqual(got, expected.slice(0, after))
        assert.instanceOf(error, AnswerCut)
        assert.strictEqual(error.requestId, "req_wire")
        assert.strictEqual(calls[0]?.errorType, "truncated")
      }
      assert.strictEqual(wire.requests.length, chunks.length)
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )

  it.live("its reader leaves: the connection is closed, and it is no failure of OpenAI's", () =>
    Effect.gen(function* () {
      const { exchange, script } = opened(chunks.slice(0, 3).map(event).join(""))
      const wire = yield* serve(script)
      const { calls, openai } = yield* connect(client, wire.url)
      const got = yield* textOf(question).pipe(Stream.take(1), Stream.runCollect, Effect.provide(openai))
      assert.deepStrictEqual(got, [words[0]])
      yield* exchange().closed
      assert.strictEqual(calls[0]?.callOutcome, "cancelled")
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )

  it.effect("it goes silent: the idle limit ends it, and closes the connection", () =>
    Effect.gen(function* () {
      const { exchange, script } = opened(chunks.slice(0, 3).map(event).join(""))
      const wire = yield* serve(script)
      const { openai } = yield* connect(client, wire.url)
      let taken = 0
      const fiber = yield* Effect.forkChild(
        consume(Stream.provideContext(answer(question), openai), (count) => {
          taken = count
        })
      )
      // Sockets are real here, time is not.
      yield* until(() => taken === 3)
      yield* TestClock.adjust("14 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const { error, got } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(got, expected.slice(0, 3))
      assert.instanceOf(error, AnswerCut)
      yield* exchange().closed
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )
})
