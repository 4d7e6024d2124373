/**
 * Why one attempt failed, and the three things that follow from it: did it happen, is it worth another try, and does it
 * speak against the provider's health. This file is the outcome table; nothing else decides those questions.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as limits from "./internal/limits.ts"
import type { Outcome } from "./Outcome.ts"

/**
 * What the circuit breaker makes of an attempt. `probe` counts as a success for a half-open circuit's probe and is
 * ignored otherwise: a throttling provider is alive.
 *
 * @category models
 * @since 0.1.0
 */
export type Health = "failure" | "success" | "ignored" | "probe"

/**
 * Every reason an attempt or a call can fail for.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag =
  // Nothing left this process.
  | "InvalidInput"
  | "CircuitOpen"
  | "BulkheadFull"
  | "RateLimited"
  | "BudgetSpent"
  | "DeadlineExceeded"
  | "KeyExpired"
  | "Draining"
  | "NotStored"
  | "NotAuthenticated"
  // The caller's own, in the middle of what it sends.
  | "SourceFailed"
  // The network.
  | "Unreachable"
  | "Disconnected"
  | "Timeout"
  // The provider answered.
  | "Throttled"
  | "NotProcessed"
  | "Declared"
  | "Rejected"
  | "PreconditionFailed"
  | "Unavailable"
  | "InProgress"
  | "OutcomeHeld"
  | "KeyConflict"
  | "BodyLost"
  | "Truncated"
  | "InvalidResponse"
  | "ResponseNotStored"
  // Neither could be told.
  | "Failed"

/**
 * Why one attempt failed. Data, without a stack: a failure that is retried costs little.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reason {
  readonly _tag: Tag
  /** What happened, in one line, without a secret. */
  readonly message: string
  readonly outcome: Outcome
  /** Whether another try may end differently. */
  readonly transient: boolean
  readonly health: Health
  /** The HTTP status that was read, if one was. */
  readonly status: number | undefined
  /** How long the provider, or an open circuit, asked to be left alone. */
  readonly retryAfter: Duration.Duration | undefined
  /** The provider's own id of the request: what its support asks for. */
  readonly requestId: string | undefined
  /** The decoded error that the contract declares, for `Declared`. */
  readonly error: unknown
  /** The underlying error, for `Failed` and the network's reasons. It may hold what must not be logged. */
  readonly cause: unknown
  /** Whether this answer settles what an earlier attempt with the same key did. */
  readonly resolves: boolean
  /** Whether the provider answered from its memory of the key. Such an answer never changes. */
  readonly replayed: boolean
}

/**
 * What an answer tells of the provider's rate limit. `Policy.rateLimit` adapts to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limit {
  /** What is left until the reset, in the units of the limiter's `cost`: requests, or points. */
  readonly remaining?: number | undefined
  /** How long until it is full again, or until there is enough for another attempt like this one. */
  readonly resetAfter?: Duration.Duration | undefined
  /** What this attempt did cost, where the provider counts in other units than requests. */
  readonly cost?: number | undefined
  /** How much the provider allows in all. */
  readonly limit?: number | undefined
}

/**
 * What a reason may carry beside its tag.
 *
 * @category models
 * @since 0.1.0
 */
export interface Details {
  readonly message?: string | undefined
  readonly outcome?: Outcome | undefined
  readonly transient?: boolean | undefined
  readonly health?: Health | undefined
  readonly status?: number | undefined
  readonly retryAfter?: Duration.Duration | undefined
  readonly requestId?: string | undefined
  readonly error?: unknown
  readonly cause?: unknown
  readonly resolves?: boolean | undefined
  readonly replayed?: boolean | undefined
  /** What the answer tells of the provider's rate limit, for `Policy.rateLimit`. It is no part of the reason. */
  readonly limit?: Limit | undefined
  /**
   * The headers of an answer that an SDK keeps in its error, for the `classify` of an operation over an SDK or an effect:
   * `retryAfter`, `requestId`, `replayed` and `limit` are read from them where they are not given. Operations over HTTP
   * read the answer's own. They are no part of the reason either.
   */
  readonly headers?: HeadersLike | undefined
}

interface Row {
  readonly outcome: Outcome
  readonly transient: boolean
  readonly health: Health
  readonly message: string
}

const row = (outcome: Outcome, transient: boolean, health: Health, message: string): Row => ({
  outcome,
  transient,
  health,
  message
})

