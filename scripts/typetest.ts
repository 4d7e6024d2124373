/**
 * `npm run typetest`: what must not compile, with the message that the user reads, and what must.
 *
 * A fixture in test/types/refusals holds statements that are refused. Directly before each (or before the property that
 * the compiler points at) stand one or more lines `// expect: text`; each text must be in a message of TypeScript 7
 * for that statement, and every message must hold one of them. White space does not count.
 * A fixture in test/types/accepts compiles without a message; `expectType` of test/types/support.ts holds exact types.
 *
 * Then the same on TypeScript 5.9, and on 7 without `exactOptionalPropertyTypes`, which few applications set: there each
 * refusal must hold but may use other words. One line per fixture.
 *
 * Last, what an editor shows (test/types/hover.ts), and what fifty operations cost (test/bench/types/budget.ts).
 */
import { existsSync } from "node:fs"
import { basename, join } from "node:path"
import { budgetProblems } from "../test/bench/types/budget.ts"
import { hoverProblems } from "../test/types/hover.ts"
import { bin, type Diagnostic, diagnosticsOf, filesUnder, isMain, read, root, run, seconds, squeeze } from "./run.ts"
import { blank, endOfStatement } from "./source.ts"

/** A statement that must be refused: its lines (1-based, inclusive) and the texts expected in the messages. */
export interface Refusal {
  readonly from: number
  readonly to: number
  readonly expected: ReadonlyArray<string>
}

export const refusalsOf = (source: string): ReadonlyArray<Refusal> => {
  const lines = source.split("\n")
  const code = blank(source).code.split("\n")
  const found: Array<Refusal> = []
  for (let i = 0; i < lines.length; i++) {
    const expected: Array<string> = []
    let comment: RegExpExecArray | null
    while ((comment = /^\s*\/\/ expect: (.+)$/.exec(lines[i] ?? "")) !== null) {
      expected.push(squeeze(comment[1]!))
      i++
    }
    if (expected.length === 0) continue
    const start = code.findIndex((text, at) => at >= i && text.trim() !== "")
    found.push({ from: start + 1, to: (start < 0 ? -1 : endOfStatement(code, start)) + 1, expected })
    i-- // the statement may hold properties with expectations of their own
  }
  return found
}

/** What is wrong with a fixture, given the diagnostics in it. `texts` is false where only the refusal must hold. */
export const judge = (
  fixture: { readonly file: string; readonly source: string; readonly refused: boolean },
  diagnostics: ReadonlyArray<Diagnostic>,
  texts: boolean
): ReadonlyArray<string> => {
  const refusals = fixture.refused ? refusalsOf(fixture.source) : []
  const problems: Array<string> = []
  if (fixture.refused && refusals.length === 0) problems.push(`${fixture.file}:1 expects nothing: write // expect: …`)
  const show = (d: Diagnostic) => `error ${d.code}: ${d.message}`
  // The innermost refusal around a line: an expectation on a property is nearer than one on its statement.
  const around = (line: number) =>
    refusals.filter((r) => r.from <= line && line <= r.to).toSorted((a, b) => a.to - a.from - (b.to - b.from))[0]

  for (const diagnostic of diagnostics) {
    const refusal = around(diagnostic.line)
    const message = squeeze(show(diagnostic))
    if (refusal === undefined)
      problems.push(`${fixture.file}:${diagnostic.line} must compile, but: ${show(diagnostic)}`)
    else if (texts && !refusal.expected.some((text) => message.includes(text))) {
      problems.push(`${fixture.file}:${diagnostic.line} is refused with another message: ${show(diagnostic)}`)
    }
  }
  for (const refusal of refusals) {
    const own = diagnostics.filter((d) => around(d.line) === refusal)
    if (own.length === 0) {
      problems.push(`${fixture.file}:${refusal.from} compiles, but must be refused: ${refusal.expected.join(" / ")}`)
    } else if (texts) {
      for (const text of refusal.expected) {
        if (!own.some((d) => squeeze(show(d)).includes(text))) {
          problems.push(`${fixture.file}:${refusal.from} no message holds: ${text}`)
        }
      }
    }
  }
  return problems
}

