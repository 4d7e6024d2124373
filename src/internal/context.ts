import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

// The services of an operation are those that were there when its layer was built; what belongs to the running fiber
// (clock, tracer, parent span, log levels, random numbers, scope, observers) is the caller's.
const ofTheFiber =
  /^(effect\/(Clock|Console|ConfigProvider|ErrorReporter|Logger|Metric|Random|References|Schedule|Scheduler|Scope|Tracer)(\/|$)|effect\/Layer\/|breakwater\/(Telemetry|Deadline|Nesting)\/)/

/** Services that were there when a layer was built. */
export type Services = Context.Context<never> | undefined

/** Reads the services that an effect was given when its layer was built, without what belongs to a fiber. */
export const servicesOf = (context: Context.Context<never>): Services => {
  const own = [...context.mapUnsafe].filter(([key]) => !ofTheFiber.test(key))
  return own.length === 0 ? undefined : Context.makeUnsafe(new Map(own))
}

/** Gives the services of the build to an effect of the caller's. */
export const provideServices = <A, E>(self: Effect.Effect<A, E, unknown>, services: Services): Effect.Effect<A, E> =>
  // What an effect needs was there when its layer was built, and its type was asked for it there.
  (services === undefined ? self : Effect.provideContext(self, services)) as Effect.Effect<A, E>

/** The caller's context with the services of the build. */
export const withServices = (caller: Context.Context<never>, services: Services): Context.Context<never> =>
  services === undefined ? caller : Context.merge(caller, services)
