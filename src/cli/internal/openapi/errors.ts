/**
 * Declared errors as classes. A document tells them apart by status and body; a program by `_tag`. So there is one class
 * per status and body, named after the component of the answer where there is one, else after the status.
 */
import { piped, readContent, encodingOf, type Body } from "./bodies.ts"
import { canonical } from "./canonical.ts"
import { own, ownObject, ownString, type OpenApi, type RawOperation, type Response } from "./document.ts"
import { print, printFields, textOf, type Node } from "./node.ts"
import type { Reading } from "./reader.ts"
import type { Schemas } from "./schemas.ts"
import { doc, pascal, quote, statusName, type Names } from "./text.ts"

export interface ErrorUse {
  readonly tag: string
  readonly statuses: ReadonlyArray<number>
  readonly description: string | undefined
  readonly nodes: ReadonlyArray<Node>
  /** The schemas for the list `error` of an endpoint. */
  readonly texts: ReadonlyArray<string>
}

export interface Errors {
  readonly of: (operation: RawOperation, reading: Reading) => ReadonlyArray<ErrorUse>
  readonly text: () => string
}

interface Case {
  readonly tag: string
  readonly status: string
  bodies: ReadonlyArray<Body>
  description: string | undefined
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

export const makeErrors = (api: OpenApi, schemas: Schemas, names: Names, apiName: string): Errors => {
  /** What one answer looks like, apart from its description: equal answers are one class. */
  const shapeOf = (response: Response): string =>
    JSON.stringify(
      Object.entries(ownObject(response.value, "content") ?? {}).map(([media, value]) => [
        media,
        canonical(own(value, "schema") ?? {}, api, (pointer) => pointer)
      ])
    )
  const keyOf = (response: Response) => `${response.status} ${shapeOf(response)}`

  // Names are given over the whole document, so that they do not depend on what is selected.
  const tags = new Map<string, string>()
  const byComponent = new Map<string, string>()
  const counts = new Map<string, { count: number; readonly response: Response }>()
  for (const response of api.operations.flatMap((operation) => operation.responses)) {
    if (!isErrorStatus(response.status)) continue
    const known = counts.get(keyOf(response))
    if (known !== undefined) known.count++
    else counts.set(keyOf(response), { count: 1, response })
    if (response.component === undefined) continue
    const id = `${response.component} ${shapeOf(response)}`
    const name = byComponent.get(id) ?? names.claim(pascal(response.component), `${pascal(response.component)}Answer`)
    byComponent.set(id, name)
    if (!tags.has(keyOf(response))) tags.set(keyOf(response), name)
  }
  for (const [id, { response }] of [...counts].toSorted(([, a], [, b]) => b.count - a.count)) {
    if (tags.has(id)) continue
    const body = Object.values(ownObject(response.value, "content") ?? {})[0]
    const component = /^#\/components\/schemas\/(.+)$/.exec(ownString(own(body, "schema"), "$ref") ?? "")?.[1]
    const name = statusName(response.status)
    tags.set(id, names.claim(name, `${name}${component === undefined ? "Error" : pascal(component)}`))
  }

  const cases = new Map<string, Case>()
  const caseOf = (response: Response, reading: Reading): Case => {
    const tag = tags.get(keyOf(response))!
    const known = cases.get(tag)
    if (known !== undefined) return known
    // A class is shared, so what its schema lost is told by each operation that has it.
    const bodies = readContent(response.value, response.pointer, reading, schemas, `${tag}Body`)
    const made: Case = { tag, status: response.status, bodies, description: ownString(response.value, "description") }
    cases.set(tag, made)
    return made
  }

  const problems = new Map<string, ReadonlyArray<readonly [string, string]>>()
  const wired = new Set<string>()
  const ranges = new Map<string, string>()

  /** The alternatives of a class by body: those that are the same but for their media type share a text. */
  const textOfBody = (made: Case, body: Body | undefined): string => {
    if (body === undefined) return `${made.tag}Answer`
    return asFields(made, body) === undefined ? `${made.tag}${suffix(made, body)}` : made.tag
  }
  const suffix = (made: Case, body: Body) => {
    const index = distinct(made.bodies).findIndex((other) => sameBody(other, body))
    return index === 0 ? "Answer" : `Answer${index + 1}`
  }

  /** The fields of the class, when its one body is a plain object whose names an `Error` leaves free. */
  const asFields = (made: Case, body: Body) => {
    if (body.kind !== "json" || distinct(made.bodies).length > 1) return undefined
    const struct = schemas.struct(body.node)
    const clash = struct?.node.fields.some(
      (field) =>
        [
          "_tag",
          "name",
          "stack",
          "cause",
          "toString",
          "constructor",
          "__proto__",
          "pipe",
          "toJSON",
          "asEffect"
        ].includes(field.name) ||
        (field.name === "message" && field.node._tag !== "String" && field.node._tag !== "Literals")
    )
    return struct === undefined || clash === true ? undefined : struct
  }

  return {
    of: (operation, reading) => {
      const declared = new Set(operation.responses.map((response) => response.status))
      const uses = new Map<string, ErrorUse>()
      for (const response of operation.responses) {
        if (!isErrorStatus(response.status)) continue
        const tag = tags.get(keyOf(response))!
        const before: Array<readonly [string, string]> = []
        const made = caseOf(response, { ...reading, problem: (at, what) => before.push([at, what]) })
        if (!problems.has(tag)) problems.set(tag, before)
        for (const [at, what] of problems.get(tag)!) reading.problem(at, what)
        if (ownObject(response.value, "headers") !== undefined) reading.note(headersNote)
        const statuses = statusesOf(response.status, declared)
        const known = uses.get(tag)
        uses.set(tag, {
          tag,
          statuses: [...(known?.statuses ?? []), ...statuses].toSorted((a, b) => a - b),
          description: known?.description ?? made.description,
          nodes: made.bodies.map((body) => body.node),
          texts: [...(known?.texts ?? []), ...textsFor(made, response.status, declared)]
        })
      }
      return [...uses.values()]
    },
    text: () => [...cases.values()].map(printCase).join("\n\n")
  }

  function textsFor(made: Case, status: string, declared: ReadonlySet<string>): ReadonlyArray<string> {
    wired.add(made.tag)
    const bodies: ReadonlyArray<Body | undefined> = made.bodies.length === 0 ? [undefined] : made.bodies
    return bodies.map((body) => {
      const base = textOfBody(made, body)
      const encoding = body === undefined ? undefined : encodingOf(body)
      const bare = body !== undefined && asFields(made, body) !== undefined
      if (/^\d+$/.test(status)) {
        const own = bare ? status === made.status : false
        return piped(base, encoding, own ? undefined : `HttpApiSchema.status(${status})`)
      }
      schemas.printing.uses.add("within")
      const [from, to] = status === "default" ? [300, 599] : [Number(status[0]) * 100, Number(status[0]) * 100 + 99]
      const except = [...declared]
        .filter((code) => code !== status && (status === "default" ? /^[345]/.test(code) : code[0] === status[0]))
        .flatMap((code) => (/^\d+$/.test(code) ? [Number(code)] : []))
        .toSorted((a, b) => a - b)
      const ranged = status === "default" ? [3, 4, 5].filter((n) => declared.has(`${n}XX`)) : []
      const parts = [3, 4, 5].filter((n) => n * 100 >= from && n * 100 <= to && !ranged.includes(n))
      const text = `within(${piped(base, encoding)}, ${quote(parts.map((n) => `${n}XX`).join(" "))}${except.length === 0 ? "" : `, [${except.join(", ")}]`})`
      // A range is a hundred schemas, so it is built once and not for every endpoint.
      const known =
        ranges.get(text) ??
        names.claim(`${made.tag}${parts.map((n) => `${n}xx`).join("")}${except.length === 0 ? "" : "Rest"}`)
      ranges.set(text, known)
      return `...${known}`
    })
  }

  function printCase(made: Case): string {
    const { tag } = made
    const p = schemas.printing
    const status = /^\d+$/.test(made.status) ? `, { httpApiStatus: ${made.status} }` : ""
    const head = (fields: string) =>
      `${doc(made.description)}export class ${tag} extends Schema.Error<${tag}>(${quote(`${apiName}/${tag}`)})({\n_tag: Schema.tagDefaultOmit(${quote(tag)})${fields}}${status}) {}`
    const mine = [...ranges].filter(([text]) => new RegExp(`^within\\(${tag}(Answer\\d*)?[,.)]`).test(text))
    const after = mine.map(([text, name]) => `\nconst ${name} = ${text}`).join("")
    if (made.bodies.length === 0) {
      p.uses.add("unread")
      return `${head("")}\nconst ${tag}Answer = unread(${tag}, () => new ${tag}())${after}`
    }
    const first = made.bodies[0]!
    const struct = asFields(made, first)
    if (struct !== undefined) {
      if (struct.name !== undefined) return `${head(`, ...${struct.name}.fields`)}${after}`
      const fields = printFields(struct.node.fields, p)
      return `${head(fields === "" ? "" : `,${fields}`)}${after}`
    }
    p.uses.add("bodyOf")
    const bodies = distinct(made.bodies)
    const texts = bodies.map((body) => print(body.node, p))
    const type = texts.length === 1 ? texts[0]! : `Schema.Union([${texts.join(", ")}])`
    const wires = bodies.map(
      (_, i) =>
        `\nconst ${tag}Answer${i === 0 ? "" : i + 1} = bodyOf(${tag}, ${texts[i]!}, (body) => new ${tag}({ body }))`
    )
    return `${head(`, body: ${type}`)}${wires.join("")}${after}`
  }
}

export const headersNote =
  "The headers of answers have no types. What breakwater needs of them (Retry-After, rate limits) it reads itself."

const sameBody = (a: Body, b: Body): boolean => a.kind === b.kind && textOf(a.node) === textOf(b.node)

const distinct = (bodies: ReadonlyArray<Body>): ReadonlyArray<Body> =>
  bodies.filter((body, index) => bodies.findIndex((other) => sameBody(other, body)) === index)
