/**
 * The API over its database, on `PORT` (default: 3000; 0 for any that is free).
 */
import { NodeCrypto, NodeHttpServer } from "@effect/platform-node"
import { Receiver } from "breakwater"
import { HttpReceiver } from "breakwater/http"
import { Config, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware, HttpApiSwagger } from "effect/http-api"
import { createServer } from "node:http"
import { Idempotent, OrdersApi } from "./api.ts"
import { Database } from "./database.ts"
import { Orders } from "./orders.ts"
import { Payments } from "./payments.ts"

const IdempotentLive = HttpReceiver.layer(Idempotent, {
  mode: Receiver.transactional(),
  // An API with accounts says here whose request it is: keys of one account never meet those of another.
  principal: "shared"
})

const Routes = Layer.mergeAll(
  HttpApiBuilder.layer(OrdersApi, { openapiPath: "/openapi.json" }),
  HttpApiSwagger.layer(OrdersApi, { path: "/docs" }),
  // A secret that is none stops the start: nobody could handle that.
  Layer.orDie(Payments)
).pipe(
  Layer.provide(Orders),
  Layer.provide(IdempotentLive),
  Layer.provide(HttpApiMiddleware.layerProblemDetails({ includeDetails: true })),
  Layer.provide(NodeCrypto.layerSecureRandom),
  Layer.provide(Database)
)

export const Server = HttpRouter.serve(Routes, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(
    NodeHttpServer.layerConfig(createServer, {
      host: Config.succeed("127.0.0.1"),
      port: Config.Int("PORT").pipe(Config.withDefault(3000))
    })
  )
)
