/** A text is in its place as a whole, or not at all. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { writeWhole } from "../../src/cli/internal/generate/files.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-files-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("writeWhole", () => {
  it.live("leaves the old texts or the new ones when it is interrupted, at whatever moment", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const at = yield* folder
        const [old, fresh] = ["old".repeat(100_000), "new".repeat(100_000)]
        const outputs = ["a.ts", "b.json"].map((name) => ({ path: join(at, name), text: fresh }))
        const seen = new Set<string>()
        for (let moment = 0; moment < 12; moment++) {
          for (const { path } of outputs) writeFileSync(path, old)
          const fiber = yield* Effect.forkChild(writeWhole(outputs))
          yield* Effect.forEach(Array.from({ length: moment }), () =>
            Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
          )
          yield* Fiber.interrupt(fiber)
          const texts = outputs.map(({ path }) => readFileSync(path, "utf8"))
          for (const text of texts) assert.isTrue(text === old || text === fresh)
          assert.strictEqual(texts[0], texts[1])
          assert.deepStrictEqual(readdirSync(at).toSorted(), ["a.ts", "b.json"])
          seen.add(texts[0]!.slice(0, 3))
        }
        assert.isTrue(seen.has("old"))
      })
    )
  )

  it.live("changes nothing when one of them can't be written, and says which", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const at = yield* folder
        writeFileSync(join(at, "a.ts"), "old")
        writeFileSync(join(at, "file"), "")
        const failed = yield* Effect.flip(
          writeWhole([
            { path: join(at, "a.ts"), text: "new" },
            { path: join(at, "file", "b.json"), text: "new" }
          ])
        )
        assert.include(failed.message, join(at, "file"))
        assert.strictEqual(readFileSync(join(at, "a.ts"), "utf8"), "old")
        assert.deepStrictEqual(readdirSync(at).toSorted(), ["a.ts", "file"])
      })
    )
  )

  it.live("makes the folder, and says what is in the way of a file", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const at = yield* folder
        yield* writeWhole([{ path: join(at, "x/y/a.ts"), text: "new" }])
        assert.strictEqual(readFileSync(join(at, "x/y/a.ts"), "utf8"), "new")
        mkdirSync(join(at, "b.ts"))
        const failed = yield* Effect.flip(writeWhole([{ path: join(at, "b.ts"), text: "new" }]))
        assert.include(failed.message, "b.ts can't be written: it is a folder")
        assert.deepStrictEqual(readdirSync(at).toSorted(), ["b.ts", "x"])
      })
    )
  )
})
