/**
 * `npm run test:stores`: the suites of the stores that need a server, with `DATABASE_URL` and `REDIS_URL` set, and those
 * that start so many processes that `npm test` leaves them out. Unlike `npm test` it fails where one of them was skipped.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bin, isMain, run } from "./run.ts"
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
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
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
    ["run", ...files, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
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
  console.log(`test:stores: ${report.numPassedTests} passed, ${skipped.length} skipped`)
  return status !== 0 || skipped.length > 0 || report.numPassedTests === 0 ? 1 : 0
}

if (isMain(import.meta.url)) process.exitCode = main()
