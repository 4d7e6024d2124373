/** The tarball as npm would publish it, for the checks that look at the package from outside. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "./build.ts"
import { read, run } from "./run.ts"

export interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export const manifest = (): Manifest => JSON.parse(read("package.json")) as Manifest

/** Entries that a user imports: every key of `exports` that leads to code. */
export const entriesOf = ({ exports, name }: Manifest): ReadonlyArray<string> =>
  Object.entries(exports)
    .filter(([key, target]) => target !== null && typeof target === "object" && !key.includes("*"))
    .map(([key]) => name + key.slice(1))

/** Builds, packs into a temporary folder, hands over the tarball, and removes the folder (unless KEEP is set). */
export const withTarball = (use: (tarball: string, folder: string) => number): number => {
  if (build() !== 0) return 1
  const folder = mkdtempSync(join(tmpdir(), "breakwater-pack-"))
  const packed = run("npm", ["pack", "--ignore-scripts", "--json", "--loglevel=error", "--pack-destination", folder])
  if (packed.status !== 0) {
    console.error(packed.output)
    return packed.status
  }
  const listed = JSON.parse(packed.stdout) as
    ReadonlyArray<{ filename: string }> | Readonly<Record<string, { filename: string }>>
  const status = use(join(folder, Object.values(listed)[0]!.filename), folder)
  if (process.env["KEEP"] === undefined) rmSync(folder, { recursive: true, force: true })
  else console.log(`kept ${folder}`)
  return status
}
