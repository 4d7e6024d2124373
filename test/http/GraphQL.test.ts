// GraphQL documents as operations, over sockets: what is sent, and what each answer comes to.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, type Outcome, Policy, type Reason } from "breakwater"
import { GraphQL, HttpIntegration } from "breakwater/http"
import { IntegrationTest } from "breakwater/testing"
import { Context, Data, Duration, Effect, Exit, Layer, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { oneOf, tries } from "../properties/support.ts"
import { json, once, quiet, type Script, type Seen, seen, serve, undici } from "./wire.ts"

class Partly extends Data.TaggedError("Partly")<{ readonly errors: GraphQL.Errors["errors"] }> {}
class NotRefunded extends Data.TaggedError("NotRefunded")<{ readonly why: string }> {}

const Stock = Schema.Struct({ item: Schema.Struct({ id: Schema.String, quantity: Schema.Int }) })
const Refund = Schema.Struct({ refundCreate: Schema.Struct({ id: Schema.String }) })
const partly = { GraphqlErrors: ({ errors }: GraphQL.Errors) => new Partly({ errors }) }

const stock = {
  document: `# The quantity of one item.
    query Stock($id: ID!) { item(id: $id) { id quantity } }`,
  variables: Schema.Struct({ id: Schema.String }),
  data: Stock
}
const refund = {
  document: `mutation Refund($order: ID!, $idempotencyKey: String!) {
    refundCreate(order: $order) @idempotent(key: $idempotencyKey) { id userErrors { code field message } }
  }`,
  variables: Schema.Struct({ order: Schema.String }),
  data: Refund
}
const keyed = Idempotency.keyed(({ order }: { readonly order: string }) => IdempotencyKey.derive("refund", order), {
  lifetime: "24 hours",
  placement: Idempotency.graphqlDirective()
})
const refunding = {
  ...refund,
  errors: GraphQL.userErrors("refundCreate"),
  idempotency: keyed,
  translate: {
    ...partly,
    UserErrors: ({ userErrors: [first] }: GraphQL.UserErrors) => new NotRefunded({ why: first.message })
  }
}

const defaults = { policy: once(), exhausted: Exhaustion.fail, orElse: seen }

class Shop extends Integration.Service<Shop>()(
  "test/Shop",
  {
    ...defaults,
    classify: GraphQL.codes({ refused: ["ACCESS_DENIED"], inProgress: ["BUSY"], keyConflict: ["REUSED"] })
  },
  {
    stock: GraphQL.query("Stock", { ...stock, translate: partly }),
    // The schema allows what may fail.
    some: GraphQL.query("Stock", {
      ...stock,
      path: "/api/graphql.json",
      data: Schema.Struct({
        item: Schema.NullOr(Schema.Struct({ id: Schema.String, quantity: Schema.NullOr(Schema.Int) }))
      }),
      partial: "accept"
    }),
    version: GraphQL.query("Version", {
      document: "query Version { version }",
      data: Schema.Struct({ version: Schema.String }),
      translate: partly
    }),
    refund: GraphQL.mutation("Refund", refunding)
  }
) {}

/** A client of a server that gives these answers, in order. */
const shop = (...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const wire = yield* serve(...scripts)
    const layer = HttpIntegration.layer(Shop, { baseUrl: wire.url }).pipe(Layer.provide(undici))
    const built = yield* Layer.build(IntegrationTest.record(layer).pipe(Layer.provideMerge(quiet)))
    const recording = Context.get(built, IntegrationTest.Recording)
    const run = <A, E>(self: Effect.Effect<A, E>) => Effect.provideContext(self, built)
    return { ...Context.get(built, Shop), wire, recording, run }
  })

type Client = Effect.Success<ReturnType<typeof shop>>

/** What a failed call came to, as its record says. */
const failed = (client: Client, call: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(client.run(call))
    const record = client.recording.calls.at(-1)!
    return { error, outcome: record.outcome, reason: record.attempts.at(-1)?.reason }
  })

