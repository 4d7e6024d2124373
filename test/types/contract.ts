/** What the fixtures call: one provider with an endpoint of every kind, and the application's own errors. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema } from "effect/http-api"

export class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }) {}
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", { param: Schema.String }) {}
export class TokenExpired extends Schema.TaggedError<TokenExpired>()("TokenExpired", { at: Schema.Number }) {}

/** A middleware that the provider declares an error for. */
export class Authorized extends HttpApiMiddleware.Service<Authorized>()("test/Authorized", { error: TokenExpired }) {}

export const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })
export const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int })
const id = { id: Schema.String }

export class Api extends HttpApi.make("stripe")
  .add(
    HttpApiGroup.make("charges").add(
      HttpApiEndpoint.get("get", "/charges/:id", { params: id, success: Charge }),
      HttpApiEndpoint.get("list", "/charges", { query: { page: Schema.Int }, success: Schema.Array(Charge) }),
      HttpApiEndpoint.get("ping", "/ping", { success: Schema.Struct({ ok: Schema.Boolean }) }),
      HttpApiEndpoint.post("create", "/charges", {
        payload: Order,
        success: Charge,
        error: [CardError, InvalidRequest]
      }),
      HttpApiEndpoint.post("search", "/search", {
        payload: Schema.Struct({ q: Schema.String }),
        success: Schema.Array(Charge)
      }),
      HttpApiEndpoint.patch("change", "/charges/:id", { params: id, payload: Order, success: Charge }),
      HttpApiEndpoint.put("replace", "/charges/:id", { params: id, payload: Charge, success: Charge }),
      HttpApiEndpoint.delete("remove", "/charges/:id", { params: id })
    )
  )
  .add(
    HttpApiGroup.make("odd").add(
      HttpApiEndpoint.get("unknown", "/unknown", { success: Schema.Unknown }),
      HttpApiEndpoint.get("any", "/any", { success: Schema.Any }),
      HttpApiEndpoint.get("unknownWithHeaders", "/unknown", {
        success: HttpApiSchema.WithHeaders(Schema.Unknown, { etag: Schema.String })
      }),
      HttpApiEndpoint.get("withHeaders", "/headers", {
        headers: { "x-tenant": Schema.String },
        success: HttpApiSchema.WithHeaders(Charge, { etag: Schema.String })
      }),
      HttpApiEndpoint.post("upload", "/upload", {
        payload: Schema.Struct({ file: Schema.String }).pipe(HttpApiSchema.asMultipart()),
        success: Charge
      }),
      HttpApiEndpoint.get("guarded", "/guarded", { success: Charge, error: CardError }).middleware(Authorized)
    )
  )
  .add(
    HttpApiGroup.make("streams").add(
      HttpApiEndpoint.get("events", "/events", { success: HttpApiSchema.StreamSse({ data: Charge }) }),
      HttpApiEndpoint.get("lines", "/lines", { success: HttpApiSchema.StreamNdjson({ schema: Charge }) }),
      HttpApiEndpoint.get("bytes", "/bytes", { success: HttpApiSchema.StreamUint8Array() }),
      HttpApiEndpoint.get("linesWithHeaders", "/lines", {
        success: HttpApiSchema.WithHeaders(HttpApiSchema.StreamNdjson({ schema: Charge }), { etag: Schema.String })
      }),
      HttpApiEndpoint.get("socket", "/socket", { success: HttpApiSchema.Upgrade({ protocol: "chat" }) }),
      HttpApiEndpoint.get("socketWithHeaders", "/socket", {
        success: HttpApiSchema.Upgrade({ protocol: "chat", headers: { etag: Schema.String } })
      }),
      HttpApiEndpoint.put("sendBytes", "/bytes", { payload: HttpApiSchema.StreamUint8Array(), success: Charge }),
      HttpApiEndpoint.put("sendLines", "/lines", {
        payload: HttpApiSchema.StreamNdjson({ schema: Charge }),
        success: Charge
      })
    )
  ) {}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}
export class BadOrder extends Schema.TaggedError<BadOrder>()("BadOrder", { param: Schema.String }) {}
export class SignInAgain extends Schema.TaggedError<SignInAgain>()("SignInAgain", {}) {}
export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.String
}) {}
