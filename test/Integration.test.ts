import { assert, describe, expect, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Schema,
  Scope,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { once as eventOf } from "node:events"
import { createInterface } from "node:readline"
import { Payments } from "./fixtures/Shop.ts"
import { json, once, ProviderApi, quiet, seen, serve, silence, thing, undici } from "./http/wire.ts"

const standard = Policy.standard({ attemptTimeout: "2 seconds", totalDeadline: "1 minute" })

/** Builds a layer in the test's scope. */
const built = <Self, Id extends string, Methods, R>(
  tag: Integration.ServiceClass<Self, Id, Methods, R>,
  layer: Layer.Layer<Self, unknown>
): Effect.Effect<Methods, never, Scope.Scope> =>
  Effect.map(Layer.build(Layer.orDie(layer)), (context) => Context.get(context, tag as never) as Methods)

const decided = { exhausted: Exhaustion.fail, orElse: seen }

// ---- layers

describe("layers", () => {
  class Guarded extends Integration.Service<Guarded>()(
    "test/Guarded",
    {
      policy: once(),
      shared: Policy.shared({
        breaker: Policy.breaker({ consecutive: 1, openFor: "1 minute", maxOpenFor: "1 minute" })
      }),
      ...decided
    },
    { get: HttpOperation.endpoint(ProviderApi, "things", "get") }
  ) {}

  const get = (api: Guarded["Service"]) =>
    Effect.map(Effect.flip(api.get({ params: { id: "1" } })), ({ failure }) => failure.reason._tag)

  it.live("of two calls of HttpIntegration.layer share nothing: one's open circuit is not the other's", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(500, {}))
      const make = () => HttpIntegration.layer(Guarded, { baseUrl: wire.url }).pipe(Layer.provide(undici))
      const first = yield* built(Guarded, make())
      const second = yield* built(Guarded, make())
      assert.deepStrictEqual([yield* get(first), yield* get(first)], ["Unavailable", "CircuitOpen"])
      assert.strictEqual(yield* get(second), "Unavailable")
      assert.strictEqual(wire.requests.length, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.live("of one value are one, however often it is provided", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(500, {}))
      const live = HttpIntegration.layer(Guarded, { baseUrl: wire.url }).pipe(Layer.provide(undici))
      class First extends Context.Service<First, Guarded["Service"]>()("test/First") {}
      class Second extends Context.Service<Second, Guarded["Service"]>()("test/Second") {}
      const services = yield* Layer.build(
        Layer.merge(Layer.effect(First, Guarded), Layer.effect(Second, Guarded)).pipe(Layer.provide(live), Layer.orDie)
      )
      const first = Context.get(services, First)
      assert.strictEqual(first, Context.get(services, Second))
      const twice = yield* Layer.build(Layer.orDie(Layer.merge(live, Layer.fresh(live))))
      assert.deepStrictEqual([yield* get(first), yield* get(first)], ["Unavailable", "CircuitOpen"])
      assert.strictEqual(yield* get(Context.get(twice, Guarded)), "Unavailable")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("build a policy once per operation, and shared state once per layer", () =>
    Effect.gen(function* () {
      const builds: Array<string> = []
      let states = 0
      const counted = Policy.make({
        slot: "attempt",
        name: "counted",
        build: (site) =>
          Effect.gen(function* () {
            builds.push(`${site.integration} ${site.operation} ${site.limits.maxAttempts}`)
            yield* site.shared(
              "state",
              {},
              Effect.sync(() => ++states)
            )
            return (step) => step
          })
      })
      const ping = Operation.query("ping", { success: Schema.Void, send: () => Effect.void })
      class Counted extends Integration.Service<Counted>()(
        "test/Counted",
        { policy: Policy.stack(standard, counted), ...decided },
        { one: ping, two: ping }
      ) {}
      const live = Integration.layer(Counted)
      yield* Effect.gen(function* () {
        const { one, two } = yield* Counted
        yield* one()
        yield* one()
        yield* two()
      }).pipe(Effect.provide(Layer.merge(live, live)), Effect.provide(quiet))
      assert.deepStrictEqual([builds, states], [["test/Counted one 3", "test/Counted two 3"], 1])
      yield* Effect.provide(Effect.void, Integration.layer(Counted))
      assert.deepStrictEqual([builds.length, states], [4, 2])
    })
  )
})

describe("overriding policies", () => {
  it.live("replaces those of single operations, and keeps the shared layers", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(500, {}))
      class Twice extends Integration.Service<Twice>()(
        "test/Twice",
        {
          policy: once(),
          shared: Policy.shared({
            breaker: Policy.breaker({ consecutive: 3, openFor: "1 minute", maxOpenFor: "1 minute" })
          }),
          ...decided
        },
        {
          get: HttpOperation.endpoint(ProviderApi, "things", "get"),
          remove: HttpOperation.endpoint(ProviderApi, "things", "remove")
        }
      ) {}
      const api = yield* built(
        Twice,
        HttpIntegration.layer(Twice, {
          baseUrl: wire.url,
          policy: { get: Policy.standard({ maxAttempts: 5, schedule: Policy.backoff({ base: 0 }) }) }
        }).pipe(Layer.provide(undici))
      )
      const input = { params: { id: "1" } }
      yield* Effect.flip(api.remove(input))
      assert.strictEqual(wire.requests.length, 1)
      const { failure } = yield* Effect.flip(api.get(input))
      assert.strictEqual(wire.requests.length, 3)
      assert.deepStrictEqual(
        failure.attempts.map(({ reason }) => reason),
        ["Unavailable", "Unavailable", "CircuitOpen"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("refuses the name of no operation", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(
          HttpIntegration.layer(Payments, {
            baseUrl: "http://127.0.0.1:1",
            policy: { chrage: standard } as never
          }).pipe(Layer.provide(undici))
        )
      )
      assert.strictEqual(error.message, "shop/Payments (layer): policy.chrage: there is no such operation")
    })
  )
})

describe("layerMock", () => {
  it.effect("is partial: what is left out dies, naming the method", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      assert.deepStrictEqual(yield* payments.ping(), { ok: true })
      const exit = yield* Effect.exit(payments.find({ params: { id: "1" } }))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.match(
        Cause.pretty((exit as Exit.Failure<never, never>).cause),
        /shop\/Payments\.layerMock: find was called, but has no mock/
      )
    }).pipe(Effect.provide(Payments.layerMock({ ping: () => Effect.succeed({ ok: true }) })))
  )
})

