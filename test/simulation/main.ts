/** `npm run simulation -- [--json] [--seed N] [--only CLIENT] [--svg FOLDER]` */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { clients } from "./clients.ts"
import { type Result, scenarios, simulate } from "./scenarios.ts"
import { writePlots } from "./plots.ts"

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    svg: { type: "string" }
  }
})
const seed = Number(values.seed)
const results: Array<Result> = []
const began = performance.now()
for (const scenario of scenarios) {
  if (!values.json) console.log(`\n${scenario.name}: ${scenario.what}`)
  if (!values.json) console.log("client              breaker   attempts  goodput  in fault   p99 ms  recovery")
  for (const client of clients) {
    if (values.only !== undefined && client.name !== values.only) continue
    for (const breaker of client.breakers) {
      const result = await Effect.runPromise(simulate(scenario, client, breaker, { seed }))
      results.push(result)
      if (values.json) continue
      console.log(
        [
          client.name.padEnd(20),
          breaker.padEnd(8),
          result.amplification.toFixed(3).padStart(9),
          percent(result.goodput).padStart(8),
          percent(result.goodputInFault).padStart(9),
          String(Math.round(result.p99Ms)).padStart(8),
          (result.recoverySeconds === null ? "never" : `${result.recoverySeconds} s`).padStart(9)
        ].join(" ")
      )
    }
  }
}
if (values.svg !== undefined) writePlots(values.svg, scenarios, results)
if (values.json) {
  const shown = results.map(({ goodputInFault: _, windows: __, ...result }) => result)
  console.log(JSON.stringify({ scenarios: shown }, null, 2))
} else {
  console.log(`\nattempts: requests that reached the provider, for each call that sent one. ${seconds()} s`)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function seconds(): string {
  return ((performance.now() - began) / 1_000).toFixed(0)
}
