/**
 * How a cassette records and replays.
 *
 * @since 0.1.0
 */
import type * as HttpApi from "effect/http-api/HttpApi"
import type { Matching, Predicate } from "./internal/cassetteMatch.ts"
import type { Redact } from "./internal/redact.ts"

/**
 * What a cassette does with a request.
 *
 * | mode     | a recorded request | any other                    | the file                            |
 * |----------|--------------------|------------------------------|-------------------------------------|
 * | `replay` | is answered        | dies, and the layer with it  | is only read                        |
 * | `record` | is sent            | is sent                      | is replaced when the layer ends     |
 * | `append` | is answered        | is sent                      | grows by the new ones, at its end   |
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "replay" | "record" | "append"

/**
 * Options of a replay.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayOptions {
  /** The contract of the provider: what it calls `Schema.Redacted` is redacted wherever it stands. */
  readonly api?: HttpApi.Constraint | undefined
  /** What is redacted beside the defaults, and what is not. */
  readonly redact?: Redact | undefined
  /** When two requests are the same. Default: equal method, path, query and body. */
  readonly match?: Matching | Predicate | undefined
  /** What answers a request that comes more often than it was recorded. Default: `"fail"`. */
  readonly exhausted?: "fail" | "repeatLast" | undefined
  /** Whether a recording that is never asked for fails the test. Default: `"ignore"`. */
  readonly unused?: "ignore" | "fail" | undefined
  /** How long an answer takes, by Effect's `Clock`: no time, or as long as when it was recorded. Default: `"none"`. */
  readonly latency?: "none" | "recorded" | undefined
}

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ReplayOptions {
  /** Default: the configuration `BREAKWATER_CASSETTE`, and `"replay"` without it. */
  readonly mode?: Mode | undefined
}
