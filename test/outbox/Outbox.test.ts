/** Calls that are parked, calls that are stored before they are sent, and what a worker makes of both. In memory. */
import { assert, describe, it } from "@effect/vitest"
import { Outbox, OutboxError, OutboxStore, OutboxStoreMemory, OutboxWorker, Undelivered } from "breakwater"
import { Context, Duration, Effect, Exit, Fiber, Layer, Metric, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Declined, Provider, Shop, ShopDown } from "./shop.ts"

/** What the handlers were told. */
const told: Array<string> = []

const handlers = (name: string) => ({
  onDelivered: (result: { readonly id: string }, entry: { readonly input: { readonly order: string } }) =>
    Effect.sync(() => void told.push(`${name} delivered ${entry.input.order} ${result.id}`)),
  onDead: (error: { readonly _tag: string }, entry: { readonly why: string | undefined }) =>
    Effect.sync(() => void told.push(`${name} dead ${error._tag} ${entry.why}`)),
  onNeedsReconcile: (entry: { readonly why: string | undefined; readonly outcome: string }) =>
    Effect.sync(() => void told.push(`${name} unclear ${entry.why} ${entry.outcome}`))
})

const all = {
  park: handlers("park"),
  charge: handlers("charge"),
  once: handlers("once"),
  lane: handlers("lane"),
  look: handlers("look")
}
const Worker = OutboxWorker.layer(Shop, all)

const ShopTest = Shop.layer.pipe(Layer.provideMerge(Provider.layer), Layer.provideMerge(OutboxStoreMemory.layer))

/** Runs a worker until it has nothing more to do within that time. */
const work = (time: Parameters<typeof TestClock.adjust>[0] = "1 minute", worker = Worker) =>
  Effect.scoped(Effect.andThen(Layer.build(worker), TestClock.adjust(time)))
/** One that looks seldom, for long times. */
const Slow = OutboxWorker.layer(Shop, all, { pollInterval: "10 minutes" })

const order = { order: "o1", amount: 5 }

const effect = (name: string, body: () => Effect.Effect<void, unknown, Shop | Provider | OutboxStore.OutboxStore>) =>
  it.effect(name, () =>
    Effect.suspend(() => {
      told.length = 0
      return Effect.provide(body(), ShopTest)
    })
  )

/** A call, with the clock moved as far as it needs. */
const run = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(self))
    yield* TestClock.adjust("40 seconds")
    return yield* Fiber.join(fiber)
  })

const entries = Effect.flatMap(OutboxStore.OutboxStore, (store) => store.list({}, { limit: 100 }))
const only = Effect.map(entries, (all) => {
  assert.strictEqual(all.length, 1)
  return all[0]!
})

