/** A process of its own kind: real integrations over a wire on this machine, real calls, and the real dashboard. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { Dashboard } from "breakwater/dashboard"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Effect, Exit, Layer, Schema, Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

const defaults = {
  policy: Policy.standard(),
  shared: Policy.shared({ breaker: Policy.breaker() }),
  exhausted: Exhaustion.fail,
  orElse: () => new Unavailable()
}

class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("orders").add(
    HttpApiEndpoint.get("find", "/orders/:id", {
      params: { id: Schema.String },
      success: Schema.Struct({ id: Schema.String })
    })
  )
) {}

const find = HttpOperation.endpoint(Api, "orders", "find")
class Payments extends Integration.Service<Payments>()("shop/Payments", defaults, { find }) {}
class Shipping extends Integration.Service<Shipping>()("shop/Shipping", defaults, { find }) {}

/** An integration by any name, with one operation by any name, which answers at once. */
const party = (integration: string, operation: string) => {
  class Party extends Integration.Service<Party>()(integration, defaults, {
    [operation]: Operation.query(operation, {
      success: Schema.String,
      send: () => Effect.succeed("ok"),
      translate: {}
    })
  }) {}
  return Effect.map(Layer.build(Integration.layer(Party)), (context) => Context.get(context, Party)[operation]!())
}

/** A provider that answers when it is told: `delayMs` after the request. */
const provider = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; delayMs: number; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        setTimeout(() => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify({ id: request.url?.split("/").at(-1) }))
        }, state.delayMs)
      })
      const state = {
        url: "",
        delayMs: 5,
        close: () => {
          server.close()
          server.closeAllConnections()
        }
      }
      server.listen(0, "127.0.0.1", () => {
        state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        resume(Effect.succeed(state))
      })
    }),
    ({ close }) => Effect.sync(close)
  ),
  (state) => state
)

export interface Shop {
  readonly url: string
  readonly port: number
  /** How long the provider of payments takes from now on. */
  readonly slow: (delayMs: number) => void
  readonly stop: () => Promise<void>
}

export interface ShopOptions {
  readonly port?: number
  readonly path?: `/${string}`
  /** More integrations, each with the name of its one operation, called once a second. */
  readonly parties?: ReadonlyArray<readonly [integration: string, operation: string]>
}

/** Resolves once a few dozen calls have ended. */
export const openShop = async (options: ShopOptions = {}): Promise<Shop> => {
  const path = options.path ?? "/integrations"
  const scope = Effect.runSync(Scope.make())
  const program = Effect.gen(function* () {
    const payments = yield* provider
    const shipping = yield* provider
    const server = HttpRouter.serve(Dashboard.layer({ path }), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: options.port ?? 0 }))
    )
    const integrations = Layer.mergeAll(
      HttpIntegration.layer(Payments, { baseUrl: payments.url, drain: 0 }),
      HttpIntegration.layer(Shipping, { baseUrl: shipping.url, drain: 0 })
    ).pipe(Layer.provide(NodeHttpClient.layerUndici))
    const context = yield* Layer.build(Layer.merge(server, integrations))
    const others = yield* Effect.forEach(options.parties ?? [], ([integration, operation]) =>
      party(integration, operation)
    )
    const pay = Effect.ignore(Context.get(context, Payments).find({ params: { id: "1" } }))
    const ship = Effect.ignore(Context.get(context, Shipping).find({ params: { id: "1" } }))
    yield* Effect.all([pay, ship, ...others.map((call) => Effect.ignore(call))], { concurrency: 10, discard: true })
    yield* Effect.replicateEffect(Effect.all([pay, ship], { concurrency: 2, discard: true }), 40, { discard: true })
    // New calls begin whatever became of the old ones, as requests of customers do.
    const keepCalling = (call: Effect.Effect<unknown, unknown>, everyMs: number) =>
      Effect.forkScoped(Effect.forever(Effect.andThen(Effect.forkChild(call), Effect.sleep(everyMs))))
    for (const call of [pay, ship]) yield* keepCalling(call, 40)
    for (const other of others) yield* keepCalling(other, 1_000)
    const address = Context.get(context, HttpServer.HttpServer).address
    const url = HttpServer.formatAddress(address)
    return {
      url: url + path,
      port: Number(new URL(url).port),
      slow: (delayMs: number) => {
        payments.delayMs = delayMs
      },
      stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  })
  const quiet = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  return Effect.runPromise(program.pipe(Effect.provide(quiet), Scope.provide(scope)))
}
