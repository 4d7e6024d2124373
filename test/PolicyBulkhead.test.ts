import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason, type Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Exit, Fiber, Latch, Layer, Metric, Option } from "effect"
import { TestClock } from "effect/testing"
import type { Call, Site } from "../src/Call.ts"
import { siteAlone } from "../src/internal/alone.ts"
import { CallRecord } from "../src/internal/call.ts"
import { Bulkhead, Permits, type Ticket } from "../src/internal/permits.ts"
import { ownClock, stage } from "./properties/stepping.ts"
import {
  Acme,
  failureOf,
  Lookup,
  say,
  scripted,
  seededly,
  settle,
  spyOn,
  thing,
  watchedBulkhead
} from "./properties/support.ts"

const patient = Policy.stack(
  Policy.totalDeadline("60 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("20 seconds")
)

/** Calls that take a second each, behind a bulkhead. */
const slowly = (options: Parameters<typeof Policy.bulkhead>[0], policy: Policy.Complete = patient) =>
  scripted({
    policy: Policy.stack(policy, Policy.bulkhead(options)),
    send: (n) => Effect.delay(Effect.succeed(n), "1 second")
  })

const start = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })
const startMany = <A, E>(call: Effect.Effect<A, E>, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => start(call))

describe("Policy.bulkhead", () => {
  it.effect("runs as many as it may at once, and the rest in the order in which they came", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 2, queue: 10 })
      const fibers = yield* startMany(call, 7)
      assert.strictEqual(sent.length, 2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(sent, [0, 0, 1_000, 1_000, 2_000, 2_000, 3_000])
      // The n-th to ask is the n-th to be sent.
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(answers, [1, 2, 3, 4, 5, 6, 7])
      assert.deepStrictEqual(
        events.map(({ queueWait }) => queueWait),
        [0, 0, 1_000, 1_000, 2_000, 2_000, 3_000]
      )
    }).pipe(seededly(1))
  )

  it.effect("turns away what does not fit into the queue, at once and unsent", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 2, queue: 1 })
      yield* startMany(call, 3)
      const failure = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(failure.reason._tag, "BulkheadFull")
      assert.strictEqual(failure.reason.message, "2 attempts are running and 1 waiting, the most allowed")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.strictEqual(events[0]!.callOutcome, "rejected_bulkhead")
      assert.strictEqual(events[0]!.latency, 0)
      assert.deepStrictEqual(decisions(events[0]!), ["bulkhead bulkhead rejected enforce 0"])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(sent.length, 3)
    }).pipe(seededly(1))
  )

  it.effect("the queue is as long as what may run, unless told otherwise; a queue of 0 is none", () =>
    Effect.gen(function* () {
      const equal = yield* slowly({ concurrency: 3 })
      const many = yield* startMany(equal.call, 7)
      assert.deepStrictEqual(
        many.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, false, false, false, false, false, true]
      )
      const none = yield* slowly({ concurrency: 1, queue: 0 })
      const two = yield* startMany(none.call, 2)
      assert.deepStrictEqual(
        two.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, true]
      )
      yield* TestClock.adjust("1 minute")
    }).pipe(seededly(1))
  )

  it.effect("who is interrupted in the queue leaves it, and is overtaken by nobody who was behind the others", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 1, queue: 3 })
      const fibers = yield* startMany(call, 4)
      yield* Fiber.interrupt(fibers[1]!)
      // Its place is free again.
      const fifth = yield* start(call)
      assert.isUndefined(fifth.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(sent, [0, 1_000, 2_000, 3_000])
      assert.deepStrictEqual(yield* Effect.forEach([0, 2, 3], (n) => Fiber.join(fibers[n]!)), [1, 2, 3])
      assert.strictEqual(yield* Fiber.join(fifth), 4)
      assert.strictEqual(events.find(({ callOutcome }) => callOutcome === "cancelled")!.outcome, "NotSent")
    }).pipe(seededly(1))
  )

  it.effect("who is interrupted while running gives the permit to the next at once", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* slowly({ concurrency: 1 })
      const [first, second] = yield* startMany(call, 2)
      yield* TestClock.adjust("300 millis")
      yield* Fiber.interrupt(first!)
      assert.deepStrictEqual(sent, [0, 300])
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(second!)))
    }).pipe(seededly(1))
  )

  it.effect("the wait ends with the total deadline, unsent, and is reported as a wait", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ attemptTimeout: "800 millis", totalDeadline: "800 millis" }),
          Policy.bulkhead({ concurrency: 1 })
        ),
        // Holds its permit longer than it should.
        send: () => Effect.uninterruptible(Effect.sleep("1 second"))
      })
      const [, second] = yield* startMany(call, 2)
      yield* TestClock.adjust("5 seconds")
      const failure = failureOf(yield* Fiber.await(second!))!
      assert.strictEqual(failure.reason._tag, "Timeout")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.strictEqual(sent.length, 1)
      const event = events.find(({ outcome }) => outcome === "NotSent")!
      assert.strictEqual(event.latency, 800)
      assert.strictEqual(event.queueWait, 800)
      assert.strictEqual(failure.attempts[0]!.queued, 800)
      assert.include(failure.message, "800 ms of it for a permit")
    }).pipe(seededly(1))
  )

  it.effect("the attempt timeout starts when the permit is there", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* slowly(
        { concurrency: 1, queue: 5 },
        Policy.stack(patient, Policy.attemptTimeout("1500 millis"))
      )
      const fibers = yield* startMany(call, 5)
      yield* TestClock.adjust("10 seconds")
      for (const fiber of fibers) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      assert.strictEqual(sent.length, 5)
    }).pipe(seededly(1))
  )

  it.effect("a permit is held by an attempt, never by a backoff", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ schedule: Policy.backoff({ base: "20 seconds" }) }),
          Policy.bulkhead({ concurrency: 1, queue: 0 })
        ),
        send: (n) => (n === 1 ? say(Reason.unavailable()) : Effect.succeed("ok"))
      })
      const waiting = yield* start(call)
      assert.isUndefined(waiting.pollUnsafe())
      // The first waits between two attempts; the second gets through meanwhile.
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(call)))
      assert.deepStrictEqual(sent, [0, 0])
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(waiting)))
    }).pipe(seededly(3))
  )

  it.effect("two bulkheads of an operation add up their waits", () =>
    Effect.gen(function* () {
      const { call, events, other } = yield* scripted({
        policy: Policy.stack(patient, Policy.bulkhead({ concurrency: 2, queue: 5, name: "own" })),
        shared: Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1, queue: 5 }) }),
        send: () => Effect.delay(Effect.succeed("ok"), "1 second")
      })
      yield* startMany(call, 2)
      yield* startMany(other, 2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        events.map(({ latency, queueWait }) => [latency, queueWait]),
        [
          [1_000, 0],
          [2_000, 1_000],
          [3_000, 2_000],
          [4_000, 3_000]
        ]
      )
    }).pipe(seededly(1))
  )

  it.effect("bulkheads of one name are one for all operations; layers share nothing", () =>
    Effect.gen(function* () {
      const options = {
        policy: patient,
        shared: Policy.shared({ bulkhead: Policy.bulkhead({ concurrency: 1, queue: 0 }) }),
        send: () => Effect.delay(Effect.succeed("ok"), "1 second")
      }
      const first = yield* scripted(options)
      const second = yield* scripted(options)
      yield* start(first.call)
      assert.strictEqual(failureOf(yield* Effect.exit(first.other))?.reason._tag, "BulkheadFull")
      assert.isTrue(Exit.isSuccess(yield* settle(second.other)))
    }).pipe(seededly(1))
  )
})

