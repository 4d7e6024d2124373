import type { IdempotencyStore } from "breakwater"
import { Effect, Option } from "effect"
import { mutant, type Store } from "./mutant.ts"

/** Every write of an owner takes the epoch that it finds: a paused owner writes into the claim of the next one. */
export const noEpoch = mutant(
  "no epoch predicate",
  ["fences: an owner is stale", "O4: what was released", "race: of many that find a lost lease", "model"],
  (store) => {
    const current =
      <A extends ReadonlyArray<unknown>>(
        write: (owner: IdempotencyStore.Owner, ...more: A) => ReturnType<Store["hold"]>
      ) =>
      (owner: IdempotencyStore.Owner, ...more: A) =>
        Effect.flatMap(store.get(owner), (found) =>
          write({ ...owner, epoch: Option.isSome(found) ? found.value.epoch : owner.epoch }, ...more)
        )
    return {
      renew: current(store.renew),
      saveStep: current(store.saveStep),
      complete: current(store.complete),
      release: current(store.release),
      hold: current(store.hold)
    }
  }
)
