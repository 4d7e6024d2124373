// Hedging: whatever the legs of a call end with and when, whoever else calls, and wherever it is interrupted. The answer is
// that of a pure model; hedges stay within their load and the budget; permits, probes and the history are whole.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason, type Telemetry } from "breakwater"
import { Clock, Context, Duration, Effect, Exit, type Fiber, Metric, Option, Random, Scheduler, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { AttemptStep, CallStep, Site } from "../../src/Call.ts"
import { siteAlone } from "../../src/internal/alone.ts"
import { boundary } from "../../src/internal/boundary.ts"
import { CallRecord } from "../../src/internal/call.ts"
import {
  between,
  interruptAtOnce,
  quiet,
  say,
  type Said,
  scripted,
  seed,
  seededly,
  settle,
  tries,
  watchedBulkhead
} from "./support.ts"
import { Stepper } from "./stepping.ts"

// ---- what a leg may do

const ends = {
  ok: undefined,
  down: Reason.unavailable({ status: 503 }),
  slowDown: Reason.throttled({ status: 429 }),
  lost: Reason.disconnected(),
  unreachable: Reason.unreachable(),
  gone: Reason.rejected({ status: 404 }),
  refused: Reason.failed({ transient: false })
} as const
type End = keyof typeof ends

/** From the table of the rules, not from the code: what a failure tells, and whether it is an answer. */
const tells: Record<End, number> = { ok: 3, gone: 3, refused: 3, down: 2, slowDown: 2, lost: 1, unreachable: 1 }
const tags: Record<End, string> = {
  ok: "Success",
  down: "Unavailable",
  slowDown: "Throttled",
  lost: "Disconnected",
  unreachable: "Unreachable",
  gone: "Rejected",
  refused: "Failed"
}

interface Leg {
  readonly takes: number
  readonly end: End
}

const act = (n: number, { end, takes }: Leg) =>
  Effect.delay(ends[end] === undefined ? Effect.succeed(n) : say(ends[end]), takes)

/** A stream of numbers that repeats itself. */
const drawing = (seed: number) => {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const kinds = Object.keys(ends) as ReadonlyArray<End>

/** Legs whose ends and starts never fall together, so that the model need not know the order within a millisecond. */
const legsOf = (draw: (below: number) => number, count: number, after: number): Array<Leg> => {
  const taken = new Set<number>()
  return Array.from({ length: count }, (_, index) => {
    let takes = 1 + draw(4 * after)
    while (taken.has(index * after + takes) || (index * after + takes) % after === 0) takes++
    taken.add(index * after + takes)
    return { takes, end: kinds[draw(kinds.length)]! }
  })
}

interface Expected {
  readonly starts: ReadonlyArray<number>
  readonly at: number
  /** The leg whose end is the call's, from 0. */
  readonly leg: number
}

/** The rules as a pure function: the legs in the order of time. */
const model = (legs: ReadonlyArray<Leg>, after: number, max: number): Expected => {
  const starts = [0]
  const ended = new Set<number>()
  let standing: number | undefined
  for (let now = 1; ; now++) {
    const leg = starts.findIndex((at, index) => at + legs[index]!.takes === now)
    if (leg >= 0) {
      const { end } = legs[leg]!
      if (tells[end] === 3) return { starts, at: now, leg }
      ended.add(leg)
      if (standing === undefined || tells[end] > tells[legs[standing]!.end]) standing = leg
      if (ended.size === starts.length) return { starts, at: now, leg: standing }
    }
    if (now % after === 0 && now / after <= max) starts.push(now)
  }
}

/** The layer around attempts and nothing else: no integration, so that thousands of seeds cost little. */
const bare = (policy: Policy.Policy<never, "safe">, send: (n: number) => Effect.Effect<unknown, Said>) =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    const decisions: Array<string> = []
    const site: Site = {
      ...siteAlone,
      repeat: "Safe",
      decided: (call, decided, now) => {
        decisions.push(`${decided} ${(call as CallRecord).legNumber} ${now}`)
      }
    }
    const attempt = (call: CallRecord) =>
      Effect.withFiber<unknown, Reason.Reason>((fiber) => {
        const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
        call.sent(now)
        sent.push(now)
        return Effect.mapError(send(sent.length), ({ verdict }) => Reason.make(verdict.reason, verdict))
      })
    const record = new CallRecord({
      id: "1",
      integration: "",
      operation: "",
      repeat: "Safe",
      input: undefined,
      startedAt: 0,
      correlationId: "1"
    })
    const layer = policy.layers[0]! as Extract<Policy.Layer, { readonly level: "call" }>
    const transform = yield* layer.build(site)
    const step = transform(boundary(site, attempt as AttemptStep) as CallStep)
    return { call: step(record), decisions, record, sent }
  })

