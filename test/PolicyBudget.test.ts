import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy, Reason, type Telemetry } from "breakwater"
import { Context, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Call } from "../src/Call.ts"
import { type Budget, Bucket, Deposits, Draw, type Tokens } from "../src/internal/budget.ts"
import {
  Failed,
  failing,
  say,
  type Said,
  scripted,
  type ScriptedOptions,
  seededly,
  settle,
  spyOn
} from "./properties/support.ts"

const bucket = {
  capacity: 500,
  transientCost: 14,
  throttledCost: 5,
  hedgeCost: 14,
  refund: 1,
  refundsLastRetry: true,
  stopAt: undefined,
  charges: "retries"
} as const

/** A budget, and its tokens once it is built. */
const watched = (options: Parameters<typeof Policy.budget>[0] & { readonly transientCost?: number } = {}) => {
  const seen: { tokens: Tokens | undefined } = { tokens: undefined }
  const settings = { ...bucket, hedgeCost: options.transientCost ?? 14, ...options }
  return {
    policy: Policy.stack(
      Policy.budget(options),
      spyOn<Tokens>("budget budget", settings, (tokens) => (seen.tokens = tokens))
    ),
    balance: (now = 0) => seen.tokens!.balance(now)
  }
}

const fast = { maxAttempts: 3, schedule: Policy.backoff({ base: 0, throttledBase: 0 }) }

const drawing = (
  budget: Policy.Policy<never, "any">,
  send: ScriptedOptions["send"],
  options: Partial<ScriptedOptions> = {}
) => scripted({ policy: Policy.stack(Policy.standard({ ...fast, budget: false }), budget), send, ...options })

const down = () => say(Reason.unavailable())
const throttled = () => say(Reason.throttled())

