/** One call around a function that returns at once: CPU, garbage, and what an open circuit costs. */
import { type CaseId, load } from "../cases.ts"
import { fresh } from "../spawn.ts"
import { shuffled } from "../stats.ts"
import type { Options, Round, Row, Suite, Target } from "../suite.ts"

type Mode = "time" | "bytes" | "reject"

const flags: Readonly<Record<Mode, ReadonlyArray<string>>> = {
  time: [],
  // Large enough that the calls of a window fit in; collected by hand before each.
  bytes: ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256"],
  reject: []
}

export const checked = async (ids: ReadonlyArray<CaseId>): Promise<void> => {
  const problems = (await fresh("child.ts", ["check", ...ids])) as ReadonlyArray<string>
  if (problems.length > 0) throw new Error(problems.join("\n"))
}

export const measureCase = async (mode: Mode, id: CaseId): Promise<number> =>
  (await fresh("child.ts", [mode, id], flags[mode])) as number

/** All cases once, each in a process of its own, in random order. */
export const measureRound = async (
  mode: Mode,
  ids: ReadonlyArray<CaseId>,
  say: (line: string) => void
): Promise<Round> => {
  const round: Record<string, number> = {}
  for (const id of shuffled(ids)) {
    round[id] = await measureCase(mode, id)
    say(`  ${id} ${round[id].toFixed(0)}`)
  }
  return round
}

const run =
  (mode: Mode, ids: ReadonlyArray<CaseId>) =>
  async ({ rounds, say }: Options): Promise<ReadonlyArray<Round>> => {
    say("checking")
    await checked(ids)
    const measured: Array<Round> = []
    for (let n = 1; n <= rounds; n++) {
      say(`round ${n} of ${rounds}`)
      measured.push(await measureRound(mode, ids, say))
    }
    return measured
  }

const rowsOf = async (ids: ReadonlyArray<CaseId>, unit: string): Promise<ReadonlyArray<Row>> =>
  Promise.all(
    ids.map(async (id) => {
      const { docs, lacks, name } = await load(id)
      return { id, name, unit, docs, lacks }
    })
  )

const ratio =
  (ours: CaseId, peer: CaseId): Target["ratio"] =>
  (round) =>
    round[ours]! / round[peer]!

const timeIds = [
  "breakwater",
  "breakwater-otel",
  "breakwater-key",
  "breakwater-effect",
  "breakwater-parity",
  "cockatiel",
  "cockatiel-total",
  "cockatiel-observed",
  "opossum",
  "operators",
  "hand"
] as const satisfies ReadonlyArray<CaseId>

export const inProcess = async (): Promise<Suite> => ({
  name: "in-process",
  title: "One call in process",
  method: "CPU of the main thread per call, collections included; a fresh process per case and round, 1.2 s of warm-up",
  rows: await rowsOf(timeIds, "ns CPU"),
  targets: [
    {
      name: "in process, all layers, promise leaf: CPU / cockatiel wrap(retry, breaker, bulkhead, timeout)",
      ratio: ratio("breakwater", "cockatiel"),
      target: 0.45
    },
    {
      name: "in process, all layers, promise leaf: CPU / cockatiel, total timeout, OTel span, prom-client (we: native tracer)",
      ratio: ratio("breakwater", "cockatiel-observed"),
      target: 0.22
    },
    {
      name: "in process, all layers, promise leaf: CPU / cockatiel, total timeout, OTel span, prom-client (we: OTel spans)",
      ratio: ratio("breakwater-otel", "cockatiel-observed"),
      target: 0.22
    },
    {
      name: "in process, all layers, promise leaf, key: CPU / a promise function by hand that does the same",
      ratio: ratio("breakwater-key", "hand"),
      target: 2.5
    },
    {
      name: "in process, all layers, Effect leaf: CPU / cockatiel wrap(retry, breaker, bulkhead, timeout)",
      ratio: ratio("breakwater-effect", "cockatiel"),
      target: 0.6
    },
    {
      name: "in process, all layers, Effect leaf: CPU / the layers composed from Effect's operators",
      ratio: ratio("breakwater-effect", "operators"),
      target: 0.2
    },
    {
      name: "in process, cockatiel's features only: CPU / opossum",
      ratio: ratio("breakwater-parity", "opossum"),
      target: 1
    }
  ],
  run: run("time", timeIds)
})

const byteIds = [
  "breakwater",
  "breakwater-otel",
  "breakwater-key",
  "breakwater-effect",
  "breakwater-parity",
  "cockatiel",
  "cockatiel-observed",
  "opossum",
  "operators",
  "hand"
] as const satisfies ReadonlyArray<CaseId>

export const allocation = async (): Promise<Suite> => ({
  name: "allocation",
  title: "Garbage of one call in process",
  method:
    "bytes allocated per call: the heap's growth over 2,000 calls without a collection; a fresh process per case and round",
  rows: await rowsOf(byteIds, "bytes"),
  targets: [
    {
      name: "bytes allocated per call / cockatiel, total timeout, OTel span, prom-client (we: native tracer)",
      ratio: ratio("breakwater", "cockatiel-observed"),
      target: 0.3
    },
    {
      name: "bytes allocated per call / cockatiel, total timeout, OTel span, prom-client (we: OTel spans)",
      ratio: ratio("breakwater-otel", "cockatiel-observed"),
      target: 0.3
    }
  ],
  run: run("bytes", byteIds)
})

const rejectIds = [
  "breakwater-value",
  "breakwater-promise",
  "breakwater-stackless",
  "cockatiel",
  "opossum"
] as const satisfies ReadonlyArray<CaseId>

export const rejection = async (): Promise<Suite> => ({
  name: "rejection",
  title: "One call that an open circuit turns away",
  method: "CPU of the main thread per call; a fresh process per case and round, 1.2 s of warm-up",
  rows: await rowsOf(rejectIds, "ns CPU"),
  targets: [
    {
      name: "open-circuit rejection: CPU / cockatiel",
      ratio: ratio("breakwater-value", "cockatiel"),
      target: 0.3
    }
  ],
  run: run("reject", rejectIds)
})
