/** What a reader, a worker and a person must find of stored calls that another version wrote. */
import { assert } from "@effect/vitest"
import type { Outbox, OutboxStore } from "breakwater"
import { Effect, Option } from "effect"
import type { Promised } from "./outboxScenarios.ts"
import { signed } from "./outboxScenarios.ts"
import { type Seen, seenOf } from "./outboxSeen.ts"
import { inputOf, type OperationName, resultOf } from "./outboxShop.ts"
import type { World } from "./outboxWorld.ts"

export interface Written {
  readonly promises: ReadonlyArray<Promised>
  /** In the order of the promises. */
  readonly seen: ReadonlyArray<Seen>
  readonly paused: ReadonlyArray<OutboxStore.Paused>
}

const idOf = ({ entry }: Seen): string => entry["id"] as string

/** Looks, and changes nothing: page by page, one by one, by key, in groups, in figures. `now` is when it was written. */
export const look = Effect.fnUntraced(function* ({ admin }: World, { paused, promises, seen }: Written, now: number) {
  const listed: Array<Outbox.Entry> = []
  for (let after: Pick<Outbox.Entry, "createdAt" | "id"> | undefined; ;) {
    const { entries, next } = yield* admin.list({}, { limit: 7, after })
    listed.push(...entries)
    if (next === undefined) break
    after = next
  }
  assert.strictEqual(listed.length, promises.length)
  for (const [n, { audits, operation, order, state, why }] of promises.entries()) {
    const one = seen[n]!
    const found = listed.find(({ id }) => id === idOf(one))
    assert.isDefined(found, order)
    assert.deepStrictEqual([found!.operation, found!.state, found!.why ?? null], [operation, state, why], order)
    const [shown] = yield* admin.show(idOf(one))
    const now_ = seenOf(shown.entry, shown.audits, now)
    // A later version may know more of an entry, and never less.
    assert.deepStrictEqual(pick(now_.entry, Object.keys(one.entry)), one.entry, order)
    assert.deepStrictEqual(now_.audits, one.audits, order)
    assert.deepStrictEqual(
      shown.audits.map(({ action, by }) => [action, by]),
      audits.map((action) => [action, signed.by]),
      order
    )
    if (found!.key !== undefined) {
      const byKey = yield* admin.show(found!.key)
      assert.deepStrictEqual(
        byKey.map(({ entry }) => entry.id),
        [found!.id],
        order
      )
    }
  }
  const isUnwell = ({ state }: Promised) => state === "Dead" || state === "NeedsReconcile"
  const groups = yield* admin.groups()
  assert.strictEqual(
    groups.reduce((sum, { count }) => sum + count, 0),
    promises.filter(isUnwell).length
  )
  const stats = yield* admin.stats
  const byText = (all: ReadonlyArray<unknown>) => all.map((one) => JSON.stringify(one)).toSorted()
  assert.deepStrictEqual(byText(stats.paused), byText(paused))
  for (const { counts, operation } of stats.operations) {
    const own = promises.filter((promised) => promised.operation === operation)
    for (const [state, count] of Object.entries(counts)) {
      assert.strictEqual(count, own.filter((promised) => promised.state === state).length, `${operation} ${state}`)
    }
  }
})

const pick = (from: { readonly [field: string]: unknown }, fields: ReadonlyArray<string>) =>
  Object.fromEntries(fields.filter((field) => field in from).map((field) => [field, from[field]]))

/** Waits until each entry is in its state. */
const until = (world: World, expected: ReadonlyMap<string, Outbox.Entry["state"]>) =>
  Effect.gen(function* () {
    for (let left = 1_000; ; left--) {
      const wrong: Array<string> = []
      for (const [id, state] of expected) {
        const found = yield* world.entry(id)
        if (found.state !== state) wrong.push(`${id} is ${found.state} (${found.why}), not ${state}: ${found.payload}`)
      }
      if (wrong.length === 0) return
      if (left === 0) return assert.fail(wrong.join("\n"))
      yield* Effect.sleep("10 millis")
    }
  })

const sentOf = ({ provider }: World) => provider.sent.map(({ key, order }) => `${order} ${key}`).toSorted()
const keyOf = ({ entry }: Seen) => entry["key"] as string | undefined

