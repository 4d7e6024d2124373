import { assert, describe, it } from "@effect/vitest"
import { Auth } from "breakwater/http"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { connect, failureOf, issue, json, unauthorized, World } from "./tokens.ts"
import { quiet } from "./wire.ts"

const secret = Redacted.make("s3cr&t")
const credentials = {
  tokenUrl: "https://login.example/oauth/token?tenant=7",
  clientId: "shop:1",
  clientSecret: secret
}

const basic = `Basic ${btoa("shop%3A1:s3cr%26t")}`

describe("client credentials", () => {
  it.effect("are sent as RFC 6749 says, and the token with the call", () =>
    Effect.gen(function* () {
      const world = new World()
      const auth = Auth.clientCredentials({
        ...credentials,
        scopes: ["read", "write"],
        audience: "orders",
        parameters: { resource: "x" }
      })
      const orders = yield* connect(world, auth)
      assert.lengthOf(world.tokens, 0)
      assert.deepStrictEqual(yield* orders.list(), { id: "1" })
      const [asked] = world.tokens
      assert.strictEqual(asked?.url.href, "https://login.example/oauth/token?tenant=7")
      assert.strictEqual(asked.method, "POST")
      assert.strictEqual(asked.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(asked.headers["authorization"], basic)
      assert.deepStrictEqual(asked.form, {
        grant_type: "client_credentials",
        scope: "read write",
        audience: "orders",
        resource: "x"
      })
      assert.deepStrictEqual(world.sent, ["Bearer t1"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("go into the form where they are asked to", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials({ ...credentials, placement: "body" }))
      yield* orders.list()
      assert.deepStrictEqual(world.tokens[0]!.form, {
        grant_type: "client_credentials",
        client_id: "shop:1",
        client_secret: "s3cr&t"
      })
      assert.notProperty(world.tokens[0]!.headers, "authorization")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("give one token to all calls until it ends", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials({ ...credentials, early: 0 }))
      yield* orders.list()
      yield* TestClock.adjust("3599999 millis")
      yield* orders.list()
      assert.lengthOf(world.tokens, 1)
      yield* TestClock.adjust("1 millis")
      yield* orders.list()
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t1", "Bearer t2"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of 1,000 calls at once are one request", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = (asked, n) => Effect.delay(issue(asked, n), "1 second")
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const fiber = yield* Effect.forkChild(
        Effect.forEach(Array(1000), () => orders.list(), { concurrency: "unbounded", discard: true })
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.lengthOf(world.tokens, 1)
      assert.lengthOf(world.calls, 1000)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that are refused fail each of 1,000 calls once, and are asked for once per back-off", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = () => Effect.delay(json(401, { error: "invalid_client" }), "1 second")
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const all = Effect.forEach(Array(1000), () => Effect.exit(orders.list()), { concurrency: "unbounded" })
      const fiber = yield* Effect.forkChild(all)
      yield* TestClock.adjust("1 second")
      const failures = (yield* Fiber.join(fiber)).map(failureOf)
      assert.deepStrictEqual(
        [...new Set(failures.map(({ outcome, reason }) => `${reason._tag} ${outcome} ${reason.message}`))],
        ["NotAuthenticated NotSent no access token from login.example: status 401, invalid_client"]
      )
      assert.lengthOf(world.tokens, 1)
      assert.lengthOf(world.calls, 0)
      // Nothing is asked for while it rests: 1 s, then 2, then 4.
      for (const [rest, requests] of [
        ["999 millis", 1],
        ["1 millis", 2]
      ] as const) {
        yield* TestClock.adjust(rest)
        const again = yield* Effect.forkChild(all)
        yield* TestClock.adjust(requests === 1 ? 0 : "1 second")
        assert.lengthOf((yield* Fiber.join(again)).map(failureOf), 1000)
        assert.lengthOf(world.tokens, requests)
      }
      yield* TestClock.adjust("1999 millis")
      yield* all
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )
})

describe("after a 401", () => {
  it.effect("one other token is got, and the request sent once more", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      world.api = ({ headers }) => json(headers["authorization"] === "Bearer t1" ? 401 : 200, { id: "1" })
      yield* orders.create({ payload: { order: "7" } })
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t1", "Bearer t2"])
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("the second one is the answer", () =>
    Effect.gen(function* () {
      const world = new World()
      world.api = unauthorized
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const failure = failureOf(yield* Effect.exit(orders.once({ payload: { order: "7" } })))
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.attempts.length],
        ["Rejected", "Refused", 1]
      )
      assert.isTrue(failure.attempts[0]!.reauthenticated)
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t2"])
      // A provider that refuses all tokens does not make us fetch one for every call.
      yield* Effect.exit(orders.once({ payload: { order: "7" } }))
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t2", "Bearer t2"])
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )
})
