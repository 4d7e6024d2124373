/**
 * What a client costs before its first call: the CPU of importing it, and the size of its bundle.
 *
 * `npm run build && node test/bench/footprint.ts`, `--rounds 9`, `--json`. Both are measured on the built package, as a user
 * gets it.
 *
 * - import: a fresh process imports `breakwater` and `breakwater/http`; the one beside it imports the modules of Effect that
 *   those name, and nothing else. Each round runs both, and what a process takes to start is not counted.
 * - bundle: footprint/ours.ts against footprint/effect.ts, by rolldown for a browser, minified and gzipped.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { graphOf, importedBy } from "../../scripts/graph.ts"
import { isMain, root } from "../../scripts/run.ts"

export interface Row {
  readonly name: string
  readonly target: number
  readonly ratios: ReadonlyArray<number>
  /** What the ratios are of, in the unit of `unit`: the median of ours, and of what it is compared with. */
  readonly ours: number
  readonly reference: number
  readonly unit: "ms" | "bytes"
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const read = (path: string): string | undefined => {
  const file = join(root, path)
  return existsSync(file) ? readFileSync(file, "utf8") : undefined
}

const client = ["breakwater", "breakwater/http"]

/** The modules of Effect that ours name, of all that are loaded with the client's entries. */
export const neededOfEffect = (): ReadonlyArray<string> => {
  const own = ["dist/index.js", "dist/http/index.js"]
    .flatMap((entry) => [...graphOf(entry, read).keys()])
    .filter((path) => path.startsWith("dist/"))
  const named = own.flatMap((path) => importedBy(read(path) ?? ""))
  return [...new Set(named.filter((specifier) => specifier.startsWith("effect/")))].toSorted()
}

/** Milliseconds of CPU, of all threads, to import modules in a fresh process. */
const importing = (modules: ReadonlyArray<string>): number => {
  const program =
    "const before = process.cpuUsage()\n" +
    `await Promise.all(${JSON.stringify(modules)}.map((module) => import(module)))\n` +
    "const { system, user } = process.cpuUsage(before)\nprocess.stdout.write(String((system + user) / 1000))"
  // The folder is what the package's own name is resolved from. The condition of the sources must not come with it.
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: "", NODE_COMPILE_CACHE: undefined },
    encoding: "utf8"
  })
  if (ran.status !== 0) throw new Error(`importing ${modules.join(", ")} failed: ${ran.stderr.slice(0, 2_000)}`)
  return Number(ran.stdout)
}

const importCpu = (rounds: number): Row => {
  const needed = neededOfEffect()
  // The first of each reads the files from the disk.
  importing(needed)
  importing(client)
  const samples = Array.from({ length: rounds }, (_, round) => {
    // Whichever is second may find the machine warmer.
    const first = round % 2 === 0 ? importing(needed) : undefined
    const ours = importing(client)
    return { ours, reference: first ?? importing(needed) }
  })
  return {
    name: `import of breakwater and breakwater/http, CPU, against the ${needed.length} modules of Effect that they name`,
    target: 1.1,
    ratios: samples.map(({ ours, reference }) => ours / reference),
    ours: median(samples.map(({ ours }) => ours)),
    reference: median(samples.map(({ reference }) => reference)),
    unit: "ms"
  }
}

export interface Bundle {
  readonly min: number
  readonly gzip: number
  /** Bytes of each module that is in it, before it is minified. */
  readonly modules: ReadonlyMap<string, number>
}

export const bundleOf = async (program: string): Promise<Bundle> => {
  const bundle = await rolldown({
    input: join(root, "test/bench/footprint", `${program}.ts`),
    platform: "browser",
    logLevel: "silent",
    resolve: { conditionNames: ["browser", "import", "default"] }
  })
  const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false })
  await bundle.close()
  const [{ code, modules }] = output
  return {
    min: Buffer.byteLength(code),
    gzip: gzipSync(code, { level: 9 }).length,
    modules: new Map(
      Object.entries(modules).map(([id, { renderedLength }]) => [id.slice(root.length + 1), renderedLength])
    )
  }
}

const bundleSize = async (): Promise<Row> => {
  const ours = await bundleOf("ours")
  const reference = await bundleOf("effect")
  return {
    name: "bundle of a client with breakwater, gzipped, against HttpApiClient with a breaker",
    target: 1.15,
    ratios: [ours.gzip / reference.gzip],
    ours: ours.gzip,
    reference: reference.gzip,
    unit: "bytes"
  }
}

/** Both rows. The built package must be there: `npm run build`. */
export const footprint = async (rounds: number): Promise<ReadonlyArray<Row>> => {
  if (read("dist/http/index.js") === undefined) throw new Error("there is no dist: npm run build")
  return [importCpu(rounds), await bundleSize()]
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      json: { type: "boolean", default: false },
      modules: { type: "boolean", default: false }
    }
  })
  if (values.modules) {
    const [ours, reference] = [await bundleOf("ours"), await bundleOf("effect")]
    for (const [path, size] of [...ours.modules].toSorted(([, a], [, b]) => b - a)) {
      const more = size - (reference.modules.get(path) ?? 0)
      if (more > 250) console.log(`${String(more).padStart(8)}  ${path}`)
    }
  } else {
    const rows = await footprint(Number(values.rounds))
    if (values.json) console.log(JSON.stringify(rows, null, 2))
    else {
      for (const { name, ours, ratios, reference, target, unit } of rows) {
        const [least, middle, most] = [Math.min(...ratios), median(ratios), Math.max(...ratios)]
        console.log(
          `${middle.toFixed(2)} × (target ${target}; ${least.toFixed(2)} to ${most.toFixed(2)})  ${name}: ` +
            `${ours.toFixed(0)} ${unit} against ${reference.toFixed(0)}`
        )
      }
    }
  }
}
