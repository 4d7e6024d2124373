/** `npm run build`: a clean dist/ from src/, by tsc alone, once without and once with the types of Node. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { bin, filesUnder, isMain, root, run, seconds } from "./run.ts"

export const build = (): number => {
  const started = performance.now()
  rmSync(join(root, "dist"), { recursive: true, force: true })
  // Twice: the second one knows Node's types, which the first must not need.
  const status = ["tsconfig.build.json", "tsconfig.build.node.json"]
    .map((project) => run(bin("tsc"), ["-p", project], { show: true }).status)
    .reduce((worst, status) => Math.max(worst, status), 0)
  console.log(`build: ${filesUnder("dist").filter((file) => file.endsWith(".js")).length} modules, ${seconds(started)}`)
  return status
}

if (isMain(import.meta.url)) process.exitCode = build()
