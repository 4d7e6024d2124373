/**
 * `npm run build`: a clean dist/ from src/, by tsc, once without and once with the types of Node; then the calls that a
 * module makes as it loads are marked as pure (scripts/pure.ts).
 */
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { markPure } from "./pure.ts"
import { bin, filesUnder, isMain, read, root, run, seconds } from "./run.ts"

export const build = (): number => {
  const started = performance.now()
  rmSync(join(root, "dist"), { recursive: true, force: true })
  // Twice: the second one knows Node's types, which the first must not need.
  const status = ["tsconfig.build.json", "tsconfig.build.node.json"]
    .map((project) => run(bin("tsc"), ["-p", project], { show: true }).status)
    .reduce((worst, status) => Math.max(worst, status), 0)
  const modules = filesUnder("dist").filter((file) => file.endsWith(".js"))
  for (const file of modules) writeFileSync(join(root, file), markPure(read(file)))
  console.log(`build: ${modules.length} modules, ${seconds(started)}`)
  return status
}

if (isMain(import.meta.url)) process.exitCode = build()
