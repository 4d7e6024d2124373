/** What Effect's exporter posts of calls, read with OpenTelemetry's own schema. */
import { assert, describe, it } from "@effect/vitest"
import root from "@opentelemetry/otlp-proto-exporter-base/build/src/generated/root.js"
import { Exhaustion, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Context, Data, Effect, Layer, Metric, Schema } from "effect"
import { Otlp } from "effect/observability"
import { answer, serve, undici, type Exchange } from "../http/wire.ts"

class Down extends Data.TaggedError("Down") {}

class Shop extends Integration.Service<Shop>()(
  "shop",
  {
    policy: Policy.standard({ maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) }),
    exhausted: Exhaustion.fail,
    orElse: () => new Down()
  },
  {
    price: Operation.query("price", {
      input: Schema.Struct({ of: Schema.String }),
      success: Schema.Int,
      send: ({ of }) => (of === "nothing" ? Effect.fail("none" as const) : Effect.succeed(9)),
      classify: () => Reason.unavailable({ status: 503 })
    })
  }
) {}

const program = Effect.gen(function* () {
  const shop = Context.get(yield* Layer.build(Integration.layer(Shop, { drain: 0 })), Shop)
  yield* shop.price({ of: "a book" })
  yield* Effect.provideService(Effect.exit(shop.price({ of: "nothing" })), Telemetry.CorrelationId, "order-42")
}).pipe(Effect.scoped)

/** Runs the program with an exporter, which posts all that it has when its layer is closed. */
const posted = (layer: typeof Otlp.layerProtobuf | typeof Otlp.layerJson) =>
  Effect.gen(function* () {
    const wire = yield* serve(answer(200))
    const exporter = layer({
      baseUrl: wire.url,
      resource: { serviceName: "checkout", serviceVersion: "1.0.0" },
      loggerMergeWithExisting: false
    })
    // A registry of its own: that of the process has what other tests measured.
    yield* program.pipe(
      Effect.provide(Layer.provide(exporter, undici)),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
    return wire.requests
  })

// ---- the published schema

interface Codec {
  readonly decode: (bytes: Uint8Array) => object
  readonly fromObject: (json: object) => object
  readonly toObject: (message: object, options: object) => Record<string, unknown>
}

/** Messages that protobufjs made of OpenTelemetry's .proto files. */
const { collector } = (
  root as unknown as {
    readonly opentelemetry: {
      readonly proto: {
        readonly collector: {
          readonly trace: { readonly v1: { readonly ExportTraceServiceRequest: Codec } }
          readonly metrics: { readonly v1: { readonly ExportMetricsServiceRequest: Codec } }
          readonly logs: { readonly v1: { readonly ExportLogsServiceRequest: Codec } }
        }
      }
    }
  }
).opentelemetry.proto

const codecs: Readonly<Record<string, Codec>> = {
  "/v1/traces": collector.trace.v1.ExportTraceServiceRequest,
  "/v1/metrics": collector.metrics.v1.ExportMetricsServiceRequest,
  "/v1/logs": collector.logs.v1.ExportLogsServiceRequest
}

/** What a message holds, with ids as hexadecimal text and defaults left out, as the JSON form has it. */
const plain = (codec: Codec, message: object): unknown => {
  const hex = (value: unknown): unknown =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString("hex")
      : Array.isArray(value)
        ? value.map(hex)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hex(inner)]))
          : value
  return hex(codec.toObject(message, { longs: String, enums: String }))
}

/** The JSON form writes ids as hexadecimal text, where protobufjs expects bytes. */
const withBytes = (text: string): object =>
  JSON.parse(text, (name, value) =>
    /^(?:traceId|spanId|parentSpanId)$/.test(name) ? new Uint8Array(Buffer.from(value, "hex")) : value
  )

const decoded = ({ body, headers, text, url }: Exchange): unknown => {
  const codec = codecs[url]!
  return headers["content-type"] === "application/json"
    ? plain(codec, codec.fromObject(withBytes(text)))
    : plain(codec, codec.decode(body))
}

/** The names that a schema does not know are dropped when it reads: all that was written must be there again. */
const lost = (written: unknown, read: unknown, at = ""): ReadonlyArray<string> => {
  if (Array.isArray(written))
    return written.flatMap((inner, n) => lost(inner, (read as Array<unknown>)?.[n], `${at}[${n}]`))
  if (typeof written !== "object" || written === null) return []
  return Object.entries(written).flatMap(([name, inner]) =>
    read !== null && typeof read === "object" && name in read
      ? lost(inner, (read as Record<string, unknown>)[name], `${at}.${name}`)
      : Array.isArray(inner) && inner.length === 0
        ? []
        : [`${at}.${name}`]
  )
}

// ---- what is in it

type Json = { readonly [name: string]: any }
const attributesOf = ({ attributes }: Json): Json =>
  Object.fromEntries(
    attributes.map(({ key, value }: Json) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)])
  )

