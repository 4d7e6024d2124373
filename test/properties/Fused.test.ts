// The fused runner against the composed form, which is the reference: the same calls, against the same faults, under the
// same clock, with and without a layer that does nothing but keep an operation composed. What comes out must be the same:
// exits, events, spans, metrics and requests, with their times.
import { assert, describe, it } from "@effect/vitest"
import { Deadline, Exhaustion, Idempotency, Integration, Operation, Policy, type Reason, Telemetry } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import {
  Arbitrary,
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Random,
  Schema,
  type Scope,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import { running } from "../../src/internal/deadlines.ts"
import { ownClock, stage } from "./stepping.ts"
import {
  between,
  callOf,
  Failed,
  failureOf,
  type Name,
  oneOf,
  quiet,
  say,
  Said,
  script as scriptOf,
  seed,
  tries,
  world
} from "./support.ts"

/** Does nothing: but an operation with a layer of an application is not fused. */
const plain = Policy.make({ slot: "call", name: "plain", observes: true, build: () => Effect.succeed((step) => step) })

// ---- what can be seen of a run

class Recorded extends Tracer.NativeSpan {
  private readonly number: number
  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], number: number) {
    super(options)
    this.number = number
  }
  override get spanId(): string {
    return `s${this.number}`
  }
  override get traceId(): string {
    return Option.match(this.parent, { onNone: () => `t${this.number}`, onSome: ({ traceId }) => traceId })
  }
}

const spanOf = (span: Recorded) => ({
  name: span.name,
  kind: span.kind,
  spanId: span.spanId,
  traceId: span.traceId,
  parent: Option.getOrUndefined(span.parent)?.spanId,
  attributes: Object.fromEntries([...span.attributes].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  events: span.events,
  startTime: span.startTime,
  status:
    span.status._tag === "Ended"
      ? { endTime: span.status.endTime, exit: plainExit(span.status.exit) }
      : span.status._tag
})

/** An exit without the numbers of fibers. */
const plainExit = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit)
    ? { value: exit.value }
    : exit.cause.reasons.map((reason) =>
        Cause.isInterruptReason(reason)
          ? "interrupted"
          : Cause.isFailReason(reason)
            ? { failed: plainError(reason.error) }
            : { died: String(reason.defect) }
      )

const plainError = (error: unknown): unknown => {
  if (!(error instanceof Failed)) return String(error)
  const { attempts, correlationId, elapsed, key, outcome, reason, retryAfter, stopped } = error.failure
  return { attempts, correlationId, elapsed, key, outcome, reason: [reason._tag, reason.message], retryAfter, stopped }
}

interface Seen {
  readonly exits: ReadonlyArray<unknown>
  readonly events: ReadonlyArray<Telemetry.CallObserved>
  readonly spans: ReadonlyArray<unknown>
  readonly metrics: ReadonlyArray<unknown>
  readonly requests: ReadonlyArray<unknown>
  readonly endedAt: number
}

/** Runs a program by a clock, a tracer and a registry of its own, and tells all that it left. */
const seenOf = <R>(
  name: string,
  program: Effect.Effect<Pick<Seen, "exits" | "events" | "requests">, never, R>
): Effect.Effect<Seen, never, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const spans: Array<Recorded> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Recorded(options, spans.length)
        spans.push(span)
        return span
      }
    })
    const { endedAt, left, snapshot } = yield* Effect.gen(function* () {
      const left = yield* program
      return { left, snapshot: yield* Metric.snapshot, endedAt: yield* Clock.currentTimeMillis }
    }).pipe(
      Effect.scoped,
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      (self) => Random.withSeed(self, name),
      Effect.provide(Layer.mergeAll(quiet, TestClock.layer()))
    )
    const metrics = snapshot
      .map(({ attributes, id, state }) => ({ id, attributes, state }))
      .toSorted((a, b) => (JSON.stringify([a.id, a.attributes]) < JSON.stringify([b.id, b.attributes]) ? -1 : 1))
    return { ...left, spans: spans.map(spanOf), metrics, endedAt }
  }) as never

