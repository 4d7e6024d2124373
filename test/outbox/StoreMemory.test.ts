import { assert, it } from "@effect/vitest"
import { OutboxStore, OutboxStoreMemory } from "breakwater"
import { Context, Duration, Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { OutboxQueue, type Waiting } from "../../src/internal/outboxQueue.ts"
import type * as OutboxConformance from "../../src/testing/OutboxConformance.ts"
import { storeSuite } from "./StoreSuite.ts"

export const harness: OutboxConformance.Harness = {
  name: "memory",
  open: Effect.map(OutboxStoreMemory.make, (store) => ({
    handles: [store, store],
    time: { _tag: "Settable", advance: TestClock.adjust }
  })),
  effort: { runs: 100, keys: 60 }
}

storeSuite(harness)

const offering = (n: number, more: Partial<OutboxStore.Offer> = {}): OutboxStore.Offer => ({
  id: n.toString(16).padStart(32, "0"),
  integration: "billing",
  operation: "charge",
  key: `k${n}`,
  fingerprint: "f",
  origin: "write-ahead",
  payload: "payload",
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
  lease: undefined,
  ...more
})
const learned: OutboxStore.Learned = { outcome: "Applied", firstSentAgo: 0, inDoubtAgo: 0, history: [] }

it.effect("every build of the layer has entries of its own", () =>
  Effect.gen(function* () {
    const build = Effect.map(Layer.build(Layer.fresh(OutboxStoreMemory.layer)), (context) =>
      Context.get(context, OutboxStore.OutboxStore)
    )
    const [one, two] = [yield* build, yield* build]
    yield* one.offer(offering(1))
    assert.isTrue(Option.isSome(yield* one.get(offering(1).id)))
    assert.isTrue(Option.isNone(yield* two.get(offering(1).id)))
  })
)

it.effect("what it hands out does not change with what is written later, nor with what the caller does to it", () =>
  Effect.gen(function* () {
    const store = yield* OutboxStoreMemory.make
    const own = {
      at: 0,
      reason: "Timeout",
      message: "",
      outcome: "Unknown",
      status: undefined,
      attempts: 1,
      elapsed: 1,
      requestId: undefined
    } as const
    const history = [own]
    yield* store.offer(offering(1, { history }))
    history.push(own)
    const before = Option.getOrThrow(yield* store.get(offering(1).id))
    const [claim] = yield* store.claim({
      integration: "billing",
      operation: "charge",
      limit: 1,
      lease: Duration.hours(1)
    })
    yield* store.settle(claim!.entry, { _tag: "Delivered", result: "r", keep: Duration.zero }, learned)
    assert.deepStrictEqual([before.state, before.history.length, before.payload], ["Pending", 1, "payload"])
    assert.deepStrictEqual([claim!.entry.state, claim!.entry.payload], ["Leased", "payload"])
  })
)

it.effect("a hundred thousand that were delivered are swept, and their lanes with them", () =>
  Effect.gen(function* () {
    const store = yield* OutboxStoreMemory.make
    for (let n = 0; n < 100_000; n++) {
      yield* store.offer(offering(n, n % 10 === 0 ? { lane: { name: `lane ${n % 1_000}`, onDead: "block" } } : {}))
      const [claim] = yield* store.claim({
        integration: "billing",
        operation: "charge",
        limit: 1,
        lease: Duration.hours(1)
      })
      yield* store.settle(claim!.entry, { _tag: "Delivered", result: "r", keep: Duration.minutes(1) }, learned)
      if (n % 10_000 === 9_999) {
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* store.sweep({ limit: 20_000 }), 10_000)
      }
    }
    assert.deepStrictEqual(yield* store.list({}, { limit: 10 }), [])
    assert.isFalse(yield* store.isBusy({ integration: "billing", name: "lane 0" }))
    // A lane that nobody remembers begins anew.
    yield* store.offer(offering(1, { lane: { name: "lane 0", onDead: "block" } }))
    assert.strictEqual(Option.getOrThrow(yield* store.get(offering(1).id)).position, 1)
  })
)

it("a queue forgets what is no longer true, and gives the rest in its order", () => {
  const queue = new OutboxQueue<Waiting & { readonly name: string }>()
  const values = Array.from(
    { length: 200 },
    (_, n) => ({ name: `v${n}`, slot: undefined }) as Waiting & { readonly name: string }
  )
  for (let n = 0; n < 100_000; n++) queue.add(values[(n * 7) % 200]!, (n * 31) % 1_009)
  assert.isAtMost(queue.size, 400)
  for (const value of values.slice(100)) queue.drop(value)
  assert.isAtMost(queue.size, 200)
  const times: Array<number> = []
  const names = new Set<string>()
  for (;;) {
    const at = new Map(values.map((value) => [value, value.slot?.at]))
    const next = queue.take(2_000)
    if (next === undefined) break
    times.push(at.get(next)!)
    names.add(next.name)
  }
  assert.deepStrictEqual(
    times,
    times.toSorted((a, b) => a - b)
  )
  assert.deepStrictEqual([times.length, names.size], [100, 100])
  queue.add(values[0]!, 10)
  assert.isUndefined(queue.take(9))
  assert.strictEqual(queue.take(10), values[0])
  assert.isUndefined(queue.take(10))
})
