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
