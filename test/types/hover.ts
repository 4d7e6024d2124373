/**
 * What an editor shows on a name, held against the comments of test/types/accepts/hover.ts. TypeScript 7 has no API for
 * tools, so this asks the language service of 5.9.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { read, root, squeeze } from "../../scripts/run.ts"

const fixture = "test/types/accepts/hover.ts"
const maxLines = 3

/** The part of TypeScript 5.9 that is used here. Its own types are there only once it is installed. */
interface Typescript {
  readonly sys: {
    readonly fileExists: (path: string) => boolean
    readonly readFile: (path: string) => string | undefined
  }
  readonly getParsedCommandLineOfConfigFile: (
    path: string,
    options: object,
    host: object
  ) => { readonly options: object } | undefined
  readonly getDefaultLibFilePath: (options: object) => string
  readonly ScriptSnapshot: { readonly fromString: (text: string) => object }
  readonly createLanguageService: (host: object) => {
    readonly getQuickInfoAtPosition: (
      file: string,
      position: number
    ) => { readonly displayParts?: ReadonlyArray<{ readonly text: string }> } | undefined
    readonly getEmitOutput: (
      file: string,
      declarationsOnly: boolean
    ) => { readonly outputFiles: ReadonlyArray<{ readonly text: string }> }
  }
}

const serviceFor = (file: string) => {
  const ts = createRequire(import.meta.url)("./ts5/node_modules/typescript/lib/typescript.js") as Typescript
  const config = ts.getParsedCommandLineOfConfigFile(join(root, "test/types/tsconfig.json"), {}, ts.sys)!
  return ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => true,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (path: string) => {
      const text = ts.sys.fileExists(path) ? ts.sys.readFile(path) : undefined
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => ({ ...config.options, noEmit: false }),
    getDefaultLibFileName: ts.getDefaultLibFilePath
  })
}

/** What is wrong with the hovers and the declaration of the fixture. */
export const hoverProblems = (): { readonly hovers: number; readonly problems: ReadonlyArray<string> } => {
  const file = join(root, fixture)
  const service = serviceFor(file)
  const source = read(fixture)
  const problems: Array<string> = []
  const comments = [...source.matchAll(/^ *\/\/ hover (\w+): (.+)\n/gm)]
  for (const { 0: comment, 1: name = "", 2: expected = "", index } of comments) {
    const line = source.slice(0, index).split("\n").length
    const info = service.getQuickInfoAtPosition(file, source.indexOf(name, index + comment.length))
    const shown = (info?.displayParts ?? []).map(({ text }) => text).join("")
    if (squeeze(shown) !== squeeze(expected)) problems.push(`${fixture}:${line} ${name} shows: ${shown}`)
    if (shown.split("\n").length > maxLines)
      problems.push(`${fixture}:${line} ${name} shows more than ${maxLines} lines`)
  }
  const declaration = service
    .getEmitOutput(file, true)
    .outputFiles.map(({ text }) => text)
    .join("")
  if (declaration === "") problems.push(`${fixture} has no declaration on TypeScript 5.9`)
  // Methods, and not the operations and endpoints that they come from: those are what makes a declaration long.
  if (/HttpApiEndpoint|Operation\b/.test(declaration)) {
    problems.push(`${fixture} has a declaration that names more than methods:\n${declaration}`)
  }
  return { hovers: comments.length, problems }
}
