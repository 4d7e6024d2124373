/** A process that runs a released version, as a store: every call goes to it and back. */
import { IdempotencyStore } from "breakwater"
import { Duration, Effect, Option, type Scope } from "effect"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Kind } from "./open.ts"
import type { Answered, Asked } from "./peer.main.ts"

type Store = IdempotencyStore.Store

/** Starts a process with this bundle, which opens stores of this kind in any place. It ends with the scope. */
export const start = (bundle: string, kind: Kind): Effect.Effect<(place: string) => Store, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<number, (answered: Answered) => void>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(fileURLToPath(new URL("./peer.main.ts", import.meta.url)), [bundle, kind], {
          serialization: "advanced",
          stdio: ["ignore", "inherit", "inherit", "ipc"]
        })
      ),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.disconnect()
        })
    )
    yield* Effect.callback<void, Error>((resume) => {
      child.once("exit", (code) => resume(Effect.fail(new Error(`the old process ended with ${code}`))))
      child.once("message", () => resume(Effect.void))
    })
    child.on("message", (answered: Answered) => waiting.get(answered.id)?.(answered))
    let ids = 0

    return (place): Store => {
      const ask = <A>(operation: keyof Store, ...args: ReadonlyArray<unknown>) =>
        Effect.callback<A, IdempotencyStore.StoreError>((resume) => {
          const id = ++ids
          waiting.set(id, ({ failed, value }) => {
            waiting.delete(id)
            if (failed === undefined) return resume(Effect.succeed(value as A))
            resume(Effect.fail(new IdempotencyStore.StoreError({ store: kind, operation, ...failed })))
          })
          child.send({ id, place, operation, args } satisfies Asked)
        })
      const millis = Duration.toMillis
      return {
        claim: (options) => {
          const lease = millis(options.lease)
          const claimed = ask<
            Exclude<IdempotencyStore.Claim, { _tag: "InFlight" }> | { _tag: "InFlight"; retryAfter: number }
          >("claim", { ...options, lease, timeToLive: millis(options.timeToLive) })
          return Effect.map(claimed, (claim) =>
            claim._tag === "InFlight" ? { ...claim, retryAfter: Duration.millis(claim.retryAfter) } : claim
          )
        },
        renew: (owner, lease) => ask("renew", owner, millis(lease)),
        saveStep: (owner, step) => ask("saveStep", owner, step),
        complete: (owner, { result, timeToLive }) => ask("complete", owner, { result, timeToLive: millis(timeToLive) }),
        release: (owner) => ask("release", owner),
        hold: (owner) => ask("hold", owner),
        resolve: (address, resolution) =>
          ask(
            "resolve",
            address,
            resolution._tag === "Done" ? { ...resolution, timeToLive: millis(resolution.timeToLive) } : resolution
          ),
        get: (address) => Effect.map(ask<IdempotencyStore.Record | undefined>("get", address), Option.fromUndefinedOr),
        held: (options) => ask("held", options),
        sweep: (options) => ask("sweep", options)
      }
    }
  })
