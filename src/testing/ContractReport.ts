/**
 * What a check of a contract found, as plain data.
 *
 * @since 0.1.0
 */

/**
 * The type of a JSON value.
 *
 * @category models
 * @since 0.1.0
 */
export type JsonType = "string" | "number" | "boolean" | "null" | "object" | "array"

/**
 * How often a status came, and what the contract says of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly status: number
  readonly count: number
  readonly declared: "success" | "error" | "stream" | "no"
}

/**
 * A place where answers of a declared status don't match their schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Undecodable {
  readonly status: number
  /** The place in the answer, such as `data[].amount`. Empty for the answer as a whole. */
  readonly at: string
  /** What was expected. Never what came instead. */
  readonly message: string
  readonly count: number
}

/**
 * A declared error, and how often it occurred.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeclaredError {
  readonly status: number
  readonly name: string
  readonly count: number
}

/**
 * A field that the provider sends and no schema reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface IgnoredField {
  readonly status: number
  readonly at: string
  readonly types: ReadonlyArray<JsonType>
  /** In how many of the objects that could have it. */
  readonly count: number
  readonly of: number
}

/**
 * A field that the schema calls optional and that no answer had.
 *
 * @category models
 * @since 0.1.0
 */
export interface NeverCame {
  readonly status: number
  readonly at: string
  /** How many objects could have had it. */
  readonly of: number
}

/**
 * What the exchanges say about one endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointReport {
  readonly group: string
  readonly endpoint: string
  readonly method: string
  readonly path: string
  readonly exchanges: number
  /** Connections that were lost, before the answer or within its body. */
  readonly lost: number
  readonly statuses: ReadonlyArray<Status>
  /** Answers that decode, declared errors included. */
  readonly decoded: number
  /** Answers that fail only where a secret was taken out of the recording: they say nothing. */
  readonly hidden: number
  readonly undecodable: ReadonlyArray<Undecodable>
  readonly errors: ReadonlyArray<DeclaredError>
  readonly ignored: ReadonlyArray<IgnoredField>
  readonly neverCame: ReadonlyArray<NeverCame>
}

/**
 * What `check` found: plain data that `JSON.stringify` writes, without a value of any answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  /** The version of this format. */
  readonly contract: 1
  readonly api: string
  readonly exchanges: number
  /** In the order of the contract. One without exchanges was never exercised. */
  readonly endpoints: ReadonlyArray<EndpointReport>
  /** Requests that belong to no endpoint, by method and path. */
  readonly unmatched: ReadonlyArray<{ readonly method: string; readonly path: string; readonly count: number }>
}