// ---- numbers

describe("PolicyError at build", () => {
  const ping = { success: Schema.Void, send: () => Effect.void } as const
  const refusal = (
    policy: Policy.Policy<never, "any">,
    idempotency: Idempotency.Idempotency<void, void, never, Idempotency.Kind> = Idempotency.inherent("test")
  ) =>
    Effect.gen(function* () {
      class Wrong extends Integration.Service<Wrong>()(
        "test/Wrong",
        { policy: Policy.stack(standard, policy), ...decided },
        { ping: Operation.mutation("ping", { ...ping, idempotency }) }
      ) {}
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Integration.layer(Wrong))))
      assert.strictEqual(error._tag, "PolicyError")
      return error.message
    })
  const keyed = (lifetime: Duration.Input) => Idempotency.keyed(() => IdempotencyKey.derive("ping", "1"), { lifetime })
  const reconcilable = (settle: Duration.Input) =>
    Idempotency.reconcilable(() => Effect.succeed(Option.none<void>()), { settle })

  for (const [name, policy, message, idempotency] of [
    [
      "contradiction",
      Policy.attemptTimeout("2 minutes"),
      "the attempt timeout of 2 min is longer than the total deadline of 1 min"
    ],
    ["infinity", Policy.totalDeadline(Duration.infinity), "the total deadline must be finite, got infinity"],
    ["zero", Policy.attemptTimeout(0), "the attempt timeout must be longer than zero, got 0 ms"],
    ["no duration", Policy.attemptTimeout("soon" as never), "the attempt timeout is not a duration: soon"],
    [
      "a long deadline",
      Policy.totalDeadline("11 minutes"),
      "the total deadline of 11 min is longer than 10 min: give totalDeadline a longRunning reason"
    ],
    [
      "no attempt",
      Policy.retry(Policy.backoff(), { maxAttempts: 0 }),
      "maxAttempts must be a finite integer of at least 1, got 0"
    ],
    [
      "no end of attempts",
      Policy.retry(Policy.backoff(), { maxAttempts: Infinity }),
      "maxAttempts must be a finite integer of at least 1, got Infinity"
    ],
    [
      "lifetime",
      Policy.noop,
      "the attempt timeout of 2 s does not fit into the key's lifetime of 1 s",
      keyed("1 second")
    ],
    [
      "settle",
      Policy.noop,
      "settle of 1 min is not shorter than the total deadline of 1 min: nothing could be repeated",
      reconcilable("1 minute")
    ],
    [
      "bulkhead",
      Policy.bulkhead({ concurrency: 0 }),
      "the bulkhead's concurrency must be an integer of at least 1, got 0"
    ]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* refusal(policy, idempotency), `test/Wrong ping: ${message}`)
      })
    )
  }

  it.effect("a drain that is no time", () =>
    Effect.gen(function* () {
      for (const drain of [Number.NaN, "soon" as never, Duration.infinity, -1]) {
        class Fine extends Integration.Service<Fine>()(
          "test/Fine",
          { policy: standard, ...decided },
          {
            ping: Operation.query("ping", ping)
          }
        ) {}
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(Integration.layer(Fine, { drain }))))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause), String(drain))
        assert.match(Cause.pretty((exit as Exit.Failure<never, never>).cause), /test\/Fine \(layer\): drain/)
      }
    })
  )

  it.effect("two breakers of one name with different numbers", () =>
    Effect.gen(function* () {
      class Two extends Integration.Service<Two>()(
        "test/Two",
        { policy: standard, shared: Policy.shared({ breaker: Policy.breaker() }), ...decided },
        {
          ping: Operation.query("ping", { ...ping, policy: Policy.stack(standard, Policy.breaker({ consecutive: 9 })) })
        }
      ) {}
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Integration.layer(Two))))
      assert.strictEqual(error._tag, "PolicyError")
      assert.match(error.message, /"consecutive":9.*"consecutive":5|"consecutive":5.*"consecutive":9/)
    })
  )
})

