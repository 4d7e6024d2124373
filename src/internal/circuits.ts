import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { BreakerControl, BreakerState } from "./breaker.ts"
import type { BreakerMetrics, Word } from "./breakerMetrics.ts"
import { admit, type Circuit, type Finding, fresh, isIdle, record, type Rules, shutFor } from "./circuit.ts"

type Services = Context.Context<never>

/** How long a circuit that nobody uses is remembered, and how often the forgotten ones are looked for. */
const idle = 3_600_000
const sweepEvery = 600_000

interface Entry {
  circuit: Circuit
  /** What telemetry was told last. */
  readonly word: Word
}

const wordOf = (circuit: Circuit): Word =>
  circuit.state === "Closed" ? "closed" : circuit.state === "Open" ? "open" : "half_open"

/**
 * The circuits of one breaker in this process, by key, and what an operator forced. With a store that processes share,
 * they are what this process last saw of it.
 */
export class Circuits implements BreakerControl {
  readonly "~breakwater/BreakerControl" = true as const
  readonly rules: Rules
  private readonly metrics: BreakerMetrics
  /** Of whoever built the layer: what an operator forces is told there. */
  private readonly services: Services
  private readonly entries = new Map<string, Entry>()
  /** Keys that exist before any call: those that no call brings along. */
  private readonly known = new Set<string>()
  private readonly forcedKeys = new Map<string, "open" | "closed">()
  private forcedAll: "open" | "closed" | undefined = undefined
  private readonly shut = new Set<string>()
  private generations = 0
  private swept = 0

  constructor(rules: Rules, metrics: BreakerMetrics, services: Services) {
    this.rules = rules
    this.metrics = metrics
    this.services = services
  }

  /** Reads one circuit as Effect's store does. */
  readonly store = {
    state: (key: string) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const circuit = this.at(key, now)
        if (circuit === undefined || circuit.state === "Closed") return { _tag: "Closed", key } as const
        const { openings: consecutiveOpenings } = circuit
        return circuit.state === "Open"
          ? ({ _tag: "Open", key, retryAfter: Duration.millis(shutFor(circuit, now)), consecutiveOpenings } as const)
          : ({ _tag: "HalfOpen", key, probing: circuit.probing, consecutiveOpenings } as const)
      })
  }

  /** A ticket for an attempt, or for how long it is turned away. */
  take(key: string, now: number, services: Services): Circuit | number {
    this.sweep(now, services)
    const circuit = this.at(key, now) ?? fresh(now, this.next())
    const left = shutFor(circuit, now)
    if (left > 0) return left
    return this.set(key, admit(circuit, now, this.next()), services)
  }

  /** Takes an outcome to the circuit that admitted the attempt, and says what became of it. */
  put(
    key: string,
    ticket: Circuit,
    finding: Finding,
    now: number,
    services: Services
  ): "opened" | "closed" | undefined {
    const circuit = this.at(key, now)
    if (circuit === undefined) return undefined
    const next = record(circuit, this.rules, ticket, finding, now, this.next())
    this.set(key, next, services)
    return next.state === circuit.state ? undefined : next.state === "Open" ? "opened" : "closed"
  }

  /** Writes down what another process may have made of a circuit. */
  learn(key: string, now: number, services: Services, what: Partial<Circuit>): Circuit {
    this.sweep(now, services)
    const circuit = this.at(key, now) ?? fresh(now, this.next())
    return this.set(key, { ...circuit, ...what, lastActivity: now }, services)
  }

  at(key: string, now: number): Circuit | undefined {
    const circuit = this.entries.get(key)?.circuit
    return circuit === undefined || isIdle(circuit, now, idle) ? undefined : circuit
  }

  /** For how long it turns attempts away: 0 for not at all, `Infinity` while its probe runs. */
  shutFor(key: string, now: number): number {
    const circuit = this.at(key, now)
    return circuit === undefined ? 0 : shutFor(circuit, now)
  }

  /** Whether an attempt is sure to pass. A half-open circuit may need its one probe for a call of its own. */
  isClosed(key: string, now: number): boolean {
    const forced = this.forced(key)
    return forced === undefined ? (this.at(key, now)?.state ?? "Closed") === "Closed" : forced === "closed"
  }

  forced(key: string): "open" | "closed" | undefined {
    return this.forcedKeys.get(key) ?? this.forcedAll
  }

  /** Tells of a circuit that no call has used yet. */
  know(key: string): void {
    this.known.add(key)
    this.metrics.state(key, this.entries.get(key)?.word ?? "closed", this.services)
  }

  readonly circuits = (): ReadonlyArray<BreakerState> =>
    [...new Set([...this.known, ...this.entries.keys(), ...this.forcedKeys.keys()])].map((key) => ({
      key,
      state: this.entries.get(key)?.circuit.state ?? "Closed",
      forced: this.forced(key)
    }))

  readonly force = (key: string | undefined, to: "open" | "closed" | undefined): void => {
    const keys = key === undefined ? this.circuits().map((circuit) => circuit.key) : [key]
    if (key === undefined) {
      this.forcedAll = to
      this.forcedKeys.clear()
    } else if (to === undefined) this.forcedKeys.delete(key)
    else this.forcedKeys.set(key, to)
    for (const one of keys) this.set(one, this.entries.get(one)?.circuit ?? fresh(0, this.next()), this.services)
  }

  /** A number that no circuit has had. */
  private next(): number {
    return this.generations++
  }

  private set(key: string, circuit: Circuit, services: Services): Circuit {
    const forced = this.forced(key)
    const word = forced === undefined ? wordOf(circuit) : forced === "open" ? "forced_open" : "closed"
    const entry = this.entries.get(key)
    const before = entry?.word
    if (entry !== undefined && before === word) {
      entry.circuit = circuit
      return circuit
    }
    this.entries.set(key, { circuit, word })
    this.tell(key, word, services)
    if ((before ?? "closed") !== word) this.metrics.moved(before ?? "closed", word, services)
    return circuit
  }

  private tell(key: string, word: Word, services: Services): void {
    this.metrics.state(key, word, services)
    if (word === "closed") this.shut.delete(key)
    else this.shut.add(key)
    this.metrics.open(this.shut.size, services)
  }

  private sweep(now: number, services: Services): void {
    if (now - this.swept < sweepEvery) return
    this.swept = now
    for (const [key, { circuit }] of this.entries) {
      // What is forced takes no attempts, so no such circuits come up: they can stay until they are given back.
      if (!isIdle(circuit, now, idle) || this.forced(key) !== undefined) continue
      this.entries.delete(key)
      this.tell(key, "closed", services)
    }
  }
}
