// What providers tell of their limits over HTTP: in headers of every form, and in bodies.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, Integration, Policy, Reason, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { Failed, failureOf, seededly } from "../properties/support.ts"

const Answer = Schema.Struct({ ok: Schema.optional(Schema.Boolean), data: Schema.optional(Schema.Json) })

class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("api").add(
    HttpApiEndpoint.get("read", "/things/:id", { params: { id: Schema.String }, success: Answer }),
    HttpApiEndpoint.post("query", "/graphql", { payload: Schema.Struct({ query: Schema.String }), success: Answer })
  )
) {}

interface Options {
  readonly limit?: Partial<Policy.RateLimitOptions>
  readonly classify?: Reason.Classify
  readonly classifyErrors?: Reason.Classify
  readonly policy?: Policy.Policy<Policy.Provides, "any">
}

const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

/** A client behind a limit that would never bind by itself, and a provider that answers the n-th request by a function. */
const client = (reply: (n: number) => FaultInjection.Reply, options: Options = {}) =>
  Effect.gen(function* () {
    const events: Array<Telemetry.CallObserved> = []
    const provider: FaultInjection.FaultInjection = FaultInjection.make({
      respond: () => reply(provider.requests.length)
    })
    class Client extends Integration.Service<Client>()(
      "test/Client",
      {
        policy: Policy.stack(
          options.policy ?? once,
          Policy.rateLimit({ limit: 1_000, window: "1 second", ...options.limit })
        ),
        exhausted: Exhaustion.fail,
        orElse: (failure) => new Failed({ failure }),
        classify: options.classify,
        classifyErrors: options.classifyErrors
      },
      {
        read: HttpOperation.endpoint(Api, "api", "read"),
        query: HttpOperation.endpoint(Api, "api", "query", { idempotency: Idempotency.inherent("a query reads") })
      }
    ) {}
    const layer = HttpIntegration.layer(Client, { baseUrl: "https://api.example" }).pipe(
      Layer.provide([provider.layer, Telemetry.layerObserver((event) => events.push(event))])
    )
    const built = Context.get(yield* Layer.build(layer), Client)
    return {
      read: built.read({ params: { id: "1" } }),
      query: built.query({ payload: { query: "{ shop }" } }),
      provider,
      events
    }
  })

const fine = (headers: Readonly<Record<string, string>>): FaultInjection.Reply => ({ body: { ok: true }, headers })

/** How long the second of two reads is kept from starting after an answer with these headers; rejected with this. */
const pauseAfter = (reply: FaultInjection.Reply, options: Options = {}) =>
  Effect.gen(function* () {
    const { provider, read } = yield* client((n) => (n === 1 ? reply : fine({})), {
      ...options,
      limit: { maxWait: 0, ...options.limit }
    })
    yield* Effect.exit(read)
    const exit = yield* Effect.exit(read)
    const failure = failureOf(exit)
    if (failure === undefined) {
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(provider.requests.length, 2)
      return 0
    }
    assert.strictEqual(failure.reason._tag, "RateLimited")
    assert.strictEqual(provider.requests.length, 1)
    return Duration.toMillis(failure.retryAfter!)
  })

/** The tests begin at this time, so that points of time are in the future. */
const began = 1_700_000_000

