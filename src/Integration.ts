/**
 * One remote party: its operations as a service, its defaults, its layers, its plan.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Site } from "./Call.ts"
import type { CallFailure } from "./CallFailure.ts"
import type * as Exhaustion from "./Exhaustion.ts"
import { servicesOf } from "./internal/context.ts"
import { Drain } from "./internal/drain.ts"
import * as Controls from "./internal/control.ts"
import { type Durable, DurableId } from "./internal/durable.ts"
import { check } from "./internal/duration.ts"
import { Gate, type Switch, switchLayer } from "./internal/gate.ts"
import { CurrentHub } from "./internal/hub.ts"
import { rank } from "./internal/order.ts"
import type * as P from "./internal/policy.ts"
import {
  type Defaults as AnyDefaults,
  formatPlan,
  type OperationPlan,
  planOf,
  type Stack,
  stackOf
} from "./internal/plan.ts"
import { compile, type Method, reconcileOf } from "./internal/runner.ts"
import { CallSites } from "./internal/stack.ts"
import { configured } from "./internal/tune.ts"
import type * as Operation from "./Operation.ts"
import { PolicyError } from "./PolicyError.ts"
import type * as Reason from "./Reason.ts"
import * as Telemetry from "./Telemetry.ts"

export {
  type Because,
  type Circuit,
  type Control,
  ControlError,
  type Forced,
  type ForceOptions,
  type LayerMode,
  type Snapshot
} from "./internal/control.ts"
export type { OperationPlan } from "./internal/plan.ts"

/**
 * What an integration decides once for all its operations; each may decide otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Defaults {
  /** The call-shaped layers. An operation with a policy of its own does without these. */
  readonly policy?: P.Any
  /** The stateful layers: one of each per integration. They stay whatever policy an operation has. */
  readonly shared?: P.Policy<never, "any">
  /** What becomes of a call when its policy has done all it could. */
  readonly exhausted?: Exhaustion.Exhaustion<unknown, unknown, unknown, Exhaustion.Needs>
  /** The application's error for every failure that is not declared. An operation's own knows the type of its input. */
  readonly orElse?: (failure: CallFailure, input: unknown) => unknown
  /**
   * What an answer of any status means, for a provider that reports errors with 200. A 2xx that can't be read is then
   * `Unknown`: it may have been an error. An operation's own goes first. For operations over HTTP.
   */
  readonly classify?: Reason.Classify | undefined
  /** What an answer other than 2xx means, where its status does not say it. An operation's own goes first. */
  readonly classifyErrors?: Reason.Classify | undefined
}

type Get<D, K extends string> = D extends { readonly [P in K]: infer V } ? V : unknown

/** What is wrong with an integration's defaults, decision by decision. */
type Fitting<D> = {
  readonly [K in keyof D]: K extends "policy"
    ? Operation.PolicyFits<D[K], "Safe">
    : K extends "orElse"
      ? Operation.NoLeak<D[K]>
      : unknown
}

/**
 * The decisions that the defaults make, whatever happens: without `exactOptionalPropertyTypes` one may be `undefined`.
 * While `D` is not inferred yet it is `Defaults` itself, which must not be refused.
 */
type Given<D> = Defaults extends D ? keyof D : { [K in keyof D]-?: undefined extends D[K] ? never : K }[keyof D]

interface Sentences {
  readonly policy: "no policy: give `policy: Policy.standard()` to the integration or to the operation"
  readonly exhausted: "no decision for exhausted retries: give `exhausted: Exhaustion.fail` or a fallback to the integration or to the operation"
  readonly orElse: "the provider's failures would leak: give `orElse` to the integration or to the operation"
}

type NeedsOf<X> = X extends Exhaustion.Exhaustion<never, infer _A, infer _R, infer N> ? N : never

/** The first decision that is missing, so that the message is one sentence. */
type First<Missing> = "policy" extends Missing ? "policy" : "exhausted" extends Missing ? "exhausted" : "orElse"

