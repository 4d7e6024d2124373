/**
 * The checkout that survives a crash at any moment: its three calls are stored before they are sent, in the database that
 * holds the orders.
 *
 * An order and its reservation are written in one transaction; the charge is stored by the handler of the reservation, and
 * the receipt by that of the charge. All three could be stored with the order, but then a card would be charged for what
 * turns out to be sold out: a step is stored when the one before it is known to have happened. A handler runs in the
 * transaction that ends its call, so between two steps there is no moment at which a crash could lose the next one.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Integration, Outbox, OutboxStore, type Outcome, OutboxWorker, Policy, Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { chargeRequest, receiptRequest, reservationRequest } from "../contracts.ts"
import { cards, charge, inventory, mail, receipt, reserve } from "../integrations.ts"
import { limits } from "../limits.ts"
import { Order } from "../orders.ts"
import type { ProviderUrls } from "../provider/protocol.ts"

// ---- the operations of integrations.ts, stored

class Inventory extends Integration.Service<Inventory>()("checkout/Inventory", inventory, {
  // A PUT has no key that a late one could be told by: those of one order keep their order.
  reserve: Outbox.writeAheadWith(reserve, { lane: ({ params }) => params.orderId })
}) {}

class Cards extends Integration.Service<Cards>()("checkout/Cards", cards, { charge: Outbox.writeAhead(charge) }) {}

class Mail extends Integration.Service<Mail>()("checkout/Mail", mail, { receipt: Outbox.writeAhead(receipt) }) {}

// ---- the orders

/** `refused` and `unclear` end an order too. */
type Status = "placed" | "reserved" | "paid" | "done" | "refused" | "unclear"

const createOrders = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql`CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, body TEXT NOT NULL, status TEXT NOT NULL, receipt TEXT)`
)

const Body = Schema.fromJsonString(Order)

/** Takes an order. A second time, as after an answer that was lost in a crash, does nothing. */
export const place = Effect.fnUntraced(function* (order: Order) {
  const sql = yield* SqlClient.SqlClient
  const { reserve } = yield* Inventory
  const body = yield* Schema.encodeEffect(Body)(order)
  yield* sql.withTransaction(
    Effect.gen(function* () {
      const status: Status = "placed"
      const row = { id: order.id, body, status }
      const placed = yield* sql`INSERT INTO orders ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`
      if (placed.length === 0) return
      yield* reserve({ params: { orderId: order.id }, payload: reservationRequest(order) })
    })
  )
})

/** What is known of a receipt: it is sent, it was refused, or it may have been sent and is listed for a person. */
type Receipt = "sent" | "refused" | "listed"

/** How many orders have ended. */
export const ended = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{
      readonly count: number
    }>`SELECT count(*) AS count FROM orders WHERE status IN ('done', 'refused', 'unclear')`,
    (rows) => rows[0]?.count ?? 0
  )
)

/** Writes down where an order stands, and gives the order. */
const mark = Effect.fnUntraced(function* (id: string, status: Status) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql`UPDATE orders SET status = ${status} WHERE id = ${id} RETURNING body`
  return yield* Schema.decodeUnknownEffect(Body)(row?.["body"])
})

/** No sale fails for its receipt: the order is done, and what became of the receipt stands beside it. */
const done = Effect.fnUntraced(function* (id: string, receipt: Receipt) {
  const sql = yield* SqlClient.SqlClient
  const status: Status = "done"
  yield* sql`UPDATE orders SET ${sql.update({ status, receipt })} WHERE id = ${id}`
})

/** The orders whose receipt a person has to look after, and how many of those the outbox lists: the same number. */
export const listed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const store = yield* OutboxStore.OutboxStore
  const receipt: Receipt = "listed"
  const orders = yield* sql<{ readonly id: string }>`SELECT id FROM orders WHERE receipt = ${receipt}`
  const groups = yield* store.groups({ states: ["NeedsReconcile"], operation: "receipt" })
  return { orders: orders.map(({ id }) => id), entries: groups.reduce((sum, { count }) => sum + count, 0) }
})

