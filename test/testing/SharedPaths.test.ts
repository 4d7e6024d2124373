import { assert, describe, it } from "@effect/vitest"
import { Idempotency } from "breakwater"
import { expectExecuted, FaultInjection, KeyWindow, Timeline, Upstream } from "breakwater/testing"
import { Effect, Layer, Schema } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// APIs with one path for everything: RPC in the body (JSON-RPC, GraphQL), in a header (AWS), in the query or in a form.

class Refused extends Schema.Error<Refused>("Refused")(
  { _tag: Schema.tagDefaultOmit("Refused"), refused: Schema.String },
  { httpApiStatus: 200 }
) {}

const rpc = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.post(name, "/rpc/:tenant", {
    params: { tenant: Schema.String },
    payload: Schema.Struct({ method: Schema.Literal(name), amount: Schema.Int }),
    success: Schema.Struct({ done: Schema.Literal(name) }),
    error: Refused
  })

const target = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.post(name, "/", {
    headers: { "x-amz-target": Schema.Literal(`Queue.${name}`) },
    payload: Schema.Struct({ text: Schema.String }),
    success: Schema.Struct({ done: Schema.String })
  })

const action = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.get(name, "/", {
    query: { Action: Schema.Literal(name) },
    success: Schema.Struct({ done: Schema.String })
  })

const form = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.post(name, "/form", {
    payload: Schema.Struct({ Action: Schema.Literal(name) }).pipe(HttpApiSchema.asFormUrlEncoded()),
    success: Schema.Struct({ done: Schema.String })
  })

class Api extends HttpApi.make("shared").add(
  HttpApiGroup.make("rpc").add(rpc("charge"), rpc("refund")),
  HttpApiGroup.make("queue").add(target("Send"), target("Receive"), action("List"), action("Describe")),
  HttpApiGroup.make("forms").add(form("Open"), form("Close"))
) {}

const done = <const Name extends string>(name: Name) => Effect.succeed({ done: name })

class Fake extends Upstream.Service<Fake>()("test/Shared", Api, {
  basePath: "/base",
  keys: KeyWindow.make({
    placement: Idempotency.bodyField("key"),
    replayHeader: false,
    missing: ({ operation }) =>
      operation === "rpc.charge" ? { status: 400, body: `${operation} without a key` } : { status: 418 },
    mismatch: ({ operation }) => ({ status: 422, body: { operation } })
  }),
  handlers: {
    rpc: {
      charge: ({ params, payload }, { changed }) =>
        payload.amount > 100
          ? Effect.fail(new Refused({ refused: params.tenant }))
          : payload.amount > 50
            ? Effect.andThen(changed(true), Effect.fail(new Refused({ refused: "after the fact" })))
            : done("charge"),
      refund: () => done("refund")
    },
    queue: {
      Send: () => done("Send"),
      Receive: () => done("Receive"),
      List: () => done("List"),
      Describe: () => done("Describe")
    },
    forms: { Open: () => done("Open"), Close: () => done("Close") }
  }
}) {}

const test = Layer.provideMerge(Fake.client, Fake.layer)

const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(HttpClientRequest.prependUrl(request, "https://shared.test/base"))
    return { status: response.status, text: yield* response.text, headers: response.headers }
  })

const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  send(HttpClientRequest.post(path, { headers, body: HttpBody.jsonUnsafe({ key: crypto.randomUUID(), ...body }) }))

