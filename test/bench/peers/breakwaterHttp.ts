/** This library over HTTP with everything on: see docs/policies/README.md. */
import { NodeHttpClient } from "@effect/platform-node"
import { Exhaustion, Integration, Policy, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { UndiciHttpClient } from "breakwater/undici"
import { Context, Effect, Layer, Schema, Scope } from "effect"
import type { HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import type { HttpClientPeer } from "../http.ts"
import { Order } from "./effectOrder.ts"

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

class Api extends HttpApi.make("bench").add(
  HttpApiGroup.make("orders").add(
    HttpApiEndpoint.get("item", "/item", { success: Order }),
    HttpApiEndpoint.get("wrong", "/wrong", { success: Order }),
    HttpApiEndpoint.get("flaky", "/flaky", { success: Order }),
    HttpApiEndpoint.get("hang", "/hang", { success: Order })
  )
) {}

const quiet = Context.make(Telemetry.LogLevels, { ok: undefined, failed: undefined })

const over =
  (layer: Layer.Layer<HttpClient.HttpClient>): HttpClientPeer["make"] =>
  (baseUrl, path, timeout) => {
    class Orders extends Integration.Service<Orders>()(
      "bench/Orders",
      {
        policy: Policy.standard({ attemptTimeout: timeout }),
        shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: Policy.bulkhead({ concurrency: 1_000 }) }),
        exhausted: Exhaustion.fail,
        orElse: () => new Unavailable()
      },
      {
        item: HttpOperation.endpoint(Api, "orders", "item"),
        wrong: HttpOperation.endpoint(Api, "orders", "wrong"),
        flaky: HttpOperation.endpoint(Api, "orders", "flaky"),
        hang: HttpOperation.endpoint(Api, "orders", "hang")
      }
    ) {}
    const built = Layer.build(HttpIntegration.layer(Orders, { baseUrl }).pipe(Layer.provide(layer)))
    return Effect.runPromise(
      Effect.map(Effect.provideService(built, Scope.Scope, Scope.makeUnsafe()), (context) => {
        const orders = Context.get(context, Orders)
        const get = orders[path.slice(1) as "item" | "wrong" | "flaky" | "hang"]
        const run = Effect.runPromiseWith(quiet)
        return () => run(get())
      })
    )
  }

const about = { docs: "docs/policies/README.md", has: ["decode", "retry", "timeout"], lacks: [] } as const

export const overOurs: HttpClientPeer = {
  ...about,
  name: "breakwater, all layers, over breakwater/undici",
  make: over(UndiciHttpClient.layer())
}

export const overEffects: HttpClientPeer = {
  ...about,
  name: "breakwater, all layers, over Effect's undici layer",
  make: over(NodeHttpClient.layerUndici)
}