const once = (deadline: Duration.Input = "60 seconds") =>
  Policy.stack(
    Policy.totalDeadline(deadline),
    Policy.retryNever("each try is looked at"),
    Policy.attemptTimeout(deadline)
  )

const hedgesOf = (event: Telemetry.CallObserved) => event.decisions.filter(({ decided }) => decided === "hedged").length

describe("hedging", () => {
  it.effect.prop(
    "a call is what the model says: when each leg starts, whose end stands, and when",
    { seed, max: between(1, 3), after: between(2, 40) },
    ({ after, max, seed }) =>
      Effect.gen(function* () {
        const legs = legsOf(drawing(seed), max + 1, after)
        const expected = model(legs, after, max)
        const { call, decisions, record, sent } = yield* bare(Policy.hedge({ after, max, maxExtraLoad: max }), (n) =>
          act(n, legs[n - 1]!)
        )
        const exit = yield* settle(call)
        assert.deepStrictEqual(sent, expected.starts)
        const { end } = legs[expected.leg]!
        if (end === "ok") assert.deepStrictEqual(exit, Exit.succeed(expected.leg + 1))
        else assert.strictEqual(Option.getOrUndefined(Exit.findErrorOption(exit))?.reason._tag, tags[end])
        // Every leg is in the history once, as what it was; the losers are interrupted when the answer comes.
        assert.deepStrictEqual(
          record.attempts
            .map(({ elapsed, number, reason, startedAfter }) => [number, reason, startedAfter, elapsed])
            .toSorted(),
          expected.starts
            .map((start, index) => {
              const { end, takes } = legs[index]!
              const lost = start + takes > expected.at
              return [index + 1, lost ? "Interrupted" : tags[end], start, lost ? expected.at - start : takes]
            })
            .toSorted()
        )
        const hedges = expected.starts.slice(1).map((at, index) => `hedged ${index + 2} ${at}`)
        const won = tells[end] === 3 && expected.leg > 0 ? [`hedge_won ${expected.leg + 1} ${expected.at}`] : []
        assert.deepStrictEqual(decisions, [...hedges, ...won])
      }).pipe(seededly(seed)),
    tries(1_500)
  )

  it.effect.prop(
    "of many calls at once, some given up, with retries, a breaker, a bulkhead and a budget",
    {
      seed,
      callers: between(2, 9),
      max: between(1, 3),
      tenths: between(1, 10),
      concurrency: between(2, 6),
      capacity: between(1, 9),
      maxAttempts: between(1, 3)
    },
    ({ callers, capacity, concurrency, max, maxAttempts, seed, tenths }) =>
      Effect.gen(function* () {
        const draw = drawing(seed)
        const bulkhead = watchedBulkhead(concurrency, 3)
        const hedgeCost = 1 + draw(3)
        const maxExtraLoad = tenths / 10
        const running = new Set<number>()
        const answers = new Map<number, End>()
        let most = 0
        const { call, events, sent } = yield* scripted({
          repeat: "Safe",
          policy: Policy.stack(
            Policy.standard({
              attemptTimeout: 150,
              totalDeadline: 400,
              maxAttempts,
              schedule: Policy.backoff({ base: 10, throttledBase: 10 }),
              budget: false
            }),
            Policy.budget({
              capacity: 10 + capacity,
              hedgeCost,
              transientCost: 10,
              throttledCost: 10,
              refund: 0,
              refundsLastRetry: false
            }),
            Policy.hedge({ after: 1 + draw(30), max, maxExtraLoad }),
            Policy.breaker({ consecutive: 4, rate: false, openFor: 50, maxOpenFor: 50 }),
            bulkhead.policy
          ) as Policy.Complete,
          send: (n) => {
            running.add(n)
            most = Math.max(most, running.size)
            const leg: Leg = { takes: draw(120), end: draw(3) > 0 ? "ok" : kinds[draw(kinds.length)]! }
            answers.set(n, leg.end)
            return Effect.ensuring(
              act(n, leg),
              Effect.sync(() => running.delete(n))
            )
          }
        })
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let n = 0; n < callers; n++) {
          fibers.push(yield* Effect.forkChild(Effect.exit(call), { startImmediately: true }))
          yield* TestClock.adjust(draw(40))
          if (draw(6) === 0) yield* interruptAtOnce(fibers[draw(fibers.length)]!)
          assert.isAtMost(bulkhead.permits.taken, concurrency)
        }
        // Past every deadline: nothing runs on.
        yield* TestClock.adjust(400)
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), "a call outlived its deadline")
        assert.strictEqual(running.size, 0, "an attempt outlived its call")
        assert.strictEqual(bulkhead.permits.taken, 0, "a permit is lost")
        assert.strictEqual(bulkhead.permits.waiting.size, 0)
        assert.strictEqual(events.length, callers)
        assert.isAtMost(most, concurrency)
        let hedges = 0
        let attempts = 0
        for (const event of events) {
          hedges += hedgesOf(event)
          attempts += event.attempts.length
          assert.isAtMost(event.attempts.length, maxAttempts * (1 + max))
          assert.deepStrictEqual(
            event.attempts.map(({ number }) => number).toSorted((a, b) => a - b),
            event.attempts.map((_, index) => index + 1)
          )
          // Never more at once than the legs of one try.
          for (const { startedAfter } of event.attempts) {
            const beside = event.attempts.filter(
              (other) => other.startedAfter <= startedAfter && startedAfter < other.startedAfter + other.elapsed
            )
            assert.isAtMost(beside.length, 1 + max)
          }
          if (event.callOutcome === "ok" || event.callOutcome === "ok_after_retry") {
            assert.isTrue(event.attempts.some(({ reason }) => reason === "Success"))
          }
        }
        assert.isAtMost(hedges, Math.floor(callers * maxExtraLoad + 1e-9), "more hedges than the load allows")
        assert.isAtMost(hedges * hedgeCost, 10 + capacity, "more hedges than the budget pays for")
        const local = (tag: string) => ["CircuitOpen", "BulkheadFull", "DeadlineExceeded"].includes(tag)
        const reached = events.flatMap((event) => event.attempts.filter(({ reason }) => !local(reason)))
        // What waits for a permit when it is given up was not sent.
        const unsent = reached.filter(({ outcome, reason }) => outcome === "NotSent" && reason !== "Unreachable")
        assert.strictEqual(reached.length - unsent.length, sent.length)
        for (const fiber of fibers) {
          const exit = fiber.pollUnsafe()
          if (exit !== undefined && Exit.isSuccess(exit)) {
            const given = exit.value as Exit.Exit<unknown, unknown>
            if (Exit.isSuccess(given)) assert.strictEqual(answers.get(given.value as number), "ok")
          }
        }
        // No probe is lost: when the circuit may be tried again, somebody gets through.
        yield* TestClock.adjust(1_000)
        const before = sent.length
        yield* settle(Effect.exit(call))
        assert.isAbove(sent.length, before, "nobody gets through any more")
        assert.isAtLeast(attempts, 1)
      }).pipe(seededly(seed)),
    tries(200)
  )
})

