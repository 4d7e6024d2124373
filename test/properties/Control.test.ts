// Whatever an operator does while calls run: every call has one event and an end, nothing is held, and after `resume` the
// integration behaves as one that was just built.
import { assert, describe, it } from "@effect/vitest"
import { type Call, Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { Arbitrary, Cause, Clock, Context, Data, Effect, Exit, Fiber, Layer, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import { between, oneOf, seed, seededly, settle, tries } from "./support.ts"

class Failed extends Data.TaggedError("Failed")<{ readonly why: string }> {}
class Down extends Data.TaggedError("Down")<{}> {}

/** What a send does: how long it takes, and whether it fails. */
interface Send {
  readonly takes: number
  readonly fails: boolean
}

/** A built integration, what was observed of it, and when it sent. */
const build = Effect.gen(function* () {
  const world = {
    next: (): Send => ({ takes: 0, fails: false }),
    sent: [] as Array<number>,
    events: [] as Array<Telemetry.CallObserved>
  }
  const send = () =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.suspend(() => {
        world.sent.push(now)
        const { fails, takes } = world.next()
        const end = fails ? Effect.fail(new Down()) : Effect.succeed("ok")
        return takes === 0 ? end : Effect.delay(end, takes)
      })
    )
  const query = (name: string) =>
    Operation.query(name, {
      success: Schema.String,
      classify: () => ({ reason: "Unavailable" as const }),
      translate: { Down: () => new Failed({ why: "Down" }) },
      send
    })
  class Shop extends Integration.Service<Shop>()(
    "test/Shop",
    {
      policy: Policy.stack(
        Policy.totalDeadline("6 seconds"),
        Policy.budget({ capacity: 200, refund: 200 }),
        Policy.retry(Policy.backoff({ base: 100 }), { maxAttempts: 3 }),
        Policy.hedge({ after: 700 }),
        Policy.attemptTimeout("1 second")
      ),
      shared: Policy.stack(
        Policy.breaker({ consecutive: 3, rate: false, openFor: 400, maxOpenFor: 800 }),
        Policy.rateLimit({ limit: 20, window: "1 second" }),
        Policy.bulkhead({ concurrency: 2, queue: 2 })
      ),
      exhausted: Exhaustion.fail,
      orElse: ({ reason }) => new Failed({ why: reason._tag })
    },
    { charge: query("charge"), find: query("find") }
  ) {}
  const layer = Integration.layer(Shop).pipe(
    Layer.provide(Telemetry.layerObserver((event) => world.events.push(event))),
    Layer.orDie
  )
  const context = yield* Layer.build(Layer.fresh(layer))
  const control = yield* Effect.provide(Integration.control(Shop), context)
  return { world, methods: Context.get(context, Shop), control }
})

type Built = Effect.Success<typeof build>

const told = (exit: Exit.Exit<string, Failed>): string =>
  Exit.match(exit, {
    onSuccess: (value) => value,
    onFailure: (cause) => (Cause.hasInterruptsOnly(cause) ? "interrupted" : (Cause.squash(cause) as Failed).why)
  })

/** Jitter leaves parts of a millisecond, of which sums at another time of day differ in the last bits. */
const round = (millis: number) => Math.round(millis * 100) / 100

/** What a layer that was just built shows. */
let expected: Effect.Success<ReturnType<typeof behaviour>> | undefined

/** What can be seen of a run of calls that meets every layer: bursts, slow answers, and an outage. */
const behaviour = ({ methods, world }: Built) =>
  Effect.gen(function* () {
    // A second that begins, on a clock that rests: what counts by windows starts alike.
    const into = (yield* Clock.currentTimeMillis) % 60_000
    yield* TestClock.adjust(60_000 - into)
    const start = yield* Clock.currentTimeMillis
    world.sent.length = 0
    world.events.length = 0
    const ended: Array<string> = []
    const burst = (calls: number, send: Send) =>
      Effect.gen(function* () {
        world.next = () => send
        const fibers = yield* Effect.forEach(Array.from({ length: calls }), (_, n) =>
          Effect.forkChild(Effect.exit(n % 2 === 0 ? methods.charge() : methods.find()), { startImmediately: true })
        )
        for (const fiber of fibers) {
          yield* settle(Fiber.await(fiber))
          ended.push(told(yield* Fiber.join(fiber)))
        }
      })
    yield* burst(6, { takes: 500, fails: false })
    yield* burst(25, { takes: 0, fails: false })
    yield* burst(2, { takes: 900, fails: false })
    yield* burst(3, { takes: 10, fails: true })
    yield* burst(2, { takes: 5_000, fails: false })
    return {
      ended,
      sent: world.sent.map((at) => round(at - start)),
      events: world.events.map((event) => ({
        outcome: event.callOutcome,
        latency: round(event.latency),
        queued: round(event.queueWait),
        attempts: event.attempts.map(({ elapsed, outcome, reason, waited }) => [
          reason,
          outcome,
          round(elapsed),
          round(waited)
        ]),
        decisions: event.decisions.map(({ decided, mode, policy }) => [policy, decided, mode])
      }))
    }
  })

// ---- what an operator, and everybody else, does

type Step =
  | { readonly _tag: "Call"; readonly find: boolean }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Interrupt"; readonly which: number }
  | { readonly _tag: "Mode"; readonly policy: string; readonly mode: Call.Mode; readonly find: boolean | undefined }
  | { readonly _tag: "Shadow" | "Resume" }
  | { readonly _tag: "Force"; readonly open: boolean; readonly by: "all" | "breaker" | "key" }

const policies = [
  "totalDeadline",
  "budget",
  "retry",
  "hedge",
  "circuitBreaker",
  "rateLimit",
  "bulkhead",
  "attemptTimeout"
]

const step: Arbitrary.Arbitrary<Step> = Arbitrary.map(
  Arbitrary.array(between(0, 0xffff), { minLength: 4, maxLength: 4 }),
  ([kind, a, b, c]): Step => {
    const pick = <A>(values: ReadonlyArray<A>, n: number | undefined): A => values[n! % values.length]!
    switch (kind! % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        return { _tag: "Call", find: a! % 2 === 1 }
      case 4:
      case 5:
        return { _tag: "Wait", millis: a! % 900 }
      case 6:
        return { _tag: "Interrupt", which: a! }
      case 7:
      case 8:
      case 9:
        return {
          _tag: "Mode",
          policy: pick(policies, a),
          mode: pick(["off", "observe", "enforce"] as const, b),
          find: pick([undefined, true, false], c)
        }
      case 10:
        return { _tag: pick(["Shadow", "Resume"] as const, a) }
      default:
        return { _tag: "Force", open: a! % 2 === 0, by: pick(["all", "breaker", "key"] as const, b) }
    }
  }
)

describe("a control while calls run", () => {
  it.effect.prop(
    "no permit leaks, every call has one event, and `resume` leaves nothing behind",
    { seed, steps: Arbitrary.array(step, { minLength: 4, maxLength: 40 }), failing: oneOf([0, 0.3, 0.9]) },
    ({ failing, seed, steps }) =>
      Effect.gen(function* () {
        const used = yield* build
        const { control, methods, world } = used
        const draws = yield* Effect.forEach(Array.from({ length: 64 }), () => Random.next)
        let n = 0
        world.next = () => ({ takes: Math.floor(draws[n++ % 64]! * 1_500), fails: draws[n++ % 64]! < failing })
        const fibers: Array<Fiber.Fiber<Exit.Exit<string, Failed>>> = []
        for (const step of steps) {
          switch (step._tag) {
            case "Call":
              fibers.push(
                yield* Effect.forkChild(Effect.exit(step.find ? methods.find() : methods.charge()), {
                  startImmediately: true
                })
              )
              break
            case "Wait":
              yield* TestClock.adjust(step.millis)
              break
            case "Interrupt":
              fibers[step.which % Math.max(1, fibers.length)]?.interruptUnsafe()
              break
            case "Mode":
              yield* control.setMode({
                policy: step.policy,
                mode: step.mode,
                ...(step.find === undefined ? {} : { operation: step.find ? "find" : "charge" })
              })
              break
            case "Shadow":
              yield* control.shadow()
              break
            case "Resume":
              yield* control.resume()
              break
            case "Force":
              yield* (step.open ? control.forceOpen : control.forceClosed)(
                step.by === "all" ? {} : { breaker: "breaker", ...(step.by === "key" ? { key: "test/Shop" } : {}) }
              )
          }
        }
        // Half of the seeds resume while calls still run.
        if (seed % 2 === 0) yield* control.resume()
        for (const fiber of fibers) yield* settle(Fiber.await(fiber))
        yield* control.resume()
        assert.strictEqual(world.events.length, fibers.length)

        const snapshot = yield* control.snapshot
        assert.isTrue(snapshot.modes.every(({ initial, mode }) => mode === initial))
        assert.isTrue(snapshot.circuits.every(({ forced }) => forced === null))
        assert.deepStrictEqual([snapshot.switchedOff, snapshot.forced], [false, []])

        // What enforces remembers what it has seen, and that is no leak: so time passes, and what was spent is earned.
        world.next = () => ({ takes: 0, fails: false })
        yield* TestClock.adjust("2 hours")
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(told((yield* Effect.exit(methods.charge())) as Exit.Exit<string, Failed>), "ok")
          yield* TestClock.adjust("1 second")
        }
        yield* TestClock.adjust("2 hours")
        expected ??= yield* seededly(1)(Effect.flatMap(build, behaviour))
        assert.deepStrictEqual(yield* seededly(1)(behaviour(used)), expected)
      }).pipe(Effect.scoped, seededly(seed)),
    tries(60)
  )
})
