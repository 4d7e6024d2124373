import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import {
  expectExecuted,
  expectOutcome,
  expectSpans,
  FaultInjection,
  IntegrationTest,
  KeyWindow,
  Timeline,
  Upstream
} from "breakwater/testing"
import { Data, Effect, Layer, Logger, Redacted, Schema, Tracer } from "effect"
import { HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

const Charge = Schema.Struct({ id: Schema.String })

class Bank extends HttpApi.make("bank").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/charges/:id", { params: { id: Schema.String }, success: Charge }),
    HttpApiEndpoint.post("create", "/charges", {
      payload: Schema.Struct({ order: Schema.String, amount: Schema.Int }),
      success: Charge
    }),
    HttpApiEndpoint.delete("drop", "/charges/:id", { params: { id: Schema.String } })
  )
) {}

class Down extends Data.TaggedError("Down") {}

const keyOf = (order: string) => IdempotencyKey.derive("charge", order)

class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
  {
    charge: HttpOperation.endpoint(Bank, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => keyOf(payload.order), { lifetime: "24 hours" })
    }),
    find: HttpOperation.endpoint(Bank, "charges", "get"),
    drop: HttpOperation.endpoint(Bank, "charges", "drop")
  }
) {}

class FakeBank extends Upstream.Service<FakeBank>()("test/Bank", Bank, {
  keys: KeyWindow.make(),
  handlers: { charges: { create: ({ payload }) => Effect.succeed({ id: `ch_${payload.order}` }) } }
}) {}

const layer = Layer.mergeAll(IntegrationTest.layer(Payments, FakeBank), Logger.layer([]))
const order = (order: string, amount = 42) => ({ payload: { order, amount } })

interface Assertion extends Error {
  readonly actual: unknown
  readonly expected: unknown
}

/** The failed assertion, or a failure because there was none. */
const failed = (claim: () => void): Assertion => {
  let thrown: unknown
  try {
    claim()
  } catch (error) {
    thrown = error
  }
  assert.instanceOf(thrown, Error, "the claim held")
  const error = thrown as Assertion
  assert.strictEqual(error.name, "AssertionError")
  // A runner shows where the test made its claim.
  assert.match(
    error.stack!.split("\n").find((line) => line.trim().startsWith("at "))!,
    /Expect\.test\.ts/
  )
  return error
}

/** What a claim that does not hold says, above its timeline. */
const saysOf = (claim: () => void): string => failed(claim).message.split("\n\n")[0]!

