/** One call in process: the same no-op function under this library, under its peers, and bare. */
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import {
  circuitBreaker,
  bulkhead,
  ConsecutiveBreaker,
  handleAll,
  retry,
  timeout,
  TimeoutStrategy,
  wrap
} from "cockatiel"
import { Context, Duration, Effect, Layer, Schedule, Schema, Semaphore } from "effect"
import { CircuitBreaker } from "effect/persistence"
import type { Case } from "./measure.ts"

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

const noop = async (_signal: AbortSignal): Promise<string> => "ok"

const defaults = {
  policy: Policy.standard(),
  shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: Policy.bulkhead({ concurrency: 1000 }) }),
  exhausted: Exhaustion.fail,
  orElse: () => new Unavailable()
}

class Bench extends Integration.Service<Bench>()("bench/Bench", defaults, {
  effect: Operation.query("effect", {
    success: Schema.String,
    send: () => Effect.tryPromise({ try: (signal) => noop(signal), catch: () => new Unavailable() }),
    translate: { Unavailable: (error) => error }
  })
}) {}

const quiet = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })

/** The same layers written by hand from Effect's own operators, as its documentation shows them. */
const byHand = Effect.gen(function* () {
  const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(5), openDuration: "1 second" })
  const permits = yield* Semaphore.make(1000)
  return Effect.tryPromise({ try: (signal) => noop(signal), catch: () => new Unavailable() }).pipe(
    Effect.timeout("10 seconds"),
    Semaphore.withPermit(permits),
    breaker.execute({ key: "bench" }),
    Effect.retry({ times: 2, schedule: Schedule.exponential("50 millis") }),
    Effect.timeout(Duration.seconds(30)),
    Effect.withSpan("bench", { kind: "client" })
  )
})

export const inProcess = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.mergeAll(Integration.layer(Bench), quiet, CircuitBreaker.layerStoreMemory()))
  const { effect } = Context.get(context, Bench)
  const naive = yield* Effect.provideContext(byHand, context)
  const loop =
    (call: Effect.Effect<unknown, unknown>): Case["run"] =>
    (n) =>
      Effect.runPromise(
        Effect.provideContext(
          Effect.whileLoop({ while: () => n-- > 0, body: () => call, step: () => {} }),
          context
        ) as Effect.Effect<void>
      )
  const signal = new AbortController().signal
  const policy = wrap(
    timeout(30_000, TimeoutStrategy.Aggressive),
    retry(handleAll, { maxAttempts: 2 }),
    circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(5) }),
    bulkhead(1000, 1000),
    timeout(10_000, TimeoutStrategy.Aggressive)
  )
  const cases: ReadonlyArray<Case> = [
    {
      name: "bare async function",
      run: async (n) => {
        for (let i = 0; i < n; i++) await noop(signal)
      }
    },
    {
      name: "Effect.tryPromise",
      run: loop(Effect.tryPromise({ try: (own) => noop(own), catch: () => new Unavailable() }))
    },
    {
      name: "cockatiel: 2 timeouts, retry, breaker, bulkhead",
      run: async (n) => {
        for (let i = 0; i < n; i++) await policy.execute(({ signal: own }) => noop(own))
      }
    },
    { name: "Effect's operators by hand, and a span", run: loop(naive) },
    { name: "breakwater: all of it, spans, metrics, decode", run: loop(Effect.suspend(() => effect())) },
    {
      name: "breakwater, tracer off",
      run: loop(
        Effect.withTracerEnabled(
          Effect.suspend(() => effect()),
          false
        )
      )
    }
  ]
  return cases
})
