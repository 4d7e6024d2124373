/**
 * What went over the wire once, as data: a request, and the answer or the way in which the connection was lost. It is
 * what a `Cassette` keeps and a `Contract` checks.
 *
 * @since 0.1.0
 */

/**
 * A body, in the form that reads best in a diff.
 *
 * **Details**
 *
 * `json` is what `JSON.parse` made of it, `form` the fields of `application/x-www-form-urlencoded` in their order,
 * `multipart` the parts of a form (its boundary, which changes with every request, is not kept), `text` anything else
 * that is UTF-8, and `base64` the rest. JSON whose integers are too large for a JavaScript number is kept as `text`. An
 * empty body is no body.
 *
 * @category models
 * @since 0.1.0
 */
export type Body =
  | { readonly json: unknown }
  | { readonly form: ReadonlyArray<readonly [name: string, value: string]> }
  | { readonly multipart: ReadonlyArray<Part> }
  | { readonly text: string }
  | { readonly base64: string }

/**
 * One part of a multipart form. A part with a `filename` is a file.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly name: string
  readonly filename?: string | undefined
  /** The media type of a file. */
  readonly type?: string | undefined
  readonly body?: Body | undefined
}

/**
 * A request as it was sent. The names of headers are in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body | undefined
}

/**
 * An answer.
 *
 * **Details**
 *
 * A compressed body is kept decompressed and without its `content-encoding`, so that it can be read and redacted. What
 * belongs to the connection and not to the answer (`content-length`, `transfer-encoding`) is not kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body | undefined
  /** Whether the connection was lost before the end of the body. */
  readonly cut?: boolean | undefined
}

/**
 * How a connection was lost: the code of the error, or those of each address that was tried. Without a code nothing was
 * known but that it was lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly codes: ReadonlyArray<{
    readonly code: string
    /** What the system was doing: a timeout of `connect` proves that nothing was sent. */
    readonly syscall?: string | undefined
  }>
}

/**
 * One request and what came of it: a `response` or a `failure`. A request that is only looked up has neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange {
  readonly request: Request
  readonly response?: Response | undefined
  readonly failure?: Failure | undefined
  /** How long it took, to the end of the body, in milliseconds. */
  readonly elapsed: number
}
