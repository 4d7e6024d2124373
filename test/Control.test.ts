import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { Context, Data, type Duration, Effect, Exit, Fiber, Layer, Logger, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import { settle } from "./properties/support.ts"

class Failed extends Data.TaggedError("Failed")<{ readonly why: string; readonly message: string }> {}

const orElse = ({ reason }: { readonly reason: { readonly _tag: string; readonly message: string } }) =>
  new Failed({ why: reason._tag, message: reason.message })

const bare = (attempt: Duration.Input, total: Duration.Input, maxAttempts: number) =>
  Policy.stack(
    Policy.totalDeadline(total),
    Policy.retry(Policy.backoff({ base: 0 }), { maxAttempts }),
    Policy.attemptTimeout(attempt)
  )

/** What the n-th send does. */
let send: (n: number) => Effect.Effect<string> = () => Effect.succeed("ok")

const sent = { n: 0 }
const answer = () => Effect.suspend(() => send(++sent.n))

const blind = Policy.make({ slot: "attempt", name: "signature", build: () => Effect.succeed((step) => step) })

class Shop extends Integration.Service<Shop>()(
  "test/Shop",
  {
    policy: bare("1 second", "5 seconds", 1),
    shared: Policy.shared({ breaker: { consecutive: 2, rate: false, openFor: "5 seconds" } }),
    exhausted: Exhaustion.fail,
    orElse
  },
  {
    charge: Operation.query("charge", { success: Schema.String, send: answer }),
    find: Operation.query("find", {
      success: Schema.String,
      send: answer,
      policy: Policy.stack(bare("10 seconds", "30 seconds", 1), blind, Policy.bulkhead({ concurrency: 1, queue: 0 }))
    })
  }
) {}

/** The same without any breaker. */
class Plain extends Integration.Service<Plain>()(
  "test/Plain",
  {
    policy: bare("10 seconds", "30 seconds", 2),
    exhausted: Exhaustion.fail,
    orElse
  },
  {
    charge: Operation.query("charge", { success: Schema.String, send: answer }),
    find: Operation.query("find", { success: Schema.String, send: answer })
  }
) {}

interface Line {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

const world = <Self, Id extends string, Methods>(
  service: Integration.ServiceClass<Self, Id, Methods, never>,
  layer: Layer.Layer<Self, unknown> = Integration.layer(service)
) =>
  Effect.gen(function* () {
    send = () => Effect.succeed("ok")
    sent.n = 0
    const lines: Array<Line> = []
    const events: Array<Telemetry.CallObserved> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      const told = Array.isArray(message) ? message.join(" ") : String(message)
      lines.push({ level: logLevel, message: told, annotations: { ...annotationsOf(fiber) } })
    })
    const context = yield* Layer.build(
      Layer.provideMerge(
        layer,
        Telemetry.layerObserver((event) => events.push(event))
      ).pipe(Layer.orDie)
    )
    const control = yield* Effect.provide(Integration.control(service), context)
    const told = <A, E>(self: Effect.Effect<A, E>) => Effect.provide(self, Logger.layer([logger]))
    return {
      methods: Context.get(context, service as unknown as Context.Key<Self, Methods>),
      control,
      lines,
      events,
      told
    }
  })

const annotationsOf = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.getRef(References.CurrentLogAnnotations)

const why = (exit: Exit.Exit<unknown, Failed>) =>
  Exit.match(exit, {
    onSuccess: (value) => String(value),
    onFailure: (cause) =>
      cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error.why : reason._tag)).join()
  })

