import * as Effect from "effect/Effect"
import * as Reason from "../Reason.ts"

/** One attempt's place in a bulkhead. */
export interface Ticket {
  /** Whether it has a permit: the one fact that decides about its return, at whatever point the fiber is interrupted. */
  held: boolean
  /** Whether it runs only because the bulkhead observes: it would have been turned away. */
  extra?: boolean | undefined
  /** Goes on, once a permit was handed over. */
  wake?: (() => void) | undefined
  /** Leaves the queue. */
  leave?: (() => void) | undefined
}

/**
 * Permits and a queue, first come, first served. Every permit that is taken is given back, whatever ends the attempt.
 */
export class Permits {
  /** Attempts that run, those over the limit included that were let through by a bulkhead that observes. */
  taken = 0
  /** Of those, how many would have been turned away. */
  extra = 0
  /** Who waits, in order: whether the bulkhead still enforces for them, and since when they wait, in epoch milliseconds. */
  readonly waiting = new Map<() => void, { readonly enforces: () => boolean; readonly since: number }>()
  readonly concurrency: number
  readonly queue: number

  constructor(concurrency: number, queue: number) {
    this.concurrency = concurrency
    this.queue = queue
  }

  /** Takes a permit if one is free. */
  take(ticket: Ticket): boolean {
    if (this.taken >= this.concurrency) return false
    this.taken++
    ticket.held = true
    return true
  }

  /** Runs beyond the limit where need be, and says what enforcing would have done. */
  exceed(ticket: Ticket): "waited" | "rejected" | undefined {
    this.letGo()
    const load = this.taken - this.extra
    const decided =
      load < this.concurrency ? undefined : load < this.concurrency + this.queue ? ("waited" as const) : "rejected"
    this.taken++
    ticket.held = true
    if (decided === "rejected") {
      this.extra++
      ticket.extra = true
    }
    return decided
  }

  /** Gives a permit back. */
  release(ticket: Ticket): void {
    this.taken--
    if (ticket.extra === true) this.extra--
    this.letGo()
    // The permit passes on without becoming free in between, so nobody can overtake the queue.
    for (const take of this.waiting.keys()) {
      if (this.taken >= this.concurrency) return
      this.hand(take)
    }
  }

  get isFull(): boolean {
    return this.waiting.size >= this.queue
  }

  /** Stands in the queue from now on: between looking whether it is full and joining it nobody else may come. */
  join(ticket: Ticket, enforces: () => boolean, since: number): void {
    const take = () => {
      ticket.held = true
      ticket.wake?.()
    }
    this.waiting.set(take, { enforces, since })
    ticket.leave = () => void this.waiting.delete(take)
  }

  /** Waits for the permit of a ticket that has joined, however long that takes. */
  wait(ticket: Ticket): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (ticket.held) return resume(Effect.void)
      ticket.wake = () => resume(Effect.void)
      return Effect.sync(() => ticket.leave?.())
    })
  }

  full(): Reason.Reason {
    return Reason.make("BulkheadFull", {
      message: `${this.concurrency} attempts are running and ${this.waiting.size} waiting, the most allowed`
    })
  }

  /** Lets those go on who wait from before the mode changed, or newcomers would overtake them for ever. */
  private letGo(): void {
    for (const [take, { enforces }] of this.waiting) if (!enforces()) this.hand(take)
  }

  private hand(take: () => void): void {
    this.waiting.delete(take)
    this.taken++
    take()
  }
}

/** The permits of one bulkhead by key. A key without an attempt has nothing to remember, and is dropped at once. */
export class Bulkhead {
  private readonly concurrency: number
  private readonly queue: number
  private readonly keys = new Map<string, Permits>()
  private readonly kept = new Set<string>()

  constructor(concurrency: number, queue: number) {
    this.concurrency = concurrency
    this.queue = queue
  }

  /** The permits of a key. Whoever uses them calls `done` at the end. */
  of(key: string): Permits {
    let permits = this.keys.get(key)
    if (permits === undefined) this.keys.set(key, (permits = new Permits(this.concurrency, this.queue)))
    return permits
  }

  /** Keeps a key that comes with every call. */
  keep(key: string): void {
    this.kept.add(key)
  }

  done(key: string, permits: Permits): void {
    if (this.kept.has(key)) return
    if (permits.taken === 0 && permits.waiting.size === 0 && this.keys.get(key) === permits) this.keys.delete(key)
  }

  /** Whether an attempt would get a permit at once. */
  isFree(key: string): boolean {
    const permits = this.keys.get(key)
    return permits === undefined || permits.taken < permits.concurrency
  }

  /** How many keys have attempts. */
  get size(): number {
    return [...this.keys.values()].filter((permits) => permits.taken > 0 || permits.waiting.size > 0).length
  }

  /** Attempts that run, of all keys. */
  get taken(): number {
    return [...this.keys.values()].reduce((sum, permits) => sum + permits.taken, 0)
  }

  /** Since when each attempt waits that waits now, of all keys, in epoch milliseconds. */
  waits(): ReadonlyArray<number> {
    return [...this.keys.values()].flatMap(({ waiting }) => [...waiting.values()].map(({ since }) => since))
  }

  /** Attempts that wait, of all keys. */
  get waiting(): { readonly size: number } {
    return { size: [...this.keys.values()].reduce((sum, permits) => sum + permits.waiting.size, 0) }
  }
}
