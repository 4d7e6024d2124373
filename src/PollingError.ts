/**
 * Why the end of a job is not known.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Schema from "effect/Schema"
import type { Outcome } from "./Outcome.ts"

/**
 * What is stored of a job.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly polling: string
  readonly ref: Schema.Json
  readonly startedAt: number
}

/**
 * What is known of a job whose end is not.
 *
 * | reason         | what is known                                                              | what to do                                      |
 * |----------------|----------------------------------------------------------------------------|-------------------------------------------------|
 * | `Deadline`     | it was not done in time, and goes on                                       | keep `job`, and `Polling.resume` it later       |
 * | `Spent`        | the schedule has ended, and the job goes on                                | the same                                        |
 * | `StatusFailed` | asking for it failed in a way that `fatal` calls final; the job goes on    | mend that, then resume                          |
 * | `Missing`      | the provider does not know the job, and had the time to                    | ask the provider; starting again is a second job |
 * | `UnknownState` | the provider gives a state that the integration does not know              | extend the integration, then resume             |
 * | `BadLocation`  | the job was started, and its address can't be used or leads elsewhere      | compare it with the provider's documentation    |
 * | `OtherJob`     | the job is one of another polling, or its reference can't be read          | give it to the one that it belongs to           |
 *
 * @category errors
 * @since 0.1.0
 */
export type PollingReason =
  "Deadline" | "Spent" | "StatusFailed" | "Missing" | "UnknownState" | "BadLocation" | "OtherJob"

const said: Readonly<Record<PollingReason, readonly [what: string, next: string]>> = {
  Deadline: ["the job is not done in time, and goes on", "keep `job`, and resume it later"],
  Spent: ["the schedule has ended before the job", "keep `job`, and resume it later"],
  StatusFailed: ["its status can't be asked for, and the job goes on", "mend that, then resume `job`"],
  Missing: ["the provider does not know the job", "ask the provider what became of it before it is started again"],
  UnknownState: ["the provider gives a state that is not known here", "extend the integration, then resume `job`"],
  BadLocation: [
    "the job was started, and its address can't be used",
    "compare it with the provider's documentation, and allow its origin if it is right"
  ],
  OtherJob: ["the job does not belong here, or can't be read", "resume it where it was started"]
}

/**
 * The end of a job is not known. What the job does may have happened, or may yet happen: its outcome is `Unknown`, whatever
 * the outcome of the call that started it.
 *
 * @category errors
 * @since 0.1.0
 */
export class PollingError extends Data.TaggedError("PollingError")<{
  readonly reason: PollingReason
  /** What is needed to go on, as JSON; absent where the job could not be told from its answer. */
  readonly job: Job | undefined
  readonly outcome: Outcome
  /** How often its status was asked for. */
  readonly polls: number
  /** What the last question failed with, if it did: an error of the application. */
  readonly error?: unknown
  /** For a `Deadline`: how long the provider, or the schedule, wanted to wait before the next question. */
  readonly retryAfter?: Duration.Duration | undefined
}> {
  override get message(): string {
    const [what, next] = said[this.reason]
    const name = this.job === undefined ? "polling" : this.job.polling
    return `${name}: ${what} (asked ${this.polls} time${this.polls === 1 ? "" : "s"}); ${next}`
  }
}
