/**
 * Who may import whom inside the repository (DESIGN "Rings"), and what library code may not do at all.
 *
 * `npm run lint` runs this before oxlint, which can express neither "types only" per ring nor a rule over `try`.
 * To add a module, add its name to `rings` below. To let one file break one rule, add a line to `exceptions` with the reason.
 */
import { existsSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { filesUnder, isMain, read } from "./run.ts"
import { blank, importsOf, lineAt } from "./source.ts"

/** Ring of every module that stands directly in src/. `Policy*` is ring 1 by its name. */
export const rings: ReadonlyArray<ReadonlyArray<string>> = [
  [
    "IdempotencyKey",
    "Idempotency",
    "Outcome",
    "CallFailure",
    "Conditional",
    "Reason",
    "PolicyError",
    "Call",
    "Deadline",
    "Streaming",
    "OutboxEntry"
  ],
  [
    "Operation",
    "Policy",
    "AttemptTimeout",
    "TotalDeadline",
    "Retry",
    "RetryBudget",
    "CircuitBreaker",
    "Breaker",
    "Bulkhead",
    "RateLimit",
    "Hedge",
    "Decode",
    "Translate",
    "Span",
    "Exhaustion",
    "OutboxStore",
    "Telemetry"
  ],
  [
    "Integration",
    "Outbox",
    "OutboxStoreMemory",
    "OutboxWorker",
    "OutboxError",
    "OutboxAdmin",
    "Pages",
    "PagesError",
    "Polling",
    "PollingError",
    "PollingOperation",
    "Receiver",
    "IdempotencyStore",
    "IdempotencyStoreMemory",
    "IdempotencySweeper",
    "Webhook",
    "WebhookError"
  ]
]

/** Folders of src/, and which other folders each may import. Their own files, and rings 0 to 2, they always may. */
const folders: Readonly<Record<string, { readonly ring: string; readonly mayImport: ReadonlyArray<string> }>> = {
  http: { ring: "ring 3", mayImport: [] },
  sql: { ring: "ring 3", mayImport: [] },
  redis: { ring: "ring 3", mayImport: [] },
  workflow: { ring: "ring 3", mayImport: [] },
  compiled: { ring: "ring 3", mayImport: [] },
  undici: { ring: "ring 3", mayImport: ["http", "compiled"] },
  dashboard: { ring: "dashboard", mayImport: ["http"] },
  cli: { ring: "the command line", mayImport: ["sql"] },
  testing: { ring: "testing", mayImport: ["http"] }
}

/** The folders that may import Node's modules, and that nothing else in src/ may import, but for the command line. */
const nodeFolders: ReadonlyArray<string> = ["src/sql/node/", "src/testing/node/", "src/undici/", "src/cli/"]
const nodeFolderOf = (path: string): string | undefined => nodeFolders.find((folder) => path.startsWith(folder))

/** Which rings may import Effect's unstable modules: not at all, as types, or at run time. */
const unstableIn: ReadonlyArray<"never" | "types"> = ["never", "types", "types"]

export interface Exception {
  readonly file: string
  /** An import specifier, or the `rule` of a violation. */
  readonly allow: string
  readonly because: string
}

/** One line per file that may break a rule. Each needs a reason that a reviewer can check. */
export const exceptions: ReadonlyArray<Exception> = [
  {
    file: "src/internal/circuitStore.ts",
    allow: "effect/persistence/CircuitBreaker",
    because: "types only: a breaker that processes share keeps its circuits in Effect's store (DECISIONS)"
  },
  ...["timer", "clock"].map((rule) => ({
    file: "src/internal/deadlines.ts",
    allow: rule,
    because: "one timer for the limits of all calls on the live clock; any other clock takes Effect's own sleep"
  })),
  {
    file: "src/internal/stack.ts",
    allow: "clock",
    because: "how often a stack is taken is no matter of the program's time, and the caller has no fiber yet"
  },
  {
    file: "src/internal/rateStore.ts",
    allow: "effect/persistence/RateLimiter",
    because: "types only: a rate limit that processes share keeps its tokens in Effect's store (DECISIONS)"
  },
  ...["Digest", "Mac", "SecureRandom", "Signature"].map((module) => ({
    file: "src/internal/webhookCrypto.ts",
    allow: `effect/crypto/${module}`,
    because: "a signature is checked by Effect's own cryptography, in this one file, rather than by a MAC written here"
  })),
  {
    file: "src/cli/internal/postgres.ts",
    allow: "@effect/sql-pg/PgClient",
    because: "loaded only for a postgres:// URL, and a clear message says so where it is not installed"
  },
  ...["UndiciHttpClient", "internal/exchange", "internal/whole"].map((file) => ({
    file: `src/undici/${file}.ts`,
    allow: "undici",
    because: "an optional peer: nothing outside src/undici imports this folder (DECISIONS)"
  })),
  {
    file: "src/internal/timer.ts",
    allow: "timer",
    because: "one timer and one fiber per limit where Effect.timeout takes two fibers; TestClock takes Effect's way"
  }
]

export interface SourceFile {
  readonly path: string
  readonly source: string
}

export interface Violation {
  readonly file: string
  readonly line: number
  readonly rule: string
  readonly what: string
  readonly why: string
  readonly instead: string
}

export interface Options {
  readonly isUnstable: (specifier: string) => boolean
  readonly exceptions?: ReadonlyArray<Exception>
}

type Place =
  | { readonly _tag: "Ring"; readonly ring: number }
  | { readonly _tag: "Folder"; readonly folder: string }
  | { readonly _tag: "Internal" }
  | { readonly _tag: "Entry"; readonly folder: string | undefined }
  | { readonly _tag: "Unlisted" }

const ringOf = (name: string): number | undefined => {
  const ring = rings.findIndex((names) => names.includes(name))
  return ring >= 0 ? ring : /^Policy[A-Z]/.test(name) ? 1 : undefined
}

const placeOf = (path: string): Place => {
  const [, first = "", ...rest] = path.split("/")
  if (rest.length === 0) {
    if (first === "index.ts") return { _tag: "Entry", folder: undefined }
    const ring = ringOf(first.replace(/\.ts$/, ""))
    return ring === undefined ? { _tag: "Unlisted" } : { _tag: "Ring", ring }
  }
  if (first === "internal") return { _tag: "Internal" }
  if (!(first in folders)) return { _tag: "Unlisted" }
  return rest.length === 1 && rest[0] === "index.ts"
    ? { _tag: "Entry", folder: first }
    : { _tag: "Folder", folder: first }
}

const nameOf = (path: string): string => {
  const place = placeOf(path)
  switch (place._tag) {
    case "Ring":
      return `${path} (ring ${place.ring})`
    case "Folder":
      return `${path} (${folders[place.folder]!.ring})`
    case "Internal":
      return `${path} (internal)`
    default:
      return path
  }
}

const banned: ReadonlyArray<{ rule: string; pattern: RegExp; what: string; why: string; instead: string }> = [
  {
    rule: "try",
    pattern: /(?<![.\w$])try\s*\{/g,
    what: "uses try/catch",
    why: "a thrown value has no type, and catch also swallows defects and interruption",
    instead: "Effect.try or Effect.tryPromise with a typed `catch`, or Result.try where there is no Effect"
  },
  {
    rule: "clock",
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/g,
    what: "reads the wall clock",
    why: "TestClock does not move it, so virtual time in tests and Simulation would lie",
    instead: "yield* Clock.currentTimeMillis (effect/Clock)"
  },
  {
    rule: "random",
    pattern: /\bMath\.random\b|\bcrypto\.(?:randomUUID|getRandomValues)\b/g,
    what: "draws a random value outside Effect",
    why: "a seed must reproduce every test and every jitter",
    instead: "yield* Random.next (effect/Random), or take a generator as an argument"
  },
  {
    rule: "timer",
    pattern: /(?<![.\w$])(?:setTimeout|setInterval|setImmediate)\s*\(/g,
    what: "starts a timer of its own",
    why: "interruption does not cancel it and TestClock does not fire it",
    instead: "Effect.sleep, Effect.timeout or a Schedule"
  }
]

/** Checks the files (paths from the root of the repository, with `/`) and returns every violation. */
export const check = (files: ReadonlyArray<SourceFile>, options: Options): ReadonlyArray<Violation> => {
  const allowed = options.exceptions ?? exceptions
  const violations: Array<Violation> = []
  const imports = new Map(files.map((file) => [file.path, importsOf(file.source)]))
  const resolve = (from: string, specifier: string) => posix.normalize(posix.join(posix.dirname(from), specifier))
  const report = (violation: Violation) => {
    if (!violations.some((v) => v.file === violation.file && v.line === violation.line && v.what === violation.what)) {
      violations.push(violation)
    }
  }

  for (const { path, source } of files) {
    const except = (name: string) => allowed.some((e) => e.file === path && e.allow === name)
    if (path.startsWith("examples/")) {
      for (const { line, specifier } of imports.get(path)!) {
        if (!specifier.startsWith(".") || resolve(path, specifier).startsWith("examples/")) continue
        report({
          file: path,
          line,
          rule: "examples",
          what: `imports "${specifier}", which is outside examples/`,
          why: "an example must read, and compile, as it does for a user of the package",
          instead: 'import from "breakwater", "breakwater/http" or "breakwater/testing"'
        })
      }
      continue
    }
    if (!path.startsWith("src/")) continue

    const place = placeOf(path)
    if (place._tag === "Unlisted") {
      report({
        file: path,
        line: 1,
        rule: "unlisted",
        what: "belongs to no ring",
        why: "a module that no ring lists may import anything, and then the rings mean nothing",
        instead: "add it to the table `rings` (or `folders`) in scripts/rings.ts"
      })
      continue
    }

    const code = blank(source).code
    for (const { instead, pattern, rule, what, why } of banned) {
      if (except(rule)) continue
      for (const match of code.matchAll(pattern)) {
        report({
          file: path,
          line: lineAt(source, match.index),
          rule,
          what: `${what} (${match[0].trim()})`,
          why,
          instead
        })
      }
    }

    for (const { line, specifier, typeOnly } of imports.get(path)!) {
      if (except(specifier)) continue
      const at = { file: path, line }
      if (!specifier.startsWith(".")) external(at, place, specifier, typeOnly)
      else if (!specifier.endsWith(".ts")) {
        report({
          ...at,
          rule: "extension",
          what: `imports "${specifier}" without the extension .ts`,
          why: "Node runs src directly, and tsc rewrites .ts to .js in dist",
          instead: `write the file's name in full, "${specifier.replace(/\.js$/, "")}.ts"`
        })
      } else internal(at, place, resolve(path, specifier))
    }
  }
  throughInternal()
  return violations.toSorted((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))

  function external(at: { file: string; line: number }, place: Place, specifier: string, typeOnly: boolean) {
    if (specifier.startsWith("node:") && nodeFolderOf(at.file) !== undefined) return
    if (specifier !== "effect" && !specifier.startsWith("effect/")) {
      return report({
        ...at,
        rule: "dependency",
        what: `imports "${specifier}"`,
        why:
          specifier === "breakwater" || specifier.startsWith("breakwater/")
            ? "inside src the package's own name leads to a barrel, and to cycles"
            : "breakwater has no runtime dependency but effect, and src does not rely on Node",
        instead: specifier.startsWith("breakwater")
          ? "import the file by its relative path"
          : "use an effect module, or take the value as an argument"
      })
    }
    if (specifier === "effect" || /^effect\/[a-z][\w-]*$/.test(specifier)) {
      return report({
        ...at,
        rule: "barrel",
        what: `imports the barrel "${specifier}"`,
        why: "a barrel loads every module behind it",
        instead: `import the module: import * as Name from "${specifier}/Name"`
      })
    }
    if (!options.isUnstable(specifier) || place._tag === "Folder" || place._tag === "Entry") return
    const rule = place._tag === "Ring" ? unstableIn[place.ring]! : "never"
    if (rule === "types" && typeOnly) return
    report({
      ...at,
      rule: "unstable",
      what: `imports "${specifier}", which Effect marks unstable, ${typeOnly ? "as a type" : "at run time"}`,
      why: "an Effect minor release may break adapters, never the model",
      instead:
        rule === "types"
          ? `\`import type\` (whole statement), take the value as an argument, or move the code to an adapter (src/http)`
          : `use a stable module, or move the code to ${place._tag === "Internal" ? "an adapter's own folder (src/http/internal)" : "ring 1 (types only) or an adapter (src/http)"}`
    })
  }

  function internal(at: { file: string; line: number }, place: Place, target: string) {
    const to = placeOf(target)
    if (to._tag === "Entry") {
      return report({
        ...at,
        rule: "barrel",
        what: `imports the barrel ${target}`,
        why: "barrels are for users: inside src they hide who needs whom and make cycles",
        instead: "import the module that holds the name"
      })
    }
    if (to._tag === "Unlisted") return // reported at the file itself
    const refuse = (why: string, instead: string) =>
      report({ ...at, rule: "ring", what: `imports ${nameOf(target)}`, why, instead })

    const node = nodeFolderOf(target)
    const own = nodeFolderOf(at.file)
    if (node !== undefined && own !== node && own !== "src/cli/") {
      return refuse(
        `${node} needs Node, and whoever imports it would need Node too`,
        `move the shared part to ${node.replace("node/", "internal")}`
      )
    }
    if (to._tag === "Folder" && to.folder === "testing" && !inFolder(place, "testing")) {
      return refuse(
        "src never imports testing: test doubles stay out of what ships to production",
        "move the shared part to src/internal"
      )
    }
    switch (place._tag) {
      case "Ring": {
        if (to._tag === "Folder") {
          return refuse(
            `a module of ring ${place.ring} knows no adapter`,
            "let the adapter import this module, and hand its value in as an argument or a service"
          )
        }
        if (to._tag === "Ring" && to.ring > place.ring) {
          return refuse(
            `a module of ring ${place.ring} may import ${place.ring === 0 ? "ring 0" : `rings 0 to ${place.ring}`} only`,
            `move what both need down to ring ${place.ring}, or this code up to ring ${to.ring}`
          )
        }
        return
      }
      case "Internal":
        if (to._tag === "Folder") {
          refuse(
            "src/internal serves every ring, so it knows no adapter",
            `move this file to src/${to.folder}/internal`
          )
        }
        return // rings are checked for its users, below
      case "Folder":
      case "Entry": {
        if (to._tag !== "Folder" || to.folder === place.folder) return
        if (place.folder !== undefined && folders[place.folder]!.mayImport.includes(to.folder)) return
        return place.folder === undefined
          ? refuse(
              "the main entry gives rings 0 to 2; adapters have entries of their own",
              `export it from src/${to.folder}/index.ts`
            )
          : refuse(
              `${folders[place.folder]!.ring} may not import ${to.folder}/`,
              "move what both need to rings 0 to 2 or to src/internal"
            )
      }
    }
  }

  /** src/internal may import what its users may: so nothing above the lowest ring that reaches it. */
  function throughInternal() {
    for (const { path: user } of files) {
      const place = user.startsWith("src/") ? placeOf(user) : undefined
      if (place?._tag !== "Ring") continue
      const seen = new Set<string>()
      const queue = [user]
      for (const file of queue) {
        for (const { line, specifier } of imports.get(file) ?? []) {
          if (!specifier.startsWith(".") || allowed.some((e) => e.file === file && e.allow === specifier)) continue
          const target = resolve(file, specifier)
          const to = placeOf(target)
          if (to._tag === "Internal" && !seen.has(target)) {
            seen.add(target)
            queue.push(target)
          }
          if (file !== user && to._tag === "Ring" && to.ring > place.ring) {
            report({
              file,
              line,
              rule: "ring",
              what: `imports ${nameOf(target)}`,
              why: `${nameOf(user)} uses this internal file, and would reach ring ${to.ring} through it`,
              instead: `split the file, or move what ${posix.basename(user)} needs to ring ${place.ring}`
            })
          }
        }
      }
    }
  }
}

const inFolder = (place: Place, folder: string): boolean =>
  (place._tag === "Folder" || place._tag === "Entry") && place.folder === folder

/** An Effect module is unstable when no export of the installed version is marked stable. */
export const unstableByTags = (specifier: string): boolean => {
  const file = new URL(`../node_modules/effect/src/${specifier.slice("effect/".length)}.ts`, import.meta.url)
  return existsSync(file) && !readFileSync(file, "utf8").includes("@stability stable")
}

export const format = (v: Violation): string =>
  `${v.file}:${v.line} ${v.what} [${v.rule}]\n  why: ${v.why}\n  instead: ${v.instead}`

if (isMain(import.meta.url)) {
  const files = [...filesUnder("src"), ...filesUnder("examples")].filter((path) => path.endsWith(".ts"))
  const violations = check(
    files.map((path) => ({ path, source: read(path) })),
    { isUnstable: unstableByTags }
  )
  for (const violation of violations) console.log(format(violation))
  console.log(`rings: ${files.length} files, ${violations.length} violations`)
  if (violations.length > 0) process.exitCode = 1
}
