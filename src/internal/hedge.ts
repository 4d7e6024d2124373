import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import { PolicyError } from "../PolicyError.ts"
import type { CallRecord } from "./call.ts"
import { formatBoth } from "./duration.ts"
import { relativeError, SlidingHistogram } from "./histogram.ts"
import { isLocal, race, reasonOfLeg } from "./legs.ts"
import { nowOf, withNow } from "./timer.ts"

/** How many hedges quiet times may save up. */
const burst = 10

/** Parts of a hedge, so that adding a part per call is exact. */
const parts = 1_000_000

/** The numbers of a hedge, in milliseconds. */
export interface Settings {
  readonly after: number | undefined
  readonly percentile: number | undefined
  readonly minimumCalls: number
  readonly floor: number
  readonly initially: number | undefined
  readonly max: number
  readonly maxExtraLoad: number
}

/** What a hedge knows of one operation: how long its attempts took, and how many hedges its calls have paid for. */
export class HedgeState {
  readonly latencies: SlidingHistogram | undefined
  private credit = 0
  private readonly perCall: number
  private readonly settings: Settings

  constructor(settings: Settings) {
    this.settings = settings
    this.latencies = settings.percentile === undefined ? undefined : new SlidingHistogram()
    this.perCall = Math.round(settings.maxExtraLoad * parts)
  }

  /** How long to wait for an attempt; `undefined` while too little is known. */
  delay(now: number): number | undefined {
    const { after, floor, initially, minimumCalls, percentile } = this.settings
    if (this.latencies === undefined) return after
    if (this.latencies.count(now) < minimumCalls) return initially
    // Rounded up: where all attempts take the same time, none of them is slow.
    return Math.max(floor, Math.ceil(this.latencies.percentile(percentile!, now)! / (1 - relativeError)))
  }

  earn(): void {
    this.credit = Math.min(burst * parts, this.credit + this.perCall)
  }

  get affords(): boolean {
    return this.credit >= parts
  }

  spend(): void {
    this.credit -= parts
  }

  giveBack(): void {
    this.credit = Math.min(burst * parts, this.credit + parts)
  }
}

/** What does not fit the operation, or its other layers. */
const problemsAt = ({ limits, operation, repeat }: Site, delay: number): ReadonlyArray<string> => {
  const { attemptTimeout = Infinity, totalDeadline = Infinity } = limits
  const problems: Array<string> = []
  if (repeat !== "Safe") {
    // The types refuse it; the policies in a layer's options are given by name.
    problems.push(`a hedge may send twice at once, and ${operation} is not safe: only a safe operation can have it`)
  }
  if (delay >= attemptTimeout) {
    const [after, limit] = formatBoth(delay, attemptTimeout)
    problems.push(
      `the hedge's delay of ${after} is not shorter than the attempt timeout of ${limit}: no attempt would be hedged`
    )
  } else if (2 * delay >= totalDeadline) {
    const [after, limit] = formatBoth(delay, totalDeadline)
    problems.push(
      `the hedge's delay of ${after} leaves no more than that of the total deadline of ${limit}: no attempt would be hedged`
    )
  }
  return problems
}

/** The layer of one operation. */
export const buildHedge = (settings: Settings, name: string) => (site: Site) =>
  Effect.gen(function* () {
    const problems = problemsAt(site, settings.after ?? settings.floor)
    if (problems.length > 0) {
      return yield* new PolicyError({ integration: site.integration, operation: site.operation, problems })
    }
    const state = yield* site.shared(
      `hedge ${name} ${site.operation}`,
      settings,
      Effect.sync(() => new HedgeState(settings))
    )
    return (step: Step) => (call: CallRecord) =>
      Effect.withFiber((fiber) => hedged(site, settings, state, step, call, nowOf(fiber)))
  })

type Step = (call: CallRecord) => Effect.Effect<unknown, CallFailure>

const hedged = (
  site: Site,
  { max }: Settings,
  state: HedgeState,
  step: Step,
  call: CallRecord,
  began: number
): Effect.Effect<unknown, CallFailure> => {
  // Once per call: a retry has paid with the call.
  if (call.attempt === 0) state.earn()
  const after = state.delay(began)
  // Enough must be left for a hedge to take as long as the attempt before it was waited for.
  if (after === undefined || call.deadline - began <= 2 * after) return measured(state, step(call), began)
  const acts = site.mode() === "enforce"
  return race(call, step, {
    after,
    max,
    acts,
    next: (leg, now) => {
      if (call.deadline - now <= after || !state.affords) return "stop"
      // A hedge that would wait, or be turned away, helps nobody and takes the place of a first attempt.
      if (!site.clear.every((passes) => passes(call, now))) return "stop"
      if (call.budget !== undefined && call.budget.withdraw("hedge", now) === undefined) return "stop"
      state.spend()
      site.decided(leg, "hedged", now)
      if (acts) return "start"
      // What would have been taken stays for those who act.
      call.budget?.giveBack(now)
      return "wait"
    },
    ended: (leg, exit, elapsed, now) => {
      // One that was given up would have taken longer than it ran: without it the slow ones would be missing.
      if (Exit.isSuccess(exit) || leg.givenUp !== undefined) state.latencies?.record(elapsed, now)
      const reason = reasonOfLeg(exit)
      // It was turned away after all: nothing was sent.
      if (reason !== undefined && isLocal(reason) && (leg.legNumber ?? 1) > 1) state.giveBack()
    },
    won: (leg, now) => site.decided(leg, "hedge_won", now)
  })
}

/** An attempt that is not hedged is measured all the same. */
const measured = (state: HedgeState, self: Effect.Effect<unknown, CallFailure>, began: number) =>
  state.latencies === undefined
    ? self
    : Effect.tap(self, () =>
        withNow((now) => {
          state.latencies!.record(now - began, now)
          return Effect.void
        })
      )