describe("expectExecuted", () => {
  /** Two orders, one of them after a lost answer, and a deletion. */
  const executed = Effect.gen(function* () {
    const bank = yield* FakeBank
    const payments = yield* Payments
    yield* bank.inject([undefined, FaultInjection.responseLost])
    yield* payments.charge(order("o-1"))
    yield* IntegrationTest.settle(payments.charge(order("o-2", 7)))
    yield* payments.drop({ params: { id: "ch_1" } })
    yield* payments.find({ params: { id: "ch_1" } })
    return { bank, expects: expectExecuted(bank) }
  })

  it.effect("what holds is silent", () =>
    Effect.gen(function* () {
      const { expects } = yield* executed
      expects.once("charges.create", { payload: { order: "o-1" } })
      expects.once("charges.create", { key: IdempotencyKey.toText(keyOf("o-2")) })
      expects.once("charges.create", { payload: { order: "o-2", amount: (amount: unknown) => amount === 7 } })
      expects.once("charges.drop", { params: { id: "ch_1" } })
      expects.once("charges.drop")
      expects.times(2, "charges.create")
      expects.times(2, "charges.create", {})
      expects.times(0, "charges.create", { payload: { order: "o-3" } })
      expects.never("charges.get")
      expects.never("charges.create", { payload: { order: "o-1", amount: 43 } })
      expects.never(undefined, { payload: { order: "o-3" } })
      expects.inOrder(["charges.create", "charges.create", "charges.drop"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("what does not hold says what was asked, what was there, and what was there instead", () =>
    Effect.gen(function* () {
      const { expects } = yield* executed
      const keys = ["o-1", "o-2"].map((order) => IdempotencyKey.toText(keyOf(order)))
      const one = `{"key":"${keys[0]}","payload":{"order":"o-1","amount":42}}`
      const two = `{"key":"${keys[1]}","payload":{"order":"o-2","amount":7}}`
      const says = [
        saysOf(() => expects.once("charges.create")),
        saysOf(() => expects.once("charges.get")),
        saysOf(() => expects.times(1, "charges.drop", { params: { id: "ch_2" } })),
        saysOf(() => expects.never("charges.drop")),
        saysOf(() => expects.never()),
        saysOf(() => expects.never(undefined, { key: keys[0] })),
        saysOf(() => expects.once("charges.create", { payload: { amount: () => false } })),
        saysOf(() => expects.inOrder(["charges.drop"]))
      ].map((text) => text.replaceAll(/"headers":\{[^}]*\},/g, ""))
      assert.deepStrictEqual(says, [
        "expected charges.create to be executed once, but it was executed 2 times",
        "expected charges.get to be executed once, but it was executed 0 times",
        'expected charges.drop with {"params":{"id":"ch_2"}} to be executed 1 time, but it was executed 0 times; ' +
          'otherwise with {"params":{"id":"ch_1"}}',
        "expected charges.drop to be executed never, but it was executed 1 time",
        "expected nothing to be executed, but there were 3 changes",
        "expected nothing to be executed, but there was 1 change",
        'expected charges.create with {"payload":{"amount":"(decided by a function)"}} to be executed once, ' +
          `but it was executed 0 times; otherwise with ${one}, ${two}`,
        'expected ["charges.drop"] to be executed in this order, but it was ' +
          '["charges.create","charges.create","charges.drop"]'
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("and shows the calls that were observed, and what the provider saw", () =>
    Effect.gen(function* () {
      const { bank, expects } = yield* executed
      const { message } = failed(() => expects.never())
      assert.strictEqual(
        message,
        `expected nothing to be executed, but there were 3 changes\n\n${Timeline.formatAll(bank)}\n`
      )
      assert.match(
        message,
        /shop\/Payments charge: ok_after_retry[^]*Disconnected[^]*Success[^]*request 2: .*ResponseLost/
      )
      const order = failed(() => expects.inOrder([]))
      assert.deepStrictEqual([order.actual, order.expected], [["charges.create", "charges.create", "charges.drop"], []])
    }).pipe(Effect.provide(layer))
  )

  it("of any double, without an integration", () => {
    const provider = FaultInjection.make({ respond: () => ({}) })
    expectExecuted(provider).never()
    assert.strictEqual(
      failed(() => expectExecuted(provider).once("POST /charges")).message,
      "expected POST /charges to be executed once, but it was executed 0 times\n\nthe provider\n  was asked nothing\n"
    )
  })
})

describe("matching", () => {
  const provider = FaultInjection.make({
    respond: () => ({
      input: {
        payload: {
          lines: [
            { sku: "a", n: 1 },
            { sku: "b", n: 2 }
          ],
          at: new Date(0),
          tag: null
        },
        query: { q: "x" }
      }
    })
  })
  const post = Effect.scoped(HttpClient.post("https://acme.example/charges"))
  const rows: ReadonlyArray<readonly [match: unknown, holds: boolean]> = [
    [{ lines: [{ sku: "a" }, { sku: "b" }] }, true],
    [{ lines: [{ sku: "a" }] }, false],
    [{ lines: [{ sku: "b" }, { sku: "a" }] }, false],
    [{ lines: (lines: unknown) => Array.isArray(lines) && lines.length === 2 }, true],
    [{ lines: "a" }, false],
    [{ lines: {} }, true],
    [{ at: new Date(0) }, true],
    [{ at: new Date(1) }, false],
    [{ tag: null }, true],
    [{ tag: {} }, false],
    [{ other: undefined }, true],
    [{ other: {} }, false],
    [{}, true],
    [undefined, false]
  ]
  it.effect.each(rows.map(([match, holds], n) => ({ name: `${n + 1}: ${JSON.stringify(match)}`, match, holds })))(
    "$name",
    ({ holds, match }) =>
      Effect.gen(function* () {
        yield* provider.reset
        yield* Effect.provide(post, provider.layer)
        expectExecuted(provider).times(holds ? 1 : 0, "POST /charges", { payload: match })
        expectExecuted(provider).once("POST /charges", { query: { q: "x" } })
      })
  )
})

describe("expectOutcome", () => {
  const called = Effect.gen(function* () {
    const bank = yield* FakeBank
    const payments = yield* Payments
    const recording = yield* IntegrationTest.Recording
    yield* bank.inject([FaultInjection.responseLost, undefined, ...FaultInjection.times(3, FaultInjection.status(503))])
    yield* IntegrationTest.settle(payments.charge(order("o-1")))
    yield* Effect.flip(IntegrationTest.settle(payments.charge(order("o-2"))))
    return { recording, expects: expectOutcome(recording) }
  })

  it.effect("what holds is silent: it looks at the last call", () =>
    Effect.gen(function* () {
      const { expects, recording } = yield* called
      expects.calls(2, "charge")
      expects.calls(2, "shop/Payments charge")
      expects.calls(0, "other/Payments charge")
      expects.of("charge", {})
      expects.of("shop/Payments charge", {
        outcome: "Unknown",
        callOutcome: "exhausted",
        errorType: "503",
        attempts: ["Unavailable", "Unavailable", "Unavailable"],
        key: IdempotencyKey.toText(keyOf("o-2")),
        correlationId: recording.calls[1]!.correlationId
      })
    }).pipe(Effect.provide(layer))
  )

  it.effect("what does not hold says what is wrong, and only that", () =>
    Effect.gen(function* () {
      const { expects, recording } = yield* called
      const error = failed(() =>
        expects.of("charge", { outcome: "Applied", callOutcome: "exhausted", attempts: ["Unavailable", "Success"] })
      )
      assert.strictEqual(
        error.message,
        'expected charge to end with outcome "Applied", not "Unknown" and attempts ["Unavailable","Success"], ' +
          `not ["Unavailable","Unavailable","Unavailable"]\n\n${recording.timeline()}\n`
      )
      assert.deepStrictEqual(error.actual, {
        outcome: "Unknown",
        callOutcome: "exhausted",
        attempts: ["Unavailable", "Unavailable", "Unavailable"]
      })
      assert.deepStrictEqual(error.expected, {
        outcome: "Applied",
        callOutcome: "exhausted",
        attempts: ["Unavailable", "Success"]
      })
      assert.strictEqual(
        saysOf(() => expects.of("charge", { errorType: undefined })),
        'expected charge to end with errorType undefined, not "503"'
      )
      assert.strictEqual(
        saysOf(() => expects.of("find", {})),
        "expected a call of find, but there was none"
      )
      assert.strictEqual(
        saysOf(() => expects.calls(1, "charge")),
        "expected 1 call of charge, but there were 2"
      )
      assert.strictEqual(
        saysOf(() => expects.calls(2, "find")),
        "expected 2 calls of find, but there were 0"
      )
    }).pipe(Effect.provide(layer))
  )
})

describe("expectSpans.of", () => {
  const called = Effect.gen(function* () {
    const bank = yield* FakeBank
    const payments = yield* Payments
    yield* bank.inject([FaultInjection.status(503)])
    yield* IntegrationTest.settle(payments.charge(order("o-1")))
    return expectSpans(yield* IntegrationTest.Recording)
  })

  it.effect("what holds is silent", () =>
    Effect.gen(function* () {
      const expects = yield* called
      for (const operation of ["charge", "shop/Payments charge"]) {
        expects.of(operation, {})
        expects.of(operation, {
          call: { failed: false, attributes: { "breakwater.attempts": 2 } },
          attempts: [
            { name: "POST /charges", failed: true, attributes: { "http.response.status_code": 503 } },
            { failed: false, attributes: { "http.request.resend_count": (n: unknown) => n === 1 } }
          ]
        })
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("what does not hold says which span, which part, and what it is", () =>
    Effect.gen(function* () {
      const expects = yield* called
      assert.strictEqual(
        saysOf(() =>
          expects.of("charge", {
            call: { failed: true, attributes: { "breakwater.attempts": 1, "breakwater.operation": "charge" } },
            attempts: [{}, { name: "POST /refunds", attributes: { "http.response.status_code": 200, own: "yes" } }]
          })
        ),
        "expected the spans of charge to have call.failed true, not false and call breakwater.attempts 1, not 2 and " +
          'attempts[1].name "POST /refunds", not "POST /charges" and attempts[1] own "yes", not undefined'
      )
      assert.strictEqual(
        saysOf(() => expects.of("charge", { attempts: [{}] })),
        "expected the spans of charge to have 1 attempt, not 2"
      )
      assert.strictEqual(
        saysOf(() => expects.of("find", {})),
        "expected a span of find, but there is none"
      )
      const { actual, expected, message } = failed(() => expects.of("charge", { call: { name: "other" } }))
      assert.match(message, /\n\nshop\/Payments charge: ok_after_retry/)
      assert.deepInclude((actual as { readonly call: object }).call, { failed: false })
      assert.deepStrictEqual(expected, { call: { name: "other" } })
    }).pipe(Effect.provide(layer))
  )
})

describe("expectSpans.without", () => {
  const secret = 'sk_live_"4eC3\\9H'
  const long = "x".repeat(400)

  class Own extends Data.TaggedError("Own")<{ readonly field: string }> {}

  const shown: ReadonlyArray<readonly [name: string, effect: Effect.Effect<unknown, unknown>, place: string]> = [
    ["a name", Effect.withSpan(Effect.void, `send ${secret}`), "name"],
    [
      "an attribute",
      Effect.withSpan(Effect.void, "send", { attributes: { url: `/a?key=${secret}` } }),
      "attribute url"
    ],
    [
      "the name of an attribute",
      Effect.withSpan(Effect.void, "send", { attributes: { [`a.${secret}`]: 1 } }),
      "attribute a.…"
    ],
    [
      "the end of a long attribute",
      Effect.withSpan(Effect.void, "send", { attributes: { list: [long, { deep: long + secret }] } }),
      "attribute list"
    ],
    [
      "a map in an attribute",
      Effect.withSpan(Effect.void, "send", { attributes: { map: new Map([["a", new Set([secret])]]) } }),
      "attribute map"
    ],
    [
      "an object that says it itself",
      Effect.withSpan(Effect.void, "send", { attributes: { url: new URL("https://a.test/?sk_live") } }),
      "attribute url"
    ],
    ["an annotation", Effect.withSpan(Effect.annotateCurrentSpan("token", secret), "send"), "attribute token"],
    [
      "an event",
      Effect.withSpan(
        Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => span.event("sent", 0n, { token: [secret] }))),
        "send"
      ),
      "events"
    ],
    [
      "the name of an event",
      Effect.withSpan(
        Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => span.event(`sent ${secret}`, 0n))),
        "send"
      ),
      "events"
    ],
    [
      "a link",
      Effect.withSpan(Effect.void, "send", {
        links: [{ span: Tracer.externalSpan({ spanId: "1", traceId: "2" }), attributes: { token: secret } }]
      }),
      "links"
    ],
    ["an error", Effect.withSpan(Effect.fail(new Error(`401 for ${secret}`)), "send"), "error"],
    ["a text that is an error", Effect.withSpan(Effect.fail(`401 for ${secret}`), "send"), "error"],
    ["a defect", Effect.withSpan(Effect.die(new Error(secret)), "send"), "error"],
    [
      "the cause of an error",
      Effect.withSpan(Effect.fail(new Error("401", { cause: new Error("x", { cause: secret }) })), "send"),
      "error"
    ]
  ]
  const recorded = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      yield* Effect.exit(effect)
      return yield* IntegrationTest.Recording
    }).pipe(Effect.provide(IntegrationTest.layerRecording, { local: true }))

  it.effect.each(shown.map(([name, effect, place]) => ({ name, effect, place })))(
    "is found in $name, and not repeated",
    ({ effect, name, place }) =>
      Effect.gen(function* () {
        const recording = yield* recorded(effect)
        const text = name === "an object that says it itself" ? "?sk_live" : secret
        for (const given of [text, Redacted.make(text)]) {
          const { message, stack } = failed(() => expectSpans(recording).without(given))
          const span = name === "a name" ? "send …" : "send"
          assert.strictEqual(message, `the span ${span} shows the secret in its ${place}\n\n\n`)
          assert.notInclude(stack, text)
        }
        expectSpans(recording).without("sk_test")
      })
  )

  it.effect("is not found where it is redacted, or in a field of an error that no exporter writes", () =>
    Effect.gen(function* () {
      const hidden = Effect.withSpan(Effect.fail(new Own({ field: secret })), "send", {
        attributes: { token: Redacted.make(secret), tokens: [Redacted.make(secret)] }
      })
      expectSpans(yield* recorded(hidden)).without(Redacted.make(secret))
    })
  )

  it.effect("the timeline below does not repeat it either", () =>
    Effect.gen(function* () {
      yield* (yield* Payments).charge(order("o-1"))
      const key = IdempotencyKey.toText(keyOf("o-1"))
      const recording = yield* IntegrationTest.Recording
      const error = failed(() => expectSpans(recording).without(key))
      assert.notInclude(error.message, key)
      assert.match(error.message, /^the span .* shows the secret in its attribute breakwater.idempotency_key/)
      assert.include(error.message, "\n  key …\n")
    }).pipe(Effect.provide(layer))
  )

  it.effect("a secret that is empty is a mistake of the test", () =>
    Effect.gen(function* () {
      const recording = yield* recorded(Effect.void)
      assert.strictEqual(
        saysOf(() => expectSpans(recording).without("")),
        "the secret to look for is empty, so every span would show it"
      )
    })
  )
})
