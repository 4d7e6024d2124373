import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Cause, ConfigProvider, Effect, Exit, Fiber } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { between, seed, tries } from "../properties/support.ts"

const { cutBody, firstOf, forSeeds, none, only, responseLost, script, seeded, status, times, window } = FaultInjection

/** Sends requests in this order, and says which fault each met: its tag, its status, or `-`. */
const met = (faults: FaultInjection.Faults | undefined, operations: ReadonlyArray<string>, step = 0) => {
  const provider = FaultInjection.make({
    respond: () => ({}),
    faults,
    operationOf: ({ url }) => new URL(url).pathname.slice(1)
  })
  return Effect.gen(function* () {
    for (const operation of operations) {
      yield* Effect.exit(HttpClient.get(`https://acme.example/${operation}`))
      yield* TestClock.adjust(step)
    }
    return provider.requests.map(({ fault }) =>
      fault === undefined ? "-" : fault._tag === "Status" ? String(fault.status) : fault._tag
    )
  }).pipe(Effect.provide(provider.layer))
}

const lost = status(500)

describe("scripts", () => {
  it("steps and lists of steps, one after another", () => {
    const faults = script(times(2, lost), none, cutBody, [], times(0, responseLost), [none, responseLost])
    assert.deepStrictEqual(faults, [lost, lost, undefined, cutBody, undefined, responseLost])
    assert.deepStrictEqual(script(), [])
  })

  it.effect("a list counts all requests, and has an end", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* met(script(lost, none, cutBody), ["a", "b", "a", "a"]), [
        "500",
        "-",
        "CutBody",
        "-"
      ])
      assert.deepStrictEqual(yield* met([], ["a"]), ["-"])
      assert.deepStrictEqual(yield* met(undefined, ["a"]), ["-"])
    })
  )

  it.effect("a record counts each operation for itself", () =>
    Effect.gen(function* () {
      const faults = { a: [none, lost], b: times(2, cutBody), unknown: [lost] }
      assert.deepStrictEqual(yield* met(faults, ["a", "b", "a", "c", "b", "b", "a"]), [
        "-",
        "CutBody",
        "500",
        "-",
        "CutBody",
        "-",
        "-"
      ])
    })
  )

  it.effect("only: a plan of any form for one operation, which counts its own", () =>
    Effect.gen(function* () {
      const order = ["a", "b", "b", "a", "b"]
      assert.deepStrictEqual(yield* met(only("b", [lost, none, cutBody]), order), ["-", "500", "-", "-", "CutBody"])
      assert.deepStrictEqual(yield* met(only("b", { a: [lost], b: [none, lost] }), order), ["-", "-", "500", "-", "-"])
      const third = ({ arrival }: FaultInjection.Arrival) => (arrival === 3 ? cutBody : undefined)
      assert.deepStrictEqual(yield* met(only("b", third), order), ["-", "-", "-", "-", "CutBody"])
      assert.deepStrictEqual(yield* met(only("c", [lost]), order), ["-", "-", "-", "-", "-"])
    })
  )

  it.effect("firstOf: the first plan that has a fault decides, and none of them loses its place", () =>
    Effect.gen(function* () {
      const faults = firstOf(
        [none, cutBody],
        { b: [responseLost, lost, responseLost] },
        only("a", [responseLost, lost])
      )
      assert.deepStrictEqual(yield* met(faults, ["a", "b", "b", "a", "b"]), [
        "ResponseLost",
        "CutBody",
        "500",
        "500",
        "ResponseLost"
      ])
      assert.deepStrictEqual(yield* met(firstOf(), ["a"]), ["-"])
    })
  )

  it.effect("inject begins a plan anew, and keeps the numbers of the arrivals", () => {
    const provider = FaultInjection.make({ respond: () => ({}), faults: [lost] })
    return Effect.gen(function* () {
      const send = Effect.map(HttpClient.get("https://acme.example/a"), (response) => response.status)
      assert.deepStrictEqual([yield* send, yield* send], [500, 200])
      yield* provider.inject({ "GET /a": [none, lost] })
      assert.deepStrictEqual([yield* send, yield* send], [200, 500])
      assert.deepStrictEqual(
        provider.requests.map(({ arrival }) => arrival),
        [1, 2, 3, 4]
      )
      yield* provider.reset
      assert.deepStrictEqual([provider.requests.length, yield* send, yield* send], [0, 200, 500])
    }).pipe(Effect.provide(provider.layer))
  })
})

