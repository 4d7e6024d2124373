/**
 * A soak of the receiver, of the outbox (outbox/main.ts), or of one process's memory (memory/main.ts). Prints JSON, and ends
 * with 1 if anything was lost, done twice or answered wrongly.
 *
 * `npm run soak -- --target receiver --store sqlite --kills 1000 --json`
 *
 * `--kills` is the number over all modes. PostgreSQL is the one of `DATABASE_URL`, Redis that of `REDIS_URL`.
 */
import { Cause, Effect, Exit, Fiber } from "effect"
import { parseArgs } from "node:util"
import { isolations, missing } from "../idempotency/racing/stores.ts"
import { bundle } from "./bundle.ts"
import { type Kind, type Mode, type Mutant, mutants, type Point, points } from "./protocol.ts"
import { type Report, soak } from "./soak.ts"

const { values } = parseArgs({
  // With and without the `--` of `npm run`.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    target: { type: "string", default: "receiver" },
    store: { type: "string", default: "sqlite" },
    mode: { type: "string" },
    kills: { type: "string", default: "100" },
    stops: { type: "string" },
    cuts: { type: "string" },
    isolation: { type: "string" },
    points: { type: "string" },
    servers: { type: "string", default: "3" },
    lease: { type: "string", default: "1000" },
    settle: { type: "string", default: "60000" },
    seed: { type: "string", default: "1" },
    mutant: { type: "string" },
    minutes: { type: "string" },
    rate: { type: "string" },
    keys: { type: "string" },
    json: { type: "boolean", default: false }
  }
})

const fail = (why: string): never => {
  console.error(`soak: ${why}`)
  process.exit(2)
}
const oneOf = <A extends string>(option: string, value: string, all: ReadonlyArray<A>): A =>
  all.includes(value as A) ? (value as A) : fail(`--${option} is one of ${all.join(", ")}; not ${value}`)
const number = (option: string, value: string): number =>
  /^\d+$/.test(value) ? Number(value) : fail(`--${option} is a whole number; not ${value}`)

const target = oneOf("target", values.target, ["receiver", "outbox", "memory"])
if (target === "memory") {
  const { main } = await import("./memory/main.ts")
  const memory = await import("./memory/soak.ts")
  const minutes = Number(values.minutes ?? "60")
  if (!(minutes > 0 && minutes < Infinity)) fail(`--minutes is a number above 0; not ${values.minutes}`)
  await main({
    minutes,
    rate: number("rate", values.rate ?? "200"),
    keys: number("keys", values.keys ?? "10000"),
    seed: number("seed", values.seed),
    mutant: values.mutant === undefined ? undefined : oneOf("mutant", values.mutant, memory.mutants),
    json: values.json
  })
  process.exit()
}
for (const option of ["minutes", "rate", "keys"] as const) {
  if (values[option] !== undefined) fail(`--${option} is of --target memory`)
}

if (target === "outbox") {
  const { main } = await import("./outbox/main.ts")
  const outbox = await import("./outbox/protocol.ts")
  const store = oneOf("store", values.store, ["sqlite", "postgres"])
  const why = missing(store)
  if (why !== undefined) fail(why)
  const isolation = values.isolation === undefined ? undefined : oneOf("isolation", values.isolation, isolations)
  if (isolation !== undefined && store !== "postgres") fail("--isolation is of postgres")
  if (values.cuts !== undefined && store !== "postgres") fail("--cuts are of postgres: a file has no connections")
  await main({
    store,
    isolation,
    kills: number("kills", values.kills),
    stops: values.stops === undefined ? undefined : number("stops", values.stops),
    cuts: values.cuts === undefined ? undefined : number("cuts", values.cuts),
    points: values.points?.split(",").map((point) => oneOf("points", point, outbox.points)),
    processes: number("servers", values.servers),
    settleMillis: number("settle", values.settle),
    seed: number("seed", values.seed),
    mutant: values.mutant === undefined ? undefined : oneOf("mutant", values.mutant, outbox.mutants),
    json: values.json
  })
  process.exit()
}
if (values.isolation !== undefined || values.cuts !== undefined) fail("--isolation and --cuts are of --target outbox")

const store = oneOf<Kind>("store", values.store, ["sqlite", "postgres", "redis"])
const why = missing(store)
if (why !== undefined) fail(why)
const mutant =
  values.mutant === undefined ? undefined : oneOf("mutant", values.mutant, Object.keys(mutants) as Array<Mutant>)
const possible: ReadonlyArray<Mode> = store === "redis" ? ["leased"] : ["transactional", "leased"]
const wanted = mutant === undefined ? values.mode : mutants[mutant]
const modes = wanted === undefined ? possible : [oneOf("mode", wanted, possible)]
const kills = number("kills", values.kills)
const stops = values.stops === undefined ? undefined : number("stops", values.stops)

const started = performance.now()
const program = Effect.gen(function* () {
  const program = yield* bundle
  const runs: Array<Report> = []
  for (const [n, mode] of modes.entries()) {
    const share = (total: number) => Math.floor(total / modes.length) + (n < total % modes.length ? 1 : 0)
    runs.push(
      yield* soak(
        {
          store,
          mode,
          kills: share(kills),
          stops: stops === undefined ? undefined : share(stops),
          points: values.points?.split(",").map((point) => oneOf<Point>("points", point, points(store, mode))),
          servers: number("servers", values.servers),
          leaseMillis: number("lease", values.lease),
          settleMillis: number("settle", values.settle),
          seed: number("seed", values.seed),
          mutant,
          onProgress: (done, stopped) => {
            if (done % 50 !== 0 || done === 0) return
            const seconds = Math.round((performance.now() - started) / 100) / 10
            console.error(`soak: ${store}, ${mode}: ${done} killed, ${stopped} stopped, after ${seconds} s`)
          }
        },
        program
      )
    )
  }
  return runs
})

const fiber = Effect.runFork(Effect.scoped(program))
// What was begun is cleaned up: processes, schema, keys.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fiber.interruptUnsafe())
const exit = await Effect.runPromise(Fiber.await(fiber))
if (Exit.isFailure(exit)) {
  console.error(`soak: ${Cause.pretty(exit.cause)}`)
  process.exit(1)
}
const runs = exit.value
const sum = (of: (run: Report) => number) => runs.reduce((sum, run) => sum + of(run), 0)
const killsByPoint: Record<string, number> = {}
for (const run of runs) {
  for (const [point, n] of Object.entries(run.killsByPoint)) killsByPoint[point] = (killsByPoint[point] ?? 0) + n
}
const report = {
  target: values.target,
  store,
  ...(mutant === undefined ? {} : { mutant }),
  kills: sum(({ kills }) => kills),
  killsByPoint,
  requests: sum(({ requests }) => requests),
  lost: sum(({ lost }) => lost),
  duplicated: sum(({ duplicated }) => duplicated),
  violations: sum(({ violations }) => violations),
  runs
}

if (values.json) console.log(JSON.stringify(report, null, 2))
else {
  const { duplicated, kills, lost, requests, violations } = report
  console.log(
    `${store}: ${kills} kills, ${requests} requests: ${lost} lost, ${duplicated} duplicated, ${violations} violations`
  )
  for (const { examples, fenced, keys, mode, seconds, stops } of runs) {
    console.log(`  ${mode}: ${keys} keys, ${stops} stops, ${fenced} fenced, in ${seconds} s`)
    for (const example of examples) console.log(`    ${example}`)
  }
}
if (report.lost + report.duplicated + report.violations > 0) process.exitCode = 1
