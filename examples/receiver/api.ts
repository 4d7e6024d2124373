/**
 * The contract: what an order is, and that to place one takes an idempotency key.
 */
import { HttpReceiver } from "breakwater/http"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, OpenApi } from "effect/http-api"

/** Its problems (400, 409, 413, 422, 503) are part of every endpoint that it guards, in OpenAPI and in Effect's client. */
export class Idempotent extends HttpReceiver.Service<Idempotent>()("orders/Idempotent") {}

const NewOrder = Schema.Struct({
  sku: Schema.NonEmptyString,
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))
})

export const Order = Schema.Struct({
  id: Schema.String,
  ...NewOrder.fields,
  status: Schema.Literals(["placed", "paid"])
})

export class OutOfStock extends Schema.TaggedError<OutOfStock>()(
  "OutOfStock",
  { sku: Schema.String },
  { httpApiStatus: 410 }
) {}

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()(
  "OrderNotFound",
  { id: Schema.String },
  { httpApiStatus: 404 }
) {}

export class OrdersApi extends HttpApi.make("orders")
  .add(
    HttpApiGroup.make("orders").add(
      HttpApiEndpoint.post("place", "/orders", {
        // Here for the documentation alone. `Idempotent` reads it, and refuses a request that lacks it.
        headers: { "idempotency-key": Schema.optionalKey(Schema.String) },
        payload: NewOrder,
        success: Order.annotate({ httpApiStatus: 201 }),
        error: OutOfStock
      }).middleware(Idempotent),
      HttpApiEndpoint.get("find", "/orders/:id", {
        params: { id: Schema.String },
        success: Order,
        error: OrderNotFound
      })
    )
  )
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotateMerge(OpenApi.annotations({ title: "Orders" })) {}
