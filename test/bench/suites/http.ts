/** A GET of a document of 1 KB over loopback, 16 at a time. */
import { type ClientId, clients, type Slice } from "../http.ts"
import { ask, start, stop } from "../spawn.ts"
import { shuffled } from "../stats.ts"
import type { Round, Row, Suite, Target } from "../suite.ts"

const ids = Object.keys(clients) as ReadonlyArray<ClientId>

const metrics: ReadonlyArray<readonly [key: keyof Slice, unit: string]> = [
  ["cpu", "µs CPU"],
  ["perSecond", "a second"],
  ["p99", "ms p99"]
]

const ratio =
  (ours: ClientId, peer: ClientId, metric: keyof Slice): Target["ratio"] =>
  (round) =>
    round[`${ours}.${metric}`]! / round[`${peer}.${metric}`]!

const over = "loopback HTTP, 1 KB, 16 at a time, everything on, our transport"

const targets: ReadonlyArray<Target> = [
  { name: `${over}: CPU / undici.request`, ratio: ratio("breakwater", "undici", "cpu"), target: 1.15 },
  { name: `${over}: CPU / undici.request, zod`, ratio: ratio("breakwater", "undici-zod", "cpu"), target: 1 },
  { name: `${over}: CPU / fetch, zod`, ratio: ratio("breakwater", "fetch-zod", "cpu"), target: 0.5 },
  { name: `${over}: CPU / axios, axios-retry, zod`, ratio: ratio("breakwater", "axios-zod", "cpu"), target: 0.3 },
  { name: `${over}: p99 / undici.request`, ratio: ratio("breakwater", "undici", "p99"), target: 1.1 },
  {
    name: "loopback HTTP, everything on, Effect's undici layer: requests a second / plain HttpClient and Schema there (at least)",
    ratio: ratio("breakwater-effect", "effect", "perSecond"),
    target: 0.9,
    bound: "atLeast"
  }
]

const run: Suite["run"] = async ({ rounds, say }) => {
  const server = start("server.ts", [])
  const origin = `http://127.0.0.1:${String(await ask(server))}`
  const running = new Map<ClientId, ReturnType<typeof start>>()
  try {
    for (const id of ids) {
      say(`checking and warming up ${id}`)
      const child = start("httpChild.ts", [id, origin])
      running.set(id, child)
      const answer = await ask(child)
      if (answer !== "ready") throw new Error(`${id}: ${String(answer)}`)
    }
    const measured: Array<Round> = []
    for (let n = 1; n <= rounds; n++) {
      say(`round ${n} of ${rounds}`)
      const round: Record<string, number> = {}
      for (const [id, child] of shuffled([...running])) {
        const slice = (await ask(child, "slice")) as Slice
        for (const [key] of metrics) round[`${id}.${key}`] = slice[key]
        say(`  ${id} ${slice.cpu.toFixed(0)} µs`)
      }
      measured.push(round)
    }
    return measured
  } finally {
    for (const child of [...running.values(), server]) await stop(child)
  }
}

export const http = async (): Promise<Suite> => {
  const peers = await Promise.all(ids.map(async (id) => [id, await clients[id]()] as const))
  const rows = metrics.flatMap(([key, unit]) =>
    peers.map(([id, { docs, lacks, name }]): Row => ({
      id: `${id}.${key}`,
      name,
      unit,
      ...(key === "cpu" ? { docs, lacks } : {})
    }))
  )
  return {
    name: "http",
    title: "A GET over loopback, 1 KB of JSON, 16 at a time",
    method:
      "warm processes that live at the same time, one slice of 600 ms each per round; CPU of the client's main thread per request",
    rows,
    targets,
    run
  }
}
