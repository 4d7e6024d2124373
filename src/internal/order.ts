// The order of the layers, outermost first, and why each stands where it stands. The runner folds policies in this
// order and the plan prints it, so there is one list.

export const order = [
  ["observe", "one span, one event and one log line per call, whatever happens inside"],
  ["translate", "every failure leaves as an error of the application"],
  ["exhausted", "decides what a failure means once the policy is done, outside the deadline that may have caused it"],
  ["totalDeadline", "covers encoding, every attempt, every wait, the body and its decoding"],
  ["prepare", "validates, derives the key and encodes once, so that all attempts send the same bytes"],
  ["call", "custom layers of a call see the key and may shape all attempts"],
  ["retry", "outside the breaker, so that a dead provider is noticed after attempts, not after calls"],
  ["circuitBreaker", "before any permit is taken: an open circuit costs nothing"],
  ["bulkhead", "a permit is held by an attempt, never by a backoff"],
  ["attempt", "custom layers of an attempt"],
  ["attemptSpan", "a span per attempt, without the time spent waiting for a permit"],
  ["attemptTimeout", "bounds one attempt to the end of its body and decoding"],
  ["auth", "credentials are read per attempt: they may rotate during a backoff"],
  ["send", "the one place that talks to the provider"],
  ["decode", "status first, then the body against its schema"]
] as const

export type Slot = (typeof order)[number][0]

const ranks = new Map<string, number>(order.map(([slot], index) => [slot, index]))

export const rank = (slot: Slot): number => ranks.get(slot)!
