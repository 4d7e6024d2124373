/**
 * Declared errors as classes. A document tells them apart by status and body; a program by `_tag`. So there is one class
 * per status and body, named after the component of the answer where there is one, else after the status.
 */
import { encodingOf, kindOf, mediaOf, piped, readContent, type Body } from "./bodies.ts"
import { canonical } from "./canonical.ts"
import { own, ownObject, ownString, type Json, type OpenApi, type RawOperation, type Response } from "./document.ts"
import { print, printFields, type Node } from "./node.ts"
import type { Named } from "./naming.ts"
import type { Reading } from "./reader.ts"
import type { Schemas } from "./schemas.ts"
import { doc, pascal, quote, statusName, type Names } from "./text.ts"

export interface ErrorUse {
  readonly tag: string
  readonly statuses: ReadonlyArray<number>
  readonly description: string | undefined
  readonly nodes: ReadonlyArray<Node>
  /** The schemas for the list `error` of an endpoint. */
  readonly texts: () => ReadonlyArray<string>
}

export interface Errors {
  readonly of: (operation: RawOperation, reading: Reading) => ReadonlyArray<ErrorUse>
  readonly text: () => string
}

interface Part {
  readonly response: Response
  readonly key: string
  readonly shared: string
  readonly suffix: string
}

interface Case {
  readonly tag: string
  readonly status: string
  /** More than one when the same body is answered with several media types. */
  readonly bodies: ReadonlyArray<Body>
  readonly description: string | undefined
}

/** Which statuses a declared answer is for: never a success, unless it is `default` and nothing else can be one. */
export const statusesOf = (status: string, declared: ReadonlySet<string>): ReadonlyArray<number> => {
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((code) => !declared.has(String(code)))
  if (/^\d+$/.test(status)) return [Number(status)]
  if (status !== "default") return range(Number(status[0]) * 100, Number(status[0]) * 100 + 99)
  return range(300, 599).filter((code) => !declared.has(`${Math.floor(code / 100)}XX`))
}

export const isErrorStatus = (status: string): boolean => status === "default" || /^[345]/.test(status)

