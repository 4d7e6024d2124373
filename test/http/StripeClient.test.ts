// A client that we did not write against our receiver: the `stripe` package with its own retries on, over sockets, and a
// wire between the two that loses answers. Its waits are its own, half a second and more: the tests run side by side.
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory, Receiver } from "breakwater"
import { HttpReceiver } from "breakwater/http"
import { FaultInjection, KeyWindow } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Context, Deferred, Effect, Layer, Schema } from "effect"
import { HttpClientRequest, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Stripe } from "stripe"
import { onSocket } from "./receiverServers.ts"

// ---- a server that answers like Stripe's `POST /v1/payment_intents`

class Account extends Context.Service<Account, string>()("test/Account") {}

const Auth = HttpRouter.middleware<{ provides: Account }>()((handler) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const key = headers["authorization"]?.replace("Bearer sk_test_", "")
    return key === undefined
      ? Effect.succeed(HttpServerResponse.jsonUnsafe(errorOf("invalid_request_error"), { status: 401 }))
      : Effect.provideService(handler, Account, `acct_${key}`)
  })
)

const errorOf = (type: string, code?: string, message?: string) => ({ error: { type, code, message } })

/** Says the receiver's problems in Stripe's words: its SDK takes any JSON without `error` for a success. */
const StripeErrors = HttpRouter.middleware()((handler) =>
  Effect.flatMap(handler, (response) => {
    if (response.headers["content-type"] !== "application/problem+json") return Effect.succeed(response)
    return Effect.map(
      Effect.promise(() => HttpServerResponse.toWeb(response).json() as Promise<{ type: string; title: string }>),
      ({ title, type }) => {
        const headers =
          response.headers["retry-after"] === undefined ? {} : { "retry-after": response.headers["retry-after"] }
        switch (type) {
          case HttpReceiver.problems.keyReused:
            return HttpServerResponse.jsonUnsafe(errorOf("idempotency_error", undefined, title), { status: 400 })
          case HttpReceiver.problems.inProgress:
            return HttpServerResponse.jsonUnsafe(errorOf("invalid_request_error", "idempotency_key_in_use", title), {
              status: 409,
              headers
            })
          default:
            return HttpServerResponse.jsonUnsafe(errorOf("api_error", undefined, title), {
              status: response.status,
              headers
            })
        }
      }
    )
  })
)

const readIntent = HttpServerRequest.schemaBodyUrlParams(
  Schema.Struct({
    amount: Schema.FiniteFromString,
    currency: Schema.String,
    payment_method: Schema.optionalKey(Schema.String),
    "metadata[order]": Schema.String
  })
)

interface Run {
  readonly account: string
  readonly amount: number
  readonly order: string
}

interface Setup {
  readonly faults?: FaultInjection.Faults
  /** Runs before the payment is made. */
  readonly before?: Effect.Effect<void>
  /** The receiver's own problem documents, as they are. */
  readonly bare?: boolean
  readonly store?: Layer.Layer<IdempotencyStore.IdempotencyStore>
}

/** A store that answers no claim. */
const outOfReach = Layer.effect(
  IdempotencyStore.IdempotencyStore,
  Effect.map(IdempotencyStoreMemory.make, (store): IdempotencyStore.Store => ({
    ...store,
    claim: () =>
      Effect.fail(
        new IdempotencyStore.StoreError({
          reason: "Unavailable",
          store: "test",
          operation: "claim",
          tookEffect: "no",
          cause: undefined
        })
      )
  }))
)

