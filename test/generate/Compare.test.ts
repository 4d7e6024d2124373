/** What a new version of a contract means for an integration that was written against the old one. */
import { assert, describe, it } from "@effect/vitest"
import { type Comparison, compare, isEmpty } from "../../src/cli/internal/generate/compare.ts"
import { contractOf, contractText, readContract } from "../../src/cli/internal/generate/contract.ts"
import type { Canonical, Generated, GeneratedOperation } from "../../src/cli/internal/openapi/contract.ts"
import { create, list, ping, sample } from "./sample.ts"

const against = (after: Generated, before: Generated = sample): Comparison =>
  compare(contractOf(before, []), contractOf(after, []))

const withOperations = (...operations: ReadonlyArray<GeneratedOperation>): Generated => ({ ...sample, operations })
const withSchema = (name: string, schema: Canonical): Generated => ({
  ...sample,
  signatures: { ...sample.signatures, [name]: schema }
})

/** All that is said, with `!` before what breaks. */
const told = ({ changed, schemas, whole }: Comparison): ReadonlyArray<string> =>
  [
    ...whole.map((own) => ({ at: "", ...own })),
    ...changed.flatMap(({ changes, id }) => changes.map((own) => ({ at: `${id} `, ...own }))),
    ...schemas.flatMap(({ changes, name }) => changes.map((own) => ({ at: `${name} `, ...own })))
  ].map(({ at, breaking, text }) => `${breaking ? "! " : "  "}${at}${text}`)

const parameters = (own: GeneratedOperation["signature"]["parameters"]): GeneratedOperation => ({
  ...list,
  signature: { ...list.signature, parameters: { ...list.signature.parameters, ...own } }
})

const object = (required: ReadonlyArray<string>, properties: { readonly [name: string]: Canonical }): Canonical => ({
  type: "object",
  required,
  properties
})

