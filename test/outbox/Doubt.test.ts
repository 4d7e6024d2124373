/** What may have happened stays in doubt, whatever comes after it: a local rejection, a store that hangs, a dead process. */
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxStore,
  OutboxStoreMemory,
  OutboxWorker,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { Data, Duration, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Declined, Provider, Shop } from "./shop.ts"

class Away extends Data.TaggedError("Away") {}

/** Handlers, and what they were told. */
const telling = () => {
  const told: Array<string> = []
  const tell = (line: string) => Effect.sync(() => void told.push(line))
  type Ended = OutboxWorker.Ended<unknown>
  return {
    told,
    handlers: {
      onDelivered: (_: unknown, { outcome }: Ended) => tell(`delivered ${outcome}`),
      onDead: ({ _tag }: { readonly _tag: string }, { outcome, why }: Ended) => tell(`dead ${_tag} ${why} ${outcome}`),
      onNeedsReconcile: ({ outcome, why }: Ended) => tell(`unclear ${why} ${outcome}`)
    }
  }
}

/** A call, with the clock moved as far as it needs. */
const run = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(self))
    yield* TestClock.adjust("40 seconds")
    return yield* Fiber.join(fiber)
  })

describe("an entry whose earlier tries may have happened", () => {
  it.effect("stays Unknown after a try that was turned away here, and its verdict is Unknown too", () => {
    const sent: Array<string> = []
    // The third answer that is lost opens the circuit, for longer than the calls may wait.
    class Bank extends Integration.Service<Bank>()(
      "test/Doubtful",
      {
        policy: Policy.standard({ maxAttempts: 2 }),
        shared: Policy.shared({ breaker: Policy.breaker({ consecutive: 3, openFor: "1 hour", maxOpenFor: "1 hour" }) }),
        exhausted: Exhaustion.fail,
        orElse: () => new Away()
      },
      {
        charge: Outbox.writeAheadWith(
          Operation.mutation("charge", {
            input: Schema.String,
            success: Schema.String,
            idempotency: Idempotency.keyed((name: string) => IdempotencyKey.derive("charge", name), {
              lifetime: "1 day"
            }),
            send: (name) => Effect.suspend(() => Effect.fail(sent.push(name))),
            classify: () => Reason.disconnected()
          }),
          { expiresAfter: "30 minutes" }
        )
      }
    ) {}
    return Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const bank = yield* Bank
      const { handlers, told } = telling()
      const entryOf = (name: string) =>
        Effect.map(store.list({}, { limit: 10 }), (all) => all.find(({ payload }) => payload.includes(name))!)
      yield* run(bank.charge("first"))
      yield* run(bank.charge("second"))
      assert.deepStrictEqual(sent, ["first", "first", "second"])
      const before = yield* entryOf("first")
      assert.deepStrictEqual([before.state, before.outcome], ["Pending", "Unknown"])
      yield* Effect.gen(function* () {
        yield* Layer.build(OutboxWorker.layer(Bank, { charge: handlers }, { pollInterval: "1 minute" }))
        yield* TestClock.adjust("5 minutes")
        const after = yield* entryOf("first")
        // It was tried, and turned away before anything was sent.
        assert.deepStrictEqual(
          [after.history.at(-1)?.reason, after.history.at(-1)?.outcome],
          ["CircuitOpen", "NotSent"]
        )
        assert.deepStrictEqual([after.state, after.outcome], ["Pending", "Unknown"])
        assert.strictEqual(sent.length, 3)
        yield* TestClock.adjust("2 hours")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(told, ["unclear expired Unknown", "unclear expired Unknown"])
      for (const { outcome, state } of yield* store.list({}, { limit: 10 })) {
        assert.deepStrictEqual([state, outcome], ["NeedsReconcile", "Unknown"])
      }
      assert.strictEqual(sent.length, 3)
    }).pipe(Effect.provide(Integration.layer(Bank).pipe(Layer.provideMerge(OutboxStoreMemory.layer))))
  })
})