// ---- every yield point

/** A clock whose sleepers are woken in the turn in which it is moved. */
class Standing implements Clock.Clock {
  now = 0
  private sleeping: Array<{ readonly at: number; readonly wake: () => void }> = []

  currentTimeMillisUnsafe = () => this.now
  currentTimeNanosUnsafe = () => BigInt(this.now * 1_000_000)
  monotonicTimeNanosUnsafe = this.currentTimeNanosUnsafe
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const entry = { at: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleeping.push(entry)
      return Effect.sync(() => {
        this.sleeping = this.sleeping.filter((other) => other !== entry)
      })
    })
  }

  get sleepers(): number {
    return this.sleeping.length
  }

  advance(millis: number): void {
    this.now += millis
    const due = this.sleeping.filter(({ at }) => at <= this.now)
    this.sleeping = this.sleeping.filter(({ at }) => at > this.now)
    for (const { wake } of due) wake()
  }
}

/** A hedged call, run turn by turn. The time comes at which the hedge is due, then that at which it answers. */
const stage = () => {
  const stepper = new Stepper()
  const clock = new Standing()
  const bulkhead = watchedBulkhead(2, 1)
  const state = { running: 0, sent: 0, gates: [] as Array<(answer: Effect.Effect<unknown, never>) => void> }
  const turns = Effect.forEach([1, 2], () => Effect.yieldNow, { discard: true })
  const base = Context.add(
    Context.add(
      Effect.runSync(Effect.scoped(Effect.provide(Effect.context<never>(), quiet))),
      Metric.MetricRegistry,
      new Map()
    ),
    Clock.Clock,
    clock
  ) as Context.Context<never>
  const scope = Effect.runSync(Scope.make())
  const { call, events } = Effect.runSyncWith(base)(
    Random.withSeed(
      Scope.provide(
        scripted({
          repeat: "Safe",
          policy: Policy.stack(
            Policy.totalDeadline("60 seconds"),
            Policy.retryNever("each try is looked at"),
            Policy.attemptTimeout("20 seconds"),
            Policy.hedge({ after: 100, maxExtraLoad: 1 }),
            Policy.breaker({ consecutive: 1, rate: false, openFor: "1 second", maxOpenFor: "1 second" }),
            bulkhead.policy
          ) as Policy.Complete,
          send: () =>
            // The send counts as running from its first turn to its last, however it ends.
            Effect.acquireUseRelease(
              Effect.sync(() => {
                state.sent++
                state.running++
              }),
              () =>
                Effect.andThen(
                  turns,
                  Effect.callback<unknown>((resume) => void state.gates.push(resume))
                ),
              () =>
                Effect.andThen(
                  turns,
                  Effect.sync(() => state.running--)
                )
            )
        }),
        scope
      ),
      1
    )
  )
  const stepping = Context.add(base, Scheduler.Scheduler, stepper)
  return {
    bulkhead,
    call,
    clock,
    events,
    start: () => Effect.runForkWith(stepping)(Random.withSeed(call, 1)),
    state,
    stepper
  }
}

