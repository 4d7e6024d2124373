/**
 * Coalescing: callers that ask the same at once share one answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Call, CallStep, Site } from "./Call.ts"
import { askedKey, problemsOf, withWhose } from "./internal/asked.ts"
import { siteAlone } from "./internal/alone.ts"
import type { CallRecord } from "./internal/call.ts"
import { Flights, Shadows, type Way } from "./internal/flight.ts"
import { callLayer, fromLayers, type Layer, type Policy } from "./internal/policy.ts"
import { PolicyError } from "./PolicyError.ts"
import { totalDeadline } from "./PolicyTimeout.ts"

/**
 * Whose answer it is: `"everyone"` for answers that are the same for all, a function of the call, or an effect that is
 * run in the caller's fiber, such as a reference to the current user. Calls with an empty principal share nothing.
 *
 * @category models
 * @since 0.1.0
 */
export type Principal = "everyone" | ((call: Call) => string) | Effect.Effect<string>

/**
 * Whose answers are shared or kept. `Why` stands in the compiler's message where it is left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswersOf<Why extends string> {
  /** Whose answer it is. */
  readonly principal: Principal
  readonly "~why"?: Why
}

/**
 * Why a principal is needed, and what to write.
 *
 * @category type-level
 * @since 0.1.0
 */
export type NeedsPrincipal =
  "an answer of one user must never reach another: give `principal`, 'everyone' if the answer is the same for all"

/**
 * Options of `coalesce`, beside the principal.
 *
 * @category models
 * @since 0.1.0
 */
export interface CoalesceOptions {
  /** What is asked for, in place of what is sent. Two calls of one name get one answer. */
  readonly key?: ((call: Call) => string) | undefined
  /** How many callers may wait for one answer. Default: 10,000. */
  readonly maxWaiters?: number | undefined
}

const defaultWaiters = 10_000

/**
 * Lets callers that ask the same at once share one run: the first starts it, the others wait for its answer.
 *
 * **When to use**
 *
 * Use it where many ask for the same at the same moment: a price, a configuration, a token's introspection, when a cache
 * has just expired.
 *
 * **When not to use**
 *
 * It keeps no answer once the run has ended: it is no cache. It does not compile on a call that changes something.
 *
 * **Details**
 *
 * The same is: the same operation, the same principal, and the same request (or input, where there is no request; or what
 * `key` says). An input that JSON does not write down in full (a class, a Map, a stream) is not shared without a `key`.
 *
 * The run has the total deadline from its own start. Each caller waits no longer than for its own deadline; one that gives
 * up leaves the others alone, and the last one ends the run. The answer is shared by reference: don't change it.
 *
 * **Example** (Ten callers, one request)
 *
 * ```ts
 * import { Exhaustion, Integration, Operation, Policy } from "breakwater"
 * import { Data, Effect, Schema } from "effect"
 *
 * class Down extends Data.TaggedError("Down") {}
 * let requests = 0
 *
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   { exhausted: Exhaustion.fail, orElse: () => new Down() },
 *   {
 *     euro: Operation.query("euro", {
 *       policy: Policy.stack(Policy.standard(), Policy.coalesce({ principal: "everyone" })),
 *       success: Schema.Number,
 *       send: () => Effect.delay(Effect.sync(() => (requests++, 1.08)), "10 millis")
 *     })
 *   }
 * ) {}
 *
 * const program = Effect.gen(function* () {
 *   const rates = yield* Rates
 *   yield* Effect.all(Array.from({ length: 10 }, () => rates.euro()), { concurrency: "unbounded" })
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Integration.layer(Rates)))
 * requests // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const coalesce = (options: AnswersOf<NeedsPrincipal> & CoalesceOptions): Policy<never, "safe"> =>
  fromLayers([layerOf(options)]) as Policy<never, "safe">

const layerOf = (options: AnswersOf<NeedsPrincipal> & CoalesceOptions): Layer => {
  const most = options.maxWaiters ?? defaultWaiters
  const problems = [...problemsOf("coalesce", options.principal)]
  if (!Number.isInteger(most) || most < 1) {
    problems.push(`coalesce's maxWaiters must be an integer of at least 1, got ${most}`)
  }
  return callLayer({
    slot: "coalesce",
    name: "coalesce",
    describe: `callers that ask the same at once share one run, at most ${most} of them`,
    problems,
    tunable: {
      settings: { COALESCE_MAX_WAITERS: { kind: "integer", value: most } },
      tune: (values) => layerOf({ ...options, maxWaiters: values.COALESCE_MAX_WAITERS ?? most })
    },
    build: (site) =>
      Effect.gen(function* () {
        yield* refuseUnlessSafe(site, "coalesce", "shares one run among callers")
        const { flights, shadows } = yield* site.shared(`coalesce ${site.operation}`, { maxWaiters: most }, state)
        const limit = site.limits.totalDeadline
        const [deadline] = limit === undefined ? [] : totalDeadline(limit).layers
        const bound = deadline?.level === "call" ? yield* deadline.build(siteAlone) : (step: CallStep) => step
        const whose = options.principal
        return (step) => {
          const way: Way = { step: step as CallStep, bounded: bound(step as CallStep), most, decided: site.decided }
          return (call) =>
            call.resumed || call.draining ? step(call) : withWhose(whose, call, (who) => share(who, call, way))
        }

        function share(who: string | undefined, call: CallRecord, way: Way) {
          const key = who === undefined ? undefined : askedKey(who, options.key, call)
          if (key === undefined) return way.step(call)
          return Effect.withFiber((fiber) =>
            site.mode() === "observe" ? shadows.watch(key, call, fiber, way) : flights.ask(key, call, fiber, way)
          )
        }
      })
  })
}

const state = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => new Flights()),
    (flights) => flights.close
  ),
  (flights) => ({ flights, shadows: new Shadows() })
)

/**
 * Refuses a layer for calls that may change something, where types could not: in the options of a layer for one deployment.
 *
 * @internal
 */
export const refuseUnlessSafe = (site: Site, name: string, does: string): Effect.Effect<void, PolicyError> =>
  site.repeat === "Safe"
    ? Effect.void
    : Effect.fail(
        new PolicyError({
          integration: site.integration,
          operation: site.operation,
          problems: [`${name} ${does}: only a safe operation can have it`]
        })
      )
