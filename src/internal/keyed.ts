import * as Effect from "effect/Effect"
import type { Call, Site } from "../Call.ts"
import { PolicyError } from "../PolicyError.ts"

/**
 * By what a stateful layer is split: one for the integration, one for each operation, one for each host, or by what a
 * function reads from the call.
 *
 * @category models
 * @since 0.1.0
 */
export type Key = "integration" | "operation" | "host" | ((call: Call) => string)

/** The key of every call, or how a call says it. */
export type Keyed = string | ((call: Call) => string)

export const keyOf = (keyed: Keyed, call: Call): string => (typeof keyed === "string" ? keyed : keyed(call))

/** The kind of a key, for settings and plans. */
export const kindOf = (key: Key | undefined): "integration" | "operation" | "host" | "call" =>
  typeof key === "function" ? "call" : (key ?? "integration")

/** What a plan says of it. */
export const describeKey = (key: Key | undefined): string => {
  const kind = kindOf(key)
  return kind === "integration" ? "" : kind === "call" ? ", by a key of the call" : `, for each ${kind}`
}

/** A key that every call of an operation has, or the function that reads it from the call. */
export const keyAt = (what: string, key: Key | undefined, site: Site): Effect.Effect<Keyed, PolicyError> => {
  if (typeof key === "function") return Effect.succeed(key)
  if (key === "operation") return Effect.succeed(site.operation)
  if (key !== "host") return Effect.succeed(site.integration)
  return site.host === undefined
    ? Effect.fail(
        new PolicyError({
          integration: site.integration,
          operation: site.operation,
          problems: [`${what} is split by host, but the operation has none: give another key, or a fixed base URL`]
        })
      )
    : Effect.succeed(site.host)
}