describe("interruption of a hedged call at every yield point", () => {
  it.each(["the hedge answers", "the first answers", "both answer"] as const)("%s", (who) => {
    let points = 0
    let hedgedPoints = 0
    for (let k = 0; ; k++) {
      const { bulkhead, clock, events, start, state, stepper } = stage()
      const fiber = start()
      // The turns before the hedge is due, those of two legs, and those after an answer are one row of points.
      let turn = 0
      const walk = (): boolean => {
        while (turn < k) {
          if (!stepper.step()) return true
          turn++
        }
        return false
      }
      let interrupted = true
      if (walk()) {
        clock.advance(100)
        if (walk()) {
          const [first, hedge] = state.gates
          if (who !== "the hedge answers") first!(Effect.succeed("first"))
          if (who !== "the first answers") hedge!(Effect.succeed("hedge"))
          if (walk()) interrupted = false
        }
      }
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      // A loser's release takes turns and no time: the answer does not have to wait for its limit.
      const exit = fiber.pollUnsafe()
      assert.isDefined(exit, `k = ${k}: it did not end`)
      assert.strictEqual(state.running, 0, `k = ${k}: an attempt runs on`)
      assert.strictEqual(clock.sleepers, 0, `k = ${k}: a timer is left`)
      assert.strictEqual(bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      assert.strictEqual(bulkhead.permits.waiting.size, 0, `k = ${k}`)
      assert.isAtMost(events.length, 1, `k = ${k}`)
      if (state.sent > 0) {
        assert.strictEqual(events.length, 1, `k = ${k}: what was sent was not observed`)
        const { attempts } = events[0]!
        assert.isAtLeast(attempts.length, state.sent, `k = ${k}: an attempt is missing`)
        assert.isAtMost(attempts.length, 2, `k = ${k}`)
        assert.strictEqual(new Set(attempts.map(({ number }) => number)).size, attempts.length, `k = ${k}`)
        const sent = attempts.filter(({ outcome }) => outcome !== "NotSent")
        assert.isAtLeast(sent.length, state.sent, `k = ${k}: what was sent is said not to have been`)
      }
      if (state.sent === 2) hedgedPoints++
      if (ended && Exit.isSuccess(exit!)) {
        assert.include(["first", "hedge"], exit!.value)
        assert.isTrue(events[0]!.attempts.some(({ reason }) => reason === "Success"))
      }
      // The next call gets through: no permit and no probe is lost. The circuit is tried again after a second.
      clock.advance(1_000)
      stepper.drain()
      const before = state.gates.length
      const next = start()
      stepper.drain()
      assert.isAbove(state.gates.length, before, `k = ${k}: the next call is not sent`)
      state.gates.at(-1)!(Effect.succeed("next"))
      stepper.drain()
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("next"), `k = ${k}: the next call`)
      if (!interrupted) break
      points++
      if (k > 5_000) throw new Error("the call does not end")
    }
    assert.isAbove(points, 100)
    assert.isAbove(hedgedPoints, 40)
  })
})