// ---- shutting down

/** One operation that answers when it is told to. */
const makeSlow = () => {
  const gates = new Map<string, Deferred.Deferred<string, "sick">>()
  let sent = 0
  const waiting: Array<() => void> = []
  class Slow extends Integration.Service<Slow>()(
    "test/Slow",
    { policy: Policy.standard({ attemptTimeout: "1 minute", totalDeadline: "2 minutes" }), ...decided },
    {
      go: Operation.mutation("go", {
        input: Schema.String,
        success: Schema.String,
        idempotency: Idempotency.keyed((name: string) => IdempotencyKey.derive("go", name), { lifetime: "1 day" }),
        send: (name) =>
          Effect.suspend(() => {
            const gate = Deferred.makeUnsafe<string, "sick">()
            gates.set(name, gate)
            sent++
            for (const wake of waiting.splice(0)) wake()
            return Deferred.await(gate)
          }),
        classify: () => ({ reason: "Unavailable" })
      })
    }
  ) {}
  const running = (n: number): Effect.Effect<void> =>
    Effect.suspend(() =>
      sent >= n
        ? Effect.void
        : Effect.flatMap(
            Effect.promise(() => new Promise<void>((r) => waiting.push(r))),
            () => running(n)
          )
    )
  return {
    Slow,
    running,
    answer: (name: string) => Deferred.succeed(gates.get(name)!, `${name} done`),
    fail: (name: string) => Deferred.fail(gates.get(name)!, "sick")
  }
}

interface Line {
  readonly level: string
  readonly message: unknown
  readonly annotations: Record<string, unknown>
}

const collect = () => {
  const lines: Array<Line> = []
  const events: Array<Telemetry.CallObserved> = []
  const logger = Logger.map(Logger.formatStructured, (line) => {
    lines.push(line as never)
  })
  return {
    lines,
    events,
    layer: Layer.merge(
      Logger.layer([logger]),
      Telemetry.layerObserver((event) => events.push(event))
    )
  }
}