describe("Upstream: endpoints that share a method and a path", () => {
  it.effect("are told apart by payload, header, query and form", () =>
    Effect.gen(function* () {
      const fake = yield* Fake
      const answers = [
        yield* post("/rpc/t1", { method: "refund", amount: 1 }),
        yield* post("/rpc/t1", { method: "charge", amount: 1 }),
        yield* post("/", { text: "hello" }, { "x-amz-target": "Queue.Receive" }),
        yield* post("/", { text: "hello" }, { "x-amz-target": "Queue.Send" }),
        yield* send(HttpClientRequest.get("/?Action=Describe")),
        yield* send(HttpClientRequest.get("/?Action=List"))
      ]
      assert.deepStrictEqual(
        answers.map(({ text }) => JSON.parse(text).done),
        ["refund", "charge", "Receive", "Send", "Describe", "List"]
      )
      assert.deepStrictEqual(
        fake.requests.map(({ operation }) => operation),
        ["rpc.refund", "rpc.charge", "queue.Receive", "queue.Send", "queue.Describe", "queue.List"]
      )
      expectExecuted(fake).once("rpc.refund", { params: { tenant: "t1" }, payload: { amount: 1 } })
      expectExecuted(fake).inOrder(["rpc.refund", "rpc.charge", "queue.Receive", "queue.Send"])
    }).pipe(Effect.provide(test))
  )

  it.effect("have their own faults and arrivals", () =>
    Effect.gen(function* () {
      const fake = yield* Fake
      yield* fake.inject({ "rpc.refund": [FaultInjection.status(503)] })
      const statuses = [
        yield* post("/rpc/t1", { method: "charge", amount: 1 }),
        yield* post("/rpc/t1", { method: "refund", amount: 1 }),
        yield* post("/rpc/t1", { method: "refund", amount: 1 })
      ].map(({ status }) => status)
      assert.deepStrictEqual(statuses, [200, 503, 200])
      assert.deepStrictEqual(
        fake.requests.map(({ arrival }) => arrival),
        [1, 1, 2]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("answer 404 to what none of them accepts, and the timeline says why", () =>
    Effect.gen(function* () {
      const fake = yield* Fake
      const statuses = [
        yield* post("/rpc/t1", { method: "charge", amount: "one" }),
        yield* post("/rpc/t1", { method: "erase", amount: 1 }),
        yield* post("/", { text: "hello" }, { "x-amz-target": "Queue.Purge" }),
        yield* send(HttpClientRequest.get("/?Action=Purge")),
        yield* send(HttpClientRequest.post("/rpc/t1", { body: HttpBody.text("no JSON", "application/json") })),
        yield* send(HttpClientRequest.post("/rpc/t1", { body: HttpBody.text("text", "text/plain") }))
      ].map(({ status }) => status)
      assert.deepStrictEqual(statuses, [404, 404, 404, 404, 418, 418])
      assert.strictEqual(fake.requests[0]?.operation, "POST /base/rpc/t1")
      assert.include(Timeline.formatProvider(fake), "answered 404: not accepted by")
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )
})

describe("Upstream: a handler that fails", () => {
  it.effect("has changed nothing, whatever the status, unless it says so", () =>
    Effect.gen(function* () {
      const fake = yield* Fake
      const refused = yield* post("/rpc/t1", { method: "charge", amount: 101 })
      assert.deepStrictEqual([refused.status, JSON.parse(refused.text)], [200, { refused: "t1" }])
      expectExecuted(fake).never()
      yield* post("/rpc/t1", { method: "charge", amount: 51 })
      expectExecuted(fake).once("rpc.charge")
    }).pipe(Effect.provide(test))
  )
})

describe("KeyWindow: answers that fit the request", () => {
  it.effect("are made of it, and a replay need not be marked", () =>
    Effect.gen(function* () {
      const charge = { method: "charge", amount: 1 }
      const first = yield* post("/rpc/t1", { ...charge, key: "k" })
      const again = yield* post("/rpc/t1", { ...charge, key: "k" })
      assert.deepStrictEqual(again, first)
      assert.isUndefined(again.headers["idempotent-replayed"])
      const mismatch = yield* post("/rpc/t1", { ...charge, amount: 2, key: "k" })
      assert.deepStrictEqual([mismatch.status, mismatch.text], [422, `{"operation":"rpc.charge"}`])
      const missing = yield* post("/rpc/t1", { ...charge, key: undefined })
      assert.deepStrictEqual([missing.status, missing.text], [400, "rpc.charge without a key"])
      const none = yield* post("/rpc/t1", { method: "refund", amount: 1, key: undefined })
      assert.strictEqual(none.status, 418)
      const form = HttpClientRequest.bodyUrlParams(HttpClientRequest.post("/form"), { Action: "Close", key: "k" })
      // A form has no field that this placement could read.
      assert.strictEqual((yield* send(form)).status, 418)
      assert.strictEqual((yield* Fake).requests.at(-1)?.operation, "forms.Close")
    }).pipe(Effect.provide(test))
  )
})
