// Reading one recorded answer by its contract.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { reflectEndpoint } from "../../http/internal/encoder.ts"
import { describeIssue } from "../../PolicyDecode.ts"
import type { Body, Response } from "../Exchange.ts"
import { parseJson } from "./bodies.ts"
import * as Playback from "./playback.ts"
import { redacted } from "./redact.ts"
import type { Route } from "./routes.ts"

/** Where an answer does not match, without its value. */
export interface Mismatch {
  readonly at: string
  readonly message: string
}

export type Read =
  | { readonly _tag: "Decoded" }
  /** A declared error, by its place among those of its status. */
  | { readonly _tag: "DeclaredError"; readonly error: unknown }
  | { readonly _tag: "Mismatched"; readonly mismatches: ReadonlyArray<Mismatch> }
  /** It fails only where a secret was taken out, which says nothing. */
  | { readonly _tag: "Hidden" }

export type Reader = (response: Response) => Effect.Effect<Read, never, unknown>

/** Reads the answers of one endpoint as an operation would. */
export const readerOf = (api: HttpApi.Top, route: Route): Reader => {
  // All that does not match is of interest, not only the first.
  const thorough = api.annotate(HttpApi.ParseOptions, { errors: "all" }) as HttpApi.Top
  const { decode } = reflectEndpoint(thorough, route.group.identifier, route.endpoint.identifier)
  const request = HttpClientRequest.make(route.endpoint.method)(route.path)
  return (response) =>
    Effect.flatMap(Playback.play(request, response), (played) =>
      Effect.matchCause(
        Effect.suspend(() => decode(played)),
        {
          onSuccess: (): Read => ({ _tag: "Decoded" }),
          onFailure: (cause): Read => judge(cause, response)
        }
      )
    )
}

const judge = (cause: Cause.Cause<unknown>, response: Response): Read => {
  const errors = cause.reasons.flatMap((reason) => (Cause.isFailReason(reason) ? [reason.error] : []))
  const schema = errors.find(Schema.isSchemaError)
  if (schema !== undefined) return ofIssues(schema, response.body)
  const client = errors.find(HttpClientError.isHttpClientError)
  if (client !== undefined) {
    const description = "description" in client.reason ? client.reason.description : undefined
    return { _tag: "Mismatched", mismatches: [{ at: "", message: description ?? "the body can't be decoded" }] }
  }
  return errors.length > 0
    ? { _tag: "DeclaredError", error: errors[0] }
    : { _tag: "Mismatched", mismatches: [{ at: "", message: "decoding it failed with a defect" }] }
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const ofIssues = (error: Schema.SchemaError, body: Body | undefined): Read => {
  const value = body === undefined ? undefined : jsonOf(body)?.value
  const { issues } = issuesOf(error.issue)
  const mismatches: Array<Mismatch> = []
  for (const { message, path } of issues) {
    const keys = (path ?? []).map((step) => (typeof step === "object" ? step.key : step))
    const found = keys.reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
      value
    )
    if (found === redacted) continue
    const at = keys.reduce<string>(
      (at, key) => (typeof key === "number" ? `${at}[]` : at === "" ? String(key) : `${at}.${String(key)}`),
      ""
    )
    mismatches.push({ at, message: withoutValue(message, found) })
  }
  if (mismatches.length > 0) return { _tag: "Mismatched", mismatches }
  return issues.length > 0
    ? { _tag: "Hidden" }
    : { _tag: "Mismatched", mismatches: [{ at: "", message: describeIssue(error) }] }
}

/** A message of an own filter may quote the value. */
const withoutValue = (message: string, value: unknown): string =>
  (typeof value === "string" || typeof value === "number") && String(value).length > 2
    ? message.replaceAll(String(value), "…")
    : message

/** The JSON of a body. */
export const jsonOf = (body: Body): { readonly value: unknown } | undefined =>
  "json" in body ? { value: body.json } : "text" in body ? parseJson(body.text) : undefined

// ---- schemas

// The annotations that `HttpApiSchema` writes. Effect keeps its readers internal.
const encodingOf = SchemaAST.resolveAt<{ readonly _tag: string }>("~httpApiEncoding")
const withHeaders = SchemaAST.resolveAt<{ readonly bodyCodec: Schema.Top }>("~httpApiWithHeaders")

/** The schema of a body, without that of its headers. */
const bodySchema = (schema: Schema.Top): Schema.Top =>
  HttpApiSchema.isWithHeaders(schema) ? schema.schema : (withHeaders(schema.ast)?.bodyCodec ?? schema)

/** The schemas of the JSON answers of a status. */
export const jsonSchemas = (schemas: ReadonlyArray<Schema.Top>): ReadonlyArray<Schema.Top> =>
  schemas.filter(({ ast }) => (encodingOf(ast)?._tag ?? "Json") === "Json").map(bodySchema)

/** Whether an endpoint answers with a stream or takes the connection over: such an answer is not decoded as one value. */
export const streams = ({ endpoint }: Route): boolean =>
  Array.from(endpoint.success).some((schema) =>
    Object.keys(bodySchema(schema)).some((key) => /^~effect\/http-api\/.*(Stream|Upgrade)/.test(key))
  )

/** The name of a declared error. */
export const nameOf = (schema: Schema.Top): string => {
  const ast = bodySchema(schema).ast
  const type = SchemaAST.toType(ast)
  const fields = SchemaAST.isObjects(type) ? type : SchemaAST.toEncoded(ast)
  const tag = SchemaAST.isObjects(fields)
    ? fields.propertySignatures.find(({ name }) => name === "_tag")?.type
    : undefined
  return (
    SchemaAST.resolveIdentifier(ast) ??
    (tag !== undefined && SchemaAST.isLiteral(tag) ? String(tag.literal) : "(an error without a name)")
  )
}

/** Whether a decoded error is one of this schema. */
export const isOf = (schema: Schema.Top, error: unknown): boolean =>
  Schema.is(Schema.toType(bodySchema(schema)) as Schema.Codec<unknown>)(error)