describe("what it is for", () => {
  /** The latencies of a read of which every fiftieth attempt is slow, in virtual milliseconds. */
  const latencies = (policy: Policy.Any) =>
    Effect.gen(function* () {
      const draw = drawing(7)
      const { call, events, sent } = yield* scripted({
        repeat: "Safe",
        policy: Policy.stack(once(), policy) as Policy.Complete,
        send: (n) => Effect.delay(Effect.succeed(n), draw(50) === 0 ? 1_500 + draw(500) : 8 + draw(8))
      })
      for (let n = 0; n < 900; n++) {
        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        // No longer than it takes, so that the window keeps what was measured.
        for (let step = 0; fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust(step < 8 ? 5 : 100)
      }
      const sorted = events
        .slice(200)
        .map(({ latency }) => latency)
        .toSorted((a, b) => a - b)
      return { p99: sorted[Math.ceil(sorted.length * 0.99) - 1]!, requests: sent.length }
    })

  it.effect("the slowest per cent of a bimodal provider becomes as fast as the rest, for five per cent of load", () =>
    Effect.gen(function* () {
      const without = yield* latencies(Policy.noop)
      const live = yield* latencies(Policy.hedge({ after: { percentile: 95 } }))
      const fixed = yield* latencies(Policy.hedge({ after: 30 }))
      assert.isAtLeast(without.p99, 1_500)
      assert.isAtMost(live.p99, 100)
      assert.isAtMost(fixed.p99, 100)
      assert.strictEqual(without.requests, 900)
      for (const { requests } of [live, fixed]) assert.isAtMost(requests, 900 * 1.05)
    }).pipe(seededly(1))
  )
})
