import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, type Duration, Effect, Exit, Layer, Option, Schema } from "effect"
import { Failed, failing, failureOf, say, scripted, seededly, settle } from "./properties/support.ts"

/** A custom layer that writes down when it runs. */
const named = (name: string, slot: "call" | "attempt", log: Array<string>) =>
  Policy.make({
    slot: slot as "call",
    name,
    build: (site) =>
      Effect.sync(() => {
        log.push(`${name} is built for ${site.operation}`)
        return (step: Policy.CallStep): Policy.CallStep =>
          (call) =>
            Effect.suspend(() => {
              log.push(`${name} ${call.attempt} ${call.key ?? "-"}`)
              return step(call)
            })
      })
  })

const limitsOf = (policy: Policy.Any) => {
  class Limited extends Integration.Service<Limited>()(
    "test/Limited",
    { policy: policy as Policy.Complete, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
    { get: Operation.query("get", { success: Schema.String, send: () => Effect.succeed("ok") }) }
  ) {}
  return Integration.plan(Limited).operations[0]!
}

const describeSlot = (policy: Policy.Any, slot: string) =>
  limitsOf(policy)
    .layers.filter((layer) => layer.slot.split(" ")[0] === slot)
    .map((layer) => layer.describe)

describe("Policy.stack", () => {
  it("the last of a place replaces those before it", () => {
    const shorter = Policy.stack(Policy.standard(), Policy.attemptTimeout("2 seconds"))
    assert.deepStrictEqual(describeSlot(shorter, "attemptTimeout"), [
      "each attempt ends within 2 s, body and decoding included"
    ])
    assert.deepStrictEqual(
      describeSlot(Policy.stack(Policy.attemptTimeout("2 seconds"), Policy.standard()), "attemptTimeout"),
      ["each attempt ends within 10 s, body and decoding included"]
    )
    const once = Policy.stack(Policy.standard({ maxAttempts: 7 }), Policy.retryNever("dear"))
    assert.strictEqual(limitsOf(once).worstCaseAttempts, 1)
    assert.strictEqual(limitsOf(Policy.stack(once, Policy.retry(undefined, { maxAttempts: 4 }))).worstCaseAttempts, 4)
    assert.strictEqual(
      limitsOf(Policy.stack(Policy.standard(), Policy.totalDeadline("12 seconds"))).worstCaseTime,
      12_000
    )
  })

  it.effect("what it replaced does nothing any more", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ attemptTimeout: "1 second", totalDeadline: "2 seconds", maxAttempts: 9 }),
          Policy.standard({
            attemptTimeout: "3 seconds",
            totalDeadline: "8 seconds",
            maxAttempts: 2,
            schedule: Policy.backoff({ base: 0 })
          })
        ),
        send: () => Effect.never
      })
      yield* settle(call)
      assert.deepStrictEqual(sent, [0, 3_000])
      assert.strictEqual(events[0]!.latency, 6_000)
    }).pipe(seededly(1))
  )

  it("is associative, and noop changes nothing", () => {
    const [a, b, c] = [Policy.standard(), Policy.breaker({ consecutive: 2 }), Policy.attemptTimeout("1 second")]
    const plan = (policy: Policy.Any) => limitsOf(policy)
    assert.deepStrictEqual(plan(Policy.stack(Policy.stack(a, b), c)), plan(Policy.stack(a, Policy.stack(b, c))))
    assert.deepStrictEqual(plan(Policy.stack(Policy.noop, a, Policy.noop)), plan(a))
    assert.deepStrictEqual(Policy.noop.layers, [])
  })

  it("the order of built-in layers is the library's, whatever the order of arguments", () => {
    const layers = [
      Policy.attemptTimeout("1 second"),
      Policy.bulkhead({ concurrency: 1 }),
      Policy.breaker(),
      Policy.retry(),
      Policy.totalDeadline("9 seconds")
    ] as const
    const slots = (policy: Policy.Any) => limitsOf(policy).layers.map((layer) => layer.slot.split(" ")[0])
    const forwards = slots(Policy.stack(...layers))
    assert.deepStrictEqual(slots(Policy.stack(...(layers.toReversed() as unknown as typeof layers))), forwards)
    assert.deepStrictEqual(
      forwards.filter((slot) =>
        ["totalDeadline", "retry", "circuitBreaker", "bulkhead", "attemptTimeout"].includes(slot!)
      ),
      ["totalDeadline", "retry", "circuitBreaker", "bulkhead", "attemptTimeout"]
    )
  })

  it("the standard bounds its retries by a budget, unless it is told not to", () => {
    const budgets = (policy: Policy.Any) => describeSlot(policy, "budget").length
    assert.strictEqual(budgets(Policy.standard()), 1)
    assert.strictEqual(budgets(Policy.standard({ budget: { capacity: 20 } })), 1)
    assert.strictEqual(budgets(Policy.standard({ budget: Policy.budget({ capacity: 20 }) })), 1)
    assert.strictEqual(budgets(Policy.standard({ budget: false })), 0)
  })

  it("knows a policy", () => {
    for (const policy of [Policy.noop, Policy.standard(), Policy.attemptTimeout(1), Policy.retry(), Policy.breaker()]) {
      assert.isTrue(Policy.isPolicy(policy))
    }
    for (const other of [undefined, {}, () => 1, Policy.backoff()]) assert.isFalse(Policy.isPolicy(other))
  })
})

