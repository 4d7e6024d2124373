import { assert, describe, it } from "@effect/vitest"
import { describe31, generated, load } from "./support.ts"

/** Values that a schema takes, and values that it refuses. */
type Table = Readonly<
  Record<string, readonly [schema: unknown, takes: ReadonlyArray<unknown>, refuses: ReadonlyArray<unknown>]>
>

const check = async (table: Table, version = "3.1.0") => {
  const loaded = await load({
    ...describe31(Object.fromEntries(Object.entries(table).map(([name, [schema]]) => [name, schema]))),
    openapi: version
  })
  for (const [name, [, takes, refuses]] of Object.entries(table)) {
    for (const value of takes) assert.isTrue(loaded.takes(name, value), `${name} refuses ${JSON.stringify(value)}`)
    for (const value of refuses) assert.isFalse(loaded.takes(name, value), `${name} takes ${JSON.stringify(value)}`)
  }
  return loaded
}

const string = { type: "string" }
const integer = { type: "integer" }

describe("schemas", () => {
  it("keep types and constraints", async () => {
    const loaded = await check({
      Text: [{ type: "string", minLength: 2, maxLength: 3 }, ["ab", "😀😀"], ["a", "abcd", 1, null]],
      Pattern: [{ type: "string", pattern: "^a/b\\d`$" }, ["a/b1`"], ["a/b`"]],
      Id: [{ type: "string", format: "uuid" }, ["0190a6b0-7c3e-7cc0-8000-000000000000"], ["x"]],
      Whole: [{ type: "integer", minimum: 1, exclusiveMaximum: 5, multipleOf: 2 }, [2, 4], [0, 1, 6, 2.5, "2"]],
      Small: [{ type: "integer", format: "int32" }, [2147483647], [2147483648]],
      Float: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, [0.5, 1], [0, 1.1]],
      List: [
        { type: "array", items: string, minItems: 1, maxItems: 2, uniqueItems: true },
        [["a"]],
        [[], ["a", "a"], ["a", "b", "c"], [1]]
      ],
      Pair: [{ type: "array", prefixItems: [string, integer], items: false }, [["a", 1]], [["a"], ["a", "b"]]],
      Choice: [{ enum: ["a", 1, true, null] }, ["a", 1, true, null], ["b", 2, false]],
      Same: [{ const: "x" }, ["x"], ["y"]],
      Maybe: [{ type: ["string", "null"] }, ["a", null], [1]],
      Nothing: [{ type: "null" }, [null], [0]],
      Dictionary: [
        { type: "object", additionalProperties: integer, minProperties: 1, maxProperties: 2 },
        [{ a: 1 }],
        [{}, { a: "b" }, { a: 1, b: 2, c: 3 }]
      ],
      Coded: [{ type: "object", patternProperties: { "^x-": integer } }, [{ "x-a": 1 }], [{ "x-a": "1" }]]
    })
    for (const operation of loaded.operations) assert.deepStrictEqual(operation.problems, [], operation.id)
  })

  it("read an object leniently, and strictly where something is declared", async () => {
    const loaded = await check({
      Thing: [
        { type: "object", required: ["a"], properties: { a: string, "b-c": integer } },
        [{ a: "x" }, { a: "x", "b-c": 1 }, { a: "x", more: true }],
        [{}, { a: 1 }, { a: "x", "b-c": "1" }, { a: "x", "b-c": null }, [], "a", null]
      ],
      Open: [
        {
          type: "object",
          required: ["a"],
          properties: { a: integer, b: { type: "boolean" } },
          additionalProperties: string
        },
        [{ a: 1 }, { a: 1, c: "x" }, { a: 1, b: true, c: "x" }],
        [{ a: "x" }, { a: 1, c: 2 }, { a: 1, b: "x" }, { a: 1, c: true }]
      ],
      Counted: [{ type: "object", properties: { a: string }, minProperties: 2 }, [{ a: "x", b: 1 }], [{ a: "x" }]]
    })
    assert.deepStrictEqual(loaded.operation("schemas.read0").problems, [])
    assert.deepStrictEqual(loaded.operation("schemas.read1").problems, [])
  })

  it("merge allOf, also with references, constraints and alternatives", async () => {
    await check({
      Base: [{ type: "object", required: ["id"], properties: { id: integer } }, [{ id: 1 }], [{}]],
      Derived: [
        {
          allOf: [
            { $ref: "#/components/schemas/Base" },
            { type: "object", required: ["name"], properties: { name: string } }
          ]
        },
        [{ id: 1, name: "a" }],
        [{ id: 1 }, { name: "a" }]
      ],
      Narrow: [
        { allOf: [{ type: "number", minimum: 1 }, { type: "integer", minimum: 3 }, { maximum: 5 }] },
        [3, 5],
        [2, 6, 3.5]
      ],
      Beside: [
        {
          type: "object",
          required: ["kind"],
          properties: { kind: string, a: integer, b: integer },
          anyOf: [{ required: ["a"] }, { required: ["b"] }]
        },
        [
          { kind: "k", a: 1 },
          { kind: "k", b: 1 },
          { kind: "k", a: 1, b: 2 }
        ],
        [{ kind: "k" }, { a: 1 }]
      ],
      Patterns: [{ allOf: [{ type: "string", pattern: "^a" }, { pattern: "z$" }] }, ["az"], ["a", "z"]],
      Impossible: [{ allOf: [string, integer] }, [], ["a", 1]],
      Sibling: [
        { $ref: "#/components/schemas/Base", required: ["more"], properties: { more: string } },
        [{ id: 1, more: "x" }],
        [{ id: 1 }]
      ]
    })
  })

  it("take the alternative that asks for more first, so that nothing is lost", async () => {
    const small = { type: "object", required: ["id"], properties: { id: integer } }
    const large = { type: "object", required: ["id", "name"], properties: { id: integer, name: string } }
    const loaded = await load(describe31({ Either: { oneOf: [small, large] } }))
    assert.isTrue(loaded.takes("Either", { id: 1, name: "a" }))
    const { decodeUnknownSync } = await import("effect/Schema")
    assert.deepStrictEqual(decodeUnknownSync(loaded.schema("Either"))({ id: 1, name: "a" }), { id: 1, name: "a" })
    assert.isTrue(loaded.notes.some((note) => note.includes("oneOf")))
  })

  it("suspend what contains itself, alone or in a circle", async () => {
    const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
    await check({
      Tree: [
        { type: "object", required: ["children"], properties: { children: { type: "array", items: ref("Tree") } } },
        [{ children: [{ children: [] }] }],
        [{ children: [{}] }]
      ],
      Folder: [
        { type: "object", properties: { entries: { type: "array", items: ref("Entry") } } },
        [{ entries: [{ of: {} }] }],
        [{ entries: [1] }]
      ],
      Entry: [
        { type: "object", required: ["of"], properties: { of: ref("Folder") } },
        [{ of: { entries: [] } }],
        [{ of: 1 }]
      ],
      Nested: [{ anyOf: [string, { type: "array", items: ref("Nested") }] }, ["a", [["a"]]], [1, [1]]]
    })
  })

  it("read 3.0's own words", async () => {
    await check(
      {
        Maybe: [{ type: "string", nullable: true, enum: ["a"] }, ["a", null], ["b"]],
        Ref: [{ nullable: true, allOf: [{ $ref: "#/components/schemas/Maybe" }] }, ["a", null], [1]],
        Either: [{ nullable: true, oneOf: [string, integer] }, ["a", 1, null], [true]],
        Above: [{ type: "number", minimum: 1, exclusiveMinimum: true }, [1.1], [1]],
        Below: [{ type: "number", maximum: 1, exclusiveMaximum: false }, [1], [1.1]]
      },
      "3.0.3"
    )
  })

  it("leave readOnly properties out of a request, and writeOnly ones out of an answer", async () => {
    const schema = {
      type: "object",
      required: ["id", "password", "name"],
      properties: { id: { ...integer, readOnly: true }, password: { ...string, writeOnly: true }, name: string }
    }
    const media = { "application/json": { schema: { $ref: "#/components/schemas/User" } } }
    const loaded = await load(
      describe31(
        { User: schema },
        {
          "/users": {
            post: { requestBody: { required: true, content: media }, responses: { "204": { description: "Done" } } }
          }
        }
      )
    )
    assert.isTrue(loaded.takes("User", { id: 1, name: "a" }))
    assert.isFalse(loaded.takes("User", { name: "a" }))
    assert.isTrue(loaded.takes("UserRequest", { password: "p", name: "a" }))
    assert.isFalse(loaded.takes("UserRequest", { name: "a" }))
  })

  it("tell what they could not carry over, by operation and place", async () => {
    const loaded = await load(
      describe31({
        Any: {},
        Inner: { type: "object", properties: { any: { description: "Whatever" }, list: { type: "array" } } },
        Not: { type: "string", not: { const: "a" } },
        Dependent: { type: "object", properties: { a: string }, dependentRequired: { a: ["b"] } },
        Bad: { type: "string", pattern: "(" },
        Deep: { enum: [{ a: 1 }, "b"] },
        Fine: { type: "object" }
      })
    )
    const problems = (n: number) => loaded.operation(`schemas.read${n}`).problems.join("; ")
    assert.include(problems(0), "#/components/schemas/Any: says nothing")
    assert.include(problems(1), "#/components/schemas/Inner/properties/any: says nothing")
    assert.include(problems(1), "#/components/schemas/Inner/properties/list/items: says nothing")
    assert.include(problems(2), "`not` is not carried over")
    assert.include(problems(3), "`dependentRequired` is not carried over")
    assert.include(problems(4), "`pattern` is no regular expression")
    assert.include(problems(5), "`enum` has a value that is an object")
    assert.deepStrictEqual(problems(6), "")
  })

  it("copy no examples and no defaults", async () => {
    const made = await generated(
      describe31({
        Key: {
          type: "object",
          properties: { key: { ...string, example: "sk_live_1", default: "sk_live_2" } },
          examples: ["sk_live_3"]
        }
      })
    )
    assert.notInclude(JSON.stringify(made), "sk_live")
  })
})
