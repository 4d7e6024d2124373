// Which integration is slow at the moment, why, and which has most trouble. Pure: all that it needs is handed in.
import type { Cause, IntegrationSnapshot } from "../Snapshot.ts"
import type { Spent } from "./callLog.ts"

/** No call that is faster than this is slow, whatever is usual. */
export const floorMs = 100
/** What is slow where nothing is known of before. */
export const unknownMs = 1_000
/** How many calls have to be slow. */
export const fewestSlow = 3
/** Which share of the calls has to be slow, to begin with and to go on. */
const beginShare = 0.1
const stayShare = 0.05

/** From which duration on a call is slow: twice what is usual, and clearly more than it. */
export const slowFrom = (normMs: number | null): number =>
  normMs === null ? unknownMs : Math.max(floorMs, 2 * normMs, normMs + 50)

/** One operation at the moment: the calls that ended in the last 10 seconds, and the running ones that are slow already. */
export interface OperationFacts {
  readonly name: string
  readonly calls: number
  readonly slow: number
  /** The 95th percentile of those calls, and the usual one. */
  readonly p95Ms: number | null
  readonly normMs: number | null
}

export interface Facts {
  readonly operations: ReadonlyArray<OperationFacts>
  /** Calls that ended in the last 10 seconds, and of them those that were turned away. */
  readonly ended: number
  readonly rejected: { readonly breaker: number; readonly queue: number }
  /** How the time of a call is spent at the moment, and how it usually is. */
  readonly spent: Spent
  readonly usual: Spent | null
  readonly breaker: IntegrationSnapshot["breaker"]
  readonly queue: IntegrationSnapshot["queue"]
  readonly attemptsPerCall: number | null
}

export interface Verdict {
  readonly cause: Cause
  readonly reason: string
  /** Which of several is the slowest. */
  readonly severity: number
}

const isMuch = (some: number, all: number, wasSlow: boolean): boolean =>
  wasSlow ? some > 0 && some >= all * stayShare : some >= fewestSlow && some >= all * beginShare

export const duration = (ms: number): string =>
  ms < 1_000
    ? `${Math.round(ms)} ms`
    : ms < 60_000
      ? `${Number((ms / 1_000).toPrecision(2))} s`
      : `${Math.round(ms / 60_000)} min`

const calls = (n: number): string => (n === 1 ? "1 call was" : `${n} calls were`)

/** Whether an integration is slow at the moment, and why; `previous` is the answer of a moment ago. */
export const verdict = (facts: Facts, previous: Cause | null): Verdict | null => {
  const { breaker, queue } = facts.rejected
  if (isMuch(breaker, facts.ended, previous === "breaker")) {
    const state = facts.breaker === "forced_open" ? "an operator keeps it off" : "its breaker is open"
    return {
      cause: "breaker",
      reason: `${state}: ${calls(breaker)} turned away in the last 10 seconds`,
      severity: (10 * breaker) / facts.ended
    }
  }
  if (isMuch(queue, facts.ended, previous === "queue")) {
    return {
      cause: "queue",
      reason: `${calls(queue)} turned away in the last 10 seconds, because no permit was free or the rate was spent`,
      severity: (10 * queue) / facts.ended
    }
  }
  const slow = facts.operations
    .filter((each) => each.p95Ms !== null && isMuch(each.slow, each.calls, previous !== null && previous !== "breaker"))
    .toSorted((a, b) => severityOf(b) - severityOf(a))
  const worst = slow[0]
  if (worst === undefined) return null
  const { cause, share } = causeOf(facts, previous)
  const which = facts.operations.length === 1 ? "a call takes" : `${worst.name} takes`
  const usual = worst.normMs === null ? "" : `, usually ${duration(worst.normMs)}`
  const reason = `${which} ${duration(worst.p95Ms!)} (p95)${usual}; ${because(cause, share, facts)}`
  return { cause, reason, severity: severityOf(worst) }
}

/**
 * The part of the time that grew most; where nothing is known of before, the longest. The one of a moment ago stays while
 * another is not clearly ahead of it.
 */
