/**
 * `npm test`: every suite but the slow ones and those that need a browser. Arguments go to vitest:
 * `npm test -- test/Policy.test.ts`. One of those that is named is run.
 */
import { bin, isMain, run } from "./run.ts"
import { browser, slow } from "./slow.ts"

const main = (): number => {
  const given = process.argv.slice(2)
  const excluded = [...slow, browser]
    .filter((path) => !given.some((argument) => argument.startsWith(path)))
    .flatMap((path) => ["--exclude", path.endsWith(".ts") ? path : `${path}/**`])
  return run(bin("vitest"), ["run", ...excluded, ...given], { show: true }).status
}

if (isMain(import.meta.url)) process.exitCode = main()
