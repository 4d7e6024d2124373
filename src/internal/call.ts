import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type { Call, Phase, PolicyDecision } from "../Call.ts"
import { type Attempt, CallFailure, type Stopped } from "../CallFailure.ts"
import type { Repeat } from "../Idempotency.ts"
import * as Outcome from "../Outcome.ts"
import * as Reason from "../Reason.ts"
import type { Budget } from "./budget.ts"
import { withoutStack } from "./stack.ts"
import type { StreamRecord } from "./streaming.ts"

/** One input, validated and encoded, ready to be sent any number of times. */
export interface Prepared {
  /** Puts the key where the provider reads it. */
  readonly place: (key: string) => Reason.Reason | undefined
  /** Sends once, reads the answer to its end, and decodes it. */
  readonly send: (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>
  /**
   * The same for what is no effect: it begins at once, and gives the exit, or an effect that has yet to be run for it. It
   * never throws. Absent where `send` is the only way.
   */
  readonly start?: (
    call: CallRecord,
    fiber: Fiber.Fiber<unknown, unknown>,
    proceed: (effect: Effect.Effect<unknown, Reason.Reason>) => void,
    now: number
  ) => Leaf
  /** What is sent, as JSON, without the key and without credentials. Absent where the input says it all. */
  readonly request?: (() => unknown) | undefined
}

/** What was begun, and can be told to stop. */
export interface Leaf {
  readonly abort: () => void
}

/** The mutable record behind `Call`. One per logical call; only the runner and the built-in layers write it. */
export class CallRecord implements Call {
  private readonly number: string | number
  readonly integration: string
  readonly operation: string
  readonly repeat: Repeat
  readonly input: unknown
  readonly startedAt: number
  private readonly given: string | undefined
  key: string | undefined = undefined
  deadline = Infinity
  /** Whose deadline that is. */
  deadlineOf: "total deadline" | "caller's deadline" | "total limit of the stream" = "total deadline"
  /** From when it counts. */
  deadlineFrom: number
  /** How far its answer has come, if it is a stream. */
  stream: StreamRecord | undefined = undefined
  readonly attempts: Array<Attempt> = []
  attempt = 0
  phase: Phase = "idle"
  /** What the current attempt would be if it were cut now, once a status was read. */
  pending: Reason.Reason | undefined = undefined
  /** Who cut the current attempt, when it was not the caller. */
  cutBy: "deadline" | "drain" | undefined = undefined
  attemptStartedAt = 0
  /** When the current attempt is cut at the latest, in epoch milliseconds. */
  attemptEndsBy = Infinity
  /** Whether the current attempt may take as long as its own timeout allows. */
  hasFullLimit = false
  /** Backoff before the next attempt, and waits so far, in milliseconds. */
  waiting = 0
  waited = 0
  queued = 0
  totalQueued = 0
  /** What of the waits was for the rate. The rest was for a permit. */
  queuedForRate = 0
  totalQueuedForRate = 0
  /** Whether a layer wants to know what the answer tells of the provider's limit, and what it tells. */
  learns = false
  limit: Reason.Limit | undefined = undefined
  requestId: string | undefined = undefined
  /** Whether the current attempt was refused for its credential and sent once more with another, and whether any was. */
  reauthenticated = false
  everReauthenticated = false
  status: number | undefined = undefined
  /** When the first attempt may have left this process, or an earlier process may have sent it. */
  firstSentAt: number | undefined = undefined
  private firstSentBefore: number | undefined = undefined
  /** When the last attempt ended that happened or may have. */
  lastInDoubtAt: number | undefined = undefined
  fellBack = false
  /** That it succeeded by being stored, or was stored when the caller gave up. */
  stored: "parked" | "queued" | undefined = undefined
  /** What an earlier process, or an earlier try, did. */
  prior: Outcome.Outcome = "NotSent"
  /** Whether it is a stored call, which is made again. */
  resumed = false
  /** Whether its layer was closing when it came: it is not sent, and may be parked. */
  draining = false
  /** What the layers decided, or would have. */
  decisions: Array<PolicyDecision> | undefined = undefined
  /** The call that this is one of several simultaneous legs of. */
  root: CallRecord | undefined = undefined
  /** Which of the legs this is, from 1. */
  legNumber: number | undefined = undefined
  /** Why its attempt was given up, when it was not the caller who did. */
  givenUp: string | undefined = undefined
  /** Whether its attempt is written, and what it still does is not: it would not end when it was given up. */
  abandoned = false
  /** Whether it was told how it ended, though something of it may still run. */
  over = false
  /** Legs that were given up and still run. A layer that closes waits for them. */
  lingering: Array<Fiber.Fiber<unknown, unknown>> | undefined = undefined
  /** What its retries and hedges are drawn on; `undefined` while nothing bounds them. */
  budget: Budget | undefined = undefined
  /** Whether it is a stored call that is made now, so that what it leaves unfinished can be kept with it. */
  durable = false
  /**
   * How far a call has come that is made in several deliveries, as JSON: an earlier one left it here, or this one has got
   * there. What the next one learns is about the same piece of work.
   */
  progress: unknown = undefined
  /** When the claim on its entry ends, past which no attempt may start. */
  leaseUntil = Infinity
  /** Why the last attempt failed; `undefined` if it did not. */
  lastReason: Reason.Reason | undefined = undefined
  /** The input, validated and encoded. */
  prepared: Prepared | undefined = undefined
  /** Preparing that was begun and has to wait. */
  preparing: Fiber.Fiber<Prepared, Reason.Reason> | undefined = undefined
  /** When it ended, if whoever ended it knew: by the clock, and for spans. */
  endedAt: number | undefined = undefined
  endedAtNanos: bigint | undefined = undefined
  /** Of the whole call, once it is observed. */
  span: Tracer.Span | undefined = undefined

