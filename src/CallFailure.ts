/**
 * The one failure inside the toolkit. A call site never sees it: `translate` and `orElse` turn it into errors of the
 * application's own, and read from it whether the effect happened.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import type * as Outcome from "./Outcome.ts"
import type * as Reason from "./Reason.ts"

/**
 * One attempt of a call, as history.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt extends Outcome.Evidence {
  /** 1 for the first. */
  readonly number: number
  /** `Success` or the reason's tag. `Interrupted` for an attempt that the caller gave up. */
  readonly reason: Reason.Tag | "Success" | "Interrupted"
  readonly message: string
  readonly status: number | undefined
  /** Milliseconds between the start of the call and the start of the attempt. */
  readonly startedAfter: number
  /** Milliseconds that the attempt took, waiting for a permit included. */
  readonly elapsed: number
  /** Milliseconds of backoff before the attempt. */
  readonly waited: number
  /** Milliseconds spent waiting for a permit. */
  readonly queued: number
  readonly requestId: string | undefined
  /** That it was refused with a 401 and sent once more with another credential. What is told here is the second answer. */
  readonly reauthenticated?: true | undefined
}

/**
 * Why the policy did not try again.
 *
 * @category models
 * @since 0.1.0
 */
export type Stopped =
  | "not transient"
  | "a repeat is not safe"
  | "attempts are spent"
  | "the schedule ended"
  | "the provider asked to wait longer than the policy waits"
  | "no time is left for another attempt"
  | "the provider may forget the key before another attempt ends"
  | "whether it happened could not be looked up"
  | "the retry budget is spent"
  | "the retries of the call around it are spent"
  | "retries are switched off"

const TypeId = "~breakwater/CallFailure"

/**
 * A call failed. Printed, it says what happened, attempt by attempt, whether it took effect, and what to do next.
 *
 * @category errors
 * @since 0.1.0
 */
export class CallFailure extends Data.TaggedError("CallFailure")<{
  readonly integration: string
  readonly operation: string
  readonly repeat: string
  readonly reason: Reason.Reason
  readonly outcome: Outcome.Outcome
  readonly attempts: ReadonlyArray<Attempt>
  readonly elapsed: Duration.Duration
  readonly retryAfter: Duration.Duration | undefined
  readonly correlationId: string
  readonly key: string | undefined
  readonly stopped: Stopped
  /** Why the outbox did not take the call, where it should have been parked: nothing will make it later. */
  readonly parkFailed?: string | undefined
}> {
  readonly [TypeId]: typeof TypeId = TypeId

  override get message(): string {
    return format(this)
  }

  /** What `console.log` shows: the message and the call site, never a cause that may hold a request or an answer. */
  override [NodeInspectSymbol](): unknown {
    return this.stack ?? this.message
  }

  override toJSON(): unknown {
    return {
      _tag: this._tag,
      integration: this.integration,
      operation: this.operation,
      reason: this.reason._tag,
      message: this.reason.message,
      outcome: this.outcome,
      stopped: this.stopped,
      attempts: this.attempts,
      elapsedMs: Duration.toMillis(this.elapsed),
      retryAfterMs: this.retryAfter === undefined ? undefined : Duration.toMillis(this.retryAfter),
      correlationId: this.correlationId,
      key: this.key,
      parkFailed: this.parkFailed,
      next: nextStep(this)
    }
  }
}

/**
 * Returns whether a value is a `CallFailure`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCallFailure = (u: unknown): u is CallFailure => Predicate.hasProperty(u, TypeId)

/**
 * What the reader of a failure should do, in one sentence.
 *
 * @category destructors
 * @since 0.1.0
 */
export const nextStep = (self: {
  readonly reason: Reason.Reason
  readonly outcome: Outcome.Outcome
  readonly repeat: string
  readonly key: string | undefined
}): string => {
  switch (self.reason._tag) {
    case "InvalidInput":
      return "correct the input; nothing was sent"
    case "KeyConflict":
      return "find the two callers that share this key; never mint a new key to get past it"
    case "OutcomeHeld":
      return "resolve the held outcome at the receiver; do not repeat"
    case "Draining":
      return "nothing was sent; repeat it at another instance"
  }
  if (self.repeat === "Safe") return "nothing changed at the provider; repeat whenever it suits"
  if (self.reason._tag === "PreconditionFailed") {
    switch (self.outcome) {
      case "Unknown":
        return "it may have happened; read what is there, and look whether it is this call's work, before you write again"
      case "Applied":
        return "it happened; do not repeat; read the result at the provider"
      default:
        return "it did not happen; read what is there, and write with its version"
    }
  }
  switch (self.outcome) {
    case "NotSent":
      return "it did not happen; it is safe to repeat"
    case "Refused":
      return self.reason.transient
        ? "it did not happen; it is safe to repeat later"
        : "it did not happen; correct the request before repeating"
    case "Applied":
      return self.reason._tag === "InvalidResponse"
        ? "it happened; do not repeat; read the result at the provider and correct the success schema"
        : "it happened; do not repeat; read the result at the provider"
    case "Unknown":
      return self.key !== undefined
        ? "it may have happened; repeat only with the same key while the provider remembers it, else look it up there"
        : self.repeat === "Idempotent"
          ? "it may have happened; repeating it has the same effect"
          : "it may have happened; look it up at the provider before repeating"
  }
}

const millis = (n: number): string => (n < 10_000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`)

/** One line for an attempt. */
const formatAttempt = (attempt: Attempt): string => {
  const waited = attempt.waited > 0 ? `, after waiting ${millis(attempt.waited)}` : ""
  const queued = attempt.queued > 0 ? `, ${millis(attempt.queued)} of it for a permit` : ""
  const again = attempt.reauthenticated === true ? ", sent twice, the second time with another credential" : ""
  const id = attempt.requestId === undefined ? "" : `, provider's id ${attempt.requestId}`
  return `  attempt ${attempt.number} at +${millis(attempt.startedAfter)}: ${attempt.reason}: ${attempt.message} (${
    attempt.outcome
  }, took ${millis(attempt.elapsed)}${queued}${waited}${again}${id})`
}

const happened: Record<Outcome.Outcome, string> = {
  NotSent: "NotSent: it did not happen, nothing reached the provider",
  Refused: "Refused: it did not happen, the provider said so",
  Unknown: "Unknown: it may have happened",
  Applied: "Applied: it happened, the answer could not be used"
}

const format = (self: CallFailure): string => {
  const lines = [`${self.integration} ${self.operation} failed: ${self.reason._tag}: ${self.reason.message}`]
  for (const attempt of self.attempts) lines.push(formatAttempt(attempt))
  if (self.attempts.length === 0) lines.push("  no attempt was made")
  lines.push(`  outcome        ${happened[self.outcome]}`)
  lines.push(
    `  not repeated   ${self.stopped}${
      self.retryAfter === undefined ? "" : ` (asked to wait ${millis(Duration.toMillis(self.retryAfter))})`
    }`
  )
  if (self.parkFailed !== undefined) lines.push(`  not parked     ${self.parkFailed}`)
  if (self.key !== undefined) lines.push(`  key            ${self.key}`)
  lines.push(`  correlation id ${self.correlationId}`)
  lines.push(`  next           ${nextStep(self)}`)
  return lines.join("\n")
}
