/**
 * The three integrations of the checkout. All that breakwater needs to know stands here: how a repeat of each operation
 * is made safe, how long a call may take, what becomes of it when retries are spent, and which errors of the checkout's
 * own its callers see.
 */
import { type CallFailure, Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { cardProblems, CardsApi, InventoryApi, MailApi } from "./contracts.ts"
import {
  AddressRejected,
  CardDeclined,
  InventoryUnavailable,
  MailUnavailable,
  OutOfStock,
  PaymentsUnavailable
} from "./errors.ts"
import { limits } from "./limits.ts"
import type { ProviderUrls } from "./provider/protocol.ts"

/** What a call of each of them may take. */
export const callPolicy = Policy.standard({
  attemptTimeout: limits.attemptTimeoutMs,
  totalDeadline: limits.totalTimeoutMs,
  maxAttempts: limits.attempts,
  schedule: Policy.backoff({ base: "50 millis", throttledBase: "200 millis", cap: "1 second" })
})

const shared = Policy.shared({
  breaker: Policy.breaker({
    consecutive: limits.breaker.failures,
    openFor: limits.breaker.openMs,
    maxOpenFor: limits.breaker.maxOpenMs
  })
})

/** PUT: a repeat is safe by the method's own meaning, so nothing needs to be said. */
export const reserve = HttpOperation.endpoint(InventoryApi, "reservations", "put", {
  translate: { SkuUnavailable: ({ sku }) => new OutOfStock({ sku, outcome: "Refused" }) }
})

export const inventory = {
  policy: callPolicy,
  shared,
  exhausted: Exhaustion.fail,
  orElse: ({ outcome, retryAfter }: CallFailure.CallFailure) => new InventoryUnavailable({ outcome, retryAfter })
}

export class Inventory extends Integration.Service<Inventory>()("checkout/Inventory", inventory, { reserve }) {}

/** Two statuses of the card provider mean something only together with the problem's type. */
const classifyErrors: HttpIntegration.Classify = (status, _headers, body) => {
  const type = typeof body === "object" && body !== null && "type" in body ? body.type : undefined
  if (status === 409 && type === cardProblems.inProgress) return Reason.inProgress()
  if (status === 422 && type === cardProblems.keyReused) return Reason.keyConflict()
  return undefined
}

/** POST with a key: one order is one charge, however often it is sent. */
export const charge = HttpOperation.endpoint(CardsApi, "charges", "create", {
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.orderId), {
    lifetime: "24 hours"
  }),
  translate: { CardError: ({ code }) => new CardDeclined({ code, outcome: "Refused" }) }
})

export const cards = {
  policy: callPolicy,
  shared,
  exhausted: Exhaustion.fail,
  classifyErrors,
  orElse: ({ outcome, retryAfter }: CallFailure.CallFailure) => new PaymentsUnavailable({ outcome, retryAfter })
}

export class Cards extends Integration.Service<Cards>()("checkout/Cards", cards, { charge }) {}

/** POST, and this provider has no key: at most once. What may have been sent is reported, never sent again. */
export const receipt = HttpOperation.endpoint(MailApi, "receipts", "create", {
  idempotency: Idempotency.atMostOnce("the mail provider has no key and no way to look a receipt up"),
  translate: { AddressError: ({ reason }) => new AddressRejected({ reason, outcome: "Refused" }) }
})

export const mail = {
  policy: callPolicy,
  shared,
  exhausted: Exhaustion.fail,
  orElse: ({ outcome, retryAfter }: CallFailure.CallFailure) => new MailUnavailable({ outcome, retryAfter })
}

export class Mail extends Integration.Service<Mail>()("checkout/Mail", mail, { receipt }) {}

/** A layer for each, as an application would build them once at its edge. */
export const layers = (urls: ProviderUrls) => ({
  inventory: HttpIntegration.layer(Inventory, { baseUrl: urls.inventory }),
  cards: HttpIntegration.layer(Cards, { baseUrl: urls.cards }),
  mail: HttpIntegration.layer(Mail, { baseUrl: urls.mail })
})
