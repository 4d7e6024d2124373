import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, FileSystem, Layer, PlatformError, Schema, SchemaGetter } from "effect"
import { HttpBody, HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import * as Cassette from "../../src/testing/Cassette.ts"
import * as Contract from "../../src/testing/Contract.ts"

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}
class Fraud extends Schema.TaggedError<Fraud>()("Fraud", { score: Schema.Int }, { httpApiStatus: 402 }) {}
class Gone extends Schema.TaggedError<Gone>()("Gone", {}, { httpApiStatus: 410 }) {}

const Charge = Schema.Struct({
  id: Schema.String,
  amount: Schema.Int,
  note: Schema.optional(Schema.String),
  nickname: Schema.optionalKey(Schema.NullOr(Schema.String)),
  created: Schema.optionalKey(Schema.DateFromString)
})

interface Folder {
  readonly name: string
  readonly folders: ReadonlyArray<Folder>
  readonly icon?: string
}
const Folder = Schema.Struct({
  name: Schema.String,
  folders: Schema.Array(Schema.suspend((): Schema.Codec<Folder> => Folder)),
  icon: Schema.optionalKey(Schema.String)
})

class Shop extends HttpApi.make("shop").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge, error: Gone }),
    HttpApiEndpoint.get("latest", "/charges/latest", { success: Charge }),
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ amount: Schema.Int }),
      success: [Charge, Charge.pipe(HttpApiSchema.status(201))],
      error: [CardError, Fraud]
    }),
    HttpApiEndpoint.get("list", "/charges", {
      success: Schema.Struct({
        data: Schema.Array(
          Schema.Union([
            Schema.Struct({ kind: Schema.Literal("card"), brand: Schema.String }),
            Schema.Struct({ kind: Schema.Literal("bank"), iban: Schema.String, bic: Schema.optionalKey(Schema.String) })
          ])
        ),
        meta: Schema.Record(Schema.String, Schema.Struct({ at: Schema.Int })),
        pair: Schema.optionalKey(Schema.Tuple([Schema.Int, Schema.Struct({ x: Schema.Int })])),
        anything: Schema.optionalKey(Schema.Unknown)
      })
    }),
    HttpApiEndpoint.delete("remove", "/charges/:id", { params: { id: Schema.String } })
  ),
  HttpApiGroup.make("files").add(
    HttpApiEndpoint.get("tree", "/files/:path", { params: { path: Schema.String }, success: Folder }),
    HttpApiEndpoint.get("raw", "/files/:path/raw", {
      params: { path: Schema.String },
      success: Schema.String.pipe(HttpApiSchema.asText())
    }),
    HttpApiEndpoint.get("download", "/files/:path/download", {
      params: { path: Schema.String },
      success: HttpApiSchema.StreamUint8Array()
    })
  )
) {}

const came = (
  method: string,
  path: string,
  status: number,
  body?: unknown,
  more?: Partial<Cassette.Response>
): Cassette.Exchange => ({
  request: { method, url: `https://api.example${path}`, headers: {} },
  response: {
    status,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: { json: body } }),
    ...more
  },
  elapsed: 5
})

const check = (exchanges: ReadonlyArray<Cassette.Exchange>, options?: Contract.Options) =>
  Effect.map(Contract.check(Shop, exchanges, options), (report) => ({
    report,
    of: (name: string) => report.endpoints.find(({ endpoint }) => endpoint === name)!
  }))

const charge = { id: "ch_1", amount: 4200 }

