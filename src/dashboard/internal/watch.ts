// One look at everything: the calls that ended, those that run, and what the layers of the integrations are at the moment.
import * as Effect from "effect/Effect"
import * as Control from "../../internal/control.ts"
import { Histogram } from "../../internal/histogram.ts"
import type { Hub, Registered } from "../../internal/hub.ts"
import { Bulkhead } from "../../internal/permits.ts"
import { Limiter } from "../../internal/rate.ts"
import type { Cause, IntegrationSnapshot, Numbers, OperationSnapshot, Snapshot } from "../Snapshot.ts"
import { CallLog, columnMs, heatBounds, type OperationLog, type Spent, Sums } from "./callLog.ts"
import * as Verdict from "./verdict.ts"

/** The most circuits that are shown of one integration: keys may be anything that a call brings along. */
const mostCircuits = 50

/** How long a verdict is one of a moment ago. */
const verdictHolds = 30_000

/** What is remembered of an integration from one look to the next. */
interface Memory {
  readonly level: number
  readonly cause: Cause | null
}

interface Running {
  readonly startedAt: number
  readonly waitedMs: number
  readonly queuedMs: number
  readonly backoffMs: number
  /** That it is a stream that has begun: how long it goes on is no sign of anything. */
  readonly flows: boolean
}

type BreakerWord = NonNullable<IntegrationSnapshot["breaker"]>
const words: ReadonlyArray<BreakerWord> = ["forced_open", "open", "half_open", "forced_closed", "closed"]
const worstOf = (states: ReadonlyArray<BreakerWord>): BreakerWord | null =>
  words.find((word) => states.includes(word)) ?? null

const wordOf = ({ forced, state }: Control.Circuit): BreakerWord =>
  forced === "open"
    ? "forced_open"
    : forced === "closed"
      ? "forced_closed"
      : state === "Open"
        ? "open"
        : state === "HalfOpen"
          ? "half_open"
          : "closed"

/** Looks at a hub's integrations, and remembers what has to be remembered between two looks. */
export class Watch {
  readonly log = new CallLog()
  private readonly hub: Hub
  private readonly since: number
  private memories: ReadonlyMap<string, Memory> = new Map()
  private slowest: string | undefined = undefined
  private lookedAt = -Infinity

  constructor(hub: Hub, since: number) {
    this.hub = hub
    this.since = since
  }

  snapshot(now: number): Snapshot {
    const built = new Map<string, Array<Registered>>()
    for (const registered of this.hub.integrations) {
      const name = registered.controlled.integration
      built.set(name, [...(built.get(name) ?? []), registered])
    }
    this.log.forget(now, (name) => built.has(name))
    const stale = now - this.lookedAt > verdictHolds
    this.lookedAt = now

    const memories = new Map<string, Memory>()
    const looked = [...new Set([...built.keys(), ...this.log.integrations.keys()])].map((name) => {
      const before = stale ? undefined : this.memories.get(name)
      const look = this.look(name, built.get(name) ?? [], before?.cause ?? null, now)
      const level = Verdict.level(Verdict.trouble(look.snapshot, look.verdict), before?.level)
      memories.set(name, { level, cause: look.verdict?.cause ?? null })
      return { ...look, name, level }
    })
    this.memories = memories
    const slow = looked.flatMap(({ name, verdict }) => (verdict === null ? [] : [{ name, verdict }]))
    const slowest = Verdict.slowestOf(slow, this.slowest)
    this.slowest = slowest?.name
    const hasCalls = looked.some(({ snapshot }) => snapshot.rate > 0 || snapshot.active > 0)
    return {
      at: now,
      since: this.since,
      headline: Verdict.headline(slowest, slow, hasCalls),
      slowest:
        slowest === undefined
          ? null
          : { integration: slowest.name, cause: slowest.verdict.cause, reason: slowest.verdict.reason },
      heatBounds,
      integrations: Verdict.sorted(looked).map(({ snapshot }) => snapshot)
    }
  }

