/**
 * Shopify's Admin API, as its documentation describes it: the access token, the cost of queries, idempotency keys, stock
 * and refunds.
 *
 * - tokens: https://shopify.dev/docs/api/admin-graphql#authentication
 * - cost: https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits
 * - keys: https://shopify.dev/docs/api/usage/implementing-idempotency and
 *   https://shopify.dev/changelog/making-idempotency-mandatory-for-inventory-adjustments-and-refund-mutations
 */
import { Idempotency } from "breakwater"
import { GraphQL } from "breakwater/http"
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { adjustStock, refundOrder, stockLevel } from "./integration.ts"

/** What the integration calls, as an API: three documents at one path. */
export class ShopifyAdmin extends HttpApi.make("shopify").add(
  HttpApiGroup.make("graphql").add(stockLevel.endpoint, adjustStock.endpoint, refundOrder.endpoint)
) {}

/** An access token of a shop that does not exist. */
export const accessToken = "shpat_0123456789abcdef0123456789abcdef"

/** The standard plan: 100 points a second. How many a bucket holds is not documented; answers show 2,000. */
const plan = { maximumAvailable: 2_000, restoreRate: 100 }

/** "Mutation: 10", and 1 for each object; what a query asks for is what it costs here. */
const costs: Readonly<Record<string, number>> = {
  "graphql.StockLevel": 3,
  "graphql.AdjustStock": 10,
  "graphql.RefundOrder": 10
}

/** The field of the document that a mutation's answer stands under. */
const fields: Readonly<Record<string, string>> = {
  "graphql.AdjustStock": "inventoryAdjustQuantities",
  "graphql.RefundOrder": "refundCreate"
}

/** The answer to a key that is known; only the adjustment's errors have codes. */
const keyError =
  (code: string, message: string): KeyWindow.Answer =>
  ({ operation }) => ({
    body: {
      data: {
        [fields[operation] ?? operation]: {
          userErrors: [{ ...(operation === "graphql.AdjustStock" ? { code } : {}), field: null, message }]
        }
      }
    }
  })

/** An error of the whole request, which is told with status 200 all the same. */
const failure = (code: string, message: string, more?: object) =>
  HttpServerResponse.jsonUnsafe({ errors: [{ message, extensions: { code } }], ...more })

const adjustmentError = (code: string, message: string, field: ReadonlyArray<string>) =>
  Effect.fail(new GraphQL.UserErrors({ userErrors: [{ code, field, message }] }))

const refundError = (message: string, field: ReadonlyArray<string>) =>
  Effect.fail(new GraphQL.UserErrors({ userErrors: [{ field, message }] }))

