/** Half a minute of the soak, and defects that it must find. The long run is `npm run soak -- --target memory`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Mutant, type Report, slopeOf } from "./soak.ts"

const main = fileURLToPath(new URL("../main.ts", import.meta.url))

/** A process of its own: what else runs in this one has a heap and timers too. */
const run = (minutes: number, mutant?: Mutant) =>
  Effect.callback<{ readonly code: number; readonly report: Report }>((resume) => {
    const args = ["--target", "memory", "--minutes", String(minutes), "--rate", "200", "--keys", "200", "--json"]
    const child = execFile(
      process.execPath,
      ["-C", "@breakwater/source", main, ...args, ...(mutant === undefined ? [] : ["--mutant", mutant])],
      { maxBuffer: 1e7 },
      (error, stdout, stderr) => {
        resume(
          stdout === ""
            ? Effect.die(new Error(stderr))
            : Effect.succeed({ code: Number(error?.code ?? 0), report: JSON.parse(stdout) as Report })
        )
      }
    )
    return Effect.sync(() => void child.kill())
  })

const minutes = 180_000

describe("a soak of one process's memory", () => {
  it.live(
    "half a minute: the heap is flat, idle keys are dropped, and no timer is left",
    () =>
      Effect.gen(function* () {
        const { code, report } = yield* run(0.5)
        assert.deepStrictEqual(report.problems, [], JSON.stringify(report, null, 2))
        assert.strictEqual(code, 0)
        // It has met everything that may become of a call.
        for (const outcome of [
          "ok",
          "ok_after_retry",
          "exhausted",
          "failed",
          "timeout",
          "cancelled",
          "rejected_breaker"
        ]) {
          assert.isAbove(report.outcomes[outcome] ?? 0, 0, `${outcome}: ${JSON.stringify(report.outcomes)}`)
        }
        assert.isAbove(report.attempts, report.calls / 2)
        assert.strictEqual(report.ended.circuits, 200)
      }),
    minutes
  )

  it.live.each<{ readonly mutant: Mutant; readonly finds: RegExp }>([
    { mutant: "keeps every call", finds: /^the heap grows by \d+ bytes a minute/ },
    { mutant: "leaves a timer", finds: /^1 timers are left/ }
  ])(
    "$mutant: it is found",
    ({ finds, mutant }) =>
      Effect.gen(function* () {
        const { code, report } = yield* run(0.25, mutant)
        assert.isTrue(
          report.problems.some((problem) => finds.test(problem)),
          JSON.stringify(report, null, 2)
        )
        assert.strictEqual(code, 1)
      }),
    minutes
  )

  it("knows a line from its points", () => {
    const line = (slope: number) => [0, 1, 2, 5].map((minute) => [minute, 7 + slope * minute] as const)
    assert.deepStrictEqual(
      [3, 0, -2].map((slope) => slopeOf(line(slope))),
      [3, 0, -2]
    )
    assert.strictEqual(slopeOf([[1, 5]]), 0)
  })
})
