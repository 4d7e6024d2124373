/** A process that starts calls which never end, and sends the bytes of heap that each takes: `pendingChild.ts CASE N`. */
import { Effect } from "effect"
import { getHeapStatistics } from "node:v8"
import { isCase, load } from "./cases.ts"
import { type Leaf, settings } from "./peer.ts"

const [, , id = "", count] = process.argv
const n = Number(count)
/** Milliseconds: nothing ends before the process does, and no longer than a total deadline may be without a reason. */
const long = 600_000

const used = (): number => {
  for (let i = 0; i < 4; i++) globalThis.gc!()
  return getHeapStatistics().used_heap_size
}

let ends = true
let made = 0
const leaf: Leaf = () => {
  made++
  return ends ? Promise.resolve("ok") : new Promise(() => {})
}

const starter = async (): Promise<() => unknown> => {
  if (id === "timeout") {
    return () => {
      made++
      return Effect.runFork(Effect.timeout(ends ? Effect.void : Effect.never, long))
    }
  }
  if (!isCase(id)) throw new Error(`there is no case ${id}`)
  const limits = { attempt: long - 1_000, total: long, concurrency: 1_000_000 }
  return (await (await load(id)).make(leaf, { ...settings, ...limits })).call
}

const start = await starter()
for (let i = 0; i < 20_000; i++) await start()
await new Promise((resolve) => setTimeout(resolve, 100))

ends = false
made = 0
const pending: Array<unknown> = Array.from({ length: n }, () => undefined)
const before = used()
for (let i = 0; i < n; i++) {
  pending[i] = start()
  // Microtasks, so that every call reaches its leaf.
  if (i % 1_000 === 999) await new Promise((resolve) => setImmediate(resolve))
}
await new Promise((resolve) => setTimeout(resolve, 100))
const bytes = (used() - before) / n
if (made !== n || pending.length !== n) throw new Error(`${id}: ${made} of ${n} calls are pending`)
process.send!(bytes, () => process.exit(0))
