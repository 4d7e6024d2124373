import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Operation, Outbox, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Option, Schema } from "effect"
import { Allowance, note } from "../src/internal/nesting.ts"
import { type Defaults, formatPlan, planOf, stackOf } from "../src/internal/plan.ts"
import { Failed } from "./properties/support.ts"
import { ProviderApi } from "./http/wire.ts"

const orElse = (failure: ConstructorParameters<typeof Failed>[0]["failure"]) => new Failed({ failure })
const decided: Defaults = { exhausted: Exhaustion.fail, orElse }
const standard = Policy.standard()
const plain = { success: Schema.Json, send: () => Effect.succeed("ok") }
const query = Operation.query("get", plain)
const mutation = (idempotency: Idempotency.Idempotency<void, Schema.Json, never, Idempotency.Kind>) =>
  Operation.mutation("send", { ...plain, idempotency })

const inherent = mutation(Idempotency.inherent("a test"))
const atMostOnce = mutation(Idempotency.atMostOnce("a test"))
const keyed = (lifetime: Parameters<typeof Idempotency.keyed>[1]["lifetime"]) =>
  mutation(Idempotency.keyed(() => IdempotencyKey.derive("a", "b"), { lifetime }))
const reconcilable = (settle: Parameters<typeof Idempotency.reconcilable>[1]["settle"]) =>
  mutation(Idempotency.reconcilable(() => Effect.succeed(Option.none<Schema.Json>()), { settle }))

const stack = (policy: Policy.Any | undefined, operation: Operation.Any = query, defaults: Defaults = decided) =>
  stackOf(operation.definition, defaults, policy)
const problems = (...args: Parameters<typeof stack>) => stack(...args).problems
const but = (...policies: ReadonlyArray<Policy.Any>) => Policy.stack(standard, ...policies)
const planned = (policy: Policy.Any | undefined, operation: Operation.Any = query, defaults: Defaults = decided) =>
  planOf("test/Api", "run", operation.definition, stack(policy, operation, defaults))
const slots = (...args: Parameters<typeof planned>) => planned(...args).layers.map(({ slot }) => slot)

/** A layer of every built-in place, in no order. */
const everything = Policy.stack(
  Policy.attemptTimeout("1 second"),
  Policy.bulkhead({ concurrency: 1 }),
  Policy.rateLimit({ limit: 5, window: "1 second" }),
  Policy.breaker(),
  Policy.hedge({ after: 100, maxExtraLoad: 1 }),
  Policy.retry(),
  Policy.budget(),
  Policy.coalesce({ principal: "none" } as never),
  Policy.totalDeadline("9 seconds"),
  Policy.staleIfError({ for: "1 minute", principal: "none" } as never)
)

