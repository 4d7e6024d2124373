/** Where the tables stand in the documentation. */
import type { Operation } from "./run.ts"

export const page = new URL("../../docs/recipes/sdks.md", import.meta.url).pathname

const block = (operation: Operation) =>
  new RegExp(`(<!-- ${operation} -->\n\n)([^]*?)(\n\n<!-- end of ${operation} -->)`)

export const replaceTables = (text: string, made: Record<Operation, string>): string =>
  text.replace(block("write"), `$1${made.write}$3`).replace(block("read"), `$1${made.read}$3`)

/** The cells of a table, line by line, whatever a formatter made of the spaces. */
export const cellsOf = (text: string, operation: Operation): ReadonlyArray<ReadonlyArray<string>> =>
  (block(operation).exec(text)?.[2] ?? "")
    .split("\n")
    .filter((line) => !line.startsWith("| -"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )
