/**
 * A process that measures one in-process case and sends the figure: `child.ts MODE CASE…`.
 *
 * - `check CASE…`: the problems of all these cases
 * - `time CASE`: nanoseconds of CPU per call
 * - `bytes CASE`: bytes allocated per call; run with a young generation that holds them all, so that nothing is collected
 * - `reject CASE`: nanoseconds of CPU per call that an open circuit turns away
 */
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import { type CaseId, isCase, load } from "./cases.ts"
import { check } from "./check.ts"
import { type Loop, timed, warm } from "./clock.ts"
import { type Leaf, settings } from "./peer.ts"
import { median } from "./stats.ts"

const [, , mode, ...ids] = process.argv

const known = (id: string | undefined): CaseId => {
  if (id === undefined || !isCase(id)) throw new Error(`there is no case ${id}`)
  return id
}

const noop: Leaf = () => Promise.resolve("ok")

const looped =
  (call: () => Promise<unknown>): Loop =>
  async (n) => {
    for (let i = 0; i < n; i++) await call()
  }

const rejected = async (id: CaseId): Promise<number> => {
  const peer = await load(id)
  let down = true
  let made = 0
  const leaf: Leaf = () => {
    made++
    return down ? Promise.reject(new Error("down")) : Promise.resolve("ok")
  }
  const { call } = await peer.make(leaf, { ...settings, retries: 0, open: 3_600_000 })
  const settle = () => call().then(undefined, () => {})
  for (let i = 0; i < settings.consecutive; i++) await settle()
  down = false
  const before = made
  const nanos = await timed(looped(settle))
  if (made !== before) throw new Error(`${id}: ${made - before} calls were made though the circuit was open`)
  return nanos
}

const allocated = async (id: CaseId): Promise<number> => {
  const { call } = await (await load(id)).make(noop, settings)
  const run = looped(call)
  await warm(run)
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ["gc"] })
  const samples: Array<number> = []
  const calls = 2_000
  for (let i = 0; i < 25 && samples.length < 5; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
    collections = 0
    const before = getHeapStatistics().used_heap_size
    await run(calls)
    const used = getHeapStatistics().used_heap_size - before
    await new Promise((resolve) => setTimeout(resolve, 20))
    // A window with a collection in it says nothing.
    if (collections === 0 && used > 0) samples.push(used / calls)
  }
  if (samples.length < 3) throw new Error(`${id}: a collection fell into almost every window`)
  return median(samples)
}

const measure = async (): Promise<unknown> => {
  switch (mode) {
    case "check": {
      const problems: Array<string> = []
      for (const id of ids) problems.push(...(await check(id, await load(known(id)))))
      return problems
    }
    case "time":
      return timed(looped((await (await load(known(ids[0]))).make(noop, settings)).call))
    case "bytes":
      return allocated(known(ids[0]))
    case "reject":
      return rejected(known(ids[0]))
    default:
      throw new Error(`there is no mode ${mode}`)
  }
}

const answer = await measure()
process.send!(answer, () => process.exit(0))
