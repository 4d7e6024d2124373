// The circuit as a pure reducer, against two others: Effect's own store in memory, event by event, for the rules that it
// has; and a model that keeps every outcome in plain lists, for all rules at once.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Layer, Random } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { isDeepStrictEqual } from "node:util"
import { BreakerMetrics } from "../src/internal/breakerMetrics.ts"
import {
  type Circuit,
  fresh,
  isIdle,
  noWindow,
  openTime,
  push,
  reached,
  type Rules,
  shutFor
} from "../src/internal/circuit.ts"
import { Circuits } from "../src/internal/circuits.ts"
import { Standing } from "./properties/stepping.ts"

const seeds = Number(process.env.PROPERTY_RUNS ?? 1) * 1_000

/** A small generator of its own, so that a seed gives the same events whatever else draws random numbers. */
const dice = (seed: number) => {
  let state = (seed + 1) * 2_654_435_761
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return { next, below: (n: number) => Math.floor(next() * n) }
}
type Dice = ReturnType<typeof dice>

/** Hundreds of thousands of comparisons: chai, and the text of where it is, only for one that fails. */
const same = <A>(actual: A, expected: A, at: () => string): void => {
  if (actual !== expected) assert.strictEqual(actual, expected, at())
}
const sameData = (actual: unknown, expected: unknown, at: () => string): void => {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected, at())
}

const rulesFrom = (d: Dice, kind: "consecutive" | "rate" | "all"): Rules => {
  const size = 1 + d.below(40)
  const slowSize = 1 + d.below(12)
  const openFor = 1 + d.below(2_000)
  return {
    consecutive: kind === "rate" ? Number.MAX_SAFE_INTEGER : 1 + d.below(6),
    rate:
      kind === "consecutive" ? undefined : { threshold: (1 + d.below(10)) / 10, size, minimumCalls: 1 + d.below(size) },
    slow:
      kind === "all" && d.below(3) > 0
        ? { after: 100, rate: (1 + d.below(10)) / 10, size: slowSize, minimumCalls: 1 + d.below(slowSize) }
        : undefined,
    openFor,
    maxOpenFor: openFor * (1 + d.below(8))
  }
}

/** Short and long steps of time: within an open time, over it, and past the hour after which circuits are forgotten. */
const step = (d: Dice, rules: Rules): number => {
  switch (d.below(8)) {
    case 0:
      return rules.openFor / 2
    case 1:
      return rules.openFor
    case 2:
      return rules.maxOpenFor
    case 3:
      return d.below(40) === 0 ? 3_600_000 : 0.25
    default:
      return d.below(50)
  }
}

const healths = ["success", "failure", "failure", "ignored"] as const

const make = (rules: Rules) => new Circuits(rules, new BreakerMetrics("i", "b", false), Context.empty())

const none = Context.empty()

describe("the circuit and Effect's store in memory", () => {
  for (const kind of ["consecutive", "rate"] as const) {
    it.effect(
      `${kind}: the same admissions, rejections, transitions and states over ${seeds} sequences`,
      () =>
        Effect.gen(function* () {
          // Nothing sleeps here: a clock that is only set spares each event the turns in which TestClock wakes sleepers.
          const clock = yield* Clock.Clock
          assert.instanceOf(clock, Standing)
          const seen = { admitted: 0, probes: 0, rejected: 0, opened: 0, closed: 0, stale: 0 }
          for (let seed = 0; seed < seeds; seed++) {
            const d = dice(seed)
            const rules = rulesFrom(d, kind)
            const tripPolicy: CircuitBreaker.TripPolicy =
              rules.rate === undefined
                ? { _tag: "Consecutive", failures: rules.consecutive }
                : { _tag: "Rate", ...rules.rate }
            const built = Layer.build(CircuitBreaker.layerStoreMemory())
            const store = Context.get(yield* Effect.scoped(built), CircuitBreaker.CircuitBreakerStore)
            const ours = make(rules)
            const running: Array<{ key: string; ticket: Circuit; admission: CircuitBreaker.Admission }> = []
            for (let n = 0; n < 60; n++) {
              const at = () => `seed ${seed}, event ${n}`
              clock.now += step(d, rules)
              const { now } = clock
              const key = d.below(4) === 0 ? "b" : "a"
              if (running.length === 0 || d.below(2) === 0) {
                const admitted = yield* Effect.exit(Effect.scoped(store.admit(key)))
                const taken = ours.take(key, now, none)
                if (Exit.isSuccess(admitted)) {
                  if (typeof taken === "number") return assert.fail(`${at()}: turned away for ${taken}`)
                  same<unknown>(taken.state === "HalfOpen", admitted.value.probe, at)
                  same<unknown>(taken.openings, admitted.value.consecutiveOpenings, at)
                  running.push({ key, ticket: taken, admission: admitted.value })
                  seen.admitted++
                  if (admitted.value.probe) seen.probes++
                } else {
                  const error = Exit.findErrorOption(admitted)
                  const reason = error._tag === "Some" ? error.value.reason : undefined
                  same<unknown>(
                    taken,
                    reason?._tag === "CircuitOpen" ? Duration.toMillis(reason.retryAfter) : Infinity,
                    at
                  )
                  seen.rejected++
                }
              } else {
                const [attempt] = running.splice(d.below(running.length), 1)
                const health = healths[d.below(healths.length)]!
                // In quarters: Effect's durations are whole nanoseconds.
                const random = d.below(4) / 4
                const hint = d.below(3) === 0 ? d.below(3 * rules.openFor) : 0
                const openings = attempt!.admission.consecutiveOpenings + 1
                const transition = yield* Effect.orDie(
                  store.record({
                    key: attempt!.key,
                    generation: attempt!.admission.generation,
                    outcome: health === "success" ? "Success" : health === "failure" ? "Failure" : "Ignored",
                    tripPolicy,
                    openFor: Duration.millis(openTime(rules, openings, random, hint))
                  })
                )
                const before = ours.at(attempt!.key, now)
                if (before?.generation !== attempt!.ticket.generation) seen.stale++
                const finding = { health, slow: false, random, hint }
                const became = ours.put(attempt!.key, attempt!.ticket, finding, now, none)
                same<unknown>(
                  became,
                  transition === undefined ? undefined : transition.to === "Open" ? "opened" : "closed",
                  at
                )
                if (became === "opened") seen.opened++
                if (became === "closed") seen.closed++
              }
              for (const one of ["a", "b"]) {
                const theirs: CircuitBreaker.State = yield* Effect.orDie(store.state(one))
                sameData(yield* ours.store.state(one), theirs, at)
              }
            }
          }
          // A comparison of what never happens would prove nothing.
          for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds / 10, what)
        }).pipe(Effect.provideService(Clock.Clock, new Standing())),
      60_000
    )
  }
})

