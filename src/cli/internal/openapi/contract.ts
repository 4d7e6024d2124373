/**
 * What the generator makes of an OpenAPI document, as data. The skeleton, the report and the comparison of two generations
 * read this, and never the text.
 */
import * as Data from "effect/Data"

export type Method = "GET" | "PUT" | "POST" | "DELETE" | "OPTIONS" | "HEAD" | "PATCH" | "TRACE"

/** A JSON value with the keys of every object in order, so that two are equal when their texts are. */
export type Canonical =
  string | number | boolean | null | ReadonlyArray<Canonical> | { readonly [key: string]: Canonical }

/** One class of declared errors of an operation: a case that `translate` must have. */
export interface GeneratedError {
  /** The `_tag`, and the name of the exported class too. */
  readonly tag: string
  /** The statuses that it is declared for, in order. A range or `default` is the statuses that it was expanded to. */
  readonly statuses: ReadonlyArray<number>
  readonly description: string | undefined
}

export interface GeneratedOperation {
  /** `group.name`, unique. */
  readonly id: string
  /** A valid identifier, and so is `name`. Neither changes when other operations come or go, but for a clash of names. */
  readonly group: string
  readonly name: string
  readonly operationId: string | undefined
  readonly method: Method
  /** As the document writes it: `/repos/{owner}/{repo}`. */
  readonly path: string
  readonly tags: ReadonlyArray<string>
  readonly summary: string | undefined
  readonly deprecated: boolean
  /** Whether `HttpOperation.endpoint` asks for `idempotency`: POST and PATCH. */
  readonly needsIdempotency: boolean
  /** Names of headers (as written) that carry an idempotency key, when the document declares one. */
  readonly keyHeaders: ReadonlyArray<string>
  /** Which arguments a call takes, so that a skeleton can write one. */
  readonly inputs: ReadonlyArray<"params" | "query" | "headers" | "payload">
  readonly errors: ReadonlyArray<GeneratedError>
  /** Whether the success says something that can be checked. If not, `endpoint` asks for `success: Operation.unvalidated…`. */
  readonly validated: boolean
  /** Exported schemas that the operation's text names, directly or through others. */
  readonly schemas: ReadonlyArray<string>
  /** Why it counts as failed: a schema that fell back to `Unknown`, a dropped constraint, a dropped status. */
  readonly problems: ReadonlyArray<string>
  /** What is asked and answered, resolved and canonical: two generations are compared by it. */
  readonly signature: Signature
}

/** Each part is a JSON Schema with its references resolved to names (`signatures` of `Generated` has the named ones). */
export interface Signature {
  /** By place and name: `path:owner`, `query:per_page`, `header:x-key`. */
  readonly parameters: { readonly [name: string]: { readonly required: boolean; readonly schema: Canonical } }
  /** By media type. `undefined` when the operation takes no body. */
  readonly body: { readonly required: boolean; readonly content: { readonly [type: string]: Canonical } } | undefined
  /** By status as the document writes it (`200`, `4XX`, `default`), then by media type; `{}` is an answer without a body. */
  readonly answers: { readonly [status: string]: { readonly [type: string]: Canonical } }
}

/** A way in that the document declares. Values of examples are not copied. */
export interface SecurityScheme {
  readonly name: string
  readonly type: "apiKey" | "http" | "oauth2" | "openIdConnect" | "mutualTLS"
  /** `bearer`, `basic` and the like, for `http`. */
  readonly scheme: string | undefined
  /** Where an `apiKey` stands, and under which name. */
  readonly in: "query" | "header" | "cookie" | undefined
  readonly parameter: string | undefined
  /** For `oauth2`: the flow's kind, the address that gives tokens, and the scopes' names. */
  readonly flows: ReadonlyArray<{
    readonly kind: string
    readonly tokenUrl: string | undefined
    readonly scopes: ReadonlyArray<string>
  }>
}

export interface Generated {
  readonly title: string
  readonly version: string
  /** The exported class of the `HttpApi`, such as `GitHubApi`. */
  readonly apiName: string
  readonly operations: ReadonlyArray<GeneratedOperation>
  /** What the whole document lost, such as the headers of answers; in the order of the document, each once. */
  readonly notes: ReadonlyArray<string>
  /** The whole text of `api.ts`, not yet formatted by prettier, but with stable line breaks. */
  readonly source: string
  readonly servers: ReadonlyArray<string>
  readonly security: ReadonlyArray<SecurityScheme>
  /** The named schemas that operations' signatures refer to (`{"$ref": "#/Name"}`), by exported name. */
  readonly signatures: { readonly [name: string]: Canonical }
}

/** What to generate: an operation is in when any of these names it. Everything, when all three are empty. */
export interface Selection {
  /** Paths as the document writes them; `/repos/*` stands for everything below. */
  readonly paths: ReadonlyArray<string>
  readonly tags: ReadonlyArray<string>
  /** `operationId`s, or the `group.name` of a generated operation. */
  readonly operations: ReadonlyArray<string>
}

export interface Options {
  readonly only?: Selection
  /** The stem of the API's class, `github` for `GitHubApi`. Default: from the document's title. */
  readonly name?: string
}

export type OpenApiReason =
  /** Neither OpenAPI 3.0 nor 3.1: Swagger 2, another kind of file, or not an object. */
  | "NotOpenApi"
  /** A `$ref` to another file or host: nothing is fetched. */
  | "RemoteReference"
  /** A `$ref` to nothing, or one that leads back to itself without a schema in between. */
  | "BrokenReference"
  /** A part that breaks OpenAPI's rules so that its meaning can't be known, such as a response without a status. */
  | "Malformed"
  /** The selection names something that the document does not have, or nothing is left. */
  | "NothingSelected"

/** The document can't be read. Nothing was generated. */
export class OpenApiError extends Data.TaggedError("OpenApiError")<{
  readonly reason: OpenApiReason
  /** A JSON pointer to the place, `#` for the whole document. */
  readonly pointer: string
  /** What is wrong and what to do about it, in a sentence or two. Never a value out of the document but a name. */
  readonly message: string
}> {}

// `generate.ts` has: (document: unknown, options?: Options) => Effect.Effect<Generated, OpenApiError>
// The document is what JSON.parse or Yaml.parse gave.
