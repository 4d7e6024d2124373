/** The exported schemas of a generated file: which there are, their names, their order, their text. */
import { below, own, ownObject, ownString, type Json, type OpenApi } from "./document.ts"
import { makeFlattener } from "./flatten.ts"
import { formatName, print, printType, refsOf, textOf, type Node, type Printing } from "./node.ts"
import { makeReader, type Reader, type Reading } from "./reader.ts"
import { doc, pascal, type Names } from "./text.ts"

interface Entry {
  readonly pointer: string
  readonly request: boolean
  readonly node: Node
  readonly doc: string | undefined
  readonly problems: ReadonlyArray<string>
}

export interface Schemas {
  readonly reader: Reader
  /** Reads all that a node refers to. Call it for every node that is printed later. */
  readonly use: (node: Node) => void
  /** Gives a schema that stands inside an operation a name of its own. */
  readonly hoist: (schema: unknown, pointer: string, request: boolean, name: string) => Node
  /** The problems of everything that the nodes refer to, and the names of it. To be asked when all is read. */
  readonly closure: (nodes: ReadonlyArray<Node>) => {
    readonly problems: ReadonlySet<string>
    readonly names: ReadonlyArray<string>
  }
  readonly printing: Printing
  /** The fields of a node as text to spread or to write, when it is a plain struct; then an error class can have them. */
  readonly struct: (
    node: Node
  ) => { readonly node: Node & { readonly _tag: "Object" }; readonly name: string | undefined } | undefined
  readonly name: (pointer: string) => string
  /** The formats of strings that were printed, and the name of each. */
  readonly formats: ReadonlyMap<string, string>
  readonly text: () => string
}

const componentOf = (pointer: string): string | undefined =>
  /^#\/components\/(?:schemas\/([^/]+)|(?:responses|requestBodies)\/([^/]+)\/content\/[^/]+\/schema)$/
    .exec(pointer)
    ?.slice(1)
    .find((name) => name !== undefined)