/** `unknown` if every decision of an operation is made and fits, else the sentence that refuses it. */
type Checked<O, D> =
  O extends Operation.Operation<infer In, infer _A, infer _E, infer _R, infer M, infer Left>
    ? [Exclude<Left, Given<D>>] extends [never]
      ? ("exhausted" extends Left ? Operation.ExhaustionFits<NeedsOf<Get<D, "exhausted">>, M, In> : unknown) &
          ("policy" extends Left ? Operation.PolicyFits<Get<D, "policy">, M> : unknown)
      : Sentences[First<Exclude<Left, Given<D>>>]
    : never

/** `unknown` if every decision of a stream is made and fits, else the sentence that refuses it. */
type CheckedStream<O, D> =
  O extends Operation.Operation<never, infer _A, infer _E, infer _R, infer _M, infer Left>
    ? [Exclude<Left, Given<D>>] extends [never]
      ? ("exhausted" extends Left ? Operation.StreamExhaustionFits<FallbackOf<Get<D, "exhausted">>> : unknown) &
          ("policy" extends Left ? Operation.StreamPolicyFits<Get<D, "policy">> : unknown)
      : Sentences[First<Exclude<Left, Given<D>>>]
    : never

/** `unknown` if every decision of an upload is made and fits, else the sentence that refuses it. */
type CheckedUpload<O, D> =
  O extends Operation.Uploading<infer In, infer _A, infer _E, infer _R, infer M, infer Left, infer B>
    ? [Exclude<Left, Given<D>>] extends [never]
      ? ("exhausted" extends Left ? Operation.ExhaustionFits<NeedsOf<Get<D, "exhausted">>, M, In> : unknown) &
          ("policy" extends Left ? Operation.UploadPolicyFits<Get<D, "policy">, B> : unknown)
      : Sentences[First<Exclude<Left, Given<D>>>]
    : never

type FallbackOf<X> = X extends Exhaustion.Exhaustion<never, infer A, infer _R, infer _N> ? A : never
type FallbackServices<X> = X extends Exhaustion.Exhaustion<never, infer _A, infer R, infer _N> ? R : never

/**
 * The methods of an integration: one function per operation.
 *
 * @category models
 * @since 0.1.0
 */
export type Client<Ops, D> = [
  {
    readonly [K in keyof Ops]: Ops[K] extends Operation.Operation<
      infer In,
      infer A,
      infer E,
      infer _R,
      infer _M,
      infer Left
    >
      ? Ops[K] extends Operation.Streams
        ? (input: In) => Stream.Stream<A, E | ("orElse" extends Left ? Operation.OrElse<Get<D, "orElse">> : never)>
        : (
            input: In
          ) => Effect.Effect<
            A | ("exhausted" extends Left ? FallbackOf<Get<D, "exhausted">> : never),
            E | ("orElse" extends Left ? Operation.OrElse<Get<D, "orElse">> : never)
          >
      : never
  }
] extends [infer Methods] // So that a hover and a declaration show the methods, not the operations they come from.
  ? Methods
  : never

/**
 * The services that the operations of an integration need when its layer is built.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<Ops, D> = [
  | {
      [K in keyof Ops]: Ops[K] extends Operation.Operation<never, infer _A, infer _E, infer R, infer _M, infer _O>
        ? R
        : never
    }[keyof Ops]
  | FallbackServices<Get<D, "exhausted">>
] extends [infer R] // So that a hover shows the services themselves.
  ? R
  : never

const DefinitionId = "~breakwater/Integration"

interface Runtime {
  readonly id: string
  readonly defaults: AnyDefaults
  readonly operations: Readonly<Record<string, Operation.Any>>
}

/**
 * What an integration is among the services of an effect: by its mark, a transaction refuses a handler that calls another
 * party.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape<Id extends string, Methods> extends Context.ServiceClass.Shape<Id, Methods> {
  readonly "~breakwater/Integration": Id
}

/**
 * The class of an integration: a service tag that knows its operations.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, Methods, R> extends Context.Service<Self, Methods> {
  new (_: never): Shape<Id, Methods>
  readonly key: Id
  readonly [DefinitionId]: Runtime
  readonly "~services": () => R
  /**
   * A layer for tests. Methods that are left out die, naming themselves.
   */
  readonly layerMock: (methods: Partial<Methods>) => Layer.Layer<Self>
}

