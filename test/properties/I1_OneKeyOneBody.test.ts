// I1: one key and one encoded body per logical call, equal over its attempts, as seen on the wire.
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, Policy } from "breakwater"
import { Auth } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import { callOf, keyOf, type Name, names, oneOf, script, seed, seededly, settle, tries, world } from "./support.ts"

const patient = Policy.standard({ maxAttempts: 5, totalDeadline: "9 minutes" })

/** The key that the input alone decides. */
const expected: Partial<Record<Name, string>> = {
  charge: IdempotencyKey.toText(IdempotencyKey.derive("charge", "o-1")),
  pay: IdempotencyKey.toText(IdempotencyKey.derive("pay", "o-1")),
  graph: IdempotencyKey.toUuid(IdempotencyKey.derive("graph", "o-1"))
}

describe("I1: one key and one body", () => {
  it.effect.prop(
    "over attempts, over repeats of the call, and over credentials that change",
    { seed, faults: script(), name: oneOf(names) },
    ({ faults, name, seed }) =>
      Effect.gen(function* () {
        let tokens = 0
        const { acme, provider } = yield* world({
          faults,
          policy: patient,
          http: {
            auth: Auth.custom("rotating", (request) =>
              Effect.succeed(HttpClientRequest.setHeader(request, "authorization", `Bearer ${++tokens}`))
            )
          }
        })
        yield* settle(callOf(acme, name))
        yield* settle(callOf(acme, name))
        const [first, ...rest] = provider.requests
        assert.isDefined(first)
        assert.strictEqual(keyOf(first!), expected[name])
        for (const request of rest) {
          assert.strictEqual(keyOf(request), expected[name])
          assert.deepStrictEqual(request.body, first!.body)
          assert.strictEqual(request.url, first!.url)
          assert.strictEqual(request.headers["content-type"], first!.headers["content-type"])
        }
        // Credentials did change, so the attempts were really prepared one by one.
        assert.strictEqual(new Set(provider.requests.map((request) => request.headers["authorization"])).size, tokens)
        // A provider that deduplicates by key executes once, whatever happened to the answers.
        if (expected[name] !== undefined) assert.isAtMost(provider.ledger.length, 1)
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect.prop(
    "different orders never share a key, also when their calls run at once",
    { seed, faults: script(), name: oneOf(["charge", "pay", "graph"] as const) },
    ({ faults, name, seed }) =>
      Effect.gen(function* () {
        const { acme, provider } = yield* world({ faults, policy: patient })
        const orders = ["o-1", "o-2", "o-3"]
        yield* settle(
          Effect.forEach(orders, (order) => Effect.exit(callOf(acme, name, order)), { concurrency: "unbounded" })
        )
        const bodies = new Map<string | undefined, Set<string>>()
        for (const request of provider.requests) {
          const key = keyOf(request)
          bodies.set(key, (bodies.get(key) ?? new Set()).add(request.text))
        }
        assert.strictEqual(bodies.size, orders.length)
        for (const texts of bodies.values()) assert.strictEqual(texts.size, 1)
        assert.isAtMost(provider.ledger.length, orders.length)
      }).pipe(seededly(seed)),
    tries(80)
  )

  it.effect("a caller that changes its object during a backoff changes nothing on the wire", () =>
    Effect.gen(function* () {
      const payload = { order: "o-1", amount: 2 }
      const { acme, provider } = yield* world({
        faults: () => {
          payload.amount = 999
          payload.order = "o-2"
          return FaultInjection.status(503)
        }
      })
      yield* settle(acme.charge({ payload }))
      assert.deepStrictEqual(
        provider.requests.map((request) => [request.text, keyOf(request)]),
        Array.from({ length: 3 }, () => ['{"order":"o-1","amount":2}', expected.charge])
      )
    }).pipe(seededly(1))
  )
})
