/** A breaker whose circuits are in Effect's store, whichever that is. */
import { Policy, Reason } from "breakwater"
import { Context, Effect, Exit, Layer, Logger } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { failureOf, say, scripted, type ScriptedOptions } from "../properties/support.ts"

export type Store = CircuitBreaker.CircuitBreakerStore["Service"]

export const once = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

export const over = (store: Store, options: Policy.BreakerOptions, send: ScriptedOptions["send"]) =>
  scripted({ policy: Policy.stack(once, Policy.breaker({ store: "environment", ...options })), send }).pipe(
    Effect.provideService(CircuitBreaker.CircuitBreakerStore, store)
  )

export const memory = Effect.map(Layer.build(CircuitBreaker.layerStoreMemory()), (context) =>
  Context.get(context, CircuitBreaker.CircuitBreakerStore)
)

export const down = () => say(Reason.unavailable())
export const up = () => Effect.succeed("ok")
export const tagOf = (exit: Exit.Exit<unknown, unknown>) =>
  failureOf(exit)?.reason._tag ?? (Exit.isSuccess(exit) ? "ok" : "?")
export const times = (call: Effect.Effect<unknown, unknown>, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.map(Effect.exit(call), tagOf))

/** Collects what is logged as a warning. */
export const warnings = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") lines.push(String(Array.isArray(message) ? message[0] : message))
    })
  ])
  return { of: () => lines.filter((line) => line.includes("the store of the breaker")), layer }
}
