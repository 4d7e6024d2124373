/** The fault script: the same for every provider, but for how its errors look. */
import { FaultInjection } from "breakwater/testing"
import type { Wire } from "./Slice.ts"

/** What strikes a request, and the request after it if the fault strikes twice. */
export interface Scripted {
  readonly name: string
  readonly fault: (wire: Wire) => FaultInjection.Fault
  /** Whether a program can get past it by asking again: then it also strikes twice in a row. */
  readonly passes: boolean
  /** What strikes every request after it. Without it they are healthy. */
  readonly after?: (wire: Wire) => FaultInjection.Fault
}

const throttled = ({ throttled }: Wire) => FaultInjection.status(429, { retryAfter: 2, body: throttled })

/** The faults that a program meets while it lives. */
export const script: ReadonlyArray<Scripted> = [
  { name: "stalled body", fault: () => FaultInjection.stallInBody, passes: true },
  { name: "dropped after send", fault: () => FaultInjection.responseLost, passes: true },
  { name: "503", fault: ({ unavailable }) => FaultInjection.status(503, { body: unavailable }), passes: true },
  {
    // What a gateway answers when the provider behind it was too slow.
    name: "503, but it was done",
    fault: ({ unavailable }) => FaultInjection.status(503, { body: unavailable, executes: true }),
    passes: true
  },
  { name: "429 with Retry-After", fault: throttled, passes: true },
  {
    // The last attempt was refused, and the first one was not.
    name: "dropped after send, then 429",
    fault: () => FaultInjection.responseLost,
    passes: false,
    after: throttled
  },
  {
    name: "200 with an error",
    fault: ({ errorIn200 }) => FaultInjection.status(200, { body: errorIn200 }),
    passes: false
  },
  { name: "changed shape", fault: ({ changedShape }) => FaultInjection.wrongShape(changedShape), passes: false }
]

/** The provider carries the request out, and its answer never comes: the process is killed while it waits. */
export const crash: FaultInjection.Fault = FaultInjection.stallBeforeHeaders({ executes: true })