/** Runs it on a fiber and lets virtual time pass, in steps that let promises end too. */
const passing = <A, E, R>(self: Effect.Effect<A, E, R>, step: number, steps: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    for (let n = 0; n < steps && fiber.pollUnsafe() === undefined; n++) {
      yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust(step)
    }
    return yield* Effect.orDie(Fiber.join(fiber))
  })

interface Caller {
  readonly at: number
  readonly gives: number
  readonly patience: "waits" | "gives up" | "has a deadline"
}

const callers = (calls: ReadonlyArray<Effect.Effect<unknown, unknown>>, plans: ReadonlyArray<Caller>) =>
  Effect.forEach(
    calls,
    (call, n) => {
      const { at, gives, patience } = plans[n % plans.length]!
      const patient =
        patience === "waits"
          ? call
          : patience === "gives up"
            ? Effect.timeoutOption(call, gives)
            : Deadline.within(call, gives)
      return Effect.map(Effect.exit(Effect.delay(patient, at)), plainExit)
    },
    { concurrency: "unbounded" }
  )

const same = <R>(run: (extra: Policy.Policy<never, "any">) => Effect.Effect<Seen, never, R>) =>
  Effect.gen(function* () {
    const fused = yield* run(Policy.noop)
    const composed = yield* run(plain)
    assert.deepStrictEqual(fused.exits, composed.exits, "exits")
    assert.deepStrictEqual(fused.events, composed.events, "events")
    assert.deepStrictEqual(fused.requests, composed.requests, "requests")
    assert.deepStrictEqual(fused.spans, composed.spans, "spans")
    assert.deepStrictEqual(fused.metrics, composed.metrics, "metrics")
    assert.strictEqual(fused.endedAt, composed.endedAt)
  })

// ---- an operation without HTTP

type Act =
  | { readonly _tag: "answers"; readonly after: number; readonly value: unknown }
  | { readonly _tag: "says"; readonly after: number; readonly verdict: Reason.Verdict }
  | { readonly _tag: "throws" | "dies" | "hangs" }

const acts: ReadonlyArray<Act> = [
  { _tag: "answers", after: 0, value: "a" },
  { _tag: "answers", after: 0, value: "b" },
  { _tag: "answers", after: 120, value: "c" },
  { _tag: "answers", after: 0, value: 1 },
  { _tag: "says", after: 0, verdict: { reason: "Unavailable" } },
  { _tag: "says", after: 60, verdict: { reason: "Unavailable" } },
  { _tag: "says", after: 0, verdict: { reason: "Throttled", retryAfter: Duration.millis(300) } },
  { _tag: "says", after: 0, verdict: { reason: "Throttled", retryAfter: Duration.hours(1) } },
  { _tag: "says", after: 0, verdict: { reason: "Rejected" } },
  { _tag: "says", after: 0, verdict: { reason: "Disconnected" } },
  { _tag: "throws" },
  { _tag: "dies" },
  { _tag: "hangs" }
]

