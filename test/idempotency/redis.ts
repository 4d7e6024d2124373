/** A Redis for tests: one key prefix of its own per store, dropped at the end; and one whose `TIME` the test sets. */
import { NodeRedis } from "@effect/platform-node"
import { RedisIdempotencyStore } from "breakwater/redis"
import { Context, Duration, Effect, Layer } from "effect"
import { Redis } from "effect/persistence"
import { randomUUID } from "node:crypto"
import type { Opened } from "../../src/testing/StoreConformance.ts"

export const url = process.env.REDIS_URL

export const skip = url === undefined ? "REDIS_URL is not set" : undefined

type Service = Redis.Redis["Service"]

/** A connection of its own. */
export const connect = Effect.suspend(() =>
  Effect.map(Layer.build(NodeRedis.layer({ url: url! })), (context) => Context.get(context, Redis.Redis))
)

/** A prefix that nobody else uses, and whose keys are gone afterwards. */
export const freshPrefix = (redis: Service) =>
  Effect.acquireRelease(
    Effect.sync(() => `breakwater-test:${randomUUID()}:`),
    (prefix) =>
      Effect.gen(function* () {
        let cursor = "0"
        do {
          const scan = redis.send<[string, Array<string>]>("SCAN", cursor, "MATCH", `${prefix}*`, "COUNT", "1000")
          const [next, keys] = yield* scan
          if (keys.length > 0) yield* redis.send("UNLINK", ...keys)
          cursor = next
        } while (cursor !== "0")
      }).pipe(Effect.orDie)
  )

export const storeOver = (redis: Service, prefix: string) =>
  Effect.provideService(RedisIdempotencyStore.make({ prefix }), Redis.Redis, redis)

/** The scripts, rewritten. */
const withScripts = (redis: Service, rewrite: (lua: string) => string): Service => {
  const known = new Map<unknown, unknown>()
  return {
    ...redis,
    eval: (script) => {
      const set = (known.get(script) ??
        Object.assign(Object.create(Object.getPrototypeOf(script)), script, {
          lua: rewrite(script.lua)
        })) as typeof script
      known.set(script, set)
      return redis.eval(set)
    }
  }
}

/** The scripts as they are, but for the clock: they read the time from a key. */
const withClock = (lua: string, key: string) =>
  lua.replaceAll('redis.call("TIME")', `{ redis.call("GET", "${key}"), 0 }`)

/** Two processes over one Redis, and its own time. */
export const real = Effect.gen(function* () {
  const [one, two] = [yield* connect, yield* connect]
  const prefix = yield* freshPrefix(one)
  const opened: Opened = {
    handles: [yield* storeOver(one, prefix), yield* storeOver(two, prefix)],
    time: { _tag: "Real" }
  }
  return opened
})

/**
 * The same with a time that stands still until it is moved. It begins tomorrow, so that nothing expires by the server's
 * own time, and a record that is still there must be taken for what it is: forgotten. `mutate` puts a defect into scripts.
 */
export const settable = (mutate: (lua: string) => string = (lua) => lua) =>
  Effect.gen(function* () {
    const [one, two] = [yield* connect, yield* connect]
    const prefix = yield* freshPrefix(one)
    const clock = `${prefix}clock`
    let millis = Date.now() + 86_400_000
    const set = Effect.suspend(() => one.send("SET", clock, String(millis / 1000)))
    yield* set
    const rewritten = (redis: Service) => withScripts(redis, (lua) => withClock(mutate(lua), clock))
    const opened: Opened = {
      handles: [yield* storeOver(rewritten(one), prefix), yield* storeOver(rewritten(two), prefix)],
      time: {
        _tag: "Settable",
        advance: (by) =>
          Effect.suspend(() => {
            millis += Duration.toMillis(by)
            return Effect.asVoid(set)
          })
      }
    }
    return opened
  })
