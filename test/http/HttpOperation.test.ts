import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Telemetry } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import {
  Config,
  ConfigProvider,
  Context,
  Data,
  Effect,
  Fiber,
  Layer,
  Redacted,
  Schema,
  SchemaTransformation
} from "effect"
import { FetchHttpClient, type HttpClient, HttpClientRequest } from "effect/http"
import {
  HttpApi,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema
} from "effect/http-api"
import { TestClock } from "effect/testing"
import {
  type Exchange,
  answer,
  clients,
  json,
  once,
  quiet,
  type Seen,
  seen,
  serve,
  Thing,
  thing,
  thrice,
  told,
  undici,
  fetch,
  type Wire
} from "./wire.ts"

// ---- requests of every shape

const Everything = HttpApi.make("everything")
  .add(
    HttpApiGroup.make("shapes").add(
      HttpApiEndpoint.get("params", "/v1/:account/things/:id", {
        params: { account: Schema.String, id: Schema.NumberFromString },
        success: Thing
      }),
      HttpApiEndpoint.get("query", "/v1/things", {
        query: {
          q: Schema.optionalKey(Schema.String),
          since: Schema.optionalKey(Schema.DateFromString),
          tags: Schema.optionalKey(Schema.Array(Schema.String)),
          limit: Schema.optionalKey(Schema.NumberFromString)
        },
        success: Thing
      }),
      HttpApiEndpoint.get("headers", "/v1/things", {
        headers: { "x-tenant": Schema.String, "x-page": Schema.optionalKey(Schema.NumberFromString) },
        success: Thing
      }),
      HttpApiEndpoint.get("payloadOfGet", "/v1/search", { payload: { q: Schema.String }, success: Thing }),
      HttpApiEndpoint.post("all", "/v1/:account/things", {
        params: { account: Schema.String },
        query: { dry: Schema.optionalKey(Schema.Literals(["yes", "no"])) },
        headers: { "x-tenant": Schema.String },
        payload: Schema.Struct({
          name: Schema.NonEmptyString,
          at: Schema.DateFromString,
          note: Schema.optionalKey(Schema.NullOr(Schema.String)),
          nested: Schema.Struct({ count: Schema.NumberFromString })
        }),
        success: Thing
      }),
      HttpApiEndpoint.post("form", "/v1/form", {
        payload: Schema.Struct({ amount: Schema.NumberFromString, note: Schema.String }).pipe(
          HttpApiSchema.asFormUrlEncoded()
        ),
        success: Thing
      }),
      HttpApiEndpoint.post("multipart", "/v1/upload", {
        payload: Schema.Struct({ title: Schema.String, file: Schema.String }).pipe(HttpApiSchema.asMultipart()),
        success: Thing
      }),
      HttpApiEndpoint.post("text", "/v1/text", {
        payload: Schema.String.pipe(HttpApiSchema.asText()),
        success: Schema.String.pipe(HttpApiSchema.asText())
      }),
      HttpApiEndpoint.patch("patch", "/v1/things/:id", {
        params: { id: Schema.String },
        payload: Schema.Struct({ amount: Schema.Int }),
        success: Thing
      }),
      HttpApiEndpoint.delete("remove", "/v1/things/:id", {
        params: { id: Schema.String },
        success: HttpApiSchema.NoContent
      }),
      HttpApiEndpoint.post("empty", "/v1/ping", { success: HttpApiSchema.Empty(200) })
    )
  )
  .add(
    HttpApiGroup.make("top", { topLevel: true }).add(
      HttpApiEndpoint.get("health", "/health", { success: Schema.Struct({ ok: Schema.Boolean }) })
    )
  )
  .add(
    HttpApiGroup.make("prefixed")
      .add(HttpApiEndpoint.get("one", "/one", { success: Thing }))
      .prefix("/prefix")
  )

const keyed = (placement?: Idempotency.Placement) =>
  Idempotency.keyed(() => IdempotencyKey.derive("shape", "1"), { lifetime: "1 hour", placement })

const defaults = { policy: once(), exhausted: Exhaustion.fail, orElse: seen }

class Shapes extends Integration.Service<Shapes>()("test/Shapes", defaults, {
  params: HttpOperation.endpoint(Everything, "shapes", "params"),
  query: HttpOperation.endpoint(Everything, "shapes", "query"),
  headers: HttpOperation.endpoint(Everything, "shapes", "headers"),
  payloadOfGet: HttpOperation.endpoint(Everything, "shapes", "payloadOfGet"),
  all: HttpOperation.endpoint(Everything, "shapes", "all", { idempotency: keyed() }),
  form: HttpOperation.endpoint(Everything, "shapes", "form", { idempotency: keyed() }),
  multipart: HttpOperation.endpoint(Everything, "shapes", "multipart", { idempotency: keyed(), policy: thrice() }),
  text: HttpOperation.endpoint(Everything, "shapes", "text", { idempotency: keyed() }),
  patch: HttpOperation.endpoint(Everything, "shapes", "patch", { idempotency: keyed() }),
  remove: HttpOperation.endpoint(Everything, "shapes", "remove"),
  empty: HttpOperation.endpoint(Everything, "shapes", "empty", { idempotency: Idempotency.readOnly("a ping") }),
  health: HttpOperation.endpoint(Everything, "top", "health"),
  one: HttpOperation.endpoint(Everything, "prefixed", "one")
}) {}

