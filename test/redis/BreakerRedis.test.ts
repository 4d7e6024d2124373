// A breaker whose circuits are in a real Redis that two integrations share, which stops in the middle.
import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Policy } from "breakwater"
import { Context, Effect, Fiber, Layer } from "effect"
import { CircuitBreaker, type Redis } from "effect/persistence"
import { connect as dial, createServer, type Server, type Socket } from "node:net"
import { seededly } from "../properties/support.ts"
import { freshPrefix, connect, skip, url } from "../idempotency/redis.ts"
import { down, over, tagOf, times, up, warnings } from "./breaker.ts"

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
