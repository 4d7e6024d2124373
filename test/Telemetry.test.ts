import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Auth } from "breakwater/http"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Redacted,
  Scheduler,
  Schema,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import { say, scripted, seededly, settle } from "./properties/support.ts"
import {
  clients,
  connect,
  cut,
  json,
  look,
  order,
  quiet,
  reset,
  seen,
  serve,
  silence,
  stalled,
  thing,
  thrice,
  undici,
  until
} from "./http/wire.ts"

// ---- everything that leaves

/** Collects spans, events, log lines and metrics of the program that it is given to. */
const signals = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const events: Array<Telemetry.CallObserved> = []
  const lines: Array<Record<string, unknown>> = []
  const registry: Metric.MetricRegistry = new Map()
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.map(Logger.formatJson, (line) => {
    lines.push(JSON.parse(line))
  })
  return {
    spans,
    events,
    lines,
    metrics: () => Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry)),
    watch: <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      self.pipe(
        Effect.withTracer(tracer),
        Effect.provideService(Metric.MetricRegistry, registry),
        Effect.provideService(Telemetry.Observers, [(event) => events.push(event)]),
        Effect.provide(Logger.layer([logger]))
      )
  }
}

const attributes = (span: Tracer.NativeSpan | undefined) => Object.fromEntries(span!.attributes)

/** How a span ended, as an exporter tells: fine, as an error with its name, or given up. */
const status = (span: Tracer.NativeSpan | undefined) => {
  const { status } = span!
  if (status._tag !== "Ended") return "not ended"
  if (Exit.isSuccess(status.exit)) return "ok"
  if (Cause.hasInterruptsOnly(status.exit.cause)) return "interrupted"
  const error = Cause.squash(status.exit.cause) as Error
  return `${error.name}: ${error.message}`
}

const parentOf = (span: Tracer.NativeSpan | undefined) => Option.getOrUndefined(span!.parent)?.spanId

const named = (name: string, metrics: ReadonlyArray<Metric.Metric.Snapshot>) => metrics.filter(({ id }) => id === name)

const twice = { policy: { create: thrice(), get: thrice(), strict: thrice() } }

const again = [json(503, {}, { "request-id": "req_1" }), reset, json(200, thing, { "request-id": "req_3" })] as const

// ---- spans

