import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Arbitrary, Effect, FileSystem, Layer, PlatformError, Redacted, Schema, SchemaTransformation } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import {
  HttpApi,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  HttpApiSecurity
} from "effect/http-api"
import * as Cassette from "../../src/testing/Cassette.ts"
import { oneOf, tries } from "../properties/support.ts"

// ---- recording in memory

interface Sent {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly reply?: ReturnType<Parameters<typeof FaultInjection.make>[0]["respond"]>
}

const memory = () => {
  const files = new Map<string, string>()
  const missing = Effect.fail(
    PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "readFileString" })
  )
  const layer = FileSystem.layerNoop({
    readFileString: (path) => Effect.suspend(() => (files.has(path) ? Effect.succeed(files.get(path)!) : missing)),
    writeFileString: (path, content) => Effect.sync(() => void files.set(path, content)),
    rename: (from, to) =>
      Effect.sync(() => {
        files.set(to, files.get(from)!)
        files.delete(from)
      })
  })
  return { files, layer }
}

/** What stands in the file after these exchanges, and in what is replayed of it. */
const record = (exchanges: ReadonlyArray<Sent>, options: Cassette.ReplayOptions = {}) =>
  Effect.gen(function* () {
    const { files, layer } = memory()
    const replies = exchanges.map(({ reply }) => reply ?? {})
    const provider = FaultInjection.make({ respond: () => replies.shift()! })
    const all = Effect.forEach(exchanges, ({ request }) =>
      Effect.flatMap(HttpClient.execute(request), (response) => response.text)
    )
    yield* Effect.provide(
      all,
      Cassette.layer("c", { ...options, mode: "record" }).pipe(Layer.provide(provider.layer), Layer.provide(layer))
    )
    const content = files.get("c")!
    // Whatever was redacted, the same requests find their recordings.
    const replayed = yield* Effect.provide(all, Cassette.layerReplay("c", options).pipe(Layer.provide(layer)))
    const recorded = yield* Effect.provide(Cassette.read("c"), layer)
    return { content, replayed, recorded }
  })

const text = (content: string, type = "text/plain") => HttpBody.text(content, type)
const request = (options: HttpClientRequest.Options.NoUrl = {}, url = "https://api.example/v1/x") =>
  HttpClientRequest.post(url, options)
const json = (value: unknown) => request({ body: HttpBody.jsonUnsafe(value) })
const answer = (body: unknown): Sent => ({ request: request(), reply: { body } })
const typed = (type: string, body: string): Sent => ({
  request: request(),
  reply: { headers: { "content-type": type }, body }
})
const q = encodeURIComponent

// ---- names

const names = [
  "token",
  "access_token",
  "refreshToken",
  "client_secret",
  "apiKey",
  "api-key",
  "X-Api-Key",
  "password",
  "newPassword",
  "signature",
  "private_key",
  "authorization",
  "card[token]",
  "credentials"
]

