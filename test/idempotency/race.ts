/**
 * A race between processes, at full size. Prints JSON, and ends with 1 if anything happened that the contract forbids.
 *
 * `REDIS_URL=… node -C @breakwater/source test/idempotency/race.ts -- --store redis --keys 10000 --racers 16`
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { race } from "./racing/arena.ts"
import { isolations, type Kind, kinds, missing } from "./racing/stores.ts"

const { values } = parseArgs({
  // With and without the `--` of `npm run`.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    store: { type: "string", default: "redis" },
    keys: { type: "string", default: "10000" },
    racers: { type: "string", default: "16" },
    processes: { type: "string", default: "4" },
    histories: { type: "string", default: "500" },
    calls: { type: "string", default: "8" },
    seed: { type: "string", default: "breakwater" },
    isolation: { type: "string" }
  }
})

const store = kinds.find((kind) => kind === values.store) as Kind | undefined
const isolation = isolations.find((isolation) => isolation === values.isolation)
const why =
  store === undefined
    ? `--store is one of ${kinds.join(", ")}`
    : values.isolation !== undefined && (isolation === undefined || store !== "postgres")
      ? `--isolation is one of ${isolations.join(", ")}, of postgres`
      : missing(store)
if (store === undefined || why !== undefined) {
  console.error(`race: ${why}`)
  process.exit(2)
}

const { calls, histories, keys, processes, racers, seed } = values
const report = await Effect.runPromise(
  race({
    store,
    keys: Number(keys),
    racers: Number(racers),
    processes: Number(processes),
    histories: Number(histories),
    calls: Number(calls),
    seed,
    isolation
  })
)
console.log(JSON.stringify(report, null, 2))
if (report.violations > 0) process.exitCode = 1
