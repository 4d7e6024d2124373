import { afterAll, assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { type Call, linearize, type Model } from "../../src/testing/internal/linearize.ts"

/** A register with compare-and-set, as everyone knows it. */
interface Op extends Call {
  readonly op: "read" | "write" | "cas"
  readonly value?: number
  readonly expected?: number
  /** What was read, or whether it was set; absent for a call that was cut. */
  readonly answer?: number | boolean
}

const register: Model<number, Op> = {
  initial: 0,
  keyOf: String,
  step: (state, { answer, expected, op, value }) => {
    switch (op) {
      case "read":
        return answer === undefined || answer === state ? [state] : []
      case "write":
        return [value!]
      case "cas": {
        const set = expected === state
        return answer !== undefined && answer !== set ? [] : [set ? value! : state]
      }
    }
  }
}

const read = (invoked: number, returned: number | undefined, answer?: number): Op => ({
  op: "read",
  invoked,
  returned,
  ...(answer === undefined ? {} : { answer })
})
const write = (invoked: number, returned: number | undefined, value: number): Op => ({
  op: "write",
  invoked,
  returned,
  value
})
const cas = (invoked: number, returned: number | undefined, expected: number, value: number, answer?: boolean): Op => ({
  op: "cas",
  invoked,
  returned,
  expected,
  value,
  ...(answer === undefined ? {} : { answer })
})

const verdict = (...history: ReadonlyArray<Op>) => linearize(register, history)._tag

describe("linearize accepts", () => {
  const accepted: Readonly<Record<string, ReadonlyArray<Op>>> = {
    nothing: [],
    "calls one after the other": [write(1, 2, 7), read(3, 4, 7), cas(5, 6, 7, 8, true), read(7, 8, 8)],
    "a read that overlaps a write, before or after it": [write(1, 4, 7), read(2, 3, 0), read(5, 6, 7)],
    "two reads in a write that see the old and then the new": [write(1, 6, 7), read(2, 3, 0), read(4, 5, 7)],
    "one winner of two that compare and set": [cas(1, 4, 0, 1, true), cas(2, 3, 0, 2, false), read(5, 6, 1)],
    "writes in an order that only the reads tell": [write(1, 8, 1), write(2, 7, 2), read(3, 4, 2), read(5, 6, 1)],
    "a cut call that took effect": [write(1, undefined, 7), read(2, 3, 7)],
    "a cut call that took effect late": [write(1, undefined, 7), read(2, 3, 0), read(4, 5, 7)],
    "a cut call that never took effect": [write(1, undefined, 7), read(2, 3, 0), read(4, 5, 0)],
    "the order of the list not being the order of time": [read(3, 4, 7), write(1, 2, 7)]
  }
  for (const [name, history] of Object.entries(accepted)) {
    it(name, () => assert.strictEqual(verdict(...history), "Linearizable"))
  }
})

describe("linearize rejects", () => {
  const rejected: Readonly<Record<string, ReadonlyArray<Op>>> = {
    "a value that nobody wrote": [read(1, 2, 9)],
    "a stale read after a write has returned": [write(1, 2, 7), read(3, 4, 0)],
    "a read that goes back in time": [write(1, 6, 7), read(2, 3, 7), read(4, 5, 0)],
    "two winners": [cas(1, 4, 0, 1, true), cas(2, 3, 0, 2, true)],
    "no winner": [cas(1, 4, 0, 1, false), cas(2, 3, 0, 2, false)],
    "a lost update": [cas(1, 2, 0, 1, true), cas(3, 4, 0, 2, true)],
    "two observers that disagree about an order": [
      write(1, 12, 1),
      write(2, 11, 2),
      read(3, 4, 1),
      read(5, 6, 2),
      read(7, 8, 1)
    ],
    "a cut call that took effect twice": [write(1, undefined, 7), read(2, 3, 7), write(4, 5, 8), read(6, 7, 7)],
    "a cut call that took effect before it began": [read(1, 2, 7), write(3, undefined, 7)]
  }
  for (const [name, history] of Object.entries(rejected)) {
    it(name, () => assert.strictEqual(verdict(...history), "NotLinearizable"))
  }

  it("and says how far an order came, and what does not fit after it", () => {
    const history = [write(1, 2, 7), read(3, 4, 7), read(5, 6, 0)]
    assert.deepStrictEqual(linearize(register, history), {
      _tag: "NotLinearizable",
      longest: history.slice(0, 2),
      stuck: history.slice(2)
    })
  })
})

describe("linearize", () => {
  it("gives an order that keeps to time", () => {
    const [first, second] = [write(1, 8, 1), write(2, 7, 2)]
    const [third, fourth] = [read(3, 4, 2), read(9, 10, 1)]
    const found = linearize(register, [first, second, third, fourth])
    assert.deepStrictEqual(found, { _tag: "Linearizable", order: [second, third, first, fourth] })
  })

  it("says so where more is left to try than allowed", () => {
    const many = Array.from({ length: 14 }, (_, n) => write(n + 1, 100 + n, n + 1))
    const found = linearize(register, [...many, read(200, 201, 99)], 1_000)
    assert.deepInclude(found, { _tag: "Undecided" })
  })

  it("is quick where many calls overlap", () => {
    // Ten writes at once have 10! orders, but only 2 times 2^10 states to look at.
    const many = Array.from({ length: 10 }, (_, n) => write(n + 1, 100 + n, n % 2))
    assert.strictEqual(verdict(...many, read(200, 201, 9)), "NotLinearizable")
  })
})

// ---- against the definition

const between = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

/** Every order of every choice of the cut calls, by brute force. */
const byDefinition = (history: ReadonlyArray<Op>): boolean => {
  const fits = (state: number, left: ReadonlyArray<Op>): boolean =>
    left.every(({ returned }) => returned === undefined) ||
    left.some((call) => {
      const others = left.filter((other) => other !== call)
      if (others.some(({ returned }) => returned !== undefined && returned < call.invoked)) return false
      return register.step(state, call).some((after) => fits(after, others))
    })
  return fits(0, history)
}

/** Five calls with stamps of their own, and answers that may be wrong. */
const histories = Arbitrary.map(
  Arbitrary.array(Arbitrary.array(between(0, 9), { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
  (drawn): ReadonlyArray<Op> => {
    const stamps = drawn.flatMap(([at = 0, length = 0], n) => [
      { n, end: false, at: at * 10 + n },
      { n, end: true, at: (at + length) * 10 + n + 0.5 }
    ])
    const order = stamps.toSorted((x, y) => x.at - y.at)
    const stampOf = (n: number, end: boolean) => order.findIndex((stamp) => stamp.n === n && stamp.end === end) + 1
    return drawn.map(([, , kind = 0, value = 0, answer = 0, cut = 0], n) => {
      const invoked = stampOf(n, false)
      const returned = cut === 0 ? undefined : stampOf(n, true)
      if (kind < 4) return returned === undefined ? read(invoked, returned) : read(invoked, returned, answer % 3)
      if (kind < 7) return write(invoked, returned, value % 3)
      return returned === undefined
        ? cas(invoked, returned, value % 3, answer % 3)
        : cas(invoked, returned, value % 3, answer % 3, answer > 4)
    })
  }
)

describe("linearize agrees with its definition", () => {
  const seen = { fits: 0, fitsNot: 0 }
  it.effect.prop(
    "on random histories",
    [histories],
    ([history]) => {
      const expected = byDefinition(history)
      if (expected) seen.fits++
      else seen.fitsNot++
      assert.strictEqual(verdict(...history) === "Linearizable", expected)
      return Effect.void
    },
    { arbitrary: { runs: 2_000, seed: process.env.PROPERTY_SEED ?? "breakwater" } }
  )
  afterAll(() => {
    // Both kinds must have been among them, or the property says little.
    if (seen.fits + seen.fitsNot > 0) assert.isAbove(Math.min(seen.fits, seen.fitsNot), 200)
  })
})
