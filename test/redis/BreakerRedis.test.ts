// A breaker whose circuits are in Effect's store: over a store that a test plays, and over a real Redis that two
// integrations share, which stops in the middle.
import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Context, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { CircuitBreaker, type Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { connect as dial, createServer, type Server, type Socket } from "node:net"
import { failureOf, say, scripted, type ScriptedOptions, seededly } from "../properties/support.ts"
import { freshPrefix, connect, skip, url } from "../idempotency/redis.ts"

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

const over = (store: Store, options: Policy.BreakerOptions, send: ScriptedOptions["send"]) =>
  scripted({ policy: Policy.stack(once, Policy.breaker({ store: "environment", ...options })), send }).pipe(
    Effect.provideService(CircuitBreaker.CircuitBreakerStore, store)
  )

const memory = Effect.map(Layer.build(CircuitBreaker.layerStoreMemory()), (context) =>
  Context.get(context, CircuitBreaker.CircuitBreakerStore)
)

const down = () => say(Reason.unavailable())
const up = () => Effect.succeed("ok")
const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? (Exit.isSuccess(exit) ? "ok" : "?")
const times = (call: Effect.Effect<unknown, unknown>, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.map(Effect.exit(call), tagOf))

/** Collects what is logged as a warning. */
const warnings = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") lines.push(String(Array.isArray(message) ? message[0] : message))
    })
  ])
  return { of: () => lines.filter((line) => line.includes("the store of the breaker")), layer }
}

describe("a breaker over the environment's store", () => {
  it.effect("is refused at build where there is none, and the message says which layer to provide", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        scripted({ policy: Policy.stack(once, Policy.breaker({ store: "environment" })), send: up })
      )
      assert.include(
        String(error),
        "CircuitBreaker.layerStoreRedis() of effect/persistence, over a Redis, to this layer"
      )
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

/** A door in front of Redis that can be shut, and opened again. */
const door = Effect.acquireRelease(
  Effect.suspend(() => {
    const target = new URL(url!)
    const sockets = new Set<Socket>()
    const server: Server = createServer((near) => {
      const far = dial(Number(target.port || 6379), target.hostname)
      for (const [one, other] of [
        [near, far],
        [far, near]
      ] as const) {
        sockets.add(one)
        one.on("error", () => other.destroy())
        one.on("close", () => other.destroy())
        one.pipe(other)
      }
    })
    const open = (port: number) =>
      Effect.callback<number>((resume) => {
        server.listen(port, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      })
    const shut = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    return Effect.map(open(0), (port) => ({ url: `redis://127.0.0.1:${port}`, server, shut, open: open(port) }))
  }),
  ({ server, shut }) => (server.listening ? shut : Effect.void)
)

const storeAt = (address: string, prefix: string) =>
  Effect.map(
    Layer.build(
      CircuitBreaker.layerStoreRedis({ prefix }).pipe(
        Layer.provide(NodeRedis.layer({ url: address }) as Layer.Layer<Redis.Redis, Redis.RedisError>),
        Layer.orDie
      )
    ),
    (context) => Context.get(context, CircuitBreaker.CircuitBreakerStore)
  )

describe.skipIf(skip !== undefined)(`a breaker over Redis${skip === undefined ? "" : ` (${skip})`}`, () => {
  it.live("two integrations with connections of their own see one circuit, and one probe closes it for both", () =>
    Effect.gen(function* () {
      const prefix = yield* freshPrefix(yield* connect)
      let healthy = false
      const options: Policy.BreakerOptions = { openFor: "2 seconds", maxOpenFor: "2 seconds", key: "operation" }
      const first = yield* over(yield* storeAt(url!, prefix), options, () => (healthy ? up() : down()))
      const second = yield* over(yield* storeAt(url!, prefix), options, up)
      // A busy machine may take longer than the store's 100 ms: what is then not recorded is not counted.
      const until = (call: Effect.Effect<unknown, unknown>, tag: string) =>
        Effect.map(
          Effect.repeat(Effect.delay(times(call, 1), 20), { until: ([one]) => one === tag, times: 300 }),
          ([one]) => one
        )
      assert.strictEqual(yield* until(first.call, "CircuitOpen"), "CircuitOpen")
      // It has never failed itself.
      assert.strictEqual(yield* until(second.call, "CircuitOpen"), "CircuitOpen")
      // The other operation has a circuit of its own.
      assert.deepStrictEqual(yield* times(second.other, 1), ["ok"])
      healthy = true
      assert.strictEqual(yield* until(second.call, "ok"), "ok")
      assert.deepStrictEqual(yield* times(first.call, 1), ["ok"])
    }).pipe(seededly(1))
  )

  it.live("a probe keeps its place for as long as it runs", () =>
    Effect.gen(function* () {
      const redis = yield* connect
      const prefix = yield* freshPrefix(redis)
      const store = Context.get(
        yield* Layer.build(
          CircuitBreaker.layerStoreRedis({ prefix, probeLease: "150 millis" }).pipe(
            Layer.provide(NodeRedis.layer({ url: url! }) as Layer.Layer<Redis.Redis, Redis.RedisError>),
            Layer.orDie
          )
        ),
        CircuitBreaker.CircuitBreakerStore
      )
      const { call } = yield* over(store, { consecutive: 1, openFor: "100 millis" }, (n) =>
        n === 1 ? down() : Effect.delay(up(), "600 millis")
      )
      yield* Effect.exit(call)
      yield* Effect.sleep("120 millis")
      const probe = yield* Effect.forkChild(call, { startImmediately: true })
      // Longer than the lease, which is renewed meanwhile.
      yield* Effect.sleep("400 millis")
      assert.deepStrictEqual(yield* times(call, 1), ["CircuitOpen"])
      assert.strictEqual(tagOf(yield* Fiber.await(probe)), "ok")
    }).pipe(seededly(1))
  )

  it.live(
    "Redis stops while calls run: every call ends as the provider answered, and one warning says so",
    () => {
      const told = warnings()
      return Effect.gen(function* () {
        const prefix = yield* freshPrefix(yield* connect)
        const way = yield* door
        const store = yield* storeAt(way.url, prefix)
        let dead = false
        const { call, events } = yield* over(store, { consecutive: 30, rate: false, openFor: "5 seconds" }, (n) =>
          Effect.delay(dead || n % 3 === 0 ? down() : up(), n % 7)
        )
        const fiber = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 300 }), () => Effect.map(Effect.exit(call), tagOf), { concurrency: 10 }),
          { startImmediately: true }
        )
        yield* Effect.sleep("20 millis")
        yield* way.shut
        const tags = yield* Fiber.join(fiber)
        assert.strictEqual(tags.filter((tag) => tag === "ok").length, 200)
        assert.strictEqual(tags.filter((tag) => tag === "Unavailable").length, 100)
        assert.strictEqual(events.length, 300)
        assert.strictEqual(told.of().length, 1)
        // Once it is back, the circuit is: failures open it.
        yield* way.open
        dead = true
        const last = yield* Effect.repeat(Effect.delay(times(call, 1), 5), {
          until: ([tag]) => tag === "CircuitOpen",
          times: 2_000
        })
        assert.deepStrictEqual(last, ["CircuitOpen"])
      }).pipe(Effect.provide(told.layer), seededly(1))
    },
    30_000
  )
})
