/** Decoding of what JSON.parse gave. */
import type { Size } from "../document.ts"
import { fresh } from "../spawn.ts"
import { shuffled } from "../stats.ts"
import type { Round, Row, Suite, Target } from "../suite.ts"
import { docs } from "../peers/zod.ts"

const decoders = ["breakwater", "breakwater-base", "schema", "zod"] as const
const sizes: ReadonlyArray<Size> = ["1k", "100k"]

const about: Readonly<Record<(typeof decoders)[number], Pick<Row, "name" | "docs" | "lacks">>> = {
  breakwater: { name: "breakwater: a call that decodes" },
  "breakwater-base": { name: "breakwater: the call alone", lacks: ["decode"] },
  schema: { name: "Schema.decodeUnknownSync", docs: "https://github.com/Effect-TS/effect", lacks: ["everything else"] },
  zod: { name: "zod 4: parse", docs, lacks: ["everything else"] }
}

const target = (size: Size, name: string, target: number): Target => ({
  name: `decode, ${name}: CPU / zod 4`,
  ratio: (round) => (round[`breakwater.${size}`]! - round[`breakwater-base.${size}`]!) / round[`zod.${size}`]!,
  target
})

const run: Suite["run"] = async ({ rounds, say }) => {
  const measured: Array<Round> = []
  for (let n = 1; n <= rounds; n++) {
    say(`round ${n} of ${rounds}`)
    const round: Record<string, number> = {}
    const cases = decoders.flatMap((decoder) => sizes.map((size) => ({ decoder, size })))
    for (const { decoder, size } of shuffled(cases)) {
      const nanos = (await fresh("decodeChild.ts", [decoder, size])) as number
      round[`${decoder}.${size}`] = nanos / 1_000
      say(`  ${decoder} ${size} ${(nanos / 1_000).toFixed(2)} µs`)
    }
    measured.push(round)
  }
  return measured
}

export const decode = (): Promise<Suite> =>
  Promise.resolve({
    name: "decode",
    title: "Decoding one document",
    method:
      "CPU of the main thread per document, fresh processes; ours is the difference between a call that decodes and one that does not",
    rows: sizes.flatMap((size) =>
      decoders.map((decoder) => ({
        id: `${decoder}.${size}`,
        ...about[decoder],
        name: `${about[decoder].name}, ${size === "1k" ? "1 KB" : "100 KB"}`,
        unit: "µs CPU"
      }))
    ),
    targets: [target("1k", "1 KB", 0.35), target("100k", "100 KB", 0.7)],
    run
  })
