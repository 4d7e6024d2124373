// The run that callers share, below the layer: what each caller's history says of it, whoever leaves and whenever.
import { assert, describe, it } from "@effect/vitest"
import { Reason } from "breakwater"
import { Effect, Exit, Fiber, identity, Tracer } from "effect"
import { TestClock } from "effect/testing"
import type { Decided } from "../src/Call.ts"
import { CallRecord } from "../src/internal/call.ts"
import { Flights, Shadows, type Way } from "../src/internal/flight.ts"
import { start, tagOf } from "./properties/askers.ts"

const callOf = (id: string, startedAt = 0): CallRecord =>
  new CallRecord({
    id,
    integration: "test/Api",
    operation: "get",
    repeat: "Safe",
    input: undefined,
    startedAt,
    correlationId: id
  })

/** What a layer gives, with a step that does what a test says. */
const wayOf = (step: (record: CallRecord) => Effect.Effect<unknown>, most = 10) => {
  const told: Array<string> = []
  const run = step as unknown as Way["step"]
  const way: Way = {
    step: run,
    bounded: run,
    most,
    decided: (call, decided: Decided) => void told.push(`${call.id} ${decided}`)
  }
  return { way, told }
}

const ask = (shared: Flights | Shadows, call: CallRecord, way: Way, key = "k") =>
  Effect.withFiber((fiber) =>
    shared instanceof Flights ? shared.ask(key, call, fiber, way) : shared.watch(key, call, fiber, way)
  )

/** Runs a step for two callers, and interrupts one of them a second later. */
const left = (who: "leader" | "joiner", during: (record: CallRecord) => void) =>
  Effect.gen(function* () {
    const { way } = wayOf((record) =>
      Effect.andThen(
        Effect.sync(() => during(record)),
        Effect.never
      )
    )
    const flights = new Flights()
    yield* TestClock.setTime(5_000)
    const leader = callOf("leader", 4_000)
    const joiner = callOf("joiner", 5_000)
    const first = yield* start(ask(flights, leader, way))
    const second = yield* start(ask(flights, joiner, way))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(who === "leader" ? first : second)
    yield* TestClock.adjust("1 second")
    const call = who === "leader" ? leader : joiner
    const result = {
      call,
      other: who === "leader" ? joiner : leader,
      last: call.attempts.map(({ outcome, reason }) => [reason, outcome])
    }
    yield* Fiber.interrupt(who === "leader" ? second : first)
    return result
  })

const unavailable = Reason.make("Unavailable")
const readRefusal = Reason.make("Rejected")
const readSuccess = Reason.make("BodyLost")

/** How far a run has come, what it has done by then, and what the attempt is that its leader gives up. */
const stages: ReadonlyArray<
  readonly [
    name: string,
    during: (record: CallRecord) => void,
    outcome: string,
    attempts: ReadonlyArray<readonly [string, string]>
  ]
> = [
  ["before any attempt", () => {}, "NotSent", []],
  ["in an attempt that waits", (record) => record.begin(5_000), "NotSent", [["Interrupted", "NotSent"]]],
  [
    "in an attempt that was sent",
    (record) => {
      record.begin(5_000)
      record.sent(5_000)
    },
    "Unknown",
    [["Interrupted", "Unknown"]]
  ],
  [
    "in the body of a success",
    (record) => {
      record.begin(5_000)
      record.sent(5_000)
      record.pending = readSuccess
    },
    "Applied",
    [["Interrupted", "Applied"]]
  ],
  [
    "in the body of a refusal, after an answer that was lost",
    (record) => {
      record.begin(5_000)
      record.sent(5_000)
      record.end(unavailable, 5_000)
      record.begin(5_000)
      record.sent(5_000)
      record.pending = readRefusal
    },
    "Unknown",
    [
      ["Unavailable", "Unknown"],
      ["Interrupted", "Refused"]
    ]
  ],
  [
    "in a wait before the second attempt, after one that was not sent",
    (record) => {
      record.begin(5_000)
      record.end(Reason.make("Unreachable"), 5_000)
    },
    "NotSent",
    [["Unreachable", "NotSent"]]
  ],
  [
    "in a wait before the second attempt, after an answer that was lost",
    (record) => {
      record.begin(5_000)
      record.sent(5_000)
      record.end(unavailable, 5_000)
    },
    "Unknown",
    [["Unavailable", "Unknown"]]
  ],
  [
    "in an attempt that waits, after an answer that was lost",
    (record) => {
      record.begin(5_000)
      record.sent(5_000)
      record.end(unavailable, 5_000)
      record.begin(5_000)
    },
    "Unknown",
    [
      ["Unavailable", "Unknown"],
      ["Interrupted", "NotSent"]
    ]
  ],
  [
    "in the first of several legs, which waits",
    (record) => record.leg(1).begin(5_000),
    "NotSent",
    [["Interrupted", "NotSent"]]
  ],
  [
    "in the first of several legs, which was sent",
    (record) => {
      const leg = record.leg(1)
      leg.begin(5_000)
      leg.sent(5_000)
    },
    "Unknown",
    [["Interrupted", "Unknown"]]
  ]
]

