/**
 * The checkout's own HTTP API: `POST /checkout` with an order, `GET /health`. Its clients see this contract and nothing
 * of the providers': their statuses and bodies end in `client.ts`. Works over any client of this demo.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, type HttpServer, type HttpServerError } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, OpenApi } from "effect/http-api"
import { createServer } from "node:http"
import { Checkout } from "./client.ts"
import {
  CardDeclined,
  InventoryUnavailable,
  isCheckoutError,
  OutOfStock,
  Outcome,
  PaymentsUnavailable
} from "./errors.ts"
import { Order } from "./orders.ts"

export const CheckoutDone = Schema.Struct({
  orderId: Schema.String,
  /** A receipt is sent at most once, and no sale fails for it: here is what became of it. */
  receipt: Schema.Literals(["sent", "not sent", "unknown"])
}).annotate({ httpApiStatus: 201 })

/** A step failed with something that is not in `errors.ts`: all that we can say is where. */
export class CheckoutFailed extends Schema.TaggedError<CheckoutFailed>()(
  "CheckoutFailed",
  { step: Schema.Literals(["reserve", "charge"]), outcome: Outcome },
  { httpApiStatus: 500 }
) {}

export class CheckoutApi extends HttpApi.make("checkout")
  .add(
    HttpApiGroup.make("checkout", { topLevel: true }).add(
      HttpApiEndpoint.post("checkout", "/checkout", {
        payload: Order,
        success: CheckoutDone,
        error: [OutOfStock, CardDeclined, InventoryUnavailable, PaymentsUnavailable, CheckoutFailed]
      }),
      HttpApiEndpoint.get("health", "/health", { success: Schema.Struct({ status: Schema.Literal("ok") }) })
    )
  )
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotateMerge(OpenApi.annotations({ title: "Checkout" })) {}

export const handlers = HttpApiBuilder.group(
  CheckoutApi,
  "checkout",
  Effect.fnUntraced(function* (handlers) {
    const checkout = yield* Checkout
    return handlers.handleAll({
      checkout: Effect.fnUntraced(function* ({ payload: order }) {
        yield* own("reserve", checkout.reserve(order), isReserveError)
        yield* own("charge", checkout.charge(order), isChargeError)
        const receipt = yield* checkout.receipt(order).pipe(
          Effect.as("sent" as const),
          Effect.catchDefect(Effect.fail),
          Effect.catch((error) => Effect.succeed(afterFailure(error)))
        )
        return { orderId: order.id, receipt }
      }),
      health: () => Effect.succeed({ status: "ok" as const })
    })
  })
)

const isReserveError = Schema.is(Schema.Union([OutOfStock, InventoryUnavailable]))
const isChargeError = Schema.is(Schema.Union([CardDeclined, PaymentsUnavailable]))

/** Lets a step fail with what its contract declares; everything else is logged, and becomes `CheckoutFailed`. */
const own = <E>(
  step: "reserve" | "charge",
  call: Effect.Effect<unknown, unknown>,
  declared: (error: unknown) => error is E
): Effect.Effect<void, E | CheckoutFailed> =>
  call.pipe(
    Effect.asVoid,
    Effect.catchDefect(Effect.fail),
    Effect.tapError((error) => (declared(error) ? Effect.void : Effect.logError(`${step}: outside the list`, error))),
    Effect.mapError((error) => (declared(error) ? error : new CheckoutFailed({ step, outcome: "Unknown" })))
  )

type ReceiptState = (typeof CheckoutDone.Type)["receipt"]

const afterFailure = (error: unknown): ReceiptState => {
  if (!isCheckoutError(error) || error.outcome === "Unknown") return "unknown"
  return error.outcome === "Applied" ? "sent" : "not sent"
}

/** The routes, for any `HttpServer`. */
export const routes = HttpApiBuilder.layer(CheckoutApi, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide(handlers),
  Layer.provide(HttpApiMiddleware.layerProblemDetails({ includeDetails: true }))
)

/** The API on a port of this machine; 0 picks a free one. `HttpServer.HttpServer` says where it listens. */
export const layer = (port: number): Layer.Layer<HttpServer.HttpServer, HttpServerError.ServeError, Checkout> =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port }))
  )