/** What a circuit is, said a second time and otherwise: with every outcome since the last change, and no numbers kept. */
class Model {
  private era = 0
  private admitted = 0
  private outcomes: Array<{ failed: boolean; counts: boolean; slow: boolean }> = []
  private openedAt: number | undefined = undefined
  private openUntil = 0
  private openTimes: Array<number> = []
  private forgetAt = Infinity
  private probe: number | undefined = undefined
  readonly rules: Rules

  constructor(rules: Rules) {
    this.rules = rules
  }

  admit(now: number): { id: number; era: number; openings: number; probe: boolean } | undefined {
    if (this.openedAt !== undefined) {
      if (now < this.openUntil || this.probe !== undefined) return undefined
      this.probe = ++this.admitted
      return { id: this.probe, era: ++this.era, openings: this.openTimes.length, probe: true }
    }
    if (now >= this.forgetAt) {
      this.openTimes = []
      this.forgetAt = Infinity
    }
    return { id: ++this.admitted, era: this.era, openings: this.openTimes.length, probe: false }
  }

  record(
    ticket: { id: number; era: number; openings: number; probe: boolean },
    health: "success" | "failure" | "ignored",
    slow: boolean,
    openFor: number,
    now: number
  ): void {
    if (ticket.era !== this.era) return
    if (ticket.probe) {
      this.probe = undefined
      if (health === "failure" || slow) return this.open(openFor, now)
      if (health === "ignored") return
      this.openedAt = undefined
      this.outcomes = []
      this.era++
      this.forgetAt = now + this.openTimes.at(-1)!
      return
    }
    if (health === "ignored" && !slow) return
    this.outcomes.push({ failed: health === "failure", counts: health !== "ignored", slow })
    const counted = this.outcomes.filter(({ counts }) => counts)
    const { consecutive, rate, slow: tooSlow } = this.rules
    const inARow = counted.slice(-consecutive)
    const share = <A>(
      all: ReadonlyArray<A>,
      size: number,
      minimum: number,
      threshold: number,
      is: (a: A) => boolean
    ) => {
      const last = all.slice(-size)
      const marked = last.filter(is).length
      return all.length >= minimum && marked > 0 && marked / last.length >= threshold
    }
    if (
      (inARow.length === consecutive && inARow.every(({ failed }) => failed)) ||
      (rate !== undefined && share(counted, rate.size, rate.minimumCalls, rate.threshold, ({ failed }) => failed)) ||
      (tooSlow !== undefined &&
        share(this.outcomes, tooSlow.size, tooSlow.minimumCalls, tooSlow.rate, ({ slow }) => slow))
    ) {
      this.open(openFor, now)
    }
  }

  shutFor(now: number): number {
    if (this.openedAt === undefined) return 0
    if (this.probe !== undefined) return Infinity
    return Math.max(0, this.openUntil - now)
  }

  private open(openFor: number, now: number): void {
    this.openedAt = now
    this.openUntil = now + openFor
    this.openTimes.push(openFor)
    this.outcomes = []
    this.era++
  }
}

