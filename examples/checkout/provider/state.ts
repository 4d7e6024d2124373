/**
 * What the three providers know and do, without any socket: business rules, the table of idempotency keys, and the
 * ledger of state changes that the harness audits. One `ProviderState` belongs to one run.
 *
 * It shares no code with the clients, as a real provider would not.
 */
import type { Operation } from "../faults.ts"

/** An answer before the wire gets hold of it. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body: unknown
}

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

interface KeyEntry {
  readonly text: string
  /** `undefined` while the first request is still at work. */
  answer: Answer | undefined
}

export class ProviderState {
  readonly ledger: Array<LedgerEntry> = []
  readonly #startedAt = performance.now()
  readonly #reservations = new Map<string, string>()
  readonly #keys = new Map<string, KeyEntry>()
  #receipts = 0

  /**
   * Executes a request: at once, or, when `work` is given, in two halves: the key is claimed now, the state changes
   * when `work` calls back. The callback form is how a slow execution stays in flight after its client has left.
   */
  execute(request: ProviderRequest, work: (finish: () => void) => void, answered: (answer: Answer) => void): void {
    if (request.operation !== "charge") return work(() => answered(this.#perform(request)))
    const { key, text } = request
    if (key === undefined || key === "") return answered(problem(400, "key-missing", "Idempotency-Key is required"))
    const known = this.#keys.get(key)
    if (known !== undefined) {
      if (known.text !== text) return answered(problem(422, "key-reused", "this key was used with another payload"))
      if (known.answer === undefined) {
        return answered(problem(409, "request-in-progress", "a request with this key is in progress"))
      }
      const headers = { ...known.answer.headers, "idempotent-replayed": "true" }
      return answered({ ...known.answer, headers })
    }
    const entry: KeyEntry = { text, answer: undefined }
    this.#keys.set(key, entry)
    work(() => {
      entry.answer = this.#perform(request)
      answered(entry.answer)
    })
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
