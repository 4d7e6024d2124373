/** Each log line as it is written, as JSON and as logfmt: with it one finds the trace, the span and the request. */
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Context, Data, Effect, Fiber, Layer, Logger, Schema } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { collect } from "./collect.ts"

class Down extends Data.TaggedError("Down") {}

class Shop extends Integration.Service<Shop>()(
  "shop",
  { policy: Policy.standard({ maxAttempts: 1 }), exhausted: Exhaustion.fail, orElse: () => new Down() },
  {
    price: Operation.query("price", {
      input: Schema.Struct({ of: Schema.String }),
      success: Schema.Int,
      send: ({ of }) => Effect.delay(of === "nothing" ? Effect.fail("none" as const) : Effect.succeed(9), 20),
      classify: () => Reason.unavailable()
    })
  }
) {}

/** Two calls, one of which fails, and a line of the application within a span. */
const program = Effect.gen(function* () {
  const shop = Context.get(yield* Layer.build(Integration.layer(Shop, { drain: 0 })), Shop)
  yield* shop.price({ of: "a book" })
  yield* Effect.provideService(Effect.exit(shop.price({ of: "nothing" })), Telemetry.CorrelationId, "order-42")
  yield* Effect.logInfo('a line with "quotes"').pipe(Effect.withSpan("application"))
  yield* Effect.logInfo("a line of no trace")
})

const written = (logger: Logger.Logger<unknown, string>) =>
  Effect.gen(function* () {
    const signals = collect(logger)
    const fiber = yield* Effect.forkChild(signals.watch(program), { startImmediately: true })
    yield* TestClock.adjust(20)
    yield* TestClock.adjust(20)
    yield* Fiber.join(fiber)
    // The number of a fiber depends on what ran before.
    return signals.lines.map((line) => line.replace(/#\d+/, "#n"))
  }).pipe(Effect.scoped)

const trace = (n: number) => n.toString(16).padStart(32, "0")
const span = (n: number) => n.toString(16).padStart(16, "0")

describe("log lines", () => {
  it.effect("as JSON hold the trace, the span and the correlation id beside the message", () =>
    Effect.gen(function* () {
      const ids = (n: number, correlation = trace(n)) =>
        `"trace_id":"${trace(n)}","span_id":"${span(n)}","correlation_id":"${correlation}"`
      const annotations = (n: number, outcome: string, effect: string, correlation = trace(n)) =>
        `"integration":"shop","operation":"price","outcome":"${outcome}","effect":"${effect}","attempts":1,"latency_ms":20,` +
        `"correlation_id":"${correlation}","trace_id":"${trace(n)}","span_id":"${span(n)}"`
      const failed = `"error_type":"_OTHER","reason":"failed with a string","stopped":"attempts are spent"`
      assert.deepStrictEqual(yield* written(Telemetry.formatJson), [
        `{"timestamp":"1970-01-01T00:00:00.020Z","level":"INFO","message":"shop price ok",${ids(1)},"annotations":{${annotations(1, "ok", "Applied")}},"spans":{},"fiberId":"#n"}`,
        `{"timestamp":"1970-01-01T00:00:00.040Z","level":"WARN","message":"shop price exhausted Unavailable",${ids(3, "order-42")},"annotations":{${annotations(3, "exhausted", "Unknown", "order-42")},${failed}},"spans":{},"fiberId":"#n"}`,
        `{"timestamp":"1970-01-01T00:00:00.040Z","level":"INFO","message":"a line with \\"quotes\\"",${ids(5)},"annotations":{},"spans":{},"fiberId":"#n"}`,
        `{"timestamp":"1970-01-01T00:00:00.040Z","level":"INFO","message":"a line of no trace","annotations":{},"spans":{},"fiberId":"#n"}`
      ])
    })
  )

  it.effect("as logfmt hold them too, each once", () =>
    Effect.gen(function* () {
      const call = (outcome: string, effect: string) =>
        `integration=shop operation=price outcome=${outcome} effect=${effect} attempts=1 latency_ms=20`
      assert.deepStrictEqual(yield* written(Telemetry.formatLogFmt), [
        `timestamp=1970-01-01T00:00:00.020Z level=INFO fiber=#n message="shop price ok" ${call("ok", "Applied")} correlation_id=${trace(1)} trace_id=${trace(1)} span_id=${span(1)}`,
        `timestamp=1970-01-01T00:00:00.040Z level=WARN fiber=#n message="shop price exhausted Unavailable" ${call("exhausted", "Unknown")} correlation_id=order-42 trace_id=${trace(3)} span_id=${span(3)} error_type=_OTHER reason="failed with a string" stopped="attempts are spent"`,
        `timestamp=1970-01-01T00:00:00.040Z level=INFO fiber=#n message="a line with \\"quotes\\"" trace_id=${trace(5)} span_id=${span(5)} correlation_id=${trace(5)}`,
        `timestamp=1970-01-01T00:00:00.040Z level=INFO fiber=#n message="a line of no trace"`
      ])
    })
  )

  it.effect("of a call hold them with Effect's own loggers", () =>
    Effect.gen(function* () {
      const [ok] = yield* written(Logger.formatJson)
      assert.deepInclude(JSON.parse(ok!).annotations, {
        trace_id: trace(1),
        span_id: span(1),
        correlation_id: trace(1)
      })
    })
  )

  it.effect("go to the console with the layers", () =>
    Effect.gen(function* () {
      for (const layer of [Telemetry.layerLogJson, Telemetry.layerLogFmt]) {
        yield* Effect.logInfo("hello").pipe(
          Effect.provideService(Telemetry.CorrelationId, "two words"),
          Effect.provide(layer)
        )
      }
      const lines = (yield* TestConsole.logLines).map((line) => String(line).replace(/#\d+/, "#n"))
      assert.deepStrictEqual(lines, [
        `{"timestamp":"1970-01-01T00:00:00.000Z","level":"INFO","message":"hello","correlation_id":"two words","annotations":{},"spans":{},"fiberId":"#n"}`,
        `timestamp=1970-01-01T00:00:00.000Z level=INFO fiber=#n message=hello correlation_id="two words"`
      ])
    }).pipe(Effect.provide(TestConsole.layer))
  )
})
