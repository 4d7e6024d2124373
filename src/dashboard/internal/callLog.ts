// What the dashboard remembers of the calls that ended: windows of counts and of durations, in memory that does not grow
// with the calls. Times come with the events, from Effect's clock; nothing here reads one.
import { Histogram, SlidingHistogram } from "../../internal/histogram.ts"
import { attemptsMade, type CallObserved, type CallOutcome } from "../../Telemetry.ts"
import type { FailureSnapshot, HeatColumn } from "../Snapshot.ts"

/** The length of a window, how many are the last minute, and how many are kept. */
export const columnMs = 5_000
const minuteColumns = 12
export const columns = 24

/** What counts as now. */
const recentMs = 10_000
const recentSlices = 10

/**
 * What is usual is known by pieces of the last hour, each of so many calls and so long at least. The first ones are shorter,
 * so that something is known soon.
 */
const normMs = 3_600_000
const fewestCalls = 10
const pieceMs = 10_000
const firstPieceMs = 5_000
const firstPieces = 12
const mostPieces = normMs / pieceMs

export const mostFailures = 50
/** Ids that came from outside are no longer than this. */
const longestText = 200

export const heatBounds: ReadonlyArray<number> = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]

type Kind = "good" | "bad" | "neither"

/** Every outcome in the order of its counter, and whether it is an error. */
const kinds: Readonly<Record<CallOutcome, Kind>> = {
  ok: "good",
  ok_after_retry: "good",
  fallback: "neither",
  parked: "neither",
  queued: "neither",
  failed: "bad",
  exhausted: "bad",
  timeout: "bad",
  decode_failed: "bad",
  rejected_breaker: "bad",
  rejected_ratelimit: "bad",
  rejected_bulkhead: "bad",
  cancelled: "neither"
}
const outcomes = Object.keys(kinds) as ReadonlyArray<CallOutcome>
const indexOf = new Map(outcomes.map((outcome, index) => [outcome, index]))

export const isError = (outcome: CallOutcome): boolean => kinds[outcome] === "bad"
const isRejection = (outcome: CallOutcome): boolean => outcome.startsWith("rejected_")

/** How the time of a call is spent, in milliseconds. */
export interface Spent {
  readonly providerMs: number
  readonly queueMs: number
  readonly retriesMs: number
}

/** Sums over a stretch of time. */
export class Sums {
  ended = 0
  errors = 0
  /** Calls of which at least one attempt was made, and those attempts. */
  tried = 0
  attempts = 0
  /** Calls whose time is in the percentiles, and how it was spent, in milliseconds. */
  timed = 0
  provider = 0
  queue = 0
  retries = 0
  /** Calls of which nothing was sent, because of a breaker, and because of a limit. Some fell back or were parked. */
  shut = 0
  full = 0
  readonly outcomes = new Uint32Array(outcomes.length)

  clear(): void {
    this.ended = this.errors = this.tried = this.attempts = this.timed = this.provider = this.queue = this.retries = 0
    this.shut = this.full = 0
    this.outcomes.fill(0)
  }

  add(other: Sums): void {
    this.ended += other.ended
    this.errors += other.errors
    this.tried += other.tried
    this.attempts += other.attempts
    this.timed += other.timed
    this.provider += other.provider
    this.queue += other.queue
    this.retries += other.retries
    this.shut += other.shut
    this.full += other.full
    for (let n = 0; n < outcomes.length; n++) this.outcomes[n]! += other.outcomes[n]!
  }

  /** The outcomes that happened. */
  happened(): Partial<Record<CallOutcome, number>> {
    const counts: Partial<Record<CallOutcome, number>> = {}
    for (const [n, outcome] of outcomes.entries()) if (this.outcomes[n]! > 0) counts[outcome] = this.outcomes[n]!
    return counts
  }

  spent(): Spent {
    const each = Math.max(1, this.timed)
    return {
      providerMs: this.provider / each,
      queueMs: this.queue / each,
      retriesMs: this.retries / each
    }
  }
}

/** The newest slots of time, each of which is used again when it is too old. */
class Ring<S extends { clear(): void }> {
  private readonly slots: ReadonlyArray<S>
  private readonly numbers: Array<number>
  private readonly length: number
  private newest = -1

  constructor(options: { readonly length: number; readonly slots: number; readonly make: () => S }) {
    this.length = options.length
    this.slots = Array.from({ length: options.slots }, options.make)
    this.numbers = Array.from({ length: options.slots }, () => -1)
  }

  /** The slot of a time. A clock that was set back goes on in the newest one. */
  at(time: number): S {
    const number = Math.max(this.newest, Math.floor(time / this.length))
    this.newest = number
    const index = number % this.slots.length
    const slot = this.slots[index]!
    if (this.numbers[index] !== number) {
      this.numbers[index] = number
      slot.clear()
    }
    return slot
  }

