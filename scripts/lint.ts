/**
 * `npm run lint`: scripts/rings.ts, scripts/graph.ts and scripts/mocks.ts, then oxlint with .oxlintrc.json.
 *
 * oxlint is not a dev dependency: its lock entries name binaries for platforms that npm may lack, and `npm ci` would
 * fail on all of them. So npx fetches one pinned version, once. Without it lint fails; it never passes unchecked.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { check as graphOf } from "./graph.ts"
import { check as mocksOf } from "./mocks.ts"
import { root, run, seconds } from "./run.ts"

const version = "1.94.0"
const started = performance.now()
const oxlint = (cwd: string, ...args: ReadonlyArray<string>) =>
  run("npx", ["-y", `oxlint@${version}`, "--config", join(cwd, ".oxlintrc.json"), ...args], { cwd })

/** A file that must be refused for each rule that we count on: proof that .oxlintrc.json still does what it says. */
const canaries: Readonly<Record<string, readonly [rule: string, source: string]>> = {
  "src/Any.ts": ["no-explicit-any", "export const a: any = 1"],
  "src/Console.ts": ["no-console", 'console.log("a")'],
  "src/Node.ts": ["no-restricted-globals", "export const a = process.env"],
  "src/Barrel.ts": ["no-restricted-imports", 'import { Effect } from "effect"\nexport const a = Effect.void'],
  "src/Adapter.ts": ["no-restricted-imports", 'import { a } from "./http/A.ts"\nexport const b = a'],
  "src/internal/adapter.ts": ["no-restricted-imports", 'import { a } from "../http/A.ts"\nexport const b = a'],
  "src/http/A.ts": ["no-restricted-imports", 'import { a } from "../testing/A.ts"\nexport const b = a'],
  "src/CycleA.ts": ["no-cycle", 'import { b } from "./CycleB.ts"\nexport const a = () => b'],
  "src/CycleB.ts": ["no-cycle", 'import { a } from "./CycleA.ts"\nexport const b = () => a'],
  "examples/shop/main.ts": ["no-restricted-imports", 'import { a } from "../../src/index.ts"\nexport const b = a']
}

/** The same for scripts/mocks.ts. */
const mockCanaries: Readonly<Record<string, string>> = {
  "test/a.test.ts": 'vi.mock("../src/Policy.ts")',
  "test/b.test.ts": 'import * as Policy from "../src/Policy.ts"\nvi.spyOn(Policy, "retry")',
  "examples/shop/shop.test.ts": 'const state = vi.hoisted(() => ({}))\nvi.doMock("stripe", () => state)',
  "scripts/a.ts": 'import { mock } from "node:test"\nmock.module("stripe", {})',
  "src/testing/A.ts": 'jest.mock("stripe")',
  "vitest.config.ts": 'vi.stubGlobal("fetch", () => {})'
}

/** The same for scripts/graph.ts. */
const graphCanaries: Readonly<Record<string, string>> = {
  "src/Barrel.ts": 'import { Effect } from "effect"',
  "src/Redis.ts": 'import * as RateLimiter from "effect/persistence/RateLimiter"',
  "src/Sql.ts": 'export * as Store from "./sql/SqlStore.ts"',
  "src/Node.ts": 'import { readFileSync } from "node:fs"'
}

const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const script = (name: string) => {
  const ran = run(process.execPath, [join(root, "scripts", name)])
  process.stdout.write(ran.stdout + ran.stderr)
  return ran.status === 0
}
const fine = [script("rings.ts"), script("graph.ts"), script("mocks.ts")].every(Boolean)

const found = oxlint(root)
if (!/Found \d+ warnings? and \d+ errors?\./.test(found.output)) {
  process.stderr.write(found.output)
  fail(
    `lint: oxlint ${version} did not run, so nothing was linted. npx fetches it from the npm registry the first time` +
      ` (18 MB) and keeps it in npm's cache: connect once, then lint also works offline.`
  )
}
process.stdout.write(found.stdout)

const folder = mkdtempSync(join(tmpdir(), "breakwater-lint-"))
for (const [path, [, source]] of Object.entries(canaries)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), `${source}\n`)
}
cpSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"))
const canaryOutput = oxlint(folder, "--format", "unix").output
rmSync(folder, { recursive: true, force: true })
const silent = Object.entries(canaries).filter(
  ([path, [rule]]) => !canaryOutput.split("\n").some((line) => line.includes(path) && line.includes(`(${rule})`))
)
for (const [path, [rule]] of silent) console.error(`lint: .oxlintrc.json no longer refuses ${path} for ${rule}`)
const unmocked = Object.entries(mockCanaries).filter(([path, source]) => mocksOf([{ path, source }]).length === 0)
for (const [path] of unmocked) console.error(`lint: scripts/mocks.ts no longer refuses ${path}`)
const loaded = Object.entries(graphCanaries).filter(
  ([path, source]) => graphOf((asked) => (asked === path ? source : undefined), [path]).length === 0
)
for (const [path] of loaded) console.error(`lint: scripts/graph.ts no longer refuses ${path}`)

const total = [canaries, mockCanaries, graphCanaries].flatMap((each) => Object.keys(each)).length
const missed = silent.length + unmocked.length + loaded.length
console.log(`lint: ${total - missed} of ${total} canaries refused, ${seconds(started)}`)
if (!fine || found.status !== 0 || missed > 0) process.exitCode = 1
