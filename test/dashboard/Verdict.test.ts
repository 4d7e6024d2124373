import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import type { Cause } from "../../src/dashboard/Snapshot.ts"
import * as Verdict from "../../src/dashboard/internal/verdict.ts"
import { between, oneOf, tries } from "../properties/support.ts"

const { verdict } = Verdict

const one = (given: Partial<Verdict.OperationFacts> = {}): Verdict.OperationFacts => ({
  name: "today",
  calls: 100,
  slow: 0,
  p95Ms: 80,
  normMs: 80,
  ...given
})

const facts = (given: Partial<Verdict.Facts> = {}): Verdict.Facts => ({
  operations: [one()],
  ended: 100,
  rejected: { breaker: 0, queue: 0 },
  spent: { providerMs: 40, queueMs: 0, retriesMs: 0 },
  usual: { providerMs: 40, queueMs: 0, retriesMs: 0 },
  breaker: null,
  queue: null,
  attemptsPerCall: 1,
  ...given
})

const slow = one({ slow: 40, p95Ms: 4_000, normMs: 400 })

describe("verdict", () => {
  const cases: ReadonlyArray<
    readonly [what: string, given: Partial<Verdict.Facts>, previous: Cause | null, cause: Cause | null, reason?: string]
  > = [
    ["as usual", {}, null, null],
    ["no calls", { operations: [one({ calls: 0, p95Ms: null })], ended: 0 }, null, null],
    [
      "a slow provider",
      { operations: [slow], spent: { providerMs: 3_000, queueMs: 100, retriesMs: 0 } },
      null,
      "provider",
      "a call takes 4 s (p95), usually 400 ms; 97 % of the time is its provider"
    ],
    [
      "nothing is known of before",
      { operations: [{ ...slow, normMs: null }], usual: null },
      null,
      "provider",
      "a call takes 4 s (p95); 100 % of the time is its provider"
    ],
    [
      "a queue, though the provider takes longer than it",
      {
        operations: [slow],
        spent: { providerMs: 1_000, queueMs: 900, retriesMs: 0 },
        usual: { providerMs: 1_000, queueMs: 0, retriesMs: 0 },
        queue: { depth: 7, oldestAgeMs: 800 }
      },
      null,
      "queue",
      "a call takes 4 s (p95), usually 400 ms; 47 % of the time is waiting for a permit or for the rate, where 7 wait"
    ],
    [
      "retries",
      { operations: [slow], spent: { providerMs: 100, queueMs: 0, retriesMs: 300 }, attemptsPerCall: 2.84 },
      null,
      "retries",
      "a call takes 4 s (p95), usually 400 ms; 75 % of the time is waiting between attempts, of which a call takes 2.8"
    ],
    [
      "an open breaker, whatever else is slow",
      { operations: [slow], rejected: { breaker: 30, queue: 30 }, breaker: "open" },
      null,
      "breaker",
      "its breaker is open: 30 calls were turned away in the last 10 seconds"
    ],
    [
      "an operator",
      { rejected: { breaker: 100, queue: 0 }, breaker: "forced_open" },
      null,
      "breaker",
      "an operator keeps it off: 100 calls were turned away in the last 10 seconds"
    ],
    [
      "a limit that turns calls away",
      { rejected: { breaker: 0, queue: 10 } },
      null,
      "queue",
      "10 calls were turned away in the last 10 seconds, because no permit was free or the rate was spent"
    ],
    ["nine in a hundred were turned away", { rejected: { breaker: 9, queue: 0 } }, null, null],
    ["nine in a hundred are slow", { operations: [{ ...slow, slow: 9 }] }, null, null],
    ["ten in a hundred are slow", { operations: [{ ...slow, slow: 10 }] }, null, "provider"],
    ["two calls are too few", { operations: [{ ...slow, calls: 2, slow: 2 }] }, null, null],
    ["three are enough", { operations: [{ ...slow, calls: 3, slow: 3 }] }, null, "provider"],
    ["it goes on with five in a hundred", { operations: [{ ...slow, slow: 5 }] }, "provider", "provider"],
    ["it ends with four in a hundred", { operations: [{ ...slow, slow: 4 }] }, "provider", null],
    ["it ends without any", { operations: [{ ...slow, slow: 0 }] }, "provider", null],
    ["a breaker goes on with five in a hundred", { rejected: { breaker: 5, queue: 0 } }, "breaker", "breaker"],
    [
      "what was slow needs more than a few rejections to be called otherwise",
      { operations: [slow], rejected: { breaker: 6, queue: 6 } },
      "provider",
      "provider"
    ],
    [
      "the cause stays while another is only a little ahead",
      { operations: [slow], spent: { providerMs: 1_100, queueMs: 1_000, retriesMs: 0 }, usual: null },
      "queue",
      "queue"
    ],
    [
      "and changes when it is clearly ahead",
      { operations: [slow], spent: { providerMs: 1_300, queueMs: 1_000, retriesMs: 0 }, usual: null },
      "queue",
      "provider"
    ],
    [
      "the worst of several operations",
      { operations: [one(), { ...slow, name: "rates", p95Ms: 800 }, { ...slow, name: "history" }] },
      null,
      "provider",
      "history takes 4 s (p95), usually 400 ms; 100 % of the time is its provider"
    ]
  ]
  for (const [what, given, previous, cause, reason] of cases) {
    it(`${what}: ${cause ?? "not slow"}`, () => {
      const found = verdict(facts(given), previous)
      assert.strictEqual(found?.cause ?? null, cause)
      if (reason !== undefined) assert.strictEqual(found?.reason, reason)
    })
  }

  it("of a call begins at twice what is usual, at 100 ms, and at a second where nothing is known", () => {
    assert.deepStrictEqual(
      [null, 0, 1, 49, 60, 400, 10_000].map(Verdict.slowFrom),
      [1_000, 100, 100, 100, 120, 800, 20_000]
    )
  })

  const numbers = Arbitrary.all([
    between(0, 300),
    between(0, 300),
    between(0, 5_000),
    between(0, 300),
    between(0, 300),
    between(0, 4_000)
  ])
  it.effect.prop(
    "needs three slow calls to begin, and what is slow once is slow while nothing changes",
    { numbers, previous: oneOf<Cause | null>([null, "provider", "queue", "retries", "breaker"]) },
    ({ numbers: [calls, share, p95Ms, breaker, queue, spent], previous }) =>
      Effect.sync(() => {
        const given = facts({
          operations: [one({ calls, slow: Math.min(calls, share), p95Ms })],
          ended: calls + breaker + queue,
          rejected: { breaker, queue },
          spent: { providerMs: spent, queueMs: p95Ms, retriesMs: share }
        })
        const found = verdict(given, null)
        if (found !== null) {
          assert.isAtLeast(Math.max(Math.min(calls, share), breaker, queue), Verdict.fewestSlow)
          assert.isTrue(found.severity > 0 && Number.isFinite(found.severity))
          assert.isNotNull(verdict(given, found.cause))
          // Whatever it was before, it is slow still.
          assert.isNotNull(verdict(given, previous))
        }
      }),
    tries(300)
  )
})

