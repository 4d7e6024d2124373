import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { ordersText } from "../../examples/checkout/generate-orders.ts"
import { defaultOrdersFile, loadOrders, parseOrders } from "../../examples/checkout/orders.ts"

const good = {
  id: "ord_1",
  lines: [{ sku: "MUG-BLUE", quantity: 1 }],
  amount: 1290,
  currency: "EUR",
  email: "ada.lind@example.com",
  cardToken: "tok_visa_4f2a9c"
}

const text = (...lines: ReadonlyArray<unknown>) => lines.map((line) => `${JSON.stringify(line)}\n`).join("")

describe("the committed orders", () => {
  it("are what the generator writes", () => {
    assert.strictEqual(readFileSync(defaultOrdersFile, "utf8"), ordersText())
  })

  it.effect("are 1,000 different orders of many shapes", () =>
    Effect.gen(function* () {
      const orders = yield* loadOrders(defaultOrdersFile)
      assert.strictEqual(orders.length, 1_000)
      assert.strictEqual(new Set(orders.map(({ id }) => id)).size, 1_000)
      assert.deepStrictEqual(new Set(orders.map(({ currency }) => currency)).size, 4)
      assert.deepStrictEqual([...new Set(orders.map(({ lines }) => lines.length))].toSorted(), [1, 2, 3, 4, 5])
      assert.isAbove(new Set(orders.map(({ amount }) => amount)).size, 400)
    })
  )
})

describe("parseOrders", () => {
  it.effect("accepts a byte order mark, Windows line ends and blank lines", () =>
    Effect.gen(function* () {
      const orders = yield* parseOrders(
        "f",
        `\uFEFF${JSON.stringify(good)}\r\n\r\n${JSON.stringify({ ...good, id: "b" })}`
      )
      assert.deepStrictEqual(
        orders.map(({ id }) => id),
        ["ord_1", "b"]
      )
    })
  )

  const refusals: ReadonlyArray<readonly [what: string, text: string, message: string]> = [
    ["no order at all", "\n\n", "f.ndjson: the file has no orders"],
    ["a line that is not JSON", `${text(good)}{"id":`, 'f.ndjson:2: this line is not JSON: {"id":'],
    ["a line that is no object", "[]", "f.ndjson:1: expected object, found []"],
    ["a missing field", text({ ...good, amount: undefined }), "f.ndjson:1: amount: missing key"],
    [
      "a wrong number",
      text(good, { ...good, id: "b", amount: 12.5 }),
      "f.ndjson:2: amount: expected an integer, found 12.5"
    ],
    [
      "a wrong line item",
      text({ ...good, lines: [{ sku: "MUG-BLUE", quantity: 0 }] }),
      "f.ndjson:1: lines[0].quantity: expected a whole number of at least 1, found 0"
    ],
    ["an unknown field", text({ ...good, discount: 5 }), "f.ndjson:1: discount: expected no excess property"],
    ["an id twice", text(good, good), 'f.ndjson:2: order id "ord_1" is already on line 1'],
    // Where, but not what: this may be somebody's address or card number.
    ["a bad address", text({ ...good, email: "ada" }), "f.ndjson:1: email: expected an e-mail address"],
    [
      "a card number instead of a token",
      text({ ...good, cardToken: "4242424242424242" }),
      "f.ndjson:1: cardToken: expected a card token like tok_visa_4f2a9c"
    ]
  ]
  for (const [what, text, message] of refusals) {
    it.effect(`refuses ${what}, with file and line`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(parseOrders("f.ndjson", text))).message, message)
      })
    )
  }

  it.effect("says plainly that a file does not exist or is a folder", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(loadOrders("no/such.ndjson"))).message, "no/such.ndjson: no such file")
      assert.match((yield* Effect.flip(loadOrders("."))).message, /this is a folder/)
    })
  )
})
