import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxStoreMemory,
  OutboxWorker,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Cause,
  Context,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schema,
  SchemaTransformation,
  Scope,
  Tracer
} from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { Failed, failing, quiet, say, scripted, seededly, settle } from "./properties/support.ts"

/** Collects the spans of what it is given to. */
const tracing = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, watch: Effect.withTracer(tracer) }
}
const seen = (failure: ConstructorParameters<typeof Failed>[0]["failure"]) => new Failed({ failure })
const decided = { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: seen }
const derived = Idempotency.keyed((order: string) => IdempotencyKey.derive("pay", order), { lifetime: "1 day" })

describe("the span of a call", () => {
  it.effect("has the time after which the provider wants to be asked again, in seconds, where it says one", () =>
    Effect.gen(function* () {
      for (const [retryAfter, told] of [
        [Duration.millis(90_500), 90.5],
        [undefined, undefined]
      ] as const) {
        const { spans, watch } = tracing()
        const { call } = yield* scripted({
          policy: Policy.standard({ maxAttempts: 1 }),
          send: () => say(Reason.throttled({ retryAfter }))
        })
        yield* settle(watch(call))
        const span = spans.find(({ name }) => name === "test/Scripted send")!
        assert.strictEqual(span.attributes.get("breakwater.retry_after"), told)
      }
    }).pipe(seededly(1))
  )

  it.effect("has its waits in seconds, and an event for each decision that is no retry", () =>
    Effect.gen(function* () {
      const { spans, watch } = tracing()
      const { call, events, other } = yield* scripted({
        policy: Policy.stack(
          Policy.standard({ maxAttempts: 2, schedule: Policy.backoff({ base: 400, cap: 400 }) }),
          Policy.bulkhead({ concurrency: 1 }),
          Policy.withMode(Policy.breaker({ name: "looks", consecutive: 1 }), "observe")
        ),
        send: (n) =>
          n === 1
            ? Effect.delay(Effect.succeed("first"), 300)
            : n === 2
              ? say(Reason.unavailable())
              : Effect.succeed("third")
      })
      yield* TestClock.setTime(1_000)
      const holder = yield* Effect.forkChild(other, { startImmediately: true })
      yield* settle(watch(call))
      yield* Fiber.join(holder)
      const event = events.find(({ operation }) => operation === "send")!
      const span = spans.find(({ name }) => name === "test/Scripted send")!
      assert.strictEqual(event.queueWait, 300)
      assert.isAbove(event.retryDelay, 0)
      assert.strictEqual(span.attributes.get("breakwater.queue_wait"), 0.3)
      assert.strictEqual(span.attributes.get("breakwater.retry_delay"), event.retryDelay / 1000)
      const told = span.events.filter(([name]) => name === "breakwater.policy")
      assert.deepStrictEqual(
        told.map(([, at, attributes]) => [Math.round(Number(at) / 1e6), attributes]),
        event.decisions
          .filter(({ decided }) => decided !== "retried")
          .map(({ at, decided, mode, name, policy }) => [
            Math.round(at),
            {
              "breakwater.policy": policy,
              "breakwater.policy.name": name,
              "breakwater.decision": decided,
              "breakwater.mode": mode
            }
          ])
      )
      assert.include(
        event.decisions.map(({ mode, name }) => `${name} ${mode}`),
        "looks observe"
      )
      assert.include(
        event.decisions.map(({ decided }) => decided),
        "retried"
      )
    }).pipe(seededly(1))
  )

  it.effect("of a retry that is only observed has an event of it", () =>
    Effect.gen(function* () {
      const { spans, watch } = tracing()
      const { call } = yield* scripted({
        policy: Policy.stack(Policy.standard(), Policy.withMode(Policy.retry(), "observe")) as Policy.Complete,
        send: () => say(Reason.unavailable())
      })
      yield* settle(watch(call))
      assert.deepStrictEqual(
        spans[0]!.events.map(([name, , attributes]) => [name, attributes!["breakwater.decision"]]),
        [["breakwater.policy", "retried"]]
      )
    }).pipe(seededly(1))
  )
})

