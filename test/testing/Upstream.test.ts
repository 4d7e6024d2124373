import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, type Outcome, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import {
  expectExecuted,
  expectOutcome,
  FaultInjection,
  IntegrationTest,
  KeyWindow,
  Timeline,
  Upstream
} from "breakwater/testing"
import { Context, Data, Effect, Exit, Fiber, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { TestClock } from "effect/testing"

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}
const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int.check(Schema.isGreaterThan(0)) })

class Bank extends HttpApi.make("Test Bank").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge, error: CardError }),
    HttpApiEndpoint.get("list", "/charges", {
      query: { limit: Schema.FiniteFromString },
      success: Schema.Array(Charge)
    }),
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ order: Schema.String, amount: Schema.Int }),
      success: Charge.annotate({ httpApiStatus: 201 }),
      error: CardError
    }),
    HttpApiEndpoint.delete("drop", "/charges/:id", { params: { id: Schema.String } })
  )
) {}

class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}
class Down extends Data.TaggedError("Down")<{ readonly outcome: Outcome.Outcome }> {}

const translate = { CardError: ({ code }: CardError) => new Declined({ code }) }

class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ outcome }) => new Down({ outcome }) },
  {
    charge: HttpOperation.endpoint(Bank, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
        lifetime: "24 hours"
      }),
      translate
    }),
    find: HttpOperation.endpoint(Bank, "charges", "get", { translate }),
    list: HttpOperation.endpoint(Bank, "charges", "list"),
    drop: HttpOperation.endpoint(Bank, "charges", "drop")
  }
) {}

class FakeBank extends Upstream.Service<FakeBank>()("test/Bank", Bank, {
  state: () => ({ charges: new Map<string, typeof Charge.Type>() }),
  keys: KeyWindow.make({ lifetime: "24 hours" }),
  handlers: {
    charges: {
      create: ({ payload }, { state }) => {
        if (payload.amount > 1_000) return Effect.fail(new CardError({ code: "limit" }))
        const charge = { id: `ch_${state.charges.size + 1}`, amount: payload.amount }
        state.charges.set(payload.order, charge)
        return Effect.succeed(charge)
      }
    }
  }
}) {}

const order = { order: "o-1", amount: 42 }
const test = IntegrationTest.layer(Payments, FakeBank)

/** The bare client of a provider, for what an integration would not send. */
const asked = (upstream: FaultInjection.Double, request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(HttpClientRequest.prependUrl(request, upstream.baseUrl))
    return { status: response.status, headers: response.headers, text: yield* response.text }
  }).pipe(Effect.provide(upstream.layer), Effect.scoped)

/** What the timeline says, without its lines. */
const textOf = (upstream: FaultInjection.Double) => Timeline.formatProvider(upstream).replace(/\s+/g, " ")

const create = (payload: unknown, key?: string) =>
  HttpClientRequest.post("/charges").pipe(
    HttpClientRequest.bodyJsonUnsafe(payload),
    key === undefined ? (request) => request : HttpClientRequest.setHeader("idempotency-key", key)
  )

