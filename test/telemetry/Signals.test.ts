/** The whole span tree and every metric point of each way in which a call ends. */
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  OutboxStoreMemory,
  Policy,
  type CallFailure
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Data, Effect, Fiber, Layer, Random, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { collect, type Collected, type Point, type Tree } from "./collect.ts"

class Down extends Data.TaggedError("Down")<{ readonly failure: CallFailure.CallFailure }> {}

const Order = Schema.Struct({ order: Schema.String })

class ShopApi extends HttpApi.make("shop").add(
  HttpApiGroup.make("shop").add(
    HttpApiEndpoint.post("charge", "/charges", { payload: Order, success: Schema.Struct({ id: Schema.String }) }),
    HttpApiEndpoint.post("later", "/charges", { payload: Order, success: Schema.Struct({ id: Schema.String }) }),
    HttpApiEndpoint.get("price", "/prices/:id", { params: { id: Schema.String }, success: Schema.Int })
  )
) {}

const keyed = Idempotency.keyed(
  ({ payload }: { readonly payload: typeof Order.Type }) => IdempotencyKey.derive("charge", payload.order),
  { lifetime: "24 hours" }
)

const policy = Policy.standard({
  attemptTimeout: "2 seconds",
  totalDeadline: "10 seconds",
  maxAttempts: 3,
  schedule: Policy.backoff({ base: 0 })
})

const single = Policy.standard({ attemptTimeout: "2 seconds", totalDeadline: "10 seconds", maxAttempts: 1 })

class Shop extends Integration.Service<Shop>()(
  "shop",
  { policy, exhausted: Exhaustion.fail, orElse: (failure) => new Down({ failure }) },
  {
    charge: HttpOperation.endpoint(ShopApi, "shop", "charge", { idempotency: keyed }),
    later: HttpOperation.endpoint(ShopApi, "shop", "later", { idempotency: keyed, exhausted: Exhaustion.park }),
    price: HttpOperation.endpoint(ShopApi, "shop", "price", {
      exhausted: Exhaustion.fallback("the list price", () => Effect.succeed(9))
    })
  }
) {}

interface Answer {
  /** Milliseconds that the provider takes. */
  readonly after?: number
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly dies?: boolean
}

/** A shop whose provider answers by a script; the last answer stays. */
const open = (answers: ReadonlyArray<Answer>, options: { readonly policy?: Policy.Complete } = {}) => {
  let requests = 0
  const client = HttpClient.make((request) => {
    const {
      after = 0,
      body = { id: "ch_1" },
      dies,
      headers = {},
      status = 200
    } = answers[Math.min(requests++, answers.length - 1)]!
    const respond = Effect.suspend(() =>
      dies === true
        ? Effect.die(new Error("a bug in the client"))
        : Effect.succeed(
            HttpClientResponse.fromWeb(
              request,
              new Response(JSON.stringify(body), {
                status,
                headers: { "content-type": "application/json", ...headers }
              })
            )
          )
    )
    return after > 0 ? Effect.delay(respond, after) : respond
  })
  const layer = HttpIntegration.layer(Shop, {
    baseUrl: "https://api.shop.example",
    drain: 0,
    ...(options.policy === undefined ? {} : { policy: { charge: options.policy, price: options.policy } })
  }).pipe(Layer.provide([Layer.succeed(HttpClient.HttpClient, client), OutboxStoreMemory.layer]))
  return Effect.map(Layer.build(layer), (context) => Context.get(context, Shop))
}

const order = { payload: { order: "o-1" } }

/** Starts calls at once, lets time pass in steps, and waits until they have ended. */
const run = (
  signals: Collected,
  steps: ReadonlyArray<number>,
  ...calls: ReadonlyArray<Effect.Effect<unknown, unknown>>
) =>
  Effect.gen(function* () {
    const fibers = yield* Effect.forEach(calls, (call) =>
      Effect.forkChild(signals.watch(Effect.exit(call)), { startImmediately: true })
    )
    yield* Effect.forEach(steps, (millis) => TestClock.adjust(millis), { discard: true })
    yield* Effect.forEach(fibers, Fiber.join, { discard: true })
  })

// ---- what is expected

const http = {
  "http.request.method": "POST",
  "url.template": "/charges",
  "server.address": "api.shop.example",
  "server.port": 443
}
const labels = (operation: string) => ({ "breakwater.integration": "shop", "breakwater.operation": operation })
const key = IdempotencyKey.toText(IdempotencyKey.derive("charge", "o-1"))

type Attributes = Readonly<Record<string, unknown>>

