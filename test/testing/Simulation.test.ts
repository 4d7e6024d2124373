import { assert, describe, it } from "@effect/vitest"
import { Simulation } from "breakwater/testing"
import { Clock, Effect, Exit } from "effect"
import { VirtualTime } from "../../src/testing/internal/virtualTime.ts"

const base = {
  clients: 20,
  callsPerSecond: 5,
  duration: "60 seconds",
  deadline: "5 seconds",
  client: ([provider]: ReadonlyArray<Simulation.Provider>) => Effect.succeed(() => provider!.request)
} as const

const sum = (report: Simulation.Report, of: (window: Simulation.Window) => number, from = 0, until = 60) =>
  report.windows.slice(from, until).reduce((total, window) => total + of(window), 0)

describe("Simulation", () => {
  it.effect("without a fault every call succeeds in the time that a request takes", () =>
    Effect.gen(function* () {
      const report = yield* Simulation.run({ ...base, providers: [{ capacity: 200, serviceTime: "80 millis" }] })
      assert.strictEqual(report.goodput, 1)
      assert.strictEqual(report.amplification, 1)
      assert.isAtLeast(report.p99Ms, 80)
      assert.isAtMost(report.p99Ms, 250)
      const offered = sum(report, (window) => window.offered)
      // Poisson with a mean of 6,000: five standard deviations.
      assert.isAtMost(Math.abs(offered - 6_000), 5 * Math.sqrt(6_000))
      assert.strictEqual(
        sum(report, (window) => window.attempts),
        offered
      )
    })
  )

  it.effect("the same seed gives the same report, another seed another", () =>
    Effect.gen(function* () {
      const run = (seed: number) => Simulation.run({ ...base, seed, providers: [{ capacity: 120 }] })
      assert.deepStrictEqual(yield* run(7), yield* run(7))
      assert.notDeepEqual(yield* run(7), yield* run(8))
    })
  )

  it.effect("a provider serves no more than its capacity, and answers 503 where its queue is full", () =>
    Effect.gen(function* () {
      const report = yield* Simulation.run({ ...base, providers: [{ capacity: 50, queue: 100 }] })
      const served = sum(report, (window) => window.good)
      assert.isAtMost(served, 50 * 60 + 100)
      assert.isAtLeast(served, 50 * 58)
    })
  )

  it.effect("what nobody waits for any more is worked off all the same", () =>
    Effect.gen(function* () {
      // A queue of 10 seconds, and patience of 5: at the end hardly anybody is served in time.
      const report = yield* Simulation.run({ ...base, providers: [{ capacity: 50, queue: 500 }] })
      assert.isAtMost(
        sum(report, (window) => window.good, 40),
        50
      )
      assert.isAtLeast(
        sum(report, (window) => window.good, 0, 10),
        300
      )
    })
  )

  it.effect.each([
    ["unavailable", 0, true],
    ["refuse", 0, false],
    ["hang", 0, true],
    [{ capacity: 0.5 }, 0.5, true],
    [{ slower: 100 }, 0.1, true]
  ] as const)("a phase: %j", ([is, most, reaches]) =>
    Effect.gen(function* () {
      const report = yield* Simulation.run({
        ...base,
        providers: [{ capacity: 100, queue: 20, phases: [{ from: "20 seconds", until: "40 seconds", is }] }]
      })
      assert.isAtMost(
        sum(report, ({ good }) => good, 20, 40) / sum(report, ({ offered }) => offered, 20, 40),
        most + 0.06
      )
      assert.strictEqual(sum(report, ({ attempts }) => attempts, 20, 40) > 0, reaches)
      assert.isAtLeast(sum(report, ({ good }) => good, 50, 60) / sum(report, ({ offered }) => offered, 50, 60), 0.9)
    })
  )

  it("recovery is the first good second that thirty good ones follow", () => {
    const of = (bad: ReadonlyArray<number>): Simulation.Report => ({
      amplification: 1,
      goodput: 1,
      p99Ms: 1,
      windows: Array.from({ length: 100 }, (_, at) => ({ offered: 100, good: bad.includes(at) ? 94 : 95, attempts: 1 }))
    })
    const recovery = (bad: ReadonlyArray<number>, ratio?: number) =>
      Simulation.recovery(of(bad), { from: "40 seconds", ratio })
    assert.strictEqual(recovery([]), 0)
    assert.strictEqual(recovery([40, 41]), 2)
    // A second collapse within 30 seconds: it had not recovered before.
    assert.strictEqual(recovery([40, 60]), 21)
    assert.strictEqual(recovery([39, 72]), 0)
    assert.isUndefined(recovery([60, 80]))
    assert.strictEqual(recovery([40, 41], 0.9), 0)
  })
})

describe("VirtualTime", () => {
  it("runs timers in the order of their time, then of their setting, and passes over those that were given up", () => {
    const time = new VirtualTime()
    const ran: Array<string> = []
    const put = (at: number, name: string) => time.after(at, () => ran.push(`${name}@${time.now}`))
    for (let n = 0; n < 50; n++) put((n * 37) % 50, `x${(n * 37) % 50}`)
    put(10, "second").run = undefined
    put(10, "third")
    time.advanceTo(9)
    assert.deepStrictEqual(
      ran,
      Array.from({ length: 10 }, (_, n) => `x${n}@${n}`)
    )
    time.advanceTo(10)
    assert.deepStrictEqual(ran.slice(10), ["x10@10", "third@10"])
    time.advanceTo(100)
    assert.strictEqual(ran.length, 51)
    assert.strictEqual(time.now, 100)
  })

  it("a sleep that is interrupted wakes nobody", () => {
    const time = new VirtualTime()
    const fiber = Effect.runFork(Effect.provideService(Effect.sleep(1_000), Clock.Clock, time) as Effect.Effect<void>)
    Effect.runSync(Effect.sync(() => fiber.interruptUnsafe()))
    time.advanceTo(2_000)
    assert.isTrue(Exit.isFailure(Effect.runSync(Effect.sync(() => fiber.pollUnsafe()!))))
  })
})
