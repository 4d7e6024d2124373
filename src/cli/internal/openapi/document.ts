/** Reads an OpenAPI document: its version, its references, its operations with everything that they inherit. */
import { OpenApiError, type Method, type OpenApiReason, type SecurityScheme } from "./contract.ts"

export type Json = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A property that the document itself has: `constructor` and its like are found on every object. */
export const own = (object: unknown, name: string): unknown =>
  isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined

export const ownObject = (object: unknown, name: string): Json | undefined => {
  const value = own(object, name)
  return isObject(value) ? value : undefined
}

export const ownString = (object: unknown, name: string): string | undefined => {
  const value = own(object, name)
  return typeof value === "string" ? value : undefined
}

export const ownArray = (object: unknown, name: string): ReadonlyArray<unknown> => {
  const value = own(object, name)
  return Array.isArray(value) ? value : []
}

export const ownStrings = (object: unknown, name: string): ReadonlyArray<string> =>
  ownArray(object, name).filter((value): value is string => typeof value === "string")

export const fail = (reason: OpenApiReason, pointer: string, message: string): never => {
  throw new OpenApiError({ reason, pointer, message })
}

const escape = (token: string) => token.replaceAll("~", "~0").replaceAll("/", "~1")

/** A pointer below another one. */
export const below = (pointer: string, ...tokens: ReadonlyArray<string | number>): string =>
  [pointer, ...tokens.map((token) => escape(String(token)))].join("/")

export interface Parameter {
  readonly name: string
  readonly in: string
  readonly value: Json
  readonly pointer: string
}

export interface Response {
  /** As the document writes it, in capitals: `200`, `4XX`, `default`. */
  readonly status: string
  readonly value: Json
  readonly pointer: string
  /** The name of the component, when the response is a reference to one. */
  readonly component: string | undefined
}

export interface RawOperation {
  readonly method: Method
  readonly path: string
  readonly pointer: string
  readonly value: Json
  readonly operationId: string | undefined
  readonly tags: ReadonlyArray<string>
  readonly parameters: ReadonlyArray<Parameter>
  readonly body: { readonly value: Json; readonly pointer: string } | undefined
  readonly responses: ReadonlyArray<Response>
}

export interface OpenApi {
  readonly title: string
  readonly version: string
  readonly description: string | undefined
  /** In 3.0 a schema may be `nullable`, and what stands beside a `$ref` does not count. */
  readonly is30: boolean
  readonly servers: ReadonlyArray<string>
  readonly security: ReadonlyArray<SecurityScheme>
  readonly operations: ReadonlyArray<RawOperation>
  /** Follows a reference to what it points to. `pointer` is where the reference stands. */
  readonly follow: (ref: string, pointer: string) => unknown
}

const methods: ReadonlyArray<readonly [string, Method]> = [
  ["get", "GET"],
  ["put", "PUT"],
  ["post", "POST"],
  ["delete", "DELETE"],
  ["options", "OPTIONS"],
  ["head", "HEAD"],
  ["patch", "PATCH"],
  ["trace", "TRACE"]
]

