/**
 * The id of an inbound request, carried through every call, log line and span that it causes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Telemetry from "../Telemetry.ts"

/**
 * The headers that are read unless others are named, the first that is there counts. The first of them is echoed.
 *
 * @category constants
 * @since 0.1.0
 */
export const headers: readonly [string, ...Array<string>] = ["x-request-id", "x-correlation-id"]

/** As a trace's id is written. */
const idOf = (random: typeof Random.Random.Service): string =>
  Array.from({ length: 4 }, () => (random.nextIntUnsafe() >>> 0).toString(16).padStart(8, "0")).join("")

/** An id goes into log lines and headers: no space, no control character, nothing endless. */
const isId = (text: string | undefined): text is string => text !== undefined && /^[\x21-\x7e]{1,128}$/.test(text)

/**
 * Middleware that takes the correlation id of a request and gives it to everything that its handler does: the events, spans
 * and log lines of its integrations' calls, the handler's own log lines (`correlation_id`), and the answer's header.
 *
 * **When to use**
 *
 * Use it in every server that calls others, so that one id leads from a customer's complaint to the provider's request.
 * `correlationHeader` of `HttpIntegration.layer` hands it on, to your own services only: it tells a third party nothing.
 *
 * **Details**
 *
 * Without a usable header the id is that of the request's trace, or a random one where nothing is traced. One that has spaces, other than visible ASCII or more than
 * 128 characters is not used: it comes from anybody. `headers` are the names to read, `echo` the one of the answer (default:
 * the first; `false` for none).
 *
 * @category middleware
 * @since 0.1.0
 */
export const layer = (options?: {
  readonly headers?: readonly [string, ...Array<string>] | undefined
  readonly echo?: string | false | undefined
}): Layer.Layer<never, never, HttpRouter.HttpRouter> => {
  const read = (options?.headers ?? headers).map((name) => name.toLowerCase())
  const echo = options?.echo === false ? undefined : (options?.echo ?? read[0]!)
  return HttpRouter.middleware(
    (handler) =>
      Effect.withFiber((fiber) => {
        const request = fiber.getRef(
          HttpServerRequest.HttpServerRequest as never
        ) as HttpServerRequest.HttpServerRequest
        const span = fiber.cache.span
        const trace = span === undefined || span.traceId === "noop" ? undefined : span.traceId
        const id = read.map((name) => request.headers[name]).find(isId) ?? trace ?? idOf(fiber.getRef(Random.Random))
        if (span?._tag === "Span") span.attribute(Telemetry.names.correlationId, id)
        const correlated = Effect.annotateLogs(Effect.provideService(handler, Telemetry.CorrelationId, id), {
          correlation_id: id
        })
        return echo === undefined
          ? correlated
          : Effect.map(correlated, (response) => HttpServerResponse.setHeader(response, echo, id))
      }),
    { global: true }
  )
}