const open = ({ bare = false, before = Effect.void, faults, store = IdempotencyStoreMemory.layer }: Setup = {}) =>
  Effect.gen(function* () {
    const runs: Array<Run> = []
    const create = Effect.gen(function* () {
      const { "metadata[order]": order, amount, currency, payment_method } = yield* readIntent
      const run = { account: yield* Account, amount, order }
      runs.push(run)
      const id = `pi_${runs.length}`
      yield* before
      return payment_method === "pm_card_chargeDeclined"
        ? HttpServerResponse.jsonUnsafe(errorOf("card_error", "card_declined"), { status: 402 })
        : HttpServerResponse.jsonUnsafe({ id, object: "payment_intent", amount, currency })
    })
    const idempotent = HttpReceiver.middleware({
      name: "payments",
      mode: Receiver.leased({ onLostLease: "hold" }),
      principal: Account
    })
    const middleware = bare ? idempotent.combine(Auth) : idempotent.combine(Auth).combine(StripeErrors)
    const server = yield* onSocket(
      HttpRouter.add("POST", "/v1/payment_intents", create).pipe(Layer.provide(middleware.layer), Layer.provide(store))
    )
    // The wire: it forwards, and does with the answer what its faults say. Keys are the receiver's business.
    const wire = FaultInjection.make({
      faults,
      keys: KeyWindow.make({ methods: [] }),
      // Every order meets its own faults.
      operationOf: ({ text }) => new URLSearchParams(text).get("metadata[order]") ?? "",
      respond: ({ body, headers, method, url }) =>
        HttpClientRequest.make(method as "POST")(`${server.url}${new URL(url).pathname}`, {
          headers: Object.fromEntries(
            Object.entries(headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name))
          )
        }).pipe(
          HttpClientRequest.bodyUint8Array(body, headers["content-type"] ?? ""),
          server.client.execute,
          Effect.flatMap((response) =>
            Effect.map(response.arrayBuffer, (buffer) => ({
              status: response.status,
              headers: response.headers as Record<string, string>,
              body: new Uint8Array(buffer)
            }))
          ),
          Effect.orDie
        )
    })
    const { port } = yield* SocketServer.listen(wire)
    const sdkOf = (config: Partial<Stripe.StripeConfig> = {}, account = "shop") =>
      new Stripe(`sk_test_${account}`, {
        protocol: "http",
        host: "127.0.0.1",
        port,
        maxNetworkRetries: 5,
        telemetry: false,
        ...config
      })
    /** The requests' keys: one, if all were the same intent. */
    const keys = () => new Set(wire.requests.map(({ headers }) => headers["idempotency-key"]))
    return { runs, wire, sdkOf, keys }
  })

const order = (id: string): Stripe.PaymentIntentCreateParams => ({
  amount: 4200,
  currency: "eur",
  metadata: { order: id }
})

const create = (sdk: Stripe, params = order("a"), options?: Stripe.RequestOptions) =>
  Effect.tryPromise({ try: () => sdk.paymentIntents.create(params, options), catch: (error) => error })

const { StripeCardError, StripeIdempotencyError } = Stripe.errors