export const readDocument = (document: unknown): OpenApi => {
  if (!isObject(document)) fail("NotOpenApi", "#", "The file is no OpenAPI document: it must be an object.")
  const root = document as Json
  const version = ownString(root, "openapi")
  if (version === undefined || !/^3\.[01](\.|$)/.test(version)) {
    fail(
      "NotOpenApi",
      "#/openapi",
      own(root, "swagger") === undefined
        ? "Only OpenAPI 3.0 and 3.1 are read, and `openapi` says neither."
        : "This is Swagger 2. Convert it to OpenAPI 3 first, with swagger2openapi for one."
    )
  }

  const follow = (ref: string, pointer: string): unknown => {
    if (!ref.startsWith("#")) {
      fail(
        "RemoteReference",
        pointer,
        "A $ref leads out of the document, and nothing is fetched: bundle it into one file."
      )
    }
    if (ref !== "#" && !ref.startsWith("#/")) {
      fail(
        "BrokenReference",
        pointer,
        "A $ref names an anchor. Write it as a pointer, such as #/components/schemas/Name."
      )
    }
    let value: unknown = root
    for (const token of ref.split("/").slice(1)) {
      const name = decode(token)
      value = Array.isArray(value) && /^\d+$/.test(name) ? value[Number(name)] : own(value, name)
      if (value === undefined)
        fail("BrokenReference", pointer, "A $ref points to nothing: correct it, or add what it names.")
    }
    return value
  }

  /** Follows references until something else is found. */
  const resolved = (value: unknown, pointer: string) => {
    const seen = new Set<string>()
    let at = pointer
    let found = value
    for (let ref = ownString(found, "$ref"); ref !== undefined; ref = ownString(found, "$ref")) {
      if (seen.has(ref)) fail("BrokenReference", pointer, "A $ref leads back to itself.")
      seen.add(ref)
      found = follow(ref, at)
      at = ref
    }
    if (!isObject(found)) fail("Malformed", at, "An object is expected here.")
    return { value: found as Json, pointer: at }
  }

  const parametersOf = (owner: Json, pointer: string): ReadonlyArray<Parameter> =>
    ownArray(owner, "parameters").map((parameter, index) => {
      const at = resolved(parameter, below(pointer, "parameters", index))
      const name = ownString(at.value, "name")
      const place = ownString(at.value, "in")
      if (name === undefined || place === undefined) fail("Malformed", at.pointer, "A parameter needs `name` and `in`.")
      return { name: name!, in: place!, ...at }
    })

  const operations: Array<RawOperation> = []
  for (const [path, raw] of Object.entries(ownObject(root, "paths") ?? {})) {
    if (!path.startsWith("/")) {
      if (path.startsWith("x-")) continue
      fail("Malformed", below("#/paths", path), "A path begins with a slash.")
    }
    const item = resolved(raw, below("#/paths", path))
    const shared = parametersOf(item.value, item.pointer)
    for (const [field, method] of methods) {
      const value = own(item.value, field)
      if (value === undefined) continue
      const pointer = below(item.pointer, field)
      if (!isObject(value)) fail("Malformed", pointer, "An operation is an object.")
      const operation = value as Json
      const mine = parametersOf(operation, pointer)
      const isMine = (p: Parameter) => mine.some((q) => q.name === p.name && q.in === p.in)
      const body = own(operation, "requestBody")
      operations.push({
        method,
        path,
        pointer,
        value: operation,
        operationId: ownString(operation, "operationId"),
        tags: ownStrings(operation, "tags"),
        parameters: [...shared.filter((p) => !isMine(p)), ...mine],
        body: body === undefined ? undefined : resolved(body, below(pointer, "requestBody")),
        responses: Object.entries(ownObject(operation, "responses") ?? {}).flatMap(([status, response]) => {
          if (status.startsWith("x-")) return []
          const at = below(pointer, "responses", status)
          if (!/^([1-5]\d\d|[1-5]XX|default)$/i.test(status)) {
            fail("Malformed", at, "An answer's key is a status, a range such as 4XX, or default.")
          }
          const component = /^#\/components\/responses\/(.+)$/.exec(ownString(response, "$ref") ?? "")?.[1]
          return [
            {
              status: status === "default" ? status : status.toUpperCase(),
              component: component === undefined ? undefined : decode(component),
              ...resolved(response, at)
            }
          ]
        })
      })
    }
  }

  const info = ownObject(root, "info")
  return {
    title: ownString(info, "title") ?? "Api",
    version: ownString(info, "version") ?? "",
    description: ownString(info, "description"),
    is30: version!.startsWith("3.0"),
    servers: ownArray(root, "servers").flatMap((server) => ownString(server, "url") ?? []),
    security: Object.entries(ownObject(ownObject(root, "components"), "securitySchemes") ?? {}).map(([name, scheme]) =>
      readScheme(name, resolved(scheme, below("#/components/securitySchemes", name)).value)
    ),
    operations,
    follow
  }
}

const decode = (token: string): string =>
  token
    .replace(/(%[0-9a-f]{2})+/gi, (bytes) =>
      new TextDecoder().decode(Uint8Array.from(bytes.slice(1).split("%"), (hex) => Number.parseInt(hex, 16)))
    )
    .replaceAll("~1", "/")
    .replaceAll("~0", "~")

const readScheme = (name: string, scheme: Json): SecurityScheme => ({
  name,
  type: (ownString(scheme, "type") ?? "http") as SecurityScheme["type"],
  scheme: ownString(scheme, "scheme")?.toLowerCase(),
  in: ownString(scheme, "in") as SecurityScheme["in"],
  parameter: ownString(scheme, "name"),
  flows: Object.entries(ownObject(scheme, "flows") ?? {}).map(([kind, flow]) => ({
    kind,
    tokenUrl: ownString(flow, "tokenUrl"),
    scopes: Object.keys(ownObject(flow, "scopes") ?? {})
  }))
})
