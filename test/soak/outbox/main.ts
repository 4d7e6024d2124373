/**
 * A soak of the outbox. Prints JSON, and ends with 1 if anything was lost, done twice or became what it should not.
 *
 * `npm run soak -- --target outbox --store sqlite --kills 500 --json`
 */
import { Cause, Effect, Exit, Fiber } from "effect"
import { bundleOf } from "../bundle.ts"
import type { Isolation } from "../../idempotency/racing/stores.ts"
import type { Kind, Mutant, Point } from "./protocol.ts"
import { soak } from "./soak.ts"

export const program = new URL("./worker.main.ts", import.meta.url)

export interface Wanted {
  readonly store: Kind
  readonly isolation: Isolation | undefined
  readonly kills: number
  readonly stops: number | undefined
  readonly cuts: number | undefined
  readonly points: ReadonlyArray<Point> | undefined
  readonly processes: number
  readonly settleMillis: number
  readonly seed: number
  readonly mutant: Mutant | undefined
  readonly json: boolean
}

export const main = async ({ json, ...options }: Wanted): Promise<void> => {
  const started = performance.now()
  const onProgress = (kills: number, stops: number) => {
    if (kills % 50 !== 0 || kills === 0) return
    const seconds = Math.round((performance.now() - started) / 100) / 10
    console.error(`soak: ${options.store}: ${kills} killed, ${stops} stopped, after ${seconds} s`)
  }
  const fiber = Effect.runFork(
    Effect.scoped(Effect.flatMap(bundleOf(program), (bundle) => soak({ ...options, onProgress }, bundle)))
  )
  // What was begun is cleaned up: processes, schema, folders.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fiber.interruptUnsafe())
  const exit = await Effect.runPromise(Fiber.await(fiber))
  if (Exit.isFailure(exit)) {
    console.error(`soak: ${Cause.pretty(exit.cause)}`)
    process.exitCode = 1
    return
  }
  const { value: report } = exit
  const { dead, delivered, executedTwice, kills, lost, needsReconcile, offered, unexpected } = report
  if (json) console.log(JSON.stringify({ target: "outbox", mutant: options.mutant, ...report }, null, 2))
  else {
    console.log(
      `${report.store}: ${kills} kills, ${report.stops} stops, ${report.cuts} cuts, ${report.fenced} fenced, in ${report.seconds} s: ${offered} offered, ${delivered} delivered, ${dead} dead, ${needsReconcile} unclear; ${lost} lost, ${executedTwice} done twice, ${unexpected} unexpected`
    )
    for (const example of report.examples) console.log(`  ${example}`)
  }
  if (lost + executedTwice + unexpected + needsReconcile > 0) process.exitCode = 1
}