describe("Policy.budget", () => {
  it.effect("a retry takes 14, after being throttled 5, and a success gives the last one back, else 1", () =>
    Effect.gen(function* () {
      const budget = watched()
      let script: Array<Effect.Effect<unknown, Said>> = []
      const { call } = yield* drawing(budget.policy, () => script.shift() ?? Effect.succeed("ok"))
      const after = (...ends: Array<Effect.Effect<unknown, Said>>) =>
        Effect.map(
          Effect.suspend(() => {
            script = ends
            return settle(call)
          }),
          () => budget.balance()
        )
      const ok = Effect.succeed("ok")
      assert.strictEqual(budget.balance(), 500)
      assert.strictEqual(yield* after(ok), 500)
      assert.strictEqual(yield* after(down(), down(), down()), 472)
      assert.strictEqual(yield* after(throttled(), throttled(), throttled()), 462)
      assert.strictEqual(yield* after(say(Reason.inProgress()), say(Reason.inProgress()), down()), 452)
      assert.strictEqual(yield* after(ok), 453)
      assert.strictEqual(yield* after(down(), ok), 453)
      // Two retries, of which the last is given back.
      assert.strictEqual(yield* after(down(), throttled(), ok), 453 - 14)
      assert.strictEqual(yield* after(throttled(), down(), ok), 453 - 14 - 5)
      // What is not retried costs nothing, and gives nothing.
      assert.strictEqual(yield* after(say(Reason.rejected())), 434)
      // A status of 429 is throttling whatever it was called.
      assert.strictEqual(yield* after(say(Reason.unavailable({ status: 429 })), down(), down()), 434 - 19)
    }).pipe(seededly(1))
  )

  it.effect("a success never fills it above its capacity", () =>
    Effect.gen(function* () {
      const budget = watched({ capacity: 20 })
      let fails = 1
      const { call } = yield* drawing(budget.policy, () => (fails-- > 0 ? down() : Effect.succeed("ok")))
      yield* settle(call)
      assert.strictEqual(budget.balance(), 20)
      for (let n = 0; n < 5; n++) yield* settle(call)
      assert.strictEqual(budget.balance(), 20)
    }).pipe(seededly(1))
  )

  it.effect("the last token may be taken", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* drawing(Policy.budget({ capacity: 28 }), down)
      yield* settle(call)
      assert.strictEqual(sent.length, 3)
      yield* settle(call)
      assert.strictEqual(sent.length, 4)
    }).pipe(seededly(1))
  )

  it.effect("when it is spent the call ends at once: with its last reason, and what was not made in its history", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.standard({ budget: { capacity: 14 }, schedule: Policy.backoff({ base: "1 second" }) }),
        send: () => down()
      })
      const failure = yield* failing(call)
      assert.strictEqual(sent.length, 2)
      assert.strictEqual(failure.reason._tag, "Unavailable")
      assert.strictEqual(failure.stopped, "the retry budget is spent")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.deepStrictEqual(
        failure.attempts.map(({ number, outcome, reason, waited }) => [number, reason, outcome, waited > 0]),
        [
          [1, "Unavailable", "Unknown", false],
          [2, "Unavailable", "Unknown", true],
          [3, "BudgetSpent", "NotSent", false]
        ]
      )
      assert.include(failure.message, "attempt 3 at +")
      assert.include(failure.message, "not repeated   the retry budget is spent")
      // At once: after the one wait that was paid for, not after another.
      assert.strictEqual(events[0]!.latency, sent[1]! - sent[0]!)
      assert.deepStrictEqual(
        events[0]!.decisions.map(({ decided, mode, policy }) => [policy, decided, mode]),
        [
          ["retry", "retried", "enforce"],
          ["budget", "rejected", "enforce"],
          ["retry", "stopped", "enforce"]
        ]
      )
      assert.strictEqual(events[0]!.callOutcome, "exhausted")
    }).pipe(seededly(1))
  )

  it.effect("the outcome is the fold over the attempts: what was refused and not repeated did not happen", () =>
    Effect.gen(function* () {
      const { call } = yield* drawing(Policy.budget({ capacity: 14, throttledCost: 14 }), (n) =>
        n === 1 ? say(Reason.unreachable()) : throttled()
      )
      const failure = yield* failing(call)
      assert.strictEqual(failure.reason._tag, "Throttled")
      assert.strictEqual(failure.outcome, "Refused")
    }).pipe(seededly(1))
  )

  it.effect("a spent budget is exhausted retries: the fallback runs", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* drawing(Policy.budget({ capacity: 14 }), throttled, {
        repeat: "Safe",
        exhausted: Exhaustion.fallbackUnlessItHappened("a test", () => Effect.succeed("instead"))
      })
      for (let n = 0; n < 3; n++) assert.deepStrictEqual(yield* settle(call), Exit.succeed("instead"))
      assert.isAbove(sent.length, 3)
      assert.strictEqual(events.at(-1)!.attempts.at(-1)!.reason, "BudgetSpent")
      assert.strictEqual(events.at(-1)!.callOutcome, "fallback")
    }).pipe(seededly(1))
  )

  it.effect("an interrupted wait is not given back", () =>
    Effect.gen(function* () {
      const budget = watched({ capacity: 28 })
      const { call, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ budget: false, schedule: Policy.backoff({ base: "10 seconds" }) }),
          budget.policy
        ),
        send: () => down()
      })
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      assert.strictEqual(budget.balance(), 14)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(budget.balance(), 14)
      assert.strictEqual(sent.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("all operations of an integration draw on one, two layers of it on two", () =>
    Effect.gen(function* () {
      const options = { policy: Policy.standard({ ...fast, budget: { capacity: 28 } }), send: () => down() }
      const first = yield* scripted(options)
      const second = yield* scripted(options)
      yield* settle(first.call)
      yield* settle(first.other)
      assert.strictEqual(first.sent.length, 3 + 1)
      yield* settle(second.other)
      assert.strictEqual(second.sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("standard has one of 500 tokens; with `budget: false` nothing bounds the retries", () =>
    Effect.gen(function* () {
      const requests = (budget: false | undefined) =>
        Effect.gen(function* () {
          const { call, sent } = yield* scripted({ policy: Policy.standard({ ...fast, budget }), send: down })
          for (let n = 0; n < 40; n++) yield* settle(call)
          return sent.length
        })
      assert.strictEqual(yield* requests(undefined), 40 + Math.floor(500 / 14))
      assert.strictEqual(yield* requests(false), 120)
    }).pipe(seededly(1))
  )

  it.effect("the shared options' takes the place of the standard's", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* scripted({
        policy: Policy.standard(fast),
        shared: Policy.shared({ budget: { capacity: 14 } }),
        send: () => down()
      })
      yield* settle(call)
      yield* settle(call)
      assert.strictEqual(sent.length, 2 + 1)
    }).pipe(seededly(1))
  )

  it.effect("observe: changes nothing of a call, and tells of each retry that it would not have let through", () =>
    Effect.gen(function* () {
      const budget = watched({ capacity: 14 })
      const observed = yield* drawing(Policy.withMode(budget.policy, "enforce"), () => Effect.succeed("ok"))
      yield* settle(observed.call)
      const { call, events, sent } = yield* drawing(Policy.withMode(Policy.budget({ capacity: 14 }), "observe"), down)
      const failure = yield* failing(call)
      assert.strictEqual(sent.length, 3)
      assert.strictEqual(failure.stopped, "attempts are spent")
      assert.deepStrictEqual(
        failure.attempts.map(({ reason }) => reason),
        ["Unavailable", "Unavailable", "Unavailable"]
      )
      assert.deepStrictEqual(
        events[0]!.decisions.map(({ decided, mode, policy }) => [policy, decided, mode]),
        [
          ["retry", "retried", "enforce"],
          ["budget", "rejected", "observe"],
          ["retry", "retried", "enforce"]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("observe: a success after a retry that it would not have let through gives nothing back", () =>
    Effect.gen(function* () {
      const seen: { tokens: Tokens | undefined } = { tokens: undefined }
      const { call } = yield* drawing(
        Policy.stack(
          Policy.withMode(Policy.budget({ capacity: 14 }), "observe"),
          spyOn<Tokens>("budget budget", { ...bucket, capacity: 14 }, (tokens) => (seen.tokens = tokens))
        ),
        (n) => (n < 3 ? down() : Effect.succeed("ok"))
      )
      assert.deepStrictEqual(yield* settle(call), Exit.succeed("ok"))
      assert.strictEqual(seen.tokens!.balance(0), 0)
    }).pipe(seededly(1))
  )

  it.effect("off: it is not there", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* drawing(Policy.withMode(Policy.budget({ capacity: 14 }), "off"), down)
      yield* settle(call)
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("its numbers can be replaced by name, and the rest stays", () =>
    Effect.gen(function* () {
      const layer = Policy.budget({ transientCost: 10, charges: "failures", stopAt: 100 }).layers[0]!
      const { settings, tune } = layer.tunable!
      assert.deepStrictEqual(Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value])), {
        BUDGET_CAPACITY: 500,
        BUDGET_TRANSIENT_COST: 10,
        BUDGET_THROTTLED_COST: 5,
        BUDGET_HEDGE_COST: 10,
        BUDGET_REFUND: 1,
        BUDGET_STOP_AT: 100
      })
      const names = ["CAPACITY", "TRANSIENT_COST", "THROTTLED_COST", "HEDGE_COST", "REFUND", "STOP_AT"]
      const tuned = tune(Object.fromEntries(names.map((name, n) => [`BUDGET_${name}`, [200, 11, 6, 12, 2, 50][n]!])))
      assert.strictEqual(
        tuned.describe,
        "200 tokens; a transient failure costs 11, throttled 6, a hedge 12; a success gives its last retry's cost back, else 2; none at 50 or less"
      )
      assert.strictEqual(tune({}).describe, layer.describe)
      const ratio = Policy.budgetRatio().layers[0]!
      assert.deepStrictEqual(
        Object.entries(ratio.tunable!.settings).map(([name, { kind, value }]) => [name, kind, value]),
        [
          ["BUDGET_RATIO", "number", 0.2],
          ["BUDGET_FLOOR", "number", 10],
          ["BUDGET_TTL", "duration", 10_000]
        ]
      )
      const other = ratio.tunable!.tune({ BUDGET_RATIO: 0.1, BUDGET_FLOOR: 0.5, BUDGET_TTL: 4_000 })
      assert.strictEqual(
        other.describe,
        "0.1 retries and hedges for each call of the last 4 s, and 0.5 per second beside, no hedges"
      )
      assert.deepStrictEqual(other.problems, [])
    })
  )

  it("numbers that make no sense are named", () => {
    const cases: ReadonlyArray<readonly [Policy.Policy<never, "any">, string]> = [
      [Policy.budget({ capacity: 0 }), "the budget's capacity must be finite and more than 0, got 0"],
      [Policy.budget({ capacity: Infinity }), "the budget's capacity must be finite and more than 0, got Infinity"],
      [Policy.budget({ transientCost: 0 }), "the budget's transientCost must be finite and at least 0.001, got 0"],
      [Policy.budget({ throttledCost: NaN }), "the budget's throttledCost must be finite and at least 0.001, got NaN"],
      [Policy.budget({ hedgeCost: -1 }), "the budget's hedgeCost must be finite and at least 0, got -1"],
      [
        Policy.budget({ capacity: 10, hedgeCost: 1 }),
        "the budget's transientCost of 14 is more than its capacity of 10 has to give"
      ],
      [Policy.budget({ refund: -1 }), "the budget's refund must be in [0, 500] (capacity), got -1"],
      [Policy.budget({ refund: 501 }), "the budget's refund must be in [0, 500] (capacity), got 501"],
      [Policy.budget({ stopAt: 500 }), "the budget's stopAt must be in [0, 500) (capacity), got 500"],
      [Policy.budgetRatio({ ratio: -0.1 }), "the budget's ratio must be finite and at least 0, got -0.1"],
      [Policy.budgetRatio({ ttl: 0 }), "the budget's ttl must be longer than zero, got 0 ms"],
      [
        Policy.budgetRatio({ floor: "ten per second" as never }),
        'the budget\'s floor must read like "10 per second", got "ten per second"'
      ]
    ]
    for (const [policy, problem] of cases) assert.include(policy.layers[0]!.problems, problem)
    for (const fine of [
      Policy.budget(),
      Policy.budget({ hedgeCost: 0, refund: 0 }),
      Policy.budgetRatio(),
      Policy.budgetRatio({ ratio: 0, floor: "90 per hour" })
    ])
      assert.deepStrictEqual(fine.layers[0]!.problems, [])
  })
})

describe("a budget's texts and bounds", () => {
  const layerOf = (policy: Policy.Policy<never, "any">) => policy.layers[0]!

  it("it says what it takes and gives", () => {
    assert.deepStrictEqual(
      [layerOf(Policy.budget()).name, layerOf(Policy.budgetRatio()).name, layerOf(Policy.budget({ name: "b" })).name],
      ["budget", "budget", "b"]
    )
    assert.strictEqual(layerOf(Policy.budgetRatio({ name: "r" })).name, "r")
    assert.strictEqual(
      layerOf(Policy.budget()).describe,
      "500 tokens; a retry costs 14, throttled 5, a hedge 14; a success gives its last retry's cost back, else 1"
    )
    assert.strictEqual(
      layerOf(Policy.budget({ refundsLastRetry: false, refund: 2, stopAt: 0 })).describe,
      "500 tokens; a retry costs 14, throttled 5, a hedge 14; a success 2; none at 0 or less"
    )
    assert.strictEqual(
      layerOf(Policy.budget({ across: "acme" })).describe,
      "the tokens of acme, together with other integrations"
    )
    assert.deepStrictEqual(layerOf(Policy.budget({ across: "acme" })).limits, {})
    assert.deepStrictEqual(layerOf(Policy.budget({ across: "acme" })).problems, [])
    assert.isUndefined(layerOf(Policy.budget({ across: "acme" })).tunable)
    assert.deepStrictEqual(layerOf(Policy.budget({ refund: 3 })).limits, { extraLoad: 3 / 5 })
    assert.deepStrictEqual(layerOf(Policy.budgetRatio({ ratio: 0.3 })).limits, { extraLoad: 0.3 })
  })

  it("its numbers are told by their kinds, and those that nobody replaces stay", () => {
    const bucket = layerOf(
      Policy.budget({ capacity: 300, transientCost: 10, throttledCost: 4, hedgeCost: 9, refund: 2, stopAt: 5 })
    )
    assert.deepStrictEqual(
      Object.values(bucket.tunable!.settings).map(({ kind }) => kind),
      Array(6).fill("number")
    )
    assert.strictEqual(bucket.tunable!.tune({}).describe, bucket.describe)
    const ratio = layerOf(Policy.budgetRatio({ name: "r", ratio: 0.3, floor: "90 per hour", ttl: 4_000 }))
    const tuned = ratio.tunable!.tune({})
    assert.strictEqual(tuned.name, "r")
    assert.strictEqual(
      tuned.describe,
      "0.3 retries and hedges for each call of the last 4 s, and 0.025 per second beside, no hedges"
    )
  })

  it("numbers at their bounds are fine, and just past them are not", () => {
    const problems = (options: Policy.BudgetOptions) => layerOf(Policy.budget(options)).problems
    const fine: ReadonlyArray<Policy.BudgetOptions> = [
      { capacity: 14 },
      { capacity: 24, stopAt: 10 },
      { transientCost: 0.001, throttledCost: 0.001 },
      { refund: 500 },
      { stopAt: 0 }
    ]
    for (const options of fine) assert.deepStrictEqual(problems(options), [], JSON.stringify(options))
    assert.deepStrictEqual(problems({ capacity: 24, stopAt: 10.5 }), [
      "the budget's transientCost of 14 is more than its capacity of 24 has to give",
      "the budget's hedgeCost of 14 is more than its capacity of 24 has to give"
    ])
    assert.deepStrictEqual(problems({ capacity: 13, hedgeCost: 0 }), [
      "the budget's transientCost of 14 is more than its capacity of 13 has to give"
    ])
    assert.deepStrictEqual(problems({ throttledCost: 501 }), [
      "the budget's throttledCost of 501 is more than its capacity of 500 has to give"
    ])
    assert.deepStrictEqual(problems({ hedgeCost: Infinity }), [
      "the budget's hedgeCost must be finite and at least 0, got Infinity"
    ])
    assert.deepStrictEqual(problems({ capacity: NaN }), [
      "the budget's capacity must be finite and more than 0, got NaN",
      "the budget's refund must be in [0, NaN] (capacity), got 1"
    ])
    assert.deepStrictEqual(problems({ stopAt: -1 }), ["the budget's stopAt must be in [0, 500) (capacity), got -1"])
    assert.deepStrictEqual(problems({ refund: NaN }), ["the budget's refund must be in [0, 500] (capacity), got NaN"])
    for (const ratio of [NaN, Infinity]) {
      assert.deepStrictEqual(layerOf(Policy.budgetRatio({ ratio })).problems, [
        `the budget's ratio must be finite and at least 0, got ${ratio}`
      ])
    }
  })

  it.each([
    ["10 per second", 10],
    ["2.25 per second", 2.25],
    ["30 per minute", 0.5],
    ["7200 per hour", 2],
    ["1e-7 per second", 1e-7],
    ["2.5e-12 per second", 2.5e-12],
    ["ten per second", undefined],
    ["x10 per second", undefined],
    ["10 per seconds", undefined],
    ["10 per day", undefined],
    ["1. per second", undefined],
    [".5 per second", undefined],
    ["1e5 per second", undefined],
    ["", undefined]
  ] as const)("a floor of %j is %s a second", (floor, rate) => {
    const { problems, tunable } = layerOf(Policy.budgetRatio({ floor: floor as Policy.PerTime }))
    assert.deepStrictEqual(
      problems,
      rate === undefined ? [`the budget's floor must read like "10 per second", got ${JSON.stringify(floor)}`] : []
    )
    assert.deepStrictEqual(tunable!.settings["BUDGET_FLOOR"]!.value, rate ?? NaN)
  })
})

describe("a bucket of tokens", () => {
  it("keeps thousandths, gives no more than it has, and never more than it holds", () => {
    const tokens = new Bucket({ ...bucket, capacity: 1, transientCost: 0.1, throttledCost: 0.3, hedgeCost: 0.2 })
    for (let n = 0; n < 10; n++) assert.strictEqual(tokens.withdraw("transient", 0), 0.1)
    assert.strictEqual(tokens.balance(), 0)
    assert.isUndefined(tokens.withdraw("transient", 0))
    tokens.giveBack(0.3)
    assert.strictEqual(tokens.withdraw("throttled", 0), 0.3)
    tokens.giveBack(0.2)
    assert.strictEqual(tokens.withdraw("hedge", 0), 0.2)
    tokens.giveBack(7)
    assert.strictEqual(tokens.balance(), 1)
    // Failures are free here: a retry pays.
    tokens.failed("transient")
    assert.strictEqual(tokens.balance(), 1)
  })

  it("that charges failures charges them by kind, retries nothing, and hedges as ever", () => {
    const tokens = new Bucket({ ...bucket, capacity: 30, charges: "failures", stopAt: 2 })
    tokens.failed("transient")
    assert.strictEqual(tokens.balance(), 16)
    assert.strictEqual(tokens.withdraw("transient", 0), 0)
    assert.strictEqual(tokens.withdraw("throttled", 0), 0)
    // A hedge would leave exactly 2, at which it stops.
    assert.isUndefined(tokens.withdraw("hedge", 0))
    tokens.giveBack(0.001)
    assert.strictEqual(tokens.withdraw("hedge", 0), 14)
    assert.strictEqual(tokens.balance(), 2.001)
    tokens.failed("throttled")
    assert.strictEqual(tokens.balance(), 0)
    assert.isUndefined(tokens.withdraw("transient", 0))
    // A success: what the last retry cost, if that is given back and there was one; else the refund.
    tokens.succeeded(7)
    tokens.succeeded(undefined)
    assert.strictEqual(tokens.balance(), 8)
    const flat = new Bucket({ ...bucket, refundsLastRetry: false })
    flat.withdraw("transient", 0)
    flat.succeeded(14)
    assert.strictEqual(flat.balance(), 487)
  })
})

describe("a budget that is a part of the calls", () => {
  it("counts each call for its time to live in tenths, and what was taken comes back", () => {
    const tokens = new Deposits({ ratio: 0.5, floorPerSecond: 1, ttl: 1_000 })
    assert.strictEqual(tokens.balance(0), 1)
    tokens.begin(0)
    tokens.begin(50)
    assert.strictEqual(tokens.balance(99), 2)
    tokens.begin(950)
    assert.strictEqual(tokens.balance(999), 2.5)
    // The first tenth has expired.
    assert.strictEqual(tokens.balance(1_000), 1.5)
    assert.strictEqual(tokens.balance(1_899), 1.5)
    assert.strictEqual(tokens.balance(1_900), 1)
    assert.strictEqual(tokens.withdraw("transient", 1_900), 1)
    assert.strictEqual(tokens.balance(1_900), 0)
    assert.isUndefined(tokens.withdraw("transient", 1_950))
    tokens.giveBack(1, 1_950)
    assert.strictEqual(tokens.withdraw("throttled", 1_950), 1)
    assert.strictEqual(tokens.balance(2_899), 0)
    assert.strictEqual(tokens.balance(2_900), 1)
    // Long after, everything has.
    tokens.begin(3_000)
    assert.strictEqual(tokens.balance(1_000_000), 1)
    tokens.succeeded()
    tokens.failed()
    assert.strictEqual(tokens.balance(1_000_000), 1)
  })

  it("what has expired can't be taken, whoever looks first", () => {
    const tokens = new Deposits({ ratio: 1, floorPerSecond: 0, ttl: 1_000 })
    tokens.begin(0)
    assert.isUndefined(tokens.withdraw("transient", 1_000))
  })

  it("a hedge uses what calls have brought, and nothing of the reserve", () => {
    const tokens = new Deposits({ ratio: 0.5, floorPerSecond: 5, ttl: 1_000 })
    tokens.begin(0)
    assert.isUndefined(tokens.withdraw("hedge", 0))
    tokens.begin(0)
    assert.strictEqual(tokens.withdraw("hedge", 0), 1)
    assert.strictEqual(tokens.balance(0), 5)
    assert.isUndefined(tokens.withdraw("hedge", 0))
  })

  it("a clock that goes back, or that began before 1970, loses nothing and counts nothing twice", () => {
    const tokens = new Deposits({ ratio: 1, floorPerSecond: 0, ttl: 1_000 })
    tokens.begin(-350)
    assert.strictEqual(tokens.balance(-350), 1)
    tokens.begin(250)
    tokens.begin(-300)
    assert.strictEqual(tokens.balance(250), 3)
    // The first expires by its own time, the other two by that of the part in which the clock stood.
    assert.strictEqual(tokens.balance(600), 2)
    assert.strictEqual(tokens.balance(1_199), 2)
    assert.strictEqual(tokens.balance(1_200), 0)
  })
})

describe("what one call draws", () => {
  const drawn = (
    capacity: number,
    mode: Policy.Mode,
    around?: Budget,
    tokens = new Bucket({ ...bucket, capacity })
  ) => {
    const told: Array<readonly [string, number]> = []
    const draw = new Draw(
      tokens,
      around,
      { mode: () => mode, decided: (_call, decided, now) => void told.push([decided, now]) },
      undefined as unknown as Call
    )
    return { draw, told, tokens }
  }

  it("is undone by giving it back, with what the retry before it had cost", () => {
    const { draw, told, tokens } = drawn(30, "enforce")
    assert.strictEqual(draw.withdraw("throttled", 1), 5)
    assert.strictEqual(draw.last, 5)
    assert.strictEqual(draw.withdraw("transient", 2), 14)
    assert.strictEqual(draw.last, 14)
    draw.giveBack(3)
    assert.deepStrictEqual([draw.last, tokens.balance()], [5, 25])
    // Once: a second time there is nothing to undo.
    draw.giveBack(3)
    assert.strictEqual(tokens.balance(), 25)
    // The price of a hedge is no retry's.
    assert.strictEqual(draw.withdraw("hedge", 4), 14)
    assert.strictEqual(draw.last, 5)
    assert.isUndefined(draw.withdraw("transient", 5))
    assert.deepStrictEqual(told, [["rejected", 5]])
    assert.strictEqual(tokens.balance(), 11)
  })

  it("is drawn on the budget around it too, and a refusal of either leaves the other as it was", () => {
    const outer = drawn(14, "enforce")
    const inner = drawn(28, "enforce", outer.draw)
    assert.strictEqual(inner.draw.withdraw("transient", 1), 14)
    assert.deepStrictEqual([outer.tokens.balance(), inner.tokens.balance()], [0, 14])
    assert.isUndefined(inner.draw.withdraw("transient", 2))
    assert.deepStrictEqual([outer.tokens.balance(), inner.tokens.balance()], [0, 14])
    assert.deepStrictEqual([inner.told, outer.told], [[], [["rejected", 2]]])
    const rich = drawn(100, "enforce")
    const poor = drawn(10, "enforce", rich.draw)
    assert.isUndefined(poor.draw.withdraw("transient", 3))
    assert.strictEqual(rich.tokens.balance(), 100)
    assert.deepStrictEqual([poor.told, rich.told], [[["rejected", 3]], []])
    assert.strictEqual(poor.draw.withdraw("throttled", 4), 5)
    poor.draw.giveBack(4)
    assert.deepStrictEqual([rich.tokens.balance(), poor.tokens.balance()], [100, 10])
  })

  it("one budget for both is paid once", () => {
    const outer = drawn(30, "enforce")
    const inner = drawn(30, "enforce", outer.draw, outer.tokens)
    assert.strictEqual(inner.draw.withdraw("transient", 1), 14)
    assert.strictEqual(outer.tokens.balance(), 16)
    inner.draw.giveBack(1)
    assert.strictEqual(outer.tokens.balance(), 30)
  })

  it("in observe a refusal is told, costs nothing, and lets the retry be made", () => {
    const outer = drawn(100, "enforce")
    const inner = drawn(10, "observe", outer.draw)
    assert.strictEqual(inner.draw.withdraw("transient", 6), 0)
    assert.deepStrictEqual(inner.told, [["rejected", 6]])
    assert.strictEqual(inner.draw.last, 0)
    assert.deepStrictEqual([outer.tokens.balance(), inner.tokens.balance()], [86, 10])
    inner.draw.giveBack(6)
    assert.deepStrictEqual([outer.tokens.balance(), inner.tokens.balance()], [100, 10])
    assert.isUndefined(inner.draw.last)
  })

  it("failures are told to its own tokens alone", () => {
    const outer = drawn(100, "enforce", undefined, new Bucket({ ...bucket, charges: "failures" }))
    const inner = drawn(100, "enforce", outer.draw, new Bucket({ ...bucket, charges: "failures" }))
    inner.draw.failed("throttled")
    assert.deepStrictEqual([outer.tokens.balance(), inner.tokens.balance()], [500, 495])
  })
})

describe("Policy.budgetRatio", () => {
  const ratio = (options: Parameters<typeof Policy.budgetRatio>[0]) => Policy.budgetRatio(options)

  it.effect("a fifth of the calls may be retried, and what they bring expires", () =>
    Effect.gen(function* () {
      let healthy = true
      const { call, sent } = yield* drawing(ratio({ floor: "0 per second" }), () =>
        healthy ? Effect.succeed("ok") : down()
      )
      const run = (times: number) =>
        Effect.gen(function* () {
          const before = sent.length
          for (let n = 0; n < times; n++) yield* Effect.exit(call)
          return sent.length - before
        })
      yield* run(20)
      healthy = false
      // 20 calls brought 4 retries, and these 10 bring 2 more.
      assert.strictEqual(yield* run(10), 10 + 6)
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* run(10), 10 + 2)
    }).pipe(seededly(1))
  )

  it.effect("the floor is there in quiet times, and comes back when what was taken expires", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* drawing(ratio({ ratio: 0, floor: "1 per second", ttl: "4 seconds" }), down)
      for (let n = 0; n < 5; n++) yield* Effect.exit(call)
      assert.strictEqual(sent.length, 5 + 4)
      yield* TestClock.adjust("2 seconds")
      yield* Effect.exit(call)
      assert.strictEqual(sent.length, 9 + 1)
      yield* TestClock.adjust("2 seconds")
      for (let n = 0; n < 5; n++) yield* Effect.exit(call)
      assert.strictEqual(sent.length, 10 + 5 + 4)
    }).pipe(seededly(1))
  )
})

describe("a budget across integrations", () => {
  const client = (name: string) => {
    const sent: Array<number> = []
    class Client extends Integration.Service<Client>()(
      name,
      {
        policy: Policy.standard(fast),
        shared: Policy.shared({ budget: { across: "acme" } }),
        exhausted: Exhaustion.fail,
        orElse: (failure) => new Failed({ failure })
      },
      {
        get: Operation.query("get", {
          success: Schema.Json,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send: () => Effect.suspend(() => (sent.push(1), down()))
        })
      }
    ) {}
    return { Client, layer: Integration.layer(Client), sent }
  }

  it.effect("one layer that is provided to both is one bucket, two are two", () =>
    Effect.gen(function* () {
      const run = (other: "the same" | "another") =>
        Effect.gen(function* () {
          const [a, b] = [client("test/A"), client("test/B")]
          const one = Policy.layerBudget("acme", { capacity: 28 })
          const two = other === "the same" ? one : Policy.layerBudget("acme", { capacity: 28 })
          const context = yield* Layer.build(
            Layer.mergeAll(a.layer.pipe(Layer.provide(one)), b.layer.pipe(Layer.provide(two)))
          )
          yield* settle(Context.get(context, a.Client).get())
          yield* settle(Context.get(context, b.Client).get())
          return [a.sent.length, b.sent.length]
        })
      assert.deepStrictEqual(yield* run("the same"), [3, 1])
      assert.deepStrictEqual(yield* run("another"), [3, 3])
    }).pipe(seededly(1))
  )

  it.effect("layers of several names stand beside each other", () =>
    Effect.gen(function* () {
      const a = client("test/A")
      const context = yield* Layer.build(
        a.layer.pipe(
          Layer.provide([
            Policy.layerBudget("acme", { capacity: 14 }),
            Policy.layerBudget("other", { ratio: 0.5, floor: "2 per minute" })
          ])
        )
      )
      yield* settle(Context.get(context, a.Client).get())
      assert.strictEqual(a.sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("one that is not provided, and one of impossible numbers, fail the build", () =>
    Effect.gen(function* () {
      const problems = (layer: Layer.Layer<never, Policy.PolicyError>) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(client("test/A").layer.pipe(Layer.provide(layer))))),
          ({ message }) => message
        )
      assert.strictEqual(
        yield* problems(Policy.layerBudget("other")),
        'test/A get: the budget "acme" is not there: provide Policy.layerBudget("acme") to this layer, and to every other that shares it'
      )
      assert.strictEqual(
        yield* problems(Policy.layerBudget("acme", { capacity: -1, hedgeCost: 0 })).pipe(
          Effect.map((message) => message.split(";")[0])
        ),
        "acme (layer of a budget): the budget's capacity must be finite and more than 0, got -1"
      )
      // One number of a ratio makes it a ratio.
      for (const [options, problem] of [
        [{ ratio: -1 }, "the budget's ratio must be finite and at least 0, got -1"],
        [{ floor: "x" as Policy.PerTime }, 'the budget\'s floor must read like "10 per second", got "x"'],
        [{ ttl: 0 }, "the budget's ttl must be longer than zero, got 0 ms"]
      ] as const) {
        assert.strictEqual(yield* problems(Policy.layerBudget("acme", options)), `acme (layer of a budget): ${problem}`)
      }
    })
  )
})

// ---- the figure in the plan

/** Calls at a steady rate, each of which is decided to fail for good or not as it begins. */
const outage = (
  policy: Policy.Complete,
  options: {
    readonly calls: number
    /** Milliseconds between two. */
    readonly every: number
    readonly fails: (n: number) => boolean
    readonly as?: () => Effect.Effect<never, Said>
  }
) =>
  Effect.gen(function* () {
    let requests = 0
    const events: Array<Telemetry.CallObserved> = []
    class Sim extends Integration.Service<Sim>()(
      "test/Outage",
      { policy, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
      {
        get: Operation.query("get", {
          input: Schema.Number,
          success: Schema.Json,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send: (n: number) =>
            Effect.suspend(() => {
              requests++
              return options.fails(n) ? (options.as ?? down)() : Effect.succeed("ok")
            })
        })
      }
    ) {}
    const sim = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Sim))), Sim)
    const half = { requests: 0, calls: 0 }
    for (let n = 0; n < options.calls; n++) {
      yield* Effect.forkChild(Effect.exit(sim.get(n)), { startImmediately: true })
      yield* TestClock.adjust(options.every)
      if (n + 1 === options.calls / 2) Object.assign(half, { requests, calls: n + 1 })
    }
    yield* TestClock.adjust("2 minutes")
    return {
      events,
      requests,
      /** Requests per call in the second half, when the outage has lasted. */
      load: (requests - half.requests) / (options.calls - half.calls),
      planned: Integration.plan(Sim).operations[0]!
    }
  })

