// What a stored call and a live one have in common: how it is written down, read, made again, and what its end means.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { type Attempt, CallFailure, type Stopped } from "../CallFailure.ts"
import type { Bounds } from "../Exhaustion.ts"
import type { Repeat } from "../Idempotency.ts"
import * as Outcome from "../Outcome.ts"
import type { Entry, Try, Why } from "../OutboxEntry.ts"
import type { Cipher, Learned } from "../OutboxStore.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord, Prepared } from "./call.ts"
import type { Keep } from "./definition.ts"
import { hashOf } from "./fingerprint.ts"
import { millisOf } from "./outboxTimes.ts"
import { withoutStack } from "./stack.ts"

/** By this an integration's methods carry what its worker needs. */
export const DurableId = "~breakwater/Integration/durable"

/** One operation whose calls may be stored. */
export interface Durable {
  readonly integration: string
  readonly operation: string
  readonly repeat: Repeat
  readonly bounds: Bounds<never>
  /** The total deadline, in milliseconds. */
  readonly limit: number
  /** For a reconcilable one: how long after a doubtful end it may be looked up. */
  readonly settle: number
  readonly keep: Keep
  readonly cipher: Cipher
  /** Makes a stored call once more. `leaseUntil` is by the clock of this process. */
  readonly resume: (
    loaded: Loaded,
    entry: Entry,
    onCall: (call: CallRecord) => void,
    times: {
      readonly firstSentAt: number | undefined
      readonly inDoubtAt: number | undefined
      readonly leaseUntil: number
    },
    progress: unknown
  ) => Effect.Effect<{ readonly exit: Exit.Exit<unknown, CallFailure>; readonly call: CallRecord }>
  /** The application's own error. */
  readonly translate: (failure: CallFailure, input: unknown) => unknown
}

/** What was stored of a call, read again. */
export interface Loaded {
  readonly input: unknown
  readonly prepared: Prepared
}

/** Of an object of methods. */
export const durablesOf = (methods: unknown): Readonly<Record<string, Durable>> | undefined =>
  typeof methods === "object" && methods !== null && DurableId in methods
    ? (methods[DurableId] as Readonly<Record<string, Durable>>)
    : undefined

// ---- text

const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

const unreadable = (what: string) => Reason.make("InvalidInput", { message: `${what} can't be read from the store` })

/** An object from a text that `JSON.stringify` wrote and the cipher may have enciphered. */
const read = (cipher: Cipher, text: string, what: string): Effect.Effect<Record<string, unknown>, Reason.Reason> =>
  Effect.flatMap(
    Effect.catchCause(cipher.decrypt(text), () => Effect.fail(unreadable(what))),
    (plain) => {
      const parsed = fromJson(plain)
      return Exit.isSuccess(parsed) && typeof parsed.value === "object" && parsed.value !== null
        ? Effect.succeed(parsed.value as Record<string, unknown>)
        : Effect.fail(unreadable(what))
    }
  )

const write = (cipher: Cipher, value: unknown): Effect.Effect<string, Reason.Reason> =>
  Effect.catchCause(cipher.encrypt(JSON.stringify(value)), () =>
    Effect.fail(Reason.make("NotStored", { message: "the cipher of the outbox failed" }))
  )

