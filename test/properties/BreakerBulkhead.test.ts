// The breaker and the bulkhead under every interleaving that a seed can give, and with an interruption at every point
// where a fiber can be interrupted: I5, one probe at a time, never more than `concurrency`, nothing lost, nothing left.
//
// The layers are built as the runner builds them, around a send of the test, without the rest of a call: thousands of
// sequences in seconds. `PROPERTY_RUNS=20` tries twenty times as many; a failure names its seed.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Clock, Context, Duration, Effect, Exit, type Fiber, Layer, Random, Scheduler, Scope } from "effect"
import { CircuitBreaker } from "effect/persistence"
import type { AttemptStep, Decided, Mode, Site } from "../../src/Call.ts"
import { siteAlone } from "../../src/internal/alone.ts"
import type { BreakerControl } from "../../src/internal/breaker.ts"
import { CallRecord } from "../../src/internal/call.ts"
import type { Bulkhead } from "../../src/internal/permits.ts"

const seeds = (n: number) => n * Number(process.env.PROPERTY_RUNS ?? 1)

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

/** Runs one task at a time, of those that are ready any, and makes every fiber yield before each of its operations. */
class Stepper implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private tasks: Array<() => void> = []

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= 3
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.tasks.push(task), flush: () => this.drain() }
  }

  step(which: (ready: number) => number = () => 0): boolean {
    if (this.tasks.length === 0) return false
    const [task] = this.tasks.splice(which(this.tasks.length), 1)
    task!()
    return true
  }

  drain(): void {
    for (let n = 0; this.step(); n++) if (n > 100_000) throw new Error("the fibers do not come to rest")
  }
}

class Standing implements Clock.Clock {
  now = 0
  private sleeping: Array<{ readonly at: number; readonly wake: () => void }> = []

  currentTimeMillisUnsafe = () => this.now
  currentTimeNanosUnsafe = () => BigInt(Math.round(this.now * 1_000_000))
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

  advance(millis: number): void {
    this.now += millis
    const due = this.sleeping.filter(({ at }) => at <= this.now)
    this.sleeping = this.sleeping.filter(({ at }) => at > this.now)
    for (const { wake } of due.toSorted((a, b) => a.at - b.at)) wake()
  }
}

/** What an attempt does: it waits for its gate, and ends as that says. */
interface Attempt {
  readonly key: string
  readonly fiber: Fiber.Fiber<unknown, Reason.Reason>
  readonly call: CallRecord
  running: boolean
  ran: boolean
  exit: Exit.Exit<unknown, Reason.Reason> | undefined
  resume: ((exit: Exit.Exit<unknown, Reason.Reason>) => void) | undefined
  open: (exit: Exit.Exit<unknown, Reason.Reason>) => void
}