describe("spans", () => {
  it.live("are one INTERNAL for the call and one CLIENT for each attempt", () =>
    Effect.gen(function* () {
      const { spans, watch } = signals()
      const wire = yield* serve(...again)
      const provider = yield* connect(undici, wire.url, twice)
      yield* watch(Effect.withSpan(provider.create(order), "application"))

      const [application, call, first, second, third, ...others] = spans
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(
        [call, first, second, third].map((span) => [span!.name, span!.kind, parentOf(span)]),
        [
          ["test/Provider create", "internal", application!.spanId],
          ["POST /things", "client", call!.spanId],
          ["POST /things", "client", call!.spanId],
          ["POST /things", "client", call!.spanId]
        ]
      )
      const key = IdempotencyKey.toText(IdempotencyKey.derive("create", "o-1"))
      const { "breakwater.retry_delay": _delay, ...ofCall } = attributes(call)
      assert.deepStrictEqual(ofCall, {
        "breakwater.integration": "test/Provider",
        "breakwater.operation": "create",
        "service.peer.name": "test/Provider",
        "breakwater.outcome": "ok_after_retry",
        "breakwater.effect": "Applied",
        "breakwater.attempts": 3,
        "breakwater.correlation_id": call!.traceId,
        "breakwater.idempotency_key": key
      })
      const fixed = {
        "http.request.method": "POST",
        "url.template": "/things",
        "server.address": "127.0.0.1",
        "server.port": wire.port,
        "breakwater.integration": "test/Provider",
        "breakwater.operation": "create",
        "service.peer.name": "test/Provider"
      }
      assert.deepStrictEqual([first, second, third].map(attributes), [
        {
          ...fixed,
          "http.response.status_code": 503,
          "breakwater.provider_request_id": "req_1",
          "error.type": "503"
        },
        { ...fixed, "http.request.resend_count": 1, "error.type": "transport" },
        {
          ...fixed,
          "http.request.resend_count": 2,
          "http.response.status_code": 200,
          "breakwater.provider_request_id": "req_3"
        }
      ])
      // Each retry is an event of the call's span: why, how long after, and who decided it.
      const retries = (call as Tracer.NativeSpan).events.map(([name, , event]) => [
        name,
        event!["reason"],
        event!["source"]
      ])
      assert.deepStrictEqual(retries, [
        ["breakwater.retry", "Unavailable", "backoff"],
        ["breakwater.retry", "Disconnected", "backoff"]
      ])
      // What was retried and went well is no error of the call.
      assert.deepStrictEqual([call, third].map(status), ["ok", "ok"])
      assert.strictEqual(status(first), "Unavailable: status 503, not declared")
      assert.match(status(second), /^Disconnected: the connection was lost/)
    })
  )

  it.live("say what went wrong in error.type, the same on the call and on its last attempt", () =>
    Effect.gen(function* () {
      for (const [script, type, callOutcome] of [
        [json(503, {}), "503", "exhausted"],
        [json(404, {}), "404", "failed"],
        [json(429, {}), "429", "exhausted"],
        [json(200, { id: 1 }), "decode", "decode_failed"],
        [json(402, { _tag: "CardError", code: "x" }), "402", "failed"],
        [cut(200), "transport", "exhausted"],
        [reset, "transport", "exhausted"]
      ] as const) {
        const { events, spans, watch } = signals()
        const wire = yield* serve(script)
        const provider = yield* connect(undici, wire.url)
        yield* watch(Effect.exit(provider.create(order)))
        assert.deepStrictEqual(
          spans.map((span) => attributes(span)["error.type"]),
          [type, type]
        )
        assert.strictEqual(attributes(spans[0])["breakwater.outcome"], callOutcome)
        assert.deepStrictEqual([events[0]!.errorType, events[0]!.callOutcome, events.length], [type, callOutcome, 1])
      }
    })
  )

  it.effect("end as an error, not as an interruption, when an own limit cut them", () =>
    Effect.gen(function* () {
      const wire = yield* serve(silence)
      for (const [policy, wait, attempt, call] of [
        [
          Policy.standard({ attemptTimeout: "1 second", totalDeadline: "1 minute", maxAttempts: 1 }),
          "1 second",
          "Timeout: cut by the attempt timeout of 1 s",
          "Timeout: cut by the attempt timeout of 1 s"
        ],
        [
          Policy.standard({ attemptTimeout: "10 seconds", totalDeadline: "10 seconds" }),
          "10 seconds",
          "Timeout: cut by the deadline",
          "Timeout: not done within the total deadline of 10 s"
        ]
      ] as const) {
        const { events, spans, watch } = signals()
        const already = wire.requests.length
        const provider = yield* connect(undici, wire.url, { policy: { create: policy } })
        const fiber = yield* Effect.forkChild(watch(Effect.exit(provider.create(order))))
        yield* until(() => wire.requests.length > already)
        yield* TestClock.adjust(wait)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(spans.map(status), [call, attempt])
        assert.deepStrictEqual(
          spans.map((span) => attributes(span)["error.type"]),
          ["timeout", "timeout"]
        )
        assert.strictEqual(events[0]!.callOutcome, "timeout")
      }
    }).pipe(Effect.provide(quiet))
  )

  it.live("have no error.type when the caller gave up", () =>
    Effect.gen(function* () {
      const { events, metrics, spans, watch } = signals()
      const wire = yield* serve(stalled(200))
      const provider = yield* connect(undici, wire.url)
      const fiber = yield* Effect.forkChild(watch(provider.create(order)))
      yield* wire.arrived()
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(spans.map(status), ["interrupted", "interrupted"])
      for (const span of spans) assert.notProperty(attributes(span), "error.type")
      assert.deepStrictEqual([events[0]!.callOutcome, events[0]!.errorType, events.length], ["cancelled", undefined, 1])
      for (const { attributes } of metrics()) assert.notProperty(attributes ?? {}, "error.type")
      assert.strictEqual(attributes(spans[0])["breakwater.outcome"], "cancelled")
    })
  )

  it.effect("of a rejected call have no attempt below them", () =>
    Effect.gen(function* () {
      const { events, spans, watch } = signals()
      const refused = {
        exhausted: Exhaustion.fail,
        orElse: seen,
        policy: Policy.standard({ maxAttempts: 1 })
      }
      class Closed extends Integration.Service<Closed>()(
        "test/Closed",
        {
          ...refused,
          shared: Policy.shared({ breaker: { consecutive: 1 }, bulkhead: { concurrency: 1, queue: 0 } })
        },
        {
          fail: Operation.query("fail", {
            success: Schema.Void,
            send: () => Effect.fail("sick" as const),
            classify: () => ({ reason: "Unavailable" })
          }),
          hang: Operation.query("hang", { success: Schema.Void, send: () => Effect.never })
        }
      ) {}
      const api = Context.get(yield* Layer.build(Integration.layer(Closed)), Closed)
      const hanging = yield* Effect.forkChild(api.hang(), { startImmediately: true })
      yield* watch(Effect.exit(api.hang()))
      yield* Fiber.interrupt(hanging)
      yield* Effect.exit(api.fail())
      yield* watch(Effect.exit(api.fail()))
      assert.deepStrictEqual(
        spans.map((span) => [span.name, attributes(span)["error.type"], attributes(span)["breakwater.outcome"]]),
        [
          ["test/Closed hang", "bulkhead_full", "rejected_bulkhead"],
          ["test/Closed fail", "circuit_open", "rejected_breaker"]
        ]
      )
      assert.deepStrictEqual(
        events.map(({ callOutcome, outcome }) => [callOutcome, outcome]),
        [
          ["rejected_bulkhead", "NotSent"],
          ["rejected_breaker", "NotSent"]
        ]
      )
    }).pipe(Effect.provide(quiet))
  )
})