describe("Exhaustion.park", () => {
  effect("stores what could not be made, and a worker makes it with the same key", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Down", "Down")
      const exit = yield* run(shop.park(order))
      assert.isTrue(Exit.isSuccess(exit) && Outbox.isParked(exit.value))
      const before = yield* only
      assert.strictEqual(before.state, "Pending")
      assert.strictEqual(before.outcome, "NotSent")
      assert.deepStrictEqual(
        before.history.map(({ attempts, reason }) => ({ attempts, reason })),
        [{ reason: "Unreachable", attempts: 2 }]
      )
      yield* work()
      assert.deepStrictEqual(told, ["park delivered o1 ch_o1"])
      assert.strictEqual(new Set(provider.sent.map(({ key }) => key)).size, 1)
      const after = yield* only
      assert.strictEqual(after.state, "Delivered")
      assert.strictEqual(after.payload, "")
      assert.deepStrictEqual(yield* Outbox.await(Shop, "park", after.id), { id: "ch_o1" })
    })
  )

  effect("never stores a declared error, or an answer that does not match", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Declined")
      assert.deepStrictEqual(yield* Effect.flip(shop.park(order)), new Declined({ order: "o1" }))
      provider.next("Garbage")
      assert.deepStrictEqual(
        yield* Effect.flip(shop.park({ order: "o2", amount: 1 })),
        new ShopDown({ outcome: "Applied", reason: "InvalidResponse", parkFailed: undefined })
      )
      assert.deepStrictEqual(yield* entries, [])
    })
  )

  effect("stores a call whose caller gave up after it was sent", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Hangs")
      const fiber = yield* Effect.forkChild(shop.park(order))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      const entry = yield* only
      assert.strictEqual(entry.outcome, "Unknown")
      assert.isDefined(entry.firstSentAt)
      yield* work()
      assert.deepStrictEqual(told, ["park delivered o1 ch_o1"])
    })
  )

  effect("does not store a call that was given up before anything was sent", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.always = "Down"
      const fiber = yield* Effect.forkChild(shop.park(order))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* entries, [])
    })
  )

  it.effect("stores a call that comes while the layer closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Shop.layer, scope)
      const shop = Context.get(context, Shop)
      const provider = yield* Provider
      yield* Scope.close(scope, Exit.void)
      const answer = yield* shop.park(order)
      assert.isTrue(Outbox.isParked(answer) && answer.outcome === "NotSent")
      assert.strictEqual(provider.sent.length, 0)
      assert.strictEqual((yield* only).history[0]!.reason, "Draining")
    }).pipe(Effect.provide(Layer.merge(Provider.layer, OutboxStoreMemory.layer)))
  )

  it.effect("fails with its own failure, and says that it was not parked, if the store fails or takes too long", () => {
    const broken = (offer: OutboxStore.Store["offer"]) =>
      Shop.layer.pipe(
        Layer.provideMerge(Provider.layer),
        Layer.provide(
          Layer.effect(
            OutboxStore.OutboxStore,
            Effect.map(OutboxStoreMemory.make, (store) => ({ ...store, offer }))
          )
        )
      )
    const parkFailedOf = (offer: OutboxStore.Store["offer"]) =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const provider = yield* Provider
        provider.always = "Lost"
        const exit = yield* run(Effect.flip(shop.park(order)))
        assert.isTrue(Exit.isSuccess(exit))
        return (exit as Exit.Success<ShopDown | Declined>).value
      }).pipe(Effect.provide(broken(offer)))
    return Effect.gen(function* () {
      const failed = yield* parkFailedOf(() =>
        Effect.fail(
          new OutboxStore.StoreError({
            reason: "Unavailable",
            store: "memory",
            operation: "offer",
            tookEffect: "no",
            cause: undefined
          })
        )
      )
      assert.include((failed as ShopDown).parkFailed, "could not be reached")
      const late = yield* parkFailedOf(() => Effect.never)
      assert.include((late as ShopDown).parkFailed, "took longer than 1000 ms")
    })
  })
})

