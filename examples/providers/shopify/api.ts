/**
 * A slice of Shopify's Admin API as an Effect `HttpApi`: read a stock level, adjust it, refund an order. All three are
 * GraphQL operations, which are a POST to one and the same path; each is an endpoint of its own here, with the variables of
 * its document as payload and its data as success.
 *
 * - https://shopify.dev/docs/api/admin-graphql/2026-04/mutations/inventoryAdjustQuantities, …/refundCreate
 * - https://shopify.dev/docs/api/usage/implementing-idempotency
 * - https://shopify.dev/docs/api/usage/response-codes
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

/** The path of every operation, with the version that the documents below were written for. */
const path = "/admin/api/2026-04/graphql.json"

// ---- GraphQL in terms of an endpoint

/** The wire carries a document and its variables; a caller gives the variables. */
const request = <const Name extends string, V, VE>(name: Name, document: string, variables: Schema.Codec<V, VE>) =>
  Schema.Struct({ operationName: Schema.Literal(name), query: Schema.String, variables }).pipe(
    Schema.decodeTo(
      Schema.toType(variables),
      SchemaTransformation.transform({
        decode: (request) => request.variables,
        encode: (variables) => ({ operationName: name, query: document, variables })
      })
    )
  )

/** A caller gets what stands under `data`. What Shopify says of the query's cost beside it is read where it matters. */
const answer = <D, DE>(data: Schema.Codec<D, DE>) =>
  Schema.Struct({ data }).pipe(
    Schema.decodeTo(
      Schema.toType(data),
      SchemaTransformation.transform({ decode: (answer) => answer.data, encode: (data) => ({ data }) })
    )
  )

// ---- read a stock level

const StockLevel = Schema.Struct({
  inventoryItem: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      inventoryLevel: Schema.NullOr(
        Schema.Struct({ quantities: Schema.Array(Schema.Struct({ name: Schema.String, quantity: Schema.Int })) })
      )
    })
  )
})

const stockLevel = HttpApiEndpoint.post("stockLevel", path, {
  payload: request(
    "StockLevel",
    `query StockLevel($item: ID!, $location: ID!) {
      inventoryItem(id: $item) {
        id
        inventoryLevel(locationId: $location) { quantities(names: ["available"]) { name quantity } }
      }
    }`,
    Schema.Struct({ item: Schema.String, location: Schema.String })
  ),
  success: answer(StockLevel)
})

// ---- adjust it

/** Refusals that a mutation gives beside its (empty) result, with status 200. */
export const UserError = Schema.Struct({
  /** `refundCreate` gives none. */
  code: Schema.optionalKey(Schema.NullOr(Schema.String)),
  field: Schema.NullOr(Schema.Array(Schema.String)),
  message: Schema.String
})

export class AdjustmentErrors extends Schema.Error<AdjustmentErrors>("AdjustmentErrors")(
  {
    _tag: Schema.tagDefaultOmit("AdjustmentErrors"),
    data: Schema.Struct({
      inventoryAdjustQuantities: Schema.Struct({ userErrors: Schema.NonEmptyArray(UserError) })
    })
  },
  { httpApiStatus: 200 }
) {}

const Adjustment = Schema.Struct({
  inventoryAdjustQuantities: Schema.Struct({
    inventoryAdjustmentGroup: Schema.Struct({
      id: Schema.String,
      changes: Schema.Array(Schema.Struct({ name: Schema.String, delta: Schema.Int }))
    })
  })
})

const adjustStock = HttpApiEndpoint.post("adjustStock", path, {
  payload: request(
    "AdjustStock",
    // The key is no argument of the mutation: the directive carries it, and breakwater writes the variable.
    `mutation AdjustStock($input: InventoryAdjustQuantitiesInput!, $idempotencyKey: String!) {
      inventoryAdjustQuantities(input: $input) @idempotent(key: $idempotencyKey) {
        inventoryAdjustmentGroup { id changes { name delta } }
        userErrors { code field message }
      }
    }`,
    Schema.Struct({
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
    })
  ),
  success: answer(Adjustment),
  error: AdjustmentErrors
})

// ---- refund an order

export class RefundErrors extends Schema.Error<RefundErrors>("RefundErrors")(
  {
    _tag: Schema.tagDefaultOmit("RefundErrors"),
    data: Schema.Struct({ refundCreate: Schema.Struct({ userErrors: Schema.NonEmptyArray(UserError) }) })
  },
  { httpApiStatus: 200 }
) {}

const Refund = Schema.Struct({ refundCreate: Schema.Struct({ refund: Schema.Struct({ id: Schema.String }) }) })

const refundOrder = HttpApiEndpoint.post("refundOrder", path, {
  payload: request(
    "RefundOrder",
    `mutation RefundOrder($input: RefundInput!, $idempotencyKey: String!) {
      refundCreate(input: $input) @idempotent(key: $idempotencyKey) {
        refund { id }
        userErrors { field message }
      }
    }`,
    Schema.Struct({
      input: Schema.Struct({
        orderId: Schema.String,
        /** Why: here the number of the return, which tells two refunds of one order apart. */
        note: Schema.String,
        refundLineItems: Schema.NonEmptyArray(Schema.Struct({ lineItemId: Schema.String, quantity: Schema.Int }))
      })
    })
  ),
  success: answer(Refund),
  error: RefundErrors
})

export class ShopifyAdmin extends HttpApi.make("shopify").add(
  HttpApiGroup.make("graphql").add(stockLevel, adjustStock, refundOrder)
) {}
