import { assert, describe, it } from "@effect/vitest"
import { expectExecuted, expectOutcome, expectSpans, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Context, Effect, Fiber, Layer, Logger, Redacted, Result } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { setImmediate } from "node:timers/promises"
import {
  AlreadyReserved,
  connection,
  fromProvider,
  layerTarget,
  OutOfStock,
  ReservationRefused,
  Stock,
  StockUnavailable
} from "../../examples/providers/aws/integration.ts"
import { FakeDynamoDb, type Identity, role } from "../../examples/providers/aws/upstream.ts"

/** Where the credentials come from: one for each time that they are asked for, and the last one from then on. */
class Wallet extends Context.Service<Wallet, { readonly held: Array<Identity>; asked: number }>()("test/Wallet") {}

const test = Layer.unwrap(
  Effect.gen(function* () {
    const wallet = yield* Wallet
    const provider = async () => {
      wallet.asked++
      const [first] = wallet.held
      if (first === undefined) throw new Error("no-secret-may-leak")
      if (wallet.held.length > 1) wallet.held.shift()
      return first
    }
    return IntegrationTest.layer(Stock, FakeDynamoDb, connection(fromProvider(provider)))
  })
).pipe(
  Layer.provide(layerTarget),
  Layer.provideMerge(Layer.sync(Wallet, () => ({ held: [role], asked: 0 }))),
  Layer.provideMerge(Logger.layer([])),
  Layer.orDie
)

/** WebCrypto signs in real time: as long as it does, virtual time stands still. */
const settle = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fake = yield* FakeDynamoDb
    const wallet = yield* Wallet
    const fiber = yield* Effect.forkChild(call, { startImmediately: true })
    while (fiber.pollUnsafe() === undefined) {
      if (wallet.asked > fake.requests.length) yield* Effect.promise(() => setImmediate())
      else yield* TestClock.adjust(100)
    }
    return yield* Fiber.join(fiber)
  })

const order = (changes: { readonly order?: string; readonly sku?: string; readonly units?: number } = {}) => ({
  payload: { order: "order-42", sku: "hat", units: 2, ...changes }
})

const reserved = { ConsumedCapacity: [{ TableName: "shop-stock", CapacityUnits: 4 }] } as const

const unavailable = (outcome: StockUnavailable["outcome"], reason: string, request?: number) =>
  new StockUnavailable({
    outcome,
    reason,
    requestId: request === undefined ? undefined : `REQUEST${String(request).padStart(4, "0")}`
  })

const secondRole: Identity = {
  accessKeyId: "ASIANOTAREALKEY00002",
  secretAccessKey: "not/a/real/secret+of+the+second+role/002",
  sessionToken: "not-a-real-session-token-2"
}

const signatureOf = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => headers["authorization"]

describe("DynamoDB: what goes well", () => {
  it.effect("a reservation is one signed transaction with a token", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      assert.deepStrictEqual(yield* settle((yield* Stock).reserve(order())), reserved)
      const [request] = fake.requests
      assert.strictEqual(request?.method, "POST")
      assert.strictEqual(request.headers["content-type"], "application/x-amz-json-1.0")
      assert.strictEqual(request.headers["x-amz-target"], "DynamoDB_20120810.TransactWriteItems")
      assert.strictEqual(request.headers["x-amz-security-token"], role.sessionToken)
      assert.match(
        signatureOf(request) ?? "",
        /^AWS4-HMAC-SHA256 Credential=ASIANOTAREALKEY00001\/19700101\/eu-central-1\/dynamodb\/aws4_request, SignedHeaders=\S*x-amz-target\S*, Signature=[0-9a-f]{64}$/
      )
      assert.deepStrictEqual(JSON.parse(request.text), {
        ReturnConsumedCapacity: "TOTAL",
        TransactItems: [
          {
            Put: {
              TableName: "shop-stock",
              Item: { pk: { S: "order#order-42" }, orderId: { S: "order-42" }, sku: { S: "hat" }, units: { N: "2" } },
              ConditionExpression: "attribute_not_exists(pk)"
            }
          },
          {
            Update: {
              TableName: "shop-stock",
              Key: { pk: { S: "sku#hat" } },
              UpdateExpression: "SET available = available - :units",
              ConditionExpression: "available >= :units",
              ExpressionAttributeValues: { ":units": { N: "2" } }
            }
          }
        ],
        ClientRequestToken: request.key
      })
      assert.match(request.key ?? "", /^[0-9a-f]{32}$/)
      assert.strictEqual(fake.state.available.get("hat"), 8)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems", { payload: { order: "order-42" } })
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["Success"] })
      for (const secret of [role.secretAccessKey, role.sessionToken!, "order-42", "Signature="]) {
        expectSpans(recording).without(secret)
      }
    }).pipe(Effect.provide(test))
  )

  it.effect("a POST that only reads is repeated like any read, without a token", () =>
    Effect.gen(function* () {
      const stock = yield* Stock
      const fake = yield* FakeDynamoDb
      yield* fake.inject([FaultInjection.responseLost])
      assert.deepStrictEqual(yield* settle(stock.available({ payload: { sku: "hat" } })), {
        available: 10,
        capacity: 1
      })
      assert.deepStrictEqual(
        fake.requests.map(({ headers, key }) => [headers["x-amz-target"], key]),
        [
          ["DynamoDB_20120810.GetItem", undefined],
          ["DynamoDB_20120810.GetItem", undefined]
        ]
      )
      assert.deepStrictEqual(yield* settle(stock.available({ payload: { sku: "cap" } })), {
        available: undefined,
        capacity: 1
      })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )
})

