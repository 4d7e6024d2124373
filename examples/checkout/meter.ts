/** Figures per integration, from one observation per call. Quantiles are exact: every latency is kept. */

/** One settled call. breakwater's `CallObserved` has these fields; the rest of it is not needed here. */
export interface Observation {
  readonly integration: string
  readonly operation: string
  /** `ok`, or how the call ended otherwise. */
  readonly outcome: string
  readonly attempts: number
  readonly latencyMs: number
}

export interface IntegrationFigures {
  readonly name: string
  readonly calls: number
  readonly attempts: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly outcomes: Readonly<Record<string, number>>
}

export interface Meter {
  readonly observe: (observation: Observation) => void
  readonly figures: () => ReadonlyArray<IntegrationFigures>
}

export const makeMeter = (): Meter => {
  const integrations = new Map<string, { attempts: number; latencies: Array<number>; outcomes: Map<string, number> }>()
  return {
    observe: ({ attempts, integration, latencyMs, outcome }) => {
      let entry = integrations.get(integration)
      if (entry === undefined) {
        entry = { attempts: 0, latencies: [], outcomes: new Map() }
        integrations.set(integration, entry)
      }
      entry.attempts += attempts
      entry.latencies.push(latencyMs)
      entry.outcomes.set(outcome, (entry.outcomes.get(outcome) ?? 0) + 1)
    },
    figures: () =>
      [...integrations].map(([name, { attempts, latencies, outcomes }]) => {
        const sorted = latencies.toSorted((a, b) => a - b)
        return {
          name,
          calls: sorted.length,
          attempts,
          p50Ms: quantile(sorted, 0.5),
          p95Ms: quantile(sorted, 0.95),
          p99Ms: quantile(sorted, 0.99),
          outcomes: Object.fromEntries([...outcomes].toSorted(([, a], [, b]) => b - a))
        }
      })
  }
}

/** Nearest rank, in whole tenths of a millisecond: the smallest value that at least `q` of all values do not exceed. */
export const quantile = (sorted: ReadonlyArray<number>, q: number): number => {
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
  return Math.round(value * 10) / 10
}