/**
 * An integration of which nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [DefinitionId]: Runtime
}

/**
 * Defines an integration: its id, what it decides for all its operations, and the operations.
 *
 * **When to use**
 *
 * Use once per remote party and credential. Extend the result with a class; the class is the service's tag.
 *
 * **Details**
 *
 * An operation for which neither itself nor the integration gives a policy, a decision for exhausted retries and an
 * `orElse` does not compile; the message says which is missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, const D extends Defaults, const Ops extends Record<string, Operation.Any>>(
    id: Id,
    defaults: D & Fitting<D>,
    operations: {
      readonly [K in keyof Ops]: Ops[K] &
        (Ops[K] extends Operation.Streams
          ? CheckedStream<Ops[K], D>
          : Ops[K] extends Operation.Uploads<"once" | "replayable">
            ? CheckedUpload<Ops[K], D>
            : Checked<Ops[K], D>)
    }
  ): ServiceClass<Self, Id, Client<Ops, D>, Services<Ops, D>> => {
    const tag = Context.Service<Self, Client<Ops, D>>()(id)
    const runtime: Runtime = {
      id,
      defaults: defaults as AnyDefaults,
      operations: operations
    }
    return Object.assign(tag, {
      [DefinitionId]: runtime,
      layerMock(this: typeof tag, methods: Readonly<Record<string, unknown>>) {
        return Layer.succeed(this, mock(runtime, methods) as Client<Ops, D>)
      }
    }) as never
  }

const mock = (runtime: Runtime, methods: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(runtime.operations).map(([name, { definition }]) => {
      const missing = () => new Error(`${runtime.id}.layerMock: ${name} was called, but has no mock`)
      const die = definition.stream === undefined ? () => Effect.die(missing()) : () => Stream.die(missing())
      return [name, methods[name] ?? die]
    })
  )

/**
 * The integration's name in telemetry: its id.
 *
 * @category destructors
 * @since 0.1.0
 */
export const nameOf = (self: Any): string => self[DefinitionId].id

/**
 * Options of a layer.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions<Methods> {
  /** Replaces the policies of operations, by name. For tests, and for one deployment that needs other numbers. */
  readonly policy?: { readonly [K in keyof Methods]?: P.Complete | undefined } | undefined
  /** How long calls that are running have to end when the layer closes. Default: 10 seconds. */
  readonly drain?: Duration.Input | undefined
  /**
   * The prefix of variables that replace the policies' numbers and modes when the layer is built, from the current
   * `ConfigProvider`. With `"STRIPE"`: `STRIPE_ATTEMPT_TIMEOUT=2s` for all operations, `STRIPE_CHARGE_ATTEMPT_TIMEOUT` for
   * one, `STRIPE_CIRCUIT_BREAKER_MODE=observe`. An operation's own goes before the integration's, and that before the
   * code. Numbers that make no sense are a `PolicyError` that names the variables. Default: nothing is read.
   */
  readonly config?: string | undefined
}

