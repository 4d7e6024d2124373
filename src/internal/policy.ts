import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { pipeArguments, type Pipeable } from "effect/Pipeable"
import type { AttemptStep, CallStep, Limits, Mode, Site } from "../Call.ts"
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
 * What a policy may say of itself: its decisions, and `"once"` if the one about retries is that nothing is sent again.
 *
 * @category models
 * @since 0.1.0
 */
export type Says = Provides | "once"

/**
 * A number of a layer that configuration may replace. Durations are milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting {
  readonly kind: "duration" | "integer" | "number"
  readonly value: number | undefined
}

/**
 * The numbers of a layer by their names in a configuration (`ATTEMPT_TIMEOUT`), and the layer with others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tunable {
  readonly settings: Readonly<Record<string, Setting>>
  readonly tune: (values: Readonly<Record<string, number>>) => Layer
}

interface Common {
  readonly slot: Slot
  readonly name: string
  readonly describe: string
  readonly limits: Partial<Limits>
  /** Problems that are visible without looking at any other layer. */
  readonly problems: ReadonlyArray<string>
  readonly longRunning: boolean
  /** Whether it acts, only tells what it would do, or stands aside. A control can change it while the layer runs. */
  readonly mode: Mode
  /** Whether it tells what it would do when it is in `observe`. A layer that can't is refused there. */
  readonly observes: boolean
  readonly tunable: Tunable | undefined
  /** What it was given, of one that has state: under one name, those that were given the same are one. */
  readonly settings: object | undefined
}

/**
 * One layer as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Layer =
  | (Common & {
      readonly level: "attempt"
      readonly build: (site: Site) => Effect.Effect<(step: AttemptStep) => AttemptStep, PolicyError, Scope.Scope>
    })
  | (Common & {
      readonly level: "call"
      readonly build: (site: Site) => Effect.Effect<(step: CallStep) => CallStep, PolicyError, Scope.Scope>
    })

export const TypeId = "~breakwater/Policy"

/**
 * A composable layer, or a stack of them, as a value. Its type says what it decides and what it needs: `P` are the
 * decisions it makes, `Needs` is `"safe"` for a layer that may send twice at once, or shares or keeps answers.
 *
 * A policy holds no state. A breaker or a bulkhead belongs to the integration layer that builds it: two layers share
 * nothing by accident, and calling a constructor twice is harmless.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy<in P extends Says, out Needs extends "any" | "safe"> extends Pipeable {
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
  // The function has just got what a policy has.
  return self as Any & F
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
  readonly observes?: boolean | undefined
  readonly tunable?: Tunable | undefined
  readonly settings?: object | undefined
  readonly build: Build<E>
}

const defaults: Pick<Common, "limits" | "problems" | "longRunning" | "mode" | "observes" | "tunable" | "settings"> = {
  limits: {},
  problems: [],
  longRunning: false,
  mode: "enforce",
  observes: true,
  tunable: undefined,
  settings: undefined
}

// A layer of the library sees the mutable record behind `Call`; every call has one. Its options leave out what they have
// no word for and never say `undefined`, so that a default stands: the two casts say that, and which record `build` sees.

/** A layer around each attempt. */
export const attemptLayer = (options: Options<Reason>): Layer =>
  ({ level: "attempt", ...defaults, ...options }) as unknown as Layer

/** A layer around all attempts. */
export const callLayer = (options: Options<CallFailure>): Layer =>
  ({ level: "call", ...defaults, ...options }) as unknown as Layer