describe("DynamoDB: a transaction that was canceled", () => {
  it.effect("for want of stock", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      const error = yield* Effect.flip(settle((yield* Stock).reserve(order({ units: 11 }))))
      assert.deepStrictEqual<unknown>(error, new OutOfStock({ sku: "hat" }))
      expectOutcome(recording).of("reserve", { outcome: "Refused", attempts: ["Declared"] })
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )

  it.effect("for a reason that nobody can mend", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      fake.state.cancellations.push(["ValidationError", "TransactionConflict"])
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle((yield* Stock).reserve(order()))),
        new ReservationRefused({ codes: ["ValidationError", "TransactionConflict"] })
      )
      assert.lengthOf(fake.requests, 1)
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    [["None", "TransactionConflict"], "NotProcessed"],
    [["None", "ThrottlingError"], "Throttled"],
    [["ProvisionedThroughputExceeded", "ThrottlingError"], "Throttled"],
    [["TransactionConflict", "ThrottlingError"], "NotProcessed"]
  ] as const)("because of others: it is repeated with the same token", ([codes, reason]) =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      fake.state.cancellations.push(codes)
      yield* settle((yield* Stock).reserve(order()))
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: [reason, "Success"] })
      assert.strictEqual(new Set(fake.requests.map(({ text }) => text)).size, 1)
    }).pipe(Effect.provide(test))
  )
})

describe("DynamoDB: throttling has status 400", () => {
  const names = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"]

  it.effect.each(names)("%s is repeated", (name) =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      fake.state.refusals.push(name)
      yield* settle((yield* Stock).reserve(order()))
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["Throttled", "Success"] })
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
    }).pipe(Effect.provide(test))
  )

  it.effect("for ever: it did not happen", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      fake.state.refusals.push(...names)
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle((yield* Stock).reserve(order()))),
        unavailable("Refused", "RequestLimitExceeded", 2)
      )
      expectExecuted(fake).never()
    }).pipe(Effect.provide(test))
  )
})

