/** Stored calls over HTTP: what is sent later is what was sent first, and its answer is read as it would have been. */
import { assert, describe, it } from "@effect/vitest"
import { Outbox, type OutboxStore, Telemetry, Undelivered } from "breakwater"
import { expectExecuted, FaultInjection, IntegrationTest } from "breakwater/testing"
import { Effect } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { TestClock } from "effect/testing"
import {
  Bank,
  BankMemory,
  type BankDown,
  BankUpstream,
  bytesOf,
  CardDeclined,
  chargeOf,
  credentials,
  entries,
  order,
  Receipt,
  told,
  work
} from "./bank.ts"

const { settle } = IntegrationTest

const effect = (
  name: string,
  body: () => Effect.Effect<void, unknown, Bank | BankUpstream | IntegrationTest.Recording | OutboxStore.OutboxStore>
) =>
  it.effect(name, () =>
    Effect.suspend(() => {
      told.list.length = 0
      told.failing = 0
      credentials.token = "token-1"
      return Effect.provide(body(), BankMemory)
    })
  )

const down = FaultInjection.status(503)
const twice = FaultInjection.times(2, down)

/** All requests are one, but for the token; the key is where `keyIn` finds it. */
const same = (requests: ReadonlyArray<FaultInjection.WireRequest>, count: number) => {
  assert.strictEqual(requests.length, count)
  for (const request of requests) assert.deepStrictEqual(bytesOf(request), bytesOf(requests[0]!))
  assert.match(requests[0]!.key ?? "none", /^[0-9a-f]{32}$/)
}

const receipt = (name: string) => new Receipt({ id: `ch_${name}`, at: new Date(1_000), units: 18_014_398_509_481_986n })

