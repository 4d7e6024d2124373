import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Reason from "../Reason.ts"
import { format } from "./duration.ts"
import { type Settings, type Store, Tokens, Without } from "./rateTokens.ts"
import { cutAfter, nowOf, withNow } from "./timer.ts"

/** A provider is believed for an hour, as in Effect's store. Then one attempt finds out. */
const longestPause = 3_600_000

/** How long a store that others share may take to answer, and how often it is told that it does not. */
const patience = 100
const warnEvery = 60_000

/** One attempt at the gate. */
export class Ticket {
  readonly cost: number
  /** Until when it waits. */
  readonly giveUpAt: number
  /** Since when it waits, in epoch milliseconds. */
  since = 0
  /** Whether its tokens were taken, and from which window. */
  taken = false
  window = 0
  readonly without = new Without()
  /** The number of the provider's word on what is left, when they were taken. */
  noted = 0
  /** Whether it was let through, and whether it is over. */
  passed = false
  ended = false
  slept = false
  wake: (() => void) | undefined = undefined
  signalled = false

  constructor(cost: number, giveUpAt: number) {
    this.cost = cost
    this.giveUpAt = giveUpAt
  }
}

/** All keys of one limiter. */
export class Limiter {
  readonly buckets = new Map<string, Bucket>()
  readonly name: string
  readonly settings: Settings
  readonly learn: boolean
  /** The environment's store, for several processes. */
  readonly shared: Store | undefined
  /** Whether the store did not answer the last time. Nobody waits for another then, to find out the same. */
  failing = false
  private sweepAt = 0
  private warnedAt = -Infinity

  constructor(name: string, settings: Settings, learn: boolean, shared: Store | undefined) {
    this.name = name
    this.settings = settings
    this.learn = learn
    this.shared = shared
  }

  bucket(key: string, now: number): Bucket {
    if (now >= this.sweepAt) {
      this.sweepAt = now + Math.min(60_000, Math.max(10_000, this.settings.window))
      for (const [name, bucket] of this.buckets) if (bucket.isIdle(now)) this.buckets.delete(name)
    }
    let bucket = this.buckets.get(key)
    if (bucket === undefined) this.buckets.set(key, (bucket = new Bucket(this, key, now)))
    return bucket
  }

  /** Since when each attempt waits that waits now, of all keys, in epoch milliseconds. */
  waits(): ReadonlyArray<number> {
    return [...this.buckets.values()].flatMap((bucket) => bucket.waits())
  }

  /**
   * What a shared store answers. One that fails, dies or takes too long is as good as none: a limiter is no reason to
   * stop. It is not waited for, even where it can't be interrupted.
   */
  ask<A>(self: Effect.Effect<A>, otherwise: A): Effect.Effect<A> {
    return Effect.flatMap(Effect.forkDetach(self, { startImmediately: true }), (asked) =>
      Effect.flatMap(Effect.timeoutOption(Fiber.await(asked), patience), (exit) => {
        this.failing = Option.isNone(exit) || Exit.isFailure(exit.value)
        return Option.isSome(exit) && Exit.isSuccess(exit.value)
          ? Effect.succeed(exit.value.value)
          : Effect.as(this.warn(Option.isNone(exit) ? `took longer than ${patience} ms` : "failed"), otherwise)
      })
    )
  }

  private warn(why: string): Effect.Effect<void> {
    return withNow((now) => {
      if (now - this.warnedAt < warnEvery) return Effect.void
      this.warnedAt = now
      return Effect.logWarning(`the store of the rate limit ${this.name} ${why}: attempts go through unbounded`)
    })
  }
}

/**
 * One key: the attempts that wait for its tokens in the order of their arrival, and what the provider told.
 *
 * Nothing is taken before it is used: who is first asks for tokens without a debt, and sleeps as long as they are short.
 * So a wait that is given up, or that would not fit, has nothing to give back. The others only wait to be first.
 */
