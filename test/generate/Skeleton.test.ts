/** The integration as it is written once: it can be read, it is formatted, and each decision is a name of its own. */
import { assert, describe, it } from "@effect/vitest"
import { format } from "prettier"
import { decisionsOf, operationText, propertyOf, skeleton } from "../../src/cli/internal/generate/skeleton.ts"
import { indented } from "../../src/cli/internal/generate/layout.ts"
import type { Generated, GeneratedOperation } from "../../src/cli/internal/openapi/contract.ts"
import { create, list, ping, sample } from "./sample.ts"

const style = { parser: "typescript", printWidth: 120, semi: false, trailingComma: "none" } as const

const having = (own: Partial<Generated>): string => skeleton({ ...sample, ...own })
const named = (own: GeneratedOperation, group: string, name: string): GeneratedOperation => ({
  ...own,
  id: `${group}.${name}`,
  group,
  name
})

describe("a skeleton", () => {
  it("names every decision, once, and nothing else", () => {
    const text = skeleton(sample)
    const names = text.match(/decide_\w+/g)!
    assert.deepStrictEqual(names, [
      "decide_issues_list_NotFound",
      "decide_issues_create_idempotency",
      "decide_issues_create_NotFound",
      "decide_issues_create_ValidationFailed"
    ])
    assert.deepStrictEqual(
      sample.operations.flatMap(decisionsOf).map(({ name }) => name),
      names
    )
    assert.notInclude(having({ operations: [ping] }), "decide_")
    assert.notInclude(having({ operations: [ping] }), "Idempotency")
    assert.include(having({ operations: [{ ...ping, validated: false }] }), "success: decide_meta_ping_success")
  })

  it("is formatted, whatever the names", async () => {
    const long = "a".repeat(40)
    const texts = [
      skeleton(sample),
      having({ operations: [ping] }),
      having({ apiName: `Git${"a".repeat(30)}Api`, operations: [named(list, long, long), named(ping, long, long)] }),
      having({
        operations: [
          named({ ...create, keyHeaders: ["Idempotency-Key"], validated: false, deprecated: true }, "x", long),
          { ...ping, summary: "y".repeat(200) }
        ]
      }),
      having({ servers: ["https://{tenant}.example.com", "/api"], title: "Ends */ here\n// and there" })
    ]
    for (let length = 1; length < 60; length += 3) {
      texts.push(
        having({ operations: [named(list, "issues", "b".repeat(length)), named(ping, "q", "c".repeat(length))] })
      )
    }
    for (const text of texts) assert.strictEqual(await format(text, style), text)
  })

  it("keeps apart what has one name in two groups", () => {
    assert.notStrictEqual(propertyOf(named(list, "issues", "list")), propertyOf(named(list, "pulls", "list")))
    assert.include(
      operationText(list, "GitHubApi"),
      'issuesList: HttpOperation.endpoint(GitHubApi, "issues", "list", {'
    )
  })

  it("says where the provider is, and with which credentials", () => {
    const way = { scheme: undefined, in: undefined, parameter: undefined, flows: [] }
    const bearer = { ...way, name: "token", type: "http" as const, scheme: "bearer" }
    const basic = { ...way, name: "user", type: "http" as const, scheme: "basic" }
    const header = { ...way, name: "key", type: "apiKey" as const, in: "header" as const, parameter: "X-Key" }
    const oauth = { ...way, name: "app", type: "oauth2" as const }
    const cookie = { ...way, name: "session", type: "apiKey" as const, in: "cookie" as const, parameter: "sid" }
    const texts: ReadonlyArray<readonly [Partial<Generated>, ReadonlyArray<string>]> = [
      [{}, ['.pipe(Config.withDefault(new URL("https://api.github.com")))', "names no credentials"]],
      [{ servers: [] }, ['baseUrl: Config.URL("GITHUB_URL")\n']],
      [{ servers: ["/v1"] }, ['baseUrl: Config.URL("GITHUB_URL")\n', "says where it is as: /v1"]],
      [{ servers: ["https://user:secret@x.test"] }, ['baseUrl: Config.URL("GITHUB_URL")\n']],
      [{ security: [bearer] }, ['auth: Auth.bearer(Config.Redacted("GITHUB_TOKEN"))']],
      [{ security: [basic] }, ['auth: Auth.basic("github", Config.Redacted("GITHUB_PASSWORD"))']],
      [{ security: [header, oauth] }, ['auth: Auth.apiKey("X-Key", Config.Redacted("GITHUB_KEY"))', '"app"']],
      [{ security: [cookie] }, ["names no credentials"]]
    ]
    for (const [own, parts] of texts) for (const part of parts) assert.include(having(own), part)
  })
})

describe("the layout of what is generated", () => {
  it("follows the brackets, not those in texts, comments and templates, and is the same the second time", () => {
    const source = [
      "const a = f(g({",
      'b: "({[",',
      "// ({[",
      "/** ((",
      " * ([",
      " */",
      "c: `",
      "({ kept",
      "`,",
      "d: x.replace(/[(]/g, 'it\\'s (')",
      "}))",
      "  .pipe(h)"
    ].join("\n")
    const expected = [
      "const a = f(g({",
      '  b: "({[",',
      "  // ({[",
      "  /** ((",
      "   * ([",
      "   */",
      "  c: `",
      "({ kept",
      "`,",
      "  d: x.replace(/[(]/g, 'it\\'s (')",
      "}))",
      "  .pipe(h)"
    ].join("\n")
    assert.strictEqual(indented(source), expected)
    assert.strictEqual(indented(expected), expected)
  })
})