describe("windows", () => {
  it.effect("an outage from one moment to another, the first within it and the last outside", () =>
    Effect.gen(function* () {
      const outage = window({ from: "20 millis", to: 40 }, lost)
      assert.deepStrictEqual(yield* met(outage, ["a", "a", "a", "a", "a"], 10), ["-", "-", "500", "500", "-"])
      assert.deepStrictEqual(yield* met(window({ to: "1 second" }, lost), ["a", "a", "a"], 500), ["500", "500", "-"])
    })
  )

  it.effect("begins when the layer is built, and again with inject and reset", () => {
    const provider = FaultInjection.make({ respond: () => ({}), faults: window({ to: "1 minute" }, lost) })
    const send = Effect.map(HttpClient.get("https://acme.example/a"), (response) => response.status)
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const seen: Array<number> = []
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("30 seconds")
        seen.push(yield* send)
        yield* TestClock.adjust("30 seconds")
        seen.push(yield* send)
        yield* provider.reset
        seen.push(yield* send)
        yield* TestClock.adjust("60 seconds")
        seen.push(yield* send)
        yield* provider.inject(window({ from: "1 second", to: "2 seconds" }, lost))
        seen.push(yield* send)
        yield* TestClock.adjust("1 second")
        seen.push(yield* send)
      }).pipe(Effect.provide(provider.layer))
      assert.deepStrictEqual(seen, [500, 200, 500, 200, 200, 500])
    })
  })

  it.effect("only an operation, and several of them", () =>
    Effect.gen(function* () {
      const outages = firstOf(only("a", window({ from: 10, to: 20 }, lost)), window({ from: 20, to: 30 }, cutBody))
      assert.deepStrictEqual(yield* met(outages, ["a", "b", "a", "a"], 10), ["-", "-", "CutBody", "-"])
      assert.deepStrictEqual(yield* met(outages, ["b", "a", "b", "b"], 10), ["-", "500", "CutBody", "-"])
    })
  )
})

describe("seeded", () => {
  const drawn = (plan: ReturnType<typeof seeded>, operation: string, count: number) =>
    Array.from({ length: count }, (_, n) => plan({ operation, arrival: n + 1 }))

  it.prop(
    "the same seed, operation and arrival meet the same fault, in whatever order they are asked",
    { seed, first: between(1, 60) },
    ({ first, seed }) => {
      const one = drawn(seeded({ seed, rate: 0.5 }), "charge", 60)
      const other = seeded({ seed, rate: 0.5 })
      for (let n = 0; n < 60; n++) {
        const arrival = ((first + n) % 60) + 1
        other({ operation: "other", arrival })
        assert.strictEqual(other({ operation: "charge", arrival }), one[arrival - 1])
      }
    },
    tries(50)
  )

  it.effect("whatever the other operations do, an operation meets the same faults", () =>
    Effect.gen(function* () {
      const faults = seeded({ seed: "spring", rate: 0.6, faults: [lost, cutBody] })
      const order = Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? ["b", "a"] : ["a"])).flat()
      const alone = yield* met(
        faults,
        order.filter((operation) => operation === "a")
      )
      const mixed = yield* met(faults, order)
      assert.deepStrictEqual(
        mixed.filter((_, n) => order[n] === "a"),
        alone
      )
      assert.includeMembers(alone, ["-", "500", "CutBody"])
    })
  )

  it("keeps its rate for each seed, and draws from the given faults alone, as often each", () => {
    const given = [lost, cutBody, responseLost]
    for (const seed of ["a", "b", 1, 2, 3, 4_294_967_296]) {
      const all = drawn(seeded({ seed, rate: 0.4, faults: given }), "charge", 6_000)
      const counts = given.map((fault) => all.filter((one) => one === fault).length)
      // 0.4/3 of 6,000 is 800; four standard deviations are 106.
      for (const count of counts) assert.approximately(count, 800, 106, `seed ${seed}: ${counts}`)
      assert.strictEqual(all.filter((one) => one === undefined).length, 6_000 - counts.reduce((a, b) => a + b))
    }
  })

  it("meets 15 of 100 requests unless told otherwise, never a second delivery", () => {
    const all = drawn(seeded({ seed: 5 }), "charge", 10_000)
    assert.approximately(all.filter((fault) => fault !== undefined).length, 1_500, 150)
    assert.isFalse(all.some((fault) => fault?._tag === "DuplicateDelivery"))
    assert.isTrue(all.every((fault) => fault === undefined || FaultInjection.all.includes(fault)))
  })

  it("two seeds agree no more often than chance has it", () => {
    const faults = [lost, cutBody, responseLost, status(503)]
    const [one, other] = [1, 2].map((seed) => drawn(seeded({ seed, rate: 1, faults }), "charge", 4_000))
    assert.approximately(one!.filter((fault, n) => fault === other![n]).length, 1_000, 110)
    // Neither do one arrival and the next.
    assert.approximately(one!.filter((fault, n) => n > 0 && fault === one![n - 1]).length, 1_000, 110)
  })
})