const shapes = (wire: Wire, client = undici, path = "", headers?: Readonly<Record<string, string>>) =>
  Effect.map(
    Layer.build(
      Layer.orDie(HttpIntegration.layer(Shapes, { baseUrl: `${wire.url}${path}`, headers }).pipe(Layer.provide(client)))
    ),
    (context) => Context.get(context, Shapes)
  )

/** Effect's own client of an API, over the same wire. */
const theirs = <ApiId extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<ApiId, Groups>,
  wire: Wire,
  client: Layer.Layer<HttpClient.HttpClient>
) =>
  Effect.flatMap(Layer.build(client), (services) =>
    Effect.provide(HttpApiClient.make(api, { baseUrl: wire.url }), services)
  )

const upload = () => {
  const form = new FormData()
  form.append("title", 'a "quoted" title, with ünïcode')
  form.append("file", new Blob(["one,two\r\n"], { type: "text/csv" }), "data.csv")
  return form
}

/** What matters of a request, without the headers that a client or a socket adds, or that only we send. */
const onTheWire = ({ body, headers, method, url }: Exchange) => {
  const { b3: _b3, traceparent: _t, "idempotency-key": _key, host: _host, ...rest } = headers
  const boundary = /boundary=(.*)/.exec(headers["content-type"] ?? "")?.[1]
  const same = (text: string) => (boundary === undefined ? text : text.replaceAll(boundary, "BOUNDARY"))
  return {
    method,
    url,
    headers: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, same(String(value))])),
    body: same(body.toString("latin1"))
  }
}

describe.each(clients)("requests over $name", ({ client }) => {
  it.live("are those that HttpApiClient sends", () =>
    Effect.gen(function* () {
      const wire = yield* serve(({ response, url }) => {
        if (url === "/v1/text") response.writeHead(200, { "content-type": "text/plain" }).end("ok")
        else if (url === "/v1/ping") response.writeHead(200).end()
        else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...thing, ok: true }))
      })
      const own = yield* shapes(wire, client)
      const effects = yield* theirs(Everything, wire, client)
      const pairs: ReadonlyArray<readonly [Effect.Effect<unknown, unknown>, Effect.Effect<unknown, unknown>]> = [
        ...["1", "a/b", "ä ö?&#%", "..%2f", ";x=1", "+", "🦊", "%2e%2e"].map((account) => {
          const input = { params: { account, id: -1.5 } }
          return [own.params(input), effects.shapes.params(input)] as const
        }),
        ...[
          { query: {} },
          { query: { q: "", tags: [] } },
          { query: { q: "a&b=c d+e%20", tags: ["x", "y z"], limit: 0, since: new Date(0) } }
        ].map((input) => [own.query(input), effects.shapes.query(input)] as const),
        [own.headers({ headers: { "x-tenant": "t-1" } }), effects.shapes.headers({ headers: { "x-tenant": "t-1" } })],
        [
          own.headers({ headers: { "x-tenant": "é", "x-page": 2 } }),
          effects.shapes.headers({ headers: { "x-tenant": "é", "x-page": 2 } })
        ],
        [own.payloadOfGet({ payload: { q: "x y" } }), effects.shapes.payloadOfGet({ payload: { q: "x y" } })],
        ...[
          { name: "n", at: new Date(1), nested: { count: 1e21 } },
          { name: '\u2028 " \\ ü', at: new Date(1), note: null, nested: { count: 3 } }
        ].map((payload) => {
          const input = { params: { account: "a b" }, query: { dry: "yes" }, headers: { "x-tenant": "t" }, payload }
          return [own.all(input as never), effects.shapes.all(input as never)] as const
        }),
        ...[{ payload: { amount: 12.5, note: "a&b=c d+ü" } }].map(
          (input) => [own.form(input), effects.shapes.form(input)] as const
        ),
        [own.text({ payload: "plain ü" }), effects.shapes.text({ payload: "plain ü" })],
        [
          own.patch({ params: { id: "1" }, payload: { amount: 3 } }),
          effects.shapes.patch({ params: { id: "1" }, payload: { amount: 3 } })
        ],
        [own.empty(), effects.shapes.empty()],
        [own.health(), effects.health()],
        [own.one(), effects.prefixed.one()]
      ]
      for (const [ours, reference] of pairs) {
        const before = wire.requests.length
        const answers = [yield* ours, yield* reference]
        assert.deepStrictEqual(answers[0], answers[1])
        assert.strictEqual(wire.requests.length, before + 2)
        assert.deepStrictEqual(onTheWire(wire.requests[before]!), onTheWire(wire.requests[before + 1]!))
      }
    }).pipe(Effect.provide(quiet))
  )

  it.live("carry a multipart payload, the same bytes in each attempt", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(503, {}), json(200, thing))
      const own = yield* shapes(wire, client)
      const effects = yield* theirs(Everything, wire, client)
      yield* own.multipart({ payload: upload() })
      yield* effects.shapes.multipart({ payload: upload() })
      const [first, second, reference] = wire.requests
      const parts = (exchange: Exchange) => onTheWire(exchange).body
      assert.strictEqual(parts(first!), parts(reference!))
      assert.match(first!.text, /one,two/)
      assert.strictEqual(first!.headers["content-type"], second!.headers["content-type"])
      assert.strictEqual(first!.text, second!.text)
    }).pipe(Effect.provide(quiet))
  )

  it.live("go to a base URL with a path, with and without a slash at its end", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      for (const path of ["/api/v2", "/api/v2/", "", "/"]) {
        const own = yield* shapes(wire, client, path)
        yield* own.one()
      }
      assert.deepStrictEqual(
        wire.requests.map(({ url }) => url),
        ["/api/v2/prefix/one", "/api/v2/prefix/one", "/prefix/one", "/prefix/one"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.live("carry the headers of the layer, below those of the endpoint and the key", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const own = yield* shapes(wire, client, "", {
        "Api-Version": "2026-10-28",
        "User-Agent": "shop/1.0",
        "X-Tenant": "of the layer",
        "Content-Type": "text/plain",
        "Idempotency-Key": "of the layer"
      })
      yield* own.headers({ headers: { "x-tenant": "of the call" } })
      yield* own.form({ payload: { amount: 1, note: "n" } })
      yield* own.one()
      const [headers, form, one] = wire.requests.map(({ headers }) => headers)
      for (const sent of [headers, form, one]) {
        assert.strictEqual(sent?.["api-version"], "2026-10-28")
        assert.strictEqual(sent["user-agent"], "shop/1.0")
      }
      assert.strictEqual(headers?.["x-tenant"], "of the call")
      assert.strictEqual(one?.["x-tenant"], "of the layer")
      assert.strictEqual(form?.["content-type"], "application/x-www-form-urlencoded")
      assert.match(String(form["idempotency-key"]), /^[0-9a-f]{32}$/)
    }).pipe(Effect.provide(quiet))
  )
})

