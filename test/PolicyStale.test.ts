import { assert, describe, it } from "@effect/vitest"
import { Deadline, Exhaustion, Idempotency, Integration, Operation, Policy, Reason, type Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schema, Scope, Tracer } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { siteAlone } from "../src/internal/alone.ts"
import { CallRecord } from "../src/internal/call.ts"
import { LastGood } from "../src/internal/lastGood.ts"
import { catalog, type CatalogOptions, patient, start, tagOf, User } from "./properties/askers.ts"
import { Failed, failing, failureOf, say, seededly, settle } from "./properties/support.ts"

const tenMinutes = Policy.staleIfError({ for: "10 minutes", principal: User })

/** A catalogue that answers once per question, and then does what it is told. */
const thenDoes = (then: NonNullable<CatalogOptions["send"]>, options: CatalogOptions = {}) =>
  catalog({
    stale: tenMinutes,
    send: (sent) => (sent.n === 1 ? Effect.void : then(sent)),
    ...options
  })

const stale = (event: Telemetry.CallObserved) => event.decisions.some(({ decided }) => decided === "served_stale")

describe("Policy.staleIfError", () => {
  it.effect("serves the last good answer, says that it is one, and how old it is", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { events, get } = yield* thenDoes(() => say(Reason.unavailable()))
      const fresh = yield* Policy.withStaleAge(get())
      assert.deepStrictEqual(fresh, { value: { user: "ada", id: "a", n: 1 }, age: undefined })
      yield* TestClock.adjust("90 seconds")
      const served = yield* Policy.withStaleAge(get()).pipe(Effect.withTracer(tracer))
      assert.strictEqual(served.value, fresh.value)
      assert.strictEqual(Duration.toMillis(served.age!), 90_000)
      const event = events[1]!
      assert.deepStrictEqual(
        [event.callOutcome, event.outcome, event.attempts.map(({ reason }) => reason)],
        ["fallback", "Unknown", ["Unavailable"]]
      )
      assert.deepStrictEqual(event.decisions, [
        { policy: "staleIfError", name: "staleIfError", decided: "served_stale", mode: "enforce", at: 90_000 }
      ])
      const span = spans.find(({ kind }) => kind === "internal")!
      assert.strictEqual(span.attributes.get("breakwater.stale_age"), 90)
    }).pipe(seededly(1))
  )

  it.effect("an answer that is as old as `for` is not served", () =>
    Effect.gen(function* () {
      const { get } = yield* thenDoes(() => say(Reason.unavailable()))
      yield* get()
      yield* TestClock.adjust(599_999)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(get())))
      // Serving it makes it no younger.
      yield* TestClock.adjust(1)
      assert.strictEqual(failureOf(yield* Effect.exit(get()))!.reason._tag, "Unavailable")
    }).pipe(seededly(1))
  )

  it.effect("an answer that comes in time replaces the one that is kept", () =>
    Effect.gen(function* () {
      const { get } = yield* catalog({
        stale: tenMinutes,
        send: ({ n }) => (n < 3 ? Effect.void : say(Reason.throttled()))
      })
      yield* get()
      yield* TestClock.adjust("8 minutes")
      yield* get()
      yield* TestClock.adjust("8 minutes")
      assert.strictEqual((yield* get()).n, 2)
    }).pipe(seededly(1))
  )

  it.effect("what is another's is not served, nor what was another question's", () =>
    Effect.gen(function* () {
      const { get, other, state } = yield* catalog({
        stale: tenMinutes,
        send: ({ n }) => (n < 3 ? Effect.void : say(Reason.unavailable()))
      })
      // Nobody's answer is not kept at all.
      yield* get("a", "")
      assert.strictEqual(state.kept!.entries.size, 0)
      yield* get("a", "ada")
      for (const call of [get("a", "bob"), get("b", "ada"), other("a", "ada"), get("a", "")]) {
        assert.strictEqual(failureOf(yield* Effect.exit(call))?.reason._tag, "Unavailable")
      }
      assert.strictEqual((yield* get("a", "ada")).n, 2)
      const common = yield* thenDoes(() => say(Reason.unavailable()), {
        stale: Policy.staleIfError({ for: "1 minute", principal: "everyone" })
      })
      yield* common.get("a", "ada")
      assert.strictEqual((yield* common.get("a", "bob")).user, "ada")
    }).pipe(seededly(1))
  )

  it.effect(
    "for what passes: a deadline, a timeout, a lost connection, throttling, an open circuit, a full bulkhead",
    () =>
      Effect.gen(function* () {
        const served = (then: NonNullable<CatalogOptions["send"]>, policy: Policy.Complete = patient) =>
          Effect.gen(function* () {
            const { events, get } = yield* thenDoes(then, { policy })
            yield* get()
            const exit = yield* settle(get())
            assert.isTrue(Exit.isSuccess(exit), String(exit))
            assert.isTrue(stale(events[1]!))
            return events[1]!
          })
        yield* served(() => say(Reason.throttled()))
        yield* served(() => say(Reason.disconnected()))
        yield* served(() => say(Reason.unreachable()))
        // The total deadline stands inside.
        const late = yield* served(() => Effect.never)
        assert.deepStrictEqual([late.latency, late.callOutcome], [30_000, "fallback"])
        yield* served(() => Effect.never, Policy.stack(patient, Policy.attemptTimeout("1 second")))

        const tripped = yield* thenDoes(() => say(Reason.unavailable()), {
          policy: Policy.stack(patient, Policy.breaker({ consecutive: 1, openFor: "5 seconds" }))
        })
        yield* tripped.get()
        yield* tripped.get()
        yield* tripped.get()
        assert.deepStrictEqual(
          tripped.events.map(({ attempts, callOutcome }) => [callOutcome, attempts[0]!.reason]),
          [
            ["ok", "Success"],
            ["fallback", "Unavailable"],
            ["fallback", "CircuitOpen"]
          ]
        )
        const full = yield* thenDoes(() => Effect.sleep("1 second"), {
          policy: Policy.stack(patient, Policy.bulkhead({ concurrency: 1, queue: 0 }))
        })
        yield* full.get()
        yield* start(full.get())
        assert.strictEqual((yield* full.get()).n, 1)
        assert.strictEqual(full.events[1]!.attempts[0]!.reason, "BulkheadFull")
        yield* TestClock.adjust("1 second")
        // A caller that has no time left, not even to prepare the request: only `key` can say what it asked for.
        const spent = Effect.provideService(Deadline.Current, -1)
        const { get } = yield* thenDoes(() => Effect.void)
        yield* get()
        assert.strictEqual(failureOf(yield* Effect.exit(spent(get())))!.reason._tag, "DeadlineExceeded")
        const named = yield* thenDoes(() => Effect.void, {
          stale: Policy.staleIfError({ for: "1 minute", principal: User, key: ({ operation }) => operation })
        })
        yield* named.get()
        assert.strictEqual((yield* spent(named.get())).n, 1)
      }).pipe(seededly(1))
  )

  it.effect("never for what the provider has decided, for defects, or for who gives up", () =>
    Effect.gen(function* () {
      const stands = (then: NonNullable<CatalogOptions["send"]>, options: CatalogOptions = {}) =>
        Effect.gen(function* () {
          const { events, get } = yield* thenDoes(then, options)
          yield* get()
          const failure = yield* failing(get())
          assert.isFalse(events.some(stale))
          return failure.reason._tag
        })
      assert.strictEqual(yield* stands(() => say(Reason.rejected())), "Rejected")
      assert.strictEqual(yield* stands(() => say(Reason.keyConflict())), "KeyConflict")
      assert.strictEqual(yield* stands(() => say(Reason.failed())), "Failed")
      assert.strictEqual(yield* stands(() => Effect.die(new Error("boom"))), "Failed")
      const { events, get } = yield* thenDoes(() => Effect.never)
      yield* get()
      const fiber = yield* start(get())
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(tagOf(fiber), "interrupted")
      assert.isFalse(events.some(stale))
      assert.strictEqual(events[1]!.callOutcome, "cancelled")
      // What is invalid was never asked.
      assert.strictEqual((yield* failing(get(7 as never))).reason._tag, "InvalidInput")
    }).pipe(seededly(1))
  )

  it.effect("a kept answer goes before the fallback, and the fallback stands where there is none", () =>
    Effect.gen(function* () {
      const { events, get } = yield* thenDoes(() => say(Reason.unavailable()), {
        exhausted: Exhaustion.fallback("a test", () => Effect.succeed({ user: "none", id: "none", n: 0 }))
      })
      yield* get("a")
      assert.strictEqual((yield* get("a")).n, 1)
      assert.strictEqual((yield* get("b")).n, 0)
      assert.deepStrictEqual(
        events.map((event) => [event.callOutcome, stale(event)]),
        [
          ["ok", false],
          ["fallback", true],
          ["fallback", false]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("over HTTP: what is not found, or not allowed any more, is forgotten", () =>
    Effect.gen(function* () {
      class Missing extends Schema.TaggedError<Missing>()("Missing", {}, { httpApiStatus: 404 }) {}
      class Api extends HttpApi.make("things").add(
        HttpApiGroup.make("things").add(
          HttpApiEndpoint.get("get", "/things/:id", {
            params: { id: Schema.String },
            success: Schema.Struct({ id: Schema.String }),
            error: Missing
          })
        )
      ) {}
      class NotThere extends Schema.TaggedError<NotThere>()("NotThere", {}) {}
      const after = (fault: FaultInjection.Fault) =>
        Effect.gen(function* () {
          const provider = FaultInjection.make({
            respond: () => ({ body: { id: "a" } }),
            faults: [undefined, FaultInjection.status(503), fault, FaultInjection.status(503)]
          })
          class Things extends Integration.Service<Things>()(
            "test/Things",
            {
              policy: Policy.stack(Policy.standard({ maxAttempts: 1 }), tenMinutes),
              exhausted: Exhaustion.fail,
              orElse: (failure) => new Failed({ failure })
            },
            { get: HttpOperation.endpoint(Api, "things", "get", { translate: { Missing: () => new NotThere() } }) }
          ) {}
          const layer = HttpIntegration.layer(Things, { baseUrl: "https://things.example" })
          const things = Context.get(yield* Layer.build(Layer.provide(layer, provider.layer)), Things)
          const get = () => settle(things.get({ params: { id: "a" } }))
          assert.deepStrictEqual(yield* get(), Exit.succeed({ id: "a" }))
          assert.deepStrictEqual(yield* get(), Exit.succeed({ id: "a" }))
          const decided = yield* get()
          return [Exit.isSuccess(decided), Exit.isSuccess(yield* get())]
        })
      const missing = FaultInjection.status(404, { body: { _tag: "Missing" } })
      assert.deepStrictEqual(yield* after(missing), [false, false])
      for (const status of [401, 403, 404, 410]) {
        assert.deepStrictEqual(yield* after(FaultInjection.status(status)), [false, false], String(status))
      }
      assert.deepStrictEqual(yield* after(FaultInjection.status(400)), [false, true])
      assert.deepStrictEqual(yield* after(FaultInjection.status(500)), [true, true])
    }).pipe(seededly(1))
  )

  it.effect("keeps the most recently used, and no more than it may", () =>
    Effect.gen(function* () {
      let healthy = true
      const { get, state } = yield* catalog({
        stale: Policy.staleIfError({ for: "1 hour", principal: User, maxEntries: 3 }),
        send: () => (healthy ? Effect.void : say(Reason.unavailable()))
      })
      yield* Effect.forEach(["a", "b", "c"], (id) => get(id))
      healthy = false
      assert.strictEqual((yield* get("a")).n, 1)
      healthy = true
      yield* get("d")
      assert.strictEqual(state.kept!.entries.size, 3)
      healthy = false
      const found = yield* Effect.forEach(["a", "b", "c", "d"], (id) =>
        Effect.map(Effect.exit(get(id)), Exit.isSuccess)
      )
      assert.deepStrictEqual(found, [true, false, true, true])
    }).pipe(seededly(1))
  )

  it.effect("what is too old is forgotten though nobody asks, and then nothing runs", () =>
    Effect.gen(function* () {
      const { get, state } = yield* catalog({ stale: tenMinutes })
      yield* get("a")
      yield* TestClock.adjust("5 minutes")
      yield* get("b")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(state.kept!.entries.size, 1)
      assert.isDefined(state.kept!.sweeper)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(state.kept!.entries.size, 0)
      assert.isUndefined(state.kept!.sweeper)
      yield* get("c")
      assert.isDefined(state.kept!.sweeper)
    }).pipe(seededly(1))
  )

  it.effect("observe tells that it would have been served, and lets the failure stand; off stands aside", () =>
    Effect.gen(function* () {
      const watched = yield* thenDoes(() => say(Reason.unavailable()), {
        stale: Policy.withMode(tenMinutes, "observe")
      })
      yield* watched.get()
      const told = yield* Policy.withStaleAge(Effect.exit(watched.get()))
      assert.strictEqual(failureOf(told.value)!.reason._tag, "Unavailable")
      assert.isUndefined(told.age)
      assert.deepStrictEqual(
        watched.events.map((e) => [e.callOutcome, e.decisions.map((d) => `${d.decided} ${d.mode}`)]),
        [
          ["ok", []],
          ["exhausted", ["served_stale observe"]]
        ]
      )
      const off = yield* thenDoes(() => say(Reason.unavailable()), { stale: Policy.withMode(tenMinutes, "off") })
      yield* off.get()
      assert.isTrue(Exit.isFailure(yield* Effect.exit(off.get())))
      assert.strictEqual(off.state.kept!.entries.size, 0)
    }).pipe(seededly(1))
  )

  it.effect("a principal that is never found out does not outlive the total deadline", () =>
    Effect.gen(function* () {
      const { events, get, sent } = yield* catalog({
        stale: Policy.staleIfError({ for: "1 minute", principal: Effect.never })
      })
      const failure = failureOf(yield* settle(get()))!
      assert.strictEqual(failure.reason._tag, "DeadlineExceeded")
      assert.strictEqual(events[0]!.latency, 30_000)
      assert.strictEqual(sent.length, 0)
    }).pipe(seededly(1))
  )

  it.effect("a principal is waited for no longer than a caller has, and as long as it takes within that", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const never = yield* catalog({ stale: Policy.staleIfError({ for: "1 minute", principal: Effect.never }) })
      assert.strictEqual((yield* failing(Deadline.within(never.get(), "3 seconds"))).reason._tag, "DeadlineExceeded")
      assert.strictEqual((yield* failing(Deadline.within(never.get(), "1 minute"))).reason._tag, "DeadlineExceeded")
      assert.deepStrictEqual(
        never.events.map(({ latency }) => latency),
        [3_000, 30_000]
      )
      const slow = yield* thenDoes(() => say(Reason.unavailable()), {
        stale: Policy.staleIfError({ for: "10 minutes", principal: Effect.delay(User, "20 seconds") })
      })
      yield* settle(slow.get())
      assert.isTrue(Exit.isSuccess(yield* settle(slow.get())))
      assert.isTrue(stale(slow.events[1]!))
    }).pipe(seededly(1))
  )

  it.effect("the oldest of several ages is told, to every program that asked", () =>
    Effect.gen(function* () {
      let healthy = true
      const { get } = yield* catalog({
        stale: tenMinutes,
        send: () => (healthy ? Effect.void : say(Reason.unavailable()))
      })
      yield* get("a")
      yield* TestClock.adjust("1 minute")
      yield* get("b")
      yield* TestClock.adjust("1 minute")
      healthy = false
      const outer = yield* Policy.withStaleAge(
        Effect.gen(function* () {
          const inner = yield* Policy.withStaleAge(get("b"))
          yield* get("a")
          yield* get("b")
          return Duration.toMillis(inner.age!)
        })
      )
      assert.deepStrictEqual([outer.value, Duration.toMillis(outer.age!)], [60_000, 120_000])
      // What an inner program was told, the outer one was told too.
      const nested = yield* Policy.withStaleAge(Policy.withStaleAge(get("b")))
      assert.deepStrictEqual(
        [nested.value.age, nested.age].map((age) => Duration.toMillis(age!)),
        [60_000, 60_000]
      )
    }).pipe(seededly(1))
  )

  it.effect("each caller of a shared run is served what is kept", () =>
    Effect.gen(function* () {
      const { events, get, sent } = yield* thenDoes(
        () => Effect.andThen(Effect.sleep(100), say(Reason.unavailable())),
        {
          coalesce: Policy.coalesce({ principal: User })
        }
      )
      yield* get()
      const fibers = yield* Effect.forEach([get(), get(), get()], start)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(fibers.map(tagOf), ["ok", "ok", "ok"])
      assert.strictEqual(sent.length, 2)
      assert.deepStrictEqual(
        events.slice(1).map(({ attempts, callOutcome, outcome }) => [callOutcome, outcome, attempts.length]),
        [
          ["fallback", "Unknown", 1],
          ["fallback", "Unknown", 0],
          ["fallback", "Unknown", 0]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("what may change something does not have it, though it came past the types; numbers are checked", () =>
    Effect.gen(function* () {
      const build = (policy: Policy.Complete) => {
        class Pay extends Integration.Service<Pay>()(
          "test/Pay",
          { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
          {
            charge: Operation.mutation("charge", {
              idempotency: Idempotency.inherent("the same effect"),
              success: Schema.String,
              send: () => Effect.succeed("ok")
            })
          }
        ) {}
        return Effect.flip(Effect.scoped(Layer.build(Integration.layer(Pay, { policy: { charge: policy } }))))
      }
      assert.deepStrictEqual((yield* build(Policy.stack(Policy.standard(), tenMinutes))).problems, [
        "staleIfError keeps answers: only a safe operation can have it"
      ])
      const { problems } = yield* build(
        Policy.stack(Policy.standard(), Policy.staleIfError({ for: 0, maxEntries: 1.5 } as never))
      )
      assert.strictEqual(problems.length, 3)
      assert.strictEqual(problems[0], "staleIfError needs a principal: an answer of one user must never reach another")
      assert.include(problems[1], "the age of stale answers")
      assert.strictEqual(problems[2], "staleIfError's maxEntries must be an integer of at least 1, got 1.5")
    })
  )

  it.effect("operations share the room of one name, and agree about it", () =>
    Effect.gen(function* () {
      let healthy = true
      const build = (one: Partial<Policy.StaleOptions>, two: Partial<Policy.StaleOptions>) => {
        const query = (name: string, options: Partial<Policy.StaleOptions>) =>
          Operation.query(name, {
            success: Schema.String,
            policy: Policy.stack(
              Policy.standard({ maxAttempts: 1 }),
              Policy.staleIfError({ for: "1 hour", principal: "everyone", maxEntries: 1, ...options })
            ),
            classify: () => Reason.unavailable(),
            send: () => Effect.suspend(() => (healthy ? Effect.succeed(name) : Effect.fail("down")))
          })
        class Two extends Integration.Service<Two>()(
          "test/Two",
          { exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
          { one: query("one", one), two: query("two", two) }
        ) {}
        return Effect.map(Layer.build(Integration.layer(Two)), (context) => Context.get(context, Two))
      }
      const served = (one: Partial<Policy.StaleOptions>, two: Partial<Policy.StaleOptions>) =>
        Effect.gen(function* () {
          healthy = true
          const client = yield* build(one, two)
          yield* client.one()
          yield* client.two()
          healthy = false
          return [yield* Effect.exit(client.one()), yield* Effect.exit(client.two())].map(Exit.isSuccess)
        })
      assert.deepStrictEqual(yield* served({}, {}), [false, true])
      assert.deepStrictEqual(yield* served({ maxEntries: 2 }, { maxEntries: 2 }), [true, true])
      assert.deepStrictEqual(yield* served({ name: "a" }, { name: "b" }), [true, true])
      const refused = yield* Effect.exit(build({ maxEntries: 1 }, { maxEntries: 2 }))
      assert.isTrue(Exit.isFailure(refused))
    }).pipe(seededly(1))
  )

  it("one answer is the least that may be kept", () => {
    const problems = (maxEntries: number) =>
      Policy.staleIfError({ for: "1 minute", principal: User, maxEntries }).layers[0]!.problems
    assert.deepStrictEqual(problems(1), [])
    assert.strictEqual(problems(0).length, 1)
    assert.strictEqual(problems(1.5).length, 1)
  })

  it("its numbers are settings by name", () => {
    const { settings, tune } = tenMinutes.layers[0]!.tunable!
    assert.deepStrictEqual(settings, {
      STALE_FOR: { kind: "duration", value: 600_000 },
      STALE_MAX_ENTRIES: { kind: "integer", value: 1_000 }
    })
    const tuned = tune({ STALE_FOR: 60_000, STALE_MAX_ENTRIES: 5 })
    assert.strictEqual(tuned.describe, "where there is no answer, the last good one of the last 1 min; 5 are kept")
  })
})

describe("below the runner", () => {
  const recordOf = (fields: Partial<CallRecord> = {}): CallRecord => {
    const call = new CallRecord({
      id: "",
      integration: "test",
      operation: "get",
      repeat: "Safe",
      input: undefined,
      startedAt: 0,
      correlationId: ""
    })
    call.prepared = { place: () => undefined, send: () => Effect.void }
    return Object.assign(call, fields)
  }
  /** The layer around a step that answers by a list. */
  const layerOf = (...answers: ReadonlyArray<Effect.Effect<string, unknown>>) =>
    Effect.gen(function* () {
      const [layer] = Policy.staleIfError({ for: "1 minute", principal: "everyone" }).layers
      if (layer?.level !== "call") return assert.fail("it is a layer of a call")
      // The scope is the test's: what is kept lives as long.
      const scope = yield* Effect.scope
      let kept: LastGood | undefined
      const transform = yield* layer.build({
        ...siteAlone,
        repeat: "Safe",
        shared: (_name, _options, make) =>
          Effect.tap(Scope.provide(make, scope), (state) => Effect.sync(() => (kept = state as LastGood)))
      })
      const left = [...answers]
      const step = transform((() => Effect.suspend(() => left.shift()!)) as never)
      return Object.assign((fields?: Partial<CallRecord>) => Effect.exit(step(recordOf(fields))), {
        kept: () => kept!.entries.size
      })
    })
  const failed = (tag: Reason.Tag, details: Reason.Details = {}) =>
    Effect.suspend(() => Effect.fail(recordOf().fail(Reason.make(tag, details), "not transient", 0)))

  it.effect("a failure is served past, or it stands; what was kept stays, or it is forgotten", () =>
    Effect.gen(function* () {
      for (const [tag, details, served, kept] of [
        ["Unavailable", {}, true, true],
        ["BulkheadFull", {}, true, true],
        ["Failed", { transient: true }, true, true],
        ["Failed", {}, false, true],
        // The provider has answered, though it may answer otherwise the next time.
        ["Declared", { transient: true, status: 503 }, false, true],
        ["Declared", { status: 404 }, false, false],
        ["Declared", { status: 402 }, false, true],
        ["Rejected", { status: 410 }, false, false],
        // Some say with 403 that they throttle: nothing is gone.
        ["Throttled", { status: 403 }, true, true],
        // A layer that closes has no more answers.
        ["Draining", {}, false, true]
      ] as const) {
        const call = yield* layerOf(Effect.succeed("kept"), failed(tag, details), failed("Unavailable"))
        assert.deepStrictEqual(yield* call(), Exit.succeed("kept"))
        const exits = [yield* call(), yield* call()]
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [served, kept], `${tag} ${JSON.stringify(details)}`)
      }
    })
  )

  it.effect("what can't be told from something else is not kept", () =>
    Effect.gen(function* () {
      const call = yield* layerOf(Effect.succeed("no"), failed("Unavailable"), Effect.succeed("yes"))
      const odd = { input: new Map([["a", 1]]) }
      yield* call(odd)
      assert.strictEqual(call.kept(), 0)
      assert.isTrue(Exit.isFailure(yield* call(odd)))
      yield* call()
      assert.strictEqual(call.kept(), 1)
    })
  )

  it.effect("a call that is made again from its store is told what became of it, and its answer is not kept", () =>
    Effect.gen(function* () {
      const resumed = { resumed: true }
      const fresh = yield* layerOf(Effect.succeed("kept"), failed("Unavailable"))
      yield* fresh()
      assert.isTrue(Exit.isFailure(yield* fresh(resumed)))
      const again = yield* layerOf(Effect.succeed("not kept"), failed("Unavailable"))
      yield* again(resumed)
      assert.isTrue(Exit.isFailure(yield* again()))
    })
  )

  it.effect("an age is told where there is no span, or only another process's", () =>
    Effect.gen(function* () {
      const elsewhere = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
      const call = yield* layerOf(Effect.succeed("kept"), failed("Unavailable"), failed("Unavailable"))
      yield* call()
      yield* TestClock.adjust("5 seconds")
      for (const served of [call(), Effect.withParentSpan(call(), elsewhere)]) {
        const { age, value } = yield* Policy.withStaleAge(served)
        assert.deepStrictEqual(value, Exit.succeed("kept"))
        assert.strictEqual(Duration.toMillis(age!), 5_000)
      }
    })
  )

  it.effect("an answer that is kept once more is the one that was used last", () =>
    Effect.gen(function* () {
      const kept = new LastGood(2, yield* Effect.context<never>())
      kept.keep("a", 1, 0, 1_000)
      kept.keep("b", 2, 0, 1_000)
      kept.keep("a", 3, 10, 1_000)
      kept.keep("c", 4, 20, 1_000)
      assert.deepStrictEqual(
        [...kept.entries].map(([key, { answer, at }]) => [key, answer, at]),
        [
          ["a", 3, 10],
          ["c", 4, 20]
        ]
      )
      assert.isUndefined(kept.find("a", 510, 500))
      assert.strictEqual(kept.find("a", 509, 500)!.answer, 3)
      yield* Fiber.interrupt(kept.sweeper!)
    })
  )

  it.effect("one sweeper looks after answers of several ages, once per the longest of them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(50_000)
      const kept = new LastGood(10, yield* Effect.context<never>())
      kept.keep("long", 1, 50_000, 10_000)
      const { sweeper } = kept
      kept.keep("short", 2, 50_000, 1_000)
      kept.keep("exact", 3, 50_000, 9_999)
      assert.strictEqual(kept.sweeper, sweeper)
      yield* TestClock.adjust(9_999)
      // They are too old to be served, and go when the sweeper looks.
      assert.isUndefined(kept.find("short", 59_999, 1_000))
      assert.strictEqual(kept.entries.size, 3)
      kept.keep("later", 4, 59_999, 2)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([...kept.entries.keys()], ["later"])
      yield* TestClock.adjust(9_999)
      assert.strictEqual(kept.entries.size, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(kept.entries.size, 0)
      assert.isUndefined(kept.sweeper)
    })
  )

  it.effect("a layer that closes has no sweeper left, whether it kept something or not", () =>
    Effect.gen(function* () {
      for (const asks of [0, 1]) {
        const scope = yield* Scope.make()
        const { get, state } = yield* Scope.provide(catalog({ stale: tenMinutes }), scope)
        for (let n = 0; n < asks; n++) yield* get()
        assert.strictEqual(state.kept!.sweeper !== undefined, asks === 1)
        yield* Scope.close(scope, Exit.void)
        assert.isUndefined(state.kept!.sweeper)
      }
    }).pipe(seededly(1))
  )
})
