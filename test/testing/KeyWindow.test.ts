import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { expectExecuted, FaultInjection, IntegrationTest, KeyWindow, Upstream } from "breakwater/testing"
import { Arbitrary, Data, Effect, Fiber, Logger, Schema } from "effect"
import { HttpClient, HttpClientRequest, type HttpMethod, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { between, tries } from "../properties/support.ts"

const { duplicateDelivery, inProgress409, latency, responseLost } = FaultInjection

interface Sent {
  readonly key?: string
  readonly body?: unknown
  readonly method?: HttpMethod.HttpMethod
  readonly path?: string
}

/** A provider with these rules, which answers with the number of its execution, and a way to ask it. */
const bank = (keys: KeyWindow.Options, more: Partial<FaultInjection.Options> = {}) => {
  let executed = 0
  const provider = FaultInjection.make({
    respond: () => ({ status: 201, body: ++executed }),
    keys: KeyWindow.make(keys),
    ...more
  })
  const send = ({ body = { order: "o-1" }, key, method = "POST", path = "/charges" }: Sent = {}) =>
    Effect.scoped(
      Effect.gen(function* () {
        const request = HttpClientRequest.make(method as "POST")(`https://acme.example${path}`, {
          headers: key === undefined ? {} : { "idempotency-key": key }
        })
        const withBody =
          method === "GET" || method === "HEAD"
            ? request
            : typeof body === "string"
              ? HttpClientRequest.bodyText(request, body)
              : HttpClientRequest.bodyJsonUnsafe(request, body)
        const response = yield* HttpClient.execute(withBody)
        return { status: response.status, headers: response.headers, text: yield* response.text }
      })
    )
  /** The answer's text, and `replay` where the provider says so. */
  const seen = (sent?: Sent) =>
    Effect.map(
      send(sent),
      ({ headers, status, text }) => `${status} ${text}${headers["idempotent-replayed"] === "true" ? " replay" : ""}`
    )
  return { provider, send, seen, run: Effect.provide(provider.layer) }
}

describe("where a key stands", () => {
  const body = (key: unknown) => ({ order: "o-1", ...(key === undefined ? {} : { idempotency_key: key }) })
  const graphql = (key: unknown) => ({ query: "mutation { a }", variables: { idempotencyKey: key } })
  const rows: ReadonlyArray<readonly [name: string, Idempotency.Placement | undefined, Sent, string | undefined]> = [
    ["the header, unless told otherwise", undefined, { key: "k-1" }, "k-1"],
    ["a raw header keeps its quotes", Idempotency.header(), { key: '"k-1"' }, '"k-1"'],
    ["a quoted header loses them", Idempotency.header({ quoted: true }), { key: '"k-1"' }, "k-1"],
    ["a quoted header with escapes", Idempotency.header({ quoted: true }), { key: '"a\\"b\\\\c"' }, 'a"b\\c'],
    ["a quoted header without quotes", Idempotency.header({ quoted: true }), { key: "k-1" }, "k-1"],
    ["another header", Idempotency.header({ name: "X-Request-Key" }), { key: "k-1" }, undefined],
    ["a field of the body", Idempotency.bodyField("idempotency_key"), { body: body("k-1") }, "k-1"],
    [
      "a field deep in it",
      Idempotency.bodyField(["meta", "keys", "own"]),
      { body: { meta: { keys: { own: "k" } } } },
      "k"
    ],
    ["a field that is not there", Idempotency.bodyField("idempotency_key"), { body: body(undefined) }, undefined],
    ["a field that is no text", Idempotency.bodyField("idempotency_key"), { body: body(7) }, undefined],
    ["a field below what is no object", Idempotency.bodyField(["order", "key"]), { body: body("k-1") }, undefined],
    ["a field below null", Idempotency.bodyField(["meta", "key"]), { body: { meta: null } }, undefined],
    ["a body that is no JSON", Idempotency.bodyField("idempotency_key"), { body: "idempotency_key=k-1" }, undefined],
    ["no header where the body has the key", Idempotency.bodyField("k"), { key: "k-1" }, undefined],
    ["a variable of GraphQL", Idempotency.graphqlDirective(), { body: graphql("k-1") }, "k-1"],
    [
      "a variable of another name",
      Idempotency.graphqlDirective({ variable: "key" }),
      { body: graphql("k-1") },
      undefined
    ],
    ["GraphQL without variables", Idempotency.graphqlDirective(), { body: { query: "{ a }" } }, undefined]
  ]
  it.effect.each(rows.map(([name, placement, sent, key]) => ({ name, placement, sent, key })))(
    "$name",
    ({ key, placement, sent }) => {
      const { provider, run, seen } = bank({ placement })
      return Effect.gen(function* () {
        assert.strictEqual(yield* seen(sent), "201 1")
        assert.strictEqual(provider.requests[0]!.key, key)
        assert.strictEqual(yield* seen(sent), key === undefined ? "201 2" : "201 1 replay")
        assert.strictEqual(provider.ledger.length, key === undefined ? 2 : 1)
      }).pipe(run)
    }
  )

  // What the operation writes, the provider reads, where both have the same value.
  const Answer = Schema.Struct({ id: Schema.String })
  const payload = Schema.Struct({ key: Schema.String })
  class Api extends HttpApi.make("acme").add(
    HttpApiGroup.make("things").add(
      HttpApiEndpoint.post("raw", "/raw", { payload, success: Answer }),
      HttpApiEndpoint.post("quoted", "/quoted", { payload, success: Answer }),
      HttpApiEndpoint.post("field", "/field", { payload, success: Answer }),
      HttpApiEndpoint.post("graphql", "/graphql", { payload, success: Answer })
    )
  ) {}
  class Down extends Data.TaggedError("Down") {}
  const placements = {
    raw: Idempotency.header({ name: "X-Key" }),
    quoted: Idempotency.header({ quoted: true }),
    field: Idempotency.bodyField(["meta", "key"], { maxLength: 255 }),
    graphql: Idempotency.graphqlDirective()
  }
  const keyed = (placement: Idempotency.Placement) => ({
    idempotency: Idempotency.keyed<{ readonly payload: { readonly key: string } }>(
      ({ payload }) => IdempotencyKey.fromStored(payload.key),
      { lifetime: "forever", placement }
    )
  })
  class Things extends Integration.Service<Things>()(
    "test/Things",
    { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
    {
      raw: HttpOperation.endpoint(Api, "things", "raw", keyed(placements.raw)),
      quoted: HttpOperation.endpoint(Api, "things", "quoted", keyed(placements.quoted)),
      field: HttpOperation.endpoint(Api, "things", "field", keyed(placements.field)),
      graphql: HttpOperation.endpoint(Api, "things", "graphql", keyed(placements.graphql))
    }
  ) {}
  const characters = "aZ09-_.:~\"\\'{}[]/%+"
  const key = Arbitrary.map(
    Arbitrary.array(between(0, characters.length - 1), { minLength: 1, maxLength: 40 }),
    (indexes) => indexes.map((index) => characters[index]).join("")
  )
  it.effect.prop(
    "a key of an operation arrives as it is, wherever it stands, and is recognised when it comes again",
    { key },
    ({ key }) =>
      Effect.gen(function* () {
        for (const name of ["raw", "quoted", "field", "graphql"] as const) {
          const upstream = Upstream.make(Api, {
            keys: KeyWindow.make({ placement: placements[name] }),
            faults: [responseLost]
          })
          const call = Effect.flatMap(Things, (things) => things[name]({ payload: { key } }))
          yield* IntegrationTest.settle(Effect.provide(call, IntegrationTest.layer(Things, upstream), { local: true }))
          assert.deepStrictEqual(
            upstream.requests.map((request) => request.key),
            [key, key]
          )
          assert.strictEqual(upstream.ledger.length, 1)
          assert.strictEqual(upstream.ledger[0]!.key, key)
        }
      }).pipe(Effect.provide(Logger.layer([]))),
    tries(40)
  )
})

describe("how long a key is known", () => {
  it.effect("until its lifetime has passed since its first use, which a replay does not renew", () => {
    const { run, seen } = bank({ lifetime: "24 hours" })
    return Effect.gen(function* () {
      const answers: Array<string> = []
      for (const wait of ["0 hours", "23 hours", "59 minutes", "1 minute", "23 hours", "1 hour"] as const) {
        yield* TestClock.adjust(wait)
        answers.push(yield* seen({ key: "k-1" }))
      }
      assert.deepStrictEqual(answers, ["201 1", "201 1 replay", "201 1 replay", "201 2", "201 2 replay", "201 3"])
    }).pipe(run)
  })

  it.effect("after it, the same key may come with another request", () => {
    const { run, send, seen } = bank({ lifetime: "1 hour" })
    return Effect.gen(function* () {
      yield* send({ key: "k-1" })
      assert.strictEqual((yield* send({ key: "k-1", body: { order: "o-2" } })).status, 422)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* seen({ key: "k-1", body: { order: "o-2" } }), "201 2")
      assert.strictEqual((yield* send({ key: "k-1" })).status, 422)
    }).pipe(run)
  })

  it.effect("for ever unless told otherwise, and until reset", () => {
    for (const { lifetime } of [KeyWindow.make(), KeyWindow.make({ lifetime: "forever" })]) {
      assert.strictEqual(lifetime, Infinity)
    }
    const { provider, run, seen } = bank({})
    return Effect.gen(function* () {
      yield* seen({ key: "k-1" })
      yield* TestClock.adjust("3650 days")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 1 replay")
      yield* provider.reset
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 2")
    }).pipe(run)
  })

  it.effect("a first request that is at work is not forgotten, however long it takes", () => {
    const { run, send } = bank({ lifetime: "1 minute" }, { faults: [latency("1 hour")] })
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(send({ key: "k-1" }), { startImmediately: true })
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* send({ key: "k-1" })).status, 409)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(first)).status, 201)
    }).pipe(run)
  })
})