/** The outcome table. A detail overrides its row only where the table itself depends on a detail (a 2xx, a 202). */
const table: Record<Tag, Row> = {
  InvalidInput: row("NotSent", false, "ignored", "the input is invalid"),
  CircuitOpen: row("NotSent", true, "ignored", "the circuit is open"),
  BulkheadFull: row("NotSent", true, "ignored", "too many calls are running and waiting"),
  RateLimited: row("NotSent", true, "ignored", "the own rate limit is spent"),
  BudgetSpent: row("NotSent", false, "ignored", "the retry budget is spent"),
  DeadlineExceeded: row("NotSent", false, "ignored", "no time was left to start"),
  KeyExpired: row("NotSent", false, "ignored", "the provider may have forgotten the key"),
  Draining: row("NotSent", false, "ignored", "the integration is shutting down"),
  NotStored: row("NotSent", true, "ignored", "the outbox could not store the call"),
  NotAuthenticated: row("NotSent", true, "ignored", "no credentials could be got"),
  // What it made before may have left, and then the outcome is `Unknown`.
  SourceFailed: row("NotSent", false, "ignored", "the body could not be made"),
  Unreachable: row("NotSent", true, "failure", "the provider could not be reached"),
  Disconnected: row("Unknown", true, "failure", "the connection was lost"),
  Timeout: row("Unknown", true, "failure", "no answer in time"),
  Throttled: row("Refused", true, "probe", "the provider asked to slow down"),
  NotProcessed: row("Refused", true, "probe", "the provider did not process the request"),
  Declared: row("Refused", false, "success", "the provider answered with a declared error"),
  Rejected: row("Refused", false, "success", "the provider rejected the request"),
  PreconditionFailed: row("Refused", false, "success", "the version is another than the request was made for"),
  Unavailable: row("Unknown", true, "failure", "the provider failed"),
  InProgress: row("Unknown", true, "success", "an earlier attempt with this key is still running"),
  OutcomeHeld: row("Unknown", false, "success", "the receiver holds the outcome for a person to decide"),
  KeyConflict: row("Unknown", false, "success", "the key was used before with another request"),
  BodyLost: row("Applied", true, "failure", "the answer's body was lost"),
  // The status of a stream comes before the work is done, as a 202 does, and elements came: some of it has happened.
  Truncated: row("Unknown", false, "failure", "the stream was cut before its end"),
  InvalidResponse: row("Applied", false, "success", "the answer does not match its schema"),
  ResponseNotStored: row("Applied", false, "success", "it was done before, and the receiver did not keep the answer"),
  Failed: row("Unknown", false, "failure", "the call failed")
}

/**
 * Creates a reason. What `details` leaves out comes from the outcome table.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (tag: Tag, details: Details = {}): Reason => {
  const defaults = table[tag]
  const replayed = details.replayed ?? false
  return {
    _tag: tag,
    message: details.message ?? defaults.message,
    outcome: details.outcome ?? defaults.outcome,
    // A replayed answer never changes. One whose body was lost on the way may arrive the next time.
    transient: (details.transient ?? defaults.transient) && (!replayed || tag === "BodyLost"),
    health: details.health ?? defaults.health,
    status: details.status,
    retryAfter: details.retryAfter,
    requestId: details.requestId,
    error: details.error,
    cause: details.cause,
    resolves: details.resolves ?? false,
    replayed
  }
}

const local: ReadonlySet<Tag> = new Set([
  "CircuitOpen",
  "BulkheadFull",
  "RateLimited",
  "BudgetSpent",
  "DeadlineExceeded",
  "Draining",
  "NotStored"
])

/**
 * Returns whether this process itself turned the attempt away. Such an attempt says nothing about the provider.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLocalRejection = (self: { readonly _tag: string }): boolean => local.has(self._tag as Tag)

// ---- what a `classify` function may answer

/**
 * What a `classify` function says about an answer or an error: the reason that fits, with the details that it read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict extends Details {
  readonly reason:
    | "Throttled"
    | "NotProcessed"
    | "Rejected"
    | "PreconditionFailed"
    | "Unavailable"
    | "InProgress"
    | "KeyConflict"
    | "Unreachable"
    | "Disconnected"
    | "Failed"
}

/**
 * That an answer is an ordinary one, and what it tells of the provider's rate limit. For everything else it is as if
 * `classify` had said nothing: the answer goes on to the next `classify`, to its status and to its schema. Details other
 * than `limit` say nothing here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answered extends Details {
  readonly reason: "Answered"
  readonly limit: Limit
}

/**
 * What an answer over HTTP means, where its status does not say it. The body is decoded JSON where the answer says it is
 * JSON, else text.
 *
 * @category models
 * @since 0.1.0
 */
