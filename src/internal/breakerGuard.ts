import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Site } from "../Call.ts"
import * as Reason from "../Reason.ts"
import { reasonOf } from "./boundary.ts"
import type { CallRecord } from "./call.ts"
import type { Circuit, Finding, Rules } from "./circuit.ts"
import type { Circuits } from "./circuits.ts"
import { format } from "./duration.ts"
import type { Guard } from "./fusable.ts"
import { type Keyed, keyOf } from "./keyed.ts"
import { nowOf } from "./timer.ts"

export type Attempt = (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>

const ignored = Reason.make("DeadlineExceeded")
const timedOut = Reason.make("Timeout")

/** A deadline that cuts an attempt short says nothing about the provider, unless the attempt had its full limit. */
const cut = (call: CallRecord): Reason.Reason => (call.cutBy === "deadline" && call.hasFullLimit ? timedOut : ignored)

/**
 * What an attempt that was admitted when it `began` says about the provider. Its own waits for a permit or the rate are
 * none of the provider's time. One that the deadline cut was slow by then, if it was; a stream is as slow as its first
 * byte; whether one that a caller gave up would have been, nobody knows.
 */
export const findingOf = (
  exit: Exit.Exit<unknown, Reason.Reason>,
  call: CallRecord,
  probe: boolean,
  began: number,
  rules: Rules,
  fiber: Fiber.Fiber<unknown, unknown>,
  now: number
): Finding => {
  const reason = Exit.isSuccess(exit) ? undefined : Exit.hasInterrupts(exit) ? cut(call) : reasonOf(exit.cause, call)
  const health =
    reason === undefined ? "success" : reason.health === "probe" ? (probe ? "success" : "ignored") : reason.health
  return {
    health,
    slow:
      rules.slow !== undefined &&
      (health !== "ignored" || (call.cutBy === "deadline" && Exit.hasInterrupts(exit))) &&
      (call.stream?.answeredAt ?? now) - began - call.queued > rules.slow.after,
    random: fiber.getRef(Random.Random).nextDoubleUnsafe(),
    hint: reason?.retryAfter === undefined ? 0 : Duration.toMillis(reason.retryAfter)
  }
}

/** Why an attempt is turned away. `left` is in milliseconds, `Infinity` while a probe runs. */
export const rejection = (key: string, left: number): Reason.Reason => {
  if (left === Infinity) return Reason.make("CircuitOpen", { message: `the circuit ${key} is half-open and probing` })
  // Whole milliseconds, and never too early: the jitter leaves fractions, which nobody wants to read or to parse.
  const whole = Math.ceil(left)
  return Reason.make("CircuitOpen", {
    message: `the circuit ${key} is open for another ${format(whole)}`,
    retryAfter: Duration.millis(whole)
  })
}

/** Turns an attempt away, or tells that it would have and lets it go on, unrecorded. */
export const turnAway = (
  site: Site,
  step: Attempt,
  call: CallRecord,
  reason: Reason.Reason,
  now: number
): Effect.Effect<unknown, Reason.Reason> => {
  site.decided(call, "rejected", now)
  return site.mode() === "observe" ? step(call) : Effect.fail(reason)
}

/** What an operator has forced on a circuit, if anything. */
export const forcedStep = (
  circuits: Circuits,
  site: Site,
  step: Attempt,
  call: CallRecord,
  key: string,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<unknown, Reason.Reason> | undefined => {
  const forced = circuits.forced(key)
  if (forced === undefined) return undefined
  return forced === "closed"
    ? step(call)
    : turnAway(
        site,
        step,
        call,
        Reason.make("CircuitOpen", { message: `the circuit ${key} is forced open by an operator` }),
        nowOf(fiber)
      )
}

/** A breaker whose circuits are in this process: nothing of it waits. */
export const guard =
  (circuits: Circuits, site: Site, keyed: Keyed) =>
  (step: Attempt): Attempt =>
  (call) =>
    Effect.withFiber((fiber) => {
      const key = keyOf(keyed, call)
      const forced = forcedStep(circuits, site, step, call, key, fiber)
      if (forced !== undefined) return forced
      // The ticket is drawn inside what gives it back: at whatever point the fiber is interrupted, it has none or returns it.
      let ticket: Circuit | undefined
      let began = 0
      const settle = (exit: Exit.Exit<unknown, Reason.Reason>, now: number): void => {
        if (ticket === undefined) return
        const finding = findingOf(exit, call, ticket.state === "HalfOpen", began, circuits.rules, fiber, now)
        const became = circuits.put(key, ticket, finding, now, fiber.context)
        ticket = undefined
        if (became !== undefined) site.decided(call, became, now)
      }
      return Effect.onExit(
        Effect.suspend(() => {
          const now = nowOf(fiber)
          const taken = circuits.take(key, now, fiber.context)
          if (typeof taken === "number") return turnAway(site, step, call, rejection(key, taken), now)
          ticket = taken
          began = now
          // A stream may last for hours: as a probe it has shown with its first element what it is to show.
          if (call.stream !== undefined && taken.state === "HalfOpen") {
            call.stream.onElement = (now) => settle(Exit.void, now)
          }
          return step(call)
        }),
        (exit) => Effect.sync(() => settle(exit, nowOf(fiber)))
      )
    })

/** The same breaker for the fused runner, which asks it only where its circuit is closed or forced. */
export const fusedGuard = (circuits: Circuits, site: Site, keyed: Keyed): Guard => ({
  kind: "guard",
  keyed,
  isStateful: true,
  isClear: (key, now) => circuits.isClosed(key, now),
  enter: (key, _call, fiber, now) =>
    // Forced closed, nothing is recorded.
    circuits.forced(key) === undefined ? circuits.take(key, now, fiber.context) : undefined,
  leave: (key, entered, call, exit, fiber, now) => {
    if (entered === undefined) return
    const ticket = entered as Circuit
    const finding = findingOf(exit, call, false, call.attemptStartedAt, circuits.rules, fiber, now)
    const became = circuits.put(key, ticket, finding, now, fiber.context)
    if (became !== undefined) site.decided(call, became, now)
  },
  refuse: (key, call, now) => {
    const left = circuits.forced(key) === undefined ? circuits.shutFor(key, now) : 0
    if (left === 0 || left === Infinity) return undefined
    site.decided(call, "rejected", now)
    return rejection(key, left)
  }
})
