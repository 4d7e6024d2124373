// I6: exactly one CallObserved per logical call, rejections, interruptions and defects included.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Arbitrary, Context, Effect, Exit, Fiber, Layer, Metric, Schedule, Schema, SchemaGetter, Tracer } from "effect"
import { TestClock } from "effect/testing"
import {
  between,
  Failed,
  interruptAtOnce,
  oneOf,
  seed,
  seededly,
  tries,
  callOf,
  type World,
  world,
  script
} from "./support.ts"

const boom = (where: string) => new Error(`boom in ${where}`)

/** What goes wrong in code that is not the library's. */
const flaws = [
  "nothing",
  "send fails",
  "send dies",
  "send throws",
  "send answers nonsense",
  "send never ends",
  "derive throws",
  "derive returns no key",
  "input is invalid",
  "encoding the input dies",
  "classify throws",
  "translate throws",
  "orElse throws",
  "fallback dies",
  "the schedule dies",
  "an attempt layer throws",
  "an attempt layer dies before",
  "an attempt layer dies after",
  "a call layer throws",
  "a call layer dies before",
  "a call layer dies after",
  "the breaker's key throws"
] as const

type Flaw = (typeof flaws)[number]

class SdkError extends Schema.TaggedError<SdkError>()("SdkError", {}) {}

const flawed = (slot: "attempt" | "call", how: string): Policy.Policy<never, "any"> =>
  Policy.make({
    slot: slot as "call",
    name: how,
    build: () =>
      Effect.succeed((step: Policy.CallStep): Policy.CallStep => (call) => {
        const defect = Effect.die(boom(how))
        if (how.endsWith("throws")) throw boom(how)
        return how.endsWith("before") ? defect : Effect.flatMap(Effect.exit(step(call)), () => defect)
      })
  })

const build = (flaw: Flaw) =>
  Effect.gen(function* () {
    const events: Array<Telemetry.CallObserved> = []
    const Input = Schema.String.pipe(
      Schema.decodeTo(Schema.String.check(Schema.isMinLength(1)), {
        decode: SchemaGetter.passthrough(),
        encode:
          flaw === "encoding the input dies"
            ? SchemaGetter.transformEffect(() => Effect.die(boom("encode")))
            : SchemaGetter.passthrough()
      })
    )
    const policy = Policy.stack(
      Policy.totalDeadline("4 seconds"),
      Policy.retry(
        flaw === "the schedule dies"
          ? Schedule.fromStep(Effect.succeed(() => Effect.die(boom("schedule"))))
          : Policy.backoff(),
        { maxAttempts: 3 }
      ),
      Policy.attemptTimeout("1 second"),
      Policy.breaker({
        consecutive: 4,
        key: (call) => {
          if (flaw === "the breaker's key throws") throw boom("key")
          return call.integration
        }
      }),
      Policy.bulkhead({ concurrency: 1, queue: 2 }),
      flaw.startsWith("an attempt layer") ? flawed("attempt", flaw) : Policy.noop,
      flaw.startsWith("a call layer") ? flawed("call", flaw) : Policy.noop
    )
    class Sdk extends Integration.Service<Sdk>()(
      "test/Sdk",
      {
        policy,
        exhausted: Exhaustion.fallbackUnlessItHappened("a test", () =>
          flaw === "fallback dies" ? Effect.die(boom("fallback")) : Effect.succeed("fell back")
        ),
        orElse: (failure) => {
          if (flaw === "orElse throws") throw boom("orElse")
          return new Failed({ failure })
        }
      },
      {
        send: Operation.mutation("send", {
          input: Input,
          idempotency: Idempotency.keyed(
            (input: string) => {
              if (flaw === "derive throws") throw boom("derive")
              return flaw === "derive returns no key" ? ("key" as never) : IdempotencyKey.derive("send", input)
            },
            { lifetime: "forever" }
          ),
          success: Schema.String,
          classify: (_error: SdkError) => {
            if (flaw === "classify throws") throw boom("classify")
            return flaw === "translate throws" ? undefined : Reason.throttled()
          },
          translate: {
            SdkError: () => {
              if (flaw === "translate throws") throw boom("translate")
              return new Failed({ failure: undefined as never })
            }
          },
          send: () => {
            switch (flaw) {
              case "send throws":
                throw boom("send")
              case "send dies":
                return Effect.die(boom("send"))
              case "send never ends":
                return Effect.never
              case "send answers nonsense":
                return Effect.succeed(7)
              case "send fails":
              case "classify throws":
              case "translate throws":
              case "the schedule dies":
              case "fallback dies":
                return Effect.fail(new SdkError())
              default:
                return Effect.delay(Effect.succeed("sent"), 50)
            }
          }
        })
      }
    ) {}
    const layer = Integration.layer(Sdk).pipe(
      Layer.provide(Telemetry.layerObserver((event) => events.push(event))),
      Layer.provide(
        Telemetry.layerObserver(() => {
          throw boom("an observer")
        })
      ),
      Layer.orDie
    )
    const sdk = Context.get(yield* Layer.build(layer), Sdk)
    return { sdk, events }
  })

