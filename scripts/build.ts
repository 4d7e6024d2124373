/** `npm run build`: a clean dist/ from src/, by tsc alone. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { bin, filesUnder, isMain, root, run, seconds } from "./run.ts"

export const build = (): number => {
  const started = performance.now()
  rmSync(join(root, "dist"), { recursive: true, force: true })
  const { status } = run(bin("tsc"), ["-p", "tsconfig.build.json"], { show: true })
  console.log(`build: ${filesUnder("dist").filter((file) => file.endsWith(".js")).length} modules, ${seconds(started)}`)
  return status
}

if (isMain(import.meta.url)) process.exitCode = build()