describe("forSeeds", () => {
  /** Runs without the seed of whoever runs this file, and says how it ended. */
  const run = <A, E>(
    runs: number,
    test: (seed: number | string) => Effect.Effect<A, E>,
    env: Readonly<Record<string, string>> = {}
  ) =>
    Effect.exit(forSeeds({ runs }, test)).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )
  const defectOf = (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isFailure(exit) ? (Cause.squash(exit.cause) as Error) : undefined

  it.effect("runs the seeds 1 to n, each once", () =>
    Effect.gen(function* () {
      const seen: Array<number | string> = []
      assert.isTrue(Exit.isSuccess(yield* run(4, (seed) => Effect.sync(() => seen.push(seed)))))
      assert.deepStrictEqual(seen, [1, 2, 3, 4])
    })
  )

  it.effect("names the seed that failed, and how to run it alone", () =>
    Effect.gen(function* () {
      const seen: Array<number | string> = []
      const failures: ReadonlyArray<() => Effect.Effect<void, unknown>> = [
        () => Effect.fail(new Error("charged twice")),
        () => Effect.die(new Error("charged twice")),
        () => {
          throw new Error("charged twice")
        },
        () => Effect.fail({ message: "charged twice" })
      ]
      for (const fail of failures) {
        seen.length = 0
        const exit = yield* run(5, (seed) => {
          seen.push(seed)
          return seed === 3 ? fail() : Effect.void
        })
        const error = defectOf(exit)!
        assert.strictEqual(error.name, "SeedFailure")
        assert.strictEqual(
          error.message,
          "seed 3 failed (3 of 5); replay it alone with BREAKWATER_SEED=3\n\ncharged twice"
        )
        assert.strictEqual((error.cause as Error).message, "charged twice")
        assert.deepStrictEqual(seen, [1, 2, 3])
      }
    })
  )

  it.effect("BREAKWATER_SEED replays one seed: a number as a number, a word as a word", () =>
    Effect.gen(function* () {
      for (const [text, expected] of [
        ["17", 17],
        ["007", 7],
        ["spring-2027", "spring-2027"]
      ] as const) {
        const seen: Array<number | string> = []
        const exit = yield* run(
          50,
          (seed) => {
            seen.push(seed)
            return Effect.fail("no")
          },
          { BREAKWATER_SEED: text }
        )
        assert.deepStrictEqual(seen, [expected])
        assert.match(defectOf(exit)!.message, new RegExp(`^seed ${expected} failed \\(1 of 1\\); .*=${expected}\n`))
      }
    })
  )

  it.effect("a failure is found again with the seed that it names", () =>
    Effect.gen(function* () {
      const unlucky = (seed: number | string) =>
        Effect.map(met(seeded({ seed, rate: 0.2, faults: [lost] }), ["a", "a", "a"]), (faults) => {
          assert.notDeepEqual(faults, ["500", "-", "500"])
        })
      const first = defectOf(yield* run(100, unlucky))
      const named = /BREAKWATER_SEED=(\d+)/.exec(first!.message)![1]!
      const again = defectOf(yield* run(100, unlucky, { BREAKWATER_SEED: named }))
      assert.strictEqual(again!.message.split("\n").at(-1), first!.message.split("\n").at(-1))
      assert.match(again!.message, new RegExp(`^seed ${named} failed`))
      assert.isTrue(Exit.isSuccess(yield* run(1, unlucky, { BREAKWATER_SEED: String(Number(named) - 1) })))
    })
  )

  it.effect("an interruption is no failed seed", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        forSeeds({ runs: 2 }, () => Effect.never),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      const inside = yield* run(2, () => Effect.interrupt)
      assert.isTrue(Exit.isFailure(inside) && Cause.hasInterruptsOnly(inside.cause))
    })
  )
})
