import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { ConfigProvider, Context, Data, Effect, Layer, Schema } from "effect"
import { HttpClient } from "effect/http"
import { catalogue, distance, upperSnake } from "../src/internal/tuneNames.ts"

class Failed extends Data.TaggedError("Failed")<{}> {}

const common = { exhausted: Exhaustion.fail, orElse: () => new Failed() }
const answer = () => Effect.succeed("ok")
const query = (name: string, policy?: Policy.Complete) =>
  Operation.query(name, { success: Schema.String, send: answer, ...(policy === undefined ? {} : { policy }) })

class Stripe extends Integration.Service<Stripe>()(
  "shop/Stripe",
  {
    policy: Policy.standard({ attemptTimeout: "10 seconds", totalDeadline: "30 seconds" }),
    shared: Policy.shared({ breaker: { consecutive: 5 }, bulkhead: { concurrency: 4 } }),
    ...common
  },
  { charge: query("charge"), findCustomer: query("findCustomer"), refund: query("refund") }
) {}

type Env = Readonly<Record<string, string>>

const fromEnv = (env: Env) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** The snapshot of an integration that is built with a configuration. */
const built = <Self, Id extends string, Methods>(
  service: Integration.ServiceClass<Self, Id, Methods, never>,
  provider: Layer.Layer<never>,
  options: Integration.LayerOptions<Methods> = { config: "STRIPE" }
) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.provide(Integration.layer(service, options), provider))
    const control = yield* Effect.provide(Integration.control(service), context)
    return yield* control.snapshot
  })

const problemsOf = <Self, Id extends string, Methods>(
  service: Integration.ServiceClass<Self, Id, Methods, never>,
  provider: Layer.Layer<never>,
  options?: Integration.LayerOptions<Methods>
) =>
  Effect.map(Effect.flip(built(service, provider, options)), (error) => {
    assert.strictEqual(error._tag, "PolicyError")
    assert.strictEqual(error.operation, "(layer)")
    return error.problems
  })

const layerOf = (snapshot: Integration.Snapshot, operation: string, slot: string) =>
  snapshot.plan
    .find((each) => each.operation === operation)!
    .layers.filter((layer) => layer.slot.split(" ")[0] === slot)
    .map((layer) => layer.describe)
    .join("; ")

const timeouts = (snapshot: Integration.Snapshot) =>
  snapshot.plan.map(({ operation }) => layerOf(snapshot, operation, "attemptTimeout").match(/within (.*),/)![1])