describe("Policy.make", () => {
  it.effect("custom layers add up, outermost first; each is built once per operation and runs at its place", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      class Bank extends Integration.Service<Bank>()(
        "test/Bank",
        {
          policy: Policy.stack(
            Policy.standard({ schedule: Policy.backoff({ base: 0 }) }),
            named("outer", "call", log),
            named("attempt", "attempt", log),
            named("inner", "call", log)
          ),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          pay: Operation.mutation("pay", {
            input: Schema.String,
            success: Schema.Json,
            idempotency: Idempotency.keyed((id: string) => IdempotencyKey.fromStored(id), { lifetime: "forever" }),
            classify: () => Reason.unavailable(),
            translate: {},
            send: () => Effect.suspend(() => (log.push("send"), Effect.fail("down")))
          })
        }
      ) {}
      const bank = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Bank))), Bank)
      yield* settle(bank.pay("k-1"))
      yield* settle(bank.pay("k-2"))
      const once = (key: string) => [
        `outer 0 ${key}`,
        `inner 0 ${key}`,
        ...[1, 2, 3].flatMap((attempt) => [`attempt ${attempt} ${key}`, "send"])
      ]
      assert.deepStrictEqual(log, [
        "attempt is built for pay",
        "inner is built for pay",
        "outer is built for pay",
        ...once("k-1"),
        ...once("k-2")
      ])
    }).pipe(seededly(1))
  )

  it.effect("a layer of a call sees a CallFailure, one of an attempt a Reason, and both may recover", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { call } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) }),
          Policy.make({
            slot: "call",
            name: "recovers",
            build: () =>
              Effect.succeed(
                (step) => (call) =>
                  Effect.catch(step(call), (failure) => {
                    seen.push(`${failure._tag} ${failure.stopped}`)
                    return Effect.succeed("recovered")
                  })
              )
          }),
          Policy.make({
            slot: "attempt",
            name: "looks",
            build: () =>
              Effect.succeed(
                (step) => (call) =>
                  Effect.mapError(step(call), (reason) => {
                    seen.push(`${reason._tag} ${reason.outcome}`)
                    return Reason.make("Throttled", { message: "as we know it" })
                  })
              )
          })
        ),
        send: () => say(Reason.rejected())
      })
      assert.deepStrictEqual(yield* settle(call), Exit.succeed("recovered"))
      assert.deepStrictEqual(seen, ["Rejected Refused", "Rejected Refused", "CallFailure attempts are spent"])
    }).pipe(seededly(1))
  )

  it.effect("state of one name is shared by the operations of a layer, and made once", () =>
    Effect.gen(function* () {
      let made = 0
      const counting = Policy.make({
        slot: "attempt",
        name: "counts",
        build: (site) =>
          Effect.map(
            site.shared(
              "counter",
              {},
              Effect.sync(() => ({ id: ++made, count: 0 }))
            ),
            (state) => (step) => (call) => {
              state.count++
              return Effect.as(step(call), `${state.id}.${state.count}`)
            }
          )
      })
      const options = { policy: Policy.standard(), shared: counting, send: () => Effect.succeed("ok") }
      const first = yield* scripted(options)
      const second = yield* scripted(options)
      const exits = [
        yield* settle(first.call),
        yield* settle(first.other),
        yield* settle(first.call),
        yield* settle(second.call)
      ]
      assert.deepStrictEqual(exits, ["1.1", "1.2", "1.3", "2.1"].map(Exit.succeed))
    }).pipe(seededly(1))
  )
})

