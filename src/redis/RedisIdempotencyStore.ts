/**
 * A store of idempotency records in Redis or Valkey: for many processes that share no database.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import { type Claim, IdempotencyStore, type Record, type Store, type StoreError } from "../IdempotencyStore.ts"
import { failureOf, malformed } from "./internal/failure.ts"
import { indexOf, keysOf, recordOf as keyOf, shards } from "./internal/keys.ts"
import { recordOf, stepsOf } from "./internal/record.ts"
import * as scripts from "./internal/scripts.ts"

// So that the declarations of who exports a layer of this store can name what it provides.
export type { IdempotencyStore } from "../IdempotencyStore.ts"

/**
 * Options of the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What every key begins with. Default: `"breakwater:idempotency:"`. */
  readonly prefix?: string | undefined
}

type Reply = ReadonlyArray<string | ReadonlyArray<string>>

/** More than a hundred thousand years, and still exact when it is added to the time of day. */
const longest = 4e15

/** Whole milliseconds, rounded up: a lease is never shorter than it was asked for. */
const millis = (duration: Duration.Duration): number => Math.min(Math.ceil(Duration.toMillis(duration)), longest)

/**
 * Makes a store.
 *
 * **When to use**
 *
 * Where a Redis is at hand and the handler's own writes are not in a database; where they are, the store of
 * `breakwater/sql` can commit them together with the record.
 *
 * **Details**
 *
 * Every transition is one Lua script under the server's clock (`TIME`); Redis 5 or later, or Valkey. A record is one hash,
 * spread over 64 hash tags (`{0}` to `{63}`), so that a cluster can hold them; a prefix with a hash tag of its own puts
 * all into one slot. What may be forgotten expires by itself, ten minutes later than it may, so `sweep` has nothing to do
 * and answers 0. What runs under a live lease does not expire, and what is held never does.
 *
 * **Gotchas**
 *
 * A record that Redis loses is a handler that may run twice. Set `maxmemory-policy` to `noeviction`: an evicted record is a
 * forgotten one. Replication is asynchronous: a failover may forget the claims
 * and answers of its last moments, and a restart those that were not yet written to disk (`appendfsync always` writes
 * each). Where that is too much, use a SQL store.
 *
 * A call that fails as `Unavailable` with `tookEffect: "unknown"` may have been carried out.
 *
 * **Example** (A receiver over Redis)
 *
 * ```ts no-run
 * import { NodeRedis } from "@effect/platform-node"
 * import { RedisIdempotencyStore } from "breakwater/redis"
 * import { Layer } from "effect"
 *
 * export const StoreLive = RedisIdempotencyStore.layer({ prefix: "shop:idempotency:" }).pipe(
 *   Layer.provide(NodeRedis.layer({ url: "redis://redis.internal:6379" }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<Store, never, Redis.Redis> =>
  Effect.map(Redis.Redis, (redis): Store => {
    const prefix = options.prefix ?? "breakwater:idempotency:"
    const at = (address: { readonly scope: string; readonly key: string }) => keysOf(prefix, address)

    /** Runs a script, and says what its failure means for the transition. */
    const run = <A>(operation: keyof Store, reply: Effect.Effect<A, Redis.RedisError>): Effect.Effect<A, StoreError> =>
      Effect.mapError(reply, ({ cause }) => failureOf(operation, cause))

    const changed = (operation: keyof Store, reply: Effect.Effect<Reply, Redis.RedisError>) =>
      Effect.flatMap(run(operation, reply), ([answer]) =>
        answer === "1" ? yes : answer === "0" ? no : Effect.fail(malformed(operation, answer))
      )

    const claim = redis.eval(scripts.claim)
    const renew = redis.eval(scripts.renew)
    const saveStep = redis.eval(scripts.saveStep)
    const complete = redis.eval(scripts.complete)
    const release = redis.eval(scripts.release)
    const hold = redis.eval(scripts.hold)
    const resolveDone = redis.eval(scripts.resolveDone)
    const resolveAbsent = redis.eval(scripts.resolveAbsent)
    const get = redis.eval(scripts.get)
    const page = redis.eval(scripts.page)
    const held = redis.eval(scripts.held)

    const decode = (operation: keyof Store, flat: unknown): Effect.Effect<Record, StoreError> => {
      const record = Array.isArray(flat) ? recordOf(flat) : undefined
      return record === undefined
        ? Effect.fail(malformed(operation, new Error("a field of a record is not what this version writes")))
        : Effect.succeed(record)
    }

    /** What is held in one shard, oldest first, in pages: a script must not keep the server from its other work. */
    const heldIn = Effect.fnUntraced(function* (shard: number, limit: number, scope: string | undefined) {
      const index = indexOf(prefix, shard)
      const ofScope = scope === undefined ? undefined : `[${JSON.stringify(scope)},`
      const found: Array<Record> = []
      let from = "-inf"
      let skip = 0
      while (found.length < limit) {
        const rows = yield* run("held", page(index, from, skip, pageSize))
        const members: Array<string> = []
        for (let n = 0; n + 1 < rows.length; n += 2) {
          const score = rows[n + 1]!
          skip = score === from ? skip + 1 : 1
          from = score
          const member = rows[n]!
          if (ofScope === undefined || member.startsWith(ofScope) || !member.startsWith("[")) members.push(member)
        }
        if (members.length > 0) {
          const records = members.map((member) => keyOf(prefix, shard, member))
          const [tag, ...flats] = yield* run("held", held(index, records, members))
          if (tag !== "Records") return yield* Effect.fail(malformed("held", tag))
          for (const flat of flats) {
            const record = yield* decode("held", flat)
            if (scope === undefined || record.scope === scope) found.push({ ...record, state: "Held" })
          }
        }
        if (rows.length < 2 * pageSize) break
      }
      return found
    })

    return {
      claim: (options) => {
        const { fingerprint, lease, onLostLease, timeToLive } = options
        const reply = claim(at(options), fingerprint, millis(lease), millis(timeToLive), onLostLease)
        return Effect.flatMap(run("claim", reply), claimOf)
      },
      renew: (owner, lease) => changed("renew", renew(at(owner), owner.epoch, millis(lease))),
      saveStep: (owner, { data, name }) => changed("saveStep", saveStep(at(owner), owner.epoch, name, data)),
      complete: (owner, { result, timeToLive }) =>
        changed("complete", complete(at(owner), owner.epoch, result, millis(timeToLive))),
      release: (owner) => changed("release", release(at(owner), owner.epoch)),
      hold: (owner) => changed("hold", hold(at(owner), owner.epoch)),
      resolve: (address, resolution) =>
        changed(
          "resolve",
          resolution._tag === "Done"
            ? resolveDone(at(address), resolution.result, millis(resolution.timeToLive))
            : resolveAbsent(at(address))
        ),
      get: (address) =>
        Effect.flatMap(run("get", get(at(address))), ([tag, flat]) =>
          tag === "None" ? Effect.succeed(Option.none()) : Effect.asSome(decode("get", flat))
        ),
      held: ({ limit, scope }) =>
        limit <= 0
          ? Effect.succeed([])
          : Effect.map(
              Effect.forEach(
                Array.from({ length: shards }, (_, shard) => shard),
                (shard) => heldIn(shard, limit, scope),
                { concurrency: 16 }
              ),
              (found) =>
                found
                  .flat()
                  .toSorted((a, b) => a.createdAt - b.createdAt || a.epoch - b.epoch)
                  .slice(0, limit)
            ),
      sweep: () => Effect.succeed(0)
    }
  })