/** Where a secret may stand, by its place or its name. `header` ones must be a header's text. */
const places: Readonly<Record<string, (secret: string, name: string) => Sent>> = {
  "header authorization": (s) => ({ request: request({ headers: { authorization: `Bearer ${q(s)}` } }) }),
  "header proxy-authorization": (s) => ({ request: request({ headers: { "proxy-authorization": `Basic ${q(s)}` } }) }),
  "header cookie": (s) => ({ request: request({ headers: { cookie: `a=1; session=${q(s)}` } }) }),
  "header of a name": (s) => ({ request: request({ headers: { "x-auth-token": q(s), "x-hub-signature-256": q(s) } }) }),
  "header set-cookie": (s) => ({ request: request(), reply: { headers: { "set-cookie": `s=${q(s)}; Path=/` } } }),
  "header of an answer": (s) => ({ request: request(), reply: { headers: { "x-access-token": q(s) } } }),
  "header location": (s) => ({
    request: request(),
    reply: { headers: { location: `https://b.example/?state=1&access_token=${q(s)}#id_token=${q(s)}` } }
  }),
  query: (s, name) => ({ request: request({}, `https://api.example/?a=1&${q(name)}=${q(s)}&b=2`) }),
  "query key": (s) => ({ request: request({}, `https://api.example/?key=${q(s)}&sig=${q(s)}`) }),
  fragment: (s, name) => ({ request: request({}, `https://api.example/#${q(name)}=${q(s)}`) }),
  userinfo: (s) => ({ request: request({}, `https://user:${q(s)}@api.example/`) }),
  "json field": (s, name) => ({ request: json({ a: 1, [name]: s }) }),
  "json deep": (s, name) => answer({ data: [{ x: [{ [name]: s }] }] }),
  "json below a name": (s, name) => answer({ [name]: { id: s, list: [s, { deep: s }] } }),
  "json in a string": (s, name) => answer({ payload: JSON.stringify({ [name]: s }) }),
  "json in a log line": (s, name) => answer({ log: `sent ${JSON.stringify({ [name]: s })} and waited` }),
  "json of another type": (s, name) => typed("text/plain", ` ${JSON.stringify({ [name]: s })}`),
  "json with a large number": (s, name) =>
    typed("application/json", `{"id": 12345678901234567890, ${JSON.stringify(name)}: ${JSON.stringify(s)}}`),
  "url in json": (s, name) => answer({ next: `https://api.example/?p=1&${q(name)}=${q(s)}` }),
  "userinfo in json": (s) => answer({ clone: `https://x:${q(s)}@git.example/repo.git` }),
  "url in a query": (s, name) => ({
    request: request({}, `https://api.example/?to=${q(`https://b.example/?${q(name)}=${q(s)}`)}`)
  }),
  form: (s, name) => ({
    request: request({
      body: text(new URLSearchParams({ a: "1", [name]: s }).toString(), "application/x-www-form-urlencoded")
    })
  }),
  "form of an answer": (s, name) =>
    typed("application/x-www-form-urlencoded", new URLSearchParams({ [name]: s, a: "1" }).toString()),
  multipart: (s, name) => {
    const form = new FormData()
    form.append("a", "1")
    form.append(name, s)
    form.append("doc", new Blob([JSON.stringify({ [name]: s })], { type: "application/json" }), "a.json")
    form.append(name, new Blob([s]), "key.pem")
    return { request: request({ body: HttpBody.formData(form) }) }
  },
  ndjson: (s, name) => typed("application/x-ndjson", `{"a":1}\n${JSON.stringify({ [name]: s })}\r\n`),
  events: (s, name) =>
    typed("text/event-stream", `event: x\ndata: ${JSON.stringify({ [name]: s })}\n\ndata: {"a":1}\n\n`),
  "one event": (s, name) => typed("text/event-stream", `data: ${JSON.stringify({ [name]: s })}`),
  xml: (s) => typed("application/xml", `<a><ns:AccessToken x="1">${q(s)}</ns:AccessToken><b password="${q(s)}"/></a>`),
  cdata: (s) => typed("text/xml", `<a><password><![CDATA[${q(s)}]]></password></a>`),
  pairs: (s) => typed("text/plain", `expires=1\npassword=${q(s)}\nAPI_TOKEN="${q(s)}"`),
  lines: (s) => typed("text/plain", `Host: api.example\nAuthorization: Bearer ${q(s)}\n`),
  "streamed body": (s, name) => ({
    request: request({ body: text(JSON.stringify({ [name]: s }), "application/vnd.api+json") })
  })
}

/** Neither the secret, in any form in which it may be written, nor either end of it. */
const leaksNothing = (content: string, secret: string, where: string) => {
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    q(secret),
    new URLSearchParams({ a: secret }).toString().slice(2)
  ]
  for (const form of [...forms, "qZx", "Wvk"]) assert.notInclude(content, form, where)
}

const characters = [..."abcXYZ0189-_.~/+=&%?#;:,@ '\"\\<>{}[]$|!é✓\n\t"]
const secrets: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.array(oneOf(characters), { minLength: 6, maxLength: 24 }),
  // Six letters in a row, so that no part of the file holds it by chance.
  (characters) => `qZx${characters.join("")}Wvk`
)

