/** An outbox with an entry in every state, made by the store's own transitions. */
import type { OutboxStore } from "breakwater"
import { SqlIdempotencyStore, SqlOutboxStore } from "breakwater/sql"
import { Duration, Effect } from "effect"
import { SqlClient } from "effect/sql"

export const payload = JSON.stringify({
  v: 1,
  input: { order: "o1", card: "4242-secret" },
  request: { body: "4242-secret" },
  shown: JSON.stringify({ order: "o1", card: "<redacted>" })
})

export const idOf = (n: number) => n.toString(16).repeat(32).slice(0, 32)

export const offerOf = (n: number, more: Partial<OutboxStore.Offer>): OutboxStore.Offer => ({
  id: idOf(n),
  integration: "payments",
  operation: "charge",
  key: `order-${n}`,
  fingerprint: "f",
  origin: "write-ahead",
  payload,
  correlationId: `corr-${n}`,
  traceparent: undefined,
  lane: undefined,
  outcome: "NotSent",
  firstSentAgo: undefined,
  inDoubtAgo: undefined,
  attempts: 0,
  history: [],
  delay: Duration.zero,
  expiresAfter: undefined,
  lease: undefined,
  ...more
})

const tried = (reason: string, outcome: "Refused" | "Unknown" | "Applied" | "NotSent", message: string) => ({
  at: Date.now(),
  reason,
  message,
  outcome,
  status: reason === "Rejected" ? 402 : undefined,
  attempts: 2,
  elapsed: 3100,
  requestId: reason === "Rejected" ? "req_9" : undefined
})

/** Stores it, claims it and ends it so. */
const ended = (
  store: OutboxStore.Store,
  offer: OutboxStore.Offer,
  verdict: OutboxStore.Verdict,
  last: ReturnType<typeof tried>
) =>
  Effect.gen(function* () {
    const offered = yield* store.offer({ ...offer, lease: Duration.minutes(1) })
    if (offered._tag !== "Stored" || offered.claim === undefined) return yield* Effect.die("it was not claimed")
    yield* store.settle(offered.claim.entry, verdict, {
      outcome: last.outcome,
      firstSentAgo: last.outcome === "NotSent" ? undefined : 20,
      inDoubtAgo: last.outcome === "Unknown" ? 10 : undefined,
      history: [last]
    })
  })

/**
 * 1 pending, 2 leased, 3 delivered, 4 dead (rejected), 5 dead (exhausted), 6 key expired, 7 sent once and without a key,
 * 8 dead in a lane, 9 waiting behind it, 10 discarded, 11 unclear though it happened, 12 pending and enciphered.
 */
export const fill = (options?: { readonly table?: string; readonly receiver?: string }) =>
  Effect.gen(function* () {
    yield* SqlOutboxStore.migrate(options)
    yield* SqlIdempotencyStore.migrate({ table: options?.receiver })
    const store = yield* SqlOutboxStore.make(options)
    yield* store.offer(offerOf(1, { delay: Duration.hours(1), origin: "park" }))
    yield* store.offer(offerOf(2, { lease: Duration.hours(1) }))
    const keep = Duration.days(1)
    yield* ended(
      store,
      offerOf(3, {}),
      { _tag: "Delivered", result: '{"result":{"id":"ch_secret"}}', keep },
      tried("Success", "Applied", "answered")
    )
    yield* ended(
      store,
      offerOf(4, {}),
      { _tag: "Dead", why: "rejected" },
      tried("Rejected", "Refused", "the card \u001b[31mwas declined")
    )
    yield* ended(
      store,
      offerOf(5, { operation: "refund" }),
      { _tag: "Dead", why: "exhausted" },
      tried("Unavailable", "Unknown", "the provider answered 503")
    )
    yield* ended(
      store,
      offerOf(6, {}),
      { _tag: "NeedsReconcile", why: "key expired" },
      tried("Timeout", "Unknown", "no answer after 3 s")
    )
    yield* ended(
      store,
      offerOf(7, { integration: "mail", operation: "receipt", key: undefined }),
      { _tag: "NeedsReconcile", why: "sent once" },
      tried("Disconnected", "Unknown", "the connection broke")
    )
    const lane = { name: "customer-1", onDead: "block" } as const
    yield* ended(
      store,
      offerOf(8, { operation: "update", lane }),
      { _tag: "Dead", why: "schema" },
      tried("InvalidInput", "NotSent", "the input can't be read")
    )
    yield* store.offer(offerOf(9, { operation: "update", lane }))
    yield* store.offer(offerOf(10, { delay: Duration.hours(1) }))
    yield* store.change(
      { id: idOf(10), generation: 0 },
      { _tag: "Discard" },
      { action: "discard", by: "bob", evidence: "a test" }
    )
    yield* ended(
      store,
      offerOf(11, { operation: "refund" }),
      { _tag: "NeedsReconcile", why: "unclear" },
      tried("InvalidResponse", "Applied", "the answer has no id")
    )
    yield* store.offer(offerOf(12, { payload: "Zm9vYmFy", delay: Duration.hours(1) }))
    const receiver = yield* SqlIdempotencyStore.make({ table: options?.receiver })
    const claim = yield* receiver.claim({
      scope: "POST /charges",
      key: "order-6",
      fingerprint: "f",
      lease: Duration.minutes(1),
      onLostLease: "hold",
      timeToLive: Duration.days(1)
    })
    if (claim._tag !== "Started") return yield* Effect.die("the receiver did not start")
    yield* receiver.complete(
      { scope: "POST /charges", key: "order-6", epoch: claim.epoch },
      { result: "secret answer", timeToLive: Duration.days(1) }
    )
  })

/** How many there are in each state, as the database has it. */
export const statesOf = (table = "breakwater_outbox") =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<{ readonly id: string; readonly state: string }>`SELECT id, state FROM ${sql(table)}`, (rows) =>
      Object.fromEntries(rows.map(({ id, state }) => [id, state]))
    )
  )
