// What is known of a request and an answer without Effect's own encoder and decoder is what these say, and never more.
import { assert, describe, it } from "@effect/vitest"
import { CompiledSchemas } from "breakwater/compiled"
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import { HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Contents, toArrayBuffer } from "../../src/http/internal/body.ts"
import { codecOf } from "../../src/http/internal/codec.ts"
import { reflectEndpoint } from "../../src/http/internal/encoder.ts"
import { compilerOf } from "../../src/internal/decoder.ts"
import { Choices, nearly, Tape } from "../compiled/schemas.ts"
import { tries } from "../properties/support.ts"

const compile = compilerOf(Effect.runSync(Effect.scoped(Layer.build(CompiledSchemas.layer))))

const Line = Schema.Struct({ sku: Schema.String, price: Schema.BigInt, at: Schema.optionalKey(Schema.Date) })
const Order = Schema.Struct({ lines: Schema.Array(Line) })
const Id = Schema.Struct({ id: Schema.String, n: Schema.Finite })

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.BigInt }) {}
const Plain = Schema.Struct({ lines: Schema.Array(Schema.Unknown) }).pipe(HttpApiSchema.status(422))

const endpoints = {
  bare: HttpApiEndpoint.get("bare", "/a/:b", {
    success: Order,
    error: [Declined.pipe(HttpApiSchema.status(422)), Plain, Schema.Null.pipe(HttpApiSchema.status(404))]
  }),
  none: HttpApiEndpoint.delete("none", "/nothing", { error: Plain }),
  path: HttpApiEndpoint.get("path", "/a/:id/b/:n", {
    params: Id,
    success: [Order, Schema.Struct({ no: Schema.Null })]
  }),
  file: HttpApiEndpoint.get("file", "/:id.:n", { params: Id, success: Schema.NullOr(Order) }),
  optional: HttpApiEndpoint.get("optional", "/a/:id/:n?", {
    params: Schema.Struct({ id: Schema.String, n: Schema.optionalKey(Schema.Finite) }),
    success: Schema.Void
  }),
  rest: HttpApiEndpoint.get("rest", "/a/:id(\\d+)/:n", { params: Id, success: Order }),
  colon: HttpApiEndpoint.get("colon", "/a/:id::verb/:n", { params: Id, success: Order }),
  undeclared: HttpApiEndpoint.get("undeclared", "/a/:id/:n/:other", { params: Id, success: Order }),
  query: HttpApiEndpoint.get("query", "/q", {
    query: { q: Schema.String, many: Schema.optionalKey(Schema.Array(Schema.String)) },
    success: Schema.Array(Order)
  }),
  headers: HttpApiEndpoint.get("headers", "/h", { headers: { "X-Own": Schema.String }, success: Schema.String }),
  post: HttpApiEndpoint.post("post", "/p/:id/:n", {
    params: Id,
    query: { q: Schema.String },
    headers: { "x-own": Schema.String },
    payload: Order,
    success: Order.pipe(HttpApiSchema.status(201))
  }),
  own: HttpApiEndpoint.put("own", "/p", {
    payload: Order.pipe(HttpApiSchema.asJson({ contentType: "application/vnd.own+json" })),
    success: Order.pipe(HttpApiSchema.asJson({ contentType: "application/vnd.own+json" }))
  }),
  form: HttpApiEndpoint.post("form", "/p", {
    payload: Schema.Struct({ q: Schema.String }).pipe(HttpApiSchema.asFormUrlEncoded()),
    success: Schema.String.pipe(HttpApiSchema.asText())
  }),
  either: HttpApiEndpoint.post("either", "/p", {
    payload: [Order, Schema.Struct({ q: Schema.String })],
    success: [Order, Schema.String.pipe(HttpApiSchema.asText())]
  }),
  strict: HttpApiEndpoint.post("strict", "/p", { payload: Order, success: Order }).annotate(HttpApi.ParseOptions, {
    onExcessProperty: "error"
  }),
  lax: HttpApiEndpoint.post("lax", "/p", { payload: Order, success: Order })
    .annotate(HttpApi.ParseOptions, { onExcessProperty: "error" })
    .annotate(HttpApi.SuccessParseOptions, {})
    .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "ignore" }),
  fruitless: HttpApiEndpoint.delete("fruitless", "/p", { success: HttpApiSchema.NoContent }),
  headed: HttpApiEndpoint.get("headed", "/p", {
    success: HttpApiSchema.WithHeaders(Order, { headers: Schema.Struct({ "x-next": Schema.String }) })
  }),
  streamed: HttpApiEndpoint.get("streamed", "/p", { success: HttpApiSchema.StreamUint8Array() })
}

/** Those that no request is known of, whatever the input. */
const requestsByEffect = new Set(["optional", "rest", "colon", "undeclared", "form", "either"])
/** Those that no answer is known of. */
const answersByEffect = new Set(["form", "either", "headed", "streamed"])

const Api = Object.values(endpoints).reduce<HttpApiGroup.Top>(
  (group, endpoint) => group.add(endpoint as never) as never,
  HttpApiGroup.make("group") as never
)
const api = HttpApi.make("api").add(Api as never) as unknown as HttpApi.Top

const texts = ["a", "", ".", "..", "a/b", "é", "🙂", "\ud800", "%2F", "a b&c=?#", "x:y"]
const numbers = [0, -1, 1.5, 1e30, NaN, Infinity]
const pick = <A>(tape: Tape, from: ReadonlyArray<A>): A => from[tape.next(from.length)]!