describe("a stored call over HTTP", () => {
  const cases: Readonly<Record<string, (bank: Bank["Service"]) => Effect.Effect<unknown, CardDeclined | BankDown>>> = {
    parkCharge: (bank) => bank.parkCharge(chargeOf("o1")),
    charge: (bank) => bank.charge(chargeOf("o1")),
    parkPay: (bank) => bank.parkPay({ payload: order("o1") }),
    pay: (bank) => bank.pay({ payload: order("o1") })
  }
  for (const [name, call] of Object.entries(cases)) {
    effect(`${name} is sent later with the same bytes and key, and the token of that time`, () =>
      Effect.gen(function* () {
        const upstream = yield* BankUpstream
        yield* upstream.inject(FaultInjection.script(FaultInjection.responseLost, down, down))
        const result = yield* settle(call(yield* Bank))
        assert.isTrue(name.startsWith("park") ? Outbox.isParked(result) : Outbox.isQueued(result))
        const stored = JSON.stringify(yield* entries)
        assert.notInclude(stored, "token-1")
        assert.notInclude(stored.toLowerCase(), "authorization")
        credentials.token = "token-2"
        yield* work()
        same(upstream.requests, 4)
        assert.deepStrictEqual(
          upstream.requests.map(({ headers }) => headers["authorization"]),
          ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]
        )
        const first = upstream.requests[0]!
        if (name.toLowerCase().includes("charge")) {
          assert.strictEqual(new URL(first.url).pathname, "/shops/s%2F1/charges")
          assert.strictEqual(new URL(first.url).searchParams.get("tag"), "a&b=ü")
          assert.strictEqual(first.headers["x-tenant"], "acme")
          assert.strictEqual(first.headers["idempotency-key"], first.key)
          assert.deepStrictEqual(JSON.parse(first.text), {
            order: "o1",
            units: "9007199254740993",
            due: "1970-01-01T00:00:01.000Z"
          })
        } else {
          assert.strictEqual(JSON.parse(first.text).meta.key, first.key)
          assert.isUndefined(first.headers["idempotency-key"])
        }
        assert.strictEqual(first.headers["bank-version"], "2026-01-01")
        assert.strictEqual(upstream.ledger.length, 1)
        assert.deepStrictEqual(
          told.list.map(({ operation, what }) => `${operation} ${what}`),
          [`${name} delivered`]
        )
        assert.strictEqual(told.list[0]!.entry.key, first.key)
        const [entry] = yield* entries
        assert.strictEqual(entry!.state, "Delivered")
        assert.strictEqual(entry!.payload, "")
        assert.notInclude(JSON.stringify(entry), "token-")
      })
    )
  }

  effect("gives its answer as the caller would have got it: dates, bigints, classes, headers", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      const bank = yield* Bank
      yield* upstream.inject(twice)
      const parked = yield* settle(bank.parkCharge(chargeOf("o1")))
      assert.isTrue(Outbox.isParked(parked))
      yield* work()
      const later = yield* Outbox.await(Bank, "parkCharge", (parked as Outbox.Parked).id)
      const now = yield* bank.parkCharge(chargeOf("o2"))
      for (const [name, answer] of [
        ["o1", later],
        ["o1", told.list[0]!.of as typeof later],
        ["o2", now]
      ] as const) {
        assert.isTrue(!Outbox.isParked(answer) && HttpApiSchema.WithHeadersValueTypeId in answer)
        const { body, headers } = answer as typeof later
        assert.instanceOf(body, Receipt)
        assert.deepStrictEqual(body, receipt(name))
        assert.strictEqual(body.label, `ch_${name}: 18014398509481986`)
        assert.deepStrictEqual(headers, { "x-left": 7 })
      }
      assert.deepStrictEqual(told.list[0]!.entry.input, chargeOf("o1"))
    })
  )

  effect("is one call with the first try for whoever looks at logs and traces", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      const { calls, spans } = yield* IntegrationTest.Recording
      const bank = yield* Bank
      yield* upstream.inject(twice)
      yield* Effect.provideService(settle(bank.charge(chargeOf("o1"))), Telemetry.CorrelationId, "request-17")
      yield* work()
      assert.deepStrictEqual(
        upstream.requests.map(({ headers }) => headers["x-correlation-id"]),
        ["request-17", "request-17", "request-17"]
      )
      assert.deepStrictEqual(
        calls.map(({ callOutcome, correlationId }) => ({ callOutcome, correlationId })),
        [
          { callOutcome: "queued", correlationId: "request-17" },
          { callOutcome: "ok", correlationId: "request-17" }
        ]
      )
      const [first, second] = spans.filter(({ name }) => name === "test/Bank charge")
      assert.deepStrictEqual(first!.links, [])
      assert.deepStrictEqual(
        second!.links.map(({ span: { sampled, spanId, traceId } }) => ({ sampled, spanId, traceId })),
        [{ sampled: first!.sampled, spanId: first!.spanId, traceId: first!.traceId }]
      )
      assert.strictEqual(told.list[0]!.entry.correlationId, "request-17")
    })
  )

  effect("without a correlation id of the caller's, has the first call's trace as one", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      const { calls, spans } = yield* IntegrationTest.Recording
      yield* upstream.inject(twice)
      yield* settle((yield* Bank).parkPay({ payload: order("o1") }))
      yield* work()
      const [first] = spans.filter(({ name }) => name === "test/Bank parkPay")
      assert.deepStrictEqual(
        calls.map(({ correlationId }) => correlationId),
        [first!.traceId, first!.traceId]
      )
    })
  )

  effect("is not sent before the time that the provider asked for", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      const bank = yield* Bank
      yield* upstream.inject(
        FaultInjection.script(
          FaultInjection.status(503, { retryAfter: 300 }),
          FaultInjection.status(429, { retryAfter: 600 })
        )
      )
      assert.isTrue(Outbox.isQueued(yield* settle(bank.charge(chargeOf("o1")))))
      yield* work("1 hour")
      assert.deepStrictEqual(
        told.list.map(({ what }) => what),
        ["delivered"]
      )
      const [first, second, third] = upstream.requests.map(({ at }) => at)
      assert.strictEqual(upstream.requests.length, 3)
      assert.isAtLeast(second! - first!, 300_000)
      assert.isAtMost(second! - first!, 302_000)
      assert.isAtLeast(third! - second!, 600_000)
      assert.isAtMost(third! - second!, 602_000)
    })
  )

  effect("that was parked waits for the time that the provider asked for", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      yield* upstream.inject([FaultInjection.status(429, { retryAfter: 300 })])
      assert.isTrue(Outbox.isParked(yield* settle((yield* Bank).parkCharge(chargeOf("o1")))))
      yield* work("1 hour")
      const [first, second] = upstream.requests.map(({ at }) => at)
      assert.isAtLeast(second! - first!, 300_000)
      assert.isAtMost(second! - first!, 302_000)
    })
  )
})

describe("a lane", () => {
  for (const name of ["save", "saveAhead"] as const) {
    const save = (bank: Bank["Service"], version: number, id = "p1"): Effect.Effect<unknown, BankDown> =>
      settle<unknown, BankDown, never>(bank[name]({ params: { id }, payload: { name: "Ada", version } }))
    effect(`of ${name}: what is newer goes behind what is older, and is never overwritten by it`, () =>
      Effect.gen(function* () {
        const upstream = yield* BankUpstream
        const bank = yield* Bank
        yield* upstream.inject(FaultInjection.script(FaultInjection.responseLost, down))
        const first = yield* save(bank, 1)
        assert.isTrue(Outbox.isParked(first) || Outbox.isQueued(first))
        assert.strictEqual(upstream.requests.length, 2)
        const second = yield* save(bank, 2)
        assert.isTrue(Outbox.isParked(second) || Outbox.isQueued(second))
        // It was not tried.
        assert.strictEqual(upstream.requests.length, 2)
        // Another lane is free.
        assert.deepStrictEqual(yield* save(bank, 5, "p2"), { version: 5 })
        yield* upstream.inject([down, down, down])
        yield* work()
        const sent = upstream.requests.flatMap(({ text, url }) =>
          url.endsWith("/p1") ? [JSON.parse(text).version as number] : []
        )
        assert.deepStrictEqual(sent, sent.toSorted())
        assert.strictEqual(sent.at(-1), 2)
        assert.strictEqual(sent.filter((version) => version === 2).length, 1)
        assert.strictEqual(upstream.state.versions.get("p1"), 2)
        assert.deepStrictEqual(
          (yield* entries)
            .filter(({ lane }) => lane?.name === "p1")
            .map(({ position, state }) => ({ position, state })),
          [
            { position: 1, state: "Delivered" },
            { position: 2, state: "Delivered" }
          ]
        )
        // The lane is free again.
        assert.deepStrictEqual(yield* save(bank, 3), { version: 3 })
      })
    )
  }
})

