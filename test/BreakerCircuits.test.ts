// What a breaker is beside its trip rules by failures: keys, slow attempts, what an operator forces, modes, metrics.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Exit, Fiber, Layer, Metric, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Call, Site } from "../src/Call.ts"
import type { BreakerControl } from "../src/internal/breaker.ts"
import { BreakerMetrics } from "../src/internal/breakerMetrics.ts"
import { Circuits } from "../src/internal/circuits.ts"
import { type Controlled, ControlId } from "../src/internal/control.ts"
import type { Layer as PolicyLayer } from "../src/internal/policy.ts"
import { Acme, failureOf, Lookup, say, scripted, type ScriptedOptions, seededly, thing } from "./properties/support.ts"

const once = Policy.stack(
  Policy.totalDeadline("60 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("20 seconds")
)
const down = () => say(Reason.unavailable())
const up = () => Effect.succeed("ok")
const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? (Exit.isSuccess(exit) ? "ok" : "?")
const times = (call: Effect.Effect<unknown, unknown>, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.map(Effect.exit(call), tagOf))
const start = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })

/** A breaker, what an operator reaches of it, and what an attempt sees of `site`. */
const breaking = (
  options: Policy.BreakerOptions,
  send: ScriptedOptions["send"],
  mode: Policy.Mode = "enforce",
  more: Policy.Policy<never, "any"> = Policy.noop
) =>
  Effect.gen(function* () {
    const seen: { control: BreakerControl | undefined; site: Site | undefined } = {
      control: undefined,
      site: undefined
    }
    const layer = Policy.breaker(options).layers[0]!
    const policy = {
      ...layer,
      build: (site: Site) => {
        seen.site ??= site
        const shared: Site["shared"] = (name, settings, make) =>
          Effect.map(site.shared(name, settings, make), (state) => {
            seen.control = state as BreakerControl
            return state
          })
        return layer.build({ ...site, shared }) as never
      }
    } as PolicyLayer
    const breaker = Policy.withMode({ ...Policy.breaker(options), layers: [policy] } as never, mode)
    const made = yield* scripted({ policy: Policy.stack(once, breaker as Policy.Policy<never, "any">, more), send })
    return { ...made, control: seen.control!, site: seen.site! }
  })

const decisions = (events: ReadonlyArray<Telemetry.CallObserved>) =>
  events.map((event) =>
    event.decisions.map(({ decided, mode }) => (mode === "enforce" ? decided : `${mode} ${decided}`))
  )

const registry = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(self, Metric.MetricRegistry, new Map() as Metric.MetricRegistry)

/** The values of one metric by what its attributes say. */
const metric = (id: string, ...by: ReadonlyArray<string>) =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all
        .filter((one) => one.id === id)
        .map((one) => [
          by.map((name) => (one.attributes as Record<string, string> | undefined)?.[name]).join(" "),
          (one.state as { readonly value?: number; readonly count?: number }).value ??
            (one.state as { readonly count: number }).count
        ])
    )
  )