describe("Outbox.writeAhead, outside of a transaction", () => {
  effect("is tried at once, answers, and tells the worker", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      assert.deepStrictEqual(yield* shop.charge(order), { id: "ch_o1" })
      assert.strictEqual((yield* only).outcome, "Applied")
      yield* work("10 seconds")
      assert.deepStrictEqual(told, ["charge delivered o1 ch_o1"])
      assert.strictEqual(provider.sent.length, 1)
      // The second call is the first one.
      assert.deepStrictEqual(yield* shop.charge(order), { id: "ch_o1" })
      assert.strictEqual(provider.sent.length, 1)
      assert.deepStrictEqual(
        yield* Effect.flip(shop.charge({ ...order, amount: 6 })),
        new ShopDown({ outcome: "Unknown", reason: "KeyConflict", parkFailed: undefined })
      )
    })
  )

  effect("succeeds with Queued when another try is needed, which a worker makes", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Lost", "Lost", "Lost", "Down")
      const exit = yield* run(shop.charge(order))
      assert.isTrue(Exit.isSuccess(exit) && Outbox.isQueued(exit.value))
      yield* work("5 minutes")
      assert.deepStrictEqual(told, ["charge delivered o1 ch_o1"])
      assert.strictEqual(new Set(provider.sent.map(({ key }) => key)).size, 1)
      assert.deepStrictEqual([...provider.done.values()], [1])
    })
  )

  effect("a declared error is the caller's, and the worker's with the same type", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Declined")
      assert.deepStrictEqual(yield* Effect.flip(shop.charge(order)), new Declined({ order: "o1" }))
      yield* work("10 seconds")
      assert.deepStrictEqual(told, ["charge dead Declined rejected"])
      const error = yield* Effect.flip(Outbox.await(Shop, "charge", (yield* only).id))
      assert.isTrue(error instanceof OutboxError && error.reason === "NotDelivered" && error.why === "rejected")
    })
  )

  effect("an outage of any length leaves it pending", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.always = "Down"
      yield* run(shop.charge(order))
      yield* work("1 day", Slow)
      const entry = yield* only
      assert.strictEqual(entry.state, "Pending")
      assert.strictEqual(entry.attempts, 0)
      assert.isAbove(entry.tries, 100)
      provider.always = undefined
      yield* work("6 minutes")
      assert.deepStrictEqual(told, ["charge delivered o1 ch_o1"])
    })
  )

  effect("past the life of its key an unclear call needs to be reconciled", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Lost", "Lost")
      yield* run(shop.charge(order))
      yield* TestClock.adjust("25 hours")
      yield* work()
      assert.deepStrictEqual(told, ["charge unclear key expired Unknown"])
      assert.strictEqual(provider.sent.length, 2)
    })
  )

  effect("attempts that may have reached the provider are counted, and spent", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.always = "Lost"
      yield* run(shop.charge(order))
      yield* work("12 hours", Slow)
      assert.deepStrictEqual(told, ["charge dead ShopDown exhausted"])
      assert.strictEqual((yield* only).attempts, 20)
    })
  )
})

describe("an at-most-once call", () => {
  effect("that did not arrive is made again", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Down", "Down")
      yield* run(shop.once(order))
      yield* work()
      assert.deepStrictEqual(told, ["once delivered o1 ch_o1"])
    })
  )

  effect("that may have arrived is not, and needs to be reconciled", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Lost")
      const exit = yield* run(shop.once(order))
      assert.isTrue(Exit.isFailure(exit))
      yield* work()
      assert.deepStrictEqual(told, ["once unclear sent once Unknown"])
      assert.strictEqual(provider.sent.length, 1)
    })
  )

  effect("whose process died while it was sent needs to be reconciled", () =>
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Down", "Down")
      yield* run(shop.once(order))
      // A worker claims it and dies.
      yield* TestClock.adjust("1 minute")
      const claimed = yield* store.claim({
        integration: "test/Shop",
        operation: "once",
        limit: 1,
        lease: Duration.seconds(30)
      })
      assert.strictEqual(claimed.length, 1)
      yield* TestClock.adjust("1 minute")
      yield* work()
      assert.deepStrictEqual(told, ["once unclear sent once Unknown"])
      assert.strictEqual(provider.sent.length, 2)
    })
  )
})

describe("a reconcilable call", () => {
  effect("looks before it is made again, once the provider has settled", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Hangs")
      const fiber = yield* Effect.forkChild(Effect.exit(shop.look(order)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      yield* work()
      assert.deepStrictEqual(told, ["look delivered o1 ch_o1"])
      provider.next("Lost")
      const second = { order: "o2", amount: 1 }
      const exit = yield* run(shop.look(second))
      assert.deepStrictEqual(exit, Exit.succeed({ id: "found_o2" }))
      assert.strictEqual(provider.sent.filter(({ order }) => order === "o2").length, 1)
    })
  )
})

describe("a lane", () => {
  effect("is made in order, and a dead head blocks it until a person decides", () =>
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Declined")
      yield* Effect.flip(shop.lane({ order: "a/1", amount: 1 }))
      const second = yield* shop.lane({ order: "a/2", amount: 1 })
      assert.isTrue(Outbox.isQueued(second))
      yield* shop.lane({ order: "a/3", amount: 1 })
      yield* shop.lane({ order: "b/1", amount: 1 })
      yield* work()
      assert.deepStrictEqual(told.toSorted(), ["lane dead Declined rejected", "lane delivered b/1 ch_b/1"])
      const [dead] = yield* store.list({ states: ["Dead"] }, { limit: 10 })
      yield* store.change(dead!, { _tag: "Discard" }, { action: "discard", by: "me", evidence: "declined" })
      yield* work()
      assert.deepStrictEqual(told.slice(2), ["lane delivered a/2 ch_a/2", "lane delivered a/3 ch_a/3"])
    })
  )
})

