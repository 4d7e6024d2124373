import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import type { Site } from "../Call.ts"
import * as Reason from "../Reason.ts"
import type { BreakerControl } from "./breaker.ts"
import { type Attempt, findingOf, forcedStep, rejection, turnAway } from "./breakerGuard.ts"
import { type Keyed, keyOf } from "./keyed.ts"
import type { CallRecord } from "./call.ts"
import { type Finding, noWindow, openTime, push, reached } from "./circuit.ts"
import type { Circuits } from "./circuits.ts"
import { cutAfter, nowOf } from "./timer.ts"

export type Store = CircuitBreaker.CircuitBreakerStore["Service"]

/** How long a call waits for the store, in milliseconds. */
const patience = 100
/** For how long a store that did not answer in time is left alone, unless it answers after all. */
const leftAlone = 1_000
const warnEvery = 60_000

/** One attempt's dealings with the store. */
interface Visit {
  readonly key: string
  began: number
  asked: Fiber.Fiber<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError> | undefined
  scope: Scope.Closeable | undefined
  admission: CircuitBreaker.Admission | undefined
}

/**
 * The circuits of one breaker in a store that processes share. What this process last saw of them, and what an operator
 * forced, is in `local`, and so are the slow attempts: the store has no such rule, so each process counts its own, and
 * opens the circuit for all.
 */
export class StoredCircuits implements BreakerControl {
  readonly "~breakwater/BreakerControl" = true as const
  readonly store: Store
  readonly local: Circuits
  readonly circuits: BreakerControl["circuits"]
  readonly force: BreakerControl["force"]
  private readonly integration: string
  private readonly name: string
  private leftAloneUntil = 0
  private warnedAt = -Infinity

  constructor(store: Store, local: Circuits, integration: string, name: string) {
    this.store = store
    this.local = local
    this.circuits = local.circuits
    this.force = local.force
    this.integration = integration
    this.name = name
  }