describe("Integration.control: modes", () => {
  it.effect("shows every layer of every operation, outermost first, with what the policy says", () =>
    Effect.gen(function* () {
      const { control } = yield* world(Shop)
      const modes = yield* control.modes
      assert.deepStrictEqual(
        modes.filter(({ operation }) => operation === "find").map(({ name, slot }) => [slot, name]),
        [
          ["totalDeadline", "totalDeadline"],
          ["retry", "retry"],
          ["circuitBreaker", "breaker"],
          ["bulkhead", "bulkhead"],
          ["attempt", "signature"],
          ["attemptTimeout", "attemptTimeout"]
        ]
      )
      assert.deepStrictEqual([...new Set(modes.map(({ operation }) => operation))], ["charge", "find"])
      assert.isTrue(modes.every(({ initial, mode }) => mode === "enforce" && initial === "enforce"))
      assert.deepStrictEqual(
        modes.filter(({ observes }) => !observes).map(({ name }) => name),
        ["signature"]
      )
    })
  )

  it.effect("sets a layer by its place or its name, in one operation or in all, for the calls from then on", () =>
    Effect.gen(function* () {
      const { control, events, methods } = yield* world(Shop)
      send = () => Effect.delay(Effect.succeed("late"), "2 seconds")
      assert.strictEqual(why(yield* settle(methods.charge())), "Timeout")

      const changed = yield* control.setMode({ policy: "attemptTimeout", operation: "charge", mode: "observe" })
      assert.deepStrictEqual(
        changed.map(({ mode, operation, slot }) => [operation, slot, mode]),
        [["charge", "attemptTimeout", "observe"]]
      )
      assert.strictEqual(why(yield* settle(methods.charge())), "late")
      assert.deepStrictEqual(
        events.at(-1)!.decisions.map(({ decided, mode, policy }) => [policy, decided, mode]),
        [["attemptTimeout", "cut", "observe"]]
      )
      const both = yield* control.setMode({ policy: "breaker", mode: "off" })
      assert.deepStrictEqual(
        both.map(({ initial, mode, operation }) => [operation, mode, initial]),
        [
          ["charge", "off", "enforce"],
          ["find", "off", "enforce"]
        ]
      )
    })
  )

  it.effect("a call in flight keeps what it has read", () =>
    Effect.gen(function* () {
      const { control, methods } = yield* world(Shop)
      send = () => Effect.never
      const fiber = yield* Effect.forkChild(Effect.exit(methods.charge()), { startImmediately: true })
      yield* control.setMode({ policy: "attemptTimeout", mode: "off" })
      yield* control.setMode({ policy: "totalDeadline", mode: "off" })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(why(yield* Fiber.join(fiber)), "Timeout")
    })
  )

  it.effect.each([
    [
      { policy: "hedge", mode: "off" },
      "NoSuchLayer",
      "test/Shop: there is no layer hedge; there is totalDeadline, retry, circuitBreaker, breaker, attemptTimeout, bulkhead, attempt, signature"
    ],
    [
      { policy: "bulkhead", operation: "charge", mode: "off" },
      "NoSuchLayer",
      "test/Shop: there is no layer bulkhead in charge; there is totalDeadline, retry, circuitBreaker, breaker, attemptTimeout"
    ],
    [
      { policy: "attemptTimeout", operation: "refund", mode: "off" },
      "NoSuchOperation",
      "test/Shop: there is no operation refund; there is charge, find"
    ],
    [
      { policy: "signature", mode: "observe" },
      "CanNotObserve",
      "test/Shop: signature can't tell what it would do: let it enforce, or switch it off"
    ]
  ] as const)(
    "refuses what matches nothing, says what there is, and changes nothing: %j",
    ([change, reason, message]) =>
      Effect.gen(function* () {
        const { control, lines, told } = yield* world(Shop)
        const error = yield* Effect.flip(told(control.setMode(change as never)))
        assert.strictEqual(error.reason, reason)
        assert.strictEqual(error.message, message)
        assert.isTrue((yield* control.modes).every(({ initial, mode }) => mode === initial))
        assert.deepStrictEqual(lines, [])
      })
  )

  it.effect("shadow: no limit bounds anything, and each tells what it would have done; resume takes it back", () =>
    Effect.gen(function* () {
      const { control, events, methods } = yield* world(Shop)
      yield* control.shadow()
      assert.deepStrictEqual(
        (yield* control.modes).map(({ mode, name, operation }) => `${operation} ${name} ${mode}`),
        [
          "charge totalDeadline observe",
          "charge retry enforce",
          "charge breaker observe",
          "charge attemptTimeout observe",
          "find totalDeadline observe",
          "find retry enforce",
          "find breaker observe",
          "find bulkhead observe",
          "find signature enforce",
          "find attemptTimeout observe"
        ]
      )
      send = () => Effect.delay(Effect.succeed("late"), "20 seconds")
      assert.strictEqual(why(yield* settle(methods.charge())), "late")
      assert.includeMembers(
        events.at(-1)!.decisions.map(({ decided, mode, policy }) => `${policy} ${decided} ${mode}`),
        ["attemptTimeout cut observe", "totalDeadline cut observe"]
      )
      yield* control.resume()
      assert.isTrue((yield* control.modes).every(({ initial, mode }) => mode === initial))
      assert.strictEqual(why(yield* settle(methods.charge())), "Timeout")
    })
  )

  it.effect("resume goes back to what the policy says, not to enforce", () =>
    Effect.gen(function* () {
      class Watched extends Integration.Service<Watched>()(
        "test/Watched",
        {
          policy: Policy.stack(Policy.standard(), Policy.withMode(Policy.attemptTimeout("1 second"), "observe")),
          exhausted: Exhaustion.fail,
          orElse
        },
        { get: Operation.query("get", { success: Schema.String, send: answer }) }
      ) {}
      const { control } = yield* world(Watched)
      const mode = Effect.map(control.modes, (modes) => modes.find(({ slot }) => slot === "attemptTimeout")!.mode)
      assert.strictEqual(yield* mode, "observe")
      yield* control.setMode({ policy: "attemptTimeout", mode: "off" })
      assert.strictEqual(yield* mode, "off")
      yield* control.resume()
      assert.strictEqual(yield* mode, "observe")
    })
  )

  it.effect("two layers of one integration have modes of their own", () =>
    Effect.gen(function* () {
      const one = yield* world(Shop)
      const other = yield* world(Shop, Integration.layer(Shop))
      yield* one.control.setMode({ policy: "retry", mode: "off" })
      yield* one.control.forceOpen()
      assert.isTrue((yield* other.control.modes).every(({ mode }) => mode === "enforce"))
      assert.strictEqual(why(yield* settle(other.methods.charge())), "ok")
      assert.strictEqual(why(yield* settle(one.methods.charge())), "CircuitOpen")
    })
  )
})

