import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { CallStep, Decided, Phase } from "../Call.ts"
import { CallFailure, isCallFailure } from "../CallFailure.ts"
import * as Deadline from "../Deadline.ts"
import * as Outcome from "../Outcome.ts"
import * as Reason from "../Reason.ts"
import { CallRecord } from "./call.ts"
import { withoutStack } from "./stack.ts"
import { nowOf } from "./timer.ts"

type Answer = Effect.Effect<unknown, CallFailure>

interface Caller {
  readonly call: CallRecord
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly resume: (answer: Answer) => void
}

/** One run that callers share: a fiber and a record of its own. */
class Flight {
  readonly record: CallRecord
  readonly span: Tracer.Span | undefined
  readonly callers = new Set<Caller>()
  /** The call that started it, until it leaves: the attempts are written into its history. */
  leader: CallRecord | undefined
  fiber: Fiber.Fiber<unknown, CallFailure> | undefined = undefined
  /** The call that left last. From then on it is being interrupted, and nobody joins. */
  last: CallRecord | undefined = undefined
  readonly after = new Set<() => void>()

  constructor(leader: CallRecord, record: CallRecord, span: Tracer.Span | undefined) {
    this.leader = leader
    this.record = record
    this.span = span
  }
}

/** How one layer runs what callers share. */
export interface Way {
  readonly step: CallStep
  /** Ends a run by its own total deadline. */
  readonly bounded: CallStep
  readonly most: number
  readonly decided: (call: CallRecord, decided: Decided, now: number) => void
}

/** The runs of one layer by what they ask for. */
export class Flights {
  readonly running = new Map<string, Flight>()

  /**
   * Joins the run of a key, or starts it. Looking it up and joining it are one step, which nothing can come between; a run
   * that is being interrupted is waited for, so that there are never two.
   */
  ask(key: string, call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>, way: Way): Answer {
    return Effect.callback<unknown, CallFailure>((resume) => {
      const found = this.running.get(key)
      if (found?.last !== undefined) {
        const again = () => resume(this.ask(key, call, fiber, way))
        found.after.add(again)
        return Effect.sync(() => found.after.delete(again))
      }
      const caller: Caller = { call, fiber, resume }
      if (found === undefined) {
        const flight = this.start(key, caller, way)
        return Effect.suspend(() => leave(flight, caller))
      }
      const now = nowOf(fiber)
      if (found.callers.size >= way.most) {
        way.decided(call, "rejected", now)
        const full = Reason.make("BulkheadFull", {
          message: `${found.callers.size} callers wait for this answer, the most allowed`
        })
        return resume(Effect.fail(call.fail(full, "not transient", now)))
      }
      way.decided(call, "joined", now)
      link(fiber, found.span)
      found.callers.add(caller)
      return Effect.suspend(() => leave(found, caller))
    })
  }

  private start(key: string, caller: Caller, way: Way): Flight {
    const { call, fiber } = caller
    const record = new CallRecord({
      id: call.id,
      integration: call.integration,
      operation: call.operation,
      repeat: call.repeat,
      input: call.input,
      startedAt: nowOf(fiber),
      correlationId: call.correlationId
    })
    record.prepared = call.prepared
    const flight = new Flight(call, record, spanOf(fiber))
    flight.callers.add(caller)
    this.running.set(key, flight)
    // The caller's deadline ends its wait, and not what others wait for. It is infinite where no total deadline acts.
    const run = call.deadline === Infinity ? way.step : way.bounded
    const context = Context.add(fiber.context, Deadline.Current, undefined)
    flight.fiber = Effect.runForkWith(context)(Effect.suspend(() => run(record)))
    flight.fiber.addObserver((exit) => {
      this.running.delete(key)
      finish(flight, exit)
    })
    return flight
  }

