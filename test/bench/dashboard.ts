/**
 * What open pages of the dashboard cost the process that serves them: CPU seconds with ten viewers and with none, on a
 * process with a steady load of calls, in interleaved pairs. Ends with 1 if the difference is 2 % of a core or more.
 *
 * `npm run bench:dashboard` for five pairs of 60 s; `npm run bench:dashboard -- --pairs 1 --seconds 5 --json` for a look.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { type ClientRequest, get } from "node:http"
import { parseArgs } from "node:util"
import type { Reply } from "./dashboardServer.ts"

const { values } = parseArgs({
  // With and without the `--` of `npm run`.
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "60" },
    viewers: { type: "string", default: "10" },
    integrations: { type: "string", default: "10" },
    json: { type: "boolean", default: false }
  }
})

const numberOf = (name: "pairs" | "seconds" | "viewers" | "integrations") => {
  const value = Number(values[name])
  if (Number.isFinite(value) && value > 0) return value
  process.stderr.write(`bench:dashboard: --${name}: expected a number over 0, found ${values[name]}\n`)
  return process.exit(2)
}
const pairs = numberOf("pairs")
const seconds = numberOf("seconds")
const viewers = numberOf("viewers")
const integrations = numberOf("integrations")

const print = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const child = fork(new URL("dashboardServer.ts", import.meta.url), [String(integrations)], {
  execArgv: ["-C", "@breakwater/source"]
})
child.once("exit", (code) => {
  process.stderr.write(`bench:dashboard: the measured process ended (${code})\n`)
  process.exit(1)
})
const next = async (): Promise<Reply> => (await once(child, "message"))[0] as Reply
const { url } = await next()
const usage = async (): Promise<Reply> => {
  const reply = next()
  child.send("usage")
  return reply
}

/** A viewer reads every snapshot, as a page does. */
const view = async () => {
  const seen = { snapshots: 0 }
  const request: ClientRequest = get(`${url}/events`, { agent: false })
  const [response] = await once(request, "response")
  if (response.statusCode !== 200) throw new Error(`the stream answered ${response.statusCode}`)
  response.setEncoding("utf8")
  let last = ""
  response.on("data", (text: string) => {
    // An event ends with an empty line, which may be split over two chunks.
    seen.snapshots += (last + text).split("\n\n").length - 1
    last = text.slice(-1)
  })
  // The other side goes on sending while we leave.
  response.on("error", () => {})
  return { seen, close: () => request.destroy() }
}

interface Measured {
  readonly cpuShare: number
  readonly callsPerSecond: number
  readonly snapshotsPerViewer: number
}

const measured = async (count: number): Promise<Measured> => {
  const views = await Promise.all(Array.from({ length: count }, view))
  // What opening a page costs is not what a page costs.
  await pause(1_000)
  const before = await usage()
  const began = views.map(({ seen }) => seen.snapshots)
  await pause(seconds * 1_000)
  const after = await usage()
  const snapshots = views.reduce((sum, { seen }, at) => sum + seen.snapshots - began[at]!, 0)
  for (const { close } of views) close()
  const elapsed = (after.at - before.at) / 1_000
  return {
    cpuShare: (after.cpuSeconds - before.cpuSeconds) / elapsed,
    callsPerSecond: (after.calls - before.calls) / elapsed,
    snapshotsPerViewer: count === 0 ? 0 : snapshots / count
  }
}

const goal = 0.02

const percent = (share: number) => `${(share * 100).toFixed(2)} %`

// The first windows of a process cost more than all later ones.
await pause(3_000)
const results: Array<{ readonly without: Measured; readonly with: Measured; readonly difference: number }> = []
for (let pair = 0; pair < pairs; pair++) {
  // Which of the two comes first alternates, so that a drift of the machine is in both.
  const first = await measured(pair % 2 === 0 ? 0 : viewers)
  const second = await measured(pair % 2 === 0 ? viewers : 0)
  const [without, withViewers] = pair % 2 === 0 ? [first, second] : [second, first]
  if (withViewers.snapshotsPerViewer < Math.max(1, seconds / 2)) {
    process.stderr.write(`bench:dashboard: a viewer got ${withViewers.snapshotsPerViewer} snapshots in ${seconds} s\n`)
    process.exit(1)
  }
  results.push({ without, with: withViewers, difference: withViewers.cpuShare - without.cpuShare })
  print(
    `pair ${pair + 1}: ${percent(without.cpuShare)} of a core without, ${percent(withViewers.cpuShare)} with ${viewers} viewers, ` +
      `${Math.round(without.callsPerSecond)} calls/s`
  )
}
child.removeAllListeners("exit")
child.kill()

const differences = results.map(({ difference }) => difference).toSorted((a, b) => a - b)
const median = (differences[(pairs - 1) >> 1]! + differences[pairs >> 1]!) / 2
print(
  `\n${viewers} viewers cost ${percent(median)} of a core (median of ${pairs} pairs of ${seconds} s; the goal is under ${percent(goal)})`
)
if (values.json) {
  process.stdout.write(
    `${JSON.stringify({ pairs, seconds, viewers, integrations, medianDifference: median, differences, results })}\n`
  )
}
process.exitCode = median < goal ? 0 : 1