describe("interruption", () => {
  it.live("at any point leaves no span open, no call uncounted, and one event for each call", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()(
        "test/Api",
        {
          policy: Policy.standard(),
          shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: { concurrency: 2 } }),
          exhausted: Exhaustion.fail,
          orElse: seen
        },
        { get: Operation.query("get", { success: Schema.Number, send: () => Effect.succeed(1) }) }
      ) {}
      const api = Context.get(yield* Layer.build(Integration.layer(Api, { drain: 0 })), Api)
      let last = 0
      for (let point = 0; point <= last; point++) {
        const { events, metrics, spans, watch } = signals()
        let step = 0
        const running: Array<Fiber.Fiber<unknown, unknown>> = []
        // Yields at one step of the fiber, and is interrupted there.
        const scheduler = Object.assign(Object.create(new Scheduler.MixedScheduler()) as Scheduler.Scheduler, {
          shouldYield: () => {
            last = Math.max(last, step)
            if (step++ !== point) return false
            queueMicrotask(() => running[0]?.interruptUnsafe())
            return true
          }
        })
        const fiber = Effect.runFork(watch(api.get()).pipe(Effect.provideService(Scheduler.Scheduler, scheduler)))
        running.push(fiber)
        yield* Fiber.await(fiber)
        for (const span of spans) assert.notStrictEqual(status(span), "not ended", `${span.name} at ${point}`)
        assert.strictEqual(events.length, spans.filter(({ kind }) => kind === "internal").length, `at ${point}`)
        for (const { state } of named(Telemetry.names.activeCalls, metrics())) {
          assert.deepStrictEqual(state, { value: 0 }, `at ${point}`)
        }
      }
      assert.isAbove(last, 50)
    })
  )
})

// ---- what the provider is told

