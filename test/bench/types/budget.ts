/**
 * What fifty operations over an `HttpApi` of 200 endpoints cost the compiler. `npm run typetest` holds it to
 * test/types/budget.json; `node test/bench/types/budget.ts` prints the figures.
 *
 * Instantiations are counted on one thread: that number is the same on every machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { bin, isMain, read, root, run } from "../../../scripts/run.ts"
import { api, baseline, endpoints, integration, operations } from "./generate.ts"

export interface Figures {
  readonly instantiations: number
  readonly types: number
  readonly seconds: number
}

type Program = "api" | "baseline" | "integration"

/** Compiles the generated programs. The folder is in the repository, so that the package is found by its name. */
const withPrograms = <A>(use: (compile: (program: Program) => Figures) => A): A => {
  const folder = mkdtempSync(join(root, "test/bench/types/.generated-"))
  try {
    const sources = { api: api(), baseline: baseline(), integration: integration() }
    for (const [name, source] of Object.entries(sources)) {
      writeFileSync(join(folder, `${name}.ts`), source)
      writeFileSync(
        join(folder, `${name}.json`),
        JSON.stringify({ extends: join(root, "tsconfig.json"), include: [], exclude: [], files: [`${name}.ts`] })
      )
    }
    return use((program) => {
      const args = [
        "-p",
        join(folder, `${program}.json`),
        "--singleThreaded",
        "--extendedDiagnostics",
        "--pretty",
        "false"
      ]
      const compiled = run(bin("tsc"), args)
      if (compiled.status !== 0) throw new Error(`the generated ${program} does not compile:\n${compiled.output}`)
      const figure = (name: string) => {
        const found = new RegExp(`^${name}:\\s+([\\d.]+)`, "m").exec(compiled.stdout)
        if (found === null) throw new Error(`tsc printed no "${name}":\n${compiled.output}`)
        return Number(found[1])
      }
      return {
        instantiations: figure("Instantiations"),
        types: figure("Types"),
        seconds: figure("Total time")
      }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const difference = (a: Figures, b: Figures): Figures => ({
  instantiations: a.instantiations - b.instantiations,
  types: a.types - b.types,
  seconds: a.seconds - b.seconds
})

export interface Budget {
  /** Type instantiations that the operations add to a program that imports the API and the package. */
  readonly instantiations: number
  /** Seconds that they add. */
  readonly seconds: number
}

const slack = 1.1
const tries = 3

/** Compares the cost with the committed budget. Time is measured again while it is over: the machine may be busy. */
export const budgetProblems = (): { readonly added: Figures; readonly problems: ReadonlyArray<string> } =>
  withPrograms((compile) => {
    const budget = JSON.parse(read("test/types/budget.json")) as Budget
    const measure = () => difference(compile("integration"), compile("baseline"))
    let added = measure()
    for (let n = 1; n < tries && added.seconds > budget.seconds; n++) {
      const again = measure()
      if (again.seconds < added.seconds) added = again
    }
    const problems: Array<string> = []
    const { instantiations, seconds } = added
    if (instantiations > budget.instantiations * slack) {
      problems.push(
        `${operations} operations cost ${instantiations} instantiations, the budget is ${budget.instantiations} and 10 %` +
          " (test/types/budget.json)"
      )
    }
    if (instantiations * slack < budget.instantiations) {
      problems.push(
        `${operations} operations cost only ${instantiations} instantiations: lower test/types/budget.json from ${budget.instantiations}`
      )
    }
    if (seconds > budget.seconds) {
      problems.push(`${operations} operations add ${seconds.toFixed(2)} s to tsc, the budget is ${budget.seconds} s`)
    }
    return { added, problems }
  })

if (isMain(import.meta.url)) {
  withPrograms((compile) => {
    const show = (what: string, { instantiations, seconds, types }: Figures) =>
      console.log(
        `${what.padEnd(52)} ${String(instantiations).padStart(8)} instantiations ${String(types).padStart(7)} types ${seconds.toFixed(2).padStart(6)} s`
      )
    const alone = compile("api")
    const without = compile("baseline")
    const all = compile("integration")
    show(`an HttpApi of ${endpoints} endpoints`, alone)
    show("with the package imported, from its source", without)
    show(`with ${operations} operations, their layer and calls`, all)
    show(`added by the ${operations} operations`, difference(all, without))
    show("added by them and the package's own source", difference(all, alone))
  })
}
