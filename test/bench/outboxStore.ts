/**
 * What the stores of the outbox cost: an offer, a claim with its end, lists at 1,000,000 rows, and memory per 100,000
 * entries; and 100,000 parked calls drain through a worker with flat memory (outboxDrain.ts). SQLite in a new file of the
 * temporary folder; PostgreSQL where `DATABASE_URL` says where. Ends with 1 if a drain does not pass.
 *
 * `npm run bench:outbox -- --only sqlite --rows 100000`
 * `.ci/stores npm run bench:outbox -- --part drain --json`
 */
import { PgClient } from "@effect/sql-pg"
import { type OutboxStore, OutboxStoreMemory } from "breakwater"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { createHash, randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { drain as drainParked, type Drained } from "./outboxDrain.ts"

type Store = OutboxStore.Store

const { values } = parseArgs({
  // With and without the `--` of `npm run`.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    only: { type: "string", default: "" },
    rows: { type: "string", default: "1000000" },
    entries: { type: "string", default: "" },
    memory: { type: "string", default: "100000" },
    /** `costs`, `drain`, or both. */
    part: { type: "string", default: "costs,drain" },
    parked: { type: "string", default: "100000" },
    /** The drains, as JSON; whatever else is printed goes to stderr. */
    json: { type: "boolean", default: false }
  }
})
const rows = Number(values.rows)

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const print = (line: string) => Effect.sync(() => (values.json ? process.stderr : process.stdout).write(`${line}\n`))
const many = (n: number) => Math.round(n).toLocaleString("en-US")

const names = { integration: "billing", operation: "charge" }
const payload = JSON.stringify({
  v: 1,
  input: { orderId: randomUUID(), amount: 4_200, currency: "eur", customer: "cus_42" },
  request: {
    method: "POST",
    url: "https://api.example.com/v1/charges",
    headers: { "content-type": "application/json" }
  }
})
const aTry = {
  at: 1_700_000_000_000,
  reason: "Unavailable",
  message: "HTTP 503",
  outcome: "Refused",
  status: 503,
  attempts: 3,
  elapsed: 812,
  requestId: "req_123"
} as const

const offering = (name: string, more: Partial<OutboxStore.Offer> = {}): OutboxStore.Offer => ({
  id: createHash("md5").update(name).digest("hex"),
  ...names,
  key: name,
  fingerprint: `h1:${createHash("sha256").update("a request").digest("hex")}`,
  origin: "write-ahead",
  payload,
  correlationId: "0af7651916cd43dd8448eb211c80319c",
  traceparent: undefined,
  lane: undefined,
  outcome: "NotSent",
  firstSentAgo: undefined,
  inDoubtAgo: undefined,
  attempts: 0,
  history: [aTry],
  delay: Duration.zero,
  expiresAfter: undefined,
  lease: undefined,
  ...more
})
const learned: OutboxStore.Learned = { outcome: "Applied", firstSentAgo: 10, inDoubtAgo: 1, history: [aTry, aTry] }

interface Opened {
  readonly store: Store
  readonly about: string
  readonly entries: number
  readonly fill?: Effect.Effect<void, unknown>
}

const columns =
  "id, integration, operation, idem_key, fingerprint, origin, state, why, payload, result, epoch, generation, attempts, tries, crashes, outcome, due_at, ready_at, created_at, changed_at, forget_at, history, last_reason, correlation_id"

/** Of a hundred, one is dead, one unclear, two are pending and the rest were delivered. */
const shares = {
  state:
    "CASE n % 100 WHEN 0 THEN 'Dead' WHEN 1 THEN 'NeedsReconcile' WHEN 2 THEN 'Pending' WHEN 3 THEN 'Pending' ELSE 'Delivered' END",
  why: "CASE n % 100 WHEN 0 THEN 'exhausted' WHEN 1 THEN 'sent once' END",
  payload: "CASE WHEN n % 100 < 4 THEN 'a payload' ELSE '' END",
  ready: "CASE WHEN n % 100 IN (2, 3) THEN 4000000000000 END",
  forget: "CASE WHEN n % 100 > 3 THEN 4000000000000 END",
  operation: "CASE n % 5 WHEN 0 THEN 'refund' ELSE 'charge' END"
}
const history = JSON.stringify([aTry])

