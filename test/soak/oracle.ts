/**
 * Where it is written down what was done: the provider's ledger, or the application's own table.
 */
import { FaultInjection, KeyWindow } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
import { effectsTable, type Order } from "./protocol.ts"

/** The provider that handlers call under a lease. Its ledger says what was done. */
export const providerOf = (random: () => number) =>
  Effect.gen(function* () {
    const provider = FaultInjection.make({
      keys: KeyWindow.make(),
      respond: ({ text, index }) => {
        const { decline, order } = JSON.parse(text) as Order
        const reply: FaultInjection.Reply = decline
          ? { status: 402, body: {}, changed: false }
          : { status: 201, body: { id: `ch_${index}` }, input: order }
        return Effect.delay(Effect.succeed(reply), random() * 20)
      }
    })
    const { url } = yield* SocketServer.listen(provider)
    const effects = Effect.sync(() => provider.ledger.map(({ input }) => input as string))
    return { url: `${url}/charges`, effects }
  })

/** The application's own database, as this process reads it. */
export const databaseOf = Effect.fnUntraced(function* (
  kind: "sqlite" | "postgres",
  place: string,
  url: string | undefined
) {
  const layer =
    kind === "sqlite"
      ? (yield* Effect.promise(() => import("breakwater/sql/node"))).SqliteClient.layer({
          filename: join(place, "records.db"),
          synchronous: "normal"
        })
      : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({ url: Redacted.make(url!) })
  const context = yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>)
  const sql = Context.get(context, SqlClient.SqlClient)
  const table = sql(effectsTable(kind, place))
  yield* sql`CREATE TABLE ${table} (order_id TEXT NOT NULL, attempt TEXT NOT NULL, pad TEXT NOT NULL)`
  return Effect.map(sql<{ readonly order_id: string }>`SELECT order_id FROM ${table}`, (rows) =>
    rows.map(({ order_id }) => order_id)
  )
})
