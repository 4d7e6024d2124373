// One rate limit in Redis for two layers, as of two processes. Real time: Redis keeps its own.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Clock, Context, Duration, Effect, Exit, Layer, Logger, type Scope } from "effect"
import { Redis, RateLimiter } from "effect/persistence"
import { connect, freshPrefix, skip } from "../idempotency/redis.ts"
import { failureOf, say, scripted, type ScriptedOptions } from "../properties/support.ts"

const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("1 second")
)

const up = () => Effect.succeed("ok")

/** A store over a connection of its own, and one prefix for both processes. */
const storeOver = (redis: Redis.Redis["Service"], prefix: string) =>
  Effect.map(
    Layer.build(Layer.provide(RateLimiter.layerStoreRedis({ prefix }), Layer.succeed(Redis.Redis, redis))),
    (context) => Context.get(context, RateLimiter.RateLimiterStore)
  )

/**
 * Runs a test, and once more where the machine was so busy that Redis did not answer in time: attempts then go through,
 * which is what the limiter promises and not what is tested here.
 */
const steadily = (test: Effect.Effect<void, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    for (let n = 0; n < 10; n++) {
      let slow = false
      const logger = Logger.make(({ message }) => {
        slow ||= String(message).includes("the store of the rate limit")
      })
      const exit = yield* Effect.exit(Effect.scoped(Effect.provide(test, Logger.layer([logger]))))
      if (!slow) return yield* exit
    }
    return yield* Effect.die(new Error("Redis was never fast enough"))
  })

const twoProcesses = Effect.gen(function* () {
  const [first, second] = yield* Effect.all([connect, connect])
  const prefix = yield* freshPrefix(first!)
  const stores = yield* Effect.all([storeOver(first!, prefix), storeOver(second!, prefix)])
  // The scripts are loaded before time matters.
  for (const store of stores) {
    const key = { key: "warm", tokens: 0, limit: 1, refillRate: Duration.zero }
    yield* store.fixedWindow(key)
    yield* store.tokenBucket({ ...key, refillRate: Duration.seconds(1), allowOverflow: false })
    yield* store.adaptiveConsume({ ...key, fallbackLimit: 1, fallbackWindow: Duration.seconds(1) })
  }
  return { redis: first!, prefix, stores }
})

const tagOf = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit)?.reason._tag ?? "ok"

const limited = (
  store: RateLimiter.RateLimiterStore["Service"],
  options: Partial<Policy.RateLimitOptions>,
  send: ScriptedOptions["send"] = up
) =>
  Effect.provideService(
    scripted({
      policy: Policy.stack(
        once,
        Policy.rateLimit({ limit: 10, window: "1 hour", maxWait: 0, store: "environment", ...options })
      ),
      send
    }),
    RateLimiter.RateLimiterStore,
    store
  )

describe("Policy.rateLimit over Redis", () => {
  const test = skip === undefined ? it.live : it.live.skip

  for (const algorithm of ["token-bucket", "fixed-window"] as const) {
    test(`two layers have one limit (${algorithm})`, () =>
      Effect.gen(function* () {
        const { prefix, redis, stores } = yield* twoProcesses
        const [first, second] = yield* Effect.all(stores.map((store) => limited(store, { algorithm })))
        const exits = yield* Effect.all(
          Array.from({ length: 30 }, (_, n) => Effect.exit((n % 2 === 0 ? first! : second!).call)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(exits.filter(Exit.isSuccess).length, 10)
        assert.strictEqual(first!.sent.length + second!.sent.length, 10)
        assert.strictEqual(exits.map(tagOf).filter((tag) => tag === "RateLimited").length, 20)
        // The key ends with its window, or one later: however many tokens were taken, each process prolongs it once.
        const [, keys] = yield* redis.send<[string, ReadonlyArray<string>]>(
          "SCAN",
          "0",
          "MATCH",
          `${prefix}*`,
          "COUNT",
          "1000"
        )
        assert.isAbove(keys.length, 0)
        for (const key of keys) {
          const left = yield* redis.send<number>("PTTL", key)
          assert.isAbove(Number(left), 0, key)
          assert.isAtMost(Number(left), 2 * (3_600_000 + 1_000), key)
        }
      }).pipe(steadily))
  }

  test("waits are shared too: nobody starts before its token is there", () =>
    Effect.gen(function* () {
      const { stores } = yield* twoProcesses
      const options = { limit: 4, window: "400 millis", maxWait: "5 seconds" } as const
      const [first, second] = yield* Effect.all(stores.map((store) => limited(store, options)))
      const began = yield* Clock.currentTimeMillis
      const exits = yield* Effect.all(
        Array.from({ length: 12 }, (_, n) => Effect.exit((n % 2 === 0 ? first! : second!).call)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(exits.map(tagOf), Array(12).fill("ok"))
      const sent = [...first!.sent, ...second!.sent].toSorted((a, b) => a - b)
      // The n-th token is there 100 ms after the one before it; a start is never earlier than its token.
      sent.forEach((at, n) => assert.isAtLeast(at - began, Math.max(0, n - 3) * 100 - 1))
    }).pipe(steadily))

  test("a 429 of one process pauses the other", () =>
    Effect.gen(function* () {
      const { stores } = yield* twoProcesses
      const first = yield* limited(stores[0]!, {}, () => say(Reason.throttled({ retryAfter: Duration.seconds(30) })))
      const second = yield* limited(stores[1]!, {})
      yield* second.call
      yield* Effect.exit(first.call)
      // What is told to Redis is waited for by no attempt.
      const paused = yield* Effect.repeat(Effect.exit(second.call), {
        until: (exit) => Exit.isFailure(exit),
        times: 100
      })
      const failure = failureOf(paused)!
      assert.strictEqual(failure.reason._tag, "RateLimited")
      assert.isAtMost(Duration.toMillis(failure.retryAfter!), 30_000)
      assert.isAbove(Duration.toMillis(failure.retryAfter!), 20_000)
    }).pipe(steadily))

  test("an attempt that never left gives its token back to both", () =>
    Effect.gen(function* () {
      const { stores } = yield* twoProcesses
      for (const algorithm of ["token-bucket", "fixed-window"] as const) {
        const unsent = yield* Effect.provideService(
          scripted({
            policy: Policy.stack(
              once,
              Policy.rateLimit({
                limit: 1,
                window: "1 hour",
                maxWait: 0,
                store: "environment",
                algorithm,
                name: algorithm
              }),
              Policy.make({
                slot: "attempt",
                name: "turns away",
                build: () => Effect.succeed(() => () => Effect.fail(Reason.make("BulkheadFull")))
              })
            ),
            send: up
          }),
          RateLimiter.RateLimiterStore,
          stores[0]!
        )
        const other = yield* limited(stores[1]!, { limit: 1, algorithm, name: algorithm })
        assert.strictEqual(tagOf(yield* Effect.exit(unsent.call)), "BulkheadFull")
        const exit = yield* Effect.repeat(Effect.exit(other.call), { until: Exit.isSuccess, times: 100 })
        assert.strictEqual(tagOf(exit), "ok")
        assert.strictEqual(tagOf(yield* Effect.exit(other.call)), "RateLimited")
      }
    }).pipe(steadily))
})
