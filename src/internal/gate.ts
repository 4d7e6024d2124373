import * as Effect from "effect/Effect"
import type { Call, Decided, Mode, Site } from "../Call.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord } from "./call.ts"
import { fusable } from "./fusable.ts"
import type { Slot } from "./order.ts"
import * as P from "./policy.ts"
import { withNow } from "./timer.ts"

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
  const decision = { policy: slot, name, decided, mode, at: now }
  ;(whole.decisions ??= []).push(record.legNumber === undefined ? decision : { ...decision, leg: record.legNumber })
}

/** What a layer that is off leaves of itself. The total deadline goes on to keep the caller's own. */
export const standsAside = (gate: Gate): boolean => gate.slot !== "totalDeadline"

/** Whether an operator switched a whole integration off. */
export interface Switch {
  off: boolean
}

/**
 * Turns every attempt away while an operator has switched the integration off, whatever breaker it has and however that
 * acts. It stands around the breakers and is no layer of the policy: neither the plan nor the modes show it.
 */
export const switchLayer = (self: Switch): P.Layer =>
  P.attemptLayer({
    slot: "circuitBreaker",
    name: "operator",
    describe: "turns every attempt away while an operator has switched the integration off",
    build: (site) =>
      Effect.sync(() => {
        site.clear.push(() => !self.off)
        return fusable(
          (step) => (call) =>
            self.off
              ? withNow((now) => {
                  site.decided(call, "rejected", now)
                  return Effect.fail(Reason.make("CircuitOpen", { message: "switched off by an operator" }))
                })
              : step(call),
          {
            kind: "guard",
            keyed: "",
            isStateful: false,
            isClear: () => !self.off,
            enter: () => undefined,
            leave: () => {}
          }
        )
      })
  })
