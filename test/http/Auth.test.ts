import { assert, describe, it } from "@effect/vitest"
import { Auth } from "breakwater/http"
import { Policy, Telemetry } from "breakwater"
import { Config, ConfigProvider, Context, Effect, Exit, Fiber, Redacted, Scheduler, Scope } from "effect"
import { TestClock } from "effect/testing"
import { collect } from "../telemetry/collect.ts"
import { Renewal } from "../../src/http/internal/renewal.ts"
import { connect, failureOf, fine, issue, json, unauthorized, World } from "./tokens.ts"
import { quiet } from "./wire.ts"
import { Stepper } from "../properties/stepping.ts"

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

  it.effect("is told by the attempt's span, under which the token was asked for", () =>
    Effect.gen(function* () {
      const world = new World()
      world.api = (asked, n) => (n === 1 ? unauthorized(asked, n) : fine(asked, n))
      const signals = collect()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* signals.watch(orders.list())
      const [call] = signals.trees()
      const attempt = call!.children[0]!
      assert.deepStrictEqual(
        [attempt.name, attempt.attributes[Telemetry.names.reauthenticated], attempt.attributes[Telemetry.names.status]],
        ["GET /orders", true, 200]
      )
      assert.deepStrictEqual(
        attempt.children.map(({ name }) => name),
        Array(2).fill("shop/Orders/token token")
      )
      assert.deepStrictEqual(
        signals.events.map(({ callOutcome, integration }) => `${integration} ${callOutcome}`),
        ["shop/Orders/token ok", "shop/Orders/token ok", "shop/Orders ok"]
      )
      yield* signals.watch(orders.list())
      assert.notProperty(signals.trees()[1]!.children[0]!.attributes, Telemetry.names.reauthenticated)
    })
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

const order = { payload: { order: "7" } }

describe("a token", () => {
  it.effect("is fetched anew before it ends, while calls go on with the old one", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      world.token = (asked, n) => Effect.delay(issue(asked, n), "4 seconds")
      // A tenth of an hour is six minutes; five are the most.
      yield* TestClock.adjust("54 minutes")
      yield* orders.list()
      assert.lengthOf(world.tokens, 1)
      yield* TestClock.adjust("1 minute")
      yield* orders.list()
      yield* orders.list()
      assert.lengthOf(world.tokens, 2)
      yield* TestClock.adjust("4 seconds")
      yield* orders.list()
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that is not had early serves to its end, and is asked for once per rest", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      world.token = () => json(400, { error: "invalid_scope" })
      yield* TestClock.adjust("56 minutes")
      for (let second = 0; second < 15; second++) {
        yield* orders.list()
        yield* TestClock.adjust("1 second")
      }
      // At 0, 1, 3 and 7 seconds.
      assert.lengthOf(world.tokens, 1 + 4)
      assert.deepStrictEqual([...new Set(world.sent)], ["Bearer t1"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("without a lifetime is used until it is refused", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = (_, n) => json(200, { access_token: `t${n}`, token_type: "bearer", expires_in: null })
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      yield* TestClock.adjust("365 days")
      yield* orders.list()
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t1"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is fetched once more by a clock that was set back, and serves meanwhile", () =>
    Effect.gen(function* () {
      const world = new World()
      yield* TestClock.setTime(10 * 3_600_000)
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      yield* TestClock.setTime(5 * 3_600_000)
      for (let n = 0; n < 5; n++) yield* orders.list()
      assert.lengthOf(world.tokens, 2)
      yield* TestClock.setTime(6 * 3_600_000)
      yield* orders.list()
      assert.strictEqual(world.sent.at(-1), "Bearer t3")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of which there is none is asked for again after a clock was set back", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = () => json(400, { error: "invalid_client" })
      yield* TestClock.setTime(10 * 3_600_000)
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* Effect.exit(orders.list())
      yield* TestClock.setTime(0)
      world.token = issue
      yield* orders.list()
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )

  for (const [what, body] of [
    ["no token", { token_type: "bearer" }],
    ["an empty token", { access_token: "", token_type: "bearer" }],
    ["a token of another kind", { access_token: "t1", token_type: "mac" }],
    ["no object", "t1"]
  ] as const) {
    it.effect(`is not taken from an answer with ${what}`, () =>
      Effect.gen(function* () {
        const world = new World()
        world.token = () => json(200, body)
        const orders = yield* connect(world, Auth.clientCredentials(credentials))
        const { outcome, reason } = failureOf(yield* Effect.exit(orders.list()))
        assert.deepStrictEqual([reason._tag, outcome, reason.transient], ["NotAuthenticated", "NotSent", false])
        assert.lengthOf(world.calls, 0)
      }).pipe(Effect.provide(quiet))
    )
  }

  it.effect("is asked for again at once where the endpoint failed, and a call's own retries wait for the rest", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = (asked, n) => (n < 3 ? json(503, {}) : issue(asked, n))
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const first = yield* Effect.forkChild(orders.list())
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(first)
      assert.lengthOf(world.tokens, 3)

      const other = new World()
      other.token = (asked, n) => (n < 2 ? json(503, {}) : issue(asked, n))
      const once = Policy.standard({ maxAttempts: 1 })
      const retried = yield* connect(other, Auth.clientCredentials({ ...credentials, policy: once }), {
        list: Policy.standard()
      })
      const second = yield* Effect.forkChild(retried.list())
      yield* TestClock.adjust("999 millis")
      assert.lengthOf(other.tokens, 1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
      assert.lengthOf(other.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is fetched to the end when whoever started it gives up, and whoever waits gives up", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = (asked, n) => Effect.delay(issue(asked, n), "4 seconds")
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const leader = yield* Effect.forkChild(orders.list())
      yield* TestClock.adjust("1 second")
      const follower = yield* Effect.forkChild(orders.list())
      const impatient = yield* Effect.forkChild(orders.list())
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(leader)
      yield* Fiber.interrupt(impatient)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(follower)
      assert.lengthOf(world.tokens, 1)
      assert.lengthOf(world.calls, 1)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that comes too late cuts the attempt, of which nothing was sent", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = () => Effect.never
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const fiber = yield* Effect.forkChild(Effect.exit(orders.once(order)))
      yield* TestClock.adjust("10 seconds")
      const { outcome, reason } = failureOf(yield* Fiber.join(fiber))
      assert.deepStrictEqual([reason._tag, outcome], ["Timeout", "NotSent"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is each layer's own, and is not fetched when the layer has closed", () =>
    Effect.gen(function* () {
      const world = new World()
      const auth = Auth.clientCredentials(credentials)
      const scope = yield* Scope.make()
      const orders = yield* Scope.provide(connect(world, auth), scope)
      const others = yield* connect(world, auth)
      yield* orders.list()
      yield* others.list()
      assert.deepStrictEqual(world.sent, ["Bearer t1", "Bearer t2"])
      yield* Scope.close(scope, Exit.void)
      yield* Effect.exit(orders.list())
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is not asked for at an address that is none", () =>
    Effect.gen(function* () {
      for (const [tokenUrl, problem] of [
        ["login.example/token", "tokenUrl is not an http or https URL"],
        ["https://me:pw@login.example/token", "tokenUrl holds credentials: give them as clientId and clientSecret"]
      ] as const) {
        const error = yield* Effect.flip(connect(new World(), Auth.clientCredentials({ ...credentials, tokenUrl })))
        assert.include(String(error), problem)
        assert.notInclude(String(error), "me:pw")
      }
      const error = yield* Effect.flip(
        connect(new World(), Auth.clientCredentials({ ...credentials, early: Number.NaN }))
      )
      assert.include(String(error), "early is not a duration")
    }).pipe(Effect.provide(quiet))
  )
})

for (const way of ["read", "renew"] as const) {
  it.effect(`interrupting whoever fetches a token by ${way}, at any point, leaves one token for those who stay`, () =>
    Effect.gen(function* () {
      let points = 0
      for (let turns = 0, over = false; !over; turns++) {
        let fetched = 0
        const renewal = new Renewal<number>({
          fetch: Effect.gen(function* () {
            for (let n = 0; n < 5; n++) yield* Effect.yieldNow
            return { value: ++fetched, lifetime: 60_000 }
          }),
          same: (a, b) => a === b,
          early: () => 0
        })
        const stepper = new Stepper()
        const start = Effect.runForkWith(Context.add(yield* Effect.context<never>(), Scheduler.Scheduler, stepper))
        const ask: Effect.Effect<number | boolean, unknown> = way === "read" ? renewal.read : renewal.renew(0)
        const leader = start(ask)
        const follower = start(ask)
        for (let n = 0; n < turns; n++) stepper.step()
        over = leader.pollUnsafe() !== undefined
        leader.interruptUnsafe()
        stepper.drain()
        const exit = follower.pollUnsafe()
        assert.deepStrictEqual<unknown>(exit, Exit.succeed(way === "read" ? 1 : true), `after ${turns} turns`)
        assert.isDefined(leader.pollUnsafe())
        const last = start(renewal.read)
        stepper.drain()
        assert.deepStrictEqual([last.pollUnsafe(), fetched], [Exit.succeed(1), 1])
        points++
      }
      assert.isAbove(points, 5)
    })
  )
}

describe("after a 401, with many calls at once,", () => {
  it.effect("one token is fetched for all of them, and a newer one is not thrown away", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      // The refusals come one after the other, while and after the other token is fetched.
      world.token = (asked, n) => Effect.delay(issue(asked, n), "50 millis")
      world.api = (asked, n) =>
        asked.headers["authorization"] === "Bearer t1"
          ? Effect.delay(json(401, {}), `${n * 10} millis`)
          : fine(asked, n)
      const fiber = yield* Effect.forkChild(
        Effect.forEach(Array(20), () => orders.once(order), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.lengthOf(world.tokens, 2)
      assert.lengthOf(world.calls, 1 + 20 + 20)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("the refusal stands if no other token can be got, and says why", () =>
    Effect.gen(function* () {
      const world = new World()
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* orders.list()
      world.api = unauthorized
      world.token = () => json(400, { error: "invalid_client" })
      const { outcome, reason } = failureOf(yield* Effect.exit(orders.once(order)))
      assert.deepStrictEqual(
        [reason._tag, outcome, reason.status, reason.message],
        [
          "Rejected",
          "Refused",
          401,
          "status 401, not declared; no access token from login.example: status 400, invalid_client"
        ]
      )
      assert.lengthOf(world.calls, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("what is sent the second time may have happened, and an attempt more is not sent twice again", () =>
    Effect.gen(function* () {
      const world = new World()
      world.api = (asked, n) => (n === 2 ? Effect.fail("lost") : unauthorized(asked, n))
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      const failure = failureOf(yield* Effect.exit(orders.once(order)))
      assert.deepStrictEqual([failure.reason._tag, failure.outcome], ["Disconnected", "Unknown"])
      assert.lengthOf(world.calls, 2)

      const other = new World()
      other.api = (asked, n) => (n === 2 ? Effect.fail("lost") : unauthorized(asked, n))
      const retried = yield* connect(other, Auth.clientCredentials(credentials), {
        create: Policy.standard({ schedule: Policy.backoff({ base: 0 }) })
      })
      yield* Effect.exit(retried.create(order))
      // 401 and lost; 401, which ends it.
      assert.lengthOf(other.calls, 3)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("a token that is the same as before is not sent twice", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = () => json(200, { access_token: "same", token_type: "bearer" })
      world.api = unauthorized
      const orders = yield* connect(world, Auth.clientCredentials(credentials))
      yield* Effect.exit(orders.list())
      assert.lengthOf(world.calls, 1)
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )
})

describe("a secret", () => {
  const refuses = (world: World, good: () => string) => {
    world.api = (asked, n) =>
      asked.headers["authorization"] === `Bearer ${good()}` ? fine(asked, n) : unauthorized(asked, n)
  }

  it.effect("of a configuration is read again after a 401, and counts if it has changed", () =>
    Effect.gen(function* () {
      const world = new World()
      let value = "a"
      let reads = 0
      const provider = ConfigProvider.make((path) =>
        Effect.sync(() => (path[0] === "KEY" ? (reads++, ConfigProvider.makeValue(value)) : undefined))
      )
      const orders = yield* Effect.provideService(
        connect(world, Auth.bearer(Config.Redacted("KEY"))),
        ConfigProvider.ConfigProvider,
        provider
      )
      refuses(world, () => value)
      yield* orders.list()
      assert.strictEqual(reads, 1)
      value = "b"
      yield* orders.once(order)
      assert.deepStrictEqual(world.sent, ["Bearer a", "Bearer a", "Bearer b"])
      yield* orders.list()
      assert.strictEqual(reads, 2)
      // One that has not changed is not sent twice.
      yield* TestClock.adjust("1 second")
      refuses(world, () => "c")
      yield* Effect.exit(orders.once(order))
      assert.deepStrictEqual(world.sent.slice(4), ["Bearer b"])
      assert.strictEqual(reads, 3)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of an effect is read for every attempt, and once more after a 401", () =>
    Effect.gen(function* () {
      const world = new World()
      let value = "a"
      const orders = yield* connect(world, Auth.bearer(Effect.sync(() => Redacted.make(value))))
      world.api = (asked, n) => {
        value = "b"
        return asked.headers["authorization"] === "Bearer b" ? fine(asked, n) : unauthorized(asked, n)
      }
      yield* orders.once(order)
      assert.deepStrictEqual(world.sent, ["Bearer a", "Bearer b"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that is a value is sent once", () =>
    Effect.gen(function* () {
      const world = new World()
      world.api = unauthorized
      const orders = yield* connect(world, Auth.bearer(Redacted.make("a")))
      const failure = failureOf(yield* Effect.exit(orders.list()))
      assert.lengthOf(world.calls, 1)
      assert.notProperty(failure.attempts[0], "reauthenticated")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of one's own is renewed as one says", () =>
    Effect.gen(function* () {
      const world = new World()
      let n = 0
      world.api = unauthorized
      const own = Auth.custom("own", (request) => Effect.sync(() => (n++, request)), { renew: Effect.succeed(true) })
      const orders = yield* connect(world, own)
      yield* Effect.exit(orders.list())
      assert.deepStrictEqual([n, world.calls.length], [2, 2])
    }).pipe(Effect.provide(quiet))
  )
})

describe("a refresh token", () => {
  const rotating: World["token"] = (asked, n) =>
    json(200, {
      access_token: `t${n}`,
      refresh_token: `${asked.form["refresh_token"]}+`,
      token_type: "bearer",
      expires_in: 3600
    })
  const options = { ...credentials, early: 0, refreshToken: Redacted.make("r") }

  it.effect("that is replaced is stored before the token is used, and used the next time", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = rotating
      const stored: Array<string> = []
      const auth = Auth.refreshToken({
        ...options,
        scopes: ["read"],
        onRotated: (token) => Effect.sync(() => stored.push(`${Redacted.value(token)} at ${world.calls.length}`))
      })
      const orders = yield* connect(world, auth)
      yield* orders.list()
      yield* TestClock.adjust("1 hour")
      yield* orders.list()
      assert.deepStrictEqual(stored, ["r+ at 0", "r++ at 1"])
      assert.deepStrictEqual(world.tokens[0]!.form, { grant_type: "refresh_token", refresh_token: "r", scope: "read" })
      assert.strictEqual(world.tokens[1]!.form["refresh_token"], "r+")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that can't be stored keeps the token back, and is stored before anything else is sent", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = rotating
      let broken = true
      const stored: Array<string> = []
      const auth = Auth.refreshToken({
        ...options,
        onRotated: (token) =>
          broken ? Effect.fail(new Error(Redacted.value(token))) : Effect.sync(() => stored.push(Redacted.value(token)))
      })
      const orders = yield* connect(world, auth)
      const { reason } = failureOf(yield* Effect.exit(orders.list()))
      assert.deepStrictEqual(
        [reason._tag, reason.message, reason.transient],
        ["NotAuthenticated", "the new refresh token could not be stored", true]
      )
      yield* TestClock.adjust("1 second")
      yield* Effect.exit(orders.list())
      assert.lengthOf(world.tokens, 1)
      broken = false
      yield* TestClock.adjust("2 seconds")
      yield* orders.list()
      assert.deepStrictEqual(stored, ["r+", "r++"])
      assert.deepStrictEqual(world.sent, ["Bearer t2"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is not sent again when nobody knows what became of it, while the old token serves", () =>
    Effect.gen(function* () {
      const world = new World()
      const auth = Auth.refreshToken({ ...options, early: "10 minutes", onRotated: () => Effect.void })
      const orders = yield* connect(world, auth)
      yield* orders.list()
      world.token = () => Effect.fail("lost")
      yield* TestClock.adjust("51 minutes")
      for (let n = 0; n < 8; n++) {
        yield* orders.list()
        yield* TestClock.adjust("1 minute")
      }
      assert.lengthOf(world.tokens, 2)
      world.token = issue
      yield* TestClock.adjust("1 minute")
      yield* orders.list()
      assert.strictEqual(world.sent.at(-1), "Bearer t3")
    }).pipe(Effect.provide(quiet))
  )

  it.effect("whose answer never comes is given up", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = () => Effect.never
      const orders = yield* connect(world, Auth.refreshToken({ ...options, onRotated: () => Effect.void }))
      const fiber = yield* Effect.forkChild(Effect.exit(orders.list()))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(failureOf(yield* Fiber.join(fiber)).reason._tag, "NotAuthenticated")
      world.token = issue
      yield* TestClock.adjust("1 second")
      yield* orders.list()
      assert.lengthOf(world.tokens, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("that an effect reads is read each time, and a public client has no secret", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = rotating
      let row = "a"
      const orders = yield* connect(
        world,
        Auth.refreshToken({
          tokenUrl: credentials.tokenUrl,
          clientId: "public",
          early: 0,
          refreshToken: Effect.sync(() => Redacted.make(row)),
          onRotated: () => Effect.void
        })
      )
      yield* orders.list()
      row = "b"
      yield* TestClock.adjust("1 hour")
      yield* orders.list()
      assert.deepStrictEqual(
        world.tokens.map(({ form, headers }) => [form["refresh_token"], form["client_id"], headers["authorization"]]),
        [
          ["a", "public", undefined],
          ["b", "public", undefined]
        ]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is stored even when the layer closes while it is replaced", () =>
    Effect.gen(function* () {
      const world = new World()
      world.token = (asked, n) => Effect.delay(rotating(asked, n), "1 second")
      const stored: Array<string> = []
      const scope = yield* Scope.make()
      const auth = Auth.refreshToken({
        ...options,
        onRotated: (token) =>
          Effect.delay(
            Effect.sync(() => stored.push(Redacted.value(token))),
            "1 second"
          )
      })
      const orders = yield* Scope.provide(connect(world, auth), scope)
      const call = yield* Effect.forkChild(orders.list(), { startImmediately: true })
      yield* Fiber.interrupt(call)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(stored, ["r+"])
    }).pipe(Effect.provide(quiet))
  )
})
