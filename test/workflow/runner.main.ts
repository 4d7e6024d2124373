/** A runner in a process of its own, which is killed: `runner.main.ts DATABASE PROVIDER NAME`. */
import { Effect } from "effect"
import { layerOver } from "./bank.ts"
import { runner } from "./cluster.ts"

const [database, provider, name] = process.argv.slice(2) as [string, string, string]

// A parent that is gone wants nothing more.
process.on("disconnect", () => process.exit(1))
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      yield* runner(database, { layer: layerOver(provider, name) })
      process.send?.("ready")
      return yield* Effect.never
    })
  )
)
