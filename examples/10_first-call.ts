/**
 * One integration, defined and called, against a small server in the same file that fails every second time.
 *
 * Run it: `npm run example examples/10_first-call.ts`
 */
import { NodeHttpClient, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createServer } from "node:http"

// ---- the provider's contract: an ordinary HttpApi

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}

class Cards extends HttpApi.make("cards").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ orderId: Schema.String, amount: Schema.Int }),
      success: Schema.Struct({ id: Schema.String, amount: Schema.Int }),
      error: CardError
    })
  )
) {}

// ---- the application's own errors

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}

export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

// ---- the integration

export class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard({ attemptTimeout: "2 seconds", totalDeadline: "8 seconds" }),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new PaymentsUnavailable({ outcome: failure.outcome })
  },
  {
    charge: HttpOperation.endpoint(Cards, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.orderId), {
        lifetime: "24 hours"
      }),
      translate: { CardError: ({ code }) => new CardDeclined({ code }) }
    })
  }
) {}

// ---- a provider that answers 503 to every other request

let requests = 0
const handler = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (++requests % 2 === 1) return HttpServerResponse.empty({ status: 503 })
  yield* Effect.log(`the provider carried out the request with key ${request.headers["idempotency-key"]}`)
  return yield* HttpServerResponse.json({ id: "ch_1", amount: 4200 })
})

const Provider = HttpRouter.serve(HttpRouter.add("POST", "/charges", handler), {
  disableListenLog: true,
  disableLogger: true
}).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))

const PaymentsLive = Layer.unwrap(
  Effect.gen(function* () {
    const { address } = yield* HttpServer.HttpServer
    const port = "port" in address ? address.port : 0
    return HttpIntegration.layer(Payments, { baseUrl: `http://127.0.0.1:${port}` })
  })
).pipe(Layer.provide(NodeHttpClient.layerUndici), Layer.provide(Provider))

// ---- the program

const program = Effect.gen(function* () {
  const payments = yield* Payments
  const charge = yield* payments.charge({ payload: { orderId: "order-42", amount: 4200 } })
  yield* Effect.log(`charged ${charge.amount} as ${charge.id}`)
}).pipe(
  Effect.catchTags({
    CardDeclined: ({ code }) => Effect.log(`the customer's card was declined: ${code}`),
    PaymentsUnavailable: ({ outcome }) => Effect.log(`no answer; was the card charged? ${outcome}`)
  })
)

NodeRuntime.runMain(Effect.provide(program, PaymentsLive))
