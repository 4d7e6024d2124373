/** What a person does about stored calls, on the store in memory. */
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, OutboxAdmin, type OutboxError, OutboxStore, OutboxStoreMemory, OutboxWorker } from "breakwater"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { idOf, offerOf } from "../cli/fill.ts"
import { Provider, Shop } from "./shop.ts"

const signed = { by: "ada", evidence: "INC-42" }

const Test = OutboxAdmin.layer.pipe(Layer.provideMerge(OutboxStoreMemory.layer))

const effect = (name: string, body: Effect.Effect<void, unknown, OutboxAdmin.OutboxAdmin | OutboxStore.OutboxStore>) =>
  it.effect(name, () => Effect.provide(body, Test))

/** An entry that has ended so. */
const ended = (
  n: number,
  verdict: Exclude<OutboxStore.Verdict, { readonly _tag: "Again" }>,
  outcome: "NotSent" | "Refused" | "Unknown" | "Applied" = "Unknown",
  more: Partial<OutboxStore.Offer> = {}
) =>
  Effect.gen(function* () {
    const store = yield* OutboxStore.OutboxStore
    const offered = yield* store.offer(offerOf(n, { ...more, lease: Duration.minutes(1) }))
    if (offered._tag !== "Stored" || offered.claim === undefined) return yield* Effect.die("it was not claimed")
    const { entry } = offered.claim
    yield* store.settle(entry, verdict, {
      outcome,
      firstSentAgo: 0,
      inDoubtAgo: outcome === "Unknown" ? 0 : undefined,
      history: []
    })
    return entry.id
  })

const dead: { readonly _tag: "Dead"; readonly why: "exhausted" } = { _tag: "Dead", why: "exhausted" }
const keyExpired: OutboxStore.Verdict & { readonly _tag: "NeedsReconcile" } = {
  _tag: "NeedsReconcile",
  why: "key expired"
}
const sentOnce: OutboxStore.Verdict & { readonly _tag: "NeedsReconcile" } = { _tag: "NeedsReconcile", why: "sent once" }

const refusedAs = (exit: OutboxError, reason: OutboxError["reason"], ...words: ReadonlyArray<string>) => {
  assert.strictEqual(exit.reason, reason)
  for (const word of words) assert.include(exit.message, word)
}