describe("a breaker's keys", () => {
  it.effect("by operation: one that fails does not turn the other away", () =>
    Effect.gen(function* () {
      const { call, control, other } = yield* breaking({ consecutive: 1, key: "operation" }, (n) =>
        n === 1 ? down() : up()
      )
      // They are known before any call.
      assert.deepStrictEqual(control.circuits(), [
        { key: "send", state: "Closed", forced: undefined },
        { key: "other", state: "Closed", forced: undefined }
      ])
      assert.deepStrictEqual(yield* times(call, 2), ["Unavailable", "CircuitOpen"])
      assert.deepStrictEqual(yield* times(other, 2), ["ok", "ok"])
      assert.deepStrictEqual(control.circuits(), [
        { key: "send", state: "Open", forced: undefined },
        { key: "other", state: "Closed", forced: undefined }
      ])
    }).pipe(seededly(1))
  )

  it.effect("by what a function reads: each as it comes up, and each says whether it is closed", () =>
    Effect.gen(function* () {
      let tenant = "a"
      const { call, control, site } = yield* breaking({ consecutive: 1, key: () => tenant }, down)
      assert.deepStrictEqual(control.circuits(), [])
      const clear = () => site.clear.every((is) => is(undefined as unknown as Call, 0))
      yield* Effect.exit(call)
      assert.isFalse(clear())
      tenant = "b"
      assert.isTrue(clear())
      assert.deepStrictEqual(control.circuits(), [{ key: "a", state: "Open", forced: undefined }])
    }).pipe(seededly(1))
  )

  it.effect("by host: the host of an HTTP operation", () =>
    Effect.gen(function* () {
      const provider = FaultInjection.make({
        respond: () => ({ body: thing }),
        faults: () => FaultInjection.status(500)
      })
      const policy = Policy.stack(once, Policy.breaker({ consecutive: 1, key: "host" }))
      const layer = HttpIntegration.layer(Acme, { baseUrl: "https://acme.example", policy: { get: policy } }).pipe(
        Layer.provide([provider.layer, Layer.succeed(Lookup, { find: () => Effect.succeed(Option.none()) })])
      )
      const acme = Context.get(yield* Layer.build(layer), Acme)
      yield* Effect.exit(acme.get({ params: { id: "1" } }))
      const failure = failureOf(yield* Effect.exit(acme.get({ params: { id: "1" } })))!
      assert.match(failure.reason.message, /^the circuit acme.example is open for/)
    }).pipe(seededly(1))
  )

  it.effect.each([
    ["the breaker", Policy.breaker({ key: "host" })],
    ["the bulkhead", Policy.bulkhead({ concurrency: 1, key: "host" })]
  ] as const)("by host, on an operation that has none: %s is refused", ([what, policy]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(scripted({ policy: Policy.stack(once, policy), send: up }))
      assert.strictEqual(
        String((error as Error).message),
        `test/Scripted send: ${what} is split by host, but the operation has none: give another key, or a fixed base URL`
      )
    }).pipe(seededly(1))
  )

  it.effect("one name with two kinds of key is refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        scripted({
          policy: Policy.stack(once, Policy.breaker({ key: "operation" })),
          shared: Policy.breaker(),
          send: up
        })
      )
      // What was not chosen is not in it: the integration's has the key that every breaker has.
      const rules =
        '"consecutive":5,"rate":{"threshold":0.5,"size":20,"minimumCalls":20},"openFor":1000,"maxOpenFor":5000'
      assert.strictEqual(
        (error as Error).message,
        `test/Scripted send: breaker breaker has {${rules},"key":"operation"} here and {${rules}} in send: one name is one state, give another name`
      )
    }).pipe(seededly(1))
  )

  it.effect("ten thousand keys that only fail are forgotten when they have been idle for an hour", () =>
    Effect.gen(function* () {
      const circuits = new Circuits(
        {
          consecutive: 3,
          rate: { threshold: 0.5, size: 20, minimumCalls: 20 },
          slow: undefined,
          openFor: 1,
          maxOpenFor: 1
        },
        new BreakerMetrics("i", "b", false),
        Context.empty()
      )
      const fail = (key: string, now: number) => {
        const ticket = circuits.take(key, now, Context.empty())
        if (typeof ticket === "number") return assert.fail(`${key} was turned away`)
        circuits.put(key, ticket, { health: "failure", slow: false, random: 0, hint: 0 }, now, Context.empty())
      }
      for (let n = 0; n < 10_000; n++) fail(`k${n}`, n)
      // Some of them are open.
      for (let n = 0; n < 100; n++) for (let m = 0; m < 2; m++) fail(`k${n}`, 10_000)
      assert.strictEqual(circuits.circuits().length, 10_000)
      fail("last", 3_600_000 + 9_000)
      assert.isBelow(circuits.circuits().length, 2_000)
      fail("last", 2 * 3_600_000 + 20_000)
      assert.deepStrictEqual(
        circuits.circuits().map(({ key }) => key),
        ["last"]
      )
    })
  )
})

