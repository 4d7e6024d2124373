/** A shop on a bad morning, for the screenshots: each way to be slow, and what a healthy integration looks like. */
import { begin, failure, heat, heatBounds, idle, integration, operation, plan, slow, snapshot } from "./canned.ts"
import type { HeatColumn } from "../../../src/dashboard/Snapshot.ts"

/** Columns with a bell around a latency of each column's own, as measured ones look. */
const strip = (calls: number, middle: (column: number) => number, width = 0.9): ReadonlyArray<HeatColumn> =>
  heat(begin, { bucket: 0, calls: 1 }).map(({ at }, column) => ({
    at,
    counts: heatBounds.concat(0).map((_, bucket) => {
      const distance = (bucket - middle(column)) / width
      // A late few in every other column: a tail, not a wall.
      const tail = bucket - middle(column) > 1.5 && bucket - middle(column) < 4 && (column * 7 + bucket * 3) % 5 === 0
      return Math.round(calls * Math.exp(-distance * distance)) + (tail ? Math.ceil(calls / 30) : 0)
    })
  }))

const steady = (level: number) => (column: number) => level + Math.sin(column * 1.7) / 5

export const morning = snapshot([
  slow("shop/Payments", "provider", "charge takes 4.6 s (p95), usually 380 ms; 94 % of the time is its provider", {
    rate: 14.2,
    errorRatio: 0.041,
    p50Ms: 1_240,
    p95Ms: 4_210,
    p99Ms: 8_930,
    attemptsPerCall: 1.18,
    active: 31,
    oldestActiveMs: 9_120,
    heat: strip(40, (column) => (column < 15 ? steady(4.2)(column) : 5 + Math.min(2.4, (column - 14) / 2.5))),
    time: { providerMs: 1_610, queueMs: 12, retriesMs: 95 },
    operations: [
      operation("charge", {
        rate: 11.1,
        errorRatio: 0.052,
        p50Ms: 1_420,
        p95Ms: 4_640,
        p99Ms: 9_010,
        attemptsPerCall: 1.23,
        active: 29,
        oldestActiveMs: 9_120,
        outcomes: { ok: 610, ok_after_retry: 22, timeout: 26, exhausted: 8 }
      }),
      operation("find", { rate: 3.1, p50Ms: 310, p95Ms: 880, p99Ms: 1_150, outcomes: { ok: 186 } })
    ],
    outcomes: { ok: 796, ok_after_retry: 22, timeout: 26, exhausted: 8 },
    failures: [
      failure(begin - 1_300),
      failure(begin - 6_700, {
        reason: "503 Unavailable",
        callOutcome: "exhausted",
        latencyMs: 4_870,
        traceId: "9d1be7c04a3f4e21b8c6a70d5e2f1133",
        correlationId: "1f0e9d8c-77aa-4b2f-9c35-7be01d4f66a2",
        key: "charge:b81f77d0c4",
        requestId: "req_Zk31pX"
      })
    ],
    plan: [plan("charge"), plan("find")]
  }),
  slow(
    "shop/Mail",
    "queue",
    "a call takes 2.6 s (p95), usually 240 ms; 91 % of the time is waiting for a permit or for the rate, where 22 wait",
    {
      rate: 9.4,
      errorRatio: 0.006,
      p50Ms: 1_980,
      p95Ms: 2_640,
      p99Ms: 2_910,
      attemptsPerCall: 1,
      active: 26,
      oldestActiveMs: 2_810,
      queue: { depth: 22, oldestAgeMs: 2_400 },
      heat: strip(24, (column) => (column < 12 ? steady(3.4)(column) : 3.4 + Math.min(3.4, (column - 11) / 2))),
      time: { providerMs: 182, queueMs: 1_860, retriesMs: 4 },
      failures: [
        failure(begin - 22_000, { reason: "bulkhead_full", callOutcome: "rejected_bulkhead", outcome: "NotSent" })
      ]
    }
  ),
  integration("shop/Search", {
    rate: 48.6,
    errorRatio: 0.034,
    p50Ms: 64,
    p95Ms: 188,
    p99Ms: 430,
    attemptsPerCall: 1.05,
    active: 4,
    oldestActiveMs: 71,
    breaker: "half_open",
    heat: strip(120, steady(3.2), 1.1),
    time: { providerMs: 71, queueMs: 0, retriesMs: 9 }
  }),
  integration("shop/Inventory", {
    rate: 31,
    p50Ms: 12,
    p95Ms: 31,
    p99Ms: 58,
    active: 1,
    oldestActiveMs: 9,
    queue: { depth: 0, oldestAgeMs: null },
    heat: strip(90, steady(1.1)),
    time: { providerMs: 13, queueMs: 0.2, retriesMs: 0 }
  }),
  integration("shop/Shipping", {
    rate: 0.35,
    p50Ms: 412,
    p95Ms: 690,
    p99Ms: 702,
    attemptsPerCall: 1,
    active: 0,
    oldestActiveMs: null,
    outcomes: { ok: 21 },
    heat: strip(2, (column) => (column % 3 === 0 ? 5.1 : -9)),
    time: { providerMs: 420, queueMs: 0, retriesMs: 0 }
  }),
  idle("shop/Tax")
])