/** One layer around a send, and a world in which time and turns are the test's. */
const stage = <S>(policy: Policy.Policy<never, "any">, store?: CircuitBreaker.CircuitBreakerStore["Service"]) => {
  const stepper = new Stepper()
  const clock = new Standing()
  const told: Array<Decided> = []
  const control: { mode: Mode; state: S | undefined } = { mode: "enforce", state: undefined }
  let context = Context.make(Clock.Clock, clock) as Context.Context<never>
  if (store !== undefined) {
    context = Context.add(context, CircuitBreaker.CircuitBreakerStore, store) as Context.Context<never>
  }
  const site: Site = {
    ...siteAlone,
    integration: "i",
    operation: "o",
    mode: () => control.mode,
    decided: (_call, decided) => void told.push(decided),
    clear: [],
    shared: (_name, _options, make) =>
      Effect.map(make, (state) => {
        control.state = state as never
        return state
      }) as never
  }
  const attempts: Array<Attempt> = []
  const send: AttemptStep = (call) => {
    const attempt = (call.input as { attempt: Attempt }).attempt
    return Effect.onExit(
      Effect.suspend(() => {
        attempt.running = true
        attempt.ran = true
        started(attempt)
        return Effect.callback<unknown, Reason.Reason>((resume) => {
          // It may have been opened before it was there.
          if (attempt.exit !== undefined) return resume(attempt.exit)
          attempt.resume = resume
        })
      }),
      () => Effect.sync(() => (attempt.running = false))
    )
  }
  let started = (_attempt: Attempt): void => {}
  const scope = Effect.runSync(Scope.make())
  const transform = Effect.runSyncWith(context)(
    Effect.orDie(Scope.provide(policy.layers[0]!.build(site) as Effect.Effect<never, never, Scope.Scope>, scope))
  ) as (step: AttemptStep) => AttemptStep
  const step = transform(send)
  const stepping = Context.add(context, Scheduler.Scheduler, stepper)
  return {
    attempts,
    clock,
    stepper,
    told,
    control,
    get state(): S {
      return control.state!
    },
    onStart: (f: (attempt: Attempt) => void) => (started = f),
    start: (key: string): Attempt => {
      const input = { key } as { readonly key: string; attempt: Attempt }
      const call = new CallRecord({
        id: "1",
        integration: "i",
        operation: "o",
        repeat: "Safe",
        input,
        startedAt: clock.now,
        correlationId: "1"
      })
      call.begin(clock.now)
      const attempt = { key, call, running: false, ran: false } as { -readonly [K in keyof Attempt]: Attempt[K] }
      attempt.open = (exit) => {
        attempt.exit ??= exit
        attempt.resume?.(attempt.exit)
      }
      input.attempt = attempt
      attempt.fiber = Effect.runForkWith(stepping)(
        Random.withSeed(
          Effect.suspend(() => step(call)),
          attempts.length
        )
      )
      attempts.push(attempt)
      return attempt
    }
  }
}
type Stage = ReturnType<typeof stage>

const keyOf = (call: { readonly input: unknown }) => (call.input as { readonly key: string }).key

const ok = Exit.succeed("ok")
const failed = Exit.fail(Reason.make("Unavailable"))
const ignored = Exit.fail(Reason.make("Throttled"))

const alive = (world: Pick<Stage, "attempts">) => world.attempts.filter(({ fiber }) => fiber.pollUnsafe() === undefined)
const running = (world: Pick<Stage, "attempts">, key: string) =>
  world.attempts.filter((attempt) => attempt.key === key && attempt.running)

const pick = <A>(d: Dice, all: ReadonlyArray<A>): A | undefined => all[d.below(all.length)]

/** Ends everything that still runs, and lets everybody through who waits. */
const finish = (world: Pick<Stage, "attempts" | "clock" | "stepper">) => {
  for (let n = 0; n < 200; n++) {
    world.stepper.drain()
    const left = alive(world)
    if (left.length === 0) return
    const open = left.filter((attempt) => attempt.running)
    if (open.length === 0) world.clock.advance(1_000)
    for (const attempt of open) attempt.open(ok)
  }
  throw new Error("an attempt does not end")
}

const memoryStore = () =>
  Context.get(
    Effect.runSync(Effect.scoped(Layer.build(CircuitBreaker.layerStoreMemory()))),
    CircuitBreaker.CircuitBreakerStore
  )

/** A store that takes its time: every answer is a few turns away, as over a network. */
const distant = (
  store: CircuitBreaker.CircuitBreakerStore["Service"]
): CircuitBreaker.CircuitBreakerStore["Service"] => {
  const turns = Effect.forEach([1, 2, 3], () => Effect.yieldNow, { discard: true })
  return {
    admit: (key) =>
      Effect.andThen(
        turns,
        Effect.tap(store.admit(key), () => turns)
      ),
    record: (options) =>
      Effect.andThen(
        turns,
        Effect.tap(store.record(options), () => turns)
      ),
    state: store.state
  }
}

const stores = [
  ["in this process", () => undefined],
  ["in the environment's store", () => distant(memoryStore())]
] as const

