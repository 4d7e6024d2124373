// What has changed between two JSON Schemas, for who sends such a value and for who reads it.
import type { Canonical } from "../openapi/contract.ts"

/** `in` is what a call gives, `out` is what it gets. */
export type Direction = "in" | "out"

export interface SchemaChange {
  /** Where, from the value that is looked at: `labels[].name`, empty for the value itself. */
  readonly path: string
  readonly text: string
  readonly breaking: boolean
}

/** A pair of names, both of which stand for a schema of their generation. */
export interface Pair {
  readonly before: string
  readonly after: string
}

export interface Named {
  readonly before: { readonly [name: string]: Canonical }
  readonly after: { readonly [name: string]: Canonical }
}

export interface SchemaChanges {
  readonly changes: ReadonlyArray<SchemaChange>
  /** The named schemas that are compared on their own. */
  readonly pairs: ReadonlyArray<Pair>
}

type Fields = { readonly [key: string]: Canonical }

const isFields = (value: Canonical | undefined): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const fieldsOf = (value: Canonical | undefined): Fields => (isFields(value) ? value : {})
const listOf = (value: Canonical | undefined): ReadonlyArray<Canonical> =>
  Array.isArray(value) ? (value as ReadonlyArray<Canonical>) : []
const same = (a: Canonical | undefined, b: Canonical | undefined): boolean => JSON.stringify(a) === JSON.stringify(b)

const refOf = (value: Canonical | undefined): string | undefined => {
  const ref = fieldsOf(value)["$ref"]
  return typeof ref === "string" && ref.startsWith("#/") ? ref.slice(2) : undefined
}

/** The types that a value may have; none where the schema does not say. */
const typesOf = (schema: Fields): ReadonlySet<string> => {
  const { type } = schema
  return new Set((Array.isArray(type) ? type : type === undefined ? [] : [type]).map(String))
}

const without = (from: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...from].filter((own) => !other.has(own)))

const membersOf = (schema: Fields): ReadonlyArray<Canonical> | undefined =>
  "const" in schema ? [schema["const"]!] : Array.isArray(schema["enum"]) ? listOf(schema["enum"]) : undefined

