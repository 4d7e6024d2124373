/**
 * `npm run test:stores`: the suites of the stores that need a server, with `DATABASE_URL` and `REDIS_URL` set, and those
 * that start so many processes that `npm test` leaves them out. Unlike `npm test` it fails where one of them was skipped.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { bin, isMain, root, run } from "./run.ts"
import { slow } from "./slow.ts"

const files = [
  "test/idempotency",
  "test/redis",
  "test/ReceiverTransactional.test.ts",
  "test/outbox",
  "test/workflow",
  ...slow
]

interface Report {
  readonly numPassedTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: ReadonlyArray<string>
    }>
  }>
}

const main = (): number => {
  const missing = ["DATABASE_URL", "REDIS_URL"].filter((name) => !process.env[name])
  if (missing.length > 0) {
    console.error(
      `test:stores: ${missing.join(" and ")} must be set; .ci/stores npm run test:stores starts servers of its own`
    )
    return 1
  }
  const folder = mkdtempSync(join(tmpdir(), "breakwater-stores-"))
  const file = join(folder, "report.json")
  const { status } = run(
    bin("vitest"),
    // Their processes start while others run: what one test may take is no measure of anything here.
    ["run", ...files, "--testTimeout=60000", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
    {
      show: true
    }
  )
  const report = JSON.parse(readFileSync(file, "utf8")) as Report
  rmSync(folder, { recursive: true })
  const skipped = report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter((test) => test.status !== "passed" && test.status !== "failed")
  for (const { fullName } of skipped.slice(0, 5)) console.error(`test:stores: skipped: ${fullName}`)
  // Once more and last, where a log that was cut keeps them.
  for (const { assertionResults, name } of report.testResults) {
    for (const { failureMessages, fullName, status } of assertionResults) {
      if (status !== "failed") continue
      console.error(`test:stores: failed: ${relative(root, name)}: ${fullName}`)
      for (const message of failureMessages ?? []) console.error(message.split("\n").slice(0, 6).join("\n"))
    }
  }
  console.log(`test:stores: ${report.numPassedTests} passed, ${skipped.length} skipped`)
  return status !== 0 || skipped.length > 0 || report.numPassedTests === 0 ? 1 : 0
}

if (isMain(import.meta.url)) process.exitCode = main()