describe("DynamoDB: the token", () => {
  it.effect("a lost answer: the same token and bytes under another signature, and one reservation", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      // Signatures of one second are alike, so this one is missed for longer.
      yield* fake.inject([FaultInjection.stallBeforeHeaders({ executes: true })])
      yield* settle((yield* Stock).reserve(order()))
      const [first, second, ...others] = fake.requests
      assert.lengthOf(others, 0)
      assert.strictEqual(second?.text, first?.text)
      assert.strictEqual(second?.key, first?.key)
      assert.notStrictEqual(signatureOf(second!), signatureOf(first!))
      assert.notStrictEqual(second?.headers["x-amz-date"], first?.headers["x-amz-date"])
      assert.strictEqual(fake.state.available.get("hat"), 8)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["Timeout", "Success"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("a connection that is lost after the fact: the same", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.responseLost])
      assert.deepStrictEqual(yield* settle((yield* Stock).reserve(order())), reserved)
      assert.strictEqual(new Set(fake.requests.map(({ text }) => text)).size, 1)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["Disconnected", "Success"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("a failure of the server after the fact: the same", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      yield* fake.inject([FaultInjection.status(500, { executes: true })])
      assert.deepStrictEqual(yield* settle((yield* Stock).reserve(order())), reserved)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["Unavailable", "Success"] })
    }).pipe(Effect.provide(test))
  )

  it.effect("within 10 minutes the same order is the same reservation, and after that the table refuses it", () =>
    Effect.gen(function* () {
      const stock = yield* Stock
      const fake = yield* FakeDynamoDb
      yield* settle(stock.reserve(order()))
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(yield* settle(stock.reserve(order())), reserved)
      yield* settle(stock.reserve(order({ order: "order-43" })))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle(stock.reserve(order()))),
        new AlreadyReserved({ order: "order-42" })
      )
      assert.strictEqual(fake.state.available.get("hat"), 6)
      expectExecuted(fake).times(2, "DynamoDB_20120810.TransactWriteItems")
    }).pipe(Effect.provide(test))
  )

  it.effect("one that comes again with another quantity is not asked again", () =>
    Effect.gen(function* () {
      const stock = yield* Stock
      const fake = yield* FakeDynamoDb
      yield* settle(stock.reserve(order()))
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle(stock.reserve(order({ units: 3 })))),
        unavailable("Unknown", "IdempotentParameterMismatchException", 1)
      )
      assert.lengthOf(fake.requests, 2)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
    }).pipe(Effect.provide(test))
  )

  it.effect("one whose first request is at work: the repeat gets its answer", () =>
    Effect.gen(function* () {
      const stock = yield* Stock
      const fake = yield* FakeDynamoDb
      const recording = yield* IntegrationTest.Recording
      fake.state.latency = 2_000
      yield* settle(Effect.all([stock.reserve(order()), stock.reserve(order())], { concurrency: "unbounded" }))
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
      const second = recording.calls.find(({ attempts }) => attempts.length > 1)
      assert.deepStrictEqual(new Set(second?.attempts.map(({ reason }) => reason)), new Set(["InProgress", "Success"]))
    }).pipe(Effect.provide(test))
  )

  it.effect("over seeds: nothing is reserved twice, and no error denies a reservation", () =>
    FaultInjection.forSeeds({ runs: 40 }, (seed) =>
      Effect.gen(function* () {
        const fake = yield* FakeDynamoDb
        const stock = yield* Stock
        const faults = [...FaultInjection.all, FaultInjection.duplicateDelivery()]
        yield* fake.inject(FaultInjection.seeded({ seed, rate: 0.6, faults }))
        const ended = yield* Effect.result(settle(stock.reserve(order())))
        yield* TestClock.adjust("1 minute")
        const left = fake.state.available.get("hat")
        assert.include([8, 10], left)
        if (Result.isSuccess(ended)) assert.strictEqual(left, 8)
        else if (left === 8) {
          const { failure } = ended
          assert.include(["Unknown", "Applied"], failure._tag === "StockUnavailable" ? failure.outcome : failure._tag)
        }
      }).pipe(Effect.provide(test))
    )
  )
})

describe("DynamoDB: credentials", () => {
  it.effect("that have expired are asked for again: the same token, signed by another role", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const wallet = yield* Wallet
      const recording = yield* IntegrationTest.Recording
      fake.state.identities.splice(0, 1, { ...role, expiresAt: 0 }, secondRole)
      wallet.held.push(secondRole)
      yield* settle((yield* Stock).reserve(order()))
      expectOutcome(recording).of("reserve", { outcome: "Applied", attempts: ["NotProcessed", "Success"] })
      assert.deepStrictEqual(
        fake.requests.map(({ headers }) => headers["x-amz-security-token"]),
        [role.sessionToken, secondRole.sessionToken]
      )
      assert.strictEqual(new Set(fake.requests.map(({ text }) => text)).size, 1)
      for (const secret of [role.sessionToken!, secondRole.sessionToken!, secondRole.secretAccessKey]) {
        expectSpans(recording).without(secret)
      }
    }).pipe(Effect.provide(test))
  )

  it.effect("that change between a lost answer and its repeat", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const wallet = yield* Wallet
      fake.state.identities.push(secondRole)
      wallet.held.push(secondRole)
      yield* fake.inject([FaultInjection.responseLost])
      yield* settle((yield* Stock).reserve(order()))
      assert.strictEqual(new Set(fake.requests.map(({ key }) => key)).size, 1)
      assert.strictEqual(fake.requests[1]?.headers["x-amz-security-token"], secondRole.sessionToken)
      expectExecuted(fake).once("DynamoDB_20120810.TransactWriteItems")
    }).pipe(Effect.provide(test))
  )

  it.effect("that stay expired: it did not happen", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      fake.state.identities.splice(0, 1, { ...role, expiresAt: 0 })
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle((yield* Stock).reserve(order()))),
        unavailable("Refused", "ExpiredTokenException", 2)
      )
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    ["UnrecognizedClientException", { ...role, accessKeyId: "ASIANOBODY" }],
    ["UnrecognizedClientException", { ...role, sessionToken: "another-session" }],
    ["InvalidSignatureException", { ...role, secretAccessKey: "another-secret" }]
  ] as const)("%s: nothing was done, and nothing is repeated", ([name, identity]) =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const wallet = yield* Wallet
      const recording = yield* IntegrationTest.Recording
      wallet.held.splice(0, 1, identity)
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle((yield* Stock).reserve(order()))),
        unavailable("Refused", name, 0)
      )
      assert.lengthOf(fake.requests, 1)
      expectSpans(recording).without(identity.secretAccessKey)
      expectSpans(recording).without(identity.sessionToken!)
    }).pipe(Effect.provide(test))
  )

  it.effect("that can't be got: nothing was sent, and nobody is told why", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const wallet = yield* Wallet
      const recording = yield* IntegrationTest.Recording
      wallet.held.splice(0)
      assert.deepStrictEqual<unknown>(
        // Nothing is signed, so nothing has to wait for it.
        yield* Effect.flip(IntegrationTest.settle((yield* Stock).reserve(order()))),
        unavailable("NotSent", "the credentials could not be read")
      )
      assert.lengthOf(fake.requests, 0)
      expectSpans(recording).without("no-secret-may-leak")
    }).pipe(Effect.provide(test))
  )

  it.effect("that were revoked after a lost answer do not tell that nothing happened", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const wallet = yield* Wallet
      wallet.held.push({ ...role, accessKeyId: "ASIANOBODY" })
      yield* fake.inject([FaultInjection.responseLost])
      assert.deepStrictEqual<unknown>(
        yield* Effect.flip(settle((yield* Stock).reserve(order()))),
        unavailable("Unknown", "UnrecognizedClientException", 1)
      )
      assert.strictEqual(fake.state.available.get("hat"), 8)
    }).pipe(Effect.provide(test))
  )
})

