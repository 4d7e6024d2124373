import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type KeyStore, makeKeyStore, type Store } from "./rateStore.ts"
import { withNow } from "./timer.ts"

export type { Store } from "./rateStore.ts"

/** The numbers of a limit. Durations are milliseconds. */
export interface Settings {
  readonly limit: number
  readonly window: number
  readonly algorithm: "token-bucket" | "fixed-window"
}

/**
 * What would be there had an attempt not taken its tokens. What it gives back must leave no more than that: a bucket that
 * would have been full in between has lost what came back meanwhile.
 */
export class Without {
  level = 0
  since = 0
  /** Whether its intervals begin at other times than those of the bucket: it would have been full, and then taken from. */
  apart = false
  /** What is on its way back to the store. */
  coming = 0
}

/** The environment's store, if there is one: Effect's own tag by its name, like the breaker's. */
export const findStore = /* @__PURE__ */ Effect.serviceOption(
  /* @__PURE__ */ Context.Service<Store>("effect/persistence/RateLimiter/RateLimiterStore")
)

/**
 * The tokens of one key in a store of Effect's, and the last that is known of them. Without a shared store, one in memory
 * for this key alone, which is dropped with it.
 *
 * A fixed window is a key of its own in the store, and begins at a multiple of its length since the epoch. The windows of
 * Effect's limiter begin with a token and end the earlier the fewer are taken, so up to twice the limit would pass in the
 * time of one.
 */
export class Tokens {
  private readonly key: string
  private readonly settings: Settings
  private readonly shared: Store | undefined
  private readonly refillRate: Duration.Duration
  private readonly refill: number
  private own: KeyStore | undefined
  private ownWindow = -1
  /** The window whose key in the store lives to the window's end. */
  private keptWindow = -1
  /** What was there, and since when: for estimates, which need no look into the store. */
  private level: number
  private since: number
  private readonly without = new Set<Without>()
  private epoch = 0

  constructor(key: string, settings: Settings, shared: Store | undefined, now: number) {
    this.key = key
    this.settings = settings
    this.shared = shared
    this.refillRate = Duration.millis(settings.window / settings.limit)
    this.refill = Duration.toMillis(this.refillRate)
    this.level = settings.limit
    this.since = now
  }

  private get isWindow(): boolean {
    return this.settings.algorithm === "fixed-window"
  }

  windowAt(now: number): number {
    return Math.floor(now / this.settings.window)
  }

  private endOf(window: number): number {
    return (window + 1) * this.settings.window
  }

  /** Whether the window's key is in the store, or none is needed. */
  isKept(now: number): boolean {
    return !this.isWindow || this.keptWindow === this.windowAt(now)
  }

  /** What is there at a time, as far as is known. */
  available(now: number): number {
    const { limit } = this.settings
    if (this.isWindow) return this.windowAt(now) === this.windowAt(this.since) ? this.level : limit
    return Math.min(limit, this.level + this.cameBack(this.since, now))
  }

  /** What there was at most when an interval began, had nobody taken anything. */
  private mostAt(began: number): number {
    return Math.min(this.settings.limit, this.level + this.cameBack(this.since, began + 0.001))
  }

  private cameBack(since: number, now: number): number {
    return Math.max(0, Math.floor((now - since) / this.refill))
  }

  /** How long until all these may pass, one after the other. */
  estimate(costs: ReadonlyArray<number>, now: number): number {
    return this.isWindow ? this.estimateInWindows(costs, now) : this.estimateInBucket(costs, now)
  }

  private estimateInBucket(costs: ReadonlyArray<number>, now: number): number {
    const { limit } = this.settings
    let level = this.available(now)
    let since = level >= limit ? now : this.since + this.cameBack(this.since, now) * this.refill
    let wait = 0
    // Below zero it is a debt, which is paid an interval at a time.
    const untilPaid = (debt: number) => Math.max(1, Math.ceil(since + Math.ceil(debt) * this.refill - now))
    for (const cost of costs) {
      const left = level - cost
      // A bucket that is full when tokens are taken begins its next interval then. What had come of the last one is lost to
      // those behind, so that this cost and theirs can't be paid as one.
      if (left < 0 && level + Math.ceil(-left) >= limit) {
        wait = untilPaid(-left)
        since = now + wait
        level = Math.max(0, limit - cost)
      } else level = left
    }
    return level < 0 ? untilPaid(-level) : wait
  }

