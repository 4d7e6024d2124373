/** What stands in a request or an answer: its media types, and how each is read. */
import { below, isObject, own, ownObject, ownString, type Json } from "./document.ts"
import { textOf, type Node } from "./node.ts"
import type { Reading } from "./reader.ts"
import type { Schemas } from "./schemas.ts"
import { quote } from "./text.ts"

export type Kind = "json" | "text" | "bytes" | "form" | "multipart"

export interface Body {
  /** Without parameters, in small letters. */
  readonly media: string
  readonly kind: Kind
  readonly node: Node
}

/** `text/html; charset=utf-8` as `text/html`. */
export const mediaOf = (written: string): string => written.split(";", 1)[0]!.trim().toLowerCase()

export const kindOf = (media: string, schema: unknown): Kind => {
  if (media === "application/x-www-form-urlencoded") return "form"
  if (media === "multipart/form-data") return "multipart"
  if (media === "application/json" || media.endsWith("+json")) return "json"
  if (media.startsWith("text/") || /\bxml$|\bya?ml$|javascript$/.test(media)) return "text"
  const type = ownString(schema, "type")
  const binary = ["binary", "byte"].includes(ownString(schema, "format") ?? "")
  if (media === "*/*" || media === "application/*") return type === "string" || binary ? "bytes" : "json"
  // A media type that nobody knows: by what the schema says it is.
  return isObject(schema) && type !== undefined && type !== "string"
    ? "json"
    : type === "string" && !binary && media.startsWith("application/") && media !== "application/octet-stream"
      ? "text"
      : "bytes"
}

/** The bodies of a `content` object. Those of one media type, written with other parameters, are one. */
export const readContent = (
  owner: Json,
  pointer: string,
  reading: Reading,
  schemas: Schemas,
  wish: string
): ReadonlyArray<Body> => {
  const bodies: Array<Body> = []
  for (const [written, media] of Object.entries(ownObject(owner, "content") ?? {})) {
    const type = mediaOf(written)
    if (bodies.some((body) => body.media === type)) continue
    const schema = own(media, "schema")
    const at = below(pointer, "content", written, "schema")
    const kind = kindOf(type, schema)
    if (type === "text/event-stream") reading.note("A stream of events (text/event-stream) is read as one text.")
    bodies.push({ media: type, kind, node: readBody(kind, type, schema, media, at, reading, schemas, wish) })
  }
  return bodies
}

const string: Node = { _tag: "String", format: undefined, checks: [] }

const readBody = (
  kind: Kind,
  type: string,
  schema: unknown,
  media: unknown,
  at: string,
  reading: Reading,
  schemas: Schemas,
  wish: string
): Node => {
  switch (kind) {
    case "bytes":
      return { _tag: "Bytes" }
    case "text": {
      if (schema === undefined) return string
      const node = schemas.reader.read(schema, at, { ...reading, problem: () => {} })
      if (node._tag === "String" || (node._tag === "Literals" && node.values.every((v) => typeof v === "string")))
        return node
      if (isObject(schema) && (ownString(schema, "type") ?? "string") !== "string") {
        reading.problem(at, `the schema of ${type} is not carried over: the body is read as text`)
      }
      return string
    }
    case "form":
      return ofForm(schemas.reader.read(schema ?? {}, at, reading), media, schemas)
    case "multipart":
      return ofMultipart(schema, media, at, reading, schemas)
    case "json": {
      const node = schemas.reader.read(schema ?? {}, at, reading)
      // What is long gets a name, so that an endpoint can be read at a glance.
      if (node._tag === "Ref" || textOf(node).length < 300) {
        schemas.use(node)
        return node
      }
      return schemas.hoist(schema, at, reading.request, wish)
    }
  }
}

/** In a form, an object within is JSON unless its encoding is deepObject. */
const ofForm = (node: Node, media: unknown, schemas: Schemas): Node => {
  schemas.use(node)
  const plain = schemas.struct(node)?.node ?? (node._tag === "Object" ? node : undefined)
  if (plain === undefined) return node
  const encoding = ownObject(media, "encoding")
  return {
    ...plain,
    fields: plain.fields.map((field) => {
      const style = ownString(ownObject(encoding, field.name), "style")
      const inner = schemas.struct(field.node)?.node ?? field.node
      return (inner._tag === "Object" || inner._tag === "Record" || inner._tag === "Ref") && style !== "deepObject"
        ? { ...field, node: { _tag: "JsonText", node: field.node } }
        : field
    })
  }
}

const ofMultipart = (schema: unknown, media: unknown, at: string, reading: Reading, schemas: Schemas): Node => {
  reading.note("A multipart payload is given as FormData: Effect's client does not check its parts.")
  const flat = schemas.reader.flat(schema ?? {}, at)
  const files = new Map<string, boolean>()
  const properties = ownObject(flat.base, "properties") ?? {}
  for (const [name, property] of Object.entries(properties)) {
    const part = schemas.reader.flat(property, at).base
    const binary = (value: Json) =>
      ownString(value, "format") === "binary" ||
      (ownString(value, "contentMediaType") !== undefined && own(value, "contentEncoding") === undefined) ||
      ownString(ownObject(ownObject(media, "encoding"), name), "contentType") === "application/octet-stream"
    const items = own(part, "items")
    if (isObject(items) && binary(schemas.reader.flat(items, at).base)) files.set(name, true)
    else if (binary(part)) files.set(name, false)
  }
  // A property without a schema is an open part: its problem is told, but not for a file.
  const rest = Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, files.has(name) ? { type: "string" } : value])
  )
  const node = schemas.reader.read({ ...flat.base, properties: rest }, at, { ...reading, text: true })
  if (node._tag !== "Object") return node
  return {
    ...node,
    fields: node.fields.map((field) => {
      const many = files.get(field.name)
      if (many !== undefined) return { ...field, node: { _tag: "File", many } }
      return field.node._tag === "Object" || field.node._tag === "Record"
        ? { ...field, node: { _tag: "JsonText", node: field.node } }
        : field
    })
  }
}

const defaults: Readonly<Record<Kind, string>> = {
  json: "application/json",
  text: "text/plain",
  bytes: "application/octet-stream",
  form: "application/x-www-form-urlencoded",
  multipart: "multipart/form-data"
}
const helpers: Readonly<Record<Kind, string>> = {
  json: "asJson",
  text: "asText",
  bytes: "asUint8Array",
  form: "asFormUrlEncoded",
  multipart: "asMultipart"
}

/** The call that tells Effect how a body is encoded, or nothing for JSON. */
export const encodingOf = (body: { readonly media: string; readonly kind: Kind }): string | undefined => {
  const usual = body.media === defaults[body.kind] || body.media.includes("*")
  if (body.kind === "json" && usual) return undefined
  return `HttpApiSchema.${helpers[body.kind]}(${usual ? "" : `{ contentType: ${quote(body.media)} }`})`
}

export const piped = (text: string, ...steps: ReadonlyArray<string | undefined>): string => {
  const some = steps.filter((step) => step !== undefined)
  return some.length === 0 ? text : `${text}.pipe(${some.join(", ")})`
}