export class FakeShopify extends Upstream.Service<FakeShopify>()("test/Shopify", ShopifyAdmin, {
  state: () => ({
    /** The quantities that are available, by item and location. */
    stock: new Map([["gid://shopify/InventoryItem/1 gid://shopify/Location/1", 20]]),
    /** What can still be refunded, by line item. */
    refundable: new Map([["gid://shopify/LineItem/1", 2]]),
    adjustments: 0,
    refunds: 0,
    bucket: { available: plan.maximumAvailable, at: 0 },
    /** An app without the scope `write_inventory` may read, and no more. */
    mayWrite: true
  }),

  headers: ({ wire }) => ({ "x-request-id": `shopify-${wire.index}` }),

  guard: ({ state: { bucket, mayWrite }, wire }) =>
    Effect.sync(() => {
      if (wire.headers["x-shopify-access-token"] !== accessToken) {
        return HttpServerResponse.jsonUnsafe({ errors: "[API] Invalid API key or access token" }, { status: 401 })
      }
      const refilled = (Math.max(0, wire.at - bucket.at) / 1_000) * plan.restoreRate
      bucket.available = Math.min(plan.maximumAvailable, bucket.available + refilled)
      bucket.at = wire.at
      const requestedQueryCost = costs[wire.operation] ?? 1
      if (bucket.available < requestedQueryCost) {
        const throttleStatus = { ...plan, currentlyAvailable: Math.floor(bucket.available) }
        return failure("THROTTLED", "Throttled", {
          extensions: { cost: { requestedQueryCost, actualQueryCost: null, throttleStatus } }
        })
      }
      bucket.available -= requestedQueryCost
      const field = fields[wire.operation]
      if (field === undefined) return undefined
      if (!mayWrite) return failure("ACCESS_DENIED", `Access denied for ${field} field.`, { data: { [field]: null } })
      // The schema does not ask for the directive; "calling these mutations without it will result in an error at runtime".
      return wire.key === undefined || !wire.text.includes("@idempotent(key: $idempotencyKey)")
        ? failure("BAD_REQUEST", "The @idempotent directive is required for this mutation but was not provided.", {
            data: { [field]: null }
          })
        : undefined
    }),

  keys: KeyWindow.make({
    placement: Idempotency.graphqlDirective(),
    lifetime: "24 hours",
    // "Successfully cached responses": that a refusal is not kept is our reading. Nothing marks a replay.
    stores: ({ changed }) => changed !== false,
    replayHeader: false,
    inFlight: keyError("IDEMPOTENCY_CONCURRENT_REQUEST", "This request is currently in progress, please try again."),
    mismatch: keyError(
      "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
      "The same idempotency key cannot be used with different operation parameters."
    )
  }),

  handlers: {
    graphql: {
      StockLevel: ({ payload }, { changed, state }) => {
        const quantity = state.stock.get(`${payload.item} ${payload.location}`)
        const quantities = [{ name: "available", quantity: quantity ?? 0 }]
        const inventoryItem = quantity === undefined ? null : { id: payload.item, inventoryLevel: { quantities } }
        return Effect.as(changed(false), { inventoryItem })
      },

      AdjustStock: ({ payload: { input } }, { state }) =>
        Effect.gen(function* () {
          const quantities = new Map(state.stock)
          for (const [index, change] of input.changes.entries()) {
            const key = `${change.inventoryItemId} ${change.locationId}`
            const known = quantities.get(key)
            if (known === undefined) {
              return yield* adjustmentError(
                "INVALID_INVENTORY_ITEM",
                "The specified inventory item could not be found.",
                ["input", "changes", String(index), "inventoryItemId"]
              )
            }
            if (change.changeFromQuantity !== null && change.changeFromQuantity !== known) {
              return yield* adjustmentError(
                "CHANGE_FROM_QUANTITY_STALE",
                "The specified quantity does not match the persisted quantity.",
                ["input", "changes", String(index), "changeFromQuantity"]
              )
            }
            quantities.set(key, known + change.delta)
          }
          // All of the changes, or none.
          for (const [key, quantity] of quantities) state.stock.set(key, quantity)
          return {
            inventoryAdjustQuantities: {
              inventoryAdjustmentGroup: {
                id: `gid://shopify/InventoryAdjustmentGroup/${++state.adjustments}`,
                changes: input.changes.map(({ delta }) => ({ name: input.name, delta }))
              }
            }
          }
        }),

      RefundOrder: ({ payload: { input } }, { state }) =>
        Effect.gen(function* () {
          for (const [index, { lineItemId, quantity }] of input.refundLineItems.entries()) {
            // From memory: the documentation does not give the sentence.
            if (quantity > (state.refundable.get(lineItemId) ?? 0)) {
              return yield* refundError("Quantity cannot refund more items than were purchased", [
                "refundLineItems",
                String(index),
                "quantity"
              ])
            }
          }
          for (const { lineItemId, quantity } of input.refundLineItems) {
            state.refundable.set(lineItemId, (state.refundable.get(lineItemId) ?? 0) - quantity)
          }
          return { refundCreate: { refund: { id: `gid://shopify/Refund/${++state.refunds}` } } }
        })
    }
  }
}) {}