const callSpan = (
  operation: string,
  [from, to]: readonly [number, number],
  status: string,
  attributes: Attributes,
  events: Tree["events"],
  ...children: ReadonlyArray<Tree>
): Tree => ({
  name: `shop ${operation}`,
  kind: "internal",
  from,
  to,
  status,
  attributes: { ...labels(operation), "service.peer.name": "shop", ...attributes },
  events,
  links: [],
  children
})

const attempt = (
  operation: string,
  [from, to]: readonly [number, number],
  status: string,
  attributes: Attributes
): Tree => ({
  name: operation === "price" ? "GET /prices/:id" : "POST /charges",
  kind: "client",
  from,
  to,
  status,
  attributes: {
    ...http,
    ...(operation === "price" ? { "http.request.method": "GET", "url.template": "/prices/:id" } : {}),
    ...labels(operation),
    "service.peer.name": "shop",
    ...attributes
  },
  events: [],
  links: [],
  children: []
})

/** One measurement of a histogram, in the bucket with this upper bound. */
const one = (sum: number, bucket: number) => ({ count: 1, sum, buckets: { [bucket]: 1 } })

const point = (name: string, attributes: Readonly<Record<string, string>>, value: unknown): Point => ({
  name,
  attributes,
  value
})

const idle = (operation: string) => point("breakwater.active_calls", { ...labels(operation), unit: "{call}" }, 0)
const attempts = (operation: string, outcome: string, value: unknown) =>
  point("breakwater.call.attempts", { ...labels(operation), "breakwater.outcome": outcome, unit: "{attempt}" }, value)
const duration = (operation: string, outcome: string, error: string | undefined, value: unknown) =>
  point(
    "breakwater.call.duration",
    {
      ...labels(operation),
      "breakwater.outcome": outcome,
      ...(error === undefined ? {} : { "error.type": error }),
      unit: "s"
    },
    value
  )
const decided = (operation: string, policy: string, decision: string, value: number) =>
  point(
    "breakwater.policy.decisions",
    {
      ...labels(operation),
      "breakwater.policy": policy,
      "breakwater.decision": decision,
      "breakwater.mode": "enforce",
      unit: "{decision}"
    },
    value
  )
const request = (method: string, more: Readonly<Record<string, string>>, value: unknown) =>
  point(
    "http.client.request.duration",
    {
      "breakwater.integration": "shop",
      "http.request.method": method,
      "server.address": "api.shop.example",
      "server.port": "443",
      ...more,
      unit: "s"
    },
    value
  )

/** Nothing more and nothing less than this was told, with one event for each call. */
const compare = (signals: Collected, trees: ReadonlyArray<Tree>, points: ReadonlyArray<Point>) => {
  assert.deepStrictEqual(signals.trees(), trees)
  assert.deepStrictEqual(signals.points(), points)
  assert.sameDeepMembers(
    signals.events.map(({ callOutcome, errorType, latency, operation }) => [
      operation,
      callOutcome,
      errorType,
      latency
    ]),
    trees.map(({ attributes, from, to }) => [
      attributes["breakwater.operation"],
      attributes["breakwater.outcome"],
      attributes["error.type"],
      to - from
    ])
  )
}

