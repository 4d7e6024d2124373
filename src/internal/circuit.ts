// One circuit as data, and what may happen to it: pure functions of a state and an event. It does what Effect's
// `CircuitBreakerStore` does in memory, and follows three trip rules at once where that follows one. A test compares the
// two event by event.

/** When a circuit opens, and for how long. Durations are milliseconds. */
export interface Rules {
  readonly consecutive: number
  readonly rate: { readonly threshold: number; readonly size: number; readonly minimumCalls: number } | undefined
  readonly slow:
    { readonly after: number; readonly rate: number; readonly size: number; readonly minimumCalls: number } | undefined
  readonly openFor: number
  readonly maxOpenFor: number
}

/** The last outcomes, as bits: marked or not. Three numbers and a short array are cheap to copy. */
export interface Window {
  readonly bits: ReadonlyArray<number>
  readonly next: number
  readonly filled: number
  readonly marked: number
}

export const noWindow: Window = { bits: [], next: 0, filled: 0, marked: 0 }

/** The window with one more outcome, of which it keeps `size`. */
export const push = (self: Window, size: number, mark: boolean): Window => {
  const bits = self.bits.slice()
  const word = self.next >>> 5
  const bit = 1 << (self.next & 31)
  // A place that nothing was written to holds no mark: to a bit operation a word that is not there yet is 0.
  const dropped = (bits[word]! & bit) !== 0
  bits[word] = mark ? bits[word]! | bit : bits[word]! & ~bit
  return {
    bits,
    next: self.next + 1 === size ? 0 : self.next + 1,
    filled: Math.min(size, self.filled + 1),
    marked: self.marked + (mark ? 1 : 0) - (dropped ? 1 : 0)
  }
}

/** Whether enough outcomes are known, and the share of the marked ones has reached the threshold, which is above 0. */
export const reached = (self: Window, threshold: number, minimumCalls: number): boolean =>
  self.filled >= minimumCalls && self.marked / self.filled >= threshold

export interface Circuit {
  readonly state: "Closed" | "Open" | "HalfOpen"
  /** Grows with every change of state and every probe: what was admitted before says nothing about now. */
  readonly generation: number
  readonly lastActivity: number
  /** Failures in a row. */
  readonly streak: number
  readonly failures: Window
  readonly slow: Window
  readonly openUntil: number
  /** Openings since the open time last began anew. */
  readonly openings: number
  readonly lastOpenFor: number
  /** From when on a closed circuit forgets its openings. */
  readonly resetAt: number
  readonly probing: boolean
}

/** A circuit that nothing is known about. `generation` is one that no circuit of this key has had. */
export const fresh = (now: number, generation: number): Circuit => ({
  state: "Closed",
  generation,
  lastActivity: now,
  streak: 0,
  failures: noWindow,
  slow: noWindow,
  openUntil: 0,
  openings: 0,
  lastOpenFor: 0,
  resetAt: 0,
  probing: false
})

/** Whether nobody has used it for so long that it is forgotten. A running probe keeps it. */
export const isIdle = (self: Circuit, now: number, idle: number): boolean =>
  self.state === "Open"
    ? now - Math.max(self.lastActivity, self.openUntil) >= idle
    : !self.probing && now - self.lastActivity >= idle

/** How long it turns attempts away: 0 for not at all, `Infinity` while its probe runs, which nobody knows the end of. */
export const shutFor = (self: Circuit, now: number): number =>
  self.state === "Open" ? Math.max(0, self.openUntil - now) : self.probing ? Infinity : 0

/**
 * The circuit with one more attempt, which `shutFor` let pass. It is also that attempt's ticket: by its generation the
 * outcome is told from those of another time, and in state `HalfOpen` the attempt is the probe.
 */
export const admit = (self: Circuit, now: number, generation: number): Circuit => {
  if (self.state !== "Closed") return { ...self, state: "HalfOpen", probing: true, generation, lastActivity: now }
  if (self.openings > 0 && now >= self.resetAt) return { ...self, openings: 0, lastActivity: now }
  return self.lastActivity === now ? self : { ...self, lastActivity: now }
}

/** What an attempt says about the provider. */
export interface Finding {
  readonly health: "success" | "failure" | "ignored"
  readonly slow: boolean
  /** In [0, 1). */
  readonly random: number
  /** How long the provider asks to be left alone, in milliseconds; 0 for nothing. */
  readonly hint: number
}

/**
 * For how long the n-th opening in a row lasts. Equal jitter: a second process must not probe in the same instant. A hint
 * is taken up to the own open time.
 */
export const openTime = (rules: Rules, openings: number, random: number, hint: number): number => {
  const longest = Math.min(rules.maxOpenFor, rules.openFor * 2 ** (openings - 1))
  return Math.max(longest / 2 + (random * longest) / 2, Math.min(hint, longest))
}

/** Whether the outcomes that a closed circuit knows open it. */
export const trips = (rules: Rules, self: Pick<Circuit, "streak" | "failures" | "slow">): boolean =>
  self.streak >= rules.consecutive ||
  (rules.rate !== undefined && reached(self.failures, rules.rate.threshold, rules.rate.minimumCalls)) ||
  (rules.slow !== undefined && reached(self.slow, rules.slow.rate, rules.slow.minimumCalls))

/**
 * The circuit after an attempt that it admitted with `ticket`. `generation` is a new one, for a change of state.
 *
 * A slow probe opens it anew where slow attempts count, or a provider that is only slow would close it each time. What is
 * ignored for its outcome may still have been slow.
 */
export const record = (
  self: Circuit,
  rules: Rules,
  ticket: Circuit,
  finding: Finding,
  now: number,
  generation: number
): Circuit => {
  if (self.generation !== ticket.generation) return self
  const { health, slow } = finding
  const open = (): Circuit => {
    const lastOpenFor = openTime(rules, ticket.openings + 1, finding.random, finding.hint)
    return {
      ...fresh(now, generation),
      state: "Open",
      openUntil: now + lastOpenFor,
      openings: self.openings + 1,
      lastOpenFor,
      resetAt: self.resetAt
    }
  }
  if (self.state === "HalfOpen") {
    if (health === "failure" || slow) return open()
    if (health === "ignored") return { ...self, lastActivity: now, probing: false }
    return {
      ...fresh(now, generation),
      openUntil: self.openUntil,
      openings: self.openings,
      lastOpenFor: self.lastOpenFor,
      resetAt: now + self.lastOpenFor
    }
  }
  const counts = health !== "ignored"
  const failed = health === "failure"
  const streak = !counts ? self.streak : failed ? self.streak + 1 : 0
  const failures = counts && rules.rate !== undefined ? push(self.failures, rules.rate.size, failed) : self.failures
  const slower = rules.slow !== undefined && (counts || slow) ? push(self.slow, rules.slow.size, slow) : self.slow
  const isSame =
    self.lastActivity === now && streak === self.streak && failures === self.failures && slower === self.slow
  const next: Circuit = isSame ? self : { ...self, lastActivity: now, streak, failures, slow: slower }
  return trips(rules, next) ? open() : next
}