describe("drain", () => {
  it.effect("lets running calls end, turns new ones away, interrupts and reports the rest", () =>
    Effect.gen(function* () {
      const { Slow, answer, running } = makeSlow()
      const { events, layer, lines } = collect()
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        const api = Context.get(
          yield* Layer.buildWithScope(Integration.layer(Slow, { drain: "5 seconds" }), scope),
          Slow
        )
        const ends = yield* Effect.forkDetach(api.go("ends"))
        const stuck = yield* Effect.forkDetach(api.go("stuck"))
        yield* running(2)
        const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("1 second")

        const { failure } = yield* Effect.flip(api.go("late"))
        assert.deepStrictEqual(
          [failure.reason._tag, failure.outcome, failure.attempts.length, failure.reason.transient],
          ["Draining", "NotSent", 0, false]
        )
        assert.include(failure.message, "nothing was sent; repeat it at another instance")

        yield* answer("ends")
        assert.strictEqual(yield* Fiber.join(ends), "ends done")
        assert.isUndefined(closing.pollUnsafe())
        yield* TestClock.adjust("3999 millis")
        assert.isUndefined(closing.pollUnsafe())
        assert.isUndefined(stuck.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        const exit = yield* Fiber.await(stuck)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }).pipe(Effect.provide(layer))

      assert.deepStrictEqual(
        events.map(({ callOutcome, operation, outcome }) => [operation, callOutcome, outcome]),
        [
          ["go", "failed", "NotSent"],
          ["go", "ok", "Applied"],
          ["go", "cancelled", "Unknown"]
        ]
      )
      const cut = events[2]!.attempts[0]!
      assert.deepStrictEqual([cut.reason, cut.outcome], ["Timeout", "Unknown"])
      assert.strictEqual(cut.message, "cut because the integration shut down")
      const report = lines.filter(({ level }) => level === "WARN").at(-1)!
      assert.strictEqual(String(report.message), "test/Slow shut down while go was running: outcome Unknown")
      assert.deepStrictEqual(report.annotations, {
        integration: "test/Slow",
        operation: "go",
        effect: "Unknown",
        correlation_id: events[2]!.correlationId,
        idempotency_key: IdempotencyKey.toText(IdempotencyKey.derive("go", "stuck"))
      })
    })
  )

  it.effect("ends at once when nothing runs, and as soon as the last call ends", () =>
    Effect.gen(function* () {
      const { Slow, answer, running } = makeSlow()
      yield* Effect.scoped(Layer.build(Integration.layer(Slow, { drain: "1 hour" })))
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Slow, { drain: "1 hour" }), scope), Slow)
      const fiber = yield* Effect.forkDetach(api.go("one"))
      yield* running(1)
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* answer("one")
      yield* Fiber.join(closing)
      assert.strictEqual(yield* Fiber.join(fiber), "one done")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of zero interrupts at once", () =>
    Effect.gen(function* () {
      const { Slow, running } = makeSlow()
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Slow, { drain: 0 }), scope), Slow)
      const fiber = yield* Effect.forkDetach(api.go("one"))
      yield* running(1)
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(0)
      yield* Fiber.join(closing)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    }).pipe(Effect.provide(quiet))
  )

  it.effect("lets a call that waits to try again go on while it has time", () =>
    Effect.gen(function* () {
      const { Slow, answer, fail, running } = makeSlow()
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Slow), scope), Slow)
      const fiber = yield* Effect.forkDetach(api.go("one"))
      yield* running(1)
      yield* fail("one")
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      yield* running(2)
      yield* answer("one")
      assert.strictEqual(yield* Fiber.join(fiber), "one done")
      yield* Fiber.join(closing)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("waits for the call and not for what its fiber does afterwards", () =>
    Effect.gen(function* () {
      const { Slow, running } = makeSlow()
      const { events, layer } = collect()
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Slow, { drain: "1 second" }), scope), Slow)
      yield* Effect.forkDetach(Effect.onInterrupt(api.go("stuck"), () => Effect.never).pipe(Effect.provide(layer)))
      yield* running(1)
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(
        events.map(({ callOutcome }) => callOutcome),
        ["cancelled"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("comes before the layers' own resources are given back", () =>
    Effect.gen(function* () {
      let open = true
      const states: Array<boolean> = []
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const resource = Policy.make({
        slot: "attempt",
        name: "resource",
        build: () =>
          Effect.as(
            Effect.acquireRelease(Effect.void, () => Effect.sync(() => (open = false))),
            (step) => (call) =>
              Effect.ensuring(
                step(call),
                Effect.sync(() => states.push(open))
              )
          )
      })
      class Held extends Integration.Service<Held>()(
        "test/Held",
        { policy: Policy.stack(standard, resource), ...decided },
        {
          go: Operation.query("go", {
            success: Schema.Void,
            send: () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate))
          })
        }
      ) {}
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Held), scope), Held)
      const fiber = yield* Effect.forkDetach(api.go())
      yield* Deferred.await(started)
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      yield* Fiber.join(closing)
      assert.deepStrictEqual([states, open], [[true], false])
    }).pipe(Effect.provide(quiet))
  )

  it.live("is what a SIGTERM to a program of NodeRuntime.runMain starts", () =>
    Effect.gen(function* () {
      const wire = yield* serve(silence)
      const told: Array<Record<string, unknown>> = []
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(
            process.execPath,
            ["-C", "@breakwater/source", new URL("./http/drain.main.ts", import.meta.url).pathname, wire.url],
            { stdio: ["ignore", "pipe", "inherit"] }
          )
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      createInterface(child.stdout).on("line", (line) => told.push(JSON.parse(line)))
      const exited = eventOf(child, "close")
      yield* wire.arrived(2)
      child.kill("SIGTERM")
      yield* Effect.promise(async () => {
        while (!told.some((line) => "interrupted" in line)) await eventOf(child.stdout, "data")
      })
      const slow = wire.requests.find(({ method }) => method === "GET")!
      json(200, thing)(slow)
      const [code] = yield* Effect.promise(() => exited)

      const kinds = told.flatMap((line) => Object.entries(line).filter(([kind]) => kind !== "log"))
      assert.deepStrictEqual(kinds, [
        ["interrupted", true],
        ["observed", ["get", "ok", "Applied"]],
        ["slow", thing],
        ["observed", ["accept", "failed", "NotSent"]],
        ["late", ["Draining", "NotSent"]],
        ["observed", ["create", "cancelled", "Unknown"]]
      ])
      const logs = told.flatMap((line) => ("log" in line ? [line.log as { message: string; annotations: object }] : []))
      const report = logs.find(({ message }) => message.includes("shut down"))!
      assert.strictEqual(report.message, "test/Provider shut down while create was running: outcome Unknown")
      assert.propertyVal(report.annotations, "effect", "Unknown")
      assert.strictEqual(logs.length, 4)
      assert.strictEqual(wire.requests.length, 2)
      assert.strictEqual(code, 130)
    })
  )
})

