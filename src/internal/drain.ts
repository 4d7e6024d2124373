import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { CallRecord } from "./call.ts"

/** A call that is running, and the way to say that it has ended. */
export interface Ticket {
  /** To be run when everything about the call was told: a closing layer waits for it, and the process may end then. */
  readonly leave: Effect.Effect<void>
}

interface Running {
  readonly call: CallRecord
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Called when the call has ended; its fiber may have more to do. */
  onEnd: (() => void) | undefined
}

/**
 * The calls of one integration that are running. When its layer closes, new calls are turned away, running ones have
 * `drain` to end, and the rest are interrupted: their outcome is in the history that is reported for each.
 */
export class Drain {
  readonly running = new Set<Running>()
  draining = false
  private idle: (() => void) | undefined = undefined

  enter(call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>): Ticket | undefined {
    if (this.draining) return undefined
    const entry: Running = { call, fiber, onEnd: undefined }
    this.running.add(entry)
    return {
      leave: Effect.sync(() => {
        this.running.delete(entry)
        entry.onEnd?.()
        if (this.running.size === 0) this.idle?.()
      })
    }
  }

  readonly whenIdle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.running.size === 0) return resume(Effect.void)
    this.idle = () => resume(Effect.void)
  })

  close(name: string, drain: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.draining = true
      if (this.running.size === 0) return Effect.void
      return Effect.flatMap(
        Effect.raceFirst(Effect.as(this.whenIdle, true), Effect.as(Effect.sleep(drain), false)),
        (done) =>
          done
            ? Effect.void
            : Effect.forEach(
                [...this.running],
                (entry) => {
                  const { call, fiber } = entry
                  const ended = Effect.callback<void>((resume) => {
                    // The interruption of another may have ended it.
                    if (!this.running.has(entry)) return resume(Effect.void)
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
