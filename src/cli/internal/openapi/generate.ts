/**
 * From an OpenAPI document to the text of an Effect `HttpApi`. Pure but for what it is told: no file, no network.
 *
 * `document.ts` reads, `flatten.ts` and `reader.ts` turn JSON Schema into nodes (`node.ts`), `schemas.ts` lays the named
 * ones out, `errors.ts`, `parameters.ts`, `bodies.ts` and `operations.ts` do the rest of an operation.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { canonical } from "./canonical.ts"
import { OpenApiError, type Canonical, type Generated, type Options } from "./contract.ts"
import { below, fail, own, ownObject, readDocument, type Json } from "./document.ts"
import { makeErrors } from "./errors.ts"
import { groupClass, nameOperations, select } from "./naming.ts"
import { makeOperation } from "./operations.ts"
import { prelude } from "./prelude.ts"
import { makeSchemas } from "./schemas.ts"
import { doc, makeNames, pascal, quote, reservedNames } from "./text.ts"

/**
 * The `HttpApi` of a document, as text and as data. The document is what `JSON.parse` or `Yaml.parse` gave.
 *
 * Fails when the document can't be read at all. What can be read only in part is told in `problems`, by operation.
 */
export const generate = (document: unknown, options: Options = {}): Effect.Effect<Generated, OpenApiError> =>
  Effect.try({ try: () => build(document, options), catch: (error) => error }).pipe(
    Effect.catch((error) => (error instanceof OpenApiError ? Effect.fail(error) : Effect.die(error)))
  )

const isRegex = (pattern: string, flags: string): boolean =>
  Result.isSuccess(Result.try(() => new RegExp(pattern, flags)))

/** `GitHub v3 REST API` is the API `gitHubV3Rest`: what every title says is left out. */
const stemOf = (title: string): string => {
  const stem = title.replace(/\b(api|openapi|specification|documentation|docs)\b/gi, " ")
  return stem.trim() === "" ? title : stem
}

const build = (document: unknown, options: Options): Generated => {
  const api = readDocument(document)
  const notes = new Set<string>()
  const note = (what: string) => notes.add(what)
  const named = nameOperations(api.operations)
  const selected = select(named, options.only)
  if (selected.length === 0) fail("NothingSelected", "#/paths", "The document has no operation.")

  const stem = pascal(options.name ?? stemOf(api.title))
  const names = makeNames(reservedNames)
  const helpers = ["withOthers", "separated", "within", "unread", "unreadSuccess", "bodyOf"]
  for (const name of helpers) names.claim(name)
  const apiName = names.claim(`${stem}Api`)
  const groups = [...new Set(named.map(({ group }) => group))]
  const classes = new Map(groups.map((group) => [group, names.claim(groupClass(group), `${groupClass(group)}Of`)]))

  const schemas = makeSchemas(api, document as Json, names, isRegex, note)
  const errors = makeErrors(named, api, schemas, names, stem)
  const made = selected.map((operation) => ({ ...operation, ...makeOperation(operation, api, schemas, errors, note) }))
  const operations = made.map(({ operation }) => operation())
  note("String formats but `uuid` are not checked: to JSON Schema they are annotations.")

  const schemaText = schemas.text()
  const byGroup = groups.flatMap((group) => {
    const mine = made.filter((operation) => operation.group === group)
    return mine.length === 0 ? [] : [{ group, endpoints: mine.map((operation) => operation.text()) }]
  })
  const errorText = errors.text()
  const groupText = byGroup.map(
    ({ endpoints, group }) =>
      `export class ${classes.get(group)!} extends HttpApiGroup.make(${quote(group)}).add(\n${endpoints.join(",\n")}\n) {}`
  )
  const apiText = `${doc(api.description ?? api.title)}export class ${apiName} extends HttpApi.make(${quote(stem)}).add(\n${byGroup
    .map(({ group }) => classes.get(group)!)
    .join(",\n")}\n) {}`

  const section = (title: string, text: string) => (text === "" ? [] : [`// ---- ${title}`, text])
  const source = [
    ...prelude(api, schemas.printing.uses, schemas.formats, `${schemaText}\n${errorText}\n${groupText.join("\n")}`),
    ...section("schemas", schemaText),
    ...section("errors: the tag is ours, and no part of a body", errorText),
    ...section("the contract", groupText.join("\n\n")),
    apiText
  ].join("\n\n")

  const components = ownObject(ownObject(document, "components"), "schemas") ?? {}
  const used = new Set(operations.flatMap((operation) => operation.schemas))
  const signatures: Array<readonly [string, Canonical]> = Object.keys(components).flatMap((component) => {
    const name = schemas.name(below("#/components/schemas", component))
    return used.has(name) || used.has(`${name}Request`)
      ? [[name, canonical(own(components, component), api, schemas.name)] as const]
      : []
  })
  return {
    title: api.title,
    version: api.version,
    apiName,
    operations,
    notes: [...notes],
    source: `${source}\n`,
    servers: api.servers,
    security: api.security,
    signatures: Object.fromEntries(signatures.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
}