type Options = Policy.BulkheadOptions

const decisions = (event: Telemetry.CallObserved) =>
  event.decisions.map(({ at, decided, mode, name, policy }) => `${policy} ${name} ${decided} ${mode} ${at}`)

/** The reason's tag of a failed call, `ok` for a success. */
const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? "ok"

describe("Policy.bulkhead: maxWait", () => {
  it.effect("who has waited for so long is turned away, unsent, and those behind wait on", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 1, queue: 5, maxWait: "300 millis", name: "narrow" })
      yield* start(call)
      yield* TestClock.adjust(100)
      const early = yield* start(call)
      yield* TestClock.adjust(299)
      assert.isUndefined(early.pollUnsafe())
      const late = yield* start(call)
      yield* TestClock.adjust(1)
      const failure = failureOf(early.pollUnsafe()!)!
      assert.strictEqual(failure.reason._tag, "BulkheadFull")
      assert.strictEqual(failure.reason.message, "no permit within 300 ms: 1 attempts are running, the most allowed")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.isUndefined(late.pollUnsafe())
      assert.strictEqual(events[0]!.callOutcome, "rejected_bulkhead")
      assert.strictEqual(events[0]!.latency, 300)
      assert.strictEqual(events[0]!.queueWait, 300)
      assert.deepStrictEqual(decisions(events[0]!), [
        "bulkhead narrow waited enforce 100",
        "bulkhead narrow rejected enforce 400"
      ])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(tagOf(late.pollUnsafe()!), "BulkheadFull")
      assert.deepStrictEqual(sent, [0])
    }).pipe(seededly(1))
  )

  it.effect("a permit that comes sooner is taken, and the limit no longer counts", () =>
    Effect.gen(function* () {
      const { call, events, sent } = yield* slowly({ concurrency: 1, maxWait: "1001 millis" })
      const fibers = yield* startMany(call, 2)
      yield* TestClock.adjust("10 seconds")
      for (const fiber of fibers) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      assert.deepStrictEqual(sent, [0, 1_000])
      assert.deepStrictEqual(events.map(decisions), [[], ["bulkhead bulkhead waited enforce 0"]])
    }).pipe(seededly(1))
  )

  it("in the moment in which a permit comes, the wait ends with the permit or without one, and is a wait either way", () => {
    const seen = { ran: 0, rejected: 0 }
    for (let turns = 0; turns < 30; turns++) {
      const time = ownClock()
      const queued: Array<number> = []
      const { built, start, stepper } = stage(
        time,
        alone({ concurrency: 1, maxWait: 500 }, (decided, state) => {
          if (decided === "rejected") queued.push(state.waiting.size)
        })
      )
      const first = built.attempt("a")
      const second = built.attempt("a")
      start(first.effect)
      stepper.drain()
      const fiber = start(second.effect)
      stepper.drain()
      Effect.runSync(first.open)
      for (let n = 0; n < turns; n++) stepper.step()
      time.advance(500)
      stepper.drain()
      const at = `after ${turns} turns`
      // Who is turned away still stood in the queue: nobody is who has a permit.
      assert.deepStrictEqual(queued, second.running ? [] : [1], at)
      if (second.running) {
        seen.ran++
        assert.include([0, 500], second.call.queued, at)
        Effect.runSync(second.open)
        stepper.drain()
      } else {
        seen.rejected++
        assert.strictEqual(second.call.queued, 500, at)
      }
      assert.isDefined(fiber.pollUnsafe(), at)
      assert.strictEqual(built.state.size, 0, at)
    }
    assert.isAbove(seen.ran, 0)
    assert.isAbove(seen.rejected, 0)
  })

  it.effect("without one the wait has no limit but the deadline", () =>
    Effect.gen(function* () {
      const { call } = yield* scripted({
        policy: Policy.stack(patient, Policy.bulkhead({ concurrency: 1 })),
        send: (n) => Effect.delay(Effect.succeed(n), "19 seconds")
      })
      const fibers = yield* startMany(call, 2)
      yield* TestClock.adjust("18 seconds")
      assert.isUndefined(fibers[1]!.pollUnsafe())
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(tagOf(yield* Fiber.await(fibers[1]!)), "ok")
    }).pipe(seededly(1))
  )
})