describe("a caller that leaves others behind", () => {
  for (const [name, during, outcome, attempts] of stages) {
    it.effect(`${name}: who joined knows what was done, and has no attempt of its own`, () =>
      Effect.gen(function* () {
        const { call, last, other } = yield* left("joiner", during)
        assert.strictEqual(call.outcome(), outcome)
        assert.deepStrictEqual(last, [])
        assert.strictEqual(call.phase, outcome === "NotSent" ? "idle" : "sent")
        // The one that started the run has them when it leaves.
        assert.deepStrictEqual(
          other.attempts.map(({ reason }) => reason),
          attempts.map(([reason]) => reason).filter((reason) => reason !== "Interrupted")
        )
      })
    )

    it.effect(`${name}: who started the run tells of the attempt that it gives up`, () =>
      Effect.gen(function* () {
        const { call, last, other } = yield* left("leader", during)
        assert.deepStrictEqual<unknown>(last, attempts)
        assert.strictEqual(call.outcome(), outcome)
        assert.deepStrictEqual(other.attempts, [])
      })
    )
  }

  it.effect("who joined knows what was read of the answer", () =>
    Effect.gen(function* () {
      const { call } = yield* left("joiner", (record) => {
        record.begin(5_000)
        record.sent(5_000)
        record.pending = readSuccess
      })
      assert.strictEqual(call.pending, readSuccess)
    })
  )

  it.effect("tells of it in its own time, with its waits and what was answered so far", () =>
    Effect.gen(function* () {
      const { call } = yield* left("leader", (record) => {
        record.begin(5_000)
        record.sent(5_000)
        record.end(unavailable, 5_200)
        record.waiting = 300
        record.begin(5_500)
        record.queued = 100
        record.queuedForRate = 40
        record.sent(5_600)
        record.status = 200
        record.requestId = "req_2"
      })
      const [first, second] = call.attempts
      assert.deepStrictEqual([first!.number, first!.startedAfter, first!.elapsed], [1, 1_000, 200])
      assert.deepStrictEqual(
        [second!.number, second!.startedAfter, second!.elapsed, second!.waited, second!.queued],
        [2, 1_500, 500, 300, 100]
      )
      assert.deepStrictEqual([second!.status, second!.requestId], [200, "req_2"])
      assert.deepStrictEqual([call.waited, call.totalQueued, call.totalQueuedForRate], [300, 100, 40])
    })
  )

  it.effect("tells of legs from the start of the run, where no attempt was before them", () =>
    Effect.gen(function* () {
      const { call } = yield* left("leader", (record) => record.leg(1).begin(5_000))
      assert.deepStrictEqual(
        call.attempts.map(({ elapsed, startedAfter }) => [startedAfter, elapsed]),
        [[1_000, 1_000]]
      )
    })
  )

  it.effect("says who cut the attempt, where it was not itself", () =>
    Effect.gen(function* () {
      const sent = (call: CallRecord) => {
        call.begin(0)
        call.sent(0)
      }
      const cut = (cutBy: CallRecord["cutBy"], during: (record: CallRecord) => void) =>
        Effect.gen(function* () {
          const { way } = wayOf((record) =>
            Effect.andThen(
              Effect.sync(() => during(record)),
              Effect.never
            )
          )
          const flights = new Flights()
          const call = callOf("leader")
          const fiber = yield* start(ask(flights, call, way))
          const other = yield* start(ask(flights, callOf("other"), way))
          call.cutBy = cutBy
          yield* Fiber.interrupt(fiber)
          yield* Fiber.interrupt(other)
          return call.attempts.map(({ message, outcome, reason }) => [reason, outcome, message])
        })
      const elsewhere = "no longer waited for; others wait on"
      assert.deepStrictEqual<unknown>(yield* cut(undefined, sent), [
        ["Interrupted", "Unknown", "given up by the caller"]
      ])
      assert.deepStrictEqual<unknown>(yield* cut("deadline", sent), [["Timeout", "Unknown", elsewhere]])
      // Of legs, too, one that was sent may have happened, and one that waits has not.
      assert.deepStrictEqual<unknown>(yield* cut("drain", (record) => sent(record.leg(1))), [
        ["Timeout", "Unknown", elsewhere]
      ])
      assert.deepStrictEqual<unknown>(yield* cut("drain", (record) => record.leg(1).begin(0)), [
        ["Timeout", "NotSent", elsewhere]
      ])
    })
  )
})