const shown = (value: Canonical): string => {
  const text = JSON.stringify(value)
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`
}

/** What a schema is, in a few words. */
const kindOf = (schema: Canonical | undefined): string => {
  const ref = refOf(schema)
  if (ref !== undefined) return ref
  const own = fieldsOf(schema)
  const types = [...typesOf(own)]
  if (types.length > 0) return types.join(" or ")
  if (membersOf(own) !== undefined) return "one of some values"
  for (const word of ["oneOf", "anyOf", "allOf"]) if (word in own) return `${word} ${listOf(own[word]).length}`
  return "anything"
}

/** Limits whose larger number lets more values through, and those whose smaller one does. */
const upper = ["maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"]
const lower = ["minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"]
const exact = ["format", "pattern", "multipleOf", "uniqueItems", "contentEncoding"]
const unions = ["oneOf", "anyOf"]

/**
 * Compares two schemas of one place. Named ones are not entered where both sides name one: they are told in `pairs`, to be
 * compared once however many places have them.
 */
export const compareSchemas = (
  before: Canonical | undefined,
  after: Canonical | undefined,
  direction: Direction,
  named: Named
): SchemaChanges => {
  const changes: Array<SchemaChange> = []
  const pairs: Array<Pair> = []

  /** `wider` lets more values through than before: good for who sends, a surprise for who reads. */
  const report = (path: string, text: string, change: "wider" | "narrower" | "other" | "harmless") =>
    void changes.push({
      path,
      text,
      breaking:
        change === "other" || (change === "narrower" ? direction === "in" : change === "wider" && direction === "out")
    })

  const resolve = (schema: Canonical | undefined, side: "before" | "after", depth = 0): Canonical | undefined => {
    const ref = refOf(schema)
    return ref === undefined || depth > 20 ? schema : resolve(named[side][ref], side, depth + 1)
  }

  const walk = (a: Canonical | undefined, b: Canonical | undefined, path: string, depth: number): void => {
    const [refA, refB] = [refOf(a), refOf(b)]
    if (refA !== undefined && refB !== undefined) return void pairs.push({ before: refA, after: refB })
    if (same(a, b)) return inside(a)
    if (depth > 60) return report(path, "has changed", "other")
    const [own, other] = [resolve(a, "before"), resolve(b, "after")]
    if (!isFields(own) || !isFields(other)) return report(path, "has changed", "other")
    compare(own, other, path, depth + 1)
  }

  /** The two are the same text, but a name in it may stand for something else now. */
  const inside = (schema: Canonical | undefined): void => {
    const ref = refOf(schema)
    if (ref !== undefined) return void pairs.push({ before: ref, after: ref })
    if (Array.isArray(schema)) return (schema as ReadonlyArray<Canonical>).forEach(inside)
    for (const own of Object.values(fieldsOf(schema))) inside(own)
  }

  const at = (path: string, name: string) => (path === "" ? name : `${path}.${name}`)

  const compare = (a: Fields, b: Fields, path: string, depth: number): void => {
    const [typesA, typesB] = [typesOf(a), typesOf(b)]
    const [added, gone] = [without(typesB, typesA), without(typesA, typesB)]
    const onlyNull = (own: ReadonlySet<string>) => own.size === 1 && own.has("null")
    if (typesA.size > 0 && typesB.size > 0 && (added.size > 0 || gone.size > 0)) {
      if (gone.size === 0) {
        report(path, onlyNull(added) ? "may be null now" : `may be ${[...added].join(" or ")} too`, "wider")
      } else if (added.size === 0) {
        report(path, onlyNull(gone) ? "is never null now" : `is never ${[...gone].join(" or ")} now`, "narrower")
      } else {
        // Nothing below the two can be compared.
        return report(path, `is ${[...typesB].join(" or ")} now, not ${[...typesA].join(" or ")}`, "other")
      }
    } else if (typesA.size !== typesB.size) {
      if (kindOf(a) !== kindOf(b)) return report(path, `is ${kindOf(b)} now, not ${kindOf(a)}`, "other")
    }

    const [enumA, enumB] = [membersOf(a), membersOf(b)]
    if (enumA !== undefined && enumB !== undefined) {
      const missing = (from: ReadonlyArray<Canonical>, to: ReadonlyArray<Canonical>) =>
        from.filter((own) => !to.some((other) => same(own, other))).map(shown)
      const [more, fewer] = [missing(enumB, enumA), missing(enumA, enumB)]
      if (more.length > 0) report(path, `can be ${more.join(", ")} too`, "wider")
      if (fewer.length > 0) report(path, `can't be ${fewer.join(", ")} any more`, "narrower")
    } else if (enumA !== undefined) report(path, "can be any value of its type now", "wider")
    else if (enumB !== undefined) report(path, `can only be ${enumB.map(shown).join(", ")} now`, "narrower")

    const [propertiesA, propertiesB] = [fieldsOf(a["properties"]), fieldsOf(b["properties"])]
    const [requiredA, requiredB] = [new Set(listOf(a["required"])), new Set(listOf(b["required"]))]
    for (const name of new Set([...Object.keys(propertiesA), ...Object.keys(propertiesB)])) {
      const where = at(path, name)
      const [must, had] = [requiredB.has(name), requiredA.has(name)]
      if (!(name in propertiesA)) {
        if (direction === "out") report(where, "is new", "harmless")
        else
          report(where, must ? "is new and must be given" : "is new and can be given", must ? "narrower" : "harmless")
      } else if (!(name in propertiesB)) {
        report(where, "is gone", "other")
      } else {
        if (must && !had) report(where, direction === "in" ? "must be given now" : "is always there now", "narrower")
        if (had && !must) report(where, direction === "in" ? "can be left out now" : "may be missing now", "wider")
        walk(propertiesA[name], propertiesB[name], where, depth)
      }
    }

    if (a["items"] !== undefined || b["items"] !== undefined) walk(a["items"], b["items"], `${path}[]`, depth)
    rest(a["additionalProperties"], b["additionalProperties"], path, depth)

    for (const word of unions) {
      const [formsA, formsB] = [listOf(a[word]), listOf(b[word])]
      const fresh = formsB.filter((own) => !formsA.some((other) => same(own, other)))
      const old = formsA.filter((own) => !formsB.some((other) => same(own, other)))
      for (const own of formsB) if (!fresh.includes(own)) inside(own)
      if (old.length === fresh.length) old.forEach((own, i) => walk(own, fresh[i], path, depth))
      else {
        const names = (own: ReadonlyArray<Canonical>) => own.map(kindOf).join(", ")
        if (formsA.length > 0 && fresh.length > 0) report(path, `can be another form too: ${names(fresh)}`, "wider")
        if (formsB.length > 0 && old.length > 0) report(path, `can't be this form any more: ${names(old)}`, "narrower")
        if (formsA.length === 0) report(path, `is one of ${formsB.length} forms now`, "other")
        if (formsB.length === 0) report(path, "is a single form now", "other")
      }
    }
    const [partsA, partsB] = [listOf(a["allOf"]), listOf(b["allOf"])]
    if (partsA.length === partsB.length) partsA.forEach((own, i) => walk(own, partsB[i], path, depth))
    else report(path, "is put together from other parts", "other")

    for (const word of [...upper, ...lower, ...exact]) {
      const [x, y] = [a[word], b[word]]
      if (same(x, y)) continue
      const said = y === undefined ? `has no ${word} now` : `has the ${word} ${shown(y)} now`
      const grew = typeof x === "number" && typeof y === "number" ? y > x : undefined
      report(
        path,
        x === undefined || y === undefined ? said : `${said}, not ${shown(x)}`,
        y === undefined
          ? "wider"
          : x === undefined
            ? "narrower"
            : grew === undefined
              ? "other"
              : grew === upper.includes(word)
                ? "wider"
                : "narrower"
      )
    }
    if (b["deprecated"] === true && a["deprecated"] !== true) report(path, "is deprecated", "harmless")
  }

  const rest = (a: Canonical | undefined, b: Canonical | undefined, path: string, depth: number): void => {
    if (isFields(a) && isFields(b)) return walk(a, b, at(path, "*"), depth)
    if (same(a, b)) return
    const closed = (own: Canonical | undefined) => own === false
    if (closed(b)) report(path, "can hold no other fields now", "narrower")
    else if (closed(a)) report(path, "can hold other fields too", "wider")
    // Open either way: what the other fields look like is said, or no longer said.
    else report(path, "says something else of its other fields", isFields(b) ? "narrower" : "wider")
  }

  walk(before, after, "", 0)
  return { changes, pairs }
}