describe("the layers of a plan", () => {
  it("are all there, in the one order, and name a layer only where its name says more than its place", () => {
    assert.deepStrictEqual(slots(everything), [
      "observe",
      "translate",
      "exhausted",
      "staleIfError",
      "totalDeadline",
      "prepare",
      "coalesce",
      "budget",
      "retry",
      "hedge",
      "circuitBreaker",
      "rateLimit",
      "bulkhead",
      "attemptSpan",
      "attemptTimeout",
      "send",
      "decode"
    ])
    // In the order in which they run, as in the one that is shown.
    const shown = slots(everything)
    const run = stack(everything).layers.map(({ slot }) => slot)
    assert.deepStrictEqual(
      run,
      shown.filter((slot) => run.includes(slot as never))
    )
    const never = slots(Policy.stack(everything, Policy.retryNever("a test"), Policy.breaker({ name: "own" })))
    assert.deepStrictEqual(
      never.filter((slot) => slot.startsWith("retry") || slot.startsWith("circuit")),
      ["retry", "circuitBreaker", "circuitBreaker own"]
    )
  })

  it("have the credentials only over HTTP", () => {
    const get = HttpOperation.endpoint(ProviderApi, "things", "get") as unknown as Operation.Any
    const plain = slots(standard)
    assert.deepStrictEqual(plain.slice(-3), ["attemptTimeout", "send", "decode"])
    assert.deepStrictEqual(slots(standard, get), plain.toSpliced(-2, 0, "auth"))
    assert.strictEqual(planned(standard, get).via, `GET ${get.definition.about.http!.template}`)
    assert.strictEqual(planned(standard).via, "effect")
  })

  it("say which of them does not act", () => {
    const describeOf = (mode: "enforce" | "observe" | "off") =>
      planned(but(Policy.withMode(Policy.breaker(), mode))).layers.find(({ slot }) => slot === "circuitBreaker")!
        .describe
    const text = describeOf("enforce")
    assert.match(text, /^opens at/)
    assert.deepStrictEqual([describeOf("observe"), describeOf("off")], [`observe: ${text}`, `off: ${text}`])
  })

  it("are the operation's, else the integration's, and always the shared ones", () => {
    const defaults: Defaults = { ...decided, policy: Policy.standard({ maxAttempts: 7 }) }
    const own = Operation.query("get", { ...plain, policy: Policy.standard({ maxAttempts: 5 }) })
    const attempts = (...args: Parameters<typeof planned>) => planned(...args).worstCaseAttempts
    assert.strictEqual(attempts(undefined, query, defaults), 7)
    assert.strictEqual(attempts(undefined, own, defaults), 5)
    assert.strictEqual(attempts(Policy.standard({ maxAttempts: 2 }), own, defaults), 2)
    const shared = Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1 }) })
    assert.include(slots(undefined, own, { ...defaults, shared }), "bulkhead")
    assert.notInclude(slots(undefined, own, defaults), "bulkhead")
  })

  it("hold one of a place; custom ones add up, and so do breakers, bulkheads and rates of another name", () => {
    const custom = (slot: "call" | "attempt", name: string) =>
      Policy.make({ slot: slot as "call", name, build: () => Effect.succeed((step: Policy.CallStep) => step) })
    const twice = slots(
      but(
        custom("call", "a"),
        custom("attempt", "c"),
        custom("call", "b"),
        custom("attempt", "d"),
        // Three of one kind: one twice over, and one of another name.
        ...["own", "own", "other"].flatMap((name) => [
          Policy.breaker({ name }),
          Policy.bulkhead({ name, concurrency: 1 }),
          Policy.rateLimit({ name, limit: 5, window: "1 second" })
        ]),
        Policy.attemptTimeout("1 second"),
        Policy.retry()
      )
    )
    const fixed = ["observe", "translate", "exhausted", "prepare", "attemptSpan", "send", "decode"]
    assert.deepStrictEqual(
      twice.filter((slot) => !fixed.includes(slot)),
      [
        "totalDeadline",
        "call a",
        "call b",
        "budget",
        "retry",
        "circuitBreaker own",
        "circuitBreaker other",
        "rateLimit own",
        "rateLimit other",
        "bulkhead own",
        "bulkhead other",
        "attempt c",
        "attempt d",
        "attemptTimeout"
      ]
    )
    // Of one name with other numbers: both stand, and the layer is refused when it is built.
    const two = but(Policy.bulkhead({ concurrency: 1 }), Policy.bulkhead({ concurrency: 2 }))
    assert.strictEqual(slots(two).filter((slot) => slot === "bulkhead").length, 2)
  })
})