// ---- the plan

describe("the plan", () => {
  it("is data", () => {
    const plan = Integration.plan(Payments)
    assert.strictEqual(plan.integration, "shop/Payments")
    assert.deepStrictEqual(
      plan.operations.map(({ operation, repeat, via, worstCaseAttempts, worstCaseTime }) => [
        operation,
        via,
        repeat,
        worstCaseAttempts,
        worstCaseTime
      ]),
      [
        ["charge", "POST /v1/charges", "Idempotent", 3, 30_000],
        ["find", "GET /v1/charges/:id", "Safe", 3, 30_000],
        ["ping", "GET /v1/ping", "Safe", 3, 30_000],
        ["replace", "PUT /v1/charges/:id", "Idempotent", 1, 9_000],
        ["search", "POST /v1/search", "Safe", 3, 31_000]
      ]
    )
    assert.deepStrictEqual(JSON.parse(JSON.stringify(plan)), plan)
  })

  it("is text", () => {
    expect(Integration.planText(Payments)).toMatchInlineSnapshot(`
      "shop/Payments
        charge  POST /v1/charges  Idempotent
          at worst   3 attempts, 30 s
          load       at most 3 requests per call, 1.2 in a long outage
          repeats    key from the input, in header idempotency-key, kept for 24 h
          exhausted  fail loudly
          layers, outermost first
            observe          one span, event and log line for the whole call
            translate        every failure becomes an error of the application
            exhausted        decides what a failure means once the policy is done
            totalDeadline    the call ends within 30 s, whatever it waits for
            prepare          validates, derives the key and encodes, once
            budget           500 tokens; a retry costs 14, throttled 5, a hedge 14; a success gives its last retry's cost back, else 1
            retry            up to 3 attempts: transient failures, where safe to repeat; waits a random part of 50 ms, throttled of 1 s, doubling to 20 s
            circuitBreaker   opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s
            attemptSpan      one span for each attempt
            attemptTimeout   each attempt ends within 2 s, body and decoding included
            auth             credentials, read for each attempt
            send             sends the same bytes each time
            decode           the status first, then the body against its schema
        find  GET /v1/charges/:id  Safe
          at worst   3 attempts, 30 s
          load       at most 3 requests per call, 1.2 in a long outage
          repeats    safe: GET (RFC 9110)
          exhausted  fail loudly
          layers, outermost first
            observe          one span, event and log line for the whole call
            translate        every failure becomes an error of the application
            exhausted        decides what a failure means once the policy is done
            totalDeadline    the call ends within 30 s, whatever it waits for
            prepare          validates, derives the key and encodes, once
            budget           500 tokens; a retry costs 14, throttled 5, a hedge 14; a success gives its last retry's cost back, else 1
            retry            up to 3 attempts: transient failures, where safe to repeat; waits a random part of 50 ms, throttled of 1 s, doubling to 20 s
            circuitBreaker   opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s
            attemptSpan      one span for each attempt
            attemptTimeout   each attempt ends within 2 s, body and decoding included
            auth             credentials, read for each attempt
            send             sends the same bytes each time
            decode           the status first, then the body against its schema
        ping  GET /v1/ping  Safe
          at worst   3 attempts, 30 s
          load       at most 3 requests per call, 1.2 in a long outage
          repeats    safe: GET (RFC 9110)
          exhausted  fail loudly
          layers, outermost first
            observe          one span, event and log line for the whole call
            translate        every failure becomes an error of the application
            exhausted        decides what a failure means once the policy is done
            totalDeadline    the call ends within 30 s, whatever it waits for
            prepare          validates, derives the key and encodes, once
            budget           500 tokens; a retry costs 14, throttled 5, a hedge 14; a success gives its last retry's cost back, else 1
            retry            up to 3 attempts: transient failures, where safe to repeat; waits a random part of 50 ms, throttled of 1 s, doubling to 20 s
            circuitBreaker   opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s
            attemptSpan      one span for each attempt
            attemptTimeout   each attempt ends within 2 s, body and decoding included
            auth             credentials, read for each attempt
            send             sends the same bytes each time
            decode           the status first, then the body against its schema
        replace  PUT /v1/charges/:id  Idempotent
          at worst   1 attempt, 9 s
          load       at most 1 request per call
          repeats    idempotent by nature: PUT (RFC 9110)
          exhausted  fail loudly
          layers, outermost first
            observe          one span, event and log line for the whole call
            translate        every failure becomes an error of the application
            exhausted        decides what a failure means once the policy is done
            totalDeadline    the call ends within 9 s, whatever it waits for
            prepare          validates, derives the key and encodes, once
            retry            never repeated: slow
            circuitBreaker   opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s
            attemptSpan      one span for each attempt
            attemptTimeout   each attempt ends within 8 s, body and decoding included
            auth             credentials, read for each attempt
            send             sends the same bytes each time
            decode           the status first, then the body against its schema
        search  POST /v1/search  Safe
          at worst   3 attempts, 31 s
          load       at most 3 requests per call, 1.2 in a long outage
          repeats    safe: a query with a body
          exhausted  fall back: an empty list is a fine answer
          layers, outermost first
            observe          one span, event and log line for the whole call
            translate        every failure becomes an error of the application
            exhausted        decides what a failure means once the policy is done
            totalDeadline    the call ends within 30 s, whatever it waits for
            prepare          validates, derives the key and encodes, once
            budget           500 tokens; a retry costs 14, throttled 5, a hedge 14; a success gives its last retry's cost back, else 1
            retry            up to 3 attempts: transient failures, where safe to repeat; waits a random part of 50 ms, throttled of 1 s, doubling to 20 s
            circuitBreaker   opens at 5 failures in a row or 50 % of 20, for 1 s to 5 s
            bulkhead search  at most 5 attempts at once, 5 more may wait
            attemptSpan      one span for each attempt
            attemptTimeout   each attempt ends within 10 s, body and decoding included
            auth             credentials, read for each attempt
            send             sends the same bytes each time
            decode           the status first, then the body against its schema"
    `)
  })
})