  /** The slots of the last `most` that hold anything, and when each began. */
  *last(now: number, most: number): Iterable<readonly [begin: number, slot: S]> {
    const newest = Math.max(this.newest, Math.floor(now / this.length))
    for (let number = newest - most + 1; number <= newest; number++) {
      if (number < 0) continue
      const index = number % this.slots.length
      if (this.numbers[index] === number) yield [number * this.length, this.slots[index]!]
    }
  }
}

const sumOf = (slots: Iterable<readonly [number, Sums]>): Sums => {
  const sums = new Sums()
  for (const [, slot] of slots) sums.add(slot)
  return sums
}

/**
 * What is usual: the lower quartile of what it was in the pieces of an hour. An incident of many minutes does not make itself
 * usual by that, whoever begins to look in the midst of it.
 */
export class Norm {
  private readonly values: Array<number> = []
  private readonly times: Array<number> = []
  private next = 0
  private known: number | undefined = undefined
  private knownUntil = -Infinity

  /** How long the next piece is at least. */
  get length(): number {
    return this.values.length < firstPieces ? firstPieceMs : pieceMs
  }

  add(value: number, at: number): void {
    this.values[this.next] = value
    this.times[this.next] = at
    this.next = (this.next + 1) % mostPieces
    this.knownUntil = -Infinity
  }

  get(now: number): number | undefined {
    if (now < this.knownUntil) return this.known
    const valid = this.values.filter((_, n) => now - this.times[n]! < normMs).toSorted((a, b) => a - b)
    this.known = valid[Math.floor((valid.length - 1) / 4)]
    this.knownUntil = now + pieceMs
    return this.known
  }
}

/** The calls of one operation. */
export class OperationLog {
  readonly minute = new SlidingHistogram({ window: minuteColumns * columnMs, slices: minuteColumns })
  readonly recent = new SlidingHistogram({ window: recentMs, slices: recentSlices })
  /** The usual 95th percentile. */
  readonly norm = new Norm()
  private readonly piece = new Histogram()
  private pieceAt = 0
  private readonly slots = new Ring({ length: columnMs, slots: minuteColumns, make: () => new Sums() })

  at(now: number): Sums {
    return this.slots.at(now)
  }

  time(millis: number, now: number): void {
    this.minute.record(millis, now)
    this.recent.record(millis, now)
    if (this.piece.count === 0) this.pieceAt = now
    if (this.piece.count >= fewestCalls && now - this.pieceAt >= this.norm.length) {
      this.norm.add(this.piece.percentile(95)!, now)
      this.piece.clear()
      this.pieceAt = now
    }
    this.piece.record(millis)
  }

  /** The sums of the last minute. */
  sums(now: number): Sums {
    return sumOf(this.slots.last(now, minuteColumns))
  }
}

class Heat {
  readonly counts = new Uint32Array(heatBounds.length + 1)

  clear(): void {
    this.counts.fill(0)
  }
}

/** The calls of one integration. */
export class IntegrationLog {
  readonly operations = new Map<string, OperationLog>()
  lastAt = 0
  private readonly slots = new Ring({ length: columnMs, slots: minuteColumns, make: () => new Sums() })
  private readonly seconds = new Ring({ length: recentMs / recentSlices, slots: recentSlices, make: () => new Sums() })
  private readonly norms = [new Norm(), new Norm(), new Norm()] as const
  private readonly piece = new Sums()
  private pieceAt = 0
  private readonly heat = new Ring({ length: columnMs, slots: columns, make: () => new Heat() })
  private readonly failed: Array<FailureSnapshot> = []
  private nextFailure = 0

  operation(name: string): OperationLog {
    let log = this.operations.get(name)
    if (log === undefined) this.operations.set(name, (log = new OperationLog()))
    return log
  }

  record(event: CallObserved): void {
    const now = event.startedAt + event.latency
    const operation = this.operation(event.operation)
    this.lastAt = Math.max(this.lastAt, now)
    const attempts = attemptsMade(event)
    const timed = isTimed(event, attempts, operation, now)
    count(operation.at(now), event, attempts, timed)
    count(this.slots.at(now), event, attempts, timed)
    count(this.seconds.at(now), event, attempts, timed)
    this.learn(now)
    count(this.piece, event, attempts, timed)
    if (timed) {
      const millis = waitOf(event)
      operation.time(millis, now)
      let bucket = 0
      while (bucket < heatBounds.length && millis >= heatBounds[bucket]!) bucket++
      this.heat.at(now).counts[bucket]!++
    }
    if (isError(event.callOutcome)) this.keep(event, attempts, now)
  }

  /** The sums of what is now. */
  recent(now: number): Sums {
    return sumOf(this.seconds.last(now, recentSlices))
  }

  /** How the time of a call is usually spent; `null` while that is not known. */
  usual(now: number): Spent | null {
    const [providerMs, queueMs, retriesMs] = this.norms.map((norm) => norm.get(now))
    return providerMs === undefined || queueMs === undefined || retriesMs === undefined
      ? null
      : { providerMs, queueMs, retriesMs }
  }

  /** The sums of the last minute. */
  sums(now: number): Sums {
    return sumOf(this.slots.last(now, minuteColumns))
  }

