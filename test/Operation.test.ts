import { assert, describe, it } from "@effect/vitest"
import { type Call, Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, Data, Duration, Effect, Exit, Fiber, Layer, Schema, SchemaTransformation, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { quiet, Seen, seen } from "./http/wire.ts"

class Sick extends Data.TaggedError("Sick")<{ readonly code: string }> {}
class Ill extends Data.TaggedError("Ill")<{ readonly code: string }> {}

const thrice = Policy.standard({
  attemptTimeout: "2 seconds",
  totalDeadline: "1 minute",
  schedule: Policy.backoff({ base: 0, throttledBase: 0 })
})
const decided = { policy: thrice, exhausted: Exhaustion.fail, orElse: seen }
const ill = { Sick: ({ code }: Sick) => new Ill({ code }) }
const Order = Schema.Struct({ id: Schema.String, amount: Schema.Int })
const order = { id: "o-1", amount: 2 }

const built = <Self, Id extends string, Methods, R>(
  tag: Integration.ServiceClass<Self, Id, Methods, R>,
  services: Layer.Layer<R> = Layer.empty as never
): Effect.Effect<Methods, never, Scope.Scope> =>
  Effect.map(
    Layer.build(Layer.orDie(Integration.layer(tag, { drain: 0 }).pipe(Layer.provide(services)))),
    (context) => Context.get(context, tag as never) as Methods
  )

/** The failure that orElse got. */
const failureOf = <A, E>(call: Effect.Effect<A, E | Seen>) =>
  Effect.map(Effect.flip(call), (error) => {
    assert.instanceOf(error, Seen)
    return (error as Seen).failure
  })

/** What of a call a `send` sees. */
const sight = ({
  attempt,
  attempts,
  correlationId,
  deadline,
  id,
  input,
  key,
  phase,
  repeat,
  startedAt
}: Call.Call) => ({
  attempt,
  outcomes: attempts.map(({ outcome }) => outcome),
  named: correlationId.length > 0 && id.length > 0,
  left: deadline - startedAt,
  input,
  key,
  phase,
  repeat
})

// ---- query

describe("query", () => {
  const api = (
    send: (input: typeof Order.Type, call: Call.Call) => Effect.Effect<unknown, Sick>,
    verdict?: Reason.Verdict
  ) => {
    class Api extends Integration.Service<Api>()("test/Query", decided, {
      get: Operation.query("get", {
        input: Order,
        success: Schema.Struct({ at: Schema.DateFromString }),
        send,
        classify: () => verdict,
        translate: ill
      })
    }) {}
    return built(Api)
  }

  it.effect("decodes what send succeeds with", () =>
    Effect.gen(function* () {
      const { get } = yield* api(() => Effect.succeed({ at: "1970-01-01T00:00:01.000Z" }))
      assert.deepStrictEqual(yield* get(order), { at: new Date(1_000) })
    }).pipe(Effect.provide(quiet))
  )

  it.effect("shows send the call: input, attempt, history, deadline", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const { get } = yield* api((input, call) => {
        assert.strictEqual(input, order)
        seen.push(sight(call))
        return call.attempt < 3 ? Effect.fail(new Sick({ code: "1" })) : Effect.succeed({ at: "1970-01-01" })
      }, Reason.unavailable())
      yield* get(order)
      const fixed = { named: true, left: 60_000, input: order, key: undefined, phase: "sent", repeat: "Safe" }
      assert.deepStrictEqual(seen, [
        { attempt: 1, outcomes: [], ...fixed },
        { attempt: 2, outcomes: ["Unknown"], ...fixed },
        { attempt: 3, outcomes: ["Unknown", "Unknown"], ...fixed }
      ])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("validates the input before anything is sent, naming the path", () =>
    Effect.gen(function* () {
      let sent = 0
      const { get } = yield* api(() => Effect.sync(() => ++sent))
      const failure = yield* failureOf(get({ id: "1", amount: 1.5 }))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.attempts.length],
        ["InvalidInput", "NotSent", 0]
      )
      assert.match(failure.reason.message, /integer at \["amount"\]/)
      assert.strictEqual(sent, 0)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("fails for good with an answer of the wrong shape", () =>
    Effect.gen(function* () {
      let sent = 0
      const { get } = yield* api(() => Effect.sync(() => ({ at: ++sent })))
      const failure = yield* failureOf(get(order))
      assert.deepStrictEqual([failure.reason._tag, failure.outcome, sent], ["InvalidResponse", "Applied", 1])
      assert.match(failure.reason.message, /string at \["at"\]/)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("translates a declared error, and does not repeat what nobody classified", () =>
    Effect.gen(function* () {
      let sent = 0
      const { get } = yield* api(() => Effect.suspend(() => Effect.fail(new Sick({ code: String(++sent) }))))
      const error = yield* Effect.flip(get(order))
      assert.deepStrictEqual([error._tag, (error as Ill).code, sent], ["Ill", "1", 1])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("translates the last one after retries", () =>
    Effect.gen(function* () {
      let sent = 0
      const { get } = yield* api(
        () => Effect.suspend(() => Effect.fail(new Sick({ code: String(++sent) }))),
        Reason.throttled()
      )
      assert.propertyVal(yield* Effect.flip(get(order)), "code", "3")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("turns a defect into Failed: thrown, died, or of the decoder", () =>
    Effect.gen(function* () {
      for (const send of [
        () => {
          throw new RangeError("sk_live_1")
        },
        () => Effect.die(new RangeError("sk_live_1"))
      ]) {
        let sent = 0
        const { get } = yield* api(() => {
          sent++
          return send()
        })
        const failure = yield* failureOf(get(order))
        assert.deepStrictEqual(
          [failure.reason._tag, failure.outcome, failure.reason.transient, failure.reason.health, sent],
          ["Failed", "Unknown", false, "failure", 1]
        )
        assert.strictEqual(failure.reason.message, "a defect: RangeError")
        assert.notInclude(`${failure}`, "sk_live")
      }
    }).pipe(Effect.provide(quiet))
  )

  it.effect("interrupts send when its time is up, and ends only when send has", () =>
    Effect.gen(function* () {
      const ends: Array<number> = []
      const { get } = yield* api((_, { attempt }) =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => ends.push(attempt)))
      )
      const fiber = yield* Effect.forkChild(failureOf(get(order)), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(ends, [1])
      yield* TestClock.adjust("4 seconds")
      const failure = yield* Fiber.join(fiber)
      assert.deepStrictEqual(ends, [1, 2, 3])
      assert.deepStrictEqual([failure.reason._tag, failure.stopped], ["Timeout", "attempts are spent"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("needs no input and no errors", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()("test/Void", decided, {
        now: Operation.query("now", {
          success: Schema.Number,
          send: (input) => Effect.succeed(input === undefined ? 1 : 2)
        })
      }) {}
      const { now } = yield* built(Api)
      assert.strictEqual(yield* now(), 1)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("takes an answer as it is if unvalidated", () =>
    Effect.gen(function* () {
      const answer = { any: Symbol("thing") }
      class Api extends Integration.Service<Api>()("test/Unvalidated", decided, {
        get: Operation.query("get", {
          success: Operation.unvalidated("only logged"),
          send: () => Effect.succeed(answer)
        })
      }) {}
      const { get } = yield* built(Api)
      const value: unknown = yield* get()
      assert.strictEqual(value, answer)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("gives its schemas the services of the layer", () =>
    Effect.gen(function* () {
      class Rate extends Context.Service<Rate, number>()("test/Rate") {}
      const Priced = Schema.Number.pipe(
        Schema.decodeTo(
          Schema.Number,
          SchemaTransformation.transformEffect({
            decode: (n: number) => Effect.map(Rate, (rate) => n * rate),
            encode: (n: number) => Effect.map(Rate, (rate) => n / rate)
          })
        )
      )
      class Api extends Integration.Service<Api>()("test/Services", decided, {
        price: Operation.query("price", { input: Priced, success: Priced, send: (n) => Effect.succeed(n) })
      }) {}
      const { price } = yield* built(Api, Layer.succeed(Rate, 3) as never)
      assert.strictEqual(yield* price(2), 6)
    }).pipe(Effect.provide(quiet))
  )
})

describe("classify", () => {
  const verdicts: ReadonlyArray<readonly [string, Reason.Verdict | undefined, ...ReadonlyArray<unknown>]> = [
    // verdict, reason, outcome, attempts of a mutation that is sent at most once, attempts of one with a key
    ["nothing", undefined, "Failed", "Unknown", 1, 1],
    ["failed", Reason.failed(), "Failed", "Unknown", 1, 1],
    ["throttled", Reason.throttled(), "Throttled", "Refused", 3, 3],
    ["notProcessed", Reason.notProcessed(), "NotProcessed", "Refused", 3, 3],
    ["rejected", Reason.rejected(), "Rejected", "Refused", 1, 1],
    ["unavailable", Reason.unavailable(), "Unavailable", "Unknown", 1, 3],
    ["inProgress", Reason.inProgress(), "InProgress", "Unknown", 1, 3],
    ["keyConflict", Reason.keyConflict(), "KeyConflict", "Unknown", 1, 1],
    ["unreachable", Reason.unreachable(), "Unreachable", "NotSent", 3, 3],
    ["failed, but worth a try", Reason.failed({ transient: true }), "Failed", "Unknown", 1, 3],
    [
      "failed, but certainly not sent",
      Reason.failed({ transient: true, outcome: "NotSent" }),
      "Failed",
      "NotSent",
      3,
      3
    ],
    ["rejected, though it happened", Reason.rejected({ outcome: "Applied" }), "Rejected", "Applied", 1, 1],
    ["a replay", Reason.unavailable({ replayed: true }), "Unavailable", "Unknown", 1, 1]
  ]
  for (const [name, verdict, tag, outcome, atMostOnce, keyed] of verdicts) {
    it.effect(`${name}`, () =>
      Effect.gen(function* () {
        const options = {
          success: Schema.Void,
          send: () => Effect.fail("no" as const),
          classify: () => verdict
        } as const
        class Api extends Integration.Service<Api>()("test/Classify", decided, {
          once: Operation.mutation("once", { ...options, idempotency: Idempotency.atMostOnce("a letter") }),
          keyed: Operation.mutation("keyed", {
            ...options,
            idempotency: Idempotency.keyed(() => IdempotencyKey.derive("keyed", "1"), { lifetime: "1 day" })
          })
        }) {}
        const api = yield* built(Api)
        const once = yield* failureOf(api.once())
        const many = yield* failureOf(api.keyed())
        assert.deepStrictEqual<unknown>(
          [once.reason._tag, once.outcome, once.attempts.length, many.attempts.length],
          [tag, outcome, atMostOnce, keyed]
        )
        assert.strictEqual(once.reason.message, "failed with a string")
      }).pipe(Effect.provide(quiet))
    )
  }

  it.effect("may say what it read: message, status, provider's id, how long to wait", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()("test/Details", decided, {
        get: Operation.query("get", {
          success: Schema.Void,
          send: () => Effect.fail("no" as const),
          classify: () => Reason.rejected({ message: "no such order", status: 404, requestId: "r-1" })
        })
      }) {}
      const { get } = yield* built(Api)
      const { attempts, reason } = yield* failureOf(get())
      assert.deepInclude(reason, { message: "no such order", status: 404, requestId: "r-1", error: "no" })
      assert.deepInclude(attempts[0], { message: "no such order", status: 404, requestId: "r-1" })
    }).pipe(Effect.provide(quiet))
  )

  it.effect("may hand over the headers that an SDK kept, and what it says itself goes before", () =>
    Effect.gen(function* () {
      const headers = {
        "Retry-After": "3",
        "X-Request-Id": "r-2",
        "Idempotent-Replayed": "True",
        "X-RateLimit-Remaining": "0",
        authorization: "Bearer sk_live_1"
      }
      const verdicts: Record<string, Reason.Verdict | undefined> = {
        record: Reason.fromStatus(503, { headers }),
        getter: Reason.fromStatus(503, { headers: new Headers(headers) }),
        own: Reason.fromStatus(503, {
          headers,
          retryAfter: Duration.seconds(1),
          requestId: "r-1",
          replayed: false
        }),
        // From an SDK that promises headers, and has none where there was no answer.
        none: Reason.fromStatus(503, { headers: null as never })
      }
      class Api extends Integration.Service<Api>()("test/Headers", decided, {
        get: Operation.query("get", {
          input: Schema.String,
          success: Schema.Void,
          send: (name) => Effect.fail(name),
          classify: (name) => verdicts[name],
          policy: Policy.stack(Policy.standard(), Policy.retryNever("one is looked at"))
        })
      }) {}
      const { get } = yield* built(Api)
      const of = (name: string) =>
        Effect.map(failureOf(get(name)), (failure) => {
          assert.notInclude(`${JSON.stringify(failure)} ${JSON.stringify(failure.reason)}`, "sk_live")
          const { replayed, requestId, retryAfter } = failure.reason
          return [retryAfter === undefined ? undefined : Duration.toSeconds(retryAfter), requestId, replayed]
        })
      assert.deepStrictEqual<unknown>(yield* of("record"), [3, "r-2", true])
      assert.deepStrictEqual<unknown>(yield* of("getter"), [3, "r-2", true])
      assert.deepStrictEqual<unknown>(yield* of("own"), [1, "r-1", false])
      assert.deepStrictEqual<unknown>(yield* of("none"), [undefined, undefined, false])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("and the rate limit learns from those headers", () =>
    Effect.gen(function* () {
      const headers = { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60" }
      class Api extends Integration.Service<Api>()("test/Limits", decided, {
        get: Operation.query("get", {
          success: Schema.Void,
          send: () => Effect.fail("no" as const),
          classify: () => Reason.fromStatus(404, { headers }),
          policy: Policy.stack(thrice, Policy.rateLimit({ limit: 10, window: "1 second", maxWait: 0 }))
        })
      }) {}
      const { get } = yield* built(Api)
      assert.strictEqual((yield* failureOf(get())).reason._tag, "Rejected")
      assert.strictEqual((yield* failureOf(get())).reason._tag, "RateLimited")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that throws is a defect: Failed", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()("test/Throws", decided, {
        get: Operation.query("get", {
          success: Schema.Void,
          send: () => Effect.fail("no" as const),
          classify: () => {
            throw new TypeError("sk_live_1")
          }
        })
      }) {}
      const { get } = yield* built(Api)
      const failure = yield* failureOf(get())
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["Failed", "Unknown"])
      assert.notInclude(`${failure}`, "sk_live")
    }).pipe(Effect.provide(quiet))
  )
})

describe("classifyAnswer", () => {
  const isRefusal = Schema.is(Schema.Struct({ error: Schema.String }))
  const options = {
    success: Schema.Struct({ id: Schema.String }),
    idempotency: Idempotency.atMostOnce("a letter"),
    classifyAnswer: (answer: unknown) =>
      !isRefusal(answer)
        ? undefined
        : answer.error === "slow down"
          ? Reason.throttled()
          : Reason.rejected({ message: answer.error })
  }

  it.effect.each(["an effect", "a promise"] as const)("reads an answer of %s that is an error all the same", (kind) =>
    Effect.gen(function* () {
      const answers: Array<unknown> = [{ error: "slow down" }, { id: "1" }, { error: "no such order" }, { data: {} }]
      const next = () => answers.shift()
      class Api extends Integration.Service<Api>()("test/Answers", decided, {
        send:
          kind === "a promise"
            ? Operation.fromPromise("send", { ...options, call: () => Promise.resolve(next()) })
            : Operation.mutation("send", { ...options, send: () => Effect.sync(next) })
      }) {}
      const { send } = yield* built(Api)
      // Throttled: refused, and sent again.
      assert.deepStrictEqual(yield* send(), { id: "1" })
      const refused = yield* failureOf(send())
      assert.deepStrictEqual(
        [refused.reason._tag, refused.outcome, refused.reason.message],
        ["Rejected", "Refused", "no such order"]
      )
      // It may have been an error of a kind that is not known yet.
      const unread = yield* failureOf(send())
      assert.deepStrictEqual([unread.reason._tag, unread.outcome], ["InvalidResponse", "Unknown"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("without it, an answer that can't be read has happened", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()("test/Plain", decided, {
        send: Operation.mutation("send", {
          success: options.success,
          idempotency: options.idempotency,
          send: () => Effect.succeed({ data: {} })
        })
      }) {}
      const { send } = yield* built(Api)
      assert.strictEqual((yield* failureOf(send())).outcome, "Applied")
    }).pipe(Effect.provide(quiet))
  )
})

// ---- the input, where a failure becomes an error of the application's

describe("translate and orElse", () => {
  /** Each call fails with the next of these. */
  const failing = (...errors: ReadonlyArray<Sick | "down">) => {
    const left = [...errors]
    return Effect.suspend(() => Effect.fail(left.shift()!))
  }
  const about = (order: typeof Order.Type, what: string) => new Ill({ code: `${order.id}: ${what}` })
  const codes = (...calls: ReadonlyArray<Effect.Effect<unknown, Ill>>) =>
    Effect.forEach(calls, (call) => Effect.map(Effect.flip(call), ({ code }) => code))

  it.effect("get the input of their own call, whichever ends first", () =>
    Effect.gen(function* () {
      class Api extends Integration.Service<Api>()("test/Input", decided, {
        pay: Operation.mutation("pay", {
          input: Order,
          success: Schema.Void,
          idempotency: Idempotency.atMostOnce("no key"),
          send: ({ amount, id }) => Effect.delay(Effect.fail(id === "o-3" ? "down" : new Sick({ code: "1" })), amount),
          translate: { Sick: ({ code }, order) => about(order, code) },
          orElse: ({ outcome }, order) => about(order, outcome)
        })
      }) {}
      const { pay } = yield* built(Api)
      const calls = ["o-1", "o-2", "o-3"].map((id, i) => pay({ id, amount: 300 - i * 100 }))
      const fiber = yield* Effect.forkChild(
        Effect.forEach(calls, (call) => Effect.flip(call), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).map(({ code }) => code),
        ["o-1: 1", "o-2: 1", "o-3: Unknown"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("get it as the caller gave it: not encoded, and invalid where that is why", () =>
    Effect.gen(function* () {
      const Due = Schema.Struct({ id: Schema.String, amount: Schema.Int, at: Schema.DateFromString })
      const inputs: Array<unknown> = []
      const keep = (_: unknown, input: unknown) => {
        inputs.push(input)
        return new Ill({ code: "1" })
      }
      class Api extends Integration.Service<Api>()("test/AsGiven", decided, {
        pay: Operation.query("pay", {
          input: Due,
          success: Schema.Void,
          send: () => failing(new Sick({ code: "1" })),
          translate: { Sick: keep },
          orElse: keep
        })
      }) {}
      const { pay } = yield* built(Api)
      const due = { ...order, at: new Date(0) }
      const invalid = { ...due, amount: 0.5 }
      yield* codes(pay(due), pay(invalid))
      assert.deepStrictEqual(inputs, [due, invalid])
      assert.strictEqual(inputs[0], due)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of an SDK: its errors are told apart by orElse, which knows the input; so does an integration's", () =>
    Effect.gen(function* () {
      const options = {
        input: Order,
        success: Schema.Void,
        idempotency: Idempotency.atMostOnce("no key"),
        call: () => Promise.reject(new Error("no"))
      }
      const isOrder = Schema.is(Order)
      class Api extends Integration.Service<Api>()(
        "test/SdkInput",
        { ...decided, orElse: (_failure, input) => about(isOrder(input) ? input : { ...order, id: "?" }, "default") },
        {
          own: Operation.fromPromise("own", { ...options, orElse: (_failure, order) => about(order, "own") }),
          byDefault: Operation.fromPromise("byDefault", options),
          bare: Operation.query("bare", { success: Schema.Void, send: () => Effect.fail("no" as const) })
        }
      ) {}
      const { bare, byDefault, own } = yield* built(Api)
      assert.deepStrictEqual(yield* codes(own(order), byDefault(order), bare()), [
        "o-1: own",
        "o-1: default",
        "?: default"
      ])
    }).pipe(Effect.provide(quiet))
  )
})

// ---- mutation

describe("mutation", () => {
  it.effect("shows send the key, the same in every attempt", () =>
    Effect.gen(function* () {
      const keys: Array<unknown> = []
      class Api extends Integration.Service<Api>()("test/Mutation", decided, {
        pay: Operation.mutation("pay", {
          input: Order,
          success: Schema.String,
          idempotency: Idempotency.keyed(({ id }: typeof Order.Type) => IdempotencyKey.derive("pay", id), {
            lifetime: "1 day",
            placement: Idempotency.header({ format: "uuid" })
          }),
          send: ({ id }, call) =>
            Effect.suspend(() => {
              keys.push(call.key)
              return call.attempt < 3 ? Effect.fail("no" as const) : Effect.succeed(`paid ${id}`)
            }),
          classify: () => Reason.unavailable()
        })
      }) {}
      const { pay } = yield* built(Api)
      assert.strictEqual(yield* pay(order), "paid o-1")
      assert.deepStrictEqual(keys, Array(3).fill(IdempotencyKey.toUuid(IdempotencyKey.derive("pay", "o-1"))))
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is not sent when derive throws or gives no key", () =>
    Effect.gen(function* () {
      let sent = 0
      const options = { success: Schema.Void, send: () => Effect.sync(() => void sent++) } as const
      class Api extends Integration.Service<Api>()("test/NoKey", decided, {
        throws: Operation.mutation("throws", {
          ...options,
          idempotency: Idempotency.keyed(
            (): IdempotencyKey.IdempotencyKey => {
              throw new Error("sk_live_1")
            },
            { lifetime: "1 day" }
          )
        }),
        text: Operation.mutation("text", {
          ...options,
          idempotency: Idempotency.keyed(() => "k" as never, { lifetime: "1 day" })
        })
      }) {}
      const api = yield* built(Api)
      for (const call of [api.throws(), api.text()]) {
        const failure = yield* failureOf(call)
        assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["InvalidInput", "NotSent"])
        assert.match(failure.reason.message, /`derive`/)
      }
      assert.strictEqual(sent, 0)
    }).pipe(Effect.provide(quiet))
  )
})

// ---- fromPromise

describe("fromPromise", () => {
  const sdk = (
    call: (input: typeof Order.Type, call: Operation.Sending) => PromiseLike<unknown>,
    verdict?: (error: unknown) => Reason.Verdict | undefined
  ) => {
    class Sdk extends Integration.Service<Sdk>()("test/Sdk", decided, {
      pay: Operation.fromPromise("pay", {
        input: Order,
        success: Schema.Struct({ at: Schema.DateFromString }),
        idempotency: Idempotency.keyed(({ id }: typeof Order.Type) => IdempotencyKey.derive("pay", id), {
          lifetime: "1 day"
        }),
        call,
        classify: verdict
      }),
      raw: Operation.fromPromise("raw", {
        success: Operation.unvalidated("only logged"),
        idempotency: Idempotency.readOnly("a look"),
        call: () => Promise.resolve([1])
      })
    }) {}
    return built(Sdk)
  }
  const paid = { at: "1970-01-01T00:00:01.000Z" }

  it.effect("decodes, and takes an answer as it is if unvalidated", () =>
    Effect.gen(function* () {
      const { pay, raw } = yield* sdk(() => Promise.resolve(paid))
      assert.deepStrictEqual(yield* pay(order), { at: new Date(1_000) })
      assert.deepStrictEqual(yield* raw(), [1])
      const wrong = yield* sdk(() => Promise.resolve({ at: 1 }))
      const failure = yield* failureOf(wrong.pay(order))
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["InvalidResponse", "Applied"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("hands the SDK's client over, as the layer was given it", () =>
    Effect.gen(function* () {
      class Sdk extends Context.Service<Sdk, { readonly pay: (amount: number) => Promise<string> }>()("test/Client") {}
      class Api extends Integration.Service<Api>()("test/WithClient", decided, {
        pay: Operation.fromPromise("pay", {
          input: Order,
          success: Schema.String,
          idempotency: Idempotency.atMostOnce("no key"),
          client: Sdk,
          call: ({ amount }, _, sdk) => sdk.pay(amount)
        })
      }) {}
      const layerOf = (name: string) => Layer.succeed(Sdk, { pay: (amount) => Promise.resolve(`${name} ${amount}`) })
      const first = yield* built(Api, layerOf("first"))
      const second = yield* built(Api, layerOf("second"))
      // A client that is around a call is not the integration's.
      const around = Effect.provide(first.pay(order), layerOf("around"))
      assert.deepStrictEqual([yield* around, yield* second.pay(order)], ["first 2", "second 2"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("shows the SDK's call the key, the attempt, the deadline and a signal of its own", () =>
    Effect.gen(function* () {
      const calls: Array<unknown> = []
      const signals: Array<AbortSignal> = []
      const { pay } = yield* sdk(
        (input, call) => {
          assert.strictEqual(input, order)
          calls.push(sight(call))
          assert.strictEqual(call.outcome(), call.attempt === 1 ? "NotSent" : "Unknown")
          signals.push(call.signal)
          return call.attempt === 1 ? Promise.reject(new Error("no")) : Promise.resolve(paid)
        },
        () => Reason.unavailable()
      )
      yield* pay(order)
      const key = IdempotencyKey.toText(IdempotencyKey.derive("pay", "o-1"))
      const fixed = { named: true, left: 60_000, input: order, key, phase: "sent", repeat: "Idempotent" }
      assert.deepStrictEqual(calls, [
        { attempt: 1, outcomes: [], ...fixed },
        { attempt: 2, outcomes: ["Unknown"], ...fixed }
      ])
      assert.notStrictEqual(signals[0], signals[1])
      assert.deepStrictEqual(
        signals.map(({ aborted }) => aborted),
        [false, false]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("aborts the signal when an attempt's time is up", () =>
    Effect.gen(function* () {
      const aborted: Array<number> = []
      const { pay } = yield* sdk(
        (_, { attempt, signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted.push(attempt)
              // As fetch does: nobody waits for it any more.
              reject(signal.reason)
            })
          })
      )
      const fiber = yield* Effect.forkChild(failureOf(pay(order)), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(aborted, [1])
      yield* TestClock.adjust("10 seconds")
      const failure = yield* Fiber.join(fiber)
      assert.deepStrictEqual(aborted, [1, 2, 3])
      assert.deepStrictEqual(
        failure.attempts.map(({ outcome, reason }) => [reason, outcome]),
        [1, 2, 3].map(() => ["Timeout", "Unknown"])
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("aborts the signal when the caller gives up, and forgets what the promise says later", () =>
    Effect.gen(function* () {
      const unhandled: Array<unknown> = []
      const note = (error: unknown) => unhandled.push(error)
      process.on("unhandledRejection", note)
      let signal: AbortSignal | undefined
      let reject!: (error: unknown) => void
      const { pay } = yield* sdk((_, call) => {
        signal = call.signal
        return new Promise((_, fail) => {
          reject = fail
        })
      })
      const fiber = yield* Effect.forkChild(pay(order), { startImmediately: true })
      assert.isFalse(signal!.aborted)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(signal!.aborted)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      reject(new Error("too late"))
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      process.off("unhandledRejection", note)
      assert.deepStrictEqual(unhandled, [])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("takes a rejection without a verdict as Failed, and does not repeat it", () =>
    Effect.gen(function* () {
      class StripeError extends Error {
        override readonly name = "StripeError"
      }
      let calls = 0
      for (const call of [
        () => {
          calls++
          return Promise.reject(new StripeError("sk_live_1"))
        },
        () => {
          calls++
          throw new StripeError("sk_live_1")
        }
      ]) {
        const { pay } = yield* sdk(call)
        const failure = yield* failureOf(pay(order))
        assert.deepStrictEqual(
          [failure.reason._tag, failure.outcome, failure.attempts.length],
          ["Failed", "Unknown", 1]
        )
        assert.strictEqual(failure.reason.message, "failed with StripeError")
        assert.instanceOf(failure.reason.cause, StripeError)
        assert.notInclude(`${failure}${JSON.stringify(failure)}`, "sk_live")
      }
      assert.strictEqual(calls, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("classifies a rejection by what the SDK threw", () =>
    Effect.gen(function* () {
      const status = (status: number) => Object.assign(new Error("sdk"), { status })
      const { pay } = yield* sdk(
        (_, { attempt }) => Promise.reject(status(attempt === 1 ? 429 : 402)),
        (error) =>
          (error as { status: number }).status === 429
            ? Reason.throttled({ status: 429 })
            : Reason.rejected({ status: 402, resolves: true })
      )
      const failure = yield* failureOf(pay(order))
      assert.deepStrictEqual(
        failure.attempts.map(({ outcome, reason, status }) => [reason, status, outcome]),
        [
          ["Throttled", 429, "Refused"],
          ["Rejected", 402, "Refused"]
        ]
      )
    }).pipe(Effect.provide(quiet))
  )
})
