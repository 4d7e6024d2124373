import * as Context from "effect/Context"
import type { CallObserved } from "../Telemetry.ts"
import type { CallRecord } from "./call.ts"
import type { Controlled } from "./control.ts"

/** A built integration, while its layer is open. */
export interface Registered {
  readonly controlled: Controlled
  /** The calls that run, which their layer keeps for its own end: who looks on needs no list of its own. */
  readonly running: Iterable<{ readonly call: CallRecord }> & { readonly size: number }
}

/** Is told how every call ended, exactly once. One that throws is ignored. */
export type Watcher = (event: CallObserved) => void

/**
 * Where the integrations of a process and those who look on find each other. A call pays one read of `watchers` for it
 * while nobody watches. What runs is not told: it is looked up, so that a watcher that came later sees it too.
 */
export class Hub {
  watchers: ReadonlyArray<Watcher> = []
  readonly integrations = new Set<Registered>()

  /** Adds an integration, and gives what removes it. */
  add(registered: Registered): () => void {
    this.integrations.add(registered)
    return () => void this.integrations.delete(registered)
  }

  /** Adds a watcher, and gives what removes it. */
  watch(watcher: Watcher): () => void {
    // Two of the same function are two watchers.
    const own: Watcher = (event) => watcher(event)
    this.watchers = [...this.watchers, own]
    return () => {
      this.watchers = this.watchers.filter((other) => other !== own)
    }
  }
}

/** The process's hub, as `Metric.MetricRegistry` is its registry. A test gives its own to the layers that it builds. */
export const CurrentHub: Context.Reference<Hub> = Context.Reference<Hub>("breakwater/Hub", {
  defaultValue: () => new Hub()
})