describe("circuits that are learned of a store", () => {
  it("are forgotten too when they have been idle for an hour", () => {
    const rules = { consecutive: 3, rate: undefined, slow: undefined, openFor: 1, maxOpenFor: 1 }
    const circuits = new Circuits(rules, new BreakerMetrics("i", "b", false), Context.empty())
    for (const [key, now] of [
      ["a", 0],
      ["b", 2 * 3_600_000]
    ] as const) {
      circuits.learn(key, now, Context.empty(), {})
    }
    assert.deepStrictEqual(
      circuits.circuits().map(({ key }) => key),
      ["b"]
    )
  })
})

describe("a breaker that looks at time", () => {
  const slow = { after: "1 second", rate: 0.5, size: 4 } as const

  const paced = (delays: ReadonlyArray<number>, options: Policy.BreakerOptions = { slow }) =>
    Effect.gen(function* () {
      const made = yield* breaking(options, (n) => Effect.delay(up(), delays[n - 1]!))
      const tags = []
      for (const _ of delays) {
        const fiber = yield* start(made.call)
        yield* TestClock.adjust("19 seconds")
        tags.push(tagOf(yield* Fiber.await(fiber)))
      }
      return { ...made, tags }
    })

  it.effect(
    "opens when the share of slow attempts is reached, successes included, and not before enough are known",
    () =>
      Effect.gen(function* () {
        const { control, tags } = yield* paced([1_001, 1_001, 5, 5])
        assert.deepStrictEqual(tags, ["ok", "ok", "ok", "ok"])
        assert.strictEqual(control.circuits()[0]!.state, "Open")
        const at = yield* paced([1_000, 1_000, 1_000, 1_001])
        assert.strictEqual(at.control.circuits()[0]!.state, "Closed")
        const early = yield* paced([1_001, 1_001], { slow: { ...slow, minimumCalls: 2 } })
        assert.strictEqual(early.control.circuits()[0]!.state, "Open")
        // It looks at the last four: three fast ones push two slow ones out.
        const pushed = yield* paced([1_001, 5, 5, 5, 1_001, 5, 5, 5])
        assert.strictEqual(pushed.control.circuits()[0]!.state, "Closed")
      }).pipe(seededly(1))
  )

  it.effect("a wait for a permit is none of the provider's time", () =>
    Effect.gen(function* () {
      const { call, control, events } = yield* breaking(
        { slow },
        () => Effect.delay(up(), "900 millis"),
        "enforce",
        Policy.bulkhead({ concurrency: 1, queue: 10 })
      )
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => start(call))
      yield* TestClock.adjust("10 seconds")
      for (const fiber of fibers) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      assert.strictEqual(events.at(-1)!.queueWait, 4_500)
      assert.strictEqual(control.circuits()[0]!.state, "Closed")
    }).pipe(seededly(1))
  )

  it.effect("what an earlier attempt of the call waited makes a later one no faster", () =>
    Effect.gen(function* () {
      let held = true
      const { call, control, sent } = yield* breaking(
        { slow: { after: "1 second", size: 4, minimumCalls: 2 } },
        () => (held ? Effect.delay(up(), "1 second") : Effect.delay(say(Reason.unavailable()), "1100 millis")),
        "enforce",
        Policy.stack(
          Policy.retry(Policy.backoff({ base: 1 }), { maxAttempts: 2 }),
          Policy.bulkhead({ concurrency: 1, queue: 10 })
        )
      )
      const holding = yield* Effect.forEach([1, 2, 3], () => start(call))
      const waiting = yield* start(call)
      yield* TestClock.adjust("2500 millis")
      held = false
      yield* TestClock.adjust("10 seconds")
      for (const fiber of holding) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      assert.strictEqual(tagOf(yield* Fiber.await(waiting)), "Unavailable")
      // The fourth waited 3 s for its first attempt, and each of its two took longer than a second.
      assert.strictEqual(sent.length, 5)
      assert.strictEqual(control.circuits()[0]!.state, "Open")
    }).pipe(seededly(1))
  )

  it.effect("what the deadline cut was slow, if it was; what a caller gave up is not counted", () =>
    Effect.gen(function* () {
      // The second attempt of each call has 600 ms of its second, and would take for ever: no failure.
      for (const [after, opens] of [
        ["500 millis", true],
        ["700 millis", false]
      ] as const) {
        const { call } = yield* scripted({
          policy: Policy.stack(
            Policy.standard({
              attemptTimeout: "1 second",
              totalDeadline: "1500 millis",
              maxAttempts: 2,
              schedule: Policy.backoff({ throttledBase: 1 })
            }),
            Policy.breaker({ slow: { after, size: 2 }, openFor: "5 seconds" })
          ),
          send: (n) => (n % 2 === 1 ? Effect.delay(say(Reason.throttled()), "900 millis") : Effect.never)
        })
        const tags = []
        for (let n = 0; n < 4; n++) {
          const fiber = yield* start(call)
          yield* TestClock.adjust("1500 millis")
          tags.push(tagOf(yield* Fiber.await(fiber)))
        }
        assert.deepStrictEqual(
          tags,
          opens ? ["Timeout", "Timeout", "CircuitOpen", "CircuitOpen"] : Array(4).fill("Timeout"),
          after
        )
      }
      const { call, control } = yield* breaking({ slow: { ...slow, size: 2 } }, () => Effect.never)
      for (let n = 0; n < 3; n++) {
        const fiber = yield* start(call)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(control.circuits()[0]!.state, "Closed")
    }).pipe(seededly(1))
  )

  it.effect("a slow probe opens it again", () =>
    Effect.gen(function* () {
      const { control, tags } = yield* paced([1_001, 1_001, 1_001, 1_001, 1_001, 5], { slow })
      assert.deepStrictEqual(tags, ["ok", "ok", "ok", "ok", "ok", "ok"])
      assert.strictEqual(control.circuits()[0]!.state, "Closed")
      const reopened = yield* paced([1_001, 1_001, 1_001, 1_001, 1_001], { slow })
      assert.strictEqual(reopened.control.circuits()[0]!.state, "Open")
      assert.deepStrictEqual(decisions(reopened.events).slice(-2), [["opened"], ["opened"]])
    }).pipe(seededly(1))
  )

  it.effect.each([
    [{ slow: { after: 0 } }, "the breaker's slow.after must be longer than zero, got 0 ms"],
    [{ slow: { after: "1 second", rate: 1.5 } }, "the breaker's slow.rate must be in (0, 1], got 1.5"],
    [{ slow: { after: "1 second", size: 0 } }, "the breaker's slow.size must be an integer of at least 1, got 0"],
    [
      { slow: { after: "1 second", size: 3, minimumCalls: 4 } },
      "the breaker's slow.minimumCalls must be in [1, 3] (slow.size), got 4"
    ],
    [{ rate: { minimumCalls: 21 } }, "the breaker's rate.minimumCalls must be in [1, 20] (rate.size), got 21"]
  ] as const)("numbers that make no sense are named: %j", ([options, problem]) =>
    Effect.sync(() => assert.include(Policy.breaker(options).layers[0]!.problems, problem))
  )
})

