/** What figures depend on. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os"
import { root } from "../../scripts/run.ts"

export interface Machine {
  readonly node: string
  readonly v8: string
  readonly os: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGB: number
  /** What else ran: the load average of one minute when the run began. */
  readonly load: number
  readonly commit: string
  readonly packages: Readonly<Record<string, string>>
}

const peers = [
  "effect",
  "@effect/platform-node",
  "@effect/sql-pg",
  "undici",
  "cockatiel",
  "opossum",
  "zod",
  "axios",
  "axios-retry",
  "prom-client",
  "@opentelemetry/sdk-trace-base"
]

const installed = (name: string): string => {
  const text = readFileSync(`${root}/node_modules/${name}/package.json`, "utf8")
  return (JSON.parse(text) as { readonly version: string }).version
}

const commit = (): string => {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root, encoding: "utf8" }).trim()
  } catch {
    return "unknown"
  }
}

export const machine = (): Machine => ({
  node: process.version,
  v8: process.versions.v8,
  os: `${type()} ${release()}`,
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  memoryGB: Math.round(totalmem() / 2 ** 30),
  load: Number(loadavg()[0]!.toFixed(2)),
  commit: commit(),
  packages: Object.fromEntries(peers.map((name) => [name, installed(name)]))
})
