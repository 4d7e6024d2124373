/**
 * Schemas of OpenAPI without references and `allOf`: what all parts of one schema say together.
 *
 * JSON Schema lets every keyword stand beside every other; a struct has one list of properties. So this is where
 * 3.0's own keywords (`nullable`, `exclusiveMinimum: true`) become those of JSON Schema, and where parts are merged.
 */
import { below, fail, isObject, own, ownArray, ownString, ownStrings, type Json, type OpenApi } from "./document.ts"

export interface Alternatives {
  readonly options: ReadonlyArray<unknown>
  /** `oneOf`: no second one may fit. */
  readonly exactlyOne: boolean
  readonly pointer: string
}

/** A schema without `$ref`, `allOf`, `anyOf` and `oneOf`, and the alternatives that hold beside it. */
export interface Flat {
  readonly base: Json
  readonly unions: ReadonlyArray<Alternatives>
}

/** Keywords that restrict nothing. Vendor extensions (`x-…`) do not either. */
const annotations: ReadonlySet<string> = new Set(
  `title description default example examples deprecated externalDocs xml $comment $schema
   discriminator $id $defs contentEncoding contentMediaType contentSchema $anchor $dynamicAnchor`.split(/\s+/)
)
export const isAnnotation = (keyword: string): boolean => annotations.has(keyword) || keyword.startsWith("x-")

/** The keywords that say something about a value. */
export const saying = (schema: Json): ReadonlyArray<string> =>
  Object.keys(schema).filter(
    (keyword) => !isAnnotation(keyword) && !(keyword === "nullable" && schema[keyword] !== true)
  )

export const typesOf = (schema: Json): ReadonlyArray<string> | undefined => {
  const type = own(schema, "type")
  return typeof type === "string" ? [type] : Array.isArray(type) ? type.filter((t) => typeof t === "string") : undefined
}

const without = (schema: Json, ...keywords: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(schema).filter(([keyword]) => !keywords.includes(keyword)))

export interface Flattener {
  /** One level of a schema in the words of JSON Schema 2020-12. */
  readonly normal: (schema: Json) => Json
  readonly flatten: (schema: unknown, pointer: string) => Flat
}

export const makeFlattener = (api: Pick<OpenApi, "is30" | "follow">): Flattener => {
  const normal = (schema: Json): Json => {
    const ref = ownString(schema, "$ref")
    if (!api.is30) return schema
    if (ref !== undefined) return { $ref: ref }
    let out = schema
    for (const [exclusive, limit] of [
      ["exclusiveMinimum", "minimum"],
      ["exclusiveMaximum", "maximum"]
    ] as const) {
      const flag = own(out, exclusive)
      if (typeof flag !== "boolean") continue
      const value = own(out, limit)
      out = flag && value !== undefined ? { ...without(out, limit), [exclusive]: value } : without(out, exclusive)
    }
    if (own(out, "nullable") !== true) return without(out, "nullable")
    out = without(out, "nullable")
    const types = typesOf(out)
    const values = own(out, "enum")
    // Strictly, `nullable` counts beside `type` alone. Everybody writes it beside `oneOf` and `allOf` too, and means it.
    if (types === undefined) {
      return saying(out).length === 0
        ? out
        : { ...annotationsOf(out), anyOf: [without(out, "description"), { type: "null" }] }
    }
    return {
      ...out,
      type: [...types, "null"],
      ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {})
    }
  }

  const flattenOnce = (raw: unknown, pointer: string, seen: ReadonlyArray<string>): Flat => {
    if (raw === false) return never
    if (!isObject(raw)) return { base: {}, unions: [] }
    const schema = normal(raw)
    const parts: Array<Flat> = []
    const ref = ownString(schema, "$ref")
    if (ref !== undefined) {
      if (seen.includes(ref))
        fail("BrokenReference", pointer, "A schema contains itself without a property in between.")
      parts.push(flattenOnce(api.follow(ref, pointer), ref, [...seen, ref]))
    }
    for (const [index, part] of ownArray(schema, "allOf").entries()) {
      parts.push(flattenOnce(part, below(pointer, "allOf", index), seen))
    }
    const unions: Array<Alternatives> = []
    for (const keyword of ["anyOf", "oneOf"] as const) {
      const options = own(schema, keyword)
      if (Array.isArray(options) && options.length > 0) {
        unions.push({ options, exactlyOne: keyword === "oneOf", pointer: below(pointer, keyword) })
      }
    }
    const self: Flat = { base: asEnum(without(schema, "$ref", "allOf", "anyOf", "oneOf")), unions }
    return parts.reduceRight((all, part) => both(part, all), self)
  }

  return { normal, flatten: (schema, pointer) => flattenOnce(schema, pointer, []) }
}

