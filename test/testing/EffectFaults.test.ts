import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Clock, Context, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"

const { cutBody, duplicateDelivery, executesLate, latency, responseLost, stallBeforeHeaders, stallInBody, status } =
  FaultInjection

// Plain data: chai compares no field of an error but its name and its message.
interface Met {
  readonly fault: FaultInjection.Tag
  readonly operation: string
}

const forEffect = (faults?: FaultInjection.Faults) =>
  FaultInjection.forEffect({ faults, error: ({ _tag }, operation): Met => ({ fault: _tag, operation }) })

/** Counts its runs: an SDK's method that answers with the number of its call. */
const counted = () => {
  const counter = { runs: 0 }
  return Object.assign(counter, { send: Effect.sync(() => ++counter.runs) })
}

/** What became of an effect after a day of virtual time; `undefined` where it still waits. */
const dayOf = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    yield* TestClock.adjust("1 day")
    const exit = fiber.pollUnsafe()
    yield* Fiber.interrupt(fiber)
    return exit
  })

describe("forEffect", () => {
  const met = (fault: FaultInjection.Tag) => Exit.fail<Met>({ fault, operation: "send" })
  const rows: ReadonlyArray<
    readonly [fault: FaultInjection.Fault | undefined, runs: number, seen: Exit.Exit<unknown, unknown> | undefined]
  > = [
    [FaultInjection.none, 1, Exit.succeed(1)],
    [latency("2 seconds"), 1, Exit.succeed(1)],
    [FaultInjection.refused, 0, met("Refused")],
    [FaultInjection.resetBeforeReading, 0, met("ResetBeforeReading")],
    [FaultInjection.inProgress409, 0, met("InProgress409")],
    [responseLost, 1, met("ResponseLost")],
    [cutBody, 1, met("CutBody")],
    [FaultInjection.wrongMediaType(), 1, met("WrongMediaType")],
    [FaultInjection.hugeBody(9), 1, met("HugeBody")],
    [stallBeforeHeaders({ executes: false }), 0, undefined],
    [stallBeforeHeaders({ executes: true }), 1, undefined],
    [executesLate("1 hour"), 1, undefined],
    [stallInBody, 1, undefined],
    [FaultInjection.wrongShape({ not: "a number" }), 1, Exit.succeed({ not: "a number" })],
    [status(503), 0, met("Status")],
    [status(503, { executes: true }), 1, met("Status")],
    [duplicateDelivery(), 2, Exit.succeed(1)],
    [duplicateDelivery({ after: "1 minute" }), 2, Exit.succeed(1)]
  ]
  it.effect.each(
    rows.map(([fault, runs, seen], n) => ({ name: `${n + 1} ${fault?._tag ?? "none"}`, fault, runs, seen }))
  )("$name", ({ fault, runs, seen }) =>
    Effect.gen(function* () {
      const faults = yield* forEffect([fault])
      const counter = counted()
      assert.deepStrictEqual(yield* dayOf(faults.around("send", counter.send)), seen)
      assert.strictEqual(counter.runs, runs)
      assert.strictEqual(faults.ledger.length, runs)
      if (fault !== undefined) yield* faults.awaitFault(fault._tag, { operation: "send" })
      // Past the end of the script nothing goes wrong.
      assert.strictEqual(yield* faults.around("send", counter.send), runs + 1)
    })
  )

  it("the rows above are all kinds of faults", () => {
    const known = new Set([...FaultInjection.all, duplicateDelivery()].map(({ _tag }) => _tag))
    assert.deepStrictEqual(new Set(rows.flatMap(([fault]) => (fault === undefined ? [] : [fault._tag]))), known)
  })

  it.effect("waits by the clock, to the millisecond, and says when things happened", () =>
    Effect.gen(function* () {
      const faults = yield* forEffect([
        latency("1500 millis"),
        executesLate("900 millis"),
        duplicateDelivery({ after: 70 })
      ])
      const counter = counted()
      const first = yield* Effect.forkChild(Effect.andThen(faults.around("a", counter.send), Clock.currentTimeMillis))
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* Fiber.join(first), 1_500)
      yield* Effect.forkChild(faults.around("b", counter.send))
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* faults.around("c", counter.send), 3)
      yield* TestClock.adjust(69)
      assert.strictEqual(counter.runs, 3)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(faults.ledger, [
        { operation: "a", at: 1_500 },
        { operation: "b", at: 10_900 },
        { operation: "c", at: 20_000 },
        { operation: "c", at: 20_070 }
      ])
    })
  )

  it.effect("what outlives its caller: late runs do, until the scope ends; the others are interrupted with it", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [FaultInjection.Fault | undefined, boolean]> = [
        [latency("1 minute"), true],
        [executesLate("1 minute"), true],
        [stallBeforeHeaders({ executes: true }), true],
        [undefined, false],
        [responseLost, false]
      ]
      for (const closed of [false, true]) {
        for (const [fault, outlives] of cases) {
          const scope = yield* Scope.make()
          const faults = yield* Scope.provide(forEffect([fault]), scope)
          const fiber = yield* Effect.forkChild(faults.around("send", Effect.sleep("1 second")), {
            startImmediately: true
          })
          yield* TestClock.adjust("500 millis")
          yield* Fiber.interrupt(fiber)
          if (closed) yield* Scope.close(scope, Exit.void)
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(faults.ledger.length, outlives && !closed ? 1 : 0, `${fault?._tag}, closed: ${closed}`)
        }
      }
    })
  )

  it.effect("a late second delivery outlives its caller too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const faults = yield* Scope.provide(
        forEffect([duplicateDelivery({ after: "1 minute" }), duplicateDelivery({ after: "1 minute" })]),
        scope
      )
      yield* faults.around("send", Effect.void)
      const struck = yield* Effect.forkChild(faults.awaitFault("DuplicateDelivery"), { startImmediately: true })
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(struck.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(struck)
      assert.strictEqual(faults.ledger.length, 2)
      yield* faults.around("send", Effect.void)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(faults.ledger.length, 3)
    })
  )

  it.effect("a run that fails shows its own failure where it runs, is delivered again, and is no change", () =>
    Effect.gen(function* () {
      const faults = yield* forEffect([
        undefined,
        duplicateDelivery(),
        responseLost,
        stallInBody,
        FaultInjection.refused
      ])
      let runs = 0
      const broken = Effect.suspend(() => {
        runs++
        return Effect.fail("broken")
      })
      for (const expected of [1, 3, 4, 5]) {
        assert.deepStrictEqual(yield* Effect.exit(faults.around("send", broken)), Exit.fail("broken"))
        assert.strictEqual(runs, expected)
      }
      assert.deepStrictEqual(yield* Effect.exit(faults.around("send", broken)), met("Refused"))
      assert.deepStrictEqual([runs, faults.ledger.length], [5, 0])
    })
  )

  it.effect("a second delivery that succeeds changes nothing of the first failure", () =>
    Effect.gen(function* () {
      const faults = yield* forEffect([duplicateDelivery()])
      let runs = 0
      const second = Effect.suspend(() => (++runs === 1 ? Effect.fail("taken") : Effect.succeed("done")))
      assert.strictEqual(yield* Effect.flip(faults.around("send", second)), "taken")
      assert.deepStrictEqual([runs, faults.ledger.length], [2, 1])
    })
  )

  it.effect("plans count by operation, and may be replaced", () =>
    Effect.gen(function* () {
      const faults = yield* forEffect({ send: [undefined, status(500)], find: [status(404)] })
      const run = (operation: string) => Effect.map(Effect.exit(faults.around(operation, Effect.void)), Exit.isSuccess)
      const seen = (operations: ReadonlyArray<string>) => Effect.forEach(operations, run)
      assert.deepStrictEqual(yield* seen(["send", "find", "send", "send", "find"]), [true, false, false, true, true])
      yield* faults.inject({ send: [status(500)] })
      assert.deepStrictEqual(yield* seen(["find", "send", "send"]), [true, false, true])
      yield* faults.inject(FaultInjection.window({ from: "1 minute", to: "2 minutes" }, status(500)))
      assert.deepStrictEqual(yield* seen(["send"]), [true])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* seen(["send", "find"]), [false, false])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* seen(["send"]), [true])
      yield* faults.inject(undefined)
      assert.deepStrictEqual(yield* seen(["send"]), [true])
    })
  )

  it.effect("awaitFault waits for this kind, this operation, and so many of them", () =>
    Effect.gen(function* () {
      const faults = yield* forEffect([responseLost, cutBody, responseLost])
      const waiting = yield* Effect.forEach(
        [
          faults.awaitFault(),
          faults.awaitFault("CutBody"),
          faults.awaitFault("ResponseLost", { times: 2 }),
          faults.awaitFault("ResponseLost", { operation: "b" })
        ],
        (wait) => Effect.forkChild(wait, { startImmediately: true })
      )
      const done = () => waiting.map((fiber) => fiber.pollUnsafe() !== undefined)
      const seen = [done()]
      for (const operation of ["a", "a", "b"]) {
        yield* Effect.exit(faults.around(operation, Effect.void))
        yield* Effect.yieldNow
        seen.push(done())
      }
      assert.deepStrictEqual(seen, [
        [false, false, false, false],
        [true, false, false, false],
        [true, true, false, false],
        [true, true, true, true]
      ])
    })
  )

  it.effect("an effect keeps its services, wherever it runs", () => {
    class Sdk extends Context.Service<Sdk, { readonly name: string }>()("test/Sdk") {}
    return Effect.gen(function* () {
      const faults = yield* forEffect([latency("1 second"), undefined])
      const name = Effect.map(Sdk, ({ name }) => name)
      const fiber = yield* Effect.forkChild(Effect.provideService(faults.around("name", name), Sdk, { name: "own" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "own")
    })
  })
})