export type Classify = (
  status: number,
  headers: Readonly<Record<string, string | undefined>>,
  body: unknown
) => Verdict | Answered | undefined

/**
 * An ordinary answer that tells of the provider's rate limit in its body, such as the cost of a GraphQL query.
 *
 * **Example** (The cost of a query at Shopify)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { Reason } from "breakwater"
 *
 * interface Cost {
 *   readonly actualQueryCost: number
 *   readonly throttleStatus: { readonly currentlyAvailable: number; readonly restoreRate: number }
 * }
 *
 * const answered = ({ actualQueryCost, throttleStatus }: Cost) =>
 *   Reason.answered({
 *     limit: {
 *       cost: actualQueryCost,
 *       remaining: throttleStatus.currentlyAvailable,
 *       resetAfter: Duration.seconds(actualQueryCost / throttleStatus.restoreRate)
 *     }
 *   })
 *
 * answered({ actualQueryCost: 3, throttleStatus: { currentlyAvailable: 997, restoreRate: 50 } }).limit.cost // => 3
 * ```
 *
 * @category verdicts
 * @since 0.1.0
 */
export const answered = (told: { readonly limit: Limit }): Answered => ({ reason: "Answered", limit: told.limit })

/**
 * The provider limits the rate and did not process the request.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const throttled = (details?: Details): Verdict => ({ ...details, reason: "Throttled" })

/**
 * The provider did not process the request; another try is welcome.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const notProcessed = (details?: Details): Verdict => ({ ...details, reason: "NotProcessed" })

/**
 * The provider rejects the request for good: it did not happen, and a repeat would end the same.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const rejected = (details?: Details): Verdict => ({ ...details, reason: "Rejected" })

/**
 * The provider makes the change to one version only, and has another: this request changed nothing. What an earlier
 * attempt did it does not say.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const preconditionFailed = (details?: Details): Verdict => ({ ...details, reason: "PreconditionFailed" })

/**
 * The provider failed; it may or may not have happened.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const unavailable = (details?: Details): Verdict => ({ ...details, reason: "Unavailable" })

/**
 * An earlier attempt with the same key is still running at the provider.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const inProgress = (details?: Details): Verdict => ({ ...details, reason: "InProgress" })

/**
 * The key was used before with another request. A bug at the caller; a new key would hide it.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const keyConflict = (details?: Details): Verdict => ({ ...details, reason: "KeyConflict" })

/**
 * There is positive evidence that nothing reached the provider.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const unreachable = (details?: Details): Verdict => ({ ...details, reason: "Unreachable" })

/**
 * Nothing is known; the same as no verdict for an error that a `send` or a promise failed with.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const failed = (details?: Details): Verdict => ({ ...details, reason: "Failed" })

/**
 * The connection was lost after something may have been sent.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const disconnected = (details?: Details): Verdict => ({ ...details, reason: "Disconnected" })

/**
 * What an HTTP status means, by the outcome table: for the `classify` of an SDK whose errors carry one. `undefined` for a
 * success. Give it the headers too, where the SDK keeps them: `Reason.fromStatus(error.status, { headers: error.headers })`.
 *
 * **Details**
 *
 * A redirect that the SDK did not follow, a 409 of which nothing more is known, and what is no status at all (0, NaN) are
 * final and `Unknown`; the other 4xx were refused. What the provider says in the body (a key in flight, a conflict) the status can't tell: look there first.
 *
 * **Example** (The errors of an SDK)
 *
 * ```ts
 * import { Reason } from "breakwater"
 *
 * Reason.fromStatus(429)?.reason // => "Throttled"
 * Reason.fromStatus(503)?.reason // => "Unavailable"
 * Reason.fromStatus(404)?.reason // => "Rejected"
 * ```
 *
 * @category verdicts
 * @since 0.1.0
 */
export const fromStatus = (status: number, details?: Details): Verdict | undefined => {
  if (status >= 200 && status < 300) return undefined
  const told: Details = { status, message: `status ${status}`, ...details }
  const inDoubt: Details = { ...told, outcome: told.outcome ?? "Unknown" }
  switch (status) {
    case 408:
      return unavailable(told)
    case 409:
      return rejected(inDoubt)
    case 412:
      return preconditionFailed(told)
    case 421:
    case 425:
      return notProcessed(told)
    case 429:
      return throttled(told)
    case 501:
    case 505:
      return rejected({ ...inDoubt, health: told.health ?? "failure" })
  }
  if (status >= 500) return unavailable(told)
  // What is no status (0, or none at all, from an SDK that had no answer) is no refusal either.
  return rejected(status >= 400 ? told : inDoubt)
}

