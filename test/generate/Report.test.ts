/** What a person reads, in 80 columns, whatever the document holds. */
import { assert, describe, it } from "@effect/vitest"
import { CliOutput } from "effect/cli"
import { compare } from "../../src/cli/internal/generate/compare.ts"
import { contractOf } from "../../src/cli/internal/generate/contract.ts"
import { changesText, decisionsText, lossesText } from "../../src/cli/internal/generate/report.ts"
import type { Generated } from "../../src/cli/internal/openapi/contract.ts"
import { create, list, ping, sample } from "./sample.ts"

const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(CliOutput.displayWidth(line), 80, line)
}

const gone = { ...create, errors: [...create.errors, { tag: "Gone", statuses: [410], description: undefined }] }

const changes = (after: Generated, integration?: string) =>
  changesText(compare(contractOf(sample, []), contractOf(after, [])), after, integration, 80)

describe("the report of a generation", () => {
  it("says what breaks for the integration that there is", () => {
    const after = { ...sample, operations: [{ ...list, errors: [] }, gone] }
    const integration =
      'a: HttpOperation.endpoint(GitHubApi, "issues", "create", {}), b: endpoint(GitHubApi,\n"meta",\n"ping")'
    assert.strictEqual(
      changes(after, integration),
      `The contract of GitHub's API has changed: of its operations 1 gone, 2 changed.

Breaking
  meta.ping  GET /ping
    is gone
  issues.create  POST /repos/{owner}/issues
    has a new error \`Gone\` (410): \`translate\` will not compile until it has a
      case

Compatible
  issues.list  GET /repos/{owner}/issues  (not in integration.ts)
    has no error \`NotFound\` (404) any more: its case can go`
    )
    // Nothing is said of an integration that names its endpoints in another way, or is not there.
    for (const text of [changes(after), changes(after, "import { all } from './elsewhere.ts'")]) {
      assert.notInclude(text, "not in integration.ts")
    }
    const renamed = { ...sample, operations: [list, { ...gone, id: "issues.open", name: "open" }, ping] }
    assert.notInclude(changes(renamed, '"issues", "create"'), "not in")
    assert.strictEqual(changes(sample), "")
  })

  it("gives the lines of what is new", () => {
    const text = changes({
      ...sample,
      operations: [...sample.operations, { ...gone, path: "/new", name: "more", id: "issues.more" }]
    })
    assert.include(text, "New, to be pasted")
    assert.include(text, "      idempotency: decide_issues_more_idempotency,\n")
    assert.match(text, /\n {4}\}\),$/)
  })

  it("counts the decisions", () => {
    const text = decisionsText(sample.operations, 80)
    fits(text)
    assert.include(text.replace(/\s+/g, " "), "4 decisions in 2 operations")
    assert.include(text, "1 idempotency: how a repeat of issues.create is made safe")
    assert.include(decisionsText([ping], 80), "compiles as it is")
    const many = Array.from({ length: 9 }, (_, n) => ({ ...create, id: `issues.create${n}` }))
    assert.include(decisionsText(many, 80).replace(/\s+/g, " "), "and 5 more")
  })

  it("fits, with control characters, wide letters and words without an end", () => {
    const wild = `${"注文".repeat(60)}\u001b[31m\n${"x".repeat(300)}`
    const after = {
      ...sample,
      title: wild,
      notes: [wild],
      operations: [
        { ...list, path: `/${wild}`, problems: [wild] },
        { ...ping, method: "PUT" as const, path: `/${wild}` }
      ]
    }
    const [told = ""] = changes(after).split("\nNew, ")
    for (const text of [told, lossesText(after, 80), decisionsText(after.operations, 80)]) {
      fits(text)
      assert.notInclude(text, "\u001b")
    }
    const many = { ...sample, operations: Array.from({ length: 20 }, () => ({ ...list, problems: ["a"] })) }
    assert.include(lossesText(many, 80), "and from 8 more; --json has them all")
  })
})
