import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type { Store } from "../OutboxStore.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Durable } from "./durable.ts"
import { nowOf } from "./timer.ts"

/** How often the gauges are set, and how often what was kept long enough is forgotten, in milliseconds. */
const gaugeEvery = 10_000
const sweepEvery = 60_000
const sweepBatch = 1_000

const states = {
  Waiting: "waiting",
  Pending: "pending",
  Leased: "leased",
  Dead: "dead",
  NeedsReconcile: "needs_reconcile"
} as const
type Shown = keyof typeof states

/** Tells how many calls of an operation are stored and how old the oldest is, and forgets those that have ended. */
export const upkeep = (durable: Durable, store: Store): Effect.Effect<void, never, Scope.Scope> => {
  const { integration, operation } = durable
  const shown = Object.keys(states) as ReadonlyArray<Shown>
  const gauges = shown.map((state) => {
    const attributes = {
      [Telemetry.names.integration]: integration,
      [Telemetry.names.operation]: operation,
      state: states[state]
    }
    return {
      state,
      depth: Metric.gauge(Telemetry.names.outboxDepth, {
        description: "Stored calls",
        attributes: { ...attributes, unit: "{call}" }
      }),
      age: Metric.gauge(Telemetry.names.outboxOldestAge, {
        description: "Age of the oldest stored call",
        attributes: { ...attributes, unit: "s" }
      })
    }
  })
  const gauge = Effect.withFiber((fiber) =>
    Effect.flatMap(store.groups({ integration, operation, states: shown }), (groups) =>
      Effect.forEach(
        gauges,
        ({ age, depth, state }) => {
          const own = groups.filter((group) => group.state === state)
          const oldest = Math.min(...own.map((group) => group.oldest))
          return Effect.andThen(
            Metric.update(
              depth,
              own.reduce((sum, { count }) => sum + count, 0)
            ),
            Metric.update(age, own.length === 0 ? 0 : Math.max(0, nowOf(fiber) - oldest) / 1_000)
          )
        },
        { discard: true }
      )
    )
  )
  const sweep: Effect.Effect<void> = Effect.flatMap(
    Effect.catch(store.sweep({ limit: sweepBatch }), () => Effect.succeed(0)),
    (forgotten) => (forgotten < sweepBatch ? Effect.void : sweep)
  )
  const every = (millis: number, self: Effect.Effect<void>) =>
    Effect.forkScoped(Effect.forever(Effect.andThen(self, Effect.sleep(millis))))
  // A store that fails is told by the loop that claims.
  return Effect.andThen(every(gaugeEvery, Effect.ignore(gauge)), Effect.asVoid(every(sweepEvery, sweep)))
}
