import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Duration, Effect, Exit, Fiber, Layer, Logger, Option } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import {
  AdjustmentRefused,
  connection,
  RefundRefused,
  Shop,
  ShopUnavailable,
  StockChanged
} from "../../examples/providers/shopify/integration.ts"
import { accessToken, FakeShopify } from "../../examples/providers/shopify/upstream.ts"

const configured = (token: string) =>
  FakeShopify.client.pipe(
    Layer.provideMerge(IntegrationTest.layer(Shop, FakeShopify, connection)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ SHOPIFY_ACCESS_TOKEN: token }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie
  )
const test = configured(accessToken)

const item = "gid://shopify/InventoryItem/1"
const location = "gid://shopify/Location/1"
const place = `${item} ${location}`

const received = (delivery: number, delta = 5, changeFromQuantity: number | null = null) => ({
  input: {
    name: "available" as const,
    reason: "received" as const,
    referenceDocumentUri: `gid://erp/Delivery/${delivery}`,
    changes: [{ inventoryItemId: item, locationId: location, delta, changeFromQuantity }] as const
  }
})

const returned = (number: string, quantity = 1) => ({
  input: {
    orderId: "gid://shopify/Order/1",
    note: `Return ${number}`,
    refundLineItems: [{ lineItemId: "gid://shopify/LineItem/1", quantity }] as const
  }
})

/** A request that no integration would send. */
const raw = (body: unknown, headers: Readonly<Record<string, string>> = { "x-shopify-access-token": accessToken }) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(
      HttpClientRequest.post("https://shopify.test/admin/api/2026-04/graphql.json", { headers }).pipe(
        HttpClientRequest.bodyJsonUnsafe(body)
      )
    )
    return { status: response.status, body: yield* response.json }
  })

describe("Shopify: what goes well", () => {
  it.effect("reads, adjusts and refunds through one path", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* shop.stockLevel({ item, location }), {
        inventoryItem: { id: item, inventoryLevel: { quantities: [{ name: "available", quantity: 20 }] } }
      })
      assert.deepStrictEqual(yield* shop.adjustStock(received(1)), {
        inventoryAdjustQuantities: {
          inventoryAdjustmentGroup: {
            id: "gid://shopify/InventoryAdjustmentGroup/1",
            changes: [{ name: "available", delta: 5 }]
          }
        }
      })
      assert.deepStrictEqual(yield* shop.refund(returned("R-1")), {
        refundCreate: { refund: { id: "gid://shopify/Refund/1" } }
      })
      assert.strictEqual(fake.state.stock.get(place), 25)
      expectExecuted(fake).inOrder(["graphql.AdjustStock", "graphql.RefundOrder"])
      expectExecuted(fake).once("graphql.AdjustStock", {
        payload: { input: { referenceDocumentUri: "gid://erp/Delivery/1", changes: [{ delta: 5 }] } }
      })
      for (const operation of ["stockLevel", "adjustStock", "refund"]) {
        expectOutcome(recording).of(operation, { callOutcome: "ok", outcome: "Applied", attempts: ["Success"] })
      }
      expectSpans(recording).of("adjustStock", { attempts: [{ name: "POST /admin/api/2026-04/graphql.json" }] })
      expectSpans(recording).without(accessToken)
    }).pipe(Effect.provide(test))
  )

  it.effect("sends a document, its variables and the key as one of them", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      yield* shop.stockLevel({ item, location })
      yield* shop.adjustStock(received(1))
      const [read, adjusted] = fake.requests
      assert.strictEqual(read?.method, "POST")
      assert.strictEqual(new URL(read.url).pathname, "/admin/api/2026-04/graphql.json")
      assert.strictEqual(read.url, adjusted?.url)
      assert.strictEqual(read.headers["x-shopify-access-token"], accessToken)
      assert.strictEqual(read.headers["content-type"], "application/json")
      assert.deepInclude(JSON.parse(read.text), { operationName: "StockLevel", variables: { item, location } })
      const sent = JSON.parse(adjusted.text)
      assert.strictEqual(sent.operationName, "AdjustStock")
      assert.include(sent.query, "inventoryAdjustQuantities(input: $input) @idempotent(key: $idempotencyKey)")
      assert.deepStrictEqual(sent.variables, { ...received(1), idempotencyKey: adjusted.key })
      assert.match(String(adjusted.key), /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
      assert.isUndefined(read.key)
      assert.isUndefined(adjusted.headers["idempotency-key"])
    }).pipe(Effect.provide(test))
  )
})

