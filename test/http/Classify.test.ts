// Who says what an answer means: the operation, then the integration's definition, then its layer.
import { assert, describe, it } from "@effect/vitest"
import { type CallFailure, Exhaustion, Integration, Policy, Reason } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection, IntegrationTest } from "breakwater/testing"
import { Data, Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

class Failed extends Data.TaggedError("Failed")<{ readonly failure: CallFailure.CallFailure }> {}

const Thing = Schema.Struct({ id: Schema.String })
const Api = HttpApi.make("acme").add(
  HttpApiGroup.make("things").add(
    HttpApiEndpoint.get("plain", "/plain", { success: Thing }),
    HttpApiEndpoint.get("own", "/own", { success: Thing })
  )
)

/** Says its own name of every answer that is an error, with status 200 or without. */
const says =
  (name: string): Reason.Classify =>
  (_status, _headers, body) =>
    typeof body === "object" && body !== null && "error" in body ? Reason.rejected({ message: name }) : undefined

const silent: Reason.Classify = () => undefined

const once = Policy.standard({ maxAttempts: 1 })

class Acme extends Integration.Service<Acme>()(
  "test/Acme",
  {
    policy: once,
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Failed({ failure }),
    classify: says("definition"),
    classifyErrors: says("definition, errors")
  },
  {
    plain: HttpOperation.endpoint(Api, "things", "plain"),
    own: HttpOperation.endpoint(Api, "things", "own", { classify: says("operation") })
  }
) {}

class Bare extends Integration.Service<Bare>()(
  "test/Bare",
  { policy: once, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
  { plain: HttpOperation.endpoint(Api, "things", "plain", { classify: silent }) }
) {}

const provider = (status: number, body: unknown = { error: "no" }) =>
  FaultInjection.make({ respond: () => ({ status, body }) })

const messageOf = (call: Effect.Effect<unknown, Failed>) =>
  Effect.map(Effect.flip(call), ({ failure }) => failure.reason.message)

describe("classify", () => {
  it.effect("an operation's goes first, then the definition's, then the layer's", () =>
    Effect.gen(function* () {
      const { own, plain } = yield* Acme
      assert.strictEqual(yield* messageOf(plain()), "definition")
      assert.strictEqual(yield* messageOf(own()), "operation")
    }).pipe(Effect.provide(IntegrationTest.layer(Acme, provider(200), { classify: says("layer") })))
  )

  it.effect("of an error's status the more precise goes first, at each level", () =>
    Effect.gen(function* () {
      const { own, plain } = yield* Acme
      assert.strictEqual(yield* messageOf(plain()), "definition, errors")
      assert.strictEqual(yield* messageOf(own()), "operation")
    }).pipe(Effect.provide(IntegrationTest.layer(Acme, provider(400), { classifyErrors: says("layer") })))
  )

  it.effect("one without a verdict lets the next one speak", () =>
    Effect.gen(function* () {
      const { plain } = yield* Bare
      assert.strictEqual(yield* messageOf(plain()), "layer")
    }).pipe(Effect.provide(IntegrationTest.layer(Bare, provider(200), { classify: says("layer") })))
  )

  it.effect("with the definition's, a 2xx that can't be read may have been an error", () =>
    Effect.gen(function* () {
      const { plain } = yield* Acme
      const { failure } = yield* Effect.flip(plain())
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["InvalidResponse", "Unknown"])
    }).pipe(Effect.provide(IntegrationTest.layer(Acme, provider(200, { data: {} }))))
  )

  it.effect.each([
    ["application/json", true],
    ["application/json; charset=utf-8", true],
    ["application/problem+json", true],
    ["application/vnd.acme.v2+json", true],
    ["application/x-amz-json-1.0", true],
    ["application/x-amz-json-1.1; charset=utf-8", true],
    ["application/x-amz-json", false],
    ["application/x-amz-json-1.0-seq", false],
    ["application/jsonl", false],
    ["text/plain", false]
  ] as const)("an answer of %s is JSON: %s", ([type, isJson]) => {
    const upstream = FaultInjection.make({
      respond: () => ({ status: 400, headers: { "content-type": type }, body: '{"error":"no"}' })
    })
    return Effect.gen(function* () {
      const { plain } = yield* Acme
      const message = yield* messageOf(plain())
      assert.strictEqual(message, isJson ? "definition, errors" : "status 400, not declared")
    }).pipe(Effect.provide(IntegrationTest.layer(Acme, upstream)))
  })

  it("is part of the definition, so that a layer for tests needs nothing of it", () => {
    assert.isDefined(HttpIntegration.layer(Acme, { baseUrl: "https://acme.example" }))
  })
})
