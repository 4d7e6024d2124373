import { assert, describe, it } from "@effect/vitest"
import {
  type Fault,
  faultFor,
  type FaultKind,
  faultKinds,
  type Operation,
  operations
} from "../../examples/checkout/faults.ts"

const faultsOf = (rate: number, operation: Operation, seeds: number, kinds?: ReadonlyArray<FaultKind>) => {
  const faults: Array<Fault | undefined> = []
  for (let seed = 0; seed < seeds; seed++) {
    for (let order = 0; order < 500; order++) {
      for (let arrival = 1; arrival <= 4; arrival++) {
        faults.push(faultFor({ seed, rate, kinds }, operation, `ord_${order}`, arrival))
      }
    }
  }
  return faults
}

const share = <A>(values: ReadonlyArray<A>, holds: (value: A) => boolean) => values.filter(holds).length / values.length

describe("faultFor", () => {
  it("is a pure function: the same question has the same answer, whatever was asked in between", () => {
    const ask = () => operations.map((operation) => faultFor({ seed: 7, rate: 1 }, operation, "ord_0001", 3))
    const before = ask()
    faultsOf(0.5, "charge", 1)
    assert.deepStrictEqual(ask(), before)
  })

  it("gives the answers that it always gave", () => {
    const kinds = (seed: number) =>
      Array.from({ length: 6 }, (_, index) => faultFor({ seed, rate: 1 }, "charge", "ord_0001_eb59", index + 1)?.kind)
    // A change here changes every figure that was ever published with a seed.
    assert.deepStrictEqual(kinds(1), [
      "status500",
      "responseLost",
      "status504",
      "latency",
      "resetBeforeReading",
      "cutBody"
    ])
    assert.deepStrictEqual(kinds(2), [
      "duplicate",
      "stallInBody",
      "responseLost",
      "status429RetryAfter",
      "status500",
      "stallInBody"
    ])
  })

  it("never faults at rate 0, always at rate 1, and at the rate in between", () => {
    for (const operation of operations) {
      assert.strictEqual(
        share(faultsOf(0, operation, 1), (fault) => fault !== undefined),
        0
      )
      assert.strictEqual(
        share(faultsOf(1, operation, 1), (fault) => fault !== undefined),
        1
      )
      for (const rate of [0.15, 0.3]) {
        assert.closeTo(
          share(faultsOf(rate, operation, 10), (fault) => fault !== undefined),
          rate,
          0.01
        )
      }
    }
  })

  it("meets every kind about equally often, and duplicates only what is safe to repeat", () => {
    for (const operation of operations) {
      const faults = faultsOf(1, operation, 10)
      const expected = faultKinds.filter((kind) => operation !== "receipt" || kind !== "duplicate")
      assert.deepStrictEqual(new Set(faults.map((fault) => fault?.kind)), new Set(expected))
      for (const kind of expected) {
        assert.closeTo(share(faults, (fault) => fault?.kind === kind) * expected.length, 1, 0.1, kind)
      }
    }
  })

  it("mixes well: neither the previous arrival, the neighbour's order nor the next seed tells anything", () => {
    const at = (seed: number, order: number, arrival: number) =>
      faultFor({ seed, rate: 0.3 }, "reserve", `ord_${order}`, arrival) !== undefined
    const trials = Array.from({ length: 20_000 }, (_, n) => ({ seed: n % 40, order: Math.floor(n / 40) }))
    const both = [
      share(trials, ({ order, seed }) => at(seed, order, 1) && at(seed, order, 2)),
      share(trials, ({ order, seed }) => at(seed, order, 1) && at(seed, order + 1, 1)),
      share(trials, ({ order, seed }) => at(seed, order, 1) && at(seed + 1, order, 1))
    ]
    for (const found of both) assert.closeTo(found, 0.09, 0.01)
  })

  it("says which kinds execute, and decides the undecided ones evenly", () => {
    const never = ["resetBeforeReading", "status503", "status429", "status429RetryAfter"]
    const half = ["stallBeforeHeaders", "status500", "status502", "status504"]
    for (const kind of faultKinds) {
      const executed = share(faultsOf(1, "reserve", 2, [kind]), (fault) => fault?.executes === true)
      assert.closeTo(executed, never.includes(kind) ? 0 : half.includes(kind) ? 0.5 : 1, half.includes(kind) ? 0.05 : 0)
    }
  })

  it("keeps latency between 50 and 200 ms, well below the attempt timeout", () => {
    const delays = faultsOf(1, "reserve", 5, ["latency"]).map((fault) => fault?.delayMs ?? 0)
    assert.strictEqual(Math.min(...delays), 50)
    assert.strictEqual(Math.max(...delays), 200)
  })
})