describe("Shopify: keys", () => {
  it.effect("one delivery is one adjustment, however often it is scanned, for a day", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const first = yield* shop.adjustStock(received(1))
      yield* TestClock.adjust("23 hours")
      assert.deepStrictEqual(yield* shop.adjustStock(received(1)), first)
      assert.strictEqual(fake.requests[0]?.key, fake.requests[1]?.key)
      expectExecuted(fake).once("graphql.AdjustStock")
      // Another delivery is another intent.
      yield* shop.adjustStock(received(2))
      expectExecuted(fake).times(2, "graphql.AdjustStock")
      // "After this period, idempotency keys expire and retries are treated as separate operations."
      yield* TestClock.adjust("1 hour")
      yield* shop.adjustStock(received(1))
      expectExecuted(fake).times(3, "graphql.AdjustStock")
    }).pipe(Effect.provide(test))
  )

  it.effect(
    "a key that comes again with other arguments is a bug at the caller, and tells nothing of the outcome",
    () =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const fake = yield* FakeShopify
        const recording = yield* IntegrationTest.Recording
        yield* shop.adjustStock(received(1, 5))
        assert.deepStrictEqual(
          yield* Effect.flip(shop.adjustStock(received(1, 6))),
          new ShopUnavailable({
            outcome: "Unknown",
            reason: "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            retryAfter: undefined
          })
        )
        expectOutcome(recording).of("adjustStock", { errorType: "key_conflict", attempts: ["KeyConflict"] })
        // `refundCreate` has no codes; its message says the same.
        yield* shop.refund(returned("R-1", 1))
        yield* Effect.flip(shop.refund(returned("R-1", 2)))
        expectOutcome(recording).of("refund", { errorType: "key_conflict", attempts: ["KeyConflict"] })
        expectExecuted(fake).inOrder(["graphql.AdjustStock", "graphql.RefundOrder"])
      }).pipe(Effect.provide(test))
  )

  it.effect("a key whose first request is at work is in progress, and later brings its answer", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.latency("20 seconds")])
      const error = yield* Effect.flip(IntegrationTest.settle(shop.adjustStock(received(1))))
      assert.deepInclude(error, { _tag: "ShopUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("adjustStock", {
        errorType: "in_progress",
        attempts: ["Timeout", "InProgress", "InProgress"]
      })
      yield* TestClock.adjust("20 seconds")
      const { inventoryAdjustQuantities } = yield* shop.adjustStock(received(1))
      assert.strictEqual(
        inventoryAdjustQuantities.inventoryAdjustmentGroup.id,
        "gid://shopify/InventoryAdjustmentGroup/1"
      )
      expectExecuted(fake).once("graphql.AdjustStock")
      assert.strictEqual(new Set(fake.requests.map(({ text }) => text)).size, 1)
      // `refundCreate` has no codes; its message says the same.
      yield* fake.inject([FaultInjection.latency("20 seconds")])
      yield* Effect.flip(IntegrationTest.settle(shop.refund(returned("R-1"))))
      expectOutcome(recording).of("refund", { outcome: "Unknown", attempts: ["Timeout", "InProgress", "InProgress"] })
      expectSpans(recording).of("refund", { attempts: [{}, { attributes: { "error.type": "in_progress" } }, {}] })
    }).pipe(Effect.provide(test))
  )

  it.effect("a mutation without the directive, or without its key, is an error at run time", () =>
    Effect.gen(function* () {
      const fake = yield* FakeShopify
      const variables = received(1)
      const query =
        "mutation AdjustStock($input: InventoryAdjustQuantitiesInput!) { inventoryAdjustQuantities(input: $input) { userErrors { message } } }"
      const expected = {
        status: 200,
        body: {
          errors: [
            {
              message: "The @idempotent directive is required for this mutation but was not provided.",
              extensions: { code: "BAD_REQUEST" }
            }
          ],
          data: { inventoryAdjustQuantities: null }
        }
      }
      assert.deepStrictEqual(yield* raw({ operationName: "AdjustStock", query, variables }), expected)
      const keyed = { ...variables, idempotencyKey: "k" }
      assert.deepStrictEqual(yield* raw({ operationName: "AdjustStock", query, variables: keyed }), expected)
      const directed = query.replace("$input) {", "$input) @idempotent(key: $idempotencyKey) {")
      assert.deepStrictEqual(yield* raw({ operationName: "AdjustStock", query: directed, variables }), expected)
      expectExecuted(fake).never()
      yield* raw({ operationName: "AdjustStock", query: directed, variables: keyed })
      expectExecuted(fake).once("graphql.AdjustStock", { key: "k" })
    }).pipe(Effect.provide(test))
  )
})