export const makeErrors = (
  all: ReadonlyArray<Named>,
  api: OpenApi,
  schemas: Schemas,
  names: Names,
  apiName: string
): Errors => {
  /** What one answer looks like, apart from its description: equal answers are one class. */
  const shapeOf = (content: Json): string =>
    JSON.stringify(
      Object.entries(content).map(([media, value]) => [
        media,
        canonical(own(value, "schema") ?? {}, api, (pointer) => pointer)
      ])
    )

  /** An answer whose body depends on its media type is two answers: each has a class of its own. */
  const split = (response: Response): ReadonlyArray<Part> => {
    const groups = new Map<string, Array<readonly [string, unknown]>>()
    for (const [media, value] of Object.entries(ownObject(response.value, "content") ?? {})) {
      const schema = own(value, "schema") ?? {}
      const id = `${kindOf(mediaOf(media), schema)} ${JSON.stringify(canonical(schema, api, (pointer) => pointer))}`
      groups.set(id, [...(groups.get(id) ?? []), [media, value]])
    }
    const contents = groups.size === 0 ? [{}] : [...groups.values()].map((group) => Object.fromEntries(group))
    return contents.map((content, index) => ({
      response: { ...response, value: { ...response.value, content } },
      key: `${response.status} ${shapeOf(content)}`,
      shared: `${response.component ?? ""} ${shapeOf(content)}`,
      suffix: index === 0 ? "" : pascal(componentIn(content) ?? Object.keys(content)[0]!.replace(/^.*[/]/, ""))
    }))
  }
  const partsOf = (operation: RawOperation): ReadonlyArray<Part> =>
    operation.responses.flatMap((response) => (isErrorStatus(response.status) ? split(response) : []))

  // Names are given over the whole document, so that they do not depend on what is selected.
  const tags = new Map<string, string>()
  const byComponent = new Map<string, string>()
  const counts = new Map<string, { count: number; readonly part: Part; readonly first: string }>()
  for (const { first, part } of all.flatMap(({ group, name, raw }) =>
    partsOf(raw).map((part) => ({ part, first: `${pascal(group)}${pascal(name)}` }))
  )) {
    const known = counts.get(part.key)
    if (known !== undefined) known.count++
    else counts.set(part.key, { count: 1, part, first })
    const { component } = part.response
    if (component === undefined) continue
    const wish = `${pascal(component)}${part.suffix}`
    const name = byComponent.get(part.shared) ?? names.claim(wish, `${wish}Answer`)
    byComponent.set(part.shared, name)
    if (!tags.has(part.key)) tags.set(part.key, name)
  }
  for (const [id, { first, part }] of [...counts].toSorted(([, a], [, b]) => b.count - a.count)) {
    if (tags.has(id)) continue
    const content = ownObject(part.response.value, "content") ?? {}
    const component = componentIn(content)
    const name = statusName(part.response.status)
    const kind = Object.keys(content).length === 0 ? "WithoutBody" : component === undefined ? "" : pascal(component)
    tags.set(id, names.claim(`${name}${part.suffix}`, `${name}${kind}`, `${first}${name}`))
  }

  const cases = new Map<string, Case>()
  const problems = new Map<string, ReadonlyArray<readonly [string, string]>>()
  const ranges = new Map<string, { readonly tag: string; readonly name: string }>()

  /** A class is shared, so what its schema lost is told by each operation that has it. */
  const caseOf = (part: Part, reading: Reading): Case => {
    const tag = tags.get(part.key)!
    const known = cases.get(tag)
    if (known === undefined) {
      const lost: Array<readonly [string, string]> = []
      const { pointer, status, value } = part.response
      const mine: Reading = { ...reading, problem: (at, what) => lost.push([at, what]) }
      const bodies = readContent(value, pointer, mine, schemas, `${tag}Body`)
      cases.set(tag, { tag, status, bodies, description: ownString(value, "description") })
      problems.set(tag, lost)
    }
    for (const [at, what] of problems.get(tag)!) reading.problem(at, what)
    return cases.get(tag)!
  }

  /** The fields of the class, when its body is a plain object whose names an `Error` leaves free. */
  const asFields = (body: Body) => {
    if (body.kind !== "json") return undefined
    const struct = schemas.struct(body.node)
    const clash = struct?.node.fields.some(
      (field) =>
        taken.has(field.name) ||
        (field.name === "message" && field.node._tag !== "String" && field.node._tag !== "Literals")
    )
    return struct === undefined || clash === true ? undefined : struct
  }

  return {
    of: (operation, reading) => {
      const declared = new Set(operation.responses.map((response) => response.status))
      const uses = new Map<string, ErrorUse>()
      for (const part of partsOf(operation)) {
        const { status, value } = part.response
        const made = caseOf(part, reading)
        if (ownObject(value, "headers") !== undefined) reading.note(headersNote)
        const known = uses.get(made.tag)
        uses.set(made.tag, {
          tag: made.tag,
          statuses: [...(known?.statuses ?? []), ...statusesOf(status, declared)].toSorted((a, b) => a - b),
          description: known?.description ?? made.description,
          nodes: made.bodies.map((body) => body.node),
          texts: () => [...(known?.texts() ?? []), ...textsFor(made, status, declared)]
        })
      }
      return [...uses.values()]
    },
    text: () => [...cases.values()].map(printCase).join("\n\n")
  }

  function textsFor(made: Case, status: string, declared: ReadonlySet<string>): ReadonlyArray<string> {
    const bodies: ReadonlyArray<Body | undefined> = made.bodies.length === 0 ? [undefined] : made.bodies
    return bodies.map((body) => {
      const bare = body !== undefined && asFields(body) !== undefined
      const text = piped(bare ? made.tag : `${made.tag}Answer`, body === undefined ? undefined : encodingOf(body))
      if (/^\d+$/.test(status)) {
        return bare && status === made.status ? text : piped(text, `HttpApiSchema.status(${status})`)
      }
      return `...${rangeOf(made, text, status, declared)}`
    })
  }

  /** A range is a hundred schemas, so it is built once and not for every endpoint. */
  function rangeOf(made: Case, text: string, status: string, declared: ReadonlySet<string>): string {
    schemas.printing.uses.add("within")
    const digits = status === "default" ? ["3", "4", "5"].filter((digit) => !declared.has(`${digit}XX`)) : [status[0]!]
    const except = [...declared].filter((code) => /^\d+$/.test(code) && digits.includes(code[0]!)).toSorted()
    const list = except.length === 0 ? "" : `, [${except.join(", ")}]`
    const value = `within(${text}, ${quote(digits.map((digit) => `${digit}XX`).join(" "))}${list})`
    const wish = `${made.tag}${digits.map((digit) => `${digit}xx`).join("")}${except.map((code) => `Not${code}`).join("")}`
    const known = ranges.get(value) ?? { tag: made.tag, name: names.claim(wish) }
    ranges.set(value, known)
    return known.name
  }

  function printCase(made: Case): string {
    const { tag } = made
    const p = schemas.printing
    const status = /^\d+$/.test(made.status) ? `, { httpApiStatus: ${made.status} }` : ""
    const head = (fields: string) =>
      `${doc(made.description)}export class ${tag} extends Schema.Error<${tag}>(${quote(`${apiName}/${tag}`)})({\n_tag: Schema.tagDefaultOmit(${quote(tag)})${fields}}${status}) {}`
    const after = [...ranges]
      .filter(([, range]) => range.tag === tag)
      .map(([value, { name }]) => `\nconst ${name} = ${value}`)
    const body = made.bodies[0]
    if (body === undefined) {
      p.uses.add("unread")
      return [head(""), `\nconst ${tag}Answer = unread(${tag}, () => new ${tag}())`, ...after].join("")
    }
    const struct = asFields(body)
    if (struct !== undefined) {
      const fields = struct.name === undefined ? printFields(struct.node.fields, p) : ` ...${struct.name}.fields`
      return [head(fields.trim() === "" ? "" : `,${fields}`), ...after].join("")
    }
    p.uses.add("bodyOf")
    const text = print(body.node, p)
    return [
      head(`, body: ${text}`),
      `\nconst ${tag}Answer = bodyOf(${tag}, ${text}, (body) => new ${tag}({ body }))`,
      ...after
    ].join("")
  }
}

/** Names that every error has already, or that mean something to Effect. */
const taken: ReadonlySet<string> = new Set(
  "_tag name stack cause toString constructor __proto__ pipe toJSON asEffect commit".split(" ")
)

/** The component that the first body of a content is. */
const componentIn = (content: Json): string | undefined =>
  /^#\/components\/schemas\/(.+)$/.exec(ownString(own(Object.values(content)[0], "schema"), "$ref") ?? "")?.[1]

export const headersNote =
  "The headers of answers have no types. What breakwater needs of them (Retry-After, rate limits) it reads itself."
