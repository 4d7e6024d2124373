import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { demo, exitCode, Output } from "../../examples/checkout/cli.ts"
import { crashText, holds } from "../../examples/checkout/crash/report.ts"
import type { CrashResult, StepFigures } from "../../examples/checkout/crash/run.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"

let folder: string
let orders: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkout-crash-test-"))
  orders = join(folder, "orders.ndjson")
  const lines = generateOrders(40).map((order) => `${JSON.stringify(order)}\n`)
  writeFileSync(orders, lines.join(""))
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const text = { out: "", err: "" }
  const exit = yield* Effect.exit(demo(args)).pipe(
    Effect.provideService(Output, {
      out: (more) => {
        text.out += more
      },
      err: (more) => {
        text.err += more
      },
      columns: undefined
    })
  )
  return { ...text, code: exitCode(exit) }
})

const none: StepFigures = { done: 40, lost: 0, twice: 0, listed: 0 }
const result: CrashResult = {
  orders: 40,
  ordersDone: 40,
  kills: 6,
  seconds: 1.23,
  steps: { reserve: none, charge: none, receipt: { ...none, done: 30, listed: 10 } }
}

describe("npm run demo -- --crash", () => {
  it.live(
    "kills the checkout until all orders are done: nothing is lost, nothing is done twice",
    () =>
      Effect.gen(function* () {
        const { code, err, out } = yield* run(["--crash", "--json", "--orders", orders, "--kills", "6", "--seed", "3"])
        assert.strictEqual(code, 0, err)
        const { seconds, steps, ...report } = JSON.parse(out)
        assert.deepStrictEqual(report, { seed: 3, faultRate: 0.15, orders: 40, ordersDone: 40, kills: 6 })
        assert.deepStrictEqual(steps.reserve, none)
        assert.deepStrictEqual(steps.charge, none)
        assert.strictEqual(steps.receipt.lost + steps.receipt.twice, 0)
        // Each is sent, or listed, or both.
        assert.isAtLeast(steps.receipt.done + steps.receipt.listed, 40)
        assert.isAbove(seconds, 0)
        assert.match(err, /^kill 6 of 6: \d+ of 40 orders have ended$/m)
      }),
    120_000
  )

  it("leaves neither a process nor a file behind after Ctrl-C", async () => {
    const main = fileURLToPath(new URL("../../examples/checkout/main.ts", import.meta.url))
    const own = mkdtempSync(join(folder, "tmp-"))
    const child = spawn(process.execPath, ["-C", "@breakwater/source", main, "--crash", "--orders", orders], {
      env: { ...process.env, TMPDIR: own },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let err = ""
    let files = 0
    child.stderr.on("data", (chunk) => {
      err += chunk
      if (files > 0 || !/^kill 1 of /m.test(err)) return
      files = readdirSync(own).length
      child.kill("SIGINT")
    })
    // Not before the last process that holds its standard error has ended.
    const code = await new Promise((resolve) => child.on("close", resolve))
    assert.strictEqual(code, 130, err)
    assert.strictEqual(files, 1)
    assert.deepStrictEqual(readdirSync(own), [])
  }, 120_000)

  it("says when something was lost or done twice, in 80 columns", () => {
    assert.isTrue(holds(result))
    assert.isFalse(holds({ ...result, ordersDone: 39 }))
    assert.isFalse(holds({ ...result, steps: { ...result.steps, charge: { ...none, twice: 1 } } }))
    assert.isFalse(holds({ ...result, steps: { ...result.steps, receipt: { ...none, lost: 1 } } }))
    const text = crashText({ seed: 123_456_789, faultRate: 0.15, result: { ...result, seconds: 100 } })
    for (const line of text.split("\n")) assert.isAtMost(line.length, 80)
    assert.match(text, /^ {2}receipt \(mail\) +30 +0 +0 +10$/m)
  })

  it.live("refuses what does not go together", () =>
    Effect.gen(function* () {
      for (const [args, message] of [
        [["--kills", "3"], "demo: --kills needs --crash\n"],
        [["--crash", "--serve"], "demo: --serve and --crash exclude each other\n"],
        [["--crash", "--only", "effect"], "demo: --crash and --only exclude each other: the peers have no outbox\n"],
        [["--crash", "--kills", "-1"], '--kills: "-1". Expected a whole number from 0 to 1000\n']
      ] as const) {
        const { code, err, out } = yield* run(args)
        assert.deepStrictEqual([code, out], [2, ""])
        assert.include(err, message)
      }
      const { out } = yield* run(["--help"])
      for (const flag of ["crash", "kills"]) assert.include(out, `--${flag}`)
    })
  )
})