describe.each(clients)("headers over $name", ({ client }) => {
  const told = ["traceparent", "tracestate", "b3", "x-b3-traceid", "baggage", "x-correlation-id"]

  it.live("tell no trace by default, not even Effect's own", () =>
    Effect.gen(function* () {
      const { spans, watch } = signals()
      const wire = yield* serve()
      const provider = yield* connect(client, wire.url)
      yield* watch(Effect.withSpan(provider.create(order), "application"))
      yield* watch(provider.get({ params: { id: "1" } }))
      for (const { headers } of wire.requests) assert.doesNotHaveAnyKeys(headers, told)
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["application", "test/Provider create", "POST /things", "test/Provider get", "GET /things/:id"]
      )
    })
  )

  it.live("tell the attempt's own span with traceparent: w3c, and nothing else", () =>
    Effect.gen(function* () {
      const { spans, watch } = signals()
      const wire = yield* serve(json(503, {}), json(200, thing))
      const provider = yield* connect(client, wire.url, { ...twice, traceparent: "w3c" })
      yield* watch(provider.create(order))
      const attempts = spans.filter(({ kind }) => kind === "client")
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers.traceparent),
        attempts.map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
      )
      for (const { headers } of wire.requests) {
        assert.match(String(headers.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
        assert.doesNotHaveAnyKeys(headers, told.slice(1))
      }
    })
  )

  it.live("say when a trace is not sampled, and nothing when there is none", () =>
    Effect.gen(function* () {
      const { watch } = signals()
      const wire = yield* serve()
      const provider = yield* connect(client, wire.url, { traceparent: "w3c" })
      const outer = Tracer.externalSpan({
        spanId: "b7ad6b7169203331",
        traceId: "0af7651916cd43dd8448eb211c80319c",
        sampled: false
      })
      yield* watch(Effect.withParentSpan(provider.create(order), outer))
      yield* watch(Effect.withTracerEnabled(provider.create(order), false))
      assert.match(
        String(wire.requests[0]!.headers.traceparent),
        /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/
      )
      assert.isUndefined(wire.requests[1]!.headers.traceparent)
    })
  )

  it.live("carry the correlation id where they were asked to: the caller's, else the trace's", () =>
    Effect.gen(function* () {
      const { events, spans, watch } = signals()
      const wire = yield* serve(json(503, {}), json(200, thing))
      const provider = yield* connect(client, wire.url, { ...twice, correlationHeader: "X-Request-Id" })
      yield* watch(Effect.provideService(provider.create(order), Telemetry.CorrelationId, "order-42"))
      yield* watch(provider.create(order))
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers["x-request-id"]),
        ["order-42", "order-42", spans.at(-1)!.traceId]
      )
      assert.deepStrictEqual(
        events.map(({ correlationId, traceId }) => [correlationId, traceId]),
        [
          ["order-42", spans[0]!.traceId],
          [spans.at(-1)!.traceId, spans.at(-1)!.traceId]
        ]
      )
    })
  )
})

// ---- metrics