/** Text for a person: what is `Redacted` says no more than that. */
const shown = (input: unknown): string | null =>
  Exit.getSuccess(
    Effect.runSyncExit(
      Effect.sync(
        () => JSON.stringify(input, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? null
      )
    )
  ).pipe((found) => (found._tag === "Some" ? found.value : null))

/** What is stored of a call that was prepared: the text, and a hash of what it asks for. */
export const payloadOf = (
  keep: Keep,
  cipher: Cipher,
  call: CallRecord
): Effect.Effect<{ readonly payload: string; readonly fingerprint: string }, Reason.Reason> =>
  Effect.flatMap(keep.saveInput(call.input), (input) => {
    const request = call.prepared?.request?.() ?? null
    return Effect.map(write(cipher, { v: 1, input, request, shown: shown(call.input) }), (payload) => ({
      payload,
      fingerprint: hashOf(JSON.stringify(request === null ? input : request))
    }))
  })

/** Reads what was stored. A failure says that it can't be read, by this deploy at least. */
export const load = (durable: Durable, entry: Entry): Effect.Effect<Loaded, Reason.Reason> =>
  Effect.flatMap(read(durable.cipher, entry.payload, "the call"), (saved) =>
    Effect.flatMap(durable.keep.loadInput(saved.input), (input) =>
      Effect.flatMap(durable.keep.restore(saved.request, input), (prepared) => {
        const refused = entry.key === undefined ? undefined : prepared.place(entry.key)
        return refused === undefined ? Effect.succeed({ input, prepared }) : Effect.fail(refused)
      })
    )
  )

/** The same integration, operation and key give the same id; without a key each call has its own. */
export const idOf = (integration: string, operation: string, key: string | undefined): Effect.Effect<string> =>
  Effect.map(
    key === undefined
      ? Effect.map(Effect.all([Random.nextInt, Random.nextInt, Random.nextInt]), (parts) => `?${parts.join("/")}`)
      : Effect.succeed(`=${key}`),
    (identity) => hashOf(`${integration.length}:${integration}${operation.length}:${operation}${identity}`).slice(0, 32)
  )

// ---- what a try has shown

/** What a call has learned, and what to write into the history. */
export const learnedOf = (
  exit: Exit.Exit<unknown, CallFailure> | undefined,
  call: Pick<CallRecord, "attempts" | "firstSentAt" | "lastInDoubtAt" | "startedAt" | "outcome">,
  history: ReadonlyArray<Try>,
  now: number
): Learned => {
  const last = call.attempts.at(-1)
  const failure = exit !== undefined && Exit.isFailure(exit) ? failureOf(exit) : undefined
  const success = exit !== undefined && Exit.isSuccess(exit)
  const line: Try = {
    at: now,
    reason: success ? "Success" : (failure?.reason._tag ?? "Interrupted"),
    message: success ? "answered" : (failure?.reason.message ?? "given up by its process"),
    outcome: success ? "Applied" : Outcome.fold(call.attempts),
    status: failure?.reason.status ?? last?.status,
    attempts: call.attempts.length,
    elapsed: now - call.startedAt,
    requestId: failure?.reason.requestId ?? last?.requestId
  }
  return {
    outcome: success ? "Applied" : (failure?.outcome ?? call.outcome()),
    firstSentAgo: call.firstSentAt === undefined ? undefined : Math.max(0, now - call.firstSentAt),
    inDoubtAgo: call.lastInDoubtAt === undefined ? undefined : Math.max(0, now - call.lastInDoubtAt),
    history: [...history, line].slice(-20)
  }
}

export const failureOf = (exit: Exit.Exit<unknown, CallFailure>): CallFailure | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) if (reason._tag === "Fail") return reason.error
  return undefined
}

// ---- what it means

/** What becomes of a call that has ended, or could not be made. */
export type Decided =
  /** `keep` is how long a person wants the result kept, who gave it. */
  | { readonly _tag: "Delivered"; readonly value: unknown; readonly keep?: Duration.Duration | undefined }
  | { readonly _tag: "Dead" | "NeedsReconcile"; readonly why: Why; readonly failure: CallFailure | undefined }
  /** Once more, no earlier than `hint` milliseconds from now. */
  | { readonly _tag: "Again"; readonly counts: boolean; readonly pausing: boolean; readonly hint: number }

/** One that is final. */
export type Verdict = Exclude<Decided, { readonly _tag: "Again" }>

/** Reasons of a process that ends or has no time: the provider has nothing to do with them. */
const own: ReadonlySet<Reason.Tag> = new Set(["Draining", "DeadlineExceeded", "BudgetSpent", "NotStored"])

/**
 * What the end of a try means for a stored call. One that has `progressed` and is in progress is well: it is no try that
 * is spent, and goes on when the provider wants to be asked again.
 */
export const decide = (
  durable: Pick<Durable, "repeat" | "settle">,
  entry: Pick<Entry, "attempts">,
  exit: Exit.Exit<unknown, CallFailure>,
  thisTry: Outcome.Outcome,
  maxAttempts: number,
  progressed: boolean
): Decided => {
  if (Exit.isSuccess(exit)) return { _tag: "Delivered", value: exit.value }
  const failure = failureOf(exit)
  const counts = !Outcome.didNotHappen(thisTry)
  if (failure === undefined) return { _tag: "Again", counts, pausing: false, hint: 0 }
  const { outcome, reason } = failure
  if (progressed && reason._tag === "InProgress") {
    const { retryAfter } = failure
    return {
      _tag: "Again",
      counts: false,
      pausing: retryAfter === undefined,
      hint: retryAfter === undefined ? 0 : Duration.toMillis(retryAfter)
    }
  }
  const happenedNot = Outcome.didNotHappen(outcome)
  const hint = Math.max(
    failure.retryAfter === undefined ? 0 : Duration.toMillis(failure.retryAfter),
    happenedNot ? 0 : durable.settle
  )
  if (reason._tag === "KeyExpired") {
    return happenedNot
      ? { _tag: "Dead", why: "key expired", failure }
      : { _tag: "NeedsReconcile", why: "key expired", failure }
  }
  if (reason.transient || own.has(reason._tag)) {
    if (durable.repeat === "AtMostOnce" && !happenedNot) return { _tag: "NeedsReconcile", why: "sent once", failure }
    if (counts && entry.attempts >= maxAttempts) return { _tag: "Dead", why: "exhausted", failure }
    return { _tag: "Again", counts, pausing: true, hint }
  }
  // Nothing is said of what came before, as by a conflict, or a 4xx whose body was cut. The same key may ask again.
  const isOpen = reason._tag === "Rejected" && outcome === "Unknown"
  if (isOpen && durable.repeat === "Idempotent" && entry.attempts < maxAttempts) {
    return { _tag: "Again", counts: true, pausing: true, hint }
  }
  return happenedNot || reason._tag === "KeyConflict"
    ? { _tag: "Dead", why: "rejected", failure }
    : { _tag: "NeedsReconcile", why: "unclear", failure }
}

