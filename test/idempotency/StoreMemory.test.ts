import { assert, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory } from "breakwater"
import type * as StoreConformance from "../../src/testing/StoreConformance.ts"
import { Context, Duration, Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { storeSuite } from "./StoreSuite.ts"

export const harness: StoreConformance.Harness = {
  name: "memory",
  open: Effect.map(IdempotencyStoreMemory.make, (store) => ({
    handles: [store, store],
    time: { _tag: "Settable", advance: TestClock.adjust }
  })),
  effort: { runs: 200, keys: 100 }
}

storeSuite(harness)

it.effect("every build of the layer has records of its own", () =>
  Effect.gen(function* () {
    const build = Effect.map(Layer.build(Layer.fresh(IdempotencyStoreMemory.layer)), (context) =>
      Context.get(context, IdempotencyStore.IdempotencyStore)
    )
    const [one, two] = [yield* build, yield* build]
    const address = { scope: "s", key: "k" }
    yield* one.claim({
      ...address,
      fingerprint: "f",
      lease: Duration.minutes(1),
      timeToLive: Duration.minutes(1),
      onLostLease: "rerun"
    })
    assert.isTrue(Option.isSome(yield* one.get(address)))
    assert.isTrue(Option.isNone(yield* two.get(address)))
  })
)

it.effect("what it hands out does not change with what is written later", () =>
  Effect.gen(function* () {
    const store = yield* IdempotencyStoreMemory.make
    const address = { scope: "s", key: "k" }
    const claim = yield* store.claim({
      ...address,
      fingerprint: "f",
      lease: Duration.minutes(1),
      timeToLive: Duration.minutes(1),
      onLostLease: "resume"
    })
    if (claim._tag !== "Started") return assert.fail(claim._tag)
    const before = Option.getOrThrow(yield* store.get(address))
    yield* store.saveStep({ ...address, epoch: claim.epoch }, { name: "one", data: "1" })
    yield* store.complete({ ...address, epoch: claim.epoch }, { result: "r", timeToLive: Duration.minutes(1) })
    assert.deepStrictEqual([before.state, before.steps, before.result], ["Running", [], undefined])
  })
)
