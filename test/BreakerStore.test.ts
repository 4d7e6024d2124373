// A breaker whose circuits are in Effect's store: over the one in memory, and over stores that a test plays. Over a real
// Redis that two integrations share, which stops in the middle: redis/BreakerRedis.test.ts.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Effect, Fiber } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { failureOf, say, scripted, seededly } from "./properties/support.ts"
import { down, memory, once, over, type Store, tagOf, times, up, warnings } from "./redis/breaker.ts"

/** One of the integration and one of the operation, under one name. */
const twoOf = ([one, other]: readonly [Policy.BreakerOptions, Policy.BreakerOptions]) =>
  Effect.flatMap(memory, (store) =>
    scripted({
      policy: Policy.stack(once, Policy.breaker({ consecutive: 2, ...one })),
      shared: Policy.breaker({ consecutive: 2, ...other }),
      send: down
    }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, store))
  )

describe("a breaker over the environment's store", () => {
  it.effect("is refused at build where there is none, and the message says which layer to provide", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        scripted({ policy: Policy.stack(once, Policy.breaker({ store: "environment" })), send: up })
      )
      assert.strictEqual(
        (error as Error).message,
        "test/Scripted send: the breaker's circuits are to be in the environment's store, but there is none: provide " +
          "CircuitBreaker.layerStoreRedis() of effect/persistence, over a Redis, to this layer"
      )
    }).pipe(seededly(1))
  )

  it.effect.each([
    [{}, {}],
    [{ store: "environment" }, { store: "environment", onStoreError: "allow" }],
    [{}, { store: "memory", onStoreError: "reject" }]
  ] as const)("%j and %j under one name are one", (options) =>
    Effect.gen(function* () {
      const { call } = yield* twoOf(options)
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "Unavailable")
      // One failure each of two breakers would be two.
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "Unavailable")
      assert.strictEqual(tagOf(yield* Effect.exit(call)), "CircuitOpen")
    }).pipe(seededly(1))
  )

  it.effect.each([
    [{}, { store: "environment" }, `{} here and {"store":"environment"}`],
    [
      { store: "environment" },
      { store: "environment", onStoreError: "reject" },
      `{"store":"environment"} here and {"store":"environment","onStoreError":"reject"}`
    ]
  ] as const)("%j and %j under one name are refused", ([one, other, told]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(twoOf([one, other]))
      const common = /"consecutive":2,"rate":.*?},"openFor":1000,"maxOpenFor":5000,?/g
      assert.include((error as Error).message.replaceAll(common, ""), `breaker has ${told} in send`)
    }).pipe(seededly(1))
  )

  it.effect("two integrations built apart see one circuit, under the integration's and the breaker's name", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const keys = new Set<string>()
      const watched: Store = {
        ...store,
        admit: (key) => {
          keys.add(key)
          return store.admit(key)
        }
      }
      const first = yield* over(watched, { name: "shared" }, down)
      const second = yield* over(watched, { name: "shared" }, up)
      // Failures in a row are counted together, beside the rate.
      assert.deepStrictEqual(yield* times(first.call, 5), Array(5).fill("Unavailable"))
      assert.deepStrictEqual(yield* times(second.call, 2), ["CircuitOpen", "CircuitOpen"])
      assert.deepStrictEqual([...keys], ["test/Scripted:shared:test/Scripted"])
      assert.deepStrictEqual(
        first.events.map(({ decisions }) => decisions.map(({ decided }) => decided)),
        [[], [], [], [], ["opened"]]
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* times(second.call, 1), ["ok"])
      assert.deepStrictEqual(
        second.events.at(-1)!.decisions.map(({ decided }) => decided),
        ["closed"]
      )
      assert.deepStrictEqual(yield* times(first.call, 1), ["Unavailable"])
    }).pipe(seededly(1))
  )

  it.effect("a success in between starts the count of the two again", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* over(store, { consecutive: 3, rate: { size: 50 } }, down)
      const second = yield* over(store, { consecutive: 3, rate: { size: 50 } }, (n) => (n === 1 ? up() : down()))
      yield* times(first.call, 2)
      yield* times(second.call, 3)
      assert.deepStrictEqual(yield* times(first.call, 2), ["Unavailable", "CircuitOpen"])
    }).pipe(seededly(1))
  )

  it.effect("slow attempts of one process open the circuit for all; a slow probe keeps it open", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const slow = { after: "1 second", size: 4, rate: 0.75 } as const
      const first = yield* over(store, { slow }, () => Effect.delay(up(), "2 seconds"))
      const second = yield* over(store, { slow }, up)
      for (let n = 0; n < 4; n++) {
        const fiber = yield* Effect.forkChild(first.call, { startImmediately: true })
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      }
      assert.deepStrictEqual(yield* times(second.call, 1), ["CircuitOpen"])
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(first.call, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(tagOf(yield* Fiber.await(probe)), "ok")
      assert.deepStrictEqual(yield* times(second.call, 1), ["CircuitOpen"])
    }).pipe(seededly(1))
  )

  const broken = (what: "fails" | "hangs" | "dies"): Store => {
    const error = new CircuitBreaker.CircuitBreakerError({
      reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "no" })
    })
    const answer = what === "fails" ? Effect.fail(error) : what === "dies" ? Effect.die(new Error("no")) : Effect.never
    return { admit: () => answer, record: () => answer, state: () => answer }
  }

  for (const what of ["fails", "hangs", "dies"] as const) {
    it.effect(`a store that ${what} changes nothing, and is told once a minute`, () => {
      const told = warnings()
      return Effect.gen(function* () {
        const { call, events, sent } = yield* over(broken(what), { consecutive: 1 }, (n) =>
          n % 2 === 0 ? down() : up()
        )
        const run = Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(call, { startImmediately: true })
          yield* TestClock.adjust(100)
          return tagOf(yield* Fiber.await(fiber))
        })
        const tags = []
        for (let n = 0; n < 6; n++) tags.push(yield* run)
        assert.deepStrictEqual(tags, ["ok", "Unavailable", "ok", "Unavailable", "ok", "Unavailable"])
        assert.strictEqual(sent.length, 6)
        assert.deepStrictEqual(
          events.flatMap(({ decisions }) => decisions),
          []
        )
        assert.deepStrictEqual(told.of(), [
          "test/Scripted: the store of the breaker breaker did not admit an attempt; this is told once a minute"
        ])
        // A store that hangs costs 100 ms, and is then left alone for a second.
        assert.deepStrictEqual(
          events.map(({ latency }) => latency),
          what === "hangs" ? [100, 0, 0, 0, 0, 0] : [0, 0, 0, 0, 0, 0]
        )
        yield* TestClock.adjust("1 minute")
        yield* run
        assert.strictEqual(told.of().length, 2)
      }).pipe(Effect.provide(told.layer), seededly(1))
    })
  }

  it.effect("with `reject`, what the store can't admit is turned away", () =>
    Effect.gen(function* () {
      const { call, sent } = yield* over(broken("fails"), { onStoreError: "reject" }, up)
      const failure = failureOf(yield* Effect.exit(call))!
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.reason.message],
        ["CircuitOpen", "NotSent", "the store of the circuit test/Scripted can't be reached"]
      )
      assert.strictEqual(sent.length, 0)
    }).pipe(seededly(1))
  )

  it.effect("a record that hangs holds a call for 100 ms, and never past its deadline", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { call, events } = yield* over({ ...store, record: () => Effect.never }, {}, () =>
        Effect.delay(up(), "2 seconds")
      )
      const first = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(tagOf(yield* Fiber.await(first)), "ok")
      assert.strictEqual(events[0]!.latency, 2_100)
      const short = yield* scripted({
        policy: Policy.stack(
          once,
          Policy.totalDeadline("2050 millis"),
          Policy.attemptTimeout("2050 millis"),
          Policy.breaker({ store: "environment" })
        ),
        send: () => Effect.delay(up(), "2 seconds")
      }).pipe(Effect.provideService(CircuitBreaker.CircuitBreakerStore, { ...store, record: () => Effect.never }))
      const second = yield* Effect.forkChild(short.call, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.await(second)
      assert.strictEqual(short.events[0]!.latency, 2_050)
    }).pipe(seededly(1))
  )

  it.effect("a probe that the store admits too late is given back", () =>
    Effect.gen(function* () {
      const store = yield* memory
      let slowly = false
      const { call } = yield* over(
        { ...store, admit: (key) => (slowly ? Effect.delay(store.admit(key), "300 millis") : store.admit(key)) },
        { consecutive: 1 },
        (n) => (n === 1 ? down() : up())
      )
      yield* Effect.exit(call)
      yield* TestClock.adjust("1 second")
      slowly = true
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust(100)
      assert.strictEqual(tagOf(yield* Fiber.await(fiber)), "ok")
      yield* TestClock.adjust(300)
      const state = yield* Effect.orDie(store.state("test/Scripted:breaker:test/Scripted"))
      assert.isTrue(state._tag === "HalfOpen" && !state.probing, JSON.stringify(state))
      slowly = false
      assert.deepStrictEqual(yield* times(call, 1), ["ok"])
      assert.strictEqual((yield* Effect.orDie(store.state("test/Scripted:breaker:test/Scripted")))._tag, "Closed")
    }).pipe(seededly(1))
  )

  it.effect("a probe that is throttled finds the provider alive, for all", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* over(store, { consecutive: 1 }, (n) => (n === 1 ? down() : say(Reason.throttled())))
      const second = yield* over(store, { consecutive: 1 }, up)
      yield* Effect.exit(first.call)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* times(first.call, 1), ["Throttled"])
      assert.strictEqual((yield* Effect.orDie(store.state("test/Scripted:breaker:test/Scripted")))._tag, "Closed")
      assert.deepStrictEqual(yield* times(second.call, 1), ["ok"])
    }).pipe(seededly(1))
  )

  it.effect("a caller that gives up while the store thinks does not wait for it", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const { call, sent } = yield* over({ ...store, admit: () => Effect.never }, {}, up)
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(sent.length, 0)
    }).pipe(seededly(1))
  )
})
