/**
 * No module mocks, in any file of the repository: a test swaps a layer.
 *
 * A module mock replaces what an import gives, by the name of a file, for every test of that file, and the compiler does
 * not look. A layer does the same where the compiler sees it. `npm run lint` runs this beside scripts/rings.ts.
 */
import { filesUnder, isMain, read } from "./run.ts"
import { format, type SourceFile, type Violation } from "./rings.ts"
import { blank, importsOf, lineAt } from "./source.ts"

/** Packages that replace modules as they are loaded. */
const packages: ReadonlySet<string> = new Set([
  "esmock",
  "mock-require",
  "mockery",
  "proxyquire",
  "quibble",
  "rewire",
  "rewiremock",
  "testdouble"
])

const mocking =
  "mock|doMock|hoisted|importMock|unstable_mockModule|setMock|requireMock|createMockFromModule|enableAutomock"
const stubbing = "stubGlobal"
const globals: ReadonlySet<string> = new Set(["globalThis", "global", "window", "self"])

const name = String.raw`[A-Za-z_$][\w$]*`

/** The names that a file binds to modules, or to what they export: replacing a member of one is a module mock too. */
const bindingsOf = (code: string): ReadonlySet<string> => {
  const bound = new Set<string>()
  for (const [, clause = ""] of code.matchAll(/\bimport\s+(?!type\b)([\w$\s{},*]+?)\s+from\s*["']/g)) {
    for (const part of clause.split(/[{},]/)) {
      const last = new RegExp(`(?:^|\\bas\\s+)(${name})\\s*$`).exec(part.trim())
      if (last !== null) bound.add(last[1]!)
    }
  }
  for (const [, names = ""] of code.matchAll(/\b(?:const|let|var)\s+([\w$\s{},:]+?)\s*=\s*await\s+import\b/g)) {
    for (const [one] of names.matchAll(new RegExp(name, "g"))) bound.add(one)
  }
  return bound
}

/** What the file calls `vi`, `vitest` or `jest`. */
const runnersOf = (code: string): string => {
  const aliases = [...code.matchAll(new RegExp(`\\b(?:vi|vitest|jest)\\s+as\\s+(${name})`, "g"))].map(([, as]) => as!)
  return ["vi", "vitest", "jest", ...aliases].map((one) => one.replaceAll("$", "\\$")).join("|")
}

const why = "it replaces what the compiler has checked, for the whole process, by name"
const instead =
  "swap a layer: IntegrationTest.layer(Integration, upstream), layerMock of the integration, or Layer.succeed of a service"

/** Checks the files (paths from the root of the repository, with `/`) and returns every violation. */
export const check = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Violation> =>
  files.flatMap(({ path, source }) => {
    const found: Array<Violation> = []
    const report = (line: number, what: string) => found.push({ file: path, line, rule: "mock", what, why, instead })
    if (/(^|\/)__mocks__\//.test(path)) report(1, "stands in __mocks__, for a module mock to find it")

    const { code } = blank(source)
    const each = (pattern: string, what: (match: RegExpExecArray) => string | undefined) => {
      for (const match of code.matchAll(new RegExp(pattern, "g"))) {
        const text = what(match)
        if (text !== undefined) report(lineAt(source, match.index), text)
      }
    }
    const runners = runnersOf(code)
    const runner = String.raw`(?<![.\w$])(?:${runners})\s*\??\.\s*`
    const bound = bindingsOf(code)
    const isModule = (target: string | undefined) => target !== undefined && bound.has(target)
    const squeezed = (text: string) => text.replace(/\s+/g, "")

    each(`${runner}(?:${mocking})\\b`, ([text]) => `mocks a module (${squeezed(text)})`)
    each(`${runner}(?:${stubbing})\\b`, ([text]) => `replaces a global (${squeezed(text)})`)
    each(
      String.raw`\{[^{}]*\b(${mocking}|${stubbing})\b[^{}]*\}\s*=\s*(?:${runners})\b`,
      ([, method]) => `takes ${method} out of the test runner`
    )
    each(String.raw`(?<![.\w$])(?:${runners})\s*\[`, () => "calls the test runner by a computed name")
    // node:test and Bun, whose `mock` may also come with a test's context.
    each(String.raw`\bmock\s*\.\s*module\b`, ([text]) => `mocks a module (${squeezed(text)})`)
    each(
      String.raw`(?:${runner}(?:spyOn|replaceProperty)|\bmock\s*\.\s*(?:method|getter|setter|property))\s*\(\s*(${name})`,
      ([, target]) =>
        isModule(target)
          ? `replaces a member of an import (${target})`
          : globals.has(target!)
            ? `replaces a global (a member of ${target})`
            : undefined
    )
    for (const { line, specifier } of importsOf(source)) {
      if (packages.has(specifier)) report(line, `imports "${specifier}", which mocks modules`)
    }
    return found.toSorted((a, b) => a.line - b.line)
  })

/** Every file of the repository that may hold a test or be loaded by one. */
export const sources = (): ReadonlyArray<string> =>
  filesUnder(".").filter(
    (path) => /\.[cm]?[jt]sx?$/.test(path) && !/^(?:\.git|\.doctest|dist|coverage)\/|\.d\.[cm]?ts$/.test(path)
  )

if (isMain(import.meta.url)) {
  const files = sources()
  const violations = check(files.map((path) => ({ path, source: read(path) })))
  for (const violation of violations) console.log(format(violation))
  console.log(`mocks: ${files.length} files, ${violations.length} violations`)
  if (violations.length > 0) process.exitCode = 1
}
