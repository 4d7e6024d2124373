/** From JSON Schema to nodes. What can't be carried over is told as a problem, never left out in silence. */
import { below, isObject, own, ownArray, ownObject, ownString, type Json } from "./document.ts"
import { both, isNever, requiredOf, saying, typesOf, type Alternatives, type Flat, type Flattener } from "./flatten.ts"
import { json, union, type Field, type Node } from "./node.ts"
import { quote } from "./text.ts"

export interface Reading {
  /** A request has no `readOnly` properties, an answer no `writeOnly` ones. */
  readonly request: boolean
  /** The value stands in a path, a query or a header, where all is text: no null, and a scalar where nothing is said. */
  readonly text: boolean
  readonly problem: (pointer: string, what: string) => void
  readonly note: (what: string) => void
}

const handled: ReadonlySet<string> = new Set(
  `type enum properties required additionalProperties items prefixItems pattern format minimum maximum
   exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems
   minProperties maxProperties propertyNames readOnly writeOnly patternProperties nullable minContains
   maxContains`.split(/\s+/)
)

/** A value of which the document says nothing, where it must be text. */
const scalar: Node = union([
  { _tag: "String", format: undefined, checks: [] },
  { _tag: "Number", integer: false, checks: [] },
  { _tag: "Boolean" }
])

/** The types that a keyword is about, for a schema that leaves `type` out. */
const typeByKeyword: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  [
    "object",
    [
      "properties",
      "required",
      "additionalProperties",
      "minProperties",
      "maxProperties",
      "patternProperties",
      "propertyNames"
    ]
  ],
  ["array", ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]],
  ["string", ["pattern", "minLength", "maxLength"]],
  ["number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]]
]

const number = (schema: Json, name: string): number | undefined => {
  const value = own(schema, name)
  return typeof value === "number" ? value : undefined
}

export interface Reader {
  readonly read: (schema: unknown, pointer: string, reading: Reading) => Node
  readonly flat: Flattener["flatten"]
}