describe("Integration.control: forced circuits", () => {
  it.effect("an integration without a breaker is switched off and on", () =>
    Effect.gen(function* () {
      const { control, events, methods } = yield* world(Plain)
      yield* control.forceOpen({ reason: "wrong answers" })
      const exit = yield* settle(methods.charge())
      assert.strictEqual(why(exit), "CircuitOpen")
      assert.strictEqual(why(yield* settle(methods.find())), "CircuitOpen")
      assert.strictEqual(sent.n, 0)
      const event = events[0]!
      assert.deepStrictEqual(
        [event.callOutcome, event.outcome, event.errorType],
        ["rejected_breaker", "NotSent", "circuit_open"]
      )
      assert.isTrue(event.attempts.every(({ message }) => message === "switched off by an operator"))
      assert.include(
        event.decisions.map(({ decided, name }) => `${name} ${decided}`),
        "operator rejected"
      )
      assert.isTrue((yield* control.snapshot).switchedOff)
      yield* control.forceClosed()
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
      yield* control.forceOpen()
      yield* control.resume()
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
      assert.isFalse((yield* control.snapshot).switchedOff)
    })
  )

  it.effect("it turns the next attempt of a call in flight away, not the one that runs", () =>
    Effect.gen(function* () {
      const { control, events, methods } = yield* world(Plain)
      send = (n) => (n === 1 ? Effect.never : Effect.succeed("second"))
      const fiber = yield* Effect.forkChild(Effect.exit(methods.charge()), { startImmediately: true })
      yield* control.forceOpen()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(why(yield* Fiber.join(fiber)), "CircuitOpen")
      assert.deepStrictEqual(
        events[0]!.attempts.map(({ outcome, reason }) => [reason, outcome]),
        [
          ["Timeout", "Unknown"],
          ["CircuitOpen", "NotSent"]
        ]
      )
      assert.strictEqual(events[0]!.outcome, "Unknown")
    })
  )

  it.effect("switches off operations whose breaker is off, or that have none", () =>
    Effect.gen(function* () {
      const { control, methods } = yield* world(Shop)
      yield* control.setMode({ policy: "circuitBreaker", mode: "off" })
      yield* control.forceOpen()
      assert.strictEqual(why(yield* settle(methods.charge())), "CircuitOpen")
      assert.strictEqual(sent.n, 0)
    })
  )

  it.effect("forces one breaker, and one circuit of it, by name", () =>
    Effect.gen(function* () {
      const { control, methods } = yield* world(Shop)
      yield* control.forceOpen({ breaker: "breaker" })
      assert.strictEqual(why(yield* settle(methods.charge())), "CircuitOpen")
      assert.deepStrictEqual((yield* control.snapshot).forced, [{ breaker: "breaker", key: null, to: "open" }])
      assert.isFalse((yield* control.snapshot).switchedOff)
      yield* control.forceClosed({ breaker: "breaker" })
      yield* control.forceOpen({ key: "test/Shop" })
      assert.deepStrictEqual((yield* control.snapshot).forced, [
        { breaker: "breaker", key: null, to: "closed" },
        { breaker: "breaker", key: "test/Shop", to: "open" }
      ])
      assert.strictEqual(why(yield* settle(methods.charge())), "CircuitOpen")
      assert.deepInclude(yield* control.circuits, {
        breaker: "breaker",
        key: "test/Shop",
        state: "Closed",
        forced: "open"
      })
      yield* control.forceClosed({ breaker: "breaker" })
      assert.deepStrictEqual((yield* control.snapshot).forced, [{ breaker: "breaker", key: null, to: "closed" }])
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
      yield* control.forceOpen({ breaker: "breaker" })
      yield* control.resume()
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
      assert.deepStrictEqual((yield* control.snapshot).forced, [])
    })
  )

  it.effect("forced closed: attempts go through whatever the circuit counted", () =>
    Effect.gen(function* () {
      const { control, methods } = yield* world(Shop)
      send = () => Effect.never
      yield* settle(methods.charge())
      yield* settle(methods.charge())
      const open = yield* Effect.forkChild(Effect.exit(methods.charge()), { startImmediately: true })
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(open)
      send = () => Effect.succeed("ok")
      yield* control.forceClosed()
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
    })
  )

  it.effect.each([
    [Shop, { breaker: "other" }, "test/Shop: there is no breaker other; there is breaker"],
    [Plain, { breaker: "other" }, "test/Plain: there is no breaker other; there is none"],
    [Plain, { key: "eu" }, "test/Plain: there is no breaker that could have this circuit"]
  ] as const)("refuses a breaker that there is not: %#", ([service, options, message]) =>
    Effect.gen(function* () {
      const { control, methods } = yield* world(service as typeof Plain)
      for (const force of [control.forceOpen, control.forceClosed]) {
        const error = yield* Effect.flip(force(options))
        assert.strictEqual(error.reason, "NoSuchBreaker")
        assert.strictEqual(error.message, message)
      }
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
    })
  )

  it.effect("a mock says that it has nothing to control", () =>
    Effect.gen(function* () {
      const { control } = yield* world(Plain, Plain.layerMock({ charge: () => Effect.succeed("mocked") }))
      assert.strictEqual((yield* Effect.flip(control.forceOpen())).reason, "NotBuilt")
      assert.strictEqual((yield* Effect.flip(control.setMode({ policy: "retry", mode: "off" }))).reason, "NotBuilt")
      yield* control.resume()
      yield* control.shadow()
      assert.deepStrictEqual(yield* control.snapshot, {
        integration: "test/Plain",
        switchedOff: false,
        modes: [],
        circuits: [],
        forced: [],
        plan: []
      })
    })
  )
})