describe("the order", () => {
  const calm = { breaker: null, errorRatio: 0, active: 0, rate: 1, queue: null }

  it("is by trouble: slow, open, failing, waiting, busy, idle", () => {
    const slowest = verdict(facts({ operations: [slow] }), null)
    const scores = [
      Verdict.trouble(calm, slowest),
      Verdict.trouble({ ...calm, breaker: "open", errorRatio: 0.5 }, null),
      Verdict.trouble({ ...calm, breaker: "half_open" }, null),
      Verdict.trouble({ ...calm, queue: { depth: 1, oldestAgeMs: 1 } }, null),
      Verdict.trouble(calm, null),
      Verdict.trouble({ ...calm, rate: 0, errorRatio: null }, null)
    ]
    assert.deepStrictEqual(
      scores.toSorted((a, b) => b - a),
      scores
    )
    assert.strictEqual(scores.at(-1), 0)
  })

  it.effect.prop(
    "of two integrations does not change while their trouble changes by less than a step",
    { scores: Arbitrary.array(between(0, 24), { minLength: 1, maxLength: 30 }), base: between(0, 600) },
    ({ base, scores }) =>
      Effect.sync(() => {
        // All within a quarter of a level, around the first.
        let previous = Verdict.level(base / 100, undefined)
        const first = previous
        for (const score of scores) {
          previous = Verdict.level(first + (score - 12) / 50, previous)
          assert.strictEqual(previous, first)
        }
        // A change of more than that is followed.
        assert.isAbove(Verdict.level(first + 0.3, first), first)
      }),
    tries(100)
  )

  it("is by name where trouble makes no difference", () => {
    const all = ["b", "a", "c"].map((name) => ({ name, level: name === "c" ? 1 : 0 }))
    assert.deepStrictEqual(
      Verdict.sorted(all).map(({ name }) => name),
      ["c", "a", "b"]
    )
  })
})

describe("the headline", () => {
  const named = (name: string, severity: number): Verdict.Slow => ({
    name,
    verdict: { cause: "provider", reason: "a call takes 4 s (p95)", severity }
  })

  it("names the slowest, and the others", () => {
    const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((name) => named(name, 1))
    assert.strictEqual(Verdict.headline(a, [a!], true), "a is slow right now: a call takes 4 s (p95).")
    assert.strictEqual(
      Verdict.headline(b, [a!, b!, c!, d!, e!], true),
      "b is slow right now: a call takes 4 s (p95) (also slow: a, c, d and 1 more)."
    )
    assert.strictEqual(Verdict.headline(undefined, [], true), "No integration is slow right now.")
    assert.strictEqual(Verdict.headline(undefined, [], false), "There were no calls in the last minute.")
  })

  it("stays with one until another is twice as slow", () => {
    const name = (slow: ReadonlyArray<Verdict.Slow>, previous?: string) => Verdict.slowestOf(slow, previous)?.name
    assert.strictEqual(name([named("a", 2), named("b", 3)]), "b")
    assert.strictEqual(name([named("a", 2), named("b", 3)], "a"), "a")
    assert.strictEqual(name([named("a", 2), named("b", 4)], "a"), "b")
    assert.strictEqual(name([named("b", 4)], "a"), "b")
    assert.strictEqual(name([], "a"), undefined)
  })

  it("tells times as a person would", () => {
    assert.deepStrictEqual([0.4, 812.3, 1_000, 4_249, 42_000, 59_999, 90_000].map(Verdict.duration), [
      "0 ms",
      "812 ms",
      "1 s",
      "4.2 s",
      "42 s",
      "60 s",
      "2 min"
    ])
  })
})