describe("a stored call that is made again", () => {
  it.effect("is told of under the id of what caused it, whatever trace it is made in", () => {
    const events: Array<Telemetry.CallObserved> = []
    return Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Down", "Down")
      yield* run(Effect.provideService(shop.charge({ order: "o1", amount: 1 }), Telemetry.CorrelationId, "request-42"))
      const { handlers, told } = telling()
      const all = { park: handlers, charge: handlers, once: handlers, lane: handlers, look: handlers }
      yield* Effect.scoped(Effect.andThen(Layer.build(OutboxWorker.layer(Shop, all)), TestClock.adjust("5 minutes")))
      assert.deepStrictEqual(told, ["delivered Applied"])
      assert.deepStrictEqual(
        events.map(({ callOutcome, correlationId }) => [callOutcome, correlationId]),
        [
          ["queued", "request-42"],
          ["ok", "request-42"]
        ]
      )
      assert.isDefined(events[1]!.traceId)
    }).pipe(
      Effect.provide(
        Shop.layer.pipe(
          Layer.provide(Telemetry.layerObserver((event) => void events.push(event))),
          Layer.provideMerge(Provider.layer),
          Layer.provideMerge(OutboxStoreMemory.layer)
        )
      )
    )
  })

  it.effect("is not made where a look does not find what was answered before", () => {
    let sent = 0
    let looks = 0
    class Bank extends Integration.Service<Bank>()(
      "test/Answered",
      { policy: Policy.standard({ maxAttempts: 1 }), exhausted: Exhaustion.fail, orElse: () => new Away() },
      {
        pay: Outbox.writeAhead(
          Operation.mutation("pay", {
            input: Schema.String,
            success: Schema.String,
            idempotency: Idempotency.reconcilable(() => Effect.sync(() => (looks++, Option.none())), {
              settle: "5 seconds"
            }),
            send: () => Effect.suspend(() => Effect.fail(sent++)),
            // It was done, and what it was answered with is lost.
            classify: () => Reason.unavailable({ outcome: "Applied" })
          })
        )
      }
    ) {}
    return Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const bank = yield* Bank
      const { handlers, told } = telling()
      yield* run(bank.pay("first"))
      assert.deepStrictEqual([sent, looks], [1, 0])
      yield* Effect.scoped(
        Effect.andThen(Layer.build(OutboxWorker.layer(Bank, { pay: handlers })), TestClock.adjust("1 minute"))
      )
      const [entry] = yield* store.list({}, { limit: 1 })
      assert.strictEqual(sent, 1)
      assert.isTrue(looks > 0)
      assert.deepStrictEqual(told, [])
      assert.deepStrictEqual([entry!.state, entry!.outcome], ["Pending", "Applied"])
      const last = entry!.history.at(-1)!
      assert.deepStrictEqual(
        [last.reason, last.outcome, last.message],
        ["Failed", "NotSent", "it was answered before, and a look does not find it; nothing was sent"]
      )
    }).pipe(Effect.provide(Integration.layer(Bank).pipe(Layer.provideMerge(OutboxStoreMemory.layer))))
  })
})