// ---- where the key stands

const key = IdempotencyKey.derive("charge", "o-1")
const hex = IdempotencyKey.toText(key)
const uuid = IdempotencyKey.toUuid(key)

const Body = Schema.Struct({
  order: Schema.String,
  amount: Schema.optionalKey(Schema.Int),
  meta: Schema.optionalKey(Schema.Struct({ source: Schema.String }))
})
const Graphql = Schema.Struct({
  query: Schema.String,
  variables: Schema.optionalKey(Schema.Struct({ id: Schema.Int }))
})

const Keys = HttpApi.make("keys").add(
  HttpApiGroup.make("keys").add(
    HttpApiEndpoint.post("create", "/create", { payload: Body, success: Thing }),
    HttpApiEndpoint.post("list", "/list", { payload: Schema.Array(Schema.String), success: Thing }),
    HttpApiEndpoint.post("form", "/form", {
      payload: Schema.Struct({ order: Schema.String }).pipe(HttpApiSchema.asFormUrlEncoded()),
      success: Thing
    }),
    HttpApiEndpoint.post("empty", "/empty", { success: Thing }),
    HttpApiEndpoint.post("graphql", "/graphql", { payload: Graphql, success: Thing }),
    HttpApiEndpoint.put("put", "/put/:id", { params: { id: Schema.String }, payload: Body, success: Thing }),
    HttpApiEndpoint.get("tenant", "/tenant", { headers: { "x-tenant": Schema.String }, success: Thing })
  )
)

const placed = (placement?: Idempotency.Placement) => Idempotency.keyed(() => key, { lifetime: "1 hour", placement })
const stored = (text: string, placement?: Idempotency.Placement) =>
  Idempotency.keyed(() => IdempotencyKey.fromStored(text), { lifetime: "1 hour", placement })
const create = <M extends Idempotency.Repeat>(
  idempotency: Idempotency.Idempotency<{ readonly payload: typeof Body.Type }, never, never, M>
) => HttpOperation.endpoint(Keys, "keys", "create", { idempotency })

