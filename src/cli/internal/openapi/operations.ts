/** Operations: what they ask and answer, and the text of their endpoints. */
import { encodingOf, piped, readContent, type Body } from "./bodies.ts"
import { canonical } from "./canonical.ts"
import type { Canonical, GeneratedOperation, Signature } from "./contract.ts"
import { own, ownObject, ownString, type OpenApi, type RawOperation } from "./document.ts"
import { headersNote, type Errors } from "./errors.ts"
import { print, printFields, type Field, type Node } from "./node.ts"
import type { Named } from "./naming.ts"
import { readParameters } from "./parameters.ts"
import type { Reading } from "./reader.ts"
import type { Schemas } from "./schemas.ts"
import { doc, pascal, quote } from "./text.ts"

export interface Made {
  readonly operation: () => GeneratedOperation
  readonly text: () => string
  readonly nodes: ReadonlyArray<Node>
}

const constructors: Readonly<Record<string, string>> = {
  GET: "get",
  PUT: "put",
  POST: "post",
  DELETE: "delete",
  OPTIONS: "options",
  HEAD: "head",
  PATCH: "patch",
  TRACE: `make("TRACE")`
}
const noBody: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"])

interface Success {
  readonly status: number
  readonly body: Body | undefined
}

export const makeOperation = (
  { group, name, raw }: Named,
  api: OpenApi,
  schemas: Schemas,
  errors: Errors,
  note: (what: string) => void
): Made => {
  const problems = new Set<string>()
  const reading = (request: boolean, text = false): Reading => ({
    request,
    text,
    note,
    problem: (at, what) => problems.add(`${at}: ${what}`)
  })
  const parameters = readParameters(raw, schemas, reading(true, true))
  const stem = `${pascal(group)}${pascal(name)}`

  let payloads: ReadonlyArray<Body> = []
  if (raw.body !== undefined) {
    if (noBody.has(raw.method))
      problems.add(`${raw.body.pointer}: a ${raw.method} can't have a body, and it is not sent`)
    else {
      payloads = readContent(raw.body.value, raw.body.pointer, reading(true), schemas, `${stem}Payload`)
      if (own(raw.body.value, "required") !== true && payloads.length > 0) {
        note("A body that may be left out is always sent: Effect's client has no way to send none.")
      }
    }
  }

  const declared = raw.responses.map((response) => response.status)
  const successes: Array<Success> = []
  for (const response of raw.responses) {
    const { status } = response
    const fallback = status === "default" && !declared.some((other) => other.startsWith("2"))
    if (status.startsWith("1")) {
      note("Answers with a status of 1xx are not carried over: they are never the last answer.")
      continue
    }
    if (!status.startsWith("2") && !fallback) continue
    if (ownObject(response.value, "headers") !== undefined) note(headersNote)
    const wish = `${stem}${declared.filter((other) => other.startsWith("2")).length > 1 ? `Success${status}` : "Success"}`
    const bodies = readContent(response.value, response.pointer, reading(false), schemas, wish)
    const statuses = /^\d+$/.test(status)
      ? [Number(status)]
      : [200, 201, 202, 203, 206].filter((code) => !declared.includes(String(code)))
    if (!/^\d+$/.test(status)) note("A success by range or default is one with the status 200, 201, 202, 203 or 206.")
    for (const code of statuses) {
      if (bodies.length === 0 || code === 204 || code === 205) successes.push({ status: code, body: undefined })
      else for (const body of bodies) successes.push({ status: code, body })
    }
  }
  const failures = errors.of(raw, reading(false))
  const fieldNodes = [...parameters.params, ...parameters.query, ...parameters.headers].map((field) => field.node)
  const nodes: ReadonlyArray<Node> = [
    ...fieldNodes,
    ...(parameters.others === undefined ? [] : [parameters.others]),
    ...payloads.map((body) => body.node),
    ...successes.flatMap((success) => success.body?.node ?? []),
    ...failures.flatMap((failure) => failure.nodes)
  ]
  for (const node of nodes) schemas.use(node)

  const p = schemas.printing
  const isAnything = (node: Node): boolean => node._tag === "Json"
  const printSuccess = ({ body, status }: Success): string => {
    if (status === 204) return "HttpApiSchema.NoContent"
    if (status === 205) return "HttpApiSchema.Empty(205)"
    const at = status === 200 ? undefined : `HttpApiSchema.status(${status})`
    if (body === undefined) {
      p.uses.add("unreadSuccess")
      return piped("unreadSuccess", at)
    }
    // `Unknown` makes `HttpOperation.endpoint` ask why the answer is not checked.
    return piped(isAnything(body.node) ? "Schema.Unknown" : print(body.node, p), encodingOf(body), at)
  }
  const list = (texts: ReadonlyArray<string>) => (texts.length === 1 ? texts[0]! : `[${texts.join(", ")}]`)
  const fieldsText = (fields: ReadonlyArray<Field>) => `{${printFields(fields, p)}}`

  const inputs = [
    ...(parameters.params.length > 0 ? (["params"] as const) : []),
    ...(parameters.query.length > 0 || parameters.others !== undefined ? (["query"] as const) : []),
    ...(parameters.headers.length > 0 ? (["headers"] as const) : []),
    ...(payloads.length > 0 ? (["payload"] as const) : [])
  ]

  return {
    nodes,
    text: () => {
      const parts: Array<string> = []
      if (parameters.params.length > 0) parts.push(`params: ${fieldsText(parameters.params)}`)
      if (parameters.others !== undefined) {
        p.uses.add("withOthers")
        parts.push(`query: withOthers(${fieldsText(parameters.query)}, ${print(parameters.others, p)})`)
      } else if (parameters.query.length > 0) parts.push(`query: ${fieldsText(parameters.query)}`)
      if (parameters.headers.length > 0) parts.push(`headers: ${fieldsText(parameters.headers)}`)
      if (payloads.length > 0)
        parts.push(`payload: ${list(payloads.map((body) => piped(print(body.node, p), encodingOf(body))))}`)
      if (successes.length > 0) parts.push(`success: ${list([...new Set(successes.map(printSuccess))])}`)
      const texts = [...new Set(failures.flatMap((failure) => failure.texts()))]
      if (texts.length > 0)
        parts.push(`error: ${texts.length === 1 && !texts[0]!.startsWith("...") ? texts[0]! : `[${texts.join(", ")}]`}`)
      const options = parts.length === 0 ? "" : `, {\n${parts.join(",\n")}\n}`
      const about = ownString(raw.value, "summary") ?? ownString(raw.value, "description")
      const deprecated = own(raw.value, "deprecated") === true ? "Deprecated. " : ""
      return `${doc(`${deprecated}${about ?? ""}`)}HttpApiEndpoint.${constructors[raw.method]!}(${quote(name)}, ${quote(parameters.path)}${options})`
    },
    operation: () => {
      const closure = schemas.closure(nodes)
      return {
        id: `${group}.${name}`,
        group,
        name,
        operationId: raw.operationId,
        method: raw.method,
        path: raw.path,
        tags: raw.tags,
        summary: ownString(raw.value, "summary"),
        deprecated: own(raw.value, "deprecated") === true,
        needsIdempotency: raw.method === "POST" || raw.method === "PATCH",
        keyHeaders: parameters.keyHeaders,
        inputs,
        errors: failures.map(({ description, statuses, tag }) => ({ tag, statuses, description })),
        validated: !successes.some(({ body }) => body !== undefined && isAnything(body.node)),
        schemas: closure.names,
        problems: [...problems, ...[...closure.problems].filter((problem) => !problems.has(problem))],
        signature: signatureOf(raw, api, schemas.name)
      }
    }
  }
}

const signatureOf = (raw: RawOperation, api: OpenApi, nameOf: (pointer: string) => string): Signature => {
  const content = (owner: unknown): { readonly [type: string]: Canonical } =>
    Object.fromEntries(
      Object.entries(ownObject(owner, "content") ?? {}).map(([type, media]) => [
        type,
        canonical(own(media, "schema") ?? {}, api, nameOf)
      ])
    )
  return {
    parameters: Object.fromEntries(
      raw.parameters.map((parameter) => [
        `${parameter.in}:${parameter.name}`,
        {
          required: own(parameter.value, "required") === true,
          schema: canonical(
            own(parameter.value, "schema") ??
              own(Object.values(ownObject(parameter.value, "content") ?? {})[0], "schema") ??
              {},
            api,
            nameOf
          )
        }
      ])
    ),
    body:
      raw.body === undefined
        ? undefined
        : { required: own(raw.body.value, "required") === true, content: content(raw.body.value) },
    answers: Object.fromEntries(raw.responses.map((response) => [response.status, content(response.value)]))
  }
}