describe("the circuit and a naive model", () => {
  it("all three rules at once: they let the same attempts pass, and are shut for the same time", () => {
    const seen = { passed: 0, shut: 0, probes: 0, slowOpened: 0 }
    for (let seed = 0; seed < 3 * seeds; seed++) {
      const d = dice(seed)
      const rules = rulesFrom(d, "all")
      const ours = make(rules)
      const model = new Model(rules)
      const running: Array<{ ticket: Circuit; theirs: NonNullable<ReturnType<Model["admit"]>> }> = []
      let now = 0
      for (let n = 0; n < 80; n++) {
        const at = () => `seed ${seed}, event ${n}`
        // Short of the hour after which a circuit is forgotten: the comparison with Effect's store has that.
        now += Math.min(step(d, rules), 60_000)
        if (running.length === 0 || d.below(2) === 0) {
          const taken = ours.take("a", now, none)
          const theirs = model.admit(now)
          same<unknown>(typeof taken !== "number", theirs !== undefined, at)
          if (typeof taken === "number" || theirs === undefined) {
            seen.shut++
            continue
          }
          same<unknown>(taken.state === "HalfOpen", theirs.probe, at)
          if (theirs.probe) seen.probes++
          running.push({ ticket: taken, theirs })
          seen.passed++
        } else {
          const [attempt] = running.splice(d.below(running.length), 1)
          const health = healths[d.below(healths.length)]!
          const slow = rules.slow !== undefined && d.below(3) === 0
          const random = d.next()
          const hint = d.below(3) === 0 ? d.below(3 * rules.openFor) : 0
          const became = ours.put("a", attempt!.ticket, { health, slow, random, hint }, now, none)
          if (became === "opened" && health === "success") seen.slowOpened++
          model.record(attempt!.theirs, health, slow, openTime(rules, attempt!.theirs.openings + 1, random, hint), now)
        }
        same<unknown>(shutFor(ours.at("a", now)!, now), model.shutFor(now), at)
      }
    }
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds / 10, what)
  }, 60_000)
})

describe("a circuit that nobody uses", () => {
  it("is forgotten at the end of its idle time, which begins when an open one may be probed", () => {
    const closed = { ...fresh(100, 1) }
    assert.isFalse(isIdle(closed, 1_099, 1_000))
    assert.isTrue(isIdle(closed, 1_100, 1_000))
    const open: Circuit = { ...closed, state: "Open", openUntil: 600 }
    assert.isFalse(isIdle(open, 1_599, 1_000))
    assert.isTrue(isIdle(open, 1_600, 1_000))
    // What was last done with it counts where that is later.
    assert.isFalse(isIdle({ ...open, lastActivity: 700 }, 1_699, 1_000))
    assert.isTrue(isIdle({ ...open, lastActivity: 700 }, 1_700, 1_000))
    const probed: Circuit = { ...closed, state: "HalfOpen", probing: true }
    assert.isFalse(isIdle(probed, 1_000_000, 1_000))
    assert.isTrue(isIdle({ ...probed, probing: false }, 1_100, 1_000))
  })

  it("is used by an attempt that it admits, before that has ended", () => {
    const minute = 60_000
    const circuits = make({ consecutive: 2, rate: undefined, slow: undefined, openFor: 100, maxOpenFor: 100 })
    const fail = (now: number) => {
      const ticket = circuits.take("a", now, none) as Circuit
      return circuits.put("a", ticket, { health: "failure", slow: false, random: 0, hint: 0 }, now, none)
    }
    assert.isUndefined(fail(0))
    circuits.take("a", 50 * minute, none)
    // More than an hour after the first outcome, and less than an hour after the attempt that is still running.
    assert.strictEqual(fail(100 * minute), "opened")
  })
})

describe("the window", () => {
  it("keeps the last outcomes, whatever their number, and changes no earlier window", () => {
    for (let seed = 0; seed < 300; seed++) {
      const d = dice(seed)
      const size = 1 + d.below(100)
      const all: Array<boolean> = []
      let window = noWindow
      for (let n = 0; n < 250; n++) {
        const at = () => `seed ${seed}, ${n}`
        const mark = d.below(3) === 0
        const before = JSON.stringify(window)
        const next = push(window, size, mark)
        same(JSON.stringify(window), before, at)
        window = next
        all.push(mark)
        const last = all.slice(-size)
        const marked = last.filter((one) => one).length
        same(window.filled, last.length, at)
        same(window.marked, marked, at)
        same(reached(window, 0.3, 1), marked > 0 && marked / last.length >= 0.3, at)
      }
    }
  })
})

describe("the open time", () => {
  it.effect("is between half and all of what doubles up to the most, and a hint is taken up to that", () =>
    Effect.gen(function* () {
      const rules: Rules = { consecutive: 1, rate: undefined, slow: undefined, openFor: 100, maxOpenFor: 700 }
      for (const [openings, longest] of [
        [1, 100],
        [2, 200],
        [3, 400],
        [4, 700],
        [40, 700]
      ] as const) {
        const random = yield* Random.next
        const time = openTime(rules, openings, random, 0)
        assert.isTrue(time >= longest / 2 && time <= longest, `${openings}: ${time}`)
        assert.strictEqual(openTime(rules, openings, 0, 0), longest / 2)
        assert.strictEqual(openTime(rules, openings, 0, longest - 1), longest - 1)
        assert.strictEqual(openTime(rules, openings, 0, longest + 1), longest)
      }
    })
  )
})
