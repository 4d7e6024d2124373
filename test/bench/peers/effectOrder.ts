/** The document as a schema of Effect. */
import { Schema } from "effect"

export const Order = Schema.Struct({
  id: Schema.String,
  amount: Schema.Int,
  currency: Schema.String,
  lines: Schema.Array(Schema.Struct({ sku: Schema.String, quantity: Schema.Int, price: Schema.Int }))
})