describe("the event of a call", () => {
  class Api extends HttpApi.make("things").add(
    HttpApiGroup.make("things").add(HttpApiEndpoint.get("get", "/things", { success: Schema.String }))
  ) {}
  class Things extends Integration.Service<Things>()(
    "test/Things",
    {
      policy: Policy.stack(Policy.standard({ maxAttempts: 1 }), Policy.hedge({ after: "100 millis", maxExtraLoad: 1 })),
      exhausted: Exhaustion.fail,
      orElse: seen
    },
    { get: HttpOperation.endpoint(Api, "things", "get") }
  ) {}

  it.effect("has the provider's id of the request that was answered, also where another was given up after it", () => {
    const events: Array<Telemetry.CallObserved> = []
    let requests = 0
    const client = HttpClient.make((request) => {
      const first = ++requests === 1
      const answer = HttpClientResponse.fromWeb(
        request,
        Response.json("done", { headers: { "request-id": `req_${requests}` } })
      )
      return first ? Effect.never : Effect.succeed(answer)
    })
    return Effect.gen(function* () {
      const things = yield* Things
      assert.deepStrictEqual(yield* settle(things.get()), Exit.succeed("done"))
      assert.deepStrictEqual(
        events.map(({ attempts, requestId }) => [
          attempts.map(({ reason, requestId }) => [reason, requestId]),
          requestId
        ]),
        [
          [
            [
              ["Success", "req_2"],
              ["Interrupted", undefined]
            ],
            "req_2"
          ]
        ]
      )
    }).pipe(
      Effect.provide(
        HttpIntegration.layer(Things, { baseUrl: "http://things.test" }).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
          Layer.provide(Telemetry.layerObserver((event) => void events.push(event)))
        )
      ),
      seededly(1)
    )
  })
})

describe("a layer of the policy that dies", () => {
  const dying = (after: boolean, cause: Cause.Cause<never> = Cause.die(new Error("a bug"))) =>
    scripted({
      policy: Policy.stack(
        Policy.standard(),
        Policy.make({
          slot: "call",
          name: "dies",
          build: () =>
            Effect.succeed(
              (step: Policy.CallStep): Policy.CallStep =>
                (call) =>
                  after ? Effect.andThen(step(call), Effect.failCause(cause)) : Effect.failCause(cause)
            )
        })
      ),
      send: () => Effect.succeed("ok")
    })

  it.effect("fails the call, and says whether it happened", () =>
    Effect.gen(function* () {
      for (const [after, outcome] of [
        [false, "NotSent"],
        [true, "Applied"]
      ] as const) {
        const { call, events } = yield* dying(after)
        const failure = yield* failing(call)
        assert.deepStrictEqual(
          [failure.reason._tag, failure.reason.message, failure.reason.outcome, failure.outcome, failure.stopped],
          ["Failed", "a layer of the policy died", outcome, outcome, "not transient"]
        )
        assert.deepStrictEqual(failure.reason.cause, new Error("a bug"))
        assert.strictEqual(events[0]!.outcome, outcome)
      }
    }).pipe(seededly(1))
  )
})

describe("a layer that closes", () => {
  it.effect("waits for every leg that could not be interrupted, after the call has ended", () =>
    Effect.gen(function* () {
      let sent = 0
      let ended = 0
      const stubborn = (millis: number) =>
        Effect.uninterruptible(
          Effect.andThen(
            Effect.sleep(millis),
            Effect.sync(() => `late ${++ended}`)
          )
        )
      class Slow extends Integration.Service<Slow>()("test/Slow", decided, {
        get: Operation.query("get", {
          success: Schema.String,
          policy: Policy.stack(
            Policy.standard(),
            Policy.hedge({ after: 100, max: 2, maxExtraLoad: 2 })
          ) as Policy.Complete,
          send: () => Effect.suspend(() => [stubborn(9_000), stubborn(4_000), Effect.succeed("ok")][sent++]!)
        })
      }) {}
      const scope = yield* Scope.make()
      const api = Context.get(yield* Layer.buildWithScope(Integration.layer(Slow, { drain: "1 minute" }), scope), Slow)
      const call = yield* Effect.forkChild(api.get(), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(call), "ok")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([ended, closing.pollUnsafe()], [0, undefined])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual([ended, closing.pollUnsafe()], [1, undefined])
      const { failure } = yield* Effect.flip(api.get() as Effect.Effect<never, Failed>)
      assert.deepStrictEqual([failure.reason._tag, failure.stopped], ["Draining", "not transient"])
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(ended, 2)
      assert.isDefined(closing.pollUnsafe())
    }).pipe(seededly(1))
  )
})