  /** The columns of the last two minutes, of which the first is not before `since`. */
  columns(now: number, since: number): ReadonlyArray<HeatColumn> {
    const known = new Map(this.heat.last(now, columns))
    const newest = Math.max(0, Math.floor(now / columnMs))
    const oldest = Math.max(0, newest - columns + 1, Math.floor(since / columnMs))
    const found: Array<HeatColumn> = []
    for (let number = oldest; number <= newest; number++) {
      const counts = known.get(number * columnMs)?.counts
      found.push({ at: number * columnMs, counts: counts === undefined ? noCalls : [...counts] })
    }
    return found
  }

  /** Newest first. */
  failures(): ReadonlyArray<FailureSnapshot> {
    return [...this.failed.slice(0, this.nextFailure).toReversed(), ...this.failed.slice(this.nextFailure).toReversed()]
  }

  private learn(now: number): void {
    const { piece } = this
    if (piece.timed === 0) this.pieceAt = now
    if (piece.timed < fewestCalls || now - this.pieceAt < this.norms[0].length) return
    const { providerMs, queueMs, retriesMs } = piece.spent()
    this.norms[0].add(providerMs, now)
    this.norms[1].add(queueMs, now)
    this.norms[2].add(retriesMs, now)
    piece.clear()
    this.pieceAt = now
  }

  private keep(event: CallObserved, attempts: number, at: number): void {
    const short = (text: string | undefined) => text?.slice(0, longestText) ?? null
    this.failed[this.nextFailure] = {
      at,
      operation: event.operation,
      callOutcome: event.callOutcome,
      outcome: event.outcome,
      reason: reasonOf(event),
      attempts,
      latencyMs: event.latency,
      traceId: short(event.traceId),
      correlationId: event.correlationId.slice(0, longestText),
      key: short(event.key),
      requestId: short(event.requestId)
    }
    this.nextFailure = (this.nextFailure + 1) % mostFailures
  }
}

const noCalls: ReadonlyArray<number> = Array.from({ length: heatBounds.length + 1 }, () => 0)

/** A status with the word for it, or the word alone: `503 Unavailable`, `timeout`. Messages may be a provider's words. */
const reasonOf = (event: CallObserved): string => {
  const type = event.errorType ?? event.callOutcome
  const last = event.attempts.findLast(({ reason }) => reason !== "Success" && reason !== "Interrupted")?.reason
  return last === undefined || !/^(?:\d|_OTHER)/.test(type) ? type : type === "_OTHER" ? last : `${type} ${last}`
}

/** How long a call was waited for: a stream, until its first element. How long it flows is no sign of anything. */
const waitOf = ({ latency, stream }: CallObserved): number => stream?.firstElement ?? latency

/**
 * Whether the time of a call tells something of its integration. What was turned away, and what failed before anything was
 * sent, was over at once; how long a caller stays is the caller's matter, unless it stayed longer than nearly every call
 * takes.
 */
const isTimed = (event: CallObserved, attempts: number, operation: OperationLog, now: number): boolean => {
  const { callOutcome } = event
  if (isRejection(callOutcome) || callOutcome === "queued") return false
  // Who leaves a stream has waited for its first element.
  if (callOutcome === "cancelled" && event.stream?.firstElement !== undefined) return true
  if (callOutcome === "cancelled") return event.latency > (operation.minute.percentile(99, now) ?? Infinity)
  return attempts > 0 || callOutcome === "timeout" || kinds[callOutcome] === "good"
}

const count = (sums: Sums, event: CallObserved, attempts: number, timed: boolean): void => {
  sums.ended++
  sums.outcomes[indexOf.get(event.callOutcome)!]!++
  if (isError(event.callOutcome)) sums.errors++
  if (attempts > 0) {
    sums.tried++
    sums.attempts += attempts
  } else {
    const last = event.attempts.at(-1)?.reason
    if (event.callOutcome === "rejected_breaker" || last === "CircuitOpen") sums.shut++
    else if (isRejection(event.callOutcome) || last === "BulkheadFull" || last === "RateLimited") sums.full++
  }
  if (!timed) return
  // Legs that wait at the same time wait longer together than the call takes.
  const millis = waitOf(event)
  const queue = Math.min(millis, event.queueWait)
  const retries = Math.min(millis - queue, event.retryDelay)
  sums.timed++
  sums.queue += queue
  sums.retries += retries
  sums.provider += millis - queue - retries
}

/** All integrations of a process. */
export class CallLog {
  readonly integrations = new Map<string, IntegrationLog>()

  record(event: CallObserved): void {
    let log = this.integrations.get(event.integration)
    if (log === undefined) this.integrations.set(event.integration, (log = new IntegrationLog()))
    log.record(event)
  }

  /** Forgets the integrations that are gone: without a layer, and without a call that any window still knows. */
  forget(now: number, isBuilt: (name: string) => boolean): void {
    for (const [name, { lastAt }] of this.integrations) {
      if (!isBuilt(name) && now - lastAt > columns * columnMs) this.integrations.delete(name)
    }
  }
}
