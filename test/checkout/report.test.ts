import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import type { RunResult } from "../../examples/checkout/tally.ts"
import { makeMeter, quantile } from "../../examples/checkout/meter.ts"
import { jsonReport, textReport } from "../../examples/checkout/report.ts"

describe("makeMeter", () => {
  it("keeps exact quantiles, attempts and outcomes per integration", () => {
    const meter = makeMeter()
    for (let n = 100; n >= 1; n--) {
      meter.observe({
        integration: "cards",
        operation: "charge",
        outcome: n % 10 === 0 ? "Unknown" : "ok",
        attempts: 2,
        latencyMs: n
      })
    }
    meter.observe({ integration: "mail", operation: "receipt", outcome: "ok", attempts: 1, latencyMs: 1.26 })
    assert.deepStrictEqual(meter.figures(), [
      { name: "cards", calls: 100, attempts: 200, p50Ms: 50, p95Ms: 95, p99Ms: 99, outcomes: { ok: 90, Unknown: 10 } },
      { name: "mail", calls: 1, attempts: 1, p50Ms: 1.3, p95Ms: 1.3, p99Ms: 1.3, outcomes: { ok: 1 } }
    ])
  })

  it("has a quantile for no value at all", () => {
    assert.strictEqual(quantile([], 0.5), 0)
  })
})

const result = (name: "breakwater" | "effect" | "cockatiel", ordersEnded = 100_000): RunResult => ({
  figures: {
    name,
    ordersDone: 98_765,
    executedTwice: 12_345,
    hung: 12_345,
    untyped: 12_345,
    receiptUnknown: 12_345,
    requestsPerOrder: 123.456,
    seconds: 5_001.278
  },
  integrations: ["inventory", "cards", "mail"].map((integration) => ({
    name: integration,
    calls: 100_000,
    attempts: 499_999,
    p50Ms: 5_001.2,
    p95Ms: 5_001.2,
    p99Ms: 5_001.2,
    outcomes: { ok: 90_000, Unknown: 5_000, Refused: 2_000, NotSent: 1_000, Applied: 1_000, [`of ${name}`]: 1_000 }
  })),
  audit: { ledger: [], arrivals: { reserve: 0, charge: 0, receipt: 0 }, faults: {}, pending: 0 },
  ordersEnded,
  samples: []
})

const summary = (results: ReadonlyArray<RunResult>) => ({
  seed: 123_456_789,
  faultRate: 0.15,
  orders: 100_000,
  results
})

describe("textReport", () => {
  const text = (results: ReadonlyArray<RunResult>) => stripVTControlCharacters(textReport(summary(results)))

  it("fits in 80 columns, however large the figures", () => {
    for (const line of text([result("effect"), result("breakwater", 3), result("cockatiel")]).split("\n")) {
      assert.isAtMost(line.length, 80, line)
    }
  })

  it("explains every column that it has", () => {
    const all = text([result("effect")])
    for (const column of ["calls/s", "tries", "done", "twice", "hung", "untyped", "receipt?", "requests"]) {
      assert.match(all, new RegExp(`^${column.replace("?", "\\?")} +[a-z]`, "m"), column)
    }
  })

  it("says where an interrupted run stood", () => {
    assert.match(text([result("effect"), result("cockatiel", 412)]), /Interrupted: cockatiel had ended 412 of 100,000/)
    assert.notMatch(text([result("effect")]), /Interrupted/)
    assert.strictEqual(text([]), "No client has run.\n")
  })
})

describe("jsonReport", () => {
  it("has exactly the agreed fields, and breakwater's integrations when it ran", () => {
    const report = jsonReport(summary([result("effect"), result("breakwater")]))
    assert.deepStrictEqual(Object.keys(report), ["seed", "orders", "clients", "integrations"])
    assert.deepStrictEqual(Object.keys(report.clients[0] ?? {}), [
      "name",
      "ordersDone",
      "executedTwice",
      "hung",
      "untyped",
      "receiptUnknown",
      "requestsPerOrder",
      "seconds"
    ])
    assert.deepStrictEqual(Object.keys(report.integrations[0] ?? {}), [
      "name",
      "calls",
      "attempts",
      "p50Ms",
      "p95Ms",
      "p99Ms",
      "outcomes"
    ])
    assert.property(report.integrations[0]?.outcomes, "of breakwater")
  })
})
