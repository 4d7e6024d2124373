// How durations read in messages and plans.
import { assert, describe, it } from "@effect/vitest"
import { format, formatBoth } from "../src/internal/duration.ts"

describe("two durations of one sentence", () => {
  it("read as each of them does, where that tells them apart", () => {
    for (const [first, second] of [
      [6_000, 5_000],
      [5_100, 5_000],
      [999, 1_000],
      [59_000, 60_000],
      [Infinity, 1]
    ] as const) {
      assert.deepStrictEqual(formatBoth(first, second), [format(first), format(second)])
    }
  })

  it("read in milliseconds where rounding would make them the same, in every unit", () => {
    for (const [first, second] of [
      [5_001, 5_000],
      [600_001, 600_000],
      [7_200_001, 7_200_000],
      [0.25, 0.4]
    ] as const) {
      assert.strictEqual(format(first), format(second))
      assert.deepStrictEqual(formatBoth(first, second), [`${first} ms`, `${second} ms`])
    }
  })

  it("read alike where they are the same", () => {
    assert.deepStrictEqual(formatBoth(2_000, 2_000), ["2 s", "2 s"])
    assert.deepStrictEqual(formatBoth(Infinity, Infinity), ["for ever", "for ever"])
  })
})
