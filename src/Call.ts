/**
 * The record of one logical call, which every layer of a policy reads, and the steps that layers wrap.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Attempt, CallFailure } from "./CallFailure.ts"
import type { Repeat } from "./Idempotency.ts"
import type { PolicyError } from "./PolicyError.ts"
import type { Outcome } from "./Outcome.ts"
import type { Reason } from "./Reason.ts"

/**
 * Where the current attempt stands. `idle` between attempts; `waiting` before anything was sent; `sent` once the first
 * byte may have left; `answered` once a status was read.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase = "idle" | "waiting" | "sent" | "answered"

/**
 * How a layer acts. `enforce`: it does what it is for. `observe`: it tells telemetry what it would have done, and changes
 * nothing. `off`: it stands aside.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "enforce" | "observe" | "off"

/**
 * What a layer did to a call, or would have done, as a closed list.
 *
 * @category models
 * @since 0.1.0
 */
export type Decided =
  | "rejected"
  | "waited"
  | "cut"
  | "retried"
  | "stopped"
  | "hedged"
  | "hedge_won"
  | "joined"
  | "served_stale"
  | "opened"
  | "closed"

/**
 * One decision of a layer. With mode `observe` it is what the layer would have done.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyDecision {
  /** The layer's place in the order, such as `circuitBreaker`. */
  readonly policy: string
  readonly name: string
  readonly decided: Decided
  readonly mode: Mode
  /** Epoch milliseconds. */
  readonly at: number
  /** Which of several simultaneous legs it was about, from 1; absent without a hedge. */
  readonly leg?: number | undefined
}

/**
 * One logical call. Layers read it; only the runner writes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly id: string
  readonly integration: string
  readonly operation: string
  readonly repeat: Repeat
  /** The decoded input of the caller. */
  readonly input: unknown
  /** The text of the idempotency key, once prepared. */
  readonly key: string | undefined
  readonly correlationId: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** Epoch milliseconds by which the call ends; `Infinity` while no deadline applies. */
  readonly deadline: number
  /** The attempts that have ended. */
  readonly attempts: ReadonlyArray<Attempt>
  /** The number of the current attempt, from 1; 0 before the first. */
  readonly attempt: number
  readonly phase: Phase
  /** What the call has done so far: the fold of its attempts. */
  readonly outcome: () => Outcome
  /** What the layers decided so far, in order; `undefined` for nothing. */
  readonly decisions: ReadonlyArray<PolicyDecision> | undefined
}

/**
 * One step of a call. Steps of a call fail with `CallFailure`, steps of an attempt with a `Reason`.
 *
 * @category models
 * @since 0.1.0
 */
export type Step<E> = (call: Call) => Effect.Effect<unknown, E>

/**
 * A step of one attempt.
 *
 * @category models
 * @since 0.1.0
 */
export type AttemptStep = Step<Reason>

/**
 * A step of the whole call.
 *
 * @category models
 * @since 0.1.0
 */
export type CallStep = Step<CallFailure>

/**
 * The numbers of the policy that other layers and the plan need, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly attemptTimeout: number | undefined
  readonly totalDeadline: number | undefined
  readonly maxAttempts: number
  /** The most requests that hedging adds to one attempt; none without it. */
  readonly hedges?: number | undefined
  /**
   * The extra requests per call, retries and hedges together, that a budget lets through in a long outage in which no
   * repeat succeeds; without a budget nothing but the attempts bounds them.
   */
  readonly extraLoad?: number | undefined
}

/**
 * Where a policy is built: once per operation, when the integration's layer is built.
 *
 * @category models
 * @since 0.1.0
 */
export interface Site {
  readonly integration: string
  readonly operation: string
  readonly repeat: Repeat
  readonly limits: Limits
  /** The provider's host, for an operation over HTTP with a fixed base address. */
  readonly host: string | undefined
  /** How long the provider remembers a key, in milliseconds; `Infinity` for ever or without a key. */
  readonly lifetime: number
  /** How the layer that is built acts at the moment. It never reads `off`: the runner goes around the layer then. */
  readonly mode: () => Mode
  /** Tells telemetry what the layer that is built decided, with its mode. `now` is in epoch milliseconds. */
  readonly decided: (call: Call, decided: Decided, now: number) => void
  /** Of the layers that may turn an attempt away: whether each would let one through at once. Inner layers come first. */
  readonly clear: Array<(call: Call, now: number) => boolean>
  /** For `reconcilable`: how long to wait, and how to look whether it happened. */
  readonly reconcile:
    | { readonly settle: Duration.Duration; readonly find: (input: unknown) => Effect.Effect<unknown, unknown> }
    | undefined
  /**
   * State shared by every operation of this integration that asks for the same name. It lives as long as the layer. Two
   * different option sets for one name are a `PolicyError`.
   */
  readonly shared: <S>(
    name: string,
    options: object,
    make: Effect.Effect<S, never, Scope.Scope>
  ) => Effect.Effect<S, PolicyError>
}
