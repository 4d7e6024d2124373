/**
 * A caller's deadline across HTTP: written by an integration, read by a server.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Layer from "effect/Layer"
import * as Deadline from "../Deadline.ts"
import { deadlineFormat, parseTimeout, writeTimeout } from "./internal/deadlineHeader.ts"

/**
 * The header that is read and written unless another is named: how many milliseconds the caller will wait. It is Envoy's.
 *
 * @category constants
 * @since 0.1.0
 */
export const header = "x-envoy-expected-rq-timeout-ms"

/**
 * The value of a header for an amount of time: milliseconds, or gRPC's form for `grpc-timeout`. Always rounded down: the
 * other side must not think that it has more time than there is.
 *
 * **Example** (Two forms)
 *
 * ```ts
 * import { HttpDeadline } from "breakwater/http"
 *
 * HttpDeadline.toHeader("1500 millis") // => "1500"
 * HttpDeadline.toHeader("1500 millis", { header: "grpc-timeout" }) // => "1500m"
 * ```
 *
 * @category headers
 * @since 0.1.0
 */
export const toHeader = (left: Duration.Input, options?: { readonly header?: string | undefined }): string =>
  writeTimeout(deadlineFormat(options?.header ?? header), Duration.toMillis(Duration.fromInputUnsafe(left)))

/**
 * The time that a header gives; `undefined` for a text that is no such time.
 *
 * @category headers
 * @since 0.1.0
 */
export const fromHeader = (
  value: string,
  options?: { readonly header?: string | undefined }
): Duration.Duration | undefined => {
  const millis = parseTimeout(deadlineFormat(options?.header ?? header), value)
  return millis === undefined ? undefined : Duration.millis(millis)
}

/**
 * Middleware that gives each handler the deadline that its caller sent: every call of an integration that the handler
 * makes ends by then.
 *
 * **When to use**
 *
 * Use it in a service that others call and that calls others: time that the caller no longer waits is not spent on
 * providers. A header can only shorten what a handler has, so it may come from anybody; one that is missing or can't be
 * read gives no deadline.
 *
 * **Details**
 *
 * `header` is the header's name (default `x-envoy-expected-rq-timeout-ms`, milliseconds; `grpc-timeout` is read in gRPC's
 * form). `reserve` (default 0) is taken off for what comes after the last call: writing the answer and the network's way.
 * `max` bounds what a handler gets, also when no header was sent. The handler itself is not interrupted.
 *
 * @category middleware
 * @since 0.1.0
 */
export const layer = (options?: {
  readonly header?: string | undefined
  readonly reserve?: Duration.Input | undefined
  readonly max?: Duration.Input | undefined
}): Layer.Layer<never, never, HttpRouter.HttpRouter> => {
  const name = (options?.header ?? header).toLowerCase()
  const format = deadlineFormat(name)
  const reserve = Duration.toMillis(Duration.fromInputUnsafe(options?.reserve ?? 0))
  const max = options?.max === undefined ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(options.max))
  return HttpRouter.middleware(
    (handler) =>
      Effect.withFiber((fiber) => {
        const request = fiber.getRef(
          HttpServerRequest.HttpServerRequest as never
        ) as HttpServerRequest.HttpServerRequest
        const text = request.headers[name]
        const told = text === undefined ? undefined : parseTimeout(format, text)
        const limit = Math.min(max, told === undefined ? Infinity : Math.max(0, told - reserve))
        return limit === Infinity
          ? handler
          : Deadline.at(handler, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() + limit)
      }),
    { global: true }
  )
}
