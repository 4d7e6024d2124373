import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore } from "breakwater"
import { RedisIdempotencyStore } from "breakwater/redis"
import { Config, ConfigProvider, Context, Duration, Effect, Layer, Option, type Scope } from "effect"
import { Redis } from "effect/persistence"
import { keysOf, shards } from "../../src/redis/internal/keys.ts"
import { connect, freshPrefix, skip, storeOver } from "../idempotency/redis.ts"

const hour = Duration.hours(1)
const options = {
  scope: "scope",
  key: "k",
  fingerprint: "f",
  lease: hour,
  timeToLive: hour,
  onLostLease: "rerun"
} as const
const owner = { scope: "scope", key: "k", epoch: 7 }

/** A Redis that answers every script with this. */
const answering = (
  answer: (args: ReadonlyArray<string>) => Effect.Effect<unknown, Redis.RedisError>
): Effect.Effect<Redis.Redis["Service"], never, Scope.Scope> =>
  Redis.make({
    send: <A>(command: string, ...args: ReadonlyArray<string>) =>
      (command === "SCRIPT" ? Effect.succeed(`sha of ${args[1]!.length}`) : answer(args)) as Effect.Effect<
        A,
        Redis.RedisError
      >,
    subscribe: () => Effect.die("not used"),
    connect: Effect.die("not used")
  })

const failing = (cause: unknown) =>
  Effect.flatMap(
    answering(() => Effect.fail(new Redis.RedisError({ cause }))),
    (redis) => storeOver(redis, "p:")
  )

type Call = readonly [
  operation: keyof IdempotencyStore.Store,
  call: Effect.Effect<unknown, IdempotencyStore.StoreError>
]

/** Every method that asks for one record. */
const single = (store: IdempotencyStore.Store): ReadonlyArray<Call> => [
  ["claim", store.claim(options)],
  ["renew", store.renew(owner, hour)],
  ["saveStep", store.saveStep(owner, { name: "s", data: "d" })],
  ["complete", store.complete(owner, { result: "r", timeToLive: hour })],
  ["release", store.release(owner)],
  ["hold", store.hold(owner)],
  ["resolve", store.resolve(owner, { _tag: "Absent" })],
  ["get", store.get(owner)]
]

describe("RedisIdempotencyStore: what a failure says", () => {
  class ClientClosedError extends Error {}

  const cases: ReadonlyArray<readonly [what: string, cause: unknown, tookEffect: "no" | "unknown"]> = [
    ["a connection that was cut", new Error("Socket closed unexpectedly"), "unknown"],
    ["a timeout", new Error("connect ETIMEDOUT"), "unknown"],
    ["an error in a script", new Error("ERR Error running script: user_script:9: bad"), "unknown"],
    ["something that is no error", { code: 7 }, "unknown"],
    ["nothing", undefined, "unknown"],
    ["a replica", new Error("READONLY You can't write against a read only replica."), "no"],
    ["a full server", new Error("OOM command not allowed when used memory > 'maxmemory'."), "no"],
    ["a server that starts", new Error("LOADING Redis is loading the dataset in memory"), "no"],
    ["a client without a password", new Error("NOAUTH Authentication required."), "no"],
    ["a server busy with a script", new Error("BUSY Redis is busy running a script."), "no"],
    ["a refusal that the client wraps", new Error("ReplyError: CLUSTERDOWN The cluster is down"), "no"],
    ["a client that was closed", new ClientClosedError("The client is closed"), "no"]
  ]
  for (const [what, cause, tookEffect] of cases) {
    it.effect(`${what}: ${tookEffect === "no" ? "nothing was written" : "it is not known"}`, () =>
      Effect.gen(function* () {
        const store = yield* failing(cause)
        for (const [operation, call] of [...single(store), ["held", store.held({ limit: 1 })] as const]) {
          const error = yield* Effect.flip(call)
          assert.instanceOf(error, IdempotencyStore.StoreError)
          // A read writes nothing, however it ended.
          const expected = operation === "get" || operation === "held" ? "no" : tookEffect
          assert.deepInclude(error, { reason: "Unavailable", store: "redis", operation, tookEffect: expected, cause })
        }
      })
    )
  }

  it.effect("a key of another kind, or an answer of another version, is malformed, and nothing was written", () =>
    Effect.gen(function* () {
      const wrongType = new Error("WRONGTYPE Operation against a key holding the wrong kind of value")
      const stores = [
        yield* failing(wrongType),
        yield* Effect.flatMap(
          answering(() => Effect.succeed(["Malformed"])),
          (redis) => storeOver(redis, "p:")
        )
      ]
      for (const store of stores) {
        for (const [operation, call] of single(store)) {
          const error = yield* Effect.flip(call)
          assert.deepInclude(error, { reason: "Malformed", operation, tookEffect: "no" })
        }
      }
    })
  )

  it.effect("a message holds neither key nor cause", () =>
    Effect.gen(function* () {
      const store = yield* failing(new Error("redis://user:secret@host"))
      const error = yield* Effect.flip(store.claim({ ...options, key: "customer@example.com" }))
      assert.strictEqual(
        error.message,
        "the idempotency store (redis) could not claim: the store failed or could not be reached; it may have been written; read the record before you answer"
      )
    })
  )

  it.effect("a server that has forgotten a script is given it again", () =>
    Effect.gen(function* () {
      let evals = 0
      const redis = yield* answering(() => {
        evals++
        return evals === 1
          ? Effect.fail(new Redis.RedisError({ cause: new Error("NOSCRIPT No matching script.") }))
          : Effect.succeed(["1"])
      })
      const store = yield* storeOver(redis, "p:")
      assert.isTrue(yield* store.release(owner))
      assert.strictEqual(evals, 2)
    })
  )
})

