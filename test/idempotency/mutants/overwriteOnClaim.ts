import { Clock, Effect, Option } from "effect"
import { mutant } from "./mutant.ts"

/** A claim writes without a condition (`SETEX` for `SET NX`): the last of two owners wins, and both run. */
export const overwriteOnClaim = mutant("overwrite on claim", ["R3", "race: of many that claim", "model"], (store) => ({
  claim: (options) =>
    Effect.flatMap(store.get(options), (found) =>
      Option.isSome(found) && found.value.state === "Running"
        ? Effect.andThen(store.release({ ...options, epoch: found.value.epoch }), store.claim(options))
        : store.claim(options)
    )
}))

/** A claim looks first and writes then, with nothing that holds the two together. */
export const lookThenWrite = mutant(
  "look, then write",
  [
    "race: of many that claim",
    "race: of many different requests",
    "race: of many that find a lost lease",
    "linearizable"
  ],
  (store) => ({
    claim: (options) =>
      Effect.gen(function* () {
        const seen = Option.getOrUndefined(yield* store.get(options))
        const now = yield* Clock.currentTimeMillis
        yield* Effect.yieldNow
        const lost = seen?.state === "Running" && seen.onLostLease === "rerun" && seen.leaseUntil <= now
        if (seen !== undefined && (!lost || seen.fingerprint !== options.fingerprint))
          return yield* store.claim(options)
        const current = Option.getOrUndefined(yield* store.get(options))
        if (current?.state === "Running") yield* store.release({ ...options, epoch: current.epoch })
        const claim = yield* store.claim(options)
        return claim._tag === "Started" ? { ...claim, takenOver: lost } : claim
      })
  })
)
