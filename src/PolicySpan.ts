/**
 * A span around any effect, as a layer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"

/**
 * Runs an effect in an internal span of its own.
 *
 * **Details**
 *
 * An operation has its spans without this: one for the call and one for each attempt.
 *
 * @category layers
 * @since 0.1.0
 */
export const span =
  (name: string, attributes?: Readonly<Record<string, unknown>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withSpan(self, name, { kind: "internal", attributes: { ...attributes }, captureStackTrace: false })