describe("an operator", () => {
  it.effect("forces it open and closed, for one circuit or all; nothing is recorded meanwhile", () =>
    Effect.gen(function* () {
      let healthy = true
      const { call, control, events, other, sent } = yield* breaking({ consecutive: 2, key: "operation" }, () =>
        healthy ? up() : down()
      )
      control.force("send", "open")
      const failure = failureOf(yield* Effect.exit(call))!
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.reason.message, failure.retryAfter],
        ["CircuitOpen", "NotSent", "the circuit send is forced open by an operator", undefined]
      )
      assert.deepStrictEqual(yield* times(other, 1), ["ok"])
      assert.deepStrictEqual(decisions(events)[0], ["rejected"])
      control.force(undefined, "open")
      assert.deepStrictEqual(yield* times(other, 1), ["CircuitOpen"])
      assert.strictEqual(sent.length, 1)
      assert.deepStrictEqual(control.circuits(), [
        { key: "send", state: "Closed", forced: "open" },
        { key: "other", state: "Closed", forced: "open" }
      ])
      // Forced closed, failures pass and leave no trace.
      healthy = false
      control.force(undefined, "closed")
      assert.deepStrictEqual(yield* times(call, 5), Array(5).fill("Unavailable"))
      control.force(undefined, undefined)
      assert.deepStrictEqual(yield* times(call, 3), ["Unavailable", "Unavailable", "CircuitOpen"])
      // One that is open is given back to its own state.
      control.force("send", "closed")
      assert.deepStrictEqual(yield* times(call, 1), ["Unavailable"])
      control.force("send", undefined)
      assert.deepStrictEqual(yield* times(call, 1), ["CircuitOpen"])
    }).pipe(seededly(1))
  )

  it.effect("reaches it through the states of an integration", () =>
    Effect.gen(function* () {
      class Any extends Integration.Service<Any>()(
        "test/Any",
        {
          policy: once,
          shared: Policy.shared({ breaker: { name: "mine" } }),
          exhausted: Exhaustion.fail,
          orElse: () => ({ _tag: "Gone" as const })
        },
        { get: Operation.query("get", { success: Schema.String, send: () => Effect.succeed("x") }) }
      ) {}
      const any = Context.get(yield* Layer.build(Integration.layer(Any)), Any)
      const { states } = (any as unknown as { readonly [ControlId]: Controlled })[ControlId]
      const control = states.get("breaker mine")!.state as BreakerControl
      control.force(undefined, "open")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(any.get())))
      control.force(undefined, undefined)
      assert.strictEqual(yield* any.get(), "x")
    }).pipe(seededly(1))
  )
})

