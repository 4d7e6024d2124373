/**
 * A soak of the memory of one process. Prints JSON, and ends with 1 if the heap grew, or anything was left at the end.
 *
 * `npm run soak -- --target memory --minutes 60 --rate 200 --json`
 *
 * A run shorter than five minutes needs fewer `--keys`: circuits are kept for an hour, so that they only become more until
 * every key was used once.
 */
import { Effect } from "effect"
import { type Mutant, type Sample, soak } from "./soak.ts"

export interface Wanted {
  readonly minutes: number
  readonly rate: number
  readonly keys: number
  readonly seed: number
  readonly mutant: Mutant | undefined
  readonly json: boolean
}

const mega = (bytes: number) => (bytes / 1_000_000).toFixed(2)

const line = ({ buckets, calls, circuits, cpu, heap, pending, permits, rss, seconds, timers, waiting }: Sample) =>
  `${Math.round(seconds)} s: ${calls} calls, ${pending} pending, ${waiting} waiting; heap ${mega(heap)} MB, ` +
  `rss ${mega(rss)} MB; ${circuits} circuits, ${buckets} buckets, ${permits} permits; ${timers} timers; ${cpu} % of a core`

export const main = async ({ json, ...options }: Wanted): Promise<void> => {
  const onSample = (sample: Sample) => console.error(`soak: ${line(sample)}`)
  const report = await Effect.runPromise(soak({ ...options, onSample }))
  if (json) console.log(JSON.stringify({ target: "memory", ...report }, null, 2))
  else {
    const { attempts, bytesPerCall, bytesPerMinute, calls, cpuPercent, keys, minutes, problems } = report
    console.log(
      `${minutes} minutes: ${calls} calls, ${attempts} attempts, ${keys} keys, ${cpuPercent} % of a core; ` +
        `${bytesPerMinute} bytes a minute, ${bytesPerCall} a call; ${problems.length === 0 ? "flat, nothing left" : "not clean"}`
    )
    for (const problem of problems) console.log(`  ${problem}`)
  }
  if (report.problems.length > 0) process.exitCode = 1
}