describe("Shopify: errors at 200", () => {
  it.effect("user errors are the application's errors, and nothing happened", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* Effect.flip(shop.adjustStock(received(1, 5, 19))), new StockChanged())
      expectOutcome(recording).of("adjustStock", { outcome: "Refused", errorType: "declared", attempts: ["Declared"] })
      const unknown = received(2)
      const [change] = unknown.input.changes
      const changes = [{ ...change, inventoryItemId: "gid://shopify/InventoryItem/404" }] as const
      assert.deepStrictEqual(
        yield* Effect.flip(shop.adjustStock({ input: { ...unknown.input, changes } })),
        new AdjustmentRefused({ reason: "The specified inventory item could not be found." })
      )
      assert.deepStrictEqual(
        yield* Effect.flip(shop.refund(returned("R-1", 3))),
        new RefundRefused({ reason: "Quantity cannot refund more items than were purchased" })
      )
      expectOutcome(recording).of("refund", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(fake).never()
      // A refusal is not kept under the key: the same delivery may be booked once the quantity is right.
      yield* shop.adjustStock(received(1, 5, 20))
      expectExecuted(fake).once("graphql.AdjustStock")
    }).pipe(Effect.provide(test))
  )

  it.effect("a refusal after an attempt whose answer was lost does not say that nothing happened", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.resetBeforeReading])
      yield* Effect.flip(IntegrationTest.settle(shop.refund(returned("R-1", 3))))
      expectOutcome(recording).of("refund", { outcome: "Unknown", attempts: ["Disconnected", "Declared"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("a missing scope is final", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      fake.state.mayWrite = false
      assert.deepStrictEqual(
        yield* Effect.flip(shop.adjustStock(received(1))),
        new ShopUnavailable({ outcome: "Refused", reason: "ACCESS_DENIED", retryAfter: undefined })
      )
      expectOutcome(recording).of("adjustStock", { errorType: "rejected", attempts: ["Rejected"] })
      yield* shop.stockLevel({ item, location })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("an internal error may have come after the fact, and is asked again with the same key", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      const internal = { errors: [{ message: "Internal error", extensions: { code: "INTERNAL_SERVER_ERROR" } }] }
      yield* fake.inject([FaultInjection.status(200, { executes: true, body: internal })])
      yield* IntegrationTest.settle(shop.refund(returned("R-1")))
      expectOutcome(recording).of("refund", { outcome: "Applied", attempts: ["Unavailable", "Success"] })
      expectExecuted(fake).once("graphql.RefundOrder")
      // Nobody knows what an unknown code means, and a repeat would be answered the same.
      yield* fake.inject([FaultInjection.status(200, { body: { errors: [{ extensions: { code: "BRAND_NEW" } }] } })])
      assert.deepStrictEqual(
        yield* Effect.flip(shop.refund(returned("R-2"))),
        new ShopUnavailable({ outcome: "Unknown", reason: "BRAND_NEW", retryAfter: undefined })
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("another token is turned away with 401", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip(shop.refund(returned("R-1")))
      assert.deepInclude(error, { _tag: "ShopUnavailable", outcome: "Refused" })
      expectOutcome(recording).of("refund", { errorType: "401", attempts: ["Rejected"] })
      assert.strictEqual(recording.calls[0]?.requestId, "shopify-0")
      expectExecuted(fake).never()
      expectSpans(recording).without("shpat_of_another_shop")
    }).pipe(Effect.provide(configured("shpat_of_another_shop")))
  )
})

describe("Shopify: the cost of queries", () => {
  /** A query that asks for this much of an empty bucket. */
  const throttled = (requestedQueryCost: number) =>
    FaultInjection.status(200, {
      body: {
        errors: [{ message: "Throttled", extensions: { code: "THROTTLED" } }],
        extensions: {
          cost: {
            requestedQueryCost,
            actualQueryCost: null,
            throttleStatus: { maximumAvailable: 2_000, currentlyAvailable: 0, restoreRate: 100 }
          }
        }
      }
    })

  it.effect("a throttled query waits until the bucket holds what it asks for, and no longer", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([throttled(300)])
      const fiber = yield* Effect.forkChild(shop.refund(returned("R-1")), { startImmediately: true })
      yield* TestClock.adjust(2_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      expectOutcome(recording).of("refund", { outcome: "Applied", attempts: ["Throttled", "Success"] })
      assert.deepStrictEqual(
        fake.requests.map(({ at }) => at),
        [0, 3_000]
      )
      expectExecuted(fake).once("graphql.RefundOrder")
    }).pipe(Effect.provide(test))
  )

  it.effect("a wait that is too long ends the call, which says when to come back", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([throttled(1_000)])
      assert.deepStrictEqual(
        yield* Effect.flip(IntegrationTest.settle(shop.refund(returned("R-1")))),
        new ShopUnavailable({ outcome: "Refused", reason: "THROTTLED", retryAfter: Duration.seconds(10) })
      )
      expectOutcome(recording).of("refund", { errorType: "throttled", attempts: ["Throttled"] })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("the bucket is for all operations, and fills up with time", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      const read = shop.stockLevel({ item, location })
      // A read costs 3 points; an adjustment asks for 10.
      fake.state.bucket = { available: 12, at: 0 }
      yield* read
      yield* IntegrationTest.settle(shop.adjustStock(received(1)))
      expectOutcome(recording).of("adjustStock", { outcome: "Applied", attempts: ["Throttled", "Success"] })
      const [first, second] = fake.requests.slice(-2)
      assert.isAtLeast(second!.at - first!.at, 10)
      yield* TestClock.adjust("1 hour")
      yield* read
      assert.strictEqual(fake.state.bucket.available, 1_997)
    }).pipe(Effect.provide(test))
  )
})