describe("a call with a limited time", () => {
  for (const name of ["forget", "forgetAhead"] as const) {
    effect(`${name} is sent within it, as it was`, () =>
      Effect.gen(function* () {
        const upstream = yield* BankUpstream
        const bank = yield* Bank
        yield* upstream.inject(twice)
        yield* settle<unknown, BankDown, never>(bank[name]({ params: { id: "a b" } }))
        yield* work()
        assert.strictEqual(upstream.requests.length, 3)
        for (const request of upstream.requests)
          assert.deepStrictEqual(bytesOf(request), bytesOf(upstream.requests[0]!))
        assert.strictEqual(new URL(upstream.requests[0]!.url).pathname, "/sessions/a%20b")
        expectExecuted(upstream).once("bank.forget")
        assert.deepStrictEqual(
          told.list.map(({ of, what }) => ({ of, what })),
          [{ of: undefined, what: "delivered" }]
        )
      })
    )
    effect(`${name} is dead after it, and is not sent`, () =>
      Effect.gen(function* () {
        const upstream = yield* BankUpstream
        const bank = yield* Bank
        yield* upstream.inject(FaultInjection.times(2, FaultInjection.refused))
        yield* settle<unknown, BankDown, never>(bank[name]({ params: { id: "1" } }))
        yield* TestClock.adjust("1 hour")
        yield* work("10 minutes")
        assert.strictEqual(upstream.requests.length, 2)
        const [{ entry, of, what }] = told.list as [(typeof told.list)[0]]
        assert.strictEqual(what, "dead")
        assert.strictEqual(entry.why, "expired")
        assert.isTrue(of instanceof Undelivered && of.why === "expired" && of.outcome === "NotSent")
        assert.strictEqual((yield* entries)[0]!.why, "expired")
      })
    )
  }
  effect("that may have happened is unclear after it", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      yield* upstream.inject(FaultInjection.times(2, FaultInjection.responseLost))
      yield* settle((yield* Bank).forget({ params: { id: "1" } }))
      yield* TestClock.adjust("1 hour")
      yield* work("10 minutes")
      assert.strictEqual(upstream.requests.length, 2)
      assert.deepStrictEqual(
        told.list.map(({ entry, what }) => `${what} ${entry.why} ${entry.outcome}`),
        ["unclear expired Unknown"]
      )
    })
  )
})

describe("a declared error", () => {
  const declined = (until = new Date(86_400_000)) => new CardDeclined({ code: "empty", until, order: "o1" })

  for (const failing of [0, 2]) {
    effect(
      `is the application's own for the handler, ${failing === 0 ? "at once" : "also where the verdict was stored first"}`,
      () =>
        Effect.gen(function* () {
          const upstream = yield* BankUpstream
          yield* upstream.inject(twice)
          upstream.state.declines = true
          told.failing = failing
          yield* settle((yield* Bank).parkCharge(chargeOf("o1")))
          yield* work("10 minutes")
          assert.strictEqual(upstream.requests.length, 3)
          const [{ entry, of, what }] = told.list as [(typeof told.list)[0]]
          assert.strictEqual(told.list.length, 1)
          assert.strictEqual(what, "dead")
          assert.strictEqual(entry.why, "rejected")
          assert.strictEqual(entry.outcome, "Refused")
          assert.instanceOf(of, CardDeclined)
          assert.deepStrictEqual(of, declined())
          assert.deepStrictEqual(entry.input, chargeOf("o1"))
        })
    )
  }

  effect("of a call that was answered at once reaches caller and handler alike", () =>
    Effect.gen(function* () {
      const upstream = yield* BankUpstream
      upstream.state.declines = true
      const error = yield* Effect.flip(settle((yield* Bank).charge(chargeOf("o1"))))
      assert.deepStrictEqual(error as CardDeclined | BankDown, declined())
      yield* work()
      assert.strictEqual(upstream.requests.length, 1)
      assert.deepStrictEqual(
        told.list.map(({ of, what }) => ({ of, what })),
        [{ of: declined(), what: "dead" }]
      )
    })
  )
})
