/**
 * A small orders API that carries out every order once, however often its request arrives.
 *
 * Run it: `npm run example examples/receiver/main.ts`, then the `curl` line that it prints, more than once. Stop it with
 * Ctrl-C, start it again, and repeat the same line: the key is remembered.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Layer } from "effect"
import { HttpServer } from "effect/http"
import { Server } from "./server.ts"

const usage = (url: string) => `orders: listening on ${url}, documented on ${url}/docs

  curl -i ${url}/orders -H 'idempotency-key: my-first-order' \\
    -H 'content-type: application/json' -d '{"sku":"chair","quantity":2}'

Once more, and the same answer comes back with "idempotent-replayed: true".
With another quantity it is 422, without the key 400. Ctrl-C ends it.
Where PAYMENTS_WEBHOOK_SECRET is set, a payment provider marks orders as paid on ${url}/webhooks/payments.
`

const Usage = Layer.effectDiscard(HttpServer.addressFormattedWith((url) => Console.log(usage(url))))

NodeRuntime.runMain(Layer.launch(Layer.provide(Usage, Server)))
