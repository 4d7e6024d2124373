import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { generate } from "../../../src/cli/internal/openapi/generate.ts"
import { describe31, load } from "./support.ts"

const refused = (document: unknown) => Effect.runPromise(Effect.flip(generate(document)))
const info = { title: "A", version: "1" }

describe("a hostile description", () => {
  it("can't leave a comment, a string or a template", async () => {
    const evil = '*/ globalThis.evil = 1 /* " ` ${globalThis.evil = 2} \\ \u2028 </script>'
    const property = { type: "string", description: evil, pattern: '^[`"/]*$' }
    const loaded = await load(
      describe31(
        { [evil]: { type: "object", description: evil, required: [evil], properties: { [evil]: property } } },
        {
          '/x/{a"b}': {
            get: {
              operationId: evil,
              tags: [evil],
              summary: evil,
              parameters: [{ name: 'a"b', in: "path", required: true, schema: { enum: [evil] } }],
              responses: { "404": { description: evil } }
            }
          }
        },
        { info: { title: evil, version: evil, description: evil } }
      )
    )
    assert.notProperty(globalThis, "evil")
    const name = loaded.operations[0]!.schemas[0]!
    assert.match(name, /^[\p{L}_$][\p{L}\p{N}_$]*$/u)
    assert.isTrue(loaded.takes(name, { [evil]: '"' }))
    assert.isFalse(loaded.takes(name, {}))
  })

  it("reaches no prototype", async () => {
    const text = `{ "type": "object", "required": ["__proto__", "constructor"], "properties": {
      "__proto__": { "type": "integer" }, "constructor": { "type": "string" } } }`
    const loaded = await load(describe31(JSON.parse(`{ "__proto__": ${text}, "constructor": ${text} }`)))
    for (const operation of loaded.operations) {
      const [name] = operation.schemas
      assert.isTrue(loaded.takes(name!, JSON.parse('{ "__proto__": 1, "constructor": "a" }')), name)
      assert.isFalse(loaded.takes(name!, { constructor: "a" }), name)
      assert.isFalse(loaded.takes(name!, JSON.parse('{ "__proto__": "x", "constructor": "a" }')), name)
    }
    assert.isUndefined(({} as Record<string, unknown>)["type"])
    const optional = await load(describe31({ A: { type: "object", properties: { toString: { type: "string" } } } }))
    assert.include(optional.operations[0]!.problems.join(), "can't be told from JavaScript's own")
    const error = await refused(describe31({ A: { $ref: "#/components/schemas/toString" } }))
    assert.strictEqual(error.reason, "BrokenReference")
  })

  it("with names that the file needs, or that clash, is a file all the same", async () => {
    const object = { type: "object", properties: { a: { type: "string" } } }
    const loaded = await load(
      describe31(
        {
          Schema: object,
          "a-b": object,
          a_b: object,
          "200": object,
          HttpApi: object,
          Error: object,
          ShopApi: object,
          NotFound: object
        },
        {
          "/x": { get: { responses: { "404": { description: "" } } } }
        }
      )
    )
    const names = loaded.operations.flatMap(({ schemas }) => schemas)
    assert.deepStrictEqual(names.toSorted(), [
      "AB",
      "ABSchema",
      "ErrorSchema",
      "HttpApiSchema2",
      "N200",
      "NotFound",
      "SchemaSchema",
      "ShopApiSchema"
    ])
    assert.strictEqual(loaded.operations.at(-1)!.errors[0]!.tag, "NotFoundWithoutBody")
  })

  it("that can't be read is refused with the place and what to do", async () => {
    const told = async (document: unknown) => {
      const { message, pointer, reason } = await refused(document)
      assert.isAbove(message.length, 20)
      return [reason, pointer]
    }
    assert.deepStrictEqual(await told([]), ["NotOpenApi", "#"])
    assert.deepStrictEqual(await told({ swagger: "2.0" }), ["NotOpenApi", "#/openapi"])
    assert.deepStrictEqual(await told({ openapi: "4.0.0" }), ["NotOpenApi", "#/openapi"])
    assert.deepStrictEqual(await told({ openapi: "3.1.0", info, paths: {} }), ["NothingSelected", "#/paths"])
    const ref = ($ref: string) => told(describe31({ A: { type: "array", items: { $ref } } }))
    assert.deepStrictEqual(await ref("https://evil.example/a.json"), [
      "RemoteReference",
      "#/components/schemas/A/items"
    ])
    assert.deepStrictEqual(await ref("file:///etc/passwd"), ["RemoteReference", "#/components/schemas/A/items"])
    assert.deepStrictEqual(await ref("#/components/schemas/B"), ["BrokenReference", "#/components/schemas/A/items"])
    assert.deepStrictEqual(await ref("#anchor"), ["BrokenReference", "#/components/schemas/A/items"])
    assert.strictEqual(
      (
        await told(
          describe31({ A: { $ref: "#/components/schemas/B" }, B: { allOf: [{ $ref: "#/components/schemas/A" }] } })
        )
      )[0],
      "BrokenReference"
    )
    assert.strictEqual((await told(describe31({}, { "/a": { $ref: "#/paths/~1a" } })))[0], "BrokenReference")
    assert.strictEqual((await told(describe31({}, { "/a": { get: { responses: { ok: {} } } } })))[0], "Malformed")
    assert.strictEqual((await told(describe31({}, { a: { get: {} } })))[0], "Malformed")
  })
})
