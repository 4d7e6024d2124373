import { IdempotencyStoreMemory } from "breakwater"
import type * as StoreConformance from "../../src/testing/StoreConformance.ts"
import { Effect } from "effect"
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