describe("a comparison of two contracts", () => {
  it("says nothing of the same contract, whatever the order and the names of its path's parameters", () => {
    assert.isTrue(isEmpty(against(sample)))
    assert.isTrue(isEmpty(against(withOperations(ping, create, list))))
  })

  it("knows an operation by its method and path", () => {
    const renamed = { ...ping, id: "meta.hello", name: "hello", operationId: "meta/hello" }
    const { added, removed, ...rest } = against(withOperations(list, create, renamed))
    assert.deepStrictEqual([added, removed], [[], []])
    assert.deepStrictEqual(told({ added, removed, ...rest }), [
      "! meta.hello was `meta.ping`: the integration names it by group and endpoint"
    ])
    const moved = { ...list, path: "/repos/{org}/issues" }
    assert.deepStrictEqual(against(withOperations(moved, create, ping)).added, [])
    const gone = against(withOperations(list, create, { ...ping, method: "HEAD" }))
    assert.deepStrictEqual(gone.removed, [{ id: "meta.ping", method: "GET", path: "/ping" }])
    assert.deepStrictEqual(gone.added, [{ id: "meta.ping", method: "HEAD", path: "/ping" }])
  })

  it("tells what must be given now from what can be", () => {
    const changed = parameters({
      "query:page": { required: false, schema: { type: "integer" } },
      "header:x-version": { required: true, schema: { type: "string" } },
      "query:state": { required: true, schema: { type: "string", enum: ["open", "closed"] } }
    })
    assert.deepStrictEqual(told(against(withOperations(changed, create, ping))), [
      "! issues.list `query.state` must be given now",
      "  issues.list `query.page` is new and can be given",
      "! issues.list `headers.x-version` is new and must be given"
    ])
    assert.deepStrictEqual(told(against(sample, withOperations(changed, create, ping))), [
      "  issues.list `query.state` can be left out now",
      "! issues.list `query.page` is gone",
      "! issues.list `headers.x-version` is gone"
    ])
    const payload = withSchema(
      "NewIssue",
      object(["title", "body"], { title: { type: "string" }, body: { type: "string" }, labels: { type: "array" } })
    )
    assert.deepStrictEqual(told(against(payload)), [
      "! NewIssue `body` must be given now",
      "  NewIssue `labels` is new and can be given"
    ])
  })

  it("tells a wider answer from a wider question", () => {
    const states = { type: "string", enum: ["open", "closed", "triage"] }
    assert.deepStrictEqual(
      told(against(withOperations(parameters({ "query:state": { required: false, schema: states } }), create, ping))),
      ['  issues.list `query.state` can be "triage" too']
    )
    const issue = sample.signatures["Issue"] as { readonly properties: { readonly [name: string]: Canonical } }
    const { schemas } = against(
      withSchema("Issue", object(["number", "user"], { ...issue.properties, state: states, extra: true }))
    )
    assert.deepStrictEqual(schemas, [
      {
        name: "Issue",
        usedBy: ["issues.create", "issues.list", "meta.ping"],
        changes: [
          { text: "`title` may be missing now", breaking: true },
          { text: '`state` can be "triage" too', breaking: true },
          { text: "`extra` is new", breaking: false }
        ]
      }
    ])
  })

  it("follows names through names, and says a change once", () => {
    const { schemas } = against(
      withSchema("User", object(["login"], { login: { type: ["string", "null"] }, parent: { $ref: "#/User" } }))
    )
    assert.deepStrictEqual(schemas, [
      {
        name: "User",
        usedBy: ["issues.create", "issues.list", "meta.ping"],
        changes: [{ text: "`login` may be null now", breaking: true }]
      }
    ])
    const { User, ...others } = sample.signatures
    const text = JSON.stringify({ ...others, Person: User }).replaceAll("#/User", "#/Person")
    const renamed = { ...sample, signatures: JSON.parse(text) as Generated["signatures"] }
    assert.deepStrictEqual(told(against(renamed)), ["! Person was called `User`: who imports it has to follow"])
  })

  it("names types, limits and forms that changed", () => {
    const before = { type: "integer", maximum: 10 }
    const cases: ReadonlyArray<readonly [Canonical, ReadonlyArray<string>]> = [
      [{ type: "string" }, ["! issues.list `query.n` is string now, not integer"]],
      [{ type: "integer", maximum: 5 }, ["! issues.list `query.n` has the maximum 5 now, not 10"]],
      [{ type: "integer", maximum: 50 }, ["  issues.list `query.n` has the maximum 50 now, not 10"]],
      [{ type: "integer" }, ["  issues.list `query.n` has no maximum now"]],
      [{ type: "integer", maximum: 10, enum: [1, 2] }, ["! issues.list `query.n` can only be 1, 2 now"]],
      [{ type: ["integer", "null"], maximum: 10 }, ["  issues.list `query.n` may be null now"]],
      [{ oneOf: [before, { type: "string" }] }, ["! issues.list `query.n` is oneOf 2 now, not integer"]],
      [{ $ref: "#/Issue" }, ["! issues.list `query.n` is object now, not integer"]],
      [{ type: "integer", maximum: 10, deprecated: true }, ["  issues.list `query.n` is deprecated"]]
    ]
    const having = (schema: Canonical) =>
      withOperations(parameters({ "query:n": { required: false, schema } }), create, ping)
    for (const [schema, expected] of cases) {
      assert.deepStrictEqual(told(against(having(schema), having(before))), expected)
    }
    const forms = { oneOf: [{ type: "string" }, { type: "null" }] }
    assert.deepStrictEqual(told(against(having({ oneOf: [...forms.oneOf, { type: "integer" }] }), having(forms))), [
      "  issues.list `query.n` can be another form too: integer"
    ])
    assert.deepStrictEqual(told(against(having({ oneOf: [{ type: "string" }] }), having(forms))), [
      "! issues.list `query.n` can't be this form any more: null"
    ])
  })

  it("says which error needs a case, and which case can go", () => {
    const gone = { tag: "Gone", statuses: [410], description: undefined }
    const more = {
      ...create,
      deprecated: true,
      errors: [create.errors[0]!, { ...create.errors[1]!, statuses: [400, 422] }, gone],
      signature: { ...create.signature, answers: { ...create.signature.answers, "202": {} } }
    }
    assert.deepStrictEqual(told(against(withOperations(list, more, ping))), [
      "  issues.create is deprecated",
      "! issues.create may be answered with 202 too",
      "  issues.create `ValidationFailed` is the error for 400, 422 now, and was for 422",
      "! issues.create has a new error `Gone` (410): `translate` will not compile until it has a case"
    ])
    assert.deepStrictEqual(told(against(sample, withOperations(list, more, ping))), [
      "  issues.create is not deprecated any more",
      "! issues.create is not answered with 202 any more",
      "  issues.create `ValidationFailed` is the error for 422 now, and was for 400, 422",
      "  issues.create has no error `Gone` (410) any more: its case can go"
    ])
  })

  it("knows a payload that comes or goes, a key, and what is no longer described", () => {
    const { signature } = create
    const bare = { ...create, signature: { ...signature, body: undefined } }
    assert.deepStrictEqual(told(against(sample, withOperations(list, bare, ping))), [
      "! issues.create takes `payload`, which must be given"
    ])
    assert.deepStrictEqual(told(against(withOperations(list, bare, ping))), [
      "! issues.create takes no `payload` any more"
    ])
    assert.deepStrictEqual(
      told(
        against(withOperations(list, { ...create, keyHeaders: ["Idempotency-Key"] }, { ...ping, validated: false }))
      ),
      [
        "  issues.create has a header for an idempotency key now: `Idempotency-Key`",
        "! meta.ping does not describe its answer any more: `success` must say that it is taken as it is"
      ]
    )
  })

  it("tells another selection, version and name", () => {
    const after = { ...sample, version: "1.1.0", apiName: "OctoApi" }
    assert.deepStrictEqual(told(compare(contractOf(sample, ["tag:a"]), contractOf(after, []))), [
      "  version 1.1.0, was 1.0.0",
      "! the API is `OctoApi` now, and was `GitHubApi`",
      "  another selection: everything, was tag:a"
    ])
  })
})

describe("the contract that is kept", () => {
  it("is read back as it was, also after a formatter, and one line stands for one operation", () => {
    const contract = contractOf(sample, ["tag:issues"])
    const text = contractText(contract)
    assert.deepStrictEqual(readContract(text), contract)
    assert.deepStrictEqual(readContract(JSON.stringify(JSON.parse(text), null, 4)), contract)
    const lines = contractText(contractOf(withOperations(list, { ...create, deprecated: true }, ping), ["tag:issues"]))
    const differ = text.split("\n").filter((line, i) => line !== lines.split("\n")[i])
    assert.strictEqual(differ.length, 1)
  })

  it("is nothing where the text is another one", () => {
    for (const text of ["", "{", "null", "{}", '{"breakwater": 2}', "<<<<<<< HEAD\n{}"]) {
      assert.isUndefined(readContract(text))
    }
  })
})