  constructor(options: {
    /** A number is made into a text when somebody asks for it. */
    readonly id: string | number
    readonly integration: string
    readonly operation: string
    readonly repeat: Repeat
    readonly input: unknown
    readonly startedAt: number
    /** Without one, it is the id of the trace, or its own. */
    readonly correlationId: string | undefined
  }) {
    this.number = options.id
    this.integration = options.integration
    this.operation = options.operation
    this.repeat = options.repeat
    this.input = options.input
    this.startedAt = options.startedAt
    this.deadlineFrom = options.startedAt
    this.given = options.correlationId
  }

  get id(): string {
    const { number } = this
    return typeof number === "string" ? number : `${this.startedAt.toString(36)}-${number.toString(36)}`
  }

  /** Of the span of the call, unless no tracer sees it. */
  get traceId(): string | undefined {
    const id = this.span?.traceId
    return id === "noop" ? undefined : id
  }

  get correlationId(): string {
    return this.given ?? (this.resumed ? undefined : this.traceId) ?? this.id
  }

  outcome(): Outcome.Outcome {
    return this.prior === "NotSent"
      ? Outcome.fold(this.attempts)
      : Outcome.fold([{ outcome: this.prior, resolves: false }, ...this.attempts])
  }

  /**
   * One of several legs that run at once: it has an attempt of its own, and everything else is the call's. What it did is
   * written into the call's one history.
   */
  leg(number?: number): CallRecord {
    const leg = Object.create(this) as CallRecord
    leg.root = this.root ?? this
    leg.legNumber = number
    return leg
  }

  /** Says why a leg is interrupted. Whatever cuts the call from now on did not cut this leg: its own field hides the call's. */
  giveUp(why: string): void {
    this.cutBy = undefined
    this.givenUp = why
  }

  /** Writes the attempt of a leg that was given up and has not ended. Nothing that it still does is written. */
  abandon(fiber: Fiber.Fiber<unknown, unknown>, now: number): void {
    this.givenUp = `${this.givenUp}; it could not be interrupted yet`
    // What still runs may yet be sent.
    this.phase = "sent"
    this.end("Interrupted", now)
    this.abandoned = true
    const whole = this.root ?? this
    ;(whole.lingering ??= []).push(fiber)
  }

  begin(now: number): void {
    if (this.root === undefined) this.attempt++
    else {
      this.attempt = ++this.root.attempt
      // A wait before the legs is the first one's.
      this.waiting = this.root.waiting
      this.root.waiting = 0
    }
    this.phase = "waiting"
    this.pending = undefined
    this.requestId = undefined
    this.status = undefined
    this.reauthenticated = false
    this.queued = 0
    this.queuedForRate = 0
    this.learns = false
    this.limit = undefined
    this.hasFullLimit = false
    this.attemptStartedAt = now
    this.attemptEndsBy = this.deadline
    this.firstSentBefore = this.firstSentAt
  }

