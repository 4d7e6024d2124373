// An answer that is read in one step: told of its head, then of its end, once.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Policy } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { UndiciHttpClient } from "breakwater/undici"
import { Context, Data, Effect, Fiber, Layer, Redacted, Schema, SchemaTransformation } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import * as Zlib from "node:zlib"
import { tooLarge } from "../../src/http/internal/collect.ts"
import { directOf } from "../../src/http/internal/direct.ts"
import { answer, json, quiet, raw, type Script, serve } from "../http/wire.ts"

const own = UndiciHttpClient.layer()

/** What is told of an answer. */
const told = (
  request: HttpClientRequest.HttpClientRequest,
  limit = 1_000_000
): Effect.Effect<ReadonlyArray<unknown>, never, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) => {
    const heard: Array<unknown> = []
    const say = (...what: ReadonlyArray<unknown>) => {
      heard.push(...what)
      return Effect.succeed(heard)
    }
    return directOf(client)!(request, {
      head: (status) => {
        heard.push(status)
        return limit
      },
      body: (body) => say(Buffer.from(body).toString()),
      failed: ({ reason }) => say("failed", reason._tag),
      cut: (cause) => say("cut", cause === tooLarge ? tooLarge : (cause as { readonly code?: string }).code)
    }) as Effect.Effect<ReadonlyArray<unknown>>
  })

const get = (url: string) => HttpClientRequest.get(url)
const long = "x".repeat(300_000)

const gone: Script = (exchange) => {
  raw("HTTP/1.1 200 OK", "content-length: 10", "", "123")(exchange)
  exchange.socket.end()
}

describe("an answer in one step", () => {
  const packed = (coding: string, bytes: Buffer | string) => answer(200, { "content-encoding": coding }, bytes)
  const cases: ReadonlyArray<{
    readonly name: string
    readonly script: Script
    readonly told: ReadonlyArray<unknown>
    readonly method?: "HEAD"
    readonly limit?: number
  }> = [
    { name: "whole", script: answer(200, {}, "body"), told: [200, "body"] },
    { name: "of many pieces", script: answer(500, {}, long), told: [500, long] },
    {
      name: "after early hints",
      script: raw("HTTP/1.1 103 Early Hints", "link: </a>", "", "HTTP/1.1 200 OK", "content-length: 2", "", "ok"),
      told: [200, "ok"]
    },
    { name: "of nothing", script: answer(204, {}), told: [204, ""] },
    {
      name: "to HEAD",
      method: "HEAD",
      limit: 10,
      script: answer(200, { "content-length": 1000, "content-encoding": "gzip" }),
      told: [200, ""]
    },
    { name: "at the limit", limit: 4, script: answer(200, {}, "body"), told: [200, "body"] },
    {
      name: "that says it is too large",
      limit: 3,
      script: answer(200, { "content-length": 4 }, "body"),
      told: [200, "cut", tooLarge]
    },
    {
      name: "that is too large and does not say so",
      limit: 100_000,
      script: ({ response }) => {
        response.writeHead(200)
        response.end(long)
      },
      told: [200, "cut", tooLarge]
    },
    { name: "packed", script: packed("gzip", Zlib.gzipSync(long)), told: [200, long] },
    {
      name: "packed twice",
      script: packed("deflate, br", Zlib.brotliCompressSync(Zlib.deflateSync("body"))),
      told: [200, "body"]
    },
    {
      name: "that unpacks beyond the limit",
      limit: 10_000,
      script: packed("gzip", Zlib.gzipSync(long)),
      told: [200, "cut", tooLarge]
    },
    { name: "that can't be unpacked", script: packed("gzip", "no gzip"), told: [200, "cut", "Z_DATA_ERROR"] },
    { name: "in an unknown coding", script: packed("compress", "x"), told: [200, "cut", undefined] },
    { name: "that was cut", script: gone, told: [200, "cut", "UND_ERR_SOCKET"] },
    { name: "that never came", script: ({ socket }) => void socket.destroy(), told: ["failed", "TransportError"] }
  ]
  it.live.each(cases)("$name", ({ limit, method, script, told: expected }) =>
    Effect.gen(function* () {
      const wire = yield* serve(script, json(200, {}))
      const request = method === undefined ? get(wire.url) : HttpClientRequest.head(wire.url)
      assert.deepStrictEqual(yield* told(request, limit), expected)
      // The client is of use afterwards.
      assert.deepStrictEqual(yield* told(get(wire.url)), [200, "{}"])
    }).pipe(Effect.provide(own))
  )

  it.live("that was given up closes its connection, before and after its head, and is told of no more", () =>
    Effect.gen(function* () {
      const wire = yield* serve(() => {}, raw("HTTP/1.1 200 OK", "content-length: 10", "", "123"))
      for (const n of [1, 2]) {
        const fiber = yield* Effect.forkChild(told(get(wire.url)), { startImmediately: true })
        const exchange = yield* wire.arrived(n)
        yield* Fiber.interrupt(fiber)
        yield* exchange.closed
      }
    }).pipe(Effect.provide(own))
  )

  it.live("is asked of no URL that is none, and upgrades nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told(get("no url")), ["failed", "InvalidUrlError"])
      const upgrade = HttpClientRequest.get("http://127.0.0.1:1/", { headers: { upgrade: "websocket" } })
      assert.deepStrictEqual(yield* told(upgrade), ["failed", "EncodeError"])
    }).pipe(Effect.provide(own))
  )
})