describe("config: where the numbers come from", () => {
  it.effect.each([
    ["the environment", fromEnv({ STRIPE_ATTEMPT_TIMEOUT: "2s", STRIPE_FIND_CUSTOMER_ATTEMPT_TIMEOUT: "500 ms" })],
    [
      "a .env file",
      ConfigProvider.layer(
        ConfigProvider.fromDotEnvContents(
          "STRIPE_ATTEMPT_TIMEOUT=2s\nSTRIPE_FIND_CUSTOMER_ATTEMPT_TIMEOUT='500 millis'"
        )
      )
    ],
    [
      "nested JSON",
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({
          STRIPE: { ATTEMPT_TIMEOUT: "2 seconds", FIND_CUSTOMER: { ATTEMPT_TIMEOUT: "0.5s" } }
        })
      )
    ]
  ] as const)("%s: an operation's own, then the integration's, then the code's", ([, provider]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(timeouts(yield* built(Stripe, provider)), ["2 s", "500 ms", "2 s"])
      assert.deepStrictEqual(timeouts(yield* built(Stripe, fromEnv({}))), ["10 s", "10 s", "10 s"])
    })
  )

  it.effect("nothing is read without the option, and the static plan stays what the code says", () =>
    Effect.gen(function* () {
      const before = Integration.plan(Stripe)
      const provider = fromEnv({ STRIPE_ATTEMPT_TIMEOUT: "2s" })
      assert.deepStrictEqual((yield* built(Stripe, provider, {})).plan, before.operations)
      yield* built(Stripe, provider)
      assert.deepStrictEqual(Integration.plan(Stripe), before)
    })
  )

  it.effect("a prefix may have words of its own", () =>
    Effect.gen(function* () {
      const options = { config: "SHOP_STRIPE" }
      const env = fromEnv({ SHOP_STRIPE_ATTEMPT_TIMEOUT: "2s" })
      assert.strictEqual(timeouts(yield* built(Stripe, env, options))[0], "2 s")
      const json = ConfigProvider.layer(ConfigProvider.fromUnknown({ SHOP_STRIPE: { ATTEMPT_TIMEOUT: "3s" } }))
      assert.strictEqual(timeouts(yield* built(Stripe, json, options))[0], "3 s")
      assert.deepStrictEqual(yield* problemsOf(Stripe, fromEnv({ SHOP_STRIPE_ATEMPT_TIMEOUT: "2s" }), options), [
        "SHOP_STRIPE_ATEMPT_TIMEOUT is not known: did you mean SHOP_STRIPE_ATTEMPT_TIMEOUT?"
      ])
    })
  )

  it.effect("every kind of number, and the other numbers of a layer stay", () =>
    Effect.gen(function* () {
      const snapshot = yield* built(
        Stripe,
        fromEnv({
          STRIPE_MAX_ATTEMPTS: "5",
          STRIPE_TOTAL_DEADLINE: "1 minute",
          STRIPE_BREAKER_CONSECUTIVE: "7",
          STRIPE_BREAKER_RATE_THRESHOLD: "0.25",
          STRIPE_BULKHEAD_CONCURRENCY: "9"
        })
      )
      const [plan] = snapshot.plan
      assert.strictEqual(plan!.worstCaseAttempts, 5)
      assert.strictEqual(plan!.worstCaseTime, 60_000)
      assert.include(layerOf(snapshot, "charge", "circuitBreaker"), "opens at 7 failures in a row or 25 % of 20")
      assert.include(layerOf(snapshot, "charge", "bulkhead"), "at most 9 attempts at once, 9 more may wait")
      assert.include(layerOf(snapshot, "charge", "attemptTimeout"), "10 s")
    })
  )

  it.effect("a configured number is what a call runs with", () =>
    Effect.gen(function* () {
      const attempts = yield* Effect.provide(
        Effect.gen(function* () {
          let n = 0
          class Down extends Integration.Service<Down>()(
            "shop/Down",
            {
              policy: Policy.standard({ schedule: Policy.backoff({ base: 0 }) }),
              exhausted: Exhaustion.fail,
              orElse: () => new Failed()
            },
            {
              get: Operation.query("get", {
                success: Schema.String,
                classify: () => ({ reason: "Unavailable" as const, transient: true }),
                translate: { Failed: () => new Failed() },
                send: () =>
                  Effect.suspend(() => {
                    n++
                    return Effect.fail(new Failed())
                  })
              })
            }
          ) {}
          const context = yield* Layer.build(Integration.layer(Down, { config: "DOWN" }))
          yield* Effect.exit(Context.get(context, Down).get())
          return n
        }),
        fromEnv({ DOWN_MAX_ATTEMPTS: "2" })
      )
      assert.strictEqual(attempts, 2)
    })
  )

  it.effect("modes, by the place of a layer, and by the name of a custom one", () =>
    Effect.gen(function* () {
      const audit = Policy.make({
        slot: "attempt",
        name: "auditTrail",
        observes: true,
        build: () => Effect.succeed((step) => step)
      })
      class Audited extends Integration.Service<Audited>()(
        "shop/Audited",
        { policy: Policy.stack(Policy.standard(), audit), shared: Policy.shared({ breaker: {} }), ...common },
        { charge: query("charge"), find: query("find") }
      ) {}
      const { modes } = yield* built(
        Audited,
        fromEnv({
          STRIPE_CIRCUIT_BREAKER_MODE: "observe",
          STRIPE_CHARGE_CIRCUIT_BREAKER_MODE: "off",
          STRIPE_TOTAL_DEADLINE_MODE: "Observe",
          STRIPE_AUDIT_TRAIL_MODE: "observe"
        })
      )
      assert.deepStrictEqual(
        modes
          .filter(({ initial }) => initial !== "enforce")
          .map(({ initial, mode, operation, slot }) => [operation, slot, mode, initial]),
        [
          ["charge", "totalDeadline", "observe", "observe"],
          ["charge", "circuitBreaker", "off", "off"],
          ["charge", "attempt", "observe", "observe"],
          ["find", "totalDeadline", "observe", "observe"],
          ["find", "circuitBreaker", "observe", "observe"],
          ["find", "attempt", "observe", "observe"]
        ]
      )
    })
  )

  it.effect("a number that is configured keeps the mode that the code gives its layer", () =>
    Effect.gen(function* () {
      class Watched extends Integration.Service<Watched>()(
        "shop/Watched",
        { policy: Policy.stack(Policy.standard(), Policy.withMode(Policy.attemptTimeout(500), "observe")), ...common },
        { get: query("get") }
      ) {}
      const snapshot = yield* built(Watched, fromEnv({ STRIPE_ATTEMPT_TIMEOUT: "2s" }))
      assert.strictEqual(
        layerOf(snapshot, "get", "attemptTimeout"),
        "observe: each attempt ends within 2 s, body and decoding included"
      )
    })
  )

  it.effect("where two breakers stand, a variable says which", () =>
    Effect.gen(function* () {
      class Two extends Integration.Service<Two>()(
        "shop/Two",
        { policy: Policy.standard(), shared: Policy.shared({ breaker: {} }), ...common },
        {
          charge: query("charge", Policy.stack(Policy.standard(), Policy.breaker({ name: "chargeOnly" }))),
          find: query("find")
        }
      ) {}
      const snapshot = yield* built(
        Two,
        fromEnv({
          STRIPE_BREAKER_CHARGE_ONLY_CONSECUTIVE: "7",
          STRIPE_BREAKER_BREAKER_CONSECUTIVE: "9",
          STRIPE_CIRCUIT_BREAKER_CHARGE_ONLY_MODE: "observe"
        })
      )
      assert.include(layerOf(snapshot, "charge", "circuitBreaker"), "opens at 7")
      assert.include(layerOf(snapshot, "charge", "circuitBreaker"), "opens at 9")
      assert.include(layerOf(snapshot, "find", "circuitBreaker"), "opens at 9")
      assert.deepStrictEqual(
        snapshot.modes.filter(({ mode }) => mode === "observe").map(({ name }) => name),
        ["chargeOnly"]
      )
      assert.deepStrictEqual(yield* problemsOf(Two, fromEnv({ STRIPE_BREAKER_CONSECUTIVE: "7" })), [
        'STRIPE_BREAKER_CONSECUTIVE="7": several layers could be meant, say which: STRIPE_BREAKER_CHARGE_ONLY_CONSECUTIVE, STRIPE_BREAKER_BREAKER_CONSECUTIVE'
      ])
    })
  )

  it.effect("goes over what the layer's own options say", () =>
    Effect.gen(function* () {
      const policy = { charge: Policy.standard({ attemptTimeout: "4 seconds" }) }
      const env = fromEnv({ STRIPE_MAX_ATTEMPTS: "2", STRIPE_REFUND_ATTEMPT_TIMEOUT: "3s" })
      const snapshot = yield* built(Stripe, env, { config: "STRIPE", policy })
      assert.deepStrictEqual(timeouts(snapshot), ["4 s", "10 s", "3 s"])
      assert.deepStrictEqual(
        snapshot.plan.map(({ worstCaseAttempts }) => worstCaseAttempts),
        [2, 2, 2]
      )
    })
  )

  it.effect("HttpIntegration.layer takes it too", () =>
    Effect.gen(function* () {
      const layer = HttpIntegration.layer(Stripe, { baseUrl: "https://stripe.example", config: "STRIPE" }).pipe(
        Layer.provide(
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.make(() => Effect.never)
          )
        ),
        Layer.provide(fromEnv({ STRIPE_MAX_ATTEMPTS: "0" }))
      )
      const error = yield* Effect.flip(Layer.build(layer))
      assert.include(error.message, 'from STRIPE_MAX_ATTEMPTS="0"')
    })
  )
})