describe("Shopify: what the wire does", () => {
  it.effect.each([
    { name: "a lost answer", fault: FaultInjection.responseLost, reason: "Disconnected" as const },
    { name: "a stalled body", fault: FaultInjection.stallInBody, reason: "BodyLost" as const },
    { name: "a cut body", fault: FaultInjection.cutBody, reason: "BodyLost" as const },
    {
      name: "a 502 after the fact",
      fault: FaultInjection.status(502, { executes: true }),
      reason: "Unavailable" as const
    },
    { name: "no answer", fault: FaultInjection.stallBeforeHeaders({ executes: true }), reason: "Timeout" as const }
  ])("after $name the same key brings the stored answer", ({ fault, reason }) =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([fault])
      const refund = yield* IntegrationTest.settle(shop.refund(returned("R-1")))
      assert.deepStrictEqual(refund, { refundCreate: { refund: { id: "gid://shopify/Refund/1" } } })
      expectOutcome(recording).of("refund", { outcome: "Applied", attempts: [reason, "Success"] })
      expectExecuted(fake).once("graphql.RefundOrder")
      assert.strictEqual(fake.requests[0]?.text, fake.requests[1]?.text)
      expectSpans(recording).without(accessToken)
    }).pipe(Effect.provide(test))
  )

  it.effect("an answer of another shape may have been an error: it is Unknown", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const fake = yield* FakeShopify
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.wrongShape()])
      const error = yield* Effect.flip(shop.refund(returned("R-1")))
      assert.deepInclude(error, { _tag: "ShopUnavailable", outcome: "Unknown" })
      expectOutcome(recording).of("refund", { errorType: "decode", attempts: ["InvalidResponse"] })
      expectExecuted(fake).once("graphql.RefundOrder")
    }).pipe(Effect.provide(test))
  )

  it.effect("nothing is booked twice, whatever the wire does", () =>
    FaultInjection.forSeeds({ runs: 60 }, (seed) =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const fake = yield* FakeShopify
        const faults = [
          ...FaultInjection.all,
          FaultInjection.duplicateDelivery(),
          FaultInjection.duplicateDelivery({ after: 700 })
        ]
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.5, faults }))
        const ended = new Map<number, Exit.Exit<unknown, { readonly _tag: string; readonly outcome?: string }>>()
        for (let delivery = 1; delivery <= 4; delivery++) {
          ended.set(delivery, yield* Effect.exit(IntegrationTest.settle(shop.adjustStock(received(delivery)))))
        }
        // What is still on its way arrives now.
        yield* TestClock.adjust("1 minute")
        for (const [delivery, exit] of ended) {
          const match = { payload: { input: { referenceDocumentUri: `gid://erp/Delivery/${delivery}` } } }
          const outcome = Exit.isSuccess(exit) ? "Applied" : Option.getOrThrow(Exit.findErrorOption(exit)).outcome
          if (outcome === "Applied") expectExecuted(fake).once("graphql.AdjustStock", match)
          else if (outcome !== "Unknown") expectExecuted(fake).never("graphql.AdjustStock", match)
        }
        const times = new Map<unknown, number>()
        for (const { key } of fake.ledger) times.set(key, (times.get(key) ?? 0) + 1)
        assert.deepStrictEqual(
          [...times.values()].filter((count) => count > 1),
          []
        )
        assert.strictEqual(fake.state.stock.get(place), 20 + 5 * fake.ledger.length)
      }).pipe(Effect.provide(test))
    )
  )
})
