/**
 * Effect's own `HttpClient` over its undici layer, and `HttpClientResponse.schemaBodyJson`: the package's
 * ai-docs on HTTP clients, https://github.com/Effect-TS/effect.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Context, Effect, Layer, Scope } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import type { HttpClientPeer } from "../http.ts"
import { Order } from "./effectOrder.ts"

export const effectHttp: HttpClientPeer = {
  name: "Effect's HttpClient over its undici layer, Schema",
  docs: "https://github.com/Effect-TS/effect",
  has: ["decode"],
  lacks: ["timeout", "retry", "breaker", "bulkhead", "metrics", "outcome"],
  make: (origin, path) =>
    Effect.runPromise(
      Effect.map(
        Effect.provideService(Layer.build(NodeHttpClient.layerUndici), Scope.Scope, Scope.makeUnsafe()),
        (context) => {
          const client = Context.get(context, HttpClient.HttpClient)
          const decode = HttpClientResponse.schemaBodyJson(Order)
          return () => Effect.runPromise(Effect.flatMap(client.get(`${origin}${path}`), decode))
        }
      )
    )
}