  private look(name: string, built: ReadonlyArray<Registered>, previous: Cause | null, now: number) {
    const log = this.log.integrations.get(name)
    const controls = built.map(({ controlled }) => Effect.runSync(Control.make(name, controlled).snapshot))
    const running = runningOf(built, now)
    const waits = waitsOf(built)
    const queue =
      waits === undefined
        ? null
        : { depth: waits.length, oldestAgeMs: waits.length === 0 ? null : Math.max(0, now - least(waits)) }
    const circuits = controls
      .flatMap(({ circuits }) => circuits)
      .map((circuit) => ({ breaker: circuit.breaker, key: circuit.key, state: wordOf(circuit) }))
      .toSorted((a, b) => words.indexOf(a.state) - words.indexOf(b.state))
    const hasBreaker = built.some(({ controlled }) => controlled.gates.some(({ slot }) => slot === "circuitBreaker"))
    const breaker = worstOf([
      ...(controls.some(({ switchedOff }) => switchedOff) ? ["forced_open" as const] : []),
      ...(hasBreaker ? ["closed" as const] : []),
      ...circuits.map(({ state }) => state)
    ])

    const names = new Set([
      ...built.flatMap(({ controlled }) => controlled.operations),
      ...(log?.operations.keys() ?? [])
    ])
    const all = new Histogram()
    const operations: Array<OperationSnapshot> = []
    const facts: Array<Verdict.OperationFacts> = []
    for (const operation of names) {
      const own = log?.operations.get(operation)
      const runs = running.get(operation) ?? []
      const ages = agesOf(runs, now)
      const minute = own?.minute.whole(now)
      if (minute !== undefined) all.add(minute)
      operations.push({ name: operation, ...this.numbers(own?.sums(now), minute, ages, now) })
      facts.push(factsOf(operation, own, agesOf(waitingOf(runs), now), now))
    }
    const runningCalls = [...running.values()].flat()
    const ages = agesOf(runningCalls, now)
    const sums = log?.sums(now)
    const recent = log?.recent(now) ?? new Sums()
    const numbers = this.numbers(sums, all, ages, now)
    const verdict = Verdict.verdict(
      {
        operations: facts,
        ended: recent.ended,
        rejected: { breaker: recent.shut, queue: recent.full },
        spent: spentNow(recent, waitingOf(runningCalls), waits ?? [], now),
        usual: log?.usual(now) ?? null,
        breaker,
        queue,
        attemptsPerCall: numbers.attemptsPerCall
      },
      previous
    )
    const snapshot: IntegrationSnapshot = {
      name,
      ...numbers,
      slow: verdict === null ? null : { cause: verdict.cause, reason: verdict.reason },
      breaker,
      circuits: circuits.slice(0, mostCircuits),
      queue,
      time: sums === undefined || sums.timed === 0 ? null : sums.spent(),
      heat: log?.columns(now, this.since) ?? [],
      operations,
      failures: log?.failures() ?? [],
      plan: controls[0]?.plan ?? []
    }
    return { snapshot, verdict }
  }

  private numbers(
    sums: Sums | undefined,
    minute: Histogram | undefined,
    ages: ReadonlyArray<number>,
    now: number
  ): Numbers {
    const percentile = (percent: number) => minute?.percentile(percent) ?? null
    const ended = sums?.ended ?? 0
    // The windows begin at multiples of their length, and the oldest may have begun before anybody watched.
    const begin = Math.max(this.since, Math.floor(now / columnMs) * columnMs - 55_000)
    return {
      rate: ended / Math.max(1, (now - begin) / 1_000),
      errorRatio: sums === undefined || ended === 0 ? null : sums.errors / ended,
      p50Ms: percentile(50),
      p95Ms: percentile(95),
      p99Ms: percentile(99),
      attemptsPerCall: sums === undefined || sums.tried === 0 ? null : sums.attempts / sums.tried,
      active: ages.length,
      oldestActiveMs: ages.length === 0 ? null : ages.reduce((a, b) => Math.max(a, b)),
      outcomes: sums?.happened() ?? {}
    }
  }
}

