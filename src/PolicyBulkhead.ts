/**
 * The bulkhead: how many attempts may run at once, and how many may wait for their turn.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Site } from "./Call.ts"
import { attemptLayer, fromLayers, type Policy } from "./internal/policy.ts"
import { nowOf } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"

/**
 * Permits and a queue, first come, first served. Every permit that is taken is given back, whatever ends the attempt.
 *
 * @internal
 */
export class Permits {
  taken = 0
  readonly waiting = new Set<() => void>()
  readonly concurrency: number
  readonly queue: number

  constructor(concurrency: number, queue: number) {
    this.concurrency = concurrency
    this.queue = queue
  }

  release(): void {
    const next = this.waiting.values().next()
    if (next.done === true) {
      this.taken--
      return
    }
    // The permit passes on without becoming free in between, so nobody can overtake the queue.
    this.waiting.delete(next.value)
    next.value()
  }

  /**
   * Waits for a permit, or fails at once when the queue is full. `ticket.held` says whether a permit was given: the one
   * fact that decides about its return, at whatever point the fiber is interrupted.
   */
  acquire(ticket: Ticket): Effect.Effect<void, Reason.Reason> {
    return Effect.callback<void, Reason.Reason>((resume) => {
      if (this.taken < this.concurrency) {
        this.taken++
        ticket.held = true
        return resume(Effect.void)
      }
      if (this.waiting.size >= this.queue) {
        return resume(
          Effect.fail(
            Reason.make("BulkheadFull", {
              message: `${this.concurrency} attempts are running and ${this.waiting.size} waiting, the most allowed`
            })
          )
        )
      }
      const take = () => {
        ticket.held = true
        resume(Effect.void)
      }
      this.waiting.add(take)
      return Effect.sync(() => this.waiting.delete(take))
    })
  }
}

interface Ticket {
  held: boolean
}

/**
 * Bounds the attempts that run at once.
 *
 * **Details**
 *
 * Attempts over `concurrency` wait in a fair queue of at most `queue` (default: as many as may run); one more fails at
 * once with `BulkheadFull`, which did not happen. The wait ends with the call's total deadline. A permit is held by an
 * attempt and never by a backoff. Bulkheads with one `name` share their permits over an integration's operations.
 *
 * @category layers
 * @since 0.1.0
 */
export const bulkhead = (options: {
  readonly concurrency: number
  readonly queue?: number | undefined
  readonly name?: string | undefined
}): Policy<never, "any"> => {
  const name = options.name ?? "bulkhead"
  const settings = { concurrency: options.concurrency, queue: options.queue ?? options.concurrency }
  const problems: Array<string> = []
  if (!Number.isInteger(settings.concurrency) || settings.concurrency < 1) {
    problems.push(`the bulkhead's concurrency must be an integer of at least 1, got ${settings.concurrency}`)
  }
  if (!Number.isInteger(settings.queue) || settings.queue < 0) {
    problems.push(`the bulkhead's queue must be an integer of at least 0, got ${settings.queue}`)
  }
  return fromLayers([
    attemptLayer({
      slot: "bulkhead",
      name,
      describe: `at most ${settings.concurrency} attempts at once, ${settings.queue} more may wait`,
      problems,
      build: (site: Site) =>
        Effect.map(
          site.shared(
            `bulkhead ${name}`,
            settings,
            Effect.sync(() => new Permits(settings.concurrency, settings.queue))
          ),
          (permits) => (step) => (call) =>
            Effect.withFiber((fiber) => {
              const asked = nowOf(fiber)
              const ticket: Ticket = { held: false }
              return Effect.onExit(
                Effect.flatMap(permits.acquire(ticket), () => {
                  call.queued += nowOf(fiber) - asked
                  return step(call)
                }),
                () => {
                  if (ticket.held) return Effect.sync(() => permits.release())
                  // The wait ended without a permit: it was a wait all the same.
                  call.queued += nowOf(fiber) - asked
                  return Effect.void
                }
              )
            })
        )
    })
  ]) as Policy<never, "any">
}
