/**
 * What the payment provider calls: an order whose payment was settled is paid. The provider delivers an event until it is
 * answered with 200, so the same event may come many times, also at once. It marks the order once.
 */
import { Receiver, Webhook } from "breakwater"
import { WebhookReceiver } from "breakwater/http"
import { Config, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { SqlClient } from "effect/sql"
import { OrderNotFound } from "./api.ts"
import { Database } from "./database.ts"

const Settled = Schema.Struct({
  type: Schema.Literal("payment.settled"),
  data: Schema.Struct({ orderId: Schema.String })
})

/** Events that nothing is done about. A settled payment that can't be read is none of them: it must not be acknowledged. */
const Other = Schema.Struct({
  type: Schema.String.check(Schema.makeFilter((type) => type !== "payment.settled"))
})

const route = (secrets: Redacted.Redacted) =>
  WebhookReceiver.post(
    "/webhooks/payments",
    Webhook.standard({ secrets }),
    { event: Schema.Union([Settled, Other]), mode: Receiver.transactional() },
    // The mark and the record of the event's id are one transaction: both are there, or neither.
    Effect.fnUntraced(function* (event) {
      if (!("data" in event)) return
      const sql = yield* SqlClient.SqlClient
      const id = event.data.orderId
      const marked = yield* sql`UPDATE orders SET status = 'paid' WHERE id = ${id} RETURNING id`
      // Answered with 500, and not recorded: the provider comes again, and then the order may be there.
      if (marked.length === 0) return yield* new OrderNotFound({ id })
    })
  )

/** Without `PAYMENTS_WEBHOOK_SECRET` (`whsec_…`) there is no such route: nobody could be believed. */
export const Payments = Layer.unwrap(
  Effect.map(
    Config.option(Config.Redacted("PAYMENTS_WEBHOOK_SECRET")),
    Option.match({ onNone: () => Layer.empty, onSome: route })
  )
).pipe(HttpRouter.provideRequest(Database))
