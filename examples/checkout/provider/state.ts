/**
 * What the three providers know and do, without any socket: business rules, the idempotency keys of the card provider, and
 * the ledger of state changes that the harness audits. One `ProviderState` belongs to one run.
 *
 * Keys are the business of breakwater's receiver. The ledger is not: a repeat that a receiver let through would stand in it.
 */
import { IdempotencyStore, IdempotencyStoreMemory, Receiver } from "breakwater"
import { Context, Effect, Schema } from "effect"
import type { Operation } from "../faults.ts"

/** An answer before the wire gets hold of it. */
const Answer = Schema.Struct({
  status: Schema.Int,
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  body: Schema.Unknown
})
export type Answer = typeof Answer.Type

/** One state change: the only thing that counts as "executed". */
export interface LedgerEntry {
  readonly operation: Operation
  readonly order: string
  /** Milliseconds since the start of the run. */
  readonly at: number
}

export interface ProviderRequest {
  readonly operation: Operation
  readonly order: string
  /** The body as it came: a repeat of a key must carry the same text. */
  readonly text: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly key: string | undefined
}

/** What a request does when its turn has come. */
class Work extends Context.Service<Work, Effect.Effect<Answer>>()("providers/Work") {}

const charge = Receiver.once({
  name: "charge",
  // What a run that was cut has left is nobody's business: its clients have gone.
  mode: Receiver.leased({ onLostLease: "hold" }),
  input: Schema.Struct({ key: Schema.String, text: Schema.String }),
  key: ({ key }) => key,
  success: Answer
})(() => Effect.flatten(Work))

export class ProviderState {
  readonly ledger: Array<LedgerEntry> = []
  readonly #startedAt = performance.now()
  readonly #reservations = new Map<string, string>()
  readonly #keys = Effect.runSync(IdempotencyStoreMemory.make)
  #receipts = 0

  /**
   * Executes a request: at once, or after a `delay`, at whose beginning the key is claimed and at whose end the state
   * changes. So a slow execution stays in flight after its client has left.
   */
  execute(request: ProviderRequest, delay: Effect.Effect<void>): Effect.Effect<Answer> {
    const work = Effect.andThen(
      delay,
      Effect.sync(() => this.#perform(request))
    )
    const { key, operation, text } = request
    if (operation !== "charge") return work
    if (key === undefined) return Effect.succeed(keyMissing)
    let replayed = true
    const first = Effect.suspend(() => {
      replayed = false
      return work
    })
    return charge({ key, text }).pipe(
      Effect.map((answer) => (replayed ? asReplay(answer) : answer)),
      Effect.catch(({ reason }) => Effect.succeed(refusals[reason] ?? unavailable)),
      Effect.provideService(Work, first),
      Effect.provideService(IdempotencyStore.IdempotencyStore, this.#keys)
    )
  }

  #perform(request: ProviderRequest): Answer {
    switch (request.operation) {
      case "reserve":
        return this.#reserve(request)
      case "charge":
        return this.#charge(request)
      case "receipt":
        return this.#sendReceipt(request)
    }
  }

  #reserve({ order, payload, text }: ProviderRequest): Answer {
    const lines = payload["lines"]
    if (!Array.isArray(lines) || lines.length === 0) return problem(400, "invalid", "lines: expected at least one")
    const missing = lines.find((line) => String(line?.sku).startsWith("SOLD-OUT"))
    if (missing !== undefined) return { status: 410, body: { _tag: "SkuUnavailable", sku: missing.sku } }
    // A PUT that leaves the state as it was changes nothing, so it is not a state change.
    if (this.#reservations.get(order) !== text) {
      this.#reservations.set(order, text)
      this.#changed("reserve", order)
    }
    return { status: 200, body: { reservationId: `res_${order}`, orderId: order, status: "reserved" } }
  }

  #charge({ order, payload }: ProviderRequest): Answer {
    const { amount, cardToken, currency } = payload
    if (typeof amount !== "number") return problem(400, "invalid", "amount: expected a number of cents")
    if (String(cardToken).startsWith("tok_declined")) {
      return { status: 402, body: { _tag: "CardError", code: "insufficient_funds" } }
    }
    this.#changed("charge", order)
    const chargeId = `ch_${order}_${this.ledger.length}`
    return { status: 201, body: { chargeId, orderId: order, amount, currency, status: "succeeded" } }
  }

  #sendReceipt({ order, payload }: ProviderRequest): Answer {
    if (typeof payload["email"] !== "string") return problem(400, "invalid", "email: expected a string")
    if (payload["email"].endsWith("@bounce.example")) {
      return { status: 422, body: { _tag: "AddressError", reason: "mailbox does not exist" } }
    }
    this.#changed("receipt", order)
    return { status: 201, body: { receiptId: `rcpt_${++this.#receipts}`, orderId: order, status: "queued" } }
  }

  #changed(operation: Operation, order: string): void {
    this.ledger.push({ operation, order, at: Math.round(performance.now() - this.#startedAt) })
  }
}

/** RFC 9457, with problem types as the IETF idempotency-key draft asks for: a bare 409 or 422 says too little. */
export const problem = (status: number, type: string, title: string): Answer => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: { type: `https://providers.example/problems/${type}`, title, status }
})

const asReplay = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, "idempotent-replayed": "true" }
})

const keyMissing = problem(400, "key-missing", "Idempotency-Key is required")
const unavailable = problem(503, "unavailable", "try again")

/** Why a charge was not made, in this provider's own words: its clients have never heard of breakwater. */
const refusals: Partial<Record<Receiver.ReceiverReason, Answer>> = {
  InvalidKey: keyMissing,
  KeyReused: problem(422, "key-reused", "this key was used with another payload"),
  InProgress: problem(409, "request-in-progress", "a request with this key is in progress")
}