const item = { id: "1", quantity: 3 }
const error = (code?: string, more?: object) => ({
  message: "the customer's secret",
  ...(code === undefined ? {} : { extensions: { code } }),
  ...more
})

describe("GraphQL: what is sent", () => {
  it.effect("a document, its name and its variables, as a POST that takes both media types", () =>
    Effect.gen(function* () {
      const client = yield* shop(
        json(200, { data: { item } }),
        json(200, { data: { version: "1" } }),
        json(200, { data: { item } })
      )
      assert.deepStrictEqual(yield* client.run(client.stock({ id: "1" })), { item })
      assert.deepStrictEqual(yield* client.run(client.version()), { version: "1" })
      assert.deepStrictEqual(yield* client.run(client.some({ id: "1" })), { data: { item }, errors: [] })
      const [first, second, third] = client.wire.requests
      assert.strictEqual(`${first!.method} ${first!.url}`, "POST /graphql")
      assert.strictEqual(first!.headers.accept, "application/graphql-response+json, application/json;q=0.9")
      assert.strictEqual(first!.headers["content-type"], "application/json")
      assert.deepStrictEqual(JSON.parse(first!.text), {
        operationName: "Stock",
        query: stock.document,
        variables: { id: "1" }
      })
      assert.deepStrictEqual(JSON.parse(second!.text), {
        operationName: "Version",
        query: "query Version { version }",
        variables: {}
      })
      assert.strictEqual(third!.url, "/api/graphql.json")
    })
  )

  it.effect("the key of a mutation, as one of its variables", () =>
    Effect.gen(function* () {
      const client = yield* shop(json(200, { data: { refundCreate: { id: "r" } } }))
      assert.deepStrictEqual(yield* client.run(client.refund({ order: "7" })), { refundCreate: { id: "r" } })
      yield* client.run(client.refund({ order: "7" }))
      const [first, again] = client.wire.requests.map(({ text }) => JSON.parse(text).variables)
      assert.strictEqual(first.order, "7")
      assert.match(first.idempotencyKey, /^[0-9a-f-]{36}$/)
      assert.deepStrictEqual(again, first)
    })
  )
})

