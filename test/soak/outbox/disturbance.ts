/** Which of the soak's own doings an error comes from: a connection that was cut, or transactions that met. */
import { isSqlError } from "effect/sql/SqlError"

/** `conflict`: the database asks to start over. */
export type Disturbance = "connection" | "conflict"

/** FATAL: terminating connection due to administrator command. */
const adminShutdown = "57P01"
const conflicts = new Set(["SerializationError", "DeadlockError"])

/** Looks at an error and at what has caused it. */
export const disturbanceOf = (error: unknown, depth = 0): Disturbance | undefined => {
  if (typeof error !== "object" || error === null || depth > 8) return undefined
  if (isSqlError(error)) {
    if (conflicts.has(error.reason._tag)) return "conflict"
    if (error.reason._tag === "ConnectionError") return "connection"
  }
  if ("code" in error && error.code === adminShutdown) return "connection"
  const inner = error as { readonly cause?: unknown; readonly error?: unknown; readonly reason?: unknown }
  return (
    disturbanceOf(inner.reason, depth + 1) ??
    disturbanceOf(inner.error, depth + 1) ??
    disturbanceOf(inner.cause, depth + 1)
  )
}