// ---- a verdict that is kept until its handler has run

/** A verdict as text. */
export const answerOf = (
  durable: Pick<Durable, "keep" | "cipher">,
  decided: Verdict
): Effect.Effect<string, Reason.Reason> => {
  if (decided._tag === "Delivered") {
    return Effect.flatMap(durable.keep.saveResult(decided.value), (result) =>
      write(durable.cipher, { _tag: "Delivered", result })
    )
  }
  const { failure } = decided
  return Effect.flatMap(
    failure?.reason.error === undefined
      ? Effect.undefined
      : Effect.catch(durable.keep.saveError(failure.reason.error), () => Effect.undefined),
    (error) =>
      write(durable.cipher, {
        _tag: decided._tag,
        why: decided.why,
        failure:
          failure === undefined
            ? null
            : {
                reason: { ...failure.reason, error: undefined, cause: undefined, retryAfter: undefined },
                outcome: failure.outcome,
                attempts: failure.attempts,
                elapsed: Duration.toMillis(failure.elapsed),
                correlationId: failure.correlationId,
                stopped: failure.stopped
              },
        ...(error === undefined ? {} : { error })
      })
  )
}

/** How far a call has come, as text. Without it the next delivery starts from the beginning, which its key makes safe. */
export const progressOf = (
  durable: Pick<Durable, "cipher">,
  call: Pick<CallRecord, "progress"> | undefined
): Effect.Effect<string | undefined> =>
  call?.progress === undefined
    ? Effect.undefined
    : Effect.catch(write(durable.cipher, { _tag: "Progress", progress: call.progress }), () => Effect.undefined)

/** A delivery that a person vouches for, as text. The result is in its encoded form already. */
export const answerBy = (
  cipher: Cipher,
  result: unknown,
  keep: Duration.Duration
): Effect.Effect<string, Reason.Reason> => {
  const notJson = Effect.fail(Reason.make("InvalidInput", { message: "the result is not JSON" }))
  return Effect.catchDefect(
    Effect.suspend(() =>
      // What JSON would leave out is no answer either.
      JSON.stringify(result) === undefined
        ? notJson
        : write(cipher, { _tag: "Delivered", result, keep: millisOf(keep) })
    ),
    () => notJson
  )
}

interface SavedFailure {
  readonly reason: Reason.Details & { readonly _tag: Reason.Tag }
  readonly outcome: Outcome.Outcome
  readonly attempts: ReadonlyArray<Attempt>
  readonly elapsed: number
  readonly correlationId: string
  readonly stopped: Stopped
}

/** How far a call had come when a delivery ended before it. */
export interface Progress {
  readonly _tag: "Progress"
  readonly progress: unknown
}

/** A verdict from text, or how far the call has come. */
export const readAnswer = (
  durable: Durable,
  entry: Entry,
  text: string
): Effect.Effect<Verdict | Progress, Reason.Reason> =>
  Effect.flatMap(
    read(durable.cipher, text, "the verdict"),
    (saved): Effect.Effect<Verdict | Progress, Reason.Reason> => {
      if (saved._tag === "Progress") return Effect.succeed({ _tag: "Progress", progress: saved.progress })
      if (saved._tag === "Delivered") {
        const keep = typeof saved.keep === "number" ? Duration.millis(saved.keep) : undefined
        return Effect.map(durable.keep.loadResult(saved.result), (value) => ({
          _tag: "Delivered" as const,
          value,
          keep
        }))
      }
      const failure = saved.failure as SavedFailure | null
      return Effect.map(
        "error" in saved ? Effect.catch(durable.keep.loadError(saved.error), () => Effect.undefined) : Effect.undefined,
        (error) => ({
          _tag: saved._tag as "Dead" | "NeedsReconcile",
          why: saved.why as Why,
          failure: failure === null ? undefined : failureFrom(durable, entry, failure, error)
        })
      )
    }
  )

const failureFrom = (durable: Durable, entry: Entry, saved: SavedFailure, error: unknown): CallFailure =>
  withoutStack(
    () =>
      new CallFailure({
        integration: durable.integration,
        operation: durable.operation,
        repeat: durable.repeat,
        reason: Reason.make(saved.reason._tag, { ...saved.reason, error }),
        outcome: saved.outcome,
        attempts: saved.attempts,
        elapsed: Duration.millis(saved.elapsed),
        retryAfter: undefined,
        correlationId: saved.correlationId,
        key: entry.key,
        stopped: saved.stopped
      })
  )

/** The result that a delivered entry keeps. */
export const resultOf = (durable: Durable, entry: Entry): Effect.Effect<unknown, Reason.Reason> =>
  Effect.flatMap(read(durable.cipher, entry.result ?? "", "the result"), (saved) =>
    durable.keep.loadResult(saved.result)
  )

export const saveResult = (durable: Durable, value: unknown): Effect.Effect<string, Reason.Reason> =>
  Effect.flatMap(durable.keep.saveResult(value), (result) => write(durable.cipher, { result }))