// ---- whose services

describe("services", () => {
  class Rate extends Context.Service<Rate, number>()("test/Rate") {}
  const calls: Array<unknown> = []
  class Priced extends Integration.Service<Priced>()(
    "test/Priced",
    {
      policy: Policy.stack(
        Policy.totalDeadline("1 minute"),
        Policy.retryNever("test"),
        Policy.attemptTimeout("1 second")
      ),
      ...decided
    },
    {
      price: Operation.query("price", {
        success: Schema.Struct({ rate: Schema.Number, now: Schema.Number }),
        send: () =>
          Effect.gen(function* () {
            const rate = yield* Rate
            const now = yield* Clock.currentTimeMillis
            calls.push((yield* Effect.currentSpan).name)
            return { rate, now }
          }).pipe(Effect.orDie)
      }),
      fallen: Operation.query("fallen", {
        success: Schema.Number,
        send: () => Effect.fail("sick" as const),
        classify: () => ({ reason: "Unavailable" }),
        exhausted: Exhaustion.fallback("the rate", () => Effect.flatMap(Rate, Effect.succeed))
      })
    }
  ) {}

  it.effect("of an operation are those of the layer; clock, tracer and log levels are the caller's", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const buildTracer = Tracer.make({ span: () => assert.fail("the builder's tracer was used") })
      const { layer, lines } = collect()
      const api = yield* built(
        Priced,
        Integration.layer(Priced).pipe(
          Layer.provide([Layer.succeed(Rate, 7), Layer.succeed(Tracer.Tracer, buildTracer), quiet])
        )
      )
      yield* TestClock.setTime(5_000)
      const answers = yield* Effect.all([api.price(), api.fallen()]).pipe(
        Effect.provideService(Rate, 99),
        Effect.withTracer(tracer),
        Effect.provideService(Telemetry.LogLevels, { ok: "Error", failed: undefined }),
        Effect.provide(layer)
      )
      assert.deepStrictEqual(answers, [{ rate: 7, now: 5_000 }, 7])
      assert.deepStrictEqual(spans, ["test/Priced price", "price", "test/Priced fallen", "fallen"])
      assert.deepStrictEqual(calls, ["price"])
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, String(message)]),
        [["ERROR", "test/Priced price ok"]]
      )
    })
  )
})