describe("RedisIdempotencyStore: the names of keys", () => {
  // Frozen: with other names, what was done before an upgrade would be done again after it.
  it("are what they were", () => {
    const names = (scope: string, key: string) => {
      const { index, record } = keysOf("p:", { scope, key })
      return [record, index]
    }
    assert.deepStrictEqual(names("shop/charge|tenant-1", "order-42"), [
      'p:{35}:r:["shop/charge|tenant-1","order-42"]',
      "p:{35}:held"
    ])
    assert.deepStrictEqual(names("日本", "\ud800"), ['p:{1}:r:["日本","\\ud800"]', "p:{1}:held"])
    assert.deepStrictEqual(names("s", "x".repeat(500)), [
      "p:{38}:r:sha256:ae497b6fc8169bfe788c04c5e6ac7a0364673ae678826e914525503ed0fda07c",
      "p:{38}:held"
    ])
  })

  it("put a record and its index into one slot, and use all of them", () => {
    const seen = new Set<string>()
    for (let n = 0; n < 2_000; n++) {
      const { index, record } = keysOf("p:", { scope: `{s}${n % 7}`, key: `}k{${n}` })
      const tag = /\{(\d+)\}/.exec(record)?.[1]
      assert.strictEqual(index, `p:{${tag}}:held`)
      assert.isTrue(record.startsWith(`p:{${tag}}:r:`))
      seen.add(tag!)
    }
    assert.strictEqual(seen.size, shards)
  })

  it.effect("begin with the prefix, from the options or from a configuration", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const redis = yield* answering((args) => {
        asked.push(args[2]!)
        return Effect.succeed(["None"])
      })
      const layers = [
        RedisIdempotencyStore.layer(),
        RedisIdempotencyStore.layer({ prefix: "{shop}:" }),
        RedisIdempotencyStore.layerConfig({ prefix: Config.String("PREFIX") }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PREFIX: "configured:" })))
        )
      ]
      for (const layer of layers) {
        const context = yield* Layer.build(Layer.provide(layer, Layer.succeed(Redis.Redis, redis)))
        yield* Context.get(context, IdempotencyStore.IdempotencyStore).get(owner)
      }
      const { record } = keysOf("", owner)
      assert.deepStrictEqual(asked, [`breakwater:idempotency:${record}`, `{shop}:${record}`, `configured:${record}`])
    })
  )
})

