import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import {
  CardsApi,
  chargeRequest,
  idempotencyKeyHeader,
  InventoryApi,
  MailApi,
  receiptRequest,
  reservationRequest
} from "../../examples/checkout/contracts.ts"
import { CheckoutError, isCheckoutError, MailUnavailable } from "../../examples/checkout/errors.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"
import { Providers } from "../../examples/checkout/provider/handle.ts"

const order = generateOrders(1)[0]!

/** Clients that Effect derives from the contracts, over providers that behave. */
const derived = Effect.gen(function* () {
  const { urls } = yield* (yield* Providers).start({ seed: 1, rate: 0 })
  return {
    inventory: yield* HttpApiClient.make(InventoryApi, { baseUrl: urls.inventory }),
    cards: yield* HttpApiClient.make(CardsApi, {
      baseUrl: urls.cards,
      transformClient: HttpClient.mapRequest(HttpClientRequest.setHeader(idempotencyKeyHeader, "k"))
    }),
    mail: yield* HttpApiClient.make(MailApi, { baseUrl: urls.mail })
  }
})

layer(Layer.merge(Providers.layer, FetchHttpClient.layer), { excludeTestServices: true })("the contracts", (it) => {
  it.effect("describe what the providers answer", () =>
    Effect.gen(function* () {
      const { cards, inventory, mail } = yield* derived
      const params = { orderId: order.id }
      const reservation = yield* inventory.reservations.put({ params, payload: reservationRequest(order) })
      const charge = yield* cards.charges.create({ payload: chargeRequest(order) })
      const receipt = yield* mail.receipts.create({ payload: receiptRequest(order) })
      assert.deepStrictEqual([reservation.status, charge.status, receipt.status], ["reserved", "succeeded", "queued"])
      assert.deepStrictEqual([charge.amount, charge.currency], [order.amount, order.currency])
    })
  )

  it.effect("declare what the providers refuse", () =>
    Effect.gen(function* () {
      const { cards, inventory, mail } = yield* derived
      const soldOut = { lines: [{ sku: "SOLD-OUT-MUG", quantity: 1 }] } as const
      const refusals: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        inventory.reservations.put({ params: { orderId: order.id }, payload: soldOut }),
        cards.charges.create({ payload: chargeRequest({ ...order, cardToken: "tok_declined_1" }) }),
        mail.receipts.create({ payload: receiptRequest({ ...order, email: "ada@bounce.example" }) })
      ]
      const tags = yield* Effect.forEach(refusals, (refusal) => Effect.map(Effect.flip(refusal), ({ _tag }) => _tag))
      assert.deepStrictEqual(tags, ["SkuUnavailable", "CardError", "AddressError"])
    })
  )

  it("have errors of their own, and every error of the checkout says whether the effect happened", () => {
    for (const member of CheckoutError.members) assert.property(member.fields, "outcome")
    assert.isTrue(isCheckoutError(new MailUnavailable({ outcome: "Unknown" })))
    assert.isFalse(isCheckoutError({ _tag: "MailUnavailable", outcome: "Unknown" }))
    assert.isFalse(isCheckoutError(new Error("anything else")))
  })
})
