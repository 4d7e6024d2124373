import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Telemetry from "../Telemetry.ts"
import { labelsFor } from "./series.ts"

const names = Telemetry.names

/** What a circuit is to whoever looks at it. One that is forced closed is closed. */
export const words = ["closed", "open", "half_open", "forced_open"] as const

export type Word = (typeof words)[number]

type Services = Context.Context<never>

/**
 * The metrics of one breaker. A key that calls bring along may have any number of values: of those circuits only the
 * number of open ones is told.
 */
export class BreakerMetrics {
  private readonly own: Readonly<Record<string, string>>
  private readonly byKey: boolean
  private readonly gauges = new Map<string, ReadonlyArray<readonly [Word, Metric.Gauge<number>]>>()
  private readonly counters = new Map<string, Metric.Counter<number>>()
  private readonly count: Metric.Gauge<number>

  constructor(integration: string, name: string, byKey: boolean) {
    this.own = { [names.integration]: integration, [names.policyName]: name }
    this.byKey = byKey
    this.count = Metric.gauge(names.breakerOpen, {
      description: "Circuits of a breaker that are not closed",
      attributes: { ...this.own, unit: "{circuit}" }
    })
  }

  /** Sets what a circuit is. */
  state(key: string, word: Word, context: Services): void {
    if (!this.byKey) return
    let gauges = this.gauges.get(key)
    if (gauges === undefined) {
      gauges = words.map(
        (state) =>
          [
            state,
            Metric.gauge(names.breakerState, {
              description: "Whether a circuit is in this state: 1 or 0",
              attributes: labelsFor(
                context,
                names.breakerState,
                { ...this.own, [names.breakerKey]: key, [names.breakerState]: state, unit: "{circuit}" },
                { name: names.overflow }
              )
            })
          ] as const
      )
      this.gauges.set(key, gauges)
    }
    for (const [state, gauge] of gauges) gauge.updateUnsafe(state === word ? 1 : 0, context)
  }

  /** Sets how many circuits are not closed. */
  open(count: number, context: Services): void {
    if (!this.byKey) this.count.updateUnsafe(count, context)
  }

  moved(from: Word, to: Word, context: Services): void {
    const id = `${from} ${to}`
    let counter = this.counters.get(id)
    if (counter === undefined) {
      counter = Metric.counter(names.breakerTransitions, {
        description: "Changes of a circuit's state",
        incremental: true,
        attributes: { ...this.own, [names.breakerFrom]: from, [names.breakerTo]: to, unit: "{transition}" }
      })
      this.counters.set(id, counter)
    }
    counter.updateUnsafe(1, context)
  }
}
