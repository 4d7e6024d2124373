import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CallFailure } from "../CallFailure.ts"
import type { Bounds, Decision as ExhaustionDecision } from "../Exhaustion.ts"
import type { Repeat, Strategy } from "../Idempotency.ts"
import type { PolicyError } from "../PolicyError.ts"
import type { Classify, Reason } from "../Reason.ts"
import type { Prepared } from "./call.ts"
import type * as P from "./policy.ts"

/** How one operation reaches its provider, with every service it needs resolved. */
export interface Transport {
  readonly server?: { readonly address: string; readonly port: number }
  readonly prepare: (input: unknown) => Effect.Effect<Prepared, Reason>
  readonly keep: Keep
}

/** How a call is kept as JSON, and made from it in another process. */
export interface Keep {
  readonly saveInput: (input: unknown) => Effect.Effect<unknown, Reason>
  readonly loadInput: (saved: unknown) => Effect.Effect<unknown, Reason>
  readonly saveResult: (result: unknown) => Effect.Effect<unknown, Reason>
  readonly loadResult: (saved: unknown) => Effect.Effect<unknown, Reason>
  /** Whether there is a schema for declared errors. */
  readonly keepsErrors: boolean
  /** Of a declared error; fails where there is no schema for it. */
  readonly saveError: (error: unknown) => Effect.Effect<unknown, Reason>
  readonly loadError: (saved: unknown) => Effect.Effect<unknown, Reason>
  /** The same bytes again, from what `request` of the first `Prepared` gave. */
  readonly restore: (request: unknown, input: unknown) => Effect.Effect<Prepared, Reason>
}

/** What spans, metrics and plans say about the way to the provider. */
export interface About {
  readonly transport: "http" | "effect" | "promise"
  /** Name of the span of an attempt. */
  readonly attemptName: string
  readonly http: { readonly method: string; readonly template: string } | undefined
  /** More of what its spans say: names of low cardinality, and never what was asked for. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/** Where a transport is opened: once, when the integration's layer is built. */
export interface OpenSite {
  readonly integration: string
  readonly operation: string
  /** What the integration says of all its answers. */
  readonly classify: Classify | undefined
  readonly classifyErrors: Classify | undefined
}

/** What an operation says of its answer that is a stream. */
export interface StreamPlan {
  /** In milliseconds; `Infinity` for none. Without `firstByte` it is the attempt timeout. */
  readonly limits: { readonly firstByte: number | undefined; readonly idle: number; readonly total: number }
  /** What the plan shows of it. */
  readonly describe: ReadonlyArray<string>
  /** Whether `firstByte` is in the policy's layers already. */
  readonly applied?: boolean
}

/** What an operation says of itself, as data. */
export interface Definition {
  readonly name: string
  readonly repeat: Repeat
  readonly strategy: Strategy
  readonly policy: P.Any | undefined
  readonly exhausted: { readonly decision: ExhaustionDecision } | undefined
  readonly orElse: ((failure: CallFailure, input: never) => unknown) | undefined
  readonly translate: Readonly<Record<string, (error: never, input: never) => unknown>> | undefined
  readonly about: About
  readonly problems: ReadonlyArray<string>
  /** That its answer is a stream. */
  readonly stream?: StreamPlan | undefined
  /** That a stored call is made in several deliveries, none of which waits longer than its total deadline. */
  readonly inDeliveries?: boolean | undefined
  /** That its body is a stream, and whether that can be made again. */
  readonly upload?: "once" | "replayable" | undefined
  /** That it is stored before it is sent. */
  readonly writeAhead?: Bounds<never> | undefined
  readonly open: (site: OpenSite) => Effect.Effect<Transport, PolicyError, Scope.Scope>
}