describe.concurrent("the stripe package, retrying into our receiver", () => {
  it.live("a lost answer: one payment, and the stored answer", () =>
    Effect.gen(function* () {
      const { keys, runs, sdkOf, wire } = yield* open({ faults: [FaultInjection.responseLost] })
      const paid = yield* create(sdkOf())
      assert.deepInclude(paid, { id: "pi_1", amount: 4200, currency: "eur" })
      assert.strictEqual(paid.lastResponse.headers["idempotent-replayed"], "true")
      assert.deepStrictEqual(runs, [{ account: "acct_shop", amount: 4200, order: "a" }])
      assert.deepStrictEqual([wire.requests.length, keys().size], [2, 1])
    })
  )

  it.live("503 twice, a 500 after the payment, an answer that is lost: one payment, and the stored answer", () =>
    Effect.gen(function* () {
      const { keys, runs, sdkOf, wire } = yield* open({
        faults: FaultInjection.script(
          FaultInjection.times(2, FaultInjection.status(503)),
          FaultInjection.status(500, { executes: true }),
          FaultInjection.responseLost
        )
      })
      assert.strictEqual((yield* create(sdkOf())).id, "pi_1")
      assert.deepStrictEqual([runs.length, wire.requests.length, keys().size], [1, 5, 1])
    })
  )

  it.live("it gives up while the payment is at work, is told 409, and comes again until there is an answer", () =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<void>()
      const { runs, sdkOf, wire } = yield* open({ before: Deferred.await(done) })
      yield* Effect.forkChild(Effect.andThen(wire.awaitRequest({ times: 3 }), Deferred.succeed(done, undefined)))
      const paid = yield* create(sdkOf({ timeout: 500 }))
      assert.deepStrictEqual([paid.id, runs.length], ["pi_1", 1])
      assert.isAtLeast(wire.requests.length, 3)
    })
  )

  it.live("a declined card whose answer was lost is declined once", () =>
    Effect.gen(function* () {
      const { runs, sdkOf } = yield* open({ faults: [FaultInjection.responseLost] })
      const error = yield* Effect.flip(create(sdkOf(), { ...order("a"), payment_method: "pm_card_chargeDeclined" }))
      assert.instanceOf(error, StripeCardError)
      assert.deepInclude(error, { code: "card_declined", statusCode: 402 })
      assert.strictEqual(error.headers?.["idempotent-replayed"], "true")
      assert.strictEqual(runs.length, 1)
    })
  )

  it.live("a key with another amount: its own error, and no payment", () =>
    Effect.gen(function* () {
      const { runs, sdkOf } = yield* open()
      const idempotencyKey = "order-a"
      yield* create(sdkOf(), order("a"), { idempotencyKey })
      const error = yield* Effect.flip(create(sdkOf(), { ...order("a"), amount: 4300 }, { idempotencyKey }))
      assert.instanceOf(error, StripeIdempotencyError)
      // The same key of another account is another one.
      const { id } = yield* create(sdkOf({}, "other"), { ...order("a"), amount: 4300 }, { idempotencyKey })
      assert.strictEqual(id, "pi_2")
      assert.deepStrictEqual(
        runs.map(({ account, amount }) => [account, amount]),
        [
          ["acct_shop", 4200],
          ["acct_other", 4300]
        ]
      )
    })
  )

  // The reason for `StripeErrors` above: who copies this must not leave it out.
  it.live("a problem document as it is would be taken for a payment", () =>
    Effect.gen(function* () {
      const { runs, sdkOf } = yield* open({ bare: true })
      const idempotencyKey = "order-a"
      yield* create(sdkOf(), order("a"), { idempotencyKey })
      const taken = yield* create(sdkOf(), { ...order("a"), amount: 4300 }, { idempotencyKey })
      assert.deepInclude<object>(taken, { type: HttpReceiver.problems.keyReused, status: 422 })
      assert.strictEqual(taken.id, undefined)
      assert.strictEqual(runs.length, 1)
    })
  )

  for (const [what, problem, store] of [
    ["409", HttpReceiver.problems.outcomeUnknown, IdempotencyStoreMemory.layer],
    ["503", HttpReceiver.problems.notProcessed, outOfReach]
  ] as const) {
    it.live(`so would a ${what}, when it has been repeated as often as it may be`, () =>
      Effect.gen(function* () {
        const { sdkOf, wire } = yield* open({ bare: true, before: Effect.die("a bug"), store })
        const taken = yield* create(sdkOf({ maxNetworkRetries: 2 }))
        assert.deepInclude<object>(taken, { type: problem, status: Number(what) })
        assert.strictEqual(taken.id, undefined)
        assert.strictEqual(wire.requests.length, 3)
      })
    )
  }

  it.live(
    "thirty orders at once over a bad wire: each is paid once, and gets the answer of its payment",
    () =>
      Effect.gen(function* () {
        const { keys, runs, sdkOf, wire } = yield* open({
          faults: FaultInjection.seeded({
            seed: 1,
            rate: 0.5,
            faults: [
              FaultInjection.responseLost,
              FaultInjection.cutBody,
              FaultInjection.resetBeforeReading,
              FaultInjection.status(503),
              FaultInjection.status(502, { executes: true }),
              FaultInjection.duplicateDelivery({ after: "5 millis" })
            ]
          })
        })
        const sdk = sdkOf({ maxNetworkRetries: 3 })
        const orders = Array.from({ length: 30 }, (_, n) => `order-${n}`)
        // The SDK does not repeat after half a body. Its application does, with the key of the order.
        const paid = yield* Effect.forEach(
          orders,
          (id) => Effect.retry(create(sdk, order(id), { idempotencyKey: id }), { times: 10 }),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(runs.length, 30)
        for (const [n, { id }] of paid.entries()) {
          assert.strictEqual(id, `pi_${runs.findIndex(({ order }) => order === orders[n]) + 1}`, orders[n])
        }
        assert.strictEqual(keys().size, 30)
        assert.isAbove(wire.requests.length, 45)
      }),
    60_000
  )
})
