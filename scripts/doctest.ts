/**
 * `npm run doctest`: type-checks and runs every ```ts fence in README.md, in docs/ and in the JSDoc of src.
 *
 * In a fence, `expression // => value` is an assertion, and so is `const name = expression // => value`.
 *
 * - "```ts"                  is compiled (TypeScript 7, the repository's options) and run
 * - "```ts no-run"           is only compiled
 * - "```ts no-check"         is skipped, as is every other language
 * - "```ts refuses"          must not compile. A "```text" fence that follows it holds the message: each of its lines
 *                            (up to a "…") must be in what tsc prints
 * - "```ts continues"        sees the fences before it in the same file; it combines with the words above
 * - `<!-- ts` … `-->`        before a fence (documents only) is code that the fence sees and the reader does not; with no fence
 *                            before the next heading, it continues the one above, and is run
 *
 * Examples import the package by its name. They are written to .doctest/ (ignored by git), where one line of a fence
 * stays one line, so that every message can name the line of the document.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { bin, type Diagnostic, diagnosticsOf, filesUnder, isMain, read, root, run, seconds, squeeze } from "./run.ts"
import { blank, depthOf, endOfStatement } from "./source.ts"

export interface Fence {
  /** The document, and the line (1-based) of its first line of code. */
  readonly file: string
  readonly line: number
  readonly words: ReadonlyArray<string>
  readonly code: ReadonlyArray<string>
  /** Lines of the text fence that follows, for a refusal. */
  readonly message: ReadonlyArray<string>
  /** Code before the fence that belongs to it: a hidden block, and earlier fences that it continues. */
  readonly before: ReadonlyArray<string>
}

const known = new Set(["no-run", "no-check", "refuses", "continues"])

