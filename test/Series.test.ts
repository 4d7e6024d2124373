import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Logger, Metric } from "effect"
import { labelsFor, most } from "../src/internal/series.ts"

/** A registry of its own, and what is logged. */
const opened = Effect.gen(function* () {
  const lines: Array<string> = []
  const log = Logger.make(({ message }) => void lines.push(String(message)))
  const logging = yield* Effect.provide(Effect.context<never>(), Logger.layer([log]))
  const context = Context.add(logging, Metric.MetricRegistry, new Map())
  const folded = Effect.map(Effect.provideContext(Metric.snapshot, context), (metrics) =>
    metrics
      .filter(({ id }) => id === "overflow")
      .map(({ attributes, state }) => [attributes?.["metric"], (state as { readonly count: number }).count])
  )
  const labels = (metric: string, n: number, limit?: number) =>
    labelsFor(
      context,
      metric,
      { n: String(n), unit: "s" },
      { name: "overflow", ...(limit === undefined ? {} : { limit }) }
    )
  return { folded, labels, lines }
})

const overflow = { "otel.metric.overflow": "true", unit: "s" }

describe("the labels of a metric", () => {
  it.effect("are its own up to the limit, and past it those of one series for all the rest", () =>
    Effect.gen(function* () {
      const { folded, labels, lines } = yield* opened
      for (let n = 0; n < 3; n++) assert.deepStrictEqual(labels("m", n, 3), { n: String(n), unit: "s" })
      assert.deepStrictEqual(yield* folded, [])
      assert.deepStrictEqual(labels("m", 3, 3), overflow)
      assert.deepStrictEqual(labels("m", 4, 3), overflow)
      // What is known stays what it is.
      assert.deepStrictEqual(labels("m", 1, 3), { n: "1", unit: "s" })
      assert.deepStrictEqual(yield* folded, [["m", 2]])
      assert.deepStrictEqual(lines, [
        'm has 3 sets of labels, the most that one metric may have: all others are one series, otel.metric.overflow="true". The labels that were one too many: n, unit'
      ])
    })
  )

  it.effect("are counted for each metric, and each registry", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* opened, yield* opened]
      for (let n = 0; n < 4; n++) one.labels("m", n, 3)
      assert.deepStrictEqual(one.labels("other", 9, 3), { n: "9", unit: "s" })
      assert.deepStrictEqual(other.labels("m", 9, 3), { n: "9", unit: "s" })
      assert.deepStrictEqual([one.lines.length, other.lines.length], [1, 0])
    })
  )

  it.effect("may be 2,000 sets by default", () =>
    Effect.gen(function* () {
      const { labels } = yield* opened
      assert.strictEqual(most, 2_000)
      for (let n = 0; n < 2_000; n++) assert.strictEqual(labels("m", n)["n"], String(n))
      assert.deepStrictEqual(labels("m", 2_000), overflow)
    })
  )
})