const causeOf = (
  { spent, usual }: Facts,
  previous: Cause | null
): { readonly cause: Cause; readonly share: number } => {
  const part = (cause: Cause, name: keyof Spent) => {
    const grown = Math.max(0, spent[name] - (usual?.[name] ?? 0))
    return { cause, ms: spent[name], grown: cause === previous ? grown * 1.25 : grown }
  }
  const parts = [part("provider", "providerMs"), part("queue", "queueMs"), part("retries", "retriesMs")]
  const all = spent.providerMs + spent.queueMs + spent.retriesMs
  const most = parts.reduce((best, each) => (each.grown > best.grown ? each : best))
  return { cause: most.cause, share: all > 0 ? most.ms / all : 0 }
}

const because = (cause: Cause, share: number, { attemptsPerCall, queue }: Facts): string => {
  const part = `${Math.round(share * 100)} % of the time`
  switch (cause) {
    case "queue":
      return `${part} is waiting for a permit or for the rate${queue === null || queue.depth === 0 ? "" : `, where ${queue.depth} wait`}`
    case "retries":
      return `${part} is waiting between attempts${attemptsPerCall === null ? "" : `, of which a call takes ${attemptsPerCall.toFixed(1)}`}`
    default:
      return `${part} is its provider`
  }
}

const severityOf = ({ calls, normMs, p95Ms, slow }: OperationFacts): number =>
  ((p95Ms ?? 0) / Math.max(floorMs / 2, normMs ?? unknownMs)) * Math.min(1, slow / Math.max(1, calls))

/** How much trouble an integration is in, from 0 for none. */
export const trouble = (
  now: Pick<IntegrationSnapshot, "breaker" | "errorRatio" | "active" | "rate" | "queue">,
  slow: Verdict | null
): number =>
  (slow === null ? 0 : 4 + Math.min(2, Math.log2(1 + slow.severity) / 2)) +
  (now.breaker === "open" || now.breaker === "forced_open" ? 2 : now.breaker === "half_open" ? 1 : 0) +
  2 * (now.errorRatio ?? 0) +
  (now.queue !== null && now.queue.depth > 0 ? 0.5 : 0) +
  (now.active > 0 || now.rate > 0 ? 0.25 : 0)

const step = 0.25

/** The level that things are sorted by: it changes only when the trouble has clearly changed. */
export const level = (score: number, previous: number | undefined): number =>
  previous !== undefined && Math.abs(score - previous) <= step ? previous : Math.round(score / step) * step

/** Most trouble first, and by name where that makes no difference. */
export const sorted = <A extends { readonly name: string; readonly level: number }>(
  all: ReadonlyArray<A>
): ReadonlyArray<A> => all.toSorted((a, b) => b.level - a.level || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

export interface Slow {
  readonly name: string
  readonly verdict: Verdict
}

/** The slowest. It stays the one that it was while another is not twice as slow. */
export const slowestOf = (slow: ReadonlyArray<Slow>, previous: string | undefined): Slow | undefined => {
  const worst = slow.reduce<Slow | undefined>(
    (best, each) => (best === undefined || each.verdict.severity > best.verdict.severity ? each : best),
    undefined
  )
  const same = slow.find(({ name }) => name === previous)
  return same !== undefined && worst !== undefined && worst.verdict.severity < 2 * same.verdict.severity ? same : worst
}

/** One sentence: which integration is slow right now, and why. */
export const headline = (slowest: Slow | undefined, slow: ReadonlyArray<Slow>, hasCalls: boolean): string => {
  if (slowest === undefined) {
    return hasCalls ? "No integration is slow right now." : "There were no calls in the last minute."
  }
  const others = slow.flatMap(({ name }) => (name === slowest.name ? [] : [name]))
  const shown = others.slice(0, 3).join(", ")
  const more = others.length > 3 ? ` and ${others.length - 3} more` : ""
  const also = others.length === 0 ? "" : ` (also slow: ${shown}${more})`
  const { cause, reason } = slowest.verdict
  return `${slowest.name} ${cause === "breaker" ? "turns calls away" : "is slow"} right now: ${reason}${also}.`
}
