// The assertion that test/setup.ts makes stricter: chai alone would accept every one of these.
import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Exit } from "effect"

class Declined extends Data.TaggedError("Declined")<{ readonly code: string; readonly inner?: unknown }> {}

const differ: ReadonlyArray<readonly [name: string, actual: unknown, expected: unknown]> = [
  ["an error", new Declined({ code: "a" }), new Declined({ code: "b" })],
  ["an exit", Exit.fail(new Declined({ code: "a" })), Exit.fail(new Declined({ code: "b" }))],
  ["a list", [new Declined({ code: "a" })], [new Declined({ code: "b" })]],
  [
    "an error in an error",
    new Declined({ code: "a", inner: new Declined({ code: "a" }) }),
    new Declined({ code: "a", inner: new Declined({ code: "b" }) })
  ]
]

describe("assert.deepStrictEqual", () => {
  it.each(differ)("sees that the fields of %s differ", (_, actual, expected) => {
    assert.throws(() => assert.deepStrictEqual(actual, expected))
    assert.deepStrictEqual(actual, actual)
  })

  it.effect("takes errors of equal fields, made at different places, as equal", () =>
    Effect.gen(function* () {
      const made = yield* Effect.flip(Effect.fail(new Declined({ code: "a" })))
      assert.deepStrictEqual(made, new Declined({ code: "a" }))
      assert.deepStrictEqual(Exit.fail(made), Exit.fail(new Declined({ code: "a" })))
    })
  )
})