describe("the load of a long outage", () => {
  it.effect("of a bucket: when nothing succeeds, 35 retries in all, and none in the end", () =>
    Effect.gen(function* () {
      const { load, planned, requests } = yield* outage(Policy.standard(), { calls: 200, every: 50, fails: () => true })
      assert.strictEqual(requests, 200 + 35)
      assert.strictEqual(load, 1)
      assert.strictEqual(planned.worstCaseLoad, 3)
      assert.strictEqual(planned.outageLoad, 1 + 1 / 5)
    }).pipe(seededly(1))
  )

  it.effect("of a bucket: while a part of the calls fails for good, a retry for every 14 successes, never more", () =>
    Effect.gen(function* () {
      const { load, planned } = yield* outage(Policy.standard(), { calls: 800, every: 20, fails: (n) => n % 2 === 0 })
      // Half of the calls succeed, and each brings a fourteenth of a retry.
      assert.approximately(load, 1 + 0.5 / 14, 0.005)
      assert.isAtMost(load, planned.outageLoad)
    }).pipe(seededly(1))
  )

  it.effect("of a bucket: of a provider that throttles, a retry for every 5 successes: the bound is reached", () =>
    Effect.gen(function* () {
      const { load, planned } = yield* outage(Policy.standard({ budget: { capacity: 100 } }), {
        calls: 800,
        every: 20,
        // A sixth fails, and asks for two retries each; five successes pay for one.
        fails: (n) => n % 6 === 0,
        as: throttled
      })
      assert.approximately(load, 1 + 5 / 6 / 5, 0.02)
      assert.isAtMost(load, planned.outageLoad)
      assert.strictEqual(planned.outageLoad, 1.2)
    }).pipe(seededly(1))
  )

  it.effect("of a ratio: 1 and the ratio, whatever fails", () =>
    Effect.gen(function* () {
      const run = (floor: Policy.PerTime) =>
        outage(Policy.standard({ budget: Policy.budgetRatio({ floor }) }), {
          calls: 1_000,
          every: 20,
          fails: () => true
        })
      const { load, planned } = yield* run("0 per second")
      assert.approximately(load, 1.2, 0.01)
      assert.strictEqual(planned.outageLoad, 1.2)
      // At 50 calls a second, 10 retries a second are another fifth.
      assert.approximately((yield* run("10 per second")).load, 1.4, 0.02)
    }).pipe(seededly(1))
  )

  it.effect("without a budget it is the worst case, and so it is while the budget only looks on", () =>
    Effect.gen(function* () {
      for (const policy of [
        Policy.standard({ budget: false }),
        Policy.stack(Policy.standard(), Policy.withMode(Policy.budget(), "observe"))
      ]) {
        const { planned, requests } = yield* outage(policy, { calls: 100, every: 50, fails: () => true })
        assert.strictEqual(requests, 300)
        assert.strictEqual(planned.outageLoad, 3)
      }
    }).pipe(seededly(1))
  )

  it("is in the plan's text", () => {
    class Told extends Integration.Service<Told>()(
      "test/Told",
      { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
      {
        ratio: Operation.query("ratio", {
          success: Schema.Json,
          send: () => Effect.succeed("ok"),
          policy: Policy.standard({ budget: Policy.budgetRatio({ name: "own" }) })
        }),
        across: Operation.query("across", {
          success: Schema.Json,
          send: () => Effect.succeed("ok"),
          policy: Policy.standard({ budget: { across: "acme" } })
        })
      }
    ) {}
    const text = Integration.planText(Told)
    assert.include(text, "load       at most 3 requests per call, 1.2 in a long outage\n")
    assert.include(
      text,
      "budget own       0.2 retries and hedges for each call of the last 10 s, and 10 per second beside, no hedges"
    )
    assert.include(text, "load       at most 3 requests per call\n")
    assert.include(text, "budget across acme the tokens of acme, together with other integrations")
  })
})