describe.each([
  ["protobuf", Otlp.layerProtobuf, "application/x-protobuf"],
  ["JSON", Otlp.layerJson, "application/json"]
] as const)("OTLP as %s", (_, layer, type) => {
  it.live("holds the spans, the points and the lines of each call", () =>
    Effect.gen(function* () {
      const requests = yield* posted(layer)
      assert.sameMembers(
        requests.map(({ method, url }) => `${method} ${url}`),
        ["POST /v1/traces", "POST /v1/metrics", "POST /v1/logs"]
      )
      for (const { headers } of requests) assert.strictEqual(headers["content-type"], type)
      const read = Object.fromEntries(requests.map((request) => [request.url, decoded(request) as Json]))

      const [{ resource, scopeSpans }] = read["/v1/traces"]!["resourceSpans"]
      assert.deepInclude(attributesOf(resource), { "service.name": "checkout", "service.version": "1.0.0" })
      const spans: ReadonlyArray<Json> = scopeSpans[0].spans
      const idOf = new Map(spans.map((span) => [span["spanId"], span]))
      assert.deepStrictEqual(
        spans.map((span) => [
          span["name"],
          span["kind"],
          idOf.get(span["parentSpanId"])?.["name"],
          span["status"].code
        ]),
        [
          ["price", "SPAN_KIND_CLIENT", "shop price", "STATUS_CODE_OK"],
          ["shop price", "SPAN_KIND_INTERNAL", undefined, "STATUS_CODE_OK"],
          ["price", "SPAN_KIND_CLIENT", "shop price", "STATUS_CODE_ERROR"],
          ["price", "SPAN_KIND_CLIENT", "shop price", "STATUS_CODE_ERROR"],
          ["shop price", "SPAN_KIND_INTERNAL", undefined, "STATUS_CODE_ERROR"]
        ]
      )
      const failed = spans[4]!
      assert.deepStrictEqual<unknown>(attributesOf(failed), {
        "breakwater.integration": "shop",
        "breakwater.operation": "price",
        "service.peer.name": "shop",
        "breakwater.outcome": "exhausted",
        "breakwater.effect": "Unknown",
        "breakwater.attempts": 2,
        "breakwater.correlation_id": "order-42",
        "error.type": "503"
      })

      const metrics: ReadonlyArray<Json> = read["/v1/metrics"]!["resourceMetrics"][0].scopeMetrics[0].metrics
      for (const metric of metrics) {
        const { labels, type, unit } = Telemetry.metrics[metric["name"]]!
        const data = metric[type === "counter" ? "sum" : type]
        assert.isDefined(data, metric["name"])
        assert.strictEqual(metric["unit"], unit)
        if (type === "counter") assert.isTrue(data.isMonotonic)
        if (type !== "gauge") assert.strictEqual(data.aggregationTemporality, "AGGREGATION_TEMPORALITY_CUMULATIVE")
        for (const point of data.dataPoints) {
          for (const name of Object.keys(attributesOf(point))) assert.include([...labels, "unit"], name)
        }
      }
      const duration = metrics.find(({ name }) => name === Telemetry.names.callDuration)!
      const points: ReadonlyArray<Json> = duration["histogram"].dataPoints
      const counts = points.map((point) => [
        attributesOf(point)[Telemetry.names.outcome],
        point["count"],
        point["explicitBounds"].length + 1 === point["bucketCounts"].length
      ])
      assert.deepStrictEqual(counts, [
        ["ok", "1", true],
        ["exhausted", "1", true]
      ])

      const lines: ReadonlyArray<Json> = read["/v1/logs"]!["resourceLogs"][0].scopeLogs[0].logRecords
      assert.deepStrictEqual(
        lines.map((line) => [line["severityText"], line["body"].stringValue, line["traceId"], line["spanId"]]),
        [
          ["Info", "shop price ok", spans[1]!["traceId"], spans[1]!["spanId"]],
          ["Warn", "shop price exhausted Unavailable", failed["traceId"], failed["spanId"]]
        ]
      )
      assert.deepInclude(attributesOf(lines[1]!), {
        correlation_id: "order-42",
        trace_id: failed["traceId"],
        span_id: failed["spanId"]
      })
    })
  )
})

it.live("no field of OTLP's JSON is one that the schema does not know", () =>
  Effect.gen(function* () {
    for (const request of yield* posted(Otlp.layerJson)) {
      assert.deepStrictEqual(lost(JSON.parse(request.text), decoded(request)), [])
    }
    const known = { resourceSpans: [{ scopeSpans: [{ spans: [{ name: "a", unheard: 1 }] }] }] }
    const codec = codecs["/v1/traces"]!
    assert.deepStrictEqual(lost(known, plain(codec, codec.fromObject(known))), [
      ".resourceSpans[0].scopeSpans[0].spans[0].unheard"
    ])
  })
)
