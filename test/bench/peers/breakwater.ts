/**
 * This library, in the variants that the comparisons need. A call is started by `Effect.runPromise` at the edge of a program,
 * as a promise library's is. See docs/policies/README.md for what each layer does.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Context, Effect, Layer, Metric, References, Schema, Scope, Tracer } from "effect"
import { randomUUID } from "node:crypto"
import type { Feature, Leaf, Made, Peer, Settings } from "../peer.ts"
import { effectTracer } from "./openTelemetry.ts"

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

const decided = (settings: Settings) =>
  ({
    policy: Policy.standard({
      attemptTimeout: settings.attempt,
      totalDeadline: settings.total,
      maxAttempts: settings.retries + 1
    }),
    shared: Policy.shared({
      breaker: Policy.breaker({
        consecutive: settings.consecutive,
        openFor: settings.open,
        maxOpenFor: Math.max(settings.open, 5_000)
      }),
      bulkhead: Policy.bulkhead({ concurrency: settings.concurrency, queue: settings.concurrency })
    }),
    exhausted: Exhaustion.fail,
    orElse: () => new Unavailable()
  }) as const

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const classify = () => Reason.unavailable()
const safe = Idempotency.readOnly("a benchmark changes nothing")
const send = (leaf: Leaf) => Effect.tryPromise({ try: (signal) => leaf(signal, undefined), catch: () => new Down() })

const promise = (leaf: Leaf, settings: Settings) => {
  class Bench extends Integration.Service<Bench>()("bench/Promise", decided(settings), {
    get: Operation.fromPromise("get", {
      idempotency: safe,
      success: Schema.String,
      call: (_, { signal }) => leaf(signal, undefined),
      classify
    })
  }) {}
  return Effect.map(Layer.build(Integration.layer(Bench)), (context) => Context.get(context, Bench).get)
}

const keyed = (leaf: Leaf, settings: Settings) => {
  class Bench extends Integration.Service<Bench>()("bench/Keyed", decided(settings), {
    put: Operation.fromPromise("put", {
      input: Schema.String,
      idempotency: Idempotency.keyed((key: string) => IdempotencyKey.fromStored(key), { lifetime: "1 day" }),
      success: Schema.String,
      call: (_, { key, signal }) => leaf(signal, key),
      classify
    })
  }) {}
  return Effect.map(Layer.build(Integration.layer(Bench)), (context) => {
    const { put } = Context.get(context, Bench)
    return () => put(randomUUID())
  })
}

const effect = (leaf: Leaf, settings: Settings) => {
  class Bench extends Integration.Service<Bench>()("bench/Effect", decided(settings), {
    get: Operation.query("get", {
      success: Schema.String,
      send: () => send(leaf),
      classify,
      translate: { Down: () => new Unavailable() }
    })
  }) {}
  return Effect.map(Layer.build(Integration.layer(Bench)), (context) => Context.get(context, Bench).get)
}

/** What cockatiel has too, and nothing that can be left out: no retry budget, no key, and an answer that nobody reads. */
const parity = (leaf: Leaf, settings: Settings) => {
  const { policy: _, ...rest } = decided(settings)
  class Bench extends Integration.Service<Bench>()(
    "bench/Parity",
    {
      ...rest,
      policy: Policy.standard({
        attemptTimeout: settings.attempt,
        totalDeadline: settings.total,
        maxAttempts: settings.retries + 1,
        budget: false
      })
    },
    {
      get: Operation.fromPromise("get", {
        idempotency: safe,
        success: Operation.unvalidated("cockatiel does not read it either"),
        call: (_, { signal }) => leaf(signal, undefined),
        classify
      })
    }
  ) {}
  return Effect.map(Layer.build(Integration.layer(Bench)), (context) => Context.get(context, Bench).get)
}