describe("Cassette: redaction by place and name", () => {
  for (const [place, sent] of Object.entries(places)) {
    it.effect.prop(
      `keeps no secret in ${place}`,
      { secret: secrets, name: oneOf(names) },
      ({ name, secret }) =>
        Effect.gen(function* () {
          const { content } = yield* record([sent(secret, name)])
          leaksNothing(content, secret, `${place} ${name}`)
          assert.include(content, "[redacted]")
        }),
      tries(15)
    )
  }

  it.effect("keeps what is no secret, so that it decodes again", () =>
    Effect.gen(function* () {
      const body = {
        usage: { prompt_tokens: 12, total_tokens: 30, completion_tokens_details: { reasoning_tokens: 3 } },
        token: null,
        password: "",
        has_password: true,
        author: "Ann",
        next: "https://api.example/?page=2&max=5",
        text: "a = b; the token expired: try again",
        __proto__x: 1
      }
      const { recorded, replayed } = yield* record([
        {
          request: request({ headers: { "idempotency-key": "charge:order-42", accept: "x" } }),
          reply: { headers: { "request-id": "req_1", etag: '"e"' }, body }
        }
      ])
      assert.deepStrictEqual(JSON.parse(replayed[0]!), body)
      assert.deepStrictEqual(recorded[0]!.request.headers, { "idempotency-key": "charge:order-42", accept: "x" })
      assert.deepStrictEqual(recorded[0]!.response!.headers, {
        "request-id": "req_1",
        etag: '"e"',
        "content-type": "application/json"
      })
    })
  )

  it.effect("knows a JWT wherever it stands", () =>
    Effect.gen(function* () {
      const jwt = `${btoa('{"alg":"HS256"}')}.${btoa('{"sub":"1234567890"}').replace(/=+$/, "")}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g`
      const { recorded } = yield* record([
        { request: json({ note: `use ${jwt}.` }), reply: { headers: { "x-next": jwt }, body: { list: [jwt] } } }
      ])
      assert.deepStrictEqual(recorded[0]!.request.body, { json: { note: "use [redacted]." } })
      assert.deepStrictEqual(recorded[0]!.response!.body, { json: { list: ["[redacted]"] } })
      assert.strictEqual(recorded[0]!.response!.headers["x-next"], "[redacted]")
    })
  )

  it.effect("keeps a field named __proto__, and redacts below it", () =>
    Effect.gen(function* () {
      const { recorded } = yield* record([typed("application/json", `{"__proto__":{"token":"abc"},"a":1}`)])
      assert.strictEqual(
        JSON.stringify(recorded[0]!.response!.body),
        `{"json":{"__proto__":{"token":"[redacted]"},"a":1}}`
      )
    })
  )

  it.effect("finds a secret that was seen in its place everywhere else, before and after", () =>
    Effect.gen(function* () {
      const secret = "sk_live_4eC39Hq+x"
      const { content, recorded } = yield* record([
        { request: request({}, `https://api.example/hooks/${q(secret)}`) },
        {
          request: request({ headers: { authorization: `Bearer ${secret}` } }),
          reply: { body: { error: `No such key: ${secret}` } }
        },
        { request: json({ note: `mine is ${secret}`, [secret]: 1 }) }
      ])
      assert.notInclude(content, secret)
      assert.notInclude(content, q(secret))
      assert.strictEqual(recorded[0]!.request.url, "https://api.example/hooks/[redacted]")
      assert.deepStrictEqual(recorded[1]!.response!.body, { json: { error: "No such key: [redacted]" } })
    })
  )

  it.effect("does not look for words, or for what fetches the next page", () =>
    Effect.gen(function* () {
      const { recorded } = yield* record([
        { request: json({ password: "password", grant_type: "password", next_token: "2024-01-01" }) },
        answer({ created: "2024-01-01", kind: "password" })
      ])
      assert.deepStrictEqual(recorded[0]!.request.body, {
        json: { password: "[redacted]", grant_type: "password", next_token: "[redacted]" }
      })
      assert.deepStrictEqual(recorded[1]!.response!.body, { json: { created: "2024-01-01", kind: "password" } })
    })
  )

  it.effect("takes more names, and fewer, and has a last word", () =>
    Effect.gen(function* () {
      const { recorded, replayed } = yield* record(
        [
          {
            request: request(
              {
                headers: { "x-tenant": "t1", "x-page-token": "p1" },
                body: HttpBody.jsonUnsafe({ iban: "DE1", id: 1 })
              },
              "https://api.example/bot77:abc/send?code=c1"
            ),
            reply: { body: { iban: "DE1", page_token: "p1" } }
          }
        ],
        {
          redact: {
            headers: ["X-Tenant"],
            query: ["code"],
            fields: ["IBAN"],
            keep: ["page_token", "x-page-token"],
            with: (exchange) => ({
              ...exchange,
              request: { ...exchange.request, url: exchange.request.url.replace(/bot[^/]+/, "bot[redacted]") }
            })
          }
        }
      )
      assert.deepStrictEqual(recorded[0]!.request, {
        method: "POST",
        url: "https://api.example/bot[redacted]/send?code=[redacted]",
        headers: { "content-type": "application/json", "x-page-token": "p1", "x-tenant": "[redacted]" },
        body: { json: { iban: "[redacted]", id: 1 } }
      })
      assert.strictEqual(replayed[0], `{"iban":"[redacted]","page_token":"p1"}`)
    })
  )
})

