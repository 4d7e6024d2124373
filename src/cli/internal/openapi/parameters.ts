/** What stands in a path, a query and the headers of a request, and how each is written there. */
import { below, own, ownObject, ownString, type Parameter, type RawOperation } from "./document.ts"
import { json, type Field, type Node } from "./node.ts"
import type { Reading } from "./reader.ts"
import type { Schemas } from "./schemas.ts"
import { camel, quote } from "./text.ts"

export interface Parameters {
  /** The path as `HttpApiEndpoint` writes it: `/repos/:owner`. */
  readonly path: string
  readonly params: ReadonlyArray<Field>
  readonly query: ReadonlyArray<Field>
  /** What stands beside the named properties of the query, for a parameter that is an open object. */
  readonly others: Node | undefined
  readonly headers: ReadonlyArray<Field>
  readonly keyHeaders: ReadonlyArray<string>
}

/** OpenAPI says that these are described elsewhere, and that a parameter of this name is ignored. */
const ignored: ReadonlySet<string> = new Set(["accept", "content-type", "authorization"])
const keyHeader = /^(x-)?idempotency-?key$|^(x-)?idempotent-key$|^paypal-request-id$/i

const separators: Readonly<Record<string, string>> = { spaceDelimited: " ", pipeDelimited: "|" }

export const readParameters = (operation: RawOperation, schemas: Schemas, reading: Reading): Parameters => {
  const params: Array<Field> = []
  const query: Array<Field> = []
  const headers: Array<Field> = []
  const keyHeaders: Array<string> = []
  let others: Node | undefined

  const read = (p: Parameter): Node => {
    const content = Object.entries(ownObject(p.value, "content") ?? {})[0]
    if (content !== undefined) {
      const at = below(p.pointer, "content", content[0], "schema")
      return {
        _tag: "JsonText",
        node: schemas.reader.read(own(content[1], "schema") ?? {}, at, { ...reading, text: false })
      }
    }
    return schemas.reader.read(own(p.value, "schema") ?? {}, below(p.pointer, "schema"), reading)
  }
  /** A schema within text: an array or an object has no form there but the JSON of it. */
  const flatItem = (node: Node, p: Parameter): Node => {
    if (!isComposite(node)) return node
    reading.note(
      `OpenAPI gives no form to an object or array inside a parameter: it is sent as JSON text (${p.pointer}).`
    )
    return { _tag: "JsonText", node }
  }
  const separated = (node: Node, by: string, p: Parameter): Node => {
    if (node._tag === "Array") return { _tag: "Separated", by, item: flatItem(node.item, p), checks: node.checks }
    if (node._tag === "Union") return { ...node, options: node.options.map((option) => separated(option, by, p)) }
    if (node._tag === "Object" || node._tag === "Record" || node._tag === "Tuple") {
      reading.problem(p.pointer, "an object in one string is not carried over: it is sent as JSON text")
      return { _tag: "JsonText", node }
    }
    return node
  }

  let path = operation.path
  const pathNames = new Set<string>()
  for (const p of operation.parameters) {
    const doc = ownString(p.value, "description")
    const optional = own(p.value, "required") !== true
    const style = ownString(p.value, "style")
    switch (p.in) {
      case "path": {
        if (style === "matrix" || style === "label")
          reading.problem(p.pointer, `the style ${style} is not carried over`)
        let name = /^[A-Za-z_]\w*$/.test(p.name) ? p.name : camel(p.name).replace(/\W/g, "_")
        while (pathNames.has(name)) name += "_"
        pathNames.add(name)
        const before = path
        path = path.replaceAll(`{${p.name}}`, `:${name}`)
        if (path === before) {
          reading.note(
            `A path parameter that the path does not have is left out: ${operation.method} ${operation.path}.`
          )
          break
        }
        params.push({ name, node: separated(read(p), ",", p), optional: false, doc })
        break
      }
      case "query": {
        if (own(p.value, "allowReserved") === true)
          reading.note("`allowReserved` is not carried over: all is percent-encoded.")
        const node = read(p)
        const form = style === undefined || style === "form"
        const explode = own(p.value, "explode") ?? form
        if (style === "deepObject" || node._tag === "JsonText") {
          query.push({ name: p.name, node, optional, doc })
        } else if ((node._tag === "Object" || node._tag === "Record") && form && explode === true) {
          // An object of this style has no name on the wire: its properties stand in the query themselves.
          if (node._tag === "Record") others ??= node.value
          else {
            others ??= node.others
            for (const field of node.fields) {
              query.push({ ...field, node: flatItem(field.node, p), optional: optional || field.optional })
            }
          }
        } else if (explode === true) {
          query.push({ name: p.name, node: repeated(node, (item) => flatItem(item, p), p), optional, doc })
        } else query.push({ name: p.name, node: separated(node, separators[style ?? ""] ?? ",", p), optional, doc })
        break
      }
      case "header": {
        const name = p.name.toLowerCase()
        if (ignored.has(name)) break
        if (keyHeader.test(name)) {
          keyHeaders.push(p.name)
          reading.note(
            "A header that carries an idempotency key is no input: breakwater writes it, `Idempotency` says where."
          )
          break
        }
        headers.push({ name, node: separated(read(p), ",", p), optional, doc })
        break
      }
      case "cookie":
        reading.problem(p.pointer, `the cookie ${quote(p.name)} is not sent`)
        break
      default:
        reading.problem(p.pointer, `a parameter in ${quote(p.in)} is not carried over`)
    }
  }
  for (const [, name] of path.matchAll(/\{([^{}]+)\}/g)) {
    // The description forgot it. A call can't do without, and a path says no more of it than that it is text.
    reading.note("A parameter that only the path names is a text.")
    const safe = /^[A-Za-z_]\w*$/.test(name!) ? name! : camel(name!).replace(/\W/g, "_")
    path = path.replaceAll(`{${name!}}`, `:${safe}`)
    params.push({
      name: safe,
      node: { _tag: "String", format: undefined, checks: [] },
      optional: false,
      doc: undefined
    })
  }
  return { path, params, query: unique(query), others, headers: unique(headers), keyHeaders }

  function repeated(node: Node, item: (node: Node) => Node, p: Parameter): Node {
    if (node._tag === "Array") return { ...node, item: item(node.item) }
    if (node._tag === "Union") return { ...node, options: node.options.map((option) => repeated(option, item, p)) }
    return isComposite(node) ? flatItem(node, p) : node
  }
}

const unique = (fields: ReadonlyArray<Field>): ReadonlyArray<Field> => [
  ...new Map(fields.map((field) => [field.name, field])).values()
]

const isComposite = (node: Node): boolean =>
  node._tag === "Object" ||
  node._tag === "Record" ||
  node._tag === "Array" ||
  node._tag === "Tuple" ||
  node._tag === "Ref" ||
  (node._tag === "Union" && node.options.some(isComposite)) ||
  node === json