const forms: ReadonlyArray<readonly [name: string, headers: Readonly<Record<string, string>>, millis: number]> = [
  ["the draft since 08", { ratelimit: '"default";r=0;t=30', "ratelimit-policy": '"default";q=100;w=60' }, 30_000],
  [
    "several limits of the draft, of which one is spent",
    { ratelimit: '"burst, and \\"more\\"";r=4;t=9, "day";r=0;t=600' },
    600_000
  ],
  ["the draft, with the partition of a key", { ratelimit: '"default";r=0;t=7;pk=:dGVzdA==:' }, 7_000],
  ["the draft 07", { ratelimit: "limit=100, remaining=0, reset=50" }, 50_000],
  [
    "the drafts before",
    { "ratelimit-limit": "10, 10;w=1", "ratelimit-remaining": "0", "ratelimit-reset": "12" },
    12_000
  ],
  [
    "GitHub's epoch",
    { "x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${began + 90}` },
    90_000
  ],
  [
    "an epoch, read against the provider's own clock",
    {
      date: new Date((began + 3_600) * 1000).toUTCString(),
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": `${began + 3_605}`
    },
    5_000
  ],
  ["Twitter's epoch", { "x-rate-limit-remaining": "0", "x-rate-limit-reset": `${began + 900}` }, 900_000],
  [
    "an epoch in milliseconds",
    { "x-ratelimit-requests-remaining": "0", "x-ratelimit-requests-reset": `${(began + 8) * 1000}` },
    8_000
  ],
  ["seconds", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "45" }, 45_000],
  [
    "Discord's fraction",
    { "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${began + 9}.25`, "x-ratelimit-reset-after": "1.5" },
    1_500
  ],
  [
    "OpenAI's durations, of which the tokens are spent",
    {
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-reset-requests": "1s",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "6m0s"
    },
    360_000
  ],
  ["OpenAI's milliseconds", { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "820ms" }, 820],
  [
    "Anthropic's date",
    {
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": new Date((began + 20) * 1000).toISOString()
    },
    20_000
  ],
  [
    "an HTTP date",
    { "x-ratelimit-remaining": "0", "x-ratelimit-reset": new Date((began + 61) * 1000).toUTCString() },
    61_000
  ],
  ["a reset that is over", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${began - 5}` }, 0],
  ["something left", { "x-ratelimit-remaining": "1", "x-ratelimit-reset": "45" }, 0],
  ["nothing left, and no reset", { "x-ratelimit-remaining": "0" }, 0],
  ["what is no number", { "x-ratelimit-remaining": "none", "x-ratelimit-reset": "45" }, 0],
  ["less than nothing", { "x-ratelimit-remaining": "-1", "x-ratelimit-reset": "45" }, 0],
  ["a reset that is no time", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon" }, 0],
  ["the draft, malformed", { ratelimit: "r=;t" }, 0],
  ["a year, of which an hour is believed", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "31536000" }, 3_600_000]
]

const at = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.andThen(TestClock.setTime(began * 1000), self).pipe(seededly(1))

describe("the rate limit over HTTP: headers", () => {
  for (const [name, headers, millis] of forms) {
    it.effect(`${name} of a 200`, () =>
      at(
        Effect.gen(function* () {
          assert.strictEqual(yield* pauseAfter(fine(headers)), millis)
        })
      )
    )
  }

  it.effect("of an error's answer are read too, and with `learn: false` none are", () =>
    at(
      Effect.gen(function* () {
        const headers = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "45" }
        assert.strictEqual(yield* pauseAfter({ status: 404, body: {}, headers }), 45_000)
        assert.strictEqual(yield* pauseAfter(fine(headers), { limit: { learn: false } }), 0)
      })
    )
  )

  it.effect("a 429 closes the key for as long as Retry-After says: seconds or a date, and nothing else", () =>
    at(
      Effect.gen(function* () {
        const after = (value: string | undefined, status = 429) =>
          pauseAfter({ status, body: {}, headers: value === undefined ? {} : { "retry-after": value } })
        assert.strictEqual(yield* after("17"), 17_000)
        assert.strictEqual(yield* after("0.5"), 500)
        assert.strictEqual(yield* after(new Date((began + 33) * 1000).toUTCString()), 33_000)
        for (const value of ["soon", "-5", "1e3", "2023-11-14", ""]) assert.strictEqual(yield* after(value), 0, value)
        assert.strictEqual(yield* after(undefined), 0)
        // Of a 503 it is for the retry policy: the provider is not well, and its limit is not spent.
        assert.strictEqual(yield* after("17", 503), 0)
      })
    )
  )

  it.effect("a 429 is retried by the policy, which ends: the closed key waits with it", () =>
    at(
      Effect.gen(function* () {
        const { events, provider, read } = yield* client(
          () => ({ status: 429, body: {}, headers: { "retry-after": "1" } }),
          { policy: Policy.standard({ maxAttempts: 3 }) }
        )
        const fiber = yield* Effect.forkChild(Effect.exit(read), { startImmediately: true })
        yield* TestClock.adjust("1 minute")
        const failure = failureOf(yield* Fiber.join(fiber))!
        assert.strictEqual(failure.reason._tag, "Throttled")
        assert.strictEqual(provider.requests.length, 3)
        assert.strictEqual(events.length, 1)
      })
    )
  )
})

// ---- GitHub: 403 for a spent limit, an epoch in seconds

const github: Reason.Classify = (status, headers) => {
  if (status !== 403 && status !== 429) return undefined
  const limit = Reason.limitFromHeaders(headers, began * 1000)
  return limit?.remaining === 0 ? Reason.throttled({ retryAfter: limit.resetAfter, limit }) : undefined
}

// ---- Shopify: the cost of a query in the body of a 200

const Cost = Schema.Struct({
  extensions: Schema.Struct({
    cost: Schema.Struct({
      requestedQueryCost: Schema.Number,
      actualQueryCost: Schema.NullOr(Schema.Number),
      throttleStatus: Schema.Struct({
        maximumAvailable: Schema.Number,
        currentlyAvailable: Schema.Number,
        restoreRate: Schema.Number
      })
    })
  })
})

const shopify: Reason.Classify = (_status, _headers, body) => {
  const decoded = Schema.decodeUnknownOption(Cost)(body)
  if (decoded._tag === "None") return undefined
  const { actualQueryCost, requestedQueryCost, throttleStatus } = decoded.value.extensions.cost
  const { currentlyAvailable, maximumAvailable, restoreRate } = throttleStatus
  const short = requestedQueryCost - currentlyAvailable
  const limit: Reason.Limit = {
    limit: maximumAvailable,
    remaining: currentlyAvailable,
    resetAfter: Duration.seconds(Math.max(0, short / restoreRate)),
    ...(actualQueryCost === null ? {} : { cost: actualQueryCost })
  }
  return typeof body === "object" && body !== null && "errors" in body
    ? Reason.throttled({ limit, retryAfter: limit.resetAfter })
    : Reason.answered({ limit })
}

const shopifyAnswer = (actual: number | null, available: number, more: object = {}): FaultInjection.Reply => ({
  body: {
    data: { shop: "x" },
    extensions: {
      cost: {
        requestedQueryCost: 100,
        actualQueryCost: actual,
        throttleStatus: { maximumAvailable: 1000, currentlyAvailable: available, restoreRate: 50 }
      }
    },
    ...more
  }
})

// ---- Slack: 429 with Retry-After, and errors with 200

const slack: Reason.Classify = (_status, headers, body) =>
  typeof body === "object" && body !== null && "error" in body && body.error === "ratelimited"
    ? Reason.throttled({ retryAfter: Reason.retryAfterFromHeaders(headers, began * 1000) })
    : undefined

describe("the rate limit over HTTP: providers", () => {
  it.effect("GitHub's 403 closes the key until its reset", () =>
    at(
      Effect.gen(function* () {
        const headers = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${began + 70}` }
        const spent = { status: 403, body: { message: "API rate limit exceeded" }, headers }
        assert.strictEqual(yield* pauseAfter(spent, { classifyErrors: github }), 70_000)
        const { events, read } = yield* client(() => spent, { classifyErrors: github })
        yield* Effect.exit(read)
        assert.strictEqual(events[0]!.attempts[0]!.reason, "Throttled")
        const forbidden = { ...spent, headers: { ...headers, "x-ratelimit-remaining": "9" } }
        const other = yield* client(() => forbidden, { classifyErrors: github })
        yield* Effect.exit(other.read)
        assert.strictEqual(other.events[0]!.attempts[0]!.reason, "Rejected")
      })
    )
  )

  it.effect("Shopify's actual cost replaces the estimate, and the answer stays what it was", () =>
    at(
      Effect.gen(function* () {
        const limit = { limit: 1_000, window: "20 seconds", cost: 100, maxWait: 0 } as const
        const queries = (actual: number) =>
          Effect.gen(function* () {
            const { events, query } = yield* client(() => shopifyAnswer(actual, 900), { classify: shopify, limit })
            const exits = yield* Effect.forEach(Array.from({ length: 40 }), () => Effect.exit(query))
            assert.isTrue(events.slice(0, 5).every(({ callOutcome }) => callOutcome === "ok"))
            return exits.filter(Exit.isSuccess).length
          })
        // A thousand points: ten at the estimate, five at twice as much, and at 10 each as long as another 100 are there.
        assert.strictEqual(yield* queries(100), 10)
        assert.strictEqual(yield* queries(200), 5)
        assert.strictEqual(yield* queries(25), 37)
      })
    )
  )

  it.effect("Shopify's THROTTLED with 200 closes the key until there is enough", () =>
    at(
      Effect.gen(function* () {
        const throttled = shopifyAnswer(null, 20, { errors: [{ extensions: { code: "THROTTLED" } }] })
        const { events, provider, query } = yield* client((n) => (n === 1 ? throttled : shopifyAnswer(10, 500)), {
          classify: shopify,
          limit: { limit: 1_000, window: "20 seconds", cost: 100 }
        })
        yield* Effect.exit(query)
        assert.strictEqual(events[0]!.attempts[0]!.reason, "Throttled")
        const fiber = yield* Effect.forkChild(query, { startImmediately: true })
        // 80 points are short, and 50 come back in a second.
        yield* TestClock.adjust(1_599)
        assert.strictEqual(provider.requests.length, 1)
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
        assert.strictEqual(events[1]!.queuedFor.ratelimit, 1_600)
      })
    )
  )

  it.effect("Slack's limit is for each method, with 429 or with 200", () =>
    at(
      Effect.gen(function* () {
        for (const [status, body] of [
          [429, {}],
          [200, { ok: false, error: "ratelimited" }]
        ] as const) {
          const { query, read } = yield* client(
            (n) => (n === 1 ? { status, body, headers: { "retry-after": "30" } } : fine({})),
            { classify: slack, limit: { key: "operation", maxWait: 0 } }
          )
          yield* Effect.exit(read)
          const failure = failureOf(yield* Effect.exit(read))!
          assert.deepStrictEqual([failure.reason._tag, failure.retryAfter], ["RateLimited", Duration.seconds(30)])
          yield* query
        }
      })
    )
  )
})

