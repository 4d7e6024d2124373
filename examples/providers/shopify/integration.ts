/**
 * A shop at Shopify: the application's own words and errors, and what Shopify's answers mean.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Duration, Schema } from "effect"
import { ShopifyAdmin, UserError } from "./api.ts"

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

const Cost = Schema.Struct({
  requestedQueryCost: Schema.Number,
  throttleStatus: Schema.Struct({ currentlyAvailable: Schema.Number, restoreRate: Schema.Number })
})

/** Errors of a whole request. */
const isFailed = Schema.is(
  Schema.Struct({
    errors: Schema.NonEmptyArray(
      Schema.Struct({ extensions: Schema.optionalKey(Schema.Struct({ code: Schema.optionalKey(Schema.String) })) })
    ),
    extensions: Schema.optionalKey(Schema.Struct({ cost: Schema.optionalKey(Cost) }))
  })
)

/** Refusals of a mutation. */
const isRefused = Schema.is(
  Schema.Struct({
    data: Schema.Record(Schema.String, Schema.Struct({ userErrors: Schema.NonEmptyArray(UserError) }))
  })
)

/** The bucket must hold what a query asks for before it runs, and fills up by `restoreRate` points a second. */
const refilledAfter = ({ requestedQueryCost, throttleStatus }: typeof Cost.Type) =>
  Duration.millis(
    Math.ceil(
      (Math.max(0, requestedQueryCost - throttleStatus.currentlyAvailable) / throttleStatus.restoreRate) * 1_000
    )
  )

/** Codes of what was turned away before it ran. */
const turnedAway: ReadonlySet<string> = new Set(["ACCESS_DENIED", "BAD_REQUEST", "MAX_COST_EXCEEDED", "SHOP_INACTIVE"])

/** What the key of an earlier attempt has to do with. `refundCreate` gives no code: its messages are those of the codes. */
const concurrent = {
  code: "IDEMPOTENCY_CONCURRENT_REQUEST",
  message: "This request is currently in progress, please try again."
}
const mismatch = {
  code: "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
  message: "The same idempotency key cannot be used with different operation parameters."
}

const classify: HttpIntegration.Classify = (_status, _headers, body) => {
  if (isFailed(body)) {
    const code = body.errors[0].extensions?.code ?? "an error without a code"
    const cost = body.extensions?.cost
    if (code === "THROTTLED") {
      return Reason.throttled({ message: code, retryAfter: cost === undefined ? undefined : refilledAfter(cost) })
    }
    if (turnedAway.has(code)) return Reason.rejected({ message: code })
    // A mutation may have run before something else failed. What an unknown code means, a repeat would not change.
    return Reason.unavailable({ message: code, transient: code === "INTERNAL_SERVER_ERROR" })
  }
  if (isRefused(body)) {
    const errors = Object.values(body.data).flatMap(({ userErrors }) => userErrors)
    const says = (one: typeof concurrent) =>
      errors.some(({ code, message }) => code === one.code || message === one.message)
    if (says(concurrent)) return Reason.inProgress({ message: concurrent.code })
    if (says(mismatch)) return Reason.keyConflict({ message: mismatch.code })
  }
  // The contract declares the rest.
  return undefined
}

// ---- the integration

/** "The retention window is 24 hours from the original request." */
const keptForADay = { lifetime: "24 hours", placement: Idempotency.graphqlDirective() } as const

export class Shop extends Integration.Service<Shop>()(
  "erp/Shop",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classify,
    orElse: ({ outcome, reason, retryAfter }) => new ShopUnavailable({ outcome, reason: reason.message, retryAfter })
  },
  {
    stockLevel: HttpOperation.endpoint(ShopifyAdmin, "graphql", "stockLevel", {
      idempotency: Idempotency.readOnly("a GraphQL query")
    }),
    adjustStock: HttpOperation.endpoint(ShopifyAdmin, "graphql", "adjustStock", {
      // One delivery is one adjustment, however often it is scanned.
      idempotency: Idempotency.keyed(
        ({ payload }) => IdempotencyKey.derive("adjust-stock", payload.input.referenceDocumentUri),
        keptForADay
      ),
      translate: {
        AdjustmentErrors: ({ data }) => {
          const [error] = data.inventoryAdjustQuantities.userErrors
          return error.code === "CHANGE_FROM_QUANTITY_STALE"
            ? new StockChanged()
            : new AdjustmentRefused({ reason: error.message })
        }
      }
    }),
    refund: HttpOperation.endpoint(ShopifyAdmin, "graphql", "refundOrder", {
      idempotency: Idempotency.keyed(
        ({ payload }) => IdempotencyKey.derive("refund", payload.input.orderId, payload.input.note),
        keptForADay
      ),
      translate: {
        RefundErrors: ({ data }) => new RefundRefused({ reason: data.refundCreate.userErrors[0].message })
      }
    })
  }
) {}

/** How every deployment reaches Shopify, and every test. */
export const connection = {
  auth: Auth.apiKey("X-Shopify-Access-Token", Config.Redacted("SHOPIFY_ACCESS_TOKEN"))
}

export const ShopLive = HttpIntegration.layer(Shop, { ...connection, baseUrl: Config.URL("SHOPIFY_URL") })