describe("OutboxAdmin", () => {
  effect(
    "makes a dead entry again, with the key and the bytes that it had, and keeps who did it",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const id = yield* ended(1, dead)
      const [before] = yield* admin.show(id)
      yield* TestClock.adjust("1 hour")
      const { changed, refused } = yield* admin.redrive(id, { by: " ada ", evidence: "INC-42" })
      assert.deepStrictEqual([changed.map((own) => own.id), refused], [[id], []])
      const [after] = yield* admin.show(id)
      assert.strictEqual(after.entry.state, "Pending")
      assert.strictEqual(after.entry.generation, 1)
      assert.strictEqual(after.entry.attempts, 0)
      assert.strictEqual(after.entry.outcome, "Unknown")
      for (const part of ["key", "payload", "fingerprint", "firstSentAt"] as const) {
        assert.strictEqual(after.entry[part], before.entry[part])
      }
      assert.deepStrictEqual(after.audits, [{ at: 3_600_000, action: "redrive", by: "ada", evidence: "INC-42" }])
      refusedAs(yield* Effect.flip(admin.redrive(id, signed)), "WrongState", "Pending", "a worker sends it")
    })
  )

  effect(
    "spreads what is due, so many per second, and changes no more than the limit",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      for (let n = 1; n <= 5; n++) {
        yield* ended(n, dead)
        yield* TestClock.adjust("1 second")
      }
      const { changed } = yield* admin.redrive({}, { ...signed, rate: 4, limit: 4 })
      assert.deepStrictEqual(
        changed.map(({ id }) => id),
        [1, 2, 3, 4].map(idOf)
      )
      const { entries } = yield* admin.list({ states: ["Pending"] })
      assert.deepStrictEqual(
        entries.map(({ dueAt }) => dueAt - 5_000),
        [0, 250, 500, 750]
      )
      assert.deepStrictEqual(
        (yield* admin.list({ states: ["Dead"] })).entries.map(({ id }) => id),
        [idOf(5)]
      )
    })
  )

  effect(
    "changes more than a page, each once",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      // Those that are left as they are must not be met again on the next page.
      for (let n = 0; n < 250; n++) {
        yield* ended(n, keyExpired, "Unknown", { id: `a${n}`.padStart(32, "0"), key: `a${n}`, operation: "refund" })
      }
      const left = yield* admin.redrive({ operation: "refund" }, signed)
      assert.deepStrictEqual([left.changed.length, new Set(left.refused.map(({ id }) => id)).size], [0, 250])
      yield* admin.discard({ operation: "refund" }, signed)
      for (let n = 0; n < 450; n++) yield* ended(n, dead, "Unknown", { id: `${n}`.padStart(32, "0"), key: `k${n}` })
      const { changed } = yield* admin.redrive({}, signed)
      assert.strictEqual(new Set(changed.map(({ id }) => id)).size, 450)
      const all = yield* store.list({ operation: "charge" }, { limit: 1_000 })
      assert.deepStrictEqual([...new Set(all.map(({ generation, state }) => `${state} ${generation}`))], ["Pending 1"])
    })
  )

  effect(
    "does not send again under a key that the provider may have forgotten, unless it is given a new one",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const id = yield* ended(1, keyExpired)
      refusedAs(yield* Effect.flip(admin.redrive(id, signed)), "NeedsNewKey", "new key", "resolve it")
      refusedAs(yield* Effect.flip(admin.redrive(id, { ...signed, again: true })), "NeedsNewKey")
      assert.strictEqual((yield* admin.show(id))[0].audits.length, 0)
      yield* admin.redrive(id, { ...signed, newKey: true })
      const [{ audits, entry }] = yield* admin.show(id)
      assert.strictEqual(entry.key, IdempotencyKey.toText(IdempotencyKey.derive("redrive", "order-1", "0")))
      assert.strictEqual(entry.outcome, "NotSent")
      assert.isUndefined(entry.firstSentAt)
      assert.strictEqual(audits[0]!.action, "redrive with a new key")
      assert.include(audits[0]!.evidence, "order-1")
    })
  )

  effect(
    "derives the new key from the generation too",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      const id = yield* ended(1, dead)
      yield* admin.redrive(id, signed)
      const [claimed] = yield* store.claim({
        integration: "payments",
        operation: "charge",
        limit: 1,
        lease: Duration.minutes(1)
      })
      yield* store.settle(claimed!.entry, keyExpired, {
        outcome: "Unknown",
        firstSentAgo: 0,
        inDoubtAgo: 0,
        history: []
      })
      yield* admin.redrive(id, { ...signed, newKey: true })
      assert.strictEqual(
        (yield* admin.show(id))[0].entry.key,
        IdempotencyKey.toText(IdempotencyKey.derive("redrive", "order-1", "1"))
      )
    })
  )

  effect(
    "gives a UUID for a UUID, and a key of its own to every generation",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      const uuid = "3c6c3936-18ab-836c-a1c2-9741ce58cda7"
      const id = yield* ended(1, keyExpired, "Unknown", { key: uuid })
      const keys = new Set([uuid])
      for (let generation = 0; generation < 3; generation++) {
        yield* admin.redrive(id, { ...signed, newKey: true })
        const [{ entry }] = yield* admin.show(id)
        assert.match(entry.key!, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
        keys.add(entry.key!)
        const [claimed] = yield* store.claim({ ...entry, limit: 1, lease: Duration.minutes(1) })
        yield* store.settle(claimed!.entry, keyExpired, {
          outcome: "Unknown",
          firstSentAgo: 0,
          inDoubtAgo: 0,
          history: []
        })
      }
      assert.strictEqual(keys.size, 4)
    })
  )

  effect(
    "changes an entry once when two people do it at the same time, with one key",
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const id = yield* ended(1, keyExpired)
      const keys: Array<string | undefined> = []
      // Both have read the entry before one of them changes it.
      const slow: OutboxStore.Store = {
        ...store,
        change: (entry, change, audit) => {
          if (change._tag === "Redrive") keys.push(change.newKey)
          return Effect.andThen(Effect.yieldNow, store.change(entry, change, audit))
        }
      }
      const admin = yield* Effect.provideService(OutboxAdmin.make, OutboxStore.OutboxStore, slow)
      const both = yield* Effect.all(
        [1, 2].map(() => Effect.result(admin.redrive(id, { ...signed, newKey: true }))),
        { concurrency: 2 }
      )
      assert.deepStrictEqual(both.map((one) => (one._tag === "Failure" ? one.failure.reason : "done")).toSorted(), [
        "WrongState",
        "done"
      ])
      assert.strictEqual(keys.length, 2)
      assert.strictEqual(new Set(keys).size, 1)
      assert.strictEqual((yield* store.audits(id)).length, 1)
    })
  )

  effect(
    "sends what has no key and may have happened only if it is told to, again",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const id = yield* ended(1, sentOnce, "Unknown", { key: undefined })
      refusedAs(yield* Effect.flip(admin.redrive(id, signed)), "NeedsNewKey", "again")
      refusedAs(yield* Effect.flip(admin.redrive(id, { ...signed, newKey: true })), "NeedsNewKey", "again")
      yield* admin.redrive(id, { ...signed, again: true })
      const [{ audits, entry }] = yield* admin.show(id)
      assert.deepStrictEqual(
        [entry.state, entry.key, entry.outcome, entry.firstSentAt, entry.inDoubtAt],
        ["Pending", undefined, "NotSent", undefined, undefined]
      )
      assert.strictEqual(audits[0]!.action, "redrive")
    })
  )

  effect(
    "never makes again under a new key what has happened",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const id = yield* ended(1, { _tag: "NeedsReconcile", why: "unclear" }, "Applied")
      refusedAs(yield* Effect.flip(admin.redrive(id, { ...signed, newKey: true })), "WrongState", "has happened")
      assert.deepStrictEqual((yield* admin.redrive(id, signed)).refused, [])
    })
  )

  effect(
    "changes what a filter finds and tells what it left, and why",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      yield* ended(1, dead)
      yield* ended(2, keyExpired)
      yield* ended(3, { _tag: "Dead", why: "rejected" }, "Refused", { operation: "refund" })
      const { changed, refused } = yield* admin.redrive({ operation: "charge" }, signed)
      assert.deepStrictEqual(
        [changed.map(({ id }) => id), refused.map(({ id, reason }) => ({ id, reason }))],
        [[idOf(1)], [{ id: idOf(2), reason: "NeedsNewKey" }]]
      )
      assert.deepStrictEqual(yield* admin.redrive({ operation: "nothing" }, signed), { changed: [], refused: [] })
    })
  )

  effect(
    "gives up dead entries, and pending ones only if they are named",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      yield* ended(1, dead)
      yield* store.offer(offerOf(2, {}))
      yield* store.offer(offerOf(3, { lease: Duration.minutes(1) }))
      assert.strictEqual((yield* admin.discard({}, signed)).changed.length, 1)
      const [{ audits, entry }] = yield* admin.show(idOf(1))
      assert.deepStrictEqual([entry.state, entry.payload, audits.length], ["Discarded", "", 1])
      assert.strictEqual((yield* admin.discard({ states: ["Pending"] }, signed)).changed.length, 1)
      refusedAs(yield* Effect.flip(admin.discard(idOf(3), signed)), "WrongState", "Leased", "lease ends")
    })
  )

  it.effect("resolves with a result for a worker, enciphered like every other, and without one at once", () =>
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      const id = yield* ended(1, keyExpired)
      yield* admin.resolve(id, { ...signed, result: { id: "ch_1" } })
      const [{ audits, entry }] = yield* admin.show(id)
      assert.deepStrictEqual(
        [entry.state, entry.outcome, entry.answer, entry.result, audits[0]!.action],
        [
          "Pending",
          "Applied",
          `<{"_tag":"Delivered","result":{"id":"ch_1"},"keep":${30 * 86_400_000}}>`,
          undefined,
          "resolve"
        ]
      )
      refusedAs(yield* Effect.flip(admin.resolve(id, signed)), "WrongState", "it is known how it ended")
      const other = yield* ended(2, dead)
      refusedAs(
        yield* Effect.flip(admin.resolve(other, { ...signed, result: { big: 1n } })),
        "Invalid",
        "nothing was changed"
      )
      assert.strictEqual((yield* store.audits(other)).length, 0)
      yield* admin.resolve(other, signed)
      const [{ entry: over }] = yield* admin.show(other)
      assert.deepStrictEqual(
        [over.state, over.outcome, over.result, over.payload],
        ["Delivered", "Applied", undefined, ""]
      )
      refusedAs(yield* Effect.flip(admin.resolve(other, signed)), "WrongState", "it happened")
    }).pipe(
      Effect.provide(Test),
      Effect.provideService(OutboxStore.Cipher, {
        encrypt: (text) => Effect.succeed(`<${text}>`),
        decrypt: (text) => Effect.succeed(text.slice(1, -1))
      })
    )
  )

  effect(
    "wants a name, evidence, and numbers that make sense, before it looks",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const id = yield* ended(1, dead)
      const wrong: ReadonlyArray<readonly [OutboxAdmin.Redrive, string]> = [
        [{ by: " ", evidence: "x" }, "name"],
        [{ by: "ada", evidence: "\n" }, "evidence"],
        [{ ...signed, rate: 0 }, "rate"],
        [{ ...signed, rate: Infinity }, "rate"],
        [{ ...signed, limit: 1.5 }, "limit"]
      ]
      for (const [options, word] of wrong) {
        refusedAs(yield* Effect.flip(admin.redrive(id, options)), "Invalid", word)
      }
      assert.strictEqual((yield* admin.show(id))[0].entry.state, "Dead")
      refusedAs(yield* Effect.flip(admin.redrive("nope", signed)), "NotFound", "nope")
      refusedAs(yield* Effect.flip(admin.show("nope")), "NotFound", "nope")
    })
  )

  effect(
    "shows by id or by key, pages, and counts alike failures",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      for (let n = 1; n <= 3; n++) {
        yield* ended(n, dead, "Unknown", { key: "shared", operation: n === 3 ? "refund" : "charge" })
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(
        (yield* admin.show("shared")).map(({ entry }) => entry.id),
        [1, 2, 3].map(idOf)
      )
      const first = yield* admin.list({}, { limit: 2 })
      const second = yield* admin.list({}, { limit: 2, after: first.next })
      assert.deepStrictEqual(
        [first.entries.length, second.entries.map(({ id }) => id), second.next],
        [2, [idOf(3)], undefined]
      )
      assert.deepStrictEqual(
        (yield* admin.groups()).map(({ count, operation, why }) => [operation, why, count]),
        [
          ["charge", "exhausted", 2],
          ["refund", "exhausted", 1]
        ]
      )
    })
  )

  effect(
    "pauses and resumes, and counts by operation",
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const store = yield* OutboxStore.OutboxStore
      yield* store.offer(offerOf(1, {}))
      yield* TestClock.adjust("1 minute")
      yield* store.offer(offerOf(2, {}))
      yield* ended(3, dead, "Unknown", { operation: "refund" })
      yield* admin.pause({ integration: "payments", operation: "charge" })
      yield* admin.pause({ integration: "mail", operation: "receipt" })
      const { operations, paused } = yield* admin.stats
      assert.deepStrictEqual(
        operations.map(({ counts, integration, oldestAge, operation, paused }) => [
          `${integration} ${operation}`,
          counts.Pending,
          counts.Dead,
          oldestAge,
          paused
        ]),
        [
          ["mail receipt", 0, 0, undefined, true],
          ["payments charge", 2, 0, 60_000, true],
          ["payments refund", 0, 1, undefined, false]
        ]
      )
      assert.strictEqual(paused.length, 2)
      assert.isFalse(yield* admin.resume({ integration: "payments", operation: undefined }))
      assert.isTrue(yield* admin.resume({ integration: "payments", operation: "charge" }))
      assert.strictEqual((yield* store.paused).length, 1)
    })
  )

  effect(
    "says how far it came when the store fails, and that it must be looked at",
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      yield* ended(1, dead)
      yield* ended(2, dead)
      let left = 1
      const broken: OutboxStore.Store = {
        ...store,
        change: (...given) =>
          left-- > 0
            ? store.change(...given)
            : Effect.fail(
                new OutboxStore.StoreError({
                  reason: "Unavailable",
                  store: "memory",
                  operation: "change",
                  tookEffect: "unknown",
                  cause: undefined
                })
              )
      }
      const admin = yield* Effect.provideService(OutboxAdmin.make, OutboxStore.OutboxStore, broken)
      const error = yield* Effect.flip(admin.redrive({}, signed))
      refusedAs(error, "StoreFailed", "after 1", "look at it before you do it again")
    })
  )

  it.effect("a letter that may have been sent is sent once more by the worker, when a person says so", () =>
    Effect.gen(function* () {
      const admin = yield* OutboxAdmin.OutboxAdmin
      const provider = yield* Provider
      const shop = yield* Shop
      const told: Array<string> = []
      const ignored = { onDelivered: () => Effect.void, onDead: () => Effect.void, onNeedsReconcile: () => Effect.void }
      const worker = OutboxWorker.layer(Shop, {
        park: ignored,
        charge: ignored,
        lane: ignored,
        look: ignored,
        once: {
          onDelivered: () => Effect.sync(() => void told.push("delivered")),
          onDead: () => Effect.sync(() => void told.push("dead")),
          onNeedsReconcile: () => Effect.sync(() => void told.push("unclear"))
        }
      })
      const work = Effect.scoped(Effect.andThen(Layer.build(worker), TestClock.adjust("1 minute")))
      provider.next("Lost")
      const fiber = yield* Effect.forkChild(Effect.exit(shop.once({ order: "o1", amount: 1 })))
      yield* TestClock.adjust("40 seconds")
      yield* Fiber.join(fiber)
      yield* work
      assert.deepStrictEqual(told, ["unclear"])
      const { entries } = yield* admin.list({ states: ["NeedsReconcile"] })
      assert.strictEqual(entries[0]?.why, "sent once")
      yield* admin.redrive(entries[0]!.id, { ...signed, again: true })
      yield* work
      assert.deepStrictEqual(told, ["unclear", "delivered"])
      assert.strictEqual(provider.sent.length, 2)
    }).pipe(
      Effect.provide(
        Shop.layer.pipe(
          Layer.provideMerge(Provider.layer),
          Layer.provideMerge(OutboxAdmin.layer),
          Layer.provideMerge(OutboxStoreMemory.layer)
        )
      )
    )
  )
})