const orderOf = (tape: Tape) => ({
  lines: Array.from({ length: tape.next(3) }, () => ({
    sku: pick(tape, texts),
    price: BigInt(tape.next(5)) ** 40n,
    ...(tape.next(2) === 0 ? { at: new Date(tape.next(9)) } : {}),
    ...(tape.next(9) === 0 ? { more: 1 } : {})
  }))
})

const inputOf = (tape: Tape): unknown =>
  nearly(
    {
      params: nearly({ id: pick(tape, texts), n: pick(tape, numbers) }, tape),
      query: nearly({ q: pick(tape, texts), ...(tape.next(2) === 0 ? { many: ["1", pick(tape, texts)] } : {}) }, tape),
      headers: nearly({ "x-own": pick(tape, texts), "X-Own": pick(tape, texts) }, tape),
      payload: tape.next(9) === 0 ? new FormData() : nearly(orderOf(tape), tape)
    },
    tape
  )

/** A request as data. */
const seen = (request: HttpClientRequest.HttpClientRequest) => ({
  method: request.method,
  url: request.url,
  query: Array.from(request.urlParams),
  hash: request.hash,
  headers: { ...request.headers },
  body: request.body._tag === "Uint8Array" ? [request.body.contentType, ...request.body.body] : request.body._tag
})

const written = (value: unknown): string =>
  JSON.stringify(value, (_name, part: unknown) => (typeof part === "bigint" ? String(part) : part)) ?? ""

/** The success, or the declared error that was read. */
const readOf = (exit: Exit.Exit<unknown, unknown>, status: number): { readonly value: unknown } | undefined => {
  if (Exit.isSuccess(exit)) return exit
  const error = Cause.squash(exit.cause)
  return status < 300 || HttpClientError.isHttpClientError(error) || Schema.isSchemaError(error)
    ? undefined
    : { value: error }
}

const bodyOf = (tape: Tape): string => {
  const order = nearly(orderOf(tape), tape)
  return pick(tape, [
    () => written(order),
    () => written(order),
    () => written([order]),
    () => written(pick(tape, texts)),
    () => "",
    () => "null",
    () => "{",
    () => `\ufeff${written(order)}`,
    () => '{"no":null}',
    () => '{"_tag":"Declined","code":"7"}',
    () => " "
  ])()
}

for (const [name, compiler] of [
  ["interpreted", undefined],
  ["compiled", compile]
] as const) {
  const all = Object.keys(endpoints).map((name) => {
    const reflected = reflectEndpoint(api, "group", name)
    return { name, reflected, codec: codecOf(reflected.declared, compiler) }
  })
  describe(`${name} endpoints`, () => {
    it.effect.prop(
      "send what HttpApiClient sends",
      { choices: Choices },
      ({ choices }) =>
        Effect.forEach(
          all,
          ({ codec, name, reflected }) =>
            Effect.gen(function* () {
              const input = inputOf(new Tape(choices))
              const expected = yield* Effect.exit(reflected.encode(input))
              const known = codec.encode(input)
              if (known === undefined) {
                const byEffect = requestsByEffect.has(name) || isOdd(input)
                assert.isTrue(byEffect || Exit.isFailure(expected), `${name} is not known`)
              } else {
                assert.isFalse(requestsByEffect.has(name), name)
                assert.isTrue(Exit.isSuccess(expected), `${name} is sent, though it can't be encoded`)
                if (Exit.isSuccess(expected)) assert.deepStrictEqual(seen(known), seen(expected.value), name)
              }
            }),
          { discard: true }
        ),
      tries(400)
    )

    it.effect.prop(
      "read what Effect reads",
      { choices: Choices, status: Schema.Literals([200, 200, 201, 204, 299, 404, 422, 500]) },
      ({ choices, status }) =>
        Effect.forEach(
          all,
          ({ codec, name, reflected }) =>
            Effect.gen(function* () {
              const body = new TextEncoder().encode(bodyOf(new Tape(choices)))
              const decode = codec.decode(status)
              const { json } = new Contents(body)
              const known = decode === undefined || json === undefined ? undefined : decode(json.value)
              const expected = yield* Effect.exit(
                reflected.decode({
                  status,
                  headers: { "content-type": "application/json", "x-next": "1" },
                  request: HttpClientRequest.get("/"),
                  arrayBuffer: Effect.succeed(toArrayBuffer(body))
                } as unknown as HttpClientResponse.HttpClientResponse) as Effect.Effect<unknown, unknown>
              )
              if (answersByEffect.has(name)) assert.isUndefined(decode, name)
              else {
                const read = readOf(expected, status)
                assert.strictEqual(known !== undefined, read !== undefined, `${name} ${status}`)
                if (known !== undefined) assert.deepStrictEqual(known.value, read?.value, name)
              }
            }),
          { discard: true }
        ),
      tries(400)
    )
  })
}

/** What is left to Effect though it can be sent. */
const isOdd = (input: unknown): boolean => {
  if (typeof input !== "object" || input === null) return true
  const { params, payload } = input as { readonly params?: { readonly id?: unknown }; readonly payload?: unknown }
  return payload instanceof FormData || /[\ud800-\udfff]/.test(String(params?.id))
}
