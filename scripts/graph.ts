/**
 * What is loaded with the client's entries, through all modules, Effect's included: no SQL, no Redis, no dashboard, nothing
 * of Node and no barrel of Effect. scripts/rings.ts judges one import at a time, and does not see what a module of Effect
 * brings along: `effect/persistence/RateLimiter` is one import, and loads Redis, a pool and a cache.
 *
 * `npm run lint` runs this. Types cost nothing: only what is left after compilation counts.
 */
import { existsSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { isMain, root } from "./run.ts"
import { importsOf } from "./source.ts"

/** What a client imports, and each of the modules that it can't do without. */
export const entries: ReadonlyArray<string> = [
  "src/Operation.ts",
  "src/Policy.ts",
  "src/Integration.ts",
  "src/index.ts",
  "src/http/index.ts"
]

/** Reads a module by its path from the repository's root; undefined where there is none. */
export type Read = (path: string) => string | undefined

/** Effect as it is published: without types, and with the files that a program loads. */
const effect = "node_modules/effect/dist/"

/** The path of what a module names, or the name itself where it is no module of ours or Effect's. */
const resolve = (from: string, specifier: string): string => {
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(from), specifier))
  if (specifier === "effect") return `${effect}index.js`
  if (!specifier.startsWith("effect/")) return specifier
  const name = specifier.slice("effect/".length)
  return /^[a-z][\w-]*$/.test(name) ? `${effect}${name}/index.js` : `${effect}${name}.js`
}

/** What modules import, by their text: the entries share most of theirs. */
const parsed = new Map<string, ReadonlyArray<string>>()

export const importedBy = (source: string): ReadonlyArray<string> => {
  const known = parsed.get(source)
  if (known !== undefined) return known
  const found = importsOf(source).flatMap(({ specifier, typeOnly }) => (typeOnly ? [] : [specifier]))
  parsed.set(source, found)
  return found
}

/** Every module that is loaded with an entry, with the module that asks for it first. */
export const graphOf = (entry: string, read: Read): ReadonlyMap<string, string | undefined> => {
  const askedBy = new Map<string, string | undefined>([[entry, undefined]])
  for (const [path] of askedBy) {
    for (const specifier of importedBy(read(path) ?? "")) {
      const target = resolve(path, specifier)
      if (!askedBy.has(target)) askedBy.set(target, path)
    }
  }
  return askedBy
}

const refused: ReadonlyArray<readonly [pattern: RegExp, what: string]> = [
  [/^node_modules\/effect\/dist\/(?:.*\/)?index\.js$/, "a barrel of Effect"],
  [/^node_modules\/effect\/dist\/(?:sql|cluster|eventlog|workflow)\//, "SQL and what stores in it"],
  [/^node_modules\/effect\/dist\/persistence\//, "Redis and what is kept in it"],
  [/^src\/(?:sql|redis|workflow)\//, "a store of ours"],
  [/^src\/dashboard\//, "the dashboard"],
  [/^src\/(?:cli|testing|undici)\//, "no part of a client"],
  [/^node:/, "a module of Node"],
  [/^(?!src\/|node_modules\/effect\/|node:)/, "another package"]
]

export interface Violation {
  readonly entry: string
  readonly what: string
  /** From the entry to the module that may not be there. */
  readonly path: ReadonlyArray<string>
}

/** For each entry and each thing that may not be there, the way to the first module of its kind. */
export const check = (read: Read, of: ReadonlyArray<string> = entries): ReadonlyArray<Violation> =>
  of.flatMap((entry) => {
    const graph = graphOf(entry, read)
    return refused.flatMap(([pattern, what]) => {
      const found = [...graph.keys()].find((path) => pattern.test(path))
      if (found === undefined) return []
      const path = [found]
      for (let by = graph.get(found); by !== undefined; by = graph.get(by)) path.unshift(by)
      return [{ entry, what, path }]
    })
  })

export const format = ({ entry, path, what }: Violation): string =>
  `${entry} loads ${what} [graph]\n  by: ${path.join(" → ")}\n` +
  "  instead: import the type only, take the service by its name, or move the code to an entry of its own"

export const readFromDisk: Read = (path) => {
  const file = join(root, path)
  return existsSync(file) ? readFileSync(file, "utf8") : undefined
}

if (isMain(import.meta.url)) {
  const violations = check(readFromDisk)
  for (const violation of violations) console.log(format(violation))
  const sizes = entries.map((entry) => `${entry} ${graphOf(entry, readFromDisk).size}`)
  console.log(`graph: modules loaded with ${sizes.join(", ")}; ${violations.length} violations`)
  if (violations.length > 0) process.exitCode = 1
}
