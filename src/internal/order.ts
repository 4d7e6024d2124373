// The order of the layers, outermost first, and why each stands where it stands. The runner folds policies in this
// order and the plan prints it, so there is one list.

export const order = [
  // Sees everything, rejections and interruptions included, and nothing sees it: it reads the record, not the error.
  ["observe", "one span, event and log line for the whole call"],
  // Outside the decision below, so that nothing of the provider's leaves, whatever was decided.
  ["translate", "every failure becomes an error of the application"],
  // Outside the deadline that may have caused the failure: a fallback has a limit of its own.
  ["exhausted", "decides what a failure means once the policy is done"],
  // Outside the deadline too: no answer in time is what a kept answer is for.
  ["staleIfError", "serves the last good answer when there is none"],
  // Covers encoding, every attempt, every wait, the body and its decoding.
  ["totalDeadline", "bounds the whole call"],
  // Outside retry: one key and one encoded body for all attempts. Inside the deadline: encoding may wait for services.
  ["prepare", "validates, derives the key and encodes, once"],
  // Inside the deadline: each caller waits for the shared answer no longer than for its own.
  ["coalesce", "callers that ask the same at once share one answer"],
  // Custom layers of a call see the key, and all attempts.
  ["call", "a custom layer around all attempts"],
  // Retries and hedges draw on it, so it stands around both.
  ["budget", "bounds the retries and hedges of all calls together"],
  // Outside the breaker: a dead provider is noticed after attempts, not after calls.
  ["retry", "repeats what is transient, where a repeat is safe"],
  // Inside retry, so that retries do not multiply hedges; outside the breaker, which sees each of the two.
  ["hedge", "asks a second time while the first is slow"],
  // Before any permit is taken: an open circuit costs nothing, and its rejection is none of the provider's failures.
  ["circuitBreaker", "turns attempts away while the provider fails"],
  // Inside the breaker, so that an open circuit spends no rate. Outside the bulkhead: a wait for the rate holds no permit.
  ["rateLimit", "bounds the attempts that start in a time"],
  // Inside retry: a permit is held by an attempt and never by a backoff.
  ["bulkhead", "bounds the attempts that run at once"],
  ["attempt", "a custom layer around each attempt"],
  // Inside the waits for a permit: the span's duration is the provider's.
  ["attemptSpan", "one span for each attempt"],
  // Around auth, sending, the body and decoding: a stalled body is the failure that headers-only timeouts miss.
  ["attemptTimeout", "bounds one attempt"],
  // Per attempt: tokens may be renewed during a backoff.
  ["auth", "credentials, read for each attempt"],
  ["send", "sends the same bytes each time"],
  // Status before body: an undeclared 500 is a failure of the provider, not of decoding.
  ["decode", "the status first, then the body against its schema"]
] as const

export type Slot = (typeof order)[number][0]

const ranks = new Map<string, number>(order.map(([slot], index) => [slot, index]))

export const rank = (slot: Slot): number => ranks.get(slot)!
