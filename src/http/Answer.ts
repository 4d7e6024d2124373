/**
 * Reading an HTTP answer: what a status, a broken connection or a problem document says about whether it happened. The
 * HTTP half of the outcome table.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as DateTime from "effect/DateTime"
import type { Outcome } from "../Outcome.ts"
import * as Reason from "../Reason.ts"

/**
 * The types of the problem documents that breakwater's receiver answers with, and that its client recognises.
 *
 * @category constants
 * @since 0.1.0
 */
export const problems = {
  inProgress: "urn:breakwater:problem:in-progress",
  keyReused: "urn:breakwater:problem:key-reused",
  outcomeUnknown: "urn:breakwater:problem:outcome-unknown",
  responseNotStored: "urn:breakwater:problem:response-not-stored",
  notProcessed: "urn:breakwater:problem:not-processed"
} as const

/** Whether and when an answer asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3). */
export const retryAfter = (value: string | undefined, now: number): Duration.Duration | undefined => {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Duration.seconds(Number(text))
  const date = /^[A-Za-z]{3},/.test(text) ? Option.getOrUndefined(DateTime.make(text)) : undefined
  return date === undefined ? undefined : Duration.millis(Math.max(0, DateTime.toEpochMillis(date) - now))
}

/**
 * What a status says before the body is read. `declared` answers are read the same way: the outcome follows the status,
 * the reason says what could be read.
 */
export const ofStatus = (
  status: number,
  mutation: boolean,
  details: Pick<Reason.Details, "retryAfter" | "requestId" | "replayed">
): Reason.Reason => {
  const answered = (message: string, more?: Reason.Details): Reason.Details => ({
    ...details,
    status,
    message,
    ...more
  })
  if (status >= 200 && status < 300) {
    return Reason.make(
      "BodyLost",
      answered(`status ${status}, but its body was lost`, { outcome: afterSuccess(status) })
    )
  }
  switch (status) {
    case 408:
      return Reason.make("Unavailable", answered("status 408: the provider gave up waiting for the request"))
    case 409:
      return Reason.make("Rejected", answered("status 409: a conflict", { outcome: "Unknown" }))
    case 421:
    case 425:
      return Reason.make("NotProcessed", answered(`status ${status}: not processed`))
    case 429:
      return Reason.make("Throttled", answered("status 429: too many requests"))
    case 501:
    case 505:
      return Reason.make(
        "Rejected",
        answered(`status ${status}: not supported by the provider`, { outcome: "Unknown", health: "failure" })
      )
  }
  if (status >= 500) return Reason.make("Unavailable", answered(`status ${status}`))
  if (status >= 400) return Reason.make("Rejected", answered(`status ${status}`))
  const redirected: Outcome =
    mutation && status === 303 ? "Applied" : status === 307 || status === 308 ? "Refused" : "Unknown"
  return Reason.make(
    "Rejected",
    answered(`status ${status}: a redirect that was not followed`, { outcome: redirected })
  )
}

/** 202 promises to try, so nothing is known to have happened. */
export const afterSuccess = (status: number): Outcome => (status === 202 ? "Unknown" : "Applied")

/** Statuses that say nothing about an earlier attempt with the same key: they are not stored under it. */
const silent: ReadonlySet<number> = new Set([401, 403, 404, 408, 409, 421, 425, 429])

/** Whether a declared error settles what earlier attempts with the same key did. */
export const resolves = (status: number): boolean => status >= 400 && status < 500 && !silent.has(status)

/** The reason that a problem document of breakwater's receiver gives, if it is one. */
export const ofProblem = (type: unknown, details: Reason.Details): Reason.Reason | undefined => {
  switch (type) {
    case problems.inProgress:
      return Reason.make("InProgress", details)
    case problems.keyReused:
      return Reason.make("KeyConflict", details)
    case problems.outcomeUnknown:
      return Reason.make("OutcomeHeld", details)
    case problems.responseNotStored:
      return Reason.make("ResponseNotStored", details)
    case problems.notProcessed:
      return Reason.make("NotProcessed", details)
  }
  return undefined
}

/** What a transport error means. */
export const ofTransport = (error: unknown): Reason.Reason => {
  const { reason, ...details } = Reason.fromConnection(error)
  return Reason.make(reason, details)
}
