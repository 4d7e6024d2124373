/**
 * `npm run mutation -- [--only GROUP]… [--file PART]… [--concurrency N]`: Stryker over the policies, the outcome and the runner. Every change that no test
 * notices is printed, and fails the run unless `test/mutation/survivors/` knows it, with a reason.
 *
 * The score counts strictly: a mutant that survived, that no test covers, that ended in a timeout, or that was ignored is
 * not killed. The properties run with a fifth of their inputs: what a property finds only in its thousandth is not counted.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { bin, isMain, root, run } from "./run.ts"

interface Mutant {
  readonly mutatorName: string
  readonly replacement?: string
  readonly status: "Killed" | "Survived" | "NoCoverage" | "Timeout" | "CompileError" | "RuntimeError" | "Ignored"
  readonly location: {
    readonly start: { readonly line: number; readonly column: number }
    readonly end: { readonly line: number; readonly column: number }
  }
}
interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: ReadonlyArray<Mutant> }>>
}
/** A change that no test notices: by its text and not its line, so that it is known after the file has moved on. */
interface Survivor {
  readonly file: string
  readonly was: string
  readonly became: string
  readonly reason: string
}

const folder = join(root, "test", "mutation")
const read = <A>(name: string): A => JSON.parse(readFileSync(join(folder, name), "utf8")) as A

/** Files, and the suites that are to notice when they change. Each group is a run of its own: a mutant meets no other suite. */
interface Group {
  readonly mutate: ReadonlyArray<string>
  readonly tests: ReadonlyArray<string>
}

interface Score {
  readonly killed: number
  readonly total: number
  readonly unknown: number
}

const main = (): number => {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      file: { type: "string", multiple: true },
      concurrency: { type: "string", default: "2" }
    }
  })
  const groups = Object.entries(read<Readonly<Record<string, Group>>>("groups.json"))
  const scores = groups
    .filter(([name]) => values.only?.includes(name) ?? true)
    .map(([name, { mutate, tests }]) => {
      const files = mutate.filter((file) => values.file?.some((part) => file.includes(part)) ?? true)
      return runGroup(name, { mutate: files, tests }, Number(values.concurrency))
    })
  const sum = (of: (score: Score) => number) =>
    scores.reduce((total, score) => total + (score === undefined ? 0 : of(score)), 0)
  const total = sum((score) => score.total)
  const killed = sum((score) => score.killed)
  const unknown = sum((score) => score.unknown)
  console.log(line("all", total, killed))
  console.log(`mutation: ${total - killed} not killed, ${unknown} of them without a reason in test/mutation/survivors`)
  return scores.includes(undefined) || unknown > 0 || killed / total < 0.95 ? 1 : 0
}

const line = (name: string, total: number, killed: number): string =>
  `${name.padEnd(38)} ${String(total).padStart(7)} ${String(killed).padStart(7)} ${percent(killed, total).padStart(7)}`

const runGroup = (name: string, group: Group, concurrency: number): Score | undefined => {
  const scratch = join(root, ".stryker", name)
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true })
  const config = join(scratch, "config.json")
  writeFileSync(
    config,
    JSON.stringify({
      testRunner: "vitest",
      plugins: ["@stryker-mutator/vitest-runner"],
      vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
      // On TypeScript 7 Stryker can't read a tsconfig.
      tsconfigFile: "none.json",
      mutate: group.mutate,
      reporters: ["progress-append-only", "json"],
      jsonReporter: { fileName: join(scratch, "report.json") },
      tempDirName: join(scratch, "sandbox"),
      ignorePatterns: [".stryker", "dist", ".doctest"],
      concurrency,
      disableTypeChecks: false,
      timeoutMS: 30_000
    })
  )
  const { status } = run(bin("stryker"), ["run", config], {
    show: true,
    env: { PROPERTY_RUNS: process.env["PROPERTY_RUNS"] ?? "0.2", MUTATION_TESTS: group.tests.join(" ") }
  })
  if (status !== 0) return undefined
  const report = JSON.parse(readFileSync(join(scratch, "report.json"), "utf8")) as Report
  const known = read<ReadonlyArray<Survivor>>(join("survivors", `${name}.json`))
  let killed = 0
  let total = 0
  let unknown = 0
  console.log("\nfile                                   mutants  killed  share")
  const found: Array<Omit<Survivor, "reason">> = []
  for (const [file, { mutants, source }] of Object.entries(report.files)) {
    // What does not run at all is no program.
    const counted = mutants.filter(({ status }) => status !== "CompileError" && status !== "RuntimeError")
    const dead = counted.filter(({ status }) => status === "Killed").length
    killed += dead
    total += counted.length
    console.log(line(file, counted.length, dead))
    for (const mutant of counted.filter(({ status }) => status !== "Killed")) {
      const survivor = { file, was: textOf(source, mutant), became: mutant.replacement ?? mutant.mutatorName }
      found.push(survivor)
      if (known.some((one) => one.file === file && one.was === survivor.was && one.became === survivor.became)) continue
      unknown++
      const { line: at } = mutant.location.start
      console.log(`  ${mutant.status} ${file}:${at} ${shorten(survivor.was)}  →  ${shorten(survivor.became)}`)
    }
  }
  writeFileSync(join(scratch, "found.json"), JSON.stringify(found, null, 2))
  return { killed, total, unknown }
}

const textOf = (source: string, { location: { end, start } }: Mutant): string => {
  const lines = source.split("\n").slice(start.line - 1, end.line)
  const last = lines.length - 1
  return lines
    .map((line, at) => line.slice(at === 0 ? start.column - 1 : 0, at === last ? end.column - 1 : undefined))
    .join("\n")
}
const percent = (part: number, whole: number): string => (whole === 0 ? "–" : `${((part / whole) * 100).toFixed(1)} %`)
const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ")
  return line.length > 90 ? `${line.slice(0, 89)}…` : line
}

if (isMain(import.meta.url)) process.exitCode = main()
