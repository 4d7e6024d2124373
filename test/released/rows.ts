/** What a store holds, as data: times are relative to the store's clock, so that it can be put into another one later. */
import { Effect, type Scope } from "effect"
import { Redis } from "effect/persistence"
import type { SqlClient } from "effect/sql"
import { type Kind, type Modules, redisClient, redisKeys, sqlClient, tableOf } from "./open.ts"

/** A field of a row or of a hash. */
type Field = string | number | null

/** A key of Redis, without the prefix of its store. */
interface RedisKey {
  readonly key: string
  /** Milliseconds until it expires by itself. */
  readonly expiresIn?: number
  readonly hash?: { readonly [field: string]: Field }
  readonly set?: ReadonlyArray<readonly [member: string, score: number]>
}

/**
 * Times of records are milliseconds, and epochs microseconds, both from the moment at which this was read. A column or a
 * field that is not among `times` and `epochs` is as it was.
 */
export type Rows =
  | {
      readonly _tag: "Sql"
      readonly times: ReadonlyArray<string>
      readonly epochs: ReadonlyArray<string>
      readonly rows: ReadonlyArray<{ readonly [column: string]: Field }>
    }
  | {
      readonly _tag: "Redis"
      readonly times: ReadonlyArray<string>
      readonly epochs: ReadonlyArray<string>
      readonly keys: ReadonlyArray<RedisKey>
    }

export interface Dump {
  /** The store's clock when it was read, in milliseconds. */
  readonly now: number
  readonly rows: Rows
}

interface Clocked {
  readonly times: ReadonlyArray<string>
  readonly epochs: ReadonlyArray<string>
}

const sqlTimes: Clocked = { times: ["lease_until", "expires_at", "created_at"], epochs: ["epoch"] }
const redisTimes: Clocked = { times: ["lu", "ex", "cr"], epochs: ["ep"] }

const shifted = (fields: { readonly [name: string]: unknown }, { epochs, times }: Clocked, by: number) =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]): [string, Field] => {
      if (times.includes(name)) return [name, Number(value) + by]
      if (epochs.includes(name)) return [name, Number(value) + by * 1000]
      return [name, typeof value === "bigint" ? Number(value) : (value as Field)]
    })
  )

/** The clock of the database, in epoch milliseconds. */
export const sqlNow = (sql: SqlClient.SqlClient): Effect.Effect<number, unknown> =>
  Effect.map(
    sql<{ readonly now: number | bigint | string }>`SELECT ${sql.onDialectOrElse({
      pg: () => sql`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
      orElse: () => sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`
    })} AS now`,
    ([row]) => Number(row!.now)
  )

const redisNow = (redis: Redis.Redis["Service"]): Effect.Effect<number, unknown> =>
  Effect.map(redis.send<[string, string]>("TIME"), ([seconds, micros]) =>
    Math.floor(Number(seconds) * 1000 + Number(micros) / 1000)
  )

/** Names and values, as a map (RESP3), a list of pairs, or one flat list (RESP2), whichever the client gives. */
type Pairs =
  { readonly [name: string]: string } | ReadonlyArray<string> | ReadonlyArray<readonly [string, string | number]>

const pairs = (reply: Pairs): ReadonlyArray<readonly [string, string | number]> => {
  if (!Array.isArray(reply)) return Object.entries(reply)
  return reply.flatMap((part: string | readonly [string, string | number], n) =>
    typeof part !== "string" ? [part] : n % 2 === 0 ? [[part, reply[n + 1] as string] as const] : []
  )
}

/** Reads all that is in a place. */
export const dump = (modules: Modules, kind: Kind, place: string): Effect.Effect<Dump, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (kind !== "redis") {
      const sql = yield* sqlClient(modules, kind, place)
      const now = yield* sqlNow(sql)
      const table = yield* sql<{
        readonly idem_key: string
      }>`SELECT * FROM ${sql(tableOf(kind, place))} ORDER BY idem_key`
      return { now, rows: { _tag: "Sql", ...sqlTimes, rows: table.map((row) => shifted({ ...row }, sqlTimes, -now)) } }
    }
    const redis = yield* redisClient
    const now = yield* redisNow(redis)
    const names = yield* Effect.provideService(redisKeys(place), Redis.Redis, redis)
    const keys = yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const key = name.slice(place.length)
        const left = Number(yield* redis.send("PTTL", name))
        const expires = left < 0 ? {} : { expiresIn: left }
        if ((yield* redis.send("TYPE", name)) === "zset") {
          const members = yield* redis.send<Pairs>("ZRANGE", name, "0", "-1", "WITHSCORES")
          return { key, ...expires, set: pairs(members).map(([member, at]) => [member, Number(at) - now] as const) }
        }
        const hash = Object.fromEntries(pairs(yield* redis.send<Pairs>("HGETALL", name)))
        return { key, ...expires, hash: shifted(hash, redisTimes, -now) }
      })
    )
    return { now, rows: { _tag: "Redis", ...redisTimes, keys } }
  })

/** Puts rows into an empty place that has its table, as if they had been written just now. Returns the store's clock. */
export const load = (
  modules: Modules,
  kind: Kind,
  place: string,
  data: Rows
): Effect.Effect<number, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (data._tag === "Sql" && kind !== "redis") {
      const sql = yield* sqlClient(modules, kind, place)
      const now = yield* sqlNow(sql)
      for (const row of data.rows) {
        yield* sql`INSERT INTO ${sql(tableOf(kind, place))} ${sql.insert(shifted(row, data, now))}`
      }
      return now
    }
    if (data._tag === "Sql") return yield* Effect.die(new Error("rows of SQL don't go into Redis"))
    const redis = yield* redisClient
    const now = yield* redisNow(redis)
    for (const { expiresIn, hash, key, set } of data.keys) {
      const name = `${place}${key}`
      if (hash !== undefined) {
        yield* redis.send(
          "HSET",
          name,
          ...Object.entries(shifted(hash, data, now))
            .flat()
            .map(String)
        )
      }
      for (const [member, at] of set ?? []) yield* redis.send("ZADD", name, String(at + now), member)
      if (expiresIn !== undefined) yield* redis.send("PEXPIREAT", name, String(now + expiresIn))
    }
    return now
  })