describe("Policy.bulkhead: key", () => {
  const narrow = { concurrency: 1, queue: 0 } as const

  it.effect("by operation: one that is full does not turn the other away", () =>
    Effect.gen(function* () {
      const { call, other } = yield* scripted({
        policy: patient,
        shared: Policy.shared({ bulkhead: { ...narrow, key: "operation" } }),
        send: (n) => Effect.delay(Effect.succeed(n), "1 second")
      })
      const first = yield* start(call)
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "BulkheadFull")
      const beside = yield* start(other)
      assert.isUndefined(beside.pollUnsafe())
      yield* TestClock.adjust("1 second")
      for (const fiber of [first, beside]) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
    }).pipe(seededly(1))
  )

  it.effect("by integration, which is what it is without a key", () =>
    Effect.gen(function* () {
      for (const key of ["integration", undefined] as const) {
        const { call, other } = yield* scripted({
          policy: patient,
          shared: Policy.shared({ bulkhead: { ...narrow, key } }),
          send: (n) => Effect.delay(Effect.succeed(n), "1 second")
        })
        const first = yield* start(call)
        assert.strictEqual(tagOf(yield* Effect.exit(other)), "BulkheadFull")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(tagOf(yield* Fiber.await(first)), "ok")
      }
    }).pipe(seededly(1))
  )

  it.effect("no key and `integration` are one and the same", () =>
    Effect.gen(function* () {
      const watched = watchedBulkhead(1, 0)
      const { call } = yield* scripted({
        policy: Policy.stack(patient, watched.policy),
        shared: Policy.bulkhead({ ...narrow, key: "integration" }),
        send: (n) => Effect.delay(Effect.succeed(n), "1 second")
      })
      const first = yield* start(call)
      assert.strictEqual(watched.permits.taken, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(tagOf(yield* Fiber.await(first)), "ok")
      assert.strictEqual(watched.permits.taken, 0)
    }).pipe(seededly(1))
  )

  it.effect("by what a function reads from the call; a key without an attempt is dropped", () =>
    Effect.gen(function* () {
      let tenant = "a"
      let state: Bulkhead | undefined
      const { call, sent } = yield* scripted({
        policy: Policy.stack(
          patient,
          Policy.bulkhead({ ...narrow, key: () => tenant }),
          spyOn<Bulkhead>("bulkhead bulkhead", { ...narrow, key: "call" }, (seen) => (state = seen))
        ),
        send: (n) => Effect.delay(Effect.succeed(n), "1 second")
      })
      const first = yield* start(call)
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "BulkheadFull")
      tenant = "b"
      const second = yield* start(call)
      assert.strictEqual(sent.length, 2)
      assert.strictEqual(state!.size, 2)
      assert.strictEqual(state!.taken, 2)
      yield* TestClock.adjust("1 second")
      for (const fiber of [first, second]) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      assert.strictEqual(state!.size, 0)
    }).pipe(seededly(1))
  )

  it.effect("by host: the host of an HTTP operation; one that has none is refused", () =>
    Effect.gen(function* () {
      const policy = Policy.stack(patient, Policy.bulkhead({ ...narrow, key: "host" }))
      let state: Bulkhead | undefined
      const spy = spyOn<Bulkhead>("bulkhead bulkhead", { ...narrow, key: "host" }, (seen) => (state = seen))
      const provider = FaultInjection.make({ respond: () => ({ body: thing }) })
      const layer = HttpIntegration.layer(Acme, {
        baseUrl: "https://acme.example",
        policy: { get: Policy.stack(policy, spy) }
      }).pipe(Layer.provide([provider.layer, Layer.succeed(Lookup, { find: () => Effect.succeed(Option.none()) })]))
      const acme = Context.get(yield* Layer.build(layer), Acme)
      // Somebody else has the host's only permit.
      state!.of("acme.example").take({ held: false })
      assert.strictEqual(tagOf(yield* Effect.exit(acme.get({ params: { id: "1" } }))), "BulkheadFull")
      const error = yield* Effect.flip(scripted({ policy, send: () => Effect.succeed("ok") }))
      assert.strictEqual(
        String((error as Error).message),
        "test/Scripted send: the bulkhead is split by host, but the operation has none: give another key, or a fixed base URL"
      )
    }).pipe(seededly(1))
  )

  it.effect("a function that throws fails its call, unsent, and costs no permit", () =>
    Effect.gen(function* () {
      let broken = true
      const key = () => {
        if (broken) throw new RangeError("no tenant")
        return "a"
      }
      const { call, events } = yield* scripted({
        policy: Policy.stack(patient, Policy.bulkhead({ ...narrow, key })),
        send: (n) => Effect.succeed(n)
      })
      const failure = failureOf(yield* Effect.exit(call))!
      assert.strictEqual(failure.reason._tag, "Failed")
      assert.strictEqual(failure.reason.message, "a defect: RangeError")
      assert.strictEqual(failure.outcome, "NotSent")
      assert.strictEqual(events[0]!.queueWait, 0)
      broken = false
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "ok")
    }).pipe(seededly(1))
  )

  it.effect("one name is one bulkhead: other numbers, another wait or another key under it are refused", () =>
    Effect.gen(function* () {
      const fits = (options: Options) =>
        Effect.map(
          Effect.exit(
            Effect.scoped(
              scripted({
                policy: Policy.stack(
                  patient,
                  Policy.bulkhead(options),
                  spyOn("bulkhead bulkhead", { concurrency: 2, queue: 3, maxWait: 500, key: "operation" }, () => {})
                ),
                send: () => Effect.succeed("ok")
              })
            )
          ),
          Exit.isSuccess
        )
      const same: Options = { concurrency: 2, queue: 3, maxWait: "500 millis", key: "operation" }
      assert.isTrue(yield* fits(same))
      for (const other of [
        { concurrency: 3 },
        { queue: 2 },
        { maxWait: undefined },
        { key: "integration" },
        { key: "host" },
        { name: "another" }
      ] as const) {
        assert.isFalse(yield* fits({ ...same, ...other }), JSON.stringify(other))
      }
    }).pipe(seededly(1))
  )
})

