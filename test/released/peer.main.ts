/** The process of `peer.ts`: `node peer.main.ts BUNDLE KIND`. Durations come and go as milliseconds. */
import type { IdempotencyStore } from "breakwater"
import { Duration, Effect, Exit, Option, Scope } from "effect"
import { type Kind, type Modules, openStore } from "./open.ts"

export interface Asked {
  readonly id: number
  readonly place: string
  readonly operation: keyof IdempotencyStore.Store
  readonly args: ReadonlyArray<unknown>
}

export interface Answered {
  readonly id: number
  readonly value?: unknown
  readonly failed?: Pick<IdempotencyStore.StoreError, "reason" | "tookEffect" | "cause"> | undefined
}

const [bundle, kind] = process.argv.slice(2) as [string, Kind]
const modules = (await import(bundle)) as Modules
const scope = Scope.makeUnsafe()
const stores = new Map<string, Promise<IdempotencyStore.Store>>()

const storeIn = (place: string): Promise<IdempotencyStore.Store> => {
  const known = stores.get(place)
  if (known !== undefined) return known
  const opened = Effect.runPromise(Effect.provideService(openStore(modules, kind, place), Scope.Scope, scope))
  stores.set(place, opened)
  return opened
}

/** Milliseconds as the durations that they were. */
const revive = (arg: unknown): unknown => {
  if (typeof arg === "number") return Duration.millis(arg)
  if (typeof arg !== "object" || arg === null) return arg
  return Object.fromEntries(
    Object.entries(arg).map(([name, value]) => [
      name,
      name === "lease" || name === "timeToLive" ? Duration.millis(value) : value
    ])
  )
}

const flat = (value: unknown): unknown => {
  if (Option.isOption(value)) return Option.getOrUndefined(value)
  if (typeof value === "object" && value !== null && "retryAfter" in value) {
    return { ...value, retryAfter: Duration.toMillis(value.retryAfter as Duration.Duration) }
  }
  return value
}

process.on("message", ({ args, id, operation, place }: Asked) => {
  void storeIn(place).then(async (store) => {
    const call = store[operation] as (
      ...args: ReadonlyArray<unknown>
    ) => Effect.Effect<unknown, IdempotencyStore.StoreError>
    const exit = await Effect.runPromiseExit(Effect.result(call(...args.map(revive))))
    const answered: Answered = Exit.isFailure(exit)
      ? { id, failed: { reason: "Unavailable", tookEffect: "unknown", cause: String(exit.cause) } }
      : exit.value._tag === "Success"
        ? { id, value: flat(exit.value.success) }
        : {
            id,
            failed: {
              reason: exit.value.failure.reason,
              tookEffect: exit.value.failure.tookEffect,
              cause: String(exit.value.failure.cause)
            }
          }
    process.send?.(answered)
  })
})
// A parent that is gone, or needs no more.
process.on("disconnect", () => process.exit(0))
process.send?.("ready")