describe("config: what is refused", () => {
  it.effect("all at once: every variable by its name, its text and what was expected", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(
        Stripe,
        fromEnv({
          STRIPE_ATTEMPT_TIMEOUT: "soon",
          STRIPE_TOTAL_DEADLINE: "2000",
          STRIPE_MAX_ATTEMPTS: "0",
          STRIPE_CHARGE_MAX_ATTEMPTS: "2.5",
          STRIPE_BREAKER_RATE_THRESHOLD: "half",
          STRIPE_RETRY_MODE: "on",
          STRIPE_BULKHEAD_CONCURRENCY: "-1",
          STRIPE_ATEMPT_TIMEOUT: "2s",
          STRIPE_FIND_CUSTOMR_MAX_ATTEMPTS: "2",
          STRIPE_API_KEY: "sk_live_secret",
          STRIPE_URL: "https://stripe.example"
        })
      )
      assert.sameMembers(
        [...problems],
        [
          'STRIPE_ATTEMPT_TIMEOUT="soon": expected a duration with its unit, such as 2s, 500ms or 1 minute',
          'STRIPE_TOTAL_DEADLINE="2000": expected a duration with its unit, such as 2s, 500ms or 1 minute',
          'STRIPE_CHARGE_MAX_ATTEMPTS="2.5": expected a whole number, such as 5',
          'STRIPE_BREAKER_RATE_THRESHOLD="half": expected a number, such as 0.5',
          'STRIPE_RETRY_MODE="on": expected enforce, observe or off',
          'findCustomer, refund: maxAttempts must be a finite integer of at least 1, got 0 (from STRIPE_MAX_ATTEMPTS="0")',
          'charge, findCustomer, refund: the bulkhead\'s concurrency must be an integer of at least 1, got -1 (from STRIPE_BULKHEAD_CONCURRENCY="-1")',
          'charge, findCustomer, refund: the bulkhead\'s queue must be an integer of at least 0, got -1 (from STRIPE_BULKHEAD_CONCURRENCY="-1")',
          "STRIPE_ATEMPT_TIMEOUT is not known: did you mean STRIPE_ATTEMPT_TIMEOUT?",
          "STRIPE_FIND_CUSTOMR_MAX_ATTEMPTS is not known: did you mean STRIPE_FIND_CUSTOMER_MAX_ATTEMPTS?"
        ]
      )
      assert.notInclude(problems.join("\n"), "secret")
    })
  )

  it.effect.each([
    [
      { STRIPE_ATTEMPT_TIMEOUT: "40s" },
      [
        'charge, findCustomer, refund: the attempt timeout of 40 s is longer than the total deadline of 30 s (from STRIPE_ATTEMPT_TIMEOUT="40s")'
      ]
    ],
    [
      { STRIPE_ATTEMPT_TIMEOUT: "40s", STRIPE_CHARGE_TOTAL_DEADLINE: "20s", STRIPE_REFUND_ATTEMPT_TIMEOUT: "1s" },
      [
        'charge: the attempt timeout of 40 s is longer than the total deadline of 20 s (from STRIPE_CHARGE_TOTAL_DEADLINE="20s", STRIPE_ATTEMPT_TIMEOUT="40s")',
        'findCustomer: the attempt timeout of 40 s is longer than the total deadline of 30 s (from STRIPE_ATTEMPT_TIMEOUT="40s")'
      ]
    ],
    // A number that makes no sense does not hide the contradiction of two others.
    [
      { STRIPE_MAX_ATTEMPTS: "0", STRIPE_TOTAL_DEADLINE: "5s" },
      [
        'charge, findCustomer, refund: maxAttempts must be a finite integer of at least 1, got 0 (from STRIPE_MAX_ATTEMPTS="0")',
        'charge, findCustomer, refund: the attempt timeout of 10 s is longer than the total deadline of 5 s (from STRIPE_TOTAL_DEADLINE="5s")'
      ]
    ],
    // Nothing is said of a contradiction with a number that is to be written anew.
    [
      { STRIPE_ATTEMPT_TIMEOUT: "-1s", STRIPE_TOTAL_DEADLINE: "5s" },
      [
        'charge, findCustomer, refund: the attempt timeout must be longer than zero, got -1000 ms (from STRIPE_ATTEMPT_TIMEOUT="-1s")'
      ]
    ],
    [
      { STRIPE_BREAKER_OPEN_FOR: "10s" },
      [
        'charge, findCustomer, refund: the breaker\'s openFor of 10 s is longer than its maxOpenFor of 5 s (from STRIPE_BREAKER_OPEN_FOR="10s")'
      ]
    ],
    [
      { STRIPE_TOTAL_DEADLINE: "20 minutes" },
      [
        'charge, findCustomer, refund: the total deadline of 20 min is longer than 10 min: give totalDeadline a longRunning reason (from STRIPE_TOTAL_DEADLINE="20 minutes")'
      ]
    ]
  ] as const)("contradictions, with the variables that gave the numbers: %j", ([env, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf(Stripe, fromEnv(env)), [...expected])
    })
  )

  it.effect("a contradiction with what the operation says of its key", () =>
    Effect.gen(function* () {
      class Keyed extends Integration.Service<Keyed>()(
        "shop/Keyed",
        { policy: Policy.standard(), ...common },
        {
          pay: Operation.mutation("pay", {
            input: Schema.Struct({ order: Schema.String }),
            idempotency: Idempotency.keyed(
              ({ order }: { readonly order: string }) => IdempotencyKey.derive("pay", order),
              {
                lifetime: "15 seconds"
              }
            ),
            success: Schema.String,
            send: answer
          })
        }
      ) {}
      assert.deepStrictEqual(yield* problemsOf(Keyed, fromEnv({ STRIPE_ATTEMPT_TIMEOUT: "20s" })), [
        'pay: the attempt timeout of 20 s does not fit into the key\'s lifetime of 15 s (from STRIPE_ATTEMPT_TIMEOUT="20s")'
      ])
    })
  )

  it.effect("an operation's own number of a layer that all share, and one that no layer takes", () =>
    Effect.gen(function* () {
      class Mixed extends Integration.Service<Mixed>()(
        "shop/Mixed",
        { policy: Policy.standard(), shared: Policy.shared({ breaker: {} }), ...common },
        {
          charge: query("charge"),
          once: query(
            "once",
            Policy.stack(
              Policy.totalDeadline("30 seconds"),
              Policy.retryNever("dear"),
              Policy.attemptTimeout("10 seconds")
            )
          )
        }
      ) {}
      const problems = yield* problemsOf(
        Mixed,
        fromEnv({
          STRIPE_CHARGE_BREAKER_CONSECUTIVE: "3",
          STRIPE_ONCE_MAX_ATTEMPTS: "3",
          STRIPE_HEDGE_MODE: "observe",
          STRIPE_RATE_LIMIT: "5",
          STRIPE_CHARGE_BULKHEAD_QUEUE: "5"
        })
      )
      assert.sameMembers(
        [...problems],
        [
          "STRIPE_CHARGE_BREAKER_CONSECUTIVE: breaker is one for charge, once: set STRIPE_BREAKER_CONSECUTIVE for all of them",
          'STRIPE_ONCE_MAX_ATTEMPTS="3": no layer of once takes it',
          'STRIPE_HEDGE_MODE="observe": no layer of shop/Mixed takes it',
          'STRIPE_RATE_LIMIT="5": no layer of shop/Mixed takes it',
          'STRIPE_CHARGE_BULKHEAD_QUEUE="5": no layer of charge takes it'
        ]
      )
    })
  )

  it.effect("observe for a layer that can't", () =>
    Effect.gen(function* () {
      const blind = Policy.make({ slot: "attempt", name: "signature", build: () => Effect.succeed((step) => step) })
      class Blind extends Integration.Service<Blind>()(
        "shop/Blind",
        { policy: Policy.stack(Policy.standard(), blind), ...common },
        { get: query("get") }
      ) {}
      assert.deepStrictEqual(yield* problemsOf(Blind, fromEnv({ STRIPE_SIGNATURE_MODE: "observe" })), [
        'get: signature can\'t tell what it would do: let it enforce, or switch it off (from STRIPE_SIGNATURE_MODE="observe")'
      ])
    })
  )

  it.effect("two operations that are written alike", () =>
    Effect.gen(function* () {
      class Alike extends Integration.Service<Alike>()(
        "shop/Alike",
        { policy: Policy.standard(), ...common },
        { getThing: query("getThing"), get_thing: query("get_thing") }
      ) {}
      yield* built(Alike, fromEnv({ STRIPE_ATTEMPT_TIMEOUT: "2s" }))
      assert.deepStrictEqual(yield* problemsOf(Alike, fromEnv({ STRIPE_GET_THING_ATTEMPT_TIMEOUT: "2s" })), [
        "STRIPE_GET_THING_ATTEMPT_TIMEOUT may mean ATTEMPT_TIMEOUT of getThing or ATTEMPT_TIMEOUT of get_thing: rename one of them"
      ])
    })
  )

  it.effect("what looks like another prefix is left alone, and so is what is far from any name", () =>
    Effect.gen(function* () {
      const env = { STRIPE_2_ATTEMPT_TIMEOUT: "2s", STRIPE_EU_MAX_ATTEMPTS: "x", STRIPE_TIMEOUT: "1", STRIPE: "x" }
      assert.deepStrictEqual(timeouts(yield* built(Stripe, fromEnv(env))), ["10 s", "10 s", "10 s"])
    })
  )

  it.effect("a misspelt name in nested JSON; a provider that can't enumerate reads what it is asked for", () =>
    Effect.gen(function* () {
      const json = ConfigProvider.layer(ConfigProvider.fromUnknown({ STRIPE: { CHARGE: { ATTEMPT_TIMOUT: "2s" } } }))
      assert.deepStrictEqual(yield* problemsOf(Stripe, json), [
        "STRIPE_CHARGE_ATTEMPT_TIMOUT is not known: did you mean STRIPE_CHARGE_ATTEMPT_TIMEOUT?"
      ])
      const bare = ConfigProvider.layer(
        ConfigProvider.make((path) =>
          Effect.succeed(
            { "STRIPE/ATTEMPT_TIMEOUT": "2s", "STRIPE/ATEMPT_TIMEOUT": "3s" }[path.join("/")] === undefined
              ? undefined
              : ConfigProvider.makeValue("2s")
          )
        )
      )
      assert.deepStrictEqual(timeouts(yield* built(Stripe, bare)), ["2 s", "2 s", "2 s"])
    })
  )

  it.effect("a source that can't be read, and a prefix that is none", () =>
    Effect.gen(function* () {
      const broken = ConfigProvider.layer(
        ConfigProvider.make(() => Effect.fail(new ConfigProvider.SourceError({ message: "the vault is sealed" })))
      )
      const [problem] = yield* problemsOf(Stripe, broken)
      assert.include(problem, "the configuration below STRIPE could not be read")
      assert.include(problem, "the vault is sealed")
      assert.deepStrictEqual(yield* problemsOf(Stripe, fromEnv({}), { config: "" }), [
        'config must be a prefix such as STRIPE, got ""'
      ])
    })
  )
})