describe("metrics", () => {
  it.live("count and time calls and requests, in seconds, one series per set of labels", () =>
    Effect.gen(function* () {
      const { events, metrics, watch } = signals()
      const wire = yield* serve(...again, json(200, thing), json(200, thing), json(404, {}))
      const provider = yield* connect(undici, wire.url, twice)
      const calls = Effect.forEach([1, 2, 3, 4], () => Effect.exit(provider.create(order)), { discard: true })
      yield* watch(calls)
      const own = { "breakwater.integration": "test/Provider", "breakwater.operation": "create" }
      const s14 = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

      const histograms = (name: string) =>
        named(name, metrics()).map((metric) => {
          assert.strictEqual(metric.type, "Histogram")
          const state = metric.state as {
            count: number
            sum: number
            buckets: ReadonlyArray<readonly [number, number]>
          }
          return { attributes: metric.attributes, ...state, bounds: state.buckets.map(([bound]) => bound) }
        })

      const durations = histograms(Telemetry.names.callDuration)
      assert.deepStrictEqual(
        durations.map(({ attributes, count }) => [attributes, count]),
        [
          [{ ...own, "breakwater.outcome": "ok_after_retry", unit: "s" }, 1],
          [{ ...own, "breakwater.outcome": "ok", unit: "s" }, 2],
          [{ ...own, "breakwater.outcome": "failed", "error.type": "404", unit: "s" }, 1]
        ]
      )
      for (const { attributes, bounds, sum } of durations) {
        assert.deepStrictEqual(bounds, [...s14, 15, 30, 60, 120])
        // A call on this machine may end within the millisecond that it began in.
        const ended = events.filter(({ callOutcome }) => callOutcome === attributes?.["breakwater.outcome"])
        assert.closeTo(
          sum,
          ended.reduce((total, { latency }) => total + latency / 1000, 0),
          1e-9
        )
        assert.isTrue(sum < 5, String(sum))
      }

      const attempts = histograms(Telemetry.names.callAttempts)
      assert.deepStrictEqual(
        attempts.map(({ attributes, count, sum }) => [attributes, count, sum]),
        [
          [{ ...own, "breakwater.outcome": "ok_after_retry", unit: "{attempt}" }, 1, 3],
          [{ ...own, "breakwater.outcome": "ok", unit: "{attempt}" }, 2, 2],
          [{ ...own, "breakwater.outcome": "failed", unit: "{attempt}" }, 1, 1]
        ]
      )
      assert.deepStrictEqual(attempts[0]!.bounds, [1, 2, 3, 4, 5, 8])

      const http = {
        "breakwater.integration": "test/Provider",
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": String(wire.port),
        unit: "s"
      }
      const requests = histograms(Telemetry.names.httpDuration)
      assert.deepStrictEqual(
        requests.map(({ attributes, count }) => [attributes, count]),
        [
          [{ ...http, "http.response.status_code": "503", "error.type": "503" }, 1],
          [{ ...http, "error.type": "transport" }, 1],
          [{ ...http, "http.response.status_code": "200" }, 3],
          [{ ...http, "http.response.status_code": "404", "error.type": "404" }, 1]
        ]
      )
      for (const { bounds } of requests) assert.deepStrictEqual(bounds, [...s14])

      const [active, ...others] = named(Telemetry.names.activeCalls, metrics())
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(
        [active!.type, active!.attributes, active!.state],
        ["Gauge", { ...own, unit: "{call}" }, { value: 0 }]
      )

      const series = metrics().length
      wire.script(json(404, {}))
      yield* watch(calls)
      assert.strictEqual(metrics().length, series)
    })
  )

  const makeGated = () => {
    const gate = Deferred.makeUnsafe<void>()
    class Gated extends Integration.Service<Gated>()(
      "test/Gated",
      { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: seen },
      {
        wait: Operation.query("wait", {
          success: Schema.Void,
          send: () => Deferred.await(gate),
          policy: Policy.stack(Policy.standard(), Policy.bulkhead({ concurrency: 1, queue: 1 }))
        }),
        now: Operation.query("now", { success: Schema.Void, send: () => Effect.void })
      }
    ) {}
    const build = Effect.map(Layer.build(Integration.layer(Gated, { drain: 0 })), (context) =>
      Context.get(context, Gated)
    )
    return { build, gate }
  }

  const gauge = (metrics: ReadonlyArray<Metric.Metric.Snapshot>, operation: string) =>
    (
      named(Telemetry.names.activeCalls, metrics).find(
        ({ attributes }) => attributes?.["breakwater.operation"] === operation
      )?.state as { value: number } | undefined
    )?.value

  it.effect("show the calls that run, whatever ends them, over every layer of the integration", () =>
    Effect.gen(function* () {
      const { metrics, watch } = signals()
      const { build, gate } = makeGated()
      const one = yield* build
      const two = yield* build
      const fibers = yield* Effect.forEach([one, two, two], (api) =>
        Effect.forkChild(watch(api.wait()), { startImmediately: true })
      )
      assert.strictEqual(gauge(metrics(), "wait"), 3)
      yield* Fiber.interrupt(fibers[2]!)
      assert.strictEqual(gauge(metrics(), "wait"), 2)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fibers[0]!)
      yield* Fiber.join(fibers[1]!)
      assert.strictEqual(gauge(metrics(), "wait"), 0)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("tell waiting for a permit and backoff apart", () =>
    Effect.gen(function* () {
      const { events, lines, metrics, watch } = signals()
      const { build, gate } = makeGated()
      const api = yield* build
      const first = yield* Effect.forkChild(watch(api.wait()), { startImmediately: true })
      const second = yield* Effect.forkChild(watch(api.wait()), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      const [waited, ...others] = named(Telemetry.names.callQueueWait, metrics())
      assert.deepStrictEqual(others, [])
      assert.deepInclude(waited!.attributes, { gate: "bulkhead", unit: "s" })
      assert.deepInclude(waited!.state, { count: 1, sum: 3 })
      assert.deepStrictEqual(named(Telemetry.names.callRetryDelay, metrics()), [])
      assert.deepStrictEqual(
        events
          .toSorted((a, b) => a.queueWait - b.queueWait)
          .map(({ latency, queueWait, retryDelay }) => [latency, queueWait, retryDelay]),
        [
          [3_000, 0, 0],
          [3_000, 3_000, 0]
        ]
      )
      const waits = lines.map((line) => (line.annotations as Record<string, unknown>).queue_wait_ms)
      assert.sameMembers(waits, [undefined, 3_000])
    })
  )
})

// ---- logs

describe("the log line", () => {
  it.live("is one for each call, with everything that is known", () =>
    Effect.gen(function* () {
      const { events, lines, spans, watch } = signals()
      const wire = yield* serve(...again, json(404, {}, { "request-id": "req_4" }))
      const provider = yield* connect(undici, wire.url, twice)
      yield* watch(provider.create(order))
      yield* watch(Effect.exit(Effect.provideService(provider.create(order), Telemetry.CorrelationId, "c-1")))
      const key = IdempotencyKey.toText(IdempotencyKey.derive("create", "o-1"))
      assert.strictEqual(lines.length, 2)
      const timing = (line: Record<string, unknown>) => {
        const { latency_ms, retry_delay_ms, ...rest } = line.annotations as Record<string, number>
        const event = events[lines.indexOf(line)]!
        assert.strictEqual(latency_ms, Math.round(event.latency * 10) / 10)
        assert.strictEqual(retry_delay_ms, event.retryDelay > 0 ? Math.round(event.retryDelay) : undefined)
        return rest
      }
      assert.deepStrictEqual([lines[0]!.level, lines[0]!.message], ["INFO", "test/Provider create ok_after_retry"])
      assert.deepStrictEqual<unknown>(timing(lines[0]!), {
        integration: "test/Provider",
        operation: "create",
        outcome: "ok_after_retry",
        effect: "Applied",
        attempts: 3,
        correlation_id: spans[0]!.traceId,
        trace_id: spans[0]!.traceId,
        span_id: spans[0]!.spanId,
        idempotency_key: key,
        provider_request_id: "req_3"
      })
      assert.deepStrictEqual([lines[1]!.level, lines[1]!.message], ["WARN", "test/Provider create failed Rejected"])
      assert.deepStrictEqual<unknown>(timing(lines[1]!), {
        integration: "test/Provider",
        operation: "create",
        outcome: "failed",
        effect: "Refused",
        attempts: 1,
        correlation_id: "c-1",
        trace_id: spans.at(-2)!.traceId,
        span_id: spans.at(-2)!.spanId,
        idempotency_key: key,
        provider_request_id: "req_4",
        error_type: "404",
        reason: "status 404, not declared",
        stopped: "not transient"
      })
    })
  )

  it.live("follows the caller's levels, and is left out where they say so", () =>
    Effect.gen(function* () {
      const { lines, watch } = signals()
      const wire = yield* serve(json(200, thing), json(404, {}), json(200, thing), json(404, {}))
      const provider = yield* connect(undici, wire.url)
      const both = Effect.andThen(provider.create(order), Effect.exit(provider.create(order)))
      yield* watch(Effect.provideService(both, Telemetry.LogLevels, { ok: undefined, failed: "Error" }))
      yield* watch(Effect.provideService(both, Telemetry.LogLevels, { ok: "Debug", failed: undefined }))
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, message]),
        [["ERROR", "test/Provider create failed Rejected"]]
      )
    })
  )

  it.live("is one for a call that was given up, and for one whose policy died", () =>
    Effect.gen(function* () {
      const { events, lines, watch } = signals()
      const dying = Policy.make({
        slot: "call",
        name: "dying",
        build: () => Effect.succeed(() => () => Effect.die(new Error("sk_live_1")))
      })
      class Dying extends Integration.Service<Dying>()(
        "test/Dying",
        { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: seen },
        {
          die: Operation.query("die", {
            success: Schema.Void,
            send: () => Effect.void,
            policy: Policy.stack(Policy.standard(), dying)
          }),
          hang: Operation.query("hang", { success: Schema.Void, send: () => Effect.never })
        }
      ) {}
      const api = Context.get(yield* Layer.build(Integration.layer(Dying)), Dying)
      const exit = yield* watch(Effect.exit(api.die()))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause) && !Cause.hasDies(exit.cause))
      const fiber = yield* Effect.forkChild(watch(api.hang()), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, message]),
        [
          ["WARN", "test/Dying die failed Failed"],
          ["INFO", "test/Dying hang cancelled"]
        ]
      )
      assert.deepStrictEqual(
        events.map(({ attempts, callOutcome, outcome }) => [callOutcome, outcome, attempts.length]),
        [
          ["failed", "NotSent", 0],
          ["cancelled", "Unknown", 1]
        ]
      )
      assert.notInclude(JSON.stringify(lines), "sk_live")
    })
  )
})

