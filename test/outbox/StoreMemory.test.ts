import { OutboxStoreMemory } from "breakwater"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
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
