/**
 * A slice of Shopify's Admin API: read a stock level, adjust it, refund an order. All three are GraphQL documents, each
 * with the variables that it takes and the data that it answers.
 *
 * - https://shopify.dev/docs/api/admin-graphql/2026-04/mutations/inventoryAdjustQuantities, …/refundCreate
 * - https://shopify.dev/docs/api/usage/implementing-idempotency
 * - https://shopify.dev/docs/api/usage/response-codes
 */
import { GraphQL } from "breakwater/http"
import { Schema } from "effect"

/** The path of every operation, with the version that the documents below were written for. */
const path = "/admin/api/2026-04/graphql.json"

// ---- read a stock level

export const stockLevel = {
  path,
  document: `query StockLevel($item: ID!, $location: ID!) {
    inventoryItem(id: $item) {
      id
      inventoryLevel(locationId: $location) { quantities(names: ["available"]) { name quantity } }
    }
  }`,
  variables: Schema.Struct({ item: Schema.String, location: Schema.String }),
  data: Schema.Struct({
    inventoryItem: Schema.NullOr(
      Schema.Struct({
        id: Schema.String,
        inventoryLevel: Schema.NullOr(
          Schema.Struct({ quantities: Schema.Array(Schema.Struct({ name: Schema.String, quantity: Schema.Int })) })
        )
      })
    )
  })
} as const

// ---- adjust it

export const adjustStock = {
  path,
  // The key is no argument of the mutation: the directive carries it, and breakwater writes the variable.
  document: `mutation AdjustStock($input: InventoryAdjustQuantitiesInput!, $idempotencyKey: String!) {
    inventoryAdjustQuantities(input: $input) @idempotent(key: $idempotencyKey) {
      inventoryAdjustmentGroup { id changes { name delta } }
      userErrors { code field message }
    }
  }`,
  variables: Schema.Struct({
    input: Schema.Struct({
      name: Schema.Literal("available"),
      reason: Schema.Literals(["received", "correction", "damaged"]),
      /** What the adjustment is for, such as a delivery. */
      referenceDocumentUri: Schema.String,
      changes: Schema.NonEmptyArray(
        Schema.Struct({
          inventoryItemId: Schema.String,
          locationId: Schema.String,
          delta: Schema.Int,
          /** The quantity that the change starts from; `null` does not care. Required from 2026-04. */
          changeFromQuantity: Schema.NullOr(Schema.Int)
        })
      )
    })
  }),
  data: Schema.Struct({
    inventoryAdjustQuantities: Schema.Struct({
      inventoryAdjustmentGroup: Schema.Struct({
        id: Schema.String,
        changes: Schema.Array(Schema.Struct({ name: Schema.String, delta: Schema.Int }))
      })
    })
  }),
  /** Refusals that a mutation gives beside its (empty) result, with status 200. */
  errors: GraphQL.userErrors("inventoryAdjustQuantities")
} as const

// ---- refund an order

export const refundOrder = {
  path,
  document: `mutation RefundOrder($input: RefundInput!, $idempotencyKey: String!) {
    refundCreate(input: $input) @idempotent(key: $idempotencyKey) {
      refund { id }
      userErrors { field message }
    }
  }`,
  variables: Schema.Struct({
    input: Schema.Struct({
      orderId: Schema.String,
      /** Why: here the number of the return, which tells two refunds of one order apart. */
      note: Schema.String,
      refundLineItems: Schema.NonEmptyArray(Schema.Struct({ lineItemId: Schema.String, quantity: Schema.Int }))
    })
  }),
  data: Schema.Struct({ refundCreate: Schema.Struct({ refund: Schema.Struct({ id: Schema.String }) }) }),
  /** These have no codes. */
  errors: GraphQL.userErrors("refundCreate")
} as const