describe("calls that are stored", () => {
  class Odd extends Data.TaggedError("Odd")<{}> {}
  class Sad extends Data.TaggedError("Sad")<{}> {}
  const operation = {
    input: Schema.String,
    success: Schema.Json,
    idempotency: derived,
    send: (): Effect.Effect<string, Odd | Sad> => Effect.succeed("ok"),
    translate: { Odd: () => new Odd(), Sad: () => new Sad() }
  }
  const refusal = (exhausted: unknown, translate: object, layer: Layer.Layer<never>) =>
    Effect.gen(function* () {
      class Pay extends Integration.Service<Pay>()(
        "test/Pay",
        { ...decided, exhausted: exhausted as typeof Exhaustion.fail },
        { pay: Operation.mutation("pay", { ...operation, translate: translate as typeof operation.translate }) }
      ) {}
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(Integration.layer(Pay).pipe(Layer.provide(layer)))))
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      return error === undefined ? undefined : [error.integration, error.operation, ...error.problems]
    }).pipe(Effect.provide(quiet))
  const store = OutboxStoreMemory.layer as unknown as Layer.Layer<never>

  it.effect("need a store, and a schema for each error that a handler is told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal(Exhaustion.park, {}, Layer.empty), [
        "test/Pay",
        "pay",
        "calls are to be stored, but there is no OutboxStore: provide one to this layer"
      ])
      assert.deepStrictEqual(yield* refusal(Exhaustion.park, operation.translate, store), [
        "test/Pay",
        "pay",
        "calls are to be stored, and with them what they failed with until a handler was told: give the schema of Odd, Sad as `error`"
      ])
      assert.isUndefined(yield* refusal(Exhaustion.park, {}, store))
      assert.isUndefined(yield* refusal(Exhaustion.fail, operation.translate, Layer.empty))
    })
  )

  it.effect("are linked with the call that stored them, and their trace says whether it is sampled", () =>
    Effect.gen(function* () {
      let keys = 0
      class Pay extends Integration.Service<Pay>()("test/Pay", decided, {
        pay: Outbox.writeAhead(
          Operation.mutation("pay", {
            input: Schema.String,
            success: Schema.Json,
            idempotency: Idempotency.keyed(
              (order: string) => {
                keys++
                return IdempotencyKey.derive("pay", order)
              },
              { lifetime: "1 day" }
            ),
            send: (_, call) => (call.attempt === 1 && first ? Effect.fail("down" as const) : Effect.succeed("ok")),
            classify: () => Reason.unreachable(),
            policy: Policy.stack(Policy.standard(), Policy.retryNever("the worker goes on"))
          })
        )
      }) {}
      let first = true
      const { spans, watch } = tracing()
      const handlers = { pay: { delivered: () => Effect.void, dead: () => Effect.void } } as never
      const layer = Layer.provideMerge(Integration.layer(Pay), OutboxStoreMemory.layer)
      yield* Effect.gen(function* () {
        const pay = yield* Pay
        const outer = (sampled: boolean) =>
          Effect.withParentSpan(
            Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled })
          )
        for (const [order, given] of [
          ["o-1", outer(true)],
          ["o-2", outer(false)]
        ] as const)
          yield* watch(given(Effect.exit(pay.pay(order))))
        // Without a trace there is nothing to link.
        yield* Effect.withTracerEnabled(Effect.exit(pay.pay("o-3")), false)
        first = false
        const stored = spans.filter(({ name }) => name === "test/Pay pay")
        assert.strictEqual(stored.length, 2)
        spans.length = 0
        yield* watch(
          Effect.scoped(Effect.andThen(Layer.build(OutboxWorker.layer(Pay, handlers)), TestClock.adjust("10 minutes")))
        )
        // Its key is kept with it, and never made again.
        assert.strictEqual(keys, 3)
        const resumed = spans.filter(({ name }) => name === "test/Pay pay")
        assert.deepStrictEqual(
          resumed.map(({ links }) =>
            links.map(({ attributes, span }) => [span.traceId, span.spanId, span.sampled, attributes])
          ),
          [...stored.map(({ sampled, spanId, traceId }) => [[traceId, spanId, sampled, {}]]), []]
        )
        assert.deepStrictEqual(
          stored.map(({ sampled }) => sampled),
          [true, false]
        )
      }).pipe(Effect.provide(layer))
    }).pipe(seededly(1))
  )
})

