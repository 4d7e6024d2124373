import { assert, describe, it } from "@effect/vitest"
import { Deadline, Exhaustion, Idempotency, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Exit, Fiber, Layer, Option, Redacted, Schema, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { siteAlone } from "../src/internal/alone.ts"
import { askedKey } from "../src/internal/asked.ts"
import { CallRecord } from "../src/internal/call.ts"
import { catalog, forUser, patient, start, tagOf, User } from "./properties/askers.ts"
import { Acme, Failed, failureOf, Lookup, say, seededly, settle, thing, watchedBulkhead } from "./properties/support.ts"

const slowly = () => Effect.sleep("1 second")
const joined = (event: Telemetry.CallObserved) => event.decisions.some(({ decided }) => decided === "joined")

describe("Policy.coalesce", () => {
  it.effect("callers that ask the same at once share one run, and nothing is kept after it", () =>
    Effect.gen(function* () {
      const { events, get, sent, state } = yield* catalog({ coalesce: forUser, send: slowly })
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () => start(get()))
      assert.strictEqual(state.runs(), 1)
      yield* TestClock.adjust("1 second")
      for (const fiber of fibers) {
        assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed({ user: "ada", id: "a", n: 1 }))
      }
      assert.strictEqual(sent.length, 1)
      assert.strictEqual(state.runs(), 0)
      // By reference: the page says so.
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.isTrue(answers.every((answer) => answer === answers[0]))
      // One event each: the one that started it tells of the attempt, the others that they joined.
      assert.strictEqual(events.length, 10)
      assert.deepStrictEqual(
        events.map((event) => [event.callOutcome, event.outcome, event.attempts.length, joined(event), event.latency]),
        [["ok", "Applied", 1, false, 1_000], ...Array.from({ length: 9 }, () => ["ok", "Applied", 0, true, 1_000])]
      )
      assert.deepStrictEqual(events[1]!.decisions, [
        { policy: "coalesce", name: "coalesce", decided: "joined", mode: "enforce", at: 0 }
      ])
      yield* settle(get())
      assert.strictEqual(sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("another principal, another request and another operation are not the same", () =>
    Effect.gen(function* () {
      const { get, other, sent } = yield* catalog({ coalesce: forUser, send: slowly })
      const fibers = yield* Effect.forEach(
        [get("a", "ada"), get("a", "bob"), get("b", "ada"), other("a", "ada"), get("a", "ada")],
        start
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Effect.forEach(fibers, Fiber.join)).map(({ id, n, user }) => [user, id, n]),
        [
          ["ada", "a", 1],
          ["bob", "a", 2],
          ["ada", "b", 3],
          ["ada", "a", 4],
          ["ada", "a", 1]
        ]
      )
      assert.strictEqual(sent.length, 4)
    }).pipe(seededly(1))
  )

  it.effect(
    "a principal is everyone, a function of the call, or an effect in the caller's fiber; nobody is not shared",
    () =>
      Effect.gen(function* () {
        const runs = (coalesce: Policy.Policy<never, "safe">, users: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const { get, sent } = yield* catalog({ coalesce, send: slowly })
            yield* Effect.forEach(users, (user) => start(get("a", user)))
            yield* TestClock.adjust("1 second")
            return sent.length
          })
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: "everyone" }), ["ada", "bob", ""]), 1)
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: (call) => call.operation }), ["ada", "bob"]), 1)
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: User }), ["ada", "bob", "ada"]), 2)
        const trimmed = Effect.map(User, (user) => user.trim())
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: trimmed }), ["ada", " ada", "bob"]), 2)
        // Two that nobody knows may be two people.
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: User }), ["", ""]), 2)
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: () => "" }), ["ada", "ada"]), 2)
        // A program that no compiler has checked may know nobody in another way.
        const nobody = () => undefined as never
        assert.strictEqual(yield* runs(Policy.coalesce({ principal: nobody }), ["ada", "ada"]), 2)
      }).pipe(seededly(1))
  )

  it.effect("`key` names what is asked for in place of the request", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* catalog({
        coalesce: Policy.coalesce({
          principal: User,
          key: ({ input }) => (input as { readonly id: string }).id.toLowerCase()
        }),
        send: slowly
      })
      const fibers = yield* Effect.forEach([get("A"), get("a"), get("b"), get("a", "bob")], start)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Effect.forEach(fibers, Fiber.join)).map(({ n }) => n),
        [1, 1, 2, 3]
      )
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("a failure is everybody's own, with the run's attempts", () =>
    Effect.gen(function* () {
      const { events, get, sent } = yield* catalog({
        policy: Policy.stack(patient, Policy.retry(Policy.backoff({ base: 100 }), { maxAttempts: 3 })),
        coalesce: forUser,
        send: () => Effect.andThen(Effect.sleep(100), say(Reason.unavailable()))
      })
      const first = yield* start(Effect.provideService(get(), Telemetry.CorrelationId, "one"))
      yield* TestClock.adjust(50)
      const second = yield* start(Effect.provideService(get(), Telemetry.CorrelationId, "two"))
      yield* TestClock.adjust("10 seconds")
      const [one, two] = [failureOf(first.pollUnsafe()!)!, failureOf(second.pollUnsafe()!)!]
      assert.strictEqual(sent.length, 3)
      assert.notStrictEqual(one, two)
      assert.deepStrictEqual([one.correlationId, two.correlationId], ["one", "two"])
      for (const failure of [one, two]) {
        assert.strictEqual(failure.reason._tag, "Unavailable")
        assert.strictEqual(failure.outcome, "Unknown")
        assert.strictEqual(failure.stopped, "attempts are spent")
        assert.deepStrictEqual(
          failure.attempts.map(({ number, reason }) => [number, reason]),
          [1, 2, 3].map((number) => [number, "Unavailable"])
        )
      }
      const [elapsed, less] = [one, two].map((failure) => failure.toJSON() as { readonly elapsedMs: number })
      assert.strictEqual(elapsed!.elapsedMs - less!.elapsedMs, 50)
      const event = (id: string) => events.find(({ correlationId }) => correlationId === id)!
      assert.deepStrictEqual(
        [event("one"), event("two")].map((e) => [e.callOutcome, e.outcome, e.attempts.length, joined(e)]),
        [
          ["exhausted", "Unknown", 3, false],
          ["exhausted", "Unknown", 0, true]
        ]
      )
      // What the layers inside decided, and the waits, are told once.
      assert.deepStrictEqual(
        event("one")
          .decisions.map(({ decided }) => decided)
          .filter((decided) => decided === "retried").length,
        2
      )
      assert.isAbove(event("one").retryDelay, 0)
      assert.strictEqual(event("two").retryDelay, 0)
    }).pipe(seededly(1))
  )

  it.effect("a defect reaches all, and what is found behind it is told", () =>
    Effect.gen(function* () {
      const dies = Policy.make({
        slot: "call",
        name: "dies",
        build: () =>
          Effect.succeed(
            (step: Policy.CallStep): Policy.CallStep =>
              (call) =>
                Effect.andThen(step(call), Effect.die(new Error("boom")))
          )
      })
      const { events, get } = yield* catalog({ policy: Policy.stack(patient, dies), coalesce: forUser, send: slowly })
      const fibers = yield* Effect.forEach([get(), get()], start)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(fibers.map(tagOf), ["Failed", "Failed"])
      assert.deepStrictEqual(
        events.map(({ attempts, callOutcome, outcome }) => [callOutcome, outcome, attempts.length]),
        [
          ["failed", "Applied", 1],
          ["failed", "Applied", 0]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("who gives up leaves the others alone; the one that started it tells of the attempt it gave up", () =>
    Effect.gen(function* () {
      const { events, get, sent, state } = yield* catalog({ coalesce: forUser, send: slowly })
      const [leader, second, third] = yield* Effect.forEach([get(), get(), get()], start)
      yield* TestClock.adjust(300)
      yield* Fiber.interrupt(leader!)
      yield* Fiber.interrupt(second!)
      assert.deepStrictEqual(
        events.map(({ attempts, callOutcome, outcome }) => [
          callOutcome,
          outcome,
          attempts.map(({ elapsed, reason }) => [reason, elapsed])
        ]),
        [
          ["cancelled", "Unknown", [["Interrupted", 300]]],
          ["cancelled", "Unknown", []]
        ]
      )
      const fourth = yield* start(get())
      yield* TestClock.adjust(700)
      assert.deepStrictEqual([third!, fourth].map(tagOf), ["ok", "ok"])
      assert.strictEqual(sent.length, 1)
      assert.strictEqual(state.runs(), 0)
      assert.strictEqual(events[0]!.attempts.length, 1, "an event has changed after it was told")
    }).pipe(seededly(1))
  )

  it.effect("the last one that gives up ends the run at once", () =>
    Effect.gen(function* () {
      const { events, get, sent, state } = yield* catalog({ coalesce: forUser, send: slowly })
      const [leader, joiner] = yield* Effect.forEach([get(), get()], start)
      yield* TestClock.adjust(300)
      yield* Fiber.interrupt(joiner!)
      yield* Fiber.interrupt(leader!)
      assert.strictEqual(sent[0]!.ended, 300)
      assert.strictEqual(state.runs(), 0)
      assert.deepStrictEqual(
        events[1]!.attempts.map(({ outcome, reason }) => [reason, outcome]),
        [["Interrupted", "Unknown"]]
      )
      // A joiner that is the last one ends it too.
      const [one, two] = yield* Effect.forEach([get(), get()], start)
      yield* Fiber.interrupt(one!)
      assert.isUndefined(sent[1]!.ended)
      yield* Fiber.interrupt(two!)
      assert.strictEqual(sent[1]!.ended, 300)
      assert.deepStrictEqual([events[3]!.outcome, events[3]!.attempts.length], ["Unknown", 0])
    }).pipe(seededly(1))
  )

  it.effect("a run that does not end when it is interrupted is waited for: there are never two", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* catalog({
        coalesce: forUser,
        send: () => Effect.uninterruptible(Effect.sleep("1 second"))
      })
      const first = yield* start(get())
      yield* TestClock.adjust(200)
      first.interruptUnsafe()
      const newcomers = yield* Effect.forEach([get(), get(), get()], start)
      yield* Fiber.interrupt(newcomers[0]!)
      assert.strictEqual(sent.length, 1)
      yield* TestClock.adjust(800)
      assert.isDefined(first.pollUnsafe())
      assert.deepStrictEqual(
        sent.map(({ began }) => began),
        [0, 1_000]
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(newcomers.map(tagOf), ["interrupted", "ok", "ok"])
      assert.strictEqual(sent.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("each caller waits no longer than for its own deadline, and the run has the whole total deadline", () =>
    Effect.gen(function* () {
      const { events, get, sent } = yield* catalog({
        policy: Policy.stack(patient, Policy.totalDeadline("10 seconds"), Policy.attemptTimeout("10 seconds")),
        coalesce: forUser,
        send: () => Effect.never
      })
      const leader = yield* start(get().pipe(Deadline.within("1 second")))
      yield* TestClock.adjust(500)
      const short = yield* start(get().pipe(Deadline.within("2 seconds")))
      yield* TestClock.adjust("3500 millis")
      const patientOne = yield* start(get())
      assert.deepStrictEqual([leader, short].map(tagOf), ["Timeout", "Timeout"])
      assert.deepStrictEqual(
        events.map(({ attempts, callOutcome, latency, outcome }) => [
          callOutcome,
          latency,
          outcome,
          attempts.map(({ reason }) => reason)
        ]),
        [
          ["timeout", 1_000, "Unknown", ["Timeout"]],
          ["timeout", 2_000, "Unknown", []]
        ]
      )
      // Nobody waited from 2.5 s to 4 s: that run has ended with its last caller.
      assert.deepStrictEqual(
        sent.map(({ began, ended }) => [began, ended]),
        [
          [0, 2_500],
          [4_000, undefined]
        ]
      )
      yield* TestClock.adjust("4 seconds")
      const late = yield* start(get())
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual([patientOne, late].map(tagOf), ["Timeout", "Timeout"])
      assert.strictEqual(sent.length, 2)
      // The run's deadline, ten seconds after its start, and not the late one's own.
      assert.strictEqual(events[3]!.latency, 6_000)
    }).pipe(seededly(1))
  )

  it.effect(
    "a run ends by its own total deadline, though an attempt could go on and who joined late has more time",
    () =>
      Effect.gen(function* () {
        const { events, get, sent } = yield* catalog({
          policy: Policy.stack(
            Policy.totalDeadline("10 seconds"),
            Policy.retry(Policy.backoff({ base: 1, cap: 1 }), { maxAttempts: 5 }),
            Policy.attemptTimeout("6 seconds")
          ),
          coalesce: forUser,
          send: () => Effect.never
        })
        yield* start(get())
        yield* TestClock.adjust("8 seconds")
        const late = yield* start(get())
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(tagOf(late), "Timeout")
        assert.deepStrictEqual(
          events.map(({ latency }) => latency),
          [10_000, 2_000]
        )
        assert.deepStrictEqual([sent.length, sent[1]!.ended], [2, 10_000])
      }).pipe(seededly(1))
  )

  it.effect("the attempts and waits of a run are told in the time of the call that started it", () =>
    Effect.gen(function* () {
      const slowUser = Effect.delay(User, 250)
      const { events, get } = yield* catalog({
        policy: Policy.stack(
          Policy.totalDeadline("30 seconds"),
          Policy.retryNever("each attempt is looked at"),
          Policy.attemptTimeout("10 seconds"),
          Policy.rateLimit({ limit: 1, window: "2 seconds" })
        ),
        coalesce: Policy.coalesce({ principal: slowUser }),
        send: slowly
      })
      yield* start(get("b"))
      yield* TestClock.adjust("1 second")
      yield* start(get("a"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        events.map((e) => [e.latency, e.queueWait, e.queuedFor.ratelimit, e.attempts.map((a) => a.startedAfter)]),
        [
          [1_250, 0, 0, [250]],
          [2_250, 1_000, 1_000, [250]]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("more than maxWaiters are turned away, unsent", () =>
    Effect.gen(function* () {
      const { events, get, sent } = yield* catalog({
        coalesce: Policy.coalesce({ principal: User, maxWaiters: 2 }),
        send: slowly
      })
      const fibers = yield* Effect.forEach([get(), get(), get()], start)
      assert.deepStrictEqual(fibers.map(tagOf), [undefined, undefined, "BulkheadFull"])
      assert.deepStrictEqual(
        [events[0]!.callOutcome, events[0]!.outcome, events[0]!.decisions.map(({ decided }) => decided)],
        ["rejected_bulkhead", "NotSent", ["rejected"]]
      )
      const full = failureOf(fibers[2]!.pollUnsafe()!)!
      assert.strictEqual(full.reason.message, "2 callers wait for this answer, the most allowed")
      assert.strictEqual(full.stopped, "not transient")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(fibers.map(tagOf), ["ok", "ok", "BulkheadFull"])
      assert.strictEqual(sent.length, 1)
    }).pipe(seededly(1))
  )

  it.effect("observe tells who would have joined, and everybody sends; off stands aside", () =>
    Effect.gen(function* () {
      const observed = yield* catalog({ coalesce: Policy.withMode(forUser, "observe"), send: slowly })
      yield* Effect.forEach([observed.get(), observed.get(), observed.get("b")], start)
      yield* TestClock.adjust("500 millis")
      yield* start(observed.get())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        observed.events.map((e) => [
          e.callOutcome,
          e.attempts.length,
          e.decisions.map((d) => `${d.decided} ${d.mode}`)
        ]),
        [
          ["ok", 1, []],
          ["ok", 1, ["joined observe"]],
          ["ok", 1, []],
          ["ok", 1, ["joined observe"]]
        ]
      )
      assert.strictEqual(observed.state.watched(), 0)
      const off = yield* catalog({ coalesce: Policy.withMode(forUser, "off"), send: slowly })
      yield* Effect.forEach([off.get(), off.get()], start)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        off.events.map((e) => [e.attempts.length, e.decisions.length]),
        [
          [1, 0],
          [1, 0]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("a layer that closes: callers have the drain, and then end as drained calls do", () =>
    Effect.gen(function* () {
      for (const [drain, outcomes, ended] of [
        [2_000, ["ok", "ok"], 1_000],
        [400, ["cancelled", "cancelled"], 700]
      ] as const) {
        const scope = yield* Scope.make()
        const { events, get, sent, state } = yield* catalog({ coalesce: forUser, send: slowly, drain }).pipe(
          Scope.provide(scope)
        )
        const began = yield* TestClock.testClockWith((clock) => clock.currentTimeMillis)
        const fibers = yield* Effect.forEach([get(), get()], start)
        yield* TestClock.adjust(300)
        const closing = yield* start(Scope.close(scope, Exit.void))
        const late = yield* start(get())
        assert.strictEqual(tagOf(late), "Draining")
        yield* TestClock.adjust("10 seconds")
        assert.isDefined(closing.pollUnsafe())
        assert.deepStrictEqual(
          events.filter(({ latency }) => latency > 0).map(({ callOutcome }) => callOutcome),
          [...outcomes]
        )
        assert.strictEqual(sent[0]!.ended! - began, ended)
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
        assert.strictEqual(state.runs(), 0)
        if (ended === 700) {
          const [attempt] = events.find(({ attempts }) => attempts.length > 0)!.attempts
          assert.deepStrictEqual([attempt!.reason, attempt!.outcome], ["Timeout", "Unknown"])
        }
      }
    }).pipe(seededly(1))
  )

  it.effect("a joiner's span links to that of the call that started the run", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { get } = yield* catalog({ coalesce: forUser, send: slowly })
      yield* Effect.gen(function* () {
        yield* Effect.forEach([get(), get()], start)
        yield* TestClock.adjust("1 second")
      }).pipe(Effect.withTracer(tracer))
      const [leader, joiner] = spans.filter(({ kind }) => kind === "internal")
      assert.deepStrictEqual(leader!.links, [])
      assert.deepStrictEqual(
        joiner!.links.map(({ span }) => span.spanId),
        [leader!.spanId]
      )
      const attempts = spans.filter(({ kind }) => kind === "client")
      assert.deepStrictEqual(
        attempts.map(({ parent }) => Option.getOrUndefined(parent as never as Option.Option<Tracer.Span>)?.spanId),
        [leader!.spanId]
      )
    }).pipe(seededly(1))
  )

  it.effect("a run takes one permit, however many wait for it, and gives it back", () =>
    Effect.gen(function* () {
      const bulkhead = watchedBulkhead(1, 0)
      const { get } = yield* catalog({
        policy: Policy.stack(patient, bulkhead.policy),
        coalesce: forUser,
        send: slowly
      })
      const fibers = yield* Effect.forEach([get(), get(), get()], start)
      const other = yield* start(get("b"))
      assert.strictEqual(tagOf(other), "BulkheadFull")
      assert.strictEqual(bulkhead.permits.taken, 1)
      yield* Effect.forEach(fibers, Fiber.interrupt)
      assert.strictEqual(bulkhead.permits.taken, 0)
      assert.isTrue(Exit.isSuccess(yield* settle(get("b"))))
    }).pipe(seededly(1))
  )

  it.effect("over HTTP the request is what is compared", () =>
    Effect.gen(function* () {
      const provider = FaultInjection.make({
        respond: () => ({ body: thing }),
        faults: () => FaultInjection.latency("100 millis")
      })
      const policy = Policy.stack(Policy.standard(), forUser)
      const layer = HttpIntegration.layer(Acme, { baseUrl: "https://acme.example", policy: { get: policy } }).pipe(
        Layer.provide([provider.layer, Layer.succeed(Lookup, { find: () => Effect.succeed(Option.none()) })])
      )
      const acme = Context.get(yield* Layer.build(layer), Acme)
      const get = (id: string) => acme.get({ params: { id } })
      yield* Effect.forEach([get("a"), get("b"), get("a")], start)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        provider.requests.map(({ url }) => new URL(url).pathname),
        ["/things/a", "/things/b"]
      )
    }).pipe(seededly(1))
  )

  it.effect("what may change something does not have it, though it came past the types", () =>
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
      assert.deepStrictEqual((yield* build(Policy.stack(Policy.standard(), forUser))).problems, [
        "coalesce shares one run among callers: only a safe operation can have it"
      ])
      assert.deepStrictEqual(
        (yield* build(
          Policy.stack(Policy.standard(), Policy.coalesce({ maxWaiters: 0, principal: undefined } as never))
        )).problems,
        [
          "coalesce needs a principal: an answer of one user must never reach another",
          "coalesce's maxWaiters must be an integer of at least 1, got 0"
        ]
      )
    })
  )

  it("one caller is the fewest that may wait", () => {
    const problems = (maxWaiters: number) => Policy.coalesce({ principal: User, maxWaiters }).layers[0]!.problems
    assert.deepStrictEqual(problems(1), [])
    assert.strictEqual(problems(0).length, 1)
    assert.strictEqual(problems(1.5).length, 1)
  })

  it("its number is a setting by name", () => {
    const { settings, tune } = forUser.layers[0]!.tunable!
    assert.deepStrictEqual(settings, { COALESCE_MAX_WAITERS: { kind: "integer", value: 10_000 } })
    const tuned = tune({ COALESCE_MAX_WAITERS: 7 })
    assert.deepStrictEqual(tuned.tunable!.settings, { COALESCE_MAX_WAITERS: { kind: "integer", value: 7 } })
    assert.strictEqual(tuned.describe, "callers that ask the same at once share one run, at most 7 of them")
  })
})

describe("a run whose limit is switched off", () => {
  it.effect("is bounded by nothing, as each call is", () =>
    Effect.gen(function* () {
      const { events, get } = yield* catalog({
        policy: Policy.stack(
          Policy.withMode(Policy.totalDeadline("30 seconds"), "off"),
          Policy.retryNever("each attempt is looked at"),
          Policy.withMode(Policy.attemptTimeout("30 seconds"), "off")
        ) as Policy.Complete,
        coalesce: forUser,
        send: () => Effect.sleep("2 minutes")
      })
      const fibers = yield* Effect.forEach([get(), get()], start)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(fibers.map(tagOf), ["ok", "ok"])
      assert.deepStrictEqual(
        events.map(({ latency }) => latency),
        [120_000, 120_000]
      )
    }).pipe(seededly(1))
  )
})

describe("a call that is not shared, below the runner", () => {
  it.effect("is one that is made again from its store, or that comes while the layer closes", () =>
    Effect.gen(function* () {
      let sent = 0
      const [layer] = Policy.coalesce({ principal: User, maxWaiters: 2 }).layers
      if (layer?.level !== "call") return assert.fail("it is a layer of a call")
      const transform = yield* layer.build({ ...siteAlone, repeat: "Safe" })
      const step = transform(() =>
        Effect.delay(
          Effect.sync(() => ++sent),
          100
        )
      )
      const run = (fields: Partial<CallRecord>) =>
        Effect.gen(function* () {
          sent = 0
          const call = () => Object.assign(recordOf("get", { id: "a" }), fields)
          const fibers = yield* Effect.forEach([step(call()), step(call())], start)
          yield* TestClock.adjust(100)
          assert.deepStrictEqual(fibers.map(tagOf), ["ok", "ok"])
          return sent
        })
      assert.strictEqual(yield* run({}), 1)
      assert.strictEqual(yield* run({ resumed: true }), 2)
      assert.strictEqual(yield* run({ draining: true }), 2)
      // Without a limit of the policy, a caller's deadline is none of the run's.
      assert.strictEqual(yield* run({ deadline: 50 }), 1)
    })
  )
})

const recordOf = (operation: string, input: unknown): CallRecord =>
  new CallRecord({
    id: "",
    integration: "test",
    operation,
    repeat: "Safe",
    input,
    startedAt: 0,
    correlationId: ""
  })

describe("what is the same", () => {
  const keyOf = (
    input: unknown,
    request?: unknown,
    options: { readonly who?: string; readonly operation?: string } = {}
  ) => {
    const call = recordOf(options.operation ?? "get", input)
    call.prepared = {
      place: () => undefined,
      send: () => Effect.void,
      ...(request === undefined ? {} : { request: () => request })
    }
    return askedKey(options.who ?? "everyone", undefined, call)
  }
  class Account {
    readonly #id: string
    constructor(id: string) {
      this.#id = id
    }
    get id() {
      return this.#id
    }
  }

  it("the order of names does not count, everything else does", () => {
    assert.strictEqual(keyOf({ a: 1, b: [2] }), keyOf({ b: [2], a: 1 }))
    const all = [
      undefined,
      {},
      [],
      "",
      "1",
      1,
      0,
      true,
      false,
      { a: 1 },
      { a: "1" },
      { a: [1] },
      { a: { b: 1 } },
      [1, 2]
    ]
    const keys = all.map((input) => keyOf(input))
    assert.isTrue(keys.every((key) => key !== undefined))
    assert.strictEqual(new Set(keys).size, all.length)
    assert.notStrictEqual(keyOf(1), keyOf(1, undefined, { who: "of ada" }))
    assert.notStrictEqual(keyOf(1), keyOf(1, undefined, { operation: "other" }))
    assert.notStrictEqual(keyOf(undefined, 1), keyOf(1))
  })

  it("what JSON does not write down in full is the same as nothing", () => {
    for (const input of [
      new Map([["a", 1]]),
      new Set([1]),
      Redacted.make("secret"),
      Option.some(1),
      new Account("1"),
      new Date(0),
      new FormData(),
      1n,
      Number.NaN,
      Infinity,
      -0,
      () => 1,
      Symbol("a"),
      null,
      [undefined],
      // It has a hole only.
      Array(1),
      { [Symbol("a")]: 1 },
      { toJSON: () => 1 },
      // Nobody lists it, and JSON writes what it says.
      Object.defineProperty({ a: 1 }, "toJSON", { value: () => 1 }),
      Object.setPrototypeOf(() => 1, null) as unknown
    ]) {
      assert.isUndefined(keyOf(input), typeof input)
      // Inside of something, null is a value like others.
      if (input !== null) assert.isUndefined(keyOf({ deep: [{ input }] }), typeof input)
    }
  })

  it("what JSON leaves out is the same as what is not there, and null is a value inside of something", () => {
    const bare = Object.assign(Object.create(null), { a: 1 })
    assert.strictEqual(keyOf(bare), keyOf({ a: 1 }))
    assert.strictEqual(keyOf({ a: 1, b: undefined }), keyOf({ a: 1 }))
    const keys = [{ a: null }, {}, [null], [], [[null]], { a: { b: null } }, { a: [null] }].map((input) => keyOf(input))
    assert.isTrue(keys.every((key) => key !== undefined))
    assert.strictEqual(new Set(keys).size, keys.length)
  })

  it("an input that is nested without an end, or nearly so, is the same as nothing", () => {
    const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown =>
      levels === 0 ? 1 : wrap(nested(levels - 1, wrap))
    const endless: { inner?: unknown } = {}
    endless.inner = endless
    const rings: Array<unknown> = []
    rings.push(rings)
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner })]) {
      assert.isDefined(keyOf(nested(64, wrap)))
      assert.isDefined(keyOf(nested(65, wrap)))
      assert.isUndefined(keyOf(nested(66, wrap)))
    }
    assert.isUndefined(keyOf(endless))
    assert.isUndefined(keyOf(rings))
  })

  it("a request need not look like HTTP", () => {
    for (const request of ["a text", 7, null, {}, { body: null }, { method: "POST" }, { url: "/" }]) {
      assert.isDefined(keyOf({ params: 1 }, request), JSON.stringify(request))
      assert.isDefined(keyOf("text", request), JSON.stringify(request))
    }
    assert.isDefined(keyOf({ payload: 1 }, "a text"))
    assert.isDefined(keyOf({ payload: 1 }, null))
    // Without a body that could be left out, or with a body that stands there, the payload is in it.
    assert.isDefined(keyOf({ payload: 1 }, { method: "POST" }))
    assert.isDefined(keyOf({ payload: 1 }, { body: "" }))
    assert.isUndefined(keyOf({ payload: 1 }, { body: null }))
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
      assert.isDefined(keyOf({ payload: { a: 1 } }, { method, body: null }), method)
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE", ""]) {
      assert.isUndefined(keyOf({ payload: { a: 1 } }, { method, body: null }), method)
    }
    for (const input of [undefined, null, "text", 1, {}, { payload: undefined }]) {
      assert.isDefined(keyOf(input, { method: "POST", body: null }), String(input))
    }
  })

  it("a form has no bytes in the request, so two of them look alike", () => {
    const post = (input: object, body: unknown = null, method = "POST") => keyOf(input, { method, url: "/", body })
    assert.isUndefined(post({ payload: new FormData() }))
    assert.isUndefined(post({ payload: { a: 1 } }))
    assert.isDefined(post({ payload: { a: 1 } }, { type: "json", base64: "" }))
    assert.isDefined(post({ params: { a: 1 } }))
    assert.isDefined(post({ payload: { a: 1 } }, null, "GET"))
    // Values that JSON can't write are none of its business where there is a request.
    assert.isDefined(post({ params: { at: new Date(0) } }))
  })
})