export class Bucket {
  readonly tokens: Tokens
  private readonly limiter: Limiter
  private readonly queue = new Set<Ticket>()
  /** Attempts that passed and have not ended. */
  private running = 0
  /** The provider asked for a pause. */
  private closedUntil = 0
  /** What the provider said is left, and until when. */
  private left = Infinity
  private leftUntil = 0
  private noted = 0
  /** In `observe`, with windows: what would wait for later ones. */
  private backlog = 0
  private backlogWindow = 0

  constructor(limiter: Limiter, key: string, now: number) {
    this.limiter = limiter
    // Braces keep the two keys of a bucket in one slot of a Redis cluster.
    this.tokens = new Tokens(`{${limiter.name}:${key}}`, limiter.settings, limiter.shared, now)
  }

  /** Until when the provider lets nothing of this cost through. */
  private closedFor(cost: number): number {
    return cost > this.left ? Math.max(this.closedUntil, this.leftUntil) : this.closedUntil
  }

  isClear(cost: number, now: number): boolean {
    return this.queue.size === 0 && this.closedFor(cost) <= now && this.tokens.available(now) >= cost
  }

  /** Whether nothing would be lost with it. */
  isIdle(now: number): boolean {
    return (
      this.queue.size === 0 &&
      this.running === 0 &&
      Math.max(this.closedUntil, this.leftUntil) <= now &&
      // The last of their windows is not over: they took some of its tokens.
      this.backlog <= Math.max(0, this.tokens.windowAt(now) - this.backlogWindow - 1) * this.limiter.settings.limit &&
      this.tokens.available(now) >= this.limiter.settings.limit
    )
  }

  /** Since when each ticket waits that waits now. One that is asked for at the moment does not. */
  waits(): ReadonlyArray<number> {
    return [...this.queue].filter(({ slept }) => slept).map(({ since }) => since)
  }

  private waitFor(ticket: Ticket, now: number): number {
    const costs: Array<number> = []
    for (const other of this.queue) {
      if (other === ticket) break
      costs.push(other.cost)
    }
    costs.push(ticket.cost)
    return Math.max(this.tokens.estimate(costs, now), this.closedFor(ticket.cost) - now, 0)
  }

  /** Waits for the tokens of a ticket and takes them, or fails at once where that would take too long. */
  acquire(ticket: Ticket): Effect.Effect<void, Reason.Reason> {
    return withNow((now) => {
      ticket.since = now
      const first = this.queue.size === 0
      if (!first) {
        const wait = this.waitFor(ticket, now)
        if (now + wait > ticket.giveUpAt) return this.reject(ticket, wait)
      }
      // A store that answers at once is asked by one after the other, and any store for the first token of a window, which
      // says how long the window's key lives. Else all ask who find nobody waiting.
      const { failing, shared } = this.limiter
      if (!first || shared === undefined || (!failing && !this.tokens.isKept(now))) this.queue.add(ticket)
      return this.turn(ticket)
    })
  }

  private turn(ticket: Ticket): Effect.Effect<void, Reason.Reason> {
    return withNow((now) => {
      ticket.wake = undefined
      ticket.signalled = false
      const opens = this.closedFor(ticket.cost)
      if (opens > ticket.giveUpAt) return this.reject(ticket, this.waitFor(ticket, now))
      if (this.queue.size > 0 && this.head !== ticket && !this.limiter.failing) {
        // Its time may come in the same instant as that of the one before it, or while the store is asked for that one.
        const last = ticket.giveUpAt + (this.limiter.shared === undefined ? 0 : patience)
        return now > last ? this.reject(ticket, this.waitFor(ticket, now)) : this.sleep(ticket, last + 1)
      }
      if (opens > now) return this.sleep(ticket, opens)
      return Effect.flatMap(this.take(ticket, now), (wait) =>
        withNow((after) => {
          if (wait === 0) {
            ticket.passed = true
            this.running++
            this.remove(ticket)
            return Effect.void
          }
          return after + wait > ticket.giveUpAt ? this.reject(ticket, wait) : this.sleep(ticket, after + wait)
        })
      )
    })
  }

  private get head(): Ticket | undefined {
    return this.queue.values().next().value
  }