describe("the worst case of a plan", () => {
  it("in attempts, requests and time", () => {
    const worst = (...args: Parameters<typeof planned>) => {
      const { outageLoad, worstCaseAttempts, worstCaseLoad, worstCaseTime } = planned(...args)
      return [worstCaseAttempts, worstCaseLoad, outageLoad, worstCaseTime]
    }
    const hedged = Policy.hedge({ after: 100, maxExtraLoad: 1 })
    assert.deepStrictEqual(worst(standard), [3, 3, 1.2, 30_000])
    assert.deepStrictEqual(worst(but(hedged)), [3, 6, 1.2, 30_000])
    assert.deepStrictEqual(worst(Policy.standard({ budget: false })), [3, 3, 3, 30_000])
    assert.deepStrictEqual(worst(but(Policy.retryNever("a test"))), [1, 1, 1, 30_000])
    // A budget that only looks on bounds nothing, and what one that others share lets through is not known here.
    assert.deepStrictEqual(worst(but(Policy.withMode(Policy.budget(), "observe"))), [3, 3, 3, 30_000])
    assert.deepStrictEqual(worst(Policy.standard({ budget: { across: "acme" } })), [3, 3, 3, 30_000])
    // A fallback has a second of its own, and so has storing.
    const fallback = Exhaustion.fallback("nothing", () => Effect.succeed("ok"))
    assert.strictEqual(planned(standard, query, { ...decided, exhausted: fallback }).worstCaseTime, 31_000)
    assert.strictEqual(planned(standard, query, { ...decided, exhausted: Exhaustion.park }).worstCaseTime, 31_000)
    assert.deepStrictEqual(worst(Policy.noop), [1, 1, 1, Infinity])
  })

  it("of a call inside of retried ones", () => {
    note("test/Api.run", new Allowance("test/Outer.place", 4, 1, undefined))
    const hedged = but(Policy.hedge({ after: 100, maxExtraLoad: 1 }))
    assert.deepStrictEqual(planned(standard).retriedInside, [
      { operation: "test/Outer.place", load: 8, unguardedLoad: 24 }
    ])
    assert.deepStrictEqual(planned(hedged).retriedInside, [
      { operation: "test/Outer.place", load: 16, unguardedLoad: 48 }
    ])
  })
})

describe("the text of a plan", () => {
  const lines = (...args: Parameters<typeof planned>) =>
    formatPlan("test/Api", [{ ...planned(...args), layers: [] }]).split("\n")

  it("says how often, how long, how many, why again, and what then", () => {
    const retriedInside = [{ operation: "test/Outer.place", load: 1, unguardedLoad: 3 }]
    const layers = [
      { slot: "retry", describe: "never repeated" },
      { slot: "circuitBreaker of payments", describe: "opens" }
    ]
    const fail = { ...planned(Policy.standard({ maxAttempts: 3 })), retriedInside, layers }
    const once = planned(but(Policy.retryNever("dear")))
    assert.strictEqual(
      formatPlan("test/Api", [fail, { ...once, retriedInside: [], layers: [], outageLoad: 1, operation: "once" }]),
      [
        "test/Api",
        "  run  effect  Safe",
        "    at worst   3 attempts, 30 s",
        "    load       at most 3 requests per call, 1.2 in a long outage",
        "    inside     test/Outer.place, retried too: at most 1 request together, not 3",
        `    repeats    ${fail.key}`,
        "    exhausted  fail loudly",
        "    layers, outermost first",
        "      retry            never repeated",
        "      circuitBreaker of payments opens",
        "  once  effect  Safe",
        "    at worst   1 attempt, 30 s",
        "    load       at most 1 request per call",
        `    repeats    ${fail.key}`,
        "    exhausted  fail loudly",
        "    layers, outermost first"
      ].join("\n")
    )
    assert.match(fail.key, /^safe: /)
  })

  it("rounds what a budget lets through up, never down", () => {
    const third = Policy.standard({ budget: Policy.budgetRatio({ ratio: 1 / 3 }) })
    assert.include(lines(third), "    load       at most 3 requests per call, 1.34 in a long outage")
  })

  it("says what becomes of a call that fails for good", () => {
    const fallback = Exhaustion.fallback("nothing", () => Effect.succeed("ok"))
    const last = (operation: Operation.Any, defaults: Defaults) => lines(standard, operation, defaults).at(-2)
    assert.strictEqual(last(query, decided), "    exhausted  fail loudly")
    assert.strictEqual(last(query, { ...decided, exhausted: fallback }), "    exhausted  fall back: nothing")
    assert.strictEqual(last(query, { ...decided, exhausted: Exhaustion.park }), "    exhausted  park it in the outbox")
    assert.strictEqual(
      last(Outbox.writeAhead(keyed("1 day") as never) as Operation.Any, decided),
      "    exhausted  stored before it is sent; the outbox goes on with it"
    )
    // Without a decision, which its layer would refuse: nothing is made up.
    assert.strictEqual(last(query, { orElse }), "    exhausted  fail loudly")
  })
})