/** A worker of today makes what is due, once, under the key that was stored, and tells what became of it. */
export const work = Effect.fnUntraced(function* (world: World, { promises, seen }: Written) {
  const all = promises.map((promised, n) => ({ ...promised, id: idOf(seen[n]!), key: keyOf(seen[n]!) }))
  yield* world.work()
  // What was kept long enough the worker forgets, sooner or later.
  yield* until(world, new Map(all.flatMap(({ forgotten, id, worked }) => (forgotten ? [] : [[id, worked]]))))
  assert.deepStrictEqual(
    sentOf(world),
    all.flatMap(({ key, order, sent }) => (sent ? [`${order} ${key}`] : [])).toSorted()
  )
  const ended = all.filter(({ state, worked }) => state !== worked)
  const lines = ended.map(({ order, worked }) =>
    worked === "Delivered"
      ? `delivered as ch_${order}: ${order}`
      : worked === "NeedsReconcile"
        ? `unclear (sent once): ${order}`
        : `dead of ${order === "answered with a no" ? "Declined" : "Undelivered"}: ${order}`
  )
  assert.deepStrictEqual(world.told.toSorted(), lines.toSorted())
  const lane = world.provider.sent.map(({ order }) => order).filter((order) => order.startsWith("east/"))
  assert.deepStrictEqual(lane, ["east/1", "east/2", "east/3"])
  for (const { order, worked } of ended) {
    // Who makes the same call again is told its answer, and it is not made. One without a key is another call, and one
    // that is stored only if it can't be made now is made.
    const { operation } = all.find((one) => one.order === order)!
    if (worked !== "Delivered" || operation === "once" || operation === "park") continue
    assert.deepStrictEqual(yield* world.call(operation, inputOf(order)), resultOf(order), order)
  }
  assert.strictEqual(world.provider.sent.length, all.filter(({ sent }) => sent).length)
})

/** A person makes what is dead or unclear go again, and what is paused. */
export const redrive = Effect.fnUntraced(function* (world: World, { promises, seen }: Written) {
  const { admin } = world
  const all = promises.map((promised, n) => ({ ...promised, id: idOf(seen[n]!), key: keyOf(seen[n]!) }))
  const expected = new Map<string, Outbox.Entry["state"]>()
  const sent: Array<string> = []
  for (const { audits, id, key, order, redrive } of all) {
    if (redrive === null) continue
    if (redrive === "anew") {
      assert.strictEqual((yield* Effect.flip(admin.redrive(id, signed))).reason, "NeedsNewKey", order)
      yield* admin.redrive(id, { ...signed, newKey: key !== undefined, again: key === undefined })
    } else yield* admin.redrive(id, signed)
    const [{ audits: now, entry }] = yield* admin.show(id)
    assert.strictEqual(now.length, audits.length + 1, order)
    assert.strictEqual(entry.key === key, redrive === "as it was" || key === undefined, order)
    expected.set(id, "Delivered")
    sent.push(`${order} ${entry.key}`)
  }
  // What waited behind a dead one goes after it, and what was paused goes.
  for (const { id, key, order } of all.filter(({ order }) => order === "north/2" || order === "paused")) {
    expected.set(id, "Delivered")
    sent.push(`${order} ${key}`)
  }
  assert.isTrue(yield* admin.resume({ integration: "released/Shop", operation: "fax" }))
  yield* world.work()
  yield* until(world, expected)
  const others = all.filter((one) => one.sent && !expected.has(one.id))
  yield* until(world, new Map(others.map(({ id, worked }) => [id, worked])))
  assert.deepStrictEqual(sentOf(world), [...sent, ...others.map(({ key, order }) => `${order} ${key}`)].toSorted())
  const lane = world.provider.sent.map(({ order }) => order).filter((order) => order.startsWith("north/"))
  assert.deepStrictEqual(lane, ["north/1", "north/2"])
})

/** A person says that what is unclear happened, and gives up what is dead. */
export const endByHand = Effect.fnUntraced(function* (world: World, { promises, seen }: Written) {
  const expected = new Map<string, Outbox.Entry["state"]>()
  for (const [n, { order, state }] of promises.entries()) {
    const id = idOf(seen[n]!)
    if (state === "NeedsReconcile") yield* world.admin.resolve(id, { ...signed, result: resultOf(order) })
    else if (state === "Dead") yield* world.admin.discard(id, signed)
    else continue
    expected.set(id, state === "Dead" ? "Discarded" : "Delivered")
    const [{ audits }] = yield* world.admin.show(id)
    assert.strictEqual(audits.at(-1)?.action, state === "Dead" ? "discard" : "resolve", order)
  }
  yield* world.work()
  yield* until(world, expected)
})

/** A sweep forgets what it may, and nothing else. */
export const sweep = Effect.fnUntraced(function* ({ store }: World, { promises, seen }: Written) {
  assert.strictEqual(yield* store.sweep({ limit: 1_000 }), promises.filter(({ forgotten }) => forgotten).length)
  for (const [n, { forgotten, order }] of promises.entries()) {
    assert.strictEqual(Option.isNone(yield* store.get(idOf(seen[n]!))), forgotten, order)
  }
})

/** The same call is the same entry, and another one under its key is refused. */
export const repeat = Effect.fnUntraced(function* (world: World, { seen, promises }: Written) {
  const n = promises.findIndex(({ order }) => order === "pending, for later")
  const { operation, order } = promises[n]! as { operation: OperationName; order: string }
  const again = (yield* world.call(operation, inputOf(order))) as { readonly _tag: string; readonly id: string }
  assert.deepStrictEqual([again._tag, again.id], ["Queued", idOf(seen[n]!)])
  const other = yield* Effect.flip(world.call(operation, { ...inputOf(order), amount: 1 }))
  assert.strictEqual((other as { readonly reason?: string }).reason, "KeyConflict")
  assert.deepStrictEqual(world.provider.sent, [])
})