export const makeSchemas = (
  api: OpenApi,
  root: Json,
  names: Names,
  isRegex: (pattern: string, flags: string) => boolean,
  note: (what: string) => void
): Schemas => {
  const reader = makeReader(makeFlattener(api), isRegex)
  const entries = new Map<string, Entry>()
  const single = new Set<string>()
  const wishes = new Map<string, string>()
  const given = new Map<string, string>()
  const keyOf = (pointer: string, request: boolean) => `${request ? "request" : "answer"} ${pointer}`

  // All components get their names first, so that a name does not depend on what is selected.
  const components = Object.keys(ownObject(ownObject(root, "components"), "schemas") ?? {})
  for (const component of components) {
    given.set(below("#/components/schemas", component), names.claim(pascal(component), `${pascal(component)}Schema`))
  }
  const name = (pointer: string): string => {
    const known = given.get(pointer)
    if (known !== undefined) return known
    const component = componentOf(pointer)
    const wish =
      component !== undefined
        ? pascal(component)
        : (wishes.get(pointer) ?? pascal(pointer.replace("#/components/schemas/", "")))
    const claimed = names.claim(wish, `${wish}Schema`)
    given.set(pointer, claimed)
    return claimed
  }

  const queue: Array<readonly [pointer: string, request: boolean, schema: unknown]> = []
  const add = (pointer: string, request: boolean, schema: unknown) => {
    if (entries.has(keyOf(pointer, request))) return
    const problems: Array<string> = []
    entries.set(keyOf(pointer, request), { pointer, request, node: { _tag: "Json" }, doc: undefined, problems })
    queue.push([pointer, request, schema])
  }
  const drain = () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [pointer, request, schema] = next
      const problems = new Set<string>()
      const reading: Reading = {
        request,
        text: false,
        note,
        problem: (at, what) => problems.add(`${at}: ${what}`)
      }
      const node = reader.read(schema, pointer, reading)
      entries.set(keyOf(pointer, request), {
        pointer,
        request,
        node,
        doc:
          ownString(schema, "description") ??
          (own(schema, "$ref") === undefined ? ownString(schema, "title") : undefined),
        problems: [...problems]
      })
      follow(node)
    }
  }
  const follow = (node: Node) => {
    for (const ref of refsOf(node)) {
      const schema = api.follow(ref.pointer, ref.pointer)
      // Both uses are read, whichever is asked for: whether they differ decides the names.
      add(ref.pointer, ref.request, schema)
      if (!single.has(ref.pointer)) add(ref.pointer, !ref.request, schema)
    }
  }
  const use = (node: Node) => {
    follow(node)
    drain()
  }

  // ---- where the schema of a request and that of an answer are not the same

  let differing: ReadonlySet<string> | undefined
  const differs = (pointer: string): boolean => {
    if (differing === undefined) {
      const found = new Set<string>()
      const both = [...entries.values()].filter((e) => !e.request && entries.has(keyOf(e.pointer, true)))
      for (const e of both) {
        if (textOf(e.node) !== textOf(entries.get(keyOf(e.pointer, true))!.node)) found.add(e.pointer)
      }
      for (let size = -1; size !== found.size;) {
        size = found.size
        for (const e of both) if (refsOf(e.node).some((ref) => found.has(ref.pointer))) found.add(e.pointer)
      }
      differing = found
    }
    return differing.has(pointer)
  }
  const requestNames = new Map<string, string>()
  const nameOf = (pointer: string, request: boolean): string => {
    const plain = name(pointer)
    if (!request || single.has(pointer) || !differs(pointer)) return plain
    const known = requestNames.get(pointer) ?? names.claim(`${plain}Request`, `${plain}RequestSchema`)
    requestNames.set(pointer, known)
    return known
  }
  /** The entry that is printed: that of the answer stands for both where they are the same. */
  const entryOf = (pointer: string, request: boolean): Entry => {
    const answer = entries.get(keyOf(pointer, false))
    return request && (answer === undefined || single.has(pointer) || differs(pointer))
      ? entries.get(keyOf(pointer, true))!
      : (answer ?? entries.get(keyOf(pointer, request))!)
  }
  const idOf = (pointer: string, request: boolean) => {
    const entry = entryOf(pointer, request)
    return keyOf(entry.pointer, entry.request)
  }

  // ---- order: what is named comes first, and what contains itself is suspended

  const formats = new Map<string, string>()
  let circle: ReadonlySet<string> = new Set()
  const printing: Printing = {
    uses: new Set(),
    doc: (text) => doc(text),
    format: (format) => {
      const known = formats.get(format) ?? names.claim(formatName(format))
      formats.set(format, known)
      return known
    },
    value: (pointer, request) => {
      const target = nameOf(pointer, request)
      return circle.has(idOf(pointer, request)) ? `Schema.suspend((): Schema.Codec<${target}> => ${target})` : target
    },
    type: (pointer, request) => nameOf(pointer, request)
  }

  const lines: Array<string> = []
  const emit = (id: string) => {
    const entry = entries.get(id)!
    const title = nameOf(entry.pointer, entry.request)
    const body = print(entry.node, printing)
    const about = doc(entry.doc)
    if (circle.has(id)) {
      const type = printType(entry.node, printing)
      const plain = entry.node._tag === "Object" && entry.node.others === undefined
      lines.push(
        `${about}${plain ? `export interface ${title} ${type}` : `export type ${title} = ${type}`}`,
        `export const ${title}: Schema.Codec<${title}> = ${body}`
      )
    } else lines.push(`${about}export const ${title} = ${body}\nexport type ${title} = typeof ${title}.Type`)
  }

  /** Tarjan's algorithm: strongly connected parts, those that others need first. */
  const layout = (roots: ReadonlyArray<string>) => {
    const index = new Map<string, number>()
    const low = new Map<string, number>()
    const stack: Array<string> = []
    const visit = (id: string) => {
      index.set(id, index.size)
      low.set(id, index.get(id)!)
      stack.push(id)
      let loops = false
      for (const ref of refsOf(entries.get(id)!.node)) {
        const next = idOf(ref.pointer, ref.request)
        if (next === id) loops = true
        if (!index.has(next)) {
          visit(next)
          low.set(id, Math.min(low.get(id)!, low.get(next)!))
        } else if (stack.includes(next)) low.set(id, Math.min(low.get(id)!, index.get(next)!))
      }
      if (low.get(id) !== index.get(id)) return
      const part = stack.splice(stack.lastIndexOf(id))
      circle = part.length > 1 || loops ? new Set(part) : new Set()
      // In the order of the document, so that a new reference moves nothing.
      for (const member of part) emit(member)
      circle = new Set()
    }
    for (const root of roots) if (!index.has(root)) visit(root)
  }

  const wanted = new Set<string>()
  const reach = (nodes: ReadonlyArray<Node>): ReadonlySet<string> => {
    const found = new Set<string>()
    const pending = nodes.flatMap(refsOf)
    for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
      const id = idOf(ref.pointer, ref.request)
      if (found.has(id)) continue
      found.add(id)
      pending.push(...refsOf(entries.get(id)!.node))
    }
    return found
  }

  return {
    reader,
    use,
    name,
    printing,
    formats,
    hoist: (schema, pointer, request, wish) => {
      const ref: Node = { _tag: "Ref", pointer, request }
      if (!entries.has(keyOf(pointer, request))) {
        single.add(pointer)
        if (!wishes.has(pointer)) wishes.set(pointer, wish)
        add(pointer, request, schema)
        drain()
      }
      return ref
    },
    closure: (nodes) => {
      const ids = reach(nodes)
      for (const id of ids) wanted.add(id)
      const found = [...ids].map((id) => entries.get(id)!)
      return {
        problems: new Set(found.flatMap((entry) => entry.problems)),
        names: found.map((entry) => nameOf(entry.pointer, entry.request)).toSorted()
      }
    },
    struct: (node) => {
      let at = node
      let title: string | undefined
      const seen = new Set<string>()
      while (at._tag === "Ref") {
        const id = idOf(at.pointer, at.request)
        if (seen.has(id)) return undefined
        seen.add(id)
        title ??= nameOf(at.pointer, at.request)
        at = entries.get(id)!.node
        // The type of a schema that contains itself is written down, and then its fields are not to be had.
        if (reach([at]).has(id)) return undefined
      }
      return at._tag === "Object" && at.others === undefined && at.checks.length === 0
        ? { node: at, name: title }
        : undefined
    },
    text: () => {
      const order = new Map(components.map((component, i) => [below("#/components/schemas", component), i]))
      const place = (id: string) => order.get(entries.get(id)!.pointer) ?? Number.MAX_SAFE_INTEGER
      layout([...wanted].toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : a > b ? 1 : 0)))
      return lines.join("\n\n")
    }
  }
}
