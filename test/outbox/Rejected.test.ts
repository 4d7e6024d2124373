/** A no that does not say what became of an earlier attempt: a stored call with a key is made again until it is said. */
import { assert, describe, it } from "@effect/vitest"
import { type OutboxStore, OutboxStoreMemory, OutboxWorker } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Http from "../soak/outbox/shop.ts"
import { Provider, Shop } from "./shop.ts"

const open = Effect.sync(() => {
  const told: Array<string> = []
  const handlers = {
    onDelivered: () => Effect.sync(() => void told.push("delivered")),
    onDead: () => Effect.sync(() => void told.push("dead")),
    onNeedsReconcile: (entry: { readonly why: string | undefined }) =>
      Effect.sync(() => void told.push(`unclear ${entry.why}`))
  }
  const all = { park: handlers, charge: handlers, once: handlers, lane: handlers, look: handlers }
  return { told, worker: OutboxWorker.layer(Shop, all, { maxAttempts: 3 }) }
})

const effect = (name: string, body: Effect.Effect<void, unknown, Shop | Provider | OutboxStore.OutboxStore>) =>
  it.effect(name, () =>
    Effect.provide(
      body,
      Shop.layer.pipe(Layer.provideMerge(Provider.layer), Layer.provideMerge(OutboxStoreMemory.layer))
    )
  )

/** A call whose first attempt may have happened, and whose second one is turned away without a word about the first. */
const lostThenRefused = (operation: "charge" | "once" | "look") =>
  Effect.gen(function* () {
    const shop = yield* Shop
    const provider = yield* Provider
    provider.next("Lost", "Refused")
    const fiber = yield* Effect.forkChild(Effect.exit(shop[operation]({ order: "o1", amount: 1 })))
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(fiber)
    return provider
  })

describe("a rejection after an attempt that may have happened", () => {
  effect(
    "is asked about again with the same key, and delivered",
    Effect.gen(function* () {
      const { told, worker } = yield* open
      const provider = yield* lostThenRefused("charge")
      yield* Effect.scoped(Effect.andThen(Layer.build(worker), TestClock.adjust("1 minute")))
      assert.deepStrictEqual(told, ["delivered"])
      assert.strictEqual(provider.sent.length, 3)
      assert.strictEqual(new Set(provider.sent.map(({ key }) => key)).size, 1)
      assert.deepStrictEqual([...provider.done.values()], [1])
    })
  )

  effect(
    "needs to be reconciled when its attempts are spent",
    Effect.gen(function* () {
      const { told, worker } = yield* open
      const provider = yield* lostThenRefused("charge")
      provider.always = "Refused"
      yield* Effect.scoped(Effect.andThen(Layer.build(worker), TestClock.adjust("10 minutes")))
      assert.deepStrictEqual(told, ["unclear unclear"])
      assert.strictEqual(provider.sent.length, 4)
    })
  )

  effect(
    "is not sent again where that is not safe",
    Effect.gen(function* () {
      const { told, worker } = yield* open
      const provider = yield* lostThenRefused("once")
      yield* Effect.scoped(Effect.andThen(Layer.build(worker), TestClock.adjust("1 minute")))
      assert.lengthOf(told, 1)
      assert.match(told[0]!, /^unclear/)
      assert.strictEqual(provider.sent.length, 1)
    })
  )

  it.effect("that is a conflict without a body, while the first attempt is at work, is asked about again", () =>
    Effect.gen(function* () {
      const bank = FaultInjection.make({
        faults: [FaultInjection.latency("2 seconds"), FaultInjection.cutBody],
        respond: () => ({ status: 200, body: { id: "ch_1" } })
      })
      const told: Array<string> = []
      const tell = (what: string) => () => Effect.sync(() => void told.push(what))
      const handlers = {
        onDelivered: tell("delivered"),
        onDead: tell("dead"),
        onNeedsReconcile: tell("unclear")
      }
      const layer = OutboxWorker.layer(Http.Shop, { charge: handlers, ship: handlers }).pipe(
        Layer.provideMerge(HttpIntegration.layer(Http.Shop, { baseUrl: bank.baseUrl })),
        Layer.provideMerge(OutboxStoreMemory.layer),
        Layer.provide(bank.layer)
      )
      const program = Effect.gen(function* () {
        const shop = yield* Http.Shop
        const fiber = yield* Effect.forkChild(Effect.exit(shop.charge({ payload: { order: "o1" } })))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
      })
      yield* Effect.provide(program, layer)
      assert.deepStrictEqual(told, ["delivered"])
      assert.lengthOf(bank.ledger, 1)
    })
  )
})