class Placements extends Integration.Service<Placements>()("test/Placements", defaults, {
  raw: create(placed()),
  quoted: create(placed(Idempotency.header({ quoted: true }))),
  uuid: create(placed(Idempotency.header({ name: "PayPal-Request-Id", format: "uuid" }))),
  quotes: create(stored('a"b\\c', Idempotency.header({ quoted: true }))),
  field: create(placed(Idempotency.bodyField("idempotency_key"))),
  nested: create(placed(Idempotency.bodyField(["meta", "client", "token"], { format: "uuid" }))),
  graphql: HttpOperation.endpoint(Keys, "keys", "graphql", { idempotency: placed(Idempotency.graphqlDirective()) }),
  // What can't be sent.
  tooLong: create(stored("x".repeat(256))),
  tooLongForField: create(stored("x".repeat(65), Idempotency.bodyField("key"))),
  tooLongForProvider: create(placed(Idempotency.header({ maxLength: 16 }))),
  empty: create(stored("")),
  foreign: create(stored("ключ")),
  newline: create(stored("a\r\nx-admin: 1")),
  throws: create(
    Idempotency.keyed(
      (): IdempotencyKey.IdempotencyKey => {
        throw new Error("no id for sk_live_1")
      },
      { lifetime: "1 hour" }
    )
  ),
  noKey: create(Idempotency.keyed(() => "a string" as never, { lifetime: "1 hour" })),
  inAList: HttpOperation.endpoint(Keys, "keys", "list", { idempotency: placed(Idempotency.bodyField("key")) }),
  inAForm: HttpOperation.endpoint(Keys, "keys", "form", { idempotency: placed(Idempotency.bodyField("key")) }),
  inNothing: HttpOperation.endpoint(Keys, "keys", "empty", { idempotency: placed(Idempotency.bodyField("key")) }),
  inText: create(placed(Idempotency.bodyField(["order", "key"]))),
  // If-Match
  conditional: HttpOperation.endpoint(Keys, "keys", "put", {
    idempotency: Idempotency.conditional(({ params }) => `"${params.id}-v1"`)
  }),
  badEtag: HttpOperation.endpoint(Keys, "keys", "put", {
    idempotency: Idempotency.conditional(() => '"1"\r\nx-admin: 1')
  }),
  etagThrows: HttpOperation.endpoint(Keys, "keys", "put", {
    idempotency: Idempotency.conditional((): string => {
      throw new Error("sk_live_1")
    })
  }),
  tenant: HttpOperation.endpoint(Keys, "keys", "tenant"),
  small: HttpOperation.endpoint(Keys, "keys", "tenant", { maxBodySize: 10 })
}) {}

const placements = (wire: Wire, options: { client?: typeof undici; auth?: Auth.Auth } = {}) =>
  Effect.map(
    Layer.build(
      Layer.orDie(
        HttpIntegration.layer(Placements, {
          baseUrl: wire.url,
          correlationHeader: "X-Correlation-Id",
          ...(options.auth === undefined ? {} : { auth: options.auth })
        }).pipe(Layer.provide(options.client ?? undici))
      )
    ),
    (context) => Context.get(context, Placements)
  )

const payload = { order: "o-1", amount: 2, meta: { source: "web" } }

describe("the key", () => {
  it.live("stands in a header: raw, quoted, or as a UUID", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* placements(wire)
      yield* api.raw({ payload })
      yield* api.quoted({ payload })
      yield* api.uuid({ payload })
      yield* api.quotes({ payload })
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers["idempotency-key"] ?? headers["paypal-request-id"]),
        [hex, `"${hex}"`, uuid, '"a\\"b\\\\c"']
      )
      for (const { text } of wire.requests) assert.deepStrictEqual(JSON.parse(text), payload)
    }).pipe(Effect.provide(quiet))
  )

  it.live("stands in a field of the body, and leaves the rest of it alone", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* placements(wire)
      yield* api.field({ payload })
      yield* api.nested({ payload })
      yield* api.nested({ payload: { order: "o-2" } })
      assert.deepStrictEqual(
        wire.requests.map(({ text }) => JSON.parse(text)),
        [
          { ...payload, idempotency_key: hex },
          { ...payload, meta: { source: "web", client: { token: uuid } } },
          { order: "o-2", meta: { client: { token: uuid } } }
        ]
      )
      for (const { body, headers } of wire.requests) {
        assert.strictEqual(headers["content-type"], "application/json")
        assert.strictEqual(headers["content-length"], String(body.length))
        assert.isUndefined(headers["idempotency-key"])
      }
    }).pipe(Effect.provide(quiet))
  )

  it.live("stands in a GraphQL variable", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* placements(wire)
      const query = "mutation ($id: Int!, $idempotencyKey: String!) { pay(id: $id) @idempotent(key: $idempotencyKey) }"
      yield* api.graphql({ payload: { query, variables: { id: 1 } } })
      yield* api.graphql({ payload: { query } })
      assert.deepStrictEqual(
        wire.requests.map(({ text }) => JSON.parse(text).variables),
        [{ id: 1, idempotencyKey: uuid }, { idempotencyKey: uuid }]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.live("refuses a placement in the body of a method that has none", () =>
    Effect.gen(function* () {
      class Wrong extends Integration.Service<Wrong>()("test/Wrong", defaults, {
        remove: HttpOperation.endpoint(Everything, "shapes", "remove", {
          idempotency: keyed(Idempotency.bodyField("key"))
        })
      }) {}
      const error = yield* Effect.flip(
        Layer.build(HttpIntegration.layer(Wrong, { baseUrl: "http://127.0.0.1:1" }).pipe(Layer.provide(undici)))
      )
      assert.strictEqual(
        error.message,
        "test/Wrong remove: a DELETE has no body that could carry the key: place it in a header"
      )
    })
  )
})