describe("the problems of a plan", () => {
  it("are none where everything fits, at the edges too", () => {
    for (const [policy, operation] of [
      [standard],
      [but(Policy.attemptTimeout("30 seconds"))],
      [but(Policy.totalDeadline("10 minutes"))],
      [but(Policy.totalDeadline("2 hours", { longRunning: "a nightly export" }))],
      [standard, keyed("forever")],
      [standard, atMostOnce],
      // 10 seconds and their margin, a sixtieth of the lifetime.
      [but(Policy.attemptTimeout("59 seconds"), Policy.totalDeadline("1 minute")), keyed("1 minute")],
      [standard, reconcilable("29999 millis")],
      // Nothing is repeated, so there is nothing to wait for.
      [but(Policy.retryNever("a test")), reconcilable("30 seconds")],
      [but(Policy.withMode(Policy.breaker(), "observe"))]
    ] as ReadonlyArray<readonly [Policy.Any, Operation.Any?]>) {
      assert.deepStrictEqual(problems(policy, operation), [])
    }
  })

  const settled = "is not shorter than the total deadline of 30 s: nothing could be repeated"
  const silent = Policy.make({
    slot: "attempt",
    name: "signature",
    build: () => Effect.succeed((step: Policy.AttemptStep) => step)
  })
  const cases: ReadonlyArray<
    readonly [name: string, policy: Policy.Any, problem: ReadonlyArray<string>, operation?: Operation.Any]
  > = [
    [
      "an attempt longer than the call",
      but(Policy.attemptTimeout("30001 millis")),
      ["the attempt timeout of 30001 ms is longer than the total deadline of 30000 ms"]
    ],
    [
      "a very long call",
      but(Policy.totalDeadline(600_001)),
      ["the total deadline of 600001 ms is longer than 600000 ms: give totalDeadline a longRunning reason"]
    ],
    [
      "a key that is forgotten too soon",
      but(Policy.attemptTimeout(59_001), Policy.totalDeadline("1 minute")),
      ["the attempt timeout of 59 s does not fit into the key's lifetime of 1 min"],
      keyed("1 minute")
    ],
    [
      "a key that is forgotten just too soon",
      but(Policy.attemptTimeout(59_999), Policy.totalDeadline("1 minute")),
      ["the attempt timeout of 60 s does not fit into the key's lifetime of 1 min"],
      keyed("1 minute")
    ],
    [
      "a key that is forgotten a moment before the attempt ends",
      but(Policy.attemptTimeout(20_001), Policy.totalDeadline("21 seconds")),
      ["the attempt timeout of 20001 ms does not fit into the key's lifetime of 20000 ms"],
      keyed("20 seconds")
    ],
    ["a lifetime that is none", standard, ["the key's lifetime must be longer than zero, got 0 ms"], keyed(0)],
    ["as long as the call", standard, [`settle of 30 s ${settled}`], reconcilable("30 seconds")],
    [
      "a moment longer than the call",
      standard,
      ["settle of 30001 ms is not shorter than the total deadline of 30000 ms: nothing could be repeated"],
      reconcilable(30_001)
    ],
    ["longer than the call", standard, [`settle of 31 s ${settled}`], reconcilable("31 seconds")],
    ["a settle that is none", standard, ["settle must be finite, got infinity"], reconcilable(Infinity)],
    [
      "no limits, no retries",
      Policy.noop,
      [
        "the policy has no attempt timeout",
        "the policy has no total deadline",
        "the policy does not decide about retries"
      ]
    ],
    [
      "no word about retries",
      Policy.stack(Policy.attemptTimeout("1 second"), Policy.totalDeadline("2 seconds")),
      ["the policy does not decide about retries"]
    ],
    ["a number of a layer", but(Policy.attemptTimeout(0)), ["the attempt timeout must be longer than zero, got 0 ms"]],
    [
      "a layer that can't only look on",
      but(Policy.withMode(silent, "observe")),
      ["signature can't tell what it would do: let it enforce, or switch it off"]
    ]
  ]
  for (const [name, policy, expected, operation] of cases) {
    it(name, () => {
      assert.deepStrictEqual(problems(policy, operation), expected)
      assert.deepStrictEqual(problems(but(Policy.withMode(silent, "off"))), [])
    })
  }

  it("tell of what was not decided", () => {
    assert.deepStrictEqual(problems(standard, query, {}), [
      "there is no decision for exhausted retries: give `exhausted`",
      "the provider's failures would leak: give `orElse`"
    ])
    const all = { ...plain, exhausted: Exhaustion.fail, orElse }
    assert.deepStrictEqual(problems(standard, Operation.query("get", all), {}), [])
    // What the operation says goes before what the integration does.
    const own = Operation.query("get", { ...all, exhausted: Exhaustion.fallback("own", () => Effect.succeed("ok")) })
    assert.strictEqual(stack(standard, own).decision._tag, "Fallback")
    const ownElse = () => new Failed({ failure: undefined as never })
    assert.strictEqual(stack(standard, Operation.query("get", { ...plain, orElse: ownElse })).orElse, ownElse)
    assert.strictEqual(stack(standard).orElse, orElse)
  })

  it("come with those of the operation", () => {
    const { definition } = query
    const wrong = stackOf({ ...definition, problems: ["a problem"] }, decided, but(Policy.attemptTimeout("40 seconds")))
    assert.deepStrictEqual(wrong.problems, ["a problem"])
  })

  it("of calls that are stored", () => {
    const ahead = (operation: Operation.Any, bounds: Exhaustion.Bounds<never> = {}, exhausted: unknown = undefined) => {
      const definition = { ...operation.definition, writeAhead: bounds, exhausted: exhausted as never }
      return stackOf(definition, decided, standard).problems
    }
    const parked = (operation: Operation.Any, exhausted: Defaults["exhausted"] = Exhaustion.park) =>
      problems(standard, operation, { orElse, exhausted: exhausted! })
    const late = ["sent late, it may overwrite what is newer: give it a lane, or expiresAfter"]
    const lane = () => "lane"
    assert.deepStrictEqual(ahead(keyed("1 day")), [])
    assert.deepStrictEqual(parked(keyed("1 day")), [])
    const fallback = Exhaustion.fallback("nothing", () => Effect.succeed("ok"))
    assert.deepStrictEqual(ahead(keyed("1 day"), {}, fallback), [
      "a call that is stored before it is sent has no fallback: the worker goes on with it; give Exhaustion.fail"
    ])
    assert.deepStrictEqual(parked(keyed("1 day"), fallback), [])
    const undecided = stackOf({ ...keyed("1 day").definition, writeAhead: {} }, { orElse }, standard)
    assert.deepStrictEqual(undecided.problems, ["there is no decision for exhausted retries: give `exhausted`"])
    // What may not be repeated may be stored before it is first sent, and not after.
    assert.deepStrictEqual(ahead(atMostOnce), [])
    assert.deepStrictEqual(parked(atMostOnce), [
      "a repeat is not safe, so it can't be parked: store it before it is sent, or let it fail"
    ])
    // What is idempotent by nature, and late, needs an order or an end.
    assert.deepStrictEqual(ahead(inherent), late)
    assert.deepStrictEqual(ahead(inherent, { lane }), [])
    assert.deepStrictEqual(ahead(inherent, { expiresAfter: "1 hour" }), [])
    assert.deepStrictEqual(parked(inherent), late)
    assert.deepStrictEqual(parked(inherent, Exhaustion.parkWith({ lane })), [])
    assert.deepStrictEqual(problems(standard, inherent), [])
    assert.deepStrictEqual(ahead(keyed("1 day"), { expiresAfter: 0 }), [
      "expiresAfter must be longer than zero, got 0 ms"
    ])
  })
})

describe("what the runner is given", () => {
  it("is the lifetime of the key, for ever without one", () => {
    assert.strictEqual(stack(standard, keyed("1 day")).lifetime, 86_400_000)
    assert.strictEqual(stack(standard, keyed("forever")).lifetime, Infinity)
    assert.strictEqual(stack(standard).lifetime, Infinity)
  })

  it("are limits, without a policy none", () => {
    assert.deepStrictEqual(stack(undefined).limits, {
      attemptTimeout: undefined,
      totalDeadline: undefined,
      maxAttempts: 1
    })
    assert.deepStrictEqual(stack(undefined).layers, [])
    assert.deepStrictEqual(stack(standard).limits, {
      attemptTimeout: 10_000,
      totalDeadline: 30_000,
      maxAttempts: 3,
      extraLoad: 0.2
    })
  })
})
