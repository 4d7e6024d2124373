import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { Duration, Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import { describeIssue } from "../src/PolicyDecode.ts"

const Charge = Schema.Struct({ id: Schema.String, at: Schema.FiniteFromString })

describe("Policy.decode", () => {
  it.effect("gives the decoded value, and leaves the effect's own failure alone", () =>
    Effect.gen(function* () {
      const charge = Effect.succeed({ id: "ch_1", at: "7" }).pipe(Policy.decode(Charge))
      assert.deepStrictEqual(yield* charge, { id: "ch_1", at: 7 })
      assert.deepStrictEqual(yield* Effect.exit(Effect.fail("down").pipe(Policy.decode(Charge))), Exit.fail("down"))
    })
  )

  it.effect("what does not match has happened, and is not repeated", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(500)
      const failure = yield* Effect.flip(Effect.succeed({ id: 7, at: "7" }).pipe(Policy.decode(Charge)))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.reason.message, failure.outcome, failure.stopped],
        ["InvalidResponse", 'Expected string at ["id"]', "Applied", "not transient"]
      )
      assert.deepStrictEqual([failure.integration, failure.operation], ["(no integration)", "decode"])
      assert.deepStrictEqual([failure.attempts, failure.elapsed], [[], Duration.zero])
    })
  )

  it("shows a schema error on one line, without its indentation", () => {
    const message = 'Expected string\n  at ["id"]\nExpected number\n    at ["at"]'
    assert.strictEqual(describeIssue({ message }), 'Expected string at ["id"] Expected number at ["at"]')
  })
})