export const never: Flat = { base: { type: [] }, unions: [] }
export const isNever = (flat: Flat): boolean => typesOf(flat.base)?.length === 0

const annotationsOf = (schema: Json): Json =>
  Object.fromEntries(Object.entries(schema).filter(([keyword]) => keyword === "description"))

const asEnum = (schema: Json): Json =>
  Object.hasOwn(schema, "const") ? { ...without(schema, "const"), enum: [own(schema, "const")] } : schema

export const both = (a: Flat, b: Flat): Flat => ({ base: merge(a.base, b.base), unions: [...a.unions, ...b.unions] })

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const max = (a: unknown, b: unknown) => (typeof a === "number" && typeof b === "number" ? Math.max(a, b) : b)
const min = (a: unknown, b: unknown) => (typeof a === "number" && typeof b === "number" ? Math.min(a, b) : b)
const or = (a: unknown, b: unknown) => a === true || b === true
const allOf = (a: unknown, b: unknown) => (same(a, b) ? a : { allOf: [a, b] })
const list = (a: unknown, b: unknown) => [...new Set([a, b].flat())]

const merging: Readonly<Record<string, (a: unknown, b: unknown) => unknown>> = {
  type: (a, b) => {
    const [left, right] = [[a].flat(), [b].flat()] as [Array<string>, Array<string>]
    return left.flatMap((type) =>
      right.includes(type) || (type === "integer" && right.includes("number"))
        ? type
        : type === "number" && right.includes("integer")
          ? "integer"
          : []
    )
  },
  enum: (a, b) => (a as Array<unknown>).filter((value) => (b as Array<unknown>).some((other) => same(value, other))),
  required: list,
  pattern: list,
  multipleOf: list,
  items: allOf,
  propertyNames: allOf,
  minimum: max,
  exclusiveMinimum: max,
  minLength: max,
  minItems: max,
  minProperties: max,
  maximum: min,
  exclusiveMaximum: min,
  maxLength: min,
  maxItems: min,
  maxProperties: min,
  uniqueItems: or,
  readOnly: or,
  writeOnly: or
}

/** What two schemas say together. A keyword that can't be merged is kept under a name that the reader does not know. */
const merge = (a: Json, b: Json): Json => {
  const entries = new Map(Object.entries(a))
  for (const [keyword, right] of Object.entries(b)) {
    if (keyword === "properties" || keyword === "additionalProperties") continue
    const left = entries.get(keyword)
    if (left === undefined || same(left, right) || isAnnotation(keyword) || keyword === "format") {
      entries.set(keyword, right)
    } else {
      const how = merging[keyword]
      if (how === undefined) entries.set(`both ${keyword}`, [left, right])
      else entries.set(keyword, how(left, right))
    }
  }
  const [left, right] = [own(a, "additionalProperties"), own(b, "additionalProperties")]
  const properties = new Map<string, unknown>()
  const [ofA, ofB] = [own(a, "properties") ?? {}, own(b, "properties") ?? {}] as [Json, Json]
  for (const name of new Set([...Object.keys(ofA), ...Object.keys(ofB)])) {
    const [inA, inB] = [own(ofA, name), own(ofB, name)]
    // A closed part of an `allOf` would forbid what the other parts add, and nobody means that.
    properties.set(
      name,
      inA !== undefined && inB !== undefined
        ? allOf(inA, inB)
        : inA !== undefined
          ? isObject(right) && Object.keys(right).length > 0
            ? allOf(inA, right)
            : inA
          : isObject(left) && Object.keys(left).length > 0
            ? allOf(left, inB)
            : inB
    )
  }
  if (properties.size > 0) entries.set("properties", Object.fromEntries(properties))
  if (left !== undefined && right !== undefined) {
    entries.set(
      "additionalProperties",
      left === false || right === false
        ? false
        : isObject(left) && isObject(right)
          ? allOf(left, right)
          : isObject(left)
            ? left
            : right
    )
  } else if (right !== undefined && right !== false) entries.set("additionalProperties", right)
  if (left === false && right === undefined && Object.keys(ofB).length > 0) entries.delete("additionalProperties")
  return Object.fromEntries(entries)
}

/** The members of `required`, as a set. */
export const requiredOf = (schema: Json): ReadonlySet<string> => new Set(ownStrings(schema, "required"))