describe("what it answers", () => {
  const problem = (status: number, name: string) => `{"type":"urn:breakwater:problem:${name}","status":${status}}`

  it.effect("in flight: 409 as breakwater's receiver, until the first is answered", () => {
    const { provider, run, send, seen } = bank({}, { faults: [latency("1 second"), undefined, inProgress409] })
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(send({ key: "k-1" }), { startImmediately: true })
      const second = yield* send({ key: "k-1" })
      assert.deepStrictEqual(
        [second.status, second.headers["content-type"], second.text],
        [409, "application/problem+json", problem(409, "in-progress")]
      )
      // The fault says it in the same words.
      assert.deepStrictEqual((yield* send({ key: "k-2" })).text, second.text)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(first)).text, "1")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 1 replay")
      assert.strictEqual(provider.ledger.length, 1)
    }).pipe(run)
  })

  it.effect("another request with the key: 422, be it another body, path or method", () => {
    const { run, send } = bank({})
    return Effect.gen(function* () {
      yield* send({ key: "k-1" })
      for (const other of [{ body: { order: "o-2" } }, { path: "/charges?a=1" }, { method: "PUT" as const }]) {
        const answer = yield* send({ key: "k-1", ...other })
        assert.deepStrictEqual(
          [answer.status, answer.headers["content-type"], answer.text],
          [422, "application/problem+json", problem(422, "key-reused")]
        )
      }
    }).pipe(run)
  })

  it.effect("in the provider's own words, and by the request that asks", () => {
    const keys: KeyWindow.Options = {
      inFlight: { status: 429, body: "busy" },
      mismatch: ({ key }) => ({ status: 400, body: `idempotency_error ${key}` }),
      missing: ({ method }) => ({ status: 428, body: method }),
      replayHeader: "X-Cache-Hit"
    }
    const { provider, run, send, seen } = bank(keys, { faults: [latency("1 second")] })
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(send({ key: "k-1" }), { startImmediately: true })
      assert.strictEqual(yield* seen({ key: "k-1" }), "429 busy")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      assert.strictEqual(yield* seen({ key: "k-1", body: 2 }), "400 idempotency_error k-1")
      assert.strictEqual(yield* seen(), "428 POST")
      assert.strictEqual(yield* seen({ method: "DELETE" }), "428 DELETE")
      // Without a key, a read needs none.
      assert.strictEqual(yield* seen({ method: "GET" }), "201 2")
      const replay = yield* send({ key: "k-1" })
      assert.deepStrictEqual(
        [replay.text, replay.headers["x-cache-hit"], replay.headers["idempotent-replayed"]],
        ["1", "true", undefined]
      )
      assert.strictEqual(provider.ledger.length, 1)
    }).pipe(run)
  })

  it.effect("a replay has status, headers and body of the first answer, and may keep quiet that it is one", () => {
    const { provider, run, send } = bank(
      { replayHeader: false },
      { respond: () => ({ status: 202, headers: { "x-id": "7" }, body: "stored" }) }
    )
    return Effect.gen(function* () {
      const [first, again] = [yield* send({ key: "k-1" }), yield* send({ key: "k-1" })]
      assert.deepStrictEqual(again, first)
      assert.deepStrictEqual([again.status, again.headers["x-id"], again.text], [202, "7", "stored"])
      assert.strictEqual(provider.ledger.length, 1)
    }).pipe(run)
  })
})

