/**
 * A shop at Shopify: the application's own words and errors, and what Shopify's answers mean.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { Auth, GraphQL, HttpIntegration } from "breakwater/http"
import { Config, Schema } from "effect"
import * as api from "./api.ts"

// ---- the application's errors: nothing of Shopify's is left in them

/** Somebody else changed the quantity since it was read. Nothing happened: read it again. */
export class StockChanged extends Schema.TaggedError<StockChanged>()("StockChanged", {}) {}

/** Nothing was adjusted. */
export class AdjustmentRefused extends Schema.TaggedError<AdjustmentRefused>()("AdjustmentRefused", {
  reason: Schema.String
}) {}

/** No money moved. */
export class RefundRefused extends Schema.TaggedError<RefundRefused>()("RefundRefused", { reason: Schema.String }) {}

/** Everything else. `outcome` says whether it happened, `retryAfter` when Shopify wants to hear from us again. */
export class ShopUnavailable extends Schema.TaggedError<ShopUnavailable>()("ShopUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  reason: Schema.String,
  retryAfter: Schema.UndefinedOr(Schema.Duration)
}) {}

// ---- what an answer means: with Shopify, most errors come with status 200

/** Codes of what was turned away before it ran. Those of throttling and of failures are everybody's. */
const codes = GraphQL.codes({ refused: ["ACCESS_DENIED", "BAD_REQUEST", "MAX_COST_EXCEEDED", "SHOP_INACTIVE"] })

/** Refusals of a mutation. */
const isRefused = Schema.is(
  Schema.Struct({
    data: Schema.Record(Schema.String, Schema.Struct({ userErrors: Schema.NonEmptyArray(GraphQL.UserError) }))
  })
)

/** What the key of an earlier attempt has to do with. `refundCreate` gives no code: its messages are those of the codes. */
const concurrent = {
  code: "IDEMPOTENCY_CONCURRENT_REQUEST",
  message: "This request is currently in progress, please try again."
}
const mismatch = {
  code: "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
  message: "The same idempotency key cannot be used with different operation parameters."
}

/** What the refusals of a mutation say of its key. The contract declares the rest. */
const ofKey = (body: unknown): Reason.Verdict | undefined => {
  if (!isRefused(body)) return undefined
  const errors = Object.values(body.data).flatMap(({ userErrors }) => userErrors)
  const says = (one: typeof concurrent) =>
    errors.some(({ code, message }) => code === one.code || message === one.message)
  if (says(concurrent)) return Reason.inProgress({ message: concurrent.code })
  return says(mismatch) ? Reason.keyConflict({ message: mismatch.code }) : undefined
}

// ---- the integration

/** "The retention window is 24 hours from the original request." */
const keptForADay = { lifetime: "24 hours", placement: Idempotency.graphqlDirective() } as const

/** Fields that failed: a query has nothing to show, and a mutation may have run. */
const GraphqlErrors = ({ errors }: GraphQL.Errors) =>
  new ShopUnavailable({
    outcome: "Unknown",
    reason: errors.map(({ code, path }) => `${code} at ${path}`).join(", "),
    retryAfter: undefined
  })

export const stockLevel = GraphQL.query("StockLevel", { ...api.stockLevel, translate: { GraphqlErrors } })

export const adjustStock = GraphQL.mutation("AdjustStock", {
  ...api.adjustStock,
  // One delivery is one adjustment, however often it is scanned.
  idempotency: Idempotency.keyed(
    ({ input }: typeof api.adjustStock.variables.Type) =>
      IdempotencyKey.derive("adjust-stock", input.referenceDocumentUri),
    keptForADay
  ),
  translate: {
    GraphqlErrors,
    UserErrors: ({ userErrors: [error] }) =>
      error.code === "CHANGE_FROM_QUANTITY_STALE"
        ? new StockChanged()
        : new AdjustmentRefused({ reason: error.message })
  }
})

export const refundOrder = GraphQL.mutation("RefundOrder", {
  ...api.refundOrder,
  idempotency: Idempotency.keyed(
    ({ input }: typeof api.refundOrder.variables.Type) => IdempotencyKey.derive("refund", input.orderId, input.note),
    keptForADay
  ),
  translate: {
    GraphqlErrors,
    UserErrors: ({ userErrors: [error] }) => new RefundRefused({ reason: error.message })
  }
})

export class Shop extends Integration.Service<Shop>()(
  "erp/Shop",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classify: (status, headers, body) => codes(status, headers, body) ?? ofKey(body),
    orElse: ({ outcome, reason, retryAfter }) => new ShopUnavailable({ outcome, reason: reason.message, retryAfter })
  },
  { stockLevel, adjustStock, refund: refundOrder }
) {}

/** How every deployment reaches Shopify, and every test. */
export const connection = {
  auth: Auth.apiKey("X-Shopify-Access-Token", Config.Redacted("SHOPIFY_ACCESS_TOKEN"))
}

export const ShopLive = HttpIntegration.layer(Shop, { ...connection, baseUrl: Config.URL("SHOPIFY_URL") })
