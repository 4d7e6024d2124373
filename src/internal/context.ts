import * as Context from "effect/Context"

// The services of an operation are those that were there when its layer was built; what belongs to the running fiber
// (clock, tracer, parent span, log levels, random numbers, scope, observers) is the caller's.
const ofTheFiber =
  /^(effect\/(Clock|Console|ConfigProvider|ErrorReporter|Logger|Metric|Random|References|Schedule|Scheduler|Scope|Tracer)(\/|$)|effect\/Layer\/|breakwater\/Telemetry\/)/

/** Reads the services that an effect was given when its layer was built, without what belongs to a fiber. */
export const servicesOf = (context: Context.Context<never>): ReadonlyMap<string, unknown> =>
  new Map([...context.mapUnsafe].filter(([key]) => !ofTheFiber.test(key)))

/** The caller's context with the services of the build. */
export const withServices = (
  caller: Context.Context<never>,
  services: ReadonlyMap<string, unknown>
): Context.Context<never> =>
  services.size === 0 ? caller : Context.makeUnsafe(new Map([...caller.mapUnsafe, ...services]))
