import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "breakwater"
import { HttpCorrelation } from "breakwater/http"
import { Context, Effect, Layer, Logger, References, Tracer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { callOf, world } from "../properties/support.ts"

/** A server whose handler calls a provider, and what it logged. */
const served = (headers: Record<string, string>, options?: Parameters<typeof HttpCorrelation.layer>[0]) =>
  Effect.gen(function* () {
    const lines: Array<unknown> = []
    const { acme, events, provider } = yield* world({ http: { correlationHeader: "X-Request-Id" } })
    const handler = Effect.gen(function* () {
      yield* Effect.logInfo("asked")
      yield* callOf(acme, "get")
      return HttpServerResponse.text(String(yield* Effect.service(Telemetry.CorrelationId)))
    })
    const log = Logger.make((options) => {
      lines.push(options.fiber.getRef(References.CurrentLogAnnotations)["correlation_id"])
    })
    const app = HttpRouter.add("GET", "/", Effect.provide(Effect.orDie(handler), Logger.layer([log]))).pipe(
      Layer.provide(HttpCorrelation.layer(options))
    )
    const tracer = yield* Tracer.Tracer
    const server = HttpRouter.toWebHandler(app, {
      disableLogger: true
    })
    yield* Effect.addFinalizer(() => Effect.promise(server.dispose))
    const answering = Effect.promise(() =>
      server.handler(new Request("http://shop.test/", { headers }), Context.make(Tracer.Tracer, tracer) as never)
    )
    const response = yield* answering
    return {
      text: yield* Effect.promise(() => response.text()),
      echoed: response.headers.get("x-request-id"),
      event: events[0]!,
      sent: provider.requests[0]!.headers["x-request-id"],
      line: lines[0],
      response
    }
  }).pipe(Effect.scoped)

describe("HttpCorrelation.layer", () => {
  it.live("carries the id of a request through the call, the provider's header, the log and the answer", () =>
    Effect.gen(function* () {
      const { echoed, event, line, sent, text } = yield* served({ "x-request-id": "req-42" })
      assert.deepStrictEqual([text, event.correlationId, sent, line, echoed], Array(5).fill("req-42"))
    })
  )

  it.live("reads the headers in their order, and those that it was told", () =>
    Effect.gen(function* () {
      const both = { "x-correlation-id": "b", "x-request-id": "a" }
      assert.strictEqual((yield* served(both)).text, "a")
      assert.strictEqual((yield* served({ "x-correlation-id": "b" })).text, "b")
      const own = yield* served({ ...both, "x-amzn-trace-id": "c" }, { headers: ["X-Amzn-Trace-Id"], echo: "X-Id" })
      assert.strictEqual(own.text, "c")
      assert.strictEqual(own.response.headers.get("x-id"), "c")
      assert.isNull(own.echoed)
      assert.isNull((yield* served(both, { echo: false })).echoed)
    })
  )

  it.live.each(["", "two words", "x".repeat(129), "a\tb"])(
    "what is no id is not carried, but one of its own: %j",
    (id) =>
      Effect.gen(function* () {
        const { echoed, event, text } = yield* served({ "x-request-id": id })
        assert.match(text, /^[0-9a-f]{32}$/)
        assert.deepStrictEqual([event.correlationId, echoed], [text, text])
      })
  )

  it.live("where the request is traced, its trace's id is the id, and the span has it", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { text } = yield* served({}).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const server = spans.find(({ kind }) => kind === "server")!
      assert.strictEqual(text, server.traceId)
      assert.strictEqual(server.attributes.get("breakwater.correlation_id"), text)
    })
  )

  it.live("an id of 128 characters is one, the next header serves where the first is none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* served({ "x-request-id": "x".repeat(128) })).text, "x".repeat(128))
      assert.strictEqual((yield* served({ "x-request-id": "a b", "x-correlation-id": "c" })).text, "c")
    })
  )
})
