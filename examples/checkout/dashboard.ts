/**
 * `npm run demo -- --dashboard`: the checkout's three integrations, with calls that go on and faults that change, and the
 * dashboard that says which of them is slow.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Policy, Telemetry } from "breakwater"
import { Dashboard } from "breakwater/dashboard"
import { HttpIntegration } from "breakwater/http"
import { Context, Effect, Exit, FiberSet, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { Checkout } from "./client.ts"
import { checkout } from "./clients/breakwater.ts"
import { operations } from "./faults.ts"
import { callPolicy, Cards, Inventory, Mail } from "./integrations.ts"
import type { Order } from "./orders.ts"
import { Providers } from "./provider/handle.ts"
import type { ProviderUrls } from "./provider/protocol.ts"
import { mailPermits, orderEveryMs, type Weather, weathers } from "./weather.ts"

export const path = "/integrations"

/** Ctrl-C is not a deployment: calls that run are cut at once. */
const drain = 0

/** The checkout's integrations. Mail has few permits, so that there is a queue to be seen. */
const integrations = (urls: ProviderUrls) =>
  Layer.mergeAll(
    HttpIntegration.layer(Inventory, { baseUrl: urls.inventory, drain }),
    HttpIntegration.layer(Cards, { baseUrl: urls.cards, drain }),
    HttpIntegration.layer(Mail, {
      baseUrl: urls.mail,
      drain,
      policy: { receipt: Policy.stack(callPolicy, Policy.bulkhead(mailPermits)) }
    })
  )

export interface DashboardOptions {
  readonly port: number
  readonly seed: number
  readonly orders: ReadonlyArray<Order>
  readonly onListening: (url: string) => void
  readonly onWeather: (weather: Weather) => void
}

/** Runs until it is interrupted. Fails when it cannot listen, or when the provider process ends. */
export const runDashboard = Effect.fnUntraced(
  function* (options: DashboardOptions) {
    const first = weathers[0]!
    const provider = yield* (yield* Providers).start({ seed: options.seed, ...first.faults })
    const server = HttpRouter.serve(Dashboard.layer({ path }), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Dashboard.layerUntraced({ path })),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: options.port }))
    )
    const shop = checkout.pipe(Layer.provide(integrations(provider.urls)), Layer.provide(NodeHttpClient.layerUndici))
    const context = yield* Layer.build(Layer.merge(server, Layer.orDie(shop)))
    options.onListening(HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) + path)

    const change = Effect.fnUntraced(function* (weather: Weather) {
      options.onWeather(weather)
      yield* provider.change({ seed: options.seed, ...weather.faults })
      yield* Effect.sleep(weather.seconds * 1_000)
    })
    return yield* Effect.raceAllFirst([
      Effect.forever(Effect.forEach(weathers, change, { discard: true })),
      keepOrdering(Context.get(context, Checkout), options.orders),
      provider.died
    ])
    // Whoever watches has the page: a log line for each call would only hide its address.
  },
  Effect.provideService(Telemetry.LogLevels, { ok: undefined, failed: undefined }),
  Effect.scoped
)

/**
 * Begins an order every few milliseconds, whatever became of those before it: customers don't wait for each other. The
 * orders come round again, which the providers answer from memory, so that the demo may run for hours.
 */
const keepOrdering = Effect.fnUntraced(function* (checkout: Checkout["Service"], orders: ReadonlyArray<Order>) {
  const running = yield* FiberSet.make()
  const begin = (order: Order) =>
    Effect.andThen(FiberSet.run(running, runOrder(checkout, order)), Effect.sleep(orderEveryMs))
  return yield* Effect.forever(Effect.forEach(orders, begin, { discard: true }))
}, Effect.scoped)

const runOrder = Effect.fnUntraced(function* (checkout: Checkout["Service"], order: Order) {
  for (const operation of operations) {
    if (Exit.isFailure(yield* Effect.exit(checkout[operation](order)))) return
  }
})
