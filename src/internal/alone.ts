import * as Effect from "effect/Effect"
import type { Site } from "../Call.ts"
import { CallRecord } from "./call.ts"

/** The record of a layer that stands alone, outside any integration. */
export const alone = (operation: string, startedAt: number): CallRecord =>
  new CallRecord({
    id: "",
    integration: "(no integration)",
    operation,
    repeat: "AtMostOnce",
    input: undefined,
    startedAt,
    correlationId: ""
  })

/** The site of a layer that stands alone. */
export const siteAlone: Site = {
  integration: "",
  operation: "",
  repeat: "AtMostOnce",
  limits: { attemptTimeout: undefined, totalDeadline: undefined, maxAttempts: 1 },
  host: undefined,
  lifetime: Infinity,
  mode: () => "enforce",
  decided: () => {},
  clear: [],
  reconcile: undefined,
  shared: (_name, _options, make) => Effect.scoped(make)
}
