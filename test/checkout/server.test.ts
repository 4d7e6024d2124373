import { assert, describe, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Logger } from "effect"
import { HttpServer } from "effect/http"
import { Checkout } from "../../examples/checkout/client.ts"
import { clients } from "../../examples/checkout/clients/index.ts"
import {
  AddressRejected,
  CardDeclined,
  InventoryUnavailable,
  MailUnavailable,
  OutOfStock,
  PaymentsUnavailable
} from "../../examples/checkout/errors.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"
import { Providers } from "../../examples/checkout/provider/handle.ts"
import * as Server from "../../examples/checkout/server.ts"

const [order] = generateOrders(1)

/** The checkout's own API over these steps, on a free port. */
const serve = (checkout: Layer.Layer<Checkout, unknown>) =>
  Effect.gen(function* () {
    const quiet = Logger.layer([])
    const context = yield* Layer.build(Server.layer(0).pipe(Layer.provide([Layer.orDie(checkout), quiet])))
    const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
    return (body: unknown) =>
      Effect.promise(async () => {
        const response = await fetch(`${url}/checkout`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
        return { status: response.status, body: JSON.parse(await response.text()) }
      })
  })

const over = (steps: Partial<Checkout["Service"]>) =>
  serve(
    Layer.succeed(Checkout, {
      reserve: () => Effect.void,
      charge: () => Effect.void,
      receipt: () => Effect.void,
      ...steps
    })
  )

describe("the checkout's own API", () => {
  layer(Providers.layer, { excludeTestServices: true })((it) => {
    it.effect("takes an order", () =>
      Effect.gen(function* () {
        const post = yield* over({})
        assert.deepStrictEqual(yield* post(order), { status: 201, body: { orderId: order?.id, receipt: "sent" } })
      })
    )

    it.effect("refuses a wrong order, naming the path", () =>
      Effect.gen(function* () {
        const post = yield* over({})
        const { body, status } = yield* post({ ...order, amount: "12" })
        assert.strictEqual(status, 400)
        assert.deepStrictEqual(body.errors[0].path, ["payload", "amount"])
      })
    )

    it.effect("has an own status for each of its errors, and says whether the effect happened", () =>
      Effect.gen(function* () {
        const failing = [
          ["reserve", new OutOfStock({ sku: "MUG-BLUE" }), 409, { sku: "MUG-BLUE", outcome: "Refused" }],
          [
            "reserve",
            new InventoryUnavailable({ outcome: "NotSent", retryAfter: undefined }),
            424,
            { outcome: "NotSent" }
          ],
          ["charge", new CardDeclined({ code: "expired" }), 402, { code: "expired", outcome: "Refused" }],
          ["charge", new PaymentsUnavailable({ outcome: "Unknown" }), 424, { outcome: "Unknown" }],
          [
            "charge",
            new PaymentsUnavailable({ outcome: "Refused", retryAfter: Duration.seconds(2) }),
            424,
            { outcome: "Refused", retryAfter: 2_000 }
          ]
        ] as const
        for (const [step, error, status, fields] of failing) {
          const post = yield* over({ [step]: () => Effect.fail(error) })
          assert.deepStrictEqual(yield* post(order), { status, body: { _tag: error._tag, ...fields } })
        }
      })
    )

    it.effect("sells also when the receipt fails, and says what became of it", () =>
      Effect.gen(function* () {
        const failing = [
          [Effect.fail(new MailUnavailable({ outcome: "Unknown" })), "unknown"],
          [Effect.fail(new MailUnavailable({ outcome: "NotSent" })), "not sent"],
          [Effect.fail(new MailUnavailable({ outcome: "Applied" })), "sent"],
          [Effect.fail(new AddressRejected({ reason: "no such mailbox" })), "not sent"],
          [Effect.fail(new TypeError("foreign")), "unknown"],
          [Effect.die("a bug"), "unknown"]
        ] as const
        for (const [end, receipt] of failing) {
          const post = yield* over({ receipt: () => end })
          assert.deepStrictEqual(yield* post(order), { status: 201, body: { orderId: order?.id, receipt } })
        }
      })
    )

    it.effect("shows nothing of an error outside its list", () =>
      Effect.gen(function* () {
        for (const end of [Effect.fail(new Error("secret of the provider")), Effect.die("secret of the provider")]) {
          const post = yield* over({ charge: () => end })
          const answer = yield* post(order)
          assert.deepStrictEqual(answer, {
            status: 500,
            body: { _tag: "CheckoutFailed", step: "charge", outcome: "Unknown" }
          })
        }
      })
    )

    it.effect("answers in its own contract when a provider answers 503", () =>
      Effect.gen(function* () {
        const client = clients[0]
        assert.isDefined(client)
        const run = yield* (yield* Providers).start({ seed: 1, rate: 1, kinds: ["status503"] })
        const post = yield* serve(client.layer({ urls: run.urls, observe: () => {} }))
        const { body, status } = yield* post(order)
        assert.isAbove((yield* run.audit).faults.status503 ?? 0, 0)
        assert.deepStrictEqual(
          { status, body },
          client.name === "breakwater"
            ? { status: 424, body: { _tag: "InventoryUnavailable", outcome: "Unknown" } }
            : { status: 500, body: { _tag: "CheckoutFailed", step: "reserve", outcome: "Unknown" } }
        )
      })
    )
  })
})
