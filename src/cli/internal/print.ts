// How things look on a terminal: tables that fit, times, texts of others without their control characters.
import * as CliOutput from "effect/cli/CliOutput"

/** Text of a provider or a person, which must not move the cursor or change colours. */
export const clean = (text: string): string => text.replace(/\p{Cc}+/gu, " ")

const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Cut to a width, with a mark. */
export const cut = (text: string, width: number): string => {
  if (CliOutput.displayWidth(text) <= width) return text
  let kept = ""
  let used = 0
  for (const { segment } of segments.segment(text)) {
    used += CliOutput.displayWidth(segment)
    if (used > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

const pad = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)))
const padLeft = (text: string, width: number): string =>
  " ".repeat(Math.max(0, width - CliOutput.displayWidth(text))) + text

export interface Column {
  readonly title: string
  /** It may be cut down to this width; without it, never. */
  readonly min?: number
  readonly right?: boolean
  /** Left out where the table would not fit. */
  readonly optional?: boolean
}

/** A table of the given width at most. A column that is empty everywhere is left out. */
export const table = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width: number
): string => {
  const texts = rows.map((row) => row.map(clean))
  let used = columns.map((_, i) => i).filter((i) => texts.some((row) => row[i] !== ""))
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...texts.map((row) => CliOutput.displayWidth(row[i]!)))
  )
  const total = () => used.reduce((sum, i) => sum + widths[i]! + 2, -2)
  if (total() > width) used = used.filter((i) => columns[i]!.optional !== true)
  while (total() > width) {
    // The widest gives way first.
    const widest = used
      .filter((i) => columns[i]!.min !== undefined && widths[i]! > columns[i]!.min)
      .toSorted((a, b) => widths[b]! - widths[a]!)[0]
    if (widest === undefined) break
    widths[widest]!--
  }
  const line = (cells: ReadonlyArray<string>) =>
    used
      .map((i) => (columns[i]!.right === true ? padLeft : pad)(cut(cells[i]!, widths[i]!), widths[i]!))
      .join("  ")
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...texts.map(line)].join("\n")
}

/** Lines of the given width at most, broken between words; the first is not indented. */
export const wrap = (text: string, width: number, indent: number): string => {
  const lines: Array<string> = []
  let line = ""
  for (let word of clean(text).split(" ")) {
    while (CliOutput.displayWidth(word) > width) {
      const head = cut(word, width).slice(0, -1)
      if (line !== "") lines.push(line)
      lines.push(head)
      line = ""
      word = word.slice(head.length)
    }
    if (line === "") line = word
    else if (CliOutput.displayWidth(line) + 1 + CliOutput.displayWidth(word) <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`)
}

/** Names and their texts, one below the other. */
export const facts = (
  pairs: ReadonlyArray<readonly [name: string, text: string | undefined]>,
  width: number
): string => {
  const given = pairs.filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "")
  const indent = Math.max(...given.map(([name]) => name.length)) + 2
  return given.map(([name, text]) => pad(name, indent) + wrap(text, width - indent, indent)).join("\n")
}

/** `2026-11-24 10:00:00.123`, in UTC. */
export const time = (millis: number): string => new Date(millis).toISOString().replace("T", " ").slice(0, -1)

/** The largest unit that fits: `45s`, `12m`, `5h`, `3d`. */
export const age = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  return seconds < 120
    ? `${seconds}s`
    : seconds < 7200
      ? `${Math.floor(seconds / 60)}m`
      : seconds < 172800
        ? `${Math.floor(seconds / 3600)}h`
        : `${Math.floor(seconds / 86400)}d`
}

/** A name as a flag takes it: `NeedsReconcile` and `key expired` are `needs-reconcile` and `key-expired`. */
export const flagged = (name: string): string =>
  name
    .replace(/(?<=[a-z])(?=[A-Z])/g, "-")
    .replaceAll(" ", "-")
    .toLowerCase()

export const count = (n: number, what: string): string =>
  `${n} ${n === 1 ? what : what.endsWith("y") ? `${what.slice(0, -1)}ies` : `${what}s`}`

export const json = (value: unknown): string => JSON.stringify(value, null, 2)