describe("a worker", () => {
  effect("runs a handler that failed again, without making the call again", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      let failures = 2
      const Failing = OutboxWorker.layer(Shop, {
        park: handlers("park"),
        charge: {
          ...handlers("charge"),
          onDelivered: (result, entry) =>
            failures-- > 0
              ? Effect.fail("not now")
              : Effect.sync(() => void told.push(`${entry.input.order} ${result.id}`))
        },
        once: handlers("once"),
        lane: handlers("lane"),
        look: handlers("look")
      })
      provider.next("Down", "Down")
      yield* run(shop.charge(order))
      yield* Effect.scoped(Effect.andThen(Layer.build(Failing), TestClock.adjust("1 minute")))
      assert.deepStrictEqual(told, ["o1 ch_o1"])
      assert.strictEqual(provider.sent.length, 3)
    })
  )

  effect("gives back what it was at when it stops", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      provider.next("Down", "Down", "Hangs")
      yield* run(shop.charge(order))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(OutboxWorker.layer(Shop, all, { drain: "1 second" }), scope)
      yield* TestClock.adjust("3 seconds")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      const entry = yield* only
      assert.strictEqual(entry.state, "Pending")
      assert.strictEqual(entry.outcome, "Unknown")
      assert.strictEqual(entry.attempts, 1)
      yield* work()
      assert.deepStrictEqual(told, ["charge delivered o1 ch_o1"])
    })
  )

  effect("tells how many calls are stored, how old the oldest is, and how they ended", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      const read = Effect.map(Metric.snapshot, (all) =>
        Object.fromEntries(
          all
            .filter(
              ({ attributes, id }) =>
                id.startsWith("breakwater.outbox.") && attributes?.["breakwater.operation"] === "charge"
            )
            .map(({ attributes, id, state }) => [
              `${id} ${attributes?.["state"]}`,
              "value" in state ? state.value : "count" in state ? state.count : undefined
            ])
        )
      )
      provider.always = "Down"
      yield* run(shop.charge(order))
      yield* work("20 seconds")
      const before = yield* read
      assert.strictEqual(before["breakwater.outbox.depth pending"], 1)
      assert.strictEqual(before["breakwater.outbox.depth dead"], 0)
      assert.isAtLeast(Number(before["breakwater.outbox.oldest_age pending"]), 40)
      provider.always = undefined
      yield* work("2 minutes")
      const after = yield* read
      assert.strictEqual(after["breakwater.outbox.depth pending"], 0)
      assert.strictEqual(Number(after["breakwater.outbox.ended delivered"]), 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  effect("what can't be read any more is dead, and is kept", () =>
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      yield* store.offer({
        id: "0".repeat(32),
        integration: "test/Shop",
        operation: "charge",
        key: "k",
        fingerprint: "f",
        origin: "write-ahead",
        payload: JSON.stringify({ v: 1, input: { gone: true }, request: null }),
        correlationId: "c",
        traceparent: undefined,
        lane: undefined,
        outcome: "NotSent",
        firstSentAgo: undefined,
        inDoubtAgo: undefined,
        attempts: 0,
        history: [],
        delay: Duration.zero,
        expiresAfter: undefined,
        lease: undefined
      })
      yield* work()
      assert.deepStrictEqual(told, ["charge dead Undelivered schema"])
      const kept = Option.getOrThrow(yield* store.get("0".repeat(32)))
      assert.include(kept.payload, "gone")
      assert.strictEqual(kept.why, "schema")
      assert.isTrue(new Undelivered({ ...kept, why: "schema" }).message.includes("can't be read"))
    })
  )
})