describe("a breaker's modes", () => {
  it.effect("observe: nothing is turned away, rejections are told, and the circuit lives as it would", () =>
    Effect.gen(function* () {
      let healthy = false
      const { call, control, events, sent } = yield* breaking(
        { consecutive: 2 },
        () => (healthy ? up() : down()),
        "observe"
      )
      assert.deepStrictEqual(yield* times(call, 4), Array(4).fill("Unavailable"))
      assert.strictEqual(sent.length, 4)
      assert.strictEqual(control.circuits()[0]!.state, "Open")
      assert.deepStrictEqual(decisions(events), [[], ["observe opened"], ["observe rejected"], ["observe rejected"]])
      yield* TestClock.adjust("1 second")
      healthy = true
      // The probe is recorded, and closes it.
      assert.deepStrictEqual(yield* times(call, 1), ["ok"])
      assert.deepStrictEqual(decisions(events).at(-1), ["observe closed"])
      control.force(undefined, "open")
      assert.deepStrictEqual(yield* times(call, 1), ["ok"])
      assert.deepStrictEqual(decisions(events).at(-1), ["observe rejected"])
    }).pipe(seededly(1))
  )

  it.effect("the predicate that hedging reads is true while the circuit is closed, or nothing is enforced", () =>
    Effect.gen(function* () {
      for (const mode of ["enforce", "observe"] as const) {
        const { call, control, site } = yield* breaking({ consecutive: 1 }, down, mode)
        const clear = () => site.clear.every((is) => is(undefined as unknown as Call, 0))
        assert.isTrue(clear())
        control.force(undefined, "open")
        assert.strictEqual(clear(), mode === "observe")
        control.force(undefined, undefined)
        yield* Effect.exit(call)
        assert.strictEqual(clear(), mode === "observe")
        control.force(undefined, "closed")
        assert.isTrue(clear())
      }
    }).pipe(seededly(1))
  )
})