  private estimateInWindows(costs: ReadonlyArray<number>, now: number): number {
    const { limit, window } = this.settings
    let room = this.available(now)
    let windows = 0
    for (const cost of costs) {
      if (cost > room) {
        windows++
        room = limit
      }
      room -= cost
    }
    return windows === 0 ? 0 : this.endOf(this.windowAt(now)) - now + (windows - 1) * window
  }

  private get store(): Effect.Effect<KeyStore> {
    return Effect.sync(() => this.shared ?? (this.own ??= makeKeyStore()))
  }

  /** Takes these tokens if they are all there: zero, or how long they are short and nothing was taken. */
  take(tokens: number, without?: Without): Effect.Effect<number> {
    return this.isWindow ? this.moveInWindow(tokens, true) : this.moveInBucket(tokens, true, without)
  }

  /** Takes more than there is. */
  force(tokens: number, without?: Without): Effect.Effect<void> {
    return Effect.asVoid(this.isWindow ? this.moveInWindow(tokens, false) : this.moveInBucket(tokens, false, without))
  }

  /**
   * Whether others may have taken since the last look into the store, so that what may go back is not known. They can't
   * where nothing was there to be taken.
   */
  isStale(now: number): boolean {
    return this.shared !== undefined && !this.isWindow && this.available(now) > 0
  }

  /** What is on its way back to the store, of all attempts. */
  private get coming(): number {
    let sum = 0
    for (const { coming } of this.without) sum += coming
    return sum
  }

  /** Asks the store what is there, and takes nothing. */
  readonly look: Effect.Effect<void> = Effect.suspend(() => Effect.asVoid(this.moveInBucket(0, true)))

  /** What may go back of what an attempt took, all but its cost. */
  backOf(taken: number, cost: number, without: Without, now: number): number {
    return Math.max(0, Math.min(taken - cost, this.missing(without, now) - cost))
  }

  /** How many whole tokens there are less than there would be without an attempt. */
  private missing(without: Without, now: number): number {
    const { limit } = this.settings
    const { coming } = this
    this.refillWithout(without, now)
    const level = Math.min(limit, without.level + coming)
    const since = this.since + this.cameBack(this.since, now) * this.refill
    // A full bucket begins its next interval with the next token. Else one that began too early is a token less.
    const early = level < limit && without.since - since > 0.001 ? 1 : 0
    return level - this.available(now) - coming - early
  }

  /** Gives back of what an attempt took, all but its cost. */
  giveBack(taken: number, cost: number, window: number, without: Without): Effect.Effect<void> {
    return withNow((now) => {
      if (this.isWindow) {
        return this.windowAt(now) === window ? Effect.asVoid(this.moveInWindow(cost - taken, false)) : Effect.void
      }
      const back = this.backOf(taken, cost, without, now)
      if (back === 0) return Effect.sync(() => this.forget(without))
      without.coming = back
      const given = Effect.flatMap(this.moveInBucket(-back, false), () => this.takeAgain(back, cost, without))
      return Effect.onExit(given, () => Effect.sync(() => this.forget(without)))
    })
  }

  /** Others took, or gave back, while something was on its way back to the store: what is too much is taken again. */
  private takeAgain(back: number, cost: number, without: Without): Effect.Effect<void> {
    // Nobody waits any longer for what a store says so late.
    if (this.shared === undefined || !this.without.has(without)) return Effect.void
    return withNow((now) => {
      // It came back to the bucket as it is, and not to what would be there without the attempt.
      without.level -= back
      without.coming = 0
      const over = Math.max(this.level - this.settings.limit, cost - this.missing(without, now))
      return over > 0 ? this.force(Math.min(back, over)) : Effect.void
    })
  }

  /** Ends the bookkeeping of an attempt. */
  forget(without: Without): void {
    this.without.delete(without)
  }

