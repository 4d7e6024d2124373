import { assert, describe, it } from "@effect/vitest"
import { fencesOf, judge, moduleOf, withAssertions } from "../../scripts/doctest.ts"

const fence = "```"

describe("doctest", () => {
  it("finds fences in JSDoc, with their lines, and skips code", () => {
    const source = [
      "const text = `",
      `/** ${fence}ts`,
      "not a comment */`",
      "/**",
      " * Adds.",
      " *",
      ` * ${fence}ts`,
      " * add(1, 2) // => 3",
      ` * ${fence}`,
      " */",
      "export const add = 1",
      `// ${fence}ts`
    ].join("\n")
    const found = fencesOf("src/Add.ts", source)
    assert.deepStrictEqual(
      found.map(({ code, file, line }) => ({ file, line, code })),
      [{ file: "src/Add.ts", line: 8, code: ["add(1, 2) // => 3"] }]
    )
  })

  it("reads words, hidden blocks, continuations and messages in markdown", () => {
    const source = [
      "<!-- ts",
      "const hidden = 1",
      "-->",
      `${fence}ts`,
      "const a = hidden",
      fence,
      `${fence}ts continues refuses`,
      "const b: string = a",
      fence,
      `${fence}text`,
      "error TS2322: Type 'number' …",
      fence,
      `${fence}ts no-check`,
      "anything",
      fence,
      `${fence}sh`,
      "npm test",
      fence
    ].join("\n")
    const [first, second, third, ...rest] = fencesOf("README.md", source)
    assert.deepStrictEqual(first!.before, ["const hidden = 1"])
    assert.deepStrictEqual(second!.before, ["const hidden = 1", "const a = hidden"])
    assert.deepStrictEqual(second!.message, ["error TS2322: Type 'number' …"])
    assert.deepStrictEqual(third!.words, ["no-check"])
    assert.deepStrictEqual(rest, [])
  })

  it("runs a hidden block that no fence follows, below the fence before it", () => {
    const source = [
      `${fence}ts`,
      "const a = 1",
      fence,
      "<!-- ts",
      "a // => 1",
      "-->",
      "## Next",
      `${fence}ts`,
      "const b = 2",
      fence,
      "<!-- ts",
      "b // => 2",
      "-->"
    ].join("\n")
    assert.deepStrictEqual(
      fencesOf("README.md", source).map(({ before, code, line }) => ({ before, code, line })),
      [
        { before: [], code: ["const a = 1"], line: 2 },
        { before: ["const a = 1"], code: ["a // => 1"], line: 5 },
        { before: [], code: ["const b = 2"], line: 9 },
        { before: ["const b = 2"], code: ["b // => 2"], line: 12 }
      ]
    )
  })

  it("refuses words that it does not know, and fences without an end", () => {
    assert.throws(() => fencesOf("README.md", `${fence}ts refuse\n${fence}`), /"refuse" is no word/)
    assert.throws(() => fencesOf("README.md", `${fence}ts\nconst a = 1`), /README.md:1 this fence has no end/)
  })

  it("turns arrows into assertions and keeps the lines", () => {
    const lines = [
      "const a = 1 // => 1",
      "a + 1 // => 2",
      'f("// => no")',
      "g(a).pipe(",
      "  h // inner",
      ") // => [1, 2]",
      "function k() {",
      "  a // => 1",
      "}",
      "// a // => 5",
      "await run() // => { b: 1 }"
    ]
    assert.deepStrictEqual(withAssertions(lines), [
      "const a = 1; __equal(a, 1)",
      ";__equal(a + 1, 2)",
      'f("// => no")',
      ";__equal(g(a).pipe(",
      "  h // inner",
      "), [1, 2])",
      "function k() {",
      ";__equal(a, 1)",
      "}",
      "// a // => 5",
      ";__equal(await run(), { b: 1 })"
    ])
  })

  it("judges: an accepted fence by any error, a refused one by its message", () => {
    const source = [
      `${fence}ts`,
      "const a = 1",
      fence,
      `${fence}ts continues refuses`,
      "",
      "const b: string = a",
      fence,
      `${fence}text`,
      "error TS2322: Type 'number' is not … to type 'string'",
      fence
    ].join("\n")
    const [accepted, refused] = fencesOf("README.md", source)
    const modules = new Map([
      ["a.ts", accepted!],
      ["b.ts", refused!]
    ])
    const at = moduleOf(refused!).offset
    const error = (file: string, line: number, message: string) => ({
      file: `.doctest/${file}`,
      line,
      code: "TS2322",
      message
    })
    const problems = (...diagnostics: ReadonlyArray<ReturnType<typeof error>>) =>
      judge(modules, diagnostics).map((verdict) => verdict.problems.map((problem) => problem.split("\n")[0]))

    const right = error("b.ts", at + 2, "Type 'number' is not assignable\n  to type 'string'.")
    assert.deepStrictEqual(problems(right), [[], []])
    assert.deepStrictEqual(problems(), [[], ["README.md:5 compiles, though the document says that it is refused"]])
    assert.deepStrictEqual(problems(error("a.ts", 2, "No."), right)[0], ["README.md:2 error TS2322: No."])
    assert.deepStrictEqual(problems(error("b.ts", at + 2, "Another message."))[1], [
      "README.md:5 tsc does not print: error TS2322: Type 'number' is not … to type 'string'"
    ])
    assert.deepStrictEqual(problems(right, error("b.ts", at, "The context is wrong."))[1], [
      "README.md:5 (its context) error TS2322: The context is wrong."
    ])
  })
})
