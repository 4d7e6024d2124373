/**
 * `npm run bench`: what a call costs, beside peers in the same run, and the ratios that it is held to. See `--help`.
 *
 * Every benchmarked thing is checked first. A missed target is `pass: false`, not an error: the exit code is 1 where a
 * check failed or nothing could be measured, and 2 for a wrong flag.
 */
import { parse, usage } from "./options.ts"
import { merged, readTable, type Table, textOf, writeTable } from "./report.ts"
import { type Figure, figuresOf, type Result, resultOf } from "./suite.ts"
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
  const figures: Array<Figure> = []
  const print = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  print(`node ${machine.node}, ${machine.cpu}, ${machine.cores} cores, load ${machine.load}; ${rounds} rounds\n`)
  for (const name of names) {
    if (only.length > 0 && !only.includes(name)) continue
    const suite = await suites[name]()
    const missing = suite.missing?.()
    if (missing !== undefined) {
      error(`skipped: ${name}: ${missing}`)
      continue
    }
    error(`${name}: ${suite.title}`)
    const measured = await suite.run({ rounds, say: error })
    const own = {
      figures: figuresOf(suite, measured),
      results: suite.targets.map((target) => resultOf(target, measured))
    }
    figures.push(...own.figures)
    results.push(...own.results)
    print(`${textOf(suite, own.figures, own.results)}\n`)
  }
  if (json) process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`)
  if (write) {
    const table: Table = { machine, results, figures }
    writeTable(merged(readTable(), table))
    error("written: test/bench/table.json")
  }
  const missed = results.filter(({ pass }) => !pass).length
  print(`${results.length - missed} of ${results.length} targets met`)
  return 0
}

process.exitCode = await main().catch((problem: unknown) => {
  error(`bench: ${(problem as Error).message}`)
  return 1
})
