/** The results as text, as JSON, and as the committed table. */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Machine } from "./machine.ts"
import type { Figure, Result, Suite } from "./suite.ts"

export interface Report {
  readonly machine: Machine
  readonly results: ReadonlyArray<Result>
}

/** What is committed: the figures too, which the guard needs where it compares with more than a ratio. */
export interface Table extends Report {
  readonly figures: ReadonlyArray<Figure>
}

export const tableFile = fileURLToPath(new URL("table.json", import.meta.url))

export const readTable = (): Table | undefined => {
  try {
    return JSON.parse(readFileSync(tableFile, "utf8")) as Table
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ENOENT") return undefined
    throw error
  }
}

/** What a run of some suites leaves of the table that was there: the rest. */
export const merged = (before: Table | undefined, now: Table): Table => {
  const results = new Map(before?.results.map((result) => [result.name, result]))
  for (const result of now.results) results.set(result.name, result)
  const ran = new Set(now.figures.map(({ suite }) => suite))
  const kept = before?.figures.filter(({ suite }) => !ran.has(suite)) ?? []
  return { machine: now.machine, results: [...results.values()], figures: [...kept, ...now.figures] }
}

export const writeTable = (table: Table): void => writeFileSync(tableFile, `${JSON.stringify(table, null, 2)}\n`)

const number = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

/** One suite: a row per figure, then what each peer does not do, then the targets. */
export const textOf = (
  suite: Pick<Suite, "title" | "method" | "rows">,
  figures: ReadonlyArray<Figure>,
  results: ReadonlyArray<Result>
): string => {
  const lines = [suite.title, `  ${suite.method}`, ""]
  const width = Math.max(...suite.rows.map(({ name }) => name.length))
  lines.push(`  ${"".padEnd(width)}  ${"median".padStart(10)}  ${"min".padStart(10)}  ${"max".padStart(10)}`)
  for (const row of suite.rows) {
    const figure = figures.find(({ id }) => id === row.id)
    if (figure === undefined) continue
    const cells = [figure.median, figure.min, figure.max].map((value) => number(value).padStart(10))
    lines.push(`  ${row.name.padEnd(width)}  ${cells.join("  ")}  ${row.unit}`)
  }
  const lacking = suite.rows.filter(({ lacks }) => lacks !== undefined && lacks.length > 0)
  if (lacking.length > 0) {
    lines.push("", "  What each does not do:")
    for (const { lacks, name } of lacking) lines.push(`  ${name.padEnd(width)}  ${lacks!.join(", ")}`)
  }
  const documented = suite.rows.filter(({ docs }) => docs !== undefined)
  if (documented.length > 0) {
    lines.push("", "  Configured from:")
    for (const { docs, name } of documented) lines.push(`  ${name.padEnd(width)}  ${docs}`)
  }
  if (results.length > 0) lines.push("")
  for (const { max, min, name, pass, ratio, target } of results) {
    lines.push(
      `  ${pass ? "ok  " : "MISS"} ${number(ratio)} [${number(min)}–${number(max)}], target ${target}: ${name}`
    )
  }
  return lines.join("\n")
}