describe("which requests and answers it looks at", () => {
  it.effect("methods: the key of any other is not looked at, and none is missed", () => {
    const { run, seen } = bank({ methods: ["POST"], missing: { status: 400, body: "key?" } })
    return Effect.gen(function* () {
      for (const method of ["GET", "PUT", "DELETE"] as const) {
        assert.match(yield* seen({ key: "k-1", method }), /^201 \d$/)
        assert.match(yield* seen({ key: "k-1", method }), /^201 \d$/)
        assert.match(yield* seen({ method }), /^201 \d$/)
      }
      assert.strictEqual(yield* seen(), "400 key?")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 10")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 10 replay")
    }).pipe(run)
  })

  it.effect("without methods, a read with a key is replayed like anything else", () => {
    const { run, seen } = bank({})
    return Effect.gen(function* () {
      assert.strictEqual(yield* seen({ key: "k-1", method: "GET" }), "201 1")
      assert.strictEqual(yield* seen({ key: "k-1", method: "GET" }), "201 1 replay")
    }).pipe(run)
  })

  it.effect("stores: what is not stored leaves the key free, for another request too", () => {
    const answers = [500, 402, 201, 201]
    const { provider, run, seen } = bank(
      { stores: ({ status = 200 }) => status < 500 && status !== 402 },
      { respond: () => ({ status: answers.shift()! }) }
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* seen({ key: "k-1" }), "500 ")
      assert.strictEqual(yield* seen({ key: "k-1", body: { order: "o-2" } }), "402 ")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 ")
      assert.strictEqual(yield* seen({ key: "k-1" }), "201  replay")
      assert.strictEqual(provider.ledger.length, 1)
    }).pipe(run)
  })

  it.effect("an answer that is lost or replaced on the wire is stored as it was", () => {
    const { provider, run, seen } = bank(
      {},
      { faults: [responseLost, FaultInjection.wrongShape(), FaultInjection.status(500, { executes: true })] }
    )
    return Effect.gen(function* () {
      yield* Effect.exit(seen({ key: "k-1" }))
      assert.match(yield* seen({ key: "k-2" }), /^201 {"data"/)
      assert.match(yield* seen({ key: "k-3" }), /^500/)
      for (const n of [1, 2, 3]) assert.strictEqual(yield* seen({ key: `k-${n}` }), `201 ${n} replay`)
      assert.strictEqual(provider.ledger.length, 3)
    }).pipe(run)
  })
})

