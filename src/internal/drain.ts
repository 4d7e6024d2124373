import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { CallRecord } from "./call.ts"

/** A call that is running, and the way to say that it has ended. */
export interface Ticket {
  /** To be called when everything about the call was told: a closing layer waits for it, and the process may end then. */
  readonly leave: () => void
}

class Running implements Ticket {
  readonly call: CallRecord
  readonly fiber: Fiber.Fiber<unknown, unknown>
  private readonly drain: Drain
  /** Called when the call has ended; its fiber may have more to do. */
  onEnd: (() => void) | undefined = undefined
  /** Its neighbours among those that run. A set would have to be told a hash of each. */
  before: Running | undefined = undefined
  after: Running | undefined = undefined

  constructor(drain: Drain, call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>) {
    this.drain = drain
    this.call = call
    this.fiber = fiber
  }

  leave(): void {
    this.drain.left(this)
    this.onEnd?.()
    this.drain.rest()
  }
}

/**
 * The calls of one integration that are running. When its layer closes, new calls are turned away, running ones have
 * `drain` to end, and the rest are interrupted: their outcome is in the history that is reported for each.
 */
export class Drain {
  private first: Running | undefined = undefined
  /** How many calls are running. */
  size = 0
  draining = false
  private idle: (() => void) | undefined = undefined

  enter(call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>): Ticket | undefined {
    if (this.draining) return undefined
    const entry = new Running(this, call, fiber)
    const { first } = this
    entry.after = first
    if (first !== undefined) first.before = entry
    this.first = entry
    this.size++
    return entry
  }

  left(entry: Running): void {
    const { after, before } = entry
    if (before === undefined) this.first = after
    else before.after = after
    if (after !== undefined) after.before = before
    entry.before = entry.after = undefined
    this.size--
  }

  rest(): void {
    if (this.size === 0) this.idle?.()
  }

  private has(entry: Running): boolean {
    return this.first === entry || entry.before !== undefined
  }

  /** Those that run, the first to come first. */
  *[Symbol.iterator](): Iterator<Running> {
    const all: Array<Running> = []
    for (let entry = this.first; entry !== undefined; entry = entry.after) all.push(entry)
    yield* all.toReversed()
  }

  readonly whenIdle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.size === 0) return resume(Effect.void)
    this.idle = () => resume(Effect.void)
  })

  close(name: string, drain: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.draining = true
      if (this.size === 0) return Effect.void
      return Effect.flatMap(
        Effect.raceFirst(Effect.as(this.whenIdle, true), Effect.as(Effect.sleep(drain), false)),
        (done) =>
          done
            ? Effect.void
            : Effect.forEach(
                [...this],
                (entry) => {
                  const { call, fiber } = entry
                  const ended = Effect.callback<void>((resume) => {
                    // The interruption of another may have ended it.
                    if (!this.has(entry)) return resume(Effect.void)
                    entry.onEnd = () => resume(Effect.void)
                    call.cutBy = "drain"
                    fiber.interruptUnsafe()
                  })
                  return Effect.flatMap(ended, () =>
                    Effect.logWarning(
                      `${name} shut down while ${call.operation} was running: outcome ${call.outcome()}`
                    ).pipe(
                      Effect.annotateLogs({
                        integration: call.integration,
                        operation: call.operation,
                        effect: call.outcome(),
                        correlation_id: call.correlationId,
                        ...(call.key === undefined ? {} : { idempotency_key: call.key })
                      })
                    )
                  )
                },
                { discard: true, concurrency: "unbounded" }
              )
      )
    })
  }
}