  private refillWithout(without: Without, now: number): void {
    const came = this.cameBack(without.since, now)
    without.level = Math.min(this.settings.limit, without.level + came)
    without.since = without.level >= this.settings.limit ? now : without.since + came * this.refill
  }

  private moveInBucket(tokens: number, strict: boolean, without?: Without): Effect.Effect<number> {
    return Effect.flatMap(this.store, (store) =>
      withNow((now) =>
        Effect.zipWith(
          Effect.orDie(
            store.tokenBucket({
              key: this.key,
              tokens,
              limit: this.settings.limit,
              refillRate: this.refillRate,
              allowOverflow: !strict
            })
          ),
          withNow(Effect.succeed),
          ([remaining, elapsed], after) => {
            const denied = strict && remaining < 0
            const before = remaining + tokens
            const byOthers = this.shared === undefined ? 0 : Math.max(0, this.mostAt(after - elapsed) - before)
            const took = denied ? byOthers : tokens + byOthers
            this.level = denied ? before : remaining
            this.since = now - elapsed
            // What others took would have been taken too. Counted as late as can be, it gives back the least.
            for (const other of this.without) {
              this.refillWithout(other, now)
              if (took > 0 && other.level >= this.settings.limit) other.apart = true
              // The clock of a store may be read some time after it was asked: that is no other beginning.
              if (!other.apart) other.since = this.since
              other.level -= took
            }
            if (!denied && without !== undefined) {
              without.level = before
              without.since = this.since
              without.apart = false
              this.without.add(without)
            }
            return denied ? Math.max(1, Math.ceil(Math.ceil(-remaining) * this.refill - elapsed)) : 0
          }
        )
      )
    )
  }

  private moveInWindow(tokens: number, strict: boolean): Effect.Effect<number> {
    return withNow((now) => {
      const { limit } = this.settings
      const window = this.windowAt(now)
      const left = this.endOf(window) - now
      if (this.ownWindow !== window) {
        this.own = undefined
        this.ownWindow = window
      }
      // The key outlives its window by a second. It must not grow older with every token.
      const refillRate =
        this.keptWindow === window || tokens <= 0 ? Duration.zero : Duration.millis((left + 1_000) / tokens)
      return Effect.flatMap(
        Effect.flatMap(this.store, (store) =>
          Effect.orDie(
            store.fixedWindow({
              key: `${this.key}:${window}`,
              tokens,
              refillRate,
              limit: strict ? limit : undefined
            })
          )
        ),
        ([count, ttl]) =>
          withNow((after) => {
            const denied = strict && count > limit
            if (ttl >= left) this.keptWindow = window
            this.level = Math.min(limit, limit - (denied ? count - tokens : count))
            this.since = now
            if (denied) return Effect.succeed(Math.max(1, this.endOf(window) - after))
            // The store took its time, and the window is over: what was taken stays with it.
            return strict && this.windowAt(after) !== window ? this.moveInWindow(tokens, true) : Effect.succeed(0)
          })
      )
    })
  }

  /**
   * How long all processes were told to pause. Nothing is counted in Effect's adaptive state: what is learned here is the
   * provider's word, and not a guess of its limit.
   */
  readPause(store: Store): Effect.Effect<number> {
    const { limit, window } = this.settings
    return Effect.map(
      Effect.orDie(
        store.adaptiveConsume({
          key: this.key,
          tokens: 0,
          fallbackLimit: limit,
          fallbackWindow: Duration.millis(window)
        })
      ),
      ({ delay, epoch }) => {
        this.epoch = epoch
        return Math.ceil(Duration.toMillis(delay))
      }
    )
  }

  /** Tells all processes to pause. The newest epoch goes with it: an answer from before the last pause counts too. */
  tellPause(store: Store, millis: number): Effect.Effect<void> {
    return Effect.flatMap(this.readPause(store), () =>
      Effect.orDie(
        store.adaptiveFeedback({
          key: this.key,
          epoch: this.epoch,
          tokens: 0,
          status: 429,
          retryAfter: Duration.millis(millis)
        })
      )
    )
  }
}
