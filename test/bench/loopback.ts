/** One call over a real socket: a GET of a small JSON document from a server in a process of its own. */
import { NodeHttpClient } from "@effect/platform-node"
import { Exhaustion, Integration, Policy, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Case } from "./measure.ts"

const Item = Schema.Struct({
  id: Schema.String,
  amount: Schema.Int,
  currency: Schema.String,
  lines: Schema.Array(Schema.Struct({ sku: Schema.String, quantity: Schema.Int, price: Schema.Int }))
})

class Api extends HttpApi.make("bench").add(
  HttpApiGroup.make("items").add(HttpApiEndpoint.get("get", "/item", { success: Item }))
) {}

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

class Items extends Integration.Service<Items>()(
  "bench/Items",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: Policy.bulkhead({ concurrency: 1000 }) }),
    exhausted: Exhaustion.fail,
    orElse: () => new Unavailable()
  },
  { get: HttpOperation.endpoint(Api, "items", "get") }
) {}

const concurrency = 16

const server = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
    const child = fork(fileURLToPath(new URL("./server.ts", import.meta.url)))
    child.once("message", (port) =>
      resume(Effect.succeed({ url: `http://127.0.0.1:${String(port)}`, close: () => child.kill() }))
    )
  }),
  ({ close }) => Effect.sync(close)
)

export const overLoopback = Effect.gen(function* () {
  const { url } = yield* server
  const quiet = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  const context = yield* Layer.build(
    Layer.mergeAll(
      HttpIntegration.layer(Items, { baseUrl: url }).pipe(Layer.provideMerge(NodeHttpClient.layerUndici)),
      quiet
    )
  )
  const { get } = Context.get(context, Items)
  const api = yield* Effect.provideContext(HttpApiClient.make(Api, { baseUrl: url }), context)
  const loop =
    (call: Effect.Effect<unknown, unknown>): Case["run"] =>
    (n) =>
      Effect.runPromise(
        Effect.forEach(
          Array.from({ length: concurrency }),
          () => {
            let left = Math.ceil(n / concurrency)
            return Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
          },
          { concurrency, discard: true }
        ).pipe(Effect.provideContext(context)) as Effect.Effect<void>
      )
  const cases: ReadonlyArray<Case> = [
    {
      name: "fetch and JSON.parse",
      run: async (n) => {
        await Promise.all(
          Array.from({ length: concurrency }, async () => {
            for (let left = Math.ceil(n / concurrency); left > 0; left--) await (await fetch(`${url}/item`)).json()
          })
        )
      }
    },
    { name: "HttpApiClient over undici, no policy", run: loop(Effect.suspend(() => api.items.get())) },
    { name: "breakwater over undici", run: loop(Effect.suspend(() => get())) }
  ]
  return cases
})
