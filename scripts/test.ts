/**
 * `npm test`: every suite but the slow ones. Arguments go to vitest: `npm test -- test/Policy.test.ts`. A slow one that is
 * named is run.
 */
import { bin, isMain, run } from "./run.ts"
import { slow } from "./slow.ts"

const main = (): number => {
  const given = process.argv.slice(2)
  const excluded = slow
    .filter((path) => !given.some((argument) => argument.startsWith(path)))
    .flatMap((path) => ["--exclude", path.endsWith(".ts") ? path : `${path}/**`])
  return run(bin("vitest"), ["run", ...excluded, ...given], { show: true }).status
}

if (isMain(import.meta.url)) process.exitCode = main()
