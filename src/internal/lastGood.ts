import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { nowOf } from "./timer.ts"

/** An answer, and when it was given, in epoch milliseconds. */
interface Entry {
  readonly answer: unknown
  readonly at: number
  readonly until: number
}

/**
 * The last good answers of a layer: the least recently used go first, and those that are too old to be served are
 * forgotten, also while nobody asks.
 */
export class LastGood {
  /** The least recently used come first. */
  readonly entries = new Map<string, Entry>()
  readonly most: number
  private readonly context: Context.Context<never>
  private longest = 0
  sweeper: Fiber.Fiber<void> | undefined = undefined

  constructor(most: number, context: Context.Context<never>) {
    this.most = most
    this.context = context
  }

  keep(key: string, answer: unknown, now: number, millis: number): void {
    this.entries.delete(key)
    this.entries.set(key, { answer, at: now, until: now + millis })
    if (this.entries.size > this.most) {
      const oldest = this.entries.keys().next()
      if (oldest.done === false) this.entries.delete(oldest.value)
    }
    this.longest = Math.max(this.longest, millis)
    if (this.sweeper !== undefined) return
    const sweeper = Effect.runForkWith(this.context)(this.sweep)
    this.sweeper = sweeper
    sweeper.addObserver(() => (this.sweeper = undefined))
  }

  /** The answer of a key, if it is younger than `millis`. */
  find(key: string, now: number, millis: number): Entry | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined || now - entry.at >= millis) return undefined
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry
  }

  forget(key: string): void {
    this.entries.delete(key)
  }

  /** Runs only while something is kept, and looks once per the longest time that an answer may be kept. */
  private readonly sweep: Effect.Effect<void> = Effect.suspend(() =>
    Effect.andThen(
      Effect.sleep(this.longest),
      Effect.withFiber((fiber) => {
        const now = nowOf(fiber)
        for (const [key, { until }] of this.entries) if (until <= now) this.entries.delete(key)
        return this.entries.size === 0 ? Effect.void : this.sweep
      })
    )
  )
}