  private sleep(ticket: Ticket, until: number): Effect.Effect<void, Reason.Reason> {
    this.queue.add(ticket)
    ticket.slept = true
    const slept = Effect.withFiber((fiber) =>
      cutAfter(
        Effect.callback<void>((resume) => {
          if (ticket.signalled) return resume(Effect.void)
          ticket.wake = () => resume(Effect.void)
        }),
        until - nowOf(fiber),
        () => Effect.void
      )
    )
    // Who woke it goes first: the next must not send before the one whose turn it was.
    return Effect.flatMap(slept, () => Effect.flatMap(Effect.yieldNow, () => this.turn(ticket)))
  }

  private wake(ticket: Ticket | undefined): void {
    if (ticket === undefined) return
    if (ticket.wake === undefined) ticket.signalled = true
    else ticket.wake()
  }

  private reject(ticket: Ticket, wait: number): Effect.Effect<never, Reason.Reason> {
    this.remove(ticket)
    return Effect.fail(
      Reason.make("RateLimited", {
        message: `the own rate limit is spent for another ${format(wait)}`,
        retryAfter: Duration.millis(Math.ceil(wait))
      })
    )
  }

  /** Takes a ticket out of the queue; who is first then goes on. */
  private remove(ticket: Ticket): void {
    const first = this.head === ticket
    this.queue.delete(ticket)
    if (first) this.wake(this.head)
  }

  /** Takes the tokens of a ticket if all are there. Zero, or how long to wait. */
  private take(ticket: Ticket, now: number): Effect.Effect<number> {
    const taken = Effect.flatMap(this.tokens.take(ticket.cost, ticket.without), (wait) =>
      withNow((after) => {
        if (wait > 0) return Effect.succeed(wait)
        this.took(ticket, after)
        // Nobody waited for the answer of a slow store: what it took goes back.
        return ticket.ended ? Effect.as(this.correct(ticket, 0), 0) : Effect.succeed(0)
      })
    )
    const { learn, shared } = this.limiter
    // The tokens and the note that they were taken come together.
    if (shared === undefined) return Effect.uninterruptible(taken)
    const asked = learn
      ? Effect.flatMap(this.tokens.readPause(shared), (pause) => {
          // Without a pause nothing is closed, not even until a moment that is later than another ticket's look at the clock.
          if (pause > 0) this.closedUntil = Math.max(this.closedUntil, now + pause)
          return pause > 0 ? Effect.succeed(pause) : taken
        })
      : taken
    return Effect.map(this.limiter.ask(asked, 0), (wait) => {
      if (this.limiter.failing) for (const other of this.queue) this.wake(other)
      return wait
    })
  }

  private took(ticket: Ticket, now: number): void {
    ticket.taken = true
    ticket.window = this.tokens.windowAt(now)
    ticket.noted = this.noted
    this.left -= ticket.cost
  }

  /**
   * What `acquire` would have done, for `observe`: the attempt goes on at once, and its tokens are taken in a bucket that
   * may owe.
   */
  shadow(ticket: Ticket): Effect.Effect<"waited" | "rejected" | undefined> {
    const { limit, algorithm, window } = this.limiter.settings
    const decide = withNow((now) => {
      const opens = this.closedFor(ticket.cost)
      const tried = opens > now || this.backlog > 0 ? Effect.succeed(1) : this.tokens.take(ticket.cost, ticket.without)
      return Effect.flatMap(tried, (short) => {
        ticket.passed = true
        this.running++
        if (short === 0) {
          this.took(ticket, now)
          return Effect.undefined
        }
        const queued = Math.floor(this.backlog / limit) * window
        const wait = Math.max(opens - now, this.tokens.estimate([ticket.cost], now) + queued)
        if (now + wait > ticket.giveUpAt) return Effect.succeed("rejected" as const)
        if (algorithm === "fixed-window") {
          this.backlog += ticket.cost
          this.backlogWindow = this.tokens.windowAt(now)
          return Effect.succeed("waited" as const)
        }
        ticket.taken = true
        return Effect.as(this.tokens.force(ticket.cost, ticket.without), "waited" as const)
      })
    })
    const decided = Effect.andThen(this.settleBacklog, decide)
    return this.limiter.shared === undefined
      ? Effect.uninterruptible(decided)
      : this.limiter.ask<"waited" | "rejected" | undefined>(decided, undefined)
  }