describe("Contract.check", () => {
  it.effect("counts statuses, and what decodes", () =>
    Effect.gen(function* () {
      const { of, report } = yield* check([
        came("POST", "/charges", 200, charge),
        came("POST", "/charges", 201, charge),
        came("POST", "/charges", 201, charge),
        came("POST", "/charges", 500, { error: "?" }),
        came("POST", "/charges", 202, { queued: true }),
        came("DELETE", "/charges/1", 204)
      ])
      assert.deepStrictEqual(of("create").statuses, [
        { status: 200, count: 1, declared: "success" },
        { status: 201, count: 2, declared: "success" },
        { status: 202, count: 1, declared: "no" },
        { status: 500, count: 1, declared: "no" }
      ])
      assert.deepStrictEqual([of("create").exchanges, of("create").decoded, of("create").undecodable], [5, 3, []])
      assert.deepStrictEqual([of("remove").decoded, report.exchanges, report.api], [1, 6, "shop"])
    })
  )

  it.effect("says where an answer does not decode, once for a list, and never what it holds", () =>
    Effect.gen(function* () {
      const secret = "sk_live_secret"
      const bad = { kind: "card", brand: 5 }
      const { of, report } = yield* check([
        came("GET", "/charges/ch_1", 200, { ...charge, amount: secret }),
        came("GET", "/charges/ch_1", 200, { id: 12345678, amount: 4.5 }),
        came("GET", "/charges/ch_1", 200, { ...charge, created: secret }),
        came("GET", "/charges", 200, { data: [bad, bad, { kind: "bank", iban: "i" }], meta: {} }),
        came("GET", "/charges/ch_1", 200, undefined, { body: { text: `<html>${secret}` } }),
        came("POST", "/charges", 402, { _tag: "CardError", code: 7 })
      ])
      const where = (name: string) =>
        of(name)
          .undecodable.map(({ at, count, status }) => `${status} ${at} ${count}`)
          .toSorted()
      assert.deepStrictEqual(where("get"), ["200  1", "200 amount 1", "200 amount 1", "200 created 1", "200 id 1"])
      assert.deepStrictEqual(where("list"), ["200 data[].brand 1"])
      assert.isTrue(where("create").every((at) => at.startsWith("402 ")))
      assert.isNotEmpty(where("create"))
      assert.match(of("get").undecodable.find(({ at }) => at === "id")!.message, /^Expected string/)
      for (const text of [JSON.stringify(report), Contract.format(report)]) {
        assert.notInclude(text, secret)
        assert.notInclude(text, "12345678")
      }
    })
  )

  it.effect("does not repeat a value that an own filter quotes", () =>
    Effect.gen(function* () {
      const Own = Schema.Struct({
        id: Schema.String.check(Schema.makeFilter((id) => (id.startsWith("ch_") ? undefined : `${id} is no id`)))
      })
      class Api extends HttpApi.make("own").add(
        HttpApiGroup.make("g").add(HttpApiEndpoint.get("e", "/e", { success: Own }))
      ) {}
      const report = yield* Contract.check(Api, [came("GET", "/e", 200, { id: "sk_live_secret" })])
      assert.deepStrictEqual(report.endpoints[0]!.undecodable, [
        { status: 200, at: "id", message: "… is no id", count: 1 }
      ])
    })
  )

  it.effect("tells declared errors of one status apart, and which never occurred", () =>
    Effect.gen(function* () {
      const { of } = yield* check([
        came("POST", "/charges", 402, { _tag: "Fraud", score: 3, extra: true }),
        came("POST", "/charges", 402, { _tag: "Fraud", score: 4 })
      ])
      assert.deepStrictEqual(of("create").errors, [
        { status: 402, name: "CardError", count: 0 },
        { status: 402, name: "Fraud", count: 2 }
      ])
      assert.deepStrictEqual(of("get").errors, [{ status: 410, name: "Gone", count: 0 }])
      assert.deepStrictEqual(of("create").ignored, [{ status: 402, at: "extra", types: ["boolean"], count: 1, of: 2 }])
    })
  )

  it.effect("finds fields that nobody reads, through unions, lists, records, tuples and recursion", () =>
    Effect.gen(function* () {
      const { of } = yield* check([
        came("GET", "/charges", 200, {
          data: [
            { kind: "card", brand: "v", last4: "1", iban: "of the other case" },
            { kind: "bank", iban: "i", last4: null },
            { kind: "bank", iban: "i" }
          ],
          meta: { a: { at: 1, by: "x" }, "b.c": { at: 2, by: 3 } },
          pair: [1, { x: 1, y: [] }],
          anything: { goes: { here: 1 } },
          "odd.name": {}
        }),
        came("GET", "/files/a", 200, {
          name: "/",
          folders: [
            { name: "a", color: "red", folders: [{ name: "b", color: "red", folders: [] }] },
            { name: "c", folders: [] }
          ]
        })
      ])
      const ignored = (name: string) =>
        of(name).ignored.map(({ at, count, of, types }) => `${at} ${types.join("|")} ${count}/${of}`)
      assert.deepStrictEqual(ignored("list"), [
        "data[].last4 string|null 2/3",
        "data[].iban string 1/3",
        "meta.*.by string|number 2/2",
        "pair[].y array 1/1",
        `"odd.name" object 1/1`
      ])
      assert.deepStrictEqual(ignored("tree"), ["folders[].color string 1/2", "folders[].folders[].color string 1/1"])
    })
  )

  it.effect("finds optional fields that never came, and not those that did", () =>
    Effect.gen(function* () {
      const { of } = yield* check([
        came("GET", "/charges/1", 200, { ...charge, nickname: null }),
        came("GET", "/charges/2", 200, charge),
        came("GET", "/charges", 200, {
          data: [
            { kind: "card", brand: "v" },
            { kind: "bank", iban: "i" }
          ],
          meta: {}
        })
      ])
      assert.deepStrictEqual(of("get").neverCame, [
        { status: 200, at: "note", of: 2 },
        { status: 200, at: "created", of: 2 }
      ])
      assert.deepStrictEqual(
        of("list").neverCame.map(({ at }) => at),
        ["pair", "anything", "data[].bic"]
      )
    })
  )

  it.effect("finds the endpoint by method and template, as a router would, below the base URL", () =>
    Effect.gen(function* () {
      const exchanges = [
        came("GET", "/api/charges/latest?x=1", 200, charge),
        came("GET", "/api/charges/la%20test", 200, charge),
        came("GET", "/charges/1", 200, charge),
        came("PUT", "/api/charges/1", 200, charge),
        came("GET", "/api/files/a/raw", 200, undefined, {
          headers: { "content-type": "text/plain" },
          body: { text: "raw" }
        })
      ]
      for (const baseUrl of ["https://other.example/api/", "/api", new URL("https://api.example/api")]) {
        const { of, report } = yield* check(exchanges, { baseUrl })
        assert.deepStrictEqual(
          ["latest", "get", "raw", "tree"].map((name) => of(name).exchanges),
          [1, 1, 1, 0]
        )
        assert.strictEqual(of("raw").decoded, 1)
        assert.deepStrictEqual(report.unmatched, [
          { method: "GET", path: "/charges/1", count: 1 },
          { method: "PUT", path: "/api/charges/1", count: 1 }
        ])
      }
    })
  )

  it.effect("says nothing of what was redacted, and of answers that did not arrive", () =>
    Effect.gen(function* () {
      const { of, report } = yield* check([
        came("GET", "/charges/1", 200, { ...charge, amount: "[redacted]" }),
        came("GET", "/charges/1", 200, { id: 5, amount: "[redacted]" }),
        came("GET", "/charges/1", 200, { id: "half" }, { cut: true }),
        {
          request: { method: "GET", url: "https://api.example/charges/1", headers: {} },
          failure: { codes: [] },
          elapsed: 1
        },
        came("GET", "/files/a/download", 200, undefined, { body: { base64: "AAEC" } })
      ])
      const { decoded, hidden, lost, undecodable } = of("get")
      assert.deepStrictEqual({ decoded, hidden, lost }, { decoded: 0, hidden: 1, lost: 2 })
      assert.deepStrictEqual(
        undecodable.map(({ at }) => at),
        ["id"]
      )
      assert.deepStrictEqual(of("download").statuses, [{ status: 200, count: 1, declared: "stream" }])
      assert.deepStrictEqual([of("download").decoded, of("download").undecodable], [0, []])
      assert.isTrue(Contract.isBroken(report))
    })
  )

  it.effect("asks for the services that the schemas decode with", () =>
    Effect.gen(function* () {
      class Rates extends Context.Service<Rates, { readonly factor: number }>()("Rates") {}
      const Amount = Schema.Int.pipe(
        Schema.decodeTo(Schema.Int, {
          decode: SchemaGetter.transformEffect((n: number) => Effect.map(Rates, ({ factor }) => n * factor)),
          encode: SchemaGetter.passthrough()
        })
      )
      class Api extends HttpApi.make("services").add(
        HttpApiGroup.make("g").add(HttpApiEndpoint.get("e", "/e", { success: Schema.Struct({ n: Amount }) }))
      ) {}
      const asked: Effect.Effect<Contract.Report, never, Rates> = Contract.check(Api, [
        came("GET", "/e", 200, { n: 1 })
      ])
      const report = yield* Effect.provideService(asked, Rates, { factor: 2 })
      assert.strictEqual(report.endpoints[0]!.decoded, 1)
    })
  )

  it.effect("reads what a cassette has recorded", () =>
    Effect.gen(function* () {
      const files = new Map<string, string>()
      const missing = Effect.fail(PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read" }))
      const disk = FileSystem.layerNoop({
        readFileString: (path) => Effect.suspend(() => (files.has(path) ? Effect.succeed(files.get(path)!) : missing)),
        writeFileString: (path, content) => Effect.sync(() => void files.set(path, content)),
        rename: (from, to) => Effect.sync(() => void files.set(to, files.get(from)!))
      })
      const provider = FaultInjection.make({ respond: () => ({ status: 201, body: { ...charge, livemode: false } }) })
      yield* Effect.provide(
        HttpClient.post("https://api.example/v1/charges", { body: HttpBody.jsonUnsafe({ amount: 1 }) }),
        Cassette.layer("shop", { api: Shop, mode: "record" }).pipe(Layer.provide(provider.layer), Layer.provide(disk))
      )
      const exchanges = yield* Effect.provide(Cassette.read("shop"), disk)
      const { of } = yield* check(exchanges, { baseUrl: "https://api.example/v1" })
      assert.deepStrictEqual([of("create").decoded, of("create").ignored.map(({ at }) => at)], [1, ["livemode"]])
    })
  )
})

describe("Contract.isBroken", () => {
  const exercised = [
    came("GET", "/charges/1", 200, charge),
    came("GET", "/charges/latest", 200, charge),
    came("POST", "/charges", 200, charge),
    came("GET", "/charges", 200, { data: [], meta: {} }),
    came("DELETE", "/charges/1", 204),
    came("GET", "/files/a", 200, { name: "/", folders: [] }),
    came("GET", "/files/a/raw", 200, undefined, { headers: { "content-type": "text/plain" }, body: { text: "x" } }),
    came("GET", "/files/a/download", 200, undefined, { body: { base64: "AAEC" } })
  ]
  const cases: ReadonlyArray<
    readonly [what: string, exchanges: ReadonlyArray<Cassette.Exchange>, plain: boolean, strict: boolean]
  > = [
    ["all is as declared", exercised, false, false],
    ["a success does not decode", [...exercised, came("GET", "/charges/1", 200, {})], true, true],
    ["a 2xx is not declared", [...exercised, came("GET", "/charges/1", 203, charge)], true, true],
    ["a declared error does not decode", [...exercised, came("POST", "/charges", 402, { _tag: "New" })], true, true],
    ["another status is not declared", [...exercised, came("GET", "/charges/1", 404, {})], false, true],
    ["a field is ignored", [...exercised, came("GET", "/charges/1", 200, { ...charge, x: 1 })], false, true],
    ["a request belongs to no endpoint", [...exercised, came("GET", "/refunds", 200, {})], false, true],
    ["an endpoint was never exercised", exercised.slice(1), false, true],
    ["nothing was recorded", [], false, true]
  ]
  for (const [what, exchanges, plain, strict] of cases) {
    it.effect(`is ${plain} where ${what}, ${strict} if strict`, () =>
      Effect.gen(function* () {
        const { report } = yield* check(exchanges)
        assert.deepStrictEqual(
          [Contract.isBroken(report), Contract.isBroken(report, { strict: true })],
          [plain, strict]
        )
      })
    )
  }
})

describe("Contract.format", () => {
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`an_undocumented_field_${i}`, i]))

  it.effect("reads well at 80 columns", () =>
    Effect.gen(function* () {
      const { report } = yield* check([
        came("POST", "/charges", 201, { ...charge, note: "n", livemode: false, nickname: "x", created: "2026-01-01" }),
        came("POST", "/charges", 201, { id: "x" }),
        came("POST", "/charges", 202, {}),
        came("POST", "/charges", 500, {}),
        came("POST", "/charges", 402, { _tag: "Fraud", score: 1 }),
        came("GET", "/charges/1", 200, { ...charge, ...many }),
        came("GET", "/refunds/1", 200, {})
      ])
      const text = Contract.format(report)
      assert.strictEqual(
        text,
        `shop: 7 exchanges, 2 of 8 endpoints exercised

charges.get GET /charges/:id
  1 exchange: 200 ×1
  never occurred: Gone (410)
  sent and ignored: an_undocumented_field_0 (number) 1/1,
    an_undocumented_field_1 (number) 1/1, an_undocumented_field_2 (number) 1/1,
    an_undocumented_field_3 (number) 1/1, an_undocumented_field_4 (number) 1/1,
    an_undocumented_field_5 (number) 1/1, an_undocumented_field_6 (number) 1/1,
    an_undocumented_field_7 (number) 1/1, an_undocumented_field_8 (number) 1/1,
    an_undocumented_field_9 (number) 1/1, an_undocumented_field_10 (number) 1/1,
    an_undocumented_field_11 (number) 1/1
  optional, never came: note 0/1, nickname 0/1, created 0/1

charges.create POST /charges
  5 exchanges: 201 ×2, 202 ×1, 402 ×1, 500 ×1
  BROKEN  202 is not declared ×1
  BROKEN  201 does not decode at amount: Missing key ×1
  not declared: 500 ×1
  declared errors: Fraud (402) ×1
  never occurred: CardError (402)
  sent and ignored: livemode (boolean) 1/1

never exercised
  charges.latest GET /charges/latest
  charges.list GET /charges
  charges.remove DELETE /charges/:id
  files.tree GET /files/:path
  files.raw GET /files/:path/raw
  files.download GET /files/:path/download

requests that belong to no endpoint (is the baseUrl right?)
  GET /refunds/1 ×1`
      )
      for (const line of text.split("\n")) assert.isAtMost(line.length, 80)
    })
  )

  it.effect("comes from plain data, which survives JSON", () =>
    Effect.gen(function* () {
      const { report } = yield* check([came("GET", "/charges/1", 200, { ...charge, ...many })])
      const again = JSON.parse(JSON.stringify(report)) as Contract.Report
      assert.deepStrictEqual(again, report)
      assert.strictEqual(again.contract, 1)
      assert.strictEqual(Contract.format(again), Contract.format(report))
    })
  )
})
