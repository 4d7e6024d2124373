/** Defects for a server's store, which a soak must find. */
import type { IdempotencyStore } from "breakwater"
import { Effect } from "effect"
import type { Mutant } from "./protocol.ts"

type Store = IdempotencyStore.Store

export const mutated = (
  store: Store,
  mutant: Mutant | undefined,
  forgetAll?: Effect.Effect<unknown, unknown>
): Store => {
  if (mutant === "sweeps too much" && forgetAll !== undefined) {
    return { ...store, sweep: () => Effect.as(Effect.orDie(forgetAll), 1) }
  }
  if (mutant === "never done") return { ...store, complete: () => Effect.succeed(true) }
  if (mutant !== "done too early") return store
  return {
    ...store,
    claim: (options) =>
      Effect.tap(store.claim(options), (claim) =>
        claim._tag === "Started"
          ? store.complete({ ...options, epoch: claim.epoch }, { result: undefined, timeToLive: options.timeToLive })
          : Effect.void
      )
  }
}
