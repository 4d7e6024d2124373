import { assert, describe, it } from "@effect/vitest"
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Policy,
  type Telemetry
} from "breakwater"
import { HttpOperation } from "breakwater/http"
import { FaultInjection, IntegrationTest, Timeline, Upstream } from "breakwater/testing"
import { Arbitrary, Data, Effect, Logger, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { between, oneOf, tries } from "../properties/support.ts"

const attempt = (more: Partial<CallFailure.Attempt>): CallFailure.Attempt => ({
  number: 1,
  reason: "Success",
  message: "",
  outcome: "Applied",
  status: undefined,
  startedAfter: 0,
  elapsed: 0,
  waited: 0,
  queued: 0,
  requestId: undefined,
  resolves: false,
  ...more
})

const call = (more: Partial<Telemetry.CallObserved>): Telemetry.CallObserved => ({
  integration: "shop/Payments",
  operation: "charge",
  callOutcome: "ok",
  outcome: "Applied",
  errorType: undefined,
  startedAt: 0,
  latency: 0,
  retryDelay: 0,
  queueWait: 0,
  queuedFor: { bulkhead: 0, ratelimit: 0 },
  correlationId: "c-1",
  traceId: undefined,
  key: undefined,
  decisions: [],
  requestId: undefined,
  attempts: [],
  ...more
})

const lines = (...text: ReadonlyArray<string>): string => text.join("\n")

describe("Timeline", () => {
  it("one attempt that succeeded fills its line", () => {
    assert.strictEqual(
      Timeline.format(call({ latency: 12.4, attempts: [attempt({ elapsed: 12.4 })] })),
      lines(
        "shop/Payments charge: ok, Applied, in 12 ms",
        "  #1   ========================  +0 ms      12 ms    Success            Applied",
        "  correlation id c-1"
      )
    )
  })

  it("attempts and waits lie where they lie in time", () => {
    assert.strictEqual(
      Timeline.format(
        call({
          callOutcome: "ok_after_retry",
          latency: 4_800,
          key: "0123456789abcdef0123456789abcdef",
          attempts: [
            attempt({ number: 1, reason: "Timeout", outcome: "Unknown", elapsed: 2_000 }),
            attempt({
              number: 2,
              reason: "Unavailable",
              status: 503,
              outcome: "Unknown",
              startedAfter: 2_400,
              waited: 400,
              elapsed: 200
            }),
            attempt({ number: 3, status: 201, startedAfter: 3_600, waited: 1_000, elapsed: 1_200 })
          ]
        })
      ),
      lines(
        "shop/Payments charge: ok_after_retry, Applied, in 4.80 s",
        "  #1   ##########                +0 ms      2.00 s   Timeout            Unknown",
        "  wait           ··                         400 ms",
        "  #2               #             +2.40 s    200 ms   Unavailable 503    Unknown",
        "  wait              ·····                   1.00 s",
        "  #3                     ======  +3.60 s    1.20 s   Success 201        Applied",
        "  key 0123456789abcdef0123456789abcdef",
        "  correlation id c-1"
      )
    )
  })

  it("a call without an attempt, and one that took no time at all", () => {
    assert.strictEqual(
      Timeline.format(call({ callOutcome: "failed", outcome: "NotSent", errorType: "CircuitOpen" })),
      lines(
        "shop/Payments charge: failed (CircuitOpen), NotSent, in 0 ms",
        "  no attempt was made",
        "  correlation id c-1"
      )
    )
    assert.include(
      Timeline.format(call({ attempts: [attempt({ reason: "ResponseNotStored", status: 409 })] })),
      "  #1   #                         +0 ms      0 ms     ResponseNotStored  Applied"
    )
  })

  it("the columns hold every reason, hours of time, and two decimals of a wait that began before the call", () => {
    assert.strictEqual(
      Timeline.format(
        call({
          latency: 86_400_000,
          attempts: [
            attempt({ reason: "InvalidResponse", status: 200, elapsed: 99_999, waited: 0.01 }),
            attempt({ number: 2, startedAfter: 86_300_000, waited: 86_000_000, elapsed: 100_000 })
          ]
        })
      ),
      lines(
        "shop/Payments charge: ok, Applied, in 86400 s",
        "  wait ·                                    0 ms",
        "  #1   #                         +0 ms      100.00 s InvalidResponse 200 Applied",
        "  wait ·······················              86000 s",
        "  #2                          =  +86300 s   100 s    Success            Applied",
        "  correlation id c-1"
      )
    )
  })

  it("long names take a line of their own, and are cut at 80 columns", () => {
    assert.strictEqual(
      Timeline.format(
        call({
          integration: "acme/billing/eu-central/PaymentsAndSubscriptions",
          operation: "createSubscriptionWithTrial",
          callOutcome: "failed",
          errorType: "SubscriptionsUnavailable",
          key: "k".repeat(255),
          correlationId: "two\nlines"
        })
      ),
      lines(
        "acme/billing/eu-central/PaymentsAndSubscriptions createSubscriptionWithTrial:",
        "  failed (SubscriptionsUnavailable), Applied, in 0 ms",
        "  no attempt was made",
        `  key ${"k".repeat(73)}…`,
        "  correlation id two lines"
      )
    )
  })

  const duration = Arbitrary.map(between(0, 9_999), (n) => (n % 7 === 0 ? n * 10_007 : n / 3))
  const long = Arbitrary.map(between(0, 120), (n) => "aVery-Long/Name".repeat(9).slice(0, n))
  const step = Arbitrary.all({
    waited: duration,
    elapsed: duration,
    reason: oneOf<CallFailure.Attempt["reason"]>([
      "Success",
      "ResponseNotStored",
      "InvalidResponse",
      "DeadlineExceeded",
      "Disconnected"
    ]),
    status: oneOf([undefined, 200, 409])
  })
  const shape = Arbitrary.all({
    steps: Arbitrary.array(step, { minLength: 1, maxLength: 8 }),
    integration: long,
    operation: long,
    errorType: long,
    key: long
  })

  it.prop(
    "is never wider than 80 columns, and shows each attempt on one line in the order of time",
    { shape },
    ({ shape: { steps, ...names } }) => {
      let now = 0
      const attempts = steps.map(({ elapsed, waited, ...step }, index) => {
        const one = attempt({ ...step, number: index + 1, waited, startedAfter: now + waited, elapsed })
        now += waited + elapsed
        return one
      })
      const text = Timeline.format(call({ ...names, latency: now, attempts }))
      for (const line of text.split("\n")) assert.isAtMost(line.length, 80, text)
      const rows = text.split("\n").filter((line) => line.startsWith("  #"))
      assert.strictEqual(rows.length, steps.length)
      const starts = rows.map((row) => row.slice(7, 31).search(/[=#]/))
      assert.deepStrictEqual(
        starts,
        starts.toSorted((a, b) => a - b),
        text
      )
      for (const [index, row] of rows.entries()) {
        assert.match(row, new RegExp(`^  #${index + 1}  .* ${steps[index]!.reason}[ \\d]* Applied$`), text)
      }
    },
    tries(300)
  )

  describe("of a provider", () => {
    it.effect("requests, faults, answers and changes in the order in which they happened", () => {
      const provider = FaultInjection.make({
        respond: ({ arrival }) => (arrival === 1 ? { status: 402, note: "the card\nis expired" } : { status: 201 }),
        faults: FaultInjection.firstOf(
          [undefined, FaultInjection.responseLost],
          FaultInjection.seeded({ seed: 7, rate: 0 })
        )
      })
      assert.strictEqual(Timeline.formatProvider(provider), lines("the provider (seed 7)", "  was asked nothing"))
      const post = HttpClientRequest.post("https://acme.example/charges", {
        headers: { "idempotency-key": "0123456789abcdef" }
      })
      return Effect.gen(function* () {
        const send = (key: string) =>
          Effect.exit(HttpClient.execute(HttpClientRequest.setHeader(post, "idempotency-key", key)))
        yield* send("k-1")
        yield* send("0123456789abcdef")
        yield* send("0123456789abcdef")
        assert.strictEqual(
          Timeline.formatProvider(provider),
          lines(
            "the provider (seed 7)",
            "  +0 ms      request 1: POST /charges, answered 402: the card is expired",
            "  +0 ms      request 2: POST /charges, met ResponseLost",
            "  +0 ms      executed POST /charges of request 2, key 01234567…",
            "  +0 ms      request 3: POST /charges, answered 201"
          )
        )
      }).pipe(Effect.provide(provider.layer))
    })

    it.effect("a long note goes on in the next line, and a word that is too long is cut", () => {
      const provider = FaultInjection.make({ respond: () => ({ note: "because ".repeat(20) }) })
      return Effect.gen(function* () {
        yield* HttpClient.get(`https://acme.example/${"long/".repeat(20)}`)
        for (const line of Timeline.formatProvider(provider).split("\n")) assert.isAtMost(line.length, 80)
        const text = Timeline.formatProvider(provider)
        assert.match(text, /\/long\/long.*…\n/)
        assert.include(text.replace(/\s+/g, " "), "because ".repeat(20).trim())
      }).pipe(Effect.provide(provider.layer))
    })
  })

  class Bank extends HttpApi.make("bank").add(
    HttpApiGroup.make("charges").add(
      HttpApiEndpoint.post("create", "/charges", {
        payload: Schema.Struct({ order: Schema.String }),
        success: Schema.Struct({ id: Schema.String })
      })
    )
  ) {}
  class Down extends Data.TaggedError("Down") {}
  class Payments extends Integration.Service<Payments>()(
    "shop/Payments",
    {
      policy: Policy.stack(
        Policy.totalDeadline("10 seconds"),
        Policy.retry(Policy.backoff({ base: 0, throttledBase: 0 })),
        Policy.attemptTimeout("2 seconds")
      ),
      exhausted: Exhaustion.fail,
      orElse: () => new Down()
    },
    {
      charge: HttpOperation.endpoint(Bank, "charges", "create", {
        idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
          lifetime: "24 hours"
        })
      })
    }
  ) {}

  it.effect("all of it: the calls that were observed, and what the provider saw", () => {
    const bank = Upstream.make(Bank, {
      faults: [FaultInjection.executesLate("1500 millis"), FaultInjection.status(503)],
      handlers: { charges: { create: () => Effect.succeed({ id: "ch_1" }) } },
      seed: "spring"
    })
    return Effect.gen(function* () {
      yield* IntegrationTest.settle((yield* Payments).charge({ payload: { order: "1" } }))
      const { timeline } = yield* IntegrationTest.Recording
      const text = Timeline.formatAll(bank)
      const withoutIds = text.replace(/(?<=correlation id ).*/, "…").replace(/(?<=  key ).*/, "…")
      assert.strictEqual(
        withoutIds,
        lines(
          "shop/Payments charge: ok_after_retry, Applied, in 2.00 s",
          "  #1   ########################  +0 ms      2.00 s   Timeout            Unknown",
          "  #2                          #  +2.00 s    0 ms     Unavailable 503    Unknown",
          "  #3                          =  +2.00 s    0 ms     Success 200        Applied",
          "  key …",
          "  correlation id …",
          "",
          "the provider (seed spring)",
          "  +0 ms      request 1: charges.create, met StallBeforeHeaders",
          "  +1.50 s    executed charges.create of request 1, key e3bd4d62…",
          "  +2.00 s    request 2: charges.create, met Status, answered 503",
          "  +2.00 s    request 3: charges.create, answered 200"
        )
      )
      assert.isTrue(text.startsWith(timeline()))
    }).pipe(Effect.provide([IntegrationTest.layer(Payments, bank), Logger.layer([])]))
  })
})