describe("an operation's policy and its integration's", () => {
  const build = (
    own: Policy.Complete | undefined,
    layerOptions?: { readonly policy: { readonly own?: Policy.Complete } }
  ) =>
    Effect.gen(function* () {
      let sent = 0
      class Shop extends Integration.Service<Shop>()(
        "test/Shop",
        {
          policy: Policy.standard({ maxAttempts: 4, schedule: Policy.backoff({ base: 0 }) }),
          shared: Policy.shared({ breaker: Policy.breaker({ consecutive: 3 }) }),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          own: Operation.query("own", {
            success: Schema.Json,
            classify: () => Reason.unavailable(),
            translate: {},
            send: () => Effect.suspend(() => (sent++, Effect.fail("down"))),
            ...(own === undefined ? {} : { policy: own })
          })
        }
      ) {}
      const shop = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Shop, layerOptions))), Shop)
      const failure = failureOf(yield* settle(shop.own() as Effect.Effect<unknown, unknown>))!
      return { sent: () => sent, failure }
    })
  const impatient = Policy.standard({ maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) })

  it.effect("the integration's, where the operation has none", () =>
    Effect.gen(function* () {
      const { failure, sent } = yield* build(undefined)
      // Three attempts open the shared breaker, which turns the fourth away.
      assert.strictEqual(sent(), 3)
      assert.strictEqual(failure.reason._tag, "CircuitOpen")
    }).pipe(seededly(1))
  )

  it.effect("the operation's replaces the integration's, and the shared layers stay", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* build(impatient)).sent(), 2)
      const many = yield* build(
        Policy.standard({ maxAttempts: 9, schedule: Policy.backoff({ base: 0 }), totalDeadline: "10 seconds" })
      )
      assert.isBelow(many.sent(), 9)
    }).pipe(seededly(1))
  )

  it.effect("the layer's goes before both", () =>
    Effect.gen(function* () {
      const { sent } = yield* build(Policy.standard({ maxAttempts: 3 }), { policy: { own: impatient } })
      assert.strictEqual(sent(), 2)
    }).pipe(seededly(1))
  )
})

