/** What a call that waits holds of the heap. */
import { type CaseId, load } from "../cases.ts"
import { fresh } from "../spawn.ts"
import { shuffled } from "../stats.ts"
import type { Round, Row, Suite } from "../suite.ts"
import { checked } from "./inProcess.ts"

const cases: ReadonlyArray<readonly [id: CaseId | "timeout", n: number]> = [
  ["breakwater", 100_000],
  ["breakwater-effect", 100_000],
  ["timeout", 100_000],
  // Each start walks the listeners of one signal: 100,000 do not get started in any time.
  ["cockatiel", 10_000],
  ["hand", 100_000]
]

const run: Suite["run"] = async ({ rounds, say }) => {
  say("checking")
  await checked(cases.map(([id]) => id).filter((id) => id !== "timeout"))
  const measured: Array<Round> = []
  for (let n = 1; n <= rounds; n++) {
    say(`round ${n} of ${rounds}`)
    const round: Record<string, number> = {}
    for (const [id, count] of shuffled(cases)) {
      round[id] = (await fresh("pendingChild.ts", [id, String(count)], ["--expose-gc"])) as number
      say(`  ${id} ${round[id].toFixed(0)} bytes`)
    }
    measured.push(round)
  }
  return measured
}

export const pending = async (): Promise<Suite> => ({
  name: "pending",
  title: "Calls that are pending: 100,000, of cockatiel 10,000",
  method: "bytes of heap per call after collections; a fresh process per case and round, 20,000 calls of warm-up",
  rows: await Promise.all(
    cases.map(async ([id]): Promise<Row> => {
      if (id === "timeout") return { id, name: "a fiber in Effect.timeout(Effect.never)", unit: "bytes" }
      const { docs, lacks, name } = await load(id)
      return { id, name, unit: "bytes", docs, lacks }
    })
  ),
  targets: [
    {
      name: "100,000 pending calls: heap per call / a fiber in Effect.timeout(Effect.never)",
      ratio: (round) => round["breakwater"]! / round["timeout"]!,
      target: 1.5
    },
    {
      name: "100,000 pending calls: heap per call / cockatiel at 10,000",
      ratio: (round) => round["breakwater"]! / round["cockatiel"]!,
      target: 0.6
    }
  ],
  run
})
