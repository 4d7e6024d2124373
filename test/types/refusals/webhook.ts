// The receiver of webhooks: a secret is redacted, a mode is chosen, and a transaction makes no calls.
import { Exhaustion, Integration, Operation, Policy, Receiver, Webhook } from "breakwater"
import { WebhookReceiver } from "breakwater/http"
import { Context, Data, Effect, type Layer, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"

class Down extends Data.TaggedError("Down") {}
class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
  { ping: Operation.query("ping", { success: Schema.String, send: () => Effect.succeed("pong") }) }
) {}
class Orders extends Context.Service<Orders, { readonly pay: Effect.Effect<void> }>()("shop/Orders") {}

const secrets = Redacted.make("whsec_1")
const event = Schema.Struct({ type: Schema.String })
const mode = Receiver.leased({ onLostLease: "rerun" })
const Events = Webhook.stripe({ secrets })
const nothing = () => Effect.void

// A provider that there is none of.
// expect: Property 'paypal' does not exist on type
Webhook.paypal({ secrets })

// No secret, an empty list of them, or one that a log would show.
// expect: Property 'secrets' is missing in type '{}'
Webhook.stripe({})
Webhook.stripe({
  // expect: Source has 0 element(s) but target requires 1
  secrets: []
})
Webhook.stripe({
  // expect: Type 'string' is not assignable to type 'Config<readonly Redacted<string>[] | Redacted<string>>
  secrets: "whsec_1"
})
Webhook.stripe({
  // expect: Type 'string' is not assignable to type 'Secret'
  secrets: [secrets, "whsec_2"]
})

// GitHub signs no time, so there is none to be tolerant of.
Webhook.github({
  secrets,
  // expect: 'tolerance' does not exist in type
  tolerance: "5 minutes"
})
Webhook.stripe({
  secrets,
  // expect: Type '"soon"' is not assignable to type 'Input | undefined'
  tolerance: "soon"
})

// No mode, and no schema of what arrives.
// expect: Property 'mode' is missing in type
WebhookReceiver.post("/hooks", Events, { event }, nothing)
// expect: Property 'event' is missing in type
WebhookReceiver.post("/hooks", Events, { mode }, nothing)

WebhookReceiver.post(
  "/hooks",
  Events,
  {
    event,
    mode,
    // expect: Type '"a week"' is not assignable to type 'Input | undefined'
    timeToLive: "a week"
  },
  nothing
)

// A rollback can't undo a call.
WebhookReceiver.post(
  "/hooks",
  Events,
  { event, mode: Receiver.transactional() },
  // expect: a rollback can't undo a call to shop/Payments: write it ahead through Outbox.queue, or use Receiver.leased
  () => Effect.flatMap(Payments, (payments) => payments.ping())
)

// A webhook that is a secret alone.
// expect: Type 'Redacted<string>' is missing the following properties from type 'Webhook'
WebhookReceiver.post("/hooks", secrets, { event, mode }, nothing)

// A handler whose requirements nobody has met: neither the store nor the orders.
const route = WebhookReceiver.post("/hooks", Events, { event, mode }, () =>
  Effect.flatMap(Orders, (orders) => orders.pay)
)
// expect: Request<"Requires", IdempotencyStore> | Request<"Requires", Orders>
export const unmet: Layer.Layer<never, unknown, HttpRouter.HttpRouter> = route

// An answer that is not what the handler succeeds with.
WebhookReceiver.post(
  "/hooks",
  Events,
  { event, mode, answer: { success: Schema.String, respond: (text: string) => HttpServerResponse.text(text) } },
  // expect: Type 'number' is not assignable to type 'string'
  () => Effect.succeed(1)
)
