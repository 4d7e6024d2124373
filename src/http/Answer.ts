/**
 * Reading an HTTP answer: what a status, a broken connection or a problem document says about whether it happened. The
 * HTTP half of the outcome table.
 *
 * @since 0.1.0
 */
import type { Outcome } from "../Outcome.ts"
import * as Reason from "../Reason.ts"

/**
 * The types of the problem documents (RFC 9457) that breakwater's receiver answers with, and that its client recognises.
 *
 * | type                 | status  | what it says                                           | what a client does                        |
 * |----------------------|---------|--------------------------------------------------------|-------------------------------------------|
 * | `keyMissing`         | 400     | nothing was done: this request needs a key             | send one; a bug of the client             |
 * | `keyInvalid`         | 400     | nothing was done: the key is none, or there are two    | send 1 to 255 visible ASCII characters    |
 * | `inProgress`         | 409     | another request with this key is at work               | repeat after `Retry-After`, same key      |
 * | `outcomeUnknown`     | 409     | an earlier run may have done it; a person decides      | don't repeat; reconcile                   |
 * | `responseNotStored`  | 409,303 | it was done; the answer was not kept                   | read the result (303: at `Location`)      |
 * | `requestTooLarge`    | 413     | nothing was done: the request can't be fingerprinted   | send less, or without a key if allowed    |
 * | `keyReused`          | 422     | nothing was done: the key stands for another request   | fix the bug; never mint a new key for it  |
 * | `notProcessed`       | 503     | nothing was done: the records can't be reached         | repeat after `Retry-After`, same key      |
 * | `unavailable`        | 503     | it may have been done; the records can't be reached    | repeat after `Retry-After`, same key      |
 *
 * @category constants
 * @since 0.1.0
 */
export const problems = {
  keyMissing: "urn:breakwater:problem:key-missing",
  keyInvalid: "urn:breakwater:problem:key-invalid",
  inProgress: "urn:breakwater:problem:in-progress",
  outcomeUnknown: "urn:breakwater:problem:outcome-unknown",
  responseNotStored: "urn:breakwater:problem:response-not-stored",
  requestTooLarge: "urn:breakwater:problem:request-too-large",
  keyReused: "urn:breakwater:problem:key-reused",
  notProcessed: "urn:breakwater:problem:not-processed",
  unavailable: "urn:breakwater:problem:unavailable"
} as const

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
    case 412:
      return Reason.make("PreconditionFailed", answered("status 412: the precondition failed"))
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

/**
 * Statuses that say nothing about an earlier attempt with the same key: they are not stored under it. A 412 may be the
 * answer to what that attempt did.
 */
const silent: ReadonlySet<number> = new Set([401, 403, 404, 408, 409, 412, 421, 425, 429])

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
    case problems.unavailable:
      return Reason.make("Unavailable", details)
    case problems.keyMissing:
    case problems.keyInvalid:
    case problems.requestTooLarge:
      return Reason.make("Rejected", details)
  }
  return undefined
}

/** What a transport error means. */
export const ofTransport = (error: unknown): Reason.Reason => {
  const { reason, ...details } = Reason.fromConnection(error)
  return Reason.make(reason, details)
}