  /** Marks the moment from which the provider may have seen the request. */
  sent(now: number): void {
    this.phase = "sent"
    // `issuedAt` may lie in the future of this clock; the provider counts from what it gets.
    this.firstSentAt = Math.min(this.firstSentAt ?? now, now)
    if (this.root !== undefined) this.root.firstSentAt = Math.min(this.root.firstSentAt ?? now, now)
  }

  /** Marks that a refused credential was replaced. What the refusal told counts until the request is sent again. */
  reauthenticate(): void {
    this.reauthenticated = true
    this.everReauthenticated = true
    if (this.root !== undefined) this.root.everReauthenticated = true
  }

  /** Marks that the request is sent once more within its attempt. */
  sentAgain(now: number): void {
    this.pending = undefined
    this.status = undefined
    this.requestId = undefined
    this.sent(now)
  }

  /** Keeps what an answer tells of the provider's limit: what is told here goes before what is known of it. */
  tell({ cost, limit, remaining, resetAfter }: Reason.Limit): void {
    const known = this.limit
    this.limit = {
      cost: cost ?? known?.cost,
      limit: limit ?? known?.limit,
      // What is left and when it is more belong together.
      ...(remaining === undefined && resetAfter === undefined
        ? { remaining: known?.remaining, resetAfter: known?.resetAfter }
        : { remaining, resetAfter })
    }
  }

  /** Ends the current attempt and adds it to the history. */
  end(reason: Reason.Reason | "Success" | "Interrupted", now: number): void {
    const bare = typeof reason === "string"
    this.lastReason = bare ? undefined : reason
    if (this.abandoned) return
    const outcome = bare
      ? reason === "Success"
        ? "Applied"
        : (this.pending?.outcome ?? (this.phase === "waiting" ? "NotSent" : "Unknown"))
      : reason.outcome
    this.attempts.push({
      number: this.attempt,
      reason: bare ? reason : reason._tag,
      message: bare ? (reason === "Success" ? "answered" : (this.givenUp ?? "given up by the caller")) : reason.message,
      status: bare ? this.status : reason.status,
      outcome,
      resolves:
        reason === "Success" || (!bare && reason.resolves && (this.key !== undefined || this.progress !== undefined)),
      startedAfter: this.attemptStartedAt - this.startedAt,
      elapsed: now - this.attemptStartedAt,
      waited: this.waiting,
      queued: this.queued,
      requestId: bare ? this.requestId : (reason.requestId ?? this.requestId),
      ...(this.reauthenticated ? { reauthenticated: true } : {})
    })
    // The provider has never seen the key: its life has not begun.
    if (outcome === "NotSent") this.firstSentAt = this.firstSentBefore
    const whole = this.root ?? this
    whole.lastReason = this.lastReason
    if (!Outcome.didNotHappen(outcome)) whole.lastInDoubtAt = now
    whole.waited += this.waiting
    whole.totalQueued += this.queued
    whole.totalQueuedForRate += this.queuedForRate
    this.waiting = 0
    this.phase = "idle"
  }

  /** The reason of an attempt that is cut now: it takes the outcome of its phase. */
  cut(message: string): Reason.Reason {
    if (this.pending !== undefined) return { ...this.pending, message: `${this.pending.message}; ${message}` }
    return Reason.make("Timeout", {
      message,
      outcome: this.phase === "sent" || this.phase === "answered" ? "Unknown" : "NotSent"
    })
  }

  fail(reason: Reason.Reason, stopped: Stopped, now: number): CallFailure {
    return withoutStack(
      () =>
        new CallFailure({
          integration: this.integration,
          operation: this.operation,
          repeat: this.repeat,
          reason,
          outcome:
            this.attempts.length > 0
              ? this.outcome()
              : Outcome.fold([
                  { outcome: this.prior, resolves: false },
                  { outcome: reason.outcome, resolves: false }
                ]),
          attempts: this.attempts.slice(),
          elapsed: Duration.millis(now - this.startedAt),
          retryAfter: reason.retryAfter,
          correlationId: this.correlationId,
          key: this.key,
          stopped
        })
    )
  }
}
