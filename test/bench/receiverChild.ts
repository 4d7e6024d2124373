/**
 * A process that measures the receiving side over PostgreSQL, and sends medians in microseconds for every message that it
 * gets: a claim with its completion in one transaction, and one transaction written by hand that does the same.
 */
import { PgClient } from "@effect/sql-pg"
import { SqlIdempotencyStore } from "breakwater/sql"
import { Context, Duration, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { median, shuffled } from "./stats.ts"

const lease = Duration.seconds(30)
const timeToLive = Duration.days(1)
const fingerprint = "h1:0123456789abcdef0123456789abcdef"
const result = JSON.stringify({ v: 1, status: 201, text: JSON.stringify({ id: "order-1", status: "placed" }) })
const pairs = 300

const scope = Scope.makeUnsafe()

const opened = Effect.gen(function* () {
  const url = Redacted.make(process.env["DATABASE_URL"] ?? "")
  const sql = Context.get(yield* Layer.build(PgClient.layer({ url, maxConnections: 2 })), SqlClient.SqlClient)
  const schema = `breakwater_bench_${randomUUID().replaceAll("-", "")}`
  yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
    Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
  )
  const [setting] = yield* sql<{ readonly fsync: string }>`SELECT current_setting('fsync') AS fsync`
  if (setting?.fsync !== "on") return yield* Effect.die(new Error("fsync is off: FSYNC=on .ci/stores npm run bench"))
  const records = `${schema}.records`
  const store = yield* Effect.andThen(
    SqlIdempotencyStore.migrate({ table: records }),
    SqlIdempotencyStore.make({ table: records })
  ).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  const keys = sql(`${schema}.keys`)
  yield* sql`CREATE TABLE ${keys} (scope text, idem_key text, fingerprint text NOT NULL, state text NOT NULL,
    result text, expires_at timestamptz NOT NULL, PRIMARY KEY (scope, idem_key))`
  yield* sql`CREATE INDEX ON ${keys} (expires_at)`

  const pair = (key: string) =>
    Effect.gen(function* () {
      const address = { scope: "orders", key }
      const claim = yield* store.claim({ ...address, fingerprint, lease, timeToLive, onLostLease: "rerun" })
      if (claim._tag !== "Started") return false
      return yield* store.complete({ ...address, epoch: claim.epoch }, { result, timeToLive })
    })
  const once = store.transaction({ lockTimeout: Duration.seconds(30) })
  const byHand = (key: string) =>
    sql.withTransaction(
      Effect.gen(function* () {
        const claimed = yield* sql`INSERT INTO ${keys} (scope, idem_key, fingerprint, state, expires_at)
          VALUES ('orders', ${key}, ${fingerprint}, 'R', now() + interval '1 day')
          ON CONFLICT (scope, idem_key) DO NOTHING RETURNING state`
        if (claimed.length === 0) return false
        const done =
          yield* sql`UPDATE ${keys} SET state = 'D', result = ${result}, expires_at = now() + interval '1 day'
          WHERE scope = 'orders' AND idem_key = ${key} AND state = 'R' RETURNING state`
        return done.length === 1
      })
    )
  const cases: Readonly<Record<"transaction" | "separate" | "hand", (key: string) => Effect.Effect<boolean, unknown>>> =
    {
      transaction: (key) => once(pair(key)),
      separate: pair,
      hand: byHand
    }
  return cases
}).pipe(Effect.provideService(Scope.Scope, scope))

const cases = await Effect.runPromise(opened)
const names = Object.keys(cases) as ReadonlyArray<keyof typeof cases>

/** Microseconds that one new key takes. */
const timed = async (name: keyof typeof cases): Promise<number> => {
  const key = randomUUID()
  const began = performance.now()
  if (!(await Effect.runPromise(cases[name](key)))) throw new Error(`${name}: a new key was not claimed and completed`)
  return (performance.now() - began) * 1_000
}

/** One key of each case after the other, so that a disk that is slow for a while is slow for all. */
const round = async (): Promise<Record<string, number>> => {
  const samples = new Map(names.map((name) => [name, [] as Array<number>]))
  for (let n = 0; n < pairs; n++) for (const name of shuffled(names)) samples.get(name)!.push(await timed(name))
  return Object.fromEntries([...samples].map(([name, values]) => [name, median(values)]))
}

for (const name of names) {
  const key = randomUUID()
  const first = await Effect.runPromise(cases[name](key))
  const second = await Effect.runPromise(cases[name](key))
  if (!first || second) throw new Error(`${name}: a key was claimed twice`)
}
await round()

process.on("message", (message) => {
  if (message === "end") {
    void Effect.runPromise(Scope.close(scope, Exit.void)).then(() => process.exit(0))
  } else void round().then((figures) => process.send!(figures))
})
process.send!("ready")
