/** zod 4: https://zod.dev/basics?id=parsing-data. Its own compiler of objects is on, as it is by default. */
import { z } from "zod"

export const docs = "https://zod.dev/basics?id=parsing-data"

export const Order = z.object({
  id: z.string(),
  amount: z.int(),
  currency: z.string(),
  lines: z.array(z.object({ sku: z.string(), quantity: z.int(), price: z.int() }))
})

export const Orders = z.array(Order)