// ---- schemas

const hidden = Schema.Redacted(Schema.String)

class Card extends Schema.Class<Card>("Card")({ pan: Schema.RedactedFromValue(Schema.String), month: Schema.Int }) {}

interface Tree {
  readonly name: Redacted.Redacted
  readonly below: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({
  name: hidden,
  below: Schema.Array(
    Schema.suspend((): Schema.Codec<Tree, { name: Redacted.Redacted; below: ReadonlyArray<never> }> => Tree as never)
  )
})

/** `user:pass` on the wire. */
const Login = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Struct({ user: Schema.String, pass: Schema.Redacted(Schema.String) }),
    SchemaTransformation.transform({
      decode: (pair: string) => {
        const at = pair.indexOf(":")
        return { user: pair.slice(0, at), pass: Redacted.make(pair.slice(at + 1)) }
      },
      encode: ({ pass, user }) => `${user}:${Redacted.value(pass)}`
    })
  )
)

/** A field for every way in which a schema can say it. All are optional, so that a test fills one. */
const fields = {
  plain: Schema.optionalKey(hidden),
  fromValue: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  labelled: Schema.optionalKey(Schema.Redacted(Schema.String, { label: "mine" })),
  nested: Schema.optionalKey(Schema.Struct({ a: Schema.Struct({ b: Schema.optionalKey(hidden) }) })),
  list: Schema.optionalKey(Schema.Array(hidden)),
  pair: Schema.optionalKey(Schema.Tuple([Schema.Int, hidden])),
  nullable: Schema.optionalKey(Schema.NullOr(hidden)),
  maybe: Schema.optionalKey(Schema.Option(hidden)),
  record: Schema.optionalKey(Schema.Record(Schema.String, hidden)),
  cases: Schema.optionalKey(
    Schema.Union([
      Schema.Struct({ kind: Schema.Literal("a"), v: hidden }),
      Schema.Struct({ kind: Schema.Literal("b"), v: Schema.Int })
    ])
  ),
  card: Schema.optionalKey(Card),
  tree: Schema.optionalKey(Tree),
  login: Schema.optionalKey(Login),
  whole: Schema.optionalKey(Schema.Redacted(Schema.Struct({ x: Schema.String }))),
  renamed: Schema.optionalKey(
    Schema.Struct({ inner: Schema.RedactedFromValue(Schema.String), also: hidden }).pipe(
      Schema.encodeKeys({ inner: "in_ner" })
    )
  )
}