describe("a request that is delivered twice", () => {
  it.effect("with a key it is carried out once, and its caller gets the first answer", () => {
    const { provider, run, seen } = bank(
      {},
      { faults: [duplicateDelivery(), duplicateDelivery({ after: "1 minute" })] }
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 1")
      yield* provider.awaitFault("DuplicateDelivery")
      assert.strictEqual(yield* seen({ key: "k-2" }), "201 2")
      yield* TestClock.adjust("1 minute")
      yield* provider.awaitFault("DuplicateDelivery", { times: 2 })
      assert.deepStrictEqual(
        provider.ledger.map(({ at, key }) => [key, at]),
        [
          ["k-1", 0],
          ["k-2", 0]
        ]
      )
      // It was one request of the caller's.
      assert.strictEqual(provider.requests.length, 2)
      assert.strictEqual(yield* seen({ key: "k-1" }), "201 1 replay")
    }).pipe(run)
  })

  it.effect("without a key it is carried out twice, the second time when it comes", () => {
    const { provider, run, seen } = bank(
      {},
      { faults: [duplicateDelivery(), duplicateDelivery({ after: "1 minute" })] }
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* seen(), "201 1")
      assert.strictEqual(provider.ledger.length, 2)
      assert.strictEqual(yield* seen(), "201 3")
      assert.strictEqual(provider.ledger.length, 3)
      const second = yield* Effect.forkChild(provider.awaitFault("DuplicateDelivery", { times: 2 }), {
        startImmediately: true
      })
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
      assert.deepStrictEqual(
        provider.ledger.map(({ at, request }) => [request, at]),
        [
          [0, 0],
          [0, 0],
          [1, 0],
          [1, 60_000]
        ]
      )
    }).pipe(run)
  })

  it.effect("a key whose lifetime ends in between protects from nothing", () => {
    const { provider, run, seen } = bank({ lifetime: "1 minute" }, { faults: [latency(0), undefined] })
    return Effect.gen(function* () {
      yield* seen({ key: "k-1" })
      yield* TestClock.adjust("1 minute")
      yield* seen({ key: "k-1" })
      expectExecuted(provider).times(2, "POST /charges", { key: "k-1" })
    }).pipe(run)
  })
})

