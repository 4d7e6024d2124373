import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { CallFailure } from "../CallFailure.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { later, nowOf, withNow } from "./timer.ts"

/** How long an answer waits for the legs that lost to be interrupted. Most end in the turn in which they are. */
const grace = 20

/** What decides about the legs of a call. */
export interface Rules {
  /** Milliseconds without an answer after which one more leg may start. */
  readonly after: number
  /** How many more. */
  readonly max: number
  /** Whether a leg is to start now. After `"wait"` it is asked again for the next one, after `"stop"` no more. */
  readonly next: (leg: CallRecord, now: number) => "start" | "wait" | "stop"
  /** Whether legs are started at all, and numbered. */
  readonly acts: boolean
  /** Called as each leg ends, before anything follows from it. `elapsed` is how long it ran. */
  readonly ended: (leg: CallRecord, exit: LegExit, elapsed: number, now: number) => void
  /** Called when a leg other than the first gave the answer. */
  readonly won: (leg: CallRecord, now: number) => void
}

export type LegExit = Exit.Exit<unknown, CallFailure>

interface Leg {
  readonly record: CallRecord
  readonly fiber: Fiber.Fiber<unknown, CallFailure>
  readonly startedAt: number
}

/**
 * Runs one step of a call in a leg, and in more of them while there is no answer. The first answer is the call's, and the
 * other legs are interrupted.
 *
 * A success is an answer, and so is a failure that another try would not change. What this process itself turned away is
 * none, and what is transient waits for the legs that still run. When all have failed, the most informative failure stands.
 */
export const race = (
  call: CallRecord,
  step: (leg: CallRecord) => Effect.Effect<unknown, CallFailure>,
  rules: Rules
): Effect.Effect<unknown, CallFailure> =>
  Effect.withFiber((fiber) => {
    const running = new Set<Leg>()
    let started = 0
    let over = false
    let standing: Exit.Failure<unknown, CallFailure> | undefined
    let cancelTimer: (() => void) | undefined
    let resume: ((effect: LegExit) => void) | undefined
    let onQuiet: (() => void) | undefined

    const legOf = (number: number) => call.leg(rules.acts ? number : undefined)

    const start = (record: CallRecord): void => {
      started++
      const startedAt = nowOf(fiber)
      const leg: Leg = { record, startedAt, fiber: Effect.runForkWith(fiber.context)(step(record)) }
      running.add(leg)
      leg.fiber.addObserver((exit) => end(leg, exit))
    }

    const end = (leg: Leg, exit: LegExit): void => {
      running.delete(leg)
      const now = nowOf(fiber)
      rules.ended(leg.record, exit, now - leg.startedAt, now)
      if (over) {
        if (running.size === 0) onQuiet?.()
        return
      }
      const reason = noAnswer(exit)
      if (reason === undefined) return finish(leg, exit, now)
      // The first of equals stands.
      if (standing === undefined || told(reason) > told(noAnswer(standing)!)) standing = exit as typeof standing
      if (running.size === 0) finish(undefined, standing!, now)
    }

    const finish = (leg: Leg | undefined, exit: LegExit, now: number): void => {
      over = true
      cancelTimer?.()
      if (leg !== undefined && (leg.record.legNumber ?? 1) > 1 && !Exit.hasInterrupts(exit)) rules.won(leg.record, now)
      interruptAll("another leg answered first")
      resume!(exit)
    }

    const interruptAll = (why: string | undefined): void => {
      for (const leg of running) {
        if (why !== undefined) leg.record.giveUp(why)
        leg.fiber.interruptUnsafe(fiber.id)
      }
    }

    const arm = (): void => {
      cancelTimer = later(fiber, rules.after, () => {
        if (over) return
        const leg = legOf(started + 1)
        const next = rules.next(leg, nowOf(fiber))
        if (next === "start") start(leg)
        if (next !== "stop" && !over && ++armed < rules.max) arm()
      })
    }
    let armed = 0

    const raced = Effect.callback<unknown, CallFailure>((done) => {
      resume = done
      start(legOf(1))
      if (!over) arm()
      return Effect.suspend(() => {
        over = true
        cancelTimer?.()
        // The caller gave up, or a deadline or a closing layer cut the call: each leg reads who from the call.
        interruptAll(undefined)
        return Fiber.awaitAll([...running].map((leg) => leg.fiber))
      })
    })
    const quiet = Effect.suspend(() => {
      let cancel: (() => void) | undefined
      const waited = Effect.callback<void>((done) => {
        if (running.size === 0) return done(Effect.void)
        onQuiet = () => done(Effect.void)
        // An answer that came in time is not given up for the sake of a loser.
        const wait = Math.max(0, Math.min(grace, call.deadline - nowOf(fiber) - 1))
        cancel = later(fiber, wait, () => done(Effect.void))
      })
      return Effect.flatMap(waited, () =>
        Effect.sync(() => {
          cancel?.()
          const now = nowOf(fiber)
          // Such a leg has its permit until it ends. Its attempt is written now, or the call's history would lack it.
          for (const leg of running) leg.record.abandon(leg.fiber, now)
        })
      )
    })
    return Effect.catch(
      Effect.onExit(raced, () => quiet),
      // The history has grown since that leg failed.
      (failure) => withNow((now) => Effect.fail(call.fail(failure.reason, failure.stopped, now)))
    )
  })

/** Why a leg failed; `undefined` if it did not, or was interrupted. */
export const reasonOfLeg = (exit: LegExit): Reason.Reason | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isFailReason(reason)) return reason.error.reason
  }
  return undefined
}

/** The reason of a leg that is no answer; `undefined` for one that is. */
const noAnswer = (exit: LegExit): Reason.Reason | undefined => {
  const reason = reasonOfLeg(exit)
  return reason !== undefined && (reason.transient || isLocal(reason)) ? reason : undefined
}

/** Whether nothing left this process. */
export const isLocal = (reason: Reason.Reason): boolean =>
  Reason.isLocalRejection(reason) || reason._tag === "KeyExpired"

/** How much a failure tells: a rejection of our own nothing, the network that there was no answer, an answer what it was. */
const told = (reason: Reason.Reason): 0 | 1 | 2 => {
  if (isLocal(reason)) return 0
  switch (reason._tag) {
    case "NotAuthenticated":
    case "Unreachable":
    case "Disconnected":
    case "Timeout":
    case "Failed":
      return 1
    default:
      return 2
  }
}