describe("Policy.bulkhead: numbers", () => {
  const layerOf = (options: Options) => Policy.bulkhead(options).layers[0]!

  it("a plan says what it allows, for how long one waits, and by what it is split", () => {
    const described = (options: Options) => layerOf(options).describe
    assert.strictEqual(described({ concurrency: 3 }), "at most 3 attempts at once, 3 more may wait")
    assert.strictEqual(
      described({ concurrency: 3, queue: 0, maxWait: "2 seconds", key: "integration" }),
      "at most 3 attempts at once, 0 more may wait for 2 s"
    )
    assert.strictEqual(
      described({ concurrency: 1, queue: 5, key: "host" }),
      "at most 1 attempts at once, 5 more may wait, for each host"
    )
    assert.match(described({ concurrency: 1, key: "operation" }), /may wait, for each operation$/)
    assert.match(described({ concurrency: 1, key: ({ id }) => id }), /may wait, by a key of the call$/)
    const { name, slot } = layerOf({ concurrency: 1 })
    assert.deepStrictEqual([slot, name], ["bulkhead", "bulkhead"])
    assert.strictEqual(layerOf({ concurrency: 1, name: "mine" }).name, "mine")
  })

  it("that make no sense are named", () => {
    const problemsOf = (options: Options) => layerOf(options).problems
    assert.deepStrictEqual(problemsOf({ concurrency: 1, queue: 0, maxWait: 1 }), [])
    assert.deepStrictEqual(problemsOf({ concurrency: 7 }), [])
    for (const concurrency of [0, -1, 1.5, NaN, Infinity]) {
      assert.deepStrictEqual(problemsOf({ concurrency, queue: 1 }), [
        `the bulkhead's concurrency must be an integer of at least 1, got ${concurrency}`
      ])
    }
    for (const queue of [-1, 0.5, NaN, Infinity]) {
      assert.deepStrictEqual(problemsOf({ concurrency: 1, queue }), [
        `the bulkhead's queue must be an integer of at least 0, got ${queue}`
      ])
    }
    assert.deepStrictEqual(problemsOf({ concurrency: 1, maxWait: 0 }), [
      "the bulkhead's maxWait must be longer than zero, got 0 ms"
    ])
    assert.deepStrictEqual(problemsOf({ concurrency: 0, queue: -1, maxWait: "soon" as never }), [
      "the bulkhead's maxWait is not a duration: soon",
      "the bulkhead's concurrency must be an integer of at least 1, got 0",
      "the bulkhead's queue must be an integer of at least 0, got -1"
    ])
  })

  it("can be replaced by name, and the rest stays", () => {
    const layer = layerOf({ concurrency: 3, key: "host", name: "mine" })
    assert.deepStrictEqual(layer.tunable!.settings, {
      BULKHEAD_CONCURRENCY: { kind: "integer", value: 3 },
      BULKHEAD_QUEUE: { kind: "integer", value: 3 },
      BULKHEAD_MAX_WAIT: { kind: "duration", value: undefined }
    })
    const tuned = layer.tunable!.tune({ BULKHEAD_CONCURRENCY: 5, BULKHEAD_QUEUE: 9, BULKHEAD_MAX_WAIT: 700 })
    assert.strictEqual(tuned.name, "mine")
    assert.strictEqual(tuned.describe, "at most 5 attempts at once, 9 more may wait for 700 ms, for each host")
    assert.deepStrictEqual(tuned.tunable!.settings, {
      BULKHEAD_CONCURRENCY: { kind: "integer", value: 5 },
      BULKHEAD_QUEUE: { kind: "integer", value: 9 },
      BULKHEAD_MAX_WAIT: { kind: "duration", value: 700 }
    })
    // The queue that nobody gave is as long as what may run, whatever that is now.
    assert.strictEqual(
      layer.tunable!.tune({ BULKHEAD_CONCURRENCY: 5 }).describe,
      "at most 5 attempts at once, 5 more may wait, for each host"
    )
    assert.strictEqual(
      layerOf({ concurrency: 3, queue: 4, maxWait: "1 second" }).tunable!.tune({ BULKHEAD_CONCURRENCY: 5 }).describe,
      "at most 5 attempts at once, 4 more may wait for 1 s"
    )
    assert.strictEqual(
      layerOf({ concurrency: 3, queue: 4, maxWait: "1 second" }).tunable!.tune({ BULKHEAD_QUEUE: 0 }).describe,
      "at most 3 attempts at once, 0 more may wait for 1 s"
    )
  })
})

