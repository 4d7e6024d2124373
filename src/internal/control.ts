import type { Gate } from "./gate.ts"

/** Where the service of an integration keeps what a control reaches. */
export const ControlId = "~breakwater/Control"

/** What a control reaches of one built integration. */
export interface Controlled {
  readonly integration: string
  readonly gates: ReadonlyArray<Gate>
  /** The shared state of its layers, by the name that they asked for. */
  readonly states: ReadonlyMap<string, { readonly state: unknown }>
}
