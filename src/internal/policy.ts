import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { pipeArguments, type Pipeable } from "effect/Pipeable"
import type { AttemptStep, CallStep, Limits, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import type { PolicyError } from "../PolicyError.ts"
import type { Reason } from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import type { Slot } from "./order.ts"

/**
 * What a policy decides. An operation needs all three.
 *
 * @category models
 * @since 0.1.0
 */
export type Provides = "attemptTimeout" | "totalDeadline" | "retry"

/**
 * One layer as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Layer =
  | {
      readonly level: "attempt"
      readonly slot: Slot
      readonly name: string
      readonly describe: string
      readonly limits: Partial<Limits>
      /** Problems that are visible without looking at any other layer. */
      readonly problems: ReadonlyArray<string>
      readonly longRunning: boolean
      readonly build: (site: Site) => Effect.Effect<(step: AttemptStep) => AttemptStep, PolicyError, Scope.Scope>
    }
  | {
      readonly level: "call"
      readonly slot: Slot
      readonly name: string
      readonly describe: string
      readonly limits: Partial<Limits>
      readonly problems: ReadonlyArray<string>
      readonly longRunning: boolean
      readonly build: (site: Site) => Effect.Effect<(step: CallStep) => CallStep, PolicyError, Scope.Scope>
    }

export const TypeId = "~breakwater/Policy"

/**
 * A composable layer, or a stack of them, as a value. Its type says what it decides and what it needs: `P` are the
 * decisions it makes, `Needs` is `"safe"` for a layer that may send twice at once.
 *
 * A policy holds no state. A breaker or a bulkhead belongs to the integration layer that builds it: two layers share
 * nothing by accident, and calling a constructor twice is harmless.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy<in P extends Provides, out Needs extends "any" | "safe"> extends Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly layers: ReadonlyArray<Layer>
  readonly "~p": (_: P) => void
  readonly "~n": () => Needs
}

/**
 * A policy of which nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Policy<never, "any" | "safe">

/**
 * A policy that makes every required decision.
 *
 * @category models
 * @since 0.1.0
 */
export type Complete = Policy<Provides, "any" | "safe">

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/** A policy of the given layers. With `alone`, the value is also a function for a pipe of its own. */
export const fromLayers = (layers: ReadonlyArray<Layer>): Any => Object.assign(Object.create(Proto), { layers })

/** A policy that can also stand alone in a pipe. */
export const standalone = <F extends (self: never) => unknown>(layer: Layer, alone: F): Any & F => {
  const self = (effect: never) => alone(effect)
  Object.defineProperties(self, {
    [TypeId]: { value: TypeId },
    layers: { value: [layer] },
    name: { value: layer.name },
    pipe: { value: Proto.pipe }
  })
  return self as unknown as Any & F
}

type Build<E> = (
  site: Site
) => Effect.Effect<
  (step: (call: CallRecord) => Effect.Effect<unknown, E>) => (call: CallRecord) => Effect.Effect<unknown, E>,
  PolicyError,
  Scope.Scope
>

interface Options<E> {
  readonly slot: Slot
  readonly name: string
  readonly describe: string
  readonly limits?: Partial<Limits> | undefined
  readonly problems?: ReadonlyArray<string> | undefined
  readonly longRunning?: boolean | undefined
  readonly build: Build<E>
}

const defaults = { limits: {}, problems: [], longRunning: false }

// A layer of the library sees the mutable record behind `Call`; every call has one.

/** A layer around each attempt. */
export const attemptLayer = (options: Options<Reason>): Layer =>
  ({ level: "attempt", ...defaults, ...options }) as unknown as Layer

/** A layer around all attempts. */
export const callLayer = (options: Options<CallFailure>): Layer =>
  ({ level: "call", ...defaults, ...options }) as unknown as Layer