describe.skipIf(skip !== undefined)(
  `RedisIdempotencyStore: what is in Redis${skip === undefined ? "" : `: ${skip}`}`,
  () => {
    const opened = Effect.gen(function* () {
      const redis = yield* connect
      const prefix = yield* freshPrefix(redis)
      const store = yield* storeOver(redis, prefix)
      const keys = keysOf(prefix, options)
      return {
        redis,
        prefix,
        store,
        keys,
        /** In how many milliseconds the record expires; -1 for never, -2 for one that is not there. */
        ttl: redis.send<number>("PTTL", keys.record),
        indexed: redis.send<ReadonlyArray<string>>("ZRANGE", keys.index, "0", "-1")
      }
    })
    const grace = 600_000
    const about = (actual: number, expected: number) => assert.closeTo(actual, expected, 5_000)

    it.live("what may be forgotten expires ten minutes after it may, and never before its lease ends", () =>
      Effect.gen(function* () {
        const { store, ttl } = yield* opened
        const claim = yield* store.claim({ ...options, lease: Duration.hours(3) })
        if (claim._tag !== "Started") return assert.fail(claim._tag)
        const own = { ...owner, epoch: claim.epoch }
        about(yield* ttl, 3 * 3_600_000 + grace)
        yield* store.renew(own, Duration.hours(5))
        about(yield* ttl, 5 * 3_600_000 + grace)
        yield* store.renew(own, Duration.zero)
        about(yield* ttl, 3_600_000 + grace)
        yield* store.complete(own, { result: "r", timeToLive: Duration.hours(9) })
        about(yield* ttl, 9 * 3_600_000 + grace)
      })
    )

    it.live("what is held, or would be, never expires, and stands in the index as long", () =>
      Effect.gen(function* () {
        const { indexed, keys, store, ttl } = yield* opened
        const start = (more: object) =>
          Effect.map(store.claim({ ...options, ...more }), (claim) => {
            if (claim._tag !== "Started") return assert.fail(claim._tag)
            return { ...owner, epoch: claim.epoch }
          })
        const first = yield* start({ onLostLease: "hold", timeToLive: Duration.millis(1) })
        assert.strictEqual(yield* ttl, -1)
        assert.deepStrictEqual(yield* indexed, [keys.member])
        yield* store.complete(first, { result: undefined, timeToLive: Duration.zero })
        about(yield* ttl, grace)
        assert.deepStrictEqual(yield* indexed, [])

        const second = yield* start({ onLostLease: "rerun" })
        assert.deepStrictEqual(yield* indexed, [])
        yield* store.hold(second)
        assert.strictEqual(yield* ttl, -1)
        assert.deepStrictEqual(yield* indexed, [keys.member])
        yield* store.resolve(owner, { _tag: "Absent" })
        about(yield* ttl, grace)
        assert.deepStrictEqual(yield* indexed, [])

        const third = yield* start({ onLostLease: "hold" })
        assert.strictEqual(yield* ttl, -1)
        yield* store.release(third)
        about(yield* ttl, grace)
        assert.deepStrictEqual(yield* indexed, [])
      })
    )

    it.live("a record of another version is left alone", () =>
      Effect.gen(function* () {
        const { keys, redis, store } = yield* opened
        yield* redis.send("HSET", keys.record, "v", "2", "st", "R", "ep", "7")
        for (const [operation, call] of single(store)) {
          const error = yield* Effect.flip(call)
          assert.deepInclude(error, { reason: "Malformed", operation, tookEffect: "no" })
        }
        assert.deepStrictEqual(yield* redis.send("HGETALL", keys.record), { v: "2", st: "R", ep: "7" })
      })
    )

    it.live("a record that was deleted by hand leaves the index when what is held is listed", () =>
      Effect.gen(function* () {
        const { indexed, keys, redis, store } = yield* opened
        yield* store.claim({ ...options, onLostLease: "hold", lease: Duration.zero })
        assert.strictEqual((yield* store.held({ limit: 9 })).length, 1)
        yield* redis.send("DEL", keys.record)
        assert.deepStrictEqual(yield* indexed, [keys.member])
        assert.deepStrictEqual(yield* store.held({ limit: 9 }), [])
        assert.deepStrictEqual(yield* indexed, [])
      })
    )

    it.live(
      "many are held: pages of every shard, in one order",
      () =>
        Effect.gen(function* () {
          const { store } = yield* opened
          const keys = Array.from({ length: 9_000 }, (_, n) => `k${n}`)
          yield* Effect.forEach(
            keys,
            (key, n) =>
              store.claim({
                ...options,
                key,
                scope: n % 10 === 0 ? "rare" : "common",
                onLostLease: "hold",
                lease: n % 3 === 0 ? hour : Duration.zero
              }),
            { concurrency: 100, discard: true }
          )
          const all = yield* store.held({ limit: 100_000 })
          assert.strictEqual(new Set(all.map(({ key }) => key)).size, 6_000)
          assert.strictEqual(all.length, 6_000)
          assert.isTrue(all.every(({ createdAt }, n) => n === 0 || createdAt >= all[n - 1]!.createdAt))
          const rare = yield* store.held({ limit: 100_000, scope: "rare" })
          assert.strictEqual(rare.length, 600)
          assert.deepStrictEqual(yield* store.held({ limit: 50, scope: "rare" }), rare.slice(0, 50))
        }),
      60_000
    )

    it.live("a client that was closed has sent nothing", () =>
      Effect.gen(function* () {
        const store = yield* Effect.scoped(
          Effect.flatMap(connect, (redis) => storeOver(redis, "breakwater-test:closed:"))
        )
        const error = yield* Effect.flip(store.claim(options))
        assert.deepInclude(error, { reason: "Unavailable", tookEffect: "no" })
        assert.isTrue(Option.isNone(yield* (yield* opened).store.get(options)))
      })
    )
  }
)
