/**
 * `npm run bench:telemetry`: what one update of a metric costs, and what all telemetry adds to a call. An update through a
 * handle that is kept is to cost at most half a microsecond.
 *
 * `--rounds 7` for more rounds, `--json` for figures to compare. Times vary with the machine and its neighbours: the exit
 * code tells whether the budget was kept by the best round.
 */
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { Context, Effect, Layer, Logger, Metric, Schema, Tracer } from "effect"
import { parseArgs } from "node:util"
import { type Case, measure, table } from "./measure.ts"

/** Nanoseconds of CPU. */
const budget = 500

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, json: { type: "boolean", default: false } }
})
const rounds = Number(values.rounds)

const registry: Metric.MetricRegistry = new Map()
const context = Context.make(Metric.MetricRegistry, registry)

const looped =
  (step: () => void): Case["run"] =>
  async (n) => {
    for (let i = 0; i < n; i++) step()
  }

// ---- one update

const seconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const attributes = { [Telemetry.names.integration]: "bench", [Telemetry.names.operation]: "bench", unit: "s" }
const histogram = Metric.histogram("bench.histogram", { boundaries: seconds, attributes })
const counter = Metric.counter("bench.counter", { incremental: true, attributes })
const gauge = Metric.gauge("bench.gauge", { attributes })
const operation = Telemetry.makeMetrics({
  integration: "bench",
  operation: "bench",
  http: { method: "GET", server: "api.example", port: 443 }
})

const event: Telemetry.CallObserved = {
  integration: "bench",
  operation: "bench",
  callOutcome: "ok",
  outcome: "Applied",
  errorType: undefined,
  attempts: [],
  startedAt: 0,
  latency: 120,
  retryDelay: 0,
  queueWait: 0,
  queuedFor: { bulkhead: 0, ratelimit: 0 },
  correlationId: "c",
  traceId: undefined,
  key: undefined,
  requestId: undefined,
  decisions: []
}
const attempt = { seconds: 0.12, status: 200, errorType: undefined }

/** Each with the number of updates that one step makes. */
const updates: ReadonlyArray<readonly [name: string, updates: number, step: () => void]> = [
  ["a histogram, its handle kept", 1, () => histogram.updateUnsafe(0.12, context)],
  ["a counter, its handle kept", 1, () => counter.updateUnsafe(1, context)],
  ["a gauge, its handle kept", 1, () => gauge.modifyUnsafe(1, context)],
  ["an attempt (one histogram)", 1, () => operation.attempt(attempt, context)],
  ["the end of a call (two histograms)", 2, () => operation.update(event, context)],
  [
    "a call with one attempt (three histograms, one gauge twice)",
    5,
    () => {
      operation.active(1, context)
      operation.attempt(attempt, context)
      operation.active(-1, context)
      operation.update(event, context)
    }
  ],
  [
    "a histogram with the attributes of each update (what is not done)",
    1,
    () => Metric.withAttributes(histogram, { outcome: "ok" }).updateUnsafe(0.12, context)
  ]
]

// ---- one call

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

class Bench extends Integration.Service<Bench>()(
  "bench/Telemetry",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
  { call: Operation.query("call", { success: Schema.String, send: () => Effect.succeed("ok") }) }
) {}

/** The registry, the tracer, the observers and the logger that a call is told to. */
const calls = Effect.gen(function* () {
  const silent = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  const { call } = Context.get(yield* Layer.build(Integration.layer(Bench, { drain: 0 })), Bench)
  const loop =
    (layer: Layer.Layer<never>, self: Effect.Effect<unknown, unknown> = call()): Case["run"] =>
    (n) =>
      Effect.runPromise(
        Effect.whileLoop({ while: () => n-- > 0, body: () => self, step: () => {} }).pipe(
          Effect.provide(layer)
        ) as Effect.Effect<void>
      )
  const observer = Layer.succeed(Telemetry.Observers, [() => {}])
  const traced = Layer.succeed(Tracer.Tracer, Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }))
  const json = Logger.layer([Logger.map(Telemetry.formatJson, () => {})])
  const untraced = Effect.withTracerEnabled(call(), false)
  const cases: ReadonlyArray<Case> = [
    { name: "metrics and the event", run: loop(silent, untraced) },
    { name: "with spans", run: loop(Layer.mergeAll(silent, traced)) },
    { name: "with an observer", run: loop(Layer.mergeAll(silent, traced, observer)) },
    { name: "with a line of JSON", run: loop(Layer.mergeAll(traced, observer, json)) }
  ]
  return cases
})

const program = Effect.scoped(
  Effect.gen(function* () {
    const cases = updates.map(([name, , step]) => ({ name, run: looped(step) }))
    const perStep = yield* Effect.promise(() => measure(cases, rounds))
    const inProcess = yield* calls
    const whole = yield* Effect.promise(() => measure(inProcess, rounds))
    const kept = updates.slice(0, -1).map(([name, count], at) => {
      const { best, cpu } = perStep[at]!
      return { name, updates: count, nanosPerUpdate: cpu / count, bestNanosPerUpdate: best / count }
    })
    const within = kept.every(({ bestNanosPerUpdate }) => bestNanosPerUpdate <= budget)
    const print = (text: string) => process.stdout.write(`${text}\n`)
    if (values.json) {
      print(
        JSON.stringify({ node: process.version, rounds, budget, within, updates: kept, steps: perStep, calls: whole })
      )
    } else {
      print(`node ${process.version}, ${rounds} rounds\n`)
      print(table("Updates of metrics", perStep, perStep[0]!.name))
      print("\nNanoseconds an update")
      for (const { bestNanosPerUpdate, name, nanosPerUpdate } of kept) {
        print(`  ${nanosPerUpdate.toFixed(0).padStart(5)}  (best ${bestNanosPerUpdate.toFixed(0)})  ${name}`)
      }
      print(`\n${table("One call that succeeds at once", whole, whole[0]!.name)}`)
      print(`\n${within ? "within" : "over"} ${budget} ns an update`)
    }
    if (!within) process.exitCode = 1
  })
)

await Effect.runPromise(program)