const overSql = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, table: string) {
  return yield* Effect.provideService(
    Effect.andThen(SqlOutboxStore.migrate({ table }), SqlOutboxStore.make({ table })),
    SqlClient.SqlClient,
    sql
  )
})
const sqlOf = <E>(layer: Layer.Layer<SqlClient.SqlClient, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, SqlClient.SqlClient))

const sqlite = (synchronous: "full" | "normal") =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-bench-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const sql = yield* sqlOf(SqliteClient.layer({ filename: join(folder, "outbox.db"), synchronous }))
    const [version] = yield* sql<{ readonly v: string }>`SELECT sqlite_version() AS v`
    const { forget, operation, payload, ready, state, why } = shares
    return {
      store: yield* overSql(sql, "outbox"),
      about: `SQLite ${version?.v}, WAL, synchronous ${synchronous}`,
      entries: synchronous === "full" ? 2_000 : 5_000,
      fill: Effect.asVoid(
        Effect.andThen(
          sql`INSERT INTO outbox (${sql.literal(columns)})
          WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${rows})
          SELECT lower(hex(randomblob(16))), 'filled', ${sql.literal(operation)}, 'key-' || n, 'f', 'park', ${sql.literal(state)}, ${sql.literal(why)}, ${sql.literal(payload)}, NULL, 1, 0, 1, 1, 0, 'Unknown', n, ${sql.literal(ready)}, n, n, ${sql.literal(forget)}, ${history}, 'Unavailable', 'c' FROM n`,
          sql`ANALYZE`
        )
      )
    } satisfies Opened
  })

const postgres = Effect.gen(function* () {
  const sql = yield* sqlOf(
    PgClient.layer({ url: Redacted.make(process.env["DATABASE_URL"] ?? ""), maxConnections: 16 })
  )
  const schema = `breakwater_bench_${randomUUID().replaceAll("-", "")}`
  yield* Effect.acquireRelease(sql`CREATE SCHEMA ${sql(schema)}`, () =>
    Effect.orDie(sql`DROP SCHEMA ${sql(schema)} CASCADE`)
  )
  const table = `${schema}.outbox`
  const setting = (name: string) =>
    Effect.map(sql<{ readonly v: string }>`SELECT current_setting(${name}) AS v`, ([row]) => row?.v)
  const { forget, operation, payload, ready, state, why } = shares
  return {
    store: yield* overSql(sql, table),
    about: `PostgreSQL ${yield* setting("server_version")}, fsync ${yield* setting("fsync")}`,
    entries: 5_000,
    fill: Effect.asVoid(
      Effect.andThen(
        sql`INSERT INTO ${sql(table)} (${sql.literal(columns)})
          SELECT md5(random()::text), 'filled', ${sql.literal(operation)}, 'key-' || n, 'f', 'park', ${sql.literal(state)}, ${sql.literal(why)}, ${sql.literal(payload)}, NULL, 1, 0, 1, 1, 0, 'Unknown', n, ${sql.literal(ready)}, n, n, ${sql.literal(forget)}, ${history}, 'Unavailable', 'c' FROM generate_series(1, ${rows}::bigint) AS n`,
        sql`VACUUM ANALYZE ${sql(table)}`
      )
    )
  } satisfies Opened
})

const stores: Readonly<Record<string, Effect.Effect<Opened, unknown, Scope.Scope> | undefined>> = {
  memory: Effect.map(OutboxStoreMemory.make, (store) => ({
    store,
    about: `node ${process.version}`,
    entries: 100_000
  })),
  "sqlite-full": sqlite("full"),
  "sqlite-normal": sqlite("normal"),
  postgres: process.env["DATABASE_URL"] === undefined ? undefined : postgres
}

const row = (name: string, figure: string) => print(`  ${name.padEnd(58)}${figure.padStart(12)}`)

