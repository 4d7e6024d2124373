import type { Call, Site } from "../Call.ts"
import type { Reason } from "../Reason.ts"

/** What an extra attempt is made for. The provider's own answer decides between the first two, as it does in `backoff`. */
export type Kind = "transient" | "throttled" | "hedge"

/** Who is throttled, or waits for an earlier attempt with the same key, needs more time, and the retry costs less. */
export const kindOf = ({ _tag, status }: Reason): "transient" | "throttled" =>
  _tag === "Throttled" || _tag === "InProgress" || status === 429 ? "throttled" : "transient"

/** What the extra attempts of many calls are drawn on. Everything is done at once: nothing comes between look and take. */
export interface Tokens {
  /** A call begins. */
  readonly begin: (now: number) => void
  /** Takes what an extra attempt costs; `undefined`, and nothing taken, when there is not enough. */
  readonly withdraw: (kind: Kind, now: number) => number | undefined
  /** Undoes a withdrawal, for an attempt that is not made. */
  readonly giveBack: (cost: number, now: number) => void
  /** An attempt failed, and another try may end differently. */
  readonly failed: (kind: Kind) => void
  /** A call succeeded; `last` is what its last retry cost. */
  readonly succeeded: (last: number | undefined) => void
  /** What is left for retries. */
  readonly balance: (now: number) => number
}

/** What retries and hedges of one call are drawn on: `call.budget`. */
export interface Budget {
  readonly tokens: Tokens
  /** Takes what one extra attempt costs, before any wait for it; `undefined` means that it must not be made. */
  readonly withdraw: (kind: Kind, now: number) => number | undefined
  /** Undoes the last withdrawal, for an attempt that is not made. Only in the same turn. */
  readonly giveBack: (now: number) => void
  readonly failed: (kind: Kind) => void
}

// Amounts are kept in thousandths, so that tenths add up (gRPC takes three decimals of its token ratio).
const thousandths = (amount: number): number => Math.round(amount * 1_000)

export interface BucketSettings {
  readonly capacity: number
  readonly transientCost: number
  readonly throttledCost: number
  readonly hedgeCost: number
  readonly refund: number
  readonly refundsLastRetry: boolean
  readonly stopAt: number | undefined
  readonly charges: "retries" | "failures"
}

/** A bucket that starts full and is filled by successes: the AWS SDKs' retry quota, and gRPC's retry throttling. */
export class Bucket implements Tokens {
  private left: number
  private readonly costs: Readonly<Record<Kind, number>>
  private readonly capacity: number
  private readonly stopAt: number
  readonly settings: BucketSettings

  constructor(settings: BucketSettings) {
    this.settings = settings
    this.capacity = thousandths(settings.capacity)
    this.left = this.capacity
    // A balance of exactly `stopAt` stops; without one, a retry may take the last token.
    this.stopAt = settings.stopAt === undefined ? -1 : thousandths(settings.stopAt)
    this.costs = {
      transient: thousandths(settings.transientCost),
      throttled: thousandths(settings.throttledCost),
      hedge: thousandths(settings.hedgeCost)
    }
  }

  begin(): void {}

  withdraw(kind: Kind, _now: number): number | undefined {
    // Where failures are charged, the failure before a retry has been paid for already.
    const cost = this.settings.charges === "failures" && kind !== "hedge" ? 0 : this.costs[kind]
    if (this.left - cost <= this.stopAt) return undefined
    this.left -= cost
    return cost / 1_000
  }

  giveBack(cost: number): void {
    this.left = Math.min(this.capacity, this.left + thousandths(cost))
  }

  failed(kind: Kind): void {
    if (this.settings.charges === "failures") this.left = Math.max(0, this.left - this.costs[kind])
  }

  succeeded(last: number | undefined): void {
    this.giveBack(last !== undefined && this.settings.refundsLastRetry ? last : this.settings.refund)
  }

  balance(): number {
    return this.left / 1_000
  }
}

export interface RatioSettings {
  readonly ratio: number
  readonly floorPerSecond: number
  /** Milliseconds. */
  readonly ttl: number
}

/** Into how many parts the time to live is divided, as Finagle does it. */
const parts = 10

/**
 * Every call adds a part of a token, which expires after a time; a retry takes one. A reserve for quiet times, and for
 * retries alone, lies beneath: what is taken from it comes back when the withdrawal has expired.
 */
export class Deposits implements Tokens {
  private readonly sums: Array<number> = Array.from({ length: parts }, () => 0)
  private sum = 0
  private part = -Infinity
  private readonly deposit: number
  private readonly reserve: number
  private readonly length: number
  readonly settings: RatioSettings

  constructor(settings: RatioSettings) {
    this.settings = settings
    this.deposit = thousandths(settings.ratio)
    this.reserve = thousandths((settings.floorPerSecond * settings.ttl) / 1_000)
    this.length = settings.ttl / parts
  }

  /** Forgets what has expired. A clock that goes back stays in the current part. */
  private at(now: number): number {
    const part = Math.floor(now / this.length)
    if (part > this.part) {
      const expired = Math.min(parts, part - this.part)
      for (let n = 0; n < expired; n++) {
        const index = modulo(part - n)
        this.sum -= this.sums[index]!
        this.sums[index] = 0
      }
      this.part = part
    }
    return modulo(this.part)
  }

  private add(amount: number, now: number): void {
    const index = this.at(now)
    this.sums[index]! += amount
    this.sum += amount
  }

  begin(now: number): void {
    this.add(this.deposit, now)
  }

  withdraw(kind: Kind, now: number): number | undefined {
    this.at(now)
    if (this.sum + (kind === "hedge" ? 0 : this.reserve) < 1_000) return undefined
    this.add(-1_000, now)
    return 1
  }

  giveBack(cost: number, now: number): void {
    this.add(thousandths(cost), now)
  }

  failed(): void {}

  succeeded(): void {}

  balance(now: number): number {
    this.at(now)
    return (this.sum + this.reserve) / 1_000
  }
}

const modulo = (part: number): number => ((part % parts) + parts) % parts

/** What one call draws, on its own budget and on that of the call around it. */
export class Draw implements Budget {
  readonly tokens: Tokens
  /** What the last retry cost. */
  last: number | undefined = undefined
  private before: number | undefined = undefined
  private taken = 0
  private readonly around: Budget | undefined
  private readonly site: Pick<Site, "mode" | "decided">
  private readonly call: Call

  constructor(tokens: Tokens, around: Budget | undefined, site: Pick<Site, "mode" | "decided">, call: Call) {
    this.tokens = tokens
    this.around = around
    this.site = site
    this.call = call
  }

  withdraw(kind: Kind, now: number): number | undefined {
    const { around } = this
    const paid = around?.withdraw(kind, now)
    if (around !== undefined && paid === undefined) return undefined
    this.before = this.last
    this.taken = 0
    // One budget for both is paid once.
    if (around?.tokens === this.tokens) return paid
    const cost = this.tokens.withdraw(kind, now)
    if (cost === undefined) {
      this.site.decided(this.call, "rejected", now)
      if (this.site.mode() !== "observe") {
        around?.giveBack(now)
        return undefined
      }
    }
    // Where it would have ended here, a success gives nothing back.
    if (kind !== "hedge") this.last = cost ?? 0
    this.taken = cost ?? 0
    return this.taken
  }

  giveBack(now: number): void {
    this.around?.giveBack(now)
    this.tokens.giveBack(this.taken, now)
    this.taken = 0
    this.last = this.before
  }

  failed(kind: Kind): void {
    this.tokens.failed(kind)
  }
}
