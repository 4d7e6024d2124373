// What is kept of a generation, so that the next one can say what has changed.
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Canonical, Generated } from "../openapi/contract.ts"

/** The form of the file. Another one is read as if there were none. */
const form = 1

// A schema of a recursive type would cost more than it finds: whoever edits this file by hand loses a comparison.
// So the cast: JSON is what it is read as, and its order is that of the file.
const Part = Schema.Json as unknown as Schema.Codec<Canonical>

const Operation = Schema.Struct({
  id: Schema.String,
  method: Schema.String,
  path: Schema.String,
  deprecated: Schema.Boolean,
  validated: Schema.Boolean,
  errors: Schema.Array(Schema.Struct({ tag: Schema.String, statuses: Schema.Array(Schema.Number) })),
  keyHeaders: Schema.Array(Schema.String),
  signature: Schema.Struct({
    parameters: Schema.Record(Schema.String, Schema.Struct({ required: Schema.Boolean, schema: Part })),
    body: Schema.NullOr(Schema.Struct({ required: Schema.Boolean, content: Schema.Record(Schema.String, Part) })),
    answers: Schema.Record(Schema.String, Schema.Record(Schema.String, Part))
  })
})

const Contract = Schema.Struct({
  breakwater: Schema.Literal(form),
  title: Schema.String,
  version: Schema.String,
  apiName: Schema.String,
  only: Schema.Array(Schema.String),
  operations: Schema.Array(Operation),
  schemas: Schema.Record(Schema.String, Part)
})

export type Operation = typeof Operation.Type
export type Contract = typeof Contract.Type

const decode = Schema.decodeUnknownExit(Schema.fromJsonString(Contract))

export const contractOf = (generated: Generated, only: ReadonlyArray<string>): Contract => ({
  breakwater: form,
  title: generated.title,
  version: generated.version,
  apiName: generated.apiName,
  only: only.toSorted(),
  operations: generated.operations.map(
    ({ deprecated, errors, id, keyHeaders, method, path, signature, validated }): Operation => ({
      id,
      method,
      path,
      deprecated,
      validated,
      errors: errors.map(({ statuses, tag }) => ({ tag, statuses })),
      keyHeaders,
      signature: { ...signature, body: signature.body ?? null }
    })
  ),
  schemas: generated.signatures
})

/** One line for an operation and for a schema: a change of one is a change of one line. */
export const contractText = (contract: Contract): string => {
  const { operations, schemas, ...rest } = contract
  const lines = (own: ReadonlyArray<string>) => (own.length === 0 ? "" : `\n    ${own.join(",\n    ")}\n  `)
  const head = Object.entries(rest).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
  return [
    "{",
    [
      ...head,
      `  "operations": [${lines(operations.map((own) => JSON.stringify(own)))}]`,
      `  "schemas": {${lines(Object.entries(schemas).map(([name, own]) => `${JSON.stringify(name)}: ${JSON.stringify(own)}`))}}`
    ].join(",\n"),
    "}",
    ""
  ].join("\n")
}

/** The contract in a file of `contractText`, however it was formatted since; `undefined` where it is another text. */
export const readContract = (text: string): Contract | undefined => {
  const exit = decode(text)
  return Exit.isSuccess(exit) ? exit.value : undefined
}
