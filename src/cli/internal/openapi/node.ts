/** Schemas as the generated file has them, before they are text. */
import { key, quote, typeKey } from "./text.ts"

export interface Field {
  readonly name: string
  readonly node: Node
  readonly optional: boolean
  readonly doc: string | undefined
}

/** A check as text, such as `Schema.isMinLength(1)`. */
type Checks = ReadonlyArray<string>

export type Node =
  | { readonly _tag: "Json" }
  | { readonly _tag: "Never" }
  | { readonly _tag: "Bytes" }
  | { readonly _tag: "File"; readonly many: boolean }
  /** `format` is a name that the file declares at its top. */
  | { readonly _tag: "String"; readonly format: string | undefined; readonly checks: Checks }
  | { readonly _tag: "Number"; readonly integer: boolean; readonly checks: Checks }
  | { readonly _tag: "Boolean" }
  | { readonly _tag: "Null" }
  | { readonly _tag: "Literals"; readonly values: ReadonlyArray<string | number | boolean> }
  | { readonly _tag: "Array"; readonly item: Node; readonly checks: Checks }
  | {
      readonly _tag: "Tuple"
      readonly items: ReadonlyArray<Node>
      readonly rest: Node | undefined
      readonly checks: Checks
    }
  | {
      readonly _tag: "Object"
      readonly fields: ReadonlyArray<Field>
      readonly others: Node | undefined
      readonly checks: Checks
    }
  | { readonly _tag: "Record"; readonly key: Checks; readonly value: Node; readonly checks: Checks }
  | { readonly _tag: "Union"; readonly options: ReadonlyArray<Node>; readonly exactlyOne: boolean }
  /** Another exported schema, by its pointer. */
  | { readonly _tag: "Ref"; readonly pointer: string; readonly request: boolean }
  /** A value that stands as JSON text in a string. */
  | { readonly _tag: "JsonText"; readonly node: Node }
  /** An array that stands in one string, with a separator. */
  | { readonly _tag: "Separated"; readonly by: string; readonly item: Node; readonly checks: Checks }

export const json: Node = { _tag: "Json" }

/** Nodes are data, so this tells two apart, and two schemas that differ only in where they are used. */
export const textOf = (node: Node): string =>
  JSON.stringify(node, (name, value: unknown) => (name === "request" ? undefined : value))

export const union = (options: ReadonlyArray<Node>, exactlyOne = false): Node => {
  const all = options.flatMap((node) =>
    node._tag === "Union" && !node.exactlyOne && !exactlyOne ? node.options : [node]
  )
  const seen = new Map(all.filter((node) => node._tag !== "Never").map((node) => [textOf(node), node]))
  const rest = [...seen.values()]
  // Literals that follow each other are one list.
  const joined = rest.reduce<Array<Node>>((done, node) => {
    const last = done.at(-1)
    if (last?._tag === "Literals" && node._tag === "Literals" && !exactlyOne) {
      done[done.length - 1] = { _tag: "Literals", values: [...new Set([...last.values, ...node.values])] }
    } else done.push(node)
    return done
  }, [])
  return joined.length === 0
    ? { _tag: "Never" }
    : joined.length === 1
      ? joined[0]!
      : { _tag: "Union", options: joined, exactlyOne }
}

export interface Printing {
  /** How a reference is written as a value and as a type. A schema that stands further down the file is suspended. */
  readonly value: (pointer: string, request: boolean) => string
  readonly type: (pointer: string, request: boolean) => string
  readonly doc: (text: string | undefined) => string
  /** The name that the file gives to strings of a format. */
  readonly format: (format: string) => string
  /** Helpers that the file must declare. */
  readonly uses: Set<string>
}

const checked = (text: string, checks: Checks): string =>
  checks.length === 0 ? text : `${text}.check(${checks.join(", ")})`

export const literal = (value: string | number | boolean): string =>
  typeof value === "string" ? quote(value) : String(value)