describe("GraphQL: errors at 200", () => {
  it.effect("beside data, under fail: codes and paths, and for a mutation nobody knows", () =>
    Effect.gen(function* () {
      const errors = [error("FORBIDDEN", { path: ["item", "stock", 0, "quantity"] }), error()]
      const client = yield* shop(json(200, { data: { item: { id: "1", quantity: 3 } }, errors }))
      const expected = new Partly({
        errors: [
          { code: "FORBIDDEN", path: "item.stock.0.quantity" },
          { code: undefined, path: undefined }
        ]
      })
      assert.deepStrictEqual((yield* failed(client, client.stock({ id: "1" }))).error, expected)
      const mutation = yield* failed(client, client.refund({ order: "7" }))
      assert.deepStrictEqual([mutation.error, mutation.outcome, mutation.reason], [expected, "Unknown", "Declared"])
    })
  )

  it.effect("beside data, under accept: both", () =>
    Effect.gen(function* () {
      const errors = [error("FORBIDDEN", { path: ["item", "quantity"] })]
      const client = yield* shop(json(200, { data: { item: { id: "1", quantity: null } }, errors }))
      assert.deepStrictEqual(yield* client.run(client.some({ id: "1" })), {
        data: { item: { id: "1", quantity: null } },
        errors
      })
    })
  )

  it.effect("in the payload of a mutation: a declared error, and nothing happened", () =>
    Effect.gen(function* () {
      const userErrors = [{ code: "TOO_LATE", field: ["order"], message: "The order is too old" }]
      const client = yield* shop(json(200, { data: { refundCreate: { id: null, userErrors } } }))
      const { error, outcome, reason } = yield* failed(client, client.refund({ order: "7" }))
      assert.deepStrictEqual(
        [error, outcome, reason],
        [new NotRefunded({ why: "The order is too old" }), "Refused", "Declared"]
      )
    })
  )

  it.effect("a refusal in the payload with an error beside it proves nothing", () =>
    Effect.gen(function* () {
      const userErrors = [{ message: "no" }]
      const client = yield* shop(json(200, { data: { refundCreate: { userErrors } }, errors: [error("ODD")] }))
      const { error: given, outcome } = yield* failed(client, client.refund({ order: "7" }))
      assert.deepStrictEqual([given, outcome], [new Partly({ errors: [{ code: "ODD", path: undefined }] }), "Unknown"])
    })
  )

  interface Case {
    readonly name: string
    readonly status?: number
    readonly body: object
    readonly reason: Reason.Tag
    readonly outcome: Outcome.Outcome
  }
  const cases: ReadonlyArray<Case> = [
    {
      name: "a code of validation",
      body: { errors: [error("GRAPHQL_VALIDATION_FAILED")] },
      reason: "Rejected",
      outcome: "Refused"
    },
    {
      name: "a code that the integration knows",
      body: { errors: [error("ACCESS_DENIED")] },
      reason: "Rejected",
      outcome: "Refused"
    },
    {
      name: "the same, with the one field null",
      body: { errors: [error("ACCESS_DENIED", { path: ["refundCreate"] })], data: { refundCreate: null } },
      reason: "Rejected",
      outcome: "Refused"
    },
    {
      name: "the same, deep in a field",
      body: { errors: [error("ACCESS_DENIED", { path: ["refundCreate", "id"] })], data: { refundCreate: null } },
      reason: "Declared",
      outcome: "Unknown"
    },
    {
      name: "the same, beside a null that has no error of its own",
      body: { errors: [error("ACCESS_DENIED", { path: ["refundCreate"] })], data: { refundCreate: null, other: null } },
      reason: "Declared",
      outcome: "Unknown"
    },
    {
      name: "the same, with null for data",
      body: { errors: [error("ACCESS_DENIED")], data: null },
      reason: "Rejected",
      outcome: "Unknown"
    },
    {
      name: "the same, and another code",
      body: { errors: [error("ACCESS_DENIED"), error("ODD")] },
      reason: "Rejected",
      outcome: "Unknown"
    },
    { name: "an unknown code", body: { errors: [error("ODD")] }, reason: "Rejected", outcome: "Unknown" },
    { name: "no code", body: { errors: [error()] }, reason: "Rejected", outcome: "Unknown" },
    {
      name: "errors that are no list",
      body: { errors: "no", data: { refundCreate: { id: "1" } } },
      reason: "Declared",
      outcome: "Unknown"
    },
    {
      name: "an internal error",
      body: { errors: [error("INTERNAL_SERVER_ERROR")] },
      reason: "Unavailable",
      outcome: "Unknown"
    },
    {
      name: "a key at work",
      body: { errors: [error("BUSY")], data: { refundCreate: null } },
      reason: "InProgress",
      outcome: "Unknown"
    },
    { name: "a key of something else", body: { errors: [error("REUSED")] }, reason: "KeyConflict", outcome: "Unknown" },
    { name: "throttling", body: { errors: [error("THROTTLED")] }, reason: "Throttled", outcome: "Refused" },
    {
      name: "throttling in GitHub's words",
      body: { errors: [{ type: "RATE_LIMITED", message: "…" }] },
      reason: "Throttled",
      outcome: "Refused"
    },
    {
      name: "throttling of a part",
      body: { errors: [error("THROTTLED", { path: ["refundCreate", "id"] })], data: { refundCreate: { id: null } } },
      reason: "Declared",
      outcome: "Unknown"
    },
    {
      name: "400, without data",
      status: 400,
      body: { errors: [error("ODD")] },
      reason: "Rejected",
      outcome: "Refused"
    },
    {
      name: "400, with data",
      status: 400,
      body: { errors: [error("ODD")], data: { refundCreate: { id: "1" } } },
      reason: "Rejected",
      outcome: "Unknown"
    },
    {
      name: "400, with null for data",
      status: 400,
      body: { errors: [error("ACCESS_DENIED")], data: null },
      reason: "Rejected",
      outcome: "Unknown"
    },
    {
      name: "400 that is throttling",
      status: 400,
      body: { errors: [error("THROTTLED")] },
      reason: "Throttled",
      outcome: "Refused"
    },
    { name: "500", status: 500, body: { errors: [error("ODD")] }, reason: "Unavailable", outcome: "Unknown" },
    { name: "another shape", body: { data: { refundCreate: {} } }, reason: "InvalidResponse", outcome: "Unknown" }
  ]
  it.effect.each(cases)("of a mutation: $name", ({ body, outcome, reason, status = 200 }) =>
    Effect.gen(function* () {
      for (const type of ["application/json", "application/graphql-response+json; charset=utf-8"]) {
        const client = yield* shop(json(status, body, { "content-type": type }))
        const seen = yield* failed(client, client.refund({ order: "7" }))
        assert.deepStrictEqual([seen.reason, seen.outcome], [reason, outcome])
      }
    })
  )

  it.effect("a query that is throttled with null for data is throttled", () =>
    Effect.gen(function* () {
      const client = yield* shop(json(200, { errors: [error("THROTTLED")], data: null }))
      assert.strictEqual((yield* failed(client, client.stock({ id: "1" }))).reason, "Throttled")
      assert.strictEqual((yield* failed(client, client.refund({ order: "7" }))).outcome, "Unknown")
    })
  )

  it.effect("a query was refused where its status says so, whatever stands beside", () =>
    Effect.gen(function* () {
      for (const data of [null, { item }]) {
        const client = yield* shop(json(401, { errors: [error("UNAUTHENTICATED")], data }))
        const { outcome, reason } = yield* failed(client, client.stock({ id: "1" }))
        assert.deepStrictEqual([reason, outcome], ["Rejected", "Refused"])
        assert.strictEqual((yield* failed(client, client.refund({ order: "7" }))).outcome, "Unknown")
      }
    })
  )

  it.effect("what an answer says has no place in a span or a record but for its codes and paths", () =>
    Effect.gen(function* () {
      const errors = [error("ODD", { path: ["item", "a name with secret spaces"] })]
      const client = yield* shop(
        json(200, { errors }),
        json(200, { errors, data: { item } }),
        json(200, { data: { refundCreate: { userErrors: errors } } })
      )
      const reasons = [
        yield* failed(client, client.stock({ id: "variable-1" })),
        yield* failed(client, client.stock({ id: "variable-1" })),
        yield* failed(client, client.refund({ order: "variable-2" }))
      ]
      assert.deepInclude(reasons[0]!.error, { _tag: "Seen" })
      const { failure } = reasons[0]!.error as Seen
      assert.strictEqual(failure.reason.message, "ODD at item.?")
      assert.deepStrictEqual(GraphQL.errorsOf(failure), [{ code: "ODD", path: "item.?" }])
      const spans = client.recording.spans
        .map((span) =>
          JSON.stringify(
            [span.name, [...span.attributes], (span as { readonly events?: unknown }).events, span.status],
            (_, value) => (typeof value === "bigint" ? String(value) : value)
          )
        )
        .join("\n")
      const told = spans + client.recording.timeline()
      for (const secret of ["secret", "variable-", "quantity", "mutation Refund", "query Stock"])
        assert.notInclude(told, secret)
      const attempt = client.recording.spans.find(({ name }) => name === "POST /graphql")!
      assert.strictEqual(attempt.attributes.get("graphql.operation.name"), "Stock")
      assert.strictEqual(attempt.attributes.get("graphql.operation.type"), "query")
    })
  )
})