/** An operation whose n-th send does the n-th act, as an effect or as a promise. */
const played = (script: ReadonlyArray<Act>, promised: boolean, policy: Policy.Policy<Policy.Provides, "any">) =>
  Effect.gen(function* () {
    const sent: Array<unknown> = []
    const events: Array<Telemetry.CallObserved> = []
    const context = yield* Effect.context<never>()
    const clock = yield* Clock.Clock
    const next = (): Act => {
      sent.push(clock.currentTimeMillisUnsafe())
      return script[(sent.length - 1) % script.length]!
    }
    const effectOf = (act: Act): Effect.Effect<unknown, Said> => {
      switch (act._tag) {
        case "answers":
          return act.after === 0 ? Effect.succeed(act.value) : Effect.delay(Effect.succeed(act.value), act.after)
        case "says":
          return act.after === 0 ? say(act.verdict) : Effect.delay(say(act.verdict), act.after)
        case "throws":
          throw new Said({ verdict: { reason: "Failed" } })
        case "dies":
          return Effect.die(new Error("a defect"))
        case "hangs":
          return Effect.never
      }
    }
    const options = {
      success: Schema.String,
      idempotency: Idempotency.inherent("the same effect"),
      classify: ({ verdict }: Said) => verdict
    }
    class Played extends Integration.Service<Played>()(
      "test/Played",
      { policy, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
      {
        effect: Operation.mutation("effect", {
          ...options,
          translate: { Said: () => undefined as never },
          send: () => Effect.suspend(() => effectOf(next()))
        }),
        promise: Operation.fromPromise("promise", {
          ...options,
          classify: (error: unknown) => (error instanceof Said ? error.verdict : undefined),
          call: (_, { signal }) => {
            const act = next()
            signal.addEventListener("abort", () => sent.push("aborted"))
            return Effect.runPromiseWith(context)(effectOf(act), { signal })
          }
        })
      }
    ) {}
    const layer = Layer.provide(
      Integration.layer(Played),
      Telemetry.layerObserver((event) => events.push(event))
    )
    const client = Context.get(yield* Effect.orDie(Layer.build(layer)), Played)
    return { call: promised ? () => client.promise() : () => client.effect(), sent, events }
  })

const caller = {
  at: between(0, 400),
  gives: between(1, 2_000),
  patience: oneOf(["waits", "waits", "gives up", "has a deadline"] as const)
}

const numbers = {
  max: between(1, 4),
  attempt: oneOf([50, 200, 1_000, 3_000]),
  total: oneOf([200, 1_000, 3_000, 10_000]),
  failures: between(1, 6),
  concurrency: between(1, 4),
  waiting: between(0, 3),
  capacity: oneOf([14, 40, 500])
}

const policyOf = (
  n: { readonly [K in keyof typeof numbers]: number },
  extra: Policy.Policy<never, "any">
): Policy.Policy<Policy.Provides, "any"> =>
  Policy.stack(
    Policy.totalDeadline(Math.max(n.total, n.attempt)),
    Policy.budget({ name: "own", capacity: n.capacity }),
    n.max === 1 ? Policy.retryNever("one is enough") : Policy.retry(Policy.backoff(), { maxAttempts: n.max }),
    Policy.breaker({ consecutive: n.failures, openFor: "1 second" }),
    Policy.bulkhead({ concurrency: n.concurrency, queue: n.waiting, key: "operation" }),
    Policy.attemptTimeout(n.attempt),
    extra
  )

const some = { max: 2, attempt: 50, total: 200, failures: 1, concurrency: 1, waiting: 0, capacity: 500 } as const

const fusedNames: ReadonlyArray<Name> = ["get", "put", "charge", "pay", "graph", "mail"]

describe("the fused runner is the composed form", () => {
  it("and is not compared with itself", () => {
    const planned = (extra: Policy.Policy<never, "any">) => {
      class Planned extends Integration.Service<Planned>()(
        "test/Planned",
        { policy: policyOf(some, extra), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        { get: Operation.query("get", { success: Schema.String, translate: {}, send: () => Effect.succeed("") }) }
      ) {}
      return Integration.plan(Planned).operations[0]!.composedBecause
    }
    assert.isUndefined(planned(Policy.noop))
    assert.strictEqual(planned(plain), "plain is a layer that is not fused")
  })

  it.effect.prop(
    "over HTTP, whatever the provider does, whoever gives up and when",
    {
      seed,
      faults: scriptOf(FaultInjection.all, { minLength: 1, maxLength: 8 }),
      name: oneOf(fusedNames),
      count: between(1, 6),
      a: caller.at,
      b: caller.at,
      gives: caller.gives,
      patience: caller.patience,
      ...numbers
    },
    ({ a, b, count, faults, gives, name, patience, seed, ...n }) =>
      same((extra) =>
        seenOf(
          String(seed),
          Effect.gen(function* () {
            const { acme, events, provider } = yield* world({ faults, only: [name], policy: policyOf(n, extra) })
            const calls = Array.from({ length: count }, (_, at) => callOf(acme, name, `o-${at % 3}`))
            const plans: ReadonlyArray<Caller> = [
              { at: a, gives, patience: "waits" },
              { at: b, gives, patience }
            ]
            const exits = yield* passing(callers(calls, plans), 250, 400)
            return { exits, events, requests: provider.requests }
          })
        )
      ),
    tries(150)
  )

  it.effect.prop(
    "around effects and promises, that fail, throw, hang, or answer what nobody can read",
    {
      seed,
      acts: Arbitrary.array(oneOf(acts), { minLength: 1, maxLength: 10 }),
      promised: between(0, 1),
      count: between(1, 6),
      a: caller.at,
      b: caller.at,
      gives: caller.gives,
      patience: caller.patience,
      ...numbers
    },
    ({ a, acts: script, b, count, gives, patience, promised, seed, ...n }) =>
      same((extra) =>
        seenOf(
          String(seed),
          Effect.gen(function* () {
            const { call, events, sent } = yield* played(script, promised === 1, policyOf(n, extra))
            const calls = Array.from({ length: count }, () => call())
            const plans: ReadonlyArray<Caller> = [
              { at: a, gives, patience: "waits" },
              { at: b, gives, patience }
            ]
            const exits = yield* passing(callers(calls, plans), 50, 800)
            return { exits, events, requests: sent }
          })
        )
      ),
    tries(150)
  )
})

// ---- interruption

const steps = Effect.forEach([1, 2, 3], () => Effect.yieldNow, { discard: true })

/** One permit and nobody waits, a circuit that opens at once: what is not given back is missing to the next call. */
const narrow = () => {
  const events: Array<Telemetry.CallObserved> = []
  const state = { sent: 0, aborted: 0 }
  class Narrow extends Integration.Service<Narrow>()(
    "test/Narrow",
    {
      policy: policyOf({ ...some, max: 1 }, Policy.noop),
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ failure })
    },
    {
      effect: Operation.query("effect", {
        success: Schema.String,
        translate: {},
        send: () =>
          Effect.onInterrupt(
            Effect.suspend(() => {
              state.sent++
              return Effect.as(steps, "ok")
            }),
            () => Effect.sync(() => void state.aborted++)
          )
      })
    }
  ) {}
  const build = Effect.map(
    Layer.build(
      Layer.provide(
        Integration.layer(Narrow),
        Telemetry.layerObserver((event) => events.push(event))
      )
    ),
    (context) => Context.get(context, Narrow)
  )
  return { build, events, state }
}