// ---- how a call ended

describe("the outcome of a call", () => {
  const shop = (send: () => Effect.Effect<number, "sick">) => {
    class Shop extends Integration.Service<Shop>()(
      "test/Shop",
      {
        policy: Policy.standard({ schedule: Policy.backoff({ base: 0 }) }),
        shared: Policy.shared({ breaker: { consecutive: 2, openFor: "1 minute", maxOpenFor: "1 minute" } }),
        exhausted: Exhaustion.fail,
        orElse: seen
      },
      {
        price: Operation.query("price", { success: Schema.Number, send, classify: () => ({ reason: "Unavailable" }) }),
        listed: Operation.query("listed", {
          success: Schema.Number,
          send,
          classify: () => ({ reason: "Unavailable" }),
          exhausted: Exhaustion.fallback("the list price", () => Effect.succeed(9))
        })
      }
    ) {}
    return Effect.map(Layer.build(Integration.layer(Shop, { drain: 0 })), (context) => Context.get(context, Shop))
  }

  it.effect("is fallback when the fallback answered, never ok", () =>
    Effect.gen(function* () {
      const { events, lines, metrics, spans, watch } = signals()
      const api = yield* shop(() => Effect.fail("sick"))
      assert.strictEqual(yield* watch(api.listed()), 9)
      assert.deepStrictEqual(
        [events.length, events[0]!.callOutcome, events[0]!.outcome, events[0]!.errorType],
        [1, "fallback", "Unknown", undefined]
      )
      assert.strictEqual(attributes(spans[0])["breakwater.outcome"], "fallback")
      assert.strictEqual(status(spans[0]), "ok")
      assert.deepStrictEqual([lines[0]!.level, lines[0]!.message], ["WARN", "test/Shop listed fallback"])
      const [duration] = named(Telemetry.names.callDuration, metrics())
      assert.propertyVal(duration!.attributes, "breakwater.outcome", "fallback")
    })
  )

  it.effect("is no rejection when an attempt left this process before the circuit opened", () =>
    Effect.gen(function* () {
      const { events, watch } = signals()
      const api = yield* shop(() => Effect.fail("sick"))
      yield* watch(Effect.exit(api.price()))
      yield* watch(Effect.exit(api.price()))
      assert.deepStrictEqual(
        events.map(({ attempts, callOutcome, outcome }) => [
          callOutcome,
          outcome,
          attempts.map(({ reason }) => reason).join(" ")
        ]),
        [
          ["exhausted", "Unknown", "Unavailable Unavailable CircuitOpen"],
          ["rejected_breaker", "NotSent", "CircuitOpen"]
        ]
      )
    }).pipe(Effect.provide(quiet))
  )
})