describe("GraphQL: the cost of a document", () => {
  const cost = (requestedQueryCost: number, currentlyAvailable: number, actualQueryCost: number | null) => ({
    extensions: {
      cost: {
        requestedQueryCost,
        actualQueryCost,
        throttleStatus: { maximumAvailable: 1_000, currentlyAvailable, restoreRate: 50 }
      }
    }
  })

  it.effect("throttled: until the bucket holds what was asked for", () =>
    Effect.gen(function* () {
      const throttled = { errors: [error("THROTTLED")] }
      const client = yield* shop(
        json(200, { ...throttled, ...cost(120, 20, null) }),
        json(200, { ...throttled, ...cost(1_001, 900, null) }),
        json(200, throttled)
      )
      const waits = []
      for (let n = 0; n < 3; n++) {
        const { error, reason } = yield* failed(client, client.stock({ id: "1" }))
        const { retryAfter } = (error as Seen).failure.reason
        waits.push([reason, retryAfter === undefined ? undefined : Duration.toMillis(retryAfter)])
      }
      // What is more than a bucket can hold is never answered.
      assert.deepStrictEqual(waits, [
        ["Throttled", 2_000],
        ["Rejected", undefined],
        ["Throttled", undefined]
      ])
    })
  )

  it.effect("each answer tells the rate limit: with an empty bucket the next call waits here, and not there", () =>
    Effect.gen(function* () {
      const answers = [
        { data: { version: "1" }, ...cost(100, 0, 100) },
        { data: { version: null }, errors: [error("ODD")], ...cost(100, 0, 100) },
        { data: { version: "1" }, ...cost(100, 900, 100) }
      ]
      const sent: Array<number> = []
      for (const body of answers) {
        const wire = yield* serve(json(200, body))
        class Limited extends Integration.Service<Limited>()(
          "test/Limited",
          {
            ...defaults,
            policy: Policy.stack(once(), Policy.rateLimit({ limit: 1_000, window: "1 second", maxWait: 0 }))
          },
          {
            version: GraphQL.query("Version", {
              document: "query Version { version }",
              data: Schema.Struct({ version: Schema.String }),
              translate: partly
            })
          }
        ) {}
        const built = yield* Layer.build(
          HttpIntegration.layer(Limited, { baseUrl: wire.url }).pipe(Layer.provide(undici))
        )
        const { version } = Context.get(built, Limited)
        yield* Effect.exit(version())
        yield* Effect.exit(version())
        sent.push(wire.requests.length)
      }
      assert.deepStrictEqual(sent, [1, 1, 2])
    })
  )
})