describe("before anything is sent", () => {
  const build = (options: {
    readonly input?: Schema.Codec<string, string>
    readonly idempotency: Idempotency.Idempotency<string, string, never, Idempotency.Kind>
  }) =>
    Effect.gen(function* () {
      let sent = 0
      class Pay extends Integration.Service<Pay>()("test/Pay", decided, {
        pay: Operation.mutation("pay", {
          input: options.input ?? Schema.String,
          success: Schema.String,
          idempotency: options.idempotency,
          send: () => Effect.sync(() => `sent ${++sent}`)
        })
      }) {}
      const { pay } = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Pay))), Pay)
      return { pay: pay("o-1") as Effect.Effect<string, Failed>, sent: () => sent }
    })
  const refused = (options: Parameters<typeof build>[0]) =>
    Effect.gen(function* () {
      const { pay, sent } = yield* build(options)
      const failure = yield* failing(pay)
      assert.strictEqual(sent(), 0)
      return [failure.reason._tag, failure.reason.message, failure.outcome, failure.stopped]
    })
  const key = (options: object) =>
    Idempotency.keyed((order: string) => IdempotencyKey.derive("pay", order), { lifetime: "1 day", ...options })

  it.effect("an input whose schema throws is refused", () =>
    Effect.gen(function* () {
      const input = Schema.String.check(
        Schema.makeFilter((): boolean => {
          throw new Error("a bug")
        })
      )
      assert.deepStrictEqual(yield* refused({ input, idempotency: key({}) }), [
        "InvalidInput",
        "preparing it threw",
        "NotSent",
        "not transient"
      ])
    }).pipe(seededly(1))
  )

  it.effect("a key may have as many characters as the provider takes, and no more", () =>
    Effect.gen(function* () {
      const of = (maxLength: number) => key({ placement: Idempotency.header({ maxLength } as never) })
      assert.strictEqual(yield* (yield* build({ idempotency: of(32) })).pay, "sent 1")
      assert.deepStrictEqual(yield* refused({ idempotency: of(31) }), [
        "InvalidInput",
        "the idempotency key has 32 characters, the provider takes 31",
        "NotSent",
        "not transient"
      ])
    }).pipe(seededly(1))
  )

  it.effect("the time of an intent must be one, and its key may have expired since", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10 * 86_400_000)
      const issued = (at: number) => ({ idempotency: key({ issuedAt: () => at }) })
      assert.strictEqual(yield* (yield* build(issued(9.5 * 86_400_000))).pay, "sent 1")
      assert.deepStrictEqual(yield* refused(issued(Number.NaN)), [
        "InvalidInput",
        "`issuedAt` returned NaN, no time",
        "NotSent",
        "not transient"
      ])
      assert.strictEqual((yield* refused(issued(8 * 86_400_000)))[0], "KeyExpired")
    }).pipe(seededly(1))
  )

  it.effect("a caller that gives up while its input is prepared is told of no failure", () =>
    Effect.gen(function* () {
      const inputOf = (encode: Effect.Effect<string>) =>
        Schema.String.pipe(
          Schema.decodeTo(
            Schema.String,
            SchemaTransformation.transformEffect({
              decode: (text: string) => Effect.succeed(text),
              encode: (_: string) => encode
            })
          )
        )
      const { pay, sent } = yield* build({ input: inputOf(Effect.never), idempotency: key({}) })
      const fiber = yield* Effect.forkChild(pay, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
      const exit = fiber.pollUnsafe()!
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), String(exit))
      // What preparing waits for may have been interrupted, and not the caller.
      const other = yield* build({ input: inputOf(Effect.interrupt), idempotency: key({}) })
      const ended = yield* Effect.exit(other.pay)
      assert.isTrue(Exit.isFailure(ended) && Cause.hasInterruptsOnly(ended.cause), String(ended))
      assert.strictEqual(sent(), 0)
    }).pipe(seededly(1))
  )

  it.effect("a key that has no place in the request is refused", () =>
    Effect.gen(function* () {
      type Meta = { readonly payload: { readonly meta: string } }
      class Api extends HttpApi.make("bank").add(
        HttpApiGroup.make("bank").add(
          HttpApiEndpoint.post("pay", "/payments", {
            payload: Schema.Struct({ meta: Schema.String }),
            success: Schema.String
          })
        )
      ) {}
      class Bank extends Integration.Service<Bank>()("test/Bank", decided, {
        pay: HttpOperation.endpoint(Api, "bank", "pay", {
          idempotency: Idempotency.keyed(({ payload }: Meta) => IdempotencyKey.derive("pay", payload.meta), {
            lifetime: "1 day",
            placement: Idempotency.bodyField(["meta", "key"])
          })
        })
      }) {}
      const provider = FaultInjection.make({ respond: () => ({ body: "ok" }) })
      const layer = HttpIntegration.layer(Bank, { baseUrl: "https://bank.example" })
      const bank = Context.get(yield* Layer.build(Layer.provide(layer, provider.layer)), Bank)
      const failure = yield* failing(bank.pay({ payload: { meta: "o-1" } }))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.reason.message, failure.outcome, failure.stopped],
        ["InvalidInput", "the key belongs into the body's meta.key, but meta is no object", "NotSent", "not transient"]
      )
      assert.strictEqual(provider.requests.length, 0)
    }).pipe(seededly(1))
  )

  it.effect("it is looked only where that was asked for", () =>
    Effect.gen(function* () {
      let looks = 0
      const looking = (lookFirst: boolean) =>
        Idempotency.reconcilable(() => Effect.sync(() => (looks++, Option.none<string>())), { settle: 100, lookFirst })
      assert.strictEqual(yield* (yield* build({ idempotency: looking(false) })).pay, "sent 1")
      assert.strictEqual(looks, 0)
      assert.strictEqual(yield* (yield* build({ idempotency: looking(true) })).pay, "sent 1")
      assert.strictEqual(looks, 1)
    }).pipe(seededly(1))
  )
})
