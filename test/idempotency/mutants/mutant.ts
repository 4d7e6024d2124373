import { IdempotencyStoreMemory } from "breakwater"
import type { IdempotencyStore } from "breakwater"
import { Effect } from "effect"

export type Store = IdempotencyStore.Store

/** A store with one defect, and cases that must find it. */
export interface Mutant {
  readonly name: string
  /** How the names of those cases begin. */
  readonly foundBy: ReadonlyArray<string>
  /** Puts the defect into any store, where it is one of a method. */
  readonly change?: (store: Store) => Partial<Store>
  readonly handles: Effect.Effect<readonly [Store, Store]>
}

/** The store in memory, with something replaced. */
export const mutant = (
  name: string,
  foundBy: ReadonlyArray<string>,
  change: (store: Store) => Partial<Store>
): Mutant => ({
  name,
  foundBy,
  change,
  handles: Effect.map(IdempotencyStoreMemory.make, (store) => {
    const broken = { ...store, ...change(store) }
    return [broken, broken]
  })
})
