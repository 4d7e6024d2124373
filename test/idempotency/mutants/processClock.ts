import { IdempotencyStoreMemory } from "breakwater"
import { Clock, Effect } from "effect"
import type { Mutant, Store } from "./mutant.ts"

/** Leases and times to live are measured by whoever calls: two processes do not agree when one has ended. */
export const processClock: Mutant = {
  name: "process clock",
  foundBy: ["the clock of a process decides nothing"],
  handles: Effect.gen(function* () {
    const clock = yield* Clock.Clock
    let now = clock.currentTimeMillisUnsafe()
    const callers: Clock.Clock = {
      ...clock,
      currentTimeMillisUnsafe: () => now,
      currentTimeMillis: Effect.sync(() => now)
    }
    const store = yield* Effect.provideService(IdempotencyStoreMemory.make, Clock.Clock, callers)
    const asCaller = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.flatMap(Clock.currentTimeMillis, (callersNow) => {
        now = callersNow
        return self
      })
    const broken: Store = {
      claim: (options) => asCaller(store.claim(options)),
      renew: (owner, lease) => asCaller(store.renew(owner, lease)),
      saveStep: (owner, step) => asCaller(store.saveStep(owner, step)),
      complete: (owner, options) => asCaller(store.complete(owner, options)),
      release: (owner) => asCaller(store.release(owner)),
      hold: (owner) => asCaller(store.hold(owner)),
      resolve: (address, resolution) => asCaller(store.resolve(address, resolution)),
      get: (address) => asCaller(store.get(address)),
      held: (options) => asCaller(store.held(options)),
      sweep: (options) => asCaller(store.sweep(options))
    }
    return [broken, broken] as const
  })
}
