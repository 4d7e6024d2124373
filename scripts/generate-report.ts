/**
 * `npm run generate:report -- [--json] [--only NAME]`: whole descriptions through the generator, as a user would do it.
 *
 * The descriptions are fetched once with `npm pack` into `.specs/` (git-ignored), by version and integrity: GitHub's is 28 MB
 * packed, so it is no dependency. What is generated is formatted with prettier, checked by `tsc` with this repository's
 * strict options, linted by our rules, loaded, and every operation is built by `HttpOperation.endpoint`'s own reflection.
 *
 * An operation counts when nothing of that fails for it and the generator lost nothing of it. An error of a schema fails
 * every operation that uses it; an error of a helper, or of what can't be told, fails all.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { format, resolveConfig } from "prettier"
import type { Generated } from "../src/cli/internal/openapi/contract.ts"
import { generate } from "../src/cli/internal/openapi/generate.ts"
import { isMain, root, run } from "./run.ts"

interface Spec {
  readonly name: string
  readonly pack: string
  readonly integrity: string
  readonly file: string
}

const specs: ReadonlyArray<Spec> = [
  {
    name: "GitHub",
    pack: "@octokit/openapi@23.0.2",
    integrity: "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    file: "generated/api.github.com.json"
  },
  {
    name: "rclone",
    pack: "rclone-openapi@1.75.0",
    integrity: "sha512-qkuPnhiFFS0cu5jAcG3TXWKZrkw54KYFCDPL5PDFY5Q3CZcooP4EXuMmcoQKWpmglohk12b65OW31QDVadsjRw==",
    file: "openapi.json"
  }
]

interface Failure {
  readonly operation: string
  readonly reason: string
}

interface Report {
  readonly name: string
  /** In the description: counted there, not by the generator. */
  readonly operations: number
  readonly generated: number
  readonly typeChecked: number
  readonly failures: ReadonlyArray<Failure>
  readonly checks: { readonly sameTwice: boolean; readonly lint: boolean; readonly loads: boolean }
  readonly notes: ReadonlyArray<string>
  readonly bench: {
    readonly generateMs: number
    readonly formatMs: number
    readonly tscMs: number
    /** The generator's process, with the description, and prettier before it starts. */
    readonly generatePeakMB: number
    readonly tscMB: number
    readonly sourceKB: number
  }
}