describe("GraphQL: documents that are refused when the layer is built", () => {
  const problemsOf = (kind: "query" | "mutation", document: string, more: object = {}) =>
    Effect.gen(function* () {
      const options = { ...refunding, document, ...more }
      const operation =
        kind === "query" ? GraphQL.query("Refund", options as typeof refunding) : GraphQL.mutation("Refund", options)
      class Bad extends Integration.Service<Bad>()("test/Bad", defaults, { operation }) {}
      const exit = yield* Effect.exit(
        Layer.build(HttpIntegration.layer(Bad, { baseUrl: "https://api.test" }).pipe(Layer.provide(undici)))
      )
      if (Exit.isSuccess(exit)) return []
      const failure = yield* Effect.flip(exit)
      return failure._tag === "PolicyError" ? failure.problems : [failure._tag]
    })
  const key = "$idempotencyKey"

  it.effect.each<readonly [name: string, kind: "query" | "mutation", document: string, problem: string]>([
    [
      "a mutation as a query",
      "query",
      refund.document,
      "Refund is a mutation in its document: it can't be given to GraphQL.query"
    ],
    [
      "a query as a mutation",
      "mutation",
      "query Refund { a }",
      "Refund is a query in its document: it can't be given to GraphQL.mutation"
    ],
    [
      "a subscription",
      "mutation",
      "# a\nsubscription Refund { a }",
      "Refund is a subscription in its document: it can't be given to GraphQL.mutation"
    ],
    ["another name", "mutation", "mutation Refunds { a }", "the document has no mutation that is named Refund"],
    ["no document", "query", "", "the document has no query that is named Refund"],
    [
      "a name in a comment",
      "mutation",
      "# mutation Refund { a }\nmutation Other { a }",
      "the document has no mutation that is named Refund"
    ],
    [
      "no variable for the key",
      "mutation",
      `mutation Refund { a @idempotent(key: ${key}) }`,
      `the key is written to ${key}, which Refund does not declare`
    ],
    [
      "no directive",
      "mutation",
      `mutation Refund(${key}: String!) { a(key: ${key}) { b @include(if: ${key}) } }`,
      `the key is written to ${key}, which no directive is given, such as @idempotent(key: ${key})`
    ],
    [
      "a directive in a string",
      "mutation",
      `mutation Refund(${key}: String!) { a(note: "@idempotent(key: ${key})") }`,
      `the key is written to ${key}, which no directive is given, such as @idempotent(key: ${key})`
    ],
    [
      "two fields, of which one may be refused",
      "mutation",
      `mutation Refund(${key}: String!) { x: a @idempotent(key: ${key}) { id } b }`,
      "its errors say that nothing happened, and Refund has 2 fields, of which others may have: give each its own mutation"
    ]
  ])("%s", ([, kind, document, problem]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf(kind, document), [problem])
    })
  )

  it.effect("a mutation without idempotency, from who does not compile", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("mutation", refund.document, { idempotency: undefined }), [
        "a mutation must say how a repeat is made safe: give idempotency"
      ])
    })
  )

  it.effect.each([
    refund.document,
    `fragment F on Refund { id } mutation Refund ( $in: In = { a: { b: "}" } }, ${key} : String! ) { a(in: $in) @idempotent ( key: ${key} ) { ...F } }`,
    `mutation Refund(${key}: String!) @idempotent(key: ${key}) { a(note: """a "quoted" \\""" block {""") }`
  ])("and one that is fine: %s", (document) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("mutation", document), [])
    })
  )
})

