import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { buckets, Histogram, longest, relativeError, shortest, SlidingHistogram } from "../src/internal/histogram.ts"

const percents = [1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100]

/** The smallest value that is not exceeded by so many of a hundred. */
const exact = (sorted: ReadonlyArray<number>, percent: number): number =>
  sorted[Math.max(1, Math.ceil(Number(((percent / 100) * sorted.length).toFixed(6)))) - 1]!

/** A normal variate, of two uniform ones. */
const normal = (next: () => number): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())

const distributions: Readonly<Record<string, (next: () => number) => number>> = {
  uniform: (next) => 1 + next() * 999,
  exponential: (next) => -80 * Math.log(1 - next()),
  "log-normal": (next) => Math.exp(4 + 1.2 * normal(next)),
  "bimodal, a slow one among fifty": (next) => (next() < 0.02 ? 2_000 + 500 * next() : 8 + 4 * next()),
  "log-uniform from the shortest to the longest": (next) => shortest * (longest / shortest) ** next()
}

/** Numbers that repeat themselves. */
const numbers = (seed: number, count: number): Array<number> => {
  const draw = Effect.forEach(Array.from({ length: count }), () => Random.next)
  return Effect.runSync(Random.withSeed(draw, seed))
}

const samples = (seed: number, count: number, of: (next: () => number) => number): Array<number> => {
  const drawn = numbers(seed, count * 3)
  let at = 0
  const next = () => drawn[at++]!
  return Array.from({ length: count }, () => Math.min(longest, Math.max(shortest, of(next))))
}

describe("Histogram", () => {
  for (const [name, of] of Object.entries(distributions)) {
    it(`is off by at most one per cent: ${name}`, () => {
      for (let seed = 0; seed < 20; seed++) {
        const values = samples(seed, 1 + seed * 97, of)
        const histogram = new Histogram()
        for (const value of values) histogram.record(value)
        const sorted = values.toSorted((a, b) => a - b)
        assert.strictEqual(histogram.count, values.length)
        for (const percent of percents) {
          const truth = exact(sorted, percent)
          const told = histogram.percentile(percent)!
          assert.isAtMost(
            Math.abs(told - truth) / truth,
            relativeError,
            `seed ${seed}, ${percent} %: ${told}, ${truth}`
          )
        }
      }
    })
  }

  it("is off by at most one per cent at every bound of every bucket", () => {
    const histogram = new Histogram()
    for (let n = 0; shortest * 1.0007 ** n <= longest; n++) {
      const value = shortest * 1.0007 ** n
      for (const near of [value, value * (1 + 1e-12), value * (1 - 1e-12)]) {
        if (near < shortest || near > longest) continue
        histogram.clear()
        histogram.record(near)
        const told = histogram.percentile(50)!
        if (Math.abs(told - near) / near > relativeError) assert.fail(`${near} is told as ${told}`)
      }
    }
  })

  it("has no percentile while it is empty, and ranks as one counts", () => {
    const histogram = new Histogram()
    assert.isUndefined(histogram.percentile(50))
    for (let n = 1; n <= 1_000; n++) histogram.record(n)
    const near = (percent: number, value: number) =>
      assert.approximately(histogram.percentile(percent)!, value, value * relativeError, `${percent}`)
    near(0, 1)
    near(0.1, 1)
    near(50, 500)
    near(99.9, 999)
    near(100, 1_000)
  })

  it("counts what is shorter or longer as the shortest or the longest, and what is no duration not at all", () => {
    const histogram = new Histogram()
    for (const value of [0, 1e-9, shortest]) histogram.record(value)
    assert.strictEqual(histogram.percentile(100), shortest)
    for (const value of [NaN, -1]) histogram.record(value)
    assert.strictEqual(histogram.count, 3)
    const long = new Histogram()
    for (const value of [longest * 10, Infinity]) long.record(value)
    assert.strictEqual(long.count, 2)
    assert.approximately(long.percentile(50)!, longest, longest * relativeError * 2)
  })

  it("adds up, and takes away again", () => {
    const [a, b] = [new Histogram(), new Histogram()]
    for (let n = 1; n <= 100; n++) a.record(n)
    for (let n = 0; n < 100; n++) b.record(5_000)
    a.add(b)
    assert.strictEqual(a.count, 200)
    assert.approximately(a.percentile(75)!, 5_000, 50)
    a.subtract(b)
    assert.strictEqual(a.count, 100)
    assert.approximately(a.percentile(75)!, 75, 1)
    a.clear()
    assert.isUndefined(a.percentile(1))
  })

  it("adds up what both have of one duration", () => {
    const [a, b] = [new Histogram(), new Histogram()]
    for (let n = 1; n <= 100; n++) a.record(n)
    for (let n = 0; n < 100; n++) b.record(50)
    a.add(b)
    // The 150th is the last that took 50, the 180th took 80.
    assert.approximately(a.percentile(75)!, 50, 0.5)
    assert.approximately(a.percentile(90)!, 80, 0.8)
  })

  it("is as large with a million durations as with none", () => {
    assert.isAtMost(buckets, 1_000)
    const histogram = new Histogram()
    const counts = (histogram as unknown as { readonly counts: Uint32Array }).counts
    for (let n = 0; n < 1_000_000; n++) histogram.record(n % 7_000)
    assert.strictEqual(counts.length, buckets)
    assert.strictEqual(histogram.count, 1_000_000)
  })
})

