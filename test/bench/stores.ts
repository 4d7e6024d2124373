/**
 * `npm run bench:stores`: what the stores of the receiving side cost. A claim with its completion, memory per 100,000 keys,
 * and a sweep of 1,000,000 rows. SQLite in a new file of the temporary folder; PostgreSQL and Redis where `DATABASE_URL`
 * and `REDIS_URL` say where (`.ci/stores npm run bench:stores` starts servers of its own, which sync nothing to a disk).
 *
 * `npm run bench:stores -- --only sqlite --rows 100000 --batch 100`
 */
import { IdempotencyStore, IdempotencyStoreMemory, IdempotencySweeper } from "breakwater"
import { Duration, Effect } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { type Opened, resultOf, stores } from "./opened.ts"

type Store = IdempotencyStore.Store

const { values } = parseArgs({
  // With and without the `--` of `npm run`.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    only: { type: "string", default: "" },
    rows: { type: "string", default: "1000000" },
    keys: { type: "string", default: "100000" },
    batch: { type: "string", default: "1000" }
  }
})
const rows = Number(values.rows)
const keys = Number(values.keys)
const batch = Number(values.batch)

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const print = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))
const many = (n: number) => Math.round(n).toLocaleString("en-US")
const micros = (millis: number) => many(millis * 1000).padStart(8)

// ---- a claim with its completion

const lease = Duration.seconds(30)
const timeToLive = Duration.days(1)
const fingerprint = `h1:${createHash("sha256").update("a request").digest("hex")}`
const keyOf = (n: number) => createHash("md5").update(String(n)).digest("hex")

const aResult = resultOf(randomUUID())

const pair = Effect.fnUntraced(function* (store: Store, key: string, result = aResult) {
  const address = { scope: "orders|acct_42|POST /orders", key }
  const claim = yield* store.claim({ ...address, fingerprint, lease, timeToLive, onLostLease: "hold" })
  if (claim._tag !== "Started") return yield* Effect.die(new Error(`${key} was not free: ${claim._tag}`))
  const done = yield* store.complete({ ...address, epoch: claim.epoch }, { result, timeToLive })
  if (!done) return yield* Effect.die(new Error(`${key} was lost`))
})

interface Figures {
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
}

/** Times `n` runs, `concurrency` at a time, after a tenth as many that are not counted. */
const timed = (n: number, concurrency: number, run: (n: number) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const all = (from: number, count: number, took: (n: number, millis: number) => void) =>
      Effect.forEach(
        Array.from({ length: count }, (_, n) => n),
        (n) =>
          Effect.suspend(() => {
            const began = performance.now()
            return Effect.tap(run(from + n), () => Effect.sync(() => took(n, performance.now() - began)))
          }),
        { concurrency, discard: true }
      )
    yield* all(n, Math.ceil(n / 10), () => {})
    const samples = new Float64Array(n)
    const began = performance.now()
    yield* all(0, n, (n, millis) => {
      samples[n] = millis
    })
    const perSecond = (n * 1000) / (performance.now() - began)
    samples.sort()
    return { p50: samples[Math.floor(n * 0.5)]!, p99: samples[Math.floor(n * 0.99)]!, perSecond }
  })

const row = (name: string, { p50, p99, perSecond }: Figures) =>
  print(`  ${name.padEnd(44)}${micros(p50)}  ${micros(p99)}  ${many(perSecond).padStart(9)}`)

const latency = Effect.fnUntraced(function* ({ floor, pairs, store, transactional }: Opened) {
  yield* print(`  ${"".padEnd(44)}${"p50 µs".padStart(8)}  ${"p99 µs".padStart(8)}  ${"per second".padStart(9)}`)
  yield* row("claim and completion, one after the other", yield* timed(pairs, 1, (n) => pair(store, keyOf(n))))
  yield* row("claim and completion, 16 at a time", yield* timed(pairs, 16, (n) => pair(store, keyOf(n + 1e7))))
  if (transactional !== undefined) {
    const whole = transactional.transaction({ lockTimeout: Duration.seconds(30) })
    yield* row(
      "both in one transaction, one after the other",
      yield* timed(pairs, 1, (n) => whole(pair(transactional, keyOf(n + 2e7))))
    )
  }
  if (floor !== undefined) yield* row(`for comparison: ${floor.name}`, yield* timed(1_000, 1, () => floor.run))
})

// ---- a sweep

const sweep = Effect.fnUntraced(function* ({ fill, size, store }: Opened) {
  if (fill === undefined) {
    yield* print("  a sweep has nothing to do: records expire by themselves")
    return
  }
  // What stays is a tenth: the sweep has to find its way past it.
  yield* fill(rows, rows / 10)
  const full = size === undefined ? undefined : yield* size
  let slowest = 0
  const watched: Store = {
    ...store,
    sweep: (options) =>
      Effect.suspend(() => {
        const began = performance.now()
        return Effect.tap(store.sweep(options), () =>
          Effect.sync(() => {
            slowest = Math.max(slowest, performance.now() - began)
          })
        )
      })
  }
  const began = performance.now()
  const { forgotten } = yield* Effect.provideService(
    IdempotencySweeper.sweep({ batch }),
    IdempotencyStore.IdempotencyStore,
    watched
  )
  const seconds = (performance.now() - began) / 1000
  if (forgotten !== rows) return yield* Effect.die(new Error(`${forgotten} of ${rows} records were swept`))
  yield* print(
    `  a sweep of ${many(rows)} records among ${many(rows * 1.1)}: ${seconds.toFixed(1)} s in batches of ${many(batch)}, the slowest ${slowest.toFixed(0)} ms`
  )
  if (full !== undefined) {
    yield* print(`  they took ${many(full / 2 ** 20)} MiB with their indices, ${many(full / (rows * 1.1))} bytes each`)
  }
})

// ---- memory

/** Bytes that are in use, when all that is not needed has gone. */
const used = Effect.sync(() => {
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
})

const memory = Effect.gen(function* () {
  // Once before, so that what is compiled and cached on the way is not counted.
  yield* pair(yield* IdempotencyStoreMemory.make, keyOf(0))
  const before = yield* used
  const store = yield* IdempotencyStoreMemory.make
  for (let n = 0; n < keys; n++) yield* pair(store, keyOf(n), resultOf(randomUUID()))
  const bytes = (yield* used) - before
  // It must still be there when the heap is looked at.
  if ((yield* store.get({ scope: "orders|acct_42|POST /orders", key: keyOf(0) }))._tag === "None") {
    return yield* Effect.die(new Error("the store has forgotten"))
  }
  yield* print(
    `  ${many(keys)} keys, each with its answer of ${aResult.length} characters: ${(bytes / 2 ** 20).toFixed(1)} MiB of heap, ${many(bytes / keys)} bytes each`
  )
})

// ---- all of it

const program = Effect.gen(function* () {
  for (const [id, { missing, open }] of Object.entries(stores)) {
    if (!id.startsWith(values.only)) continue
    if (missing !== undefined) {
      yield* print(`${id}: not measured, for ${missing} is not set\n`)
      continue
    }
    yield* Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* open
        yield* print(`${opened.name} (${opened.about})`)
        yield* latency(opened)
        if (id === "memory") yield* memory
      })
    )
    // In a place of its own: the rows of the other measurement are not in its way.
    yield* Effect.scoped(Effect.flatMap(open, sweep))
    yield* print("")
  }
})

await Effect.runPromise(program)
