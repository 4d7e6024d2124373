/**
 * What the dashboard knows at one moment, as data: the page, `breakwater top` and `snapshot.json` show nothing else.
 *
 * It holds no input, no answer, no header and no credential. Milliseconds throughout; ratios are 0 to 1.
 *
 * @since 0.1.0
 */
import type { CallOutcome } from "../Telemetry.ts"
import type { Outcome } from "../Outcome.ts"
import type { OperationPlan } from "../internal/plan.ts"

/**
 * Why an integration is slow: its provider answers late, its calls wait for a permit or for the rate (`queue`), they wait
 * between attempts (`retries`), or its breaker turns them away.
 *
 * @category models
 * @since 0.1.0
 */
export type Cause = "provider" | "queue" | "retries" | "breaker"

/**
 * The numbers of the last minute, of an integration or of one operation. Calls that were turned away without a request are
 * counted in `rate` and `errorRatio`, and are not in the percentiles; timeouts are. `null` is "no call", never 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface Numbers {
  /** Calls that ended, a second. */
  readonly rate: number
  readonly errorRatio: number | null
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  readonly attemptsPerCall: number | null
  /** Calls that run now, and the age of the oldest. */
  readonly active: number
  readonly oldestActiveMs: number | null
  /** Calls that ended, by how. Only those that happened. */
  readonly outcomes: Readonly<Partial<Record<CallOutcome, number>>>
}

/**
 * One operation.
 *
 * @category models
 * @since 0.1.0
 */
export interface OperationSnapshot extends Numbers {
  readonly name: string
}

/**
 * One column of the latency heat strip: how many calls ended in 5 seconds, by the bucket of their latency.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeatColumn {
  /** Epoch milliseconds of the column's begin. */
  readonly at: number
  /** Calls by latency: below the first bound of `heatBounds`, between the bounds, and above the last. */
  readonly counts: ReadonlyArray<number>
}

/**
 * A call that failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureSnapshot {
  /** Epoch milliseconds of its end. */
  readonly at: number
  readonly operation: string
  readonly callOutcome: CallOutcome
  /** Whether its effect happened. */
  readonly outcome: Outcome
  readonly reason: string
  /** Attempts that were made: of a call that was turned away 0. */
  readonly attempts: number
  readonly latencyMs: number
  readonly traceId: string | null
  readonly correlationId: string
  readonly key: string | null
  /** The provider's id of the request, which its support asks for. */
  readonly requestId: string | null
}

/**
 * One integration.
 *
 * @category models
 * @since 0.1.0
 */
export interface IntegrationSnapshot extends Numbers {
  readonly name: string
  /** Whether it is slow at the moment (the last 10 seconds and the calls that run), and why. */
  readonly slow: { readonly cause: Cause; readonly reason: string } | null
  /** The worst state of its circuits; `null` without a breaker. */
  readonly breaker: "closed" | "half_open" | "open" | "forced_open" | "forced_closed" | null
  readonly circuits: ReadonlyArray<{ readonly breaker: string; readonly key: string; readonly state: string }>
  /** Calls that wait for a permit or for the rate now; `null` without such a layer. */
  readonly queue: { readonly depth: number; readonly oldestAgeMs: number | null } | null
  /** How the time of the last minute's calls was spent, in milliseconds a call. */
  readonly time: { readonly providerMs: number; readonly queueMs: number; readonly retriesMs: number } | null
  /** The last two minutes, oldest first, at most 24 columns. */
  readonly heat: ReadonlyArray<HeatColumn>
  readonly operations: ReadonlyArray<OperationSnapshot>
  /** Newest first, at most 50. */
  readonly failures: ReadonlyArray<FailureSnapshot>
  readonly plan: ReadonlyArray<OperationPlan>
}

/**
 * Everything that the dashboard shows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number
  /** Since when this process has watched. */
  readonly since: number
  /** The answer to "which integration is slow right now?", as one sentence. */
  readonly headline: string
  readonly slowest: { readonly integration: string; readonly cause: Cause; readonly reason: string } | null
  /** The bounds of the heat strip's buckets, in milliseconds. */
  readonly heatBounds: ReadonlyArray<number>
  /** Most trouble first; the order changes only where the difference matters. */
  readonly integrations: ReadonlyArray<IntegrationSnapshot>
}
