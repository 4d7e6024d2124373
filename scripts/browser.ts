/**
 * `npm run test:browser`: the suites that drive a browser. Like `npm run test:stores` it fails where one was skipped, unless
 * a developer has no browser; then it says so. Arguments go to vitest.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { missing } from "../test/dashboard/browser/chromium.ts"
import { bin, isMain, run } from "./run.ts"
import { browser } from "./slow.ts"

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: ReadonlyArray<{ readonly assertionResults: ReadonlyArray<{ readonly status: string }> }>
}

const main = (): number => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-browser-"))
  const file = join(folder, "report.json")
  const given = process.argv.slice(2)
  const { status } = run(
    bin("vitest"),
    [
      "run",
      ...(given.some((argument) => argument.startsWith(browser)) ? [] : [browser]),
      // One file at a time: a browser takes a core of its own, and three would make each other slow.
      "--no-file-parallelism",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
      ...given
    ],
    { show: true }
  )
  const report = JSON.parse(readFileSync(file, "utf8")) as Report
  rmSync(folder, { recursive: true })
  const skipped = report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter((test) => test.status !== "passed" && test.status !== "failed").length
  console.log(`test:browser: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`)
  if (missing !== undefined) console.error(`test:browser: ${missing}`)
  if (status !== 0) return 1
  const needed = process.env["CI"] !== undefined && given.length === 0
  return needed && (skipped > 0 || report.numPassedTests === 0) ? 1 : 0
}

if (isMain(import.meta.url)) process.exitCode = main()
