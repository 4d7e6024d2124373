/**
 * The real policies of an integration over a provider in memory, and a recording of every call and span.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import * as HttpIntegration from "../http/HttpIntegration.ts"
import type * as Integration from "../Integration.ts"
import type { PolicyError } from "../PolicyError.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Double } from "./FaultInjection.ts"
import { ProviderId } from "./internal/double.ts"
import * as Timeline from "./Timeline.ts"
import type * as Upstream from "./Upstream.ts"

/**
 * What was observed of the integrations below one layer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded {
  /** One event per call, in the order in which they ended. */
  readonly calls: ReadonlyArray<Telemetry.CallObserved>
  /** Every span that began, in order: those of the calls and of their attempts, and the application's own. */
  readonly spans: ReadonlyArray<Tracer.Span>
  /** The timelines of all calls, as text. */
  readonly timeline: () => string
}

/**
 * The recording of a test. All integrations that are provided together share one.
 *
 * @category services
 * @since 0.1.0
 */
export class Recording extends Context.Service<Recording, Recorded & { readonly observe: Observe }>()(
  "breakwater/testing/Recording"
) {}

type Observe = (event: Telemetry.CallObserved) => void

/**
 * Records: the observer, a tracer that keeps its spans, and jitter from a fixed seed, so that two runs of a test take the
 * same virtual time.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRecording: Layer.Layer<Recording> = Layer.effectContext(
  Effect.gen(function* () {
    const calls: Array<Telemetry.CallObserved> = []
    const spans: Array<Tracer.Span> = []
    const observe: Observe = (event) => {
      calls.push(event)
    }
    const observers = yield* Effect.service(Telemetry.Observers)
    const random = yield* Random.withSeed(Effect.service(Random.Random), "breakwater")
    const recording = { calls, spans, observe, timeline: () => calls.map(Timeline.format).join("\n\n") }
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Context.make(Recording, recording).pipe(
      Context.add(Tracer.Tracer, tracer),
      Context.add(Random.Random, random),
      Context.add(Telemetry.Observers, [...observers, observe])
    )
  })
)

/**
 * Records what happens in any integration's layer: one over an SDK, or one that is built elsewhere.
 *
 * @category layers
 * @since 0.1.0
 */
export const record = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A | Recording, E, Exclude<R, Recording>> =>
  Layer.provideMerge(layer, layerRecording)

type AnyUpstream =
  | Double
  | (Context.Key<unknown, Double> & {
      readonly layer: Layer.Layer<unknown>
      readonly client: Layer.Layer<HttpClient.HttpClient, never, unknown>
    })

/**
 * Options of `layer`: those of `HttpIntegration.layer`, of which none is required here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Methods> extends Omit<HttpIntegration.Options<Methods>, "baseUrl"> {
  /** Default: the provider's own. */
  readonly baseUrl?: HttpIntegration.Options<Methods>["baseUrl"] | undefined
}

/**
 * The real policies of an integration over a provider in memory.
 *
 * **When to use**
 *
 * Use to test how an integration behaves when its provider does not: timeouts, retries, keys, translation. Swap it for
 * `HttpIntegration.layer`; nothing else of the program changes.
 *
 * **Details**
 *
 * `upstream` is an `Upstream`, a `FaultInjection`, or the class of an `Upstream.Service`: then every build of the layer
 * has a provider of its own, which is part of the layer's output. Provide several such layers together and they share one
 * `Recording`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  <Self, Id extends string, Methods, R, Up, UpId extends string, Operation extends string, S>(
    self: Integration.ServiceClass<Self, Id, Methods, R>,
    upstream: Upstream.ServiceClass<Up, UpId, Operation, S>,
    options?: Options<Methods>
  ): Layer.Layer<Self | Up | Recording, PolicyError | Config.ConfigError, Needs<R>>
  <Self, Id extends string, Methods, R, Operation extends string>(
    self: Integration.ServiceClass<Self, Id, Methods, R>,
    upstream: Double<Operation>,
    options?: Options<Methods>
  ): Layer.Layer<Self | Recording, PolicyError | Config.ConfigError, Needs<R>>
} = ((
  self: Integration.ServiceClass<unknown, string, unknown, unknown>,
  upstream: AnyUpstream,
  options?: Options<unknown>
) => {
  const shared = Context.isKey(upstream)
  const double = (shared ? Effect.service(upstream) : Effect.succeed(upstream)) as Effect.Effect<Double>
  const integration = Layer.unwrap(
    Effect.gen(function* () {
      const provider = yield* double
      const { calls } = yield* Recording
      const known = provider[ProviderId].calls
      if (!known.includes(calls)) known.push(calls)
      return HttpIntegration.layer(self, { ...options, baseUrl: options?.baseUrl ?? provider.baseUrl })
    })
  ).pipe(Layer.provide(shared ? upstream.client : upstream.layer)) as Layer.Layer<unknown>
  return record(shared ? Layer.provideMerge(integration, upstream.layer) : integration)
}) as never

type Needs<R> = Exclude<R, HttpClient.HttpClient | HttpIntegration.HttpTarget>

/**
 * Runs a call and moves virtual time until it has ended, so that a test with timeouts and backoff needs no clock of its
 * own. Needs `TestClock`, which `it.effect` of `@effect/vitest` provides.
 *
 * **Details**
 *
 * A call that has not ended within `limit` of virtual time is interrupted, and the test dies saying so. Default: 1 hour.
 * The clock moves in steps, and stops at most 10 ms, or a quarter of the call's own time, after its end.
 *
 * @category running
 * @since 0.1.0
 */
export const settle = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  options?: { readonly limit?: Duration.Input | undefined }
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const limit = Duration.toMillis(Duration.fromInputUnsafe(options?.limit ?? "1 hour"))
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    let moved = 0
    while (fiber.pollUnsafe() === undefined && moved < limit) {
      // Small steps first: past the end of a short call, an open circuit would have closed and an outage be over.
      const step = Math.min(limit - moved, Math.max(10, Math.ceil(moved / 4)))
      yield* TestClock.adjust(step)
      moved += step
    }
    if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
    yield* Fiber.interrupt(fiber)
    return yield* Effect.die(
      new Error(`the call did not end within ${Duration.format(Duration.millis(limit))} of virtual time`)
    )
  })