describe("the rate limit over HTTP: `answered`", () => {
  it.effect("leaves every answer as if `classify` had said nothing, and lets the next one speak", () =>
    at(
      Effect.gen(function* () {
        const replies: ReadonlyArray<FaultInjection.Reply> = [
          fine({}),
          { status: 200, body: { ok: "no" } },
          { status: 404, body: {} },
          { status: 409, body: {} },
          { status: 503, body: {}, headers: { "retry-after": "3" } }
        ]
        for (const reply of replies) {
          const outcome = (classify: Reason.Classify) =>
            Effect.gen(function* () {
              const { events, read } = yield* client(() => reply, { classify })
              const exit = yield* Effect.exit(read)
              return [failureOf(exit)?.reason, events[0]!.callOutcome, events[0]!.outcome]
            })
          const said = yield* outcome(() => Reason.answered({ limit: { remaining: 3 } }))
          assert.deepStrictEqual(said, yield* outcome(() => undefined))
        }
        const { events, read } = yield* client(() => fine({}), {
          classify: () => Reason.answered({ limit: {} }),
          classifyErrors: () => undefined
        })
        yield* read
        assert.strictEqual(events[0]!.callOutcome, "ok")
      })
    )
  )

  it.effect("what `classify` tells goes before the headers", () =>
    at(
      Effect.gen(function* () {
        const headers = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "45" }
        const classify = () => Reason.answered({ limit: { remaining: 0, resetAfter: Duration.seconds(3) } })
        assert.strictEqual(yield* pauseAfter(fine(headers), { classify }), 3_000)
        assert.strictEqual(
          yield* pauseAfter(fine(headers), { classify: () => Reason.answered({ limit: { cost: 1 } }) }),
          45_000
        )
      })
    )
  )
})