export const print = (node: Node, p: Printing): string => {
  switch (node._tag) {
    case "Json":
      return "Schema.Json"
    case "Never":
      return "Schema.Never"
    case "Bytes":
      return "Schema.Uint8Array"
    case "File":
      p.uses.add("Multipart")
      return node.many ? "Multipart.FilesSchema" : "Multipart.SingleFileSchema"
    case "String":
      return checked(node.format === undefined ? "Schema.String" : p.format(node.format), node.checks)
    case "Number":
      return checked(node.integer ? "Schema.Int" : "Schema.Finite", node.checks)
    case "Boolean":
      return "Schema.Boolean"
    case "Null":
      return "Schema.Null"
    case "Literals":
      return node.values.length === 1
        ? `Schema.Literal(${literal(node.values[0]!)})`
        : `Schema.Literals([${node.values.map(literal).join(", ")}])`
    case "Array":
      return checked(`Schema.Array(${print(node.item, p)})`, node.checks)
    case "Tuple": {
      const items = `Schema.Tuple([${node.items.map((item) => print(item, p)).join(", ")}])`
      return checked(
        node.rest === undefined ? items : `Schema.TupleWithRest(${items}, [${print(node.rest, p)}])`,
        node.checks
      )
    }
    case "Object": {
      const fields = `{${printFields(node.fields, p)}}`
      if (node.others === undefined) return checked(`Schema.Struct(${fields})`, node.checks)
      p.uses.add("withOthers")
      return checked(`withOthers(${fields}, ${print(node.others, p)})`, node.checks)
    }
    case "Record":
      return checked(`Schema.Record(${checked("Schema.String", node.key)}, ${print(node.value, p)})`, node.checks)
    case "Union": {
      const rest = node.options.filter((option) => option._tag !== "Null")
      const mode = node.exactlyOne ? `, { mode: "oneOf" }` : ""
      const body =
        rest.length === 1 ? print(rest[0]!, p) : `Schema.Union([${rest.map((o) => print(o, p)).join(", ")}]${mode})`
      return rest.length === node.options.length ? body : `Schema.NullOr(${body})`
    }
    case "Ref":
      return p.value(node.pointer, node.request)
    case "JsonText":
      return `Schema.fromJsonString(${print(node.node, p)})`
    case "Separated":
      p.uses.add("separated")
      return checked(`separated(${quote(node.by)}, ${print(node.item, p)})`, node.checks)
  }
}

export const printFields = (fields: ReadonlyArray<Field>, p: Printing): string =>
  fields
    .map((field) => {
      const value = print(field.node, p)
      return `\n${p.doc(field.doc)}${key(field.name)}: ${field.optional ? `Schema.optionalKey(${value})` : value}`
    })
    .join(",") + (fields.length === 0 ? "" : "\n")

/** The type of a node, for schemas that contain themselves: their type can't be inferred. */
export const printType = (node: Node, p: Printing): string => {
  switch (node._tag) {
    case "Json":
      return "Schema.Json"
    case "Never":
      return "never"
    case "Bytes":
      return "Uint8Array"
    case "File":
      return "never"
    case "String":
      return "string"
    case "Number":
      return "number"
    case "Boolean":
      return "boolean"
    case "Null":
      return "null"
    case "Literals":
      return node.values.map(literal).join(" | ")
    case "Array":
    case "Separated":
      return `ReadonlyArray<${printType(node.item, p)}>`
    case "Tuple":
      return `readonly [${[
        ...node.items.map((item) => printType(item, p)),
        ...(node.rest === undefined ? [] : [`...Array<${printType(node.rest, p)}>`])
      ].join(", ")}]`
    case "Object": {
      const types = node.fields.map((field) => printType(field.node, p))
      const fields = node.fields.map(
        (field, i) => `${p.doc(field.doc)}readonly ${typeKey(field.name)}${field.optional ? "?" : ""}: ${types[i]!}`
      )
      if (node.others !== undefined) {
        fields.push(`readonly [name: string]: ${[...new Set([printType(node.others, p), ...types])].join(" | ")}`)
      }
      return `{\n${fields.join("\n")}\n}`
    }
    case "Record":
      return `{ readonly [name: string]: ${printType(node.value, p)} }`
    case "Union":
      return node.options.map((option) => printType(option, p)).join(" | ")
    case "Ref":
      return p.type(node.pointer, node.request)
    case "JsonText":
      return printType(node.node, p)
  }
}

/** `date-time` as `DateTime`. */
export const formatName = (format: string): string =>
  `${format
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("")}Text`

/** The nodes of a node that are references. */
export const refsOf = (node: Node): ReadonlyArray<{ readonly pointer: string; readonly request: boolean }> => {
  switch (node._tag) {
    case "Ref":
      return [node]
    case "Array":
    case "Separated":
      return refsOf(node.item)
    case "Tuple":
      return [...node.items, ...(node.rest === undefined ? [] : [node.rest])].flatMap(refsOf)
    case "Object":
      return [...node.fields.map((field) => field.node), ...(node.others === undefined ? [] : [node.others])].flatMap(
        refsOf
      )
    case "Record":
      return refsOf(node.value)
    case "Union":
      return node.options.flatMap(refsOf)
    case "JsonText":
      return refsOf(node.node)
    default:
      return []
  }
}