describe("the end of a run", () => {
  it.effect("adds what was decided in it to what its first caller had decided, and to nobody else", () =>
    Effect.gen(function* () {
      const decision = (name: string) =>
        ({ policy: "retry", name, decided: "retried", mode: "enforce", at: 0 }) as const
      const { way } = wayOf((record) =>
        Effect.andThen(
          Effect.sleep(100),
          Effect.sync(() => void (record.decisions = [decision("inside")]))
        )
      )
      const flights = new Flights()
      const calls = [callOf("new"), callOf("joiner"), callOf("old")]
      calls[2]!.decisions = [decision("outside")]
      yield* start(ask(flights, calls[0]!, way))
      yield* start(ask(flights, calls[1]!, way))
      yield* start(ask(flights, calls[2]!, way, "other"))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        calls.map(({ decisions }) => decisions?.map(({ name }) => name)),
        [["inside"], undefined, ["outside", "inside"]]
      )
    })
  )

  it.effect(
    "leaves legs that still run to one caller: the first, or the first that stayed, or the last that left",
    () =>
      Effect.gen(function* () {
        const legs = [yield* start(Effect.never), yield* start(Effect.never)]
        const { way } = wayOf((record) =>
          Effect.onExit(Effect.sleep(100), () => Effect.sync(() => void (record.lingering = [legs[1]!])))
        )
        const flights = new Flights()
        const run = (leaving: ReadonlyArray<number>) =>
          Effect.gen(function* () {
            const calls = [callOf("a"), callOf("b"), callOf("c")]
            const fibers = yield* Effect.forEach(calls, (call) => start(ask(flights, call, way)))
            for (const n of leaving) yield* Fiber.interrupt(fibers[n]!)
            yield* TestClock.adjust(100)
            const told = calls.filter(({ lingering }) => lingering !== undefined)
            assert.deepStrictEqual(
              told.map(({ lingering }) => lingering),
              [[legs[1]!]]
            )
            return told.map(({ id }) => id)
          })
        assert.deepStrictEqual(yield* run([]), ["a"])
        assert.deepStrictEqual(yield* run([0]), ["b"])
        assert.deepStrictEqual(yield* run([2, 0, 1]), ["b"])
        assert.deepStrictEqual(yield* run([1, 2, 0]), ["a"])
        // A call that asks twice waits for the legs of both runs.
        const twice = callOf("twice")
        twice.lingering = [legs[0]!]
        yield* start(ask(flights, twice, way))
        yield* TestClock.adjust(100)
        assert.deepStrictEqual(twice.lingering, legs)
        const clean = callOf("clean")
        yield* start(ask(flights, clean, wayOf(() => Effect.void).way))
        assert.isUndefined(clean.lingering)
      })
  )

  it.effect("that is no failure of a call reaches everybody as it is", () =>
    Effect.gen(function* () {
      const { way } = wayOf(() => Effect.andThen(Effect.sleep(100), Effect.fail("odd") as Effect.Effect<never>))
      const flights = new Flights()
      const fibers = [yield* start(ask(flights, callOf("a"), way)), yield* start(ask(flights, callOf("b"), way))]
      yield* TestClock.adjust(100)
      for (const fiber of fibers)
        assert.deepStrictEqual(fiber.pollUnsafe(), Exit.fail("odd") as Exit.Exit<never, never>)
    })
  )

  it.effect("comes when the layer has closed, whatever still runs", () =>
    Effect.gen(function* () {
      let ended = 0
      const { way } = wayOf(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ended++)))
      const flights = new Flights()
      const one = yield* start(ask(flights, callOf("a"), way, "one"))
      const two = yield* start(ask(flights, callOf("b"), way, "two"))
      yield* flights.close
      assert.strictEqual(ended, 2)
      assert.strictEqual(flights.running.size, 0)
      assert.deepStrictEqual([one, two].map(tagOf), ["interrupted", "interrupted"])
    })
  )

  it.effect("is waited for where it was interrupted and goes on; who gives up the wait is forgotten", () =>
    Effect.gen(function* () {
      let runs = 0
      const { way } = wayOf(() =>
        Effect.andThen(
          Effect.sync(() => void runs++),
          Effect.uninterruptible(Effect.sleep(100))
        )
      )
      const flights = new Flights()
      const first = yield* start(ask(flights, callOf("a"), way))
      first.interruptUnsafe()
      const waiting = [yield* start(ask(flights, callOf("b"), way)), yield* start(ask(flights, callOf("c"), way))]
      const [flight] = flights.running.values()
      assert.strictEqual(flight!.after.size, 2)
      yield* Fiber.interrupt(waiting[0]!)
      assert.strictEqual(flight!.after.size, 1)
      yield* TestClock.adjust(100)
      assert.strictEqual(runs, 2)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(waiting.map(tagOf), ["interrupted", "ok"])
    })
  )
})