// ---- observers

describe("an observer that throws", () => {
  class Both extends Integration.Service<Both>()(
    "test/Both",
    { policy: once(), ...decided },
    {
      ok: Operation.query("ok", { success: Schema.Number, send: () => Effect.succeed(1) }),
      bad: Operation.query("bad", { success: Schema.Number, send: () => Effect.succeed("one") }),
      never: Operation.query("never", { success: Schema.Number, send: () => Effect.never })
    }
  ) {}

  const unchanged = (hostile: Layer.Layer<never>) =>
    Effect.gen(function* () {
      const events: Array<Telemetry.CallOutcome> = []
      const kept = Telemetry.layerObserver((event) => events.push(event.callOutcome))
      yield* Effect.gen(function* () {
        const api = yield* built(Both, Integration.layer(Both))
        assert.strictEqual(yield* api.ok(), 1)
        assert.strictEqual((yield* Effect.flip(api.bad())).failure.reason._tag, "InvalidResponse")
        const fiber = yield* Effect.forkChild(api.never(), { startImmediately: true })
        const exit = yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }).pipe(Effect.provide(Layer.mergeAll(kept, quiet).pipe(Layer.provideMerge(hostile))))
      assert.deepStrictEqual(events, ["ok", "decode_failed", "cancelled"])
    })

  it.effect("changes nothing, and those after it are told", () =>
    unchanged(
      Telemetry.layerObserver(() => {
        throw new Error("boom")
      })
    )
  )

  it.effect("nor does a logger that throws", () =>
    Effect.gen(function* () {
      const logger = Logger.make(() => {
        throw new Error("boom")
      })
      const api = yield* built(Both, Integration.layer(Both))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* api.ok(), 1)
        const exit = yield* Effect.exit(api.bad())
        assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause) && !Cause.hasDies(exit.cause))
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  )
})