describe.each([
  ["a clock of its own", ownClock],
  ["the live clock", () => ({ clock: undefined, advance: () => {} })]
] as const)("the fused runner, interrupted at every yield point, on %s", (_name, timeOf) => {
  it("gives all back, tells of it once, and the next call runs", () => {
    let points = 0
    for (let ended = false; !ended; points++) {
      const world = narrow()
      const { active, built, run, start, stepper } = stage(timeOf(), world.build)
      const fiber = start(built.effect())
      for (let n = 0; n < points; n++) stepper.step()
      ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${points}: it did not end`)
      assert.strictEqual(active(), 0, `k = ${points}: a call counts as running`)
      assert.isAtMost(world.events.length, 1, `k = ${points}`)
      if (world.state.sent > 0) {
        const [event] = world.events
        assert.strictEqual(world.events.length, 1, `k = ${points}: what was sent was not observed`)
        assert.strictEqual(event!.attempts.length, 1, `k = ${points}`)
        assert.notStrictEqual(event!.outcome, "NotSent", `k = ${points}`)
      }
      assert.deepStrictEqual(run(built.effect()), Exit.succeed("ok"), `k = ${points}: the next call`)
      assert.strictEqual(running(), 0, `k = ${points}: a time limit is left`)
    }
    assert.isAbove(points, 8)
  })
})

describe("a tracer that throws", () => {
  it.live("as a try ends, fails the call, and leaves none without an end", () =>
    Effect.gen(function* () {
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          if (options.kind === "client") {
            span.end = () => {
              throw new Error("no tracer")
            }
          }
          return span
        }
      })
      const { call } = yield* played(
        [{ _tag: "answers", after: 0, value: "a" }],
        true,
        policyOf({ ...some, max: 1, failures: 5 }, Policy.noop)
      )
      const exit = yield* Effect.exit(Effect.provideService(call(), Tracer.Tracer, tracer))
      assert.strictEqual(failureOf(exit)?.reason._tag, "Failed")
      assert.strictEqual(yield* call(), "a", "its permit is back")
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )
})