describe.each(stores)("the breaker, with its circuits %s", (_name, storeOf) => {
  const breaker = (options: Policy.BreakerOptions = {}) => {
    const store = storeOf()
    const policy = Policy.breaker({
      consecutive: 2,
      rate: false,
      openFor: 1_000,
      maxOpenFor: 1_000,
      key: keyOf,
      store: store === undefined ? "memory" : "environment",
      ...options
    })
    const world = stage<
      BreakerControl & { readonly store: { readonly state: (key: string) => Effect.Effect<unknown> } }
    >(policy, store)
    const state = (key: string) =>
      Effect.runSyncWith(Context.make(Clock.Clock, world.clock))(
        world.state.store.state(store === undefined ? key : `i:breaker:${key}`)
      ) as CircuitBreaker.State
    return { world, state }
  }

  it("an interruption at every point: the probe is handed back, and the next attempt is one", () => {
    for (const healthy of [true, false]) {
      let points = 0
      for (let k = 0, ended = false; !ended && k < 2_000; k++, points++) {
        const { state, world } = breaker({ consecutive: 1 })
        const first = world.start("a")
        world.stepper.drain()
        first.open(failed)
        world.stepper.drain()
        assert.strictEqual(state("a")._tag, "Open")
        world.clock.advance(1_000)
        const probe = world.start("a")
        let opened = false
        for (let n = 0; n < k; n++) {
          if (!world.stepper.step() && probe.running && !opened) {
            opened = true
            probe.open(healthy ? ok : failed)
          }
        }
        ended = probe.fiber.pollUnsafe() !== undefined
        probe.fiber.interruptUnsafe()
        world.stepper.drain()
        assert.isDefined(probe.fiber.pollUnsafe(), `k = ${k}: it did not end`)
        const now = state("a")
        assert.isFalse(now._tag === "HalfOpen" && now.probing, `k = ${k}: the probe is lost`)
        world.clock.advance(1_000)
        const next = world.start("a")
        world.stepper.drain()
        assert.isTrue(next.running, `k = ${k}: the next attempt is turned away`)
        next.open(ok)
        world.stepper.drain()
        assert.strictEqual(state("a")._tag, "Closed", `k = ${k}`)
      }
      assert.isAbove(points, 10)
    }
  })

  it("any interleaving of attempts, ends, interruptions and time: one probe at a time, and none is lost", () => {
    const seen = { probes: 0, rejected: 0, interrupted: 0 }
    for (let seed = 0; seed < seeds(600); seed++) {
      const d = dice(seed)
      const { state, world } = breaker()
      const at = () => `seed ${seed}`
      const probes = new Set<Attempt>()
      world.onStart((attempt) => {
        const now = state(attempt.key)
        for (const probe of probes) if (!probe.running) probes.delete(probe)
        if (now._tag !== "HalfOpen") return
        seen.probes++
        assert.isFalse(
          [...probes].some((probe) => probe.key === attempt.key),
          `${at()}: two probes`
        )
        probes.add(attempt)
      })
      for (let n = 0; n < 40; n++) {
        switch (d.below(8)) {
          case 0:
          case 1:
            world.start(d.below(3) === 0 ? "b" : "a")
            break
          case 2:
          case 3: {
            const attempt = pick(d, [...running(world, "a"), ...running(world, "b")])
            attempt?.open(pick(d, [ok, failed, failed, failed, ignored])!)
            break
          }
          case 4: {
            const attempt = pick(d, alive(world))
            if (attempt !== undefined) seen.interrupted++
            attempt?.fiber.interruptUnsafe()
            break
          }
          case 5:
            // Mostly the store has answered by then, and is not left alone.
            if (d.below(4) > 0) world.stepper.drain()
            world.clock.advance(pick(d, [1, 499, 1_000])!)
            break
          default:
            for (let steps = d.below(30); steps > 0; steps--) world.stepper.step(d.below)
        }
      }
      seen.rejected += world.told.filter((decided) => decided === "rejected").length
      finish(world)
      for (const key of ["a", "b"]) {
        const now = state(key)
        assert.isFalse(now._tag === "HalfOpen" && now.probing, `${at()}: a probe is lost`)
        // Whatever was left behind, it recovers.
        world.clock.advance(1_000)
        const next = world.start(key)
        world.stepper.drain()
        assert.isTrue(next.running, `${at()}: the next attempt is turned away`)
        next.open(ok)
        world.stepper.drain()
        assert.strictEqual(state(key)._tag, "Closed", at())
      }
    }
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds(30), what)
  }, 60_000)

  it("an operator and modes at any time: forced open nothing starts, forced closed or observing nothing is turned away", () => {
    const seen = { forcedOpen: 0, forcedClosed: 0, observed: 0 }
    for (let seed = 0; seed < seeds(300); seed++) {
      const d = dice(seed)
      const { state, world } = breaker()
      let forced: "open" | "closed" | undefined
      for (let n = 0; n < 40; n++) {
        switch (d.below(8)) {
          case 0:
            forced = pick(d, ["open", "closed", undefined] as const)
            world.state.force(d.below(2) === 0 ? undefined : "a", undefined)
            world.state.force(undefined, undefined)
            world.state.force(d.below(2) === 0 ? undefined : "a", forced)
            break
          case 1:
            world.control.mode = pick(d, ["enforce", "observe"] as const)!
            break
          case 2:
            pick(d, running(world, "a"))?.open(pick(d, [ok, failed, failed])!)
            world.stepper.drain()
            break
          case 3:
            world.clock.advance(pick(d, [1, 600, 1_000])!)
            break
          case 4:
            pick(d, alive(world))?.fiber.interruptUnsafe()
            world.stepper.drain()
            break
          default: {
            const before = state("a")
            const attempt = world.start("a")
            world.stepper.drain()
            if (world.control.mode === "observe") {
              seen.observed++
              assert.isTrue(attempt.running, `seed ${seed}, ${n}: observing turned an attempt away`)
            } else if (forced === "open") {
              seen.forcedOpen++
              assert.isFalse(attempt.ran, `seed ${seed}, ${n}: forced open, it started`)
            } else if (forced === "closed") {
              seen.forcedClosed++
              assert.isTrue(attempt.running, `seed ${seed}, ${n}: forced closed, it was turned away`)
            }
            if (forced !== undefined) {
              assert.deepStrictEqual(state("a"), before, `seed ${seed}, ${n}: something was recorded`)
            }
          }
        }
      }
      world.state.force(undefined, undefined)
      world.control.mode = "enforce"
      finish(world)
      world.clock.advance(1_000)
      const next = world.start("a")
      world.stepper.drain()
      assert.isTrue(next.running, `seed ${seed}: the next attempt is turned away`)
    }
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds(30), what)
  }, 60_000)
})

