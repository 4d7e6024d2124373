/**
 * The checkout of examples/checkout from its own HTTP API to its providers, in memory and in virtual time. Nothing of it
 * is replaced but three layers: each integration stands over a double of its provider.
 */
import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectSpans, FaultInjection, IntegrationTest, type Upstream } from "breakwater/testing"
import { Effect, Layer, Result } from "effect"
import { HttpClientRequest, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { Checkout } from "../../examples/checkout/client.ts"
import { checkout } from "../../examples/checkout/clients/breakwater.ts"
import { isCheckoutError } from "../../examples/checkout/errors.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"
import { Cards, Inventory, Mail } from "../../examples/checkout/integrations.ts"
import type { Order } from "../../examples/checkout/orders.ts"
import * as Server from "../../examples/checkout/server.ts"
import { CardsUpstream, InventoryUpstream, MailUpstream } from "./upstreams.ts"

const { settle } = IntegrationTest

/** The only difference to production: `IntegrationTest.layer` where `integrations.ts` says `HttpIntegration.layer`. */
const CheckoutTest = checkout.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      IntegrationTest.layer(Inventory, InventoryUpstream),
      IntegrationTest.layer(Cards, CardsUpstream),
      IntegrationTest.layer(Mail, MailUpstream)
    )
  )
)

const order: Order = {
  id: "ord_1",
  lines: [{ sku: "MUG-BLUE", quantity: 2 }],
  amount: 2580,
  currency: "EUR",
  email: "ada.lind@example.com",
  cardToken: "tok_visa_4f2a9c"
}

/** The checkout's own API, as `--serve` has it but for the socket: takes an order, gives what its caller sees. */
const openShop = Effect.gen(function* () {
  const server = yield* HttpRouter.toHttpEffect(Layer.provide(Server.routes, HttpServer.layerServices))
  return (body: unknown) =>
    Effect.gen(function* () {
      const request = HttpClientRequest.post("https://checkout.test/checkout").pipe(
        HttpClientRequest.bodyJsonUnsafe(body)
      )
      const response = yield* Effect.provideService(
        server,
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromClientRequest(request)
      )
      const answer = HttpServerResponse.toClientResponse(response)
      return { status: answer.status, body: yield* answer.json }
    }).pipe(Effect.scoped, Effect.orDie)
})

const sold = (receipt: "sent" | "not sent" | "unknown", id = order.id) => ({
  status: 201,
  body: { orderId: id, receipt }
})

type Step = "reserve" | "charge" | "receipt"
type Provider = Pick<Upstream.Upstream<string, unknown>, "inject" | "ledger" | "requests">

const providers: Effect.Effect<
  Readonly<Record<Step, Provider>>,
  never,
  InventoryUpstream | CardsUpstream | MailUpstream
> = Effect.gen(function* () {
  return { reserve: yield* InventoryUpstream, charge: yield* CardsUpstream, receipt: yield* MailUpstream }
})

/** How often a provider carried a step of this order out. */
const executions = ({ ledger }: Provider, orderId: string): number =>
  ledger.filter(({ input }) => {
    const { params, payload } = input as Readonly<
      Record<"params" | "payload", { readonly orderId?: string } | undefined>
    >
    return (params?.orderId ?? payload?.orderId) === orderId
  }).length

describe("an order over providers that behave", () => {
  it.effect("is reserved, charged and confirmed, once each", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      assert.deepStrictEqual(yield* settle(post(order)), sold("sent"))
      expectExecuted(yield* InventoryUpstream).once("reservations.put", { params: { orderId: "ord_1" } })
      expectExecuted(yield* CardsUpstream).once("charges.create", { payload: { orderId: "ord_1", amount: 2580 } })
      expectExecuted(yield* MailUpstream).once("receipts.create", { payload: { email: order.email } })
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(
        recording.calls.map(({ integration, operation }) => `${integration} ${operation}`),
        ["checkout/Inventory reserve", "checkout/Cards charge", "checkout/Mail receipt"]
      )
      for (const secret of [order.cardToken, order.email]) expectSpans(recording).without(secret)
    }).pipe(Effect.provide(CheckoutTest))
  )

  it.effect("that is sent twice is sold once", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      yield* settle(post(order))
      yield* settle(post(order))
      expectExecuted(yield* InventoryUpstream).once("reservations.put")
      expectExecuted(yield* CardsUpstream).once("charges.create")
      // The mail provider can't tell a repeat from a second wish.
      expectExecuted(yield* MailUpstream).times(2, "receipts.create")
    }).pipe(Effect.provide(CheckoutTest))
  )

  it.effect("ends where a provider says no", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      assert.deepStrictEqual(yield* settle(post({ ...order, lines: [{ sku: "SOLD-OUT-MUG", quantity: 1 }] })), {
        status: 409,
        body: { _tag: "OutOfStock", sku: "SOLD-OUT-MUG", outcome: "Refused" }
      })
      expectExecuted(yield* InventoryUpstream).never()
      assert.strictEqual((yield* CardsUpstream).requests.length, 0)
      assert.deepStrictEqual(yield* settle(post({ ...order, cardToken: "tok_declined_1" })), {
        status: 402,
        body: { _tag: "CardDeclined", code: "insufficient_funds", outcome: "Refused" }
      })
      expectExecuted(yield* CardsUpstream).never()
      assert.strictEqual((yield* MailUpstream).requests.length, 0)
      assert.deepStrictEqual(
        yield* settle(post({ ...order, id: "ord_2", email: "ada@bounce.example" })),
        sold("not sent", "ord_2")
      )
      expectExecuted(yield* MailUpstream).never()
    }).pipe(Effect.provide(CheckoutTest))
  )
})

