/**
 * One script of faults for every SDK: each is met by one call, and the requests after the first are answered well.
 */
import { FaultInjection } from "breakwater/testing"
import type { Sdk } from "./sdks.ts"

export interface Case {
  readonly name: string
  /** What befalls the first request. `elsewhere` is the URL of another server. */
  readonly fault: (sdk: Sdk, elsewhere: string) => FaultInjection.Fault
  /** Whether the attempt ends by its timeout. */
  readonly stalls?: boolean
}

/** The last one is no fault of a request: nobody listens. */
export const refused = "connection refused"

export const cases: ReadonlyArray<Case> = [
  {
    name: "no answer at all, carried out",
    fault: () => FaultInjection.stallBeforeHeaders({ executes: true }),
    stalls: true
  },
  { name: "a body that stalls halfway", fault: () => FaultInjection.stallInBody, stalls: true },
  { name: "reset before it was carried out", fault: () => FaultInjection.resetBeforeReading },
  { name: "reset after it was carried out", fault: () => FaultInjection.responseLost },
  { name: "a body that is cut halfway", fault: () => FaultInjection.cutBody },
  { name: "503", fault: ({ error }) => FaultInjection.status(503, { body: error }) },
  {
    name: "503, `Retry-After: 1`",
    fault: ({ error }) => FaultInjection.status(503, { retryAfter: 1, body: error })
  },
  {
    name: "429, `Retry-After: 1`",
    fault: ({ error }) => FaultInjection.status(429, { retryAfter: 1, body: error })
  },
  { name: "429 without `Retry-After`", fault: ({ error }) => FaultInjection.status(429, { body: error }) },
  {
    name: "500 after it was carried out",
    fault: ({ error }) => FaultInjection.status(500, { executes: true, body: error })
  },
  { name: "401", fault: ({ error }) => FaultInjection.status(401, { body: error }) },
  { name: "200 with an error in it", fault: ({ error }) => FaultInjection.status(200, { body: error }) },
  { name: "200 of another shape", fault: ({ changed }) => FaultInjection.wrongShape(changed) },
  { name: "200 with a page of HTML", fault: () => FaultInjection.wrongMediaType() },
  {
    name: "307 to another host",
    fault: (_, elsewhere) => FaultInjection.status(307, { headers: { location: `${elsewhere}/elsewhere` }, body: "" })
  }
]

/** A piece of the page of `wrongMediaType`: no message may repeat what a provider sent. */
export const pageText = "Please sign in"
