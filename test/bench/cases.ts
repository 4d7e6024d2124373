/** The in-process cases by id. Each is loaded in the process that runs it, and nothing else is. */
import type { Peer } from "./peer.ts"
import type { breakwater } from "./peers/breakwater.ts"

type Load = () => Promise<Peer>

const ours = (variant: keyof typeof breakwater): Load => {
  return async () => (await import("./peers/breakwater.ts")).breakwater[variant]
}

export const cases = {
  breakwater: ours("promise"),
  "breakwater-otel": ours("otel"),
  "breakwater-key": ours("keyed"),
  "breakwater-effect": ours("effect"),
  "breakwater-parity": ours("parity"),
  "breakwater-value": ours("rejecting"),
  "breakwater-promise": ours("rejectingPromise"),
  "breakwater-stackless": ours("stackless"),
  cockatiel: async () => (await import("./peers/cockatiel.ts")).cockatiel,
  "cockatiel-total": async () => (await import("./peers/cockatiel.ts")).cockatielTotal,
  "cockatiel-observed": async () => (await import("./peers/cockatielObserved.ts")).cockatielObserved,
  opossum: async () => (await import("./peers/opossum.ts")).opossum,
  operators: async () => (await import("./peers/operators.ts")).operators,
  hand: async () => (await import("./peers/hand.ts")).hand
} satisfies Readonly<Record<string, Load>>

export type CaseId = keyof typeof cases

export const isCase = (id: string): id is CaseId => Object.hasOwn(cases, id)

export const load = (id: CaseId): Promise<Peer> => cases[id]()