/** Counts how often each span ends. */
const countingTracer = () => {
  const ends = new Map<Tracer.Span, number>()
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      ends.set(span, 0)
      const end = span.end.bind(span)
      span.end = (...args) => {
        ends.set(span, ends.get(span)! + 1)
        end(...args)
      }
      return span
    }
  })
  return { tracer, ends }
}

const activeCalls = (operation: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter(
        (metric) =>
          metric.id === Telemetry.names.activeCalls && metric.attributes?.[Telemetry.names.operation] === operation
      )
      .map((metric) => (metric.state as { readonly value: number }).value)
  )

describe("I6: one event per call", () => {
  it.effect.prop(
    "whatever code of somebody else's does: fails, throws, dies, never ends, is given up",
    {
      seed,
      flaw: oneOf(flaws),
      callers: between(1, 5),
      giveUp: Arbitrary.array(between(0, 3_000), { maxLength: 2 })
    },
    ({ callers, flaw, giveUp, seed }) =>
      Effect.gen(function* () {
        const { ends, tracer } = countingTracer()
        const { events, sdk } = yield* build(flaw)
        const input = flaw === "input is invalid" ? "" : "x"
        yield* Effect.gen(function* () {
          const fibers = yield* Effect.forEach(Array.from({ length: callers }), () =>
            Effect.forkChild(sdk.send(input), { startImmediately: true })
          )
          let passed = 0
          for (const [index, at] of giveUp.toSorted((a, b) => a - b).entries()) {
            yield* TestClock.adjust(at - passed)
            passed = at
            const fiber = fibers[index]
            if (fiber !== undefined) yield* interruptAtOnce(fiber)
          }
          yield* TestClock.adjust("1 minute")
          for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), "a call did not end")
          assert.strictEqual(events.length, callers)
          for (const fiber of fibers) {
            const exit = yield* Fiber.await(fiber)
            // Defects of `translate` and `orElse` are the application's own answer; every other one is a typed failure.
            if (flaw !== "orElse throws" && flaw !== "translate throws" && Exit.isFailure(exit)) {
              assert.isTrue(Exit.hasInterrupts(exit) || Exit.hasFails(exit), `${flaw}: a defect escaped`)
            }
          }
          const spans = [...ends].filter(([span]) => span.kind === "internal")
          assert.strictEqual(spans.length, callers)
          for (const [span, times] of ends) assert.strictEqual(times, 1, `the span ${span.name} ended ${times} times`)
          assert.deepStrictEqual(yield* activeCalls("send"), [0])
        }).pipe(Effect.withTracer(tracer), Effect.provideService(Metric.MetricRegistry, new Map()))
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect.prop(
    "whatever the provider does, and when the integration shuts down in the middle",
    { seed, faults: script(), calls: between(1, 4), closeAt: between(0, 3_000) },
    ({ calls, closeAt, faults, seed }) =>
      Effect.gen(function* () {
        let built: World | undefined
        yield* Effect.forkChild(
          Effect.scoped(
            Effect.gen(function* () {
              built = yield* world({ faults, http: { drain: "500 millis" } })
              yield* Effect.sleep(closeAt)
            })
          )
        )
        yield* TestClock.adjust(0)
        const { acme, events, provider } = built!
        // They start before, while, and after the layer closes.
        const fibers = yield* Effect.forEach(Array.from({ length: calls }), (_, n) =>
          Effect.forkChild(Effect.delay(callOf(acme, "charge", `o-${n}`), n * 900))
        )
        yield* TestClock.adjust("1 minute")
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), "a call did not end")
        assert.strictEqual(events.length, calls)
        for (const event of events) {
          // Turned away: the layer had closed, and nothing was sent.
          if (event.startedAt > closeAt) assert.deepStrictEqual(event.attempts, [])
        }
        assert.isTrue(provider.requests.every((request) => request.at <= closeAt + 500))
      }).pipe(seededly(seed)),
    tries(60)
  )
})