describe("a breaker's numbers", () => {
  const whole: Policy.BreakerOptions = {
    consecutive: 9,
    openFor: 100,
    maxOpenFor: 200,
    rate: { threshold: 0.4, size: 8, minimumCalls: 3 },
    slow: { after: 300, rate: 0.6, size: 7, minimumCalls: 2 }
  }
  const layerOf = (options?: Policy.BreakerOptions) => Policy.breaker(options).layers[0]!
  const valuesOf = (layer: PolicyLayer) =>
    Object.values(layer.tunable!.settings).map(({ kind, value }) => `${kind} ${value}`)

  it("have defaults, and say them", () => {
    const layer = layerOf()
    assert.deepStrictEqual([layer.slot, layer.name], ["circuitBreaker", "breaker"])
    assert.strictEqual(layer.describe, "opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s")
    assert.deepStrictEqual(layer.problems, [])
    assert.deepStrictEqual(valuesOf(layerOf({ slow: { after: 10 } })), [
      "integer 5",
      "duration 1000",
      "duration 5000",
      "number 0.5",
      "integer 20",
      "integer 20",
      "duration 10",
      "number 0.5",
      "integer 20",
      "integer 20"
    ])
    // As many as the window holds are to be known, unless another number is given.
    assert.strictEqual(valuesOf(layerOf({ rate: { size: 6 } }))[5], "integer 6")
    assert.strictEqual(valuesOf(layerOf({ slow: { after: 10, size: 6 } }))[9], "integer 6")
    assert.strictEqual(
      layerOf({ ...whole, name: "mine", store: "environment" }).describe,
      "opens at 9 failures in a row or 40 % of 8 or 60 % of 7 slower than 300 ms, for 100 ms to 200 ms, in a store that processes share"
    )
    assert.strictEqual(layerOf({ name: "mine" }).name, "mine")
  })

  it("that are left out of a configuration stay, and each is replaced by its own name alone", () => {
    const layer = layerOf(whole)
    const names = Object.keys(layer.tunable!.settings)
    const own = valuesOf(layer)
    assert.deepStrictEqual(valuesOf(layer.tunable!.tune({})), own)
    const others = [4, 50, 400, 0.2, 5, 1, 77, 0.9, 4, 1]
    for (const [n, name] of names.entries()) {
      const tuned = valuesOf(layer.tunable!.tune({ [name]: others[n]! }))
      const expected = own.map((value, at) => (at === n ? value.replace(/ .*/, ` ${others[n]}`) : value))
      assert.deepStrictEqual(tuned, expected, name)
    }
    // Of a rate that is off, one number turns it on; the others are the defaults.
    const off = layerOf({ rate: false })
    assert.deepStrictEqual(valuesOf(off.tunable!.tune({ BREAKER_OPEN_FOR: 10 })).slice(3, 6), [
      "number undefined",
      "integer undefined",
      "integer undefined"
    ])
    for (const [name, value, expected] of [
      ["BREAKER_RATE_THRESHOLD", 0.3, ["number 0.3", "integer 20", "integer 20"]],
      ["BREAKER_RATE_SIZE", 4, ["number 0.5", "integer 4", "integer 4"]],
      ["BREAKER_RATE_MINIMUM_CALLS", 4, ["number 0.5", "integer 20", "integer 4"]]
    ] as const) {
      assert.deepStrictEqual(valuesOf(off.tunable!.tune({ [name]: value })).slice(3, 6), [...expected])
    }
    // Time is looked at once it is said what is slow.
    const plain = layerOf()
    assert.deepStrictEqual(valuesOf(plain.tunable!.tune({ BREAKER_SLOW_RATE: 0.3 })).slice(6), [
      "duration undefined",
      "number undefined",
      "integer undefined",
      "integer undefined"
    ])
    assert.deepStrictEqual(valuesOf(plain.tunable!.tune({ BREAKER_SLOW_AFTER: 5, BREAKER_SLOW_RATE: 0.3 })).slice(6), [
      "duration 5",
      "number 0.3",
      "integer 20",
      "integer 20"
    ])
  })

  it("are fine at their bounds, and named just past them", () => {
    const problems = (options: Policy.BreakerOptions) => layerOf(options).problems
    for (const options of [
      { consecutive: 1 },
      { rate: { threshold: 1 } },
      { rate: { size: 1 } },
      { rate: { size: 3, minimumCalls: 3 } },
      { rate: { minimumCalls: 1 } },
      { openFor: 5_000 }
    ]) {
      assert.deepStrictEqual(problems(options), [], JSON.stringify(options))
    }
    for (const [options, expected] of [
      [{ consecutive: 1.5 }, ["the breaker's consecutive must be an integer of at least 1, got 1.5"]],
      [{ consecutive: 0 }, ["the breaker's consecutive must be an integer of at least 1, got 0"]],
      [{ rate: { threshold: 0 } }, ["the breaker's rate.threshold must be in (0, 1], got 0"]],
      [{ rate: { threshold: 1.1 } }, ["the breaker's rate.threshold must be in (0, 1], got 1.1"]],
      [{ rate: { size: 1.5, minimumCalls: 1 } }, ["the breaker's rate.size must be an integer of at least 1, got 1.5"]],
      [
        { rate: { size: 0, minimumCalls: 0 } },
        [
          "the breaker's rate.size must be an integer of at least 1, got 0",
          "the breaker's rate.minimumCalls must be in [1, 0] (rate.size), got 0"
        ]
      ],
      [{ rate: { minimumCalls: 0 } }, ["the breaker's rate.minimumCalls must be in [1, 20] (rate.size), got 0"]],
      [{ rate: { minimumCalls: 1.5 } }, ["the breaker's rate.minimumCalls must be in [1, 20] (rate.size), got 1.5"]],
      [
        { slow: { after: 1, minimumCalls: 21 } },
        ["the breaker's slow.minimumCalls must be in [1, 20] (slow.size), got 21"]
      ],
      [{ openFor: 6_000 }, ["the breaker's openFor of 6 s is longer than its maxOpenFor of 5 s"]],
      // Rounded, both would be 5 s, and the sentence would make no sense.
      [{ openFor: 5_001 }, ["the breaker's openFor of 5001 ms is longer than its maxOpenFor of 5000 ms"]],
      [{ maxOpenFor: Infinity }, ["the breaker's maxOpenFor must be finite, got infinity"]],
      [{ openFor: 0 }, ["the breaker's openFor must be longer than zero, got 0 ms"]],
      [{ slow: { after: 0 } }, ["the breaker's slow.after must be longer than zero, got 0 ms"]]
    ] as ReadonlyArray<readonly [Policy.BreakerOptions, ReadonlyArray<string>]>) {
      assert.deepStrictEqual(problems(options), expected, JSON.stringify(options))
    }
  })

  it("can be replaced by their names, and keep everything else", () => {
    const layer = Policy.breaker({ key: "operation", rate: false, openFor: "2 seconds" }).layers[0]!
    assert.deepStrictEqual(
      Object.entries(layer.tunable!.settings).map(([name, { kind, value }]) => `${name} ${kind} ${value}`),
      [
        "BREAKER_CONSECUTIVE integer 5",
        "BREAKER_OPEN_FOR duration 2000",
        "BREAKER_MAX_OPEN_FOR duration 5000",
        "BREAKER_RATE_THRESHOLD number undefined",
        "BREAKER_RATE_SIZE integer undefined",
        "BREAKER_RATE_MINIMUM_CALLS integer undefined",
        "BREAKER_SLOW_AFTER duration undefined",
        "BREAKER_SLOW_RATE number undefined",
        "BREAKER_SLOW_SIZE integer undefined",
        "BREAKER_SLOW_MINIMUM_CALLS integer undefined"
      ]
    )
    const tuned = (values: Record<string, number>) => layer.tunable!.tune(values).describe
    assert.strictEqual(
      tuned({ BREAKER_CONSECUTIVE: 7 }),
      "opens at 7 failures in a row, for 2 s to 5 s, for each operation"
    )
    assert.strictEqual(
      tuned({ BREAKER_RATE_SIZE: 10, BREAKER_SLOW_AFTER: 3_000, BREAKER_MAX_OPEN_FOR: 9_000 }),
      "opens at 5 failures in a row or 50 % of 10 or 50 % of 20 slower than 3 s, for 2 s to 9 s, for each operation"
    )
    assert.deepStrictEqual(layer.tunable!.tune({ BREAKER_CONSECUTIVE: 0 }).problems, [
      "the breaker's consecutive must be an integer of at least 1, got 0"
    ])
  })
})