const main = (): number => {
  const started = performance.now()
  const fixtures = [
    ...filesUnder("test/types/refusals").map((file) => ({ file, source: read(file), refused: true })),
    ...filesUnder("test/types/accepts").map((file) => ({ file, source: read(file), refused: false }))
  ].filter(({ file }) => file.endsWith(".ts"))

  const ts5 = join(root, "test/types/ts5/node_modules/typescript/bin/tsc")
  if (!existsSync(ts5)) {
    const installed = run("npm", ["ci", "--prefix", "test/types/ts5", "--loglevel=error"])
    if (installed.status !== 0) {
      console.error(
        `${installed.output}typetest: TypeScript 5.9 could not be installed in test/types/ts5 (needs the npm registry, once).`
      )
      return 1
    }
  }
  const compilers = [
    { version: "7", command: bin("tsc"), args: [], texts: true },
    {
      version: "7 without exactOptionalPropertyTypes",
      command: bin("tsc"),
      args: ["--exactOptionalPropertyTypes", "false"],
      texts: false
    },
    { version: "5.9", command: process.execPath, args: [ts5], texts: false }
  ]

  const problems = new Map<string, Array<string>>(fixtures.map(({ file }) => [file, []]))
  const elsewhere: Array<string> = []
  const times: Array<string> = []
  for (const { args, command, texts, version } of compilers) {
    const began = performance.now()
    const compiled = run(command, [...args, "-p", "test/types/tsconfig.json", "--pretty", "false"])
    times.push(`TypeScript ${version} ${seconds(began)}`)
    const diagnostics = diagnosticsOf(compiled.stdout)
    if (compiled.status !== 0 && diagnostics.length === 0)
      elsewhere.push(`TypeScript ${version} failed:\n${compiled.output}`)
    for (const fixture of fixtures) {
      const own = diagnostics.filter((d) => d.file === fixture.file)
      for (const problem of judge(fixture, own, texts))
        problems.get(fixture.file)!.push(`TypeScript ${version}: ${problem}`)
    }
    for (const d of diagnostics) {
      if (!problems.has(d.file))
        elsewhere.push(`TypeScript ${version}: ${d.file}:${d.line} error ${d.code}: ${d.message}`)
    }
  }

  for (const { file, refused, source } of fixtures) {
    const own = problems.get(file)!
    const what = refused ? `${refusalsOf(source).length} refusals` : "accepted"
    console.log(
      `${own.length === 0 ? "ok  " : "FAIL"} ${refused ? "refusals" : "accepts "} ${basename(file, ".ts")} (${what})`
    )
    for (const problem of own) console.log(`     ${problem.replaceAll("\n", "\n     ")}`)
  }
  const report = (what: string, own: ReadonlyArray<string>) => {
    console.log(`${own.length === 0 ? "ok  " : "FAIL"} ${what}`)
    for (const problem of own) console.log(`     ${problem.replaceAll("\n", "\n     ")}`)
    elsewhere.push(...own)
  }
  for (const problem of elsewhere) console.log(problem)
  const failed = [...problems.values()].filter((own) => own.length > 0).length
  if (failed === 0 && elsewhere.length === 0) {
    const { hovers, problems: hoverFailures } = hoverProblems()
    report(`hover    ${hovers} texts, on TypeScript 5.9`, hoverFailures)
    const { added, problems: overBudget } = budgetProblems()
    const time = added.seconds < 0.1 ? "less than 0.1 s" : `${added.seconds.toFixed(1)} s`
    report(`budget   fifty operations add ${added.instantiations} instantiations and ${time}`, overBudget)
  }
  console.log(
    `typetest: ${fixtures.length} fixtures, ${failed} failed; ${times.join(", ")}, ${seconds(started)} in all`
  )
  return failed > 0 || elsewhere.length > 0 ? 1 : 0
}

if (isMain(import.meta.url)) process.exitCode = main()