/** Codes that prove that no request reached the provider. Anything else may have. */
const notSent: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "NGHTTP2_REFUSED_STREAM",
  "REFUSED_STREAM"
])

/** The codes of an error: its own, its causes', and those of each address that was tried. */
const codesOf = (error: unknown, depth: number): ReadonlyArray<string> => {
  if (typeof error !== "object" || error === null || depth > 5) return []
  const { cause, code, errors, syscall } = error as {
    readonly cause?: unknown
    readonly code?: unknown
    readonly errors?: unknown
    readonly syscall?: unknown
  }
  const tried = Array.isArray(errors) ? errors.flatMap((e) => codesOf(e, depth + 1)) : []
  if (tried.length > 0) return tried
  // A timeout of `connect` itself happened before anything was sent; of a read or write it did not.
  if (code === "ETIMEDOUT" && syscall === "connect") return ["UND_ERR_CONNECT_TIMEOUT"]
  return typeof code === "string" ? [code] : codesOf(cause, depth + 1)
}

/**
 * What an error of the network means: only positive evidence (a refused connection, a name that is not found, a certificate
 * that is not trusted) makes it `Unreachable` and `NotSent`; anything else is `Disconnected` and `Unknown`. It reads the
 * codes of Node's clients, of the error, its causes and the addresses that were tried.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const fromConnection = (error: unknown): Verdict => {
  const codes = codesOf(error, 0)
  return codes.length > 0 && codes.every((code) => notSent.has(code))
    ? unreachable({ message: `the provider could not be reached (${codes[0]})`, cause: error })
    : disconnected({
        message: codes.length > 0 ? `the connection was lost (${codes[0]})` : "the connection was lost",
        cause: error
      })
}

// ---- what headers tell

/**
 * Headers as clients and SDKs hand them out: a record, whatever the case of its names, or something with `get`.
 *
 * @category models
 * @since 0.1.0
 */
export type HeadersLike = limits.Any

/**
 * What the headers of an answer tell of the provider's rate limit; `undefined` if they hold nothing that is recognised.
 *
 * **When to use**
 *
 * In the `classify` of an SDK that keeps headers elsewhere than an answer's: `Details.headers` is less to write. Operations
 * over HTTP are read without it.
 *
 * **Details**
 *
 * `now` is in epoch milliseconds, such as `call.startedAt` or Effect's clock. It reads `RateLimit` (the IETF draft, its
 * structured form and that of draft 07), `RateLimit-*`, `X-RateLimit-*` and `X-Rate-Limit-*` with `Remaining`, `Reset` and
 * `Limit`, those of OpenAI, Anthropic, Linear and Discord, and Shopify's `X-Shopify-Shop-Api-Call-Limit`. A reset may be
 * seconds, an epoch in seconds or milliseconds, a text such as `6m0s`, or a date; a point of time is read against the
 * answer's own `Date` where it has one. Of several limits the one that is spent counts; else the tightest, or the one of
 * requests. What has another form is ignored.
 *
 * **Example** (GitHub, whose reset is an epoch in seconds)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { Reason } from "breakwater"
 *
 * const now = 1_377_010_241_000
 * const limit = Reason.limitFromHeaders({ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1377013266" }, now)
 *
 * limit?.remaining // => 0
 * limit?.resetAfter // => Duration.seconds(3025)
 * ```
 *
 * @category headers
 * @since 0.1.0
 */
export const limitFromHeaders = (headers: HeadersLike, now: number): Limit | undefined =>
  limits.limitOf(limits.toLower(headers), now)

/**
 * How long `Retry-After` asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3). `undefined` without one, and
 * for what is neither.
 *
 * **Example** (Seconds, and nonsense)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { Reason } from "breakwater"
 *
 * Reason.retryAfterFromHeaders({ "Retry-After": "30" }, 0) // => Duration.seconds(30)
 * Reason.retryAfterFromHeaders({ "Retry-After": "soon" }, 0) // => undefined
 * ```
 *
 * @category headers
 * @since 0.1.0
 */
export const retryAfterFromHeaders = (headers: HeadersLike, now: number): Duration.Duration | undefined =>
  limits.retryAfter(limits.toLower(headers)["retry-after"], now)