const pageSize = 100
const yes = Effect.succeed(true)
const no = Effect.succeed(false)

/** What a claim found. Lists from Redis end at the first thing that is not there, so what may be missing comes last. */
const claimOf = ([tag, ...rest]: Reply): Effect.Effect<Claim, StoreError> => {
  const [first, second, third, steps] = rest
  switch (tag) {
    case "Started":
      return Effect.succeed({
        _tag: tag,
        epoch: Number(first),
        leaseUntil: Number(second),
        takenOver: third === "1",
        steps: Array.isArray(steps) ? stepsOf(steps) : []
      })
    case "InFlight":
      return Effect.succeed({ _tag: tag, retryAfter: Duration.millis(Number(first)) })
    case "Replay":
      return Effect.succeed({ _tag: tag, result: typeof first === "string" ? first : undefined })
    case "Mismatch":
    case "Held":
      return Effect.succeed({ _tag: tag })
    default:
      return Effect.fail(malformed("claim", tag))
  }
}

/**
 * The store as a layer. Needs a `Redis`: that of `@effect/platform-node` is `NodeRedis.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<IdempotencyStore, never, Redis.Redis> =>
  Layer.effect(IdempotencyStore, make(options))

/**
 * The store as a layer whose options come from `Config`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<IdempotencyStore, Config.ConfigError, Redis.Redis> =>
  Layer.effect(IdempotencyStore, Effect.flatMap(Config.unwrap(options), make))