describe("Upstream", () => {
  it.effect("a lost answer, one that comes too late, and a third: executed once", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const bank = yield* FakeBank
      yield* bank.inject([FaultInjection.responseLost, FaultInjection.latency("11 seconds")])
      const fiber = yield* Effect.forkChild(payments.charge({ payload: order }))
      yield* bank.awaitFault("ResponseLost")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { id: "ch_1", amount: 42 })
      expectExecuted(bank).once("charges.create", { payload: { order: "o-1" }, key: bank.requests[0]!.key! })
      const { request, ...change } = bank.ledger[0]!
      assert.deepStrictEqual(
        { request, ...change },
        {
          operation: "charges.create",
          key: bank.requests[2]!.key,
          at: 0,
          request: 0,
          input: { payload: order }
        }
      )
      assert.strictEqual(bank.state.charges.size, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect.each(["first", "second"])("the %s test of a layer has a provider of its own", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const bank = yield* FakeBank
      assert.strictEqual(bank.state.charges.size, 0)
      yield* payments.charge({ payload: order })
      assert.strictEqual(bank.state.charges.size, 1)
      assert.strictEqual(bank.requests.length, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("a declared error crosses the wire as the contract says, and changes nothing", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const bank = yield* FakeBank
      const error = yield* Effect.flip(payments.charge({ payload: { ...order, amount: 2_000 } }))
      assert.deepStrictEqual(error, new Declined({ code: "limit" }))
      expectExecuted(bank).never()
      const raw = yield* asked(bank, create({ ...order, amount: 2_000 }))
      assert.deepStrictEqual([raw.status, JSON.parse(raw.text)], [402, { _tag: "CardError", code: "limit" }])
    }).pipe(Effect.provide(test))
  )

  it.effect("a request that does not match the contract is answered 400, and the timeline says why", () =>
    Effect.gen(function* () {
      const bank = yield* FakeBank
      const answer = yield* asked(bank, create({ order: "o-1" }))
      assert.strictEqual(answer.status, 400)
      expectExecuted(bank).never()
      const text = textOf(bank)
      assert.include(
        text,
        "request 1: charges.create, answered 400: the payload does not match the contract: Missing key"
      )
      const nowhere = yield* asked(bank, HttpClientRequest.get("/nowhere"))
      assert.strictEqual(nowhere.status, 404)
      assert.include(textOf(bank), "GET /nowhere, answered 404: no endpoint of the contract has this")
    }).pipe(Effect.provide(test))
  )

  it.effect("a handler that dies is a 500, and the timeline says why", () => {
    const bank = Upstream.make(Bank, {
      handlers: { charges: { create: () => Effect.die(new Error("a bug in the test")) } }
    })
    return Effect.gen(function* () {
      assert.strictEqual((yield* asked(bank, create(order))).status, 500)
      assert.include(textOf(bank), "answered 500: the handler died: Error: a bug in the test")
    })
  })

  it.effect("any response, and whether it changed something", () => {
    const bank = Upstream.make(Bank, {
      handlers: {
        charges: {
          create: (_, { changed }) =>
            Effect.as(changed(true), HttpServerResponse.text("oops", { status: 500, headers: { "x-id": "r-1" } })),
          drop: (_, { changed }) => changed(false)
        }
      }
    })
    return Effect.gen(function* () {
      const failed = yield* asked(bank, create(order))
      assert.deepStrictEqual([failed.status, failed.text, failed.headers["x-id"]], [500, "oops", "r-1"])
      expectExecuted(bank).once("charges.create")
      const dropped = yield* asked(bank, HttpClientRequest.delete("/charges/1"))
      assert.strictEqual(dropped.status, 204)
      expectExecuted(bank).never("charges.drop")
    })
  })

  describe("generated answers", () => {
    const list = HttpClientRequest.get("/charges?limit=3")
    const texts = (bank: FaultInjection.Double) =>
      Effect.forEach([list, list, HttpClientRequest.get("/charges/1"), create(order)], (request) =>
        Effect.map(asked(bank, request), ({ status, text }) => ({ status, body: JSON.parse(text) as unknown }))
      )

    it.effect("match the contract, are the same for the same seed and read, and others for another", () =>
      Effect.gen(function* () {
        const seen = new Set<string>()
        for (let seed = 1; seed <= 20; seed++) {
          const [first, again, one, made] = yield* texts(Upstream.make(Bank, { seed }))
          assert.deepStrictEqual(yield* texts(Upstream.make(Bank, { seed })), [first, again, one, made])
          assert.deepStrictEqual(first, again)
          Schema.decodeUnknownSync(Schema.Array(Charge))(first!.body)
          Schema.decodeUnknownSync(Charge)(one!.body)
          Schema.decodeUnknownSync(Charge)(made!.body)
          assert.deepStrictEqual([one!.status, made!.status], [200, 201])
          seen.add(JSON.stringify([first, one, made]))
        }
        assert.isAbove(seen.size, 15)
      })
    )

    it.effect("count as executed where the method changes something", () => {
      const bank = Upstream.make(Bank)
      return Effect.gen(function* () {
        yield* texts(bank)
        expectExecuted(bank).inOrder(["charges.create"])
      })
    })

    it.effect("cover every kind of schema, dates and secrets included", () => {
      const Api = HttpApi.make("kinds").add(
        HttpApiGroup.make("kinds").add(
          HttpApiEndpoint.get("all", "/all", {
            success: Schema.Struct({
              at: Schema.DateTimeUtcFromString,
              token: Schema.RedactedFromValue(Schema.String),
              tags: Schema.Record(Schema.String, Schema.Literals(["a", "b"])),
              maybe: Schema.NullOr(Schema.Finite),
              either: Schema.Union([Schema.String, Schema.Struct({ code: Schema.Int })])
            })
          })
        )
      )
      class Kinds extends Integration.Service<Kinds>()(
        "test/Kinds",
        { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ outcome }) => new Down({ outcome }) },
        { all: HttpOperation.endpoint(Api, "kinds", "all") }
      ) {}
      return FaultInjection.forSeeds({ runs: 30 }, (seed) =>
        Effect.gen(function* () {
          const { all } = yield* Kinds
          const answer = yield* all()
          assert.isTrue(Redacted.isRedacted(answer.token))
        }).pipe(Effect.provide(IntegrationTest.layer(Kinds, Upstream.make(Api, { seed }))))
      )
    })

    it.effect("an endpoint for which none can be drawn says so", () => {
      const Api = HttpApi.make("opaque").add(
        HttpApiGroup.make("opaque").add(
          HttpApiEndpoint.get("never", "/never", {
            success: Schema.declare((u): u is symbol => typeof u === "symbol")
          })
        )
      )
      const upstream = Upstream.make(Api)
      return Effect.gen(function* () {
        assert.strictEqual((yield* asked(upstream, HttpClientRequest.get("/never"))).status, 500)
        assert.include(textOf(upstream), "opaque.never: no answer can be generated from its schema; give it a handler")
      })
    })
  })

  describe("keys", () => {
    it.effect("replay, another request, in flight, and forgotten after the lifetime", () => {
      const bank = Upstream.make(Bank, {
        keys: KeyWindow.make({ lifetime: "24 hours" }),
        state: () => ({ count: 0 }),
        handlers: {
          charges: {
            create: ({ payload }, { state }) =>
              Effect.as(Effect.sleep("1 second"), { id: `ch_${++state.count}`, amount: payload.amount })
          }
        }
      })
      return Effect.gen(function* () {
        const first = yield* Effect.forkChild(asked(bank, create(order, "k-1")))
        yield* TestClock.adjust("500 millis")
        assert.strictEqual((yield* asked(bank, create(order, "k-1"))).status, 409)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(first)).status, 201)
        const again = yield* asked(bank, create(order, "k-1"))
        assert.deepStrictEqual(
          [again.status, again.headers["idempotent-replayed"], JSON.parse(again.text)],
          [201, "true", { id: "ch_1", amount: 42 }]
        )
        assert.strictEqual((yield* asked(bank, create({ ...order, amount: 43 }, "k-1"))).status, 422)
        expectExecuted(bank).once("charges.create")
        yield* TestClock.adjust("24 hours")
        const late = yield* Effect.forkChild(asked(bank, create(order, "k-1")))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(JSON.parse((yield* Fiber.join(late)).text), { id: "ch_2", amount: 42 })
        expectExecuted(bank).times(2, "charges.create", { key: "k-1" })
      })
    })

    it.effect("a handler goes on when its caller has left", () => {
      const bank = Upstream.make(Bank, {
        handlers: {
          charges: {
            create: ({ payload }) => Effect.as(Effect.sleep("5 seconds"), { id: "ch_1", amount: payload.amount })
          }
        }
      })
      return Effect.gen(function* () {
        const client = Context.get(yield* Layer.build(bank.layer), HttpClient.HttpClient)
        const request = HttpClientRequest.prependUrl(create(order), bank.baseUrl)
        const fiber = yield* Effect.forkChild(client.execute(request), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        expectExecuted(bank).never()
        yield* TestClock.adjust("4 seconds")
        yield* bank.awaitExecuted({ operation: "charges.create" })
        expectExecuted(bank).once("charges.create")
      }).pipe(Effect.scoped)
    })
  })

  it.effect("executes late: nothing now, and done after the time", () =>
    Effect.gen(function* () {
      const payments = yield* Payments
      const bank = yield* FakeBank
      yield* bank.inject([FaultInjection.executesLate("15 seconds")])
      const fiber = yield* Effect.forkChild(payments.charge({ payload: order }))
      yield* bank.awaitFault("StallBeforeHeaders")
      yield* TestClock.adjust("14 seconds")
      expectExecuted(bank).never()
      yield* TestClock.adjust("1 second")
      expectExecuted(bank).once("charges.create")
      yield* TestClock.adjust("1 minute")
      // The key was in flight meanwhile, and its stored answer is there in the end or the call says that it may have happened.
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(bank.ledger.length, 1)
      if (Exit.isFailure(exit)) {
        const recording = yield* IntegrationTest.Recording
        expectOutcome(recording).of("charge", { outcome: "Unknown" })
      }
    }).pipe(Effect.provide(test))
  )

  it.effect("a guard looks before key and handler, and what it says is not stored", () => {
    let open = false
    const bank = Upstream.make(Bank, {
      guard: ({ wire }) => {
        assert.strictEqual(wire.operation, "charges.create")
        return Effect.succeed(
          open ? undefined : HttpServerResponse.empty({ status: 429, headers: { "retry-after": "1" } })
        )
      }
    })
    return Effect.gen(function* () {
      const refused = yield* asked(bank, create(order, "k-1"))
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "1"])
      open = true
      const answer = yield* asked(bank, create(order, "k-1"))
      assert.deepStrictEqual([answer.status, answer.headers["idempotent-replayed"]], [201, undefined])
      expectExecuted(bank).once("charges.create", { key: "k-1" })
    })
  })

  it.effect("stands below the path of its base URL", () => {
    const bank = Upstream.make(Bank, { basePath: "/api/v3" })
    return Effect.gen(function* () {
      assert.strictEqual(bank.baseUrl, "https://test-bank.test/api/v3")
      assert.strictEqual((yield* asked(bank, create(order))).status, 201)
      assert.strictEqual(bank.requests[0]!.url, "https://test-bank.test/api/v3/charges")
      assert.strictEqual(bank.requests[0]!.operation, "charges.create")
      const client = Context.get(yield* Layer.build(bank.layer), HttpClient.HttpClient)
      assert.strictEqual((yield* client.get("https://test-bank.test/charges/1")).status, 404)
    }).pipe(Effect.scoped)
  })

  it.effect("reset forgets all but the plan of faults, which begins anew", () => {
    const bank = Upstream.make(Bank, {
      state: () => ({ count: 0 }),
      faults: [FaultInjection.status(503)],
      handlers: { charges: { create: (_, { state }) => Effect.succeed({ id: String(++state.count), amount: 1 }) } }
    })
    const twice = Effect.map(
      Effect.forEach([1, 2], () => asked(bank, create(order, "k-1"))),
      (answers) => answers.map(({ status }) => status)
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* twice, [503, 201])
      const { state } = bank
      yield* bank.reset
      assert.deepStrictEqual([bank.requests.length, bank.ledger.length, bank.state.count], [0, 0, 0])
      assert.notStrictEqual(bank.state, state)
      assert.deepStrictEqual(yield* twice, [503, 201])
      expectExecuted(bank).once("charges.create", { key: "k-1" })
    })
  })

  it.effect("carries the server side of middleware", () => {
    class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {}, { httpApiStatus: 401 }) {}
    class Guarded extends HttpApiMiddleware.Service<Guarded>()("test/Guarded", {
      error: Unauthorized,
      security: { token: HttpApiSecurity.bearer }
    }) {}
    const Api = HttpApi.make("guarded").add(
      HttpApiGroup.make("things")
        .add(HttpApiEndpoint.get("get", "/thing", { success: Schema.Struct({ id: Schema.String }) }))
        .middleware(Guarded)
    )
    const upstream = Upstream.make(Api, {
      middleware: Layer.succeed(Guarded, {
        token: (effect, { credential }) =>
          Redacted.value(credential) === "good" ? effect : Effect.fail(new Unauthorized())
      })
    })
    return Effect.gen(function* () {
      const request = HttpClientRequest.get("/thing")
      assert.strictEqual((yield* asked(upstream, request)).status, 401)
      assert.strictEqual((yield* asked(upstream, HttpClientRequest.bearerToken(request, "good"))).status, 200)
    })
  })

  it.effect("two integrations on one provider share its state and the recording", () => {
    class Refunds extends Integration.Service<Refunds>()(
      "shop/Refunds",
      { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ outcome }) => new Down({ outcome }) },
      { drop: HttpOperation.endpoint(Bank, "charges", "drop") }
    ) {}
    return Effect.gen(function* () {
      yield* (yield* Payments).charge({ payload: order })
      yield* (yield* Refunds).drop({ params: { id: "1" } })
      expectExecuted(yield* FakeBank).inOrder(["charges.create", "charges.drop"])
      const { calls } = yield* IntegrationTest.Recording
      assert.deepStrictEqual(
        calls.map(({ integration, operation }) => `${integration} ${operation}`),
        ["shop/Payments charge", "shop/Refunds drop"]
      )
    }).pipe(Effect.provide(Layer.mergeAll(test, IntegrationTest.layer(Refunds, FakeBank))))
  })
})
