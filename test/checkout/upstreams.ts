/** The checkout's three providers, made from the contracts that its integrations are made from. */
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import {
  AddressError,
  CardError,
  cardProblems,
  CardsApi,
  InventoryApi,
  MailApi,
  replayedHeader,
  SkuUnavailable
} from "../../examples/checkout/contracts.ts"

export class InventoryUpstream extends Upstream.Service<InventoryUpstream>()("test/checkout/Inventory", InventoryApi, {
  state: () => ({ reservations: new Map<string, string>() }),
  handlers: {
    reservations: {
      put: Effect.fnUntraced(function* ({ params: { orderId }, payload: { lines } }, { changed, state }) {
        const missing = lines.find(({ sku }) => sku.startsWith("SOLD-OUT"))
        if (missing !== undefined) return yield* new SkuUnavailable({ sku: missing.sku })
        const reserved = JSON.stringify(lines)
        // A PUT that leaves the state as it was changes nothing.
        yield* changed(state.reservations.get(orderId) !== reserved)
        state.reservations.set(orderId, reserved)
        return { reservationId: `res_${orderId}`, orderId, status: "reserved" as const }
      })
    }
  }
}) {}

const problem = (status: number, type: string) => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: { type, status }
})

export class CardsUpstream extends Upstream.Service<CardsUpstream>()("test/checkout/Cards", CardsApi, {
  keys: KeyWindow.make({
    lifetime: "24 hours",
    inFlight: problem(409, cardProblems.inProgress),
    mismatch: problem(422, cardProblems.keyReused),
    missing: problem(400, cardProblems.keyMissing),
    replayHeader: replayedHeader
  }),
  handlers: {
    charges: {
      create: ({ payload: { amount, cardToken, currency, orderId } }) =>
        cardToken.startsWith("tok_declined")
          ? Effect.fail(new CardError({ code: "insufficient_funds" }))
          : Effect.succeed({ chargeId: `ch_${orderId}`, orderId, amount, currency, status: "succeeded" as const })
    }
  }
}) {}

export class MailUpstream extends Upstream.Service<MailUpstream>()("test/checkout/Mail", MailApi, {
  handlers: {
    receipts: {
      create: ({ payload: { email, orderId } }) =>
        email.endsWith("@bounce.example")
          ? Effect.fail(new AddressError({ reason: "mailbox does not exist" }))
          : Effect.succeed({ receiptId: `rcpt_${orderId}`, orderId, status: "queued" as const })
    }
  }
}) {}