export const makeReader = (flattener: Flattener, isRegex: (pattern: string, flags: string) => boolean): Reader => {
  const nothing = (pointer: string, reading: Reading): Node => {
    reading.problem(pointer, "says nothing about the value, so anything is accepted")
    return reading.text ? scalar : json
  }

  const read = (raw: unknown, pointer: string, reading: Reading): Node => {
    if (raw === false) return { _tag: "Never" }
    if (!isObject(raw)) return nothing(pointer, reading)
    const schema = flattener.normal(raw)
    const says = saying(schema)
    if (says.length === 0) return nothing(pointer, reading)
    const ref = ownString(schema, "$ref")
    // A reference that stands alone stays one. Text has its own rules, so there it is read where it stands.
    if (
      ref !== undefined &&
      !reading.text &&
      says.every((name) => name === "$ref" || name === "readOnly" || name === "writeOnly")
    ) {
      flattener.flatten(schema, pointer)
      return { _tag: "Ref", pointer: ref, request: reading.request }
    }
    const parts = ownArray(schema, "allOf")
    if (parts.length === 1 && says.length === 1) return read(parts[0], below(pointer, "allOf", 0), reading)
    for (const keyword of ["anyOf", "oneOf"]) {
      if (says.length === 1 && says[0] === keyword) {
        const options = ownArray(schema, keyword)
        return alternatives(
          { base: {}, unions: [] },
          { options, exactlyOne: keyword === "oneOf", pointer: below(pointer, keyword) },
          [],
          reading
        )
      }
    }
    return readFlat(flattener.flatten(schema, pointer), pointer, reading)
  }

  const readFlat = (flat: Flat, pointer: string, reading: Reading): Node => {
    if (isNever(flat)) return { _tag: "Never" }
    const [first, ...rest] = flat.unions
    if (first !== undefined) return alternatives({ base: flat.base, unions: [] }, first, rest, reading)
    return readBase(flat.base, pointer, reading)
  }

  const alternatives = (
    base: Flat,
    { exactlyOne, options, pointer }: Alternatives,
    rest: ReadonlyArray<Alternatives>,
    reading: Reading
  ): Node => {
    const alone = saying(base.base).length === 0 && rest.length === 0
    const flats = options.map((option, index) => {
      const at = below(pointer, index)
      const flat = both(base, flattener.flatten(option, at))
      return { option, at, flat: { base: flat.base, unions: [...flat.unions, ...rest] } }
    })
    const strict = exactlyOne && options.length > 1 && overlapping(flats.map(({ flat }) => flat))
    if (strict && !reading.request) {
      reading.note(
        "An answer's `oneOf` is read as the first alternative that fits: a provider may add properties, and then two may fit."
      )
    }
    // The first that fits is taken, so what asks for more goes first.
    const ordered =
      strict || !exactlyOne
        ? flats.toSorted((a, b) => requiredOf(b.flat.base).size - requiredOf(a.flat.base).size)
        : flats
    return union(
      ordered.map(({ at, flat, option }) => (alone ? read(option, at, reading) : readFlat(flat, at, reading))),
      strict && reading.request
    )
  }

  const readBase = (schema: Json, pointer: string, reading: Reading): Node => {
    for (const keyword of saying(schema)) {
      if (!handled.has(keyword)) reading.problem(below(pointer, keyword), `\`${keyword}\` is not carried over`)
    }
    const values = own(schema, "enum")
    if (Array.isArray(values)) return enumOf(values, schema, pointer, reading)
    const types =
      typesOf(schema) ??
      typeByKeyword.filter(([, keywords]) => keywords.some((name) => Object.hasOwn(schema, name))).map(([type]) => type)
    const inferred = types.length === 0 && Object.hasOwn(schema, "format") ? ["string"] : types
    if (inferred.length === 0) return nothing(pointer, reading)
    return union(
      inferred
        .filter((type) => !(type === "null" && reading.text) && !(type === "integer" && inferred.includes("number")))
        .map((type) => ofType(type, schema, pointer, reading))
    )
  }

  const enumOf = (values: ReadonlyArray<unknown>, schema: Json, pointer: string, reading: Reading): Node => {
    const types = typesOf(schema)
    const literals: Array<string | number | boolean> = []
    let nullable = false
    for (const value of values) {
      const type = value === null ? "null" : typeof value
      if (types !== undefined && !types.includes(type) && !(type === "number" && types.includes("integer"))) continue
      if (value === null) nullable = !reading.text
      else if (typeof value === "string" || typeof value === "boolean" || typeof value === "number")
        literals.push(value)
      else reading.problem(pointer, "`enum` has a value that is an object or an array, and it is left out")
    }
    const node: Node = literals.length === 0 ? { _tag: "Never" } : { _tag: "Literals", values: [...new Set(literals)] }
    return nullable ? union([node, { _tag: "Null" }]) : node
  }

  const ofType = (type: string, schema: Json, pointer: string, reading: Reading): Node => {
    switch (type) {
      case "null":
        return { _tag: "Null" }
      case "boolean":
        return { _tag: "Boolean" }
      case "string":
        return ofString(schema, pointer, reading)
      case "integer":
      case "number":
        return { _tag: "Number", integer: type === "integer", checks: numberChecks(schema, type === "integer") }
      case "array":
        return ofArray(schema, pointer, reading)
      case "object":
        return ofObject(schema, pointer, reading)
      default:
        reading.problem(pointer, `the type ${quote(type)} is unknown`)
        return reading.text ? scalar : json
    }
  }

  const ofString = (schema: Json, pointer: string, reading: Reading): Node => {
    const checks: Array<string> = []
    const [least, most] = [number(schema, "minLength"), number(schema, "maxLength")]
    if (least === 1) checks.push("Schema.isMinLength(1)")
    else if (least !== undefined && least > 0) checks.push(`Schema.isMinCodePoints(${least})`)
    if (most !== undefined) checks.push(`Schema.isMaxCodePoints(${most})`)
    for (const pattern of [own(schema, "pattern") ?? []].flat()) {
      const source = typeof pattern === "string" ? regexOf(pattern) : undefined
      if (source === undefined)
        reading.problem(below(pointer, "pattern"), "`pattern` is no regular expression of JavaScript")
      else checks.push(`Schema.isPattern(${source})`)
    }
    const format = ownString(schema, "format")
    if (format === "uuid") return { _tag: "String", format: undefined, checks: [...checks, "Schema.isUUID()"] }
    return {
      _tag: "String",
      format: format !== undefined && /^[a-z][\w.-]*$/i.test(format) ? format : undefined,
      checks
    }
  }

  /** A regular expression as JavaScript reads it, with the `u` flag where it can be had. */
  const regexOf = (pattern: string): string | undefined => {
    for (const flags of ["u", ""]) {
      if (isRegex(pattern, flags)) return `new RegExp(${quote(pattern)}${flags === "" ? "" : `, ${quote(flags)}`})`
    }
    return undefined
  }

  const numberChecks = (schema: Json, integer: boolean): ReadonlyArray<string> => {
    const checks: Array<string> = []
    const [minimum, maximum] = [number(schema, "minimum"), number(schema, "maximum")]
    if (minimum !== undefined && maximum !== undefined) {
      checks.push(`Schema.isBetween({ minimum: ${minimum}, maximum: ${maximum} })`)
    } else if (minimum !== undefined) checks.push(`Schema.isGreaterThanOrEqualTo(${minimum})`)
    else if (maximum !== undefined) checks.push(`Schema.isLessThanOrEqualTo(${maximum})`)
    const [above, under] = [number(schema, "exclusiveMinimum"), number(schema, "exclusiveMaximum")]
    if (above !== undefined) checks.push(`Schema.isGreaterThan(${above})`)
    if (under !== undefined) checks.push(`Schema.isLessThan(${under})`)
    for (const divisor of [own(schema, "multipleOf") ?? []].flat()) {
      if (typeof divisor === "number" && divisor > 0) checks.push(`Schema.isMultipleOf(${divisor})`)
    }
    if (integer && own(schema, "format") === "int32") checks.push("Schema.isInt32()")
    return checks
  }

  const ofArray = (schema: Json, pointer: string, reading: Reading): Node => {
    const checks: Array<string> = []
    const [least, most] = [number(schema, "minItems"), number(schema, "maxItems")]
    if (least !== undefined && least > 0) checks.push(`Schema.isMinLength(${least})`)
    if (most !== undefined) checks.push(`Schema.isMaxLength(${most})`)
    if (own(schema, "uniqueItems") === true) checks.push("Schema.isUnique()")
    const first = ownArray(schema, "prefixItems")
    if (first.length === 0) {
      return { _tag: "Array", item: read(own(schema, "items") ?? {}, below(pointer, "items"), reading), checks }
    }
    // JSON Schema lets a tuple end early. What `minItems` does not ask for may be left out, and a tuple can't say that here.
    if ((least ?? 0) < first.length)
      reading.note("The items that `prefixItems` names are all asked for, as everybody means it.")
    const rest = own(schema, "items")
    return {
      _tag: "Tuple",
      items: first.map((item, index) => read(item, below(pointer, "prefixItems", index), reading)),
      rest:
        rest === false
          ? undefined
          : rest === undefined || rest === true
            ? json
            : read(rest, below(pointer, "items"), reading),
      checks
    }
  }

  const ofObject = (schema: Json, pointer: string, reading: Reading): Node => {
    const required = requiredOf(schema)
    const properties = ownObject(schema, "properties") ?? {}
    const rest = own(schema, "additionalProperties")
    const fields: Array<Field> = []
    for (const [name, property] of Object.entries(properties)) {
      const hidden = reading.request ? "readOnly" : "writeOnly"
      if (own(property, hidden) === true || own(flattener.flatten(property, pointer).base, hidden) === true) continue
      const node = read(property, below(pointer, "properties", name), reading)
      const optional = !required.has(name)
      if (node._tag === "Never" && optional) continue
      // Effect's parser finds what an object inherits, so `{}` would have such a property, and a function for its value.
      if (optional && name in Object.prototype) {
        reading.problem(
          below(pointer, "properties", name),
          "an optional property of this name can't be told from JavaScript's own"
        )
      }
      fields.push({ name, node, optional, doc: ownString(property, "description") })
    }
    const others = (): Node =>
      isObject(rest) && saying(rest).length > 0
        ? read(rest, below(pointer, "additionalProperties"), reading)
        : reading.text
          ? scalar
          : json
    for (const name of required) {
      if (Object.hasOwn(properties, name) || fields.some((field) => field.name === name)) continue
      if (rest === false) return { _tag: "Never" }
      if (!isObject(rest))
        reading.problem(pointer, `the property ${quote(name)} is required, and nothing is said about it`)
      fields.push({ name, node: others(), optional: false, doc: undefined })
    }

    const checks: Array<string> = []
    const [least, most] = [number(schema, "minProperties"), number(schema, "maxProperties")]
    if (least !== undefined && least > 0) checks.push(`Schema.isMinProperties(${least})`)
    if (most !== undefined) checks.push(`Schema.isMaxProperties(${most})`)
    const names = own(schema, "propertyNames")
    const keyChecks: Array<string> = []
    if (isObject(names) && saying(names).length > 0) {
      const node = read(names, below(pointer, "propertyNames"), { ...reading, text: false })
      if (node._tag === "String" && fields.length === 0) keyChecks.push(...node.checks)
      else reading.problem(below(pointer, "propertyNames"), "`propertyNames` is not carried over")
    }
    const patterns = ownObject(schema, "patternProperties")
    if (patterns !== undefined) return byPattern(patterns, fields, rest, checks, pointer, reading)

    if (fields.length === 0) {
      // A closed object without properties: an answer may have some all the same, and they are not looked at.
      if (rest === false) return { _tag: "Record", key: [], value: reading.request ? { _tag: "Never" } : json, checks }
      if (names !== undefined && keyChecks.length > 0) {
        return {
          _tag: "Record",
          key: [],
          value: others(),
          checks: [...checks, `Schema.isPropertyNames(Schema.String.check(${keyChecks.join(", ")}))`]
        }
      }
      return { _tag: "Record", key: [], value: others(), checks }
    }
    const open = rest === true || isObject(rest) || checks.length > 0
    return { _tag: "Object", fields, others: open && rest !== false ? others() : undefined, checks }
  }

  const byPattern = (
    patterns: Json,
    fields: ReadonlyArray<Field>,
    rest: unknown,
    checks: ReadonlyArray<string>,
    pointer: string,
    reading: Reading
  ): Node => {
    const [only, ...more] = Object.entries(patterns)
    const source = only === undefined ? undefined : regexOf(only[0])
    if (only === undefined || source === undefined || more.length > 0 || fields.length > 0 || isObject(rest)) {
      reading.problem(
        below(pointer, "patternProperties"),
        "`patternProperties` beside other properties is not carried over"
      )
      return { _tag: "Object", fields, others: json, checks }
    }
    const value = read(only[1], below(pointer, "patternProperties", only[0]), reading)
    return { _tag: "Record", key: [`Schema.isPattern(${source})`], value, checks }
  }

  /** Whether two alternatives may fit one value: not proven otherwise by type, by values, or by a property with other values. */
  const overlapping = (flats: ReadonlyArray<Flat>): boolean =>
    flats.some((a, i) => flats.some((b, j) => i < j && !disjoint(a, b)))

  return { read, flat: flattener.flatten }

  function disjoint(a: Flat, b: Flat): boolean {
    const [left, right] = [valuesOf(a.base), valuesOf(b.base)]
    if (left !== undefined && right !== undefined) return !left.some((value) => right.includes(value))
    const [types, others] = [kindsOf(a.base), kindsOf(b.base)]
    if (types === undefined || others === undefined) return false
    const shared = types.filter((type) => others.includes(type))
    if (shared.length === 0) return true
    if (shared.some((type) => type !== "object")) return false
    const [ofA, ofB] = [ownObject(a.base, "properties") ?? {}, ownObject(b.base, "properties") ?? {}]
    const needed = requiredOf(b.base)
    return [...requiredOf(a.base)].some((name) => {
      if (!needed.has(name) || !Object.hasOwn(ofA, name) || !Object.hasOwn(ofB, name)) return false
      return disjoint(flattener.flatten(ofA[name], "#"), flattener.flatten(ofB[name], "#"))
    })
  }
}

const valuesOf = (schema: Json): ReadonlyArray<string> | undefined =>
  Object.hasOwn(schema, "enum") ? ownArray(schema, "enum").map((value) => JSON.stringify(value)) : undefined

const kindsOf = (schema: Json): ReadonlyArray<string> | undefined => {
  const types =
    typesOf(schema) ??
    typeByKeyword.filter(([, keywords]) => keywords.some((name) => Object.hasOwn(schema, name))).map(([type]) => type)
  return types.length === 0 ? undefined : types.map((type) => (type === "integer" ? "number" : type))
}
