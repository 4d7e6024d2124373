import type { Call, Decided, Mode, Site } from "../Call.ts"
import type { CallRecord } from "./call.ts"
import type { Slot } from "./order.ts"
import type * as P from "./policy.ts"

/** How one layer of one operation acts at the moment. A control writes it, the layer and the runner read it. */
export class Gate {
  readonly operation: string
  readonly slot: Slot
  readonly name: string
  readonly observes: boolean
  /** What the policy says, to which a control goes back. */
  readonly initial: Mode
  mode: Mode

  constructor(operation: string, layer: P.Layer) {
    this.operation = operation
    this.slot = layer.slot
    this.name = layer.name
    this.observes = layer.observes
    this.initial = layer.mode
    this.mode = layer.mode
  }
}

/** The site of one layer: the operation's, and the layer's own mode and voice. */
export const siteOf = (site: Site, gate: Gate): Site => ({
  ...site,
  mode: () => gate.mode,
  decided: (call, decided, now) => decide(call, gate, decided, now)
})

const decide = (call: Call, { mode, name, slot }: Gate, decided: Decided, now: number): void => {
  const record = call as CallRecord
  const whole = record.root ?? record
  ;(whole.decisions ??= []).push({ policy: slot, name, decided, mode, at: now })
}

/** What a layer that is off leaves of itself. The total deadline goes on to keep the caller's own. */
export const standsAside = (gate: Gate): boolean => gate.slot !== "totalDeadline"