// ---- secrets

it.live("no secret is in a span, a log line, a metric, an event or a failure", () =>
  Effect.gen(function* () {
    const { events, lines, metrics, spans, watch } = signals()
    const secret = "sk_live_4eC39"
    const wire = yield* serve(
      json(500, { secret }),
      json(404, { secret }),
      json(200, { id: secret, amount: secret }),
      json(402, { _tag: "CardError", code: secret, secret }),
      json(402, { secret }),
      reset,
      cut(200),
      json(302, { secret }, { location: `http://127.0.0.1/?k=${secret}` }),
      json(200, `not ${secret}`),
      json(200, { id: "1", amount: 1 }, { "set-cookie": secret })
    )
    for (const auth of [
      Auth.queryKey("api_key", Redacted.make(secret)),
      Auth.bearer(Redacted.make(secret)),
      Auth.basic(secret, Redacted.make(secret))
    ]) {
      const provider = yield* connect(undici, wire.url, { auth })
      const input = { payload: { order: secret, amount: 1 } }
      for (let i = 0; i < 10; i++) {
        const { exit } = yield* watch(look(provider.create(input)))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        if (error !== undefined && typeof error === "object" && "failure" in error!) {
          assert.notInclude(
            `${error.failure}${JSON.stringify(error.failure)}${Cause.pretty(Cause.fail(error.failure))}`,
            secret
          )
        }
      }
      yield* watch(look(provider.get({ params: { id: secret } })))
    }
    const shown = JSON.stringify(
      [
        spans.map((span) => [span.name, attributes(span), span.events, status(span)]),
        spans.map(({ status }) =>
          status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
        ),
        lines,
        metrics(),
        events
      ],
      (_, value) => (typeof value === "bigint" ? String(value) : value)
    )
    assert.isAbove(shown.length, 5_000)
    assert.notInclude(shown, secret)
    assert.notInclude(shown, encodeURIComponent(secret))
  })
)

describe("breakwater.attempt.duration", () => {
  it.effect("measures each attempt of a transport without a convention of its own, and HTTP's not", () =>
    Effect.gen(function* () {
      const registry: Metric.MetricRegistry = new Map()
      const { call } = yield* scripted({
        policy: Policy.standard({ schedule: Policy.backoff({ base: 0 }) }),
        send: (n) => (n === 1 ? say(Reason.unavailable({ status: 503 })) : Effect.delay(Effect.succeed("ok"), 30))
      })
      yield* settle(Effect.provideService(call, Metric.MetricRegistry, registry))
      const metrics = Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry))
      const own = { "breakwater.integration": "test/Scripted", "breakwater.operation": "send" }
      assert.deepStrictEqual(
        metrics
          .filter(({ id }) => id === Telemetry.names.attemptDuration)
          .map(({ attributes, state }) => [attributes, (state as { readonly sum: number }).sum]),
        [
          [{ ...own, "error.type": "503", unit: "s" }, 0],
          [{ ...own, unit: "s" }, 0.03]
        ]
      )
      assert.isFalse(metrics.some(({ id }) => id === Telemetry.names.httpDuration))
    }).pipe(seededly(1))
  )
})