// ---- what follows a call that has ended

const reserved = Effect.fnUntraced(function* (id: string) {
  const order = yield* mark(id, "reserved")
  yield* (yield* Cards).charge({ payload: chargeRequest(order) })
})

const paid = Effect.fnUntraced(function* (id: string) {
  const order = yield* mark(id, "paid")
  yield* (yield* Mail).receipt({ payload: receiptRequest(order) })
})

/**
 * It may have happened, and a repeat is not safe. Where the provider says that it did, and only the answer could not be read,
 * the checkout goes on: that is what `outcome` is for. Else a person has to look; the call is listed until then.
 */
const orUnclear = <E, R>({ outcome }: { readonly outcome: Outcome.Outcome }, id: string, goOn: Step<E, R>) =>
  Effect.gen(function* () {
    if (outcome === "Applied") yield* goOn(id)
    else yield* mark(id, "unclear")
  })
type Step<E, R> = (id: string) => Effect.Effect<void, E, R>

/** What is stored of a call can be read, unless a deploy has changed its schema: then the outbox still lists the call. */
const of = <In, A, E, R>(input: In | undefined, f: (input: In) => Effect.Effect<A, E, R>) =>
  input === undefined ? Effect.void : f(input)

/**
 * The worker has all the time in the world, and so each of its tries needs little: what a crash has left is taken up when its
 * claim ends, which is after the total deadline of a try and the `grace` below.
 */
const policy = Policy.standard({
  attemptTimeout: limits.attemptTimeoutMs,
  totalDeadline: 1_500,
  maxAttempts: 2,
  schedule: Policy.backoff({ base: "50 millis", throttledBase: "200 millis", cap: "500 millis" })
})

const options = {
  // Long enough to write down what became of a call. A service has seconds here.
  grace: "500 millis",
  schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("1 second")])
} as const

const Worker = Layer.mergeAll(
  OutboxWorker.layer(
    Inventory,
    {
      reserve: {
        onDelivered: (_, { input: { params } }) => reserved(params.orderId),
        onDead: (_, { input }) => of(input, ({ params }) => mark(params.orderId, "refused")),
        onNeedsReconcile: (entry) => of(entry.input, ({ params }) => orUnclear(entry, params.orderId, reserved))
      }
    },
    options
  ),
  OutboxWorker.layer(
    Cards,
    {
      charge: {
        onDelivered: (_, { input: { payload } }) => paid(payload.orderId),
        onDead: (_, { input }) => of(input, ({ payload }) => mark(payload.orderId, "refused")),
        onNeedsReconcile: (entry) => of(entry.input, ({ payload }) => orUnclear(entry, payload.orderId, paid))
      }
    },
    options
  ),
  OutboxWorker.layer(
    Mail,
    {
      receipt: {
        onDelivered: (_, { input: { payload } }) => done(payload.orderId, "sent"),
        onDead: (_, { input }) => of(input, ({ payload }) => done(payload.orderId, "refused")),
        onNeedsReconcile: ({ input }) => of(input, ({ payload }) => done(payload.orderId, "listed"))
      }
    },
    options
  )
)

// ---- all of it

/** The outbox and the orders in one file. */
export const database = (file: string) =>
  SqlOutboxStore.layer().pipe(Layer.provideMerge(SqliteClient.layer({ filename: file })))

/** The checkout over the orders' file. What it had begun in an earlier life, it goes on with. */
export const layer = (file: string, urls: ProviderUrls) =>
  Worker.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        HttpIntegration.layer(Inventory, { baseUrl: urls.inventory, policy: { reserve: policy } }),
        HttpIntegration.layer(Cards, { baseUrl: urls.cards, policy: { charge: policy } }),
        HttpIntegration.layer(Mail, { baseUrl: urls.mail, policy: { receipt: policy } })
      )
    ),
    Layer.provideMerge(Layer.effectDiscard(createOrders)),
    Layer.provideMerge(database(file)),
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.provide(Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined }))
  )
