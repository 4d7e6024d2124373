/**
 * What can go wrong with a cassette.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a cassette could not be used.
 *
 * | reason         | what happened                                                             |
 * |----------------|---------------------------------------------------------------------------|
 * | `Missing`      | there is no such file                                                     |
 * | `Unreadable`   | there is one, but the system does not let us read it                      |
 * | `Malformed`    | a line is not what a cassette holds                                       |
 * | `Version`      | it was written in a format that this version does not know                |
 * | `Miss`         | a request has no recording, or no further one                             |
 * | `Unused`       | recordings were never asked for (only with `unused: "fail"`)              |
 * | `Unrecordable` | an exchange can't be kept: an upgrade, or a body that can't be looked into |
 * | `Unwritable`   | the recording could not be written                                        |
 * | `InvalidMode`  | `BREAKWATER_CASSETTE` is none of `replay`, `record` and `append`          |
 *
 * @category errors
 * @since 0.1.0
 */
export type CassetteReason =
  "Missing" | "Unreadable" | "Malformed" | "Version" | "Miss" | "Unused" | "Unrecordable" | "Unwritable" | "InvalidMode"

/**
 * Says which cassette, which line, what is wrong with it and what to do next. What it shows of a request is redacted.
 *
 * @category errors
 * @since 0.1.0
 */
export class CassetteError extends Data.TaggedError("CassetteError")<{
  readonly reason: CassetteReason
  readonly path: string
  /** The line of the file, from 1. */
  readonly line?: number | undefined
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `cassette ${this.path}${this.line === undefined ? "" : `:${this.line}`}: ${this.detail}`
  }
}

/** The command that records, as an error shows it. */
export const recordWith = (mode: "record" | "append"): string => `BREAKWATER_CASSETTE=${mode} npx vitest run <its test>`