/** All ts fences of a document. In a TypeScript file only those within comments of the form `/** … *\/`. */
export const fencesOf = (file: string, source: string): ReadonlyArray<Fence> => {
  const jsdoc = file.endsWith(".ts")
  const lines = jsdoc ? commentLines(source) : source.split("\n")
  const found: Array<Fence> = []
  let hidden: Array<string> = []
  let hiddenAt = 0
  /** A hidden block that no fence takes would be an assertion that nobody runs. */
  const alone = (): void => {
    const previous = found.at(-1)
    if (hidden.length === 0) return
    const before = previous === undefined ? [] : contextAfter(previous)
    found.push({ file, line: hiddenAt, words: ["continues"], code: hidden, message: [], before })
    hidden = []
  }
  for (let i = 0; i < lines.length; i++) {
    const text = lines[i]!
    if (!jsdoc && /^#{1,6} /.test(text)) alone()
    if (!jsdoc && /^<!--\s*ts\s*$/.test(text)) {
      const end = lines.findIndex((line, at) => at > i && line.trim() === "-->")
      if (end < 0) throw new Error(`${file}:${i + 1} this hidden block has no end: write --> on a line of its own`)
      if (hidden.length === 0) hiddenAt = i + 2
      hidden = [...hidden, ...lines.slice(i + 1, end)]
      i = end
      continue
    }
    const open = /^(\s*)(`{3,})(\w*) ?(.*)$/.exec(text)
    if (open === null) continue
    const [, indent = "", ticks = "", language = "", info = ""] = open
    const end = lines.findIndex((line, at) => at > i && line.trim() === ticks)
    if (end < 0) throw new Error(`${file}:${i + 1} this fence has no end`)
    const code = lines.slice(i + 1, end).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
    if (language === "ts") {
      const words = info.split(/\s+/).filter((word) => word !== "")
      const unknown = words.find((word) => !known.has(word))
      if (unknown !== undefined) {
        throw new Error(`${file}:${i + 1} "${unknown}" is no word for a fence; known are ${[...known].join(", ")}`)
      }
      const previous = found.at(-1)
      const before = [...(words.includes("continues") && previous ? contextAfter(previous) : []), ...hidden]
      found.push({ file, line: i + 2, words, code, message: [], before })
      hidden = []
    } else if (language === "text" && found.at(-1)?.words.includes("refuses") && found.at(-1)!.message.length === 0) {
      found.push({ ...found.pop()!, message: code.map((line) => line.trim()).filter((line) => line !== "") })
    }
    i = end
  }
  alone()
  return found
}

/** What a continuing fence sees: all that the fence saw and, unless it was refused or skipped, the fence itself. */
const contextAfter = (fence: Fence): ReadonlyArray<string> =>
  fence.words.includes("refuses") || fence.words.includes("no-check") ? fence.before : [...fence.before, ...fence.code]

/** The lines of a TypeScript file with everything but the text of its JSDoc comments emptied. */
const commentLines = (source: string): ReadonlyArray<string> => {
  const out = source.split("\n").map(() => "")
  // blank() empties comments, so a position that it emptied and that starts with /** is a real comment.
  const { text } = blank(source)
  for (const match of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    if (text[match.index] !== " ") continue
    const first = source.slice(0, match.index).split("\n").length - 1
    match[0].split("\n").forEach((line, at) => {
      out[first + at] = line.replace(/^\s*\/?\*{1,2} ?/, "").replace(/\*\/\s*$/, "")
    })
  }
  return out
}

/** Turns `expression // => value` into an assertion, without adding or removing a line. */
export const withAssertions = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const out = [...lines]
  const code = blank(lines.join("\n")).code.split("\n")
  /** The line split at a comment of the form `// => value`, if it ends in one. */
  const arrow = (line: number): readonly [left: string, value: string] | undefined => {
    const left = lines[line]!.slice(0, code[line]!.trimEnd().length)
    const comment = /^\s*\/\/ => (.+)$/.exec(lines[line]!.slice(left.length))
    return left.trim() === "" || comment === null ? undefined : [left, comment[1]!]
  }
  for (let start = 0; start < lines.length; start++) {
    if (code[start]!.trim() === "") continue
    let end = endOfStatement(code, start)
    // A class or function body is entered: assertions may stand inside, each a statement of its own.
    if (arrow(end) === undefined && depthOf(code[start]!) > 0) end = start
    const match = arrow(end)
    if (match !== undefined) {
      const [left, value] = match
      const declared = /^\s*(?:export\s+)?const\s+([\w$]+)/.exec(lines[start]!)
      if (declared !== null) out[end] = `${left}; __equal(${declared[1]}, ${value})`
      else if (start === end) out[end] = `;__equal(${left.trim()}, ${value})`
      else {
        out[start] = `;__equal(${lines[start]!.trimStart()}`
        out[end] = `${left}, ${value})`
      }
    }
    start = end
  }
  return out
}

/** The module written for a fence, and how many lines stand before the fence's first. */
export const moduleOf = (fence: Fence): { readonly source: string; readonly offset: number } => {
  const header = ['import { equal as __equal } from "./equal.ts"', ...withAssertions(fence.before)]
  return {
    source: [...header, ...withAssertions(fence.code), "export {}", "void __equal", ""].join("\n"),
    offset: header.length
  }
}

const lacking = (fence: Fence, printed: string): ReadonlyArray<string> =>
  fence.message.filter((line) =>
    line
      .split("…")
      .map(squeeze)
      .some((part) => part !== "" && !squeeze(printed).includes(part))
  )

export interface Verdict {
  readonly fence: Fence
  readonly problems: ReadonlyArray<string>
}

/** Judges the fences by the diagnostics of their modules (`Diagnostic.file` is the module's name). */
export const judge = (
  modules: ReadonlyMap<string, Fence>,
  diagnostics: ReadonlyArray<Diagnostic>
): ReadonlyArray<Verdict> =>
  [...modules].map(([name, fence]) => {
    const offset = moduleOf(fence).offset
    const own = diagnostics.filter((diagnostic) => diagnostic.file.endsWith(name))
    const where = (d: Diagnostic) =>
      d.line > offset
        ? `${fence.file}:${fence.line + d.line - offset - 1}`
        : `${fence.file}:${fence.line} (its context)`
    const show = (d: Diagnostic) => `${where(d)} error ${d.code}: ${d.message}`
    if (!fence.words.includes("refuses")) return { fence, problems: own.map(show) }
    const refusals = own.filter((d) => d.line > offset)
    const problems = own.filter((d) => d.line <= offset).map(show)
    if (refusals.length === 0)
      problems.push(`${fence.file}:${fence.line} compiles, though the document says that it is refused`)
    else {
      const printed = refusals.map((d) => `error ${d.code}: ${d.message}`).join("\n")
      for (const line of lacking(fence, printed)) {
        problems.push(`${fence.file}:${fence.line} tsc does not print: ${line}\nit prints: ${printed}`)
      }
    }
    return { fence, problems }
  })

/** Names the lines of the documents instead of those in .doctest. */
const inDocuments = (output: string, modules: ReadonlyMap<string, Fence>): string =>
  output.replace(/\.doctest\/([\w-]+\.ts):(\d+)(?::\d+)?/g, (text, name: string, line: string) => {
    const fence = modules.get(name)
    return fence === undefined ? text : `${fence.file}:${fence.line + Number(line) - moduleOf(fence).offset - 1}`
  })

const main = (): number => {
  const started = performance.now()
  const folder = join(root, ".doctest")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })

  const documents = [
    "README.md",
    ...filesUnder("docs").filter((file) => file.endsWith(".md")),
    ...filesUnder("src").filter((file) => file.endsWith(".ts"))
  ]
  const fences = documents
    .filter((file) => filesUnder(".").includes(file))
    .flatMap((file) => fencesOf(file, read(file)))
  const skipped = fences.filter((fence) => fence.words.includes("no-check")).length
  const modules = new Map<string, Fence>()
  for (const fence of fences) {
    if (!fence.words.includes("no-check")) modules.set(`${fence.file.replace(/\W+/g, "-")}-${fence.line}.ts`, fence)
  }

  for (const [name, fence] of modules) writeFileSync(join(folder, name), moduleOf(fence).source)
  writeFileSync(
    join(folder, "equal.ts"),
    `import { expect } from "@effect/vitest"\n\nexport const equal = (actual: unknown, expected: unknown) => expect(actual).toEqual(expected)\n`
  )
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"],
      exclude: []
    })
  )
  const compiled = run(bin("tsc"), ["-p", ".doctest/tsconfig.json", "--pretty", "false"])
  const diagnostics = diagnosticsOf(compiled.stdout)
  const verdicts = judge(modules, diagnostics)
  const elsewhere = diagnostics.filter((d) => ![...modules.keys()].some((name) => d.file.endsWith(name)))

  const failures = [
    ...verdicts.flatMap((verdict) => verdict.problems),
    ...elsewhere.map((d) => `${d.file}:${d.line} error ${d.code}: ${d.message}`)
  ]
  if (compiled.status !== 0 && diagnostics.length === 0) failures.push(`tsc failed:\n${compiled.output}`)
  for (const failure of failures) console.log(failure)

  const runnable = [...modules].filter(
    ([, { words }], index) =>
      !words.includes("no-run") && !words.includes("refuses") && verdicts[index]!.problems.length === 0
  )
  const count = (word: string) => [...modules.values()].filter((fence) => fence.words.includes(word)).length
  let status = failures.length > 0 ? 1 : 0
  if (runnable.length > 0) {
    const cases = runnable.map(
      ([name, { file, line }]) =>
        `  it("${file}:${line}", () => import("./${name}") as Promise<unknown> as Promise<void>, 15_000)`
    )
    writeFileSync(
      join(folder, "examples.test.ts"),
      `import { describe, it } from "@effect/vitest"\n\ndescribe("documentation", () => {\n${cases.join("\n")}\n})\n`
    )
    const ran = run(bin("vitest"), ["run", "--config", "vitest.doctest.ts", "--reporter", "dot"])
    if (ran.status !== 0) {
      status = 1
      failures.push("a run")
      console.log(inDocuments(ran.output, modules))
    }
  }
  console.log(
    `doctest: ${modules.size} examples compiled, ${runnable.length} run, ${count("refuses")} refused, ${skipped} skipped,` +
      ` ${failures.length} problems, ${seconds(started)}`
  )
  return status
}

if (isMain(import.meta.url)) process.exitCode = main()