  /** What waited for the windows that have begun meanwhile has had its turn. */
  private readonly settleBacklog: Effect.Effect<void> = withNow((now) => {
    const { limit } = this.limiter.settings
    const window = this.tokens.windowAt(now)
    const begun = window - this.backlogWindow
    if (begun <= 0) return Effect.void
    const took = Math.min(limit, this.backlog - (begun - 1) * limit)
    this.backlog = Math.max(0, this.backlog - begun * limit)
    this.backlogWindow = window
    return took > 0 ? this.tokens.force(took) : Effect.void
  })

  // ---- the end of an attempt, and what it teaches

  /** Ends a ticket: out of the queue, or no longer running. What was taken and is not the cost goes back. */
  end(ticket: Ticket, cost: number | undefined): Effect.Effect<void> {
    ticket.ended = true
    this.remove(ticket)
    if (ticket.passed) this.running--
    return this.correct(ticket, cost ?? ticket.cost)
  }

  /** Gives back what an attempt did not cost, or takes what it cost more. */
  private correct(ticket: Ticket, cost: number): Effect.Effect<void> {
    if (!ticket.taken) return Effect.void
    const more = cost - ticket.cost
    // What the provider said later is its own account.
    if (cost === 0 && ticket.noted === this.noted) this.left += ticket.cost
    if (more < 0) return this.giveBack(ticket, cost)
    this.tokens.forget(ticket.without)
    return more > 0 ? this.outside(this.tokens.force(more)) : Effect.void
  }

  private giveBack(ticket: Ticket, cost: number): Effect.Effect<void> {
    const { limiter, tokens } = this
    const { without } = ticket
    return withNow((now) => {
      const back = tokens.giveBack(ticket.cost, cost, ticket.window, without)
      const wake = () => this.wake(this.head)
      if (limiter.shared === undefined) return Effect.map(back, wake)
      // A store that never answers must not have it remembered for ever.
      const given = Effect.map(limiter.ask(back, undefined), () => tokens.forget(without))
      const begin = (self: Effect.Effect<void>) => Effect.forkDetach(self, { startImmediately: true })
      // Judged by what was there before others took, too much would go back.
      return tokens.isStale(now) && tokens.backOf(ticket.cost, cost, without, now) > 0
        ? Effect.asVoid(begin(Effect.flatMap(limiter.ask(tokens.look, undefined), () => Effect.map(given, wake))))
        : Effect.map(begin(given), wake)
    })
  }

  /** Lets nothing through for as long as the provider asked. */
  close(millis: number, now: number): Effect.Effect<void> {
    const pause = Math.min(millis, longestPause)
    if (!(pause > 0)) return Effect.void
    this.closedUntil = Math.max(this.closedUntil, now + pause)
    for (const ticket of this.queue) this.wake(ticket)
    return this.tell(pause)
  }

  /** Notes what the provider says is left until its reset. The newest answer counts. */
  note(left: number, resetAfter: number, now: number): Effect.Effect<void> {
    const pause = Math.min(resetAfter, longestPause)
    this.left = left
    this.noted++
    this.leftUntil = now + pause
    for (const ticket of this.queue) {
      if (ticket === this.head || (ticket.cost > left && this.leftUntil > ticket.giveUpAt)) this.wake(ticket)
    }
    return left <= 0 && pause > 0 ? this.tell(pause) : Effect.void
  }

  private tell(pause: number): Effect.Effect<void> {
    const { shared } = this.limiter
    return shared === undefined ? Effect.void : this.outside(this.tokens.tellPause(shared, pause))
  }

  /** A shared store learns what it must, and no attempt waits for that. */
  private outside(self: Effect.Effect<void>): Effect.Effect<void> {
    return this.limiter.shared === undefined
      ? self
      : Effect.asVoid(Effect.forkDetach(this.limiter.ask(self, undefined), { startImmediately: true }))
  }
}