/** What the wire did to the one receipt that may be sent, and what the checkout then says of it. */
const receiptAfter = (fault: FaultInjection.Fault): "sent" | "unknown" => {
  switch (fault._tag) {
    // It certainly was not sent, so that it is sent again.
    case "Refused":
      return "sent"
    case "Status":
      return fault.status === 429 ? "sent" : "unknown"
    // The status says that it was sent. Only the answer is missing, and nobody needs it.
    case "Latency":
    case "StallInBody":
    case "CutBody":
    case "HugeBody":
    case "WrongShape":
      return "sent"
    default:
      return "unknown"
  }
}

describe("an order over providers of which one fails once", () => {
  for (const fault of FaultInjection.all) {
    const name = JSON.stringify(fault)

    for (const [step, _tag] of [
      ["reserve", "InventoryUnavailable"],
      ["charge", "PaymentsUnavailable"]
    ] as const) {
      it.effect(`${step}: ${name}`, () =>
        Effect.gen(function* () {
          const post = yield* openShop
          const at = yield* providers
          yield* at[step].inject([fault])
          const answer = yield* settle(post(order))
          // A page of HTML with a 2xx proves nothing, and a repeat would meet the same proxy.
          const stopped = fault._tag === "WrongMediaType"
          assert.deepStrictEqual(answer, stopped ? { status: 424, body: { _tag, outcome: "Unknown" } } : sold("sent"))
          yield* TestClock.adjust("1 second")
          assert.strictEqual(executions(at[step], order.id), 1)
          assert.strictEqual(executions(at.receipt, order.id), stopped ? 0 : 1)
        }).pipe(Effect.provide(CheckoutTest))
      )
    }

    it.effect(`receipt: ${name}`, () =>
      Effect.gen(function* () {
        const post = yield* openShop
        const at = yield* providers
        yield* at.receipt.inject([fault])
        const receipt = receiptAfter(fault)
        assert.deepStrictEqual(yield* settle(post(order)), sold(receipt))
        yield* TestClock.adjust("1 second")
        const sent = executions(at.receipt, order.id)
        if (receipt === "sent") assert.strictEqual(sent, 1)
        else {
          assert.isAtMost(sent, 1)
          assert.strictEqual(at.receipt.requests.length, 1)
        }
      }).pipe(Effect.provide(CheckoutTest))
    )
  }
})