/** The field on the wire, with a secret in it. */
const wire: Readonly<Record<keyof typeof fields, (secret: string) => unknown>> = {
  plain: (s) => s,
  fromValue: (s) => s,
  labelled: (s) => s,
  nested: (s) => ({ a: { b: s } }),
  list: (s) => [s, s],
  pair: (s) => [1, s],
  nullable: (s) => s,
  maybe: (s) => ({ _tag: "Some", value: s }),
  record: (s) => ({ one: s, two: s }),
  cases: (s) => ({ kind: "a", v: s }),
  card: (s) => ({ pan: s, month: 4 }),
  tree: (s) => ({ name: s, below: [{ name: s, below: [] }] }),
  login: (s) => `ann:${s}`,
  whole: (s) => (s === "[redacted]" ? s : { x: s }),
  renamed: (s) => ({ in_ner: s, also: s })
}

class Refused extends Schema.TaggedError<Refused>()("Refused", fields, { httpApiStatus: 402 }) {}

class Keyed extends HttpApiMiddleware.Service<Keyed>()("Keyed", {
  security: {
    own: HttpApiSecurity.apiKey({ key: "X-Foo", in: "header" }),
    other: HttpApiSecurity.apiKey({ key: "who", in: "query" })
  }
}) {}

class Vault extends HttpApi.make("vault").add(
  HttpApiGroup.make("vault").add(
    HttpApiEndpoint.post("put", "/vault/:pan/items/:id", {
      params: { pan: hidden, id: Schema.String },
      query: { q: Schema.optionalKey(hidden), page: Schema.optionalKey(Schema.NumberFromString) },
      headers: { "x-own": Schema.optionalKey(hidden), "x-open": Schema.optionalKey(Schema.String) },
      payload: Schema.Struct(fields),
      success: [
        Schema.Struct({ id: Schema.String, ...fields }),
        Schema.Struct({ n: Schema.Int, ...fields }).pipe(HttpApiSchema.status(201))
      ],
      error: Refused
    }),
    HttpApiEndpoint.post("form", "/form", {
      payload: Schema.Struct({ a: Schema.String, b: hidden }).pipe(HttpApiSchema.asFormUrlEncoded()),
      success: Schema.RedactedFromValue(Schema.String).pipe(HttpApiSchema.asText())
    }),
    HttpApiEndpoint.get("search", "/search", {
      payload: { b: hidden, c: Schema.String },
      success: HttpApiSchema.WithHeaders(Schema.Struct({ ok: Schema.Boolean }), { "x-mine": hidden })
    }).middleware(Keyed)
  )
) {}

const api = { api: Vault }
const base = "https://api.example/prefix"