/**
 * Builds an integration: every policy is checked and built, every operation compiled, once.
 *
 * **Details**
 *
 * Breakers, bulkheads and running calls belong to the layer: two calls of this function share nothing, and one layer
 * value that is provided twice is built once, because Effect memoises layers by reference. Keep it as a constant.
 *
 * When the layer's scope closes, as on SIGTERM, new calls fail as `Draining`, those that run have `drain` to end, and
 * the rest are interrupted and reported one by one with their outcome.
 *
 * Numbers that make no sense or contradict each other fail the build with one `PolicyError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Self, Id extends string, Methods, R>(
  self: ServiceClass<Self, Id, Methods, R>,
  options?: LayerOptions<Methods>
): Layer.Layer<Self, PolicyError, R> =>
  Layer.effect(self, build(self, options as LayerOptions<unknown> | undefined)) as never

const build = (self: Any, options: LayerOptions<unknown> | undefined): Effect.Effect<never, PolicyError, Scope.Scope> =>
  Effect.gen(function* () {
    const { defaults, id, operations } = self[DefinitionId]
    const overrides = (options?.policy ?? {}) as Readonly<Record<string, P.Any | undefined>>
    const problems: Array<string> = []
    for (const name of Object.keys(overrides)) {
      if (!Object.hasOwn(operations, name)) problems.push(`policy.${name}: there is no such operation`)
    }
    if (problems.length > 0) return yield* new PolicyError({ integration: id, operation: "(layer)", problems })

    const grace = check("drain", options?.drain ?? "10 seconds", { zero: true })
    if (grace.problem !== undefined) {
      return yield* new PolicyError({ integration: id, operation: "(layer)", problems: [grace.problem] })
    }
    const drain = new Drain()
    const observers = yield* Effect.service(Telemetry.Observers)
    const services = servicesOf(yield* Effect.context<never>())
    const states = new Map<string, { readonly options: object; readonly operation: string; readonly state: unknown }>()

    const methods: Record<string, (input: unknown) => ReturnType<Method>> = {}
    const durables: Record<string, Durable> = {}
    const gates: Array<Gate> = []
    const operator: Switch = { off: false }
    const stacks =
      options?.config === undefined
        ? undefined
        : yield* configured({ integration: id, prefix: options.config, operations, defaults, overrides })
    const built = new Map<string, { readonly stack: Stack; readonly gates: Map<P.Layer, Gate> }>()
    for (const [name, operation] of Object.entries(operations)) {
      const definition = operation.definition
      const stack = stacks?.get(name) ?? stackOf(definition, defaults, overrides[name])
      if (stack.problems.length > 0) {
        return yield* new PolicyError({ integration: id, operation: name, problems: stack.problems })
      }
      const own = { stack, gates: new Map<P.Layer, Gate>() }
      built.set(name, own)
      const switching = switchLayer(operator)
      const site: Omit<Site, "host"> = {
        integration: id,
        operation: name,
        repeat: definition.repeat,
        limits: stack.limits,
        lifetime: stack.lifetime,
        reconcile: reconcileOf(definition, services),
        mode: () => "enforce",
        decided: () => {},
        clear: [],
        shared: (key, settings, make) =>
          Effect.suspend(() => {
            const known = states.get(key)
            if (known === undefined) {
              return Effect.map(make, (state) => {
                states.set(key, { options: settings, operation: name, state })
                return state
              })
            }
            return same(known.options, settings)
              ? Effect.succeed(known.state as never)
              : Effect.fail(
                  new PolicyError({
                    integration: id,
                    operation: name,
                    problems: [
                      `${key} has ${JSON.stringify(settings)} here and ${JSON.stringify(known.options)} in ${known.operation}: one name is one state, give another name`
                    ]
                  })
                )
          }) as never
      }
      const gateOf = (layer: P.Layer): Gate => {
        const gate = new Gate(name, layer)
        if (layer === switching) return gate
        gates.push(gate)
        own.gates.set(layer, gate)
        return gate
      }
      // An operator's switch stands around the breakers, so that it costs as little as an open circuit.
      const inside = stack.layers.findIndex((layer) => rank(layer.slot) >= rank(switching.slot))
      const layers = stack.layers.toSpliced(inside < 0 ? stack.layers.length : inside, 0, switching)
      const switched: Stack = { ...stack, layers }
      const { durable, method } = yield* compile(definition, switched, defaults, site, gateOf, drain, observers)
      const sites = new CallSites()
      methods[name] = (input) => method(input, sites.take(), sites)
      if (durable !== undefined) durables[name] = durable
    }
    Object.defineProperty(methods, DurableId, { value: durables })
    const controlled: Controls.Controlled = {
      integration: id,
      operations: Object.keys(operations),
      gates,
      states,
      switch: operator,
      forced: new Map(),
      plan: () =>
        [...built].map(([name, { gates, stack }]) => {
          const layers = stack.layers.map((layer) => ({ ...layer, mode: gates.get(layer)?.mode ?? layer.mode }))
          return planOf(id, name, operations[name]!.definition, { ...stack, layers })
        })
    }
    Object.defineProperty(methods, Controls.ControlId, { value: controlled })
    const hub = yield* Effect.service(CurrentHub)
    yield* Effect.acquireRelease(
      Effect.sync(() => hub.add({ controlled, running: drain })),
      (leave) => Effect.sync(leave)
    )
    // Added last, so that it runs first: calls that still run need what the policies acquired.
    yield* Effect.addFinalizer(() => drain.close(id, grace.millis))
    return methods as never
  })

const same = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * What will happen to an integration's calls: for each operation its layers in order, the worst case in attempts and
 * time, where the key comes from, and what happens when retries are spent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly integration: string
  readonly operations: ReadonlyArray<OperationPlan>
}

/**
 * Derives the plan from the same data that the runner uses. Nothing is run.
 *
 * @category plans
 * @since 0.1.0
 */