describe("the bulkhead", () => {
  const bulkhead = (options: Partial<Policy.BulkheadOptions> = {}) =>
    stage<Bulkhead>(Policy.bulkhead({ concurrency: 2, queue: 3, key: keyOf, ...options }))

  const empty = (world: { readonly state: Bulkhead }, at: string) => {
    assert.strictEqual(world.state.taken, 0, `${at}: a permit is lost`)
    assert.strictEqual(world.state.waiting.size, 0, at)
    assert.strictEqual(world.state.size, 0, `${at}: a key is kept`)
  }

  it("an interruption at every point of a wait that has a limit, while the permit is handed over or the limit strikes", () => {
    for (const strikes of [true, false]) {
      for (let j = 0; j < 25; j += 6) {
        let points = 0
        for (let k = 0, ended = false; !ended && k < 2_000; k++, points++) {
          const world = bulkhead({ concurrency: 1, queue: 1, maxWait: 500 })
          const holder = world.start("a")
          world.stepper.drain()
          const waiting = world.start("a")
          for (let n = 0; n <= Math.max(j, k); n++) {
            if (n === j) {
              if (strikes) world.clock.advance(500)
              else holder.open(ok)
            }
            if (n === k) {
              ended = waiting.fiber.pollUnsafe() !== undefined
              waiting.fiber.interruptUnsafe()
            }
            if (!world.stepper.step() && waiting.running) waiting.open(ok)
          }
          const at = `${strikes ? "the limit" : "the permit"}, j = ${j}, k = ${k}`
          world.stepper.drain()
          assert.isDefined(waiting.fiber.pollUnsafe(), at)
          if (holder.running) holder.open(ok)
          world.stepper.drain()
          empty(world, at)
          const next = world.start("a")
          world.stepper.drain()
          assert.isTrue(next.running, `${at}: the next attempt`)
        }
        assert.isAbove(points, 5)
      }
    }
  })

  it("any interleaving: at most `concurrency` run and `queue` wait, for each key, in order, and nothing is lost", () => {
    const seen = { ran: 0, rejected: 0, late: 0, waited: 0 }
    for (let seed = 0; seed < seeds(600); seed++) {
      const d = dice(seed)
      const concurrency = 1 + d.below(3)
      const queue = d.below(4)
      const limited = d.below(2) === 0
      const world = bulkhead({ concurrency, queue, maxWait: limited ? 300 : undefined })
      const order: Array<Attempt> = []
      const check = (at: string) => {
        for (const key of ["a", "b"]) {
          assert.isAtMost(running(world, key).length, concurrency, `seed ${seed}: ${at}`)
          assert.isAtMost(world.state.of(key).waiting.size, queue, `seed ${seed}: ${at}`)
        }
      }
      world.onStart((attempt) => {
        seen.ran++
        order.push(attempt)
        check("at a start")
      })
      for (let n = 0; n < 50; n++) {
        switch (d.below(7)) {
          case 0:
          case 1:
            world.start(d.below(4) === 0 ? "b" : "a")
            break
          case 2:
            pick(d, [...running(world, "a"), ...running(world, "b")])?.open(pick(d, [ok, failed])!)
            break
          case 3:
            pick(d, alive(world))?.fiber.interruptUnsafe()
            break
          case 4:
            world.clock.advance(pick(d, [1, 299, 300])!)
            break
          default:
            for (let steps = d.below(30); steps > 0; steps--) world.stepper.step(d.below)
        }
        check(`event ${n}`)
      }
      finish(world)
      seen.waited += world.told.filter((decided) => decided === "waited").length
      for (const { fiber } of world.attempts) {
        const exit = fiber.pollUnsafe()!
        const reason = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
        if (reason?._tag !== "Some" || reason.value._tag !== "BulkheadFull") continue
        if (reason.value.message.startsWith("no permit within")) seen.late++
        else seen.rejected++
      }
      world.state.done("a", world.state.of("a"))
      world.state.done("b", world.state.of("b"))
      empty(world, `seed ${seed}`)
    }
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds(30), what)
  }, 60_000)

  it("modes that change while it runs: who enforces never starts over the limit, and no permit is lost or made", () => {
    const seen = { over: 0, told: 0, enforced: 0 }
    for (let seed = 0; seed < seeds(600); seed++) {
      const d = dice(seed)
      const concurrency = 1 + d.below(3)
      const queue = d.below(3)
      const world = bulkhead({ concurrency, queue })
      const under = new Map<Attempt, Mode>()
      for (let n = 0; n < 50; n++) {
        switch (d.below(6)) {
          case 0:
            world.control.mode = pick(d, ["enforce", "observe"] as const)!
            break
          case 1:
            pick(d, running(world, "a"))?.open(ok)
            world.stepper.drain()
            break
          case 2:
            pick(d, alive(world))?.fiber.interruptUnsafe()
            world.stepper.drain()
            break
          default: {
            const before = running(world, "a").length
            const attempt = world.start("a")
            under.set(attempt, world.control.mode)
            world.stepper.drain()
            const at = `seed ${seed}, event ${n}`
            if (world.control.mode === "observe") {
              assert.isTrue(attempt.running, `${at}: observing, it waits`)
              if (before >= concurrency) seen.over++
            } else {
              seen.enforced++
              assert.strictEqual(attempt.running, before < concurrency, at)
            }
          }
        }
        // What is counted is what runs.
        assert.strictEqual(world.state.taken, running(world, "a").length, `seed ${seed}, event ${n}`)
        if (world.control.mode === "enforce" && world.state.taken < concurrency) {
          assert.strictEqual(world.state.waiting.size, 0, `seed ${seed}, event ${n}: somebody waits for a free permit`)
        }
      }
      seen.told += world.told.length
      finish(world)
      world.state.done("a", world.state.of("a"))
      empty(world, `seed ${seed}`)
      // And the limit holds again.
      world.control.mode = "enforce"
      for (let n = 0; n < concurrency + queue; n++) world.start("a")
      world.stepper.drain()
      assert.strictEqual(running(world, "a").length, concurrency, `seed ${seed}`)
    }
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, seeds(30), what)
  }, 60_000)
})
