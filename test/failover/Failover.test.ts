// Failover between two providers of one port: what the condition of the plan must hold, and what a plan without it does.
import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Exit, Layer, Option } from "effect"
import {
  CardDeclined,
  Cards,
  CardsLive,
  CardsThatChargeTwice,
  mayCharge,
  mayRead,
  ProviderDown
} from "../../examples/failover/payments.ts"
import { type Faulty, providersWith } from "../../examples/failover/providers.ts"
import { certainlyNot, oneOf, script, seed, seededly, settle, tries } from "../properties/support.ts"

const shop = (faulty: Faulty, cards: typeof CardsLive = CardsLive) =>
  Effect.gen(function* () {
    const { charges, layer, north, south } = providersWith(faulty)
    const built = yield* Layer.build(Layer.provide(cards, layer))
    return { cards: Context.get(built, Cards), charges, north, south }
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => Option.getOrUndefined(Exit.findErrorOption(exit))

describe("failover of a charge", () => {
  it.effect("the primary's answer is lost: the second provider is never called", () =>
    Effect.gen(function* () {
      const { cards, charges, north, south } = yield* shop({ north: () => FaultInjection.responseLost })
      const exit: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-1", 4_200))
      const error = errorOf(exit)
      assert.isTrue(error instanceof ProviderDown)
      assert.strictEqual((error as ProviderDown).outcome, "Unknown")
      assert.isAbove(north.requests.length, 1)
      assert.deepStrictEqual(south.requests, [])
      assert.strictEqual(charges().south, 0)
    }).pipe(seededly(1))
  )

  it.effect("a plan without the condition charges twice", () =>
    Effect.gen(function* () {
      const { cards, charges } = yield* shop({ north: () => FaultInjection.responseLost }, CardsThatChargeTwice)
      const exit: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-1", 4_200))
      // It looks like a success, and the customer has paid at both.
      assert.deepStrictEqual(exit, Exit.succeed({ provider: "south", id: "pay_1" }))
      assert.isAtLeast(charges().north, 1)
      assert.strictEqual(charges().south, 1)
    }).pipe(seededly(1))
  )

  it.effect("the connection is refused: the second provider charges", () =>
    Effect.gen(function* () {
      const { cards, charges } = yield* shop({ north: () => FaultInjection.refused })
      const exit: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-1", 4_200))
      assert.deepStrictEqual(exit, Exit.succeed({ provider: "south", id: "pay_1" }))
      assert.deepStrictEqual(charges(), { north: 0, south: 1 })
    }).pipe(seededly(1))
  )

  it.effect("the primary throttles to the end: it has refused, and the second provider charges", () =>
    Effect.gen(function* () {
      const { cards, charges } = yield* shop({ north: () => FaultInjection.status(429) })
      assert.isTrue(Exit.isSuccess(yield* settle(cards.charge("o-1", 4_200))))
      assert.deepStrictEqual(charges(), { north: 0, south: 1 })
    }).pipe(seededly(1))
  )

  it.effect("lost once and then refused: the last attempt alone would say that nothing happened", () =>
    Effect.gen(function* () {
      const { cards, charges, south } = yield* shop({
        north: [FaultInjection.responseLost, FaultInjection.refused, FaultInjection.refused]
      })
      const error = errorOf(yield* settle(cards.charge("o-1", 4_200)))
      assert.strictEqual((error as ProviderDown).outcome, "Unknown")
      assert.deepStrictEqual(south.requests, [])
      assert.deepStrictEqual(charges(), { north: 1, south: 0 })
    }).pipe(seededly(1))
  )

  it.effect("an open circuit sends nothing: the second provider charges at once", () =>
    Effect.gen(function* () {
      const { cards, charges, north } = yield* shop({ north: () => FaultInjection.refused })
      for (let n = 0; n < 3; n++) yield* settle(cards.charge(`o-${n}`, 1))
      const asked = north.requests.length
      const before = charges().south
      const last: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-9", 1))
      assert.deepStrictEqual(last, Exit.succeed({ provider: "south", id: "pay_1" }))
      assert.isAtLeast(north.requests.length, asked)
      assert.strictEqual(charges().south, before + 1)
    }).pipe(seededly(1))
  )

  it.effect("a declined card is an answer, and asked nowhere else", () =>
    Effect.gen(function* () {
      const { cards, south } = yield* shop({
        north: () => FaultInjection.status(402, { body: { _tag: "CardError", code: "no_funds" } })
      })
      const error = errorOf(yield* settle(cards.charge("o-1", 4_200)))
      assert.deepStrictEqual(error, new CardDeclined({ code: "no_funds" }))
      assert.deepStrictEqual(south.requests, [])
    }).pipe(seededly(1))
  )

  it.effect("a request that the primary rejects is rejected: it would be a bug at the second too", () =>
    Effect.gen(function* () {
      const { cards, south } = yield* shop({ north: () => FaultInjection.status(400) })
      const error = errorOf(yield* settle(cards.charge("o-1", 4_200)))
      assert.deepStrictEqual([(error as ProviderDown).outcome, (error as ProviderDown).exhausted], ["Refused", false])
      assert.deepStrictEqual(south.requests, [])
    }).pipe(seededly(1))
  )

  it.effect.prop(
    "whatever goes wrong at both: nobody pays at both, and what is said not to have happened did not",
    { seed, north: script(), south: script() },
    ({ north, seed, south }) =>
      Effect.gen(function* () {
        const { cards, charges, ...providers } = yield* shop({ north, south })
        const exit: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-1", 4_200))
        const paid = charges()
        assert.isFalse(paid.north > 0 && paid.south > 0, `paid at both: ${JSON.stringify(paid)}`)
        if (providers.south.requests.length > 0) {
          const all = north.slice(0, providers.north.requests.length)
          assert.isTrue(all.every(certainlyNot), "the second was asked though the first may have done it")
        }
        const error = errorOf(exit)
        if (error instanceof ProviderDown && (error.outcome === "NotSent" || error.outcome === "Refused")) {
          assert.deepStrictEqual(paid, { north: 0, south: 0 })
        }
      }).pipe(seededly(seed)),
    tries(300)
  )
})

describe("failover of a read", () => {
  it.effect.prop(
    "any failure that may pass asks the second provider",
    {
      seed,
      fault: oneOf([
        FaultInjection.responseLost,
        FaultInjection.refused,
        FaultInjection.status(500),
        FaultInjection.status(503),
        FaultInjection.status(429),
        FaultInjection.stallInBody
      ])
    },
    ({ fault, seed }) =>
      Effect.gen(function* () {
        const { cards, south } = yield* shop({ north: () => fault })
        assert.deepStrictEqual(yield* settle(cards.fee("DE")), Exit.succeed(30))
        assert.strictEqual(south.requests.length, 1)
      }).pipe(seededly(seed)),
    tries(60)
  )

  it.effect("a healthy primary is the only one that is asked", () =>
    Effect.gen(function* () {
      const { cards, south } = yield* shop({})
      assert.deepStrictEqual(yield* settle(cards.fee("DE")), Exit.succeed(30))
      const charged: Exit.Exit<unknown, unknown> = yield* settle(cards.charge("o-1", 1))
      assert.deepStrictEqual(charged, Exit.succeed({ provider: "north", id: "ch_1" }))
      assert.deepStrictEqual(south.requests, [])
    }).pipe(seededly(1))
  )
})

describe("the conditions", () => {
  it("by outcome and by whether it may pass", () => {
    for (const outcome of ["NotSent", "Refused", "Unknown", "Applied"] as const) {
      for (const exhausted of [true, false]) {
        const error = new ProviderDown({ outcome, exhausted })
        assert.strictEqual(mayRead(error), exhausted)
        assert.strictEqual(mayCharge(error), exhausted && (outcome === "NotSent" || outcome === "Refused"))
      }
    }
    assert.isFalse(mayRead(new CardDeclined({ code: "" })))
    assert.isFalse(mayCharge(new CardDeclined({ code: "" })))
  })
})
