// Counting arrivals, choosing their faults, and waking those who wait for them. Shared by doubles of HTTP and of effects.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Fault } from "../Fault.ts"
import { faultAt, type Faults } from "../FaultPlan.ts"

interface Waiter {
  readonly holds: () => boolean
  readonly deferred: Deferred.Deferred<void>
}

export class Arrivals {
  faults: Faults | undefined
  readonly struck: Array<{ readonly operation: string; readonly fault: Fault }> = []
  private readonly counts = new Map<string, number>()
  private readonly waiters = new Set<Waiter>()
  /** Counted since the plan was injected: a script begins with the next request. */
  private planned = new Map<string, number>()
  private index = 0
  private startedAt: number | undefined = undefined

  constructor(faults: Faults | undefined) {
    this.faults = faults
  }

  /** Where windows of time begin. */
  start(now: number): void {
    this.startedAt ??= now
  }

  inject(faults: Faults | undefined, now: number): void {
    this.faults = faults
    this.planned = new Map()
    this.index = 0
    this.startedAt = now
  }

  reset(now: number): void {
    this.counts.clear()
    this.struck.length = 0
    this.inject(this.faults, now)
  }

  arrive(operation: string, now: number): { readonly arrival: number; readonly fault: Fault | undefined } {
    this.start(now)
    const arrival = (this.counts.get(operation) ?? 0) + 1
    this.counts.set(operation, arrival)
    const planned = (this.planned.get(operation) ?? 0) + 1
    this.planned.set(operation, planned)
    const at = { operation, arrival: planned, index: this.index++, elapsed: now - this.startedAt! }
    return { arrival, fault: faultAt(this.faults, at) }
  }

  strike(operation: string, fault: Fault): void {
    this.struck.push({ operation, fault })
    this.tell()
  }

  tell(): void {
    for (const waiter of this.waiters) {
      if (!waiter.holds()) continue
      this.waiters.delete(waiter)
      Deferred.doneUnsafe(waiter.deferred, Effect.void)
    }
  }

  wait(holds: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (holds()) return Effect.void
      const waiter: Waiter = { holds, deferred: Deferred.makeUnsafe() }
      this.waiters.add(waiter)
      return Effect.onInterrupt(Deferred.await(waiter.deferred), () => Effect.sync(() => this.waiters.delete(waiter)))
    })
  }
}
