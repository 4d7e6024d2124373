/**
 * The contracts of the three providers, as their documentation would give them: ordinary Effect `HttpApi`s. Clients
 * derive or decode from these; the providers themselves (`provider/`) do not import them.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Currency, type Order, OrderLine } from "./orders.ts"

// ---- inventory: PUT, so a repeat is safe by the method's own meaning

export const ReservationRequest = Schema.Struct({ lines: Schema.NonEmptyArray(OrderLine) })

export const Reservation = Schema.Struct({
  reservationId: Schema.NonEmptyString,
  orderId: Schema.String,
  status: Schema.Literal("reserved")
})

export class SkuUnavailable extends Schema.TaggedError<SkuUnavailable>()(
  "SkuUnavailable",
  { sku: Schema.String },
  { httpApiStatus: 410 }
) {}

export class InventoryApi extends HttpApi.make("inventory").add(
  HttpApiGroup.make("reservations").add(
    HttpApiEndpoint.put("put", "/reservations/:orderId", {
      params: { orderId: Schema.String },
      payload: ReservationRequest,
      success: Reservation,
      error: SkuUnavailable
    })
  )
) {}

// ---- cards: POST with an `Idempotency-Key` header

/**
 * Every charge must carry this header. The provider replays the stored answer to a key that it knows (with
 * `Idempotent-Replayed: true`), answers 409 while the first request with that key is in progress, and 422 when a key
 * comes back with another payload; both as problem+json with the types below.
 */
export const idempotencyKeyHeader = "idempotency-key"
export const replayedHeader = "idempotent-replayed"
export const cardProblems = {
  inProgress: "https://providers.example/problems/request-in-progress",
  keyReused: "https://providers.example/problems/key-reused",
  keyMissing: "https://providers.example/problems/key-missing"
} as const

export const ChargeRequest = Schema.Struct({
  orderId: Schema.String,
  amount: Schema.Int,
  currency: Currency,
  cardToken: Schema.String
})

export const Charge = Schema.Struct({
  chargeId: Schema.NonEmptyString,
  orderId: Schema.String,
  amount: Schema.Int,
  currency: Currency,
  status: Schema.Literal("succeeded")
}).annotate({ httpApiStatus: 201 })

export class CardError extends Schema.TaggedError<CardError>()(
  "CardError",
  { code: Schema.String },
  { httpApiStatus: 402 }
) {}

export class CardsApi extends HttpApi.make("cards").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.post("create", "/charges", { payload: ChargeRequest, success: Charge, error: CardError })
  )
) {}

// ---- mail: POST, and this provider has no key, no lookup, no way to make a repeat safe

export const ReceiptRequest = Schema.Struct({
  orderId: Schema.String,
  email: Schema.String,
  amount: Schema.Int,
  currency: Currency
})

export const Receipt = Schema.Struct({
  receiptId: Schema.NonEmptyString,
  orderId: Schema.String,
  status: Schema.Literal("queued")
}).annotate({ httpApiStatus: 201 })

export class AddressError extends Schema.TaggedError<AddressError>()(
  "AddressError",
  { reason: Schema.String },
  { httpApiStatus: 422 }
) {}

export class MailApi extends HttpApi.make("mail").add(
  HttpApiGroup.make("receipts").add(
    HttpApiEndpoint.post("create", "/receipts", { payload: ReceiptRequest, success: Receipt, error: AddressError })
  )
) {}

// ---- what an order says to each of them: the same for every client

export const reservationRequest = (order: Order): typeof ReservationRequest.Type => ({ lines: order.lines })

export const chargeRequest = ({ amount, cardToken, currency, id }: Order): typeof ChargeRequest.Type => ({
  orderId: id,
  amount,
  currency,
  cardToken
})

export const receiptRequest = ({ amount, currency, email, id }: Order): typeof ReceiptRequest.Type => ({
  orderId: id,
  email,
  amount,
  currency
})