/** What its plain tagged error costs less than one with a stack, which only whoever writes `orElse` can decide. */
const stackless = (leaf: Leaf, settings: Settings) => {
  const error = { _tag: "Unavailable" as const }
  class Bench extends Integration.Service<Bench>()(
    "bench/Stackless",
    { ...decided(settings), orElse: () => error },
    {
      get: Operation.fromPromise("get", {
        idempotency: safe,
        success: Schema.String,
        call: (_, { signal }) => leaf(signal, undefined),
        classify
      })
    }
  ) {}
  return Effect.map(Layer.build(Integration.layer(Bench)), (context) => Context.get(context, Bench).get)
}

type Open = (
  leaf: Leaf,
  settings: Settings
) => Effect.Effect<() => Effect.Effect<unknown, unknown>, unknown, Scope.Scope>

/** A peer logs nothing, so neither do we. */
const quiet = Context.make(Telemetry.LogLevels, { ok: undefined, failed: undefined })

const duration = "breakwater.call.duration"

interface Variant {
  readonly tracer?: "native" | "openTelemetry" | "off"
  /** Whether a failure is returned as a value, as inside an Effect program, or rejects the promise. */
  readonly failure?: "value" | "rejects"
}

const started =
  (open: Open, variant: Variant = {}): Peer["make"] =>
  (leaf, settings) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let spans: (() => number) | undefined
        let context: Context.Context<never> = quiet
        if (variant.tracer === "off") context = Context.add(context, References.TracerEnabled, false)
        else if (variant.tracer === "openTelemetry") {
          const { ended, tracer } = effectTracer()
          context = Context.add(context, Tracer.Tracer, tracer)
          spans = ended
        } else if (settings.observed) {
          let ended = 0
          class Counting extends Tracer.NativeSpan {
            override end(...args: Parameters<Tracer.NativeSpan["end"]>): void {
              ended++
              super.end(...args)
            }
          }
          context = Context.add(context, Tracer.Tracer, Tracer.make({ span: (options) => new Counting(options) }))
          spans = () => ended
        }
        if (settings.observed) context = Context.add(context, Metric.MetricRegistry, new Map())
        const method = yield* open(leaf, settings).pipe(Effect.provideContext(context))
        const counted = () =>
          Metric.snapshotUnsafe(context).reduce(
            (sum, metric) => (metric.id === duration && metric.type === "Histogram" ? sum + metric.state.count : sum),
            0
          )
        const run = Effect.runPromiseWith(context)
        const settle = Effect.runPromiseExitWith(context)
        const call: Made["call"] = variant.failure === "value" ? () => settle(method()) : () => run(method())
        return { call, spans, counted }
        // Its scope stays open: the calls come later, and the process ends with them.
      }).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
    )

const docs = "docs/policies/README.md"
const lacks: ReadonlyArray<string> = []
const all: ReadonlyArray<Feature> = [
  "retry",
  "attemptTimeout",
  "totalTimeout",
  "abort",
  "breaker",
  "bulkhead",
  "span",
  "metrics",
  "decode"
]

const peer = (name: string, open: Open, has = all, variant: Variant = {}, without = lacks): Peer => ({
  name,
  docs,
  has,
  lacks: without,
  make: started(open, variant)
})

export const breakwater = {
  promise: peer("breakwater, promise leaf: all layers, Effect's native tracer", promise, all, {}, ["key"]),
  otel: peer("breakwater, promise leaf: the same, OpenTelemetry spans", promise, all, { tracer: "openTelemetry" }, [
    "key"
  ]),
  keyed: peer("breakwater, promise leaf: the same and a key", keyed, [...all, "key"]),
  effect: peer("breakwater, Effect leaf: all layers, Effect's native tracer", effect, all, {}, ["key"]),
  parity: peer(
    "breakwater, promise leaf: cockatiel's features (metrics stay)",
    parity,
    all.filter((feature) => feature !== "span" && feature !== "decode"),
    { tracer: "off" },
    ["span", "retry budget", "key", "decode"]
  ),
  rejecting: peer("breakwater: a value, as in an Effect program", promise, all, { failure: "value" }, ["key"]),
  rejectingPromise: peer("breakwater: a rejected promise", promise, all, { failure: "rejects" }, ["key"]),
  stackless: peer("breakwater: a value, orElse without a stack", stackless, all, { failure: "value" }, ["key"])
}