describe("above", () => {
  it("counts what is longer, to the error of the buckets", () => {
    const histogram = new Histogram()
    for (const millis of [0.001, 10, 10, 200, 5_000, 1e9]) histogram.record(millis)
    assert.deepStrictEqual(
      [-1, 0, 1, 11, 199 * 1.03, 4_800, 5_200, 1e9].map((millis) => histogram.above(millis)),
      [6, 5, 5, 3, 2, 2, 1, 0]
    )
  })
})

describe("SlidingHistogram", () => {
  it("forgets, a slice of time at a time", () => {
    const sliding = new SlidingHistogram({ window: 60_000, slices: 6 })
    sliding.record(10, 1_000)
    sliding.record(20, 15_000)
    assert.strictEqual(sliding.count(15_000), 2)
    assert.strictEqual(sliding.count(59_999), 2)
    assert.strictEqual(sliding.count(60_000), 1)
    assert.approximately(sliding.percentile(50, 60_000)!, 20, 0.2)
    assert.strictEqual(sliding.count(69_999), 1)
    assert.strictEqual(sliding.count(70_000), 0)
    assert.isUndefined(sliding.percentile(50, 70_000))
  })

  it("forgets before each of its answers, whichever is asked for first", () => {
    const filled = () => {
      const sliding = new SlidingHistogram()
      sliding.record(10, 1_000)
      sliding.record(20, 15_000)
      return sliding
    }
    assert.approximately(filled().percentile(1, 59_999)!, 10, 0.1)
    assert.approximately(filled().percentile(1, 60_000)!, 20, 0.2)
    assert.strictEqual(filled().whole(59_999).count, 2)
    assert.strictEqual(filled().whole(60_000).count, 1)
    assert.strictEqual(filled().count(70_000), 0)
  })

  it("forgets all after a long pause, and goes on where a clock was set back", () => {
    const sliding = new SlidingHistogram()
    for (let n = 0; n < 60; n++) sliding.record(10, n * 1_000)
    assert.strictEqual(sliding.count(59_000), 60)
    assert.strictEqual(sliding.count(10_000_000), 0)
    sliding.record(30, 10_000_000)
    sliding.record(40, 5_000)
    assert.strictEqual(sliding.count(10_000_000), 2)
    assert.strictEqual(sliding.whole(10_000_000).count, 2)
    assert.strictEqual(sliding.count(10_060_000), 0)
  })

  it("at any time equals a histogram of what was recorded in the slices that are kept", () => {
    for (let seed = 0; seed < 60; seed++) {
      const drawn = numbers(seed, 82)
      const [slices, window] = [1 + Math.floor(drawn[0]! * 8), 60_000]
      const length = window / slices
      const sliding = new SlidingHistogram({ window, slices })
      const kept: Array<readonly [at: number, value: number]> = []
      let now = drawn[1]! * 1e12
      for (let n = 2; n + 1 < drawn.length; n += 2) {
        now += drawn[n]! ** 4 * window * 1.5
        const value = drawn[n + 1]! * 1_000 + 1
        sliding.record(value, now)
        kept.push([now, value])
        const oldest = Math.floor(now / length) - slices + 1
        const expected = new Histogram()
        for (const [at, of] of kept) {
          if (Math.floor(at / length) >= oldest) expected.record(of)
          // What is younger than the window less one slice is never forgotten, what is older than the window always.
          const keeps = Math.floor(at / length) >= oldest
          if (now - at < window - length && !keeps) assert.fail(`seed ${seed}: forgotten too soon`)
          if (now - at >= window && keeps) assert.fail(`seed ${seed}: kept too long`)
        }
        assert.strictEqual(sliding.count(now), expected.count, `seed ${seed}`)
        for (const percent of [1, 50, 95]) {
          assert.strictEqual(sliding.percentile(percent, now), expected.percentile(percent), `seed ${seed}`)
        }
      }
    }
  })
})
