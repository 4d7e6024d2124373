/** The orders of the demo: their Schema, and a loader whose errors name the file, the line and what is wrong there. */
import { Effect, Predicate, Schema, SchemaIssue } from "effect"
import { readFile } from "node:fs/promises"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"

const matching = (pattern: RegExp, expected: string) =>
  Schema.String.pipe(Schema.check(Schema.isPattern(pattern, { expected })))

const atLeastOne = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }, { expected: "a whole number of at least 1" }))
)

export const currencies = ["EUR", "USD", "GBP", "CHF"] as const
export const Currency = Schema.Literals(currencies)

export const OrderLine = Schema.Struct({
  sku: matching(/^[A-Z0-9-]{3,40}$/, "a SKU of capital letters, digits and dashes"),
  quantity: atLeastOne
})

/** One order. `amount` is in cents; `cardToken` is what the card vault gave us, never a card number. */
export const Order = Schema.Struct({
  id: matching(/^[A-Za-z0-9_-]{1,64}$/, "an id of 1 to 64 letters, digits, dashes or underscores"),
  lines: Schema.NonEmptyArray(OrderLine),
  amount: atLeastOne,
  currency: Currency,
  email: matching(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, "an e-mail address"),
  cardToken: matching(/^tok_[a-z0-9_]{3,60}$/, "a card token like tok_visa_4f2a9c")
})
export type Order = typeof Order.Type

/** The committed file: 1,000 orders, written by `generate-orders.ts`. */
export const defaultOrdersFile = fileURLToPath(new URL("orders.ndjson", import.meta.url))

export class OrdersFileError extends Schema.TaggedError<OrdersFileError>()("OrdersFileError", {
  file: Schema.String,
  /** The first line that is wrong, from 1; absent when the file as a whole is. */
  line: Schema.optional(Schema.Int),
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.file}${this.line === undefined ? "" : `:${this.line}`}: ${this.problem}`
  }
}

/** Reads orders, one JSON object per line. Blank lines are allowed; an order id may appear once. */
export const loadOrders = Effect.fn("loadOrders")(function* (file: string) {
  const name = relative(process.cwd(), file) || file
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => new OrdersFileError({ file: name, problem: cannotRead(cause) })
  })
  return yield* parseOrders(name, text)
})

export const parseOrders = Effect.fnUntraced(function* (file: string, text: string) {
  const orders: Array<Order> = []
  const seen = new Map<string, number>()
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const line = index + 1
    if (raw.trim() === "") continue
    const order = yield* decodeLine(raw).pipe(
      Effect.mapError(({ issue }) => new OrdersFileError({ file, line, problem: explain(issue, raw) }))
    )
    const earlier = seen.get(order.id)
    if (earlier !== undefined) {
      return yield* new OrdersFileError({ file, line, problem: `order id "${order.id}" is already on line ${earlier}` })
    }
    seen.set(order.id, line)
    orders.push(order)
  }
  if (orders.length === 0) return yield* new OrdersFileError({ file, problem: "the file has no orders" })
  return orders
})

const decodeLine = Schema.decodeUnknownEffect(Schema.fromJsonString(Order), { onExcessProperty: "error" })

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** "lines[0].quantity: expected a whole number of at least 1, found 0" */
const explain = (issue: SchemaIssue.Issue, raw: string): string => {
  const [first] = standardIssues(issue).issues
  const keys = (first?.path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment))
  const message = (first?.message ?? String(issue)).replace(/^[EM]/, (letter) => letter.toLowerCase())
  if (/valid JSON/.test(message)) return `this line is not JSON: ${excerpt(raw.trim())}`
  const where = keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("")
  const found = keys.reduce<unknown>(
    (value, key) => (Predicate.isObjectOrArray(value) ? value[key as never] : undefined),
    parsed(raw)
  )
  const quiet = found === undefined || /excess/.test(message) || keys.some((key) => personal.has(key))
  const what = quiet ? message : `${message}, found ${excerpt(show(found))}`
  return where === "" ? what : `${where.slice(1)}: ${what}`
}

// What a wrong line holds here may be a real address or card number: say where, not what.
const personal: ReadonlySet<PropertyKey> = new Set(["email", "cardToken"])

const show = (value: unknown): string => (Array.isArray(value) && value.length === 0 ? "[]" : JSON.stringify(value))

const excerpt = (text: string): string => (text.length > 50 ? `${text.slice(0, 50)}…` : text)

// Only called for text that the Schema could parse.
const parsed = (raw: string): unknown => JSON.parse(raw)

const cannotRead = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  switch (code) {
    case "ENOENT":
      return "no such file"
    case "EISDIR":
      return "this is a folder; expected a file with one JSON order per line"
    case "EACCES":
      return "permission denied"
    default:
      return `cannot read the file (${String(code ?? cause)})`
  }
}