  /** Asks for admission: `true`, for how long the circuit is shut, or `undefined` for a store that can't say. */
  ask(visit: Visit, fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<true | number | undefined> {
    return Effect.suspend(() => {
      if (nowOf(fiber) < this.leftAloneUntil) return Effect.undefined
      const scope = (visit.scope = Scope.makeUnsafe())
      // A fiber of its own: a caller that gives up must not have to wait for the store, and what the store admitted
      // meanwhile must be given back when it says so.
      const asked = Effect.runForkWith(fiber.context)(Scope.provide(this.store.admit(this.keyOf(visit.key)), scope))
      visit.asked = asked
      const exit = asked.pollUnsafe()
      if (exit !== undefined) return Effect.succeed(this.read(visit, exit, fiber))
      return cutAfter(
        Effect.map(Fiber.await(asked), (exit) => this.read(visit, exit, fiber)),
        patience,
        () => {
          this.tooLate(asked, fiber)
          this.giveBack(visit, fiber)
          return Effect.undefined
        }
      )
    })
  }

  /** Gives back what the store admitted, or will have, for an attempt that is not made. */
  giveBack(visit: Visit, fiber: Fiber.Fiber<unknown, unknown>): void {
    const { asked, scope } = visit
    if (asked === undefined || scope === undefined) return
    visit.asked = undefined
    // A fiber that has ended knows its services no more.
    const { context } = fiber
    asked.addObserver((exit) => {
      const back: Effect.Effect<unknown, unknown> = Exit.isSuccess(exit)
        ? this.store.record({
            key: this.keyOf(visit.key),
            generation: exit.value.generation,
            outcome: "Ignored",
            tripPolicy: this.policy,
            openFor: Duration.zero
          })
        : Effect.void
      Effect.runForkWith(context)(Effect.ignoreCause(Effect.ensuring(back, Scope.close(scope, Exit.void))))
    })
  }

  /** Records what an attempt came to. The call waits for it as long as for the admission, and never past its deadline. */
  record(
    visit: Visit,
    exit: Exit.Exit<unknown, Reason.Reason>,
    call: CallRecord,
    site: Site,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Effect.Effect<void> {
    const now = nowOf(fiber)
    const admission = visit.admission!
    const finding = findingOf(exit, call, admission.probe, visit.began, this.local.rules, fiber, now)
    const recording = Effect.runForkWith(fiber.context)(
      Effect.ensuring(this.recordIn(visit, admission, finding, now, fiber), Scope.close(visit.scope!, Exit.void))
    )
    const tell = (
      recorded: Exit.Exit<CircuitBreaker.Transition | undefined, unknown>,
      teller = fiber,
      ended = false
    ): Effect.Effect<void> => {
      if (Exit.isFailure(recorded)) return this.warn("record", teller)
      const transition = recorded.value
      if (transition === undefined) return Effect.void
      const at = nowOf(teller)
      this.local.learn(visit.key, at, teller.context, {
        state: transition.to,
        slow: noWindow,
        openUntil: transition.to === "Open" ? at + Duration.toMillis(transition.retryAfter) : 0
      })
      // A call that has been observed is told nothing more.
      if (!ended) site.decided(call, transition.to === "Open" ? "opened" : "closed", at)
      return Effect.void
    }
    const { context } = fiber
    const tellLater = () =>
      recording.addObserver((recorded) => {
        Effect.runForkWith(context)(Effect.withFiber((teller) => tell(recorded, teller, true)))
      })
    const recorded = recording.pollUnsafe()
    if (recorded !== undefined) return tell(recorded)
    const wait = Math.min(patience, call.deadline - now)
    // Nobody waits for the end of what was given up.
    if (Exit.hasInterrupts(exit) || !(wait > 0)) {
      tellLater()
      return Effect.void
    }
    return Effect.flatten(
      cutAfter(
        Effect.map(Fiber.await(recording), (recorded) => tell(recorded)),
        wait,
        () => {
          if (wait === patience) this.tooLate(recording, fiber)
          tellLater()
          return Effect.succeed(this.warn("record", fiber))
        }
      )
    )
  }

  /** Tells that the store failed, once a minute. What it failed with may hold an address, and stays out of the log. */
  warn(what: "admit" | "record", fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> {
    const now = nowOf(fiber)
    if (now - this.warnedAt < warnEvery) return Effect.void
    this.warnedAt = now
    return Effect.logWarning(
      `${this.integration}: the store of the breaker ${this.name} did not ${what} an attempt; this is told once a minute`
    )
  }

  private get policy(): CircuitBreaker.TripPolicy {
    const { consecutive, rate } = this.local.rules
    return rate === undefined ? { _tag: "Consecutive", failures: consecutive } : { _tag: "Rate", ...rate }
  }

  private keyOf(key: string): string {
    return `${this.integration}:${this.name}:${key}`
  }

  private read(
    visit: Visit,
    exit: Exit.Exit<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError>,
    fiber: Fiber.Fiber<unknown, unknown>
  ): true | number | undefined {
    const now = nowOf(fiber)
    const learn = (what: Parameters<Circuits["learn"]>[3]) => this.local.learn(visit.key, now, fiber.context, what)
    if (Exit.isSuccess(exit)) {
      const { generation, probe } = (visit.admission = exit.value)
      visit.began = now
      const renewed = this.local.at(visit.key, now)?.generation !== generation
      learn({ state: probe ? "HalfOpen" : "Closed", generation, ...(renewed ? { slow: noWindow } : {}) })
      return true
    }
    visit.asked = undefined
    // Nothing was forked into it: it is closed only for the sake of stores that would have.
    Effect.runForkWith(fiber.context)(Scope.close(visit.scope!, Exit.void))
    const reason = answerOf(exit)
    if (reason === undefined) return undefined
    if (reason._tag === "CircuitOpen") {
      const left = Duration.toMillis(reason.retryAfter)
      learn({ state: "Open", openUntil: now + left })
      return left
    }
    learn({ state: "HalfOpen" })
    return Infinity
  }

  private recordIn(
    visit: Visit,
    { consecutiveOpenings, generation, probe }: CircuitBreaker.Admission,
    finding: Finding,
    now: number,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Effect.Effect<CircuitBreaker.Transition | undefined, CircuitBreaker.CircuitBreakerError> {
    const { rules } = this.local
    const slow = this.isTooSlow(visit.key, probe, generation, finding, now, fiber)
    const failed = finding.health === "failure" || slow
    const outcome = failed ? "Failure" : finding.health === "success" ? "Success" : "Ignored"
    const put = (tripPolicy: CircuitBreaker.TripPolicy) =>
      this.store.record({
        key: this.keyOf(visit.key),
        generation,
        outcome,
        tripPolicy,
        openFor: Duration.millis(openTime(rules, consecutiveOpenings + 1, finding.random, finding.hint))
      })
    if (slow && !probe) return put({ _tag: "Consecutive", failures: 1 })
    if (!failed || rules.rate === undefined) return put(this.policy)
    // A record follows one rule. The store counts failures in a row with each, and the last outcomes only by rate: a second
    // record of each failure has it compare that count, in which every failure is then two.
    return Effect.flatMap(put(this.policy), (transition) =>
      transition === undefined
        ? put({ _tag: "Consecutive", failures: 2 * rules.consecutive })
        : Effect.succeed(transition)
    )
  }

  private isTooSlow(
    key: string,
    probe: boolean,
    generation: number,
    finding: Finding,
    now: number,
    fiber: Fiber.Fiber<unknown, unknown>
  ): boolean {
    const rule = this.local.rules.slow
    if (rule === undefined || probe) return finding.slow
    const circuit = this.local.at(key, now)
    if (circuit?.generation !== generation || (finding.health === "ignored" && !finding.slow)) return false
    const slow = push(circuit.slow, rule.size, finding.slow)
    this.local.learn(key, now, fiber.context, { slow })
    return reached(slow, rule.rate, rule.minimumCalls)
  }

  /** Leaves the store alone for a while. A late answer ends that: then it is only slow. */
  private tooLate(
    waiting: Fiber.Fiber<unknown, CircuitBreaker.CircuitBreakerError>,
    fiber: Fiber.Fiber<unknown, unknown>
  ): void {
    this.leftAloneUntil = nowOf(fiber) + leftAlone
    waiting.addObserver((exit) => {
      if (Exit.isSuccess(exit) || answerOf(exit) !== undefined) this.leftAloneUntil = 0
    })
  }
}

/** Why the store turned an attempt away, unless it failed itself. */
const answerOf = (exit: Exit.Failure<unknown, CircuitBreaker.CircuitBreakerError>) => {
  const error = Exit.findErrorOption(exit)
  const reason = error._tag === "Some" ? error.value.reason : undefined
  return reason === undefined || reason._tag === "CircuitBreakerStoreError" ? undefined : reason
}

/** A breaker whose circuits are in a store. */
export const guardStored =
  (circuits: StoredCircuits, site: Site, keyed: Keyed, onStoreError: "allow" | "reject") =>
  (step: Attempt): Attempt =>
  (call) =>
    Effect.withFiber((fiber) => {
      const key = keyOf(keyed, call)
      const forced = forcedStep(circuits.local, site, step, call, key, fiber)
      if (forced !== undefined) return forced
      const visit: Visit = {
        key,
        asked: undefined,
        scope: undefined,
        admission: undefined,
        began: 0
      }
      return Effect.onExit(
        Effect.flatMap(circuits.ask(visit, fiber), (answer) => {
          const now = nowOf(fiber)
          if (answer === true) return step(call)
          if (answer !== undefined) return turnAway(site, step, call, rejection(key, answer), now)
          const reason = Reason.make("CircuitOpen", { message: `the store of the circuit ${key} can't be reached` })
          const goOn = onStoreError === "allow" ? step(call) : turnAway(site, step, call, reason, now)
          return Effect.andThen(circuits.warn("admit", fiber), goOn)
        }),
        (exit) => {
          if (visit.admission !== undefined) return circuits.record(visit, exit, call, site, fiber)
          circuits.giveBack(visit, fiber)
          return Effect.void
        }
      )
    })