const agesOf = (running: ReadonlyArray<Running>, now: number): ReadonlyArray<number> =>
  running.map(({ startedAt }) => Math.max(0, now - startedAt))

/** Those that somebody waits for. */
const waitingOf = (running: ReadonlyArray<Running>): ReadonlyArray<Running> => running.filter(({ flows }) => !flows)

/** A running call that is older than nearly every call of the last minute took is slow already, and so long as its age. */
const factsOf = (
  name: string,
  log: OperationLog | undefined,
  ages: ReadonlyArray<number>,
  now: number
): Verdict.OperationFacts => {
  const normMs = log?.norm.get(now) ?? null
  const from = Verdict.slowFrom(normMs)
  const p99 = log?.minute.percentile(99, now)
  const old = p99 === undefined ? from : Math.min(from, Math.max(Verdict.floorMs, p99))
  const stuck = ages.filter((age) => age > old)
  const ended = log?.recent.whole(now)
  if (stuck.length === 0 && (ended === undefined || ended.count === 0)) {
    return { name, calls: 0, slow: 0, p95Ms: null, normMs }
  }
  const recent = new Histogram()
  if (ended !== undefined) recent.add(ended)
  const slow = recent.above(from) + stuck.length
  for (const age of stuck) recent.record(age)
  return { name, calls: recent.count, slow, p95Ms: recent.percentile(95) ?? null, normMs }
}

/** The calls that run, by operation. */
const runningOf = (built: ReadonlyArray<Registered>, now: number): ReadonlyMap<string, ReadonlyArray<Running>> => {
  const found = new Map<string, Array<Running>>()
  for (const { running } of built) {
    for (const { call } of running) {
      // What a call has given up may run on, when the call itself has ended.
      if (call.over) continue
      const last = call.attempts.at(-1)
      const idle = call.phase === "idle" && last !== undefined
      const own: Running = {
        startedAt: call.startedAt,
        waitedMs: call.waited,
        queuedMs: call.totalQueued + (call.phase === "idle" ? 0 : call.queued),
        flows: call.stream?.flows === true,
        backoffMs: idle ? Math.max(0, now - call.startedAt - last.startedAfter - last.elapsed) : 0
      }
      const known = found.get(call.operation)
      if (known === undefined) found.set(call.operation, [own])
      else known.push(own)
    }
  }
  return found
}

/** Since when each attempt waits that waits for a permit or for the rate; `undefined` without a layer that makes it wait. */
const waitsOf = (built: ReadonlyArray<Registered>): ReadonlyArray<number> | undefined => {
  let waits: Array<number> | undefined
  for (const { controlled } of built) {
    for (const { state } of controlled.states.values()) {
      if (state instanceof Bulkhead || state instanceof Limiter) waits = (waits ?? []).concat(state.waits())
    }
  }
  return waits
}

/** Not `Math.min`, which takes only so many arguments. */
const least = (values: ReadonlyArray<number>): number => values.reduce((a, b) => Math.min(a, b))

/** How the time of the calls is spent that ended in the last 10 seconds or run now. */
const spentNow = (recent: Sums, running: ReadonlyArray<Running>, waits: ReadonlyArray<number>, now: number): Spent => {
  let queue = recent.queue + waits.reduce((sum, since) => sum + Math.max(0, now - since), 0)
  let retries = recent.retries
  let all = recent.provider + recent.queue + recent.retries
  for (const { backoffMs, queuedMs, startedAt, waitedMs } of running) {
    all += Math.max(0, now - startedAt)
    queue += queuedMs
    retries += waitedMs + backoffMs
  }
  const each = Math.max(1, recent.timed + running.length)
  return {
    providerMs: Math.max(0, all - queue - retries) / each,
    queueMs: queue / each,
    retriesMs: retries / each
  }
}
