// Interruption at every point where a fiber can be interrupted: a scheduler that yields before each operation, and a
// fiber that is interrupted after k of its turns, for every k. The half-open breaker's probe and the bulkhead's permits
// must be back, the call observed once, and what was sent never reported as not sent.
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outcome,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Clock,
  Context,
  Effect,
  Exit,
  type Fiber,
  Layer,
  Metric,
  Option,
  Random,
  Schema,
  Scheduler,
  Scope
} from "effect"
import { Permits } from "../../src/PolicyBulkhead.ts"
import { Acme, Failed, Lookup, quiet, thing, watchedBreaker, watchedBulkhead } from "./support.ts"
import { Standing, Stepper } from "./stepping.ts"

interface Time {
  readonly clock: Clock.Clock | undefined
  readonly advance: (millis: number) => void
}

/** A built integration, and the means to run its calls step by step. */
const stage = <S>(time: Time, build: Effect.Effect<S, unknown, Scope.Scope>) => {
  const stepper = new Stepper()
  const registry: Metric.MetricRegistry = new Map()
  let context = Effect.runSync(Effect.scoped(Layer.build(quiet))) as Context.Context<never>
  context = Context.add(context, Metric.MetricRegistry, registry)
  if (time.clock !== undefined) context = Context.add(context, Clock.Clock, time.clock)
  const scope = Effect.runSync(Scope.make())
  const runnable = Random.withSeed(Scope.provide(build, scope) as Effect.Effect<S>, 1)
  const built = Effect.runSyncWith(context)(runnable)
  const stepping = Context.add(context, Scheduler.Scheduler, stepper)
  return {
    built,
    stepper,
    start: <A, E>(self: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
      Effect.runForkWith(stepping)(Random.withSeed(self, 1)),
    /** Runs a call to its end, without interruption. */
    run: <A, E>(self: Effect.Effect<A, E>): Exit.Exit<A, E> => {
      const fiber = Effect.runForkWith(stepping)(Random.withSeed(self, 1))
      stepper.drain()
      for (let n = 0; n < 100 && fiber.pollUnsafe() === undefined; n++) {
        time.advance(1_000)
        stepper.drain()
      }
      return fiber.pollUnsafe()!
    },
    active: () =>
      Effect.runSyncWith(context)(Metric.snapshot)
        .filter((metric) => metric.id === Telemetry.names.activeCalls)
        .reduce((sum, metric) => sum + (metric.state as { readonly value: number }).value, 0)
  }
}

/** What a send does: nothing but a few turns, so that there are points inside it. */
const turns = Effect.forEach([1, 2, 3], () => Effect.yieldNow, { discard: true })

const sdk = () => {
  const bulkhead = watchedBulkhead(1, 1)
  const breaker = watchedBreaker({ consecutive: 1, openFor: 1_000, maxOpenFor: 1_000 })
  const state = { sent: 0, done: 0, healthy: true, gate: undefined as Effect.Effect<void> | undefined }
  const events: Array<Telemetry.CallObserved> = []
  class Sdk extends Integration.Service<Sdk>()(
    "test/Acme",
    {
      policy: Policy.stack(
        Policy.standard({ maxAttempts: 2, schedule: Policy.backoff({ base: 0, throttledBase: 0 }) }),
        Policy.retryNever("each attempt is looked at"),
        bulkhead.policy,
        breaker.policy
      ),
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ failure })
    },
    {
      send: Operation.mutation("send", {
        input: Schema.String,
        idempotency: Idempotency.keyed((id: string) => IdempotencyKey.derive("send", id), { lifetime: "1 day" }),
        success: Schema.String,
        classify: () => Reason.unavailable(),
        translate: {},
        send: () =>
          Effect.suspend(() => {
            state.sent++
            const gate = state.gate ?? Effect.void
            return Effect.andThen(
              Effect.andThen(turns, gate),
              Effect.suspend(() => {
                state.done++
                return state.healthy ? Effect.succeed("ok") : Effect.fail("down")
              })
            )
          })
      })
    }
  ) {}
  const build = Effect.map(
    Layer.build(Integration.layer(Sdk).pipe(Layer.provide(Telemetry.layerObserver((event) => events.push(event))))),
    (context) => Context.get(context, Sdk)
  )
  return { build, bulkhead, breaker, state, events }
}