describe("the span of who joins", () => {
  it.effect("links to that of the run, if it has one in this process that is traced", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      type Around = <A, E>(self: Effect.Effect<A, E>) => Effect.Effect<A, E>
      const elsewhere = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
      const leaders: ReadonlyArray<readonly [string, Around, ReadonlyArray<string>]> = [
        ["none", identity, []],
        ["of another process", (self) => Effect.withParentSpan(self, elsewhere), []],
        ["not traced", (self) => Effect.withTracerEnabled(Effect.withSpan(self, "leader"), false), []],
        ["traced", (self) => Effect.withTracer(Effect.withSpan(self, "leader"), tracer), ["leader"]]
      ]
      for (const [name, around, links] of leaders) {
        spans.length = 0
        const flights = new Flights()
        const { told, way } = wayOf(() => Effect.sleep(100))
        yield* start(around(ask(flights, callOf("leader"), way)))
        yield* start(Effect.withTracer(Effect.withSpan(ask(flights, callOf("joiner"), way), "joiner"), tracer))
        const bare = yield* start(ask(flights, callOf("bare"), way))
        const joiner = spans.find((span) => span.name === "joiner")!
        assert.deepStrictEqual(
          joiner.links.map(({ span }) => (span as Tracer.Span).name),
          links,
          name
        )
        assert.deepStrictEqual(told, ["joiner joined", "bare joined"])
        yield* TestClock.adjust(100)
        assert.strictEqual(tagOf(bare), "ok", name)
      }
    })
  )
})

describe("a layer that only tells who would have joined", () => {
  const watched = (most?: number) => {
    const shadows = new Shadows()
    const { told, way } = wayOf((record) => record.input as Effect.Effect<unknown>, most)
    const call = (id: string, step: Effect.Effect<unknown>) => Object.assign(callOf(id), { input: step }) as CallRecord
    return {
      shadows,
      told,
      watch: (id: string, step: Effect.Effect<unknown>) => start(ask(shadows, call(id, step), way))
    }
  }

  it.effect("tells no more after the first has answered, though others still wait", () =>
    Effect.gen(function* () {
      for (const end of [Effect.void, Effect.die("boom"), Effect.fail("down") as Effect.Effect<never>]) {
        const { shadows, told, watch } = watched()
        yield* watch("first", Effect.andThen(Effect.sleep(100), end))
        yield* watch("second", Effect.sleep(500))
        yield* TestClock.adjust(100)
        yield* watch("third", Effect.sleep(100))
        yield* watch("fourth", Effect.sleep(900))
        assert.deepStrictEqual(told, ["second joined", "fourth joined"])
        yield* TestClock.adjust(100)
        // The end of the second is none of the run that the third would have started and ended.
        yield* watch("fifth", Effect.sleep(900))
        yield* TestClock.adjust(300)
        yield* watch("sixth", Effect.sleep(100))
        assert.deepStrictEqual(told, ["second joined", "fourth joined", "sixth joined"])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(shadows.running.size, 0)
      }
    })
  )

  it.effect("tells on while others wait, where the first gave up, and until the last of them has", () =>
    Effect.gen(function* () {
      const { shadows, told, watch } = watched()
      const first = yield* watch("first", Effect.never)
      const second = yield* watch("second", Effect.never)
      const third = yield* watch("third", Effect.sleep(100))
      yield* Fiber.interrupt(first)
      yield* watch("fourth", Effect.sleep(50))
      yield* TestClock.adjust(50)
      assert.strictEqual(shadows.running.size, 1)
      yield* TestClock.adjust(50)
      assert.strictEqual(tagOf(third), "ok")
      yield* watch("fifth", Effect.sleep(50))
      assert.deepStrictEqual(told, ["second joined", "third joined", "fourth joined", "fifth joined"])
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(second)
      assert.strictEqual(shadows.running.size, 0)
      yield* watch("sixth", Effect.sleep(50))
      assert.strictEqual(told.length, 4)
      yield* TestClock.adjust(50)
    })
  )

  it.effect("tells who would have been turned away, and lets it run", () =>
    Effect.gen(function* () {
      const { told, watch } = watched(2)
      const fibers = yield* Effect.forEach(["a", "b", "c"], (id) => watch(id, Effect.sleep(100)))
      assert.deepStrictEqual(told, ["b joined", "c rejected"])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(fibers.map(tagOf), ["ok", "ok", "ok"])
    })
  )
})