describe("config: names", () => {
  it("of operations", () => {
    assert.deepStrictEqual(
      ["charge", "createCharge", "getHTTPStatus", "get_thing", "v2/list", "Ärger"].map(upperSnake),
      ["CHARGE", "CREATE_CHARGE", "GET_HTTP_STATUS", "GET_THING", "V2_LIST", "RGER"]
    )
  })

  it("the catalogue is the numbers of the library's layers, and those of a layer with a name begin with its word", () => {
    const all: ReadonlyArray<Policy.Any> = [
      Policy.standard(),
      Policy.breaker({ slow: { after: "1 second" } }),
      Policy.bulkhead({ concurrency: 1 }),
      Policy.rateLimit({ limit: 1, window: "1 second" }),
      Policy.budget(),
      Policy.budgetRatio(),
      Policy.hedge({ after: "1 second" }),
      Policy.hedge({ after: { percentile: 95 } }),
      Policy.coalesce({ principal: "everyone" }),
      Policy.staleIfError({ for: "1 minute", principal: "everyone" })
    ]
    const found = new Set<string>()
    for (const { slot, tunable } of all.flatMap((policy) => policy.layers)) {
      const word = { circuitBreaker: "BREAKER", bulkhead: "BULKHEAD", rateLimit: "RATE_LIMIT" }[slot as string]
      for (const name of Object.keys(tunable?.settings ?? {})) {
        found.add(name)
        assert.match(name, /^[A-Z][A-Z_]*$/)
        if (word !== undefined) assert.isTrue(name.startsWith(word), name)
      }
    }
    assert.deepStrictEqual([...found].toSorted(), [...catalogue].toSorted())
  })

  it("distance counts letters", () => {
    assert.deepStrictEqual(
      (
        [
          ["abc", "abc"],
          ["abc", "abd"],
          ["abc", "ab"],
          ["abc", "bac"],
          ["abc", "abcdef"]
        ] as const
      ).map(([a, b]) => distance(a, b, 2)),
      [0, 1, 1, 2, 3]
    )
  })
})
