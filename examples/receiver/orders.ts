/**
 * What the endpoints do. Nothing here knows of keys: `Idempotent`, in api.ts and server.ts, does.
 */
import { Effect, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { Order, OrderNotFound, OrdersApi, OutOfStock } from "./api.ts"

const decode = Schema.decodeUnknownEffect(Order)

export const Orders = HttpApiBuilder.group(
  OrdersApi,
  "orders",
  Effect.fnUntraced(function* (handlers) {
    const sql = yield* SqlClient.SqlClient
    const random = yield* SecureRandom.SecureRandom
    return handlers.handleAll({
      // Both statements and the record of the key are one transaction. A failure rolls the order back. A declared one is
      // this key's answer from then on; a database that fails is a defect, is not recorded, and may be tried again.
      place: Effect.fnUntraced(function* ({ payload: { quantity, sku } }) {
        const order: typeof Order.Type = { id: yield* random.uuidV7(), sku, quantity, status: "placed" }
        yield* Effect.orDie(sql`INSERT INTO orders ${sql.insert(order)}`)
        const taken = yield* Effect.orDie(
          sql`UPDATE stock SET remaining = remaining - ${quantity} WHERE sku = ${sku} AND remaining >= ${quantity} RETURNING sku`
        )
        return taken.length === 1 ? order : yield* new OutOfStock({ sku })
      }),
      find: Effect.fnUntraced(function* ({ params: { id } }) {
        const [row] = yield* Effect.orDie(sql`SELECT id, sku, quantity, status FROM orders WHERE id = ${id}`)
        return row === undefined ? yield* new OrderNotFound({ id }) : yield* Effect.orDie(decode(row))
      })
    })
  })
)
