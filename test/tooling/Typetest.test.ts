import { assert, describe, it } from "@effect/vitest"
import { diagnosticsOf } from "../../scripts/run.ts"
import { judge, refusalsOf } from "../../scripts/typetest.ts"

const source = [
  'import { f } from "breakwater"',
  "",
  "// expect: is missing",
  "// expect: idempotency",
  "f({",
  "  a: 1",
  "})",
  "f({",
  "  // expect: not assignable",
  "  b: g(",
  "    1",
  "  ),",
  "  c: 2",
  "})",
  "f({})"
].join("\n")
const fixture = { file: "r.ts", source, refused: true }
const at = (line: number, message: string) => ({ file: "r.ts", line, code: "TS1", message })
const right = [at(5, "Property 'idempotency'\n   is missing"), at(11, "number is not assignable to string")]

describe("typetest", () => {
  it("finds the statement or property below its expectations", () => {
    assert.deepStrictEqual(refusalsOf(source), [
      { from: 5, to: 7, expected: ["is missing", "idempotency"] },
      { from: 10, to: 12, expected: ["not assignable"] }
    ])
  })

  it("accepts the expected messages", () => {
    assert.deepStrictEqual(judge(fixture, right, true), [])
  })

  it("fails on a refusal that compiles, on every compiler", () => {
    const problem = "r.ts:10 compiles, but must be refused: not assignable"
    assert.deepStrictEqual(judge(fixture, right.slice(0, 1), true), [problem])
    assert.deepStrictEqual(judge(fixture, right.slice(0, 1), false), [problem])
  })

  it("fails on other words, but only where words count", () => {
    const others = [at(6, "Property 'idempotency' is missing"), at(10, "Something else.")]
    assert.deepStrictEqual(judge(fixture, others, true), [
      "r.ts:10 is refused with another message: error TS1: Something else.",
      "r.ts:10 no message holds: not assignable"
    ])
    assert.deepStrictEqual(judge(fixture, others, false), [])
  })

  it("fails on an expected text that no message holds", () => {
    assert.deepStrictEqual(judge(fixture, [at(5, "is missing"), right[1]!], true), [
      "r.ts:5 no message holds: idempotency"
    ])
  })

  it("fails on an error where none is expected", () => {
    for (const line of [1, 8, 13, 15]) {
      assert.deepStrictEqual(judge(fixture, [...right, at(line, "No.")], false), [
        `r.ts:${line} must compile, but: error TS1: No.`
      ])
    }
    assert.deepStrictEqual(judge({ ...fixture, refused: false, source: "f()" }, [at(1, "No.")], true), [
      "r.ts:1 must compile, but: error TS1: No."
    ])
  })

  it("fails on a fixture that expects nothing", () => {
    assert.deepStrictEqual(judge({ ...fixture, source: "f()" }, [], true), [
      "r.ts:1 expects nothing: write // expect: …"
    ])
  })

  it("reads what tsc prints, chains included", () => {
    const output =
      "a.ts(3,5): error TS2345: Argument.\n  Type A.\n    Type B.\nerror TS5023: Unknown option.\nb.ts(1,1): error TS1: No.\n"
    assert.deepStrictEqual(
      diagnosticsOf(output).map(({ code, file, line, message }) => [file, line, code, message]),
      [
        ["a.ts", 3, "TS2345", "Argument.\n  Type A.\n    Type B."],
        ["", 0, "TS5023", "Unknown option."],
        ["b.ts", 1, "TS1", "No."]
      ]
    )
  })
})
