/**
 * Turning every failure into an error of the application, as a layer for any effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { type CallFailure, isCallFailure } from "./CallFailure.ts"
import { alone } from "./internal/alone.ts"
import type { NoLeak, NoLeaks, OrElse } from "./internal/leak.ts"
import { nowOf } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"

/** Applies the case that fits the error, if any does, to it and the call's input. */
export const applyCase = (
  cases: Readonly<Record<string, (error: never, input: never) => unknown>> | undefined,
  error: unknown,
  input: unknown
): unknown => {
  if (cases === undefined || !Predicate.hasProperty(error, "_tag")) return undefined
  const tag = String(error._tag)
  return Object.hasOwn(cases, tag) ? cases[tag]!(error as never, input as never) : undefined
}

/**
 * Translates what an effect fails with: declared errors by their tag, every other failure by `orElse`.
 *
 * **Details**
 *
 * Declared errors arrive either bare or as the `error` of a `CallFailure`, so this stands outside `retry`. A case gets the
 * error alone: what the effect was asked for is not known here.
 *
 * @category layers
 * @since 0.1.0
 */
export const translate =
  <const C extends Readonly<Record<string, (error: never) => unknown>>, L>(
    cases: C & NoLeaks<C>,
    orElse: L & ((failure: CallFailure) => {} | null | undefined) & NoLeak<L>
  ) =>
  <A, E, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<A, { [K in keyof C]: C[K] extends (error: never) => infer X ? X : never }[keyof C] | OrElse<L>, R> =>
    Effect.catch(self, (error) =>
      Effect.withFiber((fiber) => {
        const translated = applyCase(cases, isCallFailure(error) ? error.reason.error : error, undefined)
        if (translated !== undefined) return Effect.fail(translated as OrElse<L>)
        if (isCallFailure(error)) return Effect.fail(orElse(error) as OrElse<L>)
        const now = nowOf(fiber)
        return Effect.fail(
          orElse(
            alone("translate", now).fail(Reason.make("Failed", { error, cause: error }), "not transient", now)
          ) as OrElse<L>
        )
      })
    )