describe("spans and points of", () => {
  it.effect("success", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 200, headers: { "request-id": "req_1" } }])
      yield* run(signals, [200], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 200],
            "ok",
            {
              "breakwater.outcome": "ok",
              "breakwater.effect": "Applied",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key
            },
            [],
            attempt("charge", [0, 200], "ok", {
              "http.response.status_code": 200,
              "breakwater.provider_request_id": "req_1"
            })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "ok", one(1, 1)),
          duration("charge", "ok", undefined, one(0.2, 0.25)),
          request("POST", { "http.response.status_code": "200" }, one(0.2, 0.25))
        ]
      )
    })
  )

  it.effect("success after a retry", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([
        { after: 100, status: 503, headers: { "retry-after": "1" } },
        { after: 100, status: 500 },
        { after: 200 }
      ])
      yield* run(signals, [100, 1_000, 100, 200], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 1400],
            "ok",
            {
              "breakwater.outcome": "ok_after_retry",
              "breakwater.effect": "Applied",
              "breakwater.attempts": 3,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.retry_delay": 1,
              "breakwater.idempotency_key": key
            },
            [
              ["breakwater.retry", 100, { reason: "Unavailable", delay: 1, source: "retry-after" }],
              ["breakwater.retry", 1200, { reason: "Unavailable", delay: 0, source: "backoff" }]
            ],
            attempt("charge", [0, 100], "Unavailable: status 503, not declared", {
              "http.response.status_code": 503,
              "error.type": "503"
            }),
            attempt("charge", [1100, 1200], "Unavailable: status 500, not declared", {
              "http.request.resend_count": 1,
              "http.response.status_code": 500,
              "error.type": "500"
            }),
            attempt("charge", [1200, 1400], "ok", { "http.request.resend_count": 2, "http.response.status_code": 200 })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "ok_after_retry", one(3, 3)),
          duration("charge", "ok_after_retry", undefined, one(1.4, 2.5)),
          point(
            "breakwater.call.retry_delay",
            { "breakwater.integration": "shop", "breakwater.operation": "charge", unit: "s" },
            one(1, 1)
          ),
          decided("charge", "retry", "retried", 2),
          request("POST", { "http.response.status_code": "503", "error.type": "503" }, one(0.1, 0.1)),
          request("POST", { "http.response.status_code": "500", "error.type": "500" }, one(0.1, 0.1)),
          request("POST", { "http.response.status_code": "200" }, one(0.2, 0.25))
        ]
      )
    })
  )

  it.effect("a timeout", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 60_000 }], { policy: single })
      yield* run(signals, [2_000], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 2000],
            "Timeout: cut by the attempt timeout of 2 s",
            {
              "breakwater.outcome": "timeout",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "timeout"
            },
            [
              [
                "breakwater.policy",
                2000,
                {
                  "breakwater.policy": "attemptTimeout",
                  "breakwater.policy.name": "attemptTimeout",
                  "breakwater.decision": "cut",
                  "breakwater.mode": "enforce"
                }
              ]
            ],
            attempt("charge", [0, 2000], "Timeout: cut by the attempt timeout of 2 s", { "error.type": "timeout" })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "timeout", one(1, 1)),
          duration("charge", "timeout", "timeout", one(2, 2.5)),
          decided("charge", "attemptTimeout", "cut", 1),
          request("POST", { "error.type": "timeout" }, one(2, 2.5))
        ]
      )
    })
  )

  it.effect("a call whose attempts are exhausted", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 10, status: 500 }])
      yield* run(signals, [10, 10, 10], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 30],
            "Unavailable: status 500, not declared",
            {
              "breakwater.outcome": "exhausted",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 3,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "500"
            },
            [
              ["breakwater.retry", 10, { reason: "Unavailable", delay: 0, source: "backoff" }],
              ["breakwater.retry", 20, { reason: "Unavailable", delay: 0, source: "backoff" }]
            ],
            attempt("charge", [0, 10], "Unavailable: status 500, not declared", {
              "http.response.status_code": 500,
              "error.type": "500"
            }),
            attempt("charge", [10, 20], "Unavailable: status 500, not declared", {
              "http.request.resend_count": 1,
              "http.response.status_code": 500,
              "error.type": "500"
            }),
            attempt("charge", [20, 30], "Unavailable: status 500, not declared", {
              "http.request.resend_count": 2,
              "http.response.status_code": 500,
              "error.type": "500"
            })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "exhausted", one(3, 3)),
          duration("charge", "exhausted", "500", one(0.03, 0.05)),
          decided("charge", "retry", "retried", 2),
          request(
            "POST",
            { "http.response.status_code": "500", "error.type": "500" },
            { count: 3, sum: 0.03, buckets: { "0.01": 3 } }
          )
        ]
      )
    })
  )

  it.effect("an answer that cannot be decoded", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 50, body: { id: 1 } }])
      yield* run(signals, [50], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 50],
            'InvalidResponse: status 200: Expected string at ["id"]',
            {
              "breakwater.outcome": "decode_failed",
              "breakwater.effect": "Applied",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "decode"
            },
            [],
            attempt("charge", [0, 50], 'InvalidResponse: status 200: Expected string at ["id"]', {
              "http.response.status_code": 200,
              "error.type": "decode"
            })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "decode_failed", one(1, 1)),
          duration("charge", "decode_failed", "decode", one(0.05, 0.05)),
          request("POST", { "http.response.status_code": "200", "error.type": "decode" }, one(0.05, 0.05))
        ]
      )
    })
  )

  it.effect("a rejection by the breaker", () =>
    Effect.gen(function* () {
      const breaker = Policy.breaker({ consecutive: 1, openFor: "30 seconds", maxOpenFor: "30 seconds" })
      const shop = yield* open([{ status: 500 }], { policy: Policy.stack(single, breaker) })
      yield* run(collect(), [], shop.charge(order))
      yield* TestClock.adjust("10 seconds")
      const signals = collect()
      yield* run(signals, [], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [10000, 10000],
            "CircuitOpen: the circuit shop is open for another 13.8 s",
            {
              "breakwater.outcome": "rejected_breaker",
              "breakwater.effect": "NotSent",
              "breakwater.attempts": 0,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "circuit_open",
              "breakwater.retry_after": 13.839
            },
            [
              [
                "breakwater.policy",
                10000,
                {
                  "breakwater.policy": "circuitBreaker",
                  "breakwater.policy.name": "breaker",
                  "breakwater.decision": "rejected",
                  "breakwater.mode": "enforce"
                }
              ]
            ]
          )
        ],
        [
          idle("charge"),
          attempts("charge", "rejected_breaker", one(0, 1)),
          duration("charge", "rejected_breaker", "circuit_open", one(0, 0.005)),
          decided("charge", "circuitBreaker", "rejected", 1)
        ]
      )
    }).pipe(Random.withSeed("how long the circuit stays open"))
  )

  it.effect("a wait for a permit of the bulkhead, and a rejection by it", () =>
    Effect.gen(function* () {
      const signals = collect()
      const bulkhead = Policy.bulkhead({ concurrency: 1, queue: 1 })
      const shop = yield* open([{ after: 300 }], { policy: Policy.stack(single, bulkhead) })
      yield* run(signals, [300, 300], shop.charge(order), shop.charge(order), shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 300],
            "ok",
            {
              "breakwater.outcome": "ok",
              "breakwater.effect": "Applied",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key
            },
            [],
            attempt("charge", [0, 300], "ok", { "http.response.status_code": 200 })
          ),
          callSpan(
            "charge",
            [0, 600],
            "ok",
            {
              "breakwater.outcome": "ok",
              "breakwater.effect": "Applied",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000003",
              "breakwater.queue_wait": 0.3,
              "breakwater.idempotency_key": key
            },
            [
              [
                "breakwater.policy",
                0,
                {
                  "breakwater.policy": "bulkhead",
                  "breakwater.policy.name": "bulkhead",
                  "breakwater.decision": "waited",
                  "breakwater.mode": "enforce"
                }
              ]
            ],
            attempt("charge", [300, 600], "ok", { "http.response.status_code": 200 })
          ),
          callSpan(
            "charge",
            [0, 0],
            "BulkheadFull: 1 attempts are running and 1 waiting, the most allowed",
            {
              "breakwater.outcome": "rejected_bulkhead",
              "breakwater.effect": "NotSent",
              "breakwater.attempts": 0,
              "breakwater.correlation_id": "00000000000000000000000000000004",
              "breakwater.idempotency_key": key,
              "error.type": "bulkhead_full"
            },
            [
              [
                "breakwater.policy",
                0,
                {
                  "breakwater.policy": "bulkhead",
                  "breakwater.policy.name": "bulkhead",
                  "breakwater.decision": "rejected",
                  "breakwater.mode": "enforce"
                }
              ]
            ]
          )
        ],
        [
          idle("charge"),
          point(
            "breakwater.bulkhead.running",
            { "breakwater.integration": "shop", "breakwater.policy.name": "bulkhead", unit: "{attempt}" },
            0
          ),
          point(
            "breakwater.bulkhead.waiting",
            { "breakwater.integration": "shop", "breakwater.policy.name": "bulkhead", unit: "{attempt}" },
            0
          ),
          attempts("charge", "rejected_bulkhead", one(0, 1)),
          attempts("charge", "ok", { count: 2, sum: 2, buckets: { "1": 2 } }),
          duration("charge", "rejected_bulkhead", "bulkhead_full", one(0, 0.005)),
          duration("charge", "ok", undefined, { count: 2, sum: 0.8999999999999999, buckets: { "0.5": 1, "0.75": 1 } }),
          point(
            "breakwater.call.queue_wait",
            { "breakwater.integration": "shop", "breakwater.operation": "charge", gate: "bulkhead", unit: "s" },
            one(0.3, 0.5)
          ),
          decided("charge", "bulkhead", "rejected", 1),
          decided("charge", "bulkhead", "waited", 1),
          request("POST", { "http.response.status_code": "200" }, { count: 2, sum: 0.6, buckets: { "0.5": 2 } })
        ]
      )
    })
  )

  it.effect("a fallback", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 10, status: 500 }], { policy: single })
      yield* run(signals, [10], shop.price({ params: { id: "1" } }))
      compare(
        signals,
        [
          callSpan(
            "price",
            [0, 10],
            "ok",
            {
              "breakwater.outcome": "fallback",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001"
            },
            [],
            attempt("price", [0, 10], "Unavailable: status 500, not declared", {
              "http.response.status_code": 500,
              "error.type": "500"
            })
          )
        ],
        [
          idle("price"),
          attempts("price", "fallback", one(1, 1)),
          duration("price", "fallback", undefined, one(0.01, 0.01)),
          request("GET", { "http.response.status_code": "500", "error.type": "500" }, one(0.01, 0.01))
        ]
      )
    })
  )

  it.effect("a call that is parked", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 10, status: 500 }])
      yield* run(signals, [10, 10, 10], shop.later(order))
      compare(
        signals,
        [
          callSpan(
            "later",
            [0, 30],
            "ok",
            {
              "breakwater.outcome": "parked",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 3,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key
            },
            [
              ["breakwater.retry", 10, { reason: "Unavailable", delay: 0, source: "backoff" }],
              ["breakwater.retry", 20, { reason: "Unavailable", delay: 0, source: "backoff" }]
            ],
            attempt("later", [0, 10], "Unavailable: status 500, not declared", {
              "http.response.status_code": 500,
              "error.type": "500"
            }),
            attempt("later", [10, 20], "Unavailable: status 500, not declared", {
              "http.request.resend_count": 1,
              "http.response.status_code": 500,
              "error.type": "500"
            }),
            attempt("later", [20, 30], "Unavailable: status 500, not declared", {
              "http.request.resend_count": 2,
              "http.response.status_code": 500,
              "error.type": "500"
            })
          )
        ],
        [
          idle("later"),
          attempts("later", "parked", one(3, 3)),
          duration("later", "parked", undefined, one(0.03, 0.05)),
          decided("later", "retry", "retried", 2),
          request(
            "POST",
            { "http.response.status_code": "500", "error.type": "500" },
            { count: 3, sum: 0.03, buckets: { "0.01": 3 } }
          )
        ]
      )
    })
  )

  it.effect("an interruption", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 60_000 }])
      const fiber = yield* Effect.forkChild(signals.watch(shop.charge(order)), { startImmediately: true })
      yield* TestClock.adjust(700)
      yield* Fiber.interrupt(fiber)
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 700],
            "interrupted",
            {
              "breakwater.outcome": "cancelled",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key
            },
            [],
            attempt("charge", [0, 700], "interrupted", {})
          )
        ],
        [
          idle("charge"),
          attempts("charge", "cancelled", one(1, 1)),
          duration("charge", "cancelled", undefined, one(0.7, 0.75)),
          request("POST", {}, one(0.7, 0.75))
        ]
      )
    })
  )

  it.effect("a defect of the client", () =>
    Effect.gen(function* () {
      const signals = collect()
      const shop = yield* open([{ after: 100, dies: true }])
      yield* run(signals, [100], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 100],
            "Failed: a defect: Error",
            {
              "breakwater.outcome": "failed",
              "breakwater.effect": "Unknown",
              "breakwater.attempts": 1,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "_OTHER"
            },
            [],
            attempt("charge", [0, 100], "Failed: a defect: Error", { "error.type": "_OTHER" })
          )
        ],
        [
          idle("charge"),
          attempts("charge", "failed", one(1, 1)),
          duration("charge", "failed", "_OTHER", one(0.1, 0.1)),
          request("POST", { "error.type": "_OTHER" }, one(0.1, 0.1))
        ]
      )
    })
  )

  it.effect("a defect of a layer", () =>
    Effect.gen(function* () {
      const signals = collect()
      const dying = Policy.make({
        slot: "call",
        name: "dying",
        build: () => Effect.succeed(() => () => Effect.die(new Error("a bug in a layer")))
      })
      const shop = yield* open([{}], { policy: Policy.stack(single, dying) })
      yield* run(signals, [], shop.charge(order))
      compare(
        signals,
        [
          callSpan(
            "charge",
            [0, 0],
            "Failed: a layer of the policy died",
            {
              "breakwater.outcome": "failed",
              "breakwater.effect": "NotSent",
              "breakwater.attempts": 0,
              "breakwater.correlation_id": "00000000000000000000000000000001",
              "breakwater.idempotency_key": key,
              "error.type": "_OTHER"
            },
            []
          )
        ],
        [idle("charge"), attempts("charge", "failed", one(0, 1)), duration("charge", "failed", "_OTHER", one(0, 0.005))]
      )
    })
  )
})