describe("DynamoDB: the fake verifies what it gets", () => {
  const replay = (
    changes: {
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly without?: string
    } = {}
  ) =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      const { headers, text, url } = fake.requests[0]!
      const { "content-length": _length, ...kept } = { ...headers, ...changes.headers }
      const sent = Object.fromEntries(Object.entries(kept).filter(([name]) => name !== changes.without))
      const request = HttpClientRequest.post(url, { headers: sent }).pipe(
        HttpClientRequest.bodyText(changes.body ?? text, headers["content-type"])
      )
      const response = yield* HttpClient.execute(request).pipe(Effect.provide(fake.layer))
      return [response.status, yield* response.text] as const
    })

  const errorOf = (text: string): unknown => JSON.parse(text).__type

  it.effect("a request as it was sent, for 5 minutes", () =>
    Effect.gen(function* () {
      yield* settle((yield* Stock).reserve(order()))
      assert.deepStrictEqual(yield* replay(), [200, JSON.stringify(reserved)])
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* replay())[0], 200)
      yield* TestClock.adjust("1 second")
      const [status, text] = yield* replay()
      assert.strictEqual(status, 400)
      assert.match(text, /InvalidSignatureException.*Signature expired: 19700101T000000Z/)
    }).pipe(Effect.provide(test))
  )

  it.effect.each([
    [{ body: '{"TransactItems":[]}' }, "UnknownOperationException"],
    [{ headers: { "x-amz-target": "DynamoDB_20120810.GetItem" } }, "UnknownOperationException"],
    [{ headers: { "x-amz-extra": "not signed" } }, "InvalidSignatureException"],
    [{ headers: { "x-amz-date": "19700101T000001Z" } }, "InvalidSignatureException"],
    [{ without: "authorization" }, "MissingAuthenticationTokenException"],
    [{ without: "x-amz-date" }, "IncompleteSignatureException"],
    [{ without: "x-amz-security-token" }, "UnrecognizedClientException"]
  ] as const)("%j", ([changes, name]) =>
    Effect.gen(function* () {
      yield* settle((yield* Stock).reserve(order()))
      const [status, text] = yield* replay(changes)
      assert.deepStrictEqual([status, errorOf(text)], [400, `com.amazon.coral.service#${name}`])
    }).pipe(Effect.provide(test))
  )

  it.effect("another body under the signature of the first", () =>
    Effect.gen(function* () {
      const fake = yield* FakeDynamoDb
      yield* settle((yield* Stock).reserve(order()))
      const body = fake.requests[0]!.text.replaceAll('"2"', '"9"')
      const [, text] = yield* replay({ body })
      assert.strictEqual(errorOf(text), "com.amazon.coral.service#InvalidSignatureException")
      assert.strictEqual(fake.state.available.get("hat"), 8)
    }).pipe(Effect.provide(test))
  )
})

describe("DynamoDB: fromProvider", () => {
  it.effect("gives what a provider of AWS's SDK gives, and hides it", () =>
    Effect.gen(function* () {
      const temporary = yield* fromProvider(async () => role)
      assert.strictEqual(Redacted.value(temporary.secretAccessKey), role.secretAccessKey)
      assert.notInclude(JSON.stringify(temporary), role.secretAccessKey)
      assert.notInclude(JSON.stringify(temporary), role.sessionToken!)
      const forGood = yield* fromProvider(async () => ({ accessKeyId: "AKIA", secretAccessKey: "s" }))
      assert.isUndefined(forGood.sessionToken)
    })
  )
})