export const plan = (self: Any): Plan => {
  const { defaults, id, operations } = self[DefinitionId]
  return {
    integration: id,
    operations: Object.entries(operations).map(([name, { definition }]) =>
      planOf(id, name, definition, stackOf(definition, defaults, undefined))
    )
  }
}

/**
 * A plan as text.
 *
 * @category plans
 * @since 0.1.0
 */
export const planText = (self: Any): string => {
  const { integration, operations } = plan(self)
  return formatPlan(integration, operations)
}

/**
 * The switches of an integration that runs: modes of its layers, circuits forced open or closed, and what it is at the
 * moment.
 *
 * **When to use**
 *
 * Use in an incident (switch a provider off, lift a limit), and to try a new limit in `observe` first. `HttpControl` puts it
 * behind a route.
 *
 * **Details**
 *
 * It needs the built service and holds for that one layer, in this process. Changes last until `resume` or until the layer
 * closes; what should outlast that belongs into the configuration. A mock has nothing to control: changes to it fail.
 *
 * **Example** (Switching a provider off)
 *
 * ```ts
 * import { Exhaustion, Integration, Operation, Policy } from "breakwater"
 * import { Data, Effect, Schema } from "effect"
 *
 * class Down extends Data.TaggedError("Down")<{ readonly why: string }> {}
 *
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   { policy: Policy.standard({ maxAttempts: 1 }), exhausted: Exhaustion.fail, orElse: ({ reason }) => new Down({ why: reason._tag }) },
 *   { today: Operation.query("today", { success: Schema.Number, send: () => Effect.succeed(1.25) }) }
 * ) {}
 *
 * const program = Effect.gen(function* () {
 *   const rates = yield* Rates
 *   const control = yield* Integration.control(Rates)
 *   yield* control.forceOpen({ reason: "wrong rates since 9:40" })
 *   const refused = yield* Effect.flip(rates.today())
 *   yield* control.resume()
 *   return [refused.why, yield* rates.today()]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Integration.layer(Rates))) // => ["CircuitOpen", 1.25]
 * ```
 *
 * @category controls
 * @since 0.1.0
 */
export const control = <Self, Id extends string, Methods, R>(
  self: ServiceClass<Self, Id, Methods, R>
): Effect.Effect<Controls.Control<keyof Methods & string>, never, Self> =>
  Effect.map(Effect.service(self), (service) =>
    Controls.make(
      self[DefinitionId].id,
      (service as { readonly [Controls.ControlId]?: Controls.Controlled })[Controls.ControlId]
    )
  )