/** Runs `n` of them, `concurrency` at a time, and says how many there are in a second. */
const rate = (name: string, n: number, concurrency: number, run: (n: number) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const began = performance.now()
    yield* Effect.forEach(
      Array.from({ length: n }, (_, at) => at),
      run,
      { concurrency, discard: true }
    )
    yield* row(name, `${many((n * 1000) / (performance.now() - began))}/s`)
  })

/** Claims and delivers until nothing is left, by as many workers as are asked for. */
const drain = (name: string, store: Store, n: number, workers: number, limit: number) =>
  Effect.gen(function* () {
    let done = 0
    const worker = Effect.gen(function* () {
      while (done < n) {
        const claims = yield* store.claim({ ...names, limit, lease: Duration.minutes(5) })
        for (const { entry } of claims) {
          yield* store.settle(entry, { _tag: "Delivered", result: "{}", keep: Duration.days(7) }, learned)
          done++
        }
        if (claims.length === 0) yield* Effect.sleep(1)
      }
    })
    const began = performance.now()
    yield* Effect.all(
      Array.from({ length: workers }, () => worker),
      { concurrency: "unbounded" }
    )
    yield* row(name, `${many((n * 1000) / (performance.now() - began))}/s`)
  })

/** The median of a few, in milliseconds. */
const latency = (name: string, run: Effect.Effect<unknown, unknown>, times = 7) =>
  Effect.gen(function* () {
    yield* run
    const samples: Array<number> = []
    for (let n = 0; n < times; n++) {
      const began = performance.now()
      yield* run
      samples.push(performance.now() - began)
    }
    yield* row(name, `${samples.toSorted((a, b) => a - b)[times >> 1]!.toFixed(2)} ms`)
  })

const work = Effect.fnUntraced(function* ({ about, entries: usual, store }: Opened) {
  const n = values.entries === "" ? usual : Number(values.entries)
  yield* print(`${store.name} (${about}), ${many(n)} entries of ${payload.length} characters`)
  yield* rate("warming up: offers", Math.ceil(n / 10), 1, (at) => store.offer(offering(`w${at}`)))
  yield* drain("warming up: claims and deliveries", store, Math.ceil(n / 10), 1, 10)
  yield* rate("offers, one after the other", n, 1, (at) => store.offer(offering(`a${at}`)))
  yield* drain("claims and deliveries, one worker, 10 at a time", store, n, 1, 10)
  yield* rate("offers, 16 at a time", n, 16, (at) => store.offer(offering(`b${at}`)))
  yield* drain("claims and deliveries, 8 workers, 10 at a time", store, n, 8, 10)
  const lane = (at: number) => ({ lane: { name: `lane ${at % 100}`, onDead: "block" } }) as const
  const few = Math.ceil(n / 2)
  yield* rate("offers to 100 lanes, one after the other", few, 1, (at) => store.offer(offering(`c${at}`, lane(at))))
  yield* drain("claims and deliveries in 100 lanes, one worker", store, few, 1, 10)
})

const looks = Effect.fnUntraced(function* ({ fill, store }: Opened) {
  if (fill === undefined) return
  yield* fill
  yield* print(`  among ${many(rows)} entries`)
  const page = { limit: 50 }
  const open = { states: ["Dead", "NeedsReconcile"] } as const
  const middle = { limit: 50, after: { createdAt: Math.floor(rows / 2), id: "" } }
  yield* latency("a page of all", store.list({}, page))
  yield* latency("a page of all, from the middle", store.list({}, middle))
  yield* latency("a page of what is dead or unclear", store.list(open, page))
  yield* latency("the same, from the middle", store.list(open, middle))
  yield* latency("the same, of an operation", store.list({ ...open, integration: "filled", operation: "refund" }, page))
  yield* latency("by key", store.list({ key: "key-4242" }, page))
  yield* latency("groups of what is dead or unclear", store.groups(open))
  yield* latency("groups of all", store.groups({}), 3)
  yield* latency(
    "a claim of one of an operation where nothing is due",
    store.claim({ integration: "filled", operation: "charge", limit: 10, lease: Duration.minutes(1) })
  )
  yield* latency("a sweep that finds nothing", store.sweep({ limit: 1_000 }))
  yield* rate("offers, one after the other", 1_000, 1, (at) => store.offer(offering(`d${at}`)))
  yield* drain("claims and deliveries, one worker, 10 at a time", store, 1_000, 1, 10)
})