describe("a store that hangs while a call writes down what became of it", () => {
  /** A shop over it, and how it is mended. */
  const hanging = (settle: Effect.Effect<never>) => {
    const is = { hanging: true }
    const layer = Shop.layer.pipe(
      Layer.provideMerge(Provider.layer),
      Layer.provideMerge(
        Layer.effect(
          OutboxStore.OutboxStore,
          Effect.map(OutboxStoreMemory.make, (store): OutboxStore.Store => ({
            ...store,
            settle: (...given) => Effect.suspend(() => (is.hanging ? settle : store.settle(...given)))
          }))
        )
      )
    )
    return { layer, mend: Effect.sync(() => void (is.hanging = false)) }
  }
  const ways = { "and heeds an interruption": Effect.never, "and heeds nothing": Effect.uninterruptible(Effect.never) }

  for (const [name, settle] of Object.entries(ways)) {
    it.effect(`${name} holds it up for a second, and a worker sees to the entry when its lease has ended`, () => {
      const { layer, mend } = hanging(settle)
      return Effect.gen(function* () {
        const shop = yield* Shop
        const provider = yield* Provider
        const store = yield* OutboxStore.OutboxStore
        const answered = yield* Effect.forkChild(Effect.exit(shop.charge({ order: "o1", amount: 1 })))
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(answered.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(answered), Exit.succeed({ id: "ch_o1" }))

        provider.next("Declined")
        const declined = yield* run(shop.charge({ order: "o2", amount: 1 }))
        assert.deepStrictEqual(declined, Exit.fail(new Declined({ order: "o2" })))

        provider.next("Lost", "Lost")
        const lost = yield* run(shop.charge({ order: "o3", amount: 1 }))
        assert.isTrue(Exit.isSuccess(lost) && Outbox.isQueued(lost.value))

        provider.next("Hangs")
        const given = yield* Effect.forkChild(shop.charge({ order: "o4", amount: 1 }))
        yield* TestClock.adjust("100 millis")
        const stopping = yield* Effect.forkChild(Fiber.interrupt(given))
        yield* TestClock.adjust("1 second")
        assert.isDefined(stopping.pollUnsafe())
        assert.isTrue(Exit.isFailure(yield* Fiber.await(given)))

        const left = yield* store.list({}, { limit: 10 })
        assert.deepStrictEqual(
          left.map(({ state }) => state),
          ["Leased", "Leased", "Leased", "Leased"]
        )
        yield* mend
        const { handlers, told } = telling()
        const all = { park: handlers, charge: handlers, once: handlers, lane: handlers, look: handlers }
        provider.next()
        yield* Effect.scoped(Effect.andThen(Layer.build(OutboxWorker.layer(Shop, all)), TestClock.adjust("5 minutes")))
        assert.deepStrictEqual(
          told,
          Array.from({ length: 4 }, () => "delivered Applied")
        )
        // Once each, under one key each.
        assert.deepStrictEqual([...provider.done.values()], [1, 1, 1, 1])
        assert.strictEqual(new Set(provider.sent.map(({ key }) => key)).size, 4)
      }).pipe(Effect.provide(layer))
    })
  }
})

describe("a call that kills whoever makes it", () => {
  for (const deaths of [2, 3]) {
    it.effect(`is ${deaths === 2 ? "made once more after two" : "dead after three"} processes, of three attempts`, () =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const provider = yield* Provider
        const store = yield* OutboxStore.OutboxStore
        const { handlers, told } = telling()
        provider.next("Down", "Down")
        yield* run(shop.charge({ order: "o1", amount: 1 }))
        for (let n = 0; n < deaths; n++) {
          yield* TestClock.adjust("1 minute")
          const what = { integration: Shop.key, operation: "charge", limit: 1, lease: Duration.seconds(30) }
          assert.strictEqual((yield* store.claim(what)).length, 1)
        }
        yield* TestClock.adjust("1 minute")
        const all = { park: handlers, charge: handlers, once: handlers, lane: handlers, look: handlers }
        yield* Effect.scoped(
          Effect.andThen(Layer.build(OutboxWorker.layer(Shop, all, { maxAttempts: 3 })), TestClock.adjust("10 seconds"))
        )
        assert.deepStrictEqual(told, deaths === 2 ? ["delivered Applied"] : ["dead Undelivered exhausted Unknown"])
        const [entry] = yield* store.list({}, { limit: 1 })
        assert.strictEqual(entry!.crashes, deaths)
        assert.strictEqual(provider.sent.length, deaths === 2 ? 3 : 2)
      }).pipe(
        Effect.provide(Shop.layer.pipe(Layer.provideMerge(Provider.layer), Layer.provideMerge(OutboxStoreMemory.layer)))
      )
    )
  }
})