describe("Cassette: redaction by schema", () => {
  const vault = (body: unknown, reply?: Sent["reply"]): Sent => ({
    request: request({ body: HttpBody.jsonUnsafe(body) }, `${base}/vault/p/items/i`),
    ...(reply === undefined ? {} : { reply })
  })

  for (const [field, put] of Object.entries(wire)) {
    it.effect.prop(
      `keeps no secret of a field that is ${field}, in payload, success and error`,
      { secret: secrets },
      ({ secret }) =>
        Effect.gen(function* () {
          const body = { open: "seen", [field]: put(secret) }
          const { content, recorded } = yield* record(
            [
              vault(body),
              vault({}, { body: { id: "open", ...body } }),
              vault({}, { status: 201, body: { n: 1, ...body } }),
              vault({}, { status: 402, body: { _tag: "Refused", ...body } }),
              // What does not decode may hold it anywhere.
              vault({}, { body: { id: 5, ...body } })
            ],
            api
          )
          leaksNothing(content, secret, field)
          assert.deepInclude(recorded[0]!.request.body, { json: { open: "seen", [field]: put("[redacted]") } }, field)
        }),
      tries(8)
    )
  }

  it.effect("keeps nothing of a value whose secrets have been moved and that does not decode", () =>
    Effect.gen(function* () {
      const broken = { in_ner: "qZx", also: 5, beside: "Wvk" }
      const { content, recorded } = yield* record([vault({ open: "seen", renamed: broken })], api)
      assert.deepStrictEqual(recorded[0]!.request.body, { json: { open: "seen", renamed: "[redacted]" } })
      assert.notMatch(content, /qZx|Wvk/)
    })
  )

  it.effect("redacts what is declared, and nothing beside it", () =>
    Effect.gen(function* () {
      const { recorded } = yield* record(
        [
          {
            request: request(
              {
                headers: { "x-own": "own-1", "x-open": "open-1" },
                body: HttpBody.jsonUnsafe({ cases: { kind: "b", v: 7 } })
              },
              `${base}/vault/4242%204242/items/i-1?q=find%20me&page=2`
            ),
            reply: { body: { id: "i-1", plain: "p", nullable: null, cases: { kind: "b", v: 7 } } }
          },
          {
            request: request({ body: text("a=1&b=2", "application/x-www-form-urlencoded") }, `${base}/form`),
            reply: { headers: { "content-type": "text/plain" }, body: "all of it" }
          },
          {
            request: HttpClientRequest.get(`${base}/search?b=1&c=2&who=me`, { headers: { "x-foo": "f" } }),
            reply: { headers: { "x-mine": "m", "x-yours": "y" }, body: { ok: true } }
          },
          { request: json({ plain: "no endpoint of the contract" }) }
        ],
        api
      )
      const [put, form, search, other] = recorded
      assert.deepStrictEqual(put!.request, {
        method: "POST",
        url: `${base}/vault/[redacted]/items/i-1?q=[redacted]&page=2`,
        headers: { "content-type": "application/json", "x-open": "open-1", "x-own": "[redacted]" },
        body: { json: { cases: { kind: "b", v: 7 } } }
      })
      assert.deepStrictEqual(put!.response!.body, {
        json: { id: "i-1", plain: "[redacted]", nullable: null, cases: { kind: "b", v: 7 } }
      })
      assert.deepStrictEqual(form!.request.body, {
        form: [
          ["a", "1"],
          ["b", "[redacted]"]
        ]
      })
      assert.deepStrictEqual(form!.response!.body, { text: "[redacted]" })
      assert.strictEqual(search!.request.url, `${base}/search?b=[redacted]&c=2&who=[redacted]`)
      assert.strictEqual(search!.request.headers["x-foo"], "[redacted]")
      assert.deepStrictEqual(
        [search!.response!.headers["x-mine"], search!.response!.headers["x-yours"]],
        ["[redacted]", "y"]
      )
      assert.deepStrictEqual(other!.request.body, { json: { plain: "no endpoint of the contract" } })
    })
  )

  it.effect("replays what still decodes, where the secret is a string", () =>
    Effect.gen(function* () {
      const { files, layer } = memory()
      const provider = FaultInjection.make({
        respond: () => ({ body: { id: "1", card: { pan: "4242", month: 4 }, list: ["a", "b"], login: "ann:pw" } })
      })
      const call = Effect.gen(function* () {
        const client = yield* HttpApiClient.make(Vault, { baseUrl: base })
        const found = yield* client.vault.put({
          params: { pan: Redacted.make("1"), id: "1" },
          query: {},
          headers: {},
          payload: { login: { user: "ann", pass: Redacted.make("a") } }
        })
        return [found.card?.pan, ...(found.list ?? []), found.login?.pass].map((it) => it && Redacted.value(it))
      })
      const live = yield* Effect.provide(
        call,
        Cassette.layer("c", { ...api, mode: "record" }).pipe(Layer.provide(provider.layer), Layer.provide(layer))
      )
      assert.deepStrictEqual(live, ["4242", "a", "b", "pw"])
      assert.notMatch(files.get("c")!, /4242|"pw|ann:a/)
      const replayed = yield* Effect.provide(call, Cassette.layerReplay("c", api).pipe(Layer.provide(layer)))
      assert.deepStrictEqual(replayed, ["[redacted]", "[redacted]", "[redacted]", "[redacted]"])
    })
  )
})
