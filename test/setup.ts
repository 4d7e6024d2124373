import { addEqualityTesters, assert } from "@effect/vitest"
import { isDeepStrictEqual } from "node:util"

addEqualityTesters()

// Chai compares errors by name and message alone: `new Declined({ code: "a" })` would equal one of code "b", inside an Exit
// too. Where an error is expected, its own fields are compared as well.
const holdsError = (value: unknown, depth = 0): boolean =>
  value instanceof Error ||
  (typeof value === "object" &&
    value !== null &&
    depth < 6 &&
    Object.values(value).some((part) => holdsError(part, depth + 1)))

/** The own fields of errors as data, without what no two errors share. */
const plain = (value: unknown, depth = 0): unknown => {
  if (typeof value !== "object" || value === null || depth > 8) return value
  if (Array.isArray(value)) return value.map((part) => plain(part, depth + 1))
  if (!(value instanceof Error) && Object.getPrototypeOf(value) !== Object.prototype && !("_tag" in value)) return value
  const fields = Object.entries(value).filter(([name]) => name !== "stack")
  const own = value instanceof Error ? [["name", value.name], ["message", value.message], ...fields] : fields
  return Object.fromEntries(own.map(([name, part]) => [name, plain(part, depth + 1)]))
}

const { deepStrictEqual } = assert
assert.deepStrictEqual = (actual, expected, message) => {
  deepStrictEqual(actual, expected, message)
  if (holdsError(expected) && !isDeepStrictEqual(plain(actual), plain(expected))) {
    deepStrictEqual<unknown>(plain(actual), plain(expected), message ?? "the fields of an error differ")
  }
}
