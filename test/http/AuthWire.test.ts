// Credentials over real sockets: a server that gives tokens, and one that takes them.
import { assert, describe, it } from "@effect/vitest"
import { Auth, HttpIntegration } from "breakwater/http"
import { Context, Effect, Layer, Redacted } from "effect"
import { failureOf, Orders } from "./tokens.ts"
import { clients, json, quiet, type Script, serve } from "./wire.ts"

const order = { payload: { order: "7" } }

for (const { client, name } of clients) {
  describe(`over ${name}`, () => {
    const servers = (api: (authorization: string | undefined) => Script) =>
      Effect.gen(function* () {
        let issued = 0
        const tokens = yield* serve((exchange) =>
          json(200, { access_token: `t${++issued}`, token_type: "Bearer", expires_in: 3600 })(exchange)
        )
        const provider = yield* serve((exchange) => api(exchange.headers.authorization)(exchange))
        const layer = HttpIntegration.layer(Orders, {
          baseUrl: provider.url,
          auth: Auth.clientCredentials({
            tokenUrl: `${tokens.url}/oauth/token?tenant=7`,
            clientId: "shop",
            clientSecret: Redacted.make("s3cret")
          })
        })
        const orders = Context.get(yield* Layer.build(Layer.provide(layer, client)), Orders)
        return { tokens, provider, orders }
      })

    for (const method of ["list", "create", "once"] as const) {
      const call = (orders: Orders["Service"]) => (method === "list" ? orders.list() : orders[method](order))

      it.live(`a revoked token costs ${method} one request more, and one token`, () =>
        Effect.gen(function* () {
          const { orders, provider, tokens } = yield* servers((authorization) =>
            json(authorization === "Bearer t1" ? 401 : 200, { id: "1" })
          )
          assert.deepStrictEqual(yield* call(orders), { id: "1" })
          assert.deepStrictEqual(
            provider.requests.map(({ body, headers }) => [headers.authorization, body.length]),
            ["t1", "t2"].map((token) => [`Bearer ${token}`, method === "list" ? 0 : 13])
          )
          assert.lengthOf(tokens.requests, 2)
          assert.strictEqual(tokens.requests[0]!.url, "/oauth/token?tenant=7")
          assert.strictEqual(tokens.requests[0]!.text, "grant_type=client_credentials")
          assert.strictEqual(tokens.requests[0]!.headers.authorization, `Basic ${btoa("shop:s3cret")}`)
          // The first answer was read to its end: its connection serves again. Node's agent takes it back a moment later.
          assert.isAtMost(provider.connections(), name === "node:http" ? 2 : 1)
        }).pipe(Effect.provide(quiet))
      )

      it.live(`a server that refuses all tokens gets ${method} twice`, () =>
        Effect.gen(function* () {
          const { orders, provider, tokens } = yield* servers(() => json(401, { error: "no" }))
          const failure = failureOf(yield* Effect.exit<unknown, never, never>(call(orders) as never))
          assert.deepStrictEqual(
            [failure.reason._tag, failure.reason.status, failure.outcome, failure.attempts.length],
            ["Rejected", 401, "Refused", 1]
          )
          assert.lengthOf(provider.requests, 2)
          assert.lengthOf(tokens.requests, 2)
          const keys = provider.requests.map(({ headers }) => headers["idempotency-key"])
          assert.strictEqual(keys[0], keys[1])
        }).pipe(Effect.provide(quiet))
      )
    }
  })
}