describe("Reason: headers", () => {
  it("of an SDK are read whatever they are", () => {
    const expected = { remaining: 3, limit: 10, resetAfter: Duration.seconds(5) }
    const record = { "X-RateLimit-Remaining": "3", "X-RateLimit-Limit": "10", "X-RateLimit-Reset": "5" }
    assert.deepStrictEqual(Reason.limitFromHeaders(record, 0), expected)
    assert.deepStrictEqual(Reason.limitFromHeaders(new Headers(record), 0), expected)
    assert.deepStrictEqual(
      Reason.limitFromHeaders(new Map(Object.entries(record).map(([k, v]) => [k.toLowerCase(), v])), 0),
      expected
    )
    assert.deepStrictEqual(Reason.limitFromHeaders({ ...record, "x-other": ["a", "b"], none: undefined }, 0), expected)
    assert.isUndefined(Reason.limitFromHeaders({}, 0))
    assert.isUndefined(Reason.limitFromHeaders(new Headers(), 0))
  })

  it("with nothing but a share of a bucket tell what is left", () => {
    assert.deepStrictEqual(Reason.limitFromHeaders({ "X-Shopify-Shop-Api-Call-Limit": "32/40" }, 0), {
      remaining: 8,
      limit: 40
    })
  })

  it("Retry-After is seconds or an HTTP date", () => {
    const read = (value: string, now = 0) => Reason.retryAfterFromHeaders({ "Retry-After": value }, now)
    assert.deepStrictEqual(read("120"), Duration.seconds(120))
    assert.deepStrictEqual(read("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_470_000), Duration.seconds(10))
    assert.deepStrictEqual(read("Wed, 21 Oct 2015 07:28:00 GMT", 1_545_412_470_000), Duration.zero)
    for (const value of ["", "soon", "-1", "1e3", "2015-10-21T07:28:00Z", "Infinity", "0x10"]) {
      assert.isUndefined(read(value), value)
    }
    assert.isUndefined(Reason.retryAfterFromHeaders({}, 0))
    assert.deepStrictEqual(Reason.retryAfterFromHeaders(new Headers({ "retry-after": "4" }), 0), Duration.seconds(4))
  })
})
