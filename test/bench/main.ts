/**
 * `npm run bench`: what a call costs, beside peers in the same run, and the ratios that it is held to. See `--help`.
 *
 * Every benchmarked thing is checked first. A missed target is `pass: false`, not an error: the exit code is 1 where a
 * check failed or nothing could be measured, and 2 for a wrong flag.
 */
import { parse, usage } from "./options.ts"
import { merged, readTable, type Report, type Table, textOf, writeTable } from "./report.ts"
import { figuresOf, type Result, resultOf } from "./suite.ts"
import { names, suites } from "./suites.ts"

const parsed = parse(process.argv.slice(2), names)
const error = (line: string) => process.stderr.write(`${line}\n`)

const main = async (): Promise<number> => {
  if (parsed._tag === "Wrong") {
    error(`bench: ${parsed.problem}`)
    return 2
  }
  if (parsed._tag === "Help") {
    process.stdout.write(`${usage(names)}\n`)
    return 0
  }
  const { json, only, rounds, write } = parsed.options
  const { machine: describe } = await import("./machine.ts")
  const machine = describe()
  const results: Array<Result> = []
  let failures = 0
  const print = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  print(`node ${machine.node}, ${machine.cpu}, ${machine.cores} cores, load ${machine.load}; ${rounds} rounds\n`)
  const one = async (name: (typeof names)[number]): Promise<void> => {
    const suite = await suites[name]()
    const missing = suite.missing?.()
    if (missing !== undefined) {
      error(`skipped: ${name}: ${missing}`)
      return
    }
    error(`${name}: ${suite.title}`)
    const measured = await suite.run({ rounds, say: error })
    const table: Table = {
      machine,
      results: suite.targets.map((target) => resultOf(target, measured)),
      figures: figuresOf(suite, measured)
    }
    results.push(...table.results)
    print(`${textOf(suite, table.figures, table.results)}\n`)
    // After each suite: what was measured is not lost with a later one.
    if (write) writeTable(merged(readTable(), table))
  }
  for (const name of names) {
    if (only.length > 0 && !only.includes(name)) continue
    await one(name).catch((problem: unknown) => {
      failures++
      error(`bench: ${name}: ${(problem as Error).message}`)
    })
  }
  if (json) process.stdout.write(`${JSON.stringify({ machine, results } satisfies Report, null, 2)}\n`)
  const missed = results.filter(({ pass }) => !pass).length
  print(`${results.length - missed} of ${results.length} targets met`)
  return failures === 0 ? 0 : 1
}

process.exitCode = await main().catch((problem: unknown) => {
  error(`bench: ${(problem as Error).message}`)
  return 1
})