/** The gauges of the bulkheads by name, as `[running, waiting]`. */
const gauges = Effect.map(Metric.snapshot, (all) => {
  const values: Record<string, [number | undefined, number | undefined]> = {}
  for (const { attributes, id, state } of all) {
    const index = ["breakwater.bulkhead.running", "breakwater.bulkhead.waiting"].indexOf(id)
    if (index === -1) continue
    const name = (attributes as Record<string, string>)["breakwater.policy.name"]!
    ;(values[name] ??= [undefined, undefined])[index] = (state as { readonly value: number }).value
  }
  return values
})
const registry = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(self, Metric.MetricRegistry, new Map() as Metric.MetricRegistry)

describe("Policy.bulkhead: gauges", () => {
  it.effect("who runs and who waits, however each of them ends", () =>
    Effect.gen(function* () {
      const { call } = yield* slowly({ concurrency: 2, queue: 2, maxWait: "1500 millis", name: "gate" })
      const fibers = yield* startMany(call, 4)
      assert.deepStrictEqual(yield* gauges, { gate: [2, 2] })
      // One that finds the queue full is neither.
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "BulkheadFull")
      assert.deepStrictEqual(yield* gauges, { gate: [2, 2] })
      yield* Fiber.interrupt(fibers[3]!)
      assert.deepStrictEqual(yield* gauges, { gate: [2, 1] })
      yield* Fiber.interrupt(fibers[0]!)
      assert.deepStrictEqual(yield* gauges, { gate: [2, 0] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* gauges, { gate: [0, 0] })
      for (const fiber of [fibers[1]!, fibers[2]!]) assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
    }).pipe(registry, seededly(1))
  )

  it.effect("one that has waited too long no longer waits", () =>
    Effect.gen(function* () {
      const { call } = yield* slowly({ concurrency: 1, maxWait: "300 millis" })
      yield* startMany(call, 2)
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual(yield* gauges, { bulkhead: [1, 0] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* gauges, { bulkhead: [0, 0] })
    }).pipe(registry, seededly(1))
  )

  it.effect("operations that share a bulkhead add up in one series", () =>
    Effect.gen(function* () {
      const { call, other } = yield* scripted({
        policy: patient,
        shared: Policy.shared({ bulkhead: { concurrency: 2, queue: 5 } }),
        send: (n) => Effect.delay(Effect.succeed(n), "1 second")
      })
      yield* startMany(call, 2)
      yield* startMany(other, 2)
      assert.deepStrictEqual(yield* gauges, { bulkhead: [2, 2] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* gauges, { bulkhead: [2, 0] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* gauges, { bulkhead: [0, 0] })
    }).pipe(registry, seededly(1))
  )

  it.effect("say whose they are, and in what unit", () =>
    Effect.gen(function* () {
      const { call } = yield* slowly({ concurrency: 1 })
      const fibers = yield* startMany(call, 2)
      const found = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("breakwater.bulkhead."))
      assert.deepStrictEqual(
        found
          .map(({ attributes, description, id, type }) => ({ attributes, description, id, type }))
          .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        [
          ["breakwater.bulkhead.running", "Attempts that hold a permit"],
          ["breakwater.bulkhead.waiting", "Attempts that wait for a permit"]
        ].map(([id, description]) => ({
          attributes: {
            "breakwater.integration": "test/Scripted",
            "breakwater.policy.name": "bulkhead",
            unit: "{attempt}"
          },
          description,
          id: id!,
          type: "Gauge" as const
        }))
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.awaitAll(fibers)
    }).pipe(registry, seededly(1))
  )
})

/** The layer and nothing else, around a send that ends when it is told to. */
const alone = (options: Options, onDecided: (decided: string, state: Bulkhead) => void = () => {}) =>
  Effect.gen(function* () {
    let mode: Policy.Mode = "enforce"
    let state: Bulkhead | undefined
    const told: Array<string> = []
    const site: Site = {
      ...siteAlone,
      clear: [],
      mode: () => mode,
      decided: (_call, decided, now) => {
        told.push(`${mode} ${decided} ${now}`)
        onDecided(decided, state!)
      },
      shared: (_name, _options, make) => Effect.map(make, (made) => (state = made as Bulkhead) as never) as never
    }
    const transform = yield* Policy.bulkhead(options).layers[0]!.build(site)
    const callOf = (input: string) =>
      new CallRecord({
        id: input,
        integration: "",
        operation: "",
        repeat: "Safe",
        input,
        startedAt: 0,
        correlationId: ""
      })
    const attempt = (input: string) => {
      const call = callOf(input)
      const open = Latch.makeUnsafe()
      const self = { call, open: open.open, running: false }
      const step = transform((() => {
        self.running = true
        return Effect.ensuring(
          open.await,
          Effect.sync(() => (self.running = false))
        )
      }) as never) as (call: Call) => Effect.Effect<void, Reason.Reason>
      return Object.assign(self, { effect: Effect.suspend(() => step(call)) })
    }
    const run = (input: string) => {
      const self = attempt(input)
      return Effect.map(start(self.effect), (fiber) => Object.assign(self, { fiber }))
    }
    const [clear] = site.clear
    return {
      attempt,
      isClear: (input: string) => clear!(callOf(input), 0),
      run,
      setMode: (next: Policy.Mode) => (mode = next),
      state: state!,
      told
    }
  })

describe("Policy.bulkhead: whether an attempt would pass at once", () => {
  it.effect("only while a permit of its key is free", () =>
    Effect.gen(function* () {
      const { isClear, run } = yield* alone({ concurrency: 2, queue: 5, key: ({ input }) => input as string })
      assert.isTrue(isClear("a"))
      const first = yield* run("a")
      assert.isTrue(isClear("a"))
      yield* run("a")
      assert.isFalse(isClear("a"))
      assert.isTrue(isClear("b"))
      yield* first.open
      yield* Fiber.await(first.fiber)
      assert.isTrue(isClear("a"))
    }).pipe(seededly(1))
  )

  it.effect("always while the bulkhead observes", () =>
    Effect.gen(function* () {
      const { isClear, run, setMode } = yield* alone({ concurrency: 1 })
      yield* run("a")
      assert.isFalse(isClear("a"))
      setMode("observe")
      assert.isTrue(isClear("a"))
    }).pipe(seededly(1))
  )
})

describe("Policy.bulkhead: modes", () => {
  it.effect("observing, nothing waits and nothing is turned away, and it tells what enforcing would have done", () =>
    Effect.gen(function* () {
      const { run, setMode, state, told } = yield* alone({ concurrency: 2, queue: 1 })
      setMode("observe")
      const attempts = yield* Effect.forEach([1, 2, 3, 4, 5], () => run("a"))
      assert.isTrue(attempts.every(({ running }) => running))
      assert.deepStrictEqual(told, ["observe waited 0", "observe rejected 0", "observe rejected 0"])
      assert.strictEqual(state.taken, 5)
      // Enforcing lets nobody in before enough of them have ended.
      setMode("enforce")
      const waits = yield* run("a")
      assert.isFalse(waits.running)
      assert.strictEqual(state.waiting.size, 1)
      const rejected = yield* run("a")
      assert.strictEqual(
        (Option.getOrThrow(Exit.findErrorOption(rejected.fiber.pollUnsafe()!)) as Reason.Reason).message,
        "2 attempts are running and 1 waiting, the most allowed"
      )
      for (const [n, attempt] of attempts.entries()) {
        assert.strictEqual(waits.running, n >= 4, `after ${n}`)
        yield* attempt.open
        yield* Fiber.await(attempt.fiber)
      }
      yield* waits.open
      yield* Fiber.await(waits.fiber)
      assert.strictEqual(state.taken, 0)
      assert.strictEqual(state.size, 0)
    }).pipe(seededly(1))
  )

  it.effect("observing, what would have been turned away fills no place of those that would have run", () =>
    Effect.gen(function* () {
      const { run, setMode, told } = yield* alone({ concurrency: 1, queue: 0 })
      setMode("observe")
      const first = yield* run("a")
      const over = yield* run("a")
      assert.deepStrictEqual(told, ["observe rejected 0"])
      yield* first.open
      yield* Fiber.await(first.fiber)
      // Only the one that would not be there is left.
      const second = yield* run("a")
      assert.strictEqual(told.length, 1)
      yield* over.open
      yield* Fiber.await(over.fiber)
      yield* run("a")
      assert.deepStrictEqual(told, ["observe rejected 0", "observe rejected 0"])
      assert.isTrue(second.running)
    }).pipe(seededly(1))
  )

  it.effect("who waits from before it observes goes on with the next that comes, or that ends", () =>
    Effect.gen(function* () {
      const { run, setMode, state } = yield* alone({ concurrency: 1, queue: 5 })
      yield* run("a")
      const waits = yield* run("a")
      setMode("observe")
      assert.isFalse(waits.running)
      const next = yield* run("a")
      yield* Effect.yieldNow
      assert.isTrue(waits.running)
      assert.isTrue(next.running)
      assert.strictEqual(state.taken, 3)
      assert.strictEqual(state.waiting.size, 0)

      const other = yield* alone({ concurrency: 2, queue: 5 })
      const running = yield* Effect.forEach([1, 2], () => other.run("a"))
      const queued = yield* Effect.forEach([1, 2, 3], () => other.run("a"))
      other.setMode("observe")
      yield* running[0]!.open
      yield* Fiber.await(running[0]!.fiber)
      yield* Effect.yieldNow
      // One permit came back, and all three run.
      assert.isTrue(queued.every((attempt) => attempt.running))
      assert.strictEqual(other.state.taken, 4)
    }).pipe(seededly(1))
  )
})

describe("the permits", () => {
  const ticket = (): Ticket => ({ held: false })

  it("one that comes back passes on to who waits longest, and to nobody while too many run", () => {
    const permits = new Permits(1, 3)
    const first = ticket()
    assert.isTrue(permits.take(first))
    const [second, third] = [ticket(), ticket()]
    assert.isFalse(permits.take(second))
    assert.isFalse(second.held)
    permits.join(second, () => true, 0)
    permits.join(third, () => true, 0)
    // Two more than may run, as a bulkhead that observes lets them through.
    const extra = [ticket(), ticket()]
    for (const one of extra) permits.exceed(one)
    assert.strictEqual(permits.taken, 3)
    permits.release(first)
    permits.release(extra[0]!)
    assert.deepStrictEqual([permits.taken, second.held, third.held], [1, false, false])
    permits.release(extra[1]!)
    assert.deepStrictEqual([permits.taken, second.held, third.held], [1, true, false])
    permits.release(second)
    assert.deepStrictEqual([permits.taken, permits.waiting.size, third.held], [1, 0, true])
    permits.release(third)
    assert.strictEqual(permits.taken, 0)
  })

  it("who stops waiting leaves the queue, and is handed none", () => {
    const permits = new Permits(1, 3)
    const [first, second, third] = [ticket(), ticket(), ticket()]
    permits.take(first)
    permits.join(second, () => true, 0)
    permits.join(third, () => true, 0)
    const waiting = Effect.runFork(permits.wait(second))
    waiting.interruptUnsafe()
    assert.strictEqual(permits.waiting.size, 1)
    permits.release(first)
    assert.deepStrictEqual([permits.taken, second.held, third.held], [1, false, true])
    // It was handed over before anybody waited for it: the wait is none.
    assert.deepStrictEqual(Effect.runSyncExit(permits.wait(third)), Exit.void)
  })

  it("tell since when each one waits, of every key, and of nobody who no longer does", () => {
    const bulkhead = new Bulkhead(1, 2)
    assert.deepStrictEqual(bulkhead.waits(), [])
    const holders = ["a", "b"].map((key) => {
      const holder = ticket()
      bulkhead.of(key).take(holder)
      return holder
    })
    bulkhead.of("a").join(ticket(), () => true, 10)
    bulkhead.of("a").join(ticket(), () => true, 20)
    bulkhead.of("b").join(ticket(), () => true, 15)
    assert.deepStrictEqual(bulkhead.waits(), [10, 20, 15])
    bulkhead.of("a").release(holders[0]!)
    assert.deepStrictEqual(bulkhead.waits(), [20, 15])
  })

  it("are full when as many wait as may", () => {
    const permits = new Permits(1, 1)
    permits.take(ticket())
    assert.isFalse(permits.isFull)
    permits.join(ticket(), () => true, 0)
    assert.isTrue(permits.isFull)
  })

  it("of a key are dropped with its last attempt, and never while somebody runs or waits", () => {
    const bulkhead = new Bulkhead(1, 2)
    const permits = bulkhead.of("a")
    assert.strictEqual(bulkhead.of("a"), permits)
    const [holder, waiter] = [ticket(), ticket()]
    permits.take(holder)
    permits.join(waiter, () => true, 0)
    bulkhead.done("a", permits)
    assert.strictEqual(bulkhead.of("a"), permits)
    assert.deepStrictEqual([bulkhead.size, bulkhead.taken, bulkhead.waiting.size], [1, 1, 1])
    permits.release(holder)
    permits.release(waiter)
    // Somebody waits while nobody runs: the bulkhead has just been told of the end of the last.
    permits.join(ticket(), () => true, 0)
    bulkhead.done("a", permits)
    assert.strictEqual(bulkhead.of("a"), permits)
    for (const leave of permits.waiting.keys()) permits.waiting.delete(leave)
    bulkhead.done("a", permits)
    assert.strictEqual(bulkhead.size, 0)
    // One that was turned away may end after the key was dropped and has begun anew.
    const fresh = bulkhead.of("a")
    fresh.take(ticket())
    bulkhead.done("a", permits)
    assert.strictEqual(bulkhead.of("a"), fresh)
    assert.isFalse(bulkhead.isFree("a"))
    assert.isTrue(bulkhead.isFree("b"))
    bulkhead.of("b").take(ticket())
    assert.deepStrictEqual([bulkhead.size, bulkhead.taken, bulkhead.waiting.size], [2, 2, 0])
  })
})