describe("a breaker's metrics", () => {
  const names = Telemetry.names

  it.effect("one series per state and key, and every transition", () =>
    Effect.gen(function* () {
      let healthy = false
      const { call, control } = yield* breaking({ consecutive: 1, key: "operation" }, () => (healthy ? up() : down()))
      const state = metric(names.breakerState, names.breakerKey, names.breakerState)
      const of = (send: string) =>
        Object.fromEntries(
          ["send", "other"].flatMap((key) =>
            ["closed", "open", "half_open", "forced_open"].map((word) => [
              `${key} ${word}`,
              (key === "send" ? word === send : word === "closed") ? 1 : 0
            ])
          )
        )
      assert.deepStrictEqual(yield* state, of("closed"))
      yield* Effect.exit(call)
      assert.deepStrictEqual(yield* state, of("open"))
      yield* TestClock.adjust("1 second")
      healthy = true
      yield* Effect.exit(call)
      assert.deepStrictEqual(yield* state, of("closed"))
      control.force("send", "open")
      assert.deepStrictEqual(yield* state, of("forced_open"))
      control.force("send", "closed")
      assert.deepStrictEqual(yield* state, of("closed"))
      control.force("send", undefined)
      assert.deepStrictEqual(yield* metric(names.breakerTransitions, names.breakerFrom, names.breakerTo), {
        "closed open": 1,
        "open half_open": 1,
        "half_open closed": 1,
        "closed forced_open": 1,
        "forced_open closed": 1
      })
      assert.deepStrictEqual(yield* metric(names.breakerOpen), {})
    }).pipe(seededly(1), registry)
  )

  it.effect("keys that calls bring along are no attributes: only the number of open circuits is told", () =>
    Effect.gen(function* () {
      let tenant = "a"
      const { call, control } = yield* breaking({ consecutive: 1, key: () => tenant }, () =>
        tenant === "c" ? up() : down()
      )
      for (tenant of ["a", "b", "c"]) yield* Effect.exit(call)
      assert.deepStrictEqual(yield* metric(names.breakerState, names.breakerKey), {})
      assert.deepStrictEqual(yield* metric(names.breakerOpen, names.integration, names.policyName), {
        "test/Scripted breaker": 2
      })
      const open = metric(names.breakerOpen, names.policyName)
      // So is one that nobody has called.
      control.force("x", "open")
      assert.deepStrictEqual(yield* open, { breaker: 3 })
      const moved = yield* metric(names.breakerTransitions, names.breakerFrom, names.breakerTo)
      assert.deepStrictEqual(moved, { "closed open": 2, "closed forced_open": 1 })
      // Circuits that are forgotten are open no more, unless they are forced to be.
      yield* TestClock.adjust("2 hours")
      yield* Effect.exit(call)
      assert.deepStrictEqual(yield* open, { breaker: 1 })
      assert.deepStrictEqual(
        control.circuits().map(({ key }) => key),
        ["x", "c"]
      )
      control.force("x", undefined)
      assert.deepStrictEqual(yield* open, { breaker: 0 })
      yield* TestClock.adjust("2 hours")
      yield* Effect.exit(call)
      assert.deepStrictEqual(
        control.circuits().map(({ key }) => key),
        ["c"]
      )
    }).pipe(seededly(1), registry)
  )
})
