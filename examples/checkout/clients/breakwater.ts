/**
 * The checkout over breakwater: three methods of three integrations, and one decision of the application's own. A failure
 * says whether its effect happened; where it did, the checkout goes on, since only the answer was lost.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Telemetry } from "breakwater"
import { Effect, Layer } from "effect"
import { Checkout, type ClientEntry, type ClientOptions } from "../client.ts"
import { chargeRequest, receiptRequest, reservationRequest } from "../contracts.ts"
import type { Outcome } from "../errors.ts"
import { Cards, Inventory, layers, Mail } from "../integrations.ts"

/** Goes on after a failure whose effect happened. */
const ifApplied = <A, E extends { readonly outcome: Outcome }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.catchIf(
    call,
    (error) => error.outcome === "Applied",
    () => Effect.void
  )

const make = Effect.gen(function* () {
  const inventory = yield* Inventory
  const cards = yield* Cards
  const mail = yield* Mail
  return Checkout.of({
    reserve: (order) =>
      ifApplied(inventory.reserve({ params: { orderId: order.id }, payload: reservationRequest(order) })),
    charge: (order) => ifApplied(cards.charge({ payload: chargeRequest(order) })),
    receipt: (order) => ifApplied(mail.receipt({ payload: receiptRequest(order) }))
  })
})

/** The checkout over any layers of its integrations: those below, or a test's. */
export const checkout: Layer.Layer<Checkout, never, Inventory | Cards | Mail> = Layer.effect(Checkout, make)

const layer = ({ observe, urls }: ClientOptions) => {
  const { cards, inventory, mail } = layers(urls)
  const observer = Telemetry.layerObserver((event) =>
    observe({
      integration: event.integration.replace("checkout/", "").toLowerCase(),
      operation: event.operation,
      outcome: event.callOutcome,
      attempts: event.attempts.length,
      latencyMs: event.latency
    })
  )
  // The demo has a table; a service would keep the log line that every call writes.
  const quiet = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  return checkout.pipe(
    Layer.provide(Layer.mergeAll(inventory, cards, mail)),
    Layer.provide(Layer.mergeAll(NodeHttpClient.layerUndici, observer, quiet))
  )
}

export const breakwaterClient: ClientEntry = { name: "breakwater", observes: true, layer }
