/** JSON Schemas in one spelling, so that two generations can be compared, and equal answers found. */
import type { Canonical } from "./contract.ts"
import { isObject, own, ownString, type Json, type OpenApi } from "./document.ts"
import { isAnnotation, makeFlattener } from "./flatten.ts"

/** Sorted keys, no annotations (so no examples), 3.0 written as 2020-12, references by the name that `nameOf` gives. */
export const canonical = (
  schema: unknown,
  api: Pick<OpenApi, "is30" | "follow">,
  nameOf: (pointer: string) => string
): Canonical => {
  const { normal } = makeFlattener(api)
  const ofSchema = (raw: unknown): Canonical => {
    if (!isObject(raw)) return raw === false ? false : {}
    const ref = ownString(raw, "$ref")
    const schema = normal(raw)
    const out: Array<readonly [string, Canonical]> = []
    for (const [keyword, value] of Object.entries(schema)) {
      if (isAnnotation(keyword) && !(keyword === "discriminator")) continue
      if (keyword === "$ref" && ref !== undefined) out.push([keyword, `#/${nameOf(ref)}`])
      else if (keyword === "properties" || keyword === "patternProperties") {
        out.push([keyword, sorted(Object.entries(value as Json).map(([name, inner]) => [name, ofSchema(inner)]))])
      } else if (keyword === "required" || keyword === "enum") {
        const texts = Array.isArray(value) ? value : []
        out.push([keyword, texts.map(plain).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))])
      } else if (Array.isArray(value) && ["allOf", "anyOf", "oneOf", "prefixItems"].includes(keyword)) {
        out.push([keyword, value.map(ofSchema)])
      } else if (
        ["items", "additionalProperties", "not", "propertyNames", "if", "then", "else", "contains"].includes(keyword)
      ) {
        out.push([keyword, value === true ? true : ofSchema(value)])
      } else out.push([keyword, plain(value)])
    }
    return sorted(out)
  }
  return ofSchema(schema)
}

const sorted = (entries: ReadonlyArray<readonly [string, Canonical]>): Canonical =>
  Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

const plain = (value: unknown): Canonical =>
  Array.isArray(value)
    ? value.map(plain)
    : isObject(value)
      ? sorted(Object.keys(value).map((name) => [name, plain(own(value, name))] as const))
      : typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? value
        : null
