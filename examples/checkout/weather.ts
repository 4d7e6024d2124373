/**
 * What goes wrong while `--dashboard` runs, one thing at a time and each for another reason, with calm in between: so a
 * person who watches the page sees an integration become slow, and why.
 */
import type { FaultPlan } from "./faults.ts"

export interface Weather {
  /** What a person is told when it begins. */
  readonly says: string
  readonly seconds: number
  readonly faults: Omit<FaultPlan, "seed">
}

const calm: Weather = {
  says: "all is calm",
  seconds: 16,
  faults: { rate: 0.6, kinds: ["latency"], latencyMs: [5, 40] }
}

const troubles: ReadonlyArray<Weather> = [
  {
    says: "the card provider answers slowly",
    seconds: 20,
    faults: { rate: 0.9, kinds: ["latency"], operations: ["charge"], latencyMs: [280, 460] }
  },
  {
    says: "the inventory turns nearly half of the attempts away, and calls wait between them",
    seconds: 20,
    faults: { rate: 0.45, kinds: ["status429"], operations: ["reserve"] }
  },
  {
    says: "the mail provider is down, and its breaker opens",
    seconds: 20,
    faults: { rate: 1, kinds: ["status503"], operations: ["receipt"] }
  },
  {
    says: "the mail provider takes longer than its few permits allow, and receipts queue for one",
    seconds: 20,
    faults: { rate: 1, kinds: ["latency"], operations: ["receipt"], latencyMs: [230, 290] }
  }
]

/** The whole round, which begins again at its end. */
export const weathers: ReadonlyArray<Weather> = troubles.flatMap((trouble) => [calm, trouble])

/** How many receipts may be on their way at once: at the pace of the orders few enough to queue when mail is slow. */
export const mailPermits = { concurrency: 3, queue: 24 } as const

/** Milliseconds from one order to the next. */
export const orderEveryMs = 60
