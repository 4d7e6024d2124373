/**
 * Prints what becomes of every fault with every SDK: `npm run example -- test/sdks/main.ts`. With `--write` the tables go
 * into `docs/recipes/sdks.md`, against which the tests compare.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, FileSystem } from "effect"
import { combinations, run, tables } from "./run.ts"
import { page, replaceTables } from "./page.ts"

const main = Effect.gen(function* () {
  const cells = yield* Effect.forEach(
    combinations,
    ({ fault, id, operation, sdk }) => Effect.map(run(sdk, operation, fault), ({ cell }) => [id, cell] as const),
    { concurrency: 8 }
  )
  const made = tables(new Map(cells))
  yield* Console.log(`${made.write}\n\n${made.read}`)
  if (!process.argv.includes("--write")) return
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(page, replaceTables(yield* fs.readFileString(page), made))
})

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