describe("PolicyError", () => {
  const problemsOf = (
    policy: Policy.Any,
    options: {
      readonly idempotency?: Idempotency.Idempotency<void, Schema.Json, never, "Idempotent">
      readonly shared?: Policy.Policy<never, "any">
    } = {}
  ) =>
    Effect.gen(function* () {
      class Wrong extends Integration.Service<Wrong>()(
        "test/Wrong",
        {
          policy: policy as Policy.Policy<Policy.Provides, "any">,
          ...(options.shared === undefined ? {} : { shared: options.shared }),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          send: Operation.mutation("send", {
            idempotency: options.idempotency ?? Idempotency.inherent("a test"),
            success: Schema.Json,
            send: () => Effect.succeed("ok")
          })
        }
      ) {}
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(Integration.layer(Wrong))))
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      assert.instanceOf(error, Policy.PolicyError)
      assert.strictEqual(error!.message, `test/Wrong send: ${error!.problems.join("; ")}`)
      return error!.problems
    })

  // The types refuse this; `undefined` gets through them without `exactOptionalPropertyTypes`.
  it.effect("names a decision that is missing at run time", () =>
    Effect.gen(function* () {
      class Undecided extends Integration.Service<Undecided>()(
        "test/Undecided",
        { policy: standard, exhausted: undefined as never, orElse: undefined as never },
        { send: Operation.query("send", { success: Schema.Json, send: () => Effect.succeed("ok") }) }
      ) {}
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Integration.layer(Undecided))))
      assert.deepStrictEqual(error.problems, [
        "there is no decision for exhausted retries: give `exhausted`",
        "the provider's failures would leak: give `orElse`"
      ])
    })
  )

  const standard = Policy.standard()
  const but = (...policies: ReadonlyArray<Policy.Any>) => Policy.stack(standard, ...policies)
  const keyed = (lifetime: Duration.Input) => ({
    idempotency: Idempotency.keyed(() => IdempotencyKey.derive("a", "b"), { lifetime })
  })
  const reconcilable = (settle: Duration.Input) => ({
    idempotency: Idempotency.reconcilable(() => Effect.succeed(Option.none<Schema.Json>()), { settle })
  })

  const cases: ReadonlyArray<
    readonly [
      policy: Policy.Any,
      problems: ReadonlyArray<string>,
      options?: Parameters<typeof problemsOf>[1] | undefined
    ]
  > = [
    // Numbers that make no sense alone.
    [but(Policy.attemptTimeout(Infinity)), ["the attempt timeout must be finite, got infinity"]],
    [but(Policy.attemptTimeout(0)), ["the attempt timeout must be longer than zero, got 0 ms"]],
    [but(Policy.attemptTimeout(-5)), ["the attempt timeout must be longer than zero, got -5 ms"]],
    [but(Policy.attemptTimeout("soon" as never)), ["the attempt timeout is not a duration: soon"]],
    [but(Policy.totalDeadline(Infinity)), ["the total deadline must be finite, got infinity"]],
    [but(Policy.totalDeadline(0)), ["the total deadline must be longer than zero, got 0 ms"]],
    [but(Policy.retry(undefined, { maxAttempts: 0 })), ["maxAttempts must be a finite integer of at least 1, got 0"]],
    [
      but(Policy.retry(undefined, { maxAttempts: 2.5 })),
      ["maxAttempts must be a finite integer of at least 1, got 2.5"]
    ],
    [
      but(Policy.retry(undefined, { maxAttempts: Infinity })),
      ["maxAttempts must be a finite integer of at least 1, got Infinity"]
    ],
    [but(Policy.breaker({ consecutive: 0 })), ["the breaker's consecutive must be an integer of at least 1, got 0"]],
    [but(Policy.breaker({ openFor: 0 })), ["the breaker's openFor must be longer than zero, got 0 ms"]],
    [but(Policy.breaker({ maxOpenFor: Infinity })), ["the breaker's maxOpenFor must be finite, got infinity"]],
    [but(Policy.breaker({ rate: { threshold: 1.5 } })), ["the breaker's rate.threshold must be in (0, 1], got 1.5"]],
    [
      but(Policy.breaker({ rate: { size: 0, minimumCalls: 1 } })),
      [
        "the breaker's rate.size must be an integer of at least 1, got 0",
        "the breaker's rate.minimumCalls must be in [1, 0] (rate.size), got 1"
      ]
    ],
    [
      but(Policy.breaker({ rate: { size: 10, minimumCalls: 11 } })),
      ["the breaker's rate.minimumCalls must be in [1, 10] (rate.size), got 11"]
    ],
    [but(Policy.bulkhead({ concurrency: 0 })), ["the bulkhead's concurrency must be an integer of at least 1, got 0"]],
    [
      but(Policy.bulkhead({ concurrency: 3, queue: -1 })),
      ["the bulkhead's queue must be an integer of at least 0, got -1"]
    ],
    [standard, ["the key's lifetime must be longer than zero, got 0 ms"], keyed(0)],
    [standard, ["settle must be finite, got infinity"], reconcilable(Infinity)],
    // Numbers that contradict each other: both are named.
    [
      but(Policy.attemptTimeout("40 seconds")),
      ["the attempt timeout of 40 s is longer than the total deadline of 30 s"]
    ],
    [
      but(Policy.breaker({ openFor: "10 seconds" })),
      ["the breaker's openFor of 10 s is longer than its maxOpenFor of 5 s"]
    ],
    [
      but(Policy.totalDeadline("11 minutes")),
      ["the total deadline of 11 min is longer than 10 min: give totalDeadline a longRunning reason"]
    ],
    [standard, ["the attempt timeout of 10 s does not fit into the key's lifetime of 10.1 s"], keyed("10100 millis")],
    [
      standard,
      ["settle of 30 s is not shorter than the total deadline of 30 s: nothing could be repeated"],
      reconcilable("30 seconds")
    ],
    // Decisions that are missing, where the types were forced.
    [Policy.stack(Policy.totalDeadline("1 second"), Policy.retry()), ["the policy has no attempt timeout"]],
    [Policy.stack(Policy.attemptTimeout("1 second"), Policy.retry()), ["the policy has no total deadline"]],
    [
      Policy.stack(Policy.attemptTimeout("1 second"), Policy.totalDeadline("1 second")),
      ["the policy does not decide about retries"]
    ],
    [
      Policy.noop,
      [
        "the policy has no attempt timeout",
        "the policy has no total deadline",
        "the policy does not decide about retries"
      ]
    ],
    // All at once, so that they are corrected at once.
    [
      but(Policy.attemptTimeout(0), Policy.bulkhead({ concurrency: 0 }), Policy.retry(undefined, { maxAttempts: -1 })),
      [
        "maxAttempts must be a finite integer of at least 1, got -1",
        "the bulkhead's concurrency must be an integer of at least 1, got 0",
        "the attempt timeout must be longer than zero, got 0 ms"
      ]
    ],
    // One name is one state.
    [
      but(Policy.bulkhead({ concurrency: 2 })),
      [
        'bulkhead bulkhead has {"concurrency":1,"queue":1} here and {"concurrency":2,"queue":2} in send: one name is one state, give another name'
      ],
      { shared: Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1 }) }) }
    ]
  ]

  it.effect.each(cases.map(([policy, problems, options]) => ({ policy, problems, options })))(
    "$problems",
    ({ options, policy, problems }) =>
      Effect.gen(function* () {
        const got = yield* problemsOf(policy, options)
        if (problems[0]!.startsWith("bulkhead bulkhead")) {
          assert.strictEqual(got.length, 1)
          assert.match(
            got[0]!,
            /^bulkhead bulkhead has .*"concurrency":[12].* and .*"concurrency":[12].* in send: one name/
          )
        } else assert.deepStrictEqual(got, problems)
      })
  )

  it.effect("what is at the edge is no error", () =>
    Effect.gen(function* () {
      const fine: ReadonlyArray<Policy.Complete> = [
        but(Policy.attemptTimeout("30 seconds")) as Policy.Complete,
        but(Policy.totalDeadline("10 minutes")) as Policy.Complete,
        but(Policy.totalDeadline("2 hours", { longRunning: "a nightly export" })) as Policy.Complete,
        but(Policy.breaker({ openFor: "5 seconds" }), Policy.bulkhead({ concurrency: 1, queue: 0 })) as Policy.Complete,
        but(Policy.bulkhead({ concurrency: 2 }), Policy.bulkhead({ concurrency: 2 })) as Policy.Complete,
        but(Policy.bulkhead({ concurrency: 2 }), Policy.bulkhead({ concurrency: 3, name: "other" })) as Policy.Complete
      ]
      for (const policy of fine) {
        const { call } = yield* scripted({ policy, send: () => Effect.succeed("ok") })
        assert.deepStrictEqual(yield* settle(call), Exit.succeed("ok"))
      }
    }).pipe(seededly(1))
  )

  it.effect("two operations that name one state with other options", () =>
    Effect.gen(function* () {
      const query = (breaker: Policy.Policy<never, "any">) =>
        Operation.query("any", {
          success: Schema.Json,
          send: () => Effect.succeed("ok"),
          policy: Policy.stack(standard, breaker)
        })
      class Two extends Integration.Service<Two>()(
        "test/Two",
        { exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        { first: query(Policy.breaker({ consecutive: 2 })), second: query(Policy.breaker({ consecutive: 3 })) }
      ) {}
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(Integration.layer(Two))))
      const error = Option.getOrThrow(Exit.findErrorOption(exit)) as Policy.PolicyError
      assert.strictEqual(error.operation, "second")
      assert.match(
        error.problems[0]!,
        /^breaker breaker has \{"consecutive":3,.*\} here and \{"consecutive":2,.*\} in first: one name is one state, give another name$/
      )
    })
  )

  it.effect("a layer's policy for an operation that does not exist", () =>
    Effect.gen(function* () {
      class One extends Integration.Service<One>()(
        "test/One",
        { policy: standard, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        { one: Operation.query("one", { success: Schema.Json, send: () => Effect.succeed("ok") }) }
      ) {}
      const options = { policy: { onee: standard } } as unknown as {
        readonly policy: { readonly one: typeof standard }
      }
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(Integration.layer(One, options))))
      const error = Option.getOrThrow(Exit.findErrorOption(exit)) as Policy.PolicyError
      assert.strictEqual(error.message, "test/One (layer): policy.onee: there is no such operation")
    })
  )

  it.effect("nothing of a wrong policy runs", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        scripted({ policy: but(Policy.attemptTimeout(0)) as Policy.Complete, send: () => Effect.succeed("ok") })
      )
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})

describe("numbers of schedules", () => {
  it.effect("a base of zero is no wait, and no busy loop past maxAttempts", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* scripted({
        policy: Policy.standard({ schedule: Policy.backoff({ base: 0 }), maxAttempts: 50, budget: false }),
        send: () => say(Reason.unavailable())
      })
      yield* failing(call)
      assert.deepStrictEqual(sent, Array(50).fill(0))
    }).pipe(seededly(1))
  )
})