describe("an order over a provider that is down", () => {
  // What a provider may write into its 503, and what no caller of the checkout may read.
  const down = FaultInjection.status(503, { body: { error: "SQLSTATE 53300 at db-7.internal" } })
  const always = () => down

  it.effect("shows the checkout's own contract, not the provider's", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      const at = yield* providers
      yield* at.receipt.inject(always)
      assert.deepStrictEqual(yield* settle(post(order)), sold("unknown"))
      assert.strictEqual(at.receipt.requests.length, 1)

      yield* at.charge.inject(always)
      const unpaid = { status: 424, body: { _tag: "PaymentsUnavailable", outcome: "Unknown" } }
      assert.deepStrictEqual(yield* settle(post({ ...order, id: "ord_2" })), unpaid)
      assert.strictEqual(at.receipt.requests.length, 1)

      yield* at.reserve.inject(always)
      const charges = at.charge.requests.length
      const unreserved = { status: 424, body: { _tag: "InventoryUnavailable", outcome: "Unknown" } }
      assert.deepStrictEqual(yield* settle(post({ ...order, id: "ord_3" })), unreserved)
      assert.strictEqual(at.charge.requests.length, charges)
    }).pipe(Effect.provide(CheckoutTest))
  )

  it.effect("spares it while the circuit is open, and says that nothing was charged", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      const at = yield* providers
      yield* at.charge.inject(always)
      yield* settle(post(order))
      const before = at.charge.requests.length

      // Four customers in the moment in which the circuit is open. One of them at a time is its probe.
      const ids = [2, 3, 4, 5].map((n) => `ord_${n}`)
      const answers = yield* settle(Effect.forEach(ids, (id) => post({ ...order, id }), { concurrency: "unbounded" }))
      const during = at.charge.requests.slice(before)
      assert.isAtMost(during.length, ids.length, "five attempts for each of four customers would be 20")
      const unsent = ids.filter((id) => !during.some(({ text }) => text.includes(id)))
      assert.isAbove(unsent.length, 0)
      for (const [index, id] of ids.entries()) {
        const { body, status } = answers[index]!
        const outcome = unsent.includes(id) ? "NotSent" : "Unknown"
        assert.strictEqual(status, 424)
        assert.deepInclude(body, { _tag: "PaymentsUnavailable", outcome })
      }
    }).pipe(Effect.provide(CheckoutTest))
  )

  it.effect("passes on for how long it asks to be left alone", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      const at = yield* providers
      yield* at.charge.inject([FaultInjection.status(429, { retryAfter: 60 })])
      assert.deepStrictEqual(yield* settle(post(order)), {
        status: 424,
        body: { _tag: "PaymentsUnavailable", outcome: "Refused", retryAfter: 60_000 }
      })
      assert.strictEqual(at.charge.requests.length, 1)
    }).pipe(Effect.provide(CheckoutTest))
  )

  it.effect("sells again when it is back, the orders of the outage included", () =>
    Effect.gen(function* () {
      const post = yield* openShop
      const at = yield* providers
      yield* at.charge.inject(
        FaultInjection.window({ to: "30 seconds" }, FaultInjection.status(503, { executes: true }))
      )
      assert.strictEqual((yield* settle(post(order))).status, 424)
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* settle(post(order)), sold("sent"))
      assert.strictEqual(executions(at.charge, order.id), 1)
    }).pipe(Effect.provide(CheckoutTest))
  )
})

describe("many orders over providers that misbehave", () => {
  const orders = generateOrders(40)
  const steps = ["reserve", "charge", "receipt"] as const

  const run = Effect.fnUntraced(function* (order: Order) {
    const shop = yield* Checkout
    const ended: Partial<Record<Step, Result.Result<unknown, unknown>>> = {}
    for (const step of steps) {
      const result = yield* Effect.result(shop[step](order))
      ended[step] = result
      if (Result.isFailure(result)) break
    }
    return { id: order.id, ended }
  })
  const runAll = settle(Effect.forEach(orders, run, { concurrency: 8 }))

  it.effect("whatever the seed: nothing twice, nothing untyped, no error that lies, and a repeat completes it", () =>
    FaultInjection.forSeeds({ runs: 20 }, (seed) =>
      Effect.gen(function* () {
        const at = yield* providers
        for (const step of steps) yield* at[step].inject(FaultInjection.seeded({ seed: `${seed}|${step}`, rate: 0.4 }))
        const first = yield* runAll
        // What was begun and given up may still happen.
        yield* TestClock.adjust("10 seconds")
        for (const step of steps) assert.isTrue(at[step].requests.some(({ fault }) => fault !== undefined))

        for (const { ended, id } of first) {
          for (const step of steps) {
            const result = ended[step]
            const count = executions(at[step], id)
            const what = `${step} ${id}`
            assert.isAtMost(count, 1, what)
            if (result === undefined) assert.strictEqual(count, 0, what)
            else if (Result.isSuccess(result)) assert.strictEqual(count, 1, what)
            else {
              const { failure } = result
              if (!isCheckoutError(failure)) return assert.fail(`${what}: untyped ${String(failure)}`)
              if (failure.outcome !== "Unknown") assert.strictEqual(count, 0, `${what}: ${failure.outcome}`)
            }
          }
        }

        for (const step of steps) yield* at[step].inject(undefined)
        for (const { ended, id } of yield* runAll) {
          for (const step of ["reserve", "charge"] as const) {
            assert.isTrue(ended[step] !== undefined && Result.isSuccess(ended[step]), `${step} ${id} again`)
            assert.strictEqual(executions(at[step], id), 1, `${step} ${id} again`)
          }
        }
      }).pipe(Effect.provide(CheckoutTest, { local: true }))
    )
  )
})
