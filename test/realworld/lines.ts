/** How long a variant is to its reader. */
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import * as prettier from "prettier"
import { blank, endOfStatement } from "../../scripts/source.ts"

/** Sources after prettier, by the names of their files. */
export type Sources = Readonly<Record<string, string>>

/**
 * The lines of one of several variants in the same folder: those of its file, and of every declaration beside it that it
 * alone uses, directly or through others. What two variants use is shared, and counts for neither.
 */
export const linesOf = (sources: Sources, variants: ReadonlyArray<string>, variant: string): number => {
  const files = new Map(Object.entries(sources).map(([name, source]) => [name, parse(source)]))
  const usedBy = (name: string) => reach(files, name)
  const others = new Set(variants.filter((name) => name !== variant).flatMap((name) => [...usedBy(name)]))
  const own = [...usedBy(variant)].filter((declaration) => !others.has(declaration))
  return files.get(variant)!.lines + own.reduce((sum, { lines }) => sum + lines, 0)
}

/** The same for files on disk. */
export const countLines = (folder: URL, variants: ReadonlyArray<string>, variant: string): Effect.Effect<number> =>
  Effect.promise(async () => {
    const sources: Record<string, string> = {}
    const load = async (name: string): Promise<void> => {
      if (name in sources) return
      const path = fileURLToPath(new URL(name, folder))
      const [source, options] = await Promise.all([readFile(path, "utf8"), prettier.resolveConfig(path)])
      sources[name] = await prettier.format(source, { ...options, parser: "typescript" })
      for (const { from } of parse(sources[name]).imports.values()) await load(from)
    }
    for (const name of variants) await load(name)
    return linesOf(sources, variants, variant)
  })

// ---- reading

interface Declaration {
  /** Not blank, no comment. */
  readonly lines: number
  readonly mentions: ReadonlySet<string>
}

interface File {
  /** Not blank, no comment, no import. */
  readonly lines: number
  /** By name. A schema and the type of its values may have the same. */
  readonly declarations: ReadonlyMap<string, ReadonlyArray<Declaration>>
  /** What is imported from a file beside it, by its name here. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>
}

const declares =
  /^(?:export\s+)?(?:default\s+)?(?:abstract\s+|async\s+)?(?:const|let|class|function\*?|interface|type)\s+([\w$]+)/

const parse = (source: string): File => {
  // Comments are spaces in both. In `code` the contents of strings are too, so that a string can't look like code.
  const { code, text } = blank(source)
  const codeLines = code.split("\n")
  const textLines = text.split("\n")
  const declarations = new Map<string, Array<Declaration>>()
  const imports = new Map<string, { readonly from: string; readonly name: string }>()
  let all = 0
  for (let line = 0; line < codeLines.length; line++) {
    if (textLines[line]!.trim() === "") continue
    const end = endOfStatement(codeLines, line)
    const statement = textLines.slice(line, end + 1)
    if (/^import\b(?!\s*[.(])/.test(codeLines[line]!)) {
      for (const [local, imported] of importsOf(statement.join(" "))) imports.set(local, imported)
    } else {
      const lines = statement.filter((text) => text.trim() !== "").length
      const name = declares.exec(codeLines[line]!)?.[1]
      all += lines
      if (name !== undefined) {
        const mentions = new Set(
          codeLines
            .slice(line, end + 1)
            .join("\n")
            .match(/[\w$]+/g)
        )
        declarations.set(name, [...(declarations.get(name) ?? []), { lines, mentions }])
      }
    }
    line = end
  }
  return { lines: all, declarations, imports }
}

/** The names that an import of a file in the same folder brings; `*` stands for all of them. */
const importsOf = (statement: string): ReadonlyArray<[local: string, { from: string; name: string }]> => {
  const [, clause, from] = /^import\s+(?:type\s+)?(.*?)\s+from\s+"\.\/([^"/]+)"/.exec(statement) ?? []
  if (clause === undefined || from === undefined) return []
  const all = /^\*\s+as\s+([\w$]+)$/.exec(clause)?.[1]
  if (all !== undefined) return [[all, { from, name: "*" }]]
  return clause
    .replace(/^\{|\}$/g, "")
    .split(",")
    .map((name) => name.trim().replace(/^type\s+/, ""))
    .filter((name) => name !== "")
    .map((name) => {
      const [imported, local] = name.split(/\s+as\s+/)
      return [local ?? imported!, { from, name: imported! }]
    })
}

/** Every declaration beside a file that it uses. */
const reach = (files: ReadonlyMap<string, File>, variant: string): ReadonlySet<Declaration> => {
  const found = new Set<Declaration>()
  const use = (file: string, name: string): void => {
    const { declarations, imports } = files.get(file)!
    const imported = imports.get(name)
    if (imported !== undefined) useImported(imported)
    for (const declaration of declarations.get(name) ?? []) {
      if (found.has(declaration)) continue
      found.add(declaration)
      for (const mention of declaration.mentions) if (mention !== name) use(file, mention)
    }
  }
  const useImported = ({ from, name }: { readonly from: string; readonly name: string }): void => {
    if (name !== "*") return use(from, name)
    for (const declared of files.get(from)!.declarations.keys()) use(from, declared)
  }
  for (const imported of files.get(variant)!.imports.values()) useImported(imported)
  return found
}
