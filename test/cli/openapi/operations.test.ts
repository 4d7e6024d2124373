import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { generate } from "../../../src/cli/internal/openapi/generate.ts"
import { describe31, generated, json, load, type Called } from "./support.ts"

const string = { type: "string" }
const integer = { type: "integer" }
const ok = { "200": { description: "Fine", content: { "application/json": { schema: integer } } } }
const content = (schema: unknown, type = "application/json") => ({ content: { [type]: { schema } } })
const at = (path: string, method: string, operation: object) =>
  describe31({}, { [path]: { [method]: { responses: ok, ...operation } } })
const parameter = (name: string, place: string, schema: unknown, more: object = {}) => ({
  name,
  in: place,
  schema,
  ...more
})

const failure = (called: Called): Record<string, unknown> => {
  assert.isTrue(Exit.isFailure(called.exit))
  return Exit.isFailure(called.exit)
    ? (called.exit.cause.reasons[0] as unknown as { readonly error: Record<string, unknown> }).error
    : {}
}
const value = (called: Called): unknown =>
  Exit.isSuccess(called.exit) ? called.exit.value : assert.fail(String(called.exit))

describe("requests", () => {
  it("write a path, a query and headers as the description says", async () => {
    const loaded = await load(
      at("/shops/{shop-id}/items", "get", {
        operationId: "list",
        parameters: [
          parameter("shop-id", "path", integer, { required: true }),
          parameter("many", "query", { type: "array", items: integer }),
          parameter("commas", "query", { type: "array", items: integer }, { explode: false }),
          parameter("pipes", "query", { type: "array", items: string }, { style: "pipeDelimited", explode: false }),
          parameter(
            "filter",
            "query",
            { type: "object", properties: { a: integer } },
            { style: "deepObject", explode: true }
          ),
          parameter("spread", "query", { type: "object", properties: { b: { type: "boolean" } } }),
          {
            name: "where",
            in: "query",
            content: { "application/json": { schema: { type: "object", properties: { c: integer } } } }
          },
          parameter("X-Trace", "header", integer),
          parameter("Authorization", "header", string, { required: true })
        ]
      })
    )
    const called = await loaded.call(
      "shops.list",
      {
        params: { shop_id: undefined, shopId: 7 },
        query: { many: [1, 2], commas: [3, 4], pipes: ["x", "y"], filter: { a: 5 }, b: true, where: { c: 6 } },
        headers: { "x-trace": 8 }
      },
      json(1)
    )
    const url = new URL(called.url, "http://shop")
    assert.strictEqual(url.pathname, "/shops/7/items")
    assert.deepStrictEqual(
      [...url.searchParams],
      [
        ["many", "1"],
        ["many", "2"],
        ["commas", "3,4"],
        ["pipes", "x|y"],
        ["filter[a]", "5"],
        ["where", '{"c":6}'],
        ["b", "true"]
      ].toSorted((a, b) => [...url.searchParams.keys()].indexOf(a[0]!) - [...url.searchParams.keys()].indexOf(b[0]!))
    )
    assert.strictEqual(called.headers["x-trace"], "8")
    assert.deepStrictEqual(loaded.operation("shops.list").inputs, ["params", "query", "headers"])
    assert.deepStrictEqual(loaded.operation("shops.list").problems, [])
    const refused = await loaded.call("shops.list", { params: { shopId: "x" }, query: {}, headers: {} }, json(1))
    assert.isTrue(Exit.isFailure(refused.exit))
    assert.strictEqual(refused.url, "")
  })

  it("write bodies of each media type", async () => {
    const one = (path: string, type: string, schema: unknown) => ({
      [path]: {
        post: {
          operationId: path.slice(1),
          tags: ["send"],
          requestBody: { required: true, ...content(schema, type) },
          responses: ok
        }
      }
    })
    const loaded = await load(
      describe31(
        {},
        {
          ...one("/json", "application/vnd.shop+json; charset=utf-8", {
            type: "object",
            required: ["a"],
            properties: { a: integer }
          }),
          ...one("/form", "application/x-www-form-urlencoded", {
            type: "object",
            properties: {
              a: integer,
              tags: { type: "array", items: string },
              deep: { type: "object", properties: { b: integer } }
            }
          }),
          ...one("/text", "text/plain", string),
          ...one("/bytes", "application/octet-stream", { type: "string", format: "binary" }),
          ...one("/parts", "multipart/form-data", {
            type: "object",
            properties: { file: { type: "string", format: "binary" }, name: string }
          })
        }
      )
    )
    const send = async (name: string, payload: unknown) => {
      const { body, headers } = await loaded.call(`send.${name}`, { payload }, json(1))
      return [headers["content-type"], body]
    }
    assert.deepStrictEqual(await send("json", { a: 1 }), ["application/vnd.shop+json", '{"a":1}'])
    assert.deepStrictEqual(await send("form", { a: 1, tags: ["x", "y"], deep: { b: 2 } }), [
      "application/x-www-form-urlencoded",
      "a=1&tags=x&tags=y&deep=%7B%22b%22%3A2%7D"
    ])
    assert.deepStrictEqual(await send("text", "hello"), ["text/plain", "hello"])
    assert.deepStrictEqual(await send("bytes", new TextEncoder().encode("raw")), ["application/octet-stream", "raw"])
    assert.isTrue(Exit.isSuccess((await loaded.call("send.parts", { payload: new FormData() }, json(1))).exit))
    for (const operation of loaded.operations) assert.deepStrictEqual(operation.problems, [], operation.id)
  })

  it("say what can't be sent", async () => {
    const loaded = await load(
      at("/a", "get", {
        operationId: "a",
        requestBody: content(string),
        parameters: [parameter("session", "cookie", string), parameter("Idempotency-Key", "header", string)]
      })
    )
    const { keyHeaders, problems } = loaded.operations[0]!
    assert.include(problems.join(), 'the cookie "session" is not sent')
    assert.include(problems.join(), "a GET can't have a body")
    assert.deepStrictEqual(keyHeaders, ["Idempotency-Key"])
  })
})