  /** What still runs when the layer has closed. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    Fiber.interruptAll([...this.running.values()].flatMap((flight) => flight.fiber ?? []))
  )
}

/** Everybody's history is complete before anybody goes on, as what one does next may end another. */
const finish = (flight: Flight, exit: Exit.Exit<unknown, CallFailure>): void => {
  const callers = [...flight.callers]
  flight.callers.clear()
  for (const { call } of callers) account(flight, call)
  if (flight.last !== undefined) account(flight, flight.last)
  // A layer that closes waits for a leg that could not be interrupted: one caller has to tell of it.
  const teller = flight.leader ?? flight.last ?? callers[0]?.call
  if (flight.record.lingering !== undefined && teller !== undefined) {
    teller.lingering = [...(teller.lingering ?? []), ...flight.record.lingering]
  }
  for (const caller of callers) caller.resume(answerOf(exit, caller))
  for (const again of flight.after) again()
}

/** A caller gives up. The last one takes the run with it. */
const leave = (flight: Flight, caller: Caller): Effect.Effect<void> => {
  // It ended before the caller could be told.
  if (!flight.callers.delete(caller)) return Effect.void
  const { call } = caller
  const { fiber, record } = flight
  if (flight.callers.size > 0) {
    part(flight, call, nowOf(caller.fiber))
    return Effect.void
  }
  flight.last = call
  record.cutBy = call.cutBy
  record.deadline = call.deadline
  record.deadlineOf = call.deadlineOf
  return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
}

/** Writes what the run has done into the history of one caller. */
const account = (flight: Flight, call: CallRecord): void => {
  const { record } = flight
  if (call !== flight.leader) {
    call.prior = soFar(record)
    if (!Outcome.didNotHappen(call.prior)) call.phase = "sent"
    return
  }
  const shift = record.startedAt - call.startedAt
  for (const attempt of record.attempts) call.attempts.push({ ...attempt, startedAfter: attempt.startedAfter + shift })
  if (record.decisions !== undefined) (call.decisions ??= []).push(...record.decisions)
  call.attempt = record.attempt
  call.waited += record.waited
  call.totalQueued += record.totalQueued
  call.totalQueuedForRate += record.totalQueuedForRate
}

/** A caller leaves others behind: the attempt that runs goes on, and is given up by this one. */
const part = (flight: Flight, call: CallRecord, now: number): void => {
  account(flight, call)
  const { record } = flight
  if (call !== flight.leader) {
    call.pending = record.pending
    return
  }
  flight.leader = undefined
  const phase = phaseOf(record)
  if (phase === undefined) return
  call.phase = phase
  call.pending = record.pending
  call.requestId = record.requestId
  call.status = record.status
  call.waiting = record.waiting
  call.queued = record.queued
  call.queuedForRate = record.queuedForRate
  call.attemptStartedAt = Math.max(record.attemptStartedAt, record.startedAt)
  call.end(call.cutBy === undefined ? "Interrupted" : call.cut("no longer waited for; others wait on"), now)
}

/** Where the attempt that runs stands. Of several legs that run at once, the record knows only whether one was sent. */
const phaseOf = (record: CallRecord): Phase | undefined =>
  record.phase !== "idle"
    ? record.phase
    : record.attempt === record.attempts.length
      ? undefined
      : record.firstSentAt === undefined
        ? "waiting"
        : "sent"

/** What the run has done, the attempt that runs included. */
const soFar = (record: CallRecord): Outcome.Outcome => {
  const phase = phaseOf(record)
  if (phase === undefined) return record.outcome()
  const outcome = record.pending?.outcome ?? (phase === "waiting" ? "NotSent" : "Unknown")
  return Outcome.fold([...record.attempts, { outcome, resolves: false }])
}

/** The answer for one caller. A failure is its own: with its correlation id, its time, and the run's attempts. */
const answerOf = (exit: Exit.Exit<unknown, CallFailure>, { call, fiber }: Caller): Answer => {
  if (Exit.isSuccess(exit)) return exit
  const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
  if (!isCallFailure(failure)) return exit
  return Effect.fail(
    withoutStack(
      () =>
        new CallFailure({
          integration: call.integration,
          operation: call.operation,
          repeat: call.repeat,
          reason: failure.reason,
          outcome: failure.outcome,
          attempts: failure.attempts,
          elapsed: Duration.millis(nowOf(fiber) - call.startedAt),
          retryAfter: failure.retryAfter,
          correlationId: call.correlationId,
          key: call.key,
          stopped: failure.stopped
        })
    )
  )
}

const spanOf = (fiber: Fiber.Fiber<unknown, unknown>): Tracer.Span | undefined => {
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  return span?._tag === "Span" && span.traceId !== "noop" ? span : undefined
}

const link = (fiber: Fiber.Fiber<unknown, unknown>, span: Tracer.Span | undefined): void => {
  if (span !== undefined) spanOf(fiber)?.addLinks([{ span, attributes: {} }])
}

/** Who would share a run, where the layer only tells: everybody sends for themselves. */
export class Shadows {
  /** Of each key, the calls that run; the first is the one that would have started the run. */
  readonly running = new Map<string, Set<CallRecord>>()

  watch(key: string, call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>, way: Way): Answer {
    return Effect.suspend(() => {
      const found = this.running.get(key)
      const now = nowOf(fiber)
      if (found !== undefined && found.size >= way.most) {
        way.decided(call, "rejected", now)
        return way.step(call)
      }
      const shadow = found ?? new Set()
      if (found === undefined) this.running.set(key, shadow)
      else way.decided(call, "joined", now)
      shadow.add(call)
      return Effect.onExit(way.step(call), (exit) => {
        const [first] = shadow
        shadow.delete(call)
        // The shared run ends with the answer of the first, or when everybody has left.
        const ends = first === call && !(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        if ((ends || shadow.size === 0) && this.running.get(key) === shadow) this.running.delete(key)
        return Effect.void
      })
    })
  }
}