describe("Integration.control: what it tells", () => {
  it.effect("every change is a log line at level Warn, with who and why", () =>
    Effect.gen(function* () {
      const { control, lines, told } = yield* world(Shop)
      const because = { reason: "incident 7", by: "kim" }
      yield* told(control.setMode({ policy: "retry", mode: "off", ...because }))
      yield* told(control.forceOpen(because))
      yield* told(control.forceOpen({ breaker: "breaker", key: "eu", ...because }))
      yield* told(control.forceClosed({ breaker: "breaker", ...because }))
      yield* told(control.forceClosed())
      yield* told(control.shadow(because))
      yield* told(control.resume(because))
      assert.deepStrictEqual(
        lines.map(({ annotations, message }) => [annotations.change, message]),
        [
          ["setMode", "test/Shop: an operator set retry of charge, find to off"],
          ["forceOpen", "test/Shop: an operator switched it off: every attempt is turned away"],
          ["forceOpen", "test/Shop: an operator forced the circuit eu of breaker open"],
          ["forceClosed", "test/Shop: an operator forced every circuit of breaker closed"],
          ["forceClosed", "test/Shop: an operator switched it on, whatever its circuits say"],
          ["shadow", "test/Shop: an operator set every limit to observe: they bound nothing"],
          ["resume", "test/Shop: an operator went back to what its policy says"]
        ]
      )
      assert.isTrue(lines.every(({ level }) => level === "Warn"))
      for (const [index, { annotations }] of lines.entries()) {
        assert.strictEqual(annotations.integration, "test/Shop")
        assert.deepStrictEqual(
          [annotations.by, annotations.reason],
          index === 4 ? [undefined, undefined] : ["kim", "incident 7"]
        )
      }
    })
  )

  it.effect("says when a breaker that is forced does not act", () =>
    Effect.gen(function* () {
      const { control, lines, methods, told } = yield* world(Shop)
      yield* control.setMode({ policy: "breaker", operation: "charge", mode: "observe" })
      yield* told(control.forceOpen({ breaker: "breaker" }))
      assert.strictEqual(why(yield* settle(methods.charge())), "ok")
      assert.strictEqual(
        lines[0]!.message,
        "test/Shop: an operator forced every circuit of breaker open, but breaker of charge is in observe"
      )
    })
  )

  it.effect("the snapshot is data, with the plan as it is at the moment", () =>
    Effect.gen(function* () {
      const { control } = yield* world(Shop)
      yield* control.setMode({ policy: "attemptTimeout", operation: "charge", mode: "observe" })
      yield* control.forceOpen({ breaker: "breaker", key: "eu" })
      const snapshot = yield* control.snapshot
      assert.deepStrictEqual(JSON.parse(JSON.stringify(snapshot)), snapshot)
      assert.deepInclude(snapshot.plan[0]!.layers, {
        slot: "attemptTimeout",
        describe: "observe: each attempt ends within 1 s, body and decoding included"
      })
      yield* control.resume()
      assert.deepStrictEqual((yield* control.snapshot).plan, Integration.plan(Shop).operations)
    })
  )
})