/** Bytes that are in use, when all that is not needed has gone. */
const used = Effect.sync(() => {
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
})

const memory = Effect.gen(function* () {
  const count = Number(values.memory)
  const before = yield* used
  const store = yield* OutboxStoreMemory.make
  const say = (what: string) =>
    Effect.gen(function* () {
      const bytes = (yield* used) - before
      yield* row(`heap of ${what}`, `${(bytes / 2 ** 20).toFixed(1)} MiB`)
    })
  // Every payload is a text of its own.
  const mine = (n: number) => offering(`m${n}`, { payload: Buffer.from(`${payload} ${n}`).toString() })
  for (let n = 0; n < count; n++) yield* store.offer(mine(n))
  yield* say(`${many(count)} pending entries`)
  for (let round = 0; round < 3; round++) {
    yield* Effect.forEach(Array.from({ length: count / 100 }), () =>
      Effect.gen(function* () {
        for (const { entry } of yield* store.claim({ ...names, limit: 100, lease: Duration.zero })) {
          yield* store.settle(
            entry,
            { _tag: "Delivered", result: undefined, keep: Duration.zero },
            { ...learned, history: [] }
          )
        }
      })
    )
    yield* Effect.sleep(2)
    const swept = yield* store.sweep({ limit: count })
    yield* say(`the store after ${many(swept)} more were delivered and swept`)
    if (round < 2) for (let n = 0; n < count; n++) yield* store.offer(mine(n))
  }
  // It must still be there when the heap is looked at.
  yield* store.list({}, { limit: 1 })
})

const parts = values.part.split(",")
const drains: Array<Drained> = []

const drainOf = Effect.fnUntraced(function* (opened: Opened) {
  const drained = yield* drainParked(opened, Number(values.parked))
  drains.push(drained)
  const { drainedPerSecond, entries, fewer, heap, left, notOnce, parkedPerSecond, pass, seconds } = drained
  yield* print(
    `${drained.store}: ${many(entries)} parked calls drain through a worker, in ${seconds} s${fewer === undefined ? "" : ` (${fewer})`}`
  )
  yield* row("parked, 16 at a time", `${many(parkedPerSecond)}/s`)
  yield* row("drained, 16 at a time", `${many(drainedPerSecond)}/s`)
  for (const [percent, bytes] of Object.entries(heap)) {
    yield* row(`heap when ${percent} % are drained`, `${(bytes / 2 ** 20).toFixed(1)} MiB`)
  }
  yield* row(`left in the store: ${left}; not made once: ${notOnce}`, pass ? "pass" : "FAIL")
})

const program = Effect.gen(function* () {
  for (const [id, open] of Object.entries(stores)) {
    if (!id.startsWith(values.only)) continue
    if (open === undefined) {
      yield* print(`${id}: not measured, for DATABASE_URL is not set\n`)
      continue
    }
    // First of all, while there is nothing else in the heap. How a file is synchronized takes no memory.
    if (parts.includes("drain") && id !== "sqlite-full") yield* Effect.scoped(Effect.flatMap(open, drainOf))
    if (parts.includes("costs")) {
      if (id === "memory") yield* memory
      yield* Effect.scoped(Effect.flatMap(open, work))
      // In a place of its own: what the other measurement has left is not in its way.
      if (id !== "sqlite-full") yield* Effect.scoped(Effect.flatMap(open, looks))
    }
    yield* print("")
  }
})

await Effect.runPromise(program)
if (values.json) process.stdout.write(`${JSON.stringify({ drains }, null, 2)}\n`)
if (drains.some(({ pass }) => !pass)) process.exitCode = 1
