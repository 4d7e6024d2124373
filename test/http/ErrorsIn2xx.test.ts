import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Data, Effect, Layer, Logger, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

// Slack, Shopify and many others tell their errors with status 200. A contract declares them so, and Effect's own client
// would take such an answer for a success that can't be decoded.

class Refusal extends Schema.Error<Refusal>("Refusal")(
  { _tag: Schema.tagDefaultOmit("Refusal"), ok: Schema.Literal(false), error: Schema.String },
  { httpApiStatus: 200 }
) {}
class Elsewhere extends Schema.Error<Elsewhere>("Elsewhere")(
  { _tag: Schema.tagDefaultOmit("Elsewhere"), moved: Schema.String },
  { httpApiStatus: 202 }
) {}
class Gone extends Schema.TaggedError<Gone>()("Gone", {}, { httpApiStatus: 410 }) {}

const payload = Schema.Struct({ text: Schema.String })
class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("messages").add(
    HttpApiEndpoint.post("post", "/post", {
      payload,
      success: Schema.Struct({ ok: Schema.Literal(true), id: Schema.String }),
      error: [Refusal, Elsewhere, Gone]
    }),
    // A success that every answer fits.
    HttpApiEndpoint.post("lax", "/lax", {
      payload,
      success: Schema.Struct({ id: Schema.optionalKey(Schema.String) }),
      error: Refusal
    })
  )
) {}

class Refused extends Data.TaggedError("Refused")<{ readonly code: string }> {}
class Moved extends Data.TaggedError("Moved")<{ readonly to: string }> {}
class Down extends Data.TaggedError("Down")<{ readonly outcome: string; readonly reason: string }> {}

const translate = {
  Refusal: ({ error }: Refusal) => new Refused({ code: error }),
  Elsewhere: ({ moved }: Elsewhere) => new Moved({ to: moved }),
  Gone: () => new Moved({ to: "nowhere" })
}
class Messages extends Integration.Service<Messages>()(
  "test/Messages",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }) => new Down({ outcome, reason: reason.message })
  },
  {
    post: HttpOperation.endpoint(Api, "messages", "post", { idempotency: Idempotency.atMostOnce("no key"), translate }),
    keyed: HttpOperation.endpoint(Api, "messages", "post", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("post", payload.text), {
        lifetime: "24 hours"
      }),
      translate
    }),
    lax: HttpOperation.endpoint(Api, "messages", "lax", {
      idempotency: Idempotency.atMostOnce("no key"),
      translate: { Refusal: ({ error }) => new Refused({ code: error }) }
    }),
    classified: HttpOperation.endpoint(Api, "messages", "post", {
      idempotency: Idempotency.atMostOnce("no key"),
      translate,
      classify: (_status, _headers, body) =>
        Schema.is(Schema.Struct({ error: Schema.Literal("busy") }))(body) ? Reason.unavailable() : undefined
    })
  }
) {}

const input = { payload: { text: "hello" } }
/** A provider that carries everything out and answers with this, and what the integration makes of it. */
const answering = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}) => {
  const provider = FaultInjection.make({ respond: () => ({ status, body, headers }) })
  return {
    provider,
    layer: IntegrationTest.layer(Messages, provider).pipe(Layer.provideMerge(Logger.layer([])), Layer.orDie)
  }
}

describe("errors that a contract declares with a 2xx", () => {
  it.effect("are told from the success of the same status, and translated", () => {
    const { layer } = answering({ ok: false, error: "no_channel" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* Effect.flip(messages.post(input)), new Refused({ code: "no_channel" }))
      expectOutcome(recording).of("post", {
        callOutcome: "failed",
        outcome: "Refused",
        errorType: "declared",
        attempts: ["Declared"]
      })
      expectSpans(recording).of("post", {
        attempts: [{ attributes: { "error.type": "declared", "http.response.status_code": 200 } }]
      })
      assert.strictEqual(recording.calls[0]?.attempts[0]?.message, "status 200: the declared Refusal")
    }).pipe(Effect.provide(layer))
  })

  it.effect("leave successes alone", () => {
    const { layer } = answering({ ok: true, id: "m1" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      assert.deepStrictEqual(yield* messages.post(input), { ok: true, id: "m1" })
      assert.deepStrictEqual(yield* messages.lax(input), { id: "m1" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("go before a success that would fit too", () => {
    const { layer } = answering({ ok: false, error: "no_channel" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      assert.deepStrictEqual(yield* Effect.flip(messages.lax(input)), new Refused({ code: "no_channel" }))
    }).pipe(Effect.provide(layer))
  })

  it.effect("may have a 2xx of their own", () => {
    const { layer } = answering({ moved: "C2" }, 202)
    return Effect.gen(function* () {
      const messages = yield* Messages
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* Effect.flip(messages.post(input)), new Moved({ to: "C2" }))
      expectOutcome(recording).of("post", { outcome: "Refused" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("of another status are read as before", () => {
    const { layer } = answering({ _tag: "Gone" }, 410)
    return Effect.gen(function* () {
      const messages = yield* Messages
      assert.deepStrictEqual(yield* Effect.flip(messages.post(input)), new Moved({ to: "nowhere" }))
    }).pipe(Effect.provide(layer))
  })

  it.effect("come after what `classify` says of the same answer", () => {
    const { layer } = answering({ ok: false, error: "busy" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(
        yield* Effect.flip(messages.classified(input)),
        new Down({ outcome: "Unknown", reason: "status 200, classified" })
      )
      expectOutcome(recording).of("classified", { errorType: "unavailable", attempts: ["Unavailable"] })
    }).pipe(Effect.provide(layer))
  })

  it.effect.each([
    { name: "another shape", answer: answering({ ok: "maybe" }), reason: "status 200: " },
    { name: "another 2xx", answer: answering({ ok: true, id: "m1" }, 201), reason: "status 201 is not declared" },
    {
      name: "a page",
      answer: answering("<html>", 200, { "content-type": "text/html" }),
      reason: "unexpected media type"
    }
  ])("make $name Unknown: it may have been an error", ({ answer, reason }) =>
    Effect.gen(function* () {
      const messages = yield* Messages
      const error = yield* Effect.flip(messages.post(input))
      assert.deepInclude(error, { _tag: "Down", outcome: "Unknown" })
      assert.include(error._tag === "Down" ? error.reason : "", reason)
    }).pipe(Effect.provide(answer.layer))
  )

  it.effect.each([FaultInjection.stallInBody, FaultInjection.cutBody])("make a body that is lost Unknown", (fault) => {
    const { layer, provider } = answering({ ok: false, error: "no_channel" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      const recording = yield* IntegrationTest.Recording
      yield* provider.inject([fault])
      yield* Effect.flip(IntegrationTest.settle(messages.post(input)))
      expectOutcome(recording).of("post", { outcome: "Unknown", attempts: ["BodyLost"] })
    }).pipe(Effect.provide(layer))
  })

  it.effect("don't settle what an earlier attempt with the same key did", () => {
    const { layer, provider } = answering({ ok: false, error: "no_channel" })
    return Effect.gen(function* () {
      const messages = yield* Messages
      const recording = yield* IntegrationTest.Recording
      yield* provider.inject([FaultInjection.resetBeforeReading])
      assert.deepStrictEqual(
        yield* Effect.flip(IntegrationTest.settle(messages.keyed(input))),
        new Refused({ code: "no_channel" })
      )
      expectOutcome(recording).of("keyed", { outcome: "Unknown", attempts: ["Disconnected", "Declared"] })
      expectExecuted(provider).times(1, "POST /post")
    }).pipe(Effect.provide(layer))
  })
})