describe("GraphQL: any answer", () => {
  const whole = { data: { item } }
  const data = [whole, { data: { item: null } }, { data: null }, {}]
  const good = [{}, { errors: null }, { errors: [] }]
  const bad = [
    { errors: [error("ODD", { path: ["item"] })] },
    { errors: [{}] },
    { errors: [null] },
    { errors: "no" },
    { errors: "" },
    { errors: {} },
    { errors: false },
    { errors: [error("THROTTLED")] },
    { errors: [error("INTERNAL_SERVER_ERROR"), error("ACCESS_DENIED")] }
  ]
  it.effect.prop(
    "under fail, one with errors is never a success, and one without them is read by its data",
    {
      data: oneOf(data),
      errors: oneOf([...good, ...bad]),
      status: oneOf([200, 200, 200, 201, 203, 400, 500]),
      type: oneOf([
        "application/json",
        "application/graphql-response+json",
        "text/plain",
        "application/octet-stream",
        ""
      ]),
      mutation: oneOf([false, true])
    },
    ({ data, errors, mutation, status, type }) =>
      Effect.gen(function* () {
        const body = {
          ...(mutation && data === whole ? { data: { refundCreate: { id: "1" } } } : data),
          ...errors
        }
        const client = HttpClient.make((request) =>
          Effect.succeed(
            HttpClientResponse.fromWeb(
              request,
              new Response(new TextEncoder().encode(JSON.stringify(body)), {
                status,
                headers: type === "" ? {} : { "content-type": type }
              })
            )
          )
        )
        const built = yield* Layer.build(
          HttpIntegration.layer(Shop, { baseUrl: "https://api.test" }).pipe(
            Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
          )
        )
        const shop = Context.get(built, Shop)
        const exit = yield* Effect.exit<unknown, unknown, never>(
          mutation ? shop.refund({ order: "1" }) : shop.stock({ id: "1" })
        )
        if (bad.some((one) => one === errors)) assert.isTrue(Exit.isFailure(exit))
        else if (status === 200 && type.endsWith("json")) assert.strictEqual(Exit.isSuccess(exit), data === whole)
      }),
    tries(300)
  )
})
