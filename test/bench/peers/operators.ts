/**
 * The same layers composed from Effect's own operators, as the documentation of each shows it:
 * https://effect.website/docs/error-management/retrying/, .../timing-out/, https://effect.website/docs/observability/tracing/
 * and, for Effect 4, the doc comments of `CircuitBreaker.make`, `Semaphore.withPermit` and `Metric.update`.
 */
import { Context, Data, Duration, Effect, Layer, Metric, Schedule, Schema, Scope, Semaphore, Tracer } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { randomUUID } from "node:crypto"
import type { Leaf, Made, Peer, Settings } from "../peer.ts"

class Unavailable extends Data.TaggedError("Unavailable")<{ readonly cause: unknown }> {}

const decode = Schema.decodeUnknownEffect(Schema.String)

const calls = Metric.counter("bench.calls", { incremental: true })
const millis = Metric.histogram("bench.call.millis", { boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] })

const make = (leaf: Leaf, settings: Settings): Promise<Made> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const store = yield* Layer.build(CircuitBreaker.layerStoreMemory())
      const breaker = yield* CircuitBreaker.make({
        tripPolicy: CircuitBreaker.consecutive(settings.consecutive),
        openDuration: Duration.millis(settings.open)
      }).pipe(Effect.provideContext(store))
      const permits = yield* Semaphore.make(settings.concurrency)
      const one = (key: string) =>
        Effect.tryPromise({
          try: (signal) => leaf(signal, key),
          catch: (cause) => new Unavailable({ cause })
        }).pipe(
          Effect.flatMap(decode),
          Effect.timeout(Duration.millis(settings.attempt)),
          Semaphore.withPermit(permits),
          breaker.execute({ key: "bench" }),
          Effect.retry({
            times: settings.retries,
            schedule: Schedule.jittered(Schedule.exponential("50 millis")),
            while: (error) => error._tag === "Unavailable" || error._tag === "TimeoutError"
          }),
          Effect.timeout(Duration.millis(settings.total))
        )
      let spans = 0
      class Counting extends Tracer.NativeSpan {
        override end(...args: Parameters<Tracer.NativeSpan["end"]>): void {
          spans++
          super.end(...args)
        }
      }
      const tracer = Tracer.make({ span: (options) => new Counting(options) })
      const run = Effect.runPromiseWith(settings.observed ? Context.add(store, Tracer.Tracer, tracer) : store)
      const call = () =>
        run(
          Effect.suspend(() => {
            const began = performance.now()
            return one(randomUUID()).pipe(
              Effect.onExit(() =>
                Effect.andThen(Metric.update(calls, 1), Metric.update(millis, performance.now() - began))
              ),
              Effect.withSpan("bench.call", { kind: "client", attributes: { service: "bench" } })
            )
          })
        )
      const counted = () => run(Effect.map(Metric.value(calls), ({ count }) => Number(count)))
      return { call, spans: () => spans, counted }
      // Its scope stays open: the calls come later, and the process ends with them.
    }).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
  )

export const operators: Peer = {
  name: "Effect's operators: the same layers composed",
  docs: "https://effect.website/docs/error-management/retrying/",
  has: ["retry", "attemptTimeout", "totalTimeout", "abort", "breaker", "bulkhead", "span", "metrics", "key", "decode"],
  lacks: ["retry budget", "a span per attempt", "metrics per attempt", "outcome"],
  make
}
