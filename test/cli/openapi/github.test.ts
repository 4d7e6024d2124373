import { assert, describe, it } from "@effect/vitest"
import { Data, Effect } from "effect"
import { HttpApi } from "effect/http-api"
import { readFileSync } from "node:fs"
import { format, resolveConfig } from "prettier"
import { HttpOperation } from "../../../src/http/index.ts"
import { Idempotency } from "../../../src/index.ts"
import { generate } from "../../../src/cli/internal/openapi/generate.ts"
import * as GitHub from "../../fixtures/openapi/github.ts"
import { generated } from "./support.ts"

const file = (name: string) => readFileSync(new URL(`../../fixtures/openapi/${name}`, import.meta.url), "utf8")
const description = JSON.parse(file("github.json")) as unknown

class Told extends Data.TaggedError("Told")<{ readonly message: string }> {}

/** The compiler checks the fixture with this repository's strict options, and `npm run lint` lints it. */
describe("a part of GitHub's description", () => {
  it("gives the file that is checked in, formatted the same twice", async () => {
    const { notes, operations, source } = await generated(description, { name: "GitHub" })
    const options = { ...(await resolveConfig(import.meta.filename)), parser: "typescript" }
    const formatted = await format(source, options)
    assert.strictEqual(formatted, file("github.ts"))
    assert.strictEqual(await format(formatted, options), formatted)
    assert.deepStrictEqual(
      operations.flatMap(({ problems }) => problems),
      []
    )
    assert.lengthOf(operations, 9)
    assert.isAbove(notes.length, 0)
    const create = operations.find(({ id }) => id === "issues.create")!
    assert.isTrue(create.needsIdempotency)
    assert.deepStrictEqual(
      create.errors.map(({ tag }) => tag),
      ["BadRequest", "BadRequestScimError", "Forbidden", "NotFound", "Gone", "ValidationFailed", "ServiceUnavailable"]
    )
  })

  it("is what HttpOperation.endpoint takes", () => {
    const told = (error: { readonly message?: string }) => new Told({ message: error.message ?? "" })
    const get = HttpOperation.endpoint(GitHub.GitHubApi, "issues", "get", {
      translate: {
        MovedPermanently: told,
        NotModified: () => new Told({ message: "not modified" }),
        NotFound: told,
        Gone: told
      }
    })
    const lock = HttpOperation.endpoint(GitHub.GitHubApi, "issues", "lock", {
      translate: { Forbidden: told, NotFound: told, Gone: told, ValidationFailed: told }
    })
    const comment = HttpOperation.endpoint(GitHub.GitHubApi, "issues", "createComment", {
      idempotency: Idempotency.atMostOnce("GitHub has no key"),
      translate: { Forbidden: told, NotFound: told, Gone: told, ValidationFailed: told }
    })
    // What it does not take does not compile, and what the file does not have throws.
    for (const operation of [get, lock, comment]) assert.property(operation, "pipe")
  })

  it("keeps no example", () => assert.notMatch(file("github.ts"), /octocat@|ghp_|sk_/))

  it("loads, and has every endpoint that the data names", async () => {
    const { operations } = await Effect.runPromise(generate(description, { name: "GitHub" }))
    const found: Array<string> = []
    HttpApi.reflect(GitHub.GitHubApi, {
      onGroup() {},
      onEndpoint: ({ endpoint, group }) => {
        found.push(`${group.identifier}.${endpoint.identifier}`)
      }
    })
    assert.deepStrictEqual(found.toSorted(), operations.map(({ id }) => id).toSorted())
  })
})
