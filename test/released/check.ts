/** What a reader must find of records that another version wrote. */
import { assert } from "@effect/vitest"
import type { IdempotencyStore } from "breakwater"
import { Duration, Effect, Option } from "effect"
import type { Promised } from "./scenarios.ts"

type Store = IdempotencyStore.Store

/** `epochs` are those of the records' last owners, in the order of the records. */
export interface Written {
  readonly records: ReadonlyArray<Promised>
  readonly epochs: ReadonlyArray<number>
}

const asking = ({ fingerprint, key, scope }: Promised): IdempotencyStore.ClaimOptions => ({
  scope,
  key,
  fingerprint,
  lease: Duration.hours(1),
  timeToLive: Duration.hours(1),
  onLostLease: "rerun"
})

/** Looks, and changes nothing: each record, the list of what is held, and another request with each key. */
const looks = Effect.fnUntraced(function* (store: Store, { epochs, records }: Written) {
  for (const [n, promised] of records.entries()) {
    const { key, record, scope } = promised
    const found = Option.getOrUndefined(yield* store.get(promised))
    if (record !== null) {
      assert.isDefined(found, key)
      const { onLostLease, result = null, state, steps } = found!
      assert.deepStrictEqual({ state, onLostLease, steps, result }, record, key)
      assert.deepStrictEqual({ scope, key }, { scope: found!.scope, key: found!.key })
      assert.deepStrictEqual([found!.fingerprint, found!.epoch], [promised.fingerprint, epochs[n]], key)
    }
    if (promised.finds._tag === "Started" && !promised.finds.takenOver) continue
    const other = yield* store.claim({ ...asking(promised), fingerprint: `h1:${"f".repeat(64)}` })
    assert.strictEqual(other._tag, "Mismatch", key)
  }
  const held = yield* store.held({ limit: 1_000 })
  assert.deepStrictEqual(
    held.map(({ key }) => key).toSorted(),
    records.flatMap(({ held, key }) => (held ? [key] : [])).toSorted()
  )
  for (const { state } of held) assert.strictEqual(state, "Held")
})

/** The next claim of the same request finds what was promised, and fences whoever wrote the record. */
const claims = Effect.fnUntraced(function* (store: Store, { epochs, records }: Written) {
  for (const [n, promised] of records.entries()) {
    const { finds, key } = promised
    const epoch = epochs[n]!
    const owner = { scope: promised.scope, key, epoch }
    const found = yield* store.claim(asking(promised))
    assert.strictEqual(found._tag, finds._tag, key)
    if (finds._tag === "Replay") assert.deepStrictEqual(found, { ...finds, result: finds.result ?? undefined }, key)
    if (finds._tag === "InFlight") {
      // The process that wrote it is still at work, and may end it.
      assert.isTrue(yield* store.complete(owner, { result: "late", timeToLive: Duration.hours(1) }), key)
      assert.deepStrictEqual(yield* store.claim(asking(promised)), { _tag: "Replay", result: "late" }, key)
      continue
    }
    if (finds._tag === "Held") {
      assert.isFalse(yield* store.complete(owner, { result: "late", timeToLive: Duration.hours(1) }), key)
      const resolution = { _tag: "Done", result: "resolved", timeToLive: Duration.hours(1) } as const
      assert.isTrue(yield* store.resolve(promised, resolution), key)
      assert.deepStrictEqual(yield* store.claim(asking(promised)), { _tag: "Replay", result: "resolved" }, key)
      continue
    }
    assert.isFalse(yield* store.complete(owner, { result: "stale", timeToLive: Duration.hours(1) }), key)
    assert.isFalse(yield* store.renew(owner, Duration.hours(1)), key)
    if (finds._tag !== "Started" || found._tag !== "Started") continue
    assert.deepStrictEqual([found.takenOver, found.steps], [finds.takenOver, finds.steps], key)
    assert.isAbove(found.epoch, epoch, key)
    const next = { ...owner, epoch: found.epoch }
    assert.isTrue(yield* store.complete(next, { result: "next", timeToLive: Duration.hours(1) }), key)
    assert.deepStrictEqual(yield* store.claim(asking(promised)), { _tag: "Replay", result: "next" }, key)
  }
})

export const read = (store: Store, written: Written): Effect.Effect<void, unknown> =>
  Effect.andThen(looks(store, written), claims(store, written))

/** A sweep forgets what it may, and nothing else. Redis forgets by itself. */
export const sweep = Effect.fnUntraced(function* (store: Store, { records }: Written, forgets: "swept" | "itself") {
  const swept = yield* store.sweep({ limit: 1_000 })
  if (forgets === "swept") assert.strictEqual(swept, records.filter(({ forgotten }) => forgotten).length)
  for (const promised of records) {
    const found = yield* store.get(promised)
    if (promised.forgotten) assert.isTrue(Option.isNone(found), promised.key)
    else if (promised.record !== null) assert.isTrue(Option.isSome(found), promised.key)
  }
})