describe("answers", () => {
  const error = { type: "object", required: ["message"], properties: { message: string, code: integer } }
  const answers = (responses: object, components: object = {}) =>
    load({
      ...at("/a", "get", { operationId: "a", tags: ["a"], responses }),
      components: { schemas: { error }, ...components }
    })

  it("are told apart by status and media type", async () => {
    const loaded = await answers({
      "200": { description: "", content: { "application/json": { schema: integer }, "text/csv": { schema: string } } },
      "201": { description: "", ...content(error) },
      "202": { description: "" },
      "204": { description: "" }
    })
    const call = (answer: () => Response) => loaded.call("a.a", undefined, answer)
    assert.strictEqual(value(await call(json(1))), 1)
    assert.strictEqual(value(await call(() => new Response("a,b", { headers: { "content-type": "text/csv" } }))), "a,b")
    assert.deepStrictEqual(value(await call(json({ message: "m", more: 1 }, 201))), { message: "m" })
    assert.isUndefined(value(await call(() => new Response("whatever", { status: 202 }))))
    assert.isUndefined(value(await call(() => new Response(null, { status: 204 }))))
    assert.isTrue(Exit.isFailure((await call(json("x"))).exit))
  })

  it("that are errors are classes with a tag, whatever their body", async () => {
    const loaded = await answers(
      {
        "200": { description: "" },
        "304": { description: "Not changed" },
        "400": { description: "Wrong", ...content(error) },
        "404": { $ref: "#/components/responses/no_such_thing" },
        "409": { description: "", ...content({ type: "array", items: string }) },
        "422": {
          description: "",
          content: { "application/json": { schema: error }, "text/plain": { schema: string } }
        },
        "5XX": { description: "", ...content(error) },
        default: { description: "", ...content({ type: "object", required: ["_tag"], properties: { _tag: string } }) }
      },
      {
        responses: {
          no_such_thing: { description: "Nothing there", ...content({ $ref: "#/components/schemas/error" }) }
        }
      }
    )
    const call = async (answer: () => Response) => failure(await loaded.call("a.a", undefined, answer))
    const told = (fields: object) => ({ message: "m", ...fields })
    assert.strictEqual((await call(() => new Response(null, { status: 304 })))["_tag"], "NotModified")
    assert.include(await call(json({ message: "m", code: 1 }, 400)), told({ _tag: "BadRequest", code: 1 }))
    assert.include(await call(json({ message: "m" }, 404)), told({ _tag: "NoSuchThing" }))
    assert.deepInclude(await call(json(["a"], 409)), { _tag: "Conflict", body: ["a"] })
    assert.include(await call(json({ message: "m" }, 422)), told({ _tag: "UnprocessableContent" }))
    const plain = () => new Response("no", { status: 422, headers: { "content-type": "text/plain" } })
    assert.include(await call(plain), { _tag: "UnprocessableContentPlain", body: "no" })
    assert.include(await call(json({ message: "m" }, 599)), told({ _tag: "ServerError" }))
    assert.deepInclude(await call(json({ _tag: "x" }, 499)), { _tag: "OtherAnswer", body: { _tag: "x" } })
    const errors = new Map(loaded.operation("a.a").errors.map(({ statuses, tag }) => [tag, statuses]))
    assert.deepStrictEqual(errors.get("NoSuchThing"), [404])
    assert.lengthOf(errors.get("ServerError")!, 100)
    assert.isFalse(errors.get("OtherAnswer")!.some((status) => status >= 500 || [304, 400, 404].includes(status)))
    assert.deepStrictEqual(loaded.operation("a.a").problems, [])
  })

  it("of which nothing is said must be asked for", async () => {
    const loaded = await answers({ "200": { description: "", ...content({}) } })
    assert.isFalse(loaded.operation("a.a").validated)
    assert.include(loaded.source, "success: Schema.Unknown")
  })
})

describe("names and selection", () => {
  const paths = {
    "/pets": {
      get: { operationId: "pets/list", tags: ["pets"], responses: ok },
      post: { operationId: "petsCreate", tags: ["pets"], responses: ok }
    },
    "/pets/{id}": { delete: { tags: ["pets"], responses: ok } },
    "/shop/cart": { get: { operationId: "list", responses: ok } }
  }
  const only = (selection: object) => ({ only: { paths: [], tags: [], operations: [], ...selection } })

  it("do not depend on what is selected", async () => {
    const all = await generated(describe31({}, paths))
    assert.deepStrictEqual(
      all.operations.map(({ id }) => id),
      ["pets.list", "pets.create", "pets.deletePetsId", "shop.list"]
    )
    const one = await generated(describe31({}, paths), only({ operations: ["pets.deletePetsId"] }))
    assert.deepStrictEqual(one.operations, [all.operations[2]!])
    assert.lengthOf((await generated(describe31({}, paths), only({ paths: ["/pets/*"] }))).operations, 3)
    assert.lengthOf(
      (await generated(describe31({}, paths), only({ tags: ["pets"], paths: ["/shop/cart"] }))).operations,
      4
    )
    const error = await Effect.runPromise(Effect.flip(generate(describe31({}, paths), only({ tags: ["dogs"] }))))
    assert.strictEqual(error.reason, "NothingSelected")
    assert.include(error.message, '"dogs"')
  })

  it("are the same for the same description", async () => {
    const [one, two] = await Promise.all([generated(describe31({}, paths)), generated(describe31({}, paths))])
    assert.deepStrictEqual(one, two)
  })
})