const folder = join(root, ".specs")
const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const fetched = (spec: Spec): string => {
  const home = join(
    folder,
    spec.pack
      .replace(/^@/, "")
      .replace("/", "-")
      .replace(/@([^@]*)$/, "-$1")
  )
  const archive = `${home}.tgz`
  if (!existsSync(archive)) {
    mkdirSync(folder, { recursive: true })
    const packed = run("npm", ["pack", spec.pack, "--silent", "--pack-destination", folder])
    if (packed.status !== 0)
      fail(`generate:report: npm pack ${spec.pack} failed. It needs the npm registry once.\n${packed.stderr}`)
  }
  const found = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`
  if (found !== spec.integrity)
    fail(`generate:report: ${archive} is not the file that was pinned (${found}). Delete it.`)
  const file = join(home, "package", spec.file)
  if (!existsSync(file)) {
    mkdirSync(home, { recursive: true })
    const unpacked = run("tar", ["-xzf", archive, "-C", home, `package/${spec.file}`])
    if (unpacked.status !== 0) fail(unpacked.stderr)
  }
  return file
}

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

const countOf = (document: unknown): number => {
  const { paths } = document as { readonly paths: Readonly<Record<string, object>> }
  return Object.values(paths)
    .map((item) => Object.keys(item).filter((key) => methods.includes(key)).length)
    .reduce((sum, count) => sum + count, 0)
}

/** Who stands at which line of a formatted file. `undefined` is everybody: the head of the file, or its end. */
export const blame = (source: string, generated: Generated): ((line: number) => ReadonlyArray<string> | undefined) => {
  const lines = source.split("\n")
  const owners: Array<ReadonlyArray<string> | undefined> = []
  let current: ReadonlyArray<string> | undefined
  let group: string | undefined
  for (const line of lines) {
    const named = /^(?:export )?(?:const|type|class|interface) (\w+)/.exec(line)?.[1]
    const ofGroup = /HttpApiGroup\.make\("([^"]+)"\)/.exec(line)?.[1]
    const endpoint = /^\s*HttpApiEndpoint\.\w+(?:\("TRACE"\))?\((?:"([^"]+)")?/.exec(line)
    if (named !== undefined) {
      group = ofGroup
      const users = generated.operations.filter(
        (o) =>
          o.schemas.includes(named) ||
          o.errors.some(
            ({ tag }) =>
              named === tag ||
              named.startsWith(`${tag}Answer`) ||
              named.startsWith(`${tag}4xx`) ||
              named.startsWith(`${tag}5xx`)
          )
      )
      current =
        ofGroup === undefined
          ? users.length === 0
            ? undefined
            : users.map((o) => o.id)
          : generated.operations.filter((o) => o.group === ofGroup).map((o) => o.id)
    } else if (endpoint !== null && group !== undefined) {
      const name = endpoint[1] ?? /^\s*"([^"]+)"/.exec(lines[owners.length + 1] ?? "")?.[1]
      const mine = generated.operations.find((o) => o.group === group && o.name === name)
      if (mine !== undefined) current = [mine.id]
    }
    owners.push(current)
  }
  return (line) => owners[line - 1]
}

const reportOn = async (spec: Spec): Promise<Report> => {
  const file = fetched(spec)
  const document = JSON.parse(readFileSync(file, "utf8")) as unknown
  const began = performance.now()
  const generated = await Effect.runPromise(generate(document, { name: spec.name }))
  const generateMs = performance.now() - began
  const generatePeakMB = process.resourceUsage().maxRSS / 1024
  const again = await Effect.runPromise(generate(document, { name: spec.name }))

  const out = join(folder, "out", spec.name)
  mkdirSync(out, { recursive: true })
  const path = join(out, "api.ts")
  const options = { ...(await resolveConfig(join(root, "package.json"))), parser: "typescript" }
  const formatting = performance.now()
  const source = await format(generated.source, options)
  const formatMs = performance.now() - formatting
  const sameTwice = again.source === generated.source && (await format(source, options)) === source
  writeFileSync(path, source)

  writeFileSync(
    join(out, "tsconfig.json"),
    JSON.stringify({ extends: "../../../tsconfig.json", include: ["api.ts"], exclude: [] })
  )
  const checking = performance.now()
  const tsc = run("tsc", ["-p", out, "--pretty", "false", "--extendedDiagnostics"])
  const tscMs = performance.now() - checking
  const tscMB = Number(/Memory used:\s+(\d+)K/.exec(tsc.stdout)?.[1] ?? Number.NaN) / 1024

  const failures: Array<Failure> = generated.operations.flatMap((o) =>
    o.problems.map((reason) => ({ operation: o.id, reason }))
  )
  const everybody = (reason: string) => {
    for (const o of generated.operations) failures.push({ operation: o.id, reason })
  }
  const owner = blame(source, generated)
  for (const match of tsc.stdout.matchAll(/^(.*)\((\d+),\d+\): (error TS\d+: .*)$/gm)) {
    const users = match[1]!.endsWith("api.ts") ? owner(Number(match[2])) : undefined
    if (users === undefined) everybody(match[3]!)
    else for (const operation of users) failures.push({ operation, reason: match[3]! })
  }
  if (tsc.status !== 0 && !tsc.stdout.includes("error TS")) everybody(`tsc ended with ${tsc.status}: ${tsc.stderr}`)

  const linted = run("npx", ["-y", "oxlint@1.94.0", "--config", join(root, ".oxlintrc.json"), "--no-ignore", path])
  const lint = linted.status === 0 && linted.output.includes("Found 0 warnings and 0 errors")
  if (!lint) everybody("the file does not pass the lint")

  const loaded = run(
    process.execPath,
    [
      "--input-type=module",
      "-C",
      "@breakwater/source",
      "-e",
      `import { reflectEndpoint } from ${JSON.stringify(new URL("../src/http/internal/encoder.ts", import.meta.url).href)}
     const api = (await import(${JSON.stringify(`file://${path}`)}))[${JSON.stringify(generated.apiName)}]
     const broken = []
     for (const [group, name] of JSON.parse(process.env.OPERATIONS)) {
       try { reflectEndpoint(api, group, name) } catch (error) { broken.push([group + "." + name, String(error)]) }
     }
     console.log(JSON.stringify(broken))`
    ],
    { env: { OPERATIONS: JSON.stringify(generated.operations.map((o) => [o.group, o.name])) } }
  )
  if (loaded.status !== 0)
    everybody(`the file does not load: ${loaded.stderr.split("\n").find((line) => line.includes("Error")) ?? ""}`)
  else {
    for (const [operation, reason] of JSON.parse(loaded.stdout) as ReadonlyArray<readonly [string, string]>) {
      failures.push({ operation, reason: `it can't be built: ${reason}` })
    }
  }

  const operations = countOf(document)
  return {
    name: spec.name,
    operations,
    generated: generated.operations.length,
    typeChecked: generated.operations.length - new Set(failures.map(({ operation }) => operation)).size,
    failures,
    checks: { sameTwice, lint, loads: loaded.status === 0 },
    notes: generated.notes,
    bench: {
      generateMs: Math.round(generateMs),
      formatMs: Math.round(formatMs),
      tscMs: Math.round(tscMs),
      generatePeakMB: Math.round(generatePeakMB),
      tscMB: Math.round(tscMB),
      sourceKB: Math.round(source.length / 1024)
    }
  }
}

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`

const print = (report: Report) => {
  const { bench, checks } = report
  console.log(
    `${report.name}: ${report.operations} operations, ${report.generated} generated, ${report.typeChecked} whole and type-checked (${percent(report.typeChecked, report.operations)})`
  )
  console.log(`  the same twice: ${checks.sameTwice}; lint: ${checks.lint}; every operation built: ${checks.loads}`)
  console.log(
    `  generate ${bench.generateMs} ms, ${bench.generatePeakMB} MB; prettier ${bench.formatMs} ms; tsc ${bench.tscMs} ms, ${bench.tscMB} MB; ${bench.sourceKB} KB of source`
  )
  for (const note of report.notes) console.log(`  note: ${note}`)
  for (const { operation, reason } of report.failures) console.log(`  failed: ${operation}: ${reason}`)
}

if (isMain(import.meta.url)) {
  const args = process.argv.slice(2)
  const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined
  const chosen = specs.filter((spec) => only === undefined || spec.name === only)
  if (chosen.length === 0)
    fail(`generate:report: no description is called ${only}; there are ${specs.map((s) => s.name).join(", ")}.`)
  const reports: Array<Report> = []
  for (const spec of chosen) reports.push(await reportOn(spec))
  if (args.includes("--json")) console.log(JSON.stringify({ specs: reports }, undefined, 2))
  else for (const report of reports) print(report)
  const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0)
  const share = percent(
    sum((report) => report.typeChecked),
    sum((report) => report.operations)
  )
  if (!args.includes("--json")) console.log(`all: ${share} of the operations`)
  if (sum((report) => report.typeChecked) / sum((report) => report.operations) < 0.97) {
    console.error(`generate:report: ${share} is below 97 %`)
    process.exitCode = 1
  }
  const unclean = reports.filter(({ checks }) => !checks.sameTwice || !checks.lint || !checks.loads)
  for (const { name } of unclean)
    console.error(`generate:report: ${name} is not the same twice, not clean, or does not load`)
  if (unclean.length > 0) process.exitCode = 1
}