const clocks: ReadonlyArray<readonly [string, () => Time]> = [
  [
    "a clock of its own",
    () => {
      const clock = new Standing()
      return { clock, advance: (millis) => clock.advance(millis) }
    }
  ],
  ["the live clock", () => ({ clock: undefined, advance: (millis) => void vi.advanceTimersByTime(millis) })]
]

/** Interrupts after k turns, for k from 0 until the call ends first. Returns how many points there were. */
const everyPoint = (at: (k: number) => "interrupted" | "ended"): number => {
  for (let k = 0; k < 5_000; k++) if (at(k) === "ended") return k
  throw new Error("the call does not end")
}

describe.each(clocks)("interruption at every yield point, on %s", (_name, timeOf) => {
  beforeAll(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }))
  afterAll(() => void vi.useRealTimers())

  it("a call: its permit is back, it is observed once, and the next call runs", () => {
    const points = everyPoint((k) => {
      const world = sdk()
      const { active, built, run, start, stepper } = stage(timeOf(), world.build)
      const fiber = start(built.send("o-1"))
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}: it did not end`)
      assert.strictEqual(world.bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      assert.strictEqual(world.bulkhead.permits.waiting.size, 0, `k = ${k}`)
      assert.strictEqual(active(), 0, `k = ${k}: a call counts as running`)
      // Before its first turn a call has not begun; from then on it is observed, once.
      assert.isAtMost(world.events.length, 1, `k = ${k}`)
      if (world.state.sent > 0) {
        assert.strictEqual(world.events.length, 1, `k = ${k}: what was sent was not observed`)
        assert.isFalse(Outcome.didNotHappen(world.events[0]!.outcome), `k = ${k}: ${world.events[0]!.outcome}`)
        const [attempt] = world.events[0]!.attempts
        assert.strictEqual(world.events[0]!.attempts.length, 1, `k = ${k}`)
        // An attempt is a success only if it came to its end; one that was given up says so.
        if (world.state.done === 0) {
          assert.deepStrictEqual([attempt!.reason, attempt!.outcome], ["Interrupted", "Unknown"], `k = ${k}`)
        }
      }
      assert.deepStrictEqual(run(built.send("o-2")), Exit.succeed("ok"), `k = ${k}: the next call`)
      return ended ? "ended" : "interrupted"
    })
    assert.isAbove(points, 30)
  })

  it("a half-open circuit's probe: it is handed back, and the next call is the probe", () => {
    const points = everyPoint((k) => {
      const world = sdk()
      const time = timeOf()
      const { built, run, start, stepper } = stage(time, world.build)
      world.state.healthy = false
      assert.isTrue(Exit.isFailure(run(built.send("o-0"))))
      time.advance(1_000)
      const fiber = start(built.send("o-1"))
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}: it did not end`)
      assert.strictEqual(world.bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      const state = run(world.breaker.state())
      assert.isTrue(
        Exit.isSuccess(state) && !(state.value._tag === "HalfOpen" && state.value.probing),
        `k = ${k}: the probe is lost`
      )
      // One more failure may have opened it anew; after its time the next call gets through.
      time.advance(1_000)
      world.state.healthy = true
      assert.deepStrictEqual(run(built.send("o-2")), Exit.succeed("ok"), `k = ${k}: the next call`)
      const closed = run(world.breaker.state())
      assert.isTrue(Exit.isSuccess(closed) && closed.value._tag === "Closed")
      return ended ? "ended" : "interrupted"
    })
    assert.isAbove(points, 30)
  })

  it("in the queue, while the permit is handed over: nobody has it twice, and nobody loses it", () => {
    // The holder ends after j turns of the whole, and the one behind it is interrupted after k.
    const lengths = new Set<number>()
    for (let j = 0; j < 60; j += 7) {
      const points = everyPoint((k) => {
        const world = sdk()
        const { built, run, start, stepper } = stage(timeOf(), world.build)
        let open: (() => void) | undefined
        world.state.gate = Effect.callback<void>((resume) => {
          open = () => resume(Effect.void)
        })
        const holder = start(built.send("o-1"))
        stepper.drain()
        world.state.gate = undefined
        const waiting = start(built.send("o-2"))
        let ended = false
        for (let n = 0; n < Math.max(j, k) + 1; n++) {
          if (n === j) open!()
          if (n === k) {
            ended = waiting.pollUnsafe() !== undefined
            waiting.interruptUnsafe()
          }
          if (!stepper.step() && n > j && n > k) break
        }
        stepper.drain()
        assert.isDefined(holder.pollUnsafe(), `j = ${j}, k = ${k}`)
        assert.isDefined(waiting.pollUnsafe(), `j = ${j}, k = ${k}`)
        assert.deepStrictEqual(holder.pollUnsafe(), Exit.succeed("ok"))
        assert.strictEqual(world.bulkhead.permits.taken, 0, `j = ${j}, k = ${k}: a permit is lost`)
        assert.strictEqual(world.bulkhead.permits.waiting.size, 0, `j = ${j}, k = ${k}`)
        assert.isAtMost(world.events.length, 2)
        assert.deepStrictEqual(run(built.send("o-3")), Exit.succeed("ok"), `j = ${j}, k = ${k}: the next call`)
        return ended ? "ended" : "interrupted"
      })
      lengths.add(points)
    }
    assert.isAbove(Math.min(...lengths), 30)
  })

  it("over HTTP, in the body too: permits, probe, event, and nothing that happened is said not to have", () => {
    const points = everyPoint((k) => {
      const bulkhead = watchedBulkhead(1, 1)
      const breaker = watchedBreaker({ consecutive: 1, openFor: 1_000, maxOpenFor: 1_000 })
      const events: Array<Telemetry.CallObserved> = []
      const provider = FaultInjection.make({
        respond: () => ({ body: thing, headers: { "transfer-encoding": "chunked" } }),
        faults: [FaultInjection.status(500)]
      })
      const policy = Policy.stack(Policy.standard(), Policy.retryNever("once"), bulkhead.policy, breaker.policy)
      const time = timeOf()
      const { built, run, start, stepper } = stage(
        time,
        Effect.map(
          Layer.build(
            HttpIntegration.layer(Acme, { baseUrl: "https://acme.example", policy: { charge: policy } }).pipe(
              Layer.provide([
                provider.layer,
                Telemetry.layerObserver((event) => events.push(event)),
                Layer.succeed(Lookup, { find: () => Effect.succeed(Option.none()) })
              ])
            )
          ),
          (context) => Context.get(context, Acme)
        )
      )
      const call = built.charge({ payload: { order: "o-1", amount: 2 } })
      assert.isTrue(Exit.isFailure(run(call)))
      time.advance(1_000)
      const fiber = start(call)
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}: it did not end`)
      assert.strictEqual(bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      const state = run(breaker.state())
      assert.isTrue(Exit.isSuccess(state) && !(state.value._tag === "HalfOpen" && state.value.probing), `k = ${k}`)
      if (provider.ledger.length > 0) {
        assert.strictEqual(events.length, 2, `k = ${k}`)
        assert.isFalse(Outcome.didNotHappen(events[1]!.outcome), `k = ${k}: ${JSON.stringify(events[1])}`)
      }
      time.advance(1_000)
      assert.deepStrictEqual(run(call), Exit.succeed(thing), `k = ${k}: the next call`)
      return ended ? "ended" : "interrupted"
    })
    assert.isAbove(points, 60)
  })
})

describe("the permits alone", () => {
  it("are given back at whatever point a waiting fiber is interrupted", () => {
    const permits = new Permits(1, 3)
    const tickets = [{ held: false }, { held: false }, { held: false }]
    assert.isTrue(permits.take(tickets[0]!))
    for (const ticket of tickets.slice(1)) permits.join(ticket, () => true, 0)
    const fibers = tickets.map((ticket) => Effect.runFork(permits.wait(ticket)))
    assert.deepStrictEqual(
      tickets.map(({ held }) => held),
      [true, false, false]
    )
    fibers[1]!.interruptUnsafe()
    permits.release(tickets[0]!)
    assert.deepStrictEqual(
      tickets.map(({ held }) => held),
      [true, false, true]
    )
    assert.strictEqual(permits.taken, 1)
    permits.release(tickets[2]!)
    assert.strictEqual(permits.taken, 0)
  })
})