class Signs extends HttpApiMiddleware.Service<Signs>()("test/Signs", { requiredForClient: true }) {}

const Thing = Schema.Struct({ id: Schema.String })
const Api = HttpApi.make("acme").add(
  HttpApiGroup.make("things").add(
    HttpApiEndpoint.get("plain", "/plain", { success: Thing }),
    HttpApiEndpoint.get("signed", "/signed", { success: Thing }).middleware(Signs)
  )
)

class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}
const Prefixed = Schema.String.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transformEffect<string, string, Prefix, never>({
      decode: (text) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.map(Effect.service(Prefix), (prefix) => prefix + text)
        ),
      encode: Effect.succeed
    })
  )
)
const Served = HttpApi.make("served").add(
  HttpApiGroup.make("things").add(HttpApiEndpoint.get("get", "/served", { success: Schema.Struct({ id: Prefixed }) }))
)

class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}
class Acme extends Integration.Service<Acme>()(
  "test/Acme",
  {
    policy: Policy.standard({ maxAttempts: 1 }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Failed({ message: failure.reason.message })
  },
  {
    plain: HttpOperation.endpoint(Api, "things", "plain"),
    signed: HttpOperation.endpoint(Api, "things", "signed")
  }
) {}

describe("a client that somebody has changed", () => {
  const signs = HttpApiMiddleware.layerClient(Signs, ({ next, request }) =>
    next(HttpClientRequest.setHeader(request, "x-signed", "yes"))
  )

  it.live("is asked as it is, and so is one behind client middleware", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(200, { id: "1" }))
      const changed = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.setHeader("x-changed", "yes")))
      ).pipe(Layer.provide(own))
      for (const client of [own, changed]) {
        const context = yield* Layer.build(
          HttpIntegration.layer(Acme, { baseUrl: wire.url }).pipe(Layer.provide([client, signs]))
        )
        const acme = Context.get(context, Acme)
        assert.deepStrictEqual(yield* acme.plain(), { id: "1" })
        assert.deepStrictEqual(yield* acme.signed(), { id: "1" })
      }
      const seen = wire.requests.map(({ headers }) => [headers["x-changed"], headers["x-signed"]])
      assert.deepStrictEqual(seen, [
        [undefined, undefined],
        [undefined, "yes"],
        ["yes", undefined],
        ["yes", "yes"]
      ])
    }).pipe(Effect.provide(quiet))
  )
})

class Serving extends Integration.Service<Serving>()(
  "test/Serving",
  {
    policy: Policy.standard({ maxAttempts: 1 }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Failed({ message: failure.reason.message })
  },
  { get: HttpOperation.endpoint(Served, "things", "get") }
) {}

describe("a schema that asks for a service and takes its time", () => {
  it.live("has the one of its layer, with credentials and without", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(200, { id: "1" }))
      for (const auth of [undefined, Auth.bearer(Redacted.make("token"))]) {
        const context = yield* Layer.build(
          HttpIntegration.layer(Serving, { baseUrl: wire.url, auth }).pipe(
            Layer.provide([own, Layer.succeed(Prefix, "p-")])
          )
        )
        assert.deepStrictEqual(yield* Context.get(context, Serving).get(), { id: "p-1" })
      }
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers.authorization),
        [undefined, "Bearer token"]
      )
    }).pipe(Effect.provide(quiet))
  )
})