describe("what can't be sent is InvalidInput, NotSent, and nothing leaves", () => {
  /** The failure of a call that must not reach the wire. */
  const refused = <A>(
    f: (api: Placements["Service"]) => Effect.Effect<A, Seen>,
    options?: Parameters<typeof placements>[1]
  ) =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* placements(wire, options)
      const { failure } = yield* Effect.flip(f(api))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.reason.outcome, failure.outcome, failure.reason.transient, failure.reason.health],
        ["InvalidInput", "NotSent", "NotSent", false, "ignored"]
      )
      assert.strictEqual(wire.requests.length, 0)
      assert.strictEqual(wire.connections(), 0)
      assert.notMatch(`${failure} ${JSON.stringify(failure)}`, /sk_live|x-admin/)
      return failure.reason.message
    }).pipe(Effect.provide(quiet))

  for (const [name, message] of [
    ["tooLong", "the idempotency key has 256 characters, the provider takes 255"],
    ["tooLongForField", "the idempotency key has 65 characters, the provider takes 64"],
    ["tooLongForProvider", "the idempotency key has 32 characters, the provider takes 16"],
    ["empty", "the idempotency key is empty"],
    ["foreign", "the idempotency key has characters other than visible ASCII"],
    ["newline", "the idempotency key has characters other than visible ASCII"],
    ["throws", "`derive` threw"],
    ["noKey", "`derive` returned no IdempotencyKey"],
    ["inText", "the key belongs into the body's order.key, but order is no object"]
  ] as const) {
    it.live(`a key: ${name}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* refused((api) => api[name]({ payload })), message)
      })
    )
  }

  it.live("a key without a place", () =>
    Effect.gen(function* () {
      const where = "the key belongs into the body's key, but"
      assert.strictEqual(
        yield* refused((api) => api.inAList({ payload: ["a"] })),
        `${where} the body is no JSON object`
      )
      assert.strictEqual(
        yield* refused((api) => api.inAForm({ payload: { order: "1" } })),
        `${where} the body is no JSON object`
      )
      assert.strictEqual(yield* refused((api) => api.inNothing()), `${where} there is no JSON body`)
    })
  )

  it.live("an input of the wrong shape, naming the path", () =>
    Effect.gen(function* () {
      const wrong = yield* refused((api) => api.raw({ payload: { order: "o", amount: 1.5 } }))
      assert.match(wrong, /integer at \["amount"\]/)
      const deep = yield* refused((api) => api.raw({ payload: { order: "o", meta: { source: 1 as never } } }))
      assert.match(deep, /string at \["meta"\]\["source"\]/)
      const absent = yield* refused((api) => api.raw(undefined as never))
      assert.isNotEmpty(absent)
    })
  )

  it.live("what is no entity tag, or throws", () =>
    Effect.gen(function* () {
      const input = { params: { id: "7" }, payload: { order: "o" } }
      for (const { client } of clients) {
        assert.match(
          yield* refused((api) => api.badEtag(input), { client }),
          /^the entity tag is not in double quotes, or has/
        )
      }
      assert.isNotEmpty(yield* refused((api) => api.etagThrows(input)))
    })
  )

  it.live("a header of the input with characters that no header can carry, over each client", () =>
    Effect.gen(function* () {
      for (const { client } of clients) {
        for (const tenant of ["a\r\nx-admin: 1", "a\nb", "日本", "a\u0000b"]) {
          assert.strictEqual(
            yield* refused((api) => api.tenant({ headers: { "x-tenant": tenant } }), { client }),
            "the header x-tenant has characters that no header can carry"
          )
        }
      }
    })
  )

  it.live("a token with the newline of the file that it was read from, over each client", () =>
    Effect.gen(function* () {
      for (const { client } of clients) {
        assert.strictEqual(
          yield* refused((api) => api.tenant({ headers: { "x-tenant": "a" } }), {
            client,
            auth: Auth.bearer(Redacted.make("sk_live_1\n"))
          }),
          "the header authorization has characters that no header can carry"
        )
      }
    })
  )

  it.live("a correlation id that came from outside with a line break", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* refused((api) =>
          Effect.provideService(api.tenant({ headers: { "x-tenant": "a" } }), Telemetry.CorrelationId, "a\r\nb")
        ),
        "the header x-correlation-id has characters that no header can carry"
      )
    })
  )

  it.live("dot segments in a path", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const own = yield* shapes(wire)
      for (const account of ["..", "."]) {
        const { failure } = yield* Effect.flip(own.params({ params: { account, id: 1 } }))
        assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["InvalidInput", "NotSent"])
      }
      const { failure } = yield* Effect.flip(own.params({ params: { account: "\ud800", id: 1 } }))
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["InvalidInput", "NotSent"])
      assert.strictEqual(wire.requests.length, 0)
    }).pipe(Effect.provide(quiet))
  )
})

describe("conditional requests", () => {
  it.live("carry the entity tag in If-Match", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(503, {}), json(200, thing))
      const api = yield* placements(wire)
      yield* Effect.exit(api.conditional({ params: { id: "7" }, payload: { order: "o" } }))
      yield* api.conditional({ params: { id: "8" }, payload: { order: "o" } })
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers["if-match"]),
        ['"7-v1"', '"8-v1"']
      )
    }).pipe(Effect.provide(quiet))
  )
})

// ---- what runs per attempt, and what once

class NotSigned extends Data.TaggedError("NotSigned")<{ readonly why: string }> {}
class Inner extends HttpApiMiddleware.Service<Inner, { clientError: NotSigned }>()("test/Inner", {
  requiredForClient: true
}) {}
class Outer extends HttpApiMiddleware.Service<Outer>()("test/Outer", { requiredForClient: true }) {}

let encodings = 0
const Counted = Schema.String.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({
      decode: (text: string) => text,
      encode: (text: string) => {
        encodings++
        return `${text} (${encodings})`
      }
    })
  )
)

const Guarded = HttpApi.make("guarded").add(
  HttpApiGroup.make("guarded").add(
    HttpApiEndpoint.post("create", "/create", { payload: Schema.Struct({ order: Counted }), success: Thing })
      .middleware(Inner)
      .middleware(Outer)
  )
)

class GuardedClient extends Integration.Service<GuardedClient>()(
  "test/Guarded",
  { ...defaults, policy: thrice() },
  {
    create: HttpOperation.endpoint(Guarded, "guarded", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("create", payload.order), {
        lifetime: "1 hour"
      }),
      translate: { NotSigned: told }
    })
  }
) {}

class Suffix extends Context.Service<Suffix, string>()("test/Suffix") {}

/** Middleware that says in a header in which order it ran, and at which attempt. */
const trail = (refuse: () => string | undefined = () => undefined) => {
  let runs = 0
  const append = (request: HttpClientRequest.HttpClientRequest, text: string) =>
    HttpClientRequest.setHeader(request, "x-trail", `${request.headers["x-trail"] ?? ""}${text}`)
  return Layer.merge(
    HttpApiMiddleware.layerClient(Inner, ({ next, request }) =>
      Effect.gen(function* () {
        const why = refuse()
        if (why !== undefined) return yield* new NotSigned({ why })
        return yield* next(append(request, `inner${++runs}${yield* Suffix}`))
      })
    ),
    HttpApiMiddleware.layerClient(Outer, ({ next, request }) => next(append(request, "outer ")))
  ).pipe(Layer.provide(Layer.succeed(Suffix, "!")))
}

const guarded = (wire: Wire, middleware = trail(), auth?: Auth.Auth) =>
  Effect.map(
    Layer.build(
      Layer.orDie(
        HttpIntegration.layer(GuardedClient, { baseUrl: wire.url, ...(auth === undefined ? {} : { auth }) }).pipe(
          Layer.provide([undici, middleware])
        )
      )
    ),
    (context) => Context.get(context, GuardedClient)
  )

const again = [json(503, {}), json(503, {}), json(200, thing)] as const

describe("client middleware", () => {
  it.live("runs in the order of HttpApiClient, for every attempt, while the encoder runs once", () =>
    Effect.gen(function* () {
      const wire = yield* serve(...again)
      const api = yield* guarded(wire)
      encodings = 0
      yield* api.create({ payload: { order: "o" } })
      assert.strictEqual(encodings, 1)
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers["x-trail"]),
        ["outer inner1!", "outer inner2!", "outer inner3!"]
      )
      assert.deepStrictEqual(
        wire.requests.map(({ text }) => text),
        Array(3).fill('{"order":"o (1)"}')
      )
      assert.strictEqual(new Set(wire.requests.map(({ headers }) => headers["idempotency-key"])).size, 1)

      const services = yield* Layer.build(Layer.merge(undici, trail()))
      const effects = yield* Effect.provide(HttpApiClient.make(Guarded, { baseUrl: wire.url }), services)
      yield* effects.guarded.create({ payload: { order: "o" } })
      assert.strictEqual(wire.requests[3]?.headers["x-trail"], "outer inner1!")
    }).pipe(Effect.provide(quiet))
  )

  it.live("fails with an error of its own, which translate covers", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* guarded(
        wire,
        trail(() => "no key")
      )
      const error = yield* Effect.flip(api.create({ payload: { order: "o" } }))
      assert.strictEqual(error._tag, "Told")
      assert.propertyVal((error as { error: unknown }).error, "why", "no key")
      assert.strictEqual(wire.requests.length, 0)
    }).pipe(Effect.provide(quiet))
  )
})

describe("credentials", () => {
  it.live("are read anew for every attempt if they are an effect", () =>
    Effect.gen(function* () {
      const wire = yield* serve(...again)
      let reads = 0
      const token = Effect.sync(() => Redacted.make(`t${++reads}`))
      const api = yield* guarded(wire, trail(), Auth.bearer(token))
      yield* api.create({ payload: { order: "o" } })
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers.authorization),
        ["Bearer t1", "Bearer t2", "Bearer t3"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.live("that can't be read are tried again: nothing was sent", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      let reads = 0
      const token = Effect.suspend(() =>
        ++reads < 3 ? Effect.fail(new Error("vault: sk_live_1")) : Effect.succeed(Redacted.make("t"))
      )
      const api = yield* guarded(wire, trail(), Auth.bearer(token))
      yield* api.create({ payload: { order: "o" } })
      assert.strictEqual(wire.requests.length, 1)
      reads = -10
      const error = yield* Effect.flip(api.create({ payload: { order: "o" } }))
      const failure = (error as Seen).failure
      assert.strictEqual(failure.outcome, "NotSent")
      assert.deepStrictEqual(
        failure.attempts.map(({ message, outcome }) => `${outcome} ${message}`),
        Array(3).fill("NotSent the credentials could not be read")
      )
      assert.notInclude(`${failure}${JSON.stringify(failure)}`, "sk_live")
      assert.strictEqual(wire.requests.length, 1)
    }).pipe(Effect.provide(quiet))
  )

  it.live("that sign do so after the middleware", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const credentials = { accessKeyId: "AKIA1", secretAccessKey: Redacted.make("k") }
      const api = yield* guarded(wire, trail(), Auth.awsSigV4({ service: "sqs", region: "eu", credentials }))
      yield* api.create({ payload: { order: "o" } })
      const { headers } = wire.requests[0]!
      assert.strictEqual(headers["x-trail"], "outer inner1!")
      assert.match(headers.authorization!, /SignedHeaders=[^,]*;x-trail,/)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that take too long cut an attempt that was not sent", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* guarded(wire, trail(), Auth.bearer(Effect.never))
      const fiber = yield* Effect.forkChild(Effect.flip(api.create({ payload: { order: "o" } })))
      yield* TestClock.adjust("20 seconds")
      const failure = ((yield* Fiber.join(fiber)) as Seen).failure
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["Timeout", "NotSent"])
      assert.strictEqual(wire.requests.length, 0)
    }).pipe(Effect.provide(quiet))
  )

  it.live("stand where they were asked to", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const secret = Redacted.make("s3cr&t")
      for (const auth of [
        Auth.basic("ann", secret),
        Auth.apiKey("X-Api-Key", secret),
        Auth.queryKey("key", secret),
        Auth.custom("signature", (request) =>
          Effect.succeed(HttpClientRequest.setHeader(request, "x-signature", `${request.method} ${request.url.length}`))
        )
      ]) {
        const api = yield* placements(wire, { auth })
        yield* api.tenant({ headers: { "x-tenant": "t" } })
      }
      const [basic, apiKey, queryKey, signed] = wire.requests
      assert.strictEqual(basic?.headers.authorization, `Basic ${Buffer.from("ann:s3cr&t").toString("base64")}`)
      assert.strictEqual(apiKey?.headers["x-api-key"], "s3cr&t")
      assert.strictEqual(queryKey?.url, "/tenant?key=s3cr%26t")
      assert.strictEqual(signed?.headers["x-signature"], `GET ${`${wire.url}/tenant`.length}`)
    }).pipe(Effect.provide(quiet))
  )
})

// ---- what is wrong when the layer is built

describe("building the layer", () => {
  const build = (
    options: Parameters<typeof HttpIntegration.layer<Shapes, "test/Shapes", Shapes["Service"], never>>[1]
  ) => Effect.scoped(Layer.build(HttpIntegration.layer(Shapes, options).pipe(Layer.provide(undici))))

  for (const [baseUrl, problem] of [
    ["ftp://example.com", "baseUrl is not an http or https URL: ftp://example.com"],
    ["example.com/api", "baseUrl is not an http or https URL: example.com/api"],
    ["/api", "baseUrl is not an http or https URL: /api"],
    ["", "baseUrl is not an http or https URL: "],
    ["http://example.com/api?tenant=1", "baseUrl must have no query and no fragment: http://example.com/api?…"],
    ["http://example.com/#a", "baseUrl must have no query and no fragment: http://example.com/#…"],
    ["https://ann:s3cret@example.com", "baseUrl holds credentials: give them as auth"]
  ] as const) {
    it.live(`refuses the base URL "${baseUrl}"`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(build({ baseUrl }))
        assert.strictEqual(error._tag, "PolicyError")
        assert.strictEqual(error.message, `test/Shapes (layer): ${problem}`)
        assert.notInclude(String(error), "s3cret")
      })
    )
  }

  it.live("refuses a base URL that is no URL, whatever way it was given, without showing a password", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(build({ baseUrl: "htp://ann:s3cret@example.com" }))
      assert.strictEqual(error._tag, "PolicyError")
      assert.notInclude(String(error), "s3cret")
    })
  )

  it.live("reads the base URL and the credentials from the configuration", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const env = (values: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env: values }))
      const options = { baseUrl: Config.URL("SHAPES_URL"), auth: Auth.bearer(Config.Redacted("TOKEN")) }
      const context = yield* Layer.build(
        HttpIntegration.layer(Shapes, options).pipe(
          Layer.provide([undici, env({ SHAPES_URL: `${wire.url}/v9`, TOKEN: "t" })])
        )
      )
      yield* Context.get(context, Shapes).one()
      assert.strictEqual(wire.requests[0]?.url, "/v9/prefix/one")
      assert.strictEqual(wire.requests[0]?.headers.authorization, "Bearer t")

      for (const values of [{}, { SHAPES_URL: wire.url }, { SHAPES_URL: "no url", TOKEN: "t" }]) {
        const error = yield* Effect.flip(Effect.provide(build(options), env(values as Record<string, string>)))
        assert.strictEqual(error._tag, "ConfigError")
      }
    }).pipe(Effect.provide(quiet))
  )

  it.live("refuses a limit on bodies that is no positive integer", () =>
    Effect.gen(function* () {
      for (const maxBodySize of [0, -1, 1.5, Number.NaN, Infinity]) {
        const error = yield* Effect.flip(build({ baseUrl: "http://127.0.0.1:1", maxBodySize }))
        assert.strictEqual(
          error.message,
          `test/Shapes (layer): maxBodySize must be a positive integer of bytes, got ${maxBodySize}`
        )
      }
      class Small extends Integration.Service<Small>()("test/Small", defaults, {
        one: HttpOperation.endpoint(Everything, "prefixed", "one", { maxBodySize: -5 })
      }) {}
      const error = yield* Effect.flip(
        Layer.build(HttpIntegration.layer(Small, { baseUrl: "http://127.0.0.1:1" }).pipe(Layer.provide(undici)))
      )
      assert.strictEqual(error.message, "test/Small one: maxBodySize must be a positive integer of bytes, got -5")
    })
  )

  it.live("lets an operation's own limit on bodies win over the layer's", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const api = yield* placements(wire)
      const input = { headers: { "x-tenant": "t" } }
      assert.deepStrictEqual(yield* api.tenant(input), thing)
      const { failure } = yield* Effect.flip(api.small(input))
      assert.strictEqual(failure.reason.message, "status 200, but its body was larger than 10 bytes")
    }).pipe(Effect.provide(quiet))
  )

  it("refuses an endpoint that does not exist when the operation is defined", () => {
    assert.throws(
      () => HttpOperation.endpoint(Everything, "shapes", "nowhere" as never),
      'HttpOperation.endpoint: no endpoint "nowhere" in group "shapes"'
    )
  })
})

describe("fetch options of the caller", () => {
  it.live("are kept for mutations, except that a redirect is not followed", () =>
    Effect.gen(function* () {
      const wire = yield* serve(json(200, thing), answer(307, { location: "/elsewhere" }))
      const init = Layer.succeed(FetchHttpClient.RequestInit, { headers: { "x-init": "1" }, redirect: "follow" })
      const api = yield* Effect.map(
        Layer.build(
          Layer.orDie(
            HttpIntegration.layer(Placements, { baseUrl: wire.url }).pipe(
              Layer.provide(fetch.pipe(Layer.provideMerge(init)))
            )
          )
        ),
        (context) => Context.get(context, Placements)
      )
      yield* api.raw({ payload })
      const { failure } = yield* Effect.flip(api.raw({ payload }))
      assert.strictEqual(failure.reason.status, 307)
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers["x-init"]),
        ["1", "1"]
      )
    }).pipe(Effect.provide(quiet))
  )
})