describe("guard", () => {
  const Api = HttpApi.make("acme").add(
    HttpApiGroup.make("things").add(HttpApiEndpoint.post("make", "/things", { success: Schema.Int }))
  )
  const upstream = () =>
    Upstream.make(Api, {
      state: () => ({ tokens: 1, made: 0 }),
      keys: KeyWindow.make({ missing: { status: 400, body: "key?" } }),
      guard: ({ state, wire }) =>
        Effect.sync(() => {
          if (wire.headers["authorization"] === undefined) return HttpServerResponse.empty({ status: 401 })
          return state.tokens-- > 0 ? undefined : HttpServerResponse.text("slow down", { status: 429 })
        }),
      handlers: { things: { make: (_, { state }) => Effect.succeed(++state.made) } }
    })
  const send = (headers: Record<string, string>) =>
    Effect.flatMap(HttpClient.post("https://acme.example/things", { headers }), (response) =>
      Effect.map(response.text, (text) => `${response.status} ${text}`)
    )

  it.effect("goes before the keys and the handler: what it answers is not stored, and is no change", () => {
    const provider = upstream()
    return Effect.gen(function* () {
      const key = { "idempotency-key": "k-1" }
      const own = { authorization: "Bearer t" }
      assert.strictEqual(yield* send(key), "401 ")
      assert.strictEqual(yield* send({}), "401 ")
      assert.strictEqual(yield* send({ ...own, ...key }), "200 1")
      // A repeat is limited as well: the guard does not know of keys.
      assert.strictEqual(yield* send({ ...own, ...key }), "429 slow down")
      provider.state.tokens = 2
      assert.strictEqual(yield* send({ ...own, ...key }), "200 1")
      assert.strictEqual(yield* send(own), "400 key?")
      assert.deepStrictEqual([provider.ledger.length, provider.state.made], [1, 1])
      assert.strictEqual(provider.requests.length, 6)
    }).pipe(Effect.provide(provider.layer))
  })

  it.effect("a fault of time delays what it answers too", () => {
    const provider = upstream()
    return Effect.gen(function* () {
      yield* provider.inject([latency("1 second")])
      const fiber = yield* Effect.forkChild(send({}), { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "401 ")
    }).pipe(Effect.provide(provider.layer))
  })

  it.effect("a fault that carries nothing out does not ask it", () => {
    const provider = upstream()
    return Effect.gen(function* () {
      yield* provider.inject([FaultInjection.status(503), inProgress409])
      const own = { authorization: "Bearer t", "idempotency-key": "k-1" }
      assert.match(yield* send(own), /^503/)
      assert.match(yield* send(own), /^409/)
      assert.strictEqual(provider.state.tokens, 1)
    }).pipe(Effect.provide(provider.layer))
  })
})
